package wal

import (
	"fmt"
	"hash/crc32"
	"time"
)

// committer is what a commit works on. Owned by the holder of Log.commitMu.
type committer struct {
	sink    sink
	fills   []fill // swapped with those of the buffers at each cut
	cursors []cursor
	frame   []byte // framePad, header, payload; reused from one commit to the next

	cut      LSN    // last record in a batch
	seq      uint64 // of the last batch
	crc      uint32 // its header CRC
	synced   uint64 // last batch known to be on disk
	syncedTo LSN    // last record known to be on disk
	claimed  uint64 // highest batch that a batch in the file, or the manifest, claims
	lastData uint64 // last batch with records

	seen         LSN       // Log.last at the tick before
	lastCommit   time.Time // for idleness
	lastSync     time.Time // for SyncInterval
	spaceChecked time.Time
	free         int64 // what there was then, if it is known
	sinceSpace   int64 // bytes written since then
}

const (
	spaceBytes = 1 << 20                // free space is looked at after this many bytes,
	spaceEvery = 100 * time.Millisecond // or at the first commit or tick after this long,
	spaceIdle  = time.Second            // when nothing is written, after this long at least,
	spaceMost  = time.Minute            // and this long at most: see idleLook

	// fillRate is how many bytes a second others write at most to a disk.
	fillRate = 1 << 30
)

func (c *committer) start(l *Log, s *scan) {
	now := time.Now()
	c.fills, c.cursors = make([]fill, len(l.buffers)), make([]cursor, len(l.buffers))
	c.frame = make([]byte, framePad+headerSize, 64<<10)
	c.cut, c.seq, c.crc = s.chain.last, s.chain.seq, s.chain.crc
	c.synced, c.syncedTo, c.claimed, c.lastData = c.seq, c.cut, c.seq, c.seq
	c.seen, c.lastCommit, c.lastSync = c.cut, now, now
}

// takeCut swaps the contents of all buffers for empty ones. It holds all their locks at once, so what it takes
// are exactly the numbers from the last cut to Log.last, and no record in it has a cause outside.
func (c *committer) takeCut(buffers []buffer) {
	for i := range buffers {
		buffers[i].mu.Lock()
	}
	for i := range buffers {
		buffers[i].fill, c.fills[i] = c.fills[i], buffers[i].fill
	}
	for i := range buffers {
		buffers[i].mu.Unlock()
	}
}

// taken is the number of bytes in the cut.
func (c *committer) taken() (bytes int) {
	for i := range c.fills {
		bytes += len(c.fills[i].data)
	}
	return bytes
}

type commitKind int

const (
	commitInline     commitKind = iota // inside EndRound
	commitBackground                   // by the committer
	commitClaim                        // also if there are no records: an empty batch carries the claim
)

