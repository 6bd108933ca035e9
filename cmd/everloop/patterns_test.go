package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// TestPatterns runs the design patterns of Durable Objects as one program, in the binary that people run, which is killed in the
// middle and stopped at the end: what was answered is there afterwards.
func TestPatterns(t *testing.T) {
	t.Parallel()
	const patterns = "testdata/patterns"
	data, gate := t.TempDir(), newGate(t)
	p := serve(t, patterns, "--data", data, "--loops", "2")

	// Identity: by name, by a stored ID, and new each time.
	p.want("/user/ann", 200, "1")
	p.want("/user/ann", 200, "2")
	p.want("/user/bob", 200, "1")
	p.want("/session", 200, "1")
	p.want("/session", 200, "1")
	_, made := p.get("/workflow/new")
	id, count, _ := strings.Cut(made, " ")
	if !regexp.MustCompile("^[0-9a-f]{64}$").MatchString(id) || count != "1" {
		t.Fatalf("a new workflow: %q", made)
	}
	p.want("/workflow/"+id, 200, id+" 2")

	// Atomic: many at once, and each count once.
	const many = 50
	var clients sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]bool{}
	for range many {
		clients.Go(func() {
			if status, body, err := ask(p.client, "/user/many"); err == nil && status == 200 {
				mu.Lock()
				counts[body] = true
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if len(counts) != many || !counts["1"] || !counts[fmt.Sprint(many)] {
		t.Errorf("%d requests got the counts %v", many, counts)
	}

	// Initialization and routing.
	p.want("/", 400, "Missing ID")
	p.want("/?id=x", 200, "[]")
	p.want("/?id=x&key=b&value=2", 200, `["b=2"]`)
	p.want("/?id=x&key=a&value=1", 200, `["a=1","b=2"]`)
	p.want("/?id=y", 200, "[]")

	// Transactions.
	p.want("/account/joint?keys", 200, `["key3"]`)
	p.want("/account/joint?deposit=100", 200, "100")
	var taken []string
	for range 8 {
		clients.Go(func() {
			if _, body, err := ask(p.client, "/account/joint?withdraw=30"); err == nil {
				mu.Lock()
				taken = append(taken, body)
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if n := strings.Count(strings.Join(taken, " "), "true"); len(taken) != 8 || n != 3 {
		t.Errorf("100 were enough for %d withdrawals of 30: %v", n, taken)
	}
	p.want("/account/joint", 200, "10")

	// Alarms: one that is done, one that waits, one in the middle of its work.
	p.want("/schedule/soon?task=a&delay=1", 200, `{"pending":1,"done":[]}`)
	p.wait("/schedule/soon", `{"pending":0,"done":["a"]}`)
	p.want("/schedule/held?task=b&delay=1&hold="+gate.url, 200, `{"pending":1,"done":[]}`)
	p.want("/schedule/later?task=c&delay=1500", 200, `{"pending":1,"done":[]}`)
	gate.reached()

	// Hibernation: the room is out of memory, and its sockets are open.
	ann, bob := p.join("/room/lobby"), p.join("/room/lobby")
	ann.say("hello")
	bob.hears("hello")
	before := bob.who()
	if before.Joined != 2 || before.Here != 2 {
		t.Errorf("bob is %+v", before)
	}
	// The only instance that stays is the one whose alarm is held up.
	waitFor(t, "hibernation", func() bool { return p.metric("everloop_engine_live_objects") == "1" })
	bob.say("still there?")
	ann.hears("still there?")
	if after := bob.who(); after.Joined != 2 || after.Here != 2 || after.Born == before.Born {
		t.Errorf("after hibernation bob is %+v; before %+v", after, before)
	}
	p.want("/room/lobby", 400, "Expected WebSocket")

	p.kill()
	ann.lost()
	bob.lost()
	p = serve(t, patterns, "--data", data, "--loops", "1")
	p.want("/user/ann", 200, "3")
	p.want("/user/many", 200, fmt.Sprint(many+1))
	p.want("/workflow/"+id, 200, id+" 3")
	p.want("/?id=x", 200, `["a=1","b=2"]`)
	p.want("/account/joint", 200, "10")
	p.wait("/schedule/soon", `{"pending":0,"done":["a"]}`)
	gate.reached() // the work that was cut off is done again
	gate.open()
	p.wait("/schedule/held", `{"pending":0,"done":["b"]}`)
	p.wait("/schedule/later", `{"pending":0,"done":["c"]}`)
	ann = p.join("/room/lobby")
	if again := ann.who(); again.Joined != 3 || again.Here != 1 {
		t.Errorf("after the restart ann is %+v", again)
	}
	p.want("/schedule/overdue?task=d&delay=300", 200, `{"pending":1,"done":[]}`)
	p.stop()
	ann.lost()

	p = serve(t, patterns, "--data", data, "--loops", "2")
	p.wait("/schedule/overdue", `{"pending":0,"done":["d"]}`)
	p.want("/user/ann", 200, "4")
	p.stop()
}

// wait asks for a path until the answer is body.
func (p *process) wait(path, body string) {
	p.t.Helper()
	var got string
	waitFor(p.t, path+" to be "+body, func() bool {
		_, got = p.get(path)
		return got == body
	})
}

// metric is the value of a metric, which is named with its labels.
func (p *process) metric(name string) string {
	p.t.Helper()
	resp, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(body)
	if found == nil {
		p.t.Fatalf("there is no metric %s", name)
	}
	return string(found[1])
}

// socket is a WebSocket of a test.
type socket struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

// open opens a WebSocket.
func (p *process) open(path string) (*socket, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	p.t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, "ws://"+p.listen+path, nil) //nolint:bodyclose // a 101 has no body
	if err != nil {
		return nil, err
	}
	p.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{p.t, conn, ctx}, nil
}

// join opens a WebSocket that must open.
func (p *process) join(path string) *socket {
	p.t.Helper()
	s, err := p.open(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

func (s *socket) say(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) read() string {
	s.t.Helper()
	_, text, err := s.conn.Read(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *socket) hears(want string) {
	s.t.Helper()
	if got := s.read(); got != want {
		s.t.Errorf("heard %q, want %q", got, want)
	}
}

// whoIs is what the room tells of a socket: how many had come by then, which instance it is in, and how many sockets there are.
type whoIs struct {
	Joined, Here int
	Born         string
}

func (s *socket) who() (w whoIs) {
	s.t.Helper()
	s.say("who?")
	text := s.read()
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		s.t.Fatalf("%q: %v", text, err)
	}
	return w
}

// lost waits until the connection has ended.
func (s *socket) lost() {
	s.t.Helper()
	if _, text, err := s.conn.Read(s.ctx); err == nil || s.ctx.Err() != nil {
		s.t.Errorf("the connection has not ended: %q %v", text, err)
	}
}
