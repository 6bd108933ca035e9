package main

import (
	"strings"
	"testing"
)

func TestParseRedisBenchmark(t *testing.T) {
	const head = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"` + "\n"
	got, err := parseRedisBenchmark(head+`"GET","1","1","1","1","1","1","1"`+"\n"+`"SET","80032.01","0.589","0.168","0.567","0.887","1.263","3.823"`+"\n", "SET")
	if want := (benchmarked{rate: 80032.01, p50: 0.567, p99: 1.263}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{
		"", head, `"GET","1","1","1","1","1","1","1"`, `"SET","much","1","1","1","1","1","1"`, `"SET","1","1","1","x","1","1","1"`,
		`"SET","1","1","1","1","1","x","1"`, `"SET","1","2"`, `"SET","0.00","1","1","1","1","1","1"`,
	} {
		if got, err := parseRedisBenchmark(bad, "SET"); err == nil || got != (benchmarked{}) {
			t.Errorf("%q is taken: %+v", bad, got)
		}
	}
}

func TestRedisLoaded(t *testing.T) {
	for line, want := range map[string]string{
		"1:M 24 Nov 2026 17:20:58.690 * DB loaded from disk: 0.412 seconds":             "0.412",
		"1:M 24 Nov 2026 17:20:58.690 * DB loaded from append only file: 1.025 seconds": "1.025",
	} {
		if got := redisLoaded.FindStringSubmatch(line); got == nil || got[1] != want {
			t.Errorf("%s: %s", line, strings.Join(got, " "))
		}
	}
}
