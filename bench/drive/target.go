package drive

import (
	"context"
	"time"
)

// Target is what is measured.
type Target interface {
	// Open opens the connections of one worker. It returns when all can be used, and gives up when ctx ends. Done and its
	// kin of the worker must not be called before it has returned.
	Open(ctx context.Context, w *Worker) (Session, error)
}

// Session is the connections of one worker. It is used by that worker's goroutine only.
type Session interface {
	// Conns is the number of connections, and Depth how many operations each takes at once. Neither changes.
	Conns() int
	Depth() int
	// Start starts an operation on a connection that has fewer than Depth under way. It neither waits nor calls the worker: what
	// goes wrong is told by Worker.Done, within a later Wait. The bytes may leave in that Wait, too. op is
	// valid until Start returns; op.Value does not change as long as the run lasts.
	Start(conn int, op *Op)
	// Wait sends what is to be sent, waits until something has happened, but not longer than d, and tells the worker of every
	// operation that is done: Worker.Stamp once for what arrived together, then Worker.Done for each. Within Done the worker may start the next
	// operation on the same connection. An operation that takes longer than the plan's Timeout must be ended as failed. An
	// error ends the run.
	Wait(d time.Duration) error
	// Close closes the connections. Operations that are under way are forgotten.
	Close() error
}

// Op is one operation.
type Op struct {
	// Number counts the operations of all workers, from 0 on; no two have the same.
	Number uint64
	// Key is the one that it is about.
	Key uint64
	// Write says of which kind it is: a write, or a read.
	Write bool
	// Value is what it writes; nil for a read and where values are of no length. Letters and digits. It must not be changed.
	Value []byte

	due, sent time.Duration
}

// Failure is why an operation failed. Nil means that it did not.
type Failure struct {
	// Kind is short and the same for all failures of a kind: they are counted by it. At most 64 are told apart.
	Kind string
	// Text tells more of this one. The first of a kind is kept.
	Text string
}

// Kinds of failures that several targets share.
const (
	FailedConnect  = "connect"        // a connection could not be made
	FailedClosed   = "closed"         // a connection ended while operations were under way on it
	FailedTimeout  = "timeout"        // no answer in time
	FailedProtocol = "malformed"      // an answer that is none
	FailedAnswer   = "wrong answer"   // an answer other than the one that was expected
	FailedUnasked  = "unasked answer" // an answer that nothing had asked for
	FailedOther    = "other kinds"    // what is left when there are too many kinds
	maxKinds       = 64
	maxFailureText = 300
)
