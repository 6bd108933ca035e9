package server

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/proto/ws"
	"everloop/wal"
	"everloop/wal/waltest"
)

// handshake is a request for a WebSocket, with further fields.
func handshake(path string, fields ...string) string {
	s := "GET " + path + " HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n" +
		"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, f := range fields {
		s += f + "\r\n"
	}
	return s + "\r\n"
}

// held is a sink of a test: it notes what its end is told. echo sends messages back.
type held struct {
	end  *engine.WebSocket
	echo bool
	got  []string
}

func (h *held) Message(m *engine.Message) {
	h.note("message %s", shown(m))
	if h.echo {
		_ = h.end.Send(m)
	}
}

func (h *held) Closed(code int, reason string, clean bool) {
	h.note("closed %d %q %v", code, reason, clean)
}
func (h *held) Failed(err error) { h.note("failed %v", err) }

func (h *held) note(format string, args ...any) { h.got = append(h.got, fmt.Sprintf(format, args...)) }

// take returns what was noted since it was called last.
func (h *held) take() string {
	s := strings.Join(h.got, "; ")
	h.got = nil
	return s
}

func shown(m *engine.Message) string {
	if len(m.Data) > 60 {
		return fmt.Sprintf("%d bytes", len(m.Data))
	}
	if m.Text {
		return string(m.Data)
	}
	return fmt.Sprintf("%x", m.Data)
}

// sockets is an entry point that answers every request for a WebSocket with one, and holds its other end. Owned by the test.
type sockets struct {
	echo   bool
	fields engine.Header
	all    []*held
	before func(h *held) // in the turn that answers, if set
	hidden bool          // does not hold its end
}

func (e *sockets) Serve(ev *engine.Event) {
	if !strings.EqualFold(ev.Request.Header.Get("upgrade"), "websocket") && ev.Request.URL != "http://x/force" {
		ev.Respond(engine.TextResponse(200, "plain "+ev.Request.URL+"\n"))
		return
	}
	ours, theirs := ev.WebSocketPair()
	h := &held{end: ours, echo: e.echo}
	if !e.hidden {
		if err := ev.HoldWebSocket(ours, h); err != nil {
			ev.Fail(err)
			return
		}
	}
	e.all = append(e.all, h)
	if e.before != nil {
		e.before(h)
	}
	ev.Respond(&engine.Response{Status: 101, WebSocket: theirs, Header: e.fields})
}

// last is the end that was held last.
func (e *sockets) last() *held { return e.all[len(e.all)-1] }

// frames is the client's side of a connection in memory.
type frames struct {
	t      *testing.T
	s      *stepped
	p      *looptest.Peer
	reader *ws.Reader
	in     []byte
	head   string // of the answer
}

// open dials, opens a WebSocket, and returns when the answer is there.
func (s *stepped) open(path string, fields ...string) *frames {
	t := s.t.(*testing.T)
	t.Helper()
	f := &frames{t: t, s: s, p: s.dial()}
	f.p.Write([]byte(handshake(path, fields...)))
	s.pool.Run()
	f.answered()
	return f
}

func (f *frames) answered() {
	f.t.Helper()
	in := f.p.Read()
	i := bytes.Index(in, []byte("\r\n\r\n"))
	if i < 0 || !bytes.HasPrefix(in, []byte("HTTP/1.1 101 ")) {
		f.t.Fatalf("no WebSocket was opened: %q", in)
	}
	f.head, f.in = string(in[:i+4]), in[i+4:]
	f.reader = ws.NewReader(ws.Options{Role: ws.Client, Deflate: strings.Contains(f.head, "permessage-deflate")})
}

// raw sends bytes, runs everything, and returns what has come.
func (f *frames) raw(b []byte) string {
	f.p.Write(b)
	f.s.pool.Run()
	return f.read()
}

// read returns what has come: each frame as a word, and "end" at the connection's end.
func (f *frames) read() string {
	f.t.Helper()
	f.in = append(f.in, f.p.Read()...)
	var got []string
	for {
		n, ev, err := f.reader.Next(f.in)
		f.in = f.in[n:]
		if err != nil {
			f.t.Fatalf("the server has sent what is no frame: %v", err)
		}
		switch ev.Kind {
		case ws.NeedMore:
			if f.p.EOF() {
				got = append(got, "end")
			}
			return strings.Join(got, "; ")
		case ws.Text, ws.Binary:
			got = append(got, shown(&engine.Message{Text: ev.Kind == ws.Text, Data: ev.Data}))
		case ws.Ping:
			got = append(got, fmt.Sprintf("ping %q", ev.Data))
		case ws.Pong:
			got = append(got, fmt.Sprintf("pong %q", ev.Data))
		case ws.Close:
			got = append(got, fmt.Sprintf("close %d %q", ev.Code, ev.Reason))
		}
	}
}

