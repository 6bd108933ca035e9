package vm

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/libquickjs"
)

// What structured clone needs: to see what an object is without running user
// code, and to build objects without asking globals that user code may have
// replaced.

//go:linkname engineMapConstructor modernc.org/libquickjs._js_map_constructor
func engineMapConstructor(tls *libc.TLS, ctx uintptr, newTarget lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue

//go:linkname engineMapSet modernc.org/libquickjs._js_map_set
func engineMapSet(tls *libc.TLS, ctx uintptr, this lib.TJSValue, argc int32, argv uintptr, magic int32) lib.TJSValue

//go:linkname engineDataView modernc.org/libquickjs._js_dataview_constructor
func engineDataView(tls *libc.TLS, ctx uintptr, newTarget lib.TJSValue, argc int32, argv uintptr) lib.TJSValue

//go:linkname engineFreeShape modernc.org/libquickjs._js_free_shape
func engineFreeShape(tls *libc.TLS, rt uintptr, shape uintptr)

// ObjectClass says what an object is, whatever its prototype claims.
type ObjectClass uint8

const (
	NotObject   ObjectClass = iota
	PlainObject             // also an instance of a class, and arguments
	ArrayObject
	ErrorObject
	NumberObject
	StringObject
	BooleanObject
	SymbolObject
	BigIntObject
	DateObject
	RegExpObject
	FunctionObject
	ArrayBufferObject
	SharedArrayBufferObject
	TypedArrayObject // see ViewOf
	DataViewObject   // see ViewOf
	MapObject
	SetObject
	ProxyObject
	PromiseObject
	HostObject // made by HostObject
	OtherObject
)

// ObjectClass classifies v. It runs no user code.
func (r *Runtime) ObjectClass(v Value) ObjectClass {
	c := r.classOf(v)
	switch c {
	case 0:
		return NotObject
	case lib.EJS_CLASS_OBJECT, lib.EJS_CLASS_ARGUMENTS, lib.EJS_CLASS_MAPPED_ARGUMENTS:
		return PlainObject
	case lib.EJS_CLASS_ARRAY:
		return ArrayObject
	case lib.EJS_CLASS_ERROR:
		return ErrorObject
	case lib.EJS_CLASS_NUMBER:
		return NumberObject
	case lib.EJS_CLASS_STRING:
		return StringObject
	case lib.EJS_CLASS_BOOLEAN:
		return BooleanObject
	case lib.EJS_CLASS_SYMBOL:
		return SymbolObject
	case lib.EJS_CLASS_BIG_INT:
		return BigIntObject
	case lib.EJS_CLASS_DATE:
		return DateObject
	case lib.EJS_CLASS_REGEXP:
		return RegExpObject
	case lib.EJS_CLASS_ARRAY_BUFFER:
		return ArrayBufferObject
	case lib.EJS_CLASS_SHARED_ARRAY_BUFFER:
		return SharedArrayBufferObject
	case lib.EJS_CLASS_DATAVIEW:
		return DataViewObject
	case lib.EJS_CLASS_MAP:
		return MapObject
	case lib.EJS_CLASS_SET:
		return SetObject
	case lib.EJS_CLASS_PROXY:
		return ProxyObject
	case lib.EJS_CLASS_PROMISE:
		return PromiseObject
	}
	switch {
	case c >= lib.EJS_CLASS_UINT8C_ARRAY && c <= lib.EJS_CLASS_FLOAT64_ARRAY:
		return TypedArrayObject
	case c >= lib.EJS_CLASS_INIT_COUNT:
		return HostObject
	case lib.XJS_IsFunction(r.tls, r.ctx, v.js) != 0:
		return FunctionObject
	}
	return OtherObject
}

// Address identifies an object, as long as it is held.
func (v Value) Address() uintptr {
	if v.js.Ftag != tagObject {
		return 0
	}
	return v.ptr()
}

// Primitive is what a Number, String, Boolean, BigInt, Symbol or Date object
// wraps; a Date's is its time in milliseconds. Owned.
func (r *Runtime) Primitive(v Value) Value {
	switch r.ObjectClass(v) {
	case NumberObject, StringObject, BooleanObject, SymbolObject, BigIntObject, DateObject:
		return r.Dup(*at[Value](v.ptr() + objectData))
	}
	return Undefined
}

// RegExp is the source and the flags of a regular expression.
func (r *Runtime) RegExp(v Value) (source Value, flags string) {
	if r.ObjectClass(v) != RegExpObject {
		return Undefined, ""
	}
	re := at[lib.TJSRegExp](v.ptr() + objectData)
	bits := lib.Xlre_get_flags(r.tls, re.Fbytecode+stringHeader)
	var b [8]byte
	n := 0
	for _, f := range [...]struct {
		bit  int32
		char byte
	}{{1 << 6, 'd'}, {1 << 0, 'g'}, {1 << 1, 'i'}, {1 << 2, 'm'}, {1 << 3, 's'}, {1 << 4, 'u'}, {1 << 8, 'v'}, {1 << 5, 'y'}} {
		if bits&f.bit != 0 {
			b[n] = f.char
			n++
		}
	}
	return r.Dup(mk(tagString, uint64(re.Fpattern))), string(b[:n])
}

// NewRegExp makes a regular expression.
func (r *Runtime) NewRegExp(source Value, flags string) (v Value, err error) {
	f, err := r.String(flags)
	if err != nil {
		return Undefined, err
	}
	ctor := Value{r.engineContext().Fregexp_ctor}
	v, err = r.Construct(ctor, source, f)
	r.Free(f)
	return v, err
}

// NewDate makes a Date.
func (r *Runtime) NewDate(ms float64) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_NewDate(r.tls, r.ctx, ms))
}

