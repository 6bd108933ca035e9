package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
)

// stepUpdate replaces the class of a rig's rooms while its loops are stepped.
func (g *rig) replaceCode(grace time.Duration) {
	g.t.Helper()
	g.stepped.update("Room", engine.ClassOf(func(st *engine.State) (*room, error) {
		g.made++
		return &room{rig: g, st: st}, nil
	}), grace)
}

// A thousand sockets keep no instance, and lose nothing when it goes.
func TestHibernation(t *testing.T) {
	const n = 1000
	g := newRig(t, 2)
	name := g.onLoop(0)
	var clients []*client
	for i := range n {
		clients = append(clients, g.startDial(i%2, name, fmt.Sprintf("tag=%d", i)))
	}
	g.settle()
	clients[0].send("zero")
	g.want("object", g.told(), "zero")
	if m := g.Metrics(); m.Live != 1 || m.WebSockets != n || m.Hibernating != 0 {
		t.Fatalf("%d live, %d sockets, %d hibernating", m.Live, m.WebSockets, m.Hibernating)
	}
	advance(g, 20*time.Second)
	if m := g.Metrics(); m.Live != 0 || m.WebSockets != n || m.Hibernating != n {
		t.Fatalf("%d live, %d sockets, %d hibernating", m.Live, m.WebSockets, m.Hibernating)
	}
	if g.Metrics().Objects != 1 {
		t.Error("the record has gone")
	}
	for i := range n {
		clients[i].push(fmt.Sprint(i), fmt.Sprintf("%d again", i))
	}
	g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		tags, err := r.st.Tags(ws)
		if err != nil {
			return err
		}
		old := string(ws.Attachment())
		if err := ws.SetAttachment([]byte(old + string(m.Data) + ".")); err != nil {
			return err
		}
		return ws.Send(engine.TextMessage(fmt.Sprintf("%s: %s%s", tags[0], old, m.Data)))
	}
	g.settle()
	if g.made != 2 {
		t.Errorf("%d instances were made", g.made)
	}
	if m := decode[int](t, g.call(name, "memory")); m != 2*n {
		t.Errorf("the new instance has seen %d events", m)
	}
	for i, c := range clients {
		if got, want := c.told(), fmt.Sprintf("%d: %d; %d: %d.%d again", i, i, i, i, i); got != want {
			t.Fatalf("client %d: %s, want %s", i, got, want)
		}
	}
	advance(g, 20*time.Second)
	if sent := decode[int](t, g.call(name, "all", "hello")); sent != n || g.made != 3 {
		t.Errorf("sent to %d, %d instances", sent, g.made)
	}
	for i, c := range clients {
		if got := c.told(); got != "hello" {
			t.Fatalf("client %d: %s", i, got)
		}
		c.lose()
	}
	g.settle()
	advance(g, 20*time.Second)
	if m := g.Metrics(); m.Live != 0 || m.WebSockets != 0 || m.Hibernating != 0 || g.Metrics().Objects != 0 || g.SocketSets() != 0 {
		t.Errorf("left: %d live, %d sockets, %d hibernating, %d records, %d sets", m.Live, m.WebSockets, m.Hibernating, g.Metrics().Objects, g.SocketSets())
	}
}

// A classic socket keeps its instance, and one that has ended does not.
func TestClassicSocketPins(t *testing.T) {
	g := newRig(t, 1)
	c := g.dial(0, "a", "classic")
	advance(g, time.Hour)
	c.send("still there")
	g.want("object", g.told(), "still there")
	if m := g.Metrics(); g.made != 1 || m.Live != 1 {
		t.Errorf("%d instances, %d live", g.made, m.Live)
	}
	c.close(1000, "")
	advance(g, 20*time.Second)
	if m := g.Metrics(); m.Live != 0 || m.WebSockets != 0 {
		t.Errorf("%d live, %d sockets", m.Live, m.WebSockets)
	}
}

// A socket whose Close nobody has answered does not outlive the instance.
func TestUnansweredCloseEndsWithTheInstance(t *testing.T) {
	g := newRig(t, 1)
	g.prepare = func(ws *engine.WebSocket) { ws.AllowHalfOpen(true) }
	c := g.dial(0, "a", "")
	c.close(1000, "")
	g.settle()
	g.want("client", c.told(), "")
	advance(g, 20*time.Second)
	g.want("client", c.told(), `closed 1006 "WebSocket disconnected without sending Close frame." false`)
	if m := g.Metrics(); m.Live != 0 || m.WebSockets != 0 || g.SocketSets() != 0 || g.Metrics().Objects != 0 {
		t.Errorf("%d live, %d sockets, %d sets, %d records", m.Live, m.WebSockets, g.SocketSets(), g.Metrics().Objects)
	}
}

