package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"everloop/engine/internal/kv"
	"everloop/engine/redo"
	"everloop/engine/value"
	"everloop/loop"
	"everloop/wal"
)

// What a log and the snapshot before it say becomes tables again here: at a start, and for a View. One goroutine reads; each owner's
// objects are put together by a goroutine of its own, which is given every chunk and passes over the records of others. So it works for
// any number of loops, whatever it was when the records were written.

// chunksWaiting is how many chunks wait for one owner. More would only take memory: the reader reads ahead by itself.
const chunksWaiting = 2

// catalog is what the log says of classes.
type catalog struct {
	defined    map[string]classDef // by unique key: what the log knows, registered or not
	next       uint32              // the next class number
	migrations []string            // tags of those that were applied
}

func newCatalog() catalog { return catalog{defined: make(map[string]classDef), next: 1} }

// replay applies a record of classes.
func (c *catalog) replay(n wal.LSN, rec *redo.Record) error {
	switch rec.Kind {
	case redo.KindDefineClass:
		c.defined[string(rec.UniqueKey)] = classDef{number: rec.Class, name: string(rec.ClassName)}
		c.next = max(c.next, rec.Class+1)
	case redo.KindClassCounter:
		c.next = max(c.next, rec.Class)
	case redo.KindMigration:
		d, err := readDetails(n, rec)
		if err != nil {
			return err
		}
		c.applied(string(rec.Tag), d)
	}
	return nil
}

// readDetails reads what a migration did.
func readDetails(n wal.LSN, rec *redo.Record) (d migrationDetails, err error) {
	if len(rec.Details) == 0 {
		return d, nil
	}
	if err := value.Unmarshal(rec.Details, &d); err != nil {
		return d, fmt.Errorf("engine: record %d: the migration %q cannot be read: %w", n, rec.Tag, err)
	}
	return d, nil
}

// loading puts tables together. begin starts its goroutines, take is called by who reads, finish waits for the end.
type loading struct {
	parts    []*loadPart
	catalog  *catalog // the first part's, until finish has returned
	only     func(class uint32, id *[32]byte) bool
	progress func(done, total int64)
	failed   atomic.Bool
	work     sync.WaitGroup
}

// loadPart is what one goroutine does: the objects of one owner. The others of the same loading see nothing of it before it has
// ended.
type loadPart struct {
	l       *loading
	own     *owner
	index   int
	chunks  chan *wal.Chunk
	builder kv.Builder
	err     error
}

// beginLoading starts to fill the owners' tables. Nothing else may use them until finish has returned. only, if not nil, says which
// objects are wanted.
func beginLoading(c *catalog, owners []*owner, only func(class uint32, id *[32]byte) bool, progress func(done, total int64)) *loading {
	l := &loading{catalog: c, only: only, progress: progress}
	for i, o := range owners {
		p := &loadPart{l: l, own: o, index: i, chunks: make(chan *wal.Chunk, chunksWaiting)}
		l.parts = append(l.parts, p)
		l.work.Add(1)
		go p.run()
	}
	return l
}

var errLoading = errors.New("engine: loading has failed")

// take passes a chunk on. Called by the reader.
func (l *loading) take(c *wal.Chunk) error {
	if l.failed.Load() {
		return errLoading // finish knows the reason
	}
	for _, p := range l.parts {
		c.Hold()
		p.chunks <- c
	}
	if l.progress != nil {
		l.progress(c.Progress())
	}
	return nil
}