// Box makes the object for a primitive, as Object(v) does.
func (r *Runtime) Box(v Value) (_ Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	var class int32
	switch v.Kind() {
	case KindNumber:
		class = lib.EJS_CLASS_NUMBER
	case KindString:
		class = lib.EJS_CLASS_STRING
	case KindBool:
		class = lib.EJS_CLASS_BOOLEAN
	case KindBigInt:
		class = lib.EJS_CLASS_BIG_INT
	default:
		return Undefined, TypeError("no object for a %v", v.Kind())
	}
	defer r.leave(r.enter(), &err)
	o, err := r.result(lib.XJS_NewObjectClass(r.tls, r.ctx, class))
	if err != nil {
		return Undefined, err
	}
	*at[Value](o.ptr() + objectData) = r.Dup(v)
	if class == lib.EJS_CLASS_STRING {
		n := Int(int32(r.StringLen(v)))
		if lib.XJS_DefinePropertyValue(r.tls, r.ctx, o.js, lib.EJS_ATOM_length, n.js, 0) < 0 {
			r.Free(o)
			return Undefined, r.thrown()
		}
	}
	return o, nil
}

// NewMap makes an empty Map, NewSet an empty Set.
func (r *Runtime) NewMap() (Value, error) { return r.newMapOrSet(0) }
func (r *Runtime) NewSet() (Value, error) { return r.newMapOrSet(lib.MMAGIC_SET) }

func (r *Runtime) newMapOrSet(magic int32) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	argv := r.pushArgs(nil)
	defer popArgs(r.tls, 0)
	return r.result(engineMapConstructor(r.tls, r.ctx, Undefined.js, 0, argv, magic))
}

// SetEntry puts a pair into a Map, or key into a Set. It consumes both.
func (r *Runtime) SetEntry(m, key, value Value) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	magic := int32(0)
	if r.classOf(m) == lib.EJS_CLASS_SET {
		magic = lib.MMAGIC_SET
	}
	argv := r.tls.Alloc(2 * valueSize)
	defer r.tls.Free(2 * valueSize)
	*at[[2]Value](argv) = [2]Value{key, value}
	v, err := r.result(engineMapSet(r.tls, r.ctx, m.js, 2, argv, magic))
	r.FreeAll(v, key, value)
	return err
}

