package enginetest

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
)

// What an object is to be restored to is part of its content, under keys that no program uses, as its alarm is.
const (
	begunKey    = "\x00begun" // content is being staged: the record that it is as of
	begunPrefix = "\x00begun/"
	readyKey    = "\x00ready" // content is staged
	readyPrefix = "\x00ready/"
	restoredKey = "\x00restored" // the record of the last restore
)

// bookmark is one that an object was told, and what it had stored then.
type bookmark struct {
	text engine.Bookmark
	lsn  wal.LSN
	kept content
	lost bool // a crash has taken that record
}

// ofPast reports whether an operation is about what is staged.
func ofPast(op redo.Op) bool { return op >= redo.OpStageBegin && op <= redo.OpRestored }

// replayPast applies such an operation, of record n, to a content.
func (c content) replayPast(n wal.LSN, op *redo.Ops) {
	_, begun := c[begunKey]
	_, ready := c[readyKey]
	switch op.Op {
	case redo.OpStageBegin:
		c.forget(begunKey)
		c[begunKey] = op.LSN
	case redo.OpStagePut:
		if begun {
			c[begunPrefix+string(op.Key)] = decode(op.Value)
		}
	case redo.OpStageReady:
		if begun {
			c.forget(readyKey)
			c[readyKey] = c[begunKey]
			maps.Copy(c, c.staged(begunPrefix, readyPrefix))
			c.forget(begunKey)
		}
	case redo.OpRestore:
		if ready {
			for k := range c.stored() {
				delete(c, k)
			}
			maps.Copy(c, c.staged(readyPrefix, ""))
			c.forget(readyKey)
			c[restoredKey] = uint64(n)
		}
	case redo.OpUnstage:
		c.forgetPast()
	case redo.OpRestored:
		c[restoredKey] = op.LSN
	}
}

// staged is what is under one prefix, under another.
func (c content) staged(from, to string) content {
	s := content{}
	for k, v := range c {
		if name, ok := strings.CutPrefix(k, from); ok {
			s[to+name] = v
		}
	}
	return s
}

// forget removes a key and what is under it.
func (c content) forget(key string) {
	for k := range c {
		if k == key || strings.HasPrefix(k, key+"/") {
			delete(c, k)
		}
	}
}

// forgetPast is what deleteAll does to it.
func (c content) forgetPast() {
	c.forget(begunKey)
	c.forget(readyKey)
}

// pastRecord takes a record which no turn has written: what an object is to be restored to, or that it is. It reports whether it is one.
func (w *world) pastRecord(o *object, rec *redo.Record, lsn wal.LSN) bool {
	n := 0
	for ops := rec.Ops(); ops.Next(); n++ {
		if !ofPast(ops.Op) {
			return false
		}
	}
	if n == 0 {
		return false
	}
	live := o.inst.live()
	if !live {
		o.takeBack() // what a dead instance has written is not in any record
	}
	if o.pending != nil {
		w.fail(Wrong, "what %s is restored to is logged in the middle of a turn of it", o.name)
	}
	last := o.versions[len(o.versions)-1]
	v := version{n: last.n, knows: last.knows, lsn: lsn}
	for ops := rec.Ops(); ops.Next(); {
		o.content.replayPast(lsn, &ops)
		switch ops.Op {
		case redo.OpStageReady:
			w.staged(o)
		case redo.OpRestore:
			if live && w.bringing != o {
				w.fail(Wrong, "%s is restored, and has an instance", o.name)
			}
			o.last++
			v.n = o.last
			v.knows.seen[o.index], v.knows.must[o.index] = v.n, v.n
			w.count.Restored++
			w.note("record %d: %s is restored to %v, version %d", lsn, o.name, o.content, v.n)
		}
	}
	v.content = maps.Clone(o.content)
	o.versions = append(o.versions, v)
	w.note("record %d: %d operations on what %s is to be restored to", lsn, n, o.name)
	return true
}

// begins checks that a session of an object begins after it was restored to what was staged, and not before.
func (o *object) begins(w *world) {
	if at, staged := o.content[readyKey]; staged && w.journal.Err() == nil {
		w.fail(Wrong, "a session of %s begins, and it is to be restored to record %d", o.name, at)
	}
}

// staged compares what has been staged with what the object was.
func (w *world) staged(o *object) {
	got, at := o.content.staged(readyPrefix, ""), wal.LSN(o.content[readyKey])
	if at >= w.began {
		if want := o.at(at).content.stored(); !maps.Equal(got, want) {
			w.fail(Wrong, "%s is to be restored to %v as of record %d, and it was %v", o.name, got, at, want)
		}
		return
	}
	for _, b := range o.bookmarks {
		if b.lsn == at && maps.Equal(got, b.kept) {
			return
		}
	}
	w.fail(Wrong, "%s is to be restored to %v as of record %d, and no bookmark is of that", o.name, got, at)
}

