package proto

import (
	"fmt"
	"log/slog"
	"time"

	"everloop/loop"
)

// Defaults of [Options].
const (
	DefaultMaxInFlight  = 64
	DefaultHighWater    = 256 << 10
	DefaultWriteTimeout = 30 * time.Second
)

// Options are the bounds of a protocol's connections. The zero value works.
type Options struct {
	// Conn has the bounds of the buffers below, and of the number of connections.
	Conn loop.ListenOptions
	// MaxInFlight is the number of requests of one connection that are under way; reading pauses above it.
	// Default 64.
	MaxInFlight int
	// HighWater is the number of unsent bytes above which a connection takes no further request and the next
	// answer waits. Default 256 KiB; it must be above Conn.LowWater, and at most half of
	// Conn.MaxOutbound.
	HighWater int
	// WriteTimeout is how long a client may take nothing of what waits for it. It is looked at so often that
	// the connection is closed after once to twice this time. Default 30 s.
	WriteTimeout time.Duration
	// Logger takes what goes wrong in a protocol's own code. Default slog.Default().
	Logger *slog.Logger
}

// EnsureDefaults sets what is zero.
func (o *Options) EnsureDefaults() {
	o.Conn.EnsureDefaults()
	if o.MaxInFlight == 0 {
		o.MaxInFlight = DefaultMaxInFlight
	}
	if o.HighWater == 0 {
		o.HighWater = max(o.Conn.LowWater+1, min(DefaultHighWater, o.Conn.MaxOutbound/2))
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = DefaultWriteTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// Validate reports what is wrong.
func (o *Options) Validate() error {
	switch {
	case o.MaxInFlight < 1:
		return fmt.Errorf("proto: Options.MaxInFlight is %d: want at least 1", o.MaxInFlight)
	case o.HighWater <= o.Conn.LowWater || o.HighWater > o.Conn.MaxOutbound/2:
		return fmt.Errorf("proto: Options.HighWater is %d: want it above Conn.LowWater (%d), up to half of Conn.MaxOutbound (%d)",
			o.HighWater, o.Conn.LowWater, o.Conn.MaxOutbound/2)
	case o.WriteTimeout < time.Millisecond:
		return fmt.Errorf("proto: Options.WriteTimeout is %v: want at least 1ms", o.WriteTimeout)
	}
	return nil
}
