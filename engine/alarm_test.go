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
	doing func(ctx context.Context, b *bell) error
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

// restart ends the engine, in the middle of things or at rest, and opens another on what is left.
func (y *belfry) restart(crash bool) *belfry {
	y.t.Helper()
	if !crash {
		y.settle()
	}
	return y.restartKeeping(false)
}

// restartKeeping is restart in the middle of things; inFlight says whether a batch in flight survives.
func (y *belfry) restartKeeping(inFlight bool) *belfry {
	y.t.Helper()
	s := stepOn(y.t, y.pool.Len(), 1, func(o waltest.MemOptions) *waltest.MemLog { return y.log.Crash(inFlight, o) })
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

// What a handler deletes is not tried again when it fails, be it the alarm that runs or one that was set meanwhile.
func TestAlarmDeletedInsideItsHandler(t *testing.T) {
	for _, c := range []struct {
		name  string
		ring  func(b *bell, ctx context.Context) error
		again string // the end of what rings after it
	}{
		{"deleted", func(b *bell, _ context.Context) error { return b.Delete() }, ""},
		{"set and deleted", func(b *bell, _ context.Context) error { return errors.Join(b.Set(500), b.Delete()) }, ""},
		{"everything deleted", func(b *bell, _ context.Context) error { return b.st.Storage().DeleteAll() }, ""},
		{"deleted and set", func(b *bell, _ context.Context) error { return errors.Join(b.Delete(), b.Set(500)) }, "for 1500, 0 retries"},
		{"taken back by a transaction", func(b *bell, ctx context.Context) error {
			return b.st.Storage().Transaction(ctx, func() error { return errors.Join(b.Delete(), errors.New("undone")) })
		}, "for 1000, 1 retries"},
		{"taken back by an abort", func(b *bell, _ context.Context) error {
			err := b.Delete()
			b.st.Abort(errors.New("aborted"))
			return err
		}, "for 1000, 1 retries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, ns := tower(t)
			y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
				y.ring = nil
				return errors.Join(c.ring(b, ctx), errors.New("failed"))
			}
			y.set(ns, "a", 1000)
			y.pass(1000 * time.Millisecond)
			y.expectFirst("a at 1000 for 1000, 0 retries")
			y.pass(time.Hour)
			if got := strings.Join(y.rung, ", "); (got == "") != (c.again == "") || !strings.HasSuffix(got, c.again) {
				t.Errorf("after it rang %q, want %q", got, c.again)
			}
			if f := y.failed(); len(f) != 0 {
				t.Errorf("failed alarms: %+v", f)
			}
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

var errBroken = errors.New("broken")

// An alarm that the handler has set takes the place of the retry.
func TestAlarmSetInItsHandlerReplacesTheRetry(t *testing.T) {
	y, ns := tower(t)
	y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
		y.ring = nil
		// Two turns: what the first has set is durable on its own.
		err := errors.Join(b.Set(60_000), b.st.Storage().Sync(ctx))
		return errors.Join(err, errBroken)
	}
	y.set(ns, "a", 1000)
	y.pass(1000 * time.Millisecond)
	y.expect("after a second", "a at 1000 for 1000, 0 retries")
	if got := y.alarm(ns, "a"); got != "61000" {
		t.Errorf("the alarm is %s, want 61000", got)
	}
	y.pass(time.Hour)
	y.expect("in an hour", "a at 61000 for 61000, 0 retries")
}

// Between two runs, deleting ends the retries, and setting begins anew.
func TestAlarmBetweenRuns(t *testing.T) {
	y, ns := tower(t)
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error { return errBroken }
	y.set(ns, "deleted", 1000)
	y.set(ns, "set", 1000)
	y.set(ns, "all", 1000)
	y.pass(1500 * time.Millisecond)
	y.rung = nil
	y.ask(ns, "deleted", "Delete")
	y.set(ns, "set", 100)
	y.ask(ns, "all", "DeleteAll")
	y.pass(100 * time.Millisecond)
	y.expect("in 100 ms", "set at 1600 for 1600, 0 retries")
	y.ring = nil
	y.pass(time.Hour)
	if len(y.rung) != 1 || !strings.HasPrefix(y.rung[0], "set at ") {
		t.Errorf("rung %q, want the retry of set alone", y.rung)
	}
	if z := y.restart(true); z.Recovered().Objects != 0 {
		t.Errorf("%d objects are left", z.Recovered().Objects)
	}
}

// DeleteAll removes what the object has stored, and its alarm.
func (b *bell) DeleteAll() error { return b.st.Storage().DeleteAll() }

// An alarm is part of the turn and of the transaction that sets it.
func TestAlarmIsPartOfItsTurn(t *testing.T) {
	for _, c := range []struct {
		name   string
		before string // of an alarm that was set for 9000
		do     func(ctx context.Context, b *bell) error
		after  string
	}{
		{"a turn that fails keeps it", "9000", func(_ context.Context, b *bell) error { return errors.Join(b.Set(1000), errBroken) }, "1000"},
		{"a turn that is aborted does not", "9000", func(_ context.Context, b *bell) error {
			err := b.Set(1000)
			b.st.Abort(errBroken)
			return err
		}, "9000"},
		{"nor does one that set the first", "none", func(_ context.Context, b *bell) error {
			err := b.Set(1000)
			b.st.Abort(errBroken)
			return err
		}, "none"},
		{"nor one that deleted it", "9000", func(_ context.Context, b *bell) error {
			err := errors.Join(b.Delete(), b.Set(50), b.Delete())
			b.st.Abort(errBroken)
			return err
		}, "9000"},
		{"nor one that deleted everything", "9000", func(_ context.Context, b *bell) error {
			err := b.DeleteAll()
			b.st.Abort(errBroken)
			return err
		}, "9000"},
		{"a later turn that is aborted leaves it", "9000", func(ctx context.Context, b *bell) error {
			err := errors.Join(b.Set(1000), b.st.Storage().Sync(ctx), b.Delete())
			b.st.Abort(errBroken)
			return err
		}, "1000"},
		{"a transaction sets it", "9000", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error {
				err := b.Set(1000)
				if got := b.Get(); got != "1000" {
					return fmt.Errorf("inside the transaction the alarm is %s", got)
				}
				return err
			})
		}, "1000"},
		{"a transaction deletes it", "9000", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error {
				err := b.Delete()
				if got := b.Get(); got != "none" {
					return fmt.Errorf("inside the transaction the alarm is %s", got)
				}
				return err
			})
		}, "none"},
		{"a transaction that is rolled back does not", "9000", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error { return errors.Join(b.Set(1000), errBroken) })
		}, "9000"},
		{"one inside another does", "none", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error {
				return b.st.Storage().Transaction(ctx, func() error { return b.Set(1000) })
			})
		}, "1000"},
		{"and does not if the outer one is rolled back", "9000", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error {
				return errors.Join(b.st.Storage().Transaction(ctx, func() error { return b.Set(1000) }), errBroken)
			})
		}, "9000"},
		{"nor if it is itself", "9000", func(ctx context.Context, b *bell) error {
			return b.st.Storage().Transaction(ctx, func() error {
				err := b.st.Storage().Transaction(ctx, func() error { return errors.Join(b.Set(1000), errBroken) })
				if got := b.Get(); got != "9000" {
					return fmt.Errorf("after the inner transaction the alarm is %s", got)
				}
				if !errors.Is(err, errBroken) {
					return err
				}
				return nil
			})
		}, "9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, ns := tower(t)
			if c.before != "none" {
				y.set(ns, "a", 9000)
			}
			y.doing = c.do
			if r := y.ask(ns, "a", "Do"); r.Err != nil && !strings.Contains(r.Err.Error(), errBroken.Error()) {
				t.Error(r.Err)
			}
			if got := y.alarm(ns, "a"); got != c.after {
				t.Errorf("the alarm is %s, want %s", got, c.after)
			}
			y.runsOnlyAt(c.after)
		})
		t.Run(c.name+", restarted", func(t *testing.T) {
			y, ns := tower(t)
			if c.before != "none" {
				y.set(ns, "a", 9000)
			}
			y.doing = c.do
			y.ask(ns, "a", "Do")
			z := y.restart(true)
			ns = register(t, z.Engine, "Bell", z.class())
			if got := z.alarm(ns, "a"); got != c.after {
				t.Errorf("the alarm is %s, want %s", got, c.after)
			}
			z.runsOnlyAt(c.after)
		})
	}
}

