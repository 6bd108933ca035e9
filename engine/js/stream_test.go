package js_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// taking is a sink that gives what comes to the test, and acknowledges what the test says.
type taking struct {
	v      *served
	stream *engine.Stream
	pieces chan []byte // nil: the end
	err    error       // after the end
}

func (k *taking) Chunk(b []byte) { k.pieces <- b }
func (k *taking) End(err error) {
	k.err = err
	k.pieces <- nil
}

// take starts to read a body on loop 0. The channel has room for more pieces than a window can hold of any test.
func (v *served) take(b engine.Body) *taking {
	v.t.Helper()
	if !b.Streamed() {
		v.t.Fatalf("the body is not streamed: %q", b.Bytes())
	}
	k := &taking{v: v, pieces: make(chan []byte, 1<<16)}
	v.onLoop(func() { k.stream = v.ports[0].Start(b, k) })
	return k
}

func (v *served) onLoop(f func()) {
	v.t.Helper()
	done := make(chan struct{})
	v.eng.Post(0, func() { f(); close(done) })
	<-done
}

// next waits for a piece; nil is the end.
func (k *taking) next() []byte {
	k.v.t.Helper()
	select {
	case b := <-k.pieces:
		return b
	case <-time.After(30 * time.Second):
		k.v.t.Fatalf("no piece within half a minute\n%s", k.v.logs)
		return nil
	}
}

func (k *taking) ack(n int) { k.v.onLoop(func() { k.stream.Ack(n) }) }
func (k *taking) cancel()   { k.v.onLoop(k.stream.Cancel) }

// fetch sends a request through the Worker and expects an answer.
func (v *served) fetch(method, path string, body engine.Body) *engine.Response {
	v.t.Helper()
	r, err := v.do(0, &engine.Request{Method: method, URL: "http://example.com" + path, Body: body})
	if err != nil {
		v.t.Fatalf("%s %s: %v\n%s", method, path, err, v.logs)
	}
	return r
}

// read reads a whole body, streamed or not.
func (v *served) read(r *engine.Response) string {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), 30*time.Second)
	defer cancel()
	b, err := v.eng.ReadBody(ctx, r.Body, 64<<20)
	if err != nil {
		return "error: " + err.Error()
	}
	return string(b)
}

// eventually waits for a condition that other loops bring about.
func (v *served) eventually(what string, ok func() bool) {
	v.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			v.t.Fatalf("%s: not within half a minute\n%s", what, v.logs)
		}
		runtime.Gosched()
	}
}

// noBodies expects that no runtime reads or produces a body any more.
func (v *served) noBodies() {
	v.t.Helper()
	v.eventually("every body is over", func() (none bool) {
		done := make(chan struct{})
		v.eng.Post(0, func() {
			in, out := v.app.Bodies()
			none = in+out == 0
			close(done)
		})
		<-done
		return none
	})
}

