package engine

import (
	"context"
	"slices"
	"time"

	"everloop/engine/internal/kv"
	"everloop/engine/redo"
	"everloop/wal"
)

// Time travel. What an object is to be restored to is read from the history and staged beside its keys (past.go), by records of the log
// which no turn is part of: they are written between turns and stay when a turn is taken back. When the object starts next, what is staged
// takes the place of its keys before the constructor, by a record of its own.

// CurrentBookmark names what the object is now: with all that it has written, also in the turn that asks. It waits until that is durable, or for ctx;
// other events run meanwhile, and what they write may be in it. A transaction that is open is not.
func (s *Storage) CurrentBookmark(ctx context.Context) (Bookmark, error) {
	return s.awaitBookmark(ctx, s.StartCurrentBookmark)
}

// BookmarkForTime names what the object was at a moment, behind the last write that was durable then. It fails with an error that wraps ErrHistoryGone and says since
// when history is kept, and with ErrFuture. It waits, or until ctx ends; other events run meanwhile.
func (s *Storage) BookmarkForTime(ctx context.Context, t time.Time) (Bookmark, error) {
	return s.awaitBookmark(ctx, func(done func(Bookmark, error)) { s.StartBookmarkForTime(t, done) })
}

// RestoreOnNextSession restores the object's keys to what the bookmark names when the object starts next, before its constructor: after
// State.Abort, an eviction or a restart of the process. It waits until that is certain to happen, whatever comes, or for ctx; other events run meanwhile. The
// bookmark that it returns names the end of this session, what the object will be when the restore happens: to restore that undoes it. If the restore is called off,
// it names the end of the session in which the object is restored next.
//
// What was to be restored before is forgotten, as it is by DeleteAll. A bookmark for the end of this session calls the restore off. The alarm and
// WebSockets stay as they are. It is no part of a transaction, nor of the turn that waits for it: whatever becomes of these, the restore stays.
//
// It fails with ErrBookmark, ErrForeignBookmark, ErrFuture, ErrBookmarkLost or an error that wraps ErrHistoryGone, or as a write does; then what was to be restored before
// is as it was.
func (s *Storage) RestoreOnNextSession(ctx context.Context, b Bookmark) (undo Bookmark, err error) {
	return s.awaitBookmark(ctx, func(done func(Bookmark, error)) { s.StartRestoreOnNextSession(b, done) })
}

// awaitBookmark waits for what is started, in a coroutine of the object.
func (s *Storage) awaitBookmark(ctx context.Context, start func(func(Bookmark, error))) (b Bookmark, err error) {
	r := s.a.await(ctx, func(rep waiter) {
		start(func(got Bookmark, err error) {
			b = got
			rep.Reply(Reply{Err: err})
		})
	})
	if r.Err != nil {
		return "", r.Err
	}
	return b, nil
}

// StartCurrentBookmark is CurrentBookmark for code that ends by callback: done is called in a later turn of the object, unless that is reset.
func (s *Storage) StartCurrentBookmark(done func(Bookmark, error)) {
	a := s.a
	if a.direct != nil {
		done("", ErrDirect)
		return
	}
	if a.dead {
		return
	}
	a.raise(a.class.known)
	a.State.sync(func(err error) {
		if err == nil && a.rec.lsn == never {
			err = ErrUnavailable
		}
		if err != nil {
			done("", err)
			return
		}
		// What is durable by now is not this object's work alone. But a bookmark of the object's own last record, which may be old,
		// would soon lead to what is not kept any more.
		a.raise(a.rec.lsn)
		done(a.key().bookmark(bookmarkMoment, a.own.eng.epoch(), max(a.rec.lsn, a.own.eng.log.Durable())), nil)
	})
}

// StartBookmarkForTime is BookmarkForTime for code that ends by callback: done is called in a later turn of the object, unless that is reset.
func (s *Storage) StartBookmarkForTime(t time.Time, done func(Bookmark, error)) {
	a := s.a
	if a.direct != nil {
		done("", ErrDirect)
		return
	}
	if a.dead {
		return
	}
	if _, wall := a.own.loop.Clock(); t.UnixMilli() > wall {
		a.inject(a.current, func() { done("", ErrFuture) })
		return
	}
	var at wal.Position
	a.travel(func(_ context.Context, h wal.History) (err error) {
		at, err = positionAt(h, t)
		return err
	}, func(err error) {
		if err != nil {
			done("", err)
			return
		}
		done(a.key().bookmark(bookmarkMoment, at.Epoch, at.LSN), nil)
	})
}

