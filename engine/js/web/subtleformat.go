package web

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math"
	"math/big"

	"everloop/engine/js/internal/vm"
)

// offLoopPKCS8 is from how many bytes on an RSA key in PKCS #8 is read off the loop: one of about 3,072 bits. Reading checks that
// its numbers fit each other.
const offLoopPKCS8 = 1700

// Keys in the formats raw, spki (RFC 5280), pkcs8 (RFC 5208) and jwk (RFC 7518, 8037).

var (
	// subtleImport(kind, format, curve, data): a key. kind is RSA, EC, Ed25519 or X25519.
	_ = registerSubtle("subtleImport", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		kind, format, curve := in.r.GoString(args.At(0)), in.r.GoString(args.At(1)), in.r.GoString(args.At(2))
		away := kind == "RSA" && format == "pkcs8" && len(in.view(args.At(3))) > offLoopPKCS8
		data := in.input(args.At(3), away)
		return in.perform(away, func() (any, error) { return importKey(kind, format, curve, data) })
	})
	// subtleImportParts(kind, curve, n, e, d, p, q, dp, dq, qi, x, y): a key of a JSON Web Key's members.
	_ = registerSubtle("subtleImportParts", 12, func(in *Instance, args vm.Args) (vm.Value, error) {
		var j jwk
		for i, to := range [...]*[]byte{&j.n, &j.e, &j.d, &j.p, &j.q, &j.dp, &j.dq, &j.qi, &j.x, &j.y} {
			v := args.At(2 + i)
			if !v.IsString() {
				continue
			}
			var ok bool
			if *to, ok = unbase64(in.r.AppendString([]byte{}, v)); !ok {
				return vm.Undefined, dataError("The JSON Web Key has a member that is not base64url.")
			}
		}
		kind, curve := in.r.GoString(args.At(0)), in.r.GoString(args.At(1))
		away := kind == "RSA" && j.d != nil && (j.p == nil || 8*len(j.n) >= offLoopModulus)
		return in.perform(away, func() (any, error) { return j.key(kind, curve) })
	})
	// subtleExport(key, format)
	_ = registerSubtle("subtleExport", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := keyOf[material](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		b, err := exportKey(m, in.r.GoString(args.At(1)))
		if err != nil {
			return vm.Undefined, operationError("The key cannot be exported: %v", err)
		}
		return in.r.ArrayBuffer(b)
	})
	// subtleParts(key): the members of its JSON Web Key, as a flat array of names and values.
	_ = registerSubtle("subtleParts", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		m, err := keyOf[material](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return in.strings(jwkParts(m)...)
	})
	// subtleBase64(bytes): base64url without padding.
	_ = registerSubtle("subtleBase64", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		return in.r.StringLatin1(base64.RawURLEncoding.AppendEncode(nil, in.view(args.At(0))))
	})
	// subtleUnbase64(text): an ArrayBuffer, or null.
	_ = registerSubtle("subtleUnbase64", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		b, ok := unbase64(in.r.AppendString(nil, args.At(0)))
		if !ok {
			return vm.Null, nil
		}
		return in.r.ArrayBuffer(b)
	})
)

// unbase64 decodes base64url without padding, in place. Go would skip line ends.
func unbase64(b []byte) ([]byte, bool) {
	if bytes.ContainsAny(b, "\r\n") {
		return nil, false
	}
	n, err := base64.RawURLEncoding.Decode(b, b)
	return b[:n], err == nil
}

var errKeyData = dataError("The key data is damaged, or is of another kind or curve.")

