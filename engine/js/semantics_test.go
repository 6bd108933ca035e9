package js_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/engine/js"
)

// program wraps the body of an object's fetch, with a Worker that sends every request to the object that the path names.
func program(body string) string {
	return `
import { DurableObject } from "cloudflare:workers";
export default {
	async fetch(request, env, ctx) {
		const url = new URL(request.url);
		return env.OBJECT.getByName(url.pathname.split("/")[1]).fetch(request);
	},
};
` + body
}

func TestStorageFromJavaScript(t *testing.T) {
	v := serve(t, program(`
export class Object_ extends DurableObject {}
export class OBJECT extends DurableObject {
	async fetch(request) {
		const s = this.ctx.storage;
		const q = new URL(request.url).searchParams.get("case");
		const entries = (m) => JSON.stringify([...m]);
		switch (q) {
		case "values": {
			const cyclic = { name: "c" }; cyclic.self = cyclic;
			const v = { d: new Date(5), m: new Map([[1, new Set(["x"])]]), b: 12345678901234567890n, z: -0, n: NaN, u: undefined,
				r: /a+/gi, t: new Uint8Array([1, 2, 3]), e: new TypeError("bad", { cause: 7 }), cyclic };
			await s.put("v", v);
			const w = await s.get("v");
			return new Response([w.d.getTime(), w.m.get(1).has("x"), w.b === v.b, Object.is(w.z, -0), Number.isNaN(w.n), "u" in w && w.u === undefined,
				w.r.source + w.r.flags, w.t[2], w.e instanceof TypeError && w.e.message + w.e.cause, w.cyclic.self === w.cyclic].join());
		}
		case "batch":
			await s.put({ b: 2, a: 1, c: undefined, "é": 3 });
			return new Response(entries(await s.get(["é", "a", "nope", "b"])) + await s.delete(["a", "nope"]) + await s.delete("b") + await s.delete("b"));
		case "list":
			await s.deleteAll();
			for (const k of ["a", "ab", "abc", "b", "z"]) await s.put(k, k.length);
			return new Response([...(await s.list({ prefix: "a", reverse: true, limit: 2 })).keys()] + " " +
				[...(await s.list({ start: "ab", end: "z" })).keys()] + " " + [...(await s.list({ startAfter: "b" })).keys()]);
		case "errors": {
			const out = [];
			for (const f of [() => s.put("u", undefined), () => s.list({ limit: 0 }), () => s.list({ start: "a", startAfter: "b" }), () => s.put("f", () => 1),
				() => s.put("k".repeat(2049), 1), () => s.put("k", new Uint8Array(3 << 20)), () => s.put(Object.fromEntries(Array.from({ length: 129 }, (_, i) => ["k" + i, i]))),
				() => s.get(Array.from({ length: 129 }, (_, i) => "k" + i))]) {
				try { await f(); out.push("no error"); } catch (e) { out.push(e.name + ": " + e.message); }
			}
			return new Response(out.join("\n"));
		}
		case "transaction": {
			await s.put("n", 1);
			let caught = "";
			try {
				await s.transaction(async (txn) => {
					await txn.put("n", 2);
					await scheduler.wait(1);
					if (await txn.get("n") !== 2 || await s.get("n") !== 2) throw new Error("does not read its own write");
					throw new Error("rolled back");
				});
			} catch (e) { caught = e.message; }
			const before = await s.get("n");
			const result = await s.transaction(async (txn) => { await txn.put("n", 3); await txn.delete("gone"); return "done"; });
			await s.transaction(async (txn) => { await txn.put("n", 9); txn.rollback(); });
			s.transactionSync(() => { s.put("sync", 1); });
			try { s.transactionSync(() => { s.put("sync", 2); throw new Error("x"); }); } catch {}
			return new Response([caught, before, result, await s.get("n"), await s.get("sync")].join());
		}
		case "kv": {
			await s.deleteAll();
			s.kv.put("b", { x: 1 });
			s.kv.put("a", [2]);
			const seen = [...s.kv.list()].map(([k, v]) => k + JSON.stringify(v));
			return new Response([seen, s.kv.get("b").x, s.kv.get("nope"), s.kv.delete("b"), s.kv.delete("b"), (await s.get("a"))[0], [...s.kv.list({ prefix: "z" })].length].join());
		}
		case "absent": {
			try { s.sql.exec("SELECT 1"); } catch (e) { return new Response(e.message); }
			return new Response("no error");
		}
		case "all":
			await s.deleteAll();
			await s.sync();
			return new Response(String((await s.list()).size));
		}
	}
}`), setup{})
	for _, c := range []struct{ name, want string }{
		{"values", "5,true,true,true,true,true,a+gi,3,bad7,true"},
		{"batch", `[["a",1],["b",2],["é",3]]1truefalse`},
		{"list", "abc,ab ab,abc,b z"},
		{"errors", strings.Join([]string{
			"TypeError: put() called with undefined value.",
			"TypeError: List limit must be positive.",
			"TypeError: list() cannot be called with both start and startAfter values.",
			"DataCloneError: () => 1 could not be cloned.",
			"RangeError: Keys cannot be larger than 2048 bytes.",
			"RangeError: Keys and values together cannot be larger than 2097152 bytes.",
			"RangeError: Maximum number of pairs is 128.",
			"RangeError: Maximum number of keys is 128.",
		}, "\n")},
		{"transaction", "rolled back,1,done,3,1"},
		{"kv", `a[2],b{"x":1},1,,true,false,2,0`},
		{"absent", "storage.sql: this version of everloop does not have it."},
		{"all", "0"},
	} {
		if got := v.get("/o?case=" + c.name); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestBlockConcurrencyWhileFromJavaScript(t *testing.T) {
	v := serve(t, program(`
let built = 0;
export class OBJECT {
	constructor(state) {
		this.state = state;
		this.built = ++built;
		this.order = [];
		state.blockConcurrencyWhile(async () => {
			this.order.push("a");
			await scheduler.wait(2);
			this.order.push("b");
		});
		state.blockConcurrencyWhile(async () => {
			this.order.push("c");
			this.stored = await state.storage.get("n");
		});
		this.order.push("constructed");
	}
	async fetch(request) {
		switch (new URL(request.url).searchParams.get("case")) {
		case "order": return new Response(this.order + "");
		case "alone": {
			const alone = await this.state.blockConcurrencyWhile(async () => {
				this.inside = true;
				await scheduler.wait(2);
				this.inside = false;
				return 7;
			});
			return new Response(String(alone));
		}
		case "look": return new Response(String(!!this.inside));
		case "nested":
			return new Response(String(await this.state.blockConcurrencyWhile(() => this.state.blockConcurrencyWhile(async () => { await scheduler.wait(1); return 5; }))));
		case "throw": {
			this.state.storage.put("n", 99);
			await this.state.blockConcurrencyWhile(async () => { await scheduler.wait(1); throw new RangeError("broken on purpose"); });
			return new Response("not reached");
		}
		case "built": return new Response(String(this.built) + "," + this.stored);
		case "abort": this.state.storage.put("n", 100); try { this.state.abort("enough"); } finally { this.state.storage.put("n", 101); } return new Response("not reached");
		}
	}
}`), setup{})
	for _, c := range []struct{ path, want string }{
		{"/o?case=order", "constructed,a,b,c"},
		{"/o?case=alone", "7"},
		{"/o?case=nested", "5"},
		{"/o?case=built", "1,undefined"},
		{"/o?case=throw", "error: RangeError: broken on purpose"},
		{"/o?case=built", "2,99"},
		{"/o?case=abort", "error: Error: enough"},
		{"/o?case=built", "3,99"},
	} {
		if got := v.get(c.path); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	// Many at once: nothing enters while a section is open.
	results := make(chan string, 40)
	for i := range 20 {
		go func() { results <- v.get("/p?case=alone") }()
		go func() { results <- v.get(fmt.Sprint("/p?case=look&n=", i)) }()
	}
	for range 40 {
		if got := <-results; got != "7" && got != "false" {
			t.Errorf("got %s", got)
		}
	}
}

func TestCallsBetweenObjects(t *testing.T) {
	v := serve(t, program(`
export class OBJECT {
	constructor(state, env) { this.state = state; this.env = env; }
	async fetch(request) {
		const url = new URL(request.url);
		const left = Number(url.searchParams.get("left"));
		const seen = request.headers.get("x-seen") ?? "";
		await this.state.storage.put("left", left);
		if (left === 0) return new Response(seen + this.state.id.name, { status: 201, headers: { "x-from": this.state.id.name } });
		if (left < 0) throw new TypeError("too far");
		const next = this.env.OBJECT.get(this.env.OBJECT.idFromName(this.state.id.name + "'"));
		url.searchParams.set("left", url.searchParams.has("far") ? -1 : left - 1);
		try {
			return await next.fetch(url, { headers: { "x-seen": seen + this.state.id.name + ">" } });
		} catch (e) {
			return new Response([e.name, e.message, e.remote, e instanceof TypeError].join());
		}
	}
}`), setup{loops: 2})
	if got := v.get("/o?left=5"); got != "201 o>o'>o''>o'''>o''''>o'''''" {
		t.Errorf("a chain of objects: %s", got)
	}
	if got := v.get("/o?left=1&far=1"); got != "TypeError,too far,true,true" {
		t.Errorf("an error of another object: %s", got)
	}
	r, err := v.do(1, &engine.Request{Method: "POST", URL: "http://example.com/o?left=0", Body: engine.Text("body"), Header: engine.Header{{Name: "X-Y", Value: "z"}}})
	if err != nil || r.Header.Get("x-from") != "o" {
		t.Errorf("a forwarded response: %v, %v", r, err)
	}
}

func TestErrorsOfPrograms(t *testing.T) {
	v := serve(t, `
export class Thing {
	constructor() { if (fail) throw new Error("no constructor"); }
	fetch() { return helper(); }
}
let fail = false;
function helper(): never {
	throw new RangeError("in the helper");
}
export default {
	async fetch(request, env) {
		switch (new URL(request.url).pathname) {
		case "/object": return env.Thing.getByName("x").fetch(request);
		case "/worker": await null; return helper();
		case "/string": throw "a string";
		case "/nothing": return;
		case "/wrong": return { status: 200 };
		case "/foreign": return new Response(String(env.THING.idFromString("0".repeat(64))));
		case "/hex": return new Response(String(env.THING.idFromString("zz")));
		case "/recursion": { const f = () => f() + 1; try { f(); } catch (e) { return new Response(e.name); } }
		case "/getter": return new Response("x", { get status() { throw new Error("getter"); } });
		case "/ok": return new Response("ok");
		}
	},
};
`, setup{opts: js.Options{}})
	for _, c := range []struct{ path, want string }{
		{"/object", "error: RangeError: in the helper"},
		{"/worker", "error: RangeError: in the helper"},
		{"/string", "error: Error: a string"},
		{"/nothing", "error: TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to undefined)"},
		{"/foreign", "error: TypeError: Durable Object ID is not valid for this namespace."},
		{"/hex", "error: TypeError: Invalid Durable Object ID: must be 64 hex digits"},
		{"/recursion", "RangeError"},
		{"/getter", "error: Error: getter"},
		{"/ok", "ok"},
	} {
		if got := v.get(c.path); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.path, got, c.want)
		}
	}
	_, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/object"})
	e, ok := err.(*engine.Error)
	if !ok || e.Class != "Thing" || e.Method != "fetch" || len(e.Object) != 64 {
		t.Fatalf("the error names %#v", err)
	}
	for _, want := range []string{"RangeError: in the helper\n", "at helper (", "program.ts:8:"} {
		if !strings.Contains(e.Stack, want) {
			t.Errorf("the stack lacks %q:\n%s", want, e.Stack)
		}
	}
}

// streamer is a Go class beside the program's.
type streamer struct{ st *engine.State }

func (s *streamer) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	return &engine.Response{Body: s.st.Stream(func(_ context.Context, write func([]byte) error) error {
		for i := range 3 {
			if err := write(fmt.Appendf(nil, "piece %d\n", i)); err != nil {
				return err
			}
		}
		return nil
	})}, nil
}

