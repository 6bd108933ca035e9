package vm

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// PromiseState is where a promise stands.
type PromiseState int8

const (
	NotAPromise PromiseState = iota - 1
	Pending
	Fulfilled
	Rejected
)

// PromiseState reads a promise's state. Read it after Pump; never attach
// .then from Go, which costs several times the turn itself.
func (r *Runtime) PromiseState(v Value) PromiseState {
	if r.classOf(v) != lib.EJS_CLASS_PROMISE {
		return NotAPromise
	}
	return PromiseState(r.promiseData(v).Fpromise_state)
}

func (r *Runtime) promiseData(v Value) *lib.TJSPromiseData {
	return at[lib.TJSPromiseData](*at[uintptr](v.ptr() + objectData))
}

// PromiseResult is a settled promise's value or reason, owned by the caller;
// Undefined while it is pending. Reading the reason of a rejected promise
// marks it as handled.
func (r *Runtime) PromiseResult(v Value) Value {
	if r.PromiseState(v) <= Pending {
		return Undefined
	}
	p := r.promiseData(v)
	if p.Fpromise_state == lib.EJS_PROMISE_REJECTED {
		p.Fis_handled = 1
		r.forget(v)
	}
	return r.Dup(Value{p.Fpromise_result})
}

// MarkHandled keeps a promise from ever being reported as an unhandled
// rejection: Go will look at it.
func (r *Runtime) MarkHandled(v Value) {
	if r.PromiseState(v) != NotAPromise {
		r.promiseData(v).Fis_handled = 1
		r.forget(v)
	}
}

// newPromise builds a promise by hand. The constructor's way makes an
// executor, two resolving functions and their properties: it was a quarter of
// a turn.
func (r *Runtime) newPromise(state int32, result Value) (Value, error) {
	js := lib.XJS_NewObjectClass(r.tls, r.ctx, lib.EJS_CLASS_PROMISE)
	if js.Ftag == tagException {
		return Undefined, r.thrown()
	}
	p := lib.Xjs_malloc(r.tls, r.ctx, uint64(promiseSize))
	if p == 0 {
		lib.XFreeValue(r.tls, r.ctx, js)
		return Undefined, r.thrown()
	}
	d := at[lib.TJSPromiseData](p)
	*d = lib.TJSPromiseData{Fpromise_state: state, Fpromise_result: result.js}
	for i := range d.Fpromise_reactions {
		head := p + unsafe.Offsetof(d.Fpromise_reactions) + uintptr(i)*unsafe.Sizeof(lib.Tlist_head{})
		d.Fpromise_reactions[i] = lib.Tlist_head{Fprev: head, Fnext: head}
	}
	*at[uintptr]((Value{js}).ptr() + objectData) = p
	return Value{js}, nil
}

// ResolvedPromise makes a promise fulfilled with v, which it consumes. v must
// not be a thenable: it is not asked.
func (r *Runtime) ResolvedPromise(v Value) (p Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	p, err = r.newPromise(lib.EJS_PROMISE_FULFILLED, v)
	if err != nil {
		r.Free(v)
	}
	return p, err
}

// RejectedPromise makes a promise rejected with reason, which it consumes. It
// is not reported as unhandled: whoever gets it handles it.
func (r *Runtime) RejectedPromise(reason Value) (p Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	p, err = r.newPromise(lib.EJS_PROMISE_REJECTED, reason)
	if err != nil {
		r.Free(reason)
	}
	return p, err
}

// RejectedWith is RejectedPromise for a Go error.
func (r *Runtime) RejectedWith(cause error) (Value, error) {
	reason, err := r.ErrorValue(cause)
	if err != nil {
		return Undefined, err
	}
	return r.RejectedPromise(reason)
}

// PendingPromise makes a promise that Go settles later with Resolve or Reject.
// The caller owns the value and usually Dups it to give it to JavaScript.
func (r *Runtime) PendingPromise() (p Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.newPromise(lib.EJS_PROMISE_PENDING, Undefined)
}

// Resolve fulfils a promise from PendingPromise with v, which it consumes; if
// v is a thenable the promise follows it, as resolve() does. It runs no
// reaction: those are jobs for Pump. A settled promise is left alone.
func (r *Runtime) Resolve(p, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if r.PromiseState(p) != Pending {
		r.Free(v)
		return nil
	}
	r.resolvePromise(p.js, v.js)
	r.Free(v)
	return nil
}

// Fulfill fulfils a promise from PendingPromise with v, which it consumes and
// does not ask whether it is a thenable: v is undefined, or an object that the
// host has just made. A settled promise is left alone.
func (r *Runtime) Fulfill(p, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if r.PromiseState(p) == Pending {
		fulfillOrReject(r.tls, r.ctx, p.js, v.js, 0)
	}
	r.Free(v)
	return nil
}

// Reject rejects a promise from PendingPromise with reason, which it consumes.
func (r *Runtime) Reject(p, reason Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if r.PromiseState(p) == Pending {
		fulfillOrReject(r.tls, r.ctx, p.js, reason.js, 1)
	}
	r.Free(reason)
	return nil
}

// RejectWith is Reject for a Go error.
func (r *Runtime) RejectWith(p Value, cause error) error {
	reason, err := r.ErrorValue(cause)
	if err != nil {
		return err
	}
	return r.Reject(p, reason)
}

