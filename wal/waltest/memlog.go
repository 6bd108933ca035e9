package waltest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"everloop/wal"
)

// MemLog has the methods of a [wal.Log], in memory. It starts no goroutine and reads no clock: a commit happens
// when [MemLog.Commit] (or Begin and Finish) is called, or, with Auto, in EndRound when something waits, as in a
// real log with one loop. Safe for concurrent use.
//
// Snapshots are made, installed and replayed as by a real log, and history is kept. Everything that a snapshot does is
// done when its methods are called, and nothing else is, so whoever calls them decides what comes between.
//
// OnDurable is called by whoever commits, with no lock held.
type MemLog struct {
	opts MemOptions

	mu        sync.Mutex
	epoch     uint64
	disk      []memBatch    // durable, and replayed after a crash
	snapshots []memSnapshot // installed; the last one is replayed, those before it are history
	newest    uint64        // generation
	base      wal.LSN       // last record before it
	writer    *memWriter    // the snapshot in the making
	failSnap  error         // the next step of a snapshot fails
	inFlight  []memRecord   // of the batch between Begin and Finish
	begun     bool
	buffered  []memRecord // handed over since the last cut
	last      wal.LSN
	durable   wal.LSN
	demand    wal.LSN
	replayed  bool
	closed    bool
	noSpace   bool
	failNext  error
	onSync    bool // failNext comes at the sync, when the batch is already written
	err       error
	stats     wal.Stats
}

// MemOptions of a MemLog. The zero value works.
type MemOptions struct {
	// Buffers as in wal.Options. Default 1.
	Buffers int
	// Auto commits in EndRound, and in Flush, when something waits. Default: only Commit commits.
	Auto bool
	// OnDurable as in wal.Options.
	OnDurable func(durable wal.LSN, err error)
	// Now is the time that batches and snapshots get. Default: all get the zero time.
	Now func() time.Time
	// Keep is the number of snapshots before the newest that are kept, each with the log behind it. Default 0.
	Keep int
	// BreakInstallRule installs snapshots without making the log durable up to the barrier first, and does not
	// refuse a log that ends before it. Acknowledged writes are lost by that: for tests that have to see it.
	BreakInstallRule bool
}

type memRecord struct {
	n    wal.LSN
	data []byte
}

// memBatch is one commit.
type memBatch struct {
	epoch   uint64
	time    time.Time
	records []memRecord // at least one
}

func (b *memBatch) last() wal.LSN { return b.records[len(b.records)-1].n }

// chunk holds the records up to and including to.
func (b *memBatch) chunk(to wal.LSN) *wal.Chunk {
	var numbers []wal.LSN
	var records [][]byte
	for _, r := range b.records {
		if r.n <= to {
			numbers, records = append(numbers, r.n), append(records, r.data)
		}
	}
	return wal.NewChunk(false, numbers, records)
}

// NewMemLog returns an empty log of epoch 1.
func NewMemLog(o MemOptions) *MemLog {
	if o.Buffers == 0 {
		o.Buffers = 1
	}
	if o.OnDurable == nil {
		o.OnDurable = func(wal.LSN, error) {}
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Time{} }
	}
	return &MemLog{opts: o, epoch: 1, newest: 1}
}

// Replay is wal.Log.Replay. A chunk is a batch, or a frame of the snapshot.
func (m *MemLog) Replay(fn func(c *wal.Chunk) error, end func() error) (wal.Recovery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.replayed || m.closed {
		return wal.Recovery{}, wal.ErrNotReplayed
	}
	rec := wal.Recovery{Epoch: m.epoch, Last: m.last, Generations: 1}
	if s := m.snapshot(); s != nil {
		if s.barrier > m.last && !m.opts.BreakInstallRule {
			return wal.Recovery{}, fmt.Errorf("%w: the log ends with record %d before the barrier %d of its snapshot", wal.ErrCorrupt, m.last, s.barrier)
		}
		rec.Snapshot, rec.SnapshotRecords, rec.SnapshotBytes = s.barrier, s.records, s.bytes
		rec.Generations += int(m.newest - s.generation)
	}
	err := m.read(m.snapshot(), m.last, func(c *wal.Chunk) error {
		if c.Snapshot() {
			return fn(c)
		}
		rec.Batches++
		err := c.Records(func(_ wal.LSN, record []byte) error {
			rec.Records++
			rec.Bytes += int64(len(record))
			return nil
		})
		if err == nil {
			err = fn(c)
		}
		return err
	})
	if err == nil && end != nil {
		err = end()
	}
	if err != nil {
		return wal.Recovery{}, err
	}
	m.replayed = true
	return rec, nil
}

// Append is wal.Log.Append.
func (m *MemLog) Append(buffer int, record []byte) (wal.LSN, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if buffer < 0 || buffer >= m.opts.Buffers {
		panic(fmt.Sprintf("waltest: buffer %d of %d", buffer, m.opts.Buffers))
	}
	if err := m.ready(); err != nil {
		return 0, err
	}
	if len(record) > wal.MaxRecord {
		return 0, wal.ErrTooLarge
	}
	m.last++
	m.buffered = append(m.buffered, memRecord{m.last, append([]byte(nil), record...)})
	m.stats.Waiting += int64(len(record))
	return m.last, nil
}

