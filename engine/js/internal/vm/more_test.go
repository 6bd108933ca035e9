package vm

import (
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
)

func TestStrings(t *testing.T) {
	r := newTest(t)
	id, err := r.Eval("x.js", "(s => { const a = []; for (let i = 0; i < s.length; i++) a.push(s.charCodeAt(i)); return a.join() })")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "a", "hello world, this is longer", "é", "ÿé", "Ā", "中文", "😀", "a😀b", strings.Repeat("x", 1<<16), "a\x00b", "1234567é", "12345678é", "\xff", "a\xe4\xb8"} {
		v, err := r.String(s)
		if err != nil {
			t.Fatal(err)
		}
		units := utf16.Encode([]rune(s))
		want := strings.ReplaceAll(strings.Trim(fmt.Sprint(units), "[]"), " ", ",")
		got, err := r.Call(id, Undefined, v)
		if err != nil {
			t.Fatal(err)
		}
		if g := r.GoString(got); g != want {
			t.Errorf("%q has units %.60s, want %.60s", s, g, want)
		}
		if back := r.GoString(v); back != strings.ToValidUTF8(s, "\ufffd") && back != string([]rune(s)) {
			t.Errorf("%q came back as %q", s, back)
		}
		if n := r.StringLen(v); n != len(units) {
			t.Errorf("%q has length %d, want %d", s, n, len(units))
		}
		r.FreeAll(v, got)
	}
	for _, u := range [][]uint16{nil, {0x61}, {0xd800}, {0xdc00, 0xd800}, {0xe9}, {0x61, 0xd83d, 0xde00}} {
		v, err := r.StringUTF16(u)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.AppendUTF16(nil, v); fmt.Sprint(got) != fmt.Sprint(u) && len(u) > 0 {
			t.Errorf("%x came back as %x", u, got)
		}
		r.Free(v)
	}
	v, _ := r.Eval("x.js", "let s = 'x'.repeat(9000) + '\\ud83d'; s += '\\ude00' + 'y'.repeat(9000); s")
	if got := r.GoString(v); got != strings.Repeat("x", 9000)+"😀"+strings.Repeat("y", 9000) {
		t.Errorf("a rope that cuts a pair: %.20q…", got[8995:])
	}
}

func TestBigInt(t *testing.T) {
	r := newTest(t)
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for range 500 {
		x := new(big.Int).SetUint64(rnd.Uint64())
		x.Lsh(x, uint(rnd.IntN(200)))
		x.Rsh(x, uint(rnd.IntN(70)))
		if rnd.IntN(2) == 0 {
			x.Neg(x)
		}
		if rnd.IntN(4) == 0 {
			x.SetInt64(1).Lsh(x, uint(rnd.IntN(200)))
			if rnd.IntN(2) == 0 {
				x.Neg(x)
			}
			x.Add(x, big.NewInt(int64(rnd.IntN(3)-1)))
		}
		v, err := r.NewBigInt(x)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.ToString(v); err != nil || got != x.String() {
			t.Fatalf("made %s, got %s (%v)", x, got, err)
		}
		w := mustEval(t, r, x.String()+"n")
		if back, err := r.BigInt(w); err != nil || back.Cmp(x) != 0 {
			t.Fatalf("read %s as %s (%v)", x, back, err)
		}
		bits := rnd.IntN(130)
		mod := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		want := new(big.Int).Mod(x, mod)
		if got := eval(t, r, fmt.Sprintf("BigInt.asUintN(%d, %sn)", bits, x)); got != want.String() {
			t.Fatalf("asUintN(%d, %s) = %s, want %s", bits, x, got, want)
		}
		if bits > 0 && want.Bit(bits-1) != 0 {
			want.Sub(want, mod)
		}
		if got := eval(t, r, fmt.Sprintf("BigInt.asIntN(%d, %sn)", bits, x)); got != want.String() {
			t.Fatalf("asIntN(%d, %s) = %s, want %s", bits, x, got, want)
		}
		r.FreeAll(v, w)
	}
}

