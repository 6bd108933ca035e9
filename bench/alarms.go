package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"everloop/bench/load"
	"everloop/bench/rings"
)

// bells is a server whose objects have an alarm each: /arm?id=&at= sets it, /rung?id= answers what package rings
// describes, and /memory?id= is a counter.
type bells struct {
	kind   kind
	n      int
	asleep bool // objects hibernate before their alarm is due
}

func (c bells) String() string {
	s := fmt.Sprintf("%s, %d alarms", c.kind.name, c.n)
	if c.asleep {
		s += " of objects that are asleep"
	}
	return s
}

var bellsGo = kind{name: "everloop, Go class", ready: "/memory?id=ready", admin: false, args: func(b *bench, port, _ int, data string) []string {
	return []string{filepath.Join(b.bin, "bells"), "--listen", address(port), "--data", data}
}}

// Targets of alarms.
var (
	goRings   = goal("alarms-go")
	tsRings   = goal("alarms-ts")
	lateness  = goal("alarms-late")
	otherWait = goal("alarms-others")
)

const (
	// otherRate is how many requests a second other objects get while alarms ring: a load that a server bears easily.
	otherRate = 2000
	// fewOthers is the number of their requests that a figure is made of at least.
	fewOthers = 20
	// settled is how long they are asked before the alarms are due.
	settled = 300 * time.Millisecond
)

// lead is the time from the first alarm that is set until all are due: enough to set them, and to be idle or asleep then.
// Objects are evicted after 10 s. workerd sets a few hundred alarms a second.
func (c bells) lead() time.Duration {
	lead := 2*time.Second + perSecond(c.n, 5000)
	if c.asleep {
		lead += 11 * time.Second
	}
	if c.kind.name == workerd.name {
		lead += perSecond(c.n, 200)
	}
	return lead
}

// ringing is how long other objects are asked from the moment at which alarms are due. An alarm that has not rung by then
// counts as none.
func (c bells) ringing() time.Duration {
	if c.kind.name == workerd.name {
		return time.Second + perSecond(c.n, 1000)
	}
	return time.Second/2 + perSecond(c.n, 4000)
}

// perSecond is how long n things take at a rate.
func perSecond(n, rate int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(rate)
}

// measureAlarms lets many alarms be due at the same instant, while other objects are asked for something.
func (b *bench) measureAlarms(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	cs := []bells{{workTS, b.alarms, false}, {bellsGo, b.alarms, false}}
	if b.asleep {
		cs = append(cs, bells{workTS, b.alarms, true}, bells{bellsGo, b.alarms, true})
	}
	var samples [][]sample
	for range cs {
		samples = append(samples, nil)
	}
	for round := range b.rounds {
		for i, c := range cs {
			m, err := b.ring(ctx, c)
			if err != nil {
				return err
			}
			b.say("round %d of %d  %-60s %9.0f rung/s  late p50 %v p99 %v at most %v  others p99 %v at most %v", round+1, b.rounds, c, m.rate, m.p50, m.p99, m.most, m.othersP99, m.othersMost)
			samples[i] = append(samples[i], m)
		}
	}
	// workerd rings once: as many as all others if it can, and half of them, and so on, if it cannot.
	for n := b.alarms; b.workerd != "" && n >= max(1, b.alarms/8); n /= 2 {
		c := bells{workerd, n, false}
		m, err := b.ring(ctx, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			note := oneLine(err.Error())
			b.say("%s", note)
			r.notes = append(r.notes, note)
			continue
		}
		b.say("%-60s %9.0f rung/s  late p50 %v p99 %v at most %v  others p99 %v at most %v", c, m.rate, m.p50, m.p99, m.most, m.othersP99, m.othersMost)
		cs, samples = append(cs, c), append(samples, []sample{m})
		break
	}
	t := newTable("Alarms: all due at the same instant", alarmColumns(), cs, samples)
	for i, c := range cs {
		rings := tsRings
		switch c.kind.name {
		case bellsGo.name:
			rings = goRings
		case workerd.name:
			continue
		}
		again := func(b *bench) error {
			_, err := b.ring(ctx, c)
			return err
		}
		t.goal(c.String()+": rung/s", samples[i], func(s sample) float64 { return s.rate }, spread.whole, rings).profiled(c.String(), again)
		t.goal(c.String()+": late, p99 in ms", samples[i], func(s sample) float64 { return s.p99.Seconds() * 1e3 }, spread.whole, lateness).profiled(c.String(), again)
		t.goal(c.String()+": wait of others meanwhile, p99 in ms", samples[i], func(s sample) float64 { return s.othersP99.Seconds() * 1e3 }, spread.whole, otherWait).profiled(c.String(), again)
	}
	t.remarks = []string{
		"Rung/s counts from the moment at which all are due to the last. How late an alarm is, its object says by its own clock, when its",
		fmt.Sprintf("handler runs. Others are requests to %d counters in memory, %d a second, that were under way while alarms rang.", b.conns, otherRate),
	}
	r.tables = append(r.tables, t)
	return nil
}

