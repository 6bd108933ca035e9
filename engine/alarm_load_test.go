package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"everloop/engine"
)

// Of many alarms that are due at once no more run than are allowed to, and no more are started a round than a slice; calls are answered
// meanwhile, and instances that were woken for an alarm alone do not stay.
func TestManyAlarmsAtOnce(t *testing.T) {
	const n, most = 5000, 100
	y, ns := tower(t, func(o *engine.Options) { o.MaxAlarms = most })
	running, peak := 0, 0
	y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
		running++
		peak = max(peak, running)
		defer func() { running-- }()
		if err := b.st.Storage().Put("rung", nil); err != nil {
			return err
		}
		defer b.st.Storage().Delete("rung")
		return b.st.Storage().Sync(ctx) // until the log commits
	}
	stub := ns.GetByName("asked")
	for i := range n {
		a := y.start(ns.GetByName(fmt.Sprint(i)), "Set", 3600_000-y.now())
		if i%500 == 0 {
			y.settle()
			if a.got.Err != nil {
				t.Fatal(a.got.Err)
			}
		}
	}
	y.pass(time.Minute) // all instances go
	if live := y.Metrics().Live; live != 0 {
		t.Fatalf("%d instances are live", live)
	}
	if m := y.Metrics(); m.Alarms != n {
		t.Fatalf("%d alarms are set, want %d", m.Alarms, n)
	}
	y.pool.Jump(time.Duration(3600_000-y.now()) * time.Millisecond)
	var live, waited int64
	var asked *answer
	since := 0
	for rounds := 0; y.Metrics().AlarmRuns < n; rounds++ {
		if rounds > 100_000 {
			t.Fatal("the alarms do not come to an end")
		}
		if asked == nil {
			asked, since = y.start(stub, "Get"), rounds
		}
		before := y.Metrics().Events
		if !y.pool.Step() || rounds%3 == 0 {
			y.log.Commit()
		}
		if started := y.Metrics().Events - before; started > 64+10 {
			t.Fatalf("%d events began in one round", started)
		}
		if asked.done {
			waited, asked = max(waited, int64(rounds-since)), nil
		}
		live = max(live, y.Metrics().Live)
	}
	y.settle()
	if peak > most || peak < most/2 {
		t.Errorf("%d alarms ran at once, want up to %d", peak, most)
	}
	if live > 2*most+1 {
		t.Errorf("%d instances were live at once, of %d alarms at most %d at a time", live, n, most)
	}
	if waited > 20 {
		t.Errorf("a call waited for %d rounds", waited)
	}
	if len(y.rung) != n {
		t.Errorf("%d runs of %d alarms", len(y.rung), n)
	}
	slices.Sort(y.rung)
	if len(slices.Compact(y.rung)) != n {
		t.Error("some alarms ran twice")
	}
	y.pass(time.Minute)
	if z := y.restart(false); z.Recovered().Objects != 0 {
		t.Errorf("%d objects are left", z.Recovered().Objects)
	}
}

// Handlers that wait for long keep others waiting for ten seconds, not for all of their time; but no more of them run than may.
func TestAlarmsThatHang(t *testing.T) {
	const most = 4
	y, ns := tower(t, func(o *engine.Options) { o.MaxAlarms = most })
	register(t, y.Engine, "Mute", mute{})
	running, peak := 0, 0
	y.ring = func(b *bell, ctx context.Context, info engine.AlarmInfo) error {
		if name, _ := b.st.ID().Name(); name == "good" {
			return nil
		}
		running++
		peak = max(peak, running)
		defer func() { running-- }()
		return hang(b, ctx, info)
	}
	for i := range most {
		y.set(ns, fmt.Sprint(i), 1000)
	}
	y.set(ns, "good", 2000)
	y.pass(10_500 * time.Millisecond)
	y.expect("while all that may run hang", "0 at 1000 for 1000, 0 retries", "1 at 1000 for 1000, 0 retries",
		"2 at 1000 for 1000, 0 retries", "3 at 1000 for 1000, 0 retries")
	y.pass(time.Second)
	y.expect("when they do not count any more", "good at 11000 for 2000, 0 retries")
	for i := most; i < 100; i++ {
		y.set(ns, fmt.Sprint(i), 1000)
	}
	y.pass(13 * time.Minute)
	if want := 16*most + most; running != want || peak != want {
		t.Errorf("%d run, %d at most, want %d", running, peak, want)
	}
	y.rung = nil
	y.pass(4 * time.Hour) // until all are given up
	if running != 0 || peak > 17*most {
		t.Errorf("%d run, %d at most", running, peak)
	}
	if m := y.Metrics(); m.Alarms != 0 || m.FailedAlarms != 100 {
		t.Errorf("%d alarms are left, %d have failed", m.Alarms, m.FailedAlarms)
	}
	// All of them count again.
	y.rung, y.ring = nil, nil
	for i := range 3 * most {
		y.set(ns, fmt.Sprint(i), 1000)
	}
	y.pass(2 * time.Second)
	if len(y.rung) != 3*most {
		t.Errorf("rung %q", y.rung)
	}
}

