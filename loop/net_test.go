package loop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"everloop/loop"
)

// What is peculiar to the pool on gnet: the traps of the library, descriptors, listeners, start and end.

// Trap: the kernel gives a closed descriptor's number to the next connection, and a late write to the old one
// would reach another client.
func TestTrapWriteAfterCloseReachesAnotherClient(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	first := &handler{}
	p := w.dial(first, loop.ListenOptions{})
	p.write([]byte("ping"))
	p.read(4)
	var old loop.Conn
	first.onConn(w, func(c loop.Conn) { old = c })
	p.close()
	w.until("Closed is called", first.has("closed"))

	others := make([]peer, 20) // one of them has the old number
	for i := range others {
		others[i] = w.dial(&handler{}, loop.ListenOptions{})
		others[i].write([]byte("ping"))
		others[i].read(4)
	}
	onLoop(w, 0, func(loop.Loop) {
		for range 3 {
			if err := old.Write([]byte("for the first client only")); !errors.Is(err, loop.ErrClosed) {
				t.Errorf("Write reported %v", err)
			}
			_ = old.Flush()
			old.Close(nil)
			old.Abort(nil)
			old.ResumeReading()
		}
	})
	for _, p := range others {
		p.write([]byte("pong"))
		if got := p.read(4); string(got) != "pong" {
			t.Fatalf("another client got %q", got)
		}
	}
}

// Trap: gnet's acceptor stops the whole engine when descriptors run out. Here new connections wait in the kernel's
// queue, the open ones go on, and all are served in the end.
func TestTrapDescriptorsRunOut(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lower := limit
	lower.Cur = min(limit.Cur, 512)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lower); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }()

	var log logBuffer
	n, err := loop.New(loop.Options{Loops: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := &netWorld{t: t, n: n, network: "tcp"}
	t.Cleanup(w.shut)
	before := w.dial(&handler{}, loop.ListenOptions{})
	before.write([]byte("ping"))
	before.read(4)

	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]*netPeer, 30) // all in the kernel's queue
	for i := range clients {
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients[i] = &netPeer{w: w, c: c}
		clients[i].write(fmt.Appendf(nil, "%04d", i))
	}
	var hogs []int
	defer func() {
		for _, fd := range hogs {
			_ = unix.Close(fd)
		}
	}()
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			if !errors.Is(err, syscall.EMFILE) {
				t.Fatal(err)
			}
			break
		}
		hogs = append(hogs, fd)
	}
	l, err := n.ListenOn(lis, &handler{}, loop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the shortage is logged", func() bool { return strings.Contains(log.String(), "ulimit -n") })
	before.write([]byte("ping"))
	if got := before.read(4); string(got) != "ping" {
		t.Errorf("an open connection got %q", got)
	}
	for round := range 3 {
		// Of seven descriptors one is the acceptor's spare; the last may not be taken for a connection that
		// could then not be enrolled.
		for _, fd := range hogs[:7] {
			_ = unix.Close(fd)
		}
		hogs = hogs[7:]
		w.until("more connections are served", func() bool { return l.Conns() >= 6+7*round })
		w.pass(5 * time.Millisecond)
	}
	for _, fd := range hogs {
		_ = unix.Close(fd)
	}
	hogs = nil
	for i, c := range clients {
		if got, want := string(c.read(4)), fmt.Sprintf("%04d", i); got != want {
			t.Errorf("client %d got %q", i, got)
		}
	}
	if l.Conns() != len(clients) {
		t.Errorf("%d connections are open", l.Conns())
	}
	if strings.Contains(log.String(), "was lost") {
		t.Error(log.String())
	}
}

// Trap: gnet runs what a task gives to Execute before it polls again. TestSelfPostingTaskDoesNotStarveConnections
// has the whole; this is the narrow case of two tasks that post each other.
func TestTrapTasksThatPostEachOtherStarveIO(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	l := w.pool().Loop(0)
	var stop atomic.Bool
	defer stop.Store(true)
	var ping, pong loop.Func
	ping = func() {
		if !stop.Load() {
			l.Post(pong)
		}
	}
	pong = func() { l.Post(ping) }
	l.Post(ping)
	p := w.dial(&handler{}, loop.ListenOptions{})
	p.write([]byte("ping"))
	if got := p.read(4); string(got) != "ping" {
		t.Errorf("got %q", got)
	}
}

