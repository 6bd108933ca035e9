package engine

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"time"
	"unsafe"

	"everloop/wal"
)

// DirectOf makes a Class without instances, for objects whose whole state is in their storage and whose calls never wait: a counter, a
// string, a lock, a queue. There is no instance to build, to keep or to evict, and no coroutine: handle runs to its end in one turn, on
// the loop's own stack, and a call takes a fraction of what one of [ClassOf] takes. An object at rest is as small as an object
// gets, and stays so while it is called.
//
// handle is called on the loops, for different objects on several at once, so what it closes over must be safe for that. It must not
// block: it makes no calls (a stub of the Engine is refused with [ErrInsideTurn]), and it must not end its goroutine with
// runtime.Goexit, which ends the program. It takes calls and alarms ([Call.Alarm]). A request fails with [ErrNoFetch], and there are no
// WebSockets. Arguments are whatever the caller sent, and so is the result: a caller that uses [Stub.Call], or a JavaScript
// object, sends an encoded array of arguments and wants an encoded value back (package value; no bytes are undefined to Go callers only).
//
// A call is atomic: if handle returns an error or panics, what it wrote is taken back, its alarm included, and the caller gets an [*Error]. All
// else is as with other classes: the record of the turn, the output gate, alarms with their retries, time travel, snapshots, bounds.
// A call of such an object knows, of what came before it, the object's last write and what its caller knew: see docs/semantics.md.
func DirectOf(handle func(c *Call) error) Class { return &directClass{handle} }

type directClass struct{ handle func(c *Call) error }

// errNoInstance is never seen: the engine makes no instances of a Direct class.
var errNoInstance = errors.New("engine: a class of DirectOf has no instances")

// New is part of [Class].
func (*directClass) New(_ *State, ready func(Object, error)) { ready(nil, errNoInstance) }

// ErrDirect refuses what would have to wait, in a call of an object of [DirectOf]: Storage.Sync, Transaction, bookmarks and restoring.
// [Storage.Begin] works: what it began must be committed in the call.
var ErrDirect = errors.New("engine: an object of a Direct class cannot wait")

// errOpenTransaction fails a call that leaves a transaction open.
var errOpenTransaction = errors.New("engine: the call has left a transaction open")

// Call is one call of an object of [DirectOf], or its alarm. It belongs to the loop, and is valid until the handler returns; then the
// same Call is used for another.
type Call struct {
	// Method is what the caller has called; "alarm" for an alarm. See Alarm for how to tell them apart.
	Method string
	// Args is what the caller has sent. It is valid while the handler runs: it may be a part of a connection's buffer.
	Args []byte
	// Result is what the caller gets. It is empty at first: append to it, which takes no memory as long as results are short, or set it to
	// bytes that stay as they are until the handler returns, such as a value of the Storage.
	Result []byte
	// Storage is the object's. What would have to wait is refused with ErrDirect.
	Storage *Storage

	d  *direct
	ev *Event // nil for a call that has none
}

// ID is the object's ID, with its name if that is known.
func (c *Call) ID() ID { return *c.d.ident() }

// Class is the name of the object's class.
func (c *Call) Class() string { return c.d.class.name }

// Alarm tells of the alarm that the call is, and whether it is one.
func (c *Call) Alarm() (info AlarmInfo, is bool) {
	if c.ev == nil || c.ev.Kind != EventAlarm {
		return AlarmInfo{}, false
	}
	return *c.ev.Alarm, true
}

// Time is the present by the loop's wall clock: the one that alarms go by.
func (c *Call) Time() time.Time {
	_, wall := c.d.a.own.loop.Clock()
	return time.UnixMilli(wall)
}

// direct is what a loop has of a Direct class: one actor for all objects, which stands for one of them during its turn. Its dependency is
// the record's then: an object without an instance cannot remember what it has not written. Owned by its loop.
type direct struct {
	class *class
	impl  *directClass
	a     actor
	call  Call
	names nameCache
	// waits is what waits for objects, by the hash of their IDs. An event that can run at once is not counted.
	waits map[uint64]directWait
	// lent is the name of the call that is under way, as long as the ID of the actor has not been asked for.
	lent    []byte
	unread  bool  // the actor's ID is not filled in
	refused error // why the log has not taken what the call that is under way wrote
}

