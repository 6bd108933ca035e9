package server

import (
	"errors"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
	"everloop/proto/resp"
)

// respSession is one connection of RESP. Owned by its loop.
type respSession struct {
	srv    *RESP
	here   *respHere
	c      *proto.Conn
	reader resp.CommandReader

	v        resp.Version
	encoding encoding
	authed   bool
	failures int  // to authenticate
	punished bool // the answer to the last of them is still to come: nothing is read
	name     string
	lib      [2]string // LIB-NAME, LIB-VER

	// long is what has come of a long command, and behind it: more than the connection's buffer should hold. It counts for the loop.
	long   []byte
	stuck  bool // something in long was not read because there was no room for its answer
	posted bool // Data will be called for long

	since   int64 // when the present stretch of a command, or of having none, began
	got     int   // bytes that have come in it
	left    int   // bytes of the connection's buffer that have been counted and are still there
	partial bool  // a command has begun to come

	rooms     map[string]*roomMember // by "class:name"; nil: none
	listening int                    // rooms that are no silent ones, as the client will have been told when all that is under way is answered
	confirmed int                    // as it has been told
	refused   *roomMember            // the last silent membership that there was not to be, for the PUBLISH that waits for it

	// Messages that the connection has no room for. They go out between answers, never within one, and an answer never within one of them.
	waiting   []piece
	behind    int
	inMessage bool // a message has been written in part
	inAnswer  bool // an answer has
}

// piece is a part of a message that waits.
type piece struct {
	b   []byte
	end bool // of the message
}

var (
	_ proto.Session = (*respSession)(nil)
	_ proto.Drainer = (*respSession)(nil)
	_ proto.Drained = (*respSession)(nil)
	_ proto.Expirer = (*respSession)(nil)
	_ proto.Keeper  = (*respSession)(nil)
)

// encoding is how results are written.
type encoding uint8

const (
	encodingUnset encoding = iota // JSON in version 2, NATIVE in version 3
	encodingJSON
	encodingNative
	encodingValue
	encodingBytes // of CALLB
)

// reset is the state of a new connection, but for rooms and failures.
func (s *respSession) reset() {
	s.v, s.encoding, s.name, s.lib = resp.V2, encodingUnset, "", [2]string{}
	s.authed = s.srv.opts.Password == ""
}

// strangerLimits bound the commands of a client that has not authenticated itself.
var strangerLimits = resp.Limits{Args: 16, Bulk: 16 << 10, Command: 16 << 10, Inline: 16 << 10}

func (s *respSession) limits() *resp.Limits {
	if s.authed {
		return &s.srv.opts.Limits
	}
	return &strangerLimits
}

// Data reads commands.
func (s *respSession) Data() {
	in := s.c.Inbound()
	s.got += len(in) - s.left
	s.left = 0
	if s.long != nil {
		if !s.keep(in) {
			return
		}
		in = s.long
	}
	used, began := 0, s.partial
	s.stuck = false
	s.partial = false
	kept := s.here.args // nobody else reads commands into it meanwhile
	s.here.args = nil
	for s.c.Room() && !s.c.Held() {
		args, n, err := s.reader.Read(in[used:], kept[:0], s.limits())
		if err != nil {
			s.here.counters.protocolErrors.Add(1)
			s.fail("ERR " + err.Error())
			s.c.Finish()
			used = len(in)
			break
		}
		if n == 0 {
			s.partial = used < len(in)
			break
		}
		s.reader = resp.CommandReader{}
		kept = args
		if len(args) > 0 && !s.command(args) {
			break // it is read again
		}
		if s.c.Gone() {
			return
		}
		used += n
		s.since, s.got, began = s.here.loop.Now(), len(in)-used, false
	}
	s.stuck = s.long != nil && used < len(in) && !s.partial && !s.c.Held()
	if kept = kept[:cap(kept)]; cap(kept) <= maxScratch/24 {
		clear(kept)
		s.here.args = kept[:0]
	}
	if s.partial && !began {
		s.since, s.got = s.here.loop.Now(), len(in)-used
	}
	s.consume(in, used)
	s.left = len(s.c.Inbound())
	s.schedule()
}

// proceed goes on with reading after Hold and Await.
func (s *respSession) proceed() {
	if s.punished {
		return
	}
	s.c.Proceed()
	s.again()
}

// again has Data called for what is left in long, as nothing else does when the connection's buffer is empty.
func (s *respSession) again() {
	if s.long == nil || s.posted {
		return
	}
	s.posted = true
	s.here.loop.Post(loop.Func(func() {
		s.posted = false
		if !s.c.Gone() && !s.c.Finishing() && !s.c.Held() {
			s.Data()
			s.c.Settle()
		}
	}))
}

