package vm

import (
	"math"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	lib "modernc.org/libquickjs"
)

// The engine keeps a string as Latin-1 bytes or as UTF-16 units, and the
// product of many + as a rope of such pieces. This file writes and reads both
// forms in place: one copy each way.

// maxString is the engine's limit, in units.
const maxString = 1<<30 - 2

// newRaw allocates a string of n units whose characters the caller fills.
func (r *Runtime) newRaw(n int, wide bool) (p uintptr, err error) {
	size, head := n+1, uint32(n)
	if wide {
		size, head = 2*n, uint32(n)|1<<31
	}
	p = lib.Xjs_malloc(r.tls, r.ctx, uint64(stringHeader+size))
	if p == 0 {
		return 0, r.thrown()
	}
	*at[int32](p - refCountOffset) = 1
	*at[uint32](p) = head
	*at[uint32](p + 4) = 0
	*at[uint32](p + 8) = 0
	if !wide {
		*at[byte](p + stringHeader + uintptr(n)) = 0
	}
	return p, nil
}

// String makes a string from UTF-8. Invalid bytes become U+FFFD.
func (r *Runtime) String(s string) (v Value, err error) {
	return r.StringBytes(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// StringBytes is String for bytes.
func (r *Runtime) StringBytes(b []byte) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if len(b) == 0 {
		return Value{lib.XJS_AtomToString(r.tls, r.ctx, atomEmpty)}, nil
	}
	units, top := measureUTF8(b)
	if units > maxString {
		return Undefined, r.Throw(RangeError("Invalid string length"))
	}
	if top < 0x80 {
		p, err := r.newRaw(len(b), false)
		if err != nil {
			return Undefined, err
		}
		copy(unsafe.Slice(at[byte](p+stringHeader), len(b)), b)
		return mk(tagString, uint64(p)), nil
	}
	if top < 0x100 {
		p, err := r.newRaw(units, false)
		if err != nil {
			return Undefined, err
		}
		out := unsafe.Slice(at[byte](p+stringHeader), units)
		for i, j := 0, 0; i < len(b); j++ {
			c, n := utf8.DecodeRune(b[i:])
			out[j] = byte(c)
			i += n
		}
		return mk(tagString, uint64(p)), nil
	}
	p, err := r.newRaw(units, true)
	if err != nil {
		return Undefined, err
	}
	out := unsafe.Slice(at[uint16](p+stringHeader), units)
	for i, j := 0, 0; i < len(b); {
		c, n := utf8.DecodeRune(b[i:])
		i += n
		if c >= 0x10000 {
			hi, lo := utf16.EncodeRune(c)
			out[j], out[j+1] = uint16(hi), uint16(lo)
			j += 2
			continue
		}
		out[j] = uint16(c)
		j++
	}
	return mk(tagString, uint64(p)), nil
}

// measureUTF8 counts the UTF-16 units of b and finds its highest code point.
func measureUTF8(b []byte) (units int, top rune) {
	i := 0
	for i+8 <= len(b) && *(*uint64)(unsafe.Pointer(&b[i]))&0x8080808080808080 == 0 {
		i += 8
	}
	units = i
	for i < len(b) {
		if b[i] < utf8.RuneSelf {
			i++
			units++
			continue
		}
		c, n := utf8.DecodeRune(b[i:])
		i += n
		units++
		if c >= 0x10000 {
			units++
		}
		top = max(top, c)
	}
	return units, top
}

// StringLatin1 makes a string whose units are the bytes of b, as headers and
// "binary strings" want it.
func (r *Runtime) StringLatin1(b []byte) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if len(b) == 0 {
		return Value{lib.XJS_AtomToString(r.tls, r.ctx, atomEmpty)}, nil
	}
	if len(b) > maxString {
		return Undefined, r.Throw(RangeError("Invalid string length"))
	}
	p, err := r.newRaw(len(b), false)
	if err != nil {
		return Undefined, err
	}
	copy(unsafe.Slice(at[byte](p+stringHeader), len(b)), b)
	return mk(tagString, uint64(p)), nil
}

// StringUTF16 makes a string of exactly these units, lone surrogates and all.
func (r *Runtime) StringUTF16(u []uint16) (v Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	if len(u) == 0 {
		return Value{lib.XJS_AtomToString(r.tls, r.ctx, atomEmpty)}, nil
	}
	if len(u) > maxString {
		return Undefined, r.Throw(RangeError("Invalid string length"))
	}
	wide := false
	for _, c := range u {
		if c > 0xff {
			wide = true
			break
		}
	}
	p, err := r.newRaw(len(u), wide)
	if err != nil {
		return Undefined, err
	}
	if wide {
		copy(unsafe.Slice(at[uint16](p+stringHeader), len(u)), u)
	} else {
		out := unsafe.Slice(at[byte](p+stringHeader), len(u))
		for i, c := range u {
			out[i] = byte(c)
		}
	}
	return mk(tagString, uint64(p)), nil
}