// commit takes the cut, writes one batch, syncs it if the mode wants that, and tells. The caller holds commitMu.
func (l *Log) commit(kind commitKind) {
	if l.Err() != nil {
		return
	}
	c := &l.committer
	c.takeCut(l.buffers)
	clear(c.cursors)
	frame, next := merge(c.frame[:framePad+headerSize], c.fills, c.cursors, c.cut+1)
	c.frame = frame
	payload := frame[framePad+headerSize:]
	if waiting := c.taken(); waiting != len(payload) {
		// Never seen. A batch with a gap could not be replayed, so it must not be written.
		l.fail(fmt.Errorf("broken invariant: %d bytes of records after number %d, %d of them contiguous", waiting, c.cut, len(payload)))
		return
	}
	h := header{
		logID: l.man.LogID, epoch: l.epoch, seq: c.seq + 1,
		first: c.cut + 1, count: uint32(next - c.cut - 1), payloadLen: uint32(len(payload)),
		claimSeq: c.synced, claimLSN: c.syncedTo,
		prevCRC: c.crc, payloadCRC: crc32.Checksum(payload, castagnoli),
	}
	if h.count == 0 && kind != commitClaim {
		return
	}
	h.timeMs = uint64(time.Now().UnixMilli())
	h.encode(frame[framePad:])

	full, err := l.sink.Append(l.epoch, frame)
	if err != nil {
		l.fail(err)
		return
	}
	c.seq, c.crc, c.cut, c.claimed = h.seq, h.crc, next-1, h.claimSeq
	if h.count > 0 {
		c.lastData = c.seq
	}
	switch {
	case full:
		c.synced, c.syncedTo = c.seq, c.cut
	case l.opts.Sync == SyncAlways || kind == commitClaim && l.opts.Sync == SyncInterval:
		if !l.sync() {
			return
		}
	}
	l.counted(&h, kind, full)
	l.written.Add(int64(len(frame) - framePad + uvarintLen(uint64(len(frame)-framePad))))
	c.sinceSpace += int64(len(frame))
	for i := range c.fills {
		c.fills[i].reset()
	}
	if cap(c.frame) > keepBytes {
		c.frame = make([]byte, framePad+headerSize, 64<<10)
	}
	if h.count == 0 {
		return
	}
	l.waiting.Add(-int64(len(payload)))
	c.lastCommit = time.Now()
	if c.sinceSpace >= spaceBytes || c.lastCommit.Sub(c.spaceChecked) >= spaceEvery {
		l.checkSpace(c.lastCommit) // before anyone hears that it is durable, and may ask Writable
	}
	l.durable.Store(uint64(c.cut))
	l.opts.OnDurable(c.cut, nil)
}

// sync makes every batch so far durable, and measures. It reports false when the log has failed. The caller
// holds commitMu.
func (l *Log) sync() bool {
	c := &l.committer
	start := time.Now()
	if err := l.sink.Sync(); err != nil {
		l.fail(err)
		return false
	}
	c.lastSync = time.Now()
	took := c.lastSync.Sub(start)
	c.synced, c.syncedTo = c.seq, c.cut
	// One slow sync in a thousand must not push a loop off the inline path for long: it counts 2 ms at most.
	avg := l.syncAverage.Load()
	l.syncAverage.Store(avg + (int64(min(took, 4*inlineLimit))-avg)/8)

	l.statsMu.Lock()
	l.stats.Syncs++
	l.stats.SyncTime.add(uint64(took.Microseconds()))
	l.statsMu.Unlock()
	return true
}

// trimAndSync makes every batch so far durable, and the end of the segment that of the last one. The caller holds commitMu, and looks at Err.
func (l *Log) trimAndSync() {
	if l.Err() != nil {
		return
	}
	trimmed, err := l.sink.Trim()
	if err != nil {
		l.fail(err)
		return
	}
	if trimmed || l.synced < l.seq {
		l.sync()
	}
}

func (l *Log) counted(h *header, kind commitKind, full bool) {
	l.statsMu.Lock()
	defer l.statsMu.Unlock()
	s := &l.stats
	s.Bytes += headerSize + uint64(h.payloadLen)
	if full {
		s.Segments++
		s.Syncs++
	}
	if h.count == 0 {
		s.Empty++
		return
	}
	s.Commits++
	if kind == commitInline {
		s.Inline++
	}
	s.Records += uint64(h.count)
	s.BatchRecords.add(uint64(h.count))
	s.BatchBytes.add(headerSize + uint64(h.payloadLen))
}

// checkSpace looks at the free space. The caller holds commitMu, or is the only one to know the log.
func (l *Log) checkSpace(now time.Time) {
	c := &l.committer
	c.spaceChecked, c.sinceSpace = now, 0
	if l.opts.Reserve < 0 {
		return
	}
	free, err := l.opts.Disk.Free(l.dir)
	if err != nil {
		c.free = 0
		return // nothing is known; a write that does fail ends the log
	}
	c.free = free
	if short := free < l.opts.Reserve; short != l.noSpace.Load() {
		l.noSpace.Store(short)
		if short {
			l.opts.Logger.Warn("disk is nearly full: writes are refused, reads go on; free some space",
				"dir", l.dir, "free", free, "reserve", l.opts.Reserve)
		} else {
			l.opts.Logger.Info("there is room on the disk again: writes are taken", "dir", l.dir, "free", free)
		}
	}
}

