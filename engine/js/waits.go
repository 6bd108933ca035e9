package js

import (
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// waitUntil: a promise keeps an object from eviction, and an event of the Worker from its end, until it settles. One that never does
// must not keep them for ever.

const (
	// objectWait is how long a promise keeps an object.
	objectWait = 15 * time.Minute
	// workerWait is how long promises alone keep an event of the Worker that has answered, its body included.
	workerWait = 30 * time.Second
)

// wait is a promise of waitUntil that has not settled. Owned by its realm.
type wait struct {
	by     actor
	cancel func()
}

// WaitBegin is part of [web.ObjectHost].
func (rl *realm) WaitBegin(owner web.Owner, holder uint64) (int64, error) {
	by, err := rl.holder(owner, holder)
	if err != nil {
		return 0, err
	}
	by.pin()
	by.promises(1)
	rl.lastID++
	n, w := rl.lastID, &wait{by: by}
	rl.waits[n] = w
	rl.expireWait(n, w)
	return n, nil
}

// expireWait ends a wait that takes too long. A Worker's begins to be too long when nothing else is left of the event.
func (rl *realm) expireWait(n int64, w *wait) {
	e, ofWorker := w.by.(*event)
	limit := objectWait
	if ofWorker {
		limit = workerWait
	}
	w.cancel = w.by.expire(limit, func() {
		if ofWorker && (!e.over || e.waits > e.untils) {
			rl.expireWait(n, w)
			return
		}
		class, id := w.by.where()
		rl.app.opts.Logger.Warn("a promise given to waitUntil has not settled in time; what is left of it may be cut off", "class", class, "object", id, "limit", limit)
		delete(rl.waits, n)
		// In a turn, after which an object that has nothing else to do is idle.
		w.by.later(func() { rl.release(w) })
	})
}

func (rl *realm) release(w *wait) {
	w.by.promises(-1)
	w.by.unpin()
}

// WaitEnd is part of [web.ObjectHost].
func (rl *realm) WaitEnd(_ web.Owner, _ uint64, n int64, failed bool, reason vm.Value) {
	w, ok := rl.waits[n]
	if !ok {
		return
	}
	delete(rl.waits, n)
	w.cancel()
	if failed {
		rl.uncaught(reason)
		e := rl.r.Describe(rl.r.Dup(reason))
		class, id := w.by.where()
		rl.app.opts.Logger.Warn("a promise given to waitUntil was rejected", "class", class, "object", id,
			"err", e.Error(), "stack", sourceStack(rl.app.bundle, e.Stack))
	}
	rl.release(w)
}

// forgetWaits drops the waits of an object that is gone.
func (rl *realm) forgetWaits(o *object) {
	if o.promised == 0 {
		return
	}
	for n, w := range rl.waits {
		if w.by == actor(o) {
			w.cancel()
			delete(rl.waits, n)
		}
	}
}

func (rl *realm) holder(owner web.Owner, holder uint64) (actor, error) {
	switch owner {
	case web.OwnerObject:
		if o, ok := rl.objects.Get(holder); ok {
			return o, nil
		}
		return nil, engine.ErrReset
	case web.OwnerEvent:
		if e, ok := rl.events.Get(holder); ok {
			return e, nil
		}
	case web.OwnerUnknown:
		if rl.current != nil {
			return rl.current, nil
		}
	}
	return nil, vm.PlainError(globalScope)
}

// globalScope refuses what belongs to an event, and is done while none is handled.
const globalScope = "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/"
