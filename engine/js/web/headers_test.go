package web

import (
	"testing"
)

func TestHeaders(t *testing.T) {
	cases(t, []jsCase{
		{"names are lower-cased", `return [...new Headers({"X-Foo": "1"}).keys()].join()`, "x-foo"},
		{"get joins values in order", `const h = new Headers(); h.append("a", "1"); h.append("A", "2"); return h.get("a")`, "1, 2"},
		{"get of a missing name is null", `return String(new Headers().get("a"))`, "null"},
		{"has ignores case", `return String(new Headers({a: ""}).has("A"))`, "true"},
		{"set replaces all values at the first place", `const h = new Headers([["a", "1"], ["b", "2"], ["a", "3"]]); h.set("a", "4"); return JSON.stringify([...h])`, `[["a","4"],["b","2"]]`},
		{"delete removes all values", `const h = new Headers([["a", "1"], ["b", "2"], ["A", "3"]]); h.delete("a"); return JSON.stringify([...h])`, `[["b","2"]]`},
		{"iteration is sorted and combined", `return JSON.stringify([...new Headers([["b", "1"], ["a", "2"], ["b", "3"]])])`, `[["a","2"],["b","1, 3"]]`},
		{"set-cookie is not combined", `return JSON.stringify([...new Headers([["set-cookie", "1"], ["a", "2"], ["Set-Cookie", "3"]])])`, `[["a","2"],["set-cookie","1"],["set-cookie","3"]]`},
		{"getSetCookie lists each", `return JSON.stringify(new Headers([["set-cookie", "1"], ["Set-Cookie", "3"]]).getSetCookie())`, `["1","3"]`},
		{"getSetCookie of none is empty", `return JSON.stringify(new Headers().getSetCookie())`, `[]`},
		{"getAll is for Set-Cookie only", `return new Headers().getAll("a")`, `rejects TypeError: getAll() can only be used with the header name "Set-Cookie".`},
		{"values are stripped of white space", `return JSON.stringify(new Headers({a: " \t\r\nx y\n "}).get("a"))`, `"x y"`},
		{"a value keeps bytes above 127", `return new Headers({a: "\u00e9"}).get("a")`, "é"},
		{"a value above 255 is refused", `new Headers({a: "\u0100"})`, `rejects TypeError: Invalid header value for "a": "Ā"`},
		{"a value with a line break inside is refused", `new Headers().append("a", "x\r\ny")`, `rejects TypeError: Invalid header value for "a": "x\r\ny"`},
		{"a value with a NUL is refused", `new Headers().set("a", "x\0y")`, `rejects TypeError: Invalid header value for "a": "x\u0000y"`},
		{"an empty name is refused", `new Headers().append("", "x")`, `rejects TypeError: Invalid header name: ""`},
		{"a name with a space is refused", `new Headers().get("a b")`, `rejects TypeError: Invalid header name: "a b"`},
		{"a name beyond ASCII is refused", `new Headers().has("\u0130")`, `rejects TypeError: Invalid header name: "İ"`},
		{"a name is refused by delete", `new Headers().delete("a:")`, `rejects TypeError: Invalid header name: "a:"`},
		{"append needs two arguments", `new Headers().append("a")`, `rejects TypeError: Headers.append needs a name and a value`},
		{"null is not an initial value", `new Headers(null)`, `rejects TypeError: Headers: the initial value must be Headers, pairs or an object, not null`},
		{"a number is not an initial value", `new Headers(1)`, `rejects TypeError: Headers: the initial value must be Headers, pairs or an object, not number`},
		{"a pair of three is refused", `new Headers([["a", "b", "c"]])`, `rejects TypeError: Headers: each entry must be a pair of a name and a value`},
		{"a pair of one is refused", `new Headers([["a"]])`, `rejects TypeError: Headers: each entry must be a pair of a name and a value`},
		{"a string is not a pair", `new Headers(["ab"])`, `rejects TypeError: Headers: each entry must be a pair of a name and a value`},
		{"pairs may be any iterables", `return new Headers(new Map([["a", 1]])).get("a") + new Headers(new Set([new Set(["b", 2])])).get("b")`, "12"},
		{"a record's inherited names are left out", `return [...new Headers(Object.create({a: "1"}, {b: {value: "2", enumerable: true}, c: {value: "3"}})).keys()].join()`, "b"},
		{"a record with a getter", `return new Headers({get a() { return "1" }}).get("a")`, "1"},
		{"a record with a getter that throws", `new Headers({a: "1", get b() { throw "no" }})`, "rejects no"},
		{"a record's order and doubles", `return JSON.stringify([...new Headers({b: "2", A: "1", a: "3"})])`, `[["a","1, 3"],["b","2"]]`},
		{"a record's values are made strings", `return new Headers({a: 1, b: null, c: {toString() { return " x " }}}).get("c") + new Headers({a: 1}).get("a")`, "x1"},
		{"an instance of a class is a record", `class R { a = "1" } return new Headers(new R()).get("a")`, "1"},
		{"a proxy is a record", `return new Headers(new Proxy({a: "1"}, {})).get("a")`, "1"},
		{"a record's symbol is refused", `new Headers({[Symbol("s")]: "1"})`, `rejects TypeError: Headers: a symbol cannot be a name`},
		{"a Headers is copied", `const a = new Headers({x: "1"}), b = new Headers(a); b.set("x", "2"); return a.get("x") + b.get("x")`, "12"},
		{"an overridden iterator is used", `const a = new Headers({x: "1"}); a[Symbol.iterator] = function* () { yield ["y", "2"] }; return [...new Headers(a).keys()].join()`, "y"},
		{"forEach passes value, name, headers", `const h = new Headers({b: "2", a: "1"}); let s = ""; h.forEach(function (v, k, o) { s += v + k + (o === h) + this.t }, {t: "!"}); return s`, "1atrue!2btrue!"},
		{"an iterator is live", `const h = new Headers({a: "1", c: "3"}); const s = []; for (const [k] of h) { s.push(k); if (k === "a") h.set("b", "2") } return s.join()`, "a,b,c"},
		{"an iterator shows what it is", `return Object.prototype.toString.call(new Headers().keys())`, "[object Headers Iterator]"},
		{"an iterator has no constructor of its own", `return String(Object.hasOwn(Object.getPrototypeOf(new Headers().keys()), "constructor"))`, "false"},
		{"entries is the default iterator", `return String(Headers.prototype[Symbol.iterator] === Headers.prototype.entries)`, "true"},
		{"toStringTag", `return String(new Headers())`, "[object Headers]"},
		{"methods need a Headers", `Headers.prototype.get.call({}, "a")`, `rejects TypeError: private class field '#list' does not exist`},
		{"members are enumerable", `return Object.keys(Headers.prototype).sort().join()`, "append,delete,entries,forEach,get,getAll,getSetCookie,has,keys,set,values"},
		{"many made-up names do not pile up", `const h = new Headers(); for (let i = 0; i < 2000; i++) h.has("x-" + i); h.set("X-1", "1"); return h.get("x-1")`, "1"},
		{"patched built-ins are not used", `
			const push = Array.prototype.push, iter = Array.prototype[Symbol.iterator];
			Array.prototype.push = () => { throw new Error("patched") };
			try { const h = new Headers({b: "2", a: "1"}); h.append("c", "3"); let s = ""; h.forEach((v, k) => s += k + v); return s } finally { Array.prototype.push = push }`, "a1b2c3"},
	})
}

