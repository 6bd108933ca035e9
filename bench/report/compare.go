package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Comparison is two results side by side: what differs in how they were made, and in what they found.
type Comparison struct {
	A, B *Result

	// Differences are what the two were told differently, what they ran on and how they ended; empty if like is compared with like. Every form of the comparison begins with them.
	// The target is none of them: it is what is compared.
	Differences []Difference

	// Measures are the figures side by side.
	Measures []Measure
}

// Difference is a setting that the two results do not share. "-" is none.
type Difference struct{ Name, A, B string }

// A Finding says what the seconds of two runs show about a figure.
type Finding int

// What a comparison can find.
const (
	Untold Finding = iota // one figure a run, or runs that are too short: no statement
	Same                  // no difference shown: what there is, is within what the seconds differ by, or below 2 %
	Better                // B is better
	Worse                 // B is worse
)

// Measure is a figure of both results.
type Measure struct {
	Name     string
	A, B     string  // for people
	Ratio    float64 // of B to A; NaN if there is none
	Low, Top float64 // of Ratio, from the seconds, with 95 % confidence; 0 if Finding is Untold
	Finding  Finding
	Why      string // for Untold: why there is no statement; else ""
}

// What it takes to call something a difference.
const (
	fewestSeconds = 6
	confidence    = 0.95
	resamples     = 2000
	// smallest is a ratio that is never called a difference, however steady the seconds are: two runs of one program drift apart by as much.
	smallest = 0.02
)

// Compare compares b with a, which is the one before.
func Compare(a, b *Result) *Comparison {
	c := &Comparison{A: a, B: b}
	c.differ()
	c.measure()
	return c
}

// differ finds what was not alike.
func (c *Comparison) differ() {
	a, b := c.A, c.B
	add := func(name, a, b string) {
		if a == b {
			return
		}
		if a = clean(a); a == "" {
			a = "-"
		}
		if b = clean(b); b == "" {
			b = "-"
		}
		c.Differences = append(c.Differences, Difference{clean(name), a, b})
	}
	add("scenario", a.Scenario, b.Scenario)
	add("unit", a.unit(), b.unit())
	of := func(r *Result) (names []string, values map[string]string) {
		values = map[string]string{}
		for _, s := range r.settings() {
			if _, twice := values[s.Name]; !twice {
				names = append(names, s.Name)
			}
			values[s.Name] += s.Value
		}
		return names, values
	}
	names, left := of(a)
	others, right := of(b)
	for _, name := range others {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		add(name, left[name], right[name])
	}
	add("processor", a.Machine.CPU, b.Machine.CPU)
	add("cores", strconv.Itoa(a.Machine.Cores), strconv.Itoa(b.Machine.Cores))
	add("memory", bytesOf(a.Machine.Memory), bytesOf(b.Machine.Memory))
	add("system", a.Machine.OS+" "+a.Machine.Arch, b.Machine.OS+" "+b.Machine.Arch)
	add("ended by", string(a.Ended), string(b.Ended))
}

