package server

// glob reports whether s is what a pattern of Redis says: * stands for any bytes, ? for one, [abc], [a-z] and [^a] for one of a set, and \ for
// the byte behind it. It takes time in proportion to both lengths multiplied at most, whatever the pattern: of several stars only the last can be
// wrong.
func glob(pattern []byte, s string) bool {
	p, i := 0, 0
	star, from := -1, 0 // the last star, and how far it reaches
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			star, from = p, i
			p++
			continue
		}
		if p < len(pattern) {
			if n, ok := globOne(pattern[p:], s[i]); ok {
				p += n
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		from++
		p, i = star+1, from
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globOne matches one byte against the beginning of a pattern that is not empty, and returns the length of that.
func globOne(pattern []byte, c byte) (n int, ok bool) {
	switch pattern[0] {
	case '?':
		return 1, true
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	case '[':
		return globSet(pattern, c)
	}
	return 1, pattern[0] == c
}

// globSet matches a set. One that is not closed ends with the pattern.
func globSet(pattern []byte, c byte) (n int, ok bool) {
	i := 1
	not := i < len(pattern) && pattern[i] == '^'
	if not {
		i++
	}
	for ; i < len(pattern) && pattern[i] != ']'; i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			ok = ok || pattern[i] == c
		case i+2 < len(pattern) && pattern[i+1] == '-':
			low, high := min(pattern[i], pattern[i+2]), max(pattern[i], pattern[i+2])
			ok = ok || low <= c && c <= high
			i += 2
		default:
			ok = ok || pattern[i] == c
		}
	}
	if i < len(pattern) {
		i++
	}
	return i, ok != not
}
