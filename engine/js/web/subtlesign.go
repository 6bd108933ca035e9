package web

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"

	"everloop/engine/js/internal/vm"
)

var (
	// subtleGenerate(kind, bits or curve): an array of the public and the private key.
	_ = registerSubtle("subtleGenerate", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		kind, _ := in.r.Latin1(args.At(0))
		switch string(kind) {
		case "RSA":
			bits, _ := args.At(1).Int32()
			return in.perform(true, func() (any, error) {
				key, err := rsa.GenerateKey(rand.Reader, int(bits))
				if err != nil {
					return nil, operationError("RSA: %v", err)
				}
				return &pair{&key.PublicKey, key}, nil
			})
		case "EC":
			curve, err := curveNamed(in.r.GoString(args.At(1)))
			if err != nil {
				return vm.Undefined, err
			}
			key, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				return vm.Undefined, operationError("%v", err)
			}
			return in.give(&pair{&key.PublicKey, key})
		case "Ed25519":
			pub, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return vm.Undefined, operationError("%v", err)
			}
			return in.give(&pair{pub, key})
		}
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return vm.Undefined, operationError("%v", err)
		}
		return in.give(&pair{key.PublicKey(), key})
	})
	// subtleSign(algorithm, key, hash, saltLength, data)
	_ = registerSubtle("subtleSign", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		name := in.r.GoString(args.At(0))
		if name == "Ed25519" {
			key, err := keyOf[ed25519.PrivateKey](in, args.At(1))
			if err != nil {
				return vm.Undefined, err
			}
			away := len(in.view(args.At(4))) > offLoopBytes
			data := in.input(args.At(4), away)
			return in.perform(away, func() (any, error) { return ed25519.Sign(key, data), nil })
		}
		h, err := in.hashNamed(args.At(2))
		if err != nil {
			return vm.Undefined, err
		}
		long := len(in.view(args.At(4))) > offLoopBytes
		if name == "ECDSA" {
			key, err := keyOf[*ecdsa.PrivateKey](in, args.At(1))
			if err != nil {
				return vm.Undefined, err
			}
			data := in.input(args.At(4), long)
			return in.perform(long, func() (any, error) { return signECDSA(key, sum(h, data)) })
		}
		key, err := keyOf[*rsa.PrivateKey](in, args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		salt, _ := args.At(3).Float64()
		away := long || key.N.BitLen() >= offLoopModulus
		data := in.input(args.At(4), away)
		return in.perform(away, func() (any, error) {
			var sig []byte
			var err error
			if name == "RSA-PSS" {
				sig, err = signPSS(key, h, sum(h, data), int(salt))
			} else {
				sig, err = rsa.SignPKCS1v15(nil, key, h, sum(h, data))
			}
			if err != nil {
				return nil, operationError("%s: %v", name, err)
			}
			return sig, nil
		})
	})
	// subtleVerify(algorithm, key, hash, saltLength, data, signature)
	_ = registerSubtle("subtleVerify", 6, func(in *Instance, args vm.Args) (vm.Value, error) {
		name := in.r.GoString(args.At(0))
		away := len(in.view(args.At(4))) > offLoopBytes
		data, sig := in.input(args.At(4), away), in.input(args.At(5), away)
		if name == "Ed25519" {
			pub, err := keyOf[ed25519.PublicKey](in, args.At(1))
			if err != nil {
				return vm.Undefined, err
			}
			return in.perform(away, func() (any, error) { return verifyEd25519(pub, data, sig), nil })
		}
		h, err := in.hashNamed(args.At(2))
		if err != nil {
			return vm.Undefined, err
		}
		if name == "ECDSA" {
			pub, err := keyOf[*ecdsa.PublicKey](in, args.At(1))
			if err != nil {
				return vm.Undefined, err
			}
			return in.perform(away, func() (any, error) { return verifyECDSA(pub, sum(h, data), sig), nil })
		}
		pub, err := keyOf[*rsa.PublicKey](in, args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		salt, _ := args.At(3).Float64()
		return in.perform(away, func() (any, error) {
			if name == "RSA-PSS" {
				return verifyPSS(pub, h, sum(h, data), sig, int(salt)), nil
			}
			return rsa.VerifyPKCS1v15(pub, h, sum(h, data), sig) == nil, nil
		})
	})
	// subtleAgree(private key, public key, bits or null): the first bits of the shared secret.
	_ = registerSubtle("subtleAgree", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		key, pub, err := agreeing(in, args.At(0), args.At(1))
		if err != nil {
			return vm.Undefined, err
		}
		shared, err := key.ECDH(pub)
		if err != nil {
			return vm.Undefined, operationError("The keys give no shared secret: %v", err)
		}
		if length, ok := args.At(2).Float64(); ok {
			bits := int(length)
			if bits > 8*len(shared) {
				return vm.Undefined, operationError("The shared secret has %d bits, fewer than %d.", 8*len(shared), bits)
			}
			shared = shared[:(bits+7)/8]
			maskBits(shared, bits)
		}
		return in.r.ArrayBuffer(shared)
	})
)