// Trap: gnet reads as fast as the peer sends and buffers all of it. Here a peer that nobody listens to is held up
// by TCP.
func TestTrapInboundHasNoBound(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	h := &handler{data: func(loop.Conn) {}}
	p := w.connect(w.listen(h, loop.ListenOptions{MaxInbound: 64 << 10}))
	// The kernel holds some megabytes; 64 MiB cannot be sent unless the process takes them in.
	_ = p.c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	sent, err := p.c.Write(make([]byte, 64<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes were sent: %v", sent, err)
	}
	h.onConn(w, func(c loop.Conn) {
		if n := len(c.Inbound()); n > 128<<10 {
			t.Errorf("%d bytes in Inbound", n)
		}
	})
}

// Trap: bytes from gnet may lie in the buffer that all connections of the loop share. What a handler leaves in
// Inbound must survive the reading of others.
func TestTrapInboundAliasesSharedBuffer(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	h := &handler{data: func(c loop.Conn) {
		if b := c.Inbound(); len(b) == 2000 {
			_ = c.Write(b)
			c.Discard(len(b))
		}
	}}
	l := w.listen(h, loop.ListenOptions{})
	peers := make([]*netPeer, 8)
	for i := range peers {
		peers[i] = w.connect(l)
	}
	for step := range 20 {
		for i, p := range peers {
			p.write(bytes.Repeat([]byte{byte(i*20 + step)}, 100))
		}
	}
	for i, p := range peers {
		for at, b := range p.read(2000) {
			if b != byte(i*20+at/100) {
				t.Fatalf("connection %d: byte %d is %d", i, at, b)
			}
		}
	}
}

// Trap: gnet does not set SO_REUSEADDR, so that a restart fails while old connections linger in TIME_WAIT.
func TestTrapRestartWhileConnectionsLinger(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	h := &handler{data: func(c loop.Conn) { c.Discard(len(c.Inbound())); c.Close(nil) }}
	l := w.listen(h, loop.ListenOptions{})
	p := w.connect(l)
	p.write([]byte("x"))
	p.rest() // this side closed first: its end stays in TIME_WAIT
	p.close()
	w.until("Closed is called", h.has("closed"))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := w.n.Listen(l.Addr().String(), &handler{}, loop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	q := w.connect(again)
	q.write([]byte("ping"))
	q.read(4)
}

// Trap: gnet cannot stop a listener alone.
func TestTrapListenerStopsAlone(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		w := newNetWorld(t, network, 2)
		l := w.listen(&handler{}, loop.ListenOptions{})
		p := w.connect(l)
		p.write([]byte("ping"))
		p.read(4)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("the second Close reported %v", err)
		}
		if c, err := net.Dial(l.Addr().Network(), l.Addr().String()); err == nil {
			c.Close()
			t.Error("the address still answers")
		}
		p.write([]byte("pong"))
		if got := p.read(4); string(got) != "pong" {
			t.Errorf("got %q", got)
		}
	}
}

// Trap: gnet reports its shutdown before connections are closed, and does not recover panics. Here Closed has been
// called on every connection, even on one that panics, before Close returns.
func TestTrapCloseWaitsForHandlers(t *testing.T) {
	w := newNetWorld(t, "tcp", 2)
	handlers := make([]*handler, 10)
	for i := range handlers {
		handlers[i] = &handler{closed: func(loop.Conn, error) {
			if i == 3 {
				panic("boom")
			}
		}}
		w.dial(handlers[i], loop.ListenOptions{})
		handlers[i].onConn(w, func(loop.Conn) {})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.closed = true
	err := w.n.Close(ctx)
	if err == nil || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "10 connections") {
		t.Errorf("Close reported %v", err)
	}
	for i, h := range handlers {
		if h.noted("closed") == 0 && i != 3 {
			t.Errorf("Closed was not called on connection %d", i)
		}
	}
	if again := w.n.Close(t.Context()); again != err {
		t.Errorf("the second Close reported %v", again)
	}
	if _, err := w.n.Listen("127.0.0.1:0", &handler{}, loop.ListenOptions{}); !errors.Is(err, loop.ErrClosed) {
		t.Errorf("Listen after Close reported %v", err)
	}
	w.n.OnRound(func(loop.Loop) {}) // returns
}