// StartRestoreOnNextSession is RestoreOnNextSession for code that ends by callback: done is called in a later turn of the object, unless that is reset.
func (s *Storage) StartRestoreOnNextSession(b Bookmark, done func(undo Bookmark, err error)) {
	a := s.a
	if a.direct != nil {
		done("", ErrDirect)
		return
	}
	if a.dead {
		return
	}
	key := a.key()
	_, _, _, err := key.parse(b)
	if err == nil {
		err = s.writable()
	}
	if err != nil {
		a.inject(a.current, func() { done("", err) })
		return
	}
	var was *past
	a.travel(func(ctx context.Context, h wal.History) (err error) {
		was, err = a.own.eng.pastOf(ctx, h, &key, b)
		return err
	}, func(err error) {
		if err != nil {
			done("", err)
			return
		}
		sec := a.section()
		a.pin()
		told := func(n wal.LSN, err error) {
			a.inject(sec, func() {
				a.unpin()
				if err != nil {
					done("", err)
					return
				}
				done(key.bookmark(bookmarkUndo, a.own.eng.epoch(), n), nil)
			})
		}
		a.own.loop.Post(&staging{own: a.own, key: key, name: &a.id, past: was, of: a, done: told})
	})
}

// key is the object as the log names it.
func (a *actor) key() objectKey { return objectKey{a.class.number, a.id.bytes} }

// travel is a look into the history that is under way for an object. Owned by its loop.
type travel struct {
	a      *actor
	cancel context.CancelFunc
}

// travel runs work off the loop once everything that the object knows is durable, and then done in a turn of the object. A reset cancels it.
func (a *actor) travel(work func(context.Context, wal.History) error, done func(error)) {
	o := a.own
	a.raise(a.class.known)
	ctx, cancel := context.WithCancel(context.Background())
	t := &travel{a, cancel}
	o.travels[t] = struct{}{}
	var failed error
	a.offLoop(func() {
		failed = o.eng.withHistory(ctx, func(h wal.History) error { return work(ctx, h) })
	}, func(err error) {
		delete(o.travels, t)
		cancel()
		if err == nil {
			err = failed
		}
		done(err)
	})
}

// dropTravels cancels those of an object that was reset.
func (o *owner) dropTravels(a *actor) {
	for t := range o.travels {
		if t.a == a {
			t.cancel()
			delete(o.travels, t)
		}
	}
}

const (
	// stageBytes is how much content a record stages, if not a single key is larger; and what a loop does in one piece.
	stageBytes = 1 << 20
	// stageWindow is how much is handed over to the log before it is waited for, so that others have room in it.
	stageWindow = 8 << 20
)

// staging is the task that stages content for an object: a record at a time. Owned by the object's loop. nil content calls off what is staged.
type staging struct {
	own  *owner
	key  objectKey
	name *ID    // with the object's name, if it is known
	past *past  // is read only from now on
	of   *actor // whose session asks for it; nil: none does
	// may is asked before the first record and before the last one.
	may func(slot uint32) error
	// done is told the last record, in a task: not in a turn.
	done func(n wal.LSN, err error)

	slot     uint32
	begun    bool
	after    string // the last key that was staged, if some was
	some     bool
	inWindow int
}

func (t *staging) Run() {
	t.step()
	t.own.drain()
}

