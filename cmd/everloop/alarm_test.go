package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The program of the tests of alarms: an object that writes down its runs. "in" sets its alarm, and "hold" says what the handler does.
const bells = `import { DurableObject } from "cloudflare:workers";
export class Bell extends DurableObject {
	async fetch(request: Request) {
		const url = new URL(request.url), ask = url.searchParams;
		if (ask.has("in")) {
			await this.ctx.storage.setAlarm(Date.now() + Number(ask.get("in")));
			// A moment that has passed by now is the present to setAlarm: what it was set for is what it says itself.
			await this.ctx.storage.put({ at: await this.ctx.storage.getAlarm(), hold: ask.get("hold") });
		}
		return Response.json({ at: await this.ctx.storage.get("at"), alarm: await this.ctx.storage.getAlarm(), runs: await this.ctx.storage.get("runs") ?? [] });
	}
	async alarm(info: AlarmInvocationInfo) {
		const hold = await this.ctx.storage.get<string>("hold");
		if (info.scheduledTime !== await this.ctx.storage.get("at")) throw new Error("it is told of another moment");
		if (hold === "fail") { await this.ran(info); throw new Error("on purpose"); }
		if (hold) await fetch(hold); // answers when the test lets it
		await this.ran(info);
	}
	async ran(info: AlarmInvocationInfo) {
		const runs = await this.ctx.storage.get<unknown[]>("runs") ?? [];
		await this.ctx.storage.put("runs", [...runs, { late: Date.now() - info.scheduledTime, retry: info.retryCount, name: this.ctx.id.name }]);
	}
}
export default { fetch: (request: Request, env: any) => env.BELL.getByName(new URL(request.url).pathname).fetch(request) };
`

// bell is what an object of the program tells.
type bell struct {
	At    int64
	Alarm *int64
	Runs  []struct {
		Late  int64
		Retry int
		Name  string
	}
}

func parseBell(text string) (b bell, err error) {
	err = json.Unmarshal([]byte(text), &b)
	return b, err
}

func (p *process) bell(path string) bell {
	p.t.Helper()
	status, body := p.get(path)
	b, err := parseBell(body)
	if status != http.StatusOK || err != nil {
		p.t.Fatalf("%s: %d %s (%v)", path, status, body, err)
	}
	return b
}

// TestKillAlarms kills the process while clients set alarms: each one that was acknowledged runs after the restart, once, not before its
// moment, and no other than what was asked for.
func TestKillAlarms(t *testing.T) {
	t.Parallel()
	const conns, objects = 16, 40
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir, data := program(t, map[string]string{"bells.ts": bells}), t.TempDir()
	p := serve(t, dir+"/bells.ts", "--data", data, "--loops", "2")
	// Half of them fall due while nobody is there.
	far := fmt.Sprint(3000 + random.IntN(500))
	var mu sync.Mutex
	sent, acked := map[string]int{}, map[string]int64{}
	var acks atomic.Int64
	var ended atomic.Bool
	var clients sync.WaitGroup
	for i := range conns {
		clients.Go(func() {
			client := p.newClient(1)
			for n := 0; ; n++ {
				name := fmt.Sprintf("/bell-%d-%d", i, n) // each object is asked once
				in := far
				if n%2 == 1 {
					in = "200"
				}
				mu.Lock()
				sent[name]++
				mu.Unlock()
				status, body, err := ask(client, name+"?in="+in)
				if err != nil {
					if !ended.Load() {
						t.Errorf("before the kill: %v", err)
					}
					return
				}
				b, err := parseBell(body)
				if status != http.StatusOK || err != nil {
					t.Errorf("%s: %d %s", name, status, body)
					return
				}
				mu.Lock()
				acked[name] = b.At
				mu.Unlock()
				acks.Add(1)
			}
		})
	}
	waitFor(t, "acknowledged alarms", func() bool { return acks.Load() >= objects+random.Int64N(200) || t.Failed() })
	ended.Store(true)
	p.kill()
	clients.Wait()

	p = serve(t, dir+"/bells.ts", "--data", data, "--loops", "1")
	for name := range sent {
		at, known := acked[name]
		var b bell
		waitFor(t, "the alarm of "+name, func() bool {
			b = p.bell(name)
			return len(b.Runs) > 0 || b.Alarm == nil
		})
		switch {
		case !known && b.At == 0: // it was lost, and nobody was told otherwise
		case known && b.At != at:
			t.Errorf("%s was set to %d, and is %d", name, at, b.At)
		case len(b.Runs) != 1 || b.Runs[0].Late < 0 || b.Runs[0].Name != name:
			t.Errorf("%s ran %+v", name, b.Runs)
		}
	}
	t.Logf("%d alarms, %d of them acknowledged", len(sent), len(acked))
	p.stop()
}

