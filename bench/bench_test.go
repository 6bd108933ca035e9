package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSmoke runs the scenarios that need nothing but Go, in small, against the real programs. It looks at what is there,
// not at how fast.
func TestSmoke(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	o := options{
		rounds: 2, elapsed: 50 * time.Millisecond, warm: 10 * time.Millisecond, conns: 4, objects: 3, memoryObjects: 2000, instances: 500, alarms: 20, sockets: 30,
		only: []string{"redis", "go", "embedded", "idle", "ts", "broadcast", "echo", "alarms", "start", "instances", "sockets", "memory", "recover", "snapshot", "overwrite"},
		work: t.TempDir(), results: t.TempDir(), root: root, command: "bench/run", limit: time.Hour, quick: true,
	}
	var out, progress strings.Builder
	if err := run(t.Context(), o, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, want := range []string{
		`(?m)^- MISSING: workerd: .* is not there and -install is off$`,
		`(?m)^\| hello \(fasthttp\) \| [1-9]\d* \(\d+-\d+\) \| .* us \(.*\) \| [1-9]\d* MB \| - \|$`,
		`(?m)^\| counter-go, --sync always, 1 object \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| [1-9]\d*\.\d \(.*\) \|$`,
		`(?m)^\| counter-go, --sync always, 3 objects: rate, of hello's \| \d+\.\d\d \(.*\) \| at least 0\.7 \| (met|MISSED) \|$`,
		`(?m)^\| counter-go, --sync none, 3 objects: rate, of hello's \| \d+\.\d\d \(.*\) \| at least 0\.85 \| (met|MISSED) \|$`,
		`(?m)^\| calls without a write/s \| [1-9]\d* \(.*\) \| at least 2000000/s: (met|MISSED) \|$`,
		`(?m)^\| durable writes/s, each waited for \| [1-9]\d* \(.*\) \| at least 10000/s: (met|MISSED) \|$`,
		`(?m)^\| processor time, ticks of 10 ms \| \d+ \| at most 0 ticks of 10 ms: (met|MISSED) \|$`,
		`(?m)^- everloop: .WORK/bin/everloop serve bench/workloads --listen 127\.0\.0\.1:PORT --admin 127\.0\.0\.1:ADMIN --data DATA --sync always.$`,
		`(?m)^- embed, durable: .WORK/bin/embed durable DATA 2000 50ms.$`,
		`(?m)^\| .go-always. counter in Go over HTTP.* \(counter-go, --sync always, 1 object: rate, of hello's\) \| at least 0\.7 \| [\d,.]+ against [\d,.]+/s \| [\d.]+ \| [\d.]+-[\d.]+ \| .*(met|MISSED).* \|$`,
		`(?m)^\| .ts-write-rate. .* \| at least 10 \| - \| - \| - \| \*\*NOT MEASURED\*\* \|$`,
		`(?m)^\d+ of \d+ figures miss their target, and [1-9]\d* were not measured\.$`,
		`(?m)^Scenarios that were not asked for: fsync\.$`,
		`(?m)^### Profile for what is missed: `,
		`(?m)^\| everloop, durable get and put, 3 objects \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| [1-9]\d*\.\d \(.*\) \|$`,
		`(?m)^\| everloop, transaction, 1 object \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| [1-9]\d*\.\d \(.*\) \|$`,
		`(?m)^\| everloop, batch of 3, 1 object \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| [1-9]\d*\.\d \(.*\) \|$`,
		`(?m)^\| everloop, durable increment by RPC, 1 object \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| [1-9]\d*\.\d \(.*\) \|$`,
		`(?m)^\| everloop, counter in memory, 1 object \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| - \|$`,
		`(?m)^\| everloop, Worker only \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| - \|$`,
		`(?m)^\| everloop, loop, 3 sockets, window 8 \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| \d+ \(\d+-\d+\) \| \d+ % \(\d+-\d+\) \|$`,
		`(?m)^\| everloop, ctx\.broadcast, 3 sockets, window 1 \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| \d+ \(\d+-\d+\) \| \d+ % \(\d+-\d+\) \|$`,
		`(?m)^\| everloop, echo, 3 sockets of 3 objects \| [1-9]\d* .* us \(.*\) \| [1-9]\d* MB \| \d+ % \(\d+-\d+\) \|$`,
		`(?m)^\| everloop, 20 alarms \| [1-9]\d* \(\d+-\d+\) \| .* MB \|$`,
		`(?m)^\| everloop, Go class, 20 alarms: rung/s \| [1-9]\d* \(\d+-\d+\) \| at least 100000/s \| (met|MISSED) \|$`,
		// What 30 sockets need is less than what a quiet daemon gives back meanwhile, and one descriptor more or less of a whole process is seen.
		`(?m)^\| everloop \| 30 \| 1 \| -?\d+ bytes \| -?\d+ bytes \| [01]\.\d\d \| [1-9]\d* \| at most 4096 bytes and 1 descriptor, hibernated: (met|MISSED) \|$`,
		`(?m)^## Memory: 2000 pending alarms`,
		`(?m)^\| everloop \(TypeScript\) \| \d+ ms \(\d+-\d+\) \| at most 100 ms: (met|MISSED) \|$`,
		`(?m)^## Live instances: 500 `,
		`(?m)^\| memory an instance \| -?\d+ bytes \| at most 1536 bytes: (met|MISSED) \|$`,
		`(?m)^\| longest wait of another object, while instances are made \| \d+\.\d\d ms \| at most 20 ms: (met|MISSED) \|$`,
		`(?m)^## Memory: 2000 objects`,
		`(?m)^\| from the log alone: records/s, GOMAXPROCS=1 \| [1-9]\d* \(\d+-\d+\) \| at least 1000000 records/s: (met|MISSED) \|$`,
		`(?m)^\| from a snapshot: objects/s, GOMAXPROCS=2 \| [1-9]\d* \(\d+-\d+\) \| at least 500000 objects/s: (met|MISSED) \|$`,
		`(?m)^\| throughput with, of without \| \d+\.\d\d \(.*\) \| at least 0\.8: (met|MISSED) \|$`,
		`(?m)^\| snapshots made in a round \| [1-9]\d* \(`,
		`(?m)^\| disk, at most, MB \| \d+ \| at most 256 MB: (met|MISSED) \|$`,
		`(?m)^\| everloop serve on it, from its start to the first answer, s \| \d+\.\d\d \(.*\) \| at most 3 s: (met|MISSED) \|$`,
		`(?m)^\| recovered from the log \| \d+\.\d\d s \| -?\d+ bytes \| -?\d+ bytes \| [1-9]\d* MB \|`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
	files, err := filepath.Glob(filepath.Join(o.results, "*.md"))
	if err != nil || len(files) != 1 {
		t.Fatalf("results: %v, %v", files, err)
	}
	if b, err := os.ReadFile(files[0]); err != nil || string(b) != out.String() {
		t.Errorf("%s has not what was printed (%v)", files[0], err)
	}
	var rec record
	if b, err := os.ReadFile(strings.TrimSuffix(files[0], ".md") + ".json"); err != nil || json.Unmarshal(b, &rec) != nil {
		t.Errorf("the results for programs: %v\n%s", err, b)
	}
	if i := slices.IndexFunc(rec.Targets, func(t recordedTarget) bool { return t.Target == "go-none" }); i < 0 || rec.Targets[i].Median <= 0 || rec.Targets[i].Rounds != 2 {
		t.Errorf("targets for programs: %+v", rec.Targets)
	}
	if i := slices.IndexFunc(rec.Tables, func(t recordedTable) bool { return strings.HasPrefix(t.Title, "Go:") }); i < 0 || len(rec.Tables[i].Rows) != 5 || len(rec.Tables[i].Rows[0].Figures["requests/s"]) != 2 {
		t.Errorf("tables for programs: %+v", rec.Tables)
	}
	if left, err := filepath.Glob(filepath.Join(o.work, "data", "*")); err != nil || len(left) > 0 {
		t.Errorf("data is left behind: %v, %v", left, err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	release, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "in use by another bench") {
		t.Errorf("a second lock: %v", err)
	}
	release()
	again, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// TestServerThatFails reports a server that ends instead of serving, with its own words.
func TestServerThatFails(t *testing.T) {
	b := &bench{options: options{work: t.TempDir()}}
	_, err := b.measure(context.Background(), contestant{kind{name: "broken", args: func(*bench, int, int, string) []string {
		return []string{"/bin/sh", "-c", "echo no such module; exit 3"}
	}}, counting, 1}, 0)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no such module") {
		t.Errorf("error %v", err)
	}
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
		{[]float64{4, 1, 2, 9}, spread{3, 1, 9}},
	} {
		if got := spreadOf(tt.values); got != tt.want {
			t.Errorf("spreadOf(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestRatio takes ratios round by round: a round in which everything was ten times slower changes nothing.
func TestRatio(t *testing.T) {
	a := []sample{{rate: 80}, {rate: 8}, {rate: 90}}
	b := []sample{{rate: 10}, {rate: 1}, {rate: 10}}
	eight, quarter := target{value: 8}, target{value: 0.25, most: true}
	table := newTable("", requestColumns(), []contestant{{workTS, durable, 1}, {workerd, durable, 1}}, [][]sample{a, b})
	table.ratio("rate", a, b, byRate, eight)
	if got := table.ratios[0].value; got != (spread{8, 8, 9}) {
		t.Errorf("%+v", got)
	}
	// A round in which objects had their first request is not counted, and without any other round there is no verdict.
	cold := []sample{{rate: 10}, {rate: 10, cold: 3}, {rate: 1, cold: 1}}
	table.ratio("cold", a, cold, byRate, eight)
	table.ratio("colder", a[1:], cold[1:], byRate, eight)
	if got := table.ratios[1].value; got != (spread{8, 8, 8}) {
		t.Errorf("with cold rounds: %+v", got)
	}
	// So short that the system tells no processor time: there is no ratio.
	table.ratio("short", []sample{{cpu: 0}, {cpu: 0}, {cpu: 1}}, []sample{{cpu: 0}, {cpu: 1}, {cpu: 3}}, byCPU, eight)
	if got := table.ratios[3].value; got != (spread{3, 3, 3}) {
		t.Errorf("of short rounds: %+v", got)
	}
	var text strings.Builder
	table.write(func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) })
	for _, want := range []string{"| rate | 8.00 (8.00-9.00) | at least 8 | met |", "| colder | - | at least 8 | NOT MEASURED"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	for _, tt := range []struct {
		target target
		value  float64
		met    bool
	}{{eight, 8, true}, {eight, 7.9, false}, {quarter, 0.25, true}, {quarter, 0.3, false}} {
		if tt.target.met(tt.value) != tt.met {
			t.Errorf("%v, of %v: met is %v", tt.value, tt.target, !tt.met)
		}
	}
}

func TestParsers(t *testing.T) {
	c, err := parseMetrics("# HELP x\neverloop_log_commits_total{kind=\"empty\"} 9\neverloop_log_commits_total{kind=\"records\"} 2\neverloop_log_records_total 1.5e+06\neverloop_log_syncs_total 4\n")
	if err != nil || c != (logCounts{records: 1.5e6, commits: 2, syncs: 4}) {
		t.Errorf("parseMetrics: %+v, %v", c, err)
	}
	for _, bad := range []string{"", "everloop_log_records_total 1\n", "everloop_log_records_total many\n"} {
		if _, err := parseMetrics(bad); err == nil {
			t.Errorf("parseMetrics took %q", bad)
		}
	}
	c, err = parseEnded("2026/11/24 07:00:00 INFO serving address=x\n2026/11/24 07:00:01 INFO ended records=100 commits=7 syncs=8\n")
	if err != nil || c != (logCounts{100, 7, 8}) {
		t.Errorf("parseEnded: %+v, %v", c, err)
	}
	if _, err := parseEnded("INFO serving\n"); err == nil {
		t.Error("parseEnded took an output without figures")
	}
	calls, err := parseStrace("% time     seconds  usecs/call     calls    errors syscall\n------ ---- ---- ---- ---- ----\n 90.0    0.1    12    534           fsync\n 10.0    0.1    12    3     1 fdatasync\n------ ---- ---- ---- ---- ----\n100.00    0.2    24    537     1 total\n")
	if err != nil || calls != 537 {
		t.Errorf("parseStrace: %d, %v", calls, err)
	}
	if calls, err := parseStrace(""); err != nil || calls != 0 {
		t.Errorf("parseStrace of nothing: %d, %v", calls, err)
	}
	if _, err := parseStrace(" 90.0    0.1    12    many           fsync\n"); err == nil {
		t.Error("parseStrace took a count that is none")
	}
}

func TestAlarmFigures(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	o := observed{{at(0), 5}, {at(1), 10 * time.Millisecond}, {at(10), 3}, {at(20), 7}, {at(21), 9}}
	if got := o.during(at(5), at(20)); !slices.Equal(got, []time.Duration{3, 7, 10 * time.Millisecond}) {
		t.Errorf("during: %v", got)
	}
	if got, err := o.atLeast(4, at(5), time.Millisecond); err != nil || len(got) < 4 {
		t.Errorf("atLeast: %v, %v", got, err)
	}
	if got, err := o.atLeast(5, at(5), time.Millisecond); err == nil {
		t.Errorf("atLeast found %v", got)
	}
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for q, want := range map[int]time.Duration{50: 50, 99: 99, 100: 100, 0: 1} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile %d: %d, want %d", q, got, want)
		}
	}
	if got := quantile(hundred[:1], 99); got != 1 {
		t.Errorf("quantile of one value: %d", got)
	}
}

// TestExtraSyncs: the target for fsyncs cannot be met by one fsync a request.
func TestExtraSyncs(t *testing.T) {
	c := syncCount{requests: countedRequests, log: logCounts{records: countedRequests, commits: 500, syncs: countedRequests}}
	if c.log.syncs <= c.log.commits+extraSyncs(c) {
		t.Error("one fsync a request would meet the target")
	}
}