// AppendEntries appends the entries of a Map (key, value, key, value, ...) or
// the members of a Set to dst, each owned by the caller.
func (r *Runtime) AppendEntries(dst []Value, m Value) []Value {
	c := r.classOf(m)
	if c != lib.EJS_CLASS_MAP && c != lib.EJS_CLASS_SET {
		return dst
	}
	state := *at[uintptr](m.ptr() + objectData)
	head := state + unsafe.Offsetof(lib.TJSMapState{}.Frecords)
	for el := at[lib.Tlist_head](head).Fnext; el != head; el = at[lib.Tlist_head](el).Fnext {
		rec := at[lib.TJSMapRecord](el - unsafe.Offsetof(lib.TJSMapRecord{}.Flink))
		if rec.F__ccgo4&1 != 0 {
			continue // deleted, kept for an iterator
		}
		dst = append(dst, r.Dup(Value{rec.Fkey}))
		if c == lib.EJS_CLASS_MAP {
			dst = append(dst, r.Dup(Value{rec.Fvalue}))
		}
	}
	return dst
}

// ElementKind is the element type of a typed array.
type ElementKind uint8

const (
	Uint8Clamped ElementKind = iota
	Int8
	Uint8
	Int16
	Uint16
	Int32
	Uint32
	BigInt64
	BigUint64
	Float16
	Float32
	Float64
	NoElement // a DataView
)

// Size is the element's size in bytes.
func (k ElementKind) Size() int {
	return [...]int{1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8, 1}[k]
}

// View describes a typed array or DataView.
type View struct {
	Kind   ElementKind
	Buffer Value // borrowed from the view
	Offset int   // bytes
	Length int   // bytes
	Tracks bool  // its length follows a resizable buffer
}

// ViewOf describes v; ok is false if it is neither, or its buffer is detached.
func (r *Runtime) ViewOf(v Value) (w View, ok bool) {
	c := r.classOf(v)
	if c < lib.EJS_CLASS_UINT8C_ARRAY || c > lib.EJS_CLASS_DATAVIEW {
		return w, false
	}
	b, ok := r.Bytes(v)
	if !ok {
		return w, false
	}
	t := at[lib.TJSTypedArray](*at[uintptr](v.ptr() + objectData))
	return View{
		Kind:   ElementKind(c - lib.EJS_CLASS_UINT8C_ARRAY),
		Buffer: mk(tagObject, uint64(t.Fbuffer)),
		Offset: int(t.Foffset),
		Length: len(b),
		Tracks: t.Ftrack_rab != 0,
	}, true
}

// NewView makes a typed array or DataView over a buffer. length is in bytes;
// negative means to the end, following the buffer.
func (r *Runtime) NewView(kind ElementKind, buffer Value, offset, length int) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	argv := r.tls.Alloc(3 * valueSize)
	defer r.tls.Free(3 * valueSize)
	n := Undefined
	if length >= 0 {
		n = Int64(int64(length / kind.Size()))
	}
	*at[[3]Value](argv) = [3]Value{buffer, Int64(int64(offset)), n}
	if kind == NoElement {
		proto := Value{*at[lib.TJSValue](r.engineContext().Fclass_proto + uintptr(lib.EJS_CLASS_DATAVIEW)*uintptr(valueSize))}
		ctor, err := r.Get(proto, keyConstructor)
		if err != nil {
			return Undefined, err
		}
		v, err = r.result(engineDataView(r.tls, r.ctx, ctor.js, 3, argv))
		r.Free(ctor)
		return v, err
	}
	return r.result(lib.XJS_NewTypedArray(r.tls, r.ctx, 3, argv, int32(kind)))
}

var keyConstructor = Intern("constructor")

// MaxByteLength is how far a resizable ArrayBuffer may grow; -1 for others.
func (r *Runtime) MaxByteLength(buffer Value) int {
	c := r.classOf(buffer)
	if c != lib.EJS_CLASS_ARRAY_BUFFER && c != lib.EJS_CLASS_SHARED_ARRAY_BUFFER {
		return -1
	}
	return int(at[lib.TJSArrayBuffer](*at[uintptr](buffer.ptr() + objectData)).Fmax_byte_length)
}

