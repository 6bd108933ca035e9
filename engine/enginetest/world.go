package enginetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"everloop/engine"
	"everloop/engine/internal/mechanism"
	"everloop/loop"
	"everloop/loop/looptest"
	"everloop/wal"
)

const (
	className    = "Sim"
	plainName    = "Plain" // now and then a Direct class
	blockTimeout = 30 * time.Second

	maxThreads  = 400     // in one life, before calls stop to beget calls
	maxCalls    = 12      // from outside, unanswered
	maxRounds   = 200_000 // of one life: more is no history but a fault
	historySize = 240     // steps of a life, at most
)

// Config says which history to run.
type Config struct {
	// Seed chooses the history, unless Script does: a byte a choice.
	Seed   uint64
	Script []byte
	// Lives is the number of starts. Default 3.
	Lives int
	// Dir, if set, is where the real log keeps its files, on a disk that loses power; it must be empty.
	// Otherwise the log is in memory. Sync is the real log's mode.
	Dir  string
	Sync wal.SyncMode
	// TwoLogs crashes as if every second object had a log of its own, which has not got as far as the
	// other: what the engine must not do. It is there to show that this would be noticed.
	TwoLogs bool
	// Steady leaves the disk whole. With the real log, whose goroutines reach the disk in any order, only such histories are the same each
	// time: which operation a power cut meets is chance otherwise.
	Steady bool
	// Ill has the handlers of alarms fail most of the time. It is so in some of the other histories, too.
	Ill bool
	// Spoil is what is wrong with the snapshots of this history, for the same reason. BreakInstallRule has the disk in memory install
	// snapshots without waiting for the log.
	Spoil            Spoil
	BreakInstallRule bool
	// Direct has Direct objects only.
	Direct bool
	// Counts, if set, is told how much of what there was in the history.
	Counts *Counts
	// Digest, if set, is given a digest of all events.
	Digest *string
}

// Counts is how often a history did what.
type Counts struct {
	Lives     int
	Snapshots int // installed
	Frames    int // written
	Removed   int // generations
	Inside    int // crashes while a snapshot was being made
	Recalls   int // of the history as of some record
	Restored  int // objects
	LeftOut   int // with a Spoil
	Direct    int // calls and alarms of Direct objects
	ByName    int // calls
	Piped     int // calls
}

func (c *Counts) add(o *Counts) {
	c.Lives += o.Lives
	c.Snapshots += o.Snapshots
	c.Frames += o.Frames
	c.Removed += o.Removed
	c.Inside += o.Inside
	c.Recalls += o.Recalls
	c.Restored += o.Restored
	c.LeftOut += o.LeftOut
	c.Direct += o.Direct
	c.ByName += o.ByName
	c.Piped += o.Piped
}

// world is one history. Owned by the goroutine that runs it.
type world struct {
	source
	config  Config
	trace   trace
	failure *Failure

	objects  []*object
	socketed []*object // those that accept sockets
	byName   map[string]*object
	value    uint64 // the value written last

	// What the whole history has in common.
	idle      time.Duration
	maxQueued int
	ill       bool // handlers of alarms mostly fail
	classes   int  // that were defined before the last start, at least
	count     Counts

	// One life.
	life, step int
	keeps      wal.LSN // with TwoLogs: what both logs had at the last crash
	over       bool    // the engine of this life has ended: what its code still does counts for nothing
	rounds     int
	spent      int
	pool       *looptest.Pool
	engine     *engine.Engine
	ns         [2]*engine.Namespace // of the class, and of the plain one
	disk       disk
	journal    *journal
	full       bool
	wasFull    bool
	canceled   bool
	timeouts   bool // time has moved so far that critical sections may have timed out
	messages   map[uint64]*message
	replies    map[uint64]*revealed
	answers    map[uint64]engine.Replier // to calls through Pipes
	numbers    uint64
	visits     map[int]*visit
	threads    map[*thread]struct{}
	callbacks  map[*callback]struct{} // not called yet
	cancels    map[int]context.CancelFunc
	jobs       []*job
	callers    []*line
	unanswered int
	tubes      []*tube
	codes      [2]code // of the two classes
	pipes      [2]*engine.Pipe
	piped      map[*object]*line
	began      wal.LSN  // the last record before this life
	snapshots  int      // that somebody waits for
	works      []func() // of snapshots, to be done off the loops, in order
	wasHurt    bool
	outsides   []*outside
	traveller  *thread // that reads the history
	bringing   *object // that is being restored from outside
}

