package kv

import (
	"strings"
	"unsafe"

	"github.com/tidwall/btree"
)

// The border between the two forms. A linear search of 64 entries costs about what a descent of the tree
// costs, and moving 4 KiB to make room for an entry costs less than the tree's allocations; beyond that the
// packed form is slower on every write.
const (
	// MaxPackedBytes is how long the packed form may be, headers included.
	MaxPackedBytes = 4096
	// MaxPackedEntries is how many entries it may hold.
	MaxPackedEntries = 64

	// A tree goes back to the packed form when it is below both. Half the border, so that a store which sits
	// at the border does not move to and fro.
	repackBytes   = MaxPackedBytes / 2
	repackEntries = MaxPackedEntries / 2

	// treeEntryBytes is what an entry costs in a tree beside its key and value: the two headers in a node
	// three quarters full, and the rounding of two allocations.
	treeEntryBytes = 72
)

// Store is the storage of one object. The zero value is an empty store, ready for use. A Store is 16 bytes,
// and empty or packed it has at most one allocation. It is owned by its object. It may be moved, by copying it
// and forgetting the original; two copies that are both in use would write to the same memory.
type Store struct {
	// mem is nil for an empty store, the array of the packed form, or a *tree.
	mem unsafe.Pointer
	// size and room are the length and capacity of the packed form; room is isTree for a tree. A slice and
	// a tree pointer beside it would double what a million idle objects pay for this struct.
	size, room uint32
}

const isTree = ^uint32(0)

// tree is the form of a large store.
type tree struct {
	entries btree.Map[string, []byte]
	// payload is the sum of the lengths of all keys and values.
	payload int
	// frozen is the number of views that share the values: none of them may be overwritten as long as there is one.
	frozen int
}

func (s *Store) tree() *tree {
	if s.room != isTree {
		return nil
	}
	return (*tree)(s.mem)
}

// packed returns the packed form; it must not be called on a tree.
func (s *Store) packed() packed {
	return unsafe.Slice((*byte)(s.mem), int(s.room))[:s.size]
}

func (s *Store) setPacked(p packed) {
	if len(p) == 0 {
		*s = Store{}
		return
	}
	s.mem, s.size, s.room = unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p)), uint32(cap(p))
}

// Len is the number of entries.
func (s *Store) Len() int {
	if t := s.tree(); t != nil {
		return t.entries.Len()
	}
	return s.packed().count()
}

// Bytes is the memory that the store holds on to beside the Store struct itself: exact for the packed form up to
// the allocator's own rounding, an estimate within about a quarter for a tree.
func (s *Store) Bytes() int {
	if t := s.tree(); t != nil {
		return int(unsafe.Sizeof(*t)) + t.payload + t.entries.Len()*treeEntryBytes
	}
	return int(s.room)
}

// Payload is the sum of the lengths of all keys and values.
func (s *Store) Payload() int {
	if t := s.tree(); t != nil {
		return t.payload
	}
	return s.packed().payload()
}

// Warm reads where the entries begin, and returns something of it: for one who has several stores to read, and wants the memory of all of
// them to be on its way at once.
func (s *Store) Warm() byte {
	if s.mem == nil {
		return 0
	}
	return *(*byte)(s.mem)
}

// Get returns the value of key. The slice aliases the store: it is valid until the next write and must
// not be modified. An empty value is returned as an empty slice and ok.
func (s *Store) Get(key string) (value []byte, ok bool) {
	if t := s.tree(); t != nil {
		return t.entries.Get(key)
	}
	p := s.packed()
	e, ok := p.find(key)
	if !ok {
		return nil, false
	}
	return p[e.value:e.end:e.end], true
}

