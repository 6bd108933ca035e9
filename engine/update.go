package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"everloop/loop"
)

// Replacing the code of a class under a running engine. Storage is the engine's and stays; what changes is who makes the
// instances. Two instances of one object never run side by side, so an instance of the old code has to end before
// one of the new code begins.

// ErrUpdated is what an event fails with whose object was reset because its code was replaced (Cloudflare's text).
var ErrUpdated = errors.New("Durable Object reset because its code was updated.")

// Update puts another Class in the place of a registered one. Instances that are made from now on are c's. One that exists
// is dropped as soon as it has nothing to answer; whatever else it has pending (timers, waitUntil) ends with it. While it has,
// nothing new enters it, and after grace it is reset: what it has not answered fails with ErrUpdated, as Reset and
// Retryable. What waited goes to the next instance, in order.
//
// It returns when all loops know of c, which does not wait for any instance. It may be called from any goroutine but a
// loop's.
func (e *Engine) Update(name string, c Class, grace time.Duration) error {
	switch {
	case c == nil:
		return fmt.Errorf("engine: update %s: the Class is nil", name)
	case insideTurn():
		return fmt.Errorf("engine: update %s: %w", name, ErrInsideTurn)
	case e.closing.Load():
		return ErrClosed
	}
	k := (*e.byName.Load())[name]
	if k == nil {
		return fmt.Errorf("engine: update %s: %w", name, ErrUnknownClass)
	}
	k.setClass(c)
	told := make(chan struct{}, len(e.owners))
	for _, o := range e.owners {
		if !o.loop.Post(loop.Func(func() { o.replace(k, grace); told <- struct{}{} })) {
			return ErrClosed
		}
	}
	for range e.owners {
		<-told
	}
	return nil
}

// After calls fn on loop i, from its base stack, when d has passed: never earlier. It is called on that loop. A host of
// objects uses it for what belongs to no object; fn starts no turn.
func (e *Engine) After(i int, d time.Duration, fn func()) {
	l := e.owners[i].loop
	l.At(l.Due(d), loop.Func(fn))
}

// replace retires the instances of a class on this loop. Called as a task, on the base stack.
func (o *owner) replace(k *class, grace time.Duration) {
	for _, slab := range o.table.slabs {
		for i := range slab {
			if a := slab[i].live; slab[i].used && a != nil && a.class == k {
				a.retire(grace)
			}
		}
	}
	o.together(func() {
		for _, slot := range slices.Sorted(maps.Keys(o.sockets)) { // in the same order each time
			set := o.sockets[slot]
			if a := set.actor; set.class == k && (a == nil || a.retiring == nil) { // those of others end with the instance
				o.dropHibernated(slot, ErrUpdated)
			}
		}
	})
	o.drain()
}

// retirement is what a retiring actor keeps for its successor: events that came too late for it. Owned by its loop.
type retirement struct {
	waiting  []*Event
	checking bool // a step that looks whether the actor is done is in the run queue
	deadline loop.Timer
}

// admit keeps an event of a for its successor. It counts for a, as those in its queue do.
func (r *retirement) admit(a *actor, ev *Event) {
	a.queuedBytes += ev.size()
	ev.since = a.own.loop.Now()
	r.waiting = append(r.waiting, ev)
}

// len is the number of events that are kept; 0 for nil.
func (r *retirement) len() int {
	if r == nil {
		return 0
	}
	return len(r.waiting)
}

// retire lets an actor answer what it has begun, and nothing else. Called between turns.
func (a *actor) retire(grace time.Duration) {
	switch {
	case a.dead:
		return
	case a.object == nil && a.top == nil:
		return // its constructor has not begun: it will be the new one
	case a.retiring != nil: // the code changed again
		a.own.loop.Cancel(a.retiring.deadline)
	default:
		a.retiring = new(retirement)
		own := stepQueue{}
		for a.queue.len() > 0 {
			s := a.queue.pop()
			if ev, ok := s.(*Event); ok && ev.phase == phaseCall && ev.live == nil {
				a.retiring.waiting = append(a.retiring.waiting, ev)
			} else {
				own.push(s)
			}
		}
		a.queue = own
	}
	a.retiring.deadline = a.own.loop.At(a.own.loop.Due(grace), loop.Func(func() {
		a.own.ready.push(entryStep{a.succeeded})
		a.own.drain()
	}))
	a.checkRetired()
}

// checkRetired looks, in a turn of its own, whether a retiring actor has answered everything. The running turn may have
// written, and must have ended before its instance is dropped.
func (a *actor) checkRetired() {
	r := a.retiring
	if r == nil || r.checking || !a.answeredAll() {
		return
	}
	r.checking = true
	a.own.ready.push(entryStep{func() {
		r.checking = false
		if a.answeredAll() {
			a.succeeded()
		}
	}})
}

// answeredAll reports whether nobody waits for anything from the actor: an answer, or the rest of a body.
func (a *actor) answeredAll() bool {
	return len(a.inflight) == 0 && a.top == nil && (a.bodies == nil || len(a.bodies.writing) == 0)
}

// succeeded ends a retiring actor, and gives what waited to its successor. It is a turn.
func (a *actor) succeeded() {
	if a.dead {
		return
	}
	o, r := a.own, a.retiring
	o.loop.Cancel(r.deadline)
	if a.object != nil && a.pins == 0 && a.holds == 0 && a.queue.len() == 0 && a.top == nil {
		set := o.takeSockets(a.slot)
		o.evict(a)
		set.drop(ErrUpdated, a.dep)
		return
	}
	a.reset(&Error{
		Class: a.class.name, Object: a.id.String(), Method: "update", Name: "Error",
		Message: ErrUpdated.Error(), Reset: true, Retryable: true, cause: ErrUpdated,
	})
}

// succeed lets events enter the successor of the actor that they waited for.
func (o *owner) succeed(r *retirement) {
	if r == nil {
		return
	}
	o.regain(r.waiting)
	r.waiting = nil
}
