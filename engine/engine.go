package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"everloop/engine/internal/egress"
	"everloop/engine/redo"
	"everloop/loop"
	"everloop/wal"
)

// Engine runs the objects of one data directory. Safe for concurrent use.
type Engine struct {
	opts         Options
	logger       *slog.Logger
	pool         loop.Pool
	ownPool      *loop.Net // made by Open, closed by Close
	ownTransport bool      // made by Open
	owners       []*owner
	log          Log
	metrics      metrics
	report       Recovery
	work         sync.WaitGroup // work off the loops
	travelling   travelling

	closing atomic.Bool
	ended   chan struct{} // closed by Close when whatever is under way has had its time

	mu sync.Mutex
	// byName and byNumber are the registered classes. They are replaced whole, and read without the lock.
	byName   atomic.Pointer[map[string]*class]
	byNumber atomic.Pointer[map[uint32]*class]
	catalog
	lastDefined wal.LSN // the newest record that gave a class its number, 0 if there was none since Open

	snapshots snapshots

	cursorOnce sync.Once
	cursor     uint16 // of lists of objects: see cursorTag
}

// class is a registered class.
type class struct {
	eng    *Engine
	name   string
	number uint32
	class  atomic.Pointer[Class]       // replaced by Update
	direct atomic.Pointer[directClass] // the same, if it is one of DirectOf
	key    *idKey
	// known is a record at or behind the one that gave the class its number, 0 if that was found at the start. Whatever tells the number, as
	// bookmarks do, waits for it.
	known wal.LSN
}

// classDef is a class as the log knows it.
type classDef struct {
	number uint32
	name   string
}

// Recovery is what Open found.
type Recovery struct {
	wal.Recovery
	Objects int // objects with something durable
	Classes int // classes that the log knows
	Took    time.Duration
}

// Open opens the engine on a data directory and recovers what is there: when it returns, every object is as
// the last durable batch left it. Register the classes next.
func Open(opts Options) (*Engine, error) {
	opts.EnsureDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{opts: opts, logger: opts.Logger, pool: opts.Pool, catalog: newCatalog(), ended: make(chan struct{})}
	e.travelling.init()
	e.byName.Store(&map[string]*class{})
	e.byNumber.Store(&map[uint32]*class{})
	if e.opts.Transport == nil {
		e.opts.Transport, e.ownTransport = egress.NewTransport(), true
	}
	if e.pool == nil {
		p, err := loop.New(loop.Options{Loops: opts.Loops, Logger: opts.Logger})
		if err != nil {
			return nil, fmt.Errorf("engine: start the loops: %w", err)
		}
		e.pool, e.ownPool = p, p
	}
	e.owners = make([]*owner, e.pool.Len())
	for i := range e.owners {
		e.owners[i] = &owner{
			eng: e, loop: e.pool.Loop(i), index: i, table: newTable(&e.metrics.objects),
			idleMS: opts.IdleTimeout.Milliseconds(), queueMS: opts.MaxQueueTime.Milliseconds(),
			outgoing: make(map[*Subrequest]struct{}), groups: make([]*socketGroup, e.pool.Len()),
			sockets: make(map[uint32]*sockets), socketEvents: make(map[*origin]struct{}),
			closeTimers: make(map[*socketEnd]loop.Timer),
			pasts:       make(map[uint32]*pasts), travels: make(map[*travel]struct{}),
			pipes:   make(map[*Pipe]*pipeBatch),
			directs: make(map[*class]*direct), named: noSlot,
		}
		e.owners[i].outside = origin{own: e.owners[i]}
		e.owners[i].names.init()
		e.owners[i].flush = e.owners[i].flushFrames
		e.owners[i].initAlarms(&e.metrics, opts.Seed)
	}
	e.snapshots.init(e)
	if err := e.openLog(); err != nil {
		e.closePool()
		return nil, err
	}
	if err := e.recover(); err != nil {
		err = errors.Join(err, e.log.Close())
		e.closePool()
		return nil, err
	}
	e.pool.OnRound(func(l loop.Loop) { e.owners[l.Index()].onRound() })
	e.snapshots.open()
	return e, nil
}

func (e *Engine) openLog() (err error) {
	if e.opts.OpenLog != nil {
		e.log, err = e.opts.OpenLog(len(e.owners), e.onDurable)
		return err
	}
	e.log, err = wal.Open(e.opts.Dir, wal.Options{
		Buffers: len(e.owners), Sync: e.opts.Sync, Retain: e.opts.Retain, OnDurable: e.onDurable, Logger: e.logger,
	})
	return err
}

func (e *Engine) closePool() {
	if e.ownPool != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := e.ownPool.Close(ctx); err != nil {
			e.logger.Warn("the loops have not ended in an orderly way", "err", err)
		}
	}
}

// Recovered tells what Open found.
func (e *Engine) Recovered() Recovery { return e.report }

// Log returns the engine's log, for its figures.
func (e *Engine) Log() Log { return e.log }

// Pool returns the loops that the engine runs on.
func (e *Engine) Pool() loop.Pool { return e.pool }

// writable returns why no object may write now: the log has failed, or the disk is nearly full.
func (e *Engine) writable() error {
	switch err := e.log.Writable(); {
	case err == nil:
		return nil
	case errors.Is(err, wal.ErrNoSpace):
		return ErrNoSpace
	case errors.Is(err, wal.ErrBacklog):
		return ErrBacklog
	default:
		return ErrUnavailable
	}
}

// Loops is the number of event loops.
func (e *Engine) Loops() int { return len(e.owners) }

