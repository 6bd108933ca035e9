package web

import (
	"bytes"
	"slices"
	"strings"

	"everloop/engine/js/internal/vm"
)

// MIME types as the MIME Sniffing standard parses and writes them (sections 4.4 and 4.5), and as the Fetch standard
// takes them out of Content-Type headers.

// mediaType is a parsed one. Its essence and the names of its parameters are in lower case.
type mediaType struct {
	essence string
	params  []mimeParam
}

type mimeParam struct{ name, value string }

// mimeType(Content-Type): the type of a body, written in the standard's way; "" for one that is none.
var _ = register("mimeType", 1, func(in *Instance, args vm.Args) (vm.Value, error) {
	text := in.utf8(args.At(0))
	m, ok := extractMIME(text)
	if !ok {
		return in.r.String("")
	}
	return in.r.StringBytes(m.append(nil))
})

// extractMIME is the type that a Content-Type header means, which may be several ones joined by commas (Fetch standard,
// "extract a MIME type").
func extractMIME(header []byte) (m mediaType, ok bool) {
	charset, essence := "", ""
	for _, value := range splitUnquoted(header) {
		next, valid := parseMIME(value)
		if !valid || next.essence == "*/*" {
			continue
		}
		m, ok = next, true
		if m.essence != essence {
			charset, essence = m.param("charset"), m.essence
		} else if charset != "" && m.param("charset") == "" {
			m.params = append(m.params, mimeParam{"charset", charset})
		}
	}
	return m, ok
}

// splitUnquoted splits at commas that are outside of quoted strings.
func splitUnquoted(b []byte) (parts [][]byte) {
	start, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case b[i] == ',' && !quoted:
			parts = append(parts, b[start:i])
			start = i + 1
		}
	}
	return append(parts, b[start:])
}

const httpSpace = " \t\r\n"

func parseMIME(b []byte) (m mediaType, ok bool) {
	b = bytes.Trim(b, httpSpace)
	head, rest, _ := bytes.Cut(b, []byte{';'})
	kind, sub, found := bytes.Cut(head, []byte{'/'})
	sub = bytes.TrimRight(sub, httpSpace)
	if !found || !isToken(string(kind)) || !isToken(string(sub)) {
		return m, false
	}
	m.essence = strings.ToLower(string(kind) + "/" + string(sub))
	for len(rest) > 0 {
		rest = bytes.TrimLeft(rest, httpSpace)
		i := bytes.IndexAny(rest, ";=")
		if i < 0 {
			break
		}
		name := strings.ToLower(string(rest[:i]))
		semicolon := rest[i] == ';'
		rest = rest[i+1:]
		if semicolon {
			continue
		}
		var value []byte
		if len(rest) > 0 && rest[0] == '"' {
			value, rest = quotedString(rest[1:])
			_, rest, _ = bytes.Cut(rest, []byte{';'})
		} else {
			value, rest, _ = bytes.Cut(rest, []byte{';'})
			if value = bytes.TrimRight(value, httpSpace); len(value) == 0 {
				continue
			}
		}
		if isToken(name) && isQuotable(value) && !slices.ContainsFunc(m.params, func(p mimeParam) bool { return p.name == name }) {
			m.params = append(m.params, mimeParam{name, string(value)})
		}
	}
	return m, true
}

// quotedString reads to the closing quote, or to the end.
func quotedString(b []byte) (value, rest []byte) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			return value, b[i+1:]
		case '\\':
			if i+1 < len(b) {
				i++
			}
		}
		value = append(value, b[i])
	}
	return value, nil
}

// isQuotable reports whether b, in UTF-8, has only what a quoted string may have: units up to U+00FF without controls.
func isQuotable(b []byte) bool {
	for _, r := range string(b) {
		if r != '\t' && r < ' ' || r == 0x7f || r > 0xff {
			return false
		}
	}
	return true
}

func (m *mediaType) param(name string) string {
	for _, p := range m.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// append writes the type.
func (m *mediaType) append(b []byte) []byte {
	b = append(b, m.essence...)
	for _, p := range m.params {
		b = append(b, ';')
		b = append(b, p.name...)
		b = append(b, '=')
		if isToken(p.value) {
			b = append(b, p.value...)
			continue
		}
		b = append(b, '"')
		for i := range len(p.value) {
			if c := p.value[i]; c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, p.value[i])
		}
		b = append(b, '"')
	}
	return b
}
