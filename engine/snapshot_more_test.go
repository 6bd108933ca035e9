package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
	"everloop/wal/waltest"
)

// held keeps the work of snapshots for a test to run.
func held(jobs *[]func()) func(*engine.Options) {
	return func(o *engine.Options) { o.SnapshotWork = func(work func()) { *jobs = append(*jobs, work) } }
}

// finish runs a snapshot to its end.
func (s *stepped) finish(jobs *[]func()) {
	for s.pool.Run(); len(*jobs) > 0; s.pool.Run() {
		job := (*jobs)[0]
		*jobs = (*jobs)[1:]
		job()
	}
}

// begun begins a snapshot and returns where its end will be.
func (s *stepped) begun() *snapshotEnd {
	end := &snapshotEnd{}
	s.BeginSnapshot(func(info engine.SnapshotInfo, err error) { end.n++; end.info, end.err = info, err })
	return end
}

type snapshotEnd struct {
	n    int
	info engine.SnapshotInfo
	err  error
}

// reopened is what a view has of what a crash leaves.
func (s *stepped) reopened() *engine.View {
	s.t.Helper()
	log := s.log.Crash(false, waltest.MemOptions{})
	if _, err := log.Replay(func(*wal.Chunk) error { return nil }, nil); err != nil {
		s.t.Fatal(err)
	}
	return view(s.t, log)
}

