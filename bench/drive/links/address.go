package links

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Address is where a server listens. The zero Address is none.
type Address struct {
	name string
	to   []unix.Sockaddr // one is enough; each is tried once, at first
}

// Resolve finds an address: host:port, or unix:PATH. Unless remote is set, it refuses one that is not of this machine: every
// address of a name must be a loopback one. Connections are then made to the addresses that were found here, so a name
// that resolves differently later leads nowhere else.
func Resolve(ctx context.Context, addr string, remote bool) (Address, error) {
	a := Address{name: addr}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if path == "" || len(path) > 107 { // sockaddr_un
			return a, fmt.Errorf("%q: want unix:PATH, with a path of 1 to 107 bytes", addr)
		}
		a.to = []unix.Sockaddr{&unix.SockaddrUnix{Name: path}}
		return a, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return a, fmt.Errorf("%q: want HOST:PORT or unix:PATH", addr)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return a, fmt.Errorf("%q: %w", addr, err)
	}
	if host == "" {
		host = "localhost"
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return a, fmt.Errorf("%q: %w", addr, err)
	}
	for _, ip := range found {
		ip = ip.Unmap()
		if !remote && !ip.IsLoopback() {
			return a, &RemoteError{Addr: addr, IP: ip}
		}
		if ip.Is4() {
			a.to = append(a.to, &unix.SockaddrInet4{Port: port, Addr: ip.As4()})
			continue
		}
		to := &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
		if ip.Zone() != "" {
			if nic, err := net.InterfaceByName(ip.Zone()); err == nil {
				to.ZoneId = uint32(nic.Index)
			}
		}
		a.to = append(a.to, to)
	}
	return a, nil
}

// RemoteError refuses to make load on another machine.
type RemoteError struct {
	Addr string
	IP   netip.Addr
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("%q is %v, which is not this machine", e.Addr, e.IP)
}

// String is what was resolved.
func (a Address) String() string { return a.name }

// AddrPort is the address with which the server was found, if it is one of IP.
func (a Address) AddrPort() (netip.AddrPort, bool) {
	if len(a.to) == 0 {
		return netip.AddrPort{}, false
	}
	switch to := a.to[0].(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(to.Addr), uint16(to.Port)), true
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(to.Addr), uint16(to.Port)), true
	}
	return netip.AddrPort{}, false
}

// Probe leaves the first of several addresses at which something listens: localhost is two, and most servers listen at one of
// them. It fails if there is none.
func (a Address) Probe(timeout time.Duration) (Address, error) {
	var first error
	for _, to := range a.to {
		fd, err := open(to)
		if err == nil {
			err = connected(fd, unix.Connect(fd, to), timeout)
			_ = unix.Close(fd)
		}
		if err == nil {
			return Address{a.name, []unix.Sockaddr{to}}, nil
		}
		if first == nil {
			first = err
		}
	}
	return a, fmt.Errorf("%s: connect: %w", a.name, first)
}

// open makes a non-blocking socket.
func open(to unix.Sockaddr) (fd int, err error) {
	family := unix.AF_INET
	switch to.(type) {
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	case *unix.SockaddrUnix:
		family = unix.AF_UNIX
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if family != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			_ = unix.Close(fd)
			return -1, fmt.Errorf("setsockopt: %w", err)
		}
	}
	return fd, nil
}

// connected waits for a connection that is being made.
func connected(fd int, err error, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); err == unix.EINPROGRESS || err == unix.EINTR; {
		wait := time.Until(deadline)
		if wait <= 0 {
			return unix.ETIMEDOUT
		}
		n, perr := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(wait/time.Millisecond)+1)
		switch {
		case perr == unix.EINTR || perr == nil && n == 0:
		case perr != nil:
			return perr
		default:
			return outcome(fd)
		}
	}
	return err
}

// outcome is that of a connection which was being made.
func outcome(fd int) error {
	result, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && result != 0 {
		err = unix.Errno(result)
	}
	return err
}
