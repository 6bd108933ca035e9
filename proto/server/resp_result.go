package server

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"everloop/engine/value"
	"everloop/proto/resp"
)

// Results of calls: a value on its way to JSON or to the types of RESP. docs/format/resp.md, "Results".

const (
	// maxNativeDepth is how deep the types of RESP nest in an answer: clients take no more.
	maxNativeDepth = 32
	// maxAnswerBytes bounds an answer.
	maxAnswerBytes = 64 << 20
	// maxRepeatedItems and maxRepeatedBytes bound what is written of shared items beyond the first time. The rest takes as long as the value is long; this
	// would take any time, and the loop waits for it.
	maxRepeatedItems = 200_000
	maxRepeatedBytes = 8 << 20
	// maxBigIntBits bounds a BigInt that is written in decimal, as the time to do so grows faster than its length.
	maxBigIntBits = 1 << 16
)

// A resultError says why a result has no form.
type resultError string

func (e resultError) Error() string { return string(e) }

const errNoValue = resultError("the object has answered with bytes that are no value")

// resultWriter writes one value. It lives for one call of appendResult.
type resultWriter struct {
	data  []byte
	r     *value.Reader
	base  int // where in data r begins
	dst   []byte
	start int // of what is written in dst
	limit int // of its length
	json  bool
	v     resp.Version
	depth int
	// skipped is how many bytes were written for nothing: they count, so that what is left out takes no time without end.
	skipped int

	// What references have had written: see maxRepeatedItems.
	refs          int // that are being written, within each other
	refStart      int // written, when the outermost of them began
	repeatedItems int
	repeatedBytes int // by those that are done

	shared []sharedItem
	next   int // the number of the next shared item
	// pairs are the Maps with other keys than strings, by their offset, once Maps have been looked at.
	pairs  map[int]bool
	looked bool
	err    error
}

// sharedItem is an item that references point at.
type sharedItem struct {
	at    int  // in data, behind its tag
	under bool // it is being written: a reference to it is a cycle
}

// appendJSON appends a value as JSON. undefined reports that it is undefined, which has no text.
func appendJSON(dst, data []byte) (_ []byte, undefined bool, err error) {
	if len(data) == 1 && data[0] == 0xf7 {
		return dst, true, nil
	}
	w := resultWriter{data: data, dst: dst, start: len(dst), limit: maxAnswerBytes, json: true}
	err = w.all()
	return w.dst, false, err
}

// appendNative appends a value as types of RESP.
func appendNative(dst []byte, v resp.Version, data []byte) ([]byte, error) {
	w := resultWriter{data: data, dst: dst, start: len(dst), limit: maxAnswerBytes, v: v}
	err := w.all()
	return w.dst, err
}

func (w *resultWriter) all() error {
	r := value.NewReader(w.data)
	w.r = &r
	w.value()
	if w.err == nil && r.Finish() != nil {
		w.err = errNoValue
	}
	if w.err != nil {
		w.dst = w.dst[:w.start]
	}
	return w.err
}

