package vm

import (
	"unsafe"
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// The context is one value that follows a program's asynchronous calls: what
// was current when a reaction was registered, or when an async function began
// to wait, is current again when it runs. AsyncLocalStorage is made of it. The
// engine has no hook for that, so the context travels in places that we own:
//
//   - await: in the async function's state, where the engine would keep the
//     second of the two resolving functions that async.go does without. It
//     costs no allocation.
//   - an async generator: in the same field of its function's state, saved
//     whenever the generator stops, and put back by a look at the functions
//     that resume it.
//   - then, and all that is made of it, and a job that calls a thenable's then:
//     the functions are wrapped (Contextual), but only where there is a context.
//
// A turn, and every job of Pump, begins without a context. Until UseContexts
// is called, all this is one test of a flag on each of those ways.

//go:linkname promiseProtoFuncs modernc.org/libquickjs._js_promise_proto_funcs
var promiseProtoFuncs [4]lib.TJSCFunctionListEntry

//go:linkname asyncGeneratorProtoFuncs modernc.org/libquickjs._js_async_generator_proto_funcs
var asyncGeneratorProtoFuncs [4]lib.TJSCFunctionListEntry

//go:linkname functionDataCall modernc.org/libquickjs._js_c_function_data_call
func functionDataCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue

// UseContexts has contexts followed in this runtime from now on. It cannot be
// undone.
func (r *Runtime) UseContexts() {
	if r.contexts || r.dead != nil {
		return
	}
	r.contexts = true
	class := r.engineRuntime().Fclass_array + lib.EJS_CLASS_C_FUNCTION_DATA*unsafe.Sizeof(lib.TJSClass{})
	at[lib.TJSClass](class).Fcall = fp(resumingCall)
}

// Context is the current context, Undefined for none. Borrowed.
func (r *Runtime) Context() Value { return r.context }

// SetContext makes v, which it consumes, the current context: until the running
// job or turn ends, or the function that Contextual made and that is running
// returns. It does nothing before UseContexts.
func (r *Runtime) SetContext(v Value) {
	if r.dead != nil {
		return
	}
	if !r.contexts {
		r.Free(v)
		return
	}
	was := r.context
	r.context = v
	r.Free(was)
}

// noContext ends the context of a job or turn.
func (r *Runtime) noContext() {
	if !r.context.IsUndefined() {
		r.SetContext(Undefined)
	}
}

// Contextual makes a function that calls fn in the context that is current
// now, with the same this and arguments. Without a context it is fn itself, and
// what is no function stays as it is. Owned by the caller; fn is borrowed.
func (r *Runtime) Contextual(fn Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(r.contextual(fn))
}

// contextual is Contextual that leaves the exception pending.
func (r *Runtime) contextual(fn Value) lib.TJSValue {
	if r.context.IsUndefined() || fn.js.Ftag != tagObject || lib.XJS_IsFunction(r.tls, r.ctx, fn.js) == 0 {
		return r.Dup(fn).js
	}
	data := r.tls.Alloc(2 * valueSize)
	defer r.tls.Free(2 * valueSize)
	*at[[2]Value](data) = [2]Value{r.context, fn}
	return lib.XJS_NewCFunctionData(r.tls, r.ctx, fp(contextualCall), 0, 0, 2, data)
}

// contextualCall is a call of what contextual made.
func contextualCall(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, _ int32, data uintptr) lib.TJSValue {
	r := runtimeOf(ctx)
	d := *at[[2]Value](data)
	was := r.context
	r.context = r.Dup(d[0])
	v := lib.XJS_Call(tls, ctx, d[1].js, this, argc, argv)
	r.SetContext(was)
	return v
}

// contextualPair makes the two handlers of a reaction contextual. It writes
// what the caller owns to out; it reports false with an exception pending.
func (r *Runtime) contextualPair(out *[2]Value, fulfilled, rejected Value) bool {
	out[0], out[1] = Value{r.contextual(fulfilled)}, Undefined
	if out[0].js.Ftag == tagException {
		out[0] = Undefined
		return false
	}
	out[1] = Value{r.contextual(rejected)}
	if out[1].js.Ftag == tagException {
		r.Free(out[0])
		*out = [2]Value{Undefined, Undefined}
		return false
	}
	return true
}

// promiseThen is Promise.prototype.then.
func promiseThen(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	r := runtimeOf(ctx)
	if r.context.IsUndefined() {
		return n.call(tls, ctx, this, argc, argv)
	}
	args := [2]Value{Undefined, Undefined}
	for i := range args {
		if i < int(argc) {
			args[i] = *at[Value](argv + uintptr(i*valueSize))
		}
	}
	m := tls.Alloc(2 * valueSize)
	defer tls.Free(2 * valueSize)
	pair := at[[2]Value](m)
	if !r.contextualPair(pair, args[0], args[1]) {
		return exception.js
	}
	v := n.call(tls, ctx, this, 2, m)
	r.FreeAll(pair[0], pair[1])
	return v
}

// keepContext notes the current context in the state of an async function or
// async generator that has stopped.
func (r *Runtime) keepContext(state *lib.TJSAsyncFunctionState) {
	kept := (*Value)(unsafe.Pointer(&state.Fresolving_funcs[1]))
	if r.context.Same(*kept) {
		return
	}
	was := *kept
	*kept = r.Dup(r.context)
	r.Free(was)
}

// restoreContext makes the context current that keepContext has noted.
func (r *Runtime) restoreContext(state *lib.TJSAsyncFunctionState) {
	kept := Value{state.Fresolving_funcs[1]}
	if !r.context.Same(kept) {
		r.SetContext(r.Dup(kept))
	}
}

// generatorState is the state of an async generator that is between its start
// and its end; nil otherwise, and for everything else.
func (r *Runtime) generatorState(v Value) (state *lib.TJSAsyncFunctionState, running bool) {
	if r.classOf(v) != lib.EJS_CLASS_ASYNC_GENERATOR {
		return nil, false
	}
	p := *at[uintptr](v.ptr() + objectData)
	if p == 0 {
		return nil, false
	}
	d := at[lib.TJSAsyncGeneratorData](p)
	if d.Ffunc_state == 0 || d.Fstate == lib.EJS_ASYNC_GENERATOR_STATE_COMPLETED {
		return nil, false
	}
	return at[lib.TJSAsyncFunctionState](d.Ffunc_state), d.Fstate == lib.EJS_ASYNC_GENERATOR_STATE_EXECUTING
}

// generatorNext is next, return and throw of async generators: what runs, runs
// in the caller's context.
func generatorNext(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	n := &replacements[magic]
	r := runtimeOf(ctx)
	if !r.contexts {
		return n.call(tls, ctx, this, argc, argv)
	}
	// A generator that is waiting goes on in its own context: the request is only put behind others.
	_, waiting := r.generatorState(Value{this})
	v := n.call(tls, ctx, this, argc, argv)
	if state, _ := r.generatorState(Value{this}); state != nil && !waiting {
		r.keepContext(state)
	}
	return v
}

// resumingCall is a call of a function of the engine's that carries data. The
// ones that resume an async generator carry it alone.
func resumingCall(tls *libc.TLS, ctx uintptr, fn, this lib.TJSValue, argc int32, argv uintptr, flags int32) lib.TJSValue {
	p := *at[uintptr]((Value{fn}).ptr() + objectData)
	d := at[lib.TJSCFunctionDataRecord](p)
	if d.Fdata_len != 1 {
		return functionDataCall(tls, ctx, fn, this, argc, argv, flags)
	}
	r := runtimeOf(ctx)
	generator := *at[Value](p + unsafe.Sizeof(lib.TJSCFunctionDataRecord{}))
	state, waiting := r.generatorState(generator)
	if state == nil || !waiting {
		return functionDataCall(tls, ctx, fn, this, argc, argv, flags)
	}
	r.Dup(generator)
	r.restoreContext(state)
	v := functionDataCall(tls, ctx, fn, this, argc, argv, flags)
	if state, _ := r.generatorState(generator); state != nil {
		r.keepContext(state)
	}
	r.Free(generator)
	return v
}
