// Package slots gives numbers to what JavaScript refers to. The numbers are small, and are the payloads of objects on JavaScript's
// side. It has no lock: a table is owned by the loop of its runtime.
package slots

// Table keeps values by number. A number is used again once its value was removed; the handles on JavaScript's side have generations, so
// an old one never reaches its next owner. The zero value is an empty table.
type Table[T any] struct {
	items []T
	used  []bool
	free  []uint64
}

// Add keeps a value and returns its number.
func (t *Table[T]) Add(v T) uint64 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.items[i], t.used[i] = v, true
		return i
	}
	t.items, t.used = append(t.items, v), append(t.used, true)
	return uint64(len(t.items) - 1)
}

// Get returns the value of a number, and whether there is one.
func (t *Table[T]) Get(i uint64) (v T, ok bool) {
	if i >= uint64(len(t.items)) || !t.used[i] {
		return v, false
	}
	return t.items[i], true
}

// At is the value of a number, which must be in use; the pointer is good until the next Add.
func (t *Table[T]) At(i uint64) *T { return &t.items[i] }

// Remove takes a value out and returns it. Where there is none it does nothing.
func (t *Table[T]) Remove(i uint64) (v T) {
	var zero T
	if i < uint64(len(t.items)) && t.used[i] {
		v = t.items[i]
		t.items[i], t.used[i] = zero, false
		t.free = append(t.free, i)
	}
	return v
}

// Len is the number of values.
func (t *Table[T]) Len() int { return len(t.items) - len(t.free) }

// All returns the values, in a slice of its own.
func (t *Table[T]) All() []T {
	var list []T
	for i, v := range t.items {
		if t.used[i] {
			list = append(list, v)
		}
	}
	return list
}