// finish waits until everything that was taken is in the tables, and returns the first reason for which it is not. It is called once,
// whether the reader has succeeded or not.
func (l *loading) finish() error {
	for _, p := range l.parts {
		close(p.chunks)
	}
	l.work.Wait()
	for _, p := range l.parts {
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

func (p *loadPart) run() {
	defer p.l.work.Done()
	for c := range p.chunks {
		if p.err == nil {
			if p.err = p.apply(c); p.err != nil {
				p.l.failed.Store(true)
			}
		}
		c.Release()
	}
	if p.err == nil {
		p.own.dropBegun()
		p.own.dropEmpty()
	}
}

func (p *loadPart) apply(c *wal.Chunk) error {
	snapshot := c.Snapshot()
	return c.Records(func(n wal.LSN, record []byte) error {
		if (len(p.l.parts) > 1 || p.l.only != nil) && !p.wants(record) {
			return nil
		}
		rec, err := redo.Parse(record)
		if err != nil {
			return fmt.Errorf("engine: record %d: %w", n, err)
		}
		switch {
		case rec.Kind == redo.KindObject:
			return p.object(n, &rec, snapshot)
		case p.index == 0:
			err = p.l.catalog.replay(n, &rec)
		}
		if err != nil || rec.Kind != redo.KindMigration {
			return err
		}
		d, err := readDetails(n, &rec)
		if err == nil {
			p.own.dropClasses(d.Delete)
		}
		return err
	})
}

// wants reports whether a record is for this part to apply, or to refuse: it does not look at more than it has to.
func (p *loadPart) wants(record []byte) bool {
	if len(record) == 0 || redo.Kind(record[0]) != redo.KindObject {
		return true
	}
	class, k := binary.Uvarint(record[1:])
	if k <= 0 || len(record) < 1+k+redo.IDSize {
		return true // all refuse it
	}
	id := (*[redo.IDSize]byte)(record[1+k:])
	x := ID{bytes: *id}
	if loop.Owner(len(p.l.parts), uint64(x.shard())<<(64-shardBits)) != p.index {
		return false
	}
	return p.l.only == nil || p.l.only(uint32(class), id)
}

// object applies a record of an object.
func (p *loadPart) object(n wal.LSN, rec *redo.Record, snapshot bool) error {
	o, id := p.own, ID{bytes: *rec.ID}
	if len(o.gone) > 0 && slices.Contains(o.gone, rec.Class) {
		return nil
	}
	r, slot := o.table.find(rec.Class, &id)
	switch {
	case r == nil:
		r, slot = o.table.add(rec.Class, &id)
	case n < r.lsn || n == r.lsn && !snapshot:
		return nil // what it says is there already
	case n > r.lsn && snapshot:
		// It had become empty after it was written into the snapshot, and was made anew.
		o.clear(slot)
		r.name = name{}
	}
	r.lsn = n
	if rec.HasName {
		r.name = newName(string(rec.Name))
	}
	building := snapshot && r.store.Len() == 0
	for ops := rec.Ops(); ops.Next(); {
		switch ops.Op {
		case redo.OpPut:
			if building {
				p.builder.Add(ops.Key, ops.Value)
			} else {
				r.store.PutBytes(ops.Key, ops.Value)
			}
		case redo.OpDelete:
			r.store.Delete(string(ops.Key))
		case redo.OpDeleteAll:
			r.store.DeleteAll()
			o.forgetPasts(slot)
		case redo.OpStageBegin, redo.OpStagePut, redo.OpStageReady, redo.OpRestore, redo.OpUnstage, redo.OpRestored:
			o.replayPast(slot, n, &ops)
		case redo.OpSetAlarm, redo.OpDeleteAlarm, redo.OpRetryAlarm, redo.OpFailAlarm:
			o.replayAlarm(slot, &ops)
		default:
			return fmt.Errorf("engine: record %d: operation %s is not supported by this version", n, strconv.Itoa(int(ops.Op)))
		}
	}
	if building {
		p.builder.Fill(&r.store)
	}
	return nil
}

// clear removes everything durable of an object.
func (o *owner) clear(slot uint32) {
	o.clearAlarm(slot)
	o.alarms.forgive(slot)
	delete(o.pasts, slot)
	o.table.at(slot).store.DeleteAll()
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

// dropClasses forgets all objects of some classes, with their alarms. There will be none of them again: a restore that was under way may have
// logged one behind the migration.
func (o *owner) dropClasses(numbers []uint32) {
	if len(numbers) == 0 {
		return
	}
	o.gone = append(o.gone, numbers...)
	for s, slab := range o.table.slabs {
		for i := range slab {
			if r := &slab[i]; r.used && slices.Contains(numbers, r.class) {
				slot := uint32(s*slabSize + i)
				o.clear(slot)
				o.table.remove(slot)
			}
		}
	}
}
