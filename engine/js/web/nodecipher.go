package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/crypto/scrypt"

	"everloop/engine/js/internal/vm"
)

// Ciphers of node:crypto, which take their data a piece at a time, scrypt and HKDF.

// ciphering is a cipher under way, behind a handle like a key's; it is used on its loop alone.
type ciphering struct {
	encrypt bool
	block   cipher.Block
	stream  cipher.Stream    // CTR and GCM
	chain   cipher.BlockMode // CBC
	rest    []byte           // of CBC: less than a block, or the last one, which may be padding

	gcm  bool
	iv   []byte
	data []byte // of GCM: all that was given, for the tag; it counts against the bound on keys, as it is Go's memory
}

// gcmStream is the keystream of GCM (NIST SP 800-38D, section 6.5): a counter of 32 bits that wraps around by itself, where Go's
// CTR has one of 128.
type gcmStream struct {
	block   cipher.Block
	counter [aes.BlockSize]byte
	current cipher.Stream
	left    int64 // bytes until the counter wraps
}

func (g *gcmStream) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if g.left == 0 {
			if g.current != nil {
				binary.BigEndian.PutUint32(g.counter[12:], 0)
			}
			g.current = cipher.NewCTR(g.block, g.counter[:])
			g.left = (1<<32 - int64(binary.BigEndian.Uint32(g.counter[12:]))) * aes.BlockSize
		}
		n := int(min(int64(len(src)), g.left))
		g.current.XORKeyStream(dst[:n], src[:n])
		dst, src = dst[n:], src[n:]
		g.left -= int64(n)
	}
}

// newGCMStream begins behind the block that makes the tag. That block is what the tag of nothing is: enciphered, and nothing
// added.
func newGCMStream(block cipher.Block, iv []byte) (cipher.Stream, error) {
	aead, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		return nil, err
	}
	g := &gcmStream{block: block}
	block.Decrypt(g.counter[:], aead.Seal(nil, iv, nil, nil))
	binary.BigEndian.PutUint32(g.counter[12:], binary.BigEndian.Uint32(g.counter[12:])+1)
	return g, nil
}

// update enciphers or deciphers what it can.
func (c *ciphering) update(t *keyTable, b []byte) ([]byte, error) {
	if c.gcm {
		if t.bytes+len(b) > maxKeyBytes {
			return nil, &domError{"QuotaExceededError", fmt.Sprintf("The program holds too many keys and ciphers: together they may take %d MiB.", maxKeyBytes>>20)}
		}
		t.bytes += len(b)
		c.data = append(c.data, b...)
	}
	if c.stream != nil {
		out := make([]byte, len(b))
		c.stream.XORKeyStream(out, b)
		return out, nil
	}
	all := slices.Concat(c.rest, b)
	n := len(all) &^ (aes.BlockSize - 1)
	if !c.encrypt && n == len(all) && n > 0 {
		n -= aes.BlockSize // it may be padding
	}
	out := make([]byte, n)
	c.chain.CryptBlocks(out, all[:n])
	c.rest = slices.Clone(all[n:])
	return out, nil
}

// finish is the end: the last block of CBC, or the tag of GCM, which it makes or compares. what is "" where all is well, and
// else what is wrong.
func (c *ciphering) finish(pad bool, more, tag []byte, tagLength int) (out []byte, what string) {
	switch {
	case c.gcm:
		aead, err := gcmWith(c.block, len(c.iv), tagLength)
		if err != nil {
			return nil, "tag"
		}
		if c.encrypt {
			sealed := aead.Seal(nil, c.iv, c.data, more)
			return sealed[len(c.data):][:tagLength], ""
		}
		if len(c.data) > 0 || len(tag) > 0 {
			if _, err := aead.Open(nil, c.iv, slices.Concat(c.data, tag), more); err != nil {
				return nil, "tag"
			}
		}
		return nil, ""
	case c.stream != nil:
		return nil, ""
	case c.encrypt && pad:
		n := aes.BlockSize - len(c.rest)
		for range n {
			c.rest = append(c.rest, byte(n))
		}
		out = make([]byte, aes.BlockSize)
		c.chain.CryptBlocks(out, c.rest)
		return out, ""
	case c.encrypt || len(c.rest)%aes.BlockSize != 0 || pad && len(c.rest) == 0:
		if len(c.rest) != 0 || !c.encrypt && pad {
			return nil, "length"
		}
		return nil, ""
	}
	out = make([]byte, len(c.rest))
	c.chain.CryptBlocks(out, c.rest)
	if !pad {
		return out, ""
	}
	n := int(out[len(out)-1])
	if n == 0 || n > aes.BlockSize {
		return nil, "padding"
	}
	for _, x := range out[len(out)-n:] {
		if int(x) != n {
			return nil, "padding"
		}
	}
	return out[:len(out)-n], ""
}

