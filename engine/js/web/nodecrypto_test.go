package web

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"testing"

	"everloop/engine/js/internal/vm"
)

// newNodeFake has the module's exports in the global N.
func newNodeFake(t testing.TB) *fakeHost {
	t.Helper()
	h := newSubtleFake(t)
	h.r.SetResolver(func(name, _ string) (*vm.NativeModule, error) { return h.in.Module(name) })
	code, err := vm.Compile("node.mjs", []byte(`import * as N from "node:crypto"; globalThis.N = N;
		globalThis.coded = (f) => { try { return "no error: " + f(); } catch (e) { return e.name + " " + e.code; } };`), vm.CompileOptions{Module: true})
	if err != nil {
		t.Fatal(err)
	}
	ns, done, err := h.r.RunModule(code)
	if err != nil {
		t.Fatal(err)
	}
	h.r.Free(ns)
	if got := h.settled(t, done); got != "undefined" {
		t.Fatal(got)
	}
	return h
}

func TestNodeCrypto(t *testing.T) {
	h := newNodeFake(t)
	key, err := pbkdf2.Key(sha256.New, "secret", []byte("salt"), 1000, 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []jsCase{
		{"md5", `return N.createHash("md5").update("abc").digest("hex")`, "900150983cd24fb0d6963f7d28e17f72"},
		{"sha1 in parts", `return N.createHash("SHA1").update("a").update(text("b")).update("63", "hex").digest("hex")`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"sha256, base64", `return N.createHash("RSA-SHA256").update("abc").digest("base64")`, "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="},
		{"sha224", `return N.createHash("sha224").update("abc").digest("hex")`, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"},
		{"sha512, base64url", `return N.hash("sha512", "abc", "base64url").slice(0, 12)`, "3a81oZNherrM"},
		{"hash", `return N.hash("sha1", "abc")`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"a Buffer of sorts", `const d = N.createHash("md5").update("abc").digest(); return [d instanceof Uint8Array, d.length, d.toString("hex"), d.equals(d.slice()), d.slice(1) instanceof Uint8Array].join()`, "true,16,900150983cd24fb0d6963f7d28e17f72,true,true"},
		{"copy", `const a = N.createHash("sha1").update("ab"), b = a.copy(); return a.update("c").digest("hex").slice(0, 8) + b.update("c").digest("hex").slice(0, 8)`, "a9993e36a9993e36"},
		{"copy of an hmac's hash goes on by itself", `const a = N.createHash("md5"); const b = a.copy(); a.update("x"); return b.digest("hex")`, "d41d8cd98f00b204e9800998ecf8427e"},
		{"twice", `const a = N.createHash("md5"); a.digest(); return [coded(() => a.digest()), coded(() => a.update("")), coded(() => a.copy())].join()`, "Error ERR_CRYPTO_HASH_FINALIZED,Error ERR_CRYPTO_HASH_FINALIZED,Error ERR_CRYPTO_HASH_FINALIZED"},
		{"unknown hash", `return coded(() => N.createHash("sha3"))`, "Error undefined"},
		{"unknown encodings", `return coded(() => N.createHash("md5").update("a", "klingon")) + coded(() => N.createHash("md5").digest("klingon"))`, "TypeError ERR_UNKNOWN_ENCODINGTypeError ERR_UNKNOWN_ENCODING"},
		{"data of another type", `return coded(() => N.createHash("md5").update(1)) + coded(() => N.createHash(1))`, "TypeError ERR_INVALID_ARG_TYPETypeError ERR_INVALID_ARG_TYPE"},
		{"latin1", `return N.createHash("md5").update("\u00e9", "latin1").digest("hex") === N.createHash("md5").update(new Uint8Array([233])).digest("hex") && N.createHash("md5").update("/w==", "base64").digest("hex") === N.createHash("md5").update("_w", "base64url").digest("latin1").split("").map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("")`, "true"},
		{"odd hex", `return N.createHash("md5").update("6162637", "hex").digest("hex") + N.createHash("md5").update("616263zz", "hex").digest("hex")`, "900150983cd24fb0d6963f7d28e17f72900150983cd24fb0d6963f7d28e17f72"},
		{"hmac (RFC 4231, case 2)", `return N.createHmac("sha256", "Jefe").update("what do ya want ").update("for nothing?").digest("hex")`, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"hmac twice", `const m = N.createHmac("sha1", new Uint8Array(3)); m.digest(); return JSON.stringify(m.digest("hex")) + coded(() => m.update(""))`, `""Error ERR_CRYPTO_HASH_FINALIZED`},
		{"hmac errors", `return coded(() => N.createHmac("x", "k")) + coded(() => N.createHmac("md5"))`, "TypeError ERR_CRYPTO_INVALID_DIGESTTypeError ERR_INVALID_ARG_TYPE"},
		{"pbkdf2Sync", `return N.pbkdf2Sync("secret", "salt", 1000, 40, "sha256").toString("hex")`, fmt.Sprintf("%x", key)},
		{"pbkdf2", `return new Promise((res, rej) => { const p = text("secret"); N.pbkdf2(p, "salt", 1000, 40, "sha256", (e, k) => e ? rej(e) : res(k.toString("hex"))); p.fill(0) })`, fmt.Sprintf("%x", key)},
		{
			"pbkdf2 errors", `return [coded(() => N.pbkdf2Sync("", "", 0, 1, "md5")), coded(() => N.pbkdf2Sync("", "", 1.5, 1, "md5")), coded(() => N.pbkdf2Sync("", "", 1, 1, "x")), coded(() => N.pbkdf2Sync("", "", 1, 1)), coded(() => N.pbkdf2Sync("", "", 2147483647, 1, "md5")), coded(() => N.pbkdf2("", "", 1, 1, "md5"))].join()`,
			"RangeError ERR_OUT_OF_RANGE,RangeError ERR_OUT_OF_RANGE,TypeError ERR_CRYPTO_INVALID_DIGEST,TypeError ERR_INVALID_ARG_TYPE,RangeError undefined,TypeError ERR_INVALID_ARG_TYPE",
		},
		{"randomBytes", `const a = N.randomBytes(100000), b = N.randomBytes(100000); return [a.length, a.equals(b), N.randomBytes(0).length, /^[0-9a-f]{32}$/.test(N.randomBytes(16).toString("hex"))].join()`, "100000,false,0,true"},
		{"randomBytes, later", `return new Promise((res) => { let now = true; N.randomBytes(3, (e, b) => res([e, b.length, now].join())); now = false })`, ",3,false"},
		{"randomBytes errors", `return [coded(() => N.randomBytes(-1)), coded(() => N.randomBytes("1")), coded(() => N.randomBytes(2147483648)), coded(() => N.randomBytes(1, 1))].join()`, "RangeError ERR_OUT_OF_RANGE,TypeError ERR_INVALID_ARG_TYPE,RangeError ERR_OUT_OF_RANGE,TypeError ERR_INVALID_ARG_TYPE"},
		{"randomFillSync", `const b = new Uint8Array(64); N.randomFillSync(b, 32, 16); return [b.some((x) => x), b.slice(0, 32).every((x) => x === 0), b.slice(48).every((x) => x === 0), coded(() => N.randomFillSync(b, 65)), coded(() => N.randomFillSync([]))].join()`, "true,true,true,RangeError ERR_OUT_OF_RANGE,TypeError ERR_INVALID_ARG_TYPE"},
		{"randomInt", `const seen = new Set(); for (let i = 0; i < 500; i++) seen.add(N.randomInt(3)); for (let i = 0; i < 500; i++) seen.add(N.randomInt(-5, -3)); return [...seen].sort((a, b) => a - b).join()`, "-5,-4,0,1,2"},
		{"randomInt errors", `return [coded(() => N.randomInt(0)), coded(() => N.randomInt(5, 5)), coded(() => N.randomInt(1.5)), coded(() => N.randomInt(0, 2 ** 48))].join()`, "RangeError ERR_OUT_OF_RANGE,RangeError ERR_OUT_OF_RANGE,TypeError ERR_INVALID_ARG_TYPE,RangeError ERR_OUT_OF_RANGE"},
		{"timingSafeEqual", `return [N.timingSafeEqual(text("a"), text("a")), N.timingSafeEqual(text("a"), text("b")), coded(() => N.timingSafeEqual(text("a"), text("ab"))), coded(() => N.timingSafeEqual("a", "a"))].join()`, "true,false,RangeError ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH,TypeError ERR_INVALID_ARG_TYPE"},
		{"webcrypto", `return [N.webcrypto === crypto, N.subtle === crypto.subtle, N.randomUUID().length, N.getRandomValues(new Uint8Array(2)).length, N.default.createHash === N.createHash, N.getHashes().every((h) => N.createHash(h))].join()`, "true,true,36,2,true,true"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := h.eval(t, "(async () => {"+c.source+"\n})()"); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
			}
		})
	}
}
