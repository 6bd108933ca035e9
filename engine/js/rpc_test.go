package js_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// ledger is a Go class beside a program's.
type ledger struct{ st *engine.State }

type entryOf struct {
	Who    string
	Amount int
	Tags   []string
}

func (l *ledger) Add(ctx context.Context, e entryOf) (int, error) {
	if e.Amount < 0 {
		return 0, &engine.Error{Name: "RangeError", Message: "negative amount"}
	}
	var sum int
	if _, err := l.st.Storage().Get("sum", &sum); err != nil {
		return 0, err
	}
	sum += e.Amount
	return sum, l.st.Storage().Put("sum", sum)
}

// Ask calls a method of an object of the program.
func (l *ledger) Ask(ctx context.Context, name string, n int) (entryOf, error) {
	var e entryOf
	err := l.st.Namespace("Person").GetByName(name).Call(ctx, "describe", &e, n, []string{"a", "b"})
	return e, err
}

func TestCallsBetweenTypeScriptAndGo(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Ledger { fetch() {} }
export class Person extends DurableObject {
	describe(n, tags) { return { Who: this.ctx.id.name, Amount: n * 2, Tags: tags.map((t) => t + "!") }; }
	fails() { const e = new TypeError("on purpose"); e.extra = 1; throw e; }
	nothing() {}
	fn() { return () => 1; }
}
export default { async fetch(request, env) {
	const l = env.LEDGER.getByName("x");
	const tried = async (f) => { try { return JSON.stringify(await f()); } catch (e) { return e.name + ": " + e.message + " " + e.remote; } };
	return new Response([
		await tried(() => l.add({ Who: "ann", Amount: 3, Tags: ["x"] })), await tried(() => l.add({ Amount: 4 })), await tried(() => l.ask("bob", 21)),
		await tried(() => l.ask("bob", 4).Who), await tried(() => l.nope()), await tried(() => l.add({ Amount: -1 })), await tried(() => l.size), await tried(() => l.add(() => 1)),
		await tried(() => l.alarm()), await tried(() => l.add({ Amount: "x" })),
	].join("\n"));
} };
`, setup{loops: 2, opts: js.Options{Classes: map[string]engine.Class{
		"Ledger": engine.ClassOf(func(st *engine.State) (*ledger, error) { return &ledger{st}, nil }),
	}}})
	lines := strings.Split(v.get("/"), "\n")
	for i, want := range []string{
		"3", "7", `{"Who":"bob","Amount":42,"Tags":["a!","b!"]}`, `"bob"`,
		`TypeError: The RPC receiver does not implement the method "nope". true`,
		"RangeError: negative amount true",
		`TypeError: The RPC receiver does not implement the method "size". true`,
		"TypeError: add: an object that is written in Go takes no functions, stubs, streams and instances of RpcTarget. true", "TypeError: 'alarm' is a reserved method and cannot be called over RPC. true", "TypeError: Add: argument 1: ",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d: want %s\n%s", i, want, strings.Join(lines, "\n"))
		}
	}

	// From a goroutine of the embedding program.
	ctx := context.Background()
	bob := v.eng.Namespace("Person").GetByName("bob")
	var e entryOf
	if err := bob.Call(ctx, "describe", &e, 5, []string{}); err != nil || e.Amount != 10 || e.Who != "bob" {
		t.Errorf("describe: %+v, %v", e, err)
	}
	if err := bob.Call(ctx, "nothing", nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
	for method, want := range map[string]string{
		"fails": "TypeError: on purpose", "nope": `TypeError: The RPC receiver does not implement the method "nope".`,
		"alarm": "TypeError: 'alarm' is a reserved method and cannot be called over RPC.",
		"fn":    "DataCloneError: () => 1 could not be cloned.",
	} {
		var e *engine.Error
		if err := bob.Call(ctx, method, nil); !errors.As(err, &e) || e.Name+": "+e.Message != want || e.Class != "Person" || e.Method != method {
			t.Errorf("%s: %#v", method, err)
		}
	}
}

// What is given away ends when nobody has a stub of it, or when the one who gave it ends: nothing is kept.
func TestNothingIsKept(t *testing.T) {
	v := serve(t, `
import { DurableObject, RpcTarget } from "cloudflare:workers";
class Target extends RpcTarget { hello() { return "hello"; } make() { return new Target(); } }
export class Thing extends DurableObject {
	target() { return new Target(); }
	fn() { return { f: () => 1, g: () => 2 }; }
	async call(f) { return f(1); }
	async keep(f) { this.kept = f.dup(); }
	async twice(name) { const t = await this.env.Thing.getByName(name).target(); return t.hello(); }
}
export default { async fetch(request, env) {
	if (request.url.endsWith("/none")) return new Response("");
	const a = env.Thing.getByName("a"), b = env.Thing.getByName("b");
	await (await a.target()).hello();
	await a.target().make().hello();
	await a.fn();
	await a.call((x) => x);
	await a.keep((x) => x);
	await b.twice("a");
	await a.call(await b.fn().f);
	try { await a.call(() => { throw new Error("x"); }); } catch {}
	try { await a.call({ f: () => 1, s: Symbol("x") }); } catch {}
	return new Response("ok");
} };
`, setup{loops: 2})
	for range 5 {
		if got := v.get("/"); got != "ok" {
			t.Fatal(got)
		}
	}
	// Releases are messages: they are there when a later message of the same way is.
	deadline := time.Now().Add(30 * time.Second)
	for {
		given, held := v.app.Given(v.eng)
		if given == 0 && held <= 1 { // the one that keep has
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d things are given away, %d stubs are held", given, held)
		}
		v.get("/none")
	}
}

// Programs that do their worst to calls cost themselves only.
func TestHostileCalls(t *testing.T) {
	v := serve(t, `
import { DurableObject, RpcTarget, RpcStub } from "cloudflare:workers";
export class Thing extends DurableObject {
	get boom() { throw new Error("getter"); }
	get then() { return 5; }
	proxy() { return new Proxy({}, { get(_, k) { if (k !== "then") throw new Error("trap"); }, ownKeys() { throw new Error("keys"); }, getPrototypeOf() { throw new Error("proto"); } }); }
	getter() { return { get x() { throw new Error("in result"); } }; }
	thenable() { return { then(ok) { ok(5); } }; }
	echo(v) { return v; }
	never() { return new Promise(() => {}); }
	deep() { let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a; }
	async call(f) { return f(1); }
	ok() { return "ok"; }
}
export default { async fetch(request, env) {
	const s = env.Thing.getByName("a"), tried = async (f) => { try { return String(await f()); } catch (e) { return e.name + ": " + e.message; } };
	Object.prototype.polluted = () => "polluted";
	Array.prototype.then = undefined;
	const out = [
		await tried(() => s.boom), await tried(() => s.proxy()), await tried(() => s.getter()), await tried(() => s.thenable()), await tried(async () => (await s.echo({ get y() { s.ok(); return structuredClone([s.echo([1, 2]) && 3])[0]; }, z: 4 })).y),
		await tried(() => s.deep()), await tried(() => s.polluted()), await tried(() => s.call(() => { throw 5; })), await tried(() => s["__proto__"].x()), await tried(() => s.call(new Proxy(() => 1, {}))),
		await tried(() => RpcStub.prototype.dup.call({})), await tried(() => new RpcStub(s)), await tried(() => s.call.call(s, 1)), await tried(() => (0, s.ok)()), await tried(() => Object.create(s).ok()),
		await tried(() => s.call({ get f() { s.ok(); throw new RangeError("argument"); } })), await tried(() => s["\ud800"]()), await tried(() => s["a".repeat(100000)]().length),
		await tried(() => s.ok()),
	];
	delete Object.prototype.polluted; delete Array.prototype.then;
	return new Response(out.map((l) => l.slice(0, 100)).join("\n"));
} };
`, setup{})
	got := strings.Split(v.get("/"), "\n")
	want := []string{
		"Error: getter", "Error: proto", "Error: in result", "5", "3",
		"DataCloneError: The object is nested too deeply to be cloned.", "polluted", "Error: 5", "TypeError: not a function", "1",
		"TypeError: Illegal invocation", "TypeError: RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives.",
		"TypeError: The RPC receiver does not implement the method \"call\".", "ok", "TypeError: not a function", "RangeError: argument",
		"TypeError: The RPC receiver does not implement the method \"\ufffd\".", "TypeError: The RPC receiver does not implement the method \"" + strings.Repeat("a", 41),
		"ok",
	}
	for i, w := range want {
		if i >= len(got) || got[i] != w {
			t.Errorf("line %d: want %s", i, w)
		}
	}
	if t.Failed() || len(got) != len(want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

// A method, a getter of a result and a function of the caller that run for ever cost their own object or event only, and
// whoever waits is told.
func TestEndlessCalls(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Thing extends DurableObject {
	n = 0;
	count() { return ++this.n; }
	loop() { for (;;); }
	result() { return { get x() { for (;;); } }; }
	async call(f) { return f(1); }
	ok() { return "ok"; }
}
export default { async fetch(request, env) {
	const tried = async (f) => { try { return String(await f()); } catch (e) { return e.message; } };
	if (request.url.endsWith("/own")) return new Response(await env.Thing.getByName("a").call(() => { for (;;); }));
	return new Response([await tried(() => env.Thing.getByName("a").loop()), await tried(() => env.Thing.getByName("a").loop().x.y()),
		await env.Thing.getByName("a").count(), await tried(() => env.Thing.getByName("a").result()), await env.Thing.getByName("a").count(),
		await tried(() => env.Thing.getByName("a").ok())].join("\n"));
} };
`, setup{opts: js.Options{CPULimit: 500 * time.Millisecond}})
	const limit = "Durable Object exceeded its CPU time limit and was reset."
	if got, want := v.get("/"), strings.Join([]string{limit, limit, "1", limit, "1", "ok"}, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := v.get("/own"); got != "error: Error: Worker exceeded CPU time limit." {
		t.Errorf("a function of the Worker: %s", got)
	}
	if got := v.get("/"); !strings.HasSuffix(got, "ok") {
		t.Errorf("afterwards: %s", got)
	}
}

