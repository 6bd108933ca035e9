package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"everloop/loop"
	"everloop/wal"
)

// RestorePoint is a moment to go back to: a bookmark of the object, or a time, which means what was durable then. The zero value is now.
type RestorePoint struct {
	Time     time.Time
	Bookmark Bookmark
}

// Restored says what an object was restored to.
type Restored struct {
	// At is the moment. Its time is that at which the last write before was committed; zero if that is not known.
	At wal.Position
	// Keys is how many keys the object has now, Bytes how long they and their values are.
	Keys  int
	Bytes int
	// Undo names what the object was before.
	Undo Bookmark
}

var (
	// ErrNothingStored refuses to restore or to fork what is nothing: the object has no keys now and had none then.
	ErrNothingStored = errors.New("engine: the object has nothing stored, and had nothing then")
	// ErrNotEmpty refuses to fork into an object that has something stored, or an alarm.
	ErrNotEmpty = errors.New("engine: the object that the fork is to become has something stored already")
	// ErrOneObject refuses to fork an object into itself.
	ErrOneObject = errors.New("engine: an object cannot be forked into itself: restore it")
	// ErrRestored is what an instance ends with whose object is restored under it, and with it what waits for it.
	ErrRestored = errors.New("This object was restored to an earlier state.")

	errSuperseded = errors.New("The restore was given up: another one, or a deleteAll(), came in between.")
)

// RestoreObject restores the keys of an object to what they were, at once and as a whole. An instance that is running is reset, and what waits for it
// fails with ErrRestored. The alarm stays as it is. The object need not exist any more, and its class need not be registered, as long as the
// log knows it. It returns when all of that is durable; if ctx ends earlier, it may still happen.
//
// Errors are ErrUnknownClass, ErrForeignID, ErrNothingStored, and those of [Storage.RestoreOnNextSession]. It is called from a goroutine of the embedding program.
func (e *Engine) RestoreObject(ctx context.Context, class string, id ID, at RestorePoint) (Restored, error) {
	return e.bringBack(ctx, class, &id, &id, at, func(o *owner, slot uint32, was *past) error {
		if o.table.at(slot).store.Len() == 0 && was.store.Len() == 0 {
			return ErrNothingStored
		}
		return nil
	})
}

// ForkObject gives an object the keys that another one of its class has, or had: all or none, while both go on. What it becomes must have nothing stored and no alarm:
// ErrNotEmpty. Its alarm is not set. ErrNothingStored if the other had no keys at that moment. Otherwise as [Engine.RestoreObject].
func (e *Engine) ForkObject(ctx context.Context, class string, from, to ID, at RestorePoint) (Restored, error) {
	if from.Equal(to) {
		return Restored{}, ErrOneObject
	}
	return e.bringBack(ctx, class, &from, &to, at, func(o *owner, slot uint32, was *past) error {
		r, p := o.table.at(slot), o.pasts[slot]
		switch {
		case was.store.Len() == 0:
			return ErrNothingStored
		case r.store.Len() > 0 || r.alarm != 0 || p != nil && p.ready != nil:
			return ErrNotEmpty
		}
		return nil
	})
}

// bringBack gives object to what object from was. may is asked on the loop of to.
func (e *Engine) bringBack(ctx context.Context, class string, from, to *ID, at RestorePoint, may func(*owner, uint32, *past) error) (Restored, error) {
	number, key, err := e.knownClass(class)
	switch {
	case insideTurn():
		return Restored{}, ErrInsideTurn
	case e.closing.Load():
		return Restored{}, ErrClosed
	case err != nil:
		return Restored{}, err
	case !key.proves(from) || !key.proves(to):
		return Restored{}, ErrForeignID
	}
	o := e.ownerOf(to)
	if err := o.hasCome(ctx, at.Time); err != nil {
		return Restored{}, err
	}
	var was *past
	var moment wal.Position
	source := objectKey{number, from.bytes}
	err = e.withHistory(ctx, func(h wal.History) (err error) {
		moment, was, err = e.contentAt(ctx, h, &source, at)
		return err
	})
	if err != nil {
		return Restored{}, err
	}
	got := Restored{At: moment, Keys: was.store.Len(), Bytes: was.store.Payload()}
	done := make(chan error, 1)
	target := objectKey{number, to.bytes}
	task := &staging{own: o, key: target, name: to, past: was, may: func(slot uint32) error { return may(o, slot, was) }}
	task.done = func(n wal.LSN, err error) {
		if err == nil {
			got.Undo = target.bookmark(bookmarkMoment, e.epoch(), n)
			err = o.restoreNow(task.slot)
		}
		if err != nil {
			done <- err
			return
		}
		o.hold(o.table.at(task.slot).lsn, func(err error) { done <- err })
	}
	if !o.loop.Post(task) {
		return Restored{}, ErrClosed
	}
	select {
	case err := <-done:
		if err != nil {
			return Restored{}, err
		}
		return got, nil
	case <-ctx.Done():
		return Restored{}, ctx.Err()
	case <-e.ended:
		return Restored{}, ErrClosed // the loops may have stopped in the middle
	}
}

