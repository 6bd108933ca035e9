// Package loop runs a fixed pool of event loops and everything that lives on them: mailboxes, timers and
// connections.
//
// A loop is one thread of execution. Whatever belongs to a loop (a connection, a timer, an object of the
// engine) is touched only by code that runs on that loop, so none of it needs a lock. Code reaches a loop in
// one way: by posting a [Task] to it. A loop lives in rounds:
//
//	wait for events -> read ready connections, call handlers -> run the mailbox -> fire timers
//	-> round hooks, in the order they were added -> flush what was written to connections
//
// The round hook is where an engine hands over to its log and commits: everything that happened in one round
// shares one fsync, and the replies that the commit released leave in the same round's flush.
//
// [Net] is the pool for production, on gnet's event loops; package looptest has a pool of the same interface
// that is stepped by hand on virtual time. This package is the only importer of gnet.
package loop

import (
	"errors"
	"math/bits"
	"net"
	"time"
)

// ErrClosed is returned by what cannot be done any more because the pool or the connection has closed.
var ErrClosed = errors.New("loop: closed")

// ErrSlowReader closes a connection whose peer does not read: what waits to be sent has passed the bound of
// [Conn.Write].
var ErrSlowReader = errors.New("loop: the peer does not read: outbound buffer is full")

// Task is a piece of work for a loop. Run is called once, on the loop. A pooled struct that implements Task
// is posted without an allocation; for everything else there is [Func].
type Task interface{ Run() }

// Func is a function as a [Task].
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// Timer names a timer of one loop. The zero Timer names none; every method takes it and reports false. A
// Timer that has fired or was cancelled is stale: using it is harmless and reports false.
type Timer uint64

// Loop is one event loop of a pool. Post may be called from any goroutine; every other method only from
// the loop itself.
type Loop interface {
	// Index is the loop's place in its pool, from 0. Safe from any goroutine.
	Index() int

	// Post queues t to run on the loop, after everything that was posted before it. It never runs t
	// inside the call. Many posts cause one wake-up of the loop. It reports false, and t will never run,
	// once the pool has closed; until then every posted task runs, also while the pool drains.
	//
	// A task that posts to its own loop is run in a later round: it cannot starve connections.
	Post(t Task) bool

	// Now is the loop's monotonic clock in milliseconds since an arbitrary moment, read once a round.
	Now() int64
	// Wall is the wall clock in milliseconds since 1970 (UTC), read once a round; it may jump either way.
	Wall() int64
	// Clock reads both clocks anew. A round may run long: what a program sees of the time, and what it asks to be
	// done later, goes by this moment and not by the one at which the round began.
	Clock() (now, wall int64)
	// Due is the deadline, for At, of what shall not run before d has passed from this moment, which is read anew. With
	// a d that is not positive it is the present.
	Due(d time.Duration) int64

	// At runs t on the loop in the first round at or after the moment that Now reaches deadline: never
	// earlier. It allocates nothing once the loop's wheel has grown.
	At(deadline int64, t Task) Timer
	// AtWall runs t on the loop in the first round at or after the moment that the wall clock reads deadline, in milliseconds
	// since 1970 (UTC): never while it reads less. It goes by the clock as it is, also when that is set: forward over the
	// deadline, t runs within a second; back, t waits until the deadline comes again. A deadline may be as far away as it
	// likes.
	AtWall(deadline int64, t Task) Timer
	// Rearm moves a pending timer to another deadline, on the clock that it was set for, and reports whether it was still
	// pending.
	Rearm(tm Timer, deadline int64) bool
	// Cancel stops a pending timer, and reports whether it was still pending.
	Cancel(tm Timer) bool
}

// Pool is a fixed set of loops.
type Pool interface {
	// Len is the number of loops, at least 1; it never changes.
	Len() int
	// Loop returns loop i, 0 <= i < Len().
	Loop(i int) Loop
	// OnRound adds f to the hooks that every loop runs at the end of each of its rounds that did
	// anything. f runs on the loop that it is given. Safe from any goroutine; it returns when every
	// loop has taken the hook up. It must not be called from a loop.
	OnRound(f func(Loop))
}

// Owner returns which of n loops owns hash. It goes by the leading bits, so whoever cuts hashes off after some of
// them gets ranges that move between loops as a whole when n changes.
func Owner(n int, hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}