// runsOnlyAt lets an hour pass in which the alarm of a runs once, or not at all.
func (y *belfry) runsOnlyAt(at string) {
	y.t.Helper()
	y.rung = nil
	y.pass(time.Hour)
	if at == "none" {
		y.expect("in an hour")
		return
	}
	y.expect("in an hour", fmt.Sprintf("a at %s for %[1]s, 0 retries", at))
}

// Do does what the test says.
func (b *bell) Do(ctx context.Context) error { return b.doing(ctx, b) }

// Whatever ends a run that has not succeeded, the alarm is tried again, and it counts; but for an abort that says otherwise.
func TestAlarmWhoseRunIsCutShort(t *testing.T) {
	for _, c := range []struct {
		name string
		ring func(b *bell, ctx context.Context) error
		want string // of the second run; "" if there is to be none
	}{
		{"error", func(*bell, context.Context) error { return errBroken }, "1 retries"},
		{"panic", func(*bell, context.Context) error { panic("boom") }, "1 retries"},
		{"abort", func(b *bell, _ context.Context) error { b.st.Abort(errBroken); return nil }, "1 retries"},
		{"abort later", func(b *bell, ctx context.Context) error {
			err := b.st.Storage().Sync(ctx)
			b.st.Abort(errBroken)
			return err
		}, "1 retries"},
		{"abort for good", func(b *bell, ctx context.Context) error {
			err := b.st.Storage().Sync(ctx)
			b.st.AbortWith(errBroken, engine.AbortOptions{NoAlarmRetry: true})
			return err
		}, ""},
		{"abort for good, at once", func(b *bell, _ context.Context) error {
			b.st.AbortWith(errBroken, engine.AbortOptions{NoAlarmRetry: true})
			return nil
		}, ""},
		{"success", func(b *bell, _ context.Context) error { return nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, ns := tower(t)
			y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
				y.ring = nil
				return c.ring(b, ctx)
			}
			y.set(ns, "a", 1000)
			y.pass(time.Minute)
			y.expectFirst("a at 1000 for 1000, 0 retries")
			switch {
			case c.want == "":
				y.expect("later")
			case len(y.rung) != 1 || !strings.HasSuffix(y.rung[0], c.want):
				t.Errorf("rung %q, want once with %s", y.rung, c.want)
			}
			if got := y.alarm(ns, "a"); got != "none" {
				t.Errorf("the alarm is %s", got)
			}
			z := y.restart(true)
			register(t, z.Engine, "Bell", z.class())
			z.pass(time.Hour)
			z.expect("after a restart")
		})
	}
}

