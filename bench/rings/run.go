package rings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
	"everloop/bench/report"
)

// Check judges the body of an answer. It is called on a goroutine that makes the load; body is valid during the call.
type Check func(op *drive.Op, body []byte) *drive.Failure

// Options say what is measured. Arm, Ask and Alarms have no default.
type Options struct {
	// Arm sets the alarm of the object with an operation's key to the instant that is the operation's value. Ask makes it report; it has to pass each
	// answer that is no error to the Check. Others, if not nil, is asked meanwhile.
	Arm    *links.Target
	Ask    func(Check) *links.Target
	Others *links.Target
	// Alarms is how many there are. Their objects have the keys from 0 on.
	Alarms int
	// Rate is how many become due each second, evenly; 0: all at one instant.
	Rate float64
	// Conns is the number of connections that set alarms, and ask; others have as many of their own.
	Conns int
	// Lead is from the beginning until the first alarm is due: enough to set all. Default: 2 s and 1 s for each 2,000.
	Lead time.Duration
	// Ringing is how long after the last alarm is due others are still asked, and the objects with an alarm are not yet. Default: 500 ms, and 1 s for
	// each 4,000 alarms.
	Ringing time.Duration
	// Patience is how long after that an alarm may still ring. Default 10 s.
	Patience time.Duration
	// Timeout is how long an answer may take. Default 10 s.
	Timeout time.Duration
	// OthersRate is how often a second others are asked. Others have OthersKeys keys, from OthersFrom on.
	OthersRate             float64
	OthersFrom, OthersKeys uint64
	// Ahead, if not nil, is called when the time that is measured begins, and Over when it ends.
	Ahead, Over func()
	// Observe, if not nil, is told how far each phase is.
	Observe func(Progress)
}

// Progress is how far a phase is.
type Progress struct {
	Phase    string // "setting", "ringing", "asking"
	Done, Of int64  // of alarms; 0 while they ring
	// Interval is what others were answered, while alarms ring.
	Interval drive.Interval
	At, End  time.Duration // of the phase, while alarms ring
}

func (o *Options) ensureDefaults() {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	or(&o.Lead, 2*time.Second+time.Duration(o.Alarms)*time.Second/2000)
	or(&o.Ringing, time.Second/2+time.Duration(o.Alarms)*time.Second/4000)
	or(&o.Patience, 10*time.Second)
	or(&o.Timeout, 10*time.Second)
	if o.OthersKeys == 0 {
		o.OthersKeys = 64
	}
	if o.Observe == nil {
		o.Observe = func(Progress) {}
	}
}

// Ring is an alarm that has rung, rightly. Times count from when the first was due.
type Ring struct{ Due, Ran time.Duration }

// Result is what a run measured.
type Result struct {
	First time.Time // when the first alarm was due
	// Rings are those of the alarms that have rung once, and not too early, in the order in which they ran.
	Rings []Ring
	// Late is how late they were.
	Late *report.Histogram
	// Coarse says that the objects' clock has told whole milliseconds. Ran is then the end of the one that it told: lateness is at most so much.
	Coarse bool
	// Failed is what went wrong with alarms, and with others, the most frequent first.
	Failed []drive.Failed
	// Set is how long it took to set all alarms.
	Set time.Duration
	// Quiet is how long others waited in the second before the first alarm was due, and Meanwhile while alarms rang, to about a
	// 64th of the time. Both are empty if nobody was asked.
	Quiet, Meanwhile *report.Histogram
	// Lag is how late the generator was in asking others; nil if nobody was asked.
	Lag *report.Histogram
	// Interrupted says that the context ended while alarms rang; those that had not rung are not counted as failed.
	Interrupted bool
	In, Out     uint64 // bytes, of everything
}

// Elapsed is from when the first alarm was due until the last has rung.
func (r *Result) Elapsed() time.Duration {
	if len(r.Rings) == 0 {
		return 0
	}
	return r.Rings[len(r.Rings)-1].Ran
}

// Kinds of failures of alarms.
const (
	FailedSilent  = "not rung"
	FailedEarly   = "too early"
	FailedAgain   = "rung more than once"
	FailedInstant = "another instant"
)

const (
	// settled is how long before the first alarm is due all must be set.
	settled = 200 * time.Millisecond
	// quiet is how long others are asked before.
	quiet = time.Second
	// parts is in how many intervals the time is divided while alarms ring. Each has a histogram of 250 kB.
	parts = 64
	// again is how long to wait before objects that have not rung are asked again.
	again = 200 * time.Millisecond
)

// run is a Run while it lasts.
type run struct {
	Options
	first int64 // milliseconds since 1970
	span  time.Duration
	r     *Result
	fails map[string]drive.Failed
	late  []pending // intervals of others
}

type pending struct {
	begin time.Duration
	took  *report.Histogram
}

// due is when an alarm is due, in milliseconds since the first.
func (r *run) due(key uint64) int64 {
	if r.Rate == 0 {
		return 0
	}
	return int64(float64(key) * 1000 / r.Rate)
}

