package http

import "encoding/binary"

// Classes of bytes, as bits of class.
const (
	isToken  = 1 << iota // tchar of RFC 9110, 5.6.2
	isHost               // what a host may hold: unreserved, sub-delims (RFC 3986, 3.2.2), but see validHost
	isTarget             // what a request target may hold: no control, no space, no "#"
	isHex
	isDigit
)

// class has the classes of each byte, lower its lower-case form (ASCII only).
var class, lower = func() (class, lower [256]byte) {
	for c := range 256 {
		b := byte(c)
		lower[c] = b
		switch {
		case b >= 'a' && b <= 'z':
			class[c] |= isToken | isHost
		case b >= 'A' && b <= 'Z':
			class[c] |= isToken | isHost
			lower[c] = b | 0x20
		case b >= '0' && b <= '9':
			class[c] |= isToken | isHost | isHex | isDigit
		}
		if b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' {
			class[c] |= isHex
		}
		// A target is taken more widely than RFC 3986 has it: clients send "|", "{" and raw UTF-8, and
		// whoever parses the URL escapes them. A fragment is never sent (RFC 9112, 3.2.1).
		if b > 0x20 && b != 0x7f && b != '#' {
			class[c] |= isTarget
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		class[b] |= isToken
	}
	for _, b := range []byte("-._~!$&'()*+,;=") {
		class[b] |= isHost
	}
	return class, lower
}()

// all reports whether every byte of b is of one of the given classes.
func all(b []byte, classes byte) bool {
	for _, c := range b {
		if class[c]&classes == 0 {
			return false
		}
	}
	return true
}

// text is a string or bytes: what fields come in.
type text interface{ ~string | ~[]byte }

// isTokenText reports whether s is a token (RFC 9110, 5.6.2).
func isTokenText[T text](s T) bool {
	for i := range len(s) {
		if class[s[i]]&isToken == 0 {
			return false
		}
	}
	return len(s) > 0
}

// isValueText reports whether s can stand as a field value: no control character but HTAB (RFC 9110, 5.5).
func isValueText[T text](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// cleanValue is isValueText for what was received, eight bytes at a time.
func cleanValue(b []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for i := 0; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// The high bit of a byte of below is set where the byte is under 0x20, and of del where it is
		// 0x7f. A borrow can mark more bytes than it should, never fewer; those and HTABs are looked at again.
		below := (w - ones*0x20) & ^w & highs
		x := w ^ ones*0x7f
		del := (x - ones) & ^x & highs
		if below|del != 0 && !isValueText(b[i:i+8]) {
			return false
		}
	}
	return isValueText(b[len(b)&^7:])
}

// foldEqual reports whether b, lower-cased, is s, which is in lower case.
func foldEqual[T text](b T, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range len(b) {
		if lower[b[i]] != s[i] {
			return false
		}
	}
	return true
}

// trimOWS returns b without the spaces and tabs around it.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextElement cuts the first element off a comma-separated list. Empty elements are returned as such.
func nextElement(list []byte) (element, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trimOWS(list[:i]), list[i+1:], true
		}
	}
	return trimOWS(list), nil, false
}
