package clone

// table maps addresses to offsets: open addressing, reused from value to
// value. A Go map costs four times as much for the handful of objects that a
// value usually has. Owned by its Writer.
type table struct {
	slots []slot // a power of two; address 0 is empty
	n     int
}

type slot struct {
	address uintptr
	offset  int
}

func (t *table) find(address uintptr) *slot {
	mask := uintptr(len(t.slots) - 1)
	for i := (address >> 4) * 0x9e3779b97f4a7c15 >> 32; ; i++ {
		s := &t.slots[i&mask]
		if s.address == address || s.address == 0 {
			return s
		}
	}
}

// put adds address; if it is there already it reports that and the offset.
func (t *table) put(address uintptr, offset int) (at int, again bool) {
	if 2*t.n >= len(t.slots) {
		old := t.slots
		t.slots = make([]slot, max(16, 2*len(old)))
		for _, s := range old {
			if s.address != 0 {
				*t.find(s.address) = s
			}
		}
	}
	s := t.find(address)
	if s.address != 0 {
		return s.offset, true
	}
	*s = slot{address, offset}
	t.n++
	return offset, false
}

func (t *table) has(address uintptr) bool {
	return t.n > 0 && t.find(address).address != 0
}

// shift moves the offsets from body on by grow.
func (t *table) shift(body, grow int) {
	if t.n == 0 {
		return
	}
	for i := range t.slots {
		if s := &t.slots[i]; s.address != 0 && s.offset >= body {
			s.offset += grow
		}
	}
}

// maxKept is the largest table that is kept for the next value.
const maxKept = 1 << 12

func (t *table) reset() {
	switch {
	case len(t.slots) > maxKept:
		t.slots = nil
	case t.n > 0:
		clear(t.slots)
	}
	t.n = 0
}
