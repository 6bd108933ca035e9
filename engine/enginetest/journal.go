package enginetest

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
	"everloop/wal/waltest"
)

// journal stands between the engine and its log. It sees every record on its way in and, at a start, on its way
// back; so the model knows which record belongs to which turn, and learns from the bytes themselves, not from the
// engine, what a crash has left. It also decides when commits happen. Owned by its simulation.
type journal struct {
	engine.Log
	w    *world
	disk disk
	// asked: something waits for a commit.
	asked bool
	readers
}

// disk is a log that commits, fails and crashes on command.
type disk interface {
	open(buffers int, durable func(wal.LSN, error)) (engine.Log, error)
	// commit makes a commit happen, or a part of one. It may do nothing.
	commit(w *world)
	// settled reports that there is nothing to commit.
	settled() bool
	// hurt breaks something that a disk may break.
	hurt(w *world)
	// mend makes room on a disk that is full.
	mend(w *world)
	// crash ends the log that is open and has the next open find what is left.
	crash(w *world)
	// closed has the next open find everything.
	closed()
}

var errDisk = errors.New("the disk is broken on purpose")

func (j *journal) Replay(fn func(*wal.Chunk) error, end func() error) (wal.Recovery, error) {
	f := newFound()
	rec, err := j.Log.Replay(func(c *wal.Chunk) error {
		if j.w.config.TwoLogs && !c.Snapshot() {
			c = j.oneLog(c)
		}
		if err := f.takeAll(c); err != nil {
			return err
		}
		if j.w.config.Spoil == SpoilTwice && c.Snapshot() {
			c = untagged(c)
		}
		return fn(c)
	}, end)
	if err == nil {
		j.w.recovered(f, rec.Last)
	}
	return rec, err
}

// oneLog takes from a chunk what only the log of every second object would have.
func (j *journal) oneLog(c *wal.Chunk) *wal.Chunk {
	var numbers []wal.LSN
	var records [][]byte
	_ = c.Records(func(n wal.LSN, record []byte) error {
		if n > j.w.keeps && j.w.ofSecondLog(record) {
			record = redo.AppendMigration(nil, "lost", nil)
		}
		numbers, records = append(numbers, n), append(records, bytes.Clone(record))
		return nil
	})
	return wal.NewChunk(false, numbers, records)
}

// ofSecondLog reports whether a record is one of every second object.
func (w *world) ofSecondLog(record []byte) bool {
	rec, err := redo.Parse(record)
	return err == nil && rec.Kind == redo.KindObject && slices.ContainsFunc(w.objects, func(o *object) bool {
		return o.index%2 == 1 && o.id == *rec.ID
	})
}

func (j *journal) Append(buffer int, record []byte) (wal.LSN, error) {
	if j.asked && j.w.pick(5) == 0 {
		// A committer of its own goroutine may be at work, and fail, at any moment of a turn.
		j.disk.commit(j.w)
	}
	n, err := j.Log.Append(buffer, record)
	j.w.wait() // for a committer that this has woken, so that it does what it does before the turn goes on
	if rec, perr := redo.Parse(record); perr == nil && rec.Kind == redo.KindObject {
		for _, o := range j.w.objects {
			if o.id == *rec.ID {
				lsn := n
				if err != nil {
					lsn = lost
				}
				if j.w.pastRecord(o, &rec, lsn) || j.w.alarmRecord(o, &rec, lsn) {
					continue
				}
				o.seal(lsn)
				j.w.note("record %d of %s", n, o.name)
			}
		}
	}
	return n, err
}

func (j *journal) Demand(n wal.LSN) {
	j.asked = true
	j.Log.Demand(n)
}

// EndRound may commit at once, as a log with one loop does, or leave it for later.
func (j *journal) EndRound(buffer int) {
	if j.asked && j.w.pick(3) == 0 {
		j.asked = false
		j.w.note("commit at the end of a round of loop %d", buffer)
		j.disk.commit(j.w)
	}
}

// memory is a disk in memory.
type memory struct {
	spoil bool // snapshots are installed without waiting for the log
	keep  int  // how many older snapshots are kept
	log   *waltest.MemLog
	next  func(waltest.MemOptions) *waltest.MemLog
}

