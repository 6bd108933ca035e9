package loop

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"everloop/loop/wheel"
)

// Bounds of the work in one round, so that neither a full mailbox nor a million timers due at once hold up
// the connections of the loop: what is left waits for the next round, after the events that have come in.
const (
	maxTasksARound  = 4096
	maxTimersARound = 4096
)

// maxWallWait is how long a loop with timers of the wall clock sleeps at most. Nothing wakes it when that clock is set, so it
// looks.
const maxWallWait = time.Second

// wallTimer is the bit of a [Timer] that says on which clock it is. A wheel's handle has room for it: a wheel of 2^31 timers
// fits no memory.
const wallTimer = 1 << 31

// Core is the part of an event loop that every pool shares: the mailbox, the timers, the round with its
// hooks, and the connections ([Stream]) that were written to. It knows neither sockets nor the time: its
// [Driver] brings it both. [Net] drives it from gnet's event loops and looptest by hand, so that what is
// tested on virtual time is what runs in production. Programs have no use for it: they take a [Pool].
//
// A driver calls Begin before it brings an event to a connection, and Turn once for every Wake and Again.
// Turn is the rest of the round, in this order:
//
//	events that connections owe their handlers -> mailbox -> timers of either clock -> hooks -> flush
//
// Whatever these steps leave behind (a task that posts, a flush that ends a connection, more than the bounds
// allow) is left to a further round, which Turn asks for with Again. Nothing runs inside Post.
//
// Post, Wakeup, Index and Shut are safe for concurrent use; all else belongs to the loop.
type Core struct {
	index  int
	driver Driver
	log    *slog.Logger
	panics func(v any, stack []byte)

	mu     sync.Mutex
	in     []Task // posted and not yet taken
	awake  bool   // a Turn will come: Wake or Again was called for it
	closed bool

	// All below is owned by the loop.

	active    bool // the round has begun
	did       bool // something ran in this round that the hooks should hear of
	finished  bool // shut, and nothing is left
	calling   bool // foreign code is running: a task, a timer, a hook or a handler
	mailed    bool // the last Turn ran what was posted
	now, wall int64
	run       []Task // the batch taken from in; run[ran:] has not run yet
	ran       int
	timers    *wheel.Wheel[Task]
	walls     *wheel.Wheel[Task] // on the wall clock; nil until there is one
	hooks     []func(Loop)
	events    []*Stream // owe their handler a call
	serving   []*Stream // the other half of events' double buffer
	dirty     []*Stream // were written to in this round
	streams   *Stream   // all open ones, linked through next and prev
	buffers   buffers
	fire      func(Task) // c.runTask, made once so that Turn need not allocate it
}

// Driver is what a [Core] needs from the event loop below it.
type Driver interface {
	// Wake causes a call of Turn, soon. Called from any goroutine, and not again before that Turn.
	Wake()
	// Again causes a call of Turn after the events that are ready by now have been brought in. Called on
	// the loop, at the end of Turn.
	Again()
	// Arm causes a Wakeup at the moment that the clock reads deadline, or earlier. Called on the loop, at
	// the end of Turn; the last call counts.
	Arm(deadline int64)
	// Clock reads the time; see Loop.Now and Loop.Wall.
	Clock() (now, wall int64)
	// Due reads the time; see Loop.Due.
	Due(d time.Duration) int64
	// DueWall reads the time; see Clock.DueWall.
	DueWall(deadline int64, most time.Duration) int64
}

// GoexitDriver is an optional interface of a [Driver] whose loops run on a goroutine that may end: that of a test,
// in which t.FailNow is in order. AllowGoexit is never called.
type GoexitDriver interface{ AllowGoexit() }

// NewCore returns the core of loop index. log gets what is the loop's own affair, such as a panic in a
// handler; panics, if not nil, hears of each panic that was recovered.
func NewCore(index int, d Driver, log *slog.Logger, panics func(v any, stack []byte)) *Core {
	c := &Core{index: index, driver: d, log: log, panics: panics}
	c.now, c.wall = d.Clock()
	c.timers = wheel.New[Task](c.now)
	c.fire = c.runTask
	return c
}

