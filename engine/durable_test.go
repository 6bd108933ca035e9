package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

// stepped is an engine on a pool that is stepped by hand and a log that commits on command.
type stepped struct {
	*engine.Engine
	t    *testing.T
	pool *looptest.Pool
	log  *waltest.MemLog
}

func step(t *testing.T, loops int, seed uint64, tune ...func(*engine.Options)) *stepped {
	t.Helper()
	return stepOn(t, loops, seed, nil, tune...)
}

// stepOn opens an engine on what is left of another log, or on a new one.
func stepOn(t *testing.T, loops int, seed uint64, crashed func(waltest.MemOptions) *waltest.MemLog, tune ...func(*engine.Options)) *stepped {
	t.Helper()
	s := &stepped{t: t, pool: looptest.New(loops, seed)}
	opts := engine.Options{
		Pool: s.pool, SnapshotAge: -1,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			o := waltest.MemOptions{Buffers: n, OnDurable: durable}
			if crashed != nil {
				s.log = crashed(o)
			} else {
				s.log = waltest.NewMemLog(o)
			}
			return s.log, nil
		},
	}
	for _, f := range tune {
		f(&opts)
	}
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Engine = e
	return s
}

// settle commits and steps until nothing is left to do.
func (s *stepped) settle() {
	for range 100 {
		s.pool.Run()
		if s.log.Last() == s.log.Durable() && s.pool.Idle() {
			return
		}
		s.log.Commit()
	}
	s.t.Fatal("the engine does not come to rest")
}

// answer is a Replier that keeps what it is told.
type answer struct {
	done bool
	got  engine.Reply
}

func (a *answer) Reply(r engine.Reply) {
	if a.done {
		panic("answered twice")
	}
	a.done, a.got = true, r
}

func (s *stepped) start(stub *engine.Stub, method string, args ...any) *answer {
	s.t.Helper()
	a := new(answer)
	stub.StartCall(method, encode(s.t, append([]any{}, args...)), a)
	return a
}

// TestChainSharesOneSync is the real log: A calls B calls C on loops of their own, each writes, and all of it
// costs one fsync.
func TestChainSharesOneSync(t *testing.T) {
	var log *wal.Log
	e := open(t, engine.Options{Loops: 3, OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
		var err error
		log, err = wal.Open(t.TempDir(), wal.Options{Buffers: n, OnDurable: durable, MaxDelay: time.Hour})
		return log, err
	}})
	ns := register(t, e, "Chain", engine.ClassOf(newChain))
	a, b, c := onLoop(t, ns, 3, 0), onLoop(t, ns, 3, 1), onLoop(t, ns, 3, 2)
	before := log.Stats()
	for i := range 10 {
		if n := call[int](t, ns.GetByName(a), "Relay", i, []string{b, c}); n != i+2 {
			t.Errorf("the chain returned %d", n)
		}
	}
	after := log.Stats()
	if n := after.Syncs - before.Syncs; n != 10 {
		t.Errorf("10 chains of 3 writes took %d fsyncs, want 10", n)
	}
	if n := after.Commits - before.Commits; n != 10 {
		t.Errorf("10 chains of 3 writes took %d commits, want 10", n)
	}
}

// onLoop returns a name whose object lives on loop i of n.
func onLoop(t testing.TB, ns *engine.Namespace, n, i int) string {
	t.Helper()
	for k := range 10000 {
		name := fmt.Sprint("object", k)
		id := ns.IDFromName(name).Bytes()
		if shard := int(id[0])<<2 | int(id[1])>>6; shard*n/1024 == i {
			return name
		}
	}
	t.Fatal("no name found")
	return ""
}

// TestChainCrashedAnywhere stops the chain after every number of steps, with commits in between drawn from the
// seed, and looks at what a restart finds: never an effect without its cause.
func TestChainCrashedAnywhere(t *testing.T) {
	for seed := range uint64(200) {
		for crashAt := 1; ; crashAt++ {
			s := step(t, 3, seed)
			ns := register(t, s.Engine, "Chain", engine.ClassOf(newChain))
			names := []string{onLoop(t, ns, 3, 0), onLoop(t, ns, 3, 1), onLoop(t, ns, 3, 2)}
			done := s.start(ns.GetByName(names[0]), "Relay", 1, names[1:])
			steps := 0
			for steps < crashAt && (s.pool.Step() || !done.done) {
				if steps++; (uint64(steps)*0x9e3779b97f4a7c15^seed)%3 == 0 {
					s.log.Commit()
				}
			}
			if s.pool.Panics != nil {
				t.Fatalf("seed %d: panics on a loop: %v", seed, s.pool.Panics)
			}
			again := stepOn(t, 2, seed, func(o waltest.MemOptions) *waltest.MemLog { return s.log.Crash(seed%2 == 0, o) })
			ns = register(t, again.Engine, "Chain", engine.ClassOf(newChain))
			there := make([]bool, 3)
			for i, name := range names {
				a := again.start(ns.GetByName(name), "Stored")
				again.settle()
				there[i] = decode[int](t, a) != 0
			}
			for i := 1; i < 3; i++ {
				if there[i] && !there[i-1] {
					t.Fatalf("seed %d, crash after step %d: the effect in %d is there, its cause is not", seed, crashAt, i)
				}
			}
			if done.done && done.got.Err == nil && !there[2] {
				t.Fatalf("seed %d, crash after step %d: the acknowledged chain is lost", seed, crashAt)
			}
			if done.done {
				break
			}
		}
	}
}

