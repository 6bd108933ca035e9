package report

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestComparisons(t *testing.T) {
	a, b := play(900*time.Microsecond, 8000, true, 20, 1), play(700*time.Microsecond, 8800, true, 20, 2)
	b.Config.Connections, b.Machine.Cores, b.Label = 32, 4, "tuned"
	golden(t, "compare.txt", compared(t, a, b, TableOptions{}))
	golden(t, "compare-same-60.txt", compared(t, a, play(900*time.Microsecond, 8000, true, 20, 3), TableOptions{Width: 60}))
}

func TestDifferencesAreNamedFirst(t *testing.T) {
	a, b := play(time.Millisecond, 1000, false, 6, 1), play(time.Millisecond, 1000, true, 6, 1)
	b.Scenario, b.Config.Keys, b.Config.Mix, b.Ended, b.Target, b.Config.Seed = "resp", "zipf 0.99", "", EndedInterrupted, "elsewhere", 99
	b.Config.Other = []Setting{{"method", "GET"}, {"depth", "4"}}
	var got []string
	for _, d := range Compare(a, b).Differences {
		got = append(got, d.Name+": "+d.A+" | "+d.B)
	}
	want := []string{
		"scenario: http | resp", "load: closed loop | open loop, 1,000/s, poisson arrivals", "keys: uniform 100,000 | zipf 0.99", "mix: 90 % reads | -", "method: POST | GET", "depth: - | 4",
		"ended by: time | interrupted",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	out := compared(t, a, b, TableOptions{})
	if at := strings.Index(out, "not made alike"); at < 0 || at > strings.Index(out, "Side by side") {
		t.Errorf("the differences do not come first:\n%s", out)
	}
	if out := compared(t, a, play(time.Millisecond, 1000, false, 6, 2), TableOptions{}); strings.Contains(out, "not made alike") {
		t.Errorf("a difference where there is none:\n%s", out)
	}
}

// drifting are seconds that depend on each other, as those of a run do.
func drifting(rng *rand.Rand, n int, middle, noise, memory float64) []Sample {
	var all []Sample
	state := 0.0
	for i := range n {
		state = memory*state + rng.NormFloat64()*math.Sqrt(1-memory*memory)
		v := middle * (1 + noise*state)
		all = append(all, Sample{At: time.Duration(i+1) * time.Second, Span: time.Second, Requests: int64(v), Latency: Quantiles{P50: time.Duration(v * 100), P99: time.Duration(v * 300), Max: time.Duration(v * 900)}})
	}
	return all
}

func drifted(rng *rand.Rand, n int, middle, noise, memory float64) *Result {
	r := &Result{Series: drifting(rng, n, middle, noise, memory), Latency: NewHistogram()}
	for _, s := range r.Series {
		r.Totals.Requests += s.Requests
		r.Latency.Record(s.Latency.P50)
	}
	r.Totals.Elapsed = time.Duration(n) * time.Second
	return r
}

// Two runs of the same thing must seldom seem different: about one in twenty at the confidence promised. Two that differ by a fifth must nearly always. A test that took seconds for independent would call
// one pair in four of the drifting ones different.
func TestWhatIsCalledADifference(t *testing.T) {
	for _, c := range []struct {
		name                 string
		seconds              int
		noise, memory, ratio float64
		least, most          float64 // share of pairs called different
	}{
		{"the same, shortest", fewestSeconds, 0.05, 0, 1, 0, 0.05},
		{"the same, short", 10, 0.05, 0, 1, 0, 0.05},
		{"the same, long", 60, 0.05, 0, 1, 0, 0.05},
		{"the same, drifting", 60, 0.08, 0.5, 1, 0, 0.1},
		{"the same, steady but for 1 %", 30, 0.001, 0, 1.01, 0, 0},
		{"a fifth more", 10, 0.05, 0, 1.2, 0.97, 1},
		{"a tenth more, drifting", 60, 0.08, 0.5, 1.1, 0.8, 1},
	} {
		const pairs = 150
		rng := rand.New(rand.NewPCG(1, 2))
		found, better := 0, 0
		for range pairs {
			pair := &Comparison{A: drifted(rng, c.seconds, 5000, c.noise, c.memory), B: drifted(rng, c.seconds, 5000*c.ratio, c.noise, c.memory)}
			pair.timed("rate", "", "", 5000, 5000*c.ratio, 1, mean, Sample.Rate)
			m := pair.Measures[0]
			if m.Finding != Same {
				found++
			}
			if m.Finding == Better {
				better++
			}
		}
		share := float64(found) / pairs
		t.Logf("%s: %.3f called different", c.name, share)
		if share < c.least || share > c.most {
			t.Errorf("%s: %.3f of the pairs are called different, want %g to %g", c.name, share, c.least, c.most)
		}
		if c.ratio > 1.05 && better != found {
			t.Errorf("%s: %d of %d are called worse, though B does more", c.name, found-better, found)
		}
	}
}

func TestNoStatementWithoutGround(t *testing.T) {
	find := func(a, b *Result, name string) Measure {
		for _, m := range Compare(a, b).Measures {
			if m.Name == name {
				return m
			}
		}
		t.Fatalf("there is no %s", name)
		return Measure{}
	}
	long, short := play(time.Millisecond, 1000, false, 9, 1), play(2*time.Millisecond, 500, false, 5, 1)
	if m := find(long, short, "requests/s"); m.Finding != Untold || !strings.Contains(m.Why, "too short") {
		t.Errorf("five seconds: %v", m)
	}
	slow := play(2*time.Millisecond, 500, false, 9, 1)
	if m := find(long, slow, "requests/s"); m.Finding != Worse || m.Top > 0.55 || m.Low < 0.45 {
		t.Errorf("half the rate: %v", m)
	}
	if m := find(slow, long, "p50"); m.Finding != Better {
		t.Errorf("half the latency: %v", m)
	}
	if m := find(long, slow, "max"); m.Finding != Untold || m.Why != onlyOne {
		t.Errorf("one figure a run: %v", m)
	}
	// One slow second makes the whole run's p99 what it was before, and every other second says that it is lower.
	stalled := play(800*time.Microsecond, 1000, false, 9, 2)
	stalled.Latency.RecordN(long.Latency.Quantile(0.99), stalled.Latency.Count()/15)
	if m := find(long, stalled, "p99"); m.Finding != Untold || !strings.Contains(m.Why, "a few seconds decide") {
		t.Errorf("one slow second: %+v", m)
	}
	ramp := play(time.Millisecond, 1000, true, 9, 1)
	ramp.Config.RateEnd = 5000
	if m := find(long, ramp, "requests/s"); m.Finding != Untold || !strings.Contains(m.Why, "ramp") {
		t.Errorf("a ramp: %v", m)
	}
	dead := play(time.Millisecond, 1000, false, 9, 1)
	for i := range dead.Series {
		dead.Series[i].Requests = 0
	}
	dead.Totals.Requests = 0
	if m := find(dead, long, "requests/s"); m.Finding != Untold || !math.IsNaN(m.Ratio) {
		t.Errorf("nothing at all before: %v", m)
	}
}
