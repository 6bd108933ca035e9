package loop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
)

// MaxLoops is the largest number of loops in a [Net].
const MaxLoops = 255

// Options configure a [Net]. The zero value works.
type Options struct {
	// Loops is the number of event loops. Default: one for each processor that the program may use.
	Loops int
	// Logger gets what goes wrong on the loops and on listeners. Default: slog.Default().
	Logger *slog.Logger
	// Panic, if not nil, is called on the loop with every panic recovered there, from a task, a hook or a
	// handler, and the stack. It is logged either way. Set it to count panics, or to stop the program.
	Panic func(v any, stack []byte)
}

// EnsureDefaults fills in what is zero.
func (o *Options) EnsureDefaults() {
	if o.Loops == 0 {
		o.Loops = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Validate reports options that cannot work.
func (o *Options) Validate() error {
	if o.Loops < 1 || o.Loops > MaxLoops {
		return fmt.Errorf("loop: %d loops asked for: use 1 to %d", o.Loops, MaxLoops)
	}
	return nil
}

// Net is the [Pool] for production, on gnet's event loops. It accepts connections itself and hands them to the
// loops (see Listener), takes connections that were made elsewhere (Enrol), and works as well with no
// connection at all. Safe for concurrent use, except that nothing that waits may be called from a loop:
// Listen, ListenOn, Enrol, OnRound, Close, and Listener.Close.
type Net struct {
	log    *slog.Logger
	clock  *Clock
	client *gnet.Client
	loops  []*netLoop
	nextID atomic.Uint64

	draining atomic.Bool // Close was called: new connections are told so at once
	aborting atomic.Bool // Close has run out of patience: new connections are aborted

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	open      int           // connections enrolled or on their way
	none      chan struct{} // closed when open falls to 0 while the pool closes
	closing   bool
	drained   chan struct{} // closed when Drain is done
	drainErr  error
	stop      sync.Once
	closeErr  error
}

// gnetStart guards gnet's process-wide logger, which every start of a client sets.
var gnetStart sync.Mutex

// New starts a pool; its loops run from now on.
func New(o Options) (*Net, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	n := &Net{
		log:       o.Logger,
		clock:     NewClock(),
		listeners: make(map[*Listener]struct{}),
		none:      make(chan struct{}),
		drained:   make(chan struct{}),
	}
	gnetStart.Lock()
	defer gnetStart.Unlock()
	client, err := gnet.NewClient(&events{}, gnet.WithNumEventLoop(o.Loops), gnet.WithLogger(gnetLog{o.Logger}))
	if err != nil {
		return nil, fmt.Errorf("loop: cannot start the event loops: %w", err)
	}
	if err := client.Start(); err != nil {
		return nil, fmt.Errorf("loop: cannot start the event loops: %w", err)
	}
	n.client = client
	stopPoolClock()
	taken := make(map[gnet.EventLoop]bool)
	for i := range o.Loops {
		l := newNetLoop(n, i, o.Panic)
		n.loops = append(n.loops, l)
		err := l.start(client)
		if err == nil && taken[l.el] {
			err = errUnsupportedGnet
		}
		if err != nil {
			_ = client.Stop()
			for _, l := range n.loops {
				l.free()
			}
			return nil, err
		}
		taken[l.el] = true
	}
	for _, l := range n.loops {
		l.yields = o.Loops >= runtime.GOMAXPROCS(0)
		l.enter()
	}
	return n, nil
}

// Len is part of [Pool].
func (n *Net) Len() int { return len(n.loops) }

// Loop is part of [Pool].
func (n *Net) Loop(i int) Loop { return n.loops[i].core }

// OnRound is part of [Pool].
func (n *Net) OnRound(f func(Loop)) {
	n.onEach(func(c *Core) { c.AddHook(f) })
}

// onEach runs f on every loop and returns when all have.
func (n *Net) onEach(f func(*Core)) {
	var done sync.WaitGroup
	for _, l := range n.loops {
		done.Add(1)
		if !l.core.Post(Func(func() { defer done.Done(); f(l.core) })) {
			done.Done()
		}
	}
	done.Wait()
}

// Connections is the number of open connections, including those on their way to a loop.
func (n *Net) Connections() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open
}

// Enrol hands a connection that was made elsewhere (dialled, say) to loop i, with h as its handler, and returns
// when the loop has taken it up and called Open. o.MaxConns does not apply. c must be a *net.TCPConn or a
// *net.UnixConn, and is closed in any case: the pool works on a copy of its descriptor.
func (n *Net) Enrol(c net.Conn, i int, h Handler, o ListenOptions) error {
	o.EnsureDefaults()
	s, err := n.newSocket(c, n.loops[i], h, &o, nil)
	if err != nil {
		_ = c.Close()
		return err
	}
	if !n.acquire(s) {
		_ = c.Close()
		return ErrClosed
	}
	return <-n.enrol(c, s)
}

// newSocket describes a connection to be enrolled.
func (n *Net) newSocket(c net.Conn, l *netLoop, h Handler, o *ListenOptions, lis *Listener) (*socket, error) {
	s := &socket{net: n, loop: l, lis: lis, handler: h, opts: o, local: c.LocalAddr(), remote: c.RemoteAddr()}
	switch c.(type) {
	case *net.TCPConn:
	case *net.UnixConn:
		s.unix = true
		// gnet writes into the address that the connection gave it.
		if a, ok := s.local.(*net.UnixAddr); ok {
			local := *a
			s.local = &local
		}
	default:
		return nil, fmt.Errorf("loop: cannot enrol a %T: only *net.TCPConn and *net.UnixConn have a socket of their own", c)
	}
	return s, nil
}

// acquire counts a connection in, before it is enrolled; released counts it out again.
func (n *Net) acquire(s *socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		return false
	}
	n.open++
	s.loop.conns.Add(1)
	s.loop.pending.Add(1)
	return true
}