// An alarm whose run is under way is in a snapshot as the log has it: with the run that it counts as failed.
func TestSnapshotOfAlarmThatIsMarked(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs))
	y.set(ns, "a", 1000)
	y.settle()
	y = &belfry{stepped: stepOn(t, 1, 1, func(o waltest.MemOptions) *waltest.MemLog { return y.log.Crash(false, o) }, held(&jobs)), began: y.began}
	over := make(chan struct{})
	defer close(over)
	y.pool.JumpWall(time.Hour) // it is due at the start
	y.ring = func(b *bell, ctx context.Context, _ engine.AlarmInfo) error {
		return b.st.Do(ctx, func(context.Context) error { <-over; return nil })
	}
	register(t, y.Engine, "Bell", y.class())
	y.settle()
	if len(y.rung) != 1 {
		t.Fatalf("rung %q", y.rung)
	}
	end := y.begun()
	y.finish(&jobs)
	if end.n != 1 || end.err != nil {
		t.Fatalf("the snapshot has ended %d times, with %v", end.n, end.err)
	}
	if err := y.reopened().Objects(func(o *engine.ViewObject) error {
		if o.Alarm == nil || o.Alarm.Retries != 1 || o.Alarm.Time-y.began != 1000 {
			t.Errorf("after a start the alarm is %+v, want one with a failed run", o.Alarm)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// The number of a class that is gone is not given again, whatever the snapshot has left of it.
func TestSnapshotKeepsClassNumbers(t *testing.T) {
	var jobs []func()
	y, _ := tower(t, held(&jobs))
	done := make(chan error, 1)
	go func() {
		done <- y.Migrate(engine.Migration{Tag: "1", New: []engine.NewClass{{Name: "A", UniqueKey: "a"}}})
	}()
	y.until(done)
	go func() { done <- y.Migrate(engine.Migration{Tag: "2", Delete: []string{"A"}}) }()
	y.until(done)
	next := y.NextClass()
	y.begun()
	y.finish(&jobs)
	z := y.restart(false)
	if got := z.NextClass(); got != next || next != 3 || z.Recovered().Snapshot == 0 {
		t.Errorf("after a start from %+v the next class is %d, it was %d", z.Recovered(), got, next)
	}
	if got := fmt.Sprint(z.Migrations()); got != "[1 2]" {
		t.Errorf("migrations %s", got)
	}
}

// No slice is longer than its bound, whatever the objects, and a busy loop makes smaller ones.
func TestSnapshotSlices(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs))
	for i := range 3000 {
		y.start(ns.GetByName(fmt.Sprint("o", i)), "Fill", 1+i%3*20, 100)
		if i%100 == 0 {
			y.start(ns.GetByName(fmt.Sprint("large", i)), "Fill", 900, 100)
			y.settle()
		}
	}
	y.settle()
	for _, busy := range []bool{false, true} {
		end, rounds, most := y.begun(), 0, 0
		jobs[0]()
		jobs = jobs[1:]
		var before int64
		for end.n == 0 {
			if busy {
				y.start(ns.GetByName("o1"), "Get")
			}
			for y.pool.Step() {
				now := y.SnapshotStats().Written
				most, before = max(most, int(now-before)), now
				rounds++
				if busy {
					break
				}
			}
			if !y.pool.Runnable(0) || len(jobs) > 1 {
				for len(jobs) > 0 {
					job := jobs[0]
					jobs = jobs[1:]
					job()
				}
				before = y.SnapshotStats().Written // large objects are written there
			}
		}
		bound := 256 << 10
		if busy {
			bound = 32 << 10
		}
		t.Logf("busy %v: %d objects in at most %d bytes a slice, in %d rounds", busy, y.SnapshotStats().Objects, most, rounds)
		if most > bound+64<<10 || most < bound/4 || end.err != nil {
			t.Errorf("busy %v: a slice of %d bytes, want about %d; %v", busy, most, bound, end.err)
		}
		y.settle()
	}
}

func (b *bell) Fill(keys, size int) error {
	for i := range keys {
		if err := b.st.Storage().PutRaw(fmt.Sprintf("key%05d", i), append([]byte{0x58, byte(size)}, make([]byte, size)...), engine.WriteOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// A large object that is written to while it is frozen is in the snapshot as it was, with the number it had.
func TestSnapshotOfLargeObject(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs))
	fill := func(size int) {
		if r := y.ask(ns, "large", "Fill", 30_000, size); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	fill(200)
	before := dump(t, y.View())
	end := y.begun()
	jobs[0]()
	y.pool.Run() // it is frozen now
	write := jobs[1]
	jobs = jobs[2:]
	fill(200)
	fill(100)
	write()
	y.finish(&jobs)
	if end.err != nil || end.info.Records < 7 {
		t.Fatalf("the snapshot of 6 MB in %d records: %v", end.info.Records, end.err)
	}
	if got := dump(t, y.reopened()); got != dump(t, y.View()) || got == before {
		t.Error("a start finds something else than there was at the end")
	}
}

// The engine makes a snapshot when the log is long, not before, and again when it is as long as the last one.
func TestSnapshotBySize(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs), func(o *engine.Options) { o.SnapshotLog = 100_000 })
	made := func() uint64 { y.finish(&jobs); y.settle(); return y.SnapshotStats().Installed }
	for i := 0; y.log.Size().Log < 99_000; i++ {
		if y.ask(ns, "a", "Fill", 1, 200); made() != 0 {
			t.Fatalf("a snapshot at %d bytes", y.log.Size().Log)
		}
	}
	for range 10 {
		y.ask(ns, "a", "Fill", 1, 200)
	}
	if made() != 1 || y.log.Size().Log > 5000 {
		t.Fatalf("%+v at %+v", y.SnapshotStats(), y.log.Size())
	}
	y.ask(ns, "b", "Fill", 2000, 200) // 400 kB: the next comes when there is as much log as snapshot
	if made() != 2 {
		t.Fatalf("%+v at %+v", y.SnapshotStats(), y.log.Size())
	}
	for y.log.Size().Log < y.log.Size().Snapshot-1000 {
		if y.ask(ns, "a", "Fill", 1, 200); made() != 2 {
			t.Fatalf("a snapshot at %+v", y.log.Size())
		}
	}
	for range 10 {
		y.ask(ns, "a", "Fill", 1, 200)
	}
	if made() != 3 {
		t.Fatalf("no snapshot at %+v", y.log.Size())
	}
}

// Once a day there is a snapshot, if anything was written.
func TestSnapshotByAge(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs), func(o *engine.Options) { o.SnapshotAge = 24 * time.Hour })
	y.set(ns, "a", 1000*time.Hour.Milliseconds())
	made := func(pass time.Duration) uint64 { y.pass(pass); y.finish(&jobs); return y.SnapshotStats().Installed }
	if n := made(23*time.Hour + 59*time.Minute); n != 0 {
		t.Fatalf("%d snapshots in less than a day", n)
	}
	if n := made(2 * time.Minute); n != 1 {
		t.Fatalf("%d snapshots after a day", n)
	}
	if n := made(100 * time.Hour); n != 1 {
		t.Fatalf("%d snapshots of the same", n)
	}
	y.set(ns, "a", 1000*time.Hour.Milliseconds())
	if n := made(time.Hour + time.Minute); n != 2 {
		t.Fatalf("%d snapshots an hour after the next write", n)
	}
}