const streamProgram = `
import { DurableObject } from "cloudflare:workers";
const bytes = (s) => new TextEncoder().encode(s);
const counted = (n, size = 0) => new ReadableStream({ i: 0, pull(c) {
	if (this.i === n) c.close(); else c.enqueue(size ? new Uint8Array(size).fill(this.i) : bytes("piece " + this.i)); this.i++;
} }, { highWaterMark: 0 });

export class OBJECT extends DurableObject {
	pulled = 0; cancelled = "no";
	async fetch(request) {
		const url = new URL(request.url);
		switch (url.searchParams.get("do")) {
		case "counted": return new Response(counted(3), { headers: { "x-a": "b" } });
		case "endless": {
			const self = this;
			return new Response(new ReadableStream({
				pull(c) { self.pulled++; c.enqueue(new Uint8Array(8192)); },
				cancel(r) { self.cancelled = String(r); },
			}, { highWaterMark: 0 }));
		}
		case "state": return new Response(this.pulled + " " + this.cancelled);
		case "events": {
			const { readable, writable } = new TransformStream();
			const w = writable.getWriter();
			this.ctx.waitUntil((async () => {
				for (let i = 0; i < 3; i++) { await w.write(bytes("data: " + i + "\n\n")); await scheduler.wait(1); await this.ctx.storage.put("n", i); }
				await w.close();
			})());
			return new Response(readable, { headers: { "content-type": "text/event-stream" } });
		}
		case "fails": return new Response(new ReadableStream({ pull(c) { c.error(new RangeError("half way")); } }, { highWaterMark: 0 }));
		case "strings": return new Response(new ReadableStream({ start(c) { c.enqueue("a string"); c.close(); } }));
		case "aborts": return new Response(new ReadableStream({ pull: (c) => { c.enqueue(bytes("x")); if (this.pulled++) this.ctx.abort("enough"); } }, { highWaterMark: 0 }));
		case "echo": return new Response("read " + await request.text());
		case "back": return new Response(request.body, { headers: { "x-type": String(request.headers.get("content-type")) } });
		case "form": { const f = await request.formData(); return new Response([...f].map(([k, v]) => k + "=" + (v.name ?? v)).join()); }
		}
	}
}

export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		const stub = env.OBJECT.getByName(url.searchParams.get("object") ?? "o");
		switch (url.pathname) {
		case "/forward": return stub.fetch(request);
		case "/own": return new Response(counted(3));
		case "/rewrap": { const r = await stub.fetch(request); return new Response(r.body, { status: 201, headers: r.headers }); }
		case "/upper": {
			const r = await stub.fetch(request);
			return new Response(r.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform(s, c) { c.enqueue(s.toUpperCase()); } })).pipeThrough(new TextEncoderStream()));
		}
		case "/through": { const r = await stub.fetch(request); return new Response(r.body.pipeThrough(new IdentityTransformStream())); }
		case "/text": return new Response("got " + await (await stub.fetch(request)).text());
		case "/pieces": { let n = 0, all = ""; const d = new TextDecoder(); for await (const b of (await stub.fetch(request)).body) { n++; all += d.decode(b, { stream: true }); } return new Response(n + " " + all); }
		case "/byob": { const r = (await stub.fetch(request)).body.getReader({ mode: "byob" }); const a = await r.read(new Uint8Array(4)); await r.cancel(); return new Response(a.value); }
		case "/twice": { const r = await stub.fetch(request); await r.text(); try { await r.text(); } catch (e) { return new Response(e.name + ": " + e.message); } return new Response("read twice"); }
		case "/tee": { const [a, b] = (await stub.fetch(request)).body.tee(); ctx.waitUntil(new Response(a).text().then((t) => stub.fetch("http://x/?do=echo", { method: "POST", body: t }))); return new Response(b); }
		case "/clone": { const r = await stub.fetch(request); const c = r.clone(); return new Response(await c.text() + "|" + await r.text() + "|" + c.url); }
		case "/fails": { const r = await stub.fetch(request); try { await r.text(); } catch (e) { return new Response("caught " + e.name + ": " + e.message); } }
		case "/signal": return stub.fetch(request.url, { signal: new AbortController().signal });
		case "/abort": {
			const ac = new AbortController();
			const reader = (await stub.fetch(request.url, { signal: ac.signal })).body.getReader();
			await reader.read();
			ac.abort();
			try { for (;;) await reader.read(); } catch (e) { return new Response(e.name); }
		}
		case "/copy": { const r = await stub.fetch(request); const c = r.clone(); ctx.waitUntil(c.text()); return r; }
		case "/drop": { const r = await stub.fetch(request); await r.body.getReader().read(); return new Response("dropped"); }
		case "/send": return stub.fetch(url.href, { method: "POST", body: counted(3), duplex: "half" });
		case "/sendon": return stub.fetch(new Request(url.href, new Request(url.href, { method: "POST", body: counted(3), headers: { "content-type": "a/b" } })));
		case "/unread": return new Response(new ReadableStream({ cancel() { unread++; } }));
		case "/spins": return new Response(new ReadableStream({ n: 0, pull(c) { if (this.n++) for (;;); c.enqueue(bytes("first")); } }, { highWaterMark: 0 }));
		case "/unreadstate": return new Response(String(unread));
		case "/later": {
			// The event has its answer long before its stub is called.
			const s = new ReadableStream({ n: 0, async pull(c) {
				if (this.n++ === 2) return c.close();
				await scheduler.wait(1);
				c.enqueue(bytes(await (await env.OBJECT.getByName("later").fetch("http://x/?do=state")).text() + ";"));
			} }, { highWaterMark: 0 });
			return new Response(s);
		}
		}
	},
};
let unread = 0;
`

