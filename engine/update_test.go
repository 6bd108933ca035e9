package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/value"
)

// update puts a class in the place of another, with the loops stepped meanwhile.
func (s *stepped) update(name string, c engine.Class, grace time.Duration) {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Update(name, c, grace) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				s.t.Fatal(err)
			}
			s.settle()
			return
		default:
			s.pool.Run()
			runtime.Gosched()
		}
	}
}

// versioned makes objects that say which code they are of.
type versioned struct {
	version int
	events  *[]string

	// What Release ends, in a turn of whoever is asked to.
	event *engine.Event
	body  *engine.BodyWriter
}

func versionedClass(version int, events *[]string) engine.Class {
	return &versioned{version: version, events: events}
}

// Start, Room and Cancel make it a source of bodies that Release ends.
func (v *versioned) Start(w *engine.BodyWriter) { v.body = w }
func (v *versioned) Room()                      {}
func (v *versioned) Cancel()                    {}

func (v *versioned) note(what string) {
	*v.events = append(*v.events, fmt.Sprintf("%s by %d", what, v.version))
}

func (v *versioned) New(st *engine.State, ready func(engine.Object, error)) {
	v.note("made")
	ready(&versionedObject{v, st}, nil)
}

type versionedObject struct {
	*versioned
	st *engine.State
}

// Deliver answers Count at once, Wait after so many milliseconds, Block as Wait in a critical section, and Tick at once, with a
// timer that goes on for ever; Abort resets the object.
func (o *versionedObject) Deliver(ev *engine.Event) {
	answer := func(text string) {
		b, err := value.Marshal(fmt.Sprintf("%s by %d", text, o.version))
		if err != nil {
			panic(err)
		}
		ev.Return(b)
	}
	if ev.Kind == engine.EventFetch {
		ev.Respond(&engine.Response{Body: o.st.StreamFrom(o.versioned)})
		return
	}
	var args []int
	if err := value.Unmarshal(ev.Args, &args); err != nil {
		panic(err)
	}
	switch ev.Method {
	case "Count":
		n, err := (&counter{o.st}).Add(1)
		if err != nil {
			ev.Fail(err)
			return
		}
		answer(fmt.Sprint(n))
	case "Block":
		if err := o.st.Block(func(end func(error)) {
			o.st.After(time.Duration(args[0])*time.Millisecond, func() { end(nil) })
		}); err != nil {
			panic(err)
		}
		answer("blocking")
	case "Tick":
		var tick func()
		tick = func() { o.note("tick"); o.st.After(10*time.Millisecond, tick) }
		o.st.After(10*time.Millisecond, tick)
		answer("ticking")
	case "Hold":
		o.event = ev
	case "Release":
		o.st.After(time.Duration(args[0])*time.Millisecond, func() {
			if o.event != nil {
				o.event.Return([]byte{0x80})
			}
			if o.body != nil {
				o.body.Close(nil)
			}
			answer("released")
		})
	case "Abort":
		o.st.After(time.Duration(args[0])*time.Millisecond, func() { o.st.Abort(errors.New("aborted")) })
	case "Wait":
		o.st.After(time.Duration(args[0])*time.Millisecond, func() { answer("waited") })
	}
}

func (o *versionedObject) Evict() { o.note("dropped") }

