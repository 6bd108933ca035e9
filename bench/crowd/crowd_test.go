package crowd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"everloop/cmd/testenv"
)

// hall is a server whose rooms send what a member says to all members, or only back to it. Its WebSockets are those of a
// library, its RESP its own.
type hall struct {
	echo bool
	// change may spoil the delivery with a number, from 1, to a member, which may be the one that has spoken: it sends what it
	// wants instead, and says so.
	change func(delivery int64, own bool, text string, send func(string)) bool
	refuse bool // to hear anything

	mu         sync.Mutex
	members    []func(string) error
	deliveries int64
}

// join takes a member in, and returns what it says things with.
func (h *hall) join(send func(string) error) (say func(string) int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := len(h.members)
	h.members = append(h.members, send)
	return func(text string) int {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.echo {
			h.deliver(i, true, text)
			return 1
		}
		for j := range h.members {
			h.deliver(j, j == i, text)
		}
		return len(h.members)
	}
}

func (h *hall) deliver(i int, own bool, text string) {
	h.deliveries++
	send := func(s string) { _ = h.members[i](s) } // a member that is gone hears nothing
	if h.change == nil || !h.change(h.deliveries, own, text, send) {
		send(text)
	}
}

func (h *hall) delivered() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deliveries
}

// webSockets serves the hall over WebSocket.
func (h *hall) webSockets(t *testing.T) string {
	t.Helper()
	return serveSockets(t, func(ws *websocket.Conn) {
		say := h.join(func(s string) error { return websocket.Message.Send(ws, s) })
		for {
			var text string
			if websocket.Message.Receive(ws, &text) != nil {
				return
			}
			if h.refuse {
				return
			}
			say(text)
		}
	})
}

// serveSockets serves WebSockets.
func serveSockets(t *testing.T, handle func(*websocket.Conn)) string {
	t.Helper()
	srv := httptest.NewServer(websocket.Server{Handler: handle, Handshake: func(*websocket.Config, *http.Request) error { return nil }})
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// redis serves the hall over RESP3, for one channel, and commands that are arrays of strings.
func (h *hall) redis(t *testing.T) string {
	t.Helper()
	return serve(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		var mu sync.Mutex
		write := func(format string, args ...any) error {
			mu.Lock()
			defer mu.Unlock()
			_, err := fmt.Fprintf(c, format, args...)
			return err
		}
		var say func(string) int
		for {
			args, err := readCommand(in)
			if err != nil {
				return
			}
			switch args[0] {
			case "HELLO":
				err = write("%%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n")
			case "SUBSCRIBE":
				err = write(">3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(args[1]), args[1])
				say = h.join(func(s string) error {
					return write(">3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(args[1]), args[1], len(s), s)
				})
			case "PUBLISH":
				if h.refuse {
					err = write("-ERR out of order\r\n")
					break
				}
				err = write(":%d\r\n", say(args[2]))
			}
			if err != nil {
				return
			}
		}
	})
}

func readCommand(in *bufio.Reader) (args []string, err error) {
	var n int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	for range n {
		var length int
		if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
			return nil, err
		}
		b := make([]byte, length+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		args = append(args, string(b[:length]))
	}
	return args, nil
}

// serve serves connections until the test ends.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	t.Cleanup(func() { cancel(); lis.Close(); served.Wait() })
	served.Go(func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				handle(c)
			})
		}
	})
	return lis.Addr().String()
}

var dialects = []struct {
	name    string
	dialect Dialect
	room    string
	serve   func(*hall, *testing.T) string
}{
	{"WebSocket", WebSocket, "/room?id=a", (*hall).webSockets},
	{"Redis", Redis, "room", (*hall).redis},
}