// Nothing leaves before the write that it could reveal is durable: a message, and the Close after it.
func TestFramesWaitAtTheOutputGate(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		c := dial("a")
		g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
			if err := r.Put(string(m.Data)); err != nil {
				return err
			}
			if err := ws.Send(m); err != nil {
				return err
			}
			return ws.Close(1000, "done")
		}
		c.push("write")
		g.pool.Run()
		g.want("before the commit", c.told(), "")
		g.log.Commit()
		g.pool.Run()
		g.want("after it", c.told(), `write; closed 1000 "done" true`)
	})
}

// The dependency goes along to the object at the other end of a pair, and from there to its clients.
func TestDependencyCrossesAPair(t *testing.T) {
	for _, kind := range []string{"", "classic"} {
		g := newRig(t, 2)
		a, b := g.onLoop(0), g.onLoop(1)
		far := g.dial(1, b, kind)
		farEnd := g.last
		// The loop's end of a connection goes to an object on the other loop, as that of a Response does.
		joined := g.startDialObject(a, b)
		g.settle()
		if joined.got.Err != nil {
			t.Fatal(joined.got.Err)
		}
		g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
			return farEnd.Send(m)
		}
		w := g.start(g.ns.GetByName(a), "putAndSend", "secret")
		g.pool.Run()
		g.want("before the commit", far.told(), "")
		if w.done {
			t.Error("the answer has left")
		}
		g.log.Commit()
		g.pool.Run()
		g.want("after it", far.told(), "secret")
	}
}

// The same the other way: what the client of a pair has written, its object's clients do not see before.
func TestDependencyCrossesAPairBack(t *testing.T) {
	g := newRig(t, 2)
	a, b := g.onLoop(0), g.onLoop(1)
	near := g.dial(0, a, "")
	nearEnd := g.last
	g.startDialObject(a, b)
	g.settle()
	g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		return nearEnd.Send(m)
	}
	g.start(g.ns.GetByName(b), "putAndSay", "secret")
	g.pool.Run()
	g.want("before the commit", near.told(), "")
	g.log.Commit()
	g.pool.Run()
	g.want("after it", near.told(), "secret")
}

// startDialObject makes room b the classic holder of a socket to room a.
func (g *rig) startDialObject(a, b string) *answer { return g.start(g.ns.GetByName(b), "join", a) }

// Join makes the room a client of another room.
func (r *room) Join(ctx context.Context, to string) error {
	resp, err := r.st.Namespace("Room").GetByName(to).Fetch(ctx, &engine.Request{Method: "GET", URL: "http://room/"})
	if err != nil {
		return err
	}
	r.joined = resp.WebSocket
	return r.st.HoldWebSocket(resp.WebSocket, &noting{r.rig, r, resp.WebSocket})
}

// PutAndSay writes, and sends to the room that it has joined.
func (r *room) PutAndSay(text string) error {
	if err := r.Put(text); err != nil {
		return err
	}
	return r.joined.Send(engine.TextMessage(text))
}

// PutAndSend writes, and sends to the newest socket.
func (r *room) PutAndSend(text string) error {
	if err := r.Put(text); err != nil {
		return err
	}
	return r.st.WebSockets()[0].Send(engine.TextMessage(text))
}

func TestAutoResponse(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	g.onFetch = func(r *room, ws *engine.WebSocket) error { return r.st.SetAutoResponse("ping", "pong") }
	c := g.dial(1, name, "")
	end := g.last
	if !end.AutoResponseTime().IsZero() {
		t.Error("a time before the first")
	}
	c.send("ping", "ping ", "Ping", "ping")
	g.want("client", c.told(), "pong; pong")
	g.want("object", g.told(), "ping ; Ping")
	c.do(func() { _ = c.ws.Send(engine.BinaryMessage([]byte("ping"))) })
	g.settle()
	g.want("bytes are no text", c.told()+g.told(), "ping")
	advance(g, 20*time.Second)
	c.send("ping")
	g.want("hibernating", c.told(), "pong")
	if m := g.Metrics(); m.Live != 0 || g.made != 1 {
		t.Errorf("it was woken: %d live", m.Live)
	}
	if got, want := end.AutoResponseTime().UnixMilli(), g.pool.Loop(0).Wall(); got != want {
		t.Errorf("answered at %d, want %d", got, want)
	}
	// In the order of the other messages: behind one that is still being handled.
	g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		if err := r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil); err != nil {
			return err
		}
		r.st.UnsetAutoResponse()
		g.onMessage = nil
		return ws.Send(m)
	}
	c.send("slow", "ping")
	g.want("while the first is handled", c.told()+g.told(), "")
	advance(g, time.Second)
	g.want("answered", c.told(), "slow")
	g.want("unset by then", g.told(), "ping")
}

