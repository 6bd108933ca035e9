package vm

import (
	"errors"
	"testing"
)

// TestFaultsOfTheEngine has a case for everything that real programs were seen
// to trip over in the engine, and that is mended here or was mended in it.
func TestFaultsOfTheEngine(t *testing.T) {
	for _, x := range []struct{ name, source, want string }{
		{"BigInt.asUintN of a negative number", "[BigInt.asUintN(64, -1n), BigInt.asUintN(8, -256n), BigInt.asUintN(32, -(2n ** 40n) - 3n)].join()", "18446744073709551615,0,4294967293"},
		{"BigInt.asUintN converts its arguments", "[BigInt.asUintN('64', -1n), BigInt.asUintN(8.9, '-1'), BigInt.asUintN(NaN, 5n), BigInt.asUintN(undefined, true), BigInt.asIntN(8, '255')].join()", "18446744073709551615,255,0,0,-1"},
		{"BigInt.asUintN calls valueOf once, in order", "let s = ''; BigInt.asIntN({valueOf() { s += 'a'; return 8 }}, {valueOf() { s += 'b'; return 255n }}) + s", "-1ab"},
		{"BigInt.asIntN of the widest width", "[BigInt.asIntN(2 ** 53 - 1, -5n), BigInt.asUintN(2 ** 53 - 1, 5n)].join()", "-5,5"},
		{"BigInt.asUintN that would not fit", "BigInt.asUintN(2 ** 53 - 1, -5n)", "RangeError: Maximum BigInt size exceeded"},
		{"BigInt.asUintN of an impossible width", "BigInt.asUintN(2 ** 53, 5n)", "RangeError: Invalid value: not (convertible to) a safe integer"},
		{"BigInt.asUintN of a number", "BigInt.asUintN(8, 5)", "TypeError: cannot convert to bigint"},

		{"sort counts a comparison an item on sorted input", "let n = 0; Array.from({length: 2000}, (_, i) => i).sort((a, b) => (n++, a - b)); n", "1999"},
		{"toSorted counts the same", "let n = 0; Array.from({length: 2000}, (_, i) => i).toSorted((a, b) => (n++, a - b)); n", "1999"},
		{"sort of a typed array counts the same", "let n = 0; const a = Float64Array.from({length: 2000}, (_, i) => 2000 - i); a.sort((a, b) => (n++, a - b)); n + ',' + a[0]", "1999,1"},
		{"toSorted of a typed array counts the same", "let n = 0; const a = Int32Array.from({length: 2000}, (_, i) => i); const b = a.toSorted((a, b) => (n++, a - b)); n + ',' + (a === b) + b.constructor.name", "1999,falseInt32Array"},
		{"sort is stable", "[['a', 1], ['b', 0], ['c', 1], ['d', 0]].sort((a, b) => a[1] - b[1]).map((x) => x[0]).join('')", "bdac"},
		{"sort of a typed array is stable", "const f = (x) => x & 1; [...Int8Array.of(5, 2, 3, 4, 1).sort((a, b) => f(a) - f(b))].join('')", "24531"},
		{"sort of bigints in a typed array", "BigInt64Array.of(3n, -1n, 2n).toSorted((a, b) => (a < b ? 1 : -1)).join()", "3,2,-1"},
		{"sort of a typed array without a function", "[Float64Array.of(3, NaN, -0, 0, 1).sort().join(), Object.is(Float64Array.of(0, -0).sort()[0], -0)].join()", "0,0,1,3,NaN,true"},
		{"sort of a typed array that is detached meanwhile", "const a = Int8Array.of(3, 1, 2); a.sort((x, y) => (a.buffer.detached || a.buffer.transfer(), x - y)); a.length", "0"},
		{"sort of a typed array that shrinks meanwhile", "const b = new ArrayBuffer(4, {maxByteLength: 8}); const a = new Int8Array(b); a.set([4, 3, 2, 1]); a.sort((x, y) => (b.resize(2), x - y)); a.join()", "1,2"},
		{"sort of a typed array whose function throws", "Int8Array.of(2, 1).sort(() => { throw new Error('mine') })", "Error: mine"},
		{"sort of a typed array by something else", "Int8Array.of(2, 1).sort(5)", "TypeError: not a function"},

		{"a stack overflow is a RangeError", "function f() { f() } try { f() } catch (e) { [e instanceof RangeError, e.constructor === RangeError, e.name].join() }", "true,true,RangeError"},
		{"the runtime goes on after a stack overflow", "let n = 0; function f() { n++; f() } const deep = () => { n = 0; try { f() } catch {} return n }; const a = deep(), b = deep(); a > 4000 && a === b", "true"},
		{"a stack overflow in a finally", "function f() { try { f() } finally { f.n = (f.n ?? 0) + 1 } } try { f() } catch (e) { e.name + (f.n > 1000) }", "RangeErrortrue"},
		{"a stack overflow in an async function rejects", "async function f() { await f() } let got; f().catch((e) => { got = e.name }); 'started'", "started"},

		{"JSON.parse of a deep text", "JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))", "RangeError: JSON.parse: the value is nested too deeply: a few thousand levels are the most"},
		{"JSON.parse of a deep object", "JSON.parse('{\"a\":'.repeat(1e6) + '1' + '}'.repeat(1e6))", "RangeError: JSON.parse: the value is nested too deeply: a few thousand levels are the most"},
		{"JSON.parse of a text that is deep enough", "let n = 0; for (let a = JSON.parse('['.repeat(4000) + ']'.repeat(4000)); a; a = a[0]) n++; n", "4000"},
		{"JSON.parse of a bad text", "try { JSON.parse('{') } catch (e) { e.name }", "SyntaxError"},
		{"JSON.stringify of a deep value", "let a = []; for (let i = 0; i < 1e6; i++) a = [a]; JSON.stringify(a)", "RangeError: JSON.stringify: the value is nested too deeply: a few thousand levels are the most"},
		{"JSON.stringify passes on what toJSON throws", "JSON.stringify({toJSON() { throw new RangeError('mine') }})", "RangeError: mine"},

		{"a stack has a header line", "new TypeError('bad').stack.split('\\n')[0]", "TypeError: bad"},
		{"a stack has the frames in V8's form", "function f() { return new Error('x') } f().stack", "Error: x\n    at f (test.js:1:32)\n    at <eval> (test.js:1:41)"},
		{"Error.stackTraceLimit is V8's", "Error.stackTraceLimit", "10"},
		{"Error.stackTraceLimit bounds a stack", "function f(n) { return n ? f(n - 1) : new Error('x') } const all = f(30).stack.split('\\n').length; Error.stackTraceLimit = 2; [all, f(30).stack.split('\\n').length].join()", "11,3"},
		{"Error.stackTraceLimit of 0", "Error.stackTraceLimit = 0; new Error('x').stack", "Error: x"},
		{"Error.stackTraceLimit that is no number", "delete Error.stackTraceLimit; String(new Error('x').stack)", "undefined"},
		{"Error.captureStackTrace", "const o = {}; function f() { Error.captureStackTrace(o) } f(); [Object.keys(o).length, o.stack.split('\\n')[1].trim().slice(0, 6)].join()", "0,at f ("},
		{"Error.captureStackTrace leaves out what is above a function", "const o = {}; function f() { g() } function g() { Error.captureStackTrace(o, g) } f(); o.stack.split('\\n')[1].trim().slice(0, 6)", "at f ("},
		{"Error.captureStackTrace obeys the limit", "const o = {}; Error.stackTraceLimit = 0; Error.captureStackTrace(o); o.stack", "Error"},
		{"Error.prepareStackTrace", "Error.prepareStackTrace = (e, sites) => [e.message, sites[0].getFunctionName(), sites[0].getFileName(), sites[0].getLineNumber(), sites[0].getColumnNumber(), sites.length, sites[1] + ''].join(); function foo() { return new Error('x') } foo().stack", "x,foo,test.js,1,229,2,<eval> (test.js:1:240)"},
		{"Error.prepareStackTrace makes any value, once", "let n = 0; Error.prepareStackTrace = (e, sites) => { n++; return sites }; const e = new Error('x'); [Array.isArray(e.stack), e.stack === e.stack, n].join()", "true,true,1"},
		{"Error.prepareStackTrace may read the stack", "Error.prepareStackTrace = (e) => 'seen ' + e.stack.split('\\n')[0]; new Error('x').stack", "seen Error: x"},
		{"Error.prepareStackTrace that throws", "Error.prepareStackTrace = () => { throw new Error('mine') }; let s; try { s = new Error('x').stack } catch (e) { s = e.message } s", "mine"},
		{"Error.prepareStackTrace and captureStackTrace", "Error.prepareStackTrace = (_, sites) => sites; const o = {}; Error.captureStackTrace(o); [o.stack.length, o.stack[0].isNative(), o.stack[0].isAsync()].join()", "1,false,false"},
		{"a stack can be set", "const e = new Error('x'); e.stack = 'mine'; [e.stack, Object.keys(e).length].join()", "mine,0"},
		{"the cause of an error", "const e = new Error('a', {cause: 5}); [e.cause, 'cause' in new Error('a'), new AggregateError([1], 'x').errors].join()", "5,false,1"},

		{"Symbol.dispose and asyncDispose", "[typeof Symbol.dispose, typeof Symbol.asyncDispose, Symbol.dispose.description].join()", "symbol,symbol,Symbol.dispose"},
		{"iterators are disposable", "function* g() { try { yield 1 } finally { out += 'closed' } } let out = ''; const i = g(); i.next(); i[Symbol.dispose](); out", "closed"},
		{"DisposableStack runs backwards, and suppresses", "const l = []; const s = new DisposableStack(); s.use({[Symbol.dispose]() { l.push('a') }}); s.adopt(5, (x) => l.push(x)); s.defer(() => { throw 1 }); s.defer(() => { throw 2 }); s.use(null); try { s.dispose() } catch (e) { l.push(e.name, e.error, e.suppressed) } s.dispose(); [l, s.disposed, s].join()", "5,a,SuppressedError,1,2,true,[object DisposableStack]"},
		{"DisposableStack that was moved", "const s = new DisposableStack(); let n = 0; s.defer(() => n++); const t = s.move(); s.dispose(); const before = n; t[Symbol.dispose](); [before, n, s.disposed].join()", "0,1,true"},
		{"DisposableStack that is over", "const s = new DisposableStack(); s.dispose(); s.defer(() => 0)", "ReferenceError: This stack has been disposed of already."},
		{"DisposableStack of something without a disposer", "new DisposableStack().use({})", "TypeError: DisposableStack.use: the value has no Symbol.dispose method"},
		{"SuppressedError", "const e = SuppressedError(1, 2, 'm'); [e instanceof Error, e.message, e.error, e.suppressed, Object.keys(e).length, e.stack.split('\\n')[0], SuppressedError.length].join()", "true,m,1,2,0,SuppressedError: m,3"},

		{"iterator helpers chain", "[[1, 2, 3].values().filter((x) => x > 1).take(1).toArray(), [...(function* () { yield 1; yield 2; yield 3 })().map((x) => x * 2).drop(1)], new Set([1, 2]).values().flatMap((x) => [x, x]).take(3).toArray()].join(';')", "2;4,6;1,1,2"},
		{"65,534 arguments", "Math.max(...new Array(65534).fill(1))", "1"},
		{"more arguments than that", "Math.max(...new Array(65535).fill(1))", "RangeError: too many arguments in function call (only 65534 allowed)"},
		{"more arguments by apply and construct", "let s = ''; for (const f of [() => Math.max.apply(null, new Array(1e5)), () => Reflect.construct(Date, new Array(1e5)), () => [].push(...new Array(1e5))]) try { f() } catch (e) { s += e.name } s", "RangeErrorRangeErrorRangeError"},
		{"a long array is spread into an array", "[...new Array(1e5)].length", "100000"},

		{"newer features of the language", `[Promise.withResolvers, Promise.try, Object.groupBy, Map.groupBy, new Set().union, new Set().isSubsetOf, Uint8Array.fromBase64, Uint8Array.fromHex,
			new Uint8Array().toBase64, new Uint8Array().setFromBase64, Array.prototype.findLast, Array.prototype.with, Object.hasOwn, 'x'.isWellFormed, new ArrayBuffer().transfer, RegExp.escape, Error.isError, Iterator.from].filter((f) => typeof f !== 'function').length`, "0"},
		{"Uint8Array and base64", "[new Uint8Array([251, 255]).toBase64({alphabet: 'base64url'}), Uint8Array.fromBase64('+/8=').join(), Uint8Array.fromHex('00ff').join(), new Uint8Array([1, 171]).toHex()].join(';')", "-_8=;251,255;0,255;01ab"},
		{"Object.groupBy", "JSON.stringify(Object.groupBy([1, 2, 3], (x) => x % 2 ? 'odd' : 'even'))", `{"odd":[1,3],"even":[2]}`},
		{"duplicate names of groups, and the v flag", `[/(?<y>\d{4})-x|x-(?<y>\d{4})/.exec('x-2024').groups.y, /[\p{L}--[a-z]]/v.test('a'), /^\p{RGI_Emoji}$/v.test('👍🏽'), /(?i:a)b/.test('Ab')].join()`, "2024,false,true,true"},

		{"localeCompare sorts as a person would", "['b', 'a', 'C', 'á', 'Z', 'z', 'ä', 'ö', 'o', '10', '2', ' '].sort((a, b) => a.localeCompare(b)).join()", " ,10,2,a,á,ä,b,C,o,ö,z,Z"},
		{"localeCompare by locale", "['z', 'ä', 'a'].sort((a, b) => a.localeCompare(b, 'sv')).join() + ['z', 'ä', 'a'].sort((a, b) => a.localeCompare(b, ['de'])).join()", "a,z,äa,ä,z"},
		{"localeCompare with options", "['a'.localeCompare('A', undefined, {sensitivity: 'base'}), 'a'.localeCompare('á', 'en', {sensitivity: 'base'}), 'a'.localeCompare('á', 'en', {sensitivity: 'accent'}), 'a'.localeCompare('á', 'en', {sensitivity: 'case'}), 'a'.localeCompare('A', 'en', {sensitivity: 'case'}), 'co-op'.localeCompare('coop', 'en', {ignorePunctuation: true}), 'f10'.localeCompare('f2', 'en', {numeric: true})].join()", "0,0,-1,0,-1,0,1"},
		{"localeCompare of equal texts in different forms", `'\u00e9'.localeCompare('e\u0301')`, "0"},
		{"localeCompare of what is not a string", "['5'.localeCompare(5), 'undefined'.localeCompare()].join()", "0,0"},
		{"localeCompare in a locale that is none", "'a'.localeCompare('b', 'not a locale')", `RangeError: Incorrect locale information provided: "not a locale"`},
		{"localeCompare of null", "String.prototype.localeCompare.call(null, 'a')", "TypeError: String.prototype.localeCompare called on null or undefined"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newTest(t)
			var label Label = Text("test")
			r.Begin(&label)
			v, err := r.Eval("test.js", x.source)
			if err == nil {
				_, err = r.Pump()
			}
			r.End()
			var got string
			var e *Exception
			if errors.As(err, &e) {
				got = e.Error()
			} else if got, err = r.ToString(v); err != nil {
				t.Fatal(err)
			}
			r.Free(v)
			if got != x.want {
				t.Errorf("%s\n got %s\nwant %s", x.source, got, x.want)
			}
			if got := eval(t, r, "[1, 2].map((x) => x + 1).join()"); got != "2,3" {
				t.Errorf("afterwards the runtime answers %s", got)
			}
		})
	}
}