type directWait struct{ events, bytes int }

// directOf returns what the loop has of a class, or nil if that is not a Direct one.
func (o *owner) directOf(k *class) *direct {
	impl := k.direct.Load()
	if impl == nil {
		return nil
	}
	d := o.directs[k]
	if d == nil {
		d = &direct{class: k, waits: make(map[uint64]directWait)}
		d.a.class, d.a.own, d.a.actor, d.a.direct = k, o, &d.a, d
		d.a.State = State{a: &d.a}
		d.a.object = d
		d.call.d, d.call.Storage = d, d.a.State.Storage()
		d.names.init()
		o.directs[k] = d
	}
	d.impl = impl
	return d
}

// setClass notes the code of a class.
func (k *class) setClass(c Class) {
	impl, _ := c.(*directClass)
	k.direct.Store(impl)
	k.class.Store(&c)
}

// bind makes the actor stand for an object.
func (d *direct) bind(r *record, slot uint32) {
	a := &d.a
	a.rec, a.slot, a.dep = r, slot, r.lsn
	d.unread = true
}

// ident is the ID of the object that the actor stands for.
func (d *direct) ident() *ID {
	a := &d.a
	if d.unread {
		d.unread = false
		a.id = ID{bytes: a.rec.id, key: d.class.key}
		if d.lent != nil {
			a.id.rename(string(d.lent), true)
		} else if a.rec.name.known() {
			a.id.rename(a.rec.name.String(), true)
		}
	}
	return &a.id
}

// runDirect runs the handler on what the call says.
func (d *direct) run() (err error) {
	a := &d.a
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // otherwise it is a Goexit, which nothing stops: the loop says so
			err = failure{value: v, stack: handlerStack()}.error(d.class.name, d.ident().String(), d.call.Method)
		}
	}()
	err = d.impl.handle(&d.call)
	returned = true
	if a.txn != nil && err == nil {
		err = errOpenTransaction
	}
	return err
}

// takeBack undoes what a call that has failed has written.
func (d *direct) takeBack() {
	a := &d.a
	for t := a.txn; t != nil; t = t.outer {
		t.done = true
	}
	a.txn = nil
	a.own.undoTurn(a)
}

// Deliver is part of [Object].
func (d *direct) Deliver(ev *Event) {
	switch {
	case ev.Kind == EventFetch:
		ev.Fail(ErrNoFetch)
		return
	case ev.Kind == EventWebSocket:
		ev.Fail(ErrDirect)
		return
	case len(ev.Caps) > 0:
		drop(ev.Caps)
		ev.Fail(errTakesNoCaps(ev.Method))
		return
	case ev.Target != nil:
		ev.Fail(errNoSuchMethod(ev.Method))
		return
	}
	c := &d.call
	c.Method, c.Args, c.Result, c.ev = ev.Name(), ev.Args, nil, ev
	err := d.run()
	result := c.Result
	c.Method, c.Args, c.Result, c.ev = "", nil, nil, nil
	switch {
	case err != nil:
		d.takeBack()
		ev.Fail(err)
	case ev.Kind == EventAlarm:
		ev.Succeed()
	default:
		ev.Return(bytes.Clone(result))
	}
}

// Evict is part of [Object].
func (*direct) Evict() {}

// reset is what a reset is without an instance: the call fails whose record the log does not take.
func (d *direct) reset(cause *Error) {
	d.takeBack()
	d.refused = cause
	for i := range d.a.own.staged {
		if e := &d.a.own.staged[i]; e.kind == effectReply && e.by == &d.a.origin {
			e.ev.reply = Reply{Err: cause}
		}
	}
}

func errTakesNoCaps(method string) error {
	return &Error{Name: "TypeError", Message: fmt.Sprintf("%s: an object that is written in Go takes no functions, stubs, streams and instances of RpcTarget.", method)}
}

func errNoSuchMethod(method string) error {
	return &Error{Name: "TypeError", Message: fmt.Sprintf("The RPC receiver does not implement the method %q.", method)}
}

