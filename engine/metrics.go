package engine

import "sync/atomic"

// metrics are the engine's own counters. The loops write them without locks; anybody may read them.
type metrics struct {
	events    atomic.Int64
	live      atomic.Int64
	objects   atomic.Int64
	gated     atomic.Int64
	evictions atomic.Int64
	failures  atomic.Int64
	resets    atomic.Int64
	sent      atomic.Int64
	outgoing  atomic.Int64

	sockets      atomic.Int64
	hibernating  atomic.Int64
	alarms       atomic.Int64
	alarmRuns    atomic.Int64
	alarmRetries atomic.Int64
	alarmsFailed atomic.Int64
	alarmsGiven  atomic.Int64
	alarmDelay   [AlarmDelayBuckets]atomic.Int64
	alarmDelayMS atomic.Int64
}

// addCounts adds what a loop has counted by itself.
func (o *owner) addCounts() {
	c, m := &o.counts, &o.eng.metrics
	if c.events > 0 {
		m.events.Add(c.events)
		c.events = 0
	}
	if c.gated > 0 {
		m.gated.Add(c.gated)
		c.gated = 0
	}
	if c.failures > 0 {
		m.failures.Add(c.failures)
		c.failures = 0
	}
}

// AlarmDelayBuckets is the number of counts in Metrics.AlarmDelay.
const AlarmDelayBuckets = 32

// Metrics are the engine's counters at one moment.
type Metrics struct {
	Events    int64 // events delivered to objects and entry points
	Live      int64 // live instances now
	Objects   int64 // objects that the engine knows: with an instance, or at rest with something stored, an alarm or WebSockets
	Gated     int64 // answers that waited at an output gate
	Evictions int64 // idle instances dropped
	Failures  int64 // events answered with an error
	Resets    int64 // objects reset
	Sent      int64 // outgoing requests that left
	Outgoing  int64 // outgoing requests under way: waiting, sent, or with the body of their answer still coming

	WebSockets   int64 // open ends of WebSockets that objects and events hold
	Hibernating  int64 // those of objects that have no instance now
	Alarms       int64 // alarms that are set, those between two runs included
	AlarmRuns    int64 // runs of alarms that have ended
	AlarmRetries int64 // those that have failed, and are tried again
	AlarmsGiven  int64 // alarms that were given up
	FailedAlarms int64 // those of them that are remembered now
	// AlarmDelay counts runs by how long after the moment at which they were due they began: AlarmDelay[i] those below 2^i ms that are
	// in no count before; the last takes the rest. AlarmDelayMS is the sum.
	AlarmDelay   [AlarmDelayBuckets]int64
	AlarmDelayMS int64
}

// Metrics reads the counters. Safe from any goroutine.
func (e *Engine) Metrics() Metrics {
	m := &e.metrics
	got := Metrics{
		Events: m.events.Load(), Live: m.live.Load(), Objects: m.objects.Load(), Gated: m.gated.Load(),
		Evictions: m.evictions.Load(), Failures: m.failures.Load(), Resets: m.resets.Load(),
		Sent: m.sent.Load(), Outgoing: m.outgoing.Load(),
		WebSockets: m.sockets.Load(), Hibernating: m.hibernating.Load(),
		Alarms: m.alarms.Load(), AlarmRuns: m.alarmRuns.Load(), AlarmRetries: m.alarmRetries.Load(),
		AlarmsGiven: m.alarmsGiven.Load(), FailedAlarms: m.alarmsFailed.Load(), AlarmDelayMS: m.alarmDelayMS.Load(),
	}
	for i := range got.AlarmDelay {
		got.AlarmDelay[i] = m.alarmDelay[i].Load()
	}
	return got
}
