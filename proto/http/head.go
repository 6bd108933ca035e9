package http

import (
	"bytes"
	"math"
	"unsafe"
)

// fieldPos is where one field stands in its head. Invariant: name < nameEnd, value <= valueEnd. (The value of
// a host field may stand before its name: in a target in absolute form.)
type fieldPos struct {
	name, nameEnd, value, valueEnd uint16
	id                             nameID
}

// head is the part of a message before its body, of requests and responses alike. It is read a line at a
// time; each byte is searched for a line end once, however the bytes arrive, because scan keeps the place.
// Nothing of a head is consumed until it is complete, so that all of it can be seen in one slice. Owned by
// its reader.
type head struct {
	buf    []byte     // the complete head, a view of the caller's input; nil before, and after the next call
	fields []fieldPos // in the order received
	line   int        // where the line being read begins
	scan   int        // the first byte not yet searched; line <= scan

	length      int64 // content-length, or -1
	hasTE       bool
	chunked     bool // the last transfer coding so far is chunked
	teUnknown   bool
	close       bool // connection: close
	keepAlive   bool // connection: keep-alive
	wantUpgrade bool // connection: upgrade
	http10      bool
}

// nextLine returns the next line of in without its CRLF, or false when it has not arrived whole. limit is the
// number of bytes from the start of in that the line must end within, or tooLong is returned.
func (h *head) nextLine(in []byte, limit int, tooLong *Error) ([]byte, bool, *Error) {
	i := bytes.IndexByte(in[h.scan:], '\n')
	if i < 0 {
		h.scan = len(in)
		if len(in) >= limit {
			return nil, false, tooLong
		}
		return nil, false, nil
	}
	end := h.scan + i
	if end >= limit {
		return nil, false, tooLong
	}
	if end == h.line || in[end-1] != '\r' {
		return nil, false, errBareLF
	}
	line := in[h.line : end-1]
	h.line, h.scan = end+1, end+1
	return line, true, nil
}

// readFields reads field lines up to the empty line that ends the head, and reports whether it has come.
func (h *head) readFields(in []byte, lim *Limits) (bool, *Error) {
	for {
		start := h.line
		line, ok, err := h.nextLine(in, lim.HeadBytes, errHeadBytes)
		if !ok {
			return false, err
		}
		if len(line) == 0 {
			h.buf = in[:h.line:h.line]
			return true, h.checkFraming()
		}
		if len(h.fields) >= lim.Fields {
			return false, errFields
		}
		colon, from, to, id, err := splitField(line)
		if err != nil {
			return false, err
		}
		if h.fields == nil {
			h.fields = make([]fieldPos, 0, 16)
		}
		h.fields = append(h.fields, fieldPos{
			name: uint16(start), nameEnd: uint16(start + colon),
			value: uint16(start + from), valueEnd: uint16(start + to), id: id,
		})
		switch id {
		case nameContentLength:
			err = h.addLength(line[from:to])
		case nameTransferEncoding:
			err = h.addTransferEncoding(line[from:to])
		case nameConnection:
			h.addConnection(line[from:to])
		}
		if err != nil {
			return false, err
		}
	}
}

// splitField finds the name, line[:colon], and the value, line[from:to], of a field line that is not empty,
// and refuses every other shape (RFC 9112, 5).
func splitField(line []byte) (colon, from, to int, id nameID, err *Error) {
	if line[0] == ' ' || line[0] == '\t' {
		return 0, 0, 0, 0, errFolded
	}
	colon = bytes.IndexByte(line, ':')
	if colon < 0 {
		return 0, 0, 0, 0, errNoColon
	}
	name := line[:colon]
	id = lookup(name)
	if id == 0 && !isTokenText(name) { // a well-known name is a token
		if colon > 0 && (line[colon-1] == ' ' || line[colon-1] == '\t') {
			return 0, 0, 0, 0, errSpaceColon
		}
		return 0, 0, 0, 0, errFieldName
	}
	from, to = colon+1, len(line)
	for from < to && (line[from] == ' ' || line[from] == '\t') {
		from++
	}
	for from < to && (line[to-1] == ' ' || line[to-1] == '\t') {
		to--
	}
	if !cleanValue(line[from:to]) {
		if bytes.IndexByte(line, '\r') >= 0 {
			return 0, 0, 0, 0, errBareCR
		}
		return 0, 0, 0, 0, errControl
	}
	return colon, from, to, id, nil
}

// addLength takes a content-length. Repeated ones are refused also when they agree, which RFC 9110, 8.6
// allows: only a broken or hostile sender repeats them.
func (h *head) addLength(value []byte) *Error {
	if h.length >= 0 {
		return errLengthTwice
	}
	n, ok := parseLength(value)
	if !ok {
		return errLength
	}
	h.length = n
	return nil
}

