package engine

import (
	"errors"
	"time"

	"everloop/engine/internal/mechanism"
	"everloop/engine/redo"
	"everloop/loop"
	"everloop/wal"
)

// origin is whoever acts inside the process: an object, or an event of an entry point. Its dependency is the
// highest record among its own confirmed writes and everything that it has received; it only grows, and it
// travels with all that the origin sends. Owned by its loop.
type origin struct {
	own   *owner
	dep   wal.LSN
	actor *actor // nil: an event of an entry point
	event *Event // the event, where actor is nil; both are nil for a loop itself: see owner.outside

	bodies  *bodies                 // nil for an event, and until there is one
	out     *subrequests            // nil until it makes one
	sockets map[*socketEnd]*section // that it holds classically, and where their messages belong; nil until there is one
}

// learn adds a dependency: o has received something that could reveal record dep.
func (o *origin) learn(dep wal.LSN) {
	if mechanism.Off.Dependency {
		return
	}
	o.raise(dep)
}

// raise makes dep the dependency, if it is higher.
func (o *origin) raise(dep wal.LSN) {
	if dep > o.dep {
		o.dep = dep
	}
}

// section is where an answer to what o does now belongs.
func (o *origin) section() *section {
	if o.actor != nil {
		return o.actor.current
	}
	return nil
}

// inject runs fn as a turn of o, in section sec, as soon as its input gate lets it in.
func (o *origin) inject(sec *section, fn func()) {
	if a := o.actor; a != nil {
		a.enqueue(sec, stepFunc(func(*actor) { fn() }))
		return
	}
	o.own.ready.push(entryStep{fn})
}

// live reports whether turns of o make sense: its object has not been reset.
func (o *origin) live() bool { return o.actor == nil || !o.actor.dead }

// offLoop runs work on a goroutine of its own once everything that o knows is durable, and then done in a
// turn of o.
func (o *origin) offLoop(work func(), done func(error)) {
	sec := o.section()
	o.pin()
	finish := func(err error) {
		o.inject(sec, func() {
			defer o.unpin() // not before: an event of an entry point must not end twice
			done(err)
		})
	}
	o.own.stage(effect{kind: effectHold, by: o, hold: func(err error) {
		if err != nil {
			finish(err)
			o.own.drain()
			return
		}
		o.own.eng.work.Add(1)
		go func() {
			defer o.own.eng.work.Done()
			defer o.own.loop.Post(loop.Func(func() {
				finish(nil)
				o.own.drain()
			}))
			work()
		}()
	}})
}

// after runs fn in a turn of o when d has passed. It counts from the call, however long the turn has run by then.
func (o *origin) after(d time.Duration, fn func()) (cancel func()) {
	sec := o.section()
	o.pin()
	pending := true
	tm := o.own.loop.At(o.own.loop.Due(d), loop.Func(func() {
		if !pending {
			return
		}
		o.inject(sec, func() {
			if pending {
				pending = false
				defer o.unpin()
				fn()
			}
		})
		o.own.drain()
	}))
	return func() {
		if pending {
			pending = false
			o.own.loop.Cancel(tm)
			o.unpin()
		}
	}
}

// every runs fn in a turn of o when d has passed, and again after each d from then on, until it is cancelled.
func (o *origin) every(d time.Duration, fn func()) (cancel func()) {
	sec := o.section()
	o.pin()
	pending := true
	ms := int64(max(d, time.Millisecond)+time.Millisecond-1) / int64(time.Millisecond)
	var tm loop.Timer
	var tick loop.Func
	tick = func() {
		o.inject(sec, func() {
			if !pending {
				return
			}
			// Whole milliseconds from the one that this tick is in: rounded up each time, as the first deadline is, a
			// tick a millisecond would become one every other.
			now, _ := o.own.loop.Clock()
			tm = o.own.loop.At(now+ms, tick)
			fn()
		})
		o.own.drain()
	}
	tm = o.own.loop.At(o.own.loop.Due(time.Duration(ms)*time.Millisecond), tick)
	return func() {
		if pending {
			pending = false
			o.own.loop.Cancel(tm)
			o.unpin()
		}
	}
}

