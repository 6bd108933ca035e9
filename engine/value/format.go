package value

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxFormat is how long what Format returns is at most, in bytes; AppendFormat takes a bound of its own.
const MaxFormat = 4096

// formatDepth is how deep Format goes: below, only "…" is shown.
const formatDepth = 32

// Format shows a value much as JavaScript would write it, on one line, for dumps and for the inspector. It takes any
// bytes: what cannot be read is said in angle brackets. What is too long is cut and ends in "…".
func Format(data []byte) string { return string(AppendFormat(nil, data, MaxFormat)) }

// AppendFormat is Format that appends, with at most limit bytes.
func AppendFormat(dst, data []byte, limit int) []byte {
	f := formatter{dst: dst, end: len(dst) + limit, r: NewReader(data)}
	f.item(f.r.Next())
	if !f.full() {
		if err := f.r.Finish(); err != nil {
			f.text(" <")
			f.text(err.Error())
			f.text(">")
		}
	}
	if f.full() {
		// Cut at a whole character, with room for the dots.
		const dots = "…"
		if limit < len(dots) {
			return dst
		}
		n := f.end - len(dots)
		for n > len(dst) && !utf8.RuneStart(f.dst[n]) {
			n--
		}
		return append(f.dst[:n], dots...)
	}
	return f.dst
}

type formatter struct {
	dst    []byte
	end    int
	r      Reader
	depth  int
	shared int
}

// full reports whether there is no room left; then everything unwinds.
func (f *formatter) full() bool { return len(f.dst) > f.end }

func (f *formatter) stop() bool { return f.full() || f.r.err != nil }

func (f *formatter) text(s string) {
	// One byte more than there is room for makes it full, which is all that has to be known.
	if room := f.end + 1 - len(f.dst); len(s) > room {
		s = s[:max(room, 0)]
	}
	f.dst = append(f.dst, s...)
}

func (f *formatter) next() { f.item(f.r.Next()) }

func (f *formatter) item(t Token) {
	if f.stop() {
		return
	}
	var buf [32]byte
	switch t.Kind {
	case KindUndefined:
		f.text("undefined")
	case KindNull:
		f.text("null")
	case KindBool:
		f.text(strconv.FormatBool(t.N == 1))
	case KindUint, KindNegInt, KindFloat:
		if n, ok := t.Number(); ok {
			f.text(string(appendNumber(buf[:0], n)))
		} else {
			f.text(bigInt(&t).String())
			f.text("n")
		}
	case KindText:
		f.quoted(t.Bytes)
	case KindBytes:
		f.bytes("Uint8Array", t.Bytes)
	case KindArray:
		f.list("[", "]", t.N)
	case KindMap:
		f.object(t.N)
	case KindTag:
		// Tags are no level of their own here: what nests for long has arrays or maps in it.
		f.tagged(t.N)
	}
}

// enter reports whether there is still depth; otherwise it skips n items.
func (f *formatter) enter(n uint64) bool {
	if f.depth++; f.depth <= formatDepth {
		return true
	}
	f.depth--
	f.text("…")
	for ; n > 0 && !f.stop(); n-- {
		f.r.Skip()
	}
	return false
}

func (f *formatter) list(open, end string, n uint64) {
	f.text(open)
	if f.enter(n) {
		for i := uint64(0); i < n && !f.stop(); i++ {
			if i > 0 {
				f.text(", ")
			}
			f.next()
		}
		f.depth--
	}
	f.text(end)
}

func (f *formatter) object(n uint64) {
	f.text("{")
	if f.enter(2 * n) {
		for i := uint64(0); i < n && !f.stop(); i++ {
			if i > 0 {
				f.text(", ")
			}
			key, _ := f.r.ReadString()
			if f.stop() {
				break
			}
			f.name(key)
			f.text(": ")
			f.next()
		}
		f.depth--
	}
	f.text("}")
}

// name shows a property's name, quoted where JavaScript wants it.
func (f *formatter) name(key []byte) {
	for i, c := range key {
		if !(c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			f.quoted(key)
			return
		}
	}
	if len(key) == 0 {
		f.text(`""`)
		return
	}
	f.text(string(truncate(key, max(f.end+1-len(f.dst), 0))))
}