// gcmWith is a GCM with a nonce and a tag of these lengths: Go's makes one of both only in the usual lengths. A shorter tag is the
// beginning of the whole one, so it is enough to seal with the whole.
func gcmWith(block cipher.Block, nonce, tag int) (cipher.AEAD, error) {
	if tag == aes.BlockSize {
		return cipher.NewGCMWithNonceSize(block, nonce)
	}
	if nonce == 12 && tag >= 12 {
		return cipher.NewGCMWithTagSize(block, tag)
	}
	return nil, errDecrypt
}

// Bounds of scrypt: its memory, and its work in blocks of 128 bytes; the second is about a second for the form that holds up its loop.
const (
	maxScryptMemory   = 64 << 20
	maxScryptWork     = 1 << 23
	maxScryptWorkSync = 1 << 21
)

var (
	// nodeCipher(mode, encrypt, key, iv): a handle. The lengths were checked.
	_ = registerSubtle("nodeCipher", 4, func(in *Instance, args vm.Args) (vm.Value, error) {
		mode, _ := in.r.Latin1(args.At(0))
		block, err := aes.NewCipher(in.view(args.At(2)))
		if err != nil {
			return vm.Undefined, operationError("%v", err)
		}
		iv := slices.Clone(in.view(args.At(3)))
		c := &ciphering{encrypt: args.At(1).Truth(), block: block, iv: iv}
		switch {
		case string(mode) == "gcm":
			c.gcm = true
			c.stream, err = newGCMStream(block, iv)
		case string(mode) == "ctr":
			c.stream = cipher.NewCTR(block, iv)
		case c.encrypt:
			c.chain = cipher.NewCBCEncrypter(block, iv)
		default:
			c.chain = cipher.NewCBCDecrypter(block, iv)
		}
		if err != nil {
			return vm.Undefined, operationError("%v", err)
		}
		return in.keyHandle(c)
	})
	// nodeCipherUpdate(cipher, data): an ArrayBuffer.
	_ = registerSubtle("nodeCipherUpdate", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		c, err := keyOf[*ciphering](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		out, err := c.update(&in.keys, in.view(args.At(1)))
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.ArrayBuffer(out)
	})
	// nodeCipherFinal(cipher, padding, additionalData, tag, tagLength): an ArrayBuffer, or what is wrong as a string. Of a GCM that
	// enciphers it is the tag.
	_ = registerSubtle("nodeCipherFinal", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		c, err := keyOf[*ciphering](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		out, what := c.finish(args.At(1).Truth(), in.view(args.At(2)), in.view(args.At(3)), whole(args.At(4)))
		in.keys.bytes -= len(c.data)
		c.data = nil
		if what != "" {
			return in.r.String(what)
		}
		return in.r.ArrayBuffer(out)
	})
	// nodeScrypt(password, salt, N, r, p, bytes, sync): an ArrayBuffer, or the promise of one; null where it would be too much work.
	_ = registerSubtle("nodeScrypt", 7, func(in *Instance, args vm.Args) (vm.Value, error) {
		n, r, p, length := whole(args.At(2)), whole(args.At(3)), whole(args.At(4)), whole(args.At(5))
		sync := args.At(6).Truth()
		most := maxScryptWork
		if sync {
			most = maxScryptWorkSync
		}
		if int64(n)*int64(r)*128 > maxScryptMemory || int64(n)*int64(r)*int64(p) > int64(most) {
			return vm.Null, nil
		}
		password, salt := slices.Clone(in.view(args.At(0))), slices.Clone(in.view(args.At(1)))
		return in.perform(!sync, func() (any, error) {
			if length == 0 {
				return []byte{}, nil
			}
			b, err := scrypt.Key(password, salt, n, r, p, length)
			if err != nil {
				return nil, operationError("scrypt: %v", err)
			}
			return b, nil
		})
	})
	// nodeHKDF(digest, key, salt, info, bytes): an ArrayBuffer; null for an unknown digest, undefined where that is too long.
	_ = registerSubtle("nodeHKDF", 5, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, ok := nodeHash(in.r.GoString(args.At(0)))
		if !ok {
			return vm.Null, nil
		}
		n := whole(args.At(4))
		if n > 255*h.Size() {
			return vm.Undefined, nil
		}
		b, err := hkdf.Key(h.New, in.view(args.At(1)), in.view(args.At(2)), string(in.view(args.At(3))), n)
		if err != nil {
			return vm.Undefined, operationError("HKDF: %v", err)
		}
		return in.r.ArrayBuffer(b)
	})
)