func (o *origin) pin() {
	switch {
	case o.actor != nil:
		o.actor.pin()
	case o.event != nil:
		o.event.Pin()
	}
}

func (o *origin) unpin() {
	switch {
	case o.actor != nil:
		o.actor.unpin()
	case o.event != nil:
		o.event.unpin()
	}
}

// actor is a live object: an instance, or one that is under construction, and its queue. What is durable is
// in its record. Owned by its loop.
type actor struct {
	origin
	State State
	class *class
	id    ID
	rec   *record // its place in the owner's table

	object   Object      // nil while under construction
	retiring *retirement // its class has other code now; nil as long as it has not

	// The input gate. Work of no section is in queue; top is the innermost open section and current the
	// one that the running turn belongs to.
	queue stepQueue
	// queuedBytes is the size of the events in it and in the queues of sections.
	queuedBytes int
	top         *section
	current     *section

	inflight []*Event // delivered and not answered; an event knows its place
	idle     loop.Timer
	idleAt   int64 // when it became idle, on the loop's clock

	// What the running turn wrote, as redo operations, to be handed over when the turn ends.
	ops []byte
	txn *Transaction // the innermost open transaction

	alarm *Event // whose handler runs

	direct *direct // of a Direct class, whose objects share this actor; nil for a live object

	slot uint32
	// pins is the number of reasons not to evict: unanswered events, timers, off-loop work, waitUntil.
	pins  int32
	holds int32 // reasons not to evict that are no work: what others have of the instance

	// Small fields are together, as there are as many actors as live objects.
	dead      bool // reset or evicted: turns that are still under way are refused everything
	scheduled bool // it is in the owner's run queue
	idleArmed bool
	dirty     bool // the running turn wrote
	confirmed bool // some of it has to be durable before anything leaves
	onlyAlarm bool // it was woken for an alarm, and has had no other event
	dropAlarm bool // it was aborted, and its running alarm is not to be tried again
}

// schedule puts the actor into the run queue if it has work that may run.
func (a *actor) schedule() {
	if !a.scheduled && a.runnable().len() > 0 {
		a.scheduled = true
		a.own.ready.push(a)
	}
}

// turn runs one step. Called from the owner's run loop, on the base stack.
func (a *actor) turn() {
	a.scheduled = false
	q := a.runnable()
	if a.dead || q.len() == 0 {
		return
	}
	a.current = a.top
	defer a.turned() // also when a function that the object is called back by panics
	q.pop().step(a)
}

// turned ends a turn.
func (a *actor) turned() {
	a.current = nil
	a.rest()
	a.settle()
	a.checkRetired()
}

// restful reports whether nothing keeps the instance: it may be evicted.
func (a *actor) restful() bool {
	return !a.dead && a.object != nil && a.pins == 0 && a.holds == 0 && !a.scheduled && a.queue.len() == 0 && a.top == nil
}

// rest begins the time after which an object is evicted, if nothing keeps it.
func (a *actor) rest() {
	if a.pins == 0 && a.holds == 0 && a.object != nil {
		a.idleAt = a.own.loop.Now()
		a.own.armIdle(a)
	}
}

// step delivers the event to an actor: as a new event, or as the answer to one that the actor sent.
func (ev *Event) step(a *actor) {
	if ev.phase == phaseReply {
		ev.phase = phaseDone
		a.learn(ev.dep)
		if ev.stub != nil {
			ev.stub.note(ev.reply.Err)
		}
		a.unpin()
		r := ev.reply
		ev.reply = Reply{}
		ev.replier.Reply(r)
		return
	}
	a.queuedBytes -= ev.size()
	if ev.Socket != nil && ev.Socket.member().set.dropped {
		return // the code was replaced before the instance began: it never had the socket
	}
	ev.phase = phaseServe
	ev.actor = a
	a.learn(ev.dep)
	if ev.Kind == EventAlarm {
		a.deliverAlarm(ev)
		return
	}
	a.onlyAlarm = false
	a.takeUp(ev)
	if a.own.late(ev.since) && !ev.oneWay {
		drop(ev.Caps)
		ev.answer(Reply{Err: a.overloaded(ev, queuedTooLong)})
		return
	}
	a.own.counts.events++
	if a.out != nil {
		a.out.made = 0
	}
	if ev.live != nil {
		ev.live.deliver(ev)
		return
	}
	if ev.Socket != nil {
		ev.Socket.member().started(ev)
	}
	a.object.Deliver(ev)
}

