package web

import (
	"bytes"
	"strings"
	"testing"

	"everloop/engine/js/internal/vm"
)

const used = "TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice."

func TestResponse(t *testing.T) {
	cases(t, []jsCase{
		{"defaults", `const r = new Response(); return [r.status, r.ok, r.statusText, r.body, r.bodyUsed, r.url, r.redirected, r.type, r.webSocket, [...r.headers].length].join("|")`, "200|true|||false||false|default||0"},
		{"a string body", `const r = new Response("hé"); return [r.headers.get("content-type"), await r.text(), r.bodyUsed].join("|")`, "text/plain;charset=UTF-8|hé|true"},
		{"a null body has no type", `return String(new Response(null).headers.get("content-type"))`, "null"},
		{"an ArrayBuffer body has no type", `const r = new Response(new Uint8Array([104, 105]).buffer); return r.headers.get("content-type") + await r.text()`, "nullhi"},
		{"a view is a window", `return new Response(new Uint8Array([1, 104, 105, 2]).subarray(1, 3)).text()`, "hi"},
		{"a DataView body", `return new Response(new DataView(new Uint8Array([1, 104, 105]).buffer, 1)).text()`, "hi"},
		{"bytes are copied when it is made", `const b = new Uint8Array([104, 105]); const r = new Response(b); b[0] = 0; return r.text()`, "hi"},
		{"a URLSearchParams body", `const r = new Response(new URLSearchParams({a: "b c"})); return r.headers.get("content-type") + "|" + await r.text()`, "application/x-www-form-urlencoded;charset=UTF-8|a=b+c"},
		{"a given type stays", `return new Response("x", {headers: {"Content-Type": "a/b"}}).headers.get("content-type")`, "a/b"},
		{"a number body is text", `return new Response(12).text()`, "12"},
		{"another object is a string", `const r = new Response(new URL("http://a/")); return await r.text() + " " + r.headers.get("content-type") + " " + await new Response({}).text()`, "http://a/ text/plain;charset=UTF-8 [object Object]"},
		{"what only a cache may answer is refused", `const c = "only-if-cached", r = new Request("http://a/", {cache: c, mode: "same-origin"}); r.cache === c && new Request("http://a/", {cache: c})`, "rejects TypeError: Unsupported cache mode: only-if-cached"},
		{"an unknown cache mode is refused", `new Request("http://a/", {cache: "sometimes"})`, "rejects TypeError: Unsupported cache mode: sometimes"},
		{"status and text", `const r = new Response(null, {status: 404, statusText: "Nope"}); return r.status + r.statusText + r.ok`, "404Nopefalse"},
		{"status 199", `new Response(null, {status: 199})`, "rejects RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive."},
		{"status 600", `new Response(null, {status: 600})`, "rejects RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive."},
		{"status NaN", `new Response(null, {status: "x"})`, "rejects RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive."},
		{"status 101 without a socket", `new Response(null, {status: 101})`, "rejects RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive."},
		{"status 101 with one", `const ws = new WebSocketPair()[0]; const r = new Response(null, {status: 101, webSocket: ws}); return r.status + String(r.webSocket === ws)`, "101true"},
		{"a socket with another status", `new Response(null, {webSocket: new WebSocketPair()[0]})`, "rejects RangeError: Responses with a WebSocket must have status code 101."},
		{"a null body status with a body", `new Response("", {status: 204})`, "rejects TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body."},
		{"a null body status without", `return String(new Response(null, {status: 304}).body)`, "null"},
		{"a bad status text", `new Response(null, {statusText: "a\nb"})`, "rejects TypeError: Response: invalid statusText"},
		{"a status text of wide characters", `new Response(null, {statusText: "\u0100"})`, "rejects TypeError: Response: invalid statusText"},
		{"json", `const r = Response.json({a: [1]}, {status: 201, headers: {x: "y"}}); return [r.status, r.headers.get("x"), r.headers.get("content-type"), await r.text()].join("|")`, `201|y|application/json|{"a":[1]}`},
		{"json without init", `return Response.json(null).headers.get("content-type")`, "application/json"},
		{"json keeps a given type", `return Response.json(1, {headers: {"content-type": "a/b"}}).headers.get("content-type")`, "a/b"},
		{"json of undefined", `Response.json(undefined)`, "rejects TypeError: Response.json: undefined cannot be written as JSON"},
		{"json with a null body status", `Response.json(1, {status: 204})`, "rejects TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body."},
		{"redirect", `const r = Response.redirect("http://a/b c", 307); return r.status + r.headers.get("location")`, "307http://a/b%20c"},
		{"redirect is 302 by default", `return String(Response.redirect("http://a/").status)`, "302"},
		{"redirect to nonsense", `Response.redirect("/x")`, "rejects TypeError: Unable to parse URL."},
		{"redirect with another status", `Response.redirect("http://a", 200)`, "rejects RangeError: 200 is not a redirect status code."},
		{"a redirect's headers are immutable", `Response.redirect("http://a").headers.set("a", "b")`, "rejects TypeError: Can't modify immutable headers."},
		{"error", `const r = Response.error(); return r.type + r.status + r.ok`, "error0false"},
		{"a body is read once", `const r = new Response("x"); await r.text(); return r.text()`, "rejects " + used},
		{"text twice at once", `const r = new Response("x"); const a = r.text(); return Promise.allSettled([a, r.json()]).then((l) => l.map((x) => x.status).join())`, "fulfilled,rejected"},
		{"an empty body can be read again", `const r = new Response(); await r.text(); return "[" + await r.text() + "]" + r.bodyUsed`, "[]false"},
		{"text drops a BOM", `return JSON.stringify(await new Response("\ufeffx").text()) + JSON.stringify(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x78])).text())`, `"x""x"`},
		{"text repairs broken UTF-8", `return new Response(new Uint8Array([0x61, 0xe2, 0x82, 0x62, 0xff])).text()`, "a\uFFFDb\uFFFD"},
		{"text repairs a lone surrogate", `return new Response("a\ud800b").text()`, "a\uFFFDb"},
		{"json parses", `return (await new Response('\ufeff{"a":1}').json()).a + 1`, "2"},
		{"json of no body", `return new Response().json().catch((e) => e.name)`, "SyntaxError"},
		{"json of nonsense", `return new Response("{").json().catch((e) => e.name)`, "SyntaxError"},
		{"bytes", `const b = await new Response("hé").bytes(); return b.constructor.name + [...b]`, "Uint8Array104,195,169"},
		{"arrayBuffer", `const b = await new Response("hé").arrayBuffer(); return b.constructor.name + b.byteLength`, "ArrayBuffer3"},
		{"what bytes returns is a copy", `const r = new Response(new Uint8Array([1])), c = r.clone(); (await r.bytes())[0] = 9; return String((await c.bytes())[0])`, "1"},
		{"clone", `const r = new Response("x", {status: 201, headers: {a: "b"}}), c = r.clone(); c.headers.set("a", "c"); return [await r.text(), await c.text(), c.status, r.headers.get("a"), c.headers.get("a"), c.headers.get("content-type")].join()`, "x,x,201,b,c,text/plain;charset=UTF-8"},
		{"clone of a used one", `const r = new Response("x"); await r.text(); r.clone()`, "rejects " + used},
		{"clone of a locked one", `const r = new Response("x"); r.body.getReader(); r.clone()`, "rejects " + used},
		{"from a response's body and head", `const r = new Response("x", {status: 201, headers: {a: "b"}}); const s = new Response(r.body, r); return [s.status, s.headers.get("a"), await s.text(), r.bodyUsed].join()`, "201,b,x,true"},
		{"init must be an object", `new Response("", 5)`, "rejects TypeError: Response: the second argument must be an object, not number"},
		{"init may be null", `return String(new Response("", null).status)`, "200"},
		{"methods need a Response", `return Response.prototype.text.call({})`, "rejects TypeError: Illegal invocation"},
		{"calling without new", `Response("x")`, "rejects TypeError: class constructors must be invoked with 'new'"},
		{"toStringTag", `return String(new Response())`, "[object Response]"},
		{"a subclass", `class R extends Response { get status() { return 999 } } const r = new R("x", {status: 201}); return r.status + await r.text() + (r instanceof Response)`, "999xtrue"},
		{"no own properties", `return Reflect.ownKeys(new Response("x")).join()`, ""},
	})
}

