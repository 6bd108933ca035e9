package wal

import (
	"errors"
	"time"
)

var (
	// ErrSnapshotRunning is returned by StartSnapshot while another snapshot is being made. It is temporary.
	ErrSnapshotRunning = errors.New("wal: a snapshot is being made already")

	// ErrSnapshotOver is returned by a SnapshotWriter after Install, Abort or an error.
	ErrSnapshotOver = errors.New("wal: the snapshot is finished or was given up")
)

// SnapshotWriter is a snapshot in the making. Its methods are called by one goroutine at a time, which is not a loop's:
// they wait for the disk. The caller ends it with Install or Abort.
//
// A snapshot is *fuzzy*: what it holds may be of different moments, each record with the number of the log's record
// that it is up to (its tag). Recovery leaves out what the log says of an object up to that number.
type SnapshotWriter interface {
	// Write compresses the records of f, adds a checksum, and appends them. f may be used anew when it returns. An error
	// gives the snapshot up and removes its file; the log goes on. It wraps ErrNoSpace when the disk has come below its
	// reserve.
	Write(f *Frame) error

	// Install makes the snapshot the one that the next start reads, and removes what no longer is needed. barrier is
	// Log.Last as it was when the last object had been encoded, or later: it is not below any tag. The log is made
	// durable past the barrier first, in every sync mode.
	//
	// An error before the snapshot has taken its place gives it up, and the log goes on; one in the middle of that ends
	// the log (ErrFailed).
	Install(barrier LSN) (SnapshotInfo, error)

	// Abort gives the snapshot up and removes its file. The new generation of the log stays. After Install, or an
	// error, it does nothing.
	Abort() error
}

// SnapshotInfo tells of one snapshot.
type SnapshotInfo struct {
	Generation uint64 // of the log, in front of which it stands
	Barrier    LSN    // the log has to reach up to here for the snapshot to hold
	Records    uint64
	Bytes      int64 // of the file
	RawBytes   int64 // of the records, before compression
	Time       time.Time
	Took       time.Duration // from StartSnapshot to the end of Install
}

// Size is how much there is on the disk.
type Size struct {
	Log          int64     // bytes of the log that a start would read behind the snapshot
	Snapshot     int64     // bytes of the snapshot that a start would read; 0 = there is none
	SnapshotTime time.Time // when that was installed; zero without one
	Kept         int64     // bytes of older snapshots and generations that are kept for time travel
	KeptSince    time.Time // the moment from which on history is kept
}

// Retain says how much history is kept for time travel: generations of the log before the newest snapshot, with the
// snapshots in front of them. A snapshot with the generations up to the next one is removed as a whole, the oldest
// first, as soon as one of the bounds wants it. The zero value keeps nothing.
type Retain struct {
	// Age: removed when the snapshot after it is older than this. Zero or less: nothing is kept.
	Age time.Duration
	// Bytes: removed when everything kept before the newest snapshot is larger than this. Zero or less: nothing is kept.
	Bytes int64
}

// StartSnapshot begins a snapshot: a new generation of the log, and a file for the snapshot in front of it. What has a
// number by now stands in the generations before. It waits for a few fsyncs, so a loop must not call it; loops go on
// meanwhile.
//
// It fails with ErrSnapshotRunning, and with ErrNoSpace when the disk has less room than its reserve and the size of
// the last snapshot.
func (l *Log) StartSnapshot() (SnapshotWriter, error) { panic("not yet") }

// Size tells how much is on the disk. It is cheap. Any goroutine.
func (l *Log) Size() Size { panic("not yet") }

// pin keeps every generation and snapshot that is there now until unpin is called, for those who read them. man is the
// manifest at this moment, end what may be read: records up to it were reported durable.
func (l *Log) pin() (man Manifest, end LSN, unpin func()) { panic("not yet") }
