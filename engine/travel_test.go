package engine_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal/waltest"
)

// page is an object that can go back in time, as its callers tell it.
type page struct {
	st    *engine.State
	born  string // what the constructor saw
	doing func(ctx context.Context, p *page) (string, error)
}

func (p *page) Put(key string, n int) error     { return p.st.Storage().Put(key, n) }
func (p *page) Delete(key string) (bool, error) { return p.st.Storage().Delete(key) }
func (p *page) DeleteAll() error                { return p.st.Storage().DeleteAll() }
func (p *page) Born() string                    { return p.born }
func (p *page) Abort()                          { p.st.Abort(errors.New("aborted on purpose")) }
func (p *page) All() (string, error)            { return contents(p.st.Storage()) }

func contents(s *engine.Storage) (string, error) {
	var all []string
	err := s.List(engine.ListOptions{}, func(key, encoded []byte) bool {
		if len(encoded) > 8 {
			all = append(all, fmt.Sprintf("%s:%d", key, len(encoded)))
			return true
		}
		all = append(all, fmt.Sprintf("%s=%x", key, encoded))
		return true
	})
	return strings.Join(all, " "), err
}

func (p *page) Now(ctx context.Context) (string, error) {
	b, err := p.st.Storage().CurrentBookmark(ctx)
	return string(b), err
}

func (p *page) At(ctx context.Context, ms int64) (string, error) {
	b, err := p.st.Storage().BookmarkForTime(ctx, time.UnixMilli(ms))
	return string(b), err
}

// Next has the object restored when it starts next.
func (p *page) Next(ctx context.Context, b string) (string, error) {
	undo, err := p.st.Storage().RestoreOnNextSession(ctx, engine.Bookmark(b))
	return string(undo), err
}

// Restart is Next and what most programs do then.
func (p *page) Restart(ctx context.Context, b string) error {
	if _, err := p.Next(ctx, b); err != nil {
		return err
	}
	return p.st.Storage().SetAlarm(time.Unix(1<<33, 0)) // the same turn: it is taken back
}

func (p *page) Alarm(context.Context, engine.AlarmInfo) error { return nil }

func (p *page) Do(ctx context.Context) (string, error) { return p.doing(ctx, p) }

// book is an engine of pages, on a pool and a log that are stepped by hand, whose time is the pool's.
type book struct {
	*stepped
	ns    *engine.Namespace
	doing func(ctx context.Context, p *page) (string, error)
	build func(p *page) error
}

func openBook(t *testing.T, loops int, from func(waltest.MemOptions) *waltest.MemLog, tune ...func(*engine.Options)) *book {
	b := new(book)
	b.stepped = stepTimed(t, loops, from, tune...)
	b.ns = register(t, b.Engine, "Page", engine.ClassOf(func(st *engine.State) (*page, error) {
		born, err := contents(st.Storage())
		if err != nil {
			return nil, err
		}
		p := &page{st: st, born: born, doing: func(ctx context.Context, p *page) (string, error) { return b.doing(ctx, p) }}
		if b.build != nil {
			return p, b.build(p)
		}
		return p, nil
	}))
	return b
}

// stepTimed is stepOn with a log that gives commits the time of the pool, and keeps all history.
func stepTimed(t *testing.T, loops int, from func(waltest.MemOptions) *waltest.MemLog, tune ...func(*engine.Options)) *stepped {
	var s *stepped
	if from == nil {
		from = waltest.NewMemLog
	}
	s = stepOn(t, loops, 1, func(o waltest.MemOptions) *waltest.MemLog {
		o.Now = func() time.Time {
			if s == nil {
				return time.UnixMilli(0)
			}
			return time.UnixMilli(s.pool.Wall())
		}
		o.Keep = 100
		return from(o)
	}, tune...)
	return s
}

// rest settles until nothing is under way off the loops either.
func (b *book) rest() {
	for range 50 {
		b.settle()
		b.AwaitWork()
		if b.pool.Idle() && b.log.Last() == b.log.Durable() {
			return
		}
	}
	b.t.Fatal("the engine does not come to rest")
}

