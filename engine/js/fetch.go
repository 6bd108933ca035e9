package js

import (
	"context"
	"strings"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// The global fetch. A request belongs to whoever the running turn belongs to, as a timer does; what it needs of gates,
// queues and streams is the engine's (engine.Subrequest). Redirects are followed here, as those of a stub's fetch are.

// releasedFetch is how long a request goes on, in milliseconds, after the event of a Worker that made it has ended without
// waiting for it.
const releasedFetch = 30_000

// FetchOut is part of [web.FetchHost].
func (rl *realm) FetchOut(n uint64, m web.Message, redirect web.Redirect) (vm.Value, error) {
	url := m.URL()
	if strings.HasPrefix(url, "data:") {
		return rl.fetchData(m)
	}
	if !isHTTP(url) {
		return vm.Undefined, vm.TypeError("Fetch API cannot load: %s", url)
	}
	if badPort(url) {
		return vm.Undefined, vm.TypeError("Fetch API cannot load: %s: the port belongs to another protocol", url)
	}
	by := rl.current
	if by == nil {
		return vm.Undefined, vm.PlainError("Disallowed operation called within global scope. Requests are made while an event is handled.")
	}
	p, err := rl.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	f := &fetching{rl: rl, by: by, n: n, redirect: redirect, promise: rl.r.Dup(p)}
	rl.fetches[f] = struct{}{}
	if e, ok := by.(*event); ok {
		e.sends++
	}
	if n != 0 {
		rl.abortable[n] = f
	}
	f.send(rl.requestOf(m, by))
	return p, nil
}

func isHTTP(url string) bool {
	return strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://")
}

// FetchCancel is part of [web.FetchHost].
func (rl *realm) FetchCancel(n uint64) {
	switch f := rl.abortable[n]; {
	case f == nil:
	case f.to != nil:
		f.sent.Gone()
	default:
		f.out.Cancel(&engine.Error{Name: "Error", Message: "The request was aborted."})
	}
}

// WatchCaller is part of [web.FetchHost].
func (rl *realm) WatchCaller(m web.Message, signal vm.Value) {
	r, ok := m.(*request)
	if !ok || !rl.app.requestSignal {
		return
	}
	held := rl.r.Dup(signal)
	r.by.bodyBegins() // an event of a Worker that waits for its caller to leave is not over, and does not wait for nothing
	r.ev.OnLeave(func(left bool) {
		defer r.by.bodyEnds()
		switch {
		case rl.r.Err() != nil:
		case left && r.by.alive():
			rl.begin(r.by)
			err := rl.in.CallerLeft(held)
			rl.later = append(rl.later, held)
			rl.end(err)
		default:
			rl.later = append(rl.later, held) // JavaScript may be running
		}
	})
}

// fetchData answers a request for a data URL.
func (rl *realm) fetchData(m web.Message) (vm.Value, error) {
	mime, body, ok := web.ParseDataURL(m.URL())
	if !ok {
		return vm.Undefined, vm.TypeError("Fetch API cannot load: a data URL that is malformed.")
	}
	answer := &web.Outgoing{ReqURL: m.URL(), ResStatus: 200, ResText: "OK", Fields: []web.Field{{Name: "content-type", Value: mime}}}
	if m.Method() != "HEAD" {
		answer.Bytes = body
	}
	v, err := rl.in.Response(answer)
	if err != nil {
		return vm.Undefined, err
	}
	if out, ok := m.(*web.Outgoing); ok {
		rl.r.Free(out.Stream) // nobody reads it
	}
	return rl.r.ResolvedPromise(v)
}

// forgetFetches lets go of the promises of an object that is gone, which gets no answers any more. The engine cancels the requests of
// one that was reset.
func (rl *realm) forgetFetches(o *object) {
	for o.fetches != nil {
		o.fetches.forget()
	}
	for f := range rl.fetches {
		if f.by == actor(o) {
			f.forget()
		}
	}
}

// releaseFetches leaves the requests of an event that has ended to themselves.
func (rl *realm) releaseFetches(e *event) {
	for f := range rl.fetches {
		if f.by == actor(e) && f.out != nil {
			f.out.Release(releasedFetch)
		}
	}
}

// cancelFetches cancels all requests, because the runtime is lost.
func (rl *realm) cancelFetches() {
	for f := range rl.fetches {
		delete(rl.fetches, f)
		f.out.Cancel(context.Canceled)
	}
	clear(rl.abortable)
}