// revealed is an answer.
type revealed struct {
	by *object
	to *message // nil: it is none to a call of the model
	knowledge
}

// Run runs one history, and returns what went wrong.
func Run(t *testing.T, c Config) (failure *Failure) {
	t.Helper()
	// On one processor: a goroutine off the loops that is started and called off in one step would do so in either order on two.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	w := &world{config: c, byName: map[string]*object{}}
	if c.Script != nil {
		w.source = &scripted{c.Script}
	} else {
		w.source = newSeeded(c.Seed)
	}
	if w.config.Lives == 0 {
		w.config.Lives = 3
	}
	if c.Counts != nil {
		defer func() { c.Counts.add(&w.count) }()
	}
	if c.Digest != nil {
		w.trace.digest = sha256.New()
		defer func() { *c.Digest = hex.EncodeToString(w.trace.digest.Sum(nil)) }()
	}
	defer func() {
		// A history that failed is left as it is, with its coroutines: the bubble complains about them.
		if v := recover(); v != nil {
			if w.failure == nil {
				w.over = false
				w.fail(Leak, "%v", v)
			}
			failure = w.failure
		}
	}()
	defer func() { mechanism.Bound.SliceObjects, mechanism.Bound.FreezeBytes, mechanism.Bound.TurnSlice = 0, 0, 0 }()
	synctest.Test(t, func(*testing.T) { w.run() })
	return w.failure
}

func (w *world) run() {
	defer func() {
		if v := recover(); v != nil {
			w.over = false
			w.fail(Fault, "panic: %v", v)
		}
	}()
	for i := range 2 + w.pick(maxObjects-1) {
		o := newObject(i)
		o.plain = w.config.Direct || i > 0 && w.pick(3) == 0
		w.objects = append(w.objects, o)
		if !o.plain {
			w.socketed = append(w.socketed, o)
		}
		w.byName[o.name] = o
	}
	w.idle = []time.Duration{time.Second, 5 * time.Millisecond, 40 * time.Millisecond, 10 * time.Second}[w.pick(4)]
	w.maxQueued = []int{16384, 16384, 16384, 3}[w.pick(4)]
	w.ill = w.pick(4) == 3 || w.config.Ill
	if w.config.Dir != "" {
		w.disk = &platter{base: w.config.Dir, sync: w.config.Sync, kept: int64(w.pick(3)) * 20_000}
	} else {
		w.disk = &memory{spoil: w.config.BreakInstallRule, keep: w.pick(3)}
	}
	for w.life = range w.config.Lives {
		if !w.live() {
			return
		}
	}
}

// live runs one life: from a start to a crash or an orderly end.
func (w *world) live() bool {
	w.open()
	if w.failure != nil {
		return false
	}
	steps := 20 + w.pick(historySize-20)
	for w.step = range steps {
		w.act()
		if w.failure != nil {
			return false
		}
		if w.dry() {
			break
		}
	}
	if w.pick(3) == 0 {
		w.rest()
		if w.failure != nil {
			return false
		}
		if w.pick(2) == 0 {
			w.note("closes")
			w.keeps = lost // and more
			w.end()
			w.disk.closed()
			return w.failure == nil
		}
	}
	w.note("crashes")
	w.count.Inside += min(w.snapshots, 1)
	w.keeps = w.journal.Durable()
	w.disk.crash(w)
	w.end()
	return w.failure == nil
}

