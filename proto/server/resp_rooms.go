package server

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"everloop/engine"
	"everloop/proto/resp"
)

// Rooms: WebSockets of objects, as channels that clients of Redis subscribe to. docs/format/resp.md, "Rooms".

// roomMember is a membership of one connection: from the request for a WebSocket until that has ended. Owned by its connection's loop.
type roomMember struct {
	s       *respSession
	channel string // "class:name"
	class   string
	ev      *engine.Event     // the request, until it is answered
	end     *engine.WebSocket // once the object has opened one
	err     string            // why it has not: a code and a text
	waiters []*respSlot       // confirmations that wait for the answer

	answered  bool
	held      bool // this connection holds the end
	closed    bool // the end is closed, or lost
	listening bool // not a silent one
	confirmed bool // and the client has been told so
	left      bool // by UNSUBSCRIBE and its like
}

// leaving says which confirmation of leaving a slot is.
type leaving uint8

const (
	leavesNothing leaving = iota
	leavesRoom            // respSlot.join, or one that it is not a member of
	leavesAll
)

// channels reads the rooms of a command: "class:name" each, or one class and one name.
func (s *respSession) channels(args [][]byte) (rooms [][2][]byte, ok bool) {
	if len(args) == 2 && bytes.IndexByte(args[0], ':') < 0 {
		return [][2][]byte{{args[0], args[1]}}, true
	}
	for _, a := range args {
		class, name, ok := bytes.Cut(a, []byte(":"))
		if !ok {
			s.fail("ERR '" + printable(a) + "' is no room: want class:name, or a class and a name")
			return nil, false
		}
		rooms = append(rooms, [2][]byte{class, name})
	}
	return rooms, true
}

func (s *respSession) subscribe(args [][]byte) bool {
	rooms, ok := s.channels(args[1:])
	if !ok {
		return true
	}
	for _, r := range rooms {
		m := s.member(r, true)
		if m == nil {
			continue // it is answered
		}
		if !m.listening {
			m.listening = true
			s.listening++
		}
		x := s.slot()
		x.join = m
		s.c.Queue(&x.Slot, x)
		if m.answered {
			x.Reply(engine.Reply{})
		} else {
			m.waiters = append(m.waiters, x)
		}
	}
	return true
}

// member is the membership of a room, which begins now if there is none. It answers if there can be none.
func (s *respSession) member(r [2][]byte, listening bool) *roomMember {
	channel := string(r[0]) + ":" + string(r[1])
	if m := s.rooms[channel]; m != nil {
		return m
	}
	ns := s.class(r[0])
	switch {
	case ns == nil || !s.named("object", r[1]):
		return nil
	case len(s.rooms) >= s.srv.opts.MaxRooms:
		s.fail(fmt.Sprintf("NOROOM this connection has %d rooms: that is the limit", len(s.rooms)))
		return nil
	case s.here.inFlight >= s.srv.maxInFlight:
		s.fail("OVERLOADED too many commands are under way")
		return nil
	}
	m := &roomMember{s: s, channel: channel, class: ns.Class(), listening: listening}
	if listening {
		s.listening++
	}
	if s.rooms == nil {
		s.rooms = make(map[string]*roomMember)
	}
	s.rooms[channel] = m
	s.here.inFlight++
	name := string(r[1])
	req := &engine.Request{
		Method: "GET", URL: "http://resp/" + url.PathEscape(ns.Class()) + "/" + url.PathEscape(name),
		Header: engine.Header{
			{Name: "host", Value: "resp"},
			{Name: "upgrade", Value: "websocket"},
			{Name: "connection", Value: "Upgrade"},
			{Name: "sec-websocket-version", Value: "13"},
		},
	}
	if s.name != "" {
		req.Header.Add("x-client-name", s.name)
	}
	ev := ns.GetByName(name).StartFetch(req, m)
	if !m.answered {
		m.ev = ev
	}
	return m
}

