package vm

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// busy runs source in a turn and returns its error. started is closed by the
// host function begun, which source calls first.
var (
	hostBegun = RegisterHost("begun", 0, func(r *Runtime, this Value, args Args) (Value, error) {
		close(r.Host.(chan struct{}))
		return Undefined, nil
	})
	hostNoop = RegisterHost("noop", 0, func(r *Runtime, this Value, args Args) (Value, error) {
		return Undefined, nil
	})
)

func busy(t *testing.T, r *Runtime, name, source string) (started chan struct{}, result chan error) {
	t.Helper()
	g := r.Global()
	if err := r.SetFunction(g, hostBegun); err != nil {
		t.Fatal(err)
	}
	r.Free(g)
	started, result = make(chan struct{}), make(chan error, 1)
	r.Host = started
	go func() {
		var label Label = Text(name)
		r.Begin(&label)
		_, err := r.Eval("busy.js", "begun();"+source)
		if err == nil {
			_, err = r.Pump()
		}
		r.End()
		result <- err
	}()
	return started, result
}

func TestInterrupt(t *testing.T) {
	for _, source := range []string{
		"for (;;) ;",
		"for (;;) try { throw 1 } catch {} finally { continue }",
		"for (;;) try { for (;;) ; } catch {}",
		"/^(a+)+$/.test('a'.repeat(100) + 'b')",
		"const f = async () => { for (;;) await 1 }; f()",
		"const f = () => Promise.resolve().then(f); f()",
		"const a = Array(1e6).fill(0).map(Math.random); for (;;) a.sort((x, y) => x - y)",
		"for (;;) JSON.stringify({toJSON() { for (;;) ; }})",
		"new Proxy({}, {get() { for (;;) ; }}).x",
		"function* g() { for (;;) yield 1 } for (const x of g()) ;",
	} {
		r := newTest(t)
		started, result := busy(t, r, "Room:a", source)
		<-started
		if label, ok := r.Label(); !ok || label != "Room:a" {
			t.Errorf("%s: label %q, %v", source, label, ok)
		}
		r.Interrupt()
		again := time.AfterFunc(20*time.Millisecond, r.Interrupt) // a poke may be lost
		if err := <-result; !errors.Is(err, ErrInterrupted) {
			t.Errorf("%s: got %v", source, err)
		}
		again.Stop()
		if !r.Interrupted() {
			t.Errorf("%s: Interrupted() is false", source)
		}
		if _, ok := r.Label(); ok {
			t.Errorf("%s: a label after the turn", source)
		}
		var label Label = Text("next")
		r.Begin(&label)
		if got := eval(t, r, "1 + 1"); got != "2" {
			t.Errorf("%s: afterwards 1 + 1 = %s", source, got)
		}
		r.End()
	}
}

// An interrupt between turns must not reach the next one.
func TestInterruptBetweenTurns(t *testing.T) {
	r := newTest(t)
	var label Label = Text("x")
	r.Begin(&label)
	r.End()
	r.Interrupt()
	r.Begin(&label)
	if got := eval(t, r, "let n = 0; for (let i = 0; i < 100000; i++) n++; n"); got != "100000" {
		t.Error(got)
	}
	r.End()
}

// Other objects' jobs survive an interrupt.
func TestJobsSurvive(t *testing.T) {
	r := newTest(t)
	eval(t, r, "globalThis.done = 0; const p = Promise.resolve(); p.then(() => { done |= 1 }); p.then(() => { for (;;) ; }); p.then(() => { done |= 4 }); 0")
	var label Label = Text("x")
	r.SetLimit(time.Hour)
	stop := time.AfterFunc(5*time.Millisecond, r.Interrupt)
	defer stop.Stop()
	r.Begin(&label)
	_, err := r.Pump()
	r.End()
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	r.Begin(&label)
	if _, err := r.Pump(); err != nil {
		t.Fatal(err)
	}
	r.End()
	if got := eval(t, r, "done"); got != "5" {
		t.Errorf("done = %s, want 5", got)
	}
}

