package engine_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/internal/mechanism"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

var snapshotSeeds = flag.Int("snapshots", 60, "number of random histories with snapshots")

// tape keeps every record that a log takes, in a log of its own that never has a snapshot.
type tape struct {
	*waltest.MemLog
	all *waltest.MemLog
}

func (t *tape) Append(buffer int, record []byte) (wal.LSN, error) {
	n, err := t.MemLog.Append(buffer, record)
	if err == nil {
		m, aerr := t.all.Append(0, record)
		if aerr != nil || m != n {
			panic(fmt.Sprintf("record %d is %d of the tape: %v", n, m, aerr))
		}
	}
	return n, err
}

func newTape(t *testing.T) *waltest.MemLog {
	all := waltest.NewMemLog(waltest.MemOptions{})
	if _, err := all.Replay(func(*wal.Chunk) error { return nil }, nil); err != nil {
		t.Fatal(err)
	}
	return all
}

// chest is an object of which everything is tried that is durable.
type chest struct {
	*chests
	st *engine.State
}

// chests is what the objects of one history share.
type chests struct {
	r    *rand.Rand
	ns   *engine.Namespace
	pool *looptest.Pool
}

func (c *chest) class() engine.Class {
	return engine.ClassOf(func(st *engine.State) (*chest, error) { return &chest{c.chests, st}, nil })
}

func (c *chest) put(key string, n int) error {
	return c.st.Storage().PutRaw(key, append([]byte{0x59, byte(n >> 8), byte(n)}, bytes.Repeat([]byte{byte(c.r.IntN(256))}, n)...), engine.WriteOptions{})
}

// Do does one of many things, by what is drawn.
func (c *chest) Do() error {
	s := c.st.Storage()
	key := fmt.Sprint("k", c.r.IntN(6))
	switch c.r.IntN(12) {
	case 0, 1, 2:
		return c.put(key, c.r.IntN(40))
	case 3:
		_, err := s.Delete(key)
		return err
	case 4:
		return s.DeleteAll()
	case 5: // as large as what is frozen, in many turns
		for range 1 + c.r.IntN(30) {
			if err := c.put(fmt.Sprint("large", c.r.IntN(100)), 100*(1+c.r.IntN(2))); err != nil {
				return err
			}
		}
		return nil
	case 6:
		return s.DeleteAlarm(engine.WriteOptions{})
	case 7:
		return c.st.Storage().Transaction(context.Background(), func() error {
			if err := c.put(key, 5); err != nil {
				return err
			}
			if err := c.ns.GetByName("b").Call(context.Background(), "Nothing", nil); err != nil {
				return err
			}
			if c.r.IntN(2) == 0 {
				return errBroken
			}
			return s.SetAlarmMillis(c.pool.Wall()+int64(c.r.IntN(5000)), engine.WriteOptions{})
		})
	case 8:
		c.st.Abort(errBroken)
		return nil
	default:
		return s.SetAlarmMillis(c.pool.Wall()+int64(c.r.IntN(20_000)), engine.WriteOptions{})
	}
}

func (c *chest) Nothing() {}

// Alarm ends in every way that an alarm may, at once or some turns later.
func (c *chest) Alarm(ctx context.Context, _ engine.AlarmInfo) error {
	for c.r.IntN(3) == 0 {
		if err := c.ns.GetByName("a").Call(ctx, "Nothing", nil); err != nil {
			return err
		}
	}
	var err error
	switch c.r.IntN(6) {
	case 0:
		err = c.st.Storage().SetAlarmMillis(c.pool.Wall()+int64(c.r.IntN(20_000)), engine.WriteOptions{})
	case 1:
		err = c.st.Storage().DeleteAlarm(engine.WriteOptions{})
	case 2:
		err = c.Do()
	}
	if c.r.IntN(3) == 0 {
		_ = c.ns.GetByName("c").Call(ctx, "Nothing", nil)
	}
	switch c.r.IntN(12) {
	case 0, 1:
		return err
	case 2, 3:
		return engine.ErrBacklog // does not count
	}
	return errors.Join(err, errBroken)
}