// gather gathers a crowd in the hall, and waits until every member is there: the library of the server's WebSockets answers a
// handshake before it tells.
func (h *hall) gather(t *testing.T, o Options) *Crowd {
	t.Helper()
	c, err := Gather(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	// The connections are real and so is the time: the server counts members on goroutines of its own, and tells nobody.
	for there := 0; there < c.Members(); time.Sleep(time.Millisecond) {
		h.mu.Lock()
		there = len(h.members)
		h.mu.Unlock()
	}
	return c
}

// TestBroadcast makes runs by number and by time on the same connections, and finds the same counts as the server.
func TestBroadcast(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			h := &hall{}
			c := h.gather(t, Options{Addr: d.serve(h, t), Dialect: d.dialect, Rooms: []string{d.room}, Members: 70})
			r, err := c.Broadcast(t.Context(), 8, Until{Messages: 100})
			if err != nil {
				t.Fatal(err)
			}
			if r.Messages != 100 || r.Deliveries != 7000 || h.delivered() != 7000 {
				t.Fatalf("%d messages, %d deliveries, %d of the server, want 100 and 7000", r.Messages, r.Deliveries, h.delivered())
			}
			if n := r.Latency.TotalCount(); n != 100 {
				t.Errorf("%d latencies of 100 messages", n)
			}
			if r.Behind < 8 || r.Own <= 0 || r.Rate() <= 0 || r.Quantile(50) > r.Quantile(99) {
				t.Errorf("%+v", r)
			}
			again, err := c.Broadcast(t.Context(), 1, Until{Elapsed: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if again.Elapsed < 50*time.Millisecond || again.Deliveries != 70*again.Messages || h.delivered() != 7000+int64(again.Deliveries) {
				t.Errorf("%+v, %d deliveries of the server", again, h.delivered())
			}
		})
	}
}

// TestWindow has as many messages under way as the window says: the server keeps them all until there are so many, and
// then sees no more.
func TestWindow(t *testing.T) {
	const window = 5
	var held []string
	var extra bool
	h := &hall{}
	h.change = func(_ int64, _ bool, text string, send func(string)) bool {
		held = append(held, text)
		if len(held) > window {
			extra = true
		}
		if len(held) < window {
			return true
		}
		for _, s := range held {
			send(s)
		}
		held = nil
		return true
	}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/"}})
	r, err := c.Broadcast(t.Context(), window, Until{Messages: 20 * window})
	if err != nil {
		t.Fatal(err)
	}
	if extra || r.Behind != window {
		t.Errorf("more than %d messages were under way: %+v", window, r)
	}
}

// TestBehind: the run does not end before the slowest member has heard everything, and says how far behind it was.
func TestBehind(t *testing.T) {
	h := &hall{}
	var kept []string
	h.change = func(_ int64, own bool, text string, send func(string)) bool {
		if own {
			return false
		}
		kept = append(kept, text)
		if len(kept) == 50 {
			for _, s := range kept {
				send(s)
			}
		}
		return true
	}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/"}, Members: 2})
	r, err := c.Broadcast(t.Context(), 2, Until{Messages: 50})
	if err != nil {
		t.Fatal(err)
	}
	if r.Behind != 50 || r.Deliveries != 100 {
		t.Errorf("%+v", r)
	}
	if least := time.Duration(r.Latency.Max()) * time.Microsecond; least > r.Elapsed+time.Millisecond {
		t.Errorf("a message took %v of %v", least, r.Elapsed)
	}
}

// TestMaxBehind: a server that serves only the speaker gets no more than so many messages.
func TestMaxBehind(t *testing.T) {
	h := &hall{change: func(_ int64, own bool, _ string, _ func(string)) bool { return !own }}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/"}, Members: 2, Timeout: 200 * time.Millisecond})
	_, err := c.Broadcast(t.Context(), 2, Until{Elapsed: time.Hour})
	if err == nil || !strings.Contains(err.Error(), "nothing was heard for 200ms: member 1 of 2 has not heard \"b00000001 000000000000 ") {
		t.Fatalf("error %v", err)
	}
	if n := h.delivered(); n > 2*maxBehind {
		t.Errorf("%d deliveries, want at most %d", n, 2*maxBehind)
	}
}

