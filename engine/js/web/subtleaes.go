package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"
	"slices"

	"everloop/engine/js/internal/vm"
)

var (
	// subtleCBC(key, encrypt, iv, data)
	_ = registerAES("subtleCBC", 4, func(in *Instance, s *secret, encrypt bool, away bool, args vm.Args) (func() (any, error), error) {
		iv, data := in.input(args.At(2), away), in.input(args.At(3), away)
		return func() (any, error) { return cbc(s, encrypt, iv, data) }, nil
	})
	// subtleCTR(key, encrypt, counter, length, data)
	_ = registerAES("subtleCTR", 5, func(in *Instance, s *secret, _ bool, away bool, args vm.Args) (func() (any, error), error) {
		counter, data := in.input(args.At(2), away), in.input(args.At(4), away)
		bits, _ := args.At(3).Int32()
		return func() (any, error) { return ctr(s, counter, int(bits), data) }, nil
	})
	// subtleGCM(key, encrypt, iv, data, additionalData, tagLength)
	_ = registerAES("subtleGCM", 6, func(in *Instance, s *secret, encrypt bool, away bool, args vm.Args) (func() (any, error), error) {
		iv, data, more := in.input(args.At(2), away), in.input(args.At(3), away), in.input(args.At(4), away)
		bits, _ := args.At(5).Int32()
		if away {
			return func() (any, error) { return gcm(nil, s, encrypt, iv, data, more, int(bits)/8) }, nil
		}
		return func() (any, error) {
			out, err := gcm(in.part[:0], s, encrypt, iv, data, more, int(bits)/8)
			if err == nil && cap(out) <= maxAESScratch {
				in.part = out[:0]
			}
			return out, err
		}, nil
	})
	// subtleKW(key, wrap, data)
	_ = registerAES("subtleKW", 3, func(in *Instance, s *secret, wrap bool, away bool, args vm.Args) (func() (any, error), error) {
		data := in.input(args.At(2), away)
		return func() (any, error) {
			block, err := s.block()
			if err != nil {
				return nil, operationError("AES-KW: %v", err)
			}
			if wrap {
				return wrapKey(block, data)
			}
			return unwrapKey(block, data)
		}, nil
	})
)

// registerAES adds a cipher: a function of key, direction and more.
func registerAES(name string, length int, prepare func(in *Instance, s *secret, encrypt, away bool, args vm.Args) (func() (any, error), error)) struct{} {
	return registerSubtle(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		s, err := keyOf[*secret](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		away := in.long(args)
		work, err := prepare(in, s, args.At(1).Truth(), away, args)
		if err != nil {
			return vm.Undefined, err
		}
		return in.perform(away, work)
	})
}

// errDecrypt is the same for every reason, so that it tells nothing about the plain text.
var errDecrypt = operationError("The data could not be decrypted: the key, a parameter or the data is wrong.")

// cbc is AES-CBC with the padding of PKCS #7 (RFC 5652, section 6.3).
func cbc(s *secret, encrypt bool, iv, data []byte) ([]byte, error) {
	block, err := s.block()
	if err != nil {
		return nil, operationError("AES-CBC: %v", err)
	}
	if encrypt {
		pad := aes.BlockSize - len(data)%aes.BlockSize
		out := make([]byte, len(data)+pad)
		copy(out, data)
		for i := len(data); i < len(out); i++ {
			out[i] = byte(pad)
		}
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
		return out, nil
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, errDecrypt
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errDecrypt
	}
	for _, c := range out[len(out)-pad:] {
		if int(c) != pad {
			return nil, errDecrypt
		}
	}
	return out[:len(out)-pad], nil
}

// ctr is AES-CTR whose counter is the last bits of a block: it wraps around within them, which Go's, a counter of 128
// bits, does not, and no counter value may come twice.
func ctr(s *secret, counter []byte, bits int, data []byte) ([]byte, error) {
	block, err := s.block()
	if err != nil {
		return nil, operationError("AES-CTR: %v", err)
	}
	blocks := uint64(len(data)+aes.BlockSize-1) / aes.BlockSize
	if bits < 63 && blocks > 1<<bits {
		return nil, operationError("AES-CTR: the data has %d blocks, more than a counter of %d bits has values.", blocks, bits)
	}
	first := len(data) // what comes before the counter wraps around
	if left := beforeWrap(counter, bits); left < blocks {
		first = int(left) * aes.BlockSize
	}
	out := make([]byte, len(data))
	cipher.NewCTR(block, counter).XORKeyStream(out[:first], data[:first])
	if first < len(data) {
		again := slices.Clone(counter)
		for i := range bits {
			again[15-i/8] &^= 1 << (i % 8)
		}
		cipher.NewCTR(block, again).XORKeyStream(out[first:], data[first:])
	}
	return out, nil
}

