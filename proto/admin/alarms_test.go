package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop/looptest"
	"everloop/wal"
	"everloop/wal/waltest"
)

// belfry is an engine on virtual time, whose objects have alarms.
type belfry struct {
	t    *testing.T
	pool *looptest.Pool
	log  *waltest.MemLog
	e    *engine.Engine
	ns   *engine.Namespace
	rung []string
	ring func(ctx context.Context) error // what the handler does
	side *Server
}

type bell struct {
	y  *belfry
	st *engine.State
}

func (b bell) Set(ms int64) error {
	return b.st.Storage().SetAlarmMillis(b.y.pool.Wall()+ms, engine.WriteOptions{})
}

func (b bell) Alarm(ctx context.Context, _ engine.AlarmInfo) error {
	name, _ := b.st.ID().Name()
	b.y.rung = append(b.y.rung, name)
	return b.y.ring(ctx)
}

func newBelfry(t *testing.T, loops int) *belfry {
	y := &belfry{t: t, pool: looptest.New(loops, 1), ring: func(context.Context) error { return errors.New("<i>cracked</i>") }}
	var err error
	y.e, err = engine.Open(engine.Options{
		Pool: y.pool, Logger: discard,
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			y.log = waltest.NewMemLog(waltest.MemOptions{Buffers: n, Auto: true, OnDurable: durable})
			return y.log, nil
		},
	})
	if err == nil {
		y.ns, err = y.e.Register("Bell", engine.ClassOf(func(st *engine.State) (bell, error) { return bell{y, st}, nil }))
	}
	if err != nil {
		t.Fatal(err)
	}
	y.side = listen(t, Options{Engine: y.e})
	return y
}

// while steps the loops until f, on a goroutine of its own, has returned.
func (y *belfry) while(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for {
		select {
		case <-done:
			return
		default:
			y.pool.Run()
		}
	}
}

// set sets the alarm of an object in ms from now.
func (y *belfry) set(name string, ms int64) {
	y.t.Helper()
	var err error
	y.while(func() { err = y.ns.GetByName(name).Call(context.Background(), "Set", nil, ms) })
	if err != nil {
		y.t.Fatal(err)
	}
}

// crack sets alarms and lets time pass until they have been given up.
func (y *belfry) crack(names ...string) {
	y.t.Helper()
	for _, name := range names {
		y.set(name, 1000)
	}
	for range 200 { // 126 s of back-off, and up to a quarter more
		y.pool.Advance(time.Second)
	}
	if m := y.e.Metrics(); m.Alarms != 0 || m.FailedAlarms == 0 {
		y.t.Fatalf("%d alarms are set, %d given up", m.Alarms, m.FailedAlarms)
	}
	y.rung = nil
}

