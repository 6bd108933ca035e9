package waltest

import (
	"fmt"
	"time"

	"everloop/wal"
)

// memSnapshot is a snapshot in front of a generation.
type memSnapshot struct {
	generation uint64
	base       wal.LSN      // last record before the generation
	barrier    wal.LSN      //
	at         wal.Position // of the barrier
	time       time.Time
	frames     [][]memRecord // n is the tag
	records    uint64
	bytes      int64
}

// memWriter implements wal.SnapshotWriter.
type memWriter struct {
	m    *MemLog
	s    memSnapshot
	over bool
}

// snapshot is the one that a start reads. The caller holds mu.
func (m *MemLog) snapshot() *memSnapshot {
	if len(m.snapshots) == 0 {
		return nil
	}
	return &m.snapshots[len(m.snapshots)-1]
}

// read passes on a snapshot, if there is one, and the log behind it up to a record. The caller holds mu, or nothing
// changes.
func (m *MemLog) read(s *memSnapshot, to wal.LSN, fn func(*wal.Chunk) error) error {
	var from wal.LSN
	if s != nil {
		from = s.base
		for _, frame := range s.frames {
			tags, records := make([]wal.LSN, len(frame)), make([][]byte, len(frame))
			for i, r := range frame {
				tags[i], records[i] = r.n, r.data
			}
			if err := fn(wal.NewChunk(true, tags, records)); err != nil {
				return err
			}
		}
	}
	for i := range m.disk {
		b := &m.disk[i]
		if b.last() <= from || b.records[0].n > to {
			continue
		}
		if err := fn(b.chunk(to)); err != nil {
			return err
		}
	}
	return nil
}

// FailSnapshot makes the next step of a snapshot, which is StartSnapshot or a Write or Install, fail and give it up.
func (m *MemLog) FailSnapshot(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failSnap = err
}

// step is what the steps of a snapshot have in common. The caller holds mu.
func (m *MemLog) step() error {
	if err := m.ready(); err != nil {
		return err
	}
	if err := m.failSnap; err != nil {
		m.failSnap = nil
		return err
	}
	if m.noSpace {
		return wal.ErrNoSpace
	}
	return nil
}

// commitAll commits what was handed over, the batch in flight first.
func (m *MemLog) commitAll() error {
	m.Finish()
	m.Commit()
	return m.Err()
}

// StartSnapshot is wal.Log.StartSnapshot. It commits, and begins a generation.
func (m *MemLog) StartSnapshot() (wal.SnapshotWriter, error) {
	m.mu.Lock()
	err := m.step()
	if err == nil && m.writer != nil {
		err = wal.ErrSnapshotRunning
	}
	m.mu.Unlock()
	if err == nil {
		err = m.commitAll()
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil {
		return nil, err
	}
	m.newest, m.base = m.newest+1, m.durable
	m.stats.Rotations++
	m.writer = &memWriter{m: m, s: memSnapshot{generation: m.newest, base: m.base}}
	return m.writer, nil
}

// begin is the beginning of a step. The caller holds mu.
func (w *memWriter) begin() error {
	if w.over {
		return wal.ErrSnapshotOver
	}
	if err := w.m.step(); err != nil {
		w.giveUp()
		return err
	}
	return nil
}

func (w *memWriter) giveUp() {
	w.over = true
	w.m.writer = nil
	w.m.stats.SnapshotsGivenUp++
}

func (w *memWriter) Write(f *wal.Frame) error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if err := w.begin(); err != nil {
		return err
	}
	if f.Records() == 0 {
		return nil
	}
	var frame []memRecord
	err := f.Each(func(tag wal.LSN, record []byte) error {
		frame = append(frame, memRecord{tag, append([]byte(nil), record...)})
		return nil
	})
	if err != nil {
		w.giveUp()
		return err
	}
	w.s.frames = append(w.s.frames, frame)
	w.s.records += uint64(len(frame))
	w.s.bytes += int64(f.Len())
	return nil
}

