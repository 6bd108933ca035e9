package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGCPercent(t *testing.T) {
	for _, x := range []struct {
		live uint64
		want int
	}{{0, 3200}, {1 << 20, 3200}, {4 << 20, 800}, {16 << 20, 200}, {32 << 20, 100}, {1 << 30, 100}} {
		if got := gcPercent(x.live); got != x.want {
			t.Errorf("%d bytes live: %d, want %d", x.live, got, x.want)
		}
	}
}

// The percentage follows the live heap, up and down.
func TestTuneGC(t *testing.T) {
	t.Setenv("GOGC", "")
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
	big := make([]byte, 64<<20)
	reaches("a large heap", func(p int) bool { return p == 100 })
	runtime.KeepAlive(big)
	reaches("a small heap again", func(p int) bool { return p > 150 })
}
