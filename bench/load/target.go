package load

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
)

// Request is what is asked for by one kind of operation. Every Template may stand for different bytes each time.
type Request struct {
	// Method is GET if it is empty. HEAD is not taken, since its answer looks like one with a body.
	Method string
	// Path begins with a slash; it has the query, too.
	Path drive.Template
	// Fields are further fields of the head, as "Name: value".
	Fields []string
	// Body is sent with its length, unless it is empty and the method is GET or DELETE.
	Body drive.Template
	// Status is the only one that is right; 0: those from 200 to 299 are.
	Status int
	// Expect, if HasExpect, is the only body that is right. A line break at the end of a body does not count.
	Expect    drive.Template
	HasExpect bool
	// Check, if not nil, judges the body of an answer whose status is right. body is valid during the call.
	Check func(op *drive.Op, body []byte) *drive.Failure
}

// Validate reports what is wrong.
func (r *Request) Validate() error {
	path := string(r.Path.Append(nil, &drive.Op{}))
	switch {
	case r.Method == "HEAD":
		return errors.New("load: the method HEAD has answers without the body that their head tells of")
	case strings.ContainsFunc(r.Method, func(c rune) bool { return c < 'A' || c > 'Z' }):
		return fmt.Errorf("load: the method %q is not of capital letters", r.Method)
	case !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \t\r\n"):
		return fmt.Errorf("load: the path %q: want one that begins with / and has no blanks", path)
	}
	for _, f := range r.Fields {
		name, _, ok := strings.Cut(f, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(f, "\r\n") {
			return fmt.Errorf("load: the field %q: want NAME: VALUE", f)
		}
		switch strings.ToLower(name) {
		case "host", "content-length", "transfer-encoding", "connection", "upgrade":
			return fmt.Errorf("load: the field %q is not for a caller to set", f)
		}
	}
	return nil
}

// Target makes requests over keep-alive connections. Requests are those of drive's plan: reads and writes.
func Target(addr links.Address, host string, read, write Request) *links.Target {
	return &links.Target{Address: addr, Codec: func(*drive.Worker, int) links.Codec {
		return &httpCodec{host: host, kinds: [2]*Request{&read, &write}}
	}}
}

// httpCodec is HTTP/1.1 on one connection.
type httpCodec struct {
	host    string
	kinds   [2]*Request
	scratch []byte // a body that is made, or one in chunks that is put together
}

func (c *httpCodec) of(op *drive.Op) *Request {
	if op.Write {
		return c.kinds[1]
	}
	return c.kinds[0]
}

func (*httpCodec) Hello(dst []byte) []byte     { return dst }
func (*httpCodec) Welcome([]byte) (int, error) { return 0, nil } // nothing is said

func (c *httpCodec) Append(dst []byte, op *drive.Op) []byte {
	r := c.of(op)
	method := r.Method
	if method == "" {
		method = "GET"
	}
	dst = append(append(dst, method...), ' ')
	dst = append(r.Path.Append(dst, op), " HTTP/1.1\r\nHost: "...)
	dst = append(append(dst, c.host...), "\r\n"...)
	for _, f := range r.Fields {
		dst = append(append(dst, f...), "\r\n"...)
	}
	c.scratch = r.Body.Append(c.scratch[:0], op)
	if len(c.scratch) > 0 || method != "GET" && method != "DELETE" {
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), int64(len(c.scratch)), 10)
		dst = append(dst, "\r\n"...)
	}
	return append(append(dst, "\r\n"...), c.scratch...)
}

func (c *httpCodec) Read(b []byte, op *drive.Op) (h links.Heard, err error) {
	a, err := parse(b, &c.scratch)
	if err != nil || a.length == 0 {
		return h, err
	}
	h.Length, h.Close = a.length, a.close
	if op == nil {
		return h, nil // which nothing has asked for
	}
	r := c.of(op)
	switch {
	case r.Status > 0 && a.status != r.Status, r.Status == 0 && a.status > 299:
		h.Failure = &drive.Failure{Kind: fmt.Sprintf("status %d", a.status), Text: fmt.Sprintf("%q", clip(a.body))}
	case r.Check != nil:
		h.Failure = r.Check(op, a.body)
	case r.HasExpect:
		body := bytes.TrimSuffix(a.body, []byte("\n"))
		want := r.Expect.Append(nil, op)
		if !bytes.Equal(body, bytes.TrimSuffix(want, []byte("\n"))) {
			h.Failure = &drive.Failure{Kind: drive.FailedAnswer, Text: fmt.Sprintf("body %q, want %q", clip(a.body), clip(want))}
		}
	}
	return h, nil
}
