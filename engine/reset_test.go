package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"everloop/engine"
)

// A constructor that waits for its own object would wait for ever: nothing enters before it has ended.
func TestConstructorThatWaitsForItself(t *testing.T) {
	s := step(t, 1, 1)
	tries := 0
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*counter, error) {
		if tries++; tries == 1 {
			if err := st.Namespace("C").Get(st.ID()).Call(context.Background(), "Value", nil); err == nil {
				t.Error("an event entered a constructor")
			}
		}
		return &counter{st}, nil
	}))
	a := s.start(ns.GetByName("x"), "Value")
	s.pool.Advance(29 * time.Second)
	if a.done {
		t.Fatalf("answered too early: %v", a.got.Err)
	}
	s.pool.Advance(time.Second)
	var e *engine.Error
	if !a.done || !errors.As(a.got.Err, &e) || !e.Reset || e.Method != "constructor" {
		t.Fatalf("after BlockTimeout: done %v, %v", a.done, a.got.Err)
	}
	b := s.start(ns.GetByName("x"), "Add", 1)
	s.settle()
	if n := decode[int](t, b); n != 1 || tries != 2 {
		t.Errorf("after %d constructions: %d", tries, n)
	}
	s.pool.Advance(time.Minute)
	if n := s.Metrics().Resets; n > 1 {
		t.Errorf("%d resets", n)
	}
}

// What the turn of an abort has written is taken back, so what it has sent must not be: it could reveal it.
func TestAbortTakesBackWhatTheTurnSent(t *testing.T) {
	for _, loops := range []int{1, 2} {
		s := step(t, loops, 1)
		worked := make(chan struct{}, 1)
		var heard []string
		ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
			name, _ := st.ID().Name()
			return &caller{call: func(context.Context) error {
				if heard = append(heard, name); len(heard) > 1 {
					return nil
				}
				if err := st.Storage().Put("n", 1); err != nil {
					return err
				}
				for _, other := range []string{"a", "b", "c"} {
					st.Namespace("C").GetByName(other).StartCall("Run", encode(t, []any{}), engine.ReplyFunc(func(engine.Reply) {
						t.Error("a dead instance is called back")
					}))
				}
				st.Start(func() { worked <- struct{}{} }, func(error) { t.Error("a dead instance is called back") })
				st.Abort(errors.New("aborted on purpose"))
				return nil
			}}, nil
		}))
		a := s.start(ns.GetByName("x"), "Run")
		s.settle()
		if !a.done || a.got.Err == nil {
			t.Errorf("%d loops: the abort was answered with %v", loops, a.got.Err)
		}
		if len(heard) != 1 {
			t.Errorf("%d loops: %q heard of a write that was taken back", loops, heard[1:])
		}
		select {
		case <-worked:
			t.Errorf("%d loops: work off the loop has begun that knows of a write that was taken back", loops)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// The error of a transaction's function comes back as it is: what it says of itself reaches the caller of the
// object.
func TestErrorOfTransactionIsKept(t *testing.T) {
	s := step(t, 1, 1)
	cause := &engine.Error{Class: "Other", Object: "o", Method: "m", Message: "too much to do", Overloaded: true}
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		return &caller{call: func(ctx context.Context) error {
			err := st.Storage().Transaction(ctx, func() error { return cause })
			if err != error(cause) {
				t.Errorf("Transaction returned %#v", err)
			}
			return err
		}}, nil
	}))
	a := s.start(ns.GetByName("x"), "Run")
	s.settle()
	if a.got.Err != error(cause) {
		t.Errorf("the caller was told %#v", a.got.Err)
	}
}

// A function that an object is called back by and that panics costs its turn only: what waits behind it runs, and
// the object is evicted in the end.
func TestPanicInCallback(t *testing.T) {
	s := step(t, 1, 1)
	answers := 0
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		name, _ := st.ID().Name()
		return &caller{call: func(context.Context) error {
			if name != "x" {
				return nil
			}
			other := st.Namespace("C").GetByName("other")
			for range 3 {
				other.StartCall("Run", encode(t, []any{}), engine.ReplyFunc(func(engine.Reply) {
					answers++
					panic("on purpose")
				}))
			}
			return nil
		}}, nil
	}))
	s.start(ns.GetByName("x"), "Run")
	s.settle()
	if answers != 3 {
		t.Errorf("%d of 3 answers have come", answers)
	}
	s.pool.Advance(11 * time.Second)
	if n := s.Metrics().Live; n != 0 {
		t.Errorf("%d objects are live", n)
	}
}