func TestEcho(t *testing.T) {
	h := &hall{echo: true}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/a", "/b"}, Members: 70, Sources: 3, Size: 30000})
	r, err := c.Echo(t.Context(), Until{Messages: 70})
	if err != nil || r.Messages != 70 || r.Deliveries != 70 || r.Latency.TotalCount() != 70 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, m := range c.members {
		if m.said != 1 {
			t.Errorf("member %d has spoken %d times", i, m.said)
		}
	}
	if r, err = c.Echo(t.Context(), Until{Elapsed: 50 * time.Millisecond}); err != nil || r.Messages != r.Deliveries || r.Elapsed < 50*time.Millisecond {
		t.Fatalf("%+v, %v", r, err)
	}
	if h.delivered() != int64(70+r.Deliveries) {
		t.Errorf("%d deliveries, %d of the server", 70+r.Deliveries, h.delivered())
	}
	if _, err := c.Broadcast(t.Context(), 1, Until{Messages: 1}); err == nil || !strings.Contains(err.Error(), "one of 2 rooms") {
		t.Errorf("a broadcast to one of two rooms: %v", err)
	}
}

// TestWrongDeliveries ends a run at the first delivery that is not right, and names it.
func TestWrongDeliveries(t *testing.T) {
	var last string
	spoil := func(at int64, how func(text string, send func(string))) func(int64, bool, string, func(string)) bool {
		return func(n int64, _ bool, text string, send func(string)) bool {
			if n == at {
				how(text, send)
			}
			return n == at
		}
	}
	tests := []struct {
		name   string
		change func(int64, bool, string, func(string)) bool
		want   string
	}{
		{"a lost one", spoil(50, func(string, func(string)) {}), `heard "b00000001 000000000017 `},
		{"a doubled one", spoil(50, func(s string, send func(string)) { send(s); send(s) }), `"b00000001 000000000016 `},
		{"the last one doubled", spoil(300, func(s string, send func(string)) { send(s); send(s) }), "a message more than were sent"},
		{"a changed one", spoil(50, func(s string, send func(string)) { send(s[:63] + "!") }), `!", want "b00000001 000000000016 `},
		{"a longer one", spoil(50, func(s string, send func(string)) { send(s + "!") }), `!", want "b00000001 000000000016 `},
		{"an empty one", spoil(50, func(_ string, send func(string)) { send("") }), `heard "", want "b00000001 000000000016 `},
		{"two in the wrong order", func(n int64, _ bool, text string, send func(string)) bool {
			switch n {
			case 50:
				last = text
				return true
			case 53: // the next to the same member
				send(text)
				send(last)
				return true
			}
			return false
		}, `heard "b00000001 000000000017 `},
	}
	for _, d := range dialects {
		for _, tt := range tests {
			t.Run(d.name+"/"+tt.name, func(t *testing.T) {
				h := &hall{change: tt.change}
				c := h.gather(t, Options{Addr: d.serve(h, t), Dialect: d.dialect, Rooms: []string{d.room}, Members: 3})
				_, err := c.Broadcast(t.Context(), 8, Until{Messages: 100})
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "of 3") {
					t.Fatalf("error %v, want one with %s", err, tt.want)
				}
				if _, again := c.Broadcast(t.Context(), 8, Until{Messages: 1}); again == nil {
					t.Error("a run after a failed one is not refused")
				}
			})
		}
	}
}

