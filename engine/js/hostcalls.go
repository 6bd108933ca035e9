package js

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"everloop/engine"
	"everloop/engine/js/internal/clone"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/project"
)

// The rest of what the prelude asks of its host: see [web.Host] for each.

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}

// Log takes a line of console output.
func (rl *realm) Log(level, text string) {
	if strings.Contains(text, project.BundleName+":") { // an Error was logged, with its stack
		text = withoutPrelude(rl.app.bundle.MapStack(text))
	}
	rl.app.opts.Logger.LogAttrs(context.Background(), levels[level], text, rl.attrs()...)
}

// attrs names whoever the running turn belongs to.
func (rl *realm) attrs() []slog.Attr {
	if rl.current == nil {
		return []slog.Attr{slog.String("class", "default")}
	}
	class, id := rl.current.where()
	if id == "" {
		return []slog.Attr{slog.String("class", class)}
	}
	return []slog.Attr{slog.String("class", class), slog.String("object", id)}
}

// ReportError logs an error that nobody caught.
func (rl *realm) ReportError(v vm.Value) {
	rl.uncaught(v)
	e := rl.r.Describe(rl.r.Dup(v))
	attrs := append(rl.attrs(), slog.String("err", e.Error()), slog.String("stack", sourceStack(rl.app.bundle, e.Stack)))
	rl.app.opts.Logger.LogAttrs(context.Background(), slog.LevelError, "uncaught error", attrs...)
}

// Now is the loop's monotonic clock. Like Date.now() it goes on during a turn.
func (rl *realm) Now() float64 {
	now, _ := rl.app.eng.Clock(rl.host.loop)
	return float64(now)
}

// TimeOrigin is the wall-clock time at which Now was 0.
func (rl *realm) TimeOrigin() float64 {
	now, wall := rl.app.eng.Clock(rl.host.loop)
	return float64(wall - now)
}

// timer is a setTimeout or setInterval.
type timer struct {
	by     actor
	cancel func()
}

// TimerStart starts a timer of whoever the running turn belongs to.
func (rl *realm) TimerStart(ms float64, repeat bool) (int64, error) {
	by := rl.current
	if by == nil {
		return 0, vm.PlainError(globalScope)
	}
	if len(rl.timers) >= maxTimers {
		return 0, vm.PlainError("Too many timers: a runtime has at most %d.", maxTimers)
	}
	if !(ms > 0) {
		ms = 0
	}
	d := time.Duration(math.Min(ms, maxDelay)) * time.Millisecond
	rl.lastID++
	id := rl.lastID
	t := &timer{by: by}
	rl.timers[id] = t
	fire := func() {
		if rl.timers[id] != t || rl.r.Err() != nil || !by.alive() {
			delete(rl.timers, id)
			t.cancel()
			return
		}
		if !repeat {
			delete(rl.timers, id)
		}
		rl.begin(by)
		_, err := rl.in.FireTimer(id)
		var thrown *vm.Exception
		if errors.As(err, &thrown) {
			if v, ok := rl.r.Thrown(thrown); ok {
				rl.ReportError(v)
				rl.r.Free(v)
			}
		}
		rl.end(err)
	}
	if repeat {
		t.cancel = by.every(d, fire)
	} else {
		t.cancel = by.after(d, fire)
	}
	return id, nil
}

const (
	// maxTimers bounds the pending timers of one runtime.
	maxTimers = 100_000
	// maxDelay is for ever: 139 years in milliseconds.
	maxDelay = 1 << 42
)

// TimerStop forgets a timer.
func (rl *realm) TimerStop(id int64) {
	if t := rl.timers[id]; t != nil {
		delete(rl.timers, id)
		t.cancel()
	}
}

// OffLoop is part of [web.Host].
func (rl *realm) OffLoop(work func(), done func() (vm.Value, error)) (vm.Value, error) {
	by := rl.current
	if by == nil || !by.alive() {
		// The jobs that are left when an object is reset run in its turn, and may be those of others.
		work()
		v, err := done()
		if err != nil {
			return vm.Undefined, err
		}
		return rl.r.ResolvedPromise(v)
	}
	p, err := rl.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	w := &awayWork{by: by, promise: rl.r.Dup(p)}
	rl.away = append(rl.away, w)
	by.pin() // an event that has answered meanwhile is still there for it
	by.start(work, func(err error) {
		defer by.unpin()
		i := slices.Index(rl.away, w)
		if i < 0 {
			return
		}
		rl.away = slices.Delete(rl.away, i, i+1)
		rl.resumeWith(by, w.promise, func() (vm.Value, error) {
			if err != nil {
				return vm.Undefined, err
			}
			return done()
		})
	})
	return p, nil
}

