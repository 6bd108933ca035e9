package vm

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// The engine's async functions and promises, with less work on the way. What
// is replaced is what calls of four of its classes do; JavaScript cannot tell:
// the same properties are read at the same moments, and every reaction takes
// the same number of jobs. What is saved:
//
//   - An async function settles its promise itself, where the engine makes two
//     functions that do.
//   - await of a promise that is settled enqueues its job at once, with one
//     function where the engine makes two and two records of reactions.
//   - A promise that is resolved with another (return promise) subscribes to
//     it as Promise.prototype.then would, but without the promise that then
//     returns, unless a species of the program's could see it.
//
// A test runs random programs both ways and compares what they log.

// shortenAsync puts the functions of this file into the engine's classes.
func (r *Runtime) shortenAsync() (err error) {
	if r.promiseThen, err = r.methodOf("Promise", "then"); err != nil {
		return err
	}
	for class, call := range map[int]uintptr{
		lib.EJS_CLASS_ASYNC_FUNCTION:           fp(asyncCall),
		lib.EJS_CLASS_ASYNC_FUNCTION_RESOLVE:   fp(awaitedCall),
		lib.EJS_CLASS_ASYNC_FUNCTION_REJECT:    fp(awaitedCall),
		lib.EJS_CLASS_PROMISE_RESOLVE_FUNCTION: fp(resolvingCall),
		lib.EJS_CLASS_PROMISE_REJECT_FUNCTION:  fp(resolvingCall),
	} {
		r.engineClass(class).Fcall = call
	}
	return r.shortenBound()
}

// methodOf is a method of the prototype of a global class; owned.
func (r *Runtime) methodOf(class, method string) (Value, error) {
	global := r.Global()
	defer r.Free(global)
	ctor, err := r.GetName(global, class)
	if err != nil {
		return Undefined, err
	}
	defer r.Free(ctor)
	proto, err := r.GetName(ctor, "prototype")
	if err != nil {
		return Undefined, err
	}
	defer r.Free(proto)
	return r.GetName(proto, method)
}

func (r *Runtime) engineClass(class int) *lib.TJSClass {
	return at[lib.TJSClass](r.engineRuntime().Fclass_array + uintptr(class)*unsafe.Sizeof(lib.TJSClass{}))
}

// asyncCall is a call of an async function. Its state holds the promise where
// the engine has the function that resolves it; see settleAsync.
func asyncCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue {
	r := runtimeOf(ctx)
	s := asyncFuncInit(tls, ctx, fn, this, argc, argv)
	if s == 0 {
		return exception.js
	}
	p, failed := r.newPromiseInEngine()
	if failed {
		asyncFuncFree(tls, r.rt, s)
		return exception.js
	}
	at[lib.TJSAsyncFunctionState](s).Fresolving_funcs[0] = r.Dup(Value{p}).js
	r.resumeAsync(s)
	asyncFuncFree(tls, r.rt, s)
	return p
}

// resumeAsync runs an async function up to its next await or its end. s is
// borrowed.
func (r *Runtime) resumeAsync(s uintptr) {
	state := at[lib.TJSAsyncFunctionState](s)
	result := asyncFuncResume(r.tls, r.ctx, s)
	if state.Fis_completed != 0 {
		r.settleAsync(state, result)
		return
	}
	r.Free(Value{result})
	top := at[Value](state.Fframe.Fcur_sp - uintptr(valueSize))
	awaited := *top
	*top = Undefined
	p, ok := r.promiseOf(awaited)
	r.Free(awaited)
	if ok {
		ok = r.await(s, p)
		r.Free(p)
	}
	if !ok {
		r.settleAsync(state, exception.js)
	}
}

// settleAsync settles the promise of an async function with what it returned,
// which it consumes, or with the pending exception.
func (r *Runtime) settleAsync(state *lib.TJSAsyncFunctionState, result lib.TJSValue) {
	reject := 0
	if result.Ftag == tagException {
		reject = 1
		result = lib.XJS_GetException(r.tls, r.ctx)
	}
	switch p := state.Fresolving_funcs[0]; {
	case !r.ours(state):
		arg := r.tls.Alloc(valueSize)
		*at[lib.TJSValue](arg) = result
		r.Free(Value{lib.XJS_Call(r.tls, r.ctx, state.Fresolving_funcs[reject], Undefined.js, 1, arg)})
		r.tls.Free(valueSize)
	case reject == 1:
		fulfillOrReject(r.tls, r.ctx, p, result, 1)
	default:
		r.resolvePromise(p, result)
	}
	r.Free(Value{result})
}

