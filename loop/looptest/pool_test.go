package looptest_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/loop"
	"everloop/loop/looptest"
)

// The contract that this pool shares with the one for production is tested by the suite in package loop. Here is
// what it has of its own.

type echo struct{ log func(string) }

func (e echo) Open(c loop.Conn)            { e.log(fmt.Sprintf("%d open", c.ID())) }
func (e echo) Drained(c loop.Conn)         { e.log(fmt.Sprintf("%d drained", c.ID())) }
func (e echo) Closed(c loop.Conn, _ error) { e.log(fmt.Sprintf("%d closed", c.ID())) }
func (e echo) Data(c loop.Conn) {
	e.log(fmt.Sprintf("%d %d: %q", c.Loop().Index(), c.ID(), c.Inbound()))
	_ = c.Write(c.Inbound())
	c.Discard(len(c.Inbound()))
}

// play runs a history of tasks, timers and connections on three loops and returns all that happened, in order.
func play(seed uint64) string {
	var b strings.Builder
	p := looptest.New(3, seed)
	p.Fragment = true
	log := func(s string) { fmt.Fprintf(&b, "%d %s\n", p.Now(), s) }
	p.OnRound(func(l loop.Loop) { log(fmt.Sprintf("round on %d", l.Index())) })
	for i := range 3 {
		l := p.Loop(i)
		for n := range 5 {
			l.Post(loop.Func(func() {
				log(fmt.Sprintf("task %d on %d", n, i))
				p.Loop((i + 1) % 3).Post(loop.Func(func() { log(fmt.Sprintf("task %d from %d", n, i)) }))
				l.At(l.Now()+int64(10*n), loop.Func(func() { log(fmt.Sprintf("timer %d on %d", n, i)) }))
			}))
		}
	}
	for range 4 {
		peer := p.Dial(echo{log}, loop.ListenOptions{})
		peer.Write([]byte("some bytes that arrive in pieces"))
		peer.Close()
	}
	p.Advance(time.Second)
	return b.String()
}

func TestSameSeedSameHistory(t *testing.T) {
	seed := rand.Uint64()
	first := play(seed)
	for range 10 {
		if again := play(seed); again != first {
			t.Fatalf("seed %d gave two histories:\n%s\nand\n%s", seed, first, again)
		}
	}
	different := false
	for i := range 10 {
		different = different || play(seed+uint64(i)+1) != first
	}
	if !different {
		t.Errorf("eleven seeds from %d on gave one history", seed)
	}
}

// What one loop posts to another arrives in order, under every interleaving.
func TestMailboxOrder(t *testing.T) {
	for range 50 {
		p := looptest.New(3, rand.Uint64())
		got := make([][]int, 3)
		for from := range 3 {
			for n := range 20 {
				p.Loop(from).Post(loop.Func(func() {
					p.Loop(0).Post(loop.Func(func() { got[from] = append(got[from], n) }))
				}))
			}
		}
		p.Run()
		for from := range 3 {
			if len(got[from]) != 20 || !slices.IsSorted(got[from]) {
				t.Fatalf("seed %d: from loop %d came %v", p.Seed(), from, got[from])
			}
		}
	}
}

// Loops are interleaved in every order.
func TestInterleavings(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		p := looptest.New(3, seed)
		var order strings.Builder
		for i := range 3 {
			p.Loop(i).Post(loop.Func(func() { fmt.Fprint(&order, i) }))
		}
		p.Run()
		seen[order.String()] = true
	}
	if len(seen) != 6 {
		t.Errorf("of the 6 orders of three loops, %d were seen", len(seen))
	}
}