// TestKillRunningAlarm kills the process while an alarm is running: it runs again at the start.
func TestKillRunningAlarm(t *testing.T) {
	t.Parallel()
	dir, data := program(t, map[string]string{"bells.ts": bells}), t.TempDir()
	gate := newGate(t)
	p := serve(t, dir+"/bells.ts", "--data", data)
	p.bell("/a?in=1&hold=" + gate.url)
	gate.reached()
	if b := p.bell("/a"); len(b.Runs) != 0 || b.Alarm != nil {
		t.Errorf("while it runs: %+v", b)
	}
	p.kill()
	p = serve(t, dir+"/bells.ts", "--data", data)
	gate.reached() // it is there again
	gate.open()
	waitFor(t, "the end of the run", func() bool { return len(p.bell("/a").Runs) > 0 })
	if b := p.bell("/a"); len(b.Runs) != 1 || b.Runs[0].Name != "/a" || b.Alarm != nil {
		t.Errorf("after it: %+v", b)
	}
	p.stop()
	p = serve(t, dir+"/bells.ts", "--data", data)
	if b := p.bell("/a"); len(b.Runs) != 1 {
		t.Errorf("after another start: %+v", b)
	}
	p.stop()
}

// TestKillBetweenRetries kills the process between a run that failed and its retry: the retries go on where they were.
func TestKillBetweenRetries(t *testing.T) {
	t.Parallel()
	dir, data := program(t, map[string]string{"bells.ts": bells}), t.TempDir()
	p := serve(t, dir+"/bells.ts", "--data", data)
	p.bell("/a?in=1&hold=fail")
	p.logged("an alarm has failed and is tried again", "on purpose")
	before := p.bell("/a")
	if len(before.Runs) != 1 || before.Alarm == nil || *before.Alarm != before.At {
		t.Fatalf("after the first run: %+v", before)
	}
	p.kill()
	p = serve(t, dir+"/bells.ts", "--data", data)
	waitFor(t, "the retry", func() bool { return len(p.bell("/a").Runs) > 1 })
	b := p.bell("/a")
	if first, second := b.Runs[0], b.Runs[1]; first.Retry != 0 || second.Retry != 1 || second.Late-first.Late < 2000 {
		t.Errorf("the runs are %+v", b.Runs)
	}
	p.kill()
}

// gate is a server of the test's that answers nobody until it is open.
type gate struct {
	t       *testing.T
	url     string
	arrived chan struct{}
	opened  chan struct{}
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, arrived: make(chan struct{}, 100), opened: make(chan struct{})}
	g.url = serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		g.arrived <- struct{}{}
		select {
		case <-g.opened:
		case <-r.Context().Done():
		}
	})
	return g
}

