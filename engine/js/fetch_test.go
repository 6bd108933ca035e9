package js_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// peer starts a server that programs send requests to, and returns its address. It answers by path.
func peer(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var names []string
		for name := range r.Header {
			if name != "Accept-Encoding" {
				names = append(names, name)
			}
		}
		sort.Strings(names)
		w.Header().Set("X-Length", strconv.FormatInt(r.ContentLength, 10))
		fmt.Fprintf(w, "%s %s", r.Method, r.RequestURI)
		for _, name := range names {
			fmt.Fprintf(w, " %s=%s", strings.ToLower(name), strings.Join(r.Header[name], ","))
		}
		if len(body) > 0 {
			fmt.Fprintf(w, " body=%s", body)
		}
	})
	mux.HandleFunc("/accepts", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Join(r.Header["Accept-Encoding"], "|"))
	})
	mux.HandleFunc("/socket", serveSocket)
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "plain") })
	mux.HandleFunc("/count", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2, c")
		w.Header().Set("X-One", "one")
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	mux.HandleFunc("/redirect/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(code)
		io.WriteString(w, "moved")
	})
	mux.HandleFunc("/loop/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		if n == 0 {
			io.WriteString(w, "arrived")
			return
		}
		http.Redirect(w, r, fmt.Sprint("/loop/", n-1), http.StatusFound)
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, strings.Repeat("unpacked", 3))
		z.Close()
	})
	mux.HandleFunc("/deflate", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "deflate")
		z := zlib.NewWriter(w)
		io.WriteString(z, "unpacked")
		z.Close()
	})
	mux.HandleFunc("/broken-gzip", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "this is not gzip at all")
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 8192)); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
		}
	})
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	var mu sync.Mutex
	var now, most int
	mux.HandleFunc("/busy", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond) // so that requests overlap if anything lets them
		mu.Lock()
		now--
		mu.Unlock()
		w.Write(bytes.Repeat([]byte("x"), 100))
	})
	mux.HandleFunc("/most", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprint(w, most)
		most = 0
	})
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// feeding is a body of a request that comes from outside, as the test says. Owned by loop 0.
type feeding struct {
	v        *served
	w        *engine.BodyWriter
	canceled bool
}

func (f *feeding) Start(w *engine.BodyWriter) { f.w = w }
func (f *feeding) Room()                      {}
func (f *feeding) Cancel()                    { f.canceled = true }

// feed writes to the body once somebody reads it, and ends it with the empty piece.
func (f *feeding) feed(pieces ...string) {
	f.v.t.Helper()
	f.v.eventually("somebody reads the body", func() (started bool) {
		f.v.onLoop(func() { started = f.w != nil })
		return started
	})
	f.v.onLoop(func() {
		for _, p := range pieces {
			if p == "" {
				f.w.Close(nil)
			} else {
				f.w.Write([]byte(p))
			}
		}
	})
}

// asked is a request under way.
type asked struct {
	v    *served
	ev   *engine.Event
	done chan engine.Reply
}

// ask sends a request through the Worker on loop 0; body may be nil.
func (v *served) ask(method, path string, body *feeding) *asked {
	a := &asked{v: v, done: make(chan engine.Reply, 1)}
	v.onLoop(func() {
		req := &engine.Request{Method: method, URL: "http://example.com" + path}
		if body != nil {
			body.v = v
			req.Body = v.ports[0].StreamFrom(body, 0)
		}
		a.ev = v.ports[0].Enter(v.app.Entrypoint(), req, engine.ReplyFunc(func(r engine.Reply) { a.done <- r }))
	})
	return a
}

func (a *asked) answer() *engine.Response {
	a.v.t.Helper()
	select {
	case r := <-a.done:
		if r.Err != nil {
			a.v.t.Fatalf("%v\n%s", r.Err, a.v.logs)
		}
		return r.Response
	case <-time.After(30 * time.Second):
		a.v.t.Fatalf("no answer within half a minute\n%s", a.v.logs)
		return nil
	}
}

