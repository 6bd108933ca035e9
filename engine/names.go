package engine

import (
	"encoding/binary"
	"hash/maphash"
	"unsafe"
)

// name is the name of an object in its record, if it has one: behind its length in four bytes. It is one piece of
// memory, since it is compared on the way of each call by name, and kept a million times.
type name struct{ mem *[4]byte }

func newName(s string) name {
	b := make([]byte, 4+len(s))
	binary.LittleEndian.PutUint32(b, uint32(len(s)))
	copy(b[4:], s)
	return name{(*[4]byte)(b)}
}

// known reports whether there is one; the empty name is one.
func (n name) known() bool { return n.mem != nil }

// String is the name. It is not copied: no name ever changes.
func (n name) String() string {
	if n.mem == nil {
		return ""
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(n.mem), 4)), int(binary.LittleEndian.Uint32(n.mem[:])))
}

// nameCache finds the record of an object that is called by its name, without making the ID of it, which takes two HMACs. It is
// keyed by a hash of the name that nobody outside can predict, and what it finds is verified against the record: a wrong or stale
// entry costs a look. It may forget whatever it likes, and grows with the number of records, never all at once: a larger one begins
// empty, and the one before is asked, too, until it is replaced itself. Owned by its loop.
type nameCache struct {
	seed maphash.Seed
	sets []nameSet // a power of two
	old  []nameSet
	used int // entries of sets
}

// nameSet is a cache line.
type nameSet [8]nameEntry

// nameEntry is a part of the hash, and the record's slot, counted from 1; 0 for a free entry.
type nameEntry struct{ tag, slot uint32 }

func (c *nameCache) init() {
	c.seed = maphash.MakeSeed()
	c.sets = make([]nameSet, 64)
}

func (c *nameCache) hash(name []byte) uint64 { return maphash.Bytes(c.seed, name) }

// find returns the slot of the record with that class and name, or noSlot.
func (c *nameCache) find(t *table, class uint32, h uint64, name []byte) uint32 {
	tag := uint32(h >> 32)
	set := &c.sets[h&uint64(len(c.sets)-1)]
	for i := range set {
		if e := &set[i]; e.tag == tag && e.slot != 0 && t.named(e.slot-1, class, name) {
			return e.slot - 1
		}
	}
	if c.old == nil {
		return noSlot
	}
	set = &c.old[h&uint64(len(c.old)-1)]
	for i := range set {
		if e := &set[i]; e.tag == tag && e.slot != 0 && t.named(e.slot-1, class, name) {
			slot := e.slot - 1
			*e = nameEntry{}
			c.add(h, slot, t.n)
			return slot
		}
	}
	return noSlot
}

// add notes the record of a name. n is the number of records that there are.
func (c *nameCache) add(h uint64, slot uint32, n int) {
	// At five entries a set in the mean, one name in forty has no place. At six it would be one in twenty, and each costs two HMACs a call.
	if c.used > len(c.sets)*5 && len(c.sets)*4 < n {
		c.old, c.sets, c.used = c.sets, make([]nameSet, 2*len(c.sets)), 0
	}
	set := &c.sets[h&uint64(len(c.sets)-1)]
	at := int(h >> 29 & 7) // whose place it takes if all are taken
	for i := range set {
		if set[i].slot == 0 {
			at = i
			c.used++
			break
		}
	}
	set[at] = nameEntry{uint32(h >> 32), slot + 1}
}

// named reports whether a slot holds the object of a class with a name.
func (t *table) named(slot, class uint32, name []byte) bool {
	r := t.at(slot)
	return r.class == class && r.used && r.name.known() && r.name.String() == string(name)
}
