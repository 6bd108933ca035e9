package engine

import (
	"math/bits"
	"math/rand/v2"

	"everloop/engine/redo"
	"everloop/loop"
	"everloop/loop/wheel"
)

// The alarms of one loop. One that is set costs 60 bytes beside its record: an entry here, which the record knows by its
// place, and a node in a wheel, neither with a pointer in it. The wheel is on the wall clock; one timer of the loop
// wakes it for the next alarm.
//
// What is due is not started at once. A loop runs so many alarms at a time, and starts so many a round, as long as the round is young,
// so that a million that are due together neither need a million instances nor keep others waiting, whatever their handlers cost: the
// rest stay in the wheel.

const (
	// alarmSlice is how many alarms a round starts at most.
	alarmSlice = 64
	// alarmStep is how many are started, and run as far as they get, before the clock is read again.
	alarmStep = 4
	// alarmRoundMS is the age of a round at which it starts no more. Each round starts a step, however old it is.
	alarmRoundMS = 2
	// alarmSteps bounds what the wheel does beside that for each step.
	alarmSteps = 4096
	// alarmScanSlice is how many entries a round looks at for a class that has become known.
	alarmScanSlice = 4096
	// alarmPatienceMS is how long a run counts for MaxAlarms. One that has not ended by then most likely waits for something outside, and
	// a thousand of them must not keep all others of the loop waiting for AlarmTimeout. So that they do not need a million instances
	// either, maxSlowAlarms times MaxAlarms stop counting at most.
	alarmPatienceMS = 10_000
	maxSlowAlarms   = 16
)

// alarmState is where an alarm is between being set and being done with.
type alarmState uint8

const (
	alarmWaits    alarmState = iota + 1 // for its time, or for its class to be registered
	alarmFired                          // its event is on its way to the object
	alarmRuns                           // the handler is running
	alarmReplaced                       // the handler is running, and another one was set meanwhile
)

const (
	alarmUncounted uint8 = 1 << iota // the last failure was none of the program's
	alarmOverdue                     // it was due at the start: its last run may have ended the process
	alarmMarked                      // the log counts the run that is under way as failed
	alarmForsaken                    // the run that is under way was deleted, and is not to be tried again
	alarmByHand                      // it is run before its moment
	alarmUnlogged                    // the log has another moment for its next run: alarms.unlogged
)

// alarm is the alarm of one object. While state is alarmRuns, at, next and retries are those of the running one.
type alarm struct {
	at      int64        // the moment that it was set for
	next    int64        // when it is due: at, or the moment of the retry
	timer   wheel.Handle // 0 where it waits for nothing, or for its class
	slot    uint32       // of its record; of a free entry, the next free one
	state   alarmState   // 0: the entry is free
	retries uint8        // runs that have failed and count
	backoff uint8        // failures in a row, of one kind
	flags   uint8
}

// alarms is owned by its loop.
type alarms struct {
	wheel *wheel.Wheel[uint32] // of the places of those that wait; nil until there is one
	slabs []*[slabSize]alarm   // place 0 is never used
	used  uint32               // places that ever were
	free  uint32               // the first free place, or 0

	wake   loop.Timer // wakes the loop for the next one
	wakeAt int64

	running int  // those that count for MaxAlarms
	slow    int  // those that do not any more
	backlog bool // more are due than were started
	pumping bool // a task that starts some of them is in the mailbox
	fire    func(place uint32)
	watches map[*Event]*alarmWatch // of runs that did not end in one turn
	rand    *rand.Rand             // for how long retries are put off

	failed  map[uint32]*alarmFailure // those that were given up, by record
	notes   []*alarmFailure          // the same; a failure knows its place
	waiting map[uint32][]func(error) // who waits for the end of a run, by record
	// unlogged is when the next run is due according to the log, by record, for those that have alarmUnlogged.
	unlogged map[uint32]int64
	metrics  *metrics
}

func (o *owner) initAlarms(m *metrics, seed uint64) {
	o.alarms = alarms{
		used:    1,
		fire:    o.fireAlarm,
		watches: make(map[*Event]*alarmWatch),
		rand:    rand.New(rand.NewPCG(seed, uint64(o.index))),
		failed:  make(map[uint32]*alarmFailure),
		waiting: make(map[uint32][]func(error)),
		metrics: m,

		unlogged: make(map[uint32]int64),
	}
}

func (s *alarms) at(place uint32) *alarm { return &s.slabs[place/slabSize][place%slabSize] }

