package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// keepFlags say how much a data directory keeps. Every command that opens one for writing has them: what they do not want is removed when it
// is opened.
type keepFlags struct {
	Retain     time.Duration `default:"720h" env:"EVERLOOP_RETAIN" placeholder:"TIME" help:"How long history is kept for time travel. 0: none is kept. Default ${default}."`
	RetainSize byteSize      `default:"128MiB" env:"EVERLOOP_RETAIN_SIZE" placeholder:"SIZE" help:"How much history is kept at most. 0: none is kept. Default ${default}."`
}

// snapshotFlags say when a daemon makes snapshots by itself.
type snapshotFlags struct {
	SnapshotLog byteSize      `default:"64MiB" env:"EVERLOOP_SNAPSHOT_LOG" placeholder:"SIZE" help:"A snapshot is made when a start would have to read more log than this, and more than the last snapshot has. 0: never for this reason. Default ${default}."`
	SnapshotAge time.Duration `default:"24h" env:"EVERLOOP_SNAPSHOT_AGE" placeholder:"TIME" help:"A snapshot is made when the last one is older and something was written since. 0: never for this reason. Default ${default}."`
}

// check finds usage errors.
func (k *keepFlags) check() error {
	if k.Retain < 0 {
		return fmt.Errorf("--retain: %v is below zero", k.Retain)
	}
	return nil
}

func (k *keepFlags) retain() wal.Retain { return wal.Retain{Age: k.Retain, Bytes: int64(k.RetainSize)} }

// check finds usage errors.
func (s *snapshotFlags) check() error {
	switch {
	case s.SnapshotAge < 0:
		return fmt.Errorf("--snapshot-age: %v is below zero", s.SnapshotAge)
	case s.SnapshotAge != 0 && s.SnapshotAge < time.Second:
		return fmt.Errorf("--snapshot-age: %v is below a second", s.SnapshotAge)
	case s.SnapshotLog != 0 && s.SnapshotLog < minSnapshotLog:
		return fmt.Errorf("--snapshot-log: %d bytes: snapshots would be made all the time: say %d at least, or 0", s.SnapshotLog, minSnapshotLog)
	}
	return nil
}

// minSnapshotLog is the least --snapshot-log that makes sense.
const minSnapshotLog = 64 << 10

// set gives an engine its options: it takes 0 for its own default.
func (s *snapshotFlags) set(o *engine.Options) {
	o.SnapshotLog, o.SnapshotAge = int64(s.SnapshotLog), s.SnapshotAge
	if o.SnapshotLog == 0 {
		o.SnapshotLog = -1
	}
	if o.SnapshotAge == 0 {
		o.SnapshotAge = -1
	}
}

// byteSize is a number of bytes, written as 64MiB, 1GiB, 500KiB or 1048576.
type byteSize int64

// UnmarshalText is part of encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	digits, unit := string(text), int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is no size such as 64MiB, 1GiB or 1048576", text)
	}
	*b = byteSize(n * unit)
	return nil
}
