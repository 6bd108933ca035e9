package assets

import "strings"

// Patterns makes a function that reports whether a path matches one of the patterns and none of those that begin with
// "!". In a pattern "*" stands for any text, also of several segments. (run_worker_first of a wrangler configuration.)
func Patterns(list []string) func(path string) bool {
	var yes, no []string
	for _, p := range list {
		if rest, negative := strings.CutPrefix(p, "!"); negative {
			no = append(no, rest)
		} else {
			yes = append(yes, p)
		}
	}
	return func(path string) bool { return anyMatches(yes, path) && !anyMatches(no, path) }
}

func anyMatches(patterns []string, path string) bool {
	for _, p := range patterns {
		if glob(p, path) {
			return true
		}
	}
	return false
}

// glob matches from the left: the text between two stars is taken where it first occurs, which loses no match, as a star
// stands for anything.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}