// parseLength reads 1*DIGIT that fits in an int64: no sign, space, list or empty value.
func parseLength[T text](s T) (int64, bool) {
	var n int64
	for i := range len(s) {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(s) > 0
}

// addTransferEncoding takes the codings of one field; several fields are one list (RFC 9110, 5.3).
func (h *head) addTransferEncoding(value []byte) *Error {
	h.hasTE = true
	for more := true; more; {
		var coding []byte
		coding, value, more = nextElement(value)
		name, params := coding, false
		if i := bytes.IndexByte(coding, ';'); i >= 0 {
			name, params = trimOWS(coding[:i]), true
		}
		isChunked := foldEqual(name, "chunked")
		switch {
		case !isTokenText(name) || isChunked && params:
			return errTE
		case h.chunked && isChunked:
			return errTETwice
		case h.chunked:
			return errTENotFinal
		case isChunked:
			h.chunked = true
		default:
			h.teUnknown = true
		}
	}
	return nil
}

func (h *head) addConnection(value []byte) {
	for more := true; more; {
		var option []byte
		option, value, more = nextElement(value)
		switch {
		case foldEqual(option, "close"):
			h.close = true
		case foldEqual(option, "keep-alive"):
			h.keepAlive = true
		case foldEqual(option, "upgrade"):
			h.wantUpgrade = true
		}
	}
}

// checkFraming refuses a head whose framing two readers could see differently (RFC 9112, 6.1 and 6.3).
func (h *head) checkFraming() *Error {
	switch {
	case !h.hasTE:
		return nil
	case h.http10:
		return errTEOld
	case h.length >= 0:
		return errLengthAndTE
	case !h.chunked:
		return errTENotFinal
	case h.teUnknown:
		return errTEUnknown
	}
	return nil
}

// persists reports whether the connection may carry another message after this one (RFC 9112, 9.3).
func (h *head) persists() bool { return !h.close && (!h.http10 || h.keepAlive) }

// parseVersion takes HTTP-version. A higher minor version than 1 is treated as 1.1 (RFC 9110, 6.2).
func parseVersion(b []byte) (http10 bool, err *Error) {
	if len(b) != len("HTTP/1.1") || string(b[:5]) != "HTTP/" || b[6] != '.' ||
		class[b[5]]&class[b[7]]&isDigit == 0 {
		return false, errVersion
	}
	if b[5] != '1' {
		return false, errVersionOther
	}
	return b[7] == '0', nil
}

// NumFields is the number of fields.
func (h *head) NumFields() int { return len(h.fields) }

// live returns the head, which is only there between the call of Next that returned Head and the next one:
// later, its bytes may be another client's. Dropping it also keeps an idle connection from holding a buffer.
func (h *head) live() []byte {
	if h.buf == nil {
		panic("http: the fields of a head were asked for after a further call of Next; copy them at Head")
	}
	return h.buf
}

// FieldAt returns field i as it was received, the whitespace around its value aside. The slices are views of
// the head: they live as long as the bytes that Next was called with, until the caller discards them or calls
// Next. To ask later is a panic.
func (h *head) FieldAt(i int) (name, value []byte) {
	f, buf := h.fields[i], h.live()
	return buf[f.name:f.nameEnd], buf[f.value:f.valueEnd]
}

// Value returns the value of the first field of that name, which is given in lower case. It lives as long as
// FieldAt's.
func (h *head) Value(name string) (value []byte, ok bool) {
	id := lookup(name)
	for i := range h.fields {
		f := &h.fields[i]
		if f.id != id {
			continue
		}
		if n, v := h.FieldAt(i); id != 0 || foldEqual(n, name) {
			return v, true
		}
	}
	return nil, false
}

// AppendFields appends all fields to dst, in the order received, with lower-cased names. Their strings are
// slices of one new string, which is this call's only allocation if dst has room; well-known names are
// constants. They may be kept, and taken to another loop; keeping one keeps all.
func (h *head) AppendFields(dst []Field) []Field {
	dst, _ = h.copyOut(dst, bytes.Clone(h.live()))
	return dst
}

// copyOut makes b, a copy of the head with anything behind it, one string, and appends the head's fields to dst. b is given away.
func (h *head) copyOut(dst []Field, b []byte) ([]Field, string) {
	for i := range h.fields {
		if f := &h.fields[i]; f.id == 0 {
			name := b[f.name:f.nameEnd]
			for j, c := range name {
				name[j] = lower[c]
			}
		}
	}
	// b is not changed from here on, and nobody else has it: a string without a second copy.
	all := unsafe.String(unsafe.SliceData(b), len(b))
	for i := range h.fields {
		f := &h.fields[i]
		name := known[f.id]
		if f.id == 0 {
			name = all[f.name:f.nameEnd]
		}
		dst = append(dst, Field{Name: name, Value: all[f.value:f.valueEnd]})
	}
	return dst, all
}
