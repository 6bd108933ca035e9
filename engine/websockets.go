package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"everloop/loop"
	"everloop/wal"
)

// SocketEvent is what an EventWebSocket tells: a message, or the end of the socket (Closed or Err).
type SocketEvent struct {
	WebSocket *WebSocket
	// Message is nil in the last event of a socket.
	Message *Message
	// Closed: the other end has sent a Close (Clean) or its connection is lost, with what SocketSink.Closed says of Code and Reason.
	Closed bool
	Code   int
	Reason string
	Clean  bool
	// Err: the client broke the protocol.
	Err error

	started bool
	timer   loop.Timer // that ends it
}

// name is the name of the event's handler.
func (s *SocketEvent) name() string {
	switch {
	case s.Message != nil:
		return "webSocketMessage"
	case s.Closed:
		return "webSocketClose"
	}
	return "webSocketError"
}

// member is the socketEnd's that object holds it hibernatably.
func (s *SocketEvent) member() *member { return s.WebSocket.e.member.Load() }

// sockets are the WebSockets that one object holds hibernatably. They are kept beside the table, by the slot of the object's record, whether the object
// has an instance or not. Owned by the object's loop, but for the atomics.
type sockets struct {
	own   *owner
	slot  uint32
	class *class
	id    ID
	actor *actor // nil while the object hibernates

	open    memberList // oldest first
	closing memberList // those whose last event has been sent, and who have not answered a Close
	tags    map[string]*tagged

	auto      *autoResponse
	timeoutMS int64 // of an event; 0: none
	dropped   bool  // the object was reset, or its code replaced: nothing of it is delivered any more

	queued  atomic.Int64 // bytes of messages that wait or are under way, of all sockets
	starved atomic.Bool  // some transports have stopped reading because of that
}

// member is what a hibernatable socket has beside its end. Owned by the object's loop.
type member struct {
	e            *socketEnd
	set          *sockets
	link[member] // in the list that place names
	tags         []tag
	autoMS       int64         // when an auto response was last sent, on the wall clock; 0: never
	event        *Event        // under way: the next waits for its end
	queue        *[]socketItem // what waits for that; nil: nothing

	place memberPlace
}

// memberPlace is the list that a member is in.
type memberPlace uint8

const (
	placeNone memberPlace = iota
	placeOpen
	placeClosing
)

// memberList is a list of sockets, in the order in which they were added.
type memberList struct {
	chain[member, *member]
	n int
}

func (l *memberList) add(m *member) {
	l.chain.add(m)
	l.n++
}

func (l *memberList) remove(m *member) {
	l.chain.remove(m)
	l.n--
}

// tagged are the sockets of an object with one tag, oldest first.
type tagged struct {
	name string
	chain[tag, *tag]
}

// tag is one tag of a socket, and its place in the list of those that have it.
type tag struct {
	list *tagged
	m    *member
	link[tag]
}

// autoResponse is a text and what it is answered with.
type autoResponse struct {
	request  string
	response *Message
	dep      wal.LSN // what was known when it was set
	pending  bool    // the turn that has set it has not ended: dep is not known yet
}

// What a program is refused. The texts are workerd's.
var (
	errSocketAccepted = &Error{Name: "Error", Message: "Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`"}
	errSocketCoupled  = &Error{Name: "Error", Message: "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response."}
	errSocketState    = &Error{Name: "TypeError", Message: "Tried to make an api::WebSocket hibernatable when it was in an incompatible state."}
	errSocketTags     = &Error{Name: "Error", Message: fmt.Sprintf("a Hibernatable WebSocket cannot have more than %d tags", MaxSocketTags)}
	errTooManySockets = &Error{Name: "Error", Message: fmt.Sprintf("only %d websockets can be accepted on a single Durable Object instance", MaxSockets)}
	errTagsNotHeld    = &Error{Name: "Error", Message: "you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket."}
	errTagsClassic    = &Error{Name: "Error", Message: "only hibernatable websockets can have tags."}
	errEventTimeout   = &Error{Name: "Error", Message: fmt.Sprintf("Event timeout should not exceed %d ms.", MaxSocketEventTimeout.Milliseconds())}
)

