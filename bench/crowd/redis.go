package crowd

import (
	"bytes"
	"fmt"
	"strconv"
)

// resp is the client's side of RESP3, as far as a subscriber needs it.
type resp struct{}

func (resp) hello(dst []byte, _, room string) []byte {
	dst = command(dst, "HELLO", []byte("3"))
	return command(dst, "SUBSCRIBE", []byte(room))
}

func command(dst []byte, name string, args ...[]byte) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n$%d\r\n%s\r\n", 1+len(args), len(name), name)
	for _, a := range args {
		dst = append(dst, '$')
		dst = strconv.AppendInt(dst, int64(len(a)), 10)
		dst = append(dst, "\r\n"...)
		dst = append(dst, a...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// welcome reads what the server says of itself, and that it has subscribed.
func (resp) welcome(b []byte) (int, error) {
	about, err := item(b, 0)
	if err != nil || about == 0 {
		return 0, err
	}
	if b[0] != '%' {
		return 0, fmt.Errorf("%q is no answer to HELLO", clip(b))
	}
	joined, err := item(b[about:], 0)
	if err != nil || joined == 0 {
		return 0, err
	}
	if push := b[about : about+joined]; !bytes.HasPrefix(push, []byte(">3\r\n$9\r\nsubscribe\r\n")) {
		return 0, fmt.Errorf("%q is no answer to SUBSCRIBE", clip(push))
	}
	return about + joined, nil
}

func (resp) say(dst []byte, room string, payload []byte) []byte {
	return command(dst, "PUBLISH", []byte(room), payload)
}

const messageHead = ">3\r\n$7\r\nmessage\r\n$"

func (resp) hear(b []byte, room string) (int, heard, error) {
	if b[0] != '>' {
		// The number of subscribers, which the publisher is told.
		n, err := item(b, 0)
		return n, heard{}, err
	}
	if len(b) < len(messageHead) {
		return 0, heard{}, nil
	}
	if string(b[:len(messageHead)]) != messageHead {
		return 0, heard{}, fmt.Errorf("%q is no message", clip(b))
	}
	at := len(messageHead)
	channel, at, err := bulk(b, at)
	if err != nil || at == 0 {
		return 0, heard{}, err
	}
	if string(channel) != room {
		return 0, heard{}, fmt.Errorf("a message to %q, which was not subscribed to", channel)
	}
	if at == len(b) {
		return 0, heard{}, nil
	}
	if b[at] != '$' {
		return 0, heard{}, fmt.Errorf("%q is no message", clip(b))
	}
	payload, at, err := bulk(b, at+1)
	if err != nil || at == 0 {
		return 0, heard{}, err
	}
	return at, heard{message: true, payload: payload}, nil
}

// bulk reads a length and as many bytes, from b[at], behind the sign. end is behind it, or 0 while it is not complete.
func bulk(b []byte, at int) (data []byte, end int, err error) {
	n, at, err := number(b, at)
	if err != nil || at == 0 {
		return nil, 0, err
	}
	if n < 0 || n > maxPayload {
		return nil, 0, fmt.Errorf("a string of %d bytes", n)
	}
	if len(b) < at+n+2 {
		return nil, 0, nil
	}
	if b[at+n] != '\r' || b[at+n+1] != '\n' {
		return nil, 0, fmt.Errorf("a string of %d bytes that does not end where it says: %q", n, clip(b))
	}
	return b[at : at+n], at + n + 2, nil
}

// number reads a decimal number and the end of its line.
func number(b []byte, at int) (n, end int, err error) {
	line := b[at:]
	nl := bytes.IndexByte(line, '\n')
	if nl < 0 {
		if len(line) > 32 {
			return 0, 0, fmt.Errorf("%q is no number", clip(line))
		}
		return 0, 0, nil
	}
	if nl == 0 || line[nl-1] != '\r' {
		return 0, 0, fmt.Errorf("%q is no number", clip(line))
	}
	digits := line[:nl-1]
	if len(digits) == 0 || len(digits) > 9 {
		return 0, 0, fmt.Errorf("%q is no number", clip(line))
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, 0, fmt.Errorf("%q is no number", clip(line))
		}
		n = 10*n + int(d-'0')
	}
	return n, at + nl + 1, nil
}

// maxDepth bounds how deep an answer nests.
const maxDepth = 8

// item returns the length of the value that b begins with, or 0 while it is not complete. An error of the server is one.
func item(b []byte, depth int) (int, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("an answer that nests deeper than %d", maxDepth)
	}
	if len(b) == 0 {
		return 0, nil
	}
	switch b[0] {
	case '+', ':', '_', '#', ',', '(', '-':
		end := bytes.Index(b, []byte("\r\n"))
		if end < 0 {
			if len(b) > maxPayload {
				return 0, fmt.Errorf("a line without end: %q", clip(b))
			}
			return 0, nil
		}
		if b[0] == '-' {
			return 0, fmt.Errorf("the server says: %s", clip(b[1:end]))
		}
		return end + 2, nil
	case '$':
		_, end, err := bulk(b, 1)
		return end, err
	case '*', '>', '~', '%':
		n, at, err := number(b, 1)
		if err != nil || at == 0 {
			return 0, err
		}
		if b[0] == '%' {
			n *= 2
		}
		for range n {
			length, err := item(b[at:], depth+1)
			if err != nil || length == 0 {
				return 0, err
			}
			at += length
		}
		return at, nil
	}
	return 0, fmt.Errorf("%q is not RESP", clip(b))
}