// measure puts the figures side by side.
func (c *Comparison) measure() {
	a, b := c.A, c.B
	c.timed(a.unit()+"/s", rate(a.Totals.Rate()), rate(b.Totals.Rate()), a.Totals.Rate(), b.Totals.Rate(), 1, mean, Sample.Rate)
	latency := func(name string, q float64, of func(Sample) float64) {
		if a.Latency.Count() == 0 || b.Latency.Count() == 0 {
			return
		}
		x, y := a.Latency.Quantile(q), b.Latency.Quantile(q)
		show := func(h *Histogram, d time.Duration) string {
			if q < 1 && h.Count() < enough(q) {
				return "~" + duration(d)
			}
			return duration(d)
		}
		if of == nil {
			c.single(name, show(a.Latency, x), show(b.Latency, y), float64(x), float64(y))
			return
		}
		c.timed(name, show(a.Latency, x), show(b.Latency, y), float64(x), float64(y), -1, median, of)
	}
	latency("p50", 0.5, func(s Sample) float64 { return float64(s.Latency.P50) })
	latency("p90", 0.9, nil)
	latency("p99", 0.99, func(s Sample) float64 { return float64(s.Latency.P99) })
	latency("p99.9", 0.999, nil)
	latency("p99.99", 0.9999, nil)
	latency("max", 1, nil)
	failed := func(r *Result) float64 {
		if n := r.Totals.Errors + r.Totals.Requests; n > 0 {
			return float64(r.Totals.Errors) / float64(n)
		}
		return 0
	}
	c.single("errors", percent(failed(a)), percent(failed(b)), failed(a), failed(b))
	each := func(name string, of func(Totals) time.Duration) {
		x, y := of(a.Totals), of(b.Totals)
		if x > 0 && y > 0 && a.Totals.Requests > 0 && b.Totals.Requests > 0 {
			x, y = x/time.Duration(a.Totals.Requests), y/time.Duration(b.Totals.Requests)
			c.single(name+" a "+a.each(), duration(x), duration(y), float64(x), float64(y))
		}
	}
	each("server CPU", func(t Totals) time.Duration { return t.ServerCPU })
	each("generator CPU", func(t Totals) time.Duration { return t.GeneratorCPU })
	if x, y := a.Totals.ServerResident, b.Totals.ServerResident; x > 0 && y > 0 {
		c.single("server memory", bytesOf(x), bytesOf(y), float64(x), float64(y))
	}
	for _, f := range a.Figures {
		for _, g := range b.Figures {
			if f.Name == g.Name && f.Unit == g.Unit {
				c.single(clean(f.Name), clean(f.String()), clean(g.String()), f.Value, g.Value)
			}
		}
	}
}

func quotient(a, b float64) float64 {
	if a == 0 {
		return math.NaN()
	}
	return b / a
}

// onlyOne is why nothing is said about most figures.
const onlyOne = "one figure a run"

// single adds a figure that a run has only once, so that nothing says how much of a difference is luck.
func (c *Comparison) single(name, a, b string, x, y float64) {
	c.Measures = append(c.Measures, Measure{Name: name, A: a, B: b, Ratio: quotient(x, y), Why: onlyOne})
}

// timed adds a figure that each second has, too. better is 1 if more is better, -1 if less is.
func (c *Comparison) timed(name, a, b string, x, y float64, better int, middle func([]float64) float64, of func(Sample) float64) {
	m := Measure{Name: name, A: a, B: b, Ratio: quotient(x, y)}
	values := func(r *Result) (all []float64) {
		for _, s := range r.whole() {
			if s.Requests > 0 || better > 0 { // a second without an answer has a rate, but no latency
				all = append(all, of(s))
			}
		}
		return all
	}
	left, right := values(c.A), values(c.B)
	switch {
	case c.A.ramped() || c.B.ramped():
		m.Why = "a ramp changes the load as it goes"
	case len(left) < fewestSeconds || len(right) < fewestSeconds:
		m.Why = fmt.Sprintf("too short to tell: it takes %d seconds of each", fewestSeconds)
	case math.IsNaN(m.Ratio):
		m.Why = "nothing to compare with"
	default:
		m.Low, m.Top = interval(left, right, middle)
		m.Finding = Same
		typical := middle(slices.Clone(right)) / middle(slices.Clone(left))
		if (m.Low > 1 || m.Top < 1) && math.Abs(typical-1) > smallest {
			m.Finding = Better
			if (m.Low > 1) != (better > 0) {
				m.Finding = Worse
			}
			// A p99 of the whole run can come from one slow second, when most of the others say something else.
			if whole := m.Ratio - 1; math.Abs(whole) <= smallest || (whole > 0) != (m.Low > 1) {
				m.Finding, m.Why = Untold, fmt.Sprintf("a few seconds decide: it is %s to %s in typical ones", times(m.Low), times(m.Top))
			}
		}
	}
	c.Measures = append(c.Measures, m)
}

// String is what the seconds say.
func (m Measure) String() string {
	between := fmt.Sprintf("%s to %s", times(m.Low), times(m.Top))
	switch m.Finding {
	case Same:
		return "no difference shown (" + between + ")"
	case Better:
		return "better (" + between + ")"
	case Worse:
		return "worse (" + between + ")"
	case Untold:
	}
	return m.Why
}

