package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func written(write func(func(string, ...any))) string {
	var b strings.Builder
	write(func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) })
	return b.String()
}

// TestTargets: the list is well formed, and each target belongs to a scenario.
func TestTargets(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range targets {
		if seen[x.id] || x.text == "" || strings.ContainsAny(x.id+x.text+x.unit, "|`") || !slices.Contains(scenarioNames(), x.scenario) {
			t.Errorf("%+v", x)
		}
		seen[x.id] = true
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "there is no target nothing") {
			t.Errorf("goal of another name: %v", r)
		}
	}()
	goal("nothing")
}

// TestWriteTargets has one of each: met, missed, met otherwise, not measured, not asked for.
func TestWriteTargets(t *testing.T) {
	ours := []sample{{rate: 90, p99: time.Millisecond, cpu: 9 * time.Microsecond, own: 0.97}, {rate: 110, p99: time.Millisecond, cpu: 9 * time.Microsecond, own: 0.99}}
	theirs := []sample{{rate: 100, p99: 2 * time.Millisecond, cpu: 10 * time.Microsecond, own: 0.98}, {rate: 100, p99: 2 * time.Millisecond, cpu: 10 * time.Microsecond, own: 0.98}}
	r := &results{options: options{only: []string{"redis", "go", "start"}}}
	r.tables = append(r.tables, &table{})
	c := redisContestant{redisStrings("always"), redisLoads[0]}
	redisRatios(t.Context(), r.tables[0], "always", c, ours, theirs)
	c.load = redisLoads[1]
	redisRatios(t.Context(), r.tables[0], "always", c, ours, theirs)
	r.starts = []startTimes{{"everloop (TypeScript)", []float64{80, 120, 99.5}, true}, {"workerd", []float64{1}, false}}

	got := written(r.writeTargets)
	for _, want := range []string{
		"| 100 against 100/s | 1.00 | 0.90-1.10 | met: the client is the limit (98 % and 98 % of a core), and the server takes 9.00 us of CPU a request against 10.00 us |",
		"(redis-strings, --sync always, 64 clients, pipelines of 16: rate, of Redis's) | at least 1.8 | 100 against 100/s | 1.00 | 0.90-1.10 | **MISSED** |",
		"| at most 1 | 1.00 against 2.00 ms | 0.50 | 0.50-0.50 | met |",
		"| `start` from the start of the daemon to its first answer (everloop (TypeScript)) | at most 100 ms | - | 99.5 ms | 80.0-120 ms | met |",
		"| `redis-always-one` redis-strings --sync always, one client: median latency, of Redis's | at most 1 | - | - | - | **NOT MEASURED** |",
		"| `go-none` ",
		"\n1 of 5 figures miss their target, and 6 were not measured.\n",
		"\nScenarios that were not asked for: embedded, ts, broadcast, ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "echo") || strings.Contains(got, "workerd)") {
		t.Errorf("what has no target is there:\n%s", got)
	}

	missed := slices.DeleteFunc(r.outcomes(), func(o outcome) bool { return o.Met })
	if len(missed) != 1 || missed[0].again == nil || missed[0].load != c.String() {
		t.Errorf("missed: %+v", missed)
	}
}

