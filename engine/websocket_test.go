package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
)

// room is an object with WebSockets. Its fetch makes a pair and accepts one end, as the query says; what happens to it goes to the rig.
type room struct {
	rig    *rig
	st     *engine.State
	memory int // events that this instance has seen
	joined *engine.WebSocket
}

// rig is what the instances of a test share: what they have seen, and what they do. Owned by the test's goroutine, which plays all loops.
type rig struct {
	*stepped
	ns        *engine.Namespace
	made      int // instances
	seen      []string
	last      *engine.WebSocket // the end that the object has
	onFetch   func(r *room, ws *engine.WebSocket) error
	onMessage func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error
	onClose   func(r *room, ws *engine.WebSocket) error
	prepare   func(ws *engine.WebSocket)
	crowding  func() // in a Crowd
}

func newRig(t *testing.T, loops int, tune ...func(*engine.Options)) *rig {
	g := &rig{stepped: step(t, loops, 1, tune...)}
	g.ns = register(t, g.Engine, "Room", engine.ClassOf(func(st *engine.State) (*room, error) {
		g.made++
		return &room{rig: g, st: st}, nil
	}))
	register(t, g.Engine, "Sleeper", sleeper{})
	return g
}

func (g *rig) note(format string, args ...any) { g.seen = append(g.seen, fmt.Sprintf(format, args...)) }

// told returns what was noted since the last call.
func (g *rig) told() string {
	s := strings.Join(g.seen, "; ")
	g.seen = nil
	return s
}

func (r *room) Fetch(ctx context.Context, req *engine.Request) (*engine.Response, error) {
	u, err := url.Parse(req.URL)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	client, server := r.st.WebSocketPair()
	r.rig.last = server
	if r.rig.prepare != nil {
		r.rig.prepare(server)
	}
	if q.Has("classic") {
		err = r.st.HoldWebSocket(server, &noting{r.rig, r, server})
	} else {
		err = r.st.AcceptWebSocket(server, q["tag"]...)
	}
	if err != nil {
		return nil, err
	}
	if f := r.rig.onFetch; f != nil {
		if err := f(r, server); err != nil {
			return nil, err
		}
	}
	return &engine.Response{Status: 101, WebSocket: client}, nil
}

func (r *room) WebSocketMessage(ctx context.Context, ws *engine.WebSocket, m *engine.Message) error {
	r.memory++
	if f := r.rig.onMessage; f != nil {
		return f(ctx, r, ws, m)
	}
	r.rig.note("%s", m.Data)
	return nil
}

func (r *room) WebSocketClose(_ context.Context, ws *engine.WebSocket, code int, reason string, clean bool) error {
	r.rig.note("close %d %q %v, state %d, %d left", code, reason, clean, ws.ReadyState(), len(r.st.WebSockets()))
	if f := r.rig.onClose; f != nil {
		return f(r, ws)
	}
	return nil
}

func (r *room) WebSocketError(_ context.Context, ws *engine.WebSocket, cause error) error {
	r.rig.note("error %v, state %d", cause, ws.ReadyState())
	return nil
}

func (r *room) Count() int             { return len(r.st.WebSockets()) }
func (r *room) Memory() int            { return r.memory }
func (r *room) Put(k string) error     { return r.st.Storage().Put(k, 1) }
func (r *room) Abort()                 { r.st.Abort(errors.New("on purpose")) }
func (r *room) Send(text string) error { return r.rig.last.Send(engine.TextMessage(text)) }
func (r *room) Close(code int) error   { return r.rig.last.Close(code, "") }
func (r *room) All(text string) int {
	return r.st.Broadcast(engine.TextMessage(text), engine.BroadcastOptions{})
}

// sleeper is the class of objects that answer each event a second later.
type sleeper struct{ st *engine.State }

func (sleeper) New(st *engine.State, ready func(engine.Object, error)) { ready(sleeper{st}, nil) }
func (s sleeper) Evict()                                               {}
func (s sleeper) Deliver(ev *engine.Event) {
	s.st.After(time.Second, func() { ev.Return([]byte{0xf7}) })
}