// importKey reads a key. It is of the kind and curve asked for, or there is an error.
func importKey(kind, format, curve string, data []byte) (material, error) {
	switch format {
	case "raw":
		return importRaw(kind, curve, data)
	case "spki":
		return importSPKI(kind, curve, data)
	}
	if !wholeDER(data) || len(data) > maxDER {
		return nil, errKeyData
	}
	key, err := x509.ParsePKCS8PrivateKey(data)
	if err != nil {
		return nil, dataError("The key data is no PKCS #8 of a key for this algorithm: %v", err)
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if kind == "RSA" && len(k.Primes) != 2 {
			return nil, &domError{"NotSupportedError", "A key with more than two primes cannot be used."}
		}
		if kind == "RSA" {
			return k, nil
		}
	case *ecdsa.PrivateKey:
		if kind == "EC" && k.Params().Name == curve {
			return k, nil
		}
	case ed25519.PrivateKey:
		if kind == "Ed25519" {
			return k, nil
		}
	case *ecdh.PrivateKey:
		if kind == "X25519" && k.Curve() == ecdh.X25519() {
			return k, nil
		}
	}
	return nil, errKeyData
}

// maxDER bounds a private key in PKCS #8: one of maxModulus bits has 9 KiB.
const maxDER = 16 << 10

// wholeDER reports whether data is one DER value and nothing behind it.
func wholeDER(data []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(data, &v)
	return err == nil && len(rest) == 0
}

func importRaw(kind, curve string, data []byte) (material, error) {
	switch kind {
	case "EC":
		return ecPoint(curve, data)
	case "Ed25519":
		if len(data) != ed25519.PublicKeySize {
			return nil, dataError("A public key for Ed25519 has %d bytes, not %d.", ed25519.PublicKeySize, len(data))
		}
		return ed25519.PublicKey(bytes.Clone(data)), nil
	}
	pub, err := ecdh.X25519().NewPublicKey(data)
	if err != nil {
		return nil, dataError("A public key for X25519 has 32 bytes, not %d.", len(data))
	}
	return pub, nil
}

// ecPoint is a point in either form of SEC 1, section 2.3.3. The point at infinity is none.
func ecPoint(curve string, data []byte) (*ecdsa.PublicKey, error) {
	c, err := curveNamed(curve)
	if err != nil {
		return nil, err
	}
	if len(data) > 0 && (data[0] == 2 || data[0] == 3) {
		x, y := elliptic.UnmarshalCompressed(c, data)
		if x == nil {
			return nil, errKeyData
		}
		size := (c.Params().BitSize + 7) / 8
		data = make([]byte, 1+2*size)
		data[0] = 4 // uncompressed
		x.FillBytes(data[1 : 1+size])
		y.FillBytes(data[1+size:])
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c, data)
	if err != nil {
		return nil, errKeyData
	}
	return pub, nil
}

// oidEC is id-ecPublicKey (RFC 5480).
var oidEC = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

var curveOIDs = map[string]asn1.ObjectIdentifier{
	"P-256": {1, 2, 840, 10045, 3, 1, 7}, "P-384": {1, 3, 132, 0, 34}, "P-521": {1, 3, 132, 0, 35},
}

func importSPKI(kind, curve string, data []byte) (material, error) {
	if kind == "EC" {
		// x509 does not read compressed points.
		var info struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}
		rest, err := asn1.Unmarshal(data, &info)
		if err != nil || len(rest) > 0 || !info.Algorithm.Algorithm.Equal(oidEC) || info.Key.BitLength%8 != 0 {
			return nil, errKeyData
		}
		var named asn1.ObjectIdentifier
		rest, err = asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &named)
		if err != nil || len(rest) > 0 || !named.Equal(curveOIDs[curve]) {
			return nil, errKeyData
		}
		return ecPoint(curve, info.Key.Bytes)
	}
	key, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		return nil, dataError("The key data is no SubjectPublicKeyInfo of a key for this algorithm: %v", err)
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if kind == "RSA" && k.N.BitLen() <= maxModulus {
			return k, nil
		}
	case ed25519.PublicKey:
		if kind == "Ed25519" {
			return k, nil
		}
	case *ecdh.PublicKey:
		if kind == "X25519" && k.Curve() == ecdh.X25519() {
			return k, nil
		}
	}
	return nil, errKeyData
}

