package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/loop"
	"everloop/wal"
	"everloop/wal/waltest"
)

var discard = slog.New(slog.DiscardHandler)

type object struct{}

// newEngine returns an engine with one class, and its log.
func newEngine(t *testing.T) (*engine.Engine, *waltest.MemLog) {
	t.Helper()
	pool, err := loop.New(loop.Options{Loops: 2, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close(context.Background()) })
	var log *waltest.MemLog
	e, err := engine.Open(engine.Options{
		Pool: pool, Logger: discard,
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			log = waltest.NewMemLog(waltest.MemOptions{Buffers: loops, Auto: true, OnDurable: durable})
			return log, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register("<b>Room</b>", engine.ClassOf(func(*engine.State) (object, error) { return object{}, nil })); err != nil {
		t.Fatal(err)
	}
	return e, log
}

func listen(t *testing.T, o Options) *Server {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	o.Logger = discard
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

func ask(t *testing.T, s *Server, method, path string, change func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestHealth(t *testing.T) {
	e, log := newEngine(t)
	s := listen(t, Options{Engine: e})
	check := func(status int, want string) {
		t.Helper()
		if got, body, _ := ask(t, s, "GET", "/healthz", nil); got != status || !strings.Contains(body, want) {
			t.Errorf("%d %q, want %d and %q in it", got, body, status, want)
		}
	}
	check(200, "ok\n")
	log.SetNoSpace(true)
	check(200, "ok, but writes are refused")
	log.SetNoSpace(false)
	s.Drain()
	check(503, "draining")
	log.FailWrite(errors.New("the disk is gone"))
	if _, err := e.Register("Other", engine.ClassOf(func(*engine.State) (object, error) { return object{}, nil })); err != nil {
		t.Log("register:", err)
	}
	log.Demand(log.Last())
	log.Commit()
	check(503, "the disk is gone")
}

func TestMetrics(t *testing.T) {
	e, _ := newEngine(t)
	h := HTTP{
		Conns: 3, Opened: 9, Requests: 20, InFlight: 4, Status: [6]uint64{1, 0, 10, 1, 2, 2}, Refused: 2, LatencySum: 1.5,
		Sockets: 7, SocketsOpened: 21, SocketsFailed: 11, SocketsSlow: 12, SocketsSilent: 13, MessagesIn: 14, MessagesOut: 15, ClientsRefused: 16,
	}
	h.Latency[0], h.Latency[1], h.Latency[latencyBuckets-1] = 5, 6, 7
	r := RESP{
		Conns: 31, Opened: 32, Commands: 33, Calls: 34, InFlight: 35, Errors: 36, AuthFailures: 37, ProtocolErrors: 38, Rooms: 39, RoomsJoined: 40,
		RoomsSlow: 41, MessagesIn: 42, MessagesOut: 43, ClientsRefused: 44,
	}
	bounds := make([]float64, latencyBuckets-1)
	for i := range bounds {
		bounds[i] = float64(i + 1)
	}
	stats := wal.Stats{Commits: 5, Empty: 1, Syncs: 6, Records: 50, SyncTime: wal.Histogram{Count: 3, Sum: 3000}}
	stats.SyncTime.Buckets[10] = 2
	stats.SyncTime.Buckets[31] = 1
	s := listen(t, Options{
		Engine: e, Version: "1.2.3",
		HTTP: func() HTTP { return h }, HTTPLatencyBounds: bounds,
		RESP: func() RESP { return r },
		Log: func() Log {
			return Log{Commits: stats.Commits, Empty: stats.Empty, Syncs: stats.Syncs, Records: stats.Records, SyncTime: Histogram(stats.SyncTime)}
		},
	})
	status, body, header := ask(t, s, "GET", "/metrics", nil)
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %s\n%s", status, header.Get("Content-Type"), body)
	}
	for _, want := range []string{
		`everloop_build_info{goversion="go`, `version="1.2.3"} 1`,
		"everloop_engine_classes 1", "everloop_engine_loops 2", "everloop_engine_live_objects 0",
		"everloop_log_failed 0", "everloop_log_writable 1",
		`everloop_log_commits_total{kind="records"} 5`, "everloop_log_syncs_total 6",
		`everloop_log_sync_seconds_bucket{le="0.001023"} 2`, `everloop_log_sync_seconds_bucket{le="+Inf"} 3`, "everloop_log_sync_seconds_sum 0.003",
		"everloop_http_connections 3", "everloop_http_requests_total 20", "everloop_http_requests_in_flight 4",
		`everloop_http_responses_total{class="2xx"} 10`, `everloop_http_responses_total{class="gone"} 1`, "everloop_http_refused_total 2",
		`everloop_http_request_seconds_bucket{le="1"} 5`, `everloop_http_request_seconds_bucket{le="2"} 11`,
		`everloop_http_request_seconds_bucket{le="+Inf"} 18`, "everloop_http_request_seconds_sum 1.5",
		"everloop_websocket_connections 7", "everloop_websocket_connections_total 21",
		`everloop_websocket_client_faults_total{fault="failed"} 11`, `everloop_websocket_client_faults_total{fault="slow"} 12`,
		`everloop_websocket_client_faults_total{fault="silent"} 13`,
		`everloop_websocket_messages_total{direction="in"} 14`, `everloop_websocket_messages_total{direction="out"} 15`,
		"everloop_http_connections_refused_total 16", `everloop_http_responses_total{class="1xx"} 0`,
		"everloop_resp_connections 31", "everloop_resp_connections_total 32", "everloop_resp_commands_total 33", "everloop_resp_calls_total 34",
		"everloop_resp_calls_in_flight 35", "everloop_resp_errors_total 36", "everloop_resp_auth_failures_total 37", "everloop_resp_protocol_errors_total 38",
		"everloop_resp_rooms 39", "everloop_resp_rooms_total 40", "everloop_resp_rooms_slow_total 41", `everloop_resp_messages_total{direction="in"} 42`,
		`everloop_resp_messages_total{direction="out"} 43`, "everloop_resp_connections_refused_total 44",
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("not there: %s", want)
		}
	}
	// Every figure is shown, so none has been described and forgotten.
	for _, f := range figures {
		if !strings.Contains(body, "# HELP everloop_"+f.name+" ") {
			t.Errorf("not there: everloop_%s", f.name)
		}
	}
}

func TestPage(t *testing.T) {
	e, _ := newEngine(t)
	s := listen(t, Options{Engine: e, Version: "1.2.3"})
	status, body, header := ask(t, s, "GET", "/", nil)
	if status != 200 || !strings.Contains(body, "&lt;b&gt;Room") || strings.Contains(body, "<b>Room") || !strings.Contains(body, "1.2.3") {
		t.Errorf("%d\n%s", status, body)
	}
	if header.Get("Content-Security-Policy") == "" || !strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		t.Errorf("header %v", header)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/other", 404}, {"POST", "/", 405}, {"HEAD", "/healthz", 200}, {"DELETE", "/metrics", 405}} {
		if got, _, _ := ask(t, s, c.method, c.path, nil); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
		}
	}
}

