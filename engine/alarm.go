package engine

import (
	"context"
	"errors"
	"time"

	"everloop/engine/redo"
)

// An object has one alarm at most: a moment at which it is called by itself. The alarm is durable, belongs to the turn that
// sets it, and is gone when its handler has succeeded. It runs at least once and never early by the wall clock.

// AlarmInfo is what the handler of an alarm is told.
type AlarmInfo struct {
	// RetryCount is the number of runs of this alarm that have failed and count: 0 in the first run.
	RetryCount int
	// ScheduledTime is the moment that the alarm was set for, in milliseconds since 1970 (UTC); what was set for the past is
	// set for the moment at which it was set.
	ScheduledTime int64
}

// IsRetry reports whether the alarm has failed before.
func (i *AlarmInfo) IsRetry() bool { return i.RetryCount > 0 }

// Alarmer is a Go object that has an alarm. Alarm runs in turns of the object, beside its other events and under the
// same gates. If it fails it is run again: see docs/semantics.md.
type Alarmer interface {
	Alarm(ctx context.Context, info AlarmInfo) error
}

// AlarmHandler is an optional interface of an [Object] whose class may lack a handler for alarms. An object without the
// method handles them. It is asked when an alarm is set, but not in the constructor, and before one is delivered.
type AlarmHandler interface{ HandlesAlarm() bool }

// What alarms are refused with. TypeErrors in TypeScript.
var (
	// ErrAlarmTime: the moment is 1970-01-01 00:00 UTC or before.
	ErrAlarmTime = errors.New("setAlarm() cannot be called with an alarm time <= 0")
	// ErrNoAlarmHandler: the class has no handler for what would be set.
	ErrNoAlarmHandler = errors.New("Your Durable Object class must have an alarm() handler in order to call setAlarm()")
	// ErrNoAlarm: there is no alarm to run.
	ErrNoAlarm = errors.New("engine: the object has no alarm, and none that has failed")
)

// SetAlarm sets the object's alarm to a moment, which takes the place of the one that is set. What lies in the past is due at
// once. It is refused with ErrAlarmTime or ErrNoAlarmHandler, or as any write is. In the handler of the alarm it sets the
// next one, which also takes the place of the retry if the handler fails.
func (s *Storage) SetAlarm(at time.Time) error {
	return s.SetAlarmMillis(at.UnixMilli(), WriteOptions{})
}

// SetAlarmMillis is SetAlarm with milliseconds since 1970 (UTC), and options. While the handler of the alarm runs, the write is always
// confirmed.
func (s *Storage) SetAlarmMillis(ms int64, o WriteOptions) error {
	a := s.a
	if ms <= 0 {
		return ErrAlarmTime
	}
	// In the constructor it is not known yet: the object may become one that has a handler.
	if h, ok := a.object.(AlarmHandler); ok && !h.HandlesAlarm() {
		return ErrNoAlarmHandler
	}
	if err := s.writable(); err != nil {
		return err
	}
	if len(a.ops)+alarmOpBytes > MaxTurnBytes {
		return ErrTurnTooLarge
	}
	_, wall := a.own.loop.Clock()
	c := alarmChange{at: max(ms, wall), set: true}
	if t := a.txn; t != nil {
		t.alarm = &c
		return nil
	}
	a.changeAlarm(c, !o.AllowUnconfirmed || a.alarm != nil)
	return nil
}

// Alarm returns the moment of the object's alarm in milliseconds since 1970 (UTC), and whether one is set. While the handler
// runs there is none, unless one was set meanwhile. Between a run that failed and its retry it is the moment that was
// set.
func (s *Storage) Alarm() (ms int64, set bool, err error) {
	if err := s.readable(); err != nil {
		return 0, false, err
	}
	for t := s.a.txn; t != nil; t = t.outer {
		if t.alarm != nil {
			return t.alarm.at, t.alarm.set, nil
		}
	}
	al := s.a.own.alarms.of(s.a.rec)
	if al == nil || al.state == alarmRuns {
		return 0, false, nil
	}
	return al.at, true, nil
}

// DeleteAlarm removes the alarm, if there is one. While the handler runs it removes what was set meanwhile; the running
// alarm is not cancelled, and is not tried again if it fails, unless the process ends before it has. Between a run that failed and
// its retry it ends the retries.
func (s *Storage) DeleteAlarm(o WriteOptions) error {
	if err := s.writable(); err != nil {
		return err
	}
	a := s.a
	if len(a.ops)+alarmOpBytes > MaxTurnBytes {
		return ErrTurnTooLarge
	}
	if t := a.txn; t != nil {
		t.alarm = new(alarmChange)
		return nil
	}
	a.changeAlarm(alarmChange{}, !o.AllowUnconfirmed || a.alarm != nil)
	return nil
}

// alarmChange is what a program does to its alarm: it sets or deletes it.
type alarmChange struct {
	at  int64
	set bool
}

// alarmOpBytes is more than an operation on an alarm takes in a record.
const alarmOpBytes = 32

// changeAlarm changes the alarm in the running turn.
func (a *actor) changeAlarm(c alarmChange, confirmed bool) {
	o := a.own
	al := o.alarms.of(a.rec)
	switch {
	case c.set:
		o.undo.saveAlarm(a)
		o.alarms.forgive(a.slot)
		if al == nil {
			al = o.alarms.add(a.rec, a.slot)
		}
		o.alarms.disarm(al)
		o.alarms.inLog(al)
		replaced := al.state == alarmRuns || al.state == alarmReplaced
		al.at, al.next, al.retries, al.backoff, al.flags = c.at, c.at, 0, 0, 0
		if replaced {
			al.state = alarmReplaced // it waits for the end of the run
		} else {
			o.armAlarm(a.rec.alarm)
		}
		a.ops = redo.AppendSetAlarm(a.ops, c.at)
	case al != nil && al.state == alarmRuns:
		o.undo.saveAlarm(a)
		al.flags |= alarmForsaken
		return
	case al != nil && al.state == alarmReplaced:
		// What is set is the running one again: if the process ends now, it must run once more.
		o.undo.saveAlarm(a)
		run := a.alarm.Alarm
		al.state, al.at, al.next, al.retries = alarmRuns, run.ScheduledTime, run.ScheduledTime, uint8(run.RetryCount)
		al.flags |= alarmForsaken
		a.ops = redo.AppendRetryAlarm(a.ops, al.at, uint32(al.retries), al.next)
	case al != nil || o.alarms.failed[a.slot] != nil:
		o.undo.saveAlarm(a)
		o.clearAlarm(a.slot)
		o.alarms.forgive(a.slot)
		a.ops = redo.AppendDeleteAlarm(a.ops)
	default:
		return
	}
	a.wrote(confirmed)
}