// StringLen is a string's length in UTF-16 units; 0 if v is not a string.
func (r *Runtime) StringLen(v Value) int {
	if r.dead != nil {
		return 0
	}
	switch v.js.Ftag {
	case tagString:
		return int(*at[uint32](v.ptr()) & math.MaxInt32)
	case tagStringRope:
		return int(at[lib.TJSStringRope](v.ptr()).Flen1)
	}
	return 0
}

// pieces calls f for each flat piece of a string, in order. Ropes are at most
// 60 deep.
func pieces(v lib.TJSValue, f func(latin1 []byte, wide []uint16)) {
	w := Value{v}
	switch v.Ftag {
	case tagString:
		p := w.ptr()
		head := *at[uint32](p)
		n := int(head & math.MaxInt32)
		if head>>31 != 0 {
			f(nil, unsafe.Slice(at[uint16](p+stringHeader), n))
		} else {
			f(unsafe.Slice(at[byte](p+stringHeader), n), nil)
		}
	case tagStringRope:
		rope := at[lib.TJSStringRope](w.ptr())
		pieces(rope.Fleft, f)
		pieces(rope.Fright, f)
	}
}

// Latin1 is a view of the units of v, if v is a flat string of units below
// 0x100. The view lives as long as v does.
func (r *Runtime) Latin1(v Value) (b []byte, ok bool) {
	if v.js.Ftag != tagString || r.dead != nil {
		return nil, false
	}
	p := v.ptr()
	head := *at[uint32](p)
	if head>>31 != 0 {
		return nil, false
	}
	return unsafe.Slice(at[byte](p+stringHeader), int(head&math.MaxInt32)), true
}

// UTF16 is a view of the units of v, if v is a flat string kept as UTF-16. The
// view lives as long as v does.
func (r *Runtime) UTF16(v Value) (u []uint16, ok bool) {
	if v.js.Ftag != tagString || r.dead != nil {
		return nil, false
	}
	p := v.ptr()
	head := *at[uint32](p)
	if head>>31 == 0 {
		return nil, false
	}
	return unsafe.Slice(at[uint16](p+stringHeader), int(head&math.MaxInt32)), true
}

// AppendUTF16 appends the units of string v to dst. It appends nothing if v is
// not a string.
func (r *Runtime) AppendUTF16(dst []uint16, v Value) []uint16 {
	if !v.IsString() || r.dead != nil {
		return dst
	}
	pieces(v.js, func(latin1 []byte, wide []uint16) {
		for _, c := range latin1 {
			dst = append(dst, uint16(c))
		}
		dst = append(dst, wide...)
	})
	return dst
}

// AppendString appends string v to dst as UTF-8, a lone surrogate as U+FFFD.
// It appends nothing if v is not a string: see ToString.
func (r *Runtime) AppendString(dst []byte, v Value) []byte {
	if r.dead != nil {
		return dst
	}
	switch v.js.Ftag {
	case tagString:
		if b, ok := r.Latin1(v); ok {
			return appendLatin1(dst, b)
		}
		u, _ := r.UTF16(v)
		return appendUTF16(dst, u)
	case tagStringRope:
		// A pair of surrogates may be cut between two pieces.
		rope := at[lib.TJSStringRope](v.ptr())
		if rope.Fis_wide_char == 0 {
			pieces(v.js, func(latin1 []byte, _ []uint16) { dst = appendLatin1(dst, latin1) })
			return dst
		}
		return appendUTF16(dst, r.AppendUTF16(nil, v))
	}
	return dst
}

func isASCII(b []byte) bool {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if *(*uint64)(unsafe.Pointer(&b[i]))&0x8080808080808080 != 0 {
			return false
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func appendLatin1(dst, b []byte) []byte {
	if isASCII(b) {
		return append(dst, b...)
	}
	for _, c := range b {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst
}

func appendUTF16(dst []byte, u []uint16) []byte {
	for i := 0; i < len(u); i++ {
		c := rune(u[i])
		if utf16.IsSurrogate(c) {
			if i+1 < len(u) {
				if full := utf16.DecodeRune(c, rune(u[i+1])); full != utf8.RuneError {
					dst = utf8.AppendRune(dst, full)
					i++
					continue
				}
			}
			c = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, c)
	}
	return dst
}

// GoString is string v as a Go string, "" if v is not a string.
func (r *Runtime) GoString(v Value) string {
	if b, ok := r.Latin1(v); ok && isASCII(b) {
		return string(b)
	}
	b := r.AppendString(nil, v)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// ToString converts as JavaScript's String(v) does (a symbol throws). It may
// run user code.
func (r *Runtime) ToString(v Value) (s string, err error) {
	if v.IsString() {
		return r.GoString(v), r.dead
	}
	w, err := r.ToStringValue(v)
	if err != nil {
		return "", err
	}
	s = r.GoString(w)
	r.Free(w)
	return s, nil
}

// ToStringValue is ToString with a JavaScript string for result.
func (r *Runtime) ToStringValue(v Value) (w Value, err error) {
	if r.dead != nil {
		return Undefined, r.dead
	}
	defer r.leave(r.enter(), &err)
	return r.result(lib.XJS_ToString(r.tls, r.ctx, v.js))
}
