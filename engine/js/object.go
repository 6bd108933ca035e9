package js

import (
	"errors"
	"fmt"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// class is an exported class, as the engine sees it.
type class struct {
	app  *App
	name string
}

// New runs the constructor, in the runtime that the object's ID belongs to.
func (c *class) New(st *engine.State, ready func(engine.Object, error)) {
	id := st.ID()
	bytes := id.Bytes()
	if err := c.app.quarantine.refuses(c.name, id.String()); err != nil {
		ready(nil, err)
		return
	}
	h := c.app.hosts[st.Loop()]
	// The leading bits of an ID choose the loop, so the last byte is free to choose the runtime.
	rl, err := h.realm(int(bytes[len(bytes)-1]) % len(h.realms))
	if err != nil {
		ready(nil, err)
		return
	}
	o := &object{rl: rl, st: st, class: c, value: vm.Undefined}
	o.label = o
	constructor, ok := rl.classes[c.name]
	if !ok || !constructor.IsObject() {
		ready(nil, fmt.Errorf("the program exports no class %s", c.name))
		return
	}
	o.slot = rl.objects.Add(o)
	rl.begin(o)
	handle, hd, err := rl.in.ObjectHandle(o.slot)
	if err == nil {
		o.handle = hd
		o.value, err = rl.in.NewObject(constructor, handle, rl.env)
		rl.r.Free(handle)
	}
	if err == nil && !o.dead {
		o.alarms, err = rl.in.HandlesAlarm(o.value)
	}
	switch {
	case err != nil:
		failure := rl.engineError(err, nil)
		o.Evict()
		ready(nil, failure)
	case !o.dead: // it may have called abort
		ready(o, nil)
	}
	rl.end(err)
}

// object is one live instance. Owned by its loop.
type object struct {
	rl     *realm
	st     *engine.State
	class  *class
	label  vm.Label // o itself, where the watchdog finds it
	slot   uint64
	handle vm.Handle
	value  vm.Value
	dead   bool
	alarms bool // it has a handler for alarms
	has    *possessions

	promised int // promises that waitUntil keeps it for

	fetches *fetching // its fetches of stubs that are under way: answers to an object that has ended are not delivered
}

// Deliver starts one event.
func (o *object) Deliver(ev *engine.Event) {
	rl := o.rl
	if t, ok := ev.Target.(*target); ok && t.after != nil {
		rl.follow(o, ev, t)
		return
	}
	if ev.Kind == engine.EventWebSocket {
		o.deliverSocket(ev)
		return
	}
	w := waiting{ev: ev, object: o}
	rl.begin(o)
	var v vm.Value
	var err error
	switch ev.Kind {
	case engine.EventCall:
		v, err = rl.receive(&w, func(path []string, args vm.Value) (vm.Value, error) {
			return rl.in.ObjectCall(o.value, path, args)
		})
	case engine.EventAlarm:
		v, err = o.alarm(ev.Alarm)
	default:
		v, err = rl.in.ObjectFetch(o.value, &request{ev, o})
	}
	if err == nil {
		rl.await(v, w)
	} else if !errors.Is(err, vm.ErrInterrupted) {
		w.fail(rl, err)
	}
	rl.end(err)
}

// Evict drops the instance. What is left of its code gets errors when it uses its ctx.
func (o *object) Evict() {
	if o.dead {
		return
	}
	o.dead = true
	rl := o.rl
	rl.objects.Remove(o.slot)
	rl.endPossessions(o)
	if rl.r.Err() != nil {
		return
	}
	rl.r.Revoke(o.handle)
	rl.forget(o, nil)
	rl.forgetAway(o)
	rl.forgetWaits(o)
	rl.r.Free(o.value)
}

func (o *object) namespace(class string) *engine.Namespace { return o.st.Namespace(class) }
func (o *object) alive() bool                              { return !o.dead }
func (o *object) labelled() *vm.Label                      { return &o.label }
func (o *object) where() (class, id string)                { return o.class.name, o.st.ID().String() }
func (o *object) pin()                                     { o.st.Pin() }
func (o *object) unpin()                                   { o.st.Unpin() }

func (o *object) promises(n int) int { o.promised += n; return o.promised }
func (o *object) expire(d time.Duration, fn func()) func() {
	return o.st.Expire(d, fn)
}

func (o *object) startRead(b engine.Body, max int, done func([]byte, error)) {
	o.st.StartRead(b, max, done)
}

func (o *object) startStream(b engine.Body, sink engine.Sink) *engine.Stream {
	return o.st.StartStream(b, sink)
}

func (o *object) startFetch(req *engine.Request, r engine.Replier) *engine.Subrequest {
	return o.st.StartFetch(req, r)
}
func (o *object) streamFrom(src engine.Source) engine.Body { return o.st.StreamFrom(src) }

// bodyBegins keeps the instance for a body, also while nobody reads it yet: it is there that it would be produced.
func (o *object) bodyBegins() { o.st.Hold() }
func (o *object) bodyEnds()   { o.st.Unhold() }

func (o *object) start(work func(), done func(error))     { o.st.Start(work, done) }
func (o *object) every(d time.Duration, fn func()) func() { return o.st.Every(d, fn) }
func (o *object) after(d time.Duration, fn func()) func() { return o.st.After(d, fn) }

func (o *object) to(l *engine.Live) *engine.Stub         { return o.st.To(l) }
func (o *object) entry(p engine.Entrypoint) *engine.Stub { return o.st.Entry(p) }
func (o *object) live(deliver func(*engine.Event)) *engine.Live {
	return o.st.Live(deliver)
}
func (o *object) tell(l *engine.Live, ev *engine.Event) { o.st.Tell(l, ev) }
func (o *object) hold()                                 { o.st.Hold() }
func (o *object) unhold()                               { o.st.Unhold() }
func (o *object) later(fn func())                       { o.st.Later(fn) }
func (o *object) possessions() *possessions             { return o.has }
func (o *object) socketPair() (a, b *engine.WebSocket)  { return o.st.WebSocketPair() }
func (o *object) holdSocket(ws *engine.WebSocket, sink engine.SocketSink) error {
	return o.st.HoldWebSocket(ws, sink)
}

// Label names the object. Safe for concurrent use: neither its class nor its ID changes.
func (o *object) Label() string { return o.class.name + " " + o.st.ID().String() }

// interrupted resets the object: its turn ran longer than it may, and was cut off in the middle.
func (o *object) interrupted() {
	o.st.Abort(cpuLimit("Durable Object exceeded its CPU time limit and was reset."))
}

// forget drops the handlers of an object or event that has ended without an answer from them.
func (rl *realm) forget(o *object, e *event) {
	kept := rl.waiting[:0]
	for _, w := range rl.waiting {
		if o != nil && w.object == o || e != nil && w.event == e {
			rl.r.Free(w.promise)
			if e != nil {
				rl.unfollowed(w.followers, cpuLimit("Worker exceeded CPU time limit."))
			}
			if e != nil && w.nested { // what began the event has its answer
				w.ev.Fail(cpuLimit("Worker exceeded CPU time limit."))
				e.unpin()
			}
			continue
		}
		kept = append(kept, w)
	}
	clear(rl.waiting[len(kept):])
	rl.waiting = kept
	if o != nil {
		rl.forgetStreams(o)
		rl.forgetFetches(o)
	}
}

func cpuLimit(message string) *engine.Error {
	return &engine.Error{Name: "Error", Message: message, Overloaded: true, Remote: true}
}
