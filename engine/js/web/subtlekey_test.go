package web

import (
	"fmt"
	"testing"

	"everloop/engine/js/internal/vm"
)

// TestCryptoKey: the class, its members, and who may make one.
func TestCryptoKey(t *testing.T) {
	const setup = `const k = await S.generateKey({name: "HMAC", hash: "SHA-256", length: 256}, true, ["verify", "sign", "sign"]);`
	subtleCases(t, []jsCase{
		{
			"members", setup + `return [k.type, k.extractable, JSON.stringify(k.algorithm), k.usages, String(k), k instanceof CryptoKey].join()`,
			`secret,true,{"name":"HMAC","length":256,"hash":{"name":"SHA-256"}},sign,verify,[object CryptoKey],true`,
		},
		{"the same objects each time", setup + `return k.algorithm === k.algorithm && k.usages === k.usages`, "true"},
		{"changes reach nothing", setup + `k.algorithm.name = "AES-CBC"; k.algorithm.hash.name = "SHA-1"; k.usages.push("encrypt"); k.extractable = false; const m = await S.sign("HMAC", k, text("")); return m.byteLength + (await S.exportKey("jwk", k)).alg + await fails(() => S.encrypt({name: "AES-CBC", iv: new Uint8Array(16)}, k, text("")))`, "32HS256InvalidAccessError"},
		{"public exponent is a copy", `const p = await S.importKey("jwk", {kty: "RSA", n: b64("c1" + "00".repeat(126) + "01"), e: "AQAB"}, {name: "RSA-PSS", hash: "SHA-1"}, true, ["verify"]); p.algorithm.publicExponent[0] = 9; return hex(p.algorithm.publicExponent) + p.algorithm.modulusLength + (await S.exportKey("jwk", p)).e`, "0900011024AQAB"},
		{"members are on the prototype", `return Object.keys(CryptoKey.prototype).join() + Object.getOwnPropertyNames(await S.generateKey({name: "AES-KW", length: 128}, true, ["wrapKey"]))`, "type,extractable,algorithm,usages"},
		{"constructors", `return await fails(() => new CryptoKey()) + await fails(() => new SubtleCrypto())`, "TypeError!TypeError!"},
		{"a copy is no key", setup + `return fails(() => S.sign("HMAC", Object.create(k), text("")))`, "TypeError!"},
		{"a proxy is no key", setup + `return fails(() => S.sign("HMAC", new Proxy(k, {}), text("")))`, "TypeError!"},
		{"getters need a key", `return fails(() => Object.create(CryptoKey.prototype).type)`, "TypeError!"},
		{"subtle is one object", `return crypto.subtle === crypto.subtle && crypto.subtle instanceof SubtleCrypto && String(crypto.subtle)`, "[object SubtleCrypto]"},
		{
			"lengths of methods", `return Object.keys(SubtleCrypto.prototype).map((n) => n + SubtleCrypto.prototype[n].length).join()`,
			"encrypt3,decrypt3,sign3,verify4,digest2,generateKey3,deriveKey5,deriveBits2,importKey5,exportKey2,wrapKey4,unwrapKey7,timingSafeEqual2",
		},
		{"everything rejects, nothing throws", `const out = []; for (const n of Object.keys(SubtleCrypto.prototype)) if (n !== "timingSafeEqual") for (const self of [S, {}]) { let p; try { p = S[n].call(self) } catch { out.push(n); continue } out.push(await fails(() => p)) } return [...new Set(out)].join()`, "TypeError!"},
		{
			"timingSafeEqual", `const a = text("abc"); return [S.timingSafeEqual(a, text("abc")), S.timingSafeEqual(a, text("abd").buffer), S.timingSafeEqual(new Uint16Array(1), new DataView(new ArrayBuffer(2))), await fails(() => S.timingSafeEqual(a, text("ab"))), await fails(() => S.timingSafeEqual("abc", a)), await fails(() => S.timingSafeEqual(a))].join()`,
			"true,false,true,TypeError!,TypeError!,TypeError!",
		},
		{
			"getRandomValues", `const out = []; for (const v of [{}, undefined, new ArrayBuffer(4), new DataView(new ArrayBuffer(4)), new Float32Array(1), new Float64Array(70000), new BigInt64Array(8193)]) out.push(await fails(() => crypto.getRandomValues(v))); out.push(crypto.getRandomValues(new BigInt64Array(8192)).length, crypto.getRandomValues(new Uint8Array(0)).length, await fails(() => crypto.getRandomValues())); return out.join()`,
			"TypeError!,TypeError!,TypeError!,TypeMismatchError,TypeMismatchError,TypeMismatchError,QuotaExceededError,8192,0,TypeError!",
		},
		{"randomUUID", `const u = new Set(Array.from({length: 100}, () => crypto.randomUUID())); return u.size + String([...u].every((x) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(x))) + await fails(() => crypto.randomUUID.call({}))`, "100trueTypeError!"},
	})
}

