package links

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollWait waits not longer than d, which may be far below a millisecond: an open loop is as exact as its waits are. coarse
// is kept by the caller, false at first: it becomes true where the kernel knows whole milliseconds only.
func EpollWait(epoll int, events []unix.EpollEvent, d time.Duration, coarse *bool) (int, error) {
	if !*coarse {
		spec := unix.NsecToTimespec(max(d, 0).Nanoseconds())
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
			uintptr(unsafe.Pointer(&spec)), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			return 0, nil
		case unix.ENOSYS: // Linux before 5.11, and some sandboxes
			*coarse = true
		default:
			return 0, errno
		}
	}
	n, err := unix.EpollWait(epoll, events, int((max(d, 0)+time.Millisecond-1)/time.Millisecond))
	if err == unix.EINTR {
		return 0, nil
	}
	return n, err
}
