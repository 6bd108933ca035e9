package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files of testdata anew; read the difference before you keep it")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run with -rewrite and read the difference):\n%s", path, got)
	}
}

func written(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// small is a result that a person can read in JSON.
func small() *Result {
	r := &Result{
		Tool: "everloop test", Started: time.Date(2026, 11, 24, 13, 0, 0, 0, time.FixedZone("CET", 3600)), Command: "everloop bench resp 127.0.0.1:6380", Scenario: "resp", Target: "127.0.0.1:6380",
		Label: "before", Unit: "calls", Ended: EndedCount, Notes: []string{"the server ran on the same cores"},
		Machine: Machine{CPU: "Example CPU", Cores: 2, Memory: 8 << 30, OS: "Linux 6.1", Arch: "amd64", Go: "go1.26", Load: -1},
		Config:  Config{Open: true, Rate: 2, RateEnd: 4, Arrivals: "uniform", Connections: 3, Pipeline: 16, Warmup: time.Second, Count: 6, Keys: "one hot", Values: "16 B", Mix: "50 % reads", Seed: 7, Other: []Setting{{"command", "INCR {key}"}}},
		Totals: Totals{
			Elapsed: 2 * time.Second, Intended: 7, Unsent: 1, Requests: 5, Errors: 1, Sent: 100, Received: 200, GeneratorCPU: time.Millisecond, GeneratorBehind: 20 * time.Microsecond, GeneratorCores: 2,
			ServerCPU: 2 * time.Millisecond, ServerResident: 1 << 20,
		},
		Latency: NewHistogram(), Service: NewHistogram(), Kinds: []Kind{{Name: "read", Requests: 5, Latency: NewHistogram()}},
		Series: []Sample{
			{At: time.Second, Span: time.Second, Intended: 3, Requests: 3, InFlight: 2, Latency: Quantiles{1, 2, 3}, Service: &Quantiles{1, 1, 2}},
			{At: 2 * time.Second, Span: time.Second, Intended: 4, Requests: 2, Errors: 1, Latency: Quantiles{4, 5, 6}, Service: &Quantiles{2, 2, 2}},
		},
		Errors:  []Failure{{"OVERLOADED", 1, "-OVERLOADED <try> again & later", 1500 * time.Millisecond}},
		Figures: []Figure{{"lateness", 3.5e6, UnitDuration, -1}},
	}
	for i, d := range []time.Duration{812, 2047, 2049, 70 * time.Microsecond, 2 * time.Hour} {
		r.Latency.Record(d)
		r.Service.Record(d / 2)
		r.Kinds[0].Latency.RecordN(d, int64(i+1))
	}
	return r
}

func TestJSONIsAsSpecified(t *testing.T) {
	golden(t, "small.json", written(t, small()))
}

func TestJSONComesBack(t *testing.T) {
	for _, r := range []*Result{small(), play(900*time.Microsecond, 3000, true, 4, 1), play(time.Microsecond, 100, false, 2, 2), {Unit: "x"}} {
		text := written(t, r)
		back, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if again := written(t, back); again != text {
			t.Errorf("it reads as another result:\n%.2000s\n%.2000s", text, again)
		}
		if r.Latency != nil && !r.Latency.h.Equals(back.Latency.h) {
			t.Error("the histogram reads as another one")
		}
		want, got := *r, *back
		want.Started = want.Started.UTC()
		want.Latency, got.Latency, want.Service, got.Service, want.Kinds, got.Kinds = nil, nil, nil, nil, nil, nil
		if len(want.Series) == 0 {
			want.Series, got.Series = nil, nil
		}
		if !reflect.DeepEqual(want, got) {
			t.Errorf("it reads as\n%+v, was\n%+v", got, want)
		}
	}
}

// Histograms of two files can be added and compared bucket by bucket: a histogram that went through a file is the same one.
func TestHistogramsMergeAfterReading(t *testing.T) {
	a, b := play(time.Millisecond, 2000, false, 2, 1), play(3*time.Millisecond, 2000, false, 2, 2)
	whole := NewHistogram()
	whole.Merge(a.Latency)
	whole.Merge(b.Latency)
	read, err := Read(strings.NewReader(written(t, a)))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Read(strings.NewReader(written(t, b)))
	if err != nil {
		t.Fatal(err)
	}
	read.Latency.Merge(other.Latency)
	if !read.Latency.h.Equals(whole.h) || read.Latency.Count() != a.Latency.Count()+b.Latency.Count() {
		t.Error("the sum of what was read is not what was read of the sum")
	}
}

func TestReadIgnoresWhatItDoesNotKnow(t *testing.T) {
	text := written(t, small())
	for old, changed := range map[string]string{
		`{"everloop_bench":1,`:        `{"new":[{"deep":null}],"everloop_bench":1,`,
		`"machine":{`:                 `"machine":{"sockets":2,`,
		`"buckets":[`:                 `"p99.9999":1,"buckets":[`,
		`"series":[{`:                 `"series":[{"jitter":5,`,
		`"tool":"everloop test",`:     ``,
		`"generator_behind":20000,`:   ``,
		`"label":"before",`:           `"label":null,`,
		`"service":{"p50":1,"p99":1,`: `"service":{"p75":1,"p50":1,"p99":1,`,
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("the file has no %s: %s", old, text)
		}
		if _, err := Read(strings.NewReader(strings.Replace(text, old, changed, 1))); err != nil {
			t.Errorf("%s: %v", changed, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	text := written(t, small())
	for _, c := range []struct{ name, old, changed, want string }{
		{"a newer version", `"everloop_bench":1`, `"everloop_bench":2`, "version 2, this program reads version 1"},
		{"a newer version of other types", text, `{"everloop_bench":3,"latency":"x"}`, "version 3, this program reads version 1"},
		{"no version", `"everloop_bench":1,`, ``, `no "everloop_bench"`},
		{"version 0", `"everloop_bench":1`, `"everloop_bench":0`, "which there never was"},
		{"no JSON", text, "requests: 5\n", "invalid character"},
		{"half of it", text, text[:len(text)/2], "unexpected end"},
		{"something behind it", text, text + "{}", "after top-level value"},
		{"nothing", text, "", "unexpected end"},
		{"a negative total", `"sent":100`, `"sent":-100`, "totals: sent is negative"},
		{"samples out of order", `"at":2000000000`, `"at":500000000`, "sample 1 ends at 500ms, the one before at 1s"},
		{"a sample before the beginning", `"span":1000000000,"intended":3`, `"span":9000000000,"intended":3`, "sample 0 ends at 1s and is 9s long"},
		{"a negative figure in a sample", `"requests":3`, `"requests":-3`, "sample 0 has a negative figure"},
		{"a negative service time", `"service":{"p50":1,`, `"service":{"p50":-1,`, "sample 0 has a negative service time"},
		{"a negative count of errors", `"count":1,"example"`, `"count":-1,"example"`, "errors: "},
		{"a kind with a negative count", `"name":"read","requests":5`, `"name":"read","requests":-5`, "kinds: "},
		{"buckets out of order", `[812,1],[2047,1]`, `[2047,1],[812,1]`, "bucket 1 ends at 812, after 2047"},
		{"a bucket at nothing", `[812,1]`, `[0,1]`, "bucket 0 ends at 0"},
		{"a bucket beyond an hour", `[3600000000000,1]`, `[3600000000001,1]`, "values ascend"},
		{"an empty bucket", `[812,1]`, `[812,0]`, "bucket 0 has 0 durations"},
		{"more than can be counted", `[812,1]`, `[812,9007199254740992]`, "bucket 1 has 1 durations"},
		{"a number for a text", `"tool":"everloop test"`, `"tool":5`, "cannot unmarshal number"},
	} {
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: the file has no %s: %s", c.name, c.old, text)
		}
		_, err := Read(strings.NewReader(strings.Replace(text, c.old, c.changed, 1)))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Read(strings.NewReader(strings.Repeat(" ", maxFile+1))); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("a file that is too large: %v", err)
	}
}

// FuzzRead: whatever a file says, it is refused or can be shown in every form.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	_ = small().WriteJSON(&b)
	f.Add(b.Bytes())
	f.Add([]byte(`{"everloop_bench":1}`))
	f.Add([]byte(`{"everloop_bench":1,"series":[{"at":1,"span":1,"requests":9223372036854775807,"latency":{"p50":9223372036854775807}}],"totals":{"elapsed":1,"requests":5},"latency":{"buckets":[[3600000000000,1]]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, write := range []func() error{
			func() error { return r.WriteTable(&b, TableOptions{}) },
			func() error { return r.WriteHTML(&b) },
			func() error { return Compare(r, small()).WriteTable(&b, TableOptions{}) },
			func() error { return Compare(small(), r).WriteHTML(&b) },
		} {
			b.Reset()
			if err := write(); err != nil {
				t.Error(err)
			}
		}
	})
}
