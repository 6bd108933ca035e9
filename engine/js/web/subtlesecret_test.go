package web

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/sha512"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestAESCBC has the vectors F.2.1 and F.2.5 of NIST SP 800-38A (whose cipher text ends before the padding).
func TestAESCBC(t *testing.T) {
	const setup = `const iv = unhex("000102030405060708090a0b0c0d0e0f"), a = {name: "AES-CBC", iv}, plain = unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
		const k = await raw(unhex("2b7e151628aed2a6abf7158809cf4f3c"), "AES-CBC", ["encrypt", "decrypt"]);`
	subtleCases(t, []jsCase{
		{"F.2.1", setup + `return hex(await S.encrypt(a, k, plain)).slice(0, 64)`, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"},
		{
			"F.2.5", setup + `const k2 = await raw(unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"), "aes-cbc", ["encrypt"]); return hex(await S.encrypt(a, k2, plain)).slice(0, 64)`,
			"f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
		},
		{"every length", setup + `for (let n = 0; n < 50; n++) { const d = new Uint8Array(n).fill(n); const c = await S.encrypt(a, k, d); if (c.byteLength !== (n >> 4 << 4) + 16 || hex(await S.decrypt(a, k, c)) !== hex(d)) return n } return "ok"`, "ok"},
		{"padding of the wrong sort", setup + `
			// The first block of a message, without the block of padding behind it.
			const out = [];
			for (const last of ["00", "11", "ff", "0102", "0202"]) { const d = new Uint8Array(16); d.set(unhex(last), 16 - last.length / 2); const c = await S.encrypt(a, k, d); out.push(await fails(() => S.decrypt(a, k, c.slice(0, 16)))) }
			return out.join()`, "OperationError,OperationError,OperationError,OperationError,no error: [object ArrayBuffer]"},
		{"not whole blocks", setup + `return await fails(() => S.decrypt(a, k, new Uint8Array(17))) + await fails(() => S.decrypt(a, k, new Uint8Array(0)))`, "OperationErrorOperationError"},
		{"bad iv", setup + `return await fails(() => S.encrypt({name: "AES-CBC", iv: new Uint8Array(15)}, k, plain)) + await fails(() => S.decrypt({name: "AES-CBC", iv: new Uint8Array(17)}, k, plain))`, "OperationErrorOperationError"},
		{"no iv", setup + `return await fails(() => S.encrypt({name: "AES-CBC", iv: null}, k, plain)) + await fails(() => S.encrypt("AES-CBC", k, plain))`, "TypeError!TypeError!"},
	})
}

// TestAESCTR has the vector F.5.1 of NIST SP 800-38A.
func TestAESCTR(t *testing.T) {
	const setup = `const k = await raw(unhex("2b7e151628aed2a6abf7158809cf4f3c"), "AES-CTR", ["encrypt", "decrypt"]), zero = (n) => new Uint8Array(16 * n);
		const ctr = async (counter, length, d) => hex(await S.encrypt({name: "AES-CTR", counter: unhex(counter), length}, k, d));`
	subtleCases(t, []jsCase{
		{
			"F.5.1", setup + `return ctr("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", 64, unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"))`,
			"874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff",
		},
		{"as many blocks as values", setup + `return (await ctr("00000000000000000000000000000003", 2, zero(4))).length`, "128"},
		{"one block more", setup + `return fails(() => ctr("00000000000000000000000000000003", 2, new Uint8Array(65)))`, "OperationError"},
		{
			"bad lengths", setup + `return [await fails(() => ctr("00", 8, zero(1))), await fails(() => ctr("00".repeat(16), 0, zero(1))), await fails(() => ctr("00".repeat(16), 129, zero(1))), await fails(() => ctr("00".repeat(16), 256, zero(1)))].join()`,
			"OperationError,OperationError,OperationError,TypeError!",
		},
		{"no data", setup + `return "<" + await ctr("ff".repeat(16), 1, zero(0)) + ">"`, "<>"},
		{"decrypt", setup + `const a = {name: "AES-CTR", counter: new Uint8Array(16).fill(255), length: 128}; return hex(await S.decrypt(a, k, await S.encrypt(a, k, text("twice around the clock"))))`, fmt.Sprintf("%x", "twice around the clock")},
	})
}

// TestCounterWraps compares AES-CTR with one that enciphers each counter value by itself.
func TestCounterWraps(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	s := newSecret(bytes.Repeat([]byte{7}, 16))
	block, _ := aes.NewCipher(s.bytes)
	for bits := 1; bits <= 128; bits++ {
		for range 4 {
			counter := make([]byte, 16)
			for i := range counter {
				counter[i] = byte(rng.Uint32())
			}
			// Start a few steps before the end of the counter.
			for i := range bits {
				counter[15-i/8] |= 1 << (i % 8)
			}
			counter[15] &^= byte(rng.IntN(4))
			if bits < 3 {
				counter[15] |= 1<<bits - 1
			}
			n := 1 + rng.IntN(8)
			if bits < 3 {
				n = 1 + rng.IntN(1<<bits)
			}
			data := make([]byte, 16*n-rng.IntN(16))
			got, err := ctr(s, counter, bits, data)
			if err != nil {
				t.Fatalf("seed %d, %d bits, %d bytes: %v", seed, bits, len(data), err)
			}
			mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1))
			start := new(big.Int).SetBytes(counter)
			fixed := new(big.Int).AndNot(start, mask)
			var want []byte
			for i := range n {
				v := new(big.Int).Add(start, big.NewInt(int64(i)))
				v.And(v, mask).Or(v, fixed)
				one := v.FillBytes(make([]byte, 16))
				block.Encrypt(one, one)
				want = append(want, one...)
			}
			if !bytes.Equal(got, want[:len(data)]) {
				t.Fatalf("seed %d, counter %x of %d bits, %d bytes: wrong", seed, counter, bits, len(data))
			}
		}
	}
}

