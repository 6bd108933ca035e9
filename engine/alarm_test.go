package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal/waltest"
)

// belfry is a class of objects with alarms, and what they do, told by a clock that begins with 0.
type belfry struct {
	*stepped
	began int64
	rung  []string
	// ring, if set, is the handler; build, if set, runs in the constructor.
	ring  func(b *bell, ctx context.Context, info engine.AlarmInfo) error
	build func(b *bell) error
}

type bell struct {
	*belfry
	st *engine.State
}

func newBelfry(s *stepped) *belfry {
	return &belfry{stepped: s, began: s.pool.Wall()}
}

func (y *belfry) class() engine.Class {
	return engine.ClassOf(func(st *engine.State) (*bell, error) {
		b := &bell{y, st}
		if y.build != nil {
			return b, y.build(b)
		}
		return b, nil
	})
}

// now is the wall clock, from 0.
func (y *belfry) now() int64 { return y.pool.Wall() - y.began }

// pass lets time pass and everything happen.
func (y *belfry) pass(d time.Duration) {
	y.t.Helper()
	y.settle()
	for end := y.pool.Now() + d.Milliseconds(); ; {
		next, ok := y.pool.NextTimer()
		if !ok || next > end {
			y.pool.Jump(time.Duration(end-y.pool.Now()) * time.Millisecond)
			y.settle()
			return
		}
		y.pool.Jump(time.Duration(max(0, next-y.pool.Now())) * time.Millisecond)
		y.settle()
	}
}

// expect compares what has rung since it was asked last.
func (y *belfry) expect(when string, want ...string) {
	y.t.Helper()
	if !slices.Equal(y.rung, want) {
		y.t.Errorf("%s: rung %q, want %q", when, y.rung, want)
	}
	y.rung = nil
}

func (b *bell) Alarm(ctx context.Context, info engine.AlarmInfo) error {
	name, _ := b.st.ID().Name()
	b.rung = append(b.rung, fmt.Sprintf("%s at %d for %d, %d retries", name, b.now(), info.ScheduledTime-b.began, info.RetryCount))
	if b.ring != nil {
		return b.ring(b, ctx, info)
	}
	return nil
}

// Set sets the alarm in ms from now.
func (b *bell) Set(ms int64) error {
	return b.st.Storage().SetAlarmMillis(b.pool.Wall()+ms, engine.WriteOptions{})
}

// Get returns when the alarm is, or "none".
func (b *bell) Get() string {
	ms, set, err := b.st.Storage().Alarm()
	switch {
	case err != nil:
		return err.Error()
	case !set:
		return "none"
	}
	return fmt.Sprint(ms - b.began)
}

func (b *bell) Delete() error { return b.st.Storage().DeleteAlarm(engine.WriteOptions{}) }

// ask calls a method and settles.
func (y *belfry) ask(ns *engine.Namespace, name, method string, args ...any) engine.Reply {
	y.t.Helper()
	a := y.start(ns.GetByName(name), method, args...)
	y.settle()
	if !a.done {
		y.t.Fatalf("%s.%s is not answered", name, method)
	}
	return a.got
}

func (y *belfry) alarm(ns *engine.Namespace, name string) string {
	y.t.Helper()
	a := y.start(ns.GetByName(name), "Get")
	y.settle()
	return decode[string](y.t, a)
}

func (y *belfry) set(ns *engine.Namespace, name string, ms int64) {
	y.t.Helper()
	if r := y.ask(ns, name, "Set", ms); r.Err != nil {
		y.t.Fatal(r.Err)
	}
}

func (y *belfry) failed() (list []engine.FailedAlarm) {
	y.t.Helper()
	done := make(chan error, 1)
	go func() {
		done <- y.FailedAlarms(context.Background(), func(f engine.FailedAlarm) bool { list = append(list, f); return true })
	}()
	if err := y.await(done); err != nil {
		y.t.Fatal(err)
	}
	return list
}

// await steps the loops until a goroutine has its end.
func (y *belfry) await(done chan error) error {
	for {
		select {
		case err := <-done:
			return err
		default:
			y.settle()
		}
	}
}

// restart crashes the engine and opens another on what is left.
func (y *belfry) restart(crash bool, tune ...func(*engine.Options)) *belfry {
	y.t.Helper()
	s := stepOn(y.t, y.pool.Len(), 1, func(o waltest.MemOptions) *waltest.MemLog { return y.log.Crash(!crash, o) }, tune...)
	s.pool.JumpWall(time.Duration(y.pool.Wall()-s.pool.Wall()) * time.Millisecond)
	return &belfry{stepped: s, began: y.began, ring: y.ring, build: y.build}
}