// A round starts fewer alarms than a slice where their handlers take long: others do not wait for all of them.
func TestSlowAlarmsEndTheRound(t *testing.T) {
	const n = 100
	y, ns := tower(t)
	for i := range n {
		y.set(ns, fmt.Sprint(i), 3600_000-y.now())
	}
	y.ring = func(*bell, context.Context, engine.AlarmInfo) error {
		y.pool.Spend(time.Millisecond)
		return nil
	}
	y.pool.Jump(time.Duration(3600_000-y.now()) * time.Millisecond)
	most := int64(0)
	for y.Metrics().AlarmRuns < n {
		before := y.Metrics().AlarmRuns
		if !y.pool.Step() {
			y.log.Commit()
		}
		most = max(most, y.Metrics().AlarmRuns-before)
	}
	if most < 2 || most > 16 {
		t.Errorf("at most %d alarms of 1 ms rang in one round, want a few", most)
	}
}

// Records of objects whose alarm was all they had are let go.
func TestAlarmsLeaveNoRecords(t *testing.T) {
	y, ns := tower(t)
	for range 3 {
		for i := range 1000 {
			y.start(ns.GetByName(fmt.Sprint(i)), "Set", int64(60_000))
		}
		y.pass(10 * time.Minute)
	}
	if n := y.Metrics().Objects; n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// The wall clock may be set either way while alarms wait: none runs before its moment by that clock, and none is forgotten.
func TestAlarmsWhenTheClockIsSet(t *testing.T) {
	y, ns := tower(t)
	y.set(ns, "hour", 3600_000)
	y.set(ns, "day", 86_400_000)
	y.pool.JumpWall(2 * time.Hour)
	y.pass(time.Second) // within a second it is noticed
	if len(y.rung) != 1 || y.rung[0][:len("hour at 72")] != "hour at 72" {
		t.Errorf("rung %q", y.rung)
	}
	y.rung = nil
	y.pool.JumpWall(-12 * time.Hour)
	y.pass(time.Second)
	begin := y.now()
	y.set(ns, "again", 3600_000)
	y.set(ns, "day", -begin+10*3600_000) // before the moment that the clock has read already
	y.pass(time.Duration(10*3600_000-begin-1) * time.Millisecond)
	y.expect("before that", fmt.Sprintf("again at %d for %[1]d, 0 retries", begin+3600_000))
	y.pass(time.Millisecond)
	y.expect("then", "day at 36000000 for 36000000, 0 retries")
	y.pass(100 * time.Hour)
	y.expect("later")
}

// watch is an object that notes when its alarm rings.
type watch struct {
	st   *engine.State
	rang func(name string, at int64)
}

func (w *watch) Set(ms int64) error {
	return w.st.Storage().SetAlarmMillis(ms, engine.WriteOptions{})
}

func (w *watch) Alarm(_ context.Context, info engine.AlarmInfo) error {
	name, _ := w.st.ID().Name()
	w.rang(name, info.ScheduledTime)
	return nil
}

// On real loops, with the real log and the real clock: each alarm rings once, none before its moment, and a restart in between
// loses none.
func TestAlarmsOnRealLoops(t *testing.T) {
	const n = 400
	rang := make(chan string, 2*n)
	class := engine.ClassOf(func(st *engine.State) (*watch, error) {
		return &watch{st, func(name string, at int64) {
			if now := time.Now().UnixMilli(); now < at {
				t.Errorf("%s rings at %d, before %d", name, now, at)
			}
			rang <- name
		}}, nil
	})
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, Loops: 2})
	ns := register(t, e, "Watch", class)
	start := time.Now().UnixMilli()
	for i := range n {
		// All over two seconds, and some in the past.
		if err := ns.GetByName(fmt.Sprint(i)).Call(t.Context(), "Set", nil, start-50+int64(i)*2050/n); err != nil {
			t.Fatal(err)
		}
	}
	closeEngine(t, e)
	e = open(t, engine.Options{Dir: dir, Loops: 3})
	register(t, e, "Watch", class)
	seen := map[string]int{}
	for range n {
		seen[<-rang]++
	}
	if len(seen) != n {
		t.Errorf("%d of %d alarms have rung, some twice", len(seen), n)
	}
	closeEngine(t, e)
	if len(rang) > 0 {
		t.Errorf("%d alarms have rung twice", len(rang))
	}
}
