package wheel

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// model is a wheel that is plainly right: a list, searched from end to end.
type model struct {
	now    int64
	timers []modelTimer
}

type modelTimer struct {
	name     int
	deadline int64
	handle   Handle
	wasDue   bool // before a Rewind
}

// deadlineNear draws a deadline at any scale, around the edges of levels, in the past and far beyond the end.
func deadlineNear(r *rand.Rand, now int64) int64 {
	switch r.IntN(10) {
	case 0:
		return now - r.Int64N(1000)
	case 1:
		return now
	case 2: // around the beginning of a slot
		shift := levelBits * r.IntN(levels)
		return (now>>shift+1+r.Int64N(64))<<shift + r.Int64N(3) - 1
	case 3:
		return MaxTime + r.Int64N(1<<60)
	case 4:
		return 1<<63 - 1
	default:
		return now + r.Int64N(1<<(1+r.IntN(46)))
	}
}

// step draws how far time moves: mostly little, now and then by years.
func step(r *rand.Rand) int64 { return r.Int64N(1 << (1 + r.IntN(r.IntN(40)+1))) }

// TestAgainstModel runs random histories. At each Advance exactly the due timers must fire, in order of deadline
// except those that were due when they were set; Next must never lie behind the earliest deadline.
func TestAgainstModel(t *testing.T) {
	for i := range 600 {
		seed := rand.Uint64()
		if !history(t, seed, i%2 == 1) {
			t.Fatalf("seed %d, rewinds %v", seed, i%2 == 1)
		}
	}
}

func history(t *testing.T, seed uint64, rewinds bool) (ok bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	start := r.Int64N(1 << (1 + r.IntN(40)))
	w, m := New[int](start), &model{now: start}
	var stale []Handle
	names := 0
	for range 400 {
		switch op := r.IntN(10); {
		case op < 5:
			d := deadlineNear(r, m.now)
			m.timers = append(m.timers, modelTimer{name: names, deadline: d, handle: w.Insert(d, names)})
			names++
		case op < 6 && len(m.timers) > 0:
			i := r.IntN(len(m.timers))
			d := deadlineNear(r, m.now)
			if !w.Rearm(m.timers[i].handle, d) {
				t.Errorf("timer %d could not be moved", m.timers[i].name)
				return false
			}
			m.timers[i].deadline, m.timers[i].wasDue = d, false
		case op < 7 && len(m.timers) > 0:
			i := r.IntN(len(m.timers))
			if !w.Cancel(m.timers[i].handle) {
				t.Errorf("timer %d could not be cancelled", m.timers[i].name)
				return false
			}
			stale = append(stale, m.timers[i].handle)
			m.timers = slices.Delete(m.timers, i, i+1)
		case op < 8 && len(stale) > 0:
			h := stale[r.IntN(len(stale))]
			if w.Cancel(h) || w.Rearm(h, m.now) || w.Cancel(0) || w.Rearm(Handle(r.Uint64()), m.now) {
				t.Error("a stale handle was taken for a pending timer")
				return false
			}
		case op < 9 && rewinds && r.IntN(3) == 0:
			for i := range m.timers {
				m.timers[i].wasDue = m.timers[i].wasDue || m.timers[i].deadline <= m.now
			}
			m.now = max(0, m.now-step(r))
			w.Rewind(m.now)
			w.Rewind(m.now + step(r)) // forward it does not go
		default:
			if !advance(t, r, w, m, &stale, rewinds) {
				return false
			}
		}
		if w.Now() != m.now {
			t.Errorf("the time is %d, want %d", w.Now(), m.now)
			return false
		}
		if w.Len() != len(m.timers) {
			t.Errorf("%d timers, want %d", w.Len(), len(m.timers))
			return false
		}
		if next, some := w.Next(); some != (len(m.timers) > 0) {
			t.Errorf("Next reports %v with %d timers", some, len(m.timers))
			return false
		} else if some {
			earliest := slices.MinFunc(m.timers, func(a, b modelTimer) int { return int(min(1, max(-1, a.deadline-b.deadline))) })
			if limit := max(m.now, min(earliest.deadline, MaxTime)); next > limit || next < m.now {
				t.Errorf("Next is %d, the time %d, the earliest deadline %d", next, m.now, earliest.deadline)
				return false
			}
		}
	}
	return true
}

