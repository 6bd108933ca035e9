package engine

import (
	"math"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"everloop/engine/internal/mechanism"
	"everloop/loop"
	"everloop/wal"
)

// never is the number of a record that will never be durable, because the log has failed.
const never = wal.LSN(math.MaxUint64)

// owner is one loop's part of the engine: the objects of its shards, the turns that run on it, and what waits
// at the output gate on it. Owned by its loop, but for the atomics.
type owner struct {
	eng   *Engine
	loop  loop.Loop
	index int
	table table
	gone  []uint32 // the numbers of classes that were deleted since the start, or in what was replayed

	alarms alarms
	// empties are records that had nothing in them when they were let go, but for a write that was not durable yet.
	empties  []uint32
	sweeping bool // a timer that looks at them is set

	// ready holds what has a turn to run: actors, and steps of entry points' events. running guards
	// against nesting: turns start from the loop's base stack only.
	ready   runQueue
	running bool
	posted  bool // a task that goes on with ready is in the mailbox
	turns   uint64

	// The running turn: who has written, what it wants to send, how to take its writes back.
	dirty   []*actor
	staged  []effect
	undo    undoLog
	scratch []byte

	// gated waits for records to become durable. hasGated tells the committer to post a release.
	gated    []gated
	hasGated atomic.Bool
	inCommit atomic.Bool
	demanded bool    // gated has something that the log has not been told of
	demand   wal.LSN // the highest record that anything in it has waited for
	// spareGated is the other of two buffers that release swaps.
	spareGated []gated

	// WebSockets: what the running turn sends, and what is on its way to each loop; what waits at the gate in its order; the sockets of
	// objects, by slot; the events that hold some.
	outbox       []socketItem
	groups       []*socketGroup
	grouped      []int
	frames       frameQueue
	flush        func(error) // flushFrames, made once
	flushing     bool
	sockets      map[uint32]*sockets
	socketEvents map[*origin]struct{}
	closeTimers  map[*socketEnd]loop.Timer // of transports that were told of a Close

	// outside is what produces the bodies that come from outside of the process: no object or event, so it has no gate and
	// knows nothing. outgoing are the requests under way of all origins.
	outside  origin
	outgoing map[*Subrequest]struct{}

	// names finds the objects of this loop, of all classes, that its entry points and objects call by name.
	names nameCache
	// named is the slot of the one that was called so last, or noSlot: most likely the next event is for it.
	named uint32

	// directs are the actors of Direct classes; arena is where results of their calls wait for the gate.
	directs map[*class]*direct
	arena   []byte

	// pipes are answers of calls of Pipes that have come one by one in the round.
	pipes map[*Pipe]*pipeBatch
	// warming is where the objects of the next calls probably are.
	warming warming

	// counts are added to the engine's metrics at the end of a round.
	counts struct{ events, gated, failures int64 }

	// pasts are what objects are to be restored to, by slot; travels are those of their calls that read the history just now.
	pasts   map[uint32]*pasts
	travels map[*travel]struct{}

	coros  coroutines
	events int // unanswered events of entry points on this loop
	// busyActors is the number of live objects that have something to do.
	busyActors int
	idleMS     int64 // idle time before eviction
	queueMS    int64 // how long an event waits for its object
}

// runnable is what the run queue holds.
type runnable interface{ turn() }

// entryStep is a turn of an entry point's event.
type entryStep struct{ fn func() }

func (s entryStep) turn() { s.fn() }

// turn starts an entry point's event, or takes the answer of a call that it made.
func (ev *Event) turn() {
	if ev.phase == phaseReply {
		from := ev.from
		ev.phase = phaseDone
		from.learn(ev.dep)
		if ev.stub != nil {
			ev.stub.note(ev.reply.Err)
		}
		defer from.unpin()
		r := ev.reply
		ev.reply = Reply{}
		ev.replier.Reply(r)
		return
	}
	ev.phase = phaseServe
	if ev.live != nil {
		ev.serveLive()
		return
	}
	ev.entry.Serve(ev)
}

// effect is something that a turn wants to send: it is sent when the turn has ended and its writes have their
// number.
type effect struct {
	kind effectKind
	by   *origin
	ev   *Event
	hold func(error)

	stream *Stream
	chunk  *chunk

	from, to int32 // in the outbox
	auto     *autoResponse
}

