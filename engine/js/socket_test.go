package js_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// client is a transport of the test's: it holds one end of a WebSocket on its port's loop, and counts and keeps what it is told. Owned by
// that loop.
type client struct {
	ws     *engine.WebSocket
	keep   bool
	got    []string
	n      int
	told   func(*client) // after each message
	closed bool
	code   int
	reason string
	clean  bool
	failed error
}

func (c *client) Message(m *engine.Message) {
	c.n++
	if c.keep {
		c.got = append(c.got, string(m.Data))
	}
	if c.told != nil {
		c.told(c)
	}
}

func (c *client) Closed(code int, reason string, clean bool) {
	c.closed, c.code, c.reason, c.clean = true, code, reason, clean
	if clean {
		_ = c.ws.Close(0, "")
	}
}
func (c *client) Failed(err error) { c.failed = err }

func upgrade(url string) *engine.Request {
	return &engine.Request{Method: "GET", URL: url, Header: engine.Header{{Name: "upgrade", Value: "websocket"}}}
}

// connect opens a WebSocket through the Worker, on a loop.
func (v *served) connect(loop int, url string, c *client) *client {
	v.t.Helper()
	if c == nil {
		c = &client{keep: true}
	}
	done := make(chan error, 1)
	port := v.ports[loop]
	v.eng.Post(loop, func() {
		port.Enter(v.app.Entrypoint(), upgrade(url), engine.ReplyFunc(func(r engine.Reply) {
			if r.Err == nil && r.Response.WebSocket != nil {
				c.ws = r.Response.WebSocket
				r.Err = port.HoldWebSocket(c.ws, c)
			}
			done <- r.Err
		}))
	})
	if err := <-done; err != nil {
		v.t.Fatal(err)
	}
	if c.ws == nil {
		v.t.Fatalf("%s: no WebSocket in the response", url)
	}
	return c
}

// on runs f on a loop and waits for it.
func (v *served) on(loop int, f func()) {
	done := make(chan struct{})
	v.eng.Post(loop, func() { defer close(done); f() })
	<-done
}

const socketProgram = `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch(request) {
		const [client, server] = Object.values(new WebSocketPair());
		this.ctx.acceptWebSocket(server);
		return new Response(null, { status: 101, webSocket: client });
	}
	webSocketMessage(ws, message) {
		switch (message) {
		case "loop": for (const w of this.ctx.getWebSockets()) w.send(message); break;
		case "json": for (const w of this.ctx.getWebSockets()) w.send(JSON.stringify({ type: message, text: "hello, everybody" })); break;
		case "list": this.ctx.getWebSockets(); ws.send(message); break;
		case "broadcast": this.ctx.broadcast(message); break;
		default: ws.send(message);
		}
	}
	call() { return 1; }
}
export class Later extends Room { async webSocketMessage(ws, message) { ws.send(message); } }
export default { async fetch(request, env) { const url = new URL(request.url); const s = env[url.pathname.slice(1)].getByName("x"); return url.search === "?call" ? new Response(String(await s.call())) : s.fetch(request); } };
`

// BenchmarkWebSocket is what messages cost without a protocol: "echo" from a client to the object's handler and back, with a handler
// that is async as well; and "loop", "json" and "broadcast" to 1,000 clients, a message each. "list" is getWebSockets with as many.
func BenchmarkWebSocket(b *testing.B) {
	bench := func(b *testing.B, class, say string, sockets, saying, each int) {
		v := serve(b, socketProgram, setup{})
		left, wg := 0, sync.WaitGroup{}
		m := engine.TextMessage(say)
		clients := make([]*client, sockets)
		for i := range clients {
			clients[i] = v.connect(0, "http://example.com/"+class, &client{told: func(c *client) {
				left--
				switch {
				case left < 0:
				case left == 0:
					wg.Done()
				case each == 1 || left%each == 0:
					_ = c.ws.Send(m)
				}
			}})
		}
		b.ReportAllocs()
		b.ResetTimer()
		wg.Add(1)
		v.on(0, func() {
			left = max(b.N, each*saying) / each * each
			for _, c := range clients[:saying] {
				_ = c.ws.Send(m)
			}
		})
		wg.Wait()
	}
	b.Run("echo", func(b *testing.B) { bench(b, "Room", "echo", 64, 64, 1) })
	b.Run("echo async", func(b *testing.B) { bench(b, "Later", "echo", 64, 64, 1) })
	b.Run("loop", func(b *testing.B) { bench(b, "Room", "loop", 1000, 1, 1000) })
	b.Run("json", func(b *testing.B) { bench(b, "Room", "json", 1000, 1, 1000) })
	b.Run("broadcast", func(b *testing.B) { bench(b, "Room", "broadcast", 1000, 1, 1000) })
	b.Run("list", func(b *testing.B) { bench(b, "Room", "list", 1000, 1, 1) })
}

