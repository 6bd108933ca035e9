package web

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"everloop/engine/js/internal/vm"
)

// withActor puts into the global scope: env.NS and env.OTHER (two namespaces), env.SAME (the first again), and o, an object
// whose ctx is o.ctx.
func withActor(t testing.TB) *fakeHost {
	t.Helper()
	h := newFake(t)
	g := h.r.Global()
	env, err := h.r.Object()
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]uint64{"NS": 1, "SAME": 1, "OTHER": 2} {
		v, err := h.in.Namespace(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.r.SetName(env, name, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.r.SetName(g, "env", h.r.Dup(env)); err != nil {
		t.Fatal(err)
	}
	if err := h.r.SetName(g, "workers", h.in.Workers()); err != nil {
		t.Fatal(err)
	}
	handle, _, err := h.in.ObjectHandle(1)
	if err != nil {
		t.Fatal(err)
	}
	class := mustEval(t, h, `(class extends workers.DurableObject { fetch(r) { return new Response(r.url) } })`)
	object, err := h.in.NewObject(class, handle, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.r.SetName(g, "o", object); err != nil {
		t.Fatal(err)
	}
	h.eval(t, "globalThis.s = o.ctx.storage")
	return h
}

// actorCases runs scripts in one runtime each; calls, if not "", is what the host saw.
func actorCases(t *testing.T, list []actorCase) {
	t.Helper()
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			h := withActor(t)
			if got := h.eval(t, "(async () => {"+c.source+"\n})()"); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
			}
			if got := strings.Join(h.calls, "; "); c.calls != "" && got != c.calls {
				t.Errorf("%s\nhost saw %s\n    want %s", c.source, got, c.calls)
			}
		})
	}
}

type actorCase struct{ name, source, want, calls string }

func TestNamespace(t *testing.T) {
	id := fakeID(1, "a")
	actorCases(t, []actorCase{
		{"idFromName", `const i = env.NS.idFromName("a"); return [i.toString(), i.name, i.equals(env.NS.idFromName("a")), i.equals(env.NS.idFromName("b")), String(i) === ` + "`${i}`" + `].join()`, id + ",a,true,false,true", ""},
		{"a name is made a string", `return env.NS.idFromName(5).name + env.NS.idFromName(5).equals(env.NS.idFromName("5"))`, "5true", ""},
		{"the empty name", `return "[" + env.NS.idFromName("").name + "]" + env.NS.idFromName("").toString().length`, "[]64", ""},
		{"idFromString", `const i = env.NS.idFromString("` + strings.ToUpper(id) + `"); return [i, i.name, i.equals(env.NS.idFromName("a"))].join()`, id + ",,true", ""},
		{"idFromString of too little", `env.NS.idFromString("abc")`, "rejects TypeError: Invalid Durable Object ID: must be 64 hex digits", ""},
		{"idFromString of other characters", `env.NS.idFromString("g".repeat(64))`, "rejects TypeError: Invalid Durable Object ID: must be 64 hex digits", ""},
		{"idFromString of another namespace", `env.NS.idFromString(env.OTHER.idFromName("a").toString())`, "rejects TypeError: Durable Object ID is not valid for this namespace.", ""},
		{"newUniqueId", `const i = env.NS.newUniqueId(), j = env.NS.newUniqueId({jurisdiction: null}); return [i.name, i.equals(j), i.equals(env.NS.idFromString(String(i)))].join()`, ",false,true", ""},
		{"newUniqueId with a jurisdiction", `env.NS.newUniqueId({jurisdiction: "eu"})`, "rejects Error: Jurisdiction restrictions are not implemented in workerd.", ""},
		{"jurisdiction", `env.NS.jurisdiction("eu")`, "rejects Error: Jurisdiction restrictions are not implemented in workerd.", ""},
		{"no jurisdiction", `return env.NS.jurisdiction(undefined).idFromName("a").toString()`, id, ""},
		{"get", `const i = env.NS.idFromName("a"), st = env.NS.get(i, {locationHint: "weur"}); return [Object.keys(st), st.id === i, st.name].join()`, "name,id,true,a", ""},
		{"get of another namespace's id", `env.NS.get(env.OTHER.idFromName("a"))`, "rejects TypeError: Durable Object ID is not valid for this namespace.", ""},
		{"get through a second binding of the class", `return env.SAME.get(env.NS.idFromName("a")).name`, "a", ""},
		{"get of a string", `env.NS.get("` + id + `")`, "rejects TypeError: Failed to execute 'get' on 'DurableObjectNamespace': parameter 1 is not of type 'DurableObjectId'.", ""},
		{"getByName", `const st = env.NS.getByName("a"); return [Object.keys(st), st.id, st.name].join()`, "name,id," + id + ",a", ""},
		{"a stub's properties are the user's", `const st = env.NS.getByName("a"); st.extra = 1; st.id = 5; return Object.keys(st).join()`, "name,id,extra", ""},
		{"a stub's fetch needs a stub", `const f = env.NS.getByName("a").fetch; const e = []; for (const t of [undefined, {}, DurableObject.prototype, env.NS]) await f.call(t, "http://a/").catch(x => e.push(x.message)); return e.join()`, strings.Join(slices.Repeat([]string{"Illegal invocation"}, 4), ","), ""},
		{"nothing is constructible", `const bad = []; for (const c of [DurableObjectId, DurableObjectNamespace, DurableObjectState, DurableObjectStorage, DurableObject, ExecutionContext]) { try { new c() } catch (e) { bad.push(e.message) } } return bad.join()`, strings.Join(slices.Repeat([]string{"Illegal constructor"}, 6), ","), ""},
		{"equals needs an id", `env.NS.idFromName("a").equals("x")`, "rejects TypeError: Failed to execute 'equals' on 'DurableObjectId': parameter 1 is not of type 'DurableObjectId'.", ""},
		{"a relative URL", `return env.NS.getByName("a").fetch("/x")`, "rejects TypeError: Invalid URL", ""},
	})
}

