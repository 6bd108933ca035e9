package report

import (
	"math"
	"math/rand/v2"
	"time"
)

// play makes up a run of a target with the given median latency and rate, the same one every time.
func play(median time.Duration, perSecond float64, open bool, seconds int, seed uint64) *Result {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &Result{
		Tool: "everloop test", Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Command: "everloop bench http http://127.0.0.1:8787/counter/{key}", Scenario: "http",
		Target: "http://127.0.0.1:8787/counter/{key}", Unit: "requests", Ended: EndedTime,
		Machine: Machine{CPU: "Example CPU 3.0 GHz", Cores: 2, Memory: 8 << 30, OS: "Linux 6.1", Arch: "amd64", Go: "go1.26", Load: 0.2},
		Config: Config{
			Open: open, Connections: 64, Pipeline: 1, Warmup: 2 * time.Second, Duration: time.Duration(seconds) * time.Second, Keys: "uniform 100,000", Values: "16 B", Mix: "90 % reads", Seed: 1,
			Other: []Setting{{"method", "POST"}},
		},
		Latency: NewHistogram(),
		Kinds:   []Kind{{Name: "read", Latency: NewHistogram()}, {Name: "write", Latency: NewHistogram()}},
	}
	if open {
		r.Service, r.Config.Rate, r.Config.Arrivals = NewHistogram(), perSecond, "poisson"
	}
	for second := range seconds {
		latency, service := NewHistogram(), NewHistogram()
		n := int(perSecond * (1 + 0.03*rng.NormFloat64()))
		s := Sample{At: time.Duration(second+1) * time.Second, Span: time.Second, InFlight: 64}
		for i := range n {
			d := time.Duration(float64(median) * math.Exp(0.35*rng.NormFloat64()))
			if rng.IntN(400) == 0 {
				d += time.Duration(rng.ExpFloat64() * 4e6) // a garbage collector
			}
			if second == seconds/2 && i%50 == 0 {
				d += time.Duration(rng.ExpFloat64() * 3e7) // a slow disk
			}
			waited := d
			if open {
				waited += time.Duration(rng.ExpFloat64() * 2e5)
				service.Record(d)
			}
			latency.Record(waited)
			k := &r.Kinds[0]
			if i%10 == 0 {
				k = &r.Kinds[1]
				waited += 300 * time.Microsecond
			}
			k.Requests++
			k.Latency.Record(waited)
		}
		s.Requests, s.Latency = int64(n), latency.Quantiles()
		if open {
			q := service.Quantiles()
			s.Service, s.Intended = &q, int64(perSecond)
			r.Service.Merge(service)
			r.Totals.Intended += s.Intended
		}
		if second == seconds/2 {
			s.Errors = 17
		}
		r.Latency.Merge(latency)
		r.Totals.Requests += s.Requests
		r.Totals.Errors += s.Errors
		r.Series = append(r.Series, s)
	}
	r.Totals.Elapsed = time.Duration(seconds) * time.Second
	r.Totals.Sent, r.Totals.Received = 180*r.Totals.Requests, 140*r.Totals.Requests
	r.Totals.GeneratorCPU, r.Totals.GeneratorCores = time.Duration(r.Totals.Requests)*4*time.Microsecond, 2
	r.Totals.ServerCPU, r.Totals.ServerResident = time.Duration(r.Totals.Requests)*9*time.Microsecond, 87e6
	if r.Totals.Errors > 0 {
		r.Errors = []Failure{
			{Kind: "status 503", Count: 15, Example: "HTTP/1.1 503 Service Unavailable: the log cannot be written, so nothing is accepted until the next start", First: 6 * time.Second},
			{Kind: "connection reset", Count: 2, Example: "read tcp 127.0.0.1:50000: connection reset by peer", First: 6500 * time.Millisecond},
		}
	}
	return r
}
