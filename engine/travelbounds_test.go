package engine_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// A bookmark is bound to the number of the object's class: it is not there before that number is durable, also if the object has never written.
func TestBookmarkWaitsForItsClass(t *testing.T) {
	b := openBook(t, 1, nil)
	now, then := b.start(b.ns.GetByName("a"), "Now"), b.start(b.ns.GetByName("a"), "At", b.pool.Wall())
	for range 3 {
		b.pool.Run()
		b.AwaitWork()
	}
	if b.log.Last() != 1 || b.log.Durable() != 0 {
		t.Fatalf("record %d, durable %d: want the class only, and not durable", b.log.Last(), b.log.Durable())
	}
	if now.done || then.done {
		t.Errorf("current %v, for a time %v: answered before the class is durable", now.done, then.done)
	}
	b.rest()
	mark := decode[string](t, now)
	b.do("a", "Put", "n", 1)
	b = b.restart(false)
	b.do("a", "Next", mark)
	b.try("a", "Abort")
	b.expect("a", "")
}

// countedLog counts how often a history is read.
type countedLog struct {
	engine.Log
	reads *atomic.Int32
}

func (l countedLog) History() (wal.History, error) {
	h, err := l.Log.History()
	return countedHistory{h, l.reads}, err
}

type countedHistory struct {
	wal.History
	reads *atomic.Int32
}

func (h countedHistory) Read(to wal.LSN, fn func(*wal.Chunk) error) error {
	h.reads.Add(1)
	return h.History.Read(to, fn)
}

// An undo leads over all restores that came later; the history is not read once for each of them.
func TestOldUndoIsFound(t *testing.T) {
	var reads atomic.Int32
	b := openBook(t, 1, nil, func(o *engine.Options) {
		inner := o.OpenLog
		o.OpenLog = func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			l, err := inner(n, durable)
			return countedLog{l, &reads}, err
		}
	})
	b.do("a", "Put", "n", 1)
	one := b.do("a", "Now")
	var undo []string
	const restores = 40
	for i := range restores {
		b.do("a", "Put", "n", 10+i)
		undo = append(undo, b.do("a", "Next", one))
		b.try("a", "Abort")
		b.expect("a", "n=01")
	}
	for i := 0; i < restores; i += 13 {
		reads.Store(0)
		b.do("a", "Next", undo[i])
		if n := reads.Load(); n > 3 {
			t.Errorf("undo %d of %d: the history is read %d times", i, restores, n)
		}
		b.try("a", "Abort")
		b.expect("a", "n="+hexByte(10+i))
	}
}

func hexByte(n int) string {
	const digits = "0123456789abcdef"
	if n < 24 {
		return digits[n>>4:][:1] + digits[n&15:][:1]
	}
	return "18" + digits[n>>4:][:1] + digits[n&15:][:1] // as CBOR has it
}

// Close ends restores that are under way, wherever they are: nobody waits for ever.
func TestCloseEndsRestores(t *testing.T) {
	ctx := context.Background()
	e, ns := openPages(t, t.TempDir())
	call[string](t, ns.GetByName("a"), "Do")
	call[any](t, ns.GetByName("a"), "Put", "n", 1)
	mark := engine.Bookmark(call[string](t, ns.GetByName("a"), "Now"))
	before := runtime.NumGoroutine()
	gate := e.HoldTravels()
	ended := make(chan error, 20)
	for range cap(ended) {
		go func() {
			_, err := e.RestoreObject(ctx, "Page", ns.IDFromName("a"), engine.RestorePoint{Bookmark: mark})
			ended <- err
		}()
	}
	for e.TravelsWaiting() < cap(ended) {
		time.Sleep(time.Millisecond) // they come on goroutines of their own
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for range cap(ended) {
		select {
		case err := <-ended:
			if !errors.Is(err, engine.ErrClosed) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(20 * time.Second):
			buf := make([]byte, 1<<20)
			t.Fatalf("a restore is under way after Close:\n%s", strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[0])
		}
	}
	gate()
	for i := 0; runtime.NumGoroutine() > before && i < 2000; i++ {
		time.Sleep(time.Millisecond) // whoever has answered ends a moment later
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, there were %d", n, before)
	}
}
