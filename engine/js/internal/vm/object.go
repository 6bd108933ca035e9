package vm

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

func bytesAt(p uintptr, n int) []byte { return unsafe.Slice(at[byte](p), n) }

// scratch allocates n bytes in the runtime's heap; 0 means that an exception
// is pending. Go memory is never handed to the engine: a goroutine's stack
// moves when it grows, and the engine would follow a stale address.
func (r *Runtime) scratch(n int) uintptr {
	return lib.Xjs_malloc(r.tls, r.ctx, uint64(n))
}

// cString copies s with a terminating zero; free it with Xjs_free.
func (r *Runtime) cString(s string) uintptr {
	p := r.scratch(len(s) + 1)
	if p != 0 {
		copy(bytesAt(p, len(s)), s)
		*at[byte](p + uintptr(len(s))) = 0
	}
	return p
}

// Global is the global object.
func (r *Runtime) Global() Value {
	if r.dead != nil {
		return Undefined
	}
	return r.Dup(Value{r.engineContext().Fglobal_obj})
}

// Object makes an empty object.
func (r *Runtime) Object() (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_NewObject(r.tls, r.ctx))
}

// ObjectProto makes an empty object with this prototype (an object or Null).
func (r *Runtime) ObjectProto(proto Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_NewObjectProto(r.tls, r.ctx, proto.js))
}

// Array makes an empty array.
func (r *Runtime) Array() (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_NewArray(r.tls, r.ctx))
}

// ArrayOf makes an array of values, which are borrowed, in one step.
func (r *Runtime) ArrayOf(values []Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if len(values) == 0 {
		return r.result(lib.XJS_NewArray(r.tls, r.ctx))
	}
	p := r.scratch(len(values) * valueSize)
	if p == 0 {
		return Undefined, r.thrown()
	}
	copy(unsafe.Slice(at[Value](p), len(values)), values)
	js := createArray(r.tls, r.ctx, int32(len(values)), p)
	lib.Xjs_free(r.tls, r.ctx, p)
	return r.result(js)
}

// Get reads a property. It may run user code (getters, proxies).
func (r *Runtime) Get(obj Value, k Key) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		return Undefined, r.thrown()
	}
	return r.result(lib.XJS_GetPropertyInternal(r.tls, r.ctx, obj.js, a, obj.js, 0))
}

// GetName is Get for a name that is not known beforehand.
func (r *Runtime) GetName(obj Value, name string) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.newAtom(name)
	if a == 0 {
		return Undefined, r.thrown()
	}
	v, err = r.result(lib.XJS_GetPropertyInternal(r.tls, r.ctx, obj.js, a, obj.js, 0))
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	return v, err
}

// GetValue is Get for a property key that is a JavaScript value.
func (r *Runtime) GetValue(obj, key Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := lib.XJS_ValueToAtom(r.tls, r.ctx, key.js)
	if a == 0 {
		return Undefined, r.thrown()
	}
	v, err = r.result(lib.XJS_GetPropertyInternal(r.tls, r.ctx, obj.js, a, obj.js, 0))
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	return v, err
}

// GetIndex reads an element.
func (r *Runtime) GetIndex(obj Value, i uint32) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_GetPropertyUint32(r.tls, r.ctx, obj.js, i))
}

// Set writes a property, as an assignment does. It consumes v.
func (r *Runtime) Set(obj Value, k Key, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, v.js)
		return r.thrown()
	}
	if lib.XJS_SetPropertyInternal(r.tls, r.ctx, obj.js, a, v.js, obj.js, lib.MJS_PROP_THROW) < 0 {
		return r.thrown()
	}
	return nil
}

// SetName is Set for a name that is not known beforehand. It consumes v.
func (r *Runtime) SetName(obj Value, name string, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.newAtom(name)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, v.js)
		return r.thrown()
	}
	n := lib.XJS_SetPropertyInternal(r.tls, r.ctx, obj.js, a, v.js, obj.js, lib.MJS_PROP_THROW)
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	if n < 0 {
		return r.thrown()
	}
	return nil
}

// SetIndex writes an element. It consumes v.
func (r *Runtime) SetIndex(obj Value, i uint32, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if lib.XJS_SetPropertyUint32(r.tls, r.ctx, obj.js, i, v.js) < 0 {
		return r.thrown()
	}
	return nil
}

