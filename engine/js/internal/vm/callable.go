package vm

import (
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// Callable is a kind of function of the host: an object that can be called, has no property of its own, and holds some
// values, which the engine's collector sees. It costs a fraction of a closure with a prototype of its own. Register it
// once for the process, from a package variable.
type Callable struct {
	entry hostEntry
	num   atomic.Uint32
}

// maxHeld is how many values a callable holds at most.
const maxHeld = 3

// held is what a callable refers to, in the engine's heap.
type held struct {
	kind   uint64
	values [maxHeld]Value // Undefined where there is none
}

//go:linkname freeLastValue modernc.org/libquickjs.x__JS_FreeValueRT
func freeLastValue(tls *libc.TLS, rt uintptr, v lib.TJSValue)

// RegisterCallable registers a kind of callables. call gets the callable itself as this.
func RegisterCallable(name string, call HostFunc) *Callable {
	return &Callable{entry: hostEntry{name: name, fn: call}}
}

// callables are the registered ones that a runtime has, by the engine's number of their class. Guarded by classMu for
// writing; one is there before the first object of its class.
var callables [len(classByID)]atomic.Pointer[Callable]

// id is the engine's number of the class in this runtime.
func (c *Callable) id(r *Runtime) (lib.TJSClassID, error) {
	if id := r.callables[c]; id != 0 {
		return id, nil
	}
	id := c.number()
	if err := r.newClass(id, c.entry.name, lib.TJSClassDef{
		Ffinalizer: fp(finalizeCallable), Fgc_mark: fp(markCallable), Fcall: fp(callCallable),
	}); err != nil {
		return 0, err
	}
	if r.callables == nil {
		r.callables = map[*Callable]lib.TJSClassID{}
	}
	r.callables[c] = id
	return id, nil
}

func (c *Callable) number() lib.TJSClassID {
	classMu.Lock()
	defer classMu.Unlock()
	if c.num.Load() == 0 {
		id := newClassID()
		callables[id].Store(c)
		c.num.Store(id)
	}
	return c.num.Load()
}

// Callable makes one with a prototype and up to three values, all borrowed. kind tells those of a class apart.
func (r *Runtime) Callable(c *Callable, proto Value, kind uint64, values ...Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	id, err := c.id(r)
	if err != nil {
		return Undefined, err
	}
	p := r.scratch(int(unsafe.Sizeof(held{})))
	if p == 0 {
		return Undefined, r.thrown()
	}
	v, err = r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, proto.js, id))
	if err != nil {
		lib.Xjs_free(r.tls, r.ctx, p)
		return Undefined, err
	}
	h := at[held](p)
	*h = held{kind: kind, values: [maxHeld]Value{Undefined, Undefined, Undefined}}
	for i, w := range values {
		h.values[i] = r.Dup(w)
	}
	lib.XJS_SetOpaque(r.tls, v.js, p)
	return v, nil
}

// Held is the kind of a callable of class c and what it holds, borrowed; ok is false if v is something else.
func (r *Runtime) Held(c *Callable, v Value) (kind uint64, values [maxHeld]Value, ok bool) {
	h := r.heldBy(c, v)
	if h == nil {
		return 0, values, false
	}
	return h.kind, h.values, true
}

// IsCallable reports whether v is of class c.
func (r *Runtime) IsCallable(c *Callable, v Value) bool { return r.heldBy(c, v) != nil }

func (r *Runtime) heldBy(c *Callable, v Value) *held {
	id := r.classOf(v)
	if id == 0 || uint32(id) != c.num.Load() {
		return nil
	}
	p := *at[uintptr](v.ptr() + objectData)
	if p == 0 {
		return nil
	}
	return at[held](p)
}

// Follow has a promise that is resolved with a callable of class c follow the promise which a callable of this kind holds
// first, as long as the callable's then is the one given here (borrowed), which would do the same.
func (r *Runtime) Follow(c *Callable, kind uint64, then Value) {
	r.followed = followed{c, kind, r.Dup(then)}
}

// followed is what Follow was given: the class is nil where it was not called.
type followed struct {
	class *Callable
	kind  uint64
	then  Value // owned
}

// promiseIn is the promise, borrowed, that a promise resolved with v has to follow, where then is what v has.
func (r *Runtime) promiseIn(v, then Value) (Value, bool) {
	f := &r.followed
	if f.class == nil || !then.Same(f.then) {
		return Undefined, false
	}
	h := r.heldBy(f.class, v)
	if h == nil || h.kind != f.kind || r.classOf(h.values[0]) != lib.EJS_CLASS_PROMISE {
		return Undefined, false
	}
	return h.values[0], true
}

