package load

import (
	"bytes"
	"fmt"
	"strconv"
)

// Counters checks the answers of counters that were at zero: each path of a load is one counter, each request adds one
// to it and is answered with the new count. It belongs to the goroutine that runs the load.
type Counters struct{ each []counter }

type counter struct {
	answers int
	highest int
	seen    []uint64 // a bit for each count
}

// NewCounters makes the check for n paths.
func NewCounters(n int) *Counters { return &Counters{each: make([]counter, n)} }

// maxCount bounds the memory that a wrong answer can cost.
const maxCount = 1 << 30

// Check judges one answer: no count may be given twice.
func (c *Counters) Check(path int, body []byte) error {
	n, err := strconv.Atoi(string(bytes.TrimSpace(body)))
	if err != nil || n < 1 || n > maxCount {
		return fmt.Errorf("want a count above zero, not %q", clip(body))
	}
	k := &c.each[path]
	word, bit := n/64, uint64(1)<<(n%64)
	for word >= len(k.seen) {
		k.seen = append(k.seen, 0)
	}
	if k.seen[word]&bit != 0 {
		return fmt.Errorf("count %d was given twice: an increment is lost", n)
	}
	k.seen[word] |= bit
	k.answers++
	k.highest = max(k.highest, n)
	return nil
}

// Complete says whether the counts add up, once every request is answered: each counter has given each number from 1
// to the number of its answers exactly once.
func (c *Counters) Complete() error {
	for i := range c.each {
		if k := &c.each[i]; k.highest != k.answers {
			return fmt.Errorf("load: counter %d is at %d after %d requests", i, k.highest, k.answers)
		}
	}
	return nil
}

// Answers is the number of answers of all counters.
func (c *Counters) Answers() (n int) {
	for i := range c.each {
		n += c.each[i].answers
	}
	return n
}

// Always is a check for answers that are all the same.
func Always(want string) func(path int, body []byte) error {
	return func(_ int, body []byte) error {
		if string(body) != want {
			return fmt.Errorf("want %q, not %q", want, clip(body))
		}
		return nil
	}
}
