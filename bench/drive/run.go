package drive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"everloop/bench/report"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Run opens the target's connections, makes the load of the plan, and closes them. When ctx ends the run ends early, with the verdict
// Interrupted and what was measured until then. The error says that the load could not be made: the connections could
// not be opened, or a session has failed; where something was measured before, the result is there, too.
func Run(ctx context.Context, t Target, p Plan) (*Result, error) {
	p.EnsureDefaults()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	r := &run{plan: p, measured: p.Warmup, spare: make(chan *share, 4*p.Workers), shares: make(chan *share, 4*p.Workers)}
	if p.Duration > 0 {
		r.end = p.Warmup + p.Duration
	}
	workers, err := r.open(ctx, t)
	defer func() {
		for _, w := range workers {
			if w.session != nil {
				_ = w.session.Close() // nothing is lost by it
			}
		}
	}()
	if err != nil {
		return nil, err
	}

	r.base = time.Now()
	result := &Result{Started: r.base.Add(r.measured), Workers: len(workers), Lag: report.NewHistogram()}
	first := -int((p.Warmup + p.Interval - 1) / p.Interval)
	for _, w := range workers {
		w.interval = r.share(first, r.measured+time.Duration(first)*p.Interval)
		result.Conns += w.session.Conns()
	}
	var cpu time.Duration
	r.begin = sync.OnceFunc(func() {
		cpu = usage(unix.RUSAGE_SELF)
		if p.Begin != nil {
			p.Begin()
		}
	})
	if first == 0 {
		r.begin()
	}

	collected := make(chan struct{})
	go func() {
		defer close(collected)
		r.collect(result, len(workers), first)
	}()
	var each errgroup.Group
	for _, w := range workers {
		each.Go(func() error { return w.work(ctx) })
	}
	err = each.Wait()
	close(r.shares)
	<-collected

	r.begin()
	result.CPU = usage(unix.RUSAGE_SELF) - cpu
	r.finish(result, workers)
	if err != nil && !errors.Is(err, context.Canceled) {
		return result, err
	}
	return result, nil
}

// run is a Run while it lasts.
type run struct {
	plan     Plan
	base     time.Time
	measured time.Duration // from when on operations are recorded
	end      time.Duration // when the last is due; 0: Plan.Count alone ends it
	begin    func()        // is called at the beginning of what is measured; only the first call counts

	early    atomic.Pointer[early] // why the run is to end early
	failures atomic.Int64

	shares chan *share // from the workers
	spare  chan *share // to them
}

// stop ends the run early. The first verdict counts.
func (r *run) stop(v Verdict) { r.early.CompareAndSwap(nil, &early{v, time.Since(r.base)}) }

type early struct {
	verdict Verdict
	at      time.Duration
}

// open makes the workers and opens their sessions.
func (r *run) open(ctx context.Context, t Target) ([]*Worker, error) {
	p := &r.plan
	workers := make([]*Worker, p.Workers)
	group, ctx := errgroup.WithContext(ctx)
	first := 0
	for i := range workers {
		conns := p.Conns / p.Workers
		if i < p.Conns%p.Workers {
			conns++
		}
		random := rand.New(rand.NewPCG(p.Seed, uint64(i)))
		w := &Worker{
			Index: i, Workers: p.Workers, First: first, Conns: conns, Depth: p.Depth, Timeout: p.Timeout, Random: random,
			run: r, ops: rand.New(rand.NewPCG(p.Seed, 1<<32+uint64(i))),
			maxOwed: max(p.Owed/p.Workers, 1), lag: report.NewHistogram(),
		}
		w.keys = newChooser(p.Keys, rand.New(rand.NewPCG(p.Seed, 2<<32+uint64(i))), i, p.Workers)
		w.values = newValues(p.Sizes, rand.New(rand.NewPCG(p.Seed, 3<<32+uint64(i))))
		if p.Count > 0 {
			w.limit = p.Count / uint64(p.Workers)
			if uint64(i) < p.Count%uint64(p.Workers) {
				w.limit++
			}
		}
		if p.Rate.open() {
			s := schedule{rate: p.Rate, warm: p.Warmup.Seconds(), length: p.Duration.Seconds()}
			w.due = newArrivals(s, rand.New(rand.NewPCG(p.Seed, 4<<32+uint64(i))), i, p.Workers)
		}
		w.ended = p.Count > 0 && w.limit == 0
		first += conns
		workers[i] = w
		group.Go(func() error {
			s, err := t.Open(ctx, w)
			if err != nil {
				return err
			}
			w.session = s
			if s.Conns() < 1 || s.Depth() < 1 {
				return fmt.Errorf("drive: the target has opened %d connections of depth %d", s.Conns(), s.Depth())
			}
			return nil
		})
	}
	return workers, group.Wait()
}

// share is what one worker did in one interval, or what all did.
type share struct {
	index      int
	begin, end time.Duration
	last       bool // of its worker

	counts, warmup  Counts
	due             uint64
	underWay, owed  int
	reads, writes   *report.Histogram
	service, unsent *report.Histogram
	failed          map[string]Failed
}