var testMask = [4]byte{0x11, 0x92, 0xf3, 0x04}

func textFrame(s string) []byte { return ws.AppendMaskedFrame(nil, ws.OpText, []byte(s), testMask) }

func pingFrame(s string) []byte { return ws.AppendMaskedFrame(nil, ws.OpPing, []byte(s), testMask) }

func closeFrame(code int, reason string) []byte {
	return ws.AppendMaskedClose(nil, code, reason, testMask)
}

// expect fails the test if got is something else.
func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got  %s\n want %s", what, got, want)
	}
}

func TestSocketEchoes(t *testing.T) {
	e := &sockets{echo: true}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/chat")
	if !strings.Contains(f.head, "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") { // the example of RFC 6455, 1.3
		t.Errorf("the answer is %q", f.head)
	}
	expect(t, "an echo", f.raw(textFrame("hello")), "hello")
	expect(t, "bytes", f.raw(ws.AppendMaskedFrame(nil, ws.OpBinary, []byte{1, 2}, testMask)), "0102")
	expect(t, "several at once", f.raw(append(textFrame("a"), textFrame("b")...)), "a; b")
	expect(t, "a ping", f.raw(pingFrame("x")), `pong "x"`)
	expect(t, "a close", f.raw(closeFrame(1000, "bye")), `close 1000 "bye"; end`)
	expect(t, "the object", e.last().take(), `message hello; message 0102; message a; message b; closed 1000 "bye" true`)
	s.noneLeft()
}

// What was sent in the turn that opens the socket, and frames that came before the answer, are in order.
func TestSocketFramesAroundTheAnswer(t *testing.T) {
	e := &sockets{echo: true, before: func(h *held) {
		_ = h.end.Send(engine.TextMessage("first"))
		_ = h.end.Send(engine.TextMessage("second"))
	}}
	for seed := range uint64(20) {
		s := newStepped(t, 1, seed, e, Options{})
		s.pool.Fragment = seed%2 == 0
		f := &frames{t: t, s: s, p: s.dial()}
		// An HTTP request before, and frames right behind the request for the socket.
		f.p.Write([]byte(get("/before") + handshake("/chat") + string(textFrame("early")) + string(textFrame("bird"))))
		s.pool.Run()
		in := string(f.p.Read())
		at := strings.Index(in, "HTTP/1.1 101")
		if at < 0 || !strings.Contains(in[:at], "plain http://x/before") {
			t.Fatalf("the answer is %q", in)
		}
		f.p.Write(nil)
		f.in = []byte(in[at:])
		i := bytes.Index(f.in, []byte("\r\n\r\n"))
		f.in, f.reader = f.in[i+4:], ws.NewReader(ws.Options{Role: ws.Client})
		expect(t, "frames", f.read(), "first; second; early; bird")
		f.raw(closeFrame(1000, ""))
		s.noneLeft()
	}
}

// A request for a WebSocket that is answered in another way is a request, and so is what comes behind it.
func TestUpgradeAnsweredPlainly(t *testing.T) {
	p := &pending{}
	s := newStepped(t, 1, 1, p, Options{})
	c := s.dial()
	if got := s.send(c, handshake("/a")+get("/b")+get("/c")); got != "" || len(p.events) != 1 {
		t.Fatalf("%d requests were passed on before the first was answered: %q", len(p.events), got)
	}
	s.onLoop(func() { p.answer(0, engine.TextResponse(403, "no\n")) })
	s.pool.Run()
	if len(p.events) != 3 {
		t.Fatalf("%d requests were passed on", len(p.events))
	}
	s.onLoop(func() { p.answer(2, engine.TextResponse(200, "c\n")); p.answer(1, engine.TextResponse(200, "b\n")) })
	s.pool.Run()
	statuses, bodies := answers(t, string(c.Read()))
	expect(t, "the answers", fmt.Sprint(statuses, bodies), "[403 200 200] [no\n b\n c\n]")
	c.Close()
	s.pool.Run()
	s.noneLeft()
}