// idleLook is when a log to which nothing is written must look at the free space again: before others can have filled the disk up to the
// reserve, and soon where writes are refused. So an idle process hardly ever wakes up for it. Only the committer calls it.
func (l *Log) idleLook() time.Duration {
	if l.opts.Reserve < 0 {
		return spaceMost
	}
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	seconds := max(0, l.committer.free-l.opts.Reserve) / fillRate
	return max(spaceIdle, time.Duration(min(seconds, int64(spaceMost/time.Second)))*time.Second)
}

// wakeUp has the committer look at what there is to do. It never blocks.
func (l *Log) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// activate starts the committer's ticking, after the first record in a while.
func (l *Log) activate() {
	if l.active.CompareAndSwap(false, true) {
		l.wakeUp()
	}
}

// run is the committer: it commits when it is woken because something waits, and ticks while there is something
// that time must do. Ticking costs a loop nothing: no timer is set or stopped on the way of a record.
func (l *Log) run() {
	defer close(l.done)
	// A record is seen by the first tick after it came and committed by the second, so two ticks make MaxDelay.
	tick := l.opts.MaxDelay / 2
	ticking := false
	timer := time.NewTimer(l.idleLook())
	defer timer.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.wake:
			l.commitMu.Lock()
			for l.demand.Load() > l.durable.Load() && l.Err() == nil {
				l.commit(commitBackground)
			}
			l.commitMu.Unlock()
			if active := l.active.Load(); active && !ticking {
				ticking = true
				timer.Reset(tick)
			}
		case now := <-timer.C:
			if ticking = l.tick(now); ticking {
				timer.Reset(tick)
			} else {
				timer.Reset(l.idleLook())
			}
		}
	}
}

// tick does what is due, and reports whether ticking should go on.
func (l *Log) tick(now time.Time) bool {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if l.Err() != nil {
		return false
	}
	c := &l.committer
	if c.seen > c.cut {
		l.commit(commitBackground)
	}
	c.seen = LSN(l.last.Load())
	if l.opts.Sync == SyncInterval && c.synced < c.seq && now.Sub(c.lastSync) >= l.opts.Interval && !l.sync() {
		return false
	}
	if now.Sub(c.spaceChecked) >= spaceEvery {
		l.checkSpace(now)
	}
	if c.seen > c.cut || l.opts.Sync == SyncInterval && c.synced < c.seq {
		return true
	}
	if c.claimed < c.lastData && c.synced >= c.lastData {
		if now.Sub(c.lastCommit) < l.opts.Idle {
			return true
		}
		l.commit(commitClaim)
	}
	// Nothing is left for time to do. Whoever appends after this line finds active false and wakes us; whoever
	// appended before it is seen by the second look.
	l.active.Store(false)
	if l.last.Load() > uint64(c.cut) {
		l.active.Store(true)
		return true
	}
	return false
}

// finish writes what is left at Close. The caller holds snapMu and commitMu, and nobody appends any more.
func (l *Log) finish() {
	c := &l.committer
	l.commit(commitBackground)
	if l.Err() == nil && c.synced < c.seq && !l.sync() {
		return
	}
	if l.Err() == nil && c.claimed < c.lastData {
		l.commit(commitClaim)
	}
	l.trimAndSync()
	if l.Err() != nil {
		return
	}
	l.genMu.Lock()
	l.man.FloorSeq, l.man.Floor = c.seq, c.cut
	l.genMu.Unlock()
	if _, err := l.writeManifest(&l.man); err != nil {
		l.fail(err)
	}
}