// say sends a message, and waits until the client has n messages or none can come any more.
func (v *served) say(loop int, c *client, m string, n int) (got []string) {
	v.t.Helper()
	v.on(loop, func() {
		if err := c.ws.Send(engine.TextMessage(m)); err != nil {
			v.t.Errorf("send %q: %v", m, err)
		}
	})
	v.eventually("an answer to "+m, func() (there bool) {
		v.on(loop, func() {
			there = len(c.got) >= n || c.closed || c.failed != nil
			got = slices.Clone(c.got)
		})
		return there
	})
	return got
}

// ending waits for the end of a socket.
func (v *served) ending(loop int, c *client) (how string) {
	v.t.Helper()
	v.eventually("the end of a socket", func() (over bool) {
		v.on(loop, func() {
			if over = c.closed || c.failed != nil; c.failed != nil {
				how = "failed: " + c.failed.Error()
			} else {
				how = fmt.Sprint(c.code, " ", c.reason, " ", c.clean)
			}
		})
		return over
	})
	return how
}

// noSockets expects that no WebSocket is left: no object of one, and no event that goes on for one.
func (v *served) noSockets() {
	v.t.Helper()
	v.until(func() (wrong string) {
		if err := v.collect(); err != nil {
			v.t.Fatal(err)
		}
		for i := range v.eng.Loops() {
			v.on(i, func() {
				if objects, kept, events := v.app.SocketsOn(i); objects+kept+events != 0 {
					wrong = fmt.Sprintf("loop %d: %d objects of sockets, %d are kept, %d events go on", i, objects, kept, events)
				}
			})
		}
		return wrong
	})
}

