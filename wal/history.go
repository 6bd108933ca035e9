package wal

import (
	"errors"
	"time"
)

// Position is a moment of a log: behind record LSN. Epoch is that of the batch that the record is in, Time when that batch was committed
// (the wall clock's, which may have jumped). Before the first record LSN and Epoch are 0, and Time is when the directory was made.
type Position struct {
	Epoch uint64
	LSN   LSN
	Time  time.Time
}

// ErrNoHistory is wrapped by the errors of a History that is asked for what it does not reach: what was before its start and is kept no longer,
// records that were cut as a torn tail, what is not durable yet. The text says since when there is history.
var ErrNoHistory = errors.New("wal: not in the history that is kept")

// History reads what a log's directory keeps of the past: snapshots, and the log behind them. It is safe for concurrent use. What it promises
// to read is fixed when it is opened: Start to End.
type History interface {
	// Start is the earliest position that Read reaches: the barrier of the oldest kept snapshot, or the beginning.
	Start() Position
	// End is the last durable position when the History was opened.
	End() Position
	// At is the position behind the last batch that was committed at or before t. Where the clock was set back, it is the latest such batch
	// in the last segment that began at or before t. Before Start: ErrNoHistory. Behind End: End.
	At(t time.Time) (Position, error)
	// Find is the position of record n, if it is the one that an observer in this epoch knew by that number. A later epoch gives a number again when the record
	// was lost with a torn tail; then, and outside Start and End, it is ErrNoHistory.
	Find(epoch uint64, n LSN) (Position, error)
	// Read calls fn for the newest snapshot whose barrier is not above `to`, in chunks, and then for the log behind what the snapshot stands in front of, up to and including record
	// `to`. Whoever applies it skips what a snapshot's record has already: see Chunk. An error of fn ends it and is returned as it is; damage is a *CorruptionError.
	Read(to LSN, fn func(*Chunk) error) error
	// Close lets go of what the History keeps from being removed. Nothing may be called afterwards, or be running.
	Close() error
}

// ReadOptions of OpenHistory.
type ReadOptions struct {
	// Torn is for the directory of a stopped process: the history then ends with the last complete batch, as a start would have it. Otherwise, with a process that may be
	// writing, it ends with the last record that is known to be on disk.
	Torn bool
}

// History opens the history of a log that is open. It is to be closed: until then nothing that it reads is removed. Any goroutine but a loop's.
func (l *Log) History() (History, error) { panic("not yet") }

// OpenHistory opens the history of a data directory, without its lock.
func OpenHistory(dir string, o ReadOptions) (History, error) { panic("not yet") }
