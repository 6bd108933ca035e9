package http

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// Kind is what a call of Next has found.
type Kind uint8

const (
	// NeedMore: nothing more can be found until further bytes arrive. Bytes may have been consumed.
	NeedMore Kind = iota
	// Head: the head of a message is complete.
	Head
	// Body: some bytes of its body, in Event.Data.
	Body
	// End: the message is complete. The next one begins where it ends.
	End
)

// Event is one step of a message: Head, any number of Body, End.
type Event struct {
	Kind Kind
	// Data is a part of the body, never empty for Body: a slice of what Next was called with. It lives as
	// long as those bytes, until the caller discards them.
	Data []byte
}

type stage uint8

const (
	stageStart  stage = iota // before or within the start line
	stageFields              // within the fields
	stageBody                // after Head
	stageEnd                 // after End
	stageFailed              // after an error
)

// Reader reads the requests of one connection. The zero Reader works, with default limits. Owned by its
// connection's loop.
type Reader struct {
	lim   Limits
	req   Request
	body  body
	err   *Error
	stage stage
	ready bool // lim has its defaults, req is reset
}

// NewReader returns a Reader with the given limits.
func NewReader(lim Limits) *Reader {
	r := new(Reader)
	r.Reset(lim)
	return r
}

// Reset makes r as NewReader does, and keeps its memory: for a pool of readers.
func (r *Reader) Reset(lim Limits) {
	r.lim = lim.withDefaults()
	r.err, r.stage, r.ready = nil, stageStart, true
	r.req.reset()
}

// Request is the request whose Head was returned last. It is r's own, and overwritten by the next one; its
// methods are done with at the next call of Next.
func (r *Reader) Request() *Request { return &r.req }

// Idle reports whether r is between two messages: nothing of a request has been seen that has not ended.
func (r *Reader) Idle() bool {
	return r.stage == stageEnd || r.stage == stageStart && r.req.scan == 0
}

// Next reads on. in is everything that has been received and not been consumed; the caller drops its first n
// bytes (after it has used the event, which points into them) also when it gets NeedMore, and calls again
// with the rest, at once for any other event, or when more has arrived for NeedMore.
//
// A head is consumed in one piece, so the caller must be able to hold [Limits.HeadBytes]; a body is consumed as
// it arrives. After an error, always an [*Error], every further call returns the same error.
//
// A request that asks for an upgrade is a request like any other: after its End, or after its Head when it has
// no body, the caller may stop calling Next, and whatever follows the consumed bytes is the new protocol's.
func (r *Reader) Next(in []byte) (n int, ev Event, err error) {
	if !r.ready {
		r.Reset(r.lim)
	}
	switch r.stage {
	case stageBody:
		if r.req.buf != nil {
			r.req.buf, r.req.target, r.req.host = nil, nil, nil
		}
		n, data, done, err := r.body.next(in, &r.lim)
		switch {
		case err != nil:
			return n, Event{}, r.fail(err)
		case done:
			r.stage = stageEnd
			return n, Event{Kind: End}, nil
		case data != nil:
			return n, Event{Kind: Body, Data: data}, nil
		}
		return n, Event{}, nil
	case stageFailed:
		return 0, Event{}, r.err
	case stageEnd:
		r.req.reset()
		r.stage = stageStart
	}
	ok, bad := r.readHead(in)
	if bad != nil {
		return 0, Event{}, r.fail(bad)
	}
	if !ok {
		return 0, Event{}, nil
	}
	r.stage = stageBody
	if r.req.Length < 0 {
		r.body.startChunked()
	} else {
		r.body.startLength(r.req.Length)
	}
	return r.req.line, Event{Kind: Head}, nil
}

func (r *Reader) fail(err *Error) error {
	r.err, r.stage = err, stageFailed
	return err
}

func (r *Reader) readHead(in []byte) (bool, *Error) {
	q := &r.req
	for r.stage == stageStart {
		// Looking at the first byte refuses what is no HTTP at all (a TLS handshake, say) at once.
		if q.line < len(in) && class[in[q.line]]&isToken == 0 && in[q.line] != '\r' && in[q.line] != '\n' {
			return false, errRequestLine
		}
		begin := q.line
		limit := min(begin+r.lim.RequestLineBytes, r.lim.HeadBytes)
		line, ok, err := q.nextLine(in, limit, errTargetLong)
		if !ok {
			return false, err
		}
		if len(line) == 0 && begin == 0 {
			continue // one empty line before a request is skipped (RFC 9112, 2.2)
		}
		if err := q.parseLine(line, begin); err != nil {
			return false, err
		}
		r.stage = stageFields
	}
	ok, err := q.readFields(in, &r.lim)
	if !ok || err != nil {
		return false, err
	}
	return true, q.finish(&r.lim)
}

