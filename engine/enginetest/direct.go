package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"everloop/engine"
)

// direct is the handler of the plain class, where that is a Direct one. To the model each call is an instance of its own, which knows what
// is stored.
func (w *world) direct(c *engine.Call, code int) (err error) {
	if w.over {
		return errOnPurpose
	}
	w.count.Direct++
	name, _ := c.ID().Name()
	o := w.byName[name]
	if o == nil || c.Class() != plainName {
		w.fail(Wrong, "%s of %q, which is no such object, is called", c.Class(), name)
		return errOnPurpose
	}
	if o.inst.live() {
		w.fail(Overlap, "a call of %s runs beside an instance of it", o.name)
	}
	o.begins(w)
	in := &instance{w: w, obj: o, store: c.Storage, code: code, knows: o.awake()}
	before := in.knows
	o.inst = in
	// What a call that fails has written is taken back: its error reveals only what it knew before.
	fails := func(what string) *failed {
		o.takeBack()
		in.dead = true
		return &failed{what, o, before}
	}
	defer func() {
		if v := recover(); v != nil {
			panic(fails("a panic on purpose"))
		}
		if err != nil {
			err = fails(err.Error())
		}
	}()
	if info, is := c.Alarm(); is {
		return in.rings(info, (*thread).plainly)
	}
	if c.Method != "run" {
		w.fail(Wrong, "a call of a dead instance reaches %s", o.name)
		return errOnPurpose
	}
	m := w.messages[binary.BigEndian.Uint64(c.Args)]
	t := w.thread(in, fmt.Sprintf("call %d to %s", m.n, o.name), m.fuel, nil, false)
	defer t.end()
	w.deliver(m, t)
	t.begin()
	in.knows.merge(&m.knows)
	before = in.knows
	err = t.plainly()
	w.note("%s: ends: %v", t.name, err)
	m.ended = true
	c.Result = append(c.Result, w.remember(&in.knows, o, m)...)
	if w.pick(3) == 2 {
		// Short enough to lie where others lie, or not.
		c.Result = append(c.Result, make([]byte, []int{1, 300, 20_000, 40_000}[w.pick(4)])...)
	}
	return err
}

// plainly is the program of a call of a Direct object: a few steps, none of which waits.
func (t *thread) plainly() error {
	defer t.survive()
	for range 1 + t.w.pick(4) {
		if err := t.plainStep(); err != nil {
			return err
		}
	}
	return nil
}

func (t *thread) plainStep() error {
	w := t.w
	switch n := w.pick(24); n {
	case 0, 1, 2, 3:
		t.write(true, keys[w.pick(len(keys))])
	case 4, 5:
		t.write(false, keys[w.pick(len(keys))])
	case 6, 7, 8:
		t.write(true, "left", "right")
	case 9, 10:
		t.remove(keys[w.pick(len(keys))], keys[w.pick(len(keys))])
	case 11:
		t.removeAll()
	case 12, 13, 14:
		t.read()
	case 15, 16, 17, 18:
		t.alarms()
	case 19:
		return t.begun()
	case 20:
		return t.cannotWait()
	case 21:
		switch w.pick(4) {
		case 0:
			w.note("%s: panics on purpose", t.name)
			panic(t.error("a panic on purpose"))
		case 1, 2:
			return t.error("an error on purpose")
		}
	}
	return nil
}

// begun writes in a transaction, which may be rolled back or left open.
func (t *thread) begun() error {
	in, w := t.in, t.w
	x, err := in.store.Begin()
	if !t.took("begin", err) {
		return nil
	}
	w.value++
	v, stamp := w.value, uint64(in.obj.stamp())
	entries := []engine.Entry{{Key: "a", Value: encode(v)}, {Key: stampKey, Value: encode(stamp)}}
	if err := in.store.PutEntries(entries, engine.WriteOptions{}); err != nil {
		w.plausible(t.name+": write", err)
		return err
	}
	switch w.pick(4) {
	case 0:
		w.note("%s: rolls back", t.name)
		return x.Rollback()
	case 1:
		w.note("%s: leaves a transaction open", t.name)
		return t.error("an open transaction")
	}
	if err := x.Commit(); err != nil {
		w.plausible(t.name+": commit", err)
		return err
	}
	w.note("%s: commits %d, version %d", t.name, v, stamp)
	in.wrote(true)
	in.obj.content["a"], in.obj.content[stampKey] = v, stamp
	return nil
}

// cannotWait tries what would have to wait.
func (t *thread) cannotWait() error {
	s, ctx := t.in.store, context.Background()
	_, marked := s.CurrentBookmark(ctx)
	for _, err := range []error{s.Sync(ctx), s.Transaction(ctx, func() error { return nil }), marked} {
		if !errors.Is(err, engine.ErrDirect) {
			t.w.fail(Wrong, "%s: what would have to wait ends with %v", t.name, err)
		}
	}
	return nil
}

// pipeTo returns the way to an object through the Pipe of its class.
func (w *world) pipeTo(o *object) *line {
	if l := w.piped[o]; l != nil {
		return l
	}
	p := &w.pipes[o.kind()]
	if *p == nil {
		*p = w.namespace(o).Pipe(4*maxCalls, func(tag uint64, r engine.Reply) { w.answers[tag].Reply(r) })
	}
	l := &line{to: o, outside: true, pipe: *p}
	w.piped[o] = l
	return l
}

// throughPipe makes a call by a Pipe, which may keep it until there are more.
func (w *world) throughPipe(m *message, reply engine.Replier) {
	w.count.Piped++
	w.answers[uint64(m.n)] = reply
	p, args := m.line.pipe, m.args()
	var err error
	if w.pick(2) == 0 {
		err = p.CallByName(uint64(m.n), m.to.name, "run", args)
	} else {
		id := w.namespace(m.to).IDFromName(m.to.name)
		err = p.Call(uint64(m.n), &id, "run", args)
	}
	clear(args)
	if err != nil {
		w.fail(Answers, "call %d by a Pipe: %v", m.n, err)
	}
	if w.pick(3) > 0 {
		p.Flush()
	}
}

// poll takes the answers that have come through Pipes.
func (w *world) poll() {
	for _, p := range w.pipes {
		if p != nil && !w.over {
			p.Poll()
		}
	}
}

// flush has Pipes keep nothing back.
func (w *world) flush() {
	for _, p := range w.pipes {
		if p != nil {
			p.Flush()
		}
	}
}
