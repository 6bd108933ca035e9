package tune

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// gcHeadroom is how much may be allocated, at least, between two collections. A process with few objects has a live heap
// of some megabytes: at Go's default, which lets it double, it would collect dozens of times a second under load, and
// spend a tenth of its time on that.
const gcHeadroom = 32 << 20

// A live heap of a medium size may grow gcGrowth times its own size, up to gcMostHeadroom: under the same load it is collected as
// rarely as a small one, and each collection takes longer. Above that size of the live heap the default holds: a million objects cost
// no more memory than they did.
const (
	gcGrowth       = 3
	gcMostHeadroom = 96 << 20
)

// gcSmallHeap is the size up to which a live heap counts as that much. Go takes the percentage of 4 MB as the smallest heap at
// which it collects: a percentage for less than that would let the smallest daemon grow the largest.
const gcSmallHeap = 4 << 20

// gcTuner sets Go's GC percentage after each collection, so that the next one comes when the heap has grown by what gcPercent
// says. (A fixed larger percentage would multiply the memory of a large
// heap; GOGC=off with a memory limit would collect without end once the live heap is larger than the limit.) It runs on
// the goroutine of the finalizers.
type gcTuner struct {
	percent int
	// What the percentage is taken of: the live heap, and the stacks and globals that are scanned with it.
	base [3]metrics.Sample
}

// tuneGC starts it for the rest of the process.
func tuneGC() {
	t := &gcTuner{percent: 100}
	for i, name := range []string{"/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes"} {
		t.base[i].Name = name
	}
	runtime.SetFinalizer(t, (*gcTuner).collected)
}

// collected is called once after each collection.
func (t *gcTuner) collected() {
	metrics.Read(t.base[:])
	var base uint64
	for i := range t.base {
		base += t.base[i].Value.Uint64()
	}
	// Setting it stops the world for a moment: small differences are left alone.
	if p := gcPercent(base); p > t.percent+t.percent/8 || p < t.percent-t.percent/8 {
		t.percent = p
		debug.SetGCPercent(p)
	}
	runtime.SetFinalizer(t, (*gcTuner).collected)
}

// gcPercent is the percentage for what is live and scanned, in bytes.
func gcPercent(base uint64) int {
	base = max(base, gcSmallHeap)
	return int(max(100, max(gcHeadroom, min(gcGrowth*base, gcMostHeadroom))*100/base))
}
