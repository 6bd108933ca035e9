// The program memory measures what a million small objects cost in memory: it embeds the engine, registers a Go class,
// and writes one 16-byte value into each object, or recovers what an earlier run has written. It is a program of its own
// so that what is measured is the engine's, with nothing of the benchmark around it.
//
//	memory write DIR N      into an empty directory
//	memory profile DIR N    the same, and tells who has allocated what there is right after the last write
//	memory recover DIR N    opens it again, and checks the values
//	memory alarms DIR N     opens it again, and sets an alarm for each object, far in the future
//
// It prints one line of JSON, a Report.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"everloop/bench/proc"
	"everloop/engine"
	"everloop/engine/tune"
)

// Report is what one run found. Times are in seconds, memory in bytes.
type Report struct {
	Objects int
	// Seconds is the time of all writes, or of recovery.
	Seconds float64
	// Before is resident memory with the engine open and no object (write), before Open (recover), or before the first alarm
	// (alarms).
	Before int64
	// HeapBefore is, for alarms, what of the Go heap is reachable before the first of them.
	HeapBefore int64
	// Written is resident memory right after the last write (write), or with the last object recovered (recover).
	Written int64
	// After is resident memory at the end, with no instance live and the process quiet, as the operating system sees it.
	After int64
	// Peak is the most resident memory there ever was.
	Peak int64
	// Heap is what of the Go heap is reachable at the end.
	Heap int64
	// Parts are what Written consists of (profile).
	Parts []Part `json:",omitempty"`
	// Trimmed is resident memory once the Go runtime has given back what it keeps for later.
	Trimmed int64
}