// TestWhen: the errors of conversion and normalization are there at once, those of the operation come later.
func TestWhen(t *testing.T) {
	subtleCases(t, []jsCase{
		{"", `
			const when = async (f) => { let later = false; const p = f().then(() => "no error", (e) => e.name + (later ? " later" : " at once")); Promise.resolve().then(() => { later = true; }); return p };
			return [
				await when(() => S.generateKey({name: "AES"}, true, ["encrypt"])),
				await when(() => S.generateKey({}, true, ["encrypt"])),
				await when(() => S.generateKey({name: "AES-GCM", length: 64}, true, ["encrypt"])),
				await when(() => S.generateKey({name: "ECDSA", namedCurve: "P-512"}, true, ["sign"])),
				await when(() => S.generateKey({name: "AES-GCM", length: 128}, true, ["sign"])),
				await when(() => S.generateKey({name: "AES-GCM", length: 128}, true, [])),
				await when(() => S.generateKey("Ed25519", true, [])),
				await when(() => S.importKey("raw", new Uint8Array(16), "AES-GCM", true, [])),
			].join()`, "NotSupportedError at once,TypeError at once,OperationError at once,NotSupportedError at once,SyntaxError later,SyntaxError later,SyntaxError later,SyntaxError later"},
		{"results of operations on keys", `const out = [];
			const when = async (what, f) => { let later = false; const p = f().then((v) => { out.push(what + (later ? "" : " too early")); return v }); Promise.resolve().then(() => { later = true; }); return p };
			const k = await when("import", () => S.importKey("raw", new Uint8Array(16), "AES-GCM", true, ["wrapKey"])); await when("export", () => S.exportKey("raw", k)); await when("generate", () => S.generateKey("X25519", true, ["deriveBits"]));
			await when("wrap", () => S.wrapKey("raw", k, k, {name: "AES-GCM", iv: new Uint8Array(12)})); return out.join()`, "import,export,generate,wrap"},
		{"conversion comes before normalization", `const seen = []; const a = { get name() { seen.push("name"); return "AES" } };
			await fails(() => S.generateKey(a, true, ["no usage"])); await fails(() => S.encrypt(a, {}, text(""))); await fails(() => S.importKey("no format", text(""), a, true, []));
			return seen.length + await fails(() => S.generateKey(a, { valueOf() { throw 1 } }, { [Symbol.iterator]: function* () { seen.push("usages") } })) + seen`, "0NotSupportedErrorusages,name"},
	})
}

// TestNotSupported: what this engine has not says so.
func TestNotSupported(t *testing.T) {
	subtleCases(t, []jsCase{
		{"", `const out = []; for (const f of [
			() => S.generateKey("Ed448", true, ["sign"]), () => S.generateKey({name: "RSAES-PKCS1-v1_5", hash: "SHA-1"}, true, ["encrypt"]), () => S.generateKey("PBKDF2", false, ["deriveBits"]),
			() => S.digest("SHA3-256", text("")), () => S.digest("HMAC", text("")), () => S.importKey("raw", text(""), "SHA-1", true, []),
			() => S.importKey("raw", text(""), {name: "RSA-PSS", hash: "SHA-1"}, true, ["verify"]), () => S.importKey("pkcs8", text(""), "AES-GCM", true, ["encrypt"]), () => S.generateKey({name: "ECDSA", namedCurve: "K-256"}, true, ["sign"]),
		]) out.push(await fails(f)); return [...new Set(out)].join()`, "NotSupportedError"},
		{"derive with a cipher", `const k = await raw(new Uint8Array(16), "AES-GCM", ["encrypt"]); return await fails(() => S.deriveBits({name: "AES-GCM", iv: new Uint8Array(12)}, k, 8)) + await fails(() => S.sign({name: "AES-GCM", iv: new Uint8Array(12)}, k, text("")))`, "NotSupportedErrorNotSupportedError"},
		{"derive what cannot be derived", `const k = await S.importKey("raw", text("x"), "HKDF", false, ["deriveKey"]); return fails(() => S.deriveKey({name: "HKDF", hash: "SHA-1", salt: text(""), info: text("")}, k, {name: "ECDSA", namedCurve: "P-256"}, true, ["sign"]))`, "NotSupportedError"},
	})
}