const incomingProgram = `
import { DurableObject } from "cloudflare:workers";
let seen = [];
const watch = (request, who) => request.signal.addEventListener("abort", () => seen.push(who + " " + request.signal.reason.name + ": " + request.signal.reason.message));
async function handle(request, who) {
	const url = new URL(request.url);
	switch (url.searchParams.get("do")) {
	case "text": return new Response("got " + await request.text());
	case "pieces": { const out = []; for await (const b of request.body) out.push(new TextDecoder().decode(b)); return new Response(out.join("|")); }
	case "first": { const r = request.body.getReader(); const { value } = await r.read(); await r.cancel(); return new Response(value); }
	case "echo": return new Response(request.body);
	case "fails": try { return new Response(await request.text()); } catch (e) { return new Response(e.name + ": " + e.message); }
	case "wait": watch(request, who); await new Promise((r) => request.signal.addEventListener("abort", r)); return new Response("nobody hears this");
	case "derived": { const d = new Request(request.clone()); watch(d, who); return new Promise((r) => d.signal.addEventListener("abort", () => r(new Response("nobody hears this")))); }
	case "endless": watch(request, who); return new Response(new ReadableStream({ async pull(c) { await scheduler.wait(1); c.enqueue(new Uint8Array(10)); }, cancel() { seen.push(who + " cancelled"); } }));
	case "short": watch(request, who); return new Response("short");
	case "shortstream": watch(request, who); return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(5)); c.close(); } }));
	case "never": watch(request, who); await scheduler.wait(20); return new Response(String(request.signal.aborted));
	}
}
export class OBJECT extends DurableObject {
	fetch(request) { return handle(request, "object"); }
	seen() { const s = seen; seen = []; return s; }
}
export default {
	async fetch(request, env) {
		const url = new URL(request.url);
		const stub = env.OBJECT.getByName("o");
		switch (url.pathname) {
		case "/worker": return handle(request, "worker");
		case "/object": return stub.fetch(request);
		case "/seen": return Response.json([...seen.splice(0), ...await stub.seen()]);
		case "/aborts": {
			const c = new AbortController();
			const p = stub.fetch("http://x/?do=wait", { signal: c.signal });
			await scheduler.wait(1);
			c.abort();
			try { await p; } catch (e) { return new Response(e.name); }
		}
		}
	},
};`

// TestStreamedRequestBodies: what a client sends is read while it comes, by the Worker and by an object on another loop.
func TestStreamedRequestBodies(t *testing.T) {
	v := serve(t, incomingProgram, setup{loops: 2})
	for _, who := range []string{"/worker", "/object"} {
		for _, c := range []struct {
			do   string
			feed [][]string
			want string
		}{
			{"text", [][]string{{"one "}, {"two", ""}}, "got one two"},
			{"pieces", [][]string{{"a"}, {"b", "c"}, {""}}, "a|b|c"},
			{"echo", [][]string{{"to and "}, {"fro", ""}}, "to and fro"},
			{"text", [][]string{{""}}, "got "},
		} {
			body := new(feeding)
			a := v.ask("POST", who+"?do="+c.do, body)
			read := make(chan string, 1)
			go func() { read <- v.read(a.answer()) }()
			for _, pieces := range c.feed {
				body.feed(pieces...)
			}
			if got := within(t, read); got != c.want {
				t.Errorf("%s %s: %q, want %q\n%s", who, c.do, got, c.want, v.logs)
			}
		}
		// A program that reads no further lets go of the client's rest.
		body := new(feeding)
		a := v.ask("POST", who+"?do=first", body)
		body.feed("first")
		if got := v.read(a.answer()); got != "first" {
			t.Errorf("%s: %q", who, got)
		}
		v.eventually("the rest is cancelled", func() (canceled bool) {
			v.onLoop(func() { canceled = body.canceled })
			return canceled
		})
		// And one whose client leaves in the middle is told.
		body = new(feeding)
		a = v.ask("POST", who+"?do=fails", body)
		body.feed("half")
		v.onLoop(func() { body.w.Close(&engine.Error{Name: "Error", Message: "Network connection lost."}) })
		if got := v.read(a.answer()); got != "Error: Network connection lost." {
			t.Errorf("%s: %q", who, got)
		}
	}
	v.noBodies()
}

