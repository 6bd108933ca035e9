package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"everloop/wal/archive"
)

// restoreCmd is `everloop restore`.
type restoreCmd struct {
	Source string    `arg:"" help:"What is restored: a backup (a directory, or s3://BUCKET/PREFIX), or with --whole a data directory, or with --object the name of an object."`
	Dir    string    `arg:"" optional:"" help:"The new data directory. It must be empty or missing. Not with --object."`
	At     pointFlag `placeholder:"TIME" help:"Restore what had been committed by then: 2026-11-24T15:04:05Z, \"2026-11-24 15:04\", a time ago as 10m, or with --object a bookmark. Default: everything."`
	Whole  bool      `help:"SOURCE is a data directory, which may be in use: copy it as it was at --at, as far back as it keeps history."`

	restoreObjectFlags `embed:""`
	bucketFlags        `embed:""`
}

// Validate is called by kong once all values are there. What it finds is a usage error.
func (c *restoreCmd) Validate() error {
	switch {
	case c.Object == "" && c.Dir == "":
		return errors.New("name the new data directory: everloop restore SOURCE DIR")
	case c.Object != "" && (c.Dir != "" || c.Whole):
		return errors.New("--object restores one object in place: it goes with neither DIR nor --whole")
	case c.Object == "" && (c.As != "" || c.ID || c.Data != ""):
		return errors.New("--as, --id and --data are for --object CLASS NAME")
	case c.Object == "" && c.At.bookmark != "":
		return errors.New("--at: a bookmark names a moment of one object: it goes with --object CLASS NAME")
	}
	return c.restoreObjectFlags.Validate()
}

// Run restores.
func (c *restoreCmd) Run(stdout io.Writer) error {
	if c.Object != "" {
		return c.restoreObject(stdout, c.Source, c.At)
	}
	ctx, stop := untilSignal()
	defer stop()
	var from *archive.Source
	switch isData := isDataDirectory(c.Source); {
	case c.Whole && !isData:
		return fmt.Errorf("%s is no data directory. Without --whole, a backup is restored", c.Source)
	case !c.Whole && isData:
		return fmt.Errorf("%s is a data directory, not a backup: with --whole it is copied as it was at the time of --at", c.Source)
	case isData:
		from = archive.FromDirectory(c.Source)
	default:
		store, err := c.open(c.Source)
		if err != nil {
			return err
		}
		from = archive.FromBackup(store)
	}
	bar := newProgress(os.Stderr, "restore")
	r, err := archive.Restore(ctx, from, c.Dir, archive.RestoreOptions{At: c.At.Time, Progress: bar.update})
	bar.end()
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("it was told to end before it was done: %s is no data directory yet", c.Dir)
	case errors.Is(err, archive.ErrDamaged) && !c.Whole:
		return fmt.Errorf("%w\n`everloop verify %s` tells what is whole. An earlier moment (--at) may need nothing of what is damaged", err, c.Source)
	case err != nil:
		return err
	}
	fmt.Fprintf(stdout, "%s is restored from %s: %s, %s\n", c.Dir, c.Source, counted(r.Records, "record"), humanize.IBytes(uint64(r.Bytes)))
	if r.Last > 0 {
		fmt.Fprintf(stdout, "It holds everything up to record %d, of %s.\n", r.Last, people(r.Time))
	}
	fmt.Fprintf(stdout, "Serve it with: everloop serve PROJECT --data %s\n", c.Dir)
	return nil
}

// isDataDirectory tells a data directory from anything else by its manifest.
func isDataDirectory(dir string) bool {
	if strings.Contains(dir, "://") {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "p0", "MANIFEST"))
	return err == nil
}