func tower(t *testing.T, tune ...func(*engine.Options)) (*belfry, *engine.Namespace) {
	t.Helper()
	y := newBelfry(step(t, 1, 1, tune...))
	return y, register(t, y.Engine, "Bell", y.class())
}

func TestAlarmRunsAtItsMoment(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 5000)
	if got := y.alarm(ns, "a"); got != "5000" {
		t.Errorf("the alarm is set for %s, want 5000", got)
	}
	y.pass(4999 * time.Millisecond)
	y.expect("after 4,999 ms")
	y.pass(time.Millisecond)
	y.expect("after 5,000 ms", "a at 5000 for 5000, 0 retries")
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("after its run the alarm is %s", got)
	}
	y.pass(time.Hour)
	y.expect("in the hour after that")
	if m := y.Metrics(); m.Alarms != 0 || m.AlarmRuns != 1 || m.AlarmRetries != 0 || m.AlarmDelay[0] != 1 {
		t.Errorf("metrics: %+v", m)
	}
	if z := y.restart(false); z.Recovered().Objects != 0 {
		t.Errorf("%d objects are left", z.Recovered().Objects)
	}
}

// What is set for the past is due now; what is set again moves, both ways; what is deleted does not run.
func TestAlarmIsSetAgainAndDeleted(t *testing.T) {
	y, ns := tower(t)
	y.pass(10 * time.Second)
	y.set(ns, "past", -5000)
	y.expect("set for the past", "past at 10000 for 10000, 0 retries")
	y.set(ns, "later", 1000)
	y.set(ns, "later", 3000)
	y.set(ns, "earlier", 3000)
	y.set(ns, "earlier", 1000)
	y.set(ns, "gone", 1000)
	if r := y.ask(ns, "gone", "Delete"); r.Err != nil {
		t.Fatal(r.Err)
	}
	if got := y.alarm(ns, "gone"); got != "none" {
		t.Errorf("the deleted alarm is %s", got)
	}
	y.pass(time.Minute)
	y.expect("in a minute", "earlier at 11000 for 11000, 0 retries", "later at 13000 for 13000, 0 retries")
}

func TestAlarmIsRefused(t *testing.T) {
	y, ns := tower(t)
	for _, ms := range []int64{0, -1, -1 << 62} {
		y.build = func(b *bell) error {
			if err := b.st.Storage().SetAlarmMillis(ms, engine.WriteOptions{}); !errors.Is(err, engine.ErrAlarmTime) {
				t.Errorf("SetAlarmMillis(%d): %v", ms, err)
			}
			return nil
		}
		y.ask(ns, fmt.Sprint("at", ms), "Get")
	}
	deaf := register(t, y.Engine, "Deaf", engine.ClassOf(func(st *engine.State) (*deaf, error) {
		d := &deaf{st}
		if name, _ := st.ID().Name(); name == "early" {
			return d, d.Set()
		}
		return d, nil
	}))
	if r := y.ask(deaf, "x", "Set"); !errors.Is(r.Err, engine.ErrNoAlarmHandler) {
		t.Errorf("a class without a handler: %v", r.Err)
	}
	// In a constructor it is taken, and given up at once when it is due.
	if r := y.ask(deaf, "early", "Nothing"); r.Err != nil {
		t.Error(r.Err)
	}
	y.pass(time.Hour)
	if f := y.failed(); len(f) != 1 || f[0].Class != "Deaf" || f[0].Runs != 1 || !strings.Contains(f[0].Err, "without a handler") {
		t.Errorf("failed alarms: %+v", f)
	}
	y.log.SetNoSpace(true)
	if r := y.ask(ns, "full", "Set", 1000); !errors.Is(r.Err, engine.ErrNoSpace) {
		t.Errorf("on a full disk: %v", r.Err)
	}
}

type deaf struct{ st *engine.State }

func (d *deaf) Set() error { return d.st.Storage().SetAlarm(time.UnixMilli(1)) }
func (d *deaf) Nothing()   {}

