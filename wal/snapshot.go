package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

var (
	// ErrSnapshotRunning is returned by StartSnapshot while another snapshot is being made. It is temporary.
	ErrSnapshotRunning = errors.New("wal: a snapshot is being made already")

	// ErrSnapshotOver is returned by a SnapshotWriter after Install, Abort, an error or the log's Close.
	ErrSnapshotOver = errors.New("wal: the snapshot is finished or was given up")
)

// SnapshotWriter is a snapshot in the making. Its methods are called by one goroutine at a time, which is not a loop's:
// they wait for the disk. The caller ends it with Install or Abort.
//
// A snapshot is *fuzzy*: what it holds may be of different moments, each record with the number of the log's record
// that it is up to (its tag). Recovery leaves out what the log says of an object up to that number.
type SnapshotWriter interface {
	// Write compresses the records of f, adds a checksum, and appends them. f may be used anew when it returns. An error
	// gives the snapshot up and removes its file; the log goes on. It wraps ErrNoSpace when the disk is full or has come
	// below its reserve.
	Write(f *Frame) error

	// Install makes the snapshot the one that the next start reads, and removes what no longer is needed. barrier is
	// Log.Last as it was when the last object had been encoded, or later: it is not below any tag. The log is made
	// durable past the barrier first, in every sync mode.
	//
	// An error before the snapshot has taken its place gives it up, and the log goes on; one in the middle of that ends
	// the log (ErrFailed).
	Install(barrier LSN) (SnapshotInfo, error)

	// Abort gives the snapshot up and removes its file. The new generation of the log stays. After Install, or an
	// error, it does nothing.
	Abort() error
}

// SnapshotInfo tells of one snapshot.
type SnapshotInfo struct {
	Generation uint64 // of the log, in front of which it stands
	Barrier    LSN    // the log has to reach up to here for the snapshot to hold
	Records    uint64
	Bytes      int64 // of the file
	RawBytes   int64 // of the records, before compression
	Time       time.Time
	Took       time.Duration // from StartSnapshot to the end of Install
}

// Size is how much there is on the disk.
type Size struct {
	Log          int64     // bytes of the log that a start would read behind the snapshot
	Snapshot     int64     // bytes of the snapshot that a start would read; 0 = there is none
	SnapshotTime time.Time // when that was finished; zero without one
	Kept         int64     // bytes of older snapshots and generations that are kept for time travel
	KeptSince    time.Time // the moment from which on history is kept
}

// Size tells how much is on the disk. It is cheap. Any goroutine.
func (l *Log) Size() Size {
	l.genMu.Lock()
	defer l.genMu.Unlock()
	s := Size{Log: l.written.Load(), KeptSince: time.UnixMilli(int64(l.man.MadeUnixMs))}
	for i, g := range l.gens {
		if i == 0 && !g.time.IsZero() {
			s.KeptSince = g.time
		}
		switch {
		case g.number < l.man.Oldest:
			s.Kept += g.bytes + g.snapshot
			continue
		case g.number == l.man.Oldest && g.whole:
			s.Snapshot, s.SnapshotTime = g.snapshot, g.time
		}
		s.Log += g.bytes
	}
	return s
}

// syncSnapshotEvery bounds how much of a snapshot waits in the page cache: a commit's fsync should not find all of it before
// itself.
const syncSnapshotEvery = 1 << 20

const (
	// snapshotPace is how many bytes of a snapshot are written in a second: a share of a disk that commits hardly notice. Where the log grows fast it is
	// twice the pace of the log, so that the log grows by half a snapshot at most until that is done. The first freeSnapshot bytes are free.
	snapshotPace = 16 << 20
	freeSnapshot = 1 << 20
	// maxSnapshotPause bounds one pause, and so how long Close waits for it.
	maxSnapshotPause = 100 * time.Millisecond
)

// snapshotWriter implements SnapshotWriter. Everything but the encoder is guarded by Log.snapMu.
type snapshotWriter struct {
	l        *Log
	enc      *snapshotEncoder // the caller's goroutine's
	number   uint64           // generation
	path     string           // without .tmp
	file     *os.File
	offset   int64
	unsynced int64
	began    time.Time
	logged   uint64 // bytes that the log had written by then
	over     bool
}