// Reply is part of [engine.Replier]: the object has answered the request for a WebSocket.
func (m *roomMember) Reply(r engine.Reply) {
	s := m.s
	s.here.inFlight--
	m.answered, m.ev = true, nil
	switch w := r.Response; {
	case r.Err != nil:
		x := respSlot{s: s, class: m.class, method: "fetch"}
		x.log(r.Err)
		m.err = failureText(r.Err, m.class, "fetch")
	case w == nil:
		m.err = "NOROOM the object has not answered"
	case w.Status == 101 && w.WebSocket != nil:
		w.Body.Discard()
		m.end = w.WebSocket
		if s.c.Gone() {
			m.lost()
			return
		}
	default:
		w.Body.Discard()
		m.err = "NOROOM the object does not open a WebSocket: it answers " + strconv.Itoa(w.Status)
		if w.WebSocket != nil && s.c.Port().HoldWebSocket(w.WebSocket, unheard{}) == nil {
			w.WebSocket.Lost()
		}
	}
	if m.err != "" {
		m.forget()
	} else if !m.listening || m.left {
		m.hold()
	}
	waiters := m.waiters
	m.waiters = nil
	for _, x := range waiters {
		x.Reply(engine.Reply{})
	}
	s.proceed() // for a PUBLISH that waits for it
}

// forget takes the membership off the list. A PUBLISH that waits for it finds why in s.refused.
func (m *roomMember) forget() {
	s := m.s
	if s.rooms[m.channel] != m {
		return
	}
	delete(s.rooms, m.channel)
	if m.listening {
		s.listening--
	}
	if m.err != "" && !m.listening {
		s.refused = m
	}
}

// hold makes the connection the holder of the room's WebSocket: from now on messages come.
func (m *roomMember) hold() {
	if m.held || m.closed || m.end == nil {
		return
	}
	s := m.s
	m.held = true
	if err := s.c.Port().HoldWebSocket(m.end, m); err != nil {
		// The object has answered with an end that it holds, or with one twice.
		s.srv.opts.Logger.Error("the WebSocket that an object has answered with cannot be used", "class", m.class, "error", err)
		m.held, m.end = false, nil
		m.err = "NOROOM the object has answered with a WebSocket that is in use"
		m.forget()
		return
	}
	s.here.counters.rooms.Add(1)
	s.here.counters.roomsJoined.Add(1)
	if m.left {
		m.close(1000)
	}
}

// confirm appends the answer to SUBSCRIBE.
func (m *roomMember) confirm(dst []byte, v resp.Version) []byte {
	s := m.s
	if m.err == "" && !m.held && !m.closed {
		m.hold()
		s.proceed()
	}
	if m.err != "" {
		return s.failed(dst, m.err)
	}
	if !m.confirmed {
		m.confirmed = true
		s.confirmed++
	}
	dst = resp.AppendBulkString(resp.AppendPush(dst, v, 3), "subscribe")
	return resp.AppendInt(resp.AppendBulkString(dst, m.channel), int64(s.confirmed))
}

// close says goodbye to the object, if it has not done so.
func (m *roomMember) close(code int) {
	if !m.held || m.closed {
		return
	}
	m.closed = true
	m.s.here.counters.rooms.Add(-1)
	if err := m.end.Close(code, ""); err != nil {
		m.end.Lost()
	}
}

// leave ends the membership, as the client wants.
func (m *roomMember) leave(code int) {
	s := m.s
	delete(s.rooms, m.channel)
	if m.listening {
		s.listening--
	}
	m.left = true
	switch {
	case m.held:
		m.close(code)
	case m.answered && !m.listening:
		m.hold() // and closes
	}
}

// lost ends the membership of a connection that has gone.
func (m *roomMember) lost() {
	if m.ev != nil {
		m.ev.Gone()
		m.ev = nil
	}
	switch {
	case m.end == nil || m.closed:
	case m.held:
		m.closed = true
		m.s.here.counters.rooms.Add(-1)
		m.end.Lost()
	case m.s.c.Port().HoldWebSocket(m.end, unheard{}) == nil:
		m.closed = true
		m.end.Lost()
	}
}

func (s *respSession) leaveAll(code int) {
	for _, channel := range s.channelNames() {
		s.rooms[channel].leave(code)
	}
}

// channelNames are the rooms in an order that does not change from run to run.
func (s *respSession) channelNames() []string {
	var names []string
	for channel := range s.rooms {
		names = append(names, channel)
	}
	slices.Sort(names)
	return names
}

func (s *respSession) unsubscribe(args [][]byte) bool {
	if len(args) == 1 {
		left := false
		for _, channel := range s.channelNames() {
			m := s.rooms[channel]
			m.leave(1000)
			if m.listening {
				left = true
				s.sayLeft(channel, m)
			}
		}
		if !left {
			s.sayLeft("", nil)
		}
		return true
	}
	rooms, ok := s.channels(args[1:])
	if !ok {
		return true
	}
	for _, r := range rooms {
		channel := string(r[0]) + ":" + string(r[1])
		m := s.rooms[channel]
		if m != nil {
			m.leave(1000)
		}
		s.sayLeft(channel, m)
	}
	return true
}

