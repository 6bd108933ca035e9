package drive

import (
	"errors"
	"fmt"
	"time"
)

// Plan says what a run does. It needs an end, Duration or Count; everything else has defaults.
type Plan struct {
	// Conns is the number of connections of all workers. Default 64, at most 1,000,000.
	Conns int
	// Depth is how many operations a connection has under way at most (pipelining). Default 1, at most 10,000. A target that cannot do
	// this takes one.
	Depth int
	// Workers is the number of goroutines that make the load, each on a thread of its own. Default 1. No more are used than there are connections.
	Workers int

	// Rate, if not zero, is an open loop's.
	Rate Rate
	// Owed is how many operations may be due and not sent, in all. Where there are more, the run ends. Default: those of
	// 10 s at the highest rate, but from 1,000 to 1,000,000.
	Owed int

	// Warmup is how long nothing is recorded at first. Duration is how long operations are started afterwards; those under way then are
	// waited for. Count, if not zero, is how many are started in all, warm-up included; it ends the run, too.
	Warmup, Duration time.Duration
	Count            uint64
	// Timeout is how long one operation may take. Default 10 s.
	Timeout time.Duration

	// Keys and Sizes are those of the operations, Writes the share of writes among them, from 0 to 1.
	Keys   Keys
	Sizes  Sizes
	Writes float64
	// Seed decides all that is left to chance. The same seed gives each worker the same operations in the same order.
	Seed uint64

	// Interval is the length of an interval of the series. Default 1 s, at least 10 ms.
	Interval time.Duration
	// Begin, if not nil, is called once when what is measured begins, on a goroutine that makes the load: it must be quick.
	Begin func()
	// Observe, if not nil, is told of each interval that all workers have finished, in order, on a goroutine of the driver.
	Observe func(Interval)
	// MaxFailures, if above 0, ends the run when so many operations have failed.
	MaxFailures int
}

// EnsureDefaults sets what is zero.
func (p *Plan) EnsureDefaults() {
	or := func(n *int, otherwise int) {
		if *n == 0 {
			*n = otherwise
		}
	}
	or(&p.Conns, 64)
	or(&p.Depth, 1)
	or(&p.Workers, 1)
	p.Workers = min(p.Workers, p.Conns)
	if p.Rate.open() {
		if p.Rate.To == 0 {
			p.Rate.To = p.Rate.From
		}
		or(&p.Owed, int(min(max(max(p.Rate.From, p.Rate.To)*10, 1000), 1_000_000)))
	}
	if p.Timeout == 0 {
		p.Timeout = 10 * time.Second
	}
	if p.Interval == 0 {
		p.Interval = time.Second
	}
	if p.Keys.Count == 0 {
		p.Keys.Count = 1
	}
}

// Validate reports what is wrong.
func (p *Plan) Validate() error {
	switch {
	case p.Conns < 1 || p.Conns > 1_000_000:
		return fmt.Errorf("drive: Plan.Conns is %d: want a number from 1 to 1,000,000", p.Conns)
	case p.Depth < 1 || p.Depth > 10_000:
		return fmt.Errorf("drive: Plan.Depth is %d: want a number from 1 to 10,000", p.Depth)
	case p.Workers < 1 || p.Workers > 256:
		return fmt.Errorf("drive: Plan.Workers is %d: want a number from 1 to 256", p.Workers)
	case p.Duration <= 0 && p.Count == 0:
		return errors.New("drive: a Plan needs a Duration or a Count")
	case p.Duration < 0 || p.Warmup < 0 || p.Timeout < 0:
		return fmt.Errorf("drive: Plan has a time below zero: Warmup %v, Duration %v, Timeout %v", p.Warmup, p.Duration, p.Timeout)
	case p.Rate.From != p.Rate.To && p.Duration == 0:
		return errors.New("drive: a rate that changes needs a Duration")
	case !(p.Writes >= 0 && p.Writes <= 1):
		return fmt.Errorf("drive: Plan.Writes is %v: want a share from 0 to 1", p.Writes)
	case p.Interval < 10*time.Millisecond:
		return fmt.Errorf("drive: Plan.Interval is %v: want at least 10 ms", p.Interval)
	case p.Owed < 0 || p.MaxFailures < 0:
		return fmt.Errorf("drive: Plan.Owed is %d and Plan.MaxFailures %d: want none below zero", p.Owed, p.MaxFailures)
	}
	return errors.Join(p.Rate.Validate(), p.Keys.Validate())
}
