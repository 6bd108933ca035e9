package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseMoment reads a point in time as a person gives it: RFC 3339, or local time as "2026-11-24 15:04" or "2026-11-24 15:04:05", or a time ago as "10m" or "2h30m" or "3d".
func parseMoment(text string, now time.Time) (time.Time, error) {
	if ago, err := parseSpan(strings.TrimSuffix(strings.TrimSpace(text), " ago")); err == nil {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05.999", "2006-01-02T15:04:05.999", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it as 2026-11-24T15:04:05Z, as \"2026-11-24 15:04\" of this machine's clock, or as a time ago, such as 10m or 3d", text)
}

// momentFlag is a point in time as a person gives it: see parseMoment.
type momentFlag struct{ time.Time }

// UnmarshalText is called by kong.
func (m *momentFlag) UnmarshalText(text []byte) (err error) {
	m.Time, err = parseMoment(string(text), time.Now())
	return err
}

// people writes a moment for them, in the machine's zone, and so that --at takes it back: rounded up to a millisecond, it has all that was committed then.
func people(t time.Time) string {
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond).Local().Format("2006-01-02T15:04:05.000Z07:00")
}

// span is a length of time as a person gives it: as Go writes it, and with days, as 30d or 1d12h. "forever" is 0.
type span time.Duration

// UnmarshalText is called by kong.
func (s *span) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*s = 0
		return nil
	}
	d, err := parseSpan(string(text))
	if err != nil {
		return fmt.Errorf("%w, or forever", err)
	}
	*s = span(d)
	return nil
}

func parseSpan(text string) (time.Duration, error) {
	wrong := fmt.Errorf("%q is no length of time: write it as 30d, 12h or 10m", text)
	var sum time.Duration
	rest := text
	if days, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, wrong
		}
		sum, rest = time.Duration(n)*24*time.Hour, after
		if rest == "" {
			return sum, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d <= 0 {
		return 0, wrong
	}
	return sum + d, nil
}
