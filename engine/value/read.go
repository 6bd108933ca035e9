package value

import (
	"encoding/binary"
	"math"
	"math/big"
	"time"
)

// BytesOf is what an encoded byte string has in it, without a copy: it aliases data, and lives as long. It is for storage and calls whose
// values are byte strings and nothing else, and costs next to nothing. ok is false if data is anything else, is cut short, or has
// something behind it.
func BytesOf(data []byte) (b []byte, ok bool) {
	if len(data) == 0 || data[0]&^31 != majorBytes {
		return nil, false
	}
	info, rest := data[0]&31, data[1:]
	n := uint64(info)
	switch {
	case info < 24:
	case info == 24 && len(rest) >= 1:
		n, rest = uint64(rest[0]), rest[1:]
	case info == 25 && len(rest) >= 2:
		n, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
	case info == 26 && len(rest) >= 4:
		n, rest = uint64(binary.BigEndian.Uint32(rest)), rest[4:]
	case info == 27 && len(rest) >= 8:
		n, rest = binary.BigEndian.Uint64(rest), rest[8:]
	default:
		return nil, false
	}
	return rest, n == uint64(len(rest))
}

// The methods here read what a token of kind KindTag announces: call them right behind it. Each returns zero values
// after an error. Slices alias the data.

// expect reads a token of one kind.
func (r *Reader) expect(kind Kind, where string) Token {
	t := r.Next()
	if r.err == nil && t.Kind != kind {
		r.Fail(ErrMalformed, "%v where %s wants a %v", t.Kind, where, kind)
		return Token{}
	}
	return t
}

// ReadBytes reads a byte string.
func (r *Reader) ReadBytes() []byte { return r.expect(KindBytes, "a tag").Bytes }

// ReadString reads a string in either form: text, or tagged WTF-8. wtf8 tells the two apart. This is how the keys of
// plain objects are read.
func (r *Reader) ReadString() (s []byte, wtf8 bool) {
	t := r.Next()
	switch {
	case t.Kind == KindText:
		return t.Bytes, false
	case t.Kind == KindTag && t.N == TagWTF8:
		return r.ReadWTF8(), true
	}
	r.Fail(ErrMalformed, "%v where a string is wanted", t.Kind)
	return nil, false
}

// ReadWTF8 reads what TagWTF8 is for, and checks that it is well-formed.
func (r *Reader) ReadWTF8() []byte {
	b := r.expect(KindBytes, "a WTF-8 string").Bytes
	if r.err == nil && !ValidWTF8(b) {
		r.Fail(ErrMalformed, "string is not valid WTF-8")
		return nil
	}
	return b
}

// ReadDate reads what TagDate or TagDateText is for, in JavaScript's milliseconds; NaN is an invalid Date.
func (r *Reader) ReadDate(tag uint64) (ms float64) {
	if tag == TagDateText {
		text := r.expect(KindText, "a date").Bytes
		if r.err != nil {
			return 0
		}
		at, err := time.Parse(time.RFC3339, string(text))
		if err != nil {
			r.Fail(ErrMalformed, "%q is no date of RFC 3339", truncate(text, 40))
			return 0
		}
		return float64(at.UnixMilli())
	}
	t := r.Next()
	if r.err != nil {
		return 0
	}
	switch t.Kind {
	case KindFloat:
		return DateMs(t.Float)
	case KindUint, KindNegInt:
		if n, ok := t.Int64(); ok && n <= MaxDateMs/1000 && n >= -MaxDateMs/1000 {
			return float64(n) * 1000
		}
		return math.NaN()
	}
	r.Fail(ErrMalformed, "%v where a date wants a number", t.Kind)
	return 0
}

// ReadRegExp reads what TagRegExp is for. The source is in WTF-8.
func (r *Reader) ReadRegExp() (source, flags []byte) {
	if r.pair("a regular expression") {
		source, _ = r.ReadString()
		flags = r.expect(KindText, "a regular expression").Bytes
	}
	return source, flags
}

// ReadArrayBuffer reads what TagArrayBuffer is for.
func (r *Reader) ReadArrayBuffer() (b []byte, maxByteLength uint64, resizable bool) {
	t := r.Next()
	switch {
	case t.Kind == KindBytes:
		return t.Bytes, 0, false
	case t.Kind == KindArray && t.N == 2:
		b = r.expect(KindBytes, "a resizable buffer").Bytes
		maxByteLength = r.expect(KindUint, "a resizable buffer").N
		if r.err == nil && (maxByteLength < uint64(len(b)) || maxByteLength > MaxSafeInteger) {
			r.Fail(ErrMalformed, "buffer of %d bytes that may hold %d", len(b), maxByteLength)
			return nil, 0, false
		}
		return b, maxByteLength, true
	}
	r.Fail(ErrMalformed, "%v where an ArrayBuffer wants its bytes", t.Kind)
	return nil, 0, false
}

// ReadViewKind reads the beginning of what TagView is for: its kind. The buffer follows, then [Reader.ReadViewRange].
func (r *Reader) ReadViewKind() ArrayKind {
	t := r.expect(KindArray, "a view")
	if r.err == nil && t.N != 4 {
		r.Fail(ErrMalformed, "view of %d parts", t.N)
	}
	t = r.expect(KindUint, "a view")
	if r.err == nil && (t.N > 255 || ArrayKind(t.N).ElementSize() == 0) {
		r.Fail(ErrMalformed, "view of the unknown kind %d", t.N)
	}
	if r.err != nil {
		return 0
	}
	return ArrayKind(t.N)
}