// Keeps is part of [proto.Keeper]: what long has beyond the beginning of a command is still to be read.
func (s *respSession) Keeps() bool { return s.long != nil && !s.partial }

// consume discards what was read, and keeps elsewhere what a long command has of the connection's buffer.
func (s *respSession) consume(in []byte, used int) {
	if s.long == nil {
		s.c.Discard(used)
		if rest := s.c.Inbound(); s.partial && len(rest) >= s.srv.opts.Conn.MaxInbound/2 {
			s.long = make([]byte, 0, 2*len(rest))
			s.keep(rest)
		}
		return
	}
	if used == 0 {
		return
	}
	rest := in[used:]
	s.here.argBytes -= int64(used)
	if len(rest) == 0 {
		s.long = nil
		return
	}
	if cap(s.long) > 4*len(rest)+maxScratch {
		s.long = append(make([]byte, 0, 2*len(rest)), rest...)
		return
	}
	s.long = s.long[:copy(s.long, rest)]
}

// keep moves what has come to long. It reports false if that is too much, and the connection closes.
func (s *respSession) keep(in []byte) bool {
	if s.here.argBytes+int64(len(in)) > s.srv.maxArgMemory {
		s.c.Abort(ErrArgMemory)
		return false
	}
	s.here.argBytes += int64(len(in))
	s.long = append(s.long, in...)
	s.c.Discard(len(in))
	return true
}

// schedule sets the deadline for what the session waits for.
func (s *respSession) schedule() {
	if s.c.Finishing() || s.c.Gone() {
		return
	}
	o := &s.srv.opts
	switch {
	case s.c.Held():
		s.c.SetDeadline(proto.NoDeadline) // nothing is the client's fault
	case s.partial:
		s.c.SetDeadline(s.since + o.CommandTimeout.Milliseconds())
	case o.IdleTimeout > 0:
		s.c.SetDeadline(s.since + o.IdleTimeout.Milliseconds())
	default:
		s.c.SetDeadline(proto.NoDeadline)
	}
}

// Expired is part of [proto.Expirer].
func (s *respSession) Expired() {
	now := s.here.loop.Now()
	switch {
	case s.partial && s.c.InFlight() == 0 && int64(s.got) < s.srv.minBytes:
		s.fail("ERR the command came too slowly")
		s.c.Finish()
		return
	case s.partial:
	case s.c.InFlight() == 0 && len(s.rooms) == 0:
		s.c.Finish()
		return
	}
	s.since, s.got = now, 0
	s.schedule()
}

// Drain is part of [proto.Drainer].
func (s *respSession) Drain() {
	s.leaveAll(1001)
	s.c.Finish()
}

// Closed is part of [proto.Session].
func (s *respSession) Closed(err error) {
	s.here.argBytes -= int64(len(s.long))
	s.here.roomBytes -= int64(s.behind)
	s.long, s.waiting, s.behind = nil, nil, 0
	if errors.Is(err, ErrBacklog) || errors.Is(err, proto.ErrStalled) && len(s.rooms) > 0 {
		s.here.counters.roomsSlow.Add(1)
	}
	if err != nil {
		s.srv.opts.Logger.Debug("a connection of RESP was lost", "remote", s.c.RemoteAddr(), "error", err)
	}
	for _, m := range s.rooms {
		m.lost()
	}
	s.rooms = nil
}

// respSlot is one command and its answer. Owned by its connection's loop, and used again.
type respSlot struct {
	proto.Slot
	s        *respSession
	v        resp.Version // in which it was asked
	encoding encoding
	text     []byte // the answer, if it is known; it is not changed
	known    bool
	call     bool // of an object
	ev       *engine.Event
	class    string
	method   string
	held     int64       // bytes of arguments, as they count for the loop
	join     *roomMember // whose confirmation it is
	leave    string      // the room that was left
	leaves   leaving
	listed   *listed // of OBJECTS
	rest     []byte  // of the answer: what has not been written
	begun    bool
	starting bool // the call that it is of has not returned
	finished bool // answered while starting
}

const maxSpareSlots = 4096

func (s *respSession) slot() *respSlot {
	h := s.here
	var x *respSlot
	if n := len(h.spare); n > 0 {
		x = h.spare[n-1]
		h.spare = h.spare[:n-1]
	} else {
		x = new(respSlot)
	}
	x.s, x.v = s, s.v
	return x
}

// say answers the command that is being read with b, which must not be changed.
func (s *respSession) say(b []byte) {
	x := s.slot()
	x.text, x.known = b, true
	s.c.Queue(&x.Slot, x)
	x.Reply(engine.Reply{})
}