func times(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "-"
	}
	return digits(v)
}

const caveat = "The ranges have 95 % confidence and come from the seconds within these two runs. What differs from run to run of one and the same thing (neighbours, the disk's state, where memory lies) they do not show: " +
	"repeat both, by turns, before you rely on a small difference. Differences below 2 % are not called any."

// verdict says what was found, in a sentence a figure.
func (c *Comparison) verdict() []string {
	var all []string
	for _, m := range c.Measures {
		of := fmt.Sprintf("%s times A's (%s to %s)", times(m.Ratio), times(m.Low), times(m.Top))
		switch m.Finding {
		case Better:
			all = append(all, m.Name+": B is better, "+of)
		case Worse:
			all = append(all, m.Name+": B is worse, "+of)
		case Same:
			all = append(all, m.Name+": "+m.String())
		case Untold:
			if m.Why != onlyOne {
				all = append(all, m.Name+": "+m.Why)
			}
		}
	}
	return all
}

// WriteTable writes the comparison for a terminal.
func (c *Comparison) WriteTable(w io.Writer, o TableOptions) error {
	p := &printer{o: o}
	p.lines(p.paint("A  ", text.Bold), "   ", c.A.headline()+", "+c.A.Started.UTC().Format("2006-01-02 15:04"))
	p.lines(p.paint("B  ", text.Bold), "   ", c.B.headline()+", "+c.B.Started.UTC().Format("2006-01-02 15:04"))
	if len(c.Differences) > 0 {
		p.b.WriteString("\n")
		p.lines(p.paint("! ", text.FgYellow, text.Bold), "  ", "These two were not made alike. What follows may come from that as well as from the targets:", text.FgYellow)
		var rows [][]string
		for _, d := range c.Differences {
			rows = append(rows, []string{d.Name, d.A, d.B})
		}
		p.table([]string{"", "A", "B"}, rows)
	}
	p.section("Side by side")
	var rows [][]string
	for _, m := range c.Measures {
		finding := m.String()
		switch m.Finding {
		case Better:
			finding = p.paint(finding, text.FgGreen)
		case Worse:
			finding = p.paint(finding, text.FgRed)
		case Same, Untold:
		}
		rows = append(rows, []string{m.Name, m.A, m.B, times(m.Ratio), finding})
	}
	p.table([]string{"", "A", "B", "B/A", "the seconds say of B"}, rows, 1, 2, 3)
	p.b.WriteString("\n")
	p.lines("  ", "  ", caveat, text.Faint)
	var warnings, notes []string
	for i, r := range []*Result{c.A, c.B} {
		for _, s := range r.Warnings() {
			warnings = append(warnings, string(rune('A'+i))+": "+s)
		}
		for _, s := range r.Notes {
			notes = append(notes, string(rune('A'+i))+": "+s)
		}
	}
	p.remarks(warnings, notes)
	return p.flush(w)
}

// WriteHTML writes the comparison as one page that needs nothing else, both results in each chart.
func (c *Comparison) WriteHTML(w io.Writer) error {
	pg := newPage(c.A, c.B)
	pg.Kind, pg.Differences, pg.Verdict, pg.Caveat = "Load tests compared", c.Differences, c.verdict(), caveat
	pg.Title = c.A.headline() + " (A) and " + c.B.headline() + " (B)"
	if c.A.headline() == c.B.headline() {
		pg.Title = c.A.headline() + ", A and B"
	}
	pg.Subtitle = "A: " + c.A.Started.UTC().Format("2 January 2006, 15:04 UTC") + " · B: " + c.B.Started.UTC().Format("2 January 2006, 15:04 UTC")
	table := htmlTable{Title: "Side by side", Head: []string{"figure", "A", "B", "B/A", "the seconds say of B"}}
	for _, m := range c.Measures {
		table.Rows = append(table.Rows, []string{m.Name, m.A, m.B, times(m.Ratio), m.String()})
		if m.Finding == Untold && !slices.Contains([]string{"p99.9", "max", "errors"}, m.Name) {
			continue
		}
		class := map[Finding]string{Better: "good", Worse: "bad"}[m.Finding]
		value := times(m.Ratio) + " ×"
		if math.IsNaN(m.Ratio) {
			value = m.B
		}
		pg.Cards = append(pg.Cards, card{Name: m.Name, Value: value, More: m.A + " → " + m.B, Class: class})
	}
	pg.Tables = []htmlTable{table}
	pg.Charts = c.charts()
	return pg.write(w)
}

