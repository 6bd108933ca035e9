package engine

import (
	"everloop/engine/internal/kv"
	"everloop/engine/redo"
	"everloop/wal"
)

// past is what an object is to be restored to: a second set of keys beside its own. It comes into being by records of the log
// ("staged"), so that a restore is one small record, atomic, and needs no history when it is replayed.
type past struct {
	epoch, lsn uint64 // the moment of the log that it is of
	store      kv.Store
}

// pasts are those of one object: one that is whole and waits for the object's next start, and one of which more is to come. Owned
// by the object's loop.
type pasts struct {
	ready, begun *past
	// restored is the record that did the last restore, 0 if there was none: where an undo leads to. It stays for good.
	restored wal.LSN
}

// apply applies an operation of record n on what is staged for the object with this store. Where a snapshot came in between, the log may begin in the
// middle: of content that was given up later, or of an object that is gone by now. What lacks its beginning has no effect.
func (p *pasts) apply(store *kv.Store, n wal.LSN, op *redo.Ops) {
	switch op.Op {
	case redo.OpStageBegin:
		p.begun = &past{epoch: op.Epoch, lsn: op.LSN}
	case redo.OpStagePut:
		if p.begun != nil {
			p.begun.store.PutBytes(op.Key, op.Value)
		}
	case redo.OpStageReady:
		if p.begun != nil {
			p.ready, p.begun = p.begun, nil
		}
	case redo.OpRestore:
		if p.ready != nil {
			*store, p.ready, p.restored = p.ready.store, nil, n
		}
	case redo.OpUnstage:
		p.forget()
	case redo.OpRestored:
		p.restored = wal.LSN(op.LSN)
	}
}

// forget forgets what is staged.
func (p *pasts) forget() { p.ready, p.begun = nil, nil }

// pastsOf returns the entry of an object, which is made if there is none: tidyPasts follows.
func (o *owner) pastsOf(slot uint32) *pasts {
	p := o.pasts[slot]
	if p == nil {
		p = new(pasts)
		o.pasts[slot] = p
	}
	return p
}

// replayPast applies an operation that the log has.
func (o *owner) replayPast(slot uint32, n wal.LSN, op *redo.Ops) {
	o.pastsOf(slot).apply(&o.table.at(slot).store, n, op)
	o.tidyPasts(slot)
}

// forgetPasts forgets what is staged for an object, as DeleteAll and Unstage do.
func (o *owner) forgetPasts(slot uint32) {
	if p := o.pasts[slot]; p != nil {
		p.forget()
		o.tidyPasts(slot)
	}
}

// tidyPasts forgets the entry of an object for which nothing is staged.
func (o *owner) tidyPasts(slot uint32) {
	if p := o.pasts[slot]; p != nil && *p == (pasts{}) {
		delete(o.pasts, slot)
	}
}

// dropBegun forgets what the end of the log has cut off: nobody goes on with it. Called when the log has been replayed.
func (o *owner) dropBegun() {
	for slot, p := range o.pasts {
		p.begun = nil
		o.tidyPasts(slot)
	}
}

// bytes is about how much memory they take.
func (p *pasts) bytes() (n int) {
	if p == nil {
		return 0
	}
	for _, one := range []*past{p.ready, p.begun} {
		if one != nil {
			n += one.store.Bytes()
		}
	}
	return n
}

// append appends the operations that leave them as they are, for a snapshot.
func (p *pasts) append(dst []byte) []byte {
	if p == nil {
		return dst
	}
	if p.restored > 0 {
		dst = redo.AppendRestored(dst, uint64(p.restored))
	}
	for _, one := range []*past{p.ready, p.begun} {
		if one == nil {
			continue
		}
		dst = redo.AppendStageBegin(dst, one.epoch, one.lsn)
		one.store.Scan(kv.Range{}, func(key, value []byte) bool {
			dst = redo.AppendStagePutBytes(dst, key, value)
			return true
		})
		if one == p.ready {
			dst = redo.AppendStageReady(dst)
		}
	}
	return dst
}

// frozenPast is a past that is written off the loop: its content may become the object's meanwhile.
type frozenPast struct {
	epoch, lsn uint64
	ready      bool
	view       *kv.Frozen
}

// freeze freezes them, in the order of append.
func (p *pasts) freeze() (frozen []frozenPast) {
	if p == nil {
		return nil
	}
	for _, one := range []*past{p.ready, p.begun} {
		if one != nil {
			frozen = append(frozen, frozenPast{one.epoch, one.lsn, one == p.ready, one.store.Freeze()})
		}
	}
	return frozen
}