func TestStubs(t *testing.T) {
	h := withActor(t)
	h.answer = func(string, Message) (Message, error) { return &Outgoing{ResStatus: 200}, nil }
	h.eval(t, `(async () => { const st = env.NS.getByName("a"); await st.fetch("http://x"); await st.fetch("http://x");
		const u = env.NS.get(env.NS.idFromString(String(env.NS.idFromName("b")))); u.id = "gone"; await u.fetch("http://x") })()`)
	var got []string
	for _, f := range h.fetched {
		got = append(got, f.stub)
	}
	want := []string{"1 name a", "1 name a", "1 id " + fakeID(1, "b")[:8]}
	if !slices.Equal(got, want) {
		t.Errorf("fetched from %q, want %q", got, want)
	}
	if h.stubs != 2 || len(h.open) != 0 {
		t.Errorf("%d stubs were opened and %d are still open, want 2 and 0", h.stubs, len(h.open))
	}
	// A response of the host is an object of the host, too, but no request.
	h.answer = func(string, Message) (Message, error) { return &Outgoing{ResStatus: 200}, nil }
	if got := h.eval(t, `env.NS.getByName("a").fetch("http://x").then(r => env.NS.getByName("a").fetch(r))`); got != "rejects TypeError: Invalid URL" {
		t.Error(got)
	}
	h.answer = func(string, Message) (Message, error) { return nil, vm.RangeError("broken") }
	if got := h.eval(t, `env.NS.getByName("a").fetch("http://x")`); got != "rejects RangeError: broken" {
		t.Error(got)
	}
}

