package enginetest

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
)

// The alarm of an object is part of its content, under keys that no program uses, so that it is part of its versions, of what
// is taken back, and of what a crash leaves.
const (
	alarmKey   = "\x00alarm"   // what it is set for
	retriesKey = "\x00retries" // as the log counts them, if any
	nextKey    = "\x00next"    // when it is due again, after a failure that the log has
	failedKey  = "\x00failed"  // the runs of one that was given up
)

const (
	maxRetries = 6
	firstDelay = 2000
)

// run is a run of an object's alarm.
type run struct {
	in       *instance
	at       uint64
	retries  uint64
	replaced bool // another alarm was set meanwhile
	over     bool
}

// ringing is the run that is under way, or nil.
func (o *object) ringing() *run {
	if r := o.run; r != nil && !r.over && !r.in.gone() {
		return r
	}
	return nil
}

// setAlarm makes at, or nothing, the alarm of the object.
func (o *object) setAlarm(at *uint64) {
	r := o.ringing()
	o.dropped = o.dropped || at == nil && r != nil // the turn may be taken back: then it is tried again
	switch {
	case at != nil:
		o.clearAlarm()
		o.content[alarmKey] = *at
		o.retries = 0
		if r != nil {
			r.replaced = true
		}
	case r == nil:
		o.clearAlarm()
		o.retries = 0
	case r.replaced:
		// What is set is the running one again.
		o.content[alarmKey], o.content[nextKey] = r.at, r.at
		if o.retries = r.retries; o.retries > 0 {
			o.content[retriesKey] = o.retries
		}
		r.replaced = false
	}
}

func (o *object) clearAlarm() {
	for _, k := range []string{alarmKey, retriesKey, nextKey, failedKey} {
		delete(o.content, k)
	}
}

// replayAlarm applies an operation on an alarm to a content.
func (c content) replayAlarm(op *redo.Ops) {
	for _, k := range []string{alarmKey, retriesKey, nextKey, failedKey} {
		delete(c, k)
	}
	switch op.Op {
	case redo.OpSetAlarm:
		c[alarmKey] = uint64(op.TimeMs)
	case redo.OpRetryAlarm:
		c[alarmKey], c[nextKey] = uint64(op.TimeMs), uint64(op.NextMs)
		if op.Runs > 0 {
			c[retriesKey] = uint64(op.Runs)
		}
	case redo.OpFailAlarm:
		c[failedKey] = uint64(op.Runs)
	}
}

// is reports whether two contents are the same. An alarm that is due when it was set for, with no retries, is that whether the log
// says it as one that was just set or as one that was put off.
func (c content) is(o content) bool { return maps.Equal(c.plain(), o.plain()) }

func (c content) plain() content {
	_, again := c[retriesKey]
	if next, ok := c[nextKey]; !ok || again || next != c[alarmKey] {
		return c
	}
	c = maps.Clone(c)
	delete(c, nextKey)
	return c
}

// stored leaves out what is not stored under a key.
func (c content) stored() content {
	s := content{}
	for k, v := range c {
		if !strings.HasPrefix(k, "\x00") {
			s[k] = v
		}
	}
	return s
}

// alarm is the alarm as the instance must see it.
func (in *instance) alarm() (at uint64, set bool) {
	for i := len(in.txns) - 1; i >= 0; i-- {
		if v, changed := in.txns[i][alarmKey]; changed {
			if v == nil {
				return 0, false
			}
			return *v, true
		}
	}
	if r := in.obj.ringing(); r != nil && !r.replaced {
		return 0, false
	}
	at, set = in.obj.content[alarmKey]
	return at, set
}

func (t *thread) readAlarm() {
	want, there := t.in.alarm()
	at, set, err := t.in.store.Alarm()
	if err != nil || set != there || set && uint64(at) != want {
		t.w.fail(Wrong, "%s: the alarm of %s is %d, %t, %v; it is %d, %t", t.name, t.in.obj.name, at, set, err, want, there)
	}
}

// alarms sets or deletes the alarm.
func (t *thread) alarms() {
	in, w := t.in, t.w
	_, failed := in.obj.content[failedKey]
	if _, set := in.obj.content[alarmKey]; w.ill && (set || failed) {
		return // it is to fail until it is given up
	}
	o := engine.WriteOptions{AllowUnconfirmed: w.pick(4) == 3}
	confirmed := !o.AllowUnconfirmed || in.obj.ringing() != nil
	if t.fuel == 0 || w.pick(3) == 2 {
		if !t.took("deleteAlarm", in.store.DeleteAlarm(o)) {
			return
		}
		w.note("%s: deletes the alarm", t.name)
		if len(in.txns) > 0 {
			in.txns[len(in.txns)-1][alarmKey] = nil
			return
		}
		r := in.obj.ringing()
		if _, set := in.alarm(); !set && (r != nil || !failed) {
			in.obj.dropped = in.obj.dropped || r != nil
			return // nothing else to delete
		}
		in.wrote(confirmed)
		in.obj.setAlarm(nil)
		t.stamp()
		return
	}
	now := w.pool.Wall()
	at := now + []int64{-1000, 0, 1, 30, 2000, 100_000}[w.pick(6)]
	if !t.took("setAlarm", in.store.SetAlarmMillis(at, o)) {
		return
	}
	is := uint64(max(at, now))
	w.note("%s: sets the alarm to %d", t.name, is)
	if len(in.txns) > 0 {
		in.txns[len(in.txns)-1][alarmKey] = &is
		return
	}
	in.wrote(confirmed)
	in.obj.setAlarm(&is)
	t.stamp()
}

