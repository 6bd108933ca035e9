package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Log is a log open for appending. Safe for concurrent use, except that each buffer belongs to one loop: see
// the package comment.
type Log struct {
	dir  string
	opts Options
	lock *os.File
	man  Manifest // changed under genMu and snapMu, after Replay; either is enough to read it
	// epoch of this start; durable in the manifest before the first batch carries it.
	epoch uint64

	buffers []buffer

	// last is the number given last. It is advanced under the lock of the buffer that the record goes to, so
	// that whoever holds all the locks knows every record up to it to be in a buffer or in a batch.
	last    atomic.Uint64
	waiting atomic.Int64  // bytes handed over and not committed
	state   atomic.Int32  // stateOpen...
	active  atomic.Bool   // the committer ticks
	noSpace atomic.Bool   //
	behind  atomic.Bool   // an fsync of a snapshot is under way: one of the log would stand behind it
	_       [64]byte      // what follows is written by others than the loops
	durable atomic.Uint64 // Invariant: durable <= cut <= last
	demand  atomic.Uint64 // highest number that something waits for; Invariant: <= last
	cause   atomic.Pointer[error]

	syncAverage atomic.Int64 // nanoseconds

	wake chan struct{} // a commit should start, or ticking should; capacity 1
	stop chan struct{} // closed by Close
	done chan struct{} // closed by the committer when it has returned

	commitMu  sync.Mutex // held by whoever commits
	committer            // everything that only the holder of commitMu touches

	// snapMu is held for each step of a snapshot, of a removal and of Close, so that there is one at a time, and whoever
	// holds it may write the manifest. Order: snapMu, commitMu, genMu.
	snapMu sync.Mutex
	writer *snapshotWriter // the snapshot in the making

	genMu   sync.Mutex
	gens    []generation // man.Kept to man.Newest
	pins    int          // how many read them
	written atomic.Int64 // bytes written to the newest generation since it was entered in gens

	statsMu sync.Mutex
	stats   Stats
}

const (
	stateOpen int32 = iota // opened, not replayed
	stateReplaying
	stateReady
	stateFailed
	stateClosed
)

// Open locks the data directory dir, which is made if it is missing, and reads its manifest. Replay must follow.
// It fails with a *LockedError when another process has the directory, and with a *CorruptionError when the
// manifest is damaged.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: data directory %s: %w", dir, err)
	}
	if err := makeRoot(abs); err != nil {
		return nil, fmt.Errorf("wal: data directory %s cannot be made: %w", abs, err)
	}
	lock, err := lockDir(abs)
	if err != nil {
		return nil, err
	}
	man, err := prepareDir(o.Disk, abs)
	if err != nil {
		lock.Close()
		return nil, err
	}
	l := &Log{
		dir: abs, opts: o, lock: lock, man: man, epoch: man.Epoch + 1,
		buffers: make([]buffer, o.Buffers),
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	return l, nil
}

// makeRoot makes dir and what is missing above it, and makes the new names durable.
func makeRoot(dir string) error {
	err := os.Mkdir(dir, 0o750)
	if err == nil {
		return syncPath(filepath.Dir(dir))
	}
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		if err := makeRoot(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeRoot(dir)
	}
	if st, serr := os.Stat(dir); serr == nil && st.IsDir() {
		return nil
	}
	return err
}

// start begins the committer's life, once the log has been read.
func (l *Log) start(s *scan) {
	l.trim(time.Now())
	l.last.Store(uint64(s.chain.last))
	l.durable.Store(uint64(s.chain.last))
	l.committer.start(l, s)
	l.checkSpace(time.Now())
	l.state.Store(stateReady)
	go l.run()
}

// Append hands one record over: it copies it into the buffer's memory and gives it its number. It takes no more
// than the buffer's lock, and never waits for the disk. Any goroutine may call it; each loop has a buffer of its own
// so that they do not wait for each other.
//
// It fails when the log has failed or closed, for a record above MaxRecord, and with ErrBacklog when far more
// waits than Options.Backlog; ask Writable before running what may write.
func (l *Log) Append(buffer int, record []byte) (LSN, error) {
	if len(record) > MaxRecord {
		return 0, ErrTooLarge
	}
	b := &l.buffers[buffer]
	b.mu.Lock()
	// Under the lock: Close and a failure change the state first and take the locks afterwards.
	if l.state.Load() != stateReady {
		b.mu.Unlock()
		return 0, l.notReady()
	}
	size := int64(uvarintLen(uint64(len(record))) + len(record))
	if w := l.waiting.Add(size); w > l.opts.Backlog+maxEncoded {
		l.waiting.Add(-size)
		b.mu.Unlock()
		return 0, ErrBacklog
	}
	n := LSN(l.last.Add(1))
	b.fill.add(n, record)
	b.mu.Unlock()
	if !l.active.Load() {
		l.activate()
	}
	return n, nil
}