// Run makes one. The error says that nothing could be measured.
func Run(ctx context.Context, o Options) (*Result, error) {
	o.ensureDefaults()
	if o.Alarms < 1 || o.Conns < 1 || !(o.Rate >= 0) {
		return nil, fmt.Errorf("rings: %d alarms, %d connections, %v a second: want numbers above zero", o.Alarms, o.Conns, o.Rate)
	}
	r := &run{
		Options: o, fails: make(map[string]drive.Failed), first: time.Now().Add(o.Lead).UnixMilli(),
		r: &Result{Late: report.NewHistogram(), Quiet: report.NewHistogram(), Meanwhile: report.NewHistogram()},
	}
	r.r.First = time.UnixMilli(r.first)
	r.span = time.Duration(r.due(uint64(o.Alarms-1))) * time.Millisecond
	if err := r.set(ctx); err != nil {
		return nil, err
	}
	if err := r.ring(ctx); err != nil {
		return nil, err
	}
	// What has rung is asked for even when the person wants no more.
	if err := r.ask(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	r.finish()
	return r.r, nil
}

// plan is that of a run through keys, once each.
func (r *run) plan(n int) drive.Plan {
	return drive.Plan{
		Conns: min(r.Conns, n), Count: uint64(n), Keys: drive.Keys{Kind: drive.Sequential, Count: uint64(n)}, Timeout: r.Timeout,
		Interval: 200 * time.Millisecond,
	}
}

// observe tells how far a phase is.
func (r *run) observe(p *drive.Plan, phase string) {
	done, of := uint64(0), int64(p.Count)
	p.Observe = func(i drive.Interval) {
		done += i.OK + i.Failed
		r.Observe(Progress{Phase: phase, Done: int64(done), Of: of})
	}
}

// set sets the alarms. Each must be, and in time.
func (r *run) set(ctx context.Context) error {
	p := r.plan(r.Alarms)
	r.observe(&p, "setting")
	done, err := drive.Run(ctx, aimed(r.Arm, func(op *drive.Op, value []byte) {
		op.Value = strconv.AppendInt(value, r.first+r.due(op.Key), 10)
	}), p)
	switch {
	case err != nil:
		return err
	case done.Verdict == drive.Interrupted:
		return errors.New("interrupted before all alarms were set")
	case len(done.Failed) > 0:
		return fmt.Errorf("%d of %d alarms could not be set: %s: %s", done.Counts.Failed, r.Alarms, done.Failed[0].Kind, done.Failed[0].Text)
	}
	r.r.Set = done.Elapsed
	r.r.In, r.r.Out = done.Counts.In, done.Counts.Out
	if left := time.Until(r.r.First); left < settled {
		return fmt.Errorf("%d alarms were set in %v, and the first was due %v after the beginning: give them a longer lead", r.Alarms, done.Elapsed.Round(time.Millisecond), r.Lead)
	}
	return nil
}

// ring lets time pass until alarms have rung, and asks others.
func (r *run) ring(ctx context.Context) error {
	begin := func() {
		if r.Ahead != nil {
			r.Ahead()
		}
	}
	defer func() {
		if r.Over != nil {
			r.Over()
		}
	}()
	wait := func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			r.r.Interrupted = true
		}
	}
	length := r.span + r.Ringing
	if r.Others == nil || r.OthersRate <= 0 {
		r.Observe(Progress{Phase: "ringing"})
		wait(time.Until(r.r.First))
		begin()
		if !r.r.Interrupted {
			wait(time.Until(r.r.First.Add(length)))
		}
		return nil
	}
	if wait(time.Until(r.r.First.Add(-quiet - settled))); r.r.Interrupted {
		return nil
	}
	p := drive.Plan{
		Conns: r.Conns, Rate: drive.Rate{From: r.OthersRate}, Warmup: max(time.Until(r.r.First), 0), Duration: length,
		Keys: drive.Keys{Count: r.OthersKeys}, Timeout: r.Timeout, Interval: max(length/parts, 10*time.Millisecond), Begin: begin,
	}
	p.Observe = func(i drive.Interval) {
		r.Observe(Progress{Phase: "ringing", Interval: i, At: i.Begin + i.Length, End: length})
		if i.Begin < 0 {
			if i.Begin >= -quiet {
				r.r.Quiet.Merge(i.Latency)
			}
			return
		}
		took := report.NewHistogram()
		took.Merge(i.Latency)
		r.late = append(r.late, pending{i.Begin, took})
	}
	done, err := drive.Run(ctx, aimed(r.Others, func(op *drive.Op, _ []byte) { op.Key += r.OthersFrom }), p)
	if err != nil {
		return fmt.Errorf("others: %w", err)
	}
	r.r.Interrupted = done.Verdict == drive.Interrupted
	r.r.Lag = done.Lag
	r.r.In += done.Counts.In
	r.r.Out += done.Counts.Out
	for _, f := range done.Failed {
		f.Kind = "others: " + f.Kind
		r.fails[f.Kind] = f
	}
	late := done.Started.Sub(r.r.First) // connections took as long to be made
	for i := range r.late {
		r.late[i].begin += late
	}
	return nil
}