// beforeWrap is how many values a counter in the last bits of a block has before it is zero again; the greatest number if
// there are more.
func beforeWrap(counter []byte, bits int) uint64 {
	high, low := binary.BigEndian.Uint64(counter), binary.BigEndian.Uint64(counter[8:])
	if bits > 64 {
		mask := uint64(math.MaxUint64) >> (128 - bits)
		if high&mask != mask || low == 0 {
			return math.MaxUint64
		}
		return -low
	}
	mask := uint64(math.MaxUint64) >> (64 - bits)
	if left := mask - low&mask; left < math.MaxUint64 {
		return left + 1
	}
	return math.MaxUint64
}

const gcmTag = 16

// maxAESScratch bounds what the scratch memory grows to.
const maxAESScratch = 64 << 10

// gcm is AES-GCM with an initialization vector of any length and a tag of n bytes. The result may be in the memory of dst, which
// is empty.
func gcm(dst []byte, s *secret, encrypt bool, iv, data, more []byte, n int) ([]byte, error) {
	aead, err := s.gcm()
	if err == nil && len(iv) != aead.NonceSize() {
		var block cipher.Block
		if block, err = s.block(); err == nil {
			aead, err = cipher.NewGCMWithNonceSize(block, len(iv))
		}
	}
	if err != nil {
		return nil, operationError("AES-GCM: %v", err)
	}
	if encrypt {
		out := aead.Seal(slices.Grow(dst, len(data)+gcmTag), iv, data, more)
		return out[:len(data)+n], nil
	}
	if len(data) < n {
		return nil, errDecrypt
	}
	if n == gcmTag {
		out, err := aead.Open(slices.Grow(dst, len(data)), iv, data, more)
		if err != nil {
			return nil, errDecrypt
		}
		return out, nil
	}
	// Go checks whole tags only. Both directions are the same key stream, so sealing the cipher text gives the plain text, and
	// sealing that gives the tag that it should have.
	text, tag := data[:len(data)-n], data[len(data)-n:]
	plain := aead.Seal(nil, iv, text, nil)[:len(text)]
	expect := aead.Seal(nil, iv, plain, more)[len(text):]
	if subtle.ConstantTimeCompare(expect[:n], tag) != 1 {
		return nil, errDecrypt
	}
	return plain, nil
}

// wrapIV is the initial value of RFC 3394, section 2.2.3.1.
const wrapIV = 0xa6a6a6a6a6a6a6a6

// wrapKey is AES Key Wrap (RFC 3394, section 2.2.1).
func wrapKey(block cipher.Block, key []byte) ([]byte, error) {
	if len(key)%8 != 0 || len(key) < 16 {
		return nil, operationError("AES-KW: only keys of 16 bytes and more, in whole units of 8, can be wrapped; this has %d.", len(key))
	}
	out := make([]byte, 8+len(key))
	copy(out[8:], key)
	n := len(key) / 8
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], wrapIV)
	for t := range 6 * n {
		r := out[8+t%n*8:][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		copy(r, b[8:])
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t+1))
	}
	copy(out, b[:8])
	return out, nil
}

// unwrapKey is its inverse (section 2.2.2).
func unwrapKey(block cipher.Block, data []byte) ([]byte, error) {
	if len(data)%8 != 0 || len(data) < 24 {
		return nil, errDecrypt
	}
	out := slices.Clone(data[8:])
	n := len(out) / 8
	var b [aes.BlockSize]byte
	copy(b[:], data[:8])
	for t := 6*n - 1; t >= 0; t-- {
		r := out[t%n*8:][:8]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t+1))
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(r, b[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}) != 1 {
		return nil, errDecrypt
	}
	return out, nil
}
