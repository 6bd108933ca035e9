package engine

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
)

// ID names one object of one class, for ever and everywhere. It is 32 bytes: 16 that tell objects apart and 16
// that prove that the ID was made for this class. It is a value: copy it, compare it with Equal.
//
// The scheme is workerd's. With key = SHA-256(unique key of the class), the first half of a named ID is
// HMAC-SHA256(key, name) cut to 16 bytes, the first half of a unique ID is random, and the second half is
// HMAC-SHA256(key, first half) cut to 16 bytes.
type ID struct {
	bytes [32]byte
	name  string
	named bool
}

// maxNameBytes is the longest name that an object is told (State.ID().Name). A longer one still names its
// object, but is dropped on the way in.
const maxNameBytes = 1024

// String returns the 64 lower-case hexadecimal digits of the ID.
func (id ID) String() string { return hex.EncodeToString(id.bytes[:]) }

// Bytes returns the 32 bytes of the ID.
func (id ID) Bytes() [32]byte { return id.bytes }

// Name returns the name that the ID was made from, and whether it was made from one. An ID that went through
// String and IDFromString has lost it.
func (id ID) Name() (string, bool) { return id.name, id.named }

// Equal reports whether both IDs name the same object. Names do not count.
func (id ID) Equal(other ID) bool { return id.bytes == other.bytes }

// IsZero reports whether id is the zero ID, which names no object.
func (id ID) IsZero() bool { return id.bytes == [32]byte{} }

// shardBits is how many leading bits of an ID name its shard. The map from shards to loops may change from
// start to start; the shard of an ID never does.
const (
	shardBits  = 10
	shardCount = 1 << shardBits
)

// hash spreads objects over the loops and over the object table. The leading bytes of an ID are an HMAC or
// random, so they need no further mixing.
func (id *ID) hash() uint64 { return binary.BigEndian.Uint64(id.bytes[:8]) }

func (id *ID) shard() int { return int(id.hash() >> (64 - shardBits)) }

// idKey makes and checks the IDs of one class.
type idKey struct{ key [32]byte }

func newIDKey(uniqueKey string) idKey { return idKey{sha256.Sum256([]byte(uniqueKey))} }

func (k *idKey) mac(dst, msg []byte) {
	h := hmac.New(sha256.New, k.key[:])
	h.Write(msg)
	var sum [sha256.Size]byte
	copy(dst, h.Sum(sum[:0])[:16])
}

func (k *idKey) fromName(name string) ID {
	id := ID{name: name, named: true}
	k.mac(id.bytes[:16], []byte(name))
	k.mac(id.bytes[16:], id.bytes[:16])
	return id
}

func (k *idKey) newUnique() ID {
	var id ID
	rand.Read(id.bytes[:16]) // never fails: crypto/rand ends the process rather than return weak bytes
	k.mac(id.bytes[16:], id.bytes[:16])
	return id
}

func (k *idKey) fromString(s string) (ID, error) {
	var id ID
	if len(s) != 64 {
		return ID{}, ErrInvalidID
	}
	if _, err := hex.Decode(id.bytes[:], []byte(s)); err != nil {
		return ID{}, ErrInvalidID
	}
	if !k.owns(&id) {
		return ID{}, ErrForeignID
	}
	return id, nil
}

func (k *idKey) owns(id *ID) bool {
	var want [16]byte
	k.mac(want[:], id.bytes[:16])
	return subtle.ConstantTimeCompare(want[:], id.bytes[16:]) == 1
}