// Request is the head of a request. Owned by its [Reader] and overwritten by the next one. The fields of this
// struct stay valid until then. The methods are for the time between the call of Next that returned Head and the
// next call: what they return as []byte are views of the input, which die with it; strings are copies that may be
// kept and taken to another loop.
type Request struct {
	head

	// Method is as received: methods are case-sensitive.
	Method string
	// HTTP10 is set for an HTTP/1.0 request, which cannot be answered in chunks.
	HTTP10 bool
	// KeepAlive is whether the client lets the connection go on after this request.
	KeepAlive bool
	// Expect100 is whether the client waits for a 100 before it sends the body, of which there is one.
	Expect100 bool
	// Length is the number of bytes of the body: 0 for none, -1 for chunked, when only End tells.
	Length int64

	target             []byte // path and query; a view, or a copy when the request has no path
	host               []byte // of the target in absolute form, or of the host field
	targetAt, targetTo int    // where target stands in the head; both 0 for a copy
	hostAt, hostTo     int    // where host stands in the head; both 0 for none
}

func (q *Request) reset() { *q = Request{head: head{fields: q.fields[:0], length: -1}} }

// Target is the path and query as received: it begins with "/", or is "*" for OPTIONS. Of a target in absolute
// form it is the part behind the authority.
func (q *Request) Target() []byte { return q.target }

// Host is the host, with its port if it was given, that the request is for: the target's if that was in
// absolute form, or else the host field's; the host field, if there is one, then shows the target's too (RFC
// 9112, 3.2.2). It is empty if the client sent it so, or sent none in HTTP/1.0.
func (q *Request) Host() []byte { return q.host }

// Upgrade returns the protocols that the client would like to change to, a list as received, or nil. An upgrade
// without "connection: upgrade", or in HTTP/1.0, is none (RFC 9110, 7.8).
func (q *Request) Upgrade() []byte {
	if !q.wantUpgrade || q.HTTP10 {
		return nil
	}
	v, _ := q.Value(known[nameUpgrade])
	return v
}

// UpgradesTo reports whether the client would change to protocol, which is given in lower case.
func (q *Request) UpgradesTo(protocol string) bool {
	if !q.wantUpgrade || q.HTTP10 {
		return false
	}
	for i := range q.fields {
		if q.fields[i].id != nameUpgrade {
			continue
		}
		_, list := q.FieldAt(i)
		for more := true; more; {
			var p []byte
			p, list, more = nextElement(list)
			if foldEqual(p, protocol) {
				return true
			}
		}
	}
	return false
}

// parseLine takes the request line, which begins at place at of the input (RFC 9112, 3).
func (q *Request) parseLine(line []byte, at int) *Error {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 {
		return errRequestLine
	}
	method, rest := line[:sp], line[sp+1:]
	if !isTokenText(method) {
		return errMethod
	}
	if len(method) > maxMethodBytes {
		return errMethodLong
	}
	sp2 := bytes.LastIndexByte(rest, ' ')
	if sp2 < 0 {
		if len(rest) > 0 && all(rest, isTarget) {
			return errVersionOther // HTTP/0.9
		}
		return errRequestLine
	}
	http10, err := parseVersion(rest[sp2+1:])
	if err != nil {
		return err
	}
	q.Method, q.HTTP10, q.http10 = methodString(method), http10, http10
	return q.parseTarget(rest[:sp2], at+sp+1)
}

// parseTarget takes the request target, which begins at place at of the input (RFC 9112, 3.2).
func (q *Request) parseTarget(t []byte, at int) *Error {
	if len(t) == 0 || !all(t, isTarget) {
		return errTarget
	}
	path := 0
	switch {
	case q.Method == fasthttp.MethodConnect:
		return errConnect
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		if q.Method != fasthttp.MethodOptions {
			return errTarget
		}
	default:
		switch {
		case len(t) > 7 && foldEqual(t[:7], "http://"):
			path = 7
		case len(t) > 8 && foldEqual(t[:8], "https://"):
			path = 8
		default:
			return errTarget
		}
		begin := path
		for path < len(t) && t[path] != '/' && t[path] != '?' {
			path++
		}
		// No user may stand before the host (RFC 9110, 4.2.4): "@" is no host character.
		if path == begin || !validHost(t[begin:path]) {
			return errTarget
		}
		q.hostAt, q.hostTo = at+begin, at+path
	}
	q.target, q.targetAt, q.targetTo = t[path:], at+path, at+len(t)
	if path > 0 && (path == len(t) || t[path] == '?') {
		q.target = append([]byte{'/'}, t[path:]...)
		q.targetAt, q.targetTo = 0, 0
	}
	return nil
}

