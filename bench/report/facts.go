package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// percentiles are those that tables have. In a histogram of fewer than ten durations beyond one, it is a matter of luck.
var percentiles = []float64{0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999}

// enough is how many durations a percentile needs to have ten beyond it.
func enough(q float64) int64 { return int64(math.Round(10 / (1 - q))) }

func percentileName(q float64) string {
	return "p" + strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", q*100), "0"), ".")
}

// spread is how a rate went over the seconds of a run.
type spread struct {
	n              int
	mean, low, top float64
	cv             float64 // standard deviation, as a share of the mean
}

// whole are the samples that were a second or nearly: the last one's rate says little when it was short.
func (r *Result) whole() []Sample {
	if len(r.Series) < 2 {
		return r.Series
	}
	typical := r.Series[0].Span
	return slices.DeleteFunc(slices.Clone(r.Series), func(s Sample) bool { return s.Span < typical/2 })
}

func (r *Result) spread() spread {
	var s spread
	var sum, squares float64
	for _, sample := range r.whole() {
		v := sample.Rate()
		if s.n == 0 || v < s.low {
			s.low = v
		}
		s.top = max(s.top, v)
		sum += v
		squares += v * v
		s.n++
	}
	if s.n == 0 || sum == 0 {
		return s
	}
	s.mean = sum / float64(s.n)
	s.cv = math.Sqrt(max(0, squares/float64(s.n)-s.mean*s.mean)) / s.mean
	return s
}

// generatorShare is how much of the processor time that it could have had the generator took.
func (r *Result) generatorShare() float64 {
	t := r.Totals
	if t.Elapsed <= 0 || t.GeneratorCores <= 0 {
		return 0
	}
	return t.GeneratorCPU.Seconds() / t.Elapsed.Seconds() / t.GeneratorCores
}

func (r *Result) ramped() bool { return r.Config.RateEnd > 0 && r.Config.RateEnd != r.Config.Rate }

// Bounds of what is warned of.
const (
	saturated  = 0.85 // of the generator's processor time
	behindMost = 10 * time.Millisecond
	kept       = 0.98 // of the intended rate
	noisy      = 0.15 // standard deviation of the rate over the seconds
	shortest   = 3 * time.Second

	// worthWarning is the last percentile whose lack of durations is worth a warning: those beyond are left out of tables instead.
	worthWarning = 0.9999
)

// Warnings are what makes the result worth less than it looks, each a sentence or two, the gravest first. They are found in the result, so that a file read later has them too.
func (r *Result) Warnings() []string {
	var all []string
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	t, c := r.Totals, r.Config
	switch r.Ended {
	case EndedFailed:
		warn("The run failed before its end: what follows is what there was until then.")
	case EndedInterrupted:
		warn("The run was interrupted after %s.", duration(t.Elapsed))
	case EndedTime, EndedCount:
	}
	if n := t.Requests + t.Errors; t.Errors > 0 {
		warn("%s of %s %s failed (%s). Latencies and rates are of successes only.", count(t.Errors), count(n), r.unit(), percent(float64(t.Errors)/float64(n)))
	}
	if share := r.generatorShare(); share > saturated {
		warn("The load generator was saturated: it used %s of the processor time that it could have. Rates may be its limit and not the server's, and latencies include its own queues.", percent(share))
	}
	if c.Open && t.Intended > 0 {
		if t.Unsent > 0 {
			warn("%s of %s %s that were due were never sent: the target did not keep up. The latencies have the time in them that these had waited when the run ended.", count(t.Unsent), count(t.Intended), r.unit())
		}
		if done := float64(t.Requests+t.Errors) / float64(t.Intended); done < kept {
			warn("Only %s of the intended %s were answered within the measured time: beyond what the target can do, latencies grow with the length of the run.", percent(done), r.unit())
		}
		if t.GeneratorBehind > behindMost {
			warn("The load generator was up to %s late with what was due, for its own reasons. The latencies include that; the service times do not.", duration(t.GeneratorBehind))
		}
	}
	if m := r.Machine; m.Cores > 0 && m.Load > float64(m.Cores)/2 {
		warn("The machine was busy before the run: a load average of %s on %d cores.", digits(m.Load), m.Cores)
	}
	if s := r.spread(); s.n >= 3 && s.cv > noisy && !r.ramped() {
		warn("The rate was unsteady, from %s to %s over the seconds (a standard deviation of %s): something else ran, or the target pauses.", rate(s.low), rate(s.top), percent(s.cv))
	}
	if t.Elapsed > 0 && t.Elapsed < shortest && r.Ended != EndedInterrupted {
		warn("The run took only %s: caches, the garbage collector and the disk show themselves later.", duration(t.Elapsed))
	}
	if n := r.Latency.Count(); n > 0 {
		for _, q := range percentiles {
			if n < enough(q) && q >= 0.99 && q <= worthWarning {
				warn("%s %s are too few for %s and beyond, which need %s: such figures, marked ~, are a matter of luck.", count(n), r.unit(), percentileName(q), count(enough(q)))
				break
			}
		}
	}
	for i := range all {
		all[i] = clean(all[i])
	}
	return all
}

