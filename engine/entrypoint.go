package engine

import (
	"context"
	"errors"
)

// EntrypointFunc makes an Entrypoint of a Go function. It runs as straight-line code in a coroutine on the
// connection's loop; env is where it takes its namespaces from.
type EntrypointFunc func(ctx context.Context, env *Event, r *Request) (*Response, error)

// Serve runs f.
func (f EntrypointFunc) Serve(ev *Event) { ev.self.own.spawn(&ev.self, (*entryJob)(ev)) }

// entryJob is an event of an EntrypointFunc, as a job.
type entryJob Event

func (j *entryJob) run() {
	ev := (*Event)(j)
	if ev.Kind != EventFetch {
		drop(ev.Caps)
		ev.Fail(errNoSuchMethod(ev.Method))
		return
	}
	ev.fetched(ev.entry.(EntrypointFunc)(ev, ev, ev.Request))
}

// fetched answers with what a Go function returned for a request.
func (ev *Event) fetched(resp *Response, err error) {
	switch {
	case err != nil:
		ev.Fail(err)
	case resp == nil:
		ev.Fail(errNoResponse)
	default:
		ev.Respond(resp)
	}
}

func (j *entryJob) fail(f failure) { (*Event)(j).Fail(f.error("default", "", "fetch")) }

var errNoResponse = errors.New("the handler returned neither a response nor an error")

// Entry returns a stub of an entry point, for calls that this object makes: each is an event of its own, on this
// loop.
func (s *State) Entry(p Entrypoint) *Stub { return s.a.origin.entryStub(p) }

// Entry returns a stub of an entry point, for calls that this event makes: each is an event of its own.
func (ev *Event) Entry(p Entrypoint) *Stub { return ev.origin().entryStub(p) }

func (o *origin) entryStub(p Entrypoint) *Stub {
	return &Stub{ns: Namespace{from: o}, entry: p}
}
