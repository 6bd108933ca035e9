package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/proto/ws"
)

// hall is an object that sends what it is sent to all its sockets.
type hall struct{ s *engine.State }

func (h *hall) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	ours, theirs := h.s.WebSocketPair()
	if err := h.s.AcceptWebSocket(ours); err != nil {
		return nil, err
	}
	return &engine.Response{Status: 101, WebSocket: theirs}, nil
}

func (h *hall) WebSocketMessage(_ context.Context, _ *engine.WebSocket, m *engine.Message) error {
	h.s.Broadcast(m, engine.BroadcastOptions{})
	return nil
}

// hallServer is a server whose every request goes to one hall.
func hallServer(b testing.TB) *onSockets {
	entry := engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
		return ev.Namespace("Hall").GetByName("a").Fetch(ctx, r)
	})
	r := newReal(b, 1, entry, Options{})
	if _, err := r.eng.Register("Hall", engine.ClassOf(func(s *engine.State) (*hall, error) { return &hall{s}, nil })); err != nil {
		b.Fatal(err)
	}
	return r
}

// openReal opens a WebSocket on a connection of its own.
func openReal(b testing.TB, addr string) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, handshake("/")); err != nil {
		b.Fatal(err)
	}
	r := bufio.NewReaderSize(c, 16)
	for n := 0; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil || n == 0 && !strings.HasPrefix(line, "HTTP/1.1 101 ") {
			b.Fatalf("no WebSocket was opened: %q %v", line, err)
		}
		if line == "\r\n" {
			return c
		}
	}
}

// BenchmarkBroadcast has messages of 64 bytes go to 1,000 sockets over loopback, 8 in each round. The clients are part of the
// process's time: they are as cheap as goroutines that read can be.
func BenchmarkBroadcast(b *testing.B) {
	for _, size := range []int{64, 16 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			const conns, messages = 1000, 8
			r := hallServer(b)
			var got atomic.Int64
			arrived := make(chan struct{}, 1)
			var want int64
			frame := ws.AppendFrame(nil, ws.OpBinary, make([]byte, size))
			want = int64(len(frame) * conns * messages)
			var all []net.Conn
			for range conns {
				c := openReal(b, r.addr)
				all = append(all, c)
				go func() {
					buf := make([]byte, 32<<10)
					for {
						n, err := c.Read(buf)
						if err != nil {
							return
						}
						if got.Add(int64(n)) == want {
							arrived <- struct{}{}
						}
					}
				}()
			}
			out := ws.AppendMaskedFrame(nil, ws.OpBinary, make([]byte, size), testMask)
			out = bytes.Repeat(out, messages)
			b.ReportAllocs()
			cpu := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				got.Store(0)
				if _, err := all[i%conns].Write(out); err != nil {
					b.Fatal(err)
				}
				<-arrived
			}
			n := float64(b.N * conns * messages)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/delivery")
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/n, "cpu-ns/delivery")
		})
	}
}

// BenchmarkIdleSockets prints what an idle hibernating socket keeps in memory, gnet's and Go's parts of the connection included, the kernel's not.
func BenchmarkIdleSockets(b *testing.B) {
	const conns = 4000
	for b.Loop() {
		r := hallServer(b)
		openReal(b, r.addr).Close()
		time.Sleep(10 * time.Millisecond) // until the server has seen it, or the figure has it, too
		before := heap()
		clients := make([]net.Conn, conns)
		for i := range clients {
			clients[i] = openReal(b, r.addr)
		}
		both := heap() - before
		own := make([]net.Conn, 0, conns)
		before = heap()
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		for range conns {
			c, err := net.Dial("tcp", lis.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			own = append(own, c)
			b.Cleanup(func() { c.Close() })
		}
		client := heap() - before
		lis.Close()
		b.ReportMetric(float64(both-client)/conns, "B/socket")
		runtime.KeepAlive(own)
		runtime.KeepAlive(clients)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) + int64(m.StackInuse)
}
