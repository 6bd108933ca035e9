package http

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Lengths of a response's body that are no length.
const (
	// Chunked: the length is not known; the body is sent by AppendChunk and AppendLastChunk.
	Chunked int64 = -1
	// NoLength: the response says nothing about a body. For HEAD and 304, where the length of what is not
	// sent is not known; for any other response that may have a body, the connection's end ends it.
	NoLength int64 = -2
)

// Framing is how the bytes of a response's body go out.
type Framing uint8

const (
	// NoBody: none may be sent: a response to HEAD, 1xx, 204, 205, 304 (RFC 9112, 6.3).
	NoBody Framing = iota
	// ByLength: exactly Length bytes.
	ByLength
	// ByChunks: AppendChunk for each part, AppendLastChunk at the end.
	ByChunks
	// ByClose: the bytes as they are; closing the connection ends them.
	ByClose
)

// Options say how a response is sent. The zero value is an empty body, after which the connection closes.
type Options struct {
	// Length is the number of body bytes, Chunked or NoLength.
	Length int64
	// KeepAlive is whether the connection shall go on.
	KeepAlive bool
	// HTTP10 is Request.HTTP10.
	HTTP10 bool
	// Head is whether the request's method was HEAD.
	Head bool
	// Date is the value of the date field, as AppendDate writes it; none is sent if it is empty, or if the
	// fields have one. A server makes it once a second.
	Date []byte
}

// Framing returns how the body of a response with that status goes out, and whether the connection goes on
// afterwards. AppendHead writes just this.
func (o *Options) Framing(status int) (f Framing, keepAlive bool) {
	switch {
	case o.Head || noBody(status):
		return NoBody, o.KeepAlive
	case o.Length >= 0:
		return ByLength, o.KeepAlive
	case o.Length == Chunked && !o.HTTP10:
		return ByChunks, o.KeepAlive
	}
	return ByClose, false
}

// noBody reports whether a response of that status never has a body.
func noBody(status int) bool {
	return status < 200 || status == fasthttp.StatusNoContent || status == fasthttp.StatusResetContent ||
		status == fasthttp.StatusNotModified
}

// What cannot be written.
var (
	// ErrStatus: a status that is not three digits.
	ErrStatus = errors.New("http: a status must be between 100 and 999")
	// ErrFieldName and ErrFieldValue: such text would let whoever chose it write fields, or a whole message,
	// of his own.
	ErrFieldName  = errors.New("http: a field name may only have letters, digits and !#$%&'*+-.^_`|~")
	ErrFieldValue = errors.New("http: a field value must not have control characters, CR and LF among them")
)

// fieldError names the field that cannot be written. The value is left out: it may be a secret.
func fieldError[N, V text](name N, _ V) error {
	if !isTokenText(name) {
		return fmt.Errorf("%w: %q", ErrFieldName, string(name))
	}
	return fmt.Errorf("%w: field %q", ErrFieldValue, string(name))
}

// statusLines holds "HTTP/1.1 200 OK\r\n" for every status that has a reason phrase.
var statusLines = func() (lines [600]string) {
	for status := 100; status < len(lines); status++ {
		if phrase := fasthttp.StatusMessage(status); phrase != unknownStatus {
			lines[status] = "HTTP/1.1 " + strconv.Itoa(status) + " " + phrase + "\r\n"
		}
	}
	return lines
}()

// unknownStatus is what fasthttp calls a status that it does not know.
var unknownStatus = fasthttp.StatusMessage(0)

func appendStatusLine(dst []byte, status int) []byte {
	if status < len(statusLines) && statusLines[status] != "" {
		return append(dst, statusLines[status]...)
	}
	// The phrase may be empty, the space before it not (RFC 9112, 4).
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	return append(dst, " \r\n"...)
}

// headWriter writes the fields of one response, and keeps what it has seen of them.
type headWriter struct {
	status        int
	hasDate       bool
	handlerLength int64 // the handler's content-length
	hasLength     bool  // that there is one, and that it is a number
}

// appendField appends a field, or only checks it.
func appendField[N, V text](dst []byte, id nameID, name N, value V, keep bool) ([]byte, error) {
	if id == 0 && !isTokenText(name) || !isValueText(value) {
		return dst, fieldError(name, value)
	}
	if !keep {
		return dst, nil
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...), nil
}

