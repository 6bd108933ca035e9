package enginetest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/internal/mechanism"
	"everloop/engine/redo"
	"everloop/wal"
	"everloop/wal/waltest"
)

// errand is one call of a metamorphic history: the seed of what the object does, and whom it may ask. Everything
// that it sees comes back as text, so two runs are equal if their texts are.
type errand struct {
	Seed  uint64
	Depth int
	Floor int // objects above this one may be asked: those up to it have their input gates closed
	Steps int // at most so many steps; what it asks for has as many as its seed says
	// Path is the objects that wait for it. One of them must not be reset by it: what it waits for would go on beside the
	// calls that follow.
	Path []int
}

const (
	errandObjects  = 5
	maxErrandSteps = 5
)

// runner is an object that runs errands. It keeps nothing in memory, since instances come and go with the settings;
// unless it is forgetful, to show that this would be noticed.
type runner struct {
	st        *engine.State
	forgetful bool
	errands   int
}

func (o *runner) CallRaw(ctx context.Context, method string, args []byte) ([]byte, error) {
	if method == "sync" {
		return nil, o.st.Storage().Sync(ctx)
	}
	var e errand
	if err := json.Unmarshal(args, &e); err != nil {
		return nil, err
	}
	run := &errandRun{o.st, ctx, rand.New(rand.NewPCG(e.Seed, 1)), e, nil}
	if o.forgetful {
		o.errands++
		run.see("errand %d", o.errands)
	}
	if err := run.steps(); err != nil {
		return nil, fmt.Errorf("%w after %s", err, run.seen)
	}
	return []byte(strings.Join(run.seen, " ")), nil
}

// Alarm makes the object one that may have an alarm. It is not called before farAway.
func (o *runner) Alarm(context.Context, engine.AlarmInfo) error { return nil }

type errandRun struct {
	st   *engine.State
	ctx  context.Context
	r    *rand.Rand
	e    errand
	seen []string
}

func (run *errandRun) see(format string, args ...any) {
	run.seen = append(run.seen, fmt.Sprintf(format, args...))
}

func (run *errandRun) steps() error {
	for i := range 1 + run.r.IntN(5) {
		if i == run.e.Steps {
			break
		}
		if err := run.step(); err != nil {
			return err
		}
	}
	return nil
}

// farAway is when alarms are due: not in this test. Milliseconds since 1970.
const farAway = 4_000_000_000_000

var errErrand = errors.New("no luck")

func (run *errandRun) step() error {
	s, r := run.st.Storage(), run.r
	key := string(rune('a' + r.IntN(6)))
	switch r.IntN(14) {
	case 0, 1, 2:
		return s.Put(key, r.IntN(1000))
	case 3:
		return s.PutAll(map[string]any{key: r.IntN(1000), "x": strings.Repeat("long", r.IntN(500))})
	case 4:
		was, err := s.Delete(key)
		run.see("delete %s %t", key, was)
		return err
	case 5, 6:
		run.see("list")
		return s.List(engine.ListOptions{Reverse: r.IntN(2) == 0, Limit: r.IntN(5)}, func(k, v []byte) bool {
			run.see("%s=%x", k, v[:min(len(v), 9)])
			return true
		})
	case 7:
		switch r.IntN(6) {
		case 0, 1:
			run.see("delete all: %v", s.DeleteAll())
		case 2:
			// Enough for a snapshot to write it off the loop.
			for i := range 80 {
				if err := s.Put(fmt.Sprint("large", i), strings.Repeat(key, 3000+r.IntN(3000))); err != nil {
					return err
				}
			}
		case 3:
			return s.SetAlarmMillis(farAway+r.Int64N(1000), engine.WriteOptions{})
		case 4:
			at, set, err := s.Alarm()
			run.see("alarm %d %t", at, set)
			return errors.Join(err, s.DeleteAlarm(engine.WriteOptions{}))
		}
	case 8, 9, 10:
		return run.ask()
	case 11:
		if run.awaited() {
			return nil
		}
		return run.inside(func() error { return run.st.BlockConcurrencyWhile(run.steps) })
	case 12:
		rollback := r.IntN(3) == 0
		err := run.inside(func() error {
			return s.Transaction(run.ctx, func() error {
				if err := run.steps(); err != nil || !rollback {
					return err
				}
				return errErrand
			})
		})
		run.see("transaction %t: %v", rollback, err)
		if rollback {
			return nil
		}
		return err
	default:
		switch r.IntN(8) {
		case 0:
			panic("an accident")
		case 1:
			if !run.awaited() {
				run.st.Abort(errErrand)
			}
			return errErrand
		case 2:
			return errErrand
		}
		return run.st.Do(run.ctx, func(context.Context) error { return nil })
	}
	return nil
}

