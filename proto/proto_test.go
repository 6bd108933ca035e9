package proto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

// letters is a protocol in which each byte is a request. Owned by the test, as are the loops.
type letters struct {
	sessions []*letterSession
	open     func(*Conn)
	panics   bool // an answer to 'p' panics
}

type letterSession struct {
	p       *letters
	c       *Conn
	pending []*letter
	closed  []error
	expired int
	drained int
	begun   int
}

// letter is one request, answered by count copies of itself, or in pieces if count is large.
type letter struct {
	Slot
	s         *letterSession
	b         byte
	count     int
	waits     bool // its next piece is not there yet
	calls     int
	abandoned bool
}

func (p *letters) Open(c *Conn) Session {
	s := &letterSession{p: p, c: c}
	p.sessions = append(p.sessions, s)
	if p.open != nil {
		p.open(c)
	}
	return s
}

func (s *letterSession) Data() {
	for s.c.Room() && len(s.c.Inbound()) > 0 {
		l := &letter{s: s, b: s.c.Inbound()[0], count: 1}
		s.c.Discard(1)
		s.begun++
		s.pending = append(s.pending, l)
		s.c.Queue(&l.Slot, l)
	}
}

func (s *letterSession) Closed(err error) { s.closed = append(s.closed, err) }

func (l *letter) Answer(*engine.Reply) bool {
	l.calls++
	if l.s.p.panics && l.b == 'p' {
		panic("no answer")
	}
	if l.s.c.Gone() {
		return true
	}
	if l.waits {
		return false
	}
	n := min(l.count, l.s.c.WriteRoom())
	l.s.c.Write(bytes.Repeat([]byte{l.b}, n))
	l.count -= n
	return l.count == 0
}

func (l *letter) Abandon() { l.abandoned = true }

type expiring struct{ *letterSession }

func (s expiring) Expired() { s.expired++ }

type draining struct{ *letterSession }

func (s draining) Drain() { s.drained++ }

type world struct {
	t    *testing.T
	pool *looptest.Pool
	h    *Handler
	p    *letters
	log  strings.Builder
}

