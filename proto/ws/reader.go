package ws

import "encoding/binary"

// Kind is what a call of Next has found.
type Kind uint8

const (
	// NeedMore: nothing more can be found until further bytes arrive. Bytes may have been consumed.
	NeedMore Kind = iota
	// Text: a whole message of UTF-8, in Event.Data.
	Text
	// Binary: a whole message of bytes, in Event.Data.
	Binary
	// Ping: to be answered by a Pong with the same Event.Data, unless a Close was sent.
	Ping
	// Pong: an answer, or a sign of life that nobody asked for.
	Pong
	// Close: the peer sends no more, with Event.Code and Event.Reason. To be answered by a Close, unless one was
	// sent. Whatever follows is consumed and means nothing.
	Close
)

// Event is one thing that the peer sent.
type Event struct {
	Kind Kind
	// Data is a message, or what a Ping or a Pong carries; empty for anything else. It is the receiver's: the Reader
	// has made it for this event, knows nothing of it any more, and it is no part of the input.
	Data []byte
	// Code is of a Close: one that is [Receivable], or [CloseNoStatus] for a Close without a code.
	Code int
	// Reason is of a Close, UTF-8 of at most [MaxReasonBytes].
	Reason string
}

// Role is which side of a connection reads.
type Role uint8

const (
	// Server reads what a client sends, which is masked.
	Server Role = iota
	// Client reads what a server sends, which is not.
	Client
)

// Options are what a Reader has to know of its connection. The zero value is a server without compression.
type Options struct {
	Role   Role
	Limits Limits
	// Deflate is whether permessage-deflate was agreed, so that messages may be compressed.
	Deflate bool
}

type stage uint8

const (
	stageHeader  stage = iota // before or within the header of a frame
	stagePayload              // within the payload of a data frame
	stageClosed               // after a Close
	stageFailed               // after an error
)

// Reader reads the frames of one connection and puts messages together. The zero Reader works: a server without
// compression and with default limits. Between messages it holds no memory but itself. Owned by its connection's
// loop.
type Reader struct {
	// msg is what has come of the message under way, as it was sent: of a compressed one, what was compressed.
	msg   []byte
	left  int // of the current data frame's payload, what has not come
	limit int // of Limits.MessageBytes; 0 is the default
	// valid is how much of msg, a text, is known to be whole characters. What follows is the beginning of one.
	valid int
	err   *Error
	mask  uint32 // as it falls on the next byte of the payload

	opcode     Opcode // of the message under way; OpContinuation between messages
	stage      stage
	role       Role
	deflate    bool // Options.Deflate
	compressed bool // the message under way is
	final      bool // the current data frame is the message's last
}

// NewReader returns a Reader for one connection.
func NewReader(o Options) *Reader {
	r := new(Reader)
	r.Reset(o)
	return r
}

// Reset makes r as NewReader does.
func (r *Reader) Reset(o Options) {
	*r = Reader{limit: o.Limits.withDefaults().MessageBytes, role: o.Role, deflate: o.Deflate}
}

// Held is how many bytes of memory r holds for a message that has not come to its end; 0 between messages. It is at most
// twice what has come of the message, or 1 KiB.
func (r *Reader) Held() int { return cap(r.msg) }

// Next reads on. in is everything that has been received and not been consumed; it is not changed, and nothing
// that is returned points into it. The caller drops its first n bytes, also when it gets NeedMore, and calls again
// with the rest: at once for any other event, or when more has arrived for NeedMore.
//
// A data frame is consumed as it arrives; the header of a frame, and a control frame as a whole, in one piece, so the
// caller must be able to hold [MaxHeldBytes]. After an error, always an [*Error], every further call returns the same
// error. After a Close everything is consumed and nothing found.
func (r *Reader) Next(in []byte) (n int, ev Event, err error) {
	for {
		switch r.stage {
		case stageHeader:
			h, size, err := r.header(in[n:])
			if err != nil {
				return n, Event{}, r.fail(err)
			}
			if size == 0 {
				return n, Event{}, nil
			}
			if h.Opcode.control() {
				if len(in)-n-size < h.Length {
					return n, Event{}, nil
				}
				n += size
				ev, err := r.control(h, in[n:n+h.Length])
				if err != nil {
					return n, Event{}, r.fail(err)
				}
				return n + h.Length, ev, nil
			}
			n += size
			if err := r.begin(h); err != nil {
				return n, Event{}, r.fail(err)
			}
		case stagePayload:
			part := in[n:min(len(in), n+r.left)]
			n += len(part)
			if len(part) < r.left {
				if err := r.take(part); err != nil {
					return n, Event{}, r.fail(err)
				}
				return n, Event{}, nil
			}
			if !r.final {
				if err := r.take(part); err != nil {
					return n, Event{}, r.fail(err)
				}
				r.stage = stageHeader
				continue
			}
			ev, err := r.end(part)
			if err != nil {
				return n, Event{}, r.fail(err)
			}
			return n, ev, nil
		case stageClosed:
			return len(in), Event{}, nil
		case stageFailed:
			return n, Event{}, r.err
		}
	}
}

