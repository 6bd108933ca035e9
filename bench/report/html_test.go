package report

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// hostile is a result all of whose texts try to get out of theirs.
func hostile() *Result {
	const attack = `</style></title></script><script>alert(1)</script>"'><img src=http://127.0.0.1:1/x onerror=alert(2)>{{.Title}}<svg onload=alert(3)>&lt;`
	r := play(time.Millisecond, 2000, true, 8, 1)
	r.Tool, r.Command, r.Scenario, r.Target, r.Label, r.Unit = attack, attack, attack, "javascript:"+attack, attack, attack
	r.Machine.CPU, r.Machine.OS, r.Machine.Arch, r.Machine.Go = attack, attack, attack, attack
	r.Config.Keys, r.Config.Values, r.Config.Mix, r.Config.Arrivals, r.Config.Other = attack, attack, attack, attack, []Setting{{attack, attack}}
	r.Errors = []Failure{{attack, 1, attack, 1}}
	r.Figures = []Figure{{attack, 1, attack, 1}}
	r.Notes, r.Ended = []string{attack}, attack
	r.Kinds[0].Name = attack
	return r
}

func pageOf(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What a page may consist of. A script, an image, a link or an attribute of an event is none of it, whatever the texts are.
var (
	pageElements   = regexp.MustCompile(`^(html|head|meta|title|style|body|main|header|section|footer|h1|h2|p|ul|li|b|code|span|div|figure|figcaption|table|thead|tbody|tr|th|td|dl|dt|dd|details|summary|svg|g|path|text|circle)$`)
	pageAttributes = regexp.MustCompile(`^(lang|charset|http-equiv|content|name|class|id|scope|role|tabindex|style|viewbox|width|height|transform|d|x|y|cx|cy|r|focusable|aria-[a-z]+)$`)
)

func TestPagesAreMadeOfWhatTheyMay(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"open": play(time.Millisecond, 2000, true, 8, 1).WriteHTML, "closed": play(time.Millisecond, 2000, false, 8, 1).WriteHTML, "small": small().WriteHTML, "empty": (&Result{}).WriteHTML,
		"hostile": hostile().WriteHTML, "hostile compared": Compare(hostile(), small()).WriteHTML, "compared with hostile": Compare(small(), hostile()).WriteHTML,
	} {
		text := pageOf(t, write)
		z := html.NewTokenizer(strings.NewReader(text))
		drawings := 0
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				break
			}
			token := z.Token()
			if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
				continue
			}
			if token.Data == "svg" {
				drawings++
			}
			if !pageElements.MatchString(token.Data) {
				t.Errorf("%s: the page has a <%s>", name, token.Data)
			}
			for _, a := range token.Attr {
				if !pageAttributes.MatchString(strings.ToLower(a.Key)) {
					t.Errorf("%s: <%s> has the attribute %s=%q", name, token.Data, a.Key, a.Val)
				}
				if a.Key == "style" && (strings.Contains(a.Val, "url(") || strings.Contains(a.Val, "#0E5C")) {
					t.Errorf("%s: <%s> has the style %q", name, token.Data, a.Val)
				}
			}
		}
		if drawings == 0 && name != "empty" {
			t.Errorf("%s: the page has no drawing", name)
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "ZgotmplZ") {
			t.Errorf("%s: a figure or a style could not be written", name)
		}
		if !strings.Contains(text, `default-src &#39;none&#39;`) {
			t.Errorf("%s: the page has no policy that forbids the network", name)
		}
	}
}

// What the charts show is there as text, too.
func TestPagesSayInWordsWhatTheyDraw(t *testing.T) {
	text := pageOf(t, play(900*time.Microsecond, 8000, true, 20, 1).WriteHTML)
	for _, want := range []string{
		"<th scope=\"row\">p99.9</th>", "9.87 ms", "7,952", "Second by second", "<th scope=\"row\">20.0 s</th>", "status 503", "the log cannot be written", "Open loop: latency counts from when", "connections", "9.00 µs a request",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	text = pageOf(t, Compare(play(900*time.Microsecond, 2000, false, 8, 1), play(500*time.Microsecond, 3000, false, 8, 1)).WriteHTML)
	for _, want := range []string{"requests/s: B is better", "p50: B is better", "Side by side"} {
		if !strings.Contains(text, want) {
			t.Errorf("the comparison does not have %q", want)
		}
	}
}

// A day has too many seconds to draw each.
func TestLongRunsAreThinned(t *testing.T) {
	r := play(time.Millisecond, 10, true, 5000, 1)
	r.Series[4321].Errors, r.Series[4321].Latency.Max = 7, time.Minute
	samples := thinned(r.Series)
	var errors, requests int64
	longest := time.Duration(0)
	for _, s := range samples {
		errors, requests, longest = errors+s.Errors, requests+s.Requests, max(longest, s.Latency.Max)
	}
	if len(samples) > mostPoints || errors != 24 || requests != r.Totals.Requests || longest != time.Minute || samples[len(samples)-1].At != 5000*time.Second {
		t.Errorf("%d samples with %d errors, %d requests, the longest %v", len(samples), errors, requests, longest)
	}
	if n := len(pageOf(t, r.WriteHTML)); n > 500_000 {
		t.Errorf("the page has %d bytes", n)
	}
}

// Labels of axes are round, and as many as there is room for.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		of        axis
		room      int
		want      string
		low, high float64
	}{
		{axis{ticks: linear(short, 0)}, 5, "0 20k 40k 60k 80k", 0, 95000},
		{axis{ticks: linear(short, 1)}, 5, "0 1 2", 0, 2.2},
		{axis{ticks: linear(seconds, 0)}, 8, "0 s 2 s 4 s 6 s 8 s 10 s", 0, 10},
		{axis{ticks: logarithmic}, 7, "1 µs 10 µs 100 µs 1 ms 10 ms 100 ms", 900, 2e8},
		{axis{ticks: logarithmic}, 8, "1 ms 1.5 ms 2 ms 3 ms", 9e5, 3.1e6},
		{axis{ticks: percentileTicks}, 17, "0 % 50 % 90 % 99 % 99.9 %", 0, 3.5},
		{axis{ticks: percentileTicks}, 5, "50 % 90 % 99 %", 0, 2.9},
	} {
		var got []string
		for _, tick := range c.of.ticks(c.low, c.high, c.room) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("from %g to %g: %s, want %s", c.low, c.high, s, c.want)
		}
	}
}
