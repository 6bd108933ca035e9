package rings

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
	"everloop/bench/load"
)

func TestParseReport(t *testing.T) {
	r, err := ParseReport([]byte(`{"scheduled": 1000, "ran": [1000.125, 2000], "other": 1}` + "\n"))
	if err != nil || len(r.Ran) != 2 || r.Late() != 125*time.Microsecond {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := ParseReport([]byte(`{"scheduled": null, "ran": []}`)); err != nil || len(r.Ran) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "1 0", "[]", "{}", `{"scheduled": 1}`, `{"scheduled": 1, "ran": 2}`, `{"scheduled": "1", "ran": []}`, `{"scheduled": 1, "ran": ["2"]}`, "null"} {
		if r, err := ParseReport([]byte(bad)); err == nil {
			t.Errorf("%q is taken: %+v", bad, r)
		}
	}
}

// clocks is a server of alarms that always say that they were 3 ms late, which is up to 4 by a clock of milliseconds, and may lie.
type clocks struct {
	mu  sync.Mutex
	set map[string]int64
	lie func(key string, due int64) string // the answer to who asks; "": the truth
}

func (c *clocks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := r.URL.Query().Get("id")
	if r.URL.Path == "/arm" {
		c.set[key], _ = strconv.ParseInt(r.URL.Query().Get("at"), 10, 64)
		return
	}
	due := c.set[key]
	if c.lie != nil && due != 0 {
		if text := c.lie(key, due); text != "" {
			fmt.Fprintln(w, text)
			return
		}
	}
	fmt.Fprintf(w, `{"scheduled": %d, "ran": [%d]}`, due, due+3)
}

func measured(t *testing.T, lie func(key string, due int64) string, change func(*Options)) *Result {
	t.Helper()
	srv := httptest.NewServer(&clocks{set: make(map[string]int64), lie: lie})
	defer srv.Close()
	to, err := links.Resolve(t.Context(), srv.Listener.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	target := func(path string, check Check) *links.Target {
		r := load.Request{Path: drive.ParseTemplate(path), Check: check}
		return load.Target(to, "x", r, r)
	}
	o := Options{
		Alarms: 20, Conns: 3, Lead: 2 * time.Second, Ringing: 50 * time.Millisecond, Patience: time.Millisecond,
		Arm: target("/arm?id={key}&at={value}", nil), Ask: func(c Check) *links.Target { return target("/rung?id={key}", c) },
	}
	if change != nil {
		change(&o)
	}
	if o.OthersRate > 0 {
		o.Others = target("/rung?id={key}", nil)
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Each lie is counted as what it is, and is in no latency.
func TestLies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lie  func(key string, due int64) string
		want string
	}{
		"none":   {nil, ""},
		"silent": {func(string, int64) string { return `{"scheduled": null, "ran": []}` }, "1 " + FailedSilent},
		"early":  {func(_ string, due int64) string { return fmt.Sprintf(`{"scheduled": %d, "ran": [%d]}`, due, due-1) }, "1 " + FailedEarly},
		"twice": {func(_ string, due int64) string {
			return fmt.Sprintf(`{"scheduled": %d, "ran": [%d, %d]}`, due, due, due)
		}, "1 " + FailedAgain},
		"instant":   {func(_ string, due int64) string { return fmt.Sprintf(`{"scheduled": %d, "ran": [%d]}`, due+1, due+1) }, "1 " + FailedInstant},
		"for ever":  {func(_ string, due int64) string { return fmt.Sprintf(`{"scheduled": %d, "ran": [1e300]}`, due) }, "1 " + drive.FailedAnswer},
		"malformed": {func(string, int64) string { return "1 0" }, "1 " + drive.FailedAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := measured(t, func(key string, due int64) string {
				if key != "7" || test.lie == nil {
					return ""
				}
				return test.lie(key, due)
			}, nil)
			var failed []string
			for _, f := range r.Failed {
				failed = append(failed, fmt.Sprintf("%d %s", f.Count, f.Kind))
			}
			want := 20
			if test.want != "" {
				want = 19
			}
			if got := strings.Join(failed, ", "); got != test.want || len(r.Rings) != want || r.Late.Count() != int64(want) {
				t.Errorf("%d alarms have rung, %s: want %d, %s", len(r.Rings), got, want, test.want)
			}
			if r.Elapsed() != 4*time.Millisecond {
				t.Errorf("they took %v, want 4 ms", r.Elapsed())
			}
		})
	}
}

// What is slow is asked again, a rate spreads what is due, and others are asked meanwhile.
func TestRateAndOthers(t *testing.T) {
	t.Parallel()
	asked := 0
	r := measured(t, func(key string, _ int64) string {
		if key != "5" {
			return ""
		}
		if asked++; asked > 2 {
			return ""
		}
		return `{"scheduled": null, "ran": []}`
	}, func(o *Options) {
		o.Rate, o.OthersRate, o.OthersFrom, o.Patience = 100, 200, 1000, time.Minute
	})
	if len(r.Rings) != 20 || len(r.Failed) != 0 || asked != 3 {
		t.Fatalf("%d alarms have rung, %v, the slow one was asked %d times: want 20, none, 3", len(r.Rings), r.Failed, asked)
	}
	for i, each := range r.Rings {
		if want := time.Duration(i) * 10 * time.Millisecond; each.Due != want || each.Ran != want+4*time.Millisecond {
			t.Errorf("alarm %d was due at %v and ran at %v, want %v and 4 ms later", i, each.Due, each.Ran, want)
		}
	}
	if r.Quiet.Count() == 0 || r.Meanwhile.Count() == 0 {
		t.Errorf("others were asked %d times before and %d meanwhile", r.Quiet.Count(), r.Meanwhile.Count())
	}
}

// Who interrupts is told what has rung, without what has not as failed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	srv := httptest.NewServer(&clocks{set: make(map[string]int64), lie: func(key string, _ int64) string {
		if key == "1" {
			return `{"scheduled": null, "ran": []}`
		}
		return ""
	}})
	defer srv.Close()
	to, err := links.Resolve(ctx, srv.Listener.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	target := func(path string, check Check) *links.Target {
		r := load.Request{Path: drive.ParseTemplate(path), Check: check}
		return load.Target(to, "x", r, r)
	}
	r, err := Run(ctx, Options{
		Alarms: 4, Conns: 1, Lead: time.Second, Ringing: time.Hour,
		Arm: target("/arm?id={key}&at={value}", nil), Ask: func(c Check) *links.Target { return target("/rung?id={key}", c) },
		Ahead: cancel,
	})
	if err != nil || !r.Interrupted || len(r.Rings) != 3 || len(r.Failed) != 0 {
		t.Errorf("%+v, %v: want three alarms, interrupted", r, err)
	}
}