func TestToken(t *testing.T) {
	e, _ := newEngine(t)
	const token = "0123456789abcdef"
	s := listen(t, Options{Engine: e, Addr: "0.0.0.0:0", Token: token})
	for _, c := range []struct {
		header string
		want   int
	}{
		{"", 401},
		{"Bearer", 401},
		{"Bearer ", 401},
		{"Bearer 0123456789abcdeF", 401},
		{"Basic " + token, 401},
		{token, 401},
		{"Bearer " + token + "x", 401},
		{"Bearer " + token, 200},
		{"bearer " + token, 200},
	} {
		for _, path := range []string{"/healthz", "/metrics", "/"} {
			got, body, header := ask(t, s, "GET", path, func(r *http.Request) {
				r.Host = "admin.example.com"
				if c.header != "" {
					r.Header.Set("Authorization", c.header)
				}
			})
			if got != c.want || got == 401 && header.Get("WWW-Authenticate") == "" {
				t.Errorf("%q on %s: %d %s, want %d", c.header, path, got, body, c.want)
			}
		}
	}
}

// TestRebinding: a browser that a foreign page sends here is refused.
func TestRebinding(t *testing.T) {
	e, _ := newEngine(t)
	s := listen(t, Options{Engine: e})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8788": 200, "127.0.0.1:8788": 200, "[::1]:8788": 200,
		"evil.example": 403, "evil.example:8788": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403,
	} {
		if got, _, _ := ask(t, s, "GET", "/metrics", func(r *http.Request) { r.Host = host }); got != want {
			t.Errorf("host %s: %d, want %d", host, got, want)
		}
	}
}

func TestRefusesToStart(t *testing.T) {
	e, _ := newEngine(t)
	running := listen(t, Options{Engine: e})
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "Engine"},
		{Options{Engine: e, Addr: "0.0.0.0:0"}, "no token"},
		{Options{Engine: e, Addr: ":0"}, "no token"},
		{Options{Engine: e, Addr: "127.0.0.1:0", Token: "short"}, "at least 16"},
		{Options{Engine: e, Addr: running.Addr().String()}, "cannot listen"},
		{Options{Engine: e, Addr: "127.0.0.1:0", HTTP: func() HTTP { return HTTP{} }}, "bounds"},
	} {
		s, err := Listen(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want something with %q", c.o, err, c.want)
		}
		if s != nil {
			s.Close(context.Background())
		}
	}
}
