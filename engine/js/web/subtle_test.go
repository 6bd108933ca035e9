package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
)

// subtleSetup is what the scripts of the tests have at hand.
const subtleSetup = `
globalThis.S = crypto.subtle;
globalThis.unhex = (s) => Uint8Array.from(s.match(/../g) ?? [], (h) => parseInt(h, 16));
globalThis.hex = (b) => Array.from(b instanceof ArrayBuffer ? new Uint8Array(b) : new Uint8Array(b.buffer, b.byteOffset, b.byteLength), (x) => x.toString(16).padStart(2, "0")).join("");
globalThis.b64 = (h) => btoa(String.fromCharCode(...unhex(h))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
globalThis.text = (s) => new TextEncoder().encode(s);
globalThis.fails = async (f) => { try { const v = await f(); return "no error: " + v; } catch (e) { return e.name + (e instanceof DOMException ? "" : e instanceof Error ? "!" : "?"); } };
globalThis.raw = (bytes, alg, usages) => S.importKey("raw", bytes, alg, true, usages);
0`

func newSubtleFake(t testing.TB) *fakeHost {
	t.Helper()
	h := newFake(t)
	if got := h.eval(t, subtleSetup); got != "0" {
		t.Fatal(got)
	}
	return h
}

// subtleCases are like cases, with subtleSetup before them.
func subtleCases(t *testing.T, list []jsCase) {
	t.Helper()
	h := newSubtleFake(t)
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			if got := h.eval(t, "(async () => {"+c.source+"\n})()"); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.source, got, c.want)
			}
		})
	}
}

