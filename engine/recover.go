package engine

import (
	"fmt"
	"strconv"
	"time"

	"everloop/engine/redo"
	"everloop/wal"
)

// recover replays the log into the owners' tables. The loops run already, but nothing else has reached them:
// the tables are filled here, on the opening goroutine, and the loops see them through the first task that is
// posted to them.
func (e *Engine) recover() error {
	began := time.Now()
	apply := func(n wal.LSN, record []byte) error {
		rec, err := redo.Parse(record)
		if err != nil {
			return fmt.Errorf("engine: record %d: %w", n, err)
		}
		switch rec.Kind {
		case redo.KindObject:
			return e.replayObject(n, &rec)
		case redo.KindDefineClass:
			e.defined[string(rec.UniqueKey)] = classDef{number: rec.Class, name: string(rec.ClassName)}
			e.next = max(e.next, rec.Class+1)
		case redo.KindMigration:
			return e.replayMigration(n, &rec)
		}
		return nil
	}
	found, err := e.log.Replay(func(c *wal.Chunk) error { return c.Records(apply) }, nil)
	if err != nil {
		return err
	}
	for _, o := range e.owners {
		o.dropEmpty()
	}
	e.report = Recovery{Recovery: found, Classes: len(e.defined), Objects: int(e.metrics.objects.Load()), Took: time.Since(began)}
	return nil
}

func (e *Engine) replayObject(n wal.LSN, rec *redo.Record) error {
	id := ID{bytes: *rec.ID}
	o := e.ownerOf(&id)
	r, slot := o.table.find(rec.Class, &id)
	if r == nil {
		r, slot = o.table.add(rec.Class, &id)
	}
	r.lsn = n
	if rec.HasName {
		name := string(rec.Name)
		r.name = &name
	}
	for ops := rec.Ops(); ops.Next(); {
		switch ops.Op {
		case redo.OpPut:
			r.store.Put(string(ops.Key), ops.Value)
		case redo.OpDelete:
			r.store.Delete(string(ops.Key))
		case redo.OpDeleteAll:
			r.store.DeleteAll()
		case redo.OpSetAlarm, redo.OpDeleteAlarm, redo.OpRetryAlarm, redo.OpFailAlarm:
			o.replayAlarm(slot, &ops)
		default:
			return fmt.Errorf("engine: record %d: operation %s is not supported by this version", n, strconv.Itoa(int(ops.Op)))
		}
	}
	return nil
}

// dropEmpty forgets objects whose last write left nothing.
func (o *owner) dropEmpty() {
	for s := range o.table.slabs {
		slab := o.table.slabs[s]
		for i := range slab {
			if slot := uint32(s*slabSize + i); slab[i].used && !o.holdsAnything(slot) {
				o.table.remove(slot)
			}
		}
	}
}
