package value

import (
	"unicode/utf16"
	"unicode/utf8"
)

const (
	surrogateMin = 0xd800
	lowMin       = 0xdc00
	surrogateMax = 0xdfff
)

// AppendUTF16 appends a JavaScript string given in UTF-16: as text, or tagged in WTF-8 if it has lone surrogates.
func AppendUTF16(dst []byte, s []uint16) []byte {
	n, lone := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x80:
			n++
		case c < 0x800:
			n += 2
		case c >= surrogateMin && c < lowMin && i+1 < len(s) && s[i+1] >= lowMin && s[i+1] <= surrogateMax:
			n += 4
			i++
		default:
			lone = lone || c >= surrogateMin && c <= surrogateMax
			n += 3
		}
	}
	if lone {
		dst = AppendBytesHeader(AppendTag(dst, TagWTF8), n)
	} else {
		dst = appendHead(dst, majorText, uint64(n))
	}
	return AppendUTF16AsWTF8(dst, s)
}

// AppendUTF16AsWTF8 appends s in WTF-8, with no header.
func AppendUTF16AsWTF8(dst []byte, s []uint16) []byte {
	for i := 0; i < len(s); i++ {
		c := rune(s[i])
		switch {
		case c < 0x80:
			dst = append(dst, byte(c))
		case c >= surrogateMin && c < lowMin && i+1 < len(s) && s[i+1] >= lowMin && s[i+1] <= surrogateMax:
			dst = utf8.AppendRune(dst, utf16.DecodeRune(c, rune(s[i+1])))
			i++
		case c >= surrogateMin && c <= surrogateMax:
			dst = append(dst, 0xe0|byte(c>>12), 0x80|byte(c>>6)&0x3f, 0x80|byte(c)&0x3f)
		default:
			dst = utf8.AppendRune(dst, c)
		}
	}
	return dst
}

// AppendLatin1 appends a JavaScript string given in one byte a character, as engines keep most strings.
func AppendLatin1(dst, s []byte) []byte {
	n := len(s)
	for _, c := range s {
		n += int(c >> 7)
	}
	dst = appendHead(dst, majorText, uint64(n))
	if n == len(s) {
		return append(dst, s...)
	}
	for _, c := range s {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst
}

// AppendWTF8AsUTF16 appends s, in WTF-8 or UTF-8, to dst in UTF-16. ok is false, and dst is returned as far as it
// went, if s is not well-formed WTF-8.
func AppendWTF8AsUTF16(dst []uint16, s []byte) (_ []uint16, ok bool) {
	high := false
	for len(s) > 0 {
		if s[0] < utf8.RuneSelf {
			dst = append(dst, uint16(s[0]))
			s, high = s[1:], false
			continue
		}
		r, n := decodeWTF8(s)
		if n == 0 {
			return dst, false
		}
		// A pair that is encoded as two surrogates would read as one character: WTF-8 forbids it.
		if r >= lowMin && r <= surrogateMax && high {
			return dst, false
		}
		if r >= surrogateMin && r <= surrogateMax {
			dst = append(dst, uint16(r)) // utf16.AppendRune would replace it
		} else {
			dst = utf16.AppendRune(dst, r)
		}
		high = r >= surrogateMin && r < lowMin
		s = s[n:]
	}
	return dst, true
}

// ValidWTF8 reports whether s is well-formed WTF-8.
func ValidWTF8(s []byte) bool {
	high := false
	for len(s) > 0 {
		r, n := decodeWTF8(s)
		if n == 0 || high && r >= lowMin && r <= surrogateMax {
			return false
		}
		high = r >= surrogateMin && r < lowMin
		s = s[n:]
	}
	return true
}

// decodeWTF8 is utf8.DecodeRune that also takes encoded surrogates; n is 0 for what is neither.
func decodeWTF8(s []byte) (r rune, n int) {
	r, n = utf8.DecodeRune(s)
	if r != utf8.RuneError || n > 1 {
		return r, n
	}
	if len(s) >= 3 && s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return 0, 0
}
