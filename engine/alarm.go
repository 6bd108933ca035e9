package engine

import (
	"context"
	"errors"
	"time"
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

// SetAlarmMillis is SetAlarm with milliseconds since 1970 (UTC), and options.
func (s *Storage) SetAlarmMillis(ms int64, o WriteOptions) error { return errors.ErrUnsupported }

// Alarm returns the moment of the object's alarm in milliseconds since 1970 (UTC), and whether one is set. While the handler
// runs there is none, unless one was set meanwhile. Between a run that failed and its retry it is the moment that was
// set.
func (s *Storage) Alarm() (ms int64, set bool, err error) { return 0, false, errors.ErrUnsupported }

// DeleteAlarm removes the alarm, if there is one. While the handler runs it removes what was set meanwhile; the running
// alarm is not cancelled, and is tried again if it fails. Between a run that failed and its retry it ends the retries.
func (s *Storage) DeleteAlarm(o WriteOptions) error { return errors.ErrUnsupported }

// DeleteAllOptions are options of DeleteAllWith. The zero value is what almost everybody wants.
type DeleteAllOptions struct {
	// KeepAlarm keeps the alarm, as Cloudflare did before the compatibility date 2026-02-24.
	KeepAlarm bool
}

// DeleteAllWith is DeleteAll with options.
func (s *Storage) DeleteAllWith(o DeleteAllOptions) error { return s.DeleteAll() }

// AbortOptions are options of AbortWith.
type AbortOptions struct {
	// NoAlarmRetry gives up the alarm that is running, rather than trying it again. One that was set meanwhile stays.
	NoAlarmRetry bool
}

// AbortWith is Abort with options.
func (s *State) AbortWith(reason error, o AbortOptions) { s.Abort(reason) }

// FailedAlarm is an alarm that was given up: it has failed as often as is allowed. It is remembered until the object sets or
// deletes its alarm, or [Engine.RunAlarm] runs it again.
type FailedAlarm struct {
	Class string
	ID    ID // with its name, if it has one
	// Runs is how often it has run, ScheduledTime what it was set for, and FailedAt when it was given up, in milliseconds since
	// 1970 (UTC).
	Runs          int
	ScheduledTime int64
	FailedAt      int64
	// Err is the message of the last failure, cut off at 1 KiB.
	Err string
}

// FailedAlarms calls yield with the alarms that were given up, in no order, until it returns false. yield runs on the calling
// goroutine, which is none of a loop's; the loops are asked for a slice at a time. Alarms that fail or are set while it
// runs may be missed.
func (e *Engine) FailedAlarms(ctx context.Context, yield func(FailedAlarm) bool) error {
	return errors.ErrUnsupported
}

// RunAlarm runs the alarm of an object now, whatever it is set for: one that is set, that waits for a retry, or that was given
// up, which begins anew with all its retries. It returns when the run has ended and that is durable, with the error of the handler. ErrNoAlarm
// if there is none. It is called from a goroutine of the embedding program.
func (e *Engine) RunAlarm(ctx context.Context, class string, id ID) error {
	return errors.ErrUnsupported
}
