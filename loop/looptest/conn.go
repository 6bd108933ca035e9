package looptest

import (
	"fmt"
	"net"
	"slices"
	"syscall"

	"everloop/loop"
)

// maxRead is how much a connection takes in at once, as on a socket.
const maxRead = 64 << 10

// Addr is the address of a connection in memory.
type Addr string

// Network is part of [net.Addr].
func (Addr) Network() string { return "memory" }

// String is part of [net.Addr].
func (a Addr) String() string { return string(a) }

// Peer is the test's end of a connection in memory. What it does reaches the connection's loop when that loop is
// stepped. Owned by the goroutine of the test.
type Peer struct {
	c *pipe
}

// pipe is a connection in memory: the [loop.Transport] at one end, the state of the peer at the other. Owned by
// its pool.
type pipe struct {
	driver *driver
	stream *loop.Stream // nil until opened
	open   func() *loop.Stream

	// From the peer.
	segments [][]byte // sent and not delivered
	eof      bool     // the peer has finished sending, behind segments
	gone     bool     // the peer has closed altogether
	reset    error    // the peer has reset the connection

	// To the peer.
	received []byte
	room     int  // bytes that can still be taken, or negative: any number
	peerEOF  bool // the connection has finished sending, or is closed

	paused     bool
	ended      bool // the end of what the peer sends was delivered
	wantsWrite bool // the stream waits for room
	closed     bool
}

// Dial makes a connection with h as its handler, on a loop drawn from the seed. Its Open is called when that loop
// is stepped. o.MaxConns does not apply.
func (p *Pool) Dial(h loop.Handler, o loop.ListenOptions) *Peer {
	return p.DialLoop(p.rand.IntN(len(p.drivers)), h, o)
}

// DialLoop is Dial on loop i.
func (p *Pool) DialLoop(i int, h loop.Handler, o loop.ListenOptions) *Peer {
	o.EnsureDefaults()
	d := p.drivers[i]
	p.nextID++
	id, remote := p.nextID, Addr(fmt.Sprintf("peer-%d", p.nextID))
	c := &pipe{driver: d, room: -1}
	c.open = func() *loop.Stream {
		return loop.NewStream(d.core, c, id, h, &o, Addr("looptest"), remote, func() {
			d.pipes = slices.DeleteFunc(d.pipes, func(other *pipe) bool { return other == c })
		})
	}
	d.pipes = append(d.pipes, c)
	return &Peer{c}
}

// Conn is the connection as its handler sees it, or nil before Open was called.
func (p *Peer) Conn() loop.Conn {
	if p.c.stream == nil {
		return nil
	}
	return p.c.stream
}

// Write sends a copy of b to the connection. It is lost if the connection has closed.
func (p *Peer) Write(b []byte) {
	if len(b) > 0 && !p.c.eof {
		p.c.segments = append(p.c.segments, slices.Clone(b))
	}
}

// Read takes and returns all that the connection has sent so far.
func (p *Peer) Read() []byte {
	b := p.c.received
	p.c.received = nil
	return b
}

// Unsent is the number of bytes that were written and not yet delivered to the connection.
func (p *Peer) Unsent() int {
	n := 0
	for _, s := range p.c.segments {
		n += len(s)
	}
	return n
}

// StopReading makes the peer take no more than room further bytes, so that the connection cannot send what is
// beyond that. StartReading lifts it. A new peer takes everything.
func (p *Peer) StopReading(room int) { p.c.room = max(0, room) }

// StartReading undoes StopReading.
func (p *Peer) StartReading() { p.c.room = -1 }

// EOF reports whether the connection has finished sending, or has closed. If it was closed while bytes of the peer's
// were still on their way, what the peer had not read by then is lost, as over TCP.
func (p *Peer) EOF() bool { return p.c.peerEOF }

// CloseWrite ends what the peer sends, behind what it has written. The peer still reads.
func (p *Peer) CloseWrite() { p.c.eof = true }

// Close closes the peer's end, behind what it has written. It reads nothing more.
func (p *Peer) Close() { p.c.eof, p.c.gone = true, true }

// Abort resets the connection: what was written and not delivered is lost.
func (p *Peer) Abort() {
	p.c.reset = syscall.ECONNRESET
	p.c.segments = nil
	p.c.eof, p.c.gone = true, true
}

// ready reports whether there is an event to deliver.
func (c *pipe) ready() bool {
	switch {
	case c.closed:
		return false
	case c.stream == nil, c.reset != nil, c.wantsWrite && (c.room != 0 || c.gone):
		return true
	}
	return !c.paused && (len(c.segments) > 0 || c.eof && !c.ended)
}

// deliver delivers one event. The round has begun.
func (c *pipe) deliver() {
	switch {
	case c.stream == nil:
		c.stream = c.open()
		c.stream.Open()
		if c.driver.pool.closed {
			c.stream.Drain()
		}
	case c.reset != nil:
		c.closed = true
		c.stream.Lost(c.reset)
	case c.wantsWrite && (c.room != 0 || c.gone):
		c.wantsWrite = false
		c.stream.Writable()
	case len(c.segments) > 0:
		first := c.segments[0]
		n := min(len(first), maxRead)
		if c.driver.pool.Fragment {
			n = 1 + c.driver.pool.rand.IntN(n)
		}
		if n == len(first) {
			c.segments = c.segments[1:]
		} else {
			c.segments[0] = first[n:]
		}
		// The bytes are lent, as on a socket: spoil them afterwards, so that a handler that keeps them
		// without a copy is found out.
		lent := slices.Clone(first[:n])
		c.stream.Receive(lent)
		for i := range lent {
			lent[i] = 0xDB
		}
	default:
		c.ended = true
		if !c.stream.HalfClose() {
			c.closed, c.peerEOF = true, true
		}
	}
}

// Write is part of [loop.Transport].
func (c *pipe) Write(b []byte) (int, error) {
	if c.gone && c.ended || c.reset != nil {
		return 0, syscall.EPIPE
	}
	n := len(b)
	if c.room >= 0 {
		n = min(n, c.room)
		c.room -= n
	}
	if !c.gone {
		c.received = append(c.received, b[:n]...)
	}
	c.wantsWrite = n < len(b)
	return n, nil
}

// Pause is part of [loop.Transport].
func (c *pipe) Pause() { c.paused = true }

// Resume is part of [loop.Transport].
func (c *pipe) Resume() { c.paused = false }

// Unread is part of [loop.Transport].
func (c *pipe) Unread() bool { return len(c.segments) > 0 }

// CloseWrite is part of [loop.Transport].
func (c *pipe) CloseWrite() { c.peerEOF = true }

// Close is part of [loop.Transport]. Closing a socket in which bytes wait resets the connection, and the peer loses
// what it has not read: so here.
func (c *pipe) Close() {
	if c.Unread() {
		c.received = nil
	}
	c.closed, c.peerEOF = true, true
}

var (
	_ loop.Pool         = (*Pool)(nil)
	_ loop.Driver       = (*driver)(nil)
	_ loop.GoexitDriver = (*driver)(nil)
	_ loop.Transport    = (*pipe)(nil)
	_ net.Addr          = Addr("")
)
