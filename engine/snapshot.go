package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"everloop/engine/redo"
	"everloop/loop"
	"everloop/wal"
)

// A snapshot has all objects in it, so that the log before it is not needed any more. It is made while everything goes on. The log begins a
// new generation first. Then each loop writes its objects into frames, a slice between two turns (snapshotpart.go), and a goroutine compresses the frames and
// writes them. What an object is when its slice comes is up to its last record, and bears its number; so different objects are of different moments, and
// recovery takes the rest from the log. When the last loop is done, the classes follow, and the number that the log has come to by then, the barrier,
// says up to where the log is needed for all of it to fit together.
//
// Every object gets in that was there when its loop began and has not become empty since: it keeps its place in the table, and
// the loop goes through all places that there were. What has come since, in whatever place, has all its records in the
// new generation; and so has what has gone since, up to the one that emptied it.

// SnapshotInfo tells of a snapshot that was installed.
type SnapshotInfo = wal.SnapshotInfo

// ErrSnapshotAborted ends a snapshot that was given up because the engine closes. The log has everything.
var ErrSnapshotAborted = errors.New("engine: the snapshot was given up, as the engine closes")

// Snapshot writes all objects into a snapshot, which the next start reads instead of the log up to here, and returns when it is
// installed. Objects go on meanwhile: no loop waits, each writes a slice of its objects between turns. If one is being made
// already, Snapshot joins it. If ctx ends earlier, it returns the error of ctx and the snapshot goes on. It is called from
// a goroutine of the embedding program. It fails with ErrClosed, ErrSnapshotAborted, ErrInsideTurn, or as the log does (wal.ErrNoSpace); then the log
// has everything, and further attempts are made.
func (e *Engine) Snapshot(ctx context.Context) (SnapshotInfo, error) {
	if insideTurn() {
		return SnapshotInfo{}, ErrInsideTurn
	}
	type end struct {
		info SnapshotInfo
		err  error
	}
	ended := make(chan end, 1)
	e.BeginSnapshot(func(info SnapshotInfo, err error) { ended <- end{info, err} })
	select {
	case got := <-ended:
		return got.info, got.err
	case <-ctx.Done():
		return SnapshotInfo{}, ctx.Err()
	}
}

// BeginSnapshot is Snapshot for those who do not wait: done is called when the snapshot is installed or was given up, on any
// goroutine, and must not block. It may be called on a loop.
func (e *Engine) BeginSnapshot(done func(SnapshotInfo, error)) { e.snapshots.begin(done) }

// SnapshotStats are the figures of the snapshots that this engine has made.
type SnapshotStats struct {
	Running   bool
	Written   int64 // bytes of records that the one in the making has so far, before compression
	Installed uint64
	Failed    uint64
	// Last is the newest that was installed since Open, Objects how many objects it has; zero without one.
	Last    SnapshotInfo
	Objects uint64
	// Took is the time that all of them took.
	Took time.Duration
	// Err is why the last attempt has failed; nil if it has not.
	Err error
}

// SnapshotStats reads the figures. Safe from any goroutine.
func (e *Engine) SnapshotStats() SnapshotStats {
	s := &e.snapshots
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	if s.run != nil {
		stats.Running, stats.Written = true, s.run.bytes.Load()
	}
	return stats
}

const (
	// snapshotRetryMS is how long after a failure the next attempt is made by itself, twice as long after each further one, up to
	// snapshotRetryMost.
	snapshotRetryMS   = 10_000
	snapshotRetryMost = 600_000
	// snapshotLookMS is how often the age of the snapshot is looked at, at least.
	snapshotLookMS = 3_600_000
)

// snapshots makes snapshots, one at a time, when the log has become long or the last one old, and when it is asked to.
type snapshots struct {
	e     *Engine
	ended sync.WaitGroup // the goroutine of the one that is made

	// quiet: commits need not look whether one is due: one is made, or was given up a short while ago, or it is looked at already.
	quiet atomic.Bool

	mu      sync.Mutex
	run     *snapshotRun
	stopped bool
	inRow   int // failures
	barrier wal.LSN
	opened  int64 // on the wall clock
	stats   SnapshotStats
}

func (s *snapshots) init(e *Engine) {
	s.e = e
	s.quiet.Store(true)
}

// recovered takes what was found at the start.
func (s *snapshots) recovered(r wal.Recovery) { s.barrier = r.Snapshot }

// open begins to look when one is due.
func (s *snapshots) open() {
	s.e.owners[0].loop.Post(loop.Func(func() {
		o := s.e.owners[0]
		s.mu.Lock()
		s.opened = o.loop.Wall()
		s.mu.Unlock()
		s.look(o)
		if s.e.opts.SnapshotAge > 0 {
			s.watchAge(o)
		}
	}))
}

