package engine

import (
	"context"
	"sync/atomic"
	"time"

	"everloop/wal"
)

// Reply is how an event ended: with a Response, a value in the encoding of package value, or an error.
type Reply struct {
	Response *Response
	Value    []byte
	// Caps travel beside Value, as [Event.Caps] do beside the arguments.
	Caps []Cap
	Err  error
	// Borrowed says that Value belongs to the loop, and is valid until Replier.Reply returns: see [Namespace.CallByName].
	Borrowed bool
}

// drop says that nobody gets the reply.
func (r *Reply) drop() {
	drop(r.Caps)
	if r.Response == nil {
		return
	}
	r.Response.Body.Discard()
	if ws := r.Response.WebSocket; ws != nil {
		ws.e.dropped()
	}
}

// Replier is told the end of a call that was started. Reply is called exactly once; on which goroutine is
// said where the call is started. It must not block.
type Replier interface{ Reply(Reply) }

// ReplyFunc is a function as a [Replier].
type ReplyFunc func(Reply)

// Reply calls f.
func (f ReplyFunc) Reply(r Reply) { f(r) }

// Event is one thing that an object or an entry point is asked to do, from its start to its answer. It
// belongs to the loop that it runs on. It is a [context.Context], which is what Go handlers are given: it is
// done when the event was answered or when nobody waits for the answer any more, and it may be kept and used
// from any goroutine; the other methods are called in a turn of the event only.
type Event struct {
	Request *Request
	// Alarm is of an EventAlarm.
	Alarm *AlarmInfo
	// Method is the method of an EventCall.
	Method string
	// Args is the encoded array of arguments of an EventCall, or whatever a caller of CallRaw sent.
	Args []byte
	// Caps travel beside Args: what the arguments refer to and bytes cannot hold. Target says what of the
	// receiver is called, where that is not a method of its own. Both are between the hosts at the two ends;
	// the engine only carries them. A Go object takes no Target and loses the Caps.
	Caps   []Cap
	Target any
	// Socket is what an EventWebSocket tells.
	Socket *SocketEvent
	// Watch, if an entry point sets it, is told whenever something that was under way for the event has ended and the
	// event goes on: see UnderWay.
	Watch Watcher

	// Who is asked.
	live  *Live // an instance or event itself, rather than whatever instance the object has
	class *class
	id    ID
	entry Entrypoint // for events of entry points; then class is nil
	actor *actor     // set on delivery to an object
	self  origin     // an entry point's event is an origin of its own

	// Who asks. from is nil for a caller outside of the process or on a goroutine of its own: the answer
	// leaves, so it waits at the output gate, on the loop home.
	from    *origin
	home    *owner
	section *section // the asking actor's critical section, which the answer comes back into
	stub    *Stub    // told when the object breaks
	replier Replier

	// dep is the highest record that the event, and later its answer, could reveal.
	dep     wal.LSN
	reply   Reply
	since   int64    // when it began to wait for its object, on the loop's clock
	leaving *leaving // who wants to know of a caller that leaves; nil: nobody

	// Small fields are together: each request has an event, and the next larger size of memory is 32 bytes more.
	place    int32 // in its actor's list of events in flight
	pins     int32 // entry points: unanswered, plus waitUntil work
	holds    int32 // entry points: reasons to go on that are no work
	Kind     EventKind
	phase    phase
	answered bool
	plain    bool // the caller is Go code, which takes no capabilities
	oneWay   bool // nobody waits for the answer
	left     bool // the caller, before the answer was complete
	complete bool // the answer was

	ctx eventContext
}

// Watcher is told what [Event.Watch] says, in a turn of the event or of whoever ended the thing. It starts nothing but
// [Event.Later].
type Watcher interface{ Ended() }

// phase is where an event is on its way; it decides what the next loop that it is posted to does with it.
type phase uint8

