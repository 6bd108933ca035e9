package server

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"everloop/engine/value"
)

// Arguments of CALL: strict JSON (RFC 8259) on its way to a value. docs/format/resp.md, "Arguments".

// maxJSONDepth is how deep JSON nests, that of arguments and that of results.
const maxJSONDepth = 512

// A jsonError is a fault in a text: where, in bytes from 0, and what.
type jsonError struct {
	offset int
	detail string
}

func (e *jsonError) Error() string { return fmt.Sprintf("offset %d: %s", e.offset, e.detail) }

// jsonReader turns texts into values. It is used again and again; owned by its loop.
//
// CBOR says before an array how many elements it has, and JSON does not. So a text is read twice: the first time it is checked, and the lengths of
// its arrays and objects are noted in the order in which they begin; the second time it is written.
type jsonReader struct {
	in    []byte
	at    int
	depth int

	counts []uint32     // first pass: of arrays and objects, in the order of their beginnings
	next   int          // second pass: the next one of them
	names  []jsonName   // of the objects that are open
	losers map[int]bool // members, by the offset of their name, that a later one of the same name replaces; most often nil
	text   []byte       // of a string with escapes
	err    *jsonError
}

// jsonName is the name of a member in the first pass.
type jsonName struct {
	at   int    // of its quote
	text []byte // without escapes
}

// append appends the value that text is. Errors are *jsonError. text is not kept.
func (r *jsonReader) append(dst, text []byte) ([]byte, error) {
	r.in, r.at, r.depth, r.err = text, 0, 0, nil
	r.counts, r.next, r.names, r.losers = r.counts[:0], 0, r.names[:0], nil
	r.space()
	r.check()
	if r.space(); r.err == nil && r.at < len(text) {
		r.fail(r.at, "something stands behind the value")
	}
	if r.err == nil {
		r.at = 0
		r.space()
		dst = r.write(dst)
	}
	r.in = nil
	clear(r.names[:cap(r.names)])
	if cap(r.counts) > maxScratch/4 {
		r.counts = nil
	}
	if cap(r.names) > maxScratch/32 {
		r.names = nil
	}
	if cap(r.text) > maxScratch {
		r.text = nil
	}
	if r.err != nil {
		return dst, r.err
	}
	return dst, nil
}

func (r *jsonReader) fail(at int, detail string) {
	if r.err == nil {
		r.err = &jsonError{at, detail}
	}
}