// method says how the load was made and what that means for the latencies.
func (r *Result) method() string {
	if r.Config.Open {
		return "Open loop: latency counts from when an operation was due, so a stall is charged to all who would have waited for it (no coordinated omission)."
	}
	return "Closed loop: a connection sends its next operation after the answer. While the target stalls nothing new is sent, so the tail is shorter than what independent callers would see (coordinated omission)."
}

// settings are the configuration as a person reads it, for tables and for comparing.
func (r *Result) settings() []Setting {
	c := r.Config
	var all []Setting
	add := func(name, value string) {
		if value != "" {
			all = append(all, Setting{clean(name), clean(value)})
		}
	}
	if c.Open {
		load := "open loop, " + rate(c.Rate)
		if r.ramped() {
			load += " rising to " + rate(c.RateEnd)
			if c.RateEnd < c.Rate {
				load = "open loop, " + rate(c.Rate) + " falling to " + rate(c.RateEnd)
			}
		}
		switch c.Arrivals {
		case "":
		case AtOnce:
			load = "open loop, all at the same instant"
		default:
			load += ", " + c.Arrivals + " arrivals"
		}
		add("load", load)
	} else {
		add("load", "closed loop")
	}
	if c.Connections > 0 {
		add("connections", count(int64(c.Connections)))
	}
	if c.Pipeline > 1 {
		add("pipeline", count(int64(c.Pipeline)))
	}
	if c.Duration > 0 {
		add("duration", span(c.Duration))
	}
	if c.Count > 0 {
		add("count", count(c.Count)+" "+r.unit())
	}
	if c.Warmup > 0 {
		add("warm-up", span(c.Warmup))
	}
	add("keys", c.Keys)
	add("values", c.Values)
	add("mix", c.Mix)
	for _, s := range c.Other {
		add(s.Name, s.Value)
	}
	return all
}

// machine is where it ran, in one line.
func (m Machine) String() string {
	var parts []string
	add := func(s string) {
		if s = strings.TrimSpace(clean(s)); s != "" {
			parts = append(parts, s)
		}
	}
	add(m.CPU)
	if m.Cores > 0 {
		add(fmt.Sprintf("%d cores", m.Cores))
	}
	if m.Memory > 0 {
		add(bytesOf(m.Memory))
	}
	add(m.OS + " " + m.Arch)
	add(m.Go)
	return strings.Join(parts, ", ")
}

