package main

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"everloop/engine"
)

// caller is a goroutine that keeps calls under way. What is not said to be shared belongs to it.
type caller struct {
	ns       *engine.Namespace
	names    []string
	depth    int
	method   string
	next     func() (object int, more bool)
	answered uint64
	sum      uint64 // of the counts that were answered
	latency  *hdrhistogram.Histogram

	// Shared with the loops.
	mu    sync.Mutex
	ended []*call
	some  sync.Cond // there are some
}

// call is one that is under way, or was. It is used again for the next.
type call struct {
	of     *caller
	object int
	began  time.Time // zero: nobody looks at how long it takes
	args   [16]byte

	// Written by the loop.
	value [16]byte
	size  int
	err   error
}

// timed is how many calls there are to one whose time is taken.
const timed = 61

func newCaller(ns *engine.Namespace, names []string, depth int, method string, next func() (int, bool)) *caller {
	c := &caller{ns: ns, names: names, depth: depth, method: method, next: next, latency: hdrhistogram.New(1, int64(time.Hour/time.Nanosecond), 3)}
	c.some.L = &c.mu
	return c
}

// Reply takes the end of a call, on its loop.
func (k *call) Reply(r engine.Reply) {
	k.size, k.err = copy(k.value[:], r.Value), r.Err
	c := k.of
	c.mu.Lock()
	c.ended = append(c.ended, k)
	if len(c.ended) == 1 {
		c.some.Signal()
	}
	c.mu.Unlock()
}

// run calls until there is no next object, and returns when all calls have ended.
func (c *caller) run() (err error) {
	started, under := 0, 0
	start := func(k *call) bool {
		object, more := c.next()
		if !more {
			return false
		}
		k.object, k.began = object, time.Time{}
		if started%timed == 0 {
			k.began = time.Now()
		}
		started++
		under++
		binary.BigEndian.PutUint64(k.args[:], uint64(object))
		c.ns.GetByName(c.names[object]).StartCall(c.method, k.args[:], k)
		return true
	}
	calls := make([]call, c.depth)
	for i := range calls {
		calls[i].of = c
		if !start(&calls[i]) {
			break
		}
	}
	var ended []*call
	for under > 0 {
		c.mu.Lock()
		for len(c.ended) == 0 {
			c.some.Wait()
		}
		ended, c.ended = c.ended, ended[:0]
		c.mu.Unlock()
		for _, k := range ended {
			under--
			if e := c.check(k); e != nil && err == nil {
				err = e
			}
			if err == nil {
				start(k)
			}
		}
	}
	return err
}

// check looks at an answer: it must be that of the object which was called.
func (c *caller) check(k *call) error {
	if k.err != nil {
		return fmt.Errorf("%s of %s: %w", c.method, c.names[k.object], k.err)
	}
	if k.size != len(k.value) || binary.BigEndian.Uint64(k.value[:]) != uint64(k.object) {
		return fmt.Errorf("%s of %s was answered %x", c.method, c.names[k.object], k.value[:k.size])
	}
	c.answered++
	c.sum += binary.BigEndian.Uint64(k.value[8:])
	if !k.began.IsZero() {
		if err := c.latency.RecordValue(int64(time.Since(k.began))); err != nil {
			return err
		}
	}
	return nil
}