// A client that leaves while its request for a WebSocket is under way is noticed, and one that has left gets none.
func TestUpgradeOfAClientThatLeaves(t *testing.T) {
	p := &pending{}
	s := newStepped(t, 1, 1, p, Options{})
	c := s.dial()
	s.send(c, handshake("/")+string(textFrame("early")))
	left := false
	s.onLoop(func() { p.events[0].OnLeave(func(l bool) { left = l }) })
	s.pool.Run()
	c.CloseWrite() // which is how a socket that was closed begins
	s.pool.Run()
	if !left {
		t.Error("it was not noticed that the client has left")
	}
	h := &held{}
	s.onLoop(func() {
		ours, theirs := p.events[0].WebSocketPair()
		h.end = ours
		if err := p.events[0].HoldWebSocket(ours, h); err != nil {
			t.Error(err)
		}
		p.events[0].Respond(&engine.Response{Status: 101, WebSocket: theirs})
	})
	s.pool.Run()
	expect(t, "the object", h.take(), `message early; closed 1006 "WebSocket disconnected without sending Close frame." false`)
	s.noneLeft()
}

func TestUpgradeRefused(t *testing.T) {
	get := "GET / HTTP/1.1\r\nhost: x\r\n"
	upgrade := "upgrade: websocket\r\nconnection: upgrade\r\n"
	key := "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	version := "sec-websocket-version: 13\r\n"
	for _, tc := range []struct {
		name, in, want string
	}{
		{"no version", get + upgrade + key + "\r\n", "426"},
		{"version 8", get + upgrade + key + "sec-websocket-version: 8\r\n\r\n", "426"},
		{"no key", get + upgrade + version + "\r\n", "400"},
		{"a key that is no base64", get + upgrade + version + "sec-websocket-key: %%%\r\n\r\n", "400"},
		{"a key of 15 bytes", get + upgrade + version + "sec-websocket-key: AAAAAAAAAAAAAAAAAAAA\r\n\r\n", "400"},
		{"no connection", get + "upgrade: websocket\r\n" + key + version + "\r\n", "400"},
		{"POST", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n" + upgrade + key + version + "\r\n", "400"},
		{"a body", get + "content-length: 3\r\n" + upgrade + key + version + "\r\nabc", "400"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nhost: x\r\n" + upgrade + key + version + "\r\n", "400"},
		{"not asked for", "GET /force HTTP/1.1\r\nhost: x\r\n\r\n", "500"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &sockets{}
			s := newStepped(t, 1, 1, e, Options{})
			c := s.dial()
			got := s.send(c, tc.in)
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.want+" ") {
				t.Fatalf("the answer is %q", got)
			}
			if version := strings.Contains(got, "sec-websocket-version: 13\r\n"); version != (tc.want == "426") {
				t.Errorf("the answer is %q", got)
			}
			if tc.want == "500" && !strings.Contains(s.log.String(), `did not contain the header \"Upgrade: websocket\"`) {
				t.Errorf("the log has %s", s.log)
			}
			// The object hears that nobody got its socket.
			expect(t, "the object", e.last().take(), `closed 1006 "WebSocket disconnected without sending Close frame." false`)
			c.Close()
			s.pool.Run()
			s.noneLeft()
		})
	}
}

func TestUpgradeResponse(t *testing.T) {
	e := &sockets{fields: engine.Header{
		{Name: "sec-websocket-protocol", Value: "chat.v2"},
		{Name: "set-cookie", Value: "a=1"},
		{Name: "content-length", Value: "7"},
		{Name: "sec-websocket-accept", Value: "mine"},
		{Name: "connection", Value: "close"},
		{Name: "sec-websocket-extensions", Value: "x"},
	}}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/", "sec-websocket-protocol: chat.v1, chat.v2")
	want := "HTTP/1.1 101 Switching Protocols\r\n" +
		"upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"sec-websocket-protocol: chat.v2\r\nset-cookie: a=1\r\nconnection: upgrade\r\n\r\n"
	expect(t, "the answer", f.head, want)
	f.p.Close()
	s.pool.Run()

	// A protocol that was not offered would make the client close.
	c := s.dial()
	if got := s.send(c, handshake("/", "sec-websocket-protocol: chat.v1")); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("the answer is %q", got)
	}
	if !strings.Contains(s.log.String(), "chat.v2") {
		t.Errorf("the log has %s", s.log)
	}
	e.fields = engine.Header{{Name: "location", Value: "/\r\nset-cookie: evil=1"}}
	if got := s.send(c, handshake("/")); !strings.HasPrefix(got, "HTTP/1.1 500 ") || strings.Contains(got, "evil") {
		t.Errorf("the answer is %q", got)
	}
	expect(t, "the object", e.last().take(), `closed 1006 "WebSocket disconnected without sending Close frame." false`)
	c.Close()
	s.pool.Run()
	s.noneLeft()
}

