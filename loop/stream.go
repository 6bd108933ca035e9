package loop

import (
	"net"
	"time"
)

// Defaults of [ListenOptions].
const (
	DefaultMaxInbound   = 256 << 10
	DefaultMaxOutbound  = 16 << 20
	DefaultLowWater     = 64 << 10
	DefaultCloseTimeout = 5 * time.Second
	DefaultFullAfter    = 5 * time.Second
)

// EnsureDefaults fills in what is zero, except MaxConns, whose default the pool works out.
func (o *ListenOptions) EnsureDefaults() {
	if o.MaxInbound <= 0 {
		o.MaxInbound = DefaultMaxInbound
	}
	if o.MaxOutbound <= 0 {
		o.MaxOutbound = DefaultMaxOutbound
	}
	if o.LowWater <= 0 {
		o.LowWater = DefaultLowWater
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = DefaultCloseTimeout
	}
	if o.FullAfter <= 0 {
		o.FullAfter = DefaultFullAfter
	}
}

// Drainer is an optional interface of a [Handler]: Drain is called, once for each open connection, when the
// pool begins to close. The handler finishes what is in flight and then closes the connection; one that is
// idle it closes at once. Connections of other handlers live until their peer closes, or the pool's patience
// ends.
type Drainer interface{ Drain(c Conn) }

// HalfCloser is an optional interface of a [Handler]. When the peer has finished sending, but may still be
// reading (as `printf PING | nc` does), HalfClosed is called instead of Closed: nothing more arrives, answers
// can still be written, and the handler must Close the connection after the last one. Without it, the end of
// what the peer sends is the end of the connection.
type HalfCloser interface{ HalfClosed(c Conn) }

// Transport is what a [Stream] needs from the socket below it. Every method is called on the loop, and none
// calls the stream back.
type Transport interface {
	// Write sends what can be sent at once. If that is not all (and err is nil), it sees to it that
	// Writable is called when there is room again.
	Write(b []byte) (n int, err error)
	// Pause stops Receive from being called, and Resume allows it again.
	Pause()
	Resume()
	// Unread reports whether the peer has sent bytes that were not received: closing now would reset the
	// connection, and might take from the peer what it has not read yet.
	Unread() bool
	// CloseWrite tells the peer that nothing more will be sent.
	CloseWrite()
	// Close lets go of the socket, at once. Nothing is called afterwards.
	Close()
}

// Stream is a [Conn] on a [Core]: its buffers, its bounds and the order of its events, with the socket left
// to a [Transport]. Owned by its loop. An idle one holds no buffer.
//
// The driver calls Receive, HalfClose, Writable and Lost, each after Core.Begin. Handlers are called only
// from Open and Receive and from the beginning of a round (see serve), never from inside a method that a
// handler can call; so no handler is ever re-entered.
type Stream struct {
	core      *Core
	transport Transport
	handler   Handler
	opts      *ListenOptions // shared by all connections of a listener
	id        uint64
	local     net.Addr
	remote    net.Addr
	context   any
	onClosed  func() // the pool's own ear; after Closed
	err       error  // what Closed will be given

	inbound  queue
	borrowed []byte // in a call of Data: bytes behind inbound's that are still the driver's
	outbound queue
	timeout  Timer // of Close

	next, prev *Stream // core.streams

	state    streamState
	owed     owed // events that the handler has yet to be told of
	queued   bool // in core.events
	dirty    bool // in core.dirty
	paused   bool // by PauseReading
	full     bool // inbound has reached its bound
	stopped  bool // the transport was told to pause
	ended    bool // the peer has finished sending
	blocked  bool // the transport will call Writable
	above    bool // outbound has been above the low-water mark since Drained was last called
	draining bool // Drain was called
}

type streamState uint8

const (
	open      streamState = iota
	closing               // Close was called: waits for outbound to empty
	lingering             // all is sent: waits for the peer to close, so as not to reset it
	closed                // the transport is gone
)

type owed uint8

const (
	oweData owed = 1 << iota
	oweHalfClosed
	oweDrained
	oweDrain
	oweClosed
)

// NewStream makes a connection on core. opts must have its defaults. onClosed, if not nil, is called after the
// handler's Closed. Call Open next.
func NewStream(core *Core, t Transport, id uint64, h Handler, opts *ListenOptions, local, remote net.Addr, onClosed func()) *Stream {
	s := &Stream{core: core, transport: t, handler: h, opts: opts, id: id, local: local, remote: remote, onClosed: onClosed}
	if s.next = core.streams; s.next != nil {
		s.next.prev = s
	}
	core.streams = s
	return s
}

// Open tells the handler of the connection.
func (s *Stream) Open() {
	s.core.calling = true
	defer s.core.guard(s)
	s.handler.Open(s)
	s.core.calling = false
}

// Receive brings bytes from the peer. b need not outlive the call.
func (s *Stream) Receive(b []byte) {
	if s.state != open {
		return // nothing more is read; lingering only empties the socket
	}
	if s.paused {
		s.inbound.append(&s.core.buffers, b) // was on its way when reading was paused
		return
	}
	if s.inbound.len() > 0 {
		s.inbound.append(&s.core.buffers, b)
		b = nil
	}
	s.borrowed = b
	s.data()
	if len(s.borrowed) > 0 {
		s.inbound.append(&s.core.buffers, s.borrowed)
	}
	s.borrowed = nil
	s.settleReading()
}

