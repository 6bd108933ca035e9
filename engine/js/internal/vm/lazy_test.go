package vm

import (
	"errors"
	"testing"
)

// TestLazy: the value of a lazy property is made once, by whatever looks at it, and not where nobody needs it; the engine's own
// lazy properties are as they were.
func TestLazy(t *testing.T) {
	r, err := New(Options{MaxStack: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeIdle()
	made := ""
	r.Lazy = func(name string) (v Value, err error) {
		err = r.Whole(func() error {
			made += name
			v, err = r.Eval("lazy.js", "(function f(n) { return n === 0 ? {} : f(n - 1) })(150)")
			return err
		})
		return v, err
	}
	global := r.Global()
	defer r.Free(global)
	for _, name := range []string{"a", "b", "c", "d"} {
		if err := r.DefineLazy(global, name, Method); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ source, want, made string }{
		{`String("a" in globalThis)`, "true", ""},
		{`String(Object.getOwnPropertyNames(globalThis).includes("a"))`, "true", ""},
		{`String(a === a && a === globalThis.a)`, "true", "a"},
		{`JSON.stringify(Object.getOwnPropertyDescriptor(globalThis, "b"))`, `{"value":{},"writable":true,"enumerable":false,"configurable":true}`, "ab"},
		{`c = 1; String(c)`, "1", "abc"},
		// With no stack left.
		{`let seen; (function deep() { try { deep() } catch { seen ??= typeof d } })(); seen`, "object", "abcd"},
		{`typeof Reflect.ownKeys + typeof Math.max + typeof JSON.parse`, "functionfunctionfunction", "abcd"},
	} {
		v, err := r.Eval("test.js", c.source)
		if err != nil {
			t.Fatalf("%s: %v", c.source, err)
		}
		if got := r.GoString(v); got != c.want || made != c.made {
			t.Errorf("%s = %s, made %q; want %s, made %q", c.source, got, made, c.want, c.made)
		}
		r.Free(v)
	}
}

// TestWhole: an interrupt strikes behind it, and MaxStack is what it was.
func TestWhole(t *testing.T) {
	r, err := New(Options{MaxStack: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeIdle()
	var label Label = Text("a turn")
	r.Begin(&label)
	r.Interrupt()
	deep := "(function f(n) { return n === 0 ? 1 : f(n - 1) })"
	if err := r.Whole(func() error {
		return r.Whole(func() error { _, err := r.Eval("test.js", deep+"(1000); for (let i = 0; i < 1e5; i++) {}"); return err })
	}); err != nil {
		t.Errorf("inside: %v", err)
	}
	if _, err := r.Eval("test.js", deep+"(1)"); !errors.Is(err, ErrInterrupted) {
		t.Errorf("behind: %v", err)
	}
	r.End()
	r.Begin(&label)
	defer r.End()
	if _, err := r.Eval("test.js", deep+"(1000)"); err == nil {
		t.Error("the stack has no end any more")
	}
}

// TestAlias: objects that share a handle are ended together, and the handle lives until the last of them is dropped.
func TestAlias(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeIdle()
	ended := 0
	class := RegisterClass("Aliased", func(*Runtime, uint64) { ended++ })
	proto, err := r.Object()
	if err != nil {
		t.Fatal(err)
	}
	pair := func() (v, w Value, h Handle) {
		v, h, err := r.HostObject(class, Undefined, 7)
		if err != nil {
			t.Fatal(err)
		}
		if w, err = r.Alias(class, v, proto); err != nil {
			t.Fatal(err)
		}
		if p, ok := r.Payload(class, w); !ok || p != 7 {
			t.Fatalf("the alias carries %d, %v", p, ok)
		}
		return v, w, h
	}
	v, w, _ := pair()
	r.Free(v)
	if p, ok := r.Payload(class, w); ended != 0 || !ok || p != 7 {
		t.Errorf("after the first is dropped: ended %d, payload %d, %v", ended, p, ok)
	}
	r.Free(w)
	if ended != 1 {
		t.Errorf("after both are dropped: ended %d", ended)
	}
	v, w, h := pair()
	if !r.SetPayload(class, w, 8) {
		t.Error("SetPayload refuses")
	}
	if p, _ := r.Payload(class, v); p != 8 {
		t.Errorf("the other carries %d", p)
	}
	r.Revoke(h)
	if _, ok := r.Payload(class, w); ok || ended != 2 || r.SetPayload(class, w, 9) {
		t.Errorf("after it was revoked: payload %v, ended %d", ok, ended)
	}
	if _, err := r.Alias(class, w, proto); err != nil {
		t.Errorf("alias of what was revoked: %v", err)
	}
	if _, err := r.Alias(class, proto, proto); err == nil {
		t.Error("an alias of something else")
	}
	r.FreeAll(v, w, proto)
	if ended != 2 {
		t.Errorf("ended %d", ended)
	}
}

// TestBoundCall: a bound Function.prototype.call is what it was.
func TestBoundCall(t *testing.T) {
	r, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.closeIdle()
	for _, c := range []struct{ source, want string }{
		{`const call = Function.prototype.call, un = call.bind.bind(call); un(String.prototype.slice)("hello", 1, 3)`, "el"},
		{`un(Array.prototype.push)([1], 2, 3) + ""`, "3"},
		{`un(function () { return [typeof this, arguments.length].join() })("x", 1)`, "object,1"},
		{`un(Object.prototype.toString)()`, "[object Undefined]"},
		{`call.bind(String.prototype.slice, "hello")(3)`, "lo"},
		{`try { un(Map.prototype.get)({}, 1) } catch (e) { e.name }`, "TypeError"},
		{`try { new (un(String.prototype.slice))() } catch (e) { e.name }`, "TypeError"},
		{`try { un({})() } catch (e) { e.name }`, "TypeError"},
		{`Math.max.bind(null, 5)(3) + ""`, "5"},
		{`un(Array.prototype.map)([1, 2], (v) => v * 2).join()`, "2,4"},
	} {
		v, err := r.Eval("test.js", c.source)
		if err != nil {
			t.Errorf("%s: %v", c.source, err)
			continue
		}
		if got := r.GoString(v); got != c.want {
			t.Errorf("%s = %s, want %s", c.source, got, c.want)
		}
		r.Free(v)
	}
}
