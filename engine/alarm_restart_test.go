package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"everloop/engine"
)

// reopen crashes the engine, or closes it, and registers the classes of these tests again.
func (y *belfry) reopen(crash bool) (*belfry, *engine.Namespace) {
	y.t.Helper()
	z := y.restart(crash)
	register(y.t, z.Engine, "Mute", mute{})
	return z, register(y.t, z.Engine, "Bell", z.class())
}

// close closes the engine with its events given no time.
func (y *belfry) close() {
	y.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan error, 1)
	go func() { done <- y.Close(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				y.t.Error(err)
			}
			return
		default:
			y.pool.Run()
		}
	}
}

// An alarm that fell due while nothing ran is due at the start, as soon as its class is registered; one that is not due keeps
// its moment. Its object has its name.
func TestAlarmsAfterARestart(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "overdue", 1000)
	y.set(ns, "later", 3600_000)
	y.pool.Jump(time.Minute)
	z := y.restart(true)
	if n := z.Recovered().Objects; n != 2 {
		t.Errorf("%d objects were recovered, want 2", n)
	}
	z.pass(time.Minute)
	z.expect("without its class")
	if m := z.Metrics(); m.Alarms != 2 {
		t.Errorf("%d alarms wait for their class, want 2", m.Alarms)
	}
	register(t, z.Engine, "Bell", z.class())
	z.pass(0)
	z.expect("with its class", "overdue at 120000 for 1000, 0 retries")
	z.pass(time.Hour)
	z.expect("in an hour", "later at 3600000 for 3600000, 0 retries")
}

// A failed run is counted over a restart, whenever that comes.
func TestAlarmRetriesSurviveRestarts(t *testing.T) {
	y, ns := tower(t)
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error { return errBroken }
	y.set(ns, "a", 1000)
	runs := 0
	for i := range 40 {
		y.pass(time.Duration(1+i) * 1300 * time.Millisecond)
		runs += len(y.rung)
		if y, ns = y.reopen(i%2 == 0); len(y.failed()) > 0 {
			break
		}
	}
	y.settle()
	if f := y.failed(); len(f) != 1 || f[0].Runs != 7 || f[0].Err != errBroken.Error() || runs != 7 {
		t.Errorf("%d runs, failed alarms %+v", runs, f)
	}
	if got := y.alarm(ns, "a"); got != "none" {
		t.Errorf("the alarm is %s", got)
	}
}

// An alarm in whose handler the process ends, each time, is given up. One whose engine is closed meanwhile is not, however often.
func TestAlarmThatEndsTheProcess(t *testing.T) {
	for _, crash := range []bool{true, false} {
		t.Run(fmt.Sprintf("crash %v", crash), func(t *testing.T) {
			y, ns := tower(t)
			register(t, y.Engine, "Mute", mute{})
			y.ring = hang
			y.set(ns, "a", 1000)
			runs := 0
			for range 20 {
				y.pass(2 * time.Second)
				runs += len(y.rung)
				if len(y.rung) > 1 {
					t.Errorf("in one life it rang %q", y.rung)
				}
				if !crash {
					y.close()
				}
				y, _ = y.reopen(crash)
			}
			y.settle()
			f := y.failed()
			switch {
			case !crash && (runs != 20 || len(f) != 0):
				t.Errorf("%d runs in 20 lives, failed alarms %+v", runs, f)
			case crash && (runs != 8 || len(f) != 1 || f[0].Runs != 7 || !strings.Contains(f[0].Err, "process ended")):
				t.Errorf("%d runs, failed alarms %+v", runs, f)
			}
		})
	}
}

// The run of an alarm that was due at the start does not begin before the log counts it.
func TestOverdueAlarmIsCountedFirst(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 1000)
	y.pool.Jump(time.Minute)
	y, _ = y.reopen(true)
	y.log.Commit() // what Register has written
	y.pool.Run()
	y.expect("before the commit")
	y.log.Commit()
	y.pool.Run()
	y.expect("after the commit", "a at 60000 for 1000, 0 retries")
}

// Whoever waits for a run that has not begun is told when the engine closes.
func TestRunAlarmWhenTheEngineCloses(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "a", 1000)
	y.pool.Jump(time.Minute)
	y, ns = y.reopen(true)
	y.pool.Run() // the run waits for the commit
	done := make(chan error, 1)
	go func() { done <- y.RunAlarm(context.Background(), "Bell", ns.IDFromName("a")) }()
	for y.Waiting() == 0 {
		y.pool.Run()
		runtime.Gosched()
	}
	y.close()
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("RunAlarm returns %v", err)
	}
	y.expect("meanwhile")
}