func TestStepLoop(t *testing.T) {
	p := looptest.New(2, 1)
	var order []int
	for i := range 2 {
		p.Loop(i).Post(loop.Func(func() {
			order = append(order, i)
			p.Loop(i).Post(loop.Func(func() { order = append(order, 10+i) }))
		}))
	}
	for _, i := range []int{1, 1, 0, 0} {
		if !p.StepLoop(i) {
			t.Fatalf("loop %d had nothing to do", i)
		}
	}
	if p.StepLoop(0) || p.Step() || !p.Idle() {
		t.Error("the pool is not idle")
	}
	if want := []int{1, 11, 0, 10}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

func TestTime(t *testing.T) {
	p := looptest.New(2, 1)
	var fired []string
	l := p.Loop(0)
	at := func(d int64) {
		l.At(d, loop.Func(func() { fired = append(fired, fmt.Sprintf("%d at %d", d, l.Now())) }))
	}
	l.Post(loop.Func(func() { at(5); at(300); at(70_000); at(80_000) }))
	p.Advance(10 * time.Millisecond)
	p.Advance(70 * time.Second)
	p.Jump(time.Hour)
	p.Run()
	if want := []string{"5 at 5", "300 at 300", "70000 at 70000", "80000 at 3670010"}; !slices.Equal(fired, want) {
		t.Errorf("fired %q, want %q", fired, want)
	}

	var walls, nows []int64
	read := func() {
		l.Post(loop.Func(func() { walls, nows = append(walls, l.Wall()), append(nows, l.Now()) }))
		p.Run()
	}
	read()
	p.JumpWall(-time.Hour)
	read()
	p.Advance(time.Second)
	read()
	if walls[1]-walls[0] != -3_600_000 || walls[2]-walls[1] != 1000 || nows[1] != nows[0] || nows[2]-nows[1] != 1000 {
		t.Errorf("wall clock %v, monotonic clock %v", walls, nows)
	}
}

func TestPeerThatStopsReading(t *testing.T) {
	p := looptest.New(1, 1)
	peer := p.Dial(echo{func(string) {}}, loop.ListenOptions{})
	peer.StopReading(3)
	peer.Write([]byte("abcdef"))
	p.Run()
	if got := string(peer.Read()); got != "abc" || peer.Conn().Outbound() != 3 {
		t.Errorf("got %q, %d bytes wait", got, peer.Conn().Outbound())
	}
	peer.StopReading(1)
	p.Run()
	if got := string(peer.Read()); got != "d" {
		t.Errorf("got %q", got)
	}
	peer.StartReading()
	p.Run()
	if got := string(peer.Read()); got != "ef" || peer.Conn().Outbound() != 0 {
		t.Errorf("got %q, %d bytes wait", got, peer.Conn().Outbound())
	}
}

func TestPanicsComeOutOfTheStep(t *testing.T) {
	p := looptest.New(1, 77)
	p.Loop(0).Post(loop.Func(func() { panic("boom") }))
	func() {
		defer func() {
			s, _ := recover().(string)
			for _, want := range []string{"boom", "loop 0", "seed 77", "TestPanicsComeOutOfTheStep"} {
				if !strings.Contains(s, want) {
					t.Errorf("the panic does not say %q: %s", want, s)
				}
			}
		}()
		p.Run()
		t.Error("no panic came out")
	}()

	p = looptest.New(1, 1)
	p.KeepPanics = true
	ran := false
	p.Loop(0).Post(loop.Func(func() { panic("boom") }))
	p.Loop(0).Post(loop.Func(func() { ran = true }))
	p.Run()
	if !ran || len(p.Panics) != 1 || p.Panics[0] != "boom" {
		t.Errorf("the loop went on: %v, panics %v", ran, p.Panics)
	}
}

// A task or handler may end the test, since it runs on the test's goroutine.
func TestFailNowInATask(t *testing.T) {
	p := looptest.New(1, 1)
	p.Loop(0).Post(loop.Func(func() { runtime.Goexit() }))
	done := make(chan any)
	go func() {
		defer func() { done <- recover() }()
		p.Run()
		done <- "Run returned"
	}()
	if v := <-done; v != nil {
		t.Error(v)
	}
}

func ExamplePool() {
	p := looptest.New(2, 1)
	peer := p.Dial(echo{func(string) {}}, loop.ListenOptions{})
	peer.Write([]byte("PING"))
	p.Run()
	fmt.Printf("%s\n", peer.Read())

	l := p.Loop(0)
	l.Post(loop.Func(func() {
		l.At(l.Now()+30_000, loop.Func(func() { fmt.Println("half a minute later:", l.Now()) }))
	}))
	p.Advance(time.Minute)
	// Output:
	// PING
	// half a minute later: 30000
}

// fickle echoes everything, but pauses, discards in halves, and waits whenever much is unsent.
type fickle struct{ t *testing.T }

func (fickle) Open(loop.Conn)          {}
func (fickle) Closed(loop.Conn, error) {}
func (h fickle) Drained(c loop.Conn)   { c.ResumeReading() }
func (h fickle) Data(c loop.Conn) {
	b := c.Inbound()
	if len(b) > 2000+64<<10 || c.Outbound() > 20_000 {
		h.t.Errorf("%d bytes in, %d bytes out", len(b), c.Outbound())
	}
	if c.Outbound() > 3000 {
		c.PauseReading()
		return
	}
	n := (len(b) + 1) / 2
	if err := c.Write(b[:n]); err != nil {
		h.t.Error(err)
	}
	c.Discard(n)
	if n < len(b) {
		c.PauseReading()
		c.Loop().Post(loop.Func(c.ResumeReading))
	}
}

// Every byte comes back in order, whatever the peer does to the flow, and bounds hold on the way.
func TestRandomTraffic(t *testing.T) {
	for range 15 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 9))
		p := looptest.New(3, seed)
		p.Fragment = r.IntN(2) == 0
		type side struct {
			peer      *looptest.Peer
			sent, got []byte
		}
		var sides []*side
		for range 5 {
			sides = append(sides, &side{peer: p.Dial(fickle{t}, loop.ListenOptions{MaxInbound: 2000, LowWater: 2000, MaxOutbound: 200_000})})
		}
		read := func(s *side) { s.got = append(s.got, s.peer.Read()...) }
		for range 2000 {
			s := sides[r.IntN(len(sides))]
			switch r.IntN(6) {
			case 0:
				b := make([]byte, r.IntN(5000))
				for i := range b {
					b[i] = byte(len(s.sent) + i)
				}
				s.peer.Write(b)
				s.sent = append(s.sent, b...)
			case 1:
				s.peer.StopReading(r.IntN(1000))
			case 2:
				s.peer.StartReading()
			case 3:
				read(s)
			default:
				p.Step()
			}
		}
		for _, s := range sides {
			s.peer.StartReading()
		}
		p.Run()
		for i, s := range sides {
			if read(s); !slices.Equal(s.got, s.sent) {
				t.Fatalf("seed %d: connection %d sent %d bytes and got %d back, or they differ", seed, i, len(s.sent), len(s.got))
			}
		}
		if aborted := p.Close(time.Second); aborted != len(sides) || p.Connections() != 0 || !p.Idle() {
			t.Fatalf("seed %d: %d connections were aborted, %d are left", seed, aborted, p.Connections())
		}
		if len(p.Panics) > 0 {
			t.Fatalf("seed %d: %v", seed, p.Panics)
		}
	}
}
