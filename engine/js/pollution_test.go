package js_test

import (
	"strings"
	"testing"
)

// Programs that replace what the language has built in. The Web APIs are written in the same language and live in the same
// runtime: they must go on working, and give nothing of theirs away.

// polluted is a program that runs evil code at its top level. What it does afterwards, it does without the help of anything
// that evil code could have replaced.
const polluted = `
import { DurableObject } from "cloudflare:workers";
const R = Response;
export class OBJECT extends DurableObject {
	async fetch(request) {
		if (request.headers.get("upgrade") !== null) {
			const pair = new WebSocketPair();
			this.ctx.acceptWebSocket(pair[1], ["t", "u"]);
			this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
			pair[1].serializeAttachment({ n: 1 });
			return new R(null, { status: 101, webSocket: pair[0] });
		}
		await this.ctx.storage.put("k", { a: 1 }); return new R("" + await request.text() + (await this.ctx.storage.get("k")).a + apply(sizeOf, await this.ctx.storage.list(), [])); }
	async echo(v) { return v; }
	webSocketMessage(ws, m) {
		if (m === "close") return ws.close(4001, "bye");
		ws.send(m + this.ctx.getTags(ws)[1] + (this.ctx.getWebSockets("t").length > 0) + ws.deserializeAttachment().n + this.ctx.getWebSocketAutoResponse().response + ws.readyState);
		this.ctx.broadcast(m, { tag: "u", except: ws });
	}
	async ring() {
		const s = this.ctx.storage;
		await s.setAlarm(4e12);
		const at = await s.getAlarm();
		await s.deleteAlarm();
		const rung = new PromiseNow((f) => { this.rung = f; });
		await s.transaction(async (t) => { await t.setAlarm(1); });
		return at + (await rung);
	}
	alarm(info) { this.rung(info.isRetry + "" + info.retryCount); }
}
const microtask = queueMicrotask, error = new Error("e"), given = new Map([[1, new Date(5)]]), mapGet = Map.prototype.get, apply = Reflect.apply, PromiseNow = Promise;
const sizeOf = Reflect.getOwnPropertyDescriptor(Map.prototype, "size").get;
// list is something to iterate over that is no array.
const iteratorSymbol = Symbol.iterator;
const list = (v) => ({ [iteratorSymbol]() { let done = false; return { next() { const was = done; done = true; return { value: v, done: was }; } }; } });
let step = "start";
async function tour(env, ctx) {
	let out = "";
	step = "headers"; const h = new Headers({ b: "2" }); h.append("A", "1"); h.set("b", "3"); out += h.get("a") + h.get("b") + h.has("c");
	step = "headers list"; const pairs = h.entries(); out += pairs.next().value[0];
	step = "url"; const u = new URL("http://éxample.com/a b?b=c&d=e#f"); u.searchParams.append("g", "h i"); out += u.href + u.searchParams.get("d");
	step = "request"; const r = new Request(u, { method: "POST", headers: h, body: "text" }); const c = r.clone(); out += await r.text() + (await c.arrayBuffer()).byteLength;
	step = "json"; out += (await new R('{"a":5}').json()).a + await R.json({ x: 1 }).text();
	step = "form"; const f = new FormData(); f.append("f", new Blob(list("x")), "n.txt"); out += (await new R(f).formData()).get("f").name;
	step = "params"; out += await new R(new URLSearchParams("a=b")).text();
	step = "read"; const reader = new R("streamed").body.getReader(); const first = await reader.read(); out += first.value.byteLength + "" + (await reader.read()).done;
	step = "transform"; const t = new TransformStream({ transform(c, to) { to.enqueue(c + "!"); } }); const w = t.writable.getWriter(); w.write("t"); w.close(); const tr = t.readable.getReader(); out += (await tr.read()).value + (await tr.read()).done;
	step = "pipe"; const piped = new R("piped").body.pipeThrough(new TextDecoderStream()).getReader(); out += (await piped.read()).value;
	step = "tee"; const teed = new R("teed"); const copy = teed.clone(); out += await teed.text() + await copy.text();
	step = "compress"; out += await new R(new R("zip").body.pipeThrough(new CompressionStream("gzip")).pipeThrough(new DecompressionStream("gzip"))).text();
	step = "events"; const target = new EventTarget(); let n = 0; target.addEventListener("x", () => { n++; }, { once: true }); target.dispatchEvent(new Event("x")); target.dispatchEvent(new CustomEvent("x")); out += n;
	step = "abort"; const a = new AbortController(); a.signal.addEventListener("abort", () => { n++; }); a.abort(); out += n + a.signal.reason.name;
	step = "clone"; const m = structuredClone(given); out += typeof apply(mapGet, m, [1]);
	step = "base64"; out += atob(btoa("x")) + new TextDecoder().decode(new TextEncoder().encode("é"));
	step = "crypto"; out += crypto.randomUUID().length + "" + (await crypto.subtle.digest("SHA-256", new Uint8Array(1))).byteLength;
	step = "hmac"; const key = await crypto.subtle.importKey("raw", new Uint8Array(16), { name: "HMAC", hash: "SHA-256" }, false, list("sign")); out += (await crypto.subtle.sign("HMAC", key, new Uint8Array(1))).byteLength;
	step = "console"; console.log("x %s %o", "y", { a: [1, { b: 2 }], m: given }, error, [1, 2]);
	step = "timer"; out += await new PromiseNow((f) => setTimeout(f, 1, "timer")); await scheduler.wait(1); await new PromiseNow((f) => microtask(f));
	step = "object"; const stub = env.OBJECT.getByName("x"); out += await (await stub.fetch("http://a/", { method: "POST", body: "body" })).text();
	step = "rpc"; const echoed = await stub.echo({ x: 7, f: () => 8 }); out += echoed.x; out += await echoed.f();
	step = "socket"; const ws = (await stub.fetch("http://a/", { headers: { upgrade: "websocket" } })).webSocket; ws.accept();
	const told = (type, say) => new PromiseNow((f) => { ws.addEventListener(type, f, { once: true }); ws.send(say); });
	out += (await told("message", "hello")).data + (await told("message", "ping")).data;
	step = "socket's end"; const end = await told("close", "close"); out += end.code + end.reason + end.wasClean;
	step = "alarm"; out += await stub.ring();
	step = "error"; try { new URL("nope"); } catch (e) { out += e.message; } try { await env.OBJECT.getByName("y").nope(); } catch (e) { out += e.message.length; }
	step = "waitUntil"; ctx.waitUntil(null);
	return out;
}
export default { async fetch(request, env, ctx) {
	if (request.url === "http://example.com/step") return new R(step);
	try { return new R(await tour(env, ctx)); } catch (e) { return new R(step + ": " + (typeof e === "object" && e !== null ? e.name + " " + e.message + e.stack : e)); }
} };
`

