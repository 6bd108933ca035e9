package server

import (
	"everloop/engine"
	"everloop/proto"
	"everloop/proto/http"
)

// session is one HTTP connection. Owned by its loop.
type session struct {
	srv    *Server
	here   *here
	c      *proto.Conn
	reader http.Reader
	x      *exchange // the request whose body is being collected, within Data; or nil
	in     *incoming // the body that its handler reads while it comes, or nil
	up     *exchange // the request that may open a WebSocket, while it is not answered; or nil
	next   *socket   // the session that takes the connection over, once it was opened; or nil

	since    int64 // when the header, or the present stretch of the body, began
	inHead   bool  // since is that of a header
	got      int64 // bytes of the body in the present stretch
	draining bool
}

// Data reads requests.
func (s *session) Data() {
	// The whole view is worked through before anything of it is discarded: it is good until then.
	in := s.c.Inbound()
	used := 0
	start := s.here.now()
reading:
	for s.up == nil && s.next == nil && (s.x != nil || s.in != nil || s.c.Room()) {
		// With all of it taken the body may be at its end, which nobody would look for again.
		if s.in != nil && used < len(in) && !s.in.room() {
			s.c.Hold()
			break
		}
		n, ev, err := s.reader.Next(in[used:])
		if err != nil {
			s.refuse(err)
			break
		}
		switch ev.Kind {
		case http.NeedMore:
			used += n
			break reading
		case http.Head:
			s.begin(start, used+n == len(in))
		case http.Body:
			s.take(ev.Data)
		case http.End:
			s.enter()
		}
		used += n
	}
	s.c.Discard(used)
	if s.next != nil {
		return // the connection is a WebSocket's, which reads what is left when this round goes on
	}
	switch {
	case s.x != nil:
		s.stream()
	case s.in != nil:
		s.in.flush()
	}
	s.schedule()
}

// begin takes a complete head. alone says that nothing of the body has come with it.
func (s *session) begin(start int64, alone bool) {
	s.inHead = false
	q := s.reader.Request()
	s.here.counters.requests.Add(1)
	if s.here.inFlight >= s.srv.maxInFlight {
		s.overloaded("too many requests are under way")
		return
	}
	s.here.inFlight++
	x := s.here.exchange()
	x.s, x.start = s, start
	x.keepAlive, x.http10, x.head = q.KeepAlive, q.HTTP10, q.Method == "HEAD"
	x.req = s.request(q)
	x.up = s.readUpgrade(q, x.req.Header)
	x.length = q.Length
	s.x = x
	if q.Length != 0 {
		s.since, s.got = s.here.loop.Now(), 0
	}
	x.expects = q.Expect100 && alone
}

// A request with room for its fields, so that both are one allocation: for programs, which send few, and for
// browsers. It leaves for good: objects may keep it.
type (
	fewFields struct {
		req    engine.Request
		fields [4]engine.Field
	}
	manyFields struct {
		req    engine.Request
		fields [16]engine.Field
	}
)

// newRequest returns a request and a header with room for n fields.
func newRequest(n int) (*engine.Request, engine.Header) {
	switch {
	case n <= len(fewFields{}.fields):
		r := new(fewFields)
		return &r.req, r.fields[:0]
	case n <= len(manyFields{}.fields):
		r := new(manyFields)
		return &r.req, r.fields[:0]
	}
	return new(engine.Request), make(engine.Header, 0, n)
}

// request makes the engine's request of a head. It copies the head once, into one string; nothing in it is a view
// of the connection's buffer, so it may go to another loop.
func (s *session) request(q *http.Request) *engine.Request {
	req, header := newRequest(q.NumFields())
	host := ""
	if len(q.Host()) == 0 {
		host = s.localHost()
	}
	fields, url := q.AppendFieldsURL(header, s.srv.opts.Scheme, host)
	kept := fields[:0]
	for _, f := range fields {
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "expect":
			// They speak of this connection, which ends here (RFC 9110, 7.6.1).
		default:
			kept = append(kept, f)
		}
	}
	req.Method = q.Method
	req.URL = url
	req.Header = kept
	return req
}