// takeUp notes that an event is being answered.
func (a *actor) takeUp(ev *Event) {
	a.pin()
	ev.place = int32(len(a.inflight))
	a.inflight = append(a.inflight, ev)
}

func (a *actor) eventDone(ev *Event) {
	if last := int32(len(a.inflight)) - 1; ev.place <= last && a.inflight[ev.place] == ev {
		a.inflight[ev.place] = a.inflight[last]
		a.inflight[ev.place].place = ev.place
		a.inflight[last] = nil
		a.inflight = a.inflight[:last]
	}
	a.unpin()
	a.checkRetired()
}

// pin keeps the instance until unpin: it has something to do. A dead one keeps no count: nothing is done any more.
func (a *actor) pin() {
	if a.dead {
		return
	}
	if a.pins++; a.pins == 1 {
		a.own.busyActors++
	}
}

func (a *actor) unpin() {
	if a.dead {
		return
	}
	if a.pins--; a.pins == 0 {
		a.own.busyActors--
	}
}

// construct starts the constructor, in a section that everything else waits behind. What the object is to be restored to takes its place before.
func (a *actor) construct() {
	a.enqueue(nil, stepFunc(func(a *actor) {
		c := *a.class.class.Load()
		if _, is := c.(*directClass); is {
			a.yield()
			return
		}
		if err := a.own.restore(a.slot); err != nil {
			a.reset(asError(err, a.class.name, a.id.String(), "constructor"))
			return
		}
		err := a.open(func(sec *section) {
			called := false
			unwatch := func() {}
			c.New(&a.State, func(o Object, err error) {
				if called || a.dead {
					return
				}
				called = true
				unwatch()
				if err != nil {
					a.reset(asError(err, a.class.name, a.id.String(), "constructor"))
					return
				}
				a.object = o
				a.close(sec)
			})
			if !called && !a.dead { // it waits, perhaps for itself
				unwatch = a.State.watchSection("constructor")
			}
		})
		if err != nil {
			panic(err) // the outermost section is always allowed
		}
	}))
}

// yield ends an actor whose constructor has not begun, since its class has become a Direct one meanwhile, and passes on what waits for it.
func (a *actor) yield() {
	a.dead = true
	set := a.own.hibernate(a)
	a.own.forget(a)
	set.endClosing()
	var waiting []*Event
	for a.queue.len() > 0 {
		waiting = append(waiting, a.queue.pop().(*Event)) // nothing of it has run that could have left anything else
	}
	a.own.regain(waiting)
}

// wrote marks the actor as one that the running turn has to hand over.
func (a *actor) wrote(confirmed bool) {
	if !a.dirty {
		a.dirty = true
		a.own.dirty = append(a.own.dirty, a)
	}
	if confirmed {
		a.confirmed = true
	}
}

// handOver gives the turn's writes to the log, as one record.
func (a *actor) handOver() {
	a.dirty = false
	if len(a.ops) == 0 {
		return
	}
	o := a.own
	named := false
	if !a.rec.name.known() {
		if a.direct != nil {
			a.direct.ident()
		}
		named = a.id.named
	}
	if named {
		a.rec.name = newName(a.id.name)
		o.scratch = redo.AppendNamedObject(o.scratch[:0], a.class.number, &a.rec.id, a.id.name)
	} else {
		o.scratch = redo.AppendObject(o.scratch[:0], a.class.number, &a.rec.id)
	}
	head := len(o.scratch)
	if mechanism.Off.OneRecord && len(a.ops) > 0 {
		a.appendSplit(head)
	}
	o.scratch = append(o.scratch, a.ops...)
	a.ops = a.ops[:0]
	if cap(a.ops) > 64<<10 {
		a.ops = nil // one large turn must not keep its memory for the life of the object
	}
	lsn, err := o.eng.log.Append(o.index, o.scratch)
	if cap(o.scratch) > 1<<20 {
		o.scratch = nil
	}
	if err != nil && o.eng.log.Err() == nil {
		// The log is well, but does not take the record: it is too large, or too much waits for the disk
		// since the turn has begun.
		if named {
			a.rec.name = name{}
		}
		a.refuseTurn(err)
		return
	}
	if err != nil {
		// The log has failed: what this turn wrote will never be durable, so nothing that could
		// reveal it may ever leave.
		// It is the record's number, too: the next instance starts with what this one wrote.
		lsn = never
		a.confirmed = true
	}
	a.rec.lsn = lsn
	if a.confirmed {
		a.raise(lsn)
		a.confirmed = false
	}
}

