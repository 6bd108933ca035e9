package enginetest_test

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"everloop/engine/enginetest"
)

// Both may be given as environment variables, too: EVERLOOP_SIM_SEED and EVERLOOP_SIM_SEEDS.
var (
	seedFlag  = flag.Uint64("seed", number("EVERLOOP_SIM_SEED"), "run only this seed of the simulator")
	seedsFlag = flag.Uint64("seeds", number("EVERLOOP_SIM_SEEDS"), "run this many seeds of each simulation")
)

func number(variable string) uint64 {
	n, _ := strconv.ParseUint(os.Getenv(variable), 10, 64)
	return n
}

// eachSeed runs a simulation with n seeds, or as the flags say.
func eachSeed(t *testing.T, n uint64, run func(seed uint64) *enginetest.Failure) {
	t.Helper()
	if testing.Short() || raceEnabled {
		n = n/10 + 1
	}
	first, last := uint64(1), n
	switch {
	case *seedFlag != 0:
		first, last = *seedFlag, *seedFlag
	case *seedsFlag != 0:
		last = *seedsFlag
	}
	for seed := first; seed <= last; seed++ {
		if f := run(seed); f != nil {
			t.Fatalf("run again with -run '%s' -seed %d:\n%v", t.Name(), seed, f)
		}
	}
}

func TestSimulation(t *testing.T) {
	var counts enginetest.Counts
	eachSeed(t, 1000, func(seed uint64) *enginetest.Failure {
		return enginetest.Run(t, enginetest.Config{Seed: seed, Counts: &counts})
	})
	t.Logf("%+v", counts)
}

// The same with Direct objects only: nothing calls from inside, and all alarms, restores and snapshots are theirs.
func TestSimulationOfDirectObjects(t *testing.T) {
	var counts enginetest.Counts
	eachSeed(t, 500, func(seed uint64) *enginetest.Failure {
		return enginetest.Run(t, enginetest.Config{Seed: seed, Direct: true, Counts: &counts})
	})
	t.Logf("%+v", counts)
	if *seedFlag == 0 && min(counts.Direct, counts.ByName, counts.Piped, counts.Restored, counts.Snapshots) == 0 {
		t.Error("something of it has not happened")
	}
}

// One seed gives one history: the last event of two runs is the same, and so is all before it.
func TestHistoriesAreReplayable(t *testing.T) {
	dir, remove := ramDir(t)
	defer remove()
	for seed := range uint64(20) {
		var digests [2]string
		for i := range digests {
			c := enginetest.Config{Seed: seed, Digest: &digests[i]}
			if seed%4 == 0 {
				c.Steady = true
				c.Dir = dir + "/" + strconv.Itoa(int(seed)) + "-" + strconv.Itoa(i)
				if err := os.Mkdir(c.Dir, 0o750); err != nil {
					t.Fatal(err)
				}
			}
			if f := enginetest.Run(t, c); f != nil {
				t.Fatal(f)
			}
		}
		if digests[0] != digests[1] {
			t.Errorf("seed %d gave two histories", seed)
		}
	}
}