// StartSnapshot begins a snapshot: a new generation of the log, and a file for the snapshot in front of it. What has a
// number by now stands in the generations before. It waits for a few fsyncs, so a loop must not call it; loops go on
// meanwhile.
//
// It fails with ErrSnapshotRunning, and with ErrNoSpace when the disk has less room than its reserve and the size of
// the last snapshot. Neither does the log any harm.
func (l *Log) StartSnapshot() (SnapshotWriter, error) {
	began := time.Now()
	l.snapMu.Lock()
	defer l.snapMu.Unlock()
	if err := l.ready(); err != nil {
		return nil, err
	}
	if l.writer != nil {
		return nil, ErrSnapshotRunning
	}
	if err := l.room(l.Size().Snapshot); err != nil {
		return nil, err
	}
	head, err := l.rotate()
	if err != nil {
		return nil, noSpace(err)
	}
	w := &snapshotWriter{
		l: l, enc: newSnapshotEncoder(head), number: head.generation, began: began,
		path: filepath.Join(l.dir, partitionName, snapshotName(head.generation)),
	}
	l.statsMu.Lock()
	w.logged = l.stats.Bytes
	l.statsMu.Unlock()
	l.writer = w
	if err := w.create(); err != nil {
		return nil, w.giveUp(err)
	}
	return w, nil
}

// room reports whether the disk has its reserve and need bytes more.
func (l *Log) room(need int64) error {
	if l.opts.Reserve < 0 {
		return nil
	}
	free, err := l.opts.Disk.Free(l.dir)
	if err == nil && free < l.opts.Reserve+need {
		return fmt.Errorf("%w (a snapshot of %s: %d bytes are free, %d are to be kept free, and it needs about %d)",
			ErrNoSpace, l.dir, free, l.opts.Reserve, need)
	}
	return nil // where nothing is known, a write tells
}

func (w *snapshotWriter) create() error {
	tmp := w.path + ".tmp"
	err := createFile(w.l.opts.Disk, tmp)
	if err == nil {
		w.file, err = os.OpenFile(tmp, os.O_WRONLY, 0)
	}
	if err != nil {
		return fmt.Errorf("wal: make %s: %w", tmp, err)
	}
	return w.append(w.enc.head())
}

// append writes the next bytes of the file.
func (w *snapshotWriter) append(b []byte) error {
	tmp := w.path + ".tmp"
	op := Op{Kind: OpWrite, Path: tmp, Offset: w.offset, Data: b}
	if err := w.l.opts.Disk.Do(op, func() error { _, err := w.file.WriteAt(b, w.offset); return err }); err != nil {
		return fmt.Errorf("wal: write %s: %w", tmp, err)
	}
	w.offset += int64(len(b))
	if w.unsynced += int64(len(b)); w.unsynced >= syncSnapshotEvery {
		return w.sync()
	}
	return nil
}

func (w *snapshotWriter) sync() error {
	w.l.behind.Store(true)
	defer w.l.behind.Store(false)
	tmp := w.path + ".tmp"
	if err := w.l.opts.Disk.Do(Op{Kind: OpSync, Path: tmp}, w.file.Sync); err != nil {
		return fmt.Errorf("wal: fsync %s: %w", tmp, err)
	}
	w.unsynced = 0
	return nil
}

// begin takes the lock for one step of the snapshot. If it returns nil, the lock is held.
func (w *snapshotWriter) begin() error {
	w.l.snapMu.Lock()
	err := w.l.ready()
	if err == nil && w.over {
		err = ErrSnapshotOver
	}
	if err != nil {
		if !w.over {
			err = w.giveUp(err)
		}
		w.l.snapMu.Unlock()
	}
	return err
}

// Write implements SnapshotWriter.
func (w *snapshotWriter) Write(f *Frame) error {
	b, encErr := w.enc.frame(f)
	pause, err := w.write(b, encErr)
	time.Sleep(pause) // nobody waits for a snapshot, and commits wait for the disk
	return err
}

// write appends a frame, and returns how long the next one should wait.
func (w *snapshotWriter) write(b []byte, encErr error) (pause time.Duration, err error) {
	if err := w.begin(); err != nil {
		return 0, err
	}
	defer w.l.snapMu.Unlock()
	if encErr != nil {
		return 0, w.giveUp(encErr)
	}
	if len(b) == 0 {
		return 0, nil
	}
	if err := w.l.room(0); err != nil {
		return 0, w.giveUp(err)
	}
	if err := w.append(b); err != nil {
		return 0, w.giveUp(err)
	}
	return w.ahead(time.Now()), nil
}

// ahead is how long the snapshot has to stand still so as not to be ahead of its pace.
func (w *snapshotWriter) ahead(now time.Time) time.Duration {
	elapsed := now.Sub(w.began)
	w.l.statsMu.Lock()
	logged := int64(w.l.stats.Bytes - w.logged)
	w.l.statsMu.Unlock()
	pace := float64(snapshotPace)
	if s := elapsed.Seconds(); s > 0 {
		pace = max(pace, 2*float64(logged)/s)
	}
	due := time.Duration(float64(w.offset-freeSnapshot) / pace * float64(time.Second))
	return min(max(due-elapsed, 0), maxSnapshotPause)
}

