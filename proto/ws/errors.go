package ws

import "fmt"

// Error is why a connection was failed (RFC 6455, 7.1.7): after it nobody can say what the next byte means. The values are
// shared and never changed, so that failing allocates nothing; safe for concurrent use.
type Error struct {
	// Code is what a Close frame says before the connection is closed: 1002, 1007 or 1009.
	Code int
	// Reason says what is wrong, in a form that may be sent to the peer: it holds nothing of the message, and fits
	// into a Close frame.
	Reason string
}

// Error returns the text with the package's name before it.
func (e *Error) Error() string { return fmt.Sprintf("ws: %d: %s", e.Code, e.Reason) }

func fail(code int, reason string) *Error { return &Error{Code: code, Reason: reason} }

// What fails a connection. The sections are RFC 6455's unless they say otherwise.
var (
	errRSV          = fail(CloseProtocolError, "a reserved bit is set and no extension was agreed that defines it (RFC 6455, 5.2)")
	errRSVPlace     = fail(CloseProtocolError, "the bit for compression stands elsewhere than on a message's first frame (RFC 7692, 6)")
	errOpcode       = fail(CloseProtocolError, "a reserved opcode (RFC 6455, 5.2)")
	errControlLong  = fail(CloseProtocolError, "a control frame has more than 125 bytes (RFC 6455, 5.5)")
	errControlParts = fail(CloseProtocolError, "a control frame is fragmented (RFC 6455, 5.5)")
	errLengthLonger = fail(CloseProtocolError, "a length is not in its shortest form (RFC 6455, 5.2)")
	errLengthSign   = fail(CloseProtocolError, "a length has its most significant bit set (RFC 6455, 5.2)")
	errUnmasked     = fail(CloseProtocolError, "a frame of a client is not masked (RFC 6455, 5.1)")
	errMasked       = fail(CloseProtocolError, "a frame of a server is masked (RFC 6455, 5.1)")
	errContinuation = fail(CloseProtocolError, "a continuation without a message to go on with (RFC 6455, 5.4)")
	errInterleaved  = fail(CloseProtocolError, "a new message before the fragmented one ended (RFC 6455, 5.4)")
	errUTF8         = fail(CloseInvalidData, "a text is not UTF-8 (RFC 6455, 8.1)")
	errTooBig       = fail(CloseTooBig, "a message is too large")
	errDeflate      = fail(CloseInvalidData, "a compressed message cannot be decompressed (RFC 7692, 7.2.2)")
	errCloseShort   = fail(CloseProtocolError, "a close frame has one byte, which is no code (RFC 6455, 5.5.1)")
	errCloseCode    = fail(CloseProtocolError, "a close frame has a code that is not sent (RFC 6455, 7.4)")
	errCloseReason  = fail(CloseInvalidData, "a close frame's reason is not UTF-8 (RFC 6455, 5.5.1)")
)
