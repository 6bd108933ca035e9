package enginetest_test

import (
	"maps"
	"slices"
	"testing"

	"everloop/engine/enginetest"
	"everloop/engine/internal/mechanism"
)

// Each mechanism is switched off once, and the simulator must find what it is there for. A simulator that does not
// would not notice, either, if the mechanism broke.
func TestSimulatorFindsWhatIsSwitchedOff(t *testing.T) {
	const within = 300 // seeds; it takes a handful
	for _, c := range []struct {
		name   string
		off    *bool
		direct bool // found with Direct objects only: they have neither an input gate nor anybody to hear from
		wants  enginetest.Kind
	}{
		{"turn queue", &mechanism.Off.TurnQueue, false, enginetest.Overlap},
		{"input gate", &mechanism.Off.InputGate, false, enginetest.Entered},
		{"output gate", &mechanism.Off.OutputGate, false, enginetest.Early},
		{"dependency", &mechanism.Off.Dependency, false, enginetest.Unheard},
		{"one record", &mechanism.Off.OneRecord, false, enginetest.Torn},
		{"output gate of Direct objects", &mechanism.Off.OutputGate, true, enginetest.Early},
		{"one record of Direct objects", &mechanism.Off.OneRecord, true, enginetest.Torn},
	} {
		t.Run(c.name, func(t *testing.T) {
			*c.off = true
			defer func() { *c.off = false }()
			others := map[enginetest.Kind]int{}
			for seed := uint64(1); seed <= within; seed++ {
				f := enginetest.Run(t, enginetest.Config{Seed: seed, Direct: c.direct})
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

// Each thing that a snapshot must have is left out once, and the simulator must find that what a start makes of it is wrong.
func TestSimulatorFindsSpoiltSnapshots(t *testing.T) {
	const within = 2000 // seeds; the rarest takes a few hundred
	configs := map[string]enginetest.Config{"the install rule": {BreakInstallRule: true}}
	for _, s := range []enginetest.Spoil{
		enginetest.SpoilAlarms, enginetest.SpoilRetries, enginetest.SpoilFailed, enginetest.SpoilRunning, enginetest.SpoilNames,
		enginetest.SpoilClasses, enginetest.SpoilTags, enginetest.SpoilSkipped,
		enginetest.SpoilStaged,
	} {
		configs[string(s)] = enginetest.Config{Spoil: s, Ill: s == enginetest.SpoilFailed}
	}
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= within; seed++ {
				c := configs[name]
				c.Seed = seed
				if f := enginetest.Run(t, c); f != nil {
					t.Logf("found with seed %d: %s: %s", seed, f.Kind, f.Detail)
					return
				}
			}
			t.Errorf("%d seeds, and nothing was found", within)
		})
	}
}

// A snapshot need not hold what came into being after its generation began, and may hold more than its tags say: the log behind it has all
// of that. So the order of slices, turns and writes does not matter beyond the rule of the barrier.
func TestSimulatorAcceptsWhatTheLogPutsRight(t *testing.T) {
	for _, s := range []enginetest.Spoil{enginetest.SpoilNew, enginetest.SpoilLater} {
		t.Run(string(s), func(t *testing.T) {
			var counts enginetest.Counts
			eachSeed(t, 300, func(seed uint64) *enginetest.Failure {
				return enginetest.Run(t, enginetest.Config{Seed: seed, Spoil: s, Counts: &counts})
			})
			t.Logf("%+v", counts)
			if counts.LeftOut == 0 && *seedFlag == 0 {
				t.Error("nothing was spoilt")
			}
		})
	}
}

// A start that applied records twice would restore an object to what was staged only later: this takes two restores of one object around a
// snapshot, so it is looked for in long runs only.
func TestSimulatorFindsRecordsAppliedTwice(t *testing.T) {
	if *seedsFlag == 0 {
		t.Skip("-seeds says how far to look: it takes some thousands")
	}
	for seed := uint64(1); seed <= *seedsFlag; seed++ {
		if f := enginetest.Run(t, enginetest.Config{Seed: seed, Spoil: enginetest.SpoilTwice}); f != nil {
			t.Logf("found with seed %d: %s: %s", seed, f.Kind, f.Detail)
			return
		}
	}
	t.Errorf("%d seeds, and nothing was found", *seedsFlag)
}
