package js_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/value"
)

// until calls f until it returns "", which may take a few messages between loops.
func (v *served) until(f func() string) {
	v.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		wrong := f()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s\n%s", wrong, v.logs)
		}
		v.get("/none")
	}
}

// nothingKept says what the program's runtimes still keep of streams and of what was given away.
func (v *served) nothingKept() string {
	given, held := v.app.Given(v.eng)
	var in, out int
	for i := range v.eng.Loops() {
		done := make(chan struct{})
		v.eng.Post(i, func() { a, b := v.app.BodiesOn(i); in, out = in+a, out+b; close(done) })
		<-done
	}
	if given != 0 || held != 0 || in != 0 || out != 0 {
		return fmt.Sprintf("%d things are given away, %d stubs are held, %d streams are read, %d are produced", given, held, in, out)
	}
	return ""
}

const sentStreamsProgram = `
import { DurableObject } from "cloudflare:workers";
const bytes = (s) => new TextEncoder().encode(s);
const endless = (told = () => {}) => new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1024)); }, cancel: told }, { highWaterMark: 0 });
const read = (s) => new Response(s).text();
let leak;
export class Thing extends DurableObject {
	log = [];
	told() { return this.log.join(); }
	endless() { return endless(() => this.log.push("cancelled")); }
	async slowly() { const t = new IdentityTransformStream(), w = t.writable.getWriter(); this.ctx.waitUntil((async () => { for (let i = 0; i < 20; i++) { await w.write(bytes("x")); await scheduler.wait(1); } await w.close(); })().catch((e) => this.log.push(e.message))); return t.readable; }
	reset() { this.ctx.abort(new Error("reset")); }
	sink() { return new WritableStream({ write: (c) => { this.log.push("write"); }, abort: (e) => { this.log.push(e.message.slice(0, 35)); }, close: () => { this.log.push("close"); } }); }
	async take(w) { const wr = w.getWriter(); await wr.write(bytes("x")); this.w = wr; return "taken"; }
	async again() { try { await this.w.write(bytes("y")); return "written"; } catch (e) { return e.message; } }
	drop(w) { return "dropped"; }
	async begin(r) { const rd = r.getReader(); await rd.read(); return "begun"; }
	read(r) { return read(r); }
	forward(name) { return this.env.Thing.getByName(name).endless(); }
}
export default { async fetch(request, env, ctx) {
	const a = env.Thing.getByName("a"), b = env.Thing.getByName("b"), path = new URL(request.url).pathname;
	const tried = async (f) => { try { return String(await f()); } catch (e) { return e.name + ": " + e.message; } };
	switch (path) {
	case "/gone": a.endless(); return new Response("ok");
	case "/unread": await a.endless(); leak = await b.endless(); return new Response("ok");
	case "/begun": { const r = (await a.endless()).getReader(); await r.read(); leak = r; return new Response("ok"); }
	case "/parameter": return new Response(await a.begin(endless()) + await b.drop(endless()));
	case "/forward": { const r = (await a.forward("b")).getReader(); await r.read(); await r.cancel(); return new Response("ok"); }
	case "/writable": { const w = (await a.sink()).getWriter(); await w.write(bytes("1")); leak = w; return new Response("ok"); }
	case "/given": { const w = new WritableStream({ abort(e) {} }); return new Response(await a.take(w)); }
	case "/again": return new Response(await a.again());
	case "/reset": { const s = await a.slowly(), t = await b.endless(), p = read(s); await tried(() => a.reset()); await t.cancel(); return new Response(await tried(() => p)); }
	case "/reader": { const p = tried(() => a.read(endless())); await scheduler.wait(3); await tried(() => env.Thing.getByName("a").reset()); return new Response(await p); }
	case "/sinkreset": { const w = (await a.sink()).getWriter(); await w.write(bytes("1")); await tried(() => a.reset()); return new Response((await tried(() => w.write(bytes("2")))) + "|" + (await tried(() => w.closed))); }
	case "/tolda": return new Response(await a.told());
	case "/toldb": return new Response(await b.told());
	}
	return new Response("");
} };
`

