package wal

import (
	"errors"
	"time"
)

// ErrNoHistory is wrapped by errors that say that a moment is not kept (any more), and since when history is.
var ErrNoHistory = errors.New("wal: history does not reach that far")

// Position is a place in the log: what a data directory was after a record.
type Position struct {
	Epoch uint64 // of the batch that the record is in
	LSN   LSN
	Time  time.Time // of the batch's commit
}

// History is what a log and its snapshots still know of former moments. Any goroutine but a loop's may use it, one
// at a time.
type History interface {
	// Start is the earliest position that Read reaches.
	Start() Position
	// End was durable when the History was opened.
	End() Position
	// At is the position behind the last batch that was committed at t or before. ErrNoHistory before Start.
	At(t time.Time) (Position, error)
	// Find is the position of record n, if the record that has this number is the one that had it in that epoch.
	// ErrNoHistory otherwise.
	Find(epoch uint64, n LSN) (Position, error)
	// Read hands over the newest snapshot whose barrier is not above to, and the log up to and including to.
	Read(to LSN, fn func(*Chunk) error) error
	// Close lets go of what is kept for this History.
	Close() error
}

// History opens the history of a log that is open. It is to be closed: until then nothing that it reads is removed.
func (l *Log) History() (History, error) { panic("not yet") }

// ReadOptions of OpenHistory.
type ReadOptions struct {
	// Torn reads a directory that no process has open up to its last complete batch, as a start would. Otherwise what
	// no claim covers is left out, since another process may be writing.
	Torn bool
}

// OpenHistory opens the history of a data directory, without its lock.
func OpenHistory(dir string, o ReadOptions) (History, error) { panic("not yet") }