// TestWrapping: every sort of key in every format, wrapped with every algorithm that wraps.
func TestWrapping(t *testing.T) {
	h := newSubtleFake(t)
	got := h.eval(t, fmt.Sprintf(`(async () => {
		const u = ["wrapKey", "unwrapKey"], rsaPair = [await S.importKey("spki", unhex("%s"), {name: "RSA-OAEP", hash: "SHA-1"}, true, ["wrapKey"]), await S.importKey("pkcs8", unhex("%s"), {name: "RSA-OAEP", hash: "SHA-1"}, true, ["unwrapKey"])];
		const wrappers = [];
		for (const a of [{name: "AES-GCM", iv: new Uint8Array(12), additionalData: text("more")}, {name: "AES-CBC", iv: new Uint8Array(16)}, {name: "AES-CTR", counter: new Uint8Array(16), length: 64}, {name: "AES-KW"}]) { const k = await S.generateKey({name: a.name, length: 256}, false, u); wrappers.push([a, k, k]) }
		wrappers.push([{name: "RSA-OAEP", label: text("l")}, ...rsaPair]);
		const keys = [];
		for (const [a, us] of [[{name: "AES-CBC", length: 256}, ["encrypt"]], [{name: "HMAC", hash: "SHA-256"}, ["sign"]]]) { const k = await S.generateKey(a, true, us); keys.push([k, a, "raw"], [k, a, "jwk"]) }
		for (const [a, us] of [[{name: "ECDSA", namedCurve: "P-256"}, ["sign", "verify"]], ["X25519", ["deriveBits"]]]) { const p = await S.generateKey(a, true, us); keys.push([p.publicKey, a, "spki"], [p.publicKey, a, "raw"], [p.publicKey, a, "jwk"], [p.privateKey, a, "pkcs8"], [p.privateKey, a, "jwk"]) }
		keys.push([rsaPair[1], {name: "RSA-OAEP", hash: "SHA-1"}, "pkcs8"]);
		let done = 0; const refused = [];
		for (const [a, w, un] of wrappers) for (const [k, alg, format] of keys) {
			let wrapped;
			try { wrapped = await S.wrapKey(format, k, w, a) } catch (e) { refused.push(a.name + " " + format + " " + e.name); continue }
			const back = await S.unwrapKey(format, wrapped, un, a, alg, true, k.usages);
			const f = format === "raw" || format === "spki" || format === "pkcs8" ? async (k) => hex(await S.exportKey(format, k)) : async (k) => JSON.stringify(await S.exportKey("jwk", k));
			if (await f(k) !== await f(back) || back.type !== k.type) return a.name + " " + format;
			done++;
		}
		const bad = refused.filter((r) => !/^AES-KW .* OperationError$|^RSA-OAEP (jwk|pkcs8) OperationError$/.test(r));
		return done >= 45 && refused.length > 0 && bad.join() === "" ? "ok" : done + bad.join() })()`, spki(t, &rsaKey().PublicKey), pkcs8(t, rsaKey())))
	if got != "ok" {
		t.Error(got)
	}
	subtleCases(t, []jsCase{
		{
			"errors", `
			const a = {name: "AES-CTR", counter: new Uint8Array(16), length: 64}, w = await raw(new Uint8Array(16), "AES-CTR", ["wrapKey", "unwrapKey", "encrypt"]), e = await raw(new Uint8Array(16), "AES-CTR", ["encrypt", "decrypt"]), kw = await raw(new Uint8Array(16), "AES-KW", ["wrapKey"]);
			const fixed = await S.generateKey({name: "AES-CBC", length: 128}, false, ["encrypt"]), hkdf = await S.importKey("raw", text("x"), "HKDF", false, ["deriveBits"]), c = await S.wrapKey("raw", e, w, a), junk = async (s) => S.encrypt(a, w, text(s));
			return (await Promise.all([
				() => S.wrapKey("raw", e, e, a), () => S.wrapKey("raw", fixed, w, a), () => S.wrapKey("raw", hkdf, w, a), () => S.wrapKey("raw", e, kw, a), () => S.wrapKey("spki", e, w, a), () => S.wrapKey("raw", e, w, "HMAC"),
				() => S.unwrapKey("raw", c, e, a, "AES-CBC", true, ["encrypt"]), () => S.unwrapKey("raw", c, kw, a, "AES-CBC", true, ["encrypt"]), () => S.unwrapKey("raw", c, w, a, "AES-CBC", true, []), () => S.unwrapKey("raw", c, w, a, "AES-CBC", true, ["sign"]),
				() => S.unwrapKey("raw", c.slice(1), w, a, "AES-CBC", true, ["encrypt"]), async () => S.unwrapKey("jwk", await junk("no json"), w, a, "AES-CBC", true, ["encrypt"]), async () => S.unwrapKey("jwk", await junk("[]"), w, a, "AES-CBC", true, ["encrypt"]), async () => S.unwrapKey("jwk", await junk("{}"), w, a, "AES-CBC", true, ["encrypt"]), async () => S.unwrapKey("jwk", await junk("1"), w, a, "AES-CBC", true, ["encrypt"]),
				() => S.unwrapKey("raw", "c", w, a, "AES-CBC", true, ["encrypt"]),
			].map(fails))).join()`,
			"InvalidAccessError,InvalidAccessError,NotSupportedError,InvalidAccessError,NotSupportedError,NotSupportedError," +
				"InvalidAccessError,InvalidAccessError,SyntaxError,SyntaxError,DataError,DataError,DataError,DataError,DataError,TypeError!",
		},
	})
}