// The watchdog judges by its own steps: no clock is involved here.
func TestWatchdog(t *testing.T) {
	r := newTest(t)
	r.SetLimit(100 * time.Millisecond)
	var over, stuck []Running
	w := Watchdog{
		StuckAfter: time.Second,
		Over:       func(x Running) { over = append(over, x) },
		Stuck:      func(x Running) { stuck = append(stuck, x) },
	}
	var label Label = Text("Room:a")
	for range 50 { // many turns, each short
		r.Begin(&label)
		w.Tick(90 * time.Millisecond)
		w.Tick(90 * time.Millisecond)
		r.End()
		w.Tick(90 * time.Millisecond)
	}
	if len(over) != 0 {
		t.Fatalf("interrupted short turns: %+v", over)
	}
	r.Begin(&label)
	w.Tick(time.Hour) // sees it for the first time
	w.Tick(60 * time.Millisecond)
	if len(over) != 0 {
		t.Fatal("interrupted before its limit")
	}
	w.Tick(60 * time.Millisecond)
	if len(over) != 1 || over[0].Label != label.Label() || over[0].For != 120*time.Millisecond || over[0].Runtime != r {
		t.Fatalf("over: %+v", over)
	}
	for range 20 {
		w.Tick(60 * time.Millisecond)
	}
	if len(over) != 1 || len(stuck) != 1 || stuck[0].Label != label.Label() {
		t.Fatalf("over %d, stuck %+v", len(over), stuck)
	}
	if _, err := r.Eval("x.js", "for (;;) ;"); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	r.End()
}

// A watchdog has no ticks while no turn runs, and judges the first turn after its rest like any other.
func TestWatchdogRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup()
		r, err := New(Options{Group: g})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		r.SetLimit(100 * time.Millisecond)
		over := make(chan Running, 1)
		w := &Watchdog{Group: g, Over: func(x Running) { over <- x }}
		done, ended := make(chan struct{}), make(chan struct{})
		go func() { w.Run(done); close(ended) }()
		var label Label = Text("Room:a")
		for range 3 {
			time.Sleep(time.Hour) // of the bubble
			if !g.resting.Load() {
				t.Fatal("it does not rest")
			}
			before := w.ticks.Load()
			time.Sleep(time.Hour) // of the bubble
			if n := w.ticks.Load() - before; n != 0 {
				t.Fatalf("%d ticks in an hour without a turn", n)
			}
			r.Begin(&label)
			began := time.Now()
			x := <-over // a deadlock, and said to be one, if it were not roused
			if took := time.Since(began); took < 100*time.Millisecond || took > 130*time.Millisecond || x.Runtime != r {
				t.Errorf("interrupted after %v: %+v", took, x)
			}
			r.End()
			// Turns a little apart are one time of work.
			for range 20 {
				r.Begin(&label)
				r.End()
				time.Sleep(500 * time.Millisecond) // of the bubble
				if g.resting.Load() {
					t.Fatal("it rests between two turns")
				}
			}
		}
		time.Sleep(time.Hour) // of the bubble
		close(done)
		<-ended
	})
}

// A turn that began as the watchdog was about to rest keeps it awake.
func TestWatchdogSeesTurnBeforeRest(t *testing.T) {
	g := NewGroup()
	r, err := New(Options{Group: g})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var label Label = Text("x")
	r.Begin(&label)
	w := &Watchdog{Group: g}
	done := make(chan struct{})
	close(done) // it would rest, and end
	if !w.rest(done) || g.resting.Load() {
		t.Error("it rests during a turn")
	}
	r.End()
	if w.rest(done) {
		t.Error("it does not rest between turns")
	}
}

func BenchmarkTurn(b *testing.B) {
	r, err := New(Options{Group: NewGroup()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var label Label = Text("x")
	b.ReportAllocs()
	for b.Loop() {
		r.Begin(&label)
		r.End()
	}
}
