package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// LiveOptions says what a live display shows.
type LiveOptions struct {
	Title string        // one line: the scenario and its target
	Unit  string        // as in [Result]
	Every time.Duration // how much time of the run is between two lines where there is no terminal; 0 is 5 s
	Plain bool          // lines even on a terminal
}

// Tick is the state of a run.
type Tick struct {
	Phase  string        // "connecting", "warm-up", "measuring", "draining"
	At     time.Duration // since the phase began
	Of     time.Duration // how long the phase is meant to be, 0 if that is not known
	Done   int64         // operations of the phase
	DoneOf int64         // how many are asked for, 0 if a time is

	Second Sample    // the last one
	SoFar  Totals    // of the measured time: Requests, Errors and Elapsed are shown
	Whole  Quantiles // of the measured time
	Open   int       // connections
	Error  string    // the last error's text, "" if there was none
}

// Live shows a run while it goes on: on a terminal as a few lines that are drawn anew in their place, elsewhere as a line every few seconds. Safe for concurrent use.
// The zero Live shows nothing.
type Live struct {
	to   io.Writer
	o    LiveOptions
	size func() (width, height int) // of the terminal; nil: there is none

	mu    sync.Mutex
	next  *Tick // to be drawn. A newer one replaces it: a terminal that is slow sees fewer
	ended bool
	wake  chan struct{} // has one element if there is something to do
	done  chan struct{} // closed when nothing is written any more

	// Owned by the goroutine that writes.
	color  bool
	drawn  []string  // the lines on the terminal, without colours
	rates  []float64 // the last seconds', for the sparkline
	seen   time.Duration
	phase  string
	lastAt time.Duration // of the line before, where there is no terminal
}

// NewLive begins a display. It writes from a goroutine of its own until [Live.End].
func NewLive(to *os.File, o LiveOptions) *Live {
	var size func() (int, int)
	if term.IsTerminal(int(to.Fd())) && os.Getenv("TERM") != "dumb" && !o.Plain {
		size = func() (int, int) {
			w, h, err := term.GetSize(int(to.Fd()))
			if err != nil || w <= 0 || h <= 0 {
				return 80, 24
			}
			return w, h
		}
	}
	return newLive(to, size, Colors(to), o)
}

func newLive(to io.Writer, size func() (width, height int), color bool, o LiveOptions) *Live {
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	if o.Unit == "" {
		o.Unit = "requests"
	}
	o.Title, o.Unit = clean(o.Title), clean(o.Unit)
	l := &Live{to: to, o: o, size: size, color: color, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.write()
	return l
}

// Update shows a state, soon. It does not wait for the terminal, and never fails: a terminal that went away is no reason to stop a run.
func (l *Live) Update(t Tick) {
	l.mu.Lock()
	if !l.ended {
		l.next = &t
	}
	l.mu.Unlock()
	l.nudge()
}

// End removes the display, so that what is printed next stands where it was, and returns when that is done. Updates after it are ignored.
func (l *Live) End() {
	if l.done == nil {
		return
	}
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.nudge()
	<-l.done
}

func (l *Live) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already, and looks again
	}
}

// write draws until the end.
func (l *Live) write() {
	defer close(l.done)
	for range l.wake {
		l.mu.Lock()
		t, ended := l.next, l.ended
		l.next = nil
		l.mu.Unlock()
		var out string
		switch {
		case l.size == nil:
			if t != nil {
				out = l.line(*t)
			}
		case ended:
			width, height := l.size()
			out = l.erase(width, height)
		case t != nil:
			out = l.draw(*t)
		}
		_, _ = io.WriteString(l.to, out) // see Update
		if ended {
			return
		}
	}
}

// line is a state where there is no terminal, or nothing if one was written lately.
func (l *Live) line(t Tick) string {
	if t.Phase == l.phase && t.At-l.lastAt < l.o.Every {
		return ""
	}
	l.phase, l.lastAt = t.Phase, t.At
	s := t.Second
	out := fmt.Sprintf("%s %s", clean(t.Phase), t.progress())
	if s.Span > 0 {
		out += fmt.Sprintf(": %s %s, p50 %s, p99 %s, max %s, %d in flight", rate(s.Rate()), l.o.Unit, duration(s.Latency.P50), duration(s.Latency.P99), duration(s.Latency.Max), s.InFlight)
	}
	if t.SoFar.Errors > 0 {
		out += fmt.Sprintf(", %s errors so far, the last one: %s", count(t.SoFar.Errors), text.Snip(clean(t.Error), 200, "..."))
	}
	return out + "\n"
}

