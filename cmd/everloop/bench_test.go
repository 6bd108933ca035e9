package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	results "everloop/bench/report"
)

// benchRun runs `everloop bench` and returns its exit code and what it has printed.
func benchRun(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(append([]string{"bench"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// TestBenchCounter makes load of a daemon that serves the counter, keeps the results and compares them. The number of requests that
// the objects have counted is the number that the results have.
func TestBenchCounter(t *testing.T) {
	d := serve(t, "../../docs/examples/counter", "--data", t.TempDir())
	dir := t.TempDir()
	var counted int64
	for i, flags := range [][]string{{"--pipeline", "4"}, {"--rate", "2000", "--arrivals", "poisson"}} {
		file := filepath.Join(dir, fmt.Sprintf("%d.json", i))
		args := append([]string{
			"http", "http://" + d.listen + "/?id={key}", "--keys", "7", "--requests", "400", "--warmup", "0", "--duration", "1m", "--connections", "5",
			"--live", "off", "--json", file, "--html", filepath.Join(dir, "page.html"), "--pid", fmt.Sprint(d.cmd.Process.Pid),
		}, flags...)
		code, stdout, stderr := benchRun(args...)
		if code != exitOK || !strings.Contains(stdout, "requests") {
			t.Fatalf("it exits with %d and says\n%s%s", code, stdout, stderr)
		}
		r, err := readResult(file)
		if err != nil {
			t.Fatal(err)
		}
		if r.Totals.Requests != 400 || r.Totals.Errors != 0 || r.Latency.Count() != 400 || r.Ended != results.EndedCount || r.Totals.ServerResident == 0 {
			t.Errorf("the result is %+v, ended by %s, want 400 requests without errors, and the server's memory", r.Totals, r.Ended)
		}
		counted += r.Totals.Requests
	}
	sum := int64(0)
	for key := range 7 {
		n, err := countOf(d.listen, key)
		if err != nil {
			t.Fatal(err)
		}
		sum += n - 1 // this question counts, too
	}
	if sum != counted {
		t.Errorf("the objects have counted %d requests, the results %d", sum, counted)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "page.html")); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Errorf("the page has no chart: %v", err)
	}
	code, stdout, stderr := benchRun("compare", filepath.Join(dir, "0.json"), filepath.Join(dir, "1.json"))
	if code != exitOK || !strings.Contains(stdout, "p99") {
		t.Errorf("the comparison exits with %d and says\n%s%s", code, stdout, stderr)
	}
}

func countOf(addr string, key int) (n int64, err error) {
	answer, err := http.Get(fmt.Sprintf("http://%s/?id=%d", addr, key))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = fmt.Fscan(answer.Body, &n)
	return n, err
}

// TestBenchFails has the exit codes of runs that must not pass for good ones.
func TestBenchFails(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" || n.Add(1)%10 == 0 {
			w.WriteHeader(500)
		}
	}))
	defer srv.Close()
	at := srv.URL
	short := []string{"--requests", "100", "--warmup", "0", "--live", "off", "-c", "2"}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{append([]string{"http", at + "/bad"}, short...), exitFailed, "no requests succeeded: status 500"},
		{append([]string{"http", at + "/"}, short...), exitFailed, "10 requests failed, more than --max-errors 0"},
		{append([]string{"http", at + "/", "--max-errors", "10"}, short...), exitOK, "status 500"},
		{[]string{"http", at + "/", "--max-errors", "3", "--warmup", "0", "--live", "off", "-c", "2"}, exitFailed, "more requests failed than --max-errors 3, and the load was ended"},
		{append([]string{"http", "http://192.0.2.7/"}, short...), exitFailed, "--allow-remote"},
		{append([]string{"resp"}, append(short, "192.0.2.7:6379", "PING")...), exitFailed, "--allow-remote"},
		{[]string{"ws-idle", "ws://192.0.2.7/"}, exitFailed, "--allow-remote"},
		{[]string{"ws-broadcast", "ws://192.0.2.7/"}, exitFailed, "--allow-remote"},
		{[]string{"http", "https://127.0.0.1/"}, exitUsage, "no TLS"},
		{[]string{"http", at + "/", "-c", "10001"}, exitUsage, "--no-limit"},
		{[]string{"http", at + "/", "--duration", "2h"}, exitUsage, "--no-limit"},
		{[]string{"http", at + "/", "--rate", "2000000"}, exitUsage, "--no-limit"},
		{[]string{"http", at + "/", "--rate", "fast"}, exitUsage, "--rate"},
		{[]string{"http", at + "/", "--key-distribution", "zipf:-1"}, exitUsage, "--key-distribution"},
		{[]string{"resp", "127.0.0.1:1", "PING", "--live", "off"}, exitUsage, "flags go before ADDR"},
		{[]string{"compare", "none.json", "none.json"}, exitFailed, "none.json"},
		{append([]string{"http", at + "/", "--compare", "none.json"}, short...), exitFailed, "none.json"},
	} {
		code, stdout, stderr := benchRun(test.args...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("everloop bench %q exits with %d and says\n%s%s\nwant %d and %q", test.args, code, stdout, stderr, test.code, test.want)
		}
	}
}

// TestBenchEngine makes calls in this process, and leaves nothing behind.
func TestBenchEngine(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := benchRun("engine", "--dir", dir, "--requests", "500", "--warmup", "0", "--writes", "0.5", "--live", "off", "--json", "-")
	if code != exitOK {
		t.Fatalf("it exits with %d: %s", code, stderr)
	}
	r, err := results.Read(strings.NewReader(stdout))
	if err != nil || r.Totals.Requests != 500 || len(r.Kinds) != 2 {
		t.Errorf("the result is %+v, %v, want 500 calls of two kinds", r, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestShellLine(t *testing.T) {
	if got, want := shellLine([]string{"a", "b c", "", "it's", "x={key}"}), `a 'b c' '' 'it'\''s' 'x={key}'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