func (v *served) seenBy(want string) {
	v.t.Helper()
	var got string
	v.eventually("want "+want, func() bool {
		got = v.get("/seen")
		return got != "[]"
	})
	if got != want {
		v.t.Errorf("seen %s, want %s\n%s", got, want, v.logs)
	}
}

// TestRequestSignal: request.signal aborts when whoever sent the request leaves before the response is out.
func TestRequestSignal(t *testing.T) {
	v := serve(t, incomingProgram, setup{opts: js.Options{Runtimes: 1}})
	const gone = " AbortError: The client has disconnected"
	for _, who := range []string{"worker", "object"} {
		for _, do := range []string{"wait", "derived"} {
			a := v.ask("GET", "/"+who+"?do="+do, nil)
			v.settled()
			a.ev.Gone()
			v.seenBy(`["` + who + gone + `"]`)
		}
		// A client that has finished sending has most probably left.
		a := v.ask("GET", "/"+who+"?do=wait", nil)
		v.settled()
		a.ev.Leaving()
		v.seenBy(`["` + who + gone + `"]`)
		// In the middle of a streamed response, which is cancelled.
		a = v.ask("GET", "/"+who+"?do=endless", nil)
		k := v.take(a.answer().Body)
		k.next()
		k.cancel()
		seen := ""
		v.eventually("both are seen", func() bool {
			seen += v.get("/seen")
			return strings.Contains(seen, who+gone) && strings.Contains(seen, who+" cancelled")
		})
		// Not after a response that is out.
		for _, do := range []string{"short", "shortstream"} {
			a = v.ask("GET", "/"+who+"?do="+do, nil)
			v.read(a.answer())
			v.settled()
			a.ev.Gone()
			v.settled()
			if got := v.get("/seen"); got != "[]" {
				t.Errorf("%s, %s: seen %s after the response was out", who, do, got)
			}
		}
	}
	if got := v.get("/aborts"); got != "AbortError" {
		t.Errorf("the caller that aborts: %s", got)
	}
	v.seenBy(`["object` + gone + `"]`)
}

// settled lets the loop do what is posted.
func (v *served) settled() {
	for range 5 {
		v.onLoop(func() {})
	}
}

