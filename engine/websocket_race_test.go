package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
)

// hall is a chat room: it numbers what comes, and sends it to everybody.
type hall struct{ st *engine.State }

func (h *hall) Fetch(_ context.Context, req *engine.Request) (*engine.Response, error) {
	client, server := h.st.WebSocketPair()
	return &engine.Response{Status: 101, WebSocket: client}, h.st.AcceptWebSocket(server)
}

func (h *hall) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	n, _, err := engine.Get[int](h.st.Storage(), "n")
	if err != nil {
		return err
	}
	if err := h.st.Storage().Put("n", n+1); err != nil {
		return err
	}
	if string(m.Data) == "abort" {
		h.st.Abort(errors.New("asked to"))
		return nil
	}
	h.st.Broadcast(engine.BinaryMessage(binary.BigEndian.AppendUint64(nil, uint64(n))), engine.BroadcastOptions{})
	return nil
}

// guest is a client of a hall on a loop of its own choice.
type guest struct {
	t      *testing.T
	loop   loop.Loop
	port   *engine.Port
	hall   string
	rand   *rand.Rand
	last   int64 // number that came last
	sent   int
	limit  int
	ws     *engine.WebSocket
	halted bool
	over   func()
	got    *atomic.Int64
}

func (g *guest) connect() {
	g.port.Namespace("Hall").GetByName(g.hall).StartFetch(&engine.Request{Method: "GET", URL: "http://hall/"}, engine.ReplyFunc(func(r engine.Reply) {
		if r.Err != nil { // reset while it was on its way
			g.loop.Post(loop.Func(g.connect))
			return
		}
		g.ws, g.last, g.halted = r.Response.WebSocket, -1, false
		if err := g.port.HoldWebSocket(g.ws, g); err != nil {
			g.t.Error(err)
		}
		g.say()
	}))
}

// say sends something, or leaves and comes again.
func (g *guest) say() {
	for !g.halted {
		if g.sent == g.limit {
			g.halted = true
			g.ws.Lost()
			g.over()
			return
		}
		if !g.ws.Room() {
			return
		}
		g.sent++
		switch g.rand.IntN(200) {
		case 0:
			_ = g.ws.Send(engine.TextMessage("abort"))
		case 1:
			g.halted = true
			_ = g.ws.Close(1000, "")
		case 2:
			g.halted = true
			g.ws.Lost()
			g.loop.Post(loop.Func(g.connect))
		default:
			_ = g.ws.Send(engine.TextMessage("hello"))
		}
		if g.rand.IntN(4) == 0 {
			g.loop.Post(loop.Func(g.say))
			return
		}
	}
}

func (g *guest) Room() { g.say() }

func (g *guest) Message(m *engine.Message) {
	n := int64(binary.BigEndian.Uint64(m.Data))
	if n <= g.last {
		g.t.Errorf("%d came after %d", n, g.last)
	}
	if g.last >= 0 && n > g.last+1 {
		// The numbers in between were taken by messages that had no answer: those that reset the hall, which ends the socket.
		g.t.Errorf("%d came after %d, and nothing between", n, g.last)
	}
	g.last = n
	g.got.Add(1)
}

func (g *guest) Closed(int, string, bool) {
	g.halted = true
	g.loop.Post(loop.Func(g.connect))
}

func (g *guest) Failed(err error) { g.t.Error(err) }

// TestSocketsOnRealLoops has many clients on several loops talk in a few rooms, leave, come again, and reset the rooms: each hears all that is
// said while it is there, once and in order.
func TestSocketsOnRealLoops(t *testing.T) {
	const loops, guests, halls, each = 4, 32, 5, 300
	e := open(t, engine.Options{Loops: loops, IdleTimeout: time.Millisecond})
	register(t, e, "Hall", engine.ClassOf(func(st *engine.State) (*hall, error) { return &hall{st}, nil }))
	var wg sync.WaitGroup
	var got atomic.Int64
	for i := range guests {
		l := e.Pool().Loop(i % loops)
		wg.Add(1)
		g := &guest{
			t: t, loop: l, port: e.Port(l), hall: fmt.Sprint(i % halls), rand: rand.New(rand.NewPCG(uint64(i), 7)), limit: each, got: &got,
			halted: true, over: sync.OnceFunc(wg.Done),
		}
		l.Post(loop.Func(g.connect))
	}
	wg.Wait()
	if got.Load() == 0 {
		t.Error("nothing was heard")
	}
	// Those that came again when they were done leave by and by.
	waitFor(t, func() bool { return e.Metrics().Hibernating == e.Metrics().WebSockets })
}

// TestUpdateOnRealLoops replaces the code while clients talk.
func TestUpdateOnRealLoops(t *testing.T) {
	const loops, guests = 3, 12
	e := open(t, engine.Options{Loops: loops})
	class := engine.ClassOf(func(st *engine.State) (*hall, error) { return &hall{st}, nil })
	register(t, e, "Hall", class)
	var wg sync.WaitGroup
	var got atomic.Int64
	for i := range guests {
		l := e.Pool().Loop(i % loops)
		wg.Add(1)
		g := &guest{
			t: t, loop: l, port: e.Port(l), hall: strings.Repeat("x", i%3), rand: rand.New(rand.NewPCG(uint64(i), 8)), limit: 500, got: &got,
			halted: true, over: sync.OnceFunc(wg.Done),
		}
		l.Post(loop.Func(g.connect))
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		select {
		case <-done:
			return
		default:
			if err := e.Update("Hall", class, 10*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// gulper is an object that takes whatever comes.
type gulper struct{ *hall }

func (gulper) WebSocketMessage(context.Context, *engine.WebSocket, *engine.Message) error { return nil }

// pusher is a client that sends as much as there is room for.
type pusher struct {
	ws   *engine.WebSocket
	m    *engine.Message
	left int
	over func()
}

func (p *pusher) Room() {
	for p.left > 0 && p.ws.Room() {
		_ = p.ws.Send(p.m)
		p.left--
	}
	if p.left == 0 {
		p.over()
	}
}

func (p *pusher) Message(*engine.Message)  {}
func (p *pusher) Closed(int, string, bool) {}
func (p *pusher) Failed(error)             {}

// TestRoomOnRealLoops has clients on several loops fill, with each message, what all sockets of an object may have on their way: none of them
// waits for room that there is.
func TestRoomOnRealLoops(t *testing.T) {
	const loops, pushers, each = 4, 16, 3000
	e := open(t, engine.Options{Loops: loops, MaxQueuedBytes: 4096})
	register(t, e, "Gulper", engine.ClassOf(func(st *engine.State) (gulper, error) { return gulper{&hall{st}}, nil }))
	var wg sync.WaitGroup
	for i := range pushers {
		l := e.Pool().Loop(i % loops)
		port := e.Port(l)
		wg.Add(1)
		p := &pusher{m: engine.BinaryMessage(make([]byte, 5000)), left: each, over: sync.OnceFunc(wg.Done)}
		l.Post(loop.Func(func() {
			port.Namespace("Gulper").GetByName("x").StartFetch(&engine.Request{Method: "GET", URL: "http://x/"}, engine.ReplyFunc(func(r engine.Reply) {
				p.ws = r.Response.WebSocket
				if err := port.HoldWebSocket(p.ws, p); err != nil {
					t.Error(err)
				}
				l.Post(loop.Func(p.Room))
			}))
		}))
	}
	wg.Wait()
}