// localHost stands in for the host of a client that gave none.
func (s *session) localHost() string {
	if a := s.c.LocalAddr(); a != nil && a.Network() == "tcp" {
		return a.String()
	}
	return "localhost"
}

// firstBody is how much memory a body gets before it has sent anything: what a client announces costs it nothing.
const firstBody = 64 << 10

// take collects a part of the body. As long as all of it may be there already, nobody is told: a body that came along with its
// head is bytes.
func (s *session) take(data []byte) {
	x := s.x
	if s.in != nil {
		s.in.take(data)
		return
	}
	if x == nil {
		return // refused
	}
	if s.here.body+int64(len(data)) > s.srv.maxBodyMemory {
		s.overloaded("too many request bodies are under way")
		return
	}
	s.here.body += int64(len(data))
	s.got += int64(len(data))
	if need := len(x.body) + len(data); need > cap(x.body) {
		size := max(need, 2*cap(x.body), int(min(x.length, firstBody)))
		if x.length > 0 {
			size = min(size, int(x.length))
		}
		grown := make([]byte, len(x.body), size)
		copy(grown, x.body)
		x.body = grown
	}
	x.body = append(x.body, data...)
}

// enter sends the request in.
func (s *session) enter() {
	x := s.x
	if s.in != nil {
		s.in.complete()
		return
	}
	if x == nil {
		return // refused
	}
	s.x = nil
	if len(x.body) > 0 {
		x.req.Body = engine.Bytes(x.body)
	}
	s.c.Queue(&x.Slot, x)
	switch {
	case x.up.waits():
		s.up = x
		s.c.Await()
	case !x.keepAlive || s.draining:
		s.c.Finish()
	}
	s.send(x, &x.Slot)
}

// send asks for the answer, which r is told.
func (s *session) send(x *exchange, r engine.Replier) {
	x.entering = true
	if answer := s.srv.before(x.req); answer != nil {
		r.Reply(engine.Reply{Response: answer})
	} else {
		x.ev = s.c.Port().Enter(s.srv.entry, x.req, r)
	}
	x.entering = false
	if x.finished {
		s.here.recycle(x)
	}
}

// schedule sets the deadline for what the session waits for.
func (s *session) schedule() {
	if s.c.Finishing() {
		return
	}
	now, o := s.here.loop.Now(), &s.srv.opts
	switch {
	case s.in != nil:
		s.c.SetDeadline(s.since + o.BodyTimeout.Milliseconds())
	case !s.reader.Idle():
		if !s.inHead {
			s.inHead, s.since = true, now
		}
		s.c.SetDeadline(s.since + o.HeaderTimeout.Milliseconds())
	case s.c.InFlight() == 0:
		s.c.SetDeadline(now + o.IdleTimeout.Milliseconds())
	default:
		s.c.SetDeadline(proto.NoDeadline)
	}
}

// Expired is called when the deadline has come.
func (s *session) Expired() {
	switch {
	case s.in != nil && (s.got >= s.srv.minBodyBytes || s.in.waits()):
		s.since, s.got = s.here.loop.Now(), 0
		s.schedule()
	case s.in != nil:
		s.answer(408, "the body came too slowly", "")
	case s.inHead && s.c.InFlight() > 0:
		// Reading may be paused on our account.
		s.since = s.here.loop.Now()
		s.schedule()
	case s.inHead:
		s.here.counters.requests.Add(1)
		s.answer(408, "the header came too slowly", "")
	default:
		s.c.Finish()
	}
}

// Drain stops taking requests. One whose body is on its way is taken.
func (s *session) Drain() {
	s.draining = true
	if s.in == nil {
		s.c.Finish()
	}
}

// Ended answers a request whose body will never be complete.
func (s *session) Ended() {
	if s.in != nil {
		s.answer(400, "the body is not complete", "")
	}
}

// Closed ends the body that was being read. Requests under way hear it from their slots.
func (s *session) Closed(error) {
	if s.in != nil {
		s.in.fail(errClientLeft)
	}
}

// dropReading gives up the request that is being read.
func (s *session) dropReading() {
	if x := s.x; x != nil {
		s.x = nil
		x.release()
		s.here.recycle(x)
	}
}