// ask asks all objects what has happened, and those again that have not rung.
func (r *run) ask(ctx context.Context) error {
	keys := make([]uint64, r.Alarms)
	for i := range keys {
		keys[i] = uint64(i)
	}
	for end := time.Now().Add(r.Patience); ; {
		var silent []uint64
		p := r.plan(len(keys))
		r.observe(&p, "asking")
		asked := keys
		done, err := drive.Run(ctx, aimed(r.Ask(func(op *drive.Op, body []byte) *drive.Failure {
			rang, f := r.judge(op.Key, body)
			if !rang && f == nil {
				silent = append(silent, op.Key)
			}
			return f
		}), func(op *drive.Op, _ []byte) { op.Key = asked[op.Key] }), p)
		if err != nil {
			return err
		}
		r.r.In += done.Counts.In
		r.r.Out += done.Counts.Out
		for _, f := range done.Failed {
			f.Count += r.fails[f.Kind].Count
			r.fails[f.Kind] = f
		}
		switch {
		case len(silent) == 0 || r.r.Interrupted:
			return nil
		case time.Now().After(end):
			r.fails[FailedSilent] = drive.Failed{
				Kind: FailedSilent, Count: uint64(len(silent)), First: r.span + r.Ringing + r.Patience,
				Text: fmt.Sprintf("the object with key %d has not rung %v after the last alarm was due", silent[0], r.Ringing+r.Patience),
			}
			return nil
		}
		keys = silent
		time.Sleep(again) // nothing tells that an object has rung but its answer
	}
}

// judge looks at a report.
func (r *run) judge(key uint64, body []byte) (rang bool, f *drive.Failure) {
	fail := func(kind, text string, args ...any) (bool, *drive.Failure) {
		return false, &drive.Failure{Kind: kind, Text: fmt.Sprintf("key %d: "+text, append([]any{key}, args...)...)}
	}
	report, err := ParseReport(body)
	due := r.due(key)
	switch {
	case err != nil:
		return fail(drive.FailedAnswer, "%v", err)
	case len(report.Ran) == 0:
		return false, nil
	case len(report.Ran) > 1:
		return fail(FailedAgain, "it has rung %d times", len(report.Ran))
	case report.Scheduled != float64(r.first+due):
		return fail(FailedInstant, "it says that it was due at %.0f ms, it was set to %d", report.Scheduled, r.first+due)
	case report.Ran[0] < report.Scheduled:
		return fail(FailedEarly, "it has rung %v too early", -report.Late())
	case report.Ran[0]-report.Scheduled > float64(math.MaxInt64/int64(time.Millisecond)/2):
		return fail(drive.FailedAnswer, "it says that it has rung at %g ms", report.Ran[0])
	}
	late, at := report.Late(), time.Duration(due)*time.Millisecond
	r.r.Rings = append(r.r.Rings, Ring{at, at + late})
	return true, nil
}

// finish puts together what was found.
func (r *run) finish() {
	slices.SortFunc(r.r.Rings, func(a, b Ring) int { return cmp.Compare(a.Ran, b.Ran) })
	r.r.Coarse = !slices.ContainsFunc(r.r.Rings, func(a Ring) bool { return a.Ran%time.Millisecond != 0 })
	for i := range r.r.Rings {
		each := &r.r.Rings[i]
		if r.r.Coarse {
			each.Ran += time.Millisecond
		}
		r.r.Late.Record(each.Ran - each.Due)
	}
	over := r.r.Elapsed()
	for _, i := range r.late {
		if i.begin-i.took.Max() <= over { // under way when the last alarm rang
			r.r.Meanwhile.Merge(i.took)
		}
	}
	for _, f := range r.fails {
		r.r.Failed = append(r.r.Failed, f)
	}
	slices.SortFunc(r.r.Failed, func(a, b drive.Failed) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind))
	})
}

// aimed is a target whose operations are changed before they are sent, and when they are judged. value may be appended to.
func aimed(t *links.Target, change func(op *drive.Op, value []byte)) *links.Target {
	changed := *t
	changed.Codec = func(w *drive.Worker, conn int) links.Codec {
		return &aim{Codec: t.Codec(w, conn), change: change}
	}
	return &changed
}

type aim struct {
	links.Codec
	change func(op *drive.Op, value []byte)
	op     drive.Op
	value  [20]byte
}

func (a *aim) to(op *drive.Op) *drive.Op {
	if op == nil {
		return nil
	}
	a.op = *op
	a.change(&a.op, a.value[:0])
	return &a.op
}

func (a *aim) Append(dst []byte, op *drive.Op) []byte { return a.Codec.Append(dst, a.to(op)) }

func (a *aim) Read(b []byte, op *drive.Op) (links.Heard, error) { return a.Codec.Read(b, a.to(op)) }