// A stream ends with the event or the instance that has an end of it, and nothing of it is kept: not by what was never read, what
// was begun and left, what went on to others, and what outlived its event in a variable.
func TestStreamsEndWithTheirOwners(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what is forgotten is found then, too, and only then
	v := serve(t, sentStreamsProgram, setup{loops: 2})
	for _, x := range []struct{ path, want, told string }{
		{"/gone", "ok", "cancelled"},
		{"/unread", "ok", "cancelled,cancelled"},
		{"/begun", "ok", "cancelled,cancelled,cancelled"},
		{"/parameter", "begundropped", ""},
		{"/forward", "ok", ""},
		{"/writable", "ok", "cancelled,cancelled,cancelled,write,WritableStream received over RPC wa"},
	} {
		if got := v.get(x.path); got != x.want {
			t.Errorf("%s: %s", x.path, got)
		}
		if x.told != "" {
			v.until(func() string {
				if got := v.get("/tolda"); got != x.told {
					return fmt.Sprintf("%s: the object was told %q, want %q", x.path, got, x.told)
				}
				return ""
			})
		}
	}
	v.until(func() string {
		if err := v.collect(); err != nil {
			return err.Error()
		}
		return v.nothingKept()
	})
	if got := v.get("/toldb"); got != "cancelled,cancelled" {
		t.Errorf("the other object was told %q", got)
	}
}

// Whoever reads or writes hears of a reset at the other end.
func TestStreamsOfAnObjectThatIsReset(t *testing.T) {
	v := serve(t, sentStreamsProgram, setup{loops: 2})
	for _, x := range []struct{ path, want string }{
		{"/reset", "Error: The Durable Object that produced the body was reset, or is gone."},
		{"/reader", "Error: reset"},
		{"/sinkreset", "Error: The execution context which hosts this callback is no longer running.|Error: The execution context which hosts this callback is no longer running."},
	} {
		if got := v.get(x.path); got != x.want {
			t.Errorf("%s: %s", x.path, got)
		}
	}
	// A WritableStream of an event that is over.
	if got := v.get("/given"); got != "taken" {
		t.Errorf("given: %s", got)
	}
	if got := v.get("/again"); got != "The execution context which hosts this callback is no longer running." {
		t.Errorf("a write to an event that is over: %s", got)
	}
	v.until(func() string {
		if err := v.collect(); err != nil {
			return err.Error()
		}
		return v.nothingKept()
	})
}

// collect collects the garbage of every runtime.
func (v *served) collect() (err error) {
	for i := range v.eng.Loops() {
		done := make(chan error, 1)
		v.eng.Post(i, func() { done <- v.app.CollectOn(i) })
		err = errors.Join(err, <-done)
	}
	return err
}

