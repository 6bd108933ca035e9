package wal

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// The memory of chunks that are out is bounded, and one that is larger than all of it is passed on alone.
func TestReaderKeepsToItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReader(0)
		const size = readBudget / 4
		var out []*Chunk
		for range 4 {
			out = append(out, r.take(size, size))
		}
		var taken atomic.Int32
		go func() {
			r.take(size, size)
			taken.Add(1)
			r.take(2*readBudget, size)
			taken.Add(1)
		}()
		for i, want := range []int32{0, 1, 1, 1} {
			synctest.Wait()
			if got := taken.Load(); got != want {
				t.Fatalf("%d released: %d taken, want %d", i, got, want)
			}
			out[i].Hold()
			out[i].Release()
			synctest.Wait()
			if got := taken.Load(); got != want {
				t.Fatalf("%d released, and one let go of by one of two: %d taken, want %d", i, got, want)
			}
			out[i].Release()
		}
		synctest.Wait()
		if got := taken.Load(); got != 1 {
			t.Fatalf("a giant is taken although one is out: %d", got)
		}
		r.mu.Lock()
		r.out = 0 // the goroutine's own
		r.mu.Unlock()
		r.freed.Broadcast()
		synctest.Wait()
		if got := taken.Load(); got != 2 {
			t.Fatal("a giant is not passed on alone")
		}
	})
}

// What is read ahead comes in order, however long each piece takes, and an error ends everything, also what waits for
// memory.
func TestAheadKeepsTheOrder(t *testing.T) {
	const n = 200
	for _, fails := range []bool{false, true} {
		r := newReader(0)
		next, want := 0, 0
		stop := errors.New("stop")
		err := ahead(r, func() func() int {
			if next == n {
				return nil
			}
			i := next
			next++
			if fails && r.take(readBudget/2+1, 1) == nil { // never given back: the second waits
				return nil
			}
			return func() int {
				x := 0
				for range i % 7 * 1000 {
					x++
				}
				return i + x - x
			}
		}, func(got int) error {
			if got != want {
				t.Fatalf("piece %d came, want %d", got, want)
			}
			want++
			if fails {
				return stop
			}
			return nil
		})
		if !fails && (err != nil || want != n) || fails && err != stop {
			t.Fatalf("%d pieces, %v", want, err)
		}
	}
}
