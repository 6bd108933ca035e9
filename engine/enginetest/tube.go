package enginetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"everloop/engine"
	"everloop/loop"
)

const maxTubes = 8 // in one life

// tube is a WebSocket between a client outside and an object that holds it hibernatably. What is sent into it is numbered in each direction; what an object
// sends carries what it knows.
type tube struct {
	w        *world
	n        int
	obj      *object
	loop     loop.Loop
	ws       *engine.WebSocket // the client's end
	accepted knowledge         // of the object, when it accepted the other one

	sentUp, heardUp     uint64
	sentDown, heardDown uint64
	handling            *thread // its event that is under way
	over                bool    // the object has been told of its end
	ended               bool    // for the client: it has left, or was told of the end
	clean               bool    // that end was a Close: its connection may be lost all the same
}

func (s *tube) String() string { return fmt.Sprintf("socket %d of %s", s.n, s.obj.name) }

// plumb does one thing with the sockets of clients.
func (w *world) plumb() {
	if len(w.socketed) == 0 {
		return
	}
	if n := len(w.tubes); n == 0 || n < maxTubes && w.pick(4) == 0 {
		w.connect()
		return
	}
	s := w.tubes[w.pick(len(w.tubes))]
	what := w.pick(12)
	s.loop.Post(loop.Func(func() {
		if w.over || s.ws == nil || s.ended {
			return
		}
		switch what {
		case 0:
			w.note("%s: the client closes it", s)
			if err := s.ws.Close(1000, "bye"); err != nil {
				w.fail(Answers, "%s: %v", s, err)
			}
		case 1:
			w.note("%s: the client is lost", s)
			s.ended = true
			s.ws.Lost()
		default:
			if s.ws.ReadyState() != engine.SocketOpen {
				return
			}
			s.sentUp++
			w.note("%s: the client sends %d", s, s.sentUp)
			if err := s.ws.Send(engine.BinaryMessage(binary.BigEndian.AppendUint64(nil, s.sentUp))); err != nil {
				w.fail(Answers, "%s: %v", s, err)
			}
		}
	}))
}

// connect opens a socket to an object, from a loop.
func (w *world) connect() {
	w.numbers++
	s := &tube{w: w, n: len(w.tubes), obj: w.socketed[w.pick(len(w.socketed))], loop: w.pool.Loop(w.pick(w.pool.Len()))}
	w.tubes = append(w.tubes, s)
	w.note("%s: is asked for", s)
	w.unanswered++
	s.loop.Post(loop.Func(func() {
		port := w.engine.Port(s.loop)
		req := &engine.Request{Method: "GET", URL: "http://sim/", Body: engine.Bytes(binary.BigEndian.AppendUint64(nil, uint64(s.n)))}
		port.Namespace(className).GetByName(s.obj.name).StartFetch(req, engine.ReplyFunc(func(r engine.Reply) {
			if w.over {
				return
			}
			w.unanswered--
			what := fmt.Sprintf("%s: the answer", s)
			w.note("%s: %v", what, r.Err)
			w.plausible(what, r.Err)
			if r.Err != nil {
				s.ended = true
				return
			}
			w.leaves(what, s.obj, &s.accepted, w.journal.Durable())
			s.ws = r.Response.WebSocket
			if err := port.HoldWebSocket(s.ws, s); err != nil {
				w.fail(Answers, "%s: %v", s, err)
			}
		}))
	}))
}

// Fetch accepts a socket.
func (in *instance) Fetch(_ context.Context, r *engine.Request) (_ *engine.Response, err error) {
	w := in.w
	if w.over {
		return nil, errOnPurpose
	}
	s := w.tubes[binary.BigEndian.Uint64(r.Body.Bytes())]
	t := w.thread(in, fmt.Sprintf("%s, being accepted", s), 0, nil, false)
	t.begin()
	defer t.end()
	if w.pick(2) == 0 {
		t.write(true, "a")
	}
	client, server := in.st.WebSocketPair()
	if err := in.st.AcceptWebSocket(server, strconv.Itoa(s.n)); err != nil {
		return nil, err
	}
	if err := server.SetAttachment(r.Body.Bytes()); err != nil {
		return nil, err
	}
	s.accepted = in.knows
	return &engine.Response{Status: 101, WebSocket: client}, nil
}

// tube is the model of a socket.
func (in *instance) tube(ws *engine.WebSocket) *tube {
	s := in.w.tubes[binary.BigEndian.Uint64(ws.Attachment())]
	if tags, err := in.st.Tags(ws); err != nil || len(tags) != 1 || tags[0] != strconv.Itoa(s.n) {
		in.w.fail(Wrong, "%s: its tags are %q, %v", s, tags, err)
	}
	return s
}