// advance moves the time; with gives up, not always as far as it was to go.
func advance(t *testing.T, r *rand.Rand, w *Wheel[int], m *model, stale *[]Handle, givesUp bool) bool {
	to := m.now + step(r)
	var due, got []int
	overdue := map[int]bool{} // due before the step: these come in no order
	keep := m.timers[:0:0]
	left := map[int]modelTimer{}
	slices.SortStableFunc(m.timers, func(a, b modelTimer) int { return int(min(1, max(-1, a.deadline-b.deadline))) })
	deadline := map[int]int64{}
	for _, x := range m.timers {
		if x.deadline <= to {
			due = append(due, x.name)
			deadline[x.name] = x.deadline
			left[x.name] = x
			overdue[x.name] = x.deadline <= m.now || x.wasDue
		} else {
			keep = append(keep, x)
		}
	}
	m.timers = keep
	limit := 1 + r.IntN(20)
	// Steps: each timer fires once, and may move down each level once.
	for rounds := 0; ; rounds++ {
		before := len(got)
		more := w.Advance(to, limit, func(name int) {
			got = append(got, name)
			*stale = append(*stale, left[name].handle)
			delete(left, name)
		})
		if len(got)-before > limit {
			t.Errorf("%d timers fired with a limit of %d", len(got)-before, limit)
			return false
		}
		if !more {
			break
		}
		if next, ok := w.Next(); !ok || next > to {
			t.Errorf("Advance reports more at %d, and Next is %d", to, next)
			return false
		}
		if rounds > 400*(levels+1) {
			t.Error("Advance does not come to an end")
			return false
		}
		if givesUp && r.IntN(8) == 0 {
			if to = w.Now(); to < m.now {
				t.Errorf("the time went back from %d to %d", m.now, to)
				return false
			}
			for _, x := range left {
				m.timers = append(m.timers, x)
			}
			due = slices.DeleteFunc(due, func(name int) bool { _, is := left[name]; return is })
			break
		}
	}
	m.now = to
	last := int64(-1 << 62)
	for _, name := range got {
		d, ok := deadline[name]
		if !ok {
			t.Errorf("timer %d fired early", name)
			return false
		}
		if overdue[name] {
			continue
		}
		if d < last {
			t.Errorf("a timer of %d fired after one of %d", d, last)
			return false
		}
		last = d
	}
	slices.Sort(got)
	slices.Sort(due)
	if !slices.Equal(got, due) {
		t.Errorf("fired %v, want %v", got, due)
		return false
	}
	return true
}

// Timers that are set and cancelled by others' firing, during Advance and around its limit.
func TestChangesWhileFiring(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	type timer struct {
		deadline int64
		handle   Handle
		fired    bool
		stopped  bool
	}
	w := New[int](0)
	var timers []*timer
	set := func(d int64) {
		x := &timer{deadline: d}
		timers = append(timers, x)
		x.handle = w.Insert(d, len(timers)-1)
	}
	for range 1000 {
		set(r.Int64N(5000))
	}
	now := int64(0)
	for len(timers) < 20_000 {
		now += r.Int64N(50)
		for more := true; more; {
			more = w.Advance(now, 1+r.IntN(10), func(i int) {
				x := timers[i]
				if x.fired || x.stopped || x.deadline > now {
					t.Fatalf("timer %d for %d at %d: fired %v, cancelled %v", i, x.deadline, now, x.fired, x.stopped)
				}
				x.fired = true
				for range r.IntN(3) {
					set(now + r.Int64N(3000) - 5)
				}
				y := timers[r.IntN(len(timers))]
				switch pending := !y.fired && !y.stopped; r.IntN(3) {
				case 0:
					if w.Cancel(y.handle) != pending {
						t.Fatal("Cancel is wrong about a timer")
					}
					y.stopped = y.stopped || pending
				case 1:
					d := now + r.Int64N(1000)
					if w.Rearm(y.handle, d) != pending {
						t.Fatal("Rearm is wrong about a timer")
					}
					if pending {
						y.deadline = d
					}
				}
			})
			if more && len(timers) > 20_000 {
				break
			}
		}
		if w.Len() == 0 {
			set(now + 1)
		}
	}
	for w.Advance(now+10_000, 1000, func(i int) { timers[i].fired = true }) {
	}
	for i, x := range timers {
		if x.fired == x.stopped {
			t.Fatalf("timer %d: fired %v, cancelled %v", i, x.fired, x.stopped)
		}
	}
}