// AcceptWebSocket makes the object the holder of an end, whatever instance it has: messages come as EventWebSocket, and keep no instance
// while there are none. The socket belongs to the object until the pair has ended. It outlives evictions, and ends, as a lost connection, when
// the object is reset, its code is replaced or the engine closes. Tags are for WebSocketsTagged; duplicates are dropped.
//
// It is refused for an end that is held or whose other end is held or used in a Response, for too many or too long tags, and when the object has
// MaxSockets.
func (s *State) AcceptWebSocket(ws *WebSocket, tags ...string) error {
	a, e := s.a, ws.e
	if a.dead {
		return ErrReset
	}
	switch e.hold.Load() {
	case holdClassic, holdHibernating:
		return errSocketAccepted
	}
	if p := e.peer(); p.hold.Load() != holdNone || p.used.Load() {
		return errSocketCoupled
	}
	distinct := make([]string, 0, min(len(tags), MaxSocketTags))
	for _, t := range tags {
		switch {
		case len(distinct) == MaxSocketTags:
			return errSocketTags
		case utf8.RuneCountInString(t) > MaxSocketTagLength:
			return &Error{Name: "Error", Message: `"` + t + fmt.Sprintf(`" is longer than the max tag length (%d characters).`, MaxSocketTagLength)}
		case !slices.Contains(distinct, t):
			distinct = append(distinct, t)
		}
	}
	set := s.makeSockets()
	if set.open.n >= MaxSockets {
		return errTooManySockets
	}
	if e.used.Load() || e.claim(holdHibernating) != nil {
		return errSocketState
	}
	m := &member{e: e, set: set}
	e.member.Store(m)
	m.place = placeOpen
	set.open.add(m)
	if len(distinct) > 0 {
		m.tags = make([]tag, len(distinct))
		for i, t := range distinct {
			set.tag(&m.tags[i], m, t)
		}
	}
	a.own.eng.metrics.sockets.Add(1)
	a.own.outside.held(ws)
	return nil
}

// sockets are the object's; nil if there are none, or the object was reset.
func (s *State) sockets() *sockets {
	if s.a.dead {
		return nil
	}
	return s.a.own.sockets[s.a.slot]
}

func (s *State) makeSockets() *sockets {
	set := s.sockets()
	if set == nil {
		a := s.a
		set = &sockets{own: a.own, slot: a.slot, class: a.class, id: a.id, actor: a}
		a.own.sockets[a.slot] = set
	}
	return set
}

func (set *sockets) tag(t *tag, m *member, name string) {
	list := set.tags[name]
	if list == nil {
		if set.tags == nil {
			set.tags = make(map[string]*tagged)
		}
		list = &tagged{name: name}
		set.tags[name] = list
	}
	*t = tag{list: list, m: m}
	list.add(t)
}

func (set *sockets) untag(t *tag) {
	list := t.list
	list.remove(t)
	if list.first == nil {
		delete(set.tags, list.name)
	}
}

// unlist takes a socket out of the lists of its object.
func (m *member) unlist() {
	set := m.set
	switch m.place {
	case placeOpen:
		for i := range m.tags {
			set.untag(&m.tags[i])
		}
		if set.actor == nil {
			set.own.eng.metrics.hibernating.Add(-1)
		}
		set.open.remove(m)
	case placeClosing:
		set.closing.remove(m)
	}
	m.place = placeNone
}

// WebSockets returns the sockets that the object has accepted and whose end it has not been told yet, newest first.
func (s *State) WebSockets() []*WebSocket {
	set := s.sockets()
	if set == nil {
		return nil
	}
	list := make([]*WebSocket, 0, set.open.n)
	for m := set.open.last; m != nil; m = m.prev {
		list = append(list, m.e.handle)
	}
	return list
}

