package report

import (
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Charts are drawn by gonum/plot into SVG, each in the sizes that the page's layouts need, as text in a drawing does not flow. Colours are names: the drawing has a number for
// each, which is replaced by a variable of the page's style sheet, so that one drawing is right in light and in dark. Nothing in a drawing comes from outside but numbers.

// A paint is a colour of the page's style sheet.
type paint uint8

const (
	paintText paint = iota
	paintAxis
	paintGrid
	paint1
	paint2
	paint3
	paint4
	paintBad
	paintFill // below paint1
)

var paintNames = []string{"text", "axis", "grid", "c1", "c2", "c3", "c4", "bad", "fill"}

// rgba is a colour that stands for the paint in a drawing: nothing else in it has it.
func (c paint) rgba() color.RGBA { return color.RGBA{0x0E, 0x5C, uint8(c), 0xFF} }

var paintVariables = func() *strings.Replacer {
	var pairs []string
	for i, name := range paintNames {
		c := paint(i).rgba()
		pairs = append(pairs, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), "var(--"+name+")")
	}
	return strings.NewReplacer(append(pairs, "font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;", "")...)
}()

// A stroke says how a line is drawn.
type stroke uint8

const (
	solid stroke = iota
	dashed
	filled // down to the axis
	bars   // a point, which is the right end of its bar
)

type xy = plotter.XY

// series is a line of a chart. A NaN in y is a gap.
type series struct {
	name   string // for the legend: fixed, or cleaned
	paint  paint
	stroke stroke
	points plotter.XYs
}

func (s series) Class() string {
	if s.stroke == dashed {
		return paintNames[s.paint] + " dashed"
	}
	return paintNames[s.paint]
}

func (s series) Name() string { return s.name }

// axis says what a direction of a chart means.
type axis struct {
	log      bool // of positive values
	min, max float64
	ticks    func(min, max float64, room int) []plot.Tick // room is how many labels there is room for
}

// chart is a drawing with its text.
type chart struct {
	Title, About string
	Wide, Low    bool // over the whole width; and not as high as others
	Series       []series
	x, y         axis
}

// size of a drawing in pixels at its natural size, and the class that the style sheet shows it by.
type size struct {
	class         string
	width, height int
}

var (
	sizeWide   = size{"wide", 1080, 320}
	sizeLow    = size{"wide", 1080, 190}
	sizeMiddle = size{"middle", 528, 270}
	sizeSmall  = size{"small", 336, 250}
)

// Drawings are the chart in every size that the page shows it in.
func (c *chart) Drawings() (template.HTML, error) {
	sizes := []size{sizeMiddle, sizeSmall}
	switch {
	case c.Wide && c.Low:
		sizes = []size{sizeLow, sizeMiddle, sizeSmall}
	case c.Wide:
		sizes = []size{sizeWide, sizeMiddle, sizeSmall}
	}
	var b strings.Builder
	for _, s := range sizes {
		if err := c.draw(&b, s); err != nil {
			return "", err
		}
	}
	return template.HTML(b.String()), nil //nolint:gosec // numbers in a drawing, and fixed words
}