// ResizableBuffer makes a resizable ArrayBuffer with a copy of b.
func (r *Runtime) ResizableBuffer(b []byte, most int) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if most < len(b) {
		return Undefined, RangeError("Invalid array buffer max length")
	}
	ctor, err := r.Get(Value{*at[lib.TJSValue](r.engineContext().Fclass_proto + uintptr(lib.EJS_CLASS_ARRAY_BUFFER)*uintptr(valueSize))}, keyConstructor)
	if err != nil {
		return Undefined, err
	}
	defer r.Free(ctor)
	options, err := r.Object()
	if err != nil {
		return Undefined, err
	}
	defer r.Free(options)
	if err := r.Set(options, keyMaxByteLength, Int64(int64(most))); err != nil {
		return Undefined, err
	}
	v, err = r.Construct(ctor, Int64(int64(len(b))), options)
	if err != nil {
		return Undefined, err
	}
	if out, ok := r.Bytes(v); ok {
		copy(out, b)
	}
	return v, nil
}

var keyMaxByteLength = Intern("maxByteLength")

// ArrayLength is the length of a true array; ok is false for anything else.
func (r *Runtime) ArrayLength(v Value) (n uint32, ok bool) {
	if r.classOf(v) != lib.EJS_CLASS_ARRAY {
		return 0, false
	}
	f, ok := r.plainLength(v)
	return uint32(f), ok
}

// Element is element i of an array that has no holes and no accessors, owned;
// ok is false if the array is not of that kind, or shorter. It runs no user
// code.
func (r *Runtime) Element(v Value, i uint32) (e Value, ok bool) {
	values, ok := r.fastArray(v)
	if !ok || int(i) >= len(values) {
		return Undefined, false
	}
	return r.Dup(values[i]), true
}

// Dense reports whether an array has no holes, no accessors among its elements
// and no properties other than its elements.
func (r *Runtime) Dense(v Value) bool {
	values, ok := r.fastArray(v)
	if !ok {
		return false
	}
	n, _ := r.ArrayLength(v)
	return int(n) == len(values) && at[lib.TJSShape](at[lib.TJSObject](v.ptr()).Fshape).Fprop_count == 1
}

// Props calls f with each own enumerable property that has a string key, in
// order: key is a borrowed string, or a number for an index, and v is borrowed
// too. Getters run. It stops at the first error.
//
// The usual object, all plain data, is walked in place; keeping its shape
// alive keeps the walk safe when f, or a getter, changes the object.
func (r *Runtime) Props(obj Value, f func(key, v Value) error) error {
	if r.dead != nil {
		return r.dead
	}
	c := r.classOf(obj)
	o := at[lib.TJSObject](obj.ptr())
	shape := o.Fshape
	sh := at[lib.TJSShape](shape)
	if c != lib.EJS_CLASS_OBJECT && c != lib.EJS_CLASS_ERROR || sh.Fis_hashed == 0 {
		return r.slowProps(obj, f)
	}
	*at[int32](shape - refCountOffset)++
	err := r.walkShape(obj, shape, f)
	if r.dead == nil {
		engineFreeShape(r.tls, r.rt, shape)
	}
	return err
}