// admit puts an event into the run queue, unless too much waits for its object.
func (d *direct) admit(ev *Event) {
	o := d.a.own
	ev.since = o.loop.Now()
	if o.running || o.ready.len() > 0 {
		h := ev.id.hash()
		w := d.waits[h]
		var why string
		switch opts := &o.eng.opts; {
		case w.events >= opts.MaxEvents:
			why = tooManyQueued
		case w.bytes > 0 && w.bytes+ev.size() > opts.MaxQueuedBytes:
			why = tooMuchQueued
		default:
			ev.place = counted
			d.waits[h] = directWait{w.events + 1, w.bytes + ev.size()}
			o.ready.push((*directTurn)(ev))
			return
		}
		ev.phase, ev.answered = phaseServe, true
		drop(ev.Caps)
		err := overloaded(why)
		err.Class, err.Object, err.Method = d.class.name, ev.id.String(), ev.Name()
		ev.reply = Reply{Err: err}
		o.routeReply(ev)
		return
	}
	o.ready.push((*directTurn)(ev))
}

// counted is the place of an event in flight that counts as one which waits.
const counted = -1

// directTurn is the turn of an event of a Direct object.
type directTurn Event

func (t *directTurn) turn() {
	ev := (*Event)(t)
	o := ev.target()
	if d := o.directs[ev.class]; ev.place == counted {
		ev.place = 0
		h := ev.id.hash()
		w := d.waits[h]
		if w.events == 1 {
			delete(d.waits, h)
		} else {
			d.waits[h] = directWait{w.events - 1, w.bytes - ev.size()}
		}
	}
	r, slot := o.table.find(ev.class.number, &ev.id)
	d := o.directOf(ev.class)
	if d == nil || r != nil && r.live != nil { // the code was replaced meanwhile
		o.accept(ev)
		return
	}
	if r == nil {
		r, slot = o.table.add(ev.class.number, &ev.id)
	}
	if len(o.pasts) > 0 {
		if err := o.restore(slot); err != nil {
			ev.actor = nil
			d.bind(r, slot)
			d.fail(ev, err)
			return
		}
	}
	d.bind(r, slot)
	a := &d.a
	if ev.id.named {
		a.id = ev.id
		a.id.rename(ev.id.name, true)
		d.unread = false
	}
	a.queuedBytes = ev.size()
	ev.step(a)
	o.endTurn()
	d.refused = nil
	o.vacate(r, slot)
}

// fail answers an event whose object cannot be what it has to be restored to.
func (d *direct) fail(ev *Event, err error) {
	drop(ev.Caps)
	ev.answered, ev.phase = true, phaseServe
	ev.reply = Reply{Err: asError(err, d.class.name, ev.id.String(), "constructor").asReset()}
	d.a.own.routeReply(ev)
}

// vacate lets the record of an object go that a call has left with nothing in it.
func (o *owner) vacate(r *record, slot uint32) {
	if r.store.Len() == 0 && r.alarm == 0 {
		o.letGo(slot)
	}
}

// CallByName calls a method of the object with that name, for a protocol ([Port.Namespace]): it is called on the port's loop, and r is told
// the end there, once everything that it reveals is durable, perhaps before CallByName returns. name and args need to be valid until it
// returns only. The event that it returns is for Gone; it is nil for a call that has run already.
//
// A call of an object of [DirectOf] that lives on the same loop runs at once and takes no memory; [Reply.Value] is borrowed then. All
// others are those of [Stub.StartCall], of copies of name and args, also on a namespace that is not a port's.
func (ns *Namespace) CallByName(name []byte, method string, args []byte, r Replier) *Event {
	if ns.port == nil {
		return ns.GetByName(string(name)).StartCall(method, bytes.Clone(args), r)
	}
	o := ns.port.own
	if d := ns.local(); d != nil && !o.running && o.ready.len() == 0 && d.callNow(name, method, args, r) {
		return nil
	}
	return ns.GetByName(string(name)).StartCall(method, bytes.Clone(args), r)
}

// local is what the port's loop has of the class, or nil if it is not a Direct one or the namespace is not a port's.
func (ns *Namespace) local() *direct {
	if ns.port == nil {
		return nil
	}
	switch impl := ns.class.direct.Load(); {
	case impl == nil:
		return nil
	case ns.direct == nil:
		ns.direct = ns.port.own.directOf(ns.class)
	default:
		ns.direct.impl = impl
	}
	return ns.direct
}