// The caller's context is over before the answer comes.
func TestCallerIsGone(t *testing.T) {
	v := serve(t, `
import { DurableObject } from "cloudflare:workers";
export class Thing extends DurableObject {
	calls = 0;
	async slow(f) { this.calls++; await scheduler.wait(3); return { f: () => 1 }; }
	count() { return this.calls; }
}
export default { async fetch(request, env, ctx) {
	const s = env.Thing.getByName("a");
	if (request.url.endsWith("/count")) return new Response(String(await s.count()));
	s.slow(() => 1).then(() => console.log("too late"));
	return new Response("gone");
} };
`, setup{loops: 2})
	for range 20 {
		if got := v.get("/"); got != "gone" {
			t.Fatal(got)
		}
	}
	if got := v.get("/count"); got != fmt.Sprint(20) {
		t.Errorf("%s of 20 calls arrived", got)
	}
}

// TestCallsAtRandom has objects give things away, keep, call and drop them, pipeline, fail and be reset, from many requests
// at once. Nobody is left without an answer, and in the end nothing is kept.
func TestCallsAtRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	v := serve(t, `
import { DurableObject, RpcTarget, RpcStub } from "cloudflare:workers";
class Thing extends RpcTarget {
	constructor(o) { super(); this.o = o; }
	call(x) { return x + 1; }
	more() { return new Thing(this.o); }
	async slow() { await scheduler.wait(1); return new Thing(this.o); }
	apply(f, x) { return f(x); }
	bad() { throw new RangeError("bad"); }
	[Symbol.dispose]() {}
}
export class Party extends DurableObject {
	kept = [];
	make() { return new Thing(this); }
	async slow() { await scheduler.wait(1); return { t: new Thing(this), f: (x) => x + 1 }; }
	keep(t) { this.kept.push(t.dup()); if (this.kept.length > 5) this.kept.shift()[Symbol.dispose](); }
	async useKept(x) { return this.kept.length ? await this.kept[0].call(x) : x + 1; }
	swap(t) { const old = this.kept[0]; this.kept[0] = t.dup(); return old; }
	async between(name, x) { return await this.env.Party.getByName(name).make().more().call(x); }
	async pass(name) { const t = await this.env.Party.getByName(name).make(); await this.env.Party.getByName(name + "'").keep(t); return t; }
	drop() { this.kept = []; }
	reset() { this.ctx.abort(new Error("reset")); }
}
export default { async fetch(request, env) {
	let n = Number(new URL(request.url).searchParams.get("n")) >>> 0;
	const random = (k) => { n = (Math.imul(n, 1664525) + 1013904223) >>> 0; return (n >>> 8) % k; };
	const party = () => env.Party.getByName("p" + random(6));
	if (n === 0) { for (let i = 0; i < 6; i++) for (const q of ["", "'"]) await env.Party.getByName("p" + i + q).reset().catch(() => {}); return new Response("reset"); }
	const wrong = [];
	const check = (got, want) => { if (got !== want) wrong.push(got + " is not " + want); };
	const one = async () => {
		switch (random(12)) {
		case 0: return check(await party().make().call(1), 2);
		case 1: return check(await party().slow().t.slow().more().call(2), 3);
		case 2: { using r = await party().slow(); return check(await r.f(3), 4); }
		case 3: return void await party().keep(new Thing(null));
		case 4: { const t = await party().make(); await party().keep(t); return check(await t.call(4), 5); }
		case 5: return check(await party().useKept(5), 6);
		case 6: { const t = await party().swap(new Thing(null)); if (t) t[Symbol.dispose](); return; }
		case 7: return check(await party().between("p" + random(6), 7), 8);
		case 8: { const t = await party().pass("p" + random(6)); return check(await t.apply((x) => x + 1, 8), 9); }
		case 9: return void await party().drop();
		case 10: if (random(4) === 0) return void await party().reset(); return check(await party().make().apply(async (x) => { await party().drop(); return x + 1; }, 9), 10);
		case 11: return check(await party().make().bad().x.y().catch((e) => { if (e.message !== "bad") throw e; return "bad"; }), "bad");
		}
	};
	const allowed = /^(reset|bad|The execution context which hosts this callback is no longer running\.|RPC stub used after being disposed\.|Durable Object reset because its state was broken\.)$/;
	await Promise.all(Array.from({ length: 8 }, () => one().catch((e) => { if (!allowed.test(e.message)) wrong.push(e.stack ?? String(e)); })));
	return new Response(wrong.length ? wrong.join("\n") : "ok");
} };
`, setup{loops: 2})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 30 {
				n := (seed+uint64(i*1000+k)*2654435761)&0xffffffff | 1
				r, err := v.do(i%2, &engine.Request{Method: "GET", URL: fmt.Sprintf("http://example.com/?n=%d", n)})
				if got := text(r, err); got != "ok" {
					t.Errorf("seed %d, request %d: %s", seed, n, got)
				}
			}
		}()
	}
	wg.Wait()
	if got := v.get("/?n=0"); got != "reset" {
		t.Fatal(got)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		given, held := v.app.Given(v.eng)
		if given == 0 && held == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("seed %d: %d things are given away, %d stubs are held", seed, given, held)
		}
		v.get("/?n=0")
	}
	if strings.Contains(v.logs.String(), "panic") {
		t.Errorf("seed %d: %s", seed, v.logs)
	}
}
