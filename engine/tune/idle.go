package tune

import (
	"runtime/metrics"
	"time"
)

// A process whose objects hibernate has little to do, so Go does not collect: what the busy time has left, which may be as much as
// everything that is live, stays resident until the next burst. idleTrimmer gives it back to the system when the process has become
// quiet.

const (
	// trimEvery is how often it is looked whether there is something to give back: in a process that does next to nothing half as often each
	// time, down to trimRarely, so that an idle one hardly ever wakes up for it.
	trimEvery, trimRarely = time.Second, 64 * time.Second
	// trimNothing is how much is allocated between two looks at most by a process that does next to nothing.
	trimNothing = 256 << 10
	// trimQuiet is how much is allocated in that time at most by a process that counts as quiet: a few hundred requests.
	trimQuiet = 1 << 20
	// trimWorth is what must have come together, beside a quarter of what is live: so a collection, whose work is that of what is
	// live, costs a quiet process a few milliseconds in several seconds at most.
	trimWorth = 4 << 20
)

// idleTrimmer looks at the heap from time to time. One goroutine uses it.
type idleTrimmer struct {
	heap      [4]metrics.Sample // in the order of heapNames
	allocated uint64            // since the start, at the last look
	trim      func()
}

var heapNames = [...]string{
	"/gc/heap/allocs:bytes", "/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/free:bytes",
}

func newIdleTrimmer(trim func()) *idleTrimmer {
	t := &idleTrimmer{trim: trim}
	for i, name := range heapNames {
		t.heap[i].Name = name
	}
	return t
}

// run looks for the rest of the process.
func (t *idleTrimmer) run() {
	for wait := trimEvery; ; {
		time.Sleep(wait) // nobody waits for it
		wait = t.look(wait)
	}
}

// look is called when wait has passed since the last time, and returns how long to wait for the next.
func (t *idleTrimmer) look(wait time.Duration) time.Duration {
	metrics.Read(t.heap[:])
	value := func(i int) uint64 { return t.heap[i].Value.Uint64() }
	idle := value(0)-t.allocated < trimNothing
	if t.due(value(0), value(1), value(2), value(3)) {
		t.trim()
		return trimEvery // it has something to do, and may have given back too little
	}
	if !idle {
		return trimEvery
	}
	return min(2*wait, trimRarely)
}

// due reports whether the process is quiet and a collection would give enough back: allocated is what was ever allocated, live what the
// last collection has found, objects what there is now, and free what is resident without being used.
func (t *idleTrimmer) due(allocated, live, objects, free uint64) bool {
	quiet := allocated-t.allocated < trimQuiet
	t.allocated = allocated
	return quiet && objects-min(live, objects)+free > max(trimWorth, live/4)
}
