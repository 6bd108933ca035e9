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
	resp, err := ev.entry.(EntrypointFunc)(ev, ev, ev.Request)
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
