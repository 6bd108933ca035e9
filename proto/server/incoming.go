package server

import (
	"everloop/engine"
)

// incoming is the body of a request that its handler reads while it comes: one that was not there with its head. It is the
// source of the stream that the handler reads, and the replier of its event. The connection is read only as far as there
// is room here, so a handler that does not read holds its client up. Owned by its connection's loop.
type incoming struct {
	s       *session
	x       *exchange          // until it is answered
	w       *engine.BodyWriter // nil until somebody reads
	pending []byte             // has come, and was not passed on; below pendingBytes before more is taken
	charged int64              // bytes that count as memory of bodies
	came    int64              // bytes that have come in all
	length  int64              // announced; -1 if it is not known
	goAhead *goAhead           // a 100 that the client may still wait for

	keepAlive bool
	full      bool  // w has no room
	ended     bool  // nothing more comes
	err       error // why, if the body is not complete
	closed    bool  // w knows of the end, or nobody reads any more
	unread    bool  // the rest is thrown away
	closing   bool  // the answer has said that the connection closes
	replied   bool
}

const (
	// pendingBytes is how much of a body waits for a reader, beside what waits in the connection's buffer.
	pendingBytes = 64 << 10
	// maxUnread is how much of a body that nobody wants is read all the same, so that the connection can go on.
	maxUnread = 256 << 10
)

var (
	errClientLeft = &engine.Error{Name: "Error", Message: "Network connection lost."}
	// errTooLate has workerd's text.
	errTooLate = &engine.Error{Name: "TypeError", Message: "Can't read from request stream after response has been sent."}
)

// stream sends the request in whose body is still on its way.
func (s *session) stream() {
	x := s.x
	in := &incoming{
		s: s, x: x, pending: x.body, charged: int64(len(x.body)), came: int64(len(x.body)), length: x.length, keepAlive: x.keepAlive,
	}
	x.body, x.in = nil, in
	s.x, s.in = nil, in
	x.req.Body = s.c.Port().StreamFrom(in, x.length)
	if x.expects {
		in.goAhead = &goAhead{s: s, in: in}
		s.c.Queue(&in.goAhead.Slot, in.goAhead)
	}
	s.c.Queue(&x.Slot, x)
	s.send(x, in)
}

// Reply is part of [engine.Replier]: the handler has answered.
func (in *incoming) Reply(r engine.Reply) {
	in.replied = true
	if in.goAhead != nil {
		// An answer that is made while it is sent may be made of this very body.
		in.goAhead.tell(r.Response != nil && r.Response.Body.Streamed())
	}
	if in.x != nil { // otherwise something else was answered
		in.x.Slot.Reply(r)
	}
}

// wants reports whether there is room for more.
func (in *incoming) wants() bool { return in.unread || len(in.pending) < pendingBytes }

// room makes room for more, if it can be made now.
func (in *incoming) room() bool {
	if !in.wants() {
		in.flush()
	}
	return in.wants()
}

// waits reports whether it is not the client's fault that nothing comes.
func (in *incoming) waits() bool {
	if in.x == nil {
		return false // neither does it matter then: the answer is out
	}
	return in.s.c.Held() || in.goAhead != nil && in.came == 0
}

// take keeps a part of the body.
func (in *incoming) take(data []byte) {
	s, n := in.s, int64(len(data))
	s.got += n
	in.came += n
	switch {
	case in.unread && in.came > maxUnread && in.came-n > in.length-maxUnread:
		in.giveUp()
	case in.unread:
	case s.here.body+n > s.srv.maxBodyMemory:
		s.overloaded("too many request bodies are under way")
	default:
		s.here.body += n
		in.charged += n
		in.pending = append(in.pending, data...)
	}
}

// complete takes the end of the body.
func (in *incoming) complete() {
	s := in.s
	s.in = nil
	if !in.keepAlive || s.draining || in.closing {
		s.c.Finish()
	}
	in.end(nil)
}

// fail says that the body will never be complete.
func (in *incoming) fail(err error) {
	in.s.in = nil
	in.end(err)
}

func (in *incoming) end(err error) {
	if in.ended {
		return
	}
	in.ended, in.err = true, err
	in.flush()
	if in.x == nil {
		in.discharge()
	}
}

// flush passes on what has come, as far as the reader has room.
func (in *incoming) flush() {
	if in.w == nil || in.closed || in.full {
		return
	}
	if b := in.pending; len(b) > 0 {
		in.pending = nil
		in.full = !in.w.Write(b)
	}
	if in.ended && len(in.pending) == 0 && !in.closed {
		in.closed = true
		in.discharge() // what is under way still is bounded by the stream's window
		in.w.Close(in.err)
	}
}

// Start is part of [engine.Source]: somebody reads.
func (in *incoming) Start(w *engine.BodyWriter) {
	in.w = w
	if in.unread {
		in.closed = true
		w.Close(errTooLate)
		return
	}
	if in.goAhead != nil {
		in.goAhead.tell(true)
	}
	in.Room()
}

// Room is part of [engine.Source].
func (in *incoming) Room() {
	in.full = false
	in.flush()
	in.proceed()
}

// Cancel is part of [engine.Source]: the reader has left.
func (in *incoming) Cancel() { in.discard() }

// Acked is part of [engine.Acker].
func (in *incoming) Acked(n int) {
	k := min(int64(n), in.charged)
	in.charged -= k
	in.s.here.body -= k
}

// proceed reads on if the connection was held for this body.
func (in *incoming) proceed() {
	if in.s.in == in && in.s.c.Held() && in.wants() {
		in.s.since, in.s.got = in.s.here.loop.Now(), 0
		in.s.c.Proceed()
	}
}

// discharge says that the body needs no memory any more.
func (in *incoming) discharge() {
	in.s.here.body -= in.charged
	in.charged = 0
}

// discard throws the rest of the body away.
func (in *incoming) discard() {
	in.unread, in.closed = true, true
	in.pending = nil
	in.discharge()
	in.proceed()
}

// closes reports whether the connection has to close behind the answer that is about to be written: the client waits for a
// 100 that does not come, or too much is still on its way that nobody reads.
func (in *incoming) closes() bool {
	in.closing = in.closing || in.lost()
	return in.closing
}

// lost reports whether nobody has read any of the body, and the rest of it is not worth reading.
func (in *incoming) lost() bool {
	return !in.ended && in.w == nil && (in.goAhead != nil && !in.goAhead.wanted && in.came == 0 || in.length-in.came > maxUnread)
}

// answered says that the whole answer was written.
func (in *incoming) answered() {
	in.x = nil
	switch {
	case in.ended:
		in.discharge() // whoever still has the body may read what is there
	case in.closing, in.lost():
		in.giveUp()
	case in.w == nil:
		in.discard()
	}
}

// giveUp closes the connection in the middle of the body, behind the answers that are under way.
func (in *incoming) giveUp() {
	in.fail(errTooLate)
	in.s.c.Finish()
}

// refuse ends the body because of what the client sends, or does not send. The refusal takes the place of the answer, if
// there is none yet.
func (in *incoming) refuse(r *refusal) {
	s, x := in.s, in.x
	instead := x != nil && !in.replied
	if instead {
		in.x = nil
	}
	s.c.Finish()
	in.fail(&engine.Error{Name: "Error", Message: "The request body cannot be read: " + r.reason + ".", Overloaded: r.status == 503})
	if !instead {
		return
	}
	if in.goAhead != nil {
		in.goAhead.tell(false)
	}
	x.refused, x.keepAlive, x.in = r, false, nil
	if x.ev != nil {
		x.ev.Gone()
	}
	x.Slot.Reply(engine.Reply{})
}