// Alarm is the handler.
func (in *instance) Alarm(_ context.Context, info engine.AlarmInfo) error {
	if in.w.over {
		return errOnPurpose
	}
	return in.rings(info, (*thread).program)
}

// rings runs a program as the handler.
func (in *instance) rings(info engine.AlarmInfo, program func(*thread) error) error {
	w, o := in.w, in.obj
	t := w.thread(in, fmt.Sprintf("alarm of %s for %d", o.name, info.ScheduledTime), 2, nil, in.st != nil)
	w.note("%s: begins, %d retries", t.name, info.RetryCount)
	at, set := o.content[alarmKey]
	now := uint64(w.pool.Wall())
	switch {
	case o.ringing() != nil:
		w.fail(Alarms, "%s: begins while another run is under way", t.name)
	case !set || at != uint64(info.ScheduledTime):
		w.fail(Alarms, "%s: begins, and it is set for %d, %t", t.name, at, set)
	case now < at || now < o.content[nextKey]:
		w.fail(Alarms, "%s: begins at %d, before its moment %d, %d", t.name, now, at, o.content[nextKey])
	case uint64(info.RetryCount) != o.retries:
		w.fail(Alarms, "%s: is told of %d retries, want %d", t.name, info.RetryCount, o.retries)
	}
	r := &run{in: in, at: at, retries: o.retries}
	o.run, o.dropped = r, false
	defer func() { r.over = true }() // also when the program panics
	t.begin()
	err := program(t)
	gone := t.gone()
	if err == nil && !gone && w.ill && w.pick(8) > 0 {
		err = t.error("the alarm fails")
	}
	if err == nil && !gone && !r.replaced {
		in.wrote(true) // the alarm goes with this turn
		o.clearAlarm()
		o.retries = 0
	}
	w.note("%s: ends: %v", t.name, err)
	t.end()
	return err
}

// alarmRecord takes a record that no turn of the object has written: how a run of its alarm has ended. It reports whether it is
// one.
func (w *world) alarmRecord(o *object, rec *redo.Record, lsn wal.LSN) bool {
	n := 0
	for ops := rec.Ops(); ops.Next(); n++ {
		if ops.Op < redo.OpSetAlarm || ops.Op > redo.OpFailAlarm {
			return false
		}
	}
	if o.inst != nil && o.inst.reset() {
		o.takeBack() // what a dead instance has written is not in any record
	}
	if o.pending != nil || n == 0 {
		return false
	}
	for ops := rec.Ops(); ops.Next(); {
		at, set := o.content[alarmKey]
		wall, was := w.pool.Wall(), uint64(ops.Runs)
		early := ops.Op == redo.OpRetryAlarm && ops.NextMs == ops.TimeMs && ops.TimeMs > wall // the clock was set back in the run
		if ops.Op != redo.OpDeleteAlarm && (!set || at != uint64(ops.TimeMs)) {
			w.fail(Alarms, "a run of the alarm of %s for %d ends with %v, and it is set for %d, %t", o.name, ops.TimeMs, ops.Op, at, set)
		}
		switch {
		case ops.Op == redo.OpRetryAlarm && was == o.retries && (early || ops.NextMs <= wall):
			// What was counted beforehand does not count.
		case ops.Op == redo.OpRetryAlarm && was == o.retries+1 && ops.NextMs <= wall && o.overdue:
			// It is counted before the run, as that may end the process.
		case ops.Op == redo.OpRetryAlarm && was == o.retries+1 && ops.NextMs > wall:
			longest := int64(firstDelay) << o.retries
			if d := ops.NextMs - wall; !early && (d < firstDelay || d > longest+longest/4) {
				w.fail(Alarms, "retry %d of the alarm of %s is put off by %d ms", was, o.name, d)
			}
			o.retries++
		case ops.Op == redo.OpFailAlarm && was == maxRetries+1 && (o.retries == maxRetries || o.retries == was):
			o.retries = 0
		case ops.Op == redo.OpDeleteAlarm && o.dropped:
			o.retries = 0
		default:
			w.fail(Alarms, "after %d retries the alarm of %s has record %v with %d, next %d at %d", o.retries, o.name, ops.Op, was, ops.NextMs, wall)
		}
		o.content.replayAlarm(&ops)
		w.note("record %d: %v of the alarm of %s, %d, next %d", lsn, ops.Op, o.name, was, ops.NextMs)
	}
	last := o.versions[len(o.versions)-1]
	o.versions = append(o.versions, version{n: last.n, content: maps.Clone(o.content), knows: last.knows, lsn: lsn})
	return true
}

// rung checks that no alarm is left when nothing is under way and its time has come.
func (w *world) rung() {
	if w.journal.Err() != nil {
		return // they run after the next start
	}
	for _, o := range w.objects {
		if at, set := o.content[alarmKey]; set {
			w.fail(Alarms, "the alarm of %s for %d has not run at %d, and nothing is under way", o.name, at, w.pool.Wall())
		}
	}
}
