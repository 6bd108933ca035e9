package vm

import (
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
)

// DefaultLimit is how long one turn may run unless SetLimit says otherwise.
const DefaultLimit = 30 * time.Second

// turnState says who is running since when. The loop writes it, the watchdog
// reads it, with no lock and no clock read in the turn: the watchdog measures
// by watching seq stand still.
type turnState struct {
	seq   atomic.Uint64         // odd while a turn runs
	stop  atomic.Uint64         // the turn that is to be interrupted
	label atomic.Pointer[Label] // who runs
	limit atomic.Int64          // nanoseconds; 0: DefaultLimit
	hit   bool                  // the loop's: this turn was interrupted
	where string                // the loop's: the stack at that moment

	// The watchdog's own.
	seen uint64
	ran  time.Duration
}

// Label says whose turn it is. It is asked by the watchdog, on a goroutine of
// its own and for long turns only, so that nobody has to keep a text for it.
type Label interface{ Label() string }

// Text is a Label that is known beforehand.
type Text string

// Label is the text.
func (t Text) Label() string { return string(t) }

// Begin starts a turn: one uninterrupted run of JavaScript, with the pump after
// it. label names the object, for the watchdog; it must not change
// while the turn runs. Only inside a turn can JavaScript be interrupted. It
// costs two stores and a load.
func (r *Runtime) Begin(label *Label) {
	r.noContext()
	r.turn.label.Store(label)
	if r.turn.hit {
		r.turn.hit, r.turn.where = false, ""
	}
	r.turn.seq.Store(r.turn.seq.Load() | 1)
	if g := r.group; g != nil && g.resting.Load() {
		g.rouse()
	}
}

// End ends a turn.
func (r *Runtime) End() {
	r.turn.seq.Store((r.turn.seq.Load() | 1) + 1)
	if len(r.kept) > 0 {
		r.dropKept()
	}
}

// Interrupted reports whether the current turn, or the last one if none runs,
// was interrupted.
func (r *Runtime) Interrupted() bool { return r.turn.hit }

// InterruptedAt is the stack at which the current turn, or the last one if
// none runs, was interrupted, in V8's form; "" if it was not, or if JavaScript
// had no frame. The functions are right; the line in the innermost one is that
// of its last call, because the engine notes no others.
func (r *Runtime) InterruptedAt() string { return r.turn.where }

// SetLimit sets how long each turn of the runtime may run. The watchdog
// notices within two of its ticks. Safe for concurrent use.
func (r *Runtime) SetLimit(d time.Duration) { r.turn.limit.Store(int64(d)) }

func (t *turnState) limitOrDefault() time.Duration {
	if d := t.limit.Load(); d > 0 {
		return time.Duration(d)
	}
	return DefaultLimit
}

// Interrupt stops the running turn at its next poll: the start of a function,
// the end of a loop's pass, a step of a long regular expression. JavaScript
// cannot catch it. Between turns it does nothing, and it never reaches the
// next turn. Safe for concurrent use.
func (r *Runtime) Interrupt() {
	seq := r.turn.seq.Load()
	if seq&1 == 0 {
		return
	}
	r.turn.stop.Store(seq)
	r.poke()
}

// poke makes the engine poll now instead of after up to 10,000 steps. The
// engine counts down without atomics, so a poke can be lost; the countdown
// then ends by itself, and the watchdog pokes again.
func (r *Runtime) poke() {
	r.pokeMu.Lock()
	defer r.pokeMu.Unlock()
	if r.open && r.ctx != 0 {
		atomic.StoreInt32(at[int32](r.ctx+interruptCounterOffset), 0)
	}
}

// interruptHandler is what the engine polls; non-zero stops JavaScript.
func interruptHandler(tls *libc.TLS, rt uintptr, opaque uintptr) int32 {
	r := *(**Runtime)(unsafe.Pointer(&opaque))
	if r.heap.refused {
		return 1
	}
	if seq := r.turn.seq.Load(); seq&1 != 0 && r.turn.stop.Load() == seq && r.whole == 0 {
		if !r.turn.hit {
			r.turn.hit = true // first: what follows may come here again
			r.turn.where = r.backtrace()
		}
		return 1
	}
	return 0
}

// backtrace is where JavaScript stands, in V8's form. The exception that the
// engine throws next is no help: an async function may swallow it.
func (r *Runtime) backtrace() string {
	v, err := r.newErrorValue(ClassError, "interrupted")
	if err != nil {
		return ""
	}
	defer r.Free(v)
	trace, _ := r.trace(v)
	return strings.TrimRight(trace, "\n")
}

// interruptNow polls, for loops in Go.
func (r *Runtime) interruptNow() bool {
	return interruptHandler(r.tls, r.rt, uintptr(unsafe.Pointer(r))) != 0
}

// Running describes the turn that a runtime is in.
type Running struct {
	Runtime *Runtime
	Label   string        // what Begin was given
	For     time.Duration // how long, as the watchdog has counted
	Limit   time.Duration
}

