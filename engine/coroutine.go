package engine

import (
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
)

// Go handlers are straight-line code, so each runs in a coroutine: when it has to wait, it yields to the
// loop, and is resumed by a later turn. Coroutines are made with iter.Pull on their loop and used again; a
// switch there and back costs about 60 ns, where handing over between goroutines costs six times that and a
// trip through the scheduler.

// maxIdleCoroutines bounds the finished coroutines that a loop keeps for later.
const maxIdleCoroutines = 1024

// coroutines is one loop's pool. Owned by its loop.
type coroutines struct {
	idle    []*coroutine
	parked  []*coroutine // in a wait; a coroutine knows its place
	current *coroutine   // the one that runs, if any
}

// coroutine runs one handler after another. Owned by its loop.
type coroutine struct {
	own    *owner
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	job    job
	caller *origin // on whose behalf the job runs
	done   bool    // the job has ended
	place  int     // in the list of parked coroutines
	lost   bool    // the coroutine cannot be used again

	// A wait ends once: ticket goes up when it begins and when it ends, and whoever wants to end it shows
	// the ticket of the wait that he means.
	ticket uint64
	reply  Reply
	spare  *onceWaiter // one that was told
}

// job is what a coroutine runs. fail is called instead of the rest of run when run panics or exits; inside the
// same turn.
type job interface {
	run()
	fail(f failure)
}

// failure is how a job ended that did not return.
type failure struct {
	value  any // what it panicked with
	goexit bool
	stack  string
}

// spawn runs j in a coroutine, up to its first wait or its end. It is called in a turn, on the base stack.
func (o *owner) spawn(caller *origin, j job) {
	var c *coroutine
	if n := len(o.coros.idle); n > 0 {
		c = o.coros.idle[n-1]
		o.coros.idle[n-1] = nil
		o.coros.idle = o.coros.idle[:n-1]
	} else {
		c = &coroutine{own: o}
		c.next, c.stop = iter.Pull(c.main)
	}
	c.job, c.caller, c.done = j, caller, false
	c.resume()
}

// main is the body of the coroutine's goroutine. Its frame at the bottom of a stack is how insideTurn knows one.
func (c *coroutine) main(yield func(struct{}) bool) {
	c.yield = yield
	for {
		c.runJob()
		c.done = true
		if !yield(struct{}{}) {
			return
		}
	}
}

// runJob runs one job and survives however it ends.
func (c *coroutine) runJob() {
	returned := false
	defer func() {
		if returned {
			return
		}
		f := failure{value: recover(), stack: handlerStack()}
		f.goexit = f.value == nil // recover of panic(nil) is a *runtime.PanicNilError
		c.job.fail(f)
		if f.goexit {
			// runtime.Goexit goes on after this function, and iter.Pull would pass it on to the loop.
			// So the loop is answered from here, and this goroutine never runs on the loop again.
			c.done, c.lost = true, true
			c.yield(struct{}{})
		}
	}()
	c.job.run()
	returned = true
}

// resume runs the coroutine until it waits or ends. Called on the loop's base stack.
func (c *coroutine) resume() {
	o := c.own
	prev := o.coros.current
	o.coros.current = c
	c.next()
	o.coros.current = prev
	if !c.done {
		return
	}
	c.job, c.caller = nil, nil
	c.ticket++
	switch {
	case c.lost:
		go c.stop() // lets the pending Goexit run to its end, on a goroutine that may exit with it
	case len(o.coros.idle) < maxIdleCoroutines:
		o.coros.idle = append(o.coros.idle, c)
	default:
		c.stop()
	}
}

// begin starts a wait, and returns the ticket that ends it.
func (c *coroutine) begin() uint64 {
	c.ticket++
	return c.ticket
}

// park yields to the loop until end is called with the ticket of the wait.
func (c *coroutine) park() Reply {
	cs := &c.own.coros
	c.place = len(cs.parked)
	cs.parked = append(cs.parked, c)
	c.yield(struct{}{})
	r := c.reply
	c.reply = Reply{}
	return r
}

// end ends the wait with that ticket, unless it has ended already, and resumes the coroutine. It is called in a
// turn of the coroutine's origin, on the base stack.
func (c *coroutine) end(ticket uint64, r Reply) {
	if c.ticket != ticket {
		return
	}
	c.ticket++
	cs := &c.own.coros
	last := len(cs.parked) - 1
	cs.parked[c.place] = cs.parked[last]
	cs.parked[c.place].place = c.place
	cs.parked[last] = nil
	cs.parked = cs.parked[:last]
	c.reply = r
	c.resume()
}

