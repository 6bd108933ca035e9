package enginetest_test

import (
	"math/rand/v2"
	"testing"

	"everloop/engine/enginetest"
)

// FuzzSimulation has a fuzzer steer the simulator: every byte of its input is a choice.
func FuzzSimulation(f *testing.F) {
	for seed := range byte(6) {
		script := make([]byte, 400*(1+int(seed)))
		rand.NewChaCha8([32]byte{seed}).Read(script)
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 16<<10 {
			t.Skip("longer than a history")
		}
		if fail := enginetest.Run(t, enginetest.Config{Script: append([]byte{}, script...)}); fail != nil {
			t.Fatal(fail)
		}
	})
}
