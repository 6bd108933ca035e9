package web

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"hash"
	"math/big"
	"slices"
	"strings"

	"everloop/engine/js/internal/vm"
)

// The module node:crypto, as far as js/nodecrypto.js has it.

// hasher is a hash or HMAC under way, behind a handle like a key's. Unlike a key it changes: it is used on its loop alone.
type hasher struct{ hash.Hash }

// nodeHash finds a hash by one of the names that Node.js takes.
func nodeHash(name string) (crypto.Hash, bool) {
	switch strings.TrimPrefix(strings.ToLower(name), "rsa-") {
	case "md5":
		return crypto.MD5, true
	case "sha1", "sha-1":
		return crypto.SHA1, true
	case "sha224", "sha-224":
		return crypto.SHA224, true
	case "sha256", "sha-256":
		return crypto.SHA256, true
	case "sha384", "sha-384":
		return crypto.SHA384, true
	case "sha512", "sha-512":
		return crypto.SHA512, true
	case "sha512-224":
		return crypto.SHA512_224, true
	case "sha512-256":
		return crypto.SHA512_256, true
	}
	return 0, false
}

// maxRoundsSync bounds the work of pbkdf2Sync, which holds up its loop: about a second.
const maxRoundsSync = 2_000_000

var (
	// nodeHash(name, key or undefined): the handle of a hash, or of an HMAC with the key; null for an unknown name.
	_ = registerSubtle("nodeHash", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, ok := nodeHash(in.r.GoString(args.At(0)))
		if !ok {
			return vm.Null, nil
		}
		if args.At(1).IsUndefined() {
			return in.keyHandle(&hasher{h.New()})
		}
		return in.keyHandle(&hasher{hmac.New(h.New, in.view(args.At(1)))})
	})
	// nodeUpdate(hash, bytes)
	_ = registerSubtle("nodeUpdate", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := keyOf[*hasher](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		h.Write(in.view(args.At(1)))
		return vm.Undefined, nil
	})
	// nodeSum(hash): an ArrayBuffer.
	_ = registerSubtle("nodeSum", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := keyOf[*hasher](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		return in.r.ArrayBuffer(h.Sum(nil))
	})
	// nodeCopy(hash): the handle of another hash in the same state.
	_ = registerSubtle("nodeCopy", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, err := keyOf[*hasher](in, args.At(0))
		if err != nil {
			return vm.Undefined, err
		}
		c, ok := h.Hash.(hash.Cloner)
		if !ok {
			return vm.Undefined, vm.PlainError("This hash cannot be copied")
		}
		d, err := c.Clone()
		if err != nil {
			return vm.Undefined, vm.PlainError("This hash cannot be copied: %v", err)
		}
		return in.keyHandle(&hasher{d})
	})
	// nodePBKDF2(password, salt, iterations, bytes, digest, sync): an ArrayBuffer, or the promise of one if it is not to be
	// made at once; null for an unknown digest.
	_ = registerSubtle("nodePBKDF2", 6, func(in *Instance, args vm.Args) (vm.Value, error) {
		h, ok := nodeHash(in.r.GoString(args.At(4)))
		if !ok {
			return vm.Null, nil
		}
		iterations, _ := args.At(2).Float64()
		length, _ := args.At(3).Float64()
		n := int(length)
		sync := args.At(5).Truth()
		most := maxRounds
		if sync {
			most = maxRoundsSync
		}
		if rounds := int(iterations) * ((n + h.Size() - 1) / h.Size()); rounds > most {
			return vm.Undefined, vm.RangeError("PBKDF2: %.0f iterations for %d bytes are too many: at most %d rounds of the hash.", iterations, n, most)
		}
		password, salt := slices.Clone(in.view(args.At(0))), slices.Clone(in.view(args.At(1)))
		return in.perform(!sync, func() (any, error) {
			if n == 0 {
				return []byte{}, nil
			}
			b, err := pbkdf2.Key(h.New, string(password), salt, int(iterations), n)
			if err != nil {
				return nil, operationError("PBKDF2: %v", err)
			}
			return b, nil
		})
	})
	// nodeRandom(range): a whole number from 0 to below range, which is at most 2^48.
	_ = register("nodeRandom", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
		most, _ := args.At(0).Float64()
		n, err := rand.Int(rand.Reader, big.NewInt(int64(most)))
		if err != nil {
			return vm.Undefined, err
		}
		return vm.Int64(n.Int64()), nil
	})
	// nodeDecode(text, encoding): an ArrayBuffer; null for an unknown encoding.
	_ = register("nodeDecode", 2, func(in *Instance, args vm.Args) (vm.Value, error) {
		encoding, _ := in.r.Latin1(args.At(1))
		b, ok := in.bufferBytes(string(encoding), args.At(0))
		if !ok {
			return vm.Null, nil
		}
		return in.r.ArrayBuffer(b)
	})
)

// looseBase64 decodes either alphabet up to the first "=", in place. What is in neither is passed over.
func looseBase64(b []byte) []byte {
	if i := bytes.IndexByte(b, '='); i >= 0 {
		b = b[:i]
	}
	n := 0
	for _, c := range b {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
		if c == '+' || c == '/' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' {
			b[n] = c
			n++
		}
	}
	if n%4 == 1 {
		n-- // six bits make no byte
	}
	m, _ := base64.RawStdEncoding.Decode(b[:n], b[:n]) // every character was checked
	return b[:m]
}
