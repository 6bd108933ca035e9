package value

// Limits of the format. docs/format/value.md states them too.
const (
	// MaxDepth is how deep arrays, maps and tags may nest.
	MaxDepth = 4096
	// MaxSize is how long one value may be, in bytes. Callers that store values have tighter limits of their own.
	MaxSize = 32 << 20
)

// The tags of the format. Those below 2^16 are registered with IANA and mean what they mean everywhere; the ones
// from tagBase on are ours ("evl" in ASCII, then a number).
const (
	TagDateText  = 0     // RFC 8949 3.4.1: read as a Date, never written
	TagDate      = 1     // RFC 8949 3.4.2: seconds since 1970
	TagBigInt    = 2     // RFC 8949 3.4.3: magnitude n of a BigInt n
	TagNegBigInt = 3     // RFC 8949 3.4.3: n of a BigInt -1-n
	TagShared    = 28    // value sharing: an item that references point at
	TagRef       = 29    // value sharing: a reference, by the number of the shared item
	TagSet       = 258   // a Set, over an array
	TagMap       = 259   // a Map, over a map
	TagWTF8      = 273   // a string with lone surrogates, over a byte string in WTF-8
	TagRegExp    = 21066 // an ECMAScript regular expression, over [source, flags]

	tagBase        = 0x65766c00
	TagArrayBuffer = tagBase + 1 // an ArrayBuffer, over its bytes or [bytes, maxByteLength]
	TagView        = tagBase + 2 // a view of a buffer, over [kind, buffer, byteOffset, byteLength or null]
	TagArray       = tagBase + 3 // an array with holes or named properties, over [length, map]
	TagBoxed       = tagBase + 4 // a Boolean, Number, String or BigInt object, over its primitive
	TagError       = tagBase + 5 // an Error, over [constructor name, own properties]
	TagCap         = tagBase + 6 // a reference to what a program gave away, over its number; in calls only, never stored
	TagWeb         = tagBase + 7 // an object of the Web APIs, over [class name, parts...]
)

// ArrayKind says what the elements of a typed array or a view are. Its number is the tag of RFC 8746 for that
// array in little-endian order; a DataView has no tag there and is 0.
type ArrayKind uint8

// The kinds of typed arrays and views.
const (
	DataView          ArrayKind = 0
	Uint8Array        ArrayKind = 64
	Uint8ClampedArray ArrayKind = 68
	Uint16Array       ArrayKind = 69
	Uint32Array       ArrayKind = 70
	BigUint64Array    ArrayKind = 71
	Int8Array         ArrayKind = 72
	Int16Array        ArrayKind = 77
	Int32Array        ArrayKind = 78
	BigInt64Array     ArrayKind = 79
	Float16Array      ArrayKind = 84
	Float32Array      ArrayKind = 85
	Float64Array      ArrayKind = 86
)

// ElementSize is the length of an element in bytes, 1 for a DataView, and 0 for a number that is no kind.
func (k ArrayKind) ElementSize() int {
	switch k {
	case DataView, Uint8Array, Uint8ClampedArray, Int8Array:
		return 1
	case Uint16Array, Int16Array, Float16Array:
		return 2
	case Uint32Array, Int32Array, Float32Array:
		return 4
	case BigUint64Array, BigInt64Array, Float64Array:
		return 8
	}
	return 0
}

// String is the name of the JavaScript constructor.
func (k ArrayKind) String() string {
	switch k {
	case DataView:
		return "DataView"
	case Uint8Array:
		return "Uint8Array"
	case Uint8ClampedArray:
		return "Uint8ClampedArray"
	case Uint16Array:
		return "Uint16Array"
	case Uint32Array:
		return "Uint32Array"
	case BigUint64Array:
		return "BigUint64Array"
	case Int8Array:
		return "Int8Array"
	case Int16Array:
		return "Int16Array"
	case Int32Array:
		return "Int32Array"
	case BigInt64Array:
		return "BigInt64Array"
	case Float16Array:
		return "Float16Array"
	case Float32Array:
		return "Float32Array"
	case Float64Array:
		return "Float64Array"
	}
	return "unknown array kind"
}

// ArrayKindOfTag returns the kind of typed array that a tag of RFC 8746 stands for.
func ArrayKindOfTag(tag uint64) (ArrayKind, bool) {
	if tag < 64 || tag > 86 || ArrayKind(tag).ElementSize() == 0 {
		return 0, false
	}
	return ArrayKind(tag), true
}