type effectKind uint8

const (
	effectCall   effectKind = iota // ev asks an object
	effectReply                    // ev goes back to whoever asked
	effectHold                     // hold is called once everything that by knows is durable
	effectChunk                    // chunk goes to the reader of stream
	effectSocket                   // part of the outbox goes to WebSockets
	effectAuto                     // auto learns what by knows
)

// stage adds an effect to the running turn. Between turns (a protocol that starts a call) there is nothing to
// wait for, and it is sent at once.
func (o *owner) stage(e effect) {
	o.staged = append(o.staged, e)
	switch {
	case !o.running:
		// Whatever is told on the way may start turns: they wait until all of this is sent.
		o.running = true
		o.endTurn()
		o.running = false
		o.drain()
	case mechanism.Off.TurnQueue:
		o.running = false
		o.endTurn()
		o.drain()
		o.running = true
	}
}

// together runs fn, which is no turn but causes effects as one does: they are sent together when it has ended.
func (o *owner) together(fn func()) {
	if o.running {
		fn()
		return
	}
	o.running = true
	fn()
	o.endTurn()
	o.running = false
	o.drain()
}

// drain runs turns until none is ready, or until a slice is used up: then the rest goes on in the loop's next
// round, so that connections get their turn. It does nothing inside a turn.
func (o *owner) drain() {
	if o.running {
		return
	}
	o.running = true
	slice := turnSlice
	if n := mechanism.Bound.TurnSlice; n > 0 {
		slice = n
	}
	for n := 0; o.ready.len() > 0; n++ {
		if n == slice {
			if !o.posted {
				o.posted = o.loop.Post((*goOn)(o))
			}
			break
		}
		o.runTurn(o.ready.pop())
		o.endTurn()
	}
	o.running = false
}

// turnSlice bounds the turns of one drain. At 1 to 10 us a turn, other connections wait a few milliseconds at
// most.
const turnSlice = 512

// goOn is the task that continues a drain.
type goOn owner

func (g *goOn) Run() {
	o := (*owner)(g)
	o.posted = false
	o.drain()
}

