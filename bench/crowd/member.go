package crowd

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// member is one connection. Owned by its crowd.
type member struct {
	fd      int
	room    string
	out     []byte // what is not yet written
	blocked bool   // epoll watches for room to write
	// rest is the beginning of something whose end has not come yet; nil most of the time, so that a member that is
	// silent costs little.
	rest []byte

	heard  int       // of what was broadcast
	sentAt time.Time // of its own words
	said   int
	words  []byte // that it must hear next when each member speaks for itself
	waits  bool   // for its own words
}

// dial connects from 127.0.0.1 + source. The connection is blocking until the member has joined.
func dial(addr string, source int, timeout time.Duration) (_ *member, err error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if source > 0 {
		// The port is chosen when the other side is known, so that each pair of addresses has all of them.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return nil, fmt.Errorf("setsockopt: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + source)}}); err != nil {
			return nil, fmt.Errorf("bind 127.0.0.%d: %w", 1+source, err)
		}
	}
	wait := unix.NsecToTimeval(timeout.Nanoseconds())
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} { // the second bounds connect, too
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &wait); err != nil {
			return nil, fmt.Errorf("setsockopt: %w", err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return nil, fmt.Errorf("setsockopt: %w", err)
	}
	if err := connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, timeout); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &member{fd: fd}, nil
}

// connect connects. One that a signal interrupts, which Go sends to its threads, goes on by itself.
func connect(fd int, to unix.Sockaddr, timeout time.Duration) error {
	err := unix.Connect(fd, to)
	if err != unix.EINTR {
		return err
	}
	for deadline := time.Now().Add(timeout); ; {
		wait := time.Until(deadline)
		if wait <= 0 {
			return unix.ETIMEDOUT
		}
		switch n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(wait/time.Millisecond)+1); {
		case err == unix.EINTR || err == nil && n == 0:
			continue
		case err != nil:
			return err
		}
		result, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && result != 0 {
			err = unix.Errno(result)
		}
		return err
	}
}

// welcomed waits for the answer to hello, and makes the connection non-blocking. What comes behind the answer is kept.
func (m *member) welcomed(t tongue, buf []byte) error {
	for have := 0; ; {
		n, err := unix.Read(m.fd, buf[have:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return fmt.Errorf("no answer in time to %q", buf[:have])
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return fmt.Errorf("the server has closed the connection after %q: %w", clip(buf[:have]), io.ErrUnexpectedEOF)
		}
		have += n
		used, err := t.welcome(buf[:have])
		if err != nil {
			return err
		}
		if used > 0 {
			m.rest = append(m.rest, buf[used:have]...)
			return unix.SetNonblock(m.fd, true)
		}
		if have == len(buf) {
			return errors.New("an answer without end")
		}
	}
}

// watch tells epoll what to report, under the member's index.
func (m *member) watch(epoll, op, i int, events uint32) error {
	if err := unix.EpollCtl(epoll, op, m.fd, &unix.EpollEvent{Events: events, Fd: int32(i)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// flush writes what is left to write, now or when there is room.
func (m *member) flush(epoll, i int) error {
	for len(m.out) > 0 {
		n, err := unix.Write(m.fd, m.out)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			if m.blocked {
				return nil
			}
			m.blocked = true
			return m.watch(epoll, unix.EPOLL_CTL_MOD, i, unix.EPOLLIN|unix.EPOLLOUT)
		case err != nil:
			return fmt.Errorf("write: %w", err)
		}
		m.out = m.out[:copy(m.out, m.out[n:])]
	}
	if m.blocked {
		m.blocked = false
		return m.watch(epoll, unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
	}
	return nil
}

// read takes once what has arrived, behind what was left over, and gives each message to hear. What it gives lives until
// hear returns. epoll reports again what is left.
func (m *member) read(t tongue, buf []byte, hear func([]byte) error) error {
	have := copy(buf, m.rest)
	for {
		n, err := unix.Read(m.fd, buf[have:])
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("the server has closed the connection: %w", io.ErrUnexpectedEOF)
		}
		have += n
		break
	}
	b := buf[:have]
	for len(b) > 0 {
		n, h, err := t.hear(b, m.room)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if h.message {
			if err := hear(h.payload); err != nil {
				return err
			}
		}
		m.out = append(m.out, h.answer...)
		b = b[n:]
	}
	if len(b) == 0 {
		m.rest = m.rest[:0]
		return nil
	}
	m.rest = append(m.rest[:0], b...)
	return nil
}

// clip bounds what of a server's bytes goes into a message.
func clip(b []byte) []byte { return b[:min(len(b), 200)] }