// A loop that is stuck keeps the connections it has been given waiting, and no others.
func TestStuckLoopDoesNotHoldUpOthers(t *testing.T) {
	w := newNetWorld(t, "tcp", 2)
	release := make(chan struct{})
	w.pool().Loop(0).Post(loop.Func(func() { <-release }))
	l := w.listen(&handler{}, loop.ListenOptions{})
	var answered atomic.Int32
	var wg sync.WaitGroup
	for range 12 {
		p := w.connect(l)
		p.write([]byte("ping"))
		wg.Go(func() {
			b := make([]byte, 4)
			if _, err := io.ReadFull(p.c, b); err == nil {
				answered.Add(1)
			}
		})
	}
	w.until("all but one have been answered", func() bool { return answered.Load() >= 11 })
	close(release)
	wg.Wait()
	if answered.Load() != 12 {
		t.Errorf("%d of 12 were answered", answered.Load())
	}
}

// At MaxConns, further connections wait and are accepted when others close.
func TestMaxConns(t *testing.T) {
	w := newNetWorld(t, "tcp", 2)
	h := &handler{}
	l := w.listen(h, loop.ListenOptions{MaxConns: 3})
	peers := make([]*netPeer, 9)
	for i := range peers {
		peers[i] = w.connect(l)
		peers[i].write([]byte("ping"))
	}
	for i, p := range peers {
		p.read(4)
		if open := h.noted("open"); open > i+3 {
			t.Errorf("%d connections were opened when %d had closed", open, i)
		}
		p.close()
	}
	w.until("all have closed", func() bool { return l.Conns() == 0 && w.n.Connections() == 0 })
}

// When MaxConns stay open, further clients are told so, and served again as soon as there is room.
func TestFullIsTold(t *testing.T) {
	w := newNetWorld(t, "tcp", 2)
	var refused atomic.Int64
	l := w.listen(&handler{}, loop.ListenOptions{
		MaxConns: 2, Full: []byte("full"), FullAfter: 10 * time.Millisecond, Refused: func() { refused.Add(1) },
	})
	inside := []*netPeer{w.connect(l), w.connect(l)}
	for _, p := range inside {
		p.write([]byte("ping"))
		p.read(4)
	}
	const outside = 40 // more than are refused at once
	clients := make([]*netPeer, outside)
	for i := range clients {
		clients[i] = w.connect(l)
		clients[i].write([]byte("ping"))
	}
	for i, p := range clients {
		if got := string(p.rest()); got != "full" {
			t.Fatalf("client %d got %q", i, got)
		}
		p.close()
	}
	if n := refused.Load(); n != outside {
		t.Errorf("%d were counted as refused", n)
	}
	inside[0].write([]byte("pong")) // those inside notice nothing
	if got := string(inside[0].read(4)); got != "pong" {
		t.Errorf("a connection that is open got %q", got)
	}
	inside[0].close()
	w.until("one has closed", func() bool { return l.Conns() == 1 })
	late := w.connect(l)
	late.write([]byte("late"))
	if got := string(late.read(4)); got != "late" {
		t.Errorf("a client for which there is room got %q", got)
	}
}

// Connections are spread over the loops.
func TestConnectionsAreSpread(t *testing.T) {
	w := newNetWorld(t, "tcp", 4)
	h := &handler{}
	var mu sync.Mutex
	on := map[int]int{}
	h.open = func(c loop.Conn) {
		mu.Lock()
		defer mu.Unlock()
		on[c.Loop().Index()]++
	}
	l := w.listen(h, loop.ListenOptions{})
	for range 20 {
		w.connect(l)
	}
	w.until("all are open", func() bool { return h.noted("open") == 20 })
	mu.Lock()
	defer mu.Unlock()
	for i := range 4 {
		if on[i] < 3 || on[i] > 7 {
			t.Errorf("loop %d has %d of 20 connections", i, on[i])
		}
	}
}

