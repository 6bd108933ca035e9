package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"everloop/loop"
	"everloop/wal"
)

// ErrCursor says that a cursor is none of this engine, since it was opened.
var ErrCursor = errors.New("engine: no cursor of a list of objects, or one from before the start")

// Bounds of lists of objects.
const (
	// MaxObjectsCount is how many objects are listed at once.
	MaxObjectsCount = 1000
	// objectsSlice is how many places a loop looks at in one turn, and objectsBudget in one list: then it ends, though it may be empty.
	objectsSlice  = 4 << 10
	objectsBudget = 256 << 10
)

// ObjectsQuery asks for objects of a class that have something durable: a key, an alarm, or an alarm that was given up.
type ObjectsQuery struct {
	// Cursor is 0 at first, and then what the last list gave.
	Cursor uint64
	// Count is how many objects are looked for, 1 to MaxObjectsCount. Default 10.
	Count int
	// Match, if not nil, says which names are wanted; objects whose name is not known are left out then. It is called on the loops.
	Match func(name string) bool
}

// Objects is a part of a list of objects.
type Objects struct {
	// IDs have their names where these are known.
	IDs []ID
	// Cursor goes on with the list; 0: this was the end. It is good until the engine closes.
	Cursor uint64
}

// Objects lists objects of a class, some at a time, in no order. Those that are there from the first call to the last are listed exactly once; others
// perhaps. A list may be empty without being the end: a call looks at a bounded number of objects, of whatever class, and holds no loop for longer than
// a few thousand take. What is listed is durable. Errors: ErrUnknownClass, ErrCursor, ErrClosed, ErrUnavailable, ErrInsideTurn, that of ctx. It is
// called from a goroutine of the embedding program.
func (e *Engine) Objects(ctx context.Context, class string, q ObjectsQuery) (Objects, error) {
	if insideTurn() {
		return Objects{}, ErrInsideTurn
	}
	type answer struct {
		got Objects
		err error
	}
	told := make(chan answer, 1)
	e.listObjects(class, q, func(got Objects, err error) { told <- answer{got, err} })
	select {
	case a := <-told:
		return a.got, a.err
	case <-ctx.Done():
		return Objects{}, ctx.Err()
	}
}

// Objects is [Engine.Objects] for a protocol: it is called on the port's loop, and done is called there, once.
func (p *Port) Objects(class string, q ObjectsQuery, done func(Objects, error)) {
	home := p.own
	home.eng.listObjects(class, q, func(got Objects, err error) {
		home.loop.Post(loop.Func(func() {
			done(got, err)
			home.drain()
		}))
	})
}

// listing is a list that is being made. It goes from loop to loop, and is owned by the one that it is on.
type listing struct {
	eng    *Engine
	class  *class
	q      ObjectsQuery
	own    *owner
	slot   uint32
	budget int
	dep    wal.LSN // of what is listed, on this loop
	got    Objects
	done   func(Objects, error) // on any loop or goroutine
}

func (e *Engine) listObjects(class string, q ObjectsQuery, done func(Objects, error)) {
	k := (*e.byName.Load())[class]
	if k == nil {
		done(Objects{}, fmt.Errorf("engine: list the objects of %s: %w", class, ErrUnknownClass))
		return
	}
	if q.Count <= 0 {
		q.Count = 10
	}
	q.Count = min(q.Count, MaxObjectsCount)
	l := &listing{eng: e, class: k, q: q, own: e.owners[0], budget: objectsBudget, done: done}
	if q.Cursor != 0 {
		i := int(q.Cursor >> 32 & 0xffff)
		if uint16(q.Cursor>>48) != e.cursorTag() || i >= len(e.owners) {
			done(Objects{}, ErrCursor)
			return
		}
		l.own, l.slot = e.owners[i], uint32(q.Cursor)
	}
	l.post()
}

// cursorTag tells the cursors of this engine from those of one before it, whose places mean nothing here. It is never 0.
func (e *Engine) cursorTag() uint16 {
	e.cursorOnce.Do(func() {
		var b [2]byte
		rand.Read(b[:]) // never fails
		e.cursor = binary.BigEndian.Uint16(b[:]) | 1
	})
	return e.cursor
}

func (l *listing) post() {
	if !l.own.loop.Post(l) {
		l.done(Objects{}, ErrClosed)
	}
}

// Run looks at the next places of a loop. A record keeps its place as long as there is one, so each is come by once.
func (l *listing) Run() {
	o := l.own
	end := uint32(len(o.table.slabs)) * slabSize
	for n := 0; n < objectsSlice && l.slot < end && len(l.got.IDs) < l.q.Count; n++ {
		l.look(l.slot)
		l.slot++
		l.budget--
	}
	switch {
	case l.slot < end && len(l.got.IDs) < l.q.Count && l.budget > 0:
		l.post() // others of the loop come in between
	case l.slot < end:
		l.got.Cursor = uint64(l.eng.cursorTag())<<48 | uint64(o.index)<<32 | uint64(l.slot)
		l.settle(func() { l.done(l.got, nil) })
	case o.index+1 == len(l.eng.owners):
		l.settle(func() { l.done(l.got, nil) })
	default:
		l.settle(func() {
			l.own, l.slot = l.eng.owners[o.index+1], 0
			if len(l.got.IDs) < l.q.Count && l.budget > 0 {
				l.post()
				return
			}
			l.got.Cursor = uint64(l.eng.cursorTag())<<48 | uint64(l.own.index)<<32
			l.done(l.got, nil)
		})
	}
	o.drain()
}

// settle goes on with then when what was listed on this loop is durable.
func (l *listing) settle(then func()) {
	dep := l.dep
	l.dep = 0
	if dep == 0 {
		then()
		return
	}
	l.own.hold(dep, func(failed error) {
		if failed != nil {
			l.done(Objects{}, failed)
			return
		}
		then()
	})
}

// look lists the object at a place, if there is one that is wanted.
func (l *listing) look(slot uint32) {
	o := l.own
	r := o.table.at(slot)
	if !r.used || r.class != l.class.number || r.store.Len() == 0 && r.alarm == 0 && o.alarms.failed[slot] == nil {
		return
	}
	id := ID{bytes: r.id, key: l.class.key}
	if r.name.known() {
		id.name, id.named = r.name.String(), true
	}
	if l.q.Match != nil && (!id.named || !l.q.Match(id.name)) {
		return
	}
	l.got.IDs = append(l.got.IDs, id)
	l.dep = max(l.dep, r.lsn)
}