func TestReadableStream(t *testing.T) {
	cases(t, []jsCase{
		{"a reader", `const r = new Response("hi").body.getReader(); const a = await r.read(), b = await r.read(); return [...a.value] + "|" + a.done + b.done + b.value`, "104,105|falsetrueundefined"},
		{"async iteration", `let n = 0; for await (const c of new Response("hi").body) n += c.length; return String(n)`, "2"},
		{"an empty body has no chunk", `return String((await new Response("").body.getReader().read()).done)`, "true"},
		{"reading disturbs", `const r = new Response("hi"); const d = r.body.getReader(); const before = r.bodyUsed; await d.read(); return [before, r.bodyUsed].join()`, "false,true"},
		{"a lock", `const s = new Response("hi").body; s.getReader(); return [s.locked, (() => { try { s.getReader() } catch (e) { return e.message } })()].join()`, "true,This ReadableStream is currently locked to a reader."},
		{"releasing a lock", `const s = new Response("hi").body; s.getReader().releaseLock(); return s.locked + String(s.getReader() !== null)`, "falsetrue"},
		{"a released reader", `const r = new Response("hi").body.getReader(); r.releaseLock(); return r.read()`, "rejects TypeError: This ReadableStream reader has been released."},
		{"text after a lock", `const r = new Response("hi"); r.body.getReader(); return r.text()`, "rejects " + used},
		{"text after getting the body", `const r = new Response("hi"); const b = r.body; return await r.text() + b.locked`, "hitrue"},
		{"text after the body was read out", `const r = new Response("hi"); for await (const c of r.body); return r.text()`, "rejects " + used},
		{"cancel", `const s = new Response("hi").body; await s.cancel(); return String((await s.getReader().read()).done)`, "true"},
		{"cancel of a locked stream", `const s = new Response("hi").body; s.getReader(); return s.cancel()`, "rejects TypeError: This ReadableStream is currently locked to a reader."},
		{"closed", `const r = new Response("hi").body.getReader(); const c = r.closed; await r.read(); await r.read(); return String(await c)`, "undefined"},
		{"closed of a reader that is released", `const r = new Response("hi").body.getReader(); const c = r.closed; r.releaseLock(); return c`, "rejects TypeError: This ReadableStream reader has been released."},
		{"leaving a loop cancels", `const s = new Response("hi").body; for await (const c of s) break; return s.locked + String((await s.getReader().read()).done)`, "falsetrue"},
		{"the body is one object", `const r = new Response("x"); return String(r.body === r.body)`, "true"},
		{"a stream that was read is no body", `const s = new Response("x").body; await s.getReader().read(); new Response(s)`, "rejects TypeError: This ReadableStream is disturbed (has already been read from), and cannot be used as a body."},
		{"a stream with a reader is no body", `const s = new Response("x").body; s.getReader(); new Response(s)`, "rejects TypeError: This ReadableStream is currently locked to a reader."},
	})
}

