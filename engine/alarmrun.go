package engine

import (
	"errors"
	"time"

	"everloop/engine/redo"
	"everloop/loop"
	"everloop/wal"
)

// A run of an alarm is an event like others, from start to alarmEnded. If its handler succeeds, the record of its last turn
// deletes the alarm. If it fails, the alarm stays and is tried again after 2 s, 4 s, 8 s and so on, up to 1,024 s, and up to a
// quarter more. Failures of the program count: after six retries the alarm is given up. Those that are not the program's fault (the
// log has failed, the disk is full, the engine closes, the code is replaced, too much waits for the object) do not.

const (
	maxAlarmRetries = 6
	maxAlarmBackoff = 9
	alarmBackoffMS  = 2000
	// maxAlarmError bounds the message that is remembered of an alarm that was given up.
	maxAlarmError = 1024
)

var (
	// errAlarmMoved ends a run that did not begin, as the alarm was set anew or deleted while its event waited.
	errAlarmMoved = errors.New("engine: the alarm was set anew or deleted before it ran")
	// errAlarmInterrupted is the failure of an alarm whose runs never came to an end.
	errAlarmInterrupted = errors.New("The process ended while the alarm was running.")
	// errNoHandler is the failure of an alarm that was set in a constructor and has no handler. The text is workerd's.
	errNoHandler = errors.New("Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?")
)

// alarmTimeUp is what a handler fails with that runs for too long. The text is workerd's.
const alarmTimeUp = "Alarm exceeded its allowed execution time"

// alarmEvent is an event with what it carries.
type alarmEvent struct {
	Event
	info AlarmInfo
}

// fireAlarm starts an alarm whose time has come. The wheel calls it.
func (o *owner) fireAlarm(place uint32) {
	al := o.alarms.at(place)
	al.timer = 0
	if k := (*o.eng.byNumber.Load())[o.table.at(al.slot).class]; k != nil {
		o.startAlarm(k, al)
	}
}

// startAlarm sends the object the event of its alarm. The caller drains.
func (o *owner) startAlarm(k *class, al *alarm) {
	al.state = alarmFired
	o.alarms.running++
	x := &alarmEvent{info: AlarmInfo{RetryCount: int(al.retries), ScheduledTime: al.at}}
	ev := &x.Event
	ev.Kind, ev.Alarm, ev.class, ev.home = EventAlarm, &x.info, k, o
	ev.id = ID{bytes: o.table.at(al.slot).id, key: k.key}
	if al.flags&alarmOverdue == 0 {
		o.deliverAlarm(ev, nil)
		return
	}
	// Its last run may be what has ended the process. The log counts this one as failed before it begins, so that an alarm
	// which always does that is given up at last.
	al.flags |= alarmMarked
	o.alarms.inLog(al)
	lsn, err := o.logAlarm(al.slot, redo.AppendRetryAlarm(nil, al.at, uint32(al.retries)+1, al.next))
	if err != nil {
		o.deliverAlarm(ev, err)
		return
	}
	o.hold(lsn, func(err error) { o.deliverAlarm(ev, err) })
}

// deliverAlarm brings the event to its object, or ends it with an error.
func (o *owner) deliverAlarm(ev *Event, err error) {
	r, _ := o.table.find(ev.class.number, &ev.id)
	if al := o.alarmOf(r); err == nil && (al == nil || al.state != alarmFired) {
		err = errAlarmMoved
	}
	if err != nil {
		ev.answered, ev.reply = true, Reply{Err: err}
		o.alarmEnded(ev)
		return
	}
	asleep := r.live == nil
	o.accept(ev)
	if asleep && r.live != nil {
		r.live.onlyAlarm = true
	}
}

// alarmOf is alarms.of for a record that may be nil.
func (o *owner) alarmOf(r *record) *alarm {
	if r == nil {
		return nil
	}
	return o.alarms.of(r)
}