// A snapshot that fails is tried again, later each time, and asking makes one at once; one that is asked for while one is made is the same.
func TestSnapshotFails(t *testing.T) {
	var jobs []func()
	y, ns := tower(t, held(&jobs), func(o *engine.Options) { o.SnapshotLog = 10_000 })
	y.log.FailSnapshot(errDiskGone)
	y.ask(ns, "a", "Fill", 100, 200)
	y.finish(&jobs)
	if s := y.SnapshotStats(); s.Failed != 1 || !errors.Is(s.Err, errDiskGone) || s.Running {
		t.Fatalf("%+v", s)
	}
	y.ask(ns, "a", "Fill", 100, 200)
	y.pass(9 * time.Second)
	y.finish(&jobs)
	if s := y.SnapshotStats(); s.Failed != 1 || s.Installed != 0 {
		t.Fatalf("9 s after a failure: %+v", s)
	}
	y.log.SetNoSpace(true)
	y.pass(2 * time.Second)
	y.finish(&jobs)
	if s := y.SnapshotStats(); s.Failed != 2 || !errors.Is(s.Err, wal.ErrNoSpace) {
		t.Fatalf("11 s after a failure, on a full disk: %+v", s)
	}
	y.log.SetNoSpace(false)
	y.pass(15 * time.Second)
	y.finish(&jobs)
	if s := y.SnapshotStats(); s.Installed != 0 {
		t.Fatalf("15 s after the second failure: %+v", s)
	}
	a, b := y.begun(), y.begun()
	y.finish(&jobs)
	if s := y.SnapshotStats(); s.Installed != 1 || s.Err != nil || a.n != 1 || b.n != 1 || a.err != nil || a.info.Barrier != b.info.Barrier {
		t.Fatalf("asked for twice: %+v, %+v, %+v", s, a, b)
	}
	// The log fails while objects are being written: what they are by now may not be after a start.
	c := y.begun()
	jobs[0]()
	jobs = nil
	y.log.FailWrite(errDiskGone)
	y.start(ns.GetByName("a"), "Set", 1000)
	for !errors.Is(y.log.Err(), wal.ErrFailed) {
		y.pool.StepLoop(0)
		y.log.Commit()
	}
	y.finish(&jobs)
	if c.n != 1 || !errors.Is(c.err, wal.ErrFailed) {
		t.Fatalf("a snapshot of a log that has failed: %+v", c)
	}
}

// Close gives up a snapshot and does not wait for its loops; the directory opens as if there had been none. It is the real log, and real loops.
func TestSnapshotAndClose(t *testing.T) {
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir, Loops: 2})
	ns := register(t, e, "Bell", engine.ClassOf(func(st *engine.State) (*bell, error) { return &bell{nil, st}, nil }))
	fill := func(name string, keys int) {
		if err := ns.GetByName(name).Call(context.Background(), "Fill", nil, keys, 100); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		fill(fmt.Sprint("o", i), 1+i%5)
	}
	fill("large", 3000)
	first, err := e.Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	fill("o1", 50)
	want := func() string {
		v, err := engine.OpenView(dir, engine.ViewOptions{Torn: true})
		if err != nil {
			t.Fatal(err)
		}
		return dump(t, v)
	}
	stop := make(chan struct{})
	seen := make(chan error, 1)
	go func() {
		var last error
		for last == nil {
			_, last = e.Snapshot(context.Background())
			select {
			case <-stop:
			default:
			}
		}
		seen <- last
	}()
	for e.SnapshotStats().Installed < 5 {
		fill("o2", 3)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-seen; !errors.Is(err, engine.ErrSnapshotAborted) && !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a snapshot while the engine closed: %v", err)
	}
	if strays, _ := filepath.Glob(filepath.Join(dir, "p0", "*.tmp")); len(strays) != 0 {
		t.Errorf("%v is left", strays)
	}
	left := want()
	if strings.Count(left, " up to ") != 201 {
		t.Errorf("%d objects are left, want 201", strings.Count(left, " up to "))
	}
	for loops := 1; loops <= 4; loops++ {
		e := open(t, engine.Options{Dir: dir, Loops: loops})
		if r := e.Recovered(); r.Snapshot <= first.Barrier || r.Objects != 201 {
			t.Errorf("%d loops: %+v", loops, r)
		}
		if got := dump(t, e.View()); got != left {
			t.Errorf("%d loops: %s", loops, differences(got, left))
		}
		if err := e.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
