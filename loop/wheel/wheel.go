// Package wheel is a hierarchical timer wheel: many timers, each set, moved and cancelled in constant time.
//
// It is pure: it reads no clock, starts no goroutine and calls nothing but the function given to
// [Wheel.Advance]. Time is a number of ticks (the loop uses milliseconds) that only Advance moves. A Wheel
// is owned by one goroutine; a loop of package loop owns one.
//
// # How it works
//
// There are 8 levels of 64 slots. A slot of level L spans 64^L ticks, so that the whole wheel spans 2^48
// ticks, 8,900 years of milliseconds. A timer lives at the level of the highest group of 6 bits in which its
// deadline differs from the current time:
//
//	deadline  ... 000101 110010 001111      level 2  level 1  level 0
//	now       ... 000101 010011 100000               ^ differs here: level 1, slot 0b110010
//
// Three things follow. Every occupied slot lies ahead of the current time at its own level, so nothing ever
// wraps. Everything in a lower level is due before everything in a higher one, so one bitmap a level gives
// the next occupied slot in a few instructions. And moving the time forward to just before that slot changes
// the place of no timer, so waiting years costs as little as waiting a millisecond.
//
// When the time reaches a slot of level 0, its timers fire. When it reaches a slot of a higher level, its
// timers move down ("cascade"), each at most once a level. Both are done one timer at a time, in place,
// so that Advance can stop after a number of steps and go on later: a million timers due at once cost the
// caller as many calls as it likes, rather than one long stop.
//
// Timers are nodes of slabs and are linked by index, not by pointer: 24 bytes each beside the payload,
// and nothing for the garbage collector to chase. A freed node is used again under a new generation, which
// is part of the [Handle]; a stale handle therefore names nothing. The slabs are never moved, so growing costs
// neither a copy nor the memory of one.
//
// # A clock that goes back
//
// A wall clock may be set back. [Wheel.Rewind] follows it in a few hundred instructions, however many timers there
// are. Say that the new time differs from the old one first in the group of level L:
//
//	old time  ... 000101 110010 001111      a timer of level 1 or 0 has the old time's group
//	new time  ... 000101 010011 100000      at level 2: seen from here, it is in slot 0b110010 of level 2
//
// So all timers below level L belong into one slot of level L now, the old time's own; their lists are put behind one
// another there. Timers of level L and above are where they belong: they differed from the old time in a group that the
// new one has in common with it, or they are ahead of both.
package wheel

import "math/bits"

const (
	levelBits = 6
	slots     = 1 << levelBits
	levels    = 8

	// MaxTime is the last moment a wheel can tell from others: later deadlines wait as if they were
	// MaxTime. Time itself must stay below it.
	MaxTime = 1<<(levelBits*levels) - 1

	// Two lists hold timers that were set when already due. New ones go into one while Advance empties
	// the other, so that a timer set anew by its own firing cannot keep Advance from returning.
	dueA  = levels * slots
	dueB  = dueA + 1
	lists = dueB + 1 // nodes below this index are the heads of the lists

	slabBits = 10
	slabSize = 1 << slabBits
)

// Handle names a timer. The zero Handle names none. A handle is stale once its timer has fired or was
// cancelled; using it then is harmless.
type Handle uint64

// node is a timer or, below index lists, the head of a circular list: of slot s of level l at index l*slots+s, or of
// dueA or dueB. A timer does not know its list, so that a whole list can be moved at once.
type node struct {
	deadline   int64
	next, prev uint32 // in its list; next also links the free nodes
	gen        uint32 // Invariant: never 0 for a timer, so that no handle is 0
	pending    bool
}

// slab holds the nodes of as many timers.
type slab [slabSize]node

// Wheel is a set of timers with a payload of type T each. Owned by one goroutine. Use [New].
type Wheel[T any] struct {
	now      int64          // Invariant: no slot list holds a timer with a deadline before now
	occupied [levels]uint64 // bit s of level l: list l*slots+s is not empty
	busy     int            // the slot that the time has reached and Advance has not emptied, or -1
	filling  int            // dueA or dueB: where new timers that are already due go
	free     uint32         // first free node, or 0
	length   int
	count    uint32 // of nodes that were ever used
	nodes    []*slab
	payload  []*[slabSize]T // number i belongs to node lists+i
}