// WebSocketsTagged returns those of WebSockets that have the tag, oldest first.
func (s *State) WebSocketsTagged(name string) (list []*WebSocket) {
	set := s.sockets()
	if set == nil || set.tags[name] == nil {
		return nil
	}
	for t := set.tags[name].first; t != nil; t = t.next {
		list = append(list, t.m.e.handle)
	}
	return list
}

// Tags returns the tags that a socket was accepted with, also in and after its last event. A socket that is not hibernatable has an error.
func (s *State) Tags(ws *WebSocket) ([]string, error) {
	switch ws.e.hold.Load() {
	case holdHibernating:
	case holdClassic:
		return nil, errTagsClassic
	default:
		return nil, errTagsNotHeld
	}
	m := ws.e.member.Load()
	names := make([]string, len(m.tags))
	for i := range m.tags {
		names[i] = m.tags[i].list.name
	}
	return names, nil
}

// SetAutoResponse makes the engine answer each text message that is request, exactly, with response, without waking the object and without an
// event; in the order of the socket's other messages. It lasts as long as the object has sockets or an instance, and its answers leave when all that the object
// knew at the end of this turn is durable. Each text has at most MaxAutoResponseBytes; the errors are RangeErrors.
func (s *State) SetAutoResponse(request, response string) error {
	for _, text := range []struct{ what, text string }{{"Request", request}, {"Response", response}} {
		if n := len(text.text); n > MaxAutoResponseBytes {
			what := "A request"
			if text.what == "Response" {
				what = "A response"
			}
			return &Error{Name: "RangeError", Message: fmt.Sprintf(
				"%s cannot be larger than %d bytes. %s of size %d was provided.", text.what, MaxAutoResponseBytes, what, n)}
		}
	}
	if s.a.dead {
		return ErrReset
	}
	auto := &autoResponse{request: request, response: TextMessage(response), pending: true}
	s.makeSockets().auto = auto
	s.a.own.stage(effect{kind: effectAuto, by: &s.a.origin, auto: auto})
	return nil
}

// UnsetAutoResponse ends what SetAutoResponse began.
func (s *State) UnsetAutoResponse() {
	if set := s.sockets(); set != nil {
		set.auto = nil
	}
}

// AutoResponse returns what SetAutoResponse has set.
func (s *State) AutoResponse() (request, response string, isSet bool) {
	if set := s.sockets(); set != nil && set.auto != nil {
		return set.auto.request, string(set.auto.response.Data), true
	}
	return "", "", false
}

// SetWebSocketEventTimeout bounds each event of a socket, counted from its delivery; 0 unsets it. At most MaxSocketEventTimeout. When it strikes, the
// event is answered with an error, which is logged; the handler is not stopped, but the socket goes on with its next message. It lasts as
// an auto response does, and counts in milliseconds, at least 1.
func (s *State) SetWebSocketEventTimeout(d time.Duration) error {
	switch {
	case d > MaxSocketEventTimeout:
		return errEventTimeout
	case s.a.dead:
		return ErrReset
	case d <= 0:
		if set := s.sockets(); set != nil {
			set.timeoutMS = 0
		}
	default:
		s.makeSockets().timeoutMS = max(1, d.Milliseconds())
	}
	return nil
}

// WebSocketEventTimeout returns what SetWebSocketEventTimeout has set; 0: none.
func (s *State) WebSocketEventTimeout() time.Duration {
	if set := s.sockets(); set != nil {
		return time.Duration(set.timeoutMS) * time.Millisecond
	}
	return 0
}

// SetAttachment keeps up to MaxAttachmentBytes with the end, also over hibernation; nil unsets it. b must not be changed afterwards.
func (ws *WebSocket) SetAttachment(b []byte) error {
	switch {
	case len(b) > MaxAttachmentBytes:
		return &Error{Name: "Error", Message: fmt.Sprintf("A WebSocket 'attachment' cannot be larger than %d bytes.'attachment' was %d bytes.", MaxAttachmentBytes, len(b))}
	case b == nil:
		ws.e.attachment = nil
	default:
		ws.e.attachment = &b
	}
	return nil
}

