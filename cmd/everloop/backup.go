package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"everloop/wal/archive"
)

// bucketFlags say how a bucket is reached.
type bucketFlags struct {
	S3Endpoint string `name:"s3-endpoint" env:"EVERLOOP_S3_ENDPOINT" placeholder:"URL" help:"The server of a bucket that is not Amazon's: https://HOST:PORT, or http:// without TLS."`
	S3Region   string `name:"s3-region" env:"EVERLOOP_S3_REGION" placeholder:"NAME" help:"The region of the bucket. Default: that of the environment, or what the server says."`
}

// open returns the store at a place: a directory, or s3://BUCKET/PREFIX.
func (b *bucketFlags) open(place string) (archive.Store, error) {
	switch {
	case strings.HasPrefix(place, "s3://"):
		return archive.OpenBucket(place, archive.BucketOptions{Endpoint: b.S3Endpoint, Region: b.S3Region})
	case strings.Contains(place, "://"):
		return nil, fmt.Errorf("%s: a backup is kept in a directory, or in a bucket as s3://BUCKET/PREFIX", place)
	}
	return archive.OpenDirectory(place)
}

// backupCmd is `everloop backup`.
type backupCmd struct {
	Dest     string        `arg:"" help:"Where the backup is kept: a directory, or s3://BUCKET/PREFIX."`
	Data     string        `default:".everloop" env:"EVERLOOP_DATA" placeholder:"DIR" help:"The data directory. A daemon may be running on it. Default ${default}."`
	Follow   bool          `help:"Go on until SIGTERM: whatever is written is in the backup a moment later."`
	Interval time.Duration `default:"1s" placeholder:"TIME" help:"With --follow: how long to wait from one look to the next. Default ${default}."`
	Keep     span          `default:"30d" placeholder:"TIME" help:"How far back the backup can restore: 30d, 12h, or forever. What only older moments need is removed. Default ${default}."`

	bucketFlags `embed:""`
}

// Help is printed below the flags.
func (*backupCmd) Help() string {
	return "Only what is not there yet is sent. Keys for a bucket are taken from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from where Amazon's tools have them."
}

// Validate is called by kong. What it finds is a usage error.
func (c *backupCmd) Validate() error {
	if c.Interval < 10*time.Millisecond {
		return fmt.Errorf("--interval: %v is too short", c.Interval)
	}
	return nil
}

// Run takes a backup, or takes backups until it is told to end.
func (c *backupCmd) Run(stdout io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	store, err := c.open(c.Dest)
	if err != nil {
		return err
	}
	o := archive.Options{Keep: time.Duration(c.Keep), Logger: newLogger(os.Stderr)}
	bar := newProgress(os.Stderr, "backup")
	if !c.Follow {
		o.Progress = bar.update
	}
	b, err := archive.NewBackup(store, c.Data, o)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = b.Close() }() // it only lets go
	if c.Follow {
		o.Logger.Info("the backup follows", "dir", c.Data, "dest", store.String(), "interval", c.Interval, "keep", time.Duration(c.Keep))
		return c.explain(b.Follow(ctx, c.Interval))
	}
	result, err := b.Pass(ctx)
	bar.end()
	if err != nil {
		return c.explain(err)
	}
	what := "nothing new"
	if result.Objects > 0 {
		what = fmt.Sprintf("%s sent, %s", counted(result.Objects, "object"), humanize.IBytes(uint64(result.Bytes)))
	}
	if result.Removed > 0 {
		what += fmt.Sprintf("; %s removed that nothing needs any more", counted(result.Removed, "object"))
	}
	fmt.Fprintf(stdout, "%s is backed up to %s: %s\n", c.Data, store, what)
	fmt.Fprintf(stdout, "It holds everything up to record %d, of %s.\n", result.Last, people(result.Time))
	return nil
}

// explain adds what the person can do.
func (c *backupCmd) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, archive.ErrDamaged):
		return fmt.Errorf("%w\nName the data directory with --data, as `everloop serve` prints it (\"data in\")", err)
	case errors.Is(err, archive.ErrConflict):
		return fmt.Errorf("%w\nOnly one backup at a time can write to a place. What is there is whole", err)
	case errors.Is(err, context.Canceled):
		return errors.New("it was told to end before it was done. What was backed up before is whole; the next backup goes on from what was sent")
	}
	return err
}

// verifyCmd is `everloop verify`.
type verifyCmd struct {
	Backup string `arg:"" help:"A backup: a directory, or s3://BUCKET/PREFIX."`

	bucketFlags `embed:""`
}

// Run reads a whole backup and says what it holds.
func (c *verifyCmd) Run(stdout io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	store, err := c.open(c.Backup)
	if err != nil {
		return err
	}
	bar := newProgress(os.Stderr, "verify")
	r, err := archive.Verify(ctx, store, bar.update)
	bar.end()
	if r.Log == "" {
		return err
	}
	fmt.Fprintf(stdout, "%s: a backup of log %s, last written %s\n", store, r.Log, people(r.Updated))
	fmt.Fprintf(stdout, "  %s and %s of the log with %s, up to record %d\n",
		counted(r.Snapshots, "snapshot"), counted(r.Generations, "generation"), counted(r.Records, "record"), r.Last)
	fmt.Fprintf(stdout, "  %s, %s (%s of log)\n", counted(r.Objects, "object"), humanize.IBytes(uint64(r.Bytes)), humanize.IBytes(uint64(r.LogBytes)))
	for _, s := range r.Spans {
		fmt.Fprintf(stdout, "  can be restored to any moment from %s to %s\n", people(s.From), people(s.To))
	}
	if len(r.Spans) == 0 {
		fmt.Fprintln(stdout, "  nothing in it can be restored")
	}
	if r.Leftover > 0 {
		fmt.Fprintf(stdout, "  %s of a backup that was interrupted, or that is running now\n", counted(r.Leftover, "object"))
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(stdout, "  %s\n", problem)
	}
	if err == nil {
		fmt.Fprintln(stdout, "no damage")
	}
	return err
}

// untilSignal returns a context that ends with SIGTERM or SIGINT. A second signal ends the process.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// counted is a number of things.
func counted[N int | int64 | uint64](n N, one string) string {
	switch {
	case n == 1:
		return "1 " + one
	case strings.HasSuffix(one, "ch"):
		one += "e"
	}
	return fmt.Sprintf("%d %ss", n, one)
}