func main() {
	r, err := run(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(args []string) (*Report, error) {
	if len(args) != 3 {
		return nil, errors.New("usage: memory write|profile|recover|alarms DIR N")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("N is %q: want a number of objects above zero", args[2])
	}
	switch args[0] {
	case "write":
		return write(args[1], n, false)
	case "profile":
		runtime.MemProfileRate = sampleEvery
		return write(args[1], n, true)
	case "recover":
		return recovered(args[1], n)
	case "alarms":
		return alarms(args[1], n)
	}
	return nil, fmt.Errorf("%q is neither write, profile, recover nor alarms", args[0])
}

// cell is one object: it keeps the bytes that it is given. Calls are raw, without reflection, so that a million of them
// take seconds.
type cell struct{ storage *engine.Storage }

// CallRaw puts args, or returns what was put, or sets the alarm.
func (c *cell) CallRaw(_ context.Context, method string, args []byte) ([]byte, error) {
	switch method {
	case "put":
		return nil, c.storage.PutRaw("value", args, engine.WriteOptions{})
	case "get":
		got, _, err := c.storage.GetRaw("value")
		return append([]byte(nil), got...), err
	case "alarm":
		// Over a year, so that they lie all over the wheel.
		return nil, c.storage.SetAlarm(farAway.Add(time.Duration(binary.BigEndian.Uint64(args[9:])%(365*24*3600)) * time.Second))
	}
	return nil, engine.ErrNoMethod
}

// farAway is when the first alarms are due.
var farAway = time.Now().Add(24 * time.Hour)

// Alarm would end the measurement: nothing is due while it lasts.
func (c *cell) Alarm(context.Context, engine.AlarmInfo) error {
	panic("an alarm has rung a day too early")
}

func open(dir string) (*engine.Engine, *engine.Namespace, error) {
	loops := runtime.GOMAXPROCS(0)
	tune.Process(loops)
	// Instances go soon after their one call, so that what is measured is what idle objects cost.
	e, err := engine.Open(engine.Options{Dir: dir, Loops: loops, IdleTimeout: 500 * time.Millisecond})
	if err != nil {
		return nil, nil, err
	}
	ns, err := e.Register("Cell", engine.ClassOf(func(st *engine.State) (*cell, error) { return &cell{st.Storage()}, nil }))
	if err != nil {
		return nil, nil, errors.Join(err, e.Close(context.Background()))
	}
	return e, ns, nil
}

// value is the value of object i: 16 bytes, behind the byte that says so in CBOR.
func value(i int) []byte {
	b := make([]byte, 17)
	b[0] = 0x50
	binary.BigEndian.PutUint64(b[1:], uint64(i))
	binary.BigEndian.PutUint64(b[9:], uint64(i)*0x9e3779b97f4a7c15)
	return b
}

func name(i int) string { return fmt.Sprintf("object-%07d", i) }

// inFlight is the number of calls under way at once.
const inFlight = 1024

// caller keeps calls under way until each object has had its own. Reply is called on the engine's loops.
type caller struct {
	ns     *engine.Namespace
	n      int
	method string
	args   func(i int) []byte
	done   sync.WaitGroup

	mu   sync.Mutex
	next int
	err  error
}

// Reply takes the end of one call and starts another.
func (c *caller) Reply(r engine.Reply) {
	c.mu.Lock()
	if r.Err != nil && c.err == nil {
		c.err = r.Err
	}
	i := c.next
	c.next++
	stop := i >= c.n || c.err != nil
	c.mu.Unlock()
	if stop {
		c.done.Done()
		return
	}
	c.ns.GetByName(name(i)).StartCall(c.method, c.args(i), c)
}

// call calls a method of each object, and returns when all calls have ended.
func call(ns *engine.Namespace, n int, method string, args func(i int) []byte) error {
	c := &caller{ns: ns, n: n, method: method, args: args}
	c.done.Add(inFlight)
	for range inFlight {
		c.Reply(engine.Reply{})
	}
	c.done.Wait()
	return c.err
}

func write(dir string, n int, profile bool) (*Report, error) {
	e, ns, err := open(dir)
	if err != nil {
		return nil, err
	}
	if found := e.Recovered().Objects; found > 0 {
		return nil, errors.Join(fmt.Errorf("%s has %d objects already: want an empty directory", dir, found), e.Close(context.Background()))
	}
	r := &Report{Objects: n}
	if r.Before, err = resident(); err != nil {
		return nil, err
	}
	began := time.Now()
	if err := call(ns, n, "put", value); err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	r.Seconds = time.Since(began).Seconds()
	if r.Written, err = resident(); err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	if profile {
		r.Parts = parts(r.Written)
	}
	return r, errors.Join(r.finish(e), e.Close(context.Background()))
}

func recovered(dir string, n int) (r *Report, err error) {
	r = &Report{Objects: n}
	if r.Before, err = resident(); err != nil {
		return nil, err
	}
	began := time.Now()
	e, ns, err := open(dir)
	if err != nil {
		return nil, err
	}
	r.Seconds = time.Since(began).Seconds()
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	if found := e.Recovered().Objects; found != n {
		return nil, fmt.Errorf("%d objects were recovered, want %d", found, n)
	}
	if r.Written, err = resident(); err != nil {
		return nil, err
	}
	// The memory first: a check of a sample must not change what it checks.
	if err := r.finish(e); err != nil {
		return nil, err
	}
	for i := 0; i < n; i += max(1, n/1000) {
		got, err := ns.GetByName(name(i)).CallRaw(context.Background(), "get", nil)
		if err != nil || !bytes.Equal(got, value(i)) {
			return nil, errors.Join(err, fmt.Errorf("%s has %x after recovery, want %x", name(i), got, value(i)))
		}
	}
	return r, nil
}

func alarms(dir string, n int) (r *Report, err error) {
	e, ns, err := open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	if found := e.Recovered().Objects; found != n {
		return nil, fmt.Errorf("%s has %d objects, want %d", dir, found, n)
	}
	// Each object is woken once before, so that what waking leaves behind counts for none of the two figures.
	if err := call(ns, n, "get", func(int) []byte { return nil }); err != nil {
		return nil, err
	}
	before := &Report{}
	if err := before.finish(e); err != nil {
		return nil, err
	}
	r = &Report{Objects: n, Before: before.Trimmed, HeapBefore: before.Heap}
	began := time.Now()
	if err := call(ns, n, "alarm", value); err != nil {
		return nil, err
	}
	r.Seconds = time.Since(began).Seconds()
	if err := r.finish(e); err != nil {
		return nil, err
	}
	return r, nil
}

// settles is how long a process may take, from its last work on, until it has given back what that has left behind: see tune.Process.
const settles = 5 * time.Second

// finish waits until no instance is live and the process has been quiet for a while, and reads the memory.
func (r *Report) finish(e *engine.Engine) (err error) {
	for deadline := time.Now().Add(time.Minute); e.Metrics().Live > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d instances are still live after a minute without a call", e.Metrics().Live)
		}
	}
	time.Sleep(settles)
	m, err := proc.MemoryOf("self")
	if err != nil {
		return err
	}
	r.After, r.Peak = m.Resident, m.Peak
	debug.FreeOSMemory()
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	r.Heap = int64(heap.HeapAlloc)
	r.Trimmed, err = resident()
	return err
}

func resident() (int64, error) {
	m, err := proc.MemoryOf("self")
	return m.Resident, err
}
