package kv

// Layer is what a transaction can lie over: a [Store], or another [Tx].
type Layer interface {
	// Get returns the value of key; it aliases the layer's memory until the next write.
	Get(key string) (value []byte, ok bool)
	// Put sets key to a copy of value.
	Put(key string, value []byte)
	// Delete removes key, and reports whether it was there.
	Delete(key string) bool
	// DeleteAll removes everything.
	DeleteAll()
	// Len is the number of entries.
	Len() int
	// Scan calls f with the entries that r selects, in order, until f returns false.
	Scan(r Range, f func(key, value []byte) bool)
}

// Tx is a transaction: writes are kept in an overlay until Commit applies them to the parent, all at once, or
// Rollback forgets them. Reads see the overlay merged with the parent. A Tx is owned by its object.
//
// While a Tx is open its parent must not be written to: what the overlay knows about the parent's keys would
// no longer hold. Transactions nest: the parent may be a Tx, and then the outermost Commit reaches the
// Store. After Commit or Rollback a Tx may only be used again after Reset; every other use panics.
type Tx struct {
	parent Layer // nil once the transaction has ended
	// cleared says that nothing of the parent shows through.
	cleared bool
	// written holds the puts. Invariant: no key is in both written and deleted.
	written Store
	// deleted holds the keys that are deleted, with empty values. Invariant: each is a key of the parent,
	// and deleted is empty if cleared is set.
	deleted Store
}

// NewTx begins a transaction over parent.
func NewTx(parent Layer) *Tx {
	t := &Tx{}
	t.Reset(parent)
	return t
}

// Reset begins a new transaction over parent and forgets whatever an old one held, so that a Tx can be pooled.
func (t *Tx) Reset(parent Layer) { *t = Tx{parent: parent} }

func (t *Tx) open() {
	if t.parent == nil {
		panic("kv: transaction used after its commit or rollback")
	}
}

// Get returns the value of key as the transaction sees it. The slice aliases the overlay or the parent; it is
// valid until the next write to either.
func (t *Tx) Get(key string) (value []byte, ok bool) {
	t.open()
	if value, ok = t.written.Get(key); ok {
		return value, true
	}
	if t.hidden(key) {
		return nil, false
	}
	return t.parent.Get(key)
}

// hidden reports whether the parent's entry for key, if there is one, is deleted here.
func (t *Tx) hidden(key string) bool {
	if t.cleared {
		return true
	}
	_, ok := t.deleted.Get(key)
	return ok
}

// Put sets key to a copy of value.
func (t *Tx) Put(key string, value []byte) {
	t.open()
	// value and key may alias either overlay; written copies them before deleted moves anything.
	t.written.Put(key, value)
	t.deleted.Delete(key)
}

// Delete removes key, and reports whether it was there. Deleting what is not there is no change.
func (t *Tx) Delete(key string) bool {
	t.open()
	if t.hidden(key) {
		return t.written.Delete(key)
	}
	_, below := t.parent.Get(key)
	if below {
		t.deleted.Put(key, nil)
	}
	return t.written.Delete(key) || below
}

// DeleteAll removes everything.
func (t *Tx) DeleteAll() {
	t.open()
	t.cleared = true
	t.written.DeleteAll()
	t.deleted.DeleteAll()
}

// Len is the number of entries that the transaction sees. It looks every written key up in the parent.
func (t *Tx) Len() int {
	t.open()
	n := t.written.Len()
	if t.cleared {
		return n
	}
	t.written.Scan(Range{}, func(key, _ []byte) bool {
		if _, ok := t.parent.Get(unsafeString(key)); ok {
			n--
		}
		return true
	})
	return n + t.parent.Len() - t.deleted.Len()
}

// Scan calls f with the entries that r selects, overlay and parent merged, in order, until f returns false. What
// f gets is valid until the next write to the overlay or the parent; f must not write to either.
func (t *Tx) Scan(r Range, f func(key, value []byte) bool) {
	t.open()
	if t.cleared {
		t.written.Scan(r, f)
		return
	}
	limit := r.Limit
	r.Limit = 0 // the parent may have to give more, because some of its entries are hidden
	stopped := false
	emitted := 0
	emit := func(key string, value []byte) bool {
		stopped = !f(unsafeBytes(key), value)
		emitted++
		stopped = stopped || limit > 0 && emitted == limit
		return !stopped
	}

	var c cursor
	c.init(&t.written, &r)
	key, value, ok := c.next()
	t.parent.Scan(r, func(pk, pv []byte) bool {
		below := unsafeString(pk)
		for ok && key != below && (key < below) != r.Reverse {
			if !emit(key, value) {
				return false
			}
			key, value, ok = c.next()
		}
		if ok && key == below {
			// The overlay's value hides the parent's.
			pv = value
			key, value, ok = c.next()
		} else if _, gone := t.deleted.Get(below); gone {
			return true
		}
		return emit(below, pv)
	})
	for !stopped && ok {
		if !emit(key, value) {
			return
		}
		key, value, ok = c.next()
	}
}

// Changed reports whether the transaction has anything to commit.
func (t *Tx) Changed() bool {
	t.open()
	return t.cleared || t.written.Len() > 0 || t.deleted.Len() > 0
}

// ChangeKind says what a [Change] does.
type ChangeKind uint8

// The kinds of a [Change].
const (
	ChangeDeleteAll ChangeKind = iota + 1
	ChangeDelete
	ChangePut
)

// Change is one step of what a transaction does to its parent. Key and Value alias the overlay.
type Change struct {
	Kind  ChangeKind
	Key   string
	Value []byte
}

// Changes calls f with the changes that Commit would make, until f returns false: first a DeleteAll if there is
// one, then the deletes in the order of their keys, then the puts in the order of theirs. Applied in this
// order to the parent they give what the transaction sees. No key occurs twice.
func (t *Tx) Changes(f func(Change) bool) {
	t.open()
	if t.cleared && !f(Change{Kind: ChangeDeleteAll}) {
		return
	}
	for _, part := range [2]struct {
		kind  ChangeKind
		store *Store
	}{{ChangeDelete, &t.deleted}, {ChangePut, &t.written}} {
		var c cursor
		c.init(part.store, &Range{})
		for {
			key, value, ok := c.next()
			if !ok {
				break
			}
			if !f(Change{part.kind, key, value}) {
				return
			}
		}
	}
}

// Commit applies the changes to the parent and ends the transaction.
func (t *Tx) Commit() {
	parent := t.parent
	t.Changes(func(c Change) bool {
		switch c.Kind {
		case ChangeDeleteAll:
			parent.DeleteAll()
		case ChangeDelete:
			parent.Delete(c.Key)
		case ChangePut:
			parent.Put(c.Key, c.Value)
		}
		return true
	})
	*t = Tx{}
}

// Rollback forgets the changes and ends the transaction.
func (t *Tx) Rollback() {
	t.open()
	*t = Tx{}
}
