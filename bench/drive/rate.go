package drive

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// MaxRate bounds a rate, in operations a second.
const MaxRate = 100_000_000

// Rate says how many operations become due a second. The zero Rate is a closed loop.
type Rate struct {
	// From and To are operations a second, at the beginning and at the end of what is measured. A warm-up before it is at From.
	From, To float64
	// Steps, if above 1, is the number of steps of equal length in which the rate goes from From to To, the first at From and the
	// last at To. Otherwise it changes evenly.
	Steps int
	// Random lets operations become due by chance, as those of many clients that know nothing of each other (a Poisson process).
	// Otherwise they are spread evenly.
	Random bool
}

// ParseRate reads a rate: "5000", "1000-20000" (evenly from one to the other), or "1000-20000/10" (in ten steps).
func ParseRate(s string) (r Rate, err error) {
	number := func(s string) float64 {
		n, nerr := strconv.ParseFloat(s, 64)
		if nerr != nil || !(n > 0 && n <= MaxRate) {
			err = fmt.Errorf("%q: want a number of operations a second up to %d, as 5000, 1000-20000 or 1000-20000/10", s, MaxRate)
		}
		return n
	}
	span, steps, stepped := strings.Cut(s, "/")
	from, to, ramp := strings.Cut(span, "-")
	r.From = number(from)
	r.To = r.From
	if ramp {
		r.To = number(to)
	}
	if stepped && err == nil {
		if r.Steps, err = strconv.Atoi(steps); err != nil || r.Steps < 2 || r.Steps > 1000 || !ramp {
			return r, fmt.Errorf("%q: want FROM-TO/STEPS, with 2 to 1000 steps", s)
		}
	}
	return r, err
}

// String is what ParseRate reads.
func (r Rate) String() string {
	f := func(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
	s := f(r.From)
	if r.To != r.From {
		s += "-" + f(r.To)
	}
	if r.Steps > 1 {
		s += "/" + strconv.Itoa(r.Steps)
	}
	return s
}

// open reports whether there is a rate.
func (r Rate) open() bool { return r.From > 0 }

// Validate reports what is wrong.
func (r Rate) Validate() error {
	switch {
	case r == (Rate{}) || r == Rate{Random: true}:
		return nil
	case !(r.From > 0 && r.From <= MaxRate && r.To > 0 && r.To <= MaxRate):
		return fmt.Errorf("drive: a rate from %v to %v: want numbers above 0 and up to %d", r.From, r.To, MaxRate)
	case r.Steps < 0 || r.Steps > 1000:
		return fmt.Errorf("drive: %d steps: want a number from 0 to 1000", r.Steps)
	}
	return nil
}

// schedule turns a Rate into instants.
type schedule struct {
	rate   Rate
	warm   float64 // seconds of warm-up
	length float64 // seconds that are measured
}

// at is when the operation with the (fractional) number x is due, in seconds from the beginning: where the integral of the rate
// is x. Computed from the number and not from the one before, so that nothing adds up.
func (s *schedule) at(x float64) float64 {
	r := s.rate
	if before := s.warm * r.From; x < before || r.From == r.To {
		return x / r.From
	} else if x -= before; r.Steps > 1 {
		each := s.length / float64(r.Steps)
		for i := range r.Steps {
			rate := r.From + (r.To-r.From)*float64(i)/float64(r.Steps-1)
			if n := rate * each; x > n && i < r.Steps-1 {
				x -= n
				continue
			}
			return s.warm + float64(i)*each + x/rate
		}
	}
	// From*t + slope*t*t/2 = x, by the form that loses no digits.
	slope := (r.To - r.From) / s.length
	root := r.From*r.From + 2*slope*x
	if root < 0 { // behind the end of a rate that falls to nothing
		return math.Inf(1)
	}
	return s.warm + 2*x/(r.From+math.Sqrt(root))
}

// arrivals are the instants at which the operations of one worker are due, in order.
type arrivals struct {
	schedule
	random  *rand.Rand
	workers float64
	x       float64
	ahead   time.Duration // of the next
}

func newArrivals(s schedule, random *rand.Rand, worker, workers int) *arrivals {
	a := &arrivals{schedule: s, random: random, workers: float64(workers), x: float64(worker)}
	if s.rate.Random {
		a.x = random.ExpFloat64() * a.workers
	}
	a.ahead = a.instant()
	return a
}

func (a *arrivals) instant() time.Duration {
	at := a.at(a.x) * 1e9
	if at > math.MaxInt64/2 {
		return math.MaxInt64 / 2
	}
	return time.Duration(at)
}

// pop returns the instant of the next, and goes on.
func (a *arrivals) pop() time.Duration {
	due := a.ahead
	if a.rate.Random {
		a.x += a.random.ExpFloat64() * a.workers
	} else {
		a.x += a.workers
	}
	a.ahead = a.instant()
	return due
}