func (n *Net) released(s *socket) {
	s.loop.conns.Add(-1)
	if s.lis != nil {
		s.lis.released()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open--
	if n.open == 0 && n.closing {
		close(n.none)
	}
}

// enrol gives c to gnet and returns a channel for the outcome.
func (n *Net) enrol(c net.Conn, s *socket) <-chan error {
	outcome := make(chan error, 1)
	go func() {
		l, polls := s.loop, make(chan struct{})
		// Whoever is here was counted in by acquire, so the mailbox is open.
		l.core.Post(Func(func() { l.leaving++; close(polls) }))
		<-polls
		defer l.core.Post(Func(func() { l.leaving-- }))
		result, err := l.el.Enroll(gnet.NewContext(context.Background(), s), c)
		if err == nil {
			err = (<-result).Err
		} else {
			_ = c.Close()
		}
		s.loop.pending.Add(-1)
		if err == nil && !s.taken {
			// gnet reports success all the same when epoll did not take the descriptor.
			err = errors.New("epoll_ctl failed: the limit of watches (fs.epoll.max_user_watches) may be reached")
		}
		if err != nil {
			err = fmt.Errorf("loop: cannot enrol a connection of %v: %w", s.remote, err)
			n.released(s)
		}
		outcome <- err
	}()
	return outcome
}

// Drain ends all connections: it stops accepting; tells the handlers of open connections (see [Drainer]); waits
// until all have closed or ctx ends, and aborts those that are left, with [ErrClosed]. The loops go on: what runs on
// them without connections can be ended next, and then the pool closed. It reports an error if it had to abort
// connections, which wraps that of ctx. Calls after the first wait for its end and return the same.
func (n *Net) Drain(ctx context.Context) error {
	n.mu.Lock()
	if n.closing {
		n.mu.Unlock()
		<-n.drained
		return n.drainErr
	}
	n.closing = true
	if n.open == 0 {
		close(n.none)
	}
	var listeners []*Listener
	for l := range n.listeners {
		listeners = append(listeners, l)
	}
	n.mu.Unlock()

	for _, l := range listeners {
		_ = l.Close()
	}
	n.draining.Store(true)
	n.onEach(func(c *Core) { c.Streams((*Stream).Drain) })
	select {
	case <-n.none:
	case <-ctx.Done():
		n.mu.Lock()
		left := n.open
		n.mu.Unlock()
		n.aborting.Store(true)
		if left > 0 {
			n.drainErr = fmt.Errorf("loop: %d connections had to be aborted: %w", left, context.Cause(ctx))
		}
		n.onEach(func(c *Core) { c.Streams(func(s *Stream) { s.Abort(ErrClosed) }) })
		<-n.none
	}
	close(n.drained)
	return n.drainErr
}

// Close closes the pool: it drains it, runs what is still posted, and the round hooks, and stops the loops. Timers that
// are not due by then never fire. Its error is that of Drain, or that of stopping. Calls after the first wait for its
// end and return the same.
//
// It cannot stop a loop whose task does not return, and waits for it.
func (n *Net) Close(ctx context.Context) error {
	n.stop.Do(func() {
		n.closeErr = n.Drain(ctx)
		for _, l := range n.loops {
			l.core.Shut()
		}
		for _, l := range n.loops {
			l.finish()
		}
		err := n.client.Stop()
		for _, l := range n.loops {
			l.free()
		}
		if err != nil {
			n.closeErr = errors.Join(n.closeErr, fmt.Errorf("loop: cannot stop the event loops: %w", err))
		}
	})
	return n.closeErr
}