func (r *Reader) fail(err *Error) error {
	r.err, r.stage, r.msg = err, stageFailed, nil
	return err
}

// header reads the header at the beginning of in and returns its size, or 0 if more must come. What is wrong is found
// with the first byte that shows it.
func (r *Reader) header(in []byte) (h Header, size int, err *Error) {
	if len(in) == 0 {
		return h, 0, nil
	}
	first := in[0]
	h.Opcode, h.More, h.Compressed = Opcode(first&0x0f), first&bitFin == 0, first&bitRSV1 != 0
	if err := r.checkFirst(h, first); err != nil {
		return h, 0, err
	}
	if len(in) < 2 {
		return h, 0, nil
	}
	h.Masked = in[1]&bitMask != 0
	if h.Masked != (r.role == Server) {
		if h.Masked {
			return h, 0, errMasked
		}
		return h, 0, errUnmasked
	}
	h.Length, size = int(in[1]&^bitMask), 2
	if h.Length > MaxControlBytes {
		if h.Opcode.control() {
			return h, 0, errControlLong
		}
		if size = 4; h.Length == 127 {
			size = 10
		}
		if len(in) < size {
			return h, 0, nil
		}
		if err := h.long(in[2:size]); err != nil {
			return h, 0, err
		}
	}
	if h.Masked {
		if len(in) < size+4 {
			return h, 0, nil
		}
		h.Mask = [4]byte(in[size:])
		size += 4
	}
	return h, size, nil
}

// checkFirst checks a frame's first byte, of which h has the parts, against what has come before (RFC 6455, 5.2, 5.4, 5.5).
func (r *Reader) checkFirst(h Header, first byte) *Error {
	switch {
	case first&bitsRSV&^bitRSV1 != 0, h.Compressed && !r.deflate:
		return errRSV
	case h.Opcode.reserved():
		return errOpcode
	case h.Compressed && (h.Opcode.control() || h.Opcode == OpContinuation):
		return errRSVPlace
	case h.Opcode.control():
		if h.More {
			return errControlParts
		}
	case h.Opcode == OpContinuation:
		if r.opcode == OpContinuation {
			return errContinuation
		}
	case r.opcode != OpContinuation:
		return errInterleaved
	}
	return nil
}

// long reads a length of 2 or 8 bytes (RFC 6455, 5.2).
func (h *Header) long(b []byte) *Error {
	if len(b) == 2 {
		h.Length = int(binary.BigEndian.Uint16(b))
		if h.Length <= MaxControlBytes {
			return errLengthLonger
		}
		return nil
	}
	v := binary.BigEndian.Uint64(b)
	switch {
	case v > 1<<63-1:
		return errLengthSign
	case v <= 0xffff:
		return errLengthLonger
	}
	h.Length = int(min(v, maxInt)) // no limit is above maxInt, so that what is cut here is too large anyway
	return nil
}

const maxInt = 1<<(32<<(^uint(0)>>63)-1) - 1

// control makes the event of a control frame.
func (r *Reader) control(h Header, payload []byte) (Event, *Error) {
	var data []byte
	if len(payload) > 0 {
		data = make([]byte, len(payload))
		xor(data, payload, binary.LittleEndian.Uint32(h.Mask[:]))
	}
	switch h.Opcode {
	case OpPing:
		return Event{Kind: Ping, Data: data}, nil
	case OpPong:
		return Event{Kind: Pong, Data: data}, nil
	}
	code, reason, err := parseClose(data)
	if err != nil {
		return Event{}, err
	}
	r.stage, r.msg = stageClosed, nil
	return Event{Kind: Close, Code: code, Reason: reason}, nil
}

// begin goes into the payload of a data frame.
func (r *Reader) begin(h Header) *Error {
	if h.Opcode != OpContinuation {
		r.opcode, r.compressed = h.Opcode, h.Compressed
	}
	limit := r.messageBytes()
	if r.compressed {
		limit = deflateBound(limit)
	}
	if h.Length > limit-len(r.msg) {
		return errTooBig
	}
	r.stage, r.left, r.final = stagePayload, h.Length, !h.More
	r.mask = binary.LittleEndian.Uint32(h.Mask[:])
	return nil
}

func (r *Reader) messageBytes() int {
	if r.limit == 0 {
		return DefaultMessageBytes
	}
	return r.limit
}
