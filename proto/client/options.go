package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// Defaults of [Options], and bounds that are not settable.
const (
	DefaultMaxCalls    = 4096
	DefaultMaxQueued   = 8 << 20
	DefaultMaxReply    = 65 << 20
	DefaultDialTimeout = 5 * time.Second
	DefaultAttempts    = 3
	DefaultPing        = 30 * time.Second

	// MaxCommand is how many bytes a call has at most, with all its words and their framing, and MaxWords how many arguments of bytes. It is what
	// servers take (docs/format/resp.md, "Limits"): one that gets more closes the connection, on which others' calls are under way.
	MaxCommand = 32 << 20
	MaxWords   = 16<<10 - 4

	// MaxDefaultConns is the largest default of [Options].Conns.
	MaxDefaultConns = 4

	minBackoff = 50 * time.Millisecond // the pause before the first connection after a failure
	maxBackoff = 2 * time.Second
	minRetry   = 10 * time.Millisecond // the pause before a call is repeated because the server asked for it
	maxRetry   = time.Second
	maxKept    = 1 << 20 // bytes of a buffer that a connection keeps for the next use
	maxScratch = 64 << 10
	roomQueue  = 64 // messages that a room has read and nobody has received
)

// Options say where the server is and how it is talked to. Only Address is needed; HTTP alone, for a client that has WebSockets only.
type Options struct {
	// Address is where the server speaks RESP: host:port, or unix: and the path of a socket.
	Address string
	// User and Password are shown when a connection begins, if there is a password. User is "default" unless it is set.
	User, Password string
	// Name is what the server calls the connections (CLIENT SETNAME), without blanks.
	Name string
	// TLS, if it is set, is how connections to Address are secured: the server itself has no TLS, so that is for a proxy in
	// front of it. ServerName may be empty: it is the host of Address then.
	TLS *tls.Config

	// HTTP is where the server speaks HTTP, for [Client.WebSocket]: http://host:port, https://host:port, or unix: and the path of a socket. An
	// https address is dialled with TLS, or with defaults if that is nil.
	HTTP string

	// Dial, if it is set, is called instead of a net.Dialer. network is tcp or unix.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DialTimeout bounds how long a connection may take until calls can be sent on it. Default 5 s.
	DialTimeout time.Duration

	// Conns is how many connections the calls are spread over, by the name of the object. Default as many as GOMAXPROCS, and at
	// most 4. A room has a connection of its own beside these.
	Conns int
	// MaxCalls bounds the calls of one connection whose answers have not come, those whose caller has given up among them. Default
	// 4,096. Beyond it a call waits, as long as its context lets it, and Start fails with [ErrQueueFull].
	MaxCalls int
	// MaxQueued bounds the bytes of one connection that wait to be written, in the same way. Default 8 MiB. One call may go beyond
	// it by its own size.
	MaxQueued int
	// MaxReply bounds the bytes of one answer. Default 65 MiB, as servers send 64 MiB at most. A longer one ends its connection.
	MaxReply int

	// Attempts is how often a call is tried at most, counting the first. Default 3; see [Object.Attempts].
	Attempts int
}

// withDefaults checks o and fills it in.
func (o Options) withDefaults() (Options, error) {
	if o.Address == "" && o.HTTP == "" {
		return o, fmt.Errorf("client: options without an address: set Address to host:port or unix:PATH")
	}
	if strings.ContainsAny(o.Name, " \r\n") {
		return o, fmt.Errorf("client: the name %q has blanks in it", o.Name)
	}
	if o.HTTP != "" {
		if _, _, _, err := splitHTTP(o.HTTP); err != nil {
			return o, err
		}
	}
	if o.User == "" {
		o.User = "default"
	}
	for _, f := range []struct {
		field *int
		value int
	}{
		{&o.Conns, min(runtime.GOMAXPROCS(0), MaxDefaultConns)},
		{&o.MaxCalls, DefaultMaxCalls},
		{&o.MaxQueued, DefaultMaxQueued},
		{&o.MaxReply, DefaultMaxReply},
		{&o.Attempts, DefaultAttempts},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	return o, nil
}

// splitAddress says how a net.Dialer gets to an address of Options.
func splitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", path
	}
	return "tcp", address
}

// splitHTTP says where a server's HTTP is: what to dial, the host to name in requests, and whether there is TLS.
func splitHTTP(base string) (address, host string, secure bool, err error) {
	if strings.HasPrefix(base, "unix:") {
		return base, "localhost", false, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", "", false, fmt.Errorf("client: address of HTTP: %w", err)
	}
	port := u.Port()
	switch {
	case u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
		return "", "", false, fmt.Errorf("client: the address of HTTP is %q: give scheme, host and port and no more", base)
	case u.Scheme == "http" || u.Scheme == "ws":
		if port == "" {
			port = "80"
		}
	case u.Scheme == "https" || u.Scheme == "wss":
		secure = true
		if port == "" {
			port = "443"
		}
	default:
		return "", "", false, fmt.Errorf("client: the address of HTTP begins with %q: use http, https or unix", u.Scheme)
	}
	return net.JoinHostPort(u.Hostname(), port), u.Host, secure, nil
}

// dial opens a connection and secures it.
func (o *Options) dial(ctx context.Context, address string, secure *tls.Config) (net.Conn, error) {
	network, addr := splitAddress(address)
	dial := o.Dial
	if dial == nil {
		// A server that is gone without a word is found out in a minute and a half, whatever its calls may take.
		d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 15 * time.Second, Count: 4}}
		dial = d.DialContext
	}
	nc, err := dial(ctx, network, addr)
	if err != nil || secure == nil {
		return nc, err
	}
	if secure.ServerName == "" {
		secure = secure.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil {
			secure.ServerName = host
		}
	}
	t := tls.Client(nc, secure)
	if err := t.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return t, nil
}
