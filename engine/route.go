package engine

import (
	"errors"
	"reflect"
)

// RouteFunc is an entry point that only chooses who answers a request: it returns a stub of that object, or what is answered instead. Request
// and answer pass it by, so it takes a fraction of what an [EntrypointFunc] takes that does the same: to an object on the loop of
// the connection there is no event but the object's own. The object hears when the client leaves ([Event.OnLeave]).
//
// It is called on the loops, on several at once, and takes its namespaces from p; stubs of the Engine do, too. It must not block: a call
// that waits is refused with [ErrInsideTurn]. A panic fails the request; runtime.Goexit ends the program.
type RouteFunc func(p *Port, r *Request) (to *Stub, instead *Response)

// Serve chooses for an event that is one of an entry point: of a request whose object lives on another loop, or that another entry
// point or an object has sent.
func (f RouteFunc) Serve(ev *Event) {
	if ev.Kind != EventFetch {
		drop(ev.Caps)
		ev.Fail(errNoSuchMethod(ev.Method))
		return
	}
	to, instead, err := f.choose(&Port{ev.self.own}, ev.Request)
	if to == nil {
		ev.fetched(instead, err)
		return
	}
	passOn{to}.Serve(ev)
}

// choose calls f on the base stack. Without a stub and a response there is an error.
func (f RouteFunc) choose(p *Port, r *Request) (to *Stub, instead *Response, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // otherwise it is a Goexit, which nothing stops: the loop says so
			err = failure{value: v, stack: handlerStack()}.error("default", "", "fetch")
		}
	}()
	to, instead = f(p, r)
	returned = true
	switch {
	case to == nil && instead == nil:
		return nil, nil, errNoChoice
	case to != nil && to.ns.class == nil:
		return nil, nil, errNoObject
	}
	return to, instead, nil
}

var (
	errNoChoice = errors.New("the route returned neither a stub nor a response")
	errNoObject = errors.New("the route returned a stub that is not one of an object")

	// routeEntry is the function that a RouteFunc is called by, which is how insideTurn knows one.
	routeEntry = reflect.ValueOf(RouteFunc.choose).Pointer()
)

// enterBy starts the event of a request where f says: that of the object, or one of an entry point if there is something between.
func (o *owner) enterBy(f RouteFunc, p *Port, req *Request, r Replier) *Event {
	to, instead, err := f.choose(p, req)
	if to == nil {
		if err != nil {
			o.counts.failures++
		}
		err = (&Event{}).wrap(err)
		r.Reply(Reply{Response: instead, Err: err})
		return nil
	}
	if err := to.refused(); err != nil {
		r.Reply(Reply{Err: err})
		return nil
	}
	ev := &Event{Kind: EventFetch, Request: req, home: o, replier: r}
	if o.eng.ownerOf(&to.id) == o {
		ev.class, ev.id, ev.stub = to.ns.class, to.id, to
		o.accept(ev)
	} else {
		// The event of the object is its loop's: who leaves, and when the answer was sent, goes by an event here.
		ev.entry = passOn{to}
		o.enter(ev)
	}
	o.drain()
	return ev
}

// passOn is an entry point that has an object answer.
type passOn struct{ to *Stub }

// Serve is part of [Entrypoint].
func (p passOn) Serve(ev *Event) {
	s := &Stub{ns: Namespace{class: p.to.ns.class, from: &ev.self}, id: p.to.id}
	ev.Followed(s.StartFetch(ev.Request, (*passedOn)(ev)))
}

// passedOn answers an event with what it was passed on to has answered.
type passedOn Event

// Reply is part of [Replier].
func (p *passedOn) Reply(r Reply) { (*Event)(p).fetched(r.Response, r.Err) }