func (w *world) open() {
	loops := 1 + w.pick(4)
	w.over, w.rounds, w.spent, w.full, w.wasFull, w.canceled, w.timeouts = false, 0, 0, false, false, false, false
	w.messages, w.replies, w.answers = map[uint64]*message{}, map[uint64]*revealed{}, map[uint64]engine.Replier{}
	w.visits, w.callbacks = map[int]*visit{}, map[*callback]struct{}{}
	w.threads, w.cancels, w.jobs, w.callers, w.unanswered = map[*thread]struct{}{}, map[int]context.CancelFunc{}, nil, nil, 0
	w.tubes, w.pipes, w.piped = nil, [2]*engine.Pipe{}, map[*object]*line{}
	w.codes = [2]code{1: {direct: w.config.Direct || w.pick(4) > 0}}
	w.snapshots, w.works, w.wasHurt = 0, nil, false
	w.outsides, w.traveller, w.bringing = nil, nil, nil
	w.count.Lives++
	w.pool = looptest.New(loops, uint64(w.pick(1<<16)))
	w.journal = &journal{w: w, disk: w.disk, readers: readers{ended: make(chan struct{})}}
	w.step = 0
	w.note("starts on %d loops, idle time-out %v", loops, w.idle)
	if w.life == 0 {
		w.identify()
	}
	mechanism.Bound.SliceObjects = w.pick(3)
	mechanism.Bound.FreezeBytes = []int{0, 1, 300}[w.pick(3)]
	mechanism.Bound.TurnSlice = []int{0, 1, 2, 5}[w.pick(4)]
	snapshotLog := []int64{-1, 1, 3000, 30_000}[w.pick(4)]
	if w.config.TwoLogs {
		snapshotLog = -1
	}
	e, err := engine.Open(engine.Options{
		Pool: w.pool,
		OpenLog: func(n int, durable func(wal.LSN, error)) (engine.Log, error) {
			log, err := w.disk.open(n, durable)
			w.journal.Log = log
			return w.journal, err
		},
		IdleTimeout:  w.idle,
		BlockTimeout: blockTimeout,
		MaxEvents:    w.maxQueued,
		MaxAlarms:    1 + w.pick(4),
		SnapshotLog:  snapshotLog,
		SnapshotAge:  -1, // which is looked at again and again: such an engine never comes to rest
		SnapshotWork: w.queueWork,
		Seed:         1 + uint64(w.pick(1<<16)),
		Logger:       slog.New(&faults{w}),
	})
	if err != nil {
		w.fail(Fault, "open: %v", err)
		return
	}
	w.engine = e
	stored := 0
	for _, o := range w.objects {
		stored += min(len(o.content), 1)
	}
	if n := e.Recovered().Objects; n != stored {
		w.fail(Wrong, "%d objects have something stored, %d were recovered", stored, n)
	}
	if w.life > 0 && w.pick(2) == 0 {
		// If what the classes are were forgotten, this one would be taken for the other.
		if _, err := e.Register("Other", w.class(0)); err != nil {
			w.fail(Fault, "register: %v", err)
			return
		}
	}
	for i, name := range classNames {
		if w.ns[i], err = e.Register(name, w.class(i)); err != nil {
			w.fail(Fault, "register: %v", err)
			return
		}
	}
	for range 3 {
		w.callers = append(w.callers, nil)
	}
}

// identify asks an engine that is thrown away for the IDs of the objects.
func (w *world) identify() {
	e, err := engine.Open(engine.Options{Pool: looptest.New(1, 0), OpenLog: (&memory{}).open})
	if err != nil {
		w.fail(Fault, "open: %v", err)
		return
	}
	for i, name := range classNames {
		ns, err := e.Register(name, w.class(i))
		if err != nil {
			w.fail(Fault, "register: %v", err)
			return
		}
		for _, o := range w.objects {
			if o.kind() == i {
				o.id = ns.IDFromName(o.name).Bytes()
			}
		}
	}
}

// end ends the engine of this life, so that nothing of it is left; the model does not listen any more.
func (w *world) end() {
	w.over = true
	w.count.Removed += int(w.journal.Log.(interface{ Stats() wal.Stats }).Stats().Removed)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := false
	go func() {
		_ = w.engine.Close(ctx) // a log that has crashed reports it
		done = true
	}()
	for _, j := range w.jobs {
		j.release()
	}
	close(w.journal.ended)
	for range 1000 {
		w.wait()
		if done {
			break
		}
		w.work()
		w.pool.Run()
	}
	w.wait()
	w.pool.Run()
	w.wait()
	if !done {
		w.over = false
		w.fail(Fault, "Close does not return")
	}
}

