// The program embed measures how fast the objects of a Go program are called from its own goroutines, without a network.
//
//	embed memory DIR N TIME      2 goroutines read the values of random ones of N objects, 1,024 calls under way in each
//	embed durable DIR N TIME     they add to the counts that these objects keep, each durable before it is answered
//	embed blocking DIR N TIME    the same, and each goroutine waits for each of its calls
//
// There is one loop: it leaves a processor to the callers, and all writes of a round share an fsync. On two processors, two loops write less.
// The objects are there before the time begins. Every answer is checked, and at the end every count. It prints one line of JSON, a Report.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"everloop/engine"
	"everloop/engine/tune"
	"everloop/loop"
	"everloop/wal"
)

const (
	callers  = 2
	inFlight = 1024
)

// Report is what a run measured.
type Report struct {
	Calls, Syncs   uint64
	Seconds, CPU   float64 // CPU: of the process, user and kernel
	P50, P99       float64 // of one call in 61, in microseconds
	Bytes, Mallocs float64 // allocated, a call
}

func main() {
	r, err := run(os.Args[1:])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

func run(args []string) (r *Report, err error) {
	if len(args) != 4 {
		return nil, errors.New("usage: embed memory|durable|blocking DIR N TIME")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil || n < 1 {
		return nil, fmt.Errorf("N is %q: want a number of objects above zero", args[2])
	}
	elapsed, err := time.ParseDuration(args[3])
	if err != nil || elapsed <= 0 {
		return nil, fmt.Errorf("TIME is %q: want a time above zero, such as 4s", args[3])
	}
	depth, method := inFlight, "add"
	switch args[0] {
	case "memory":
		method = "get"
	case "durable":
	case "blocking":
		depth = 1
	default:
		return nil, fmt.Errorf("%q is neither memory, durable nor blocking", args[0])
	}
	tune.Process(1)
	pool, err := loop.New(loop.Options{Loops: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pool.Close(context.Background())) }()
	e, err := engine.Open(engine.Options{Dir: args[1], Pool: pool})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	if found := e.Recovered().Objects; found > 0 {
		return nil, fmt.Errorf("%s has %d objects already: want an empty directory", args[1], found)
	}
	ns, err := e.Register("Count", engine.DirectOf(count))
	if err != nil {
		return nil, err
	}
	return measure(e, ns, n, depth, method, elapsed)
}

// count is an object: it keeps 16 bytes, a number that it was given and what was added to it.
func count(c *engine.Call) error {
	was, ok, err := c.Storage.GetRaw("value")
	if err != nil {
		return err
	}
	switch {
	case c.Method == "get" && ok:
		c.Result = append(c.Result, was...)
		return nil
	case c.Method != "add":
		return engine.ErrNoMethod
	case !ok:
		c.Result = append(c.Result, c.Args...) // what the object is given first
	default:
		c.Result = append(c.Result, was...)
		binary.BigEndian.PutUint64(c.Result[8:], binary.BigEndian.Uint64(was[8:])+1)
	}
	return c.Storage.PutRaw("value", c.Result, engine.WriteOptions{})
}

// measure makes the objects, calls them for the time, and adds up.
func measure(e *engine.Engine, ns *engine.Namespace, n, depth int, method string, elapsed time.Duration) (*Report, error) {
	// The program keeps the IDs of its objects, as making one of a name costs more than the call.
	ids := make([]engine.ID, n)
	for i := range ids {
		ids[i] = ns.IDFromName(fmt.Sprintf("object-%07d", i))
	}
	// each runs callers at once. next tells the one of that number whom to call next, until it has none.
	each := func(depth int, method string, next func(c int) func() (int, bool)) ([]*caller, error) {
		var wg sync.WaitGroup
		var all []*caller
		errs := make([]error, callers)
		for i := range callers {
			c := newCaller(ns, ids, method, next(i))
			all = append(all, c)
			wg.Go(func() {
				if depth > 1 {
					errs[i] = c.piped(depth)
				} else {
					errs[i] = c.blocking()
				}
			})
		}
		wg.Wait()
		return all, errors.Join(errs...)
	}
	// Each caller makes its half of the objects, and later looks at it.
	inOrder := func(c int) func() (int, bool) {
		i := c - callers
		return func() (int, bool) {
			i += callers
			return i, i < n
		}
	}
	if _, err := each(inFlight, "add", inOrder); err != nil {
		return nil, fmt.Errorf("making the objects: %w", err)
	}

	// That of the objects just made would be made meanwhile.
	if _, err := e.Snapshot(context.Background()); err != nil {
		return nil, err
	}
	log, hasLog := e.Log().(*wal.Log)
	if !hasLog {
		return nil, errors.New("the engine has no log on a disk")
	}
	// Whoever takes a profile waits for these words.
	fmt.Fprintln(os.Stderr, "measuring")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	syncs, cpu, began := log.Stats().Syncs, processTime(), time.Now()
	deadline := began.Add(elapsed)
	all, err := each(depth, method, func(c int) func() (int, bool) {
		random := rand.New(rand.NewPCG(uint64(c), uint64(n)))
		calls, more := 0, true
		return func() (int, bool) {
			// The clock is not asked for each call.
			if calls++; more && (depth == 1 || calls%64 == 0) {
				more = time.Now().Before(deadline)
			}
			return random.IntN(n), more
		}
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "measured")
	r := &Report{Seconds: time.Since(began).Seconds(), CPU: (processTime() - cpu).Seconds(), Syncs: log.Stats().Syncs - syncs}
	runtime.ReadMemStats(&after)
	latency := hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 3)
	for _, c := range all {
		r.Calls += c.answered
		latency.Merge(c.latency)
	}
	r.P50, r.P99 = float64(latency.ValueAtQuantile(50)), float64(latency.ValueAtQuantile(99))
	r.Bytes, r.Mallocs = float64(after.TotalAlloc-before.TotalAlloc)/float64(r.Calls), float64(after.Mallocs-before.Mallocs)/float64(r.Calls)

	counted, err := each(inFlight, "get", inOrder)
	if err != nil {
		return nil, fmt.Errorf("counting: %w", err)
	}
	var sum, want uint64
	for _, c := range counted {
		sum += c.sum
	}
	if method == "add" {
		want = r.Calls
	}
	if sum != want {
		return nil, fmt.Errorf("%d calls were answered, and the objects count %d", want, sum)
	}
	return r, nil
}

// processTime is what the process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