// send sends a request while the loops are stepped, and parses the answer into v.
func (y *belfry) send(method, path string, form url.Values, v any, change ...func(*http.Request)) (status int, body string) {
	y.t.Helper()
	y.while(func() {
		status, body, _ = ask(y.t, y.side, method, path, func(r *http.Request) {
			if form != nil {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form.Encode())), int64(len(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			for _, f := range change {
				f(r)
			}
		})
	})
	if v != nil {
		if err := json.Unmarshal([]byte(body), v); err != nil {
			y.t.Fatalf("%s %s: %d %q: %v", method, path, status, body, err)
		}
	}
	return status, body
}

func (y *belfry) failed(query string) (list FailedAlarms) {
	y.t.Helper()
	if status, body := y.send("GET", "/alarms/failed"+query, nil, &list); status != 200 {
		y.t.Fatalf("%d %s", status, body)
	}
	return list
}

func TestFailedAlarms(t *testing.T) {
	y := newBelfry(t, 2)
	if _, body := y.send("GET", "/alarms/failed", nil, nil); strings.TrimSpace(body) != `{"alarms":[]}` {
		t.Errorf("with none: %s", body)
	}
	began := y.pool.Wall()
	y.crack("a", "")
	byName := map[string]FailedAlarm{}
	for _, a := range y.failed("").Alarms {
		byName[a.Name] = a
	}
	if len(byName) != 2 {
		t.Fatalf("the list is %v", byName)
	}
	for name, a := range byName {
		took := a.FailedAt - a.ScheduledTime
		if a.Class != "Bell" || a.ID != y.ns.IDFromName(name).String() || !a.Named || a.Runs != 7 || a.Error != "<i>cracked</i>" {
			t.Errorf("of %q: %+v", name, a)
		}
		if a.ScheduledTime != began+1000 || took < 126_000 || took > 126_000*5/4+100 {
			t.Errorf("of %q: set for %d, given up %d ms later", name, a.ScheduledTime-began, took)
		}
	}
}

func TestFailedAlarmsByPages(t *testing.T) {
	y := newBelfry(t, 2)
	want := map[string]bool{}
	var names []string
	for i := range 7 {
		name := fmt.Sprint("bell ", i)
		names = append(names, name)
		want[name] = true
	}
	y.crack(names...)
	pages := []int{}
	for skip := 0; ; {
		list := y.failed(fmt.Sprintf("?limit=3&skip=%d", skip))
		pages = append(pages, len(list.Alarms))
		for _, a := range list.Alarms {
			if !want[a.Name] {
				t.Errorf("%s is there twice", a.Name)
			}
			delete(want, a.Name)
		}
		if skip = list.Next; skip == 0 {
			break
		}
	}
	if !slices.Equal(pages, []int{3, 3, 1}) || len(want) != 0 {
		t.Errorf("pages of %v, without %v", pages, want)
	}
	if list := y.failed("?limit=7"); len(list.Alarms) != 7 || list.Next != 0 {
		t.Errorf("a page that is just full has %d, and then %d", len(list.Alarms), list.Next)
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?skip=-1", "?skip=99999999999"} {
		var f failure
		if status, _ := y.send("GET", "/alarms/failed"+query, nil, &f); status != 400 || !strings.Contains(f.Error, " is a number from ") {
			t.Errorf("%s: %d %q", query, status, f.Error)
		}
	}
}

// TestFailedAlarmsOfStuckLoops: a loop that is stuck does not take the list with it.
func TestFailedAlarmsOfStuckLoops(t *testing.T) {
	y := newBelfry(t, 1)
	y.crack("a")
	ctx, done := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer done()
	// Nobody steps the loop. The request's own context stands for the five seconds.
	if _, err := y.side.listFailed(ctx, 0, 1); err == nil || !strings.Contains(err.Error(), "busy, or stuck") {
		t.Errorf("the error is %v", err)
	}
}

func TestRunAlarm(t *testing.T) {
	y := newBelfry(t, 2)
	y.crack("a", "b")
	id := y.ns.IDFromName("b").String()

	var run AlarmRun
	if status, body := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "name": {"a"}}, &run); status != 200 || run.OK || run.Error != "<i>cracked</i>" || run.Class != "Bell" {
		t.Errorf("one that fails again: %d %s", status, body)
	}
	if list := y.failed(""); len(list.Alarms) != 1 || list.Alarms[0].Name != "b" || y.e.Metrics().Alarms != 1 {
		t.Errorf("it has its retries again, and %+v is left", list.Alarms)
	}
	y.ring = func(context.Context) error { return nil }
	run = AlarmRun{}
	if status, body := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "id": {id}}, &run); status != 200 || run != (AlarmRun{Class: "Bell", ID: id, OK: true}) {
		t.Errorf("one that succeeds: %d %s", status, body)
	}
	if m := y.e.Metrics(); m.FailedAlarms != 0 || !slices.Equal(y.rung, []string{"a", "b"}) {
		t.Errorf("%d are left, %q have rung", m.FailedAlarms, y.rung)
	}
	y.set("later", 1_000_000)
	if status, _ := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "name": {"later"}}, &run); status != 200 || !run.OK || y.rung[len(y.rung)-1] != "later" {
		t.Errorf("one that is set for later: %d %q", status, y.rung)
	}

	rung := len(y.rung)
	for _, c := range []struct {
		form   url.Values
		status int
		want   string
	}{
		{url.Values{}, 400, "class, and either id or name"},
		{url.Values{"class": {"Bell"}}, 400, "either id or name"},
		{url.Values{"class": {"Bell"}, "id": {id}, "name": {"a"}}, 400, "either id or name"},
		{url.Values{"class": {"Ball"}, "name": {"a"}}, 404, `no class "Ball": there are Bell`},
		{url.Values{"class": {"Bell"}, "name": {"nobody"}}, 404, "has no alarm"},
		{url.Values{"class": {"Bell"}, "id": {"b"}}, 400, "64 hex digits"},
		{url.Values{"class": {"Bell"}, "id": {strings.Repeat("0", 64)}}, 400, "not valid for this namespace"},
		{url.Values{"class": {"Bell"}, "name": {strings.Repeat("x", maxForm)}}, 400, "too large"},
	} {
		var f failure
		if status, _ := y.send("POST", "/alarms/run", c.form, &f); status != c.status || !strings.Contains(f.Error, c.want) {
			t.Errorf("%.80v: %d %q, want %d %q", c.form, status, f.Error, c.status, c.want)
		}
	}
	// What only looks like a request to run one.
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/alarms/run?class=Bell&name=a", 405}, {"POST", "/alarms/run?class=Bell&name=a", 400}, {"POST", "/alarms/failed", 405}} {
		if status, body := y.send(c.method, c.path, nil, nil); status != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.want)
		}
	}
	if len(y.rung) != rung || y.e.Metrics().Alarms != 1 {
		t.Errorf("%q have rung, %d are set", y.rung, y.e.Metrics().Alarms)
	}
}

