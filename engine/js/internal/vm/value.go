package vm

import (
	"math"
	"unsafe"

	lib "modernc.org/libquickjs"
)

// Value is one JavaScript value, of one Runtime. Copying the struct does not
// count a reference: the package comment has the rules of ownership. Owned by
// the loop of its runtime; never to be used with another runtime.
type Value struct{ js lib.TJSValue }

func mk(tag int64, bits uint64) Value {
	return Value{lib.TJSValue{Fu: *(*lib.TJSValueUnion)(unsafe.Pointer(&bits)), Ftag: tag}}
}

func (v Value) bits() uint64 { return *(*uint64)(unsafe.Pointer(&v.js.Fu)) }
func (v Value) ptr() uintptr { return uintptr(v.bits()) }

// Values that need no runtime.
var (
	Undefined = mk(tagUndefined, 0)
	Null      = mk(tagNull, 0)
	True      = mk(tagBool, 1)
	False     = mk(tagBool, 0)

	exception = mk(tagException, 0)
)

// Bool makes a boolean.
func Bool(b bool) Value {
	if b {
		return True
	}
	return False
}

// Int makes a number from an int32.
func Int(i int32) Value { return mk(tagInt, uint64(uint32(i))) }

// Float makes a number, in the engine's integer form when it is one.
func Float(f float64) Value {
	if i := int32(f); float64(i) == f && (i != 0 || !math.Signbit(f)) {
		return Int(i)
	}
	return mk(tagFloat64, math.Float64bits(f))
}

// Int64 makes a number. Beyond 2^53 it loses precision, as in JavaScript.
func Int64(i int64) Value {
	if int64(int32(i)) == i {
		return Int(int32(i))
	}
	return mk(tagFloat64, math.Float64bits(float64(i)))
}

// Kind is a value's type.
type Kind uint8

const (
	KindUndefined Kind = iota
	KindNull
	KindBool
	KindNumber
	KindBigInt
	KindString
	KindSymbol
	KindObject
)

func (k Kind) String() string {
	return [...]string{"undefined", "null", "boolean", "number", "bigint", "string", "symbol", "object"}[k]
}

// Kind says what v is. A function is an object (see Runtime.IsFunction).
func (v Value) Kind() Kind {
	switch v.js.Ftag {
	case tagInt, tagFloat64:
		return KindNumber
	case tagBool:
		return KindBool
	case tagNull:
		return KindNull
	case tagBigInt, tagShortBigInt:
		return KindBigInt
	case tagString, tagStringRope:
		return KindString
	case tagSymbol:
		return KindSymbol
	case tagObject:
		return KindObject
	}
	return KindUndefined
}

func (v Value) IsUndefined() bool { return v.js.Ftag == tagUndefined }
func (v Value) IsNull() bool      { return v.js.Ftag == tagNull }
func (v Value) IsNullish() bool   { return v.js.Ftag == tagNull || v.js.Ftag == tagUndefined }
func (v Value) IsObject() bool    { return v.js.Ftag == tagObject }
func (v Value) IsString() bool    { return v.js.Ftag == tagString || v.js.Ftag == tagStringRope }
func (v Value) IsNumber() bool    { return v.js.Ftag == tagInt || v.js.Ftag == tagFloat64 }
func (v Value) IsBool() bool      { return v.js.Ftag == tagBool }

// Int32 is the number as the engine keeps small integers; ok is false for
// anything else, also for a float that happens to be whole.
func (v Value) Int32() (i int32, ok bool) {
	return int32(v.bits()), v.js.Ftag == tagInt
}

// Float64 is the number; ok is false if v is not one. It never converts.
func (v Value) Float64() (f float64, ok bool) {
	switch v.js.Ftag {
	case tagInt:
		return float64(int32(v.bits())), true
	case tagFloat64:
		return math.Float64frombits(v.bits()), true
	}
	return 0, false
}

// Truth is the boolean; false for anything that is not true itself.
func (v Value) Truth() bool { return v.js.Ftag == tagBool && uint32(v.bits()) != 0 }

// Same reports whether both are the same object, string, symbol or primitive
// by identity. Equal strings at different addresses are not the same.
func (v Value) Same(w Value) bool { return v.js.Ftag == w.js.Ftag && v.bits() == w.bits() }

func (v Value) counted() bool { return v.js.Ftag < 0 }

// Dup makes a second owned reference.
func (r *Runtime) Dup(v Value) Value {
	if v.counted() && r.dead == nil {
		*at[int32](v.ptr() - refCountOffset)++
	}
	return v
}

// Alone reports whether v is an object that nobody refers to but the caller. Of
// a pending promise it says that nothing can settle it any more: whoever
// could, in JavaScript or in Go, has a reference.
func (r *Runtime) Alone(v Value) bool {
	return v.IsObject() && r.dead == nil && *at[int32](v.ptr() - refCountOffset) == 1
}

// Free gives an owned reference back.
func (r *Runtime) Free(v Value) {
	if !v.counted() || r.dead != nil {
		return
	}
	if n := at[int32](v.ptr() - refCountOffset); *n > 1 {
		*n--
		return
	}
	r.freeLast(v)
}

// freeLast destroys what v points to. It cannot run JavaScript (there are no
// destructors), but the engine walks structures, and finalizers of handles run.
func (r *Runtime) freeLast(v Value) {
	var err error
	defer r.leave(r.enter(), &err)
	lib.XFreeValue(r.tls, r.ctx, v.js)
}

// FreeAll frees several values.
func (r *Runtime) FreeAll(vs ...Value) {
	for _, v := range vs {
		r.Free(v)
	}
}

// ToFloat64 converts as JavaScript's Number(v) does. It may run user code.
func (r *Runtime) ToFloat64(v Value) (f float64, err error) {
	if f, ok := v.Float64(); ok {
		return f, nil
	}
	if r.dead != nil {
		return 0, r.dead
	}
	defer r.leave(r.enter(), &err)
	bp := r.tls.Alloc(16)
	defer r.tls.Free(16)
	if lib.XJS_ToFloat64(r.tls, r.ctx, bp, v.js) != 0 {
		return 0, r.thrown()
	}
	return *at[float64](bp), nil
}

// ToBool converts as JavaScript's Boolean(v) does. It runs no user code.
func (r *Runtime) ToBool(v Value) bool {
	switch v.js.Ftag {
	case tagBool, tagInt:
		return uint32(v.bits()) != 0
	case tagNull, tagUndefined:
		return false
	case tagObject:
		return r.dead == nil
	}
	if r.dead != nil {
		return false
	}
	var err error
	defer r.leave(r.enter(), &err)
	return lib.XJS_ToBool(r.tls, r.ctx, r.Dup(v).js) > 0
}

// BigInt64 makes a bigint.
func (r *Runtime) BigInt64(i int64) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_NewBigInt64(r.tls, r.ctx, i))
}

// result turns what the engine returned into a value or the pending error.
func (r *Runtime) result(js lib.TJSValue) (Value, error) {
	if js.Ftag == tagException {
		return Undefined, r.thrown()
	}
	return Value{js}, nil
}
