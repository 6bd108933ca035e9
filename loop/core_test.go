package loop_test

import (
	"log/slog"
	"testing"
	"time"

	"everloop/loop"
)

// counter is a Driver that counts what is asked of it.
type counter struct {
	wakes, again int
	armed        int64
	now          int64
}

func (d *counter) Wake()                         { d.wakes++ }
func (d *counter) Again()                        { d.again++ }
func (d *counter) Arm(deadline int64)            { d.armed = deadline }
func (d *counter) Clock() (now, wall int64)      { return d.now, d.now }
func (d *counter) Due(after time.Duration) int64 { return d.now + after.Milliseconds() }

func (d *counter) DueWall(deadline int64, most time.Duration) int64 {
	return d.now + min(max(0, deadline-d.now), most.Milliseconds())
}

func newCore() (*loop.Core, *counter) {
	d := &counter{}
	return loop.NewCore(0, d, slog.New(slog.DiscardHandler), nil), d
}

func (d *counter) expect(t *testing.T, when string, wakes, again int) {
	t.Helper()
	if d.wakes != wakes || d.again != again {
		t.Errorf("%s: %d wake-ups and %d calls of Again, want %d and %d", when, d.wakes, d.again, wakes, again)
	}
}

func nothing() {}

// Many posts and events cause one wake-up; what a round leaves behind causes one Again and no wake-up.
func TestWakeUpsAreCoalesced(t *testing.T) {
	c, d := newCore()
	for range 100 {
		c.Post(loop.Func(nothing))
	}
	c.Wakeup()
	c.Begin()
	c.Begin()
	d.expect(t, "after 100 posts and an event", 1, 0)
	c.Turn()
	d.expect(t, "after the round", 1, 0)
	c.Begin()
	c.Post(loop.Func(nothing))
	d.expect(t, "after another event and post", 2, 0)
	c.Turn()

	c.Post(loop.Func(func() {
		c.Post(loop.Func(nothing))
		c.Post(loop.Func(nothing))
	}))
	d.expect(t, "after a post", 3, 0)
	if !c.Turn() {
		t.Error("a task posted, and Turn reports nothing left")
	}
	d.expect(t, "after a task that posted", 3, 1)
	c.Post(loop.Func(nothing))
	d.expect(t, "after a post while a round is to come", 3, 1)
	if c.Turn() {
		t.Error("nothing is left, and Turn reports more")
	}
	d.expect(t, "at the end", 3, 1)
}

// A core that was shut runs everything, and asks nothing of its driver afterwards: that may be gone.
func TestShutCoreSleepsForGood(t *testing.T) {
	c, d := newCore()
	ran := 0
	c.Post(loop.Func(func() {
		ran++
		c.Shut()
		if c.Post(loop.Func(nothing)) {
			t.Error("Post reported true after Shut")
		}
	}))
	c.Post(loop.Func(func() { ran++ }))
	c.Turn()
	if ran != 2 || !c.Finished() {
		t.Errorf("%d tasks ran, finished: %v", ran, c.Finished())
	}
	before := *d
	c.Wakeup()
	c.Post(loop.Func(nothing))
	c.Begin()
	if *d != before {
		t.Errorf("the driver was asked for more: %+v, before %+v", *d, before)
	}
}

func TestArm(t *testing.T) {
	c, d := newCore()
	c.Post(loop.Func(func() {
		c.At(90, loop.Func(nothing))
		c.At(20, loop.Func(nothing))
	}))
	c.Turn()
	if d.armed != 20 {
		t.Errorf("armed for %d, want 20", d.armed)
	}
	d.now = 25
	c.Wakeup()
	c.Turn()
	if d.armed <= 25 || d.armed > 90 || c.Timers() != 1 {
		t.Errorf("armed for %d with %d timers pending, want 26 to 90 and 1", d.armed, c.Timers())
	}
}

type task struct{}

func (*task) Run() {}

