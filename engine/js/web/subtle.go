package web

import (
	"crypto"
	_ "crypto/md5" // the hashes that Hash knows
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"runtime"
	"slices"

	"everloop/engine/js/internal/slots"
	"everloop/engine/js/internal/vm"
)

// SubtleCrypto (Web Cryptography API). js/subtle.js converts and checks what a program passes, in the standard's order; the
// files subtle*.go do the work on Go's own crypto. A key's material never enters JavaScript unless it is exported: a CryptoKey
// holds a handle.
//
// Work that takes about a millisecond or more leaves the loop (see Host.OffLoop) with copies of its inputs; the host function
// then returns a promise instead of the result. Everything else is done at once, because a hop would cost more than it saves.

const (
	// offLoopBytes is how much data is hashed or enciphered on the loop: about a millisecond's worth.
	offLoopBytes = 1 << 20
	// offLoopIterations is how many HMACs of PBKDF2 are computed on the loop: about a quarter of a millisecond's worth.
	offLoopIterations = 1000
	// offLoopModulus is from how many bits on the private operation of RSA leaves the loop.
	offLoopModulus = 3072
	// maxKeyBytes bounds the material of all keys of one runtime. It is Go's memory, which the runtime's own limit does
	// not see.
	maxKeyBytes = 32 << 20
)

// offLoop bounds how many operations of all runtimes together run off the loops, so that loops keep a processor. The others wait
// for their turn.
var offLoop = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))

// domError is an error that JavaScript gets as a DOMException.
type domError struct{ name, message string }

func (e *domError) Error() string { return e.name + ": " + e.message }

func operationError(format string, args ...any) error {
	return &domError{"OperationError", fmt.Sprintf(format, args...)}
}

func dataError(format string, args ...any) error {
	return &domError{"DataError", fmt.Sprintf(format, args...)}
}

// thrown makes err what JavaScript is to get.
func (in *Instance) thrown(err error) error {
	e, ok := err.(*domError)
	if !ok {
		return err
	}
	v, verr := in.DOMException(e.message, e.name)
	if verr != nil {
		return verr
	}
	return in.r.ThrowValue(v)
}

// registerSubtle adds a host function whose errors are DOMExceptions.
func registerSubtle(name string, length int, fn func(in *Instance, args vm.Args) (vm.Value, error)) struct{} {
	return register(name, length, func(in *Instance, args vm.Args) (vm.Value, error) {
		v, err := fn(in, args)
		if err != nil {
			return vm.Undefined, in.thrown(err)
		}
		return v, nil
	})
}

// material is what a CryptoKey stands for: a *secret, *rsa.PublicKey, *rsa.PrivateKey, *ecdsa.PublicKey, *ecdsa.PrivateKey,
// ed25519.PublicKey, ed25519.PrivateKey, *ecdh.PublicKey or *ecdh.PrivateKey. It does not change, and may be used from any
// goroutine (but see secret.here). A *hasher of node:crypto has a handle of the same kind, for the bound's sake.
type material any

// pair is what generating an asymmetric key gives.
type pair struct{ public, private material }

// keyTable is the keys that one runtime's JavaScript holds. Owned by its loop.
type keyTable struct {
	slots.Table[material]
	bytes int // of all, as sizeOf counts
}

// keyMaterial is the class of the handles. They are seen by the prelude only.
var keyMaterial = vm.RegisterClass("CryptoKeyMaterial", func(r *vm.Runtime, payload uint64) {
	if in, ok := r.Host.(*Instance); ok {
		in.keys.drop(payload)
	}
})

// cryptoKey is the class of the CryptoKeys themselves. They carry nothing: their handle is among their private fields.
var cryptoKey = vm.RegisterClass("CryptoKey", nil)

// subtleKey(prototype): the object of a CryptoKey.
var _ = register("subtleKey", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
	v, _, err := in.r.HostObject(cryptoKey, args.At(0), 0)
	return v, err
})

// sizeOf is roughly how much memory a key takes.
func sizeOf(m material) int {
	switch k := m.(type) {
	case *ciphering:
		return 1<<10 + len(k.data)
	case *secret:
		return 512 + len(k.bytes)
	case *rsa.PublicKey:
		return 128 + k.Size()
	case *rsa.PrivateKey:
		return 1024 + 12*k.Size()
	}
	return 512
}