// stop gives up the one that is made, and lets none begin. What is under way ends before ended is done.
func (s *snapshots) stop() {
	s.mu.Lock()
	s.stopped = true
	run := s.run
	s.mu.Unlock()
	s.quiet.Store(true)
	if run != nil {
		run.giveUp(ErrSnapshotAborted)
	}
}

// committed is told of every commit, by whoever commits.
func (s *snapshots) committed() {
	if s.e.opts.SnapshotLog > 0 && !s.quiet.Load() && s.long(s.e.log.Size()) && s.quiet.CompareAndSwap(false, true) {
		s.e.owners[0].loop.Post(loop.Func(func() { s.look(s.e.owners[0]) }))
	}
}

// long reports whether there is so much of the log that a snapshot is due.
func (s *snapshots) long(size wal.Size) bool {
	limit := s.e.opts.SnapshotLog
	return limit > 0 && size.Log >= max(limit, size.Snapshot)
}

// look begins a snapshot if one is due. On the first loop.
func (s *snapshots) look(o *owner) {
	s.mu.Lock()
	if s.stopped || s.run != nil {
		s.mu.Unlock()
		return // whatever is in the way looks again at its end
	}
	size := s.e.log.Size()
	due := s.long(size) || s.e.opts.SnapshotAge > 0 && s.dueAt(size) <= o.loop.Wall() && s.e.log.Last() > s.barrier
	s.mu.Unlock()
	if due && s.e.log.Err() == nil {
		s.begin(func(SnapshotInfo, error) {})
		return
	}
	s.quiet.Store(false)
}

// dueAt is when a snapshot is due by age, on the wall clock. Under mu.
func (s *snapshots) dueAt(size wal.Size) int64 {
	since := s.opened
	for _, t := range []time.Time{size.SnapshotTime, size.KeptSince} {
		if !t.IsZero() {
			since = t.UnixMilli()
			break
		}
	}
	return since + s.e.opts.SnapshotAge.Milliseconds()
}

// watchAge has the age looked at again when it may have come. On the first loop.
func (s *snapshots) watchAge(o *owner) {
	s.mu.Lock()
	left := s.dueAt(s.e.log.Size()) - o.loop.Wall()
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return
	}
	if left <= 0 { // nothing was written since, or it has failed
		left = min(s.e.opts.SnapshotAge.Milliseconds(), snapshotLookMS)
	}
	o.loop.At(o.loop.Now()+max(1, min(left, snapshotLookMS)), loop.Func(func() {
		s.look(o)
		s.watchAge(o)
	}))
}

// begin begins a snapshot, or joins the one that is made.
func (s *snapshots) begin(done func(SnapshotInfo, error)) {
	s.mu.Lock()
	switch {
	case s.stopped:
		s.mu.Unlock()
		done(SnapshotInfo{}, ErrClosed)
		return
	case s.run != nil:
		s.run.done = append(s.run.done, done)
		s.mu.Unlock()
		return
	}
	run := &snapshotRun{s: s, e: s.e, done: []func(SnapshotInfo, error){done}}
	run.wake.L = &run.mu
	s.run = run
	s.ended.Add(1)
	s.mu.Unlock()
	s.quiet.Store(true)
	if s.e.opts.SnapshotWork == nil {
		go run.work()
	}
	run.do(run.open)
}

// end takes the end of a snapshot.
func (s *snapshots) end(run *snapshotRun, info SnapshotInfo, err error) {
	s.mu.Lock()
	s.run = nil
	done, first := run.done, s.e.owners[0]
	retry := int64(0)
	s.stats.Err = err
	if err == nil {
		s.stats.Installed++
		s.stats.Last, s.stats.Objects = info, run.objects.Load()
		s.stats.Took += info.Took
		s.barrier, s.inRow = info.Barrier, 0
	} else if err != ErrSnapshotAborted {
		s.stats.Failed++
		retry = min(int64(snapshotRetryMS)<<min(s.inRow, 10), snapshotRetryMost)
		s.inRow++
	}
	s.mu.Unlock()
	log := s.e.logger
	switch {
	case err == nil:
		log.Info("a snapshot was made", "generation", info.Generation, "objects", run.objects.Load(), "records", info.Records,
			"bytes", info.Bytes, "raw_bytes", info.RawBytes, "up_to", info.Barrier, "took", info.Took)
		first.loop.Post(loop.Func(func() { s.look(first) }))
	case err == ErrSnapshotAborted:
		log.Info("a snapshot was given up, as the engine closes")
	default:
		log.Warn("a snapshot was given up; the log has everything, and is kept until one succeeds", "err", err, "again_in_ms", retry)
		first.loop.Post(loop.Func(func() {
			first.loop.At(first.loop.Now()+retry, loop.Func(func() {
				s.look(first)
			}))
		}))
	}
	for _, fn := range done {
		fn(info, err)
	}
	s.ended.Done()
}