func mustEval(t testing.TB, r *Runtime, source string) Value {
	t.Helper()
	v, err := r.Eval("test.js", source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return v
}

func TestSort(t *testing.T) {
	r := newTest(t)
	for _, x := range []struct{ source, want string }{
		{"[3,undefined,1,,'10',9].sort().map(String).join('|')", "1|10|3|9|undefined|"},
		{"[5,1,4].toSorted((a,b)=>b-a).join()", "5,4,1"},
		{"[3,,1].toSorted().map(String).join()", "1,3,undefined"},
		{"let n = 0; const a = Array.from({length: 2000}, (_, i) => i); a.sort((x, y) => { n++; return x - y }); n", "1999"},
		{"n = 0; a.sort((x, y) => { n++; return y - x }); n", "1999"},
		{"a[0] === 1999 && a[1999] === 0", "true"},
		{"n = 0; a.reverse(); a.push(-1); a.sort((x, y) => { n++; return x - y }); n < 2100 && a[0] === -1", "true"},
		{"try { [3,2,1].sort((a, b) => { throw new RangeError('mine') }) } catch (e) { e.message }", "mine"},
		{"try { [1,2].sort(5) } catch (e) { e.name }", "TypeError"},
		{"const o = {length: 3, 0: 'c', 2: 'a'}; Array.prototype.sort.call(o) === o && JSON.stringify(o)", `{"0":"a","1":"c","length":3}`},
		{"['é','z','a','\\u0100','Z'].sort().join('')", "Zazé\u0100"},
		{"[10,9,1].sort(undefined).join()", "1,10,9"},
		{"[2,1].sort((a, b) => ({valueOf() { return a - b }})).join()", "1,2"},
		{"const s = [1,2,3,4]; s.sort((a, b) => { s.length = 0; return b - a }); s.join()", "4,3,2,1"},
		{"try { Object.freeze([2,1]).sort() } catch (e) { e.name }", "TypeError"},
		{"[,1].sort().hasOwnProperty(1)", "false"},
	} {
		if got := eval(t, r, x.source); got != x.want {
			t.Errorf("%s = %q, want %q", x.source, got, x.want)
		}
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	f := mustEval(t, r, `(s => {
		const a = s.split(',').map((x, i) => [+x, i]), b = a.toSorted((x, y) => x[0] - y[0]);
		a.sort((x, y) => x[0] - y[0]);
		for (let i = 0; i < a.length; i++) if (a[i] !== b[i] || i && (a[i-1][0] > a[i][0] || a[i-1][0] === a[i][0] && a[i-1][1] > a[i][1])) return 'wrong at ' + i;
		return new Set(a).size === s.split(',').length ? 'ok' : 'lost';
	})`)
	for range 200 {
		var b strings.Builder
		n, span := 1+rnd.IntN(300), 1+rnd.IntN(300)
		run := 0
		for i := range n {
			if rnd.IntN(20) == 0 {
				run = rnd.IntN(3) - 1
			}
			x := rnd.IntN(span)
			if run != 0 {
				x = i * run / 3
			}
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprint(&b, x)
		}
		s, _ := r.String(b.String())
		got, err := r.Call(f, Undefined, s)
		if err != nil || r.GoString(got) != "ok" {
			t.Fatalf("seed %d: %s: %s %v", seed, b.String(), r.GoString(got), err)
		}
		r.FreeAll(s, got)
	}
}

func TestMend(t *testing.T) {
	r := newTest(t)
	for _, x := range []struct{ source, want string }{
		{"[1,2,3,4].values().filter(x => x % 2).take(1).toArray().join()", "1"},
		{"const it = [1,2].values().map(x => x); it.return(); JSON.stringify(it.next())", `{"done":true}`},
		{"let closed = 0; const src = {__proto__: Iterator.prototype, next() { return {value: 1, done: false} }, return() { closed++; return {} }}; src.map(x => x).take(2).toArray().length + ',' + closed", "2,1"},
		{"typeof Symbol.dispose + typeof Symbol.asyncDispose + String(Symbol.dispose)", "symbolsymbolSymbol(Symbol.dispose)"},
		{"const o = {}; (function outer() { (function inner() { Error.captureStackTrace(o) })() })(); o.stack.split('\\n').slice(0, 2).join().replace(/:\\d+:\\d+/, '')", "Error,    at inner (test.js)"},
		{"class E extends Error { constructor(m) { super(m); this.name = 'E'; Error.captureStackTrace(this, E) } } function mk() { return new E('m') } mk().stack.split('\\n').slice(0, 2).join().replace(/:\\d+:\\d+/, '')", "E: m,    at mk (test.js)"},
		{"const e2 = new Error('a\\nb'); e2.stack.startsWith('Error: a\\nb\\n    at ')", "true"},
		{"Object.getOwnPropertyNames(new Error('x')).join() + JSON.stringify(Object.assign({}, new Error('x')))", "message{}"},
		{"try { (function f() { f() })() } catch (e) { e.constructor === RangeError && e.stack.startsWith('RangeError: ') }", "true"},
		{"Array.prototype.concat.call([], Array(2**27)).length", "RangeError"},
		{"Array(2**31).join('')", "RangeError"},
		{"Array.from({length: 2**53-1})", "RangeError"},
		{"String.raw({raw: {length: 2**40}})", "RangeError"},
		{"Array(2**31).values().drop(2**31)", "RangeError"},
		{"'a'.repeat(1e6).indexOf('a'.repeat(5e5)+'b')", "RangeError"},
		{"'a'.repeat(1000).indexOf('ab')", "-1"},
		{"BigInt('9'.repeat(300000)) > 5n", "true"},
		{"BigInt('0x10') + BigInt(5) + BigInt('9'.repeat(20))", "100000000000000000020"},
		{"try { new BigInt(1) } catch (e) { e.name }", "TypeError"},
	} {
		v, err := r.Eval("test.js", x.source)
		var got string
		var e *Exception
		if errors.As(err, &e) {
			got = e.Name
		} else if got, err = r.ToString(v); err != nil {
			t.Fatal(err)
		}
		r.Free(v)
		if got != x.want {
			t.Errorf("%s = %q, want %q (%v)", x.source, got, x.want, err)
		}
	}
	for _, x := range []struct{ source, want string }{
		{"Array.fromAsync([1, Promise.resolve(2)])", "1,2"},
		{"Array.fromAsync((async function* () { yield 1; yield 2 })(), x => x * 2)", "2,4"},
		{"Array.fromAsync({length: 2, 0: 'a', 1: Promise.resolve('b')})", "a,b"},
		{"Array.fromAsync([1], 5).catch(e => e.name)", "TypeError"},
		{"Array.fromAsync(null).catch(e => e.name)", "TypeError"},
	} {
		p := mustEval(t, r, x.source)
		if _, err := r.Pump(); err != nil {
			t.Fatal(err)
		}
		v := r.PromiseResult(p)
		if got, err := r.ToString(v); err != nil || got != x.want {
			t.Errorf("%s = %q, want %q (%v)", x.source, got, x.want, err)
		}
		r.FreeAll(p, v)
	}
}

func TestClock(t *testing.T) {
	r := newTest(t)
	now := 1234567890123.0
	if err := r.SetClock(func() float64 { return now }); err != nil {
		t.Fatal(err)
	}
	r.SetRandom(func() float64 { return 0.25 })
	if got := eval(t, r, "Date.now() + ',' + new Date().getTime() + ',' + +new (class extends Date {}) + ',' + new Date(5).getTime() + ',' + Math.random() + ',' + typeof Date()"); got != "1234567890123,1234567890123,1234567890123,5,0.25,string" {
		t.Error(got)
	}
	other := newTest(t)
	if got := eval(t, other, "Math.abs(Date.now() - new Date()) < 1000 && Date.now() > 1.6e12 && Math.random() !== 0.25"); got != "true" {
		t.Error("another runtime is driven too")
	}
}

func TestPromises(t *testing.T) {
	r := newTest(t)
	p, err := r.PendingPromise()
	if err != nil {
		t.Fatal(err)
	}
	f := mustEval(t, r, "(p => { globalThis.log = []; p.then(x => log.push('ok ' + x), e => log.push('no ' + e.message)); })")
	call := func(fn, arg Value) {
		v, err := r.Call(fn, Undefined, arg)
		if err != nil {
			t.Fatal(err)
		}
		r.Free(v)
	}
	call(f, p)
	if n, err := r.Pump(); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	r.Resolve(p, Int(5))
	r.Resolve(p, Int(6))
	if !r.HasJobs() {
		t.Error("no job after Resolve")
	}
	r.Pump()
	if got := eval(t, r, "log.join()"); got != "ok 5" {
		t.Error(got)
	}
	r.Free(p)

	p, _ = r.PendingPromise()
	call(f, p)
	r.RejectWith(p, TypeError("bad %d", 7))
	r.Pump()
	if got := eval(t, r, "log.join()"); got != "no bad 7" {
		t.Error(got)
	}
	r.Free(p)

	// A thenable is followed.
	p, _ = r.PendingPromise()
	r.Resolve(p, mustEval(t, r, "({then(f) { f(9) }})"))
	r.Pump()
	if v := r.PromiseResult(p); !v.Same(Int(9)) {
		t.Errorf("a thenable gave %v", v)
	}
	r.Free(p)

	// Unhandled rejections: only those that nobody handles by the end.
	eval(t, r, "Promise.reject(new Error('lost')); Promise.reject(1).catch(() => 0); const late = Promise.reject(2); Promise.resolve().then(() => late.catch(() => 0)); (async () => { throw new Error('async lost') })(); 0")
	r.Pump()
	var lost []string
	r.Unhandled(func(_, reason Value) {
		e := r.Describe(r.Dup(reason))
		lost = append(lost, e.Message)
	})
	if got := strings.Join(lost, ","); got != "lost,async lost" {
		t.Errorf("unhandled: %s", got)
	}
	// A rejection that Go reads is handled.
	q := mustEval(t, r, "(async () => { throw 5 })()")
	r.Pump()
	r.Free(r.PromiseResult(q))
	r.Unhandled(func(_, reason Value) { t.Error("reported what Go has read") })
	r.Free(q)

	if got := eval(t, r, "const as = (async () => 1)(); as instanceof Promise && as.constructor === Promise && Reflect.ownKeys(as).length === 0"); got != "true" {
		t.Error("an async function's promise is odd")
	}
	eval(t, r, `globalThis.order = []; (async () => { order.push(1); await null; order.push(3); try { await Promise.reject(4) } catch (e) { order.push(e) } })().then(() => order.push(5)); order.push(2); 0`)
	r.Pump()
	if got := eval(t, r, "order.join()"); got != "1,2,3,4,5" {
		t.Error(got)
	}
}

func TestModules(t *testing.T) {
	r := newTest(t)
	r.AddModule(&NativeModule{
		Name:    "cloudflare:workers",
		Exports: []string{"DurableObject", "env"},
		Values: func(r *Runtime) (Value, error) {
			return r.Eval("cf.js", "({DurableObject: class DurableObject {}, env: {A: 1}})")
		},
	})
	c, err := Compile("app.js", []byte(`import { DurableObject, env } from 'cloudflare:workers';
		export class Room extends DurableObject { a() { return env.A } }
		export default { fetch() { return new Room().a() + 41 } };
		await null; globalThis.ready = true;`), CompileOptions{Module: true, StripSource: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		ns, done, err := r.RunModule(c)
		if err != nil {
			t.Fatal(i, err)
		}
		if r.PromiseState(done) != Pending {
			t.Error("top-level await did not wait")
		}
		r.Pump()
		if r.PromiseState(done) != Fulfilled {
			t.Fatalf("%d: module: %v", i, r.Describe(r.PromiseResult(done)))
		}
		def, err := r.GetName(ns, "default")
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Invoke(def, Intern("fetch"))
		if err != nil || !v.Same(Int(42)) {
			t.Errorf("fetch: %v %v", v, err)
		}
		r.FreeAll(ns, done, def)
		r = newTest(t)
		r.SetResolver(func(name, from string) (*NativeModule, error) {
			if name != "cloudflare:workers" || from != "app.js" {
				t.Errorf("resolver asked for %q from %q", name, from)
			}
			return &NativeModule{Name: name, Exports: []string{"DurableObject", "env"}, Values: func(r *Runtime) (Value, error) {
				return r.Eval("cf.js", "({DurableObject: class {}, env: {A: 1}})")
			}}, nil
		})
	}
	for _, x := range []struct{ source, want string }{
		{"import x from 'node:nope'", `No such module "node:nope".`},
		{"import {nope} from 'cloudflare:workers'", "nope"},
		{"export default 1; throw new RangeError('top')", "top"},
	} {
		r := newTest(t)
		r.AddModule(&NativeModule{Name: "cloudflare:workers", Exports: []string{"env"}, Values: func(r *Runtime) (Value, error) { return r.Object() }})
		c, err := Compile("bad.js", []byte(x.source), CompileOptions{Module: true})
		if err != nil {
			t.Fatal(err)
		}
		ns, done, err := r.RunModule(c)
		if err == nil {
			r.Pump()
			err = r.Describe(r.PromiseResult(done))
		}
		if !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", x.source, err)
		}
		r.FreeAll(ns, done)
	}
	_, err = Compile("syntax.js", []byte("let a = 1;\nlet a = ;"), CompileOptions{})
	var e *Exception
	if !errors.As(err, &e) || e.Name != "SyntaxError" || len(e.Frames) == 0 || e.Frames[0].File != "syntax.js" || e.Frames[0].Line != 2 {
		t.Errorf("a syntax error: %+v", err)
	}
}

var hostBoom = RegisterHost("boom", 0, func(r *Runtime, this Value, args Args) (Value, error) {
	var m map[string]int
	m["x"] = 1 //nolint:staticcheck // a panic of the Go runtime is what this is for
	return Undefined, nil
})

var hostThrow = RegisterHost("fail", 1, func(r *Runtime, this Value, args Args) (Value, error) {
	if f := args.At(0); r.IsFunction(f) {
		return r.Call(f, Undefined)
	}
	return Undefined, TypeError("no %s", "way")
})

func TestHostErrors(t *testing.T) {
	r := newTest(t)
	g := r.Global()
	r.SetFunction(g, hostBoom)
	r.SetFunction(g, hostThrow)
	r.Free(g)
	told := ""
	r.OnPanic = func(name string, cause any, stack []byte) { told = fmt.Sprint(name, ": ", cause) }
	for _, x := range []struct{ source, want string }{
		{"try { boom() } catch (e) { e.message }", "internal error in boom: assignment to entry in nil map"},
		{"try { fail() } catch (e) { e.name + e.message + (e instanceof TypeError) + e.stack.split('\\n')[0] }", "TypeErrorno waytrueTypeError: no way"},
		{"const mine = {a: 1}; try { fail(() => { throw mine }) } catch (e) { e === mine }", "true"},
		{"fail(() => 7)", "7"},
		{"fail.length + fail.name", "1fail"},
		{"try { fail(() => boom()) } catch (e) { e.message }", "internal error in boom: assignment to entry in nil map"},
	} {
		if got := eval(t, r, x.source); got != x.want {
			t.Errorf("%s = %q, want %q", x.source, got, x.want)
		}
	}
	if told != "boom: assignment to entry in nil map" {
		t.Errorf("OnPanic got %q", told)
	}
	// The heap ends inside a nested call: everything on the way must notice.
	small, err := New(Options{MemoryLimit: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	g = small.Global()
	small.SetFunction(g, hostThrow)
	_, err = small.Eval("x.js", "fail(() => { const a = []; for (;;) try { for (;;) a.push({}) } catch {} })")
	if !errors.Is(err, ErrOutOfMemory) || small.Err() == nil {
		t.Errorf("got %v", err)
	}
	if _, err := small.Eval("x.js", "1"); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("a lost runtime still answers: %v", err)
	}
	small.Free(g)
	small.Close()
}

func TestHandles(t *testing.T) {
	var gone []uint64
	class := RegisterClass("Request", func(r *Runtime, payload uint64) { gone = append(gone, payload) })
	other := RegisterClass("Other", nil)
	r := newTest(t)
	v, h, err := r.HostObject(class, Undefined, 7)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := r.Payload(class, v); !ok || p != 7 {
		t.Error(p, ok)
	}
	if _, ok := r.Payload(other, v); ok {
		t.Error("another class answers")
	}
	plain, _ := r.Object()
	if _, ok := r.Payload(class, plain); ok {
		t.Error("a plain object answers")
	}
	r.Revoke(h)
	if _, ok := r.Payload(class, v); ok || !r.IsHost(class, v) {
		t.Error("a revoked handle answers")
	}
	r.Free(v)
	w, h2, _ := r.HostObject(class, Undefined, 8)
	if h2.Slot != h.Slot || h2.Generation == h.Generation {
		t.Errorf("handles %v and %v", h, h2)
	}
	r.Revoke(h) // stale: must not touch the new one
	if p, ok := r.Payload(class, w); !ok || p != 8 {
		t.Error("a stale handle revoked its successor")
	}
	r.Free(w)
	if fmt.Sprint(gone) != "[7 8]" {
		t.Errorf("finalized %v", gone)
	}
	x, _, _ := r.HostObject(class, Undefined, 9)
	if err := r.Set(plain, Intern("x"), x); err != nil {
		t.Fatal(err)
	}
	r.Set(plain, Intern("self"), r.Dup(plain))
	r.Free(plain)
	if fmt.Sprint(gone) != "[7 8]" {
		t.Error("finalized what a cycle holds")
	}
	r.RunGC()
	if fmt.Sprint(gone) != "[7 8 9]" {
		t.Errorf("the collector finalized %v", gone)
	}
	y, _, _ := r.HostObject(class, Undefined, 10)
	_ = y
	r.Close()
	if fmt.Sprint(gone) != "[7 8 9 10]" {
		t.Errorf("Close finalized %v", gone)
	}
}

func TestProperties(t *testing.T) {
	r := newTest(t)
	o, _ := r.Object()
	k := Intern("a")
	if err := r.Set(o, k, Int(1)); err != nil {
		t.Fatal(err)
	}
	if ok, _ := r.Has(o, k); !ok {
		t.Error("Has")
	}
	if v, err := r.Get(o, k); err != nil || !v.Same(Int(1)) {
		t.Error(v, err)
	}
	r.SetName(o, "b c", Int(2))
	r.SetIndex(o, 3, Int(3))
	for _, x := range []struct {
		source string
		plain  bool
		want   string
	}{
		{"({b: 1, a: 'x', [Symbol()]: 2})", false, "b=1 a=x "},
		{"({b: 1, a: 'x', 5: null})", true, "b=1 a=x 5=null "},
		{"Object.defineProperty({b: 1}, 'b', {get() { throw 1 }})", false, ""},
		{"({b: 1, get a() { throw 1 }})", false, "b=1 "},
		{"[1]", false, ""},
		{"new Proxy({}, {})", false, ""},
	} {
		v := mustEval(t, r, x.source)
		seen := ""
		plain := r.DataProps(v, func(k, v Value) bool {
			name, err := r.ToString(k)
			s, err2 := r.ToString(v)
			seen += name + "=" + s + " "
			return err == nil && err2 == nil
		})
		if plain != x.plain || seen != x.want {
			t.Errorf("DataProps of %s: %v %q", x.source, plain, seen)
		}
		r.Free(v)
	}
	if err := r.Delete(o, k); err != nil {
		t.Error(err)
	}
	b, err := r.AppendJSON(nil, o)
	if err != nil || string(b) != `{"3":3,"b c":2}` {
		t.Errorf("%s %v", b, err)
	}
	j, err := r.ParseJSON([]byte(`{"x": [1, 2, {"y": null}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := r.AppendJSON(nil, j); string(b) != `{"x":[1,2,{"y":null}]}` {
		t.Errorf("%s", b)
	}
	if _, err := r.ParseJSON([]byte("{")); err == nil {
		t.Error("bad JSON parses")
	}
	if _, err := r.Get(Undefined, k); err == nil {
		t.Error("a property of undefined")
	}
	u, _ := r.Uint8Array([]byte{1, 2, 3})
	bytes, ok := r.Bytes(u)
	if !ok || fmt.Sprint(bytes) != "[1 2 3]" {
		t.Error(bytes, ok)
	}
	bytes[0] = 9
	f := mustEval(t, r, "(u => u.join() + u.constructor.name + u.buffer.byteLength)")
	s, _ := r.Call(f, Undefined, u)
	if got := r.GoString(s); got != "9,2,3Uint8Array3" {
		t.Error(got)
	}
	frozen := mustEval(t, r, "Object.freeze({})")
	if err := r.Set(frozen, k, Int(1)); err == nil {
		t.Error("a frozen object takes a property")
	}
	r.FreeAll(o, j, u, f, s, frozen)
}

// Runtimes of several loops at once: this is what -race looks at.
func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	w := Watchdog{}
	go w.Run(done)
	for i := range 4 {
		wg.Go(func() {
			for range 3 {
				r, err := New(Options{})
				if err != nil {
					t.Error(err)
					return
				}
				var label Label = Text(fmt.Sprint("loop ", i))
				for range 20 {
					r.Begin(&label)
					v, err := r.Eval("x.js", "(() => { let s = 0; for (let i = 0; i < 100; i++) s += [i].map(x => x)[0]; return s })()")
					if err != nil {
						t.Error(err)
					}
					r.Free(v)
					r.End()
				}
				r.Close()
			}
		})
	}
	wg.Wait()
	close(done)
}

func TestMemoryIsReleased(t *testing.T) {
	before := Count()
	for range 20 {
		r, err := New(Options{MemoryLimit: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Eval("x.js", "const a = []; for (;;) a.push({})")
		if !errors.Is(err, ErrOutOfMemory) {
			t.Fatal(err)
		}
		if used, _ := r.Memory(); used != 0 {
			t.Errorf("a lost runtime holds %d bytes", used)
		}
		r.Close()
	}
	if n := Count(); n != before {
		t.Errorf("%d runtimes are still open", n-before)
	}
}

func BenchmarkGet(b *testing.B) {
	r := newTest(b)
	o := mustEval(b, r, "({a: 1, b: 2, c: 3})")
	k := Intern("b")
	b.ReportAllocs()
	for b.Loop() {
		v, _ := r.Get(o, k)
		r.Free(v)
	}
}

func BenchmarkResolvedPromise(b *testing.B) {
	r := newTest(b)
	b.ReportAllocs()
	for b.Loop() {
		p, _ := r.ResolvedPromise(Int(1))
		r.Free(p)
	}
}

func BenchmarkString(b *testing.B) {
	r := newTest(b)
	s := "/rooms/general?limit=20"
	b.ReportAllocs()
	for b.Loop() {
		v, _ := r.String(s)
		r.Free(v)
	}
}

func BenchmarkNewError(b *testing.B) {
	r := newTest(b)
	f := mustEval(b, r, "(() => new Error('x'))")
	b.ReportAllocs()
	for b.Loop() {
		v, _ := r.Call(f, Undefined)
		r.Free(v)
	}
}

func BenchmarkSort2000Sorted(b *testing.B) {
	r := newTest(b)
	f := mustEval(b, r, "const a = Array.from({length: 2000}, (_, i) => i); (() => { a.sort((x, y) => x - y) })")
	b.ReportAllocs()
	for b.Loop() {
		r.Call(f, Undefined)
	}
}

// SetExport is seen by whoever has imported the name.
func TestSetExport(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SetExport("host", "x", Int(1)); err != nil {
		t.Errorf("a module that nobody has imported: %v", err)
	}
	r.AddModule(&NativeModule{Name: "host", Exports: []string{"x"}, Values: func(r *Runtime) (Value, error) {
		v, err := r.Object()
		if err == nil {
			err = r.SetName(v, "x", Int(1))
		}
		return v, err
	}})
	code, err := Compile("m.js", []byte(`import { x } from "host"; export const get = () => x;`), CompileOptions{Module: true})
	if err != nil {
		t.Fatal(err)
	}
	exports, done, err := r.RunModule(code)
	if err != nil {
		t.Fatal(err)
	}
	defer r.FreeAll(exports, done)
	if _, err := r.Pump(); err != nil {
		t.Fatal(err)
	}
	get, err := r.GetName(exports, "get")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Free(get)
	s, err := r.String("a string that is counted")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []Value{Int(2), s, Int(3)} {
		if err := r.SetExport("host", "x", v); err != nil {
			t.Fatal(err)
		}
		got, err := r.Call(get, Undefined)
		if err != nil || !got.Same(v) {
			t.Errorf("got %v, %v", got, err)
		}
		r.Free(got)
	}
	r.Free(s)
	if err := r.SetExport("host", "y", Int(1)); err == nil {
		t.Error("a name that the module does not export was set")
	}
}
