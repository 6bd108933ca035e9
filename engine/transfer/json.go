package transfer

import (
	"bytes"
	"encoding/base64"
	"math"
	"math/big"
	"strconv"
	"time"

	"everloop/engine/value"
)

// AppendJSON appends a stored value in the form of docs/format/export.md, which [FromJSON] reads back to the byte, whatever the value is. The text has at most
// eight times its bytes and 64. encoded is only read. Any goroutine may call it.
func AppendJSON(dst, encoded []byte) []byte {
	start := len(dst)
	if text, ok := appendPlain(dst, encoded); ok {
		if again, err := FromJSON(text[start:]); err == nil && bytes.Equal(again, encoded) {
			return text
		}
	}
	return appendTagged(dst[:start], "$cbor", func(dst []byte) []byte { return appendBase64(dst, encoded) })
}

// appendPlain appends a value part by part, if it is one.
func appendPlain(dst, encoded []byte) (_ []byte, ok bool) {
	start := len(dst)
	w := jsonWriter{limit: start + 8*len(encoded) + 64}
	for w.pass = 1; w.pass <= 2; w.pass++ {
		w.r, w.dst, w.next = value.NewReader(encoded), dst[:start], 0
		w.value()
		dst = w.dst
		if w.r.Finish() != nil || len(dst) > w.limit {
			return dst, false
		}
	}
	return dst, true
}

// jsonWriter writes a value as JSON, in two passes: whether an object's names allow the plain form is only known behind the last of them.
type jsonWriter struct {
	r     value.Reader
	dst   []byte
	limit int // of dst
	pass  int
	odd   []bool // the objects whose names do not, in their order; filled by the first pass
	next  int
}

func (w *jsonWriter) raw(s string) { w.dst = append(w.dst, s...) }

func (w *jsonWriter) end() { w.dst = append(w.dst, '}') }

func (w *jsonWriter) base64(b []byte) { w.dst = appendBase64(w.dst, b) }

// comma separates item i from the one before it.
func (w *jsonWriter) comma(i uint64) {
	if i > 0 {
		w.dst = append(w.dst, ',')
	}
}

func (w *jsonWriter) value() { w.item(w.r.Next()) }

// item writes the item that t begins.
func (w *jsonWriter) item(t value.Token) {
	if w.r.Err() != nil || len(w.dst) > w.limit {
		if w.r.Err() == nil {
			w.r.Fail(value.ErrTooLarge, "the text is longer than the value is worth")
		}
		return
	}
	switch t.Kind {
	case value.KindUndefined:
		w.raw(`{"$undefined":true}`)
	case value.KindNull:
		w.raw("null")
	case value.KindBool:
		w.dst = strconv.AppendBool(w.dst, t.N != 0)
	case value.KindUint, value.KindNegInt:
		w.integer(&t)
	case value.KindFloat:
		w.float(t.Float)
	case value.KindBytes:
		w.raw(`{"$bytes":`)
		w.base64(t.Bytes)
		w.end()
	case value.KindText:
		w.dst = appendJSONString(w.dst, t.Bytes)
	case value.KindArray:
		w.list(t.N)
	case value.KindMap:
		w.object(t.N)
	case value.KindTag:
		w.tagged(t.N)
	case value.KindEnd:
	}
}

func (w *jsonWriter) integer(t *value.Token) {
	if n, ok := t.Int64(); ok && n <= value.MaxSafeInteger && n >= -value.MaxSafeInteger {
		w.dst = strconv.AppendInt(w.dst, n, 10)
		return
	}
	n := new(big.Int).SetUint64(t.N)
	if t.Kind == value.KindNegInt {
		n.Not(n)
	}
	w.raw(`{"$int":"`)
	w.dst = n.Append(w.dst, 10)
	w.raw(`"}`)
}

func (w *jsonWriter) float(f float64) {
	switch {
	case math.IsNaN(f):
		w.raw(`{"$number":"NaN"}`)
	case math.IsInf(f, 1):
		w.raw(`{"$number":"Infinity"}`)
	case math.IsInf(f, -1):
		w.raw(`{"$number":"-Infinity"}`)
	default:
		start := len(w.dst)
		w.dst = strconv.AppendFloat(w.dst, f, 'g', -1, 64)
		if !bytes.ContainsAny(w.dst[start:], ".e") {
			w.raw(".0")
		}
	}
}

// list writes n items.
func (w *jsonWriter) list(n uint64) {
	w.raw("[")
	for i := range n {
		if w.r.Err() != nil {
			return
		}
		w.comma(i)
		w.value()
	}
	w.raw("]")
}

// object writes n pairs of names and values.
func (w *jsonWriter) object(n uint64) {
	i := w.next
	w.next++
	if w.pass == 1 {
		w.odd = append(w.odd, false)
	}
	if w.odd[i] {
		w.raw(`{"$object":`)
		w.pairs(n)
		w.end()
		return
	}
	var names map[string]bool
	if w.pass == 1 && n > 1 {
		names = make(map[string]bool, min(n, 1<<10))
	}
	w.raw("{")
	for k := range n {
		if w.r.Err() != nil {
			return
		}
		w.comma(k)
		name, wtf8 := w.r.ReadString()
		if wtf8 || bytes.HasPrefix(name, []byte("$")) || names[string(name)] {
			w.odd[i] = true
		}
		if names != nil {
			names[string(name)] = true
		}
		w.dst = appendJSONString(w.dst, name)
		w.raw(":")
		w.value()
	}
	w.raw("}")
}

