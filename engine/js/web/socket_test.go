package web

import (
	"fmt"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
)

func TestWebSocketPair(t *testing.T) {
	cases(t, []jsCase{
		{"two ends", `return JSON.stringify([Object.keys(new WebSocketPair()), Object.values(new WebSocketPair()).map(String)])`, `[["0","1"],["[object WebSocket]","[object WebSocket]"]]`},
		{"it has no length", `return String(new WebSocketPair().length)`, "undefined"},
		{"they can be listed", `const p = new WebSocketPair(); const [a, b] = p; return [a === p[0], b === p[1], String(p)].join()`, "true,true,[object WebSocketPair]"},
		{"the ends cannot be replaced", `"use strict"; new WebSocketPair()[0] = 5`, "rejects TypeError: '0' is read-only"},
		{"a pair needs new", `WebSocketPair()`, "rejects TypeError: class constructors must be invoked with 'new'"},
		{"a fresh end", `const w = new WebSocketPair()[0]; return JSON.stringify([w.readyState, w.url, w.protocol, w.extensions, w.bufferedAmount, w.binaryType, Object.getOwnPropertyNames(w)])`, `[1,null,"","",0,"blob",[]]`},
		{"constants", `const w = new WebSocketPair()[0]; return [WebSocket.CONNECTING, w.OPEN, WebSocket.READY_STATE_CLOSING, w.READY_STATE_CLOSED].join()`, "0,1,2,3"},
		{"what it is", `const w = new WebSocketPair()[0]; return [w instanceof WebSocket, w instanceof EventTarget, "onmessage" in w, WebSocket.length, WebSocket.name].join()`, "true,true,false,1,WebSocket"},
		{"members are enumerable", `const names = []; for (const k in new WebSocketPair()[0]) names.push(k); return ["send", "readyState", "addEventListener", "OPEN"].map((k) => names.includes(k)).join()`, "true,true,true,true"},
		{"binaryType", `const w = new WebSocketPair()[0], out = []; for (const v of ["arraybuffer", "nodebuffer", "blob", 5, { toString() { return "arraybuffer" } }]) { w.binaryType = v; out.push(w.binaryType) } return out.join()`, "arraybuffer,arraybuffer,blob,blob,arraybuffer"},
		{"another this", `const out = []; for (const k of ["accept", "send", "close", "serializeAttachment", "deserializeAttachment"]) try { WebSocket.prototype[k].call({}, "x") } catch (e) { out.push(e.message) } for (const k of ["readyState", "url", "protocol", "extensions", "bufferedAmount", "binaryType"]) try { Object.getOwnPropertyDescriptor(WebSocket.prototype, k).get.call({}) } catch (e) { out.push(e.message) } try { WebSocket.prototype.addEventListener.call({}, "x", () => {}) } catch (e) { out.push(e.message) } return [out.length, [...new Set(out)]].join()`, "12,Illegal invocation"},
		{"send without anything", `new WebSocketPair()[0].send()`, "rejects TypeError: Failed to execute 'send' on 'WebSocket': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'."},
		{"send what has no text", `new WebSocketPair()[0].send(Symbol("x"))`, "rejects TypeError: cannot convert symbol to string"},
		{"send what throws", `new WebSocketPair()[0].send({ toString() { throw new RangeError("mine") } })`, "rejects RangeError: mine"},
		{"accept what is no options", `new WebSocketPair()[0].accept(5)`, "rejects TypeError: Failed to execute 'accept' on 'WebSocket': parameter 1 is not of type 'AcceptOptions'."},
		{"an attachment of nothing", `new WebSocketPair()[0].serializeAttachment()`, "rejects TypeError: Failed to execute 'serializeAttachment' on 'WebSocket': parameter 1 is not of type 'Value'."},
		{"properties of its own", `const w = new WebSocketPair()[0]; w.foo = 1; Object.freeze(w); w.addEventListener("x", () => {}); return String(w.foo)`, "1"},
		{"a response has it", `const w = new WebSocketPair()[0], r = new Response(null, { status: 101, webSocket: w }), again = new Response(null, r); return [r.webSocket === w, again.webSocket === w, again.status, new Response("x").webSocket].join()`, "true,true,101,"},
		{"a response of a handshake is not cloned", `new Response(null, { status: 101, webSocket: new WebSocketPair()[0] }).clone()`, "rejects TypeError: Cannot clone a response to a WebSocket handshake."},
		{"a response with another thing", `new Response(null, { status: 101, webSocket: {} })`, "rejects TypeError: Incorrect type for the 'webSocket' field on 'InitializerDict': the provided value is not of type 'WebSocket'."},
	})
}

