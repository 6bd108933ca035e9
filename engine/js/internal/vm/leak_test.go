package vm

import "testing"

// TestNoLeak runs each path a few hundred times and counts what is left after a
// collection: a forgotten Free keeps an object from the collector too.
func TestNoLeak(t *testing.T) {
	r := newTest(t)
	g := r.Global()
	for _, id := range []HostID{hostReady, hostThrow, hostNoop} {
		if err := r.SetFunction(g, id); err != nil {
			t.Fatal(err)
		}
	}
	r.Free(g)
	handler := mustEval(t, r, `(async (x, s) => {
		await ready(x); noop(s);
		try { fail() } catch (e) { e.stack }
		try { await Promise.reject(new Error('x')) } catch {}
		[3, 1, 2].sort((a, b) => a - b); ['b', 'a'].toSorted();
		[1, 2, 3].values().filter(x => x).take(1).toArray();
		BigInt.asUintN(64, -5n); Array.from([1]).concat([2]).join();
		if (x === 7) throw new TypeError(s + x);
		return {x, s};
	})`)
	pending := mustEval(t, r, "(async p => [await p])")
	count := func() int64 {
		r.RunGC()
		s, err := r.Stats()
		if err != nil {
			t.Fatal(err)
		}
		return s.Objects + s.Strings
	}
	once := func(i int32) {
		s, _ := r.String("some text")
		p, err := r.Call(handler, Undefined, Int(i%10), s)
		if err != nil {
			t.Fatal(err)
		}
		r.Free(s)
		q, _ := r.PendingPromise()
		a, err := r.Call(pending, Undefined, q)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			o, _ := r.Object()
			r.Resolve(q, o)
		} else {
			r.RejectWith(q, TypeError("no"))
		}
		if _, err := r.Pump(); err != nil {
			t.Fatal(err)
		}
		for _, v := range []Value{p, a} {
			switch r.PromiseState(v) {
			case Fulfilled:
				r.Free(r.PromiseResult(v))
			case Rejected:
				r.Describe(r.PromiseResult(v))
			default:
				t.Fatal("pending")
			}
		}
		r.Unhandled(func(_, _ Value) { t.Error("unhandled") })
		r.FreeAll(p, a, q)
		if _, err := r.Eval("bad.js", "throw {a: 1}"); err == nil {
			t.Fatal("no error")
		}
		j, _ := r.ParseJSON([]byte(`{"a": [1, "x"]}`))
		r.AppendJSON(nil, j)
		r.Free(j)
	}
	for i := range int32(20) {
		once(i)
	}
	was := count()
	usedBefore, _ := r.Memory() // a leaked string has no owner that Stats could find
	for i := range int32(300) {
		once(i)
	}
	now := count()
	if used, _ := r.Memory(); used > usedBefore+16<<10 {
		t.Errorf("%d bytes before, %d after", usedBefore, used)
	}
	if now > was+20 {
		t.Errorf("%d objects and strings before, %d after", was, now)
	}
}
