package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"everloop/engine"
	"everloop/proto/admin"
	"everloop/wal"
)

// snapshotCmd is `everloop snapshot`.
type snapshotCmd struct {
	Dir       string `arg:"" optional:"" help:"A data directory that no daemon has open. Without it the daemon at --admin is asked."`
	daemonAt  `embed:""`
	keepFlags `embed:""`
}

// Help is printed below the flags.
func (*snapshotCmd) Help() string {
	return "A snapshot has all objects in it, so that the next start does not read the log from before. A daemon makes them by itself; this makes one now, and returns when it is on the disk."
}

// Validate is called by kong once all values are there.
func (c *snapshotCmd) Validate() error { return errors.Join(c.daemonAt.Validate(), c.check()) }

// Run makes a snapshot and says what it has.
func (c *snapshotCmd) Run(stdout io.Writer) error {
	if c.Dir == "" {
		var made admin.Snapshot
		if err := c.ask("/snapshot", url.Values{}, 0, &made); err != nil {
			return err
		}
		return printSnapshot(stdout, made)
	}
	if err := existing(c.Dir); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	update, end := recoveryProgress(os.Stderr, logger)
	e, err := engine.Open(engine.Options{
		Dir: c.Dir, SnapshotLog: -1, SnapshotAge: -1, Retain: c.retain(), Progress: update, Logger: logger,
	})
	end()
	if errors.Is(err, wal.ErrLocked) {
		return fmt.Errorf("%w: leave DIR out to ask the daemon that has it open (--admin says where it is)", err)
	}
	if err != nil {
		return err
	}
	info, err := e.Snapshot(context.Background())
	made := admin.SnapshotOf(info, e.SnapshotStats().Objects)
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err = errors.Join(err, e.Close(ctx)); err != nil {
		return err
	}
	return printSnapshot(stdout, made)
}

func printSnapshot(stdout io.Writer, s admin.Snapshot) error {
	_, err := fmt.Fprintf(stdout, "snapshot %d: %d objects in %d bytes (%d before compression), up to record %d, in %v\n",
		s.Generation, s.Objects, s.Bytes, s.RawBytes, s.UpTo, time.Duration(s.TookMS)*time.Millisecond)
	return err
}

// existing refuses what is no data directory: opening it would make one.
func existing(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "p0")); err != nil {
		return fmt.Errorf("%s is no data directory: %w", dir, err)
	}
	return nil
}
