package drive

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MaxKeys bounds the number of keys of a distribution.
const MaxKeys = 1 << 40

// Keys says which of a number of keys, from 0 on, an operation takes.
type Keys struct {
	// Count is the number of keys, from 1 to MaxKeys. Default 1.
	Count uint64
	// Kind is the distribution. Default Uniform.
	Kind KeyKind
	// Theta is the exponent of a Zipf distribution, above 0 and up to 10: key k is taken in proportion to 1/(k+1)^Theta. YCSB's is 0.99.
	Theta float64
	// Share is how often the hot key 0 is taken, above 0 and up to 1. The others are then taken alike.
	Share float64
}

// KeyKind is the kind of a distribution.
type KeyKind int

// The kinds.
const (
	// Uniform takes all keys alike.
	Uniform KeyKind = iota
	// Zipf takes few keys often, key 0 most often.
	Zipf
	// Hot takes key 0 with the probability Share.
	Hot
	// Sequential takes one key after the other, and begins again behind the last. Workers share the keys out among themselves.
	Sequential
)

// ParseKeys reads a distribution: "uniform", "zipf" or "zipf:THETA", "hot" or "hot:SHARE", "sequential".
func ParseKeys(s string) (k Keys, err error) {
	name, parameter, given := strings.Cut(s, ":")
	number := func(otherwise float64) float64 {
		if !given {
			return otherwise
		}
		var n float64
		if n, err = strconv.ParseFloat(parameter, 64); err != nil {
			err = fmt.Errorf("%q: %q is no number", s, parameter)
		}
		return n
	}
	switch name {
	case "uniform", "sequential":
		if given {
			return k, fmt.Errorf("%q: %s has no parameter", s, name)
		}
		if name == "sequential" {
			k.Kind = Sequential
		}
	case "zipf":
		k.Kind, k.Theta = Zipf, number(0.99)
	case "hot":
		k.Kind, k.Share = Hot, number(1)
	default:
		return k, fmt.Errorf("%q is no distribution of keys: want uniform, zipf:THETA, hot:SHARE or sequential", s)
	}
	if err == nil {
		k.Count = 1
		err = k.Validate()
	}
	return k, err
}

// String is what ParseKeys reads.
func (k Keys) String() string {
	switch k.Kind {
	case Zipf:
		return "zipf:" + strconv.FormatFloat(k.Theta, 'g', -1, 64)
	case Hot:
		return "hot:" + strconv.FormatFloat(k.Share, 'g', -1, 64)
	case Sequential:
		return "sequential"
	default:
		return "uniform"
	}
}

// Validate reports what is wrong.
func (k Keys) Validate() error {
	switch {
	case k.Count < 1 || k.Count > MaxKeys:
		return fmt.Errorf("drive: %d keys: want a number from 1 to %d", k.Count, uint64(MaxKeys))
	case k.Kind == Zipf && !(k.Theta > 0 && k.Theta <= 10):
		return fmt.Errorf("drive: the exponent of the Zipf distribution is %v: want a number above 0 and up to 10", k.Theta)
	case k.Kind == Hot && !(k.Share > 0 && k.Share <= 1):
		return fmt.Errorf("drive: the share of the hot key is %v: want a number above 0 and up to 1", k.Share)
	case k.Kind < Uniform || k.Kind > Sequential:
		return fmt.Errorf("drive: %d is no distribution of keys", k.Kind)
	}
	return nil
}

// chooser chooses keys for one worker.
type chooser struct {
	Keys
	random      *rand.Rand
	next, every uint64 // of a sequence
	zipf        zipfian
}

func newChooser(k Keys, random *rand.Rand, worker, workers int) *chooser {
	c := &chooser{Keys: k, random: random, next: uint64(worker) % k.Count, every: uint64(workers)}
	if k.Kind == Zipf {
		c.zipf = newZipfian(k.Count, k.Theta)
	}
	return c
}

func (c *chooser) choose() uint64 {
	switch {
	case c.Kind == Sequential:
		k := c.next
		c.next = (c.next + c.every) % c.Count
		return k
	case c.Count == 1:
		return 0
	case c.Kind == Zipf:
		return c.zipf.choose(c.random)
	case c.Kind == Hot:
		if c.random.Float64() < c.Share {
			return 0
		}
		return 1 + c.random.Uint64N(c.Count-1)
	default:
		return c.random.Uint64N(c.Count)
	}
}

// zipfian samples by rejection from the integral of the hat function, inverted (Hörmann and Derflinger, "Rejection-inversion to
// generate variates from monotone discrete distributions", 1996): exact for every exponent, without a table of the keys.
type zipfian struct {
	n        float64
	theta    float64
	hx1, hn  float64
	shortcut float64
}

func newZipfian(n uint64, theta float64) zipfian {
	z := zipfian{n: float64(n), theta: theta}
	z.hx1 = z.integral(1.5) - 1
	z.hn = z.integral(z.n + 0.5)
	z.shortcut = 2 - z.inverse(z.integral(2.5)-math.Pow(2, -theta))
	return z
}

// integral is that of x^-theta, from 1: (x^(1-theta)-1)/(1-theta), and the logarithm where theta is 1.
func (z *zipfian) integral(x float64) float64 {
	l, e := math.Log(x), 1-z.theta
	if math.Abs(e*l) < 1e-8 {
		return l * (1 + e*l/2)
	}
	return math.Expm1(e*l) / e
}

func (z *zipfian) inverse(y float64) float64 {
	e := 1 - z.theta
	t := max(y*e, -1)
	if math.Abs(t) < 1e-8 {
		return math.Exp(y * (1 - t/2))
	}
	return math.Exp(math.Log1p(t) / e)
}

func (z *zipfian) choose(random *rand.Rand) uint64 {
	for {
		u := z.hn + random.Float64()*(z.hx1-z.hn)
		x := z.inverse(u)
		k := min(max(math.Floor(x+0.5), 1), z.n)
		if k-x <= z.shortcut || u >= z.integral(k+0.5)-math.Pow(k, -z.theta) {
			return uint64(k) - 1
		}
	}
}
