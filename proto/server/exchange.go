package server

import (
	"errors"
	"fmt"
	"time"

	"everloop/engine"
	"everloop/proto"
	"everloop/proto/http"
)

// exchange is one request and its answer. Owned by its connection's loop, and used again.
type exchange struct {
	proto.Slot
	s      *session
	req    *engine.Request
	ev     *engine.Event
	body   []byte // of the request
	length int64  // announced
	start  int64
	rest   []byte // of the answer: what has not been written

	streamed *streamed // of the answer, if it is made while it is sent
	in       *incoming // the body of the request, if it was not there with the head
	refused  *refusal  // what is answered instead of what the handler says
	up       *upgrade  // what it asks for, if that is a WebSocket

	status    int // of the answer, once it has begun
	keepAlive bool
	expects   bool // the client waits for a 100 before it sends the body
	http10    bool
	head      bool
	entering  bool // Enter has not returned
	finished  bool // answered while entering
}

// smallBody is the largest body that goes through the scratch buffer together with its head: one call less for
// one copy more.
const smallBody = 512

const (
	// maxResponseHead bounds the header of an answer, which is written in one piece. Clients take far less:
	// many stop at 8 or 16 KiB.
	maxResponseHead = 256 << 10
	// maxScratch is the largest scratch buffer that is kept.
	maxScratch = 64 << 10
)

// Answer is part of [proto.Answerer].
func (x *exchange) Answer(r *engine.Reply) bool {
	c := x.s.c
	if x.status == 0 {
		resp := x.response(r)
		switch {
		case c.Gone():
			x.s.lose(r.Response)
			x.finish(0)
			return true
		case resp.WebSocket != nil:
			x.open(resp)
		default:
			if resp != r.Response {
				x.s.lose(r.Response)
			}
			x.write(resp)
		}
	}
	if len(x.rest) > 0 && !c.Gone() {
		n := min(len(x.rest), c.WriteRoom())
		_ = c.Write(x.rest[:n]) // fails only if the connection has closed
		x.rest = x.rest[n:]
	}
	if len(x.rest) > 0 && !c.Gone() {
		return false
	}
	if x.streamed != nil && !x.streamed.send() {
		return false
	}
	x.finish(class(x.status))
	return true
}

// response is what goes out: the answer, or one that says as much of the error as the client may know.
func (x *exchange) response(r *engine.Reply) *engine.Response {
	resp, err := r.Response, r.Err
	switch {
	case x.refused != nil:
		return x.refused.response()
	case err != nil:
	case resp == nil:
		err = errors.New("the entry point gave neither a response nor an error")
	case resp.WebSocket != nil, resp.Status == 101:
		if err = x.opens(resp); err == nil && x.refused == nil {
			return resp
		}
		if x.refused != nil {
			return x.refused.response()
		}
	case resp.Status != 0 && (resp.Status < 200 || resp.Status > 599):
		err = fmt.Errorf("the response has the status %d: want 200 to 599", resp.Status)
	default:
		return resp
	}
	return x.failed(err)
}

// write writes the head, and leaves the body in rest unless it is small.
func (x *exchange) write(resp *engine.Response) {
	s, h := x.s, x.s.here
	o := http.Options{
		Length: int64(resp.Body.Len()), HTTP10: x.http10, Head: x.head, Date: h.dateValue(),
		// Only the last answer says that the connection closes: with an earlier one that did, the client
		// would not wait for those behind.
		KeepAlive: x.keepAlive && !(s.c.Finishing() && s.c.InFlight() == 1) && !(x.in != nil && !resp.Body.Streamed() && x.in.closes()),
	}
	if resp.Body.Streamed() {
		o.Length = resp.Body.Size() // -1 is Chunked
	}
	x.status = resp.Status
	if x.status == 0 {
		x.status = 200
	}
	b, err := http.AppendHead(h.scratch[:0], x.status, resp.Header, o)
	if err == nil && len(b) > maxResponseHead {
		err = fmt.Errorf("its header has %d bytes: the limit is %d", len(b), maxResponseHead)
	}
	if err != nil {
		resp.Body.Discard()
		resp = x.failed(fmt.Errorf("the response cannot be sent: %w", err))
		x.status = resp.Status
		o.Length = int64(resp.Body.Len())
		b, _ = http.AppendHead(h.scratch[:0], x.status, resp.Header, o) // our own fields are sound
	}
	framing, _ := o.Framing(x.status)
	if framing != http.NoBody && !resp.Body.Streamed() {
		if x.rest = resp.Body.Bytes(); len(x.rest) <= smallBody {
			b = append(b, x.rest...)
			x.rest = nil
		}
	}
	_ = s.c.Write(b) // fails only if the connection has closed
	if cap(b) <= maxScratch {
		h.scratch = b[:0]
	}
	switch {
	case !resp.Body.Streamed():
	case framing == http.NoBody:
		resp.Body.Discard()
	default:
		x.startStream(resp.Body, framing)
	}
}

// finish counts the answered request, and lets go of it.
func (x *exchange) finish(class int) {
	s, h := x.s, x.s.here
	h.counters.status[class].Add(1)
	took := h.now() - x.start
	h.counters.observe(took)
	if told := s.srv.opts.Answered; told != nil {
		told(Answered{Method: x.req.Method, Path: pathOf(x.req.URL), Status: x.status, Took: time.Duration(took)})
	}
	if x.refused != nil {
		h.counters.refused.Add(1)
	}
	x.release()
	if x.in != nil {
		x.in.answered()
	}
	if s.up == x {
		x.settle()
	}
	switch {
	case x.ev == nil:
	case s.c.Gone():
		x.ev.Gone()
	default:
		x.ev.Complete()
	}
	// This answer is still counted as under way.
	if s.x == nil && s.in == nil && s.next == nil && s.c.InFlight() == 1 && s.reader.Idle() && !s.c.Finishing() {
		s.c.SetDeadline(h.loop.Now() + s.srv.opts.IdleTimeout.Milliseconds())
	}
	if x.entering {
		x.finished = true
		return
	}
	h.recycle(x)
}

// settle goes on behind an answered request for a WebSocket: with frames, or with further requests.
func (x *exchange) settle() {
	s := x.s
	s.up = nil
	if s.next == nil && (!x.keepAlive || s.draining) {
		s.c.Finish()
	}
	if s.next != nil {
		s.c.Become(s.next)
	}
	s.c.Proceed()
	if s.next != nil {
		s.next.schedule()
	}
}

// release gives back the shares that a request has of the loop's bounds.
func (x *exchange) release() {
	x.s.here.inFlight--
	x.s.here.body -= int64(len(x.body))
}

// Leaving is part of [proto.Leaver].
func (x *exchange) Leaving() {
	if x.ev != nil {
		x.ev.Leaving()
	}
}

// Abandon is part of [proto.Abandoner]: the client has gone, and the event's context ends.
func (x *exchange) Abandon() {
	if x.ev != nil {
		x.ev.Gone()
	}
}

func class(status int) int { return status / 100 }
