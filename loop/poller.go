package loop

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// gnet offers no way to stop reading a connection, none to hear that one can be written to again, and none to
// run something in the poll after this one. All three are a matter of its epoll descriptor:
//
//   - To pause reading, the connection's interest is taken out of epoll and put back later. What the peer sends
//     meanwhile fills the kernel's buffers, and TCP holds the peer up. It costs one system call; the other way,
//     to detach a copy of the descriptor and enrol that anew on resuming, costs some 100 us and several
//     descriptors.
//   - To hear of writability, each loop has a second epoll of its own, the side epoll, nested in gnet's. An
//     event in it is reported to gnet as one of the sentinel: a socket pair whose end in gnet always holds one
//     byte but has no interest of its own. So gnet finds a byte to read, and calls OnTraffic. Nothing is done
//     for a connection until a write to it could not be completed.
//   - To run in the next poll, a byte is written to a second socket pair.
//
// gnet keeps the descriptor to itself. It is read through reflection, which can read a private number but not
// change it, once per loop at start-up; start-up then tries the mechanism and fails, saying so, if another
// version of gnet works differently. go.mod pins the version.

// errUnsupportedGnet says that the library is not the one that this package was built for.
var errUnsupportedGnet = errors.New("loop: this build of gnet is not supported: use the version that go.mod names, without the poll_opt build tag")

// pollDescriptor returns the epoll descriptor of an event loop of gnet's.
func pollDescriptor(el gnet.EventLoop) (int, error) {
	v := reflect.ValueOf(el)
	for _, field := range []string{"poller", "fd"} {
		if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
			return 0, errUnsupportedGnet
		}
		if v = v.Elem().FieldByName(field); !v.IsValid() {
			return 0, errUnsupportedGnet
		}
	}
	if v.Kind() != reflect.Int {
		return 0, errUnsupportedGnet
	}
	return int(v.Int()), nil
}

// readInterest is what gnet itself asks epoll for.
const readInterest = unix.EPOLLIN | unix.EPOLLPRI

func epollCtl(epfd, op, fd, reportAs int, events uint32) error {
	if err := unix.EpollCtl(epfd, op, fd, &unix.EpollEvent{Fd: int32(reportAs), Events: events}); err != nil {
		return fmt.Errorf("loop: epoll_ctl: %w", err)
	}
	return nil
}

// epollAdd is epollCtl with what tells an event from others that are reported as of the same descriptor. gnet looks at the descriptor only.
func epollAdd(epfd, fd, reportAs int, pad int32, events uint32) error {
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(reportAs), Pad: pad, Events: events}); err != nil {
		return fmt.Errorf("loop: epoll_ctl: %w", err)
	}
	return nil
}

// socketPair returns two connected, non-blocking sockets.
func socketPair() (a, b int, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, -1, fmt.Errorf("loop: socketpair: %w", err)
	}
	return p[0], p[1], nil
}