// An auto response leaves when what its object knew when it was set is durable, and not before.
func TestAutoResponseWaitsForItsTurn(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	c := g.dial(1, name, "")
	g.onMessage = func(ctx context.Context, r *room, _ *engine.WebSocket, m *engine.Message) error {
		if err := r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil); err != nil {
			return err
		}
		if err := r.st.SetAutoResponse("ping", string(m.Data)); err != nil {
			return err
		}
		return r.Put(string(m.Data))
	}
	c.send("set", "ping") // it is answered in the very turn that sets it
	g.pool.Advance(time.Second)
	g.pool.Run()
	g.want("before the commit", c.told(), "")
	g.log.Commit()
	g.pool.Run()
	g.want("after it", c.told(), "set")
	// Other writes since then are none of its business.
	g.onMessage = func(_ context.Context, r *room, _ *engine.WebSocket, m *engine.Message) error { return r.Put("other") }
	for _, text := range []string{"write", "ping"} {
		c.push(text)
	}
	g.pool.Run()
	g.want("beside a later write", c.told(), "set")
	g.settle()
}

// A message that depends on less does not overtake one that waits.
func TestFramesKeepTheirOrderAtTheGate(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	g.onFetch = func(r *room, ws *engine.WebSocket) error { return r.st.SetAutoResponse("ping", "pong") }
	c := g.dial(1, name, "")
	g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		if err := r.Put("x"); err != nil {
			return err
		}
		return ws.Send(m)
	}
	c.push("first")
	c.push("ping")
	g.pool.Run()
	g.want("before the commit", c.told(), "")
	g.settle()
	g.want("after it", c.told(), "first; pong")
}

func TestSocketEventTimeout(t *testing.T) {
	g := newRig(t, 1)
	g.onFetch = func(r *room, ws *engine.WebSocket) error {
		return r.st.SetWebSocketEventTimeout(300 * time.Millisecond)
	}
	c := g.dial(0, "a", "")
	g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		g.note("begin %s", m.Data)
		if string(m.Data) == "slow" {
			if err := r.st.Namespace("Sleeper").GetByName("x").Call(context.Background(), "sleep", nil); err != nil {
				return err
			}
		}
		g.note("end %s", m.Data)
		return nil
	}
	c.send("slow", "next")
	advance(g, 299*time.Millisecond)
	g.want("before", g.told(), "begin slow")
	advance(g, time.Millisecond)
	g.want("struck", g.told(), "begin next; end next")
	advance(g, time.Second)
	g.want("the handler goes on", g.told(), "end slow")
	if n := g.Metrics().Failures; n != 1 {
		t.Errorf("%d failures", n)
	}
	g.onFetch = func(r *room, ws *engine.WebSocket) error {
		if d := r.st.WebSocketEventTimeout(); d != 300*time.Millisecond {
			t.Errorf("time-out %v", d)
		}
		return r.st.SetWebSocketEventTimeout(0)
	}
	c = g.dial(0, "a", "")
	c.send("slow")
	advance(g, 2*time.Second)
	g.want("unset", g.told(), "begin slow; end slow")
	if n := g.Metrics().Failures; n != 1 {
		t.Errorf("%d failures", n)
	}
}

// A time-out that has not struck leaves no timer behind.
func TestSocketEventTimeoutEndsWithTheEvent(t *testing.T) {
	g := newRig(t, 1)
	g.onFetch = func(r *room, ws *engine.WebSocket) error {
		return r.st.SetWebSocketEventTimeout(engine.MaxSocketEventTimeout)
	}
	g.dial(0, "a", "").send("x")
	advance(g, time.Minute)
	if n := g.timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// Events of sockets are not refused as those of other callers are: it is their clients that are held up.
func TestSocketsOfACrowdedObject(t *testing.T) {
	g := newRig(t, 1, func(o *engine.Options) { o.MaxEvents = 2 })
	var clients []*client
	for range 5 {
		clients = append(clients, g.dial(0, "a", ""))
	}
	g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		if err := r.st.Namespace("Sleeper").GetByName(fmt.Sprint(m.Data)).Call(ctx, "sleep", nil); err != nil {
			return err
		}
		return ws.Send(m)
	}
	for i, c := range clients {
		c.push(fmt.Sprint(i))
	}
	g.settle()
	if a := g.call("a", "count"); a.got.Err == nil {
		t.Error("a call was not refused")
	}
	advance(g, time.Second)
	for i, c := range clients {
		g.want("client", c.told(), fmt.Sprint(i))
	}
}

const abnormal = `closed 1006 "WebSocket disconnected without sending Close frame." false`

// A reset ends all sockets of the object, whatever state they are in; what the turn has sent does not leave.
func TestResetEndsSockets(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		busy, idle := dial("a"), dial("a")
		other := dial("b")
		g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
			if err := ws.Send(engine.TextMessage("what the reset takes back")); err != nil {
				return err
			}
			r.Abort()
			if err := ws.Send(m); err != nil {
				t.Errorf("send after the reset: %v", err)
			}
			return nil
		}
		for range 3 {
			busy.push("x")
		}
		g.settle()
		for _, c := range []*client{busy, idle} {
			g.want("client", c.told(), abnormal)
		}
		g.want("another object's", other.told(), "")
		if n := g.Metrics().WebSockets; n != 1 {
			t.Errorf("%d sockets are left", n)
		}
		g.onMessage = nil
		busy.push("nobody is there")
		g.settle()
		g.want("object", g.told(), "")
		if n := decode[int](t, g.call("a", "count")); n != 0 {
			t.Errorf("the next instance has %d sockets", n)
		}
		dial("a").send("again")
		g.want("object", g.told(), "again")
	})
}

