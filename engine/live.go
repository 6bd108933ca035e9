package engine

// Cap is something that travels beside the bytes of a call or an answer because bytes cannot hold it: a reference to
// what a program has given away. It is the hosts' own. Dropped is called, on any loop or goroutine, when the engine
// drops a message with the Cap in it, so that whoever counts references does not wait for ever.
type Cap interface{ Dropped() }

// Sized is a Cap with bytes of its own: they count for what waits for an object.
type Sized interface{ Size() int }

func drop(caps []Cap) {
	for _, c := range caps {
		c.Dropped()
	}
}

// Live is the address of a running instance of an object, or of an event of an entry point: calls on a stub of it
// reach that instance while it lives, and nothing afterwards. They are events like any others: through the same input
// gate, with the dependency of the caller. A Live may be passed to other loops.
type Live struct {
	origin  *origin
	section *section // the critical section that it was made in: its calls belong there while that is open
	deliver func(*Event)
}

// Live returns the address of this instance. deliver starts the events that are sent to it, as Object.Deliver starts
// others.
func (s *State) Live(deliver func(*Event)) *Live { return s.a.origin.address(deliver) }

// Live returns the address of this event of an entry point. It takes calls until the event is over: answered, and
// not pinned any more.
func (ev *Event) Live(deliver func(*Event)) *Live { return ev.origin().address(deliver) }

func (o *origin) address(deliver func(*Event)) *Live {
	return &Live{origin: o, section: o.section(), deliver: deliver}
}

// origin is who acts while the event is handled.
func (ev *Event) origin() *origin {
	switch {
	case ev.actor != nil:
		return &ev.actor.origin
	case ev.live != nil:
		return ev.live.origin
	}
	return &ev.self
}

// To returns a stub of a live instance, for calls that this object makes.
func (s *State) To(l *Live) *Stub { return s.a.origin.liveStub(l) }

// To returns a stub of a live instance, for calls that this event makes.
func (ev *Event) To(l *Live) *Stub { return ev.origin().liveStub(l) }

func (o *origin) liveStub(l *Live) *Stub {
	s := &Stub{ns: Namespace{from: o}, live: l}
	if a := l.origin.actor; a != nil {
		s.id.bytes = a.id.bytes // its name may be changing, on its loop
	}
	return s
}

// Tell sends an event to a live instance without waiting for an answer. It may be called when this object has been
// reset or evicted, too.
func (s *State) Tell(l *Live, ev *Event) { s.a.origin.tell(l, ev) }

// Tell sends an event to a live instance without waiting for an answer. It may be called when this event is over,
// too.
func (ev *Event) Tell(l *Live, told *Event) { ev.origin().tell(l, told) }

func (o *origin) tell(l *Live, ev *Event) {
	own := o.own
	ev.live, ev.oneWay = l, true
	if own.running && o.live() {
		own.stage(effect{kind: effectCall, ev: ev, by: o})
		return
	}
	// Between turns nothing is unfinished; and a dead object stages nothing, but what it knew still travels along. No turn
	// starts here: the caller may be in the middle of something.
	ev.dep = o.dep
	own.route(ev)
	if !own.running && own.ready.len() > 0 && !own.posted {
		own.posted = own.loop.Post((*goOn)(own))
	}
}

// Hold keeps the instance until Unhold, because others refer to it: as Pin does, but it is no work that Engine.Close waits
// for. Unhold is called in a turn of the object.
func (s *State) Hold() { s.a.holds++ }

// Unhold ends what Hold began. It may be called outside of a turn of the object.
func (s *State) Unhold() {
	s.a.holds--
	s.a.rest()
}

// Hold keeps an entry point's event until Unhold, because others refer to it: as Pin does, but it is no work that
// Engine.Close waits for.
func (ev *Event) Hold() { ev.holds++ }

// Unhold ends what Hold began.
func (ev *Event) Unhold() { ev.holds-- }

// Later runs fn in a turn of its own, behind the input gate and whatever waits there already. It is called in a turn, of
// whomever.
func (s *State) Later(fn func()) { s.a.origin.inject(nil, fn) }

// Later runs fn in a later turn of the event. It is called in a turn, of whomever.
func (ev *Event) Later(fn func()) { ev.origin().inject(nil, fn) }

// Join makes this event, which an entry point has just been given, part of another one on the same loop: what it does is
// done by that one, and its answer reveals what that one knows.
func (ev *Event) Join(other *Event) {
	o := other.origin()
	o.pin() // until it is answered
	o.learn(ev.dep)
	ev.live = &Live{origin: o}
	ev.unpin()
}

// errLiveGone is what a call on a stub of a live instance gets when that has ended. The text is workerd's.
var errLiveGone = &Error{Name: "Error", Message: "The execution context which hosts this callback is no longer running."}

// over reports whether the instance or event has ended.
func (o *origin) over() bool {
	if o.actor != nil {
		return o.actor.dead
	}
	return o.event.pins == 0 && o.event.holds == 0
}

// acceptLive takes an event in for a live instance. The caller drains.
func (o *owner) acceptLive(ev *Event) {
	to := ev.live.origin
	if to.over() {
		o.refuseLive(ev, errLiveGone)
		return
	}
	a := to.actor
	if a == nil {
		if !ev.oneWay && int(to.event.pins) >= o.eng.opts.MaxEvents {
			o.refuseLive(ev, overloaded(tooManyOfEvent))
			return
		}
		to.pin() // until it is answered
		o.ready.push(ev)
		return
	}
	ev.class, ev.id = a.class, a.id
	// What wants no answer is a release, and never refused: it makes room.
	if ev.oneWay || !o.crowded(a, ev) {
		a.admit(ev.live.section, ev)
	}
}

func (o *owner) refuseLive(ev *Event, err *Error) {
	drop(ev.Caps)
	ev.answered, ev.reply = true, Reply{Err: err}
	o.routeReply(ev)
}

// serveLive starts an event of an entry point's event.
func (ev *Event) serveLive() {
	ev.live.origin.learn(ev.dep)
	ev.live.origin.own.eng.metrics.events.Add(1)
	ev.live.deliver(ev)
}
