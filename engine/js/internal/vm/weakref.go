package vm

import (
	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// A WeakRef that was made, or asked for its target, keeps the target alive to
// the end of the turn (ECMA-262, 9.10): a program may look at it twice and
// find it both times. The engine lets go of it at once.

// keepWeakTargets puts weakRefNew into the constructor.
func (r *Runtime) keepWeakTargets() {
	f := weakRefFunction(r)
	*f = fp(weakRefNew)
}

// weakRefFunction is where the constructor WeakRef of a runtime has the
// engine's function that it calls.
func weakRefFunction(r *Runtime) *uintptr {
	ctor, err := r.Get(Value{r.engineContext().Fglobal_obj}, Intern("WeakRef"))
	if err != nil {
		panic(err) // it is the engine's own
	}
	r.Free(ctor)       // the global object has it
	const function = 8 // behind the realm
	return at[uintptr](ctor.ptr() + objectData + function)
}

func weakRefNew(tls *libc.TLS, ctx uintptr, newTarget lib.TJSValue, argc int32, argv uintptr) lib.TJSValue {
	v := weakRefConstructor(tls, ctx, newTarget, argc, argv)
	if v.Ftag != tagException {
		runtimeOf(ctx).keep(*at[Value](argv))
	}
	return v
}

func weakDeref(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue {
	v := replacements[magic].call(tls, ctx, this, argc, argv)
	if v.Ftag != tagException {
		runtimeOf(ctx).keep(Value{v})
	}
	return v
}

// keep holds v, which it borrows, to the end of the turn. Outside a turn, which
// only tests and the start of a program are, nothing would let go of it.
func (r *Runtime) keep(v Value) {
	if !v.counted() || r.turn.seq.Load()&1 == 0 {
		return
	}
	if _, ok := r.kept[v.ptr()]; ok {
		return
	}
	if r.kept == nil {
		r.kept = map[uintptr]Value{}
	}
	r.kept[v.ptr()] = r.Dup(v)
}

func (r *Runtime) dropKept() {
	for _, v := range r.kept {
		r.Free(v)
	}
	clear(r.kept)
}