// A reset while a socket's Response is on its way, and while one closes.
func TestResetInOtherStates(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	closing := g.dial(1, name, "")
	g.call(name, "close", 1000)
	g.want("closing", closing.told(), `closed 1000 "" true`)
	g.prepare = func(ws *engine.WebSocket) { ws.AllowHalfOpen(true) }
	half := g.dial(1, name, "")
	half.close(1000, "")
	g.settle()
	dialling := g.startDial(1, name, "")
	for !g.made2(name) {
		if !g.pool.Step() {
			t.Fatal("nothing runs")
		}
	}
	g.call(name, "abort")
	g.want("closing", closing.told(), abnormal)
	g.want("half open", half.told(), abnormal)
	if dialling.err == nil {
		g.want("on its way", dialling.told(), abnormal)
	}
	if m := g.Metrics(); m.WebSockets != 0 || m.Hibernating != 0 || g.SocketSets() != 0 {
		t.Errorf("%d sockets, %d hibernating, %d sets", m.WebSockets, m.Hibernating, g.SocketSets())
	}
	advance(g, time.Minute)
	g.want("closing", closing.told(), "")
}

// made2 reports whether the room has accepted the third socket.
func (g *rig) made2(string) bool { return g.Metrics().WebSockets == 3 }

func TestConstructorThatFailsEndsSockets(t *testing.T) {
	var lines strings.Builder
	g := &rig{stepped: step(t, 1, 1, func(o *engine.Options) { o.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })}
	fail := false
	g.ns = register(t, g.Engine, "Room", engine.ClassOf(func(st *engine.State) (*room, error) {
		if fail {
			return nil, errors.New("no luck")
		}
		return &room{rig: g, st: st}, nil
	}))
	a, b := g.dial(0, "a", ""), g.dial(0, "a", "")
	advance(g, 20*time.Second)
	fail = true
	a.send("wake")
	g.want("a", a.told(), abnormal)
	g.want("b", b.told(), abnormal)
	if m := g.Metrics(); m.WebSockets != 0 || m.Hibernating != 0 || m.Live != 0 {
		t.Errorf("%d sockets, %d hibernating, %d live", m.WebSockets, m.Hibernating, m.Live)
	}
	// Nobody else would be told why.
	for _, want := range []string{"level=ERROR", `msg="the WebSockets of an object are closed"`, "class=Room", "sockets=2", `cause="no luck"`, "method=constructor"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("no %s in the log:\n%s", want, &lines)
		}
	}
}

func TestUpdateEndsSockets(t *testing.T) {
	for _, kind := range []string{"", "classic"} {
		g := newRig(t, 2)
		name := g.onLoop(0)
		sleeping := g.dial(1, g.onLoop(1), "")
		advance(g, 20*time.Second)
		c := g.dial(1, name, kind)
		g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
			return ws.Send(m)
		}
		if kind == "" {
			g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
				if err := r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil); err != nil {
					return err
				}
				return ws.Send(m)
			}
		}
		c.send("under way", "too late")
		g.replaceCode(10 * time.Second)
		g.settle()
		g.want("of a hibernating object", sleeping.told(), abnormal)
		if kind == "" {
			g.want("the event goes on", c.told(), "")
			advance(g, time.Second)
			g.want("finished", c.told(), "under way; "+abnormal)
		} else {
			g.want("classic", c.told(), "under way; too late; "+abnormal)
		}
		if m := g.Metrics(); m.WebSockets != 0 || m.Hibernating != 0 {
			t.Errorf("%d sockets, %d hibernating", m.WebSockets, m.Hibernating)
		}
		g.onMessage = nil
		c = g.dial(1, name, kind)
		c.send("new code")
		g.want("object", g.told(), "new code")
	}
}

// Nothing is left of an object that had nothing but sockets.
func TestUpdateOfHibernatingSockets(t *testing.T) {
	g := newRig(t, 1)
	c := g.dial(0, "a", "")
	advance(g, 20*time.Second)
	g.replaceCode(time.Second)
	g.settle()
	g.want("client", c.told(), abnormal)
	if g.Metrics().Objects != 0 || g.SocketSets() != 0 || g.made != 1 {
		t.Errorf("%d records, %d sets, %d instances", g.Metrics().Objects, g.SocketSets(), g.made)
	}
}

