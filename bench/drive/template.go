package drive

import (
	"strconv"
	"strings"
)

// Template is a text in which parts stand for an operation's: {key} for its key and {n} for its number, in decimal digits, and {value} for
// its value. Everything else stands for itself, other braces, too. The zero Template is the empty text.
type Template struct {
	parts []part
}

type part struct {
	text string
	what byte // 'k', 'n', 'v'; 0: text
}

// ParseTemplate reads a template. Every text is one.
func ParseTemplate(s string) Template {
	var t Template
	for s != "" {
		at, what, name := len(s), byte(0), ""
		for _, each := range []struct {
			name string
			what byte
		}{{"{key}", 'k'}, {"{n}", 'n'}, {"{value}", 'v'}} {
			if i := strings.Index(s, each.name); i >= 0 && i < at {
				at, what, name = i, each.what, each.name
			}
		}
		if at > 0 {
			t.parts = append(t.parts, part{text: s[:at]})
		}
		if what != 0 {
			t.parts = append(t.parts, part{what: what})
		}
		s = s[at+len(name):]
	}
	return t
}

// Append appends the text for an operation.
func (t Template) Append(dst []byte, op *Op) []byte {
	for i := range t.parts {
		switch p := &t.parts[i]; p.what {
		case 'k':
			dst = strconv.AppendUint(dst, op.Key, 10)
		case 'n':
			dst = strconv.AppendUint(dst, op.Number, 10)
		case 'v':
			dst = append(dst, op.Value...)
		default:
			dst = append(dst, p.text...)
		}
	}
	return dst
}

// Fixed reports whether the text is the same for all operations.
func (t Template) Fixed() bool {
	return len(t.parts) == 0 || len(t.parts) == 1 && t.parts[0].what == 0
}

// Uses reports whether a value is part of the text.
func (t Template) Uses(name string) bool {
	for _, p := range t.parts {
		if p.what != 0 && name != "" && p.what == name[0] {
			return true
		}
	}
	return false
}
