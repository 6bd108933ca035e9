package server

import (
	"errors"

	"everloop/engine"
	"everloop/proto"
	"everloop/proto/http"
)

// refuse answers what the codec has refused, and closes.
func (s *session) refuse(err error) {
	status, reason := 400, "the request is malformed"
	if e, ok := errors.AsType[*http.Error](err); ok {
		status, reason = e.Status, e.Reason
	}
	if s.x == nil {
		s.here.counters.requests.Add(1) // otherwise its head was counted
	}
	s.answer(status, reason, "")
}

// overloaded answers 503, and closes: nobody waits for the rest of the request.
func (s *session) overloaded(reason string) {
	s.answer(503, reason, "1")
}

// answer answers the request that is being read with a refusal, in its turn, and closes the connection after it.
func (s *session) answer(status int, reason, retryAfter string) {
	r := &refusal{s: s, status: status, reason: reason, retryAfter: retryAfter}
	if s.x != nil {
		r.head = s.x.head
		s.dropReading()
	}
	s.c.Queue(&r.Slot, r)
	s.c.Finish()
	r.Reply(engine.Reply{})
}

// refusal is the last answer of a connection. It is made once a connection, so it may cost an allocation.
type refusal struct {
	proto.Slot
	s          *session
	status     int
	reason     string
	retryAfter string
	head       bool
}

// Answer is part of [proto.Answerer].
func (r *refusal) Answer(*engine.Reply) bool {
	s := r.s
	s.here.counters.status[class(r.status)].Add(1)
	s.here.counters.refused.Add(1)
	if s.c.Gone() {
		return true
	}
	fields := []http.Field{{Name: "content-type", Value: plainText}}
	if r.retryAfter != "" {
		fields = append(fields, http.Field{Name: "retry-after", Value: r.retryAfter})
	}
	body := r.reason + "\n"
	// Neither the fields nor the status can be refused: all are this package's.
	b, _ := http.AppendHead(nil, r.status, fields, http.Options{
		Length: int64(len(body)), Head: r.head, Date: s.here.dateValue(),
	})
	if !r.head {
		b = append(b, body...)
	}
	_ = s.c.Write(b) // fails only if the connection has closed
	return true
}

const plainText = "text/plain;charset=UTF-8"

// goAhead is the place of a 100 Continue: behind the answers before it, and only if the body is still wanted and
// has not begun to come by itself. It is rare, so it may cost an allocation.
type goAhead struct {
	proto.Slot
	s *session
	x *exchange
}

// Answer is part of [proto.Answerer]. While it has not been called, x is not used for another request, as x is
// answered later; unless the connection has closed.
func (g *goAhead) Answer(*engine.Reply) bool {
	s := g.s
	if s.c.Gone() || s.x != g.x || len(g.x.body) > 0 {
		return true
	}
	_ = s.c.Write(http.Append100Continue(nil)) // fails only if the connection has closed
	return true
}
