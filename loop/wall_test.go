package loop_test

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"everloop/loop"
)

// clocks is a Driver with two clocks that a test moves. It wakes its core as one for production does: at the moment that
// it was armed for, and nothing tells it that the wall clock is set.
type clocks struct {
	now, wall int64
	armed     int64
}

func (d *clocks) Wake()                         {}
func (d *clocks) Again()                        {}
func (d *clocks) Arm(deadline int64)            { d.armed = min(d.armed, deadline) }
func (d *clocks) Clock() (now, wall int64)      { return d.now, d.wall }
func (d *clocks) Due(after time.Duration) int64 { return d.now + after.Milliseconds() }

func (d *clocks) DueWall(deadline int64, most time.Duration) int64 {
	return d.now + min(max(0, deadline-d.wall), most.Milliseconds())
}

const unarmed = int64(1<<63 - 1)

// wallTimer is a timer of the model, which is a list.
type wallTimer struct {
	name     int
	deadline int64
	timer    loop.Timer
}

// TestWallTimersAgainstModel runs random histories of timers on a wall clock that goes on, and is set forward and back. In a
// round at a time of the wall clock exactly those run that are due by it; and the loop wakes up by itself when one is due,
// within a second where the clock was set.
func TestWallTimersAgainstModel(t *testing.T) {
	for range 300 {
		if seed := rand.Uint64(); !wallHistory(t, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func wallHistory(t *testing.T, seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 3))
	d := &clocks{wall: 1_767_225_600_000, armed: unarmed}
	c := loop.NewCore(0, d, slog.New(slog.DiscardHandler), nil)
	var timers []wallTimer
	var ran []int
	names := 0
	// far draws how far something is away: at any scale, from nothing to a thousand years.
	far := func() int64 { return r.Int64N(1 << (1 + r.IntN(45))) }
	set := func() {
		deadline := d.wall + far() - r.Int64N(100)
		name := names
		names++
		timers = append(timers, wallTimer{name, deadline, c.AtWall(deadline, loop.Func(func() { ran = append(ran, name) }))})
	}
	// turn runs rounds until nothing is left, and compares.
	turn := func() bool {
		ran = ran[:0]
		if d.armed <= d.now {
			d.armed = unarmed
		}
		for c.Begin(); c.Turn(); {
			c.Begin()
		}
		var want []int
		timers = slices.DeleteFunc(timers, func(x wallTimer) bool {
			if x.deadline <= d.wall {
				want = append(want, x.name)
			}
			return x.deadline <= d.wall
		})
		slices.Sort(ran)
		slices.Sort(want)
		if !slices.Equal(ran, want) {
			t.Errorf("at %d ran %v, want %v", d.wall, ran, want)
			return false
		}
		if c.Timers() != len(timers) {
			t.Errorf("%d timers are pending, want %d", c.Timers(), len(timers))
			return false
		}
		return true
	}
	for range 200 {
		switch op := r.IntN(12); {
		case op < 4:
			c.Begin()
			for range 1 + r.IntN(5) {
				set()
			}
		case op < 5 && len(timers) > 0:
			c.Begin()
			i := r.IntN(len(timers))
			if !c.Cancel(timers[i].timer) || c.Cancel(timers[i].timer) || c.Rearm(timers[i].timer, 0) {
				t.Error("a pending timer cannot be cancelled, or a cancelled one can be used")
				return false
			}
			timers = slices.Delete(timers, i, i+1)
		case op < 6 && len(timers) > 0:
			c.Begin()
			i := r.IntN(len(timers))
			timers[i].deadline = d.wall + far()
			if !c.Rearm(timers[i].timer, timers[i].deadline) {
				t.Error("a pending timer cannot be moved")
				return false
			}
		case op < 7:
			d.wall += far()
		case op < 8:
			d.wall = max(0, d.wall-far())
		case op < 9:
			// The loop sleeps, for as long as it wants to.
			if !turn() {
				return false
			}
			next := unarmed
			for _, x := range timers {
				next = min(next, x.deadline)
			}
			if next == unarmed {
				continue
			}
			if wait := d.armed - d.now; wait > next-d.wall || wait > 1000 {
				t.Errorf("sleeps for %d ms, and the next timer is due in %d", wait, next-d.wall)
				return false
			}
			passed := d.armed - d.now
			d.now, d.wall = d.armed, d.wall+passed
		default:
			passed := r.Int64N(3000)
			d.now, d.wall = d.now+passed, d.wall+passed
		}
		if !turn() {
			return false
		}
	}
	return true
}

// A loop whose timers of the wall clock are far away wakes up once a second, and one that has none not at all.
func TestIdleWakeUps(t *testing.T) {
	d := &clocks{wall: 1_767_225_600_000, armed: unarmed}
	c := loop.NewCore(0, d, slog.New(slog.DiscardHandler), nil)
	sleep := func(ms int64) (wakeups int) {
		for end := d.now + ms; d.armed <= end; wakeups++ {
			d.now, d.wall = d.armed, d.wall+d.armed-d.now
			d.armed = unarmed
			c.Turn()
		}
		return wakeups
	}
	c.Turn()
	if n := sleep(3_600_000); n != 0 {
		t.Errorf("a loop without timers woke up %d times", n)
	}
	tm := c.AtWall(d.wall+365*86_400_000, loop.Func(func() { t.Error("ran") }))
	c.Turn()
	if n := sleep(3_600_000); n != 3600 {
		t.Errorf("a loop with one timer a year away woke up %d times in an hour, want 3600", n)
	}
	c.Cancel(tm)
	sleep(1000)
	if n := sleep(3_600_000); n != 0 {
		t.Errorf("a loop without timers woke up %d times", n)
	}
}