// TestKeysAndGC: a key in use outlives collections; one that nobody has any more gives its memory back.
func TestKeysAndGC(t *testing.T) {
	h := newSubtleFake(t)
	if got := h.eval(t, `(async () => { globalThis.kept = await raw(text("0123456789abcdef"), "AES-CBC", ["encrypt"]); for (let i = 0; i < 1000; i++) await S.generateKey({name: "HMAC", hash: "SHA-1"}, true, ["sign"]); return 0 })()`); got != "0" {
		t.Fatal(got)
	}
	if err := h.r.RunGC(); err != nil {
		t.Fatal(err)
	}
	if n := h.in.keys.Len(); n != 1 || h.in.keys.bytes != 512+16 {
		t.Errorf("%d keys of %d bytes are left", n, h.in.keys.bytes)
	}
	if got := h.eval(t, `(async () => new TextDecoder().decode(await S.exportKey("raw", kept)))()`); got != "0123456789abcdef" {
		t.Error(got)
	}
	// A cycle is found by a collection only.
	if got := h.eval(t, `(async () => { kept.self = {kept}; kept = null; return 0 })()`); got != "0" {
		t.Fatal(got)
	}
	if err := h.r.RunGC(); err != nil {
		t.Fatal(err)
	}
	if h.in.keys.bytes != 0 {
		t.Errorf("%d bytes of keys are left", h.in.keys.bytes)
	}
}

// TestKeyBound: the keys of a runtime have a bound, because the runtime's own limit does not see them.
func TestKeyBound(t *testing.T) {
	h := newSubtleFake(t)
	got := h.eval(t, `(async () => { const b = new Uint8Array(1 << 20), keys = []; try { for (;;) keys.push(await S.importKey("raw", b, "PBKDF2", false, ["deriveBits"])) } catch (e) { return e.name + keys.length } })()`)
	if got != "QuotaExceededError31" {
		t.Error(got)
	}
	if got := h.eval(t, `(async () => (await S.importKey("raw", text("again"), "PBKDF2", false, ["deriveBits"])).type)()`); got != "secret" {
		t.Error(got)
	}
}

// TestClosedRuntime: work that comes back to a runtime that is gone does nothing, and its keys are dropped with it.
func TestClosedRuntime(t *testing.T) {
	h := newSubtleFake(t)
	mustEval(t, h, `globalThis.p = S.importKey("raw", text("x"), "PBKDF2", false, ["deriveBits"]).then((k) => S.deriveBits({name: "PBKDF2", hash: "SHA-1", salt: text(""), iterations: 5000}, k, 160)); 0`)
	if _, err := h.r.Pump(); err != nil {
		t.Fatal(err)
	}
	if len(h.work) != 1 {
		t.Fatalf("%d pieces of work", len(h.work))
	}
	if err := h.r.Close(); err != nil {
		t.Fatal(err)
	}
	if h.in.keys.bytes != 0 {
		t.Errorf("%d bytes of keys are left", h.in.keys.bytes)
	}
	if v, err := h.in.give([]byte("too late")); err != vm.ErrClosed || !v.IsUndefined() {
		t.Errorf("%v", err)
	}
}

// TestWorkThatPanics: off the loop nobody else would catch it.
func TestWorkThatPanics(t *testing.T) {
	h := newSubtleFake(t)
	v, err := h.in.perform(true, func() (any, error) { panic("oops") })
	if err != nil {
		t.Fatal(err)
	}
	if got := h.settled(t, v); got != "rejects OperationError: internal error: oops" {
		t.Error(got)
	}
	if len(offLoop) != 0 {
		t.Error("its place is not free again")
	}
}
