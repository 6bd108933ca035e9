package resp

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// Defaults of [ReplyLimits].
const (
	DefaultReplyDepth = 16
	DefaultReplyElems = 1 << 20
	DefaultReplyBytes = 64 << 20

	maxReplyDepth = 32
	maxReplyElems = math.MaxInt / 4
)

// ReplyLimits bound the replies that a client takes. A field that is 0 or less stands for its default.
type ReplyLimits struct {
	// Depth is the number of arrays, maps, sets, pushes and attributes that may be inside each other. Default 16, and at most 32.
	Depth int
	// Elems is the number of values in a reply altogether. Default 1,048,576, and at most a quarter of the largest int; each takes 96 bytes of memory.
	Elems int
	// Bytes is the number of bytes of a reply as it is sent. Default 64 MiB.
	Bytes int
}

// EnsureDefaults sets what is not set, and Depth to no more than there can be.
func (l *ReplyLimits) EnsureDefaults() {
	if l.Depth <= 0 {
		l.Depth = DefaultReplyDepth
	}
	l.Depth = min(l.Depth, maxReplyDepth)
	if l.Elems <= 0 {
		l.Elems = DefaultReplyElems
	}
	l.Elems = min(l.Elems, maxReplyElems) // so that sums of a few are ints
	if l.Bytes <= 0 {
		l.Bytes = DefaultReplyBytes
	}
}

// ReplyReader cuts replies from what a server has sent. The zero value works. Like [CommandReader] it looks at what is
// incomplete once, and there is one for each connection.
type ReplyReader struct {
	scanned  int // what is known of an incomplete reply: up to the beginning of a value
	searched int // bytes behind it that have no line feed
	elems    int // values that the headers so far have claimed
	depth    int
	left     [maxReplyDepth]int // of each open aggregate, the values to come
}

// Read takes the reply that in begins with, an error or a push as well as any other, into v. in is everything that has arrived and is
// not discarded yet: it begins with the same bytes as at the last call, if that call found its reply incomplete. n is the number of bytes
// of the reply, or 0 if it is incomplete, and then v is as it was. v aliases in.
//
// An error is a [*ProtocolError]; the connection cannot be read on then. Streamed strings and aggregates ("$?", "*?"), which no
// server is known to send, are refused. l must have its defaults set, see [ReplyLimits.EnsureDefaults].
func (r *ReplyReader) Read(in []byte, v *Value, l *ReplyLimits) (n int, err error) {
	if r.scanned == 0 && r.searched == 0 {
		// Most are one value, and complete: those are taken at the first look.
		if t, next, err := readToken(in[:min(len(in), l.Bytes)], 0, 0, l); err == nil && 0 < next && next <= min(len(in), l.Bytes) && t.elems == 0 {
			*v = Value{Elems: v.Elems[:0], Attributes: v.Attributes[:0]}
			v.fill(&t)
			return next, nil
		}
	}
	n, err = r.scan(in, l)
	if n == 0 || err != nil {
		return 0, err
	}
	r.scanned, r.searched, r.elems = 0, 0, 0 // and depth is 0, and so is left
	if end := parse(in, 0, v); end != n {
		panic(fmt.Sprintf("resp: a reply of %d bytes was read to byte %d", n, end))
	}
	return n, nil
}