// TestClientIsLimit: nothing but a client without time left, the same rate and a cheaper server make up for a ratio.
func TestClientIsLimit(t *testing.T) {
	one := func(own float64, cpu time.Duration) []sample { return []sample{{own: own, cpu: cpu}} }
	for _, tt := range []struct {
		rate         float64
		ours, theirs []sample
		met          bool
	}{
		{1.0, one(0.95, 9), one(0.95, 10), true},
		{0.94, one(0.95, 9), one(0.95, 10), false},
		{1.0, one(0.85, 9), one(0.95, 10), false},
		{1.0, one(0.95, 9), one(0.85, 10), false},
		{1.0, one(0.95, 10), one(0.95, 10), false},
	} {
		if got := clientIsLimit(spread{tt.rate, tt.rate, tt.rate}, tt.ours, tt.theirs); (got != "") != tt.met {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// TestCPURatio: half the processor time is twice the requests for the same.
func TestCPURatio(t *testing.T) {
	if got := byCPU.ratio(sample{cpu: 5}, sample{cpu: 10}); got != 2 {
		t.Errorf("%v", got)
	}
	if got := byRate.ratio(sample{rate: 5}, sample{rate: 10}); got != 0.5 {
		t.Errorf("%v", got)
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0234: "0.023", 0.5: "0.50", 12.34: "12.3", 123.4: "123", 1234.5: "1,234", 9999999: "9,999,999", 100000: "100,000"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestParsePerf(t *testing.T) {
	report := "# To display the perf.data header info\n#\n# Overhead  Symbol\n# ........  ....\n#\n    22.61%  [.] everloop/engine.(*nameCache).find\n     5.61%  [k] _raw_spin_unlock_irqrestore\n     1.30%  [.] main.main.func1 [clone .x]  \n"
	want := []hot{{22.61, "everloop/engine.(*nameCache).find"}, {5.61, "_raw_spin_unlock_irqrestore (kernel)"}, {1.3, "main.main.func1 [clone .x]"}}
	if got := parsePerf(report); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, "  %d.00%%  [.] f%d\n", 90-i, i)
	}
	if got := parsePerf(many.String()); len(got) != hottest || got[0].Function != "f0" {
		t.Errorf("%d functions: %+v", len(got), got)
	}
	if got := parsePerf("Error: no samples\n"); got != nil {
		t.Errorf("%+v", got)
	}
}

// TestProfiles makes each load once, whatever misses a target under it, and says why there is no profile.
func TestProfiles(t *testing.T) {
	b := &bench{options: options{work: t.TempDir(), elapsed: time.Second, rounds: 5}, progress: new(strings.Builder)}
	runs := 0
	load := func(b *bench) error {
		runs++
		if b.profile == nil || b.rounds != 1 {
			t.Errorf("made with %+v", b)
		}
		if b.profile.Load == "bad" {
			return fmt.Errorf("no such\nserver")
		}
		b.profile.Top = []hot{{100, "f|g"}}
		return nil
	}
	missed := []outcome{{Target: "a", load: "good", again: load}, {Target: "b", load: "good", again: load}, {Target: "c"}, {Target: "d", load: "bad", again: load}}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "perf"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	all, err := b.profiles(t.Context(), missed)
	if err != nil || len(all) != 2 || runs != 2 {
		t.Fatalf("%d runs, %v: %+v", runs, err, all)
	}
	got := written((&results{profiles: all}).writeProfiles)
	for _, want := range []string{"### Profile for what is missed: a, b\n", "| 100.0 % | `f/g` |\n", "### Profile for what is missed: d\n", "There is none: no such server.\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}

	t.Setenv("PATH", t.TempDir())
	all, err = b.profiles(t.Context(), missed)
	if err != nil || runs != 2 || len(all) != 2 || !strings.Contains(all[0].Absent, "Debian's package linux-perf") {
		t.Errorf("without perf, %d runs, %v: %+v", runs, err, all)
	}
}

// TestPlay leaves out what would end too late, goes on after what fails, and says both.
func TestPlay(t *testing.T) {
	var ran []string
	takes := map[string]time.Duration{"a": 40 * time.Second, "b": time.Hour, "c": 40 * time.Second, "d": 0}
	was := scenarios
	t.Cleanup(func() { scenarios = was })
	scenarios = scenarios[:0:0]
	for _, name := range []string{"a", "b", "c", "d"} {
		s := was[0]
		s.name = name
		s.takes = func(*options) time.Duration { return takes[name] }
		s.run = func(*bench, context.Context, *results) error {
			ran = append(ran, name)
			if name == "a" {
				return errors.New("no such\nserver")
			}
			return nil
		}
		scenarios = append(scenarios, s)
	}
	b := &bench{options: options{limit: time.Minute, only: []string{"a", "b", "c"}}, progress: new(strings.Builder)}
	r := &results{}
	if err := b.play(t.Context(), r, time.Now()); err != nil {
		t.Fatal(err)
	}
	want := []string{"a: FAILED: no such server", "b: NOT RUN, as it takes about 1h0m0s and 0s of 1m0s had passed: see -limit"}
	if !slices.Equal(ran, []string{"a", "c"}) || !slices.Equal(r.notes, want) || r.failed == nil {
		t.Errorf("ran %v, notes %q, %v", ran, r.notes, r.failed)
	}
	ran = nil
	if err := b.play(t.Context(), r, time.Now().Add(-30*time.Second)); err != nil || len(ran) > 0 {
		t.Errorf("ran %v with half of the time gone: %v", ran, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.play(ctx, r, time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
