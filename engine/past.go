package engine

import (
	"errors"

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

var errStageOrder = errors.New("content to be restored that was never begun, or is not ready")

// apply applies an operation of record n on what is staged for the object with this store.
func (p *pasts) apply(store *kv.Store, n wal.LSN, op *redo.Ops) error {
	switch op.Op {
	case redo.OpStageBegin:
		p.begun = &past{epoch: op.Epoch, lsn: op.LSN}
	case redo.OpStagePut:
		if p.begun == nil {
			return errStageOrder
		}
		p.begun.store.Put(string(op.Key), op.Value)
	case redo.OpStageReady:
		if p.begun == nil {
			return errStageOrder
		}
		p.ready, p.begun = p.begun, nil
	case redo.OpRestore:
		if p.ready == nil {
			return errStageOrder
		}
		*store, p.ready, p.restored = p.ready.store, nil, n
	case redo.OpUnstage:
		p.forget()
	case redo.OpRestored:
		p.restored = wal.LSN(op.LSN)
	}
	return nil
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
func (o *owner) replayPast(slot uint32, n wal.LSN, op *redo.Ops) error {
	err := o.pastsOf(slot).apply(&o.table.at(slot).store, n, op)
	o.tidyPasts(slot)
	return err
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
