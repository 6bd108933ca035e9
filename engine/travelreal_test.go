package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// openPages opens an engine of pages on a real log.
func openPages(t *testing.T, dir string, tune ...func(*engine.Options)) (*engine.Engine, *engine.Namespace) {
	t.Helper()
	o := engine.Options{Dir: dir, Loops: 2, SnapshotLog: -1, SnapshotAge: -1, Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 30}}
	for _, f := range tune {
		f(&o)
	}
	e := open(t, o)
	return e, register(t, e, "Page", engine.ClassOf(func(st *engine.State) (*page, error) { return &page{st: st, doing: fillPage}, nil }))
}

// fillPage writes 3 MiB in one turn.
func fillPage(ctx context.Context, p *page) (string, error) {
	for i := range 30 {
		if err := p.st.Storage().Put(fmt.Sprintf("large%02d", i), strings.Repeat("x", 100_000)); err != nil {
			return "", err
		}
	}
	return "", nil
}

// TestTravelOnDisk goes back over snapshots, generations and restarts of a real log: of a small object, and of one that takes several records.
func TestTravelOnDisk(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	type mark struct {
		at   engine.Bookmark
		time time.Time
		want string
	}
	var marks []mark
	for life := range 3 {
		e, ns := openPages(t, dir)
		for round := range 4 {
			for _, key := range []string{"n", fmt.Sprint("k", life)} {
				call[any](t, ns.GetByName("a"), "Put", key, life*4+round)
			}
			if round == 2 {
				call[string](t, ns.GetByName("a"), "Do")
			}
			if round == 3 {
				call[any](t, ns.GetByName("a"), "DeleteAll")
			}
			call[any](t, ns.GetByName("b"), "Put", "n", round)
			at := call[string](t, ns.GetByName("a"), "Now")
			time.Sleep(3 * time.Millisecond) // so that the clock has moved on between this commit and the next one
			marks = append(marks, mark{engine.Bookmark(at), time.Now(), call[string](t, ns.GetByName("a"), "All")})
			time.Sleep(3 * time.Millisecond)
			if round%2 == 0 {
				if _, err := e.Snapshot(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		id := ns.IDFromName("a")
		for i, m := range marks {
			call[any](t, ns.GetByName("a"), "Put", "before", i)
			was := call[string](t, ns.GetByName("a"), "All")
			point := engine.RestorePoint{Bookmark: m.at}
			if i%2 == 0 {
				point = engine.RestorePoint{Time: m.time}
			}
			got, err := e.RestoreObject(ctx, "Page", id, point)
			if err != nil {
				t.Fatalf("life %d, mark %d: %v", life, i, err)
			}
			if now := call[string](t, ns.GetByName("a"), "All"); now != m.want {
				t.Errorf("life %d, mark %d: %.100q, want %.100q", life, i, now, m.want)
			}
			if _, err := e.RestoreObject(ctx, "Page", id, engine.RestorePoint{Bookmark: got.Undo}); err != nil {
				t.Fatal(err)
			}
			if now := call[string](t, ns.GetByName("a"), "All"); now != was {
				t.Errorf("life %d, mark %d undone: %.100q, want %.100q", life, i, now, was)
			}
		}
		// What is staged for the next session is in the snapshot, too, and the next life begins with it.
		last := marks[len(marks)-2]
		call[string](t, ns.GetByName("a"), "Next", string(last.at))
		if _, err := e.Snapshot(ctx); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
		e, ns = openPages(t, dir)
		if now := call[string](t, ns.GetByName("a"), "All"); now != last.want {
			t.Errorf("life %d began with %.100q, want %.100q", life+1, now, last.want)
		}
		if err := e.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d marks", len(marks))
}

// TestTravelBeyondRetention: what is not kept is refused, with the moment since when history is.
func TestTravelBeyondRetention(t *testing.T) {
	ctx := context.Background()
	e, ns := openPages(t, t.TempDir(), func(o *engine.Options) { o.Retain = wal.Retain{} })
	call[any](t, ns.GetByName("a"), "Put", "n", 1)
	old, then := call[string](t, ns.GetByName("a"), "Now"), time.Now()
	call[any](t, ns.GetByName("a"), "Put", "n", 2)
	call[any](t, ns.GetByName("b"), "Put", "n", 2)
	if _, err := e.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	start, end, err := e.HistoryRange(ctx)
	if err != nil || start.LSN == 0 || start.LSN > end.LSN || !start.Time.After(then) {
		t.Errorf("%+v to %+v, %v", start, end, err)
	}
	for _, at := range []engine.RestorePoint{{Bookmark: engine.Bookmark(old)}, {Time: then}} {
		_, err := e.RestoreObject(ctx, "Page", ns.IDFromName("a"), at)
		if !errors.Is(err, engine.ErrHistoryGone) || !strings.Contains(err.Error(), "history is kept since 2") {
			t.Errorf("%v", err)
		}
	}
	if err := ns.GetByName("a").Call(ctx, "At", nil, then.UnixMilli()); !errors.Is(err, engine.ErrHistoryGone) {
		t.Error(err)
	}
	// The present can be named always, also by an object that wrote last before all that is kept.
	now := call[string](t, ns.GetByName("a"), "Now")
	call[any](t, ns.GetByName("a"), "Put", "n", 3)
	if _, err := e.RestoreObject(ctx, "Page", ns.IDFromName("a"), engine.RestorePoint{Bookmark: engine.Bookmark(now)}); err != nil {
		t.Error(err)
	}
	if got := call[string](t, ns.GetByName("a"), "All"); got != "n=02" {
		t.Errorf("%q", got)
	}
}

// TestForkUnderLoad forks an object again and again while it writes two keys together and snapshots are made: a fork has both or none.
func TestForkUnderLoad(t *testing.T) {
	ctx := context.Background()
	e, _ := openPages(t, t.TempDir())
	ns := register(t, e, "Pair", engine.ClassOf(func(st *engine.State) (*pair, error) { return &pair{st}, nil }))
	from := ns.IDFromName("live")
	call[int](t, ns.Get(from), "Bump")
	stop, writes := make(chan struct{}), atomic.Int64{}
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := ns.Get(from).Call(ctx, "Bump", nil); err != nil {
						t.Error(err)
						return
					}
					writes.Add(1)
				}
			}
		})
	}
	last, forks := 0, 40
	for i := range forks {
		acked := int(writes.Load()) // what was acknowledged before the fork is in it
		name := fmt.Sprint("fork ", i)
		if _, err := e.ForkObject(ctx, "Pair", from, ns.IDFromName(name), engine.RestorePoint{}); err != nil {
			t.Fatal(err)
		}
		n := call[int](t, ns.GetByName(name), "Both")
		if n < last || n < acked {
			t.Errorf("fork %d has %d, an earlier one %d, acknowledged were %d", i, n, last, acked)
		}
		last = n
		if i%10 == 5 {
			if _, err := e.Snapshot(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	load.Wait()
	t.Logf("%d forks during %d writes", forks, writes.Load())
}

// pair is an object that writes two keys in a turn.
type pair struct{ st *engine.State }

func (p *pair) Bump() (int, error) {
	n, _, err := engine.Get[int](p.st.Storage(), "x")
	if err != nil {
		return 0, err
	}
	return n + 1, p.st.Storage().PutAll(map[string]any{"x": n + 1, "y": n + 1})
}

// Both returns what both keys are.
func (p *pair) Both() (int, error) {
	x, _, err := engine.Get[int](p.st.Storage(), "x")
	y, _, yerr := engine.Get[int](p.st.Storage(), "y")
	if x != y {
		return 0, fmt.Errorf("x is %d, y is %d", x, y)
	}
	return x, errors.Join(err, yerr)
}