// mute is a class whose objects never answer.
type mute struct{}

func (mute) New(_ *engine.State, ready func(engine.Object, error)) { ready(mute{}, nil) }
func (mute) Deliver(*engine.Event)                                 {}
func (mute) Evict()                                                {}

// hang waits for ever.
func hang(b *bell, _ context.Context, _ engine.AlarmInfo) error {
	return b.st.Namespace("Mute").GetByName("x").Call(context.Background(), "hang", nil)
}

// A handler that does not end is cut off after its time, with its object, and that counts. One that ends just before is not.
func TestAlarmTimesOut(t *testing.T) {
	y, ns := tower(t)
	register(t, y.Engine, "Mute", mute{})
	y.ring = func(b *bell, ctx context.Context, info engine.AlarmInfo) error {
		y.ring = nil
		return hang(b, ctx, info)
	}
	y.set(ns, "a", 1000)
	y.pass(15*time.Minute + 900*time.Millisecond)
	y.expect("in 15 minutes", "a at 1000 for 1000, 0 retries")
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("while the handler runs the alarm is %s", got)
	}
	y.pass(5 * time.Second)
	if len(y.rung) != 1 || !strings.HasSuffix(y.rung[0], "for 1000, 1 retries") {
		t.Errorf("rung %q, want a retry", y.rung)
	}
	if m := y.Metrics(); m.Resets != 1 || m.Alarms != 0 {
		t.Errorf("metrics: %+v", m)
	}
}

