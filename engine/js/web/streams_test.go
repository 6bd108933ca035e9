package web

import (
	"fmt"
	"testing"
)

// The cases below are sentences of the Streams standard, by its sections.

const streamHelpers = `
const tick = async (n = 5) => { for (let i = 0; i < n; i++) await null; };
const state = async (p) => { let s = "pending"; p.then(() => s = "fulfilled", () => s = "rejected"); await tick(10); return s; };
const err = async (f) => { try { await f(); return "none"; } catch (e) { return e && e.name ? e.name : String(e); } };
const all = async (s) => { const out = []; for await (const c of s) out.push(c); return out; };
const text = (b) => new TextDecoder().decode(b);
`

func streamCases(t *testing.T, list []jsCase) {
	t.Helper()
	for i := range list {
		list[i].source = streamHelpers + list[i].source
	}
	cases(t, list)
}

func TestReadableStreamOfASource(t *testing.T) {
	streamCases(t, []jsCase{
		{"start, pull and cancel are called as methods of the source", `const log = []; const src = {start(c) { log.push(this === src, c instanceof ReadableStreamDefaultController) }, pull() { log.push(this === src) }, cancel(r) { log.push(this === src, r) }};
			const s = new ReadableStream(src); await tick(); await s.cancel("why"); return log.join()`, "true,true,true,true,why"},
		{"a source must be an object", `return await err(() => new ReadableStream(null))`, "TypeError"},
		{"pull must be a function", `return await err(() => new ReadableStream({pull: 1}))`, "TypeError"},
		{"another type is refused", `return await err(() => new ReadableStream({type: "x"}))`, "TypeError"},
		{"a size for bytes is refused", `return await err(() => new ReadableStream({type: "bytes"}, {size() {}}))`, "RangeError"},
		{"a negative high water mark is refused", `return await err(() => new ReadableStream({}, {highWaterMark: -1}))`, "RangeError"},
		{"NaN as high water mark is refused", `return await err(() => new ReadableStream({}, {highWaterMark: NaN}))`, "RangeError"},
		{"start that throws fails the constructor", `return await err(() => new ReadableStream({start() { throw new RangeError("x") }}))`, "RangeError"},
		{"start that rejects errors the stream", `const s = new ReadableStream({start() { return Promise.reject(new RangeError("x")) }}); return await err(() => s.getReader().read())`, "RangeError"},
		{"pull waits for start", `let go, n = 0; new ReadableStream({start() { return new Promise((r) => go = r) }, pull() { n++ }}); await tick(); const before = n; go(); await tick(); return before + "," + n`, "0,1"},
		{"pull is called until the high water mark is reached", `let n = 0; new ReadableStream({pull(c) { n++; c.enqueue(n) }}, {highWaterMark: 3}); await tick(20); return String(n)`, "3"},
		{"pull is not called while it waits", `let n = 0; new ReadableStream({pull(c) { n++; return new Promise(() => {}) }}); await tick(20); return String(n)`, "1"},
		{"pull that rejects errors the stream", `const s = new ReadableStream({pull() { return Promise.reject(new RangeError()) }}); return await err(() => s.getReader().read())`, "RangeError"},
		{"chunks come in order", `const s = new ReadableStream({start(c) { c.enqueue(1); c.enqueue(2); c.close() }}); return (await all(s)).join()`, "1,2"},
		{"desiredSize", `let c; new ReadableStream({start(k) { c = k }}, {highWaterMark: 2}); const out = [c.desiredSize]; c.enqueue(1); c.enqueue(1); c.enqueue(1); out.push(c.desiredSize); return out.join()`, "2,-1"},
		{"desiredSize of a closed one is 0, of an errored one null", `let a, b; new ReadableStream({start(k) { a = k }}); new ReadableStream({start(k) { b = k }}); a.close(); b.error(1); return a.desiredSize + "," + b.desiredSize`, "0,null"},
		{"a size function counts", `let c; new ReadableStream({start(k) { c = k }}, {highWaterMark: 10, size: (x) => x.length}); c.enqueue("abc"); return String(c.desiredSize)`, "7"},
		{"a size that throws errors the stream", `let c; const s = new ReadableStream({start(k) { c = k }}, {size() { throw new RangeError("x") }}); const a = await err(() => c.enqueue(1)); return a + await err(() => s.getReader().read())`, "RangeErrorRangeError"},
		{"an infinite size is refused", `let c; const s = new ReadableStream({start(k) { c = k }}, {size() { return Infinity }}); const a = await err(() => c.enqueue(1)); return a + await err(() => s.getReader().read())`, "RangeErrorRangeError"},
		{"close twice is refused", `let c; new ReadableStream({start(k) { c = k }}); c.close(); return await err(() => c.close())`, "TypeError"},
		{"enqueue after close is refused", `let c; new ReadableStream({start(k) { c = k }}); c.close(); return await err(() => c.enqueue(1))`, "TypeError"},
		{"what is queued is read after close", `let c; const s = new ReadableStream({start(k) { c = k }}); c.enqueue(1); c.close(); const r = s.getReader(); return (await r.read()).value + "," + (await r.read()).done`, "1,true"},
		{"what is queued is gone after error", `let c; const s = new ReadableStream({start(k) { c = k }}); c.enqueue(1); c.error(new RangeError()); return await err(() => s.getReader().read())`, "RangeError"},
		{"undefined can be an error", `const s = new ReadableStream({start(c) { c.error() }}); return await err(() => s.getReader().read())`, "undefined"},
		{"cancel gives the queue up and passes the reason", `let why; const s = new ReadableStream({start(c) { c.enqueue(1) }, cancel(r) { why = r }}); const v = await s.cancel("x"); return why + v + (await s.getReader().read()).done`, "xundefinedtrue"},
		{"cancel of a locked one is refused", `const s = new ReadableStream(); s.getReader(); return await err(() => s.cancel())`, "TypeError"},
		{"cancel that throws rejects", `const s = new ReadableStream({cancel() { throw new RangeError() }}); return await err(() => s.cancel())`, "RangeError"},
		{"cancel of an errored one rejects with its error", `const s = new ReadableStream({start(c) { c.error(new RangeError()) }}); return await err(() => s.cancel())`, "RangeError"},
		{"reads are answered in order", `let c; const s = new ReadableStream({start(k) { c = k }}); const r = s.getReader(); const p = [r.read(), r.read()]; c.enqueue("a"); c.enqueue("b"); return (await Promise.all(p)).map((x) => x.value).join()`, "a,b"},
		{"reads wait and see the end", `let c; const s = new ReadableStream({start(k) { c = k }}); const r = s.getReader(); const p = [r.read(), r.read()]; c.close(); return (await Promise.all(p)).map((x) => x.done).join()`, "true,true"},
		{"closed is fulfilled at the end", `let c; const s = new ReadableStream({start(k) { c = k }}); const r = s.getReader(); const before = await state(r.closed); c.close(); return before + "," + await state(r.closed)`, "pending,fulfilled"},
		{"closed is rejected with the error", `let c; const s = new ReadableStream({start(k) { c = k }}); const r = s.getReader(); const p = r.closed; c.error(new RangeError()); return await err(() => p)`, "RangeError"},
		{"closed is the same promise until it is replaced", `let c; const s = new ReadableStream({start(k) { c = k }}); const r = s.getReader(); const p = r.closed; const same = p === r.closed; r.releaseLock(); return same + "," + await err(() => p)`, "true,TypeError"},
		{"releaseLock rejects the reads that wait", `const s = new ReadableStream(); const r = s.getReader(); const p = r.read(); r.releaseLock(); return await err(() => p) + s.locked + await err(() => r.read())`, "TypeErrorfalseTypeError"},
		{"closed of a released reader of a closed stream is replaced", `const s = new ReadableStream({start(c) { c.close() }}); const r = s.getReader(); const p = r.closed; r.releaseLock(); return await state(p) + "," + await state(r.closed)`, "fulfilled,rejected"},
		{"a new reader goes on where another stopped", `const s = new ReadableStream({start(c) { c.enqueue(1); c.enqueue(2) }}); const a = s.getReader(); await a.read(); a.releaseLock(); return String((await s.getReader().read()).value)`, "2"},
		{"the constructor of a reader locks", `const s = new ReadableStream(); new ReadableStreamDefaultReader(s); return s.locked + await err(() => new ReadableStreamDefaultReader(s))`, "trueTypeError"},
		{"controllers cannot be constructed", `return await err(() => new ReadableStreamDefaultController()) + await err(() => new ReadableByteStreamController()) + await err(() => new ReadableStreamBYOBRequest())`, "TypeErrorTypeErrorTypeError"},
		{"methods check their receiver", `return await err(() => ReadableStream.prototype.tee.call({})) + await err(() => ReadableStream.prototype.cancel.call({})) + await err(() => ReadableStreamDefaultReader.prototype.read.call({}))`, "TypeErrorTypeErrorTypeError"},
		{"a mode that is none", `return await err(() => new ReadableStream().getReader({mode: "x"}))`, "TypeError"},
		{"the chunk that is a promise is not resolved", `const p = Promise.resolve(7); const s = new ReadableStream({start(c) { c.enqueue(p) }}); return String((await s.getReader().read()).value === p)`, "true"},
	})
}