// runTurn runs one turn. A panic here is a fault of the engine or of a host of objects, not of a handler:
// those are recovered where they run. It is logged, and costs the turn only.
func (o *owner) runTurn(r runnable) {
	defer func() {
		if v := recover(); v != nil {
			o.eng.logger.Error("panic in a turn", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	o.turns++
	r.turn()
}

// endTurn hands over what the turn wrote, and then sends what it sends. In this order: an effect is never in
// an earlier batch than its cause.
func (o *owner) endTurn() {
	for i, a := range o.dirty {
		if !a.dead {
			a.handOver()
		}
		o.dirty[i] = nil
	}
	o.dirty = o.dirty[:0]
	o.undo.clear()
	// What is sent here may stage more (an answer that fails at once): it is appended and sent, too.
	for i := 0; i < len(o.staged); i++ {
		e := o.staged[i]
		o.staged[i] = effect{}
		if e.kind != effectReply && !e.by.live() {
			if e.kind == effectCall {
				drop(e.ev.Caps)
			}
			// The object was reset later in the same turn. What the turn wrote is taken back, and what
			// it sent could reveal it. (A reply here is the reset itself, being told.)
			continue
		}
		switch e.kind {
		case effectCall:
			e.ev.dep = e.by.dep
			o.route(e.ev)
		case effectReply:
			e.ev.dep = max(e.ev.dep, e.by.dep)
			o.routeReply(e.ev)
		case effectHold:
			o.hold(e.by.dep, e.hold)
		case effectChunk:
			e.chunk.dep = e.by.dep
			e.stream.send(e.chunk)
		case effectSocket:
			o.sendSockets(e.from, e.to, e.by.dep)
		case effectAuto:
			e.auto.dep, e.auto.pending = e.by.dep, false
		}
	}
	o.staged = o.staged[:0]
	if cap(o.outbox) > maxGroupKept {
		o.outbox = nil
	}
	o.outbox = o.outbox[:0]
}

// target is the loop of what the event asks.
func (ev *Event) target() *owner {
	switch {
	case ev.live != nil:
		return ev.live.origin.own
	case ev.entry != nil:
		return ev.home // entry points have no state: each serves its caller's loop
	}
	return ev.class.eng.ownerOf(&ev.id)
}

// route brings an event to the loop of the object that it asks.
func (o *owner) route(ev *Event) {
	target := ev.target()
	if target == o {
		o.accept(ev)
		return
	}
	if !target.loop.Post(ev) {
		drop(ev.Caps)
		ev.reply = Reply{Err: ErrClosed}
		o.routeReply(ev)
	}
}

// accept takes an event in for its object, which is woken if it is not live. The caller drains.
func (o *owner) accept(ev *Event) {
	switch {
	case ev.live != nil:
		o.acceptLive(ev)
		return
	case ev.entry != nil:
		o.enter(ev)
		return
	case ev.Socket != nil && ev.Socket.member().set.dropped:
		return // the socket has ended while the event waited for another instance
	}
	d := o.directOf(ev.class)
	if d != nil {
		if r, _ := o.table.find(ev.class.number, &ev.id); r == nil || r.live == nil {
			d.admit(ev)
			return
		}
	} else if len(o.directs) > 0 {
		d = o.directs[ev.class]
	}
	if d != nil && len(d.waits) > 0 && d.waits[ev.id.hash()].events > 0 {
		// The code was replaced: what waits for a turn in the run queue came before this event, and must not come after it.
		d.admit(ev)
		return
	}
	o.pass(ev)
}

// pass gives an event to the instance of its object, which is woken if there is none.
func (o *owner) pass(ev *Event) {
	a := o.wake(ev.class, &ev.id)
	switch {
	case ev.Socket == nil && o.crowded(a, ev): // sockets are held up by other means
	case a.retiring != nil:
		a.retiring.admit(a, ev)
	default:
		a.admit(nil, ev)
	}
}

// regain takes in events of one object that have waited for an instance which is no more. They came before whatever else waits for the object by now,
// and go before it. The caller drains.
func (o *owner) regain(waiting []*Event) {
	waiting = slices.DeleteFunc(waiting, func(ev *Event) bool { return ev.Socket != nil && ev.Socket.member().set.dropped })
	if len(waiting) == 0 {
		return
	}
	d := o.directOf(waiting[0].class)
	if d == nil {
		for _, ev := range waiting {
			o.pass(ev)
		}
		return
	}
	for _, ev := range slices.Backward(waiting) {
		ev.since = o.loop.Now()
		d.count(ev)
		o.ready.pushFront((*directTurn)(ev))
	}
}

// enter starts an event of an entry point on this loop. The caller drains.
func (o *owner) enter(ev *Event) {
	ev.self = origin{own: o, event: ev, dep: ev.dep}
	ev.pins = 1
	o.events++
	o.counts.events++
	o.ready.push(ev)
}

// routeReply brings an answered event back to the loop of whoever asked.
func (o *owner) routeReply(ev *Event) {
	if ev.Kind == EventAlarm {
		o.alarmEnded(ev)
		return
	}
	ev.phase = phaseReply
	if ev.oneWay {
		ev.reply.drop()
		return
	}
	home := ev.home
	if home == o {
		o.acceptReply(ev)
		return
	}
	if home.loop.Post(ev) {
		return
	}
	ev.reply.drop()
	if ev.from == nil {
		// The loops have stopped: nobody else will tell the caller.
		ev.phase = phaseDone
		ev.replier.Reply(Reply{Err: errUnsaid})
	}
}

// acceptReply takes an answer in: for an object or an entry point's event it is a turn; for a caller outside it
// leaves, once what it reveals is durable. The caller drains.
func (o *owner) acceptReply(ev *Event) {
	switch from := ev.from; {
	case from == nil:
		o.exit(ev)
	case from.actor != nil:
		if from.actor.dead {
			ev.reply.drop()
			return
		}
		from.actor.enqueue(ev.section, ev)
	default:
		o.ready.push(ev)
	}
}

// wake returns the live actor of an object, and makes one if there is none.
func (o *owner) wake(c *class, id *ID) *actor {
	rec, slot := o.find(c, id)
	if rec == nil {
		rec, slot = o.table.add(c.number, id)
	}
	if rec.live != nil {
		if !rec.live.id.named {
			rec.live.id.rename(id.name, id.named)
		}
		return rec.live
	}
	a := &actor{class: c, id: *id, rec: rec, slot: slot}
	a.id.rename(id.name, id.named)
	if !a.id.named && rec.name.known() {
		a.id.rename(rec.name.String(), true)
	}
	a.origin = origin{own: o, actor: a, dep: rec.lsn}
	a.State = State{a: a}
	rec.live = a
	o.woken(a)
	o.eng.metrics.live.Add(1)
	a.construct()
	return a
}

// forget drops a live actor. Its record stays if anything of it is durable.
func (o *owner) forget(a *actor) {
	if a.rec.live != a {
		return
	}
	a.rec.live = nil
	o.loop.Cancel(a.idle)
	o.eng.metrics.live.Add(-1)
	o.letGo(a.slot)
}

// letGo removes a record that nothing is in any more. An object whose last write is not durable yet keeps it for as long, for
// its dependency.
func (o *owner) letGo(slot uint32) {
	if o.dispensable(slot) {
		o.table.remove(slot)
		return
	}
	if r := o.table.at(slot); r.used && r.live == nil && !o.holdsAnything(slot) {
		o.empties = append(o.empties, slot)
		if !o.sweeping {
			o.sweeping = true
			o.loop.At(o.loop.Now()+sweepMS, (*sweep)(o))
		}
	}
}

// holdsAnything reports whether a record has anything in it: keys, an alarm or one that was given up, or beside it WebSockets or what it is to be
// restored to; or whether somebody waits for the end of its alarm's run.
func (o *owner) holdsAnything(slot uint32) bool {
	r := o.table.at(slot)
	return r.store.Len() > 0 || r.alarm != 0 || o.alarms.failed[slot] != nil || o.sockets[slot] != nil || o.pasts[slot] != nil || o.alarms.waiting[slot] != nil
}

// dispensable reports whether nothing would be lost with a record.
func (o *owner) dispensable(slot uint32) bool {
	r := o.table.at(slot)
	return r.used && r.live == nil && !o.holdsAnything(slot) && r.lsn <= o.eng.log.Durable()
}

const (
	sweepMS    = 100
	sweepSlice = 4096
)

// sweep is the task that removes records that have become dispensable.
type sweep owner

func (t *sweep) Run() {
	o := (*owner)(t)
	// Whatever slots hold by now: what is dispensable may go.
	n := min(len(o.empties), sweepSlice)
	kept := o.empties[:0]
	for _, slot := range o.empties[:n] {
		switch {
		case o.dispensable(slot):
			o.table.remove(slot)
		case o.table.at(slot).used && o.table.at(slot).live == nil && !o.holdsAnything(slot) && o.eng.log.Err() == nil:
			kept = append(kept, slot)
		}
	}
	o.empties = append(kept, o.empties[n:]...)
	if o.sweeping = len(o.empties) > 0; o.sweeping {
		o.loop.At(o.loop.Now()+sweepMS, t)
		return
	}
	if cap(o.empties) > sweepSlice {
		o.empties = nil
	}
}

// runQueue is a ring of what has a turn to run.
type runQueue struct {
	items []runnable
	head  int
	n     int
}

func (q *runQueue) len() int { return q.n }

func (q *runQueue) push(r runnable) {
	if q.n == len(q.items) {
		q.grow()
	}
	q.items[(q.head+q.n)&(len(q.items)-1)] = r
	q.n++
}

func (q *runQueue) pushFront(r runnable) {
	if q.n == len(q.items) {
		q.grow()
	}
	q.head = (q.head - 1) & (len(q.items) - 1)
	q.items[q.head] = r
	q.n++
}

func (q *runQueue) grow() {
	grown := make([]runnable, max(64, 2*len(q.items)))
	for i := range q.n {
		grown[i] = q.items[(q.head+i)%len(q.items)]
	}
	q.items, q.head = grown, 0
}

func (q *runQueue) pop() runnable {
	r := q.items[q.head]
	q.items[q.head] = nil
	q.head = (q.head + 1) & (len(q.items) - 1)
	q.n--
	return r
}
