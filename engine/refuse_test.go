package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

// refusing is a log that is well and does not take some records.
type refusing struct {
	*waltest.MemLog
	refuse error
}

func (l *refusing) Append(buffer int, record []byte) (wal.LSN, error) {
	if l.refuse != nil {
		return 0, l.refuse
	}
	return l.MemLog.Append(buffer, record)
}

// onRefusing is an engine on such a log, with that many loops.
func onRefusing(t *testing.T, loops int) (s *stepped, log *refusing) {
	t.Helper()
	s = &stepped{t: t, pool: looptest.New(loops, 1)}
	e, err := engine.Open(engine.Options{
		Pool: s.pool,
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			s.log = waltest.NewMemLog(waltest.MemOptions{Buffers: n, OnDurable: durable})
			log = &refusing{MemLog: s.log}
			return log, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Engine = e
	return s, log
}

// A record that the log does not take, although it is well, leaves nothing of its turn: the answer is an error, the
// object has what it had before, and goes on.
func TestRecordThatTheLogDoesNotTake(t *testing.T) {
	for _, refusal := range []struct{ log, want error }{{wal.ErrTooLarge, engine.ErrTurnTooLarge}, {wal.ErrBacklog, engine.ErrBacklog}} {
		s, log := onRefusing(t, 2)
		e := s.Engine
		ns := register(t, e, "C", engine.ClassOf(newCounter))
		callers := register(t, e, "Caller", engine.ClassOf(func(st *engine.State) (*caller, error) {
			return &caller{call: func(ctx context.Context) error {
				return st.Namespace("C").GetByName("x").Call(ctx, "add", nil, 1)
			}}, nil
		}))
		a := s.start(ns.GetByName("x"), "add", 1)
		s.settle()
		if n := decode[int](t, a); n != 1 {
			t.Fatalf("before: %d", n)
		}

		log.refuse = refusal.log
		b, c := s.start(ns.GetByName("x"), "add", 1), s.start(callers.GetByName("y"), "run")
		s.pool.Run()
		log.refuse = nil
		s.settle()
		for _, got := range []*answer{b, c} {
			if !got.done || !errors.Is(got.got.Err, refusal.want) {
				t.Errorf("%v: done %v, %v, want %v", refusal.log, got.done, got.got.Err, refusal.want)
			}
		}

		d := s.start(ns.GetByName("x"), "add", 1)
		s.settle()
		if n := decode[int](t, d); n != 2 {
			t.Errorf("%v: afterwards %d", refusal.log, n)
		}
	}
}

// What an object is called is in the first record since it was called so. If that was not taken, it must be in the next.
func TestNameOfAnObjectWhoseRecordWasNotTaken(t *testing.T) {
	log := &refusing{}
	s := &stepped{t: t, pool: looptest.New(1, 1)}
	openOn := func(open func(waltest.MemOptions) *waltest.MemLog) *engine.Namespace {
		e, err := engine.Open(engine.Options{
			Pool: s.pool,
			OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
				s.log = open(waltest.MemOptions{Buffers: n, OnDurable: durable})
				log.MemLog = s.log
				return log, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Engine = e
		return register(t, e, "C", engine.ClassOf(func(st *engine.State) (*named, error) { return &named{counter{st}}, nil }))
	}
	ns := openOn(waltest.NewMemLog)
	id := ns.IDFromName("x")
	nameless, err := ns.IDFromString(id.String())
	if err != nil {
		t.Fatal(err)
	}
	s.start(ns.Get(nameless), "add", 1) // its record is there, without a name
	s.settle()
	s.pool.Advance(11 * time.Second) // the next instance has one
	log.refuse = wal.ErrBacklog
	s.start(ns.GetByName("x"), "add", 1)
	s.pool.Run()
	log.refuse = nil
	s.start(ns.GetByName("x"), "add", 1)
	s.settle()

	crashed := s.log
	s.pool = looptest.New(1, 1)
	ns = openOn(func(o waltest.MemOptions) *waltest.MemLog { return crashed.Crash(false, o) })
	if nameless, err = ns.IDFromString(id.String()); err != nil {
		t.Fatal(err)
	}
	a := s.start(ns.Get(nameless), "name")
	s.settle()
	if got := decode[string](t, a); got != "x" {
		t.Errorf("after a restart the object is called %q", got)
	}
}

type named struct{ counter }

func (n *named) Name() string {
	name, _ := n.st.ID().Name()
	return name
}

// A turn cannot write more than fits into a record, and is told so when it tries.
func TestTurnThatWritesTooMuch(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills a quarter of a gigabyte")
	}
	s := step(t, 1, 1)
	value := make([]byte, engine.MaxEntryBytes-100)
	written := 0
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(context.Context) (err error) {
			key := []byte{'a'}
			for ; err == nil; written++ {
				key[0] = 'a' + byte(written%4) // as large in the record, and small in memory
				err = st.Storage().PutRaw(string(key), value, engine.WriteOptions{})
			}
			return err
		}}, nil
	}))
	a := s.start(ns.GetByName("x"), "run")
	s.settle()
	if !a.done || !errors.Is(a.got.Err, engine.ErrTurnTooLarge) || written < 120 || written > 128 {
		t.Errorf("after %d values: done %v, %v", written, a.done, a.got.Err)
	}
}
