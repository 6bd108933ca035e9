package transfer

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
)

// TestImportCallsRestoresOff holds that what an object is to be restored to at its next start does not take the place of what was imported.
func TestImportCallsRestoresOff(t *testing.T) {
	one := func(n int) string {
		return written(t, bothClasses[:1], []string{"v1"}, []Object{{Class: bothClasses[0], ID: unique(keyA, 1), Keys: []Key{{"n", encode(t, n)}}}})
	}
	for name, content := range map[string]int{"another content": 2, "the same content": 1} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if _, err := importLines(t, one(1), dir, ImportOptions{}); err != nil {
				t.Fatal(err)
			}
			stage(t, dir)
			if o := viewed(t, dir); !o.Staged {
				t.Fatal("nothing is staged")
			}
			if _, err := importLines(t, one(content), dir, ImportOptions{}); err == nil {
				t.Error("an object that is to be restored was taken for one that is to stay as it is")
			}
			done, err := importLines(t, one(content), dir, ImportOptions{Replace: true})
			if err != nil || done.Replaced != 1 {
				t.Fatalf("%+v, %v", done, err)
			}
			o := viewed(t, dir)
			if got, _ := o.Get("n"); o.Staged || string(got) != string(encode(t, content)) {
				t.Errorf("staged %v, n is %x", o.Staged, got)
			}
			if done, err := importLines(t, one(content), dir, ImportOptions{}); err != nil || done.Unchanged != 1 {
				t.Errorf("again: %+v, %v", done, err)
			}
		})
	}
}

// stage has the first object of a directory wait for its next start, to be restored.
func stage(t *testing.T, dir string) {
	t.Helper()
	l, err := openLog(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.start(); err != nil {
		t.Fatal(err)
	}
	id := unique(keyA, 1)
	b := redo.AppendStageBegin(redo.AppendObject(nil, 1, &id), 1, 1)
	if err := l.append(redo.AppendStageReady(redo.AppendStagePut(b, "n", encode(t, 0)))); err != nil {
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
}

func viewed(t *testing.T, dir string) *engine.ViewObject {
	t.Helper()
	v, err := engine.OpenView(dir, engine.ViewOptions{Torn: true})
	if err != nil {
		t.Fatal(err)
	}
	id := unique(keyA, 1)
	o := v.Object(1, &id)
	if o == nil {
		t.Fatal("the object is gone")
	}
	return o
}

// TestImportKeepsHistory holds that an import removes nothing of what a directory keeps for time travel.
func TestImportKeepsHistory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	text := func(n int) string {
		return written(t, bothClasses[:1], []string{"v1"}, []Object{{Class: bothClasses[0], ID: unique(keyA, 1), Keys: []Key{{"n", encode(t, n)}}}})
	}
	if _, err := importLines(t, text(1), dir, ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Dir: dir, Logger: quiet, Retain: wal.Retain{Age: math.MaxInt64, Bytes: math.MaxInt64}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Snapshot(context.Background())
	if err := errors.Join(err, e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}
	if _, err := importLines(t, text(2), dir, ImportOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	h, err := wal.OpenHistory(dir, wal.ReadOptions{Torn: true})
	if err != nil {
		t.Fatal(err)
	}
	if start := h.Start(); start.LSN != 0 {
		t.Errorf("the history begins behind record %d, and had begun at the beginning", start.LSN)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