func TestStreamedResponses(t *testing.T) {
	for loops := 1; loops <= 2; loops++ {
		v := serve(t, streamProgram, setup{loops: loops})
		for _, c := range []struct{ path, want string }{
			{"/own", "piece 0piece 1piece 2"},
			{"/forward?do=counted", "piece 0piece 1piece 2"},
			{"/rewrap?do=counted", "piece 0piece 1piece 2"},
			{"/upper?do=counted", "PIECE 0PIECE 1PIECE 2"},
			{"/through?do=counted", "piece 0piece 1piece 2"},
			{"/text?do=counted", "got piece 0piece 1piece 2"},
			{"/pieces?do=counted", "3 piece 0piece 1piece 2"},
			{"/byob?do=counted", "piec"},
			{"/twice?do=counted", "TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice."},
			{"/tee?do=counted", "piece 0piece 1piece 2"},
			{"/clone?do=counted", "piece 0piece 1piece 2|piece 0piece 1piece 2|http://example.com/clone?do=counted"},
			{"/forward?do=events", "data: 0\n\ndata: 1\n\ndata: 2\n\n"},
			{"/later", "0 no;0 no;"},
			{"/signal?do=counted", "piece 0piece 1piece 2"},
			{"/copy?do=counted", "piece 0piece 1piece 2"},
			{"/fails?do=fails", "caught RangeError: half way"},
			{"/send?do=echo", "read piece 0piece 1piece 2"},
			{"/send?do=back", "piece 0piece 1piece 2"},
			{"/sendon?do=back", "piece 0piece 1piece 2"},
		} {
			if got := v.read(v.fetch("GET", c.path, engine.Body{})); got != c.want {
				t.Errorf("%d loops, %s:\n got %q\nwant %q\n%s", loops, c.path, got, c.want, v.logs)
			}
		}
		v.noBodies()
		r := v.fetch("GET", "/rewrap?do=counted", engine.Body{})
		if r.Status != 201 || r.Header.Get("x-a") != "b" {
			t.Errorf("a body in a response of its own: %d %v", r.Status, r.Header)
		}
		v.read(r)
		for _, c := range []struct{ path, want string }{
			{"/forward?do=fails", "half way"},
			{"/forward?do=strings", "This ReadableStream did not return bytes."},
			{"/forward?do=aborts", engine.ErrStreamLost.Error()},
		} {
			if got := v.read(v.fetch("GET", c.path, engine.Body{})); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, c.want) {
				t.Errorf("%d loops, %s: got %q, want an error with %q", loops, c.path, got, c.want)
			}
		}
		v.noBodies()
	}
}

// TestEndlessResponse: an endless body is delivered as it is produced, no further ahead of its reader than a window, and
// cancelled when the reader leaves, however many hands it goes through.
func TestEndlessResponse(t *testing.T) {
	for _, c := range []struct {
		path string
		// most is how many pieces may be produced for a reader that takes none: a window of 8 KiB pieces for each hop
		// that JavaScript stands in, and some that are under way.
		most int
	}{{"/forward", 32 + 2}, {"/rewrap", 32 + 2}, {"/through", 2*32 + 8}, {"/upper", 2*32 + 16}} {
		v := serve(t, streamProgram, setup{loops: 2})
		k := v.take(v.fetch("GET", c.path+"?do=endless", engine.Body{}).Body)
		state := func() (pulled int, cancelled string) {
			fmt.Sscanf(v.read(v.fetch("GET", "/forward?do=state", engine.Body{})), "%d %s", &pulled, &cancelled)
			return pulled, cancelled
		}
		got := 0
		for got < engine.StreamWindow {
			got += len(k.next())
		}
		before, _ := state()
		for range 20 { // were it to go on without room, it would do so in the turns between these
			v.read(v.fetch("GET", "/own", engine.Body{}))
		}
		pulled, cancelled := state()
		if pulled > c.most || cancelled != "no" {
			t.Errorf("%s: %d pieces for a reader that has acknowledged nothing, at most %d; %d before; cancelled: %s", c.path, pulled, c.most, before, cancelled)
		}
		k.ack(got)
		for more := 0; more < engine.StreamWindow/2; {
			b := k.next()
			if b == nil {
				t.Fatalf("%s: it ended: %v", c.path, k.err)
			}
			more += len(b)
		}
		k.cancel()
		v.eventually(c.path+": the producer is told", func() bool { _, cancelled := state(); return cancelled != "no" })
		v.noBodies()
		v.close()
	}
}

// TestEventsArriveOneByOne: each piece is there before the next is produced.
func TestEventsArriveOneByOne(t *testing.T) {
	v := serve(t, streamProgram, setup{loops: 2})
	k := v.take(v.fetch("GET", "/forward?do=events", engine.Body{}).Body)
	for i := range 3 {
		if got, want := string(k.next()), fmt.Sprintf("data: %d\n\n", i); got != want {
			t.Errorf("piece %d: %q, want %q", i, got, want)
		}
	}
	if b := k.next(); b != nil || k.err != nil {
		t.Errorf("the end: %q, %v", b, k.err)
	}
}

