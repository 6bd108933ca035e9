package web

import (
	"math"
	"strings"
	"testing"
)

func TestEvents(t *testing.T) {
	cases(t, []jsCase{
		{"an event", `const e = new Event("x", {cancelable: true}); e.preventDefault(); return [e.type, e.cancelable, e.defaultPrevented, e.bubbles, e.target, e.isTrusted, e.eventPhase, Event.AT_TARGET].join()`, "x,true,true,false,,false,0,2"},
		{"an event that cannot be cancelled", `const e = new Event("x"); e.preventDefault(); return String(e.defaultPrevented)`, "false"},
		{"a custom event", `return String(new CustomEvent("x", {detail: 5}).detail) + new CustomEvent("x").detail`, "5null"},
		{"listeners run in order", `const t = new EventTarget(); let s = ""; t.addEventListener("x", function (e) { s += 1 + String(this === t) + (e.target === t) + e.eventPhase }); t.addEventListener("x", {handleEvent(e) { s += 2 }}); t.dispatchEvent(new Event("x")); return s`, "1truetrue22"},
		{"the same listener is added once", `const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener("x", f); t.addEventListener("x", f); t.addEventListener("x", f, true); t.dispatchEvent(new Event("x")); return String(n)`, "2"},
		{"remove", `const t = new EventTarget(); let n = 0; const f = () => n++; t.addEventListener("x", f); t.removeEventListener("x", f); t.dispatchEvent(new Event("x")); return String(n)`, "0"},
		{"once", `const t = new EventTarget(); let n = 0; t.addEventListener("x", () => n++, {once: true}); t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); return String(n)`, "1"},
		{"a listener removed by an earlier one is not called", `const t = new EventTarget(); let s = ""; const f = () => { s += 2 }; t.addEventListener("x", () => { s += 1; t.removeEventListener("x", f) }); t.addEventListener("x", f); t.dispatchEvent(new Event("x")); return s`, "1"},
		{"a listener added by an earlier one waits", `const t = new EventTarget(); let n = 0; t.addEventListener("x", () => t.addEventListener("x", () => n++)); t.dispatchEvent(new Event("x")); return String(n)`, "0"},
		{"stopImmediatePropagation", `const t = new EventTarget(); let s = ""; t.addEventListener("x", (e) => { s += 1; e.stopImmediatePropagation() }); t.addEventListener("x", () => { s += 2 }); t.dispatchEvent(new Event("x")); return s`, "1"},
		{"dispatchEvent says whether it was cancelled", `const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault()); return [t.dispatchEvent(new Event("x")), t.dispatchEvent(new Event("x", {cancelable: true}))].join()`, "true,false"},
		{"passive", `const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault(), {passive: true}); return String(t.dispatchEvent(new Event("x", {cancelable: true})))`, "true"},
		{"a signal removes a listener", `const t = new EventTarget(), c = new AbortController(); let n = 0; t.addEventListener("x", () => n++, {signal: c.signal}); c.abort(); t.dispatchEvent(new Event("x")); return String(n)`, "0"},
		{"an event under way", `const t = new EventTarget(), e = new Event("x"); let m; t.addEventListener("x", () => { try { t.dispatchEvent(e) } catch (x) { m = x.name } }); t.dispatchEvent(e); return m`, "InvalidStateError"},
		{"a subclass", `class T extends EventTarget {}; const t = new T(); let n = 0; t.addEventListener("x", () => n++); t.dispatchEvent(new Event("x")); return String(n)`, "1"},
		{"dispatch needs an event", `new EventTarget().dispatchEvent({})`, "rejects TypeError: EventTarget.dispatchEvent needs an Event, not Object"},
		{"DOMException", `const e = new DOMException("m", "AbortError"); return [e.name, e.message, e.code, e instanceof Error, DOMException.ABORT_ERR, String(e), typeof e.stack, Object.prototype.toString.call(e)].join("|")`, "AbortError|m|20|true|20|AbortError: m|string|[object DOMException]"},
		{"DOMException by default", `const e = new DOMException(); return [e.name, e.message, e.code].join("|")`, "Error||0"},
		{"DOMException with a cause", `return new DOMException("m", {name: "X", cause: 5}).cause + new DOMException("m", {name: "X"}).name`, "5X"},
	})
	t.Run("a listener that throws", func(t *testing.T) {
		h := newFake(t)
		got := h.eval(t, `const t = new EventTarget(); let s = ""; t.addEventListener("x", () => { throw new Error("no") }); t.addEventListener("x", () => { s += 2 }); t.dispatchEvent(new Event("x")); s`)
		if got != "2" || strings.Join(h.reported, ";") != "Error: no" {
			t.Errorf("got %q, reported %q", got, h.reported)
		}
	})
}