// TestDigest has the examples of FIPS 180-2 and RFC 1321.
func TestDigest(t *testing.T) {
	subtleCases(t, []jsCase{
		{"SHA-1", `return hex(await S.digest("SHA-1", text("abc")))`, "a9993e364706816aba3e25717850c26c9cd0d89d"},
		{"SHA-256", `return hex(await S.digest({name: "sha-256"}, text("abc")))`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{
			"SHA-384", `return hex(await S.digest("SHA-384", text("abc")))`,
			"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		},
		{
			"SHA-512", `return hex(await S.digest("Sha-512", text("abc").buffer))`,
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		},
		{"MD5", `return hex(await S.digest("MD5", text("abc")))`, "900150983cd24fb0d6963f7d28e17f72"},
		{"empty", `return hex(await S.digest("SHA-1", new ArrayBuffer(0)))`, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"part of a buffer", `return hex(await S.digest("MD5", new DataView(text("xabcx").buffer, 1, 3)))`, "900150983cd24fb0d6963f7d28e17f72"},
		{"detached while the name is read", `const b = text("abc"); return hex(await S.digest({ get name() { b.buffer.transfer(); return "MD5" } }, b))`, "d41d8cd98f00b204e9800998ecf8427e"},
		{"changed while the name is read", `const b = text("xbc"); return hex(await S.digest({ get name() { b[0] = 97; return "MD5" } }, b))`, "900150983cd24fb0d6963f7d28e17f72"},
		{"changed afterwards", `const b = text("abc"); const p = S.digest("MD5", b); b[0] = 0; return hex(await p)`, "900150983cd24fb0d6963f7d28e17f72"},
		{"long data leaves the loop, copied", `const b = new Uint8Array(2 << 20).fill(1); const p = S.digest("SHA-256", b); b.fill(2);
			const q = await p; b.fill(1); return hex(q) + (q instanceof ArrayBuffer)`, fmt.Sprintf("%x", sha256.Sum256(repeat(1, 2<<20))) + "true"},
		{"unknown", `return fails(() => S.digest("SHA-257", text("")))`, "NotSupportedError"},
		{"long s", `return fails(() => S.digest("\u017fHA-256", text("")))`, "NotSupportedError"},
		{"no name", `return fails(() => S.digest({}, text("")))`, "TypeError!"},
		{"null", `return fails(() => S.digest(null, text("")))`, "NotSupportedError"},
		{"symbol", `return fails(() => S.digest(Symbol("SHA-1"), text("")))`, "TypeError!"},
		{"no data", `return fails(() => S.digest("SHA-1"))`, "TypeError!"},
		{"a string", `return fails(() => S.digest("SHA-1", "abc"))`, "TypeError!"},
		{"shared memory", `return fails(() => S.digest("SHA-1", new SharedArrayBuffer(3)))`, "TypeError!"},
		{"a getter throws", `return fails(() => S.digest({ get name() { throw new RangeError("x") } }, text("")))`, "RangeError!"},
		{"another this", `return fails(() => S.digest.call({}, "SHA-1", text("")))`, "TypeError!"},
		{"errors are rejections", `const p = S.digest(); p.catch(() => {}); return p instanceof Promise`, "true"},
	})
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// TestHMAC has the test cases 1, 2 and 6 of RFC 4231.
func TestHMAC(t *testing.T) {
	subtleCases(t, []jsCase{
		{
			"case 1", `const k = await raw(new Uint8Array(20).fill(11), {name: "HMAC", hash: "SHA-256"}, ["sign"]); return hex(await S.sign("HMAC", k, text("Hi There")))`,
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		},
		{
			"case 2, SHA-512", `const k = await raw(text("Jefe"), {name: "hmac", hash: {name: "sha-512"}}, ["sign"]); return hex(await S.sign({name: "HMAC"}, k, text("what do ya want for nothing?")))`,
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		},
		{
			"case 6, long key", `const k = await raw(new Uint8Array(131).fill(0xaa), {name: "HMAC", hash: "SHA-384"}, ["sign"]); return hex(await S.sign("HMAC", k, text("Test Using Larger Than Block-Size Key - Hash Key First")))`,
			"4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
		},
		{
			"verify", `const k = await raw(text("Jefe"), {name: "HMAC", hash: "SHA-1"}, ["sign", "verify"]); const m = await S.sign("HMAC", k, text("x")); const bad = m.slice(0); new Uint8Array(bad)[3] ^= 1;
			return [await S.verify("HMAC", k, m, text("x")), await S.verify("HMAC", k, m, text("y")), await S.verify("HMAC", k, bad, text("x")), await S.verify("HMAC", k, m.slice(1), text("x")), m.byteLength].join()`,
			"true,false,false,false,20",
		},
		{
			"long data", `const k = await raw(text("Jefe"), {name: "HMAC", hash: "SHA-256"}, ["sign", "verify"]); const d = new Uint8Array(2 << 20); const m = await S.sign("HMAC", k, d); return hex(m) + await S.verify("HMAC", k, m, d)`,
			hex.EncodeToString(goHMAC([]byte("Jefe"), make([]byte, 2<<20))) + "true",
		},
		{"long key", `const k = await raw(new Uint8Array(2 << 20), {name: "HMAC", hash: "SHA-256"}, ["sign"]); return hex(await S.sign("HMAC", k, text("x")))`, hex.EncodeToString(goHMAC(make([]byte, 2<<20), []byte("x")))},
		{"length in bits", `const k = await S.importKey("raw", new Uint8Array([255, 255]), {name: "HMAC", hash: "SHA-256", length: 11}, true, ["sign"]); return k.algorithm.length + hex(await S.exportKey("raw", k))`, "11ffe0"},
		{"length too long", `return fails(() => S.importKey("raw", new Uint8Array(2), {name: "HMAC", hash: "SHA-256", length: 17}, true, ["sign"]))`, "DataError"},
		{"length too short", `return fails(() => S.importKey("raw", new Uint8Array(2), {name: "HMAC", hash: "SHA-256", length: 8}, true, ["sign"]))`, "DataError"},
		{"empty key", `return fails(() => raw(new Uint8Array(0), {name: "HMAC", hash: "SHA-256"}, ["sign"]))`, "DataError"},
		{
			"default lengths", `const out = []; for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) { const k = await S.generateKey({name: "HMAC", hash}, true, ["sign"]); out.push(k.algorithm.length, (await S.exportKey("raw", k)).byteLength) } return out.join()`,
			"512,64,512,64,1024,128,1024,128",
		},
		{"generated length", `const k = await S.generateKey({name: "HMAC", hash: "SHA-1", length: 9}, true, ["sign"]); return k.algorithm.length + " " + ((new Uint8Array(await S.exportKey("raw", k)))[1] & 127)`, "9 0"},
		{"generated, no length", `return fails(() => S.generateKey({name: "HMAC", hash: "SHA-1", length: 0}, true, ["sign"]))`, "OperationError"},
		{"generated, huge", `return fails(() => S.generateKey({name: "HMAC", hash: "SHA-1", length: 4294967295}, true, ["sign"]))`, "OperationError"},
		{"no hash", `return fails(() => raw(text("k"), "HMAC", ["sign"]))`, "TypeError!"},
		{"MD5", `return fails(() => raw(text("k"), {name: "HMAC", hash: "MD5"}, ["sign"]))`, "NotSupportedError"},
		{"wrong usage", `return fails(() => raw(text("k"), {name: "HMAC", hash: "SHA-1"}, ["sign", "encrypt"]))`, "SyntaxError"},
		{"no usage", `return fails(() => raw(text("k"), {name: "HMAC", hash: "SHA-1"}, []))`, "SyntaxError"},
		{"unknown usage", `return fails(() => raw(text("k"), {name: "HMAC", hash: "SHA-1"}, ["sing"]))`, "TypeError!"},
		{"usage not given", `const k = await raw(text("k"), {name: "HMAC", hash: "SHA-1"}, ["verify"]); return fails(() => S.sign("HMAC", k, text("")))`, "InvalidAccessError"},
		{"key of another algorithm", `const k = await raw(new Uint8Array(16), "AES-GCM", ["encrypt"]); return fails(() => S.sign("HMAC", k, text("")))`, "InvalidAccessError"},
		{"not a key", `return fails(() => S.sign("HMAC", {}, text("")))`, "TypeError!"},
		{"spki", `return fails(() => S.importKey("spki", text("k"), {name: "HMAC", hash: "SHA-1"}, true, ["sign"]))`, "NotSupportedError"},
	})
}

func goHMAC(key, data []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil)
}

// TestAESGCM has test case 4 of the GCM specification (McGrew and Viega), and cases 5 and 6 for other lengths of the IV.
func TestAESGCM(t *testing.T) {
	const vector = `
		const key = await raw(unhex("feffe9928665731c6d6a8f9467308308"), "AES-GCM", ["encrypt", "decrypt"]);
		const plain = unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
		const additionalData = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
		const seal = async (iv, more) => hex(await S.encrypt({name: "AES-GCM", iv: unhex(iv), additionalData, ...more}, key, plain));
		const open = async (iv, c, more) => hex(await S.decrypt({name: "AES-GCM", iv: unhex(iv), additionalData, ...more}, key, unhex(c)));`
	const case4 = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	const tag4 = "5bc94fbc3221a5db94fae95ae7121a47"
	subtleCases(t, []jsCase{
		{"case 4", vector + `return seal("cafebabefacedbaddecaf888")`, case4 + tag4},
		{"case 5, IV of 64 bits", vector + `return (await seal("cafebabefacedbad")).slice(-32)`, "3612d2e79e3b0785561be14aaca2fccb"},
		{"case 6, IV of 480 bits", vector + `return (await seal("9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b")).slice(-32)`, "619cc5aefffe0bfa462af43c1699d050"},
		{"all tag lengths", vector + `const out = [];
			for (const iv of ["cafebabefacedbaddecaf888", "cafebabefacedbad"]) for (const tagLength of [32, 64, 96, 104, 112, 120, 128]) {
				const c = await seal(iv, {tagLength});
				const b = unhex(c); b[b.length - 1] ^= 1; const d = unhex(c); d[0] ^= 1;
				out.push(c.length / 2 - 60 === tagLength / 8 && await open(iv, c, {tagLength}) === hex(plain) && await fails(() => open(iv, hex(b), {tagLength})) + await fails(() => open(iv, hex(d), {tagLength})));
			}
			return [...new Set(out)].join()`, "OperationErrorOperationError"},
		{"truncated tag", vector + `return (await seal("cafebabefacedbaddecaf888", {tagLength: 32})).slice(-8)`, tag4[:8]},
		{"bad tag lengths", vector + `const out = []; for (const tagLength of [0, 8, 95, 97, 129, 255]) out.push(await fails(() => seal("00", {tagLength}))); return [...new Set(out)].join()`, "OperationError"},
		{"tag length beyond an octet", vector + `return fails(() => seal("00", {tagLength: 256}))`, "TypeError!"},
		{"tag length is no number", vector + `return fails(() => seal("00", {tagLength: "x"}))`, "TypeError!"},
		{"empty IV", vector + `return fails(() => seal(""))`, "OperationError"},
		{"no IV", vector + `return fails(() => S.encrypt("AES-GCM", key, plain))`, "TypeError!"},
		{"shorter than the tag", vector + `return fails(() => open("cafebabefacedbaddecaf888", "00112233"))`, "OperationError"},
		{"other data", vector + `const c = await seal("cafebabefacedbaddecaf888"); return fails(() => open("cafebabefacedbaddecaf888", c, {additionalData: unhex("00")}))`, "OperationError"},
		{"bad key lengths", `const out = []; for (const n of [0, 8, 15, 17, 33, 64]) out.push(await fails(() => raw(new Uint8Array(n), "AES-GCM", ["encrypt"]))); return [...new Set(out)].join()`, "DataError"},
		{
			"generated", `const out = []; for (const length of [128, 192, 256]) { const k = await S.generateKey({name: "aes-gcm", length}, true, ["encrypt"]); out.push(k.algorithm.name, k.algorithm.length, (await S.exportKey("raw", k)).byteLength, k.type, k.extractable, k.usages) } return out.join()`,
			"AES-GCM,128,16,secret,true,encrypt,AES-GCM,192,24,secret,true,encrypt,AES-GCM,256,32,secret,true,encrypt",
		},
		{"generated, bad length", `return fails(() => S.generateKey({name: "AES-GCM", length: 127}, true, []))`, "OperationError"},
		{"generated, no usage", `return fails(() => S.generateKey({name: "AES-GCM", length: 128}, true, []))`, "SyntaxError"},
		{"generated, wrong usage", `return fails(() => S.generateKey({name: "AES-GCM", length: 128}, true, ["encrypt", "sign"]))`, "SyntaxError"},
		{"generated, no length", `return fails(() => S.generateKey("AES-GCM", true, ["encrypt"]))`, "TypeError!"},
		{"not extractable", `const k = await S.generateKey({name: "AES-GCM", length: 128}, false, ["encrypt"]); return await fails(() => S.exportKey("raw", k)) + k.extractable`, "InvalidAccessErrorfalse"},
		{"long data", vector + `const d = new Uint8Array(2 << 20).fill(7); const a = {name: "AES-GCM", iv: new Uint8Array(12)}; const c = await S.encrypt(a, key, d); const p = S.decrypt(a, key, c); a.iv[0] = 1; return hex(await S.digest("MD5", await p)) === hex(await S.digest("MD5", d))`, "true"},
	})
}

// TestAESGCMWithGo: Go's own cipher opens what JavaScript has sealed.
func TestAESGCMWithGo(t *testing.T) {
	h := newSubtleFake(t)
	key := make([]byte, 32)
	rand.Read(key)
	got := h.eval(t, fmt.Sprintf(`(async () => hex(await S.encrypt({name: "AES-GCM", iv: new Uint8Array(12)}, await raw(unhex("%x"), "AES-GCM", ["encrypt"]), text("attack at dawn"))))()`, key))
	sealed, err := hex.DecodeString(got)
	if err != nil {
		t.Fatal(got)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, make([]byte, 12), sealed, nil)
	if err != nil || string(plain) != "attack at dawn" {
		t.Errorf("%q, %v, key %x", plain, err, key)
	}
}
