package server

import (
	"fmt"
	"log/slog"
	"time"

	"everloop/loop"
	"everloop/proto"
	"everloop/proto/http"
	"everloop/proto/ws"
)

// Defaults of [Options].
const (
	DefaultHeaderTimeout = 10 * time.Second
	DefaultBodyTimeout   = 30 * time.Second
	DefaultMinBodyRate   = 240
	DefaultIdleTimeout   = 75 * time.Second
	DefaultMaxInFlight   = 65536
	DefaultMaxBodyMemory = 512 << 20

	DefaultMaxUnsent       = 16 << 20
	DefaultMaxSocketMemory = 512 << 20
	DefaultKeepAlive       = 50 * time.Second
	DefaultPongTimeout     = 20 * time.Second
)

// Options configure a server. The zero value works.
type Options struct {
	// Conn has the bounds of connections' buffers and of their number. Conn.MaxInbound must be at least
	// Limits.HeadBytes.
	Conn loop.ListenOptions
	// Limits are the bounds of one request.
	Limits http.Limits

	// MaxPipeline is the number of requests of one connection that are under way; reading pauses above it.
	// Default 64.
	MaxPipeline int
	// MaxInFlight is the number of requests of all connections together that are under way. Further ones are
	// answered 503, and their connections closed. Default 65,536. Each loop has an equal share of it.
	MaxInFlight int
	// MaxBodyMemory is the number of bytes of request bodies that are kept at once: of those being received
	// and of requests under way. What goes beyond is answered 503. Each loop has an equal share of it; a body
	// larger than the share is never taken. Default 512 MiB, or twice Limits.BodyBytes for each loop if that
	// is more.
	MaxBodyMemory int64

	// HeaderTimeout bounds a header, from its first byte to its last. Past it: 408. Default 10 s.
	HeaderTimeout time.Duration
	// BodyTimeout is the time in which at least BodyTimeout x MinBodyRate bytes of a body must arrive, over
	// and over until it is complete. Past it: 408. Default 30 s.
	BodyTimeout time.Duration
	// MinBodyRate is in bytes a second. Default 240, so a client that sends a byte a second is cut off after
	// 30 s. Negative: any byte within BodyTimeout is enough.
	MinBodyRate int
	// IdleTimeout is how long a connection is kept with nothing under way, a new one too. Default 75 s.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take nothing of what waits for it. Default 30 s; see
	// proto.Options.
	WriteTimeout time.Duration

	// Sockets are the bounds of WebSockets.
	Sockets SocketOptions

	// Files are static files that answer before the entry point is asked. Default: none.
	Files *Files
	// Scheme is that of request URLs. Default "http".
	Scheme string
	// Detail sends the class, object, message, source and stack of a failure to the client: to a browser as a page. For
	// development on loopback only: it tells strangers about the code. A request that has come through a proxy, or by another
	// name than that of loopback, is never told.
	Detail bool
	// Instead is asked for a page for a browser that Detail holds for: if it gives one, that is the answer, and neither files nor
	// the entry point are asked. It is called on the loops and must not wait. Default: none.
	Instead func() *Page
	// Answered is told of each request when its answer has been sent. It is called on the loops and must not wait. Default:
	// none.
	Answered func(Answered)
	// Logger takes a line for each failure. Default slog.Default().
	Logger *slog.Logger
	// Nanos is a monotonic clock in nanoseconds, for the figures of latency. Without it these are taken
	// from the loops' clocks, which tell milliseconds and stand still during a round.
	Nanos func() int64
}

// SocketOptions are the bounds of WebSockets. The zero value works. A message is sent and received under the time-outs of Options, too: WriteTimeout,
// and BodyTimeout and MinBodyRate from its first byte to its last, pauses between its fragments included.
type SocketOptions struct {
	// MaxMessageBytes is the size of the largest message that is taken from a client, decompressed. Past it the connection is closed with 1009.
	// Default 32 MiB.
	MaxMessageBytes int
	// MaxUnsent is the number of bytes that may wait for one client. When there are more and another message comes, the connection is closed, and
	// its object hears that it is lost; so one message alone may have more. Default 16 MiB.
	MaxUnsent int
	// MaxMemory is the number of bytes that are kept at once of messages that have not arrived whole, and of those that wait for slow clients
	// beyond the first 256 KiB of each. The client that goes beyond is disconnected. Each loop has an equal share of it. Default 512 MiB, or twice
	// MaxMessageBytes for each loop if that is more.
	MaxMemory int64
	// KeepAlive is how long a client may send nothing before it is sent a Ping. Default 50 s, below the 60 s after which common proxies take
	// a connection for dead. Negative: no Ping is sent.
	KeepAlive time.Duration
	// PongTimeout is how long a client has to send something after a Ping. Default 20 s.
	PongTimeout time.Duration
	// NoCompression declines permessage-deflate.
	NoCompression bool
}

