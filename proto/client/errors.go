package client

import (
	"bytes"
	"context"
	"errors"

	"everloop/proto/resp"
)

// What a caller may act on, for errors.Is.
var (
	// ErrClosed: the client was closed, before the call or while it ran.
	ErrClosed = errors.New("client: closed")
	// ErrQueueFull: as many calls are under way, or as many bytes wait, as [Options] allow on one connection. The call was not
	// sent.
	ErrQueueFull = errors.New("client: too many calls are under way: wait for answers before starting more, or raise Options.MaxCalls or MaxQueued")
	// ErrTooLarge: the call, or what was to be said in a room, is more than a server takes: [MaxCommand], [MaxWords]. It was not sent.
	ErrTooLarge = errors.New("client: the arguments are too large: a server takes 32 MiB and 16,380 arguments of bytes")
	// ErrMaybeDone: the call was handed to a connection, or could still be, and its answer will not be known: it may have been run. It is never
	// repeated, unless [Object.Idempotent] allows it.
	ErrMaybeDone = errors.New("client: the call may have been run")
	// ErrNotSent: no byte of the call has left: it was not run.
	ErrNotSent = errors.New("client: the call was not sent")

	// ErrUnauthorized: the server wants a password, or another one (NOAUTH, WRONGPASS).
	ErrUnauthorized = errors.New("client: not authenticated")
	// ErrUnknownClass: the server has no such class (NOCLASS).
	ErrUnknownClass = errors.New("client: unknown class")
	// ErrUnknownMethod: the object has no public method of that name (NOMETHOD).
	ErrUnknownMethod = errors.New("client: unknown method")
	// ErrBadArgument: an argument, an ID or a cursor is not what it must be (BADARG).
	ErrBadArgument = errors.New("client: bad argument")
	// ErrThrown: the object's method threw (THROWN).
	ErrThrown = errors.New("client: the object threw")
	// ErrOverloaded: the object or the server has too much to do (OVERLOADED).
	ErrOverloaded = errors.New("client: overloaded")
	// ErrReset: the object was reset while the call ran (RESET).
	ErrReset = errors.New("client: the object was reset")
	// ErrUnavailable: the server's log has failed (UNAVAILABLE).
	ErrUnavailable = errors.New("client: the server's log has failed")
	// ErrNoSpace: the server's disk is nearly full (NOSPACE).
	ErrNoSpace = errors.New("client: the server's disk is nearly full")
	// ErrNoRoom: the object does not open WebSockets, or not this one (NOROOM).
	ErrNoRoom = errors.New("client: not a room")
)

// Error is what the server answered instead of a result. docs/format/resp.md has the table of codes, which decide about everything but
// the message.
type Error struct {
	// Code is the kind of failure: THROWN, NOMETHOD, OVERLOADED, ...
	Code string
	// Name is the class of the error that was thrown in the object ("TypeError"), or Error.
	Name string
	// Message is for people.
	Message string
	// Class, Object and Method are what was called; Object is a name or an ID, as it was called.
	Class, Object, Method string

	// Remote: the error comes from the object, not from the way to it.
	Remote bool
	// Retryable: the failure is passing and the call had no effect: the client has repeated it as often as [Options].Attempts says.
	Retryable bool
	// Overloaded: there is too much to do. Do not repeat the call at once.
	Overloaded bool
	// Reset: the object was reset while the call ran. Another call finds a new instance.
	Reset bool
}

// Error returns "Class.method: message".
func (e *Error) Error() string {
	text := e.Message
	if e.Name != "Error" && e.Name != "" {
		text = e.Name + ": " + text
	}
	switch {
	case e.Class != "" && e.Method != "":
		return e.Class + "." + e.Method + ": " + text
	case e.Class != "":
		return e.Class + ": " + text
	}
	return "client: " + e.Code + " " + text
}

// Is matches e with the errors of this package that stand for its code.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case "NOAUTH", "WRONGPASS":
		return target == ErrUnauthorized
	case "NOCLASS":
		return target == ErrUnknownClass
	case "NOMETHOD":
		return target == ErrUnknownMethod
	case "BADARG":
		return target == ErrBadArgument
	case "THROWN":
		return target == ErrThrown
	case "OVERLOADED":
		return target == ErrOverloaded
	case "RESET":
		return target == ErrReset
	case "UNAVAILABLE":
		return target == ErrUnavailable
	case "NOSPACE":
		return target == ErrNoSpace
	case "NOROOM":
		return target == ErrNoRoom
	}
	return false
}

// newError makes an Error of a server's answer.
func newError(v *resp.Value) *Error {
	code, text, _ := bytes.Cut(v.Bytes, []byte(" "))
	e := &Error{Code: string(code), Name: "Error", Message: string(text)}
	switch e.Code {
	case "THROWN":
		e.Remote = true
	case "NOMETHOD":
		e.Remote = true
		return e
	case "RESET":
		e.Remote, e.Reset = true, true
	case "RETRY":
		e.Retryable = true
	case "OVERLOADED":
		e.Overloaded = true
	default:
		return e
	}
	if name, message, ok := bytes.Cut(text, []byte(": ")); ok && isName(name) {
		e.Name, e.Message = string(name), string(message)
	}
	return e
}

// isName reports whether b can be the name of a class of errors.
func isName(b []byte) bool {
	for i, c := range b {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '$' || c >= 0x80
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(b) > 0
}

// failure makes an error of the answer to k.
func (k *call) failure(v *resp.Value) error {
	e := newError(v)
	e.Class, e.Object, e.Method = k.class, k.object, k.method
	return e
}

// ConnError is a failure between the client and the server. It is an [ErrMaybeDone] or an [ErrNotSent].
type ConnError struct {
	// Op is what failed: "connect", "log in", "call", "write", "read", "wait for the answer", "wait for room in the queue"; with rooms "join", "open a
	// WebSocket", "send".
	Op string
	// Address is the server's.
	Address string
	// MaybeDone: the call may have been run.
	MaybeDone bool
	// Err is the reason: of the network, of a context, [ErrClosed], or what the server said to HELLO.
	Err error
}

// Error says what failed, why, and what is known of the call.
func (e *ConnError) Error() string {
	text := "client: " + e.Op + " (" + e.Address + "): " + e.Err.Error()
	if e.MaybeDone {
		return text + " (the call may have been run)"
	}
	return text
}

// Unwrap returns the reason.
func (e *ConnError) Unwrap() error { return e.Err }

// Is tells [ErrMaybeDone] from [ErrNotSent].
func (e *ConnError) Is(target error) bool {
	if e.MaybeDone {
		return target == ErrMaybeDone
	}
	return target == ErrNotSent
}

// verdict is what to do about a call that has failed.
type verdict uint8

const (
	giveUp  verdict = iota
	again           // at once: the connection keeps its own pace
	tryLate         // after a pause
)

// judge decides about a call that failed with err.
func judge(err error, idempotent bool) verdict {
	switch e := err.(type) {
	case *Error:
		if e.Retryable && !e.Overloaded {
			return tryLate
		}
	case *ConnError:
		if errors.Is(e.Err, ErrClosed) || errors.Is(e.Err, context.Canceled) {
			return giveUp
		}
		if e.MaybeDone && !idempotent {
			return giveUp
		}
		if _, said := errors.AsType[*Error](e.Err); said {
			return giveUp // the server has refused us: it would again
		}
		return again
	}
	return giveUp
}
