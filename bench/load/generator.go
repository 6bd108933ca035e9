package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// Options say whom to ask for what. Addr and Paths have no default.
type Options struct {
	// Addr is the server's address, host:port or unix:PATH.
	Addr string
	// Paths are what is asked for, each with its query. Each request takes one at random.
	Paths []string
	// Host is the Host field. Default: Addr, or "localhost" for a unix socket.
	Host string
	// Conns is the number of connections, and so of requests under way. Default 64.
	Conns int
	// Check, if not nil, judges the body of each answer; path is the index in Paths. body is valid during the
	// call. It is called on the goroutine of Run.
	Check func(path int, body []byte) error
	// Timeout is how long an answer may take. Default 30 s; it is looked at a few times a second.
	Timeout time.Duration
	// Seed chooses the order of the paths. The same seed gives the same order of choices.
	Seed uint64
	// Rate, if not zero, spreads requests evenly over time: so many a second, each connection in its turn. A request whose
	// turn has come while the connection still waits for an answer leaves as soon as that is there, and its latency counts
	// from its turn: a server that stalls is not asked less, and cannot hide it.
	Rate int
	// Observe, if not nil, is told of each answer when its request was due and how long it took. It is called on the
	// goroutine of Run.
	Observe func(due time.Time, took time.Duration)
}

// EnsureDefaults sets what is zero.
func (o *Options) EnsureDefaults() {
	if o.Host == "" {
		o.Host = o.Addr
		if strings.HasPrefix(o.Addr, "unix:") {
			o.Host = "localhost"
		}
	}
	if o.Conns == 0 {
		o.Conns = 64
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
}

// Validate reports what is wrong.
func (o *Options) Validate() error {
	switch {
	case o.Addr == "":
		return errors.New("load: Options.Addr is empty: name a server, host:port or unix:PATH")
	case len(o.Paths) == 0:
		return errors.New("load: Options.Paths is empty: name at least one path")
	case o.Conns < 1:
		return fmt.Errorf("load: Options.Conns is %d: want at least 1", o.Conns)
	case o.Timeout < 0:
		return fmt.Errorf("load: Options.Timeout is %v: want a time above zero", o.Timeout)
	case o.Rate < 0:
		return fmt.Errorf("load: Options.Rate is %d: want a number of requests a second, or 0", o.Rate)
	}
	for _, p := range o.Paths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, " \r\n") {
			return fmt.Errorf("load: Options.Paths has %q: want a path that begins with / and has no spaces", p)
		}
	}
	return nil
}

// Until says when a run ends: when the time has passed, or when so many answers have come, or when each path was asked for
// once, in order and not at random; whichever is first. Zero fields do not count; one must be set.
type Until struct {
	Elapsed  time.Duration
	Requests int
	Each     bool
}

// Result is what one run measured. Every request in it was answered rightly.
type Result struct {
	Requests int
	// Elapsed is the time from the first request to the last answer.
	Elapsed time.Duration
	// Latency has the time from each request's write to the read that completed its answer, in microseconds.
	Latency *hdrhistogram.Histogram
}

// Rate is in requests a second.
func (r *Result) Rate() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Quantile returns a latency, for q from 0 to 100.
func (r *Result) Quantile(q float64) time.Duration {
	return time.Duration(r.Latency.ValueAtQuantile(q)) * time.Microsecond
}

// maxMicros is the largest latency that is told apart from larger ones.
const maxMicros = 10 * 60 * 1e6

// tick is how often a run looks at its context and at time-outs while nothing arrives.
const tick = 100 * time.Millisecond

// Generator is a number of connections to one server. One goroutine at a time may use it.
type Generator struct {
	opts     Options
	epoll    int
	conns    []*conn
	requests [][]byte // by path
	random   *rand.Rand
	failed   error // of an earlier run; the connections are in an unknown state
	events   []unix.EpollEvent
}

// Dial connects. Close the generator when it is no longer needed.
func Dial(o Options) (*Generator, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	g := &Generator{
		opts: o, random: rand.New(rand.NewPCG(o.Seed, 0)), events: make([]unix.EpollEvent, min(o.Conns, 1024)),
	}
	for _, p := range o.Paths {
		g.requests = append(g.requests, []byte("GET "+p+" HTTP/1.1\r\nHost: "+o.Host+"\r\n\r\n"))
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: epoll_create1: %w", err)
	}
	g.epoll = epoll
	for i := range o.Conns {
		c, err := dial(o.Addr)
		if err == nil {
			g.conns = append(g.conns, c)
			err = c.watch(g.epoll, unix.EPOLL_CTL_ADD, i, unix.EPOLLIN)
		}
		if err != nil {
			g.Close()
			return nil, fmt.Errorf("load: connection %d of %d to %s: %w", i+1, o.Conns, o.Addr, err)
		}
	}
	return g, nil
}