func TestSocketCompresses(t *testing.T) {
	e := &sockets{echo: true}
	long := strings.Repeat("all work and no play ", 500)
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/", "sec-websocket-extensions: permessage-deflate; client_max_window_bits")
	if !strings.Contains(f.head, "sec-websocket-extensions: permessage-deflate") {
		t.Fatalf("the answer is %q", f.head)
	}
	f.p.Write(ws.FullWindow.AppendMaskedMessage(nil, true, []byte(long), testMask))
	s.pool.Run()
	in := f.p.Read()
	if len(in) == 0 || len(in) > len(long)/10 {
		t.Errorf("%d bytes have %d", len(long), len(in))
	}
	f.in = in
	expect(t, "the echo", f.read(), fmt.Sprintf("%d bytes", len(long)))
	expect(t, "a short message", f.raw(textFrame("hi")), "hi")
	f.raw(closeFrame(1000, ""))

	// It can be declined.
	s = newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{NoCompression: true}})
	f = s.open("/", "sec-websocket-extensions: permessage-deflate")
	if strings.Contains(f.head, "extensions") {
		t.Errorf("the answer is %q", f.head)
	}
	expect(t, "a compressed frame", f.raw(ws.FullWindow.AppendMaskedMessage(nil, true, []byte(long), testMask))[:10], "close 1002")
}

func TestSocketCloses(t *testing.T) {
	lost := `closed 1006 "WebSocket disconnected without sending Close frame." false`
	for _, tc := range []struct {
		name   string
		do     func(f *frames, h *held) string // what the client gets
		client string
		object string
	}{
		{"the client, without a code", func(f *frames, h *held) string { return f.raw(closeFrame(0, "")) }, `close 1005 ""; end`, `closed 1005 "" true`},
		{"the client, with its own code", func(f *frames, h *held) string { return f.raw(closeFrame(4321, "why")) }, `close 4321 "why"; end`, `closed 4321 "why" true`},
		{"the object", func(f *frames, h *held) string {
			f.s.onLoop(func() { h.end.Close(3000, "done") })
			f.s.pool.Run()
			got := f.read()
			return got + "; " + f.raw(closeFrame(3000, "done"))
		}, `close 3000 "done"; end`, `closed 3000 "done" true`},
		{"both at once", func(f *frames, h *held) string {
			f.s.onLoop(func() { h.end.Close(3001, "mine") })
			f.s.pool.Run()
			return f.raw(closeFrame(3002, "yours"))
		}, `close 3001 "mine"; end`, `closed 3002 "yours" true`},
		{"a message behind a Close means nothing", func(f *frames, h *held) string { return f.raw(append(closeFrame(1000, ""), textFrame("late")...)) }, `close 1000 ""; end`, `closed 1000 "" true`},
		{"the client leaves without a Close", func(f *frames, h *held) string { f.p.CloseWrite(); f.s.pool.Run(); return f.read() }, "end", lost},
		{"the client's connection breaks", func(f *frames, h *held) string { f.p.Abort(); f.s.pool.Run(); return "" }, "", lost},
		{"the object has gone", func(f *frames, h *held) string {
			f.s.onLoop(func() { h.end.Lost() })
			f.s.pool.Run()
			return f.read()
		}, "end", ""},
		{"a message of the object before it goes", func(f *frames, h *held) string {
			f.s.onLoop(func() { _ = h.end.Send(engine.TextMessage("last")); h.end.Lost() })
			f.s.pool.Run()
			return f.read()
		}, "last; end", ""},
		{"the client does not answer a Close", func(f *frames, h *held) string {
			f.s.onLoop(func() { h.end.Close(1000, "") })
			f.s.pool.Run()
			got := f.read()
			f.s.pool.Advance(9 * time.Second)
			if f.p.EOF() {
				return "it was not waited for"
			}
			f.raw(pingFrame("alive")) // which is no answer
			f.s.pool.Advance(2 * time.Second)
			return got + "; " + f.read()
		}, `close 1000 ""; end`, lost},
		{
			"a text that is not UTF-8", func(f *frames, h *held) string { return f.raw(textFrame("\xff")) },
			`close 1007 "a text is not UTF-8 (RFC 6455, 8.1)"; end`, `failed ws: 1007: a text is not UTF-8 (RFC 6455, 8.1)`,
		},
		{
			"a frame without a mask", func(f *frames, h *held) string { return f.raw(ws.AppendFrame(nil, ws.OpText, []byte("x"))) },
			`close 1002 "a frame of a client is not masked (RFC 6455, 5.1)"; end`, `failed ws: 1002: a frame of a client is not masked (RFC 6455, 5.1)`,
		},
		{
			"a frame that claims 2^63 bytes", func(f *frames, h *held) string {
				return f.raw(append([]byte{0x82, 0xff}, binary.BigEndian.AppendUint64(nil, 1<<63)...))
			}, `close 1002 "a length has its most significant bit set (RFC 6455, 5.2)"; end`,
			`failed ws: 1002: a length has its most significant bit set (RFC 6455, 5.2)`,
		},
		{"a frame that claims 2^62 bytes", func(f *frames, h *held) string {
			return f.raw(append(append([]byte{0x82, 0xff}, binary.BigEndian.AppendUint64(nil, 1<<62)...), 1, 2, 3, 4))
		}, `close 1009 "a message is too large"; end`, `failed ws: 1009: a message is too large`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &sockets{}
			s := newStepped(t, 1, 1, e, Options{})
			f := s.open("/")
			h := e.last()
			got := tc.do(f, h)
			expect(t, "the client", got, tc.client)
			f.p.Close()
			s.pool.Advance(20 * time.Second)
			expect(t, "the object", h.take(), tc.object)
			s.noneLeft()
			if m := s.srv.Metrics(); m.Sockets != 0 || m.SocketsOpened != 1 {
				t.Errorf("%d sockets of %d are left", m.Sockets, m.SocketsOpened)
			}
		})
	}
}

