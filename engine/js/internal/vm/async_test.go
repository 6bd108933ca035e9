package vm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// asyncMode says whose async functions run a program: the engine's own, ours, or ours in a context (context.go).
type asyncMode int

const (
	engines asyncMode = iota
	oursAlone
	oursInContext
)

// asyncLog runs a program that pushes onto the array log and returns what it has logged once no job is left.
func asyncLog(t *testing.T, source string, mode asyncMode) string {
	t.Helper()
	if err := engineOK(); err != nil {
		t.Fatal(err)
	}
	r, err := newRuntime(Options{engineAsync: mode == engines, GCThreshold: 1 << 14})
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeIdle()
	if mode == oursInContext {
		r.UseContexts()
	}
	for _, s := range []string{"globalThis.log = []; 0", source + "\n;0"} {
		r.SetContext(Int(1))
		v, err := r.Eval("p.js", s)
		if err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
		r.Free(v)
		if _, err := r.Pump(); err != nil {
			t.Fatalf("%v\n%s", err, source)
		}
	}
	r.RunGC()
	r.Unhandled(func(_, reason Value) {
		s, _ := r.ToString(reason)
		r.Free(mustEval(t, r, fmt.Sprintf("log.push(%q)", "unhandled "+s)))
	})
	v := mustEval(t, r, "log.join(' ')")
	defer r.Free(v)
	return r.GoString(v)
}

// asyncPrograms look at everything that a shorter way could change.
var asyncPrograms = []string{
	// How many jobs a returned promise takes, beside a chain that counts them.
	`let q = Promise.resolve(); for (let i = 0; i < 8; i++) q = q.then(() => log.push(i));
	 (async () => Promise.resolve(1))().then(v => log.push("returned"));
	 (async () => await Promise.resolve(1))().then(v => log.push("awaited"));
	 (async () => 1)().then(v => log.push("plain"));
	 new Promise(r => r(Promise.resolve(1))).then(v => log.push("resolved"));
	 (async () => ({then(f) { log.push("then"); f(1) }}))().then(v => log.push("thenable"));`,
	// A then that the program has put in its place is called, and only in a job.
	`const then = Promise.prototype.then; Promise.prototype.then = function (...a) { log.push("then"); return then.apply(this, a) };
	 (async () => Promise.resolve(1))(); (async () => { await Promise.resolve(1); log.push("awaited") })(); log.push("sync");`,
	`const p = Promise.resolve(1); p.then = f => { log.push("own then"); f(7) }; (async () => p)().then(v => log.push(v)); (async () => log.push(await p))();`,
	// Getters: of then, of constructor, of a species.
	`const p = Promise.resolve(1); Object.defineProperty(p, "then", {get() { log.push("get then"); return Promise.prototype.then }});
	 (async () => p)().then(v => log.push(v)); log.push("sync");`,
	`const p = Promise.resolve(1); Object.defineProperty(p, "then", {get() { throw "no then" }}); (async () => p)().catch(e => log.push(e));`,
	`const p = Promise.resolve(1); Object.defineProperty(p, "constructor", {get() { log.push("get constructor"); return Promise }});
	 (async () => p)().then(v => log.push(v)); (async () => { await p; log.push("awaited") })(); log.push("sync");`,
	`const p = Promise.resolve(1); Object.defineProperty(p, "constructor", {get() { throw "no constructor" }});
	 (async () => p)().catch(e => log.push("return", e)); (async () => { await p })().catch(e => log.push("await", e));`,
	`const p = Promise.resolve(1); p.constructor = undefined; (async () => p)().then(v => log.push(v)); p.constructor = 3; (async () => p)().catch(e => log.push(e));`,
	`class P extends Promise { static get [Symbol.species]() { log.push("species"); return Promise } }
	 (async () => P.resolve(1))().then(v => log.push(v)); (async () => log.push(await P.resolve(2)))();`,
	`class P extends Promise { constructor(f) { log.push("new"); super(f) } then(a, b) { log.push("then"); return super.then(a, b) } }
	 (async () => P.resolve(1))().then(v => log.push(v)); (async () => log.push(await P.resolve(2)))(); new Promise(r => r(P.reject(3))).catch(e => log.push("caught", e));`,
	`class P extends Promise { constructor(f) { if (P.bad) throw "bad species"; super(f) } } const p = P.resolve(1); P.bad = true; (async () => p)().catch(e => log.push(e));`,
	// Itself, twice, and after it was settled.
	`let r; const p = new Promise(f => r = f); r(p); p.catch(e => log.push(e.name, e.message));`,
	`new Promise((y, n) => { y(Promise.resolve(1)); y(2); n(3) }).then(v => log.push(v)); new Promise((y, n) => { n(3); y(2) }).catch(v => log.push(v));`,
	`let p; p = (async () => { await null; return p })(); p.catch(e => log.push(e.name));`,
	// Rejections that nobody handles, and those that somebody does in the end.
	`Promise.reject("a"); (async () => { throw "b" })(); (async () => Promise.reject("c"))(); (async () => { await Promise.reject("d") })();`,
	`const p = Promise.reject("a"); (async () => { try { await p } catch (e) { log.push(e) } })(); const q = Promise.reject("b"); (async () => q)().catch(e => log.push(e));`,
	`let n; const p = new Promise((_, f) => n = f); (async () => p)().catch(e => log.push(e)); (async () => { try { await p } catch (e) { log.push("x", e) } })(); n("late");`,
	// Thenables that misbehave.
	`for (const t of [{then() { throw 1 }}, {then(y) { y(1); throw 2 }}, {then(y, n) { n(3); y(4) }}, {then(y) { y({then(z) { z(5) }}) }}, {get then() { throw 6 }}, {then: 7}])
	   (async () => t)().then(v => log.push(typeof v), e => log.push("e", e)), (async () => log.push(typeof await t))().catch(e => log.push("f", e));`,
	`Object.prototype.then = function (f) { log.push("object then"); delete Object.prototype.then; f(1) }; (async () => ({}))().then(v => log.push(v));`,
	// try and finally around await, loops, arguments, generators.
	`(async function (a) { try { a = 2; await null; log.push(arguments[0], a); return Promise.resolve(a) } finally { await null; log.push("finally") } })(1).then(v => log.push(v));`,
	`(async () => { for await (const x of [Promise.resolve(1), 2, (async () => 3)()]) log.push(x) })(); (async () => { for await (const x of (async function* () { yield Promise.resolve(4); yield 5 })()) log.push(x) })();`,
	`(async () => { const rs = await Promise.all([1, (async () => 2)(), new Promise(r => r(Promise.resolve(3)))]); log.push(...rs); log.push(await Promise.race([new Promise(() => {}), 4])) })();`,
	// A function that is never resumed is collected with what it holds.
	`for (let i = 0; i < 2000; i++) (async () => { const a = [i]; a.push(a); await new Promise(() => {}); log.push(a) })(); log.push("done");`,
	`(async () => { const deep = async n => n === 0 ? 0 : await deep(n - 1) + 1; log.push(await deep(300)) })();`,
}

