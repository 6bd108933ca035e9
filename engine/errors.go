package engine

import (
	"errors"
	"fmt"

	"everloop/engine/value"
	"everloop/wal"
)

// What a caller may act on. The texts of those that TypeScript sees are Cloudflare's.
var (
	// ErrInvalidID: the text is not 64 hexadecimal digits. A TypeError in TypeScript.
	ErrInvalidID = errors.New("Invalid Durable Object ID: must be 64 hex digits")
	// ErrForeignID: the ID was made for another class. A TypeError in TypeScript.
	ErrForeignID = errors.New("Durable Object ID is not valid for this namespace.")
	// ErrUnknownClass: no class of that name is registered.
	ErrUnknownClass = errors.New("engine: unknown class")
	// ErrClosed: the engine is closing or closed. A caller that gets it as it is knows that the call was not begun. An error that wraps it
	// is about a call that has run, or may have.
	ErrClosed = errors.New("engine: closed")
	// ErrUnavailable: the log has failed, so that what this answer depends on can no longer be made
	// durable. It lasts until the process is restarted; the log says what failed.
	ErrUnavailable = errors.New("engine: the log has failed: restart after the cause is mended")
	// ErrNoSpace: the disk is nearly full; writes are refused until there is room again. Reads go on.
	ErrNoSpace = errors.New("engine: the disk is nearly full: writes are refused until there is room")
	// ErrBacklog: more waits for the disk than fits in memory; writes are refused until it has caught up.
	ErrBacklog = errors.New("engine: too much waits for the disk: writes are refused until it has caught up")
	// ErrTurnTooLarge: the turn would write more to one object than MaxTurnBytes.
	ErrTurnTooLarge = fmt.Errorf("A Durable Object cannot write more than %d bytes at once.", MaxTurnBytes)
	// ErrInsideTurn: a stub of the engine was called from inside a turn, where waiting for it would block
	// the loop. Inside a turn, take stubs from the object's State (or from the Event of an entry point).
	ErrInsideTurn = errors.New("engine: stub of the engine called inside a turn: take the stub from State.Namespace")
	// ErrOutsideTurn: a call that has to wait was made where there is no turn to suspend: on a goroutine
	// of its own, or after the handler returned.
	ErrOutsideTurn = errors.New("engine: call outside a turn: use a stub of Engine.Namespace here")
	// ErrNoFetch: the class has no Fetch method (in TypeScript: no fetch handler).
	ErrNoFetch = errors.New("Handler does not export a fetch() function.")
	// ErrGoexit: the handler ended its goroutine with runtime.Goexit (t.FailNow does that, too).
	ErrGoexit = errors.New("handler called runtime.Goexit")
	// ErrReset: the object was reset while the caller waited.
	ErrReset = errors.New("Durable Object reset because its state was broken.")
	// ErrDepth: critical sections are nested deeper than 64.
	ErrDepth = errors.New("blockConcurrencyWhile() calls are nested too deeply.")
	// What exceeds a limit of storage. RangeErrors in TypeScript.
	ErrKeyTooLarge   = fmt.Errorf("Keys cannot be larger than %d bytes.", MaxKeyBytes)
	ErrValueTooLarge = fmt.Errorf("Keys and values together cannot be larger than %d bytes.", MaxEntryBytes)
	ErrTooManyKeys   = fmt.Errorf("Maximum number of keys is %d.", MaxBatchKeys)
	ErrTooManyPairs  = fmt.Errorf("Maximum number of pairs is %d.", MaxBatchKeys)
)

// errUnsaid is the end of a call that has run, and whose answer cannot leave any more.
var errUnsaid = fmt.Errorf("%w before the answer of a call that has run could leave", ErrClosed)

// Limits of storage (Cloudflare's, for objects with the SQLite backend).
const (
	// MaxKeyBytes bounds a key, in UTF-8 bytes.
	MaxKeyBytes = 2048
	// MaxEntryBytes bounds a key and its encoded value together.
	MaxEntryBytes = 2 << 20
	// MaxBatchKeys bounds the keys of one batched get, put or delete.
	MaxBatchKeys = 128
	// MaxTurnBytes bounds what one turn writes to one object, so that it fits into a record of the log. A write
	// that goes beyond it is refused.
	MaxTurnBytes = wal.MaxRecord - 1<<20
)

// Error is a failure of an object as its caller sees it. Callers find it with errors.As.
type Error struct {
	// Class and Object name the object that failed; Method is the event: "fetch", "alarm",
	// "constructor" or the method's name.
	Class  string
	Object string
	Method string
	// Name is the class of the error in JavaScript ("TypeError"), or "Error".
	Name string
	// Message says what went wrong.
	Message string
	// Stack is for people who may see it: source-mapped for TypeScript, goroutine frames for Go. Empty
	// when there is none.
	Stack string
	// Excerpt is the lines of the source around the place, with a caret, where whoever failed was to keep them. For people
	// who develop the program.
	Excerpt string

	// Remote: the error comes from the other object, not from the way to it.
	Remote bool
	// Retryable: the failure is passing and the call had no effect that a retry would double.
	Retryable bool
	// Overloaded: the object has too much to do. Do not retry at once.
	Overloaded bool
	// Reset: the object was reset; the stub that saw this stays broken.
	Reset bool

	// Value is the thrown value in the encoding of package value, if the thrower kept it.
	Value []byte

	cause error
}

// Error returns the message alone: the place is in the other fields, and what the caller of a caller may
// see is the server's decision.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the error that a Go handler returned, when caller and object run in one process.
func (e *Error) Unwrap() error { return e.cause }

// Where returns "Class.method (object ID)", the place for a log line.
func (e *Error) Where() string {
	if e.Object == "" {
		return e.Class + "." + e.Method
	}
	return e.Class + "." + e.Method + " (object " + e.Object + ")"
}

// asReset returns e as the reason of a reset. It is a copy: e may have come from another object, whose callers have it,
// too.
func (e *Error) asReset() *Error {
	reset := *e
	reset.Reset = true
	return &reset
}

// AsError makes an *Error of err for a host that runs objects in another language: with err as its cause and the
// properties that go with that, and no place yet. An *Error is returned as it is.
func AsError(err error) *Error {
	e := asError(err, "", "", "")
	if e.cause == err {
		e.Remote = false // until it leaves the object
	}
	return e
}

// asError makes an *Error of whatever an object's code failed with. An *Error that already has a place keeps it:
// it comes from further down the chain of calls.
func asError(err error, class, object, method string) *Error {
	if e, ok := err.(*Error); ok {
		if e.Class == "" {
			named := *e
			named.Class, named.Object, named.Method = class, object, method
			return &named
		}
		return e
	}
	e := &Error{Class: class, Object: object, Method: method, Name: "Error", Message: err.Error(), Remote: true, cause: err}
	var thrown *value.Error
	switch {
	case errors.As(err, &thrown):
		// An error of JavaScript that a Go handler has made, or passes on. One that cannot be encoded travels by name and message.
		e.Name, e.Message = thrown.Name, thrown.Message
		e.Value, _ = value.Marshal(thrown)
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrNoSpace), errors.Is(err, ErrClosed):
		e.Retryable = true
	case errors.Is(err, ErrBacklog):
		e.Overloaded = true
	case errors.Is(err, ErrInvalidID), errors.Is(err, ErrForeignID), errors.Is(err, ErrListBounds), errors.Is(err, ErrListLimit):
		e.Name = "TypeError"
	}
	return e
}

func overloaded(message string) *Error {
	return &Error{Name: "Error", Message: message, Overloaded: true}
}