func TestState(t *testing.T) {
	actorCases(t, []actorCase{
		{"id", `return [o.ctx.id, o.ctx.id.name, o.ctx.id === o.ctx.id, o.ctx.id.equals(env.NS.idFromString(String(o.ctx.id)))].join()`, fakeID(1, "1") + ",object1,true,true", ""},
		{"ctx and env are fields", `return Object.keys(o).join() + (o.env === env) + (o.ctx.storage === o.ctx.storage)`, "ctx,envtruetrue", ""},
		{"blockConcurrencyWhile", `return o.ctx.blockConcurrencyWhile(async () => { await null; return 5 })`, "5", "enter 1 1; leave 1 1 true undefined"},
		{"blockConcurrencyWhile of a function that is not async", `return o.ctx.blockConcurrencyWhile(() => 5)`, "5", "enter 1 1; leave 1 1 true undefined"},
		{"blockConcurrencyWhile that throws", `return o.ctx.blockConcurrencyWhile(() => { throw new Error("no") })`, "rejects Error: no", "enter 1 1; leave 1 1 false Error: no"},
		{"blockConcurrencyWhile that rejects", `return o.ctx.blockConcurrencyWhile(async () => { throw new Error("no") })`, "rejects Error: no", "enter 1 1; leave 1 1 false Error: no"},
		{"blockConcurrencyWhile nested", `return o.ctx.blockConcurrencyWhile(() => o.ctx.blockConcurrencyWhile(async () => 1))`, "1", "enter 1 1; enter 1 2; leave 1 2 true undefined; leave 1 1 true undefined"},
		{"blockConcurrencyWhile needs a function", `return o.ctx.blockConcurrencyWhile(5)`, "rejects TypeError: Failed to execute 'blockConcurrencyWhile' on 'DurableObjectState': parameter 1 is not of type 'function'.", ""},
		{"waitUntil", `o.ctx.waitUntil(Promise.resolve(1)); o.ctx.waitUntil(5); await null; await null; await null; await null`, "undefined", "wait 1 1 1; wait 1 1 2; waited 1 1 1 false undefined; waited 1 1 2 false undefined"},
		{"waitUntil of a rejection", `o.ctx.waitUntil(Promise.reject(new Error("no"))); await null; await null; await null; await null`, "undefined", "wait 1 1 1; waited 1 1 1 true Error: no"},
		{"a global waitUntil", `workers.waitUntil(Promise.resolve(1)); await null; await null; await null; await null`, "undefined", "wait 0 0 1; waited 0 0 1 false undefined"},
	})
}

func TestAbortObject(t *testing.T) {
	h := withActor(t)
	var label vm.Label = vm.Text("test")
	h.r.Begin(&label)
	v, err := h.r.Eval("test.js", `try { o.ctx.abort("why") } catch { globalThis.caught = 1 } finally { globalThis.finished = 1 }`)
	h.r.End()
	if !errors.Is(err, vm.ErrInterrupted) {
		t.Errorf("got %v, %v", v, err)
	}
	h.r.Begin(&label)
	_, err = h.r.Eval("test.js", `(async () => { try { o.ctx.abort(undefined, {retryAlarm: false}) } catch { globalThis.caught = 2 } })()`)
	h.r.End()
	if !h.r.Interrupted() {
		t.Errorf("in an async function the turn went on: %v", err)
	}
	h.r.Begin(&label)
	defer h.r.End()
	if got := h.eval(t, `[typeof caught, typeof finished].join()`); got != "undefined,undefined" {
		t.Errorf("abort could be caught: %s", got)
	}
	if got := strings.Join(h.calls, "; "); got != "abort 1 Error: why true; abort 1 undefined false" {
		t.Errorf("host saw %s", got)
	}
}

