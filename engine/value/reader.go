package value

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// What a [FormatError] wraps.
var (
	// ErrTruncated: the data ends within a value.
	ErrTruncated = errors.New("value is cut short")
	// ErrMalformed: the data is not a value.
	ErrMalformed = errors.New("value is malformed")
	// ErrUnsupported: the data is CBOR, but has something that the format does not use.
	ErrUnsupported = errors.New("value has an unsupported part")
	// ErrTooDeep: the value nests deeper than MaxDepth.
	ErrTooDeep = errors.New("value is nested too deeply")
	// ErrTooLarge: the value is longer than MaxSize.
	ErrTooLarge = errors.New("value is too large")
)

// FormatError says where data cannot be read and why.
type FormatError struct {
	// Offset is the place in the data, in bytes.
	Offset int
	// Detail is the reason in words.
	Detail string
	// Err is one of ErrTruncated, ErrMalformed, ErrUnsupported, ErrTooDeep and ErrTooLarge.
	Err error
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("value: %s at offset %d", e.Detail, e.Offset)
}

// Unwrap returns the sentinel that the error is a case of.
func (e *FormatError) Unwrap() error { return e.Err }

// Kind says what a [Token] is.
type Kind uint8

// The kinds of tokens.
const (
	KindEnd Kind = iota // no token: the value is complete, or there was an error
	KindUndefined
	KindNull
	KindBool   // N is 0 or 1
	KindUint   // N
	KindNegInt // -1 - N
	KindFloat  // Float
	KindBytes  // Bytes
	KindText   // Bytes, in valid UTF-8
	KindArray  // N items follow
	KindMap    // N pairs of items follow
	KindTag    // the item that the tag N is for follows
)

var kindNames = [...]string{
	"end", "undefined", "null", "boolean", "integer", "negative integer", "float", "byte string", "string", "array", "map", "tag",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown kind"
}

// Token is one head of CBOR, with its argument and, for strings, its content.
type Token struct {
	Kind  Kind
	N     uint64
	Float float64
	// Bytes aliases the data that is read.
	Bytes []byte
}

// Int64 returns an integer token's value; ok is false if it is none or does not fit.
func (t *Token) Int64() (n int64, ok bool) {
	if t.N > math.MaxInt64 {
		return 0, false
	}
	switch t.Kind {
	case KindUint:
		return int64(t.N), true
	case KindNegInt:
		return ^int64(t.N), true
	}
	return 0, false
}

// Number returns the token's value as a JavaScript number; ok is false for what is none, and for integers out of
// the safe range, which JavaScript reads as BigInts.
func (t *Token) Number() (f float64, ok bool) {
	switch t.Kind {
	case KindFloat:
		return t.Float, true
	case KindUint:
		return float64(t.N), t.N <= MaxSafeInteger
	case KindNegInt:
		return -1 - float64(t.N), t.N < MaxSafeInteger
	}
	return 0, false
}

// inlineDepth is how many levels a Reader keeps within itself; deeper ones cost it 4 bytes a level on the heap.
const inlineDepth = 32

// Reader is a cursor over one encoded value. It checks all that RFC 8949 calls well-formed, and the validity of
// text; what tags stand for is the caller's to check. It never panics, copies nothing, and refuses a count
// that is larger than the bytes that are left, so that a caller may allocate by it.
//
// A Reader is a plain value, owned by whoever made it. After the first error every call returns KindEnd.
type Reader struct {
	data  []byte
	at    int
	start int
	err   error
	// owed is the number of items that all open levels together still need. Invariant: no more than bytes are left.
	// Without it, arrays within arrays could each claim all that is left, and cost a caller that much each.
	owed uint64
	// depth is the number of open arrays, maps and tags; left(i) the number of items still to come in each.
	depth  int
	done   bool
	inline [inlineDepth]uint32
	deep   []uint32
}

// NewReader returns a cursor that stands before the value that data is.
func NewReader(data []byte) Reader {
	r := Reader{data: data}
	if len(data) > MaxSize {
		r.fail(0, ErrTooLarge, "%d bytes are more than the limit of %d", len(data), MaxSize)
	}
	return r
}

// Offset is where the next token begins.
func (r *Reader) Offset() int { return r.at }

// TokenOffset is where the last token began, for errors about it.
func (r *Reader) TokenOffset() int { return r.start }

// Depth is the number of arrays, maps and tags that are open after the last token.
func (r *Reader) Depth() int { return r.depth }

// Err is the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Fail makes the reader return err's kind of error, at the place of the last token: for callers that find that
// a token does not fit where it is. The first error stays.
func (r *Reader) Fail(err error, format string, args ...any) {
	r.fail(r.start, err, format, args...)
}

func (r *Reader) fail(at int, err error, format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{Offset: at, Detail: fmt.Sprintf(format, args...), Err: err}
	}
}

// Finish returns the error, if there was one, and otherwise complains if the value is not complete or bytes follow
// it.
func (r *Reader) Finish() error {
	switch {
	case r.err != nil:
	case !r.done:
		r.fail(r.at, ErrTruncated, "value is not complete")
	case r.at < len(r.data):
		r.fail(r.at, ErrMalformed, "%d bytes too many behind the value", len(r.data)-r.at)
	}
	return r.err
}

func (r *Reader) level(i int) *uint32 {
	if i < inlineDepth {
		return &r.inline[i]
	}
	return &r.deep[i-inlineDepth]
}

