package drive

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a target whose operations take what took says, in the time of a synctest bubble.
type fake struct {
	depth int
	took  func(at time.Duration, op *Op) (time.Duration, *Failure)
	seen  func(op *Op)
}

type fakeSession struct {
	fake
	w    *Worker
	base time.Time
	busy []fakeOp
}

type fakeOp struct {
	at   time.Time
	conn int
	op   Op
	f    *Failure
}

func (f fake) Open(_ context.Context, w *Worker) (Session, error) {
	f.depth = max(f.depth, 1)
	return &fakeSession{fake: f, w: w, base: time.Now()}, nil
}

func (s *fakeSession) Conns() int   { return s.w.Conns }
func (s *fakeSession) Depth() int   { return s.depth }
func (s *fakeSession) Close() error { return nil }

func (s *fakeSession) Start(conn int, op *Op) {
	if s.seen != nil {
		s.seen(op)
	}
	now := time.Now()
	took, f := s.took(now.Sub(s.base), op)
	s.busy = append(s.busy, fakeOp{now.Add(took), conn, *op, f})
}

func (s *fakeSession) Wait(d time.Duration) error {
	slices.SortStableFunc(s.busy, func(a, b fakeOp) int { return a.at.Compare(b.at) })
	if len(s.busy) > 0 {
		d = min(d, time.Until(s.busy[0].at))
	}
	time.Sleep(max(d, 0)) // the time of the bubble: it steps to the next thing that happens
	s.w.Stamp()
	for len(s.busy) > 0 && !s.busy[0].at.After(time.Now()) {
		b := s.busy[0]
		s.busy = s.busy[1:]
		s.w.Done(b.conn, &b.op, b.f)
	}
	return nil
}

// steady takes 1 ms.
func steady(time.Duration, *Op) (time.Duration, *Failure) { return time.Millisecond, nil }

// stalled takes 1 ms, but does nothing in the second that begins at 2 s.
func stalled(at time.Duration, _ *Op) (time.Duration, *Failure) {
	if at >= 2*time.Second && at < 3*time.Second {
		return 3*time.Second - at + time.Millisecond, nil
	}
	return time.Millisecond, nil
}

func play(t *testing.T, f fake, p Plan) *Result {
	t.Helper()
	var r *Result
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = Run(t.Context(), f, p); err != nil {
			t.Fatal(err)
		}
	})
	if c := r.Counts; c.Started != c.OK+c.Failed+c.Unsent {
		t.Errorf("%d were started, but %d were done, %d failed and %d were not sent", c.Started, c.OK, c.Failed, c.Unsent)
	}
	if n := r.Times.Latency.Count(); n != int64(r.Counts.OK+r.Counts.Unsent) {
		t.Errorf("%d latencies of %d operations", n, r.Counts.OK+r.Counts.Unsent)
	}
	return r
}

func quantile(r *Result, q float64) time.Duration {
	return r.Times.Latency.Quantile(q / 100).Round(time.Millisecond / 10)
}

// A server that stands still for a second of ten: what an open loop's clients see is a tenth of all requests that wait, half a
// second on average. A closed loop asks one request meanwhile.
func TestStallShowsInOpenLoop(t *testing.T) {
	p := Plan{Conns: 4, Duration: 10 * time.Second}
	closed := play(t, fake{took: stalled}, p)
	if p99 := quantile(closed, 99); p99 != time.Millisecond {
		t.Errorf("closed loop: p99 is %v, want 1ms: it does not ask while it waits", p99)
	}
	if n := closed.Counts.OK; n < 35_000 || n > 36_100 {
		t.Errorf("closed loop: %d operations, want 4 a millisecond in 9 of 10 s", n)
	}

	p.Rate = Rate{From: 1000}
	open := play(t, fake{took: stalled}, p)
	if n := open.Counts.OK; n != 10_000 {
		t.Errorf("open loop: %d operations, want 10000", n)
	}
	if p50 := quantile(open, 50); p50 != time.Millisecond {
		t.Errorf("open loop: p50 is %v, want 1ms", p50)
	}
	if p95, p99, most := quantile(open, 95), quantile(open, 99), quantile(open, 100); p95 < 500*time.Millisecond || p99 < 900*time.Millisecond || most < 999*time.Millisecond {
		t.Errorf("open loop: p95 %v, p99 %v, at most %v: want about 0.6 s, 0.9 s, 1 s", p95, p99, most)
	}
	if service := open.Times.Service.Quantile(0.99).Round(time.Millisecond); service != time.Millisecond {
		t.Errorf("open loop: the service time's p99 is %v, want 1ms: four requests wait for the server, the others for a connection", service)
	}
	if open.Verdict != Completed || open.Elapsed < 10*time.Second || open.Elapsed > 10*time.Second+10*time.Millisecond {
		t.Errorf("open loop: %s after %v, want it completed after 10s", open.Verdict, open.Elapsed)
	}
}