func TestAbort(t *testing.T) {
	cases(t, []jsCase{
		{"abort", `const c = new AbortController(); let s = ""; c.signal.addEventListener("abort", (e) => s += e.type + e.isTrusted); c.signal.onabort = () => s += "on"; c.abort(); c.abort(); return s + c.signal.aborted + c.signal.reason.name`, "aborttrueontrueAbortError"},
		{"a reason", `const c = new AbortController(); c.abort(5); return String(c.signal.reason)`, "5"},
		{"throwIfAborted", `const c = new AbortController(); c.signal.throwIfAborted(); c.abort("r"); try { c.signal.throwIfAborted() } catch (e) { return e }`, "r"},
		{"AbortSignal.abort", `const s = AbortSignal.abort(); return s.aborted + s.reason.message`, "trueThe operation was aborted"},
		{"any", `const a = new AbortController(), b = new AbortController(), s = AbortSignal.any([a.signal, b.signal]); b.abort("r"); return s.aborted + s.reason`, "truer"},
		{"any of one that is aborted", `return AbortSignal.any([new AbortController().signal, AbortSignal.abort("r")]).reason`, "r"},
		{"any of none", `return String(AbortSignal.any([]).aborted)`, "false"},
		{"any needs signals", `AbortSignal.any([{}])`, "rejects TypeError: AbortSignal.any: each entry must be an AbortSignal, not Object"},
		{"a signal cannot be made", `new AbortSignal()`, "rejects TypeError: Illegal constructor"},
		{"onabort that is replaced keeps its place", `const c = new AbortController(); let s = ""; c.signal.onabort = () => s += 1; c.signal.addEventListener("abort", () => s += 2); c.signal.onabort = () => s += 3; c.abort(); return s`, "32"},
		{"onabort that is taken away", `const c = new AbortController(); let s = ""; c.signal.onabort = () => s += 1; c.signal.onabort = null; c.abort(); return s + c.signal.onabort`, "null"},
	})
}

func TestAbortFetch(t *testing.T) {
	h := newFake(t)
	for _, c := range []struct{ source, want string }{
		{`env.NS.getByName("a").fetch("http://x", {signal: AbortSignal.abort("early")})`, "error early"},
		{`(() => { const c = new AbortController(), p = env.NS.getByName("a").fetch("http://x", {signal: c.signal}); c.abort("late"); return p })()`, "error late"},
	} {
		reply, err := h.worker(t, `{async fetch(r, env) { return `+c.source+` }}`, request(""))
		if got := describeReply(reply, err); got != c.want {
			t.Errorf("%s: %q, want %q", c.source, got, c.want)
		}
	}
	if len(h.fetched) != 1 {
		t.Errorf("%d requests were sent, want 1: the first was aborted before", len(h.fetched))
	}
}