// A handler whose promise nothing can settle any more does not keep its caller waiting.
func TestNothingCanSettleIt(t *testing.T) {
	v := serve(t, `
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
export class Thing extends DurableObject {
	never() { return new Promise(() => {}); }
	thenable() { return { then() {} }; }
	kept() { this.promise = new Promise((ok) => { this.resolve = ok; }); return this.promise; }
	settle() { this.resolve("settled"); }
	async lost() { await new Promise(() => {}); return 1; }
	fetch() { return new Promise(() => {}); }
	async callback(f) { return f(); }
	ok() { return "ok"; }
}
export default { async fetch(request, env, ctx) {
	const s = env.Thing.getByName("a"), path = new URL(request.url).pathname;
	const tried = async (f) => { try { return String(await f()); } catch (e) { return e.name + ": " + e.message + " " + e.remote; } };
	switch (path) {
	case "/never": return new Response(await tried(() => s.never()));
	case "/thenable": return new Response(await tried(() => s.thenable()));
	case "/pipelined": return new Response(await tried(() => s.never().x.y()));
	case "/fetch": return new Response(await tried(() => s.fetch("http://x/")));
	case "/lost": return new Response(await tried(() => s.lost()));
	case "/kept": { const p = tried(() => s.kept()); await s.settle(); return new Response(await p); }
	case "/callback": return new Response(await tried(() => s.callback(() => new Promise(() => {}))));
	case "/own": return new Promise(() => {});
	case "/timer": return new Promise((ok) => setTimeout(() => ok(new Response("timer")), 5));
	}
	return new Response(await s.ok());
} };
`, setup{loops: 2})
	const object, worker = "Error: Promise will never complete. true", "The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/"
	for _, x := range []struct{ path, want string }{
		{"/never", object},
		{"/thenable", object},
		{"/pipelined", object},
		{"/fetch", object},
		{"/kept", "settled"},
		{"/callback", "Error: " + worker + " true"},
		{"/own", "error: Error: " + worker},
		{"/timer", "timer"},
		{"/", "ok"},
	} {
		if got := v.get(x.path); got != x.want {
			t.Errorf("%s: %s", x.path, got)
		}
	}
	// An async function that waits for such a promise is a cycle: it is found when the collector comes by.
	done := make(chan string, 1)
	v.eng.Post(0, func() {
		v.ports[0].Enter(v.app.Entrypoint(), &engine.Request{Method: "GET", URL: "http://example.com/lost"}, engine.ReplyFunc(func(r engine.Reply) { done <- text(r.Response, r.Err) }))
	})
	v.until(func() string {
		if err := v.collect(); err != nil {
			return err.Error()
		}
		if got := v.get("/"); got != "ok" {
			return got
		}
		select {
		case got := <-done:
			if got != object {
				t.Errorf("an async function: %s", got)
			}
			return ""
		default:
			return "an async function that waits for ever is waited for"
		}
	})
}

// library is a Go class that TypeScript calls.
type library struct{ st *engine.State }

func (l *library) Any(v any) any { return v }
func (l *library) Sum(numbers []float64) float64 {
	sum := 0.0
	for _, n := range numbers {
		sum += n
	}
	return sum
}
func (l *library) Days(from, to time.Time) int { return int(to.Sub(from).Hours() / 24) }
func (l *library) Double(n *big.Int) *big.Int  { return new(big.Int).Lsh(n, 1) }
func (l *library) Reverse(b []byte) []byte {
	r := make([]byte, len(b))
	for i, c := range b {
		r[len(b)-1-i] = c
	}
	return r
}                                                   //nolint:gofumpt // short
func (l *library) Count(m map[string]int) value.Map { return value.Map{{Key: "n", Value: len(m)}} }
func (l *library) Members(s value.Set) value.Set    { return append(s, "more") }
func (l *library) Kind(v any) string                { return fmt.Sprintf("%T", v) }
func (l *library) Told(err *value.Error) error      { return err }
func (l *library) Busy() error {
	return &engine.Error{Name: "Error", Message: "busy", Overloaded: true}
}

func (l *library) Again() error {
	return &engine.Error{Name: "Error", Message: "again", Retryable: true}
}
func (l *library) Plain() error                               { return errors.New("plain") }
func (l *library) Panics() int                                { panic("on purpose") }
func (l *library) Ask(ctx context.Context, method string) any { return l.ask(ctx, method) }

func (l *library) ask(ctx context.Context, method string) any {
	var v any
	if err := l.st.Namespace("Thing").GetByName("t").Call(ctx, method, &v); err != nil {
		var e *engine.Error
		if !errors.As(err, &e) {
			return err.Error()
		}
		return fmt.Sprint(e.Name, ": ", e.Message, " ", e.Remote, e.Retryable, e.Overloaded, e.Reset)
	}
	return v
}

