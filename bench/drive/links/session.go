package links

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"everloop/bench/drive"
)

// state is that of a connection.
type state uint8

const (
	down       state = iota // not there: it is made when an operation wants it, and the pause is over
	connecting              // under way
	greeting                // Hello is sent, its answer is not there
	up
)

// conn is one connection. Owned by its session.
type conn struct {
	fd      int
	state   state
	blocked bool // epoll watches for room to write
	dirty   bool // it is in session.dirty
	served  bool // it has answered since it was made
	waits   bool // it is in session.waiting
	codec   Codec
	out     []byte // what is not yet written
	rest    []byte // the beginning of something whose end has not come yet
	ops     []pending
	answers int // of ops have been told; the others wait
	retryAt time.Duration
	pause   time.Duration
}

type pending struct {
	op drive.Op
	at time.Duration
}

// session is the connections of one worker.
type session struct {
	target *Target
	w      *drive.Worker
	depth  int
	epoll  int
	coarse bool // waits are of whole milliseconds
	conns  []conn
	events []unix.EpollEvent
	buf    []byte // every connection is read through it

	dirty   []int32 // have something to write
	waiting []int32 // are down and wanted
	looked  time.Duration
	opening bool
	failed  error // of a connection, while opening
}

const (
	maxPause   = time.Second
	firstPause = 100 * time.Millisecond
	// lookEvery is how often connections are looked at for what is late.
	lookEvery = 50 * time.Millisecond
	// maxAnswer bounds one answer. One that is longer has no use in a load test.
	maxAnswer = 64 << 20
	// batch is how many connections are made at once, so that no backlog is too short for them.
	batch = 64
)

func newSession(t *Target, w *drive.Worker) (*session, error) {
	s := &session{
		target: t, w: w, depth: w.Depth, conns: make([]conn, w.Conns),
		events: make([]unix.EpollEvent, min(w.Conns, 1024)), buf: make([]byte, 256<<10),
	}
	if t.Depth > 0 {
		s.depth = min(s.depth, t.Depth)
	}
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	for i := range s.conns {
		s.conns[i] = conn{fd: -1, codec: t.Codec(w, w.First+i)}
	}
	return s, nil
}

// open makes all connections.
func (s *session) open(ctx context.Context) error {
	s.opening = true
	for first := 0; first < len(s.conns); first += batch {
		last := min(first+batch, len(s.conns))
		began := time.Now()
		for i := first; i < last; i++ {
			s.dial(i)
		}
		for i := first; i < last; {
			if s.failed != nil {
				return s.failed
			}
			if s.conns[i].state == up {
				i++
				continue
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if time.Since(began) > s.w.Timeout {
				return fmt.Errorf("connection %d of %d cannot be used after %v", s.w.First+i+1, s.w.First+len(s.conns), s.w.Timeout)
			}
			if err := s.poll(lookEvery); err != nil {
				return err
			}
		}
	}
	s.opening = false
	return s.failed
}

// Conns is part of drive.Session.
func (s *session) Conns() int { return len(s.conns) }

// Depth is part of drive.Session.
func (s *session) Depth() int { return s.depth }

// Close is part of drive.Session.
func (s *session) Close() error {
	for i := range s.conns {
		if c := &s.conns[i]; c.fd >= 0 {
			_ = unix.Close(c.fd) // it holds nothing that could be lost
			c.fd = -1
		}
	}
	return unix.Close(s.epoll)
}

// Start is part of drive.Session.
func (s *session) Start(i int, op *drive.Op) {
	c := &s.conns[i]
	c.ops = append(c.ops, pending{*op, s.w.Now()})
	c.out = c.codec.Append(c.out, op)
	switch {
	case c.state == up && !c.dirty:
		c.dirty = true
		s.dirty = append(s.dirty, int32(i))
	case c.state == down && !c.waits:
		c.waits = true
		s.waiting = append(s.waiting, int32(i))
	}
}

// Wait is part of drive.Session.
func (s *session) Wait(d time.Duration) error {
	s.flushDirty()
	if len(s.waiting) > 0 {
		s.redial()
		d = min(d, firstPause/10)
	}
	if err := s.poll(d); err != nil {
		return err
	}
	s.flushDirty()
	if now := s.w.Now(); now-s.looked >= lookEvery {
		s.looked = now
		s.overdue(now)
	}
	return nil
}

func (s *session) flushDirty() {
	for k := 0; k < len(s.dirty); k++ { //nolint:intrange // a failure may make others dirty
		i := int(s.dirty[k])
		s.conns[i].dirty = false
		if s.conns[i].state == up {
			s.flush(i)
		}
	}
	s.dirty = s.dirty[:0]
}

// redial makes the connections again that are wanted.
func (s *session) redial() {
	now := s.w.Now()
	kept := s.waiting[:0]
	for _, i := range s.waiting {
		switch c := &s.conns[i]; {
		case c.state != down || len(c.ops) == 0:
			c.waits = false
		case c.retryAt > now:
			kept = append(kept, i)
		default:
			c.waits = false
			s.w.Reconnect()
			s.dial(int(i))
		}
	}
	s.waiting = kept
}

// poll waits once and handles what has happened.
func (s *session) poll(d time.Duration) error {
	n, err := EpollWait(s.epoll, s.events, d, &s.coarse)
	if err != nil {
		return fmt.Errorf("epoll_wait: %w", err)
	}
	for k := range n {
		ev := &s.events[k]
		s.ready(int(ev.Fd), ev.Events)
	}
	return nil
}

// dial begins to make a connection.
func (s *session) dial(i int) {
	c := &s.conns[i]
	to := s.target.Address.to[0]
	fd, err := open(to)
	if err != nil {
		s.lose(i, drive.FailedConnect, err)
		return
	}
	c.fd, c.state, c.served = fd, connecting, false
	switch err = unix.Connect(fd, to); err {
	case nil:
		err = s.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLIN)
		if err == nil {
			s.greet(i)
		}
	case unix.EINPROGRESS, unix.EINTR:
		err = s.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLOUT)
	}
	if err != nil {
		s.lose(i, drive.FailedConnect, err)
	}
}