// PropFlags say how Define makes a property.
type PropFlags int32

const (
	Configurable PropFlags = lib.MJS_PROP_CONFIGURABLE
	Writable     PropFlags = lib.MJS_PROP_WRITABLE
	Enumerable   PropFlags = lib.MJS_PROP_ENUMERABLE
	// Method is how classes define methods, Plain how literals define fields.
	Method = Configurable | Writable
	Plain  = Configurable | Writable | Enumerable
)

// Define makes an own property. It runs no setter. It consumes v.
func (r *Runtime) Define(obj Value, k Key, v Value, flags PropFlags) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, v.js)
		return r.thrown()
	}
	if lib.XJS_DefinePropertyValue(r.tls, r.ctx, obj.js, a, v.js, int32(flags)|lib.MJS_PROP_THROW) < 0 {
		return r.thrown()
	}
	return nil
}

// DefineValue is Define for a key that is a JavaScript value (borrowed).
func (r *Runtime) DefineValue(obj, key, v Value, flags PropFlags) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := lib.XJS_ValueToAtom(r.tls, r.ctx, key.js)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, v.js)
		return r.thrown()
	}
	n := lib.XJS_DefinePropertyValue(r.tls, r.ctx, obj.js, a, v.js, int32(flags)|lib.MJS_PROP_THROW)
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	if n < 0 {
		return r.thrown()
	}
	return nil
}

// DefineIndex defines an element as a plain own property. It consumes v.
func (r *Runtime) DefineIndex(obj Value, i uint32, v Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if lib.XJS_DefinePropertyValueUint32(r.tls, r.ctx, obj.js, i, v.js, int32(Plain)|lib.MJS_PROP_THROW) < 0 {
		return r.thrown()
	}
	return nil
}

// DefineGetSet makes an own accessor property. It consumes get and set;
// Undefined stands for none.
func (r *Runtime) DefineGetSet(obj Value, k Key, get, set Value, flags PropFlags) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		lib.XFreeValue(r.tls, r.ctx, get.js)
		lib.XFreeValue(r.tls, r.ctx, set.js)
		return r.thrown()
	}
	f := int32(flags&^Writable) | lib.MJS_PROP_THROW
	if lib.XJS_DefinePropertyGetSet(r.tls, r.ctx, obj.js, a, get.js, set.js, f) < 0 {
		return r.thrown()
	}
	return nil
}

// Has is JavaScript's "in".
func (r *Runtime) Has(obj Value, k Key) (ok bool, err error) {
	if r.dead != nil {
		return false, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		return false, r.thrown()
	}
	n := lib.XJS_HasProperty(r.tls, r.ctx, obj.js, a)
	if n < 0 {
		return false, r.thrown()
	}
	return n > 0, nil
}

// Delete removes an own property.
func (r *Runtime) Delete(obj Value, k Key) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		return r.thrown()
	}
	if lib.XJS_DeleteProperty(r.tls, r.ctx, obj.js, a, lib.MJS_PROP_THROW) < 0 {
		return r.thrown()
	}
	return nil
}

// DeleteName is Delete for a name that comes from outside.
func (r *Runtime) DeleteName(obj Value, name string) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.newAtom(name)
	if a == 0 {
		return r.thrown()
	}
	n := lib.XJS_DeleteProperty(r.tls, r.ctx, obj.js, a, lib.MJS_PROP_THROW)
	lib.XJS_FreeAtom(r.tls, r.ctx, a)
	if n < 0 {
		return r.thrown()
	}
	return nil
}

// Proto is an object's prototype: an object or Null.
func (r *Runtime) Proto(obj Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_GetPrototype(r.tls, r.ctx, obj.js))
}

// SetProto changes an object's prototype. It consumes nothing.
func (r *Runtime) SetProto(obj, proto Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	if lib.XJS_SetPrototype(r.tls, r.ctx, obj.js, proto.js) < 0 {
		return r.thrown()
	}
	return nil
}

// IsFunction reports whether v can be called.
func (r *Runtime) IsFunction(v Value) bool {
	return r.dead == nil && v.IsObject() && lib.XJS_IsFunction(r.tls, r.ctx, v.js) != 0
}