func TestAsyncIsTheEngines(t *testing.T) {
	for _, source := range asyncPrograms {
		want := asyncLog(t, source, engines)
		for _, mode := range []asyncMode{oursAlone, oursInContext} {
			if got := asyncLog(t, source, mode); want == "" || got != want {
				t.Errorf("mode %d: %s\ngot:  %s\nwant: %s", mode, source, got, want)
			}
		}
	}
}

// randomAsync writes a program of async functions that wait for each other and log what they do.
func randomAsync(rnd *rand.Rand) string {
	var b strings.Builder
	const functions = 6
	b.WriteString("const ps = [Promise.resolve('r'), Promise.reject('x'), new Promise(f => globalThis.f2 = f), new Promise((_, f) => globalThis.f3 = f)]; ps[1].catch(() => 0); ps[3].catch(() => 0);\n")
	b.WriteString("class Q extends Promise { then(a, b) { log.push('Q'); return super.then(a, b) } }\n")
	value := func(level int) string {
		v := []string{"1", "{}", "ps[0]", "ps[1]", "ps[2]", "ps[3]", "Promise.resolve({})", "{then(f) { log.push('t'); f(8) }}", "Q.resolve(9)", "Promise.reject('z')"}
		if level > 0 {
			for range 4 {
				v = append(v, fmt.Sprintf("g%d()", rnd.IntN(level)))
			}
		}
		return v[rnd.IntN(len(v))]
	}
	for i := range functions {
		fmt.Fprintf(&b, "async function g%d() {\n", i)
		for j := range 1 + rnd.IntN(3) {
			switch rnd.IntN(4) {
			case 0:
				fmt.Fprintf(&b, "log.push('%d.%d');\n", i, j)
			case 1:
				fmt.Fprintf(&b, "log.push(typeof await (%s), '%d.%d');\n", value(i), i, j)
			case 2:
				fmt.Fprintf(&b, "try { await (%s); log.push('%d.%d') } catch (e) { log.push('caught', e) } finally { log.push('f') }\n", value(i), i, j)
			case 3:
				fmt.Fprintf(&b, "new Promise(f => f(%s)).then(v => log.push('%d.%d', typeof v), e => log.push('no', e));\n", value(i), i, j)
			}
		}
		fmt.Fprintf(&b, "return (%s) }\n", value(i))
	}
	for i := range functions {
		fmt.Fprintf(&b, "g%d().then(v => log.push('g%d', typeof v), e => log.push('g%d failed', String(e)));\n", i, i, i)
	}
	fmt.Fprintf(&b, "let n = 0; (function tick() { log.push('|'); if (n++ < 12) Promise.resolve().then(tick); if (n === %d) f2('late'); if (n === %d) f3('bad') })();", 1+rnd.IntN(9), 1+rnd.IntN(9))
	return b.String()
}

func TestRandomAsyncIsTheEngines(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 1))
	n := 150
	if testing.Short() {
		n = 30
	}
	for range n {
		source := randomAsync(rnd)
		want := asyncLog(t, source, engines)
		for _, mode := range []asyncMode{oursAlone, oursInContext} {
			if got := asyncLog(t, source, mode); got != want {
				t.Fatalf("seed %d, mode %d:\n%s\ngot:  %s\nwant: %s", seed, mode, source, got, want)
			}
		}
	}
}

// A module with top-level await is started by the engine and resumed by us.
func TestTopLevelAwaitModule(t *testing.T) {
	r := newTest(t)
	for source, want := range map[string]PromiseState{
		"await null; await Promise.resolve(1); export const x = 1":           Fulfilled,
		"await null; throw new Error('no'); export const x = 1":              Rejected,
		"await new Promise(() => {}); export const x = 1":                    Pending,
		"try { await Promise.reject(1) } catch {}; export const x = await 2": Fulfilled,
	} {
		code, err := Compile("m.js", []byte(source), CompileOptions{Module: true})
		if err != nil {
			t.Fatal(err)
		}
		exports, done, err := r.RunModule(code)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Pump(); err != nil {
			t.Fatal(err)
		}
		if got := r.PromiseState(done); got != want {
			t.Errorf("%s: %v, want %v", source, got, want)
		}
		r.MarkHandled(done)
		r.FreeAll(exports, done)
	}
}