func (t *keyTable) add(m material) (uint64, error) {
	size := sizeOf(m)
	if t.bytes+size > maxKeyBytes {
		return 0, &domError{"QuotaExceededError", fmt.Sprintf("The program holds too many keys: together they may take %d MiB.", maxKeyBytes>>20)}
	}
	t.bytes += size
	return t.Add(m), nil
}

func (t *keyTable) drop(i uint64) { t.bytes -= sizeOf(t.Remove(i)) }

// keyHandle makes the handle of a key, owned by the caller.
func (in *Instance) keyHandle(m material) (vm.Value, error) {
	i, err := in.keys.add(m)
	if err != nil {
		return vm.Undefined, err
	}
	v, _, err := in.r.HostObject(keyMaterial, vm.Undefined, i)
	if err != nil {
		in.keys.drop(i)
	}
	return v, err
}

// keyOf is the key behind a handle, which must be of type K.
func keyOf[K any](in *Instance, v vm.Value) (k K, err error) {
	i, ok := in.r.Payload(keyMaterial, v)
	if ok {
		if k, ok = (*in.keys.At(i)).(K); ok {
			return k, nil
		}
	}
	return k, &domError{"InvalidAccessError", "The key does not fit the operation."}
}

// view is the memory of a BufferSource, until JavaScript runs again. A detached one is empty, as the standard has it.
func (in *Instance) view(v vm.Value) []byte {
	b, _ := in.r.Bytes(v)
	return b
}

// input is the memory of a BufferSource for an operation: a copy if it will run off the loop.
func (in *Instance) input(v vm.Value, away bool) []byte {
	b := in.view(v)
	if away {
		return slices.Clone(b)
	}
	return b
}

// long reports whether the data among args is so much that it is worked on off the loop.
func (in *Instance) long(args vm.Args) bool {
	n := 0
	for _, v := range args {
		n += len(in.view(v))
	}
	return n > offLoopBytes
}

// give makes the value of what an operation returned: an ArrayBuffer of a []byte, a boolean, the handle of a key, an
// array of two handles of a *pair.
func (in *Instance) give(result any) (vm.Value, error) {
	switch x := result.(type) {
	case []byte:
		return in.r.ArrayBuffer(x)
	case bool:
		return vm.Bool(x), nil
	case *pair:
		a, err := in.r.Array()
		if err != nil {
			return vm.Undefined, err
		}
		for i, m := range [...]material{x.public, x.private} {
			h, err := in.keyHandle(m)
			if err == nil {
				err = in.r.DefineIndex(a, uint32(i), h)
			}
			if err != nil {
				in.r.Free(a)
				return vm.Undefined, err
			}
		}
		return a, nil
	}
	return in.keyHandle(result)
}

// perform does work and gives its result: here and now, or, when away, off the loop. Then the answer is a promise, and work
// must use copies only.
func (in *Instance) perform(away bool, work func() (any, error)) (vm.Value, error) {
	if !away {
		result, err := work()
		if err != nil {
			return vm.Undefined, err
		}
		return in.give(result)
	}
	var result any
	var failed error
	return in.Host.OffLoop(func() {
		offLoop <- struct{}{}
		defer func() {
			<-offLoop
			if p := recover(); p != nil {
				failed = operationError("internal error: %v", p)
			}
		}()
		result, failed = work()
	}, func() (vm.Value, error) {
		if failed != nil {
			return vm.Undefined, in.thrown(failed)
		}
		v, err := in.give(result)
		if err != nil {
			return vm.Undefined, in.thrown(err)
		}
		return v, nil
	})
}

// hashNamed is one of the hashes of js/subtle.js.
func (in *Instance) hashNamed(v vm.Value) (crypto.Hash, error) {
	name, _ := in.r.Latin1(v)
	switch string(name) {
	case "SHA-256":
		return crypto.SHA256, nil
	case "SHA-1":
		return crypto.SHA1, nil
	case "SHA-384":
		return crypto.SHA384, nil
	case "SHA-512":
		return crypto.SHA512, nil
	case "MD5":
		return crypto.MD5, nil
	}
	return 0, &domError{"NotSupportedError", fmt.Sprintf("Unrecognized hash algorithm %q.", name)}
}

// sum hashes in one step.
func sum(h crypto.Hash, data []byte) []byte {
	d := h.New()
	d.Write(data)
	return d.Sum(nil)
}
