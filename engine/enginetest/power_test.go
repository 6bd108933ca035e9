package enginetest_test

import (
	"os"
	"testing"

	"everloop/engine/enginetest"
	"everloop/wal"
)

// ramDir is a directory in memory, where there is one: a model decides what is durable, so a real disk would only
// make these tests slow.
func ramDir(t testing.TB) (dir string, remove func()) {
	t.Helper()
	base := "/dev/shm"
	if st, err := os.Stat(base); err != nil || !st.IsDir() {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "everloop-engine-") //nolint:usetesting // removed before the test ends
	if err != nil {
		t.Fatal(err)
	}
	return dir, func() { os.RemoveAll(dir) }
}

func powerCut(t *testing.T, seed uint64, mode wal.SyncMode, counts *enginetest.Counts) *enginetest.Failure {
	dir, remove := ramDir(t)
	defer remove()
	return enginetest.Run(t, enginetest.Config{Seed: seed, Dir: dir, Sync: mode, Counts: counts})
}

// The same histories on the real log, on a disk that loses power.
func TestPowerCuts(t *testing.T) {
	var counts enginetest.Counts
	eachSeed(t, 300, func(seed uint64) *enginetest.Failure { return powerCut(t, seed, wal.SyncAlways, &counts) })
	t.Logf("%+v", counts)
}

// Without fsyncs, power cuts take what somebody was told of. If this test found nothing, the one above would not
// notice a forgotten fsync.
func TestPowerCutsFindMissingSyncs(t *testing.T) {
	for _, mode := range []wal.SyncMode{wal.SyncNone, wal.SyncInterval} {
		t.Run(mode.String(), func(t *testing.T) {
			for seed := uint64(1); seed <= 100; seed++ {
				f := powerCut(t, seed, mode, nil)
				switch {
				case f == nil:
				case f.Kind == enginetest.Lost:
					t.Logf("found with seed %d: %s", seed, f.Detail)
					return
				default:
					t.Fatalf("seed %d: something else is wrong: %v", seed, f)
				}
			}
			t.Error("100 seeds and nothing lost")
		})
	}
}