func alarmColumns() []column {
	return []column{
		{"rung/s", func(s sample) float64 { return s.rate }, spread.whole},
		{"late, p50", func(s sample) float64 { return s.p50.Seconds() }, spread.millis},
		{"late, p99", func(s sample) float64 { return s.p99.Seconds() }, spread.millis},
		{"late, at most", func(s sample) float64 { return s.most.Seconds() }, spread.millis},
		{"others' p99", func(s sample) float64 { return s.othersP99.Seconds() }, spread.millis},
		{"others, at most", func(s sample) float64 { return s.othersMost.Seconds() }, spread.millis},
		{"resident", func(s sample) float64 { return float64(s.resident) }, func(v spread) string { return mb(int64(v.median)) }},
	}
}

// ring measures one server, started for it.
func (b *bench) ring(ctx context.Context, c bells) (m sample, err error) {
	s, err := b.start(ctx, c.kind)
	if err != nil {
		return m, err
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
	if m, err = b.ringOn(ctx, s, c); err != nil {
		return m, s.explain(err)
	}
	ended = true
	return m, s.leave()
}

func (b *bench) ringOn(ctx context.Context, s *server, c bells) (m sample, err error) {
	due := time.Now().Add(c.lead()).Truncate(time.Millisecond)
	if err := b.arm(ctx, s, c.n, due); err != nil {
		return m, err
	}
	if c.asleep && c.kind.admin {
		if err := sleep(ctx, time.Until(due.Add(-3*settled))); err != nil {
			return m, err
		}
		live, err := s.live(ctx)
		if err == nil && live > 0 {
			err = fmt.Errorf("%d objects are not asleep", live)
		}
		if err != nil {
			return m, err
		}
	}
	var others observed
	if err := s.profile.during(s.Process, func() (err error) {
		others, err = b.askOthers(ctx, s, due, c.ringing())
		return err
	}); err != nil {
		return m, err
	}
	if m.resident, err = resident(s); err != nil {
		return m, err
	}
	late, err := b.rung(ctx, s, c)
	if err != nil {
		return m, err
	}
	slices.Sort(late)
	m.p50, m.p99, m.most = quantile(late, 50), quantile(late, 99), late[len(late)-1]
	// A clock of milliseconds that says 0 has not told that no time has passed.
	rang := max(m.most, time.Millisecond)
	m.rate = float64(c.n) / rang.Seconds()
	meanwhile, err := others.atLeast(fewOthers, due, rang)
	if err != nil {
		return m, err
	}
	m.othersP99, m.othersMost = quantile(meanwhile, 99), meanwhile[len(meanwhile)-1]
	return m, nil
}

func resident(s *server) (int64, error) {
	memory, err := s.Memory()
	return memory.Resident, err
}

// arm sets the alarms, all to the same moment.
func (b *bench) arm(ctx context.Context, s *server, n int, due time.Time) error {
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/arm?id=bell-%d&at=%s", i, url.QueryEscape(strconv.FormatInt(due.UnixMilli(), 10)))
	}
	g, err := load.Dial(load.Options{Addr: s.addr, Conns: b.conns, Paths: paths, Check: load.Always("armed\n")})
	if err != nil {
		return err
	}
	defer g.Close()
	armed, err := g.Run(ctx, load.Until{Each: true})
	if err != nil {
		return err
	}
	if left := time.Until(due); left < 2*settled {
		return fmt.Errorf("%d alarms were set in %v, which is too slow: they are due in %v", n, armed.Elapsed.Round(time.Millisecond), left.Round(time.Millisecond))
	}
	return nil
}

