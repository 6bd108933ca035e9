package ws

import (
	"math/bits"
	"unicode/utf8"
)

// take adds part, the next bytes of the current frame's payload, to the message under way.
func (r *Reader) take(part []byte) *Error {
	if len(part) == 0 {
		return nil
	}
	at := len(r.msg)
	r.grow(len(part))
	r.msg = r.msg[:at+len(part)]
	xor(r.msg[at:], part, r.mask)
	r.left -= len(part)
	r.mask = bits.RotateLeft32(r.mask, -8*(len(part)&3))
	if r.opcode == OpText && !r.compressed {
		n, ok := validPrefix(r.msg[r.valid:])
		if r.valid += n; !ok {
			return errUTF8
		}
	}
	return nil
}

// firstBytes is what is taken for a message of which less than half as much has come.
const firstBytes = 1 << 10

// grow makes room for n further bytes of the current frame. What is taken follows what has come, not what the frame
// claims: at most twice as much, or firstBytes. A frame that ends its message makes it no larger than it will be.
func (r *Reader) grow(n int) {
	need := len(r.msg) + n
	if need <= cap(r.msg) {
		return
	}
	size := max(2*need, firstBytes)
	if r.final {
		size = min(size, len(r.msg)+r.left)
	}
	if r.compressed {
		size += len(ending)
	}
	grown := make([]byte, len(r.msg), size)
	copy(grown, r.msg)
	r.msg = grown
}

// end adds part, the rest of the last frame's payload, and returns the message.
func (r *Reader) end(part []byte) (Event, *Error) {
	data, err := r.whole(part)
	if err != nil {
		return Event{}, err
	}
	ev := Event{Kind: Binary, Data: data}
	if r.opcode == OpText {
		ev.Kind = Text
	}
	r.msg, r.left, r.valid = nil, 0, 0
	r.opcode, r.compressed, r.stage = OpContinuation, false, stageHeader
	return ev, nil
}

func (r *Reader) whole(part []byte) ([]byte, *Error) {
	if r.compressed {
		data, err := r.inflate(part)
		if err == nil && r.opcode == OpText && !utf8.Valid(data) {
			err = errUTF8
		}
		return data, err
	}
	if err := r.take(part); err != nil {
		return nil, err
	}
	if r.opcode == OpText && r.valid < len(r.msg) {
		return nil, errUTF8 // it ends within a character
	}
	return fit(r.msg), nil
}

// fit returns b without more than a quarter of unused memory behind it: a message may be kept for long, and is counted
// by its length.
func fit(b []byte) []byte {
	if cap(b)-len(b) <= len(b)/4 {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// validPrefix returns how many bytes of b are whole characters of UTF-8, and whether what follows them can still become
// one: at most three bytes, of which no continuation would be needed to see that they are wrong.
func validPrefix(b []byte) (n int, ok bool) {
	n = len(b) - partialRune(b)
	return n, utf8.Valid(b[:n])
}

// partialRune returns the length of the beginning of a character at the end of b, or 0 if there is none that could be
// completed.
func partialRune(b []byte) int {
	for i := 1; i <= min(3, len(b)); i++ {
		c := b[len(b)-i]
		if c < utf8.RuneSelf {
			return 0
		}
		if !utf8.RuneStart(c) {
			continue
		}
		if tail := b[len(b)-i:]; i < needed(c) && (i == 1 || secondFits(c, tail[1])) {
			return i
		}
		return 0
	}
	return 0
}

// needed is the length of a character that begins with c, 0 if none does (RFC 3629, 4).
func needed(c byte) int {
	switch {
	case c >= 0xc2 && c <= 0xdf:
		return 2
	case c >= 0xe0 && c <= 0xef:
		return 3
	case c >= 0xf0 && c <= 0xf4:
		return 4
	}
	return 0
}

// secondFits reports whether s can follow c, the first of three bytes or four: not in a longer form than needed, no
// surrogate, nothing above U+10FFFF (RFC 3629, 4).
func secondFits(c, s byte) bool {
	switch c {
	case 0xe0:
		return s >= 0xa0 && s <= 0xbf
	case 0xed:
		return s >= 0x80 && s <= 0x9f
	case 0xf0:
		return s >= 0x90 && s <= 0xbf
	case 0xf4:
		return s >= 0x80 && s <= 0x8f
	}
	return s >= 0x80 && s <= 0xbf
}