// What the handler has set is durable on its own: a crash in the middle does not bring the running one back.
func TestAlarmSetInItsHandlerSurvivesACrash(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(b *bell) error
		want string
	}{
		{"set", func(b *bell) error { return b.Set(60_000) }, "a at 61000 for 61000, 0 retries"},
		{"set and deleted", func(b *bell) error {
			if err := b.Set(60_000); err != nil {
				return err
			}
			return b.Delete()
		}, "a at 2000 for 1000, 0 retries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, ns := tower(t)
			register(t, y.Engine, "Mute", mute{})
			y.ring = func(b *bell, ctx context.Context, info engine.AlarmInfo) error {
				if err := c.do(b); err != nil {
					return err
				}
				return hang(b, ctx, info)
			}
			y.set(ns, "a", 1000)
			y.pass(2 * time.Second)
			y.rung, y.ring = nil, nil
			z, _ := y.reopen(true)
			z.pass(time.Hour)
			z.expect("after the crash", c.want)
		})
	}
}

// The alarm goes with what its handler writes last, or not at all.
func TestAlarmIsDeletedWithItsWrites(t *testing.T) {
	for _, survives := range []bool{false, true} {
		y, ns := tower(t)
		y.ring = func(b *bell, _ context.Context, _ engine.AlarmInfo) error {
			n, _, err := engine.Get[int](b.st.Storage(), "runs")
			if err != nil {
				return err
			}
			return b.st.Storage().Put("runs", n+1)
		}
		y.set(ns, "a", 1000)
		y.pool.Jump(1000 * time.Millisecond)
		for y.pool.Step() {
		}
		y.expect("before the commit", "a at 1000 for 1000, 0 retries")
		if survives {
			y.log.Begin()
		}
		s := y.restartKeeping(survives)
		ns = register(t, s.Engine, "Bell", s.class())
		s.pass(time.Minute)
		rang := len(s.rung)
		a := s.start(ns.GetByName("a"), "Runs")
		s.settle()
		if n := decode[int](t, a); n != 1 || (rang == 0) != survives {
			t.Errorf("the last record survives %v: %d runs are stored, and after the crash it ran %d times", survives, n, rang)
		}
	}
}

// Runs returns what the handler of a test has counted.
func (b *bell) Runs() (int, error) {
	n, _, err := engine.Get[int](b.st.Storage(), "runs")
	return n, err
}

// An alarm moves with its class when that is renamed, and goes with it when that is deleted.
func TestAlarmsOfRenamedAndDeletedClasses(t *testing.T) {
	y, ns := tower(t)
	other := register(t, y.Engine, "Other", y.class())
	y.set(ns, "a", 10_000)
	y.set(other, "b", 10_000)
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error { return errBroken }
	y.set(other, "failed", 1)
	y.pass(4 * time.Minute)
	y.ring = nil
	y.set(ns, "a", 10_000)
	y.set(other, "b", 10_000)
	z := y.restart(true)
	if f := z.failed(); len(f) != 1 {
		t.Fatalf("failed alarms: %+v", f)
	}
	done := make(chan error, 1)
	go func() {
		done <- z.Migrate(engine.Migration{Tag: "v2", Rename: []engine.RenameClass{{From: "Bell", To: "Gong"}}, Delete: []string{"Other"}})
	}()
	if err := z.await(done); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Register("Gong", z.class(), engine.UniqueKey("Bell")); err != nil {
		t.Fatal(err)
	}
	register(t, z.Engine, "Other", z.class())
	z.rung = nil
	z.pass(time.Hour)
	z.expect("after the migration", "a at 250000 for 250000, 0 retries")
	if m := z.Metrics(); m.Alarms != 0 || m.FailedAlarms != 0 || len(z.failed()) != 0 {
		t.Errorf("metrics: %+v", m)
	}
}

// New code: a run that is cut off by it is tried again and does not count.
func TestAlarmAndNewCode(t *testing.T) {
	y, ns := tower(t)
	register(t, y.Engine, "Mute", mute{})
	y.ring = hang
	y.set(ns, "a", 1000)
	y.pass(time.Second)
	y.ring = nil
	y.update("Bell", y.class(), 10*time.Second)
	y.pass(30 * time.Second)
	if len(y.rung) != 2 || !strings.HasSuffix(y.rung[1], "for 1000, 0 retries") {
		t.Errorf("rung %q", y.rung)
	}
}
