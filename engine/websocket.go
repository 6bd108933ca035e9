package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"everloop/loop"
	"everloop/wal"
)

// Limits of WebSockets.
const (
	// MaxSockets is how many WebSockets one object holds hibernatably (Cloudflare's limit).
	MaxSockets = 32768
	// MaxSocketTags is how many distinct tags a WebSocket has; MaxSocketTagLength is the length of one in characters.
	MaxSocketTags      = 10
	MaxSocketTagLength = 256
	// MaxAttachmentBytes bounds what SetAttachment keeps.
	MaxAttachmentBytes = 16384
	// MaxAutoResponseBytes bounds each text of an auto response.
	MaxAutoResponseBytes = 2048
	// MaxSocketEventTimeout bounds SetWebSocketEventTimeout.
	MaxSocketEventTimeout = 604_800_000 * time.Millisecond
	// MaxCloseReasonBytes bounds the reason of a Close, as its frame does.
	MaxCloseReasonBytes = 123
)

// SocketWindow is how many bytes a transport may be ahead of whoever takes its messages; beyond it Room reports that there is none. A message
// counts for its length and 64 bytes.
const SocketWindow = 256 << 10

// MaxSocketBacklog is how many bytes may be on their way to one end, counted in the same way. It is there for those whom Room does not hold
// up: when an object or an event sends more, the pair ends. A single message may be larger.
const MaxSocketBacklog = 16 << 20

// CloseTimeout is how long a transport that was told of a Close has to answer it.
const CloseTimeout = 10 * time.Second

// Codes of a Close that no frame carries.
const (
	// CloseNoStatus stands for a Close without a code.
	CloseNoStatus = 1005
	// CloseAbnormal stands for the end of a connection without a Close.
	CloseAbnormal = 1006
)

// lostReason is what is told of a connection that has gone without a Close (workerd's text).
const lostReason = "WebSocket disconnected without sending Close frame."

var (
	// ErrSocketBacklog ends a WebSocket whose messages are not taken: see MaxSocketBacklog.
	ErrSocketBacklog = errors.New("engine: the WebSocket was closed: its other end does not take what is sent")
	// ErrCloseTimeout ends a WebSocket whose transport does not answer a Close: see CloseTimeout.
	ErrCloseTimeout = errors.New("engine: the WebSocket was closed: the client did not answer the Close")
)

// What a program is refused. The texts are workerd's, where it has one.
var (
	errSocketNotHeld = &Error{Name: "TypeError", Message: "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages."}
	errSocketClosed  = &Error{Name: "TypeError", Message: "Can't call WebSocket send() after close()."}
	errSocketHeld    = &Error{Name: "TypeError", Message: "Can't accept() WebSocket that was already accepted."}
	errSocketHeldHib = &Error{Name: "TypeError", Message: "Can't accept() WebSocket after enabling hibernation."}
	errSocketGone    = &Error{Name: "TypeError", Message: "Can't accept() WebSocket that was already used in a response."}
	errReasonAlone   = &Error{Name: "TypeError", Message: "If you specify a WebSocket close reason, you must also specify a code."}
	errReasonTooLong = &Error{Name: "SyntaxError", Message: fmt.Sprintf("WebSocket close reason must not be longer than %d bytes when encoded as UTF-8.", MaxCloseReasonBytes)}
)

// ReadyState is the state of one end, with the numbers of the web platform.
type ReadyState uint8

const (
	// SocketOpen is the state from the beginning, also before the end is held.
	SocketOpen ReadyState = 1
	// SocketClosing: a Close was sent or has come, and not both.
	SocketClosing ReadyState = 2
	// SocketClosed: both, or the connection has gone.
	SocketClosed ReadyState = 3
)

