package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"everloop/engine"
)

// caller is a goroutine that calls objects, and all that it has counted. It belongs to that goroutine.
type caller struct {
	ns       *engine.Namespace
	ids      []engine.ID
	method   string
	next     func() (object int, more bool)
	answered uint64
	sum      uint64 // of the counts that were answered
	latency  *hdrhistogram.Histogram
	err      error // the first
	asked    int
	start    time.Time // times in tags count from here
}

// timed is how many calls there are to one whose time is taken: reading the clock for each would be measured, too.
const timed = 61

func newCaller(ns *engine.Namespace, ids []engine.ID, method string, next func() (int, bool)) *caller {
	return &caller{
		ns: ns, ids: ids, method: method, next: next, latency: hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3), start: time.Now(),
	}
}

// piped keeps calls under way until there is no next object, and returns when all are answered.
func (c *caller) piped(depth int) error {
	p := c.ns.Pipe(depth, func(tag uint64, r engine.Reply) {
		c.check(int(uint32(tag)), r.Value, r.Err)
		if began := tag >> 32; began != 0 {
			c.took(began)
		}
	})
	for c.err == nil {
		object, more := c.next()
		if !more {
			break
		}
		// A tag has the object's number and, of some calls, when they began.
		tag := uint64(object)
		if c.asked%timed == 0 {
			tag |= c.now() << 32
		}
		c.asked++
		var args [16]byte
		binary.BigEndian.PutUint64(args[:], uint64(object))
		if err := p.Call(tag, &c.ids[object], c.method, args[:]); err != nil {
			return err
		}
	}
	if err := p.Wait(); err != nil {
		return err
	}
	return c.err
}

// blocking waits for each call before it makes the next.
func (c *caller) blocking() error {
	for c.err == nil {
		object, more := c.next()
		if !more {
			break
		}
		var args [16]byte
		binary.BigEndian.PutUint64(args[:], uint64(object))
		began := c.now()
		value, err := c.ns.Get(c.ids[object]).CallRaw(context.Background(), c.method, args[:])
		c.check(object, value, err)
		c.took(began)
	}
	return c.err
}

// now is in microseconds, of which the first is 1.
func (c *caller) now() uint64 { return uint64(time.Since(c.start)/time.Microsecond) + 1 }

// took notes how long a call took that began then.
func (c *caller) took(began uint64) {
	if err := c.latency.RecordValue(int64(c.now() - began)); err != nil && c.err == nil {
		c.err = err
	}
}

// check looks at an answer: it must be that of the object which was called.
func (c *caller) check(object int, value []byte, err error) {
	switch {
	case c.err != nil:
		return
	case err != nil:
		c.err = fmt.Errorf("%s of object %d: %w", c.method, object, err)
		return
	case len(value) != 16 || binary.BigEndian.Uint64(value) != uint64(object):
		c.err = fmt.Errorf("%s of object %d was answered %x", c.method, object, value)
		return
	}
	c.answered++
	c.sum += binary.BigEndian.Uint64(value[8:])
}