// noting is the sink of a classic socket of a room.
type noting struct {
	g  *rig
	r  *room
	ws *engine.WebSocket
}

func (n *noting) Message(m *engine.Message) {
	if f := n.g.onMessage; f != nil {
		_ = f(context.Background(), n.r, n.ws, m)
		return
	}
	n.g.note("%s", m.Data)
}

func (n *noting) Closed(code int, reason string, clean bool) {
	n.g.note("closed %d %q %v, state %d", code, reason, clean, n.ws.ReadyState())
	if f := n.g.onClose; f != nil {
		_ = f(n.r, n.ws)
	}
}

func (n *noting) Failed(err error) { n.g.note("failed %v", err) }

// client is a transport: what a connection of a server does, without the bytes.
type client struct {
	g    *rig
	loop loop.Loop
	port *engine.Port
	ws   *engine.WebSocket
	err  error
	got  []string
	room int
}

func (c *client) Message(m *engine.Message) { c.got = append(c.got, string(m.Data)) }
func (c *client) Closed(code int, reason string, clean bool) {
	c.got = append(c.got, fmt.Sprintf("closed %d %q %v", code, reason, clean))
}
func (c *client) Failed(err error) { c.got = append(c.got, fmt.Sprintf("failed %v", err)) }
func (c *client) Room()            { c.room++ }

// told returns what has come since the last call.
func (c *client) told() string {
	s := strings.Join(c.got, "; ")
	c.got = nil
	return s
}

// start asks a room for a WebSocket from a loop, and goes on without waiting for the answer.
func (g *rig) startDial(i int, name, query string) *client {
	c := g.client(i)
	req := &engine.Request{Method: "GET", URL: "http://room/?" + query, Header: engine.Header{{Name: "upgrade", Value: "websocket"}}}
	c.do(func() { c.port.Namespace("Room").GetByName(name).StartFetch(req, engine.ReplyFunc(c.connected)) })
	return c
}

// connected takes the answer of a room, or of a Worker.
func (c *client) connected(r engine.Reply) {
	if c.err = r.Err; c.err == nil {
		c.ws = r.Response.WebSocket
		c.err = c.port.HoldWebSocket(c.ws, c)
	}
}

func (g *rig) dial(i int, name, query string) *client {
	g.t.Helper()
	c := g.startDial(i, name, query)
	g.settle()
	if c.err != nil || c.ws == nil {
		g.t.Fatalf("dial: %v", c.err)
	}
	return c
}

func (g *rig) client(i int) *client {
	return &client{g: g, loop: g.pool.Loop(i), port: g.Port(g.pool.Loop(i))}
}

// do does something as the connection would: on its loop, soon.
func (c *client) do(fn func()) { c.loop.Post(loop.Func(fn)) }

// push sends messages, soon.
func (c *client) push(texts ...string) {
	c.do(func() {
		for _, text := range texts {
			if err := c.ws.Send(engine.TextMessage(text)); err != nil {
				c.g.t.Error(err)
			}
		}
	})
}

// send sends messages, and lets everything come to rest.
func (c *client) send(texts ...string) {
	c.push(texts...)
	c.g.settle()
}

func (c *client) close(code int, reason string) {
	c.do(func() {
		if err := c.ws.Close(code, reason); err != nil {
			c.g.t.Error(err)
		}
	})
}

func (c *client) lose() { c.do(c.ws.Lost) }

func (g *rig) call(name, method string, args ...any) *answer {
	a := g.start(g.ns.GetByName(name), method, args...)
	g.settle()
	return a
}

func (g *rig) want(what, got, want string) {
	g.t.Helper()
	if got != want {
		g.t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

// timers is the number of pending timers.
func (g *rig) timers() (n int) {
	for i := range g.pool.Len() {
		n += g.pool.Loop(i).(*loop.Core).Timers()
	}
	return n
}

func advance(g *rig, d time.Duration) {
	g.pool.Advance(d)
	g.settle()
}

func echo(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
	return ws.Send(m)
}

// each runs a test with both kinds of holders and with the client on the loop of the object and on another one.
func each(t *testing.T, f func(t *testing.T, g *rig, dial func(name string) *client)) {
	for _, kind := range []string{"", "classic"} {
		for i := range 2 {
			t.Run(fmt.Sprintf("%s loop %d", kind, i), func(t *testing.T) {
				g := newRig(t, 2)
				f(t, g, func(name string) *client { return g.dial(i, name, kind) })
			})
		}
	}
}

func TestWebSocketEcho(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		g.onMessage = echo
		c := dial("a")
		c.send("one", "two", "three")
		g.want("echo", c.told(), "one; two; three")
	})
}