// SocketSink is told what comes to an end that is held classically or by a transport. For an object or an event its methods are called in
// turns of it; for a Port on its loop, when what is told may leave the process. Closed or Failed is the last thing that it is told; neither comes when the
// holder itself has gone (its object was reset, or it has called Lost or Fail). Who was told of a Close, and has not answered it, may
// be told Failed, or Closed of a lost connection, too.
type SocketSink interface {
	// Message takes a message, in the order in which it was sent. It must not be changed.
	Message(m *Message)
	// Closed says that nothing more comes. clean: the other end has sent a Close with that code (CloseNoStatus if it had none) and reason.
	// Otherwise its connection is lost: code is CloseAbnormal. After a clean Closed the holder may still send, until it has called Close itself
	// (see AllowHalfOpen); a transport answers with Close when its client does, within CloseTimeout.
	Closed(code int, reason string, clean bool)
	// Failed says that nothing more comes because of err: the client broke the protocol, or what was sent can never leave.
	Failed(err error)
}

// SocketRoomer is an optional interface of a transport's SocketSink: Room is called when [WebSocket.Room] has reported that there is none
// and there is some again, and perhaps once more.
type SocketRoomer interface{ Room() }

// WebSocket is one end of a pair. What is sent into one end comes out of the other, in order and once. An end is held by an object, by an
// event of an entry point or by a transport, and by nobody at first, while it is on its way in a Response; what is sent to it meanwhile waits.
// Its methods are called by its holder: in a turn of the object or event, or on the loop of the transport; Go code may keep the pointer of
// a socket over hibernation. An end that is dropped without ever being held ends the pair, as a lost connection does.
type WebSocket struct {
	e       *socketEnd
	cleanup runtime.Cleanup // until the end is held
}

// socketPair is both ends of a WebSocket. All that is sent from one to the other passes through home, the loop that made it: so whoever comes
// to hold an end on whichever loop, what has waited for it comes before what is sent afterwards, and no lock is needed.
type socketPair struct {
	home *owner
	ends [2]socketEnd
}

// socketEnd is what a WebSocket stands for. A socket that hibernates is little more than two of them, so they are small.
type socketEnd struct {
	pair *socketPair

	// Safe from any loop.
	hold    atomic.Uint32          // a holdKind; it leaves holdNone once
	used    atomic.Bool            // given away in a Response
	starved atomic.Bool            // the other end's transport has stopped reading until there is room here
	toward  atomic.Int64           // bytes on their way to this end
	member  atomic.Pointer[member] // of a hibernatable one

	// Owned by the home loop.
	at      *owner        // the loop of the holder; nil: nobody holds it
	waiting *[]socketItem // what waits for a holder

	// Owned by the loop of the holder.
	handle     *WebSocket // that the holder has
	by         *origin    // the holder, of a classic one; or else its loop's outside
	sink       SocketSink // of a classic one and a transport's
	attachment *[]byte
	sentClose  bool
	gotClose   bool
	halfOpen   bool // the holder answers a Close
	mute       bool // nothing that is sent is taken any more, and the end will be told so
	ended      bool
}

// holdKind says who holds an end.
type holdKind = uint32

const (
	holdNone        holdKind = iota
	holdClassic              // an instance or an event
	holdHibernating          // an object
	holdPort                 // a transport
	holdNever                // it was dropped before anybody held it
)

// WebSocketPair makes a pair of which nobody holds an end.
func (s *State) WebSocketPair() (a, b *WebSocket) { return s.a.own.socketPair() }

// WebSocketPair is State.WebSocketPair for the event of an entry point.
func (ev *Event) WebSocketPair() (a, b *WebSocket) { return ev.owner().socketPair() }

// WebSocketPair is State.WebSocketPair for a transport: of a connection that this process has made, one end is the
// transport's and the other goes to whoever asked for the connection.
func (p *Port) WebSocketPair() (a, b *WebSocket) { return p.own.socketPair() }

func (o *owner) socketPair() (a, b *WebSocket) {
	p := &socketPair{home: o}
	p.ends[0].pair, p.ends[1].pair = p, p
	return p.ends[0].open(), p.ends[1].open()
}

// open makes the handle of an end that nobody holds. As nothing else refers to it, the collector tells when nobody ever will.
func (e *socketEnd) open() *WebSocket {
	ws := &WebSocket{e: e}
	ws.cleanup = runtime.AddCleanup(ws, (*socketEnd).dropped, e)
	return ws
}