// A message that is small when compressed and too large otherwise is refused before it takes memory.
func TestSocketRefusesABomb(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{MaxMessageBytes: 1 << 20}})
	f := s.open("/", "sec-websocket-extensions: permessage-deflate")
	var z bytes.Buffer
	w, _ := flate.NewWriter(&z, 9)
	for range 1 << 8 {
		w.Write(make([]byte, 1<<16)) // 16 MiB
	}
	w.Flush()
	frame := ws.AppendHeader(nil, ws.Header{Opcode: ws.OpBinary, Compressed: true, Masked: true, Length: z.Len() - 4})
	expect(t, "the client", f.raw(append(frame, z.Bytes()[:z.Len()-4]...)), `close 1009 "a message is too large"; end`)
	expect(t, "the object", e.last().take(), "failed ws: 1009: a message is too large")
}

// A client that sends nothing is asked whether it is there; any byte is an answer.
func TestSocketKeepAlive(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/")
	s.pool.Advance(49 * time.Second)
	expect(t, "before its time", f.read(), "")
	s.pool.Advance(2 * time.Second)
	expect(t, "after 50 s", f.read(), `ping ""`)
	s.pool.Advance(18 * time.Second)
	f.raw(ws.AppendMaskedFrame(nil, ws.OpPong, nil, testMask))
	s.pool.Advance(49 * time.Second)
	expect(t, "with an answer", f.read(), "")
	f.raw(textFrame("busy"))
	s.pool.Advance(49 * time.Second)
	expect(t, "with a message", f.read(), "")
	s.pool.Advance(22 * time.Second)
	expect(t, "without an answer", f.read(), `ping ""; end`)
	expect(t, "the object", e.last().take(), `message busy; closed 1006 "WebSocket disconnected without sending Close frame." false`)
	if n := s.srv.Metrics().SocketsSilent; n != 1 {
		t.Errorf("%d sockets were silent", n)
	}
	s.noneLeft()

	s = newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{KeepAlive: -1}})
	f = s.open("/")
	s.pool.Advance(time.Hour)
	expect(t, "without keep-alive", f.read(), "")
}