func (r *run) share(index int, begin time.Duration) *share {
	var s *share
	select {
	case s = <-r.spare:
		s.reads.Reset()
		s.writes.Reset()
		s.service.Reset()
		s.unsent.Reset()
		*s = share{reads: s.reads, writes: s.writes, service: s.service, unsent: s.unsent, failed: s.failed}
		clear(s.failed)
	default:
		s = &share{
			reads: report.NewHistogram(), writes: report.NewHistogram(), service: report.NewHistogram(), unsent: report.NewHistogram(), failed: make(map[string]Failed),
		}
	}
	s.index, s.begin, s.end = index, begin, begin+r.plan.Interval
	return s
}

func (s *share) latency(write bool) *report.Histogram {
	if write {
		return s.writes
	}
	return s.reads
}

var failureUnfinished = Failure{Kind: "unfinished", Text: "no answer when the run ended"}

// fail counts a failure by its kind.
func (s *share) fail(f *Failure, at time.Duration) {
	s.failures(Failed{Kind: f.Kind, Count: 1, Text: f.Text[:min(len(f.Text), maxFailureText)], First: at})
}

func (s *share) failures(f Failed) {
	old, known := s.failed[f.Kind]
	if !known && len(s.failed) >= maxKinds {
		f.Kind = FailedOther
		old = s.failed[f.Kind]
	}
	if old.Count > 0 && old.First <= f.First {
		f.Text, f.First = old.Text, old.First
	}
	f.Count += old.Count
	s.failed[f.Kind] = f
}

// add adds what another worker did in the same interval, or what was done in a later one.
func (s *share) add(o *share) {
	s.due += o.due
	s.end = max(s.end, o.end)
	s.underWay += o.underWay // of the same interval
	s.owed += o.owed
	s.counts.add(&o.counts)
	s.warmup.add(&o.warmup)
	s.reads.Merge(o.reads)
	s.writes.Merge(o.writes)
	s.service.Merge(o.service)
	s.unsent.Merge(o.unsent)
	for _, f := range o.failed {
		s.failures(f)
	}
}

// collect puts together what the workers hand over.
func (r *run) collect(result *Result, workers, next int) {
	total := r.share(0, 0)
	all := report.NewHistogram()
	pending := make(map[int]*share)
	from := make(map[int]int)
	var ends []int // the last intervals of workers that hand nothing over any more
	whole := func(index int) bool {
		missing := workers - from[index]
		for _, end := range ends {
			if end < index {
				missing--
			}
		}
		return missing == 0
	}
	give := func(s *share) {
		if s.index >= 0 {
			total.add(s)
		} else {
			total.warmup.add(&s.warmup)
			for _, f := range s.failed {
				total.failures(f)
			}
		}
		if r.plan.Observe != nil {
			all.Reset()
			all.Merge(s.reads)
			all.Merge(s.writes)
			all.Merge(s.unsent)
			i := Interval{
				Begin: s.begin - r.measured, Length: s.end - s.begin, Counts: s.counts, Due: s.due, UnderWay: s.underWay, Owed: s.owed, Latency: all,
			}
			if r.plan.Rate.open() {
				i.Service = s.service
			}
			for _, f := range s.failed {
				if f.Count > i.Failure.Count {
					i.Failure = f
				}
			}
			if s.index < 0 {
				i.Started, i.OK, i.Failed = s.warmup.Started, s.warmup.OK, s.warmup.Failed
			}
			r.plan.Observe(i)
		}
		select {
		case r.spare <- s:
		default:
		}
	}
	for s := range r.shares {
		if s.last {
			ends = append(ends, s.index)
		}
		from[s.index]++
		if p := pending[s.index]; p != nil {
			p.add(s)
		} else {
			pending[s.index] = s
		}
		for p := pending[next]; p != nil && whole(next); p = pending[next] {
			give(p)
			delete(pending, next)
			next++
		}
	}
	for _, i := range slices.Sorted(maps.Keys(pending)) {
		give(pending[i])
	}
	result.Counts, result.Warmup = total.counts, total.warmup
	all = report.NewHistogram()
	all.Merge(total.reads)
	all.Merge(total.writes)
	all.Merge(total.unsent)
	result.Times = Times{Latency: all, Reads: total.reads, Writes: total.writes}
	if r.plan.Rate.open() {
		result.Times.Service = total.service
	}
	result.Failed = slices.SortedFunc(maps.Values(total.failed), func(a, b Failed) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
}

// finish says how the run went as a whole.
func (r *run) finish(result *Result, workers []*Worker) {
	result.Verdict = Completed
	last := time.Duration(0)
	for _, w := range workers {
		last = max(last, w.lastDone)
		result.Lag.Merge(w.lag)
	}
	if e := r.early.Load(); e != nil {
		result.Verdict = e.verdict
		last = max(last, e.at)
	} else if r.end > 0 && r.plan.Count == 0 {
		last = max(last, r.end)
	}
	result.Elapsed = max(last-r.measured, 0)
	if !r.plan.Rate.open() {
		result.Lag = nil
	}
}
