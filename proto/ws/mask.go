package ws

import (
	"encoding/binary"
	"slices"
)

// Mask applies a mask to b in place, which is also how one is taken off (RFC 6455, 5.3). pos is the place of b[0] in the
// frame's payload.
func Mask(b []byte, mask [4]byte, pos int) { xor(b, b, maskAt(mask, pos)) }

// maskAt returns the mask as it falls on a payload's bytes from pos on, in the order of memory.
func maskAt(mask [4]byte, pos int) uint32 {
	m := binary.LittleEndian.Uint32(mask[:])
	shift := uint(pos&3) * 8
	return m>>shift | m<<(32-shift)
}

// appendMasked appends src under a mask.
func appendMasked(dst, src []byte, mask [4]byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, len(src))[:at+len(src)]
	xor(dst[at:], src, binary.LittleEndian.Uint32(mask[:]))
	return dst
}

// xor writes src under a mask to dst, which is as long, and is src itself or does not overlap it.
func xor(dst, src []byte, mask uint32) {
	word := uint64(mask)<<32 | uint64(mask)
	dst = dst[:len(src)]
	for len(src) >= 32 {
		s, d := src[:32], dst[:32]
		a := binary.LittleEndian.Uint64(s) ^ word
		b := binary.LittleEndian.Uint64(s[8:]) ^ word
		c := binary.LittleEndian.Uint64(s[16:]) ^ word
		e := binary.LittleEndian.Uint64(s[24:]) ^ word
		binary.LittleEndian.PutUint64(d, a)
		binary.LittleEndian.PutUint64(d[8:], b)
		binary.LittleEndian.PutUint64(d[16:], c)
		binary.LittleEndian.PutUint64(d[24:], e)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^word)
		src, dst = src[8:], dst[8:]
	}
	for i, c := range src {
		dst[i] = c ^ byte(word)
		word = word>>8 | word<<56
	}
}