func TestRequest(t *testing.T) {
	cases(t, []jsCase{
		{"defaults", `const r = new Request("http://a"); return [r.method, r.url, r.body, r.bodyUsed, r.redirect, r.cf, r.signal.aborted, [...r.headers].length].join("|")`, "GET|http://a/||false|follow||false|0"},
		{"from a URL", `return new Request(new URL("http://a/b")).url`, "http://a/b"},
		{"a relative URL", `new Request("/x")`, "rejects TypeError: Invalid URL"},
		{"a method is normalised", `return ["get", "post", "Delete", "patch", "foo"].map((method) => new Request("http://a", {method}).method).join()`, "GET,POST,DELETE,patch,foo"},
		{"a bad method", `new Request("http://a", {method: "a b"})`, "rejects TypeError: Invalid HTTP method string: a b"},
		{"a forbidden method", `new Request("http://a", {method: "connect"})`, "rejects TypeError: Forbidden HTTP method: connect"},
		{"a body", `const r = new Request("http://a", {method: "POST", body: "x"}); return r.headers.get("content-type") + await r.text() + r.bodyUsed`, "text/plain;charset=UTF-8xtrue"},
		{"a body with GET", `new Request("http://a", {body: "x"})`, "rejects TypeError: Request with a GET or HEAD method cannot have a body."},
		{"an empty body with HEAD", `new Request("http://a", {method: "HEAD", body: ""})`, "rejects TypeError: Request with a GET or HEAD method cannot have a body."},
		{"a null body with GET", `return String(new Request("http://a", {body: null}).body)`, "null"},
		{"json", `return String((await new Request("http://a", {method: "PUT", body: '{"a":5}'}).json()).a)`, "5"},
		{"from a request", `const a = new Request("http://a", {method: "POST", body: "x", headers: {h: "1"}}), b = new Request(a); return [b.method, b.headers.get("h"), await b.text(), a.bodyUsed].join()`, "POST,1,x,true"},
		{"from a request with another URL", `const a = new Request("http://a", {method: "POST", body: "x", headers: {h: "1"}}), b = new Request("http://b", a); return [b.url, b.method, b.headers.get("h"), await b.text()].join()`, "http://b/,POST,1,x"},
		{"from a request with headers of its own", `const a = new Request("http://a", {headers: {h: "1"}}), b = new Request(a, {headers: {i: "2"}}); return b.headers.get("h") + b.headers.get("i")`, "null2"},
		{"from a used request", `const a = new Request("http://a", {method: "POST", body: "x"}); await a.text(); new Request(a)`, "rejects TypeError: Cannot reconstruct a Request with a used body."},
		{"from a used request with a new body", `const a = new Request("http://a", {method: "POST", body: "x"}); await a.text(); return new Request(a, {body: "y"}).text()`, "y"},
		{"from a request with a body, as GET", `new Request(new Request("http://a", {method: "POST", body: "x"}), {method: "GET"})`, "rejects TypeError: Request with a GET or HEAD method cannot have a body."},
		{"clone", `const a = new Request("http://a", {method: "POST", body: "x", headers: {h: "1"}}), b = a.clone(); b.headers.set("h", "2"); return [await a.text(), await b.text(), a.headers.get("h"), b.headers.get("h")].join()`, "x,x,1,2"},
		{"clone of a used one", `const a = new Request("http://a", {method: "POST", body: "x"}); await a.text(); a.clone()`, "rejects " + used},
		{"redirect", `return new Request("http://a", {redirect: "manual"}).redirect`, "manual"},
		{"a bad redirect", `new Request("http://a", {redirect: "x"})`, `rejects TypeError: Invalid redirect value, must be one of "follow", "error" or "manual": x`},
		{"signal", `const c = new AbortController(); const r = new Request("http://a", {signal: c.signal}); c.abort(); return String(r.signal.aborted)`, "true"},
		{"a signal of its own", `const c = new AbortController(); const r = new Request("http://a", {signal: c.signal}); const k = r.clone(), s = r.signal; return [s === r.signal, s === c.signal, k.signal === s, (c.abort(1), s.reason + k.signal.reason + new Request(r).signal.reason)].join()`, "true,false,false,3"},
		{"a bad signal", `new Request("http://a", {signal: {}})`, "rejects TypeError: Request: signal must be an AbortSignal, not Object"},
		{"a stream for body", `const r = new Request("http://a", {method: "POST", body: new Response("x").body}); return r.headers.get("content-type") + await r.text()`, "nullx"},
		{"toStringTag", `return String(new Request("http://a"))`, "[object Request]"},
		{"no own properties", `return Reflect.ownKeys(new Request("http://a")).join()`, ""},
	})
}