func (m *MemLog) ready() error {
	switch {
	case m.err != nil:
		return m.err
	case m.closed:
		return wal.ErrClosed
	case !m.replayed:
		return wal.ErrNotReplayed
	}
	return nil
}

// Demand is wal.Log.Demand.
func (m *MemLog) Demand(n wal.LSN) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.demand = max(m.demand, min(n, m.last))
}

// Demanded reports whether something waits for a commit.
func (m *MemLog) Demanded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.demand > m.durable
}

// Flush is wal.Log.Flush.
func (m *MemLog) Flush() {
	m.Demand(m.Last())
	m.EndRound(0)
}

// EndRound is wal.Log.EndRound. Without Auto it does nothing.
func (m *MemLog) EndRound(int) {
	if m.opts.Auto && m.Demanded() {
		m.Commit()
	}
}

// Commit makes everything that was handed over durable, and tells.
func (m *MemLog) Commit() {
	if m.Begin() {
		m.Finish()
	}
}

// Begin cuts a batch out of everything that was handed over, and has it in flight. It reports false when there
// is nothing to commit, when a batch is in flight already, and when the log has failed or closed.
func (m *MemLog) Begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ready() != nil || m.begun || len(m.buffered) == 0 {
		return false
	}
	m.begun, m.inFlight, m.buffered = true, m.buffered, nil
	return true
}

// Finish makes the batch in flight durable and tells, or fails the log if that was asked for.
func (m *MemLog) Finish() {
	m.mu.Lock()
	if !m.begun || m.err != nil {
		m.mu.Unlock()
		return
	}
	if m.failNext != nil {
		m.err = fmt.Errorf("%w: %w", wal.ErrFailed, m.failNext)
		if !m.onSync {
			m.inFlight = nil
		}
		durable, err := m.durable, m.err
		m.mu.Unlock()
		m.opts.OnDurable(durable, err)
		return
	}
	m.disk = append(m.disk, memBatch{m.epoch, m.opts.Now(), m.inFlight})
	m.stats.Commits++
	m.stats.Syncs++
	m.stats.Records += uint64(len(m.inFlight))
	for _, r := range m.inFlight {
		m.stats.Bytes += uint64(len(r.data))
		m.stats.Waiting -= int64(len(r.data))
	}
	m.durable = m.inFlight[len(m.inFlight)-1].n
	m.begun, m.inFlight = false, nil
	durable := m.durable
	m.mu.Unlock()
	m.opts.OnDurable(durable, nil)
}

// InFlight is the number of records between Begin and Finish.
func (m *MemLog) InFlight() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.inFlight)
}

// FailWrite makes the next commit fail when it writes: the batch is not on the disk. The log has then failed
// until it is crashed or closed and reopened.
func (m *MemLog) FailWrite(err error) { m.setFail(err, false) }

// FailSync makes the next commit fail when it syncs: Crash decides whether the batch is on the disk.
func (m *MemLog) FailSync(err error) { m.setFail(err, true) }

func (m *MemLog) setFail(err error, onSync bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failNext, m.onSync = err, onSync
}

// SetNoSpace makes Writable report ErrNoSpace, or stop doing so.
func (m *MemLog) SetNoSpace(short bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noSpace = short
}

// Crash ends this log where it stands and returns the one that the next start would open: a new epoch, what was
// durable, and numbers that go on behind it. What was handed over is lost. A batch in flight is there whole or
// not at all, as keepInFlight says: it may have reached the disk although nobody was told. A snapshot that was not
// installed is gone. This log reports
// ErrClosed from now on, and tells nobody anything.
func (m *MemLog) Crash(keepInFlight bool, o MemOptions) *MemLog {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := NewMemLog(o)
	next.epoch, next.newest, next.base = m.epoch+1, m.newest, m.base
	next.disk, next.snapshots = slices.Clone(m.disk), slices.Clone(m.snapshots)
	if keepInFlight && len(m.inFlight) > 0 {
		next.disk = append(next.disk, memBatch{m.epoch, m.opts.Now(), m.inFlight})
	}
	next.last = next.base
	if k := len(next.disk); k > 0 {
		next.last = next.disk[k-1].last()
	}
	if m.writer != nil {
		m.writer.over, m.writer = true, nil
	}
	next.durable = next.last
	m.closed, m.begun, m.inFlight, m.buffered = true, false, nil, nil
	return next
}

// Durable is wal.Log.Durable.
func (m *MemLog) Durable() wal.LSN {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.durable
}

// Last is wal.Log.Last.
func (m *MemLog) Last() wal.LSN {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Epoch is wal.Log.Epoch.
func (m *MemLog) Epoch() uint64 { return m.epoch }

// Writable is wal.Log.Writable.
func (m *MemLog) Writable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil {
		return err
	}
	if m.noSpace {
		return wal.ErrNoSpace
	}
	return nil
}

// Err is wal.Log.Err.
func (m *MemLog) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Stats is wal.Log.Stats, as far as it makes sense in memory.
func (m *MemLog) Stats() wal.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// Close is wal.Log.Close: it commits what is there. Crash of a closed log gives one that holds all of it.
func (m *MemLog) Close() error {
	m.Finish()
	m.Commit()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return wal.ErrClosed
	}
	if m.writer != nil {
		m.writer.over, m.writer = true, nil
	}
	m.closed = true
	return m.err
}
