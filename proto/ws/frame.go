package ws

import "encoding/binary"

// Opcode is what a frame is (RFC 6455, 5.2).
type Opcode uint8

// The opcodes. The others are reserved.
const (
	OpContinuation Opcode = 0
	OpText         Opcode = 1
	OpBinary       Opcode = 2
	OpClose        Opcode = 8
	OpPing         Opcode = 9
	OpPong         Opcode = 10
)

func (op Opcode) control() bool { return op&8 != 0 }

func (op Opcode) reserved() bool { return op&7 > 2 }

// Header is what stands before a frame's payload.
type Header struct {
	Opcode Opcode
	// More is set on every frame of a fragmented message but the last: FIN is its opposite.
	More bool
	// Compressed is RSV1 (RFC 7692, 6): on the first frame of a message that was compressed.
	Compressed bool
	// Masked and Mask are what a client's frames have (RFC 6455, 5.3).
	Masked bool
	Mask   [4]byte
	// Length is the payload's, in bytes.
	Length int
}

// AppendHeader appends the header of a frame, its length in the shortest form. h.Length is not negative.
func AppendHeader(dst []byte, h Header) []byte {
	first := byte(h.Opcode)
	if !h.More {
		first |= bitFin
	}
	if h.Compressed {
		first |= bitRSV1
	}
	second := byte(0)
	if h.Masked {
		second = bitMask
	}
	switch {
	case h.Length <= MaxControlBytes:
		dst = append(dst, first, second|byte(h.Length))
	case h.Length <= 0xffff:
		dst = append(dst, first, second|126, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, first, second|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// Bits of a header's first two bytes.
const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitsRSV = 0x70
	bitMask = 0x80
)

// AppendFrame appends one whole frame as a server sends it: final, not masked. The payload of a control frame has at most
// [MaxControlBytes].
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Opcode: op, Length: len(payload)})
	return append(dst, payload...)
}

// AppendMaskedFrame appends one whole frame as a client sends it. mask is four bytes that nobody can foresee,
// new ones for every frame: of crypto/rand or of a generator that was seeded from it (RFC 6455, 5.3 and 10.3).
func AppendMaskedFrame(dst []byte, op Opcode, payload []byte, mask [4]byte) []byte {
	dst = AppendHeader(dst, Header{Opcode: op, Masked: true, Mask: mask, Length: len(payload)})
	return appendMasked(dst, payload, mask)
}

// MessageOpcode is OpText for a text and OpBinary for anything else.
func MessageOpcode(text bool) Opcode {
	if text {
		return OpText
	}
	return OpBinary
}
