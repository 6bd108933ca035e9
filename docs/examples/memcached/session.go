package main

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
)

// memcached is the protocol: it makes a session for each connection, on the connection's loop.
type memcached struct{}

func (memcached) Open(c *proto.Conn) proto.Session {
	return &session{c: c, items: c.Port().Namespace("Item")}
}

// options are the bounds of connections: a command must fit into what is kept of one unread.
func options() proto.Options {
	return proto.Options{Conn: loop.ListenOptions{MaxInbound: maxLine + maxValue + 4}, MaxInFlight: 1024}
}

// session is one connection. Owned by its loop.
type session struct {
	c       *proto.Conn
	items   *engine.Namespace
	cmd     command // which is being read
	scratch []byte  // the arguments of a call, which CallByName does not keep
}

func (s *session) Closed(error) {}

// Data is called when bytes have arrived, or when there is room again.
func (s *session) Data() {
	for s.c.Room() {
		n, fatal := readCommand(s.c.Inbound(), &s.cmd)
		if n == 0 {
			return
		}
		if s.cmd.refused != "" {
			s.say(s.cmd.refused)
		} else {
			s.run(&s.cmd)
		}
		s.c.Discard(n)
		if fatal {
			s.c.Finish()
			return
		}
	}
}

func (s *session) say(text string) {
	if !s.cmd.noreply {
		s.c.Say([]byte(text))
	}
}

func (s *session) run(c *command) {
	switch c.name {
	case "get", "gets", "gat", "gats":
		s.retrieve(c)
	case "version":
		s.say("VERSION 1.6.0-everloop\r\n")
	case "verbosity":
		s.say("OK\r\n")
	case "quit":
		s.c.Finish()
	default:
		s.scratch = appendArgs(s.scratch[:0], s.expiry(c.exptime), c.number, c.flags, c.data)
		render := answer
		if c.noreply {
			render = silence // it has its place all the same, so that there is a bound on what is under way
		}
		s.items.CallByName(c.keys[0], c.name, s.scratch, s.c.Answer(render))
		if cap(s.scratch) > 64<<10 {
			s.scratch = nil
		}
	}
}

// answer writes what an object has answered.
func answer(dst []byte, r *engine.Reply) []byte {
	if r.Err != nil {
		return appendFailure(dst, r.Err)
	}
	return append(dst, r.Value...)
}

func silence(dst []byte, _ *engine.Reply) []byte { return dst }

func appendFailure(dst []byte, err error) []byte {
	return fmt.Appendf(dst, "SERVER_ERROR %.200q\r\n", err.Error())
}

// expiry makes of an exptime a moment in milliseconds since 1970, or 0 for none: up to 30 days it is seconds from now, above seconds
// since 1970, and below 0 at once.
func (s *session) expiry(exptime int64) int64 {
	const month, latest = 60 * 60 * 24 * 30, 8_640_000_000_000 // the last is what an alarm can be set to
	_, now := s.c.Loop().Clock()
	switch {
	case exptime == 0:
		return 0
	case exptime < 0:
		return 1
	case exptime <= month:
		return now + exptime*1000
	default:
		return min(exptime, latest) * 1000
	}
}

// retrieval is a get of one or more keys. Their answers may come in any order; they are written in the order of the keys.
type retrieval struct {
	s     *session
	slot  proto.Slot // its place among the answers of the connection
	items []item
	left  int
	cas   bool
	err   error
}

// item is the Replier of one key.
type item struct {
	r    *retrieval
	key  []byte
	data []byte // as it is stored; empty if there is none
}

func (s *session) retrieve(c *command) {
	r := &retrieval{s: s, left: len(c.keys), items: make([]item, len(c.keys)), cas: c.name[len(c.name)-1] == 's'}
	s.c.Queue(&r.slot, r)
	method := "get"
	if c.name[1] == 'a' {
		method = "gat"
	}
	s.scratch = appendArgs(s.scratch[:0], s.expiry(c.exptime), 0, 0, nil)
	for i, key := range c.keys {
		r.items[i] = item{r: r, key: append([]byte(nil), key...)}
		s.items.CallByName(key, method, s.scratch, &r.items[i])
	}
}

// Reply is called for each key.
func (it *item) Reply(reply engine.Reply) {
	if reply.Err != nil {
		it.r.err = reply.Err
	}
	it.data = append([]byte(nil), reply.Value...) // what is lent would be gone by the time of the last
	if it.r.left--; it.r.left == 0 {
		it.r.slot.Reply(engine.Reply{})
	}
}

// Answer is called when it is this answer's turn, and again when the client has taken enough: each time it writes as many items as there is
// room for.
func (r *retrieval) Answer(*engine.Reply) (done bool) {
	c := r.s.c
	if r.err != nil {
		_ = c.Write(appendFailure(nil, r.err)) // fails only if the connection is closed, and so below
		return true
	}
	for len(r.items) > 0 && !c.Gone() {
		if c.WriteRoom() == 0 {
			return false
		}
		it := &r.items[0]
		if len(it.data) > 0 {
			b := append([]byte("VALUE "), it.key...)
			b = strconv.AppendUint(append(b, ' '), uint64(binary.BigEndian.Uint32(it.data[8:])), 10)
			b = strconv.AppendInt(append(b, ' '), int64(len(it.data)-itemHeader), 10)
			if r.cas {
				b = strconv.AppendUint(append(b, ' '), binary.BigEndian.Uint64(it.data), 10)
			}
			b = append(append(append(b, "\r\n"...), it.data[itemHeader:]...), "\r\n"...)
			_ = c.Write(b)
		}
		r.items = r.items[1:]
	}
	_ = c.Write([]byte("END\r\n"))
	return true
}
