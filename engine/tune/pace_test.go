package tune

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for _, x := range []struct {
		live uint64
		want int
	}{{0, 800}, {1 << 20, 800}, {4 << 20, 800}, {8 << 20, 400}, {16 << 20, 300}, {32 << 20, 300}, {48 << 20, 200}, {96 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercent(x.live); got != x.want {
			t.Errorf("%d bytes live: %d, want %d", x.live, got, x.want)
		}
	}
}

// The percentage follows the live heap, up and down.
func TestTuneGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	reaches := func(what string, ok func(int) bool) {
		t.Helper()
		for range 2000 {
			runtime.GC()
			if ok(percent()) {
				return
			}
			time.Sleep(time.Millisecond) // finalizers run on a goroutine of their own
		}
		t.Fatalf("%s: %d%%", what, percent())
	}
	tuneGC()
	reaches("a small heap", func(p int) bool { return p > 150 })
	big := make([]byte, 128<<20)
	reaches("a large heap", func(p int) bool { return p == 100 })
	runtime.KeepAlive(big)
	reaches("a small heap again", func(p int) bool { return p > 150 })
}

// A process with next to nothing on its heap collects after gcHeadroom, and not at the multiple of Go's smallest heap.
func TestGCGoalOfASmallHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	for range 3 {
		runtime.GC() // what other tests have left
	}
	debug.SetGCPercent(gcPercent(0))
	metrics.Read(goal)
	// A test's own heap is some megabytes.
	if got := goal[0].Value.Uint64(); got < gcHeadroom || got > 3*gcHeadroom {
		t.Errorf("the next collection comes at %d MB, want %d and a little", got>>20, gcHeadroom>>20)
	}
}
