package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
)

// lines is a protocol of lines in the place of that of WebSockets: a message is "m text", a ping "p payload", a pong "o payload", a Close
// "c code reason".
type lines struct{}

func (lines) Ask(protocols []string) ([]engine.Field, engine.SocketHandshake) {
	return []engine.Field{
		{Name: "upgrade", Value: "websocket"}, {Name: "connection", Value: "upgrade"}, {Name: "sec-websocket-protocol", Value: strings.Join(protocols, ",")},
	}, lines{}
}

func (lines) Answered(fields []engine.Field) (engine.SocketCodec, error) {
	for _, f := range fields {
		if f.Name == "x-bad" {
			return nil, errors.New("the answer is bad")
		}
	}
	return lines{}, nil
}

func (lines) Next(in []byte) (int, engine.SocketFrame, error) {
	line, _, ok := bytes.Cut(in, []byte("\n"))
	if !ok {
		return 0, engine.SocketFrame{}, nil
	}
	n := len(line) + 1
	kind, rest, _ := strings.Cut(string(line), " ")
	switch kind {
	case "m":
		return n, engine.SocketFrame{Message: engine.TextMessage(rest)}, nil
	case "p":
		return n, engine.SocketFrame{Ping: true, Payload: []byte(rest)}, nil
	case "c":
		code, reason, _ := strings.Cut(rest, " ")
		c, _ := strconv.Atoi(code)
		return n, engine.SocketFrame{Closed: true, Code: c, Reason: reason}, nil
	case "panic":
		panic("in the codec")
	}
	return n, engine.SocketFrame{}, errors.New("no such line")
}

func (lines) AppendMessage(dst []byte, m *engine.Message) []byte {
	return append(append(append(dst, "m "...), m.Data...), '\n')
}

func (lines) AppendPong(dst, payload []byte) []byte {
	return append(append(append(dst, "o "...), payload...), '\n')
}

func (lines) AppendClose(dst []byte, code int, reason string) []byte {
	return fmt.Appendf(dst, "c %d %s\n", code, reason)
}
func (lines) CloseFor(error) (int, string) { return 1002, "no such line" }

// phone is an object that dials.
type phone struct {
	s   *engine.State
	end *engine.WebSocket
	got []string

	unblock chan struct{}
}

// Block keeps everything out of the object until unblock is closed.
func (c *phone) Block() error {
	c.unblock = make(chan struct{})
	return c.s.Block(func(end func(error)) { c.s.Start(func() { <-c.unblock }, end) })
}

func (c *phone) Dial(ctx context.Context, write bool) (string, error) {
	if write {
		if err := c.s.Storage().Put("n", 1); err != nil {
			return "", err
		}
	}
	end, resp, err := c.s.DialWebSocket(ctx, "wss://peer/x", nil, "a", "b")
	if err != nil {
		return "", err
	}
	c.end = end
	if err := c.s.HoldWebSocket(end, c); err != nil {
		return "", err
	}
	return fmt.Sprint(resp.Status), nil
}

func (c *phone) Say(text string) error               { return c.end.Send(engine.TextMessage(text)) }
func (c *phone) SayMuch(n int) error                 { return c.end.Send(engine.BinaryMessage(make([]byte, n))) }
func (c *phone) Close(code int, reason string) error { return c.end.Close(code, reason) }
func (c *phone) Reset()                              { c.s.Abort(errors.New("reset on purpose")) }

func (c *phone) Message(m *engine.Message) { c.got = append(c.got, string(m.Data)) }
func (c *phone) Closed(code int, reason string, clean bool) {
	c.got = append(c.got, fmt.Sprintf("closed %d %s %v", code, reason, clean))
}
func (c *phone) Failed(err error) { c.got = append(c.got, "failed "+err.Error()) }

// peer is the server at the other end of what is dialled. Safe for concurrent use.
type dialledPeer struct {
	t    *testing.T
	conn net.Conn

	mu    sync.Mutex
	got   strings.Builder
	ended bool
}

// read takes what comes until the connection ends.
func (p *dialledPeer) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := p.conn.Read(buf)
		p.mu.Lock()
		p.got.Write(buf[:n])
		p.ended = err != nil
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *dialledPeer) has(text string) func() bool {
	return func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return strings.Contains(p.got.String(), text)
	}
}

func (p *dialledPeer) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *dialledPeer) say(lines string) {
	if _, err := io.WriteString(p.conn, lines); err != nil {
		p.t.Error("the peer cannot write:", err)
	}
}

// dialled is an object with a WebSocket to a peer, which does not read before the test says so.
func dialled(t *testing.T) (s *stepped, c *phone, stub *engine.Stub, p *dialledPeer) {
	t.Helper()
	w := new(wire)
	s = step(t, 1, 1, func(o *engine.Options) { o.Transport, o.WebSockets = w, lines{} })
	ns := register(t, s.Engine, "Caller", engine.ClassOf(func(st *engine.State) (*phone, error) { c = &phone{s: st}; return c, nil }))
	stub = ns.GetByName("a")
	a := s.start(stub, "Dial", true)
	s.pool.Run()
	if n := s.Sent(); n != 0 {
		t.Fatal("a request left before the write that it reveals was durable")
	}
	s.log.Commit()
	s.within("the request leaves", func() bool { return len(w.all()) == 1 })
	x := w.all()[0]
	if x.req.URL.Scheme != "https" || x.req.Method != "GET" || x.req.Header.Get("Upgrade") != "websocket" || x.req.Header.Get("Sec-Websocket-Protocol") != "a,b" {
		t.Errorf("the request is %s %s %v", x.req.Method, x.req.URL, x.req.Header)
	}
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	x.answer <- &http.Response{StatusCode: 101, Status: "101 Switching Protocols", Header: http.Header{}, Body: theirs}
	s.within("the answer comes", func() bool { return a.done })
	if got := decode[string](t, a); got != "101" {
		t.Fatalf("the answer is %q", got)
	}
	return s, c, stub, &dialledPeer{t: t, conn: ours}
}

