package engine

import (
	"sync/atomic"

	"everloop/engine/internal/kv"
	"everloop/wal"
)

// record is an object at rest: everything durable about it, and nothing else. A million of them fit in a
// quarter of a gigabyte, which is why they lie in slabs, have no pointers that they can avoid, and are found
// through a map of integers. Owned by its loop.
type record struct {
	id    [32]byte
	store kv.Store
	live  *actor  // nil while the object is hibernated
	name  *string // of a named object, once logged
	lsn   wal.LSN // of its last write
	next  uint32  // the next record of the same hash, or of the free list
	class uint32
	alarm uint32 // its place in the owner's alarms; 0: none is set
	used  bool
}

const (
	slabSize = 1024
	noSlot   = ^uint32(0)
)

// table holds one loop's records. Owned by its loop.
type table struct {
	slabs []*[slabSize]record
	index map[uint64]uint32
	free  uint32
	count *atomic.Int64 // the records of all loops
	n     int           // the records of this one
}

func newTable(count *atomic.Int64) table {
	return table{index: make(map[uint64]uint32), free: noSlot, count: count}
}

func (t *table) at(slot uint32) *record { return &t.slabs[slot/slabSize][slot%slabSize] }

// find returns the record of an object, or nil.
func (t *table) find(class uint32, id *ID) (*record, uint32) {
	slot, ok := t.index[id.hash()]
	for ok && slot != noSlot {
		r := t.at(slot)
		if r.class == class && r.id == id.bytes {
			return r, slot
		}
		slot = r.next
	}
	return nil, noSlot
}

// add makes the record of an object that has none.
func (t *table) add(class uint32, id *ID) (*record, uint32) {
	if t.free == noSlot {
		base := uint32(len(t.slabs)) * slabSize
		slab := new([slabSize]record)
		t.slabs = append(t.slabs, slab)
		for i := slabSize - 1; i >= 0; i-- {
			slab[i].next = t.free
			t.free = base + uint32(i)
		}
	}
	slot := t.free
	r := t.at(slot)
	t.free = r.next
	head, ok := t.index[id.hash()]
	if !ok {
		head = noSlot
	}
	*r = record{id: id.bytes, class: class, next: head, used: true}
	t.index[id.hash()] = slot
	t.count.Add(1)
	t.n++
	return r, slot
}

// remove forgets an object that has nothing durable.
func (t *table) remove(slot uint32) {
	r := t.at(slot)
	id := ID{bytes: r.id}
	h := id.hash()
	if head := t.index[h]; head == slot {
		if r.next == noSlot {
			delete(t.index, h)
		} else {
			t.index[h] = r.next
		}
	} else {
		prev := t.at(head)
		for prev.next != slot {
			prev = t.at(prev.next)
		}
		prev.next = r.next
	}
	*r = record{next: t.free}
	t.free = slot
	t.count.Add(-1)
	t.n--
}