// HalfClose says that the peer has finished sending. It reports whether the socket must be kept, because there
// is still something to send; otherwise the connection is lost and the driver lets go of the socket.
func (s *Stream) HalfClose() (keep bool) {
	_, cares := s.handler.(HalfCloser)
	switch {
	case s.state == open && cares:
		s.ended = true
		s.owe(oweHalfClosed)
	case s.state == open && s.outbound.len() > 0:
		s.ended = true
		s.Close(nil)
	case s.state == closing:
		s.ended = true
	default:
		s.Lost(nil)
		return false
	}
	return true
}

// Writable says that the transport can take bytes again.
func (s *Stream) Writable() {
	s.blocked = false
	s.send()
}

// Lost says that the peer has closed (err is nil) or the connection broke. The driver lets go of the socket
// after the call; for an orderly end, what waits to be sent gets a last chance before.
func (s *Stream) Lost(err error) {
	if s.state == closed {
		return
	}
	if err == nil && s.outbound.len() > 0 {
		_, _ = s.transport.Write(s.outbound.bytes())
	}
	if s.state != open {
		err = s.err
	}
	s.end(err)
}

// Drain passes on that the pool has begun to close.
func (s *Stream) Drain() {
	if _, ok := s.handler.(Drainer); ok && !s.draining && s.state == open {
		s.draining = true
		s.owe(oweDrain)
	}
}

// Loop is part of [Conn].
func (s *Stream) Loop() Loop { return s.core }

// ID is part of [Conn].
func (s *Stream) ID() uint64 { return s.id }

