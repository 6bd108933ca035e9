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
	"everloop/engine/redo"
	"everloop/wal"
	"everloop/wal/waltest"
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

// A class that is deleted while one of its objects is being restored stays deleted: nothing of it is logged, and what a restore has logged behind
// the deletion counts for nothing.
func TestRestoreOfDeletedClass(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	b.do("a", "Put", "n", 2)
	mark, id := engine.Bookmark(b.do("a", "Now")), b.ns.IDFromName("a")
	log := b.log
	s := stepTimed(t, 1, func(o waltest.MemOptions) *waltest.MemLog { return log.Crash(true, o) }) // nothing is registered
	gate := s.HoldTravels()
	restored, migrated := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.RestoreObject(context.Background(), "Page", id, engine.RestorePoint{Bookmark: mark})
		restored <- err
	}()
	for s.TravelsWaiting() == 0 {
		s.pool.Run()
		time.Sleep(time.Millisecond) // it comes on a goroutine of its own
	}
	go func() { migrated <- s.Migrate(engine.Migration{Tag: "1", Delete: []string{"Page"}}) }()
	s.until(migrated)
	last := s.log.Last()
	gate()
	var err error
	for err == nil {
		s.pool.Run()
		s.log.Commit()
		select {
		case err = <-restored:
			if err == nil {
				t.Fatal("an object of a class that is gone was restored")
			}
		default:
		}
	}
	if !errors.Is(err, engine.ErrUnknownClass) || s.log.Last() != last || s.Staged() != 0 {
		t.Errorf("%v; %d records, %d staged", err, s.log.Last()-last, s.Staged())
	}
	raw := id.Bytes()
	if _, err := s.log.Append(0, redo.AppendPut(redo.AppendObject(nil, 1, &raw), "n", []byte{1})); err != nil {
		t.Fatal(err)
	}
	s.log.Commit()
	if v := s.reopened(); v.Len() != 0 || v.Objects(func(*engine.ViewObject) error { return nil }) != nil {
		t.Errorf("%d objects of a class that is gone", v.Len())
	}
}

// An object is restored whatever it is in the middle of: what it has not committed is gone, who waits hears of it, and its alarm is as it was.
func TestRestoreObjectInTheMiddle(t *testing.T) {
	for name, doing := range map[string]func(ctx context.Context, p *page) error{
		"transaction": func(ctx context.Context, p *page) error {
			return p.st.Storage().Transaction(ctx, func() error {
				if err := p.Put("n", 9); err != nil {
					return err
				}
				return p.st.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			})
		},
		"critical section": func(ctx context.Context, p *page) error {
			return p.st.BlockConcurrencyWhile(func() error {
				if err := p.Put("n", 9); err != nil {
					return err
				}
				return p.st.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			})
		},
		"wait": func(ctx context.Context, p *page) error {
			if err := p.Put("n", 9); err != nil {
				return err
			}
			return p.st.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := openBook(t, 2, nil)
			b.doing = func(ctx context.Context, p *page) (string, error) { return "", doing(ctx, p) }
			b.do("a", "Put", "n", 1)
			mark := engine.Bookmark(b.do("a", "Now"))
			b.do("a", "Put", "n", 2)
			b.do("a", "Put", "later", 1)
			alarm := b.pool.Wall() + time.Hour.Milliseconds()
			b.do("a", "Ring", alarm)
			a, behind := b.start(b.ns.GetByName("a"), "Do"), b.start(b.ns.GetByName("a"), "All")
			b.settle()
			if a.done {
				t.Fatal("it does not wait")
			}
			got, err := b.restore("a", engine.RestorePoint{Bookmark: mark})
			if err != nil || got.Keys != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			if !a.done || !errors.Is(a.got.Err, engine.ErrRestored) {
				t.Errorf("who waited: %v, %v", a.done, a.got.Err)
			}
			if name != "wait" && (!behind.done || !errors.Is(behind.got.Err, engine.ErrRestored)) {
				t.Errorf("who was kept out: %v, %v", behind.done, behind.got.Err)
			}
			b.expect("a", "n=01")
			if _, err := b.restore("a", engine.RestorePoint{Bookmark: got.Undo}); err != nil {
				t.Fatal(err)
			}
			want := "later=01 n=02"
			if name != "transaction" {
				want = "later=01 n=09" // it was written and is durable, whatever becomes of the section
			}
			b.expect("a", want)
			b = b.restart(false)
			b.expect("a", want)
			id := b.ns.IDFromName("a").Bytes()
			if o := b.reopened().Object(1, &id); o.Alarm == nil || o.Alarm.Time != alarm {
				t.Errorf("the alarm is %+v, want %d", o.Alarm, alarm)
			}
		})
	}
}

// Ring sets the alarm.
func (p *page) Ring(ms int64) error { return p.st.Storage().SetAlarmMillis(ms, engine.WriteOptions{}) }