func TestStorage(t *testing.T) {
	actorCases(t, []actorCase{
		{"put and get", `await s.put("k", {a: 1}); return (await s.get("k")).a + String(await s.get("none"))`, "1undefined", ""},
		{"keys are made strings", `await s.put(5, "x"); return await s.get("5") + await s.get(5) + await s.delete(5)`, "xxtrue", ""},
		{"the empty key", `await s.put("", "x"); return s.get("")`, "x", ""},
		{"a key beyond ASCII", `await s.put("é€😀", "x"); return [...(await s.list()).keys()].join() + await s.get("é€😀")`, "é€😀x", ""},
		{"put of undefined", `return s.put("k", undefined)`, "rejects TypeError: put() called with undefined value.", ""},
		{"put without a value", `return s.put("k")`, "rejects TypeError: put() called with undefined value.", ""},
		{"put of null", `await s.put("k", null); return String(await s.get("k"))`, "null", ""},
		{"put of entries", `await s.put({a: 1, b: undefined, c: null}); return JSON.stringify([...await s.list()])`, `[["a",1],["c",null]]`, ""},
		{"put with options", `await s.put("a", 1, {allowUnconfirmed: true}); await s.put({b: 1}, {noCache: true, allowConcurrency: true}); await s.put("c", 1, {})`, "undefined", "flags 2; flags 5"},
		{"get of keys is sorted and leaves out what is missing", `await s.put({b: 1, a: 2}); const m = await s.get(["b", "x", "a"]); return m.constructor.name + JSON.stringify([...m])`, `Map[["a",2],["b",1]]`, ""},
		{"get of a set is of one key", `await s.put({a: 2}); return String(await s.get(new Set(["a"])))`, "undefined", ""},
		{"delete", `await s.put("a", 1); return await s.delete("a") + "," + await s.delete("a")`, "true,false", ""},
		{"delete of keys", `await s.put({a: 1, b: 2}); return String(await s.delete(["a", "b", "c"]))`, "2", ""},
		{"deleteAll", `await s.put({a: 1, b: 2}); await s.deleteAll(); return String((await s.list()).size)`, "0", ""},
		{"sync", `return String(await s.sync())`, "undefined", ""},
		{"list without options", `await s.list()`, "undefined", `list "" "" "" "" false 0`},
		{"list with options", `await s.put({a: 1, b: 2, c: 3}); return [...(await s.list({start: "a", end: "c", prefix: "", reverse: true, limit: 5})).keys()].join()`, "b,a", `list "a" "" "c" "" true 5`},
		{"list from startAfter", `await s.put({a: 1, b: 2, c: 3}); return [...(await s.list({startAfter: "a", limit: 1})).keys()].join()`, "b", `list "" "a" "" "" false 1`},
		{"list with a limit of nothing", `return s.list({limit: 0})`, "rejects TypeError: List limit must be positive.", ""},
		{"list with a negative limit", `return s.list({limit: -1})`, "rejects TypeError: List limit must be positive.", ""},
		{"list with a limit that is no number", `return s.list({limit: "x"})`, "rejects TypeError: List limit must be positive.", ""},
		{"list with start and startAfter", `return s.list({start: "a", startAfter: "b"})`, "rejects TypeError: list() cannot be called with both start and startAfter values.", ""},
		{"list bounds are made strings", `await s.list({start: 1, end: null})`, "undefined", `list "1" "" "null" "" false 0`},
		{"transactionSync", `const v = s.transactionSync(() => { s.put("a", 1); return 5 }); return v + String(await s.get("a"))`, "51", "begin 1 true; commit"},
		{"transactionSync that throws", `await s.put("a", 0); try { s.transactionSync(() => { s.put("a", 1); throw 9 }) } catch (e) { return e + String(await s.get("a")) }`, "90", "begin 1 true; rollback"},
		{"transaction", `return await s.transaction(async (txn) => { await txn.put("a", 1); await txn.put({b: 2}); return await txn.get("a") + (await txn.list()).size }) + String(await s.get("a"))`, "31", `enter 1 1; begin 1 false; list "" "" "" "" false 0; commit; leave 1 1 true undefined`},
		{"transaction that throws", `await s.put("a", 0); return s.transaction(async (txn) => { await txn.put("a", 1); throw new Error("no") }).catch(async (e) => e.message + await s.get("a"))`, "no0", "enter 1 1; begin 1 false; rollback; leave 1 1 true undefined"},
		{"transaction that throws at once", `return s.transaction(() => { throw new Error("no") })`, "rejects Error: no", "enter 1 1; begin 1 false; rollback; leave 1 1 true undefined"},
		{"rollback", `await s.put("a", 0); await s.transaction(async (txn) => { await txn.put("a", 1); txn.rollback(); txn.rollback() }); return String(await s.get("a"))`, "0", "enter 1 1; begin 1 false; rollback; leave 1 1 true undefined"},
		{"after rollback", `return s.transaction(async (txn) => { txn.rollback(); await txn.get("a") })`, "rejects Error: Cannot get() on rolled back transaction", "enter 1 1; begin 1 false; rollback; leave 1 1 true undefined"},
		{"after the end", `let t; await s.transaction(async (txn) => { t = txn }); return t.put("a", 1)`, "rejects Error: Cannot call put() on transaction that has already committed: did you move `txn` outside of the closure?", ""},
		{"deleteAll in a transaction", `return s.transaction((txn) => txn.deleteAll())`, "rejects Error: Cannot call deleteAll() within a transaction", ""},
		{"transaction needs a function", `return s.transaction()`, "rejects TypeError: Failed to execute 'transaction' on 'DurableObjectStorage': parameter 1 is not of type 'function'.", ""},
		{"a foreign this", `return s.get.call({}, "a")`, "rejects TypeError: Illegal invocation", ""},
		{"the promise is a promise", `const p = s.get("a"); return String(p instanceof Promise && p.constructor === Promise)`, "true", ""},
	})
}

func TestStorageFailure(t *testing.T) {
	h := withActor(t)
	h.fail = errors.New("storage is read-only: the disk is full")
	for _, source := range []string{`s.get("a")`, `s.get(["a"])`, `s.put("a", 1)`, `s.put({a: 1})`, `s.delete("a")`, `s.delete(["a"])`, `s.list()`, `s.deleteAll()`} {
		if got := h.eval(t, source); got != "rejects Error: storage is read-only: the disk is full" {
			t.Errorf("%s: %s", source, got)
		}
	}
}

