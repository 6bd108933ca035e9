package engine

import (
	"context"
	"fmt"

	"everloop/engine/redo"
	"everloop/loop"
)

// FailedAlarm is an alarm that was given up: it has failed as often as is allowed. It is remembered until the object sets or
// deletes its alarm, or [Engine.RunAlarm] runs it again.
type FailedAlarm struct {
	Class string // empty if the class is not registered
	ID    ID     // with its name, if it has one
	// Runs is how often it has run, ScheduledTime what it was set for, and FailedAt when it was given up, in milliseconds since
	// 1970 (UTC).
	Runs          int
	ScheduledTime int64
	FailedAt      int64
	// Err is the message of the last failure, cut off at 1 KiB.
	Err string
}

// alarmFailure is what is remembered of an alarm that was given up. Owned by its loop.
type alarmFailure struct {
	slot  uint32
	place int // in the list of them
	runs  uint32
	at    int64
	when  int64
	err   string
}

// remember adds a failure, in the place of an older one of the same object.
func (s *alarms) remember(f *alarmFailure) {
	s.forgive(f.slot)
	f.place = len(s.notes)
	s.notes = append(s.notes, f)
	s.failed[f.slot] = f
	s.metrics.alarmsFailed.Add(1)
}

// forgive forgets that the alarm of an object was given up.
func (s *alarms) forgive(slot uint32) {
	f := s.failed[slot]
	if f == nil {
		return
	}
	delete(s.failed, slot)
	last := len(s.notes) - 1
	s.notes[f.place] = s.notes[last]
	s.notes[f.place].place = f.place
	s.notes[last] = nil
	s.notes = s.notes[:last]
	s.metrics.alarmsFailed.Add(-1)
}

// failedSlice is how many failures a loop is asked for at once.
const failedSlice = 256

// FailedAlarms calls yield with the alarms that were given up, in no order, until it returns false. yield runs on the calling
// goroutine, which is none of a loop's; the loops are asked for a slice at a time. Alarms that fail or are set while it
// runs may be missed.
func (e *Engine) FailedAlarms(ctx context.Context, yield func(FailedAlarm) bool) error {
	if insideTurn() {
		return ErrInsideTurn
	}
	for _, o := range e.owners {
		for from := 0; ; from += failedSlice {
			got := make(chan []FailedAlarm, 1)
			if !o.loop.Post(loop.Func(func() { got <- o.failedAlarms(from) })) {
				return ErrClosed
			}
			var some []FailedAlarm
			select {
			case some = <-got:
			case <-ctx.Done():
				return ctx.Err()
			}
			for _, f := range some {
				if !yield(f) {
					return nil
				}
			}
			if len(some) < failedSlice {
				break
			}
		}
	}
	return nil
}

func (o *owner) failedAlarms(from int) (some []FailedAlarm) {
	notes := o.alarms.notes
	for _, f := range notes[min(from, len(notes)):min(from+failedSlice, len(notes))] {
		r := o.table.at(f.slot)
		x := FailedAlarm{ID: ID{bytes: r.id}, Runs: int(f.runs), ScheduledTime: f.at, FailedAt: f.when, Err: f.err}
		if r.name.known() {
			x.ID.rename(r.name.String(), true)
		}
		if k := (*o.eng.byNumber.Load())[r.class]; k != nil {
			x.Class, x.ID.key = k.name, k.key
		}
		some = append(some, x)
	}
	return some
}

// RunAlarm runs the alarm of an object now, whatever it is set for: one that is set, that waits for a retry, or that was given
// up, which begins anew with all its retries. One that is running is waited for. It returns when the run has ended and that is
// durable, with the error of the handler; if ctx ends earlier, the run goes on. ErrNoAlarm if there is none. It is called from a
// goroutine of the embedding program.
func (e *Engine) RunAlarm(ctx context.Context, class string, id ID) error {
	k := (*e.byName.Load())[class]
	switch {
	case insideTurn():
		return ErrInsideTurn
	case e.closing.Load():
		return ErrClosed
	case k == nil:
		return fmt.Errorf("engine: run the alarm of an object of %s: %w", class, ErrUnknownClass)
	case !k.key.owns(&id):
		return ErrForeignID
	}
	o, done := e.ownerOf(&id), make(chan error, 1)
	if !o.loop.Post(loop.Func(func() {
		if err := o.runAlarm(k, &id, func(err error) { done <- err }); err != nil {
			done <- err
		}
		o.drain()
	})) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runAlarm starts the alarm of an object; end is told how the run ends, unless an error is returned.
func (o *owner) runAlarm(k *class, id *ID, end func(error)) error {
	s := &o.alarms
	r, slot := o.table.find(k.number, id)
	if r == nil {
		return ErrNoAlarm
	}
	al := s.of(r)
	if f := s.failed[slot]; al == nil && f != nil {
		if _, err := o.logAlarm(slot, redo.AppendSetAlarm(nil, f.at)); err != nil {
			return err
		}
		s.forgive(slot)
		al = s.add(r, slot)
		al.at, al.next = f.at, o.loop.Wall()
		s.notInLog(al, al.at)
	}
	if al == nil {
		return ErrNoAlarm
	}
	s.waiting[slot] = append(s.waiting[slot], end)
	if al.state == alarmWaits {
		s.disarm(al)
		al.flags |= alarmByHand
		o.startAlarm(k, al)
	}
	return nil
}

// tellAlarm tells whoever waits for the end of a run, once it is durable.
func (o *owner) tellAlarm(r *record, slot uint32, err error) {
	waiting := o.alarms.waiting[slot]
	if waiting == nil {
		return
	}
	delete(o.alarms.waiting, slot)
	dep := r.lsn
	if r.live != nil {
		dep = max(dep, r.live.dep)
	}
	o.hold(dep, func(failed error) {
		if failed != nil {
			err = failed
		}
		for _, end := range waiting {
			end(err)
		}
	})
}