// refuseTurn takes back a turn whose record the log does not take, and resets the object: its instance may believe
// that it has written.
func (a *actor) refuseTurn(err error) {
	switch {
	case errors.Is(err, wal.ErrTooLarge):
		err = ErrTurnTooLarge
	case errors.Is(err, wal.ErrBacklog):
		err = ErrBacklog
	}
	if a.direct != nil {
		a.direct.ident()
	}
	e := asError(err, a.class.name, a.id.String(), "storage").asReset()
	a.own.eng.logger.Error("a turn wrote what the log does not take; the object is reset", "class", e.Class, "object", e.Object, "err", err)
	a.reset(e)
}

// appendSplit is what one record a turn is there to prevent: a record, and a commit, for each put but the last.
func (a *actor) appendSplit(head int) {
	o := a.own
	rec, err := redo.Parse(append(o.scratch[:head:head], a.ops...))
	if err != nil {
		return
	}
	rest := a.ops
	for ops := rec.Ops(); ops.Next() && ops.Op == redo.OpPut; {
		n := redo.PutSize(string(ops.Key), ops.Value)
		if n == len(rest) {
			break
		}
		lsn, err := o.eng.log.Append(o.index, append(o.scratch[:head:head], rest[:n]...))
		if err != nil {
			break
		}
		o.eng.log.Demand(lsn)
		o.eng.log.EndRound(o.index)
		rest = rest[n:]
	}
	a.ops = rest
}

// reset drops the instance and fails everything that waited on it. What the running turn has written so far
// is taken back; what earlier turns wrote stays.
func (a *actor) reset(cause *Error) {
	if a.dead {
		return
	}
	if a.direct != nil {
		a.direct.reset(cause)
		return
	}
	a.own.undoTurn(a)
	for i := range a.own.staged {
		// An answer of the same turn could reveal what is taken back.
		if e := &a.own.staged[i]; e.kind == effectReply && e.by == &a.origin {
			e.ev.reply.drop()
			e.ev.reply = Reply{Err: cause}
		}
	}
	if a.pins > 0 {
		a.own.busyActors--
	}
	a.dead = true
	a.own.eng.metrics.resets.Add(1)
	a.own.dropTravels(a)
	set := a.own.takeSockets(a.slot)
	a.own.forget(a)
	a.dropStreams()
	a.dropSubrequests(cause)
	a.dropSockets(a.dep)
	set.drop(cause, a.dep)
	if a.object != nil {
		a.object.Evict()
	}
	for len(a.inflight) > 0 {
		a.inflight[len(a.inflight)-1].answer(Reply{Err: cause})
	}
	a.failQueue(&a.queue, cause)
	for sec := a.top; sec != nil; sec = sec.parent {
		a.failQueue(&sec.queue, cause)
	}
	a.own.abandon(a, cause)
	a.own.succeed(a.retiring)
}

func (a *actor) failQueue(q *stepQueue, cause *Error) {
	for q.len() > 0 {
		switch s := q.pop().(type) {
		case *Event:
			if s.phase == phaseReply {
				s.reply.drop()
			}
			if s.phase == phaseCall {
				drop(s.Caps)
				s.actor = a
				a.pin()
				s.phase = phaseServe
				s.answer(Reply{Err: cause})
			}
		default:
			// Work of the instance itself: it has gone with it.
		}
	}
}
