package engine

// What waits for one object is bounded three ways, so that an object that does not keep up costs its callers an error and
// nobody memory: by count, by size and by time. The texts are Cloudflare's.
const (
	tooManyQueued  = "Durable Object is overloaded. Too many requests queued."
	tooMuchQueued  = "Durable Object is overloaded. Too much data queued."
	queuedTooLong  = "Durable Object is overloaded. Requests queued for too long."
	tooManyOfEvent = "Too many calls are under way that others make to one event of an entry point."
)

// crowded answers an event that finds too much else waiting for its object.
func (o *owner) crowded(a *actor, ev *Event) bool {
	var why string
	switch opts := &o.eng.opts; {
	case a.queue.len()+len(a.inflight)+a.retiring.len() >= opts.MaxEvents:
		why = tooManyQueued
	case a.queuedBytes > 0 && a.queuedBytes+ev.size() > opts.MaxQueuedBytes:
		why = tooMuchQueued
	case a.queuedBytes > 0 && o.late(a.waitsSince()):
		why = queuedTooLong
	default:
		return false
	}
	ev.phase = phaseServe
	ev.answered = true
	drop(ev.Caps)
	ev.reply = Reply{Err: a.overloaded(ev, why)}
	o.routeReply(ev)
	return true
}

func (a *actor) overloaded(ev *Event, why string) *Error {
	err := overloaded(why)
	err.Class, err.Object, err.Method = a.class.name, a.id.String(), ev.Name()
	return err
}

// late reports whether an event that has waited since then waits too long.
func (o *owner) late(since int64) bool { return o.loop.Now()-since > o.queueMS }

// admit puts an event into the queue of its object.
func (a *actor) admit(sec *section, ev *Event) {
	a.queuedBytes += ev.size()
	ev.since = a.own.loop.Now()
	a.enqueue(sec, ev)
}

// size is what an event counts for while it waits, in bytes. It is never 0.
func (ev *Event) size() int {
	n := 1 + len(ev.Args)
	for _, c := range ev.Caps {
		if s, ok := c.(Sized); ok {
			n += s.Size()
		}
	}
	if ev.Socket != nil && ev.Socket.Message != nil {
		n += len(ev.Socket.Message.Data)
	}
	if ev.Request != nil {
		n += ev.Request.Body.Len()
	}
	return n
}

// waitsSince is when the event came that has waited longest, or now.
func (a *actor) waitsSince() int64 {
	if a.retiring.len() > 0 {
		return a.retiring.waiting[0].since
	}
	for _, s := range a.queue.items[a.queue.head:] {
		if ev, ok := s.(*Event); ok && ev.phase == phaseCall {
			return ev.since
		}
	}
	return a.own.loop.Now()
}