// Attachment returns what SetAttachment keeps, or nil.
func (ws *WebSocket) Attachment() []byte {
	if b := ws.e.attachment; b != nil {
		return *b
	}
	return nil
}

// AutoResponseTime is when an auto response was last sent on this socket; zero if never.
func (ws *WebSocket) AutoResponseTime() time.Time {
	if m := ws.e.member.Load(); m != nil && m.autoMS != 0 {
		return time.UnixMilli(m.autoMS)
	}
	return time.Time{}
}

// receive takes an item in. It is delivered when the socket's previous event has ended.
func (m *member) receive(it *socketItem) {
	if m.e.ended {
		return
	}
	if it.m != nil {
		m.set.queued.Add(it.m.weight())
	}
	if m.event == nil { // and nothing waits
		m.handle(it)
		return
	}
	if m.queue == nil {
		m.queue = new([]socketItem)
	}
	*m.queue = append(*m.queue, *it)
}

// pump delivers what has come, one event after the other.
func (m *member) pump() {
	for m.event == nil && m.queue != nil {
		q := *m.queue
		it := q[0]
		q[0] = socketItem{}
		if q = q[1:]; len(q) == 0 {
			m.queue = nil
		} else {
			*m.queue = q
		}
		m.handle(&it)
	}
}

// handle delivers an item, or answers it.
func (m *member) handle(it *socketItem) {
	if it.m == nil {
		m.last(it)
		return
	}
	if auto := m.set.auto; auto != nil && it.m.Text && string(it.m.Data) == auto.request {
		m.respond(auto)
		m.took(it.m)
		return
	}
	m.deliver(it, SocketEvent{Message: it.m})
}

// respond answers a message by itself.
func (m *member) respond(auto *autoResponse) {
	m.autoMS = m.set.own.loop.Wall()
	if m.e.sentClose || m.e.mute {
		return
	}
	by := &m.set.own.outside
	if auto.pending {
		by = &m.set.actor.origin
	}
	m.e.send(by, auto.response, auto.dep)
}

// last delivers the end of the socket, which the object has no more.
func (m *member) last(it *socketItem) {
	if m.e.gotClose || m.e.ended { // it has been told: what follows a Close is the end of the connection
		m.e.finish()
		return
	}
	end := it.ending
	s := SocketEvent{Closed: end.err == nil, Code: end.code, Reason: end.reason, Clean: end.clean, Err: end.err}
	if !end.clean {
		m.e.finish()
		m.deliver(it, s)
		return
	}
	m.e.answerClose(&m.set.own.outside, end.code, end.reason)
	if m.e.sentClose {
		m.e.finish()
	} else {
		m.unlist()
		m.place = placeClosing
		m.set.closing.add(m)
	}
	m.deliver(it, s)
}

// deliver starts an event.
func (m *member) deliver(it *socketItem, s SocketEvent) {
	s.WebSocket = m.e.handle
	set := m.set
	both := &struct {
		Event
		SocketEvent
	}{Event{Kind: EventWebSocket, class: set.class, id: set.id, home: set.own, oneWay: true, dep: it.dep}, s}
	m.event, both.Socket = &both.Event, &both.SocketEvent
	set.own.accept(m.event)
}

// started is called when the event is delivered to an instance.
func (m *member) started(ev *Event) {
	ev.Socket.started = true
	ms := m.set.timeoutMS
	if ms == 0 {
		return
	}
	own := m.set.own
	ev.Socket.timer = own.loop.At(own.loop.Due(time.Duration(ms)*time.Millisecond), loop.Func(func() {
		own.ready.push(entryStep{func() {
			if m.event == ev {
				ev.Fail(&Error{Name: "Error", Message: fmt.Sprintf("The handler of a WebSocket event took longer than %d ms.", ms)})
			}
		}})
		own.drain()
	}))
}

