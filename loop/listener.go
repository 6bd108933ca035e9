package loop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listener accepts connections for a [Net] and hands each to the loop with the fewest. Safe for concurrent use.
//
// It accepts on a goroutine of its own, and not on gnet's, because gnet stops altogether when an accept fails.
// When descriptors run out, or MaxConns are open, it does not accept: the kernel keeps new connections in its
// queue, and they are served when others have closed. If MaxConns stay open, the clients that do not fit are told so,
// one after the other, with descriptors of the reserve: see [ListenOptions.Full].
type Listener struct {
	net     *Net
	lis     net.Listener
	addr    net.Addr
	handler Handler
	opts    *ListenOptions

	conns    atomic.Int64
	refusing chan struct{} // holds one for each client that is being refused
	room     chan struct{} // told, without waiting, when a connection has closed
	stop     chan struct{}
	stopOnce sync.Once
	done     chan struct{} // the goroutine has ended
}

const (
	reserveDescriptors = 64
	// patience is how long the acceptor waits for a loop to take a connection up before it goes on with
	// the next, for another loop.
	patience = 20 * time.Millisecond
	// retryAccept is how often an accept that failed for want of descriptors or memory is tried again.
	retryAccept = 50 * time.Millisecond
	// maxRefusing is how many clients are refused at once, and refuseTimeout how long each takes at most.
	maxRefusing   = 16
	refuseTimeout = time.Second
	// refuseRead is how much is read of what a refused client sends.
	refuseRead = 64 << 10
)

// Listen listens on addr, `host:port` or `unix:PATH`, and serves what connects with h. A socket file that a dead
// process left behind is replaced.
func (n *Net) Listen(addr string, h Handler, o ListenOptions) (*Listener, error) {
	lis, err := listen(addr)
	if err != nil {
		return nil, err
	}
	return n.ListenOn(lis, h, o)
}

func listen(addr string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(addr, "unix:")
	if !isUnix {
		lis, err := net.Listen("tcp", addr) // with SO_REUSEADDR; accepted connections have TCP_NODELAY
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("loop: cannot listen on %s: another process uses this port: stop it or choose another: %w", addr, err)
		} else if err != nil {
			return nil, fmt.Errorf("loop: cannot listen on %s: %w", addr, err)
		}
		return lis, nil
	}
	if path == "" {
		return nil, fmt.Errorf("loop: cannot listen on %q: no path behind unix:", addr)
	}
	lis, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, fmt.Errorf("loop: cannot listen on %s: %w", addr, err)
		}
		lis, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("loop: cannot listen on %s: %w", addr, err)
	}
	return lis, nil
}

// removeStale removes the socket file at path if nobody listens on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file of that name which is not a socket: remove it or choose another path")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = c.Close()
		return errors.New("another process listens there: stop it or choose another path")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("there is a socket of that name, and it cannot be told whether anyone listens: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ListenOn serves what lis accepts with h. lis must accept *net.TCPConn or *net.UnixConn; it belongs to the
// pool from now on. For sockets that were opened elsewhere, by systemd for one.
func (n *Net) ListenOn(lis net.Listener, h Handler, o ListenOptions) (*Listener, error) {
	o.EnsureDefaults()
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns()
	}
	l := &Listener{
		net: n, lis: lis, addr: lis.Addr(), handler: h, opts: &o,
		refusing: make(chan struct{}, maxRefusing), room: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closing {
		_ = lis.Close()
		return nil, ErrClosed
	}
	n.listeners[l] = struct{}{}
	go l.accept()
	return l, nil
}

// defaultMaxConns is the default of ListenOptions.MaxConns.
func defaultMaxConns() int {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		r.Cur = 1024
	}
	limit := int(min(r.Cur, 1<<30))
	return max(1, limit-min(reserveDescriptors, limit/4))
}

// Addr is the address that the listener is bound to.
func (l *Listener) Addr() net.Addr { return l.addr }

// Conns is the number of its open connections.
func (l *Listener) Conns() int { return int(l.conns.Load()) }

// Close stops accepting and frees the address. Connections that were accepted live on. It returns when nothing
// more will be accepted.
func (l *Listener) Close() error {
	var err error
	l.stopOnce.Do(func() {
		close(l.stop)
		err = l.lis.Close()
		l.net.mu.Lock()
		delete(l.net.listeners, l)
		l.net.mu.Unlock()
	})
	<-l.done
	return err
}