// TestRunAlarmFromElsewhere: no page but this server's own can have a browser run an alarm.
func TestRunAlarmFromElsewhere(t *testing.T) {
	y := newBelfry(t, 1)
	y.crack("a")
	y.ring = func(context.Context) error { return nil }
	self := "http://" + y.side.Addr().String()
	for _, c := range []struct {
		name, host, site, origin string
		want                     int
	}{
		{name: "a page of another site", site: "cross-site", origin: "https://evil.example", want: 403},
		{name: "the program's page, on another port", site: "same-site", origin: "http://127.0.0.1:1", want: 403},
		{name: "a browser that says its origin only", origin: "http://127.0.0.1:1", want: 403},
		{name: "a page without an origin", origin: "null", want: 403},
		{name: "a page that has made its name this machine's", host: "evil.example", site: "same-origin", origin: "http://evil.example", want: 403},
		{name: "the page's own button", site: "same-origin", origin: self, want: 200},
	} {
		status, body := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "name": {"a"}}, nil, func(r *http.Request) {
			if c.host != "" {
				r.Host = c.host
			}
			for field, v := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
				if v != "" {
					r.Header.Set(field, v)
				}
			}
		})
		if status != c.want || (len(y.rung) > 0) != (c.want == 200) {
			t.Errorf("%s: %d %s, and %q have rung", c.name, status, body, y.rung)
		}
	}
}

// TestRunAlarmForLong: a run may take longer than the server gives other requests.
func TestRunAlarmForLong(t *testing.T) {
	y := newBelfry(t, 1)
	y.crack("a")
	y.ring = func(context.Context) error { return nil }
	const bound = 20 * time.Millisecond
	short := httptest.NewUnstartedServer(y.side.http.Handler)
	short.Config.ReadTimeout, short.Config.WriteTimeout = bound, bound
	short.Start()
	defer short.Close()
	status, err := 0, error(nil)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		var resp *http.Response
		if resp, err = http.PostForm(short.URL+"/alarms/run", url.Values{"class": {"Bell"}, "name": {"a"}}); err == nil {
			status = resp.StatusCode
			resp.Body.Close()
		}
	}()
	for len(y.side.runs) == 0 { // it is there, or about to be
		time.Sleep(time.Millisecond)
	}
	time.Sleep(5 * bound) // the bounds have to pass; were this too short, the test would only see less
	y.while(func() { <-asked })
	if err != nil || status != 200 || len(y.rung) != 1 {
		t.Errorf("%d, %v; %q have rung", status, err, y.rung)
	}
}