// Install implements SnapshotWriter.
func (w *snapshotWriter) Install(barrier LSN) (SnapshotInfo, error) {
	now := time.Now()
	b, foot, encErr := w.enc.foot(barrier, uint64(now.UnixMilli()))
	if err := w.begin(); err != nil {
		return SnapshotInfo{}, err
	}
	defer w.l.snapMu.Unlock()
	l, d := w.l, w.l.opts.Disk
	if encErr != nil {
		return SnapshotInfo{}, w.giveUp(encErr)
	}
	if err := w.append(b); err != nil {
		return SnapshotInfo{}, w.giveUp(err)
	}
	if err := w.sync(); err != nil {
		return SnapshotInfo{}, w.giveUp(err)
	}
	floorSeq, floor, err := l.syncPast(barrier)
	if err != nil {
		return SnapshotInfo{}, w.giveUp(err)
	}
	// From here on a file of this name stands for a snapshot that the log on the disk reaches past.
	if err := rename(d, w.path+".tmp", w.path); err != nil {
		return SnapshotInfo{}, w.giveUp(fmt.Errorf("wal: rename %s.tmp: %w", w.path, err))
	}
	if err := syncDir(d, filepath.Dir(w.path)); err != nil {
		return SnapshotInfo{}, w.giveUp(fmt.Errorf("wal: fsync %s: %w", filepath.Dir(w.path), err))
	}
	next := l.man
	next.Oldest, next.Snapshot, next.FloorSeq, next.Floor = w.number, barrier, floorSeq, floor
	if replaced, err := l.writeManifest(&next); err != nil {
		if replaced {
			l.commitMu.Lock()
			l.fail(err)
			l.commitMu.Unlock()
			w.end()
			return SnapshotInfo{}, l.Err()
		}
		return SnapshotInfo{}, w.giveUp(fmt.Errorf("wal: %w", err))
	}
	// Only now: a History that is opened meanwhile must not build on a snapshot that may still be given up.
	l.genMu.Lock()
	l.man.Oldest, l.man.Snapshot, l.man.FloorSeq, l.man.Floor = w.number, barrier, floorSeq, floor
	g := l.generationAt(w.number)
	g.whole, g.snapshot, g.time = true, w.offset, time.UnixMilli(now.UnixMilli())
	l.genMu.Unlock()
	w.end()
	l.trim(time.Now())
	info := SnapshotInfo{
		Generation: w.number, Barrier: barrier, Records: foot.records, Bytes: w.offset, RawBytes: int64(foot.rawBytes),
		Time: g.time, Took: time.Since(w.began),
	}
	l.statsMu.Lock()
	l.stats.Snapshots++
	l.stats.SnapshotBytes += uint64(info.Bytes)
	l.stats.SnapshotTime.add(uint64(info.Took.Milliseconds()))
	l.statsMu.Unlock()
	return info, nil
}

// syncPast makes the log durable up to record n, and past it, in every sync mode. It returns the last batch and record that are on disk then.
func (l *Log) syncPast(n LSN) (seq uint64, last LSN, err error) {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	c := &l.committer
	if n > LSN(l.last.Load()) {
		return 0, 0, fmt.Errorf("wal: the barrier of a snapshot is %d, but the last record is %d", n, l.last.Load())
	}
	if c.cut < n {
		l.commit(commitBackground)
	}
	if l.Err() == nil && c.syncedTo < n {
		l.sync()
	}
	return c.synced, c.syncedTo, l.Err()
}

// end forgets the snapshot. The caller holds snapMu.
func (w *snapshotWriter) end() {
	w.over = true
	w.l.writer = nil
	if w.file != nil {
		_ = w.file.Close() // it was fsynced, or is removed
	}
}

// giveUp ends a snapshot that cannot be finished because of err, and returns that. The caller holds snapMu.
func (w *snapshotWriter) giveUp(err error) error {
	err = noSpace(err)
	w.remove()
	w.l.statsMu.Lock()
	w.l.stats.SnapshotsGivenUp++
	w.l.statsMu.Unlock()
	w.l.opts.Logger.Warn("a snapshot was given up; the log goes on, and grows until one succeeds", "dir", w.l.dir, "generation", w.number, "err", err)
	return err
}

// remove ends a snapshot and removes its file, under whichever name. The caller holds snapMu.
func (w *snapshotWriter) remove() {
	w.end()
	if w.l.Err() != nil {
		return // the next start removes it
	}
	d := w.l.opts.Disk
	w.l.abandon(func() error {
		for _, path := range []string{w.path + ".tmp", w.path} {
			if _, err := os.Lstat(path); err != nil {
				continue
			}
			if err := removeFile(d, path); err != nil {
				return err
			}
		}
		return nil
	}, func() error { return syncDir(d, filepath.Dir(w.path)) })
}

// Abort implements SnapshotWriter.
func (w *snapshotWriter) Abort() error {
	w.l.snapMu.Lock()
	defer w.l.snapMu.Unlock()
	if !w.over {
		w.remove()
	}
	return nil
}