func TestAsyncFaultsOfTheEngine(t *testing.T) {
	for _, x := range []struct{ name, source, want string }{
		{"Array.fromAsync of an iterable", "Array.fromAsync(new Set([1, Promise.resolve(2)]))", "1,2"},
		{"Array.fromAsync of an async iterable, through a function", "Array.fromAsync((async function* () { yield 1; yield 2 })(), async (x, i) => x * 10 + i)", "10,21"},
		{"Array.fromAsync of something like an array", "Array.fromAsync({length: 2, 0: Promise.resolve('a')})", "a,"},
		{"Array.fromAsync asks once for the iterator", "let n = 0; Array.fromAsync({get [Symbol.asyncIterator]() { n++; return undefined }, get [Symbol.iterator]() { n++; return [][Symbol.iterator] }, length: 0}).then(() => n)", "2"},
		{"Array.fromAsync makes what it is called on", "class A { constructor(n) { this.n = n } } Array.fromAsync.call(A, [1]).then((a) => [a instanceof A, a.n, a.length, a[0]].join())", "true,,1,1"},
		{"Array.fromAsync closes what it leaves", "let out = ''; Array.fromAsync((function* () { try { yield 1 } finally { out += 'closed' } })(), () => { throw 1 }).catch((e) => out + e)", "closed1"},
		{"Array.fromAsync of nothing", "Array.fromAsync(null).catch((e) => e.name)", "TypeError"},
		{"Array.fromAsync through something else", "Array.fromAsync([1], {}).catch((e) => e.name)", "TypeError"},
		{"AsyncDisposableStack waits, backwards", "let out = ''; const s = new AsyncDisposableStack(); s.defer(() => { out += 'c' }); s.use({async [Symbol.asyncDispose]() { await null; out += 'b' }}); s.use({[Symbol.dispose]() { out += 'a'; return new Promise(() => {}) }}); s.disposeAsync().then(() => out + s.disposed)", "abctrue"},
		{"AsyncDisposableStack suppresses", "const s = new AsyncDisposableStack(); s.defer(async () => { throw 1 }); s.adopt(2, async (x) => { throw x }); s[Symbol.asyncDispose]().catch((e) => [e.name, e.error, e.suppressed].join())", "SuppressedError,1,2"},
		{"AsyncDisposableStack is called on something else", "AsyncDisposableStack.prototype.disposeAsync.call({}).catch((e) => e.name)", "TypeError"},
		{"Promise.withResolvers and Promise.try", "const {promise, resolve} = Promise.withResolvers(); resolve(1); Promise.all([promise, Promise.try((x) => x, 2)])", "1,2"},
		{"what a program has replaced is not used", "Function.prototype.call = Function.prototype.apply = Array.prototype.push = null; Object.defineProperty(Object.prototype, 'value', {get() { throw 1 }, set() { throw 1 }, configurable: true}); const s = new AsyncDisposableStack(); s.defer(() => 0); s.disposeAsync().then(() => Array.fromAsync([3]))", "3"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newTest(t)
			p := mustEval(t, r, x.source)
			if _, err := r.Pump(); err != nil {
				t.Fatal(err)
			}
			if r.PromiseState(p) != Fulfilled {
				t.Fatalf("%s: %v", x.source, r.Describe(r.PromiseResult(p)))
			}
			v := r.PromiseResult(p)
			if got, err := r.ToString(v); err != nil || got != x.want {
				t.Errorf("%s\n got %s %v\nwant %s", x.source, got, err, x.want)
			}
			r.FreeAll(p, v)
		})
	}
}

