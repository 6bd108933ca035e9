package js

import (
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// event is an event of the Worker, from its request to its answer and the last of its waitUntil promises. Owned by its
// loop.
type event struct {
	rl     *realm
	ev     *engine.Event
	slot   uint64
	handle vm.Handle
	waits  int
	over   bool // answered
	gone   bool // JavaScript cannot reach it any more
}

// workerLabel names the Worker for the watchdog.
var workerLabel = "default fetch"

// Entrypoint returns what requests enter the program through: the default export.
func (a *App) Entrypoint() engine.Entrypoint { return (*entrypoint)(a) }

type entrypoint App

// Serve starts the Worker's fetch on a request.
func (p *entrypoint) Serve(ev *engine.Event) {
	a := (*App)(p)
	rl, err := a.hosts[ev.Loop()].realm(0)
	if err != nil {
		ev.Fail(err)
		return
	}
	if !rl.worker.IsObject() {
		ev.Fail(engine.ErrNoFetch)
		return
	}
	e := &event{rl: rl, ev: ev}
	e.slot = rl.events.add(e)
	w := waiting{ev: ev, event: e}
	rl.begin(e)
	handle, h, err := rl.in.EventHandle(e.slot)
	if err == nil {
		e.handle = h
		var v vm.Value
		v, err = rl.in.WorkerFetch(rl.worker, &request{ev.Request}, rl.env, handle)
		rl.r.Free(handle)
		if err == nil {
			rl.await(v, w)
		}
	}
	if err != nil {
		w.fail(rl, err)
	}
	rl.end(err)
}

func (e *event) namespace(class string) *engine.Namespace { return e.ev.Namespace(class) }
func (e *event) alive() bool                              { return !e.gone }
func (e *event) labelled() *string                        { return &workerLabel }
func (e *event) where() (class, id string)                { return "default", "" }
func (e *event) pin()                                     { e.ev.Pin(); e.waits++ }
func (e *event) unpin()                                   { e.waits--; e.ev.Unpin(); e.leave() }
func (e *event) startRead(b engine.Body, max int, done func([]byte, error)) {
	e.ev.StartRead(b, max, done)
}
func (e *event) start(work func(), done func(error))     { e.ev.Start(work, done) }
func (e *event) after(d time.Duration, fn func()) func() { return e.ev.After(d, fn) }

// interrupted fails the event: its turn ran longer than it may.
func (e *event) interrupted() {
	e.ev.Fail(cpuLimit("Worker exceeded CPU time limit."))
	e.rl.forget(nil, e)
	e.answered()
}

// answered notes that the event has its answer.
func (e *event) answered() {
	e.over = true
	e.leave()
}

// leave ends the event once nothing of it is under way.
func (e *event) leave() {
	if !e.over || e.waits > 0 || e.gone {
		return
	}
	e.gone = true
	if e.rl.r.Err() == nil {
		e.rl.r.Revoke(e.handle)
	}
	e.rl.events.remove(e.slot)
}