// inside runs fn, which closes the object's input gate: nobody further down may ask it anything.
func (run *errandRun) inside(fn func() error) error {
	floor := run.e.Floor
	defer func() { run.e.Floor = floor }()
	run.e.Floor = max(floor, run.self())
	return fn()
}

// self is the object's number.
func (run *errandRun) self() (n int) {
	name, _ := run.st.ID().Name()
	_, _ = fmt.Sscanf(name, "o%d", &n)
	return n
}

// awaited reports whether another errand of the object waits for this one.
func (run *errandRun) awaited() bool { return slices.Contains(run.e.Path, run.self()) }

func (run *errandRun) ask() error {
	above := errandObjects - 1 - run.e.Floor
	if above <= 0 || run.e.Depth == 0 {
		return nil
	}
	to := run.e.Floor + 1 + run.r.IntN(above)
	if to == run.self() {
		return nil
	}
	args, err := json.Marshal(errand{run.r.Uint64(), run.e.Depth - 1, run.e.Floor, maxErrandSteps, append(slices.Clone(run.e.Path), run.self())})
	if err != nil {
		return err
	}
	raw, err := run.st.Namespace("Runner").GetByName(fmt.Sprint("o", to)).CallRaw(run.ctx, "run", args)
	run.see("o%d: (%s, %v)", to, raw, err)
	return nil
}

// call is one call of a history.
type call struct {
	N      int // its place in the history that it was drawn with: settings go by it, so it stays when others are dropped
	To     int
	Errand errand
}

func (c call) String() string {
	return fmt.Sprintf("call %d to o%d: errand %d, depth %d, at most %d steps", c.N, c.To, c.Errand.Seed, c.Errand.Depth, c.Errand.Steps)
}

func callsOf(seed uint64) []call {
	r := rand.New(rand.NewPCG(seed, 2))
	calls := make([]call, 60)
	for i := range calls {
		calls[i] = call{i, r.IntN(errandObjects), errand{r.Uint64(), 3, -1, maxErrandSteps, nil}}
	}
	return calls
}

// ending is how a life ends.
type ending string

const (
	goesOn ending = ""
	closed ending = "closed"
	killed ending = "killed"
	cut    ending = "power cut"
)

// setting is one way to run the engine. None of them may change what callers see, or what is stored in the end.
type setting struct {
	loops int
	sync  wal.SyncMode
	idle  time.Duration
	ends  ending // several times, in the middle, each time with another number of loops
	// shots: a snapshot before every so many calls; without a pause, if below 0: one is always under way.
	shots  int
	log    int64 // bytes of log until the engine makes one by itself
	retain wal.Retain
	slice  int // objects in a slice of a snapshot, at most; 0: as the engine has it
	freeze int // objects of at least so many bytes are written off the loop; 0: as the engine has it

	forgetful bool // objects keep things in memory
	spoilt    bool // snapshots leave something out
}

func (s setting) String() string {
	type fields setting
	return fmt.Sprintf("%+v", fields(s))
}

// spoiltLog leaves objects out of snapshots: every second one.
type spoiltLog struct{ *wal.Log }

type spoiltSnapshot struct {
	wal.SnapshotWriter
	n int
}

func (l spoiltLog) StartSnapshot() (wal.SnapshotWriter, error) {
	s, err := l.Log.StartSnapshot()
	if err != nil {
		return nil, err
	}
	return &spoiltSnapshot{SnapshotWriter: s}, nil
}

func (s *spoiltSnapshot) Write(f *wal.Frame) error {
	less := wal.NewFrame()
	err := f.Each(func(tag wal.LSN, record []byte) error {
		rec, err := redo.Parse(record)
		if err == nil && rec.Kind == redo.KindObject {
			if s.n++; s.n%2 == 0 {
				return nil
			}
		}
		less.Add(tag, record)
		return err
	})
	return errors.Join(err, s.SnapshotWriter.Write(less))
}

// metamorphic is one run of a history.
type metamorphic struct {
	setting
	t       *testing.T
	base    string
	dir     string
	n       int // of directories
	disk    *waltest.PowerDisk
	engine  *engine.Engine
	runners *engine.Namespace
	stop    context.CancelFunc
	stopped chan struct{}

	snapshots atomic.Int64
	told      []string
	state     []string
}