// progress says how far the phase is.
func (t Tick) progress() string {
	switch {
	case t.DoneOf > 0:
		return count(t.Done) + " of " + count(t.DoneOf)
	case t.Of > 0:
		return span(t.At.Round(time.Second)) + " of " + span(t.Of)
	case t.Done > 0:
		return count(t.Done)
	}
	return span(t.At.Round(time.Second))
}

// share is how much of the phase is over, -1 if that is not known.
func (t Tick) share() float64 {
	switch {
	case t.DoneOf > 0:
		return min(float64(t.Done)/float64(t.DoneOf), 1)
	case t.Of > 0:
		return min(float64(t.At)/float64(t.Of), 1)
	}
	return -1
}

// erase goes back to where the first drawn line began and clears from there. Lines that a narrower terminal has broken take more rows than they did; rows that have scrolled away cannot be reached.
func (l *Live) erase(width, height int) string {
	if len(l.drawn) == 0 {
		return ""
	}
	rows := 0
	for _, line := range l.drawn {
		rows += max(1, (text.StringWidthWithoutEscSequences(line)+width-1)/width)
	}
	l.drawn = nil
	return text.CursorUp.Sprintn(min(rows, height-1)) + "\r\x1b[J"
}

// draw replaces what is on the terminal.
func (l *Live) draw(t Tick) string {
	width, height := l.size()
	out := l.erase(width, height)
	lines := l.lines(t, width)
	if len(lines) > height-1 { // a terminal of few rows has the figures
		lines = lines[:max(height-1, 1)]
	}
	var b strings.Builder
	b.WriteString(out)
	for _, line := range lines {
		line = text.Trim(line, width-1)
		l.drawn = append(l.drawn, line)
		b.WriteString(line)
		if l.color {
			b.WriteString("\x1b[0m") // a colour may have been cut off
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// keptRates is how many seconds a sparkline has at most.
const keptRates = 40

// lines are the display.
func (l *Live) lines(t Tick, width int) []string {
	p := printer{o: TableOptions{Color: l.color}}
	s := t.Second
	if t.Phase != l.phase {
		l.phase, l.rates, l.seen = t.Phase, nil, -1
	}
	if s.Span > 0 && s.At != l.seen {
		l.seen = s.At
		l.rates = append(l.rates, s.Rate())
		l.rates = l.rates[max(0, len(l.rates)-keptRates):]
	}
	latencies := func(q Quantiles) string {
		return fmt.Sprintf("p50 %-9s p99 %-9s max %-9s", duration(q.P50), duration(q.P99), duration(q.Max))
	}
	head := text.Pad(clean(t.Phase), 10, ' ')
	if share := t.share(); share >= 0 {
		head += " " + p.paint(bar(share, min(40, max(8, width-44))), text.FgCyan)
	}
	all := []string{p.paint(l.o.Title, text.Bold), head + " " + t.progress()}
	if s.Span > 0 {
		whole := "" // of a warm-up nothing is kept
		if t.Whole.Max > 0 {
			whole = latencies(t.Whole)
		}
		all = append(all,
			fmt.Sprintf("last second %12s  %s", rate(s.Rate()), latencies(s.Latency)),
			strings.TrimRight(fmt.Sprintf("so far      %12s  %s", rate(t.SoFar.Rate()), whole), " "))
	}
	failed := "no errors"
	if t.SoFar.Errors > 0 {
		failed = p.paint(count(t.SoFar.Errors)+" errors", text.FgRed)
	}
	state := fmt.Sprintf("%s %s, %s, %s in flight", count(t.SoFar.Requests), l.o.Unit, failed, count(int64(s.InFlight)))
	if t.Open > 0 {
		state += fmt.Sprintf(", %s connections", count(int64(t.Open)))
	}
	all = append(all, state)
	if len(l.rates) > 1 {
		all = append(all, p.paint(sparkline(l.rates[max(0, len(l.rates)-max(width-2, 1)):]), text.FgCyan))
	}
	if t.Error != "" && t.SoFar.Errors > 0 {
		all = append(all, p.paint("last error: "+clean(t.Error), text.FgRed))
	}
	return all
}

// bar is a share as a bar of so many columns.
func bar(share float64, width int) string {
	n := min(max(int(math.Round(share*float64(width))), 0), width)
	return strings.Repeat("━", n) + strings.Repeat("╌", width-n)
}

// sparkline draws figures as columns from 0 to the highest of them.
func sparkline(all []float64) string {
	marks := []rune("▁▂▃▄▅▆▇█")
	top := 0.0
	for _, v := range all {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range all {
		at := 0
		if top > 0 && v > 0 {
			at = min(int(v/top*float64(len(marks))), len(marks)-1)
		}
		b.WriteRune(marks[at])
	}
	return b.String()
}