// What has come for the old code and was not begun is not told to the new one: it is of sockets that it never had.
func TestUpdateTellsTheNewCodeNothing(t *testing.T) {
	g := newRig(t, 2)
	name := g.onLoop(0)
	talks, leaves, lost := g.dial(1, name, ""), g.dial(1, name, ""), g.dial(1, name, "")
	blocked := g.start(g.ns.GetByName(name), "block")
	g.settle()
	talks.push("x", "y")
	leaves.close(1000, "")
	lost.lose()
	g.settle()
	g.replaceCode(10 * time.Second)
	talks.push("z")
	advance(g, time.Second)
	if !blocked.done || g.made != 1 {
		t.Fatalf("blocked %v, %d instances", blocked.done, g.made)
	}
	g.want("a client", talks.told(), abnormal)
	g.call(name, "put", "k")
	g.want("objects", g.told(), "")
	if g.made != 2 {
		t.Errorf("%d instances", g.made)
	}
}

// Nor is what waits for an instance that has not begun when the code is replaced, and will be one of the new code.
func TestUpdateBeforeTheConstructor(t *testing.T) {
	g := newRig(t, 2)
	hub := register(t, g.Engine, "Hub", engine.ClassOf(func(st *engine.State) (*room, error) { return &room{rig: g, st: st}, nil }))
	a := g.onLoop(0)
	b := hub.GetByName(onLoop(t, hub, 2, 0))
	if r := g.start(b, "join", a); r.got.Err != nil {
		t.Fatal(r.got.Err)
	}
	advance(g, 20*time.Second)
	if n := g.Metrics().Hibernating; n != 1 {
		t.Fatalf("%d sockets hibernate", n)
	}
	updated := make(chan error, 1)
	g.crowding = func() {
		go func() {
			updated <- g.Update("Room", engine.ClassOf(func(st *engine.State) (*room, error) {
				g.made++
				return &room{rig: g, st: st}, nil
			}), time.Second)
		}()
		for !g.pool.Runnable(1) { // then loop 0 has been told, too
			runtime.Gosched()
		}
	}
	crowd := g.start(b, "crowd", "hello")
	for {
		g.settle()
		select {
		case err := <-updated:
			if err != nil || crowd.got.Err != nil {
				t.Fatal(err, crowd.got.Err)
			}
			g.settle()
			g.want("rooms", g.told(), "closed 1006 \"WebSocket disconnected without sending Close frame.\" false, state 3")
			if n := g.Metrics().WebSockets; n != 0 {
				t.Errorf("%d sockets are left", n)
			}
			return
		default:
		}
	}
}

// Crowd wakes so many objects, and the room that it has joined behind them, that some of them do not get to begin in this round.
func (r *room) Crowd(text string) error {
	for i := range 1500 {
		r.st.Namespace("Sleeper").GetByName(fmt.Sprint(i)).StartCall("sleep", nil, engine.ReplyFunc(func(engine.Reply) {}))
	}
	r.rig.crowding()
	return r.joined.Send(engine.TextMessage(text))
}

// Block keeps everything else out for a second.
func (r *room) Block(ctx context.Context) error {
	return r.st.BlockConcurrencyWhile(func() error {
		return r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil)
	})
}

// An end that nobody will ever hold ends its pair.
func TestDroppedEnd(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		classic := strings.Contains(t.Name(), "classic")
		ns := register(t, g.Engine, "Forgetful", engine.ClassOf(func(st *engine.State) (*forgetful, error) {
			return &forgetful{&room{rig: g, st: st}, classic}, nil
		}))
		g.start(ns.GetByName("a"), "drop")
		g.settle()
		for range 50 {
			runtime.GC()
			time.Sleep(time.Millisecond) // the collector's own goroutine tells
			g.settle()
			if len(g.seen) > 0 {
				break
			}
		}
		if got := g.told(); !strings.Contains(got, `1006 "WebSocket disconnected without sending Close frame." false`) {
			t.Errorf("object: %q", got)
		}
		if n := g.Metrics().WebSockets; n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

type forgetful struct {
	*room
	classic bool
}

// Drop accepts one end and forgets the other, with a message for it.
func (f *forgetful) Drop() error {
	a, _ := f.st.WebSocketPair()
	if f.classic {
		if err := f.st.HoldWebSocket(a, &noting{f.rig, f.room, a}); err != nil {
			return err
		}
	} else if err := f.st.AcceptWebSocket(a); err != nil {
		return err
	}
	return a.Send(engine.TextMessage("x"))
}

// A transport that is ahead of its object stops, and is told when to go on.
func TestRoom(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		if strings.Contains(t.Name(), "classic") {
			t.Skip("a sink takes what comes")
		}
		c := dial("a")
		var taken int
		g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
			if taken == 0 {
				if err := r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil); err != nil {
					return err
				}
			}
			taken++
			return nil
		}
		m := engine.BinaryMessage(make([]byte, 10<<10))
		sent := 0
		for c.ws.Room() {
			c.do(func() { _ = c.ws.Send(m) })
			sent++
			g.settle()
		}
		if want := engine.SocketWindow/len(m.Data) + 1; sent > want || sent < want-2 {
			t.Errorf("room for %d messages", sent)
		}
		if c.room != 0 {
			t.Error("told too early")
		}
		advance(g, time.Second)
		if taken != sent || c.room != 1 || !c.ws.Room() {
			t.Errorf("%d of %d taken, told %d times, room %v", taken, sent, c.room, c.ws.Room())
		}
	})
}