// The codes and reasons of close, as workerd has them.
func TestWebSocketClose(t *testing.T) {
	h := newFake(t)
	got := h.eval(t, `
		const out = [];
		const tried = (...args) => { try { new WebSocketPair()[0].close(...args); return "closed" } catch (e) { return e.name + ": " + e.message } };
		for (const c of [0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000, -1, NaN, "1000", "x", null, undefined, 1000.9, {}, 2 ** 33, Infinity]) out.push(c + " " + tried(c));
		out.push(tried(undefined, "x"), tried(undefined, ""), tried(1000, "x".repeat(123)), tried(1000, "x".repeat(124)), tried(1000, "é".repeat(62)), tried(1000, null));
		out.join("\n")`)
	want := `0 InvalidAccessError: Invalid WebSocket close code: 0.
999 InvalidAccessError: Invalid WebSocket close code: 999.
1000 closed
1003 closed
1004 InvalidAccessError: Invalid WebSocket close code: 1004.
1005 InvalidAccessError: Invalid WebSocket close code: 1005.
1006 InvalidAccessError: Invalid WebSocket close code: 1006.
1007 closed
1014 closed
1015 InvalidAccessError: Invalid WebSocket close code: 1015.
1016 closed
2999 closed
3000 closed
4999 closed
5000 InvalidAccessError: Invalid WebSocket close code: 5000.
-1 InvalidAccessError: Invalid WebSocket close code: -1.
NaN InvalidAccessError: Invalid WebSocket close code: 0.
1000 closed
x InvalidAccessError: Invalid WebSocket close code: 0.
null InvalidAccessError: Invalid WebSocket close code: 0.
undefined closed
1000.9 closed
[object Object] InvalidAccessError: Invalid WebSocket close code: 0.
8589934592 TypeError: Value out of range. Must be between -2147483648 and 2147483647 (inclusive).
Infinity InvalidAccessError: Invalid WebSocket close code: 0.
InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code.
InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code.
closed
SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.
SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.
closed`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// For programs of an older date a reason that is too long is cut, between two characters.
	h = newFake(t)
	if err := h.in.Older(Older{SocketBytes: true, LongReasons: true}); err != nil {
		t.Fatal(err)
	}
	h.eval(t, `const [w, other] = new WebSocketPair(); w.close(1000, "é".repeat(62)); w.close(1000, "x".repeat(124))`)
	if got, want := strings.Join(h.calls, "\n"), fmt.Sprintf("a1 close 1000 %q\na1 close 1000 %q", strings.Repeat("é", 61), strings.Repeat("x", 123)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := h.eval(t, `w.binaryType`); got != "arraybuffer" {
		t.Errorf("binaryType is %s", got)
	}
}

func TestWebSocketConstructor(t *testing.T) {
	h := newFake(t)
	for _, c := range []struct{ args, want string }{
		{``, "throws TypeError: Failed to construct 'WebSocket': constructor parameter 1 is not of type 'string'."},
		{`"nope"`, "throws SyntaxError: WebSocket Constructor: The url is invalid."},
		{`"/rel"`, "throws SyntaxError: WebSocket Constructor: The url is invalid."},
		{`"http://x/"`, "throws SyntaxError: WebSocket Constructor: The url scheme must be ws or wss."},
		{`"ws://x/#f"`, "throws SyntaxError: WebSocket Constructor: The url fragment must be empty."},
		{`"ws://x/#"`, "throws SyntaxError: WebSocket Constructor: The url fragment must be empty."},
		{`"ws://x/", "a b"`, "throws SyntaxError: WebSocket Constructor: The protocol header token is invalid."},
		{`"ws://x/", ""`, "throws SyntaxError: WebSocket Constructor: The protocol header token is invalid."},
		{`"ws://x/", {}`, "throws SyntaxError: WebSocket Constructor: The protocol header token is invalid."},
		{`"ws://x/", ["a", ""]`, "throws SyntaxError: WebSocket Constructor: One of the protocol header tokens is invalid."},
		{`"ws://x/", ["a", "b", "a"]`, "throws SyntaxError: WebSocket Constructor: The protocols header cannot have repeating values."},
		{`"WS://Example.com:80/x y"`, "0 WS://Example.com:80/x y connected to ws://example.com/x%20y for \"\""},
		{`new URL("wss://x:444/?q"), ["a", "b"]`, "0 wss://x:444/?q connected to wss://x:444/?q for \"a, b\""},
		{`"ws://x/", null`, "0 ws://x/ connected to ws://x/ for \"\""},
		{`"ws://x/", []`, "0 ws://x/ connected to ws://x/ for \"\""},
		{`"ws://x/", 5`, "0 ws://x/ connected to ws://x/ for \"5\""},
	} {
		h.calls = nil
		got := h.eval(t, `(() => { const w = new WebSocket(`+c.args+`); return w.readyState + " " + w.url })()`)
		if len(h.calls) > 0 {
			got += " " + h.calls[0]
		}
		if got != c.want {
			t.Errorf("new WebSocket(%s)\n got %s\nwant %s", c.args, got, c.want)
		}
	}
	if got := h.eval(t, `class My extends WebSocket { #x = 5; get x() { return this.#x } } const w = new My("ws://x/"); [w.x, w instanceof My, w instanceof WebSocket, w.readyState, String(w)].join()`); got != "5,true,true,0,[object WebSocket]" {
		t.Error(got)
	}
	if got := h.eval(t, `WebSocket("ws://x/")`); got != "throws TypeError: class constructors must be invoked with 'new'" {
		t.Error(got)
	}
}

func TestSocketEvents(t *testing.T) {
	h := newFake(t)
	h.eval(t, `
		globalThis.out = [];
		globalThis.w = new WebSocketPair()[0];
		w.accept();
		const note = function (e) { out.push([e.type, e.constructor.name, e.target === w && e.currentTarget === w && this === w, e.isTrusted, e.data, e.code, e.reason, e.wasClean, e.message, e.error?.message].join("|")); };
		for (const type of ["open", "message", "close", "error"]) w.addEventListener(type, note);
		w.onmessage = (e) => out.push("on " + typeof e.data);
		w.onclose = 5;`)
	v := h.eventTarget(t)
	must := func(_ vm.Value, threw bool, err error) {
		t.Helper()
		if err != nil || threw {
			t.Fatal(threw, err)
		}
	}
	must(h.in.SocketOpened(v))
	must(h.in.SocketMessage(v, engine.TextMessage("text")))
	must(h.in.SocketMessage(v, engine.BinaryMessage([]byte{1, 2})))
	h.eval(t, `w.binaryType = "arraybuffer"; w.onmessage = null`)
	must(h.in.SocketMessage(v, engine.BinaryMessage(nil)))
	must(h.in.SocketClosed(v, 1001, "why", true))
	failure, err := h.r.ErrorValue(vm.RangeError("broken"))
	if err != nil {
		t.Fatal(err)
	}
	must(h.in.SocketFailed(v, failure))
	h.r.Free(failure)
	want := `open|Event|true|true||||||
on string
message|MessageEvent|true|true|text|||||
on object
message|MessageEvent|true|true|[object Blob]|||||
message|MessageEvent|true|true|[object ArrayBuffer]|||||
close|CloseEvent|true|true||1001|why|true||
error|ErrorEvent|true|true|||||Uncaught RangeError: broken|broken`
	if got := h.eval(t, `out.join("\n")`); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What listeners throw comes back, and stops none of the others.
	h.eval(t, `w.onmessage = () => { throw "first" }; w.addEventListener("message", () => { throw "second" }); w.addEventListener("message", () => out.push("third")); out.length = 0`)
	thrown, threw, err := h.in.SocketMessage(v, engine.TextMessage("x"))
	if err != nil || !threw || h.r.GoString(thrown) != "first" {
		t.Errorf("%v %v %s", err, threw, h.r.GoString(thrown))
	}
	h.r.Free(thrown)
	if got := h.eval(t, `out.at(-1)`); got != "third" || len(h.reported) != 0 {
		t.Error(got, h.reported)
	}
	// Listeners that a program calls itself are like everybody's.
	if got := h.eval(t, `out.length = 0; const mine = new WebSocketPair()[0]; mine.onfoo = () => out.push("on"); const l = () => out.push("listener"); mine.addEventListener("foo", l, { once: true }); mine.dispatchEvent(new Event("foo")); mine.dispatchEvent(new Event("foo")); mine.addEventListener("foo", l); mine.removeEventListener("foo", l); mine.dispatchEvent(new Event("foo")); out.join()`); got != "on,listener,on,on" {
		t.Error(got)
	}
}

// eventTarget is the socket that the program has accepted, borrowed.
func (h *fakeHost) eventTarget(t *testing.T) vm.Value {
	t.Helper()
	global := h.r.Global()
	defer h.r.Free(global)
	v, err := h.r.GetName(global, "w")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.r.Free(v) })
	return v
}

