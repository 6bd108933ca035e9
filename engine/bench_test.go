package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/wal"
)

// rawCounter is the counter without reflection.
type rawCounter struct{ st *engine.State }

func (c *rawCounter) CallRaw(_ context.Context, _ string, _ []byte) ([]byte, error) {
	s := c.st.Storage()
	var buf [8]byte
	old, _, err := s.GetRaw("n")
	if err != nil {
		return nil, err
	}
	n := uint64(0)
	if len(old) == 8 {
		n = binary.BigEndian.Uint64(old)
	}
	binary.BigEndian.PutUint64(buf[:], n+1)
	return old[:0:0], s.PutRaw("n", buf[:], engine.WriteOptions{})
}

// driver keeps a number of calls in flight from outside.
type driver struct {
	stubs []*engine.Stub
	mu    sync.Mutex
	left  int
	next  int
	wg    sync.WaitGroup
}

func (d *driver) Reply(r engine.Reply) {
	d.mu.Lock()
	d.left--
	left := d.left
	d.next++
	s := d.stubs[d.next%len(d.stubs)]
	d.mu.Unlock()
	if left >= 0 {
		s.StartCall("incr", nil, d)
		return
	}
	d.wg.Done()
}

func benchmarkCalls(b *testing.B, objects int, c engine.Class, sync wal.SyncMode) {
	e := open(b, engine.Options{Sync: sync})
	ns := register(b, e, "Raw", c)
	const inFlight = 64
	d := &driver{left: b.N}
	for i := range objects {
		d.stubs = append(d.stubs, ns.GetByName(fmt.Sprint(i)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	d.wg.Add(inFlight)
	for i := range inFlight {
		d.stubs[i%len(d.stubs)].StartCall("incr", nil, d)
	}
	d.wg.Wait()
}

func BenchmarkDurableCalls(b *testing.B) {
	c := engine.ClassOf(func(st *engine.State) (*rawCounter, error) { return &rawCounter{st}, nil })
	b.Run("1 object", func(b *testing.B) { benchmarkCalls(b, 1, c, wal.SyncAlways) })
	b.Run("1000 objects", func(b *testing.B) { benchmarkCalls(b, 1000, c, wal.SyncAlways) })
	b.Run("1000 objects, not synced", func(b *testing.B) { benchmarkCalls(b, 1000, c, wal.SyncNone) })
}

// blind is a transport that throws away what it is told.
type blind struct{ messages int }

func (b *blind) Message(*engine.Message) { b.messages++ }
func (*blind) Closed(int, string, bool)  {}
func (*blind) Failed(error)              {}

// megaphone is an object with sockets that nobody has asked for.
type megaphone struct {
	st  *engine.State
	out chan<- []*engine.WebSocket
}

// CallRaw opens so many sockets, and hands their other ends out, or broadcasts.
func (s *megaphone) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	if method == "say" {
		n := s.st.Broadcast(engine.BinaryMessage(args), engine.BroadcastOptions{})
		return binary.BigEndian.AppendUint64(nil, uint64(n)), nil
	}
	var ends []*engine.WebSocket
	for i := range binary.BigEndian.Uint64(args) {
		a, b := s.st.WebSocketPair()
		if err := s.st.AcceptWebSocket(a, fmt.Sprintf("user-%d", i)); err != nil {
			return nil, err
		}
		ends = append(ends, b)
	}
	s.out <- ends
	return nil, nil
}

// megaphones opens n sockets of each of some objects, with transports on all loops.
func megaphones(t testing.TB, e *engine.Engine, objects, n int) (stubs []*engine.Stub, transports []*blind) {
	out := make(chan []*engine.WebSocket, 1)
	ns := register(t, e, "Speaker", engine.ClassOf(func(st *engine.State) (*megaphone, error) { return &megaphone{st, out}, nil }))
	pool := e.Pool()
	for range pool.Len() {
		transports = append(transports, new(blind))
	}
	for i := range objects {
		stub := ns.GetByName(fmt.Sprint(i))
		stubs = append(stubs, stub)
		if _, err := stub.CallRaw(t.Context(), "open", binary.BigEndian.AppendUint64(nil, uint64(n))); err != nil {
			t.Fatal(err)
		}
		ends := <-out
		var wg sync.WaitGroup
		for l := range pool.Len() {
			wg.Add(1)
			pool.Loop(l).Post(loop.Func(func() {
				defer wg.Done()
				port := e.Port(pool.Loop(l))
				for i := l; i < len(ends); i += pool.Len() {
					if err := port.HoldWebSocket(ends[i], transports[l]); err != nil {
						t.Error(err)
					}
				}
			}))
		}
		wg.Wait()
	}
	return stubs, transports
}

// TestIdleSocketIsSmall measures what the engine keeps for a socket whose object hibernates: both ends and a tag of its own.
func TestIdleSocketIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	const objects, n, limit = 4, 25_000, 550
	e := open(t, engine.Options{Loops: 2, IdleTimeout: time.Millisecond})
	before := heap()
	_, transports := megaphones(t, e, objects, n)
	waitFor(t, func() bool { return e.Metrics().Hibernating == objects*n })
	per := float64(heap()-before) / (objects * n)
	t.Logf("%.0f bytes a socket", per)
	if per > limit {
		t.Errorf("an idle socket takes %.0f bytes, more than %d", per, limit)
	}
	runtime.KeepAlive(transports)
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 { // what has finalizers or cleanups goes in the next one
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkBroadcast is one message to 1,000 sockets of an object, on one loop and on two: the time and the allocations are those of all of
// them together, with the call that causes it.
func BenchmarkBroadcast(b *testing.B) {
	for loops := 1; loops <= 2; loops++ {
		b.Run(fmt.Sprintf("%d loops", loops), func(b *testing.B) {
			const n = 1000
			e := open(b, engine.Options{Loops: loops, Sync: wal.SyncNone})
			stubs, transports := megaphones(b, e, 1, n)
			text := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stubs[0].CallRaw(b.Context(), "say", text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/delivery")
			runtime.KeepAlive(transports)
		})
	}
}

// BenchmarkSocketEcho is a message to an object and back.
func BenchmarkSocketEcho(b *testing.B) {
	for loops := 1; loops <= 2; loops++ {
		b.Run(fmt.Sprintf("%d loops", loops), func(b *testing.B) {
			e := open(b, engine.Options{Loops: loops, Sync: wal.SyncNone})
			ns := register(b, e, "Echo", engine.ClassOf(func(st *engine.State) (*echoer, error) { return &echoer{st}, nil }))
			pool := e.Pool()
			l := pool.Loop(loops - 1)
			port := e.Port(l)
			name := onLoop(b, ns, loops, 0)
			p := &pinger{done: make(chan struct{}), left: b.N}
			b.ReportAllocs()
			b.ResetTimer()
			l.Post(loop.Func(func() {
				port.Namespace("Echo").GetByName(name).StartFetch(&engine.Request{Method: "GET", URL: "http://echo/"}, engine.ReplyFunc(func(r engine.Reply) {
					p.ws = r.Response.WebSocket
					if err := port.HoldWebSocket(p.ws, p); err != nil {
						b.Error(err)
					}
					p.Message(engine.TextMessage("hello"))
				}))
			}))
			<-p.done
		})
	}
}

type echoer struct{ st *engine.State }

func (e *echoer) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	client, server := e.st.WebSocketPair()
	return &engine.Response{Status: 101, WebSocket: client}, e.st.AcceptWebSocket(server)
}

func (e *echoer) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	return ws.Send(m)
}

// pinger sends what it gets.
type pinger struct {
	ws   *engine.WebSocket
	left int
	done chan struct{}
}

func (p *pinger) Message(m *engine.Message) {
	if p.left--; p.left < 0 {
		close(p.done)
		return
	}
	_ = p.ws.Send(m)
}
func (*pinger) Closed(int, string, bool) {}
func (*pinger) Failed(error)             {}
