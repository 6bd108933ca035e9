package vm

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestBombs lets hostile programs exhaust a small runtime in many shapes. Each
// must end in an error, or in a caught one, with the process and another
// runtime unharmed.
func TestBombs(t *testing.T) {
	bystander := newTest(t)
	for _, x := range []struct{ name, source string }{
		{"string doubling", "let s = 'x'; for (;;) s += s"},
		{"string doubling, caught", "let s = 'x'; for (;;) try { s += s } catch { break }; s.length"},
		{"array push", "const a = []; for (;;) a.push({})"},
		{"array push, caught", "const a = []; for (;;) try { for (;;) a.push({a:1}) } catch {}"},
		{"array of strings", "const a = []; let i = 0; for (;;) a.push('string number ' + i++)"},
		{"array buffers", "const a = []; for (;;) a.push(new ArrayBuffer(1<<20))"},
		{"one array buffer", "new ArrayBuffer(2**31-1)"},
		{"map", "const m = new Map(); for (let i = 0;; i++) m.set(i, [i])"},
		{"set", "const m = new Set(); for (let i = 0;; i++) m.add('k'+i)"},
		{"object keys", "const m = {}; for (let i = 0;; i++) m['k'+i] = i"},
		{"closures", "let f = () => 0; for (;;) { const g = f; f = () => g }"},
		{"promises", "const a = []; for (;;) a.push(Promise.resolve([]).then(x => x))"},
		{"deep recursion", "function f(a) { return f([a]) + 1 } f(0)"},
		{"deep recursion, caught", "function f() { try { f() } catch { f() } } let n = 0; function g() { n++; g() } try { g() } catch {} n > 100"},
		{"getter recursion", "const o = { get a() { return this.a } }; o.a"},
		{"proxy recursion", "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x"},
		{"toString recursion", "const a = []; a[0] = a; const b = []; b.toString = () => b + ''; b + ''"},
		{"array nesting join", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; a.join()"},
		{"giant JSON text", "let s = '['.repeat(1e6); JSON.parse(s)"},
		{"giant JSON value", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; JSON.stringify(a)"},
		{"wide JSON", "const a = new Array(1e6).fill('abcdefghij'); for (;;) JSON.parse(JSON.stringify(a)), a.push(...a.slice(0, 1000))"},
		{"regex memory", "const s = 'a'.repeat(1e6); for (;;) s.match(/(a)|b/g)"},
		{"regex backtracking", "/^(a+)+$/.test('a'.repeat(40) + 'b')"},
		{"regex source", "new RegExp('(a{255}){255}'.repeat(100)).test('a')"},
		{"repeat", "'x'.repeat(2**30-3)"},
		{"padStart", "'x'.padStart(2**30-3, 'abc')"},
		{"split", "'x'.repeat(1e7).split('')"},
		{"replace", "'x'.repeat(1e6).replace(/x/g, 'y'.repeat(1000))"},
		{"bigint", "let b = 3n; for (;;) b = b * b"},
		{"bigint shift", "1n << (2n**31n)"},
		{"spread", "Math.max(...new Array(1e6).fill(1))"},
		{"typed array", "const a = []; for (;;) a.push(new Float64Array(1e5))"},
		{"generators", "function* g() { yield* g() } for (const x of g()) ;"},
		{"symbols", "const a = []; for (;;) a.push(Symbol('x'.repeat(100)))"},
		{"weak refs", "const a = []; for (;;) a.push(new WeakRef({}))"},
		{"functions from text", "const a = []; for (let i = 0;; i++) a.push(new Function('return ' + i))"},
		{"nested source", "eval('('.repeat(1e5) + ')'.repeat(1e5))"},
		{"endless loop", "for (;;) ;"},
		{"endless catch", "for (;;) try { throw 1 } catch {} finally { continue }"},
		{"sparse join", "Array(2**31).join('')"},
		{"sparse length", "const a = []; a.length = 2**32-1; a.reverse()"},
		{"array-like", "Array.prototype.indexOf.call({length: 2**53-1}, 1)"},
		{"array fill", "Array.prototype.fill.call({length: 2**53-1}, 1)"},
		{"array from", "Array.from({length: 2**53-1})"},
		{"sort", "const a = new Array(1e6).fill(0).map((_, i) => i * 7919 % 1e6); for (;;) a.sort((x, y) => Math.random() - .5)"},
		{"typed sort", "new Float64Array(1e6).sort(() => { for (;;) ; })"},
		{"concat", "let a = new Array(1e5).fill(1); for (;;) a = a.concat(a)"},
		{"flat", "let a = [1]; for (let i = 0; i < 40; i++) a = [a, a]; a.flat(Infinity)"},
		{"errors", "const a = []; for (;;) a.push(new Error('x'))"},
		{"error in error", "function f() { throw new Error(f()) } f()"},
		{"apply", "Math.max.apply(null, {length: 2**32})"},
		{"date", "for (;;) new Date('2020-01-01')"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r, err := New(Options{MemoryLimit: 16 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			r.SetLimit(200 * time.Millisecond)
			done := make(chan struct{})
			w := Watchdog{Every: 5 * time.Millisecond, StuckAfter: 20 * time.Second, Stuck: func(x Running) {
				panic(fmt.Sprintf("stuck for %v in %s", x.For, x.Label))
			}}
			go w.Run(done)
			defer close(done)
			var label Label = Text(x.name)
			start := time.Now()
			r.Begin(&label)
			v, err := r.Eval("bomb.js", x.source)
			if err == nil {
				_, err = r.Pump()
			}
			r.End()
			r.Free(v)
			var e *Exception
			var fault *FaultError
			kind := "none"
			switch {
			case errors.Is(err, ErrInterrupted), errors.Is(err, ErrOutOfMemory):
				kind = err.Error()
			case errors.As(err, &e):
				kind = "exception " + e.Error()
			case errors.As(err, &fault):
				kind = fmt.Sprintf("fault: %v", fault.Cause)
			case err != nil:
				t.Errorf("unexpected error %v", err)
			}
			t.Logf("%v: %.80s", time.Since(start).Round(time.Millisecond), kind)
			if r.Err() == nil {
				if got := eval(t, r, "1+1"); got != "2" {
					t.Errorf("afterwards 1+1 = %s", got)
				}
			}
		})
	}
	if got := eval(t, bystander, "[1,2,3].join('')"); got != "123" {
		t.Errorf("another runtime: %s", got)
	}
}