func TestEnrol(t *testing.T) {
	w := newNetWorld(t, "tcp", 3)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	c, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	local := c.LocalAddr().String()
	h := &handler{}
	if err := w.n.Enrol(c, 2, h, loop.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	other, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p := &netPeer{w: w, c: other}
	p.write([]byte("ping"))
	if got := p.read(4); string(got) != "ping" {
		t.Errorf("got %q", got)
	}
	h.onConn(w, func(c loop.Conn) {
		if c.Loop().Index() != 2 || c.Loop() != w.n.Loop(2) || c.LocalAddr().String() != local {
			t.Errorf("the connection is on loop %d, local address %v, want 2 and %s", c.Loop().Index(), c.LocalAddr(), local)
		}
	})
	a, b := net.Pipe()
	defer b.Close()
	if err := w.n.Enrol(a, 0, h, loop.ListenOptions{}); err == nil || !strings.Contains(err.Error(), "net.pipe") {
		t.Errorf("enrolling a pipe reported %v", err)
	}
}

func TestUnixAddresses(t *testing.T) {
	w := newNetWorld(t, "unix", 1)
	h := &handler{}
	l := w.listen(h, loop.ListenOptions{})
	w.connect(l)
	h.onConn(w, func(c loop.Conn) {
		if c.LocalAddr().String() != l.Addr().String() {
			t.Errorf("local address %v, want %v", c.LocalAddr(), l.Addr())
		}
	})
}

func TestListenErrors(t *testing.T) {
	w := newNetWorld(t, "tcp", 1)
	taken := w.listen(&handler{}, loop.ListenOptions{})
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	alive := filepath.Join(dir, "alive")
	if _, err := w.n.Listen("unix:"+alive, &handler{}, loop.ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		taken.Addr().String(): "another process uses this port",
		"unix:" + alive:       "another process listens there",
		"unix:" + file:        "not a socket",
		"unix:":               "no path",
		"unix:" + filepath.Join(dir, "no", "way"): "no such file or directory",
		"127.0.0.1": "missing port",
	} {
		_, err := w.n.Listen(addr, &handler{}, loop.ListenOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), addr) {
			t.Errorf("listening on %s reported %v, want %q", addr, err, want)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("a file that is not a socket was removed")
	}
}

// The socket file of a process that died is replaced.
func TestStaleSocketFile(t *testing.T) {
	w := newNetWorld(t, "unix", 1)
	path := filepath.Join(t.TempDir(), "stale")
	lis, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	lis.SetUnlinkOnClose(false)
	lis.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal("there is no stale file: ", err)
	}
	l, err := w.n.Listen("unix:"+path, &handler{}, loop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := w.connect(l)
	p.write([]byte("ping"))
	p.read(4)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after Close the file is still there: %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, loops := range []int{-1, loop.MaxLoops + 1} {
		if _, err := loop.New(loop.Options{Loops: loops}); err == nil {
			t.Errorf("%d loops were accepted", loops)
		}
	}
	n, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n.Len() < 1 {
		t.Errorf("%d loops", n.Len())
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A pool gives back every descriptor and goroutine.
func TestCloseLeavesNoDescriptor(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("needs /proc: ", err)
		}
		return len(names)
	}
	use := func() {
		w := newNetWorld(t, "tcp", 3)
		l := w.listen(&halfCloserThatWaits{}, loop.ListenOptions{})
		for range 5 {
			p := w.connect(l)
			p.write([]byte("ping"))
			p.read(4)
			p.closeWrite()
			defer p.close()
		}
		w.shut()
	}
	use() // opens what the runtime keeps
	before := count()
	for range 5 {
		use()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// Goexit on a loop cannot be survived; it must end the process with its cause, not leave a dead loop behind.
func TestGoexitIsReported(t *testing.T) {
	if os.Getenv("EVERLOOP_TEST_GOEXIT") != "" {
		w := newNetWorld(t, "tcp", 1)
		w.pool().Loop(0).Post(loop.Func(func() { t.SkipNow() }))
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestGoexitIsReported$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), "EVERLOOP_TEST_GOEXIT=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "runtime.Goexit was called on loop 0") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The pool closes in good order whatever is going on: connections that are being accepted, used and closed, tasks
// between loops, timers. Every connection that was opened hears Closed, once.
func TestCloseUnderLoad(t *testing.T) {
	seed := rand.Uint64()
	t.Cleanup(func() { report(t, seed) })
	r := rand.New(rand.NewPCG(seed, 3))
	for range 15 {
		w := newNetWorld(t, []string{"tcp", "unix"}[r.IntN(2)], 1+r.IntN(3))
		h := &drainer{}
		l := w.listen(h, loop.ListenOptions{MaxConns: 20})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial(l.Addr().Network(), l.Addr().String())
					if err != nil {
						return // no longer listening
					}
					_ = c.SetDeadline(time.Now().Add(20 * time.Second))
					_, _ = c.Write([]byte("ping"))
					_, err = io.ReadFull(c, make([]byte, 4))
					if errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error(err)
					}
					c.Close()
				}
			})
		}
		var ran, refused atomic.Int64
		posted := int64(0)
		wg.Go(func() {
			for refused.Load() == 0 {
				l := w.n.Loop(int(posted) % w.n.Len())
				if !l.Post(loop.Func(func() { ran.Add(1); l.At(l.Now()+2, loop.Func(func() {})) })) {
					refused.Add(1)
					return
				}
				posted++
				runtime.Gosched()
			}
		})
		w.until("there is some load", func() bool { return h.noted("open") > r.IntN(100) })
		w.shut()
		close(stop)
		wg.Wait()
		if h.noted("open") != h.noted("closed") || w.n.Connections() != 0 || l.Conns() != 0 {
			t.Errorf("%d connections were opened and %d closed; %d are counted", h.noted("open"), h.noted("closed"), w.n.Connections())
		}
		if ran.Load() != posted {
			t.Errorf("%d tasks of %d have run", ran.Load(), posted)
		}
	}
}

