package http

import (
	"fmt"

	"github.com/valyala/fasthttp"
)

// Error is why a message was refused. Every refusal ends the connection: after it nobody can say where the
// next message would start. The values are shared and never changed, so that refusing allocates nothing;
// safe for concurrent use.
type Error struct {
	// Status is what a server answers before it closes. For a response that a client refuses it is 502.
	Status int
	// Reason says what is wrong, in a form that may be sent to the peer: it holds nothing of the message.
	Reason string
}

// Error returns the text with the package's name before it.
func (e *Error) Error() string { return fmt.Sprintf("http: %d: %s", e.Status, e.Reason) }

func refuse(status int, reason string) *Error { return &Error{Status: status, Reason: reason} }

// What is refused, of requests and responses alike. The sections are RFC 9112's unless they say otherwise.
var (
	errBareLF         = refuse(fasthttp.StatusBadRequest, "a line ends in LF without CR (RFC 9112, 2.2)")
	errBareCR         = refuse(fasthttp.StatusBadRequest, "a CR without LF (RFC 9112, 2.2)")
	errControl        = refuse(fasthttp.StatusBadRequest, "a control character in a field value (RFC 9110, 5.5)")
	errFieldName      = refuse(fasthttp.StatusBadRequest, "a field name is empty or has an invalid character (RFC 9110, 5.1)")
	errNoColon        = refuse(fasthttp.StatusBadRequest, "a field line has no colon (RFC 9112, 5)")
	errSpaceColon     = refuse(fasthttp.StatusBadRequest, "whitespace between a field name and its colon (RFC 9112, 5.1)")
	errFolded         = refuse(fasthttp.StatusBadRequest, "a field line begins with whitespace (RFC 9112, 2.2 and 5.2)")
	errHeadBytes      = refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "the header is too large")
	errFields         = refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "too many header fields")
	errTrailerBytes   = refuse(fasthttp.StatusRequestHeaderFieldsTooLarge, "the trailer section is too large")
	errLength         = refuse(fasthttp.StatusBadRequest, "content-length is not a decimal number (RFC 9112, 6.3)")
	errLengthTwice    = refuse(fasthttp.StatusBadRequest, "more than one content-length (RFC 9112, 6.3)")
	errLengthAndTE    = refuse(fasthttp.StatusBadRequest, "both content-length and transfer-encoding (RFC 9112, 6.3)")
	errTE             = refuse(fasthttp.StatusBadRequest, "transfer-encoding is malformed (RFC 9112, 6.1)")
	errTENotFinal     = refuse(fasthttp.StatusBadRequest, "chunked is not the final transfer coding (RFC 9112, 6.3)")
	errTETwice        = refuse(fasthttp.StatusBadRequest, "chunked is applied more than once (RFC 9112, 6.1)")
	errTEUnknown      = refuse(fasthttp.StatusNotImplemented, "an unknown transfer coding (RFC 9112, 6.1)")
	errTEOld          = refuse(fasthttp.StatusBadRequest, "transfer-encoding in an HTTP/1.0 message (RFC 9112, 6.1)")
	errBodyBytes      = refuse(fasthttp.StatusRequestEntityTooLarge, "the body is too large")
	errChunkSize      = refuse(fasthttp.StatusBadRequest, "a chunk size is not a hexadecimal number (RFC 9112, 7.1)")
	errChunkSizeLarge = refuse(fasthttp.StatusBadRequest, "a chunk size is too large (RFC 9112, 7.1)")
	errChunkExt       = refuse(fasthttp.StatusBadRequest, "a chunk extension is malformed or too long (RFC 9112, 7.1.1)")
	errChunkEnd       = refuse(fasthttp.StatusBadRequest, "a chunk is not followed by CRLF (RFC 9112, 7.1)")
	errChunkOverhead  = refuse(fasthttp.StatusBadRequest, "the chunks carry too little data for their framing")
)

// What is refused of requests.
var (
	errRequestLine  = refuse(fasthttp.StatusBadRequest, "the request line is malformed (RFC 9112, 3)")
	errMethod       = refuse(fasthttp.StatusBadRequest, "the method has an invalid character (RFC 9110, 9.1)")
	errMethodLong   = refuse(fasthttp.StatusNotImplemented, "the method is too long (RFC 9112, 3)")
	errConnect      = refuse(fasthttp.StatusNotImplemented, "CONNECT is not implemented")
	errTarget       = refuse(fasthttp.StatusBadRequest, "the request target is malformed (RFC 9112, 3.2)")
	errTargetLong   = refuse(fasthttp.StatusRequestURITooLong, "the request line is too long")
	errVersion      = refuse(fasthttp.StatusBadRequest, "the HTTP version is malformed (RFC 9112, 2.3)")
	errVersionOther = refuse(fasthttp.StatusHTTPVersionNotSupported, "only HTTP/1.1 and HTTP/1.0 are spoken here")
	errHost         = refuse(fasthttp.StatusBadRequest, "host is not a host name or address with an optional port (RFC 9112, 3.2)")
	errHostMissing  = refuse(fasthttp.StatusBadRequest, "host is missing (RFC 9112, 3.2)")
	errHostTwice    = refuse(fasthttp.StatusBadRequest, "more than one host (RFC 9112, 3.2)")
	errExpect       = refuse(fasthttp.StatusExpectationFailed, "an expectation other than 100-continue (RFC 9110, 10.1.1)")
)

// What is refused of responses.
var (
	errStatusLine = refuse(fasthttp.StatusBadGateway, "the status line is malformed (RFC 9112, 4)")
	errInterim    = refuse(fasthttp.StatusBadGateway, "too many interim responses")
)
