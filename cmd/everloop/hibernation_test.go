package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// sockets is the program of this file's tests, and of clients_test.go and hostile_test.go.
const sockets = "testdata/sockets"

// crowd is many clients of one room.
type crowd struct {
	t       *testing.T
	members []*socket
	said    int // messages of each member so far
}

// each runs do for every member, at once.
func (c *crowd) each(do func(n int, s *socket)) {
	c.t.Helper()
	var all sync.WaitGroup
	for n, s := range c.members {
		all.Go(func() { do(n, s) })
	}
	all.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// gather opens count WebSockets to a path, which is given each one's number.
func gather(p *process, path string, count int) *crowd {
	p.t.Helper()
	c := &crowd{t: p.t, members: make([]*socket, count)}
	c.members[0] = p.join(path + "0")
	var all sync.WaitGroup
	next := make(chan int)
	for range 32 { // the kernel's queue of the listener is bounded
		all.Go(func() {
			for n := range next {
				s, err := p.open(fmt.Sprint(path, n))
				if err != nil {
					p.t.Errorf("socket %d: %v", n, err)
				}
				c.members[n] = s
			}
		})
	}
	for n := 1; n < count; n++ {
		next <- n
	}
	close(next)
	all.Wait()
	if p.t.Failed() {
		p.t.FailNow()
	}
	return c
}

// said is what a room says to a message.
var said = regexp.MustCompile(`^(\d+) in life (\d+): n(\d+),(odd|even) said (\d+): (.*)$`)

// talk has every member say so many things without waiting for answers, and holds that each gets its own, in order, and that they come from
// one instance, whose memory has begun anew: it has counted everything that was said, once.
func (c *crowd) talk(life, messages int) {
	c.t.Helper()
	var mu sync.Mutex
	counted := map[int]bool{}
	c.each(func(n int, s *socket) {
		sent := make(chan error, 1)
		go func() {
			for i := range messages {
				if err := s.conn.Write(s.ctx, websocket.MessageText, fmt.Appendf(nil, "word %d", i)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		before := 0
		for i := range messages {
			_, text, err := s.conn.Read(s.ctx)
			if err != nil {
				c.t.Errorf("socket %d, answer %d: %v", n, i, err)
				return
			}
			found := said.FindStringSubmatch(string(text))
			parity := []string{"even", "odd"}[n%2]
			want := []string{strconv.Itoa(life), strconv.Itoa(n), parity, strconv.Itoa(c.said + i), fmt.Sprintf("word %d", i)}
			if found == nil || !slices.Equal(found[2:], want) {
				c.t.Errorf("socket %d got %q, want %q", n, text, want)
				return
			}
			heard, _ := strconv.Atoi(found[1])
			if heard <= before {
				c.t.Errorf("socket %d: message %d of the room came behind %d", n, heard, before)
			}
			before = heard
			mu.Lock()
			counted[heard] = true
			mu.Unlock()
		}
		if err := <-sent; err != nil {
			c.t.Errorf("socket %d: %v", n, err)
		}
	})
	c.said += messages
	if total := len(c.members) * messages; len(counted) != total || slices.Max(slices.Collect(maps.Keys(counted))) != total {
		c.t.Errorf("the instance counted %d different messages of %d", len(counted), total)
	}
}

// broadcast has one member say things that all even ones hear, in order. The odd ones would hear them before what they are told next.
func (c *crowd) broadcast(from, messages int) {
	c.t.Helper()
	go func() {
		for i := range messages {
			_ = c.members[from].conn.Write(c.members[from].ctx, websocket.MessageText, fmt.Appendf(nil, "all %d", i)) // the others miss it otherwise
		}
	}()
	c.each(func(n int, s *socket) {
		for i := 0; i < messages && n%2 == 0; i++ {
			if _, text, err := s.conn.Read(s.ctx); err != nil || string(text) != fmt.Sprint("all ", i) {
				c.t.Errorf("socket %d, broadcast %d: %q %v", n, i, text, err)
				return
			}
		}
	})
}

// TestHibernation holds what hibernation is: a thousand clients stay connected while the object that they talk to leaves memory. What they send
// wakes it, once; each goes on in order, with its tags and its attachment; and what can be answered without the object does not wake it.
func TestHibernation(t *testing.T) {
	t.Parallel()
	const clients = 1000
	data := t.TempDir()
	p := serve(t, sockets, "--data", data, "--loops", "2")
	room := gather(p, "/room/lobby?n=", clients)
	fickle := map[string]*socket{"constructor": p.join("/fickle/soon"), "blockConcurrencyWhile": p.join("/fickle/late")}
	room.talk(1, 4)
	room.broadcast(1, 5)

	// The time after which an idle object goes cannot be set from outside, so this takes its 10 s.
	waitFor(t, "the objects to leave memory", func() bool { return p.metric("everloop_engine_live_objects") == "0" })
	hibernates := func(what string) {
		t.Helper()
		for name, want := range map[string]int{"engine_live_objects": 0, "engine_websockets_hibernating": clients + len(fickle), "websocket_connections": clients + len(fickle)} {
			if got := p.metric("everloop_" + name); got != strconv.Itoa(want) {
				t.Errorf("%s: %s is %s, want %d", what, name, got, want)
			}
		}
	}
	hibernates("asleep")
	room.each(func(n int, s *socket) {
		answered := make(chan string, 1)
		go func() {
			_, text, err := s.conn.Read(s.ctx) // takes the Pong, too
			answered <- fmt.Sprint(string(text), " ", err)
		}()
		if err := errors.Join(s.conn.Ping(s.ctx), s.conn.Write(s.ctx, websocket.MessageText, []byte("ping"))); err != nil {
			t.Errorf("socket %d: %v", n, err)
			return
		}
		if got := <-answered; got != "pong <nil>" {
			t.Errorf("socket %d: the auto response is %s", n, got)
		}
	})
	hibernates("after a Ping and an auto response to each")

	room.talk(2, 4)
	room.broadcast(2, 5)
	const half, heard = clients / 2, clients * 4
	p.want("/room/lobby", 200, fmt.Sprintf(`{"lives":2,"heard":%d,"sockets":%d,"even":%d,"left":0,"answered":%d}`, heard, clients, half, clients))

	// An object that cannot be made again loses its sockets.
	for method, s := range fickle {
		s.say("are you there?")
		if _, text, err := s.conn.Read(s.ctx); err == nil || websocket.CloseStatus(err) != -1 || s.ctx.Err() != nil {
			t.Errorf("fickle in its %s: %q %v", method, text, err)
		}
		p.logged(`"level":"ERROR"`, "the WebSockets of an object are closed", `"class":"Fickle"`, `"method":"`+method+`"`, "once is enough", "index.ts:")
	}

	// An orderly end tells everybody, and what the room writes of it is there at the next start.
	p.signal(syscall.SIGTERM)
	room.each(func(n int, s *socket) {
		if _, text, err := s.conn.Read(s.ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("socket %d at the end: %q %v", n, text, err)
		}
	})
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	p = serve(t, sockets, "--data", data)
	p.want("/room/lobby", 200, fmt.Sprintf(`{"lives":3,"heard":0,"sockets":0,"even":0,"left":%d,"answered":0}`, clients))
	p.stop()
}

// TestKillSockets holds that a message of an object that has left the process tells of a write that is on disk, and that nothing of the sockets
// themselves outlives a kill.
func TestKillSockets(t *testing.T) {
	t.Parallel()
	const clients = 50
	data := t.TempDir()
	p := serve(t, sockets, "--data", data, "--loops", "2")
	var mu sync.Mutex
	acked, sent, ended := 0, 0, false
	members := gather(p, "/ledger/a?n=", clients)
	enough := make(chan struct{})
	var all sync.WaitGroup
	for _, s := range members.members {
		all.Go(func() {
			for last := 0; ; {
				mu.Lock()
				sent++
				mu.Unlock()
				err := s.conn.Write(s.ctx, websocket.MessageText, []byte("enter"))
				var text []byte
				if err == nil {
					_, text, err = s.conn.Read(s.ctx)
				}
				mu.Lock()
				if err != nil && !ended {
					t.Errorf("before the kill: %v", err)
				}
				n, _ := strconv.Atoi(string(text))
				if err == nil && n <= last {
					t.Errorf("entry %q behind %d", text, last)
				}
				last = n
				if acked = max(acked, n); acked > 1000 && !ended {
					ended = true
					close(enough)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Error("too few entries in time")
	}
	p.kill()
	all.Wait()

	p = serve(t, sockets, "--data", data, "--loops", "1")
	var found struct{ Entries, Sockets int }
	_, text := p.get("/ledger/a")
	if err := json.Unmarshal([]byte(text), &found); err != nil || found.Entries < acked || found.Entries > sent || found.Sockets != 0 {
		t.Errorf("%s after %d acknowledged of %d (%v)", text, acked, sent, err)
	}
	s := p.join("/ledger/a")
	s.say("enter")
	s.hears(strconv.Itoa(found.Entries + 1))
}

// TestDevSockets holds that new code closes the sockets of the old one, without a Close, so that clients connect again.
func TestDevSockets(t *testing.T) {
	t.Parallel()
	code := func(version string) string {
		return `import { DurableObject } from "cloudflare:workers";
export class C extends DurableObject {
	async fetch(request: Request) {
		const [client, server] = Object.values(new WebSocketPair());
		if (request.url.endsWith("classic")) { server.accept(); server.addEventListener("message", ({ data }) => server.send("` + version + ` " + data)); }
		else this.ctx.acceptWebSocket(server);
		return new Response(null, { status: 101, webSocket: client });
	}
	webSocketMessage(ws: WebSocket, message: string) { ws.send("` + version + ` " + message); }
}
export default { fetch: (request: Request, env: any) => env.C.getByName(request.url).fetch(request) };
`
	}
	p, dir := develop(t, map[string]string{"wrangler.jsonc": devConfig, "src/index.ts": code("one")})
	open := map[string]*socket{}
	for _, path := range []string{"/", "/classic"} {
		open[path] = p.join(path)
		open[path].say("hello")
		open[path].hears("one hello")
	}
	save(t, dir, "src/index.ts", code("two"))
	p.printed("updated in ")
	for path, s := range open {
		if _, text, err := s.conn.Read(s.ctx); err == nil || websocket.CloseStatus(err) != -1 || s.ctx.Err() != nil {
			t.Errorf("%s after the update: %q %v", path, text, err)
		}
		s = p.join(path)
		s.say("hello")
		s.hears("two hello")
	}

	// A version that cannot be built closes nothing.
	s := p.join("/")
	save(t, dir, "src/index.ts", code("three")+"const a = ;")
	p.printed("goes on being served")
	s.say("still here")
	s.hears("two still here")
}
