package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"testing"
)

// TestFormats: each key goes through each format that it has and comes back as the same key.
func TestFormats(t *testing.T) {
	h := newSubtleFake(t)
	if got := h.eval(t, `
		globalThis.same = async (key, format, alg) => {
			const data = await S.exportKey(format, key);
			if (format === "jwk") {
				if (data.ext !== true || data.key_ops.join() !== key.usages.join() || Object.getPrototypeOf(data) !== Object.prototype) return "members";
			} else if (!(data instanceof ArrayBuffer)) return "type";
			const again = await S.importKey(format, data, alg, true, key.usages);
			if (again.type !== key.type || JSON.stringify(again.algorithm) !== JSON.stringify(key.algorithm) || again.usages.join() !== key.usages.join()) return "fields " + JSON.stringify(again.algorithm) + JSON.stringify(key.algorithm);
			const second = await S.exportKey(format, again);
			return format === "jwk" ? JSON.stringify(data) === JSON.stringify(second) : hex(data) === hex(second);
		};
		globalThis.all = async (key, alg) => {
			const out = [];
			for (const f of ["raw", "spki", "pkcs8", "jwk"]) {
				try { out.push(f + " " + await same(key, f, alg)) } catch (e) { out.push(f + " " + e.name) }
			}
			return key.type + ": " + out.join(", ");
		}; 0`); got != "0" {
		t.Fatal(got)
	}
	rsaPKCS8 := pkcs8(t, rsaKey())
	for _, c := range []struct{ make, alg, want string }{
		{`S.generateKey({name: "AES-CBC", length: 128}, true, ["encrypt", "wrapKey"])`, `"AES-CBC"`, "secret: raw true, spki NotSupportedError, pkcs8 NotSupportedError, jwk true"},
		{`S.generateKey({name: "AES-KW", length: 192}, true, ["wrapKey"])`, `"AES-KW"`, "secret: raw true, spki NotSupportedError, pkcs8 NotSupportedError, jwk true"},
		{`S.generateKey({name: "AES-CTR", length: 192}, true, ["encrypt"])`, `"AES-CTR"`, "secret: raw true, spki NotSupportedError, pkcs8 NotSupportedError, jwk true"},
		{`S.generateKey({name: "AES-GCM", length: 256}, true, ["unwrapKey", "decrypt"])`, `"AES-GCM"`, "secret: raw true, spki NotSupportedError, pkcs8 NotSupportedError, jwk true"},
		{`S.generateKey({name: "HMAC", hash: "SHA-384"}, true, ["verify", "sign"])`, `{name: "HMAC", hash: "SHA-384"}`, "secret: raw true, spki NotSupportedError, pkcs8 NotSupportedError, jwk true"},
		{
			`S.generateKey({name: "ECDSA", namedCurve: "P-256"}, true, ["verify", "sign"])`, `{name: "ECDSA", namedCurve: "P-256"}`,
			"public: raw true, spki true, pkcs8 InvalidAccessError, jwk true; private: raw InvalidAccessError, spki InvalidAccessError, pkcs8 true, jwk true",
		},
		{
			`S.generateKey({name: "ECDSA", namedCurve: "P-384"}, true, ["verify", "sign"])`, `{name: "ECDSA", namedCurve: "P-384"}`,
			"public: raw true, spki true, pkcs8 InvalidAccessError, jwk true; private: raw InvalidAccessError, spki InvalidAccessError, pkcs8 true, jwk true",
		},
		{
			`S.generateKey({name: "ECDH", namedCurve: "P-521"}, true, ["deriveBits"])`, `{name: "ECDH", namedCurve: "P-521"}`,
			"public: raw true, spki true, pkcs8 InvalidAccessError, jwk true; private: raw InvalidAccessError, spki InvalidAccessError, pkcs8 true, jwk true",
		},
		{
			`S.generateKey("Ed25519", true, ["verify", "sign"])`, `"Ed25519"`,
			"public: raw true, spki true, pkcs8 InvalidAccessError, jwk true; private: raw InvalidAccessError, spki InvalidAccessError, pkcs8 true, jwk true",
		},
		{
			`S.generateKey("X25519", true, ["deriveKey", "deriveBits"])`, `"X25519"`,
			"public: raw true, spki true, pkcs8 InvalidAccessError, jwk true; private: raw InvalidAccessError, spki InvalidAccessError, pkcs8 true, jwk true",
		},
		{`S.importKey("pkcs8", unhex("` + rsaPKCS8 + `"), {name: "RSA-PSS", hash: "SHA-1"}, true, ["sign"])`, `{name: "RSA-PSS", hash: "SHA-1"}`, "private: raw NotSupportedError, spki InvalidAccessError, pkcs8 true, jwk true"},
		{`S.importKey("pkcs8", unhex("` + rsaPKCS8 + `"), {name: "RSA-OAEP", hash: "SHA-1"}, true, ["decrypt"])`, `{name: "RSA-OAEP", hash: "SHA-1"}`, "private: raw NotSupportedError, spki InvalidAccessError, pkcs8 true, jwk true"},
		{`S.importKey("spki", unhex("` + spki(t, &rsaKey().PublicKey) + `"), {name: "RSA-OAEP", hash: "SHA-512"}, true, ["wrapKey"])`, `{name: "RSA-OAEP", hash: "SHA-512"}`, "public: raw NotSupportedError, spki true, pkcs8 InvalidAccessError, jwk true"},
	} {
		got := h.eval(t, `(async () => { const k = await `+c.make+`; return k.type ? all(k, `+c.alg+`) : [await all(k.publicKey, `+c.alg+`), await all(k.privateKey, `+c.alg+`)].join("; ") })()`)
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.alg, got, c.want)
		}
	}
	for _, c := range []struct{ alg, want string }{
		{`RSASSA-PKCS1-v1_5`, "RS1,RS256,RS384,RS512"}, {`RSA-PSS`, "PS1,PS256,PS384,PS512"}, {`RSA-OAEP`, "RSA-OAEP,RSA-OAEP-256,RSA-OAEP-384,RSA-OAEP-512"},
	} {
		got := h.eval(t, fmt.Sprintf(`(async () => { const out = []; for (const hash of ["SHA-1", "SHA-256", "SHA-384", "SHA-512"]) {
			const jwk = await S.exportKey("jwk", await S.importKey("spki", unhex("%s"), {name: "%s", hash}, true, [])); out.push(jwk.alg) } return out.join() })()`, spki(t, &rsaKey().PublicKey), c.alg))
		if got != c.want {
			t.Errorf("alg of %s: %s", c.alg, got)
		}
	}
}

