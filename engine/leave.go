package engine

import (
	"runtime"

	"everloop/loop"
)

// A caller may leave before it has all of its answer: a client that closes its connection, a program that aborts its
// fetch. The event's context ends with that only if it is not answered yet; whoever wants to know of a caller that leaves
// in the middle of a streamed answer, too, asks by OnLeave. An event that passes its request on makes the other one follow
// it, so that an object behind a Worker hears of a client that leaves.

// leaving is who hears of a caller that leaves: functions, and events that follow the one that it has called. Owned by the loop
// that serves the event.
type leaving struct {
	watchers  []func(left bool)
	followers []*Event
}

// OnLeave calls fn once. If the caller leaves before the whole answer is out, or has left already, it is called with true, in a
// later turn of whoever serves the event. If the whole answer has gone out it is called with false, at any time on the loop: there is
// nothing left to wait for. OnLeave is called in a turn of the event.
func (ev *Event) OnLeave(fn func(left bool)) {
	switch {
	case ev.left:
		ev.origin().inject(nil, func() { fn(true) })
	case ev.complete:
		fn(false)
	default:
		if ev.leaving == nil {
			ev.leaving = new(leaving)
		}
		ev.leaving.watchers = append(ev.leaving.watchers, fn)
	}
}

// Followed makes another event, which this one has just started and which asks with the request that came, hear when the
// caller of this one leaves.
func (ev *Event) Followed(by *Event) {
	switch {
	case ev.left:
		by.Gone()
	case !ev.complete:
		if ev.leaving == nil {
			ev.leaving = new(leaving)
		}
		ev.leaving.followers = append(ev.leaving.followers, by)
	}
}

// Gone tells an event that nobody waits for its answer any more: its context is done. It still runs to its end. Safe from
// any goroutine.
func (ev *Event) Gone() {
	ev.ctx.finish(&errCanceled)
	ev.Leaving()
}

// Leaving tells an event that its caller has probably left: a client that sends nothing more, though it may still be
// reading. OnLeave counts it as one that has left; the context goes on. Safe from any goroutine.
func (ev *Event) Leaving() {
	own := ev.target()
	own.loop.Post(loop.Func(func() {
		ev.leave()
		own.drain()
	}))
}

// leaveFrom is Leaving on loop o, which may be nil: at once if the event is served there.
func (ev *Event) leaveFrom(o *owner) {
	if ev.target() == o {
		ev.leave()
		return
	}
	ev.Leaving()
}

// leave tells who watches. On the loop that serves the event.
func (ev *Event) leave() {
	if ev.left || ev.complete {
		return
	}
	ev.left = true
	l := ev.leaving
	if l == nil {
		return
	}
	ev.leaving = nil
	for _, fn := range l.watchers {
		ev.origin().inject(nil, func() { fn(true) })
	}
	for _, f := range l.followers {
		f.Gone()
	}
}

// answering notes what the event is answered with: the answer is complete with it, or when its body is.
func (ev *Event) answering(r *Response) {
	if ev.leaving == nil {
		return
	}
	if r == nil || !r.Body.Streamed() {
		ev.Complete()
		return
	}
	r.Body.stream.answer = ev
	runtime.AddCleanup(r.Body.stream, (*Event).completed, ev) // one that nobody ever reads
}

// Complete says that the whole answer is out: nobody can leave any more. It is called on the loop that serves the event.
func (ev *Event) Complete() {
	if ev.left || ev.complete {
		return
	}
	ev.complete = true
	l := ev.leaving
	if l == nil {
		return
	}
	ev.leaving = nil
	for _, fn := range l.watchers {
		fn(false)
	}
	for _, f := range l.followers {
		f.completed()
	}
}

// completed is Complete from another loop. A nil event is none.
func (ev *Event) completed() {
	if ev == nil {
		return
	}
	ev.target().loop.Post(loop.Func(ev.Complete))
}
