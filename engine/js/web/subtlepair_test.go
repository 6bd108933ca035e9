package web

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"testing"
)

// rsaKey is a key of 2,048 bits for all tests, as making one takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

func spki(t testing.TB, key any) string {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// mustHex is the bytes that a script answered.
func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("not hexadecimal: %s", s)
	}
	return b
}

// TestECDSAWithGo: each side verifies what the other has signed.
func TestECDSAWithGo(t *testing.T) {
	h := newSubtleFake(t)
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		name := c.Params().Name
		sig := mustHex(t, h.eval(t, fmt.Sprintf(`(async () => hex(await S.sign({name: "ECDSA", hash: "SHA-512"}, await S.importKey("pkcs8", unhex("%s"), {name: "ECDSA", namedCurve: "%s"}, false, ["sign"]), text("message"))))()`, pkcs8(t, key), name)))
		digest := sha512.Sum512([]byte("message"))
		n := coordinateSize(c)
		if len(sig) != 2*n || !ecdsa.Verify(&key.PublicKey, digest[:], new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])) {
			t.Errorf("%s: signature %x is wrong", name, sig)
		}
		mine, err := signECDSA(key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		got := h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("spki", unhex("%s"), {name: "ECDSA", namedCurve: "%s"}, true, ["verify"]), a = {name: "ECDSA", hash: "SHA-512"}, s = unhex("%x"), m = text("message");
			const bad = s.slice(); bad[9] ^= 1; return [await S.verify(a, k, s, m), await S.verify(a, k, bad, m), await S.verify(a, k, s, text("another")), await S.verify(a, k, s.slice(1), m), await S.verify(a, k, new Uint8Array(s.length), m)].join() })()`, spki(t, &key.PublicKey), name, mine))
		if got != "true,false,false,false,false" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestRSAWithGo: the three algorithms, each direction against Go, with all hashes and with salts of any length.
func TestRSAWithGo(t *testing.T) {
	h := newSubtleFake(t)
	key := rsaKey()
	private, public := pkcs8(t, key), spki(t, &key.PublicKey)
	message := []byte("message")
	for name, hash := range map[string]crypto.Hash{"SHA-1": crypto.SHA1, "SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512} {
		sign := func(alg, params string) []byte {
			return mustHex(t, h.eval(t, fmt.Sprintf(`(async () => hex(await S.sign(%s, await S.importKey("pkcs8", unhex("%s"), {name: "%s", hash: "%s"}, false, ["sign"]), text("message"))))()`, params, private, alg, name)))
		}
		verify := func(alg, params string, sig []byte) string {
			return h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("spki", unhex("%s"), {name: "%s", hash: "%s"}, false, ["verify"]), s = unhex("%x"), bad = s.slice(); bad[17] ^= 1;
				return [await S.verify(%s, k, s, text("message")), await S.verify(%[5]s, k, bad, text("message")), await S.verify(%[5]s, k, s, text("another")), await S.verify(%[5]s, k, s.slice(1), text("message"))].join() })()`, public, alg, name, sig, params))
		}
		digest := sum(hash, message)
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, hash, digest, sign("RSASSA-PKCS1-v1_5", `"RSASSA-PKCS1-v1_5"`)); err != nil {
			t.Errorf("PKCS1-v1_5 with %s: %v", name, err)
		}
		sig, _ := rsa.SignPKCS1v15(nil, key, hash, digest)
		if got := verify("RSASSA-PKCS1-v1_5", `"rsassa-pkcs1-v1_5"`, sig); got != "true,false,false,false" {
			t.Errorf("PKCS1-v1_5 with %s: %s", name, got)
		}
		longest := key.Size() - 2 - hash.Size()
		for _, salt := range []int{0, 1, hash.Size(), longest} {
			params := fmt.Sprintf(`{name: "RSA-PSS", saltLength: %d}`, salt)
			sig := sign("RSA-PSS", params)
			if salt > 0 {
				if err := rsa.VerifyPSS(&key.PublicKey, hash, digest, sig, &rsa.PSSOptions{SaltLength: salt}); err != nil {
					t.Errorf("PSS with %s, salt %d: %v", name, salt, err)
				}
				sig, _ = rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: salt})
			} else if err := rsa.VerifyPSS(&key.PublicKey, hash, digest, sig, nil); err != nil {
				t.Errorf("PSS with %s, no salt: %v", name, err)
			}
			if got := verify("RSA-PSS", params, sig); got != "true,false,false,false" {
				t.Errorf("PSS with %s, salt %d: %s", name, salt, got)
			}
			other := fmt.Sprintf(`{name: "RSA-PSS", saltLength: %d}`, 1-min(salt, 1))
			if got := verify("RSA-PSS", other, sig); got != "false,false,false,false" && salt != 1-min(salt, 1) {
				t.Errorf("PSS with %s, salt %d, verified as %s: %s", name, salt, other, got)
			}
		}
		if got := h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("pkcs8", unhex("%s"), {name: "RSA-PSS", hash: "%s"}, false, ["sign"]); return fails(() => S.sign({name: "RSA-PSS", saltLength: %d}, k, text(""))) })()`, private, name, longest+1)); got != "OperationError" {
			t.Errorf("PSS with %s, salt too long: %s", name, got)
		}
		for _, label := range []string{"", "label"} {
			params := `{name: "RSA-OAEP", label: text("` + label + `")}`
			sealed := mustHex(t, h.eval(t, fmt.Sprintf(`(async () => hex(await S.encrypt(%s, await S.importKey("spki", unhex("%s"), {name: "RSA-OAEP", hash: "%s"}, false, ["encrypt"]), text("message"))))()`, params, public, name)))
			if plain, err := rsa.DecryptOAEP(hash.New(), nil, key, sealed, []byte(label)); err != nil || string(plain) != "message" {
				t.Errorf("OAEP with %s, label %q: %q, %v", name, label, plain, err)
			}
			sealed, _ = rsa.EncryptOAEP(hash.New(), rand.Reader, &key.PublicKey, message, []byte(label))
			got := h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("pkcs8", unhex("%s"), {name: "RSA-OAEP", hash: "%s"}, false, ["decrypt"]), c = unhex("%x");
				return new TextDecoder().decode(await S.decrypt(%s, k, c)) + await fails(() => S.decrypt({name: "RSA-OAEP", label: text("other")}, k, c)) + await fails(() => S.decrypt(%[4]s, k, c.slice(1))) })()`, private, name, sealed, params))
			if got != "messageOperationErrorOperationError" {
				t.Errorf("OAEP with %s, label %q: %s", name, label, got)
			}
		}
	}
}