// Index is part of [Loop].
func (c *Core) Index() int { return c.index }

// Post is part of [Loop].
func (c *Core) Post(t Task) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.in = append(c.in, t)
	wake := !c.awake
	c.awake = true
	c.mu.Unlock()
	if wake {
		c.driver.Wake()
	}
	return true
}

// Wakeup causes a round, even if nothing was posted: a timer of the driver's has gone off.
func (c *Core) Wakeup() {
	c.mu.Lock()
	wake := !c.awake
	c.awake = true
	c.mu.Unlock()
	if wake {
		c.driver.Wake()
	}
}

// Shut makes every later Post report false, and causes a round in which what was posted before still runs.
// When all of it has run, Finished reports true and no more rounds come. Timers that are not due by then are
// dropped.
func (c *Core) Shut() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.Wakeup()
}

// Finished reports whether the core was shut and has run everything.
func (c *Core) Finished() bool { return c.finished }

// Now is part of [Loop].
func (c *Core) Now() int64 { return c.now }

// Wall is part of [Loop].
func (c *Core) Wall() int64 { return c.wall }

// Clock is part of [Loop].
func (c *Core) Clock() (now, wall int64) { return c.driver.Clock() }

// Due is part of [Loop].
func (c *Core) Due(d time.Duration) int64 { return c.driver.Due(d) }

// At is part of [Loop].
func (c *Core) At(deadline int64, t Task) Timer { return Timer(c.timers.Insert(deadline, t)) }

// AtWall is part of [Loop].
func (c *Core) AtWall(deadline int64, t Task) Timer {
	if c.walls == nil {
		c.walls = wheel.New[Task](c.wall)
	}
	return Timer(c.walls.Insert(deadline, t) | wallTimer)
}

// Rearm is part of [Loop].
func (c *Core) Rearm(tm Timer, deadline int64) bool {
	if tm&wallTimer == 0 {
		return c.timers.Rearm(wheel.Handle(tm), deadline)
	}
	return c.walls != nil && c.walls.Rearm(wheel.Handle(tm&^wallTimer), deadline)
}

// Cancel is part of [Loop].
func (c *Core) Cancel(tm Timer) bool {
	if tm&wallTimer == 0 {
		return c.timers.Cancel(wheel.Handle(tm))
	}
	return c.walls != nil && c.walls.Cancel(wheel.Handle(tm&^wallTimer))
}

// Timers is the number of pending timers.
func (c *Core) Timers() int {
	n := c.timers.Len()
	if c.walls != nil {
		n += c.walls.Len()
	}
	return n
}

// AddHook adds a round hook; see [Pool.OnRound].
func (c *Core) AddHook(f func(Loop)) { c.hooks = append(c.hooks, f) }

// Streams calls f for every open connection. f may close it.
func (c *Core) Streams(f func(*Stream)) {
	for s := c.streams; s != nil; {
		next := s.next
		f(s)
		s = next
	}
}

// Begin begins a round, unless one has begun, and sees to it that Turn will end it.
func (c *Core) Begin() {
	c.did = true
	if c.active {
		return
	}
	c.active = true
	c.now, c.wall = c.driver.Clock()
	c.Wakeup()
}

// Expect says that a call of Turn follows in any case, so that nothing needs to wake the loop for one. Called on the loop, by a driver that brings in
// events and then calls Turn itself.
func (c *Core) Expect() {
	c.mu.Lock()
	c.awake = true
	c.mu.Unlock()
}

// Mailed reports whether the last Turn ran what was posted.
func (c *Core) Mailed() bool { return c.mailed }

// wantTurn sees to it that a round follows what was just left for one. Inside a round there is nothing to do:
// its Turn is coming, or looks at its end for what was left.
func (c *Core) wantTurn() {
	if !c.active {
		c.Wakeup()
	}
}