// worker runs a Worker's fetch with request m and describes what came back.
func (h *fakeHost) worker(t testing.TB, source string, m Message) (Reply, error) {
	t.Helper()
	handler := mustEval(t, h, "("+source+")")
	env, err := h.r.Object()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := h.in.Namespace(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.r.SetName(env, "NS", ns); err != nil {
		t.Fatal(err)
	}
	event, eh, err := h.in.EventHandle(7)
	if err != nil {
		t.Fatal(err)
	}
	defer h.r.Revoke(eh)
	v, err := h.in.WorkerFetch(handler, m, env, event, vm.Undefined)
	h.r.FreeAll(handler, env, event)
	if err != nil {
		return Reply{}, err
	}
	if _, err := h.r.Pump(); err != nil {
		t.Fatal(err)
	}
	if h.r.IsPromise(v) {
		p := v
		if v = h.r.PromiseResult(p); h.r.PromiseState(p) == vm.Rejected {
			h.r.Free(p)
			return Reply{}, h.r.Describe(v)
		}
		h.r.Free(p)
	}
	var reply Reply
	err = h.in.Reply(v, &reply)
	h.r.Free(v)
	return reply, err
}

func request(body string) *Outgoing {
	m := &Outgoing{ReqMethod: "GET", ReqURL: "http://host/path?q=1", Fields: []Field{{"host", "host"}, {"x-a", "1"}, {"x-a", "2"}, {"x-b", "caf\xc3\xa9"}}}
	if body != "" {
		m.ReqMethod, m.Bytes = "POST", []byte(body)
	}
	return m
}

func TestIncomingRequest(t *testing.T) {
	for _, c := range []struct{ name, source, body, want string }{
		{"method and URL", `r.method + r.url`, "", "GEThttp://host/path?q=1"},
		{"one header", `r.headers.get("X-A")`, "", "1, 2"},
		{"no header", `String(r.headers.get("nope"))`, "", "null"},
		{"has", `String(r.headers.has("x-a")) + r.headers.has("x-z")`, "", "truefalse"},
		{"all headers", `JSON.stringify([...r.headers])`, "", `[["host","host"],["x-a","1, 2"],["x-b","cafÃ©"]]`},
		{"headers are immutable", `(() => { try { r.headers.set("a", "b") } catch (e) { return e.message } })()`, "", "Can't modify immutable headers."},
		{"a copy's headers are not", `(() => { const c = new Request(r); c.headers.set("x-a", "3"); return c.headers.get("x-a") + r.headers.get("x-a") })()`, "", "31, 2"},
		{"no body", `String(r.body)`, "", "null"},
		{"text", `await r.text() + r.bodyUsed`, "häuser", "häusertrue"},
		{"json", `(await r.json()).a`, `{"a":"b"}`, "b"},
		{"bytes", `String((await r.bytes()).length)`, "abc", "3"},
		{"a stream", `await (async () => { let n = 0; for await (const c of r.body) n += c.length; return n + String(r.bodyUsed) })()`, "abc", "3true"},
		{"clone", `await (async () => { const c = r.clone(); return await r.text() + await c.text() + c.headers.get("host") })()`, "abc", "abcabchost"},
		{"redirect is manual", `r.redirect`, "", "manual"},
		{"cf is undefined", `String(r.cf)`, "", "undefined"},
		{"console", `(console.log(r), "x")`, "", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			reply, err := h.worker(t, "{async fetch(r) { return new Response("+c.source+") }}", request(c.body))
			if err != nil || string(reply.Body) != c.want {
				t.Errorf("got %q, %v; want %q", reply.Body, err, c.want)
			}
		})
	}
}

