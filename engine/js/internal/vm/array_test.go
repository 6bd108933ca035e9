package vm

import "testing"

// An array is made of values that stay the caller's.
func TestArrayOf(t *testing.T) {
	r := newTest(t)
	for _, n := range []int{0, 1, 3, 5000} {
		shared, err := r.Eval("x.js", "({ n: 7 })")
		if err != nil {
			t.Fatal(err)
		}
		values := make([]Value, n)
		for i := range values {
			values[i] = shared
		}
		if n > 1 {
			values[1] = Int(5)
		}
		a, err := r.ArrayOf(values)
		if err != nil {
			t.Fatal(err)
		}
		if n > 2 && r.Alone(shared) {
			t.Error("the array does not have what is in it")
		}
		if err := r.SetName(r.Global(), "a", a); err != nil {
			t.Fatal(err)
		}
		want := map[int]string{0: "true,0,undefined", 1: "true,1,[object Object]", 3: "true,3,[object Object]5[object Object]", 5000: "true,5000,[object Object]5"}[n]
		if got := eval(t, r, `[Array.isArray(a), a.length, a.length < 100 ? a.length ? a.join("") : a[0] + "" : a.slice(0, 2).join("")].join()`); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
		if got := eval(t, r, `a.push(1), a.pop(), a.reverse().length`); got != map[int]string{0: "0", 1: "1", 3: "3", 5000: "5000"}[n] {
			t.Errorf("%d: %s", n, got)
		}
		eval(t, r, `a = null`)
		if !r.Alone(shared) {
			t.Errorf("%d: references are left", n)
		}
		r.Free(shared)
	}
}

func TestIsBytes(t *testing.T) {
	r := newTest(t)
	for source, want := range map[string]bool{
		"new ArrayBuffer(1)": true, "new Uint8Array(1)": true, "new Float64Array(1)": true, "new DataView(new ArrayBuffer(1))": true,
		"(() => { const b = new ArrayBuffer(1); b.transfer(); return b })()": true, "[1]": false, "({})": false, "'x'": false, "new Map()": false,
	} {
		v, err := r.Eval("x.js", source)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.IsBytes(v); got != want {
			t.Errorf("%s: %v", source, got)
		}
		r.Free(v)
	}
}