// AppendHead appends the head of a response to dst. It allocates nothing if dst has room.
//
// The fields go out in their order, several set-cookie fields as several. Those that belong to the connection
// and not to the message are left out: connection, keep-alive, proxy-connection, transfer-encoding, trailer (no
// trailers are sent), and upgrade except with 101 and 426. A content-length among the fields is taken only
// where no body is sent but its length may be told, which is HEAD and 304, and only if it is a number; there it
// goes before o.Length, and everywhere else o.Length alone counts.
//
// A name or value that would change the meaning of the message is an error, and dst is returned as it was.
func AppendHead(dst []byte, status int, fields []Field, o Options) ([]byte, error) {
	if status < 100 || status > 999 {
		return dst, ErrStatus
	}
	w := headWriter{status: status}
	out := appendStatusLine(dst, status)
	for i := range fields {
		f := &fields[i]
		id := lookup(f.Name)
		if id == nameContentLength {
			w.handlerLength, w.hasLength = parseLength(f.Value)
		}
		var err error
		if out, err = appendField(out, id, f.Name, f.Value, w.keeps(id)); err != nil {
			return dst, err
		}
	}
	return w.finish(out, &o), nil
}

// keeps reports whether a field goes out.
func (w *headWriter) keeps(id nameID) bool {
	switch id {
	case nameContentLength:
		return false
	case nameUpgrade:
		return w.status == fasthttp.StatusSwitchingProtocols || w.status == fasthttp.StatusUpgradeRequired
	case nameDate:
		w.hasDate = true
	}
	return !ofConnection(id)
}

// ofConnection reports whether a field belongs to the connection, which whoever frames the message decides on.
func ofConnection(id nameID) bool {
	switch id {
	case nameConnection, nameKeepAlive, nameProxyConnection, nameTransferEncoding, nameTrailer:
		return true
	}
	return false
}

// finish appends the fields of the connection and the empty line.
func (w *headWriter) finish(out []byte, o *Options) []byte {
	if len(o.Date) > 0 && !w.hasDate && w.status >= 200 {
		out = append(out, "date: "...)
		out = append(out, o.Date...)
		out = append(out, "\r\n"...)
	}
	framing, keepAlive := o.Framing(w.status)
	switch {
	case framing == ByChunks:
		out = append(out, "transfer-encoding: chunked\r\n"...)
	case framing == ByLength:
		out = appendLength(out, o.Length)
	case w.status == fasthttp.StatusResetContent:
		out = appendLength(out, 0) // RFC 9110, 15.3.6
	case w.status == fasthttp.StatusNotModified || framing == NoBody && !noBody(w.status):
		n, ok := w.handlerLength, w.hasLength
		if !ok && w.status != fasthttp.StatusNotModified {
			n, ok = o.Length, o.Length >= 0
		}
		if ok {
			out = appendLength(out, n)
		}
	}
	switch {
	case w.status == fasthttp.StatusSwitchingProtocols:
		out = append(out, "connection: upgrade\r\n"...)
	case w.status < 200:
		// An interim response says nothing of the connection.
	case !keepAlive:
		out = append(out, "connection: close\r\n"...)
	case o.HTTP10:
		out = append(out, "connection: keep-alive\r\n"...)
	case w.status == fasthttp.StatusUpgradeRequired:
		out = append(out, "connection: upgrade\r\n"...)
	}
	return append(out, "\r\n"...)
}

func appendLength(out []byte, n int64) []byte {
	out = append(out, "content-length: "...)
	out = strconv.AppendInt(out, n, 10)
	return append(out, "\r\n"...)
}

// AppendChunk appends data as one chunk. Empty data appends nothing: an empty chunk would end the body.
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkSize(dst, len(data))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkSize appends the line before a chunk of n > 0 bytes, for a caller that does not want the data
// copied: the data and a CRLF must follow.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendUint(dst, uint64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk ends a chunked body.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n\r\n"...) }

// Append100Continue appends the interim response that a client with [Request.Expect100] waits for.
func Append100Continue(dst []byte) []byte { return append(dst, "HTTP/1.1 100 Continue\r\n\r\n"...) }

// AppendError appends a whole response with a line of plain text as its body, or only its head for HEAD.
// o.Length is not looked at. status must be between 400 and 599.
func AppendError(dst []byte, status int, reason string, o Options) []byte {
	o.Length = int64(len(reason)) + 1
	w := headWriter{status: status}
	dst = appendStatusLine(dst, status)
	dst = append(dst, "content-type: text/plain; charset=utf-8\r\n"...)
	dst = w.finish(dst, &o)
	if o.Head {
		return dst
	}
	dst = append(dst, reason...)
	return append(dst, '\n')
}

// AppendDate appends t as the date field has it (RFC 9110, 5.6.7).
func AppendDate(dst []byte, t time.Time) []byte { return fasthttp.AppendHTTPDate(dst, t) }
