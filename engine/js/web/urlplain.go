package web

// A plain URL is an http or https URL that the parser would leave exactly as it is, and whose parts can be found by one
// pass over its bytes. Nearly every URL of a request is one. Whatever is unusual is not plain and goes to the parser: a
// user, a default port, a host with an upper-case letter, a dot segment, a character that is to be escaped.

// plainEnds are the offsets where the parts of a plain URL end.
type plainEnds struct {
	https                        bool
	hostname, host, path, search int
}

// maxPlainURL bounds an offset to twelve bits.
const maxPlainURL = 4095

// pack puts the offsets in one number below 2^49, which url.js keeps: https + 2*hostname + 2^13*host + 2^25*path + 2^37*search.
func (e plainEnds) pack() float64 {
	n := uint64(e.hostname)<<1 | uint64(e.host)<<13 | uint64(e.path)<<25 | uint64(e.search)<<37
	if e.https {
		n |= 1
	}
	return float64(n)
}

// unpackEnds is the reverse of pack.
func unpackEnds(packed float64) plainEnds {
	n := uint64(packed)
	at := func(shift int) int { return int(n>>shift) & maxPlainURL }
	return plainEnds{https: n&1 == 1, hostname: at(1), host: at(13), path: at(25), search: at(37)}
}

// part returns where a part is in a URL of a length. A search or hash that is only its sign is none.
func (e plainEnds) part(part, length int) (from, to int) {
	hostAt := len("http://")
	if e.https {
		hostAt++
	}
	switch part {
	case partOrigin:
		return 0, e.host
	case partHost:
		return hostAt, e.host
	case partHostname:
		return hostAt, e.hostname
	case partPort:
		return min(e.hostname+1, e.host), e.host
	case partPathname:
		return e.host, e.path
	case partSearch:
		if e.search-e.path > 1 {
			return e.path, e.search
		}
	case partHash:
		if length-e.search > 1 {
			return e.search, length
		}
	}
	return 0, 0
}

// What a byte may be part of without being escaped or changed.
const (
	hostByte = 1 << iota
	pathByte
	queryByte
	hashByte
)

var urlBytes = func() (t [256]uint8) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = pathByte | queryByte | hashByte
	}
	for _, c := range "\"#<>?`{}\\^|" {
		t[c] &^= pathByte
	}
	for _, c := range "\"#<>'" {
		t[c] &^= queryByte
	}
	for _, c := range "\"<>`" {
		t[c] &^= hashByte
	}
	for _, c := range "abcdefghijklmnopqrstuvwxyz0123456789" {
		t[c] |= hostByte
	}
	return t
}()

// scanPlainURL finds the parts of b if it is plain.
func scanPlainURL(b []byte) (e plainEnds, ok bool) {
	if len(b) > maxPlainURL || len(b) < len("http://a/") || string(b[:4]) != "http" {
		return e, false
	}
	i := 4
	if b[i] == 's' {
		e.https = true
		i++
	}
	if string(b[i:i+3]) != "://" {
		return e, false
	}
	i += 3
	if i, ok = scanPlainHost(b, i); !ok {
		return e, false
	}
	e.hostname = i
	if i < len(b) && b[i] == ':' {
		if i, ok = scanPlainPort(b, i+1, e.https); !ok {
			return e, false
		}
	}
	e.host = i
	if i == len(b) || b[i] != '/' {
		return e, false
	}
	// The path. A segment that begins with a dot, or an escaped dot, might be one of those that are resolved.
	for ; i < len(b); i++ {
		c := b[i]
		if urlBytes[c]&pathByte == 0 {
			break
		}
		switch c {
		case '/':
			if i+1 < len(b) && b[i+1] == '.' {
				return e, false
			}
		case '%':
			if i+2 < len(b) && b[i+1] == '2' && b[i+2]|0x20 == 'e' {
				return e, false
			}
		}
	}
	e.path = i
	if i < len(b) && b[i] == '?' {
		for i++; i < len(b) && urlBytes[b[i]]&queryByte != 0; i++ {
		}
	}
	e.search = i
	if i < len(b) && b[i] == '#' {
		for i++; i < len(b) && urlBytes[b[i]]&hashByte != 0; i++ {
		}
	}
	return e, i == len(b)
}

// scanPlainHost passes over a host of plain labels, or an IPv4 address as it is written out.
func scanPlainHost(b []byte, i int) (end int, ok bool) {
	start, label := i, i
	for ; i < len(b); i++ {
		c := b[i]
		if urlBytes[c]&hostByte != 0 {
			continue
		}
		if c == '-' {
			// A hyphen inside a label only, and no two together: those may announce an internationalised name.
			if i == label || b[i-1] == '-' || i+1 == len(b) || urlBytes[b[i+1]]&hostByte == 0 {
				return 0, false
			}
			continue
		}
		if c != '.' {
			break
		}
		if i == label {
			return 0, false
		}
		label = i + 1
	}
	if i == label || i-start > 253 {
		return 0, false
	}
	if c := b[label]; c >= '0' && c <= '9' {
		// The last label may be a number: then all of it is an address.
		return i, isPlainIPv4(b[start:i])
	}
	return i, true
}

// isPlainIPv4 reports whether b is four decimal numbers below 256 without leading zeros.
func isPlainIPv4(b []byte) bool {
	parts, n, digits := 0, 0, 0
	for i := 0; ; i++ {
		if i == len(b) || b[i] == '.' {
			if digits == 0 {
				return false
			}
			parts++
			if i == len(b) {
				return parts == 4
			}
			n, digits = 0, 0
			continue
		}
		c := b[i]
		if c < '0' || c > '9' || digits > 0 && n == 0 {
			return false
		}
		n = n*10 + int(c-'0')
		digits++
		if n > 255 {
			return false
		}
	}
}

// scanPlainPort passes over a port without leading zeros that is not the scheme's own.
func scanPlainPort(b []byte, i int, https bool) (end int, ok bool) {
	n, start := 0, i
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if n = n*10 + int(b[i]-'0'); n > 65535 {
			return 0, false
		}
	}
	if i == start || b[start] == '0' || !https && n == 80 || https && n == 443 {
		return 0, false
	}
	return i, true
}
