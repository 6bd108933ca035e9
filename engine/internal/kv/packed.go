package kv

import (
	"slices"
	"unsafe"
)

// packed is the small form of a store: one slice without pointers,
//
//	count (1 byte), then for every entry, ascending by key:
//	length of the key, length of the value (both varints of 1 or 2 bytes), key, value
//
// A nil packed holds nothing; there is no packed form with a count of 0.
type packed []byte

const packedHeader = 1

// span is where an entry lies: its headers at start, then its key, its value, and the next entry at end. For a
// key that is not there, all of them are the place where it would be put.
type span struct{ start, key, value, end int }

func (p packed) count() int {
	if len(p) == 0 {
		return 0
	}
	return int(p[0])
}

func (p packed) payload() int {
	n := 0
	for at := packedHeader; at < len(p); {
		e := p.entry(at)
		n += e.end - e.key
		at = e.end
	}
	return n
}

// entry reads the headers of the entry at offset at.
func (p packed) entry(at int) span {
	start := at
	klen := int(p[at])
	at++
	if klen >= 0x80 {
		klen = klen&0x7f | int(p[at])<<7
		at++
	}
	vlen := int(p[at])
	at++
	if vlen >= 0x80 {
		vlen = vlen&0x7f | int(p[at])<<7
		at++
	}
	return span{start, at, at + klen, at + klen + vlen}
}

// keyOf is the key of e as a string that aliases p.
func (p packed) keyOf(e span) string {
	return unsafe.String(unsafe.SliceData(p[e.key:]), e.value-e.key)
}

// find walks the entries: they are too few for anything cleverer to win.
func (p packed) find(key string) (span, bool) {
	at := packedHeader
	for at < len(p) {
		e := p.entry(at)
		if k := p.keyOf(e); k >= key {
			if k == key {
				return e, true
			}
			break
		}
		at = e.end
	}
	return span{at, at, at, at}, false
}

// replace puts (key, value) where e is. The result has the given length and count; it is p's own array if
// that has room.
func (p packed) replace(e span, length, count int, key string, value []byte) packed {
	var tail []byte
	if e.end < len(p) {
		tail = p[e.end:]
	}
	var q packed
	if length <= cap(p) {
		q = p[:length]
		copy(q[length-len(tail):], tail)
	} else {
		q = grow(length)
		if e.start <= len(p) {
			copy(q, p[:e.start])
		}
		copy(q[length-len(tail):], tail)
	}
	appendEntry(q[:e.start], key, value)
	q[0] = byte(count)
	return q.trim()
}

// remove takes e out.
func (p packed) remove(e span) packed {
	if p[0] == 1 {
		return nil
	}
	copy(p[e.start:], p[e.end:])
	p = p[:len(p)-(e.end-e.start)]
	p[0]--
	return p.trim()
}

// trim copies to a smaller array what has shrunk below half of its own, so that an idle object does not hold
// on to what it once needed. Below 64 bytes there is nothing to gain.
func (p packed) trim() packed {
	if cap(p) < 64 || len(p) > cap(p)/2 {
		return p
	}
	q := grow(len(p))
	copy(q, p)
	return q
}

// grow allocates exactly the allocator's size class for n bytes: the slack of that class is the only room
// for growth. Doubling would cost every idle object more than it saves a growing one.
func grow(n int) packed { return slices.Grow(packed(nil), n)[:n] }

// entrySize is the length of an entry.
func entrySize(klen, vlen int) int {
	n := 2 + klen + vlen
	if klen >= 0x80 {
		n++
	}
	if vlen >= 0x80 {
		n++
	}
	return n
}

// appendEntry appends an entry; both lengths are below 1 << 14, which the border of the packed form ensures.
func appendEntry(p packed, key string, value []byte) packed {
	p = appendLen(p, len(key))
	p = appendLen(p, len(value))
	p = append(p, key...)
	return append(p, value...)
}

func appendLen(p packed, n int) packed {
	if n < 0x80 {
		return append(p, byte(n))
	}
	return append(p, byte(n)|0x80, byte(n>>7))
}
