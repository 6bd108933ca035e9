package drive

// ring is a queue that grows.
type ring[T any] struct {
	items      []T // a power of two of them
	head, tail int // counted without end
}

func (r *ring[T]) len() int { return r.tail - r.head }

func (r *ring[T]) push(v T) {
	if r.len() == len(r.items) {
		grown := make([]T, max(16, 2*len(r.items)))
		n := 0
		for ; r.head < r.tail; r.head++ {
			grown[n] = r.items[r.head&(len(r.items)-1)]
			n++
		}
		r.items, r.head, r.tail = grown, 0, n
	}
	r.items[r.tail&(len(r.items)-1)] = v
	r.tail++
}

func (r *ring[T]) pop() T {
	v := r.items[r.head&(len(r.items)-1)]
	r.head++
	return v
}
