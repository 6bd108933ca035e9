package ws

// Bounds of the protocol, and the default of [Limits].
const (
	// DefaultMessageBytes is the default of Limits.MessageBytes.
	DefaultMessageBytes = 32 << 20

	// MaxControlBytes is the largest payload of a Ping, a Pong or a Close (RFC 6455, 5.5).
	MaxControlBytes = 125
	// MaxReasonBytes is the largest reason of a Close, in bytes of UTF-8: a control frame less the code.
	MaxReasonBytes = MaxControlBytes - 2
	// MaxHeaderBytes is the longest header of a frame: two bytes, a length of eight, a mask of four.
	MaxHeaderBytes = 14
	// MaxHeldBytes is what a [Reader] may leave unconsumed: a control frame less its last byte.
	MaxHeldBytes = 2 + 4 + MaxControlBytes - 1
)

// Limits bound what one message may make its receiver keep. The zero value works. A Limits is not changed once it
// is in use; it may be shared.
type Limits struct {
	// MessageBytes bounds a message, without its framing; a compressed one as it was before compression. Default
	// 32 MiB. Past it: 1009, which is known from the length that a frame claims, before its bytes arrive.
	MessageBytes int
}

func (l Limits) withDefaults() Limits {
	if l.MessageBytes <= 0 {
		l.MessageBytes = DefaultMessageBytes
	}
	l.MessageBytes = min(l.MessageBytes, maxInt/2)
	return l
}
