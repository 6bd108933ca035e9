package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// Codes of a Close (RFC 6455, 7.4.1, and the registry that it founded).
const (
	CloseNormal        = 1000
	CloseGoingAway     = 1001
	CloseProtocolError = 1002
	CloseUnsupported   = 1003
	CloseNoStatus      = 1005 // stands for a Close without a code; never sent
	CloseAbnormal      = 1006 // stands for a connection that was lost without a Close; never sent
	CloseInvalidData   = 1007
	ClosePolicy        = 1008
	CloseTooBig        = 1009
	CloseExtension     = 1010 // a client misses an extension in the server's answer
	CloseInternalError = 1011
	CloseRestart       = 1012
	CloseTryLater      = 1013
	CloseBadGateway    = 1014
	CloseTLS           = 1015 // stands for a failed TLS handshake; never sent
)

// Receivable reports whether a peer may send code: one of those above that are sent, or one of 3000 to 4999, which libraries
// and programs choose (RFC 6455, 7.4.2).
func Receivable(code int) bool {
	switch {
	case code >= CloseNormal && code <= CloseUnsupported, code >= CloseInvalidData && code <= CloseBadGateway:
		return true
	}
	return code >= 3000 && code <= 4999
}

// Sendable reports whether a program may close with code: 1000 to 4999 without those that are reserved for what
// is never sent, 1004 included. It is wider than Receivable, as Cloudflare's WebSocket.close is.
func Sendable(code int) bool {
	switch code {
	case 1004, CloseNoStatus, CloseAbnormal, CloseTLS:
		return false
	}
	return code >= CloseNormal && code <= 4999
}

// AppendClosePayload appends what a Close carries. A code that is not [Sendable] (0 and [CloseNoStatus], say) makes
// it empty. A reason is cut to [MaxReasonBytes] between two characters, and left out if it is not UTF-8.
func AppendClosePayload(dst []byte, code int, reason string) []byte {
	if !Sendable(code) {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	if !utf8.ValidString(reason) {
		return dst
	}
	if len(reason) > MaxReasonBytes {
		end := MaxReasonBytes
		for !utf8.RuneStart(reason[end]) {
			end--
		}
		reason = reason[:end]
	}
	return append(dst, reason...)
}

// AppendClose appends a Close as a server sends it, by the rules of [AppendClosePayload].
func AppendClose(dst []byte, code int, reason string) []byte {
	var buf [MaxControlBytes]byte
	return AppendFrame(dst, OpClose, AppendClosePayload(buf[:0], code, reason))
}

// AppendMaskedClose is AppendClose for a client.
func AppendMaskedClose(dst []byte, code int, reason string, mask [4]byte) []byte {
	var buf [MaxControlBytes]byte
	return AppendMaskedFrame(dst, OpClose, AppendClosePayload(buf[:0], code, reason), mask)
}

// parseClose reads the payload of a Close (RFC 6455, 5.5.1).
func parseClose(payload []byte) (code int, reason string, err *Error) {
	switch len(payload) {
	case 0:
		return CloseNoStatus, "", nil
	case 1:
		return 0, "", errCloseShort
	}
	code = int(binary.BigEndian.Uint16(payload))
	switch {
	case !Receivable(code):
		return 0, "", errCloseCode
	case !utf8.Valid(payload[2:]):
		return 0, "", errCloseReason
	}
	return code, string(payload[2:]), nil
}