// TestSocketsOfResponses: an end travels in a response through Workers that hand it on, look at it or take it, and is given once.
func TestSocketsOfResponses(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch(request) {
		const [client, server] = Object.values(new WebSocketPair());
		server.accept();
		server.addEventListener("message", (e) => server.send("re " + e.data));
		return new Response(null, { status: 101, webSocket: client, headers: { "x-h": "v" } });
	}
}
let kept;
export default { async fetch(request, env) {
	const open = () => env.Room.getByName("x").fetch(request);
	const response = request.url.endsWith("/none") ? null : await open();
	switch (new URL(request.url).pathname) {
	case "/none": return new Response("none");
	case "/on": return response;
	case "/looked": if (response.webSocket.readyState !== 1) throw new Error("not open"); return response;
	case "/made": return new Response(null, { status: 101, webSocket: response.webSocket });
	case "/of": return new Response(null, response);
	case "/taken": response.webSocket.accept(); return response;
	case "/twice": kept ??= new Response(null, { status: 101, webSocket: response.webSocket }).webSocket; return new Response(null, { status: 101, webSocket: kept });
	case "/dialled": return new Response(null, { status: 101, webSocket: new WebSocket("ws://127.0.0.1:1/") });
	case "/between": {
		const [client, server] = Object.values(new WebSocketPair()), to = response.webSocket;
		server.accept(); to.accept();
		server.addEventListener("message", (e) => to.send("via " + e.data));
		to.addEventListener("message", (e) => server.send(e.data + " back"));
		server.addEventListener("close", (e) => to.close(e.code, e.reason));
		return new Response(null, { status: 101, webSocket: client });
	}
	}
} };`, setup{loops: 2})
	for loop := range 2 {
		for _, path := range []string{"/on", "/looked", "/made", "/of"} {
			c := v.connect(loop, "http://example.com"+path, nil)
			if got := v.say(loop, c, "m", 1); len(got) != 1 || got[0] != "re m" {
				t.Errorf("loop %d %s: %q", loop, path, got)
			}
			v.on(loop, func() { _ = c.ws.Close(1000, "done") })
			if got := v.ending(loop, c); got != "1000 done true" {
				t.Errorf("%s: %s", path, got)
			}
		}
		c := v.connect(loop, "http://example.com/between", nil)
		if got := v.say(loop, c, "m", 1); len(got) != 1 || got[0] != "re via m back" {
			t.Errorf("between: %q", got)
		}
		v.on(loop, func() { _ = c.ws.Close(3000, "") })
		v.ending(loop, c)
	}
	v.noSockets()
	if resp, err := v.do(0, upgrade("http://example.com/twice")); err != nil || resp.WebSocket == nil {
		t.Fatal(resp, err)
	}
	for path, want := range map[string]string{
		"/taken": "Can't return WebSocket in a Response after calling accept().", "/twice": "Can't return WebSocket that was already used in a response.",
		"/dialled": "Can't return WebSocket in a Response if it was created with `new WebSocket()`",
	} {
		if _, err := v.do(0, upgrade("http://example.com"+path)); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", path, err, want)
		}
	}
}

// Who has given an end away sees nothing of whoever holds it, and cannot write to it any more.
func TestSocketGivenAway(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch() {
		const [client, server] = Object.values(new WebSocketPair());
		this.ctx.acceptWebSocket(server);
		this.client = client;
		client.serializeAttachment("before");
		return new Response(null, { status: 101, webSocket: client });
	}
	look() {
		const { client } = this;
		const seen = [client.deserializeAttachment(), client.readyState];
		client.serializeAttachment("after");
		client.send("dropped");
		client.close();
		return [...seen, client.deserializeAttachment(), client.readyState, this.ctx.getWebSockets().length].join(" ");
	}
}
export default { async fetch(request, env) {
	const room = env.Room.getByName("x");
	if (new URL(request.url).pathname === "/look") return new Response(await room.look());
	const response = await room.fetch("http://x", { headers: { upgrade: "websocket" } });
	if (request.headers.has("upgrade")) return response;
	const ws = response.webSocket, seen = [];
	ws.accept();
	seen.push(ws.deserializeAttachment(), await room.look(), ws.deserializeAttachment());
	ws.serializeAttachment("mine");
	seen.push(await room.look(), ws.deserializeAttachment());
	const over = new Promise((f) => ws.addEventListener("close", f));
	ws.close();
	await over;
	return new Response([...seen, await room.look(), ws.readyState].join("; "));
} };`, setup{loops: 2, opts: js.Options{Runtimes: 1}})
	if got, want := v.get("/"), "; before 1 after 1 1; ; after 1 after 1 1; mine; after 1 after 1 0; 3"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// Nor does it look at what belongs to another loop by now.
	for loop := range 2 {
		c := v.connect(loop, "http://example.com/", nil)
		for range 20 {
			v.eng.Post(loop, func() { _ = c.ws.SetAttachment([]byte("a client's")); _ = c.ws.Send(engine.TextMessage("x")) })
			if got := v.get("/look"); got != "before 1 after 1 1" && got != "after 1 after 1 1" {
				t.Fatal(got)
			}
		}
		v.on(loop, func() { _ = c.ws.Close(1000, "") })
		v.ending(loop, c)
	}
}

