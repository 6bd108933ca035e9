package engine

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// Names whose hashes are the same are told apart, what has gone is not found, and nothing is lost of a cache that grows but what it may forget.
func TestNameCache(t *testing.T) {
	var count atomic.Int64
	tab := newTable(&count)
	var c nameCache
	c.init()
	add := func(class uint32, s string) uint32 {
		r, slot := tab.add(class, &ID{bytes: [32]byte{byte(len(s)), byte(slot32(s)), byte(slot32(s) >> 8), byte(slot32(s) >> 16), byte(class)}})
		r.name = newName(s)
		return slot
	}
	a, b, other := add(1, "a"), add(1, "b"), add(2, "a")
	const h = 0x123456789abcdef0 // of all of them
	for _, slot := range []uint32{a, b, other} {
		c.add(h, slot, tab.n)
	}
	for _, w := range []struct {
		class uint32
		name  string
		slot  uint32
	}{{1, "a", a}, {1, "b", b}, {2, "a", other}, {2, "b", noSlot}, {1, "", noSlot}} {
		if got := c.find(&tab, w.class, h, []byte(w.name)); got != w.slot {
			t.Errorf("%q of class %d is in slot %d, found %d", w.name, w.class, w.slot, got)
		}
	}
	tab.remove(a)
	if got := c.find(&tab, 1, h, []byte("a")); got != noSlot {
		t.Errorf("what was removed is found in slot %d", got)
	}
	const n = 20_000
	slots := make([]uint32, n)
	for i := range slots {
		s := fmt.Sprint("object ", i)
		slots[i] = add(1, s)
		c.add(c.hash([]byte(s)), slots[i], tab.n)
	}
	found := 0
	for i := range slots {
		s := []byte(fmt.Sprint("object ", i))
		switch got := c.find(&tab, 1, c.hash(s), s); got {
		case slots[i]:
			found++
		case noSlot:
		default:
			t.Fatalf("object %d is in slot %d, found %d", i, slots[i], got)
		}
	}
	if found < n/2 {
		t.Errorf("%d of %d are found", found, n)
	}
	if size := len(c.sets) * 8; size > 2*n {
		t.Errorf("the cache has %d places for %d objects", size, n)
	}
}

// slot32 is some number of a string, for an ID.
func slot32(s string) (n uint32) {
	for _, b := range []byte(s) {
		n = n*31 + uint32(b)
	}
	return n
}
