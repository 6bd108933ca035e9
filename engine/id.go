package engine

import (
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
	key   *idKey // of the class that made or checked it
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
const shardBits = 10

// hash spreads objects over the loops and over the object table. The leading bytes of an ID are an HMAC or
// random, so they need no further mixing.
func (id *ID) hash() uint64 { return binary.BigEndian.Uint64(id.bytes[:8]) }

func (id *ID) shard() int { return int(id.hash() >> (64 - shardBits)) }

// rename gives id a name, unless it is too long for the object to be told.
func (id *ID) rename(name string, named bool) {
	if id.name, id.named = name, named; len(name) > maxNameBytes {
		id.name, id.named = "", false
	}
}

// idKey makes and checks the IDs of one class. Safe for concurrent use.
type idKey struct{ inner, outer [sha256.BlockSize]byte }

func newIDKey(uniqueKey string) *idKey {
	key := sha256.Sum256([]byte(uniqueKey))
	k := new(idKey)
	for i := range k.inner {
		k.inner[i], k.outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		k.inner[i] ^= b
		k.outer[i] ^= b
	}
	return k
}

// mac is HMAC-SHA256 (RFC 2104), cut to 16 bytes. It is written out because a name is hashed on almost every
// request, and crypto/hmac allocates its state each time.
func (k *idKey) mac(dst []byte, msg string) {
	var stack [sha256.BlockSize + 192]byte
	b := append(stack[:0], k.inner[:]...)
	inner := sha256.Sum256(append(b, msg...))
	b = append(stack[:0], k.outer[:]...)
	sum := sha256.Sum256(append(b, inner[:]...))
	copy(dst, sum[:16])
}

// seal writes the second half of id, which proves the first.
func (k *idKey) seal(id *ID) {
	k.mac(id.bytes[16:], string(id.bytes[:16]))
	id.key = k
}

func (k *idKey) fromName(name string) ID {
	id := ID{name: name, named: true}
	k.mac(id.bytes[:16], name)
	k.seal(&id)
	return id
}

func (k *idKey) newUnique() ID {
	var id ID
	rand.Read(id.bytes[:16]) // never fails: crypto/rand ends the process rather than return weak bytes
	k.seal(&id)
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
	sealed := id
	k.seal(&sealed)
	if subtle.ConstantTimeCompare(sealed.bytes[:], id.bytes[:]) == 0 {
		return ID{}, ErrForeignID
	}
	return sealed, nil
}

// proves reports whether id was made for this class, wherever it comes from.
func (k *idKey) proves(id *ID) bool {
	sealed := *id
	k.seal(&sealed)
	return subtle.ConstantTimeCompare(sealed.bytes[:], id.bytes[:]) == 1
}

// owns reports whether id is one of this class.
func (k *idKey) owns(id *ID) bool { return id.key == k }
