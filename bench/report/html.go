package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed page.css
var pageStyle string

//go:embed page.html
var pageText string

// pageTemplate is parsed when the first page is made: most runs of the program make none.
var pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// page is what the template shows: a result, or two side by side.
type page struct {
	Kind     string // what the page is, above its title
	Title    string
	Policy   string // Content-Security-Policy
	Style    template.CSS
	Subtitle string

	Cards       []card
	Differences []Difference
	Verdict     []string
	Caveat      string // behind the verdict
	Warnings    []note
	Notes       []note
	Method      []string
	Charts      []*chart
	Tables      []htmlTable
	Errors      []errorTable
	Runs        []run
	Tool        string
}

// card is a figure at the top.
type card struct{ Name, Value, More, Class string }

// note is a sentence, and which result it is about: "" if there is only one.
type note struct{ Of, Text string }

// htmlTable is a table with names in its first column.
type htmlTable struct {
	Title  string
	Head   []string
	Rows   [][]string
	Folded bool // behind its title
}

type errorTable struct {
	Of  string
	All []errorRow
}

type errorRow struct{ Count, Kind, First, Example string }

// run is one result's own page of facts.
type run struct {
	Of, Headline, When, Machine, Command string
	Settings, Facts                      []Setting
}

// WriteHTML writes the result as one page that needs nothing else: no network, no script. Whatever the target said is escaped.
func (r *Result) WriteHTML(w io.Writer) error {
	pg := newPage(r)
	pg.Kind, pg.Title, pg.Subtitle = joined(" · ", "Load test", clean(r.Scenario)), r.named(), joined(" · ", r.Started.UTC().Format("2 January 2006, 15:04 UTC"), r.Machine.String())
	t := r.Totals
	s := r.spread()
	more := count(t.Requests) + " in " + duration(t.Elapsed)
	if s.n >= 3 && !r.ramped() {
		more += ", ± " + percent(s.cv)
	}
	pg.Cards = []card{{Name: r.unit() + " a second", Value: digits(t.Rate()), More: more, Class: "c1"}}
	if r.Latency.Count() > 0 {
		for _, q := range []float64{0.5, 0.99, 0.999} {
			c := card{Name: percentileName(q), Value: duration(r.Latency.Quantile(q)), More: fmt.Sprintf("%s %% of %s are faster", digitsOf(q*100), r.unit())}
			if q == 0.5 {
				c.More = "the median latency"
			}
			if r.Latency.Count() < enough(q) {
				c.More = "too few to rely on"
			}
			pg.Cards = append(pg.Cards, c)
		}
		pg.Cards = append(pg.Cards, card{Name: "max", Value: duration(r.Latency.Max()), More: "the slowest one"})
	}
	failed := card{Name: "errors", Value: count(t.Errors), More: "none failed"}
	if t.Errors > 0 {
		failed.Class, failed.More = "bad", percent(float64(t.Errors)/float64(t.Errors+t.Requests))+" of all"
	}
	pg.Cards = append(pg.Cards, failed)

	pg.Charts = single(r)
	if columns := r.columns(); len(columns) > 0 {
		table := htmlTable{Title: "Latency by percentile", Head: []string{"percentile"}}
		for _, c := range columns {
			table.Head = append(table.Head, c.name)
		}
		for _, point := range pointsOf(columns) {
			row := []string{point.name}
			for _, c := range columns {
				row = append(row, point.of(c.h))
			}
			table.Rows = append(table.Rows, row)
		}
		pg.Tables = append(pg.Tables, table)
	}
	if table, ok := r.seconds(); ok {
		pg.Tables = append(pg.Tables, table)
	}
	return pg.write(w)
}

