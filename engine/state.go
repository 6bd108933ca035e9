package engine

import (
	"context"
	"errors"
	"time"
)

// State is what an object sees of itself and of the world. It lives as long as the instance. Everything on it
// is called from the object's turns only, unless it says otherwise.
type State struct {
	a       *actor
	storage Storage
}

// Loop is the index of the loop that owns the object. Safe from any goroutine.
func (s *State) Loop() int { return s.a.own.index }

// ID returns the object's ID, with its name if it has one.
func (s *State) ID() ID { return s.a.id }

// Class returns the name of the object's class.
func (s *State) Class() string { return s.a.class.name }

// Storage returns the object's durable storage.
func (s *State) Storage() *Storage {
	s.storage.a = s.a
	return &s.storage
}

// Namespace returns the namespace of a class for calls that this object makes, or nil if no such class is
// registered. A call from object to object does not wait for the disk; its dependency travels with it.
func (s *State) Namespace(class string) *Namespace {
	return s.a.own.eng.namespaceFor(class, &s.a.origin)
}

// BlockConcurrencyWhile runs fn while no other event enters the object, also while fn waits. Sections nest up
// to 64 deep. If fn returns an error or panics, or takes longer than Options.BlockTimeout, the object is
// reset: the instance is dropped, and everybody who waits for it gets the error.
func (s *State) BlockConcurrencyWhile(fn func() error) error {
	return s.exclusive(fn, func(err error) {
		e := asError(err, s.a.class.name, s.a.id.String(), "blockConcurrencyWhile")
		s.a.reset(e.asReset())
	})
}

// exclusive runs fn in a critical section. failed decides what an error of fn does to the object.
func (s *State) exclusive(fn func() error, failed func(error)) error {
	a := s.a
	if a.dead {
		return ErrReset
	}
	c := a.own.coros.current
	if a.direct != nil {
		return ErrDirect
	}
	if c == nil || c.caller != &a.origin {
		return ErrOutsideTurn
	}
	opened := false
	var sec *section
	ticket := c.begin()
	err := a.open(func(s *section) {
		sec = s
		if opened {
			c.end(ticket, Reply{}) // another section was in between: this is a later turn
		}
	})
	if err != nil {
		return err
	}
	opened = true
	outer := a.current
	if sec == nil {
		if r := c.park(); r.Err != nil {
			return r.Err
		}
	}
	a.current = sec
	cancel := s.watchSection("blockConcurrencyWhile")
	closed := false
	defer func() {
		if !closed { // fn panics, or calls Goexit
			cancel()
			failed(errors.New("the critical section's function did not return"))
			a.close(sec)
		}
	}()
	err = fn()
	closed = true
	cancel()
	a.close(sec)
	a.current = outer
	if err != nil {
		failed(err)
	}
	if a.dead {
		return errors.Join(err, ErrReset)
	}
	return err
}

// Block opens a critical section for code that ends by callback, which is what a host of promises has: begin
// is called in a later turn, which is the section's first, with the function that ends the section. A non-nil
// error resets the object.
func (s *State) Block(begin func(end func(error))) error {
	a := s.a
	if a.dead {
		return ErrReset
	}
	outer := a.current
	depth := 1
	if outer != nil {
		depth = outer.depth + 1
	}
	if depth > maxSectionDepth {
		return ErrDepth
	}
	a.pin()
	a.enqueue(outer, stepFunc(func(a *actor) {
		a.unpin()
		sec := a.push()
		cancel := s.watchSection("blockConcurrencyWhile")
		begin(func(err error) {
			cancel()
			if a.dead {
				return
			}
			a.close(sec)
			if err != nil {
				e := asError(err, a.class.name, a.id.String(), "blockConcurrencyWhile")
				a.reset(e.asReset())
			}
		})
	}))
	return nil
}

// watchSection resets the object when a section stays open for too long; method is what opened it.
func (s *State) watchSection(method string) (cancel func()) {
	a := s.a
	return a.afterUngated(a.own.eng.opts.BlockTimeout, func() {
		what := "A call to blockConcurrencyWhile() in"
		if method == "constructor" {
			what = "The constructor of"
		}
		e := overloaded(what + " a Durable Object waited for too long. The call was canceled and the Durable Object was reset.")
		e.Class, e.Object, e.Method = a.class.name, a.id.String(), method
		a.reset(e.asReset())
	})
}

// Do runs work on a goroutine off the loop and waits for it, or for ctx, while other events run. work starts
// when everything that the object knows is durable, so it may have effects on the world. work must not touch
// the object.
func (s *State) Do(ctx context.Context, work func(ctx context.Context) error) error {
	var result error
	r := s.a.await(ctx, func(rep waiter) {
		s.a.offLoop(func() { result = work(ctx) }, func(err error) { rep.Reply(Reply{Err: err}) })
	})
	if r.Err != nil {
		return r.Err
	}
	return result
}

// Start is Do for code that ends by callback: done is called in a later turn of the object.
func (s *State) Start(work func(), done func(error)) { s.a.offLoop(work, done) }

// After calls fn in a turn of the object when d has passed since the call: never earlier. It keeps the object from eviction.
// The timer is gone when the object is reset or the process ends; an alarm is what survives.
func (s *State) After(d time.Duration, fn func()) (cancel func()) { return s.a.after(d, fn) }

// Every calls fn in turns of the object, first when d has passed since the call and then each time that d has passed
// since fn was called last, until it is cancelled. It keeps the object from eviction. d is counted in milliseconds, at
// least 1. A tick waits for the input gate, and no others gather meanwhile.
func (s *State) Every(d time.Duration, fn func()) (cancel func()) { return s.a.every(d, fn) }

// Expire calls fn in a turn of its own when d has passed, whatever the input gate says. It keeps nothing: whoever calls it
// cancels it when the object is evicted or reset.
func (s *State) Expire(d time.Duration, fn func()) (cancel func()) { return s.a.afterUngated(d, fn) }

// Pin keeps the object from eviction until Unpin (waitUntil).
func (s *State) Pin() { s.a.pin() }

// Unpin ends what Pin began.
func (s *State) Unpin() { s.a.unpin() }

// Abort resets the object: the running turn's writes are taken back, the instance is dropped, and everybody
// who waits for it gets reason, or ErrReset. The code that calls it runs on to its next wait, and reaches
// nothing any more.
func (s *State) Abort(reason error) { s.AbortWith(reason, AbortOptions{}) }

// AbortOptions are options of AbortWith.
type AbortOptions struct {
	// NoAlarmRetry gives up the alarm that is running, rather than trying it again. One that was set meanwhile stays.
	NoAlarmRetry bool
}

// AbortWith is Abort with options.
func (s *State) AbortWith(reason error, o AbortOptions) {
	s.a.dropAlarm = s.a.dropAlarm || o.NoAlarmRetry
	if reason == nil {
		reason = ErrReset
	}
	e := asError(reason, s.a.class.name, s.a.id.String(), "abort")
	s.a.reset(e.asReset())
}

// Dead reports whether the object was reset or evicted under the caller.
func (s *State) Dead() bool { return s.a.dead }

// Sync returns when everything that the object has written is durable.
func (s *State) sync(done func(error)) {
	a := s.a
	sec := a.origin.section()
	a.pin()
	a.own.stage(effect{kind: effectHold, by: &a.origin, hold: func(err error) {
		a.origin.inject(sec, func() { a.unpin(); done(err) })
		a.own.drain()
	}})
}