// ours tells an async function that asyncCall has started from a module with
// top-level await, which the engine has.
func (r *Runtime) ours(state *lib.TJSAsyncFunctionState) bool {
	return r.classOf(Value{state.Fresolving_funcs[0]}) == lib.EJS_CLASS_PROMISE
}

// promiseOf is PromiseResolve(%Promise%, v) (ECMA-262, 27.2.4.7.1). v is
// borrowed; ok is false with an exception pending.
func (r *Runtime) promiseOf(v Value) (p Value, ok bool) {
	if r.classOf(v) == lib.EJS_CLASS_PROMISE {
		c := Value{lib.XJS_GetPropertyInternal(r.tls, r.ctx, v.js, atomCtor, v.js, 0)}
		if c.js.Ftag == tagException {
			return Undefined, false
		}
		same := c.Same(Value{r.engineContext().Fpromise_ctor})
		r.Free(c)
		if same {
			return r.Dup(v), true
		}
	}
	js, failed := r.newPromiseInEngine()
	if failed {
		return Undefined, false
	}
	r.resolvePromise(js, v.js)
	return Value{js}, true
}

// await has the function behind s resumed when p, which is borrowed, is
// settled. It reports false with an exception pending.
func (r *Runtime) await(s uintptr, p Value) bool {
	if r.contexts {
		if state := at[lib.TJSAsyncFunctionState](s); r.ours(state) {
			r.keepContext(state)
		}
	}
	d := r.promiseData(p)
	if d.Fpromise_state == lib.EJS_PROMISE_PENDING {
		m := r.tls.Alloc(4 * valueSize)
		defer r.tls.Free(4 * valueSize)
		v := at[[4]Value](m)
		*v = [4]Value{Undefined, Undefined, Undefined, Undefined}
		ok := r.awaitFunction(&v[0], s, 0) && r.awaitFunction(&v[1], s, 1) &&
			performPromiseThen(r.tls, r.ctx, p.js, m, m+2*uintptr(valueSize)) == 0
		r.FreeAll(v[0], v[1])
		return ok
	}
	rejected := d.Fpromise_state - lib.EJS_PROMISE_FULFILLED
	var f Value
	if !r.awaitFunction(&f, s, rejected) {
		return false
	}
	r.handled(p, d)
	ok := r.enqueue(fp(awaitedJob), f, Value{d.Fpromise_result}, Undefined)
	r.Free(f)
	return ok
}

// handled notes that somebody looks at a settled promise.
func (r *Runtime) handled(p Value, d *lib.TJSPromiseData) {
	if d.Fis_handled == 0 {
		d.Fis_handled = 1
		if d.Fpromise_state == lib.EJS_PROMISE_REJECTED {
			r.forget(p)
		}
	}
}

// enqueue adds a job. The arguments are borrowed.
func (r *Runtime) enqueue(job uintptr, a, b, c Value) bool {
	m := r.tls.Alloc(3 * valueSize)
	*at[[3]Value](m) = [3]Value{a, b, c}
	n := lib.XJS_EnqueueJob(r.tls, r.ctx, job, 3, m)
	r.tls.Free(3 * valueSize)
	return n == 0
}

// awaitFunction makes the function that resumes s with a value, or with a
// reason.
func (r *Runtime) awaitFunction(out *Value, s uintptr, rejected int32) bool {
	f := lib.XJS_NewObjectProtoClass(r.tls, r.ctx, r.engineContext().Ffunction_proto, uint32(lib.EJS_CLASS_ASYNC_FUNCTION_RESOLVE+rejected))
	if f.Ftag == tagException {
		return false
	}
	*at[int32](s - refCountOffset)++
	*at[uintptr]((Value{f}).ptr() + objectData) = s
	*out = Value{f}
	return true
}

// awaitedJob is the job of an await whose promise was settled already. Its
// arguments are the function and the result.
func awaitedJob(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) lib.TJSValue {
	return awaitedCall(tls, ctx, at[[2]lib.TJSValue](argv)[0], Undefined.js, 1, argv+uintptr(valueSize), 0)
}

// awaitedCall resumes an async function with what it awaited.
func awaitedCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue {
	r := runtimeOf(ctx)
	o := (Value{fn}).ptr()
	s := *at[uintptr](o + objectData)
	rejected := int32(at[lib.TJSObject](o).Fclass_id) - lib.EJS_CLASS_ASYNC_FUNCTION_RESOLVE
	arg := Undefined
	if argc > 0 {
		arg = r.Dup(*at[Value](argv))
	}
	state := at[lib.TJSAsyncFunctionState](s)
	if r.contexts && r.ours(state) {
		r.restoreContext(state)
	}
	state.Fthrow_flag = rejected
	if rejected != 0 {
		lib.XJS_Throw(tls, ctx, arg.js)
	} else {
		*at[Value](state.Fframe.Fcur_sp - uintptr(valueSize)) = arg
	}
	r.resumeAsync(s)
	return Undefined.js
}