// DataProps calls f with each own enumerable property of a plain object, as
// Props does, as long as f returns true, and reports whether all were seen. It
// runs no user code: it reports false, having called f or not, for an object
// with an accessor, and for one that is not stored in the usual way. f must not
// run any either.
func (r *Runtime) DataProps(obj Value, f func(key, v Value) bool) bool {
	if r.dead != nil || r.classOf(obj) != lib.EJS_CLASS_OBJECT {
		return false
	}
	o := at[lib.TJSObject](obj.ptr())
	sh := at[lib.TJSShape](o.Fshape)
	if sh.Fis_hashed == 0 {
		return false
	}
	table := o.Fshape + unsafe.Sizeof(lib.TJSShape{}) + (uintptr(sh.Fprop_hash_mask)+1)*4
	for i := range uintptr(sh.Fprop_count) {
		p := at[lib.TJSShapeProperty](table + i*unsafe.Sizeof(lib.TJSShapeProperty{}))
		flags := int32(p.F__ccgo0 >> 26)
		if p.Fatom == 0 || flags&lib.MJS_PROP_ENUMERABLE == 0 {
			continue
		}
		key, ok := r.keyOfAtom(p.Fatom)
		if !ok || flags&lib.MJS_PROP_TMASK != 0 || !f(key, *at[Value](o.Fprop + i*uintptr(valueSize))) {
			return false
		}
	}
	return true
}

func (r *Runtime) walkShape(obj Value, shape uintptr, f func(key, v Value) error) error {
	o := at[lib.TJSObject](obj.ptr())
	sh := at[lib.TJSShape](shape)
	table := shape + unsafe.Sizeof(lib.TJSShape{}) + (uintptr(sh.Fprop_hash_mask)+1)*4
	n := uintptr(sh.Fprop_count)
	for i := range n {
		p := at[lib.TJSShapeProperty](table + i*unsafe.Sizeof(lib.TJSShapeProperty{}))
		flags := int32(p.F__ccgo0 >> 26)
		if p.Fatom == 0 || flags&lib.MJS_PROP_ENUMERABLE == 0 {
			continue
		}
		key, ok := r.keyOfAtom(p.Fatom)
		if !ok {
			continue
		}
		var v Value
		if o.Fshape == shape && flags&lib.MJS_PROP_TMASK == 0 {
			v = r.Dup(*at[Value](o.Fprop + i*uintptr(valueSize)))
		} else {
			// An accessor, or the object has changed since.
			if o.Fshape != shape {
				has, err := r.hasOwn(obj, p.Fatom)
				if err != nil {
					return err
				}
				if !has {
					continue
				}
			}
			var err error
			if v, err = r.getAtom(obj, p.Fatom); err != nil {
				return err
			}
		}
		err := f(key, v)
		r.Free(v)
		if err != nil {
			return err
		}
	}
	return nil
}

// keyOfAtom is the borrowed key of an atom; ok is false for a symbol.
func (r *Runtime) keyOfAtom(a uint32) (Value, bool) {
	if a&lib.MJS_ATOM_TAG_INT != 0 {
		return Int64(int64(a &^ lib.MJS_ATOM_TAG_INT)), true
	}
	p := *at[uintptr](r.engineRuntime().Fatom_array + uintptr(a)*8)
	return mk(tagString, uint64(p)), *at[uint32](p + 4)>>30 == lib.EJS_ATOM_TYPE_STRING
}

func (r *Runtime) hasOwn(obj Value, a uint32) (ok bool, err error) {
	defer r.leave(r.enter(), &err)
	n := lib.XJS_GetOwnProperty(r.tls, r.ctx, 0, obj.js, a)
	if n < 0 {
		return false, r.thrown()
	}
	return n > 0, nil
}

func (r *Runtime) getAtom(obj Value, a uint32) (v Value, err error) {
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_GetPropertyInternal(r.tls, r.ctx, obj.js, a, obj.js, 0))
}

func (r *Runtime) slowProps(obj Value, f func(key, v Value) error) (err error) {
	defer r.leave(r.enter(), &err)
	bp := r.tls.Alloc(16)
	defer r.tls.Free(16)
	const flags = lib.MJS_GPN_STRING_MASK | lib.MJS_GPN_ENUM_ONLY
	if lib.XJS_GetOwnPropertyNames(r.tls, r.ctx, bp, bp+8, obj.js, flags) < 0 {
		return r.thrown()
	}
	tab, n := *at[uintptr](bp), *at[uint32](bp + 8)
	defer func() {
		if r.dead == nil {
			lib.XJS_FreePropertyEnum(r.tls, r.ctx, tab, n)
		}
	}()
	for i := range uintptr(n) {
		a := at[lib.TJSPropertyEnum](tab + i*unsafe.Sizeof(lib.TJSPropertyEnum{})).Fatom
		has, err := r.hasOwn(obj, a)
		if err != nil {
			return err
		}
		key, ok := r.keyOfAtom(a)
		if !has || !ok {
			continue
		}
		v, err := r.getAtom(obj, a)
		if err != nil {
			return err
		}
		err = f(key, v)
		r.Free(v)
		if err != nil {
			return err
		}
	}
	return nil
}