func (r *jsonReader) space() {
	for r.at < len(r.in) {
		switch r.in[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// peek is the byte that comes, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

// unexpected fails at what comes.
func (r *jsonReader) unexpected(want string) {
	if r.at >= len(r.in) {
		r.fail(r.at, "the text ends where "+want+" is wanted")
		return
	}
	r.fail(r.at, want+" is wanted")
}

// check reads a value in the first pass.
func (r *jsonReader) check() {
	switch c := r.peek(); {
	case r.err != nil:
	case c == '{':
		r.object()
	case c == '[':
		r.array()
	case c == '"':
		r.checkString()
	case c == '-', c >= '0' && c <= '9':
		r.number()
	case c == 't':
		r.word("true")
	case c == 'f':
		r.word("false")
	case c == 'n':
		r.word("null")
	default:
		r.unexpected("a value")
	}
}

func (r *jsonReader) word(w string) {
	if !bytes.HasPrefix(r.in[r.at:], []byte(w)) {
		r.unexpected("a value")
		return
	}
	r.at += len(w)
}

// enter begins an array or object, and returns where its length is noted.
func (r *jsonReader) enter() (place int) {
	if r.depth++; r.depth > maxJSONDepth {
		r.fail(r.at, "the value nests deeper than "+strconv.Itoa(maxJSONDepth))
	}
	r.at++
	r.counts = append(r.counts, 0)
	r.space()
	return len(r.counts) - 1
}

func (r *jsonReader) array() {
	place := r.enter()
	if r.peek() == ']' {
		r.at++
		r.depth--
		return
	}
	for r.err == nil {
		r.check()
		r.counts[place]++
		if r.separator(']') {
			break
		}
	}
	r.depth--
}

// separator takes what stands behind an element, and reports whether that is the end.
func (r *jsonReader) separator(end byte) bool {
	if r.err != nil {
		return true
	}
	r.space()
	switch r.peek() {
	case end:
		r.at++
		return true
	case ',':
		r.at++
		r.space()
		return false
	}
	r.unexpected("a comma or the end (" + string(end) + ")")
	return true
}

func (r *jsonReader) object() {
	place := r.enter()
	if r.peek() == '}' {
		r.at++
		r.depth--
		return
	}
	base := len(r.names)
	for r.err == nil {
		if r.peek() != '"' {
			r.unexpected("a name")
			break
		}
		at := r.at
		if text, escaped := r.checkString(); r.err == nil {
			if escaped {
				text = bytes.Clone(r.unescape(text))
			}
			r.names = append(r.names, jsonName{at, text})
		}
		if r.space(); r.err == nil && r.peek() != ':' {
			r.unexpected("a colon")
			break
		}
		r.at++
		r.space()
		r.check()
		r.counts[place]++
		if r.separator('}') {
			break
		}
	}
	if r.err == nil {
		r.counts[place] -= r.replaced(r.names[base:])
	}
	r.names = r.names[:base]
	r.depth--
}

// fewNames is how many names are compared with each other; of more a map is made.
const fewNames = 8

// replaced notes which members are replaced by later ones, and returns their number.
func (r *jsonReader) replaced(names []jsonName) (n uint32) {
	lose := func(at int) {
		if r.losers == nil {
			r.losers = make(map[int]bool)
		}
		r.losers[at] = true
		n++
	}
	if len(names) <= fewNames {
		for i := range names {
			for j := i + 1; j < len(names); j++ {
				if bytes.Equal(names[i].text, names[j].text) {
					lose(names[i].at)
					break
				}
			}
		}
		return n
	}
	last := make(map[string]int, len(names))
	for _, m := range names {
		if at, again := last[string(m.text)]; again {
			lose(at)
		}
		last[string(m.text)] = m.at
	}
	return n
}

// checkString reads a string in the first pass. text is what stands between its quotes.
func (r *jsonReader) checkString() (text []byte, escaped bool) {
	text, escaped = r.quoted()
	if r.err == nil && !utf8.Valid(text) {
		at := r.at - 1 - len(text)
		for len(text) > 0 {
			c, n := utf8.DecodeRune(text)
			if c == utf8.RuneError && n == 1 {
				break
			}
			text, at = text[n:], at+n
		}
		r.fail(at, "the text is not UTF-8")
	}
	for i := 0; escaped && r.err == nil && i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++ // there is one: the quote behind a backslash is not the end
		at := r.at - 1 - len(text) + i - 1
		switch text[i] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			if _, ok := hex4(text[i+1:]); !ok {
				r.fail(at, `\u is followed by four hexadecimal digits`)
			}
			i += 4
		default:
			r.fail(at, "there is no such escape")
		}
	}
	return text, escaped
}

// quoted steps over a string.
func (r *jsonReader) quoted() (text []byte, escaped bool) {
	start := r.at
	for i := start + 1; i < len(r.in); i++ {
		switch c := r.in[i]; {
		case c == '"':
			r.at = i + 1
			return r.in[start+1 : i], escaped
		case c == '\\':
			escaped = true
			i++
		case c < 0x20:
			r.fail(i, "control characters in a string are written as escapes")
			return nil, false
		}
	}
	r.fail(len(r.in), "the text ends within a string")
	return nil, false
}

func hex4(s []byte) (c uint16, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, d := range s[:4] {
		switch {
		case d >= '0' && d <= '9':
			d -= '0'
		case d|0x20 >= 'a' && d|0x20 <= 'f':
			d = d | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		c = c<<4 | uint16(d)
	}
	return c, true
}

// unescape returns a checked string in WTF-8. It is valid until the next call.
func (r *jsonReader) unescape(text []byte) []byte {
	b := r.text[:0]
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			unit, _ := hex4(text[i+1:])
			i += 4
			pair := [2]uint16{unit}
			n := 1
			if unit >= 0xd800 && unit < 0xdc00 && i+2 < len(text) && text[i+1] == '\\' && text[i+2] == 'u' {
				if low, _ := hex4(text[i+3:]); low >= 0xdc00 && low < 0xe000 {
					pair[1], n = low, 2
					i += 6
				}
			}
			b = value.AppendUTF16AsWTF8(b, pair[:n])
		default:
			b = append(b, c)
		}
	}
	r.text = b
	return b
}

