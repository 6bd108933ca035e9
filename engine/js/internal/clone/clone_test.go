package clone

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"everloop/engine/js/internal/vm"
)

func newTest(t testing.TB) *vm.Runtime {
	t.Helper()
	r, err := vm.New(vm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func eval(t testing.TB, r *vm.Runtime, source string) vm.Value {
	t.Helper()
	v, err := r.Eval("test.js", source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return v
}

// TestClone copies the value of make and evaluates check with the copy as c
// and the original as v.
func TestClone(t *testing.T) {
	for _, x := range []struct{ name, make, check string }{
		{"undefined", "undefined", "c === undefined"},
		{"null", "null", "c === null"},
		{
			"numbers", "[0, -0, 1, -1, 23, 24, 255, 256, 65536, 2**31, -(2**31), 2**53, -(2**53), 1.5, 1e300, NaN, Infinity, -Infinity]",
			"c.length === v.length && c.every((x, i) => Object.is(x, v[i]))",
		},
		{
			"strings", "['', 'a', 'é', 'ÿ', '\\u0100', '😀', '\\ud800', 'a\\udc00b', 'x'.repeat(1000), 'a' + 'b'.repeat(9000) + '\\u1234']",
			"c.length === v.length && c.every((x, i) => x === v[i])",
		},
		{
			"bigints", "[0n, 1n, -1n, 2n**31n, 2n**32n, -(2n**31n), -(2n**31n)-1n, 2n**63n, 2n**64n, -(2n**64n), 2n**200n, -(2n**255n), -(2n**255n)-1n, 2n**255n-1n]",
			"c.every((x, i) => x === v[i])",
		},
		{
			"object", "({a: 1, b: {c: [1, 2, {d: null}]}, 7: 'x', 'é\\u0100': true, u: undefined})",
			"JSON.stringify(c) === JSON.stringify(v) && 'u' in c && Object.getPrototypeOf(c) === Object.prototype",
		},
		{"many keys", "Object.fromEntries(Array.from({length: 300}, (_, i) => ['k' + i, {i}]))", "Object.keys(c).length === 300 && c.k299.i === 299"},
		{
			"many keys, cyclic", "const o = {}; for (let i = 0; i < 300; i++) o['k'+i] = {o, i}; o",
			"c.k299.o === c && c.k0.o === c && c.k299.i === 299",
		},
		{"non-enumerable", "Object.defineProperty({a: 1}, 'b', {value: 2})", "Object.keys(c).join() === 'a' && !('b' in c)"},
		{"hidden early", "const o = {}; for (let i = 0; i < 30; i++) Object.defineProperty(o, 'h'+i, {value: i}); o.x = {o}; o", "c.x.o === c && Object.keys(c).length === 1"},
		{
			"header shrinks before references", "const hs = {}, in1 = {}, in2 = {}; for (let i = 0; i < 30; i++) Object.defineProperty(hs, 'h'+i, {value: i}); hs.a = in1; hs.b = [in1, in2]; [hs, in1, in2, hs]",
			"c[0].a === c[1] && c[0].b[0] === c[1] && c[0].b[1] === c[2] && c[3] === c[0] && c[1] !== c[2]",
		},
		{
			"header grows before references", "const hg = {get first() { for (let i = 0; i < 40; i++) hg['k' + i] = inner; return inner }}, inner = {}; for (let i = 0; i < 22; i++) hg['p' + i] = inner; delete hg.p3; const wide = {}; for (let i = 0; i < 23; i++) wide['w' + i] = {}; [hg, inner, wide, wide.w5, hg]",
			"c[0].first === c[1] && c[2].w5 === c[3] && c[4] === c[0] && c[0].p21 === c[1]",
		},
		{"deleted", "const o = {a: 1, b: 2, c: 3}; delete o.b; o", "JSON.stringify(c) === '{\"a\":1,\"c\":3}'"},
		{"getter", "({get a() { return 5 }, b: 6})", "c.a === 5 && c.b === 6 && 'value' in Object.getOwnPropertyDescriptor(c, 'a')"},
		{"symbol key", "({[Symbol('x')]: 1, a: 2})", "Reflect.ownKeys(c).join() === 'a'"},
		{"proto key", "JSON.parse('{\"__proto__\": 5, \"a\": 1}')", "Object.hasOwn(c, '__proto__') && c.a === 1"},
		{"instance", "class P { x = 1; #y = 2; get z() { return 3 } } new P()", "c.x === 1 && !('z' in c) && c.constructor === Object"},
		{"cycle", "const o = {name: 'o'}; o.self = o; o.list = [o]; o", "c.self === c && c.list[0] === c && c !== v"},
		{"shared", "const s = {n: 1}; [s, s, {s}]", "c[0] === c[1] && c[2].s === c[0] && c[0] !== v[0]"},
		{"shared many", "const s = [{}, {}, {}]; [s[2], s[0], s[1], s[0], s[2], [s[1], s]]", "c[0] === c[4] && c[1] === c[3] && c[5][0] === c[2] && c[5][1][2] === c[0]"},
		{
			"date", "[new Date(0), new Date(1.5e12 + 1), new Date(-1), new Date(NaN), new Date(8.64e15)]",
			"c.every((x, i) => x instanceof Date && Object.is(x.getTime(), v[i].getTime()))",
		},
		{"regexp", "[/a\\/b/dgimsy, /x/u, /[\\p{L}--[a]]/v, /\\u0100/]", "c.every((x, i) => x instanceof RegExp && x.source === v[i].source && x.flags === v[i].flags && x.lastIndex === 0)"},
		{
			"map", "const m = new Map([['a', 1], [NaN, 2], [{k: 1}, 3]]); m.set(m, m); m.set('gone', 1); m.delete('gone'); m",
			"c instanceof Map && c.size === 4 && c.get('a') === 1 && c.get(NaN) === 2 && c.get(c) === c",
		},
		{"set", "const s = new Set([1, 'x', -0]); s.add(s); s", "c instanceof Set && c.size === 4 && c.has(c) && c.has(0)"},
		{
			"boxed", "[new Number(-0), new String('h\\ud800'), new Boolean(false), Object(5n)]",
			"c.every((x, i) => typeof x === 'object' && Object.getPrototypeOf(x) === Object.getPrototypeOf(v[i]) && Object.is(x.valueOf(), v[i].valueOf())) && c[1].length === 2",
		},
		{
			"error", "const e = new TypeError('no', {cause: {a: 1}}); e.extra = 5; e",
			"c instanceof TypeError && c.name === 'TypeError' && c.message === 'no' && c.cause.a === 1 && c.stack === v.stack && !('extra' in c) && !c.propertyIsEnumerable('message')",
		},
		{"error of a class", "class E extends RangeError { name = 'Mine' } new E('m')", "c.constructor === Error && c.message === 'm'"},
		{"aggregate error", "new AggregateError([new EvalError('a')], 'm')", "c instanceof AggregateError && c.errors[0] instanceof EvalError && !c.propertyIsEnumerable('errors')"},
		{
			"many views", "const bs = Array.from({length: 50}, () => new ArrayBuffer(4)); bs.flatMap(b => [new Uint8Array(b), new Int16Array(b), new Uint8Array(4)])",
			"c.every((x, i) => i % 3 === 2 || x.buffer === c[i - i % 3].buffer) && new Set(c.map(x => x.buffer)).size === 100",
		},
		{"partial view, then whole", "const b = new ArrayBuffer(4); [new Uint8Array(b), new Uint8Array(b, 1)]", "c[0].buffer === c[1].buffer && c[1].byteOffset === 1"},
		{"error, cyclic", "const e = new Error('x'); e.cause = e; e", "c.cause === c"},
		{"holes", "const a = [1,,3]; a.length = 6; a", "c.length === 6 && !(1 in c) && c[2] === 3 && !(5 in c)"},
		{"named array", "const a = [1, 2]; a.x = a; a", "c.length === 2 && c.x === c && c[1] === 2"},
		{"sparse array", "const a = []; a[4000000000] = 1; a", "c.length === 4000000001 && c[4000000000] === 1"},
		{"buffer", "new Uint8Array([1, 2, 3]).buffer", "c instanceof ArrayBuffer && new Uint8Array(c).join() === '1,2,3'"},
		{
			"typed arrays", "[new Uint8Array([1,2]), new Uint8ClampedArray([3]), new Int8Array([-4]), new Int16Array([-500]), new Uint16Array([60000]), new Int32Array([-7e8]), new Uint32Array([4e9]), new BigInt64Array([-9n]), new BigUint64Array([2n**64n-1n]), new Float16Array([1.5]), new Float32Array([0.1]), new Float64Array([0.1, NaN])]",
			"c.every((x, i) => x.constructor === v[i].constructor && x.length === v[i].length && x.every((e, j) => Object.is(e, v[i][j])))",
		},
		{"empty arrays", "[new Uint8Array(0), new Float64Array(0), new ArrayBuffer(0), new DataView(new ArrayBuffer(0))]", "c[0].length === 0 && c[1].length === 0 && c[2].byteLength === 0 && c[3].byteLength === 0"},
		{
			"views of one buffer", "const b = new ArrayBuffer(16); [new Uint8Array(b), new Uint16Array(b, 2, 3), new DataView(b, 4, 8)]",
			"c[0].buffer === c[1].buffer && c[2].buffer === c[0].buffer && c[1].byteOffset === 2 && c[1].length === 3 && c[2].byteLength === 8",
		},
		{"buffer then view", "const b = new ArrayBuffer(4); [b, new Uint8Array(b)]", "c[1].buffer === c[0]"},
		{"view then buffer", "const b = new ArrayBuffer(4); [new Uint8Array(b), b]", "c[0].buffer === c[1]"},
		{"shared view", "const a = new Uint8Array(4); [a, a]", "c[0] === c[1]"},
		{
			"resizable", "const b = new ArrayBuffer(4, {maxByteLength: 16}); [b, new Uint8Array(b)]",
			"c[0].resizable && c[0].maxByteLength === 16 && (c[0].resize(8), c[1].length === 8)",
		},
		{"frozen", "Object.freeze({a: Object.freeze([1])})", "!Object.isFrozen(c) && !Object.isFrozen(c.a)"},
		{"arguments", "(function() { return arguments })(1, 2)", "c[0] === 1 && c[1] === 2"},
		{"null prototype", "Object.assign(Object.create(null), {a: 1})", "Object.getPrototypeOf(c) === Object.prototype && c.a === 1"},
		{"object that changes", "const o = {get a() { delete o.b; o.z = 1; return 1 }, b: 2, c: 3}; o", "c.a === 1 && !('b' in c) && c.c === 3"},
		{"array that shrinks", "const a = [{get x() { a.length = 1; return 1 }}, 2, 3]; a", "c[0].x === 1 && c.length === 3"},
		{"map that changes", "const m = new Map([[1, {get x() { m.clear(); return 5 }}], [2, 'b']]); m", "c.size === 2 && c.get(1).x === 5 && c.get(2) === 'b'"},
		{
			"replaced globals", "globalThis.Map = globalThis.Set = globalThis.Date = globalThis.RegExp = globalThis.BigInt = null; Object.defineProperty(Array.prototype, 0, {set() { throw 1 }, configurable: true}); ({m: /x/, d: [1]})",
			"c.m.source === 'x' && c.d.length === 1",
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newTest(t)
			v := eval(t, r, x.make)
			var w Writer
			var rd Reader
			b, err := w.Append([]byte("prefix"), r, v)
			if err != nil {
				t.Fatal(err)
			}
			c, err := rd.Read(r, b[len("prefix"):])
			if err != nil {
				t.Fatalf("%v\n%x", err, b)
			}
			f := eval(t, r, "((c, v) => "+x.check+")")
			ok, err := r.Call(f, vm.Undefined, c, v)
			if err != nil || !ok.Truth() {
				t.Errorf("%s is false: %v\n%x", x.check, err, b)
			}
			r.FreeAll(f, c, v)
			if err := r.RunGC(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// The bytes, as docs/format/value.md has them.
func TestBytes(t *testing.T) {
	r := newTest(t)
	for _, x := range []struct{ source, want string }{
		{"{const a = {}; [a, a]}", "82d81ca0d81d00"},
		{"{const b = []; b[0] = b; b}", "d81c81d81d00"},
		{"NaN", "f97e00"},
		{"-0", "f98000"},
		{"0n", "c240"},
		{"1.5", "f93e00"},
		{"2**53", "fa5a000000"},
		{"new Uint8Array([1, 2])", "420102"},
		{"new Date(1500)", "c1f93e00"},
		{"[1,,2]", "da65766c038203a20001" + "0202"},
		{"new Set([1])", "d9010281" + "01"},
		{"new Map([[1, 2]])", "d90103a10102"},
		{
			"{const b = new ArrayBuffer(1); [new Uint8Array(b), new Uint8Array(b), new Uint8Array([7])]}",
			"83" + "da65766c02841840" + "d81cda65766c014100" + "0001" + "da65766c02841840" + "d81d00" + "0001" + "4107",
		},
		{"'\\ud800'", "d9011143eda080"},
	} {
		v := eval(t, r, x.source)
		var w Writer
		b, err := w.Append(nil, r, v)
		if got := fmt.Sprintf("%x", b); err != nil || got != x.want {
			t.Errorf("%s = %s, want %s (%v)", x.source, got, x.want, err)
		}
		r.Free(v)
	}
	for _, x := range []string{
		"d81c01", "d81d00", "82d81cd81ca0d81d00", "da65766c038201a10101", "da65766c038203a201010001",
		"da65766c0401ff", "da65766c0480", "d9524a8261286061", "d940", "a10102", "da65766c028418408001", "c100ff", "c001",
	} {
		data, err := hex.DecodeString(x)
		if err != nil {
			t.Fatal(err)
		}
		var rd Reader
		if v, err := rd.Read(r, data); err == nil {
			s, _ := r.ToString(v)
			t.Errorf("%s is read as %s", x, s)
		}
	}
	var rd Reader
	data, _ := hex.DecodeString("c074323032302d30312d30315430303a30303a30305a")
	v, err := rd.Read(r, data)
	if err != nil || r.ObjectClass(v) != vm.DateObject {
		t.Errorf("a date as text: %v", err)
	}
	r.Free(v)
}

// DOMExceptions are the host's.
func TestDOMException(t *testing.T) {
	r := newTest(t)
	class := eval(t, r, "class DOMException extends Error { constructor(m, n) { super(m); Object.defineProperty(this, 'name', {value: n}) } }; DOMException")
	w := Writer{IsDOMException: func(r *vm.Runtime, v vm.Value) bool { ok, _ := r.InstanceOf(v, class); return ok }}
	rd := Reader{DOMException: func(r *vm.Runtime, message, name vm.Value) (vm.Value, error) {
		return r.Construct(class, message, name)
	}}
	v := eval(t, r, "const d = new DOMException('m', 'AbortError'); [d, d, new Error('plain')]")
	c, err := Clone(&w, &rd, r, v, r)
	if err != nil {
		t.Fatal(err)
	}
	f := eval(t, r, "(c => c[0] === c[1] && c[0] instanceof DOMException && c[0].name === 'AbortError' && c[0].message === 'm' && !(c[2] instanceof DOMException))")
	if ok, err := r.Call(f, vm.Undefined, c); err != nil || !ok.Truth() {
		t.Error("not the same", err)
	}
	r.FreeAll(class, v, c, f)
}

func TestRefused(t *testing.T) {
	for _, x := range []struct{ source, want string }{
		{"(() => {})", "() => {} could not be cloned."},
		{"({f: function g() { return 1 }})", "function g() { return 1 } could not be cloned."},
		{"Symbol('x')", "Symbol(x) could not be cloned."},
		{"Symbol()", "Symbol() could not be cloned."},
		{"Promise.resolve()", "#<Promise> could not be cloned."},
		{"new WeakMap()", "#<WeakMap> could not be cloned."},
		{"new Proxy({}, {})", "#<Object> could not be cloned."},
		{"(function* () {})()", "#<Object> could not be cloned."},
		{"({get x() { throw new RangeError('mine') }})", "RangeError: mine"},
		{"const b = new ArrayBuffer(8), u = new Uint8Array(b); b.transfer(); u", "An ArrayBuffer is detached and could not be cloned."},
		{"let a = []; for (let i = 0; i < 100000; i++) a = [a]; a", "The object is nested too deeply to be cloned."},
		{"const s = 'x'.repeat(1e6); new Array(1e5).fill(s)", "The object is too large to be cloned."},
		{"Object(Symbol('y'))", "could not be cloned."},
		{"new Proxy([], {getPrototypeOf() { throw 1 }, get() { throw 2 }, ownKeys() { throw 3 }})", "could not be cloned."},
		{"const f = () => 1; f.toString = () => { throw 1 }; f", "could not be cloned."},
	} {
		r := newTest(t)
		v := eval(t, r, x.source)
		var w Writer
		_, err := w.Append(nil, r, v)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got %v, want %s", x.source, err, x.want)
		}
		// The writer can be used again.
		if b, err := w.Append(nil, r, vm.Int(1)); err != nil || len(b) != 1 {
			t.Errorf("%s: afterwards: %x, %v", x.source, b, err)
		}
		r.Free(v)
	}
}

// TestBetweenRuntimes also checks that nothing of a value is leaked.
func TestBetweenRuntimes(t *testing.T) {
	a, b := newTest(t), newTest(t)
	v := eval(t, a, benchValue)
	var w Writer
	var rd Reader
	count := func(r *vm.Runtime) int64 {
		r.RunGC()
		s, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.Objects + s.Strings
	}
	one := func() {
		c, err := Clone(&w, &rd, a, v, b)
		if err != nil {
			t.Fatal(err)
		}
		b.Free(c)
	}
	one()
	wasA, wasB := count(a), count(b)
	for range 100 {
		one()
	}
	if nowA, nowB := count(a), count(b); nowA != wasA || nowB > wasB+2 {
		t.Errorf("leaked: %d -> %d and %d -> %d", wasA, nowA, wasB, nowB)
	}
}

func FuzzRead(f *testing.F) {
	r := newTest(f)
	var w Writer
	for _, s := range []string{
		benchValue, "[1,,new Map([[1,new Set([2])]]), /x/g, new Date(5), 5n, -(2n**70n)]",
		"const o = {}; o.o = [o, new Error('x', {cause: o})]; o", "const b = new ArrayBuffer(8); [new Uint8Array(b, 1), new DataView(b), '\\ud800', Object(1)]",
	} {
		b, err := w.Append(nil, r, eval(f, r, s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	var rd Reader
	n := 0
	f.Fuzz(func(t *testing.T, data []byte) {
		if n++; n%1000 == 0 || r.Err() != nil {
			r.Close()
			var err error
			if r, err = vm.New(vm.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		v, err := rd.Read(r, data)
		if err != nil {
			if r.Err() != nil && !errors.Is(r.Err(), vm.ErrOutOfMemory) {
				t.Fatalf("%x: %v", data, err)
			}
			return
		}
		// What was read can be written, and reads the same.
		b, err := w.Append(nil, r, v)
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("%x: %v", data, err)
			}
			r.Free(v)
			return
		}
		v2, err := rd.Read(r, b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		b2, err := w.Append(nil, r, v2)
		if err != nil || string(b) != string(b2) {
			t.Fatalf("%x then %x, %v", b, b2, err)
		}
		r.FreeAll(v, v2)
	})
}

const benchValue = `({id: 'user-12345', name: 'Ada Lovelace', email: 'ada@example.com', age: 36, active: true, score: 98.6,
	tags: ['math', 'engine', 'poetry'], address: {street: '12 St James Square', city: 'London', zip: 'SW1Y 4LB', geo: {lat: 51.5074, lng: -0.1278}},
	items: [1, 2, 3].map(i => ({sku: 'sku-' + i, quantity: i * 2, price: i * 9.99, options: {color: 'red', size: 'L', gift: false}})),
	notes: 'The Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers and leaves.', parent: null, seen: 1700000000000})`

func BenchmarkWrite(b *testing.B) {
	r := newTest(b)
	v := eval(b, r, benchValue)
	var w Writer
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = w.Append(buf[:0], r, v); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(buf)), "bytes")
}

func BenchmarkRead(b *testing.B) {
	r := newTest(b)
	var w Writer
	buf, err := w.Append(nil, r, eval(b, r, benchValue))
	if err != nil {
		b.Fatal(err)
	}
	var rd Reader
	b.ReportAllocs()
	for b.Loop() {
		v, err := rd.Read(r, buf)
		if err != nil {
			b.Fatal(err)
		}
		r.Free(v)
	}
}

// Between programs, instances of classes are refused, and errors keep their own properties.
func TestBetweenPrograms(t *testing.T) {
	r := newTest(t)
	proto := eval(t, r, "Object.prototype")
	w := Writer{
		Plain: func(r *vm.Runtime, v vm.Value) bool {
			p, err := r.Proto(v)
			defer r.Free(p)
			return err == nil && (!p.IsObject() || p.Same(proto))
		},
		ErrorProps: true,
		LeaveOut:   func(name string) bool { return name == "remote" },
	}
	var rd Reader
	for _, x := range []struct{ source, want string }{
		{"class Foo {} new Foo()", `Could not serialize object of type "Foo". This type does not support serialization.`},
		{"class Bar {} ({a: [new Bar()]})", `Could not serialize object of type "Bar". This type does not support serialization.`},
		{"Object.create({})", `Could not serialize object of type "Object". This type does not support serialization.`},
		{"() => 1", "() => 1 could not be cloned."},
		{"class A extends Array {} A.of(1)", ""},
		{"Object.assign(Object.create(null), {a: 1})", ""},
		{"const e = new Error('x'); e.bad = () => 1; e", "() => 1 could not be cloned."},
	} {
		v := eval(t, r, x.source)
		_, err := w.Append(nil, r, v)
		if got := fmt.Sprint(err); x.want == "" && err != nil || x.want != "" && got != "DataCloneError: "+x.want {
			t.Errorf("%s: %v", x.source, err)
		}
		r.Free(v)
	}
	v := eval(t, r, "class E extends TypeError { name = 'Mine'; extra = [1]; } const er = new E('m', {cause: 5}); er.self = er; er.remote = true; er")
	b, err := w.Append(nil, r, v)
	if err != nil {
		t.Fatal(err)
	}
	c, err := rd.Read(r, b)
	if err != nil {
		t.Fatal(err)
	}
	f := eval(t, r, "(c => c.name === 'Mine' && c.message === 'm' && c.extra[0] === 1 && c.self === c && !('remote' in c) && c.cause === 5 && Object.keys(c).join() === 'name,extra,self')")
	if ok, err := r.Call(f, vm.Undefined, c); err != nil || !ok.Truth() {
		t.Errorf("the error is not the same: %x, %v", b, err)
	}
	r.FreeAll(v, c, f, proto)
}
