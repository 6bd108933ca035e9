package client

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"everloop/proto/resp"
)

// connect opens a connection to the RESP server and begins it: version 3, who we are, and for calls results as values. rest is
// what has come behind the answers to that. The error is a *ConnError, and about something that was not sent.
func (o *Options) connect(ctx context.Context, forCalls bool) (nc net.Conn, rest []byte, err error) {
	failed := func(op string, err error) (net.Conn, []byte, error) {
		if nc != nil {
			nc.Close()
		}
		return nil, nil, &ConnError{Op: op, Address: o.Address, Err: err}
	}
	if o.Address == "" {
		return failed("connect", fmt.Errorf("no address of a RESP server was given: set Options.Address"))
	}
	ctx, cancel := context.WithTimeout(ctx, o.DialTimeout)
	defer cancel()
	if nc, err = o.dial(ctx, o.Address, o.TLS); err != nil {
		return failed("connect", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	hello := []string{"HELLO", "3"}
	if o.Password != "" {
		hello = append(hello, "AUTH", o.User, o.Password)
	}
	if o.Name != "" {
		hello = append(hello, "SETNAME", o.Name)
	}
	commands := resp.AppendCommand(nil, hello...)
	answers := 1
	if forCalls {
		commands = resp.AppendCommand(commands, "CLIENT", "ENCODING", "VALUE")
		answers++
	}
	if _, err := nc.Write(commands); err != nil {
		return failed("log in", atDeadline(ctx, err))
	}
	var (
		replies resp.ReplyReader
		limits  resp.ReplyLimits
		v       resp.Value
		in      []byte
	)
	limits.EnsureDefaults()
	for answers > 0 {
		k, err := replies.Read(in, &v, &limits)
		switch {
		case err != nil:
			return failed("log in", err)
		case k == 0:
			if len(in) > maxHello {
				return failed("log in", fmt.Errorf("the answer to HELLO is longer than %d bytes: is this a RESP server?", maxHello))
			}
			in = append(in, make([]byte, 1024)...)
			m, err := nc.Read(in[len(in)-1024:])
			if in = in[:len(in)-1024+m]; err != nil && m == 0 {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return failed("log in", atDeadline(ctx, err))
			}
			continue
		case v.IsError():
			return failed("log in", newError(&v))
		case v.Kind != resp.Push:
			answers--
		}
		in = in[k:]
	}
	if !stop() {
		return failed("log in", ctx.Err()) // the deadline is about to be set on it
	}
	return nc, in, nil
}

// maxHello bounds what the server says before the first call.
const maxHello = 64 << 10

// atDeadline is err, or the end of ctx if that is what it comes from.
func atDeadline(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// jitter is a time between a half of d and d: clients that lost their server together do not come back together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
