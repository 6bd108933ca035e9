package kv

import "strings"

// Range selects the entries of a scan. The zero value selects all of them, in ascending byte order of their
// keys. Every bound narrows the selection, and a bound keeps its meaning when Reverse is set: Start and
// StartAfter are always lower bounds, End is always an upper one.
//
// A caller that knows Start and StartAfter as alternatives refuses both together; here the stricter wins.
type Range struct {
	// Start is the lowest key selected. The empty key is the lowest there is, so "" bounds nothing.
	Start string
	// StartAfter is a key that every selected key is above. It counts only if HasStartAfter is set, because
	// "" leaves out the empty key, which is a legal one.
	StartAfter    string
	HasStartAfter bool
	// End is a key that every selected key is below. It counts only if HasEnd is set, because "" leaves out
	// everything.
	End    string
	HasEnd bool
	// Prefix is what every selected key begins with.
	Prefix string
	// Reverse walks from the highest key to the lowest.
	Reverse bool
	// Limit is how many entries are walked at most, counted from where the walk begins; 0 or less means all.
	Limit int
}

// bounds is a Range made plain: low <= key (or low < key), key < high.
type bounds struct {
	low      string
	lowAfter bool // low itself is left out
	high     string
	hasHigh  bool
}

func (r *Range) bounds() bounds {
	b := bounds{low: r.Start, high: r.End, hasHigh: r.HasEnd}
	if r.HasStartAfter && r.StartAfter >= b.low {
		b.low, b.lowAfter = r.StartAfter, true
	}
	if r.Prefix != "" {
		if r.Prefix > b.low {
			b.low, b.lowAfter = r.Prefix, false
		}
		// The bound behind the prefix is built only if End does not already lie within it.
		if !b.hasHigh || !strings.HasPrefix(b.high, r.Prefix) {
			if next, ok := prefixEnd(r.Prefix); ok && (!b.hasHigh || next < b.high) {
				b.high, b.hasHigh = next, true
			}
		}
	}
	return b
}

// prefixEnd is the first key above every key that begins with prefix; there is none above a run of 0xff.
func prefixEnd(prefix string) (string, bool) {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xff {
		n--
	}
	if n == 0 {
		return "", false
	}
	end := []byte(prefix[:n])
	end[n-1]++
	return string(end), true
}

// above reports whether key satisfies the lower bound, below whether it satisfies the upper one.
func (b *bounds) above(key string) bool { return key > b.low || key == b.low && !b.lowAfter }
func (b *bounds) below(key string) bool { return !b.hasHigh || key < b.high }