// Every kind of value crosses between TypeScript and Go, in both directions, and what does not is said.
func TestValuesBetweenTypeScriptAndGo(t *testing.T) {
	v := serve(t, `
import { DurableObject, RpcTarget } from "cloudflare:workers";
export class Library { fetch() {} }
export class Thing extends DurableObject {
	echo(v) { return v; }
	kinds() { return [new Map([["k", new Set([1])]]), new Date(5), 12n, new Uint8Array([1, 2]), new TypeError("te"), /a/g, undefined, null, -0, new Float32Array([1.5])]; }
	check(m, s, d, n, b, u) { return [m instanceof Map && m.get("a"), s instanceof Set && [...s].join("+"), d instanceof Date && d.getTime(), typeof n + n, b instanceof Uint8Array && b.join("+"), u === undefined].join(); }
	stream() { return new Blob(["x"]).stream(); }
	writable() { return { w: new WritableStream() }; }
	response() { return new Response("x"); }
	headers() { return [new Headers()]; }
	blob() { return new Blob(["x"]); }
	fn() { return () => 1; }
	target() { return { t: new (class extends RpcTarget {})() }; }
	throws() { const e = new RangeError("thrown"); e.code = 5; throw e; }
	reset() { this.ctx.abort(new Error("gone")); }
	never() { return new Promise(() => {}); }
}
export default { async fetch(request, env) {
	const l = env.Library.getByName("x"), out = [];
	const show = (v) => v instanceof Map ? "Map" + JSON.stringify([...v]) : v instanceof Set ? "Set" + JSON.stringify([...v]) : v instanceof Error ? v.name + ":" + v.message + ":" + v.code : v instanceof Uint8Array ? "bytes" + v.join() : typeof v === "bigint" ? v + "n" : v instanceof Date ? v.toISOString() : Object.is(v, -0) ? "-0" : ArrayBuffer.isView(v) ? v.constructor.name + v.join() : Array.isArray(v) ? v.map(show).join(" ") : JSON.stringify(v);
	const tried = async (f) => { try { out.push(show(await f())); } catch (e) { out.push(e.name + ": " + e.message + " " + [e.remote, e.retryable, e.overloaded, e.durableObjectReset, e.durableObjectId === l.id.toString()].map((x) => x === true ? 1 : 0).join("")); } };
	for (const x of [new Map([[1, "one"], ["two", { a: 2 }]]), new Set(["a", 3]), new Date(86400000), 123456789012345678901n, new Uint8Array([9, 8]), Object.assign(new TypeError("e"), { code: 5 }), [undefined, null, -0, NaN], new Float32Array([1.5, 2]), "\ud800", { "__proto__x": 1 }]) await tried(() => l.any(x));
	await tried(() => l.sum([1, 2.5])); await tried(() => l.days(new Date(0), new Date(86400000 * 3))); await tried(() => l.double(1n << 70n)); await tried(() => l.reverse(new Uint8Array([1, 2, 3])));
	await tried(() => l.count({ a: 1, b: 2 })); await tried(() => l.members(new Set(["x"])));
	await tried(() => l.kind(new Map())); await tried(() => l.kind(new Blob(["x"])));
	await tried(() => l.told(Object.assign(new RangeError("mine"), { code: 7 }))); await tried(() => l.busy()); await tried(() => l.again()); await tried(() => l.plain()); await tried(() => l.panics());
	await tried(() => l.any(new Blob(["x"]).stream())); await tried(() => l.any({ w: new WritableStream() })); await tried(() => l.any(new Response("x"))); await tried(() => l.any(class {}));
	await tried(() => l.reverse("text")); await tried(() => l.reverse(new Blob(["x"]))); await tried(() => l.days({}, 2)); await tried(() => l.sum([1], 2)); await tried(() => l.nope()); await tried(() => l.any({ f() {} }));
	for (const m of ["kinds", "stream", "writable", "response", "headers", "blob", "fn", "target", "throws", "nope", "never"]) await tried(() => l.ask(m));
	await tried(() => l.ask("reset")); await tried(() => l.ask("throws"));
	return new Response(out.join("\n"));
} };
`, setup{loops: 2, opts: js.Options{Classes: map[string]engine.Class{
		"Library": engine.ClassOf(func(st *engine.State) (*library, error) { return &library{st}, nil }),
	}}})
	const refused = ": an object that is written in Go takes no functions, stubs, streams and instances of RpcTarget. 10001"
	want := []string{
		`Map[[1,"one"],["two",{"a":2}]]`, `Set["a",3]`, "1970-01-02T00:00:00.000Z", "123456789012345678901n", "bytes9,8", "TypeError:e:5", " null -0 null", "Float32Array1.5,2", `"\ud800"`, `{"__proto__x":1}`,
		"3.5", "3", "2361183241434822606848n", "bytes3,2,1", `Map[["n",2]]`, `Set["x","more"]`, `"value.Map"`, `"value.Web"`,
		"RangeError: mine 10001", "Error: busy 10101", "Error: again 11001", "Error: plain 10001", "Error: panic: on purpose 10001",
		"TypeError: any" + refused, "TypeError: any" + refused, "TypeError: any" + refused, "TypeError: any" + refused,
		"TypeError: Reverse: argument 1: ", "TypeError: Reverse: argument 1: ", "TypeError: Days: argument 1: ", "TypeError: Sum: 2 arguments given, 1 taken 10001", `TypeError: The RPC receiver does not implement the method "nope". 10001`, "TypeError: any" + refused,
		"Map[[\"k\",{}]] 1970-01-01T00:00:00.005Z 12n bytes1,2 TypeError:te:undefined {}  null -0 Float32Array1.5",
	}
	for _, name := range []string{"ReadableStream", "WritableStream", "Response", "Headers", "Blob"} {
		want = append(want, `"DataCloneError: Could not serialize object of type \"`+name+`\". This type does not support serialization. true false false false"`)
	}
	want = append(
		want, `"DataCloneError: () => 1 could not be cloned. true false false false"`, `"DataCloneError: Could not serialize object of type \"`, `"RangeError: thrown true false false false"`,
		`"TypeError: The RPC receiver does not implement the method \"nope\". true false false false"`, `"Error: Promise will never complete. true false false false"`,
		`"Error: gone true false false true"`, `"RangeError: thrown true false false false"`,
	)
	got := strings.Split(v.get("/"), "\n")
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], w) {
			t.Errorf("line %d: want %s", i, w)
		}
	}
	if t.Failed() || len(got) != len(want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}

	// From a goroutine of the embedding program.
	stub := v.eng.Namespace("Thing").GetByName("t")
	var text string
	n, _ := new(big.Int).SetString("12345678901234567890", 10)
	if err := stub.Call(t.Context(), "check", &text, map[any]any{"a": 1}, value.Set{int64(1), "b"}, time.UnixMilli(7), n, []byte{1, 2}, value.Undefined{}); err != nil || text != "1,1+b,7,bigint12345678901234567890,1+2,true" {
		t.Errorf("check: %s, %v", text, err)
	}
	var back any
	if err := stub.Call(t.Context(), "echo", &back, &value.Error{Name: "TypeError", Message: "m"}); err != nil {
		t.Error(err)
	}
	if e, ok := back.(*value.Error); !ok || e.Name != "TypeError" || e.Message != "m" {
		t.Errorf("echo of an error: %#v", back)
	}
	if err := stub.Call(t.Context(), "echo", nil, func() {}); err == nil {
		t.Error("a Go function was sent")
	}
	// What TypeScript does not trust it checks: an object of the Web APIs that Go puts together.
	for _, parts := range []value.Web{{"Blob", "a/b", "no bytes"}, {"Headers", true, []any{"a"}}, {"Nope"}, {}, {"Response", int64(200), "", []any{}, int64(5), nil, "automatic", nil}, {"Request", "http://x/", "GET\n", []any{}, nil, "follow", nil, nil, "", false, nil}, {"AbortSignal", nil, nil}} {
		var e *engine.Error
		if err := stub.Call(t.Context(), "echo", nil, parts); !errors.As(err, &e) {
			t.Errorf("%v: %v", parts, err)
		}
	}
	if err := stub.Call(t.Context(), "echo", &back, []any{value.Web{"Blob", "A/B", []byte("x")}}); err == nil || !strings.Contains(err.Error(), `"Blob"`) {
		t.Errorf("a Blob there and back: %v", err)
	}
}