// pairs writes n pairs as lists of two.
func (w *jsonWriter) pairs(n uint64) {
	w.raw("[")
	for i := range n {
		if w.r.Err() != nil {
			return
		}
		w.comma(i)
		w.raw("[")
		w.value()
		w.raw(",")
		w.value()
		w.raw("]")
	}
	w.raw("]")
}

// tagged writes what a tag of ours stands for.
func (w *jsonWriter) tagged(tag uint64) {
	switch tag {
	case value.TagDate, value.TagDateText:
		w.date(w.r.ReadDate(tag))
	case value.TagBigInt, value.TagNegBigInt:
		n := new(big.Int).SetBytes(w.r.ReadBytes())
		if tag == value.TagNegBigInt {
			n.Not(n)
		}
		// A decimal takes 2.4 digits a byte, and the time to make it grows faster than its length.
		w.raw(`{"$bigint":"`)
		if n.BitLen() > maxBigIntBits {
			w.r.Fail(value.ErrTooLarge, "a BigInt of %d bits", n.BitLen())
			return
		}
		w.dst = n.Append(w.dst, 10)
		w.raw(`"}`)
	case value.TagWTF8:
		w.raw(`{"$wtf8":`)
		w.base64(w.r.ReadWTF8())
		w.end()
	case value.TagRegExp:
		w.raw(`{"$regexp":`)
		w.value() // a list of two strings: what it must be is checked when it is read back
		w.end()
	case value.TagMap:
		w.counted(`{"$map":`, value.KindMap, w.pairs)
	case value.TagSet:
		w.counted(`{"$set":`, value.KindArray, w.list)
	case value.TagError:
		name, n := w.r.ReadError()
		w.raw(`{"$error":[`)
		w.dst = appendJSONString(w.dst, name)
		w.raw(",")
		w.object(uint64(n))
		w.raw("]}")
	case value.TagBoxed:
		w.raw(`{"$boxed":`)
		w.value()
		w.end()
	case value.TagArray:
		length, n := w.r.ReadSparseArray()
		w.raw(`{"$holes":[`)
		w.dst = strconv.AppendUint(w.dst, uint64(length), 10)
		w.raw(",")
		w.pairs(uint64(n))
		w.raw("]}")
	case value.TagArrayBuffer:
		b, most, resizable := w.r.ReadArrayBuffer()
		w.raw(`{"$buffer":`)
		if resizable {
			w.raw("[")
			w.base64(b)
			w.raw(",")
			w.dst = strconv.AppendUint(w.dst, most, 10)
			w.raw("]")
		} else {
			w.base64(b)
		}
		w.end()
	case value.TagView:
		w.view()
	case value.TagWeb:
		w.counted(`{"$web":`, value.KindArray, w.list)
	case value.TagShared, value.TagRef:
		if tag == value.TagShared {
			w.raw(`{"$shared":`)
		} else {
			w.raw(`{"$ref":`)
		}
		w.value()
		w.end()
	default:
		kind, ok := value.ArrayKindOfTag(tag)
		if !ok {
			w.r.Fail(value.ErrUnsupported, "tag %d", tag)
			return
		}
		w.raw(`{"$typed":["` + kind.String() + `",`)
		w.base64(w.r.ReadBytes())
		w.raw("]}")
	}
}

// maxBigIntBits bounds the BigInts that are written in decimal.
const maxBigIntBits = 1 << 14

func (w *jsonWriter) counted(head string, kind value.Kind, content func(n uint64)) {
	t := w.r.Next()
	if w.r.Err() == nil && t.Kind != kind {
		w.r.Fail(value.ErrMalformed, "%v where a %v is wanted", t.Kind, kind)
	}
	w.raw(head)
	content(t.N)
	w.end()
}

func (w *jsonWriter) date(ms float64) {
	w.raw(`{"$date":`)
	switch {
	case math.IsNaN(ms):
		w.raw("null")
	case ms < firstDate || ms > lastDate:
		w.dst = strconv.AppendInt(w.dst, int64(ms), 10)
	default:
		w.dst = time.UnixMilli(int64(ms)).UTC().AppendFormat(w.dst, `"`+dateLayout+`"`)
	}
	w.end()
}

// Dates in between are written as text: of four digits for the year.
const (
	firstDate  = -62167219200000
	lastDate   = 253402300799999
	dateLayout = "2006-01-02T15:04:05.000Z"
)

func (w *jsonWriter) view() {
	kind := w.r.ReadViewKind()
	w.raw(`{"$view":["` + kind.String() + `",`)
	w.value()
	w.raw(",")
	w.value()
	w.raw(",")
	w.value()
	w.raw("]}")
}

func appendTagged(dst []byte, name string, content func([]byte) []byte) []byte {
	dst = append(append(append(dst, `{"`...), name...), `":`...)
	return append(content(dst), '}')
}

func appendBase64(dst, b []byte) []byte {
	dst = append(dst, '"')
	return append(base64.StdEncoding.AppendEncode(dst, b), '"')
}

// appendJSONString appends valid UTF-8 as a JSON string, with no escape that is not needed.
func appendJSONString[S string | []byte](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	begun := 0 // of what needs no escape
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[begun:i]...)
		begun = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[begun:]...)
	return append(dst, '"')
}