// A log that fails while a turn runs refuses what the turn wrote. The object keeps it in memory, so nobody may ever
// be told of it: neither by the instance that wrote it nor by those that come after it.
func TestLogThatFailsInsideATurn(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*failing, error) {
		return &failing{counter{st}, func() {
			s.log.FailWrite(errors.New("the disk is broken"))
			s.log.Commit()
		}}, nil
	}))
	s.start(ns.GetByName("other"), "Add", 1)
	s.pool.Run()
	a := s.start(ns.GetByName("x"), "AddAndFail")
	s.pool.Run()
	if !a.done || !errors.Is(a.got.Err, engine.ErrUnavailable) {
		t.Errorf("the write: done %v, %v", a.done, a.got.Err)
	}
	for range 2 {
		b := s.start(ns.GetByName("x"), "Value")
		s.pool.Run()
		if !b.done || !errors.Is(b.got.Err, engine.ErrUnavailable) {
			t.Errorf("a read of it: done %v, %v", b.done, b.got.Err)
		}
		s.pool.Advance(11 * time.Second) // the next instance
	}
}

type failing struct {
	counter
	fail func()
}

func (f *failing) AddAndFail() (int, error) {
	n, err := f.Add(1)
	f.fail()
	return n, err
}

// An object that passes on how another was reset has not been reset itself: stubs of it go on.
func TestResetOfAnotherObjectBreaksNoStub(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "C", engine.ClassOf(func(st *engine.State) (*caller, error) {
		name, _ := st.ID().Name()
		calls := 0
		return &caller{call: func(ctx context.Context) error {
			calls++
			switch {
			case name == "far":
				st.Abort(errors.New("aborted on purpose"))
			case calls == 1:
				return st.Namespace("C").GetByName("far").Call(ctx, "Run", nil)
			}
			return nil
		}}, nil
	}))
	stub := ns.GetByName("near")
	first, second := s.start(stub, "Run"), s.start(stub, "Run")
	s.settle()
	var e *engine.Error
	if !errors.As(first.got.Err, &e) || !e.Reset || e.Object != ns.IDFromName("far").String() {
		t.Errorf("the call that met the reset: %v", first.got.Err)
	}
	third := s.start(stub, "Run")
	s.settle()
	if second.got.Err != nil || !third.done || third.got.Err != nil {
		t.Errorf("calls after it: %v, %v", second.got.Err, third.got.Err)
	}
	far := ns.GetByName("far")
	s.start(far, "Run")
	s.settle()
	if again := s.start(far, "Run"); !errors.As(again.got.Err, &e) || !e.Reset {
		t.Errorf("a stub that saw its object being reset works again: %v", again.got.Err)
	}
}

// answerer answers and aborts in one turn, as code that ends by callback can.
type answerer struct{ st *engine.State }

func (a *answerer) New(st *engine.State, ready func(engine.Object, error)) {
	ready(&answerer{st}, nil)
}
func (a *answerer) Evict() {}
func (a *answerer) Deliver(ev *engine.Event) {
	if err := a.st.Storage().Put("n", 1); err != nil {
		ev.Fail(err)
		return
	}
	ev.Return([]byte{0x01})
	a.st.Abort(errors.New("aborted on purpose"))
}

// An answer of the turn that is taken back is taken back with it.
func TestAnswerBeforeAbortIsTakenBack(t *testing.T) {
	s := step(t, 1, 1)
	ns := register(t, s.Engine, "A", new(answerer))
	a := s.start(ns.GetByName("x"), "Run")
	s.settle()
	if !a.done || a.got.Err == nil || a.got.Value != nil {
		t.Errorf("answered %v, %x, %v", a.done, a.got.Value, a.got.Err)
	}
}
