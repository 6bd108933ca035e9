package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"

	"everloop/bench/drive/inproc"
	results "everloop/bench/report"
	"everloop/engine"
	"everloop/wal"
)

// benchEngineCmd is `everloop bench engine`.
type benchEngineCmd struct {
	Calls string `enum:"pipe,blocking" default:"pipe" help:"pipe: each worker has as many calls under way as --connections times --pipeline, and none waits for another. blocking: each connection is a goroutine that waits for its call (${enum})."`
	Class string `enum:"direct,instance" default:"direct" help:"Objects whose whole state is their storage, or with an instance in memory (${enum})."`
	Sync  string `enum:"always,interval,none" default:"always" help:"When a write counts as durable: always (after its fsync), interval or none."`
	Loops int    `default:"1" help:"Event loops."`
	Dir   string `placeholder:"DIR" help:"Where to make a directory for the data, which is removed at the end. Default: the system's for temporary files, which may be in memory."`

	paceFlags   `embed:""`
	mixFlags    `embed:""`
	resultFlags `embed:""`
}

// Help is printed below the flags.
func (*benchEngineCmd) Help() string {
	return `The engine in this process, without a network: reads get an object's value, writes replace it. Durable writes to a million objects, 1,024 under way for each of two threads:

    everloop bench engine --dir . --writes 1 --keys 1000000 --workers 2 --connections 2 --pipeline 1024 --no-limit

What one goroutine sees that waits for each write:

    everloop bench engine --dir . --writes 1 --calls blocking --connections 1`
}

// Validate is called by kong once all values are there.
func (c *benchEngineCmd) Validate() error {
	if c.Loops < 1 || c.Loops > 256 {
		return errors.New("--loops: want a number from 1 to 256")
	}
	return errors.Join(c.paceFlags.Validate(), c.mixFlags.Validate())
}

// Run makes the load.
func (c *benchEngineCmd) Run(stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp(c.Dir, "everloop-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	modes := map[string]wal.SyncMode{"always": wal.SyncAlways, "interval": wal.SyncInterval, "none": wal.SyncNone}
	e, err := engine.Open(engine.Options{
		Dir: dir, Loops: c.Loops, Sync: modes[c.Sync], Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		err = errors.Join(err, e.Close(ctx))
	}()
	t, err := inproc.New(e, inproc.Options{Instances: c.Class == "instance", Blocking: c.Calls == "blocking"})
	if err != nil {
		return err
	}
	p, err := planOf(&c.paceFlags, &c.mixFlags)
	if err != nil {
		return err
	}
	s := scenario{name: "engine", target: c.Class + " class, sync " + c.Sync, unit: "calls", pace: &c.paceFlags, reads: "read", writes: "write"}
	s.settings = []results.Setting{
		{Name: "calls", Value: c.Calls}, {Name: "class", Value: c.Class}, {Name: "loops", Value: strconv.Itoa(c.Loops)}, {Name: "sync", Value: c.Sync},
	}
	return s.drive(stdout, t, p, &c.resultFlags)
}