func FuzzHeaderName(f *testing.F) {
	for _, s := range []string{"", "a", "Content-Type", "a b", "\x00", "é", "x_y~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, ok := appendHeaderName(nil, []byte(s))
		want := s != ""
		for i := range len(s) {
			c := s[i]
			token := c > 0x20 && c < 0x7f
			for _, d := range []byte(`"(),/:;<=>?@[\]{}`) {
				token = token && c != d
			}
			want = want && token
		}
		if ok != want {
			t.Fatalf("%q: %v, want %v", s, ok, want)
		}
		for i := range out {
			if ok && out[i] != s[i] && (s[i] < 'A' || s[i] > 'Z' || out[i] != s[i]+32) {
				t.Fatalf("%q became %q", s, out)
			}
		}
	})
}

func FuzzHeaderValue(f *testing.F) {
	for _, s := range []string{"", " a ", "a\r\nb", "\x00", "\t\n", "a\tb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, ok := trimHeaderValue([]byte(s))
		if !ok {
			return
		}
		for i, c := range out {
			edge := i == 0 || i == len(out)-1
			if c == 0 || c == '\r' || c == '\n' || edge && (c == ' ' || c == '\t') {
				t.Fatalf("%q became %q", s, out)
			}
		}
		if again, ok := trimHeaderValue(out); !ok || string(again) != string(out) {
			t.Fatalf("%q became %q, and again %q", s, out, again)
		}
	})
}