func (b *book) try(name, method string, args ...any) engine.Reply {
	b.t.Helper()
	a := b.start(b.ns.GetByName(name), method, args...)
	b.rest()
	if !a.done {
		b.t.Fatalf("%s.%s is not answered", name, method)
	}
	return a.got
}

// do calls a method that has to succeed.
func (b *book) do(name, method string, args ...any) string {
	b.t.Helper()
	got := b.try(name, method, args...)
	if got.Err != nil {
		b.t.Fatalf("%s.%s: %v", name, method, got.Err)
	}
	if len(got.Value) == 1 && got.Value[0] == 0xf7 {
		return ""
	}
	return decode[string](b.t, &answer{true, got})
}

func (b *book) expect(name, want string) {
	b.t.Helper()
	if got := b.do(name, "All"); got != want {
		b.t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// refused calls a method that has to fail.
func (b *book) refused(want error, text, name, method string, args ...any) {
	b.t.Helper()
	got := b.try(name, method, args...)
	if got.Err == nil || want != nil && !errors.Is(got.Err, want) || !strings.Contains(got.Err.Error(), text) {
		b.t.Errorf("%s.%s: %v, want %v: %s", name, method, got.Err, want, text)
	}
}

// outside runs fn, which waits for the engine, on a goroutine of its own.
func (b *book) outside(fn func()) {
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	for {
		b.settle()
		select {
		case <-done:
			b.rest()
			return
		case <-time.After(time.Millisecond): // it reads the history on its own goroutine
		}
	}
}

func (b *book) restore(name string, at engine.RestorePoint) (got engine.Restored, err error) {
	b.outside(func() { got, err = b.RestoreObject(context.Background(), "Page", b.ns.IDFromName(name), at) })
	return got, err
}

// restart crashes the engine where it stands and opens another one on what is left.
func (b *book) restart(keepInFlight bool) *book {
	log := b.log
	next := openBook(b.t, 1, func(o waltest.MemOptions) *waltest.MemLog { return log.Crash(keepInFlight, o) })
	return next
}

func TestBookmarks(t *testing.T) {
	b := openBook(t, 2, nil)
	b.doing = func(ctx context.Context, p *page) (string, error) {
		if err := p.Put("n", 9); err != nil {
			return "", err
		}
		return p.Now(ctx)
	}
	var marks []string
	mark := func(m string) {
		t.Helper()
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{16}-[0-9a-f]{32}$`).MatchString(m) {
			t.Errorf("%q", m)
		}
		marks = append(marks, m)
	}
	mark(b.do("a", "Now")) // of an object that never wrote
	b.do("a", "Put", "n", 1)
	mark(b.do("a", "Now"))
	b.pool.Jump(time.Second)
	mark(b.do("a", "At", b.pool.Wall()))
	b.do("a", "Put", "n", 2)
	mark(b.do("a", "Do"))
	b = b.restart(true)
	mark(b.do("a", "Now"))
	if !slices.IsSorted(marks) {
		t.Errorf("not in the order of time: %q", marks)
	}
	for i, want := range []string{"", "n=01", "n=01", "n=09", "n=09"} {
		undo := b.do("a", "Next", marks[i])
		b.try("a", "Abort")
		if got := b.do("a", "Born"); got != want {
			t.Errorf("bookmark %d: the constructor saw %q, want %q", i, got, want)
		}
		b.expect("a", want)
		b.do("a", "Next", undo)
		b.try("a", "Abort")
		b.expect("a", "n=09")
	}
}

// A bookmark reveals a write: it is not there before that is durable.
func TestBookmarkWaitsForTheDisk(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	var got string
	b.doing = func(ctx context.Context, p *page) (_ string, err error) {
		if err := p.Put("n", 2); err != nil {
			return "", err
		}
		got, err = p.Now(ctx)
		return got, err
	}
	a := b.start(b.ns.GetByName("a"), "Do")
	b.pool.Run()
	if got != "" || a.done {
		t.Errorf("bookmark %q before the write that it names was durable", got)
	}
	b.settle()
	if got == "" || !a.done {
		t.Errorf("bookmark %q, done %v", got, a.done)
	}
}

func TestBookmarksRefused(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	b.do("b", "Put", "n", 1)
	other := register(t, b.Engine, "Other", engine.ClassOf(func(st *engine.State) (*page, error) { return &page{st: st}, nil }))
	mine, theirs := b.do("a", "Now"), b.do("b", "Now")
	id := b.ns.IDFromName("a")
	for _, c := range []struct {
		mark string
		err  error
	}{
		{"", engine.ErrBookmark},
		{"now", engine.ErrBookmark},
		{mine[1:], engine.ErrBookmark},
		{mine + "0", engine.ErrBookmark},
		{strings.ToUpper(mine), engine.ErrBookmark},
		{strings.Replace(mine, "-", "0", 1), engine.ErrBookmark},
		{mine[:9] + "-" + mine[10:], engine.ErrBookmark},
		{strings.Repeat("é", 29), engine.ErrBookmark},
		{theirs, engine.ErrForeignBookmark},
		{mine[:len(mine)-1] + "g", engine.ErrBookmark},
		{mine[:8] + "-" + strings.Repeat("0", 16) + mine[25:], engine.ErrForeignBookmark},
		{string(engine.BookmarkOf(1, other.IDFromName("a"), 1, 1)), engine.ErrForeignBookmark},
		{string(engine.BookmarkOf(2, id, 1, 1)), engine.ErrForeignBookmark},
		{string(engine.BookmarkOf(1, id, 2, 1)), engine.ErrFuture},
		{string(engine.BookmarkOf(1, id, 1, 1000)), engine.ErrFuture},
	} {
		b.refused(c.err, "", "a", "Next", c.mark)
		if _, err := b.restore("a", engine.RestorePoint{Bookmark: engine.Bookmark(c.mark)}); c.mark != "" && !errors.Is(err, c.err) {
			t.Errorf("%q from outside: %v, want %v", c.mark, err, c.err)
		}
	}
	b.refused(engine.ErrFuture, "", "a", "At", b.pool.Wall()+1)
	if _, err := b.restore("a", engine.RestorePoint{Time: time.UnixMilli(b.pool.Wall() + 1)}); !errors.Is(err, engine.ErrFuture) {
		t.Error(err)
	}
	b.try("a", "Abort")
	b.expect("a", "n=01")
	if n := b.Travelling(); n != 0 {
		t.Errorf("%d are still under way", n)
	}
}

// TestBookmarkOfWhatWasLost: a crash takes records back, and their numbers are given again.
func TestBookmarkOfWhatWasLost(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	id, last := b.ns.IDFromName("a"), b.log.Last()
	b.start(b.ns.GetByName("a"), "Put", "n", 2)
	b.pool.Run()
	if b.log.Last() != last+1 {
		t.Fatal("the write is not in the log")
	}
	lost := string(engine.BookmarkOf(1, id, 1, last+1))
	b = b.restart(false)
	b.refused(engine.ErrBookmarkLost, "", "a", "Next", lost)
	b.do("a", "Put", "n", 3)
	if b.log.Last() != last+1 {
		t.Fatal("the number was not given again")
	}
	b.refused(engine.ErrBookmarkLost, "", "a", "Next", lost)
	b.do("a", "Next", string(engine.BookmarkOf(1, id, 1, last)))
	b.do("a", "Next", string(engine.BookmarkOf(1, id, 2, last)))
	b.try("a", "Abort")
	b.expect("a", "n=01")
}

// TestRestoreOnNextSession: what is staged waits for the next session, whatever the turn does that heard of it.
func TestRestoreOnNextSession(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	first := b.do("a", "Now")
	b.do("a", "Put", "n", 2)
	b.do("a", "Put", "more", 2)

	b.doing = func(ctx context.Context, p *page) (string, error) {
		if _, err := p.Next(ctx, first); err != nil {
			return "", err
		}
		p.st.Abort(nil) // in the turn that heard of it
		return "", nil
	}
	b.try("a", "Do")
	b.expect("a", "n=01")
	if got := b.do("a", "Born"); got != "n=01" {
		t.Errorf("the constructor saw %q", got)
	}

	// The undo names the end of the session, not the moment of the call; and it holds in a later session.
	b.do("a", "Put", "n", 5)
	undo := b.do("a", "Next", first)
	b.do("a", "Put", "n", 6)
	b.expect("a", "n=06")
	b.pool.Advance(time.Minute) // an eviction is an end of a session
	b.expect("a", "n=01")
	b.do("a", "Put", "other", 7)
	b.do("a", "Next", first)
	b.try("a", "Abort")
	b.expect("a", "n=01")
	again := b.do("a", "Next", undo)
	b.try("a", "Abort")
	b.expect("a", "n=06")
	b.do("a", "Next", again)
	b.try("a", "Abort")
	b.expect("a", "n=01")

	// Two in one session: the later one counts. The end of this session calls it off.
	second := b.do("a", "Now")
	b.do("a", "Put", "n", 8)
	b.do("a", "Next", first)
	b.do("a", "Next", second)
	off := b.do("a", "Next", first)
	b.do("a", "Next", off)
	b.do("a", "Put", "n", 9)
	b.try("a", "Abort")
	b.expect("a", "n=09")

	// deleteAll forgets it; a deleteAll that is taken back does not.
	b.do("a", "Next", first)
	b.do("a", "DeleteAll")
	b.try("a", "Abort")
	b.expect("a", "")
	b.do("a", "Next", first)
	b.doing = func(ctx context.Context, p *page) (string, error) {
		if err := p.DeleteAll(); err != nil {
			return "", err
		}
		p.st.Abort(nil)
		return "", nil
	}
	b.try("a", "Do")
	b.expect("a", "n=01")

	// An object with nothing stored but what it is to be restored to does not vanish.
	b.do("a", "DeleteAll")
	b.do("a", "Next", first)
	b.pool.Advance(time.Minute)
	b.expect("z", "") // takes what place there is
	b.expect("a", "n=01")

	// One that cannot be is refused and changes nothing.
	b.do("a", "Put", "n", 3)
	third := b.do("a", "Now")
	b.do("a", "Next", first)
	b.refused(engine.ErrBookmark, "", "a", "Next", third[1:])
	b.try("a", "Abort")
	b.expect("a", "n=01")
}

// In the constructor and in a transaction, where nothing else enters meanwhile.
func TestRestoreInsideSections(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	first := b.do("a", "Now")
	b.do("a", "Put", "n", 2)
	b.doing = func(ctx context.Context, p *page) (string, error) {
		err := p.st.Storage().Transaction(ctx, func() error {
			if err := p.Put("n", 3); err != nil {
				return err
			}
			if _, err := p.Next(ctx, first); err != nil {
				return err
			}
			return errors.New("rolled back")
		})
		if err == nil || err.Error() != "rolled back" {
			return "", fmt.Errorf("the transaction: %w", err)
		}
		return p.All()
	}
	if got := b.do("a", "Do"); got != "n=02" {
		t.Errorf("after the transaction: %s", got)
	}
	tries := 0
	b.build = func(p *page) error {
		if tries++; tries > 1 {
			return nil
		}
		if p.born != "n=01" {
			t.Errorf("the constructor saw %q", p.born)
		}
		now, err := p.Now(context.Background())
		if err != nil {
			return err
		}
		if err := p.Put("n", 4); err != nil {
			return err
		}
		_, err = p.Next(context.Background(), now)
		return err
	}
	b.try("a", "Abort")
	b.expect("a", "n=04")
	b.try("a", "Abort")
	b.expect("a", "n=01")
}

// TestRestoreCrashedAnywhere: whatever is durable when the process ends, the next one finds the object as it was or as it is to be,
// and whoever heard of the restore gets it.
func TestRestoreCrashedAnywhere(t *testing.T) {
	big := map[string]any{}
	for i := range 40 {
		big[fmt.Sprint("k", i)] = strings.Repeat("x", 100_000)
	}
	crashes, restored := 0, 0
	for after := 0; ; after++ {
		b := openBook(t, 1, nil)
		b.doing = func(ctx context.Context, p *page) (string, error) { return "", p.st.Storage().PutAll(big) }
		b.do("a", "Do")
		was := b.do("a", "All")
		first := b.do("a", "Now")
		b.do("a", "DeleteAll")
		b.do("a", "Put", "n", 2)
		held := b.HoldTravels()
		a := b.start(b.ns.GetByName("a"), "Next", first)
		b.settle()
		held()
		b.AwaitWork()
		over := false
		for range after {
			over = !b.pool.Step() // a record, or what comes of it
			b.log.Commit()
		}
		heard := a.done && a.got.Err == nil
		b.log.Begin()
		b = b.restart(after%2 == 0)
		crashes++
		got := b.do("a", "All")
		switch {
		case got == was:
			restored++
		case got == "n=02" && b.Staged() != 0:
			t.Fatalf("after %d steps half a restore is left", after)
		case got != "n=02":
			t.Fatalf("after %d steps the object is neither: %.200s", after, got)
		case heard:
			t.Fatalf("after %d steps somebody heard of a restore that was lost", after)
		}
		b = b.restart(false)
		if again := b.do("a", "All"); again != got {
			t.Fatalf("after %d steps and another restart: %.100s, was %.100s", after, again, got)
		}
		if over {
			if !heard {
				t.Error("it never ended")
			}
			break
		}
	}
	if restored == 0 || restored == crashes {
		t.Errorf("%d of %d crashes led to a restore", restored, crashes)
	}
	t.Logf("%d crashes, %d restored", crashes, restored)
}

// TestRestoreObject is the operator's side.
func TestRestoreObject(t *testing.T) {
	b := openBook(t, 2, nil)
	b.do("a", "Put", "n", 1)
	b.do("a", "Put", "m", 1)
	then := time.UnixMilli(b.pool.Wall())
	b.pool.Jump(time.Second)
	b.do("a", "Put", "n", 2)
	b.doing = func(ctx context.Context, p *page) (string, error) {
		return "", p.st.BlockConcurrencyWhile(func() error {
			return p.st.Namespace("Page").Get(p.st.ID()).Call(ctx, "Born", nil) // it waits for itself, as long as the clock stands
		})
	}
	waits := b.start(b.ns.GetByName("a"), "Do")
	b.rest()
	got, err := b.restore("a", engine.RestorePoint{Time: then})
	if err != nil {
		t.Fatal(err)
	}
	if got.Keys != 2 || got.Bytes != 4 || got.At.Time != then {
		t.Errorf("%+v", got)
	}
	var e *engine.Error
	if !waits.done || !errors.As(waits.got.Err, &e) || !e.Reset || !errors.Is(waits.got.Err, engine.ErrRestored) {
		t.Errorf("what waited: %v, %v", waits.done, waits.got.Err)
	}
	b.expect("a", "m=01 n=01")
	if _, err := b.restore("a", engine.RestorePoint{Bookmark: got.Undo}); err != nil {
		t.Fatal(err)
	}
	b.expect("a", "m=01 n=02")

	// Of an object that is no more, over a restart, and with an alarm, which stays.
	b.do("a", "DeleteAll")
	b.pool.Advance(time.Minute)
	b = b.restart(false)
	if err := b.View().Objects(func(o *engine.ViewObject) error { return fmt.Errorf("%+v", o) }); err != nil {
		t.Errorf("a view tells of an object that is empty: %v", err)
	}
	if got, err = b.restore("a", engine.RestorePoint{Bookmark: got.Undo}); err != nil || got.Keys != 2 {
		t.Fatal(got, err)
	}
	b.expect("a", "m=01 n=02")

	for _, c := range []struct {
		class, name string
		at          engine.RestorePoint
		err         error
	}{
		{"Page", "never", engine.RestorePoint{}, engine.ErrNothingStored},
		{"Nothing", "a", engine.RestorePoint{}, engine.ErrUnknownClass},
	} {
		b.outside(func() { _, err = b.RestoreObject(context.Background(), c.class, b.ns.IDFromName(c.name), c.at) })
		if !errors.Is(err, c.err) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	b.outside(func() { _, err = b.RestoreObject(context.Background(), "Page", engine.ID{}, engine.RestorePoint{}) })
	if !errors.Is(err, engine.ErrForeignID) {
		t.Error(err)
	}
	objects := b.Metrics().Objects
	b.restore("never", engine.RestorePoint{})
	if n := b.Metrics().Objects; n != objects {
		t.Errorf("a restore of nothing left %d objects, there were %d", n, objects)
	}
}

func TestForkObject(t *testing.T) {
	b := openBook(t, 2, nil)
	fork := func(from, to string, at engine.RestorePoint) (got engine.Restored, err error) {
		b.outside(func() {
			got, err = b.ForkObject(context.Background(), "Page", b.ns.IDFromName(from), b.ns.IDFromName(to), at)
		})
		return got, err
	}
	b.do("a", "Put", "n", 1)
	then := time.UnixMilli(b.pool.Wall())
	b.pool.Jump(time.Second)
	b.do("a", "Put", "n", 2)
	if got, err := fork("a", "now", engine.RestorePoint{}); err != nil || got.Keys != 1 {
		t.Fatal(got, err)
	}
	if _, err := fork("a", "then", engine.RestorePoint{Time: then}); err != nil {
		t.Fatal(err)
	}
	b.do("a", "Put", "n", 3)
	b.expect("now", "n=02")
	b.expect("then", "n=01")
	b = b.restart(false)
	// The name goes with the fork: the log states it.
	b.doing = func(_ context.Context, p *page) (string, error) {
		name, _ := p.st.ID().Name()
		return name, nil
	}
	id, err := b.ns.IDFromString(b.ns.IDFromName("then").String())
	if err != nil {
		t.Fatal(err)
	}
	a := b.start(b.ns.Get(id), "Do")
	b.rest()
	if got := decode[string](t, a); got != "then" {
		t.Errorf("the fork is called %q", got)
	}
	b.expect("now", "n=02")
	b.expect("then", "n=01")
	b.do("alarmed", "Restart", b.do("alarmed", "Now"))
	for _, c := range []struct {
		from, to string
		err      error
	}{{"a", "now", engine.ErrNotEmpty}, {"a", "alarmed", engine.ErrNotEmpty}, {"none", "new", engine.ErrNothingStored}} {
		if _, err := fork(c.from, c.to, engine.RestorePoint{}); !errors.Is(err, c.err) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := fork("a", "a", engine.RestorePoint{}); err == nil {
		t.Error("an object was forked into itself")
	}
	b.expect("now", "n=02")
	b.expect("new", "")
}

// TestTravelIsBounded: more looks into the history than fit are refused, and a reset cancels those that wait.
func TestTravelIsBounded(t *testing.T) {
	b := openBook(t, 1, nil)
	b.do("a", "Put", "n", 1)
	mark := b.do("a", "Now")
	const asked = 200
	var answers []*answer
	for range asked {
		answers = append(answers, b.start(b.ns.GetByName("a"), "At", b.pool.Wall()))
	}
	gate := b.HoldTravels()
	b.settle()
	for refused := 0; refused < asked-engine.MaxTravelsForTests; {
		time.Sleep(time.Millisecond) // each asks for the history on a goroutine of its own
		b.settle()
		refused = 0
		for _, a := range answers {
			if a.done {
				refused++
			}
		}
	}
	gate()
	b.rest()
	refused := 0
	for _, a := range answers {
		var e *engine.Error
		if !a.done {
			t.Fatal("not answered")
		}
		if a.got.Err != nil {
			if !errors.As(a.got.Err, &e) || !e.Overloaded {
				t.Fatal(a.got.Err)
			}
			refused++
		}
	}
	if refused != asked-engine.MaxTravelsForTests {
		t.Errorf("%d of %d refused", refused, asked)
	}
	gate = b.HoldTravels()
	a := b.start(b.ns.GetByName("a"), "Next", mark)
	b.settle()
	if n := b.Travelling(); n != 1 {
		t.Errorf("%d under way", n)
	}
	b.start(b.ns.GetByName("a"), "Abort")
	b.settle()
	b.AwaitWork() // although there is no place for it
	if n := b.Travelling(); n != 0 || !a.done || a.got.Err == nil {
		t.Errorf("%d under way after a reset: %+v", n, a)
	}
	gate()
	b.rest()
	if n := b.Staged(); n != 0 {
		t.Errorf("%d staged", n)
	}
	t.Logf("%d of %d refused", refused, asked)
}