// travel asks for a bookmark, or for a restore. One at a time, as goroutines that want to read the history come in no order.
func (t *thread) travel() error {
	w, in := t.w, t.in
	o := in.obj
	if w.config.TwoLogs || w.traveller != nil && !w.traveller.gone() {
		return nil
	}
	w.traveller = t
	defer func() { w.traveller = nil }()
	if len(o.bookmarks) == 0 || w.pick(3) == 0 {
		least := o.stamp()
		if o.pending == nil {
			least = o.versions[len(o.versions)-1].n
		}
		h := t.pause("a bookmark")
		b, err := in.store.CurrentBookmark(context.Background())
		t.resume(h)
		return t.marked(b, err, least)
	}
	to := o.bookmarks[w.pick(len(o.bookmarks))]
	w.note("%s: is to be restored to record %d: %v", t.name, to.lsn, to.kept)
	h := t.pause("a restore")
	undo, err := in.store.RestoreOnNextSession(context.Background(), to.text)
	t.resume(h)
	if t.gone() {
		return errOnPurpose
	}
	w.note("%s: is to be restored: %v", t.name, w.anywhere(err))
	if to.lost {
		if err == nil || !errors.Is(err, engine.ErrBookmarkLost) && !errors.Is(err, engine.ErrHistoryGone) && !w.wasHurt {
			w.fail(Wrong, "%s: a restore to record %d, which a crash took, ends with %v", t.name, to.lsn, err)
		}
		return nil
	}
	if !t.wentThere(err) || w.pick(4) > 0 {
		return nil // the program goes on
	}
	h = t.pause("a restore that is called off")
	_, err = in.store.RestoreOnNextSession(context.Background(), undo)
	t.resume(h)
	if t.gone() {
		return errOnPurpose
	}
	w.note("%s: is not to be restored: %v", t.name, w.anywhere(err))
	t.wentThere(err)
	return nil
}

// marked takes a bookmark. It is of version least, or a later one.
func (t *thread) marked(b engine.Bookmark, err error, least int32) error {
	w, o := t.w, t.in.obj
	if t.gone() {
		return errOnPurpose
	}
	if !t.wentThere(err) {
		return nil
	}
	n, perr := strconv.ParseUint(strings.Split(string(b), "-")[1], 16, 64)
	if perr != nil {
		w.fail(Wrong, "%s: bookmark %s: %v", t.name, b, perr)
		return perr
	}
	m := bookmark{text: b, lsn: wal.LSN(n), kept: o.at(wal.LSN(n)).content.stored()}
	w.note("%s: bookmark of record %d: %v", t.name, m.lsn, m.kept)
	if v := o.at(m.lsn); v.n < least {
		w.fail(Wrong, "%s: a bookmark is of version %d, and version %d was written before it was asked for", t.name, v.n, least)
	}
	o.bookmarks = append(o.bookmarks, m)
	return nil
}

// wentThere reports whether there was no error, and checks that one has a reason.
func (t *thread) wentThere(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, engine.ErrHistoryGone):
	case strings.Contains(err.Error(), "The restore was given up"):
	case t.w.wasHurt, t.w.journal.Err() != nil:
	default:
		t.w.plausible(t.name+": time travel", err)
	}
	return false
}

// bringBack restores an object from outside, whatever it does.
func (w *world) bringBack() {
	o := w.objects[w.pick(len(w.objects))]
	if w.config.TwoLogs || w.bringing != nil || w.traveller != nil && !w.traveller.gone() {
		return
	}
	at := engine.RestorePoint{}
	if n := len(o.bookmarks); n > 0 {
		b := o.bookmarks[w.pick(n)]
		if b.lost || b.lsn > w.journal.Durable() {
			return // nobody outside was told of it yet
		}
		at.Bookmark = b.text
	}
	w.bringing = o
	w.note("%s is to be restored from outside to %q", o.name, at.Bookmark)
	w.outside(func() error {
		_, err := w.engine.RestoreObject(context.Background(), o.class(), w.namespace(o).IDFromName(o.name), at)
		return err
	}, func(err error) {
		w.bringing = nil
		w.note("%s was restored from outside: %v", o.name, w.anywhere(err))
		switch {
		case err == nil:
			o.told = max(o.told, o.at(w.journal.Durable()).n)
		case errors.Is(err, engine.ErrNothingStored), errors.Is(err, engine.ErrHistoryGone), w.wasHurt, w.journal.Err() != nil:
		case strings.Contains(err.Error(), "The restore was given up"):
		default:
			w.plausible(o.name+" restored from outside", err)
		}
	})
}

// readers are those who want to read the history, off the loops: they wait until the history that is played lets them.
type readers struct {
	mu      sync.Mutex
	waiting []chan struct{}
	ended   chan struct{} // closed when the life ends: nobody waits any more
}

// History is how the engine opens the history. Not on a loop.
func (j *journal) History() (wal.History, error) {
	r := &j.readers
	turn := make(chan struct{})
	r.mu.Lock()
	r.waiting = append(r.waiting, turn)
	r.mu.Unlock()
	select {
	case <-turn:
	case <-r.ended:
	}
	return j.Log.History()
}

// letRead lets the first of those who wait read.
func (w *world) letRead() bool {
	r := &w.journal.readers
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return false
	}
	w.note("somebody reads the history")
	close(r.waiting[0])
	r.waiting = r.waiting[1:]
	return true
}
