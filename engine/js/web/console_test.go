package web

import (
	"strings"
	"testing"
)

func TestConsole(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"levels", `console.log("a"); console.info("b"); console.warn("c"); console.error("d"); console.debug("e")`, "log a;info b;warn c;error d;debug e"},
		{"several arguments", `console.log("a", 1, true, null, undefined, 5n, Symbol("s"), -0)`, "log a 1 true null undefined 5n Symbol(s) -0"},
		{"nothing", `console.log()`, "log "},
		{"placeholders", `console.log("%s %d %i %f %j %o %% %c.", "a", "4", 5.7, "1.5", {a: 1}, [1], "css", "rest")`, `log a 4 5 1.5 {"a":1} [ 1 ] % . rest`},
		{"placeholders without arguments", `console.log("%s %d", "a")`, "log a %d"},
		{"a percent sign", `console.log("100%")`, "log 100%"},
		{"objects", `console.log({a: 1, "b-c": "x", [Symbol("s")]: {d: [1, "y"]}})`, `log { a: 1, 'b-c': 'x', [Symbol(s)]: { d: [ 1, 'y' ] } }`},
		{"quotes", `console.log(["it's", "a\nb", 'q"\'', "\x01\\"])`, "log [ \"it's\", 'a\\nb', `q\"'`, '\\x01\\\\' ]"},
		{"depth", `console.log({a: {b: {c: {d: 1}}, e: [[[1]]]}})`, `log { a: { b: { c: [Object] }, e: [ [Array] ] } }`},
		{"a circle", `const a = {}; a.a = a; console.log(a)`, "log { a: [Circular *1] }"},
		{"empty", `console.log({}, [], new Map(), new Set(), () => {}, class {})`, "log {} [] Map(0) {} Set(0) {} [Function (anonymous)] [class (anonymous)]"},
		{"functions", `console.log(function f() {}, class A {})`, "log [Function: f] [class A]"},
		{"maps and sets", `console.log(new Map([["a", {b: 1}]]), new Set([1, "x"]))`, "log Map(1) { 'a' => { b: 1 } } Set(2) { 1, 'x' }"},
		{"classes", `class P { x = 1 } console.log(new P(), Object.create(null), new (class L extends Array {})(0))`, "log P { x: 1 } [Object: null prototype] {} L(0) []"},
		{"getters are not run", `console.log({get a() { throw 1 }, set b(v) {}, get c() { return 1 }, set c(v) {}})`, "log { a: [Getter], b: [Setter], c: [Getter/Setter] }"},
		{"boxes", `console.log(new Number(1), new String("x"), new Boolean(false))`, "log [Number: 1] [String: 'x'] [Boolean: false]"},
		{"dates and expressions", `console.log(new Date(0), new Date(NaN), /a/g)`, "log 1970-01-01T00:00:00.000Z Invalid Date /a/g"},
		{"holes", `console.log([1, , , 2], new Array(3))`, "log [ 1, <2 empty items>, 2 ] [ <3 empty items> ]"},
		{"long arrays", `console.log(new Array(200).fill(7).length, [...new Array(102).keys()].slice(99))`, "log 200 [ 99, 100, 101 ]"},
		{"bytes", `console.log(new Uint8Array([1, 2]), new ArrayBuffer(2))`, "log Uint8Array(2) [ 1, 2 ] ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 }"},
		{"promises", `console.log(Promise.resolve(5), new Promise(() => {}))`, "log Promise { 5 } Promise { <pending> }"},
		{"web objects", `console.log(new Headers({a: "b"}), new URL("http://a"), new URLSearchParams("a=1"))`, "log Headers(1) { a => 'b' } URL { 'http://a/' } URLSearchParams { 'a' => '1' }"},
		{"a response", `console.log(new Response("x"))`, "log Response {\n  status: 200,\n  statusText: '',\n  ok: true,\n  bodyUsed: false,\n  headers: Headers(1) { 'content-type' => 'text/plain;charset=UTF-8' }\n}"},
		{"a long object breaks", `console.log({aaaaaaaaaaaaaaaaaaaaaaaaa: 1, bbbbbbbbbbbbbbbbbbbbbbbbbbbb: 2, cccccccccccccccccc: 3})`, "log {\n  aaaaaaaaaaaaaaaaaaaaaaaaa: 1,\n  bbbbbbbbbbbbbbbbbbbbbbbbbbbb: 2,\n  cccccccccccccccccc: 3\n}"},
		{"a proxy that throws", `console.log(new Proxy({}, {getPrototypeOf() { throw 1 }, ownKeys() { throw 2 }}), "after")`, "log [Object] after"},
		{"assert", `console.assert(true, "a"); console.assert(false, "b"); console.assert(false); console.assert(0, {c: 1})`, "error Assertion failed: b;error Assertion failed;error Assertion failed { c: 1 }"},
		{"count", `console.count(); console.count("x"); console.count(); console.countReset(); console.count(); console.countReset("y")`, "info default: 1;info x: 1;info default: 2;info default: 1;warn Count for 'y' does not exist"},
		{"time", `console.time("t"); console.timeLog("t", 1); console.timeEnd("t"); console.timeEnd("t")`, "info t: 0.000ms 1;info t: 0.000ms;warn Timer 't' does not exist"},
		{"groups", `console.group("g"); console.log("a\nb"); console.group(); console.log("c"); console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log("d")`, "log g;log   a\n  b;log     c;log d"},
		{"dir", `console.dir("x"); console.dir({a: 1})`, "log 'x';log { a: 1 }"},
		{"table", `console.table([{a: 1, b: "x"}, {a: 22}]); console.table(5)`, "log ┌─────────┬────┬─────┐\n│ (index) │ a  │ b   │\n├─────────┼────┼─────┤\n│ 0       │ 1  │ 'x' │\n│ 1       │ 22 │     │\n└─────────┴────┴─────┘;log 5"},
		{"a table of values", `console.table(["p", "q"])`, "log ┌─────────┬────────┐\n│ (index) │ Values │\n├─────────┼────────┤\n│ 0       │ 'p'    │\n│ 1       │ 'q'    │\n└─────────┴────────┘"},
		{"methods may be taken off", `const {log} = console; log("x")`, "log x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			if got := h.eval(t, "(() => {"+c.source+"})()"); got != "undefined" {
				t.Fatal(got)
			}
			if got := strings.Join(h.logs, ";"); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
			}
		})
	}
}