// What all sockets of an object have on their way is bounded, too.
func TestRoomOfAnObject(t *testing.T) {
	g := newRig(t, 2, func(o *engine.Options) { o.MaxQueuedBytes = 100 << 10 })
	name := g.onLoop(0)
	var clients []*client
	for i := range 4 {
		clients = append(clients, g.dial(i%2, name, ""))
	}
	slow := true
	g.onMessage = func(ctx context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		if slow {
			return r.st.Namespace("Sleeper").GetByName("x").Call(ctx, "sleep", nil)
		}
		return nil
	}
	m := engine.BinaryMessage(make([]byte, 10<<10))
	for range 10 {
		for _, c := range clients[:3] {
			c.do(func() {
				if c.ws.Room() {
					_ = c.ws.Send(m)
				}
			})
		}
		g.settle()
	}
	for i, c := range clients {
		if c.ws.Room() || c.room != 0 {
			t.Errorf("socket %d has room", i)
		}
	}
	slow = false
	for range 5 {
		advance(g, time.Second)
	}
	for i, c := range clients {
		if !c.ws.Room() || c.room != 1 {
			t.Errorf("socket %d: room %v, told %d times", i, c.ws.Room(), c.room)
		}
	}
}

// Whoever sends faster than the other end takes, and cannot be held up, loses the socket.
func TestBacklog(t *testing.T) {
	g := newRig(t, 2)
	a, b := g.onLoop(0), g.onLoop(1)
	if r := g.startDialObject(a, b); r.got.Err != nil {
		t.Fatal(r.got.Err)
	}
	g.settle()
	c := g.call(a, "flood")
	if n := decode[int](t, c); n != engine.MaxSocketBacklog/(1<<20) {
		t.Errorf("%d messages", n)
	}
	got := g.told()
	if !strings.Contains(got, "failed "+engine.ErrSocketBacklog.Error()) || !strings.Contains(got, `close 1006`) {
		t.Errorf("told: %s", got)
	}
	if n := g.Metrics().WebSockets; n != 0 {
		t.Errorf("%d sockets are left", n)
	}
}

// Flood sends to the newest socket until that is closed.
func (r *room) Flood() (int, error) {
	r.rig.onMessage = func(context.Context, *room, *engine.WebSocket, *engine.Message) error { return nil }
	m := engine.BinaryMessage(make([]byte, 1<<20))
	ws := r.st.WebSockets()[0]
	for n := 0; ; n++ {
		if r.All("") == 0 {
			return n, nil
		}
		if err := ws.Send(m); err != nil || n > 1000 {
			return n, err
		}
	}
}

// A message that is larger than any bound passes alone.
func TestHugeMessage(t *testing.T) {
	each(t, func(t *testing.T, g *rig, dial func(string) *client) {
		g.onMessage = echo
		c := dial("a")
		big := strings.Repeat("x", 32<<20)
		c.send(big)
		if got := c.told(); got != big {
			t.Errorf("%d bytes came back", len(got))
		}
		// What has been taken counts no more.
		part := big[:4<<20]
		for range 2 * engine.MaxSocketBacklog / len(part) {
			c.send(part)
			if got := c.told(); got != part {
				t.Fatalf("%d bytes came back", len(got))
			}
		}
	})
}

// The event of an entry point holds a socket, and lives as long as that.
func TestEntryPointHoldsASocket(t *testing.T) {
	g := newRig(t, 2)
	var ev *engine.Event
	worker := engine.EntrypointFunc(func(_ context.Context, env *engine.Event, _ *engine.Request) (*engine.Response, error) {
		ev = env
		client, server := env.WebSocketPair()
		if err := env.HoldWebSocket(server, &noting{g, nil, server}); err != nil {
			return nil, err
		}
		g.onMessage = echo
		return &engine.Response{Status: 101, WebSocket: client}, nil
	})
	c := g.enter(worker)
	c.send("one", "two")
	g.want("client", c.told(), "one; two")
	if ev.UnderWay() != 1 || g.SocketEvents() != 1 {
		t.Errorf("%d under way, %d events with sockets", ev.UnderWay(), g.SocketEvents())
	}
	c.close(1000, "")
	g.settle()
	g.want("worker", g.told(), `closed 1000 "" true, state 3`)
	if ev.UnderWay() != 0 || g.SocketEvents() != 0 || g.Metrics().WebSockets != 0 {
		t.Errorf("%d under way, %d events with sockets", ev.UnderWay(), g.SocketEvents())
	}
}

