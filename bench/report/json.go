package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxFile bounds what Read takes, in bytes.
const maxFile = 64 << 20

// ErrFormat is wrapped by the errors of [Read] that are about what the file says, not about reading it.
var ErrFormat = errors.New("not a result of a load test that this program can read")

// file is a result as it is stored: its version stands in front.
type file struct {
	Version int `json:"everloop_bench"`
	*Result
}

// WriteJSON writes the result as docs/format/bench.md has it.
func (r *Result) WriteJSON(w io.Writer) error {
	stored := *r
	stored.Started = r.Started.UTC()
	if stored.Latency == nil {
		stored.Latency = NewHistogram()
	}
	if stored.Series == nil {
		stored.Series = []Sample{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(file{Version, &stored}); err != nil {
		return fmt.Errorf("report: write a result: %w", err)
	}
	return nil
}

// Read reads what [Result.WriteJSON] wrote, at most 64 MiB. A file that is none, is damaged or has another version is an error that wraps [ErrFormat] and says what is wrong.
func Read(from io.Reader) (*Result, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("report: read a result: %w", err)
	}
	refuse := func(format string, args ...any) (*Result, error) {
		return nil, fmt.Errorf("report: %w: %s", ErrFormat, fmt.Sprintf(format, args...))
	}
	if len(text) > maxFile {
		return refuse("it is larger than %d MiB", maxFile>>20)
	}
	var version struct {
		Version *int `json:"everloop_bench"`
	}
	// The version comes before everything else: another one may have other types.
	if err := json.Unmarshal(text, &version); err != nil {
		return refuse("%v", err)
	}
	switch {
	case version.Version == nil:
		return refuse(`it has no "everloop_bench", which says the format's version. Such files are written by everloop bench --json`)
	case *version.Version > Version:
		return refuse("its format is version %d, this program reads version %d. Read it with the everloop that wrote it, or a newer one", *version.Version, Version)
	case *version.Version != Version:
		return refuse("its format is version %d, which there never was", *version.Version)
	}
	r := &Result{}
	if err := json.Unmarshal(text, &file{Result: r}); err != nil {
		return refuse("%v", err)
	}
	if r.Latency == nil {
		r.Latency = NewHistogram()
	}
	for i := range r.Kinds {
		if r.Kinds[i].Latency == nil {
			r.Kinds[i].Latency = NewHistogram()
		}
	}
	if what := r.wrong(); what != "" {
		return refuse("%s", what)
	}
	return r, nil
}

// wrong says what no run could have found, so that the printers need not ask; "" if nothing is.
func (r *Result) wrong() string {
	t := r.Totals
	for _, c := range []struct {
		name  string
		value int64
	}{
		{"elapsed", int64(t.Elapsed)},
		{"intended", t.Intended},
		{"unsent", t.Unsent},
		{"requests", t.Requests},
		{"errors", t.Errors},
		{"sent", t.Sent},
		{"received", t.Received},
		{"generator_cpu", int64(t.GeneratorCPU)},
		{"generator_behind", int64(t.GeneratorBehind)},
		{"server_cpu", int64(t.ServerCPU)},
		{"server_resident", t.ServerResident},
	} {
		if c.value < 0 {
			return fmt.Sprintf("totals: %s is negative (%d)", c.name, c.value)
		}
	}
	last := time.Duration(0)
	for i, s := range r.Series {
		q := s.Latency
		switch {
		case s.At <= last:
			return fmt.Sprintf("series: sample %d ends at %v, the one before at %v", i, s.At, last)
		case s.Span <= 0 || s.Span > s.At:
			return fmt.Sprintf("series: sample %d ends at %v and is %v long", i, s.At, s.Span)
		case s.Requests < 0 || s.Errors < 0 || s.Intended < 0 || s.InFlight < 0 || q.P50 < 0 || q.P99 < 0 || q.Max < 0:
			return fmt.Sprintf("series: sample %d has a negative figure", i)
		case s.Service != nil && (s.Service.P50 < 0 || s.Service.P99 < 0 || s.Service.Max < 0):
			return fmt.Sprintf("series: sample %d has a negative service time", i)
		}
		last = s.At
	}
	for _, f := range r.Errors {
		if f.Count < 0 {
			return fmt.Sprintf("errors: %q has a negative count", f.Kind)
		}
	}
	for _, k := range r.Kinds {
		if k.Requests < 0 || k.Errors < 0 {
			return fmt.Sprintf("kinds: %q has a negative count", k.Name)
		}
	}
	return ""
}

// storedHistogram is a histogram in a file.
type storedHistogram struct {
	Count   int64         `json:"count"`
	Min     time.Duration `json:"min"`
	Mean    time.Duration `json:"mean"`
	Max     time.Duration `json:"max"`
	P50     time.Duration `json:"p50"`
	P90     time.Duration `json:"p90"`
	P99     time.Duration `json:"p99"`
	P999    time.Duration `json:"p99.9"`
	P9999   time.Duration `json:"p99.99"`
	Buckets [][2]int64    `json:"buckets"` // highest value, count
}

// maxCount is the most that a histogram may hold: what every reader of JSON can count to.
const maxCount = 1 << 53

// MarshalJSON writes it as docs/format/bench.md has it.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	s := storedHistogram{h.Count(), h.Min(), h.Mean(), h.Max(), h.Quantile(0.5), h.Quantile(0.9), h.Quantile(0.99), h.Quantile(0.999), h.Quantile(0.9999), [][2]int64{}}
	for _, b := range h.h.Distribution() {
		if b.Count > 0 {
			s.Buckets = append(s.Buckets, [2]int64{min(b.To, histogramHighest), b.Count})
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var s storedHistogram
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*h = *NewHistogram()
	last, sum := int64(0), int64(0)
	for i, b := range s.Buckets {
		switch value, count := b[0], b[1]; {
		case value <= last || value > histogramHighest:
			return fmt.Errorf("histogram: bucket %d ends at %d, after %d: values ascend from 1 to %d", i, value, last, histogramHighest)
		case count < 1 || count > maxCount-sum:
			return fmt.Errorf("histogram: bucket %d has %d durations: each has at least 1, all together at most 2^53", i, count)
		default:
			h.RecordN(time.Duration(value), count)
			last, sum = value, sum+count
		}
	}
	return nil
}
