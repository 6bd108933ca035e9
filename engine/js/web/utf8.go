package web

import "unicode/utf8"

// replacement is U+FFFD in UTF-8.
const replacement = "\xef\xbf\xbd"

// appendRepaired appends b with every maximal part of a broken sequence replaced by one U+FFFD, as the Encoding
// standard's decoder does it. (Go's own conversions replace every byte of it.)
func appendRepaired(dst, b []byte) []byte {
	for len(b) > 0 {
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
			dst = append(dst, b[:n]...)
			b = b[n:]
			continue
		}
		n, _ := brokenPrefix(b)
		dst = append(dst, replacement...)
		b = b[n:]
	}
	return dst
}

// brokenPrefix is the length of the maximal part of the broken sequence that b begins with. partial says that b ends
// inside it, so that more bytes could still make it whole.
func brokenPrefix(b []byte) (n int, partial bool) {
	lo, hi := byte(0x80), byte(0xbf)
	var need int
	switch c := b[0]; {
	case c >= 0xc2 && c <= 0xdf:
		need = 1
	case c >= 0xe0 && c <= 0xef:
		need = 2
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 3
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	default:
		return 1, false
	}
	n = 1
	for ; need > 0; need-- {
		if n == len(b) {
			return n, true
		}
		if b[n] < lo || b[n] > hi {
			return n, false
		}
		lo, hi = 0x80, 0xbf
		n++
	}
	return n, false
}

// partialTail is how many bytes at the end of b are the beginning of a character that is not whole yet.
func partialTail(b []byte) int {
	for n := 1; n <= 3 && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if tail[0] >= 0xc0 {
			if m, partial := brokenPrefix(tail); partial && m == n {
				return n
			}
			return 0
		}
		if tail[0] < 0x80 {
			return 0
		}
	}
	return 0
}