// newPage has what a page shows of each result, whether there are one or two.
func newPage(results ...*Result) *page {
	sum := sha256.Sum256([]byte(pageStyle))
	pg := &page{
		// The style sheet is the only thing that the page may use, and by its hash: text that got into the page by a mistake could neither run nor fetch anything. The
		// drawings' style attributes need the word 'unsafe-inline' for attributes only.
		Policy: "default-src 'none'; style-src-elem 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'",
		Style:  template.CSS(pageStyle), //nolint:gosec // ours
		Tool:   clean(results[0].Tool),
	}
	for i, r := range results {
		of := ""
		if len(results) > 1 {
			of = string(rune('A' + i))
		}
		for _, s := range r.Warnings() {
			pg.Warnings = append(pg.Warnings, note{of, s})
		}
		for _, s := range cleaned(r.Notes) {
			pg.Notes = append(pg.Notes, note{of, s})
		}
		if m := r.method(); !slices.Contains(pg.Method, m) && r.Latency.Count() > 0 {
			pg.Method = append(pg.Method, m)
		}
		if failures := r.failures(); len(failures) > 0 {
			table := errorTable{Of: of}
			for _, f := range failures {
				table.All = append(table.All, errorRow{count(f.Count), f.Kind, duration(f.First), f.Example})
			}
			pg.Errors = append(pg.Errors, table)
		}
		pg.Runs = append(pg.Runs, run{
			Of: of, Headline: r.headline(), When: r.Started.UTC().Format(time.RFC3339), Machine: r.Machine.String(), Command: clean(r.Command), Settings: r.settings(), Facts: r.facts(),
		})
	}
	return pg
}

func (pg *page) write(w io.Writer) error {
	var b strings.Builder
	if err := pageTemplate().Execute(&b, pg); err != nil {
		return fmt.Errorf("report: make a page: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write a page: %w", err)
	}
	return nil
}

// seconds is the series as a table: what the charts over time show, for who cannot see them.
func (r *Result) seconds() (htmlTable, bool) {
	if len(r.Series) == 0 {
		return htmlTable{}, false
	}
	table := htmlTable{Title: "Second by second", Folded: true, Head: []string{"until", r.unit() + "/s"}}
	if r.Config.Open {
		table.Head = append(table.Head, "intended/s")
	}
	table.Head = append(table.Head, "errors", "in flight", "p50", "p99", "max")
	samples := thinned(r.Series)
	for _, s := range samples {
		row := []string{duration(s.At), digits(s.Rate())}
		if r.Config.Open {
			row = append(row, digits(perSecond(s.Intended, s.Span)))
		}
		table.Rows = append(table.Rows, append(row, count(s.Errors), count(int64(s.InFlight)), duration(s.Latency.P50), duration(s.Latency.P99), duration(s.Latency.Max)))
	}
	if len(samples) < len(r.Series) {
		table.Title = fmt.Sprintf("Over time, %s a row", duration(samples[0].Span))
	}
	return table, true
}

const percentileAbout = "How long the slowest ones took: at 99 %, one of a hundred took longer."

// percentilesTo is where an axis of percentiles ends that shows so many durations.
func percentilesTo(n int64) float64 { return min(max(math.Log10(float64(n)), 2), 5) }

// histogramAxis is where the durations of these histograms are, without the last few that would make the rest narrow.
func histogramAxis(all ...*Histogram) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, h := range all {
		if h.Count() > 0 {
			low, high = min(low, float64(h.Quantile(0.002))), max(high, float64(h.Quantile(0.998)))
		}
	}
	return logRange(low, high)
}

const histogramColumns = 64

func histogramChart(all []series, low, high float64) *chart {
	return &chart{
		Title: "How often which latency", About: "Share of all in each column; columns are equally wide on a logarithmic scale. The rarest 0.2 % at either end are in the outermost columns.", Series: all,
		x: axis{log: true, min: low, max: high, ticks: logarithmic}, y: upwards(all, func(v float64) string { return digitsOf(v*100) + " %" }, false),
	}
}

// digitsOf writes a number without zeros at its end.
func digitsOf(v float64) string { return short(math.Round(v*1e6) / 1e6) }

