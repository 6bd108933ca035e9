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
// Timers are nodes of one slab and are linked by index, not by pointer: 24 bytes each beside the payload,
// and nothing for the garbage collector to chase. A freed node is used again under a new generation, which
// is part of the [Handle]; a stale handle therefore names nothing.
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
	none  = lists    // nodes[i].list of a node that is free
)

// Handle names a timer. The zero Handle names none. A handle is stale once its timer has fired or was
// cancelled; using it then is harmless.
type Handle uint64

// node is a timer or, below index lists, the head of a circular list.
type node struct {
	deadline   int64
	next, prev uint32 // in its list; next also links the free nodes
	gen        uint32 // Invariant: never 0 for a timer, so that no handle is 0
	list       uint16 // the list it is in: level*slots+slot, dueA, dueB or none
}

// Wheel is a set of timers with a payload of type T each. Owned by one goroutine. Use [New].
type Wheel[T any] struct {
	now      int64          // Invariant: no slot list holds a timer with a deadline before now
	occupied [levels]uint64 // bit s of level l: list l*slots+s is not empty
	busy     int            // the slot that the time has reached and Advance has not emptied, or -1
	filling  int            // dueA or dueB: where new timers that are already due go
	free     uint32         // first free node, or 0
	length   int
	nodes    []node
	payload  []T // payload[i] belongs to nodes[lists+i]
}

// New returns an empty wheel whose time is now, which must lie between 0 and [MaxTime].
func New[T any](now int64) *Wheel[T] {
	w := &Wheel[T]{now: max(0, min(now, MaxTime)), busy: -1, filling: dueA, nodes: make([]node, lists)}
	for i := range w.nodes {
		w.nodes[i].next, w.nodes[i].prev = uint32(i), uint32(i)
	}
	return w
}

// Len is the number of pending timers.
func (w *Wheel[T]) Len() int { return w.length }

// Now is the time that Advance has reached.
func (w *Wheel[T]) Now() int64 { return w.now }

// Insert adds a timer. It fires in the first Advance to deadline or later; one that is already due fires in
// the next Advance, and not in the one that is running. It allocates only when the slab grows.
func (w *Wheel[T]) Insert(deadline int64, payload T) Handle {
	i := w.free
	if i != 0 {
		w.free = w.nodes[i].next
	} else {
		i = uint32(len(w.nodes))
		w.nodes = append(w.nodes, node{gen: 1, list: none})
		var zero T
		w.payload = append(w.payload, zero)
	}
	w.payload[i-lists] = payload
	w.nodes[i].deadline = deadline
	w.place(i)
	w.length++
	return Handle(uint64(w.nodes[i].gen)<<32 | uint64(i))
}

// Rearm moves a pending timer to another deadline. It reports whether the timer was pending.
func (w *Wheel[T]) Rearm(h Handle, deadline int64) bool {
	i, ok := w.find(h)
	if !ok {
		return false
	}
	w.unlink(i)
	w.nodes[i].deadline = deadline
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
	now = min(now, MaxTime)
	draining := w.filling ^ dueA ^ dueB
	if w.empty(draining) {
		draining, w.filling = w.filling, draining
	}
	for {
		for !w.empty(draining) {
			if limit <= 0 {
				return true
			}
			limit--
			w.fire(w.nodes[draining].next, fire)
		}
		for w.busy >= 0 && !w.empty(w.busy) {
			if limit <= 0 {
				return true
			}
			limit--
			i := w.nodes[w.busy].next
			if w.busy < slots {
				w.fire(i, fire)
				continue
			}
			w.unlink(i)
			if min(w.nodes[i].deadline, MaxTime) <= w.now {
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
	if i < lists || int(i) >= len(w.nodes) {
		return 0, false
	}
	n := &w.nodes[i]
	return i, n.list != none && n.gen == uint32(h>>32)
}

// fire takes node i out of the wheel and hands its payload over. The node is freed first: fire may use the
// wheel, and may even be given the same node again.
func (w *Wheel[T]) fire(i uint32, fire func(T)) {
	payload := w.payload[i-lists]
	w.unlink(i)
	w.release(i)
	fire(payload)
}

// place links node i into the list that its deadline asks for.
func (w *Wheel[T]) place(i uint32) {
	deadline := min(w.nodes[i].deadline, MaxTime)
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
	tail := w.nodes[head].prev
	n := &w.nodes[i]
	n.next, n.prev, n.list = head, tail, uint16(list)
	w.nodes[tail].next = i
	w.nodes[head].prev = i
}

// unlink takes node i out of its list.
func (w *Wheel[T]) unlink(i uint32) {
	n := &w.nodes[i]
	w.nodes[n.prev].next = n.next
	w.nodes[n.next].prev = n.prev
	if n.next == n.prev && n.list < dueA { // both are the head: the slot is empty now
		w.occupied[n.list/slots] &^= 1 << (n.list % slots)
	}
}

// release makes the unlinked node i free, under its next generation.
func (w *Wheel[T]) release(i uint32) {
	n := &w.nodes[i]
	n.list = none
	if n.gen++; n.gen == 0 {
		n.gen = 1
	}
	n.next = w.free
	w.free = i
	var zero T
	w.payload[i-lists] = zero
	w.length--
}

func (w *Wheel[T]) empty(list int) bool { return w.nodes[list].next == uint32(list) }