func (m *metamorphic) open(loops int) {
	m.t.Helper()
	var err error
	if m.disk, err = waltest.NewPowerDisk(m.dir); err != nil {
		m.t.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	m.engine, err = engine.Open(engine.Options{
		Loops: loops, IdleTimeout: m.idle, Logger: quiet, SnapshotLog: cmp.Or(m.log, -1), SnapshotAge: -1,
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			log, err := wal.Open(m.dir, wal.Options{Buffers: n, Sync: m.sync, OnDurable: durable, Disk: m.disk, Logger: quiet, Retain: m.retain})
			if m.spoilt {
				return spoiltLog{log}, err
			}
			return log, err
		},
	})
	if err != nil {
		m.t.Fatalf("%v: open: %v", m.setting, err)
	}
	m.runners, err = m.engine.Register("Runner", engine.ClassOf(func(st *engine.State) (*runner, error) {
		return &runner{st: st, forgetful: m.forgetful}, nil
	}))
	if err != nil {
		m.t.Fatalf("%v: register: %v", m.setting, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	m.stop, m.stopped = stop, make(chan struct{})
	go func() {
		defer close(m.stopped)
		for m.shots < 0 && ctx.Err() == nil {
			m.snapshot(ctx)
		}
	}()
}

func (m *metamorphic) snapshot(ctx context.Context) {
	if _, err := m.engine.Snapshot(ctx); err == nil {
		m.snapshots.Add(1)
	} else if ctx.Err() == nil {
		m.t.Errorf("%v: snapshot: %v", m.setting, err)
	}
}

// end ends a life.
func (m *metamorphic) end(how ending) {
	m.t.Helper()
	if how != closed {
		// What was answered with an error need not be durable, so that much is made equal.
		for i := range errandObjects {
			if _, err := m.runners.GetByName(fmt.Sprint("o", i)).CallRaw(context.Background(), "sync", nil); err != nil {
				m.t.Errorf("%v: sync: %v", m.setting, err)
			}
		}
	}
	m.stop()
	if how == killed {
		m.disk.Kill()
	}
	if how == cut {
		next := filepath.Join(m.base, fmt.Sprint(m.n+1))
		if err := m.disk.Crash(uint64(m.n), next); err != nil {
			m.t.Fatal(err)
		}
		m.disk.CutAt(1)
		m.n++
		m.dir = next
	}
	<-m.stopped
	if err := m.engine.Close(context.Background()); err != nil && how == closed {
		m.t.Fatalf("%v: close: %v", m.setting, err)
	}
}

// play runs the calls, one after the other.
func (s setting) play(t *testing.T, calls []call) *metamorphic {
	t.Helper()
	base, remove := ramDir(t)
	defer remove()
	m := &metamorphic{setting: s, t: t, base: base, dir: filepath.Join(base, "0")}
	if err := os.Mkdir(m.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	mechanism.Bound.SliceObjects, mechanism.Bound.FreezeBytes = s.slice, s.freeze
	defer func() { mechanism.Bound.SliceObjects, mechanism.Bound.FreezeBytes = 0, 0 }()
	m.open(s.loops)
	for i, c := range calls {
		if s.ends != goesOn && i > 0 && c.N/17 != calls[i-1].N/17 {
			m.end(s.ends)
			m.open(1 + c.N%4)
		}
		if s.shots > 0 && c.N%s.shots == 0 {
			m.snapshot(context.Background())
		}
		args, err := json.Marshal(c.Errand)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := m.runners.GetByName(fmt.Sprint("o", c.To)).CallRaw(context.Background(), "run", args)
		m.told = append(m.told, fmt.Sprintf("%s, %v", raw, err))
	}
	m.end(closed)
	m.look()
	return m
}

// look reads the directory.
func (m *metamorphic) look() {
	v, err := engine.OpenView(m.dir, engine.ViewOptions{Torn: true})
	if err != nil {
		m.t.Fatalf("%v: view: %v", m.setting, err)
	}
	err = v.Objects(func(o *engine.ViewObject) error {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %x %q %t", o.Class.Name, o.ID, o.Name, o.Named)
		if o.Alarm != nil {
			fmt.Fprintf(&b, " alarm %+v", *o.Alarm)
		}
		o.Scan(func(key string, encoded []byte) bool {
			fmt.Fprintf(&b, " %s=%x", key, encoded)
			return true
		})
		m.state = append(m.state, b.String())
		return nil
	})
	if err != nil {
		m.t.Fatalf("%v: view: %v", m.setting, err)
	}
}

// differs returns how two runs of the same calls differ, or nothing.
func differs(calls []call, a, b *metamorphic) string {
	for i := range calls {
		if a.told[i] != b.told[i] {
			return fmt.Sprintf("%v is answered differently.\n%v:\n%s\n%v:\n%s", calls[i], a.setting, short(a.told[i]), b.setting, short(b.told[i]))
		}
	}
	if !slices.Equal(a.state, b.state) {
		return fmt.Sprintf("what is stored in the end differs.\n%v:\n%s\n%v:\n%s", a.setting, short(strings.Join(a.state, "\n")), b.setting, short(strings.Join(b.state, "\n")))
	}
	return ""
}

func short(s string) string {
	if len(s) > 2000 {
		s = s[:2000] + "..."
	}
	return s
}

// shrink makes a history that two settings do not agree on smaller, as long as they do not: calls go, in halves, quarters and one by
// one, then calls inside of calls and steps.
func shrink(t *testing.T, calls []call, a, b setting) (_ []call, how string) {
	t.Helper()
	runs := 0
	try := func(c []call) bool {
		if runs++; runs > 300 || len(c) == 0 {
			return false
		}
		d := differs(c, a.play(t, c), b.play(t, c))
		if d != "" {
			how = d
		}
		return d != ""
	}
	for size := len(calls) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(calls); {
			if less := slices.Delete(slices.Clone(calls), i, i+size); try(less) {
				calls = less
			} else {
				i += size
			}
		}
	}
	for i := range calls {
		for calls[i].Errand.Depth > 0 {
			less := slices.Clone(calls)
			less[i].Errand.Depth--
			if !try(less) {
				break
			}
			calls = less
		}
		for calls[i].Errand.Steps > 0 {
			less := slices.Clone(calls)
			less[i].Errand.Steps--
			if !try(less) {
				break
			}
			calls = less
		}
	}
	t.Logf("the smallest history was found in %d runs", runs)
	return calls, how
}

func listed(calls []call) string {
	var b strings.Builder
	for _, c := range calls {
		fmt.Fprintf(&b, "  %v\n", c)
	}
	return b.String()
}

var plainSetting = setting{loops: 1, idle: time.Hour}

var settings = []setting{
	{loops: 2, idle: time.Hour, shots: 7},
	{loops: 4, sync: wal.SyncInterval, idle: time.Millisecond, shots: -1, slice: 1},
	{loops: 1, sync: wal.SyncNone, idle: time.Millisecond, ends: closed, log: 1},
	{loops: 3, idle: time.Hour, ends: cut, shots: 3, slice: 1, freeze: 1},
	{loops: 4, sync: wal.SyncNone, idle: time.Hour, ends: killed, shots: -1, freeze: 1, retain: wal.Retain{Age: time.Hour, Bytes: 1 << 20}},
	{loops: 2, idle: time.Millisecond, ends: cut, log: 20_000, retain: wal.Retain{Age: time.Hour, Bytes: 100_000}},
	{loops: 3, sync: wal.SyncInterval, idle: time.Hour, ends: killed, shots: 11},
	{loops: 2, idle: time.Hour, ends: cut},
}

// One history of calls, made one after the other, is answered in the same words and leaves the same objects, whatever the settings.
func TestSettingsDoNotChangeAnswers(t *testing.T) {
	first, last := uint64(1), uint64(10)
	switch {
	case *seedFlag != 0:
		first, last = *seedFlag, *seedFlag
	case *seedsFlag != 0:
		last = *seedsFlag
	case raceEnabled:
		last = 1
	case testing.Short():
		last = 3
	}
	snapshots, runs := int64(0), 0
	for seed := first; seed <= last; seed++ {
		calls := callsOf(seed)
		want := plainSetting.play(t, calls)
		for _, s := range settings {
			got := s.play(t, calls)
			snapshots, runs = snapshots+got.snapshots.Load(), runs+1
			if d := differs(calls, want, got); d != "" {
				less, how := shrink(t, calls, plainSetting, s)
				t.Fatalf("run again with -run '%s' -seed %d: %s\nThe smallest history that shows it:\n%sThere, %s", t.Name(), seed, d, listed(less), how)
			}
		}
	}
	t.Logf("%d histories of 60 calls in %d other settings, %d snapshots that were asked for", last-first+1, runs, snapshots)
}

// Objects that answer from what they keep in memory alone must be found out by a restart, and snapshots that leave something out by
// what a start makes of them. The smallest histories that show it are two calls, and few.
func TestSettingsShowWhatIsWrong(t *testing.T) {
	if raceEnabled {
		t.Skip("it plays some hundred histories to make one small, and they are the same without the race detector")
	}
	for _, c := range []struct {
		name string
		bad  setting
		most int
	}{
		{"forgetful objects", setting{loops: 1, idle: time.Hour, ends: closed, forgetful: true}, 2},
		{"snapshots that leave objects out", setting{loops: 1, idle: time.Hour, ends: closed, shots: 5, spoilt: true}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			good := plainSetting
			good.forgetful = c.bad.forgetful
			for seed := uint64(1); seed <= 10; seed++ {
				calls := callsOf(seed)
				if differs(calls, good.play(t, calls), c.bad.play(t, calls)) == "" {
					continue
				}
				less, how := shrink(t, calls, good, c.bad)
				t.Logf("found with seed %d, and down to\n%s%s", seed, listed(less), how)
				if len(less) > c.most {
					t.Errorf("%d calls are left, want at most %d", len(less), c.most)
				}
				return
			}
			t.Error("10 histories, and nothing differs")
		})
	}
}
