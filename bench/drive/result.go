package drive

import (
	"time"

	"everloop/bench/report"
)

// Counts are numbers of operations and bytes.
type Counts struct {
	// Started were sent, or were due and could not be; OK of them were done, and Failed not.
	Started, OK, Failed uint64
	// Unsent is what of Failed was due in an open loop and not sent.
	Unsent uint64
	// Delivered is the number of messages that arrived, where a target counts them apart from operations: a broadcast has many.
	Delivered uint64
	// In and Out are bytes that were read and written.
	In, Out uint64
	// Reconnects is the number of connections that were made again.
	Reconnects uint64
}

func (c *Counts) add(o *Counts) {
	c.Started += o.Started
	c.OK += o.OK
	c.Failed += o.Failed
	c.Unsent += o.Unsent
	c.Delivered += o.Delivered
	c.In += o.In
	c.Out += o.Out
	c.Reconnects += o.Reconnects
}

// Times are histograms.
type Times struct {
	// Latency is that of all operations that succeeded, Reads and Writes that of each kind.
	Latency, Reads, Writes *report.Histogram
	// Service is that from when an operation was sent. Nil in a closed loop, where it is the latency.
	Service *report.Histogram
}

// Interval is what happened from Begin on, for Length; Begin counts from the beginning of what is measured, so those of a warm-up are
// below zero. An operation belongs to the interval in which it was done.
type Interval struct {
	Begin, Length time.Duration
	Counts
	// Due is how many operations became due in it, in an open loop.
	Due uint64
	// UnderWay is how many were sent and not done at its end, Owed how many were due and not sent.
	UnderWay, Owed int
	// Latency is valid until Observe returns, and so is Service, which is nil in a closed loop.
	Latency, Service *report.Histogram
	// Failure is the most frequent one; its Count is 0 if there was none.
	Failure Failed
}

// Verdict says how a run went.
type Verdict string

// The verdicts.
const (
	// Completed: everything was started that should have been.
	Completed Verdict = "completed"
	// Interrupted: the context ended.
	Interrupted Verdict = "interrupted"
	// ServerSaturated: more was owed than may be, as all connections were waiting for answers.
	ServerSaturated Verdict = "server saturated"
	// GeneratorBehind: more was owed than may be while connections were free.
	GeneratorBehind Verdict = "the load generator fell behind"
	// TooManyFailures: Plan.MaxFailures was reached.
	TooManyFailures Verdict = "too many errors"
)

// Failed is how often operations failed in one way.
type Failed struct {
	Kind  string
	Count uint64
	// Text is that of the first one, and First when it was, from the beginning of what is measured.
	Text  string
	First time.Duration
}

// Result is what a run measured, after its warm-up.
type Result struct {
	// Started is when what is measured began.
	Started time.Time
	// Elapsed is from then to the last operation that was done, or to the end of Plan.Duration where that is later and
	// nothing has ended the run early.
	Elapsed time.Duration
	Counts  Counts
	Times   Times
	Failed  []Failed // the most frequent first
	Verdict Verdict
	// Lag is how late operations were started for which a connection was free. It is the generator's own. Nil in a
	// closed loop.
	Lag *report.Histogram
	// CPU is the processor time of this process, the load generator, while it was measured. Where the target is in the same process, it has that in
	// it.
	CPU time.Duration
	// Conns and Workers are how many there were.
	Conns, Workers int
	// Warmup is what was done before, and not recorded.
	Warmup Counts
}

// Rate is operations that succeeded, a second.
func (r *Result) Rate() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Counts.OK) / r.Elapsed.Seconds()
}
