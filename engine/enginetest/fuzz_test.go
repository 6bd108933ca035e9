package enginetest_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"everloop/engine/enginetest"
)

// TestMain bounds how long a fuzzer makes an input that it finds interesting smaller. By default that is a minute for
// each, and here almost every input is interesting: it would do nothing else.
func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.fuzzminimizetime" })
	if !set {
		if err := flag.Set("test.fuzzminimizetime", "20x"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

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
