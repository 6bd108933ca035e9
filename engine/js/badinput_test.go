package js_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"everloop/engine/js"
)

// Programs that do what no program should. None of them may take the loop down, reach into another object, or harm what is
// stored: after each, another object answers with what it knew, the object itself has what it stored before, and the prelude
// works.

// hostile is a program whose Worker and whose objects run the code that the case's name chooses. Its objects count in storage
// ("n"), and a bystander also in memory.
func hostile(list []hostileCase) string {
	var b strings.Builder
	b.WriteString(`
import { DurableObject } from "cloudflare:workers";
export class OBJECT extends DurableObject {
	seen = 0;
	async fetch(request) {
		const name = new URL(request.url).pathname.split("/")[2];
		if (name === "count") {
			const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
			await this.ctx.storage.put("n", n);
			return new Response(++this.seen + "," + n + "," + [...(await this.ctx.storage.list()).keys()]);
		}
		return cases[name](request, this.env, this.ctx, this);
	}
	async echo(v) { return v; }
}
// tour uses a piece of everything.
async function tour(env) {
	const h = new Headers({ b: "2" }); h.append("A", "1"); h.append("set-cookie", "x=1");
	const u = new URL("http://example.com/a?b=c&d=e#f"); u.searchParams.append("g", "h i");
	const r = new Request(u, { method: "POST", headers: h, body: new URLSearchParams({ k: "v" }) });
	const copy = r.clone();
	const chunks = [];
	for await (const c of new Response("streamed").body) chunks.push(...c);
	const { readable, writable } = new TransformStream({ transform(c, t) { t.enqueue(c + "!"); } });
	const w = writable.getWriter(); w.write("t"); w.close();
	const texts = []; for await (const c of readable) texts.push(c);
	const events = []; const target = new EventTarget(); target.addEventListener("x", (e) => events.push(e.type), { once: true });
	target.dispatchEvent(new Event("x")); target.dispatchEvent(new Event("x"));
	const abort = new AbortController(); AbortSignal.any([abort.signal]).addEventListener("abort", () => events.push("aborted")); abort.abort();
	const form = new FormData(); form.append("f", new File(["x"], "n.txt"));
	const [a, b] = new Response("teed").body.tee();
	const clone = structuredClone(new Map([[1, { d: new Date(5), e: new TypeError("t") }]]));
	const stub = env.OBJECT.getByName("tour");
	return JSON.stringify([[...h].join(";"), u.href, await r.text(), (await copy.formData()).get("k"), chunks.length, texts, events, (await new Response(form).formData()).get("f").name,
		await new Response(a).text() + await new Response(b).text(), clone.get(1).d.getTime(), clone.get(1).e.name, await stub.echo({ x: [1, "2"] }), await new Blob(["b", "c"]).text(),
		await Response.json({ a: 1 }).json(), atob(btoa("x")), new TextDecoder().decode(new TextEncoder().encode("é")),
		crypto.randomUUID().length, (await crypto.subtle.digest("SHA-256", new Uint8Array(1))).byteLength, await new Promise((f) => setTimeout(f, 1, "timer"))]);
}
const cases = {
`)
	for _, c := range list {
		b.WriteString("\t\"" + c.name + "\": async (request, env, ctx, self) => {" + c.code + "},\n")
	}
	b.WriteString(`};
export default { async fetch(request, env, ctx) {
	const [, where, name] = new URL(request.url).pathname.split("/");
	if (where === "worker") return cases[name](request, env, ctx);
	if (where === "tour") return new Response(await tour(env));
	return env.OBJECT.getByName(where).fetch(request);
} };`)
	return b.String()
}

const tourEnd = `["a,1;b,2;set-cookie,x=1","http://example.com/a?b=c&d=e&g=h+i#f","k=v","v",8,["t!"],["x","aborted"],"n.txt","teedteed",5,"TypeError",{"x":[1,"2"]},"bc",{"a":1},"x","é",36,32,"timer"]`

// hostileCase is one such program, run in an object (and in the Worker as well, unless it needs self).
type hostileCase struct {
	name, code, want string
	object           bool // in an object only
	worker           bool // in the Worker only
	resets           bool // the object is reset: it is built again
}

