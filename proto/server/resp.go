package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
	"everloop/proto/resp"
)

// Defaults of [RESPOptions].
const (
	DefaultRESPPipeline = 1024
	DefaultRESPBytes    = 32 << 20
	DefaultMaxRooms     = 256
)

// RESPOptions configure a server of RESP. The zero value works: it takes whoever connects, so it is for loopback.
type RESPOptions struct {
	// Conn has the bounds of connections' buffers and of their number.
	Conn loop.ListenOptions
	// Limits are the bounds of one command. Default: those of package resp, with 32 MiB for an argument and for a command. Conn.MaxInbound may be
	// less: a long command is kept elsewhere, and counts for MaxArgMemory.
	Limits resp.Limits

	// Password is what a client must say before it may call anything. Empty: nothing. It is meant to be drawn at random.
	Password string
	// Version is that of the program, for HELLO and INFO.
	Version string
	// Started is when the program started, in milliseconds since 1970 (UTC), for INFO. 0: it does not say.
	Started int64
	// Persistence appends lines of INFO about the log to dst, each "name:value\r\n". It is called on the loops and must not wait. Default: none.
	Persistence func(dst []byte) []byte

	// MaxPipeline is the number of commands of one connection that are under way; reading pauses above it. Default 1,024.
	MaxPipeline int
	// MaxInFlight is the number of commands of all connections together that are under way. Further ones are answered OVERLOADED. Default 65,536.
	// Each loop has an equal share of it.
	MaxInFlight int
	// MaxArgMemory is the number of bytes of arguments that are kept at once: of calls under way, and of long commands of which a part has come. Calls
	// beyond it are answered OVERLOADED; a connection with an unfinished command is closed. Default 512 MiB, or twice Limits.Command for each loop
	// if that is more. Each loop has an equal share of it.
	MaxArgMemory int64
	// CommandTimeout is the time in which at least CommandTimeout x MinCommandRate bytes of a command that has begun must come, over and over until
	// it is complete. Past it the connection is closed. Default 30 s.
	CommandTimeout time.Duration
	// MinCommandRate is in bytes a second. Default 240. Negative: any byte within CommandTimeout is enough.
	MinCommandRate int
	// IdleTimeout is how long a connection is kept without a command, while it has nothing under way and no room. 0, the default: for ever, as
	// redis-server does.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what waits for it. Default 30 s; see proto.Options.
	WriteTimeout time.Duration

	// MaxRooms is the number of rooms of a connection. Default 256.
	MaxRooms int
	// MaxUnsent is the number of bytes that may wait for one client; with more the connection is closed when the next message for it comes. Default
	// 16 MiB.
	MaxUnsent int
	// MaxRoomMemory is the number of bytes of messages that wait for slow clients at once, beyond the first 256 KiB of each. The client that goes
	// beyond is disconnected. Default 512 MiB. Each loop has an equal share of it.
	MaxRoomMemory int64

	// Logger takes a line for each failure. Default slog.Default().
	Logger *slog.Logger
}

