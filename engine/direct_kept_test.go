package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
)

// What objects of a Direct class have goes through a snapshot, a start on other loops, a view of a log that is being written, and migrations.
func TestDirectIsKept(t *testing.T) {
	dir := t.TempDir()
	const objects = 30
	names := func(i int) string { return fmt.Sprint("object ", i) }
	raw := func(ns *engine.Namespace, i int, method, want string) {
		t.Helper()
		if got, err := ns.GetByName(names(i)).CallRaw(t.Context(), method, nil); err != nil || string(got) != want {
			t.Fatalf("%s of %s gives %q, %v; want %q", method, names(i), got, err, want)
		}
	}
	first := open(t, engine.Options{Dir: dir, Loops: 2})
	register(t, first, "Gone", engine.DirectOf(slip)).GetByName("x").StartCall("put:k=1", nil, new(answer))
	ns := register(t, first, "Slip", engine.DirectOf(slip))
	for i := range objects {
		raw(ns, i, fmt.Sprintf("put:k=%d alarm:10000000", i), "")
	}
	if _, err := first.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw(ns, objects-1, "clear", "")
	for i := range objects / 2 { // these are in the snapshot and in the log behind it
		raw(ns, i, fmt.Sprintf("put:l=%d", i), "")
	}

	look := func(class string) {
		t.Helper()
		v, err := engine.OpenView(dir, engine.ViewOptions{})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		if err := v.Objects(func(o *engine.ViewObject) error {
			if o.Class.Name == class {
				seen[o.Name] = o.Named && o.Alarm != nil
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i := range objects - 1 {
			if !seen[names(i)] {
				t.Errorf("the view does not have %s with its alarm", names(i))
			}
		}
		if len(seen) != objects-1 {
			t.Errorf("the view has %d objects: %v", len(seen), seen)
		}
	}
	look("Slip")
	closeEngine(t, first)

	for loops := 3; loops >= 1; loops -= 2 {
		e := open(t, engine.Options{Dir: dir, Loops: loops})
		if loops == 3 {
			m := engine.Migration{Tag: "v1", Rename: []engine.RenameClass{{From: "Slip", To: "Paper"}}, Delete: []string{"Gone"}}
			if err := e.Migrate(m); err != nil {
				t.Fatal(err)
			}
		}
		ns, err := e.Register("Paper", engine.DirectOf(slip), engine.UniqueKey("Slip"))
		if err != nil {
			t.Fatal(err)
		}
		register(t, e, "Gone", engine.DirectOf(slip))
		for i := range objects - 1 {
			raw(ns, i, "get:k append:! name", fmt.Sprint(i, "!Paper ", names(i), " true"))
		}
		raw(e.Namespace("Gone"), 0, "get:k", "")
		list, err := e.Objects(t.Context(), "Paper", engine.ObjectsQuery{Count: 2 * objects})
		if err != nil || len(list.IDs) != objects-1 {
			t.Errorf("%d objects are listed, %v", len(list.IDs), err)
		}
		closeEngine(t, e)
		look("Paper")
	}
}

// An alarm that was given up is told of as those of other objects are, and can be run by hand.
func TestDirectAlarmByHand(t *testing.T) {
	x := newSlips(t, 1)
	y := newBelfry(x.stepped)
	x.want("a", "put:fail=yes alarm:50", "")
	y.pass(20 * time.Minute)
	var failed []engine.FailedAlarm
	if err := y.await(goes(func() error {
		return x.FailedAlarms(context.Background(), func(f engine.FailedAlarm) bool { failed = append(failed, f); return true })
	})); err != nil || len(failed) != 1 || !strings.Contains(fmt.Sprint(failed[0]), "run 6 fails") {
		t.Fatalf("given up: %+v, %v", failed, err)
	}
	if err := y.await(goes(func() error { return x.RunAlarm(context.Background(), "Slip", x.ns.IDFromName("a")) })); err == nil {
		t.Error("a run by hand that fails is not told of")
	}
	x.want("a", "delete:fail", "")
	if err := y.await(goes(func() error { return x.RunAlarm(context.Background(), "Slip", x.ns.IDFromName("a")) })); err != nil {
		t.Error(err)
	}
	x.want("a", "get:rings", "1;") // the run by hand before has counted
}

func goes(fn func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// A call that would write more than one record holds is refused, and leaves nothing.
func TestDirectTurnTooLarge(t *testing.T) {
	x := newSlips(t, 1)
	x.want("a", "put:k=1", "")
	var word strings.Builder
	value := strings.Repeat("v", engine.MaxEntryBytes-10)
	for i := range engine.MaxTurnBytes/engine.MaxEntryBytes + 2 {
		fmt.Fprint(&word, " put:k", i, "=", value)
	}
	x.want("a", word.String(), "error: "+engine.ErrTurnTooLarge.Error())
	x.want("a", "all", "k=31")
}

// Calls of Pipes that are under way when the engine closes are answered all the same: each once, with what it has done or with an error.
func TestPipeWhileTheEngineCloses(t *testing.T) {
	for name, class := range pipeClasses() {
		for loops := 1; loops <= 2; loops++ {
			e := open(t, engine.Options{Loops: loops})
			ns := register(t, e, "C", class)
			var wg sync.WaitGroup
			begun := make(chan struct{}, 2)
			for g := range 2 {
				wg.Go(func() {
					answers, calls, failed := 0, 0, false
					p := ns.Pipe(200, func(_ uint64, r engine.Reply) {
						answers++
						failed = failed || r.Err != nil
					})
					for ; !failed; calls++ { // until the engine has closed
						if calls == 500 {
							begun <- struct{}{}
						}
						if err := p.CallByName(0, fmt.Sprint(g, calls%10), "incr", nil); err != nil {
							t.Error(err)
						}
						p.Poll()
					}
					if err := p.Wait(); err != nil || answers != calls || p.UnderWay() != 0 {
						t.Errorf("%s: %d of %d calls are answered, %v", name, answers, calls, err)
					}
				})
			}
			<-begun
			<-begun
			ctx, cancel := context.WithCancel(context.Background())
			cancel() // calls do not stop to come: it does not wait for them
			if err := e.Close(ctx); err != nil {
				t.Error(err)
			}
			wg.Wait()
		}
	}
}
