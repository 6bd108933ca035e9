package loop

import (
	"errors"
	"io"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// socket is the [Transport] of one connection on a gnet loop. gnet reads for it and says when the connection
// has ended; writing goes straight to the descriptor, from the stream's own buffer, because gnet would keep
// what the kernel does not take in a buffer that has no bound and says nothing when it empties.
//
// Made by whoever enrols the connection; owned by its loop from opened on.
type socket struct {
	net    *Net
	loop   *netLoop
	lis    *Listener // nil for one that was enrolled by hand
	stream *Stream

	handler       Handler
	opts          *ListenOptions
	local, remote net.Addr

	conn  gnet.Conn // nil once gnet has let go of it: after the peer's end of a half-closed connection
	fd    int       // Invariant: only used while gone is false; see Close
	unix  bool
	taken bool // the loop has it; read by the enrolling goroutine after that
	out   bool // the side epoll watches fd
	gone  bool // the descriptor is closed, or about to be

	cause error // why readable has closed it
}

// opened makes the stream; called by gnet on the loop.
func (s *socket) opened(c gnet.Conn) {
	s.conn, s.fd, s.taken = c, c.Fd(), true
	if s.net.aborting.Load() {
		s.gone = true
		_ = s.loop.el.Close(c)
		s.closed()
		return
	}
	core := s.loop.core
	core.Begin()
	s.loop.register(s.fd, s)
	s.stream = NewStream(core, s, s.net.nextID.Add(1), s.handler, s.opts, s.local, s.remote, s.closed)
	s.stream.Open()
	if s.net.draining.Load() {
		s.stream.Drain()
	}
}

// closed is called after the handler's Closed.
func (s *socket) closed() { s.net.released(s) }

// readable reads what the peer has sent, into b, in gnet's place.
func (s *socket) readable(b []byte) {
	n, err := unix.Read(s.fd, b)
	switch {
	case n > 0:
		s.loop.core.Begin()
		s.stream.Receive(b[:n])
	case err == unix.EAGAIN || err == unix.EINTR:
	default:
		if err == nil {
			err = io.EOF
		}
		s.cause = os.NewSyscallError("read", err)
		_ = s.loop.el.Close(s.conn) // calls ended
	}
}

// ended is called by gnet, on the loop, when the connection has ended by itself; gnet closes the descriptor
// right after.
func (s *socket) ended(err error) {
	if s.gone {
		return // it was closed from here
	}
	s.loop.core.Begin()
	s.loop.register(s.fd, nil)
	s.conn = nil
	if err == nil {
		err = s.cause
	}
	switch {
	case err == nil:
		s.stream.Lost(ErrClosed) // gnet itself is shutting down
	case err == io.EOF: // as it is: gnet saw a hang-up, not an end of the bytes
		s.stream.Lost(s.pendingError())
	case errors.Is(err, io.EOF):
		if s.stream.HalfClose() {
			s.detach()
			return
		}
	default:
		s.stream.Lost(err)
	}
	s.letGo()
}

// pendingError returns why the kernel has given the connection up, or nil if the peer just closed it.
func (s *socket) pendingError() error {
	if no, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err == nil && no != 0 {
		return unix.Errno(no)
	}
	return nil
}

// detach keeps a copy of the descriptor that gnet is about to close, to go on writing to.
func (s *socket) detach() {
	s.unwatch()
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		s.stream.Lost(err)
		s.letGo()
		return
	}
	s.fd = fd
	// Even with nothing to write yet: a reset by the peer has to be heard.
	interest := uint32(0)
	if s.stream.blocked {
		interest = unix.EPOLLOUT | unix.EPOLLONESHOT
	}
	if err := s.watch(interest); err != nil {
		s.stream.Abort(err)
	}
}

// ready is called for an event of the side epoll.
func (s *socket) ready(events uint32) {
	s.loop.core.Begin()
	if s.conn == nil && events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		// The peer has gone altogether, or both halves are shut.
		fd := s.fd
		s.stream.Lost(s.pendingError())
		s.letGo()
		_ = unix.Close(fd)
		return
	}
	s.stream.Writable()
	if s.conn == nil && !s.gone && !s.stream.blocked {
		_ = s.watch(0) // one-shot interest is used up, and a reset still has to be heard
	}
}

// Write is part of [Transport].
func (s *socket) Write(b []byte) (int, error) {
	for {
		n, err := unix.Write(s.fd, b)
		switch err {
		case nil:
			if n < len(b) {
				err = s.watch(unix.EPOLLOUT | unix.EPOLLONESHOT)
			}
			return n, err
		case unix.EAGAIN:
			return 0, s.watch(unix.EPOLLOUT | unix.EPOLLONESHOT)
		case unix.EINTR:
		default:
			return 0, err
		}
	}
}

// watch asks the side epoll for events.
func (s *socket) watch(events uint32) error {
	op := unix.EPOLL_CTL_MOD
	if !s.out {
		op = unix.EPOLL_CTL_ADD
	}
	if err := epollCtl(s.loop.side, op, s.fd, s.fd, events); err != nil {
		return err
	}
	s.out = true
	s.loop.watched[int32(s.fd)] = s
	return nil
}

func (s *socket) unwatch() {
	if s.out {
		s.out = false
		delete(s.loop.watched, int32(s.fd))
		_ = epollCtl(s.loop.side, unix.EPOLL_CTL_DEL, s.fd, s.fd, 0)
	}
}

// Pause is part of [Transport].
func (s *socket) Pause() {
	if s.conn == nil {
		return
	}
	var err error
	if s.unix {
		// A unix socket reports a hang-up as soon as the peer closes, asked or not, and gnet would end
		// the connection although bytes wait to be read. So epoll must not know it at all.
		err = epollCtl(s.loop.poll, unix.EPOLL_CTL_DEL, s.fd, s.fd, 0)
	} else {
		err = epollCtl(s.loop.poll, unix.EPOLL_CTL_MOD, s.fd, s.fd, 0) // a reset is still heard
	}
	if err != nil {
		s.net.log.Error("cannot pause reading a connection", "conn", s.stream.ID(), "err", err)
	}
}

// Resume is part of [Transport].
func (s *socket) Resume() {
	if s.conn == nil {
		return
	}
	op := unix.EPOLL_CTL_MOD
	if s.unix {
		op = unix.EPOLL_CTL_ADD
	}
	if err := epollCtl(s.loop.poll, op, s.fd, s.fd, readInterest); err != nil {
		s.net.log.Error("cannot resume reading a connection", "conn", s.stream.ID(), "err", err)
	}
}

// Unread is part of [Transport].
func (s *socket) Unread() bool {
	n, err := unix.IoctlGetInt(s.fd, unix.TIOCINQ)
	return err == nil && n > 0
}

// CloseWrite is part of [Transport].
func (s *socket) CloseWrite() { _ = unix.Shutdown(s.fd, unix.SHUT_WR) }

// Close is part of [Transport]. The kernel may give the number of the descriptor to the next connection at
// once; nothing here touches it after gone is set.
func (s *socket) Close() {
	if s.conn != nil {
		s.loop.register(s.fd, nil)
	}
	s.letGo()
	if s.conn == nil {
		_ = unix.Close(s.fd)
		return
	}
	_ = s.loop.el.Close(s.conn) // calls ended, which sees gone
	s.conn = nil
}

func (s *socket) letGo() {
	s.unwatch()
	s.gone = true
}
