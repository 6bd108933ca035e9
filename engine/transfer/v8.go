package transfer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"everloop/engine/value"
)

// V8Error says where a value that V8 serialised cannot be read and why.
type V8Error struct {
	// Offset is the place in the serialised value, in bytes.
	Offset int
	// Detail is the reason in words.
	Detail string
}

func (e *V8Error) Error() string {
	return fmt.Sprintf("transfer: V8 value: %s at offset %d", e.Detail, e.Offset)
}

// FromV8 turns a value that V8's ValueSerializer wrote (versions 13 to 15, and the headless form that Cloudflare wrote at
// first), as workerd stores it, into a value of ours. The result is the caller's; data is only read. Whatever data has, FromV8 does not panic, and it allocates no
// more than in proportion to its length, which is at most [value.MaxSize]. It fails with a *V8Error for what is damaged, for what is nested too deeply, and for what
// no object can store here, such as a stub; docs/format/value.md has what there is. Any goroutine may call it.
func FromV8(data []byte) ([]byte, error) {
	if len(data) > value.MaxSize {
		return nil, &V8Error{Detail: fmt.Sprintf("%d bytes are more than the limit of %d", len(data), value.MaxSize)}
	}
	// V8 says how many properties an object has behind them, and a reference where it is met; our format wants a count in front, and
	// a short form for a view of a buffer that nobody else refers to. So the data is read twice: the first time to count.
	r := v8Reader{data: data, dst: make([]byte, 0, len(data)+len(data)/8)}
	for r.pass = 1; r.pass <= 2; r.pass++ {
		r.rewind()
		r.header()
		r.value()
		if r.err == nil && r.at < len(data) {
			r.fail("%d bytes too many behind the value", len(data)-r.at)
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	dst := r.sharing.Finish(r.dst)
	if err := value.Validate(dst); err != nil {
		return nil, &V8Error{Detail: fmt.Sprintf("it makes no value (%v),", err)}
	}
	return dst, nil
}

// The tags of the format. Those of a kind of its own (views, errors) are where they are read.
const (
	v8Version      = 0xff
	v8Padding      = 0
	v8ObjectCount  = '?'
	v8Hole         = '-'
	v8Undefined    = '_'
	v8Null         = '0'
	v8True         = 'T'
	v8False        = 'F'
	v8Int32        = 'I'
	v8Uint32       = 'U'
	v8Double       = 'N'
	v8BigInt       = 'Z'
	v8UTF8         = 'S'
	v8OneByte      = '"'
	v8TwoByte      = 'c'
	v8Reference    = '^'
	v8Object       = 'o'
	v8EndObject    = '{'
	v8Sparse       = 'a'
	v8EndSparse    = '@'
	v8Dense        = 'A'
	v8EndDense     = '$'
	v8Date         = 'D'
	v8TrueObject   = 'y'
	v8FalseObject  = 'x'
	v8NumberObject = 'n'
	v8BigIntObject = 'z'
	v8StringObject = 's'
	v8RegExp       = 'R'
	v8Map          = ';'
	v8EndMap       = ':'
	v8Set          = '\''
	v8EndSet       = ','
	v8Buffer       = 'B'
	v8Resizable    = '~'
	v8View         = 'V'
	v8Error        = 'r'
	v8HostObject   = '\\'
)

// v8Reader reads a value and appends it to dst, in two passes over the same data. Of one call of FromV8.
type v8Reader struct {
	data    []byte
	at      int
	version uint64
	err     error
	depth   int

	pass int
	dst  []byte
	// counts has an entry for each item whose head needs to know what follows, in the order of the data: filled by the first pass, read by the second.
	counts []v8Count
	next   int // the next of counts
	// referenced has the numbers of the objects that references point at; filled by the first pass.
	referenced []bool
	objects    []v8Item
	sharing    value.Sharing
	utf16      []uint16
}

// v8Count is what an item has.
type v8Count struct {
	items int // elements, entries, or properties
	named int // of an array: its named properties
	name  string
}

// v8Item is an object by its number.
type v8Item struct {
	at     int  // where it begins in dst; -1 for what is a part of another item
	buffer bool // it is an ArrayBuffer
	length int  // of that
}

func (r *v8Reader) rewind() {
	r.at, r.depth, r.next = 0, 0, 0
	r.dst, r.objects, r.sharing = r.dst[:0], r.objects[:0], value.Sharing{}
}

func (r *v8Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &V8Error{Offset: r.at, Detail: fmt.Sprintf(format, args...)}
		r.at = len(r.data) // whatever loop goes on, it ends
	}
}

func (r *v8Reader) header() {
	r.version = 13
	if len(r.data) == 0 || r.data[0] != v8Version {
		return
	}
	r.at++
	if r.version = r.varint("the version"); r.err == nil && (r.version < 13 || r.version > 15) {
		r.fail("version %d of the format, where 13 to 15 can be read,", r.version)
	}
}

// varint reads an unsigned number in LEB128.
func (r *v8Reader) varint(what string) uint64 {
	n, size := binary.Uvarint(r.data[r.at:])
	if size <= 0 {
		r.fail("%s is cut short or too large", what)
		return 0
	}
	r.at += size
	return n
}

func (r *v8Reader) uint32(what string) uint32 {
	n := r.varint(what)
	if n > math.MaxUint32 {
		r.fail("%s is too large", what)
		return 0
	}
	return uint32(n)
}

// bytes reads n bytes. They alias the data.
func (r *v8Reader) bytes(n uint64, what string) []byte {
	if n > uint64(len(r.data)-r.at) {
		r.fail("%s of %d bytes, where %d are left,", what, n, len(r.data)-r.at)
		return nil
	}
	b := r.data[r.at : r.at+int(n)]
	r.at += int(n)
	return b
}

func (r *v8Reader) double(what string) float64 {
	b := r.bytes(8, what)
	if r.err != nil {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// peek is the next tag, 0 at the end. Padding is passed over.
func (r *v8Reader) peek() byte {
	for r.at < len(r.data) && r.data[r.at] == v8Padding {
		r.at++
	}
	if r.at == len(r.data) {
		return 0
	}
	return r.data[r.at]
}

func (r *v8Reader) tag(what string) byte {
	t := r.peek()
	if r.err == nil && r.at == len(r.data) {
		r.fail("the data ends where %s is wanted,", what)
	}
	if r.err != nil {
		return 0
	}
	r.at++
	return t
}

// counted begins an item whose head says what follows. The first pass fills in what it returns, the second has it filled in.
func (r *v8Reader) counted() (c *v8Count, i int) {
	i = r.next
	r.next++
	if r.pass == 1 {
		r.counts = append(r.counts, v8Count{})
	}
	return &r.counts[i], i
}

// count notes what item i had, in the first pass.
func (r *v8Reader) count(i int, c v8Count) {
	if r.pass == 1 {
		r.counts[i] = c
	}
}

// object numbers the object that begins here.
func (r *v8Reader) object() *v8Item {
	r.objects = append(r.objects, v8Item{at: len(r.dst)})
	return &r.objects[len(r.objects)-1]
}

// value reads one value, with the view that may stand behind a buffer.
func (r *v8Reader) value() {
	if r.depth == value.MaxDepth {
		r.fail("more than %d levels", value.MaxDepth)
		return
	}
	r.depth++
	defer func() { r.depth-- }()
	t := r.tag("a value")
	for t == v8ObjectCount { // the writer counted its objects, for debugging
		r.varint("a count of objects")
		t = r.tag("a value")
	}
	switch t {
	case v8Undefined:
		r.dst = value.AppendUndefined(r.dst)
	case v8Null:
		r.dst = value.AppendNull(r.dst)
	case v8True, v8False:
		r.dst = value.AppendBool(r.dst, t == v8True)
	case v8Int32:
		r.dst = value.AppendInt(r.dst, int64(r.int32()))
	case v8Uint32:
		r.dst = value.AppendUint(r.dst, uint64(r.uint32("a number")))
	case v8Double:
		r.dst = value.AppendNumber(r.dst, r.double("a number"))
	case v8BigInt:
		r.bigInt()
	case v8UTF8, v8OneByte, v8TwoByte:
		r.string(t)
	case v8Reference:
		r.reference()
	case v8Object:
		r.object()
		c, i := r.counted()
		r.dst = value.AppendMapHeader(r.dst, c.items)
		r.count(i, v8Count{items: r.properties(v8EndObject, "an object")})
	case v8Sparse, v8Dense:
		r.array(t == v8Dense)
	case v8Date:
		r.object()
		r.dst = value.AppendDate(r.dst, r.double("a date"))
	case v8TrueObject, v8FalseObject, v8NumberObject, v8BigIntObject, v8StringObject:
		r.boxed(t)
	case v8RegExp:
		r.regExp()
	case v8Map:
		r.object()
		r.entries(v8EndMap, value.TagMap, 2, "a Map")
	case v8Set:
		r.object()
		r.entries(v8EndSet, value.TagSet, 1, "a Set")
	case v8Buffer, v8Resizable:
		r.buffer(t == v8Resizable)
	case v8Error:
		r.error()
	case v8HostObject:
		r.hostObject()
	case 't', 'u', 'm', 'w', 'p':
		r.at--
		r.fail("something shared or given away (tag %q), which no object stores,", t)
	default:
		if r.err == nil {
			r.at--
			r.fail("the unknown tag %q", t)
		}
	}
}

func (r *v8Reader) int32() int32 {
	n := r.uint32("a number")
	return int32(n>>1) ^ -int32(n&1)
}

func (r *v8Reader) bigInt() {
	field := r.uint32("a BigInt")
	digits := slices.Clone(r.bytes(uint64(field>>1), "a BigInt"))
	slices.Reverse(digits)
	r.dst = value.AppendBigInt(r.dst, field&1 != 0, digits)
}

// string reads what follows the tag of a string.
func (r *v8Reader) string(t byte) {
	n := r.uint32("a string's length")
	switch t {
	case v8OneByte:
		r.dst = value.AppendLatin1(r.dst, r.bytes(uint64(n), "a string"))
	case v8UTF8:
		b := r.bytes(uint64(n), "a string")
		if !utf8.Valid(b) {
			r.fail("a string that is not valid UTF-8")
		}
		r.dst = value.AppendText(r.dst, b)
	case v8TwoByte:
		if n%2 != 0 {
			r.fail("a string of %d bytes, two a character,", n)
		}
		r.utf16 = r.utf16[:0]
		for b := r.bytes(uint64(n), "a string"); len(b) >= 2; b = b[2:] {
			r.utf16 = append(r.utf16, binary.LittleEndian.Uint16(b))
		}
		r.dst = value.AppendUTF16(r.dst, r.utf16)
	default:
		r.fail("tag %q, where a string is wanted,", t)
	}
}

// reference reads a reference to an earlier object, or a view of an earlier buffer.
func (r *v8Reader) reference() {
	n := r.uint32("a reference")
	if uint64(n) >= uint64(len(r.objects)) || r.objects[n].at < 0 {
		r.fail("a reference to the object %d, but there are %d so far,", n, len(r.objects))
		return
	}
	target := r.objects[n]
	for len(r.referenced) <= int(n) {
		r.referenced = append(r.referenced, false)
	}
	r.referenced[n] = true
	if !target.buffer || r.peek() != v8View {
		r.dst = r.sharing.AppendRef(r.dst, target.at)
		return
	}
	r.object()
	v := r.view(target.length)
	r.dst = value.AppendViewHeader(r.dst, v.kind)
	r.dst = r.sharing.AppendRef(r.dst, target.at)
	r.dst = v.appendRange(r.dst)
}

// properties reads names and values up to the tag end, and says how many there were.
func (r *v8Reader) properties(end byte, of string) int {
	n := 0
	for r.err == nil && r.peek() != end {
		if index, isIndex := r.key(); isIndex {
			r.dst = value.AppendString(r.dst, strconv.FormatUint(index, 10))
		}
		r.value()
		n++
	}
	r.tag("the end of " + of)
	if said := r.uint32("a number of properties"); r.err == nil && int(said) != n {
		r.fail("%s of %d properties that says %d", of, n, said)
	}
	return n
}

// key reads the name of a property: it appends it, or returns it if it is a number.
func (r *v8Reader) key() (index uint64, isIndex bool) {
	switch t := r.tag("a property's name"); t {
	case v8Int32:
		n := r.int32()
		if n < 0 {
			r.fail("the property %d", n)
		}
		return uint64(n), true
	case v8Uint32:
		return uint64(r.uint32("a property's name")), true
	case v8Double:
		f := r.double("a property's name")
		if f < 0 || f > value.MaxSafeInteger || f != math.Trunc(f) {
			r.fail("the property %v", f)
			return 0, true
		}
		return uint64(f), true
	default:
		r.string(t)
		return 0, false
	}
}

// array reads an array, whose elements stand first, each or a hole in its place, if it is dense.
func (r *v8Reader) array(dense bool) {
	r.object()
	length := r.uint32("an array's length")
	if dense && uint64(length) > uint64(len(r.data)-r.at) {
		r.fail("an array of %d elements, where %d bytes are left,", length, len(r.data)-r.at)
		return
	}
	had, i := r.counted()
	plain := uint64(had.items) == uint64(length) && had.named == 0
	if plain {
		r.dst = value.AppendArrayHeader(r.dst, int(length))
	} else {
		r.dst = value.AppendSparseArrayHeader(r.dst, length, had.items+had.named)
	}
	end := byte(v8EndSparse)
	var c v8Count
	least := uint64(0) // the lowest index that may come
	if dense {
		end, least = v8EndDense, uint64(length)
		for index := range length {
			if r.err != nil {
				return
			}
			if r.peek() == v8Hole {
				r.at++
				continue
			}
			if !plain {
				r.dst = value.AppendUint(r.dst, uint64(index))
			}
			r.value()
			c.items++
		}
	}
	properties := 0
	for r.err == nil && r.peek() != end {
		// A name is appended where an index is not, and nothing is known of the order before.
		index, isIndex := r.key()
		if isIndex {
			if index < least || index >= uint64(length) || c.named > 0 {
				r.fail("the element %d, out of order or beyond the array's length of %d,", index, length)
				return
			}
			if least = index + 1; !plain {
				r.dst = value.AppendUint(r.dst, index)
			}
			c.items++
		} else {
			c.named++
		}
		r.value()
		properties++
	}
	r.tag("the end of an array")
	said, again := r.uint32("a number of properties"), r.uint32("an array's length")
	if r.err == nil && (int(said) != properties || again != length) {
		r.fail("an array of %d properties and the length %d that says %d and %d", properties, length, said, again)
	}
	r.count(i, c)
}

// boxed reads the object that a primitive was made to.
func (r *v8Reader) boxed(t byte) {
	r.object()
	r.dst = value.AppendTag(r.dst, value.TagBoxed)
	switch t {
	case v8NumberObject:
		r.dst = value.AppendNumber(r.dst, r.double("a number"))
	case v8BigIntObject:
		r.bigInt()
	case v8StringObject:
		r.string(r.tag("a string"))
	default:
		r.dst = value.AppendBool(r.dst, t == v8TrueObject)
	}
}

// v8RegExpFlags are the flags by their bits. JavaScript shows them in alphabetical order.
var v8RegExpFlags = [...]byte{'g', 'i', 'm', 'y', 'u', 's', 'l', 'd', 'v'}

func (r *v8Reader) regExp() {
	r.object()
	r.dst = value.AppendArrayHeader(value.AppendTag(r.dst, value.TagRegExp), 2)
	r.string(r.tag("a string"))
	bits := r.uint32("flags of a regular expression")
	var flags []byte
	for i, c := range v8RegExpFlags {
		if bits&(1<<i) != 0 {
			flags = append(flags, c)
		}
	}
	if bits>>len(v8RegExpFlags) != 0 || slices.Contains(flags, 'l') {
		r.fail("a regular expression with the unknown flags %#x", bits)
	}
	slices.Sort(flags)
	r.dst = value.AppendText(r.dst, flags)
}

// entries reads a Map's or a Set's.
func (r *v8Reader) entries(end byte, tag uint64, each int, of string) {
	had, i := r.counted()
	r.dst = value.AppendTag(r.dst, tag)
	if each == 2 {
		r.dst = value.AppendMapHeader(r.dst, had.items)
	} else {
		r.dst = value.AppendArrayHeader(r.dst, had.items)
	}
	n := 0
	for r.err == nil && r.peek() != end {
		for range each {
			r.value()
		}
		n++
	}
	r.tag("the end of " + of)
	if said := r.uint32("a number of entries"); r.err == nil && int(said) != each*n {
		r.fail("%s of %d parts that says %d", of, each*n, said)
	}
	r.count(i, v8Count{items: n})
}

// buffer reads an ArrayBuffer, and the view that may stand behind it.
func (r *v8Reader) buffer(resizable bool) {
	item := r.object()
	number := len(r.objects) - 1
	n, most := r.uint32("a buffer's length"), uint32(0)
	if resizable {
		if most = r.uint32("a buffer's largest length"); most < n {
			r.fail("a buffer of %d bytes that may have %d", n, most)
		}
	}
	b := r.bytes(uint64(n), "a buffer")
	item.buffer, item.length = true, len(b)
	if r.peek() != v8View {
		r.dst = appendBuffer(r.dst, b, most, resizable)
		return
	}
	start := len(r.dst)
	r.object()
	v := r.view(len(b))
	alone := number >= len(r.referenced) || !r.referenced[number]
	if alone && !resizable && v.kind != value.DataView && v.offset == 0 && v.length == len(b) && !v.tracking {
		r.dst = value.AppendTypedArray(r.dst, v.kind, b)
		return
	}
	r.dst = value.AppendViewHeader(r.dst, v.kind)
	r.objects[number].at = len(r.dst)
	r.objects[number+1].at = start
	r.dst = appendBuffer(r.dst, b, most, resizable)
	r.dst = v.appendRange(r.dst)
}

func appendBuffer(dst, b []byte, most uint32, resizable bool) []byte {
	if resizable {
		return value.AppendResizableArrayBuffer(dst, b, uint64(most))
	}
	return value.AppendArrayBuffer(dst, b)
}

// v8ViewOf is a view without its buffer.
type v8ViewOf struct {
	kind           value.ArrayKind
	offset, length int
	tracking       bool
}

func (v *v8ViewOf) appendRange(dst []byte) []byte {
	dst = value.AppendUint(dst, uint64(v.offset))
	if v.tracking {
		return value.AppendNull(dst)
	}
	return value.AppendUint(dst, uint64(v.length))
}

var v8ViewKinds = map[byte]value.ArrayKind{
	'b': value.Int8Array, 'B': value.Uint8Array, 'C': value.Uint8ClampedArray, 'w': value.Int16Array, 'W': value.Uint16Array,
	'd': value.Int32Array, 'D': value.Uint32Array, 'h': value.Float16Array, 'f': value.Float32Array, 'F': value.Float64Array,
	'q': value.BigInt64Array, 'Q': value.BigUint64Array, '?': value.DataView,
}

// view reads a view of a buffer of so many bytes.
func (r *v8Reader) view(buffer int) (v v8ViewOf) {
	r.tag("a view")
	t := r.tag("a view's kind")
	kind, known := v8ViewKinds[t]
	if !known {
		r.fail("a view of the unknown kind %q", t)
		return v
	}
	offset, length := r.uint32("a view's offset"), r.uint32("a view's length")
	var flags uint32
	if r.version >= 14 {
		flags = r.uint32("a view's flags")
	}
	size := uint32(kind.ElementSize())
	v = v8ViewOf{kind: kind, offset: int(offset), length: int(length), tracking: flags&1 != 0}
	if v.tracking {
		v.length = 0
	}
	if offset > uint32(buffer) || v.length > buffer-v.offset || offset%size != 0 || uint32(v.length)%size != 0 || flags > 3 {
		r.fail("a %v at %d of %d bytes, which does not fit its buffer of %d,", kind, offset, length, buffer)
	}
	return v
}

// error reads an error as V8 itself writes it.
func (r *v8Reader) error() {
	r.object()
	had, i := r.counted()
	r.dst = value.AppendErrorHeader(r.dst, had.name, had.items)
	c := v8Count{name: "Error"}
	for r.err == nil {
		t := r.varint("a part of an error")
		switch t {
		case 'E':
			c.name = "EvalError"
		case 'R':
			c.name = "RangeError"
		case 'F':
			c.name = "ReferenceError"
		case 'S':
			c.name = "SyntaxError"
		case 'T':
			c.name = "TypeError"
		case 'U':
			c.name = "URIError"
		case 'm', 's':
			name := "message"
			if t == 's' {
				name = "stack"
			}
			r.dst = value.AppendString(r.dst, name)
			r.string(r.tag("a string"))
			c.items++
		case 'c':
			r.dst = value.AppendString(r.dst, "cause")
			r.value()
			c.items++
		case '.':
			r.count(i, c)
			return
		default:
			r.fail("the unknown part %d of an error", t)
		}
	}
}
