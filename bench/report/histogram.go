package report

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Limits of a [Histogram]: from a nanosecond to an hour, to three digits. It takes 270 KiB.
const (
	histogramLowest  = 1
	histogramHighest = int64(time.Hour)
	histogramDigits  = 3
)

// Histogram counts durations to three digits, from a nanosecond to an hour. What is shorter or longer is counted as the shortest or longest.
// One goroutine owns it; give each worker its own and merge them at the end.
type Histogram struct{ h *hdrhistogram.Histogram }

// NewHistogram returns an empty one.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(histogramLowest, histogramHighest, histogramDigits)}
}

// Record counts a duration. It does not allocate.
func (h *Histogram) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN counts a duration n times.
func (h *Histogram) RecordN(d time.Duration, n int64) {
	_ = h.h.RecordValues(min(max(int64(d), histogramLowest), histogramHighest), n) // in range
}

// Merge adds what another one counted.
func (h *Histogram) Merge(other *Histogram) {
	if other != nil {
		h.h.Merge(other.h)
	}
}

// Reset forgets everything.
func (h *Histogram) Reset() { h.h.Reset() }

// Count is how many durations were recorded. A nil histogram has none.
func (h *Histogram) Count() int64 {
	if h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Quantile returns the duration that the share q of all is not longer than, 0 if there is none. Quantile(1) is the longest.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(min(h.h.ValueAtQuantile(q*100), histogramHighest))
}

// Mean is the average, 0 if there is none.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(min(h.h.Mean(), float64(histogramHighest)))
}

// Min and Max are the shortest and the longest, 0 if there is none.
func (h *Histogram) Min() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(min(h.h.Min(), histogramHighest))
}

// Max is the longest, 0 if there is none.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(min(h.h.Max(), histogramHighest))
}

// Quantiles are its three points.
func (h *Histogram) Quantiles() Quantiles {
	return Quantiles{P50: h.Quantile(0.5), P99: h.Quantile(0.99), Max: h.Max()}
}
