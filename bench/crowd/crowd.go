package crowd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Dialect is what a server speaks.
type Dialect int

// The dialects.
const (
	// WebSocket is RFC 6455, without extensions. A room is a path.
	WebSocket Dialect = iota
	// Redis is RESP3 (Redis 6 and later), where one connection can subscribe and publish. A room is a channel.
	Redis
)

// Options say who joins what. Addr and Rooms have no default.
type Options struct {
	// Addr is the server's address, as IPv4:port.
	Addr    string
	Dialect Dialect
	// Rooms are paths that begin with /, or channels. Member i joins Rooms[i % len(Rooms)].
	Rooms []string
	// Members is the number of connections. Default 1.
	Members int
	// Size is the length of a message in bytes, from 24 to 32768. Default 64.
	Size int
	// Sources is the number of addresses that members connect from: 127.0.0.1, 127.0.0.2, and so on; Addr must then be of
	// the loopback, too. Each has its own ports, of which Linux gives out 28,000. Default: one for each 20,000 members.
	Sources int
	// Timeout is how long a server may take to let a member join, and how long nothing may be heard while something is
	// under way. Default 30 s; it is looked at a few times a second.
	Timeout time.Duration
	// Joined, if not nil, is told by Gather of each member how long it took from connecting to its welcome, on Gather's goroutine.
	Joined func(took time.Duration)
}

const (
	membersEach = 20_000
	maxSize     = 32 << 10
)

// EnsureDefaults sets what is zero.
func (o *Options) EnsureDefaults() {
	if o.Members == 0 {
		o.Members = 1
	}
	if o.Size == 0 {
		o.Size = 64
	}
	if o.Sources == 0 {
		o.Sources = max(1, (o.Members+membersEach-1)/membersEach)
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
}

// Validate reports what is wrong.
func (o *Options) Validate() error {
	switch addr, err := netip.ParseAddrPort(o.Addr); {
	case err != nil || !addr.Addr().Is4():
		return fmt.Errorf("crowd: Options.Addr is %q: want an IPv4 address and a port", o.Addr)
	case o.Sources > 1 && !addr.Addr().IsLoopback():
		return fmt.Errorf("crowd: Options.Addr is %q, which cannot be reached from %d addresses of the loopback", o.Addr, o.Sources)
	case o.Dialect != WebSocket && o.Dialect != Redis:
		return fmt.Errorf("crowd: Options.Dialect is %d: want WebSocket or Redis", o.Dialect)
	case len(o.Rooms) == 0:
		return errors.New("crowd: Options.Rooms is empty: name at least one")
	case o.Members < 1:
		return fmt.Errorf("crowd: Options.Members is %d: want at least 1", o.Members)
	case o.Size < minSize || o.Size > maxSize:
		return fmt.Errorf("crowd: Options.Size is %d: want a number from %d to %d", o.Size, minSize, maxSize)
	case o.Sources < 1 || o.Sources > 254:
		return fmt.Errorf("crowd: Options.Sources is %d: want a number from 1 to 254", o.Sources)
	case o.Timeout < 0:
		return fmt.Errorf("crowd: Options.Timeout is %v: want a time above zero", o.Timeout)
	}
	for _, r := range o.Rooms {
		if r == "" || strings.ContainsAny(r, " \r\n") || o.Dialect == WebSocket && r[0] != '/' {
			return fmt.Errorf("crowd: Options.Rooms has %q: want a path that begins with /, or a channel, without spaces", r)
		}
	}
	return nil
}

// Crowd is a number of connections to one server. One goroutine at a time may use it.
type Crowd struct {
	opts    Options
	tongue  tongue
	epoll   int
	coarse  bool // waits are of whole milliseconds
	members []*member
	random  *rand.Rand // masks
	events  []unix.EpollEvent
	// buf is what every member is read into: it holds one member's bytes while they are looked at.
	buf    []byte
	failed error // of an earlier run; the connections are in an unknown state

	// sent is the number of messages that were broadcast so far, in all runs. Each is numbered by it.
	sent int
}

// batch is how many members join at once. They all have sent their request before the first answer is awaited, so that a
// server is not asked to answer one after another; and no backlog of connections is too short for them.
const batch = 64

// Gather connects, and returns when every member has joined. Close the crowd when it is no longer needed.
func Gather(ctx context.Context, o Options) (*Crowd, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Crowd{
		opts: o, random: rand.New(rand.NewPCG(1, 2)), events: make([]unix.EpollEvent, min(o.Members, 1024)), buf: make([]byte, 256<<10),
	}
	switch o.Dialect {
	case WebSocket:
		c.tongue = &frames{random: c.random}
	case Redis:
		c.tongue = resp{}
	}
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("crowd: epoll_create1: %w", err)
	}
	for first := 0; first < o.Members && err == nil; first += batch {
		if err = context.Cause(ctx); err == nil {
			err = c.join(first, min(first+batch, o.Members))
		}
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("crowd: %s: %w", o.Addr, err)
	}
	return c, nil
}