func TestUpdateOfIdleObject(t *testing.T) {
	s := step(t, 2, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	stub := ns.GetByName("x")
	s.settleCall(stub, "1 by 1")
	s.update("C", versionedClass(2, &events), time.Second)
	if n := s.Metrics(); n.Live != 0 || n.Resets != 0 {
		t.Errorf("an idle instance was not dropped quietly: %d live, %d resets", n.Live, n.Resets)
	}
	s.settleCall(stub, "2 by 2")
	if want := []string{"made by 1", "dropped by 1", "made by 2"}; !slices.Equal(events, want) {
		t.Errorf("%q, want %q", events, want)
	}
}

func (s *stepped) settleCall(stub *engine.Stub, want string) {
	s.t.Helper()
	a := s.start(stub, "Count")
	s.settle()
	if got := decode[string](s.t, a); got != want {
		s.t.Errorf("answered %q, want %q", got, want)
	}
}

// What an object has begun is finished by the old code; what comes meanwhile waits for the new one, in order.
func TestUpdateFinishesWhatIsUnderWay(t *testing.T) {
	for _, loops := range []int{1, 3} {
		s := step(t, loops, 1)
		var events []string
		ns := register(t, s.Engine, "C", versionedClass(1, &events))
		old := s.start(ns.GetByName("x"), "Wait", 100)
		s.settle()
		s.update("C", versionedClass(2, &events), time.Second)
		stub := ns.GetByName("x")
		first, second := s.start(stub, "Count"), s.start(stub, "Count")
		s.settle()
		if first.done {
			t.Fatalf("a second instance ran beside the first: %v", events)
		}
		s.pool.Advance(100 * time.Millisecond)
		s.settle()
		if got := decode[string](t, old); got != "waited by 1" {
			t.Errorf("%d loops: %q", loops, got)
		}
		if a, b := decode[string](t, first), decode[string](t, second); a != "1 by 2" || b != "2 by 2" {
			t.Errorf("%d loops: %q, %q", loops, a, b)
		}
		if n := s.Metrics().Resets; n != 0 {
			t.Errorf("%d loops: %d resets", loops, n)
		}
	}
}

// What takes longer than the grace fails, and says why.
func TestUpdateEndsWhatTakesTooLong(t *testing.T) {
	s := step(t, 1, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	stub := ns.GetByName("x")
	old := s.start(stub, "Wait", 60_000)
	s.settle()
	s.update("C", versionedClass(2, &events), time.Second)
	later := s.start(ns.GetByName("x"), "Count")
	s.pool.Advance(999 * time.Millisecond)
	s.settle()
	if old.done || later.done {
		t.Fatal("the grace was not given")
	}
	s.pool.Advance(time.Millisecond)
	s.settle()
	var e *engine.Error
	if !errors.As(old.got.Err, &e) || !e.Reset || !e.Retryable || !errors.Is(e, engine.ErrUpdated) || e.Class != "C" || e.Message != "Durable Object reset because its code was updated." {
		t.Errorf("it failed with %#v", old.got.Err)
	}
	if got := decode[string](t, later); got != "1 by 2" {
		t.Errorf("what waited: %q", got)
	}
	if !slices.Contains(events, "dropped by 1") {
		t.Errorf("the old code was not told: %q", events)
	}
	// The stub that saw it stays broken, as after any reset; a new one works.
	if again := s.start(stub, "Count"); !func() bool { s.settle(); return again.done && errors.Is(again.got.Err, engine.ErrUpdated) }() {
		t.Errorf("the same stub: %v", again.got.Err)
	}
	s.settleCall(ns.GetByName("x"), "2 by 2")
}

// A critical section is something that was begun, too; a timer is not, and ends with its instance.
func TestUpdateAndWhatIsPending(t *testing.T) {
	s := step(t, 1, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	for _, name := range []string{"blocking", "ticking"} {
		method := map[string]string{"blocking": "Block", "ticking": "Tick"}[name]
		a := s.start(ns.GetByName(name), method, 100)
		s.settle()
		if got := decode[string](t, a); got != name+" by 1" {
			t.Fatal(got)
		}
	}
	s.update("C", versionedClass(2, &events), time.Second)
	blocked, ticking := s.start(ns.GetByName("blocking"), "Count"), s.start(ns.GetByName("ticking"), "Count")
	s.settle()
	if blocked.done || decode[string](t, ticking) != "1 by 2" {
		t.Errorf("in a section: answered %v; with a timer: %v", blocked.done, ticking.got)
	}
	s.pool.Advance(100 * time.Millisecond)
	s.settle()
	if got := decode[string](t, blocked); got != "1 by 2" {
		t.Errorf("after the section: %q", got)
	}
	if slices.Contains(events, "tick by 1") {
		t.Errorf("a timer of the old instance went on: %q", events)
	}
	if !s.pool.Idle() {
		t.Error("the pool is not at rest")
	}
}

// Where several objects share a runtime, one's turn can end what another has begun.
func TestUpdateAndTurnsOfOthers(t *testing.T) {
	for _, method := range []string{"Hold", "body"} {
		s := step(t, 1, 1)
		var events []string
		ns := register(t, s.Engine, "S", versionedClass(1, &events))
		s.settleCall(ns.GetByName("other"), "1 by 1")
		if method == "body" {
			s.fetchStream("x", "GET")
		} else {
			s.start(ns.GetByName("x"), method)
		}
		s.settle()
		release := s.start(ns.GetByName("other"), "Release", 100)
		s.settle()
		s.update("S", versionedClass(2, &events), time.Hour)
		next := s.start(ns.GetByName("x"), "Count")
		s.settle()
		if next.done {
			t.Fatalf("%s: what is under way was not waited for", method)
		}
		s.pool.Advance(100 * time.Millisecond)
		s.settle()
		if got := decode[string](t, release); got != "released by 1" {
			t.Fatalf("%s: %s", method, got)
		}
		if got := decode[string](t, next); got != "1 by 2" {
			t.Errorf("%s: %s", method, got)
		}
	}
}

// A body that is being sent is sent to its end by the instance that began it, as long as it has the time; then the next one
// takes over.
func TestUpdateAndBodies(t *testing.T) {
	for _, slow := range []bool{false, true} {
		s := step(t, 1, 1)
		ns := register(t, s.Engine, "S", engine.ClassOf(newSpeaker))
		k, stream := s.fetchStream("one", "GET")
		s.settle()
		s.update("S", engine.ClassOf(newSpeaker), time.Second)
		next := s.start(ns.GetByName("one"), "State")
		s.settle()
		if next.done || k.ended {
			t.Fatalf("the body was not waited for: %v, %v", next.got, k.err)
		}
		if slow {
			s.pool.Advance(time.Second)
			s.settle()
			if !k.ended || !errors.Is(k.err, engine.ErrStreamLost) {
				t.Errorf("a body that takes too long ended with %v", k.err)
			}
		} else {
			for acked := 0; !k.ended; s.settle() {
				stream.Ack(len(k.data) - acked)
				acked = len(k.data)
			}
			if k.err != nil || len(k.data) != pieces*16<<10 {
				t.Errorf("%d bytes, %v", len(k.data), k.err)
			}
		}
		if st := decode[[]int](t, next); st[0] != 0 || st[1] != 0 {
			t.Errorf("slow %v: answered by the old instance: %v", slow, st)
		}
	}
}

// An object that is reset while it finishes gives way to its successor.
func TestAbortDuringUpdate(t *testing.T) {
	s := step(t, 1, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	old := s.start(ns.GetByName("x"), "Abort", 50)
	s.settle()
	s.update("C", versionedClass(2, &events), time.Minute)
	next := s.start(ns.GetByName("x"), "Count")
	s.pool.Advance(50 * time.Millisecond)
	s.settle()
	if old.got.Err == nil || old.got.Err.Error() != "aborted" {
		t.Errorf("what was under way: %v", old.got.Err)
	}
	if got := decode[string](t, next); got != "1 by 2" {
		t.Errorf("what waited: %q", got)
	}
	s.pool.Advance(2 * time.Minute) // the deadline of the update finds nobody
	s.settle()
	s.settleCall(ns.GetByName("x"), "2 by 2")
}

// Code can change again before the first change has come through.
func TestUpdateTwice(t *testing.T) {
	s := step(t, 1, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	old := s.start(ns.GetByName("x"), "Wait", 100)
	s.settle()
	s.update("C", versionedClass(2, &events), time.Second)
	a := s.start(ns.GetByName("x"), "Count")
	s.update("C", versionedClass(3, &events), time.Second)
	s.pool.Advance(100 * time.Millisecond)
	s.settle()
	if got := decode[string](t, old); got != "waited by 1" {
		t.Errorf("%q", got)
	}
	if got := decode[string](t, a); got != "1 by 3" {
		t.Errorf("%q; %q", got, events)
	}
}

// The queue in front of a retiring object is bounded as any other.
func TestUpdateBoundsWhatWaits(t *testing.T) {
	s := step(t, 1, 1)
	var events []string
	ns := register(t, s.Engine, "C", versionedClass(1, &events))
	s.start(ns.GetByName("x"), "Wait", 100)
	s.settle()
	s.update("C", versionedClass(2, &events), time.Second)
	var all []*answer
	for range s.maxEvents() + 1 {
		all = append(all, s.start(ns.GetByName("x"), "Count"))
	}
	s.settle()
	refused := 0
	for _, a := range all {
		var e *engine.Error
		if a.done && errors.As(a.got.Err, &e) && e.Overloaded {
			refused++
		}
	}
	if refused != 2 { // one place is that of the event under way
		t.Errorf("%d events were refused, want 2", refused)
	}
}

func (s *stepped) maxEvents() int {
	var o engine.Options
	o.EnsureDefaults()
	return o.MaxEvents
}

// An engine that closes in between leaves nobody without an answer.
func TestCloseDuringUpdate(t *testing.T) {
	e := open(t, engine.Options{})
	var events []string
	ns := register(t, e, "C", versionedClass(1, &events))
	begun := make(chan engine.Reply, 1)
	ns.GetByName("x").StartCall("Wait", encode(t, []any{60_000}), engine.ReplyFunc(func(r engine.Reply) { begun <- r }))
	if err := e.Update("C", versionedClass(2, new([]string)), time.Hour); err != nil {
		t.Fatal(err)
	}
	waits := make(chan engine.Reply, 1)
	ns.GetByName("x").StartCall("Count", encode(t, []any{}), engine.ReplyFunc(func(r engine.Reply) { waits <- r }))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []chan engine.Reply{begun, waits} {
		if r := <-c; r.Err == nil {
			t.Errorf("answered %v", r)
		}
	}
}

func TestUpdateRefuses(t *testing.T) {
	e := open(t, engine.Options{})
	if err := e.Update("C", versionedClass(1, nil), 0); !errors.Is(err, engine.ErrUnknownClass) {
		t.Error(err)
	}
	register(t, e, "C", versionedClass(1, new([]string)))
	if err := e.Update("C", nil, 0); err == nil {
		t.Error("no class at all was taken")
	}
	closeEngine(t, e)
	if err := e.Update("C", versionedClass(1, nil), 0); !errors.Is(err, engine.ErrClosed) {
		t.Error(err)
	}
}