// enter starts an event of an entry point on loop 1.
func (g *rig) enter(e engine.Entrypoint) *client {
	g.t.Helper()
	c := g.client(1)
	c.do(func() {
		c.port.Enter(e, &engine.Request{Method: "GET", URL: "http://worker/"}, engine.ReplyFunc(c.connected))
	})
	g.settle()
	if c.err != nil || c.ws == nil {
		g.t.Fatalf("enter: %v", c.err)
	}
	return c
}

// A Worker stands between: it holds the client's end of an object's pair, and gives its client one of its own.
func TestProxy(t *testing.T) {
	for loop := range 2 {
		g := newRig(t, 2)
		name := g.onLoop(loop)
		worker := engine.EntrypointFunc(func(ctx context.Context, env *engine.Event, r *engine.Request) (*engine.Response, error) {
			resp, err := env.Namespace("Room").GetByName(name).Fetch(ctx, r)
			if err != nil {
				return nil, err
			}
			client, server := env.WebSocketPair()
			if err := env.HoldWebSocket(server, &relay{g, "up ", server, resp.WebSocket}); err != nil {
				return nil, err
			}
			if err := env.HoldWebSocket(resp.WebSocket, &relay{g, "down ", resp.WebSocket, server}); err != nil {
				return nil, err
			}
			return &engine.Response{Status: 101, WebSocket: client}, nil
		})
		c := g.enter(worker)
		g.onMessage = echo
		c.send("x", "y")
		g.want("client", c.told(), "down up x; down up y")
		advance(g, time.Hour)
		c.send("z")
		g.want("an hour later", c.told(), "down up z")
		if g.made != 2 {
			t.Errorf("%d instances", g.made)
		}
		c.close(4000, "")
		g.settle()
		g.want("object", g.told(), `close 4000 "" true, state 3, 0 left`)
		if n := g.Metrics().WebSockets; n != 0 || g.SocketEvents() != 0 {
			t.Errorf("%d sockets are left, %d events", n, g.SocketEvents())
		}
	}
}

// relay passes on what comes to one socket to another.
type relay struct {
	g        *rig
	mark     string
	from, to *engine.WebSocket
}

func (r *relay) Message(m *engine.Message) {
	if err := r.to.Send(engine.TextMessage(r.mark + string(m.Data))); err != nil {
		r.g.t.Error(err)
	}
}

func (r *relay) Closed(code int, reason string, clean bool) {
	if err := r.to.Close(code, reason); err != nil {
		r.g.t.Error(err)
	}
}
func (r *relay) Failed(error) { r.to.Lost() }

// The pair is made on one loop and its ends are held on two others.
func TestBothEndsLeaveHome(t *testing.T) {
	g := newRig(t, 3)
	a, b := g.Port(g.pool.Loop(0)).WebSocketPair()
	left, right := g.client(1), g.client(2)
	left.ws, right.ws = a, b
	left.do(func() { left.err = left.port.HoldWebSocket(a, left) })
	left.push("0", "1", "2")
	g.pool.Run()
	right.do(func() { right.err = right.port.HoldWebSocket(b, right) })
	right.push("3", "4", "5")
	left.push("3", "4", "5")
	g.settle()
	if left.err != nil || right.err != nil {
		t.Fatal(left.err, right.err)
	}
	g.want("right", right.told(), "0; 1; 2; 3; 4; 5")
	g.want("left", left.told(), "3; 4; 5")
	left.close(1000, "")
	g.settle()
	right.close(1000, "")
	g.settle()
	g.want("right", right.told(), `closed 1000 "" true`)
	g.want("left", left.told(), `closed 1000 "" true`)
}

// The log fails: what depends on it never leaves, and the client is told that the socket is no good any more.
func TestFailedLogFailsSockets(t *testing.T) {
	g := newRig(t, 2)
	c := g.dial(1, g.onLoop(0), "")
	g.onMessage = func(_ context.Context, r *room, ws *engine.WebSocket, m *engine.Message) error {
		if err := r.Put("x"); err != nil {
			return err
		}
		return ws.Send(m)
	}
	c.push("x")
	g.pool.Run()
	g.log.FailSync(errors.New("the disk is gone"))
	g.log.Commit()
	g.pool.Run()
	g.want("client", c.told(), "failed "+engine.ErrUnavailable.Error())
	g.want("object", g.told(), `close 1006 "WebSocket disconnected without sending Close frame." false, state 3, 0 left`)
}

