package kv

// Builder makes stores out of entries that come in the order of their keys, with one allocation each where the packed form holds them;
// in any other order it works as Put does. The zero value is ready, and it is used again and again: for the start of a
// program, which makes a million stores. Owned by one goroutine.
type Builder struct {
	buf  packed // of the entries so far, as long as they are in order and few
	last span
	// other takes over where they are not.
	other     Store
	irregular bool
}

// Add appends an entry, which it copies.
func (b *Builder) Add(key, value []byte) {
	k := unsafeString(key)
	if b.irregular {
		b.other.Put(k, value)
		return
	}
	at := max(len(b.buf), packedHeader)
	ascends := at == packedHeader || b.buf.keyOf(b.last) < k
	if !ascends || at+entrySize(len(key), len(value)) > MaxPackedBytes || b.buf.count() == MaxPackedEntries {
		b.irregular = true
		if len(b.buf) > packedHeader {
			p := grow(len(b.buf))
			copy(p, b.buf)
			b.other.setPacked(p)
		}
		b.other.Put(k, value)
		return
	}
	if len(b.buf) == 0 {
		b.buf = append(b.buf, 0)
	}
	b.buf = appendEntry(b.buf, k, value)
	b.buf[0]++
	b.last = span{at, len(b.buf) - len(key) - len(value), len(b.buf) - len(value), len(b.buf)}
}

// Len is the number of entries that were added, where keys do not repeat.
func (b *Builder) Len() int {
	if b.irregular {
		return b.other.Len()
	}
	return b.buf.count()
}

// Fill moves what was added into s, which is empty, and begins anew.
func (b *Builder) Fill(s *Store) {
	if b.irregular {
		*s, b.other, b.irregular = b.other, Store{}, false
	} else if len(b.buf) > packedHeader {
		p := grow(len(b.buf))
		copy(p, b.buf)
		s.setPacked(p)
	}
	b.buf = b.buf[:0]
}
