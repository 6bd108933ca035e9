package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"everloop/engine"
	"everloop/wal"
)

// Kind says which promise was broken.
type Kind string

// The promises.
const (
	// Overlap: straight-line code of one object ran inside other code of it.
	Overlap Kind = "single-threadedness"
	// Entered: something entered a critical section that does not belong to it.
	Entered Kind = "input gate"
	// Torn: after a crash an object holds what it held after no turn of it.
	Torn Kind = "atomicity of turns"
	// Orphan: after a crash, or by a turn that was taken back, an effect is there without its cause.
	Orphan Kind = "causality"
	// Early: something left the process before a write of its own object was durable.
	Early Kind = "output gate"
	// Unheard: something left the process before what its object had heard from others was durable.
	Unheard Kind = "sticky dependency"
	// Lost: somebody was told of a write that a crash took.
	Lost Kind = "durability"
	// Wrong: a read returned something else than was written, or a write of a dead instance was taken.
	Wrong Kind = "storage"
	// Answers: a call was answered twice or never, delivered twice, out of order, or failed without a reason.
	Answers Kind = "answers"
	// Alarms: an alarm ran early, did not run, or was tried again in another way than it should.
	Alarms Kind = "alarms"
	// Snapshots: a snapshot or the history shows what was not, or one failed without a reason.
	Snapshots Kind = "snapshots"
	// Leak: something is left over when nothing is under way.
	Leak Kind = "leak"
	// Fault: the engine itself panicked or does not come to rest.
	Fault Kind = "engine fault"
)

// Failure is a broken promise, with what led to it.
type Failure struct {
	Kind   Kind
	Detail string
	Life   int
	Step   int
	Trace  string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s is broken in life %d, step %d: %s\nthe last events:\n%s", f.Kind, f.Life, f.Step, f.Detail, f.Trace)
}

// fail notes the first broken promise; what follows from it does not count.
func (w *world) fail(k Kind, format string, args ...any) {
	if w.failure != nil || w.over {
		return
	}
	w.failure = &Failure{Kind: k, Detail: fmt.Sprintf(format, args...), Life: w.life, Step: w.step, Trace: w.trace.String()}
}

// leaves checks that what by reveals outside of the process was durable when the log was, up to that record.
func (w *world) leaves(what string, by *object, k *knowledge, upTo wal.LSN) {
	if w.over {
		return
	}
	for i, o := range w.objects {
		n := k.must[i]
		if o.taken[n] {
			w.fail(Orphan, "%s reveals version %d of %s, which was taken back", what, n, o.name)
		}
		if durable := o.at(upTo).n; n > durable {
			kind := Unheard
			if o == by {
				kind = Early
			}
			w.fail(kind, "%s reveals version %d of %s, of which only version %d is durable (log durable to %d)",
				what, n, o.name, durable, upTo)
		}
		o.told = max(o.told, n)
	}
}

// arrives checks that a message reveals nothing that was taken back.
func (w *world) arrives(what string, k *knowledge) {
	for i, o := range w.objects {
		if o.taken[k.seen[i]] {
			w.fail(Orphan, "%s reveals version %d of %s, which was taken back", what, k.seen[i], o.name)
		}
	}
}

// recovered compares what a start has found with what the lives before it wrote, and makes it the model's. end is the last record of
// the log.
func (w *world) recovered(f *found, end wal.LSN) {
	w.began = end
	if len(f.classes) < w.classes {
		w.fail(Torn, "after the crash %d of %d classes are known", len(f.classes), w.classes)
	}
	w.classes = len(f.classes)
	for _, o := range w.objects {
		if !f.classes[o.class()] {
			// The class gets a number once more, and bookmarks of objects that had nothing are of another class now.
			o.bookmarks = nil
		}
	}
	var now [maxObjects]version
	for i, o := range w.objects {
		r := f.objects[o.id]
		r.content.forget(begunKey) // nobody goes on with it
		if w.config.TwoLogs {
			end = r.last
		}
		v := o.at(end)
		if !v.content.is(r.content) {
			w.fail(Torn, "after the crash %s holds %v up to record %d, which it held after none of its turns; its last versions are %s",
				o.name, r.content, end, o.history())
		}
		if len(r.content) > 0 && !r.named {
			w.fail(Torn, "after the crash the name of %s is not known", o.name)
		}
		if v.n < o.told {
			w.fail(Lost, "after the crash %s is at version %d; somebody was told of version %d", o.name, v.n, o.told)
		}
		now[i] = v
		for j := range o.bookmarks {
			o.bookmarks[j].lost = o.bookmarks[j].lost || o.bookmarks[j].lsn > end
		}
	}
	for i, o := range w.objects {
		for j, cause := range w.objects {
			if n := now[i].knows.seen[j]; n > now[j].n {
				w.fail(Orphan, "after the crash %s is at version %d, which came after version %d of %s, and that is lost (it is at %d)",
					o.name, now[i].n, n, cause.name, now[j].n)
			}
		}
	}
	for i, o := range w.objects {
		w.note("%s recovered at version %d %v", o.name, now[i].n, now[i].content)
		o.restart(now[i])
	}
}

func (o *object) history() string {
	var b strings.Builder
	for _, v := range o.versions[max(0, len(o.versions)-4):] {
		fmt.Fprintf(&b, "\n    %d (record %d): %v", v.n, v.lsn, v.content)
	}
	return b.String()
}

// failed is what the code of an object fails with on purpose. It carries what it reveals.
type failed struct {
	what string
	by   *object
	knowledge
}

func (f *failed) Error() string { return f.what }

// plausible checks that an error which a call ended with has a reason in this history.
func (w *world) plausible(what string, err error) {
	var f *failed
	var e *engine.Error
	reset := errors.As(err, &e) && e.Reset
	switch {
	case err == nil, w.over, reset, errors.As(err, &f), errors.Is(err, engine.ErrReset), errors.Is(err, errOnPurpose):
	case errors.Is(err, engine.ErrUnavailable) && w.journal.Err() != nil:
	case errors.Is(err, engine.ErrNoSpace) && w.wasFull:
	case e != nil && e.Overloaded && w.maxQueued < 100:
	case e != nil && e.Overloaded && w.timeouts:
	case errors.Is(err, context.Canceled) && w.canceled:
	default:
		w.fail(Answers, "%s ended with an error that nothing explains: %v", what, explain(err))
	}
}

// explain shows all of an error.
func explain(err error) string {
	var e *engine.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("%v (%s, remote %t, retryable %t, overloaded %t, reset %t)", err, e.Where(), e.Remote, e.Retryable, e.Overloaded, e.Reset)
	}
	return err.Error()
}
