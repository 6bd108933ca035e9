package resp

// ProtocolError says why bytes are no RESP, or more of it than is taken. A stream that had one cannot be read on.
//
// Its text is what redis-server says ("Protocol error: invalid bulk length"), since clients look for that, and what follows
// after a colon says more. A server sends it as AppendError(dst, "ERR "+err.Error()) and closes. It never has what the other side
// sent in it, except for one character.
type ProtocolError struct {
	// Msg is the whole text.
	Msg string
	// Limit is the field of [Limits] or [ReplyLimits] that was exceeded, or empty: the bytes are wrong in themselves.
	Limit string
}

func (e *ProtocolError) Error() string { return e.Msg }

func malformed(text string) *ProtocolError {
	return &ProtocolError{Msg: "Protocol error: " + text}
}