func TestReply(t *testing.T) {
	text := "content-type=text/plain;charset=UTF-8 "
	for _, c := range []struct{ name, source, want string }{
		{"a text", `new Response("hi")`, "200 " + text + "hi"},
		{"no body", `new Response(null, {status: 204})`, "204 nil"},
		{"an empty body", `new Response("")`, "200 " + text},
		{"headers that were looked at", `(() => { const r = new Response("hi"); r.headers; return r })()`, "200 " + text + "hi"},
		{"headers that were set", `new Response("hi", {headers: [["X", "1"], ["set-cookie", "a"], ["Set-Cookie", "b"]]})`, "200 x=1 set-cookie=a set-cookie=b " + text + "hi"},
		{"a type that was taken away", `(() => { const r = new Response("hi"); r.headers.delete("content-type"); return r })()`, "200 hi"},
		{"bytes", `new Response(new Uint8Array([0, 255]))`, "200 \x00\xff"},
		{"a wide text", `new Response("\u{1f600}\ud800")`, "200 " + text + "😀\uFFFD"},
		{"JSON", `Response.json({a: 1})`, `200 content-type=application/json {"a":1}`},
		{"a form", `new Response(new URLSearchParams("a=1"))`, `200 content-type=application/x-www-form-urlencoded;charset=UTF-8 a=1`},
		{"a status text", `new Response(null, {status: 299, statusText: "Odd \u00e9"})`, "299 (Odd \xe9) nil"},
		{"encodeBody", `new Response("", {encodeBody: "manual"})`, "200 manual " + text},
		{"a body that is a stream", `new Response(new Response("hi").body)`, "200 hi"},
		{"a body that was looked at", `(() => { const r = new Response("hi"); r.body; return r })()`, "200 " + text + "hi"},
		{"a subclass with getters of its own", `new (class extends Response { get status() { throw 1 } get headers() { throw 2 } get body() { throw 3 } })("hi")`, "200 " + text + "hi"},
		{"a response without a prototype", `Object.setPrototypeOf(new Response("hi"), null)`, "200 " + text + "hi"},
		{"a value that is not a promise", `new Response("hi")`, "200 " + text + "hi"},
		{"undefined", `undefined`, "error TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to undefined)"},
		{"a string", `"hi"`, "error TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to string)"},
		{"a likeness", `({__proto__: Response.prototype})`, "error TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to Response)"},
		{"a proxy", `new Proxy(new Response("x"), {})`, "error TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to Response)"},
		{"a used one", `(() => { const r = new Response("hi"); r.text(); return r })()`, "error " + used},
		{"Response.error()", `Response.error()`, "error TypeError: Response.error() cannot be sent as a response"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			for _, source := range []string{"{async fetch(r) { return " + c.source + " }}", "{fetch(r) { return " + c.source + " }}"} {
				reply, err := h.worker(t, source, request(""))
				if got := describeReply(reply, err); got != c.want {
					t.Errorf("%s\n got %q\nwant %q", source, got, c.want)
				}
			}
		})
	}
}