func callCallable(tls *libc.TLS, ctx uintptr, fn, _ lib.TJSValue, argc int32, argv uintptr, _ int32) (ret lib.TJSValue) {
	c := callables[at[lib.TJSObject]((Value{fn}).ptr()).Fclass_id].Load()
	return enterHost(runtimeOf(ctx), &c.entry, Value{fn}, unsafe.Slice(at[Value](argv), int(argc)))
}

func finalizeCallable(tls *libc.TLS, rt uintptr, v lib.TJSValue) {
	p := *at[uintptr]((Value{v}).ptr() + objectData)
	if p == 0 {
		return
	}
	for _, w := range at[held](p).values {
		if !w.counted() {
			continue
		}
		n := at[int32](w.ptr() - refCountOffset)
		if *n--; *n <= 0 {
			freeLastValue(tls, rt, w.js)
		}
	}
	lib.Xjs_free_rt(tls, rt, p)
}

func markCallable(tls *libc.TLS, rt uintptr, v lib.TJSValue, mark uintptr) {
	p := *at[uintptr]((Value{v}).ptr() + objectData)
	if p == 0 {
		return
	}
	for _, w := range at[held](p).values {
		lib.XJS_MarkValue(tls, rt, w.js, mark)
	}
}

// Wildcard is an object for the end of a prototype chain, in front of Object.prototype: of what is not found before it, it
// has what Object.prototype has, no symbols and no "then", and of everything else what get makes of the receiver and the
// name, a string, both borrowed. "in" does not see that. Register it once for the process.
type Wildcard struct {
	entry hostEntry // called with the receiver as this, and the name
	num   lib.TJSClassID
}

// wildcards has them by the engine's number of their class.
var wildcards [len(classByID)]atomic.Pointer[Wildcard]

// RegisterWildcard registers one.
func RegisterWildcard(name string, get func(r *Runtime, receiver, name Value) (Value, error)) *Wildcard {
	return &Wildcard{entry: hostEntry{name: name, fn: func(r *Runtime, receiver Value, args Args) (Value, error) {
		return get(r, receiver, args[0])
	}}}
}

// wildcardMethods lives as long as the process: the engine keeps its address.
var wildcardMethods = func() uintptr {
	p := libc.Xmalloc(nil, uint64(unsafe.Sizeof(lib.TJSClassExoticMethods{})))
	*at[lib.TJSClassExoticMethods](p) = lib.TJSClassExoticMethods{Fget_property: fp(wildcardGet)}
	return p
}()

// Wildcard makes the one of a runtime; there is none before.
func (r *Runtime) Wildcard(w *Wildcard) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	classMu.Lock()
	if w.num == 0 {
		w.num = newClassID()
		wildcards[w.num].Store(w)
	}
	id := w.num
	classMu.Unlock()
	if err := r.newClass(id, w.entry.name, lib.TJSClassDef{Fexotic: wildcardMethods}); err != nil {
		return Undefined, err
	}
	return r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, r.objectPrototype(), id))
}

// objectPrototype is Object.prototype, borrowed.
func (r *Runtime) objectPrototype() lib.TJSValue {
	return *at[lib.TJSValue](r.engineContext().Fclass_proto + uintptr(lib.EJS_CLASS_OBJECT)*uintptr(valueSize))
}

func wildcardGet(tls *libc.TLS, ctx uintptr, obj lib.TJSValue, atom lib.TJSAtom, receiver lib.TJSValue) lib.TJSValue {
	r := runtimeOf(ctx)
	w := wildcards[at[lib.TJSObject]((Value{obj}).ptr()).Fclass_id].Load()
	if atom == atomThen {
		return Undefined.js
	}
	name := Value{lib.XJS_AtomToValue(tls, ctx, atom)}
	if name.js.Ftag == tagException {
		return name.js
	}
	defer r.Free(name)
	if name.js.Ftag == lib.EJS_TAG_SYMBOL {
		return Undefined.js
	}
	switch proto := r.objectPrototype(); lib.XJS_HasProperty(tls, ctx, proto, atom) {
	case 0:
	case 1:
		return lib.XJS_GetPropertyInternal(tls, ctx, proto, atom, receiver, 0)
	default:
		return exception.js
	}
	if name.js.Ftag == lib.EJS_TAG_INT {
		text := Value{lib.XJS_AtomToString(tls, ctx, atom)}
		if text.js.Ftag == tagException {
			return text.js
		}
		defer r.Free(text)
		name = text
	}
	return enterHost(r, &w.entry, Value{receiver}, Args{name})
}