// scan goes over the reply as far as it has come, and checks all of it. n is its length once it is complete.
func (r *ReplyReader) scan(in []byte, l *ReplyLimits) (n int, err error) {
	in = in[:min(len(in), l.Bytes)]
	for p := r.scanned; ; {
		t, next, err := readToken(in, p, r.searched, l)
		if err != nil {
			return 0, err
		}
		if next == 0 || next > len(in) {
			if next > l.Bytes || len(in) == l.Bytes {
				return 0, &ProtocolError{Limit: "Bytes", Msg: fmt.Sprintf("Protocol error: a reply of more than %d bytes: "+
					"ask for less at once, or raise ReplyLimits.Bytes", l.Bytes)}
			}
			r.scanned, r.searched = p, max(0, len(in)-p-1)
			return 0, nil
		}
		p, r.searched = next, 0
		// A value is complete, or an aggregate has begun.
		if r.depth > 0 {
			r.left[r.depth-1]--
		}
		if t.elems > 0 {
			if r.depth == l.Depth {
				return 0, &ProtocolError{Limit: "Depth", Msg: fmt.Sprintf("Protocol error: a reply of more than %d levels: "+
					"raise ReplyLimits.Depth (at most %d)", l.Depth, maxReplyDepth)}
			}
			if r.elems += t.elems; r.elems > l.Elems {
				return 0, &ProtocolError{Limit: "Elems", Msg: fmt.Sprintf("Protocol error: a reply of more than %d values: "+
					"ask for less at once, or raise ReplyLimits.Elems", l.Elems)}
			}
			r.left[r.depth] = t.elems
			r.depth++
		}
		for r.depth > 0 && r.left[r.depth-1] == 0 {
			r.depth--
		}
		if r.depth == 0 {
			return p, nil
		}
	}
}

// token is one value without the elements that follow it.
type token struct {
	kind  Kind
	bytes []byte // the content of a string, the text of a number
	num   int64
	float float64
	elems int // how many values follow as its elements
}

// attribute is the kind of what stands before a value and is none itself.
const attribute Kind = '|'

// readToken reads what is at in[p], of which searched bytes behind the first are known to have no line feed. next is the position
// behind it: 0 if it is incomplete and its end unknown, more than len(in) if it is known.
func readToken(in []byte, p, searched int, l *ReplyLimits) (t token, next int, err error) {
	if p >= len(in) {
		return t, 0, nil
	}
	t.kind = Kind(in[p])
	p++
	switch t.kind {
	case BulkString, BulkError, VerbatimString:
		return bulk(in, p, t, l)
	case Array, Map, Set, Push, attribute:
		return aggregate(in, p, t, l)
	case SimpleString, SimpleError, Integer, Null, Boolean, Double, BigNumber:
	default:
		return t, 0, malformed(fmt.Sprintf("no reply begins with '%c'", printable(in[p-1])))
	}
	i := bytes.IndexByte(in[p+searched:], '\n')
	if i < 0 {
		return t, 0, nil
	}
	i += p + searched
	if i == p || in[i-1] != '\r' {
		return t, 0, malformed("a line does not end with CRLF")
	}
	t.bytes = in[p : i-1 : i-1]
	err = t.line()
	return t, i + 1, err
}

// line makes a value from its text.
func (t *token) line() error {
	ok := true
	switch s := t.bytes; t.kind {
	case SimpleString, SimpleError:
		ok = bytes.IndexByte(s, '\r') < 0
	case Integer:
		t.num, ok = parseInt(s)
	case Null:
		ok = len(s) == 0
	case Boolean:
		if ok = len(s) == 1 && (s[0] == 't' || s[0] == 'f'); ok && s[0] == 't' {
			t.num = 1
		}
	case Double:
		t.float, ok = parseFloat(s)
	case BigNumber:
		digits := s
		if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
			digits = s[1:]
		}
		ok = len(digits) > 0
		for _, c := range digits {
			ok = ok && '0' <= c && c <= '9'
		}
	}
	if !ok {
		return malformed(fmt.Sprintf("invalid value of type '%c'", t.kind))
	}
	return nil
}

// bulk reads a string with its length.
func bulk(in []byte, p int, t token, l *ReplyLimits) (token, int, error) {
	size, p := replyLen(in, p)
	switch {
	case p <= 0:
		return t, 0, badReplyLen(p, "bulk")
	case size == -1 && t.kind == BulkString:
		t.kind = Null
		return t, p, nil
	case size < 0, size < 4 && t.kind == VerbatimString:
		return t, 0, malformed("invalid bulk length")
	case size > l.Bytes-p-2:
		return t, math.MaxInt, nil // for scan to refuse, before anything of it is looked at
	}
	end := p + size
	if t.kind == VerbatimString && p+3 < len(in) && in[p+3] != ':' {
		return t, 0, malformed("a verbatim string without its format")
	}
	if end < len(in) && in[end] != '\r' || end+1 < len(in) && in[end+1] != '\n' {
		return t, 0, malformed("expected CRLF after a bulk string")
	}
	if end+2 <= len(in) {
		t.bytes = in[p:end:end]
	}
	return t, end + 2, nil
}