// fire moves the fake time to the first timer and fires it.
func (h *fakeHost) fire(t *testing.T) bool {
	t.Helper()
	if len(h.timers) == 0 {
		return false
	}
	at := 0
	for i, x := range h.timers {
		if x.ms < h.timers[at].ms {
			at = i
		}
	}
	x := h.timers[at]
	h.timers = append(h.timers[:at], h.timers[at+1:]...)
	h.now += x.ms
	if x.repeat {
		h.timers = append(h.timers, x)
	}
	ok, err := h.in.FireTimer(x.id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.r.Pump(); err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestTimers(t *testing.T) {
	for _, c := range []struct {
		name, source string
		fires        int
		want         string
	}{
		{"setTimeout passes arguments", `setTimeout((a, b) => { out += a + b }, 5, "x", "y")`, 1, "xy"},
		{"setTimeout calls with the global object", `setTimeout(function () { out += this === globalThis })`, 1, "true"},
		{"timers fire in order of time", `setTimeout(() => { out += 2 }, 10); setTimeout(() => { out += 1 }, 5)`, 2, "12"},
		{"clearTimeout", `clearTimeout(setTimeout(() => { out += 1 }, 5)); setTimeout(() => { out += 2 }, 9)`, 1, "2"},
		{"clearTimeout of nonsense", `clearTimeout(); clearTimeout(null); clearTimeout({}); clearTimeout(99); out += "ok"`, 0, "ok"},
		{"setInterval", `let n = 0; const id = setInterval(() => { out += ++n; if (n === 3) clearInterval(id) }, 5)`, 3, "123"},
		{"clearTimeout stops an interval", `clearTimeout(setInterval(() => { out += 1 }, 5))`, 0, ""},
		{"scheduler.wait", `scheduler.wait(5).then((v) => { out += "done" + v })`, 1, "doneundefined"},
		{"scheduler.wait that is aborted", `const c = new AbortController(); scheduler.wait(5, {signal: c.signal}).catch((e) => { out += e }); c.abort("r")`, 0, "r"},
		{"AbortSignal.timeout", `const s = AbortSignal.timeout(5); s.onabort = () => { out += s.reason.name + s.reason.code }`, 1, "TimeoutError23"},
		{"queueMicrotask", `queueMicrotask(() => { out += 1 }); out += 0`, 0, "01"},
		{"a function that throws", `setTimeout(() => { throw 1 })`, -1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			if got := h.eval(t, `var out = ""; (() => {`+c.source+`})()`); got != "undefined" {
				t.Fatal(got)
			}
			if c.fires < 0 {
				if _, err := h.in.FireTimer(h.timers[0].id); err == nil {
					t.Error("no error came out of FireTimer")
				}
				return
			}
			for range c.fires {
				if !h.fire(t) {
					t.Fatal("no timer fired")
				}
			}
			if len(h.timers) != 0 {
				t.Errorf("%d timers are left", len(h.timers))
			}
			if got := h.eval(t, "out"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("delays", func(t *testing.T) {
		h := newFake(t)
		h.eval(t, `for (const ms of [undefined, -1, NaN, "7", 1.9, 2 ** 31 - 1, 2 ** 31, Infinity]) setTimeout(() => {}, ms)`)
		want := []float64{0, 0, 0, 7, 1, 1<<31 - 1, 1 << 31, math.Inf(1)}
		for i, x := range h.timers {
			if x.ms != want[i] {
				t.Errorf("delay %d is %v, want %v", i, x.ms, want[i])
			}
		}
	})
	t.Run("a stopped timer that the host fires", func(t *testing.T) {
		h := newFake(t)
		h.eval(t, `clearTimeout(setTimeout(() => { throw 1 }, 5))`)
		if ok, err := h.in.FireTimer(1); ok || err != nil {
			t.Errorf("FireTimer: %v, %v", ok, err)
		}
	})
	cases(t, []jsCase{{"setTimeout needs a function", `setTimeout("code")`, "rejects TypeError: setTimeout: the first argument must be a function, not string"}})
}

func TestMisc(t *testing.T) {
	cases(t, []jsCase{
		{"randomUUID", `const a = crypto.randomUUID(); return String(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(a) && a !== crypto.randomUUID())`, "true"},
		{"getRandomValues", `const b = new Uint32Array(16); return String(crypto.getRandomValues(b) === b && b.some((x) => x > 65535))`, "true"},
		{"getRandomValues keeps to the view", `const b = new Uint8Array(64); crypto.getRandomValues(b.subarray(32)); return String(b.subarray(0, 32).every((x) => x === 0))`, "true"},
		{"getRandomValues of floats", `crypto.getRandomValues(new Float64Array(1))`, "rejects TypeMismatchError: getRandomValues() needs an integer typed array, not Float64Array"},
		{"getRandomValues of too much", `crypto.getRandomValues(new Uint8Array(65537))`, "rejects QuotaExceededError: getRandomValues() only accepts buffers of size <= 64K but provided 65537 bytes."},
		{"navigator", `return navigator.userAgent`, "Cloudflare-Workers"},
		{"performance", `return performance.timeOrigin + performance.now()`, "1000"},
		{"self", `return String(self === globalThis)`, "true"},
		{"what tells environments apart is not there", `return [typeof window, typeof document, typeof location, typeof localStorage, typeof process, typeof DOMParser].join()`, "undefined,undefined,undefined,undefined,undefined,undefined"},
		{"structuredClone", `const a = {b: [1]}, c = structuredClone(a); return String(a.b !== c.b && c.b[0])`, "1"},
		{"structuredClone needs a value", `structuredClone()`, "rejects TypeError: structuredClone needs a value"},
		{"structuredClone moves buffers only", `structuredClone(1, {transfer: [{}]})`, "rejects DataCloneError: structuredClone: Object cannot be transferred"},
		{"structuredClone moves a buffer once", `const b = new ArrayBuffer(1); structuredClone(1, {transfer: [b, b]})`, "rejects DataCloneError: structuredClone: an ArrayBuffer is in the transfer list twice"},
		{"queueMicrotask needs a function", `queueMicrotask(1)`, "rejects TypeError: queueMicrotask: the argument must be a function, not number"},
		{"events of the global scope", `let n = 0; const f = (e) => { n += e.type.length }; addEventListener("ab", f); dispatchEvent(new Event("ab")); removeEventListener("ab", f); dispatchEvent(new Event("ab")); return String(n)`, "2"},
		{"classes are not enumerable, functions are", `return [Object.keys(globalThis).includes("Response"), Object.keys(globalThis).includes("setTimeout")].join()`, "false,true"},
		{"the prelude's source is not shown", `return String(Response.prototype.text).includes("host")`, "false"},
	})
	h := newFake(t)
	h.eval(t, `reportError(new Error("a")); queueMicrotask(() => { throw new Error("b") })`)
	if got := strings.Join(h.reported, ";"); got != "Error: a;Error: b" {
		t.Errorf("reported %q", got)
	}
	h.reported = nil
	got := h.eval(t, `
		let seen = "";
		addEventListener("error", (e) => { seen += [e.constructor.name, e.message, e.error, e.isTrusted].join() + ";"; if (e.error === 2) e.preventDefault(); if (e.error === 3) throw 4; });
		reportError(new TypeError("x")); reportError(2); reportError(3); seen`)
	if want := "ErrorEvent,Uncaught TypeError: x,TypeError: x,true;ErrorEvent,Uncaught exception,2,true;ErrorEvent,Uncaught exception,3,true;"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// What a listener prevents is not reported, and what it throws is reported and not given to it.
	if got := strings.Join(h.reported, ";"); got != "TypeError: x;4;3" {
		t.Errorf("reported %q", got)
	}
}

func TestDOMExceptionFromGo(t *testing.T) {
	h := newFake(t)
	v, err := h.in.DOMException("no", "DataCloneError")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.r.SetName(h.r.Global(), "e", v); err != nil {
		t.Fatal(err)
	}
	if got := h.eval(t, `e.name + e.code + e.message + (e instanceof DOMException)`); got != "DataCloneError25notrue" {
		t.Error(got)
	}
}
