package loop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/loop"
	"everloop/loop/looptest"
)

// A world is a pool and a way to connect to it, so that one suite of tests can hold every kind of pool to the same
// contract: the pool for production over TCP and over unix sockets, and the pool on virtual time.
type world interface {
	pool() loop.Pool
	dial(h loop.Handler, o loop.ListenOptions) peer
	// until returns when cond reports true, and fails the test if that never happens.
	until(what string, cond func() bool)
	// pass lets d pass.
	pass(d time.Duration)
	// shut closes the pool; it gives open connections a moment.
	shut()
	virtual() bool
}

// A peer is the other end of a connection.
type peer interface {
	write(b []byte)
	// read returns the next n bytes that the connection sent.
	read(n int) []byte
	// rest returns everything up to the end of what the connection sends.
	rest() []byte
	// stall makes the peer take no more than about 64 KiB until it reads again.
	stall()
	closeWrite()
	close()
	abort()
}

// inWorlds runs a test in every world, on two loops.
func inWorlds(t *testing.T, test func(t *testing.T, w world)) {
	t.Run("memory", func(t *testing.T) {
		for range 12 {
			w := &memoryWorld{t: t, p: looptest.New(2, rand.Uint64())}
			t.Cleanup(func() { report(t, w.p.Seed()) })
			w.p.KeepPanics = true
			w.p.Fragment = w.p.Seed()%2 == 0
			test(t, w)
			if t.Failed() {
				return
			}
		}
	})
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) { test(t, newNetWorld(t, network, 2)) })
	}
}