// single are the charts of one result.
func single(r *Result) []*chart {
	var all []*chart
	open := r.Service.Count() > 0
	if r.Latency.Count() > 0 {
		to := percentilesTo(r.Latency.Count())
		lines := []series{{"latency", paint1, filled, byPercentile(r.Latency, to)}}
		if open {
			lines[0].name = "latency, from when it was due"
			lines = append(lines, series{"service time, from when it was sent", paint2, dashed, byPercentile(r.Service, to)})
		} else if len(r.Kinds) == 2 || len(r.Kinds) == 3 {
			for i, k := range r.Kinds {
				if k.Latency.Count() > 0 {
					lines = append(lines, series{clean(k.Name), paint2 + paint(i), dashed, byPercentile(k.Latency, to)})
				}
			}
		}
		all = append(all, &chart{Title: "Latency by percentile", About: percentileAbout, Wide: true, Series: lines, x: axis{max: to, ticks: percentileTicks}, y: durations(lines)})
	}
	axisOfTime := timeAxis([]*Result{r})
	if len(r.Series) > 0 {
		lines := []series{{"done", paint1, filled, over(r, Sample.Rate)}}
		if r.Config.Open {
			lines = append(lines, series{"intended", paint4, dashed, over(r, func(s Sample) float64 { return perSecond(s.Intended, s.Span) })})
		}
		all = append(all, &chart{Title: "Throughput", About: fmt.Sprintf("%s a second that succeeded.", capital(r.unit())), Series: lines, x: axisOfTime, y: upwards(lines, short, false)})
	}
	if len(r.Series) > 0 && r.Latency.Count() > 0 {
		lines := []series{
			{"max", paint4, solid, over(r, func(s Sample) float64 { return waited(s.Latency.Max) })},
			{"p99", paint2, solid, over(r, func(s Sample) float64 { return waited(s.Latency.P99) })},
			{"p50", paint1, solid, over(r, func(s Sample) float64 { return waited(s.Latency.P50) })},
		}
		all = append(all, &chart{Title: "Latency over time", About: "Of each second, on a logarithmic scale.", Series: lines, x: axisOfTime, y: durations(lines)})
	}
	if r.Latency.Count() > 0 {
		low, high := histogramAxis(r.Latency)
		all = append(all, histogramChart([]series{{"latency", paint1, bars, shares(r.Latency, low, high, histogramColumns)}}, low, high))
	}
	if open && len(r.Series) > 0 {
		of := func(figure func(Quantiles) time.Duration) func(Sample) float64 {
			return func(s Sample) float64 {
				if s.Service == nil {
					return math.NaN()
				}
				return waited(figure(*s.Service))
			}
		}
		lines := []series{
			{"p99 latency", paint2, solid, over(r, func(s Sample) float64 { return waited(s.Latency.P99) })},
			{"p99 service time", paint2, dashed, over(r, of(func(q Quantiles) time.Duration { return q.P99 }))},
			{"p50 latency", paint1, solid, over(r, func(s Sample) float64 { return waited(s.Latency.P50) })},
			{"p50 service time", paint1, dashed, over(r, of(func(q Quantiles) time.Duration { return q.P50 }))},
		}
		all = append(all, &chart{
			Title: "Response against service", About: "Where a latency is above its service time, what was due had to wait before it could be sent.", Series: lines, x: axisOfTime, y: durations(lines),
		})
	}
	if len(r.Series) > 0 {
		all = append(all, errorChart([]*Result{r}, []series{{"errors", paintBad, bars, ended(r, func(s Sample) float64 { return float64(s.Errors) })}}))
	}
	return arranged(all)
}

// arranged makes the last chart as wide as the page if it would stand alone in its row. One without a drawing always is.
func arranged(all []*chart) []*chart {
	var lone *chart
	for _, c := range all {
		switch {
		case c.Series == nil:
			c.Wide = true
		case c.Wide:
		case lone == nil:
			lone = c
		default:
			lone = nil
		}
	}
	if lone != nil {
		lone.Wide, lone.Low = true, true
	}
	return all
}

// errorChart has the errors of each second, or says that there were none.
func errorChart(results []*Result, lines []series) *chart {
	c := &chart{Title: "Errors", About: "In each second.", Series: lines, x: timeAxis(results), y: upwards(lines, short, true)}
	var n int64
	for _, r := range results {
		n += r.Totals.Errors
	}
	if n == 0 {
		c.About, c.Series = "There were none.", nil
	}
	return c
}

// ended is a figure of the samples over time, at the end of each: for bars.
func ended(r *Result, figure func(Sample) float64) (all []xy) {
	for _, s := range thinned(r.Series) {
		all = append(all, xy{X: s.At.Seconds(), Y: figure(s)})
	}
	return all
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func joined(by string, all ...string) string {
	return strings.Join(slices.DeleteFunc(all, func(s string) bool { return s == "" }), by)
}
