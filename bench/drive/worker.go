package drive

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"everloop/bench/report"
	"golang.org/x/sys/unix"
)

// Worker makes the load of one goroutine. A Session tells it what has happened.
type Worker struct {
	// Index counts workers from 0; Workers is how many there are.
	Index, Workers int
	// First is the number of this worker's first connection among all, Conns how many it has, Depth how many operations each takes at
	// most. Timeout is that of the plan.
	First, Conns, Depth int
	Timeout             time.Duration
	// Random is for the session's own choices.
	Random *rand.Rand

	run     *run
	session Session
	now     time.Duration // since run.base
	keys    *chooser
	values  *values
	due     *arrivals // nil: a closed loop
	limit   uint64    // operations to start
	started uint64
	ops     *rand.Rand

	// free has a connection for each further operation that it takes, the one that waits longest first; in an open loop.
	free ring[int32]
	// owed are the instants at which operations were due for which no connection was free.
	owed     ring[time.Duration]
	maxOwed  int
	underWay int
	ended    bool // nothing further becomes due
	// stopAt is until when what is under way is waited for, graceEnd until when what is owed is still sent; both once ended.
	stopAt, graceEnd time.Duration
	lastDone         time.Duration

	began     time.Duration
	cpuBefore time.Duration // of its thread

	interval *share // being filled
	lag      *report.Histogram
}

// Stamp reads the time. A session calls it when bytes have arrived, before it tells what they were.
func (w *Worker) Stamp() { w.now = time.Since(w.run.base) }

// Now is what Stamp has read last, from the beginning of the run.
func (w *Worker) Now() time.Duration { return w.now }

// Bytes counts bytes that were read and written.
func (w *Worker) Bytes(in, out int) {
	w.interval.counts.In += uint64(in)
	w.interval.counts.Out += uint64(out)
}

// Deliver counts messages that arrived.
func (w *Worker) Deliver(n int) { w.interval.counts.Delivered += uint64(n) }

// Reconnect counts a connection that was made again.
func (w *Worker) Reconnect() { w.interval.counts.Reconnects++ }

// Fail counts a failure, of no operation. Those of operations are counted by Done.
func (w *Worker) Fail(f *Failure) {
	w.run.failures.Add(1)
	w.interval.fail(f, w.now-w.run.measured)
}

// warmed counts an operation that was due while warming up. Its time is shown, as long as the warm-up lasts, but not kept.
func (w *Worker) warmed(op *Op, f *Failure) {
	s := w.interval
	s.warmup.Started++
	if f != nil {
		s.warmup.Failed++
		w.run.failures.Add(1)
		return
	}
	s.warmup.OK++
	if s.index < 0 {
		s.latency(op.Write).Record(w.now - op.due)
	}
}

// Done says that an operation was done at the time of Stamp, and starts the next on its connection if there is one to start.
func (w *Worker) Done(conn int, op *Op, f *Failure) {
	w.underWay--
	w.lastDone = w.now
	if op.due >= w.run.measured {
		s := w.interval
		s.counts.Started++
		if f == nil {
			s.counts.OK++
			s.latency(op.Write).Record(w.now - op.due)
			if w.due != nil {
				s.service.Record(w.now - op.sent)
			}
		} else {
			s.counts.Failed++
			w.Fail(f)
		}
	} else {
		w.warmed(op, f)
	}
	switch {
	case w.due == nil:
		if w.more() {
			w.start(conn, w.now)
		}
	case w.owed.len() > 0 && w.now < w.graceEnd:
		w.start(conn, w.owed.pop())
	default:
		w.free.push(int32(conn))
	}
}

// more reports whether a closed loop may start another operation.
func (w *Worker) more() bool {
	if !w.ended && (w.limit > 0 && w.started >= w.limit || w.run.end > 0 && w.now >= w.run.end) {
		w.end(w.patience())
	}
	return !w.ended
}

// start starts an operation that was due at an instant.
func (w *Worker) start(conn int, due time.Duration) {
	op := Op{
		Number: w.started*uint64(w.Workers) + uint64(w.Index), Key: w.keys.choose(),
		Write: w.run.plan.Writes >= 1 || w.run.plan.Writes > 0 && w.ops.Float64() < w.run.plan.Writes,
		due:   due, sent: w.now,
	}
	if op.Write {
		op.Value = w.values.next()
	}
	w.started++
	w.underWay++
	w.session.Start(conn, &op)
}

// arrive takes what is due in an open loop.
func (w *Worker) arrive() {
	for !w.ended && w.due.ahead <= w.now {
		if w.run.end > 0 && w.due.ahead >= w.run.end || w.limit > 0 && w.started+uint64(w.owed.len()) >= w.limit {
			w.end(w.patience())
			return
		}
		due := w.due.pop()
		w.interval.due++
		if w.free.len() > 0 {
			w.lag.Record(w.now - due)
			w.start(int(w.free.pop()), due)
			continue
		}
		w.owed.push(due)
		if w.owed.len() > w.maxOwed {
			w.run.stop(w.tooSlow())
		}
		if w.owed.len() > 2*w.maxOwed { // the others have not ended the run yet
			return
		}
	}
}