// A socket that another process opened (systemd, say) is served, and its file is left alone.
func TestListenOnInheritedSocket(t *testing.T) {
	w := newNetWorld(t, "unix", 1)
	path := filepath.Join(t.TempDir(), "inherited")
	original, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	f, err := original.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	l, err := w.n.ListenOn(lis, &handler{}, loop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := w.connect(l)
	p.write([]byte("ping"))
	p.read(4)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// A random load over both networks: every byte comes back, whatever the sizes, pauses and ends.
func TestRandomTraffic(t *testing.T) {
	seed := rand.Uint64()
	t.Cleanup(func() { report(t, seed) })
	for _, network := range []string{"tcp", "unix"} {
		w := newNetWorld(t, network, 2)
		h := &handler{}
		h.data = func(c loop.Conn) {
			b := c.Inbound()
			if c.Outbound() > 64<<10 {
				c.PauseReading()
				return
			}
			n := len(b)
			if n > 1 && n%3 == 0 {
				n /= 2
			}
			_ = c.Write(b[:n])
			c.Discard(n)
			if n < len(b) {
				c.PauseReading()
				c.Loop().Post(loop.Func(c.ResumeReading))
			}
		}
		h.drained = func(c loop.Conn) { c.ResumeReading() }
		l := w.listen(h, loop.ListenOptions{MaxInbound: 8 << 10, MaxOutbound: 1 << 20, LowWater: 32 << 10})
		var wg sync.WaitGroup
		for i := range 8 {
			p := w.connect(l)
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			sent := make([]byte, 3<<20)
			for i := range sent {
				sent[i] = byte(r.Uint32())
			}
			wg.Go(func() {
				for b := sent; len(b) > 0; {
					n := min(len(b), 1+r.IntN(100<<10))
					if _, err := p.c.Write(b[:n]); err != nil {
						t.Error(err)
						return
					}
					b = b[n:]
				}
			})
			wg.Go(func() {
				_ = p.c.SetReadDeadline(time.Now().Add(60 * time.Second))
				got := make([]byte, len(sent))
				if n, err := io.ReadFull(p.c, got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d of %d bytes came back: %v", n, len(sent), err)
				}
			})
		}
		wg.Wait()
	}
}

// logBuffer is a log that tests read. Safe for concurrent use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