func TestBadInput(t *testing.T) {
	list := []hostileCase{
		// What is thrown.
		{name: "throws-string", code: `throw "a string";`, want: "error: Error: a string"},
		{name: "throws-undefined", code: `throw undefined;`, want: "error: Error: undefined"},
		{name: "throws-null", code: `throw null;`, want: "error: Error: null"},
		{name: "throws-symbol", code: `throw Symbol("s");`, want: "error: Error: "},
		{name: "throws-bigint", code: `throw 5n;`, want: "error: Error: 5"},
		{name: "throws-function", code: `throw () => 1;`, want: "error: Error: "},
		{name: "throws-bare", code: `throw Object.create(null);`, want: "error: Error: "},
		{name: "throws-proxy", code: `throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; }, ownKeys() { throw 3; } });`, want: "error: Error: "},
		{name: "throws-proxy-of-error", code: `throw new Proxy(new Error("inside"), {});`, want: "error: Error: inside"},
		{name: "throws-getters", code: `throw { get name() { throw 1; }, get message() { throw 2; }, get stack() { throw 3; }, toString() { throw 4; } };`, want: "error: Error: "},
		{name: "throws-itself", code: `const e = new Error("cyclic"); e.cause = e; e.self = [e]; throw e;`, want: "error: Error: cyclic"},
		{name: "throws-promise", code: `throw Promise.reject(new Error("inner"));`, want: "error: Error: "},
		{name: "throws-huge", code: `throw new Error("x".repeat(1 << 22));`, want: "error: Error: xxx"},
		{name: "throws-deep", code: `let e = new Error("0"); for (let i = 0; i < 1e5; i++) e = new Error("deep", { cause: e }); throw e;`, want: "error: Error: deep"},
		{name: "throws-in-prepare", code: `const was = Error.prepareStackTrace; Error.prepareStackTrace = () => { throw new Error("again"); }; try { await null; throw new Error("first"); } finally { queueMicrotask(() => { Error.prepareStackTrace = was; }); }`, want: "error: Error: first"},
		{name: "throws-response", code: `throw new Response("thrown");`, want: "error: Error: "},

		{name: "throws-null-reason", code: `return Promise.reject();`, want: "error: Error: undefined"},

		// What is returned.
		{name: "returns-nothing", code: ``, want: "error: TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to undefined)"},
		{name: "returns-null", code: `return null;`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-string", code: `return "text";`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-object", code: `return { status: 200, headers: {}, body: "x" };`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-class", code: `return Response;`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-request", code: `return request;`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-heir", code: `return Object.create(Response.prototype);`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-proxy", code: `return new Proxy(new Response("x"), {});`, want: "error: TypeError: Incorrect type for Promise"},
		{name: "returns-error-response", code: `return Response.error();`, want: "error: TypeError: Response.error() cannot be sent"},
		{name: "returns-thenable", code: `return { then(f) { f(new Response("from a thenable")); } };`, want: "from a thenable"},
		{name: "returns-thenable-twice", code: `return { then(f, r) { f(new Response("first")); f(new Response("second")); r(1); throw 2; } };`, want: "first"},
		{name: "returns-thenable-throws", code: `return { get then() { throw new RangeError("then"); } };`, want: "error: RangeError: then"},
		{name: "returns-used", code: `const r = new Response("x"); await r.text(); return r;`, want: "error: TypeError: Body has already been used."},
		{name: "returns-locked", code: `const r = new Response(new ReadableStream({ start(c) { c.close(); } })); r.body.getReader(); return r;`, want: "error: TypeError: Body has already been used."},
		{name: "returns-twice", code: `globalThis.kept ??= new Response("kept"); try { return globalThis.kept; } finally { setTimeout(() => { delete globalThis.kept; }, 0); }`, want: "kept"},
		{name: "returns-subclass", code: `return new (class extends Response { get status() { throw 1; } get headers() { throw 2; } get body() { throw 3; } })("sub");`, want: "sub"},
		{name: "returns-stream-of-numbers", code: `return new Response(new ReadableStream({ start(c) { c.enqueue(1); c.close(); } }));`, want: ""},
		{name: "returns-stream-that-fails", code: `return new Response(new ReadableStream({ pull() { throw new Error("stream"); } }));`, want: ""},
		{name: "rejects-after", code: `ctx.waitUntil(Promise.reject(new Error("late"))); Promise.reject(new Error("later")); return new Response("answered");`, want: "answered"},
		{name: "throws-in-timer", code: `setTimeout(() => { throw new Error("timer"); }, 0); queueMicrotask(() => { throw new Error("micro"); }); await scheduler.wait(2); return new Response("answered");`, want: "answered"},
		{name: "throws-in-listener", code: `const t = new EventTarget(); t.addEventListener("x", () => { throw new Error("listener"); }); t.dispatchEvent(new Event("x")); return new Response("answered");`, want: "answered"},

		// Bodies.
		{name: "reads-twice", code: `const r = new Request("http://a/", { method: "POST", body: "x" }); await r.text(); try { await r.text(); } catch (e) { return new Response(e.name + r.bodyUsed); }`, want: "TypeErrortrue"},
		{name: "reads-json-deep", code: `try { await new Response("[".repeat(1e6) + "]".repeat(1e6)).json(); } catch (e) { return new Response(e.name + ": " + e.message); }`, want: "RangeError: JSON: the value is nested too deeply"},
		{name: "writes-json-deep", code: `let a = []; for (let i = 0; i < 1e6; i++) a = [a]; try { Response.json(a); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "clones-deep", code: `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; try { structuredClone(a); return new Response("cloned"); } catch (e) { return new Response(e.name); }`, want: "DataCloneError"},
		{name: "stores-deep", code: `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; try { await ctx.storage.put("n", a); return new Response("stored"); } catch (e) { return new Response(e.name); }`, want: "DataCloneError", object: true},
		{name: "calls-deep", code: `let a = []; for (let i = 0; i < 1e5; i++) a = [a]; try { await env.OBJECT.getByName("deep").echo(a); return new Response("sent"); } catch (e) { return new Response(e.name); }`, want: "DataCloneError"},
		{name: "logs-deep", code: `let a = []; for (let i = 0; i < 1e6; i++) a = [a]; console.log(a, { get x() { throw 1; } }, new Proxy({}, { ownKeys() { throw 2; } })); return new Response("logged");`, want: "logged"},

		// Depth and length.
		{name: "recurses", code: `const f = () => f() + 1; try { f(); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "recurses-uncaught", code: `const f = () => f() + 1; return f();`, want: "error: RangeError: "},
		{name: "recurses-async", code: `const f = async () => { await f(); }; try { await f(); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "recurses-getter", code: `const o = { get a() { return this.a; } }; try { return new Response(o.a); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "recurses-in-host", code: `const o = { toString() { return new URL(o).href; } }; try { new URL(o); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "recurses-in-headers", code: `const o = { get a() { return new Headers(o).get("a"); } }; try { new Headers(o); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "recurses-in-clone", code: `const o = { get a() { return structuredClone(o); } }; try { structuredClone(o); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "long-array-join", code: `try { return new Response(Array(2 ** 31).join()); } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "long-array-like", code: `try { new Blob({ length: 2 ** 53 - 1, [Symbol.iterator]: null }); } catch (e) { return new Response(e.name); }`, want: "TypeError"},
		{name: "long-array-headers", code: `try { new Headers(Array(2 ** 31)); } catch (e) { return new Response(e.name); }`, want: "TypeError"},
		{name: "long-array-stored", code: `try { await ctx.storage.put("a", Array(2 ** 31)); await ctx.storage.delete("a"); return new Response("stored"); } catch (e) { return new Response(e.name); }`, want: "", object: true},
		{name: "long-array-keys", code: `try { await ctx.storage.get(Array(2 ** 20)); } catch (e) { return new Response(e.name); }`, want: "RangeError", object: true},
		{name: "long-array-random", code: `try { crypto.getRandomValues(new Uint8Array(1 << 20)); } catch (e) { return new Response(e.name); }`, want: "QuotaExceededError"},
		{name: "long-string", code: `let s = "x"; try { for (;;) s += s; } catch (e) { return new Response(e.name); }`, want: "RangeError"},
		{name: "long-header", code: `return new Response("x", { headers: { a: "y".repeat(1 << 20) } });`, want: "x"},
		{name: "many-arguments", code: `try { new Response(String.fromCharCode(...new Uint8Array(1e5))); } catch (e) { return new Response(e.name); }`, want: "RangeError"},

		// Getters, proxies and lies inside what the host reads.
		{name: "init-getter", code: `try { new Response("x", { get status() { throw new Error("status"); } }); } catch (e) { return new Response(e.message); }`, want: "status"},
		{name: "init-proxy", code: `try { new Request("http://a/", new Proxy({}, { get(_, k) { throw new Error("get " + String(k)); } })); } catch (e) { return new Response(e.message); }`, want: "get "},
		{name: "init-headers-proxy", code: `try { new Headers(new Proxy({}, { ownKeys() { throw new Error("ownKeys"); } })); } catch (e) { return new Response(e.message); }`, want: "ownKeys"},
		{name: "init-headers-revoked", code: `const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); try { new Headers(proxy); } catch (e) { return new Response(e.name); }`, want: "TypeError"},
		{name: "init-value-lies", code: `let n = 0; const h = new Headers([["a", { toString() { return "v" + n++; } }]]); return new Response(h.get("a") + n);`, want: "v01"},
		{name: "init-changes-itself", code: `const init = { a: "1", get b() { delete this.a; delete this.c; this.d = "4"; return "2"; }, c: "3" }; return new Response([...new Headers(init)].join(";"));`, want: "a,1;b,2"},
		{name: "symbol-everywhere", code: `const out = []; for (const f of [() => new URL(Symbol()), () => new Headers([[Symbol(), "x"]]), () => new Response("x", { status: Symbol() }), () => new Response("x", { statusText: Symbol() }), () => new Request(Symbol()), () => setTimeout(Symbol()), () => atob(Symbol()), () => new Event(Symbol()), () => new TextDecoder(Symbol()), () => env.OBJECT.getByName(Symbol()), () => env.OBJECT.idFromName(Symbol())]) try { f(); out.push("none"); } catch (e) { out.push(e.name); } return new Response([...new Set(out)].join());`, want: "TypeError"},
		{name: "iterator-lies", code: `const out = []; for (const it of [{ next() { throw new Error("next"); } }, { next() { return 5; } }, { get next() { throw new Error("getter"); } }, { next() { return { get done() { throw new Error("done"); } }; } }]) try { new Headers({ [Symbol.iterator]: () => it }); } catch (e) { out.push(e.name); } return new Response(out.join());`, want: "Error,TypeError,Error,Error"},
		{name: "put-getter", code: `try { await ctx.storage.put("n", { get x() { throw new Error("getter"); } }); } catch (e) { return new Response(e.message); }`, want: "getter", object: true},
		{name: "put-getter-writes", code: `await ctx.storage.put("m", { get x() { ctx.storage.put("m", "inner"); return 1; } }); const v = JSON.stringify(await ctx.storage.get("m")); await ctx.storage.delete("m"); return new Response(v);`, want: `{"x":1}`, object: true},
		{name: "put-getter-aborts", code: `await ctx.storage.put("n", { get x() { ctx.abort("in a getter"); } });`, want: "error: Error: in a getter", object: true, resets: true},
		{name: "put-proxy", code: `try { await ctx.storage.put("n", new Proxy({}, {})); return new Response("stored"); } catch (e) { return new Response(e.name); }`, want: "DataCloneError", object: true},
		{name: "transaction-throws", code: `try { await ctx.storage.transaction(async (t) => { await t.put("n", 999); throw new Error("undo"); }); } catch (e) { return new Response(e.message); }`, want: "undo", object: true},
		{name: "transaction-thenable", code: `try { await ctx.storage.transaction(() => ({ then(_, r) { ctx.storage.put("n", 999); r(new Error("undo")); } })); } catch (e) { return new Response(e.message); }`, want: "undo", object: true},
		{name: "calls-what-is-no-method", code: `const out = []; for (const m of ["constructor", "__proto__", "hasOwnProperty", "fetch2", "toString", "ctx", "seen"]) try { out.push(typeof await env.OBJECT.getByName("x")[m]()); } catch (e) { out.push(e.name); } return new Response([...new Set(out)].join());`, want: "TypeError"},
		{name: "illegal-receiver", code: `const out = []; for (const C of [Headers, Request, Response, URL, URLSearchParams, ReadableStream, WritableStream, TransformStream, Blob, FormData, EventTarget, AbortSignal, TextDecoder, Event]) for (const k of Reflect.ownKeys(C.prototype)) { const d = Object.getOwnPropertyDescriptor(C.prototype, k); for (const f of [d.get, d.value]) { if (typeof f !== "function" || k === "constructor") continue; for (const self of [{}, Object.create(C.prototype), new Proxy({}, {}), 5, null]) try { const v = f.call(self, "x", () => 1); if (v instanceof Promise) v.catch((e) => { if (!(e instanceof TypeError)) out.push(C.name + String(k) + e.name); }); else if (C !== EventTarget && C !== Event && C !== AbortSignal) out.push(C.name + "." + String(k)); } catch (e) { if (!(e instanceof TypeError)) out.push(C.name + "." + String(k) + e); } } } await null; return new Response("odd: " + [...new Set(out)]);`, want: "odd:"},
	}
	runHostile(t, list, js.Options{MemoryLimit: 512 << 20, Runtimes: 1})
}

func TestBadInputThatNeverEnds(t *testing.T) {
	runHostile(t, []hostileCase{
		{name: "loops", code: `for (;;) ;`, want: "error: Error: ", resets: true},
		{name: "loops-in-getter", code: `new Headers({ get a() { for (;;) ; } });`, want: "error: Error: ", resets: true},
		{name: "loops-in-thrown-getter", code: `throw { get message() { for (;;) ; } };`, want: "error: Error: ", resets: true},
		{name: "loops-in-thrown-name", code: `await null; throw Object.defineProperty(new Error("x"), "name", { get() { for (;;) ; } });`, want: "error: Error: ", resets: true},
		{name: "loops-in-lost-rejection", code: `Promise.reject({ get message() { for (;;) ; } }); await scheduler.wait(1); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-waitUntil-rejection", code: `ctx.waitUntil(Promise.reject({ get stack() { for (;;) ; } })); await scheduler.wait(1); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-reported", code: `reportError({ get message() { for (;;) ; } }); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-timer-error", code: `setTimeout(() => { throw { get stack() { for (;;) ; } }; }, 0); await scheduler.wait(5); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-rpc-result", code: `const stub = env.OBJECT.getByName("x"); try { await stub.echo({ get x() { for (;;) ; } }); } catch (e) { return new Response(e.message); }`, want: "error: Error: ", resets: true},
		{name: "loops-in-unhandled-listener", code: `globalThis.once ??= (addEventListener("unhandledrejection", (e) => { if (e.reason === "loop") for (;;) ; }), 1); Promise.reject("loop"); await scheduler.wait(1); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-unhandled-chain", code: `globalThis.twice ??= (addEventListener("unhandledrejection", (e) => { if (e.reason === "chain") { e.preventDefault(); Promise.reject("chain"); } }), 1); Promise.reject("chain"); await scheduler.wait(1); return new Response("answered");`, want: "", resets: true},
		{name: "loops-in-thenable", code: `return { then() { for (;;) ; } };`, want: "error: Error: ", resets: true},
		{name: "loops-in-catch", code: `for (;;) try { throw 1; } catch {} finally { continue; }`, want: "error: Error: ", resets: true},
		{name: "loops-in-regex", code: `return new Response(String(/^(a+)+$/.test("a".repeat(40) + "b")));`, want: "error: Error: ", resets: true},
		{name: "loops-in-sort", code: `new Float64Array(1e5).sort(() => { for (;;) ; });`, want: "error: Error: ", resets: true},
		{name: "loops-in-stored-getter", code: `await ctx.storage.put("n", { get x() { for (;;) ; } });`, want: "error: Error: ", object: true, resets: true},
		{name: "loops-in-stream", code: `await new ReadableStream({ pull(c) { c.enqueue(1); } }, { highWaterMark: Infinity }).getReader().read();`, want: "error: Error: ", resets: true},
	}, js.Options{CPULimit: 500 * time.Millisecond, MemoryLimit: 512 << 20, Runtimes: 1})
}

// runHostile runs each case and looks afterwards at what it may not have harmed.
func runHostile(t *testing.T, list []hostileCase, opts js.Options) {
	v := serve(t, hostile(list), setup{opts: opts})
	bystander, victim := 0, 0
	check := func(name string, reset bool) {
		t.Helper()
		bystander++
		if got, want := v.get("/bystander/count"), counted(bystander, bystander); got != want {
			t.Fatalf("%s: another object answers %s, want %s\n%s", name, got, want, v.logs)
		}
		victim++
		got := v.get("/victim/count")
		_, stored, _ := strings.Cut(got, ",")
		if _, want, _ := strings.Cut(counted(0, victim), ","); stored != want {
			t.Fatalf("%s: the object has stored %s, want %s\n%s", name, stored, want, v.logs)
		}
		if again := strings.HasPrefix(got, "1,"); again != (reset || victim == 1) {
			t.Errorf("%s: the object was reset: %v, want %v", name, again, reset)
		}
		if got := v.get("/tour/x"); got != tourEnd {
			t.Fatalf("%s: afterwards the prelude answers\n %s, want\n %s\n%s", name, got, tourEnd, v.logs)
		}
	}
	check("before", false)
	for _, c := range list {
		if !c.worker {
			if got := v.get("/victim/" + c.name); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s in an object:\n got %.300s\nwant %s", c.name, got, c.want)
			}
			check(c.name, c.resets)
		}
		if !c.object {
			if got := v.get("/worker/" + c.name); !strings.HasPrefix(got, c.want) {
				t.Errorf("%s in the Worker:\n got %.300s\nwant %s", c.name, got, c.want)
			}
			check(c.name, false)
		}
	}
}

// counted is what an object answers to count.
func counted(seen, stored int) string { return fmt.Sprintf("%d,%d,n", seen, stored) }
