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

// With one log for all loops what survives is causally closed. Two logs are the way in which it would not be.
func TestSimulatorFindsEffectsWithoutCauses(t *testing.T) {
	for seed := uint64(1); seed <= 300; seed++ {
		f := enginetest.Run(t, enginetest.Config{Seed: seed, Lives: 2, TwoLogs: true})
		switch {
		case f == nil:
		case f.Kind == enginetest.Orphan:
			t.Logf("found with seed %d: %s", seed, f.Detail)
			return
		default:
			t.Fatalf("seed %d: something else is wrong: %v", seed, f)
		}
	}
	t.Error("300 seeds, and no effect without its cause was found")
}