func (c *chart) draw(b *strings.Builder, s size) error {
	p := plot.New()
	p.BackgroundColor = nil
	face := font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	// A label needs about 60 pixels beside the next one, and 34 above it.
	for _, d := range []struct {
		to   *plot.Axis
		of   axis
		room int
	}{{&p.X, c.x, s.width / 62}, {&p.Y, c.y, s.height / 34}} {
		d.to.LineStyle = draw.LineStyle{}
		d.to.Tick.LineStyle = draw.LineStyle{Color: paintGrid.rgba(), Width: 1}
		d.to.Tick.Length = 4
		d.to.Tick.Label.Font = face
		d.to.Tick.Label.Color = paintText.rgba()
		d.to.Padding = 0
		d.to.Tick.Marker = plot.ConstantTicks(d.of.ticks(d.of.min, d.of.max, d.room))
		if d.of.log {
			d.to.Scale = plot.LogScale{}
		}
	}
	p.X.Tick.Length = 8 // so that the labels of the corner are apart
	p.X.LineStyle = draw.LineStyle{Color: paintAxis.rgba(), Width: 1}
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: paintGrid.rgba(), Width: 1}
	grid.Vertical = draw.LineStyle{Color: paintGrid.rgba(), Width: 1}
	p.Add(grid)
	for _, line := range c.Series {
		if err := line.add(p, c.y.min); err != nil {
			return fmt.Errorf("report: draw %q: %w", c.Title, err)
		}
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = c.x.min, c.x.max, c.y.min, c.y.max

	canvas := vgsvg.New(vg.Length(s.width), vg.Length(s.height))
	// Half of the last label is to the right of its place, half of the topmost one above it.
	p.Draw(draw.Crop(draw.New(canvas), 2, -32, 2, -6))
	var drawing strings.Builder
	if _, err := canvas.WriteTo(&drawing); err != nil {
		return fmt.Errorf("report: draw %q: %w", c.Title, err)
	}
	_, inner, found := strings.Cut(drawing.String(), "<g ")
	if !found {
		return fmt.Errorf("report: draw %q: the library wrote no drawing", c.Title)
	}
	// The title and the table beside it say the same in words: a screen reader passes over the drawing.
	fmt.Fprintf(b, `<svg class="%s" viewBox="0 0 %d %d" aria-hidden="true" focusable="false"><g %s`, s.class, s.width, s.height, paintVariables.Replace(inner))
	return nil
}

// add puts the line into a plot. Where it has gaps it is several.
func (s series) add(p *plot.Plot, floor float64) error {
	style := draw.LineStyle{Color: s.paint.rgba(), Width: 1.8}
	if s.stroke == dashed {
		style.Dashes, style.Width = []vg.Length{5, 4}, 1.4
	}
	for rest := s.points; len(rest) > 0; {
		n := slices.IndexFunc(rest, func(xy plotter.XY) bool { return math.IsNaN(xy.Y) })
		if n < 0 {
			n = len(rest)
		}
		part := rest[:n]
		rest = rest[min(n+1, len(rest)):]
		if len(part) == 0 {
			continue
		}
		if s.stroke == bars || s.stroke == filled {
			fill := paintFill
			if s.stroke == bars {
				fill = s.paint
			}
			if err := area(p, part, floor, fill.rgba(), s.stroke == bars); err != nil {
				return err
			}
			if s.stroke == bars {
				continue
			}
		}
		if len(part) == 1 { // a second between gaps
			dots, err := plotter.NewScatter(part)
			if err != nil {
				return err
			}
			dots.GlyphStyle = draw.GlyphStyle{Color: style.Color, Radius: 2, Shape: draw.CircleGlyph{}}
			p.Add(dots)
			continue
		}
		line, err := plotter.NewLine(part)
		if err != nil {
			return err
		}
		line.LineStyle = style
		p.Add(line)
	}
	return nil
}

// area fills what is below a line, or each point's bar.
func area(p *plot.Plot, part plotter.XYs, floor float64, fill color.RGBA, each bool) error {
	var outlines []plotter.XYer
	if each {
		left := part[0].X
		if len(part) > 1 {
			left -= part[1].X - part[0].X
		} else {
			left--
		}
		for _, xy := range part {
			if xy.Y > floor {
				gap := (xy.X - left) * 0.08
				outlines = append(outlines, plotter.XYs{{X: left + gap, Y: floor}, {X: left + gap, Y: xy.Y}, {X: xy.X - gap, Y: xy.Y}, {X: xy.X - gap, Y: floor}})
			}
			left = xy.X
		}
	} else {
		outline := plotter.XYs{{X: part[0].X, Y: floor}}
		outline = append(outline, part...)
		outlines = append(outlines, append(outline, plotter.XY{X: part[len(part)-1].X, Y: floor}))
	}
	for _, outline := range outlines {
		polygon, err := plotter.NewPolygon(outline)
		if err != nil {
			return err
		}
		polygon.LineStyle = draw.LineStyle{}
		polygon.Color = fill
		p.Add(polygon)
	}
	return nil
}

