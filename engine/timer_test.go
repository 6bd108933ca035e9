package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"everloop/engine"
)

// late is a class of objects whose turns take time before they set a timer.
type late struct {
	s   *stepped
	log []string
}

func (l *late) New(st *engine.State, ready func(engine.Object, error)) {
	ready(&lateObject{late: l, st: st}, nil)
}

type lateObject struct {
	*late
	st *engine.State
}

func (o *lateObject) Evict() {}

func (o *lateObject) Deliver(ev *engine.Event) {
	note := func(name string) func() {
		return func() { o.log = append(o.log, fmt.Sprint(name, " at ", o.s.pool.Now())) }
	}
	switch ev.Method {
	case "after":
		o.st.After(20*time.Millisecond, note("older"))
		o.s.pool.Spend(40 * time.Millisecond)
		o.st.After(15*time.Millisecond, note("newer"))
		o.st.After(0, note("none"))
		o.st.Expire(10*time.Millisecond, note("expired"))
	case "every":
		left := 4
		var stop func()
		o.s.pool.Spend(40 * time.Millisecond)
		stop = o.st.Every(10*time.Millisecond, func() {
			note("tick")()
			if left--; left == 0 {
				stop()
			}
			if left == 2 {
				o.s.pool.Spend(25 * time.Millisecond) // no ticks gather meanwhile
			}
		})
	}
	ev.Return([]byte{0x80})
}

// TestTimersCountFromTheirCall: a turn that has run for long when it sets a timer has it fire neither early nor before those
// that were due before it.
func TestTimersCountFromTheirCall(t *testing.T) {
	for _, c := range []struct {
		method string
		want   []string
	}{
		{"after", []string{"older at 40", "none at 40", "expired at 50", "newer at 55"}},
		{"every", []string{"tick at 50", "tick at 60", "tick at 85", "tick at 95"}},
	} {
		t.Run(c.method, func(t *testing.T) {
			s := step(t, 1, 1)
			l := &late{s: s}
			stub := register(t, s.Engine, "Late", l).GetByName("a")
			start := s.pool.Now()
			a := s.start(stub, c.method)
			s.settle()
			s.pool.Advance(time.Minute)
			if !a.done || a.got.Err != nil || start != 0 || !slices.Equal(l.log, c.want) {
				t.Errorf("fired %q, want %q (%v)", l.log, c.want, a.got.Err)
			}
		})
	}
}