// step writes one record.
func (t *staging) step() {
	o := t.own
	if t.of != nil && t.of.dead {
		t.drop()
		return
	}
	if t.begun && (o.pasts[t.slot] == nil || o.pasts[t.slot].begun != t.past) {
		t.done(0, errSuperseded)
		return
	}
	if err := o.eng.writable(); err != nil {
		t.fail(err)
		return
	}
	var ops []byte
	if !t.begun {
		if slices.Contains(o.gone, t.key.class) {
			t.done(0, ErrUnknownClass)
			return
		}
		id := ID{bytes: t.key.id}
		r, slot := o.table.find(t.key.class, &id)
		if r == nil {
			_, slot = o.table.add(t.key.class, &id)
		}
		t.slot = slot
		if t.may != nil {
			if err := t.may(slot); err != nil {
				o.letGo(slot)
				t.done(0, err)
				return
			}
		}
		if t.past == nil {
			t.callOff()
			return
		}
		t.begun = true
		o.pastsOf(slot).begun = t.past
		ops = redo.AppendStageBegin(ops, t.past.epoch, t.past.lsn)
	}
	rest := false
	t.past.store.Scan(kv.Range{StartAfter: t.after, HasStartAfter: t.some}, func(key, value []byte) bool {
		if len(ops) >= stageBytes {
			rest = true
			return false
		}
		ops = redo.AppendStagePut(ops, string(key), value)
		t.after, t.some = string(key), true
		return true
	})
	if !rest {
		if t.may != nil {
			if err := t.may(t.slot); err != nil {
				t.fail(err)
				return
			}
		}
		ops = redo.AppendStageReady(ops)
	}
	n, err := o.logObject(t.slot, t.name, ops)
	if err != nil {
		t.fail(err)
		return
	}
	t.inWindow += len(ops)
	switch {
	case !rest:
		p := o.pasts[t.slot]
		p.ready, p.begun = p.begun, nil
		t.done(n, nil)
	case t.inWindow < stageWindow:
		o.loop.Post(t)
	default:
		t.inWindow = 0
		o.hold(n, func(err error) {
			if err != nil {
				t.fail(err)
				return
			}
			o.loop.Post(t)
		})
	}
}

// callOff forgets what is staged.
func (t *staging) callOff() {
	o := t.own
	n, err := o.logObject(t.slot, t.name, redo.AppendUnstage(nil))
	if err == nil {
		o.forgetPasts(t.slot)
	}
	t.done(n, err)
}

// fail ends it with nothing changed.
func (t *staging) fail(err error) {
	t.drop()
	t.done(0, err)
}

// drop forgets what was begun. The log needs no word of that: content that is not ready has no effect.
func (t *staging) drop() {
	o := t.own
	if p := o.pasts[t.slot]; t.begun && p != nil && p.begun == t.past {
		p.begun = nil
		o.tidyPasts(t.slot)
		o.letGo(t.slot)
	}
}

// logObject logs operations of an object which no turn is part of, and raises the dependency of its instance. id, if it is not nil, knows the object's name.
func (o *owner) logObject(slot uint32, id *ID, ops []byte) (wal.LSN, error) {
	r := o.table.at(slot)
	named := id != nil && id.named && !r.name.known()
	if named {
		o.scratch = redo.AppendNamedObject(o.scratch[:0], r.class, &r.id, id.name)
	} else {
		o.scratch = redo.AppendObject(o.scratch[:0], r.class, &r.id)
	}
	o.scratch = append(o.scratch, ops...)
	n, err := o.eng.log.Append(o.index, o.scratch)
	if cap(o.scratch) > 1<<20 {
		o.scratch = nil
	}
	if err != nil {
		if o.eng.log.Err() == nil {
			o.eng.logger.Warn("the log does not take what an object is restored to", "object", ID{bytes: r.id}.String(), "err", err)
			return 0, ErrBacklog
		}
		return 0, ErrUnavailable
	}
	if named {
		r.name = newName(id.name)
	}
	r.lsn = n
	if r.live != nil {
		r.live.raise(n)
	}
	return n, nil
}

// restore puts what is ready in the place of an object's keys. Its instance, if there is one, has not begun or ends here.
func (o *owner) restore(slot uint32) error {
	p := o.pasts[slot]
	if p == nil || p.ready == nil {
		return nil
	}
	moment := *p.ready
	n, err := o.logObject(slot, nil, redo.AppendRestore(nil))
	if err != nil {
		return err
	}
	op := redo.Ops{Op: redo.OpRestore}
	r := o.table.at(slot)
	p.apply(&r.store, n, &op)
	o.eng.logger.Info("an object was restored to an earlier state", "object", ID{bytes: r.id}.String(), "keys", r.store.Len(), "epoch", moment.epoch, "record", moment.lsn)
	return nil
}