// number steps over a number, and returns its text.
func (r *jsonReader) number() []byte {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.at++
		r.digits()
	}
	if r.peek()|0x20 == 'e' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		r.digits()
	}
	if c := r.peek(); c >= '0' && c <= '9' {
		r.fail(start, "a number does not begin with 0")
	}
	return r.in[start:r.at]
}

func (r *jsonReader) digits() {
	start := r.at
	for r.at < len(r.in) && r.in[r.at] >= '0' && r.in[r.at] <= '9' {
		r.at++
	}
	if r.at == start {
		r.unexpected("a digit")
	}
}

// write writes a value in the second pass: nothing can be wrong with it any more.
func (r *jsonReader) write(dst []byte) []byte {
	switch r.peek() {
	case '{':
		n := r.again()
		dst = value.AppendMapHeader(dst, int(n))
		for r.peek() != '}' {
			before, at := len(dst), r.at
			dst = r.writeString(dst)
			r.space()
			r.at++ // the colon
			r.space()
			if dst = r.write(dst); r.losers[at] {
				dst = dst[:before]
			}
			r.comma()
		}
		r.at++
	case '[':
		dst = value.AppendArrayHeader(dst, int(r.again()))
		for r.peek() != ']' {
			dst = r.write(dst)
			r.comma()
		}
		r.at++
	case '"':
		dst = r.writeString(dst)
	case 't':
		r.at += len("true")
		dst = value.AppendBool(dst, true)
	case 'f':
		r.at += len("false")
		dst = value.AppendBool(dst, false)
	case 'n':
		r.at += len("null")
		dst = value.AppendNull(dst)
	default:
		dst = appendJSONNumber(dst, r.number())
	}
	return dst
}

// again begins an array or object, and returns its length.
func (r *jsonReader) again() uint32 {
	n := r.counts[r.next]
	r.next++
	r.at++
	r.space()
	return n
}

// comma steps over what is between two elements, if there is another.
func (r *jsonReader) comma() {
	if r.space(); r.peek() == ',' {
		r.at++
		r.space()
	}
}

func (r *jsonReader) writeString(dst []byte) []byte {
	text, escaped := r.quoted()
	if !escaped {
		return value.AppendText(dst, text)
	}
	text = r.unescape(text)
	if utf8.Valid(text) {
		return value.AppendText(dst, text)
	}
	return value.AppendWTF8(dst, text)
}

// appendJSONNumber appends what JSON.parse makes of a number.
func appendJSONNumber(dst, text []byte) []byte {
	if len(text) <= 15 { // a safe integer, if it is one
		if n, ok := decimal(text); ok {
			return value.AppendInt(dst, n)
		}
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range: an infinity
	if f == 0 && text[0] == '-' {
		f = math.Copysign(0, -1)
	}
	return value.AppendNumber(dst, f)
}

// decimal is an integer without point and exponent. -0 is none.
func decimal(text []byte) (n int64, ok bool) {
	digits := text
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		return -n, n != 0
	}
	return n, true
}