// charts have both results in each.
func (c *Comparison) charts() []*chart {
	var all []*chart
	results := []*Result{c.A, c.B}
	names, paints := []string{"A", "B"}, []paint{paint1, paint2}
	each := func(of func(r *Result, name string, p paint) []series) (lines []series) {
		for i, r := range results {
			lines = append(lines, of(r, names[i], paints[i])...)
		}
		return lines
	}
	longest := max(c.A.Latency.Count(), c.B.Latency.Count())
	if longest > 0 {
		to := percentilesTo(longest)
		lines := each(func(r *Result, name string, p paint) []series {
			return []series{{name, p, solid, byPercentile(r.Latency, to)}}
		})
		all = append(all, &chart{Title: "Latency by percentile", About: percentileAbout, Wide: true, Series: lines, x: axis{max: to, ticks: percentileTicks}, y: durations(lines)})
	}
	lines := each(func(r *Result, name string, p paint) []series {
		return []series{{name, p, solid, over(r, Sample.Rate)}}
	})
	if c.A.Config.Open || c.B.Config.Open {
		lines = append(lines, each(func(r *Result, name string, p paint) []series {
			if !r.Config.Open {
				return nil
			}
			return []series{{name + " intended", p, dashed, over(r, func(s Sample) float64 { return perSecond(s.Intended, s.Span) })}}
		})...)
	}
	x := timeAxis(results)
	all = append(all, &chart{Title: "Throughput", About: "A second, successes only.", Series: lines, x: x, y: upwards(lines, short, false)})
	lines = each(func(r *Result, name string, p paint) []series {
		return []series{
			{name + " p99", p, dashed, over(r, func(s Sample) float64 { return waited(s.Latency.P99) })},
			{name + " p50", p, solid, over(r, func(s Sample) float64 { return waited(s.Latency.P50) })},
		}
	})
	all = append(all, &chart{Title: "p50 and p99 over time", About: "Of each second, on a logarithmic scale.", Series: lines, x: x, y: durations(lines)})
	lines = each(func(r *Result, name string, p paint) []series {
		return []series{{name, p, solid, over(r, func(s Sample) float64 { return waited(s.Latency.Max) })}}
	})
	all = append(all, &chart{Title: "The slowest of each second", About: "On a logarithmic scale.", Series: lines, x: x, y: durations(lines)})
	if longest > 0 {
		low, high := histogramAxis(c.A.Latency, c.B.Latency)
		lines = each(func(r *Result, name string, p paint) []series {
			if r.Latency.Count() == 0 {
				return nil
			}
			return []series{{name, p, solid, centred(shares(r.Latency, low, high, histogramColumns), low)}}
		})
		all = append(all, histogramChart(lines, low, high))
	}
	if c.A.Service.Count() > 0 && c.B.Service.Count() > 0 {
		lines = each(func(r *Result, name string, p paint) []series {
			return []series{{name + " latency", p, solid, byPercentile(r.Latency, percentilesTo(longest))}, {name + " service time", p, dashed, byPercentile(r.Service, percentilesTo(longest))}}
		})
		all = append(all, &chart{
			Title: "Response against service", About: "By percentile, from when it was due and from when it was sent.", Series: lines, x: axis{max: percentilesTo(longest), ticks: percentileTicks}, y: durations(lines),
		})
	}
	lines = each(func(r *Result, name string, p paint) []series {
		return []series{{name, p, solid, over(r, func(s Sample) float64 { return float64(s.Errors) })}}
	})
	return arranged(append(all, errorChart(results, lines)))
}

// centred moves columns' shares from their ends to their middles, for a line through them.
func centred(all []xy, low float64) []xy {
	out, last := slices.Clone(all), low
	for i := range out {
		out[i].X = math.Sqrt(all[i].X * last)
		last = all[i].X
	}
	return out
}
