package engine

import (
	"cmp"
	"runtime/debug"
	"sync"

	"everloop/engine/internal/mechanism"
	"everloop/loop"
	"everloop/wal"
)

// How messages of WebSockets travel. What a turn sends is an effect of it, as everything is, and leaves the turn together: grouped by loop, one
// task for each. On its way from one holder to the other a message passes the home of the pair; most pairs live where one of the holders does, so that is
// one hop or none. On a transport's loop a group passes the output gate as a whole, behind the groups that came before.

// socketItem is a message or an end on its way.
type socketItem struct {
	to     *socketEnd
	m      *Message
	ending *socketEnding // nil for a message
	dep    wal.LSN
}

// socketEnding is how a socket ends: with a Close, without one, or with an error.
type socketEnding struct {
	code   int
	reason string
	clean  bool
	err    error
}

// lost is the end of a connection that has gone without a Close.
var lost = &socketEnding{code: CloseAbnormal, reason: lostReason}

// weight is what a message counts for on its way.
func (m *Message) weight() int64 { return int64(len(m.Data)) + 64 }

// emit sends an item when the running turn has ended. Items that follow each other share an effect.
func (o *owner) emit(by *origin, it socketItem) {
	n := int32(len(o.outbox))
	o.outbox = append(o.outbox, it)
	if last := len(o.staged) - 1; last >= 0 {
		if e := &o.staged[last]; e.kind == effectSocket && e.by == by && e.to == n {
			e.to++
			return
		}
	}
	o.stage(effect{kind: effectSocket, by: by, from: n, to: n + 1})
}

// sendSockets sends what a turn has emitted.
func (o *owner) sendSockets(from, to int32, dep wal.LSN) {
	for i := from; i < to && int(i) < len(o.outbox); i++ {
		it := o.outbox[i]
		o.outbox[i] = socketItem{}
		it.dep = max(it.dep, dep)
		if home := it.to.pair.home; home != o {
			o.group(home, &it)
			continue
		}
		o.routeSocket(&it)
	}
	o.dispatch()
}

// routeSocket sends an item on to whoever holds the end. On the home loop.
func (o *owner) routeSocket(it *socketItem) {
	switch e := it.to; e.at {
	case nil:
		if e.hold.Load() == holdNever {
			return
		}
		if e.waiting == nil {
			e.waiting = new([]socketItem)
		}
		*e.waiting = append(*e.waiting, *it)
	case o:
		o.takeSocket(it)
	default:
		o.group(e.at, it)
	}
}

// settleSocket notes which loop the holder of e is on, and sends on what has waited for one. On the home loop.
func (o *owner) settleSocket(e *socketEnd, at *owner) {
	e.at = at
	if e.waiting == nil {
		return
	}
	items := *e.waiting
	e.waiting = nil
	for i := range items {
		o.routeSocket(&items[i])
	}
	o.dispatch()
}

// takeSocket brings an item to the holder of its end, on its loop.
func (o *owner) takeSocket(it *socketItem) {
	e := it.to
	switch e.hold.Load() {
	case holdPort:
		o.group(o, it)
	case holdHibernating:
		e.member.Load().receive(it)
	case holdClassic:
		e.receive(*it)
	}
}

// receive takes an item in a turn of the instance or event that holds the end.
func (e *socketEnd) receive(it socketItem) {
	if e.ended || !e.by.live() {
		return
	}
	e.by.inject(e.by.sockets[e], func() {
		if it.m != nil {
			e.taken(it.m.weight())
		}
		if e.ended {
			return
		}
		e.by.learn(it.dep)
		switch end := it.ending; {
		case end == nil:
			e.sink.Message(it.m)
		case end.clean:
			e.answerClose(e.by, end.code, end.reason)
			defer func() { // the handler may have answered, and the instance stays until it has returned
				if e.sentClose {
					e.finish()
				}
			}()
			end.tell(e.sink)
		default: // also behind a Close that the holder has not answered: then it is the end of the connection
			e.ended = true
			defer e.release()
			end.tell(e.sink)
		}
	})
}

// tell tells the end of a socket.
func (s *socketEnding) tell(sink SocketSink) {
	if s.err != nil {
		sink.Failed(s.err)
		return
	}
	sink.Closed(s.code, s.reason, s.clean)
}

// socketGroup is what one turn, or one task, sends to the ends that live on, or have their home on, one loop.
type socketGroup struct {
	to    *owner
	dep   wal.LSN // the highest of the items
	items []socketItem
}

var socketGroups = sync.Pool{New: func() any { return new(socketGroup) }}

// maxGroupKept bounds the items that a group which is used again has room for.
const maxGroupKept = 16384