func TestStreamedBodyOfAGoObject(t *testing.T) {
	v := serve(t, `
export class Streamer { fetch() {} }
export default { async fetch(request, env) { return new Response("got " + await (await env.STREAMER.getByName("x").fetch(request)).text()); } };
`, setup{loops: 2, opts: js.Options{Classes: map[string]engine.Class{
		"Streamer": engine.ClassOf(func(st *engine.State) (*streamer, error) { return &streamer{st}, nil }),
	}}})
	if got := v.get("/"); got != "got piece 0\npiece 1\npiece 2" {
		t.Errorf("got %s", got)
	}
}

// A stub may be made before the first event; and what a stub and a context do needs the right this.
func TestStubFromTheTopLevel(t *testing.T) {
	dir := t.TempDir()
	config := `{"name": "top", "main": "index.ts", "compatibility_date": "2026-01-01",
		"durable_objects": {"bindings": [{"name": "Echo", "class_name": "Echo"}]}, "migrations": [{"tag": "v1", "new_sqlite_classes": ["Echo"]}]}`
	source := `
import { DurableObject, env } from "cloudflare:workers";
let early = "none";
try { await env.Echo.getByName("early").fetch("http://a/"); } catch (e) { early = e.message.slice(0, 20); }
const stub = env.Echo.getByName("top");
export class Echo extends DurableObject {
	async fetch(request) { return new Response((this.ctx.id.name ?? "?") + " " + new URL(request.url).pathname); }
}
export default {
	async fetch(request, env, ctx) {
		const { waitUntil } = ctx;
		let bare = "no error";
		try { waitUntil(null); } catch (e) { bare = e.message; }
		return new Response([await (await stub.fetch(request)).text(), stub.id.name, stub.name, early, bare].join());
	},
};
`
	for name, text := range map[string]string{"wrangler.jsonc": config, "index.ts": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tryServe(t, dir, setup{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, want := v.get("/x"), "top /x,top,top,Disallowed operation,Illegal invocation"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// TestTimersCountFromTheirCall: a timer that is set after a long computation is neither early nor overtakes one that was due
// before, and what the program sees of the time has moved on meanwhile.
func TestTimersCountFromTheirCall(t *testing.T) {
	v := serve(t, program(`
export class OBJECT extends DurableObject {
	fetch() {
		const fired = [];
		return new Promise((resolve) => {
			const done = (name) => { fired.push(name); if (fired.length === 2) resolve(new Response(fired.join() + " " + moved)); };
			setTimeout(done, 20, "older");
			const start = Date.now(), began = performance.now();
			while (Date.now() - start < 40);
			const moved = performance.now() - began >= 39;
			setTimeout(done, 15, "newer");
		});
	}
}`), setup{})
	if got := v.get("/a"); got != "older,newer true" {
		t.Errorf("got %q", got)
	}
}