// What is due and cannot be sent counts, and a server that is too slow for good is named.
func TestOwed(t *testing.T) {
	slow := func(time.Duration, *Op) (time.Duration, *Failure) { return 10 * time.Millisecond, nil }
	r := play(t, fake{took: slow}, Plan{Conns: 1, Duration: 10 * time.Second, Rate: Rate{From: 1000}, Owed: 500})
	if r.Verdict != ServerSaturated {
		t.Errorf("the verdict is %q, want %q", r.Verdict, ServerSaturated)
	}
	// After about 555 ms 500 are owed, and 55 done.
	if r.Counts.Unsent < 490 || r.Elapsed > time.Second {
		t.Errorf("%d were not sent within %v, want about 500 within 0.6 s", r.Counts.Unsent, r.Elapsed)
	}
	if r.Times.Latency.Max() < 400*time.Millisecond {
		t.Errorf("the longest wait is %v: what was not sent has waited longer", r.Times.Latency.Max())
	}

	// Where the time is over first, a second is left for what is owed.
	r = play(t, fake{took: slow}, Plan{Conns: 1, Duration: 2 * time.Second, Rate: Rate{From: 1000}})
	if r.Verdict != Completed || r.Counts.Started != 2000 || r.Counts.OK < 299 || r.Counts.OK > 302 {
		t.Errorf("%s, %d of %d done: want it completed, 300 of 2000 done", r.Verdict, r.Counts.OK, r.Counts.Started)
	}
}

// An answer that never comes is not waited for without end, and counts as failed.
func TestUnfinished(t *testing.T) {
	never := func(time.Duration, *Op) (time.Duration, *Failure) { return time.Hour, nil }
	r := play(t, fake{took: never}, Plan{Conns: 3, Duration: time.Second, Timeout: 2 * time.Second})
	if r.Counts.Failed != 3 || len(r.Failed) != 1 || r.Failed[0].Kind != failureUnfinished.Kind || r.Failed[0].Count != 3 {
		t.Errorf("%d failed (%v), want 3 that are unfinished", r.Counts.Failed, r.Failed)
	}
}

func TestWarmupIsNotRecorded(t *testing.T) {
	for _, rate := range []float64{0, 100} {
		cold := func(at time.Duration, op *Op) (time.Duration, *Failure) {
			if at < time.Second {
				return 20 * time.Millisecond, nil
			}
			return steady(at, op)
		}
		r := play(t, fake{took: cold}, Plan{Conns: 2, Warmup: 1100 * time.Millisecond, Duration: time.Second, Rate: Rate{From: rate}})
		if most := quantile(r, 100); most != time.Millisecond {
			t.Errorf("rate %v: the longest latency is %v, which was the warm-up's", rate, most)
		}
		if r.Warmup.OK == 0 {
			t.Errorf("rate %v: nothing was done while warming up", rate)
		}
		if rate > 0 && r.Counts.OK != 100 {
			t.Errorf("rate %v: %d operations, want 100", rate, r.Counts.OK)
		}
	}
}

// The intervals add up to the result, also with several workers that end at different times, and come in order.
func TestIntervals(t *testing.T) {
	for _, p := range []Plan{
		{Conns: 5, Workers: 3, Duration: 2 * time.Second, Warmup: 250 * time.Millisecond},
		{Conns: 5, Workers: 3, Count: 1001},
		{Conns: 5, Workers: 3, Duration: 2 * time.Second, Rate: Rate{From: 500, Random: true}},
	} {
		var ok uint64
		before := -time.Hour
		p.Interval = 100 * time.Millisecond
		p.Observe = func(i Interval) {
			if i.Begin <= before {
				t.Errorf("the interval from %v comes behind the one from %v", i.Begin, before)
			}
			before = i.Begin
			if i.Begin >= 0 {
				ok += i.OK
				if n := i.Latency.Count(); uint64(n) != i.OK {
					t.Errorf("%d latencies of %d operations", n, i.OK)
				}
			}
		}
		fake := fake{took: steady}
		if p.Workers = min(p.Workers, p.Conns); p.Count > 0 {
			fake.took = func(at time.Duration, op *Op) (time.Duration, *Failure) {
				return time.Duration(1+op.Number%3) * time.Millisecond, nil // one worker is slower
			}
		}
		r := play(t, fake, p)
		if ok != r.Counts.OK {
			t.Errorf("the intervals have %d operations, the result %d", ok, r.Counts.OK)
		}
		if p.Count > 0 && r.Counts.OK != p.Count {
			t.Errorf("%d operations, want %d", r.Counts.OK, p.Count)
		}
	}
}