// ReadViewRange reads the end of a view, and checks it against its kind and the length of its buffer. tracking says
// that the length follows the buffer's; then length is what that gives now.
func (r *Reader) ReadViewRange(kind ArrayKind, bufferLength int) (offset, length int, tracking bool) {
	size := uint64(kind.ElementSize())
	o := r.expect(KindUint, "a view's offset").N
	t := r.Next()
	if r.err != nil {
		return 0, 0, false
	}
	switch t.Kind {
	case KindNull:
		if o > uint64(bufferLength) || o%size != 0 {
			break
		}
		n := uint64(bufferLength) - o
		return int(o), int(n - n%size), true
	case KindUint:
		if o > uint64(bufferLength) || t.N > uint64(bufferLength)-o || o%size != 0 || t.N%size != 0 {
			break
		}
		return int(o), int(t.N), false
	default:
		r.Fail(ErrMalformed, "%v where a view wants its length", t.Kind)
		return 0, 0, false
	}
	r.Fail(ErrMalformed, "%v at %d does not fit its buffer of %d bytes", kind, o, bufferLength)
	return 0, 0, false
}

// ReadSparseArray reads the beginning of what TagArray is for; n pairs follow, whose keys [Reader.ReadSparseKey] reads.
func (r *Reader) ReadSparseArray() (length uint32, n int) {
	if !r.pair("an array with holes") {
		return 0, 0
	}
	t := r.expect(KindUint, "an array with holes")
	if r.err == nil && t.N > math.MaxUint32 {
		r.Fail(ErrMalformed, "array length %d", t.N)
	}
	m := r.expect(KindMap, "an array with holes")
	return uint32(t.N), int(m.N)
}

// ReadSparseKey reads a key of an array with holes: an index below length, or a name.
func (r *Reader) ReadSparseKey(length uint32) (index uint32, name []byte, isIndex bool) {
	t := r.Next()
	switch {
	case t.Kind == KindUint && t.N < uint64(length):
		return uint32(t.N), nil, true
	case t.Kind == KindText:
		return 0, t.Bytes, false
	case t.Kind == KindTag && t.N == TagWTF8:
		return 0, r.ReadWTF8(), false
	case t.Kind == KindUint:
		r.Fail(ErrMalformed, "index %d in an array of length %d", t.N, length)
	default:
		r.Fail(ErrMalformed, "%v where an array with holes wants an index or a name", t.Kind)
	}
	return 0, nil, false
}

// ReadError reads the beginning of what TagError is for: the constructor's name; n pairs with the own properties
// follow, whose keys [Reader.ReadString] reads.
func (r *Reader) ReadError() (name []byte, n int) {
	if !r.pair("an error") {
		return nil, 0
	}
	name = r.expect(KindText, "an error").Bytes
	return name, int(r.expect(KindMap, "an error").N)
}

func (r *Reader) pair(where string) bool {
	t := r.expect(KindArray, where)
	if r.err == nil && t.N != 2 {
		r.Fail(ErrMalformed, "%s of %d parts", where, t.N)
	}
	return r.err == nil
}

// checkBoxed refuses what is no primitive that an object can hold.
func (r *Reader) checkBoxed(t *Token) {
	switch t.Kind {
	case KindEnd, KindBool, KindUint, KindNegInt, KindFloat, KindText:
		return
	case KindTag:
		if t.N == TagWTF8 || t.N == TagBigInt || t.N == TagNegBigInt {
			return
		}
	}
	r.Fail(ErrMalformed, "%v where an object wants its primitive", t.Kind)
}

// checkShareable refuses what cannot have TagShared in front.
func (r *Reader) checkShareable(t *Token) {
	switch t.Kind {
	case KindEnd, KindArray, KindMap, KindBytes:
		return
	case KindTag:
		switch t.N {
		case TagBigInt, TagNegBigInt, TagWTF8:
		case TagRef:
			r.Fail(ErrMalformed, "a reference cannot be shared")
			return
		default:
			return
		}
	}
	r.Fail(ErrMalformed, "a primitive (%v) cannot be shared", t.Kind)
}

// readRef reads what TagRef is for: the number of one of the shared items so far.
func (r *Reader) readRef(isShared bool, items int) int {
	n := r.expect(KindUint, "a reference").N
	switch {
	case r.err != nil:
		return 0
	case isShared:
		r.Fail(ErrMalformed, "a reference cannot be shared")
		return 0
	case n >= uint64(items):
		r.Fail(ErrMalformed, "reference to the shared item %d, but there are %d so far", n, items)
		return 0
	}
	return int(n)
}

// sparseOrder checks that the keys of an array with holes are in order: indexes, ascending, before names.
type sparseOrder struct {
	next  uint64 // the lowest index that may come
	named bool
}

func (o *sparseOrder) check(r *Reader, index uint32, isIndex bool) {
	switch {
	case r.err != nil:
	case !isIndex:
		o.named = true
	case o.named || uint64(index) < o.next:
		r.Fail(ErrMalformed, "index %d is out of order", index)
	default:
		o.next = uint64(index) + 1
	}
}

// readBigInt reads what TagBigInt or TagNegBigInt is for.
func (r *Reader) readBigInt(tag uint64) *big.Int {
	n := new(big.Int).SetBytes(r.ReadBytes())
	if tag == TagNegBigInt {
		n.Not(n)
	}
	return n
}

// readTypedArray reads what a tag of RFC 8746 is for.
func (r *Reader) readTypedArray(kind ArrayKind) []byte {
	b := r.ReadBytes()
	if r.err == nil && len(b)%kind.ElementSize() != 0 {
		r.Fail(ErrMalformed, "%v of %d bytes", kind, len(b))
		return nil
	}
	return b
}

func truncate(b []byte, n int) []byte {
	if len(b) > n {
		return b[:n]
	}
	return b
}
