package vm

import (
	_ "unsafe" // for go:linkname

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// A lazy property has its value made when somebody first looks at it. The engine has such properties for its own
// functions; a program cannot tell them from others, because whatever could show the difference makes the value first.

//go:linkname autoInits modernc.org/libquickjs._js_autoinit_func_table
var autoInits [3]uintptr

//go:linkname instantiateListed modernc.org/libquickjs._JS_InstantiateFunctionListItem2
func instantiateListed(tls *libc.TLS, ctx, obj uintptr, atom lib.TJSAtom, opaque uintptr) lib.TJSValue

//go:linkname defineAutoInit modernc.org/libquickjs._JS_DefineAutoInitProperty
func defineAutoInit(tls *libc.TLS, ctx uintptr, obj lib.TJSValue, atom lib.TJSAtom, id int32, opaque uintptr, flags int32) int32

// ours tells our lazy properties from the engine's, whose opaque is the address of an entry in a table.
var ours = libc.Xmalloc(nil, 8)

// patchAutoInit puts lazyValue in front of what makes the engine's own functions.
func patchAutoInit() { autoInits[lib.EJS_AUTOINIT_ID_PROP] = fp(lazyValue) }

// DefineLazy makes an own property of obj, which must not have it yet, whose value r.Lazy makes.
func (r *Runtime) DefineLazy(obj Value, name string, flags PropFlags) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.newAtom(name)
	if a == 0 {
		return r.thrown()
	}
	n := defineAutoInit(r.tls, r.ctx, obj.js, a, lib.EJS_AUTOINIT_ID_PROP, ours, int32(flags))
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	if n < 0 {
		return r.thrown()
	}
	return nil
}

// lazyValue is called by the engine for the value of a lazy property. A property whose value failed would be undefined from
// then on, so what makes it can neither be interrupted nor run out of stack.
func lazyValue(tls *libc.TLS, ctx, obj uintptr, atom lib.TJSAtom, opaque uintptr) lib.TJSValue {
	if opaque != ours {
		return instantiateListed(tls, ctx, obj, atom, opaque)
	}
	r := runtimeOf(ctx)
	s := Value{lib.XJS_AtomToString(tls, ctx, atom)}
	name := r.GoString(s)
	r.Free(s)
	v, err := r.Lazy(name)
	if r.dead != nil {
		panic(abandoned{})
	}
	if err != nil {
		return r.throwInEngine(err)
	}
	return v.js
}

// Whole calls f such that no JavaScript in it is interrupted or exceeds MaxStack. It is for short work of the host's own that
// must not stop half-way: what wants to interrupt the turn does so behind it.
func (r *Runtime) Whole(f func() error) error {
	if r.dead != nil {
		return r.dead
	}
	if r.whole++; r.whole == 1 {
		lib.XJS_SetMaxStackSize(r.tls, r.rt, 0)
	}
	defer func() {
		if r.whole--; r.whole == 0 && r.dead == nil {
			lib.XJS_SetMaxStackSize(r.tls, r.rt, r.maxStack)
			if r.turn.stop.Load() == r.turn.seq.Load() {
				*at[int32](r.ctx + interruptCounterOffset) = 0
			}
		}
	}()
	return f()
}
