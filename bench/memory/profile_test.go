package main

import (
	"runtime"
	"strings"
	"testing"
)

//go:noinline
func keep(n int) [][]byte {
	var all [][]byte
	for range n {
		all = append(all, make([]byte, 64<<10))
	}
	return all
}

// TestParts finds who has allocated 32 MB of 64, though each allocation is small.
func TestParts(t *testing.T) {
	was := runtime.MemProfileRate
	runtime.MemProfileRate = sampleEvery
	defer func() { runtime.MemProfileRate = was }()
	kept := keep(512)
	got := parts(64 << 20)
	runtime.KeepAlive(kept)
	shares := map[string]float64{}
	for _, p := range got {
		shares[p.Function] += p.Share
	}
	own := 0.0
	for function, share := range shares {
		if strings.HasSuffix(function, ".keep") {
			own += share
		}
		if strings.HasPrefix(function, "runtime.") {
			t.Errorf("%s is Go's own", function)
		}
	}
	if own < 45 || own > 55 {
		t.Errorf("keep has allocated %.1f %% of what there is, want 50: %+v", own, got)
	}
}
