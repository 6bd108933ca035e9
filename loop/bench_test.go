package loop_test

import (
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"everloop/loop"
)

// hop is a task that goes from loop to loop, pooled as a program would: posting it allocates nothing.
type hop struct {
	from, to loop.Loop
	left     int
	done     *sync.WaitGroup
}

func (h *hop) Run() {
	if h.left--; h.left <= 0 {
		h.done.Done()
		return
	}
	h.from, h.to = h.to, h.from
	h.to.Post(h)
}

// BenchmarkHop is one hop of a task from a loop to another, with a number of such tasks under way; "self" stays on
// its loop.
func BenchmarkHop(b *testing.B) {
	for _, flight := range []int{1, 64, 256} {
		for _, where := range []string{"other", "self"} {
			b.Run(where+"-"+strconv.Itoa(flight), func(b *testing.B) {
				w := newNetWorld(b, "tcp", 2)
				from, to := w.n.Loop(0), w.n.Loop(1)
				if where == "self" {
					to = from
				}
				var done sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for i := range flight {
					if n := (b.N + i) / flight; n > 0 {
						done.Add(1)
						to.Post(&hop{from: from, to: to, left: n, done: &done})
					}
				}
				done.Wait()
			})
		}
	}
}

// BenchmarkPost is posting from a goroutine to a loop that is busy running what was posted.
func BenchmarkPost(b *testing.B) {
	w := newNetWorld(b, "tcp", 1)
	l := w.n.Loop(0)
	done := make(chan struct{})
	n, total := 0, 0
	task := loop.Func(func() {
		if n++; n == total {
			close(done)
		}
	})
	total = b.N
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		l.Post(task)
	}
	<-done
}

// BenchmarkEcho is a request and its answer of 64 bytes over loopback, by a number of clients with one under way
// each.
func BenchmarkEcho(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		for _, clients := range []int{1, 64} {
			b.Run(network+"-"+strconv.Itoa(clients), func(b *testing.B) {
				w := newNetWorld(b, network, 1)
				l := w.listen(plainEcho{}, loop.ListenOptions{})
				peers := make([]*netPeer, clients)
				for i := range peers {
					peers[i] = w.connect(l)
				}
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for i, p := range peers {
					wg.Go(func() {
						buf := make([]byte, 64)
						for range (b.N + i) / clients {
							if _, err := p.c.Write(buf); err != nil {
								b.Error(err)
								return
							}
							if _, err := io.ReadFull(p.c, buf); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}

// plainEcho answers at once and keeps nothing.
type plainEcho struct{}

func (plainEcho) Open(loop.Conn)          {}
func (plainEcho) Drained(loop.Conn)       {}
func (plainEcho) Closed(loop.Conn, error) {}
func (plainEcho) Data(c loop.Conn) {
	b := c.Inbound()
	_ = c.Write(b)
	c.Discard(len(b))
}

// BenchmarkBulk sends 1 MiB at a time to a reader that keeps up.
func BenchmarkBulk(b *testing.B) {
	w := newNetWorld(b, "tcp", 1)
	chunk := make([]byte, 1<<20)
	h := &handler{data: func(c loop.Conn) { c.Discard(len(c.Inbound())); _ = c.Write(chunk) }}
	p := w.connect(w.listen(h, loop.ListenOptions{}))
	buf := make([]byte, len(chunk))
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = p.c.Write(buf[:1])
		if _, err := io.ReadFull(p.c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPauseResume is both, on a connection that is open.
func BenchmarkPauseResume(b *testing.B) {
	w := newNetWorld(b, "tcp", 1)
	h := &handler{}
	w.dial(h, loop.ListenOptions{})
	h.onConn(w, func(c loop.Conn) {
		b.ReportAllocs()
		for b.Loop() {
			c.PauseReading()
			c.ResumeReading()
		}
	})
}

// BenchmarkRearmTimer is an idle time-out put off on a running loop.
func BenchmarkRearmTimer(b *testing.B) {
	w := newNetWorld(b, "tcp", 1)
	onLoop(w, 0, func(l loop.Loop) {
		tm := l.At(l.Now()+30_000, loop.Func(func() {}))
		b.ReportAllocs()
		for b.Loop() {
			l.Rearm(tm, l.Now()+30_000)
		}
	})
}

// BenchmarkAccept is a connection's whole life: dialled, accepted, enrolled, used once, closed.
func BenchmarkAccept(b *testing.B) {
	w := newNetWorld(b, "unix", 1)
	l := w.listen(plainEcho{}, loop.ListenOptions{})
	buf := make([]byte, 4)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkIdleConnection reports the heap that an idle connection keeps, after it has been used. The clients are
// bare descriptors, which keep none.
func BenchmarkIdleConnection(b *testing.B) {
	const conns = 2000
	w := newNetWorld(b, "tcp", 1)
	l := w.listen(plainEcho{}, loop.ListenOptions{})
	addr, err := net.ResolveTCPAddr("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	heap := func() int64 {
		for range 3 {
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	fds := make([]int, 0, conns)
	buf := make([]byte, 100)
	for range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Skip("not enough descriptors: ", err)
		}
		fds = append(fds, fd)
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			b.Fatal(err)
		}
		_, _ = unix.Write(fd, buf)
		if n, err := unix.Read(fd, buf); n != len(buf) {
			b.Fatal(n, err)
		}
	}
	size := float64(heap()-before) / conns
	for b.Loop() {
	}
	b.ReportMetric(size, "B/conn")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(fds)
}