// resolvingCall is a call of a function that resolves or rejects a promise.
func resolvingCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue {
	o := (Value{fn}).ptr()
	data := *at[uintptr](o + objectData)
	if data == 0 {
		return Undefined.js
	}
	d := at[lib.TJSPromiseFunctionData](data)
	resolved := at[lib.TJSPromiseFunctionDataResolved](d.Fpresolved)
	if resolved.Falready_resolved != 0 {
		return Undefined.js
	}
	resolved.Falready_resolved = 1
	arg := Undefined.js
	if argc > 0 {
		arg = *at[lib.TJSValue](argv)
	}
	if at[lib.TJSObject](o).Fclass_id == lib.EJS_CLASS_PROMISE_REJECT_FUNCTION {
		fulfillOrReject(tls, ctx, d.Fpromise, arg, 1)
	} else {
		runtimeOf(ctx).resolvePromise(d.Fpromise, arg)
	}
	return Undefined.js
}

// selfResolution is a C string that lives as long as the process.
var selfResolution = func() uintptr {
	p, err := libc.CString("promise self resolution")
	if err != nil {
		panic(err)
	}
	return p
}()

// resolvePromise resolves a promise with v: it is fulfilled, or follows v if
// that is a thenable (ECMA-262, 27.2.1.3.2). Both are borrowed.
func (r *Runtime) resolvePromise(p, v lib.TJSValue) {
	if v.Ftag != tagObject {
		fulfillOrReject(r.tls, r.ctx, p, v, 0)
		return
	}
	if (Value{v}).Same(Value{p}) {
		lib.XJS_ThrowTypeError(r.tls, r.ctx, selfResolution, 0)
		r.rejectPending(p)
		return
	}
	then := lib.XJS_GetPropertyInternal(r.tls, r.ctx, v, atomThen, v, 0)
	switch {
	case then.Ftag == tagException:
		r.rejectPending(p)
	case then.Ftag != tagObject || lib.XJS_IsFunction(r.tls, r.ctx, then) == 0:
		fulfillOrReject(r.tls, r.ctx, p, v, 0)
	default:
		job := fp(resolveThenableJob)
		if (Value{then}).Same(r.promiseThen) && r.classOf(Value{v}) == lib.EJS_CLASS_PROMISE {
			job = fp(followJob)
		} else if inner, ok := r.promiseIn(Value{v}, Value{then}); ok {
			job, v = fp(followHeldJob), inner.js
		}
		if job == fp(resolveThenableJob) && !r.context.IsUndefined() {
			inContext := r.contextual(Value{then})
			r.Free(Value{then})
			then = inContext
		}
		if then.Ftag == tagException || !r.enqueue(job, Value{p}, Value{v}, Value{then}) {
			r.rejectPending(p)
		}
	}
	r.Free(Value{then})
}

// rejectPending rejects a promise with the pending exception.
func (r *Runtime) rejectPending(p lib.TJSValue) {
	e := lib.XJS_GetException(r.tls, r.ctx)
	fulfillOrReject(r.tls, r.ctx, p, e, 1)
	r.Free(Value{e})
}

// followJob has a promise follow another one, as the job that the engine makes
// of it does, which calls Promise.prototype.then.
func followJob(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) lib.TJSValue {
	r := runtimeOf(ctx)
	a := at[[2]Value](argv)
	p, to := a[0], a[1]
	c := Value{speciesConstructor(tls, ctx, to.js, Undefined.js)}
	if c.js.Ftag == tagException {
		r.rejectPending(p.js)
		return Undefined.js
	}
	if !c.IsUndefined() && !c.Same(Value{r.engineContext().Fpromise_ctor}) {
		// The program's constructor sees what then returns.
		m := tls.Alloc(2 * valueSize)
		defer tls.Free(2 * valueSize)
		v := at[[2]Value](m)
		*v = [2]Value{Undefined, Undefined}
		derived := Value{newPromiseCapability(tls, ctx, m, c.js)}
		r.Free(c)
		if derived.js.Ftag == tagException {
			r.rejectPending(p.js)
			return Undefined.js
		}
		defer r.FreeAll(derived, v[0], v[1])
		return r.subscribe(p, to, m)
	}
	r.Free(c)
	return r.follow(p, to)
}

// followHeldJob has a promise follow the one that a callable holds: the host's, of which no program has made a class.
func followHeldJob(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) lib.TJSValue {
	a := at[[2]Value](argv)
	return runtimeOf(ctx).follow(a[0], a[1])
}

