package tune

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestIdleTrimmerDue(t *testing.T) {
	const mb = 1 << 20
	for _, x := range []struct {
		name                            string
		recently, live, objects, unused uint64
		want                            bool
	}{
		{"busy", 2 * mb, 10 * mb, 30 * mb, 0, false},
		{"quiet, and much was left", mb / 2, 10 * mb, 30 * mb, 0, true},
		{"quiet, and much is free", 0, 10 * mb, 10 * mb, 20 * mb, true},
		{"next to nothing was left", 0, mb, 4 * mb, 0, false},
		{"little for so large a heap", 0, 400 * mb, 480 * mb, 10 * mb, false},
		{"enough for it", 0, 400 * mb, 480 * mb, 30 * mb, true},
		{"less than was live", 0, 10 * mb, 8 * mb, 0, false},
	} {
		tr := &idleTrimmer{allocated: 500 * mb}
		if got := tr.due(500*mb+x.recently, x.live, x.objects, x.unused); got != x.want {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}

// What a burst has left is not resident any more after the second look, and a third one has nothing to do.
func TestIdleTrimmer(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nobody else collects
	trimmed := 0
	tr := newIdleTrimmer(func() { trimmed++; debug.FreeOSMemory() })
	tr.look(trimEvery)
	resident := func() int64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64() + s[1].Value.Uint64())
	}
	trimmed = 0
	burst := make([][]byte, 64)
	for i := range burst {
		burst[i] = make([]byte, 1<<20)
	}
	runtime.KeepAlive(burst)
	most := resident()
	tr.look(trimEvery) // it was busy
	if trimmed != 0 {
		t.Fatal("a busy heap was collected")
	}
	tr.look(trimEvery)
	if gone := most - resident(); trimmed != 1 || gone < 60<<20 {
		t.Errorf("collected %d times, %d MB less are resident, want 64", trimmed, gone>>20)
	}
	tr.look(trimEvery)
	if trimmed != 1 {
		t.Error("a heap without garbage was collected")
	}
}

// A process that does nothing is looked at ever more rarely, and often again once it does something.
func TestIdleTrimmerRests(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	tr := newIdleTrimmer(debug.FreeOSMemory)
	tr.look(trimEvery)
	tr.look(trimEvery) // gives back what other tests have left
	wait := trimEvery
	for _, seconds := range []int{2, 4, 8, 16, 32, 64, 64} {
		want := time.Duration(seconds) * time.Second
		if wait = tr.look(wait); wait != want {
			t.Fatalf("the next look is in %v, want %v", wait, want)
		}
	}
	sink = make([]byte, 2*trimNothing)
	if wait = tr.look(wait); wait != trimEvery {
		t.Errorf("after some work the next look is in %v, want %v", wait, trimEvery)
	}
}

var sink []byte

// The environment wins over Process.
func TestProcessLeavesTheEnvironmentsChoice(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	t.Setenv("GOGC", "100") // or it would tune the rest of the tests
	t.Setenv("GOMAXPROCS", "1")
	Process(5)
	if n := runtime.GOMAXPROCS(0); n != was {
		t.Errorf("GOMAXPROCS is %d, was %d", n, was)
	}
	t.Setenv("GOMAXPROCS", "")
	Process(5)
	if n := runtime.GOMAXPROCS(0); n != 7 {
		t.Errorf("GOMAXPROCS is %d with 5 loops, want 7", n)
	}
}
