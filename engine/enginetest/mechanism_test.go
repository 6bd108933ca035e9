package enginetest_test

import (
	"testing"

	"everloop/engine/enginetest"
	"everloop/engine/internal/mechanism"
)

// Each mechanism is switched off once, and the simulator must find what it is there for. A simulator that does not
// would not notice, either, if the mechanism broke.
func TestSimulatorFindsWhatIsSwitchedOff(t *testing.T) {
	const within = 300 // seeds; it takes a handful
	for _, c := range []struct {
		name  string
		off   *bool
		wants enginetest.Kind
	}{
		{"turn queue", &mechanism.Off.TurnQueue, enginetest.Overlap},
		{"input gate", &mechanism.Off.InputGate, enginetest.Entered},
		{"output gate", &mechanism.Off.OutputGate, enginetest.Early},
		{"dependency", &mechanism.Off.Dependency, enginetest.Unheard},
		{"one record", &mechanism.Off.OneRecord, enginetest.Torn},
	} {
		t.Run(c.name, func(t *testing.T) {
			*c.off = true
			defer func() { *c.off = false }()
			others := map[enginetest.Kind]int{}
			for seed := uint64(1); seed <= within; seed++ {
				f := enginetest.Run(t, enginetest.Config{Seed: seed})
				if f == nil {
					continue
				}
				if f.Kind == c.wants {
					t.Logf("found with seed %d, after %v: %s", seed, others, f.Detail)
					return
				}
				if others[f.Kind]++; others[f.Kind] == 1 {
					t.Logf("seed %d: %s: %s", seed, f.Kind, f.Detail)
				}
			}
			t.Errorf("%d seeds, and %s was never found broken; found were %v", within, c.wants, others)
		})
	}
}