// A client that sends a byte a second within a message is cut off, as one that sends a body so slowly.
func TestSocketTrickle(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/")
	frame := ws.AppendMaskedFrame(nil, ws.OpBinary, make([]byte, 4000), testMask)
	n := 0
	for ; n < 100 && !f.p.EOF(); n++ {
		f.p.Write(frame[n : n+1])
		s.pool.Advance(time.Second)
	}
	if n < 30 || n > 50 {
		t.Errorf("it was cut off after %d bytes", n)
	}
	expect(t, "the client", f.read(), `close 1008 "the message came too slowly"; end`)
	expect(t, "the object", e.last().take(), "failed server: the WebSocket's client sent a message too slowly")

	// Fast enough, for as long as it takes.
	f = s.open("/")
	frame = ws.AppendMaskedFrame(nil, ws.OpBinary, make([]byte, 60_000), testMask)
	for len(frame) > 0 {
		n := min(300, len(frame))
		f.p.Write(frame[:n])
		frame = frame[n:]
		s.pool.Advance(time.Second)
	}
	expect(t, "the object", e.last().take(), "message 60000 bytes")
	for _, h := range s.srv.loops {
		if h.socketBytes != 0 {
			t.Errorf("%d bytes are still counted", h.socketBytes)
		}
	}
}

// What all sockets keep is bounded.
func TestSocketMemory(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{MaxMemory: 100_000}})
	frame := ws.AppendMaskedFrame(nil, ws.OpBinary, make([]byte, 40_000), testMask)
	var all []*frames
	for range 3 {
		f := s.open("/")
		f.p.Write(frame[:30_000]) // which takes up to twice as much
		s.pool.Run()
		all = append(all, f)
	}
	refused := 0
	for _, f := range all {
		if got := f.read(); got == `close 1013 "too many messages are under way"; end` {
			refused++
			f.p.Close()
		} else if got != "" {
			t.Errorf("a client got %s", got)
		} else {
			f.p.Write(frame[30_000:])
		}
	}
	s.pool.Run()
	if refused == 0 || refused == 3 {
		t.Errorf("%d of 3 were refused", refused)
	}
	arrived := 0
	for _, h := range e.all {
		if h.take() == "message 40000 bytes" {
			arrived++
		}
	}
	if arrived+refused != 3 {
		t.Errorf("%d arrived and %d were refused", arrived, refused)
	}
	for _, h := range s.srv.loops {
		if h.socketBytes != 0 {
			t.Errorf("%d bytes are still counted", h.socketBytes)
		}
	}
}

// So is what waits for slow clients.
func TestSocketMemoryOfSlowClients(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{MaxMemory: 1 << 20}})
	var all []*frames
	m := engine.BinaryMessage(make([]byte, 700_000)) // of which the connection takes 256 KiB
	for range 4 {
		f := s.open("/")
		f.p.StopReading(0)
		all = append(all, f)
	}
	s.onLoop(func() {
		for _, h := range e.all {
			_ = h.end.Send(m)
		}
	})
	s.pool.Run()
	slow := int(s.srv.Metrics().SocketsSlow)
	if slow != 2 {
		t.Errorf("%d of 4 were disconnected", slow)
	}
	served := 0
	for _, f := range all {
		f.p.StartReading()
		s.pool.Run()
		if got := f.read(); got == "700000 bytes" {
			served++
		}
	}
	if served+slow != 4 {
		t.Errorf("%d were served", served)
	}
	for _, h := range s.srv.loops {
		if h.socketBytes != 0 {
			t.Errorf("%d bytes are still counted", h.socketBytes)
		}
	}
}

// A client that never reads is disconnected: by the time for which it takes nothing, or because too much waits.
func TestSocketThatNeverReads(t *testing.T) {
	lost := `closed 1006 "WebSocket disconnected without sending Close frame." false`
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/")
	f.p.StopReading(0)
	s.onLoop(func() { e.last().end.Send(engine.TextMessage("unread")) })
	s.pool.Advance(70 * time.Second)
	expect(t, "the object", e.last().take(), lost)

	s = newStepped(t, 1, 1, e, Options{Sockets: SocketOptions{MaxUnsent: 1 << 20}})
	f = s.open("/")
	f.p.StopReading(1000)
	h := e.last()
	m := engine.BinaryMessage(make([]byte, 300_000))
	sent := 0
	for len(h.got) == 0 && sent < 10 {
		s.onLoop(func() { h.end.Send(m) })
		s.pool.Run()
		sent++
	}
	// The fifth comes when four wait.
	if sent != 5 {
		t.Errorf("it was disconnected at message %d", sent)
	}
	expect(t, "the object", h.take(), lost)
	if n := s.srv.Metrics().SocketsSlow; n != 1 {
		t.Errorf("%d sockets were slow", n)
	}
	for _, h := range s.srv.loops {
		if h.socketBytes != 0 {
			t.Errorf("%d bytes are still counted", h.socketBytes)
		}
	}

	// One that reads slowly gets all, in order, and one message alone may be larger.
	f = s.open("/")
	h = e.last()
	f.p.StopReading(1000)
	s.onLoop(func() {
		h.end.Send(engine.TextMessage("before"))
		h.end.Send(engine.BinaryMessage(make([]byte, 5<<20)))
	})
	s.pool.Run()
	var got []string
	for range 60 {
		f.p.StopReading(100_000)
		s.pool.Advance(time.Second)
		if in := f.read(); in != "" {
			got = append(got, in)
		}
	}
	f.p.StartReading()
	s.onLoop(func() { h.end.Send(engine.TextMessage("after")); h.end.Close(1000, "") })
	s.pool.Run()
	got = append(got, f.read())
	expect(t, "the client", strings.Join(got, "; "), `before; 5242880 bytes; after; close 1000 ""`)
}