func exportKey(m material, format string) ([]byte, error) {
	switch format {
	case "spki":
		return x509.MarshalPKIXPublicKey(m)
	case "pkcs8":
		return x509.MarshalPKCS8PrivateKey(m)
	}
	switch k := m.(type) {
	case *ecdsa.PublicKey:
		return k.Bytes()
	case ed25519.PublicKey:
		return k, nil
	case *ecdh.PublicKey:
		return k.Bytes(), nil
	}
	return nil, x509.ErrUnsupportedAlgorithm
}

// jwk is the decoded members of a JSON Web Key; nil: not there. An empty one is not nil.
type jwk struct{ n, e, d, p, q, dp, dq, qi, x, y []byte }

func (j *jwk) key(kind, curve string) (material, error) {
	switch kind {
	case "RSA":
		return j.rsa()
	case "EC":
		return j.ec(curve)
	}
	if len(j.x) != 32 {
		return nil, dataError(`The JSON Web Key must have an "x" of 32 bytes.`)
	}
	if j.d == nil {
		return importRaw(kind, curve, j.x)
	}
	if len(j.d) != 32 {
		return nil, dataError(`The JSON Web Key must have a "d" of 32 bytes.`)
	}
	if kind == "Ed25519" {
		key := ed25519.NewKeyFromSeed(j.d)
		if !bytes.Equal(key[32:], j.x) {
			return nil, errHalves
		}
		return key, nil
	}
	key, err := ecdh.X25519().NewPrivateKey(j.d)
	if err != nil {
		return nil, errKeyData
	}
	if !bytes.Equal(key.PublicKey().Bytes(), j.x) {
		return nil, errHalves
	}
	return key, nil
}

var errHalves = dataError("The public and the private half of the JSON Web Key do not belong together.")

func (j *jwk) ec(curve string) (material, error) {
	c, err := curveNamed(curve)
	if err != nil {
		return nil, err
	}
	n := coordinateSize(c)
	if len(j.x) != n || len(j.y) != n {
		return nil, dataError(`The JSON Web Key must have an "x" and a "y" of %d bytes.`, n)
	}
	point := append(append([]byte{4}, j.x...), j.y...)
	pub, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, dataError("The point of the JSON Web Key is not on %s.", curve)
	}
	if j.d == nil {
		return pub, nil
	}
	if len(j.d) != n {
		return nil, dataError(`The JSON Web Key must have a "d" of %d bytes.`, n)
	}
	key, err := ecdsa.ParseRawPrivateKey(c, j.d)
	if err != nil {
		return nil, dataError(`The JSON Web Key has a "d" that is no key on %s.`, curve)
	}
	if !key.PublicKey.Equal(pub) {
		return nil, errHalves
	}
	return key, nil
}

// maxModulus is how many bits the modulus of an imported RSA key has at most.
const maxModulus = 16384

func (j *jwk) rsa() (material, error) {
	if j.n == nil || j.e == nil {
		return nil, dataError(`The JSON Web Key must have an "n" and an "e".`)
	}
	n, e := new(big.Int).SetBytes(j.n), new(big.Int).SetBytes(j.e)
	if n.BitLen() > maxModulus || n.Bit(0) == 0 || !e.IsInt64() || e.Int64() > math.MaxInt32 || e.Int64() < 3 || e.Bit(0) == 0 {
		return nil, dataError("The JSON Web Key has a modulus or an exponent that cannot be.")
	}
	pub := rsa.PublicKey{N: n, E: int(e.Int64())}
	if j.d == nil {
		return &pub, nil
	}
	key := &rsa.PrivateKey{PublicKey: pub, D: new(big.Int).SetBytes(j.d)}
	given := 0
	for _, part := range [][]byte{j.p, j.q, j.dp, j.dq, j.qi} {
		if part != nil {
			given++
		}
	}
	switch given {
	case 5:
		key.Primes = []*big.Int{new(big.Int).SetBytes(j.p), new(big.Int).SetBytes(j.q)}
	case 0:
		p, q, ok := factor(n, key.D, e)
		if !ok {
			return nil, errHalves
		}
		key.Primes = []*big.Int{p, q}
	default:
		return nil, dataError(`The JSON Web Key must have all of "p", "q", "dp", "dq" and "qi", or none of them.`)
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, dataError("The JSON Web Key is no valid key: %v", err)
	}
	if given == 5 {
		pre := &key.Precomputed
		for _, part := range []struct {
			got  []byte
			want *big.Int
		}{{j.dp, pre.Dp}, {j.dq, pre.Dq}, {j.qi, pre.Qinv}} {
			if new(big.Int).SetBytes(part.got).Cmp(part.want) != 0 {
				return nil, errHalves
			}
		}
	}
	return key, nil
}

