package http

import (
	"io"

	"github.com/valyala/fasthttp"
)

// ResponseReader reads the responses of one connection, for a client. It is as strict as [Reader]. The zero
// ResponseReader works, with default limits. Owned by whoever owns the connection.
type ResponseReader struct {
	lim     Limits
	resp    Response
	body    body
	err     *Error
	stage   stage
	ready   bool
	interim int // 1xx responses skipped since the last final one
}

// NewResponseReader returns a ResponseReader with the given limits.
func NewResponseReader(lim Limits) *ResponseReader {
	r := new(ResponseReader)
	r.Reset(lim)
	return r
}

// Reset makes r as NewResponseReader does, and keeps its memory.
func (r *ResponseReader) Reset(lim Limits) {
	r.lim = lim.withDefaults()
	r.err, r.stage, r.ready, r.interim = nil, stageStart, true, 0
	r.resp.reset()
}

// Response is the response whose Head was returned last. It is r's own, and overwritten by the next one.
func (r *ResponseReader) Response() *Response { return &r.resp }

// Next reads on, as [Reader.Next] does. isHead says whether the method of the request that the next response
// answers was HEAD; it is looked at when a head is complete. Interim responses (1xx, but not 101) are checked
// and skipped. When the peer has closed, call EOF.
func (r *ResponseReader) Next(in []byte, isHead bool) (n int, ev Event, err error) {
	if !r.ready {
		r.Reset(r.lim)
	}
	switch r.stage {
	case stageBody:
		r.resp.buf = nil
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
		r.resp.reset()
		r.stage, r.interim = stageStart, 0
	}
	for {
		ok, bad := r.readHead(in[n:])
		if bad != nil {
			return n, Event{}, r.fail(bad)
		}
		if !ok {
			return n, Event{}, nil
		}
		n += r.resp.line
		if r.resp.Status >= 200 || r.resp.Status == fasthttp.StatusSwitchingProtocols {
			break
		}
		if r.interim++; r.interim > maxInterim {
			return n, Event{}, r.fail(errInterim)
		}
		r.resp.reset()
		r.stage = stageStart
	}
	if bad := r.startBody(isHead); bad != nil {
		return n, Event{}, r.fail(bad)
	}
	r.stage = stageBody
	return n, Event{Kind: Head}, nil
}

// Interim is the number of interim responses that were skipped before the present one, or since the last one. A
// client that sent [RequestOptions.Expect100] may go on with its body when it is no longer 0.
func (r *ResponseReader) Interim() int {
	if r.stage == stageEnd {
		return 0
	}
	return r.interim
}

// EOF says that the peer has closed. It returns io.EOF between two responses, nil when the close is the proper
// end of the present one (which then is complete), and io.ErrUnexpectedEOF otherwise.
func (r *ResponseReader) EOF() error {
	switch {
	case r.stage == stageFailed:
		return r.err
	case r.stage == stageEnd, r.stage == stageStart && r.resp.scan == 0 && r.interim == 0:
		return io.EOF
	case r.stage == stageBody && (r.body.state == bodyToClose || r.body.state == bodyDone):
		r.stage = stageEnd
		return nil
	}
	return io.ErrUnexpectedEOF
}

// fail keeps the reason, and says of it what a gateway would answer.
func (r *ResponseReader) fail(err *Error) error {
	r.err, r.stage = refuse(fasthttp.StatusBadGateway, err.Reason), stageFailed
	return r.err
}

func (r *ResponseReader) readHead(in []byte) (bool, *Error) {
	p := &r.resp
	if r.stage == stageStart {
		line, ok, err := p.nextLine(in, r.lim.HeadBytes, errHeadBytes)
		if !ok {
			return false, err
		}
		if err := p.parseLine(line); err != nil {
			return false, err
		}
		r.stage = stageFields
	}
	return p.readFields(in, &r.lim)
}

// startBody decides how the body ends (RFC 9112, 6.3).
func (r *ResponseReader) startBody(isHead bool) *Error {
	p := &r.resp
	p.KeepAlive = p.persists()
	p.Length = p.length
	if isHead || noBody(p.Status) && p.Status != fasthttp.StatusResetContent {
		if p.length < 0 {
			p.Length = NoLength
		}
		r.body.startLength(0)
		return nil
	}
	switch {
	case p.chunked:
		p.Length = Chunked
		r.body.startChunked()
	case p.length > r.lim.BodyBytes:
		return errBodyBytes
	case p.length >= 0:
		r.body.startLength(p.length)
	default:
		p.Length, p.KeepAlive = NoLength, false
		r.body.startToClose()
	}
	return nil
}

// Response is the head of a response. Owned by its [ResponseReader] and overwritten by the next one. The methods
// are for the time between the call of Next that returned Head and the next call, as [Request]'s are.
type Response struct {
	head

	// Status is the three-digit status. 101 hands the connection over: what follows the head is the new
	// protocol's.
	Status int
	// HTTP10 is set for an HTTP/1.0 response.
	HTTP10 bool
	// KeepAlive is whether the server lets the connection go on after this response.
	KeepAlive bool
	// Length is the number of bytes of the body, Chunked, or NoLength when the close ends it. For a response
	// to HEAD, and for 304, it is what the server said of the body that it did not send.
	Length int64
}

func (p *Response) reset() { *p = Response{head: head{fields: p.fields[:0], length: -1}} }

// parseLine takes the status line (RFC 9112, 4). A missing reason phrase may lack the space before it too, as
// some servers have it; nothing depends on either.
func (p *Response) parseLine(line []byte) *Error {
	if len(line) < len("HTTP/1.1 200") {
		return errStatusLine
	}
	http10, err := parseVersion(line[:8])
	if err != nil {
		return err
	}
	code, rest := line[9:12], line[12:]
	if line[8] != ' ' || !all(code, isDigit) || code[0] == '0' ||
		len(rest) > 0 && rest[0] != ' ' || !cleanValue(rest) {
		return errStatusLine
	}
	p.Status = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	p.HTTP10, p.http10 = http10, http10
	return nil
}