// A flood of pings does not fill what waits for the client.
func TestSocketPings(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/")
	f.p.StopReading(0)
	flood := bytes.Repeat(pingFrame(strings.Repeat("p", 125)), 500)
	for range 200 { // 13 MB
		f.p.Write(flood)
		s.pool.Run()
	}
	if c := f.p.Conn(); c.Outbound() > 64<<10 {
		t.Errorf("%d bytes of pongs wait", c.Outbound())
	}
	f.p.Write(pingFrame("last"))
	s.pool.Run()
	f.p.StartReading()
	s.pool.Run()
	got := strings.Split(f.read(), "; ")
	if last := got[len(got)-1]; last != `pong "last"` {
		t.Errorf("the last of %d is %s", len(got), last)
	}
	// A client that reads has each ping answered.
	expect(t, "ten pings", f.raw(bytes.Repeat(pingFrame("x"), 10)), strings.TrimSuffix(strings.Repeat(`pong "x"; `, 10), "; "))
}

// While the other end has no room, the client is not read from, and it goes on when there is some.
func TestSocketHoldsUpItsClient(t *testing.T) {
	e := &sockets{hidden: true} // what comes waits for a holder
	s := newStepped(t, 1, 1, e, Options{})
	f := s.open("/")
	m := ws.AppendMaskedFrame(nil, ws.OpBinary, make([]byte, 10_000), testMask)
	for range 200 {
		f.p.Write(m)
	}
	s.pool.Advance(2 * time.Minute) // neither time-out is its fault
	if f.p.EOF() {
		t.Fatalf("it was disconnected: %s", f.read())
	}
	if n := f.p.Unsent(); n < 1_000_000 {
		t.Fatalf("only %d bytes were held up", n)
	}
	// Somebody takes the end.
	port := s.eng.Port(s.pool.Loop(0))
	h := e.last()
	s.onLoop(func() {
		if err := port.HoldWebSocket(h.end, h); err != nil {
			t.Error(err)
		}
	})
	s.pool.Run()
	if len(h.got) != 200 || f.p.Unsent() != 0 {
		t.Errorf("%d messages came, and %d bytes wait", len(h.got), f.p.Unsent())
	}
}

// When the server closes, clients are told, and their answers are waited for.
func TestSocketDrain(t *testing.T) {
	e := &sockets{}
	s := newStepped(t, 1, 1, e, Options{})
	polite, deaf := s.open("/"), s.open("/")
	waits := s.dial()
	p := &pending{}
	s.srv.entry = p
	s.send(waits, handshake("/"))
	over := make(chan error, 1)
	go func() { over <- s.srv.Shutdown(context.Background()) }()
	for polite.p.Conn() != nil && !strings.Contains(polite.head, "closing") {
		s.pool.Run()
		if got := polite.read(); got != "" {
			expect(t, "a client", got, `close 1001 ""`)
			break
		}
	}
	polite.p.Write(textFrame("ignored"))
	expect(t, "the answer", polite.raw(closeFrame(1001, "")), "end")
	expect(t, "the object", e.all[0].take(), `closed 1001 "" true`)
	// One that is just being opened is not any more.
	s.onLoop(func() {
		_, theirs := p.events[0].WebSocketPair()
		p.events[0].Respond(&engine.Response{Status: 101, WebSocket: theirs})
	})
	s.pool.Run()
	if got := string(waits.Read()); !strings.HasPrefix(got, "HTTP/1.1 503 ") {
		t.Errorf("the answer is %q", got)
	}
	expect(t, "a client that does not answer", deaf.read(), `close 1001 ""`)
	s.pool.Advance(11 * time.Second)
	if !deaf.p.EOF() {
		t.Error("a client that does not answer is waited for")
	}
	waits.Close()
	s.pool.Run()
	if err := <-over; err != nil {
		t.Error(err)
	}
	s.noneLeft()
}

