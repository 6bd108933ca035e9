package engine

import "everloop/engine/internal/mechanism"

// The input gate of an object. While a critical section is open (its constructor, blockConcurrencyWhile, a
// transaction), nothing enters the object except what belongs to that section: the answers to calls that
// the section made, its timers, its off-loop work. Everything else waits in order.
//
// Sections nest: a section that is opened from inside another is its child, and the innermost open section
// is the only one that takes work. Sections that are opened side by side run one after the other.

// maxSectionDepth is how deep critical sections nest (Cloudflare's limit).
const maxSectionDepth = 64

// section is one open critical section. Owned by its actor's loop.
type section struct {
	parent *section
	depth  int
	queue  stepQueue // work of this section
	ended  bool
}

// step is one piece of work of an actor: it is run as one turn of it.
type step interface{ step(a *actor) }

// stepFunc is a function as a step.
type stepFunc func(a *actor)

func (f stepFunc) step(a *actor) { f(a) }

// stepQueue is a first-in-first-out queue that reuses its memory.
type stepQueue struct {
	items []step
	head  int
}

func (q *stepQueue) len() int { return len(q.items) - q.head }

func (q *stepQueue) push(s step) {
	if q.head > 32 && q.head*2 > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, s)
}

func (q *stepQueue) pop() step {
	s := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return s
}

// enqueue adds work that belongs to section sec (nil: to none) and schedules the actor if that work may run.
func (a *actor) enqueue(sec *section, s step) {
	// Where its section has closed meanwhile, the work belongs to what is around it.
	if sec = a.enclosing(sec); sec == nil || mechanism.Off.InputGate {
		a.queue.push(s)
	} else {
		sec.queue.push(s)
	}
	a.schedule()
}

// enclosing returns the nearest section around sec that is still open.
func (a *actor) enclosing(sec *section) *section {
	for sec != nil {
		for open := a.top; open != nil; open = open.parent {
			if open == sec {
				return sec
			}
		}
		sec = sec.parent
	}
	return nil
}

// runnable returns the queue that may run now.
func (a *actor) runnable() *stepQueue {
	if a.top != nil && !mechanism.Off.InputGate {
		return &a.top.queue
	}
	return &a.queue
}

// open starts a critical section inside the one that the running turn is in, and runs begin in it: now, if no
// other section stands in between, else in a later turn.
func (a *actor) open(begin func(sec *section)) error {
	depth := 1
	if a.current != nil {
		depth = a.current.depth + 1
	}
	if depth > maxSectionDepth {
		return ErrDepth
	}
	sec := &section{parent: a.current, depth: depth}
	if a.top == a.current {
		a.top, a.current = sec, sec
		begin(sec)
		a.current = sec.parent
		return nil
	}
	a.enqueue(a.current, stepFunc(func(a *actor) {
		a.top, a.current = sec, sec
		begin(sec)
	}))
	return nil
}

// close ends a section. Its parent takes over once everything inside has ended, too.
func (a *actor) close(sec *section) {
	sec.ended = true
	a.settle()
}

// settle leaves the sections that have ended and have no work left.
func (a *actor) settle() {
	for a.top != nil && a.top.ended && a.top.queue.len() == 0 {
		a.top = a.top.parent
	}
	a.schedule()
}
