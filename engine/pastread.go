package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"everloop/engine/internal/kv"
	"everloop/engine/redo"
	"everloop/wal"
)

// Reading what an object was. A history is read off the loops, from a snapshot to the moment that is wanted; what is not the object's
// is passed over after a comparison of a few bytes, and takes no memory.

const (
	// maxTravels is how many histories an engine reads at once.
	maxTravels = 4
	// maxTravelQueue is how many wait for that.
	maxTravelQueue = 64
)

var errTooManyTravels = overloaded("Too many requests for earlier states are under way.")

// travelling bounds the reading of histories. Safe for concurrent use.
type travelling struct {
	places  chan struct{}
	waiting atomic.Int32
}

func (t *travelling) init() { t.places = make(chan struct{}, maxTravels) }

// withHistory opens the history for fn, when it is its turn. Not on a loop.
func (e *Engine) withHistory(ctx context.Context, fn func(wal.History) error) (err error) {
	t := &e.travelling
	if t.waiting.Add(1) > maxTravels+maxTravelQueue {
		t.waiting.Add(-1)
		return errTooManyTravels
	}
	defer t.waiting.Add(-1)
	select {
	case t.places <- struct{}{}:
		defer func() { <-t.places }()
	case <-ctx.Done():
		return ctx.Err()
	case <-e.ended:
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h, err := e.log.History()
	if err != nil {
		return fmt.Errorf("engine: the history cannot be opened: %w", err)
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	return fn(h)
}

// HistoryRange says from when to when objects can go back: from the earliest moment that is kept to what is durable. On a goroutine of
// the embedding program.
func (e *Engine) HistoryRange(ctx context.Context) (start, end wal.Position, err error) {
	if insideTurn() {
		return start, end, ErrInsideTurn
	}
	if e.closing.Load() {
		return start, end, ErrClosed
	}
	err = e.withHistory(ctx, func(h wal.History) error {
		start, end = h.Start(), h.End()
		return nil
	})
	return start, end, err
}

// goneError says that a moment is not kept.
func goneError(what string, h wal.History) error {
	since := "the first write"
	if t := h.Start().Time; !t.IsZero() {
		since = t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Errorf("%s %w: history is kept since %s.", what, ErrHistoryGone, since)
}

// positionAt is the moment of a time that is not in the future.
func positionAt(h wal.History, t time.Time) (wal.Position, error) {
	at, err := h.At(t)
	if errors.Is(err, wal.ErrNoHistory) {
		return at, goneError("What the object was at "+t.UTC().Format(time.RFC3339Nano), h)
	}
	return at, err
}

// positionOf is the moment of a bookmark of an object. pending says that it is the end of a session that has not ended.
func (e *Engine) positionOf(ctx context.Context, h wal.History, k *objectKey, b Bookmark) (at wal.Position, pending bool, err error) {
	kind, epoch, n, err := k.parse(b)
	if err != nil {
		return at, false, err
	}
	at, err = e.find(h, epoch, n)
	if err != nil || kind == bookmarkMoment {
		return at, false, err
	}
	// Behind record n the object was restored once or more often. What is read up to a moment has those restores that are behind the snapshot
	// that the reading began with, and the last one before it. So it takes as many readings as there are snapshots, however many restores there are.
	for to := h.End().LSN; ; {
		was, err := e.readPast(ctx, h, k, to)
		if err != nil {
			return at, false, err
		}
		first := slices.IndexFunc(was.restores, func(r wal.LSN) bool { return r > n })
		if first < 0 {
			if to == h.End().LSN {
				return h.End(), true, nil
			}
			at.LSN = to
			return at, false, nil
		}
		if to = was.restores[first] - 1; to < h.Start().LSN {
			return at, false, goneError("What the object was before it was restored", h)
		}
	}
}

// find is the moment of a record that a bookmark names.
func (e *Engine) find(h wal.History, epoch uint64, n wal.LSN) (wal.Position, error) {
	start, end := h.Start(), h.End()
	switch {
	case epoch > e.epoch() || epoch == e.epoch() && n > end.LSN:
		return wal.Position{}, ErrFuture
	case n > end.LSN:
		return wal.Position{}, ErrBookmarkLost
	case n < start.LSN:
		return wal.Position{}, goneError("What the bookmark names", h)
	case n == start.LSN:
		return start, nil
	}
	at, err := h.Find(epoch, n)
	if errors.Is(err, wal.ErrNoHistory) {
		return at, ErrBookmarkLost
	}
	return at, err
}

// epoch is how often the data directory has been started.
func (e *Engine) epoch() uint64 { return e.report.Epoch }

// wasObject is an object as it was.
type wasObject struct {
	store kv.Store
	pasts pasts
	// restores are the records that restored it, as far as the reading came across them, ascending.
	restores []wal.LSN
}

// readPast reads what an object was as of record to.
func (e *Engine) readPast(ctx context.Context, h wal.History, k *objectKey, to wal.LSN) (*wasObject, error) {
	was := new(wasObject)
	prefix := redo.AppendObject(nil, k.class, &k.id)
	prefix = prefix[:len(prefix)-1] // up to the name
	var tag wal.LSN                 // what the snapshot says is the work of records up to this one
	err := h.Read(to, func(c *wal.Chunk) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.ended:
			return ErrClosed
		default:
		}
		snapshot := c.Snapshot()
		return c.Records(func(n wal.LSN, record []byte) error {
			switch {
			case !bytes.HasPrefix(record, prefix), n < tag, n == tag && !snapshot:
				return nil
			case snapshot && n > tag:
				// A snapshot may have it twice: it had become empty after it was written, and was made anew.
				*was, tag = wasObject{}, n
			}
			rec, err := redo.Parse(record)
			if err != nil {
				return fmt.Errorf("engine: record %d: %w", n, err)
			}
			for ops := rec.Ops(); ops.Next(); {
				was.apply(n, &ops)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return was, nil
}

// apply applies an operation of record n. Alarms stay what they are.
func (w *wasObject) apply(n wal.LSN, op *redo.Ops) {
	switch op.Op {
	case redo.OpPut:
		w.store.PutBytes(op.Key, op.Value)
	case redo.OpDelete:
		w.store.Delete(string(op.Key))
	case redo.OpDeleteAll:
		w.store.DeleteAll()
		w.pasts.forget()
	default:
		before := w.pasts.restored
		if w.pasts.apply(&w.store, n, op); w.pasts.restored != before {
			w.restores = append(w.restores, w.pasts.restored)
		}
	}
}