// busyShare is the share of a processor at which a worker counts as busy all the time.
const busyShare = 0.9

// tooSlow says who was too slow: a worker that has slept has read all answers, and waits for more.
func (w *Worker) tooSlow() Verdict {
	if cpu := threadTime() - w.cpuBefore; cpu.Seconds() >= busyShare*(w.now-w.began).Seconds() {
		return GeneratorBehind
	}
	return ServerSaturated
}

// grace is how long what is owed is still sent after the end of a run that was not ended early.
const grace = time.Second

// patience is how long what is under way is waited for.
func (w *Worker) patience() time.Duration {
	w.graceEnd = w.now + min(grace, w.Timeout)
	return w.Timeout
}

// end lets nothing further become due.
func (w *Worker) end(patience time.Duration) {
	w.ended = true
	w.stopAt = w.now + patience
}

// look looks whether the run is to end early.
func (w *Worker) look(ctx context.Context) {
	if w.ended && w.graceEnd == 0 {
		return // early, already
	}
	if ctx.Err() != nil {
		w.run.stop(Interrupted)
	}
	if most := w.run.plan.MaxFailures; most > 0 && w.run.failures.Load() >= int64(most) {
		w.run.stop(TooManyFailures)
	}
	if w.run.early.Load() != nil {
		w.end(min(grace, w.Timeout))
		w.graceEnd = 0
	}
}

// work runs until everything was done, or has been waited for as long as it may take.
func (w *Worker) work(ctx context.Context) error {
	runtime.LockOSThread() // what is set below is the thread's
	defer runtime.UnlockOSThread()
	// The kernel puts the end of a wait off by 50 us by default so as to save power. Without this the lag is larger, and is recorded.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	w.cpuBefore = threadTime()
	w.Stamp()
	w.began = w.now
	conns, depth := w.session.Conns(), w.session.Depth()
	w.graceEnd = 1 << 62 // until the end, what is owed is sent
	for range depth {
		for i := range conns {
			if w.due != nil {
				w.free.push(int32(i))
			} else if w.more() {
				w.start(i, w.now)
			}
		}
	}
	defer func() {
		w.abandon()
		w.turn(true)
	}()
	for {
		if w.due != nil {
			w.arrive()
		} else {
			w.more() // sees the end although nothing is answered
		}
		w.look(ctx)
		owes := w.owed.len() > 0 && w.now < w.graceEnd
		if w.ended && (w.underWay == 0 && !owes || w.now >= w.stopAt) {
			return nil
		}
		if err := w.session.Wait(w.wait()); err != nil {
			w.run.stop(Interrupted)
			return err
		}
		w.Stamp()
		w.turn(false)
	}
}

// lookEvery is how often a worker looks at its context and at the figures, at least.
const lookEvery = 50 * time.Millisecond

// wait returns how long nothing is to be done.
func (w *Worker) wait() time.Duration {
	wait := min(lookEvery, w.interval.end-w.now)
	switch {
	case w.ended:
		wait = min(wait, w.stopAt-w.now)
	case w.due != nil:
		wait = min(wait, w.due.ahead-w.now)
	}
	return max(wait, 0)
}

// abandon counts what was not done.
func (w *Worker) abandon() {
	s := w.interval
	if n := w.underWay; n > 0 {
		s.counts.Started += uint64(n)
		s.counts.Failed += uint64(n)
		s.failed[failureUnfinished.Kind] = Failed{
			failureUnfinished.Kind, s.failed[failureUnfinished.Kind].Count + uint64(n), failureUnfinished.Text, w.now - w.run.measured,
		}
	}
	for w.owed.len() > 0 {
		if due := w.owed.pop(); due >= w.run.measured {
			s.counts.Started++
			s.counts.Unsent++
			s.unsent.Record(w.now - due)
		}
	}
}

// turn hands the interval over when it is past.
func (w *Worker) turn(last bool) {
	for w.now >= w.interval.end || last {
		s := w.interval
		s.underWay, s.owed = w.underWay, w.owed.len()
		ends := last && w.now < s.end
		if ends {
			s.last, s.end = true, max(w.now, s.begin+1)
		} else {
			w.interval = w.run.share(s.index+1, s.end)
			if w.interval.index == 0 {
				w.run.begin()
			}
		}
		w.run.shares <- s // it is the collector's from here on
		if ends {
			return
		}
	}
}

// threadTime is the processor time of the calling thread.
func threadTime() time.Duration { return usage(unix.RUSAGE_THREAD) }

func usage(of int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(of, &u); err != nil {
		return 0 // it does not fail for these
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
