package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"everloop/engine"
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
