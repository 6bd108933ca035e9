package server

import (
	"everloop/engine"
	"everloop/proto/ws"
)

// What a WebSocket's client is sent. The connection's buffer takes what its client will soon take; what has no room there waits as it was
// encoded, so that a message to many slow clients is in memory once.

// Forms of a message's encoding, each made once for all sockets that it is sent to.
const (
	formPlain = iota
	formDeflated
)

// socketSink is a socket as the holder of its end. It is a type of its own because a connection is Closed, too.
type socketSink socket

// Message is part of [engine.SocketSink].
func (s *socketSink) Message(m *engine.Message) {
	k := (*socket)(s)
	if k.sentClose || k.ending || k.c.Gone() {
		return
	}
	if k.c.Outbound()+k.behind > k.srv.opts.Sockets.MaxUnsent {
		k.abort(ErrBacklog)
		return
	}
	k.here.counters.messagesOut.Add(1)
	k.push(k.encoded(m))
}

// encoded returns the frame of a message, which is shared.
func (k *socket) encoded(m *engine.Message) []byte {
	switch {
	case !k.deflate.Agreed():
		return m.Encoded(formPlain, encodePlain)
	case k.deflate.Shared(len(m.Data)):
		return m.Encoded(formDeflated, encodeDeflated)
	}
	return k.deflate.AppendMessage(nil, m.Text, m.Data)
}

func encodePlain(m *engine.Message) []byte {
	return ws.AppendFrame(make([]byte, 0, ws.MaxHeaderBytes+len(m.Data)), ws.MessageOpcode(m.Text), m.Data)
}

func encodeDeflated(m *engine.Message) []byte {
	return ws.FullWindow.AppendMessage(nil, m.Text, m.Data)
}

// Closed is part of [engine.SocketSink]: the other end has closed, or is gone.
func (s *socketSink) Closed(code int, reason string, clean bool) {
	k := (*socket)(s)
	if !clean {
		// No Close: the client hears that the connection is lost.
		k.told, k.gotClose = true, true
		k.finish()
		return
	}
	if code == engine.CloseNoStatus {
		code = 0
	}
	if !k.sentClose {
		k.close(code, reason)
	}
	if k.gotClose {
		k.finish()
		return
	}
	k.schedule()
}

// Failed is part of [engine.SocketSink].
func (s *socketSink) Failed(error) { s.Closed(engine.CloseAbnormal, "", false) }

// Room is part of [engine.SocketRoomer]: the other end has room again.
func (s *socketSink) Room() {
	k := (*socket)(s)
	if !k.c.Held() {
		return
	}
	k.got = 0
	if !k.sentClose {
		k.since = k.here.loop.Now()
	}
	k.c.Proceed()
	k.schedule()
}

// close writes a Close behind what waits. The client has engine.CloseTimeout to answer it.
func (k *socket) close(code int, reason string) {
	if k.sentClose {
		return
	}
	k.sentClose = true
	k.since = k.here.loop.Now()
	var buf [ws.MaxHeaderBytes + ws.MaxControlBytes]byte
	k.small(ws.AppendClose(buf[:0], code, reason))
}

// control writes a control frame.
func (k *socket) control(op ws.Opcode, payload []byte) {
	var buf [ws.MaxHeaderBytes + ws.MaxControlBytes]byte
	k.small(ws.AppendFrame(buf[:0], op, payload))
}

// small writes a frame behind what waits, whether there is room or not.
func (k *socket) small(b []byte) {
	if len(k.waiting) == 0 {
		_ = k.c.Write(b) // fails only if the connection has closed
		return
	}
	k.push(append([]byte(nil), b...))
}

// push sends b, which must not be changed afterwards.
func (k *socket) push(b []byte) {
	if len(k.waiting) == 0 {
		b = k.write(b)
	}
	if len(b) == 0 || k.c.Gone() {
		return
	}
	k.waiting = append(k.waiting, b)
	k.behind += len(b)
	k.here.socketBytes += int64(len(b))
	if k.here.socketBytes > k.srv.maxSocketMemory {
		k.abort(ErrBacklog)
	}
}

// write gives the connection what it has room for, and returns the rest.
func (k *socket) write(b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), k.c.WriteRoom())
		if n == 0 {
			// A client that reads fast gets a long message in one go.
			if k.c.Flush() != nil {
				return b
			}
			if n = min(len(b), k.c.WriteRoom()); n == 0 {
				return b // goes on in Drained
			}
		}
		if k.c.Write(b[:n]) != nil {
			return b
		}
		b = b[n:]
	}
	return nil
}

// Drained is part of [proto.Drained].
func (k *socket) Drained() {
	for len(k.waiting) > 0 {
		b := k.waiting[0]
		rest := k.write(b)
		sent := len(b) - len(rest)
		k.behind -= sent
		k.here.socketBytes -= int64(sent)
		if len(rest) > 0 {
			k.waiting[0] = rest
			return
		}
		k.waiting[0] = nil
		k.waiting = k.waiting[1:]
	}
	k.waiting = nil
	if k.ending {
		k.c.Finish()
	}
}

// finish closes the connection behind what waits.
func (k *socket) finish() {
	k.ending = true
	if len(k.waiting) == 0 {
		k.c.Finish()
	}
}

// abort closes the connection at once. The other end hears it when Closed is called.
func (k *socket) abort(err error) {
	k.ending = true
	k.c.Abort(err)
}