func TestReadableStreamFrom(t *testing.T) {
	streamCases(t, []jsCase{
		{"an array", `return (await all(ReadableStream.from([1, 2]))).join()`, "1,2"},
		{"an array of promises", `return (await all(ReadableStream.from([Promise.resolve(1), 2]))).join()`, "1,2"},
		{"an async generator", `return (await all(ReadableStream.from((async function*() { yield "a"; yield "b" })()))).join()`, "a,b"},
		{"a stream", `return (await all(ReadableStream.from(ReadableStream.from([3])))).join()`, "3"},
		{"a string goes by characters", `return (await all(ReadableStream.from("ab"))).join()`, "a,b"},
		{"nothing is read before it is wanted", `let n = 0; const s = ReadableStream.from((function*() { n++; yield 1 })()); await tick(); return String(n)`, "0"},
		{"what cannot be iterated", `return await err(() => ReadableStream.from({})) + await err(() => ReadableStream.from(null))`, "TypeErrorTypeError"},
		{"cancel calls return with the reason", `let why; const s = ReadableStream.from({[Symbol.asyncIterator]() { return {next() { return {done: false, value: 1} }, return(r) { why = r; return {done: true} }} }}); const r = s.getReader(); await r.read(); await r.cancel("x"); return why`, "x"},
		{"next that throws errors the stream", `const s = ReadableStream.from({[Symbol.asyncIterator]() { return {next() { throw new RangeError() }} }}); return await err(() => s.getReader().read())`, "RangeError"},
		{"next that gives no object", `const s = ReadableStream.from({[Symbol.asyncIterator]() { return {next() { return 5 }} }}); return await err(() => s.getReader().read())`, "TypeError"},
		{"a rejected value ends a synchronous iterator", `let closed = 0; const s = ReadableStream.from({[Symbol.iterator]() { return {next() { return {done: false, value: Promise.reject(new RangeError())} }, return() { closed++; return {} }} }}); return await err(() => s.getReader().read()) + closed`, "RangeError1"},
	})
}

func TestReadableStreamIteration(t *testing.T) {
	streamCases(t, []jsCase{
		{"a source is asked again before next is answered", `let asked = 0; const it = new ReadableStream({ pull(c) { c.enqueue(asked++) } }).values(); await Promise.all([it.next(), it.return()]); return String(asked)`, "2"},
		{"next calls are answered in order", `const it = ReadableStream.from([1, 2]).values(); const r = await Promise.all([it.next(), it.next(), it.next()]); return JSON.stringify(r)`, `[{"value":1,"done":false},{"value":2,"done":false},{"done":true}]`},
		{"return cancels", `let why; const s = new ReadableStream({cancel(r) { why = r }}); const it = s.values(); const r = await it.return("x"); return why + JSON.stringify(r) + s.locked`, `x{"value":"x","done":true}false`},
		{"preventCancel keeps the stream", `let n = 0; const s = new ReadableStream({pull(c) { c.enqueue(++n) }, cancel() { n = 100 }}); for await (const c of s.values({preventCancel: true})) break; return s.locked + "," + (n < 100)`, "false,true"},
		{"an error ends the iteration and unlocks", `const s = new ReadableStream({start(c) { c.error(new RangeError()) }}); const it = s.values(); return await err(() => it.next()) + s.locked + (await it.next()).done`, "RangeErrorfalsetrue"},
		{"next after return is done", `const it = ReadableStream.from([1]).values(); await it.return(); return String((await it.next()).done)`, "true"},
		{"the iterator's prototype", `const p = Object.getPrototypeOf(new ReadableStream().values()); return Object.getOwnPropertyNames(p).join() + (Object.getPrototypeOf(p) === Object.getPrototypeOf(Object.getPrototypeOf(async function*() {}).prototype)) + p.next.length + p.return.length`, "next,returntrue01"},
		{"values is the async iterator", `return String(ReadableStream.prototype.values === ReadableStream.prototype[Symbol.asyncIterator])`, "true"},
	})
}

