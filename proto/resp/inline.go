package resp

import (
	"bytes"
	"fmt"
)

// inline reads a command that is a line of words ("Inline commands" of the specification), as people type it into telnet.
func (r *CommandReader) inline(in []byte, args [][]byte, l *Limits) (out [][]byte, n int, err error) {
	seen := in[:min(len(in), l.Inline+2)] // the line may end with CRLF
	i := bytes.IndexByte(seen[r.scanned:], '\n')
	if i < 0 {
		if len(seen) == l.Inline+2 {
			return args, 0, tooBigInline(l)
		}
		r.scanned = len(seen)
		return args, 0, nil
	}
	i += r.scanned
	r.scanned = 0
	line := bytes.TrimSuffix(in[:i], []byte("\r"))
	if len(line) > l.Inline {
		return args, 0, tooBigInline(l)
	}
	out, ok := splitInline(line, args)
	if !ok {
		return args, 0, malformed("unbalanced quotes in request")
	}
	if len(out) > len(args) {
		switch name := out[len(args)]; {
		case bytes.EqualFold(name, []byte("post")), bytes.EqualFold(name, []byte("host:")):
			// A web page can have a browser send any line to any port, in a body, but not without these two before it.
			return args, 0, malformed("this is HTTP, not RESP, perhaps sent by a web page")
		case len(out)-len(args) > l.Args:
			return args, 0, &ProtocolError{Limit: "Args", Msg: fmt.Sprintf("Protocol error: too big inline request: "+
				"%d arguments, and %d is the limit: send several commands, or raise Limits.Args of the server", len(out)-len(args), l.Args)}
		}
	}
	return out, i + 1, nil
}

func tooBigInline(l *Limits) error {
	return &ProtocolError{Limit: "Inline", Msg: fmt.Sprintf("Protocol error: too big inline request: "+
		"%d bytes is the limit: send it as an array of bulk strings, or raise Limits.Inline of the server", l.Inline)}
}

// splitInline splits a line at its blanks as redis-server does (sdssplitargs): "..." knows the escapes \n \r \t \b \a \xHH, and a
// backslash before anything else stands for that; '...' knows \' only; a quote that ends must be followed by a blank.
func splitInline(line []byte, args [][]byte) (out [][]byte, ok bool) {
	for p := 0; ; {
		for p < len(line) && isSpace(line[p]) {
			p++
		}
		if p == len(line) {
			return args, true
		}
		start := p
		for p < len(line) && !isBlank(line[p]) && line[p] != '"' && line[p] != '\'' {
			p++
		}
		if p == len(line) || isBlank(line[p]) {
			args = append(args, line[start:p:p])
			continue
		}
		arg, next := unquote(line, start, p)
		if next < 0 {
			return nil, false
		}
		args = append(args, arg)
		p = next
	}
}

// unquote reads an argument that begins at line[start] and has a quote at line[p]. Its bytes are a copy.
func unquote(line []byte, start, p int) (arg []byte, next int) {
	arg = append(make([]byte, 0, len(line)-start), line[start:p]...)
	var quote byte // the one that is open
	for ; ; p++ {
		if p == len(line) {
			if quote != 0 {
				return nil, -1
			}
			return arg, p
		}
		c := line[p]
		switch {
		case quote == 0 && isBlank(c):
			return arg, p
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote && quote != 0:
			if p+1 < len(line) && !isSpace(line[p+1]) {
				return nil, -1
			}
			return arg, p + 1
		case quote == '"' && c == '\\' && p+3 < len(line) && line[p+1] == 'x' && isHex(line[p+2]) && isHex(line[p+3]):
			arg = append(arg, unhex(line[p+2])<<4|unhex(line[p+3]))
			p += 3
		case quote == '"' && c == '\\' && p+1 < len(line):
			p++
			arg = append(arg, unescape(line[p]))
		case quote == '\'' && c == '\\' && p+1 < len(line) && line[p+1] == '\'':
			p++
			arg = append(arg, '\'')
		default:
			arg = append(arg, c)
		}
	}
}

// isSpace is C's isspace: what separates arguments.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isBlank is what ends an argument without quotes.
func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	default:
		return c
	}
}
