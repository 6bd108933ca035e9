package web

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"math/big"

	"everloop/engine/js/internal/vm"
)

var (
	// subtleInfo(key): the length of an RSA key's modulus in bits, and its exponent as a Uint8Array.
	_ = registerSubtle("subtleInfo", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		pub, err := rsaPublic(in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		a, err := in.r.Array()
		if err != nil {
			return vm.Undefined, err
		}
		err = in.r.DefineIndex(a, 0, vm.Int(int32(pub.N.BitLen())))
		if err == nil {
			var e vm.Value
			if e, err = in.r.Uint8Array(big.NewInt(int64(pub.E)).Bytes()); err == nil {
				err = in.r.DefineIndex(a, 1, e)
			}
		}
		if err != nil {
			in.r.Free(a)
			return vm.Undefined, err
		}
		return a, nil
	})
	// subtleOAEP(key, encrypt, hash, label, data)
	_ = registerSubtle("subtleOAEP", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.hashNamed(args.At(2))
		if err != nil {
			return vm.Undefined, err
		}
		if args.At(1).Truth() {
			pub, err := keyOf[*rsa.PublicKey](in, args.At(0))
			if err != nil {
				return vm.Undefined, err
			}
			away := in.long(args)
			label, data := in.input(args.At(3), away), in.input(args.At(4), away)
			return in.perform(away, func() (any, error) {
				out, err := rsa.EncryptOAEP(h.New(), rand.Reader, pub, data, label)
				if err != nil {
					return nil, operationError("RSA-OAEP: %v", err)
				}
				return out, nil
			})
		}
		key, err := keyOf[*rsa.PrivateKey](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		away := in.long(args) || key.N.BitLen() >= offLoopModulus
		label, data := in.input(args.At(3), away), in.input(args.At(4), away)
		return in.perform(away, func() (any, error) {
			if len(data) != key.Size() { // Go takes shorter ones (RFC 8017, 7.1.2, step 1b)
				return nil, errDecrypt
			}
			out, err := rsa.DecryptOAEP(h.New(), nil, key, data, label)
			if err != nil {
				return nil, errDecrypt
			}
			return out, nil
		})
	})
)

// rsaPublic is the public half of an RSA key of either type.
func rsaPublic(in *Instance, v vm.Value) (*rsa.PublicKey, error) {
	if key, err := keyOf[*rsa.PrivateKey](in, v); err == nil {
		return &key.PublicKey, nil
	}
	return keyOf[*rsa.PublicKey](in, v)
}

// signPSS signs with RSA-PSS and a salt of any length. To Go's function a length of 0 means the longest salt, so that case is
// done here.
func signPSS(key *rsa.PrivateKey, h crypto.Hash, digest []byte, salt int) ([]byte, error) {
	if salt > 0 {
		return rsa.SignPSS(rand.Reader, key, h, digest, &rsa.PSSOptions{SaltLength: salt})
	}
	em, err := encodePSS(h, digest, key.N.BitLen()-1)
	if err != nil {
		return nil, err
	}
	return rsaPrivate(key, em)
}

// verifyPSS is its counterpart.
func verifyPSS(pub *rsa.PublicKey, h crypto.Hash, digest, sig []byte, salt int) bool {
	if salt > 0 {
		return rsa.VerifyPSS(pub, h, digest, sig, &rsa.PSSOptions{SaltLength: salt}) == nil
	}
	// Without a salt there is one encoding only, so it can be compared. Go checks the sizes.
	if rsa.VerifyPSS(pub, h, digest, sig, nil) != nil {
		return false
	}
	em, err := encodePSS(h, digest, pub.N.BitLen()-1)
	if err != nil {
		return false
	}
	m := new(big.Int).SetBytes(sig)
	m.Exp(m, big.NewInt(int64(pub.E)), pub.N)
	return m.Cmp(new(big.Int).SetBytes(em)) == 0
}

// encodePSS is EMSA-PSS-ENCODE with an empty salt (RFC 8017, section 9.1.1).
func encodePSS(h crypto.Hash, digest []byte, bits int) ([]byte, error) {
	n := (bits + 7) / 8
	if n < h.Size()+2 {
		return nil, rsa.ErrMessageTooLong
	}
	em := make([]byte, n)
	db, sum := em[:n-h.Size()-1], em[n-h.Size()-1:n-1]
	d := h.New()
	d.Write(make([]byte, 8))
	d.Write(digest)
	d.Sum(sum[:0])
	db[len(db)-1] = 1
	mgf1(db, d, sum)
	db[0] &= 0xff >> (8*n - bits)
	em[n-1] = 0xbc
	return em, nil
}

// mgf1 xors the mask of a seed into out (RFC 8017, appendix B.2.1).
func mgf1(out []byte, d hash.Hash, seed []byte) {
	var counter [4]byte
	var mask []byte
	for i := uint32(0); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(counter[:], i)
		d.Reset()
		d.Write(seed)
		d.Write(counter[:])
		mask = d.Sum(mask[:0])
		out = out[subtle.XORBytes(out, out, mask):]
	}
}

// rsaPrivate is the bare private operation, which Go has for padded messages only. The message is blinded, as big.Int takes a
// time that depends on its numbers, and the result is checked, because a wrong one could give the key away.
func rsaPrivate(key *rsa.PrivateKey, message []byte) ([]byte, error) {
	e := big.NewInt(int64(key.E))
	var r, inverse *big.Int
	for inverse == nil {
		var err error
		if r, err = rand.Int(rand.Reader, key.N); err != nil {
			return nil, err
		}
		inverse = new(big.Int).ModInverse(r, key.N)
	}
	m := new(big.Int).SetBytes(message)
	c := new(big.Int).Exp(r, e, key.N)
	c.Mul(c, m).Mod(c, key.N)
	c.Exp(c, key.D, key.N)
	c.Mul(c, inverse).Mod(c, key.N)
	if new(big.Int).Exp(c, e, key.N).Cmp(m) != 0 {
		return nil, rsa.ErrVerification
	}
	return c.FillBytes(make([]byte, key.Size())), nil
}
