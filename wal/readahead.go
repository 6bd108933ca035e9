package wal

import (
	"runtime"
	"sync"
)

// readBudget bounds the memory of the chunks that a reader has out at once, in bytes. One chunk alone may be larger: a
// segment is as large as the batch that filled it.
const readBudget = 32 << 20

// reader reads pieces of files ahead of whoever takes them, on several goroutines, and hands them over in order.
type reader struct {
	width       int // pieces under way at once
	done, total int64

	mu     sync.Mutex
	freed  sync.Cond
	out    int64 // bytes of chunks that are out
	ended  bool
	spares []*Chunk
}

func newReader(total int64) *reader {
	r := &reader{width: runtime.GOMAXPROCS(0) + 1, total: total}
	r.freed.L = &r.mu
	return r
}

// take returns a chunk with size bytes of memory, of which nothing is promised, held once. It waits until there is
// room for it, and returns nil when the reading has ended in the meantime. read is how many bytes of files it stands
// for. Only the goroutine that next (of ahead) is called on may call it, so that pieces get their memory in order.
func (r *reader) take(size int, read int64) *Chunk {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.out > 0 && r.out+int64(size) > readBudget && !r.ended {
		r.freed.Wait()
	}
	if r.ended {
		return nil
	}
	var c *Chunk
	if k := len(r.spares); k > 0 {
		c, r.spares = r.spares[k-1], r.spares[:k-1]
	} else {
		c = &Chunk{free: r.giveBack}
	}
	r.out += int64(size)
	c.cost = int64(size)
	if cap(c.data) < size {
		c.data = make([]byte, size)
	}
	c.data, c.upTo, c.snapshot = c.data[:size], 0, false
	c.held.Store(1)
	r.done += read
	c.done, c.total = r.done, max(r.total, r.done)
	return c
}

func (r *reader) giveBack(c *Chunk) {
	r.mu.Lock()
	r.out -= c.cost
	if cap(c.data) <= keepBytes && len(r.spares) < r.width+1 {
		r.spares = append(r.spares, c)
	}
	r.mu.Unlock()
	r.freed.Broadcast()
}

// ahead calls next, on a goroutine of its own, until it returns nil; each function that it returns is run on some
// goroutine, at most r.width ahead of deliver, which gets what they return in order, on the calling goroutine. The
// first error of deliver ends all of it and is returned, when no other goroutine is left.
func ahead[T any](r *reader, next func() func() T, deliver func(T) error) error {
	queue := make(chan chan T, r.width-1)
	quit := make(chan struct{})
	slots := make(chan struct{}, r.width)
	var all sync.WaitGroup
	all.Go(func() {
		defer close(queue)
		for {
			work := next()
			if work == nil {
				return
			}
			result := make(chan T, 1)
			select {
			case slots <- struct{}{}:
			case <-quit:
				return
			}
			all.Go(func() {
				result <- work()
				<-slots
			})
			select {
			case queue <- result:
			case <-quit:
				return
			}
		}
	})
	var err error
	for result := range queue {
		if err = deliver(<-result); err != nil {
			break
		}
	}
	close(quit)
	r.mu.Lock()
	r.ended = err != nil
	r.mu.Unlock()
	r.freed.Broadcast()
	all.Wait()
	return err
}
