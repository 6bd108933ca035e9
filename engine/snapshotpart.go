package engine

import (
	"sync/atomic"

	"everloop/engine/internal/kv"
	"everloop/engine/internal/mechanism"
	"everloop/engine/redo"
	"everloop/wal"
)

const (
	// snapshotSlice bounds what a loop does for a snapshot in one round, in bytes: a quarter of a millisecond on an idle loop, and
	// snapshotBusySlice on one that has turns to run. Each object counts snapshotObject bytes more than it has, and each free place
	// snapshotFree.
	snapshotSlice     = 256 << 10
	snapshotBusySlice = 32 << 10
	snapshotObject    = 64
	snapshotFree      = 8
	// snapshotFreeze is the size from which on an object is frozen, and written off the loop.
	snapshotFreeze = 64 << 10
	// snapshotRecord is the size at which a record of a large object is followed by another.
	snapshotRecord = 1 << 20
	// snapshotFrames is how many frames a loop has: one that it fills, and others that are being written.
	snapshotFrames = 2
)

// snapshotPart is what one loop does for a snapshot: it goes through the places of its table, a slice a round. A task of its loop.
type snapshotPart struct {
	run   *snapshotRun
	own   *owner
	begun bool
	slot  uint32
	end   uint32 // the places that there were when it began
	turns uint64 // of the loop, by the last slice

	frame   *wal.Frame
	free    chan *wal.Frame // that can be filled
	waiting atomic.Bool     // for one of them: the task is not posted
	frozen  *kv.Frozen      // what is being written off the loop: the task is not posted either
	objects uint64
	// frozenPasts are what the same object is to be restored to.
	frozenPasts []frozenPast
}

func newSnapshotPart(r *snapshotRun, o *owner) *snapshotPart {
	p := &snapshotPart{run: r, own: o, free: make(chan *wal.Frame, snapshotFrames)}
	for range snapshotFrames {
		p.free <- wal.NewFrame()
	}
	return p
}

// goOn has the loop write a slice. Any goroutine.
func (p *snapshotPart) goOn() {
	if !p.own.loop.Post(p) {
		p.run.giveUp(ErrSnapshotAborted)
	}
}

// Run writes a slice.
func (p *snapshotPart) Run() {
	o := p.own
	if p.frozen != nil {
		p.frozen.Thaw()
		p.frozen = nil
		for i := range p.frozenPasts {
			p.frozenPasts[i].view.Thaw()
		}
		p.frozenPasts = nil
	}
	if p.run.over.Load() {
		return
	}
	if !p.begun {
		p.begun, p.end, p.turns = true, uint32(len(o.table.slabs))*slabSize, o.turns
	}
	budget := snapshotSlice
	if o.turns != p.turns {
		budget, p.turns = snapshotBusySlice, o.turns
	}
	most, bytes := mechanism.Bound.SliceObjects, 0
	defer func() { p.run.bytes.Add(int64(bytes)) }()
	for objects := 0; p.slot < p.end; p.slot++ {
		if budget <= 0 || most > 0 && objects == most {
			p.goOn()
			return
		}
		r := o.table.at(p.slot)
		if !o.holdsDurable(p.slot) {
			budget -= snapshotFree
			continue
		}
		if p.frame == nil && !p.takeFrame() {
			return
		}
		objects++
		p.objects++
		if r.store.Bytes()+o.pasts[p.slot].bytes() >= freezeBytes() {
			p.freeze(r)
			p.slot++
			return
		}
		b := p.frame.Begin(r.lsn)
		at := len(b)
		b = o.appendHead(b, r)
		r.store.Scan(kv.Range{}, func(key, value []byte) bool {
			b = redo.AppendPutBytes(b, key, value)
			return true
		})
		b = o.appendAlarm(b, p.slot)
		b = o.pasts[p.slot].append(b)
		bytes += len(b) - at
		budget -= len(b) - at + snapshotObject
		p.frame.End(b)
		if p.frame.Full() {
			p.handOver()
		}
	}
	if p.frame != nil && p.frame.Records() > 0 {
		p.handOver()
	}
	p.run.objects.Add(p.objects)
	if p.run.left.Add(-1) == 0 {
		p.run.do(p.run.install)
	}
}