// fail answers the command that is being read with an error.
func (s *respSession) fail(codeAndText string) {
	s.here.counters.errors.Add(1)
	s.say(resp.AppendError(nil, clip(codeAndText)))
}

// maxErrorText bounds the text of an error.
const maxErrorText = 4 << 10

func clip(text string) string {
	if len(text) > maxErrorText {
		return text[:maxErrorText-3] + "..."
	}
	return text
}

// Answer is part of [proto.Answerer].
func (x *respSlot) Answer(r *engine.Reply) bool {
	s := x.s
	if s.c.Gone() {
		if x.join != nil {
			x.join.lost()
		}
		x.finish()
		return true
	}
	if s.inMessage {
		return false // goes on when the message is out
	}
	if !x.begun {
		x.begun = true
		h := s.here
		b := x.text
		switch {
		case x.leaves == leavesAll:
			s.confirmed = 0
		case !x.known:
			b = x.render(h.rendered[:0], r)
		}
		n := min(len(b), s.c.WriteRoom())
		_ = s.c.Write(b[:n]) // fails only if the connection has closed
		if n < len(b) && !s.c.Gone() {
			x.rest = b[n:]
			if !x.known {
				h.rendered = nil // the rest is in it
			}
			s.inAnswer = true
			return false
		}
		if !x.known && cap(b) <= maxScratch {
			h.rendered = b[:0]
		}
	} else {
		n := min(len(x.rest), s.c.WriteRoom())
		_ = s.c.Write(x.rest[:n])
		if x.rest = x.rest[n:]; len(x.rest) > 0 && !s.c.Gone() {
			return false
		}
		s.inAnswer = false
	}
	x.finish()
	if len(s.waiting) > 0 {
		s.flush()
	}
	if s.stuck {
		s.again()
	}
	return true
}

// finish gives back what the command has of the loop's bounds.
func (x *respSlot) finish() {
	h := x.s.here
	if x.call {
		h.inFlight--
		h.argBytes -= x.held
		h.counters.answered.Add(1)
	}
	if x.finished = true; x.starting {
		return // it is still looked at
	}
	h.recycle(x)
}

func (h *respHere) recycle(x *respSlot) {
	*x = respSlot{}
	if len(h.spare) < maxSpareSlots {
		h.spare = append(h.spare, x)
	}
}

// Leaving is part of [proto.Leaver].
func (x *respSlot) Leaving() {
	if x.ev != nil {
		x.ev.Leaving()
	}
}

// Abandon is part of [proto.Abandoner]: the client has gone, and the event's context ends.
func (x *respSlot) Abandon() {
	if x.ev != nil {
		x.ev.Gone()
	}
}

// push sends a message, in pieces that are not changed, as soon as there is room for it and no answer is in the middle.
func (s *respSession) push(pieces ...[]byte) {
	if s.c.Gone() {
		return
	}
	n := 0
	for _, b := range pieces {
		n += len(b)
	}
	if s.c.Outbound()+s.behind > s.srv.opts.MaxUnsent {
		s.c.Abort(ErrBacklog)
		return
	}
	if len(s.waiting) == 0 && !s.inAnswer && s.c.WriteRoom() >= n {
		for _, b := range pieces {
			_ = s.c.Write(b)
		}
		return
	}
	for i, b := range pieces {
		s.waiting = append(s.waiting, piece{b, i == len(pieces)-1})
	}
	s.behind += n
	s.here.roomBytes += int64(n)
	if s.here.roomBytes > s.srv.maxRoomMemory {
		s.c.Abort(ErrBacklog)
		return
	}
	s.flush()
}

// flush writes messages that wait, as far as there is room.
func (s *respSession) flush() {
	for len(s.waiting) > 0 && !s.inAnswer && !s.c.Gone() {
		p := &s.waiting[0]
		n := min(len(p.b), s.c.WriteRoom())
		if n == 0 && len(p.b) > 0 {
			return
		}
		_ = s.c.Write(p.b[:n]) // fails only if the connection has closed
		s.behind -= n
		s.here.roomBytes -= int64(n)
		if p.b = p.b[n:]; len(p.b) > 0 {
			s.inMessage = true
			return
		}
		s.inMessage = !p.end
		*p = piece{}
		if s.waiting = s.waiting[1:]; len(s.waiting) == 0 {
			s.waiting = nil
		}
	}
}

// Drained is part of [proto.Drained].
func (s *respSession) Drained() {
	if s.stuck {
		s.again()
	}
	if len(s.waiting) == 0 {
		return
	}
	s.flush()
	if !s.inMessage {
		s.c.Continue() // answers have waited for the message's end
	}
}
