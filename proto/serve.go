package proto

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"everloop/engine"
	"everloop/loop"
)

// Handler is a [Protocol] as the handler of a pool's connections. Serve makes one; make it by NewHandler for
// connections that come in another way (Net.Enrol, tests).
type Handler struct {
	protocol Protocol
	opts     Options
	here     []here // by loop
	conns    atomic.Int64
	opened   atomic.Uint64

	ending  atomic.Bool // Shutdown was called
	endOnce sync.Once
	ended   chan struct{} // closed when ending and the last connection has closed
}

var (
	_ loop.Handler    = (*Handler)(nil)
	_ loop.Drainer    = (*Handler)(nil)
	_ loop.HalfCloser = (*Handler)(nil)
)

// NewHandler joins a protocol with an engine. Its connections must be on the loops of e.Pool().
func NewHandler(e *engine.Engine, p Protocol, o Options) (*Handler, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	h := &Handler{protocol: p, opts: o, here: make([]here, e.Pool().Len()), ended: make(chan struct{})}
	for i := range h.here {
		l := e.Pool().Loop(i)
		h.here[i].loop, h.here[i].port = l, e.Port(l)
	}
	return h, nil
}

// ListenOptions are the bounds of connections to be served by h.
func (h *Handler) ListenOptions() loop.ListenOptions { return h.opts.Conn }

// Conns is the number of open connections. Safe from any goroutine.
func (h *Handler) Conns() int { return int(h.conns.Load()) }

// Opened is the number of connections that there ever were. Safe from any goroutine.
func (h *Handler) Opened() uint64 { return h.opened.Load() }

// Serve listens on addr ("host:port" or "unix:PATH") and serves p to whoever connects, with the objects of e, which
// must run on the loops of pool. Close of the listener takes no further connections; Close of the pool finishes
// what is under way and closes them. A program that wants to close the engine in between makes a [Handler] itself,
// for its Shutdown.
func Serve(pool *loop.Net, e *engine.Engine, addr string, p Protocol, o Options) (*loop.Listener, error) {
	h, err := NewHandler(e, p, o)
	if err != nil {
		return nil, err
	}
	return pool.Listen(addr, h, h.ListenOptions())
}

// Shutdown ends all connections in order: requests that are under way are answered, no further ones are taken, and
// new connections are closed as soon as they come (close the listeners before). It returns when the last has
// closed, or when ctx ends, with the error that says how many are left. The engine must still be open, so a
// program ends in this order: listeners, Shutdown, engine, pool. It must not be called from a loop.
func (h *Handler) Shutdown(ctx context.Context) error {
	h.ending.Store(true)
	for i := range h.here {
		h.here[i].loop.Post(loop.Func(func() {
			for c := h.here[i].conns; c != nil; {
				next := c.later // a drained connection closes in a later round, but its session may do anything
				h.Drain(c.Conn)
				c = next
			}
		}))
	}
	h.checkEnded()
	select {
	case <-h.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("proto: %d connections are still open: %w", h.Conns(), context.Cause(ctx))
	}
}

func (h *Handler) checkEnded() {
	if h.ending.Load() && h.conns.Load() == 0 {
		h.endOnce.Do(func() { close(h.ended) })
	}
}

// Open is part of [loop.Handler].
func (h *Handler) Open(lc loop.Conn) {
	h.conns.Add(1)
	h.opened.Add(1)
	c := &Conn{
		Conn: lc, handler: h, here: &h.here[lc.Loop().Index()],
		armed: never, deadline: never, watch: never,
	}
	// A protocol that panics in Open has no session: the connection closes, and needs one to say so to.
	c.session = noSession{}
	lc.SetContext(c)
	if c.later = c.here.conns; c.later != nil {
		c.later.earlier = c
	}
	c.here.conns = c
	c.session = h.protocol.Open(c)
	if h.ending.Load() {
		h.Drain(lc)
	}
}

func connOf(lc loop.Conn) *Conn { return lc.Context().(*Conn) }

// Data is part of [loop.Handler].
func (h *Handler) Data(lc loop.Conn) { connOf(lc).data() }

// Drained is part of [loop.Handler].
func (h *Handler) Drained(lc loop.Conn) { connOf(lc).drained() }

// HalfClosed is part of [loop.HalfCloser].
func (h *Handler) HalfClosed(lc loop.Conn) { connOf(lc).halfClosed() }

// Drain is part of [loop.Drainer].
func (h *Handler) Drain(lc loop.Conn) {
	c := connOf(lc)
	if d, ok := c.session.(Drainer); ok {
		d.Drain()
	} else {
		c.Finish()
	}
}

// Closed is part of [loop.Handler].
func (h *Handler) Closed(lc loop.Conn, err error) {
	c := connOf(lc)
	if c.later != nil {
		c.later.earlier = c.earlier
	}
	if c.earlier != nil {
		c.earlier.later = c.later
	} else {
		c.here.conns = c.later
	}
	// Counted out in any case: a session that panics here must not keep Shutdown waiting.
	defer func() {
		h.conns.Add(-1)
		h.checkEnded()
	}()
	c.closed(err)
}

// noSession is the session of a connection whose protocol has failed to open one.
type noSession struct{}

func (noSession) Data()        {}
func (noSession) Closed(error) {}