func (m *memory) open(buffers int, durable func(wal.LSN, error)) (engine.Log, error) {
	o := waltest.MemOptions{Buffers: buffers, OnDurable: durable, BreakInstallRule: m.spoil, Keep: m.keep}
	if m.next == nil {
		m.next = waltest.NewMemLog
	}
	m.log = m.next(o)
	return m.log, nil
}

// commit takes one of the two steps of a commit, or both.
func (m *memory) commit(w *world) {
	both := w.pick(2) == 0
	if m.log.Begin() {
		w.note("a commit has %d records in flight", m.log.InFlight())
		if !both {
			return
		}
	}
	m.log.Finish()
	w.note("durable up to %d", m.log.Durable())
}

func (m *memory) settled() bool {
	return m.log.Err() != nil || m.log.Last() == m.log.Durable()
}

func (m *memory) hurt(w *world) {
	switch w.pick(8) {
	case 0:
		w.note("the next write fails")
		m.log.FailWrite(errDisk)
	case 1:
		w.note("the next fsync fails")
		m.log.FailSync(errDisk)
	default:
		w.full = !w.full
		w.wasFull = true
		w.note("the disk is full: %t", w.full)
		m.log.SetNoSpace(w.full)
	}
}

func (m *memory) mend(w *world) {
	w.full = false
	m.log.SetNoSpace(false)
}

func (m *memory) crash(w *world) {
	keep := w.pick(2) == 0
	if w.config.TwoLogs {
		keep = true
		m.log.Begin() // the more is in flight, the more differs between the two
	}
	w.note("the batch in flight survives: %t", keep)
	old := m.log
	// What survives is decided now, while the old log still knows.
	next := old.Crash(keep, waltest.MemOptions{})
	m.next = func(o waltest.MemOptions) *waltest.MemLog { return next.Crash(false, o) }
}

func (m *memory) closed() {
	old := m.log
	m.next = func(o waltest.MemOptions) *waltest.MemLog { return old.Crash(false, o) }
}

// platter is a directory that loses power, under the real log.
type platter struct {
	sync wal.SyncMode
	kept int64 // bytes of history
	base string
	n    int
	dir  string
	disk *waltest.PowerDisk
	log  *wal.Log
}

func (p *platter) open(buffers int, durable func(wal.LSN, error)) (engine.Log, error) {
	if p.dir == "" {
		p.dir = filepath.Join(p.base, "0")
		if err := os.Mkdir(p.dir, 0o750); err != nil {
			return nil, err
		}
	}
	var err error
	if p.disk, err = waltest.NewPowerDisk(p.dir); err != nil {
		return nil, err
	}
	// Time stands still in the simulation, so only what is demanded is committed.
	p.log, err = wal.Open(p.dir, wal.Options{
		Buffers: buffers, Sync: p.sync, MaxDelay: time.Hour, Idle: time.Hour, Interval: time.Hour,
		OnDurable: durable, Disk: p.disk, Retain: wal.Retain{Age: time.Hour, Bytes: p.kept},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	return p.log, err
}

func (p *platter) commit(w *world) {
	p.log.Flush()
	w.wait()
	w.note("durable up to %d", p.log.Durable())
}

func (p *platter) settled() bool { return p.log.Err() != nil || p.log.Last() == p.log.Durable() }

func (p *platter) hurt(w *world) {
	switch w.pick(6) {
	case 0:
		w.note("the next write fails")
		p.disk.Fail(wal.OpWrite, 1, errDisk)
	case 1:
		w.note("the next fsync fails")
		p.disk.Fail(wal.OpSync, 1, errDisk)
	case 2:
		// What only snapshots do, and new segments.
		kind := []wal.OpKind{wal.OpMkdir, wal.OpCreate, wal.OpRename, wal.OpRemove, wal.OpSyncDir}[w.pick(5)]
		w.note("the next %v fails", kind)
		p.disk.Fail(kind, 1, errDisk)
	default:
		n := 1 + w.pick(6)
		w.note("the power goes in %d operations of the disk", n)
		p.disk.CutAt(n)
	}
}

func (p *platter) mend(*world) {}

func (p *platter) crash(w *world) {
	p.n++
	p.dir = filepath.Join(p.base, strconv.Itoa(p.n))
	if err := p.disk.Crash(uint64(w.pick(1<<16)), p.dir); err != nil {
		w.fail(Fault, "crash copy: %v", err)
	}
	p.disk.CutAt(1) // nothing that the old log still does must be seen
}

func (p *platter) closed() {}
