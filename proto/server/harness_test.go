package server

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/loop"
	"everloop/loop/looptest"
	"everloop/proto/http"
	"everloop/wal"
	"everloop/wal/waltest"
)

// memLog is an OpenLog for engines of tests: in memory, committing at the end of each round.
func memLog(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
	return waltest.NewMemLog(waltest.MemOptions{Buffers: loops, Auto: true, OnDurable: durable}), nil
}

var discard = slog.New(slog.DiscardHandler)

// stepped is a server on a pool that is stepped by hand.
type stepped struct {
	t    testing.TB
	pool *looptest.Pool
	eng  *engine.Engine
	srv  *Server
	log  *strings.Builder // what the server logs
}

// newStepped returns a server of n loops that sends every request to entry.
func newStepped(t testing.TB, n int, seed uint64, entry engine.Entrypoint, o Options) *stepped {
	t.Helper()
	s := &stepped{t: t, pool: looptest.New(n, seed), log: new(strings.Builder)}
	e, err := engine.Open(engine.Options{Pool: s.pool, OpenLog: memLog, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	s.eng = e
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	}
	if s.srv, err = New(e, entry, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range s.pool.Panics {
			t.Errorf("panic on a loop (seed %d): %v", seed, v)
		}
	})
	return s
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (s *stepped) dial() *looptest.Peer {
	return s.pool.Dial(s.srv.Handler(), s.srv.Handler().ListenOptions())
}

// send sends in, runs until nothing is left to do, and returns what has come back.
func (s *stepped) send(p *looptest.Peer, in string) string {
	p.Write([]byte(in))
	s.pool.Run()
	return string(p.Read())
}

// onLoop makes f run on loop 0, in the next round.
func (s *stepped) onLoop(f func()) { s.pool.Loop(0).Post(loop.Func(f)) }

// noneLeft checks that nothing of any request is left behind.
func (s *stepped) noneLeft() {
	s.t.Helper()
	m := s.srv.Metrics()
	if m.InFlight != 0 || m.Conns != 0 {
		s.t.Errorf("%d requests and %d connections are left (seed %d)", m.InFlight, m.Conns, s.pool.Seed())
	}
	for _, h := range s.srv.loops {
		if h.inFlight != 0 || h.body != 0 {
			s.t.Errorf("loop %d still counts %d requests and %d bytes of bodies (seed %d)",
				h.loop.Index(), h.inFlight, h.body, s.pool.Seed())
		}
		for _, x := range h.spare {
			if x.ev != nil || x.req != nil || x.body != nil || x.rest != nil || x.s != nil {
				s.t.Errorf("loop %d keeps something of a request in a spare exchange (seed %d)", h.loop.Index(), s.pool.Seed())
			}
		}
	}
}

// pending is an entry point whose requests are answered when the test says so. Owned by the test.
type pending struct{ events []*engine.Event }

func (p *pending) Serve(ev *engine.Event) { p.events = append(p.events, ev) }

// answer answers request i, on its loop.
func (p *pending) answer(i int, r *engine.Response) { p.events[i].Respond(r) }

// text makes an entry point of a function that needs neither time nor objects.
func text(f func(r *engine.Request) *engine.Response) engine.Entrypoint {
	return serveFunc(func(ev *engine.Event) { ev.Respond(f(ev.Request)) })
}

type serveFunc func(ev *engine.Event)

func (f serveFunc) Serve(ev *engine.Event) { f(ev) }

// hello answers what it was asked.
var hello = text(func(r *engine.Request) *engine.Response {
	return engine.TextResponse(200, r.Method+" "+r.URL+" "+string(r.Body.Bytes()))
})

// whole answers like hello, once it has read the whole body.
var whole = serveFunc(func(ev *engine.Event) {
	ev.StartRead(ev.Request.Body, 1<<20, func(b []byte, err error) {
		if err != nil {
			ev.Fail(err)
			return
		}
		ev.Respond(engine.TextResponse(200, ev.Request.Method+" "+ev.Request.URL+" "+string(b)))
	})
})

// answers reads complete responses, and returns what is left as an error if they are not complete.
func answers(t testing.TB, in string, heads ...bool) (statuses []int, bodies []string) {
	t.Helper()
	r := http.NewResponseReader(http.Limits{})
	rest := []byte(in)
	for i := 0; len(rest) > 0; i++ {
		head := i < len(heads) && heads[i]
		var body strings.Builder
		for {
			n, ev, err := r.Next(rest, head)
			if err != nil {
				t.Fatalf("not a response: %v\n%q", err, in)
			}
			if ev.Kind == http.Body {
				body.Write(ev.Data)
			}
			rest = rest[n:]
			if ev.Kind == http.NeedMore {
				t.Fatalf("an incomplete response: %q", in)
			}
			if ev.Kind == http.End {
				break
			}
		}
		statuses = append(statuses, r.Response().Status)
		bodies = append(bodies, body.String())
	}
	return statuses, bodies
}

// onSockets is a server on real sockets.
type onSockets struct {
	addr string
	pool *loop.Net
	eng  *engine.Engine
	srv  *Server
	lis  *loop.Listener
}

func newReal(t testing.TB, loops int, entry engine.Entrypoint, o Options) *onSockets {
	t.Helper()
	pool, err := loop.New(loop.Options{Loops: loops, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Pool: pool, OpenLog: memLog, WebSockets: SocketClient{}, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	if o.Logger == nil {
		o.Logger = discard
	}
	s, err := New(e, entry, o)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen(pool, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &onSockets{addr: lis.Addr().String(), pool: pool, eng: e, srv: s, lis: lis}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = pool.Close(ended) // aborts whatever the test left open
	})
	return r
}