func TestConsoleErrors(t *testing.T) {
	h := newFake(t)
	h.eval(t, `console.log(Object.assign(new TypeError("no", {cause: new Error("why")}), {code: 5}))`)
	got := strings.Join(h.logs, ";")
	for _, want := range []string{"log TypeError: no\n", "test.js:1", "code: 5", "[cause]: Error: why"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	h.logs = nil
	h.eval(t, `console.trace("here")`)
	if got := strings.Join(h.logs, ";"); !strings.HasPrefix(got, "debug Trace: here\n") || !strings.Contains(got, "test.js:1") {
		t.Errorf("trace: %q", got)
	}
	h.logs = nil
	h.eval(t, `globalThis.asked = 0; const leaf = new Proxy({}, {ownKeys() { asked++; return [] }}); const row = new Array(100).fill(leaf); console.log(new Array(100).fill(row))`)
	if got := h.eval(t, "asked > 4000 && asked <= 5000"); got != "true" {
		t.Errorf("of 10,000 objects %s were shown", h.eval(t, "asked"))
	}
	h.logs = nil
	h.eval(t, `console.log("x".repeat(100000))`)
	if got := h.logs[0]; len(got) > 70000 || !strings.HasSuffix(got, "... 34464 more characters") {
		t.Errorf("a long line: %d bytes", len(got))
	}
}