// deliverAlarm starts the handler, unless there is nothing to run any more. It is the beginning of a turn.
func (a *actor) deliverAlarm(ev *Event) {
	o, al := a.own, a.own.alarms.of(a.rec)
	h, asked := a.object.(AlarmHandler)
	switch {
	case al == nil || al.state != alarmFired:
		ev.answered, ev.reply = true, Reply{Err: errAlarmMoved}
		o.alarmEnded(ev)
		return
	case al.next > o.loop.Wall() && al.flags&alarmByHand == 0:
		// The clock was set back while the event waited.
		o.armAlarm(a.rec.alarm)
		ev.answered, ev.reply = true, Reply{Err: errAlarmMoved}
		o.alarmEnded(ev)
		return
	case asked && !h.HandlesAlarm():
		ev.answered, ev.reply = true, Reply{Err: errNoHandler}
		o.alarmEnded(ev)
		return
	}
	al.state, a.alarm = alarmRuns, ev
	al.flags &^= alarmByHand
	*ev.Alarm = AlarmInfo{RetryCount: int(al.retries), ScheduledTime: al.at}
	o.alarms.late(o.loop.Wall() - al.next)
	a.takeUp(ev)
	o.eng.metrics.events.Add(1)
	if a.out != nil {
		a.out.made = 0
	}
	a.object.Deliver(ev)
	if ev.answered {
		return
	}
	w := &alarmWatch{ev: ev, due: o.loop.Due(o.eng.opts.AlarmTimeout)}
	o.alarms.watches[ev] = w
	w.arm()
}

// alarmWatch is the task that looks after a run which did not end in one turn. Owned by its loop.
type alarmWatch struct {
	ev    *Event
	due   int64 // when the handler has taken too long
	timer loop.Timer
	slow  bool // the run does not count any more
}

// arm has the run looked at again.
func (w *alarmWatch) arm() {
	l := w.ev.actor.own.loop
	w.timer = l.At(min(w.due, l.Due(alarmPatienceMS*time.Millisecond)), w)
}

func (w *alarmWatch) Run() {
	o := w.ev.actor.own
	if o.loop.Now() >= w.due {
		o.ready.push(entryStep{w.timeUp})
		o.drain()
		return
	}
	if s := &o.alarms; !w.slow && s.slow < maxSlowAlarms*o.eng.opts.MaxAlarms {
		w.slow = true
		s.running--
		s.slow++
		if s.backlog {
			o.morePumping()
		}
	}
	w.arm()
}

// timeUp resets an object whose handler takes too long.
func (w *alarmWatch) timeUp() {
	ev, a := w.ev, w.ev.actor
	if ev.answered || a.dead {
		return
	}
	err := overloaded(alarmTimeUp)
	err.Class, err.Object, err.Method = a.class.name, a.id.String(), ev.Name()
	a.reset(err.asReset())
}

// alarmSucceeded deletes the alarm whose handler has just succeeded, in the record of the running turn. If the turn is taken
// back, so is this.
func (a *actor) alarmSucceeded() {
	al := a.own.alarms.of(a.rec)
	if al == nil {
		return
	}
	a.own.undo.saveAlarm(a)
	a.alarm = nil
	switch al.state {
	case alarmRuns:
		a.own.clearAlarm(a.slot)
		a.ops = redo.AppendDeleteAlarm(a.ops)
		a.wrote(true)
	case alarmReplaced:
		a.own.armAlarm(a.rec.alarm)
	}
}

// alarmEnded takes the end of a run, however it came about.
func (o *owner) alarmEnded(ev *Event) {
	s := &o.alarms
	ev.phase = phaseDone
	err := ev.reply.Err
	ev.reply = Reply{}
	if w := s.watches[ev]; w != nil {
		delete(s.watches, ev)
		o.loop.Cancel(w.timer)
		if w.slow {
			s.slow--
			s.running++
		}
	}
	s.running--
	a := ev.actor
	began := a != nil && a.alarm == ev
	if began {
		a.alarm = nil
	}
	r, slot := o.table.find(ev.class.number, &ev.id)
	switch {
	case err == nil:
		s.metrics.alarmRuns.Add(1)
	case err == errAlarmMoved:
	case o.alarmOf(r) != nil:
		s.metrics.alarmRuns.Add(1)
		o.alarmFailed(ev, slot, err, began)
	}
	if r != nil {
		o.tellAlarm(r, slot, err)
		if r.live == nil {
			o.letGo(slot)
		}
	}
	if !s.backlog {
		return
	}
	o.morePumping()
	if a != nil && a.onlyAlarm && !a.dead {
		// Others wait: this instance must not stay for IdleTimeout, or a million of them might.
		o.ready.push((*alarmRest)(a))
	}
}

// alarmRest evicts an instance that was woken for an alarm only, and has nothing to do.
type alarmRest actor

func (t *alarmRest) turn() {
	if a := (*actor)(t); a.restful() {
		a.own.evict(a)
	}
}