// facts are the totals as names and values.
func (r *Result) facts() []Setting {
	t := r.Totals
	var all []Setting
	add := func(name, format string, args ...any) { all = append(all, Setting{name, fmt.Sprintf(format, args...)}) }
	s := r.spread()
	rated := rate(t.Rate())
	if s.n >= 3 && !r.ramped() {
		rated += fmt.Sprintf("  (%s to %s over the seconds)", rate(s.low), rate(s.top))
	}
	add(r.unit(), "%s", rated)
	if r.Config.Open && t.Elapsed > 0 && t.Intended > 0 {
		add("intended", "%s", rate(perSecond(t.Intended, t.Elapsed)))
	}
	add("done", "%s in %s", count(t.Requests), duration(t.Elapsed))
	if n := t.Requests + t.Errors; t.Errors > 0 {
		add("errors", "%s (%s)", count(t.Errors), percent(float64(t.Errors)/float64(n)))
	} else {
		add("errors", "none")
	}
	if t.Unsent > 0 {
		add("never sent", "%s", count(t.Unsent))
	}
	if n := t.Requests; t.Sent+t.Received > 0 && n > 0 && t.Elapsed > 0 {
		add("bytes", "sent %s (%s/s), received %s (%s/s)", bytesOf(t.Sent), bytesOf(int64(perSecond(t.Sent, t.Elapsed))), bytesOf(t.Received), bytesOf(int64(perSecond(t.Received, t.Elapsed))))
	}
	if n := t.Requests; n > 0 {
		if t.ServerCPU > 0 {
			add("server CPU", "%s a %s (%s of a core)", duration(t.ServerCPU/time.Duration(n)), r.each(), percent(t.ServerCPU.Seconds()/t.Elapsed.Seconds()))
		}
		if t.GeneratorCPU > 0 {
			share := ""
			if v := r.generatorShare(); v > 0 {
				share = fmt.Sprintf(" (%s of what it could use)", percent(v))
			}
			add("generator CPU", "%s a %s%s", duration(t.GeneratorCPU/time.Duration(n)), r.each(), share)
		}
	}
	if t.ServerResident > 0 {
		add("server memory", "%s resident at the end", bytesOf(t.ServerResident))
	}
	for _, f := range r.Figures {
		add(clean(f.Name), "%s", clean(f.String()))
	}
	return all
}

// column is one of a table of latencies.
type column struct {
	name string
	h    *Histogram
}

// columns are the histograms of a result that have anything in them, the whole first.
func (r *Result) columns() []column {
	if r.Latency.Count() == 0 {
		return nil
	}
	all := []column{{"latency", r.Latency}}
	if r.Service.Count() > 0 {
		all = append(all, column{"service time", r.Service})
	}
	for _, k := range r.Kinds {
		if k.Latency.Count() > 0 {
			all = append(all, column{clean(k.Name), k.Latency})
		}
	}
	return all
}

// A point is a row of a table of latencies.
type point struct {
	name string
	of   func(*Histogram) string // ~ before what has too few durations behind it
}

// pointsOf are the rows for these histograms.
func pointsOf(columns []column) []point {
	var most int64
	for _, c := range columns {
		most = max(most, c.h.Count())
	}
	all := []point{{"min", func(h *Histogram) string { return duration(h.Min()) }}, {"mean", func(h *Histogram) string { return duration(h.Mean()) }}}
	for _, q := range percentiles {
		if q > worthWarning && most < enough(q) {
			continue
		}
		all = append(all, point{percentileName(q), func(h *Histogram) string {
			v := duration(h.Quantile(q))
			if h.Count() < enough(q) {
				v = "~" + v
			}
			return v
		}})
	}
	return append(all, point{"max", func(h *Histogram) string { return duration(h.Max()) }})
}

// failures are the errors, the most frequent first.
func (r *Result) failures() []Failure {
	all := slices.Clone(r.Errors)
	slices.SortStableFunc(all, func(a, b Failure) int { return int(b.Count - a.Count) })
	for i := range all {
		all[i].Kind = clean(all[i].Kind)
		all[i].Example = clean(all[i].Example)
		if len(all[i].Example) > MaxExample {
			all[i].Example = strings.ToValidUTF8(all[i].Example[:MaxExample], "") + " ..."
		}
	}
	return all
}

func cleaned(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = clean(s)
	}
	return out
}