// observed are answers to others: when each was due, and how long it took.
type observed []observation

type observation struct {
	due  time.Time
	took time.Duration
}

// during returns, sorted, how long those took that were under way at some time from begin to end.
func (o observed) during(begin, end time.Time) []time.Duration {
	var took []time.Duration
	for _, a := range o {
		if !a.due.After(end) && !a.due.Add(a.took).Before(begin) {
			took = append(took, a.took)
		}
	}
	slices.Sort(took)
	return took
}

// atLeast is during for the time d from begin, or for as much longer as it takes until there are n answers: a few alarms have rung
// before anybody has asked for something.
func (o observed) atLeast(n int, begin time.Time, d time.Duration) ([]time.Duration, error) {
	for ; d < time.Minute; d *= 2 {
		if took := o.during(begin, begin.Add(d)); len(took) >= n {
			return took, nil
		}
	}
	return nil, fmt.Errorf("fewer than %d other requests were under way after alarms were due", n)
}

// askOthers asks other objects from shortly before alarms are due until they have rung.
func (b *bench) askOthers(ctx context.Context, s *server, due time.Time, ringing time.Duration) (observed, error) {
	paths := make([]string, b.conns)
	for i := range paths {
		paths[i] = fmt.Sprintf("%s?id=other-%d", inMemory.path, i)
	}
	var answers observed
	counters := load.NewCounters(len(paths))
	g, err := load.Dial(load.Options{
		Addr: s.addr, Conns: b.conns, Paths: paths, Check: counters.Check, Rate: otherRate,
		Observe: func(due time.Time, took time.Duration) { answers = append(answers, observation{due, took}) },
	})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	if err := sleep(ctx, time.Until(due.Add(-2*settled))); err != nil {
		return nil, err
	}
	if _, err := g.Run(ctx, load.Until{Each: true}); err != nil { // the first request of each
		return nil, err
	}
	answers = nil
	if err := sleep(ctx, time.Until(due.Add(-settled))); err != nil {
		return nil, err
	}
	if _, err := g.Run(ctx, load.Until{Elapsed: time.Until(due.Add(ringing))}); err != nil {
		return nil, err
	}
	return answers, counters.Complete()
}

// rung asks each object how late its alarm was. Each must have rung once, and not too early.
func (b *bench) rung(ctx context.Context, s *server, c bells) ([]time.Duration, error) {
	paths := make([]string, c.n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/rung?id=bell-%d", i)
	}
	var late []time.Duration
	missing := 0
	g, err := load.Dial(load.Options{Addr: s.addr, Conns: b.conns, Paths: paths, Check: func(i int, body []byte) error {
		report, err := rings.ParseReport(body)
		switch times := len(report.Ran); {
		case err != nil:
			return err
		case times == 0:
			missing++
		case times > 1:
			return fmt.Errorf("bell %d has rung %d times", i, times)
		case report.Late() < 0:
			return fmt.Errorf("bell %d has rung %v too early", i, -report.Late())
		default:
			late = append(late, report.Late())
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	if _, err := g.Run(ctx, load.Until{Each: true}); err != nil {
		return nil, err
	}
	if missing > 0 {
		return nil, fmt.Errorf("%d of %d alarms have not rung within %v", missing, c.n, c.ringing())
	}
	return late, nil
}

// quantile returns the value that q of 100 values do not exceed, of sorted ones.
func quantile(sorted []time.Duration, q int) time.Duration {
	return sorted[max(0, (len(sorted)*q+99)/100-1)]
}

// oneLine bounds what of an error goes into the results.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if most := 500; len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ReplaceAll(s, "|", "/")
}
