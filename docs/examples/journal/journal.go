package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"everloop/engine"
	"everloop/engine/value"
	"everloop/proto"
)

// Bounds. A page holds at most a MiB, which is more than a connection takes at once.
const (
	maxName  = 100
	maxLine  = 1024 // bytes of a request, without the end of the line
	maxLines = 1000 // of a journal
	maxIdle  = 5 * time.Minute
)

// errFull is an error of the object: its client can do something about it.
var errFull = errors.New("the journal is full")

// handle is what an object does. It runs on the loop that owns the object, alone, and to its end.
func handle(c *engine.Call) error {
	switch c.Method {
	case "add":
		n := c.Storage.Len()
		if n >= maxLines {
			return errFull
		}
		if err := c.Storage.PutRaw(fmt.Sprintf("%04d", n), value.AppendBytes(nil, c.Args), engine.WriteOptions{}); err != nil {
			return err
		}
		c.Result = strconv.AppendInt(append(c.Result, '+'), int64(n+1), 10)
		c.Result = append(c.Result, '\n')
		return nil
	case "page":
		c.Result = fmt.Appendf(c.Result, "*%d\n", c.Storage.Len())
		return c.Storage.List(engine.ListOptions{}, func(_, encoded []byte) bool {
			text, _ := value.BytesOf(encoded)
			c.Result = append(append(c.Result, text...), '\n')
			return true
		})
	}
	return fmt.Errorf("no method %q", c.Method)
}

// protocol makes the sessions.
type protocol struct{}

func (protocol) Open(c *proto.Conn) proto.Session {
	s := &session{c: c, journals: c.Port().Namespace("Journal")}
	s.stay()
	return s
}

// session is one connection. Owned by its loop.
type session struct {
	c        *proto.Conn
	journals *engine.Namespace
}

// Data takes the lines that are complete, as long as there is room for their answers.
func (s *session) Data() {
	for s.c.Room() {
		in := s.c.Inbound()
		line, _, complete := bytes.Cut(in[:min(len(in), maxLine+1)], []byte("\n"))
		switch {
		case complete:
			s.request(line)
			s.c.Discard(len(line) + 1)
		case len(in) > maxLine:
			s.end("-a line has at most 1024 bytes\n")
			return
		default:
			return
		}
	}
}

// request runs one line. What it hands to an object may alias what has arrived: CallByName keeps neither name nor arguments.
func (s *session) request(line []byte) {
	s.stay()
	verb, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	name, text, _ := bytes.Cut(rest, []byte(" "))
	switch string(verb) {
	case "ADD", "PAGE":
		if len(name) == 0 || len(name) > maxName {
			s.c.Say([]byte("-a name has 1 to 100 bytes\n"))
			return
		}
		if len(verb) == len("ADD") {
			s.journals.CallByName(name, "add", text, s.c.Answer(answer))
			return
		}
		p := &page{c: s.c}
		s.c.Queue(&p.slot, p)
		s.journals.CallByName(name, "page", nil, &p.slot)
	case "QUIT":
		s.end("+bye\n")
	default:
		s.c.Say([]byte("-unknown command\n"))
	}
}

// end says a last word, behind the answers that are under way.
func (s *session) end(word string) {
	if !s.c.Finishing() {
		s.c.Say([]byte(word))
		s.c.Finish()
	}
}

// stay puts off the moment at which an idle client has to leave.
func (s *session) stay() { s.c.SetDeadline(s.c.Loop().Now() + maxIdle.Milliseconds()) }

// Expired is called at that moment.
func (s *session) Expired() {
	if s.c.InFlight() > 0 { // it is we who are slow
		s.stay()
		return
	}
	s.end("-idle for too long\n")
}

// Drain is called when the server ends.
func (s *session) Drain() { s.end("-the server ends\n") }

func (s *session) Closed(error) {}

// answer is called when everything that the answer reveals is durable, and it is the next to be sent.
func answer(dst []byte, r *engine.Reply) []byte {
	if r.Err != nil {
		return appendError(dst, r.Err)
	}
	return append(dst, r.Value...)
}

// appendError tells apart what the object has refused, what passes, and what someone has to look at.
func appendError(dst []byte, err error) []byte {
	var e *engine.Error
	switch {
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrNoSpace):
		return append(dst, "-nothing can be written now\n"...)
	case errors.As(err, &e) && e.Overloaded:
		return append(dst, "-too busy, try later\n"...)
	case errors.As(err, &e) && e.Remote:
		return fmt.Appendf(dst, "-refused: %q\n", e.Message)
	}
	return append(dst, "-failed\n"...)
}

// page is an answer that may be longer than what a connection takes at once.
type page struct {
	c    *proto.Conn
	slot proto.Slot
	sent int
}

// Answer writes as much as there is room for, and is called again when the client has taken enough of it.
func (p *page) Answer(r *engine.Reply) (done bool) {
	if r.Err != nil {
		_ = p.c.Write(appendError(nil, r.Err)) // fails only if the connection is closed, and so below
		return true
	}
	for p.sent < len(r.Value) && !p.c.Gone() {
		n := min(p.c.WriteRoom(), len(r.Value)-p.sent)
		if n == 0 {
			return false
		}
		_ = p.c.Write(r.Value[p.sent : p.sent+n])
		p.sent += n
	}
	return true
}