func (g *socketGroup) free() {
	if cap(g.items) > maxGroupKept {
		return
	}
	clear(g.items)
	*g = socketGroup{items: g.items[:0]}
	socketGroups.Put(g)
}

// group adds an item to what goes to a loop with the next dispatch.
func (o *owner) group(to *owner, it *socketItem) {
	g := o.groups[to.index]
	if g == nil {
		g = socketGroups.Get().(*socketGroup)
		g.to = to
		o.groups[to.index] = g
		o.grouped = append(o.grouped, to.index)
	}
	g.dep = max(g.dep, it.dep)
	g.items = append(g.items, *it)
}

// dispatch sends the groups. What goes to transports of this loop goes to its gate.
func (o *owner) dispatch() {
	for len(o.grouped) > 0 { // a transport may cause another dispatch
		last := len(o.grouped) - 1
		i := o.grouped[last]
		o.grouped = o.grouped[:last]
		g := o.groups[i]
		o.groups[i] = nil
		if i == o.index {
			o.frames.push(g)
			o.hold(g.dep, o.flush)
		} else if !g.to.loop.Post(g) {
			g.free() // the loops have stopped
		}
	}
}

// Run takes a group in, as a task of the loop that it was sent to.
func (g *socketGroup) Run() {
	o := g.to
	o.together(func() {
		for i := range g.items {
			it := &g.items[i]
			if it.to.pair.home == o {
				o.routeSocket(it)
			} else {
				o.takeSocket(it)
			}
		}
		g.free()
		o.dispatch()
	})
}

// frameQueue is what waits to leave through the transports of a loop.
type frameQueue struct {
	groups []*socketGroup
	head   int
}

func (q *frameQueue) len() int { return len(q.groups) - q.head }

func (q *frameQueue) push(g *socketGroup) { q.groups = append(q.groups, g) }

func (q *frameQueue) first() *socketGroup { return q.groups[q.head] }

func (q *frameQueue) pop() {
	q.groups[q.head] = nil
	if q.head++; q.head == len(q.groups) {
		q.groups, q.head = q.groups[:0], 0
	} else if q.head > 64 && q.head*2 > len(q.groups) {
		n := copy(q.groups, q.groups[q.head:])
		clear(q.groups[n:])
		q.groups, q.head = q.groups[:n], 0
	}
}

// flushFrames is called by the output gate when a group may leave. Groups leave in the order in which they came, whatever else is durable already: a
// socket's messages are in several of them.
func (o *owner) flushFrames(err error) {
	if o.flushing {
		return // a transport has caused it: the loop below goes on with what it has brought
	}
	o.flushing = true
	defer func() { o.flushing = false }()
	for o.frames.len() > 0 {
		g := o.frames.first()
		var failed error
		if g.dep > o.eng.log.Durable() && !mechanism.Off.OutputGate {
			if err == nil && o.eng.log.Err() == nil {
				return
			}
			failed = cmp.Or(err, ErrUnavailable)
		}
		o.frames.pop()
		for i := 0; i < len(g.items); {
			i = o.frame(g.items, i, failed)
		}
		g.free()
	}
}

// frame brings items to their transports, up to the first whose transport panics. It returns the place of the next one.
func (o *owner) frame(items []socketItem, i int, failed error) (next int) {
	defer func() {
		if v := recover(); v != nil {
			o.eng.logger.Error("panic in the transport of a WebSocket", "panic", v, "stack", string(debug.Stack()))
			items[i].to.giveUp(lost)
			next = i + 1
		}
	}()
	for ; i < len(items); i++ {
		items[i].to.leave(&items[i], failed)
	}
	return i
}

// leave brings an item to the transport that holds the end.
func (e *socketEnd) leave(it *socketItem, failed error) {
	if e.ended {
		return
	}
	if failed != nil {
		e.giveUp(lost)
		e.sink.Failed(failed)
		return
	}
	switch end := it.ending; {
	case end == nil:
		e.taken(it.m.weight())
		e.sink.Message(it.m)
	case end.clean:
		e.gotClose = true
		if e.sentClose {
			e.finish()
		} else {
			own := e.by.own
			own.closeTimers[e] = own.loop.At(own.loop.Due(CloseTimeout), loop.Func(e.closeTimedOut))
		}
		end.tell(e.sink)
	default:
		e.finish()
		end.tell(e.sink)
	}
}

// closeTimedOut ends the socket of a client that has not answered a Close.
func (e *socketEnd) closeTimedOut() {
	if e.ended {
		return
	}
	e.giveUp(lost)
	e.sink.Failed(ErrCloseTimeout)
	e.by.own.drain()
}
