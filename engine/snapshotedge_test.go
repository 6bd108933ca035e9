package engine_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// What is frozen for a snapshot is thawed when it was written, or when the snapshot was given up: values are overwritten in place again.
func TestSnapshotThaws(t *testing.T) {
	for _, fails := range []bool{false, true} {
		var jobs []func()
		y, ns := tower(t, held(&jobs))
		fill := func() {
			t.Helper()
			if r := y.ask(ns, "large", "Fill", 900, 100); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		place := func() *byte { return &y.Stored(1, ns.IDFromName("large"), "key00007")[0] }
		fill()
		at := place()
		if fill(); place() != at {
			t.Fatal("a value is not overwritten in place without a snapshot either")
		}
		end := y.begun()
		jobs[0]()
		jobs = jobs[1:]
		if y.pool.Run(); len(jobs) != 1 {
			t.Fatalf("%d pieces of work, want the large object", len(jobs))
		}
		if fill(); place() == at {
			t.Fatal("the large object is not frozen")
		}
		if fails {
			y.log.FailSnapshot(errDiskGone)
		}
		y.finish(&jobs)
		if end.n != 1 || (end.err != nil) != fails {
			t.Fatalf("fails %v: the snapshot has ended %d times, with %v", fails, end.n, end.err)
		}
		at = place()
		if fill(); place() != at {
			t.Errorf("fails %v: the large object is still frozen", fails)
		}
	}
}

// A large object whose turn comes when the snapshot has ended does not touch what is another goroutine's.
func TestLargeObjectAfterTheEnd(t *testing.T) { engine.WriteLargeAfterEnd() }

// Records that the snapshot has the work of are not applied again: what is ready by the snapshot is not what an earlier restore was of.
func TestSnapshotBehindRestore(t *testing.T) {
	var jobs []func()
	b := openBook(t, 1, nil, held(&jobs))
	b.doing = fillPage
	b.do("large", "Do") // it comes first, and the snapshot stands still at it
	b.do("a", "Put", "n", 1)
	first := b.do("a", "Now")
	b.do("a", "Put", "n", 2)
	second := b.do("a", "Now")
	b.do("a", "Put", "n", 3)
	b.do("a", "Next", first)
	end := b.begun()
	jobs[0]()
	jobs = jobs[1:]
	if b.pool.Run(); len(jobs) != 1 {
		t.Fatalf("%d pieces of work, want the large object", len(jobs))
	}
	b.try("a", "Abort")
	b.expect("a", "n=01") // restored in the new generation
	b.do("a", "Put", "x", 7)
	b.do("a", "Next", second)
	b.finish(&jobs)
	if end.n != 1 || end.err != nil {
		t.Fatalf("the snapshot has ended %d times, with %v", end.n, end.err)
	}
	b.rest()
	id := b.ns.IDFromName("a").Bytes()
	o := b.reopened().Object(1, &id)
	got := ""
	o.Scan(func(key string, encoded []byte) bool { got += fmt.Sprintf("%s=%x ", key, encoded); return true })
	if got != "n=01 x=07 " {
		t.Errorf("after a start the object is %q, want n=01 x=07", got)
	}
	b = b.restart(false)
	b.expect("a", "n=02")
}

// Anybody may look at a directory while an engine writes to it, makes snapshots and removes what is not kept: each look sees whole turns, and
// none that was seen before is missing.
func TestViewOfWhatIsWritten(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	e, ns := openPages(t, dir, func(o *engine.Options) { o.Retain = wal.Retain{} })
	call[any](t, ns.GetByName("a"), "Both", 0)
	stop := make(chan struct{})
	var work sync.WaitGroup
	defer work.Wait()
	defer close(stop)
	for _, fn := range []func(i int) error{
		func(i int) error { return ns.GetByName("a").Call(ctx, "Both", nil, i) },
		func(i int) error { return ns.GetByName(fmt.Sprint("o", i%50)).Call(ctx, "Put", nil, "n", i) },
		func(int) error { _, err := e.Snapshot(ctx); return err },
	} {
		work.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	id := ns.IDFromName("a").Bytes()
	var last string
	var at wal.LSN
	looks, moved := 0, 0
	for began := time.Now(); time.Since(began) < 2*time.Second && looks < 5000; looks++ {
		v, err := engine.OpenView(dir, engine.ViewOptions{})
		if err != nil {
			t.Fatalf("look %d: %v", looks, err)
		}
		o := v.Object(1, &id)
		if o == nil {
			if at > 0 {
				t.Fatalf("look %d: the object is gone", looks)
			}
			continue
		}
		x, _ := o.Get("x")
		y, _ := o.Get("y")
		if string(x) != string(y) || o.LSN < at || v.Position().LSN < o.LSN {
			t.Fatalf("look %d: x %x, y %x, record %d of %d after %d", looks, x, y, o.LSN, v.Position().LSN, at)
		}
		if string(x) != last {
			moved++
		}
		last, at = string(x), o.LSN
	}
	t.Logf("%d looks, %d of them saw something new, %d snapshots meanwhile", looks, moved, e.SnapshotStats().Installed)
	if moved < 2 {
		t.Error("nothing has moved")
	}
}

// Both writes two keys in one turn.
func (p *page) Both(n int) error {
	if err := p.Put("x", n); err != nil {
		return err
	}
	return p.Put("y", n)
}