// maxFactored is how many bits the modulus of a private key without its primes has at most: finding them takes seconds for a long
// one.
const maxFactored = 8192

// factor finds the primes of n from both exponents (NIST SP 800-56B, appendix C): Go works with the primes, and the other
// formats need them. Each try finds them with a probability of a half at least, if the numbers are a key.
func factor(n, d, e *big.Int) (p, q *big.Int, ok bool) {
	one := big.NewInt(1)
	k := new(big.Int).Mul(d, e)
	k.Sub(k, one)
	if k.Sign() <= 0 || k.Bit(0) != 0 || n.BitLen() > maxFactored || d.Cmp(n) >= 0 {
		return nil, nil, false
	}
	t := k.TrailingZeroBits()
	r := new(big.Int).Rsh(k, t)
	last := new(big.Int).Sub(n, one)
	for g := int64(2); g < 32; g++ {
		x := new(big.Int).Exp(big.NewInt(g), r, n)
		for i := uint(0); x.Cmp(one) != 0 && x.Cmp(last) != 0; i++ {
			if i == t {
				return nil, nil, false // g to the power of d e - 1 is not 1: no key
			}
			y := new(big.Int).Mul(x, x)
			y.Mod(y, n)
			if y.Cmp(one) == 0 {
				p = new(big.Int).GCD(nil, nil, x.Sub(x, one), n)
				q = new(big.Int).Div(n, p)
				if p.Cmp(q) < 0 {
					p, q = q, p
				}
				return p, q, true
			}
			x = y
		}
	}
	return nil, nil, false
}

// jwkParts are the members of a key's JSON Web Key that depend on it alone, names and values in turn.
func jwkParts(m material) []string {
	text := base64.RawURLEncoding.EncodeToString
	number := func(x *big.Int) string { return text(x.Bytes()) }
	switch k := m.(type) {
	case *rsa.PublicKey:
		return []string{"n", number(k.N), "e", number(big.NewInt(int64(k.E)))}
	case *rsa.PrivateKey:
		pre := &k.Precomputed
		return append(jwkParts(&k.PublicKey), "d", number(k.D), "p", number(k.Primes[0]), "q", number(k.Primes[1]),
			"dp", number(pre.Dp), "dq", number(pre.Dq), "qi", number(pre.Qinv))
	case *ecdsa.PublicKey:
		n := coordinateSize(k.Curve)
		point, err := k.Bytes()
		if err != nil {
			return nil // it was checked when it was made
		}
		return []string{"x", text(point[1 : 1+n]), "y", text(point[1+n:])}
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return nil
		}
		return append(jwkParts(&k.PublicKey), "d", text(d))
	case ed25519.PublicKey:
		return []string{"x", text(k)}
	case ed25519.PrivateKey:
		return []string{"x", text(k[32:]), "d", text(k.Seed())}
	case *ecdh.PublicKey:
		return []string{"x", text(k.Bytes())}
	case *ecdh.PrivateKey:
		return []string{"x", text(k.PublicKey().Bytes()), "d", text(k.Bytes())}
	}
	return nil
}