// A connection that is lost between a Close and the answer that its holder owes lets the holder go, and is told once.
func TestSocketsLostWhileHalfOpen(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
const heard = [];
const open = () => {
	const [client, server] = Object.values(new WebSocketPair());
	server.accept({ allowHalfOpen: true });
	server.addEventListener("close", (e) => { heard.push([e.code, e.reason, server.readyState].join(" ")); });
	return new Response(null, { status: 101, webSocket: client });
};
export class Room extends DurableObject { fetch() { return open(); } }
export default { fetch(request, env) {
	switch (new URL(request.url).pathname) {
	case "/worker": return open();
	case "/object": return env.Room.getByName("x").fetch(request);
	case "/heard": return new Response(heard.splice(0).join("; "));
	}
	return new Response("");
} };`, setup{opts: js.Options{Runtimes: 1}})
	for _, path := range []string{"/worker", "/object"} {
		c := v.connect(0, "http://example.com"+path, nil)
		v.on(0, func() { _ = c.ws.Close(1000, "bye") })
		v.eventually("the Close is told", func() bool { return v.get("/heard") == "1000 bye 2" })
		v.on(0, func() { c.ws.Lost() })
		v.noSockets()
		if got := v.get("/heard"); got != "" {
			t.Errorf("%s: heard again: %s", path, got)
		}
	}
}

// Sockets that are used from everywhere, and across the end of what holds them.
func TestSocketsAndTheirHolders(t *testing.T) {
	limit := 500 * time.Millisecond
	if raceEnabled { // an engine that is watched computes ten times as long
		limit = 5 * time.Second
	}
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
let kept, ofWorker;
const attempt = (f) => { try { return f() ?? "done"; } catch (e) { return e.name + ": " + e.message; } };
const all = (ws) => ["send", "close"].map((k) => attempt(() => ws[k](k === "send" ? "x" : 1000))).join("|");
export class Room extends DurableObject {
	fetch(request) {
		const [client, server] = Object.values(new WebSocketPair());
		if (new URL(request.url).pathname === "/classic") {
			server.accept();
			server.addEventListener("message", (e) => this.webSocketMessage(server, e.data));
			server.addEventListener("error", (e) => (this.error = e.error.name + ": " + e.error.message));
		} else this.ctx.acceptWebSocket(server, ["t"]);
		return new Response(null, { status: 101, webSocket: client });
	}
	webSocketMessage(ws, message) {
		switch (message) {
		case "keep": kept = ws; ws.send("kept"); break;
		case "use": ws.send(all(kept)); break;
		case "tags": ws.send(attempt(() => this.ctx.getTags(kept).join())); break;
		case "abort": this.ctx.abort("aborted");
		case "spin": for (;;);
		case "memory": { const list = []; for (;;) list.push(new ArrayBuffer(8 << 20)); }
		case "big": ws.send("x".repeat(1 << 20)); break;
		case "error": ws.send(this.error ?? "none"); break;
		default: ws.send(message);
		}
	}
	webSocketError(ws, e) { this.error = e.name + ": " + e.message + " " + ws.readyState; }
}
export default { async fetch(request, env) {
	const url = new URL(request.url);
	if (url.pathname === "/mine") {
		const [client, server] = Object.values(new WebSocketPair());
		ofWorker = server;
		server.accept();
		server.addEventListener("message", (e) => server.send(e.data === "use" ? all(kept) : e.data));
		return new Response(null, { status: 101, webSocket: client });
	}
	if (url.pathname === "/used") return new Response(all(ofWorker));
	return env.Room.getByName(url.searchParams.get("name") ?? "x").fetch(request);
} };`, setup{opts: js.Options{CPULimit: limit, MemoryLimit: 64 << 20, Runtimes: 1}})
	const lost = "1006 WebSocket disconnected without sending Close frame. false"
	const gone = "Error: This WebSocket was held by an instance or event that has ended, and cannot be used any more. An object finds its own by ctx.getWebSockets()."
	say := func(c *client, m string) string {
		t.Helper()
		var n int
		v.on(0, func() { n = len(c.got) })
		got := v.say(0, c, m, n+1)
		if len(got) <= n {
			return "nothing"
		}
		return got[n]
	}
	for _, path := range []string{"/", "/classic"} {
		// One object can use the socket of another, which then acts.
		a, b := v.connect(0, "http://example.com"+path+"?name=a", nil), v.connect(0, "http://example.com"+path+"?name=b", nil)
		say(a, "keep")
		if got := say(b, "use"); got != "done|done" {
			t.Errorf("%s: the socket of another object: %s", path, got)
		}
		if got := v.ending(0, a); got != "1000  true" {
			t.Errorf("%s: %s", path, got)
		}
		a = v.connect(0, "http://example.com"+path+"?name=a", nil)
		say(a, "keep")
		if got := say(b, "tags"); !strings.HasPrefix(got, "Error: ") {
			t.Errorf("%s: tags of another object's socket: %s", path, got)
		}
		// A reset ends both; what is left of them says so.
		say(a, "abort")
		if got := v.ending(0, a); got != lost {
			t.Errorf("%s: after abort: %s", path, got)
		}
		if got := say(b, "use"); got != gone+"|"+gone {
			t.Errorf("%s: the socket of an object that was reset: %s", path, got)
		}
		// So does a handler that computes for ever, and one that takes all memory, which ends all in its runtime.
		say(b, "spin")
		if got := v.ending(0, b); got != lost {
			t.Errorf("%s: after an endless turn: %s", path, got)
		}
		a, b = v.connect(0, "http://example.com"+path+"?name=a", nil), v.connect(0, "http://example.com"+path+"?name=b", nil)
		say(a, "memory")
		if got := v.ending(0, a) + "|" + v.ending(0, b); got != lost+"|"+lost {
			t.Errorf("%s: after the runtime was lost: %s", path, got)
		}
		// A client that breaks the protocol is an error.
		a = v.connect(0, "http://example.com"+path+"?name=a", nil)
		say(a, "hello")
		v.on(0, func() { a.ws.Fail(&engine.Error{Name: "Error", Message: "a frame without a mask"}) })
		b = v.connect(0, "http://example.com"+path+"?name=a", nil)
		want := map[string]string{"/": "Error: a frame without a mask 3", "/classic": "Error: a frame without a mask"}[path]
		if got := say(b, "error"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		v.on(0, func() { _ = b.ws.Close(0, "") })
		v.ending(0, b)
	}
	// What a turn has sent is not kept behind it.
	big := v.connect(0, "http://example.com/", nil)
	say(big, "hello")
	var before, after int64
	v.on(0, func() { before = v.app.Held() })
	if got := say(big, "big"); len(got) != 1<<20 {
		t.Errorf("a large message has %d bytes", len(got))
	}
	v.on(0, func() { after = v.app.Held() })
	if after-before > 512<<10 {
		t.Errorf("a message of 1 MiB leaves %d bytes behind", after-before)
	}
	v.on(0, func() { _ = big.ws.Close(0, "") })
	// The event of a Worker lives as long as its socket.
	w := v.connect(0, "http://example.com/mine", nil)
	if got := say(w, "hello"); got != "hello" {
		t.Error(got)
	}
	if got := v.get("/used"); got != "done|done" {
		t.Errorf("the socket of another event: %s", got)
	}
	if got := v.ending(0, w); got != "1000  true" {
		t.Error(got)
	}
	v.eventually("the event has ended", func() (over bool) {
		v.on(0, func() { _, kept, events := v.app.SocketsOn(0); over = kept == 0 && events == 0 })
		return over
	})
	if got := v.get("/used"); got != gone+"|"+gone {
		t.Errorf("the socket of an event that has ended: %s", got)
	}
}

