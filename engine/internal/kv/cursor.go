package kv

import "github.com/tidwall/btree"

// cursor walks a range of one store, one entry a call. It lives on the stack of a scan, and is void after a
// write to the store.
type cursor struct {
	bounds  bounds
	reverse bool
	done    bool

	// For the packed form: where the next entry is. Entries have no link backwards, so a reverse walk
	// notes the offsets of its entries first.
	packed  packed
	at      int
	left    int
	offsets [MaxPackedEntries]uint16

	// For a tree: iter stands on the next entry.
	inTree bool
	iter   btree.MapIter[string, []byte]
}

func (c *cursor) init(s *Store, r *Range) {
	c.bounds, c.reverse = r.bounds(), r.Reverse
	if t := s.tree(); t != nil {
		c.inTree, c.iter = true, t.entries.Iter()
		c.done = !c.seekTree()
		return
	}
	c.packed = s.packed()
	at := packedHeader
	for at < len(c.packed) {
		e := c.packed.entry(at)
		if key := c.packed.keyOf(e); c.bounds.above(key) {
			if !c.reverse || !c.bounds.below(key) {
				break
			}
			c.offsets[c.left] = uint16(at)
			c.left++
		}
		at = e.end
	}
	c.at = at
}

func (c *cursor) seekTree() bool {
	if !c.reverse {
		ok := c.iter.Seek(c.bounds.low)
		if ok && c.bounds.lowAfter && c.iter.Key() == c.bounds.low {
			ok = c.iter.Next()
		}
		return ok
	}
	if c.bounds.hasHigh && c.iter.Seek(c.bounds.high) {
		return c.iter.Prev()
	}
	return c.iter.Last()
}

// next returns the next entry; key and value alias the store.
func (c *cursor) next() (key string, value []byte, ok bool) {
	switch {
	case c.done:
		return "", nil, false
	case c.inTree:
		key, value = c.iter.Key(), c.iter.Value()
		if c.reverse {
			if !c.bounds.above(key) {
				c.done = true
				return "", nil, false
			}
			c.done = !c.iter.Prev()
		} else {
			if !c.bounds.below(key) {
				c.done = true
				return "", nil, false
			}
			c.done = !c.iter.Next()
		}
		return key, value, true
	case c.reverse:
		if c.left == 0 {
			c.done = true
			return "", nil, false
		}
		c.left--
		e := c.packed.entry(int(c.offsets[c.left]))
		return c.packed.keyOf(e), c.packed[e.value:e.end:e.end], true
	default:
		if c.at >= len(c.packed) {
			c.done = true
			return "", nil, false
		}
		e := c.packed.entry(c.at)
		key = c.packed.keyOf(e)
		if !c.bounds.below(key) {
			c.done = true
			return "", nil, false
		}
		c.at = e.end
		return key, c.packed[e.value:e.end:e.end], true
	}
}