// act does one thing, drawn from the source.
func (w *world) act() {
	switch n := w.pick(40); {
	case n == 32:
		switch w.pick(8) {
		case 0, 1:
			w.update()
		case 2:
			w.bringBack()
		}
	case n > 32:
		w.snapshot()
	case n < 13:
		w.round()
	case n < 18:
		w.request()
	case n < 22:
		w.disk.commit(w)
	case n < 25:
		w.finishJob()
	case n < 27:
		w.cancelCall()
	case n < 30:
		w.passTime()
	case n < 31:
		if w.pick(4) == 0 && !w.config.Steady {
			w.disk.hurt(w)
			w.wasHurt = true
		}
	default:
		for range 4 {
			w.round()
		}
	}
	w.wait()
}

// code is what a class has for code: the newest, and the updates to it that not all loops know of.
type code struct {
	n, updates int
	direct     bool
}

var classNames = [...]string{className, plainName}

// kind is which of the classes an object is of.
func (o *object) kind() int {
	if o.plain {
		return 1
	}
	return 0
}

func (o *object) class() string                        { return classNames[o.kind()] }
func (w *world) code(o *object) *code                  { return &w.codes[o.kind()] }
func (w *world) namespace(o *object) *engine.Namespace { return w.ns[o.kind()] }

// class is a class with the newest code.
func (w *world) class(kind int) engine.Class {
	code := w.codes[kind].n
	if w.codes[kind].direct {
		return engine.DirectOf(func(c *engine.Call) error { return w.direct(c, code) })
	}
	return engine.ClassOf(func(st *engine.State) (*instance, error) { return w.construct(st, code) })
}

// update replaces the code of a class.
func (w *world) update() {
	grace := []time.Duration{0, 5 * time.Millisecond, time.Second, 30 * time.Second}[w.pick(4)]
	kind := min(w.pick(3), 1)
	c := &w.codes[kind]
	c.updates++
	c.n++
	c.direct = kind == 1 && (w.config.Direct || w.pick(2) == 0)
	w.note("the code of %s is replaced, with %v of grace; Direct %t", classNames[kind], grace, c.direct)
	class := w.class(kind)
	w.outside(func() error { return w.engine.Update(classNames[kind], class, grace) }, func(err error) {
		if c.updates--; err != nil {
			w.fail(Fault, "update: %v", err)
		}
	})
}

// outside is a call of the embedding program, on a goroutine of its own.
type outside struct {
	ended atomic.Bool
	err   error
	then  func(error)
}

// outside makes such a call. then is told of its end, between two steps of the history.
func (w *world) outside(call func() error, then func(error)) {
	c := &outside{then: then}
	w.outsides = append(w.outsides, c)
	go func() {
		c.err = call()
		c.ended.Store(true)
	}()
	w.wait()
}

// wait lets everything outside of the loops run until it can go no further.
func (w *world) wait() {
	synctest.Wait()
	w.poll()
	w.outsides = slices.DeleteFunc(w.outsides, func(c *outside) bool {
		ended := c.ended.Load()
		if ended && !w.over {
			c.then(c.err)
		}
		return ended
	})
	for _, j := range w.jobs {
		if !j.checked && j.started.Load() {
			j.checked = true
			w.note("%s: its work off the loop begins", j.name)
			w.leaves(j.name+": work off the loop", j.by, &j.knows, wal.LSN(j.durable.Load()))
		}
	}
}

// round runs one round of one loop.
func (w *world) round() bool {
	var ready []int
	for i := range w.pool.Len() {
		if w.pool.Runnable(i) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		return false
	}
	if w.rounds++; w.rounds > maxRounds {
		w.fail(Fault, "the engine does not come to rest in %d rounds", w.rounds)
		return false
	}
	w.pool.StepLoop(ready[w.pick(len(ready))])
	return true
}

