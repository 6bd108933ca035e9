package enginetest

import "math/rand/v2"

// source is where a history takes its choices from: all of them, in one order, so that the same source gives the
// same history. Owned by the goroutine of its simulation.
type source interface {
	// pick returns a number from 0 to n-1. Number 0 is the plainest choice.
	pick(n int) int
	// dry reports that the source has nothing of its own to say any more: it is time to end the history.
	dry() bool
}

// seeded is a source for ever.
type seeded struct{ r *rand.Rand }

func newSeeded(seed uint64) *seeded { return &seeded{rand.New(rand.NewPCG(seed, 0x73696d))} }

func (s *seeded) pick(n int) int { return s.r.IntN(n) }
func (s *seeded) dry() bool      { return false }

// scripted takes a byte a choice, which is how a fuzzer steers: a byte that is changed changes one choice.
type scripted struct{ rest []byte }

func (s *scripted) pick(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % n
}

func (s *scripted) dry() bool { return len(s.rest) == 0 }