// Put sets key to a copy of value. A value of the same length, or a packed one that fits into what is
// allocated, is written in place, unless a view has been made of it (Freeze). Value may alias the store's own memory.
func (s *Store) Put(key string, value []byte) {
	if t := s.tree(); t != nil {
		t.put(key, value)
		s.repack(t)
		return
	}
	p := s.packed()
	e, found := p.find(key)
	if found && e.end-e.value == len(value) {
		copy(p[e.value:e.end], value)
		return
	}
	need := entrySize(len(key), len(value))
	have := e.end - e.start
	count := p.count()
	if !found {
		count++
	}
	length := max(len(p), packedHeader) + need - have
	if length > MaxPackedBytes || count > MaxPackedEntries {
		t := unpack(p)
		t.put(key, value)
		s.mem, s.size, s.room = unsafe.Pointer(t), 0, isTree
		return
	}
	if length <= cap(p) && (overlaps(p, value) || overlaps(p, unsafeBytes(key))) {
		// Making room moves the bytes that value or key points at.
		key, value = strings.Clone(key), append([]byte(nil), value...)
	}
	s.setPacked(p.replace(e, length, count, key, value))
}

// PutBytes is Put with a key that may change afterwards.
func (s *Store) PutBytes(key, value []byte) { s.Put(unsafeString(key), value) }

// Delete removes key, and reports whether it was there.
func (s *Store) Delete(key string) bool {
	if t := s.tree(); t != nil {
		value, ok := t.entries.Delete(key)
		if ok {
			t.payload -= len(key) + len(value)
			s.repack(t)
		}
		return ok
	}
	p := s.packed()
	e, ok := p.find(key)
	if ok {
		s.setPacked(p.remove(e))
	}
	return ok
}

// DeleteAll removes everything and gives the memory back.
func (s *Store) DeleteAll() { *s = Store{} }

// Scan calls f with the entries that r selects, in order, until f returns false. Both slices alias the store:
// they are valid until the next write and must not be modified. f must not write to the store.
func (s *Store) Scan(r Range, f func(key, value []byte) bool) {
	var c cursor
	c.init(s, &r)
	for n := 0; r.Limit <= 0 || n < r.Limit; n++ {
		key, value, ok := c.next()
		if !ok || !f(unsafeBytes(key), value) {
			return
		}
	}
}

// repack moves a tree that has shrunk back to the packed form.
func (s *Store) repack(t *tree) {
	n := t.entries.Len()
	if n > repackEntries || t.payload > repackBytes {
		return
	}
	if n == 0 {
		*s = Store{}
		return
	}
	length := packedHeader
	t.entries.Scan(func(key string, value []byte) bool {
		length += entrySize(len(key), len(value))
		return true
	})
	if length > MaxPackedBytes {
		return
	}
	p := grow(length)[:packedHeader]
	p[0] = byte(n)
	t.entries.Scan(func(key string, value []byte) bool {
		p = appendEntry(p, key, value)
		return true
	})
	s.setPacked(p)
}

// put copies key and value into one allocation. The key is copied also when it is there already: the tree
// keeps the key that it is given, and that one may alias memory of the caller's.
func (t *tree) put(key string, value []byte) {
	if old, ok := t.entries.Get(key); ok {
		if len(old) == len(value) && t.frozen == 0 {
			copy(old, value)
			return
		}
		t.payload -= len(key) + len(old)
	}
	t.payload += len(key) + len(value)
	mem := make([]byte, len(key)+len(value))
	v := mem[copy(mem, key):]
	copy(v, value)
	t.entries.Set(unsafeString(mem[:len(key)]), v[:len(v):len(v)])
}

// unpack makes a tree of a packed form, which it copies.
func unpack(p packed) *tree {
	t := &tree{}
	for at := packedHeader; at < len(p); {
		e := p.entry(at)
		t.put(p.keyOf(e), p[e.value:e.end])
		at = e.end
	}
	return t
}

// unsafeBytes is the string's own memory; it must not be modified.
func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// overlaps reports whether b lies in the memory that p holds.
func overlaps(p packed, b []byte) bool {
	if len(b) == 0 || cap(p) == 0 {
		return false
	}
	at, low := uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(unsafe.Pointer(unsafe.SliceData(p)))
	return at < low+uintptr(cap(p)) && low < at+uintptr(len(b))
}

// unsafeString is b's own memory as a string; b must not change while it is used.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