// A socket whose listeners refer to it is collected with them.
func TestSocketCollected(t *testing.T) {
	h := newFake(t)
	h.eval(t, `for (let i = 0; i < 10; i++) { const w = new WebSocketPair()[0]; w.addEventListener("message", () => w.send("x")); w.onclose = () => w.close(); } new Response(null, { status: 101, webSocket: new WebSocketPair()[0] }).webSocket.x = 1; 0`)
	if err := h.r.RunGC(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(strings.Join(h.calls, "\n"), "dropped"); n != 22 {
		t.Errorf("%d of 22 sockets were collected", n)
	}
	if used := h.in.SocketObjects(); used != 0 {
		t.Errorf("%d are still held", used)
	}
}

// fakeObject is a fake whose global ctx is the state of an object.
func fakeObject(t *testing.T) *fakeHost {
	t.Helper()
	h := newFake(t)
	v, _, err := h.in.ObjectHandle(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.r.SetName(h.r.Global(), "ctx", v); err != nil {
		t.Fatal(err)
	}
	return h
}

// What a turn sends again is one message, whichever string or buffer holds it.
func TestSameMessage(t *testing.T) {
	h := fakeObject(t)
	for _, c := range []struct {
		name, source string
		want         int // different messages
	}{
		{"a string", `const m = JSON.stringify({ a: 1 }); for (const w of ws) w.send(m)`, 1},
		{"equal strings", `for (const w of ws) w.send(JSON.stringify({ a: 1 }))`, 1},
		{"a string that is not ASCII", `const m = "é\u20ac" + ws.length; for (const w of ws) w.send(m)`, 1},
		{"another one", `ws.forEach((w, i) => w.send("m" + i))`, 4},
		{"Latin-1 is not UTF-8", `ws[0].send("\u00c3\u00a9"); ws[1].send("\u00e9"); ws[2].send("\u00c3\u00a9")`, 3},
		{"bytes", `const b = new Uint8Array([1, 2, 3]); for (const w of ws) w.send(b)`, 1},
		{"bytes that change", `const b = new Uint8Array([1, 2, 3]); for (const w of ws) { w.send(b); b[0]++ }`, 4},
		{"text and bytes", `ws[0].send("a"); ws[1].send(new Uint8Array([97])); ws[2].send("a")`, 3},
		{"a rope", `let m = "x".repeat(3000); m += "y".repeat(6000); for (const w of ws) w.send(m)`, 1},
		{"broadcast", `ws.forEach((w) => ctx.acceptWebSocket(w)); ctx.broadcast("b")`, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.messages, h.accepted = nil, nil
			h.eval(t, `(() => { const ws = []; for (let i = 0; i < 4; i++) ws.push(new WebSocketPair()[0]);`+c.source+`})()`)
			different := map[*engine.Message]bool{}
			for _, m := range h.messages {
				different[m] = true
			}
			if len(different) != c.want {
				t.Errorf("%d messages of %d sends", len(different), len(h.messages))
			}
			if h.in.said.m == nil {
				t.Error("nothing is remembered")
			}
			h.in.ForgetSaid()
			if h.in.said.m != nil {
				t.Error("a message outlives its turn")
			}
		})
	}
}

func TestMessageBytes(t *testing.T) {
	h := newFake(t)
	h.eval(t, `(() => {
		const [w, other] = globalThis.ends = [...new WebSocketPair()];
		const detached = new ArrayBuffer(4);
		for (const m of ["\ud800x\u00e9", "", new Uint8Array([1, 2, 3]).subarray(1), new DataView(new ArrayBuffer(2)), new Blob(["blob"]), 5, null, undefined, {}, new String("boxed")]) w.send(m);
		detached.transfer();
		w.send(detached);
	})()`)
	want := `a1 send true "\ufffdxé"
a1 send true ""
a1 send false "\x02\x03"
a1 send false "\x00\x00"
a1 send false "blob"
a1 send true "5"
a1 send true "null"
a1 send true "undefined"
a1 send true "[object Object]"
a1 send true "boxed"
a1 send false ""`
	if got := strings.ReplaceAll(strings.Join(h.calls, "\n"), "�", `\ufffd`); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSocketsOfAnObject(t *testing.T) {
	h := fakeObject(t)
	for _, c := range []jsCase{
		{"accept nothing", `ctx.acceptWebSocket()`, "throws TypeError: Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'."},
		{"accept another thing", `ctx.acceptWebSocket({})`, "throws TypeError: Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'."},
		{"tags that are no array", `ctx.acceptWebSocket(new WebSocketPair()[0], "tag")`, "throws TypeError: Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 2 is not of type 'Array'."},
		{"a null for tags", `ctx.acceptWebSocket(new WebSocketPair()[0], null)`, "throws TypeError: Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 2 is not of type 'Array'."},
		{"accepted", `globalThis.one = new WebSocketPair()[0]; globalThis.two = new WebSocketPair()[0]; ctx.acceptWebSocket(one, ["a", 1, null]); ctx.acceptWebSocket(two); ctx.getTags(one).join() + ctx.getTags(two).length`, "a,1,null0"},
		{"listed", `const list = ctx.getWebSockets(); [Array.isArray(list), list.length, list[0] === one, ctx.getWebSockets("a").length, ctx.getWebSockets(null).length, ctx.getWebSockets("b").length, ctx.getWebSockets(undefined).length].join()`, "true,2,true,1,1,0,2"},
		{"the list is an array like any other", `list.push(5); list.filter((x) => x !== 5).concat([1]).length + " " + ctx.getWebSockets().length`, "3 2"},
		{"tags of another thing", `ctx.getTags({})`, "throws TypeError: Failed to execute 'getTags' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'."},
		{"no auto response", `String(ctx.getWebSocketAutoResponse())`, "null"},
		{"auto response", `ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong")); const p = ctx.getWebSocketAutoResponse(); [p.request, p.response, p instanceof WebSocketRequestResponsePair, p === ctx.getWebSocketAutoResponse()].join()`, "ping,pong,true,false"},
		{"unset", `ctx.setWebSocketAutoResponse(); String(ctx.getWebSocketAutoResponse())`, "null"},
		{"auto response of another thing", `ctx.setWebSocketAutoResponse({ request: "a", response: "b" })`, "throws TypeError: Failed to execute 'setWebSocketAutoResponse' on 'DurableObjectState': parameter 1 is not of type 'WebSocketRequestResponsePair'."},
		{"auto response of null", `ctx.setWebSocketAutoResponse(null)`, "throws TypeError: Failed to execute 'setWebSocketAutoResponse' on 'DurableObjectState': parameter 1 is not of type 'WebSocketRequestResponsePair'."},
		{"half a pair", `new WebSocketRequestResponsePair("a")`, "throws TypeError: Failed to construct 'WebSocketRequestResponsePair': constructor parameter 2 is not of type 'string'."},
		{"no pair", `new WebSocketRequestResponsePair()`, "throws TypeError: Failed to construct 'WebSocketRequestResponsePair': constructor parameter 1 is not of type 'string'."},
		{"a pair of others", `new WebSocketRequestResponsePair(1, null).response + String(new WebSocketRequestResponsePair(1, 2))`, "null[object WebSocketRequestResponsePair]"},
		{"timestamp", `String(ctx.getWebSocketAutoResponseTimestamp(one))`, "null"},
		{"timestamp of nothing", `ctx.getWebSocketAutoResponseTimestamp()`, "throws TypeError: Failed to execute 'getWebSocketAutoResponseTimestamp' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'."},
		{"time-outs", `[undefined, 1000, 0, "12.7", null, 4294967295].map((v) => (ctx.setHibernatableWebSocketEventTimeout(v), ctx.getHibernatableWebSocketEventTimeout())).join()`, ",1000,,12,,4294967295"},
		{"a time-out that is negative", `ctx.setHibernatableWebSocketEventTimeout(-1)`, "throws TypeError: The value cannot be converted because it is negative and this API expects a positive number."},
		{"a time-out that is no number", `ctx.setHibernatableWebSocketEventTimeout(NaN)`, "throws TypeError: The value cannot be converted because it is not an integer."},
		{"a time-out that is too large", `ctx.setHibernatableWebSocketEventTimeout(2 ** 33)`, "throws TypeError: Value out of range. Must be less than or equal to 4294967295."},
		{"broadcast nothing", `ctx.broadcast()`, "throws TypeError: Failed to execute 'broadcast' on 'DurableObjectState': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'."},
		{"broadcast", `[ctx.broadcast("x"), ctx.broadcast("x", { tag: "a" }), ctx.broadcast(new Uint8Array(1), { except: one }), ctx.broadcast("x", { tag: "a", except: one }), ctx.broadcast("x", {}), ctx.broadcast("x", null), ctx.broadcast("x", { except: null })].join()`, "2,1,1,0,2,2,2"},
		{"broadcast with other options", `ctx.broadcast("x", "tag")`, "throws TypeError: Failed to execute 'broadcast' on 'DurableObjectState': parameter 2 is not of type 'BroadcastOptions'."},
		{"broadcast but another thing", `ctx.broadcast("x", { except: {} })`, "throws TypeError: Incorrect type for the 'except' field on 'BroadcastOptions': the provided value is not of type 'WebSocket'."},
		{"another this", `const out = [], arg = { setWebSocketAutoResponse: new WebSocketRequestResponsePair("", ""), setHibernatableWebSocketEventTimeout: 5 }; for (const k of ["acceptWebSocket", "getTags", "getWebSockets", "setWebSocketAutoResponse", "getWebSocketAutoResponse", "getWebSocketAutoResponseTimestamp", "setHibernatableWebSocketEventTimeout", "getHibernatableWebSocketEventTimeout", "broadcast"]) try { Object.getPrototypeOf(ctx)[k].call({}, arg[k] ?? one) } catch (e) { out.push(e.message) } out.length + [...new Set(out)].join()`, "9Illegal invocation"},
	} {
		if got := h.eval(t, c.source); got != c.want {
			t.Errorf("%s: %s\n got %s\nwant %s", c.name, c.source, got, c.want)
		}
	}
}

func TestCloseEvent(t *testing.T) {
	cases(t, []jsCase{
		{"what it has", `const e = new CloseEvent("close", { code: 1001, reason: "r\ud800", wasClean: 1 }); return [e.type, e.code, e.reason, e.wasClean, String(e), e instanceof Event].join()`, "close,1001,r\ufffd,true,[object CloseEvent],true"},
		{"what it has for want of more", `const e = new CloseEvent("x"); return JSON.stringify([e.code, e.reason, e.wasClean])`, `[0,"",false]`},
		{"without a type", `new CloseEvent()`, "rejects TypeError: Failed to construct 'CloseEvent': constructor parameter 1 is not of type 'string'."},
		{"with no object", `new CloseEvent("c", 5)`, "rejects TypeError: Failed to construct 'CloseEvent': constructor parameter 2 is not of type 'Initializer'."},
		{"a code of another kind", `return String(new CloseEvent("c", { code: "x" }).code)`, "0"},
	})
}
