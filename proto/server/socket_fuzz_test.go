package server

import (
	"math/rand/v2"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/proto/ws"
)

// fickle is the holder of an end that does anything in answer to what it hears. Owned by the test.
type fickle struct {
	t     *testing.T
	rnd   *rand.Rand
	end   *engine.WebSocket
	ended int // how often it was told of the end
}

func (h *fickle) Message(m *engine.Message) {
	if h.ended > 0 {
		h.t.Error("a message came behind the end")
	}
	h.act(m)
}

func (h *fickle) Closed(int, string, bool) { h.ended++ }
func (h *fickle) Failed(error)             { h.ended++ }

// act does something. m may be nil.
func (h *fickle) act(m *engine.Message) {
	switch h.rnd.IntN(12) {
	case 0:
		_ = h.end.Close([]int{0, 1000, 3000, 4999}[h.rnd.IntN(4)], "")
	case 1:
		if h.rnd.IntN(4) == 0 {
			h.end.Lost()
		}
	case 2, 3, 4, 5:
		_ = h.end.Send(engine.BinaryMessage(make([]byte, h.rnd.IntN(1<<h.rnd.IntN(18)))))
	case 6, 7, 8:
		if m != nil {
			_ = h.end.Send(m)
		}
	}
}

// FuzzSocket has a client that sends anything once its WebSocket is open, in pieces, reads or not, and leaves in any way, while
// the other end does anything. Nothing panics, what the client gets are frames with nothing behind a Close, the other end is told of the end
// once, and nothing is left behind.
func FuzzSocket(f *testing.F) {
	f.Add(uint64(1), append(textFrame("hello"), closeFrame(1000, "bye")...))
	f.Add(uint64(2), append(pingFrame("p"), textFrame("\xff")...))
	f.Add(uint64(3), []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Add(uint64(4), ws.FullWindow.AppendMaskedMessage(nil, true, make([]byte, 3000), testMask))
	f.Add(uint64(5), append([]byte{0x01, 0x81, 1, 2, 3, 4, 'a' ^ 1}, 0x80, 0x81, 1, 2, 3, 4, 'b'^1))
	f.Fuzz(socketSession)
}

func socketSession(t *testing.T, seed uint64, in []byte) {
	if len(in) > 1<<16 {
		return
	}
	rnd := rand.New(rand.NewPCG(seed, 11))
	var holder *fickle
	entry := serveFunc(func(ev *engine.Event) {
		ours, theirs := ev.WebSocketPair()
		holder = &fickle{t: t, rnd: rnd, end: ours}
		if err := ev.HoldWebSocket(ours, holder); err != nil {
			t.Error(err)
		}
		ev.Respond(&engine.Response{Status: 101, WebSocket: theirs})
	})
	o := Options{Sockets: SocketOptions{
		MaxMessageBytes: 1 + rnd.IntN(100_000), MaxUnsent: 1 + rnd.IntN(1_000_000), MaxMemory: 1 + int64(rnd.IntN(2_000_000)),
	}}
	s := newStepped(t, 1, seed, entry, o)
	f := s.open("/", "sec-websocket-extensions: permessage-deflate")
	s.pool.Fragment = rnd.IntN(2) == 0
	out := f.in
	for rest := in; len(rest) > 0; {
		n := 1 + rnd.IntN(len(rest))
		f.p.Write(rest[:n])
		rest = rest[n:]
		if rnd.IntN(4) == 0 {
			f.p.StopReading(rnd.IntN(2000))
		} else {
			f.p.StartReading()
		}
		switch rnd.IntN(5) {
		case 0:
			s.pool.Run()
		case 1:
			s.pool.Advance(time.Duration(rnd.IntN(60_000)) * time.Millisecond)
		case 2:
			s.onLoop(func() { holder.act(nil) })
		}
		out = append(out, f.p.Read()...)
	}
	if rnd.IntN(8) == 0 {
		s.onLoop(func() {
			if c := f.p.Conn(); c.Context() != nil { // it is open
				s.srv.Handler().Drain(c)
			}
		})
		s.pool.Run()
	}
	f.p.StartReading()
	leave(f.p, rnd.IntN(4))
	s.pool.Advance(5 * time.Minute)
	out = append(out, f.p.Read()...)
	s.noneLeft()
	for _, h := range s.srv.loops {
		if h.socketBytes != 0 {
			t.Errorf("%d bytes are still counted (seed %d)", h.socketBytes, seed)
		}
	}
	if s.srv.Metrics().Sockets != 0 || holder.ended > 1 {
		t.Errorf("%d sockets are left, and the holder was told of the end %d times (seed %d)", s.srv.Metrics().Sockets, holder.ended, seed)
	}
	if holder.end.ReadyState() != engine.SocketClosed {
		t.Errorf("the other end is in state %d (seed %d)", holder.end.ReadyState(), seed)
	}
	wellFormed(t, seed, out)
}

func leave(p *looptest.Peer, how int) {
	switch how {
	case 0:
		p.Abort()
	case 1:
		p.CloseWrite()
	default:
		p.Close()
	}
}

// wellFormed checks what the client got.
func wellFormed(t *testing.T, seed uint64, out []byte) {
	t.Helper()
	r := ws.NewReader(ws.Options{Role: ws.Client, Deflate: true})
	for len(out) > 0 {
		n, ev, err := r.Next(out)
		out = out[n:]
		switch {
		case err != nil:
			t.Fatalf("seed %d: %v", seed, err)
		case ev.Kind == ws.NeedMore:
			return // cut off by the end
		case ev.Kind == ws.Close && len(out) > 0:
			t.Fatalf("seed %d: %d bytes behind a Close", seed, len(out))
		}
	}
}

// TestRandomSockets is FuzzSocket on many seeds with mostly sound input.
func TestRandomSockets(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		var in []byte
		for range rnd.IntN(40) {
			payload := make([]byte, rnd.IntN(1<<rnd.IntN(12)))
			switch n := rnd.IntN(100); {
			case n < 40:
				in = append(in, textFrame(string(payload))...)
			case n < 60:
				in = ws.FullWindow.AppendMaskedMessage(in, false, payload, testMask)
			case n < 75:
				in = append(in, pingFrame(string(payload[:min(125, len(payload))]))...)
			case n < 90:
				in = append(ws.AppendHeader(in, ws.Header{Opcode: ws.OpText, More: true, Masked: true}), ws.AppendHeader(nil, ws.Header{Masked: true})...)
			case n < 95:
				in = append(in, closeFrame(1000, "")...)
			default:
				in = append(in, byte(rnd.IntN(256)))
			}
		}
		socketSession(t, seed, in)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
