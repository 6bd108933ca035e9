package wal

import (
	"fmt"
	"log/slog"
	"time"
)

// SyncMode says what Durable means.
type SyncMode int

const (
	// SyncAlways: a record is durable after an fsync that covers it. The zero value.
	SyncAlways SyncMode = iota
	// SyncInterval: a record is called durable once the operating system has it; an fsync follows every
	// Options.Interval. A power cut loses up to that much, a killed process nothing.
	SyncInterval
	// SyncNone: as SyncInterval, and only the operating system decides when to write. (Full segments are
	// fsynced all the same, and so is the log when it is closed.)
	SyncNone
)

func (m SyncMode) String() string {
	switch m {
	case SyncAlways:
		return "always"
	case SyncInterval:
		return "interval"
	case SyncNone:
		return "none"
	}
	return fmt.Sprintf("SyncMode(%d)", int(m))
}

// ParseSyncMode reads what String writes.
func ParseSyncMode(s string) (SyncMode, error) {
	for m := SyncAlways; m <= SyncNone; m++ {
		if m.String() == s {
			return m, nil
		}
	}
	return 0, fmt.Errorf("wal: sync mode %q is not one of always, interval, none", s)
}

// Options of a log. The zero value works.
type Options struct {
	// Buffers is the number of loops that hand records over, each into its own buffer. Default 1. With one,
	// commits run inline at the end of its rounds while syncs are short.
	Buffers int

	// Sync says what is called durable. Default SyncAlways.
	Sync SyncMode
	// Interval is the time between syncs in SyncInterval. Default 1 s.
	Interval time.Duration

	// MaxDelay bounds how long a record waits for a commit to start when nothing demands it. Default 5 ms,
	// at least 1 ms. Longer means fewer syncs for writes that nobody waits for.
	MaxDelay time.Duration
	// Idle is how long nothing must have been committed before an empty batch is appended that claims the
	// last records. Default 100 ms.
	Idle time.Duration

	// Reserve is the number of free bytes on the disk below which Writable reports ErrNoSpace. It has to
	// hold what is written before everyone has taken notice: keep it above Backlog. Default 64 MiB.
	// Negative: no reserve.
	Reserve int64
	// Backlog is the number of bytes that may wait to be committed before Writable reports ErrBacklog.
	// Default 64 MiB, at most 512 MiB. Append itself takes one record of MaxRecord more, so that turns that
	// were running when the bound was passed can still hand over.
	Backlog int64

	// Retain says how much history is kept before the newest snapshot. Default: nothing.
	Retain Retain

	// Logger gets one line when the log fails, one each when space runs out and comes back, and one for a snapshot that
	// was given up or an old generation that cannot be removed. Default slog.Default().
	Logger *slog.Logger

	// OnDurable is called after each commit of records, on the goroutine that committed, with a number that
	// never falls: every record up to it is durable. When the log fails it is called once more, with the
	// cause and what was durable before. Calls never overlap. The package comment says what it may do.
	OnDurable func(durable LSN, err error)

	// Disk sees, and may fail, every operation that changes the directory. Default: none, straight to the
	// file system. Tests cut the power here.
	Disk Disk

	// segmentSize is smaller in tests, which would otherwise write much to see a segment full.
	segmentSize int64
}

const (
	// MaxRecord is the size of the largest record in bytes.
	MaxRecord = 256 << 20

	maxEncoded = MaxRecord + 5 // with its length
	maxBacklog = 512 << 20     // with one record more it is still less than maxPayload

	defaultSegmentSize = 4 << 20 // a segment is closed once it has reached this

	// inlineLimit is the average sync time above which a single loop leaves commits to the committer: a loop
	// that waits longer would rather serve connections meanwhile.
	inlineLimit = 500 * time.Microsecond
)

// withDefaults returns the options with every zero field filled in, or what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	if o.Buffers == 0 {
		o.Buffers = 1
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = 5 * time.Millisecond
	}
	if o.Idle == 0 {
		o.Idle = 100 * time.Millisecond
	}
	if o.Reserve == 0 {
		o.Reserve = 64 << 20
	}
	if o.Backlog == 0 {
		o.Backlog = 64 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.OnDurable == nil {
		o.OnDurable = func(LSN, error) {}
	}
	if o.segmentSize == 0 {
		o.segmentSize = defaultSegmentSize
	}
	if o.Disk == nil {
		o.Disk = osDisk{}
	}
	switch {
	case o.Buffers < 0 || o.Buffers > 1024:
		return o, fmt.Errorf("wal: Options.Buffers is %d: must be 1 to 1024", o.Buffers)
	case o.Sync < SyncAlways || o.Sync > SyncNone:
		return o, fmt.Errorf("wal: Options.Sync is %v: must be always, interval or none", o.Sync)
	case o.MaxDelay < time.Millisecond:
		return o, fmt.Errorf("wal: Options.MaxDelay is %v: must be at least 1ms", o.MaxDelay)
	case o.Interval < 0 || o.Idle < 0:
		return o, fmt.Errorf("wal: Options.Interval (%v) and Options.Idle (%v) must not be negative", o.Interval, o.Idle)
	case o.Backlog < 0 || o.Backlog > maxBacklog:
		return o, fmt.Errorf("wal: Options.Backlog is %d: must be at most %d", o.Backlog, int64(maxBacklog))
	}
	return o, nil
}