// dial connects by package net, which knows names and both families, and takes the descriptor over.
func dial(addr string) (*conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	nc, err := net.DialTimeout(network, addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	f, err := nc.(interface{ File() (*os.File, error) }).File() // a duplicate
	if err != nil {
		return nil, err
	}
	c := &conn{file: f, fd: int(f.Fd()), in: make([]byte, 0, 4096)}
	if err := unix.SetNonblock(c.fd, true); err != nil {
		f.Close()
		return nil, fmt.Errorf("set non-blocking: %w", err)
	}
	return c, nil
}

// Close closes the connections.
func (g *Generator) Close() {
	for _, c := range g.conns {
		c.file.Close()
	}
	g.conns = nil
	if g.epoll >= 0 {
		_ = unix.Close(g.epoll) // it holds nothing that could be lost
	}
	g.epoll = -1
}

// Run makes load until u or ctx ends, or something goes wrong, and returns when every request is answered. After an
// error the generator can only be closed.
func (g *Generator) Run(ctx context.Context, u Until) (*Result, error) {
	if g.failed != nil {
		return nil, fmt.Errorf("load: an earlier run failed: %w", g.failed)
	}
	if u.Elapsed <= 0 && u.Requests <= 0 && !u.Each {
		return nil, errors.New("load: Until is zero: name a time or a number of requests")
	}
	r := &run{g: g, until: u, latency: hdrhistogram.New(1, maxMicros, 3)}
	if err := r.loop(ctx); err != nil {
		g.failed = err
		return nil, fmt.Errorf("load: %s: %w", g.opts.Addr, err)
	}
	return &Result{Requests: r.answered, Elapsed: r.last.Sub(r.began), Latency: r.latency}, nil
}

// run is one Run while it lasts.
type run struct {
	g           *Generator
	until       Until
	began, last time.Time
	sent        int
	answered    int
	latency     *hdrhistogram.Histogram
}

// more reports whether another request may leave at now.
func (r *run) more(now time.Time) bool {
	return (r.until.Requests <= 0 || r.sent < r.until.Requests) &&
		(!r.until.Each || r.sent < len(r.g.requests)) &&
		(r.until.Elapsed <= 0 || now.Sub(r.began) < r.until.Elapsed)
}

func (r *run) loop(ctx context.Context) error {
	g := r.g
	r.began = time.Now()
	r.last = r.began
	if g.opts.Rate > 0 {
		r.takeTurns()
	} else {
		for i, c := range g.conns {
			if now := time.Now(); r.more(now) {
				if err := r.send(i, c, now); err != nil {
					return err
				}
			}
		}
	}
	looked := r.began
	for {
		wait, err := r.sendDue()
		if err != nil {
			return err
		}
		if r.answered == r.sent && wait == 0 {
			return nil
		}
		if wait == 0 {
			wait = tick
		}
		// In whole milliseconds, rounded up: a loop that looks again and again would take the server's time.
		n, err := unix.EpollWait(g.epoll, g.events, int((min(wait, tick)+time.Millisecond-1)/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for i := range max(n, 0) {
			ev := &g.events[i]
			if err := r.ready(int(ev.Fd), ev.Events); err != nil {
				return err
			}
		}
		if n > 0 && r.last.Sub(looked) < tick {
			continue
		}
		looked = time.Now()
		if err := r.overdue(looked); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
}

// send writes the next request of a connection.
func (r *run) send(i int, c *conn, now time.Time) error {
	switch n := len(r.g.requests); {
	case r.until.Each:
		c.path = r.sent
	case n > 1:
		c.path = r.g.random.IntN(n)
	default:
		c.path = 0
	}
	r.sent++
	c.sentAt, c.waiting, c.out = now, true, r.g.requests[c.path]
	return r.flush(i, c)
}

func (r *run) flush(i int, c *conn) error {
	if err := c.flush(r.g.epoll, i); err != nil {
		return r.wrong(i, c, err)
	}
	return nil
}

// ready handles what epoll has reported of a connection.
func (r *run) ready(i int, events uint32) error {
	c := r.g.conns[i]
	if events&unix.EPOLLOUT != 0 {
		if err := r.flush(i, c); err != nil {
			return err
		}
	}
	if events&^uint32(unix.EPOLLOUT) == 0 {
		return nil
	}
	if err := c.read(); err != nil {
		return r.wrong(i, c, err)
	}
	if !c.waiting {
		return r.wrong(i, c, fmt.Errorf("an answer that nothing asked for: %q", clip(c.in)))
	}
	a, err := parse(c.in, &c.scratch)
	if err != nil || a.length == 0 {
		if err != nil {
			err = r.wrong(i, c, err)
		}
		return err
	}
	now := time.Now()
	switch {
	case a.status != 200:
		return r.wrong(i, c, fmt.Errorf("status %d, body %q", a.status, clip(a.body)))
	case len(c.in) > a.length:
		return r.wrong(i, c, fmt.Errorf("%d bytes behind the answer: %q", len(c.in)-a.length, clip(c.in[a.length:])))
	case a.close:
		return r.wrong(i, c, errors.New("the server closes a connection that was meant to be kept"))
	}
	if r.g.opts.Check != nil {
		if err := r.g.opts.Check(c.path, a.body); err != nil {
			return r.wrong(i, c, err)
		}
	}
	c.in, c.waiting = c.in[:0], false
	r.answered++
	r.last = now
	took := now.Sub(c.sentAt)
	if err := r.latency.RecordValue(min(max(took.Microseconds(), 1), maxMicros)); err != nil {
		return err
	}
	if r.g.opts.Observe != nil {
		r.g.opts.Observe(c.sentAt, took)
	}
	if r.g.opts.Rate > 0 {
		r.answeredInTurn(c, now)
		return nil
	}
	if r.more(now) {
		return r.send(i, c, now)
	}
	return nil
}

// overdue reports the first answer that is late.
func (r *run) overdue(now time.Time) error {
	for i, c := range r.g.conns {
		if c.waiting && now.Sub(c.sentAt) > r.g.opts.Timeout {
			return r.wrong(i, c, fmt.Errorf("no answer after %v", r.g.opts.Timeout))
		}
	}
	return nil
}

// wrong names the place of an error.
func (r *run) wrong(i int, c *conn, err error) error {
	return fmt.Errorf("connection %d, request %d (%s): %w", i, r.answered+1, r.g.opts.Paths[c.path], err)
}

// clip bounds what of a server's bytes goes into a message.
func clip(b []byte) []byte { return b[:min(len(b), 200)] }