func describeReply(r Reply, err error) string {
	if err != nil {
		return "error " + err.Error()
	}
	var b strings.Builder
	b.WriteString(string(rune('0'+r.Status/100)) + string(rune('0'+r.Status/10%10)) + string(rune('0'+r.Status%10)) + " ")
	if r.StatusText != "" {
		b.WriteString("(" + r.StatusText + ") ")
	}
	if r.Manual {
		b.WriteString("manual ")
	}
	for _, f := range r.Header {
		b.WriteString(f.Name + "=" + f.Value + " ")
	}
	if r.Body == nil {
		b.WriteString("nil")
	}
	b.Write(r.Body)
	return b.String()
}

func TestWebSocketReply(t *testing.T) {
	h := newFake(t)
	reply, err := h.worker(t, `{fetch() { return new Response(null, {status: 101, webSocket: new WebSocketPair()[0]}) }}`, request(""))
	if err != nil || reply.Status != 101 {
		t.Fatal(reply, err)
	}
	if s, ok := h.in.SocketFrom(reply.WebSocket); !ok || s.(*fakeSocket).name != "a1" {
		t.Fatalf("the socket did not come over: %v", s)
	}
	h.r.Free(reply.WebSocket)
}

func TestWorkerEntry(t *testing.T) {
	for _, c := range []struct{ name, source, want string }{
		{"env and ctx", `{fetch(r, env, ctx) { return new Response(env.NS + "" + ctx) }}`, "200 content-type=text/plain;charset=UTF-8 [object DurableObjectNamespace][object ExecutionContext]"},
		{"this", `{n: 4, fetch() { return new Response(this.n) }}`, "200 content-type=text/plain;charset=UTF-8 4"},
		{"a class", `class { constructor(ctx, env) { this.s = ctx + "" + env.NS } fetch(r) { return new Response(r.method + this.s) } }`, "200 content-type=text/plain;charset=UTF-8 GET[object ExecutionContext][object DurableObjectNamespace]"},
		{"no fetch", `{}`, "error Error: Handler does not export a fetch() function."},
		{"a class without fetch", `class {}`, "error Error: Handler does not export a fetch() function."},
		{"a throw", `{fetch() { throw new RangeError("no") }}`, "error RangeError: no"},
		{"a rejection", `{async fetch() { throw new RangeError("no") }}`, "error RangeError: no"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			reply, err := h.worker(t, c.source, request(""))
			if got := describeReply(reply, err); got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestForwarding(t *testing.T) {
	answer := &Outgoing{ResStatus: 418, ResText: "Teapot", Fields: []Field{{"x", "y"}}, Bytes: []byte("tea")}
	for _, c := range []struct {
		name, source, body string
		sent               bool   // the very request was sent on
		forward            bool   // the very answer came back
		want               string // otherwise
	}{
		{"both untouched", `stub.fetch(r)`, "", true, true, ""},
		{"with a body", `stub.fetch(r)`, "b", true, true, ""},
		{"after looking at the request", `(r.headers.get("host"), r.method, r.url, stub.fetch(r))`, "", true, true, ""},
		{"after looking at the answer", `stub.fetch(r).then((a) => (a.status, a.headers.get("x"), a))`, "", true, true, ""},
		{"a clone of the request", `stub.fetch(r.clone())`, "b", true, true, ""},
		{"a new request", `stub.fetch(new Request(r))`, "b", false, true, ""},
		{"a URL", `stub.fetch("http://x/y z")`, "", false, true, ""},
		{"an answer that was read", `stub.fetch(r).then(async (a) => new Response(await a.text() + a.status + a.statusText + a.ok + a.headers.get("x")))`, "", true, false, "200 content-type=text/plain;charset=UTF-8 tea418Teapotfalsey"},
		{"an answer made anew", `stub.fetch(r).then((a) => new Response(a.body, a))`, "", true, false, "418 (Teapot) x=y tea"},
		{"an answer with other headers", `stub.fetch(r).then((a) => { const b = new Response(a.body, a); b.headers.set("x", "z"); return b })`, "", true, false, "418 (Teapot) x=z tea"},
		{"an answer's headers are immutable", `stub.fetch(r).then((a) => a.headers.set("x", "z"))`, "", true, false, "error TypeError: Can't modify immutable headers."},
		{"a clone of the answer", `stub.fetch(r).then((a) => a.clone())`, "", true, true, ""},
		{"an answer that was read is not sent", `stub.fetch(r).then(async (a) => (await a.text(), a))`, "", true, false, "error " + used},
		{"a used request", `r.text().then(() => stub.fetch(r))`, "b", false, false, "error " + used},
		{"a request sent twice", `stub.fetch(r).then(() => stub.fetch(r))`, "b", true, false, "error " + used},
		{"a request without a body may be sent twice", `stub.fetch(r).then(() => stub.fetch(r))`, "", true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFake(t)
			h.answer = func(string, Message) (Message, error) { return answer, nil }
			m := request(c.body)
			reply, err := h.worker(t, `{async fetch(r, env) { const stub = env.NS.getByName("n"); return `+c.source+` }}`, m)
			if c.sent != (len(h.fetched) > 0 && h.fetched[0].m == Message(m)) {
				t.Errorf("the request was sent on: %v, want %v", !c.sent, c.sent)
			}
			if c.forward != (reply.Forward == Message(answer)) {
				t.Errorf("the answer was handed on: %v, want %v (%v)", !c.forward, c.forward, err)
			}
			if !c.forward && describeReply(reply, err) != c.want {
				t.Errorf("got %q\nwant %q", describeReply(reply, err), c.want)
			}
		})
	}
}

func TestStubFetchParts(t *testing.T) {
	h := newFake(t)
	h.answer = func(string, Message) (Message, error) { return &Outgoing{ResStatus: 200}, nil }
	for _, c := range []struct{ source, want string }{
		{`"http://x/y z"`, "GET http://x/y%20z [] nil 0"},
		{`new URL("http://x/")`, "GET http://x/ [] nil 0"},
		{`"http://x", {method: "post", body: "a", headers: {B: "c"}, redirect: "manual"}`, "POST http://x/ [{b c} {content-type text/plain;charset=UTF-8}] a 1"},
		{`new Request("http://x", {method: "PUT", body: new Uint8Array([65])})`, "PUT http://x/ [] A 0"},
		{`"http://other/", r`, "POST http://other/ [{host host} {x-a 1} {x-a 2} {x-b caf\xc3\xa9}] body 1"},
		{`r, {method: "PATCH"}`, "PATCH http://host/path?q=1 [{host host} {x-a 1} {x-a 2} {x-b caf\xc3\xa9}] body 1"},
	} {
		h.fetched = nil
		_, err := h.worker(t, `{async fetch(r, env) { await env.NS.getByName("n").fetch(`+c.source+`); return new Response() }}`, request("body"))
		if err != nil || len(h.fetched) != 1 {
			t.Errorf("%s: %v, %d fetches", c.source, err, len(h.fetched))
			continue
		}
		f := h.fetched[0]
		body := string(f.m.Body().Bytes())
		if f.m.Body().Bytes() == nil {
			body = "nil"
		}
		var b bytes.Buffer
		b.WriteString(f.m.Method() + " " + f.m.URL() + " [")
		for i, x := range f.m.Header() {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString("{" + x.Name + " " + x.Value + "}")
		}
		b.WriteString("] " + body + " " + string(rune('0'+f.redirect)))
		if b.String() != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.source, b.String(), c.want)
		}
	}
}

// TestMessagesAreDropped: a handle's message goes when JavaScript drops the object, and not before.
func TestMessagesAreDropped(t *testing.T) {
	h := newFake(t)
	for range 100 {
		if _, err := h.worker(t, `{async fetch(r) { globalThis.kept ??= r; return new Response(await globalThis.kept.text().catch(() => "")) }}`, request("x")); err != nil {
			t.Fatal(err)
		}
	}
	if live := h.in.messages.Len(); live != 1 {
		t.Errorf("%d messages are held, want 1", live)
	}
	if got := h.eval(t, "kept.url"); got != "http://host/path?q=1" {
		t.Errorf("the request that was kept: %s", got)
	}
}