// New returns an empty wheel whose time is now, which must lie between 0 and [MaxTime].
func New[T any](now int64) *Wheel[T] {
	w := &Wheel[T]{now: max(0, min(now, MaxTime)), busy: -1, filling: dueA, count: lists, nodes: []*slab{new(slab)}}
	for i := range uint32(lists) {
		n := w.node(i)
		n.next, n.prev = i, i
	}
	return w
}

func (w *Wheel[T]) node(i uint32) *node { return &w.nodes[i>>slabBits][i&(slabSize-1)] }

// of is where the payload of node i is.
func (w *Wheel[T]) of(i uint32) *T {
	i -= lists
	return &w.payload[i>>slabBits][i&(slabSize-1)]
}

// Len is the number of pending timers.
func (w *Wheel[T]) Len() int { return w.length }

// Now is the time that Advance has reached.
func (w *Wheel[T]) Now() int64 { return w.now }

// Insert adds a timer. It fires in the first Advance to deadline or later; one that is already due fires in
// the next Advance, and not in the one that is running. It allocates only when the slab grows.
func (w *Wheel[T]) Insert(deadline int64, payload T) Handle {
	i := w.free
	if i == 0 {
		i = w.grow()
	}
	n := w.node(i)
	w.free = n.next
	*w.of(i) = payload
	n.deadline, n.pending = deadline, true
	w.place(i)
	w.length++
	return Handle(uint64(n.gen)<<32 | uint64(i))
}

// grow returns a node that was never used.
func (w *Wheel[T]) grow() uint32 {
	i := w.count
	w.count++
	if int(i>>slabBits) == len(w.nodes) {
		w.nodes = append(w.nodes, new(slab))
	}
	if int((i-lists)>>slabBits) == len(w.payload) {
		w.payload = append(w.payload, new([slabSize]T))
	}
	w.node(i).gen = 1
	return i
}

// Deadline is what a pending timer was set for, and false if it is not pending.
func (w *Wheel[T]) Deadline(h Handle) (int64, bool) {
	i, ok := w.find(h)
	if !ok {
		return 0, false
	}
	return w.node(i).deadline, true
}

// Rearm moves a pending timer to another deadline. It reports whether the timer was pending.
func (w *Wheel[T]) Rearm(h Handle, deadline int64) bool {
	i, ok := w.find(h)
	if !ok {
		return false
	}
	w.unlink(i)
	w.node(i).deadline = deadline
	w.place(i)
	return true
}

// Cancel removes a pending timer and reports whether it was pending.
func (w *Wheel[T]) Cancel(h Handle) bool {
	i, ok := w.find(h)
	if !ok {
		return false
	}
	w.unlink(i)
	w.release(i)
	return true
}

// Next is the earliest time at which Advance may have something to do, and false if there is no timer at
// all. It may lie before the earliest deadline (when timers have to move down a level first), never
// after it.
func (w *Wheel[T]) Next() (int64, bool) {
	if w.length == 0 {
		return 0, false
	}
	if w.busy >= 0 || !w.empty(dueA) || !w.empty(dueB) {
		return w.now, true
	}
	_, at, ok := w.nextSlot()
	return at, ok
}

// Advance moves the time to now (backwards it does not go) and fires what is due, in order of deadline,
// after at most limit steps; a step is one timer fired or moved down a level. It reports whether it stopped
// at the limit with more to do, in which case the time has not quite reached now: call it again. fire may
// insert, re-arm and cancel timers, but not call Advance. A timer is no longer pending when it fires.
func (w *Wheel[T]) Advance(now int64, limit int, fire func(T)) (more bool) {
	return w.AdvanceUpTo(now, limit, limit, fire)
}

// AdvanceUpTo is Advance that also stops after a number of timers fired, for a caller who can take few timers but has time
// for many steps.
func (w *Wheel[T]) AdvanceUpTo(now int64, limit, timers int, fire func(T)) (more bool) {
	now = min(now, MaxTime)
	draining := w.filling ^ dueA ^ dueB
	if w.empty(draining) {
		draining, w.filling = w.filling, draining
	}
	for {
		for !w.empty(draining) {
			if limit <= 0 || timers <= 0 {
				return true
			}
			limit--
			i := w.node(uint32(draining)).next
			if w.node(i).deadline > w.now && w.now < MaxTime {
				w.unlink(i) // it was due, and the time has gone back
				w.place(i)
				continue
			}
			timers--
			w.fire(i, fire)
		}
		for w.busy >= 0 && !w.empty(w.busy) {
			if limit <= 0 || timers <= 0 && w.busy < slots {
				return true
			}
			limit--
			i := w.node(uint32(w.busy)).next
			if w.busy < slots {
				timers--
				w.fire(i, fire)
				continue
			}
			w.unlink(i)
			if min(w.node(i).deadline, MaxTime) <= w.now {
				// It falls due with the slot's first tick. A new timer goes to the list being
				// filled; this one was set long ago, so it must not wait for another Advance.
				w.link(i, draining)
				continue
			}
			w.place(i)
		}
		w.busy = -1
		if !w.empty(draining) {
			continue
		}
		slot, at, ok := w.nextSlot()
		if !ok || at > now {
			w.now = max(w.now, now)
			return !w.empty(w.filling)
		}
		w.now, w.busy = at, slot
	}
}