// TestPutRunsCode: while the host serialises a value, the value's getters may use the same storage.
func TestPutRunsCode(t *testing.T) {
	h := withActor(t)
	h.in.text = make([]byte, 0, 4096) // so that it is written over and not replaced
	h.onPut = func() {
		h.onPut = nil
		h.eval(t, `btoa("overwrites scratch"), s.get("ü"), s.get(["ä"]), s.list({prefix: "ö"}), s.put({"ß": 1})`)
	}
	if got := h.eval(t, `s.put("é", 5)`); got != "undefined" {
		t.Fatal(got)
	}
	if got := h.eval(t, `s.list().then((m) => JSON.stringify([...m]))`); got != `[["ß",1],["é",5]]` {
		t.Errorf("stored %s", got)
	}
}

// TestRevoked: what an evicted object left behind cannot reach the host.
func TestRevoked(t *testing.T) {
	h := newFake(t)
	handle, hh, err := h.in.ObjectHandle(1)
	if err != nil {
		t.Fatal(err)
	}
	o, err := h.in.NewObject(mustEval(t, h, `(class { constructor(ctx) { this.ctx = ctx; this.s = ctx.storage } fetch() {} })`), handle, vm.Undefined)
	if err != nil {
		t.Fatal(err)
	}
	h.r.SetName(h.r.Global(), "o", o)
	h.r.Revoke(hh)
	const gone = "Error: This Durable Object instance is no longer running: it was evicted or reset. What it left behind cannot use its storage any more."
	for source, want := range map[string]string{
		`o.s.get("a")`: "rejects " + gone, `o.s.put("a", 1)`: "rejects " + gone, `o.s.list()`: "rejects " + gone, `o.s.sync()`: "rejects " + gone,
		`o.s.transactionSync(() => {})`: "throws " + gone, `o.ctx.waitUntil(1)`: "throws " + gone, `o.ctx.id`: "throws " + gone,
		`o.ctx.blockConcurrencyWhile(() => {})`: "rejects " + gone,
	} {
		if got := h.eval(t, source); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
	if len(h.calls) != 0 {
		t.Errorf("the host was called: %q", h.calls)
	}
}

func TestEventIsOver(t *testing.T) {
	h := newFake(t)
	if _, err := h.worker(t, `{fetch(r, env, ctx) { globalThis.ctx = ctx; ctx.waitUntil(new Promise((f) => { globalThis.f = f })); return new Response() }}`, request("")); err != nil {
		t.Fatal(err)
	}
	h.eval(t, "f()") // nobody is there to be told
	if got := h.eval(t, "ctx.waitUntil(1)"); got != "throws Error: This event is over: waitUntil must be called while it is being handled." {
		t.Error(got)
	}
	if got := strings.Join(h.calls, "; "); got != "wait 2 7 1" {
		t.Errorf("host saw %s", got)
	}
}

func TestObjectEntry(t *testing.T) {
	h := withActor(t)
	object, err := h.r.GetName(h.r.Global(), "o")
	if err != nil {
		t.Fatal(err)
	}
	v, err := h.in.ObjectFetch(object, request(""))
	if err != nil {
		t.Fatal(err)
	}
	var reply Reply
	if err := h.in.Reply(v, &reply); err != nil || string(reply.Body) != "http://host/path?q=1" {
		t.Errorf("got %q, %v", reply.Body, err)
	}
	for source, want := range map[string]string{
		`({})`:         "Error: Handler does not export a fetch() function.",
		`({fetch: 5})`: "Error: Handler does not export a fetch() function.",
		`({fetch() { throw new RangeError("x") }})`: "RangeError: x",
	} {
		if _, err := h.in.ObjectFetch(mustEval(t, h, source), request("")); err == nil || err.Error() != want {
			t.Errorf("%s: %v", source, err)
		}
	}
	if _, err := h.in.NewObject(mustEval(t, h, `(class { constructor() { throw new Error("born dead") } })`), vm.Undefined, vm.Undefined); err == nil || err.Error() != "Error: born dead" {
		t.Errorf("constructor: %v", err)
	}
}

func TestWorkersModule(t *testing.T) {
	h := newFake(t)
	env, err := h.r.Object()
	if err != nil {
		t.Fatal(err)
	}
	h.r.SetName(env, "X", vm.Int(5))
	h.r.AddModule(h.in.WorkersModule(env))
	code, err := vm.Compile("m.js", []byte(`import { DurableObject, WorkerEntrypoint, RpcTarget, waitUntil, env } from "cloudflare:workers";
		class A extends DurableObject {} class B extends WorkerEntrypoint {} class C extends RpcTarget {}
		const a = new A(1, 2), b = new B(3, 4); new C();
		export const out = [a.ctx, a.env, b.ctx, b.env, typeof waitUntil, env.X].join();`), vm.CompileOptions{Module: true})
	if err != nil {
		t.Fatal(err)
	}
	ns, done, err := h.r.RunModule(code)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.settled(t, done); got != "undefined" {
		t.Fatal(got)
	}
	v, err := h.r.GetName(ns, "out")
	if got := h.r.GoString(v); err != nil || got != "1,2,3,4,function,5" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPatched: a program that replaces what the prelude uses harms itself only.
func TestPatched(t *testing.T) {
	h := withActor(t)
	h.eval(t, `
		for (const [o, names] of [[Array.prototype, ["push", "slice", "splice", "join", "indexOf", "map"]], [String.prototype, ["slice", "charCodeAt", "indexOf", "toLowerCase", "toWellFormed"]],
			[Map.prototype, ["get", "set", "has", "delete"]], [Promise.prototype, ["then"]], [Object, ["keys", "assign"]], [Reflect, ["apply", "ownKeys"]], [JSON, ["parse", "stringify"]],
			[Math, ["floor", "trunc"]], [globalThis, ["Promise", "Map", "Uint8Array", "TypeError", "String", "Number", "isNaN"]], [Function.prototype, ["call", "bind", "apply"]]])
			for (const n of names) o[n] = function () { throw "patched " + n };
		Array.prototype[Symbol.iterator] = function () { throw "patched iterator" };
		Object.defineProperty(Object.prototype, "status", {get() { return 299 }, configurable: true});
		delete Object.prototype.status;
	0`)
	for _, c := range []struct{ source, want string }{
		{`new URL("http://a/b?c=d").searchParams.get("c")`, "d"},
		{`new Headers({B: "1"}).get("b")`, "1"},
		{`new Response("x", {status: 201}).status`, "201"},
		{`Response.json({a: 1}).text()`, `{"a":1}`},
		{`new Response("{}").json()`, "[object Object]"},
		{`s.put({a: 5})`, "undefined"},
		{`s.get("a")`, "5"},
		{`s.list()`, "[object Map]"},
		{`o.ctx.blockConcurrencyWhile(() => 4)`, "4"},
		{`new TextDecoder().decode(new TextEncoder().encode("x"))`, "x"},
		{`setTimeout(() => {}, 5)`, "1"},
		{`console.log({a: [1]})`, "undefined"},
		// What the lazy parts of the prelude have comes now, and must not notice.
		{`new ReadableStream({pull(c) { c.enqueue("x"); c.close() }}).getReader().read()`, "[object Object]"},
		{`new ReadableStream({type: "bytes", pull(c) { c.close(); c.byobRequest?.respond(0) }}).getReader().read()`, "[object Object]"},
		{`new Response("x").body.pipeThrough(new TransformStream())`, "[object ReadableStream]"},
		{`new Response("x").body.tee()[0].getReader().read()`, "[object Object]"},
		{`new CompressionStream("gzip").readable`, "[object ReadableStream]"},
		{`new Blob().size`, "0"},
		{`new FormData().get("x")`, "null"},
		{`crypto.subtle.digest("SHA-1", new TextEncoder().encode("x"))`, "[object ArrayBuffer]"},
		{`crypto.subtle.generateKey({name: "HMAC", hash: "SHA-256"}, true, {__proto__: null, [Symbol.iterator]() { let n = 0; return {next: () => ({done: n++ > 0, value: "sign"})} }})`, "[object CryptoKey]"},
	} {
		if got := h.eval(t, c.source); got != c.want {
			t.Errorf("%s = %s, want %s", c.source, got, c.want)
		}
	}
	if len(h.logs) != 1 || h.logs[0] != "log { a: [ 1 ] }" {
		t.Errorf("logs %q", h.logs)
	}
}
