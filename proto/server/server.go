package server

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
	"everloop/proto/http"
)

// Server serves HTTP/1.1 to the connections of any number of listeners. Safe for concurrent use.
type Server struct {
	opts    Options
	entry   engine.Entrypoint
	loops   []*here
	handler *proto.Handler

	maxInFlight     int   // a loop's share of Options.MaxInFlight
	maxBodyMemory   int64 // a loop's share of Options.MaxBodyMemory
	maxSocketMemory int64 // a loop's share of Options.Sockets.MaxMemory
	minBodyBytes    int64 // within one BodyTimeout

	clientsRefused atomic.Uint64 // because there were too many
}

var _ proto.Protocol = (*Server)(nil)

// New makes a server in which entry takes every request.
func New(e *engine.Engine, entry engine.Entrypoint, o Options) (*Server, error) {
	n := e.Pool().Len()
	o.EnsureDefaults(n)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, errors.New("server: the entry point is nil: nobody would take the requests")
	}
	s := &Server{
		opts: o, entry: entry, loops: make([]*here, n),
		maxInFlight:     max(1, o.MaxInFlight/n),
		maxBodyMemory:   max(1, o.MaxBodyMemory/int64(n)),
		maxSocketMemory: max(1, o.Sockets.MaxMemory/int64(n)),
		minBodyBytes:    max(1, int64(o.BodyTimeout.Seconds()*float64(o.MinBodyRate))),
	}
	for i := range s.loops {
		s.loops[i] = &here{loop: e.Pool().Loop(i), nanos: o.Nanos}
	}
	conn := o.connOptions()
	if conn.Conn.Full == nil {
		conn.Conn.Full = full
	}
	told := conn.Conn.Refused
	conn.Conn.Refused = func() {
		s.clientsRefused.Add(1)
		if told != nil {
			told()
		}
	}
	h, err := proto.NewHandler(e, s, conn)
	if err != nil {
		return nil, err
	}
	s.handler = h
	return s, nil
}

// full is what clients are told that do not fit.
var full = []byte("HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain;charset=UTF-8\r\ncontent-length: 31\r\n" +
	"retry-after: 5\r\nconnection: close\r\n\r\ntoo many connections are open\r\n")

// Listen serves whoever connects to addr, "host:port" or "unix:PATH". pool is the engine's.
func (s *Server) Listen(pool *loop.Net, addr string) (*loop.Listener, error) {
	return pool.Listen(addr, s.handler, s.handler.ListenOptions())
}

// ListenOn serves what lis accepts; see [loop.Net.ListenOn].
func (s *Server) ListenOn(pool *loop.Net, lis net.Listener) (*loop.Listener, error) {
	return pool.ListenOn(lis, s.handler, s.handler.ListenOptions())
}

// Shutdown answers what is under way, takes nothing more, and waits until all connections have closed, or until ctx
// ends. Close the listeners before, and the engine and the pool afterwards.
func (s *Server) Shutdown(ctx context.Context) error { return s.handler.Shutdown(ctx) }

// Handler is the server as the handler of connections that come in another way than by Listen.
func (s *Server) Handler() *proto.Handler { return s.handler }

// Open is part of [proto.Protocol].
func (s *Server) Open(c *proto.Conn) proto.Session {
	n := &session{srv: s, here: s.loops[c.Loop().Index()], c: c}
	n.reader.Reset(s.opts.Limits)
	n.schedule()
	return n
}

// here is what the connections of one loop share. Owned by its loop, but for the counters.
type here struct {
	loop     loop.Loop
	nanos    func() int64
	spare    []*exchange
	scratch  []byte // what heads are written into; lives until the next head
	inFlight int
	body     int64 // bytes of bodies kept

	socketBytes int64 // bytes of WebSockets kept; see SocketOptions.MaxMemory

	second int64 // what date says, in seconds since 1970
	date   []byte

	counters counters
}

// now is the time in nanoseconds, for figures.
func (h *here) now() int64 {
	if h.nanos != nil {
		return h.nanos()
	}
	return h.loop.Now() * int64(time.Millisecond)
}

// dateValue is the value of the date field, made once a second.
func (h *here) dateValue() []byte {
	if s := h.loop.Wall() / 1000; s != h.second || h.date == nil {
		h.second = s
		h.date = http.AppendDate(h.date[:0], time.Unix(s, 0).UTC())
	}
	return h.date
}

// maxSpare bounds the exchanges that a loop keeps for later.
const maxSpare = 4096

func (h *here) exchange() *exchange {
	if n := len(h.spare); n > 0 {
		x := h.spare[n-1]
		h.spare = h.spare[:n-1]
		return x
	}
	return new(exchange)
}

func (h *here) recycle(x *exchange) {
	*x = exchange{}
	if len(h.spare) < maxSpare {
		h.spare = append(h.spare, x)
	}
}