// of returns the alarm of an object, or nil.
func (s *alarms) of(r *record) *alarm {
	if r.alarm == 0 {
		return nil
	}
	return s.at(r.alarm)
}

// add makes the entry of an object that has none.
func (s *alarms) add(r *record, slot uint32) *alarm {
	place := s.free
	if place == 0 {
		place = s.used
		s.used++
		if int(place/slabSize) == len(s.slabs) {
			s.slabs = append(s.slabs, new([slabSize]alarm))
		}
	} else {
		s.free = s.at(place).slot
	}
	al := s.at(place)
	*al = alarm{slot: slot, state: alarmWaits}
	r.alarm = place
	s.metrics.alarms.Add(1)
	return al
}

// disarm makes an alarm wait for nothing.
func (s *alarms) disarm(al *alarm) {
	if al.timer != 0 {
		s.wheel.Cancel(al.timer)
		al.timer = 0
	}
}

// clearAlarm removes the alarm of an object, if it has one.
func (o *owner) clearAlarm(slot uint32) {
	r, s := o.table.at(slot), &o.alarms
	if r.alarm == 0 {
		return
	}
	al := s.at(r.alarm)
	s.disarm(al)
	s.inLog(al)
	*al = alarm{slot: s.free}
	s.free, r.alarm = r.alarm, 0
	s.metrics.alarms.Add(-1)
}

// armAlarm makes an alarm wait for its next moment.
func (o *owner) armAlarm(place uint32) {
	s := &o.alarms
	al, wall := s.at(place), o.loop.Wall()
	if s.wheel == nil {
		s.wheel = wheel.New[uint32](wall)
	}
	s.wheel.Rewind(wall)
	al.state = alarmWaits
	al.timer = s.wheel.Insert(al.next, place)
	o.wakeForAlarms()
}

// wakeForAlarms sees to it that the loop wakes up for the next alarm.
func (o *owner) wakeForAlarms() {
	s := &o.alarms
	if s.pumping || s.backlog {
		return // the wheel is looked at anyway
	}
	next, some := s.wheel.Next()
	if !some || s.wake != 0 && s.wakeAt <= next {
		return
	}
	s.wakeAt = next
	if !o.loop.Rearm(s.wake, next) {
		s.wake = o.loop.AtWall(next, (*alarmWake)(o))
	}
}

// alarmWake is the task of the timer.
type alarmWake owner

func (t *alarmWake) Run() {
	o := (*owner)(t)
	o.alarms.wake = 0
	if !o.alarms.pumping {
		o.pumpAlarms()
	}
}

// alarmPump is the task that goes on with a backlog.
type alarmPump owner

func (t *alarmPump) Run() {
	o := (*owner)(t)
	o.alarms.pumping = false
	o.pumpAlarms()
}

// pumpAlarms starts what is due, as far as the bounds go. Called as a task.
func (o *owner) pumpAlarms() {
	s := &o.alarms
	if o.eng.closing.Load() || o.eng.log.Err() != nil {
		return // what is due runs after the next start
	}
	wall := o.loop.Wall()
	s.wheel.Rewind(wall)
	for started := 0; ; started += alarmStep {
		s.backlog = s.wheel.AdvanceUpTo(wall, alarmSteps, min(o.eng.opts.MaxAlarms-s.running, alarmStep), s.fire)
		o.drain()
		if !s.backlog {
			o.wakeForAlarms()
			return
		}
		if s.running >= o.eng.opts.MaxAlarms {
			return // the end of one of them goes on
		}
		if now, _ := o.loop.Clock(); started+alarmStep >= alarmSlice || now-o.loop.Now() >= alarmRoundMS || o.ready.len() > 0 {
			o.morePumping()
			return
		}
	}
}

// morePumping has the next round start some of the backlog.
func (o *owner) morePumping() {
	if !o.alarms.pumping {
		o.alarms.pumping = o.loop.Post((*alarmPump)(o))
	}
}

// alarmScan is the task that lets the alarms of a class run that has become known, a slice a round.
type alarmScan struct {
	own   *owner
	class uint32
	place uint32
}