func TestReadableStreamTee(t *testing.T) {
	streamCases(t, []jsCase{
		{"both branches get all", `const [a, b] = ReadableStream.from([1, 2]).tee(); return [await all(a), await all(b)].join("|")`, "1,2|1,2"},
		{"the same chunks", `const o = {}; const [a, b] = new ReadableStream({start(c) { c.enqueue(o) }}).tee(); return String((await a.getReader().read()).value === o && (await b.getReader().read()).value === o)`, "true"},
		{"the stream is locked", `const s = new ReadableStream(); s.tee(); return s.locked + await err(() => s.tee())`, "trueTypeError"},
		{"an error reaches both", `let c; const [a, b] = new ReadableStream({start(k) { c = k }}).tee(); c.error(new RangeError()); return await err(() => a.getReader().read()) + await err(() => b.getReader().read())`, "RangeErrorRangeError"},
		{"one cancelled branch leaves the other", `const [a, b] = ReadableStream.from([1, 2]).tee(); a.cancel(); return (await all(b)).join()`, "1,2"},
		{"both cancelled cancel with both reasons", `let why; const [a, b] = new ReadableStream({cancel(r) { why = r }}).tee(); const p = a.cancel("x"); const s = await state(p); await b.cancel("y"); return s + why.join()`, "pendingx,y"},
		{"it reads no faster than the faster branch", `let n = 0; const [a, b] = new ReadableStream({pull(c) { c.enqueue(++n) }}, {highWaterMark: 0}).tee(); await tick(20); const idle = n; const r = a.getReader(); await r.read(); await r.read(); await tick(20); return (idle <= 1) + "," + (n <= 4)`, "true,true"},
		{"the branches of a byte stream are byte streams with copies", `const [a, b] = new Response("hi").body.tee(); const x = await a.getReader({mode: "byob"}).read(new Uint8Array(5)), y = await b.getReader().read(); return text(x.value) + text(y.value) + (x.value.buffer !== y.value.buffer)`, "hihitrue"},
		{"BYOB on both branches", `let c; const [a, b] = new ReadableStream({type: "bytes", start(k) { c = k }}).tee(); const p = a.getReader({mode: "byob"}).read(new Uint8Array(4)), q = b.getReader({mode: "byob"}).read(new Uint8Array(4)); await tick(); c.enqueue(new Uint8Array([1, 2])); return [...(await p).value] + "|" + [...(await q).value]`, "1,2|1,2"},
		{"the end with a BYOB read under way", `let c; const [a, b] = new ReadableStream({type: "bytes", start(k) { c = k }}).tee(); const p = a.getReader({mode: "byob"}).read(new Uint8Array(4)); await tick(); c.close(); c.byobRequest?.respond(0); const r = await p; return r.done + "," + r.value.byteLength + (await b.getReader().read()).done`, "true,0true"},
	})
}