// What is sent to an end before somebody holds it waits, and comes before what is sent later.
func TestWebSocketWaitsForItsHolder(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		g.onFetch = func(_ *room, ws *engine.WebSocket) error {
			for i := range 3 {
				if err := ws.Send(engine.TextMessage(fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		}
		c := dial("a")
		g.call("a", "send", "later")
		g.want("came", c.told(), "0; 1; 2; later")
	})
}

// onOther is a name of a room on the given loop.
func (g *rig) onLoop(i int) string { return onLoop(g.t, g.ns, 2, i) }

func TestWebSocketClose(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		word := "close"
		if strings.HasPrefix(t.Name(), "TestWebSocketClose/classic") {
			word = "closed"
		}
		left := func(n int) string {
			if word == "closed" {
				return ""
			}
			return fmt.Sprintf(", %d left", n)
		}
		t.Run("by the client", func(t *testing.T) {
			c := dial("a")
			c.close(4000, "bye")
			g.settle()
			g.want("object", g.told(), word+` 4000 "bye" true, state 3`+left(0))
			g.want("client", c.told(), `closed 4000 "bye" true`)
			if s := c.ws.ReadyState(); s != engine.SocketClosed {
				t.Errorf("state %d", s)
			}
		})
		t.Run("by the object", func(t *testing.T) {
			c := dial("b")
			server := g.last
			g.call("b", "close", 0)
			g.want("client", c.told(), `closed 1005 "" true`)
			if server.ReadyState() != engine.SocketClosing || c.ws.ReadyState() != engine.SocketClosing {
				t.Errorf("states %d, %d", server.ReadyState(), c.ws.ReadyState())
			}
			if a := g.call("b", "send", "x"); a.got.Err == nil || a.got.Err.Error() != "Can't call WebSocket send() after close()." {
				t.Errorf("send after close: %v", a.got.Err)
			}
			if a := g.call("b", "close", 1001); a.got.Err != nil {
				t.Errorf("second close: %v", a.got.Err)
			}
			if n := decode[int](t, g.call("b", "count")); (n == 1) != (word == "close") {
				t.Errorf("%d sockets while one is closing", n)
			}
			c.close(1005, "")
			g.settle()
			g.want("object", g.told(), word+` 1005 "" true, state 3`+left(0))
			g.want("client", c.told(), "")
		})
		t.Run("half open", func(t *testing.T) {
			c := dial("c")
			server := g.last
			server.AllowHalfOpen(true)
			c.close(1000, "")
			g.settle()
			g.want("object", g.told(), word+` 1000 "" true, state 2`+left(0))
			g.want("client", c.told(), "")
			g.call("c", "send", "one more")
			g.call("c", "close", 4001)
			g.want("client", c.told(), `one more; closed 4001 "" true`)
			if server.ReadyState() != engine.SocketClosed {
				t.Errorf("state %d", server.ReadyState())
			}
		})
		t.Run("both at once", func(t *testing.T) {
			c := dial("d")
			a := g.start(g.ns.GetByName("d"), "close", 4100)
			c.close(4200, "")
			g.settle()
			if a.got.Err != nil {
				t.Fatal(a.got.Err)
			}
			g.want("object", g.told(), word+` 4200 "" true, state 3`+left(0))
			if got := c.told(); got != `closed 4100 "" true` && got != `closed 4200 "" true` {
				t.Errorf("client: %s", got)
			}
		})
		t.Run("lost", func(t *testing.T) {
			c := dial("e")
			c.push("last words")
			c.lose()
			g.settle()
			g.want("object", g.told(), "last words; "+word+` 1006 "WebSocket disconnected without sending Close frame." false, state 3`+left(0))
			if a := g.call("e", "send", "x"); a.got.Err != nil {
				t.Errorf("send to a lost client: %v", a.got.Err)
			}
			g.want("client", c.told(), "")
		})
		t.Run("lost while half open", func(t *testing.T) {
			c := dial("g")
			server := g.last
			server.AllowHalfOpen(true)
			c.close(1000, "")
			g.settle()
			c.lose()
			g.settle()
			again := "" // one that hibernates has had its last event
			if word == "closed" {
				again = `; closed 1006 "WebSocket disconnected without sending Close frame." false, state 3`
			}
			g.want("object", g.told(), word+` 1000 "" true, state 2`+left(0)+again)
			if server.ReadyState() != engine.SocketClosed {
				t.Errorf("state %d", server.ReadyState())
			}
		})
		t.Run("closed and lost at once", func(t *testing.T) {
			c := dial("h")
			c.push("last words")
			c.close(1000, "")
			c.lose()
			g.settle()
			g.want("object", g.told(), "last words; "+word+` 1000 "" true, state 3`+left(0))
		})
		t.Run("failed", func(t *testing.T) {
			c := dial("f")
			c.do(func() { c.ws.Fail(errors.New("bad frame")) })
			g.settle()
			want := "error bad frame, state 3"
			if word == "closed" {
				want = "failed bad frame"
			}
			g.want("object", g.told(), want)
		})
		if n := g.Metrics().WebSockets; n != 0 {
			t.Errorf("%d sockets are still counted", n)
		}
	})
}

