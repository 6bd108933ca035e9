package engine

import "context"

// EntrypointFunc makes an Entrypoint of a Go function. It runs as straight-line code in a coroutine on the
// connection's loop; env is where it takes its namespaces from.
type EntrypointFunc func(ctx context.Context, env *Event, r *Request) (*Response, error)

// Serve runs f.
func (f EntrypointFunc) Serve(ev *Event) {
	ev.self.own.spawn(&ev.self, func() {
		resp, err := f(ev, ev, ev.Request)
		if err != nil {
			ev.Fail(err)
			return
		}
		ev.Respond(resp)
	}, func(f failure) { ev.Fail(f.error("default", "", "fetch")) })
}
