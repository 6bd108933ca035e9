package value

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// The major types of RFC 8949 3.1, in place.
const (
	majorUint   = 0 << 5
	majorNegInt = 1 << 5
	majorBytes  = 2 << 5
	majorText   = 3 << 5
	majorArray  = 4 << 5
	majorMap    = 5 << 5
	majorTag    = 6 << 5
	majorSimple = 7 << 5
)

// MaxSafeInteger is the largest integer up to which JavaScript's numbers are exact.
const MaxSafeInteger = 1<<53 - 1

// appendHead writes a major type and its argument in the shortest form (RFC 8949 4.1).
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return append(dst, major|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

// AppendUndefined appends undefined.
func AppendUndefined(dst []byte) []byte { return append(dst, 0xf7) }

// AppendNull appends null.
func AppendNull(dst []byte) []byte { return append(dst, 0xf6) }

// AppendBool appends true or false.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0xf5)
	}
	return append(dst, 0xf4)
}

// AppendInt appends an integer. One beyond [MaxSafeInteger] either way is a BigInt for JavaScript.
func AppendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNegInt, uint64(^n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

// AppendUint is AppendInt for what does not fit an int64.
func AppendUint(dst []byte, n uint64) []byte { return appendHead(dst, majorUint, n) }

// AppendNumber appends a JavaScript number: as an integer if it is one in the safe range, and otherwise as AppendFloat
// does. -0 is not an integer.
func AppendNumber(dst []byte, f float64) []byte {
	if f >= -MaxSafeInteger && f <= MaxSafeInteger {
		if n := int64(f); float64(n) == f && (n != 0 || !math.Signbit(f)) {
			return AppendInt(dst, n)
		}
	}
	return AppendFloat(dst, f)
}

// AppendFloat appends a floating-point number in the shortest of 2, 4 and 8 bytes that holds it exactly
// (RFC 8949 4.1). Every NaN becomes the one that JavaScript has, 0xf97e00.
func AppendFloat(dst []byte, f float64) []byte {
	if f != f {
		return append(dst, 0xf9, 0x7e, 0x00)
	}
	f32 := float32(f)
	if float64(f32) != f {
		return binary.BigEndian.AppendUint64(append(dst, 0xfb), math.Float64bits(f))
	}
	if h, ok := float16Of(f32); ok {
		return append(dst, 0xf9, byte(h>>8), byte(h))
	}
	return binary.BigEndian.AppendUint32(append(dst, 0xfa), math.Float32bits(f32))
}

// float16Of returns f as a half-precision number, if that is exact. f is not NaN.
func float16Of(f float32) (uint16, bool) {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127
	frac := b & (1<<23 - 1)
	switch {
	case exp == 128: // infinity
		return sign | 0x7c00, true
	case exp == -127: // zero, or a subnormal that is far too small
		return sign, frac == 0
	case exp > 15 || exp < -24:
		return 0, false
	case exp >= -14:
		return sign | uint16(exp+15)<<10 | uint16(frac>>13), frac&(1<<13-1) == 0
	default: // a subnormal half: frac with its leading bit, shifted to units of 2^-24
		frac |= 1 << 23
		shift := uint(-exp - 1)
		return sign | uint16(frac>>shift), frac&(1<<shift-1) == 0
	}
}

// AppendString appends a string that is valid UTF-8. What may hold lone surrogates goes to [AppendWTF8] or
// [AppendUTF16].
func AppendString(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// AppendText is AppendString for bytes.
func AppendText(dst, s []byte) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// AppendBytes appends a byte string. By itself that is a Uint8Array.
func AppendBytes(dst, b []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

// AppendBytesHeader begins a byte string of n bytes, which the caller appends.
func AppendBytesHeader(dst []byte, n int) []byte { return appendHead(dst, majorBytes, uint64(n)) }

// AppendArrayHeader begins an array of n items, which the caller appends.
func AppendArrayHeader(dst []byte, n int) []byte { return appendHead(dst, majorArray, uint64(n)) }

// AppendMapHeader begins a map of n pairs; the caller appends key, value, key, value, ... By itself, and with
// strings as keys, it is a plain object.
func AppendMapHeader(dst []byte, n int) []byte { return appendHead(dst, majorMap, uint64(n)) }

// AppendTag appends a tag; the caller appends the item that it is for.
func AppendTag(dst []byte, tag uint64) []byte { return appendHead(dst, majorTag, tag) }

// AppendBigInt appends a BigInt of any size: its sign and its magnitude, big-endian; leading zeros are dropped. The
// sign of zero is ignored.
func AppendBigInt(dst []byte, negative bool, magnitude []byte) []byte {
	for len(magnitude) > 0 && magnitude[0] == 0 {
		magnitude = magnitude[1:]
	}
	if !negative || len(magnitude) == 0 {
		return AppendBytes(AppendTag(dst, TagBigInt), magnitude)
	}
	// The wire has magnitude - 1. It is one byte shorter exactly for 1 followed by zeros.
	n := len(magnitude)
	power := magnitude[0] == 1
	for _, c := range magnitude[1:] {
		power = power && c == 0
	}
	if power {
		dst = AppendBytesHeader(AppendTag(dst, TagNegBigInt), n-1)
		for range n - 1 {
			dst = append(dst, 0xff)
		}
		return dst
	}
	dst = AppendBytes(AppendTag(dst, TagNegBigInt), magnitude)
	for i := len(dst) - 1; ; i-- {
		dst[i]--
		if dst[i] != 0xff {
			return dst
		}
	}
}

// AppendBigInt64 appends a BigInt that fits an int64.
func AppendBigInt64(dst []byte, n int64) []byte {
	tag, u := uint64(TagBigInt), uint64(n)
	if n < 0 {
		tag, u = TagNegBigInt, ^u
	}
	size := (bits.Len64(u) + 7) / 8
	dst = AppendBytesHeader(AppendTag(dst, tag), size)
	for i := size - 1; i >= 0; i-- {
		dst = append(dst, byte(u>>(8*i)))
	}
	return dst
}

// AppendDate appends a Date, given as JavaScript has it: milliseconds since 1970, NaN for an invalid one. Whole
// seconds are an integer, others a floating-point number of seconds; [DateMs] gets the exact milliseconds
// back.
func AppendDate(dst []byte, ms float64) []byte {
	dst = AppendTag(dst, TagDate)
	if ms != ms || math.Abs(ms) > MaxDateMs {
		return AppendFloat(dst, math.NaN())
	}
	if n := int64(ms); n%1000 == 0 {
		return AppendInt(dst, n/1000)
	}
	return AppendFloat(dst, math.Trunc(ms)/1000)
}

// MaxDateMs is how far from 1970 a Date can be, in milliseconds.
const MaxDateMs = 8.64e15

// DateMs turns the seconds of a date back into JavaScript's milliseconds: NaN if they are out of range. It is
// exact for whatever AppendDate wrote: a double of that size is less than half a millisecond off, and
// the product is rounded only once.
func DateMs(seconds float64) float64 {
	hi := seconds * 1000
	lo := math.FMA(seconds, 1000, -hi)
	ms := math.Round(hi)
	// hi is a double near the product, lo what is missing from it: together they are exact.
	switch rest := hi - ms + lo; {
	case rest >= 0.5:
		ms++
	case rest < -0.5:
		ms--
	}
	if !(math.Abs(ms) <= MaxDateMs) {
		return math.NaN()
	}
	return ms + 0 // no -0
}

// AppendRegExp appends a regular expression.
func AppendRegExp(dst []byte, source, flags string) []byte {
	dst = AppendArrayHeader(AppendTag(dst, TagRegExp), 2)
	return AppendString(AppendWTF8(dst, source), flags)
}

// AppendArrayBuffer appends an ArrayBuffer of fixed length.
func AppendArrayBuffer(dst, b []byte) []byte { return AppendBytes(AppendTag(dst, TagArrayBuffer), b) }

// AppendResizableArrayBuffer appends a resizable ArrayBuffer.
func AppendResizableArrayBuffer(dst, b []byte, maxByteLength uint64) []byte {
	dst = AppendArrayHeader(AppendTag(dst, TagArrayBuffer), 2)
	return AppendUint(AppendBytes(dst, b), maxByteLength)
}

// AppendTypedArray appends a typed array that covers the whole of a buffer of its own. data is little-endian. A DataView
// has no such form.
func AppendTypedArray(dst []byte, kind ArrayKind, data []byte) []byte {
	if kind != Uint8Array {
		dst = AppendTag(dst, uint64(kind))
	}
	return AppendBytes(dst, data)
}

// AppendViewHeader begins a view of a buffer: the caller appends the buffer (an ArrayBuffer, shared or not, or a
// reference to one), then the offset and the length in bytes as integers; null for a length that follows its buffer.
func AppendViewHeader(dst []byte, kind ArrayKind) []byte {
	return AppendUint(AppendArrayHeader(AppendTag(dst, TagView), 4), uint64(kind))
}

// AppendSparseArrayHeader begins an array with holes or named properties: the caller appends n pairs, indexes (as
// integers, ascending) before names.
func AppendSparseArrayHeader(dst []byte, length uint32, n int) []byte {
	dst = AppendUint(AppendArrayHeader(AppendTag(dst, TagArray), 2), uint64(length))
	return AppendMapHeader(dst, n)
}

// AppendErrorHeader begins an error: name is that of its constructor; the caller appends n pairs, the error's own
// properties, among them message, stack and cause.
func AppendErrorHeader(dst []byte, name string, n int) []byte {
	dst = AppendString(AppendArrayHeader(AppendTag(dst, TagError), 2), name)
	return AppendMapHeader(dst, n)
}

// AppendWTF8 appends a string in WTF-8, which is UTF-8 with lone surrogates encoded as if they were characters: as
// plain text if there are none, and tagged otherwise, so that nothing is lost and no reader meets invalid
// UTF-8.
func AppendWTF8[S string | []byte](dst []byte, s S) []byte {
	if validUTF8(s) {
		return append(appendHead(dst, majorText, uint64(len(s))), s...)
	}
	return append(appendHead(AppendTag(dst, TagWTF8), majorBytes, uint64(len(s))), s...)
}

func validUTF8[S string | []byte](s S) bool {
	switch s := any(s).(type) {
	case string:
		return utf8.ValidString(s)
	case []byte:
		return utf8.Valid(s)
	}
	return false
}