// join opens the members from first to end.
func (c *Crowd) join(first, end int) error {
	for i := first; i < end; i++ {
		began := time.Now()
		m, err := dial(c.opts.Addr, i%c.opts.Sources, c.opts.Timeout)
		if err != nil {
			return fmt.Errorf("member %d of %d: %w", i+1, c.opts.Members, err)
		}
		c.members = append(c.members, m)
		m.sentAt = began
		m.room = c.opts.Rooms[i%len(c.opts.Rooms)]
		m.out = c.tongue.hello(nil, c.opts.Addr, m.room)
		if err := m.flush(c.epoll, i); err != nil {
			return fmt.Errorf("member %d of %d: %w", i+1, c.opts.Members, err)
		}
	}
	for i := first; i < end; i++ {
		m := c.members[i]
		err := m.welcomed(c.tongue, c.buf)
		if err == nil {
			err = m.watch(c.epoll, unix.EPOLL_CTL_ADD, i, unix.EPOLLIN)
		}
		if err != nil {
			return fmt.Errorf("member %d of %d does not get into %s: %w", i+1, c.opts.Members, m.room, err)
		}
		if c.opts.Joined != nil {
			c.opts.Joined(time.Since(m.sentAt))
		}
	}
	return nil
}

// Members is the number of members.
func (c *Crowd) Members() int { return len(c.members) }

// Close closes the connections.
func (c *Crowd) Close() {
	for _, m := range c.members {
		_ = unix.Close(m.fd) // it holds nothing that could be lost
	}
	c.members = nil
	if c.epoll >= 0 {
		_ = unix.Close(c.epoll)
	}
	c.epoll = -1
}

// Listen keeps the connections for a time, or until ctx ends. What a server says meanwhile is not looked at, but for pings, which are
// answered. passed, if not nil, is told now and then. A connection that ends, or a server that does not keep to its protocol, is an
// error.
func (c *Crowd) Listen(ctx context.Context, hold time.Duration, passed func(time.Duration)) error {
	r := &run{c: c}
	r.talk = silence{}
	began := time.Now()
	for now := time.Duration(0); now < hold && ctx.Err() == nil; now = time.Since(began) {
		if passed != nil {
			passed(now)
		}
		for until := min(now+tick, hold); now < until; now = time.Since(began) {
			if _, err := r.poll(until - now); err != nil {
				c.failed = err
				return fmt.Errorf("crowd: %s: %w", c.opts.Addr, err)
			}
		}
	}
	return context.Cause(ctx)
}

// silence is a talk in which nobody says anything, and what is heard does not matter.
type silence struct{}

func (silence) begin() error                    { return nil }
func (silence) hear(int, *member, []byte) error { return nil }
func (silence) next(int, *member) error         { return nil }
func (silence) underWay() int                   { return 0 }
func (silence) missing() string                 { return "" }