// TestCompressedPoints: SEC 1 has a short form of points, which Go's spki reader does not take.
func TestCompressedPoints(t *testing.T) {
	h := newSubtleFake(t)
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		short := elliptic.MarshalCompressed(c, key.X, key.Y)
		full, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got := h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("raw", unhex("%x"), {name: "ECDSA", namedCurve: "%s"}, true, []); return hex(await S.exportKey("raw", k)) })()`, short, c.Params().Name))
		if got != hex.EncodeToString(full) {
			t.Errorf("%s: %s, want %x", c.Params().Name, got, full)
		}
		bad := append([]byte{5}, short[1:]...)
		for _, b := range [][]byte{bad, short[:len(short)-1], append(full, 0), {0}, {}} {
			got := h.eval(t, fmt.Sprintf(`fails(() => S.importKey("raw", unhex("%x"), {name: "ECDSA", namedCurve: "%s"}, true, []))`, b, c.Params().Name))
			if got != "DataError" {
				t.Errorf("%x: %s", b, got)
			}
		}
	}
}

// TestRSAOfExponents: a JSON Web Key without primes; they are found from the exponents.
func TestRSAOfExponents(t *testing.T) {
	h := newSubtleFake(t)
	key := rsaKey()
	b64 := base64.RawURLEncoding.EncodeToString
	got := h.eval(t, fmt.Sprintf(`(async () => { const k = await S.importKey("jwk", {kty: "RSA", n: "%s", e: "AQAB", d: "%s"}, {name: "RSA-PSS", hash: "SHA-256"}, true, ["sign"]); return (await S.exportKey("jwk", k)).p })()`, b64(key.N.Bytes()), b64(key.D.Bytes())))
	h2 := newSubtleFake(t)
	v := mustEval(t, h2, fmt.Sprintf(`S.importKey("jwk", {kty: "RSA", n: "%s", e: "AQAB", d: "%s"}, {name: "RSA-PSS", hash: "SHA-256"}, true, []).catch((e) => e.name)`, b64(key.N.Bytes()), b64(key.D.Bytes())))
	if len(h2.work) != 1 {
		t.Errorf("%d pieces of work off the loop", len(h2.work))
	}
	if got := h2.settled(t, v); got != "SyntaxError" {
		t.Errorf("without usages: %s", got)
	}
	if got != b64(key.Primes[0].Bytes()) && got != b64(key.Primes[1].Bytes()) {
		t.Errorf("p is %s", got)
	}
	if _, _, ok := factor(key.N, new(big.Int).Add(key.D, big.NewInt(2)), big.NewInt(65537)); ok {
		t.Error("primes were found from a wrong exponent")
	}
	// A prime has no primes to be found, although the exponents fit.
	prime, err := rand.Prime(rand.Reader, 512)
	if err != nil {
		t.Fatal(err)
	}
	e := big.NewInt(65537)
	if d := new(big.Int).ModInverse(e, new(big.Int).Sub(prime, big.NewInt(1))); d != nil {
		if _, _, ok := factor(prime, d, e); ok {
			t.Error("a prime was factored")
		}
	}
}

// TestLongRSA: keys that are read and used off the loop.
func TestLongRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	h := newSubtleFake(t)
	v := mustEval(t, h, fmt.Sprintf(`S.importKey("pkcs8", unhex("%s"), {name: "RSA-OAEP", hash: "SHA-1"}, true, ["decrypt"])
		.then(async (k) => { const jwk = await S.exportKey("jwk", k), { n, e, kty } = jwk, again = await S.importKey("jwk", jwk, {name: "RSA-OAEP", hash: "SHA-1"}, false, ["decrypt"]), pub = await S.importKey("jwk", {n, e, kty}, {name: "RSA-OAEP", hash: "SHA-1"}, false, ["encrypt"]);
			const label = new Uint8Array(2 << 20); return new TextDecoder().decode(await S.decrypt({name: "RSA-OAEP", label}, again, await S.encrypt({name: "RSA-OAEP", label}, pub, text("text")))) })`, pkcs8(t, key)))
	if len(h.work) != 1 {
		t.Errorf("%d pieces of work off the loop", len(h.work))
	}
	if got := h.settled(t, v); got != "text" {
		t.Error(got)
	}
}

// TestJwkErrors: what is refused about a JSON Web Key, member by member.
func TestJwkErrors(t *testing.T) {
	h := newSubtleFake(t)
	key := rsaKey()
	other, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	otherN := base64.RawURLEncoding.EncodeToString(other.N.Bytes())
	if got := h.eval(t, fmt.Sprintf(`(async () => {
		const export2 = async (alg, usages) => { const p = await S.generateKey(alg, true, usages); return [await S.exportKey("jwk", p.publicKey), await S.exportKey("jwk", p.privateKey)] };
		const strip = (j) => { const { ext, key_ops, alg, ...rest } = j; return rest };
		const [e1, e2] = (await export2({name: "ECDSA", namedCurve: "P-256"}, ["sign", "verify"])).map(strip);
		const [f1] = (await export2({name: "ECDSA", namedCurve: "P-256"}, ["sign", "verify"])).map(strip);
		const [o1, o2] = (await export2("Ed25519", ["sign", "verify"])).map(strip);
		const [x1, x2] = (await export2("X25519", ["deriveBits"])).map(strip);
		const r2 = strip(await S.exportKey("jwk", await S.importKey("pkcs8", unhex("%s"), {name: "RSA-PSS", hash: "SHA-256"}, true, ["sign"])));
		const { kty, n, e } = r2;
		globalThis.J = { e1, e2, f1, o1, o2, x1, x2, r1: { kty, n, e }, r2, oct: { kty: "oct", k: b64("00".repeat(16)) } };
		globalThis.A = { e: {name: "ECDSA", namedCurve: "P-256"}, o: {name: "Ed25519"}, x: {name: "X25519"}, r: {name: "RSA-PSS", hash: "SHA-256"}, oct: {name: "AES-CBC"}, mac: {name: "HMAC", hash: "SHA-256"} };
		globalThis.jwk = (j, a, usages, extractable = true) => fails(async () => (await S.importKey("jwk", j, a, extractable, usages)).type);
		return 0 })()`, pkcs8(t, key))); got != "0" {
		t.Fatal(got)
	}
	for _, c := range []struct{ what, call, want string }{
		{"good EC", `jwk(J.e2, A.e, ["sign"])`, "no error: private"},
		{"good OKP", `jwk(J.o2, A.o, ["sign"])`, "no error: private"},
		{"good X25519", `jwk(J.x2, A.x, ["deriveKey"])`, "no error: private"},
		{"good RSA", `jwk(J.r2, A.r, ["sign"])`, "no error: private"},
		{"good public RSA", `jwk({...J.r1, use: "sig", key_ops: ["verify", "other"], alg: "PS256", ext: true}, A.r, ["verify"])`, "no error: public"},
		{"good oct", `jwk({...J.oct, alg: "A128CBC", use: "enc", key_ops: ["encrypt", "decrypt"]}, A.oct, ["encrypt"])`, "no error: secret"},
		{"other use, no usages", `jwk({...J.r1, use: "enc"}, A.r, [])`, "no error: public"},
		{"ext false", `jwk({...J.oct, ext: false}, A.oct, ["encrypt"])`, "DataError"},
		{"ext false, not extractable", `jwk({...J.oct, ext: false}, A.oct, ["encrypt"], false)`, "no error: secret"},
		{"ext is converted", `jwk({...J.oct, ext: 0}, A.oct, ["encrypt"])`, "DataError"},
		{"kty", `jwk({...J.oct, kty: "OCT"}, A.oct, ["encrypt"])`, "DataError"},
		{"kty missing", `jwk({k: J.oct.k}, A.oct, ["encrypt"])`, "DataError"},
		{"kty of EC", `jwk({...J.e1, kty: "RSA"}, A.e, ["verify"])`, "DataError"},
		{"kty of OKP", `jwk({...J.o1, kty: "EC"}, A.o, ["verify"])`, "DataError"},
		{"kty of RSA", `jwk({...J.r1, kty: "EC"}, A.r, ["verify"])`, "DataError"},
		{"k missing", `jwk({kty: "oct"}, A.oct, ["encrypt"])`, "DataError"},
		{"k of another length", `jwk({kty: "oct", k: "AAAA"}, A.oct, ["encrypt"])`, "DataError"},
		{"k not base64url", `jwk({kty: "oct", k: "AAAAAAAAAAAAAAAAAAAA+/"}, A.oct, ["encrypt"])`, "DataError"},
		{"k padded", `jwk({kty: "oct", k: J.oct.k + "=="}, A.oct, ["encrypt"])`, "DataError"},
		{"k with line ends", `jwk({kty: "oct", k: J.oct.k + "\r\n"}, A.oct, ["encrypt"])`, "DataError"},
		{"use of AES", `jwk({...J.oct, use: "sig"}, A.oct, ["encrypt"])`, "DataError"},
		{"use of HMAC", `jwk({...J.oct, use: "enc"}, A.mac, ["sign"])`, "DataError"},
		{"use of EC", `jwk({...J.e2, use: "invalid"}, A.e, ["sign"])`, "DataError"},
		{"use of RSA", `jwk({...J.r1, use: "enc"}, A.r, ["verify"])`, "DataError"},
		{"use of X25519", `jwk({...J.x2, use: "sig"}, A.x, ["deriveBits"])`, "DataError"},
		{"key_ops without the usage", `jwk({...J.oct, key_ops: ["decrypt"]}, A.oct, ["encrypt"])`, "DataError"},
		{"key_ops empty", `jwk({...J.oct, key_ops: []}, A.oct, ["encrypt"])`, "DataError"},
		{"key_ops twice", `jwk({...J.oct, key_ops: ["encrypt", "encrypt"]}, A.oct, ["encrypt"])`, "DataError"},
		{"key_ops no sequence", `jwk({...J.oct, key_ops: "encrypt"}, A.oct, ["encrypt"])`, "TypeError!"},
		{"key_ops of private EC", `jwk({...J.e2, key_ops: ["verify"]}, A.e, ["sign"])`, "DataError"},
		{"alg of AES", `jwk({...J.oct, alg: "A256CBC"}, A.oct, ["encrypt"])`, "DataError"},
		{"alg of another mode", `jwk({...J.oct, alg: "A128GCM"}, A.oct, ["encrypt"])`, "DataError"},
		{"alg of HMAC", `jwk({...J.oct, alg: "HS512"}, A.mac, ["sign"])`, "DataError"},
		{"alg of RSA", `jwk({...J.r1, alg: "RS256"}, A.r, ["verify"])`, "DataError"},
		{"alg of RSA, hash", `jwk({...J.r1, alg: "PS384"}, A.r, ["verify"])`, "DataError"},
		{"alg of ECDSA", `jwk({...J.e1, alg: "ES384"}, A.e, ["verify"])`, "DataError"},
		{"alg of ECDH is not looked at", `jwk({...J.e1, alg: "ES384"}, {name: "ECDH", namedCurve: "P-256"}, [])`, "no error: public"},
		{"alg of Ed25519", `jwk({...J.o1, alg: "ed25519"}, A.o, ["verify"])`, "DataError"},
		{"alg EdDSA", `jwk({...J.o1, alg: "EdDSA"}, A.o, ["verify"])`, "no error: public"},
		{"alg Ed25519", `jwk({...J.o1, alg: "Ed25519"}, A.o, ["verify"])`, "no error: public"},
		{"alg of X25519 is not looked at", `jwk({...J.x1, alg: "x"}, A.x, [])`, "no error: public"},
		{"crv", `jwk({...J.e1, crv: "P-384"}, A.e, ["verify"])`, "DataError"},
		{"crv missing", `jwk({...J.e1, crv: undefined}, A.e, ["verify"])`, "DataError"},
		{"crv of OKP", `jwk({...J.o1, crv: "X25519"}, A.o, ["verify"])`, "DataError"},
		{"unknown curve", `jwk(J.e1, {name: "ECDSA", namedCurve: "P-512"}, ["verify"])`, "DataError"},
		{"x missing", `jwk({...J.e1, x: undefined}, A.e, ["verify"])`, "DataError"},
		{"y missing", `jwk({...J.e1, y: undefined}, A.e, ["verify"])`, "DataError"},
		{"x of OKP missing", `jwk({...J.o2, x: undefined}, A.o, ["sign"])`, "DataError"},
		{"x and y exchanged", `jwk({...J.e1, x: J.e1.y, y: J.e1.x}, A.e, ["verify"])`, "DataError"},
		{"x too long", `jwk({...J.e1, x: "AAAA" + J.e1.x}, A.e, ["verify"])`, "DataError"},
		{"d too short", `jwk({...J.e2, d: "AAAA"}, A.e, ["sign"])`, "DataError"},
		{"d zero", `jwk({...J.e2, d: "A".repeat(43)}, A.e, ["sign"])`, "DataError"},
		{"d of OKP too short", `jwk({...J.o2, d: "AAAA"}, A.o, ["sign"])`, "DataError"},
		{"halves of EC", `jwk({...J.f1, d: J.e2.d}, A.e, ["sign"])`, "DataError"},
		{"halves of Ed25519", `jwk({...J.o2, x: J.x2.x}, A.o, ["sign"])`, "DataError"},
		{"halves of X25519", `jwk({...J.x2, x: J.o2.x}, A.x, ["deriveBits"])`, "DataError"},
		{"halves of RSA", fmt.Sprintf(`jwk({...J.r2, n: "%s"}, A.r, ["sign"])`, otherN), "DataError"},
		{"n missing", `jwk({...J.r2, n: undefined}, A.r, ["sign"])`, "DataError"},
		{"e missing", `jwk({...J.r1, e: undefined}, A.r, ["verify"])`, "DataError"},
		{"e even", `jwk({...J.r1, e: "BA"}, A.r, ["verify"])`, "DataError"},
		{"e huge", `jwk({...J.r1, e: "AQAAAAAAAAAAAQ"}, A.r, ["verify"])`, "DataError"},
		{"n zero", `jwk({...J.r1, n: ""}, A.r, ["verify"])`, "DataError"},
		{"p missing", `jwk({...J.r2, p: undefined}, A.r, ["sign"])`, "DataError"},
		{"p one", `jwk({...J.r2, p: "AQ"}, A.r, ["sign"])`, "DataError"},
		{"p zero", `jwk({...J.r2, p: ""}, A.r, ["sign"])`, "DataError"},
		{"p and q equal", `jwk({...J.r2, q: J.r2.p}, A.r, ["sign"])`, "DataError"},
		{"dp wrong", `jwk({...J.r2, dp: J.r2.dq}, A.r, ["sign"])`, "DataError"},
		{"qi wrong", `jwk({...J.r2, qi: "AQ"}, A.r, ["sign"])`, "DataError"},
		{"d wrong", `jwk({...J.r2, d: "AQ"}, A.r, ["sign"])`, "DataError"},
		{"d alone and wrong", `jwk({...J.r1, d: "AQAB"}, A.r, ["sign"])`, "DataError"},
		{"d empty", `jwk({...J.r1, d: ""}, A.r, ["sign"])`, "DataError"},
		{"oth", `jwk({...J.r2, oth: []}, A.r, ["sign"])`, "NotSupportedError"},
		{"usages of a private key", `jwk(J.r2, A.r, ["verify"])`, "SyntaxError"},
		{"usages of a public key", `jwk(J.r1, A.r, ["sign"])`, "SyntaxError"},
		{"no usages of a private key", `jwk(J.r2, A.r, [])`, "SyntaxError"},
		{"a buffer", `fails(() => S.importKey("jwk", new Uint8Array(3), A.oct, true, ["encrypt"]))`, "TypeError!"},
		{"a string", `fails(() => S.importKey("jwk", "{}", A.oct, true, ["encrypt"]))`, "TypeError!"},
		{"an object for raw", `fails(() => S.importKey("raw", J.oct, A.oct, true, ["encrypt"]))`, "TypeError!"},
		{"undefined", `fails(() => S.importKey("jwk", undefined, A.oct, true, ["encrypt"]))`, "DataError"},
		{"a getter throws", `fails(() => S.importKey("jwk", { get kty() { throw new RangeError("x") } }, A.oct, true, ["encrypt"]))`, "RangeError!"},
		{"format", `fails(() => S.importKey("jwK", J.oct, A.oct, true, ["encrypt"]))`, "TypeError!"},
		{"prototype of what is unwrapped", `(async () => { const k = await S.generateKey({name: "AES-CTR", length: 128}, true, ["encrypt", "unwrapKey"]), a = {name: "AES-CTR", counter: new Uint8Array(16), length: 64};
			const c = await S.encrypt(a, k, text("{}")); Object.prototype.kty = "oct"; Object.prototype.k = J.oct.k;
			try { return await fails(() => S.unwrapKey("jwk", c, k, a, A.oct, true, ["encrypt"])) } finally { delete Object.prototype.kty; delete Object.prototype.k } })()`, "DataError"},
	} {
		if got := h.eval(t, c.call); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

// TestDERErrors: damaged and foreign DER. Whatever the bytes, the answer is a key or a DataError.
func TestDERErrors(t *testing.T) {
	h := newSubtleFake(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wrong := func(format, alg, data, usages string) {
		t.Helper()
		got := h.eval(t, fmt.Sprintf(`fails(() => S.importKey("%s", unhex("%s"), %s, true, [%s]))`, format, data, alg, usages))
		if got != "DataError" {
			t.Errorf("%s as %s: %s", format, alg, got)
		}
	}
	const p256, pss = `{name: "ECDSA", namedCurve: "P-256"}`, `{name: "RSA-PSS", hash: "SHA-256"}`
	private, public := pkcs8(t, ec), spki(t, &ec.PublicKey)
	rsaPrivate, rsaPublic := pkcs8(t, rsaKey()), spki(t, &rsaKey().PublicKey)
	for _, data := range []string{"", "00", "30", "3000", private + "00", private[:len(private)-2], rsaPrivate, public} {
		wrong("pkcs8", p256, data, `"sign"`)
		wrong("pkcs8", `"Ed25519"`, data, `"sign"`)
	}
	for _, data := range []string{"", "00", "3000", public + "00", public[:len(public)-2], rsaPublic, private} {
		wrong("spki", p256, data, `"verify"`)
		wrong("spki", `"X25519"`, data, ``)
	}
	wrong("pkcs8", `{name: "ECDSA", namedCurve: "P-384"}`, private, `"sign"`)
	wrong("spki", `{name: "ECDSA", namedCurve: "P-384"}`, public, `"verify"`)
	wrong("pkcs8", pss, private, `"sign"`)
	wrong("spki", pss, public, `"verify"`)
	wrong("pkcs8", pss, rsaPrivate+"00", `"sign"`)
	wrong("spki", pss, rsaPublic+"00", `"verify"`)
	wrong("spki", pss, "zz", `"verify"`)
}

// FuzzImportKey: no bytes break the reading of a key.
func FuzzImportKey(f *testing.F) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		f.Fatal(err)
	}
	for i, key := range []any{ec, small} {
		b, _ := hex.DecodeString(pkcs8(f, key))
		f.Add(byte(i), byte(2), b)
	}
	for i, key := range []any{&ec.PublicKey, &small.PublicKey} {
		b, _ := hex.DecodeString(spki(f, key))
		f.Add(byte(i), byte(1), b)
	}
	f.Add(byte(2), byte(0), make([]byte, 32))
	kinds, formats := []string{"EC", "RSA", "Ed25519", "X25519"}, []string{"raw", "spki", "pkcs8"}
	f.Fuzz(func(t *testing.T, kind, format byte, data []byte) {
		k, form := kinds[int(kind)%len(kinds)], formats[int(format)%len(formats)]
		if k == "RSA" && form == "raw" {
			return
		}
		m, err := importKey(k, form, "P-256", data)
		if err != nil {
			if _, ok := err.(*domError); !ok {
				t.Fatalf("%v", err)
			}
			return
		}
		out, err := exportKey(m, form)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := importKey(k, form, "P-256", out); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
