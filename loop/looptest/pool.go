// Package looptest has a pool of loops that a test steps by hand, on virtual time.
//
// A [Pool] runs the same core as the pool for production: the same mailbox, timers, rounds and connection
// buffers. Only what is below differs: time stands still until [Pool.Advance], a loop runs only when it is
// stepped, and connections are in memory ([Pool.Dial]). Which loop goes next, and in which order its
// connections are served, is drawn from the seed, so one seed gives one history:
//
//	p := looptest.New(2, seed)
//	peer := p.Dial(handler, loop.ListenOptions{})
//	peer.Write([]byte("PING\r\n"))
//	p.Run() // until nothing is left to do
//	fmt.Printf("%q", peer.Read())
//	p.Advance(30 * time.Second) // timers fire on their way, in order
//
// Everything happens on the goroutine that calls, which plays all the loops. Only Loop.Post may be called from
// another; what it posts runs in the next step, but then the history depends on more than the seed.
package looptest

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"everloop/loop"
)

// maxSteps bounds Run: a program that is still busy after so many rounds will stay so.
const maxSteps = 10_000_000

// firstWall is the wall clock of a new pool: 2026-01-01 00:00 UTC.
const firstWall = 1_767_225_600_000

const never = int64(1<<63 - 1)

// Pool is a [loop.Pool] that is stepped by hand. Owned by the goroutine of the test.
type Pool struct {
	// Fragment makes connections deliver bytes in pieces drawn from the seed, whatever the pieces that
	// the peer wrote. Otherwise each Write of the peer's arrives as it was written.
	Fragment bool
	// KeepPanics collects panics on the loops in Panics, and lets the loops go on as those for production do.
	// Otherwise a panic comes out of the step in which it happened, with the stack where it began.
	KeepPanics bool
	Panics     []any

	seed    uint64
	rand    *rand.Rand
	now     int64
	wall    int64 // wall clock less now
	drivers []*driver
	nextID  uint64
	rounds  int
	closed  bool
}

// driver is the [loop.Driver] of one loop. Owned by its pool.
type driver struct {
	pool   *Pool
	core   *loop.Core
	wanted atomic.Bool // a Turn is due
	armed  int64
	looks  int64 // how long the loop would sleep at most before it looks whether the wall clock was set; 0: it does not look
	pipes  []*pipe
}

// panicked is told of each panic that the core has recovered.
func (d *driver) panicked(v any, stack []byte) {
	d.pool.Panics = append(d.pool.Panics, v)
	if !d.pool.KeepPanics {
		panic(fmt.Sprintf("looptest: panic on loop %d (seed %d): %v\n\n%s", d.core.Index(), d.pool.seed, v, stack))
	}
}

// AllowGoexit is part of [loop.GoexitDriver]: a handler or task may end the test.
func (d *driver) AllowGoexit() {}

func (d *driver) Wake()              { d.wanted.Store(true) }
func (d *driver) Again()             { d.wanted.Store(true) }
func (d *driver) Arm(deadline int64) { d.armed = deadline }
func (d *driver) Clock() (now, wall int64) {
	return d.pool.now, d.pool.now + d.pool.wall
}

// Due is part of [loop.Driver]. Virtual time knows no fractions of a millisecond.
func (d *driver) Due(after time.Duration) int64 {
	return d.pool.now + int64((max(0, after)+time.Millisecond-1)/time.Millisecond)
}

// DueWall is part of [loop.Driver]. The virtual wall clock is set by JumpWall alone, so nobody has to look in between: years
// pass in one step.
func (d *driver) DueWall(deadline int64, most time.Duration) int64 {
	d.looks = most.Milliseconds()
	now, wall := d.Clock()
	return now + max(0, deadline-wall)
}

// New returns a pool of n loops whose choices are drawn from seed.
func New(n int, seed uint64) *Pool {
	if n < 1 {
		panic(fmt.Sprintf("looptest: a pool of %d loops", n))
	}
	p := &Pool{seed: seed, rand: rand.New(rand.NewPCG(seed, 0x6c6f6f70)), wall: firstWall}
	for i := range n {
		d := &driver{pool: p, armed: never}
		d.core = loop.NewCore(i, d, slog.New(slog.DiscardHandler), d.panicked)
		p.drivers = append(p.drivers, d)
	}
	return p
}

// Seed is the seed that the pool was made with, to be printed by a test that fails.
func (p *Pool) Seed() uint64 { return p.seed }

// Len is part of [loop.Pool].
func (p *Pool) Len() int { return len(p.drivers) }

// Loop is part of [loop.Pool].
func (p *Pool) Loop(i int) loop.Loop { return p.drivers[i].core }

// OnRound is part of [loop.Pool].
func (p *Pool) OnRound(f func(loop.Loop)) {
	for _, d := range p.drivers {
		d.core.AddHook(f)
	}
}

// Now is the virtual time in milliseconds, which began with 0.
func (p *Pool) Now() int64 { return p.now }

// Rounds is the number of rounds that were run.
func (p *Pool) Rounds() int { return p.rounds }

// Runnable reports whether loop i has something to do now.
func (p *Pool) Runnable(i int) bool { return p.drivers[i].runnable() }