func (t *alarmScan) Run() {
	o := t.own
	s := &o.alarms
	wall := o.loop.Wall()
	for end := min(t.place+alarmScanSlice, s.used); t.place < end; t.place++ {
		if t.place == 0 {
			continue
		}
		al := s.at(t.place)
		if al.state != alarmWaits || al.timer != 0 || o.table.at(al.slot).class != t.class {
			continue
		}
		if al.retries > maxAlarmRetries {
			o.giveUpAlarm(al.slot, al, uint32(al.retries), errAlarmInterrupted)
			continue
		}
		if al.next <= wall {
			al.flags |= alarmOverdue
		}
		o.armAlarm(t.place)
	}
	if t.place < s.used {
		o.loop.Post(t)
	}
}

// inLog notes that the log has what the alarm has.
func (s *alarms) inLog(al *alarm) {
	if al.flags&alarmUnlogged != 0 {
		al.flags &^= alarmUnlogged
		delete(s.unlogged, al.slot)
	}
}

// notInLog notes what the log has as the moment of the next run.
func (s *alarms) notInLog(al *alarm, next int64) {
	al.flags |= alarmUnlogged
	s.unlogged[al.slot] = next
}

// appendAlarm appends the operation that leaves the alarm of an object as the log's own records do, for a snapshot: what has
// happened to it without a record is lost with the process.
func (o *owner) appendAlarm(dst []byte, slot uint32) []byte {
	s := &o.alarms
	al := s.of(o.table.at(slot))
	if al == nil {
		if f := s.failed[slot]; f != nil {
			dst = redo.AppendFailAlarm(dst, f.at, f.runs, f.when, f.err)
		}
		return dst
	}
	retries, next := uint32(al.retries), al.next
	if al.flags&alarmMarked != 0 {
		retries++
	}
	if al.flags&alarmUnlogged != 0 {
		next = s.unlogged[slot]
	}
	if retries == 0 && next == al.at {
		return redo.AppendSetAlarm(dst, al.at)
	}
	return redo.AppendRetryAlarm(dst, al.at, retries, next)
}

// replayAlarm applies an operation that the log has.
func (o *owner) replayAlarm(slot uint32, op *redo.Ops) {
	r, s := o.table.at(slot), &o.alarms
	switch op.Op {
	case redo.OpDeleteAlarm:
		o.clearAlarm(slot)
		s.forgive(slot)
	case redo.OpFailAlarm:
		o.clearAlarm(slot)
		s.remember(&alarmFailure{slot: slot, at: op.TimeMs, runs: op.Runs, when: op.NextMs, err: string(op.Error)})
	default:
		al := s.of(r)
		if al == nil {
			al = s.add(r, slot)
		}
		s.forgive(slot)
		al.at, al.next, al.retries = op.TimeMs, op.TimeMs, 0
		if op.Op == redo.OpRetryAlarm {
			al.next, al.retries = op.NextMs, uint8(min(op.Runs, 1<<8-1))
		}
		al.backoff = min(al.retries, maxAlarmBackoff)
	}
}

// undoAlarm is the alarm of an object as it was before the running turn.
type undoAlarm struct {
	a    *actor
	had  bool
	was  alarm
	note *alarmFailure
	// logged is what unlogged has of it.
	logged int64
}

// saveAlarm notes the alarm before the turn's first change of it.
func (u *undoLog) saveAlarm(a *actor) {
	for i := range u.alarms {
		if u.alarms[i].a == a {
			return
		}
	}
	s := &a.own.alarms
	e := undoAlarm{a: a, note: s.failed[a.slot], logged: s.unlogged[a.slot]}
	if al := s.of(a.rec); al != nil {
		e.had, e.was = true, *al
	}
	u.alarms = append(u.alarms, e)
}

// restoreAlarm makes the alarm what it was.
func (o *owner) restoreAlarm(e *undoAlarm) {
	s := &o.alarms
	o.clearAlarm(e.a.slot)
	s.forgive(e.a.slot)
	if e.had {
		al := s.add(e.a.rec, e.a.slot)
		waited := e.was.timer != 0
		*al = e.was
		al.timer = 0
		if al.flags&alarmUnlogged != 0 {
			s.notInLog(al, e.logged)
		}
		if waited {
			o.armAlarm(e.a.rec.alarm)
		}
	}
	if e.note != nil {
		s.remember(e.note)
	}
}

// late counts a run by how long after its moment it begins.
func (s *alarms) late(ms int64) {
	ms = max(0, ms)
	s.metrics.alarmDelay[min(bits.Len64(uint64(ms)), AlarmDelayBuckets-1)].Add(1)
	s.metrics.alarmDelayMS.Add(ms)
}