// Values, prototypes and streams that do their worst cost their own call only.
func TestHostileValues(t *testing.T) {
	v := serve(t, `
import { DurableObject, RpcStub } from "cloudflare:workers";
const bytes = (s) => new TextEncoder().encode(s);
const read = (s) => new Response(s).text();
export class Thing extends DurableObject {
	echo(v) { return v; }
	type(v) { return v?.constructor?.name; }
	async text(r) { return r.text(); }
	read(s) { return read(s); }
	async fill(w) { const wr = w.getWriter(); await wr.write(bytes("x")); await wr.close(); return "filled"; }
	many(n) { return Array.from({ length: n }, () => new Blob(["x"]).stream()); }
	manyMade(n) { return Array.from({ length: n }, () => new ReadableStream()); }
	again(name, s) { return this.env.Thing.getByName(name).read(s); }
	never() { return new ReadableStream({ pull() { return new Promise(() => {}); } }); }
	async reenter(name, n) { return n === 0 ? "in" : await this.env.Thing.getByName(name).reenter(name, n - 1); }
	ok() { return "ok"; }
}
export default { async fetch(request, env) {
	const s = env.Thing.getByName("a"), out = [];
	const tried = async (f) => { try { out.push(String(await f())); } catch (e) { out.push(e.name + ": " + e.message); } };
	// cf: a cycle, a getter that throws, one that takes the stream, an instance.
	const r1 = new Request("http://x/", { method: "POST", body: "x", cf: {} }); r1.cf.self = r1;
	await tried(() => s.type(r1));
	await tried(() => s.type(new Request("http://x/", { cf: { get a() { throw new RangeError("cf"); } } })));
	const r2 = new Response("x", { cf: { get a() { r2.body.getReader(); return 1; } } });
	await tried(() => s.text(r2));
	await tried(() => s.type(new Response("x", { cf: { c: new (class Mine {})() } })));
	// A stream whose own properties and prototype lie.
	const s1 = new ReadableStream({ start(c) { c.enqueue(bytes("true")); c.close(); } });
	s1.getReader = () => { throw new Error("own"); };
	Object.defineProperty(s1, "locked", { get() { throw new Error("locked"); } });
	await tried(() => s.read(s1));
	await tried(() => s.type(Object.create(new ReadableStream())));
	await tried(() => s.type(new Proxy(new Headers(), {})));
	await tried(() => s.type(new Proxy(new Headers(), { getPrototypeOf() { throw new Error("proto"); } })));
	// The prototypes of the runtime, as the program sees them.
	const saved = [];
	for (const [o, k] of [[ReadableStream.prototype, "getReader"], [WritableStream.prototype, "getWriter"], [Response.prototype, "text"], [Headers.prototype, "append"], [Headers.prototype, Symbol.iterator], [Array.prototype, Symbol.iterator], [Promise.prototype, "then"], [Function.prototype, "call"], [Array.prototype, "push"], [Blob.prototype, "arrayBuffer"]]) {
		saved.push([o, k, Object.getOwnPropertyDescriptor(o, k)]);
	}
	for (const k of ["write", "close", "abort", "done", "value"]) { Object.defineProperty(Object.prototype, k, { configurable: true, set() { throw new Error("set " + k); }, get() { return undefined; } }); saved.push([Object.prototype, k, null]); }
	const p = [s.read(new Blob(["patched"]).stream()), s.fill(new WritableStream()), s.text(new Response("body", { headers: { a: "1" } })), s.type(new Headers({ a: "1" })), s.type(new Blob(["x"]))];
	for (let i = 0; i < saved.length; i++) { const x = saved[i]; if (x[2]) Object.defineProperty(x[0], x[1], { configurable: true, writable: true, value() { throw new Error("patched " + String(x[1])); } }); }
	const results = [];
	for (let i = 0; i < p.length; i++) { try { results[i] = await p[i]; } catch (e) { results[i] = e.name + ": " + e.message; } }
	for (let i = 0; i < saved.length; i++) { const x = saved[i]; if (x[2]) Object.defineProperty(x[0], x[1], x[2]); else delete x[0][x[1]]; }
	out.push(...results);
	// Many of them, and deep.
	await tried(async () => (await s.many(20000)).length);
	await tried(async () => (await s.manyMade(2000)).length);
	let deep = new Blob(["x"]); for (let i = 0; i < 5000; i++) deep = [deep];
	await tried(() => s.echo(deep));
	await tried(() => s.echo(new Headers(Array.from({ length: 100000 }, (_, i) => ["h" + i, "v".repeat(400)]))));
	// Stubs that are not stubs, disposed of, and of somewhere else.
	const stub = new RpcStub({ f() { return 1; } }); stub[Symbol.dispose]();
	await tried(() => s.echo(stub)); await tried(() => stub.f()); await tried(() => stub.dup());
	await tried(() => RpcStub.prototype[Symbol.dispose].call({}));
	// Through others, again and again.
	await tried(() => s.again("b", new Blob(["through"]).stream()));
	await tried(() => s.reenter("a", 200));
	await tried(async () => { const r = (await s.never()).getReader(); const p = r.read(); await r.cancel(); return (await p).done; });
	await tried(() => s.ok());
	return new Response(out.map((l) => l.slice(0, 120)).join("\n"));
} };
`, setup{loops: 2})
	got := strings.Split(v.get("/"), "\n")
	want := []string{
		"Error: value: a reference to an item that is not there", "RangeError: cf", "TypeError: The ReadableStream has been locked to a reader.",
		`DataCloneError: Could not serialize object of type "Mine". This type does not support serialization.`,
		"true", `DataCloneError: Could not serialize object of type "Object". This type does not support serialization.`, "DataCloneError: #<Object> could not be cloned.", "Error: proto",
		"patched", "filled", "body", "Headers", "Blob",
		"20000", "2000", "DataCloneError: The object is nested too deeply to be cloned.", "Error: Serialized RPC arguments or return values are limited to 32MiB",
		"Error: RPC stub used after being disposed.", "Error: RPC stub used after being disposed.", "Error: RPC stub used after being disposed.",
		"TypeError: Illegal invocation", "through", "in", "true", "ok",
	}
	for i, w := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], w) {
			t.Errorf("line %d: want %s", i, w)
		}
	}
	if t.Failed() || len(got) != len(want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	v.until(func() string {
		if err := v.collect(); err != nil {
			return err.Error()
		}
		return v.nothingKept()
	})
}

// What others call of one event of a Worker at once is bounded, as it is for an object.
func TestTooManyCallsOfOneEvent(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Thing extends DurableObject {
	async flood(f, n) { const all = []; for (let i = 0; i < n; i++) all.push(f().then(() => "called", (e) => e.overloaded + e.message)); const counts = {}; for (const r of await Promise.all(all)) counts[r] = (counts[r] ?? 0) + 1; return JSON.stringify(counts) + await f(); }
}
export default { async fetch(request, env) { let n = 0; return new Response(await env.Thing.getByName("a").flood(() => ++n, 17000) + n); } };
`, setup{})
	if got := v.get("/"); got != `{"called":16382,"trueToo many calls are under way that others make to one event of an entry point.":618}1638316383` {
		t.Error(got)
	}
}
