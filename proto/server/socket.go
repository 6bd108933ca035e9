package server

import (
	"errors"

	"everloop/engine"
	"everloop/proto"
	"everloop/proto/ws"
)

// socket is the connection of a client that has opened a WebSocket: the session that took over from that of its request, and
// the holder of the end that its response had. Frames of the client become messages for the other end, as far as that has room; what the
// other end sends becomes frames, as far as the client takes them. An idle one holds no buffer. Owned by its loop.
type socket struct {
	srv     *Server
	here    *here
	c       *proto.Conn
	end     *engine.WebSocket
	reader  ws.Reader
	deflate ws.Deflate

	// waiting are whole frames, but for the beginning of the first, that the connection has no room for. They may be shared
	// with other sockets. behind is how many bytes they have.
	waiting [][]byte
	behind  int

	held  int   // bytes of the message that is on its way, as they count for the loop
	since int64 // when something last came; within a message, when the present stretch began
	got   int   // bytes of the message in the present stretch

	inMessage bool // a message is on its way
	pinged    bool // a Ping was sent, and nothing has come since
	sentClose bool // a Close was written, or waits
	gotClose  bool // nothing more comes that means anything
	told      bool // the other end was told of a Close, or of the end
	ending    bool // the connection closes behind what waits
}

var (
	_ proto.Session       = (*socket)(nil)
	_ proto.Drainer       = (*socket)(nil)
	_ proto.Drained       = (*socket)(nil)
	_ proto.Expirer       = (*socket)(nil)
	_ engine.SocketSink   = (*socketSink)(nil)
	_ engine.SocketRoomer = (*socketSink)(nil)
)

// Why connections of WebSockets are closed by the server, beside what the client does wrong.
var (
	// ErrSilent closes the connection of a WebSocket whose client sends nothing, not even the answer to a Ping.
	ErrSilent = errors.New("server: the WebSocket's client did not answer a Ping")
	// ErrUnclosed closes the connection of a WebSocket whose client does not answer a Close.
	ErrUnclosed = errors.New("server: the WebSocket's client did not answer the Close")
	// ErrTrickle closes the connection of a WebSocket whose client sends a message too slowly.
	ErrTrickle = errors.New("server: the WebSocket's client sent a message too slowly")
	// ErrBacklog closes the connection of a WebSocket for which too much waits.
	ErrBacklog = errors.New("server: the WebSocket's client does not take what it is sent, and too much waits for it")
	// ErrCrowded closes the connection of a WebSocket in the middle of a message when too much is kept for all of them.
	ErrCrowded = errors.New("server: too many messages of WebSockets are under way")
)

// become makes a socket the next session of the connection. What the other end has sent already may be written at once; the head of the
// answer has been.
func (s *session) become(end *engine.WebSocket, deflate ws.Deflate) {
	k := &socket{srv: s.srv, here: s.here, c: s.c, end: end, deflate: deflate}
	k.reader.Reset(ws.Options{Limits: ws.Limits{MessageBytes: s.srv.opts.Sockets.MaxMessageBytes}, Deflate: deflate.Agreed()})
	s.next = k
	k.here.counters.sockets.Add(1)
	k.here.counters.socketsOpened.Add(1)
	k.since = k.here.loop.Now()
	if err := k.c.Port().HoldWebSocket(end, (*socketSink)(k)); err != nil {
		// The program has answered with an end that it holds, or with one twice.
		s.srv.opts.Logger.Error("a response's WebSocket cannot be used; its client is disconnected", "error", err)
		k.told = true
		k.close(ws.CloseInternalError, "")
		k.finish()
	}
}

// Data reads frames.
func (k *socket) Data() {
	in := k.c.Inbound()
	used := 0
	k.pinged = false
	k.heard()
	var pong []byte
	ponged := false // pong, which may be empty, is still to be sent
reading:
	for !k.gotClose && !k.ending && k.c.Room() {
		if !k.told && !k.end.Room() {
			k.c.Hold()
			break
		}
		n, ev, err := k.reader.Next(in[used:])
		used += n
		k.got += n
		if err != nil || ev.Kind == ws.Close {
			// What follows means nothing. It is dropped first, as the connection may close right now.
			k.c.Discard(len(in))
			used = 0
		}
		if err != nil {
			k.failed(err)
			break
		}
		switch ev.Kind {
		case ws.NeedMore:
			break reading
		case ws.Text, ws.Binary:
			k.message(ev)
		case ws.Ping:
			// Each is answered, as long as the client takes the answers. Of a flood only the last is (RFC 6455, 5.5.3), once
			// each time that something comes.
			if k.c.Outbound() < pongBytes {
				k.pong(ev.Data)
			} else {
				pong, ponged = ev.Data, true
			}
		case ws.Close:
			k.peerClosed(ev.Code, ev.Reason)
		}
	}
	if ponged {
		k.pong(pong)
	}
	if used == 0 && (k.gotClose || k.ending) {
		used = len(k.c.Inbound())
	}
	k.c.Discard(used)
	k.count()
	k.schedule()
}

// heard notes that something has come from the client, where no stretch of time runs on.
func (k *socket) heard() {
	if !k.inMessage && !k.sentClose {
		k.since = k.here.loop.Now()
	}
}