func (w *memWriter) Install(barrier wal.LSN) (wal.SnapshotInfo, error) {
	m := w.m
	m.mu.Lock()
	err := w.begin()
	if err == nil {
		err = w.holds(barrier)
	}
	m.mu.Unlock()
	if err != nil {
		return wal.SnapshotInfo{}, err
	}
	if !m.opts.BreakInstallRule {
		if err := m.commitAll(); err != nil {
			return wal.SnapshotInfo{}, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.over { // crashed or closed by who was told of the commit
		return wal.SnapshotInfo{}, wal.ErrSnapshotOver
	}
	w.over, m.writer = true, nil
	w.s.barrier, w.s.time = barrier, m.opts.Now()
	w.s.at = m.position(barrier)
	m.snapshots = append(m.snapshots, w.s)
	m.stats.Snapshots++
	m.stats.SnapshotBytes += uint64(w.s.bytes)
	m.trim()
	return wal.SnapshotInfo{
		Generation: w.s.generation, Barrier: barrier, Records: w.s.records, Bytes: w.s.bytes, RawBytes: w.s.bytes, Time: w.s.time,
	}, nil
}

// holds checks what is told of the barrier. The caller holds mu.
func (w *memWriter) holds(barrier wal.LSN) error {
	bad := barrier > w.m.last || barrier < w.s.base
	for _, frame := range w.s.frames {
		for _, r := range frame {
			bad = bad || r.n > barrier
		}
	}
	if bad {
		w.giveUp()
		return fmt.Errorf("waltest: the barrier of a snapshot is %d: it must not be below a tag, nor above the last record %d", barrier, w.m.last)
	}
	return nil
}

func (w *memWriter) Abort() error {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	if !w.over {
		w.over, w.m.writer = true, nil
	}
	return nil
}

// trim removes snapshots and batches that are not kept. The caller holds mu.
func (m *MemLog) trim() {
	if k := len(m.snapshots) - 1 - m.opts.Keep; k > 0 {
		m.stats.Removed += m.snapshots[k].generation - m.snapshots[0].generation
		m.snapshots = append([]memSnapshot(nil), m.snapshots[k:]...)
	}
	if len(m.snapshots) <= m.opts.Keep {
		return // history goes back to the beginning
	}
	for len(m.disk) > 0 && m.disk[0].last() <= m.snapshots[0].base {
		m.disk = m.disk[1:]
	}
}

// position is the place of a record that is on the disk. The caller holds mu.
func (m *MemLog) position(n wal.LSN) wal.Position {
	for i := range m.disk {
		if b := &m.disk[i]; n <= b.last() && n >= b.records[0].n {
			return wal.Position{Epoch: b.epoch, LSN: n, Time: b.time}
		}
	}
	for _, s := range m.snapshots {
		if s.barrier == n {
			return s.at
		}
	}
	return wal.Position{LSN: n}
}

// Size is wal.Log.Size. Bytes are those of records.
func (m *MemLog) Size() wal.Size {
	m.mu.Lock()
	defer m.mu.Unlock()
	var size wal.Size
	var base wal.LSN
	for i := range m.snapshots {
		s := &m.snapshots[i]
		if i == 0 && m.goneBefore() {
			size.KeptSince = s.time
		}
		if i < len(m.snapshots)-1 {
			size.Kept += s.bytes
			continue
		}
		size.Snapshot, size.SnapshotTime, base = s.bytes, s.time, s.base
	}
	for i := range m.disk {
		b := &m.disk[i]
		for _, r := range b.records {
			if b.last() <= base {
				size.Kept += int64(len(r.data))
			} else {
				size.Log += int64(len(r.data))
			}
		}
	}
	return size
}

// goneBefore reports whether what was before the oldest snapshot is gone. The caller holds mu.
func (m *MemLog) goneBefore() bool {
	return len(m.snapshots) > 0 && m.snapshots[0].base > 0 && (len(m.disk) == 0 || m.disk[0].records[0].n > 1)
}

// memHistory implements wal.History: a copy of what was kept when it was opened.
type memHistory struct {
	m   *MemLog
	end wal.Position
}

// History is wal.Log.History.
func (m *MemLog) History() (wal.History, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil && m.err == nil {
		return nil, err
	}
	// Batches and snapshots are never changed, only dropped.
	frozen := &MemLog{disk: m.disk[:len(m.disk):len(m.disk)], snapshots: m.snapshots[:len(m.snapshots):len(m.snapshots)]}
	return &memHistory{frozen, m.position(m.durable)}, nil
}

func (h *memHistory) Start() wal.Position {
	if h.m.goneBefore() {
		return h.m.snapshots[0].at
	}
	return wal.Position{}
}

func (h *memHistory) End() wal.Position { return h.end }

func (h *memHistory) none(what string) error {
	return fmt.Errorf("%w: %s; it is kept since record %d", wal.ErrNoHistory, what, h.Start().LSN)
}

func (h *memHistory) At(t time.Time) (wal.Position, error) {
	start := h.Start()
	if start.LSN > 0 && t.Before(start.Time) {
		return wal.Position{}, h.none(t.String())
	}
	found := start
	for i := range h.m.disk {
		b := &h.m.disk[i]
		if !b.time.After(t) && b.last() >= start.LSN {
			found = wal.Position{Epoch: b.epoch, LSN: b.last(), Time: b.time}
		}
	}
	return found, nil
}

func (h *memHistory) Find(epoch uint64, n wal.LSN) (wal.Position, error) {
	p := h.m.position(n)
	if n < h.Start().LSN || n > h.end.LSN || n > 0 && p.Epoch != epoch {
		return wal.Position{}, h.none(fmt.Sprintf("record %d of epoch %d", n, epoch))
	}
	return p, nil
}

func (h *memHistory) Read(to wal.LSN, fn func(*wal.Chunk) error) error {
	if to < h.Start().LSN || to > h.end.LSN {
		return h.none(fmt.Sprintf("record %d", to))
	}
	var from *memSnapshot
	for i := range h.m.snapshots {
		if s := &h.m.snapshots[i]; s.barrier <= to {
			from = s
		}
	}
	return h.m.read(from, to, fn)
}

func (h *memHistory) Close() error { return nil }
