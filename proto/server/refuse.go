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
	if s.x == nil && s.in == nil {
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
	if s.in != nil {
		s.in.refuse(r)
		return
	}
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
	fields     []engine.Field // of the answer, beside those of every refusal
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
	resp := r.response()
	body := resp.Body.Bytes()
	// Neither the fields nor the status can be refused: all are this package's.
	b, _ := http.AppendHead(nil, r.status, resp.Header, http.Options{
		Length: int64(len(body)), Head: r.head, Date: s.here.dateValue(),
	})
	if !r.head {
		b = append(b, body...)
	}
	_ = s.c.Write(b) // fails only if the connection has closed
	return true
}

// response is what it says.
func (r *refusal) response() *engine.Response {
	resp := engine.TextResponse(r.status, r.reason+"\n")
	if r.retryAfter != "" {
		resp.Header.Add("retry-after", r.retryAfter)
	}
	resp.Header = append(resp.Header, r.fields...)
	return resp
}

// goAhead is the place of a 100 Continue: behind the answers before it, and before the answer to its own request. It is
// written only if the body has not begun to come by itself. It is rare, so it may cost an allocation.
type goAhead struct {
	proto.Slot
	s      *session
	in     *incoming
	told   bool // whether to write it or not
	wanted bool
}

// tell says that somebody reads the body, or that nobody will before the answer.
func (g *goAhead) tell(wanted bool) {
	if !g.told {
		g.told, g.wanted = true, wanted
		g.Reply(engine.Reply{})
	}
}

// Answer is part of [proto.Answerer].
func (g *goAhead) Answer(*engine.Reply) bool {
	if g.wanted && g.in.came == 0 && !g.in.ended && !g.s.c.Gone() {
		_ = g.s.c.Write(http.Append100Continue(nil)) // fails only if the connection has closed
	}
	return true
}