// The client does not answer a Close.
func TestWebSocketCloseTimeout(t *testing.T) {
	g := newRig(t, 2)
	c := g.dial(1, g.onLoop(0), "")
	g.call(g.onLoop(0), "close", 1000)
	g.want("client", c.told(), `closed 1000 "" true`)
	advance(g, engine.CloseTimeout-time.Millisecond)
	g.want("object", g.told(), "")
	advance(g, time.Millisecond)
	g.want("object", g.told(), `close 1006 "WebSocket disconnected without sending Close frame." false, state 3, 0 left`)
	g.want("client", c.told(), "failed "+engine.ErrCloseTimeout.Error())
}

// The client answers, and no timer is left.
func TestWebSocketCloseAnswered(t *testing.T) {
	g := newRig(t, 2, func(o *engine.Options) { o.IdleTimeout = time.Millisecond })
	c := g.dial(1, g.onLoop(0), "")
	g.call(g.onLoop(0), "all", "x") // made anew, as it is idle at once
	g.onMessage = func(_ context.Context, _ *room, ws *engine.WebSocket, _ *engine.Message) error {
		return ws.Close(1000, "")
	}
	c.send("close")
	g.want("client", c.told(), `x; closed 1000 "" true`)
	c.close(1000, "")
	advance(g, time.Second)
	if n := g.timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
	advance(g, 2*engine.CloseTimeout)
	g.want("client", c.told(), "")
}