// In the handler there is no alarm but one that is set there, which runs after it. Deleting removes that one only.
func TestAlarmInsideItsHandler(t *testing.T) {
	for _, c := range []struct {
		name string
		ring func(b *bell) error
		seen string // by the handler and, after it, by another event
		then string
		want []string
	}{
		{"nothing", func(b *bell) error { return nil }, "none", "none", nil},
		{"set", func(b *bell) error { return b.Set(500) }, "1500", "1500", []string{"a at 1500 for 1500, 0 retries"}},
		{"set for the past", func(b *bell) error { return b.Set(-500) }, "1000", "none", []string{"a at 1000 for 1000, 0 retries"}},
		{"delete", (*bell).Delete, "none", "none", nil},
		{"set and delete", func(b *bell) error { return errors.Join(b.Set(500), b.Delete()) }, "none", "none", nil},
		{"delete all", func(b *bell) error { return errors.Join(b.Set(500), b.st.Storage().DeleteAll()) }, "none", "none", nil},
		{"delete all else", func(b *bell) error {
			return errors.Join(b.Set(500), b.st.Storage().DeleteAllWith(engine.DeleteAllOptions{KeepAlarm: true}))
		}, "1500", "1500", []string{"a at 1500 for 1500, 0 retries"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, ns := tower(t)
			var seen []string
			y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
				y.ring = nil
				seen = append(seen, b.Get())
				if err := c.ring(b); err != nil {
					return err
				}
				// A wait: other events of the object may come in between.
				if err := b.st.Do(ctx, func(context.Context) error { return nil }); err != nil {
					return err
				}
				seen = append(seen, b.Get())
				return nil
			}
			y.set(ns, "a", 1000)
			y.pass(1000 * time.Millisecond)
			for len(seen) < 2 {
				y.settle()
			}
			y.settle()
			y.expectFirst("a at 1000 for 1000, 0 retries")
			if seen[0] != "none" || seen[1] != c.seen {
				t.Errorf("the handler saw %q, want none and %s", seen, c.seen)
			}
			if got := y.alarm(ns, "a"); got != c.then {
				t.Errorf("after the handler the alarm is %s, want %s", got, c.then)
			}
			y.pass(time.Hour)
			y.expect("later", c.want...)
		})
	}
}

// expectFirst takes the first of what has rung.
func (y *belfry) expectFirst(want string) {
	y.t.Helper()
	if len(y.rung) == 0 || y.rung[0] != want {
		y.t.Fatalf("rung %q, want %q first", y.rung, want)
	}
	y.rung = y.rung[1:]
}

// A handler that fails is tried again: after 2 s, 4 s and so on, and up to a quarter more; six times. Then the alarm is gone, and
// remembered as failed, over a restart too, until the object sets it again.
func TestAlarmIsTriedAgain(t *testing.T) {
	var lines strings.Builder
	logged := func(o *engine.Options) { o.Logger = slog.New(slog.NewTextHandler(&lines, nil)) }
	y, ns := tower(t, logged)
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error { return errors.New("out of order") }
	var at []int64
	inner := y.ring
	y.ring = func(b *bell, ctx context.Context, info engine.AlarmInfo) error {
		at = append(at, y.now())
		if info.RetryCount != len(at)-1 || info.IsRetry() != (len(at) > 1) || info.ScheduledTime != y.began+1000 {
			t.Errorf("run %d is told %+v", len(at), info)
		}
		return inner(b, ctx, info)
	}
	y.set(ns, "a", 1000)
	for range 6 {
		y.pass(time.Second)
		if got := y.alarm(ns, "a"); got != "1000" {
			t.Fatalf("between two runs the alarm is %s, want 1000", got)
		}
	}
	y.pass(10 * time.Minute)
	if len(at) != 7 {
		t.Fatalf("%d runs, want 7: at %v", len(at), at)
	}
	exact := 0
	for i := range 6 {
		least := int64(2000) << i
		if d := at[i+1] - at[i]; d < least || d > least+least/4 {
			t.Errorf("retry %d comes after %d ms, want %d to %d", i+1, d, least, least+least/4)
		} else if d == least {
			exact++
		}
	}
	if exact > 2 {
		t.Errorf("%d of 6 retries came without any delay drawn at random", exact)
	}
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("the alarm that was given up is %s", got)
	}
	for _, want := range []string{"class=Bell", "object=" + ns.IDFromName("a").String(), "out of order", "given up"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, lines.String())
		}
	}
	check := func(y *belfry) {
		t.Helper()
		f := y.failed()
		name := ""
		if len(f) == 1 {
			name, _ = f[0].ID.Name()
		}
		if len(f) != 1 || f[0].Class != "Bell" || name != "a" || f[0].Runs != 7 || f[0].Err != "out of order" ||
			f[0].ScheduledTime != y.began+1000 || f[0].FailedAt != y.began+at[6] {
			t.Fatalf("failed alarms: %+v", f)
		}
	}
	check(y)
	z := y.restart(true)
	ns = register(t, z.Engine, "Bell", z.class())
	if n := z.Recovered().Objects; n != 1 {
		t.Errorf("%d objects were recovered, want the one whose alarm has failed", n)
	}
	check(z)
	z.ring = nil
	z.set(ns, "a", 1000)
	if f := z.failed(); len(f) != 0 {
		t.Errorf("an alarm that was set again is still among the failed: %+v", f)
	}
	z.pass(2 * time.Second)
	if len(z.rung) != 1 || !strings.Contains(z.rung[0], "0 retries") {
		t.Errorf("rung %q", z.rung)
	}
}
