package engine

import (
	"everloop/engine/internal/kv"
	"everloop/wal"
)

// Outgoing is the number of requests that are under way. Call it while nothing runs.
func (e *Engine) Outgoing() (n int) {
	for _, o := range e.owners {
		n += len(o.outgoing)
	}
	return n
}

// Sent is the number of them that have left, or are about to.
func (e *Engine) Sent() (n int) {
	for _, o := range e.owners {
		for q := range o.outgoing {
			if q.sent {
				n++
			}
		}
	}
	return n
}

// LoopOf is the index of an object's loop.
func (e *Engine) LoopOf(id *ID) int { return e.ownerOf(id).index }

// EventsUnderWay is the number of events of entry points that are under way on a loop. Call it while nothing runs.
func (e *Engine) EventsUnderWay(loop int) int { return e.owners[loop].events }

// SocketSets is the number of objects that sockets are kept for, SocketEvents that of events that hold some.
func (e *Engine) SocketSets() (n int) {
	for _, o := range e.owners {
		n += len(o.sockets)
	}
	return n
}

func (e *Engine) SocketEvents() (n int) {
	for _, o := range e.owners {
		n += len(o.socketEvents)
	}
	return n
}

// Waiting is the number of alarms whose run somebody waits for. Call it while nothing runs.
func (e *Engine) Waiting() (n int) {
	for _, o := range e.owners {
		n += len(o.alarms.waiting)
	}
	return n
}

// AwaitWork waits for what is done off the loops. Call it while they rest.
func (e *Engine) AwaitWork() { e.work.Wait() }

// Staged is the number of objects for which something is staged, or that were restored once. Call it while nothing runs.
func (e *Engine) Staged() (n int) {
	for _, o := range e.owners {
		n += len(o.pasts)
	}
	return n
}

// Travelling is the number of looks into the history that are under way for objects. Call it while nothing runs.
func (e *Engine) Travelling() (n int) {
	for _, o := range e.owners {
		n += len(o.travels)
	}
	return n
}

// BookmarkOf makes a bookmark of any moment of an object.
func BookmarkOf(class uint32, id ID, epoch uint64, n wal.LSN) Bookmark {
	return objectKey{class, id.bytes}.bookmark(bookmarkMoment, epoch, n)
}

// MaxTravelsForTests is how many looks into the history are under way or wait at most.
const MaxTravelsForTests = maxTravels + maxTravelQueue

// HoldTravels takes all places for looks into the history until it is called off.
func (e *Engine) HoldTravels() (off func()) {
	for range maxTravels {
		e.travelling.places <- struct{}{}
	}
	return func() {
		for range maxTravels {
			<-e.travelling.places
		}
	}
}

// TravelsWaiting is how many looks into the history are under way or wait.
func (e *Engine) TravelsWaiting() int { return int(e.travelling.waiting.Load()) }

// View shows what the engine has in memory. Call it while nothing runs.
func (e *Engine) View() *View {
	v := &View{byNumber: make(map[uint32]ViewClass), owners: e.owners}
	v.know(&e.catalog)
	return v
}

// ViewOf is viewOf.
func ViewOf(h wal.History, to wal.LSN, o ViewOptions) (*View, error) { return viewOf(h, to, o) }

// NextClass is the number that the next class gets.
func (e *Engine) NextClass() uint32 { return e.next }

// OpenViewOf is OpenView of what open opens.
var OpenViewOf = openView

// Stored is the memory of a value of an object. Call it while nothing runs.
func (e *Engine) Stored(class uint32, id ID, key string) []byte {
	r, _ := e.ownerOf(&id).table.find(class, &id)
	value, _ := r.store.Get(key)
	return value
}

// WriteLargeAfterEnd has a run that has ended, and has no frame any more, write a large object.
func WriteLargeAfterEnd() {
	var r snapshotRun
	r.over.Store(true)
	var s kv.Store
	r.writeLarge(1, nil, nil, nil, s.Freeze(), nil)
}
