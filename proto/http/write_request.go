package http

import (
	"errors"

	"github.com/valyala/fasthttp"
)

// What cannot be written of a request.
var (
	ErrMethod = errors.New("http: a method may only have letters, digits and !#$%&'*+-.^_`|~")
	ErrTarget = errors.New(`http: a request target must begin with "/", or be "*", and have no space, control character or "#"`)
	ErrHost   = errors.New("http: a host must be a name or an address, with an optional port")
)

// RequestOptions say how a request is sent. The zero value has no body and keeps the connection.
type RequestOptions struct {
	// Length is the number of body bytes, or Chunked.
	Length int64
	// Close tells the server that this is the connection's last request.
	Close bool
	// Expect100 tells the server that the body waits for its 100 (Continue), which [ResponseReader.Interim]
	// shows. A server need not send one: go on after a time.
	Expect100 bool
}

// AppendRequest appends the head of a request to dst. It allocates nothing if dst has room. target is path and
// query. Of the fields, those that the framing or the arguments decide are left out: host, content-length,
// transfer-encoding, connection and its like, expect. With an upgrade field "connection: upgrade" is sent. A name or
// value that would change the meaning of the message is an error, and dst is returned as it was.
func AppendRequest(dst []byte, method, target, host string, fields []Field, o RequestOptions) ([]byte, error) {
	out, err := appendRequestLine(dst, method, target, host)
	if err != nil {
		return dst, err
	}
	var w requestWriter
	for i := range fields {
		f := &fields[i]
		if out, err = appendRequestField(&w, out, f.Name, f.Value); err != nil {
			return dst, err
		}
	}
	return w.finish(out, method, &o), nil
}

func appendRequestLine[T text](dst []byte, method, target, host T) ([]byte, error) {
	switch {
	case !isTokenText(method):
		return dst, ErrMethod
	case len(target) == 0 || target[0] != '/' && string(target) != "*":
		return dst, ErrTarget
	case len(host) > 0 && !validHost(host):
		return dst, ErrHost
	}
	for i := range len(target) {
		if class[target[i]]&isTarget == 0 {
			return dst, ErrTarget
		}
	}
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nhost: "...)
	dst = append(dst, host...)
	return append(dst, "\r\n"...), nil
}

// requestWriter keeps what it has seen of one request's fields.
type requestWriter struct{ upgrade bool }

func appendRequestField[N, V text](w *requestWriter, dst []byte, name N, value V) ([]byte, error) {
	id := lookup(name)
	w.upgrade = w.upgrade || id == nameUpgrade
	keep := !ofConnection(id) && id != nameHost && id != nameContentLength && id != nameExpect
	return appendField(dst, id, name, value, keep)
}

func (w *requestWriter) finish(out []byte, method string, o *RequestOptions) []byte {
	switch {
	case o.Length < 0:
		out = append(out, "transfer-encoding: chunked\r\n"...)
	case o.Length > 0 || method == fasthttp.MethodPost || method == fasthttp.MethodPut || method == fasthttp.MethodPatch:
		out = appendLength(out, o.Length)
	}
	if o.Expect100 && o.Length != 0 {
		out = append(out, "expect: 100-continue\r\n"...)
	}
	switch {
	case w.upgrade && o.Close:
		out = append(out, "connection: close, upgrade\r\n"...)
	case w.upgrade:
		out = append(out, "connection: upgrade\r\n"...)
	case o.Close:
		out = append(out, "connection: close\r\n"...)
	}
	return append(out, "\r\n"...)
}
