package engine

import (
	"sync"
	"testing"
	"unsafe"
)

// Each request has an Event. Go's allocator has blocks of 480 and of 512 bytes: one more word costs every request 32 bytes.
func TestEventFitsItsBlock(t *testing.T) {
	if size := unsafe.Sizeof(Event{}); size > 480 {
		t.Errorf("an Event has %d bytes, want at most 480", size)
	}
}

// The context of an event ends for everyone who waits for it, whoever asks while it ends, and once.
func TestEventContextEnds(t *testing.T) {
	for range 2000 {
		var ev Event
		var all sync.WaitGroup
		begin := make(chan struct{})
		done := make([]<-chan struct{}, 3)
		for i := range done {
			all.Go(func() { <-begin; done[i] = ev.Done() })
		}
		for range 2 {
			all.Go(func() { <-begin; ev.ctx.finish(&errCanceled) })
		}
		close(begin)
		all.Wait()
		for i, ch := range done {
			select {
			case <-ch:
			default:
				t.Fatalf("the one who asked %d is not told", i)
			}
		}
	}
	var ev Event
	first := ev.Done()
	if again := ev.Done(); again != first || ev.Err() != nil {
		t.Error("an event has two channels, or has ended")
	}
}