// Conn is one connection. It belongs to one loop; every method is called from that loop only, unless it
// says otherwise. All methods are safe after the connection has closed: they do nothing and report
// [ErrClosed] where they report anything. (A write can never reach another client that was given the same
// descriptor.)
type Conn interface {
	// Loop is the loop that the connection belongs to. Safe from any goroutine.
	Loop() Loop
	// ID is unique among all connections that this pool ever had. Safe from any goroutine.
	ID() uint64
	LocalAddr() net.Addr
	RemoteAddr() net.Addr

	// Inbound returns what has been received and not yet discarded. The slice is valid until the handler
	// that asked for it returns, or until Discard, whichever comes first: copy what must live longer.
	Inbound() []byte
	// Discard drops the first n bytes of Inbound.
	Discard(n int)
	// PauseReading stops reading from the peer, so that its sender is held up by TCP; what is already
	// in Inbound stays. ResumeReading goes on, and calls Data if Inbound is not empty. A connection whose
	// Inbound has grown to [ListenOptions.MaxInbound] pauses by itself until something is discarded.
	PauseReading()
	ResumeReading()

	// Write appends b, which it copies, to what waits to be sent. It is sent at the end of the round,
	// together with all else that the round wrote to this connection; much that nothing waits before is sent at once. When more than
	// [ListenOptions.MaxOutbound] bytes wait, the connection is closed with [ErrSlowReader]; a writer
	// that can wait looks at Outbound and goes on when the handler's Drained is called.
	Write(b []byte) error
	// Outbound is the number of bytes that wait to be sent.
	Outbound() int
	// Flush sends now instead of at the end of the round.
	Flush() error

	// Close closes the connection once what was written has been sent, or after
	// [ListenOptions.CloseTimeout], whichever comes first; nothing more is read. Closed gets err.
	Close(err error)
	// Abort closes at once and discards what was not sent. Closed gets err.
	Abort(err error)

	// SetHandler makes h the handler from now on (an upgrade). Open is not called on it; Data is, before the
	// round ends or in the next one, if something is left in Inbound.
	SetHandler(h Handler)
	// Context and SetContext carry one value of the handler's.
	Context() any
	SetContext(v any)
}

// Handler is what a connection's events go to. One Handler serves many connections. Every method is called
// on the connection's loop. A panic in a handler closes its connection only, and is logged. A handler may also
// implement [Drainer] and [HalfCloser].
type Handler interface {
	// Open is called once, before anything else.
	Open(c Conn)
	// Data is called when bytes have arrived. What it does not Discard stays in Inbound and is there
	// again, with more behind it, at the next call.
	Data(c Conn)
	// Drained is called when Outbound has fallen from above [ListenOptions.LowWater] to or below it.
	Drained(c Conn)
	// Closed is called once, after everything else. err is nil when the peer closed in an orderly way or
	// when Close(nil) was called.
	Closed(c Conn, err error)
}

// ListenOptions are the bounds of one listener's connections. The zero value works.
type ListenOptions struct {
	// MaxConns is the number of open connections; further ones wait in the kernel's queue, or are refused: see Full. Default: as
	// many as the process's descriptor limit allows, less a reserve of 64 or a quarter of it,
	// whichever is smaller.
	MaxConns int
	// Full is what a client is told that does not fit when MaxConns have been open for FullAfter; then it is disconnected. Empty: nobody is
	// refused, they wait. It must not be changed.
	Full []byte
	// FullAfter is how long clients wait for others to leave before they are refused. Default 5 s.
	FullAfter time.Duration
	// Refused, if not nil, is called for each client that was refused, on a goroutine of the listener's.
	Refused func()
	// MaxInbound is the number of unread bytes kept for one connection, which the last read may exceed by up
	// to 64 KiB. Default 256 KiB. A handler that waits for a longer unit than this must discard as it goes.
	MaxInbound int
	// MaxOutbound is the number of unsent bytes kept for one connection. Default 16 MiB.
	MaxOutbound int
	// LowWater is the fill of the outbound buffer at which Drained is called. Default 64 KiB.
	LowWater int
	// CloseTimeout bounds how long Close waits for the peer to take what was written. Default 5 s.
	CloseTimeout time.Duration
}