// A timer that sets itself anew for a time that has come fires in the next Advance, not without end in this one.
func TestDueTimerSetWhileFiring(t *testing.T) {
	w := New[int](0)
	n := 0
	again := func(int) { n++; w.Insert(5, 0) }
	w.Insert(5, 0)
	for want := 1; want < 5; want++ {
		more := w.Advance(10, 100, again)
		if n != want || !more {
			t.Fatalf("%d firings, more %v, want %d, true", n, more, want)
		}
	}
}

// A node that is used again must not be reached by its former handle, however often.
func TestHandlesOfReusedNodes(t *testing.T) {
	w := New[int](0)
	seen := map[Handle]bool{}
	for i := range 10_000 {
		h := w.Insert(int64(i), i)
		if h == 0 || seen[h] {
			t.Fatalf("handle %d was given twice", h)
		}
		seen[h] = true
		w.Cancel(h)
	}
	if n := w.count - lists; n != 1 {
		t.Errorf("%d nodes for one timer at a time", n)
	}
	w.node(lists).gen = 1<<32 - 1
	h := w.Insert(1, 0)
	w.Cancel(h)
	if h := w.Insert(1, 0); h>>32 == 0 {
		t.Error("a generation is 0")
	}
}

func TestNothingAllocatesOnceGrown(t *testing.T) {
	w := New[int](0)
	for i := range 1000 {
		w.Insert(int64(i), i)
	}
	w.Advance(2000, 1<<30, func(int) {})
	now := int64(2000)
	if n := testing.AllocsPerRun(100, func() {
		var hs [100]Handle
		for i := range hs {
			hs[i] = w.Insert(now+int64(i)*100, i)
		}
		for i, h := range hs {
			w.Rearm(h, now+int64(i)*77)
			if i%2 == 0 {
				w.Cancel(h)
			}
		}
		now += 20_000
		w.Advance(now, 1<<30, func(int) {})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzWheel(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { history(t, seed, seed%2 == 1) })
}

// The benchmarks hold a million timers with deadlines within a day, as time-outs and alarms of many objects are.

const many = 1 << 20

func filled(r *rand.Rand) (*Wheel[uint32], []Handle) {
	w := New[uint32](0)
	hs := make([]Handle, many)
	for i := range hs {
		hs[i] = w.Insert(r.Int64N(86_400_000), uint32(i))
	}
	return w, hs
}

func BenchmarkInsertCancel(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	w, _ := filled(r)
	b.ReportAllocs()
	for b.Loop() {
		w.Cancel(w.Insert(r.Int64N(86_400_000), 0))
	}
}

func BenchmarkInsert(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	w, hs := filled(r)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		if n == len(hs) {
			b.StopTimer()
			for _, h := range hs {
				w.Cancel(h)
			}
			n = 0
			b.StartTimer()
		}
		hs[n] = w.Insert(r.Int64N(86_400_000), 0)
		n++
	}
	b.ReportMetric(float64(len(w.nodes))*float64(unsafe.Sizeof(slab{}))/float64(w.count), "B/timer")
}

func BenchmarkRearm(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	w, hs := filled(r)
	b.ReportAllocs()
	for b.Loop() {
		w.Rearm(hs[r.IntN(many)], r.Int64N(86_400_000))
	}
}

// BenchmarkRearmOne is what a connection's idle time-out does: the same timer, put off again and again.
func BenchmarkRearmOne(b *testing.B) {
	w := New[uint32](0)
	h := w.Insert(30_000, 0)
	now := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		now++
		w.Rearm(h, now+30_000)
	}
}

// BenchmarkFire counts all that a timer costs from being set to firing, moving down the levels included.
func BenchmarkFire(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	w, _ := filled(r)
	now, left := int64(0), 0
	fire := func(uint32) { left--; w.Insert(now+r.Int64N(86_400_000), 0) }
	b.ReportAllocs()
	for b.Loop() {
		left = 1
		for left > 0 {
			now += 64
			w.Advance(now, 1<<30, fire)
		}
		for ; left < 0; left++ { // what fired beyond the one counts as well
			if !b.Loop() {
				return
			}
		}
	}
}