const (
	phaseCall  phase = iota // on its way to whom it asks
	phaseServe              // being answered
	phaseReply              // on its way back
	phaseDone
)

// Respond answers an EventFetch. Only the first answer counts.
func (ev *Event) Respond(r *Response) { ev.answer(Reply{Response: r}) }

// Return answers an EventCall with an encoded value.
func (ev *Event) Return(value []byte) { ev.answer(Reply{Value: value}) }

// ReturnCaps is Return with what the value refers to. A caller outside takes no capabilities: see External.
func (ev *Event) ReturnCaps(value []byte, caps []Cap) { ev.answer(Reply{Value: value, Caps: caps}) }

// External reports whether the caller takes no capabilities: it is a protocol, an embedding program or Go code that made the call
// by [Stub.Call] and its like, rather than a host that knows what they are.
func (ev *Event) External() bool { return ev.from == nil || ev.plain }

// Succeed answers an EventAlarm or EventWebSocket whose handler has succeeded. It is called in the handler's last turn: an alarm
// goes with what that writes.
func (ev *Event) Succeed() { ev.answer(Reply{}) }

// Fail answers with an error. An [*Error] is passed on as it is; any other error becomes one that names this
// object and event.
func (ev *Event) Fail(err error) { ev.answer(Reply{Err: ev.wrap(err)}) }

// Answered reports whether the event has been answered.
func (ev *Event) Answered() bool { return ev.answered }

// ID is the object that is asked; the zero ID for an entry point.
func (ev *Event) ID() ID { return ev.id }

// Name names the event in messages: "fetch", "alarm", the called method, or the handler of a WebSocket.
func (ev *Event) Name() string {
	switch ev.Kind {
	case EventCall:
		return ev.Method
	case EventWebSocket:
		return ev.Socket.name()
	case EventAlarm:
		return "alarm"
	}
	return "fetch"
}

func (ev *Event) answer(r Reply) {
	if ev.answered {
		drop(r.Caps)
		return
	}
	ev.answered = true
	ev.reply = r
	if r.Response != nil && r.Response.WebSocket != nil {
		r.Response.WebSocket.e.used.Store(true)
	}
	if r.Err != nil {
		ev.owner().eng.metrics.failures.Add(1)
	}
	ev.ctx.finish(&errCanceled)
	ev.answering(r.Response)
	if ev.actor != nil {
		if ev.Kind == EventAlarm && r.Err == nil {
			ev.actor.alarmSucceeded()
		}
		ev.actor.eventDone(ev)
		if ev.Socket != nil {
			ev.Socket.member().answered(ev, r.Err)
			return
		}
		ev.actor.own.stage(effect{kind: effectReply, ev: ev, by: &ev.actor.origin})
		return
	}
	if ev.live != nil {
		o := ev.live.origin
		o.own.stage(effect{kind: effectReply, ev: ev, by: o})
		o.unpin()
		return
	}
	ev.self.own.stage(effect{kind: effectReply, ev: ev, by: &ev.self})
	ev.unpin()
}

// owner is the loop that serves the event.
func (ev *Event) owner() *owner {
	if ev.actor != nil {
		return ev.actor.own
	}
	if ev.live != nil {
		return ev.live.origin.own
	}
	return ev.self.own
}

// Pin keeps an entry point's event alive past its answer (waitUntil); Unpin ends it. Stubs of the event work
// as long as it lives.
func (ev *Event) Pin() {
	if ev.pins++; ev.pins == 1 {
		ev.self.own.events++ // a call came back to an event that is only held
	}
}

// Unpin ends what Pin began.
func (ev *Event) Unpin() { ev.unpin() }

func (ev *Event) unpin() {
	if ev.pins--; ev.pins == 0 {
		ev.self.own.events--
	} else if ev.Watch != nil {
		ev.Watch.Ended()
	}
}