// TestServerFails tells of a server that ends the conversation.
func TestServerFails(t *testing.T) {
	for i, want := range []string{"the server has closed the connection", "the server says: ERR out of order"} {
		d := dialects[i]
		h := &hall{refuse: true}
		c := h.gather(t, Options{Addr: d.serve(h, t), Dialect: d.dialect, Rooms: []string{d.room}})
		if _, err := c.Broadcast(t.Context(), 8, Until{Messages: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", d.name, err, want)
		}
	}
}

// TestCanceled ends a run that would not end by itself.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	h := &hall{echo: true, change: func(n int64, _ bool, _ string, _ func(string)) bool {
		if n == 100 {
			cancel(reason)
		}
		return false
	}}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/"}, Members: 2})
	if _, err := c.Echo(ctx, Until{Elapsed: time.Hour}); !errors.Is(err, reason) {
		t.Fatalf("error %v, want %v", err, reason)
	}
	if _, err := Gather(ctx, Options{Addr: h.webSockets(t), Rooms: []string{"/"}}); !errors.Is(err, reason) {
		t.Errorf("Gather: %v", err)
	}
}

// TestNotWelcome tells why a member did not get in.
func TestNotWelcome(t *testing.T) {
	const accept = "Sec-WebSocket-Accept: " + handshakeAccept + "\r\n"
	for _, tt := range []struct {
		name    string
		dialect Dialect
		answer  string
		want    string
	}{
		{"no upgrade", WebSocket, "HTTP/1.1 503 Service Unavailable\r\n\r\n", `503`},
		{"no accept", WebSocket, "HTTP/1.1 101 Switching Protocols\r\n\r\n", "no Sec-WebSocket-Accept"},
		{"a wrong accept", WebSocket, "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\n\r\n", `Sec-WebSocket-Accept is "x"`},
		{"an extension", WebSocket, "HTTP/1.1 101 Switching Protocols\r\n" + accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "what was not offered"},
		{"a close", WebSocket, "", "the server has closed the connection"},
		{"an old Redis", Redis, "-ERR unknown command 'HELLO'\r\n", "the server says: ERR unknown command 'HELLO'"},
		{"no map", Redis, "*0\r\n", "is no answer to HELLO"},
		{"no subscription", Redis, "%0\r\n+OK\r\n", "is no answer to SUBSCRIBE"},
		{"nonsense", Redis, "what?\r\n", "is not RESP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := serve(t, func(c net.Conn) {
				buf := make([]byte, 4096)
				if _, err := c.Read(buf); err == nil {
					_, _ = io.WriteString(c, tt.answer)
				}
			})
			_, err := Gather(t.Context(), Options{Addr: addr, Dialect: tt.dialect, Rooms: []string{"/x"}})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "member 1 of 1") {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	slow := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	if _, err := Gather(t.Context(), Options{Addr: slow, Rooms: []string{"/x"}, Timeout: 10 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("a silent server: %v", err)
	}
}

func TestRefused(t *testing.T) {
	const addr = "127.0.0.1:1"
	for _, o := range []Options{
		{},
		{Addr: "localhost:1", Rooms: []string{"/"}},
		{Addr: "[::1]:1", Rooms: []string{"/"}},
		{Addr: addr},
		{Addr: addr, Rooms: []string{"room"}},
		{Addr: addr, Rooms: []string{"/a b"}},
		{Addr: addr, Rooms: []string{""}, Dialect: Redis},
		{Addr: addr, Rooms: []string{"/"}, Dialect: 7},
		{Addr: addr, Rooms: []string{"/"}, Members: -1},
		{Addr: addr, Rooms: []string{"/"}, Size: 23},
		{Addr: addr, Rooms: []string{"/"}, Size: maxSize + 1},
		{Addr: addr, Rooms: []string{"/"}, Sources: 255},
		{Addr: "192.0.2.1:1", Rooms: []string{"/"}, Sources: 2},
		{Addr: addr, Rooms: []string{"/"}, Timeout: -1},
		{Addr: addr, Rooms: []string{"/"}}, // nobody listens there
	} {
		if c, err := Gather(t.Context(), o); err == nil {
			c.Close()
			t.Errorf("Gather(%+v) took it", o)
		}
	}
	h := &hall{}
	c := h.gather(t, Options{Addr: h.webSockets(t), Rooms: []string{"/"}})
	if _, err := c.Echo(t.Context(), Until{}); err == nil {
		t.Error("Echo took Until{}")
	}
	if _, err := c.Broadcast(t.Context(), 0, Until{Messages: 1}); err == nil {
		t.Error("Broadcast took a window of 0")
	}
}

// TestHear reads what servers say, whole and byte by byte.
func TestHear(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name    string
		dialect Dialect
		in      string
		payload string // of a message
		length  int    // 0: all of it
		answer  bool
		err     string
	}{
		{name: "text", in: "\x81\x02hi", payload: "hi"},
		{name: "an empty text", in: "\x81\x00", payload: ""},
		{name: "16 bits of length", in: "\x81\x7e\x01\x2c" + long, payload: long},
		{name: "64 bits of length", in: "\x81\x7f\x00\x00\x00\x00\x00\x00\x01\x2c" + long, payload: long},
		{name: "a ping", in: "\x89\x02hi", answer: true},
		{name: "a pong", in: "\x8a\x02hi"},
		{name: "a close", in: "\x88\x06\x03\xe9away", err: `the server closes: 1001 "away"`},
		{name: "a close without a code", in: "\x88\x00", err: "closes without a code"},
		{name: "binary", in: "\x82\x02hi", err: "a frame of kind 2"},
		{name: "a mask", in: "\x81\x820000hi", err: "a masked frame"},
		{name: "compressed", in: "\xc1\x02hi", err: "reserved bits"},
		{name: "a first fragment", in: "\x01\x02hi", err: "a fragment"},
		{name: "a last fragment", in: "\x80\x02hi", err: "a fragment"},
		{name: "a long frame", in: "\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00", err: "a frame of 1048576 bytes"},

		{name: "a message", dialect: Redis, in: ">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$2\r\nhi\r\n", payload: "hi"},
		{name: "the number of subscribers", dialect: Redis, in: ":7\r\n"},
		{name: "another channel", dialect: Redis, in: ">3\r\n$7\r\nmessage\r\n$4\r\nroof\r\n$2\r\nhi\r\n", err: `a message to "roof"`},
		{name: "another push", dialect: Redis, in: ">2\r\n$10\r\ninvalidate\r\n*0\r\n", err: "is no message"},
		{name: "an error", dialect: Redis, in: "-ERR no\r\n", err: "the server says: ERR no"},
		{name: "a bad length", dialect: Redis, in: ">3\r\n$7\r\nmessage\r\n$4x\r\nroom\r\n", err: "is no number"},
		{name: "a bad end", dialect: Redis, in: ">3\r\n$7\r\nmessage\r\n$4\r\nroom!\r\n$2\r\nhi\r\n", err: "does not end where it says"},
		{name: "a number as message", dialect: Redis, in: ">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n:12345\r\n", err: "is no message"},
		{name: "nonsense", dialect: Redis, in: "?\r\n", err: "is not RESP"},
		{name: "too deep", dialect: Redis, in: strings.Repeat("*1\r\n", 20), err: "nests deeper"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tg tongue = &frames{random: rand.New(rand.NewPCG(1, 2))}
			if tt.dialect == Redis {
				tg = resp{}
			}
			for n := 1; n < len(tt.in) && tt.err == ""; n++ {
				if used, _, err := tg.hear([]byte(tt.in[:n]), "room"); used != 0 || err != nil {
					t.Fatalf("the first %d of %d bytes: %d, %v", n, len(tt.in), used, err)
				}
			}
			used, h, err := tg.hear([]byte(tt.in+"more"), "room")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			message := tt.payload != "" || tt.name == "an empty text"
			if err != nil || used != len(tt.in) || h.message != message || string(h.payload) != tt.payload || (h.answer != nil) != tt.answer {
				t.Fatalf("%d of %d bytes, %+v, %v", used, len(tt.in), h, err)
			}
		})
	}
}