// OwnData is an own data property, owned; ok is false if there is none, or if
// it is an accessor. It runs no user code, unless obj is a proxy.
func (r *Runtime) OwnData(obj Value, k Key) (v Value, ok bool, err error) {
	if r.dead != nil {
		return Undefined, false, r.dead
	}
	defer r.leave(r.enter(), &err)
	a := r.atom(k)
	if a == 0 {
		return Undefined, false, r.thrown()
	}
	size := int(unsafe.Sizeof(lib.TJSPropertyDescriptor{}))
	desc := r.tls.Alloc(size)
	defer r.tls.Free(size)
	n := lib.XJS_GetOwnProperty(r.tls, r.ctx, desc, obj.js, a)
	if n < 0 {
		return Undefined, false, r.thrown()
	}
	if n == 0 {
		return Undefined, false, nil
	}
	d := at[lib.TJSPropertyDescriptor](desc)
	r.FreeAll(Value{d.Fgetter}, Value{d.Fsetter})
	if d.Fflags&lib.MJS_PROP_GETSET != 0 {
		r.Free(Value{d.Fvalue})
		return Undefined, false, nil
	}
	return Value{d.Fvalue}, true, nil
}

// NewErrorObject makes an error of a class without a message and without a
// stack of its own.
func (r *Runtime) NewErrorObject(class ErrorClass) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if class == ClassError {
		return r.result(lib.XJS_NewError(r.tls, r.ctx))
	}
	return r.result(lib.XJS_NewObjectProtoClass(r.tls, r.ctx, r.errorProto(class), lib.EJS_CLASS_ERROR))
}

// ErrorClassNamed finds the error class of a name; ClassError if it is not the
// language's own.
func ErrorClassNamed(name string) ErrorClass {
	for c, n := range errorNames {
		if n == name {
			return ErrorClass(c)
		}
	}
	return ClassError
}

// SetLength sets an array's length.
func (r *Runtime) SetLength(array Value, n uint32) error {
	return r.Set(array, keyLength, Float(float64(n)))
}

// DefineKey is Define for a key given as UTF-8.
func (r *Runtime) DefineKey(obj Value, key []byte, v Value, flags PropFlags) (err error) {
	if r.dead != nil {
		return r.dead
	}
	defer r.leave(r.enter(), &err)
	p := r.tls.Alloc(len(key) + 1)
	defer r.tls.Free(len(key) + 1)
	copy(bytesAt(p, len(key)), key)
	a := lib.XJS_NewAtomLen(r.tls, r.ctx, p, uint64(len(key)))
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

// SymbolString is a symbol as "Symbol(description)".
func (r *Runtime) SymbolString(v Value) string {
	if v.js.Ftag != tagSymbol || r.dead != nil {
		return ""
	}
	return "Symbol(" + string(r.AppendString(nil, mk(tagString, uint64(v.ptr())))) + ")"
}

// PropCount is a guess at how many properties Props will find: exact for the
// usual object. It runs no user code.
func (r *Runtime) PropCount(v Value) int {
	c := r.classOf(v)
	if c == 0 {
		return 0
	}
	sh := at[lib.TJSShape](at[lib.TJSObject](v.ptr()).Fshape)
	n := int(sh.Fprop_count - sh.Fdeleted_prop_count)
	if c == lib.EJS_CLASS_ARRAY {
		n-- // length
		values, _ := r.fastArray(v)
		n += len(values)
	}
	return n
}