// dropped ends the pair of an end that was never held. On any goroutine.
func (e *socketEnd) dropped() {
	home := e.pair.home
	home.loop.Post(loop.Func(func() {
		if e.hold.CompareAndSwap(holdNone, holdNever) {
			e.waiting = nil
			home.emit(&home.outside, socketItem{to: e.peer(), ending: lost})
		}
	}))
}

// peer is the other end.
func (e *socketEnd) peer() *socketEnd {
	if e == &e.pair.ends[0] {
		return &e.pair.ends[1]
	}
	return &e.pair.ends[0]
}

// HoldWebSocket makes this instance the holder of an end (accept): sink is told what comes, in turns of the object and in the critical
// section that is open now. It keeps the instance until the pair has ended; a reset ends the pair, as a lost connection. The errors are
// TypeErrors: the end is held already.
func (s *State) HoldWebSocket(ws *WebSocket, sink SocketSink) error {
	return s.a.origin.holdSocket(ws, sink)
}

// HoldWebSocket makes this event the holder of an end: the event lives until the pair has ended, and has something under way until then.
func (ev *Event) HoldWebSocket(ws *WebSocket, sink SocketSink) error {
	return ev.origin().holdSocket(ws, sink)
}

func (o *origin) holdSocket(ws *WebSocket, sink SocketSink) error {
	if !o.live() {
		return ErrReset
	}
	e := ws.e
	if err := e.claim(holdClassic); err != nil {
		return err
	}
	e.sink = sink
	if o.sockets == nil {
		o.sockets = make(map[*socketEnd]*section)
		if o.event != nil {
			o.own.socketEvents[o] = struct{}{}
		}
	}
	o.sockets[e] = o.section()
	o.hold()
	o.own.eng.metrics.sockets.Add(1)
	o.held(ws)
	return nil
}

// hold keeps an instance or event, though it has nothing to do.
func (o *origin) hold() {
	if o.actor != nil {
		o.actor.holds++
		return
	}
	o.event.holds++
}

// unhold ends what hold began.
func (o *origin) unhold() {
	if o.actor != nil {
		o.actor.holds--
		o.actor.rest()
		return
	}
	o.event.holds--
	if o.event.Watch != nil {
		o.event.Watch.Ended()
	}
}

// HoldWebSocket makes a transport the holder of an end. What has waited for it may be told before HoldWebSocket returns.
func (p *Port) HoldWebSocket(ws *WebSocket, sink SocketSink) error {
	e := ws.e
	if err := e.claim(holdPort); err != nil {
		return err
	}
	e.sink = sink
	p.own.outside.held(ws)
	p.own.drain()
	return nil
}

// claim makes the caller the holder of an end.
func (e *socketEnd) claim(kind holdKind) error {
	if e.hold.CompareAndSwap(holdNone, kind) {
		return nil
	}
	switch e.hold.Load() {
	case holdHibernating:
		return errSocketHeldHib
	case holdClassic:
		return errSocketHeld
	}
	return errSocketGone
}

// held notes that the end of ws has a holder, and tells its home.
func (o *origin) held(ws *WebSocket) {
	e, at := ws.e, o.own
	e.by, e.handle = o, ws
	ws.cleanup.Stop()
	home := e.pair.home
	if home == at {
		at.settleSocket(e, at)
		return
	}
	home.loop.Post(loop.Func(func() {
		home.settleSocket(e, at)
		home.drain()
	}))
}

// Send sends a message to the other end. It leaves the process when all that its sender knows is durable. After a lost connection it is
// silently dropped; after the holder's own Close, and before the end is held, it is refused with a TypeError. In an object or event it is called in
// its turns.
func (ws *WebSocket) Send(m *Message) error {
	e := ws.e
	switch e.hold.Load() {
	case holdNone, holdNever:
		return errSocketNotHeld
	}
	switch {
	case e.sentClose:
		return errSocketClosed
	case e.ended, e.mute:
		return nil
	}
	by, err := e.sender()
	if err != nil {
		return err
	}
	e.send(by, m, 0)
	return nil
}