// steps are 1, 2 or 5 times a power of ten.
func niceStep(rough float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= rough*0.999 {
			return m * power
		}
	}
	return 10 * power
}

// linear puts a label at every step, as many as there is room for.
func linear(label func(float64) string, least float64) func(low, high float64, room int) []plot.Tick {
	return func(low, high float64, room int) []plot.Tick {
		step := max(niceStep((high-low)/float64(max(room, 2))), least)
		var all []plot.Tick
		for i := math.Ceil(low/step-1e-9) + 0; i*step <= high*(1+1e-9); i++ {
			all = append(all, plot.Tick{Value: i * step, Label: label(i * step)})
		}
		return all
	}
}

// seconds labels an axis of time.
func seconds(v float64) string {
	d := time.Duration(math.Round(v * float64(time.Second)))
	switch {
	case d >= time.Hour && d%time.Minute == 0:
		return fmt.Sprintf("%d:%02d h", d/time.Hour, d%time.Hour/time.Minute)
	case d > 2*time.Minute:
		return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " s"
}

// short writes a number for an axis: 20k, 1.5M.
func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= u.size*0.9995 {
			return strconv.FormatFloat(v/u.size, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// tickDuration is a duration on an axis: 500 µs, 2 ms.
func tickDuration(ns float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}} {
		if ns >= u.size*0.9995 {
			return strconv.FormatFloat(ns/u.size, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(ns, 'g', 3, 64) + " ns"
}

// logarithmic puts labels at the roundest values that there is room for, over an axis of durations.
func logarithmic(low, high float64, room int) []plot.Tick {
	var best []plot.Tick
	for _, marks := range [][]float64{{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9}} {
		var all []plot.Tick
		for power := math.Pow(10, math.Floor(math.Log10(low))); power <= high; power *= 10 {
			for _, m := range marks {
				if v := m * power; v >= low*0.999 && v <= high*1.001 {
					all = append(all, plot.Tick{Value: v, Label: tickDuration(v)})
				}
			}
		}
		if len(all) > room && best != nil {
			break
		}
		best = all
	}
	return best
}

// logRange is a range for a logarithmic axis with some air, never empty.
func logRange(low, high float64) (from, to float64) {
	if !(low > 0) || math.IsInf(low, 0) { // nothing was measured
		low, high = 1e3, 1e6
	}
	from, to = low/1.12, high*1.12
	if to/from < 3 { // a straight line is shown as one, not as the noise it has
		middle := math.Sqrt(from * to)
		from, to = middle/math.Sqrt(3), middle*math.Sqrt(3)
	}
	return from, to
}

// durations is an axis for these lines' y.
func durations(all []series) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range all {
		for _, xy := range s.points {
			if !math.IsNaN(xy.Y) {
				low, high = min(low, xy.Y), max(high, xy.Y)
			}
		}
	}
	from, to := logRange(low, high)
	return axis{log: true, min: from, max: to, ticks: logarithmic}
}

// upwards is an axis from 0 for these lines' y. With whole there are no labels between whole numbers.
func upwards(all []series, label func(float64) string, whole bool) axis {
	high := 0.0
	for _, s := range all {
		for _, xy := range s.points {
			if !math.IsNaN(xy.Y) {
				high = max(high, xy.Y)
			}
		}
	}
	if high == 0 {
		high = 1
	}
	least := 0.0
	if whole {
		least = 1
	}
	return axis{max: high * 1.08, ticks: linear(label, least)}
}

// time is an axis over the measured time of these results.
func timeAxis(results []*Result) axis {
	high := 1.0
	for _, r := range results {
		if n := len(r.Series); n > 0 {
			high = max(high, r.Series[n-1].At.Seconds())
		}
	}
	return axis{max: high, ticks: linear(seconds, 0)}
}

// The axis of percentiles is the logarithm of how many durations there are for each that is longer: 90 % at 1, 99 % at 2, and so on.
func nines(q float64) float64 { return -math.Log10(1 - q) }

func percentileTicks(_, high float64, room int) []plot.Tick {
	var all []plot.Tick
	for _, t := range []struct {
		q     float64
		label string
	}{{0, "0 %"}, {0.5, "50 %"}, {0.9, "90 %"}, {0.99, "99 %"}, {0.999, "99.9 %"}, {0.9999, "99.99 %"}, {0.99999, "99.999 %"}} {
		x := nines(t.q)
		if t.q == 0 && room < 12 || x > high*1.001 {
			continue // no room beside 50 %
		}
		all = append(all, plot.Tick{Value: x, Label: t.label})
	}
	return all
}

// byPercentile is a histogram over the axis of percentiles, to where it has durations.
func byPercentile(h *Histogram, to float64) plotter.XYs {
	const points = 240
	var all plotter.XYs
	for i := range points + 1 {
		x := to * float64(i) / points
		q := 1 - math.Pow(10, -x)
		if h.Count() == 0 || x > math.Log10(float64(h.Count()))+1e-9 && i > 0 {
			break // beyond the longest
		}
		all = append(all, plotter.XY{X: x, Y: float64(h.Quantile(q))})
	}
	return all
}

// shares divides a histogram into columns of equal width on a logarithmic axis of durations and returns what share of all is in each.
func shares(h *Histogram, low, high float64, n int) plotter.XYs {
	counts := make([]int64, n)
	width := math.Log(high/low) / float64(n)
	for _, b := range h.h.Distribution() {
		if b.Count > 0 {
			at := int(math.Log(float64(b.From+b.To)/2/low) / width)
			counts[min(max(at, 0), n-1)] += b.Count
		}
	}
	all := make(plotter.XYs, n)
	for i, c := range counts {
		all[i] = plotter.XY{X: low * math.Exp(width*float64(i+1)), Y: float64(c) / float64(h.Count())}
	}
	return all
}

// mostPoints is how many points a line over time has at most: more cannot be told apart.
const mostPoints = 360

// thinned merges neighbouring samples until there are few enough: sums of counts, the median of p50, the highest p99 and max.
func thinned(all []Sample) []Sample {
	if len(all) <= mostPoints {
		return all
	}
	group := (len(all) + mostPoints - 1) / mostPoints
	var out []Sample
	for part := range slices.Chunk(all, group) {
		s := Sample{At: part[len(part)-1].At, InFlight: part[len(part)-1].InFlight}
		var middles, served []time.Duration
		for _, p := range part {
			s.Span, s.Intended, s.Requests, s.Errors = s.Span+p.Span, s.Intended+p.Intended, s.Requests+p.Requests, s.Errors+p.Errors
			s.Latency.P99, s.Latency.Max = max(s.Latency.P99, p.Latency.P99), max(s.Latency.Max, p.Latency.Max)
			middles = append(middles, p.Latency.P50)
			if p.Service != nil {
				if s.Service == nil {
					s.Service = &Quantiles{}
				}
				s.Service.P99, s.Service.Max = max(s.Service.P99, p.Service.P99), max(s.Service.Max, p.Service.Max)
				served = append(served, p.Service.P50)
			}
		}
		slices.Sort(middles)
		s.Latency.P50 = middles[len(middles)/2]
		if s.Service != nil {
			slices.Sort(served)
			s.Service.P50 = served[len(served)/2]
		}
		out = append(out, s)
	}
	return out
}

// over is a figure of the samples over time, at the middle of each.
func over(r *Result, figure func(Sample) float64) plotter.XYs {
	var all plotter.XYs
	for _, s := range thinned(r.Series) {
		all = append(all, plotter.XY{X: (s.At - s.Span/2).Seconds(), Y: figure(s)})
	}
	return all
}

// waited is a duration for a logarithmic axis: a second without any is a gap.
func waited(d time.Duration) float64 {
	if d <= 0 {
		return math.NaN()
	}
	return float64(d)
}