func TestPostingAllocatesNothing(t *testing.T) {
	c, _ := newCore()
	pooled := &task{}
	if n := testing.AllocsPerRun(100, func() {
		for range 50 {
			c.Post(pooled)
		}
		c.Turn()
		c.Cancel(c.At(1000, pooled))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A burst does not keep its memory for good.
func TestMailboxShrinks(t *testing.T) {
	c, _ := newCore()
	for range 100_000 {
		c.Post(loop.Func(nothing))
	}
	for c.Turn() {
	}
	n := testing.AllocsPerRun(1, func() {
		c.Post(loop.Func(nothing))
		c.Turn()
	})
	if n == 0 {
		t.Error("the slice that held 100,000 tasks is kept")
	}
}

// A round in which nothing ran is none for the hooks.
func TestHooksDoNotHearOfEmptyRounds(t *testing.T) {
	c, d := newCore()
	hooks := 0
	c.AddHook(func(loop.Loop) { hooks++ })
	c.Post(loop.Func(func() { c.At(50, loop.Func(nothing)) }))
	c.Turn()
	for range 5 {
		d.now += 5 // woken early, as an overtaken timer does
		c.Wakeup()
		c.Turn()
	}
	if hooks != 1 {
		t.Errorf("the hook ran %d times, want once", hooks)
	}
	d.now = 50
	c.Wakeup()
	c.Turn()
	c.Begin() // an event
	c.Turn()
	if hooks != 3 {
		t.Errorf("the hook ran %d times, want three", hooks)
	}
}

// sink is a Transport that takes everything.
type sink struct{ sent []byte }

func (s *sink) Write(b []byte) (int, error) { s.sent = append(s.sent, b...); return len(b), nil }
func (s *sink) Pause()                      {}
func (s *sink) Resume()                     {}
func (s *sink) Unread() bool                { return false }
func (s *sink) CloseWrite()                 {}
func (s *sink) Close()                      {}

// What Inbound returned stays as it is until the handler returns, even if the handler aborts the connection and its
// buffer could serve another.
func TestInboundOutlivesAbort(t *testing.T) {
	c, _ := newCore()
	var opts loop.ListenOptions
	opts.EnsureDefaults()
	other := loop.NewStream(c, &sink{}, 2, &handler{}, &opts, nil, nil, nil)
	h := &handler{data: func(conn loop.Conn) {
		b := conn.Inbound()
		if len(b) < 6 {
			return
		}
		conn.Abort(nil)
		_ = other.Write([]byte("xxxxxx"))
		if string(b) != "abcdef" {
			t.Errorf("Inbound has become %q", b)
		}
	}}
	s := loop.NewStream(c, &sink{}, 1, h, &opts, nil, nil, nil)
	c.Begin()
	s.Open()
	s.Receive([]byte("abc"))
	s.Receive([]byte("def"))
	c.Turn()
	if c.Turn(); h.noted("data") != 2 || h.noted("closed") != 1 {
		t.Errorf("calls: %v", h.calls)
	}
}

// All that a round writes to a connection leaves in one piece.
type pieces struct {
	sink
	n int
}

func (p *pieces) Write(b []byte) (int, error) { p.n++; return p.sink.Write(b) }

func TestOneWritePerRound(t *testing.T) {
	c, _ := newCore()
	var opts loop.ListenOptions
	opts.EnsureDefaults()
	p := &pieces{}
	s := loop.NewStream(c, p, 1, &handler{}, &opts, nil, nil, nil)
	c.AddHook(func(loop.Loop) { _ = s.Write([]byte("c")) })
	c.Begin()
	s.Open()
	s.Receive([]byte("a"))
	c.Post(loop.Func(func() { _ = s.Write([]byte("b")) }))
	c.Turn()
	if p.n != 1 || string(p.sent) != "abc" {
		t.Errorf("%d writes sent %q", p.n, p.sent)
	}
}

// Reading and writing on an open connection allocates nothing, and an idle one holds no buffer.
func TestTrafficAllocatesNothing(t *testing.T) {
	c, _ := newCore()
	var opts loop.ListenOptions
	opts.EnsureDefaults()
	p := &sink{}
	s := loop.NewStream(c, p, 1, plainEcho{}, &opts, nil, nil, nil)
	b := make([]byte, 3000)
	if n := testing.AllocsPerRun(100, func() {
		p.sent = p.sent[:0]
		c.Begin()
		s.Receive(b)
		c.Turn()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