// A frame does not leave before the write that it reveals is durable.
func TestSocketWaitsForTheLog(t *testing.T) {
	pool := looptest.New(1, 1)
	var log *waltest.MemLog
	eng, err := engine.Open(engine.Options{Pool: pool, Logger: discard, OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
		log = waltest.NewMemLog(waltest.MemOptions{Buffers: loops, OnDurable: durable})
		return log, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	commit := func() {
		for range 3 {
			log.Commit()
			pool.Run()
		}
	}
	registered := make(chan error, 1)
	var ns *engine.Namespace
	go func() {
		var err error
		ns, err = eng.Register("Room", engine.ClassOf(func(s *engine.State) (*room, error) { return &room{s}, nil }))
		registered <- err
	}()
	for done := false; !done; {
		select {
		case err := <-registered:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			commit()
		}
	}
	_ = ns
	entry := serveFunc(func(ev *engine.Event) {
		ev.Namespace("Room").GetByName("a").StartFetch(ev.Request, engine.ReplyFunc(func(r engine.Reply) {
			if r.Err != nil {
				ev.Fail(r.Err)
				return
			}
			ev.Respond(r.Response)
		}))
	})
	srv, err := New(eng, entry, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := &stepped{t: t, pool: pool, eng: eng, srv: srv}
	f := &frames{t: t, s: s, p: s.dial()}
	f.p.Write([]byte(handshake("/")))
	pool.Run()
	commit()
	f.answered()
	expect(t, "before the commit", f.raw(textFrame("one")), "")
	expect(t, "and the next", f.raw(pingFrame("p")), `pong "p"`)
	commit()
	expect(t, "after the commit", f.read(), "stored one")
}

// room is an object that stores each message before it answers.
type room struct{ s *engine.State }

func (r *room) Fetch(ctx context.Context, req *engine.Request) (*engine.Response, error) {
	ours, theirs := r.s.WebSocketPair()
	if err := r.s.AcceptWebSocket(ours); err != nil {
		return nil, err
	}
	return &engine.Response{Status: 101, WebSocket: theirs}, nil
}

func (r *room) WebSocketMessage(ctx context.Context, end *engine.WebSocket, m *engine.Message) error {
	if err := r.s.Storage().Put("last", m.Data); err != nil {
		return err
	}
	return end.Send(engine.TextMessage("stored " + string(m.Data)))
}

// An object whose constructor fails is a request that fails.
func TestSocketToABrokenObject(t *testing.T) {
	s := newStepped(t, 1, 1, serveFunc(func(ev *engine.Event) { ev.Fail(errors.New("the constructor has thrown")) }), Options{})
	c := s.dial()
	if got := s.send(c, handshake("/")); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("the answer is %q", got)
	}
	// The connection goes on.
	if got := s.send(c, get("/")); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
		t.Errorf("the answer is %q", got)
	}
}

func TestSocketOptions(t *testing.T) {
	for _, tc := range []struct {
		o    SocketOptions
		want string
	}{
		{SocketOptions{}, ""},
		{SocketOptions{KeepAlive: -1}, ""},
		{SocketOptions{MaxMessageBytes: -1}, "server: Options.Sockets.MaxMessageBytes is -1: want at least 1"},
		{SocketOptions{MaxUnsent: -1}, "server: Options.Sockets.MaxUnsent is -1: want at least 1"},
		{SocketOptions{MaxMemory: -1}, "server: Options.Sockets.MaxMemory is -1: want at least 1"},
		{SocketOptions{KeepAlive: 1}, "server: Options.Sockets.KeepAlive is 1ns: want at least 1ms"},
		{SocketOptions{PongTimeout: -1}, "server: Options.Sockets.PongTimeout is -1ns: want at least 1ms"},
	} {
		o := Options{Sockets: tc.o}
		o.EnsureDefaults(2)
		got := ""
		if err := o.Validate(); err != nil {
			got = err.Error()
		}
		expect(t, fmt.Sprintf("%+v", tc.o), got, tc.want)
	}
	// What two loops have is enough for a message of each.
	o := Options{Sockets: SocketOptions{MaxMessageBytes: 400 << 20}}
	o.EnsureDefaults(2)
	if o.Sockets.MaxMemory != 1600<<20 {
		t.Errorf("MaxMemory is %d", o.Sockets.MaxMemory)
	}
}