// TestForwardedBodyStaysOutside: a response that the Worker only hands on is no body of the Worker's runtime.
func TestForwardedBodyStaysOutside(t *testing.T) {
	v := serve(t, streamProgram, setup{})
	k := v.take(v.fetch("GET", "/forward?do=endless", engine.Body{}).Body)
	k.next()
	v.onLoop(func() {
		if in, out := v.app.Bodies(); in != 0 || out != 1 {
			t.Errorf("%d bodies are read and %d produced in JavaScript; want the object's one", in, out)
		}
	})
	k.cancel()
	v.noBodies()
}

func TestAbortedBody(t *testing.T) {
	v := serve(t, streamProgram, setup{loops: 2})
	if got := v.read(v.fetch("GET", "/abort?do=endless", engine.Body{})); got != "AbortError" {
		t.Errorf("the reader got %q", got)
	}
	v.eventually("the producer is told", func() bool {
		return strings.Contains(v.read(v.fetch("GET", "/forward?do=state", engine.Body{})), "Network connection lost.")
	})
	v.noBodies()
	r := v.fetch("GET", "/copy?do=counted", engine.Body{})
	if r.Header.Get("x-a") != "b" || v.read(r) == "" {
		t.Errorf("a response whose clone was read lost its header: %v", r.Header)
	}
}

func TestUnreadBodiesAreGivenUp(t *testing.T) {
	v := serve(t, streamProgram, setup{})
	func() {
		if r := v.fetch("HEAD", "/unread", engine.Body{}); !r.Body.Streamed() {
			t.Fatal("the body is not streamed")
		}
	}()
	v.eventually("a body that nobody asked for is cancelled", func() bool {
		runtime.GC()
		return v.read(v.fetch("GET", "/unreadstate", engine.Body{})) == "1"
	})
	// One that JavaScript has begun to read, and forgotten.
	if got := v.read(v.fetch("GET", "/drop?do=endless", engine.Body{})); got != "dropped" {
		t.Fatal(got)
	}
	v.onLoop(func() {
		if err := v.app.Collect(); err != nil {
			t.Error(err)
		}
	})
	v.eventually("a body that was dropped is cancelled", func() bool {
		return strings.Contains(v.read(v.fetch("GET", "/forward?do=state", engine.Body{})), "Network connection lost.")
	})
	v.noBodies()
}

// TestInterruptedBody: a body whose producer computes for ever ends, and says why.
func TestInterruptedBody(t *testing.T) {
	v := serve(t, streamProgram, setup{opts: js.Options{CPULimit: 50 * time.Millisecond}})
	if got := v.read(v.fetch("GET", "/spins", engine.Body{})); !strings.Contains(got, "Worker exceeded CPU time limit.") {
		t.Errorf("got %q", got)
	}
	v.noBodies()
	if got := v.read(v.fetch("GET", "/own", engine.Body{})); got != "piece 0piece 1piece 2" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestFormOfARequest(t *testing.T) {
	v := serve(t, streamProgram, setup{})
	req := &engine.Request{
		Method: "POST", URL: "http://example.com/forward?do=form",
		Header: engine.Header{{Name: "content-type", Value: `multipart/form-data; boundary="b"`}},
		Body:   engine.Text("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.bin\"\r\n\r\n2\r\n--b--\r\n"),
	}
	if got := text(v.do(0, req)); got != "a=1,f=x.bin" {
		t.Error(got)
	}
}

// eater is a Go object that reads the body of its request.
type eater struct{ st *engine.State }

func (e *eater) Fetch(ctx context.Context, r *engine.Request) (*engine.Response, error) {
	if strings.Contains(r.URL, "refuse") {
		return engine.TextResponse(200, "unread"), nil
	}
	b, err := e.st.ReadBody(ctx, r.Body, 1<<20)
	if err != nil {
		return nil, err
	}
	return engine.TextResponse(200, "ate "+string(b)), nil
}

func TestStreamedRequestToAGoObject(t *testing.T) {
	v := serve(t, streamProgram, setup{loops: 2, opts: js.Options{Classes: map[string]engine.Class{
		"OBJECT": engine.ClassOf(func(st *engine.State) (*eater, error) { return &eater{st}, nil }),
	}}})
	if got := v.read(v.fetch("GET", "/send", engine.Body{})); got != "ate piece 0piece 1piece 2" {
		t.Error(got)
	}
	v.noBodies()
	if got := v.read(v.fetch("GET", "/send?refuse", engine.Body{})); got != "unread" {
		t.Error(got)
	}
	v.eventually("the body that was not read is given up", func() bool {
		runtime.GC()
		var out int
		v.onLoop(func() { _, out = v.app.Bodies() })
		return out == 0
	})
}