// An update of the program closes the sockets of its objects and events.
func TestUpdateClosesSockets(t *testing.T) {
	program := func(version string) string {
		return strings.ReplaceAll(`
import { DurableObject } from "cloudflare:workers";
export class C extends DurableObject {
	fetch(request) {
		const [client, server] = Object.values(new WebSocketPair());
		if (new URL(request.url).pathname === "/classic") { server.accept(); server.addEventListener("message", () => server.send("VERSION")); }
		else this.ctx.acceptWebSocket(server);
		return new Response(null, { status: 101, webSocket: client });
	}
	webSocketMessage(ws) { ws.send("VERSION " + this.ctx.getWebSockets().length); }
}
export class D extends C {}
export default { fetch: (request, env) => env.C.getByName("x").fetch(request) };`, "VERSION", version)
	}
	e := edit(t, setup{}, "wrangler.jsonc", editedConfig, "index.ts", program("v1"))
	a, b := e.connect(0, "http://example.com/", nil), e.connect(0, "http://example.com/classic", nil)
	if got := e.say(0, a, "m", 1); got[0] != "v1 1" {
		t.Error(got)
	}
	if got := e.say(0, b, "m", 1); got[0] != "v1" {
		t.Error(got)
	}
	if err := e.save("index.ts", program("v2")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{a, b} {
		if got := e.ending(0, c); !strings.HasPrefix(got, "1006 ") {
			t.Error(got)
		}
	}
	c := e.connect(0, "http://example.com/", nil)
	if got := e.say(0, c, "m", 1); got[0] != "v2 1" {
		t.Error(got)
	}
}

// A hibernating object has no JavaScript object for its sockets, and an awake one only for those that it has seen.
func TestHibernatingSocketsHaveNoObjects(t *testing.T) {
	f := &conformanceFile{program: socketProgram[:strings.Index(socketProgram, "export default")] + `
const handlers = { fetch: (request, env) => env.Room.getByName("x").fetch(request) };
`}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		v := serveVirtual(t, f, dir)
		defer v.close()
		port := v.eng.Port(v.pool.Loop(0))
		clients := make([]*client, 100)
		for i := range clients {
			c := &client{keep: true}
			clients[i] = c
			v.eng.Post(0, func() {
				port.Enter(v.app.Entrypoint(), upgrade("http://example.com/"), engine.ReplyFunc(func(r engine.Reply) {
					if r.Err != nil || r.Response.WebSocket == nil {
						t.Error(r.Err)
						return
					}
					c.ws = r.Response.WebSocket
					if err := port.HoldWebSocket(c.ws, c); err != nil {
						t.Error(err)
					}
				}))
			})
			v.until(func() bool { return c.ws != nil })
		}
		count := func() (objects, kept int) {
			for i := range v.eng.Loops() {
				if err := v.app.CollectOn(i); err != nil {
					t.Fatal(err)
				}
				o, k, _ := v.app.SocketsOn(i)
				objects, kept = objects+o, kept+k
			}
			return objects, kept
		}
		say := func(c *client, m string) {
			n := len(c.got)
			v.eng.Post(0, func() { _ = c.ws.Send(engine.TextMessage(m)) })
			v.until(func() bool { return len(c.got) > n })
		}
		if objects, kept := count(); objects != 100 || kept != 100 {
			t.Errorf("awake: %d objects, %d are kept", objects, kept)
		}
		v.pass(11 * time.Second)
		if objects, kept := count(); objects != 0 || kept != 0 {
			t.Errorf("hibernating: %d objects, %d are kept", objects, kept)
		}
		say(clients[7], "hello")
		if objects, kept := count(); objects != 1 || kept != 1 {
			t.Errorf("woken by one: %d objects, %d are kept", objects, kept)
		}
		say(clients[8], "loop")
		if objects, kept := count(); objects != 100 || kept != 100 {
			t.Errorf("all were listed: %d objects, %d are kept", objects, kept)
		}
		for i, c := range clients {
			if got := c.got[len(c.got)-1]; got != "loop" {
				t.Errorf("client %d has %q", i, got)
			}
			v.eng.Post(0, func() { _ = c.ws.Close(1000, "") })
			v.until(func() bool { return c.closed })
		}
		if objects, kept := count(); objects != 0 || kept != 0 {
			t.Errorf("all have closed: %d objects, %d are kept", objects, kept)
		}
	})
}

