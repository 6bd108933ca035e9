package vm

import (
	"errors"
	"strings"
	"testing"
)

func newTest(t testing.TB) *Runtime {
	t.Helper()
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// eval runs source and returns its value as text.
func eval(t testing.TB, r *Runtime, source string) string {
	t.Helper()
	v, err := r.Eval("test.js", source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	s, err := r.ToString(v)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	r.Free(v)
	return s
}

func TestEval(t *testing.T) {
	r := newTest(t)
	for _, x := range []struct{ source, want string }{
		{"1+1", "2"},
		{"'a'+'b'", "ab"},
		{"[1,2,3].map(x => x*2).join()", "2,4,6"},
		{"typeof InternalError", "undefined"},
		{"function deep(n){ return deep(n+1)+1 } try { deep(0) } catch (e) { e instanceof RangeError }", "true"},
		{"(() => { try { null.x } catch (e) { return e.stack.split('\\n')[0] } })()", "TypeError: cannot read property 'x' of null"},
		{"new Error('boom').stack.split('\\n')[0]", "Error: boom"},
		{"Reflect.ownKeys(new Error('boom')).join()", "message"},
		{"const e = new Error('a'); e.stack = 'mine'; e.stack", "mine"},
		{"({stack: 5}).stack", "5"},
	} {
		if got := eval(t, r, x.source); got != x.want {
			t.Errorf("%s = %q, want %q", x.source, got, x.want)
		}
	}
}

func TestException(t *testing.T) {
	r := newTest(t)
	_, err := r.Eval("file.js", "function f() {\n  throw new TypeError('no');\n}\nf()")
	var e *Exception
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if e.Name != "TypeError" || e.Message != "no" || !strings.HasPrefix(e.Stack, "TypeError: no\n    at f (file.js:2:") {
		t.Errorf("got %+v", e)
	}
	if len(e.Frames) < 2 || e.Frames[0] != (Frame{"f", "file.js", 2, e.Frames[0].Col}) {
		t.Errorf("frames %+v", e.Frames)
	}
}

var hostAdd = RegisterHost("add", 2, func(r *Runtime, this Value, args Args) (Value, error) {
	a, _ := args.At(0).Float64()
	b, _ := args.At(1).Float64()
	return Float(a + b), nil
})

var hostReady = RegisterHost("ready", 1, func(r *Runtime, this Value, args Args) (Value, error) {
	return r.ResolvedPromise(r.Dup(args.At(0)))
})

func TestHostAndPromises(t *testing.T) {
	r := newTest(t)
	g := r.Global()
	defer r.Free(g)
	for _, id := range []HostID{hostAdd, hostReady} {
		if err := r.SetFunction(g, id); err != nil {
			t.Fatal(err)
		}
	}
	if got := eval(t, r, "add(20, 22)"); got != "42" {
		t.Errorf("add: %s", got)
	}
	f, err := r.Eval("x.js", "(async x => { const y = await ready(x); return y + 1 })")
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Call(f, Undefined, Int(6))
	if err != nil {
		t.Fatal(err)
	}
	if s := r.PromiseState(p); s != Pending {
		t.Errorf("state %v before the pump", s)
	}
	if _, err := r.Pump(); err != nil {
		t.Fatal(err)
	}
	if s := r.PromiseState(p); s != Fulfilled {
		t.Errorf("state %v", s)
	}
	if n, _ := r.PromiseResult(p).Int32(); n != 7 {
		t.Errorf("result %v", n)
	}
	r.FreeAll(f, p)
}

func BenchmarkCallJS(b *testing.B) {
	r := newTest(b)
	f, _ := r.Eval("x.js", "(x => x)")
	b.ReportAllocs()
	for b.Loop() {
		v, err := r.Call(f, Undefined, Int(1))
		if err != nil {
			b.Fatal(err)
		}
		r.Free(v)
	}
}

func BenchmarkCallGo(b *testing.B) {
	r := newTest(b)
	g := r.Global()
	r.SetFunction(g, hostAdd)
	f, _ := r.Eval("x.js", "(n => { for (let i = 0; i < n; i++) add(i, 1) })")
	b.ReportAllocs()
	const n = 1000
	for b.Loop() {
		if _, err := r.Call(f, Undefined, Int(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/call")
}

func BenchmarkAsyncHandler(b *testing.B) {
	r := newTest(b)
	g := r.Global()
	r.SetFunction(g, hostReady)
	f, _ := r.Eval("x.js", "(async x => { await ready(1); return x })")
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.Call(f, Undefined, Int(1))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Pump(); err != nil {
			b.Fatal(err)
		}
		if r.PromiseState(p) != Fulfilled {
			b.Fatal("pending")
		}
		r.Free(r.PromiseResult(p))
		r.Free(p)
	}
}

func BenchmarkNewRuntime(b *testing.B) {
	b.ReportAllocs()
	var used int64
	for b.Loop() {
		r, err := New(Options{})
		if err != nil {
			b.Fatal(err)
		}
		used, _ = r.Memory()
		r.Close()
	}
	b.ReportMetric(float64(used), "heap-B")
}