// heard waits until the object has heard this, and nothing else.
func (c *phone) heard(s *stepped, want ...string) {
	s.t.Helper()
	s.within("the object hears "+want[len(want)-1], func() bool { s.settle(); return len(c.got) >= len(want) })
	if got := strings.Join(c.got, "; "); got != strings.Join(want, "; ") {
		s.t.Errorf("the object heard %s", got)
	}
	c.got = nil
}

const lostText = "closed 1006 WebSocket disconnected without sending Close frame. false"

func TestDialledTalks(t *testing.T) {
	s, c, stub, p := dialled(t)
	go p.read()
	p.say("m one\nm two\np 7\n")
	c.heard(s, "one", "two")
	s.within("the ping is answered", p.has("o 7\n"))
	s.start(stub, "Say", "three")
	s.start(stub, "Close", 3000, "done")
	s.settle()
	s.within("the Close leaves", p.has("m three\nc 3000 done\n"))
	if p.over() {
		t.Fatal("the Close was not waited for")
	}
	p.say("m late\nc 3000 done\n")
	c.heard(s, "late", "closed 3000 done true")
	s.within("the connection ends", p.over)
	if n := s.Outgoing(); n != 0 {
		t.Errorf("%d requests are under way", n)
	}
}

func TestDialledEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(s *stepped, stub *engine.Stub, p *dialledPeer)
		want string // what the object hears
		peer string // what the server gets
	}{
		{"the server closes", func(_ *stepped, _ *engine.Stub, p *dialledPeer) { p.say("c 4000 bye\n") }, "closed 4000 bye true", "c 4000 bye\n"},
		{"the server leaves", func(_ *stepped, _ *engine.Stub, p *dialledPeer) { p.conn.Close() }, lostText, ""},
		{
			"the server sends nonsense", func(_ *stepped, _ *engine.Stub, p *dialledPeer) { p.say("nonsense\n") },
			"failed The WebSocket to https://peer failed: no such line", "c 1002 no such line\n",
		},
		{
			"the codec panics", func(_ *stepped, _ *engine.Stub, p *dialledPeer) { p.say("panic\n") },
			"failed The WebSocket to https://peer failed: the codec panicked: in the codec", "c 1002 no such line\n",
		},
		{
			"a frame that never ends", func(_ *stepped, _ *engine.Stub, p *dialledPeer) { p.say(strings.Repeat("x", 8<<10)) },
			"failed The WebSocket to https://peer failed: a frame cannot be read", "c 1002 no such line\n",
		},
		{"the server does not answer a Close", func(s *stepped, stub *engine.Stub, p *dialledPeer) {
			s.start(stub, "Close", 1000, "")
			s.settle()
			s.within("the Close leaves", p.has("c 1000 \n"))
			s.pool.Advance(11 * time.Second)
		}, lostText, "c 1000 \n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, c, stub, p := dialled(t)
			go p.read()
			tc.do(s, stub, p)
			c.heard(s, tc.want)
			s.within("the server hears it", func() bool { return p.over() })
			if !p.has(tc.peer)() {
				t.Errorf("the server got %q", p.got.String())
			}
		})
	}
}

// A reset object leaves nothing behind.
func TestDialledObjectIsReset(t *testing.T) {
	s, _, stub, p := dialled(t)
	go p.read()
	s.start(stub, "Reset")
	s.settle()
	s.within("the connection ends", p.over)
	if p.has("c ")() {
		t.Errorf("the server got %q", p.got.String())
	}
}

// A server that takes nothing is given up: after a time, or when too much waits.
func TestDialledServerThatNeverReads(t *testing.T) {
	s, c, stub, _ := dialled(t)
	s.start(stub, "Say", "unread")
	s.settle()
	s.pool.Advance(29 * time.Second)
	if len(c.got) != 0 {
		t.Fatalf("it was given up too soon: %v", c.got)
	}
	s.pool.Advance(32 * time.Second)
	c.heard(s, lostText)

	s, c, stub, _ = dialled(t)
	for n := 0; len(c.got) == 0; n++ {
		if n == 5 {
			t.Fatal("20 MiB wait")
		}
		s.start(stub, "SayMuch", 5<<20)
		s.settle()
	}
	c.heard(s, "failed "+engine.ErrSocketBacklog.Error())
}

// A server is read from only while the object has room.
func TestDialledServerIsHeldUp(t *testing.T) {
	s, c, stub, p := dialled(t)
	go p.read()
	s.start(stub, "Block")
	s.settle()
	const messages = 800
	var written atomic.Int64
	go func() {
		for range messages {
			if _, err := fmt.Fprintf(p.conn, "m %s\n", strings.Repeat("x", 1000)); err != nil {
				return
			}
			written.Add(1)
		}
	}()
	// What is taken is on its way to the object, which has room for a window of it.
	const window = engine.SocketWindow / 1000
	s.within("it is held up", func() bool {
		s.pool.Run()
		n := written.Load()
		for range 20 { // in which something would come if it were not
			s.pool.Run()
			time.Sleep(time.Millisecond)
		}
		return n > window/2 && n == written.Load()
	})
	if n := written.Load(); n > 2*window {
		t.Errorf("%d messages were taken", n)
	}
	close(c.unblock)
	s.within("all have come", func() bool { s.settle(); return len(c.got) == messages })
}