// follow has p follow another promise, without a third.
func (r *Runtime) follow(p, to Value) lib.TJSValue {
	if d := r.promiseData(to); d.Fpromise_state != lib.EJS_PROMISE_PENDING {
		r.handled(to, d)
		if !r.enqueue(fp(followedJob), p, Value{d.Fpromise_result}, Bool(d.Fpromise_state == lib.EJS_PROMISE_REJECTED)) {
			r.rejectPending(p.js)
		}
		return Undefined.js
	}
	m := r.tls.Alloc(2 * valueSize)
	defer r.tls.Free(2 * valueSize)
	*at[[2]Value](m) = [2]Value{Undefined, Undefined}
	return r.subscribe(p, to, m)
}

// subscribe has p settled as another promise is. capability are the functions of the promise that then returns.
func (r *Runtime) subscribe(p, to Value, capability uintptr) lib.TJSValue {
	m := r.tls.Alloc(2 * valueSize)
	defer r.tls.Free(2 * valueSize)
	v := at[[2]Value](m)
	*v = [2]Value{Undefined, Undefined}
	if !r.resolvingPair((*[2]lib.TJSValue)(unsafe.Pointer(&v[0])), p.js) {
		return exception.js
	}
	n := performPromiseThen(r.tls, r.ctx, to.js, m, capability)
	r.FreeAll(v[0], v[1])
	if n != 0 {
		return exception.js
	}
	return Undefined.js
}

// followedJob settles a promise as the one that it follows was.
func followedJob(tls *libc.TLS, ctx uintptr, argc int32, argv uintptr) lib.TJSValue {
	a := at[[3]Value](argv)
	if a[2].Truth() {
		fulfillOrReject(tls, ctx, a[0].js, a[1].js, 1)
	} else {
		runtimeOf(ctx).resolvePromise(a[0].js, a[1].js)
	}
	return Undefined.js
}

// newPromiseInEngine is newPromise that leaves the exception pending.
func (r *Runtime) newPromiseInEngine() (js lib.TJSValue, failed bool) {
	js = lib.XJS_NewObjectClass(r.tls, r.ctx, lib.EJS_CLASS_PROMISE)
	if js.Ftag == tagException {
		return js, true
	}
	p := lib.Xjs_malloc(r.tls, r.ctx, uint64(promiseSize))
	if p == 0 {
		lib.XFreeValue(r.tls, r.ctx, js)
		return exception.js, true
	}
	d := at[lib.TJSPromiseData](p)
	*d = lib.TJSPromiseData{Fpromise_result: Undefined.js}
	for i := range d.Fpromise_reactions {
		head := p + unsafe.Offsetof(d.Fpromise_reactions) + uintptr(i)*unsafe.Sizeof(lib.Tlist_head{})
		d.Fpromise_reactions[i] = lib.Tlist_head{Fprev: head, Fnext: head}
	}
	*at[uintptr]((Value{js}).ptr() + objectData) = p
	return js, false
}

// resolvingPair makes the resolve and reject functions of promise p.
func (r *Runtime) resolvingPair(out *[2]lib.TJSValue, p lib.TJSValue) bool {
	shared := lib.Xjs_malloc(r.tls, r.ctx, uint64(unsafe.Sizeof(lib.TJSPromiseFunctionDataResolved{})))
	if shared == 0 {
		return false
	}
	*at[lib.TJSPromiseFunctionDataResolved](shared) = lib.TJSPromiseFunctionDataResolved{Fref_count: 2}
	proto := r.engineContext().Ffunction_proto
	for i := range out {
		f := lib.XJS_NewObjectProtoClass(r.tls, r.ctx, proto, uint32(lib.EJS_CLASS_PROMISE_RESOLVE_FUNCTION+i))
		var data uintptr
		if f.Ftag != tagException {
			data = lib.Xjs_malloc(r.tls, r.ctx, uint64(unsafe.Sizeof(lib.TJSPromiseFunctionData{})))
			if data == 0 {
				lib.XFreeValue(r.tls, r.ctx, f)
			}
		}
		if data == 0 {
			if i == 0 {
				lib.Xjs_free(r.tls, r.ctx, shared)
			} else {
				at[lib.TJSPromiseFunctionDataResolved](shared).Fref_count = 1
				lib.XFreeValue(r.tls, r.ctx, out[0])
				out[0] = Undefined.js
			}
			return false
		}
		*at[lib.TJSPromiseFunctionData](data) = lib.TJSPromiseFunctionData{
			Fpromise:   r.Dup(Value{p}).js,
			Fpresolved: shared,
		}
		*at[uintptr]((Value{f}).ptr() + objectData) = data
		out[i] = f
	}
	return true
}
