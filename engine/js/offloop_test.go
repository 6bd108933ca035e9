package js_test

import (
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

const cryptoProgram = `
import { DurableObject } from "cloudflare:workers";
const text = (s) => new TextEncoder().encode(s);
const hex = (b) => Array.from(new Uint8Array(b), (x) => x.toString(16).padStart(2, "0")).join("");
const slow = async (s) => hex(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: text("salt"), iterations: 4096 },
	await crypto.subtle.importKey("raw", text(s), "PBKDF2", false, ["deriveBits"]), 160));
// While a program starts there is no turn to come back in.
const atStart = await slow("password");
let background = "nothing";
export default {
	async fetch(request, env, ctx) {
		const path = new URL(request.url).pathname;
		if (path === "/start") return new Response(atStart);
		if (path === "/worker") return new Response(await slow("password"));
		if (path === "/many") return new Response([...new Set(await Promise.all(Array.from({ length: 20 }, () => slow("password"))))].join());
		if (path === "/background") { ctx.waitUntil(slow("password").then((v) => { background = v })); return new Response("answered"); }
		if (path === "/after") { slow("password").then((v) => { background = v }); return new Response("answered"); }
		if (path === "/seen") { while (background === "nothing") await scheduler.wait(1); const v = background; background = "nothing"; return new Response(v); }
		return env.OBJECT.getByName("one").fetch(request);
	},
};
export class OBJECT extends DurableObject {
	n = 0;
	async fetch(request) {
		const path = new URL(request.url).pathname;
		switch (path) {
		case "/object": return new Response(await slow("password"));
		case "/order": {
			// Another request is served while this one waits for its work.
			this.n++;
			const before = this.n;
			await slow("password");
			return new Response(before + " " + (this.n >= before));
		}
		case "/storage": {
			await this.ctx.storage.put("n", 1);
			const p = slow("password");
			await this.ctx.storage.put("n", 2);
			return new Response(await p + await this.ctx.storage.get("n"));
		}
		case "/blocked": return new Response(await this.ctx.blockConcurrencyWhile(() => slow("password")));
		case "/fails":
			try { await crypto.subtle.generateKey({ name: "RSA-PSS", hash: "SHA-1", modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) }, true, ["decrypt"]); } catch (e) { return new Response(e.name + (e instanceof DOMException)); }
			return new Response("no error");
		case "/rsa": {
			const { publicKey, privateKey } = await crypto.subtle.generateKey({ name: "RSA-PSS", hash: "SHA-1", modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]) }, true, ["sign", "verify"]);
			const a = { name: "RSA-PSS", saltLength: 20 };
			return new Response(await crypto.subtle.verify(a, publicKey, await crypto.subtle.sign(a, privateKey, text("x")), text("x")));
		}
		case "/abort": {
			const key = await crypto.subtle.importKey("raw", text("password"), "PBKDF2", false, ["deriveBits"]);
			const p = crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt: text("salt"), iterations: 4096 }, key, 160);
			const q = slow("password"); // has not come to its work yet
			this.ctx.abort("gone");
			return new Response(await p + await q);
		}
		}
	}
}`

// TestOffLoop: work of crypto.subtle that leaves the loop comes back in a turn of whoever began it.
func TestOffLoop(t *testing.T) {
	const want = "4b007901b765489abead49d926f721d065a429c1" // RFC 6070
	v := serve(t, cryptoProgram, setup{loops: 2, opts: js.Options{}})
	for _, c := range []struct{ path, want string }{
		{"/start", want},
		{"/worker", want},
		{"/many", want},
		{"/object", want},
		{"/storage", want + "2"},
		{"/blocked", want},
		{"/fails", "SyntaxErrortrue"},
		{"/rsa", "true"},
		{"/background", "answered"},
		{"/seen", want},
		{"/after", "answered"},
		{"/seen", want},
	} {
		if got := v.get(c.path); got != c.want {
			t.Errorf("%s: %s, want %s\n%s", c.path, got, c.want, v.logs)
		}
	}
	if got := v.get("/abort"); !strings.Contains(got, "gone") {
		t.Errorf("/abort: %s", got)
	}
	// The object that was reset meanwhile starts anew, and the work of the old one disturbs nobody.
	if got := v.get("/order"); got != "1 true" {
		t.Errorf("after abort: %s\n%s", got, v.logs)
	}
	app := v.app
	if err := v.eng.Close(t.Context()); err != nil { // it waits for what is still under way
		t.Fatal(err)
	}
	if n := app.Away(); n != 0 {
		t.Errorf("%d promises of objects that are gone are kept", n)
	}
}

// within waits for an answer, but not for ever.
func within(t *testing.T, answers <-chan string) string {
	t.Helper()
	select {
	case s := <-answers:
		return s
	case <-time.After(60 * time.Second):
		t.Fatal("no answer within a minute")
		return ""
	}
}

// TestOffLoopServesOthers: the work of one request does not hold up another.
func TestOffLoopServesOthers(t *testing.T) {
	v := serve(t, `
export default { async fetch(request) {
	if (new URL(request.url).pathname === "/quick") return new Response("quick");
	const k = await crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
	await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512", salt: new Uint8Array(8), iterations: 1000000 }, k, 512);
	return new Response("slow");
} }`, setup{})
	order := make(chan string, 2)
	enter := func(path string) {
		v.eng.Post(0, func() {
			v.ports[0].Enter(v.app.Entrypoint(), &engine.Request{Method: "GET", URL: "http://example.com" + path}, engine.ReplyFunc(func(r engine.Reply) { order <- text(r.Response, r.Err) }))
		})
	}
	enter("/slow")
	enter("/quick")
	if first, second := within(t, order), within(t, order); first != "quick" || second != "slow" {
		t.Errorf("%s, then %s", first, second)
	}
}

// TestCloseDuringWork: an engine that closes waits for the work and answers.
func TestCloseDuringWork(t *testing.T) {
	v := serve(t, cryptoProgram, setup{})
	done := make(chan string, 1)
	v.eng.Post(0, func() {
		v.ports[0].Enter(v.app.Entrypoint(), &engine.Request{Method: "GET", URL: "http://example.com/many"}, engine.ReplyFunc(func(r engine.Reply) { done <- text(r.Response, r.Err) }))
	})
	v.close()
	if got := within(t, done); got == "" {
		t.Error("no answer")
	}
}

// TestNodeCryptoModule: a program imports the module, by name and as a whole, and its work comes back as well.
func TestNodeCryptoModule(t *testing.T) {
	v := serve(t, `
import { createHash, pbkdf2 } from "node:crypto";
import crypto2 from "node:crypto";
const atStart = createHash("md5").update("abc").digest("hex");
export default { async fetch() {
	const key = await new Promise((resolve, reject) => pbkdf2("password", "salt", 4096, 20, "sha1", (e, k) => e ? reject(e) : resolve(k)));
	return new Response([atStart, key.toString("hex"), crypto2.webcrypto === crypto].join());
} }`, setup{})
	if got, want := v.get("/"), "900150983cd24fb0d6963f7d28e17f72,4b007901b765489abead49d926f721d065a429c1,true"; got != want {
		t.Errorf("%s\n%s", got, v.logs)
	}
}

// TestKeysAreNotCloned: a CryptoKey cannot leave its runtime. It would be an empty object if it were stored.
func TestKeysAreNotCloned(t *testing.T) {
	v := serve(t, program(`
export class OBJECT extends DurableObject {
	async fetch() {
		const out = [];
		const { privateKey } = await crypto.subtle.generateKey("Ed25519", true, ["sign"]);
		for (const f of [() => structuredClone(privateKey), () => this.ctx.storage.put("k", { privateKey })]) {
			try { await f(); out.push("no error"); } catch (e) { out.push(e.name + ": " + e.message); }
		}
		await this.ctx.storage.put("k", await crypto.subtle.exportKey("jwk", privateKey));
		const again = await crypto.subtle.importKey("jwk", await this.ctx.storage.get("k"), "Ed25519", false, ["sign"]);
		out.push(again.type, (await crypto.subtle.sign("Ed25519", again, new Uint8Array(1))).byteLength);
		return new Response(out.join());
	}
}`), setup{})
	if got, want := v.get("/a"), "DataCloneError: Could not serialize object of type \"CryptoKey\". This type does not support serialization.,DataCloneError: Could not serialize object of type \"CryptoKey\". This type does not support serialization.,private,64"; got != want {
		t.Errorf("got %s\nwant %s\n%s", got, want, v.logs)
	}
}
