package proto

import (
	"errors"
	"math"

	"everloop/engine"
	"everloop/loop"
)

// ErrStalled closes a connection whose client takes nothing of what waits for it; see [Options.WriteTimeout].
var ErrStalled = errors.New("proto: the client does not read: nothing was sent for too long")

// Conn is a connection as a protocol sees it: a [loop.Conn] joined with the engine. Owned by its loop. All methods
// are safe after the connection has closed. SetHandler, SetContext, PauseReading and ResumeReading are this
// package's; a session changes protocols by Become, and holds up its client by not asking for Room, or by Hold.
type Conn struct {
	loop.Conn
	handler *Handler
	here    *here
	session Session

	earlier, later *Conn // the connections of this loop, the newest first

	// The answers under way, in the order of their requests.
	first, last *Slot
	inFlight    int
	advancing   bool // answers are being written: not to be entered again

	wantRoom  bool // Room said no
	held      bool // Hold or Await was called
	awaits    bool // Await was
	peerEnded bool // the client has finished sending
	finishing bool // no further request; close after the last answer
	broken    bool // a write has failed: the connection has closed, or is about to
	gone      bool // Closed was called

	timer    loop.Timer
	armed    int64 // the moment that timer is set for, or never
	deadline int64 // of the session, or never
	watch    int64 // when to look whether the client reads, or never
	written  int64 // bytes given to Write
	taken    int64 // written, less what waited, when watch was set
}

const never = math.MaxInt64

// here is what the connections of one loop share. Owned by its loop.
type here struct {
	loop    loop.Loop
	port    *engine.Port
	conns   *Conn     // all of the handler's, linked through later
	scratch []byte    // what answers are rendered into; lives for one call of a render function
	spare   []*answer // for Answer
}

// Port is the engine's door on this connection's loop.
func (c *Conn) Port() *engine.Port { return c.here.port }

// Become makes s the session from now on: a change of protocols in mid-connection. Answers that are under way
// keep their place. It is called in a method of the present session, whose Closed is not called.
func (c *Conn) Become(s Session) { c.session = s }

// Session is the present session.
func (c *Conn) Session() Session { return c.session }

// InFlight is the number of answers under way.
func (c *Conn) InFlight() int { return c.inFlight }

// Gone reports whether the connection has closed. What is written goes nowhere then.
func (c *Conn) Gone() bool { return c.gone || c.broken }

// Write appends b to what waits to be sent, as [loop.Conn] has it. In a method that answers a slot, write no more
// than [Conn.WriteRoom] at a time.
func (c *Conn) Write(b []byte) error {
	if err := c.Conn.Write(b); err != nil {
		c.broken = true
		return err
	}
	c.written += int64(len(b))
	if c.watch == never {
		c.watchWrites()
	}
	return nil
}

// WriteRoom is the number of bytes that can be written before the answer should wait for the client, at least 0.
func (c *Conn) WriteRoom() int { return max(0, c.handler.opts.HighWater-c.Conn.Outbound()) }

// Room reports whether another request may begin. If not, because too many are under way, the client does not
// take its answers, or the connection is finishing, then reading pauses, and Data is called when there is room
// again. A session asks before each request.
func (c *Conn) Room() bool {
	switch {
	case c.finishing || c.gone || c.broken:
		return false
	case c.inFlight < c.handler.opts.MaxInFlight && c.Conn.Outbound() < c.handler.opts.HighWater:
		return true
	}
	if !c.wantRoom {
		c.wantRoom = true
		c.Conn.PauseReading()
	}
	return false
}

// giveRoom goes on reading when half of the answers are out: not with the first, as that would be a pause and a
// resumption for each request of a client that always has one more.
func (c *Conn) giveRoom() {
	if !c.wantRoom || c.inFlight > c.handler.opts.MaxInFlight/2 || c.Conn.Outbound() >= c.handler.opts.HighWater {
		return
	}
	c.wantRoom = false
	c.resume()
}

// Hold stops reading, so that TCP holds the client up: the session has no room for what comes next. Data is not called until
// Proceed, which goes on, also with what is left in Inbound.
func (c *Conn) Hold() {
	if !c.held {
		c.held = true
		c.Conn.PauseReading()
	}
}

// Await is Hold for a session that waits for something of its own: what comes is received meanwhile, up to
// Options.Conn.MaxInbound, so that it is noticed when the client leaves.
func (c *Conn) Await() {
	if !c.held {
		c.held, c.awaits = true, true
	}
}

// Proceed ends Hold and Await.
func (c *Conn) Proceed() {
	if !c.held {
		return
	}
	if c.awaits && len(c.Conn.Inbound()) > 0 {
		c.Conn.PauseReading() // so that resuming has Data called
	}
	c.held, c.awaits = false, false
	c.resume()
}

// Held reports whether Hold or Await was called.
func (c *Conn) Held() bool { return c.held }

// resume reads on, if nothing stands against it.
func (c *Conn) resume() {
	if !c.finishing && !c.wantRoom && !c.held {
		c.Conn.ResumeReading()
		c.settle()
	}
}

// Finish takes no further request, and closes the connection when the answers that are under way have been
// sent.
func (c *Conn) Finish() {
	if c.finishing || c.gone {
		return
	}
	c.finishing = true
	c.SetDeadline(never)
	c.Conn.PauseReading()
	c.settle()
}

// Finishing reports whether Finish was called.
func (c *Conn) Finishing() bool { return c.finishing }

// Settle finishes the connection if its client has finished sending and nothing is left to read: for a [Keeper] that has seen what it kept.
func (c *Conn) Settle() { c.settle() }

// settle does what waits for the last answer.
func (c *Conn) settle() {
	if c.peerEnded && !c.finishing && len(c.Conn.Inbound()) == 0 {
		c.allRead()
		return
	}
	if c.finishing && c.first == nil && !c.gone {
		c.Conn.Close(nil)
	}
}

// data passes on bytes that have arrived.
func (c *Conn) data() {
	if c.finishing || c.held {
		return
	}
	c.session.Data()
	c.allRead()
}

func (c *Conn) halfClosed() {
	c.peerEnded = true
	for s := c.first; s != nil; s = s.next {
		if l, ok := s.answerer.(Leaver); ok {
			l.Leaving()
		}
	}
	c.allRead()
}

// allRead finishes if the client has finished sending and the session has seen all that it will: what is left is the
// beginning of something that will never be complete.
func (c *Conn) allRead() {
	if !c.peerEnded || c.wantRoom || c.held || c.finishing || c.gone {
		return
	}
	if k, ok := c.session.(Keeper); ok && k.Keeps() {
		return
	}
	c.Finish()
	if e, ok := c.session.(Ender); ok {
		e.Ended()
	}
}

func (c *Conn) drained() {
	c.advance()
	if d, ok := c.session.(Drained); ok {
		d.Drained()
	}
	c.giveRoom()
}

// closed ends everything: answers that are ready go nowhere, and the others will when they come.
func (c *Conn) closed(err error) {
	c.gone = true
	c.Conn.Loop().Cancel(c.timer)
	c.session.Closed(err)
	s := c.first
	c.first, c.last = nil, nil
	for s != nil {
		next := s.next
		s.next = nil
		if s.done {
			c.write(s)
		} else if a, ok := s.answerer.(Abandoner); ok {
			a.Abandon()
		}
		s = next
	}
}