// While an alarm runs, other events enter its object, and see no alarm.
func TestAlarmRunsBesideOtherEvents(t *testing.T) {
	y, ns := tower(t)
	register(t, y.Engine, "Mute", mute{})
	y.ring = hang
	y.set(ns, "a", 1000)
	y.pass(2 * time.Second)
	y.expect("in 2 s", "a at 1000 for 1000, 0 retries")
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("the alarm is %s", got)
	}
	// What another event sets waits for the end of the run.
	y.set(ns, "a", 1000)
	if got := y.alarm(ns, "a"); got != "3000" {
		t.Errorf("the alarm is %s, want 3000", got)
	}
	y.ring = nil
	y.pass(10 * time.Minute)
	y.expect("while it runs")
	y.pass(6 * time.Minute)
	y.expect("after its time", "a at 901000 for 3000, 0 retries")
}

// The constructor and its critical section run before the alarm. Setting it there to a later moment puts it off.
func TestAlarmAfterTheConstructor(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 60_000)
	y.pass(30 * time.Second) // the instance goes
	var order []string
	y.build = func(b *bell) error {
		return b.st.BlockConcurrencyWhile(func() error {
			order = append(order, "constructor at "+b.Get())
			return b.st.Storage().Sync(context.Background())
		})
	}
	y.pass(30 * time.Second)
	order = append(order, y.rung...)
	if want := []string{"constructor at 60000", "a at 60000 for 60000, 0 retries"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	y.rung = nil
	y.set(ns, "b", 60_000)
	y.pass(30 * time.Second)
	y.build = func(b *bell) error {
		y.build = nil
		return b.Set(10_000)
	}
	y.pass(39 * time.Second)
	y.expect("in 69 s")
	y.pass(time.Second)
	y.expect("in 70 s", "b at 130000 for 130000, 0 retries")
	// A constructor that fails fails the run.
	y.set(ns, "c", 60_000)
	y.pass(30 * time.Second)
	y.build = func(*bell) error { y.build = nil; return errBroken }
	y.pass(33 * time.Second)
	if len(y.rung) != 1 || !strings.HasSuffix(y.rung[0], "1 retries") {
		t.Errorf("rung %q, want the retry", y.rung)
	}
}

// Failures that are not the program's do not count, however many there are.
func TestAlarmFailuresThatDoNotCount(t *testing.T) {
	y, ns := tower(t)
	runs := 0
	y.ring = func(b *bell, _ context.Context, info engine.AlarmInfo) error {
		if runs++; info.RetryCount != 0 {
			t.Errorf("run %d is told of %d retries", runs, info.RetryCount)
		}
		return b.st.Storage().Put("n", 1)
	}
	y.set(ns, "a", 1000)
	y.log.SetNoSpace(true)
	y.pass(3 * time.Hour)
	if runs < 15 || runs > 25 {
		t.Errorf("%d runs in three hours, want one each 17 minutes in the end", runs)
	}
	y.log.SetNoSpace(false)
	y.pass(time.Hour)
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("the alarm is %s", got)
	}
}