// EnsureDefaults sets what is zero, for a server on that many loops.
func (o *RESPOptions) EnsureDefaults(loops int) {
	o.Conn.EnsureDefaults()
	if o.Limits.Bulk <= 0 {
		o.Limits.Bulk = DefaultRESPBytes
	}
	if o.Limits.Command <= 0 {
		o.Limits.Command = max(DefaultRESPBytes, o.Limits.Bulk)
	}
	o.Limits.EnsureDefaults()
	if o.MaxPipeline == 0 {
		o.MaxPipeline = DefaultRESPPipeline
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.MaxArgMemory == 0 {
		o.MaxArgMemory = max(DefaultMaxBodyMemory, 2*int64(o.Limits.Command)*int64(loops))
	}
	if o.CommandTimeout == 0 {
		o.CommandTimeout = DefaultBodyTimeout
	}
	if o.MinCommandRate == 0 {
		o.MinCommandRate = DefaultMinBodyRate
	}
	if o.MaxRooms == 0 {
		o.MaxRooms = DefaultMaxRooms
	}
	if o.MaxUnsent == 0 {
		o.MaxUnsent = DefaultMaxUnsent
	}
	if o.MaxRoomMemory == 0 {
		o.MaxRoomMemory = DefaultMaxSocketMemory
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Validate reports what is wrong. Bounds of connections are validated by package proto.
func (o *RESPOptions) Validate() error {
	switch {
	case o.MaxInFlight < 1:
		return fmt.Errorf("server: RESPOptions.MaxInFlight is %d: want at least 1", o.MaxInFlight)
	case o.MaxArgMemory < 1:
		return fmt.Errorf("server: RESPOptions.MaxArgMemory is %d: want at least 1", o.MaxArgMemory)
	case o.CommandTimeout < time.Millisecond:
		return fmt.Errorf("server: RESPOptions.CommandTimeout is %v: want at least 1ms", o.CommandTimeout)
	case o.IdleTimeout < 0 || o.IdleTimeout > 0 && o.IdleTimeout < time.Millisecond:
		return fmt.Errorf("server: RESPOptions.IdleTimeout is %v: want 0 or at least 1ms", o.IdleTimeout)
	case o.MaxRooms < 1:
		return fmt.Errorf("server: RESPOptions.MaxRooms is %d: want at least 1", o.MaxRooms)
	case o.MaxUnsent < 1:
		return fmt.Errorf("server: RESPOptions.MaxUnsent is %d: want at least 1", o.MaxUnsent)
	case o.MaxRoomMemory < 1:
		return fmt.Errorf("server: RESPOptions.MaxRoomMemory is %d: want at least 1", o.MaxRoomMemory)
	}
	return nil
}

// RESP serves the objects of an engine to clients of Redis: docs/format/resp.md. Safe for concurrent use.
type RESP struct {
	opts     RESPOptions
	eng      *engine.Engine
	loops    []*respHere
	handler  *proto.Handler
	password [sha256.Size]byte // its hash, so that comparing takes as long whatever is said

	maxInFlight   int   // a loop's share of RESPOptions.MaxInFlight
	maxArgMemory  int64 // a loop's share of RESPOptions.MaxArgMemory
	maxRoomMemory int64 // a loop's share of RESPOptions.MaxRoomMemory
	minBytes      int64 // within one CommandTimeout

	clientsRefused atomic.Uint64
}

var _ proto.Protocol = (*RESP)(nil)

// fullRESP is what clients are told that do not fit: redis-server's text, which libraries know.
var fullRESP = []byte("-ERR max number of clients reached\r\n")

// NewRESP makes a server of RESP of the objects of e.
func NewRESP(e *engine.Engine, o RESPOptions) (*RESP, error) {
	n := e.Pool().Len()
	o.EnsureDefaults(n)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &RESP{
		opts: o, eng: e, loops: make([]*respHere, n), password: sha256.Sum256([]byte(o.Password)),
		maxInFlight:   max(1, o.MaxInFlight/n),
		maxArgMemory:  max(1, o.MaxArgMemory/int64(n)),
		maxRoomMemory: max(1, o.MaxRoomMemory/int64(n)),
		minBytes:      max(1, int64(o.CommandTimeout.Seconds()*float64(o.MinCommandRate))),
	}
	for i := range s.loops {
		s.loops[i] = &respHere{
			loop: e.Pool().Loop(i), classes: make(map[string]*engine.Namespace), methods: make(map[string]string),
		}
	}
	conn := proto.Options{Conn: o.Conn, MaxInFlight: o.MaxPipeline, WriteTimeout: o.WriteTimeout, Logger: o.Logger}
	if conn.Conn.Full == nil {
		conn.Conn.Full = fullRESP
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

// Listen serves whoever connects to addr, "host:port" or "unix:PATH". pool is the engine's.
func (s *RESP) Listen(pool *loop.Net, addr string) (*loop.Listener, error) {
	return pool.Listen(addr, s.handler, s.handler.ListenOptions())
}

// ListenOn serves what lis accepts; see [loop.Net.ListenOn].
func (s *RESP) ListenOn(pool *loop.Net, lis net.Listener) (*loop.Listener, error) {
	return pool.ListenOn(lis, s.handler, s.handler.ListenOptions())
}

// Shutdown answers what is under way, takes nothing more, leaves the rooms, and waits until all connections have closed, or until ctx ends. Close the
// listeners before, and the engine and the pool afterwards.
func (s *RESP) Shutdown(ctx context.Context) error { return s.handler.Shutdown(ctx) }

// Handler is the server as the handler of connections that come in another way than by Listen.
func (s *RESP) Handler() *proto.Handler { return s.handler }

// Open is part of [proto.Protocol].
func (s *RESP) Open(c *proto.Conn) proto.Session {
	n := &respSession{srv: s, here: s.loops[c.Loop().Index()], c: c, since: c.Loop().Now()}
	n.reset()
	n.schedule()
	return n
}

// respHere is what the connections of one loop share. Owned by its loop, but for the counters.
type respHere struct {
	loop     loop.Loop
	args     [][]byte // of the command that is being read
	scratch  []byte   // encoded arguments, until the call is made
	rendered []byte   // an answer, until it is written
	json     jsonReader
	spare    []*respSlot
	classes  map[string]*engine.Namespace // on this loop's port
	methods  map[string]string            // names of methods, so that they are made into strings once; at most maxMethodNames

	inFlight  int
	argBytes  int64 // kept; see RESPOptions.MaxArgMemory
	roomBytes int64 // waiting; see RESPOptions.MaxRoomMemory

	counters respCounters
}

const maxMethodNames = 4096

func (h *respHere) namespace(port *engine.Port, class []byte) *engine.Namespace {
	if ns := h.classes[string(class)]; ns != nil {
		return ns
	}
	ns := port.Namespace(string(class))
	if ns != nil { // there are only so many
		h.classes[ns.Class()] = ns
	}
	return ns
}

func (h *respHere) method(name []byte) string {
	if m, ok := h.methods[string(name)]; ok {
		return m
	}
	m := string(name)
	if len(h.methods) < maxMethodNames && len(m) <= 64 {
		h.methods[m] = m
	}
	return m
}

// RESPMetrics are the figures of a server of RESP at one moment. They have only builtin types.
type RESPMetrics struct {
	Conns    int    // open connections
	Opened   uint64 // connections there ever were
	Commands uint64 // of any kind, complete and well-formed
	Calls    uint64 // of which calls of objects
	InFlight int64  // calls that are not answered
	Errors   uint64 // answers that are errors
	// AuthFailures is how many wrong passwords were said.
	AuthFailures uint64
	// ProtocolErrors is how many connections were closed because what came is no RESP or more than is taken, HTTP included.
	ProtocolErrors uint64

	Rooms                   int64  // memberships now, silent ones included
	RoomsJoined             uint64 // there ever were
	RoomsSlow               uint64 // connections closed because they did not take their messages
	MessagesIn, MessagesOut uint64 // of clients, and to clients

	ClientsRefused uint64 // told that there are too many
}

// respCounters of one loop, which alone writes them; anybody reads them.
type respCounters struct {
	_                                 [64]byte // apart from what the loop changes otherwise
	commands, calls, answered, errors atomic.Uint64
	authFailures, protocolErrors      atomic.Uint64
	rooms                             atomic.Int64
	roomsJoined, roomsSlow            atomic.Uint64
	messagesIn, messagesOut           atomic.Uint64
	_                                 [64]byte
}

// Metrics reads the counters. Safe from any goroutine.
func (s *RESP) Metrics() RESPMetrics {
	m := RESPMetrics{Conns: s.handler.Conns(), Opened: s.handler.Opened(), ClientsRefused: s.clientsRefused.Load()}
	var answered uint64
	for _, h := range s.loops {
		c := &h.counters
		answered += c.answered.Load() // what ends is read before what begins
		m.Commands += c.commands.Load()
		m.Calls += c.calls.Load()
		m.Errors += c.errors.Load()
		m.AuthFailures += c.authFailures.Load()
		m.ProtocolErrors += c.protocolErrors.Load()
		m.Rooms += c.rooms.Load()
		m.RoomsJoined += c.roomsJoined.Load()
		m.RoomsSlow += c.roomsSlow.Load()
		m.MessagesIn += c.messagesIn.Load()
		m.MessagesOut += c.messagesOut.Load()
	}
	m.InFlight = int64(m.Calls - answered)
	return m
}

// Why connections of RESP are closed by the server.
var (
	// ErrCommandSlow closes the connection of a client that sends a command too slowly.
	ErrCommandSlow = errors.New("server: the client sent a command too slowly")
	// ErrArgMemory closes the connection of a client in the middle of a long command when too much is kept of all of them.
	ErrArgMemory = errors.New("server: too many long commands are under way")
)