// Demand says that something waits for record n: the next EndRound, of whichever loop, starts a commit. A number
// that has not been given yet counts as the last one given. Any goroutine.
func (l *Log) Demand(n LSN) {
	want := min(uint64(n), l.last.Load())
	for {
		d := l.demand.Load()
		if d >= want || l.demand.CompareAndSwap(d, want) {
			return
		}
	}
}

// Flush starts a commit of everything handed over so far, and does not wait for it. It is for those who wait
// outside any round. Any goroutine.
func (l *Log) Flush() {
	l.Demand(LSN(l.last.Load()))
	if l.demand.Load() > l.durable.Load() {
		l.wakeUp()
	}
}

// EndRound is called by a loop at the end of its round, after it has handed everything over. If something waits
// for a commit, it starts one: inline, if there is one loop and syncs are short, in which case OnDurable has been
// called when it returns; otherwise by waking the committer. While a snapshot is fsynced it is the committer: an fsync would have to wait
// for the snapshot's bytes, and a round must not.
func (l *Log) EndRound(buffer int) {
	if l.demand.Load() <= l.durable.Load() {
		return
	}
	if len(l.buffers) == 1 && !l.behind.Load() && l.syncAverage.Load() < int64(inlineLimit) && l.commitMu.TryLock() {
		l.commit(commitInline)
		l.commitMu.Unlock()
		return
	}
	l.wakeUp()
}

// Durable is the highest number that may be revealed. Any goroutine.
func (l *Log) Durable() LSN { return LSN(l.durable.Load()) }

// Last is the number given last. Any goroutine.
func (l *Log) Last() LSN { return LSN(l.last.Load()) }

// Epoch is the number of this start. Any goroutine.
func (l *Log) Epoch() uint64 { return l.epoch }

// Dir is the data directory. Any goroutine.
func (l *Log) Dir() string { return l.dir }

// Writable says whether work that will write may start: nil, or an error that is or wraps ErrNoSpace or
// ErrBacklog (temporary), ErrFailed (until restart) or ErrClosed. It costs a few atomic loads. Any goroutine.
func (l *Log) Writable() error {
	if l.state.Load() != stateReady {
		return l.notReady()
	}
	if l.noSpace.Load() {
		return ErrNoSpace
	}
	if l.waiting.Load() > l.opts.Backlog {
		return ErrBacklog
	}
	return nil
}

// Err is why the log has failed, wrapping ErrFailed and the cause, or nil. Any goroutine.
func (l *Log) Err() error {
	if p := l.cause.Load(); p != nil {
		return *p
	}
	return nil
}

func (l *Log) notReady() error {
	if err := l.Err(); err != nil {
		return err
	}
	if l.state.Load() == stateClosed {
		return ErrClosed
	}
	return ErrNotReplayed
}

// fail ends the log until restart. The caller holds commitMu. Only the first call counts.
func (l *Log) fail(err error) {
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	if !l.cause.CompareAndSwap(nil, &err) {
		return
	}
	l.state.CompareAndSwap(stateReady, stateFailed)
	l.opts.Logger.Error("the log has failed: nothing more is written, reads go on; "+
		"check the disk (space, quota, kernel messages), then restart",
		"dir", l.dir, "err", err, "durable", l.durable.Load(), "lost", l.last.Load()-l.durable.Load())
	l.opts.OnDurable(l.Durable(), err)
}

// Close commits what was handed over, makes it durable in every sync mode, notes the log's end in the manifest
// and unlocks the directory. A snapshot in the making is given up. It must not be called from OnDurable, or before Replay has returned. A second call returns ErrClosed.
func (l *Log) Close() error {
	prev := l.state.Swap(stateClosed)
	if prev == stateClosed {
		return ErrClosed
	}
	defer l.lock.Close()
	if prev == stateOpen || prev == stateReplaying {
		return nil // never replayed, or in vain
	}
	close(l.stop)
	<-l.done
	l.snapMu.Lock()
	defer l.snapMu.Unlock()
	if l.writer != nil {
		l.writer.remove()
	}
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if l.Err() == nil {
		l.finish()
	}
	err := l.Err()
	if cerr := l.sink.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("wal: %w", cerr)
	}
	return err
}
