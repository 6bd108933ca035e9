package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// answer is one HTTP/1.1 response.
type answer struct {
	status int
	body   []byte // aliases what was parsed, or the scratch buffer
	close  bool   // the server says that it closes the connection
	length int    // of the whole answer in bytes; 0: it is not complete yet
}

// The load tool reads responses by a parser of its own, as it must not share mistakes with the codec that it measures,
// and needs three fields only.

// parse reads the answer that b begins with. It is pure. A chunked body is put together in scratch.
func parse(b []byte, scratch *[]byte) (a answer, err error) {
	end := bytes.Index(b, crlf2)
	if end < 0 {
		if len(b) > maxHead {
			return a, fmt.Errorf("no end of the head within %d bytes", maxHead)
		}
		return a, nil
	}
	head, rest := b[:end], b[end+4:]
	if bytes.Count(head, crlf[1:]) != bytes.Count(head, crlf) {
		return a, fmt.Errorf("a line that ends without a carriage return: %q", clip(head))
	}
	line, head, _ := bytes.Cut(head, crlf)
	if a.status, err = statusOf(line); err != nil {
		return a, err
	}
	length, chunked := -1, false
	for len(head) > 0 {
		line, head, _ = bytes.Cut(head, crlf)
		colon := bytes.IndexByte(line, ':')
		if colon < 1 {
			return a, fmt.Errorf("a field without a name: %q", clip(line))
		}
		value := bytes.TrimSpace(line[colon+1:])
		switch name := line[:colon]; len(name) {
		case len("content-length"):
			if bytes.EqualFold(name, contentLength) {
				n, err := strconv.ParseUint(string(value), 10, 31)
				if err != nil || length >= 0 && length != int(n) {
					return a, fmt.Errorf("content-length %q", clip(value))
				}
				length = int(n)
			}
		case len("transfer-encoding"):
			if bytes.EqualFold(name, transferEncoding) {
				if !bytes.EqualFold(value, chunkedCoding) {
					return a, fmt.Errorf("transfer-encoding %q", clip(value))
				}
				chunked = true
			}
		case len("connection"):
			if bytes.EqualFold(name, connection) && bytes.EqualFold(value, closeToken) {
				a.close = true
			}
		}
	}
	switch {
	case chunked && length >= 0:
		return a, errors.New("both content-length and transfer-encoding")
	case chunked:
		err = a.chunks(rest, len(b)-len(rest), scratch)
		return a, err
	case length < 0 && (a.status == 204 || a.status == 304):
		a.length = len(b) - len(rest) // they have no body
	case length < 0:
		return a, errors.New("neither content-length nor chunks: the body would end with the connection")
	case len(rest) >= length:
		a.body, a.length = rest[:length], len(b)-len(rest)+length
	}
	return a, nil
}

// chunks reads a chunked body, which begins at the byte `before` of the answer.
func (a *answer) chunks(b []byte, before int, scratch *[]byte) error {
	whole := len(b)
	body := (*scratch)[:0]
	for {
		line, rest, ok := bytes.Cut(b, crlf)
		if !ok {
			if len(b) > maxHead {
				return fmt.Errorf("no end of a chunk's size within %d bytes", maxHead)
			}
			return nil
		}
		line, _, _ = bytes.Cut(line, semicolon) // extensions say nothing to us
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return fmt.Errorf("chunk size %q", clip(line))
		}
		n := int(size)
		if n == 0 {
			// Trailer fields, if any, end with an empty line.
			for {
				line, after, ok := bytes.Cut(rest, crlf)
				if !ok {
					return nil
				}
				rest = after
				if len(line) == 0 {
					break
				}
			}
			*scratch = body
			a.body, a.length = body, before+whole-len(rest)
			return nil
		}
		if len(rest) < n+2 {
			return nil
		}
		if !bytes.Equal(rest[n:n+2], crlf) {
			return fmt.Errorf("a chunk of %d bytes that does not end where it says", n)
		}
		body = append(body, rest[:n]...)
		b = rest[n+2:]
	}
}

func statusOf(line []byte) (int, error) {
	const version = "HTTP/1.1 "
	if len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return 0, fmt.Errorf("not an HTTP/1.1 status line: %q", clip(line))
	}
	code := line[len(version) : len(version)+3]
	n, err := strconv.Atoi(string(code))
	if err != nil || n < 200 || n > 599 {
		return 0, fmt.Errorf("status %q", code)
	}
	return n, nil
}

const maxHead = 64 << 10

var (
	crlf             = []byte("\r\n")
	crlf2            = []byte("\r\n\r\n")
	semicolon        = []byte(";")
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	chunkedCoding    = []byte("chunked")
	connection       = []byte("connection")
	closeToken       = []byte("close")
)