func newWorld(t *testing.T, seed uint64, o Options) *world {
	t.Helper()
	w := &world{t: t, pool: looptest.New(1, seed), p: &letters{}}
	e, err := engine.Open(engine.Options{
		Pool: w.pool, Logger: slog.New(slog.DiscardHandler),
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			return waltest.NewMemLog(waltest.MemOptions{Buffers: loops, Auto: true, OnDurable: durable}), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.Logger = slog.New(slog.NewTextHandler(&w.log, nil))
	if w.h, err = NewHandler(e, w.p, o); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) dial() (*looptest.Peer, *letterSession) {
	w.t.Helper()
	peer := w.pool.Dial(w.h, w.h.ListenOptions())
	w.pool.Run()
	return peer, w.p.sessions[len(w.p.sessions)-1]
}

// do runs f on the loop, and then everything.
func (w *world) do(f func()) {
	w.pool.Loop(0).Post(loop.Func(f))
	w.pool.Run()
}

// TestOrder answers in random orders.
func TestOrder(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(t, seed, Options{MaxInFlight: 7})
		w.pool.Fragment = true
		rnd := rand.New(rand.NewPCG(seed, 1))
		peer, s := w.dial()
		var in, out bytes.Buffer
		for i := range 300 {
			in.WriteByte(byte('a' + i%26))
		}
		peer.Write(in.Bytes())
		for out.Len() < in.Len() {
			w.pool.Run()
			if len(s.pending) == 0 || s.c.InFlight() > 7 {
				t.Fatalf("seed %d: %d under way, %d answers so far", seed, s.c.InFlight(), out.Len())
			}
			i := rnd.IntN(len(s.pending))
			l := s.pending[i]
			s.pending = append(s.pending[:i], s.pending[i+1:]...)
			w.do(func() { l.Reply(engine.Reply{}) })
			out.Write(peer.Read())
		}
		if out.String() != in.String() {
			t.Fatalf("seed %d: the answers are %q", seed, out.String())
		}
		peer.Close()
		w.pool.Run()
		if len(s.closed) != 1 || s.closed[0] != nil || w.h.Conns() != 0 || w.h.here[0].conns != nil {
			t.Fatalf("seed %d: closed %v, %d connections", seed, s.closed, w.h.Conns())
		}
	}
}

// TestPieces: an answer goes out as fast as it is taken, one that is not there yet waits, and those behind wait
// with it.
func TestPieces(t *testing.T) {
	w := newWorld(t, 1, Options{})
	peer, s := w.dial()
	peer.Write([]byte("abc"))
	w.pool.Run()
	peer.StopReading(10)
	s.pending[0].count = 1 << 20
	s.pending[1].waits = true
	w.do(func() {
		for _, l := range []int{2, 1, 0} {
			s.pending[l].Reply(engine.Reply{})
		}
	})
	if n := s.c.Outbound(); n > DefaultHighWater {
		t.Errorf("%d bytes wait, want at most %d", n, DefaultHighWater)
	}
	if got := string(peer.Read()); got != "aaaaaaaaaa" {
		t.Errorf("got %q", got)
	}
	peer.StartReading()
	w.pool.Run()
	if got := string(peer.Read()); got != strings.Repeat("a", 1<<20-10) {
		t.Errorf("got %d bytes", len(got))
	}
	if s.pending[1].calls == 0 || s.pending[2].calls != 0 {
		t.Errorf("asked %d and %d times, want some and 0", s.pending[1].calls, s.pending[2].calls)
	}
	s.pending[1].waits = false
	w.do(s.c.Continue)
	if got := string(peer.Read()); got != "bc" {
		t.Errorf("got %q, want bc", got)
	}
}

// TestFinish: answers under way are sent, further requests are not read.
func TestFinish(t *testing.T) {
	w := newWorld(t, 1, Options{})
	peer, s := w.dial()
	peer.Write([]byte("ab"))
	w.pool.Run()
	w.do(s.c.Finish)
	peer.Write([]byte("c"))
	w.pool.Run()
	if s.begun != 2 || s.c.Room() {
		t.Errorf("%d requests were begun, room: %v", s.begun, s.c.Room())
	}
	w.do(func() { s.pending[1].Reply(engine.Reply{}) })
	if peer.EOF() {
		t.Error("closed before the answers")
	}
	w.do(func() { s.pending[0].Reply(engine.Reply{}) })
	if got := string(peer.Read()); got != "ab" || !peer.EOF() {
		t.Errorf("got %q, closed: %v", got, peer.EOF())
	}
}

// TestHalfClosed: what was sent before the end is answered, also what did not fit at first.
func TestHalfClosed(t *testing.T) {
	for seed := range uint64(20) {
		for _, bound := range []int{1, 2, 3, 4, 5, 64} {
			w := newWorld(t, seed, Options{MaxInFlight: bound})
			peer, s := w.dial()
			peer.Write([]byte("abcdefg"))
			peer.CloseWrite()
			w.pool.Run()
			var got []byte
			for i := range 7 {
				if len(s.pending) <= i {
					t.Fatalf("seed %d, bound %d: %d requests were begun, %d answered", seed, bound, len(s.pending), i)
				}
				w.do(func() { s.pending[i].Reply(engine.Reply{}) })
				got = append(got, peer.Read()...)
			}
			if string(got) != "abcdefg" || !peer.EOF() || len(s.closed) != 1 {
				t.Errorf("seed %d, bound %d: got %q, closed: %v %v", seed, bound, got, peer.EOF(), s.closed)
			}
		}
	}
}

// TestSmallAnswers: many small answers are held up like a long one.
func TestSmallAnswers(t *testing.T) {
	w := newWorld(t, 1, Options{MaxInFlight: 1000})
	peer, s := w.dial()
	peer.StopReading(0)
	render := func(dst []byte, r *engine.Reply) []byte { return append(dst, make([]byte, 10_000)...) }
	w.do(func() {
		for range 500 {
			s.c.Answer(render).Reply(engine.Reply{})
		}
	})
	if n := s.c.Outbound(); n < DefaultHighWater || n > DefaultHighWater+10_000 {
		t.Errorf("%d bytes wait, want about %d", n, DefaultHighWater)
	}
	if s.c.Room() {
		t.Error("there is room for requests of a client that does not read")
	}
	peer.StartReading()
	w.pool.Run()
	if n := len(peer.Read()); n != 500*10_000 || !s.c.Room() {
		t.Errorf("%d bytes came, room: %v", n, s.c.Room())
	}
}

// TestAbandoned: a client that leaves is told to the requests under way, and their answers go nowhere.
func TestAbandoned(t *testing.T) {
	w := newWorld(t, 1, Options{})
	peer, s := w.dial()
	peer.Write([]byte("abc"))
	w.pool.Run()
	w.do(func() { s.pending[1].Reply(engine.Reply{}) })
	peer.Abort()
	w.pool.Run()
	if !s.pending[0].abandoned || s.pending[1].abandoned || !s.pending[2].abandoned {
		t.Error("abandoned are those that have no answer yet, and no other")
	}
	if s.pending[1].calls != 1 {
		t.Errorf("the answer that was there was called %d times", s.pending[1].calls)
	}
	w.do(func() { s.pending[2].Reply(engine.Reply{}); s.pending[0].Reply(engine.Reply{}) })
	for i, l := range s.pending {
		if l.calls != 1 {
			t.Errorf("answer %d was called %d times", i, l.calls)
		}
	}
	if s.c.InFlight() != 0 || len(s.closed) != 1 || s.closed[0] == nil {
		t.Errorf("%d under way, closed %v", s.c.InFlight(), s.closed)
	}
}

// TestPanic: an answer that panics closes its connection only.
func TestPanic(t *testing.T) {
	w := newWorld(t, 1, Options{})
	w.p.panics = true
	peer, s := w.dial()
	other, os := w.dial()
	peer.Write([]byte("apb"))
	other.Write([]byte("x"))
	w.pool.Run()
	w.do(func() {
		for _, l := range s.pending {
			l.Reply(engine.Reply{})
		}
		os.pending[0].Reply(engine.Reply{})
	})
	if !peer.EOF() || len(s.closed) != 1 || s.c.InFlight() != 0 {
		t.Errorf("closed: %v %v, %d under way", peer.EOF(), s.closed, s.c.InFlight())
	}
	if got := string(other.Read()); got != "x" {
		t.Errorf("the other connection got %q", got)
	}
	if !strings.Contains(w.log.String(), "no answer") {
		t.Errorf("the log says %q", w.log.String())
	}
}

// TestDeadline is kept however often it is moved, and is never early.
func TestDeadline(t *testing.T) {
	w := newWorld(t, 1, Options{})
	_, s := w.dial()
	s.c.Become(expiring{s})
	begin := w.pool.Now()
	set := func(after int64) { w.do(func() { s.c.SetDeadline(begin + after) }) }
	at := func(after int64) int {
		w.pool.Advance(time.Duration(begin+after-w.pool.Now()) * time.Millisecond)
		return s.expired
	}
	set(1000)
	set(500)
	set(2000)
	if n := at(1999); n != 0 {
		t.Errorf("expired %d times before its time", n)
	}
	if n := at(2000); n != 1 {
		t.Errorf("expired %d times at its time", n)
	}
	set(9000)
	set(3000)
	if n := at(3000); n != 2 {
		t.Errorf("expired %d times after being moved forward", n)
	}
	set(4000)
	set(NoDeadline)
	if n := at(100_000); n != 2 {
		t.Errorf("expired %d times after being taken back", n)
	}
	// Without Expired the connection is closed.
	s.c.Become(s)
	set(100_001)
	at(100_002)
	if len(s.closed) != 1 {
		t.Errorf("closed %v", s.closed)
	}
}

// TestDrain is told to sessions that want to hear of it, and finishes the others.
func TestDrain(t *testing.T) {
	w := newWorld(t, 1, Options{})
	_, s := w.dial()
	_, d := w.dial()
	d.c.Become(draining{d})
	w.do(func() { w.h.Drain(s.c.Conn); w.h.Drain(d.c.Conn) })
	if !s.c.Finishing() || d.c.Finishing() || d.drained != 1 {
		t.Errorf("finishing: %v and %v, drained %d times", s.c.Finishing(), d.c.Finishing(), d.drained)
	}
}

// TestStalled: a client that takes nothing is disconnected after once to twice the time-out, one that takes
// something now and then is not.
func TestStalled(t *testing.T) {
	w := newWorld(t, 1, Options{WriteTimeout: 10 * time.Second})
	peer, s := w.dial()
	peer.StopReading(5)
	peer.Write([]byte("a"))
	w.pool.Run()
	s.pending[0].count = 1000
	w.do(func() { s.pending[0].Reply(engine.Reply{}) })
	for range 10 {
		w.pool.Advance(9 * time.Second)
		peer.StopReading(5)
		w.pool.Run()
	}
	if peer.EOF() {
		t.Fatal("a client that reads slowly was disconnected")
	}
	w.pool.Advance(21 * time.Second)
	if !peer.EOF() || len(s.closed) != 1 || s.closed[0] != ErrStalled {
		t.Errorf("closed %v, want %v", s.closed, ErrStalled)
	}
}

// TestServerSpeaksFirst writes in Open, and says things in their turn.
func TestServerSpeaksFirst(t *testing.T) {
	w := newWorld(t, 1, Options{})
	w.p.open = func(c *Conn) { c.Write([]byte("hello ")) }
	peer, s := w.dial()
	peer.Write([]byte("a"))
	w.pool.Run()
	w.do(func() {
		s.c.Say([]byte("!"))
		r := s.c.Answer(func(dst []byte, r *engine.Reply) []byte { return fmt.Appendf(dst, "<%s>", r.Value) })
		r.Reply(engine.Reply{Value: []byte("v")})
	})
	w.do(func() { s.pending[0].Reply(engine.Reply{}) })
	if got := string(peer.Read()); got != "hello a!<v>" {
		t.Errorf("got %q", got)
	}
}

// TestAnswerAllocates nothing once its loop is warm.
func TestAnswerAllocates(t *testing.T) {
	w := newWorld(t, 1, Options{})
	peer, s := w.dial()
	render := func(dst []byte, r *engine.Reply) []byte { return append(dst, "x"...) }
	allocs := testing.AllocsPerRun(1000, func() { s.c.Answer(render).Reply(engine.Reply{}) })
	if allocs > 0.1 { // the outbound buffer grows now and then
		t.Errorf("%v allocations an answer", allocs)
	}
	w.do(func() {})
	if got := len(peer.Read()); got < 1000 {
		t.Errorf("%d answers", got)
	}
}

// panicky is a protocol that cannot open.
type panicky struct{}

func (panicky) Open(*Conn) Session { panic("not today") }

func TestPanicInOpen(t *testing.T) {
	w := newWorld(t, 1, Options{})
	w.h.protocol = panicky{}
	w.pool.KeepPanics = true
	peer := w.pool.Dial(w.h, w.h.ListenOptions())
	peer.Write([]byte("x"))
	w.pool.Run()
	if !peer.EOF() || w.h.Conns() != 0 || len(w.pool.Panics) != 1 {
		t.Errorf("closed: %v, %d connections, panics %v", peer.EOF(), w.h.Conns(), w.pool.Panics)
	}
}

func TestOptions(t *testing.T) {
	var o Options
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	small := Options{Conn: loop.ListenOptions{MaxOutbound: 10_000, LowWater: 100}}
	small.EnsureDefaults()
	if err := small.Validate(); err != nil || small.HighWater != 5000 {
		t.Error(err, small.HighWater)
	}
	for _, bad := range []Options{{MaxInFlight: -1}, {HighWater: 1}, {HighWater: 1 << 30}, {WriteTimeout: -1}} {
		bad.EnsureDefaults()
		if bad.Validate() == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// TestShutdown ends idle connections at once, busy ones after their answers, and new ones as they come.
func TestShutdown(t *testing.T) {
	w := newWorld(t, 1, Options{})
	idle, _ := w.dial()
	gone, _ := w.dial()
	busy, s := w.dial()
	gone.Close()
	busy.Write([]byte("ab"))
	w.pool.Run()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.h.Shutdown(ctx) }()
	for !w.h.ending.Load() || !idle.EOF() {
		w.pool.Run()
		runtime.Gosched()
	}
	late, _ := w.dial()
	if busy.EOF() || !late.EOF() {
		t.Errorf("closed: busy %v, late %v: want the late one only", busy.EOF(), late.EOF())
	}
	w.do(func() { s.pending[0].Reply(engine.Reply{}); s.pending[1].Reply(engine.Reply{}) })
	if got := string(busy.Read()); got != "ab" || !busy.EOF() {
		t.Errorf("the busy one got %q, closed: %v", got, busy.EOF())
	}
	if err := <-ended; err != nil {
		t.Error("shutdown:", err)
	}
	cancel()

	// With one that does not end, it gives up.
	w = newWorld(t, 1, Options{})
	stuck, _ := w.dial()
	stuck.Write([]byte("a"))
	w.pool.Run()
	if err := w.h.Shutdown(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("shutdown with a busy connection: %v", err)
	}
}

// echo answers with the value that it is given, in pieces if there is no room for all of it.
type echo struct {
	Slot
	c    *Conn
	sent int
}

func (e *echo) Answer(r *engine.Reply) bool {
	n := min(len(r.Value)-e.sent, e.c.WriteRoom())
	e.c.Write(r.Value[e.sent : e.sent+n])
	e.sent += n
	return e.sent == len(r.Value)
}

// A value that the engine lends is written before it is another one's, or copied: where answers before it are missing, where it is longer than what
// may be written at once, and where its slot is used again.
func TestBorrowedValues(t *testing.T) {
	w := newWorld(t, 1, Options{HighWater: 4096, Conn: loop.ListenOptions{LowWater: 1024}})
	peer, s := w.dial()
	lend := func(e *echo, value string) {
		b := []byte(value)
		e.Reply(engine.Reply{Value: b, Borrowed: true})
		copy(b, strings.Repeat("!", len(b)))
	}
	long := strings.Repeat("long", 5000)
	a, b, c := &echo{c: s.c}, &echo{c: s.c}, &echo{c: s.c}
	for range 3 {
		w.do(func() {
			for _, e := range []*echo{a, b, c} {
				e.sent = 0
				s.c.Queue(&e.Slot, e)
			}
			lend(b, "two ")
			lend(c, long)
			lend(a, "one ")
		})
		for range 20 {
			w.pool.Run()
		}
		w.do(func() {
			a.sent = 0
			s.c.Queue(&a.Slot, a)
			lend(a, long)
		})
		w.pool.Run()
		if got, want := string(peer.Read()), "one two "+long+long; got != want {
			t.Fatalf("the client got %d bytes, %.40q..., want %d, %.40q...", len(got), got, len(want), want)
		}
	}
}
