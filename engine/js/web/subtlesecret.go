package web

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"slices"
	"sync"

	"everloop/engine/js/internal/vm"
)

// secret is the material of a key for AES, HMAC, HKDF or PBKDF2.
type secret struct {
	bytes []byte // not changed
	block func() (cipher.Block, error)
	gcm   func() (cipher.AEAD, error) // with a nonce of 96 bits and a tag of 128

	// here is an HMAC that is used again and again, of the hash hereOf. Owned by the loop: work off it makes its own.
	here   hash.Hash
	hereOf crypto.Hash
}

func newSecret(b []byte) *secret {
	s := &secret{bytes: b}
	s.block = sync.OnceValues(func() (cipher.Block, error) { return aes.NewCipher(s.bytes) })
	s.gcm = sync.OnceValues(func() (cipher.AEAD, error) {
		block, err := s.block()
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	})
	return s
}

// maskBits clears what is beyond the first n bits of b, which has as many bytes as these need.
func maskBits(b []byte, n int) {
	if n%8 != 0 {
		b[len(b)-1] &= 0xff << (8 - n%8)
	}
}

var (
	// subtleDigest(hash, data)
	_ = registerSubtle("subtleDigest", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := in.hashNamed(args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		data := in.view(args.At(1))
		if len(data) > offLoopBytes {
			data = slices.Clone(data)
			return in.perform(true, func() (any, error) { return sum(h, data), nil })
		}
		switch h { // without an allocation
		case crypto.SHA256:
			s := sha256.Sum256(data)
			return in.r.ArrayBuffer(s[:])
		case crypto.SHA1:
			s := sha1.Sum(data)
			return in.r.ArrayBuffer(s[:])
		case crypto.SHA512:
			s := sha512.Sum512(data)
			return in.r.ArrayBuffer(s[:])
		}
		return in.r.ArrayBuffer(sum(h, data))
	})
	// subtleSecret(bytes, bits): the handle of a key with these bytes, of which bits count.
	_ = registerSubtle("subtleSecret", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		b := slices.Clone(in.view(args.At(0)))
		bits, _ := args.At(1).Float64()
		if n := (int(bits) + 7) / 8; n < len(b) {
			b = b[:n]
		}
		maskBits(b, int(bits))
		return in.keyHandle(newSecret(b))
	})
	// subtleRandom(bits): the handle of a new secret key.
	_ = registerSubtle("subtleRandom", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		bits, _ := args.At(0).Float64()
		if bits > 8<<20 {
			return vm.Undefined, operationError("A key may have up to %d bits, not %.0f.", 8<<20, bits)
		}
		b := make([]byte, (int(bits)+7)/8)
		rand.Read(b)
		maskBits(b, int(bits))
		return in.keyHandle(newSecret(b))
	})
	// subtleBytes(key): a secret key's bytes.
	_ = registerSubtle("subtleBytes", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, err := keyOf[*secret](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.ArrayBuffer(s.bytes)
	})
	// subtleMAC(key, hash, data)
	_ = registerSubtle("subtleMAC", 3, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, h, err := in.secretAndHash(args)
		if err != nil {
			return vm.Undefined, err
		}
		away := in.long(args) || len(s.bytes) > offLoopBytes
		data := in.input(args.At(2), away)
		if !away {
			in.part = s.macHere(in.part[:0], h, data)
			return in.r.ArrayBuffer(in.part)
		}
		return in.perform(true, func() (any, error) { return mac(nil, s, h, data), nil })
	})
	// subtleCheckMAC(key, hash, data, signature)
	_ = registerSubtle("subtleCheckMAC", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, h, err := in.secretAndHash(args)
		if err != nil {
			return vm.Undefined, err
		}
		away := in.long(args) || len(s.bytes) > offLoopBytes
		data, sig := in.input(args.At(2), away), in.input(args.At(3), away)
		if !away {
			in.part = s.macHere(in.part[:0], h, data)
			return vm.Bool(hmac.Equal(in.part, sig)), nil
		}
		return in.perform(true, func() (any, error) { return hmac.Equal(mac(nil, s, h, data), sig), nil })
	})
	// subtlePBKDF2(key, hash, salt, iterations, bytes)
	_ = registerSubtle("subtlePBKDF2", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, h, err := in.secretAndHash(args)
		if err != nil {
			return vm.Undefined, err
		}
		salt := slices.Clone(in.view(args.At(2)))
		iterations, _ := args.At(3).Float64()
		length, _ := args.At(4).Float64()
		n := int(length)
		rounds := int(iterations) * ((n + h.Size() - 1) / h.Size())
		if rounds > maxRounds {
			return vm.Undefined, &domError{"NotSupportedError", fmt.Sprintf("PBKDF2: %.0f iterations for %d bytes are more than this engine takes on: at most %d rounds of the hash.", iterations, n, maxRounds)}
		}
		return in.perform(rounds > offLoopIterations, func() (any, error) {
			if n == 0 {
				return []byte{}, nil
			}
			b, err := pbkdf2.Key(h.New, string(s.bytes), salt, int(iterations), n)
			if err != nil {
				return nil, operationError("PBKDF2: %v", err)
			}
			return b, nil
		})
	})
	// subtleHKDF(key, hash, salt, info, bytes)
	_ = registerSubtle("subtleHKDF", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, h, err := in.secretAndHash(args)
		if err != nil {
			return vm.Undefined, err
		}
		length, _ := args.At(4).Float64()
		if n := int(length); n > 255*h.Size() {
			return vm.Undefined, operationError("HKDF: %d bytes are too many; with this hash it gives at most %d.", n, 255*h.Size())
		}
		if length == 0 {
			return in.r.ArrayBuffer(nil)
		}
		away := in.long(args) || len(s.bytes) > offLoopBytes
		salt, info := in.input(args.At(2), away), string(in.view(args.At(3)))
		return in.perform(away, func() (any, error) {
			b, err := hkdf.Key(h.New, s.bytes, salt, info, int(length))
			if err != nil {
				return nil, operationError("HKDF: %v", err)
			}
			return b, nil
		})
	})
	// timingSafeEqual(a, b): the two have the same length.
	_ = register("timingSafeEqual", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		return vm.Bool(subtle.ConstantTimeCompare(in.view(args.At(0)), in.view(args.At(1))) == 1), nil
	})
)

// maxRounds bounds the work of one PBKDF2: five to ten seconds of one processor.
const maxRounds = 20_000_000

func (in *Instance) secretAndHash(args vm.Args) (*secret, crypto.Hash, error) {
	s, err := keyOf[*secret](in, args.At(0))
	if err != nil {
		return nil, 0, err
	}
	h, err := in.hashNamed(args.At(1))
	return s, h, err
}

// macHere is mac on the loop, without making the HMAC anew.
func (s *secret) macHere(dst []byte, h crypto.Hash, data []byte) []byte {
	if s.here == nil || s.hereOf != h {
		s.here, s.hereOf = hmac.New(h.New, s.bytes), h
	} else {
		s.here.Reset()
	}
	s.here.Write(data)
	return s.here.Sum(dst)
}

// mac appends the HMAC of data to dst.
func mac(dst []byte, s *secret, h crypto.Hash, data []byte) []byte {
	m := hmac.New(h.New, s.bytes)
	m.Write(data)
	return m.Sum(dst)
}