// request starts a call from outside.
func (w *world) request() {
	if w.unanswered >= maxCalls {
		return
	}
	if w.pick(3) == 0 {
		w.plumb()
		return
	}
	who := w.pick(len(w.callers))
	if w.pick(5) == 4 {
		w.enter(who)
		return
	}
	l := w.callers[who]
	if l == nil || w.pick(2) == 0 {
		l = w.call(w.objects[w.pick(len(w.objects))])
		w.callers[who] = l
	}
	var nothing knowledge
	m := w.message(fmt.Sprintf("caller %d", who), l, w.pick(4), &nothing)
	w.note("caller %d: call %d to %s", who, m.n, l.to.name)
	w.unanswered++
	reply := engine.ReplyFunc(func(r engine.Reply) {
		if w.over {
			return
		}
		w.unanswered--
		w.note("caller %d: call %d is answered: %v", who, m.n, r.Err)
		w.answered(m, r)
		if l.breaks(w, r.Err) && w.callers[who] == l {
			w.callers[who] = nil
		}
	})
	switch {
	case l.pipe != nil:
		w.throughPipe(m, reply)
	case l.port != nil:
		w.count.ByName++
		l.loop.Post(loop.Func(func() {
			name, args := []byte(l.to.name), m.args()
			l.port.CallByName(name, "run", args, reply)
			clear(name) // they are the caller's again
			clear(args)
		}))
	case l.loop != nil:
		l.loop.Post(loop.Func(func() { l.stub.StartCall("run", m.args(), reply) }))
	default:
		l.stub.StartCall("run", m.args(), reply)
	}
}

// call returns a way for somebody outside to call an object.
func (w *world) call(o *object) *line {
	if w.pick(5) == 4 {
		return w.pipeTo(o)
	}
	l := &line{to: o, outside: true}
	switch w.pick(5) {
	case 0:
		l.loop = w.pool.Loop(w.pick(w.pool.Len()))
		l.stub = w.engine.Port(l.loop).Namespace(o.class()).GetByName(o.name)
	case 1, 2:
		l.loop = w.pool.Loop(w.pick(w.pool.Len()))
		l.port = w.engine.Port(l.loop).Namespace(o.class())
	default:
		l.stub = w.namespace(o).GetByName(o.name)
	}
	return l
}

// message makes a call.
func (w *world) message(from string, l *line, fuel int, k *knowledge) *message {
	w.numbers++
	l.sent++
	m := &message{n: int(w.numbers), from: from, to: l.to, line: l, place: l.sent, fuel: max(fuel, 0), knows: *k}
	w.messages[w.numbers] = m
	return m
}

func (m *message) args() []byte { return binary.BigEndian.AppendUint64(nil, uint64(m.n)) }

// deliver checks the arrival of a call.
func (w *world) deliver(m *message, t *thread) {
	switch {
	case m.delivered:
		w.fail(Answers, "call %d of %s is delivered twice", m.n, m.from)
	case m.to != t.in.obj:
		w.fail(Answers, "call %d of %s to %s is delivered to %s", m.n, m.from, m.to.name, t.in.obj.name)
	case t.in.code != w.code(m.to).n && w.code(m.to).updates == 0:
		w.fail(Wrong, "call %d of %s to %s is delivered to code that was replaced", m.n, m.from, m.to.name)
	case m.line.broken != 0 && m.place > m.line.broken:
		w.fail(Answers, "call %d of %s to %s is delivered, and its stub had seen a reset", m.n, m.from, m.to.name)
	case m.place <= m.line.delivered:
		w.fail(Answers, "call %d of %s to %s arrives after one that was made later on the same stub", m.n, m.from, m.to.name)
	}
	m.delivered, m.line.delivered = true, m.place
	w.arrives(fmt.Sprintf("call %d", m.n), &m.knows)
	w.note("%s: begins", t.name)
}

// remember makes an answer that carries what an instance knows.
func (w *world) remember(k *knowledge, by *object, to *message) []byte {
	w.numbers++
	w.replies[w.numbers] = &revealed{by, to, *k}
	return binary.BigEndian.AppendUint64(nil, w.numbers)
}

