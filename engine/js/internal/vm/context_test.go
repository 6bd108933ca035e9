package vm

import (
	"strings"
	"testing"
)

var (
	hostContextGet = RegisterHost("get", 0, func(r *Runtime, _ Value, _ Args) (Value, error) { return r.Dup(r.Context()), nil })
	hostContextSet = RegisterHost("enter", 1, func(r *Runtime, _ Value, args Args) (Value, error) {
		r.SetContext(r.Dup(args.At(0)))
		return Undefined, nil
	})
	hostContextual = RegisterHost("bind", 1, func(r *Runtime, _ Value, args Args) (Value, error) { return r.Contextual(args.At(0)) })
	hostThen       = RegisterHost("then", 3, func(r *Runtime, _ Value, args Args) (Value, error) {
		return r.Then(args.At(0), args.At(1), args.At(2))
	})
	hostReact = RegisterHost("react", 3, func(r *Runtime, _ Value, args Args) (Value, error) {
		return Undefined, r.React(args.At(0), args.At(1), args.At(2))
	})
)

const contextPrelude = `globalThis.log = [];
globalThis.note = what => log.push(what + "=" + (get() === undefined ? "none" : get().of));
globalThis.run = (of, f) => { const was = get(); enter({of}); try { return f() } finally { enter(was) } }; 0`