// TestRequestSignalWantsItsFlag, as on Cloudflare: without it the signal is there, and never aborts.
func TestRequestSignalWantsItsFlag(t *testing.T) {
	for _, c := range []struct{ flags, want string }{{`[]`, "false"}, {`["enable_request_signal"]`, "true"}, {`["disable_request_signal"]`, "false"}} {
		dir := t.TempDir()
		for name, content := range map[string]string{
			"wrangler.jsonc": `{"name": "p", "main": "main.js", "compatibility_date": "2026-10-01", "compatibility_flags": ` + c.flags + `}`,
			"main.js":        `let last = "none"; export default { async fetch(request) { if (request.url.endsWith("/last")) return new Response(last); request.signal; await scheduler.wait(20); last = String(request.signal.aborted); return new Response(last); } };`,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		v, err := tryServe(t, dir, setup{})
		if err != nil {
			t.Fatal(err)
		}
		a := v.ask("GET", "/", nil)
		v.settled()
		a.ev.Gone()
		if got := v.read(a.answer()); got != c.want || v.get("/last") != c.want {
			t.Errorf("%s: aborted %s, want %s", c.flags, got, c.want)
		}
		v.close()
	}
}

const releaseProgram = `
import { DurableObject } from "cloudflare:workers";
export class OBJECT extends DurableObject {
	constructor(ctx, env) { super(ctx, env); }
	async slow(url) { await fetch(url); }
	reset() { this.ctx.abort("reset on purpose"); }
}
export default { async fetch(request, env, ctx) {
	const url = new URL(request.url);
	const peer = url.searchParams.get("peer");
	switch (url.pathname) {
	case "/top": return new Response(globalThis.atTop);
	case "/forgets": fetch(peer + "/plain"); return new Response("answered");
	case "/pass": return fetch(peer + "/endless");
	case "/proxy": return fetch(new Request(peer + "/count", request));
	case "/reset": { const s = env.OBJECT.getByName("o"); const p = s.slow(peer + "/slow").catch((e) => e.message); await env.OBJECT.getByName("o").reset().catch(() => {}); return new Response(await p); }
	case "/gc": { for (let i = 0; i < 5; i++) { const r = await fetch(peer + "/endless"); if (r.status !== 200) throw new Error(); } return new Response("dropped"); }
	}
} };
try { globalThis.atTop = "no error"; fetch("http://127.0.0.1:2/").catch((e) => { globalThis.atTop = e.name + ": " + e.message; }); } catch (e) { globalThis.atTop = String(e); }
`

// TestFetchEnds: whatever becomes of the program, nothing of a request stays.
func TestFetchEnds(t *testing.T) {
	v := serve(t, releaseProgram, setup{loops: 2})
	peer := "?peer=" + peer(t)
	if got := v.get("/top"); !strings.HasPrefix(got, "Error: Disallowed operation called within global scope.") {
		t.Errorf("at the top level: %s", got)
	}
	if got := v.get("/forgets" + peer); got != "answered" {
		t.Errorf("/forgets: %s", got)
	}
	if got := v.get("/reset" + peer); got != "reset on purpose" {
		t.Errorf("/reset: %s", got)
	}
	// A response that is handed on moves as its reader takes it, and ends with that.
	k := v.take(v.fetch("GET", "/pass"+peer, engine.Body{}).Body)
	for n := 0; n < 2*engine.StreamWindow; {
		b := k.next()
		n += len(b)
		k.ack(len(b))
	}
	k.cancel()
	// A body on its way through the Worker never enters JavaScript.
	body := new(feeding)
	a := v.ask("POST", "/proxy"+peer, body)
	body.feed(strings.Repeat("x", 100000), "yyy", "")
	if got := v.read(a.answer()); got != "100003" {
		t.Errorf("/proxy: %s", got)
	}
	if got := v.get("/gc" + peer); got != "dropped" {
		t.Errorf("/gc: %s", got)
	}
	v.eventually("no request is under way", func() bool {
		runtime.GC()
		return v.eng.Metrics().Outgoing == 0
	})
	v.noBodies()
}

// TestFetchOfAnObjectThatEnds: what an object awaits of a stub goes with the object, whether the answer comes later or never.
func TestFetchOfAnObjectThatEnds(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Late extends DurableObject { async fetch() { await scheduler.wait(5); return new Response("late"); } }
export class Asks extends DurableObject {
	fetch(request) {
		const signal = request.url.endsWith("signal") ? new AbortController().signal : undefined;
		const large = new Array(25_000).fill(1);
		this.env.LATE.getByName("a").fetch("http://x/", { signal }).then(() => large.length);
		this.ctx.abort(new Error("on purpose"));
	}
}
export default { async fetch(request, env) {
	for (let i = 0; i < 50; i++) await env.ASKS.getByName("a").fetch(request.url).catch(() => {});
	await env.LATE.getByName("a").fetch("http://x/");
	return new Response("ok");
} };`, setup{})
	v.get("/")
	before := v.app.Held()
	for _, path := range []string{"/", "/signal"} {
		if got := v.get(path); got != "ok" {
			t.Fatal(got)
		}
		if grown := v.app.Held() - before; grown > 4<<20 { // one of them is 400 kB
			t.Errorf("%s: 50 objects that were reset have left %d bytes", path, grown)
		}
	}
}