func TestWebSocketRefusals(t *testing.T) {
	g := newRig(t, 1)
	var free *engine.WebSocket
	g.onFetch = func(r *room, ws *engine.WebSocket) error {
		a, b := r.st.WebSocketPair()
		free = a
		check := func(what string, err error, want string) {
			t.Helper()
			var e *engine.Error
			switch {
			case want == "" && err == nil:
			case err == nil:
				t.Errorf("%s: no error, want %s", what, want)
			case !errors.As(err, &e) || e.Name+": "+e.Message != want:
				t.Errorf("%s: %v, want %s", what, err, want)
			}
		}
		m := engine.TextMessage("x")
		check("send before accept", a.Send(m), "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.")
		check("close before accept", a.Close(1000, ""), "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.")
		_, err := r.st.Tags(a)
		check("tags before accept", err, "Error: you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.")
		check("11 tags", r.st.AcceptWebSocket(a, "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"), "Error: a Hibernatable WebSocket cannot have more than 10 tags")
		long := strings.Repeat("x", 257)
		check("long tag", r.st.AcceptWebSocket(a, long), `Error: "`+long+`" is longer than the max tag length (256 characters).`)
		check("accept", r.st.AcceptWebSocket(a, "0", "", "0", "1", "2", "3", "4", "5", "6", "7", strings.Repeat("ä", 256)), "")
		tags, err := r.st.Tags(a)
		if err != nil || len(tags) != 10 || tags[1] != "" {
			t.Errorf("tags %q, %v", tags, err)
		}
		check("accept twice", r.st.AcceptWebSocket(a), "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`")
		check("the other end", r.st.AcceptWebSocket(b), "Error: Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.")
		check("accept() after", r.st.HoldWebSocket(a, &noting{g, r, a}), "TypeError: Can't accept() WebSocket after enabling hibernation.")
		check("accept() the other", r.st.HoldWebSocket(b, &noting{g, r, b}), "")
		check("accept() it again", r.st.HoldWebSocket(b, &noting{g, r, b}), "TypeError: Can't accept() WebSocket that was already accepted.")
		check("acceptWebSocket() after accept()", r.st.AcceptWebSocket(b), "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`")
		_, err = r.st.Tags(b)
		check("tags of a classic one", err, "Error: only hibernatable websockets can have tags.")
		for _, code := range []int{-1, 1, 999, 1004, 1006, 1015, 5000, 70000} {
			check("close", b.Close(code, ""), fmt.Sprintf("InvalidAccessError: Invalid WebSocket close code: %d.", code))
		}
		check("reason alone", b.Close(0, "why"), "TypeError: If you specify a WebSocket close reason, you must also specify a code.")
		check("reason too long", b.Close(1000, strings.Repeat("x", 124)), "SyntaxError: WebSocket close reason must not be longer than 123 bytes when encoded as UTF-8.")
		check("attachment", a.SetAttachment(make([]byte, 16385)), "Error: A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 16385 bytes.")
		check("attachment", a.SetAttachment(make([]byte, 16384)), "")
		check("request", r.st.SetAutoResponse(strings.Repeat("x", 2049), ""), "RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.")
		check("response", r.st.SetAutoResponse("", strings.Repeat("x", 2049)), "RangeError: Response cannot be larger than 2048 bytes. A response of size 2049 was provided.")
		check("timeout", r.st.SetWebSocketEventTimeout(604_800_001*time.Millisecond), "Error: Event timeout should not exceed 604800000 ms.")
		check("timeout", r.st.SetWebSocketEventTimeout(604_800_000*time.Millisecond), "")
		check("the longest reason", b.Close(4999, strings.Repeat("x", 123)), "")
		return nil
	}
	c := g.dial(0, "a", "")
	if err := c.port.HoldWebSocket(c.ws, c); err == nil || err.Error() != "Can't accept() WebSocket that was already used in a response." {
		t.Errorf("held twice by a transport: %v", err)
	}
	if err := c.port.HoldWebSocket(free, c); err == nil || err.Error() != "Can't accept() WebSocket after enabling hibernation." {
		t.Errorf("taken from an object: %v", err)
	}
}

// What is given away in a Response is coupled, before its client has come to hold it.
func TestWebSocketUsedInResponse(t *testing.T) {
	g := newRig(t, 1)
	var other, given *engine.WebSocket
	ns := register(t, g.Engine, "Late", engine.ClassOf(func(st *engine.State) (*giver, error) {
		return &giver{st, func() { given, other = st.WebSocketPair() }, &given, &other}, nil
	}))
	a := new(answer)
	ns.GetByName("a").StartFetch(&engine.Request{Method: "GET", URL: "http://late/"}, a)
	g.settle()
	if a.got.Err != nil || !given.InResponse() || given.Held() {
		t.Fatalf("%v, in a response %v, held %v", a.got.Err, given.InResponse(), given.Held())
	}
	b := g.start(ns.GetByName("a"), "accept")
	g.settle()
	if b.got.Err == nil || !strings.Contains(b.got.Err.Error(), "its pair has already been accepted or used in a Response") {
		t.Errorf("accepted after the response: %v", b.got.Err)
	}
}