// sender is who sends through the end.
func (e *socketEnd) sender() (*origin, error) {
	if e.hold.Load() != holdHibernating {
		return e.by, nil
	}
	if a := e.member.Load().set.actor; a != nil {
		return &a.origin, nil
	}
	return nil, ErrOutsideTurn
}

// send sends a message that reveals record dep, and what by knows.
func (e *socketEnd) send(by *origin, m *Message, dep wal.LSN) {
	p := e.peer()
	n := m.weight()
	if all := p.toward.Add(n); all > MaxSocketBacklog && all > n {
		p.toward.Add(-n)
		e.mute = true
		by.own.eng.logger.Warn("a WebSocket is closed: its other end does not take what is sent", "bytes", all-n)
		by.own.emit(by, socketItem{to: p, ending: &socketEnding{err: ErrSocketBacklog}})
		by.own.emit(by, socketItem{to: e, ending: lost})
		return
	}
	by.own.emit(by, socketItem{to: p, m: m, dep: dep})
}

// Close sends a Close to the other end; nothing can be sent afterwards. code 0 or CloseNoStatus sends none (the other end is told CloseNoStatus), and then
// there must be no reason. A second Close, and one after a lost connection, does nothing. It is refused, with a TypeError, an InvalidAccessError or a SyntaxError,
// for an end that is not held, a code that no frame may have, a reason without a code or that is too long.
func (ws *WebSocket) Close(code int, reason string) error {
	e := ws.e
	switch e.hold.Load() {
	case holdNone, holdNever:
		return errSocketNotHeld
	}
	if e.sentClose || e.ended || e.mute {
		return nil
	}
	if code == 0 {
		code = CloseNoStatus
	}
	switch {
	case code == CloseNoStatus && reason != "":
		return errReasonAlone
	case code != CloseNoStatus && !closeCodeValid(code):
		return &Error{Name: "InvalidAccessError", Message: fmt.Sprintf("Invalid WebSocket close code: %d.", code)}
	case len(reason) > MaxCloseReasonBytes:
		return errReasonTooLong
	}
	by, err := e.sender()
	if err != nil {
		return err
	}
	e.sendClose(by, code, reason)
	if e.gotClose {
		e.finish()
	}
	return nil
}

// closeCodeValid reports whether a Close may carry the code.
func closeCodeValid(code int) bool {
	switch code {
	case 1004, CloseNoStatus, CloseAbnormal, 1015:
		return false
	}
	return code >= 1000 && code < 5000
}

func (e *socketEnd) sendClose(by *origin, code int, reason string) {
	e.sentClose = true
	by.own.emit(by, socketItem{to: e.peer(), ending: &socketEnding{code: code, reason: reason, clean: true}})
}

// answerClose notes that the other end's Close has come, and answers it unless the holder does.
func (e *socketEnd) answerClose(by *origin, code int, reason string) {
	e.gotClose = true
	if !e.sentClose && !e.halfOpen {
		e.sendClose(by, code, reason)
	}
}

// Lost says that the holder has lost its connection: the other end is told so after all that was sent before. It does nothing to a pair
// that has ended. A transport must call Lost or Fail when its connection ends before both sides have sent a Close.
func (ws *WebSocket) Lost() { ws.e.giveUp(lost) }

// Fail is Lost for a client that broke the protocol: the other end is told err.
func (ws *WebSocket) Fail(err error) { ws.e.giveUp(&socketEnding{err: err}) }

func (e *socketEnd) giveUp(why *socketEnding) {
	switch e.hold.Load() {
	case holdNone, holdNever:
		return
	}
	if e.ended {
		return
	}
	by, err := e.sender()
	if err != nil {
		by = e.by // the object hibernates, and its loop says so
	}
	to := e.peer()
	e.finish()
	by.own.emit(by, socketItem{to: to, ending: why})
}

// finish ends the holder's part. Nothing is taken any more.
func (e *socketEnd) finish() {
	if !e.ended {
		e.ended = true
		e.release()
	}
}