// aggregate reads the header of what has elements.
func aggregate(in []byte, p int, t token, l *ReplyLimits) (token, int, error) {
	n, p := replyLen(in, p)
	switch {
	case p <= 0:
		return t, 0, badReplyLen(p, "multibulk")
	case n == -1 && t.kind == Array:
		t.kind = Null
		return t, p, nil
	case n < 0, n == 0 && t.kind == Push:
		return t, 0, malformed("invalid multibulk length")
	}
	t.elems = min(n, l.Elems+1) // no more than is refused
	if t.kind == Map || t.kind == attribute {
		t.elems *= 2
	}
	if t.kind == attribute {
		t.elems++ // and the value that it is about
	}
	return t, p, nil
}

// What replyLen reports beside what readLen does.
const lenStreamed = -3

func replyLen(in []byte, p int) (n, next int) {
	if p < len(in) && in[p] == '?' {
		return 0, lenStreamed
	}
	return readLen(in, p)
}

func badReplyLen(what int, kind string) error {
	if what == lenStreamed {
		return malformed("streamed strings and aggregates are not taken: the server must say how long they are")
	}
	return badLen(what, kind, kind)
}

// noLimits are for what scan has passed.
var noLimits = ReplyLimits{Elems: maxReplyElems, Bytes: math.MaxInt}

// parse makes v from what is at in[p], which scan has found complete and right.
func parse(in []byte, p int, v *Value) (next int) {
	*v = Value{Elems: v.Elems[:0], Attributes: v.Attributes[:0]}
	t, p, _ := readToken(in, p, 0, &noLimits)
	for t.kind == attribute {
		v.Attributes, p = parseElems(in, p, v.Attributes, t.elems-1)
		t, p, _ = readToken(in, p, 0, &noLimits)
	}
	v.fill(&t)
	v.Elems, p = parseElems(in, p, v.Elems, t.elems)
	return p
}

// fill makes v the value that t is, but for its elements.
func (v *Value) fill(t *token) {
	v.Kind = t.kind
	switch t.kind {
	case Integer, Boolean:
		v.Int = t.num
	case Double:
		v.Float = t.float
	case VerbatimString:
		v.Format, v.Bytes = [3]byte(t.bytes), t.bytes[4:]
	case Null:
	default:
		v.Bytes = t.bytes
	}
}

// parseElems appends n values to elems, and uses the memory of those that were there.
func parseElems(in []byte, p int, elems []Value, n int) ([]Value, int) {
	for range n {
		if len(elems) < cap(elems) {
			elems = elems[:len(elems)+1]
		} else {
			elems = append(elems, Value{})
		}
		p = parse(in, p, &elems[len(elems)-1])
	}
	return elems, p
}

// parseInt reads an integer with an optional sign.
func parseInt(s []byte) (n int64, ok bool) {
	digits := s
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative, digits = s[0] == '-', s[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	for _, c := range digits {
		c -= '0'
		if c > 9 || n < (math.MinInt64+int64(c))/10 {
			return 0, false
		}
		n = 10*n - int64(c) // negative, since there is one number more below 0
	}
	if negative {
		return n, true
	}
	return -n, n != math.MinInt64
}

// parseFloat reads a double: of what strconv takes, decimal numbers only, and what redis-server writes for those that are not finite.
func parseFloat(s []byte) (float64, bool) {
	switch string(s) {
	case "inf", "+inf":
		return math.Inf(1), true
	case "-inf":
		return math.Inf(-1), true
	case "nan", "-nan":
		return math.NaN(), true
	}
	for _, c := range s {
		switch {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(string(s), 64)
	return f, err == nil
}
