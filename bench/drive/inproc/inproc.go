// Package inproc makes load of an engine in the same process, without a network, by package drive. The processor time that a run
// reports has the engine's in it.
package inproc

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"time"

	"everloop/bench/drive"
	"everloop/engine"
)

// Target is calls of the objects of an engine: a read gets an object's value, a write replaces it.
type Target struct {
	ns       *engine.Namespace
	blocking bool
}

// Options say what is called.
type Options struct {
	// Instances makes objects that have an instance in memory (engine.ClassOf); otherwise their whole state is their storage
	// (engine.DirectOf).
	Instances bool
	// Blocking lets each connection of the driver be a goroutine that waits for its call; otherwise each worker has a pipe (engine.Pipe),
	// which has as many calls under way as the worker's connections take.
	Blocking bool
}

// New registers the class of o as Cell. The engine must not have one of this name.
func New(e *engine.Engine, o Options) (*Target, error) {
	class := engine.DirectOf(direct)
	if o.Instances {
		class = engine.ClassOf(func(st *engine.State) (engine.RawCaller, error) { return &cell{st.Storage()}, nil })
	}
	ns, err := e.Register("Cell", class)
	if err != nil {
		return nil, err
	}
	return &Target{ns, o.Blocking}, nil
}

const field = "v"

var errMethod = errors.New("a cell has the methods get and set")

// direct is the class without instances.
func direct(c *engine.Call) error {
	switch c.Method {
	case "get":
		v, _, err := c.Storage.GetRaw(field)
		c.Result = append(c.Result, v...)
		return err
	case "set":
		return c.Storage.PutRaw(field, c.Args, engine.WriteOptions{})
	}
	return errMethod
}

// cell is an object with an instance.
type cell struct{ s *engine.Storage }

// CallRaw gets the value or replaces it.
func (c *cell) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	switch method {
	case "get":
		v, _, err := c.s.GetRaw(field)
		return v, err
	case "set":
		return nil, c.s.PutRaw(field, args, engine.WriteOptions{})
	}
	return nil, errMethod
}

// Open is part of drive.Target.
func (t *Target) Open(_ context.Context, w *drive.Worker) (drive.Session, error) {
	base := common{w: w, ids: ids{ns: t.ns, known: make(map[uint64]engine.ID)}}
	if t.blocking {
		base.depth = 1
		return newBlocking(base), nil
	}
	base.depth = w.Depth
	return newPiped(base), nil
}

type common struct {
	w     *drive.Worker
	depth int
	ids   ids
}

func (c *common) Conns() int { return c.w.Conns }
func (c *common) Depth() int { return c.depth }

// ids keeps IDs by key: making one takes longer than the call. Owned by a worker.
type ids struct {
	ns    *engine.Namespace
	known map[uint64]engine.ID
	name  []byte
}

// maxKnown bounds the IDs that are kept, of about 100 bytes each.
const maxKnown = 2 << 20

func (i *ids) of(key uint64) engine.ID {
	id, ok := i.known[key]
	if !ok {
		i.name = strconv.AppendUint(append(i.name[:0], "cell-"...), key, 10)
		id = i.ns.IDFromName(string(i.name))
		if len(i.known) < maxKnown {
			i.known[key] = id
		}
	}
	return id
}

func method(op *drive.Op) string {
	if op.Write {
		return "set"
	}
	return "get"
}

func failure(err error) *drive.Failure {
	if err == nil {
		return nil
	}
	kind := "error"
	var known *engine.Error
	if errors.As(err, &known) && known.Overloaded {
		kind = "overloaded"
	}
	return &drive.Failure{Kind: kind, Text: err.Error()}
}

// piped has calls under way in a pipe. A tag is a slot of slots.
type piped struct {
	common
	pipe  *engine.Pipe
	slots []slot
	free  []uint64
	wrong []ended // calls that could not be made
	told  int     // answers, since Wait has begun
}

type slot struct {
	conn int
	op   drive.Op
	at   time.Duration // when it was started
}

// stampEach is after how many answers the time is read again, at least: handling so many takes about two microseconds.
const stampEach = 16

type ended struct {
	tag uint64
	err error
}

func newPiped(base common) *piped {
	s := &piped{common: base, slots: make([]slot, base.w.Conns*base.depth)}
	for i := range s.slots {
		s.free = append(s.free, uint64(i))
	}
	s.pipe = base.ids.ns.Pipe(len(s.slots), func(tag uint64, r engine.Reply) { s.answer(tag, r.Err) })
	return s
}

func (s *piped) answer(tag uint64, err error) {
	done := s.slots[tag]
	if s.told%stampEach == 0 || done.at == s.w.Now() {
		s.w.Stamp() // those that follow were there together, unless they were started since
	}
	s.told++
	s.free = append(s.free, tag)
	s.w.Done(done.conn, &done.op, failure(err))
}

func (s *piped) Start(conn int, op *drive.Op) {
	tag := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.slots[tag] = slot{conn, *op, s.w.Now()}
	id := s.ids.of(op.Key)
	if err := s.pipe.Call(tag, &id, method(op), op.Value); err != nil {
		s.wrong = append(s.wrong, ended{tag, err})
	}
}

// pauses are how long a worker waits for the engine between two looks: a pipe cannot be waited for with a bound. At first it lets
// others run, then it sleeps, so that it takes nothing from loops that have work.
const (
	yields = 20
	pause  = 20 * time.Microsecond
)

func (s *piped) Wait(d time.Duration) error {
	s.told = 0
	for len(s.wrong) > 0 {
		last := s.wrong[len(s.wrong)-1]
		s.wrong = s.wrong[:len(s.wrong)-1]
		s.answer(last.tag, last.err)
	}
	s.pipe.Flush()
	for began, n := time.Now(), 0; ; n++ {
		s.pipe.Poll()
		left := d - time.Since(began)
		if s.told > 0 || left <= 0 {
			return nil
		}
		if n < yields {
			runtime.Gosched()
			continue
		}
		time.Sleep(min(pause, left)) // see pauses
	}
}

func (s *piped) Close() error {
	_ = s.pipe.Wait() // it fails only inside turns
	return nil
}

// blocking has a goroutine for each connection.
type blocking struct {
	common
	calls []chan call
	done  chan result
	timer *time.Timer
	group sync.WaitGroup
}

type call struct {
	id engine.ID
	op drive.Op
}

type result struct {
	conn int
	op   drive.Op
	err  error
}

func newBlocking(base common) *blocking {
	s := &blocking{common: base, done: make(chan result, base.w.Conns), timer: time.NewTimer(time.Hour)}
	for i := range base.w.Conns {
		calls := make(chan call, 1)
		s.calls = append(s.calls, calls)
		s.group.Go(func() {
			for c := range calls {
				_, err := base.ids.ns.Get(c.id).CallRaw(context.Background(), method(&c.op), c.op.Value)
				s.done <- result{i, c.op, err}
			}
		})
	}
	return s
}

func (s *blocking) Start(conn int, op *drive.Op) {
	s.calls[conn] <- call{s.ids.of(op.Key), *op} // has room: a connection has one call under way
}

func (s *blocking) Wait(d time.Duration) error {
	s.timer.Reset(d)
	select {
	case r := <-s.done:
		s.w.Stamp()
		for {
			s.w.Done(r.conn, &r.op, failure(r.err))
			select {
			case r = <-s.done:
			default:
				return nil
			}
		}
	case <-s.timer.C:
		return nil
	}
}

func (s *blocking) Close() error {
	for _, c := range s.calls {
		close(c)
	}
	s.group.Wait() // done has room for all
	s.timer.Stop()
	return nil
}