// TestShortTags compares the trick with which short tags are checked with Go's own cipher, for the tags that it has.
func TestShortTags(t *testing.T) {
	s := newSecret(bytes.Repeat([]byte{3}, 32))
	block, _ := aes.NewCipher(s.bytes)
	for n := 12; n <= 16; n++ {
		aead, err := cipher.NewGCMWithTagSize(block, n)
		if err != nil {
			t.Fatal(err)
		}
		iv, data, more := make([]byte, 12), []byte("some data of no particular length"), []byte("more")
		want := aead.Seal(nil, iv, data, more)
		got, err := gcm(nil, s, true, iv, data, more, n)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("tag of %d bytes: %x, %v", n, got, err)
		}
		if plain, err := gcm(nil, s, false, iv, want, more, n); err != nil || !bytes.Equal(plain, data) {
			t.Errorf("tag of %d bytes: %q, %v", n, plain, err)
		}
	}
}

// TestAESKW has the vectors 4.1 to 4.6 of RFC 3394.
func TestAESKW(t *testing.T) {
	const kek = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	const key = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	var list []jsCase
	for _, v := range []struct {
		name    string
		kek, of int
		want    string
	}{
		{"4.1", 16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{"4.2", 24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{"4.3", 32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{"4.4", 24, 24, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{"4.5", 32, 24, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{"4.6", 32, 32, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		list = append(list, jsCase{v.name, fmt.Sprintf(`
			const w = await raw(unhex("%s"), "AES-KW", ["wrapKey", "unwrapKey"]), k = await raw(unhex("%s"), "AES-CTR", ["encrypt"]);
			const c = await S.wrapKey("raw", k, w, "AES-KW"); const u = await S.unwrapKey("raw", c, w, {name: "aes-kw"}, "AES-CBC", true, ["decrypt"]);
			const bad = c.slice(0); new Uint8Array(bad)[5] ^= 4;
			return hex(c) + (hex(await S.exportKey("raw", u)) === "%s") + u.algorithm.name + await fails(() => S.unwrapKey("raw", bad, w, "AES-KW", "AES-CBC", true, ["decrypt"]))`,
			kek[:2*v.kek], key[:2*v.of], key[:2*v.of]), v.want + "trueAES-CBCOperationError"})
	}
	const setup = `const w = await raw(new Uint8Array(16), "AES-KW", ["wrapKey", "unwrapKey"]), mac = (n) => raw(new Uint8Array(n), {name: "HMAC", hash: "SHA-1"}, ["sign"]);`
	list = append(list,
		jsCase{"too short", setup + `return fails(async () => S.wrapKey("raw", await mac(8), w, "AES-KW"))`, "OperationError"},
		jsCase{"no whole units", setup + `return fails(async () => S.wrapKey("raw", await mac(20), w, "AES-KW"))`, "OperationError"},
		jsCase{"unwrap too short", setup + `return fails(() => S.unwrapKey("raw", new Uint8Array(16), w, "AES-KW", "AES-CBC", true, ["encrypt"]))`, "OperationError"},
		jsCase{"not for encrypting", setup + `return fails(() => S.encrypt("AES-KW", w, new Uint8Array(16)))`, "NotSupportedError"},
		jsCase{"not with those usages", `return fails(() => raw(new Uint8Array(16), "AES-KW", ["encrypt"]))`, "SyntaxError"},
		jsCase{"as jwk, whole units only", setup + `const k = await mac(16); return ((await S.exportKey("jwk", k)).k.length) + await fails(() => S.wrapKey("jwk", k, w, "AES-KW"))`, "22OperationError"},
	)
	subtleCases(t, list)
}

// TestHKDF has the test cases 1, 3 and 4 of RFC 5869.
func TestHKDF(t *testing.T) {
	const setup = `const hkdf = async (ikm, hash, salt, info, n) => S.deriveBits({name: "HKDF", hash, salt: unhex(salt), info: unhex(info)}, await S.importKey("raw", unhex(ikm), "HKDF", false, ["deriveBits"]), n);
		const a = {name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: new Uint8Array(0)}, k = await S.importKey("raw", text("x"), "HKDF", false, ["deriveBits"]), k2 = await S.importKey("raw", text("x"), "HKDF", false, ["deriveKey"]);`
	subtleCases(t, []jsCase{
		{
			"case 1", setup + `return hex(await hkdf("0b".repeat(22), "SHA-256", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 336))`,
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
		},
		{
			"case 3", setup + `return hex(await hkdf("0b".repeat(22), "SHA-256", "", "", 336))`,
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
		},
		{
			"case 4", setup + `return hex(await hkdf("0b".repeat(11), "SHA-1", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 336))`,
			"085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896",
		},
		{"no bits", setup + `return (await S.deriveBits(a, k, 0)).byteLength`, "0"},
		{"null bits", setup + `return await fails(() => S.deriveBits(a, k, null)) + await fails(() => S.deriveBits(a, k))`, "OperationErrorOperationError"},
		{"not whole bytes", setup + `return fails(() => S.deriveBits(a, k, 44))`, "OperationError"},
		{"too many", setup + `return (await S.deriveBits(a, k, 255 * 256)).byteLength + await fails(() => S.deriveBits(a, k, 255 * 256 + 8))`, "8160OperationError"},
		{"usages", setup + `return [await fails(() => S.deriveBits(a, k2, 8)), await fails(() => S.deriveKey(a, k, {name: "AES-CBC", length: 128}, true, ["encrypt"]))].join()`, "InvalidAccessError,InvalidAccessError"},
		{"another algorithm", setup + `return fails(() => S.deriveBits({...a, name: "PBKDF2", iterations: 1}, k, 8))`, "InvalidAccessError"},
		{"missing info", setup + `return fails(() => S.deriveBits({name: "HKDF", hash: "SHA-1", salt: new Uint8Array(0)}, k, 8))`, "TypeError!"},
		{"missing salt", setup + `return fails(() => S.deriveBits({name: "HKDF", hash: "SHA-1", info: new Uint8Array(0)}, k, 8))`, "TypeError!"},
		{"order of reading", setup + `const seen = []; const spy = (o) => new Proxy(o, { get(t, p) { seen.push(p); return t[p] } });
			await S.deriveBits(spy(a), k, 8); return seen.join()`, "name,hash,info,salt"},
		{
			"derived keys", setup + `const out = []; for (const [t, u] of [[{name: "AES-GCM", length: 192}, "encrypt"], [{name: "HMAC", hash: "SHA-384"}, "sign"], [{name: "HMAC", hash: "SHA-1", length: 200}, "sign"], [{name: "AES-KW", length: 256}, "wrapKey"]]) { const d = await S.deriveKey(a, k2, t, true, [u]); out.push(d.algorithm.length, (await S.exportKey("raw", d)).byteLength) } return out.join()`,
			"192,24,1024,128,200,25,256,32",
		},
		{"derived, bad length", setup + `return fails(() => S.deriveKey(a, k2, {name: "AES-GCM", length: 100}, true, ["encrypt"]))`, "OperationError"},
		{"derived, HMAC of no bits", setup + `return fails(() => S.deriveKey(a, k2, {name: "HMAC", hash: "SHA-1", length: 0}, true, ["sign"]))`, "TypeError!"},
		{"derived for HKDF again", setup + `return fails(() => S.deriveKey(a, k2, "HKDF", false, ["deriveBits"]))`, "OperationError"},
		{"derived, no usages", setup + `return fails(() => S.deriveKey(a, k2, {name: "AES-GCM", length: 128}, true, []))`, "SyntaxError"},
		{"extractable", `return fails(() => S.importKey("raw", text("x"), "HKDF", true, ["deriveBits"]))`, "SyntaxError"},
		{"wrong usage", `return fails(() => S.importKey("raw", text("x"), "HKDF", false, ["sign"]))`, "SyntaxError"},
		{"no usage", `return fails(() => S.importKey("raw", text("x"), "HKDF", false, []))`, "SyntaxError"},
		{"jwk", `return fails(() => S.importKey("jwk", {kty: "oct", k: ""}, "HKDF", false, ["deriveBits"]))`, "NotSupportedError"},
		{"export", setup + `return fails(() => S.exportKey("raw", k))`, "NotSupportedError"},
		{"generate", `return fails(() => S.generateKey("HKDF", false, ["deriveBits"]))`, "NotSupportedError"},
	})
}

// TestPBKDF2 has vectors of RFC 6070 (SHA-1), and compares with Go for the others.
func TestPBKDF2(t *testing.T) {
	many, err := pbkdf2.Key(sha512.New, "secret", []byte("pepper"), 20000, 100)
	if err != nil {
		t.Fatal(err)
	}
	const setup = `const k = await S.importKey("raw", text("password"), "PBKDF2", false, ["deriveBits", "deriveKey"]), a = (iterations, hash = "SHA-1") => ({name: "PBKDF2", hash, salt: text("salt"), iterations});`
	subtleCases(t, []jsCase{
		{"1 iteration", setup + `return hex(await S.deriveBits(a(1), k, 160))`, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{"2 iterations", setup + `return hex(await S.deriveBits(a(2), k, 160))`, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
		{"4096 iterations", setup + `return hex(await S.deriveBits(a(4096), k, 160))`, "4b007901b765489abead49d926f721d065a429c1"},
		{"off the loop", `const salt = text("pepper"); const k = await S.importKey("raw", text("secret"), "PBKDF2", false, ["deriveBits"]); const p = S.deriveBits({name: "PBKDF2", hash: "SHA-512", salt, iterations: 20000}, k, 800); salt.fill(0); return hex(await p)`, fmt.Sprintf("%x", many)},
		{"derived key, off the loop", setup + `const d = await S.deriveKey(a(4096), k, {name: "AES-CBC", length: 128}, true, ["encrypt"]); return d.type + hex(await S.exportKey("raw", d))`, "secret4b007901b765489abead49d926f721d0"},
		{"error after the loop", setup + `return fails(() => S.deriveKey(a(4096), k, {name: "HMAC", hash: "SHA-1"}, true, ["encrypt"]))`, "SyntaxError"},
		{"no iterations", setup + `return fails(() => S.deriveBits(a(0), k, 8))`, "OperationError"},
		{"negative", setup + `return fails(() => S.deriveBits(a(-1), k, 8))`, "TypeError!"},
		{"no bits", setup + `return (await S.deriveBits(a(1), k, 0)).byteLength`, "0"},
		{"null bits", setup + `return fails(() => S.deriveBits(a(1), k, null))`, "OperationError"},
		{"not whole bytes", setup + `return fails(() => S.deriveBits(a(1), k, 44))`, "OperationError"},
		{"too much work", setup + `return await fails(() => S.deriveBits(a(4294967295), k, 8)) + await fails(() => S.deriveBits(a(1000), k, 4294967288))`, "NotSupportedErrorNotSupportedError"},
		{"hash that is none", setup + `return fails(() => S.deriveBits(a(1, "PBKDF2"), k, 8))`, "NotSupportedError"},
		{"extractable", `return fails(() => S.importKey("raw", text("x"), "PBKDF2", true, ["deriveBits"]))`, "SyntaxError"},
		{"empty password", `const k = await S.importKey("raw", new Uint8Array(0), "PBKDF2", false, ["deriveBits"]); return (await S.deriveBits({name: "PBKDF2", hash: "SHA-1", salt: text("s"), iterations: 1}, k, 16)).byteLength`, "2"},
	})
	key, err := hkdf.Key(sha512.New, []byte("a"), []byte("b"), "c", 70)
	if err != nil {
		t.Fatal(err)
	}
	subtleCases(t, []jsCase{{"HKDF as Go does it", `return hex(await S.deriveBits({name: "HKDF", hash: "SHA-512", salt: text("b"), info: text("c")}, await S.importKey("raw", text("a"), "HKDF", false, ["deriveBits"]), 560))`, fmt.Sprintf("%x", key)}})
}