func TestPollution(t *testing.T) {
	const everyMethod = `
const { defineProperty, getOwnPropertyDescriptor, ownKeys } = { __proto__: null, defineProperty: Object.defineProperty, getOwnPropertyDescriptor: Object.getOwnPropertyDescriptor, ownKeys: Reflect.ownKeys };
const ErrorNow = Error;
function spoil(o, but = "") {
	const keys = ownKeys(o);
	for (let i = 0; i < keys.length; i++) {
		const k = keys[i];
		if (k === "constructor" || k === but) continue;
		const d = getOwnPropertyDescriptor(o, k);
		if (typeof d.value === "function" && d.writable) o[k] = function () { throw new ErrorNow("evil " + (typeof k === "symbol" ? "symbol" : k)); };
		else if (d.get && d.configurable) defineProperty(o, k, { __proto__: null, get() { throw new ErrorNow("evil getter " + (typeof k === "symbol" ? "symbol" : k)); } });
	}
}
`
	clean := serve(t, polluted, setup{}).get("/")
	if !strings.HasPrefix(clean, "13falsea") || !strings.Contains(clean, "helloutrue1pong1pong4001byetrue4000000000000false0") {
		t.Fatalf("without any evil: %s", clean)
	}
	for _, x := range []struct{ name, evil string }{
		{"Array.prototype", `spoil(Array.prototype)`},
		{"the iterators", `spoil(Object.getPrototypeOf([][Symbol.iterator]())); spoil(Object.getPrototypeOf(new Map().entries())); spoil(Object.getPrototypeOf(new Set().values())); spoil(Iterator.prototype); spoil(Object.getPrototypeOf(function* () {}).prototype); spoil(Object.getPrototypeOf(async function* () {}).prototype)`},
		{"Function.prototype", `spoil(Function.prototype)`},
		{"Promise", `spoil(Promise.prototype); spoil(Promise)`},
		{"Promise.prototype.constructor", `defineProperty(Promise.prototype, "constructor", { __proto__: null, get() { return class extends Promise { constructor(f) { super(f); globalThis.leaked = this; } }; } })`},
		{"Promise's species", `defineProperty(Promise, Symbol.species, { __proto__: null, value: class { constructor() { throw "evil species"; } } })`},
		{"Map, Set, WeakMap", `for (const C of [Map, Set, WeakMap, WeakSet, WeakRef, FinalizationRegistry]) { spoil(C.prototype); spoil(C); }`},
		{"String.prototype", `spoil(String.prototype); spoil(String)`},
		{"RegExp.prototype", `spoil(RegExp.prototype)`},
		{"numbers, dates, Math", `for (const o of [Number.prototype, Number, Date.prototype, Date, Math, BigInt.prototype, Boolean.prototype, Symbol.prototype]) spoil(o)`},
		{"JSON, Reflect", `spoil(JSON); spoil(Reflect, "ownKeys")`},
		{"Object's functions", `spoil(Object)`},
		{"Object.prototype's methods", `spoil(Object.prototype)`},
		{"buffers", `for (const o of [Uint8Array.prototype, Object.getPrototypeOf(Uint8Array.prototype), Object.getPrototypeOf(Uint8Array), ArrayBuffer.prototype, DataView.prototype]) spoil(o, "byteLength")`},
		{"the species of buffers", `for (const C of [Object.getPrototypeOf(Uint8Array), ArrayBuffer, Array, Map, Set, RegExp]) Object.defineProperty(C, Symbol.species, { __proto__: null, get() { throw "evil species"; } })`},
		{"errors", `Error.prototype.toString = Error.captureStackTrace = Error.prepareStackTrace = () => { throw "evil"; }; Error.stackTraceLimit = { valueOf() { throw "evil"; } }`},
		{"the globals", `const g = globalThis; for (const k of ["Promise", "Map", "Set", "WeakMap", "Error", "TypeError", "RangeError", "Array", "Object", "String", "Number", "Symbol", "Math", "JSON", "Reflect", "Date", "RegExp", "Proxy", "Function", "Iterator", "ArrayBuffer", "DataView", "Boolean", "BigInt", "WeakSet", "WeakRef", "globalThis", "queueMicrotask", "DOMException"]) g[k] = undefined`},
		{"the Web APIs' own methods", `for (const C of [Headers, URLSearchParams, ReadableStream, WritableStream, EventTarget, AbortSignal, AbortController, TextDecoder, TextEncoder, Blob, FormData, ReadableStreamDefaultReader, Event, MessageEvent, CloseEvent, WebSocket, WebSocketPair, WebSocketRequestResponsePair]) { const p = {}; for (const k of Reflect.ownKeys(C.prototype)) p[k] = Object.getOwnPropertyDescriptor(C.prototype, k); spoil(C.prototype); globalThis.restore ??= []; restore.push([C.prototype, p]); } for (const [o, p] of restore) for (const k of Reflect.ownKeys(p)) Object.defineProperty(o, k, p[k])`},
		{"descriptors", `for (const k of ["get", "set", "value", "writable", "enumerable", "configurable"]) Object.defineProperty(Object.prototype, k, { __proto__: null, get() { throw "evil " + k; }, set() { throw "evil set " + k; }, configurable: true })`},
		{"members of dictionaries", `for (const k of ["status", "statusText", "webSocket", "cf", "encodeBody", "redirect", "signal", "cache", "integrity", "keepalive", "duplex", "highWaterMark", "size", "cancel", "autoAllocateChunkSize", "preventAbort", "preventCancel", "preventClose", "fatal", "ignoreBOM", "bubbles", "cancelable", "composed", "detail", "capture", "passive", "done", "next", "return", "reason", "locationHint", "allowConcurrency", "noCache", "endings", "type", "lastModified", "start", "flush", "readableType", "writableType", "mode", "min", "transfer", "cause", "props", "limit", "reverse", "prefix", "publicExponent", "length", "iv", "salt", "tag", "except", "allowHalfOpen", "allowUnconfirmed", "code", "wasClean", "data", "message", "error", "isRetry", "retryCount", "scheduledTime"]) Object.defineProperty(Object.prototype, k, { __proto__: null, get() { return undefined; }, set() { throw "evil set " + k; }, configurable: true })`},
		{"nothing left of Object.prototype", `for (const k of Reflect.ownKeys(Object.prototype)) delete Object.prototype[k]`},
		{"frozen", `Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.freeze(Function.prototype); Object.freeze(Promise.prototype); Object.freeze(Error.prototype)`},
	} {
		t.Run(x.name, func(t *testing.T) {
			v := serve(t, everyMethod+polluted+x.evil, setup{})
			for range 2 {
				if got := v.get("/"); got != clean {
					t.Fatalf("%s\ngot  %s\nwant %s\n%s", v.get("/step"), got, clean, v.logs)
				}
			}
		})
	}
}