// message passes a message on.
func (k *socket) message(ev ws.Event) {
	k.here.counters.messagesIn.Add(1)
	k.inMessage, k.got = false, 0
	k.heard()
	if k.told {
		return // the server is closing
	}
	if err := k.end.Send(&engine.Message{Text: ev.Kind == ws.Text, Data: ev.Data}); err != nil {
		k.srv.opts.Logger.Error("a message of a WebSocket's client cannot be passed on", "error", err)
	}
}

// count counts what is kept of an unfinished message, and notes when one begins.
func (k *socket) count() {
	held := k.reader.Held()
	k.here.socketBytes += int64(held - k.held)
	k.held = held
	if held == 0 {
		k.inMessage = false
		return
	}
	if !k.inMessage {
		k.heard()
		k.inMessage, k.got = true, 0
	}
	if k.here.socketBytes > k.srv.maxSocketMemory {
		k.fail(ws.CloseTryLater, "too many messages are under way", ErrCrowded)
	}
}

// pongBytes is how much may wait for a client while each of its Pings is answered.
const pongBytes = 16 << 10

func (k *socket) pong(payload []byte) {
	if !k.sentClose {
		k.control(ws.OpPong, payload)
	}
}

// peerClosed takes the client's Close. The other end's comes as Closed, unless it was first.
func (k *socket) peerClosed(code int, reason string) {
	k.gotClose = true
	k.tellClosed(code, reason)
	if k.sentClose {
		k.finish()
	}
}

// tellClosed tells the other end of a Close.
func (k *socket) tellClosed(code int, reason string) {
	if k.told {
		return
	}
	k.told = true
	if code == ws.CloseNoStatus {
		code = 0
	}
	if err := k.end.Close(code, reason); err != nil {
		k.srv.opts.Logger.Error("the Close of a WebSocket's client cannot be passed on", "code", code, "error", err)
		k.end.Lost()
	}
}

// failed ends the connection because of what the client has sent.
func (k *socket) failed(err error) {
	code, reason := ws.CloseProtocolError, ""
	if e, ok := errors.AsType[*ws.Error](err); ok {
		code, reason = e.Code, e.Reason
	}
	k.fail(code, reason, err)
}

// fail ends the connection through the client's fault, and says so to both sides (RFC 6455, 7.1.7).
func (k *socket) fail(code int, reason string, err error) {
	k.here.counters.socketsFailed.Add(1)
	if !k.told {
		k.told = true
		k.end.Fail(err)
	}
	k.close(code, reason)
	k.gotClose = true // it may still come, and nobody waits for it
	k.finish()
}

// Closed is part of [proto.Session].
func (k *socket) Closed(err error) {
	k.here.socketBytes -= int64(k.held + k.behind)
	k.held, k.behind, k.waiting = 0, 0, nil
	c := &k.here.counters
	c.sockets.Add(-1)
	switch {
	case errors.Is(err, ErrSilent):
		c.socketsSilent.Add(1)
	case errors.Is(err, ErrBacklog), errors.Is(err, proto.ErrStalled):
		c.socketsSlow.Add(1)
	}
	if err != nil {
		k.srv.opts.Logger.Debug("the connection of a WebSocket was lost", "remote", k.c.RemoteAddr(), "error", err)
	}
	k.end.Lost() // which means nothing if both sides have closed
}

// Drain is part of [proto.Drainer]: the server closes. The other end hears of it as of a client that goes away.
func (k *socket) Drain() {
	if k.ending || k.sentClose {
		return // and does not wait for the client for long
	}
	k.close(ws.CloseGoingAway, "")
	k.tellClosed(ws.CloseGoingAway, "")
	if k.gotClose {
		k.finish()
		return
	}
	k.c.Proceed() // the client's Close may be behind what the other end had no room for
	k.schedule()
}

// schedule sets the deadline for what the session waits for.
func (k *socket) schedule() {
	if k.c.Finishing() || k.c.Gone() {
		return
	}
	o := &k.srv.opts
	at := int64(proto.NoDeadline)
	switch {
	case k.ending: // the time-out of writing runs
	case k.gotClose: // the other end may go on sending
	case k.sentClose:
		at = k.since + engine.CloseTimeout.Milliseconds()
	case k.c.Held(): // nothing is the client's fault
	case k.inMessage:
		at = k.since + o.BodyTimeout.Milliseconds()
	case o.Sockets.KeepAlive < 0:
	case k.pinged:
		at = k.since + o.Sockets.PongTimeout.Milliseconds()
	default:
		at = k.since + o.Sockets.KeepAlive.Milliseconds()
	}
	k.c.SetDeadline(at)
}

// Expired is part of [proto.Expirer].
func (k *socket) Expired() {
	now := k.here.loop.Now()
	switch {
	case k.sentClose:
		k.abort(ErrUnclosed)
		return
	case k.inMessage && k.got < int(k.srv.minBodyBytes):
		k.fail(ws.ClosePolicy, "the message came too slowly", ErrTrickle)
		return
	case k.inMessage:
		k.got = 0
	case k.c.Outbound() > 0:
		// It takes what was sent, or the time-out of writing strikes; meanwhile it may not be read from.
	case k.pinged:
		k.abort(ErrSilent)
		return
	default:
		k.control(ws.OpPing, nil)
		k.pinged = true
	}
	k.since = now
	k.schedule()
}
