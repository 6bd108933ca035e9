package js

import (
	"errors"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// Calls by name. What is called travels as the method's name, or, where it is not a method of an object or entry point
// itself, as a target. Arguments and results cross as bytes, with what bytes cannot hold beside them: see crossing.

// target is what of the receiver is asked for (engine.Event.Target).
type target struct {
	export  *export       // what was given away; nil: the object or entry point itself
	path    []string      // from there
	read    bool          // it is read, not called
	after   *engine.Event // it is asked of the result of that one; only compared
	follows int           // how many such calls come right behind it
	dispose bool          // nobody has a stub of the export any more
}

// Send is part of [web.RPCHost].
func (rl *realm) Send(n uint64, path []string, args vm.Value) (vm.Value, error) {
	s, ok := rl.stubs.Get(n)
	if !ok {
		return vm.Undefined, vm.TypeError("Illegal invocation")
	}
	if err := rl.open(s); err != nil {
		return vm.Undefined, err
	}
	var t *target
	if s.export != nil || args.IsNull() || len(path) != 1 {
		t = &target{export: s.export, path: path, read: args.IsNull()}
	}
	c := &calling{rl: rl, by: s.owner, to: s.to}
	inGo := false
	if s.export == nil && s.entry == nil {
		_, inGo = rl.app.opts.Classes[s.class]
	}
	return rl.send(c, path, t, args, !inGo)
}

// send makes a call and returns its promise. leads: others can be sent after it.
func (rl *realm) send(c *calling, path []string, t *target, args vm.Value, leads bool) (vm.Value, error) {
	ev := &engine.Event{Kind: engine.EventCall}
	if len(path) > 0 {
		ev.Method = path[len(path)-1]
	}
	if t != nil {
		ev.Target = t
	}
	if !args.IsNull() {
		x := rl.crossing(c.by)
		err := x.write(args)
		ev.Args, ev.Caps = x.bytes, x.caps
		sent := x.sent
		rl.done(x)
		if err != nil {
			return vm.Undefined, err
		}
		if !rl.app.paramsDup {
			for _, n := range sent {
				rl.DisposeStub(n)
			}
		}
	}
	p, err := rl.r.PendingPromise()
	if err != nil {
		dropCaps(ev.Caps)
		return vm.Undefined, err
	}
	c.promise = rl.r.Dup(p)
	if leads {
		c.ev, c.turn = ev, rl.turn
		rl.underway[p.Address()] = c
	}
	c.args = ev.Args
	c.to.StartEvent(ev, c)
	return p, nil
}

// calling is a call under way.
type calling struct {
	rl      *realm
	by      actor
	to      *engine.Stub
	promise vm.Value // owned

	// What is needed for calls that are sent after it, to be made on its result: it is under way until it is answered,
	// and all of those are.
	ev       *engine.Event // nil: none can be
	turn     uint64        // that it was sent in
	sent     int           // of those, not answered
	answered bool

	// And for one that was itself sent after another.
	after *calling
	path  []string
	read  bool
	args  []byte
}

// Reply takes the answer, as a turn of the caller.
func (c *calling) Reply(reply engine.Reply) {
	rl := c.rl
	c.args = c.keepArgs(reply)
	if rl.r.Err() != nil || !c.by.alive() {
		dropCaps(reply.Caps)
		c.settled()
		return
	}
	rl.begin(c.by)
	var err error
	switch {
	case reply.Err != nil:
		err = rl.failCall(c, reply.Err)
	case c.args != nil:
		err = rl.fallBack(c, reply.Caps)
	default:
		err = rl.resolveCall(c, reply)
	}
	c.settled()
	rl.end(err)
}

// keepArgs returns the arguments if they are still needed: the call came too late to follow another one, and has to be
// made here.
func (c *calling) keepArgs(reply engine.Reply) []byte {
	if c.after == nil || reply.Err != nil || len(reply.Value) > 0 {
		return nil
	}
	if c.args == nil {
		return noArgs
	}
	return c.args
}

// settled ends what the call keeps, once nothing is under way that was sent after it.
func (c *calling) settled() {
	c.answered = true
	c.release()
	if c.after != nil {
		c.after.sent--
		c.after.release()
		c.after = nil
	}
}

func (c *calling) release() {
	if !c.answered || c.sent > 0 {
		return
	}
	if c.ev != nil && c.rl.underway[c.promise.Address()] == c {
		delete(c.rl.underway, c.promise.Address())
	}
	if c.rl.r.Err() == nil {
		c.rl.r.Free(c.promise)
	}
}

func (rl *realm) resolveCall(c *calling, reply engine.Reply) error {
	x := rl.crossing(c.by)
	x.keep = true
	v, err := x.read(reply.Value, reply.Caps)
	handles := x.handles
	if err == nil {
		err = rl.in.Disposable(v, handles)
	}
	rl.r.FreeAll(handles...)
	rl.done(x)
	if err != nil {
		return rl.reject(c.promise, err)
	}
	return rl.r.Resolve(c.promise, v)
}

// receive starts what an EventCall asks of an object or entry point; call enters the program.
func (rl *realm) receive(w *waiting, call func(path []string, args vm.Value) (vm.Value, error)) (vm.Value, error) {
	t, _ := w.ev.Target.(*target)
	var path []string
	if t != nil {
		path = t.path
	} else {
		path = []string{w.ev.Method}
	}
	args := vm.Null
	if t == nil || !t.read {
		x := rl.crossing(w.by())
		var err error
		encoded := w.ev.Args
		if len(encoded) == 0 {
			encoded = noArgs
		}
		args, err = x.read(encoded, w.ev.Caps)
		w.params = x.stubs
		rl.done(x)
		if err == nil && !rl.r.IsArray(args) {
			rl.r.Free(args)
			err = vm.TypeError("the arguments of %s are not an array", w.ev.Name())
		}
		if err != nil {
			return vm.Undefined, err
		}
	}
	v, err := call(path, args)
	rl.r.Free(args)
	return v, err
}

var noArgs = []byte{0x80} // an empty array

// answerCall answers an EventCall with v, which it consumes.
func (rl *realm) answerCall(w waiting, v vm.Value) {
	by := w.by()
	rl.r.Begin(by.labelled()) // getters of the value run
	x := rl.crossing(by)
	x.external, x.reply = w.ev.External(), true
	disposes := false
	var err error
	if !x.external && rl.r.ObjectClass(v) == vm.PlainObject && rl.plain(rl.r, v) {
		disposes, err = rl.in.HasDisposer(v)
	}
	if err == nil {
		err = x.write(v)
	}
	if err == nil && disposes {
		var d *export
		if d, err = rl.give(by, v, true, true); err == nil {
			x.caps = append(x.caps, disposerCap{d})
		} else {
			dropCaps(x.caps)
		}
	}
	encoded, caps, sent, spent := x.bytes, x.caps, x.sent, x.spent
	rl.done(x)
	rl.r.End()
	if t, ok := w.ev.Target.(*target); ok && spent && t.read && t.after != nil {
		// A stream that is read out of the result of another call has gone with that: it is to be found there.
		rl.r.Free(v)
		w.ev.ReturnCaps(nil, nil)
		w.done(rl)
		return
	}
	if err != nil {
		rl.r.Free(v)
		rl.unanswerable(&w, err)
		return
	}
	defer rl.r.Free(v)
	for _, n := range sent {
		rl.DisposeStub(n)
	}
	w.ev.ReturnCaps(encoded, caps)
	rl.followed(&w, v)
	w.done(rl)
}

// unanswerable ends a call whose result could not be encoded. A getter of it that ran for ever costs the object, as any
// turn that does.
func (rl *realm) unanswerable(w *waiting, err error) {
	if w.object != nil && errors.Is(err, vm.ErrInterrupted) {
		w.object.interrupted() // the reset answers
		return
	}
	w.fail(rl, err)
	if lost(err) {
		rl.lose(err)
	}
}

// deliver starts an event on something that by gave away.
func (rl *realm) deliver(by actor, ev *engine.Event) {
	t, ok := ev.Target.(*target)
	if !ok || t.export == nil || t.export.gone || rl.r.Err() != nil {
		dropCaps(ev.Caps)
		ev.Fail(&engine.Error{Name: "Error", Message: "The execution context which hosts this callback is no longer running."})
		return
	}
	x := t.export
	if t.after != nil {
		rl.follow(by, ev, t)
		return
	}
	by.pin() // until it is answered
	if t.dispose {
		defer by.unpin()
		ev.Return(nil)
		rl.begin(by)
		err := rl.in.DisposeExport(x.value)
		if err != nil && !lost(err) {
			rl.reportDisposer(by, err)
		}
		rl.endExport(x)
		rl.end(err)
		return
	}
	rl.nested(by, ev, rl.r.Dup(x.value), nil, func(value vm.Value, path []string, args vm.Value) (vm.Value, error) {
		return rl.in.ExportCall(value, path, args, x.own)
	})
}

// nested starts an event on a value of by's, which it consumes. by is pinned for it.
func (rl *realm) nested(by actor, ev *engine.Event, value vm.Value, after []*follower, call func(value vm.Value, path []string, args vm.Value) (vm.Value, error)) {
	w := waiting{ev: ev, nested: true, followers: after}
	switch by := by.(type) {
	case *object:
		w.object = by
	case *event:
		w.event = by
	}
	rl.begin(by)
	v, err := rl.receive(&w, func(path []string, args vm.Value) (vm.Value, error) { return call(value, path, args) })
	rl.r.Free(value)
	switch {
	case err == nil:
		rl.await(v, w)
	case w.object != nil && errors.Is(err, vm.ErrInterrupted):
		// The reset answers.
	default:
		w.fail(rl, err)
	}
	rl.end(err)
}

// reportDisposer logs what a disposer threw: nobody waits for it.
func (rl *realm) reportDisposer(by actor, err error) {
	class, id := by.where()
	rl.app.opts.Logger.Warn("a disposer failed", "class", class, "object", id, "err", mapped(rl.app.bundle, err).Error())
}

func dropCaps(caps []engine.Cap) {
	for _, c := range caps {
		if c != nil { // a stream that was not taken
			c.Dropped()
		}
	}
}
