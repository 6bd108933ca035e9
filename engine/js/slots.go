package js

// slots gives numbers to what JavaScript refers to. A number is used again once it was given back; the handles on
// JavaScript's side have generations, so an old one never reaches its next owner. Owned by its loop.
type slots[T any] struct {
	items []T
	used  []bool
	free  []uint64
}

func (s *slots[T]) add(v T) uint64 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.items[i], s.used[i] = v, true
		return i
	}
	s.items, s.used = append(s.items, v), append(s.used, true)
	return uint64(len(s.items) - 1)
}

func (s *slots[T]) get(i uint64) (v T, ok bool) {
	if i >= uint64(len(s.items)) || !s.used[i] {
		return v, false
	}
	return s.items[i], true
}

func (s *slots[T]) remove(i uint64) {
	var zero T
	if i < uint64(len(s.items)) && s.used[i] {
		s.items[i], s.used[i] = zero, false
		s.free = append(s.free, i)
	}
}

// len is the number of things that are there.
func (s *slots[T]) len() int { return len(s.items) - len(s.free) }

// all returns what is there, in a slice of its own.
func (s *slots[T]) all() []T {
	var list []T
	for i, v := range s.items {
		if s.used[i] {
			list = append(list, v)
		}
	}
	return list
}