func TestFailures(t *testing.T) {
	third := func(at time.Duration, op *Op) (time.Duration, *Failure) {
		if op.Number%3 == 0 {
			return time.Millisecond, &Failure{Kind: "status 500", Text: "no " + string('a'+rune(op.Number%26))}
		}
		return steady(at, op)
	}
	r := play(t, fake{took: third}, Plan{Conns: 1, Count: 30})
	if want := []Failed{{"status 500", 10, "no a", time.Millisecond}}; !slices.Equal(r.Failed, want) || r.Counts.Failed != 10 {
		t.Errorf("%d failed: %v, want %v", r.Counts.Failed, r.Failed, want)
	}
	r = play(t, fake{took: third}, Plan{Conns: 1, Duration: time.Minute, MaxFailures: 7})
	if r.Verdict != TooManyFailures || r.Counts.Failed != 7 {
		t.Errorf("%s with %d, want it to end with 7", r.Verdict, r.Counts.Failed)
	}
	many := func(at time.Duration, op *Op) (time.Duration, *Failure) {
		return time.Millisecond, &Failure{Kind: time.Duration(op.Number).String()}
	}
	if r = play(t, fake{took: many}, Plan{Conns: 1, Count: 200}); len(r.Failed) > maxKinds+1 {
		t.Errorf("%d kinds of failures are kept", len(r.Failed))
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r, err := Run(ctx, fake{took: steady}, Plan{Conns: 1, Duration: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != Interrupted || r.Counts.OK < 2900 || r.Elapsed > 4*time.Second {
			t.Errorf("%s after %v with %d operations, want it interrupted after 3s with 3000", r.Verdict, r.Elapsed, r.Counts.OK)
		}
	})
}

// The number of operations due until an instant is the integral of the rate.
func TestSchedule(t *testing.T) {
	for _, test := range []struct {
		rate  string
		x, at float64 // measured behind a warm-up of 2 s
	}{
		{"100", 0, 0},
		{"100", 250, 2.5},
		{"100-300", 100, 1},
		{"100-300", 200 + 2000, 12},
		{"100-300", 200 + 750, 7}, // 5 s: 500 + 250
		{"300-100", 600 + 2000, 12},
		{"100-300/3", 200 + 1000.0/3, 2 + 10.0/3},
		{"100-300/3", 200 + 1000.0/3 + 2000.0/3, 2 + 20.0/3},
		{"100-300/3", 200 + 2000, 12},
	} {
		r, err := ParseRate(test.rate)
		if err != nil {
			t.Fatal(err)
		}
		if r.String() != test.rate {
			t.Errorf("%q is written as %q", test.rate, r.String())
		}
		s := schedule{rate: r, warm: 2, length: 10}
		if at := s.at(test.x); math.Abs(at-test.at) > 1e-9 {
			t.Errorf("rate %s: operation %v is due after %v s, want %v", test.rate, test.x, at, test.at)
		}
	}
	for _, bad := range []string{"", "0", "-5", "x", "5-", "1-2/1", "5/3", "1e9", "NaN", "1-2/1001"} {
		if r, err := ParseRate(bad); err == nil {
			t.Errorf("%q is a rate: %v", bad, r)
		}
	}
}

// Workers together make the rate, whether evenly or by chance.
func TestArrivals(t *testing.T) {
	for _, random := range []bool{false, true} {
		var gaps []float64
		var all []time.Duration
		for w := range 4 {
			s := schedule{rate: Rate{From: 1000, To: 1000, Random: random}, length: 100}
			a := newArrivals(s, rand.New(rand.NewPCG(1, uint64(w))), w, 4)
			for a.ahead < 100*time.Second {
				all = append(all, a.pop())
			}
		}
		slices.Sort(all)
		for i := 1; i < len(all); i++ {
			gaps = append(gaps, (all[i]-all[i-1]).Seconds()*1000)
		}
		mean, square := 0.0, 0.0
		for _, g := range gaps {
			mean += g / float64(len(gaps))
			square += g * g / float64(len(gaps))
		}
		deviation := math.Sqrt(square - mean*mean)
		want := 0.0 // evenly
		if random {
			want = 1 // of an exponential distribution it is the mean
		}
		if math.Abs(mean-1) > 0.02 || math.Abs(deviation-want) > 0.02 {
			t.Errorf("random %v: gaps of %.3f on average, deviation %.3f, want 1 and %v", random, mean, deviation, want)
		}
	}
}

func TestKeys(t *testing.T) {
	const n = 200_000
	count := func(s string, keys uint64) []float64 {
		k, err := ParseKeys(s)
		if err != nil {
			t.Fatal(err)
		}
		if k.String() != s {
			t.Errorf("%q is written as %q", s, k.String())
		}
		k.Count = keys
		c := newChooser(k, rand.New(rand.NewPCG(3, 4)), 0, 1)
		shares := make([]float64, keys)
		for range n {
			shares[c.choose()] += 1.0 / n
		}
		return shares
	}
	for _, theta := range []string{"0.5", "0.99", "1", "1.5"} {
		e, _ := ParseKeys("zipf:" + theta)
		shares := count("zipf:"+theta, 50)
		sum := 0.0
		for k := range shares {
			sum += math.Pow(float64(k+1), -e.Theta)
		}
		for k, share := range shares {
			if want := math.Pow(float64(k+1), -e.Theta) / sum; math.Abs(share-want) > 0.004 {
				t.Errorf("zipf:%s: key %d has a share of %.4f, want %.4f", theta, k, share, want)
			}
		}
	}
	for k, share := range count("uniform", 20) {
		if math.Abs(share-0.05) > 0.004 {
			t.Errorf("uniform: key %d has a share of %.4f, want 0.05", k, share)
		}
	}
	for k, share := range count("sequential", 20) {
		if math.Abs(share-0.05) > 1e-9 {
			t.Errorf("sequential: key %d has a share of %.4f, want 0.05", k, share)
		}
	}
	if shares := count("hot:0.9", 11); math.Abs(shares[0]-0.9) > 0.004 || math.Abs(shares[10]-0.01) > 0.002 {
		t.Errorf("hot:0.9: shares are %v", shares)
	}
	if shares := count("hot:1", 11); shares[0] < 0.999 {
		t.Errorf("hot:1: shares are %v", shares)
	}
	for _, bad := range []string{"", "zipfs", "zipf:0", "zipf:x", "hot:0", "hot:1.1", "uniform:3", "zipf:NaN"} {
		if k, err := ParseKeys(bad); err == nil {
			t.Errorf("%q is a distribution: %v", bad, k)
		}
	}
}

func TestSizes(t *testing.T) {
	for s, want := range map[string][]int{"0": {0}, "64": {64}, "3-5": {3, 4, 5}, "1,100,7": {1, 7, 100}} {
		z, err := ParseSizes(s)
		if err != nil {
			t.Fatal(err)
		}
		if z.String() != s {
			t.Errorf("%q is written as %q", s, z.String())
		}
		v := newValues(z, rand.New(rand.NewPCG(1, 1)))
		seen := map[int]bool{}
		for range 200 {
			seen[len(v.next())] = true
		}
		for _, n := range want {
			if !seen[n] || len(seen) != len(want) {
				t.Errorf("%q: lengths are %v, want %v", s, seen, want)
			}
		}
	}
	for _, bad := range []string{"", "-1", "5-3", "x", "1,,2", "99999999999"} {
		if z, err := ParseSizes(bad); err == nil {
			t.Errorf("%q are sizes: %v", bad, z)
		}
	}
}

// The same seed gives the same operations.
func TestSeed(t *testing.T) {
	ops := func(seed uint64) (seen []Op) {
		keys, _ := ParseKeys("zipf:0.9")
		keys.Count = 1000
		f := fake{took: steady, seen: func(op *Op) { o := *op; o.Value = slices.Clone(op.Value); seen = append(seen, o) }}
		play(t, f, Plan{Conns: 1, Count: 100, Keys: keys, Sizes: Sizes{Low: 1, High: 9}, Writes: 0.5, Seed: seed})
		return seen
	}
	same := func(a, b Op) bool {
		return a.Key == b.Key && a.Write == b.Write && string(a.Value) == string(b.Value) && a.Number == b.Number
	}
	if a, b := ops(7), ops(7); !slices.EqualFunc(a, b, same) {
		t.Error("the same seed gives other operations")
	}
	if a, b := ops(7), ops(8); slices.EqualFunc(a, b, same) {
		t.Error("another seed gives the same operations")
	}
	writes := 0
	for _, op := range ops(1) {
		if op.Write != (op.Value != nil) {
			t.Errorf("a write %v has the value %q", op.Write, op.Value)
		}
		if op.Write {
			writes++
		}
	}
	if writes < 30 || writes > 70 {
		t.Errorf("%d of 100 are writes, want about half", writes)
	}
}