// LocalAddr is part of [Conn].
func (s *Stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr is part of [Conn].
func (s *Stream) RemoteAddr() net.Addr { return s.remote }

// Inbound is part of [Conn].
func (s *Stream) Inbound() []byte {
	if s.state != open {
		return nil
	}
	if len(s.borrowed) > 0 {
		return s.borrowed // then the queue is empty: Receive sees to that
	}
	return s.inbound.bytes()
}

// Discard is part of [Conn].
func (s *Stream) Discard(n int) {
	if s.state != open || n <= 0 {
		return
	}
	if len(s.borrowed) > 0 {
		s.borrowed = s.borrowed[min(n, len(s.borrowed)):]
		return
	}
	if n = min(n, s.inbound.len()); n > 0 {
		s.inbound.take(&s.core.buffers, n)
		s.settleReading()
	}
}

// PauseReading is part of [Conn].
func (s *Stream) PauseReading() {
	s.paused = true
	s.settleReading()
}

// ResumeReading is part of [Conn].
func (s *Stream) ResumeReading() {
	if s.state != open || !s.paused {
		return
	}
	s.paused = false
	s.settleReading()
	if len(s.Inbound()) > 0 {
		s.owe(oweData)
	}
}

// Write is part of [Conn].
func (s *Stream) Write(b []byte) error {
	if s.state != open {
		return ErrClosed
	}
	if s.outbound.len()+len(b) > s.opts.MaxOutbound {
		// The peer may have made room since, or this round alone may have written this much.
		s.send()
		if s.state != open {
			return ErrClosed
		}
		if s.outbound.len()+len(b) > s.opts.MaxOutbound {
			s.Abort(ErrSlowReader)
			return ErrSlowReader
		}
	}
	if len(b) >= directBytes && s.outbound.len() == 0 && !s.blocked {
		n, err := s.transport.Write(b)
		if err != nil {
			s.Abort(err)
			return ErrClosed
		}
		all := len(b)
		b = b[n:]
		s.blocked = len(b) > 0
		if all > s.opts.LowWater && len(b) <= s.opts.LowWater {
			s.owe(oweDrained) // as if it had waited for the end of the round
		}
	}
	s.outbound.append(&s.core.buffers, b)
	if s.outbound.len() > s.opts.LowWater {
		s.above = true
	}
	s.markDirty()
	return nil
}

// directBytes is the size from which Write sends at once what nothing waits before: the call into the kernel costs less than a copy, and
// a thousand connections that are sent the same in one round need no buffers for it.
const directBytes = 8 << 10

// Outbound is part of [Conn].
func (s *Stream) Outbound() int { return s.outbound.len() }

// Flush is part of [Conn].
func (s *Stream) Flush() error {
	if s.state != open {
		return ErrClosed
	}
	s.send()
	if s.state != open {
		return ErrClosed
	}
	return nil
}

// Close is part of [Conn].
func (s *Stream) Close(err error) {
	if s.state != open {
		return
	}
	s.state, s.err = closing, err
	s.settleReading()
	s.timeout = s.core.At(s.core.now+s.opts.CloseTimeout.Milliseconds(), (*closeTimeout)(s))
	s.markDirty() // even with nothing to send: the flush is where closing goes on
}

// Abort is part of [Conn].
func (s *Stream) Abort(err error) {
	if s.state == closed {
		return
	}
	if s.state != open {
		err = s.err
	}
	s.end(err)
	s.transport.Close()
}

// SetHandler is part of [Conn].
func (s *Stream) SetHandler(h Handler) {
	s.handler = h
	if len(s.Inbound()) > 0 {
		s.owe(oweData)
	}
}

// Context is part of [Conn].
func (s *Stream) Context() any { return s.context }

// SetContext is part of [Conn].
func (s *Stream) SetContext(v any) { s.context = v }

// closeTimeout is a Stream as the task of its own close timer, so that arming it allocates nothing.
type closeTimeout Stream

// Run gives up on a peer that does not take what was written, or does not close.
func (t *closeTimeout) Run() { (*Stream)(t).Abort(nil) } // Abort keeps the error of Close

// markDirty puts the stream on the list of those to be flushed at the end of the round.
func (s *Stream) markDirty() {
	if !s.dirty && !s.blocked {
		s.dirty = true
		s.core.dirty = append(s.core.dirty, s)
		s.core.wantTurn()
	}
}

// settleReading tells the transport to pause or to go on, as all the reasons for either come out.
func (s *Stream) settleReading() {
	if s.state == closed || s.ended {
		return
	}
	s.full = s.inbound.len() >= s.opts.MaxInbound
	stop := s.state == closing || s.state == open && (s.paused || s.full)
	if stop == s.stopped {
		return
	}
	s.stopped = stop
	if stop {
		s.transport.Pause()
	} else {
		s.transport.Resume()
	}
}

// send writes what waits, as far as the transport takes it, and goes on with closing when nothing is left.
func (s *Stream) send() {
	if s.state == closed || s.state == lingering {
		return
	}
	if n := s.outbound.len(); n > 0 && !s.blocked {
		sent, err := s.transport.Write(s.outbound.bytes())
		if err != nil {
			s.Abort(err)
			return
		}
		s.blocked = sent < n
		s.outbound.take(&s.core.buffers, sent)
		if s.above && s.outbound.len() <= s.opts.LowWater {
			s.above = false
			s.owe(oweDrained)
		}
	}
	if s.state != closing || s.outbound.len() > 0 {
		return
	}
	if s.ended || s.inbound.len() == 0 && !s.transport.Unread() {
		s.end(s.err)
		s.transport.Close()
		return
	}
	// The peer is still sending. If the socket were closed now, the kernel would answer with a reset, and
	// the peer might never see what was written last (an error message, say). So end our half only, and
	// throw away what comes until the peer has closed too or the time of Close is up.
	s.state = lingering
	s.inbound.take(&s.core.buffers, s.inbound.len())
	s.transport.CloseWrite()
	s.settleReading()
}

// end makes the stream closed: from here on it touches no socket. Closed is called from the next round.
func (s *Stream) end(err error) {
	s.state, s.err = closed, err
	s.core.Cancel(s.timeout)
	s.borrowed = nil
	if s.core.calling {
		s.inbound = queue{} // a handler may hold it until it returns: not to be recycled
	} else {
		s.inbound.take(&s.core.buffers, s.inbound.len())
	}
	s.outbound.take(&s.core.buffers, s.outbound.len())
	s.owe(oweClosed)
}

// owe notes an event that the handler is to be told of from the beginning of a round.
func (s *Stream) owe(e owed) {
	s.owed |= e
	if !s.queued {
		s.queued = true
		s.core.events = append(s.core.events, s)
		s.core.wantTurn()
	}
}

// serve calls the handler for all that is owed.
func (s *Stream) serve() {
	owed := s.owed
	s.owed, s.queued = 0, false
	if owed&oweData != 0 && s.state == open && !s.paused && s.inbound.len() > 0 {
		s.data()
	}
	if owed&oweHalfClosed != 0 && s.state == open {
		s.call((*Stream).callHalfClosed)
	}
	if owed&oweDrained != 0 && s.state == open {
		s.call((*Stream).callDrained)
	}
	if owed&oweDrain != 0 && s.state == open {
		s.call((*Stream).callDrain)
	}
	if owed&oweClosed == 0 {
		return
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		s.core.streams = s.next
	}
	s.next, s.prev = nil, nil
	s.call((*Stream).callClosed)
	s.context = nil
	if s.onClosed != nil {
		s.onClosed()
	}
}

// data calls Data.
func (s *Stream) data() {
	s.core.calling = true
	defer s.core.guard(s)
	s.handler.Data(s)
	s.core.calling = false
}

func (s *Stream) call(f func(*Stream)) {
	s.core.calling = true
	defer s.core.guard(s)
	f(s)
	s.core.calling = false
}

func (s *Stream) callDrained() { s.handler.Drained(s) }
func (s *Stream) callClosed()  { s.handler.Closed(s, s.err) }

func (s *Stream) callHalfClosed() {
	if h, ok := s.handler.(HalfCloser); ok {
		h.HalfClosed(s)
	} else {
		s.Close(nil)
	}
}

func (s *Stream) callDrain() {
	if h, ok := s.handler.(Drainer); ok {
		h.Drain(s)
	}
}