// callNow runs a call in a turn of its own, here and now, and reports whether it could. Called on the base stack.
func (d *direct) callNow(name []byte, method string, args []byte, r Replier) bool {
	a := &d.a
	o := a.own
	if o.eng.closing.Load() {
		return false
	}
	h := d.names.hash(name)
	slot := d.names.find(&o.table, d.class.number, h, name)
	known := slot != noSlot
	if !known {
		id := d.class.key.fromName(lentString(name))
		if o.eng.ownerOf(&id) != o {
			return false
		}
		var rec *record
		if rec, slot = o.table.find(d.class.number, &id); rec == nil {
			_, slot = o.table.add(d.class.number, &id)
		}
	}
	rec := o.table.at(slot)
	if rec.live != nil || len(o.pasts) > 0 && o.pasts[slot] != nil {
		return false
	}
	d.bind(rec, slot)
	d.lent = name
	if len(name) > maxNameBytes {
		d.lent = nil
	}
	o.running = true
	result, err := d.turn(method, args, o.room())
	o.running = false
	d.lent = nil
	dep := a.dep
	if !known && rec.name.known() {
		d.names.add(h, slot, o.table.n)
	}
	o.vacate(rec, slot)
	if err != nil {
		o.exit(&Event{replier: r, dep: dep, reply: Reply{Err: err}})
		return true
	}
	o.exitValue(dep, r, result)
	return true
}

// turn is a turn of the object that the actor stands for. The result is appended to room, or lies elsewhere.
func (d *direct) turn(method string, args, room []byte) (result []byte, err error) {
	o := d.a.own
	o.turns++
	o.counts.events++
	c := &d.call
	c.Method, c.Args, c.Result = method, args, room
	err = d.run()
	result = c.Result
	c.Args, c.Result = nil, nil
	if err != nil {
		d.takeBack()
		err = d.told(err, method)
	}
	o.endTurn()
	if d.refused != nil {
		err, d.refused = d.refused, nil
	}
	if err != nil {
		o.counts.failures++
	}
	return result, err
}

// told makes an error of a handler what its caller gets: see Event.Fail.
func (d *direct) told(err error, method string) error {
	class, object := d.class.name, d.ident().String()
	e := asError(err, class, object, method)
	if !e.Remote && e.Class == class && e.Object == object {
		told := *e
		told.Remote = true
		e = &told
	}
	return e
}

// lentString is b's own memory as a string, for as long as b does not change.
func lentString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// The results of calls wait for the gate in memory of their loop's: an arena that is used again from its beginning whenever nothing
// waits. One that is full is left to those who wait in it.
const (
	arenaBytes = 64 << 10
	arenaRoom  = 512 // what a call finds in it, at least
	// maxBorrowed is the longest result that lies in it. A longer one is memory of its own.
	maxBorrowed = arenaBytes / 2
)

// room is where a result is appended to.
func (o *owner) room() []byte {
	if cap(o.arena)-len(o.arena) < arenaRoom {
		o.arena = make([]byte, 0, arenaBytes)
	}
	return o.arena[len(o.arena):len(o.arena):cap(o.arena)]
}

// exitValue lets a result leave, now or when it may.
func (o *owner) exitValue(dep wal.LSN, r Replier, result []byte) {
	from := len(o.arena)
	if n := len(result); n > maxBorrowed {
		result = bytes.Clone(result)
	} else if n > 0 {
		if rest := o.arena[from:cap(o.arena)]; n <= len(rest) && unsafe.SliceData(result) == unsafe.SliceData(rest) {
			o.arena = o.arena[:from+n]
			result = result[:n:n]
		} else if n <= len(rest) {
			o.arena = append(o.arena, result...)
			result = o.arena[from : from+n : from+n]
		} else {
			result = bytes.Clone(result)
		}
	}
	before := o.arena
	if o.gate(gated{dep: dep, replier: r, value: result}) && len(o.arena) == len(before) && unsafe.SliceData(o.arena) == unsafe.SliceData(before) {
		o.arena = o.arena[:from]
	}
}

// directEntry is the function that a handler of a Direct class is called by, which is how insideTurn knows one.
var directEntry = reflect.ValueOf((*direct).run).Pointer()