func freezeBytes() int {
	if n := mechanism.Bound.FreezeBytes; n > 0 {
		return n
	}
	return snapshotFreeze
}

// holdsDurable reports whether a place has an object in it of which something is durable, or will be. The name of one that is empty
// counts: the log has stated it, and does not again when there is something in the object.
func (o *owner) holdsDurable(slot uint32) bool {
	r := o.table.at(slot)
	return r.used && (r.store.Len() > 0 || r.alarm != 0 || r.name.known() || o.alarms.failed[slot] != nil || o.pasts[slot] != nil)
}

// appendHead begins the record of an object.
func (o *owner) appendHead(dst []byte, r *record) []byte {
	if r.name.known() {
		return redo.AppendNamedObject(dst, r.class, &r.id, r.name.String())
	}
	return redo.AppendObject(dst, r.class, &r.id)
}

// takeFrame gets a frame to fill. If there is none, the task is posted when there is.
func (p *snapshotPart) takeFrame() bool {
	for {
		select {
		case p.frame = <-p.free:
			return true
		default:
		}
		p.waiting.Store(true)
		if len(p.free) == 0 || !p.waiting.CompareAndSwap(true, false) {
			return false // whoever gives one back, or has just done so, posts the task
		}
	}
}

// handOver has the frame written.
func (p *snapshotPart) handOver() {
	f := p.frame
	p.frame = nil
	p.run.do(func() {
		p.run.write(f)
		f.Reset()
		p.free <- f
		if p.waiting.CompareAndSwap(true, false) {
			p.goOn()
		}
	})
}

// freeze has a large object written as it is now, while it goes on.
func (p *snapshotPart) freeze(r *record) {
	p.frozen = r.store.Freeze()
	tag, view := r.lsn, p.frozen
	named := p.own.appendHead(nil, r)
	plain := redo.AppendObject(nil, r.class, &r.id)
	tail := p.own.appendAlarm(nil, p.slot)
	p.frozenPasts = p.own.pasts[p.slot].freeze()
	if ps := p.own.pasts[p.slot]; ps != nil && ps.restored > 0 {
		tail = redo.AppendRestored(tail, uint64(ps.restored))
	}
	pasts := p.frozenPasts
	p.run.do(func() {
		p.run.writeLarge(tag, named, plain, tail, view, pasts)
		p.goOn()
	})
}

// writeLarge writes a large object: its head, its keys and what follows them, in as many records as it takes.
func (r *snapshotRun) writeLarge(tag wal.LSN, named, plain, tail []byte, view *kv.Frozen, pasts []frozenPast) {
	if r.over.Load() {
		return // also where this is not the one goroutine that the frame belongs to
	}
	f := r.frame
	f.Reset()
	b := f.Begin(tag)
	start := len(b)
	b = append(b, named...)
	ok := true
	add := func(ops func(dst []byte) []byte) bool {
		if len(b)-start >= snapshotRecord {
			r.bytes.Add(int64(len(b) - start))
			f.End(b)
			if ok = r.write(f); !ok {
				return false
			}
			f.Reset()
			b = f.Begin(tag)
			start = len(b)
			b = append(b, plain...)
		}
		b = ops(b)
		return true
	}
	view.Scan(func(key, value []byte) bool {
		return add(func(dst []byte) []byte { return redo.AppendPutBytes(dst, key, value) })
	})
	ok = ok && add(func(dst []byte) []byte { return append(dst, tail...) })
	for i := range pasts {
		p := &pasts[i]
		ok = ok && add(func(dst []byte) []byte { return redo.AppendStageBegin(dst, p.epoch, p.lsn) })
		if ok {
			p.view.Scan(func(key, value []byte) bool {
				return add(func(dst []byte) []byte { return redo.AppendStagePutBytes(dst, key, value) })
			})
		}
		if ok && p.ready {
			ok = add(redo.AppendStageReady)
		}
	}
	if !ok {
		return
	}
	r.bytes.Add(int64(len(b) - start))
	f.End(b)
	r.write(f)
	f.Reset()
}
