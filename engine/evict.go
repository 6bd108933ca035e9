package engine

import (
	"time"

	"everloop/loop"
)

// Eviction. An instance that has had nothing to do for IdleTimeout is dropped: its durable state stays in its
// record, and the next event builds a new one. Nothing to do means: no event is under way or waits, no timer
// and no work off the loop is pending, nothing pins or holds it.

// armIdle starts the idle timer of an actor that has just become idle. A timer that already runs is left
// alone: it looks again when it fires, which saves re-arming it on every event.
func (o *owner) armIdle(a *actor) {
	if a.idleArmed || a.dead {
		return
	}
	a.idleArmed = true
	a.idle = o.loop.At(a.idleAt+o.idleMS, (*idleCheck)(a))
}

// idleCheck is the idle timer's task.
type idleCheck actor

func (t *idleCheck) Run() {
	a := (*actor)(t)
	a.idleArmed = false
	if !a.restful() {
		return // armed again when the object has become idle
	}
	if due := a.idleAt + a.own.idleMS; due > a.own.loop.Now() {
		a.own.armIdle(a)
		return
	}
	a.own.evict(a)
}

// evict drops an idle instance.
func (o *owner) evict(a *actor) {
	a.dead = true
	set := o.hibernate(a)
	o.forget(a)
	a.object.Evict()
	o.eng.metrics.evictions.Add(1)
	set.endClosing()
	o.succeed(a.retiring)
}

// afterUngated runs fn in a turn of its own when d has passed, whatever the input gate of o says.
func (o *origin) afterUngated(d time.Duration, fn func()) (cancel func()) {
	own := o.own
	done := false
	tm := own.loop.At(own.loop.Due(d), loop.Func(func() {
		if done {
			return
		}
		done = true
		own.ready.push(entryStep{fn})
		own.drain()
	}))
	return func() {
		if !done {
			done = true
			own.loop.Cancel(tm)
		}
	}
}

// busy reports whether anything is under way on this loop.
func (o *owner) busy() bool {
	return o.events > 0 || o.busyActors > 0 || o.ready.len() > 0 || len(o.gated) > 0 || len(o.coros.parked) > 0
}

// close drops all instances and ends all waits. Called as a task, on the base stack.
func (o *owner) close() {
	for q := range o.outgoing {
		q.Cancel(ErrClosed)
	}
	o.coros.close(ErrClosed)
	o.drain()
	for _, slab := range o.table.slabs {
		for i := range slab {
			a := slab[i].live
			if a == nil {
				continue
			}
			if r := a.retiring; r != nil { // there is no successor
				for _, ev := range r.waiting {
					a.queue.push(ev)
				}
				r.waiting = nil
			}
			err := &Error{
				Class: a.class.name, Object: a.id.String(), Method: "close", Name: "Error",
				Message: "The server is shutting down.", Retryable: true, cause: ErrClosed,
			}
			a.reset(err)
		}
	}
	o.together(func() {
		for slot := range o.sockets {
			o.takeSockets(slot).drop(ErrClosed, 0)
		}
		for by := range o.socketEvents {
			by.dropSockets(by.dep)
		}
	})
	o.endTurn()
	o.release()
	for len(o.gated) > 0 { // what leaves may bring more
		g := o.gated[0]
		o.gated = o.gated[1:]
		o.leave(&g, errUnsaid)
	}
	o.gated = nil
	o.coros.close(ErrClosed)
	o.sendPipes()
}
