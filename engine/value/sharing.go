package value

import "slices"

// Sharing writes values in which an object occurs more than once, or within itself. A writer goes over its object once
// and does not know beforehand which parts it will meet again, so tags for shared items are put in afterwards:
//
//	var sh value.Sharing
//	// first time: remember len(dst), then append the object
//	// every other time: dst = sh.AppendRef(dst, remembered)
//	dst = sh.Finish(dst)
//
// Without a second meeting Finish returns dst as it is. The zero value is ready; it may be used again after Finish,
// and keeps its memory.
type Sharing struct {
	refs    []sharedRef
	targets []int
}

type sharedRef struct{ at, target int }

// AppendRef appends a reference to the item that was begun at dst[target]. The item may be unfinished: that is a cycle.
func (s *Sharing) AppendRef(dst []byte, target int) []byte {
	s.refs = append(s.refs, sharedRef{len(dst), target})
	return dst
}

// Finish puts the tags in and returns the value. dst is what everything was appended to; offsets count from its
// beginning. The result is dst itself, grown, if that has room.
func (s *Sharing) Finish(dst []byte) []byte {
	if len(s.refs) == 0 {
		return dst
	}
	s.targets = s.targets[:0]
	for _, ref := range s.refs {
		s.targets = append(s.targets, ref.target)
	}
	slices.Sort(s.targets)
	s.targets = slices.Compact(s.targets)

	// Items are numbered in the order in which they begin, which is that of their offsets.
	grow := 2 * len(s.targets)
	for _, ref := range s.refs {
		grow += 2 + headSize(s.number(ref))
	}
	end := len(dst)
	dst = slices.Grow(dst, grow)[:end+grow]
	// From the back, so that nothing is overwritten before it has moved. refs are in the order of their offsets, but
	// references that follow each other without a byte between them have the same one: they stay in order.
	to := len(dst)
	ti := len(s.targets) - 1
	ri := len(s.refs) - 1
	from := end
	for ti >= 0 || ri >= 0 {
		isRef := ri >= 0 && (ti < 0 || s.refs[ri].at > s.targets[ti])
		var at int
		if isRef {
			at = s.refs[ri].at
		} else {
			at = s.targets[ti]
		}
		to -= from - at
		copy(dst[to:], dst[at:from])
		from = at
		var buf [16]byte
		var head []byte
		if isRef {
			head = AppendUint(AppendTag(buf[:0], TagRef), uint64(s.number(s.refs[ri])))
			ri--
		} else {
			head = AppendTag(buf[:0], TagShared)
			ti--
		}
		to -= len(head)
		copy(dst[to:], head)
	}
	s.refs = s.refs[:0]
	return dst
}

// number is the number of the item that ref points at.
func (s *Sharing) number(ref sharedRef) int {
	i, _ := slices.BinarySearch(s.targets, ref.target)
	return i
}

func headSize(n int) int {
	switch {
	case n < 24:
		return 1
	case n < 1<<8:
		return 2
	case n < 1<<16:
		return 3
	default:
		return 5
	}
}
