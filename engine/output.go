package engine

import (
	"runtime/debug"

	"everloop/engine/internal/mechanism"
	"everloop/loop"
	"everloop/wal"
)

// The output gate. An answer to a caller outside, a body chunk, a frame, work off the loop: whatever leaves
// the process waits here, on the loop that it leaves from, until the log says that everything which it could
// reveal is durable. Calls between objects do not come here: they carry their dependency instead.

// gated is something that waits to leave: an answer, or a function.
type gated struct {
	dep  wal.LSN
	ev   *Event
	hold func(error)

	// A call without an event has a replier and a value, which is borrowed.
	replier Replier
	value   []byte
}

func (o *owner) leave(g *gated, err error) {
	defer o.recoverLeave()
	if g.replier != nil {
		r := Reply{Value: g.value, Borrowed: len(g.value) <= maxBorrowed}
		if err != nil {
			r = Reply{Err: err}
		}
		g.replier.Reply(r)
		return
	}
	if g.hold != nil {
		g.hold(err)
		return
	}
	r := g.ev.reply
	g.ev.reply = Reply{} // the event may live longer, for the body of this very reply: it must not keep it
	if err != nil {
		r.drop()
		r = Reply{Err: err}
	}
	g.ev.phase = phaseDone
	if g.ev.stub != nil {
		g.ev.stub.note(r.Err)
	}
	g.ev.replier.Reply(r)
}

// recoverLeave keeps a protocol that panics on one answer from taking the others with it.
func (o *owner) recoverLeave() {
	if v := recover(); v != nil {
		o.eng.logger.Error("panic while an answer left", "panic", v, "stack", string(debug.Stack()))
	}
}

// exit lets an answer leave, now or when it may.
func (o *owner) exit(ev *Event) { o.gate(gated{dep: ev.dep, ev: ev}) }

// hold calls fn on this loop once dep is durable, or with an error if it never will be.
func (o *owner) hold(dep wal.LSN, fn func(error)) { o.gate(gated{dep: dep, hold: fn}) }

// gate reports whether it has left.
func (o *owner) gate(g gated) bool {
	if g.dep <= o.eng.log.Durable() || mechanism.Off.OutputGate {
		o.leave(&g, nil)
		return true
	}
	if o.eng.log.Err() != nil {
		o.leave(&g, ErrUnavailable)
		return true
	}
	o.gated = append(o.gated, g)
	o.hasGated.Store(true)
	o.demanded = true
	o.eng.metrics.gated.Add(1)
	// It may have become durable, or the log may have failed, between the look and the store, and then
	// nobody posts a release: look again.
	if g.dep <= o.eng.log.Durable() || o.eng.log.Err() != nil {
		o.loop.Post((*releaseTask)(o))
	}
	o.eng.log.Demand(g.dep)
	return false
}

// release lets out everything that has become durable, in the order in which it came.
func (o *owner) release() {
	if len(o.gated) == 0 {
		return
	}
	durable := o.eng.log.Durable()
	failed := o.eng.log.Err()
	waiting := o.gated
	// What leaves may bring more to the gate; it is collected apart.
	o.gated = o.spareGated[:0]
	kept := waiting[:0]
	for i := range waiting {
		g := waiting[i]
		switch {
		case g.dep <= durable:
			o.leave(&g, nil)
		case failed != nil:
			o.leave(&g, ErrUnavailable)
		default:
			kept = append(kept, g)
		}
	}
	kept = append(kept, o.gated...)
	clear(o.gated)
	clear(waiting[min(len(kept), len(waiting)):])
	o.spareGated = o.gated[:0]
	o.gated = kept
	if len(kept) == 0 {
		o.hasGated.Store(false)
		o.arena = o.arena[:0]
	}
}

// releaseTask is release as a task.
type releaseTask owner

func (t *releaseTask) Run() {
	o := (*owner)(t)
	o.release()
	o.drain()
}

// onRound runs at the end of the loop's round. With one loop the log commits inside EndRound while syncs are
// short, so what the round did leaves in the same round.
func (o *owner) onRound() {
	o.addCounts()
	if o.demanded || len(o.gated) > 0 {
		o.demanded = false
		o.inCommit.Store(true)
		o.eng.log.EndRound(o.index)
		o.inCommit.Store(false)
		o.release()
		o.drain()
		if o.demanded {
			// What left has brought new work, and that waits already. It gets a round of its own, so that
			// whatever has come in meanwhile shares its commit.
			o.loop.Post(nextRound)
		}
	}
	if len(o.pipes) > 0 {
		o.sendPipes()
	}
}

// nextRound is a task that does nothing: the round that it causes does.
var nextRound = loop.Func(func() {})

// onDurable is called by the log after each commit, on the goroutine that committed.
func (e *Engine) onDurable(wal.LSN, error) {
	for _, o := range e.owners {
		if o.hasGated.Load() && !o.inCommit.Load() {
			o.loop.Post((*releaseTask)(o))
		}
	}
	e.snapshots.committed()
}
