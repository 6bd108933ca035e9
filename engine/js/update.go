package js

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"everloop/engine"
	"everloop/engine/js/project"
)

// A program can be replaced by a newer version of itself while it is served. Storage stays. The new version is started beside
// the old one; once it has got through its top level, objects and requests that begin go to it. What the old one has begun,
// it finishes; then its runtimes are closed.

// ErrRestart says that a change cannot be made while the program is served.
var ErrRestart = errors.New("that cannot be done while the program is served: stop everloop and start it again")

// program is what the versions of one program share. Safe for concurrent use.
type program struct {
	current atomic.Pointer[App] // whom events go to that begin now

	mu       sync.Mutex
	retiring []*App // versions that still finish something
}

// Update starts another version of the program, and puts it in the place of a. a must be the current one. The error is for
// the person who wrote the program; then nothing has changed, and a goes on. ErrRestart is in it if the change needs one.
//
// Objects whose instances are at work have [Options.Grace] to finish, and are reset then. Requests of the Worker that are under way
// have [Options.Drain].
func (a *App) Update(p *project.Project, b *project.Bundle) (*App, error) {
	next, err := prepare(a.eng, a.program, p, b, a.opts)
	if err != nil {
		return nil, err
	}
	if err := next.enter(a); err != nil {
		next.retire(0)
		return nil, err
	}
	a.retire(a.opts.Drain)
	return next, nil
}

// retire closes the app's runtimes, each as soon as nothing lives in it any more, and all of them after d.
func (a *App) retire(d time.Duration) {
	a.program.mu.Lock()
	a.program.retiring = append(a.program.retiring, a)
	a.program.mu.Unlock()
	a.open.Store(int64(len(a.hosts)))
	for _, h := range a.hosts {
		a.eng.Post(h.loop, func() {
			h.retiring = true
			now, _ := a.eng.Clock(h.loop)
			h.closeQuiet(now + d.Milliseconds())
		})
	}
}

// retired notes that a loop has nothing left of the app. On that loop.
func (a *App) retired() {
	if a.open.Add(-1) > 0 {
		return
	}
	a.program.mu.Lock()
	a.program.retiring = slices.DeleteFunc(a.program.retiring, func(b *App) bool { return a == b })
	a.program.mu.Unlock()
	a.ended.Do(func() { close(a.stop) })
}

// endRetiring stops the watchdogs of versions that have not ended.
func (p *program) endRetiring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.retiring {
		a.ended.Do(func() { close(a.stop) })
	}
	p.retiring = nil
}

// look is how often a retiring host looks whether something has ended. A hook at every end would be on the way of every
// event, for the sake of one moment in a program's life.
const look = 50 * time.Millisecond

// closeQuiet closes the runtimes in which nothing lives, and comes back for the rest. deadline is on the loop's clock.
func (h *host) closeQuiet(deadline int64) {
	now, _ := h.app.eng.Clock(h.loop)
	left := false
	for i, rl := range h.realms {
		switch {
		case rl == nil:
		case rl.quiet() || now >= deadline:
			h.realms[i] = nil
			rl.drop(updated("The Worker's code was updated before it had answered."), updated(engine.ErrUpdated.Error()))
		default:
			left = true
		}
	}
	if !left {
		h.app.retired()
		return
	}
	h.app.eng.After(h.loop, look, func() { h.closeQuiet(deadline) })
}

// close closes all runtimes at once. Nothing has entered them.
func (h *host) close() {
	for i, rl := range h.realms {
		if rl != nil {
			h.realms[i] = nil
			rl.drop(nil, nil)
		}
	}
}

// quiet reports whether nothing of the program lives in the runtime: no instance, no event, no body.
func (rl *realm) quiet() bool {
	return rl.objects.Len() == 0 && rl.events.Len() == 0 && len(rl.waiting) == 0 && len(rl.inbound) == 0 && len(rl.outbound) == 0 && len(rl.away) == 0
}

// updated is what something fails with that an update of the program has ended.
func updated(message string) *engine.Error {
	return &engine.Error{Name: "Error", Message: message, Retryable: true}
}

// unbound is a class that the program bound once and does not bind any more. Its objects stay where they are.
type unbound string

// New is part of [engine.Class].
func (u unbound) New(_ *engine.State, ready func(engine.Object, error)) {
	ready(nil, fmt.Errorf("the program does not bind the class %s any more", string(u)))
}
