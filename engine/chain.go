package engine

// chain is a list of values that carry their own places in it, in the order in which they were added.
type chain[T any, P linked[T]] struct{ first, last *T }

// link is the place of a value in a chain; the value embeds it.
type link[T any] struct{ next, prev *T }

// linked is a pointer to a value that embeds its link.
type linked[T any] interface {
	*T
	links() *link[T]
}

func (l *link[T]) links() *link[T] { return l }

// add puts a value, which is in no chain, at the end.
func (c *chain[T, P]) add(v *T) {
	*P(v).links() = link[T]{prev: c.last}
	if c.last == nil {
		c.first = v
	} else {
		P(c.last).links().next = v
	}
	c.last = v
}

func (c *chain[T, P]) remove(v *T) {
	at := P(v).links()
	if at.prev == nil {
		c.first = at.next
	} else {
		P(at.prev).links().next = at.next
	}
	if at.next == nil {
		c.last = at.prev
	} else {
		P(at.next).links().prev = at.prev
	}
	*at = link[T]{}
}