// sayLeft answers UNSUBSCRIBE for one room. m is what was left, or nil.
func (s *respSession) sayLeft(channel string, m *roomMember) {
	x := s.slot()
	x.leaves, x.leave, x.join = leavesRoom, channel, m
	s.c.Queue(&x.Slot, x)
	x.Reply(engine.Reply{})
}

// renderLeft appends the answer to UNSUBSCRIBE.
func (x *respSlot) renderLeft(dst []byte) []byte {
	s := x.s
	if m := x.join; m != nil && m.confirmed {
		m.confirmed = false
		s.confirmed--
	}
	dst = resp.AppendBulkString(resp.AppendPush(dst, x.v, 3), "unsubscribe")
	if x.leave == "" {
		dst = resp.AppendNull(dst, x.v)
	} else {
		dst = resp.AppendBulkString(dst, x.leave)
	}
	return resp.AppendInt(dst, int64(s.confirmed))
}

var sayOne = []byte(":1\r\n")

// publish says something to a room.
func (s *respSession) publish(args [][]byte) bool {
	if len(args) > 4 {
		return s.syntax()
	}
	rooms, ok := s.channels(args[1 : len(args)-1])
	if !ok {
		return true
	}
	if len(rooms) != 1 {
		return s.syntax()
	}
	channel := string(rooms[0][0]) + ":" + string(rooms[0][1])
	if m := s.refused; m != nil && m.channel == channel {
		s.refused = nil
		s.fail(m.err)
		return true
	}
	s.refused = nil
	m := s.member(rooms[0], false)
	switch {
	case m == nil:
		return true
	case m.err != "": // it was refused at once
		s.refused = nil
		s.fail(m.err)
		return true
	case !m.held:
		// The object has not answered, or the client has not been told: this command is read again then.
		s.c.Await()
		return false
	case !m.closed && !m.end.Room():
		s.c.Hold()
		return false
	}
	s.here.counters.messagesIn.Add(1)
	data := bytes.Clone(args[len(args)-1])
	s.say(sayOne) // first: the object may answer at once
	if !m.closed {
		if err := m.end.Send(&engine.Message{Text: utf8.Valid(data), Data: data}); err != nil {
			s.srv.opts.Logger.Error("a message of a room's member cannot be passed on", "error", err)
		}
	}
	return true
}

// Message is part of [engine.SocketSink].
func (m *roomMember) Message(msg *engine.Message) {
	s := m.s
	if !m.listening || !m.confirmed || m.left || s.c.Gone() {
		return
	}
	s.here.counters.messagesOut.Add(1)
	b := resp.AppendBulkString(resp.AppendPush(make([]byte, 0, 48+len(m.channel)), s.v, 3), "message")
	b = resp.AppendBulkHeader(resp.AppendBulkString(b, m.channel), len(msg.Data))
	s.push(b, msg.Data, lineEnd)
}

var lineEnd = []byte("\r\n")

// Closed is part of [engine.SocketSink]: the object has closed, or is gone.
func (m *roomMember) Closed(code int, reason string, clean bool) {
	if !m.closed {
		m.closed = true
		m.s.here.counters.rooms.Add(-1)
		if clean {
			answer := code
			if answer == engine.CloseNoStatus {
				answer = 0
			}
			if err := m.end.Close(answer, ""); err != nil {
				m.end.Lost()
			}
		}
	}
	m.ended(code, reason)
}

// Failed is part of [engine.SocketSink].
func (m *roomMember) Failed(error) { m.Closed(engine.CloseAbnormal, "", false) }

// ended tells the client, if it has not left itself, that it is no member any more.
func (m *roomMember) ended(code int, reason string) {
	s := m.s
	if m.left || s.rooms[m.channel] != m {
		return
	}
	m.left = true
	delete(s.rooms, m.channel)
	if m.listening {
		s.listening--
	}
	if !m.confirmed {
		return
	}
	m.confirmed = false
	s.confirmed--
	b := resp.AppendBulkString(resp.AppendPush(nil, s.v, 5), "unsubscribe")
	b = resp.AppendInt(resp.AppendBulkString(b, m.channel), int64(s.confirmed))
	b = resp.AppendBulkString(resp.AppendInt(b, int64(code)), reason)
	s.push(b)
}

// Room is part of [engine.SocketRoomer]: the object has room again.
func (m *roomMember) Room() { m.s.proceed() }
