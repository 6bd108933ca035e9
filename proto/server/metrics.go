package server

import (
	"math/bits"
	"sync/atomic"
)

// Metrics are a server's figures at one moment. They have only builtin types, so that whoever shows them need not
// know this package.
type Metrics struct {
	Conns    int    // open connections
	Opened   uint64 // connections there ever were
	Requests uint64 // whose header arrived, or was refused
	InFlight int64  // of which not answered
	// Status counts answers by the first digit of their status; Status[0] is requests whose client went
	// away before.
	Status [6]uint64
	// Refused is how many of the answers came from the server and not from the entry point: malformed, too
	// large, too slow, too many.
	Refused uint64
	// Latency counts answers by the time from their header to the last byte written: Latency[i] took less
	// than LatencyBounds[i] seconds and not less than the bound before; the last took longer.
	Latency [latencyBuckets]uint64
	// LatencySum is in seconds.
	LatencySum float64

	Sockets       int64  // connections that are WebSockets now
	SocketsOpened uint64 // that there ever were
	// Of those that have ended, through the client's fault: it broke the protocol or was too slow in sending (Failed), did not take what it
	// was sent (Slow), did not answer a Ping (Silent).
	SocketsFailed, SocketsSlow, SocketsSilent uint64
	MessagesIn, MessagesOut                   uint64 // of clients, and to clients

	// ClientsRefused is how many clients were told that there are too many; see Options.Conn.Full.
	ClientsRefused uint64
}

// counters of one loop, which alone writes them; anybody reads them. They are atomics for the readers: an
// uncontended one costs its loop some nanoseconds.
type counters struct {
	_          [64]byte // apart from what the loop changes otherwise
	requests   atomic.Uint64
	refused    atomic.Uint64
	status     [6]atomic.Uint64
	latencySum atomic.Int64 // nanoseconds
	latency    [latencyBuckets]atomic.Uint64

	sockets                                   atomic.Int64
	socketsOpened                             atomic.Uint64
	socketsFailed, socketsSlow, socketsSilent atomic.Uint64
	messagesIn, messagesOut                   atomic.Uint64

	_ [64]byte
}

const (
	latencyBuckets = 42
	// minLatencyShift: the first bound is 2^15 ns = 33 us.
	minLatencyShift = 15
)

// LatencyBounds are the upper bounds of the buckets of [Metrics.Latency] but the last, in seconds: two for each
// doubling, from 33 us to 34 s.
var LatencyBounds = func() (bounds [latencyBuckets - 1]float64) {
	for i := range bounds {
		bounds[i] = float64(int64(2+i%2)<<(minLatencyShift-1+i/2)) / 1e9
	}
	return bounds
}()

// latencyBucket finds the bucket of a duration by its two highest bits.
func latencyBucket(ns int64) int {
	if ns < 1<<minLatencyShift {
		return 0
	}
	high := bits.Len64(uint64(ns)) - 1
	return min((high-minLatencyShift)*2+int(ns>>(high-1)&1)+1, latencyBuckets-1)
}

func (c *counters) observe(ns int64) {
	c.latency[latencyBucket(ns)].Add(1)
	c.latencySum.Add(ns)
}

// Metrics reads the counters. Safe from any goroutine.
func (s *Server) Metrics() Metrics {
	m := Metrics{Conns: s.handler.Conns(), Opened: s.handler.Opened(), ClientsRefused: s.clientsRefused.Load()}
	var sum int64
	var done uint64
	for _, h := range s.loops {
		c := &h.counters
		// What ends is read before what begins, or more would seem to have ended than had begun.
		for i := range c.status {
			n := c.status[i].Load()
			m.Status[i] += n
			done += n
		}
		m.Refused += c.refused.Load()
		for i := range c.latency {
			m.Latency[i] += c.latency[i].Load()
		}
		sum += c.latencySum.Load()
		m.Requests += c.requests.Load()
		m.Sockets += c.sockets.Load()
		m.SocketsOpened += c.socketsOpened.Load()
		m.SocketsFailed += c.socketsFailed.Load()
		m.SocketsSlow += c.socketsSlow.Load()
		m.SocketsSilent += c.socketsSilent.Load()
		m.MessagesIn += c.messagesIn.Load()
		m.MessagesOut += c.messagesOut.Load()
	}
	m.InFlight = int64(m.Requests - done)
	m.LatencySum = float64(sum) / 1e9
	return m
}
