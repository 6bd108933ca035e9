package engine_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"everloop/engine"
	"everloop/wal"
)

// Whoever reads the directory of a running engine may find that it has removed what was to be read: then the view is that of what came after. What is
// not kept is told at once.
func TestViewOfWhatIsRemoved(t *testing.T) {
	dir := t.TempDir()
	e := open(t, engine.Options{Dir: dir}) // keeps nothing for time travel
	ns := register(t, e, "Bell", engine.ClassOf(func(st *engine.State) (*bell, error) { return &bell{nil, st}, nil }))
	snapshot := func(keys int) {
		t.Helper()
		if err := ns.GetByName("a").Call(context.Background(), "Fill", nil, keys, 100); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Snapshot(context.Background()); err != nil {
			t.Fatal(err)
		}
		// Snapshot does not wait for the removal of what was before.
		waitFor(t, func() bool {
			left, err := filepath.Glob(filepath.Join(dir, "p0", "snap-*"))
			return err == nil && len(left) == 1
		})
	}
	snapshot(1)
	const removals = 3
	opened := 0
	v, err := engine.OpenViewOf(func() (wal.History, error) {
		h, err := wal.OpenHistory(dir, wal.ReadOptions{})
		if opened++; opened <= removals {
			snapshot(1 + opened)
		}
		return h, err
	}, engine.ViewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := engine.OpenView(dir, engine.ViewOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if opened != removals+1 || dump(t, v) != dump(t, want) || want.Len() != 1 {
		t.Errorf("opened %d times; %s", opened, differences(dump(t, v), dump(t, want)))
	}

	opened = 0
	_, err = engine.OpenViewOf(func() (wal.History, error) {
		opened++
		return wal.OpenHistory(dir, wal.ReadOptions{})
	}, engine.ViewOptions{To: 1})
	if !errors.Is(err, wal.ErrNoHistory) || opened > 2 {
		t.Errorf("record 1, which is not kept: %v after %d tries", err, opened)
	}
}
