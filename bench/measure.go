package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"everloop/bench/load"
)

// contestant is a server under a load.
type contestant struct {
	kind    kind
	load    workload
	objects int // 0: there are none
}

func (c contestant) String() string {
	name := c.kind.name
	if c.load.name != "" {
		name += ", " + c.load.name
	}
	switch c.objects {
	case 0:
		return name
	case 1:
		return name + ", 1 object"
	}
	return fmt.Sprintf("%s, %d objects", name, c.objects)
}

// paths are what is asked for.
func (c contestant) paths() []string {
	if c.load.answer != "" {
		return []string{c.load.path}
	}
	paths := make([]string, c.objects)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s?id=object-%d", c.load.path, i)
	}
	return paths
}

// sample is what one round measured of one contestant.
type sample struct {
	rate     float64 // requests a second
	p50, p99 time.Duration
	cpu      time.Duration // of the server, a request
	resident int64         // bytes of memory of the server at the end
	batch    float64       // requests an fsync; 0: not known
	cold     int           // objects that may have had their first request while it was measured
	behind   float64       // of a broadcast: the most messages that not all had heard
	own      float64       // of what is not HTTP: the load's own processor time, of the time that it took

	// Of alarms: p50 and p99 are how late they rang, and most the latest. Others are requests to other objects meanwhile.
	most                  time.Duration
	othersP99, othersMost time.Duration
}

// firstRequests bounds the time in which each object gets its first request.
const firstRequests = 15 * time.Second

// measure starts a server, makes load on it, and ends it.
func (b *bench) measure(ctx context.Context, c contestant, seed uint64) (_ sample, err error) {
	s, err := b.start(ctx, c.kind)
	if err != nil {
		return sample{}, err
	}
	ended := false
	defer func() {
		if !ended {
			s.abandon()
		}
		if err != nil {
			err = fmt.Errorf("%v: %w", c, err)
		}
	}()
	m, err := b.loadOn(ctx, s, c, seed)
	if err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, s.Output())
	}
	ended = true
	if err := s.end(); err != nil {
		return sample{}, err
	}
	if c.kind.tells {
		log, err := parseEnded(s.Output())
		if err != nil {
			return sample{}, err
		}
		if log.syncs > 0 {
			m.batch = log.records / log.syncs
		}
	}
	return m, nil
}

func (b *bench) loadOn(ctx context.Context, s *server, c contestant, seed uint64) (m sample, err error) {
	paths := c.paths()
	counters := load.NewCounters(len(paths))
	o := load.Options{Addr: s.addr, Conns: b.conns, Seed: seed, Paths: paths, Check: counters.Check}
	if c.load.answer != "" {
		o.Check = load.Always(c.load.answer)
	}
	g, err := load.Dial(o)
	if err != nil {
		return m, err
	}
	defer g.Close()
	// What an object's first request costs is another question. A server may be so slow at them that a run would take
	// for ever; then the results say so.
	touched, err := g.Run(ctx, load.Until{Each: true, Elapsed: firstRequests})
	if err != nil {
		return m, err
	}
	m.cold = len(paths) - touched.Requests
	if _, err := g.Run(ctx, load.Until{Elapsed: b.warm}); err != nil {
		return m, err
	}
	var logBefore logCounts
	if c.kind.admin {
		if logBefore, err = s.metrics(ctx); err != nil {
			return m, err
		}
	}
	var r *load.Result
	used, resident, err := s.during(func() (err error) {
		r, err = g.Run(ctx, load.Until{Elapsed: b.elapsed})
		return err
	})
	if err != nil {
		return m, err
	}
	if c.kind.admin {
		log, err := s.metrics(ctx)
		if err != nil {
			return m, err
		}
		if c.load.writes {
			m.batch = float64(r.Requests) / log.minus(logBefore).syncs
		}
	}
	if c.load.answer == "" {
		if err := counters.Complete(); err != nil {
			return m, err
		}
	}
	m.rate, m.p50, m.p99 = r.Rate(), r.Quantile(50), r.Quantile(99)
	m.resident = resident
	m.cpu = used / time.Duration(r.Requests)
	return m, nil
}

// compare measures every contestant once a round.
func (b *bench) compare(ctx context.Context, contestants []contestant, r *results) ([][]sample, error) {
	samples := make([][]sample, len(contestants))
	for round := range b.rounds {
		for i, c := range contestants {
			m, err := b.measure(ctx, c, uint64(round))
			if err != nil {
				return nil, err
			}
			b.say("round %d of %d  %-52s %9.0f requests/s  p50 %-8v p99 %-8v %v CPU a request", round+1, b.rounds, c, m.rate, m.p50, m.p99, m.cpu)
			if m.cold > 0 {
				note := fmt.Sprintf("%v, round %d: %d objects had no request within %v of warm-up, so that first requests are in its figures", c, round+1, m.cold, firstRequests)
				b.say("%s", note)
				r.notes = append(r.notes, note)
			}
			samples[i] = append(samples[i], m)
		}
	}
	return samples, nil
}

// compareGo compares the Go counter with a server that keeps nothing: durable, and with a log that nothing waits for.
func (b *bench) compareGo(ctx context.Context, r *results) error {
	cs := []contestant{{hello, greeting, 0}}
	for _, sync := range []string{"always", "none"} {
		for _, objects := range []int{1, b.objects} {
			cs = append(cs, contestant{counterGo(sync), counting, objects})
		}
	}
	samples, err := b.compare(ctx, cs, r)
	if err != nil {
		return err
	}
	t := newTable("Go: a counter that keeps its counts against a server that keeps nothing", requestColumns(), cs, samples)
	for i := 1; i < len(cs); i++ {
		want, what := goal("go-always"), cs[i].String()
		if cs[i].kind.name == counterGo("none").name {
			want = goal("go-none")
		}
		t.ratio(what+": rate, of hello's", samples[i], samples[0], byRate, want).profiled(what, func(b *bench) error {
			_, err := b.measure(ctx, cs[i], 0)
			return err
		})
		t.ratio(what+": requests for the same CPU, of hello's", samples[i], samples[0], byCPU, target{})
	}
	r.tables = append(r.tables, t)
	return nil
}

// dataDir makes an empty directory on the disk that is measured.
func (b *bench) dataDir() (string, error) {
	parent := filepath.Join(b.work, "data")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "run")
}