func report(t *testing.T, seed uint64) {
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// onLoop runs f on loop i and waits for it.
func onLoop(w world, i int, f func(l loop.Loop)) {
	var done atomic.Bool
	l := w.pool().Loop(i)
	l.Post(loop.Func(func() { f(l); done.Store(true) }))
	w.until("a task has run", done.Load)
}

// The pool on virtual time.

type memoryWorld struct {
	t *testing.T
	p *looptest.Pool
}

func (w *memoryWorld) pool() loop.Pool { return w.p }
func (w *memoryWorld) virtual() bool   { return true }
func (w *memoryWorld) shut()           { w.p.Close(time.Second) }

func (w *memoryWorld) dial(h loop.Handler, o loop.ListenOptions) peer {
	return &memoryPeer{w: w, p: w.p.Dial(h, o)}
}

func (w *memoryWorld) until(what string, cond func() bool) {
	w.t.Helper()
	for range 10_000 {
		if cond() {
			return
		}
		if !w.p.Step() {
			w.p.Advance(10 * time.Millisecond)
		}
	}
	w.t.Fatalf("never happened: %s (seed %d)", what, w.p.Seed())
}

func (w *memoryWorld) pass(d time.Duration) { w.p.Advance(d) }

type memoryPeer struct {
	w   *memoryWorld
	p   *looptest.Peer
	got []byte
}

func (p *memoryPeer) write(b []byte) { p.p.Write(b) }
func (p *memoryPeer) stall()         { p.p.StopReading(64 << 10) }
func (p *memoryPeer) closeWrite()    { p.p.CloseWrite() }
func (p *memoryPeer) close()         { p.p.Close() }
func (p *memoryPeer) abort()         { p.p.Abort() }

func (p *memoryPeer) read(n int) []byte {
	p.w.t.Helper()
	p.p.StartReading()
	p.w.until(fmt.Sprintf("%d bytes arrive", n), func() bool {
		p.got = append(p.got, p.p.Read()...)
		return len(p.got) >= n
	})
	b := p.got[:n]
	p.got = p.got[n:]
	return b
}

func (p *memoryPeer) rest() []byte {
	p.w.t.Helper()
	p.p.StartReading()
	p.w.until("the connection ends", p.p.EOF)
	p.got = append(p.got, p.p.Read()...)
	return p.got
}

// The pool for production.

type netWorld struct {
	t       testing.TB
	n       *loop.Net
	network string
	mu      sync.Mutex
	panics  []any
	closed  bool
}

func newNetWorld(t testing.TB, network string, loops int) *netWorld {
	t.Helper()
	w := &netWorld{t: t, network: network}
	n, err := loop.New(loop.Options{Loops: loops, Logger: slog.New(slog.DiscardHandler), Panic: func(v any, _ []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.panics = append(w.panics, v)
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.n = n
	t.Cleanup(w.shut)
	return w
}

func (w *netWorld) pool() loop.Pool { return w.n }
func (w *netWorld) virtual() bool   { return false }

func (w *netWorld) shut() {
	if w.closed {
		return
	}
	w.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := w.n.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		w.t.Error(err)
	}
}

func (w *netWorld) listen(h loop.Handler, o loop.ListenOptions) *loop.Listener {
	w.t.Helper()
	addr := "127.0.0.1:0"
	if w.network == "unix" {
		addr = "unix:" + filepath.Join(w.t.TempDir(), "socket")
	}
	l, err := w.n.Listen(addr, h, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *netWorld) dial(h loop.Handler, o loop.ListenOptions) peer {
	w.t.Helper()
	return w.connect(w.listen(h, o))
}

func (w *netWorld) connect(l *loop.Listener) *netPeer {
	w.t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return &netPeer{w: w, c: c}
}

// until asks again and again: what it waits for happens on other goroutines and in the kernel. The limit is no
// measurement; it only ends a test that hangs.
func (w *netWorld) until(what string, cond func() bool) {
	w.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-limit:
			w.t.Fatalf("never happened: %s", what)
		}
	}
}

func (w *netWorld) pass(d time.Duration) {
	l := w.n.Loop(0)
	done := make(chan struct{})
	l.Post(loop.Func(func() { l.At(l.Now()+d.Milliseconds()+1, loop.Func(func() { close(done) })) }))
	<-done
}

type netPeer struct {
	w *netWorld
	c net.Conn
}

func (p *netPeer) stall() {}

func (p *netPeer) write(b []byte) {
	p.w.t.Helper()
	if _, err := p.c.Write(b); err != nil {
		p.w.t.Fatal(err)
	}
}

func (p *netPeer) read(n int) []byte {
	p.w.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(30 * time.Second))
	b := make([]byte, n)
	if m, err := io.ReadFull(p.c, b); err != nil {
		p.w.t.Fatalf("read %d bytes of %d: %v", m, n, err)
	}
	return b
}

func (p *netPeer) rest() []byte {
	p.w.t.Helper()
	_ = p.c.SetReadDeadline(time.Now().Add(30 * time.Second))
	b, err := io.ReadAll(p.c)
	if errors.Is(err, context.DeadlineExceeded) {
		p.w.t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return b
}

func (p *netPeer) closeWrite() { _ = p.c.(interface{ CloseWrite() error }).CloseWrite() }
func (p *netPeer) close()      { _ = p.c.Close() }
func (p *netPeer) abort() {
	if c, ok := p.c.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = p.c.Close()
}

// handler is a loop.Handler made of functions, and remembers what was called, in order. Safe for concurrent use.
type handler struct {
	open    func(c loop.Conn)
	data    func(c loop.Conn)
	drained func(c loop.Conn)
	closed  func(c loop.Conn, err error)

	mu    sync.Mutex
	calls []string
	conn  loop.Conn
	err   error
}

func (h *handler) note(call string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call)
}

func (h *handler) noted(call string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (h *handler) has(call string) func() bool { return func() bool { return h.noted(call) > 0 } }

func (h *handler) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) == 0 {
		return ""
	}
	return h.calls[len(h.calls)-1]
}

func (h *handler) closeErr() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *handler) Open(c loop.Conn) {
	h.mu.Lock()
	h.conn = c
	h.mu.Unlock()
	h.note("open")
	if h.open != nil {
		h.open(c)
	}
}

func (h *handler) Data(c loop.Conn) {
	h.note("data")
	if h.data != nil {
		h.data(c)
	} else {
		_ = c.Write(c.Inbound())
		c.Discard(len(c.Inbound()))
	}
}

func (h *handler) Drained(c loop.Conn) {
	h.note("drained")
	if h.drained != nil {
		h.drained(c)
	}
}

func (h *handler) Closed(c loop.Conn, err error) {
	h.mu.Lock()
	h.err = err
	h.mu.Unlock()
	if h.closed != nil {
		h.closed(c, err)
	}
	h.note("closed")
}

// onConn runs f on the loop of the handler's connection, once that is open, and waits for it.
func (h *handler) onConn(w world, f func(c loop.Conn)) {
	w.until("the connection opens", h.has("open"))
	h.mu.Lock()
	c := h.conn
	h.mu.Unlock()
	onLoop(w, c.Loop().Index(), func(loop.Loop) { f(c) })
}
