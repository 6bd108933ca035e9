package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"everloop/engine"
)

// Each object that is there all the time is listed once, with its name, in lists of any length.
func TestObjects(t *testing.T) {
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	for _, class := range []string{"A", "B"} {
		ns, err := e.Register(class, engine.ClassOf(func(st *engine.State) (*stored, error) { return &stored{st}, nil }))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := ns.GetByName(fmt.Sprint(class, i)).Call(t.Context(), "Keep", nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, count := range []int{1, 7, 100, 1000} {
		seen := make(map[string]int)
		q := engine.ObjectsQuery{Count: count}
		for {
			got, err := e.Objects(t.Context(), "A", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.IDs) > count {
				t.Errorf("%d objects, asked for %d", len(got.IDs), count)
			}
			for _, id := range got.IDs {
				name, _ := id.Name()
				seen[name]++
			}
			if q.Cursor = got.Cursor; q.Cursor == 0 {
				break
			}
		}
		for i := range 100 {
			if n := seen[fmt.Sprint("A", i)]; n != 1 {
				t.Errorf("count %d: A%d is listed %d times", count, i, n)
			}
		}
		if len(seen) != 100 {
			t.Errorf("count %d: %d names", count, len(seen))
		}
	}
	got, err := e.Objects(t.Context(), "B", engine.ObjectsQuery{Count: 1000, Match: func(name string) bool { return name == "B7" }})
	if err != nil || len(got.IDs) != 1 {
		t.Errorf("matched %d objects (%v), want 1", len(got.IDs), err)
	}
	if _, err := e.Objects(t.Context(), "A", engine.ObjectsQuery{Cursor: 12345}); !errors.Is(err, engine.ErrCursor) {
		t.Errorf("a made-up cursor: %v", err)
	}
	if _, err := e.Objects(t.Context(), "C", engine.ObjectsQuery{}); !errors.Is(err, engine.ErrUnknownClass) {
		t.Errorf("an unknown class: %v", err)
	}
}

type stored struct{ s *engine.State }

func (k *stored) Keep() error { return k.s.Storage().Put("k", 1) }