// TestPSSWithoutSalt: the encoding without a salt is the one that Go makes when there is room for none.
func TestPSSWithoutSalt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	sig, err := signPSS(key, crypto.SHA256, digest[:], 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := signPSS(key, crypto.SHA256, digest[:], 0)
	if err != nil || !bytes.Equal(sig, again) {
		t.Errorf("two signatures without salt differ: %v", err)
	}
	if !verifyPSS(&key.PublicKey, crypto.SHA256, digest[:], sig, 0) {
		t.Error("the signature is refused")
	}
	salted, err := signPSS(key, crypto.SHA256, digest[:], 20)
	if err != nil || verifyPSS(&key.PublicKey, crypto.SHA256, digest[:], salted, 0) {
		t.Errorf("a signature with a salt passes for one without: %v", err)
	}
	if _, err := encodePSS(crypto.SHA512, make([]byte, 64), 8*65); err == nil {
		t.Error("an encoding that has no room was made")
	}
}

// TestEd25519 has test 2 and 3 of RFC 8032, section 7.1.
func TestEd25519(t *testing.T) {
	subtleCases(t, []jsCase{
		{
			"test 2", `const k = await S.importKey("jwk", {kty: "OKP", crv: "Ed25519", d: b64("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), x: b64("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")}, "Ed25519", true, ["sign"]); return hex(await S.sign("Ed25519", k, unhex("72")))`,
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{"test 3", `const k = await S.importKey("raw", unhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"), "ed25519", true, ["verify"]);
			const s = unhex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
			return [await S.verify("Ed25519", k, s, unhex("af82")), await S.verify("Ed25519", k, s, unhex("af83")), await S.verify("Ed25519", k, s.slice(1), unhex("af82"))].join()`, "true,false,false"},
		{
			"round trip", `const { publicKey, privateKey } = await S.generateKey("Ed25519", false, ["sign", "verify"]); const s = await S.sign("Ed25519", privateKey, text("x")); return [s.byteLength, await S.verify("Ed25519", publicKey, s, text("x")), publicKey.usages, privateKey.usages, publicKey.extractable, privateKey.extractable, publicKey.type, privateKey.type].join()`,
			"64,true,verify,sign,true,false,public,private",
		},
		{"public key to sign", `const { publicKey } = await S.generateKey("Ed25519", false, ["sign", "verify"]); return fails(() => S.sign("Ed25519", publicKey, text("x")))`, "InvalidAccessError"},
		{"no private usage", `return fails(() => S.generateKey("Ed25519", false, ["verify"]))`, "SyntaxError"},
		{"wrong usage", `return fails(() => S.generateKey("Ed25519", false, ["sign", "encrypt"]))`, "SyntaxError"},
		{"raw of another length", `return fails(() => S.importKey("raw", new Uint8Array(31), "Ed25519", true, ["verify"]))`, "DataError"},
		{"raw to sign", `return fails(() => S.importKey("raw", new Uint8Array(32), "Ed25519", true, ["sign"]))`, "SyntaxError"},
	})
}

// TestSmallOrder: with a point of small order as key or as R, the equation of a signature can hold for any message.
func TestSmallOrder(t *testing.T) {
	identity := make([]byte, 32)
	identity[0] = 1
	// S = 0, R and A the identity: 0 B = R + k A.
	sig := append(bytes.Clone(identity), make([]byte, 32)...)
	if !ed25519.Verify(identity, []byte("anything"), sig) {
		t.Fatal("Go refuses it already: the test shows nothing")
	}
	if verifyEd25519(identity, []byte("anything"), sig) {
		t.Error("a signature of no one is accepted")
	}
	// The four points of order 8, which the list has computed: 8 P is the identity. Adding on the curve with plain formulas.
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	mod := func(x *big.Int) *big.Int { return x.Mod(x, p) }
	mul := func(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }
	inv := func(a *big.Int) *big.Int { return new(big.Int).ModInverse(a, p) }
	one := big.NewInt(1)
	d := mul(mod(big.NewInt(-121665)), inv(big.NewInt(121666)))
	seen := 0
	for _, le := range smallOrderY {
		be := bytes.Clone(le[:])
		for i := range 16 {
			be[i], be[31-i] = be[31-i], be[i]
		}
		y := new(big.Int).SetBytes(be)
		if y.Cmp(p) >= 0 {
			continue
		}
		seen++
		y2 := mul(y, y)
		x2 := mul(mod(new(big.Int).Sub(y2, one)), inv(mod(new(big.Int).Add(mul(d, y2), one))))
		x := new(big.Int).ModSqrt(x2, p)
		if x == nil {
			t.Errorf("%x is on no point", le)
			continue
		}
		for range 3 { // doubling
			k := mul(d, mul(mul(x, x), mul(y, y)))
			nx := mul(mod(new(big.Int).Lsh(mul(x, y), 1)), inv(mod(new(big.Int).Add(one, k))))
			ny := mul(mod(new(big.Int).Add(mul(y, y), mul(x, x))), inv(mod(new(big.Int).Sub(one, k))))
			x, y = nx, ny
		}
		if x.Sign() != 0 || y.Cmp(one) != 0 {
			t.Errorf("%x: eight times the point is not the identity", le)
		}
	}
	if seen != 5 {
		t.Errorf("%d coordinates, want 0, 1, -1 and two of order 8", seen)
	}
}

// TestX25519 has the example of RFC 7748, section 6.1.
func TestX25519(t *testing.T) {
	const setup = `const alice = await S.importKey("jwk", {kty: "OKP", crv: "X25519", d: b64("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"), x: b64("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")}, "X25519", true, ["deriveBits", "deriveKey"]);
		const bob = await S.importKey("raw", unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"), "X25519", true, []), a = {name: "X25519", public: bob};`
	subtleCases(t, []jsCase{
		{"6.1", setup + `return hex(await S.deriveBits(a, alice))`, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
		{"fewer bits", setup + `return hex(await S.deriveBits(a, alice, 11)) + (await S.deriveBits(a, alice, 0)).byteLength + (await S.deriveBits(a, alice, null)).byteLength`, "4a40032"},
		{"more bits", setup + `return fails(() => S.deriveBits(a, alice, 264))`, "OperationError"},
		{"derived key", setup + `return hex(await S.exportKey("raw", await S.deriveKey(a, alice, {name: "AES-CBC", length: 128}, true, ["encrypt"])))`, "4a5d9d5ba4ce2de1728e3bf480350f25"},
		{"small order", setup + `return fails(async () => S.deriveBits({name: "X25519", public: await S.importKey("raw", new Uint8Array(32), "X25519", true, [])}, alice, 256))`, "OperationError"},
		{"public key as base", setup + `return fails(() => S.deriveBits(a, bob, 256))`, "InvalidAccessError"},
		{"private key as public", setup + `return fails(() => S.deriveBits({name: "X25519", public: alice}, alice, 256))`, "InvalidAccessError"},
		{"key of another algorithm", setup + `const { publicKey } = await S.generateKey({name: "ECDH", namedCurve: "P-256"}, true, ["deriveBits"]); return fails(() => S.deriveBits({name: "X25519", public: publicKey}, alice, 256))`, "InvalidAccessError"},
		{"no key", setup + `return await fails(() => S.deriveBits({name: "X25519", public: {}}, alice, 256)) + await fails(() => S.deriveBits({name: "X25519"}, alice, 256))`, "TypeError!TypeError!"},
		{"usages of a public key", `return fails(() => S.importKey("raw", new Uint8Array(32), "X25519", true, ["deriveBits"]))`, "SyntaxError"},
		{"generated", `const p = await S.generateKey("x25519", true, ["deriveBits"]); return [p.publicKey.usages.length, p.privateKey.usages, p.publicKey.algorithm.name, Object.keys(p)].join()`, "0,deriveBits,X25519,publicKey,privateKey"},
	})
}

// TestECDH: Go agrees on the same secret. The last bits of fewer than there are are cut off.
func TestECDH(t *testing.T) {
	h := newSubtleFake(t)
	for _, c := range []ecdh.Curve{ecdh.P256(), ecdh.P384(), ecdh.P521()} {
		mine, err := c.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := c.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		shared, err := mine.ECDH(theirs.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		got := h.eval(t, fmt.Sprintf(`(async () => { const alg = {name: "ECDH", namedCurve: "%s"};
			const key = await S.importKey("pkcs8", unhex("%s"), alg, false, ["deriveBits"]), pub = await S.importKey("raw", unhex("%x"), alg, true, []);
			const a = {name: "ECDH", public: pub}, all = await S.deriveBits(a, key), some = await S.deriveBits(a, key, 107);
			return [hex(all), hex(some), await fails(() => S.deriveBits(a, key, 8 * all.byteLength + 1))].join() })()`, c, pkcs8(t, mine), theirs.PublicKey().Bytes()))
		some := bytes.Clone(shared[:14])
		some[13] &= 0xe0
		if want := fmt.Sprintf("%x,%x,OperationError", shared, some); got != want {
			t.Errorf("%v: %s, want %s", c, got, want)
		}
	}
	got := h.eval(t, `(async () => { const one = await S.generateKey({name: "ECDH", namedCurve: "P-256"}, true, ["deriveBits"]), two = await S.generateKey({name: "ECDH", namedCurve: "P-384"}, true, ["deriveKey"]);
		return [await fails(() => S.deriveBits({name: "ECDH", public: two.publicKey}, one.privateKey, 8)), await fails(() => S.deriveBits({name: "ECDH", public: two.publicKey}, two.privateKey, 8)), await fails(() => S.deriveBits({name: "ECDH", public: one.publicKey}, one.publicKey, 8))].join() })()`)
	if got != "InvalidAccessError,InvalidAccessError,InvalidAccessError" {
		t.Error(got)
	}
}

// TestGenerateRSA: making a key leaves the loop, and gives one that Go takes for valid.
func TestGenerateRSA(t *testing.T) {
	h := newSubtleFake(t)
	v := mustEval(t, h, `S.generateKey({name: "RSA-PSS", hash: "SHA-256", modulusLength: 1024, publicExponent: new Uint8Array([0, 1, 0, 1])}, true, ["sign", "verify"])
		.then(async ({ publicKey: u, privateKey: p }) => { globalThis.made = await S.exportKey("pkcs8", p); return [u.algorithm.modulusLength, u.algorithm.publicExponent, u.algorithm.hash.name, u.usages, p.usages, u.type, p.type].join() })`)
	if len(h.work) != 1 {
		t.Fatalf("%d pieces of work off the loop", len(h.work))
	}
	if got := h.settled(t, v); got != "1024,0,1,0,1,SHA-256,verify,sign,public,private" {
		t.Fatal(got)
	}
	key, err := x509.ParsePKCS8PrivateKey(mustHex(t, h.eval(t, `hex(made)`)))
	if err != nil {
		t.Fatal(err)
	}
	if err := key.(*rsa.PrivateKey).Validate(); err != nil || key.(*rsa.PrivateKey).N.BitLen() != 1024 {
		t.Error(err)
	}
	subtleCases(t, []jsCase{
		{"bad parameters", `const out = []; for (const [modulusLength, e] of [[1024, [1]], [1024, [3]], [1024, [1, 0, 0]], [1024, []], [1024, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]], [512, [1, 0, 1]], [16384, [1, 0, 1]], [0, [1, 0, 1]]]) out.push(await fails(() => S.generateKey({name: "RSA-OAEP", hash: "SHA-1", modulusLength, publicExponent: new Uint8Array(e)}, true, []))); return [...new Set(out)].join()`, "OperationError"},
		{"exponent of another type", `return fails(() => S.generateKey({name: "RSA-OAEP", hash: "SHA-1", modulusLength: 2048, publicExponent: new Uint16Array([1])}, true, ["encrypt"]))`, "TypeError!"},
		{"hash", `return fails(() => S.generateKey({name: "RSA-PSS", hash: "SHA", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1])}, true, ["sign"]))`, "NotSupportedError"},
		{"usages", `return await fails(() => S.generateKey({name: "RSA-PSS", hash: "SHA-1", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1])}, true, ["verify"])) + await fails(() => S.generateKey({name: "RSA-PSS", hash: "SHA-1", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1])}, true, ["sign", "decrypt"]))`, "SyntaxErrorSyntaxError"},
	})
}