// Rewind moves the time back to now; forward it does not go. What was due stays due only if it is by the new time, and
// keeps no order with others. It must not be called by a function that Advance has called.
func (w *Wheel[T]) Rewind(now int64) {
	now = max(0, now)
	if now >= w.now {
		return
	}
	level := (bits.Len64(uint64(now^w.now)) - 1) / levelBits
	slot := int(w.now>>(level*levelBits)) & (slots - 1)
	to := level*slots + slot
	for l, set := range w.occupied[:level] {
		for ; set != 0; set &= set - 1 {
			w.splice(l*slots+bits.TrailingZeros64(set), to)
		}
		w.occupied[l] = 0
	}
	if !w.empty(to) {
		w.occupied[level] |= 1 << slot
	}
	// The slot that the time had reached is one of those, or to itself.
	w.now, w.busy = now, -1
}

// nextSlot finds the next occupied slot and the time at which it begins.
func (w *Wheel[T]) nextSlot() (slot int, at int64, ok bool) {
	for l, set := range w.occupied {
		if set != 0 {
			s := bits.TrailingZeros64(set)
			shift := l * levelBits
			return l*slots + s, w.now>>(shift+levelBits)<<(shift+levelBits) | int64(s)<<shift, true
		}
	}
	return 0, 0, false
}

// find returns the node of a handle whose timer is pending.
func (w *Wheel[T]) find(h Handle) (uint32, bool) {
	i := uint32(h)
	if i < lists || i >= w.count {
		return 0, false
	}
	n := w.node(i)
	return i, n.pending && n.gen == uint32(h>>32)
}

// fire takes node i out of the wheel and hands its payload over. The node is freed first: fire may use the
// wheel, and may even be given the same node again.
func (w *Wheel[T]) fire(i uint32, fire func(T)) {
	payload := *w.of(i)
	w.unlink(i)
	w.release(i)
	fire(payload)
}

// place links node i into the list that its deadline asks for.
func (w *Wheel[T]) place(i uint32) {
	deadline := min(w.node(i).deadline, MaxTime)
	if deadline <= w.now {
		w.link(i, w.filling)
		return
	}
	level := (bits.Len64(uint64(deadline^w.now)) - 1) / levelBits
	slot := int(deadline>>(level*levelBits)) & (slots - 1)
	w.occupied[level] |= 1 << slot
	w.link(i, level*slots+slot)
}

// link appends node i to a list.
func (w *Wheel[T]) link(i uint32, list int) {
	head := uint32(list)
	h, n := w.node(head), w.node(i)
	n.next, n.prev = head, h.prev
	w.node(h.prev).next = i
	h.prev = i
}

// unlink takes node i out of its list.
func (w *Wheel[T]) unlink(i uint32) {
	n := w.node(i)
	w.node(n.prev).next = n.next
	w.node(n.next).prev = n.prev
	if n.next == n.prev && n.next < dueA { // both are the head: the slot is empty now
		w.occupied[n.next/slots] &^= 1 << (n.next % slots)
	}
}

// splice moves all nodes of a list that is not empty to the end of another.
func (w *Wheel[T]) splice(from, to int) {
	f, t := w.node(uint32(from)), w.node(uint32(to))
	w.node(t.prev).next = f.next
	w.node(f.next).prev = t.prev
	w.node(f.prev).next = uint32(to)
	t.prev = f.prev
	f.next, f.prev = uint32(from), uint32(from)
}

// release makes the unlinked node i free, under its next generation.
func (w *Wheel[T]) release(i uint32) {
	n := w.node(i)
	n.pending = false
	if n.gen++; n.gen == 0 {
		n.gen = 1
	}
	n.next = w.free
	w.free = i
	var zero T
	*w.of(i) = zero
	w.length--
}

func (w *Wheel[T]) empty(list int) bool { return w.node(uint32(list)).next == uint32(list) }