// Post runs fn on loop i, from any goroutine. It reports false, and fn never runs, once the loops have stopped.
func (e *Engine) Post(i int, fn func()) bool { return e.owners[i].loop.Post(loop.Func(fn)) }

// Clock reads the clocks of loop i, on that loop: milliseconds since an arbitrary moment, which never go back, and
// since 1970 (UTC). They go on during a turn.
func (e *Engine) Clock(i int) (now, wall int64) { return e.owners[i].loop.Clock() }

// Round is when the round that loop i is in began, on the first of its clocks: the same for all turns of a round. It is
// called on that loop.
func (e *Engine) Round(i int) int64 { return e.owners[i].loop.Now() }

// ownerOf returns the loop that owns an object.
func (e *Engine) ownerOf(id *ID) *owner {
	return e.owners[loop.Owner(len(e.owners), uint64(id.shard())<<(64-shardBits))]
}

// RegisterOption is an option of Register.
type RegisterOption func(*registration)

type registration struct{ uniqueKey string }

// UniqueKey sets what the class's IDs are derived from and what ties its objects in the log to it. Default:
// the class's name. Two classes must not share one; changing it makes the objects unreachable.
func UniqueKey(key string) RegisterOption { return func(r *registration) { r.uniqueKey = key } }

// Register makes a class known under its name and returns its namespace. Objects that the log has of it
// belong to it from now on, and their alarms run. It may be called while the engine runs, from any goroutine but a loop's.
func (e *Engine) Register(name string, c Class, opts ...RegisterOption) (*Namespace, error) {
	r := registration{uniqueKey: name}
	for _, o := range opts {
		o(&r)
	}
	switch {
	case name == "":
		return nil, errors.New("engine: register: the class has no name")
	case c == nil:
		return nil, fmt.Errorf("engine: register %s: the Class is nil", name)
	case insideTurn():
		return nil, fmt.Errorf("engine: register %s: %w", name, ErrInsideTurn)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return nil, ErrClosed
	}
	old := *e.byName.Load()
	if _, taken := old[name]; taken {
		return nil, fmt.Errorf("engine: register %s: a class of that name is registered", name)
	}
	if _, known := e.defined[r.uniqueKey]; !known {
		if err := e.defineNew(name, r.uniqueKey); err != nil {
			return nil, fmt.Errorf("engine: register %s: %w", name, err)
		}
	}
	def := e.defined[r.uniqueKey]
	for _, other := range old {
		if other.number == def.number {
			return nil, fmt.Errorf("engine: register %s: class %s has the same unique key %q", name, other.name, r.uniqueKey)
		}
	}
	k := &class{eng: e, name: name, number: def.number, key: newIDKey(r.uniqueKey), known: e.lastDefined}
	k.setClass(c)
	grown, numbers := make(map[string]*class, len(old)+1), make(map[uint32]*class, len(old)+1)
	for n, o := range old {
		grown[n], numbers[o.number] = o, o
	}
	grown[name], numbers[k.number] = k, k
	e.byNumber.Store(&numbers)
	e.byName.Store(&grown)
	for _, o := range e.owners {
		o.loop.Post(&alarmScan{own: o, class: k.number})
	}
	return &Namespace{class: k}, nil
}

// defineNew gives a class a number and logs it. Records of its objects come later in the log, as they are appended
// after this returned.
func (e *Engine) defineNew(name, uniqueKey string) error {
	if e.next == math.MaxUint32 {
		return errors.New("no class numbers are left")
	}
	n, err := e.log.Append(0, redo.AppendDefineClass(nil, e.next, uniqueKey, name))
	if err != nil {
		return err
	}
	e.lastDefined = n
	e.defined[uniqueKey] = classDef{number: e.next, name: name}
	e.next++
	return nil
}

// Namespace returns the namespace of a registered class, or nil. Its stubs are for goroutines of the
// embedding program; code of objects and entry points takes namespaces from State and Event.
func (e *Engine) Namespace(name string) *Namespace { return e.namespaceFor(name, nil) }

func (e *Engine) namespaceFor(name string, from *origin) *Namespace {
	if c := (*e.byName.Load())[name]; c != nil {
		return &Namespace{class: c, from: from}
	}
	return nil
}

// Classes returns the names of the registered classes, sorted.
func (e *Engine) Classes() []string {
	var names []string
	for n := range *e.byName.Load() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Close ends the engine in order: new calls are refused with ErrClosed, events that are under way get until
// ctx ends to finish, instances are dropped, and the log is committed and closed. It returns the log's error.
func (e *Engine) Close(ctx context.Context) error {
	if insideTurn() {
		return ErrInsideTurn
	}
	if e.closing.Swap(true) {
		return ErrClosed
	}
	e.snapshots.stop()
	e.awaitQuiet(ctx)
	close(e.ended)
	var wg sync.WaitGroup
	for _, o := range e.owners {
		wg.Add(1)
		if !o.loop.Post(loop.Func(func() { defer wg.Done(); o.close() })) {
			wg.Done()
		}
	}
	wg.Wait()
	if t, ok := e.opts.Transport.(interface{ CloseIdleConnections() }); ok && e.ownTransport {
		t.CloseIdleConnections()
	}
	e.snapshots.ended.Wait()
	err := e.log.Close()
	e.closePool()
	return err
}

// awaitQuiet waits until no object and no entry point has anything under way, or until ctx ends.
func (e *Engine) awaitQuiet(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		busy := make(chan bool, len(e.owners))
		for _, o := range e.owners {
			if !o.loop.Post(loop.Func(func() { busy <- o.busy() })) {
				busy <- false
			}
		}
		some := false
		for range e.owners {
			some = <-busy || some
		}
		if !some {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
