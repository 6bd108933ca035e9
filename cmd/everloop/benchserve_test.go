package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	results "everloop/bench/report"
)

// workloads serves the program that the comparisons measure, also by RESP.
func workloads(t *testing.T) (p *process, resp string) {
	t.Helper()
	p = serve(t, "../../bench/workloads", "--data", t.TempDir(), "--resp", "127.0.0.1:0")
	t.Cleanup(p.stop)
	return p, p.reported(`resp on +(\S+)`)
}

// counted is the sum of the daemon's metrics whose line begins so.
func (p *process) counted(name string) (sum int) {
	p.t.Helper()
	answer, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		p.t.Fatalf("metrics: %d, %v", answer.StatusCode, err)
	}
	for _, m := range regexp.MustCompile(`(?m)^everloop_`+regexp.QuoteMeta(name)+` (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			p.t.Fatal(err)
		}
		sum += int(v)
	}
	return sum
}

// benched is `everloop bench` that must succeed, with its result.
func benched(t *testing.T, args ...string) *results.Result {
	t.Helper()
	file, page := filepath.Join(t.TempDir(), "result.json"), filepath.Join(t.TempDir(), "page.html")
	code, stdout, stderr := benchRun(append([]string{args[0], "--live", "off", "--json", file, "--html", page}, args[1:]...)...)
	if code != exitOK {
		t.Fatalf("everloop bench %q exits with %d and says\n%s%s", args, code, stdout, stderr)
	}
	r, err := readResult(file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Totals.Errors != 0 || r.Latency.Count() != r.Totals.Requests {
		t.Errorf("everloop bench %q: %+v, %d latencies", args, r.Totals, r.Latency.Count())
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("everloop bench %q: its page has no chart: %v", args, err)
	}
	return r
}

func figure(t *testing.T, r *results.Result, name string) float64 {
	t.Helper()
	for _, f := range r.Figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Fatalf("there is no figure %q: %+v", name, r.Figures)
	return 0
}

// TestBenchEchoOfDaemon has each message counted on either side.
func TestBenchEchoOfDaemon(t *testing.T) {
	t.Parallel()
	p, _ := workloads(t)
	said := int64(0)
	for _, flags := range [][]string{{"--pipeline", "3"}, {"--rate", "2000", "--value-size", "24-3000"}} {
		r := benched(t, append([]string{"ws-echo", "ws://" + p.listen + "/echo?id={key}", "--keys", "3", "-c", "6", "-n", "300", "--warmup", "0", "-d", "1m"}, flags...)...)
		if r.Totals.Requests != 300 || r.Ended != results.EndedCount {
			t.Errorf("%d messages, ended by %s, want 300", r.Totals.Requests, r.Ended)
		}
		said += r.Totals.Requests
	}
	for _, direction := range []string{"in", "out"} {
		if n := p.counted(`websocket_messages_total{direction="` + direction + `"}`); int64(n) != said {
			t.Errorf("the daemon has counted %d messages %s, want %d", n, direction, said)
		}
	}
}

// TestBenchRoomsOfDaemon has each delivery counted on either side.
func TestBenchRoomsOfDaemon(t *testing.T) {
	t.Parallel()
	p, _ := workloads(t)
	r := benched(t, "ws-broadcast", "ws://"+p.listen+"/broadcast?id=r{key}", "--rooms", "2", "--members", "5", "--speakers", "2", "-n", "200", "--warmup", "0", "-d", "1m")
	if r.Totals.Requests != 200 || r.Ended != results.EndedCount {
		t.Errorf("%d messages, ended by %s, want 200", r.Totals.Requests, r.Ended)
	}
	if r.Config.Connections != 10 {
		t.Errorf("%d connections, want those of 10 members", r.Config.Connections)
	}
	if n := figure(t, r, "deliveries") * r.Totals.Elapsed.Seconds(); math.Round(n) != 1000 {
		t.Errorf("%g deliveries, want 1000", n)
	}
	if in, out := p.counted(`websocket_messages_total{direction="in"}`), p.counted(`websocket_messages_total{direction="out"}`); in != 200 || out != 1000 {
		t.Errorf("the daemon has counted %d messages and %d deliveries, want 200 and 1000", in, out)
	}
}

// TestBenchIdleOfDaemon opens connections that are still there at the end.
func TestBenchIdleOfDaemon(t *testing.T) {
	t.Parallel()
	p, _ := workloads(t)
	r := benched(t, "ws-idle", "ws://"+p.listen+"/echo?id={key}", "--rooms", "3", "-c", "50", "--hold", "300ms", "--pid", fmt.Sprint(p.cmd.Process.Pid))
	if stayed := figure(t, r, "connections that stayed"); r.Totals.Requests != 50 || stayed != 50 {
		t.Errorf("%d connections, of which %g stayed: want 50", r.Totals.Requests, stayed)
	}
	if n := p.counted("websocket_connections_total"); n != 50 {
		t.Errorf("the daemon has counted %d connections, want 50", n)
	}
	figure(t, r, "memory of one when opened")
}

// TestBenchRESPOfDaemon has the objects count the commands.
func TestBenchRESPOfDaemon(t *testing.T) {
	t.Parallel()
	p, addr := workloads(t)
	called := int64(0)
	for _, flags := range [][]string{{"--pipeline", "8"}, {"--rate", "2000", "--arrivals", "poisson"}} {
		args := append([]string{"resp", "--keys", "7", "-n", "300", "--warmup", "0", "-d", "1m", "-c", "4"}, flags...)
		r := benched(t, append(args, addr, "CALL", "Counter", "{key}", "increment")...)
		if r.Totals.Requests != 300 || r.Ended != results.EndedCount {
			t.Errorf("%d commands, ended by %s, want 300", r.Totals.Requests, r.Ended)
		}
		called += r.Totals.Requests
	}
	sum := int64(0)
	for key := range 7 {
		_, text := p.get(fmt.Sprintf("/rpc?id=%d", key))
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n - 1 // this question counts, too
	}
	if sum != called {
		t.Errorf("the objects have counted %d calls, the results %d", sum, called)
	}
}

// TestBenchAlarmsOfDaemon has alarms that the daemon has counted, all at once over HTTP and at a rate over RESP.
func TestBenchAlarmsOfDaemon(t *testing.T) {
	t.Parallel()
	p, resp := workloads(t)
	for i, args := range [][]string{
		{"http://" + p.listen, "--arm", "/arm?id=http-{key}&at={at}", "--ask", "GET /rung?id=http-{key}", "--pid", fmt.Sprint(p.cmd.Process.Pid)},
		{resp, "--arm", "CALL Bell resp-{key} arm {at}", "--ask", "CALL Bell resp-{key} rung", "--others", "CALL Counter {key} increment", "--rate", "200"},
	} {
		r := benched(t, append([]string{"alarms", "-n", "100", "-c", "4", "--lead", "3s", "--ringing", "500ms", "--others-rate", "300", "--patience", "30s"}, args...)...)
		if r.Totals.Requests != 100 || r.Ended != results.EndedCount || len(r.Series) == 0 {
			t.Errorf("%d alarms, ended by %s, %d seconds, want 100", r.Totals.Requests, r.Ended, len(r.Series))
		}
		rung := int64(0)
		for _, s := range r.Series {
			rung += s.Requests
		}
		if rung != 100 || !r.Config.Open {
			t.Errorf("%d alarms in all seconds, want 100; an open loop is %v", rung, r.Config.Open)
		}
		if i == 1 && r.Totals.Elapsed < 495*time.Millisecond { // the last is due then
			t.Errorf("100 alarms at 200 a second have rung in %v", r.Totals.Elapsed)
		}
		figure(t, r, "others before, p99")
		figure(t, r, "others while alarms rang, p99")
		if n := p.counted("alarms_fired_total"); n != 100*(i+1) {
			t.Errorf("the daemon has counted %d alarms, want %d", n, 100*(i+1))
		}
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--arm", "/arm?id=x-{key}&at={at}", "--ask", "/rung?id=y-{key}", "--patience", "1ms"}, exitFailed, "not rung: the object with key"},
		{[]string{"--arm", "/arm?id={key}", "--ask", "/rung?id={key}"}, exitUsage, "{at}"},
		{[]string{"--arm", "/none?id={key}&at={at}", "--ask", "/rung?id={key}"}, exitFailed, "10 of 10 alarms could not be set: status 404"},
		{[]string{"--arm", "/arm?id=z-{key}&at={at}", "--ask", "/rung?id=z-{key}", "--lead", "1ms"}, exitFailed, "longer lead"},
		{[]string{"--arm", "/arm?id=v-{key}&at={at}", "--ask", "/echo?id={key}"}, exitFailed, "no alarms succeeded"},
		{[]string{"--arm", "/arm?id={key}&at={at}", "--ask", "/rung?id={key}", "-n", "2000000"}, exitUsage, "--no-limit"},
	} {
		args := append([]string{"alarms", "http://" + p.listen, "--live", "off", "-n", "10", "--lead", "500ms", "--ringing", "50ms", "--others-rate", "0"}, test.args...)
		code, stdout, stderr := benchRun(args...)
		if code != test.code || !strings.Contains(stdout+stderr, test.want) {
			t.Errorf("everloop bench %q exits with %d and says\n%s%s\nwant %d and %q", args, code, stdout, stderr, test.code, test.want)
		}
	}
}
