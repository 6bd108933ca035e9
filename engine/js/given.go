package js

import (
	"sync/atomic"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// export is something that a program gave away: a function or an instance, which stays where it is, and which others call.
// It lives as long as anybody has a stub of it, and no longer than the instance or event that gave it. Owned by its
// loop, but for refs.
type export struct {
	rl    *realm
	by    actor
	value vm.Value // owned
	own   bool     // its own properties can be called, not those of its class
	live  *engine.Live
	holds bool // by is held
	gone  bool

	// refs counts the stubs of it, and the messages that it travels in. Whoever has one may add another; who takes the
	// last away tells by.
	refs atomic.Int64
}

// Dropped takes back the reference of a message that did not arrive.
func (x *export) Dropped() {
	if x.refs.Add(-1) > 0 {
		return
	}
	x.rl.app.eng.Post(x.rl.host.loop, func() {
		if x.gone || !x.by.alive() {
			return
		}
		x.by.tell(x.live, x.disposal())
	})
}

func (x *export) disposal() *engine.Event {
	return &engine.Event{Kind: engine.EventCall, Method: "dispose", Target: &target{export: x, dispose: true}}
}

// possessions is what an instance or an event gave away, and which stubs of what others gave away it has. Both end with
// it. Owned by its loop.
type possessions struct {
	live  *engine.Live // its address, once it has given something away
	given map[*export]struct{}
	held  map[uint64]struct{}

	// sockets are those that it holds and JavaScript has an object of.
	sockets map[*engine.WebSocket]*socket

	arrived map[*arrived]struct{} // streams that it was sent and has not looked into
}

// possessionsOf makes by's, if it has none yet: most have none.
func possessionsOf(by actor) *possessions {
	switch by := by.(type) {
	case *object:
		if by.has == nil {
			by.has = new(possessions)
		}
	case *event:
		if by.has == nil {
			by.has = new(possessions)
		}
	}
	return by.possessions()
}

// give makes an export of v, borrowed, with one reference. hold keeps an event of an entry point going, too: a result that
// somebody has a stub of needs its context. Objects are kept by whatever they give away.
func (rl *realm) give(by actor, v vm.Value, own, hold bool) (*export, error) {
	if by == nil || !by.alive() {
		return nil, vm.PlainError(globalScope)
	}
	p := possessionsOf(by)
	if p.live == nil {
		p.live = by.live(func(ev *engine.Event) { rl.deliver(by, ev) })
		p.given = make(map[*export]struct{})
	}
	x := &export{rl: rl, by: by, value: rl.r.Dup(v), own: own, live: p.live}
	x.refs.Store(1)
	p.given[x] = struct{}{}
	if _, isObject := by.(*object); isObject || hold {
		x.holds = true
		by.hold()
	}
	return x, nil
}

// endExport forgets an export.
func (rl *realm) endExport(x *export) {
	if x.gone {
		return
	}
	x.gone = true
	delete(x.by.possessions().given, x)
	if rl.r.Err() == nil {
		rl.r.Free(x.value)
	}
	if x.holds {
		x.by.unhold()
	}
	if e, ok := x.by.(*event); ok {
		e.Ended()
	}
}

// hold notes that by has stub n, of something given away.
func (rl *realm) hold(by actor, n uint64) {
	if by == nil {
		return
	}
	p := possessionsOf(by)
	if p.held == nil {
		p.held = make(map[uint64]struct{})
	}
	p.held[n] = struct{}{}
}

// endPossessions ends what by gave away and the stubs that it has, because by has ended.
func (rl *realm) endPossessions(by actor) {
	rl.endFollowers(by)
	p := by.possessions()
	if p == nil {
		return
	}
	for n := range p.held {
		rl.DisposeStub(n)
	}
	for x := range p.given {
		x.holds = false // by is over: nothing keeps it
		rl.endExport(x)
	}
	for a := range p.arrived {
		a.Dropped()
	}
	rl.endSockets(p)
}

// Export is part of [web.RPCHost].
func (rl *realm) Export(v vm.Value, own bool) (uint64, error) {
	x, err := rl.give(rl.current, v, own, false)
	if err != nil {
		return 0, err
	}
	n := rl.stubs.Add(&stub{owner: rl.current, export: x})
	rl.hold(rl.current, n)
	return n, nil
}

// DupStub is part of [web.RPCHost].
func (rl *realm) DupStub(n uint64) (uint64, error) {
	s, ok := rl.stubs.Get(n)
	switch {
	case !ok || s.export == nil:
		return 0, vm.TypeError("Illegal invocation")
	case s.disposed:
		return 0, vm.PlainError("RPC stub used after being disposed.")
	case !s.owner.alive():
		return 0, vm.PlainError("%s", errOtherContext)
	}
	s.export.refs.Add(1)
	d := rl.stubs.Add(&stub{owner: s.owner, export: s.export})
	rl.hold(s.owner, d)
	return d, nil
}

// DisposeStub is part of [web.RPCHost].
func (rl *realm) DisposeStub(n uint64) {
	s, ok := rl.stubs.Get(n)
	if !ok || s.export == nil || s.disposed {
		return
	}
	s.disposed, s.to = true, nil
	x, by := s.export, s.owner
	delete(by.possessions().held, n)
	if x.refs.Add(-1) == 0 {
		by.tell(x.live, x.disposal())
	}
}

// SignalsCross is part of [web.RPCHost].
func (rl *realm) SignalsCross() bool { return rl.app.signals }

// Loopback is part of [web.RPCHost].
func (rl *realm) Loopback(n uint64, props vm.Value) (uint64, error) {
	s, ok := rl.stubs.Get(n)
	if !ok || s.entry == nil || s.entry.outside != nil {
		return 0, vm.TypeError("Illegal invocation")
	}
	e := s.entry
	if !props.IsUndefined() {
		encoded, err := rl.encodeProps(props)
		if err != nil {
			return 0, err
		}
		e = rl.app.newEntry(e.name, encoded)
	}
	return rl.stubs.Add(&stub{entry: e, owner: rl.current}), nil
}

func (rl *realm) encodeProps(v vm.Value) ([]byte, error) {
	c := rl.crossing(nil)
	c.external = true
	defer rl.done(c)
	b, err := c.writer.Append(nil, rl.r, v)
	return b, rl.cloneError(err)
}