// NextTimer is the earliest moment at which a timer may be due, in milliseconds of [Pool.Now], and false if no
// loop waits for one.
func (p *Pool) NextTimer() (int64, bool) {
	next := never
	for _, d := range p.drivers {
		next = min(next, d.armed)
	}
	return next, next != never
}

// Idle reports whether there is nothing to do before time moves or something new comes in.
func (p *Pool) Idle() bool {
	for _, d := range p.drivers {
		if d.runnable() {
			return false
		}
	}
	return true
}

// Step runs one round of one loop, drawn from those that have something to do, with the events of some of its
// connections. It reports false if there was nothing to do.
func (p *Pool) Step() bool {
	chosen, among := (*driver)(nil), 0
	for _, d := range p.drivers {
		if d.runnable() {
			if among++; p.rand.IntN(among) == 0 {
				chosen = d
			}
		}
	}
	if chosen == nil {
		return false
	}
	chosen.round(true)
	return true
}

// StepLoop runs one round of loop i, with the events of all its connections. It reports false if there was
// nothing to do.
func (p *Pool) StepLoop(i int) bool {
	d := p.drivers[i]
	if !d.runnable() {
		return false
	}
	d.round(false)
	return true
}

// Run steps until the pool is idle, and returns the number of steps. It panics if that takes ten million.
func (p *Pool) Run() int {
	for n := range maxSteps {
		if !p.Step() {
			return n
		}
	}
	panic(fmt.Sprintf("looptest: still busy after %d rounds (seed %d)", maxSteps, p.seed))
}

// Advance moves the virtual time by d (whole milliseconds) and runs the pool until it is idle: first as it is,
// then at each moment on the way at which a timer is due, and at the end.
func (p *Pool) Advance(d time.Duration) {
	target := p.now + d.Milliseconds()
	p.Run()
	for {
		next, ok := p.NextTimer()
		if !ok || next > target {
			break
		}
		p.moveTo(max(p.now, next))
		p.Run()
	}
	p.moveTo(max(p.now, target))
	p.Run()
}

// Jump moves the virtual time by d (whole milliseconds) at once and runs nothing, as if the process had been
// stopped meanwhile: all that fell due is found by the next rounds together.
func (p *Pool) Jump(d time.Duration) { p.moveTo(p.now + d.Milliseconds()) }

// JumpWall moves the wall clock alone, either way, as an administrator or a time server does. A loop notices when it wakes
// up; one that has timers of the wall clock does so before long.
func (p *Pool) JumpWall(d time.Duration) {
	p.wall += d.Milliseconds()
	for _, d := range p.drivers {
		if d.looks > 0 {
			d.armed = min(d.armed, p.now+d.looks)
		}
	}
}

// Wall is the virtual wall clock, in milliseconds since 1970 (UTC).
func (p *Pool) Wall() int64 { return p.now + p.wall }

func (p *Pool) moveTo(now int64) {
	p.now = now
	for _, d := range p.drivers {
		if d.armed <= now {
			d.armed = never
			d.core.Wakeup()
		}
	}
}

// Spend moves the virtual time by d (whole milliseconds) and runs nothing. Code on a loop calls it to take time, as a
// long computation does: the round goes on, and its Now stays behind.
func (p *Pool) Spend(d time.Duration) { p.moveTo(p.now + d.Milliseconds()) }

// Close closes the pool as the one for production is closed: it tells the handlers of open connections
// ([loop.Drainer]), runs until idle, lets patience pass, aborts the connections that are left, and runs what is
// still posted. It returns the number of connections that had to be aborted.
func (p *Pool) Close(patience time.Duration) (aborted int) {
	if p.closed {
		return 0
	}
	p.closed = true
	for _, d := range p.drivers {
		d.core.Post(loop.Func(func() { d.core.Streams((*loop.Stream).Drain) }))
	}
	p.Run()
	if p.Connections() > 0 {
		p.Advance(patience)
	}
	aborted = p.Connections()
	for _, d := range p.drivers {
		d.core.Post(loop.Func(func() {
			d.core.Streams(func(s *loop.Stream) { s.Abort(loop.ErrClosed) })
		}))
	}
	p.Run()
	for _, d := range p.drivers {
		d.core.Shut()
	}
	p.Run()
	return aborted
}

// Connections is the number of open connections.
func (p *Pool) Connections() int {
	n := 0
	for _, d := range p.drivers {
		n += len(d.pipes)
	}
	return n
}

func (d *driver) runnable() bool {
	if d.wanted.Load() {
		return true
	}
	for _, c := range d.pipes {
		if c.ready() {
			return true
		}
	}
	return false
}

// round brings events in and ends the round.
func (d *driver) round(some bool) {
	d.pool.rounds++
	ready := make([]*pipe, 0, len(d.pipes))
	for _, c := range d.pipes {
		if c.ready() {
			ready = append(ready, c)
		}
	}
	r := d.pool.rand
	r.Shuffle(len(ready), func(i, j int) { ready[i], ready[j] = ready[j], ready[i] })
	for _, c := range ready {
		if (!some || r.IntN(4) > 0) && c.ready() {
			d.core.Begin()
			c.deliver()
		}
	}
	if d.wanted.Swap(false) {
		d.core.Turn()
	}
}