// released is told of each connection that has closed.
func (l *Listener) released() {
	l.conns.Add(-1)
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// accept is the listener's goroutine.
//
// A connection needs a second descriptor for a moment while gnet takes it up. The goroutine therefore holds a
// spare one, which it gives up right then: a connection that was accepted is not lost to a lack of
// descriptors, because none is accepted while there is no spare.
func (l *Listener) accept() {
	defer close(l.done)
	spare := -1
	defer func() {
		if spare >= 0 {
			_ = unix.Close(spare)
		}
	}()
	scarce, full := false, false
	next := 0
	slow := time.NewTimer(patience)
	for {
		if !l.waitForRoom(&full) {
			return
		}
		var c net.Conn
		err := error(nil)
		if spare < 0 {
			spare, err = unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		if err == nil {
			c, err = l.lis.Accept()
		}
		if err != nil {
			select {
			case <-l.stop:
				return
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				l.net.log.Error("a listener was closed from outside and accepts no more", "addr", l.addr, "err", err)
				return
			}
			if !scarce && !errors.Is(err, syscall.ECONNABORTED) {
				scarce = true
				l.net.log.Warn("cannot accept connections, which wait in the kernel's queue until this is over: "+
					"raise the limit of open files (ulimit -n) if it happens often", "addr", l.addr, "err", err)
			}
			if !l.wait(retryAccept) {
				return
			}
			continue
		}
		scarce = false
		if full && l.crowded() {
			l.refuse(c)
			continue
		}
		full = false
		var target *netLoop
		for target = l.net.pick(&next); target == nil; target = l.net.pick(&next) {
			// No loop takes connections up. One that is accepted waits here, the others in the kernel.
			if !l.wait(patience) {
				_ = c.Close()
				return
			}
		}
		s, err := l.net.newSocket(c, target, l.handler, l.opts, l)
		if err != nil {
			l.net.log.Error("a listener accepted what cannot be served", "addr", l.addr, "err", err)
			_ = c.Close()
			continue
		}
		if !l.net.acquire(s) {
			_ = c.Close()
			return
		}
		l.conns.Add(1)
		_ = unix.Close(spare)
		spare = -1
		outcome := l.net.enrol(c, s)
		slow.Reset(patience)
		select {
		case err := <-outcome:
			if err != nil {
				l.net.log.Error("a connection was lost on its way to a loop", "addr", l.addr, "err", err)
			}
		case <-slow.C:
			// The loop is busy. The outcome is counted wherever it matters.
		}
	}
}

func (l *Listener) crowded() bool { return l.conns.Load() >= int64(l.opts.MaxConns) }

// waitForRoom waits until there are fewer than MaxConns connections, or until clients that do not fit are to be refused. That is in full, which
// lasts until there is room. It reports false if the listener is to stop.
func (l *Listener) waitForRoom(full *bool) bool {
	if *full || !l.crowded() {
		return true
	}
	var over <-chan time.Time // never
	if len(l.opts.Full) > 0 {
		t := time.NewTimer(l.opts.FullAfter)
		defer t.Stop()
		over = t.C
	}
	for l.crowded() && !*full {
		select {
		case <-l.room:
		case <-over:
			*full = true
			l.net.log.Warn("as many connections are open as there may be, and further clients are refused until some close: "+
				"raise the limit of open files (ulimit -n) if it happens often", "addr", l.addr, "connections", l.opts.MaxConns)
		case <-l.stop:
			return false
		}
	}
	return true
}

// refuse tells a client that it does not fit. It waits if it has to be told to many.
func (l *Listener) refuse(c net.Conn) {
	l.refusing <- struct{}{}
	go func() {
		defer func() { <-l.refusing }()
		defer c.Close()
		defer time.AfterFunc(refuseTimeout, func() { _ = c.Close() }).Stop()
		if _, err := c.Write(l.opts.Full); err != nil {
			return
		}
		if l.opts.Refused != nil {
			l.opts.Refused()
		}
		// What the client sends is read before the connection closes, or the kernel would answer it with a reset, and the client might never see
		// what it was told.
		if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_, _ = io.CopyN(io.Discard, c, refuseRead)
		}
	}()
}

// wait waits until a connection has closed or d has passed, and reports false if the listener is to stop.
func (l *Listener) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.room:
	case <-t.C:
	case <-l.stop:
		return false
	}
	return true
}

// pick returns the loop with the fewest connections, in turn among equals, or nil if each is still busy with one
// that it was given. A loop that is stuck thus gets no more of them.
func (n *Net) pick(next *int) *netLoop {
	*next++
	var best *netLoop
	for i := range n.loops {
		l := n.loops[(*next+i)%len(n.loops)]
		if l.pending.Load() == 0 && (best == nil || l.conns.Load() < best.conns.Load()) {
			best = l
		}
	}
	return best
}
