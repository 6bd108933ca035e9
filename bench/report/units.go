package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// digits writes a number to three digits: 1234 is 1,234, 12.345 is 12.3.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "-"
	case a >= 99.95:
		return humanize.Comma(int64(math.Round(v)))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// duration writes one for people: 812 ns, 1.23 µs, 45.6 ms, 7.89 s, 3m20s.
func duration(d time.Duration) string {
	switch a := d.Abs(); {
	case d == 0:
		return "0"
	case a < time.Microsecond:
		return fmt.Sprintf("%d ns", d)
	case a < 999500*time.Nanosecond:
		return digits(float64(d)/1e3) + " µs"
	case a < 999500*time.Microsecond:
		return digits(float64(d)/1e6) + " ms"
	case a < 2*time.Minute:
		return digits(d.Seconds()) + " s"
	}
	return d.Round(time.Second).String()
}

// span writes how long something was meant to be: 10 s rather than 10.0 s.
func span(d time.Duration) string {
	if d < 2*time.Minute && d%time.Second == 0 {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return duration(d)
}

func count(n int64) string { return humanize.Comma(n) }

func rate(v float64) string { return digits(v) + "/s" }

func percent(share float64) string { return digits(share*100) + " %" }

func bytesOf(n int64) string {
	if n < 0 {
		return "-" + humanize.Bytes(uint64(-n))
	}
	return humanize.Bytes(uint64(n))
}

func (f Figure) String() string {
	switch f.Unit {
	case UnitNone:
		return digits(f.Value)
	case UnitCount:
		return humanize.Comma(int64(math.Round(f.Value)))
	case UnitBytes:
		if f.Value < 10e3 { // an object's 249 bytes are not 0.2 kB
			return digits(f.Value) + " B"
		}
		return bytesOf(int64(f.Value))
	case UnitDuration:
		return duration(time.Duration(f.Value))
	case UnitRate:
		return rate(f.Value)
	case UnitShare:
		return percent(f.Value)
	}
	return digits(f.Value) + " " + string(f.Unit)
}

// clean makes text from outside fit for a line of a terminal or a page: a server's error may have escape sequences, line ends and marks that turn the direction
// of writing.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // control characters, and marks of format such as right-to-left overrides
			return '\u00B7'
		}
		return r
	}, s)
}

// unit is what is counted, in the plural.
func (r *Result) unit() string {
	if r.Unit == "" {
		return "requests"
	}
	return clean(r.Unit)
}

// each is one of what is counted.
func (r *Result) each() string { return strings.TrimSuffix(r.unit(), "s") }
