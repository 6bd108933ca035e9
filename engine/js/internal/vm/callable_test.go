package vm

import (
	"strings"
	"testing"
)

var (
	holder  *Callable
	anyName = RegisterWildcard("Any", func(r *Runtime, receiver, name Value) (Value, error) {
		if r.GoString(name) == "bad" {
			return Undefined, RangeError("no")
		}
		list, err := r.Array()
		for i, v := range []Value{receiver, name} {
			if err == nil {
				err = r.DefineIndex(list, uint32(i), r.Dup(v))
			}
		}
		return list, err
	})
	hostHold = RegisterHost("hold", 3, func(r *Runtime, _ Value, args Args) (Value, error) {
		kind, _ := args.At(1).Int32()
		return r.Callable(holder, args.At(0), uint64(kind), args.At(2))
	})
	hostFollow = RegisterHost("follow", 1, func(r *Runtime, _ Value, args Args) (Value, error) {
		r.Follow(holder, 1, args.At(0))
		return Undefined, nil
	})
)

func init() {
	holder = RegisterCallable("Holder", func(r *Runtime, this Value, args Args) (Value, error) {
		kind, held, _ := r.Held(holder, this)
		if kind == 9 {
			return Undefined, RangeError("kind %d", kind)
		}
		if len(args) > 0 {
			return r.Dup(args[0]), nil
		}
		return r.Dup(held[0]), nil
	})
}

func newCallables(t *testing.T) *Runtime {
	t.Helper()
	r := newTest(t)
	global := r.Global()
	defer r.Free(global)
	wildcard, err := r.Wildcard(anyName)
	if err == nil {
		err = r.SetName(global, "any", wildcard)
	}
	for _, id := range []HostID{hostHold, hostFollow} {
		if err == nil {
			err = r.SetFunction(global, id)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCallable(t *testing.T) {
	r := newCallables(t)
	for _, tt := range []struct{ source, want string }{
		{`const P = {__proto__: Function.prototype}; const x = {}; globalThis.f = hold(P, 1, x); f() === x`, "true"},
		{`typeof f + Object.getOwnPropertyNames(f).length + (Object.getPrototypeOf(f) === P)`, "function0true"},
		{`f(5)`, "5"},
		{`f.call(null, 6) + f.apply(null, [7]) + f.bind(null)(8)`, "21"},
		{`try { new f() } catch (e) { e.name }`, "TypeError"},
		{`try { hold(P, 9, 0)() } catch (e) { e + "" }`, "RangeError: kind 9"},
		{`f.own = 1; f.own + Object.keys(f)`, "1own"},
		{`Object.prototype.toString.call(f) + Function.prototype.toString.call(f).includes("native code")`, "[object Function]true"},
	} {
		if got := eval(t, r, tt.source); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}

// TestCallableCycle collects callables that nothing but what they hold refers to.
func TestCallableCycle(t *testing.T) {
	r := newCallables(t)
	r.Free(mustEval(t, r, `
		globalThis.refs = [];
		for (let i = 0; i < 10; i++) { const o = {}; o.f = hold(null, 0, o); o.g = o.f; refs.push(new WeakRef(o)); }
		0`))
	if _, err := r.Pump(); err != nil {
		t.Fatal(err)
	}
	r.RunGC()
	if got := eval(t, r, `refs.filter((w) => w.deref() !== undefined).length`); got != "0" {
		t.Errorf("%s cycles of 10 are still there after a collection", got)
	}
}

func TestWildcard(t *testing.T) {
	r := newCallables(t)
	for _, tt := range []struct{ source, want string }{
		{`const o = {__proto__: {__proto__: any, there: 1}}; o.x[0] === o && o.x[1]`, "x"},
		{`typeof o[12][1] + o[12][1]`, "string12"},
		{`o.there`, "1"},
		{`String(o.then) + String(o[Symbol.iterator]) + String(o[Symbol("s")])`, "undefinedundefinedundefined"},
		{`o.hasOwnProperty === Object.prototype.hasOwnProperty`, "true"},
		{`o.__proto__.there`, "1"},
		{`("x" in o) + "" + ("toString" in o) + (o instanceof Object)`, "falsetruetrue"},
		{`try { o.bad } catch (e) { e + "" }`, "RangeError: no"},
		{`o.x = 3; o.x + Object.keys(o)`, "3x"},
		{`try { o.y(1) } catch (e) { e + "" }`, "TypeError: not a function"},
	} {
		if got := eval(t, r, tt.source); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}

// TestFollow resolves promises with callables: they take as many jobs as they do by the callable's own then.
func TestFollow(t *testing.T) {
	const source = `
		globalThis.log = []; globalThis.then = Promise.prototype.then;
		const P = {then(ok, failed) { return then.call(this(), ok, failed) }};
		FOLLOW
		let q = Promise.resolve(); for (let i = 0; i < 8; i++) q = q.then(() => log.push(i));
		let settle; const later = new Promise((_, no) => settle = no);
		const watch = (name, p) => p.then((v) => log.push(name + v), (e) => log.push(name + "!" + e));
		watch("settled", (async () => await hold(P, 1, Promise.resolve(1)))());
		watch("returned", (async () => hold(P, 1, Promise.resolve(2)))());
		watch("rejected", Promise.resolve(hold(P, 1, Promise.reject(3))));
		watch("later", (async () => await hold(P, 1, later))());
		watch("other kind", Promise.resolve(hold(P, 2, Promise.resolve(4))));
		watch("nested", Promise.resolve(hold(P, 1, Promise.resolve(hold(P, 1, Promise.resolve(5))))));
		q.then(() => settle(6));
		0`
	logOf := func(follow string) string {
		r := newCallables(t)
		r.Free(mustEval(t, r, strings.Replace(source, "FOLLOW", follow, 1)))
		if _, err := r.Pump(); err != nil {
			t.Fatal(err)
		}
		return eval(t, r, `log.join(" ")`)
	}
	want := logOf("")
	if got := logOf("follow(P.then);"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	const replaced = `follow(P.then); P.then = function (ok) { ok("mine") };`
	if got := logOf(replaced); !strings.Contains(got, "settledmine") {
		t.Errorf("a then of the program's is not called: %s", got)
	}
}