// TestSay: what members say is what a server's library hears.
func TestSay(t *testing.T) {
	f := &frames{random: rand.New(rand.NewPCG(1, 2))}
	for _, n := range []int{0, 1, 125, 126, 30000} {
		text := strings.Repeat("x", n)
		b := f.say(nil, "", []byte(text))
		got := make([]byte, n)
		at := len(b) - n
		mask := b[at-4:]
		for i := range got {
			got[i] = b[at+i] ^ mask[i%4]
		}
		length := int(b[1] & 0x7f)
		if length == 126 {
			length = int(binary.BigEndian.Uint16(b[2:]))
		}
		if b[0] != 0x81 || b[1]&0x80 == 0 || length != n || string(got) != text {
			t.Errorf("%d bytes: %x", n, clip(b))
		}
	}
	if got, want := string(resp{}.say(nil, "room", []byte("hi"))), "*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n$2\r\nhi\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestMessage(t *testing.T) {
	if got, want := string(appendMessage([]byte("-"), 28, 'b', 7, 1234)), "-b00000007 000000001234 mnopq"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, size := range []int{minSize, maxSize} {
		if b := appendMessage(nil, size, 'e', 99999999, 999999999999); len(b) != size {
			t.Errorf("%d bytes, want %d", len(b), size)
		}
	}
}