// answered checks an answer, and returns what it carries.
func (w *world) answered(m *message, r engine.Reply) *knowledge {
	if w.over {
		return nil
	}
	what := fmt.Sprintf("the answer to call %d of %s to %s", m.n, m.from, m.to.name)
	if m.answered {
		w.fail(Answers, "%s comes twice", what)
	}
	m.answered = true
	var f *failed
	var k *knowledge
	by := m.to
	switch {
	case r.Err == nil:
		if !m.delivered {
			w.fail(Answers, "%s comes without the call's delivery", what)
		}
		a := w.replies[binary.BigEndian.Uint64(r.Value)]
		if a == nil || a.to != m {
			w.fail(Answers, "%s is that to another call", what)
			return nil
		}
		k, by = &a.knowledge, a.by
	case resets(r.Err):
		// It may tell of writes that the reset has taken back, on purpose: that is what errors are for.
	case errors.As(r.Err, &f):
		k, by = &f.knowledge, f.by
	}
	w.plausible(what, r.Err)
	if k == nil {
		return nil
	}
	if m.line.outside {
		w.leaves(what, by, k, w.journal.Durable())
	} else {
		w.arrives(what, k)
	}
	return k
}

// resets reports whether err is how an object was reset, or never came into being.
func resets(err error) bool {
	var e *engine.Error
	return errors.As(err, &e) && (e.Reset || e.Method == "constructor")
}

func (w *world) now() int64                   { return w.pool.Now() }
func (w *world) millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// pick takes a choice from the source. While an engine ends, goroutines end in no order, and nothing is chosen.
func (w *world) pick(n int) int {
	if w.over {
		return 0
	}
	return w.source.pick(n)
}

func (w *world) note(format string, args ...any) {
	if !w.over {
		w.trace.add(w.life, w.step, format, args...)
	}
}

// passTime moves the clock to the next timer, or by chance.
func (w *world) passTime() {
	if next, ok := w.pool.NextTimer(); ok && (w.pick(2) == 0 || w.ill) {
		w.jump(max(next-w.now(), 0))
		return
	}
	w.jump([]int64{1, 10, 100, 2000, 31000}[w.pick(5)])
	if w.pick(6) == 5 {
		ms := []int64{20, -20, 3000, -3000, 7_200_000, -7_200_000}[w.pick(6)]
		w.note("the clock is set by %d ms", ms)
		w.pool.JumpWall(w.millis(ms))
	}
}

func (w *world) jump(ms int64) {
	if ms >= 1000 {
		w.timeouts = true
	}
	w.note("%d ms pass", ms)
	w.pool.Jump(w.millis(ms))
}

func (w *world) cancelCall() {
	first := math.MaxInt
	for n := range w.cancels {
		first = min(first, n)
	}
	if first == math.MaxInt {
		return
	}
	w.note("the context of call %d is cancelled", first)
	w.canceled = true
	w.cancels[first]()
}

// job is work off the loop.
type job struct {
	name     string
	by       *object
	knows    knowledge
	log      engine.Log
	started  atomic.Bool
	durable  atomic.Uint64
	ending   chan struct{}
	released bool
	checked  bool
}

func (w *world) job(name string, by *object, k *knowledge) *job {
	j := &job{name: name, by: by, knows: *k, log: w.journal.Log, ending: make(chan struct{})}
	w.jobs = append(w.jobs, j)
	return j
}

// run is the work: it ends when the history says so.
func (j *job) run(context.Context) error {
	j.durable.Store(uint64(j.log.Durable()))
	j.started.Store(true)
	<-j.ending
	return nil
}

func (j *job) release() {
	if !j.released {
		j.released = true
		close(j.ending)
	}
}

// finishJob ends the work of one job that has begun.
func (w *world) finishJob() bool {
	var ready []*job
	for _, j := range w.jobs {
		if j.checked && !j.released {
			ready = append(ready, j)
		}
	}
	if (len(ready) == 0 || w.pick(3) == 0) && w.letRead() {
		w.wait()
		return true
	}
	if len(ready) == 0 {
		return false
	}
	j := ready[w.pick(len(ready))]
	w.note("%s: its work off the loop ends", j.name)
	j.release()
	w.wait()
	return true
}

