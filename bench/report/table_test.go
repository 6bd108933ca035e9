package report

import (
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

func table80(t *testing.T, r *Result, o TableOptions) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteTable(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTables(t *testing.T) {
	golden(t, "open.txt", table80(t, play(900*time.Microsecond, 8000, true, 20, 1), TableOptions{}))
	golden(t, "closed-50.txt", table80(t, play(9*time.Microsecond, 4000, false, 2, 2), TableOptions{Width: 50}))
	golden(t, "small-color.txt", table80(t, small(), TableOptions{Color: true}))
	golden(t, "empty.txt", table80(t, &Result{
		Scenario: "http", Target: "http://127.0.0.1:1/", Ended: EndedFailed, Totals: Totals{Elapsed: time.Second, Errors: 3},
		Errors: []Failure{{Kind: "connection refused", Count: 3, Example: "dial tcp 127.0.0.1:1: connection refused"}},
	}, TableOptions{}))
}

// Nothing of what a target says reaches a terminal as more than text, and no line is longer than the terminal.
func TestTablesKeepWithinTheTerminal(t *testing.T) {
	r := play(9*time.Microsecond, 1000, false, 3, 1)
	r.Target = "http://h/\x1b[2J\u202eevil" + strings.Repeat("long", 40)
	r.Errors = append(r.Errors, Failure{Kind: "bad\r\n\x07kind", Count: 1e12, Example: strings.Repeat("word\x1b]0;title\x07 ", 30) + strings.Repeat("x", 600)})
	r.Notes, r.Label, r.Config.Keys = []string{"a\x9bnote"}, "l\x00bel", "k\x1b[31mys"
	r.Figures = []Figure{{Name: "f\x1bigure", Unit: "u\x1bnit"}}
	for _, width := range []int{0, 40, 60, 80, 120} {
		for name, out := range map[string]string{"a result": table80(t, r, TableOptions{Width: width}), "a comparison": compared(t, r, small(), TableOptions{Width: width})} {
			for line := range strings.Lines(out) {
				line = strings.TrimSuffix(line, "\n")
				if at := strings.IndexFunc(line, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x202e }); at >= 0 {
					t.Errorf("%s of %d columns has a control character: %q", name, width, line)
				}
				if n := text.StringWidthWithoutEscSequences(line); n > (TableOptions{Width: width}).width() {
					t.Errorf("%s of %d columns has a line of %d: %q", name, width, n, line)
				}
			}
		}
	}
}

func compared(t *testing.T, a, b *Result, o TableOptions) string {
	t.Helper()
	var out strings.Builder
	if err := Compare(a, b).WriteTable(&out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWarnings(t *testing.T) {
	fine := func() *Result {
		r := play(time.Millisecond, 20000, true, 6, 1)
		r.Totals.Errors, r.Errors = 0, nil
		r.Totals.Intended = r.Totals.Requests
		return r
	}
	if got := fine().Warnings(); len(got) != 0 {
		t.Fatalf("a good result has warnings: %q", got)
	}
	for _, c := range []struct {
		name, want string
		change     func(r *Result)
	}{
		{"failed", "failed before its end", func(r *Result) { r.Ended = EndedFailed }},
		{"interrupted", "interrupted after 6.00 s", func(r *Result) { r.Ended = EndedInterrupted }},
		{"errors", "7 of ", func(r *Result) { r.Totals.Errors = 7 }},
		{"generator", "saturated: it used 90.0 %", func(r *Result) { r.Totals.GeneratorCPU = 108 * r.Totals.Elapsed / 60 }},
		{"unsent", "5 of ", func(r *Result) { r.Totals.Unsent = 5 }},
		{"not kept", "Only 50.0 % of the intended", func(r *Result) { r.Totals.Intended *= 2 }},
		{"behind", "up to 11.0 ms late", func(r *Result) { r.Totals.GeneratorBehind = 11 * time.Millisecond }},
		{"busy", "load average of 1.50 on 2 cores", func(r *Result) { r.Machine.Load = 1.5 }},
		{"unsteady", "The rate was unsteady", func(r *Result) { r.Series[2].Requests /= 3 }},
		{"short", "took only 2.00 s", func(r *Result) { r.Totals.Elapsed = 2 * time.Second }},
		{"few", "too few for p99.9 and beyond, which need 10,000", func(r *Result) { r.Latency.Reset(); r.Latency.RecordN(5, 9999) }},
		{"fewer", "too few for p99 and beyond, which need 1,000", func(r *Result) { r.Latency.Reset(); r.Latency.RecordN(5, 999) }},
	} {
		r := fine()
		c.change(r)
		if got := r.Warnings(); len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want one with %q", c.name, got, c.want)
		}
	}
	ramp := fine()
	ramp.Series[2].Requests /= 3
	ramp.Config.RateEnd = 9
	if got := ramp.Warnings(); len(got) != 0 {
		t.Errorf("a ramp is unsteady by intention: %q", got)
	}
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		got, want string
	}{
		{duration(0), "0"},
		{duration(1), "1 ns"},
		{duration(999), "999 ns"},
		{duration(1234), "1.23 µs"},
		{duration(9995), "10.0 µs"},
		{duration(99951), "100 µs"},
		{duration(999499), "999 µs"},
		{duration(999500), "1.00 ms"},
		{duration(45600 * time.Microsecond), "45.6 ms"},
		{duration(999500 * time.Microsecond), "1.00 s"},
		{duration(90 * time.Second), "90.0 s"},
		{duration(200 * time.Second), "3m20s"},
		{duration(-1234), "-1.23 µs"},
		{span(10 * time.Second), "10 s"},
		{span(1500 * time.Millisecond), "1.50 s"},
		{rate(1234567.8), "1,234,568/s"},
		{rate(0.5), "0.50/s"},
		{percent(0.1234), "12.3 %"},
		{bytesOf(-1500), "-1.5 kB"},
		{Figure{Value: 249.4, Unit: UnitBytes}.String(), "249 B"},
		{Figure{Value: 2.5e6, Unit: UnitBytes}.String(), "2.5 MB"},
		{Figure{Value: 12345.4, Unit: UnitCount}.String(), "12,345"},
		{Figure{Value: 0.5, Unit: UnitShare}.String(), "50.0 %"},
		{Figure{Value: 1.5e6, Unit: UnitDuration}.String(), "1.50 ms"},
		{Figure{Value: 3, Unit: "fsyncs"}.String(), "3.00 fsyncs"},
		{short(0), "0"},
		{short(1500), "1.5k"},
		{short(2e6), "2M"},
		{seconds(90), "90 s"},
		{seconds(150), "2:30"},
		{seconds(5400), "1:30 h"},
		{tickDuration(5e5), "500 µs"},
		{tickDuration(1e6), "1 ms"},
		{percentileName(0.5), "p50"},
		{percentileName(0.99999), "p99.999"},
		{clean("a\tb\x1bc\xffd"), "a b·c\uFFFDd"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