// IsArray is Array.isArray, except that it is false for a proxy of an array.
func (r *Runtime) IsArray(v Value) bool { return r.classOf(v) == lib.EJS_CLASS_ARRAY }

// IsError reports whether v was made by Error or one of its subclasses.
func (r *Runtime) IsError(v Value) bool { return r.classOf(v) == lib.EJS_CLASS_ERROR }

// IsPromise reports whether v is a native promise (or of a subclass).
func (r *Runtime) IsPromise(v Value) bool { return r.classOf(v) == lib.EJS_CLASS_PROMISE }

// InstanceOf is JavaScript's instanceof. It may run user code.
func (r *Runtime) InstanceOf(v, constructor Value) (ok bool, err error) {
	if r.dead != nil {
		return false, r.dead
	}
	defer r.leave(r.enter(), &err)
	n := lib.XJS_IsInstanceOf(r.tls, r.ctx, v.js, constructor.js)
	if n < 0 {
		return false, r.thrown()
	}
	return n > 0, nil
}

// classOf is the engine's class of an object; 0 if v is not one.
func (r *Runtime) classOf(v Value) uint16 {
	if v.js.Ftag != tagObject || r.dead != nil {
		return 0
	}
	return at[lib.TJSObject](v.ptr()).Fclass_id
}

// ArrayBuffer makes an ArrayBuffer with a copy of b. The copy counts against
// the memory limit, which borrowed Go memory would not.
func (r *Runtime) ArrayBuffer(b []byte) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.arrayBuffer(b)
}

// Detach takes the memory from an ArrayBuffer; it does nothing to anything else.
func (r *Runtime) Detach(v Value) {
	if r.dead != nil || r.classOf(v) != lib.EJS_CLASS_ARRAY_BUFFER {
		return
	}
	var err error
	defer r.leave(r.enter(), &err)
	lib.XJS_DetachArrayBuffer(r.tls, r.ctx, v.js)
}

func (r *Runtime) arrayBuffer(b []byte) (Value, error) {
	// With a null source the engine allocates without copying.
	v, err := r.result(lib.XJS_NewArrayBufferCopy(r.tls, r.ctx, 0, uint64(len(b))))
	if err != nil {
		return v, err
	}
	if len(b) > 0 {
		buf := at[lib.TJSArrayBuffer](*at[uintptr](v.ptr() + objectData))
		copy(bytesAt(buf.Fdata, len(b)), b)
	}
	return v, nil
}

const objectData = unsafe.Offsetof(lib.TJSObject{}.Fu)

// Uint8Array makes a Uint8Array over a new ArrayBuffer with a copy of b.
func (r *Runtime) Uint8Array(b []byte) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	buf, err := r.arrayBuffer(b)
	if err != nil {
		return Undefined, err
	}
	v, err = r.typedArray(buf, lib.EJS_TYPED_ARRAY_UINT8, nil)
	r.Free(buf)
	return v, err
}

func (r *Runtime) typedArray(buf Value, kind int32, span *[2]int) (Value, error) {
	argv := r.tls.Alloc(3 * valueSize)
	defer r.tls.Free(3 * valueSize)
	args := unsafe.Slice(at[Value](argv), 3)
	args[0], args[1], args[2] = buf, Undefined, Undefined
	if span != nil {
		args[1], args[2] = Int64(int64(span[0])), Int64(int64(span[1]))
	}
	return r.result(lib.XJS_NewTypedArray(r.tls, r.ctx, 3, argv, kind))
}

const valueSize = int(unsafe.Sizeof(Value{}))

// Bytes is a view of the memory of an ArrayBuffer, a typed array or a
// DataView; ok is false for anything else and for a detached buffer. The view
// lives until JavaScript runs again: user code may detach or resize it.
func (r *Runtime) Bytes(v Value) (b []byte, ok bool) {
	c := r.classOf(v)
	switch {
	case c == lib.EJS_CLASS_ARRAY_BUFFER || c == lib.EJS_CLASS_SHARED_ARRAY_BUFFER:
		return bufferBytes(v.ptr())
	case c >= lib.EJS_CLASS_UINT8C_ARRAY && c <= lib.EJS_CLASS_DATAVIEW:
		t := at[lib.TJSTypedArray](*at[uintptr](v.ptr() + objectData))
		b, ok = bufferBytes(t.Fbuffer)
		if !ok || int(t.Foffset) > len(b) {
			return nil, ok && int(t.Foffset) == len(b)
		}
		n := int(t.Flength)
		if t.Ftrack_rab != 0 || n > len(b)-int(t.Foffset) {
			n = len(b) - int(t.Foffset)
		}
		return b[t.Foffset:][:n:n], true
	}
	return nil, false
}

