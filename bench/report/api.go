package report

import (
	"errors"
	"io"
	"os"
	"time"
)

var errSkeleton = errors.New("report: to follow")

// Comparison is two results side by side: what differs in how they were made, and in what they found.
type Comparison struct {
	A, B *Result

	// Differences are what the two were told differently, or what they ran on; empty if like is compared with like. Every form of the comparison begins with them.
	Differences []Difference
}

// Difference is a setting that the two results do not share.
type Difference struct{ Name, A, B string }

// Compare compares b with a, which is the one before.
func Compare(a, b *Result) *Comparison { return &Comparison{A: a, B: b} }

// WriteTable writes the comparison for a terminal.
func (c *Comparison) WriteTable(w io.Writer, o TableOptions) error { return errSkeleton }

// WriteHTML writes the comparison as one page that needs nothing else, both results in each chart.
func (c *Comparison) WriteHTML(w io.Writer) error { return errSkeleton }

// LiveOptions says what a live display shows.
type LiveOptions struct {
	Title string        // one line: the scenario and its target
	Unit  string        // as in [Result]
	Every time.Duration // how often a line is written where there is no terminal; 0 is 5 s
	Plain bool          // lines even on a terminal
}

// Tick is the state of a run.
type Tick struct {
	Phase  string        // "connecting", "warm-up", "measuring", "draining"
	At     time.Duration // since the phase began
	Of     time.Duration // how long the phase is meant to be, 0 if that is not known
	Done   int64         // operations of the phase, and how many are asked for; DoneOf 0 if a time is
	DoneOf int64

	Second Sample    // the last one
	SoFar  Totals    // Requests, Errors, Intended, Elapsed
	Whole  Quantiles // of everything measured so far
	Open   int       // connections
	Error  string    // the last error's text, "" if there was none
}

// Live shows a run while it goes on. Safe for concurrent use.
type Live struct{}

// NewLive begins a display.
func NewLive(to *os.File, o LiveOptions) *Live { return &Live{} }

// Update shows a state. It never waits for the terminal for long, and never fails: a terminal that went away is no reason to stop a run.
func (l *Live) Update(t Tick) {}

// End removes the display, so that what is printed next stands alone. Updates after it are ignored.
func (l *Live) End() {}