func (w *resultWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// bad reports whether there is no point in going on.
func (w *resultWriter) bad() bool {
	switch {
	case w.err != nil:
	case w.r.Err() != nil:
		w.err = errNoValue
	case w.written() > w.limit:
		w.err = resultError(fmt.Sprintf("the result is longer than %d MiB", w.limit>>20))
	case w.refs > 0 && (w.repeatedItems > maxRepeatedItems || w.repeatedBytes+w.written()-w.refStart > maxRepeatedBytes):
		w.err = resultError(fmt.Sprintf("the result has the same objects again and again: more than %d items or %d MiB of them", maxRepeatedItems, maxRepeatedBytes>>20))
	default:
		return false
	}
	return true
}

// written is how many bytes were written, also for nothing.
func (w *resultWriter) written() int { return len(w.dst) - w.start + w.skipped }

func (w *resultWriter) raw(s string) { w.dst = append(w.dst, s...) }

// offset is where in data the next token begins.
func (w *resultWriter) offset() int { return w.base + w.r.Offset() }

func (w *resultWriter) value() { w.item(w.r.Next()) }

func (w *resultWriter) item(t value.Token) {
	if w.bad() {
		return
	}
	if w.refs > 0 {
		w.repeatedItems++
	}
	switch t.Kind {
	case value.KindUndefined, value.KindNull:
		w.null()
	case value.KindBool:
		if w.json {
			w.dst = strconv.AppendBool(w.dst, t.N != 0)
		} else {
			w.dst = resp.AppendBool(w.dst, w.v, t.N != 0)
		}
	case value.KindUint, value.KindNegInt:
		w.integer(&t)
	case value.KindFloat:
		w.float(t.Float)
	case value.KindBytes:
		w.bytes(t.Bytes)
	case value.KindText:
		w.text(t.Bytes)
	case value.KindArray:
		w.list(t.N, false)
	case value.KindMap:
		w.object(t.N)
	case value.KindTag:
		w.tagged(t.N)
	case value.KindEnd:
		w.fail(errNoValue)
	}
}

func (w *resultWriter) null() {
	if w.json {
		w.raw("null")
	} else {
		w.dst = resp.AppendNull(w.dst, w.v)
	}
}

func (w *resultWriter) integer(t *value.Token) {
	if n, ok := t.Int64(); ok && n <= value.MaxSafeInteger && n >= -value.MaxSafeInteger {
		if w.json {
			w.dst = strconv.AppendInt(w.dst, n, 10)
		} else {
			w.dst = resp.AppendInt(w.dst, n)
		}
		return
	}
	n := new(big.Int).SetUint64(t.N)
	if t.Kind == value.KindNegInt {
		n.Not(n)
	}
	w.big(n)
}

func (w *resultWriter) big(n *big.Int) {
	switch {
	case n.BitLen() > maxBigIntBits:
		w.fail(resultError(fmt.Sprintf("the result has a BigInt of %d bits: the limit is %d", n.BitLen(), maxBigIntBits)))
	case w.json:
		w.raw(`"`)
		w.dst = append(n.Append(w.dst, 10), '"')
	default:
		w.dst = resp.AppendBigNumber(w.dst, w.v, n)
	}
}

func (w *resultWriter) float(f float64) {
	switch {
	case !w.json:
		w.dst = resp.AppendDouble(w.dst, w.v, f)
	case math.IsNaN(f) || math.IsInf(f, 0):
		w.raw("null")
	case f == 0:
		w.raw("0")
	default:
		w.dst = appendNumber(w.dst, f)
	}
}

// appendNumber writes a finite number as JavaScript does (ECMA-262, Number::toString).
func appendNumber(dst []byte, f float64) []byte {
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go writes e-07 where JavaScript writes e-7.
	if n := len(dst); n-start > 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

func (w *resultWriter) bytes(b []byte) {
	if !w.json {
		w.dst = resp.AppendBulk(w.dst, b)
		return
	}
	w.raw(`"`)
	w.dst = append(base64.StdEncoding.AppendEncode(w.dst, b), '"')
}

// text writes a string, which is in WTF-8.
func (w *resultWriter) text(s []byte) {
	if w.json {
		w.dst = appendJSONText(w.dst, s)
		return
	}
	w.dst = resp.AppendBulk(w.dst, toWellFormed(s))
}

// toWellFormed has U+FFFD for lone surrogates: one for each, where package utf8 would write three.
func toWellFormed(s []byte) []byte {
	if utf8.Valid(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if c, n := utf8.DecodeRune(s[i:]); c != utf8.RuneError || n > 1 {
			b = append(b, s[i:i+n]...)
			i += n
			continue
		}
		b = utf8.AppendRune(b, utf8.RuneError)
		i += min(3, len(s)-i)
	}
	return b
}

// appendJSONText appends WTF-8 as a JSON string, as JSON.stringify does.
func appendJSONText(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	begun := 0 // of what needs no escape
	for i := 0; i < len(s); i++ {
		c := s[i]
		lone := c == 0xed && i+2 < len(s) && s[i+1] >= 0xa0
		if c >= 0x20 && c != '"' && c != '\\' && !lone {
			continue
		}
		dst = append(dst, s[begun:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			u := uint16(c)
			if lone {
				u = 0xd000 | uint16(s[i+1]&0x3f)<<6 | uint16(s[i+2]&0x3f)
				i += 2
			}
			dst = append(dst, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
		}
		begun = i + 1
	}
	return append(append(dst, s[begun:]...), '"')
}

// enter begins what has parts, and reports whether that is allowed.
func (w *resultWriter) enter() bool {
	limit := maxNativeDepth
	if w.json {
		limit = maxJSONDepth
	}
	if w.depth++; w.depth <= limit {
		return true
	}
	if w.json {
		w.fail(resultError(fmt.Sprintf("the result nests deeper than %d", limit)))
	} else {
		w.fail(resultError(fmt.Sprintf("the result nests deeper than %d: ask for it with CLIENT ENCODING JSON", limit)))
	}
	return false
}

// list writes n items.
func (w *resultWriter) list(n uint64, set bool) {
	if !w.enter() {
		return
	}
	switch {
	case w.json:
		w.raw("[")
	case set:
		w.dst = resp.AppendSet(w.dst, w.v, int(n))
	default:
		w.dst = resp.AppendArray(w.dst, int(n))
	}
	for i := range n {
		if w.bad() {
			return
		}
		if w.json && i > 0 {
			w.raw(",")
		}
		w.value()
	}
	if w.json {
		w.raw("]")
	}
	w.depth--
}

// object writes n members.
func (w *resultWriter) object(n uint64) {
	if !w.enter() {
		return
	}
	if w.json {
		w.members(n)
		return
	}
	w.dst = resp.AppendMap(w.dst, w.v, int(n))
	for range n {
		if w.bad() {
			return
		}
		name, _ := w.r.ReadString()
		w.text(name)
		w.value()
	}
	w.depth--
}

// members writes n members as JSON, without those that are undefined.
func (w *resultWriter) members(n uint64) {
	w.raw("{")
	first := true
	for range n {
		if w.bad() {
			return
		}
		name, _ := w.r.ReadString()
		first = w.member(name, w.r.Next(), first)
	}
	w.raw("}")
	w.depth--
}

// member writes a member as JSON whose value begins with t. It returns whether the next one is the first.
func (w *resultWriter) member(name []byte, t value.Token, first bool) bool {
	if t.Kind == value.KindUndefined {
		return first
	}
	if !first {
		w.raw(",")
	}
	w.text(name)
	w.raw(":")
	w.item(t)
	return false
}

// tagged writes what a tag stands for.
func (w *resultWriter) tagged(tag uint64) {
	switch tag {
	case value.TagDate, value.TagDateText:
		w.date(w.r.ReadDate(tag))
	case value.TagBigInt, value.TagNegBigInt:
		n := new(big.Int).SetBytes(w.r.ReadBytes())
		if tag == value.TagNegBigInt {
			n.Not(n)
		}
		w.big(n)
	case value.TagWTF8:
		w.text(w.r.ReadWTF8())
	case value.TagRegExp:
		source, flags := w.r.ReadRegExp()
		w.text(slices.Concat([]byte("/"), source, []byte("/"), flags))
	case value.TagMap:
		w.mapping()
	case value.TagSet:
		if t, ok := w.expect(value.KindArray); ok {
			w.list(t.N, true)
		}
	case value.TagError:
		w.error()
	case value.TagBoxed:
		w.value()
	case value.TagArray:
		w.sparse()
	case value.TagArrayBuffer:
		b, _, _ := w.r.ReadArrayBuffer()
		w.bytes(b)
	case value.TagView:
		w.view()
	case value.TagShared:
		w.sharedItem()
	case value.TagRef:
		w.ref()
	case value.TagWeb:
		w.web()
	case value.TagCap:
		w.fail(resultError("the result has a function, a stub or a stream, which callers from outside cannot be given"))
	default:
		if _, ok := value.ArrayKindOfTag(tag); !ok {
			w.fail(errNoValue)
			return
		}
		w.bytes(w.r.ReadBytes())
	}
}

func (w *resultWriter) expect(kind value.Kind) (value.Token, bool) {
	t := w.r.Next()
	if t.Kind != kind {
		w.fail(errNoValue)
		return t, false
	}
	return t, true
}

func (w *resultWriter) date(ms float64) {
	if math.IsNaN(ms) {
		w.null()
		return
	}
	w.text(appendDate(nil, int64(ms)))
}

// appendDate writes a moment as Date.prototype.toISOString does.
func appendDate(dst []byte, ms int64) []byte {
	t := time.UnixMilli(ms).UTC()
	if y := t.Year(); y < 0 || y > 9999 {
		sign := byte('+')
		if y < 0 {
			sign, y = '-', -y
		}
		return t.AppendFormat(fmt.Appendf(append(dst, sign), "%06d", y), "-01-02T15:04:05.000Z")
	}
	return t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// mapping writes a Map.
func (w *resultWriter) mapping() {
	at := w.offset()
	t, ok := w.expect(value.KindMap)
	if !ok || !w.enter() {
		return
	}
	if !w.json {
		w.dst = resp.AppendMap(w.dst, w.v, int(t.N))
		for range 2 * t.N {
			if w.bad() {
				return
			}
			w.value()
		}
		w.depth--
		return
	}
	if !w.looked {
		w.looked = true
		r := value.NewReader(w.data)
		w.look(&r, r.Next())
	}
	if !w.pairs[at] {
		w.members(t.N)
		return
	}
	w.raw("[")
	for i := range t.N {
		if w.bad() {
			return
		}
		if i > 0 {
			w.raw(",")
		}
		w.raw("[")
		w.value()
		w.raw(",")
		w.value()
		w.raw("]")
	}
	w.raw("]")
	w.depth--
}

// look notes the Maps that have other keys than strings: for all of them at once, as Maps may be within Maps.
func (w *resultWriter) look(r *value.Reader, t value.Token) {
	n := t.N
	switch t.Kind {
	case value.KindArray:
	case value.KindMap:
		n *= 2
	case value.KindTag:
		if t.N != value.TagMap {
			w.look(r, r.Next())
			return
		}
		at := r.Offset()
		if t = r.Next(); t.Kind != value.KindMap {
			w.look(r, t)
			return
		}
		for range t.N {
			key := r.Next()
			if key.Kind != value.KindText && (key.Kind != value.KindTag || key.N != value.TagWTF8) {
				if w.pairs == nil {
					w.pairs = make(map[int]bool)
				}
				w.pairs[at] = true
			}
			w.look(r, key)
			w.look(r, r.Next())
			if r.Err() != nil {
				return
			}
		}
		return
	default:
		return
	}
	for range n {
		if r.Err() != nil {
			return
		}
		w.look(r, r.Next())
	}
}

// error writes an Error: its name, and its own members but for the stack.
func (w *resultWriter) error() {
	at := w.offset()
	name, n := w.r.ReadError()
	if w.bad() || !w.enter() {
		return
	}
	named, members := false, n
	if !w.json {
		// Their number is wanted first. What is looked at for it counts as written, since errors may be within errors.
		r := value.NewReader(w.data[at:])
		r.ReadError()
		for range n {
			key, _ := r.ReadString()
			switch string(key) {
			case "stack":
				members--
			case "name":
				named = true
			}
			r.Skip()
		}
		w.skipped += r.Offset()
		if !named {
			members++
		}
		w.dst = resp.AppendMap(w.dst, w.v, members)
	} else {
		w.raw("{")
	}
	first := true
	for range n {
		if w.bad() {
			return
		}
		key, _ := w.r.ReadString()
		if string(key) == "stack" {
			w.skip()
			continue
		}
		named = named || string(key) == "name"
		if w.json {
			first = w.member(key, w.r.Next(), first)
			continue
		}
		w.text(key)
		w.value()
	}
	if w.json && !named && !first {
		w.raw(",")
	}
	switch {
	case named:
	case w.json:
		w.raw(`"name":`)
		w.text(name)
	default:
		w.dst = resp.AppendBulkString(w.dst, "name")
		w.text(name)
	}
	if w.json {
		w.raw("}")
	}
	w.depth--
}

// skip steps over an item that is not written. Shared items in it keep their numbers.
func (w *resultWriter) skip() {
	kept := len(w.dst)
	w.value()
	if w.err == nil {
		w.skipped += len(w.dst) - kept
		w.dst = w.dst[:kept]
	}
}

// sparse writes an array with holes, or with names beside its elements, which are left out.
func (w *resultWriter) sparse() {
	length, n := w.r.ReadSparseArray()
	if w.bad() || !w.enter() {
		return
	}
	if length > maxAnswerBytes/4 {
		w.fail(resultError(fmt.Sprintf("the result has an array with holes and the length %d", length)))
		return
	}
	if w.json {
		w.raw("[")
	} else {
		w.dst = resp.AppendArray(w.dst, int(length))
	}
	at := uint32(0)
	hole := func() {
		if w.json && at > 0 {
			w.raw(",")
		}
		w.null()
		at++
	}
	for range n {
		if w.bad() {
			return
		}
		index, _, isIndex := w.r.ReadSparseKey(length)
		if !isIndex {
			w.skip()
			continue
		}
		if index < at {
			w.fail(errNoValue)
			return
		}
		for at < index {
			hole()
		}
		if w.json && at > 0 {
			w.raw(",")
		}
		w.value()
		at++
	}
	for at < length && !w.bad() {
		hole()
	}
	if w.json {
		w.raw("]")
	}
	w.depth--
}

// view writes the bytes that a view shows.
func (w *resultWriter) view() {
	kind := w.r.ReadViewKind()
	b := w.buffer(w.r.Next())
	offset, length, _ := w.r.ReadViewRange(kind, len(b))
	if !w.bad() {
		w.bytes(b[offset : offset+length])
	}
}

// buffer is the content of an ArrayBuffer, perhaps shared, that begins with t.
func (w *resultWriter) buffer(t value.Token) []byte {
	if t.Kind == value.KindTag {
		switch t.N {
		case value.TagArrayBuffer:
			b, _, _ := w.r.ReadArrayBuffer()
			return b
		case value.TagShared:
			w.number()
			return w.buffer(w.r.Next())
		case value.TagRef:
			if i := w.r.Next(); i.Kind == value.KindUint && i.N < uint64(len(w.shared)) {
				at := w.shared[i.N].at
				r := value.NewReader(w.data[at:])
				if t := r.Next(); t.Kind == value.KindTag && t.N == value.TagArrayBuffer {
					b, _, _ := r.ReadArrayBuffer()
					return b
				}
			}
		}
	}
	w.fail(errNoValue)
	return nil
}

// number gives the shared item that comes its number.
func (w *resultWriter) number() (n int) {
	n = w.next
	if w.next++; n == len(w.shared) {
		w.shared = append(w.shared, sharedItem{at: w.offset()})
	}
	return n
}

func (w *resultWriter) sharedItem() {
	n := w.number()
	w.shared[n].under = true
	w.value()
	w.shared[n].under = false
}

// ref writes a shared item again.
func (w *resultWriter) ref() {
	t, ok := w.expect(value.KindUint)
	if !ok || t.N >= uint64(len(w.shared)) {
		w.fail(errNoValue)
		return
	}
	n := int(t.N)
	if w.shared[n].under {
		w.fail(resultError("the result is a cycle: something in it refers to what it is in"))
		return
	}
	if w.bad() || !w.enter() { // counted as a level, so that what is within each other ends
		return
	}
	r, base, next := w.r, w.base, w.next
	at := w.shared[n].at
	again := value.NewReader(w.data[at:])
	w.r, w.base, w.next = &again, at, n+1
	w.shared[n].under = true
	if w.refs++; w.refs == 1 {
		w.refStart = w.written()
	}
	w.value()
	w.bad() // takes the reader's error
	if w.refs--; w.refs == 0 {
		w.repeatedBytes += w.written() - w.refStart
	}
	w.shared[n].under = false
	w.r, w.base, w.next = r, base, next
	w.depth--
}

// web refuses an object of the Web APIs by its name.
func (w *resultWriter) web() {
	name := "an object of the Web APIs"
	if t := w.r.Next(); t.Kind == value.KindArray && t.N > 0 {
		if s, _ := w.r.ReadString(); w.r.Err() == nil && len(s) < 32 {
			name = "a " + string(s)
		}
	}
	w.fail(resultError("the result has " + name + ", which has no form here: ask for it with CLIENT ENCODING VALUE"))
}
