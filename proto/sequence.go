package proto

import (
	"runtime/debug"

	"everloop/engine"
)

// Answerer writes one answer.
type Answerer interface {
	// Answer is called on the connection's loop when everything that the answer reveals is durable and all
	// answers before it have been written. It writes the answer, or as much of it as there is
	// [Conn.WriteRoom] for, and reports whether that was all; if not, it is called again with the same r
	// when the client has taken enough, and perhaps more often.
	//
	// An r.Value that is borrowed is no more than the connection has room for. It lies elsewhere when Answer is called again.
	//
	// It is called for every slot, also after the connection has closed ([Conn.Gone]), in no order then.
	Answer(r *engine.Reply) (done bool)
}

// Abandoner is an optional interface of an [Answerer]: Abandon is called when the connection has closed while its
// answer was still under way.
type Abandoner interface{ Abandon() }

// Leaver is an optional interface of an [Answerer]: Leaving is called when the client has finished sending while its answer was
// under way. Most often that is a client which has closed, and it shows as nothing else before something is written; but it may
// be one that still reads.
type Leaver interface{ Leaving() }

// Slot is the place of one answer in the order of its connection's answers. It is meant to be a part of what a
// protocol keeps for one request, so that it costs no memory of its own, and is the [engine.Replier] of the
// request's call. It may be used again after its Answer has reported done. Owned by its connection's loop.
type Slot struct {
	conn     *Conn
	answerer Answerer
	next     *Slot
	reply    engine.Reply
	done     bool // reply is there
	// borrowed is where a value is copied to that belongs to the engine and cannot be written at once; its memory is kept for the
	// next one, as long as it is small.
	borrowed []byte
}

// maxBorrowed is the largest copy whose memory is kept.
const maxBorrowed = 512

// Queue puts s behind the answers under way. The call that it is the Replier of is started next; a protocol that
// knows the answer itself calls s.Reply.
func (c *Conn) Queue(s *Slot, a Answerer) {
	*s = Slot{conn: c, answerer: a, borrowed: s.borrowed}
	c.inFlight++
	if c.gone {
		return
	}
	if c.last == nil {
		c.first = s
	} else {
		c.last.next = s
	}
	c.last = s
}

// Reply is the answer. It is called once, on the connection's loop.
func (s *Slot) Reply(r engine.Reply) {
	s.reply, s.done = r, true
	c := s.conn
	if r.Borrowed && (c.first != s || c.advancing || len(r.Value) > c.WriteRoom()) && !c.gone {
		s.keep()
	}
	switch {
	case c.gone:
		c.write(s)
	case c.first == s:
		c.advance()
		if s.done && s.reply.Borrowed { // it was not written, or not all of it
			s.keep()
		}
		c.giveRoom()
	}
}

// keep copies a value that the engine has lent, as it was not written at once.
func (s *Slot) keep() {
	b := append(s.borrowed[:0], s.reply.Value...)
	s.reply.Value, s.reply.Borrowed = b, false
	if s.borrowed = nil; cap(b) <= maxBorrowed {
		s.borrowed = b[:0]
	}
}

// advance writes the answers whose turn has come.
func (c *Conn) advance() {
	if c.advancing || c.gone {
		return
	}
	c.advancing = true
	for s := c.first; s != nil && s.done; s = c.first {
		if c.Conn.Outbound() >= c.handler.opts.HighWater {
			break // goes on in drained: HighWater is above LowWater
		}
		// The slot leaves the list before it is answered, since whoever answers may use it again.
		if c.first = s.next; c.first == nil {
			c.last = nil
		}
		s.next = nil
		before := c.written
		if c.write(s) {
			continue
		}
		if s.next = c.first; s.next == nil {
			c.last = s
		}
		c.first = s
		// Send at once what is there: a client that reads fast gets a long answer in one go, and the
		// others of the loop wait for no longer than a socket's buffer takes to fill.
		if c.written == before || c.Conn.Flush() != nil {
			break // it waits for Continue; or the connection has closed, and closed tells everyone
		}
	}
	c.advancing = false
	if c.finishing {
		c.settle()
	}
}

// Continue calls Answer again for an answer that reported, without writing anything, that it was not done: one
// that is made while it is sent.
func (c *Conn) Continue() {
	c.advance()
	c.giveRoom()
}

// write calls an Answerer. One that panics costs its connection, since nobody knows what the client has of it.
func (c *Conn) write(s *Slot) (done bool) {
	defer func() {
		if v := recover(); v != nil {
			c.handler.opts.Logger.Error("panic in a protocol while it wrote an answer; its connection is closed",
				"panic", v, "remote", c.RemoteAddr(), "stack", string(debug.Stack()))
			c.broken = true
			c.Conn.Abort(engine.ErrClosed)
			done = true
		}
		if done {
			c.inFlight--
			s.done = false
		}
	}()
	return s.answerer.Answer(&s.reply)
}

// answer is a Slot for Answer.
type answer struct {
	Slot
	here   *here
	conn   *Conn
	render func(dst []byte, r *engine.Reply) []byte
}

// Answer gives a request its place behind those before it, and returns the Replier for the call that it makes.
// render appends the bytes of the answer to dst; it is called when they may be sent. It must not keep dst. The
// answer goes out in one piece, so it must be smaller than half of Options.Conn.MaxOutbound; protocols with
// longer ones use [Conn.Queue].
func (c *Conn) Answer(render func(dst []byte, r *engine.Reply) []byte) engine.Replier {
	var a *answer
	if n := len(c.here.spare); n > 0 {
		a = c.here.spare[n-1]
		c.here.spare = c.here.spare[:n-1]
	} else {
		a = &answer{here: c.here}
	}
	a.conn, a.render = c, render
	c.Queue(&a.Slot, a)
	return &a.Slot
}

// Say sends b as the answer to a request that no object is asked for, in its place.
func (c *Conn) Say(b []byte) {
	c.Answer(renderValue).Reply(engine.Reply{Value: b})
}

func renderValue(dst []byte, r *engine.Reply) []byte { return append(dst, r.Value...) }

// maxScratch is the largest scratch buffer that is kept.
const maxScratch = 64 << 10

// maxSpare bounds the answers that a loop keeps for later.
const maxSpare = 4096

// Answer is part of [Answerer].
func (a *answer) Answer(r *engine.Reply) bool {
	c, h := a.conn, a.here
	if !c.Gone() {
		b := a.render(h.scratch[:0], r)
		_ = c.Write(b) // fails only if the connection is closed
		if cap(b) <= maxScratch {
			h.scratch = b[:0]
		}
	}
	*a = answer{here: h, Slot: Slot{borrowed: a.borrowed}}
	if len(h.spare) < maxSpare {
		h.spare = append(h.spare, a)
	}
	return true
}
