package kv

import "github.com/tidwall/btree"

// Frozen is a store as it was at the moment of [Store.Freeze], while the store itself goes on. Scan may be called on any goroutine, by one
// at a time; Thaw on the store's.
type Frozen struct {
	from    *tree // nil for a packed one, which was copied
	entries *btree.Map[string, []byte]
	packed  Store
}

// Freeze makes a view of the store that stays as it is. A packed store is copied. A tree is shared: its nodes are copied as the
// store writes to them, and until Thaw the store does not overwrite values in place. So it costs next to nothing now, and
// later about what is written meanwhile.
func (s *Store) Freeze() *Frozen {
	t := s.tree()
	if t == nil {
		f := &Frozen{}
		if p := s.packed(); len(p) > 0 {
			q := grow(len(p))
			copy(q, p)
			f.packed.setPacked(q)
		}
		return f
	}
	t.frozen++
	return &Frozen{from: t, entries: t.entries.Copy()}
}

// Thaw ends the view: it must not be scanned any more. Without it the store would copy what it could overwrite, for ever.
func (f *Frozen) Thaw() {
	if f.from != nil {
		f.from.frozen--
	}
	*f = Frozen{}
}

// Scan calls fn with all entries in the order of their keys, until it returns false. Both slices are valid until Thaw, and must not be modified.
func (f *Frozen) Scan(fn func(key, value []byte) bool) {
	if f.entries == nil {
		f.packed.Scan(Range{}, fn)
		return
	}
	f.entries.Scan(func(key string, value []byte) bool { return fn(unsafeBytes(key), value) })
}

// Len is the number of entries.
func (f *Frozen) Len() int {
	if f.entries == nil {
		return f.packed.Len()
	}
	return f.entries.Len()
}