func TestWeakRefsOfATurn(t *testing.T) {
	r := newTest(t)
	var label Label = Text("test")
	turn := func(source string) string {
		t.Helper()
		r.Begin(&label)
		defer r.End()
		v := mustEval(t, r, source)
		defer r.Free(v)
		if _, err := r.Pump(); err != nil {
			t.Fatal(err)
		}
		s, err := r.ToString(v)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	// A target that nothing else holds is there as long as the turn in which the reference was made.
	if got := turn("const w = new WeakRef({n: 1}); const first = w.deref().n; let later; Promise.resolve().then(() => { later = w.deref()?.n }); String(first)"); got != "1" {
		t.Errorf("in its turn: %s", got)
	}
	if got := turn("[later, w.deref()].join()"); got != "1," {
		t.Errorf("after its turn: %s", got)
	}
	// And one that was looked at, as long as the turn in which it was.
	turn("let strong = {n: 2}; const v = new WeakRef(strong); 0")
	if got := turn("v.deref(); strong = null; String(v.deref().n)"); got != "2" {
		t.Errorf("in the turn that looked at it: %s", got)
	}
	if got := turn("String(v.deref())"); got != "undefined" {
		t.Errorf("afterwards: %s", got)
	}
	for range 2 {
		turn("for (let i = 0; i < 1000; i++) new WeakRef({}).deref(); 0")
		if n := len(r.kept); n != 0 {
			t.Errorf("%d targets are kept beyond their turn", n)
		}
	}
	if got := turn("try { WeakRef({}) } catch (e) { try { new WeakRef(1) } catch (f) { [e.name, f.name, Object.prototype.toString.call(new WeakRef(Symbol()))].join() } }"); got != "TypeError,TypeError,[object WeakRef]" {
		t.Errorf("the constructor: %s", got)
	}
}