// rest lets everything that is under way come to its end, and checks that nothing is left.
func (w *world) rest() {
	w.note("comes to rest")
	w.disk.mend(w)
	for range maxRounds {
		w.flush()
		w.wait()
		if w.failure != nil {
			return
		}
		if w.round() || w.finishJob() || w.work() {
			continue
		}
		if !w.disk.settled() {
			w.disk.commit(w)
			continue
		}
		w.quiet()
		next, ok := w.pool.NextTimer()
		if !ok {
			break
		}
		w.jump(max(next-w.now(), 0))
	}
	w.rung()
	for t := range w.threads {
		if t.waiting != "" {
			w.fail(Leak, "%s: still waits for %s, and nothing is under way", t.name, t.waiting)
		}
	}
	for _, v := range w.visits {
		w.fail(Leak, "visit %d: still waits for %s, and nothing is under way", v.n, v.waiting)
	}
	w.flowed()
	if w.unanswered != 0 {
		w.fail(Leak, "%d calls from outside are not answered, and nothing is under way", w.unanswered)
	}
	if w.bringing != nil {
		w.fail(Leak, "%s is being restored from outside, and nothing is under way", w.bringing.name)
	}
	if w.codes[0].updates+w.codes[1].updates != 0 {
		w.fail(Leak, "an update has not returned, and nothing is under way")
	}
	if w.snapshots != 0 {
		w.fail(Leak, "a snapshot is asked for and there is none, and nothing is under way")
	}
	if n := w.engine.Metrics().Live; n != 0 {
		w.fail(Leak, "%d objects are live, and nothing is under way", n)
	}
	w.kept()
	for _, o := range w.objects {
		if o.pending != nil {
			w.fail(Wrong, "what the last turn of %s wrote was not handed over", o.name)
		}
	}
}

// kept checks that the engine has records of the objects that have something stored, and of those only that may have sockets.
func (w *world) kept() {
	least, most, sockets := int64(0), int64(0), map[*object]bool{}
	for _, s := range w.tubes {
		sockets[s.obj] = true
	}
	for _, o := range w.objects {
		n := len(o.content)
		if n > 1 || n == 1 && o.content[restoredKey] == 0 {
			least++
		}
		if n > 0 || sockets[o] { // the record of one that was restored to nothing may stay, or not
			most++
		}
	}
	if n := w.engine.Metrics().Objects; w.journal.Err() == nil && (n < least || n > most) {
		w.fail(Leak, "%d objects are there, and %d to %d have something, and nothing is under way", n, least, most)
	}
}

// quiet is a moment at which nothing can happen before time moves: only calls that are not answered yet may be
// waited for, and that inside of sections that are not open for too long.
func (w *world) quiet() {
	for t := range w.threads {
		in := t.in
		if t.waiting == "" || in.reset() || in.innermost() != t.section.around() {
			continue
		}
		if t.on == nil || t.on.ended {
			w.fail(Leak, "%s: waits for %s, which is over", t.name, t.waiting)
		}
	}
	for c := range w.callbacks {
		if !c.in.reset() && c.in.innermost() == c.section.around() && c.due() {
			w.fail(Leak, "%s: should have been called back", c.name)
		}
	}
	for _, o := range w.objects {
		if !o.inst.live() {
			continue
		}
		for _, s := range o.inst.open {
			if ms := w.now() - s.opened; ms > blockTimeout.Milliseconds() {
				w.fail(Leak, "a critical section of %s is open for %d ms", o.name, ms)
			}
		}
	}
}

// faults is a log handler that takes a panic of the engine for a failure.
type faults struct{ w *world }

func (f *faults) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (f *faults) WithAttrs([]slog.Attr) slog.Handler           { return f }
func (f *faults) WithGroup(string) slog.Handler                { return f }

func (f *faults) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "panic" {
			if _, ours := a.Value.Any().(*failed); !ours {
				f.w.fail(Fault, "%s: %v", r.Message, a.Value)
			}
		}
		return true
	})
	return nil
}