// React calls fulfilled or rejected, functions or Undefined, in a job once the
// promise p settles. It is the then of a promise without the promise that then
// returns, which costs several times as much; nothing of the program's is
// asked for it. What the functions return or throw is lost.
func (r *Runtime) React(p, fulfilled, rejected Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	if r.PromiseState(p) == NotAPromise {
		return TypeError("not a promise")
	}
	defer r.leave(r.enter(), &err)
	args := r.tls.Alloc(4 * valueSize)
	defer r.tls.Free(4 * valueSize)
	v := at[[4]Value](args)
	*v = [4]Value{fulfilled, rejected, Undefined, Undefined}
	if !r.context.IsUndefined() {
		if !r.contextualPair((*[2]Value)(unsafe.Pointer(v)), fulfilled, rejected) {
			return r.thrown()
		}
		defer r.FreeAll(v[0], v[1])
	}
	if performPromiseThen(r.tls, r.ctx, p.js, args, args+uintptr(2*valueSize)) < 0 {
		return r.thrown()
	}
	return nil
}

// Then is promise.then(fulfilled, rejected), whose promise it returns: what the
// functions return or throw settles it. It asks the program for nothing, where the
// method asks for the constructor of the promise and its species.
func (r *Runtime) Then(p, fulfilled, rejected Value) (then Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	if r.PromiseState(p) == NotAPromise {
		return Undefined, TypeError("not a promise")
	}
	defer r.leave(r.enter(), &err)
	if then, err = r.newPromise(lib.EJS_PROMISE_PENDING, Undefined); err != nil {
		return Undefined, err
	}
	m := r.tls.Alloc(4 * valueSize)
	defer r.tls.Free(4 * valueSize)
	v := at[[4]Value](m)
	*v = [4]Value{fulfilled, rejected, Undefined, Undefined}
	if !r.context.IsUndefined() {
		if !r.contextualPair((*[2]Value)(unsafe.Pointer(v)), fulfilled, rejected) {
			r.Free(then)
			return Undefined, r.thrown()
		}
		defer r.FreeAll(v[0], v[1])
	}
	if !r.resolvingPair((*[2]lib.TJSValue)(unsafe.Pointer(&v[2])), then.js) ||
		performPromiseThen(r.tls, r.ctx, p.js, m, m+uintptr(2*valueSize)) < 0 {
		err = r.thrown()
		r.FreeAll(then, v[2], v[3])
		return Undefined, err
	}
	r.FreeAll(v[2], v[3])
	return then, nil
}

// rejection is a rejected promise without a handler. Both are owned.
type rejection struct{ promise, reason Value }

func rejectionTracker(tls *libc.TLS, ctx uintptr, promise, reason lib.TJSValue, handled int32, _ uintptr) {
	r := runtimeOf(ctx)
	if handled != 0 {
		r.forget(Value{promise})
		return
	}
	r.rejections = append(r.rejections, rejection{r.Dup(Value{promise}), r.Dup(Value{reason})})
}

func (r *Runtime) forget(promise Value) {
	for i, x := range r.rejections {
		if x.promise.Same(promise) {
			r.rejections = append(r.rejections[:i], r.rejections[i+1:]...)
			r.FreeAll(x.promise, x.reason)
			return
		}
	}
}

// AnyUnhandled reports whether Unhandled has something to tell.
func (r *Runtime) AnyUnhandled() bool { return len(r.rejections) > 0 }

// Unhandled calls f with every promise that was rejected and has no handler
// yet, and forgets it. promise and reason are borrowed. Call it after Pump.
func (r *Runtime) Unhandled(f func(promise, reason Value)) {
	for len(r.rejections) > 0 && r.dead == nil {
		x := r.rejections[0]
		r.rejections = r.rejections[1:]
		f(x.promise, x.reason)
		r.FreeAll(x.promise, x.reason)
	}
	if r.dead == nil {
		r.rejections = nil
	}
}

// HasJobs reports whether promise jobs are waiting for Pump.
func (r *Runtime) HasJobs() bool {
	return r.dead == nil && lib.XJS_IsJobPending(r.tls, r.rt) != 0
}

// Pump runs promise jobs until none is left. It returns how many ran. An error
// ends it early: ErrInterrupted, with the jobs behind the interrupted one
// still queued; or the runtime's loss; or, rarely, the *Exception of a job
// that threw (the engine turns nearly all of those into rejections).
func (r *Runtime) Pump() (jobs int, err error) {
	if r.dead != nil {
		return 0, r.dead
	}
	defer r.leave(r.enter(), &err)
	for {
		r.noContext() // what the last job, or the turn before the first one, has left
		n := lib.XJS_ExecutePendingJob(r.tls, r.rt, 0)
		if r.turn.hit || r.heap.refused {
			jobs += int(n & 1)
			if n < 0 {
				lib.XFreeValue(r.tls, r.ctx, lib.XJS_GetException(r.tls, r.ctx))
			}
			if r.heap.refused {
				return jobs, ErrOutOfMemory
			}
			return jobs, ErrInterrupted
		}
		if n == 0 {
			return jobs, nil
		}
		jobs++
		if n < 0 {
			return jobs, r.thrown()
		}
	}
}