// UnderWay is how much an entry point's event still waits for: calls that it made, timers, bodies, WebSockets, work off the loop,
// and what Pin began. Its own answer does not count. What has nothing under way goes on only if another event makes it.
func (ev *Event) UnderWay() int {
	n := int(ev.pins) + len(ev.self.sockets)
	if ev.answered {
		return n
	}
	return n - 1
}

// Loop is the index of the loop that an entry point's event runs on. Safe from any goroutine.
func (ev *Event) Loop() int { return ev.self.own.index }

// Namespace returns the namespace of a class for the code of an entry point: calls on its stubs are made
// by this event, in its turns. Nil if no such class is registered.
func (ev *Event) Namespace(class string) *Namespace {
	return ev.self.own.eng.namespaceFor(class, &ev.self)
}

// Start calls fn in a later turn of this entry point's event, once work, which runs on a goroutine off the
// loop, has returned. work starts when everything that the event knows is durable.
func (ev *Event) Start(work func(), done func(error)) { ev.self.offLoop(work, done) }

// Expire is State.Expire for an entry point's event.
func (ev *Event) Expire(d time.Duration, fn func()) (cancel func()) {
	return ev.origin().afterUngated(d, fn)
}

// After calls fn in a later turn of the event, when d has passed since the call: never earlier.
func (ev *Event) After(d time.Duration, fn func()) (cancel func()) { return ev.self.after(d, fn) }

// Every is [State.Every] for the event of an entry point.
func (ev *Event) Every(d time.Duration, fn func()) (cancel func()) { return ev.self.every(d, fn) }

func (ev *Event) wrap(err error) error {
	if err == nil {
		return nil
	}
	var class, object string
	if ev.class != nil {
		class, object = ev.class.name, ev.id.String()
	} else {
		class = "default"
	}
	e := asError(err, class, object, ev.Name())
	if !e.Remote && e.Class == class && e.Object == object {
		told := *e
		told.Remote = true
		e = &told
	}
	return e
}

// Run makes the event a task of the loop that it is posted to.
func (ev *Event) Run() {
	switch ev.phase {
	case phaseCall:
		own := ev.target()
		own.accept(ev)
		own.drain()
	case phaseReply:
		ev.home.acceptReply(ev)
		ev.home.drain()
	}
}

// eventContext is the context side of an event: cheap until somebody asks for Done. Safe for concurrent use.
type eventContext struct {
	err   atomic.Pointer[error]
	done  atomic.Pointer[chan struct{}] // made by the first who asks
	close atomic.Pointer[chan struct{}] // the same: whoever takes it closes it
}

var (
	errCanceled = context.Canceled
	closedChan  = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
)

// finish ends the context with *err, unless it has ended.
func (c *eventContext) finish(err *error) {
	if c.err.CompareAndSwap(nil, err) {
		c.shut()
	}
}

// shut closes the channel of Done, if there is one. It is called when the context has ended.
func (c *eventContext) shut() {
	if c.close.Load() == nil {
		return // what Done makes from now on it closes itself
	}
	if ch := c.close.Swap(nil); ch != nil {
		close(*ch)
	}
}

// Deadline reports none: an event is bounded by its object's limits, not by a moment.
func (ev *Event) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed when the event was answered or its caller has gone.
func (ev *Event) Done() <-chan struct{} {
	c := &ev.ctx
	if ch := c.done.Load(); ch != nil {
		return *ch
	}
	if c.err.Load() != nil {
		return closedChan
	}
	ch := make(chan struct{})
	if !c.done.CompareAndSwap(nil, &ch) {
		return *c.done.Load()
	}
	c.close.Store(&ch)
	if c.err.Load() != nil {
		c.shut()
	}
	return ch
}

// Err is context.Canceled once Done is closed.
func (ev *Event) Err() error {
	if p := ev.ctx.err.Load(); p != nil {
		return *p
	}
	return nil
}

// Value has no values.
func (ev *Event) Value(any) any { return nil }
