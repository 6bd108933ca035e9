package vm

import (
	"fmt"
	"sync"

	lib "modernc.org/libquickjs"
)

// engineOK prepares the engine once for the process: it patches the tables
// (patch.go), proves the layout (layout.go) and compiles mend.js.
var engineOK = sync.OnceValue(prepareEngine)

func prepareEngine() error {
	if err := patchEngine(); err != nil {
		return err
	}
	r, err := newRuntime(Options{bare: true})
	if err != nil {
		return err
	}
	defer r.closeIdle()
	if err := r.selfTest(); err != nil {
		return err
	}
	mendCode, err = r.compile("everloop:mend", mendSource, CompileOptions{StripSource: true})
	return err
}

// selfTest proves every assumption of this package about the engine's
// structures, on a runtime of its own: what is read in place must be what the
// engine says it is, and the other way round.
func (r *Runtime) selfTest() (err error) {
	defer r.leave(r.enter(), &err)
	check := func(what string, ok bool) {
		if !ok && err == nil {
			err = fmt.Errorf("%w: %s is not as in modernc.org/libquickjs %s", ErrEngine, what, EngineVersion)
		}
	}
	eval := func(source string) Value {
		v, e := r.Eval("selftest.js", source)
		if e != nil && err == nil {
			err = fmt.Errorf("%w: self-test %q: %w", ErrEngine, source, e)
		}
		return v
	}
	same := func(v Value, source string) bool {
		w := eval(source)
		ok := lib.XJS_StrictEq(r.tls, r.ctx, v.js, w.js) != 0
		r.Free(w)
		return ok
	}

	check("the context's runtime", r.engineContext().Frt == r.rt && runtimeOf(r.ctx) == r)
	check("the tag of numbers", same(Int(-7), "-7") && same(Float(1.5), "1.5"))

	// Strings, written and read in place.
	for _, x := range []struct{ text, source string }{
		{"ascii text", "'ascii text'"}, {"caf\u00e9", "'caf\\u00e9'"}, {"\u4e2d\U0001f600", "'\\u4e2d\\u{1f600}'"},
	} {
		v, e := r.String(x.text)
		check("a string", e == nil && same(v, x.source))
		w := eval(x.source)
		check("a string read in place", r.GoString(w) == x.text)
		check("a reference count", *at[int32](v.ptr() - refCountOffset) == 1)
		r.FreeAll(v, w)
	}
	rope := eval("let s = 'x'.repeat(9000); s += s + '\\u4e2d'; s += s; s")
	check("a rope", r.StringLen(rope) == 36002 && len(r.GoString(rope)) == 36006)
	r.Free(rope)

	// Promises, built by hand.
	p, e := r.newPromise(lib.EJS_PROMISE_FULFILLED, Int(3))
	check("a promise", e == nil && lib.XJS_PromiseState(r.tls, r.ctx, p.js) == lib.EJS_PROMISE_FULFILLED &&
		(Value{lib.XJS_PromiseResult(r.tls, r.ctx, p.js)}).Same(Int(3)))
	r.Free(p)
	f := eval("(async x => (await x) + (await 1))")
	q, e := r.PendingPromise()
	check("a pending promise", e == nil && r.PromiseState(q) == Pending)
	a, e := r.Call(f, Undefined, q)
	check("an async function", e == nil && r.PromiseState(a) == Pending)
	check("resolving a promise", r.Resolve(q, Int(41)) == nil)
	_, e = r.Pump()
	check("the pump", e == nil && r.PromiseState(a) == Fulfilled && r.PromiseResult(a).Same(Int(42)))
	r.FreeAll(f, q, a)
	f = eval("let got = []; x => { got.push(x); throw x }")
	for _, reject := range []bool{false, true} {
		q, e = r.PendingPromise()
		check("a promise", e == nil)
		check("a reaction", r.React(q, f, Undefined) == nil && r.React(q, Undefined, f) == nil)
		if reject {
			e = r.Reject(q, Int(2))
		} else {
			e = r.Fulfill(q, Int(1))
		}
		check("settling a promise", e == nil)
		_, e = r.Pump()
		check("the pump", e == nil)
		r.Free(q)
	}
	check("the reactions", same(Bool(true), "got.join() === '1,2'"))
	r.Free(f)

	// The interrupt counter.
	before := r.engineContext().Finterrupt_counter
	r.Free(eval("for (let i = 0; i < 1000; i++) ;"))
	after := r.engineContext().Finterrupt_counter
	check("the interrupt counter", before != after && after > 0 && after <= lib.MJS_INTERRUPT_COUNTER_INIT)
	var label Label = Text("self-test")
	r.Begin(&label)
	r.Interrupt()
	check("an interrupt", r.engineContext().Finterrupt_counter == 0)
	_, e = r.Eval("selftest.js", "try { for (;;) ; } catch {}")
	r.End()
	check("an interrupt", e == ErrInterrupted)

	check("the constructor WeakRef", *at[uintptr](*weakRefFunction(r)) == *at[uintptr](fp(weakRefConstructor)))

	// Classes and their data.
	for _, x := range []struct {
		source string
		class  ObjectClass
	}{
		{"({})", PlainObject},
		{"[]", ArrayObject},
		{"new Error", ErrorObject},
		{"Object(1)", NumberObject},
		{"Object('')", StringObject},
		{"Object(true)", BooleanObject},
		{"Object(1n)", BigIntObject},
		{"Object(Symbol())", SymbolObject},
		{"new Date", DateObject},
		{"/x/", RegExpObject},
		{"(() => 1)", FunctionObject},
		{"Array.isArray", FunctionObject},
		{"new ArrayBuffer(1)", ArrayBufferObject},
		{"new SharedArrayBuffer(1)", SharedArrayBufferObject},
		{"new Uint8Array", TypedArrayObject},
		{"new DataView(new ArrayBuffer(1))", DataViewObject},
		{"new Map", MapObject},
		{"new Set", SetObject},
		{"new Proxy({}, {})", ProxyObject},
		{"Promise.resolve()", PromiseObject},
		{"new WeakMap", OtherObject},
	} {
		v := eval(x.source)
		check("the class of "+x.source, r.ObjectClass(v) == x.class)
		r.Free(v)
	}
	v := eval("[5, 'a', 7]")
	values, ok := r.fastArray(v)
	n, _ := r.ArrayLength(v)
	check("an array", ok && len(values) == 3 && values[2].Same(Int(7)) && n == 3 && r.Dense(v))
	r.Free(v)
	v = eval("Array(2 ** 31)")
	n, ok = r.ArrayLength(v)
	check("a sparse array", ok && n == 1<<31 && !r.Dense(v))
	r.Free(v)
	v = eval("({a: 1, b: 2, [Symbol.iterator]: 3, 5: 4})")
	seen := ""
	e = r.Props(v, func(key, x Value) error {
		s, _ := r.ToString(key)
		i, _ := x.Int32()
		seen += fmt.Sprint(s, i, " ")
		return nil
	})
	check("an object's shape", e == nil && seen == "a1 b2 54 ")
	r.Free(v)
	v = eval("new Map([[1, 2], [3, 4]])")
	entries := r.AppendEntries(nil, v)
	check("a Map", len(entries) == 4 && entries[3].Same(Int(4)))
	r.Free(v)
	v = eval("new Uint16Array(new ArrayBuffer(8), 2, 2).fill(258)")
	b, ok := r.Bytes(v)
	check("a typed array", ok && string(b) == "\x02\x01\x02\x01")
	r.Free(v)
	v = eval("/a(b)/giu")
	source, flags := r.RegExp(v)
	check("a RegExp", r.GoString(source) == "a(b)" && flags == "giu")
	r.FreeAll(v, source)
	v = eval("-(2n ** 70n) - 5n")
	x, e := r.BigInt(v)
	check("a BigInt", e == nil && x.String() == "-1180591620717411303429")
	y, e := r.NewBigInt(x)
	check("a BigInt", e == nil && lib.XJS_StrictEq(r.tls, r.ctx, v.js, y.js) != 0)
	r.FreeAll(v, y)
	v = eval("[1, 2, 3].values().filter(x => x > 1).take(1)")
	w, e := r.Invoke(v, Intern("toArray"))
	check("an iterator helper", e == nil && r.classOf(v) == lib.EJS_CLASS_ITERATOR_HELPER)
	r.FreeAll(v, w)
	return err
}
