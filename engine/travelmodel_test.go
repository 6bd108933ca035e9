package engine_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal/waltest"
)

// travelRun is a random history of one object that goes back in time, beside others that only write, and what is known of it.
type travelRun struct {
	*book
	random *rand.Rand
	// marks are bookmarks, with what the object was; times are moments of the clock.
	marks []marked
	now   string  // what the object is
	next  *string // what it is to be when it starts next
	log   []string
	keys  []string
	count map[string]int
	// undos are bookmarks of the ends of sessions, with what the object was then, once they have ended.
	undos []marked
	open  []string // of sessions that have not ended in a restore
	names int
}

type marked struct{ mark, want string }

func (r *travelRun) say(format string, args ...any) {
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *travelRun) check(what string) {
	r.t.Helper()
	if got := r.do("a", "All"); got != r.now {
		r.t.Fatalf("%s: the object is %q, want %q\n%s", what, got, r.now, strings.Join(r.log, "\n"))
	}
}

// started is called when the object's session has ended: the next one begins. The bookmark of a restore that was called off names the end of the session in which
// the object is restored next.
func (r *travelRun) started() {
	if r.next == nil {
		return
	}
	for _, m := range r.open {
		r.undos = append(r.undos, marked{m, r.now})
	}
	r.open, r.now, r.next = nil, *r.next, nil
}

func (r *travelRun) step() {
	r.pool.Jump(time.Duration(r.random.IntN(2000)) * time.Millisecond)
	key := r.keys[r.random.IntN(len(r.keys))]
	pick := func(from []marked) marked { return from[r.random.IntN(len(from))] }
	switch n := r.random.IntN(100); {
	case n < 30:
		r.say("put %s", key)
		r.do("a", "Put", key, r.random.IntN(10))
		r.now = r.do("a", "All")
	case n < 40:
		r.say("delete %s", key)
		r.do2("a", "Delete", key)
		r.now = r.do("a", "All")
	case n < 43:
		r.say("deleteAll")
		r.do("a", "DeleteAll")
		r.now, r.next = "", nil
	case n < 55:
		r.do([]string{"b", "c"}[n%2], "Put", key, n)
	case n < 65:
		m := r.do("a", "Now")
		r.say("mark %s: %s", m[:25], r.now)
		r.marks = append(r.marks, marked{m, r.now})
		r.marks = append(r.marks, marked{r.do("a", "At", r.pool.Wall()), r.now})
	case n < 75:
		r.say("snapshot")
		var failed error
		r.BeginSnapshot(func(_ engine.SnapshotInfo, err error) { failed = err })
		if n%2 == 0 { // things happen while it is made
			r.do("a", "Put", key, n%10)
			r.now = r.do("a", "All")
		}
		r.rest()
		if failed != nil {
			r.t.Fatal(failed)
		}
		r.count["snapshots"]++
	case n < 80:
		r.say("restart")
		r.book = r.restartWith(withSnapshots)
		r.started()
		r.count["restarts"]++
	case n < 84:
		r.say("abort")
		r.try("a", "Abort")
		r.started()
	case n < 92 && len(r.marks) > 0:
		m := pick(r.marks)
		if len(r.undos) > 0 && n%2 == 0 {
			m = pick(r.undos)
		}
		r.say("next %s: %s", m.mark[:25], m.want)
		r.open = append(r.open, r.do("a", "Next", m.mark))
		r.next = &m.want
		r.count["staged"]++
	case n < 96 && len(r.marks) > 0:
		m := pick(r.marks)
		if m.want == "" && r.now == "" {
			return
		}
		r.say("restore %s: %s", m.mark[:25], m.want)
		got, err := r.restore("a", engine.RestorePoint{Bookmark: engine.Bookmark(m.mark)})
		if err != nil {
			r.t.Fatalf("%v\n%s", err, strings.Join(r.log, "\n"))
		}
		r.marks = append(r.marks, marked{string(got.Undo), r.now})
		r.next = &m.want
		r.started()
		r.count["restored"]++
	case len(r.marks) > 0:
		m := pick(r.marks)
		if m.want == "" {
			return
		}
		r.names++
		name := fmt.Sprint("fork ", r.names)
		r.say("fork %s", m.mark[:25])
		var err error
		r.outside(func() {
			_, err = r.ForkObject(context.Background(), "Page", r.ns.IDFromName("a"), r.ns.IDFromName(name), engine.RestorePoint{Bookmark: engine.Bookmark(m.mark)})
		})
		if err != nil {
			r.t.Fatalf("%v\n%s", err, strings.Join(r.log, "\n"))
		}
		if got := r.do(name, "All"); got != m.want {
			r.t.Fatalf("the fork is %q, want %q\n%s", got, m.want, strings.Join(r.log, "\n"))
		}
		r.count["forks"]++
	}
	r.check(r.log[max(0, len(r.log)-1)])
}

// do2 is do for a method whose result nobody needs.
func (b *book) do2(name, method string, args ...any) {
	b.t.Helper()
	if got := b.try(name, method, args...); got.Err != nil {
		b.t.Fatalf("%s.%s: %v", name, method, got.Err)
	}
}

// withSnapshots makes snapshots where they are asked for, on the goroutine that steps.
func withSnapshots(o *engine.Options) {
	o.SnapshotLog, o.SnapshotAge = -1, -1
	o.SnapshotWork = func(work func()) { work() }
}

func (b *book) restartWith(tune ...func(*engine.Options)) *book {
	log := b.log
	next := openBook(b.t, 1, func(o waltest.MemOptions) *waltest.MemLog { return log.Crash(true, o) }, tune...)
	next.pool.Jump(time.Duration(b.pool.Wall()-next.pool.Wall()) * time.Millisecond) // a new pool's clock begins anew
	return next
}

var travelHistories = flag.Int("histories", 60, "how many random histories of an object that goes back in time")

// TestTravelModel compares random histories with what is to be expected: with snapshots, restarts, restores and undos in any order.
func TestTravelModel(t *testing.T) {
	histories, steps := *travelHistories, 80
	if testing.Short() {
		histories = min(histories, 10)
	}
	total := map[string]int{}
	for seed := range uint64(histories) {
		r := &travelRun{book: openBook(t, 1+int(seed%2), nil, withSnapshots), random: rand.New(rand.NewPCG(seed, 5)), count: total}
		for i := range 6 {
			r.keys = append(r.keys, fmt.Sprint("k", i))
		}
		r.say("seed %d", seed)
		for range steps {
			r.step()
		}
	}
	t.Logf("%d histories of %d steps: %v", histories, steps, total)
	for _, what := range []string{"snapshots", "restarts", "staged", "restored", "forks"} {
		if total[what] < histories/2 {
			t.Errorf("only %d %s", total[what], what)
		}
	}
}