// waiter ends one wait of a coroutine with the answer to a call.
type waiter struct {
	c      *coroutine
	ticket uint64
}

func (w waiter) Reply(r Reply) { w.c.end(w.ticket, r) }

// onceWaiter is a waiter that is told exactly once, as the replier of a call is: then it serves the next call of its coroutine.
// One that is never told, because its caller was reset, is garbage.
type onceWaiter struct{ waiter }

// once returns the waiter of a wait that has begun.
func (c *coroutine) once(ticket uint64) *onceWaiter {
	w := c.spare
	if w == nil {
		return &onceWaiter{waiter{c, ticket}}
	}
	c.spare = nil
	w.ticket = ticket
	return w
}

func (w *onceWaiter) Reply(r Reply) {
	ticket := w.ticket
	w.c.spare = w
	w.c.end(ticket, r)
}

// abandon ends, in turns of their own, all waits that belong to an object that was reset.
func (o *owner) abandon(a *actor, err error) {
	for _, c := range o.coros.parked {
		if c.caller.actor == a {
			ticket := c.ticket
			o.ready.push(entryStep{func() { c.end(ticket, Reply{Err: err}) }})
		}
	}
}

// close ends all waits with err and stops the idle coroutines. Called on the base stack.
func (cs *coroutines) close(err error) {
	for len(cs.parked) > 0 {
		c := cs.parked[len(cs.parked)-1]
		c.end(c.ticket, Reply{Err: err})
	}
	for _, c := range cs.idle {
		c.stop()
	}
	cs.idle = nil
}

// coroutineEntry is the name of the function at the bottom of a coroutine's stack.
var coroutineEntry = runtime.FuncForPC(reflect.ValueOf((*coroutine).main).Pointer()).Name()

// insideTurn reports whether the calling goroutine is a coroutine of some engine: waiting there for anything
// but through the loop would block the loop. It walks the stack, which costs about a microsecond; it is
// called only on the way to a wait that costs a trip between threads.
func insideTurn() bool {
	var pcs [128]uintptr
	skip := 1
	for {
		n := runtime.Callers(skip, pcs[:])
		if n < len(pcs) {
			frames := runtime.CallersFrames(pcs[max(0, n-8):n])
			for {
				f, more := frames.Next()
				if f.Function == coroutineEntry {
					return true
				}
				if !more {
					return insideDirect(pcs[:n])
				}
			}
		}
		if insideDirect(pcs[:]) {
			return true
		}
		skip += n - 8
	}
}

// insideDirect looks for the callers of what runs on the stack of the loop: handlers of Direct classes, and routes.
func insideDirect(pcs []uintptr) bool {
	for _, pc := range pcs {
		if f := runtime.FuncForPC(pc - 1); f != nil && (f.Entry() == directEntry || f.Entry() == routeEntry) {
			return true
		}
	}
	return false
}

// handlerStack returns the frames of a handler that panicked, without those of the runtime and the engine
// above and below it.
func handlerStack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	from, to := 1, len(lines)
	for i := 1; i+1 < len(lines); i += 2 {
		switch {
		case strings.HasPrefix(lines[i], "panic("), strings.HasPrefix(lines[i], "runtime.Goexit("):
			from = i + 2
		case strings.HasPrefix(lines[i], "everloop/engine.(*coroutine).runJob("), strings.HasPrefix(lines[i], "everloop/engine.(*direct).run("),
			strings.HasPrefix(lines[i], "everloop/engine.RouteFunc.choose("):
			to = i
		}
	}
	if from >= to {
		from = 1
	}
	return strings.Join(lines[from:min(to, len(lines))], "\n")
}

func (f failure) error(class, object, method string) *Error {
	e := &Error{Class: class, Object: object, Method: method, Name: "Error", Stack: f.stack, Remote: true}
	if f.goexit {
		e.Message, e.cause = ErrGoexit.Error(), ErrGoexit
		return e
	}
	e.Message = fmt.Sprintf("panic: %v", f.value)
	if err, ok := f.value.(error); ok {
		e.cause = err
	}
	return e
}