// snapshotRun is a snapshot in the making. Its work off the loops is done in order, by one goroutine.
type snapshotRun struct {
	s       *snapshots
	e       *Engine
	done    []func(SnapshotInfo, error) // under s.mu
	objects atomic.Uint64
	bytes   atomic.Int64
	left    atomic.Int32 // loops that are not through
	over    atomic.Bool  // it has ended, or was given up

	mu    sync.Mutex
	wake  sync.Cond
	queue []func() // bounded by the frames of the loops
	quit  bool

	// Of the work off the loops.
	w     wal.SnapshotWriter
	frame *wal.Frame
	told  bool
}

// do has the work off the loops go on with fn. Any goroutine.
func (r *snapshotRun) do(fn func()) {
	if run := r.e.opts.SnapshotWork; run != nil {
		run(fn)
		return
	}
	r.mu.Lock()
	quit := r.quit
	if !quit {
		r.queue = append(r.queue, fn)
		r.wake.Signal()
	}
	r.mu.Unlock()
	if quit {
		fn() // it finds that the run is over
	}
}

func (r *snapshotRun) work() {
	for {
		r.mu.Lock()
		for len(r.queue) == 0 && !r.quit {
			r.wake.Wait()
		}
		if len(r.queue) == 0 {
			r.mu.Unlock()
			return
		}
		fn := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
		fn()
	}
}

// tell ends the run. Off the loops.
func (r *snapshotRun) tell(info SnapshotInfo, err error) {
	if r.told {
		return
	}
	r.told = true
	r.over.Store(true)
	r.mu.Lock()
	r.quit = true
	r.wake.Signal()
	r.mu.Unlock()
	r.s.end(r, info, err)
}

// giveUp ends the run early. Any goroutine.
func (r *snapshotRun) giveUp(err error) {
	if r.over.Swap(true) {
		return
	}
	r.do(func() {
		if r.w != nil && !r.told {
			if aerr := r.w.Abort(); aerr != nil {
				err = errors.Join(err, aerr)
			}
		}
		r.tell(SnapshotInfo{}, err)
	})
}

// open begins a generation and has the loops begin.
func (r *snapshotRun) open() {
	if r.over.Load() {
		return
	}
	// A migration is a record first, and what the loops forget after that. It is wholly in one generation or in the other.
	r.e.mu.Lock()
	w, err := r.e.log.StartSnapshot()
	r.e.mu.Unlock()
	if err != nil {
		r.giveUp(fmt.Errorf("engine: begin a snapshot: %w", err))
		return
	}
	r.w, r.frame = w, wal.NewFrame()
	r.left.Store(int32(len(r.e.owners)))
	for _, o := range r.e.owners {
		newSnapshotPart(r, o).goOn()
	}
}

// write writes a frame.
func (r *snapshotRun) write(f *wal.Frame) bool {
	if r.over.Load() {
		return false
	}
	if err := r.w.Write(f); err != nil {
		r.giveUp(fmt.Errorf("engine: write a snapshot: %w", err))
		return false
	}
	return true
}

// install ends the snapshot when all objects are in it.
func (r *snapshotRun) install() {
	if r.over.Load() {
		return
	}
	r.appendCatalog(r.frame)
	barrier := r.e.log.Last()
	if !r.write(r.frame) {
		return
	}
	info, err := r.w.Install(barrier)
	if err != nil {
		r.giveUp(fmt.Errorf("engine: install a snapshot: %w", err))
		return
	}
	r.tell(info, nil)
}

// appendCatalog writes what there is to know of classes.
func (r *snapshotRun) appendCatalog(f *wal.Frame) {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	f.Reset()
	tag := r.e.log.Last()
	defs := slices.SortedFunc(maps.Keys(r.e.defined), func(a, b string) int {
		return cmp.Compare(r.e.defined[a].number, r.e.defined[b].number)
	})
	add := func(record []byte) {
		if f.Full() {
			r.write(f)
			f.Reset()
		}
		f.Add(tag, record)
	}
	for _, key := range defs {
		add(redo.AppendDefineClass(nil, r.e.defined[key].number, key, r.e.defined[key].name))
	}
	for _, m := range r.e.migrations {
		add(redo.AppendMigration(nil, m, nil))
	}
	add(redo.AppendClassCounter(nil, r.e.next))
}
