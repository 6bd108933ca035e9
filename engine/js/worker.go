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
	waits  int  // reasons to stay: untils, work off the loop, what others hold of it, bodies to produce
	untils int  // promises given to waitUntil
	over   bool // answered
	gone   bool // JavaScript cannot reach it any more
	reads  bool // it has begun to read a stream
	sends  int  // requests out of the process that are not answered

	entryPoint *entry
	has        *possessions
	look       *hungLook // nil while it is not looked at: see hung.go
}

// entry is an entry point of the program: an export, with the props that its context gets. It outlives an update of the
// program: events go to the code that there is when they begin. Safe for concurrent use.
type entry struct {
	program *program
	name    string   // of the export
	label   vm.Label // names it for the watchdog
	props   []byte   // encoded; nil for none

	outside engine.Entrypoint // what a binding reaches that is none of the program's; nil for an export
}

func (a *App) newEntry(name string, props []byte) *entry {
	return &entry{program: a.program, name: name, label: vm.Text(name + " (entry point)"), props: props}
}

// Entrypoint returns what requests enter the program through: the default export. It stays the same over updates, and leads to the
// version that is current when a request comes.
func (a *App) Entrypoint() engine.Entrypoint { return a.main }

// Serve starts the entry point's fetch on a request, or what is called of it.
func (p *entry) Serve(ev *engine.Event) {
	if p.outside != nil {
		p.outside.Serve(ev)
		return
	}
	rl, err := p.program.current.Load().hosts[ev.Loop()].realm(0)
	if err != nil {
		dropCaps(ev.Caps)
		ev.Fail(err)
		return
	}
	handler, err := rl.entryPoint(p.name)
	if err == nil && !handler.IsObject() {
		err = engine.ErrNoFetch
	}
	if err != nil {
		dropCaps(ev.Caps)
		ev.Fail(err)
		return
	}
	if t, ok := ev.Target.(*target); ok && t.after != nil {
		rl.join(ev, t)
		return
	}
	e := &event{rl: rl, ev: ev, entryPoint: p}
	e.slot = rl.events.Add(e)
	ev.Watch = e
	w := waiting{ev: ev, event: e}
	rl.begin(e)
	handle, h, err := rl.in.EventHandle(e.slot)
	props := vm.Undefined
	if err == nil {
		e.handle = h
		if p.props != nil {
			props, err = rl.reader.Read(rl.r, p.props)
		}
		var v vm.Value
		switch {
		case err != nil:
		case ev.Kind == engine.EventCall:
			v, err = rl.receive(&w, func(path []string, args vm.Value) (vm.Value, error) {
				return rl.in.WorkerCall(handler, path, args, rl.env, handle, props)
			})
		default:
			v, err = rl.in.WorkerFetch(handler, &request{ev, e}, rl.env, handle, props)
		}
		rl.r.FreeAll(handle, props)
		if err == nil {
			rl.await(v, w)
		}
	}
	if err != nil {
		w.fail(rl, err)
	}
	rl.end(err)
	e.Ended() // it may wait for nothing at all
}

// entryPoint returns an export, borrowed.
func (rl *realm) entryPoint(name string) (vm.Value, error) {
	if v, ok := rl.entries[name]; ok {
		return v, nil
	}
	v, err := rl.r.GetName(rl.exports, name)
	if err == nil {
		rl.entries[name] = v
	}
	return v, err
}

func (e *event) namespace(class string) *engine.Namespace { return e.ev.Namespace(class) }
func (e *event) alive() bool                              { return !e.gone }
func (e *event) labelled() *vm.Label                      { return &e.entryPoint.label }
func (e *event) where() (class, id string)                { return e.entryPoint.name, "" }
func (e *event) pin()                                     { e.ev.Pin(); e.waits++ }
func (e *event) unpin()                                   { e.waits--; e.ev.Unpin(); e.leave() }

func (e *event) promises(n int) int { e.untils += n; return e.untils }
func (e *event) expire(d time.Duration, fn func()) func() {
	return e.ev.Expire(d, fn)
}

func (e *event) startRead(b engine.Body, max int, done func([]byte, error)) {
	e.ev.StartRead(b, max, done)
}

func (e *event) startStream(b engine.Body, sink engine.Sink) *engine.Stream {
	return e.ev.StartStream(b, sink)
}

func (e *event) startFetch(req *engine.Request, r engine.Replier) *engine.Subrequest {
	return e.ev.StartFetch(req, r)
}
func (e *event) streamFrom(src engine.Source) engine.Body { return e.ev.StreamFrom(src) }

// bodyBegins keeps the event reachable for JavaScript until bodyEnds, as pin does, without keeping the engine waiting: it has
// an answer whose body nobody may ever ask for.
func (e *event) bodyBegins()                             { e.hold() }
func (e *event) bodyEnds()                               { e.unhold() }
func (e *event) start(work func(), done func(error))     { e.ev.Start(work, done) }
func (e *event) every(d time.Duration, fn func()) func() { return e.ev.Every(d, fn) }
func (e *event) after(d time.Duration, fn func()) func() { return e.ev.After(d, fn) }

func (e *event) to(l *engine.Live) *engine.Stub         { return e.ev.To(l) }
func (e *event) entry(p engine.Entrypoint) *engine.Stub { return e.ev.Entry(p) }
func (e *event) live(deliver func(*engine.Event)) *engine.Live {
	return e.ev.Live(deliver)
}
func (e *event) tell(l *engine.Live, ev *engine.Event) { e.ev.Tell(l, ev) }
func (e *event) hold()                                 { e.ev.Hold(); e.waits++ }
func (e *event) unhold()                               { e.waits--; e.ev.Unhold(); e.leave() }
func (e *event) later(fn func())                       { e.ev.Later(fn) }
func (e *event) possessions() *possessions             { return e.has }
func (e *event) socketPair() (a, b *engine.WebSocket)  { return e.ev.WebSocketPair() }
func (e *event) holdSocket(ws *engine.WebSocket, sink engine.SocketSink) error {
	return e.ev.HoldWebSocket(ws, sink)
}

// interrupted fails the event: its turn ran longer than it may.
func (e *event) interrupted() {
	e.ev.Fail(cpuLimit("Worker exceeded CPU time limit."))
	e.rl.forget(nil, e)
	e.rl.failStreams(e, cpuLimit("Worker exceeded CPU time limit."))
	e.answered()
}

// answered notes that the event has its answer.
func (e *event) answered() {
	e.over = true
	e.stopLooking()
	e.leave()
}

// leave ends the event once nothing of it is under way.
func (e *event) leave() {
	if !e.over || e.waits > 0 || e.gone {
		return
	}
	e.gone = true
	e.rl.endPossessions(e)
	if e.reads {
		e.rl.forgetStreams(e)
	}
	if e.sends > 0 {
		e.rl.releaseFetches(e)
	}
	if e.rl.r.Err() == nil {
		e.rl.r.Revoke(e.handle)
	}
	e.rl.events.Remove(e.slot)
}