// validHost reports whether b, which is not empty, is uri-host [ ":" port ] with a host in it. Percent-encoding,
// which RFC 3986 allows there, is refused: no host name needs it, and parties differ on when to decode it.
func validHost[T text](b T) bool {
	end := 0
	if b[0] == '[' {
		for end = 1; end < len(b) && (b[end] == ':' || class[b[end]]&isHost != 0); {
			end++
		}
		if end < 2 || end == len(b) || b[end] != ']' {
			return false
		}
		end++
	} else {
		for end < len(b) && class[b[end]]&isHost != 0 {
			end++
		}
		if end == 0 {
			return false
		}
	}
	if end == len(b) {
		return true
	}
	if b[end] != ':' || len(b)-end > 6 {
		return false
	}
	for i := end + 1; i < len(b); i++ {
		if class[b[i]]&isDigit == 0 {
			return false
		}
	}
	return true
}

// finish judges a complete head.
func (q *Request) finish(lim *Limits) *Error {
	// Moving the views to the present input: an earlier call saw the first lines in another slice.
	if q.targetTo > 0 {
		q.target = q.buf[q.targetAt:q.targetTo]
	}
	hosts, absolute, expects := 0, q.hostTo > 0, false
	for i := range q.fields {
		switch q.fields[i].id {
		case nameHost:
			_, v := q.FieldAt(i)
			if hosts++; hosts > 1 {
				return errHostTwice
			}
			if len(v) > 0 && !validHost(v) {
				return errHost
			}
			f := &q.fields[i]
			if !absolute {
				q.hostAt, q.hostTo = int(f.value), int(f.valueEnd)
			}
			// The target's host goes before the field's, for whoever looks at the field, too.
			f.value, f.valueEnd = uint16(q.hostAt), uint16(q.hostTo)
		case nameExpect:
			// An HTTP/1.0 client's expectation is ignored (RFC 9110, 10.1.1).
			if q.HTTP10 {
				continue
			}
			if _, v := q.FieldAt(i); !foldEqual(v, "100-continue") {
				return errExpect
			}
			expects = true
		}
	}
	if hosts == 0 && !q.HTTP10 {
		return errHostMissing
	}
	q.host = q.buf[q.hostAt:q.hostTo]
	if q.length > lim.BodyBytes {
		return errBodyBytes
	}
	q.Length = max(q.length, 0)
	if q.chunked {
		q.Length = -1
	}
	q.KeepAlive = q.persists()
	q.Expect100 = expects && q.Length != 0
	return nil
}

// AppendFieldsTarget is AppendFields, and returns the target and the host too, for the same single allocation.
func (q *Request) AppendFieldsTarget(dst []Field) (fields []Field, target, host string) {
	dst, all := q.copyOut(dst, bytes.Clone(q.live()))
	if q.targetTo > 0 {
		target = all[q.targetAt:q.targetTo]
	} else {
		target = string(q.target)
	}
	return dst, target, all[q.hostAt:q.hostTo]
}

// AppendFieldsURL is AppendFields, and returns the absolute URL of the request too, for the same single allocation. It has no path for
// "*" (RFC 9112, 3.3). host stands in where the client gave none.
func (q *Request) AppendFieldsURL(dst []Field, scheme, host string) (fields []Field, url string) {
	head, target := q.live(), q.target
	if string(target) == "*" {
		target = nil
	}
	b := make([]byte, 0, len(head)+len(scheme)+len("://")+max(len(q.host), len(host))+len(target))
	b = append(b, head...)
	b = append(append(b, scheme...), "://"...)
	if len(q.host) > 0 {
		b = append(b, q.host...)
	} else {
		b = append(b, host...)
	}
	b = append(b, target...)
	dst, all := q.copyOut(dst, b)
	return dst, all[len(head):]
}