func TestRunAlarmsAtOnce(t *testing.T) {
	y := newBelfry(t, 1)
	for range maxRuns {
		y.side.runs <- struct{}{}
	}
	var f failure
	form := url.Values{"class": {"Bell"}, "name": {"a"}}
	if status, _ := y.send("POST", "/alarms/run", form, &f); status != 503 || !strings.Contains(f.Error, "64 alarms are being run") {
		t.Errorf("one too many: %d %q", status, f.Error)
	}
	<-y.side.runs
	for range 2 { // each gives its place back
		if status, _ := y.send("POST", "/alarms/run", form, &f); status != 404 {
			t.Errorf("with room: %d %q", status, f.Error)
		}
	}
}

// Fetch opens a WebSocket that outlives the instance.
func (b bell) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	client, server := b.st.WebSocketPair()
	return &engine.Response{Status: 101, WebSocket: client}, b.st.AcceptWebSocket(server)
}

// client is the end of a client's connection.
type client struct{}

func (client) Message(*engine.Message)  {}
func (client) Closed(int, string, bool) {}
func (client) Failed(error)             {}

// TestMetricsOfAlarmsAndSockets: what an operator sees of alarms that fail, and of objects and sockets at rest.
func TestMetricsOfAlarmsAndSockets(t *testing.T) {
	y := newBelfry(t, 1)
	y.crack("a", "b")
	y.set("c", 3600_000)
	port := y.e.Port(y.pool.Loop(0))
	var held *engine.WebSocket
	port.Namespace("Bell").GetByName("d").StartFetch(&engine.Request{Method: "GET", URL: "http://bell/"}, engine.ReplyFunc(func(r engine.Reply) {
		if r.Err != nil {
			t.Error(r.Err)
			return
		}
		held = r.Response.WebSocket
		if err := port.HoldWebSocket(held, client{}); err != nil {
			t.Error(err)
		}
	}))
	y.pool.Run()
	for _, hibernates := range []bool{false, true} {
		want := []string{
			"alarms_given_up_total 2", "alarms_failed 2", "alarms_fired_total 14", "alarms_retries_total 12", "alarms_pending 1", "alarms_late_seconds_count 14",
			"engine_objects 4", "engine_websockets 1", "engine_live_objects 2", "engine_websockets_hibernating 0",
		}
		if hibernates {
			y.pool.Advance(11 * time.Second)
			want = append(want[:8], "engine_live_objects 0", "engine_websockets_hibernating 1")
		}
		_, body := y.send("GET", "/metrics", nil, nil)
		for _, line := range want {
			if !strings.Contains(body, "\neverloop_"+line+"\n") {
				t.Errorf("hibernates %v: not there: everloop_%s", hibernates, line)
			}
		}
	}
	if _, body := y.send("GET", "/", nil, nil); !strings.Contains(body, "<td>objects at rest</td><td>4</td>") {
		t.Errorf("the page has other objects at rest:\n%s", body)
	}
	runtime.KeepAlive(held)
}

func TestPageOfFailedAlarms(t *testing.T) {
	y := newBelfry(t, 1)
	if _, body := y.send("GET", "/", nil, nil); strings.Contains(body, "that were given up") {
		t.Errorf("with none:\n%s", body)
	}
	y.crack("<b>")
	id := y.ns.IDFromName("<b>").String()
	_, body := y.send("GET", "/", nil, nil)
	for _, want := range []string{"that were given up", "&lt;b&gt;", id, "&lt;i&gt;cracked", "2026-01-01 00:00:01Z", `action="/alarms/run"`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	asBrowser := func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*;q=0.8") }
	status, body := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "id": {id}}, nil, asBrowser)
	if status != 200 || !strings.Contains(body, "has run and failed: &lt;i&gt;cracked") || strings.Contains(body, "<b>") || strings.Contains(body, "<button>") {
		t.Errorf("after the button: %d\n%s", status, body)
	}
	if status, body := y.send("POST", "/alarms/run", url.Values{"class": {"Bell"}, "name": {"x"}}, nil, asBrowser); status != 404 || !strings.Contains(body, "It was not done: Bell ") {
		t.Errorf("an alarm that is not there: %d\n%s", status, body)
	}
}