// dump is everything in a view, as text.
func dump(t *testing.T, v *engine.View) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "migrations %q\n", v.Migrations())
	numbers := map[uint32]engine.ViewClass{}
	for _, k := range v.Classes() {
		numbers[k.Number] = k
	}
	for n := range uint32(50) {
		if k, ok := numbers[n]; ok {
			fmt.Fprintf(&b, "class %+v\n", k)
		}
	}
	if err := v.Objects(func(o *engine.ViewObject) error {
		fmt.Fprintf(&b, "%s %s %q %v up to %d\n", o.Class.Name, hex.EncodeToString(o.ID[:4]), o.Name, o.Named, o.LSN)
		o.Scan(func(key string, v []byte) bool {
			fmt.Fprintf(&b, "  %q: %d %x\n", key, len(v), v[:min(len(v), 5)])
			return true
		})
		if o.Alarm != nil {
			fmt.Fprintf(&b, "  alarm %+v\n", *o.Alarm)
		}
		if o.Failed != nil {
			fmt.Fprintf(&b, "  failed %+v\n", *o.Failed)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// differences are the lines of two dumps from the first that differs on, a few of each.
func differences(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	from := max(0, i-8)
	return fmt.Sprintf("got\n%s\nwant\n%s", strings.Join(g[from:min(i+6, len(g))], "\n"), strings.Join(w[from:min(i+6, len(w))], "\n"))
}

// view is what a log has, up to its end.
func view(t *testing.T, log *waltest.MemLog) *engine.View {
	t.Helper()
	h, err := log.History()
	if err != nil {
		t.Fatal(err)
	}
	v, err := engine.ViewOf(h, h.End().LSN, engine.ViewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// small makes slices of snapshots small, and freezes what is not very small.
func small(t *testing.T, objects, bytes int) {
	mechanism.Bound.SliceObjects, mechanism.Bound.FreezeBytes = objects, bytes
	t.Cleanup(func() { mechanism.Bound.SliceObjects, mechanism.Bound.FreezeBytes = 0, 0 })
}

// snapshotting is an engine whose work for snapshots waits until a test runs it.
type snapshotting struct {
	*stepped
	jobs []func()
}

// TestSnapshotHistories plays random histories with snapshots in the middle of them, over several lives with different numbers of loops, and compares what is
// left with what all records of all lives give by themselves.
func TestSnapshotHistories(t *testing.T) {
	small(t, 1, 3000)
	seeds := *snapshotSeeds
	var installed, given, fromSnapshot, objects, alarms, failed, turns int
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 5))
		all := newTape(t)
		crashed := waltest.NewMemLog
		migrated := 0
		names, keys := []string{"Chest", "Old", "Gone"}, []string{"1", "2", "3"}
		wall := time.Duration(0)
		for life := range 3 {
			s := &snapshotting{stepped: &stepped{t: t, pool: looptest.New(1+r.IntN(4), seed)}}
			s.pool.JumpWall(wall)
			var err error
			if s.Engine, err = engine.Open(engine.Options{
				Pool: s.pool, SnapshotAge: -1, IdleTimeout: time.Duration(1+r.IntN(3000)) * time.Millisecond, Seed: seed + 1,
				Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
				SnapshotWork: func(work func()) { s.jobs = append(s.jobs, work) },
				OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
					s.log = crashed(waltest.MemOptions{Buffers: n, OnDurable: durable})
					return &tape{s.log, all}, nil
				},
			}); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			if s.Recovered().Snapshot > 0 {
				fromSnapshot++
			}
			all.Commit()
			what := dump(t, view(t, all))
			if got := dump(t, s.View()); got != what {
				t.Fatalf("seed %d: life %d begins with other things than were written:\n%s", seed, life, differences(got, what))
			}
			objects, alarms, failed = objects+strings.Count(what, " up to "), alarms+strings.Count(what, "  alarm"), failed+strings.Count(what, "  failed")
			shared := &chests{r: r, pool: s.pool}
			proto := &chest{chests: shared}
			var spaces []*engine.Namespace
			for i, name := range names {
				if life == 1 && i > 0 {
					continue // classes that are not in use may be migrated
				}
				ns, err := s.Register(name, proto.class(), engine.UniqueKey(keys[i]))
				if err != nil {
					t.Fatal(err)
				}
				spaces = append(spaces, ns)
			}
			shared.ns = spaces[0]
			for range 700 {
				turns++
				switch r.IntN(17) {
				case 0, 1, 2, 3:
					ns := spaces[r.IntN(len(spaces))]
					name := string(rune('a' + r.IntN(12)))
					id := ns.IDFromName(name)
					if name < "d" { // without its name
						var err error
						if id, err = ns.IDFromString(id.String()); err != nil {
							t.Fatal(err)
						}
					}
					s.start(ns.Get(id), "Do")
				case 4, 5, 6, 7, 8:
					s.pool.Step()
				case 9:
					s.log.Commit()
				case 10:
					s.pool.Jump(time.Duration(r.IntN(2<<r.IntN(17))) * time.Millisecond)
				case 11:
					if r.IntN(4) > 0 {
						s.pool.Run()
						continue
					}
					s.BeginSnapshot(func(_ engine.SnapshotInfo, err error) {
						switch {
						case err == nil:
							installed++
						case errors.Is(err, errDiskGone):
							given++
						default:
							t.Fatalf("seed %d: %v", seed, err)
						}
					})
				case 12:
					s.work(r)
				case 13:
					s.pool.Jump(time.Duration(r.IntN(200_000)) * time.Millisecond)
					s.pool.Run()
				case 14:
					ns := spaces[0]
					if id := ns.IDFromName(string(rune('a' + r.IntN(12)))); r.IntN(3) == 0 {
						ctx, leave := context.WithCancel(context.Background())
						leave() // it is not waited for
						_ = s.RunAlarm(ctx, ns.Class(), id)
					}
				default:
					if r.IntN(80) == 0 {
						s.log.FailSnapshot(errDiskGone)
					}
					if life == 1 && len(names) > 1 && r.IntN(4) == 0 {
						migrated++
						m := engine.Migration{Tag: fmt.Sprint("v", migrated)}
						last := len(names) - 1
						if r.IntN(2) == 0 {
							m.Delete = names[last:]
							names = names[:last]
						} else {
							m.Rename = []engine.RenameClass{{From: names[last], To: names[last] + "er"}}
							names[last] += "er"
						}
						done := make(chan error, 1)
						go func() { done <- s.Migrate(m) }()
						s.until(done)
					}
				}
			}
			for len(s.jobs) > 0 && r.IntN(8) > 0 {
				s.work(r)
				s.pool.Run()
			}
			s.log.Commit()
			s.log.Commit()
			wall = time.Duration(s.pool.Wall()-looptest.New(1, 0).Wall()) * time.Millisecond
			if life < 2 && r.IntN(2) == 0 {
				wall += time.Hour
			}
			old := s.log
			crashed = func(o waltest.MemOptions) *waltest.MemLog { return old.Crash(false, o) }
		}
		last := crashed(waltest.MemOptions{})
		if _, err := last.Replay(func(*wal.Chunk) error { return nil }, nil); err != nil {
			t.Fatal(err)
		}
		all.Commit()
		if got, want := dump(t, view(t, last)), dump(t, view(t, all)); got != want {
			t.Fatalf("seed %d ends with other things than were written:\n%s", seed, differences(got, want))
		}
	}
	t.Logf("%d histories with %d events: %d snapshots installed, %d given up, %d starts from one, with %d objects, %d alarms that were set and %d that were given up",
		seeds, turns, installed, given, fromSnapshot, objects, alarms, failed)
	if installed < seeds || fromSnapshot < seeds/2 || failed == 0 {
		t.Error("too little has happened")
	}
}

var errDiskGone = errors.New("the disk is gone on purpose")

// work runs the next piece of work for snapshots, if there is one.
func (s *snapshotting) work(r *rand.Rand) {
	for n := 1 + r.IntN(3); n > 0 && len(s.jobs) > 0; n-- {
		job := s.jobs[0]
		s.jobs = s.jobs[1:]
		job()
	}
}

// until steps until a goroutine has its end.
func (s *stepped) until(done chan error) {
	s.t.Helper()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.t.Fatal(err)
			}
			return
		default:
			s.pool.Run()
			s.log.Commit()
		}
	}
}