// Every client of two loops talks with objects of both, while objects are reset.
func TestSocketsOnTwoLoops(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch() { const [client, server] = Object.values(new WebSocketPair()); this.ctx.acceptWebSocket(server); return new Response(null, { status: 101, webSocket: client }); }
	async webSocketMessage(ws, message) {
		if (message === "reset") this.ctx.abort("reset");
		if (Number(message) % 3 === 0) await this.ctx.storage.put("k", message);
		if (Number(message) % 5 === 0) this.ctx.broadcast("all", { except: ws });
		ws.send(message);
	}
}
export default { fetch: (request, env) => env.Room.getByName(new URL(request.url).pathname).fetch(request) };`, setup{loops: 2, opts: js.Options{Runtimes: 2}})
	const rooms, messages = 6, 40
	var wg sync.WaitGroup
	for i := range 4 * rooms {
		wg.Go(func() {
			loop := i % 2
			c := v.connect(loop, fmt.Sprintf("http://example.com/%d", i%rooms), nil)
			for n := range messages {
				m := strconv.Itoa(n)
				if i == 0 && n == messages/2 {
					m = "reset"
				}
				v.on(loop, func() { _ = c.ws.Send(engine.TextMessage(m)) })
			}
			v.eventually("the answers", func() (over bool) {
				v.on(loop, func() {
					mine := 0
					for _, m := range c.got {
						if m != "all" {
							if m != strconv.Itoa(mine) {
								t.Errorf("client %d: %q instead of %d", i, m, mine)
								c.closed = true
							}
							mine++
						}
					}
					over = mine == messages || c.closed || c.failed != nil
				})
				return over
			})
			v.on(loop, func() {
				if c.closed && i%rooms != 0 {
					t.Errorf("client %d was closed: %d %s", i, c.code, c.reason)
				}
				_ = c.ws.Close(1000, "")
			})
		})
	}
	wg.Wait()
}