// IsBytes reports whether v is an ArrayBuffer, a typed array or a DataView, detached or not.
func (r *Runtime) IsBytes(v Value) bool {
	c := r.classOf(v)
	return c == lib.EJS_CLASS_ARRAY_BUFFER || c == lib.EJS_CLASS_SHARED_ARRAY_BUFFER || c >= lib.EJS_CLASS_UINT8C_ARRAY && c <= lib.EJS_CLASS_DATAVIEW
}

func bufferBytes(obj uintptr) ([]byte, bool) {
	buf := at[lib.TJSArrayBuffer](*at[uintptr](obj + objectData))
	if buf.Fdetached != 0 {
		return nil, false
	}
	if buf.Fbyte_length == 0 || buf.Fdata == 0 {
		return []byte{}, true
	}
	return bytesAt(buf.Fdata, int(buf.Fbyte_length)), true
}

// Call calls fn. Arguments are borrowed, the result is owned.
func (r *Runtime) Call(fn, this Value, args ...Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	argv := r.pushArgs(args)
	defer popArgs(r.tls, len(args))
	return r.result(lib.XJS_Call(r.tls, r.ctx, fn.js, this.js, int32(len(args)), argv))
}

// Construct is JavaScript's new.
func (r *Runtime) Construct(fn Value, args ...Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	argv := r.pushArgs(args)
	defer popArgs(r.tls, len(args))
	return r.result(lib.XJS_CallConstructor(r.tls, r.ctx, fn.js, int32(len(args)), argv))
}

// Invoke calls the method k of obj.
func (r *Runtime) Invoke(obj Value, k Key, args ...Value) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		return Undefined, r.thrown()
	}
	argv := r.pushArgs(args)
	defer popArgs(r.tls, len(args))
	return r.result(lib.XJS_Invoke(r.tls, r.ctx, obj.js, a, int32(len(args)), argv))
}

// pushArgs copies arguments out of Go's memory, because the goroutine's stack,
// where a variadic slice lives, moves when the engine makes it grow.
func (r *Runtime) pushArgs(args []Value) uintptr {
	argv := r.tls.Alloc(max(1, len(args)) * valueSize)
	copy(unsafe.Slice(at[Value](argv), len(args)), args)
	return argv
}

func popArgs(tls *libc.TLS, n int) { tls.Free(max(1, n) * valueSize) }

// ParseJSON parses JSON text.
func (r *Runtime) ParseJSON(text []byte) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	p := r.scratch(len(text) + 1)
	if p == 0 {
		return Undefined, r.thrown()
	}
	defer func() {
		if r.dead == nil {
			lib.Xjs_free(r.tls, r.ctx, p)
		}
	}()
	copy(bytesAt(p, len(text)), text)
	*at[byte](p + uintptr(len(text))) = 0
	name := r.cString("<json>")
	if name == 0 {
		return Undefined, r.thrown()
	}
	js := lib.XJS_ParseJSON(r.tls, r.ctx, p, uint64(len(text)), name)
	lib.Xjs_free(r.tls, r.ctx, name)
	if js.Ftag == tagException && !r.turn.hit && !r.heap.refused {
		if err := r.nestedTooDeeply("JSON"); err != nil {
			return Undefined, r.Throw(err)
		}
	}
	return r.result(js)
}

// AppendJSON appends JSON.stringify(v) to dst; nothing if that is undefined.
func (r *Runtime) AppendJSON(dst []byte, v Value) (_ []byte, err error) {
	if r.dead != nil {
		return dst, r.dead
	}
	defer r.leave(r.enter(), &err)
	s, err := r.result(lib.XJS_JSONStringify(r.tls, r.ctx, v.js, Undefined.js, Undefined.js))
	if err != nil {
		return dst, err
	}
	dst = r.AppendString(dst, s)
	r.Free(s)
	return dst, nil
}