// greet says hello on a connection that has been made.
func (s *session) greet(i int) {
	c := &s.conns[i]
	hello := c.codec.Hello(nil)
	if len(hello) == 0 {
		s.welcome(i)
		return
	}
	c.state = greeting
	// It is the first that is written, and short: there is room for it.
	if n, err := unix.Write(c.fd, hello); err != nil || n < len(hello) {
		s.lose(i, drive.FailedConnect, fmt.Errorf("write: %d of %d bytes: %w", n, len(hello), err))
	}
}

// welcome lets operations leave.
func (s *session) welcome(i int) {
	c := &s.conns[i]
	c.state = up
	if len(c.out) > 0 && !c.dirty {
		c.dirty = true
		s.dirty = append(s.dirty, int32(i))
	}
}

// watch tells epoll what to report, under the connection's index.
func (s *session) watch(op, i int, events uint32) error {
	if err := unix.EpollCtl(s.epoll, op, s.conns[i].fd, &unix.EpollEvent{Events: events, Fd: int32(i)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// flush writes what is left to write, now or when there is room.
func (s *session) flush(i int) {
	c := &s.conns[i]
	done := 0
	var err error
	for done < len(c.out) && err == nil {
		var n int
		n, err = unix.Write(c.fd, c.out[done:])
		if err == unix.EINTR {
			err = nil
		}
		done += max(n, 0)
	}
	s.w.Bytes(0, done)
	c.out = c.out[:copy(c.out, c.out[done:])]
	switch {
	case err == unix.EAGAIN && !c.blocked:
		c.blocked = true
		err = s.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN|unix.EPOLLOUT)
	case err == unix.EAGAIN:
		err = nil
	case err == nil && c.blocked:
		c.blocked = false
		err = s.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
	}
	if err != nil {
		s.lose(i, drive.FailedClosed, fmt.Errorf("write: %w", err))
	}
}

// ready handles what epoll has reported of a connection.
func (s *session) ready(i int, events uint32) {
	c := &s.conns[i]
	if c.state == down { // lost since it was reported
		return
	}
	if c.state == connecting {
		err := outcome(c.fd)
		if err == nil {
			err = s.watch(unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
		}
		if err != nil {
			if !s.opening {
				s.w.Stamp()
			}
			s.lose(i, drive.FailedConnect, err)
			return
		}
		s.greet(i)
		return
	}
	if events&unix.EPOLLOUT != 0 && c.state == up {
		s.flush(i)
	}
	if events&^uint32(unix.EPOLLOUT) != 0 && c.state != down {
		s.read(i)
	}
	if c.dirty && c.state == up {
		s.flush(i) // at once, so that the server has something to do while the others are looked at
	}
}

// read takes once what has arrived; epoll reports again what is left.
func (s *session) read(i int) {
	c := &s.conns[i]
	buf := s.buf
	have := copy(buf, c.rest)
	if len(c.rest) > len(buf)/2 {
		buf = make([]byte, 2*len(c.rest))
		copy(buf, c.rest)
		have = len(c.rest)
	}
	n, err := unix.Read(c.fd, buf[have:])
	if !s.opening {
		s.w.Stamp()
		s.w.Bytes(max(n, 0), 0)
	}
	switch {
	case err == unix.EINTR || err == unix.EAGAIN:
		return
	case err != nil:
		s.lose(i, drive.FailedClosed, fmt.Errorf("read: %w", err))
		return
	case n == 0:
		s.lose(i, drive.FailedClosed, fmt.Errorf("the server has closed the connection: %w", io.ErrUnexpectedEOF))
		return
	}
	b := buf[:have+n]
	if c.state == greeting {
		used, err := c.codec.Welcome(b)
		if err != nil {
			s.lose(i, drive.FailedConnect, err)
			return
		}
		if used == 0 {
			c.rest = append(c.rest[:0], b...)
			return
		}
		b = b[used:]
		s.welcome(i)
	}
	for len(b) > 0 {
		used, ok := s.hear(i, b)
		if !ok {
			return
		}
		if used == 0 {
			break
		}
		b = b[used:]
	}
	if len(b) > maxAnswer {
		s.lose(i, drive.FailedProtocol, fmt.Errorf("an answer of more than %d bytes", maxAnswer))
		return
	}
	c.rest = append(c.rest[:0], b...)
}

// hear handles the first thing in b. It is not ok when the connection is not the one any more that b came from.
func (s *session) hear(i int, b []byte) (used int, ok bool) {
	c := &s.conns[i]
	var op *drive.Op
	if c.answers < len(c.ops) {
		op = &c.ops[c.answers].op
	}
	h, err := c.codec.Read(b, op)
	switch {
	case err != nil:
		s.lose(i, drive.FailedProtocol, err)
		return 0, false
	case h.Length == 0:
		return 0, true
	}
	if len(h.Reply) > 0 {
		c.out = append(c.out, h.Reply...)
		if !c.dirty {
			c.dirty = true
			s.dirty = append(s.dirty, int32(i))
		}
	}
	if h.Aside {
		if h.Close {
			s.lose(i, drive.FailedClosed, errors.New("the server closes the connection"))
		}
		return h.Length, !h.Close
	}
	if op == nil && s.opening {
		s.lose(i, drive.FailedUnasked, fmt.Errorf("the server speaks before it is asked: %q", clip(b)))
		return 0, false
	}
	if op == nil {
		s.w.Fail(&drive.Failure{Kind: drive.FailedUnasked, Text: fmt.Sprintf("%q", clip(b))})
		s.lose(i, drive.FailedUnasked, errors.New("the connection is of no use"))
		return 0, false
	}
	done := *op
	c.answers++
	c.served = true
	if c.answers == len(c.ops) {
		c.ops, c.answers = c.ops[:0], 0
	} else if c.answers >= 1024 {
		c.ops, c.answers = c.ops[:copy(c.ops, c.ops[c.answers:])], 0
	}
	if h.Close {
		s.lose(i, drive.FailedClosed, errors.New("the server closes the connection"))
	}
	s.w.Done(i, &done, h.Failure)
	return h.Length, !h.Close
}

// lose gives a connection up, with what is under way on it.
func (s *session) lose(i int, kind string, err error) {
	c := &s.conns[i]
	if c.fd >= 0 {
		_ = unix.Close(c.fd) // epoll forgets it
	}
	if s.opening {
		c.fd, c.state = -1, down
		if s.failed == nil {
			s.failed = fmt.Errorf("connection %d: %s: %w", s.w.First+i+1, kind, err)
		}
		return
	}
	ops := c.ops[c.answers:]
	fresh := conn{fd: -1, codec: s.target.Codec(s.w, s.w.First+i), dirty: c.dirty, waits: c.waits, out: c.out[:0], rest: c.rest[:0]}
	if !c.served {
		fresh.pause = min(max(2*c.pause, firstPause), maxPause)
		fresh.retryAt = s.w.Now() + fresh.pause
	}
	*c = fresh
	if len(ops) == 0 {
		return
	}
	f := &drive.Failure{Kind: kind, Text: err.Error()}
	for k := range ops {
		s.w.Done(i, &ops[k].op, f)
	}
}

// overdue gives connections up on which the oldest operation takes too long.
func (s *session) overdue(now time.Duration) {
	for i := range s.conns {
		c := &s.conns[i]
		if c.answers < len(c.ops) && now-c.ops[c.answers].at > s.w.Timeout {
			s.lose(i, drive.FailedTimeout, fmt.Errorf("no answer after %v", s.w.Timeout))
		}
	}
}

// clip bounds what of a server's bytes goes into a message.
func clip(b []byte) []byte { return b[:min(len(b), 200)] }