func TestReadableByteStream(t *testing.T) {
	streamCases(t, []jsCase{
		{"a default reader gets Uint8Arrays", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint16Array([1])); c.close() }}); const r = await s.getReader().read(); return r.value.constructor.name + r.value.length`, "Uint8Array2"},
		{"a chunk is transferred", `const u = new Uint8Array([1]); new ReadableStream({type: "bytes", start(c) { c.enqueue(u) }}); return String(u.byteLength)`, "0"},
		{"an empty chunk is refused", `return await err(() => new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array(0)) }}))`, "TypeError"},
		{"a chunk that is no view is refused", `return await err(() => new ReadableStream({type: "bytes", start(c) { c.enqueue("x") }}))`, "TypeError"},
		{"a BYOB read fills the view", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])) }}); const r = await s.getReader({mode: "byob"}).read(new Uint8Array(2)); return [...r.value].join()`, "1,2"},
		{"the rest is read next", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])) }}); const q = s.getReader({mode: "byob"}); await q.read(new Uint8Array(2)); return [...(await q.read(new Uint8Array(2))).value].join()`, "3"},
		{"a view's kind stays", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 0, 2, 0, 3])) }}); const r = await s.getReader({mode: "byob"}).read(new Uint16Array(4)); return r.value.constructor.name + [...r.value].join()`, "Uint16Array1,2"},
		{"a DataView", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array([9])) }}); const r = await s.getReader({mode: "byob"}).read(new DataView(new ArrayBuffer(4), 1)); return r.value.constructor.name + r.value.getUint8(0) + r.value.byteOffset`, "DataView91"},
		{"the view's buffer is transferred", `const s = new ReadableStream({type: "bytes"}); const v = new Uint8Array(3); s.getReader({mode: "byob"}).read(v).catch(() => {}); return String(v.byteLength)`, "0"},
		{"pull answers a request with respond", `const s = new ReadableStream({type: "bytes", pull(c) { const q = c.byobRequest; q.view[0] = 7; q.respond(1) }}); const r = await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return [...r.value].join()`, "7"},
		{"and with respondWithNewView", `const s = new ReadableStream({type: "bytes", pull(c) { const v = c.byobRequest.view; v[0] = 8; c.byobRequest.respondWithNewView(new Uint8Array(v.buffer.transfer(), 0, 1)) }}); const r = await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return [...r.value].join()`, "8"},
		{"a new view of another size is refused", `let e; const s = new ReadableStream({type: "bytes", async pull(c) { e = await err(() => c.byobRequest.respondWithNewView(new Uint8Array(9))); c.close(); c.byobRequest.respond(0) }}); await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return e`, "RangeError"},
		{"respond with too much is refused", `let e; const s = new ReadableStream({type: "bytes", async pull(c) { e = await err(() => c.byobRequest.respond(9)); c.byobRequest.respond(1) }}); await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return e`, "RangeError"},
		{"respond with 0 is refused while open", `let e; const s = new ReadableStream({type: "bytes", async pull(c) { e = await err(() => c.byobRequest.respond(0)); c.byobRequest.respond(1) }}); await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return e`, "TypeError"},
		{"a request can be answered once", `let e; const s = new ReadableStream({type: "bytes", async pull(c) { const q = c.byobRequest; q.respond(1); e = await err(() => q.respond(1)) + q.view }}); await s.getReader({mode: "byob"}).read(new Uint8Array(3)); await tick(); return e`, "TypeErrornull"},
		{"close answers a read that waits, with respond", `let c; const s = new ReadableStream({type: "bytes", start(k) { c = k }}); const p = s.getReader({mode: "byob"}).read(new Uint8Array(3)); c.close(); c.byobRequest.respond(0); const r = await p; return r.done + "," + r.value.byteLength + "," + r.value.buffer.byteLength`, "true,0,3"},
		{"a read of a closed one gives the buffer back", `const s = new ReadableStream({type: "bytes", start(c) { c.close() }}); const r = await s.getReader({mode: "byob"}).read(new Uint8Array(3)); return r.done + "," + r.value.buffer.byteLength`, "true,3"},
		{"cancel gives undefined to the reads that wait", `const s = new ReadableStream({type: "bytes"}); const r = s.getReader({mode: "byob"}); const p = r.read(new Uint8Array(3)); await r.cancel(); const x = await p; return x.done + "," + x.value`, "true,undefined"},
		{"min waits for so many elements", `let c; const s = new ReadableStream({type: "bytes", start(k) { c = k }}); const p = s.getReader({mode: "byob"}).read(new Uint8Array(4), {min: 3}); c.enqueue(new Uint8Array([1])); const a = await state(p); c.enqueue(new Uint8Array([2, 3])); return a + [...(await p).value]`, "pending1,2,3"},
		{"min above the view is refused", `const s = new ReadableStream({type: "bytes"}); return await err(() => s.getReader({mode: "byob"}).read(new Uint8Array(4), {min: 5})) + await err(() => new ReadableStream({type: "bytes"}).getReader({mode: "byob"}).read(new Uint8Array(4), {min: 0}))`, "RangeErrorTypeError"},
		{"an empty view is refused", `const s = new ReadableStream({type: "bytes"}); return await err(() => s.getReader({mode: "byob"}).read(new Uint8Array(0)))`, "TypeError"},
		{"the end inside an element is an error", `let c; const s = new ReadableStream({type: "bytes", start(k) { c = k }}); const p = s.getReader({mode: "byob"}).read(new Uint16Array(2)); c.enqueue(new Uint8Array([1])); return await err(() => c.close()) + await err(() => p)`, "TypeErrorTypeError"},
		{"autoAllocateChunkSize gives default reads a request", `const s = new ReadableStream({type: "bytes", autoAllocateChunkSize: 8, pull(c) { c.byobRequest.view[0] = 5; c.byobRequest.respond(1) }}); const r = await s.getReader().read(); return [...r.value] + "," + r.value.buffer.byteLength`, "5,8"},
		{"autoAllocateChunkSize 0 is refused", `return await err(() => new ReadableStream({type: "bytes", autoAllocateChunkSize: 0}))`, "TypeError"},
		{"a default stream has no BYOB reader", `return await err(() => new ReadableStream().getReader({mode: "byob"})) + await err(() => new ReadableStreamBYOBReader(new ReadableStream()))`, "TypeErrorTypeError"},
		{"releaseLock keeps the bytes of an answer that comes late", `let c; const s = new ReadableStream({type: "bytes", start(k) { c = k }}); const a = s.getReader({mode: "byob"}); const p = a.read(new Uint8Array(3)); const q = c.byobRequest; a.releaseLock(); const e = await err(() => p); q.view[0] = 4; q.respond(1); return e + [...(await s.getReader().read()).value]`, "TypeError4"},
		{"releaseLock keeps what a read had got so far", `let c; const s = new ReadableStream({type: "bytes", start(k) { c = k }}); const a = s.getReader({mode: "byob"}); const p = a.read(new Uint8Array(4), {min: 3}); c.enqueue(new Uint8Array([1])); a.releaseLock(); const e = await err(() => p); c.enqueue(new Uint8Array([2])); const r = s.getReader(); return e + [...(await r.read()).value] + "," + [...(await r.read()).value]`, "TypeError1,2"},
		{"the high water mark is 0", `let n = 0; new ReadableStream({type: "bytes", pull() { n++ }}); await tick(20); return String(n)`, "0"},
		{"readAtLeast", `const s = new ReadableStream({type: "bytes", start(c) { c.enqueue(new Uint8Array([1])); c.enqueue(new Uint8Array([2])) }}); return [...(await s.getReader({mode: "byob"}).readAtLeast(2, new Uint8Array(4))).value].join()`, "1,2"},
	})
}

func TestWritableStream(t *testing.T) {
	streamCases(t, []jsCase{
		{"start, write and close are called in order, one at a time", `const log = []; const s = new WritableStream({start() { log.push("s") }, async write(c) { log.push("w" + c); await tick(); log.push("e" + c) }, close() { log.push("c") }}); const w = s.getWriter(); w.write(1); w.write(2); await w.close(); return log.join()`, "s,w1,e1,w2,e2,c"},
		{"write gets the controller, abort the reason, close nothing", `const n = []; const sink = {write(...a) { n.push(a.length, a[1] instanceof WritableStreamDefaultController, this === sink) }, close(...a) { n.push(a.length) }}; const w = new WritableStream(sink).getWriter(); await w.write(1); await w.close(); return n.join()`, "2,true,true,0"},
		{"desiredSize and ready", `let go; const s = new WritableStream({write() { return new Promise((r) => go = r) }}, {highWaterMark: 1}); const w = s.getWriter(); const out = [w.desiredSize, await state(w.ready)]; w.write(1); out.push(w.desiredSize, await state(w.ready)); go(); out.push(await state(w.ready), w.desiredSize); return out.join()`, "1,fulfilled,0,pending,fulfilled,1"},
		{"a write that rejects errors the stream", `const w = new WritableStream({write() { return Promise.reject(new RangeError()) }}).getWriter(); const a = await err(() => w.write(1)); return [a, await err(() => w.write(2)), await err(() => w.closed), await err(() => w.ready), w.desiredSize].join()`, "RangeError,RangeError,RangeError,RangeError,"},
		{"writes that wait are rejected", `const w = new WritableStream({async write(c) { if (c === 1) throw new RangeError() }}).getWriter(); const p = [w.write(1), w.write(2)]; return (await Promise.allSettled(p)).map((r) => r.reason.name).join()`, "RangeError,RangeError"},
		{"abort calls the sink's once its write is over", `let go, why; const s = new WritableStream({write() { return new Promise((r) => go = r) }, abort(r) { why = r }}); const w = s.getWriter(); w.write(1); await tick(); const p = w.abort("x"); await tick(); const before = why; go(); await p; return before + why`, "undefinedx"},
		{"abort aborts the controller's signal at once", `let c; const s = new WritableStream({start(k) { c = k }, write() { return new Promise(() => {}) }}); const w = s.getWriter(); w.write(1); await tick(); w.abort("x").catch(() => {}); return c.signal.aborted + c.signal.reason`, "truex"},
		{"a signal that was asked for before", `let c; const s = new WritableStream({start(k) { c = k }}); const g = c.signal; let n = 0; g.onabort = () => n++; await s.abort("x"); return [g.aborted, g.reason, n, g === c.signal].join()`, "true,x,1,true"},
		{"abort rejects what waits", `const s = new WritableStream({write() { return tick() }}); const w = s.getWriter(); const p = w.write(1), q = w.write(2), r = w.close(); await w.abort(new RangeError()); return (await Promise.allSettled([p, q, r])).map((x) => x.status[0] + (x.reason?.name ?? "")).join()`, "rRangeError,rRangeError,rRangeError"},
		{"abort twice is one", `const s = new WritableStream({start() { return tick() }}); const w = s.getWriter(); return String(w.abort(1) === undefined) + await state(w.abort(2))`, "falsefulfilled"},
		{"abort of a closed one does nothing", `let n = 0; const s = new WritableStream({abort() { n++ }}); await s.close(); await s.abort(); return String(n)`, "0"},
		{"abort that throws rejects", `const s = new WritableStream({abort() { throw new RangeError() }}); return await err(() => s.abort())`, "RangeError"},
		{"the controller's error", `let c; const s = new WritableStream({start(k) { c = k }}); c.error(new RangeError()); return await err(() => s.getWriter().closed)`, "RangeError"},
		{"close waits for the writes", `let n = 0; const s = new WritableStream({async write() { await tick(); n++ }}); const w = s.getWriter(); w.write(1); w.write(2); await w.close(); return n + await state(w.closed)`, "2fulfilled"},
		{"close twice is refused", `const s = new WritableStream(); const w = s.getWriter(); w.close(); return await err(() => w.close()) + await err(() => s.close())`, "TypeErrorTypeError"},
		{"write after close is refused", `const w = new WritableStream().getWriter(); w.close(); return await err(() => w.write(1))`, "TypeError"},
		{"close that rejects errors the stream", `const w = new WritableStream({close() { return Promise.reject(new RangeError()) }}).getWriter(); return await err(() => w.close()) + await err(() => w.closed)`, "RangeErrorRangeError"},
		{"a lock", `const s = new WritableStream(); const w = s.getWriter(); const a = s.locked + await err(() => s.getWriter()) + await err(() => s.abort()) + await err(() => s.close()); w.releaseLock(); return a + s.locked + await err(() => w.write(1)) + await err(() => w.closed) + await err(() => w.desiredSize)`, "trueTypeErrorTypeErrorTypeErrorfalseTypeErrorTypeErrorTypeError"},
		{"writes go on after releaseLock", `const log = []; const s = new WritableStream({write(c) { log.push(c) }}); const w = s.getWriter(); w.write(1); w.releaseLock(); await s.getWriter().write(2); return log.join()`, "1,2"},
		{"a size function", `const s = new WritableStream({write() { return new Promise(() => {}) }}, {highWaterMark: 5, size: (x) => x.length}); const w = s.getWriter(); w.write("abc"); return String(w.desiredSize)`, "2"},
		{"a size that throws errors the stream", `const w = new WritableStream({}, {size() { throw new RangeError() }}).getWriter(); return await err(() => w.write(1)) + await err(() => w.closed)`, "RangeErrorRangeError"},
		{"a type is refused", `return await err(() => new WritableStream({type: "bytes"}))`, "RangeError"},
		{"start that rejects errors the stream", `const w = new WritableStream({start() { return Promise.reject(new RangeError()) }}).getWriter(); return await err(() => w.write(1))`, "RangeError"},
		{"ready is rejected and replaced when the stream errors", `let c; const w = new WritableStream({start(k) { c = k }}).getWriter(); const before = w.ready; c.error(new RangeError()); return await state(before) + await err(() => w.ready) + (before === w.ready)`, "fulfilledRangeErrorfalse"},
	})
}

func TestTransformStream(t *testing.T) {
	streamCases(t, []jsCase{
		{"the identity without a transformer", `const t = new TransformStream(); const w = t.writable.getWriter(); w.write("a"); w.close(); return (await all(t.readable)).join()`, "a"},
		{"transform, flush", `const t = new TransformStream({transform(c, k) { k.enqueue(c * 2); k.enqueue(0) }, flush(k) { k.enqueue("end") }}); const w = t.writable.getWriter(); w.write(1); w.write(2); w.close(); return (await all(t.readable)).join()`, "2,0,4,0,end"},
		{"start enqueues", `const t = new TransformStream({start(k) { k.enqueue("first") }}); t.writable.close(); return (await all(t.readable)).join()`, "first"},
		{"a write waits until somebody reads", `const t = new TransformStream(); const w = t.writable.getWriter(); const p = w.write(1); const a = await state(p); await t.readable.getReader().read(); return a + await state(p)`, "pendingfulfilled"},
		{"transform that throws errors both sides", `const t = new TransformStream({transform() { throw new RangeError() }}); const w = t.writable.getWriter(); const p = w.write(1); return await err(() => t.readable.getReader().read()) + await err(() => p) + await err(() => w.closed)`, "RangeErrorRangeErrorRangeError"},
		{"the controller's error", `let k; const t = new TransformStream({start(c) { k = c }}); k.error(new RangeError()); return await err(() => t.readable.getReader().read()) + await err(() => t.writable.getWriter().closed)`, "RangeErrorRangeError"},
		{"terminate closes one side and errors the other", `const t = new TransformStream({transform(c, k) { k.enqueue(c); k.terminate() }}); const w = t.writable.getWriter(); w.write(1).catch(() => {}); const got = await all(t.readable); return got.join() + await err(() => w.closed)`, "1TypeError"},
		{"cancelling the readable side errors the writable one", `let why; const t = new TransformStream({cancel(r) { why = r }}); await t.readable.cancel(new RangeError()); return why.name + await err(() => t.writable.getWriter().closed)`, "RangeErrorRangeError"},
		{"aborting the writable side errors the readable one", `let why; const t = new TransformStream({cancel(r) { why = r }}); await t.writable.abort(new RangeError()); return why.name + await err(() => t.readable.getReader().read())`, "RangeErrorRangeError"},
		{"flush that rejects", `const t = new TransformStream({flush() { return Promise.reject(new RangeError()) }}); const p = t.writable.close(); return await err(() => t.readable.getReader().read()) + await err(() => p)`, "RangeErrorRangeError"},
		{"enqueue after the readable side was cancelled", `let k; const t = new TransformStream({start(c) { k = c }}); await t.readable.cancel(); return await err(() => k.enqueue(1))`, "TypeError"},
		{"desiredSize", `let k; const t = new TransformStream({start(c) { k = c }}, undefined, {highWaterMark: 3}); k.enqueue(1); return String(k.desiredSize)`, "2"},
		{"types are refused", `return await err(() => new TransformStream({readableType: 1})) + await err(() => new TransformStream({writableType: 1}))`, "RangeErrorRangeError"},
		{"start that throws", `return await err(() => new TransformStream({start() { throw new RangeError() }}))`, "RangeError"},
		{"IdentityTransformStream passes bytes and waits for the reader", `const t = new IdentityTransformStream(); const w = t.writable.getWriter(); const p = w.write(new Uint8Array([1, 2])); const a = await state(p); const r = t.readable.getReader({mode: "byob"}); const x = await r.read(new Uint8Array(9)); const b = await state(p); w.close(); return a + [...x.value] + b + (await r.read(new Uint8Array(1))).done`, "pending1,2fulfilledtrue"},
		{"IdentityTransformStream wants bytes", `const w = new IdentityTransformStream().writable.getWriter(); return await err(() => w.write({}))`, "TypeError"},
		{"FixedLengthStream refuses more", `const t = new FixedLengthStream(2); t.readable.getReader().read().catch(() => {}); return await err(() => t.writable.getWriter().write(new Uint8Array(3)))`, "TypeError"},
		{"FixedLengthStream refuses less", `const t = new FixedLengthStream(2); const w = t.writable.getWriter(); const r = t.readable.getReader(); r.read().catch(() => {}); await w.write(new Uint8Array(1)); return await err(() => w.close())`, "TypeError"},
		{"FixedLengthStream with just so much", `const t = new FixedLengthStream(2n); const w = t.writable.getWriter(); w.write(new Uint8Array(2)); w.close(); return String((await all(t.readable)).length)`, "1"},
	})
}

func TestPipe(t *testing.T) {
	streamCases(t, []jsCase{
		{"everything, then close", `const log = []; await ReadableStream.from([1, 2]).pipeTo(new WritableStream({write(c) { log.push(c) }, close() { log.push("c") }})); return log.join()`, "1,2,c"},
		{"it unlocks both", `const s = ReadableStream.from([1]), d = new WritableStream(); const p = s.pipeTo(d); const a = s.locked + "," + d.locked; await p; return a + s.locked + d.locked`, "true,truefalsefalse"},
		{"preventClose", `let n = 0; await ReadableStream.from([1]).pipeTo(new WritableStream({close() { n++ }}), {preventClose: true}); return String(n)`, "0"},
		{"an error goes forward", `let why; const s = new ReadableStream({start(c) { c.error(new RangeError()) }}); return await err(() => s.pipeTo(new WritableStream({abort(r) { why = r }}))) + why.name`, "RangeErrorRangeError"},
		{"preventAbort", `let n = 0; const s = new ReadableStream({start(c) { c.error(new RangeError()) }}); return await err(() => s.pipeTo(new WritableStream({abort(r) { n++ }}), {preventAbort: true})) + n`, "RangeError0"},
		{"an error goes backward", `let why; const s = new ReadableStream({pull(c) { c.enqueue(1) }, cancel(r) { why = r }}); return await err(() => s.pipeTo(new WritableStream({write() { throw new RangeError() }}))) + why.name`, "RangeErrorRangeError"},
		{"preventCancel", `let n = 0; const s = new ReadableStream({pull(c) { c.enqueue(1) }, cancel(r) { n++ }}); return await err(() => s.pipeTo(new WritableStream({write() { throw new RangeError() }}), {preventCancel: true})) + n`, "RangeError0"},
		{"a closed destination cancels", `let why; const d = new WritableStream(); await d.close(); const s = new ReadableStream({cancel(r) { why = r }}); return await err(() => s.pipeTo(d)) + why.name`, "TypeErrorTypeError"},
		{"a signal stops it", `let why, abort; const ac = new AbortController(); const s = new ReadableStream({cancel(r) { why = r }}), d = new WritableStream({abort(r) { abort = r }}); const p = s.pipeTo(d, {signal: ac.signal}); await tick(); ac.abort(); return await err(() => p) + why.name + abort.name`, "AbortErrorAbortErrorAbortError"},
		{"a signal that is aborted already", `const s = new ReadableStream(); return await err(() => s.pipeTo(new WritableStream(), {signal: AbortSignal.abort(new RangeError())}))`, "RangeError"},
		{"what was read is written before it ends", `const log = []; let c; const s = new ReadableStream({start(k) { c = k }}); const p = s.pipeTo(new WritableStream({async write(x) { await tick(); log.push(x) }}, {highWaterMark: 5})); await tick(); c.enqueue(1); c.error(new RangeError()); return await err(() => p) + log.join()`, "RangeError1"},
		{"it is not over before the writes under way are", `const log = []; let c; const s = new ReadableStream({start(k) { c = k }}); const p = s.pipeTo(new WritableStream({async write(x) { await tick(); log.push(x) }}, {highWaterMark: 5}), {preventAbort: true}); await tick(); c.enqueue(1); await tick(1); c.enqueue(2); await tick(1); c.error(new RangeError()); return await err(() => p) + log.join()`, "RangeError1,2"},
		{"it reads only when there is room", `let n = 0; const s = new ReadableStream({pull(c) { c.enqueue(++n) }}, {highWaterMark: 0}); s.pipeTo(new WritableStream({write() { return new Promise(() => {}) }}, {highWaterMark: 2})); await tick(50); return String(n)`, "2"},
		{"a locked one is refused", `const s = new ReadableStream(), d = new WritableStream(); s.getReader(); const a = await err(() => s.pipeTo(d)); d.getWriter(); return a + await err(() => new ReadableStream().pipeTo(d)) + await err(() => s.pipeThrough({readable: s, writable: d}))`, "TypeErrorTypeErrorTypeError"},
		{"what is no stream is refused", `return await err(() => new ReadableStream().pipeTo({})) + await err(() => new ReadableStream().pipeThrough({}))`, "TypeErrorTypeError"},
		{"pipeThrough returns the readable side", `const t = new TransformStream({transform(c, k) { k.enqueue(c + 1) }}); return (await all(ReadableStream.from([1, 2]).pipeThrough(t).pipeThrough(new TransformStream()))).join()`, "2,3"},
		{"enqueue does not write inside the call", `let c, wrote = false; const s = new ReadableStream({start(k) { c = k }}, {highWaterMark: 0}); s.pipeTo(new WritableStream({write() { wrote = true }})); await tick(20); c.enqueue(1); const during = wrote; await tick(20); return during + "," + wrote`, "false,true"},
		{"it asks nothing of a patched prototype", `let n = 0; const then = Promise.prototype.then; const s = ReadableStream.from([1]), d = new WritableStream(); await tick(20); let p; Promise.prototype.then = function (...a) { n++; return then.apply(this, a) }; const get = ReadableStream.prototype.getReader; ReadableStream.prototype.getReader = () => { n += 100 };
			const [a, b] = new ReadableStream({start(c) { c.enqueue(1); c.close() }}).tee(); p = a.pipeTo(d); for (let i = 0; i < 50; i++) await null; Promise.prototype.then = then; ReadableStream.prototype.getReader = get; await p; return String(n)`, "0"},
		{"a then on Object.prototype sees no chunks", `let n = 0; Object.defineProperty(Object.prototype, "then", {configurable: true, get() { n++; return undefined }}); const s = new ReadableStream({start(c) { c.enqueue({}); c.close() }}); const p = s.pipeTo(new WritableStream()); for (let i = 0; i < 50; i++) await null; const m = n; delete Object.prototype.then; await p; return String(m)`, "0"},
	})
}

func TestQueuingStrategies(t *testing.T) {
	streamCases(t, []jsCase{
		{"count", `const s = new CountQueuingStrategy({highWaterMark: 4}); return s.highWaterMark + "," + s.size({}) + s.size.name + s.size.length`, "4,1size0"},
		{"bytes", `const s = new ByteLengthQueuingStrategy({highWaterMark: 4}); return s.highWaterMark + "," + s.size(new Uint8Array(3)) + s.size.name + s.size.length`, "4,3size1"},
		{"size is one function", `return String(new CountQueuingStrategy({highWaterMark: 1}).size === new CountQueuingStrategy({highWaterMark: 2}).size)`, "true"},
		{"highWaterMark is needed", `return await err(() => new CountQueuingStrategy({})) + await err(() => new ByteLengthQueuingStrategy())`, "TypeErrorTypeError"},
		{"highWaterMark is not checked here", `return String(new CountQueuingStrategy({highWaterMark: -1}).highWaterMark)`, "-1"},
	})
}

func TestCodecStreams(t *testing.T) {
	streamCases(t, []jsCase{
		{"TextEncoderStream", `return (await all(ReadableStream.from(["h", "é"]).pipeThrough(new TextEncoderStream()))).map((b) => [...b]).join("|")`, "104|195,169"},
		{"a surrogate pair over two chunks", `return (await all(ReadableStream.from(["\ud83d", "\ude00"]).pipeThrough(new TextEncoderStream()))).map((b) => [...b]).join("|")`, "240,159,152,128"},
		{"a lone half at the end", `return (await all(ReadableStream.from(["\ud83d"]).pipeThrough(new TextEncoderStream()))).map((b) => [...b]).join("|")`, "239,191,189"},
		{"TextDecoderStream over a split character", `return (await all(ReadableStream.from([new Uint8Array([195]), new Uint8Array([169])]).pipeThrough(new TextDecoderStream()))).join("|")`, "é"},
		{"TextDecoderStream fatal", `return await err(() => all(ReadableStream.from([new Uint8Array([255])]).pipeThrough(new TextDecoderStream("utf-8", {fatal: true}))))`, "TypeError"},
		{"TextDecoderStream at a broken end", `return (await all(ReadableStream.from([new Uint8Array([195])]).pipeThrough(new TextDecoderStream()))).join("|")`, "\uFFFD"},
		{"TextDecoderStream wants bytes", `return await err(() => all(ReadableStream.from(["x"]).pipeThrough(new TextDecoderStream())))`, "TypeError"},
		{"their properties", `const a = new TextEncoderStream(), b = new TextDecoderStream("latin1", {fatal: true, ignoreBOM: true}); return [a.encoding, b.encoding, b.fatal, b.ignoreBOM].join()`, "utf-8,windows-1252,true,true"},
		{"an unknown encoding", `return await err(() => new TextDecoderStream("nope"))`, "RangeError"},
		{"an unknown format", `return await err(() => new CompressionStream("br")) + await err(() => new DecompressionStream())`, "TypeErrorTypeError"},
		{"a chunk that is none", `return await err(() => all(ReadableStream.from(["x"]).pipeThrough(new CompressionStream("gzip"))))`, "TypeError"},
		{"gzip of nothing", `const z = await new Response(ReadableStream.from([]).pipeThrough(new CompressionStream("gzip"))).bytes(); return [z[0], z[1], (await new Response(new Response(z).body.pipeThrough(new DecompressionStream("gzip"))).text()).length].join()`, "31,139,0"},
	})
	var list []jsCase
	for _, format := range []string{"gzip", "deflate", "deflate-raw"} {
		pack := `const pack = (s) => new Response(new Response(s).body.pipeThrough(new CompressionStream("` + format + `"))).bytes(); const unpack = (b) => new Response(new Response(b).body.pipeThrough(new DecompressionStream("` + format + `"))).text();`
		list = append(list,
			jsCase{format + " there and back", pack + `const s = "hello ".repeat(100000); const z = await pack(s); return (z.length < 10000) + "," + (await unpack(z) === s)`, "true,true"},
			jsCase{format + " a byte at a time", pack + `const z = await pack("hello"); const one = ReadableStream.from([...z].map((b) => new Uint8Array([b]))); return new Response(one.pipeThrough(new DecompressionStream("` + format + `"))).text()`, "hello"},
			jsCase{format + " cut short", pack + `const z = await pack("hello"); return await err(() => unpack(z.slice(0, z.length - 3)))`, "TypeError"},
			jsCase{format + " with something behind", pack + `const z = await pack("hello"); return await err(() => unpack(new Uint8Array([...z, 0])))`, "TypeError"},
			jsCase{format + " of nonsense", pack + `return await err(() => unpack(new Uint8Array([255, 255, 255, 255, 1, 2, 3])))`, "TypeError"},
		)
	}
	list = append(list, jsCase{"a bomb is unpacked no faster than it is read", `
		let size = 0; const zeros = new Uint8Array(1 << 20);
		const z = await new Response(ReadableStream.from(Array(64).fill(zeros)).pipeThrough(new CompressionStream("gzip"))).bytes();
		const r = new Response(z).body.pipeThrough(new DecompressionStream("gzip")).getReader();
		const first = await r.read(); await tick(100); await r.cancel();
		return (z.length < 500000) + "," + (first.value.length <= 65536)`, "true,true"})
	streamCases(t, list)
}

func TestCodecsAreReleased(t *testing.T) {
	h := newFake(t)
	for i, source := range []string{
		`const z = await new Response(new Response("x").body.pipeThrough(new CompressionStream("gzip"))).bytes(); await new Response(new Response(z).body.pipeThrough(new DecompressionStream("gzip"))).text()`,
		`const d = new DecompressionStream("gzip"); const w = d.writable.getWriter(); w.write(new Uint8Array([31])).catch(() => {}); await d.readable.cancel()`,
		`new CompressionStream("deflate"); new DecompressionStream("deflate")`,
	} {
		h.eval(t, "(async () => {"+source+"})()")
		if err := h.r.RunGC(); err != nil {
			t.Fatal(err)
		}
		if n := len(h.in.codecs); n != 0 {
			t.Errorf("case %d: %d codecs are left", i, n)
		}
	}
}

func TestStreamBodies(t *testing.T) {
	streamCases(t, []jsCase{
		{"a response's stream is the one it was given", `const s = new ReadableStream(); return String(new Response(s).body === s)`, "true"},
		{"text of a stream", `return new Response(new Response("hé").body.pipeThrough(new TransformStream())).text()`, "hé"},
		{"json of a stream", `return (await new Response(ReadableStream.from([new TextEncoder().encode('{"a":5}')])).json()).a + ""`, "5"},
		{"bytes and arrayBuffer of a stream", `const s = () => ReadableStream.from([new Uint8Array([1]), new Uint8Array([2])]); return [...await new Response(s()).bytes(), (await new Response(s()).arrayBuffer()).byteLength].join()`, "1,2,2"},
		{"a stream of strings is no body", `return await err(() => new Response(ReadableStream.from(["x"])).text())`, "TypeError"},
		{"a stream that fails", `return await err(() => new Response(new ReadableStream({start(c) { c.error(new RangeError()) }})).text())`, "RangeError"},
		{"a body is used once its stream is read", `const r = new Response(ReadableStream.from([new Uint8Array(1)])); const a = r.bodyUsed; await r.text(); return a + "," + r.bodyUsed + await err(() => r.text())`, "false,trueTypeError"},
		{"clone tees", `const r = new Response(ReadableStream.from([new TextEncoder().encode("ab")])); const c = r.clone(); return await r.text() + await c.text()`, "abab"},
		{"clone after the body was looked at", `const r = new Response("ab"); const b = r.body; const c = r.clone(); return (r.body === b) + await r.text() + await c.text()`, "trueabab"},
		{"a request with a stream", `const q = new Request("http://a", {method: "POST", body: ReadableStream.from([new Uint8Array([104])]), duplex: "half"}); return await q.clone().text() + await q.text() + q.bodyUsed`, "hhtrue"},
		{"a request made of a request takes its stream", `let c; const s = new ReadableStream({start(k) { c = k }}); const q = new Request("http://a", {method: "POST", body: s, duplex: "half"}); const r = new Request(q); c.enqueue(new Uint8Array([104])); c.close(); return [q.bodyUsed, s.locked, r.bodyUsed, await r.text(), await err(() => q.text())].join()`, "true,true,false,h,TypeError"},
		{"a request made of one whose stream has failed", `const s = new ReadableStream({start(c) { c.error(new RangeError()) }}); const r = new Request(new Request("http://a", {method: "POST", body: s})); return err(() => r.text())`, "RangeError"},
		{"an async iterable is a body", `return new Response((async function*() { yield new Uint8Array([104]); yield new Uint8Array([105]) })()).text()`, "hi"},
		{"many chunks do not nest", `const n = 20000; return String((await new Response(new ReadableStream({start(c) { for (let i = 0; i < n; i++) c.enqueue(new Uint8Array(1)); c.close() }})).bytes()).length)`, "20000"},
	})
}

// BenchmarkStreams is what a chunk costs on its way.
func BenchmarkStreams(b *testing.B) {
	for _, p := range []struct{ name, source string }{
		{"read", `const r = new ReadableStream({i: 0, pull(c) { if (this.i++ === n) c.close(); else c.enqueue(1) }}).getReader(); while (!(await r.read()).done);`},
		{"readBytes", `const u = new Uint8Array(64); const r = new ReadableStream({type: "bytes", i: 0, pull(c) { if (this.i++ === n) c.close(); else c.enqueue(u.slice()) }}).getReader(); while (!(await r.read()).done);`},
		{"pipe", `await new ReadableStream({i: 0, pull(c) { if (this.i++ === n) c.close(); else c.enqueue(1) }}).pipeTo(new WritableStream({write() {}}))`},
		{"transform", `await new ReadableStream({i: 0, pull(c) { if (this.i++ === n) c.close(); else c.enqueue(1) }}).pipeThrough(new TransformStream({transform(x, c) { c.enqueue(x) }})).pipeTo(new WritableStream({write() {}}))`},
	} {
		b.Run(p.name, func(b *testing.B) {
			h := newFake(b)
			f := mustEval(b, h, `(async function() { const n = 1000; `+p.source+` })`)
			report := cpuTime(b)
			n := 0
			for b.Loop() {
				v, err := h.r.Call(f, f)
				if err != nil {
					b.Fatal(err)
				}
				if got := h.settled(b, v); got != "undefined" {
					b.Fatal(got)
				}
				n += 1000
			}
			report(n)
		})
	}
}

func TestPump(t *testing.T) {
	h := newFake(t)
	mustEval(t, h, `globalThis.log = []; globalThis.stream = new ReadableStream({pull(c) { log.push("pull"); c.enqueue(new Uint8Array([65])) }, cancel(r) { log.push("cancel " + r) }}, {highWaterMark: 0}); stream`)
	var reply Reply
	v := mustEval(t, h, `new Response(stream, {status: 201})`)
	if err := h.in.Reply(v, &reply); err != nil {
		t.Fatal(err)
	}
	if !reply.Stream.IsObject() || reply.Status != 201 || h.eval(t, `stream.locked + log.join()`) != "true" {
		t.Fatalf("a reply with a stream: %+v, %s", reply, h.eval(t, `stream.locked + log.join()`))
	}
	pump, err := h.in.StreamStart(reply.Stream, 7)
	if err != nil {
		t.Fatal(err)
	}
	h.r.Pump()
	if got := fmt.Sprint(h.written, h.eval(t, `log.join()`)); got != "[A A]pull,pull" {
		t.Errorf("with room for two: %s", got)
	}
	if err := h.in.StreamRoom(pump); err != nil {
		t.Fatal(err)
	}
	h.r.Pump()
	if got := fmt.Sprint(h.written); got != "[A A A A]" {
		t.Errorf("with room for two more: %s", got)
	}
	if err := h.in.StreamCancel(pump); err != nil {
		t.Fatal(err)
	}
	h.r.Pump()
	if got := h.eval(t, `log.slice(4).join()`); got != "cancel Error: Network connection lost." {
		t.Errorf("after the cancel: %s", got)
	}
}