// answered goes on with the socket's next message.
func (m *member) answered(ev *Event, err error) {
	own := m.set.own
	own.loop.Cancel(ev.Socket.timer)
	m.event = nil
	if err != nil && ev.Socket.started && !m.set.dropped {
		e := asError(err, ev.class.name, ev.id.String(), ev.Name())
		own.eng.logger.Error("a handler of a WebSocket failed", "class", e.Class, "object", e.Object, "method", e.Method, "err", e.Message, "stack", e.Stack)
	}
	if ev.Socket.Message != nil {
		m.took(ev.Socket.Message)
	}
	m.pump()
}

// took makes room for what comes next.
func (m *member) took(msg *Message) {
	n := msg.weight()
	set := m.set
	if set.queued.Add(-n) <= int64(set.own.eng.opts.MaxQueuedBytes)/2 && set.starved.CompareAndSwap(true, false) {
		for at := set.open.first; at != nil; at = at.next {
			if at.e.toward.Load() <= SocketWindow/2 {
				at.e.feed()
			}
		}
	}
	m.e.taken(n)
}

// woken notes that an object with sockets has an instance.
func (o *owner) woken(a *actor) {
	if set := o.sockets[a.slot]; set != nil {
		set.actor = a
		o.eng.metrics.hibernating.Add(-int64(set.open.n))
	}
}

// hibernate lets go of an instance. It returns what is left to be ended once the instance has gone.
func (o *owner) hibernate(a *actor) (set *sockets) {
	set = o.sockets[a.slot]
	if set == nil {
		return nil
	}
	set.actor = nil
	o.eng.metrics.hibernating.Add(int64(set.open.n))
	if set.open.n == 0 {
		delete(o.sockets, a.slot)
	}
	return set
}

// endClosing ends the sockets that nobody can answer the Close of any more.
func (set *sockets) endClosing() {
	if set == nil {
		return
	}
	for set.closing.first != nil {
		set.closing.first.e.giveUp(lost)
	}
}

// takeSockets takes the sockets away from an object, to be ended with drop; nil if there are none. From now on it is told nothing of them.
func (o *owner) takeSockets(slot uint32) *sockets {
	set := o.sockets[slot]
	if set != nil {
		delete(o.sockets, slot)
		set.dropped = true
	}
	return set
}

// report says in the log that the open sockets of an object are closed. What fails outside of a handler may have no caller that would hear why: a
// message that wakes an object whose constructor throws.
func (set *sockets) report(n int, cause error) {
	level, about := slog.LevelInfo, []any{"class", set.class.name, "object", set.id.String(), "sockets", n, "cause", cause}
	if e, ok := errors.AsType[*Error](cause); ok && (e.Method == "constructor" || e.Method == "blockConcurrencyWhile") {
		level, about = slog.LevelError, append(about, "method", e.Method, "stack", e.Stack)
	}
	set.own.eng.logger.Log(context.Background(), level, "the WebSockets of an object are closed", about...)
}

// drop ends all sockets of an object: their clients lose the connection. It is called when the object's instance, if it had one, has gone.
func (set *sockets) drop(cause error, dep wal.LSN) {
	if set == nil {
		return
	}
	n := set.open.n
	if n > 0 {
		set.report(n, cause)
	}
	if set.actor != nil {
		set.actor = nil
		set.own.eng.metrics.hibernating.Add(int64(n)) // each takes itself away
	}
	for _, list := range []*memberList{&set.open, &set.closing} {
		for list.first != nil {
			m := list.first
			m.queue = nil
			to := m.e.peer()
			m.e.finish()
			set.own.emit(&set.own.outside, socketItem{to: to, ending: lost, dep: dep})
		}
	}
}

// dropSockets ends the sockets that an instance or event holds classically.
func (o *origin) dropSockets(dep wal.LSN) {
	for e := range o.sockets {
		to := e.peer()
		e.finish()
		o.own.emit(&o.own.outside, socketItem{to: to, ending: lost, dep: dep})
	}
}

// dropHibernated ends the sockets of an object that has no instance, or one that has not begun.
func (o *owner) dropHibernated(slot uint32, cause error) {
	set := o.takeSockets(slot)
	o.letGo(slot)
	set.drop(cause, 0)
}
