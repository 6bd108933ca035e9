package engine

// A call of an object at rest touches memory in a few places that each lead to the next: the index, the record, the name, the packed
// store. With many objects none of them is in a processor's cache, so a call waits for memory several times over, and one call after the other
// does all of that again. Where several calls are known before the first of them runs, a loop goes through all of them place by place
// beforehand: reads that do not depend on each other, of which the processor has many under way at once.
//
// Nothing is decided here. What a call finds, it finds as if this did not exist; it waits less.

// warmCalls is how many calls are looked ahead at, at most: what they touch should still be there when the last of them runs.
const warmCalls = 64

// warming is where the objects of the next calls probably are. Owned by its loop.
type warming struct {
	hashes [warmCalls]uint64
	slots  [warmCalls]uint32 // noSlot: nothing is known
	// seen takes in whatever was read, so that no compiler leaves the reading out.
	seen uint64
}

// Warm says which objects, by their names, the caller is about to call with [Namespace.CallByName], in that order: what these calls need comes into
// the processor's caches meanwhile, all at once and not one after the other. It changes nothing but the time that the calls take, nor
// does it bring objects into being, and calls need not follow. One name alone is no gain and is
// left alone; of more than 64 it looks at the first 64. It is called on the port's loop; it does nothing on a namespace that is not a port's, and for classes other than
// those of [DirectOf]. names are not kept.
func (ns *Namespace) Warm(names [][]byte) {
	if len(names) < 2 {
		return
	}
	d := ns.local()
	if d == nil {
		return
	}
	o := d.a.own
	names = names[:min(len(names), warmCalls)]
	d.names.warm(&o.warming, names)
	o.table.warm(&o.warming, len(names), true)
}

// warm finds the probable slots of names.
func (c *nameCache) warm(w *warming, names [][]byte) {
	for i, name := range names {
		w.hashes[i] = c.hash(name)
	}
	mask := uint64(len(c.sets) - 1)
	seen := uint32(0)
	for _, h := range w.hashes[:len(names)] {
		seen += c.sets[h&mask][0].tag
	}
	w.seen += uint64(seen)
	for i, h := range w.hashes[:len(names)] {
		tag, set, slot := uint32(h>>32), &c.sets[h&mask], uint32(0)
		for j := range set {
			if set[j].tag == tag {
				slot = set[j].slot
			}
		}
		w.slots[i] = slot - 1 // of 0, it is noSlot
	}
}

// warmCalls finds the slots of the objects of the next calls of a batch.
func (t *table) warmCalls(w *warming, calls []pipeCall) {
	for i := range calls {
		slot, ok := t.index[calls[i].id.hash()]
		if !ok {
			slot = noSlot
		}
		w.slots[i] = slot
	}
	t.warm(w, len(calls), false)
}

// warm reads the records in the first n slots of w, and then what they point to.
func (t *table) warm(w *warming, n int, names bool) {
	seen := uint64(0)
	slots := w.slots[:n]
	for _, slot := range slots {
		if slot != noSlot {
			r := t.at(slot)
			seen += uint64(r.id[0]) + uint64(r.lsn) + uint64(r.alarm) // a record lies in two cache lines, or in three
		}
	}
	for _, slot := range slots {
		if slot == noSlot {
			continue
		}
		r := t.at(slot)
		seen += uint64(r.store.Warm())
		if names && r.name.known() {
			seen += uint64(r.name.mem[0])
		}
	}
	w.seen += seen
}

// expected is find of an object that is probably in a slot.
func (t *table) expected(slot, class uint32, id *ID) (*record, uint32) {
	if slot != noSlot {
		if r := t.at(slot); r.used && r.class == class && r.id == id.bytes {
			return r, slot
		}
	}
	return t.find(class, id)
}