// A transport that panics loses its own socket only.
func TestTransportOfASocketThatPanics(t *testing.T) {
	g := newRig(t, 1)
	a, b, c := g.dial(0, "a", ""), g.dial(0, "a", ""), g.dial(0, "a", "")
	bad := &panicky{b}
	one, server := g.Port(g.pool.Loop(0)).WebSocketPair()
	other := new(ender)
	b.do(func() {
		if err := errors.Join(b.port.HoldWebSocket(one, bad), b.port.HoldWebSocket(server, other), server.Send(engine.TextMessage("x"))); err != nil {
			t.Error(err)
		}
	})
	g.settle()
	if other.code != 1006 {
		t.Errorf("the other end was told %d", other.code)
	}
	g.call("a", "all", "hello")
	for _, x := range []*client{a, b, c} {
		g.want("client", x.told(), "hello")
	}
}

type panicky struct{ *client }

func (*panicky) Message(*engine.Message) { panic("boom") }

type ender struct{ code int }

func (*ender) Message(*engine.Message)             {}
func (c *ender) Closed(code int, _ string, _ bool) { c.code = code }
func (*ender) Failed(error)                        {}

func TestBroadcast(t *testing.T) {
	g := newRig(t, 3)
	var ends []*engine.WebSocket
	var clients []*client
	for i := range 9 {
		clients = append(clients, g.dial(i%3, "a", fmt.Sprintf("tag=%d", i%2)))
		ends = append(ends, g.last)
	}
	var sent int
	send := func(o engine.BroadcastOptions) (got []int) {
		g.onMessage = func(_ context.Context, r *room, _ *engine.WebSocket, m *engine.Message) error {
			sent = r.st.Broadcast(engine.TextMessage("hello"), o)
			return nil
		}
		clients[0].send("x")
		for i, c := range clients {
			if s := c.told(); s == "hello" {
				got = append(got, i)
			} else if s != "" {
				t.Errorf("client %d: %s", i, s)
			}
		}
		if sent != len(got) {
			t.Errorf("sent to %d, came to %d", sent, len(got))
		}
		return got
	}
	odd, none := "1", "2"
	for _, c := range []struct {
		o    engine.BroadcastOptions
		want []int
	}{
		{engine.BroadcastOptions{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}},
		{engine.BroadcastOptions{Except: ends[4]}, []int{0, 1, 2, 3, 5, 6, 7, 8}},
		{engine.BroadcastOptions{Tag: &odd}, []int{1, 3, 5, 7}},
		{engine.BroadcastOptions{Tag: &odd, Except: ends[3]}, []int{1, 5, 7}},
		{engine.BroadcastOptions{Tag: &none}, nil},
	} {
		if got := send(c.o); !slices.Equal(got, c.want) {
			t.Errorf("came to %v, want %v", got, c.want)
		}
	}
	_ = ends[2].Close(1000, "") // between turns, as nothing runs
	g.settle()
	clients[2].told()
	if got := send(engine.BroadcastOptions{}); slices.Contains(got, 2) {
		t.Error("sent to a socket that is closing")
	}
}

// The engine closes: all clients lose the connection.
func TestEngineCloseEndsSockets(t *testing.T) {
	g := newRig(t, 2)
	sleeping := g.dial(0, g.onLoop(1), "")
	advance(g, 20*time.Second)
	live, classic := g.dial(0, g.onLoop(0), ""), g.dial(1, g.onLoop(0), "classic")
	entry := g.enter(engine.EntrypointFunc(func(_ context.Context, env *engine.Event, _ *engine.Request) (*engine.Response, error) {
		client, server := env.WebSocketPair()
		return &engine.Response{Status: 101, WebSocket: client}, env.HoldWebSocket(server, &noting{g, nil, server})
	}))
	closed := make(chan error)
	go func() { closed <- g.Close(t.Context()) }()
	for done := false; !done; {
		select {
		case err := <-closed:
			if err != nil {
				t.Error(err)
			}
			done = true
		default:
			g.pool.Run()
		}
	}
	g.pool.Run()
	for i, c := range []*client{sleeping, live, classic, entry} {
		if got := c.told(); got != abnormal {
			t.Errorf("client %d: %s", i, got)
		}
	}
	if m := g.Metrics(); m.WebSockets != 0 || m.Hibernating != 0 {
		t.Errorf("%d sockets, %d hibernating", m.WebSockets, m.Hibernating)
	}
}

func TestTooManySockets(t *testing.T) {
	g := newRig(t, 1)
	var refused, again error
	g.onFetch = func(r *room, ws *engine.WebSocket) error {
		for i := 1; ; i++ {
			a, b := r.st.WebSocketPair()
			if refused = r.st.AcceptWebSocket(a); refused != nil {
				if i != engine.MaxSockets {
					t.Errorf("%d sockets", i)
				}
				ws.Lost()
				again = r.st.AcceptWebSocket(a)
				runtime.KeepAlive(b)
				r.Abort()
				return nil
			}
		}
	}
	g.startDial(0, "a", "")
	g.settle()
	if refused == nil || refused.Error() != "only 32768 websockets can be accepted on a single Durable Object instance" || again != nil {
		t.Errorf("%v, then %v", refused, again)
	}
}
