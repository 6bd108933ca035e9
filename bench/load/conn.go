package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one connection. Owned by its generator.
type conn struct {
	file *os.File // owns fd
	fd   int

	path    int // of the request under way
	sentAt  time.Time
	waiting bool      // for an answer
	turn    time.Time // of the next request, where there is a rate
	freeAt  time.Time // when the last answer came
	out     []byte    // what of the request is not yet written; aliases the generator's requests
	blocked bool      // epoll watches for room to write

	in      []byte // what has been read of the answer
	scratch []byte // a chunked body put together; lives until the next answer
}

// watch tells epoll what to report, under the connection's index.
func (c *conn) watch(epoll, op, i int, events uint32) error {
	if err := unix.EpollCtl(epoll, op, c.fd, &unix.EpollEvent{Events: events, Fd: int32(i)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// flush writes what is left of the request, now or when there is room.
func (c *conn) flush(epoll, i int) error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			if c.blocked {
				return nil
			}
			c.blocked = true
			return c.watch(epoll, unix.EPOLL_CTL_MOD, i, unix.EPOLLIN|unix.EPOLLOUT)
		case err != nil:
			return fmt.Errorf("write: %w", err)
		}
		c.out = c.out[n:]
	}
	if c.blocked {
		c.blocked = false
		return c.watch(epoll, unix.EPOLL_CTL_MOD, i, unix.EPOLLIN)
	}
	return nil
}

// errTooLong refuses an answer that a benchmark has no use for.
var errTooLong = errors.New("the answer is longer than 16 MiB")

const maxAnswer = 16 << 20

// read takes once what has arrived; epoll reports again what is left.
func (c *conn) read() error {
	if len(c.in) == cap(c.in) {
		if cap(c.in) >= maxAnswer {
			return errTooLong
		}
		grown := make([]byte, len(c.in), 2*cap(c.in))
		copy(grown, c.in)
		c.in = grown
	}
	for {
		n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("read: %w", err)
		case n == 0:
			return fmt.Errorf("the server has closed the connection: %w", io.ErrUnexpectedEOF)
		}
		c.in = c.in[:len(c.in)+n]
		return nil
	}
}