// The steps of the retries begin anew when the kind of failure changes; the count goes on.
func TestAlarmStepsBeginAnew(t *testing.T) {
	y, ns := tower(t)
	var at []int64
	var counts []int
	y.ring = func(b *bell, _ context.Context, info engine.AlarmInfo) error {
		at, counts = append(at, y.now()), append(counts, info.RetryCount)
		switch n := len(at); {
		case n <= 3, n > 6:
			return errBroken
		case n == 4:
			y.log.SetNoSpace(true)
		case n == 6:
			defer y.log.SetNoSpace(false)
		}
		return b.st.Storage().Put("n", 1)
	}
	y.set(ns, "a", 1000)
	y.pass(time.Hour)
	if want := []int{0, 1, 2, 3, 3, 3, 3, 4, 5, 6}; !slices.Equal(counts, want) {
		t.Fatalf("told of %v retries, want %v", counts, want)
	}
	for i, least := range []int64{2000, 4000, 8000, 2000, 4000, 8000, 2000, 4000, 8000} {
		if d := at[i+1] - at[i]; d < least || d > least+least/4 {
			t.Errorf("retry %d comes after %d ms, want %d to %d", i+1, d, least, least+least/4)
		}
	}
}

// An object that its alarm has woken has an ID with all that belongs to it: it can be called by it.
func TestAlarmKnowsItsID(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 60_000)
	y.pass(30 * time.Second) // evicted
	var called error
	y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
		called = b.st.Namespace("Bell").Get(b.st.ID()).Call(ctx, "Get", nil)
		return nil
	}
	y.pass(31 * time.Second)
	y.expect("woken", "a at 60000 for 60000, 0 retries")
	if called != nil {
		t.Error(called)
	}
}

// RunAlarm runs what was given up, what waits, and what is set for later, and says how it ended.
func TestRunAlarm(t *testing.T) {
	y, ns := tower(t)
	runID := func(id engine.ID) error {
		done := make(chan error, 1)
		go func() { done <- y.RunAlarm(context.Background(), "Bell", id) }()
		return y.await(done)
	}
	run := func(name string) error { return runID(ns.IDFromName(name)) }
	if err := run("nobody"); !errors.Is(err, engine.ErrNoAlarm) {
		t.Errorf("an object without an alarm: %v", err)
	}
	y.set(ns, "later", 1000_000)
	if err := run("later"); err != nil {
		t.Error(err)
	}
	y.expect("run by hand", "later at 0 for 1000000, 0 retries")
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error { return errBroken }
	y.set(ns, "bad", 1000)
	y.pass(3 * time.Minute)
	if f := y.failed(); len(f) != 1 {
		t.Fatalf("failed alarms: %+v", f)
	}
	y.rung = nil
	if err := runID(y.failed()[0].ID); !errors.Is(err, errBroken) {
		t.Errorf("the run fails with %v", err)
	}
	if f := y.failed(); len(f) != 0 {
		t.Errorf("an alarm that has its retries again is still among the failed: %+v", f)
	}
	y.ring = nil
	if err := run("bad"); err != nil {
		t.Error(err)
	}
	if len(y.rung) != 2 || !strings.HasSuffix(y.rung[0], "for 1000, 0 retries") || !strings.HasSuffix(y.rung[1], "for 1000, 1 retries") {
		t.Errorf("rung %q", y.rung)
	}
	y.pass(time.Hour)
	if m := y.Metrics(); m.Alarms != 0 || m.FailedAlarms != 0 || m.AlarmsGiven != 1 {
		t.Errorf("metrics: %+v", m)
	}
}

// RunAlarm comes back when the constructor has deleted the alarm, durably, and then fails: nothing is left of the object then.
func TestRunAlarmOfAnObjectThatGoes(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 1000_000)
	y.pass(time.Minute) // the instance goes
	y.build = func(b *bell) error {
		if err := b.Delete(); err != nil {
			return err
		}
		return errors.Join(b.st.Storage().Sync(context.Background()), errBroken)
	}
	done := make(chan error, 1)
	go func() { done <- y.RunAlarm(context.Background(), "Bell", ns.IDFromName("a")) }()
	for y.Metrics().Resets == 0 {
		y.settle()
	}
	y.pass(time.Second)
	select {
	case err := <-done:
		if !errors.Is(err, errBroken) {
			t.Errorf("RunAlarm returns %v", err)
		}
	case <-time.After(10 * time.Second): // its goroutine has had every chance
		t.Error("RunAlarm does not return")
	}
	if n := y.Metrics().Objects; n != 0 {
		t.Errorf("%d records are left", n)
	}
}