// alarmFailed decides what becomes of an alarm whose run has failed.
func (o *owner) alarmFailed(ev *Event, slot uint32, err error, began bool) {
	s, al := &o.alarms, o.alarms.of(o.table.at(slot))
	log := o.eng.logger.With("class", ev.class.name, "object", ev.id.String(), "err", err)
	switch {
	case al.state == alarmReplaced:
		log.Warn("an alarm has failed; the one that was set meanwhile takes the place of its retry")
		o.armAlarm(o.table.at(slot).alarm)
		return
	case al.state != alarmRuns && al.state != alarmFired:
		return // the object has had it otherwise, in the turn that failed or before
	case al.state == alarmRuns && (ev.actor.dropAlarm || al.flags&alarmForsaken != 0):
		log.Warn("an alarm has failed, and is not tried again: it was aborted for good, or deleted while it ran")
		o.clearAlarm(slot)
		_, _ = o.logAlarm(slot, redo.AppendDeleteAlarm(nil))
		return
	}
	counts := !uncounted(err, began)
	if err == errNoHandler || counts && al.retries >= maxAlarmRetries {
		o.giveUpAlarm(slot, al, uint32(al.retries)+1, err)
		return
	}
	_, wall := o.loop.Clock()
	delay := al.delay(counts, s)
	logged := al.next
	al.next = max(wall+delay, al.at) // where the clock was set back during the run, its moment has to come again
	if counts {
		al.retries++
	}
	al.flags &^= alarmOverdue | alarmByHand
	if counts || al.flags&alarmMarked != 0 {
		al.flags &^= alarmMarked
		next := al.next
		if !counts {
			next = max(wall, al.at) // after a start nothing is known against trying it at once
		}
		_, _ = o.logAlarm(slot, redo.AppendRetryAlarm(nil, al.at, uint32(al.retries), next))
		s.inLog(al)
		logged = next
	}
	if logged != al.next && al.flags&alarmUnlogged == 0 {
		s.notInLog(al, logged)
	}
	s.metrics.alarmRetries.Add(1)
	log.Warn("an alarm has failed and is tried again", "retries", al.retries, "counted", counts, "in_ms", delay)
	o.armAlarm(o.table.at(slot).alarm)
}

// delay is how long a retry is put off. The steps begin anew when the kind of failure changes.
func (al *alarm) delay(counts bool, s *alarms) int64 {
	if was := al.flags&alarmUncounted == 0; was != counts {
		al.flags ^= alarmUncounted
		al.backoff = 0
	}
	base := int64(alarmBackoffMS) << min(al.backoff, maxAlarmBackoff)
	al.backoff = min(al.backoff+1, maxAlarmBackoff)
	return base + s.rand.Int64N(base/4+1)
}

// uncounted reports whether a failure is none of the program's.
func uncounted(err error, began bool) bool {
	var e *Error
	switch {
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrNoSpace), errors.Is(err, ErrBacklog), errors.Is(err, ErrClosed),
		errors.Is(err, ErrUpdated):
		return true
	case errors.As(err, &e):
		return !began && e.Overloaded && !e.Reset // it did not even get into the object's queue
	}
	return false
}

// giveUpAlarm removes an alarm that has failed too often, and remembers that.
func (o *owner) giveUpAlarm(slot uint32, al *alarm, runs uint32, err error) {
	_, wall := o.loop.Clock()
	text := err.Error()
	if len(text) > maxAlarmError {
		text = text[:maxAlarmError]
	}
	f := &alarmFailure{slot: slot, at: al.at, runs: runs, when: wall, err: text}
	o.clearAlarm(slot)
	o.alarms.remember(f)
	o.alarms.metrics.alarmsGiven.Add(1)
	_, _ = o.logAlarm(slot, redo.AppendFailAlarm(nil, f.at, f.runs, f.when, f.err))
	r := o.table.at(slot)
	class := ""
	if k := (*o.eng.byNumber.Load())[r.class]; k != nil {
		class = k.name
	}
	o.eng.logger.Error("an alarm has failed and is given up, until it is run by hand or set again",
		"class", class, "object", ID{bytes: r.id}.String(), "runs", runs, "err", err)
}

// logAlarm gives the log a record of an object that no turn of it has written. If the log does not take it, what it says is forgotten
// with the process: a count of retries is lower then, and an alarm that was given up runs once more.
func (o *owner) logAlarm(slot uint32, ops []byte) (wal.LSN, error) {
	r := o.table.at(slot)
	o.scratch = append(redo.AppendObject(o.scratch[:0], r.class, &r.id), ops...)
	lsn, err := o.eng.log.Append(o.index, o.scratch)
	if err != nil {
		if o.eng.log.Err() == nil {
			o.eng.logger.Warn("the log does not take the state of an alarm", "object", ID{bytes: r.id}.String(), "err", err)
			return 0, ErrBacklog
		}
		return 0, ErrUnavailable
	}
	r.lsn = lsn
	if r.live != nil {
		r.live.raise(lsn)
	}
	return lsn, nil
}