// restoreNow restores an object and resets its instance. Called in a task.
func (o *owner) restoreNow(slot uint32) (err error) {
	o.together(func() {
		// First the restore: a reset may start another instance.
		r := o.table.at(slot)
		if err = o.restore(slot); err != nil || r.live == nil {
			return
		}
		a := r.live
		a.reset(asError(ErrRestored, a.class.name, a.id.String(), "restore").asReset())
	})
	return err
}

// hasCome refuses a time that lies in the future by the clock of the loop.
func (o *owner) hasCome(ctx context.Context, t time.Time) error {
	if t.IsZero() {
		return nil
	}
	now := make(chan int64, 1)
	if !o.loop.Post(loop.Func(func() { _, wall := o.loop.Clock(); now <- wall })) {
		return ErrClosed
	}
	select {
	case wall := <-now:
		if t.UnixMilli() > wall {
			return ErrFuture
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pastOf is what a bookmark of an object names, to be staged; nil for the end of a session that has not ended.
func (e *Engine) pastOf(ctx context.Context, h wal.History, k *objectKey, b Bookmark) (*past, error) {
	moment, pending, err := e.positionOf(ctx, h, k, b)
	if err != nil || pending {
		return nil, err
	}
	return e.stagedAt(ctx, h, k, moment)
}

// contentAt is what an object was at a moment, to be staged.
func (e *Engine) contentAt(ctx context.Context, h wal.History, k *objectKey, at RestorePoint) (moment wal.Position, was *past, err error) {
	moment = h.End()
	switch {
	case at.Bookmark != "":
		moment, _, err = e.positionOf(ctx, h, k, at.Bookmark)
	case !at.Time.IsZero():
		moment, err = positionAt(h, at.Time)
	}
	if err != nil {
		return moment, nil, err
	}
	was, err = e.stagedAt(ctx, h, k, moment)
	return moment, was, err
}

func (e *Engine) stagedAt(ctx context.Context, h wal.History, k *objectKey, at wal.Position) (*past, error) {
	was, err := e.readPast(ctx, h, k, at.LSN)
	if err != nil {
		return nil, err
	}
	return &past{epoch: at.Epoch, lsn: uint64(at.LSN), store: was.store}, nil
}

// knownClass finds a class that is registered, or that the log knows.
func (e *Engine) knownClass(name string) (number uint32, key *idKey, err error) {
	if k := (*e.byName.Load())[name]; k != nil {
		return k.number, k.key, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	unique, known := e.keyOf(name)
	if !known {
		return 0, nil, fmt.Errorf("%w: %s", ErrUnknownClass, name)
	}
	return e.defined[unique].number, newIDKey(unique), nil
}

// KnownID is the ID of the object of a class with that name, also where only the log knows the class: for [Engine.RestoreObject].
// ErrUnknownClass.
func (e *Engine) KnownID(class, name string) (ID, error) {
	_, key, err := e.knownClass(class)
	if err != nil {
		return ID{}, err
	}
	return key.fromName(name), nil
}

// KnownIDFromString is KnownID for an ID that was written down: ErrInvalidID, ErrForeignID.
func (e *Engine) KnownIDFromString(class, id string) (ID, error) {
	_, key, err := e.knownClass(class)
	if err != nil {
		return ID{}, err
	}
	return key.fromString(id)
}