// WebSocketMessage takes a message: it is the next of its socket, and its handler runs a program.
func (in *instance) WebSocketMessage(_ context.Context, ws *engine.WebSocket, m *engine.Message) error {
	w := in.w
	if w.over {
		return errOnPurpose
	}
	s := in.tube(ws)
	t := w.thread(in, fmt.Sprintf("message of %s", s), 2, nil, true)
	t.begin()
	n := binary.BigEndian.Uint64(m.Data)
	w.note("%s: is %d", t.name, n)
	switch {
	case n != s.heardUp+1:
		w.fail(Answers, "%s: message %d is delivered after %d", s, n, s.heardUp)
	case s.over:
		w.fail(Answers, "%s: message %d is delivered after the end", s, n)
	case s.handling != nil && !s.handling.in.gone():
		w.fail(Answers, "%s: message %d is delivered while %s is under way", s, n, s.handling.name)
	}
	s.heardUp, s.handling = n, t
	defer func() {
		if s.handling == t {
			s.handling = nil
		}
	}()
	err := t.program()
	t.end()
	return err
}

// WebSocketClose is told of the end.
func (in *instance) WebSocketClose(_ context.Context, ws *engine.WebSocket, code int, _ string, clean bool) error {
	w := in.w
	if w.over {
		return errOnPurpose
	}
	s := in.tube(ws)
	t := w.thread(in, fmt.Sprintf("end of %s", s), 0, nil, false)
	t.begin()
	defer t.end()
	w.note("%s: %d", t.name, code)
	if s.over || s.heardUp != s.sentUp || clean != (code == 1000) {
		w.fail(Answers, "%s: its end (%d, clean %v) is told with %d of %d messages, and was told before: %v", s, code, clean, s.heardUp, s.sentUp, s.over)
	}
	s.over = true
	return nil
}

// say sends something to one of the object's clients, or to all.
func (t *thread) say() {
	w, in := t.w, t.in
	list := in.st.WebSockets()
	if len(list) == 0 {
		return
	}
	if w.pick(2) > 0 {
		list = list[:1]
	}
	for _, ws := range list {
		s := in.tube(ws)
		if ws.ReadyState() != engine.SocketOpen {
			continue
		}
		s.sentDown++
		w.note("%s: sends %d into %s", t.name, s.sentDown, s)
		if err := ws.Send(engine.BinaryMessage(binary.BigEndian.AppendUint64(w.remember(&in.knows, in.obj, nil), s.sentDown))); err != nil {
			w.fail(Answers, "%s: %v", s, err)
		}
	}
}

// Message is part of engine.SocketSink: the client gets a message.
func (s *tube) Message(m *engine.Message) {
	w := s.w
	if w.over {
		return
	}
	n := binary.BigEndian.Uint64(m.Data[8:])
	what := fmt.Sprintf("message %d of %s", n, s)
	w.note("%s: leaves", what)
	if n != s.heardDown+1 || s.ended {
		w.fail(Answers, "%s leaves after %d, and after the end: %v", what, s.heardDown, s.ended)
	}
	s.heardDown = n
	r := w.replies[binary.BigEndian.Uint64(m.Data)]
	w.leaves(what, r.by, &r.knowledge, w.journal.Durable())
}

// Closed is part of engine.SocketSink.
func (s *tube) Closed(code int, _ string, clean bool) { s.end(strconv.Itoa(code), clean) }

// Failed is part of engine.SocketSink.
func (s *tube) Failed(err error) {
	if !errors.Is(err, engine.ErrUnavailable) || s.w.journal.Err() == nil {
		s.w.fail(Answers, "%s: ends with an error that nothing explains: %v", s, err)
	}
	s.end(err.Error(), false)
}

func (s *tube) end(how string, clean bool) {
	if s.w.over {
		return
	}
	s.w.note("%s: has ended for the client: %s", s, how)
	if s.ended && (clean || !s.clean) {
		s.w.fail(Answers, "%s: ends twice", s)
	}
	s.ended, s.clean = true, clean
}

// flowed checks that nothing is left in the sockets that are open, when nothing is under way.
func (w *world) flowed() {
	for _, s := range w.tubes {
		if s.ended || s.ws == nil {
			continue
		}
		if s.heardUp != s.sentUp || s.heardDown != s.sentDown {
			w.fail(Leak, "%s: %d of %d messages have come to the object, %d of %d to the client, and nothing is under way",
				s, s.heardUp, s.sentUp, s.heardDown, s.sentDown)
		}
		if s.handling != nil {
			w.fail(Leak, "%s: %s has not ended, and nothing is under way", s, s.handling.name)
		}
	}
}