// open notes that n items follow one level deeper.
func (r *Reader) open(n uint64) {
	if r.depth == MaxDepth {
		r.fail(r.start, ErrTooDeep, "more than %d levels", MaxDepth)
		return
	}
	if i := r.depth - inlineDepth; i >= 0 {
		r.deep = append(r.deep[:i], 0)
	}
	// Every item takes a byte at least, and this one is no longer owed.
	if r.depth > 0 {
		r.owed--
	}
	r.owed += n
	if left := uint64(len(r.data) - r.at); r.owed > left {
		r.fail(r.start, ErrTruncated, "%d more items are wanted, but only %d bytes are left,", r.owed, left)
		return
	}
	*r.level(r.depth) = uint32(n)
	r.depth++
}

// close notes that an item is complete, and with it every level that it was the last item of.
func (r *Reader) close() {
	for r.depth > 0 {
		left := r.level(r.depth - 1)
		if *left--; *left > 0 {
			return
		}
		r.depth--
	}
	r.done = true
}

// Next reads the next token. KindEnd says that the value is complete or that there was an error: [Reader.Finish] tells.
func (r *Reader) Next() (t Token) {
	if r.err != nil || r.done {
		return t
	}
	r.start = r.at
	if r.at >= len(r.data) {
		r.fail(r.at, ErrTruncated, "value is cut short")
		return t
	}
	c := r.data[r.at]
	r.at++
	major, info := c&0xe0, c&0x1f
	n := uint64(info)
	if info >= 24 {
		var ok bool
		if n, ok = r.argument(info); !ok {
			return t
		}
	}
	switch major {
	case majorUint:
		t.Kind, t.N = KindUint, n
	case majorNegInt:
		t.Kind, t.N = KindNegInt, n
	case majorBytes, majorText:
		t.Kind = KindBytes
		if n > uint64(len(r.data)-r.at) {
			r.fail(r.start, ErrTruncated, "string of %d bytes, but only %d are left,", n, len(r.data)-r.at)
			return Token{}
		}
		end := r.at + int(n)
		t.Bytes = r.data[r.at:end:end]
		r.at = end
		if major == majorText {
			t.Kind = KindText
			if !utf8.Valid(t.Bytes) {
				r.fail(r.start, ErrMalformed, "string is not valid UTF-8")
				return Token{}
			}
		}
	case majorArray, majorMap:
		t.Kind, t.N = KindArray, n
		items := n
		if major == majorMap {
			t.Kind, items = KindMap, 2*n
		}
		// n is compared too because 2*n may have wrapped around.
		if left := uint64(len(r.data) - r.at); n > left || items > left {
			r.fail(r.start, ErrTruncated, "%v of %d, but only %d bytes are left,", t.Kind, n, left)
			return Token{}
		}
		if n > 0 {
			if r.open(items); r.err != nil {
				return Token{}
			}
			return t
		}
	case majorTag:
		t.Kind, t.N = KindTag, n
		if r.open(1); r.err != nil {
			return Token{}
		}
		return t
	default:
		if !r.simple(&t, info, n) {
			return Token{}
		}
	}
	if r.depth > 0 {
		r.owed--
	}
	r.close()
	return t
}

// argument reads the argument of a head that does not fit its first byte.
func (r *Reader) argument(info byte) (uint64, bool) {
	if info > 27 {
		what := ErrMalformed
		if info == 31 {
			what = ErrUnsupported
		}
		r.fail(r.start, what, "byte 0x%02x begins no item of a definite length", r.data[r.start])
		return 0, false
	}
	b := r.data[r.at:]
	size := 1 << (info - 24)
	if len(b) < size {
		r.fail(r.start, ErrTruncated, "head is cut off")
		return 0, false
	}
	r.at += size
	switch size {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	default:
		return binary.BigEndian.Uint64(b), true
	}
}

func (r *Reader) simple(t *Token, info byte, n uint64) bool {
	switch info {
	case 20, 21:
		t.Kind, t.N = KindBool, n-20
	case 22:
		t.Kind = KindNull
	case 23:
		t.Kind = KindUndefined
	case 25:
		t.Kind, t.Float = KindFloat, float16Value(uint16(n))
	case 26:
		t.Kind, t.Float = KindFloat, float64(math.Float32frombits(uint32(n)))
	case 27:
		t.Kind, t.Float = KindFloat, math.Float64frombits(n)
	default:
		if info == 24 && n < 32 {
			r.fail(r.start, ErrMalformed, "simple value %d in two bytes", n)
		} else {
			r.fail(r.start, ErrUnsupported, "simple value %d", n)
		}
		return false
	}
	return true
}

// float16Value is the value of a half-precision number (RFC 8949, appendix D).
func float16Value(h uint16) float64 {
	exp, frac := int(h>>10&0x1f), float64(h&0x3ff)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		f = math.Inf(1)
	default:
		f = math.Ldexp(frac+1024, exp-25)
	}
	if h&0x8000 != 0 {
		f = -f
	}
	return f
}

// Skip reads one whole item, whatever is in it, and reports whether there was one.
func (r *Reader) Skip() bool {
	depth := r.depth
	if r.Next().Kind == KindEnd {
		return false
	}
	for r.depth > depth {
		if r.Next().Kind == KindEnd {
			return false
		}
	}
	return true
}

// Raw is Skip that returns the item's bytes, which alias the data.
func (r *Reader) Raw() ([]byte, bool) {
	at := r.at
	if !r.Skip() {
		return nil, false
	}
	return r.data[at:r.at:r.at], true
}