// contextRuntime is a runtime that follows contexts, with functions to look at them.
func contextRuntime(t testing.TB) *Runtime {
	t.Helper()
	r, err := New(Options{GCThreshold: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.closeIdle)
	r.UseContexts()
	global := r.Global()
	defer r.Free(global)
	for _, id := range []HostID{hostContextGet, hostContextSet, hostContextual, hostReact, hostThen} {
		if err := r.SetFunction(global, id); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func evalAndPump(t testing.TB, r *Runtime, source string) {
	t.Helper()
	v, err := r.Eval("p.js", source)
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	r.Free(v)
	if _, err := r.Pump(); err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
}

func TestContext(t *testing.T) {
	tests := []struct{ name, program, want string }{
		{"await of what is settled", `run("a", async () => { note(1); await 0; note(2); await null; note(3) }); note("out")`, "1=a out=none 2=a 3=a"},
		{"await of what is pending", `let go; run("a", async () => { await new Promise(f => go = f); note(1) }); run("b", () => go())`, "1=a"},
		{"await that throws", `run("a", async () => { try { await Promise.reject(1) } catch { note(1) } })`, "1=a"},
		{
			"two that take turns", `for (const c of "ab") run(c, async () => { for (let i = 0; i < 3; i++) { await 0; note(i) } })`,
			"0=a 0=b 1=a 1=b 2=a 2=b",
		},
		{"nested", `run("a", async () => { await run("b", async () => { await 0; note(1) }); note(2) })`, "1=b 2=a"},
		{"then is bound where it is called", `const p = new Promise(f => globalThis.go = f); run("a", () => p.then(() => note(1))); p.then(() => note(2)); run("b", () => go())`, "1=a 2=none"},
		{"then of what is settled", `run("a", () => Promise.resolve(1).then(v => note(v)).then(() => note(2)))`, "1=a 2=a"},
		{"catch and finally", `run("a", () => Promise.reject(1).catch(v => note(v)).finally(() => note(2)))`, "1=a 2=a"},
		{"what then is given that is no function", `run("a", () => Promise.resolve(1).then(undefined, 7).then(null).then(v => note(v)))`, "1=a"},
		{"all, race, any, allSettled", `run("a", () => { for (const f of ["all", "race", "any", "allSettled"]) Promise[f]([1, Promise.resolve(2)]).then(() => note(f)) })`, "all=a race=a any=a allSettled=a"},
		{"a thenable", `run("a", async () => { await { then(f) { note(1); f() } }; note(2) })`, "1=a 2=a"},
		{"a promise resolved with a thenable", `run("a", () => new Promise(f => f({ then(g) { note(1); g() } })).then(() => note(2)))`, "1=a 2=a"},
		{"a promise of a class of its own", `class P extends Promise { then(...a) { note("then"); return super.then(...a) } }; run("a", async () => { await P.resolve(1); note(1) })`, "then=a 1=a"},
		{"returning a promise", `run("a", async () => { await (async () => Promise.resolve(1))(); note(1) })`, "1=a"},
		{
			"an async generator", `async function* g() { note(1); await 0; note(2); yield 1; note(3); await 0; note(4) }
			 run("a", async () => { for await (const _ of g()) note("body"); note("end") })`, "1=a 2=a body=a 3=a 4=a end=a",
		},
		{
			"an async generator runs in the context of who asks, and stays there while it waits", `async function* g() { for (;;) { note("in"); await 0; note("after"); yield } }
			 const it = g(); run("a", () => it.next()); run("b", () => it.next())`, "in=a after=a in=a after=a",
		},
		{
			"an async generator that is asked by one after the other", `async function* g() { for (;;) { await 0; note("after"); yield } }
			 (async () => { const it = g(); await run("a", () => it.next()); await run("b", () => it.next()); note("end") })()`, "after=a after=b end=none",
		},
		{
			"an async generator is ended while it waits", `async function* g() { try { yield 1 } finally { note("f"); await 0; note("g") } }
			 (async () => { const it = g(); await run("a", () => it.next()); await run("b", () => it.return()); await it.next(); note("end") })()`, "f=b g=b end=none",
		},
		{
			"an async generator that waits for what it yields and throws", `async function* g() { try { yield Promise.reject(1) } catch { note(1); yield* (async function* () { await 0; note(2); yield 3 })() } }
			 run("a", async () => { for await (const v of g()) note(v) })`, "1=a 2=a 3=a",
		},
		{"for await of what is not async", `run("a", async () => { for await (const v of [1, Promise.resolve(2)]) note(v) })`, "1=a 2=a"},
		{"a method, an arrow, a static block", `class A { async m() { await 0; note(1) } static async s() { await 0; note(2) } }; run("a", () => { new A().m(); A.s() })`, "1=a 2=a"},
		{"a bound function", `const f = run("a", () => bind(function (x, y) { note(x); return this.z + y })); run("b", () => log.push(f.call({ z: 3 }, 1, 4))); note(2)`, "1=a 7 2=none"},
		{"without a context nothing is bound", `const f = () => 1; log.push(bind(f) === f, bind(7)); run("a", () => log.push(bind(f) === f, bind(7)))`, "true 7 false 7"},
		{"a bound function that throws", `const f = run("a", () => bind(() => { throw 1 })); run("b", () => { try { f() } catch { note(1) } })`, "1=b"},
		{"a reaction of the host", `run("a", () => { react(Promise.resolve(1), () => note(1)); react(Promise.reject(1), undefined, () => note(2)) }); react(Promise.resolve(1), () => note(3))`, "1=a 2=a 3=none"},
		{"a then of the host", `run("a", () => then(then(Promise.resolve(1), v => { note(v); throw 2 }), undefined, v => note(v))); then(Promise.resolve(1), () => note(3))`, "1=a 3=none 2=a"},
		{"entering lasts to the end of the job", `(async () => { await 0; enter({ of: "a" }); note(1); await 0; note(2) })(); Promise.resolve(0).then(() => {}).then(() => note(3))`, "1=a 2=a 3=none"},
		{"entering in the turn itself", `enter({ of: "a" }); Promise.resolve(0).then(() => note(1)); note(2)`, "2=a 1=a"},
		{"a job without a context", `run("a", async () => { await 0; note(1) }); (async () => { await 0; note(2) })()`, "1=a 2=none"},
		{"an async function that had begun before", `let go; (async () => { await new Promise(f => go = f); note(1) })(); run("a", () => go())`, "1=none"},
		{"rejected and nobody handles it", `run("a", () => { Promise.reject(1); (async () => { throw 1 })() }); Promise.resolve().then(() => note(1))`, "1=none"},
		{"Array.fromAsync", `run("a", async () => { await Array.fromAsync([1, 2], async v => { await 0; note(v); return v }) })`, "1=a 2=a"},
		{"many at once", `for (let i = 0; i < 300; i++) run(i, async () => { for (let k = 0; k < 5; k++) { await (k % 2 ? Promise.resolve(k) : new Promise(f => Promise.resolve().then(f))); if (get().of !== i) log.push("wrong") } }); Promise.resolve().then(() => log.push("done"))`, "done"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := contextRuntime(t)
			evalAndPump(t, r, contextPrelude)
			evalAndPump(t, r, "{"+tt.program+"}; 0")
			v := mustEval(t, r, "log.join(' ')")
			defer r.Free(v)
			if got := r.GoString(v); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !r.Context().IsUndefined() {
				t.Error("a context is left when the jobs have run")
			}
			r.RunGC()
		})
	}
}

// Contexts, and what is waiting in them, go when nothing can reach them any more.
func TestContextIsCollected(t *testing.T) {
	r := contextRuntime(t)
	evalAndPump(t, r, contextPrelude)
	evalAndPump(t, r, `globalThis.gone = 0; globalThis.registry = new FinalizationRegistry(() => gone++);
	for (let i = 0; i < 100; i++) {
		const c = { big: new Array(1000) };
		registry.register(c, 1);
		enter(c);
		new Promise(() => {}).then(() => 1);
		(async () => { await new Promise(f => c.f = f) })();
		(async function* () { await new Promise(f => c.g = f) })().next();
	}
	enter(undefined); 0`)
	for range 3 {
		r.RunGC()
		evalAndPump(t, r, "0")
	}
	v := mustEval(t, r, "gone")
	if n, _ := v.Int32(); n != 100 {
		t.Errorf("%d of 100 contexts are gone", n)
	}
}

// A module with top-level await is none of ours: the field that carries the context is in use.
func TestContextAndTopLevelAwait(t *testing.T) {
	r := contextRuntime(t)
	evalAndPump(t, r, contextPrelude)
	code, err := Compile("m.js", []byte(`enter({ of: "m" }); await 0; note(1); await new Promise(f => Promise.resolve().then(f)); note(2); export const x = 1`), CompileOptions{Module: true})
	if err != nil {
		t.Fatal(err)
	}
	ns, done, err := r.RunModule(code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Pump(); err != nil {
		t.Fatal(err)
	}
	if r.PromiseState(done) != Fulfilled {
		t.Error("the module has not ended")
	}
	r.FreeAll(ns, done)
	v := mustEval(t, r, "log.join(' ')")
	defer r.Free(v)
	if got := r.GoString(v); !strings.HasPrefix(got, "1=") || !strings.Contains(got, " 2=") {
		t.Error(got)
	}
}

func BenchmarkAwaitInContext(b *testing.B) {
	for _, follow := range []bool{false, true} {
		name := map[bool]string{false: "none", true: "followed"}[follow]
		b.Run(name, func(b *testing.B) {
			r, err := New(Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer r.closeIdle()
			if follow {
				r.UseContexts()
			}
			f, err := r.Eval("b.js", "(async () => { for (let i = 0; i < 1000; i++) await i })")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if follow {
					o, err := r.Object()
					if err != nil {
						b.Fatal(err)
					}
					r.SetContext(o)
				}
				v, err := r.Call(f, Undefined)
				if err == nil {
					_, err = r.Pump()
				}
				if err != nil {
					b.Fatal(err)
				}
				r.Free(v)
			}
			r.Free(f)
		})
	}
}
