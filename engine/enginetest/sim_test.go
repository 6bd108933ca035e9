package enginetest_test

import (
	"flag"
	"testing"

	"everloop/engine/enginetest"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only this seed of the simulator")
	seedsFlag = flag.Int("seeds", 0, "run so many seeds of the simulator")
)

func TestSimulation(t *testing.T) {
	for seed := uint64(1); seed <= uint64(max(200, *seedsFlag)); seed++ {
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		if f := enginetest.Run(t, enginetest.Config{Seed: seed}); f != nil {
			t.Fatalf("-seed=%d: %v", seed, f)
		}
		if *seedFlag != 0 {
			break
		}
	}
}
