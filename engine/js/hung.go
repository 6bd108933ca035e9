package js

import (
	"time"

	"everloop/engine"
)

// A handler can wait for a promise that nothing will ever settle. Where nobody has a reference to that promise but the
// host, realm.settle sees it at once, for Workers and objects alike. Where somebody has (a variable, or the handler itself, in a circle),
// an event of a Worker is looked at when it has nothing under way: no call, no timer, no body, no work, nothing given away that others can call.
// Only another event could go on for it, through a variable of the module; where there is none that could, or
// none has within hungLimit, the event fails, as it does on Cloudflare. An object's handler may wait: for what a later
// request does is what objects are for.

// hungLimit is how long an event with nothing under way waits for others in its runtime.
const hungLimit = 30 * time.Second

// hungLook is a look at an event that will be taken.
type hungLook struct {
	cancel func() // of the timer; nil for a look in the next turn
}

// idle reports whether nothing is under way that belongs to the event.
func (e *event) idle() bool {
	timers := 0
	if e.look != nil && e.look.cancel != nil {
		timers = 1
	}
	return e.waits == e.untils && e.ev.UnderWay() == e.untils+timers && (e.has == nil || len(e.has.given) == 0)
}

// Ended is part of [engine.Watcher].
func (e *event) Ended() {
	if e.gone || e.look != nil || !e.idle() || e.over && e.untils == 0 {
		return
	}
	// Not now: the turn that runs may be about to settle the promise.
	e.look = &hungLook{}
	e.ev.Later(func() {
		e.look = nil
		switch {
		case e.gone || e.rl.r.Err() != nil || !e.idle():
		case e.alone():
			e.hung()
		default:
			look := &hungLook{}
			e.look = look
			look.cancel = e.ev.After(hungLimit, func() {
				if e.look == look && !e.gone && e.rl.r.Err() == nil && e.idle() {
					e.hung()
				}
				e.look = nil
			})
		}
	})
}

// stopLooking forgets the look that waits for the limit: the event has been answered.
func (e *event) stopLooking() {
	if e.look != nil && e.look.cancel != nil {
		cancel := e.look.cancel
		e.look = nil
		cancel()
	}
}

// alone reports whether nothing else in the runtime could settle what the event waits for.
func (e *event) alone() bool {
	rl := e.rl
	if len(rl.timers)+len(rl.away)+len(rl.fetches)+len(rl.inbound)+len(rl.outbound) > 0 {
		return false
	}
	for _, w := range rl.waiting {
		if w.object != nil {
			return false
		}
	}
	for _, other := range rl.events.All() {
		if other != e && !other.idle() {
			return false
		}
	}
	return true
}

// hung ends an event that waits for nothing.
func (e *event) hung() {
	rl := e.rl
	for i := 0; i < len(rl.waiting); i++ {
		if w := rl.waiting[i]; w.event == e {
			last := len(rl.waiting) - 1
			rl.waiting[i] = rl.waiting[last]
			rl.waiting[last] = waiting{}
			rl.waiting = rl.waiting[:last]
			rl.r.Free(w.promise)
			w.fail(rl, errHung(&w))
			break // idle: there is no other
		}
	}
	for n, w := range rl.waits {
		if w.by == actor(e) {
			delete(rl.waits, n)
			w.cancel()
			rl.app.opts.Logger.Warn("a promise given to waitUntil will never settle: nothing is under way that could", "class", e.entryPoint.name)
			rl.release(w)
		}
	}
}

// errHung is why a handler fails whose promise nothing will settle. The texts are workerd's.
func errHung(w *waiting) error {
	message := "Promise will never complete."
	if w.object == nil {
		message = "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/"
	}
	return &engine.Error{Name: "Error", Message: message, Remote: true}
}