// quoted shows a string in WTF-8 in double quotes, with the escapes that JavaScript has.
func (f *formatter) quoted(s []byte) {
	f.text(`"`)
	for len(s) > 0 && !f.full() {
		r, n := decodeWTF8(s)
		if n == 0 { // only bytes that were never checked
			r, n = utf8.RuneError, 1
		}
		switch {
		case r == '"' || r == '\\':
			f.text("\\")
			f.text(string(r))
		case r == '\n':
			f.text(`\n`)
		case r == '\r':
			f.text(`\r`)
		case r == '\t':
			f.text(`\t`)
		case r < 0x20, r >= 0x7f && r < 0xa0, r >= surrogateMin && r <= surrogateMax,
			r == 0x2028, r == 0x2029, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			// Controls, and what would turn the text around or hide in it.
			var hexed [8]byte
			f.text(`\u`)
			f.text(string(hex.AppendEncode(hexed[:0], []byte{byte(r >> 8), byte(r)})))
		default:
			f.text(string(s[:n]))
		}
		s = s[n:]
	}
	f.text(`"`)
}

func (f *formatter) bytes(name string, b []byte) {
	f.text(name)
	f.text("(")
	f.text(strconv.Itoa(len(b)))
	f.text(")[")
	const shown = 32
	f.text(hex.EncodeToString(truncate(b, shown)))
	if len(b) > shown {
		f.text("…")
	}
	f.text("]")
}

func (f *formatter) tagged(tag uint64) {
	r := &f.r
	switch tag {
	case TagShared:
		f.text("&")
		f.text(strconv.Itoa(f.shared))
		f.text(" ")
		f.shared++
		f.next()
	case TagRef:
		// Not checked against f.shared: parts that were too deep to show are not counted.
		if n := r.expect(KindUint, "a reference").N; !f.stop() {
			f.text("*")
			f.text(strconv.FormatUint(n, 10))
		}
	case TagWTF8:
		if b := r.ReadWTF8(); !f.stop() {
			f.quoted(b)
		}
	case TagBigInt, TagNegBigInt:
		f.bigInt(tag)
	case TagDate, TagDateText:
		ms := r.ReadDate(tag)
		switch {
		case f.stop():
		case ms != ms:
			f.text("Date(invalid)")
		default:
			f.text("Date(")
			f.text(time.UnixMilli(int64(ms)).UTC().Format("2006-01-02T15:04:05.000Z"))
			f.text(")")
		}
	case TagRegExp:
		source, flags := r.ReadRegExp()
		if !f.stop() {
			f.text("/")
			f.text(string(toValidUTF8(truncateText(source, max(f.end+1-len(f.dst), 0)))))
			f.text("/")
			f.text(string(truncateText(flags, 16)))
		}
	case TagBoxed:
		f.text("Object(")
		f.next()
		f.text(")")
	case TagSet:
		f.list("Set{", "}", r.expect(KindArray, "a Set").N)
	case TagMap:
		f.mapping(r.expect(KindMap, "a Map").N)
	case TagArray:
		f.array()
	case TagError:
		name, n := r.ReadError()
		if !f.stop() {
			f.name(name)
			f.object(uint64(n))
		}
	case TagWeb:
		f.text("Web")
		f.next()
	case TagArrayBuffer:
		if b, _, _ := r.ReadArrayBuffer(); !f.stop() {
			f.bytes("ArrayBuffer", b)
		}
	case TagView:
		f.view()
	default:
		kind, ok := ArrayKindOfTag(tag)
		if !ok {
			r.Fail(ErrUnsupported, "tag %d is not one of the format's", tag)
			return
		}
		if b := r.readTypedArray(kind); !f.stop() {
			f.typed(kind, b)
		}
	}
}

