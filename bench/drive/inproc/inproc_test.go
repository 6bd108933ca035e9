package inproc

import (
	"context"
	"testing"
	"time"

	"everloop/bench/drive"
	"everloop/engine"
)

// Every call is answered once, of both kinds of classes, piped and blocking, and what was written is there.
func TestCalls(t *testing.T) {
	for _, o := range []Options{{}, {Instances: true}, {Blocking: true}, {Instances: true, Blocking: true}} {
		e, err := engine.Open(engine.Options{Dir: t.TempDir(), Loops: 2})
		if err != nil {
			t.Fatal(err)
		}
		target, err := New(e, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := drive.Run(t.Context(), target, drive.Plan{
			Conns: 8, Depth: 4, Workers: 2, Count: 2000, Writes: 0.5, Keys: drive.Keys{Count: 20}, Sizes: drive.Sizes{Low: 9, High: 9},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Counts.OK != 2000 || r.Times.Writes.Count() < 800 || r.Times.Reads.Count() < 800 {
			t.Errorf("%+v: %d of 2000 are right, %d reads and %d writes: %v", o, r.Counts.OK, r.Times.Reads.Count(), r.Times.Writes.Count(), r.Failed)
		}
		for key := range uint64(20) {
			i := ids{ns: target.ns, known: map[uint64]engine.ID{}}
			id := i.of(key)
			if v, err := target.ns.Get(id).CallRaw(t.Context(), "get", nil); err != nil || len(v) != 9 {
				t.Errorf("%+v: object %d has %q, %v, want 9 bytes", o, key, v, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		// Calls of an engine that is closed fail, and are counted.
		if r, err = drive.Run(t.Context(), target, drive.Plan{Conns: 2, Count: 10}); err != nil || r.Counts.Failed != 10 {
			t.Errorf("%+v: %v: %+v, want ten failures", o, err, r.Counts)
		}
	}
}
