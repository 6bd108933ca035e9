package js

import (
	"errors"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// The engine refuses writes while the disk is nearly full or does not keep up, and once the log has failed. Such a write changes
// nothing, and the program is told by an exception. One that does not look would go on and say that it has stored something. So
// a refusal that the program does not catch breaks the output gate of its object: the object is reset, and nothing that the
// turn has sent leaves. Not caught means that it rejects a promise that has no handler at the end of the turn, or a promise of
// waitUntil, or that it is thrown out of a handler, a listener or a timer.

// refusal is the cause of an Error that stands for a refused write: see [realm.refusedWrite].
type refusal struct {
	o     *object // whose write it was
	cause error
}

func (e *refusal) Error() string { return e.cause.Error() }
func (e *refusal) Unwrap() error { return e.cause }

// broken is an object whose output gate is broken, until the end of the turn.
type broken struct {
	o       *object
	failure *engine.Error
}

// refusedWrite is storageError for a write to s.
func (rl *realm) refusedWrite(s web.Store, err error) error {
	if err == nil {
		return nil
	}
	o, ok := rl.objects.Get(s.ID)
	if s.Transaction {
		var t *transaction
		if t, ok = rl.txns.Get(s.ID); ok {
			o = t.o
		}
	}
	if !ok {
		return rl.storageError(err)
	}
	return rl.refusedBy(o, err)
}

// refusedBy is storageError for a write of o.
func (rl *realm) refusedBy(o *object, err error) error {
	if !ofDisk(err) {
		return rl.storageError(err)
	}
	rl.refused = true
	return rl.storageError(&refusal{o, err})
}

// ofDisk reports whether err is none of the program's: the disk or the log is at fault.
func ofDisk(err error) bool {
	return errors.Is(err, engine.ErrNoSpace) || errors.Is(err, engine.ErrBacklog) || errors.Is(err, engine.ErrUnavailable) || errors.Is(err, engine.ErrClosed)
}

// RefusedWrite is part of [web.StorageHost]. Nearly always nothing was refused in this turn, and nothing is looked up.
func (rl *realm) RefusedWrite(reason vm.Value) bool {
	return rl.refused && rl.refusalOf(rl.recall(reason)) != nil
}

// refusalOf returns the refused write of this realm that a failure stands for, or nil. One of another object, whose call has
// failed with it, is not meant: that object's gate is broken, not the caller's.
func (rl *realm) refusalOf(e *engine.Error) *refusal {
	var x *refusal
	if e == nil || e.Remote || e.Reset || !errors.As(e, &x) || x.o.rl != rl {
		return nil
	}
	return x
}

// uncaught takes what nobody caught, borrowed.
func (rl *realm) uncaught(v vm.Value) {
	known := rl.recall(v)
	if rl.refusalOf(known) != nil {
		rl.breakGate(known, sourceStack(rl.app.bundle, rl.r.Describe(rl.r.Dup(v)).Stack))
	}
}

// breakGate has the object reset at the end of the turn, if a failure that left the program is a refused write of it. What was
// refused is still told: nothing else says to a client that it may come again.
func (rl *realm) breakGate(known *engine.Error, stack string) {
	x := rl.refusalOf(known)
	if x == nil {
		return
	}
	failure := *known
	failure.Class, failure.Object = x.o.where()
	failure.Method = "storage"
	failure.Retryable = false // earlier turns may have had effects
	failure.Remote = true
	failure.Stack = stack
	rl.broken = append(rl.broken, broken{x.o, &failure})
}

// resetBroken resets the objects whose gate was broken in this turn: what they have sent in it is dropped, and what was answered
// fails.
func (rl *realm) resetBroken() {
	for len(rl.broken) > 0 {
		b := rl.broken[0]
		rl.broken = rl.broken[1:]
		if !b.o.alive() {
			continue
		}
		rl.app.opts.Logger.Warn("a write was refused and the program did not catch it; the object is reset", "class", b.failure.Class,
			"object", b.failure.Object, "err", b.failure.Message, "stack", b.failure.Stack)
		b.o.st.Abort(b.failure)
	}
	rl.broken = nil
}
