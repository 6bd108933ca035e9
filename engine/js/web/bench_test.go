package web

import (
	"syscall"
	"testing"

	"everloop/engine/js/internal/vm"
)

// turn is what the engine does around a handler: enter, pump, read the promise, read the response.
func (h *fakeHost) turn(tb testing.TB, v vm.Value, err error, reply *Reply) {
	if err != nil {
		tb.Fatal(err)
	}
	if h.r.HasJobs() {
		if _, err := h.r.Pump(); err != nil {
			tb.Fatal(err)
		}
	}
	res := v
	switch h.r.PromiseState(v) {
	case vm.Fulfilled:
		res = h.r.PromiseResult(v)
		h.r.Free(v)
	case vm.Rejected:
		tb.Fatal(h.r.Describe(h.r.PromiseResult(v)))
	case vm.Pending:
		tb.Fatal("the promise is pending")
	}
	if err := h.in.Reply(res, reply); err != nil {
		tb.Fatal(err)
	}
	h.r.Free(res)
}

func mustEval(tb testing.TB, h *fakeHost, source string) vm.Value {
	tb.Helper()
	v, err := h.r.Eval("bench.js", source)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// cpuTime reports the process's CPU time an operation besides the wall's: it is the steadier figure on a machine that others
// use as well. Call what it returns with the number of operations.
func cpuTime(b *testing.B) func(n int) {
	now := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	start := now()
	return func(n int) { b.ReportMetric(float64(now()-start)/float64(n), "cpu-ns/op") }
}

var benchRequest = &Outgoing{
	ReqMethod: "GET", ReqURL: "http://localhost:8787/room/lobby?user=42",
	Fields: []Field{{"host", "localhost:8787"}, {"user-agent", "bench/1.0"}, {"accept", "*/*"}},
}

func benchWorker(b *testing.B, source string) {
	h := newFake(b)
	handler := mustEval(b, h, source)
	env, _ := h.r.Object()
	h.answer = func(string, Message) (Message, error) { return benchAnswer, nil }
	ns, err := h.in.Namespace(1)
	if err != nil {
		b.Fatal(err)
	}
	if err := h.r.SetName(env, "COUNTER", ns); err != nil {
		b.Fatal(err)
	}
	var reply Reply
	b.ReportAllocs()
	report := cpuTime(b)
	defer func() { report(b.N) }()
	for b.Loop() {
		event, eh, err := h.in.EventHandle(7)
		if err != nil {
			b.Fatal(err)
		}
		v, err := h.in.WorkerFetch(handler, benchRequest, env, event, vm.Undefined)
		h.turn(b, v, err, &reply)
		h.r.Revoke(eh)
		h.r.Free(event)
		h.fetched = h.fetched[:0]
	}
}

var benchAnswer = &Outgoing{ResStatus: 200, Fields: []Field{{"content-type", textType}}, Bytes: []byte("1")}

func BenchmarkWorkerHello(b *testing.B) {
	benchWorker(b, `({async fetch(request, env, ctx) { return new Response("hi") }})`)
}

func BenchmarkWorkerForward(b *testing.B) {
	benchWorker(b, `({async fetch(request, env, ctx) { return env.COUNTER.get(env.COUNTER.idFromName("a")).fetch(request) }})`)
}

func BenchmarkWorkerURL(b *testing.B) {
	benchWorker(b, `({async fetch(request, env, ctx) { const url = new URL(request.url); return new Response(url.pathname) }})`)
}

func BenchmarkWorkerRoute(b *testing.B) {
	benchWorker(b, `({async fetch(request, env, ctx) {
		const url = new URL(request.url);
		if (request.method !== "GET") return new Response("no", {status: 405});
		const name = url.searchParams.get("user") ?? "none";
		const stub = env.COUNTER.getByName(url.pathname);
		return stub.fetch(request);
	}})`)
}

func BenchmarkObjectCounter(b *testing.B) {
	h := newFake(b)
	class := mustEval(b, h, `(class {
		constructor(ctx, env) { this.ctx = ctx }
		async fetch(request) {
			let n = (await this.ctx.storage.get("n")) ?? 0;
			n++;
			await this.ctx.storage.put("n", n);
			return new Response(String(n));
		}
	})`)
	object, _, err := h.in.ObjectHandle(1)
	if err != nil {
		b.Fatal(err)
	}
	instance, err := h.in.NewObject(class, object, vm.Undefined)
	if err != nil {
		b.Fatal(err)
	}
	var reply Reply
	b.ReportAllocs()
	report := cpuTime(b)
	defer func() { report(b.N) }()
	for b.Loop() {
		v, err := h.in.ObjectFetch(instance, benchRequest)
		h.turn(b, v, err, &reply)
	}
}

func BenchmarkObjectAlarm(b *testing.B) {
	h := newFake(b)
	object := mustEval(b, h, `new (class { alarm(info) { this.due = info.scheduledTime } })`)
	b.ReportAllocs()
	report := cpuTime(b)
	defer func() { report(b.N) }()
	for b.Loop() {
		v, err := h.in.ObjectAlarm(object, 1e12, 0)
		if err != nil {
			b.Fatal(err)
		}
		h.r.Free(v)
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		r, err := vm.New(vm.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Load(r, &fakeHost{r: r}); err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// benchJS runs a statement a thousand times a call and reports the time of one.
func benchJS(b *testing.B, setup, statement string) {
	h := newFake(b)
	f := mustEval(b, h, setup+";(function() { for (let i = 0; i < 1000; i++) { "+statement+" } })")
	b.ReportAllocs()
	report := cpuTime(b)
	n := 0
	for b.Loop() {
		if _, err := h.r.Call(f, vm.Undefined); err != nil {
			b.Fatal(err)
		}
		n += 1000
	}
	report(n)
}

func BenchmarkNewURL(b *testing.B) {
	benchJS(b, `const s = "http://localhost:8787/room/lobby?user=42"`, `new URL(s)`)
}

func BenchmarkNewURLPathname(b *testing.B) {
	benchJS(b, `const s = "http://localhost:8787/room/lobby?user=42"`, `new URL(s).pathname`)
}

func BenchmarkNewURLSlow(b *testing.B) {
	benchJS(b, `const s = "http://LOCALHOST:8787/room/lobby?user=42"`, `new URL(s)`)
}
func BenchmarkNewResponse(b *testing.B) { benchJS(b, ``, `new Response("hi")`) }
func BenchmarkNewResponseInit(b *testing.B) {
	benchJS(b, ``, `new Response("hi", {status: 201, headers: {"x-a": "b"}})`)
}
func BenchmarkResponseJSON(b *testing.B) { benchJS(b, ``, `Response.json({ok: true, n: i})`) }
func BenchmarkHeaders(b *testing.B) {
	benchJS(b, ``, `const h = new Headers({"Content-Type": "text/html", "X-A": "1"}); h.get("content-type")`)
}

func BenchmarkSearchParams(b *testing.B) {
	benchJS(b, ``, `new URLSearchParams("a=1&b=2").get("b")`)
}

func BenchmarkTextEncoder(b *testing.B) {
	benchJS(b, `const e = new TextEncoder()`, `e.encode("hello world")`)
}

func BenchmarkConsoleLog(b *testing.B) {
	benchJS(b, ``, `console.log("hello", i)`)
}

// benchSubtle runs a statement that makes a promise a thousand times a call.
func benchSubtle(b *testing.B, setup, statement string) {
	h := newSubtleFake(b)
	if got := h.eval(b, "(async () => {"+setup+"; return 0})()"); got != "0" {
		b.Fatal(got)
	}
	f := mustEval(b, h, "(function() { for (let i = 0; i < 1000; i++) { "+statement+" } })")
	b.ReportAllocs()
	report := cpuTime(b)
	n := 0
	for b.Loop() {
		if _, err := h.r.Call(f, vm.Undefined); err != nil {
			b.Fatal(err)
		}
		n += 1000
	}
	report(n)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/one")
}

func BenchmarkDigest1K(b *testing.B) {
	benchSubtle(b, `globalThis.data = new Uint8Array(1024)`, `S.digest("SHA-256", data)`)
}

func BenchmarkSignHMAC(b *testing.B) {
	benchSubtle(b, `globalThis.data = new Uint8Array(256); globalThis.key = await raw(new Uint8Array(32), {name: "HMAC", hash: "SHA-256"}, ["sign"])`, `S.sign("HMAC", key, data)`)
}

func BenchmarkSealAESGCM(b *testing.B) {
	benchSubtle(b, `globalThis.data = new Uint8Array(1024); globalThis.a = {name: "AES-GCM", iv: new Uint8Array(12)}; globalThis.key = await raw(new Uint8Array(32), "AES-GCM", ["encrypt"])`, `S.encrypt(a, key, data)`)
}