// bigInt shows a BigInt in decimal up to 1,024 bits, and beyond in hex: decimal takes more than linear time.
func (f *formatter) bigInt(tag uint64) {
	b := f.r.ReadBytes()
	if f.stop() {
		return
	}
	if len(b) <= 128 {
		n := new(big.Int).SetBytes(b)
		if tag == TagNegBigInt {
			n.Not(n)
		}
		f.text(n.String())
		f.text("n")
		return
	}
	if tag == TagNegBigInt {
		f.text("~")
	}
	f.text("0x")
	f.text(hex.EncodeToString(truncate(b, max(f.end+1-len(f.dst), 0))))
	f.text("n")
}

func (f *formatter) mapping(n uint64) {
	f.text("Map{")
	if f.enter(2 * n) {
		for i := uint64(0); i < n && !f.stop(); i++ {
			if i > 0 {
				f.text(", ")
			}
			f.next()
			f.text(" => ")
			f.next()
		}
		f.depth--
	}
	f.text("}")
}

func (f *formatter) array() {
	length, n := f.r.ReadSparseArray()
	f.text("Array(")
	f.text(strconv.FormatUint(uint64(length), 10))
	f.text("){")
	if f.enter(2 * uint64(n)) {
		for i := 0; i < n && !f.stop(); i++ {
			if i > 0 {
				f.text(", ")
			}
			index, name, isIndex := f.r.ReadSparseKey(length)
			if f.stop() {
				break
			}
			if isIndex {
				f.text(strconv.FormatUint(uint64(index), 10))
			} else {
				f.name(name)
			}
			f.text(": ")
			f.next()
		}
		f.depth--
	}
	f.text("}")
}

func (f *formatter) view() {
	kind := f.r.ReadViewKind()
	if f.stop() {
		return
	}
	f.text(kind.String())
	f.text("(")
	f.next()
	// The buffer may be a reference: its length is not known here, and only how the view reads is shown.
	offset := f.r.expect(KindUint, "a view's offset").N
	length := f.r.Next()
	if f.stop() {
		return
	}
	f.text(", ")
	f.text(strconv.FormatUint(offset, 10))
	switch length.Kind {
	case KindUint:
		f.text(", ")
		f.text(strconv.FormatUint(length.N, 10))
	case KindNull:
	default:
		f.r.Fail(ErrMalformed, "%v where a view wants its length", length.Kind)
		return
	}
	f.text(")")
}

// typed shows the first elements of a typed array as numbers.
func (f *formatter) typed(kind ArrayKind, b []byte) {
	size := kind.ElementSize()
	f.text(kind.String())
	f.text("(")
	f.text(strconv.Itoa(len(b) / size))
	f.text(")[")
	const shown = 16
	for i := 0; i*size < len(b); i++ {
		if i > 0 {
			f.text(", ")
		}
		if i == shown {
			f.text("…")
			break
		}
		f.text(elementText(kind, b[i*size:]))
	}
	f.text("]")
}

func elementText(kind ArrayKind, b []byte) string {
	var u uint64
	size := kind.ElementSize()
	for i := size - 1; i >= 0; i-- {
		u = u<<8 | uint64(b[i])
	}
	signed := int64(u) << (64 - 8*size) >> (64 - 8*size)
	var buf [32]byte
	switch kind {
	case Int8Array, Int16Array, Int32Array:
		return strconv.FormatInt(signed, 10)
	case BigInt64Array:
		return strconv.FormatInt(signed, 10) + "n"
	case BigUint64Array:
		return strconv.FormatUint(u, 10) + "n"
	case Float16Array:
		return string(appendNumber(buf[:0], float16Value(uint16(u))))
	case Float32Array:
		return string(appendNumber(buf[:0], float64(math.Float32frombits(uint32(u)))))
	case Float64Array:
		return string(appendNumber(buf[:0], math.Float64frombits(u)))
	}
	return strconv.FormatUint(u, 10)
}

// appendNumber writes a number as JavaScript's console does: as its source would be, with -0 told apart.
func appendNumber(dst []byte, f float64) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go writes e-07 where JavaScript writes e-7.
	for i := start; i < len(dst); i++ {
		if dst[i] == 'e' && dst[i+2] == '0' {
			dst = append(dst[:i+2], dst[i+3:]...)
			break
		}
	}
	return dst
}

// truncateText cuts s to at most n bytes, at a whole character.
func truncateText(s []byte, n int) []byte {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