func FuzzHear(f *testing.F) {
	f.Add([]byte("\x81\x02hi\x89\x00"), false)
	f.Add([]byte(">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$2\r\nhi\r\n:1\r\n"), true)
	f.Add([]byte("%1\r\n+a\r\n*2\r\n:1\r\n_\r\n"), true)
	f.Fuzz(func(t *testing.T, b []byte, redis bool) {
		var tg tongue = &frames{random: rand.New(rand.NewPCG(1, 2))}
		if redis {
			tg = resp{}
		}
		for len(b) > 0 {
			n, h, err := tg.hear(b, "room")
			if n < 0 || n > len(b) || len(h.payload) > n || err != nil && n != 0 {
				t.Fatalf("%d of %d bytes, %+v, %v", n, len(b), h, err)
			}
			if n == 0 {
				return
			}
			b = b[n:]
		}
		if n, err := tg.welcome(b); n < 0 || n > len(b) || err != nil && n != 0 {
			t.Fatalf("welcome: %d of %d bytes, %v", n, len(b), err)
		}
	})
}

// TestRedis is the crowd against the real one.
func TestRedis(t *testing.T) {
	program := testenv.Program(t, "redis-server")
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := lis.Addr().(*net.TCPAddr).Port
	lis.Close()
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.CommandContext(t.Context(), program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--logfile", log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	o := Options{Addr: "127.0.0.1:" + strconv.Itoa(port), Dialect: Redis, Rooms: []string{"room"}, Members: 100}
	var c *Crowd
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) { // until it listens: another program, which tells of that only by taking connections
		if c, err = Gather(t.Context(), o); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Broadcast(t.Context(), 8, Until{Messages: 500})
	if err != nil || r.Deliveries != 50000 {
		t.Fatalf("%+v, %v", r, err)
	}
}

// BenchmarkDelivery is what one delivery costs the crowd, without the system.
func BenchmarkDelivery(b *testing.B) {
	for _, d := range dialects {
		b.Run(d.name, func(b *testing.B) {
			text := appendMessage(nil, 64, 'b', 0, 12345)
			in := append([]byte{0x81, 64}, text...)
			var tg tongue = &frames{}
			if d.dialect == Redis {
				in, tg = []byte(">3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$64\r\n"+string(text)+"\r\n"), resp{}
			}
			m := &member{room: "room"}
			b.ReportAllocs()
			for b.Loop() {
				if n, h, err := tg.hear(in, m.room); err != nil || n != len(in) || string(h.payload) != string(text) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