// agreeing are the two keys of ECDH or X25519.
func agreeing(in *Instance, private, public vm.Value) (*ecdh.PrivateKey, *ecdh.PublicKey, error) {
	if key, err := keyOf[*ecdh.PrivateKey](in, private); err == nil {
		pub, err := keyOf[*ecdh.PublicKey](in, public)
		return key, pub, err
	}
	key, err := keyOf[*ecdsa.PrivateKey](in, private)
	if err != nil {
		return nil, nil, err
	}
	pub, err := keyOf[*ecdsa.PublicKey](in, public)
	if err != nil {
		return nil, nil, err
	}
	k, err := key.ECDH()
	if err != nil {
		return nil, nil, operationError("%v", err)
	}
	p, err := pub.ECDH()
	if err != nil {
		return nil, nil, operationError("%v", err)
	}
	return k, p, nil
}

func curveNamed(name string) (elliptic.Curve, error) {
	switch name {
	case "P-256":
		return elliptic.P256(), nil
	case "P-384":
		return elliptic.P384(), nil
	case "P-521":
		return elliptic.P521(), nil
	}
	return nil, &domError{"NotSupportedError", fmt.Sprintf("There is no curve %q.", name)}
}

// coordinateSize is the bytes of a field element, and of a scalar, of a curve.
func coordinateSize(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

// signECDSA gives r and s side by side, each as long as a scalar (IEEE P1363), and not ASN.1 as Go does by default.
func signECDSA(key *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		return nil, operationError("ECDSA: %v", err)
	}
	n := coordinateSize(key.Curve)
	sig := make([]byte, 2*n)
	r.FillBytes(sig[:n])
	s.FillBytes(sig[n:])
	return sig, nil
}

func verifyECDSA(pub *ecdsa.PublicKey, digest, sig []byte) bool {
	n := coordinateSize(pub.Curve)
	if len(sig) != 2*n {
		return false
	}
	return ecdsa.Verify(pub, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
}

// verifyEd25519 also refuses points of small order, for which one signature fits many messages (Web Cryptography API,
// "Ed25519", verify).
func verifyEd25519(pub ed25519.PublicKey, data, sig []byte) bool {
	if len(sig) != ed25519.SignatureSize || smallOrder(pub) || smallOrder(sig[:32]) {
		return false
	}
	return ed25519.Verify(pub, data, sig)
}

// smallOrderY are the y coordinates of the eight points of small order of Curve25519 in Edwards form, little-endian, with those
// that a coordinate above the field's prime stands for.
var smallOrderY = func() (list [][32]byte) {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	inverse := func(x *big.Int) *big.Int { return new(big.Int).ModInverse(x, p) }
	// -x^2 + y^2 = 1 + d x^2 y^2, d = -121665/121666. Orders 1, 2 and 4: y = 1, -1, 0. Doubling a point of order 8 gives y = 0,
	// that is x^2 = -y^2, so d y^4 + 2 y^2 - 1 = 0 and y^2 = (-1 +- sqrt(1 + d)) / d.
	d := new(big.Int).Mul(big.NewInt(-121665), inverse(big.NewInt(121666)))
	d.Mod(d, p)
	one := big.NewInt(1)
	ys := []*big.Int{big.NewInt(0), one, new(big.Int).Sub(p, one), p, new(big.Int).Add(p, one)}
	root := new(big.Int).ModSqrt(new(big.Int).Mod(new(big.Int).Add(d, one), p), p)
	for _, r := range []*big.Int{root, new(big.Int).Sub(p, root)} {
		y2 := new(big.Int).Sub(r, one)
		y2.Mul(y2, inverse(d)).Mod(y2, p)
		if y := new(big.Int).ModSqrt(y2, p); y != nil {
			ys = append(ys, y, new(big.Int).Sub(p, y))
		}
	}
	for _, y := range ys {
		var b [32]byte
		y.FillBytes(b[:])
		for i := range 16 {
			b[i], b[31-i] = b[31-i], b[i]
		}
		list = append(list, b)
	}
	return list
}()

func smallOrder(point []byte) bool {
	var y [32]byte
	copy(y[:], point)
	y[31] &= 0x7f // the sign of x
	for i := range smallOrderY {
		if smallOrderY[i] == y {
			return true
		}
	}
	return false
}