// release lets the holder go.
func (e *socketEnd) release() {
	switch e.hold.Load() {
	case holdClassic:
		e.by.own.eng.metrics.sockets.Add(-1)
		delete(e.by.sockets, e)
		if len(e.by.sockets) == 0 {
			delete(e.by.own.socketEvents, e.by)
		}
		e.by.unhold()
	case holdHibernating:
		e.by.own.eng.metrics.sockets.Add(-1)
		e.member.Load().unlist()
	case holdPort:
		own := e.by.own
		if tm, ok := own.closeTimers[e]; ok {
			own.loop.Cancel(tm)
			delete(own.closeTimers, e)
		}
	}
}

// AllowHalfOpen decides who answers a Close of the other end. By default the engine does, with the same code and reason, before the holder hears of it: then the
// state is SocketClosed in its handler. With on, the holder does, when it has sent what it still wants to send; that of a hibernatable socket must do so before its
// instance is evicted. A transport always answers by itself. It may be called until the Close has come, and lasts over hibernation.
func (ws *WebSocket) AllowHalfOpen(on bool) { ws.e.halfOpen = on }

// ReadyState is the state as the holder sees it.
func (ws *WebSocket) ReadyState() ReadyState {
	switch e := ws.e; {
	case e.ended, e.sentClose && e.gotClose:
		return SocketClosed
	case e.sentClose, e.gotClose:
		return SocketClosing
	}
	return SocketOpen
}

// Held reports whether somebody holds the end. Safe from any goroutine.
func (ws *WebSocket) Held() bool { return ws.e.hold.Load() != holdNone }

// Hibernatable reports whether an object holds the end by AcceptWebSocket. Safe from any goroutine.
func (ws *WebSocket) Hibernatable() bool { return ws.e.hold.Load() == holdHibernating }

// InResponse reports whether the end has been given away in a Response. Safe from any goroutine.
func (ws *WebSocket) InResponse() bool { return ws.e.used.Load() }

// Room reports whether a transport should go on reading from its client: no more than SocketWindow is on its way to the other end, and no more
// than Options.MaxQueuedBytes of all sockets to the object that holds it. If not, its sink's Room is called when it should.
func (ws *WebSocket) Room() bool {
	p := ws.e.peer()
	if p.roomy() {
		return true
	}
	limit := int64(ws.e.by.own.eng.opts.MaxQueuedBytes)
	for {
		// Whoever makes room looks at the flags afterwards: so they are set before the last look.
		p.starved.Store(true)
		if p.roomy() {
			p.starved.Store(false)
			return true
		}
		if p.toward.Load() > SocketWindow/2 {
			return false
		}
		m := p.member.Load()
		if m == nil {
			continue
		}
		m.set.starved.Store(true)
		if m.set.queued.Load() > limit/2 {
			return false
		}
	}
}

// roomy reports whether more may be sent to e.
func (e *socketEnd) roomy() bool {
	if e.toward.Load() >= SocketWindow {
		return false
	}
	m := e.member.Load()
	return m == nil || m.set.queued.Load() < int64(m.set.own.eng.opts.MaxQueuedBytes)
}

// taken notes that n bytes have reached e, and lets the other end's transport go on. On the loop of e's holder.
func (e *socketEnd) taken(n int64) {
	if e.toward.Add(-n) > SocketWindow/2 || !e.starved.Load() {
		return
	}
	if m := e.member.Load(); m == nil || !m.set.starved.Load() { // or else it goes on when the object has taken enough of all its sockets
		e.feed()
	}
}

// feed lets the other end's transport go on, if it has stopped.
func (e *socketEnd) feed() {
	if !e.starved.CompareAndSwap(true, false) {
		return
	}
	p := e.peer()
	r, ok := p.sink.(SocketRoomer)
	if !ok {
		return
	}
	own := p.by.own
	own.loop.Post(loop.Func(func() {
		if !p.ended {
			r.Room()
		}
		own.drain()
	}))
}