// awayWork is work off the loop whose promise is not settled. Owned by the realm's loop.
type awayWork struct {
	by      actor
	promise vm.Value
}

// forgetAway lets go of the promises of an object that is gone: nobody comes back to it, and what waits for them would be
// kept for ever.
func (rl *realm) forgetAway(o *object) {
	rl.away = slices.DeleteFunc(rl.away, func(w *awayWork) bool {
		if w.by != actor(o) {
			return false
		}
		rl.r.Free(w.promise)
		return true
	})
}

// StructuredClone clones a value within the runtime.
func (rl *realm) StructuredClone(v vm.Value, transfer []vm.Value) (vm.Value, error) {
	b, err := rl.writer.Append(nil, rl.r, v)
	if err != nil {
		return vm.Undefined, rl.cloneError(err)
	}
	// Getters have run, and may have taken a buffer away. What is moved is a copy: nobody can tell, once the original has nothing
	// any more.
	for _, t := range transfer {
		if _, ok := rl.r.Bytes(t); !ok {
			return vm.Undefined, rl.cloneError(&clone.Error{Message: "An ArrayBuffer is detached and could not be cloned."})
		}
	}
	for _, t := range transfer {
		rl.r.Detach(t)
	}
	out, err := rl.reader.Read(rl.r, b)
	return out, rl.cloneError(err)
}

// ObjectID is part of [web.ObjectHost].
func (rl *realm) ObjectID(object uint64) (hex, name string, named bool) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return "", "", false
	}
	id := o.st.ID()
	name, named = id.Name()
	return id.String(), name, named
}

// promiseOf makes a promise for an object, to be returned, and a hold on it for whoever resolves it.
func (rl *realm) promiseOf(object uint64) (o *object, p, held vm.Value, err error) {
	o, ok := rl.objects.Get(object)
	if !ok {
		return nil, p, held, engine.ErrReset
	}
	if p, err = rl.r.PendingPromise(); err != nil {
		return nil, p, held, err
	}
	return o, p, rl.r.Dup(p), nil
}

// BlockEnter is part of [web.ObjectHost].
func (rl *realm) BlockEnter(object uint64) (vm.Value, error) {
	o, p, held, err := rl.promiseOf(object)
	if err != nil {
		return vm.Undefined, err
	}
	err = o.st.Block(func(end func(error)) {
		n := rl.sections.Add(end)
		rl.resume(o, held, vm.Int64(int64(n)), nil)
	})
	if err != nil {
		rl.r.FreeAll(p, held)
		return vm.Undefined, err
	}
	return p, nil
}

// BlockLeave is part of [web.ObjectHost].
func (rl *realm) BlockLeave(_ uint64, section int64, ok bool, reason vm.Value) error {
	end, open := rl.sections.Get(uint64(section))
	if !open {
		return nil
	}
	rl.sections.Remove(uint64(section))
	if ok {
		end(nil)
		return nil
	}
	end(rl.engineError(rl.r.Describe(rl.r.Dup(reason)), nil))
	return nil
}

// Abort is part of [web.ObjectHost].
func (rl *realm) Abort(object uint64, reason vm.Value, retryAlarm bool) error {
	o, ok := rl.objects.Get(object)
	if !ok {
		return engine.ErrReset
	}
	failure := error(errAborted)
	if !reason.IsUndefined() {
		failure = rl.engineError(rl.r.Describe(rl.r.Dup(reason)), nil)
	}
	mine := rl.current == actor(o)
	o.st.AbortWith(failure, engine.AbortOptions{NoAlarmRetry: !retryAlarm})
	if mine {
		return vm.ErrInterrupted
	}
	return nil
}

var errAborted = &engine.Error{Name: "Error", Message: "Application called abort() to reset Durable Object."}