// serveHTTP serves a handler until the test ends, and returns its URL.
func serveHTTP(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// reached waits until somebody asks.
func (g *gate) reached() {
	g.t.Helper()
	select {
	case <-g.arrived:
	case <-time.After(patience):
		g.t.Fatal("nobody comes to the gate")
	}
}

func (g *gate) open() { close(g.opened) }

// TestRemindersExample uses the example as its README says, with deliveries that fail at first, and a kill in between.
func TestRemindersExample(t *testing.T) {
	t.Parallel()
	const reminders = "../../docs/examples/reminders"
	data := t.TempDir()
	p := serve(t, reminders, "--data", data)
	do := func(method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://everloop"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	add := func(body string) string {
		t.Helper()
		status, text := do("POST", "/ann", body)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(text), &made); status != 201 || err != nil || made.ID == "" {
			t.Fatalf("%s: %d %s", body, status, text)
		}
		return made.ID
	}
	type list struct {
		Next           *time.Time
		Pending, Fired []struct {
			ID, Text, Error string
			At, FiredAt     time.Time
			Attempts        int
		}
	}
	show := func() (l list) {
		t.Helper()
		status, text := do("GET", "/ann", "")
		if err := json.Unmarshal([]byte(text), &l); status != 200 || err != nil {
			t.Fatalf("%d %s", status, text)
		}
		return l
	}

	var mu sync.Mutex
	keys := map[string][]string{} // of the deliveries, by path
	hook := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys[r.URL.Path] = append(keys[r.URL.Path], r.Header.Get("Idempotency-Key"))
		if len(keys[r.URL.Path]) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})

	later := add(`{"text": "next year", "at": "2100-01-01T00:00:00Z"}`)
	gone := add(`{"text": "cancelled", "in": 3600}`)
	overdue := add(`{"text": "while nobody was there", "in": 2}`)
	l := show()
	if len(l.Pending) != 3 || l.Pending[0].ID != overdue || l.Pending[2].ID != later || l.Next == nil || !l.Next.Equal(l.Pending[0].At) {
		t.Errorf("three reminders: %+v", l)
	}
	if status, _ := do("DELETE", "/ann/"+gone, ""); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	if status, _ := do("DELETE", "/ann/"+gone, ""); status != 404 {
		t.Errorf("DELETE again: %d", status)
	}
	p.kill()
	p = serve(t, reminders, "--data", data)
	waitFor(t, "the overdue reminder", func() bool { return len(show().Fired) == 1 })
	if l = show(); l.Fired[0].ID != overdue || l.Fired[0].FiredAt.Before(l.Fired[0].At) || len(l.Pending) != 1 || !l.Next.Equal(l.Pending[0].At) {
		t.Errorf("after the overdue one: %+v", l)
	}

	sent := add(`{"text": "tea is ready", "in": 0, "url": "` + hook + `/tea"}`)
	waitFor(t, "the delivery", func() bool { return len(show().Fired) == 2 })
	mu.Lock()
	if got := keys["/tea"]; len(got) != 2 || got[0] != sent || got[1] != sent {
		t.Errorf("deliveries with the keys %q of %s", got, sent)
	}
	mu.Unlock()
	if f := show().Fired[0]; f.ID != sent || f.Attempts != 2 || f.Error != "" {
		t.Errorf("delivered: %+v", f)
	}

	for i := range 40 { // more than are fired at a time
		add(`{"text": "` + strconv.Itoa(i) + `", "in": 0.5}`)
	}
	waitFor(t, "the crowd", func() bool { return len(show().Fired) == 42 })
	if l = show(); len(l.Pending) != 1 || !l.Next.Equal(l.Pending[0].At) {
		t.Errorf("after the crowd: %+v", l.Pending)
	}

	for body, want := range map[string]string{
		`x`: "JSON object", `null`: "JSON object", `{"in": 5}`: `"text"`, `{"text": "x"}`: "Say when", `{"text": "x", "at": "soon"}`: "Say when",
		`{"text": "x", "in": -1e15}`: "Say when", `{"text": "x", "in": 5, "url": "file:///x"}`: `"url"`,
	} {
		if status, text := do("POST", "/ann", body); status != 400 || !strings.Contains(text, want[:4]) {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if status, _ := do("PUT", "/ann", ""); status != 405 {
		t.Errorf("PUT: %d", status)
	}
	p.stop()
}