// ensureDefaults sets what is zero.
func (o *SocketOptions) ensureDefaults(loops int) {
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = ws.DefaultMessageBytes
	}
	if o.MaxUnsent == 0 {
		o.MaxUnsent = DefaultMaxUnsent
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = max(DefaultMaxSocketMemory, 2*int64(o.MaxMessageBytes)*int64(loops))
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.PongTimeout == 0 {
		o.PongTimeout = DefaultPongTimeout
	}
}

// validate reports what is wrong.
func (o *SocketOptions) validate() error {
	switch {
	case o.MaxMessageBytes < 1:
		return fmt.Errorf("server: Options.Sockets.MaxMessageBytes is %d: want at least 1", o.MaxMessageBytes)
	case o.MaxUnsent < 1:
		return fmt.Errorf("server: Options.Sockets.MaxUnsent is %d: want at least 1", o.MaxUnsent)
	case o.MaxMemory < 1:
		return fmt.Errorf("server: Options.Sockets.MaxMemory is %d: want at least 1", o.MaxMemory)
	case o.KeepAlive > 0 && o.KeepAlive < time.Millisecond:
		return fmt.Errorf("server: Options.Sockets.KeepAlive is %v: want at least 1ms", o.KeepAlive)
	case o.PongTimeout < time.Millisecond:
		return fmt.Errorf("server: Options.Sockets.PongTimeout is %v: want at least 1ms", o.PongTimeout)
	}
	return nil
}

// Answered is what became of a request.
type Answered struct {
	Method, Path string
	Status       int // 0: the client had gone
	Took         time.Duration
}

// EnsureDefaults sets what is zero, for a server on that many loops.
func (o *Options) EnsureDefaults(loops int) {
	o.Conn.EnsureDefaults()
	if o.Limits.HeadBytes == 0 {
		o.Limits.HeadBytes = http.DefaultHeadBytes
	}
	if o.MaxPipeline == 0 {
		o.MaxPipeline = proto.DefaultMaxInFlight
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.Limits.BodyBytes == 0 {
		o.Limits.BodyBytes = http.DefaultBodyBytes
	}
	if o.MaxBodyMemory == 0 {
		o.MaxBodyMemory = max(DefaultMaxBodyMemory, 2*o.Limits.BodyBytes*int64(loops))
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = DefaultHeaderTimeout
	}
	if o.BodyTimeout == 0 {
		o.BodyTimeout = DefaultBodyTimeout
	}
	if o.MinBodyRate == 0 {
		o.MinBodyRate = DefaultMinBodyRate
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	o.Sockets.ensureDefaults(loops)
	if o.Scheme == "" {
		o.Scheme = "http"
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Validate reports what is wrong. Bounds of connections are validated by package proto.
func (o *Options) Validate() error {
	for _, t := range []struct {
		name string
		d    time.Duration
	}{{"HeaderTimeout", o.HeaderTimeout}, {"BodyTimeout", o.BodyTimeout}, {"IdleTimeout", o.IdleTimeout}} {
		if t.d < time.Millisecond {
			return fmt.Errorf("server: Options.%s is %v: want at least 1ms", t.name, t.d)
		}
	}
	switch {
	case o.Limits.HeadBytes > o.Conn.MaxInbound:
		return fmt.Errorf("server: Options.Limits.HeadBytes is %d, above Options.Conn.MaxInbound (%d): such a header could never be received",
			o.Limits.HeadBytes, o.Conn.MaxInbound)
	case o.MaxInFlight < 1:
		return fmt.Errorf("server: Options.MaxInFlight is %d: want at least 1", o.MaxInFlight)
	case o.MaxBodyMemory < 1:
		return fmt.Errorf("server: Options.MaxBodyMemory is %d: want at least 1", o.MaxBodyMemory)
	case o.Scheme != "http" && o.Scheme != "https":
		return fmt.Errorf("server: Options.Scheme is %q: want http or https", o.Scheme)
	}
	return o.Sockets.validate()
}

// connOptions are the options for package proto.
func (o *Options) connOptions() proto.Options {
	return proto.Options{
		Conn: o.Conn, MaxInFlight: o.MaxPipeline, WriteTimeout: o.WriteTimeout, Logger: o.Logger,
	}
}
