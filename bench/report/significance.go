package report

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Seconds of a run are not independent: a slow disk is slow for a while. A test that takes them for independent, as Mann and Whitney's does, calls noise a difference. So whole stretches of
// seconds are drawn, again and again, as in Künsch's block bootstrap ("The jackknife and the bootstrap for general stationary observations", 1989), in the circular form of Politis and Romano (1992).

func mean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	return sum / float64(len(all))
}

// median sorts all.
func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	if n%2 == 1 {
		return all[n/2]
	}
	return (all[n/2-1] + all[n/2]) / 2
}

// mostSeconds bounds the work of interval: beyond, neighbouring seconds are averaged first.
const mostSeconds = 600

// interval returns what the ratio of b's middle to a's is between, with 95 % confidence, as far as their seconds tell. It is the same for the same seconds: the draws are not random from run to run.
// Neither may be empty.
func interval(a, b []float64, middle func([]float64) float64) (low, top float64) {
	a, b = grouped(a), grouped(b)
	rng := rand.New(rand.NewPCG(uint64(len(a)), uint64(len(b))))
	ratios := make([]float64, 0, resamples)
	left, right := make([]float64, len(a)), make([]float64, len(b))
	for range resamples {
		stretches(rng, left, a)
		stretches(rng, right, b)
		if r := quotient(middle(left), middle(right)); !math.IsNaN(r) {
			ratios = append(ratios, r)
		}
	}
	if len(ratios) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(ratios)
	at := func(q float64) float64 { return ratios[int(q*float64(len(ratios)-1)+0.5)] }
	low, top = at((1-confidence)/2), at((1+confidence)/2)
	// Few seconds make the resampled spread too small: a mean of n draws from n values misses the divisor n-1, and a stretch takes more away. Widening by Student's factor makes up for it.
	n := min(len(a), len(b))
	widen := math.Sqrt(float64(n)/float64(n-length(n))) * student(n/length(n)) / 1.96
	centre := math.Sqrt(low * top)
	return centre * math.Pow(low/centre, widen), centre * math.Pow(top/centre, widen)
}

// student is the 97.5 % point of Student's t for n independent values, by the first terms of its expansion (Abramowitz and Stegun, 26.7.5).
func student(n int) float64 {
	const z = 1.96
	f := float64(max(n-1, 2))
	return z + (z*z*z+z)/(4*f) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*f*f)
}

// length is how long a stretch is of n seconds.
func length(n int) int { return max(1, int(math.Round(math.Cbrt(float64(n))))) }

// stretches fills to with stretches of from, which goes round in a circle.
func stretches(rng *rand.Rand, to, from []float64) {
	size := length(len(from))
	for i := 0; i < len(to); {
		at := rng.IntN(len(from))
		for range min(size, len(to)-i) {
			to[i] = from[at%len(from)]
			i++
			at++
		}
	}
}

func grouped(all []float64) []float64 {
	if len(all) <= mostSeconds {
		return slices.Clone(all)
	}
	var out []float64
	for part := range slices.Chunk(all, (len(all)+mostSeconds-1)/mostSeconds) {
		out = append(out, mean(part))
	}
	return out
}