// Turn runs the rest of the round. It reports whether there is more to do, which it has then asked for with
// Again.
func (c *Core) Turn() (more bool) {
	if !c.active {
		c.active = true
		c.now, c.wall = c.driver.Clock()
	}
	c.serveEvents()
	c.runMailbox()
	moreTimers := c.timers.Advance(c.now, maxTimersARound, c.fire)
	if c.walls != nil {
		c.walls.Rewind(c.wall)
		moreTimers = c.walls.Advance(c.wall, maxTimersARound, c.fire) || moreTimers
	}
	if c.did {
		c.did = false
		for _, f := range c.hooks {
			c.runHook(f)
		}
	}
	c.flush()
	c.active, c.did = false, false

	c.mu.Lock()
	more = moreTimers || c.ran < len(c.run) || len(c.in) > 0 || len(c.events) > 0 || len(c.dirty) > 0
	if !more {
		// Once shut and empty, the loop sleeps for good: no Wake after this.
		c.finished = c.closed
		c.awake = c.closed
	}
	c.mu.Unlock()
	if more {
		c.driver.Again()
		return true
	}
	c.arm()
	return false
}

// arm asks for the wake-up that the timers need.
func (c *Core) arm() {
	at, some := c.timers.Next()
	if c.walls != nil {
		if wall, ok := c.walls.Next(); ok {
			if due := c.driver.DueWall(wall, maxWallWait); !some || due < at {
				at, some = due, true
			}
		}
	}
	if some {
		c.driver.Arm(at)
	}
}

// runMailbox runs what was posted before it, as far as the bound goes.
func (c *Core) runMailbox() {
	if c.ran == len(c.run) {
		c.mu.Lock()
		c.run, c.in = c.in, c.run[:0]
		c.mu.Unlock()
		c.ran = 0
	}
	c.mailed = c.ran < len(c.run)
	for range min(len(c.run)-c.ran, maxTasksARound) {
		t := c.run[c.ran]
		c.run[c.ran] = nil
		c.ran++
		c.runTask(t)
	}
	if c.ran == len(c.run) && cap(c.run) > 4*maxTasksARound {
		c.run, c.ran = nil, 0 // a burst has passed: give its memory back
	}
}

func (c *Core) runTask(t Task) {
	c.did = true
	c.calling = true
	defer c.guard(nil)
	t.Run()
	c.calling = false
}

func (c *Core) runHook(f func(Loop)) {
	c.calling = true
	defer c.guard(nil)
	f(c)
	c.calling = false
}

// serveEvents calls the handlers of the connections that owe them an event. What these calls cause is left
// to the next round.
func (c *Core) serveEvents() {
	c.events, c.serving = c.serving[:0], c.events
	for i, s := range c.serving {
		c.serving[i] = nil
		c.did = true
		s.serve()
	}
}

// flush sends what was written to connections in this round.
func (c *Core) flush() {
	for i, s := range c.dirty {
		c.dirty[i] = nil
		s.dirty = false
		s.send()
	}
	c.dirty = c.dirty[:0]
}

// guard ends a call of foreign code that did not return. It must be deferred. A panic is logged and closes s,
// if the call was made for a connection. [runtime.Goexit] cannot be stopped and would take the loop's
// goroutine with it, silently: every object, timer and connection of the loop would be dead while the rest of
// the program went on. That is worse than a crash, so it is made one that names its cause.
func (c *Core) guard(s *Stream) {
	if !c.calling {
		return
	}
	c.calling = false
	v := recover()
	if v == nil {
		if _, ok := c.driver.(GoexitDriver); ok {
			return
		}
		panic(fmt.Sprintf("loop: runtime.Goexit was called on loop %d (t.FailNow in a test does it, for one): "+
			"a loop cannot survive that; call it on a goroutine of your own", c.index))
	}
	stack := debug.Stack()
	if s == nil {
		c.log.Error("panic in a task on a loop", "loop", c.index, "panic", v, "stack", string(stack))
	} else {
		err := fmt.Errorf("loop: panic in the handler of a connection: %v", v)
		c.log.Error("panic in the handler of a connection, which is closed",
			"loop", c.index, "conn", s.id, "remote", s.remote, "panic", v, "stack", string(stack))
		s.Abort(err)
	}
	if c.panics != nil {
		c.panics(v, stack)
	}
}