type giver struct {
	st           *engine.State
	make         func()
	given, other **engine.WebSocket
}

func (l *giver) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	l.make()
	return &engine.Response{Status: 101, WebSocket: *l.given}, nil
}
func (l *giver) Accept() error { return l.st.AcceptWebSocket(*l.other) }

// The order of getWebSockets: newest first, with a tag oldest first.
func TestWebSocketsOrder(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	var clients []*client
	var ends []*engine.WebSocket
	for i := range 6 {
		clients = append(clients, g.dial(i%2, name, fmt.Sprintf("tag=all&tag=%d", i%2)))
		ends = append(ends, g.last)
	}
	place := func(list []*engine.WebSocket) (p []int) {
		for _, ws := range list {
			p = append(p, slices.Index(ends, ws))
		}
		return p
	}
	look := func(what string, all, tag0, tag1 []int) {
		t.Helper()
		g.onMessage = func(_ context.Context, r *room, _ *engine.WebSocket, _ *engine.Message) error {
			if got := place(r.st.WebSockets()); !slices.Equal(got, all) {
				t.Errorf("%s: %v, want %v", what, got, all)
			}
			slices.Reverse(all)
			if got := place(r.st.WebSocketsTagged("all")); !slices.Equal(got, all) {
				t.Errorf("%s, tag all: %v, want %v", what, got, all)
			}
			if got := place(r.st.WebSocketsTagged("0")); !slices.Equal(got, tag0) {
				t.Errorf("%s, tag 0: %v, want %v", what, got, tag0)
			}
			if got := place(r.st.WebSocketsTagged("1")); !slices.Equal(got, tag1) {
				t.Errorf("%s, tag 1: %v, want %v", what, got, tag1)
			}
			if got := r.st.WebSocketsTagged("2"); len(got) != 0 {
				t.Errorf("%s, tag 2: %v", what, got)
			}
			g.note("looked")
			return nil
		}
		clients[0].send("look")
		if got := g.told(); !strings.Contains(got, "looked") {
			t.Fatal(got)
		}
	}
	look("six", []int{5, 4, 3, 2, 1, 0}, []int{0, 2, 4}, []int{1, 3, 5})
	advance(g, 20*time.Second)
	look("after hibernation", []int{5, 4, 3, 2, 1, 0}, []int{0, 2, 4}, []int{1, 3, 5})
	clients[2].lose()
	clients[5].close(1000, "")
	g.settle()
	look("two have gone", []int{4, 3, 1, 0}, []int{0, 4}, []int{1, 3})
	clients[1].lose()
	clients[3].lose()
	g.settle()
	look("a tag has gone", []int{4, 0}, []int{0, 4}, nil)
}

// The next message of a socket comes when the previous event has ended, with all that it waited for; others come meanwhile.
func TestWebSocketEventsOfOneSocketAreInOrder(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	a, b := g.dial(0, name, ""), g.dial(1, name, "")
	g.onMessage = func(ctx context.Context, r *room, _ *engine.WebSocket, m *engine.Message) error {
		g.note("begin %s", m.Data)
		if string(m.Data) == "slow" {
			if err := r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil); err != nil {
				return err
			}
		}
		g.note("end %s", m.Data)
		return nil
	}
	a.push("slow")
	a.push("next")
	g.settle()
	b.send("other")
	g.want("so far", g.told(), "begin slow; begin other; end other")
	advance(g, time.Second)
	g.want("then", g.told(), "end slow; begin next; end next")
}

// An error of a handler is no end of the socket.
func TestWebSocketHandlerThatFails(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		if strings.Contains(t.Name(), "classic") {
			t.Skip("a sink has no errors")
		}
		g.onMessage = func(_ context.Context, _ *room, ws *engine.WebSocket, m *engine.Message) error {
			switch string(m.Data) {
			case "fail":
				return errors.New("no luck")
			case "panic":
				panic("boom")
			}
			return ws.Send(m)
		}
		c := dial("a")
		c.send("fail", "one", "panic", "two")
		g.want("client", c.told(), "one; two")
		if n := g.Metrics().Failures; n != 2 {
			t.Errorf("%d failures", n)
		}
	})
}
