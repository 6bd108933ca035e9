package drive

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MaxValue bounds the length of a value.
const MaxValue = 16 << 20

// Sizes says how long values are, in bytes: from Low to High alike, or one of List.
type Sizes struct {
	Low, High int
	List      []int
}

// ParseSizes reads sizes: "64", "16-1024" (each length alike), or "16,64,1024" (each of them alike; one that is named twice
// counts twice).
func ParseSizes(s string) (z Sizes, err error) {
	number := func(s string) int {
		n, nerr := strconv.Atoi(strings.TrimSpace(s))
		if nerr != nil || n < 0 || n > MaxValue {
			err = fmt.Errorf("%q: want a length from 0 to %d, as 64, 16-1024 or 16,64,1024", s, MaxValue)
		}
		return n
	}
	if low, high, ok := strings.Cut(s, "-"); ok {
		z.Low, z.High = number(low), number(high)
		if err == nil && z.Low > z.High {
			err = fmt.Errorf("%q: the first length is above the second", s)
		}
		return z, err
	}
	if strings.Contains(s, ",") {
		for each := range strings.SplitSeq(s, ",") {
			z.List = append(z.List, number(each))
		}
		return z, err
	}
	z.Low = number(s)
	z.High = z.Low
	return z, err
}

// String is what ParseSizes reads.
func (z Sizes) String() string {
	switch {
	case len(z.List) > 0:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(z.List), " ", ","), "[]")
	case z.Low == z.High:
		return strconv.Itoa(z.Low)
	default:
		return fmt.Sprintf("%d-%d", z.Low, z.High)
	}
}

func (z Sizes) longest() int {
	n := z.High
	for _, each := range z.List {
		n = max(n, each)
	}
	return n
}

// values cuts values out of one random text, which they alias: letters and digits, so that they may stand in a URL, a JSON
// string and a command.
type values struct {
	sizes  Sizes
	random *rand.Rand
	text   []byte
}

// spread is by how many bytes values of the same length begin apart.
const spread = 4096

func newValues(z Sizes, random *rand.Rand) *values {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	v := &values{sizes: z, random: random, text: make([]byte, z.longest()+spread)}
	for i := range v.text {
		v.text[i] = letters[random.IntN(len(letters))]
	}
	return v
}

func (v *values) next() []byte {
	n := v.sizes.Low
	switch z := v.sizes; {
	case len(z.List) > 0:
		n = z.List[v.random.IntN(len(z.List))]
	case z.High > z.Low:
		n += v.random.IntN(z.High - z.Low + 1)
	}
	if n == 0 {
		return nil
	}
	return v.text[v.random.IntN(spread):][:n]
}