func (c *chain) Stored() (n int, err error) {
	_, err = c.st.Storage().Get("n", &n)
	return n, err
}

// TestStickyDependency: B keeps what it heard from A in memory only, and answers a later request from it. That
// answer waits for A's write, too.
func TestStickyDependency(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := step(t, loops, 1)
		ns := register(t, s.Engine, "Chain", engine.ClassOf(newChain))
		a, b := onLoop(t, ns, loops, 0), onLoop(t, ns, loops, loops-1)
		if a == b {
			b += "'"
		}
		s.settle()
		tell := s.start(ns.GetByName(a), "Tell", b, 42)
		s.pool.Run()
		heard := s.start(ns.GetByName(b), "Heard")
		untouched := s.start(ns.GetByName("somebody else"), "Heard")
		s.pool.Run()
		if tell.done || heard.done {
			t.Errorf("%d loops: answered before A's write was durable: tell %v, heard %v", loops, tell.done, heard.done)
		}
		if !untouched.done {
			t.Errorf("%d loops: an object that knows nothing of it has to wait", loops)
		}
		s.settle()
		if n := decode[int](t, heard); n != 42 {
			t.Errorf("%d loops: B heard %d", loops, n)
		}
	}
}

func TestUnconfirmedWriteDoesNotHoldTheAnswer(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(context.Context) error {
			return st.Storage().PutRaw("k", encode(t, 1), engine.WriteOptions{AllowUnconfirmed: true})
		}}, nil
	}))
	s.settle()
	a := s.start(ns.GetByName("x"), "Run")
	s.pool.Run()
	if !a.done || a.got.Err != nil {
		t.Errorf("the answer waits: %v", a.got.Err)
	}
}

// TestFailedLog: what depends on more than is durable fails, other objects can still be read, writes are
// refused before they run.
func TestFailedLog(t *testing.T) {
	for _, fail := range []func(*waltest.MemLog, error){(*waltest.MemLog).FailWrite, (*waltest.MemLog).FailSync} {
		s := step(t, 2, 1)
		ns := register(t, s.Engine, "Counter", engine.ClassOf(newCounter))
		old := s.start(ns.GetByName("old"), "Add", 1)
		s.settle()
		if n := decode[int](t, old); n != 1 {
			t.Fatalf("Add = %d", n)
		}
		fail(s.log, errors.New("the disk is broken"))
		pending := s.start(ns.GetByName("pending"), "Add", 1)
		s.pool.Run()
		if pending.done {
			t.Error("acknowledged before it was durable")
		}
		s.log.Commit()
		s.pool.Run()
		if !errors.Is(pending.got.Err, engine.ErrUnavailable) {
			t.Errorf("the write that failed was answered with %v", pending.got.Err)
		}
		for _, c := range []struct {
			what, object, method string
			want                 error
		}{
			{"read of an object that has nothing lost", "old", "Value", nil},
			{"read of the object whose write was lost", "pending", "Value", engine.ErrUnavailable},
			{"write", "old", "Add", engine.ErrUnavailable},
			{"read after the refused write", "old", "Value", nil},
		} {
			a := s.start(ns.GetByName(c.object), c.method)
			s.pool.Run()
			if !a.done || !errors.Is(a.got.Err, c.want) {
				t.Errorf("%s: done %v, %v, want %v", c.what, a.done, a.got.Err, c.want)
			}
		}
	}
}

func TestNoSpace(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "Counter", engine.ClassOf(newCounter))
	s.start(ns.GetByName("x"), "Add", 1)
	s.settle()
	s.log.SetNoSpace(true)
	a, b := s.start(ns.GetByName("x"), "Add", 1), s.start(ns.GetByName("x"), "Value")
	s.settle()
	if !errors.Is(a.got.Err, engine.ErrNoSpace) || decode[int](t, b) != 1 {
		t.Errorf("full disk: write %v, read %d", a.got.Err, decode[int](t, b))
	}
	s.log.SetNoSpace(false)
	c := s.start(ns.GetByName("x"), "Add", 1)
	s.settle()
	if n := decode[int](t, c); n != 2 {
		t.Errorf("after there was room again: %d", n)
	}
}