// Label is what the running turn's Begin was given; ok is false between turns.
// Safe for concurrent use.
func (r *Runtime) Label() (label string, ok bool) {
	seq := r.turn.seq.Load()
	p := r.turn.label.Load()
	if seq&1 == 0 || p == nil || r.turn.seq.Load() != seq {
		return "", false
	}
	return (*p).Label(), true
}

// Group is the runtimes that one Watchdog judges. It lets that rest while none
// of them has a turn, so that an idle process has no ticks: a turn that begins
// meanwhile rouses it.
type Group struct {
	resting atomic.Bool
	wake    chan struct{} // holds one for each time that rouse has ended a rest
}

// NewGroup makes a group without runtimes.
func NewGroup() *Group { return &Group{wake: make(chan struct{}, 1)} }

// rouse ends the watchdog's rest. It never blocks.
func (g *Group) rouse() {
	if g.resting.CompareAndSwap(true, false) {
		g.wake <- struct{}{}
	}
}

// Watchdog judges the running turns of the runtimes of its group, of which it
// must be the only one. It interrupts a turn that is over its limit; if the turn is still
// there StuckAfter later, it calls Stuck, the last resort.
//
// Run is a goroutine's body; Tick is one step of it, for tests.
type Watchdog struct {
	// Group is what the runtimes' Options.Group must equal. Run wants one.
	Group *Group
	// Every is how often it looks; 0 means 10 ms.
	Every time.Duration
	// StuckAfter is how long an interrupted turn has to stop; 0 means 5 s.
	StuckAfter time.Duration
	// Stuck is called, once a turn, from the watchdog's goroutine, with a turn
	// that does not stop. The host ends the process: nothing else helps.
	Stuck func(Running)
	// Over, if set, is called when a turn is interrupted.
	Over func(Running)

	reported map[*Runtime]uint64
	ticks    atomic.Uint64 // calls of Tick
}

// restAfter is the number of looks without a turn after which Run rests: fewer
// would make requests that come a little apart pay for a wake-up each.
const restAfter = 100

// Run looks at the turns until done is closed, and rests while there are none.
func (w *Watchdog) Run(done <-chan struct{}) {
	every := w.Every
	if every == 0 {
		every = 10 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last, quiet := time.Now(), 0
	for {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			// A process that was stopped, or a machine that slept, must not
			// charge the pause to a turn.
			turns := w.Tick(min(now.Sub(last), 20*every))
			last = now
			if quiet++; turns {
				quiet = 0
			}
			if quiet < restAfter {
				continue
			}
			ticker.Stop()
			if !w.rest(done) {
				return
			}
			ticker.Reset(every)
			last, quiet = time.Now(), 0
		}
	}
}

// rest returns when a turn has begun, or false when done is closed.
func (w *Watchdog) rest(done <-chan struct{}) bool {
	g := w.Group
	// Whoever begins a turn after this line finds it; a turn that began before
	// it is seen by the look that follows.
	g.resting.Store(true)
	if w.running() && g.resting.CompareAndSwap(true, false) {
		return true
	}
	select {
	case <-done:
		return false
	case <-g.wake:
		return true
	}
}

// running reports whether a runtime is in a turn.
func (w *Watchdog) running() bool {
	live.Lock()
	defer live.Unlock()
	for r := range live.set {
		if r.group == w.Group && r.turn.seq.Load()&1 != 0 {
			return true
		}
	}
	return false
}

// Tick charges passed to every turn that also ran at the last Tick. It reports
// whether there was any turn since.
func (w *Watchdog) Tick(passed time.Duration) (turns bool) {
	w.ticks.Add(1)
	var over, stuck []Running
	live.Lock()
	for r := range live.set {
		if r.group != w.Group {
			continue
		}
		t := &r.turn
		seq := t.seq.Load()
		turns = turns || seq&1 != 0 || seq != t.seen
		if seq&1 == 0 || seq != t.seen {
			t.seen, t.ran = seq, 0
			delete(w.reported, r)
			continue
		}
		t.ran += passed
		limit := t.limitOrDefault()
		if t.ran < limit {
			continue
		}
		first := t.stop.Load() != seq
		r.Interrupt()
		label, _ := r.Label()
		now := Running{Runtime: r, Label: label, For: t.ran, Limit: limit}
		if first {
			over = append(over, now)
		}
		after := w.StuckAfter
		if after == 0 {
			after = 5 * time.Second
		}
		if t.ran >= limit+after && w.reported[r] != seq {
			if w.reported == nil {
				w.reported = map[*Runtime]uint64{}
			}
			w.reported[r] = seq
			stuck = append(stuck, now)
		}
	}
	live.Unlock()
	if w.Over != nil {
		for _, x := range over {
			w.Over(x)
		}
	}
	if w.Stuck != nil {
		for _, x := range stuck {
			w.Stuck(x)
		}
	}
	return turns
}
