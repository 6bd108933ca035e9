package js

import (
	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

// A call on the result of another one is sent right after it, over the same stub, so it arrives behind it. There it waits
// for the result and is made on that: one trip for both. Calls that leave in one turn are counted in the first, whose
// result is kept for them if it is there before they are. One that leaves later may find the first call answered: it
// comes back and is made by the caller, on the result that has meanwhile arrived. Once one call was sent after another, so are all
// that follow, until none is under way: they stay in order.

// Pipeline is part of [web.RPCHost].
func (rl *realm) Pipeline(promise vm.Value, path []string, args vm.Value) (vm.Value, error) {
	if !promise.IsObject() {
		return vm.Null, nil
	}
	c := rl.underway[promise.Address()]
	if c == nil || !c.by.alive() {
		return vm.Null, nil
	}
	next := &calling{rl: rl, by: c.by, to: c.to, after: c, path: path, read: args.IsNull()}
	p, err := rl.send(next, path, &target{path: path, read: args.IsNull(), after: c.ev}, args, true)
	if err == nil {
		c.sent++
		if c.turn == rl.turn { // it has not left yet
			t, ok := c.ev.Target.(*target)
			if !ok {
				t = &target{path: []string{c.ev.Method}}
				c.ev.Target = t
			}
			t.follows++
		}
		rl.r.MarkHandled(promise) // whoever waits for the second hears of what becomes of the first
	}
	return p, err
}

// fallBack makes a call here that came too late to follow another: caps are what its arguments refer to.
func (rl *realm) fallBack(c *calling, caps []engine.Cap) error {
	args := vm.Null
	if !c.read {
		x := rl.crossing(c.by)
		v, err := x.read(c.args, caps)
		rl.done(x)
		if err != nil {
			return rl.reject(c.promise, err)
		}
		args = v
	}
	v, err := rl.in.PipelinedHere(c.after.promise, c.path, args)
	rl.r.Free(args)
	if err != nil {
		return rl.reject(c.promise, err)
	}
	return rl.r.Resolve(c.promise, v)
}

// follower is a call that waits for the result of another one, or, with the result, for its turn. Owned by its loop.
type follower struct {
	by        actor
	ev        *engine.Event
	value     vm.Value    // owned; Undefined while it is waited for
	followers []*follower // that wait for its own result
}

// keptResult is a result that calls are made on which are on their way. Owned by its loop.
type keptResult struct {
	by    actor
	value vm.Value // owned
	left  int      // how many of them
	pins  bool     // by is pinned
}

// follow has an event wait for the result of the one that its target names.
func (rl *realm) follow(by actor, ev *engine.Event, t *target) {
	if k := rl.kept[t.after]; k != nil && k.by == by {
		by.pin() // until it is answered
		value := rl.r.Dup(k.value)
		if k.left--; k.left == 0 {
			rl.unkeep(t.after, k)
		}
		rl.nested(by, ev, value, nil, rl.in.PipelinedOn)
		return
	}
	list := rl.followersOf(by, t.after)
	if list == nil {
		ev.ReturnCaps(nil, ev.Caps)
		return
	}
	by.pin() // until it is answered
	f := &follower{by: by, ev: ev, value: vm.Undefined}
	*list = append(*list, f)
	rl.following[ev] = f
}

// followersOf returns where those that wait for the result of an event are listed; nil if it has been answered.
func (rl *realm) followersOf(by actor, first *engine.Event) *[]*follower {
	for i := range rl.waiting {
		if w := &rl.waiting[i]; w.ev == first && (by == nil || w.by() == by) {
			return &w.followers
		}
	}
	if f := rl.following[first]; f != nil && (by == nil || f.by == by) {
		return &f.followers
	}
	return nil
}

// join is follow for an event that an entry point was given: it becomes part of the event that it follows.
func (rl *realm) join(ev *engine.Event, t *target) {
	var by actor
	for i := range rl.waiting {
		if w := &rl.waiting[i]; w.ev == t.after {
			by = w.by()
		}
	}
	if f := rl.following[t.after]; f != nil {
		by = f.by
	}
	if k := rl.kept[t.after]; k != nil {
		by = k.by
	}
	if e, ok := by.(*event); ok {
		ev.Join(e.ev)
		rl.follow(by, ev, t)
		return
	}
	ev.ReturnCaps(nil, ev.Caps)
}

// followed gives those that waited for the result of w's event their turns, with v, which is borrowed.
func (rl *realm) followed(w *waiting, v vm.Value) {
	for _, f := range w.followers {
		f.value = rl.r.Dup(v)
		f.by.later(func() {
			if rl.following[f.ev] != f || rl.r.Err() != nil {
				return
			}
			delete(rl.following, f.ev)
			rl.nested(f.by, f.ev, f.value, f.followers, rl.in.PipelinedOn)
		})
	}
	if t, ok := w.ev.Target.(*target); ok && t.follows > len(w.followers) {
		k := &keptResult{by: w.by(), value: rl.r.Dup(v), left: t.follows - len(w.followers)}
		// An object is not pinned: one of those calls may be refused on its way, because too many wait. Then the result goes
		// when the object is evicted.
		if k.pins = w.object == nil; k.pins {
			k.by.pin()
		}
		rl.kept[w.ev] = k
	}
	w.followers = nil
}

func (rl *realm) unkeep(ev *engine.Event, k *keptResult) {
	delete(rl.kept, ev)
	if rl.r.Err() == nil {
		rl.r.Free(k.value)
	}
	if k.pins {
		k.by.unpin()
	}
}

// unfollowed fails those that waited for the result of an event that has failed.
func (rl *realm) unfollowed(list []*follower, err error) {
	for _, f := range list {
		delete(rl.following, f.ev)
		dropCaps(f.ev.Caps)
		f.ev.Fail(err)
		rl.unfollowed(f.followers, err)
		f.by.unpin()
	}
}

// endFollowers drops those that wait in the name of by, an object that has ended: an event does not end before they do.
func (rl *realm) endFollowers(by actor) {
	for ev, k := range rl.kept {
		if k.by == by {
			rl.unkeep(ev, k)
		}
	}
	for ev, f := range rl.following {
		if f.by == by {
			delete(rl.following, ev)
			dropCaps(ev.Caps) // the engine answers it, with the reason of the reset
			if rl.r.Err() == nil {
				rl.r.Free(f.value)
			}
		}
	}
}
