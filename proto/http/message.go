package http

import "github.com/valyala/fasthttp"

// This file connects the codec with fasthttp's message types, for Go code that would rather work with those:
// what was read is copied into them, and what they hold is written by the same checks as everything else.

// CopyTo makes h a copy of q. It copies all text, so h may be kept. The body's length is h.ContentLength(), -1 for
// chunked. fasthttp keeps one value of content-type and user-agent, sorts cookies out of the list, and shows names
// in canonical case; the trailer field is left out, as trailers are dropped. Use AppendFields for the fields
// as they were received.
func (q *Request) CopyTo(h *fasthttp.RequestHeader) {
	h.Reset()
	h.SetMethod(q.Method)
	h.SetRequestURIBytes(q.target)
	if q.HTTP10 {
		h.SetProtocol("HTTP/1.0")
	}
	h.SetHostBytes(q.host)
	for i := range q.fields {
		switch q.fields[i].id {
		case nameHost, nameContentLength, nameTransferEncoding, nameTrailer:
		default:
			h.AddBytesKV(q.FieldAt(i))
		}
	}
	if q.length >= 0 || q.Length < 0 {
		h.SetContentLength(int(q.Length))
	}
	if !q.KeepAlive {
		h.SetConnectionClose()
	}
}

// CopyTo makes h a copy of p, as [Request.CopyTo] does. h.ContentLength() is -1 for chunked and -2 for a body
// that the close ends.
func (p *Response) CopyTo(h *fasthttp.ResponseHeader) {
	h.Reset()
	h.SetNoDefaultContentType(true)
	h.SetStatusCode(p.Status)
	for i := range p.fields {
		switch p.fields[i].id {
		case nameContentLength, nameTransferEncoding, nameTrailer:
		default:
			h.AddBytesKV(p.FieldAt(i))
		}
	}
	h.SetContentLength(int(p.Length))
	if !p.KeepAlive {
		h.SetConnectionClose()
	}
}

// AppendResponse is AppendHead for a head in fasthttp's type, content-type default included. Status and fields
// come from h; the connection and the length of the body from o, and from nowhere else.
func AppendResponse(dst []byte, h *fasthttp.ResponseHeader, o Options) ([]byte, error) {
	status := h.StatusCode()
	if status < 100 || status > 999 {
		return dst, ErrStatus
	}
	w := headWriter{status: status}
	out := appendStatusLine(dst, status)
	for name, value := range h.All() {
		id := lookup(name)
		if id == nameContentLength {
			w.handlerLength, w.hasLength = parseLength(value)
		}
		var err error
		if out, err = appendField(out, id, name, value, w.keeps(id)); err != nil {
			return dst, err
		}
	}
	return w.finish(out, &o), nil
}

// AppendRequestHeader is AppendRequest for a head in fasthttp's type.
func AppendRequestHeader(dst []byte, h *fasthttp.RequestHeader, o RequestOptions) ([]byte, error) {
	method := string(h.Method())
	out, err := appendRequestLine(dst, h.Method(), h.RequestURI(), h.Host())
	if err != nil {
		return dst, err
	}
	var w requestWriter
	for name, value := range h.All() {
		if out, err = appendRequestField(&w, out, name, value); err != nil {
			return dst, err
		}
	}
	return w.finish(out, method, &o), nil
}
