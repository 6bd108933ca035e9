package client

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"everloop/proto/resp"
	"everloop/proto/ws"
)

// Client talks to one server. Its methods, and those of all that is made by them, are safe for concurrent use unless they say
// otherwise.
type Client struct {
	o     Options
	seed  maphash.Seed
	conns []*conn
	g     group
	calls callPool
	cut   context.CancelFunc // ends the wait for answers
	ended context.Context    // ends with cut

	mu     sync.Mutex
	closed bool
	rooms  map[Room]struct{}
}

// group counts goroutines, so that Close can wait for them.
type group struct{ wg sync.WaitGroup }

func (g *group) goes(f func()) { g.wg.Go(f) }

// New returns a client. It connects when it is first used; an error is about the options.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{o: o, seed: maphash.MakeSeed(), rooms: map[Room]struct{}{}}
	c.ended, c.cut = context.WithCancel(context.Background())
	c.conns = make([]*conn, o.Conns)
	for i := range c.conns {
		c.conns[i] = newConn(c.ended, &c.o)
	}
	return c, nil
}

// Close ends c in order: new calls fail with [ErrClosed], those under way get their answers until ctx ends, and rooms are closed
// (1001). When ctx ends first, the calls that are left fail with an error that is an ErrClosed, and Close returns that of ctx. When Close
// returns, no goroutine of c is left, whatever it returns. Every further call of it is an ErrClosed.
//
// It must not be called by a [Receiver].
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.closed = true
	rooms := make([]Room, 0, len(c.rooms))
	for r := range c.rooms {
		rooms = append(rooms, r)
	}
	c.mu.Unlock()
	for _, n := range c.conns {
		n.close()
	}
	for _, r := range rooms {
		c.g.goes(func() { _ = r.Close(ws.CloseGoingAway, "") }) // it is over either way
	}
	stop := context.AfterFunc(ctx, c.cut)
	c.g.wg.Wait()
	defer c.cut()
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// Ping asks the server for an answer, on one connection.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Do(ctx, "PING")
	return err
}

// Do sends a command that has no method here (INFO, COMMAND, ECHO, ...) and returns what the server answers, which is the caller's; an error
// of the server as an *Error. It is repeated if it could not be sent. What would change the state of a connection that others share is
// refused.
func (c *Client) Do(ctx context.Context, command ...string) (resp.Value, error) {
	if len(command) == 0 {
		return resp.Value{}, fmt.Errorf("client: an empty command")
	}
	switch strings.ToUpper(command[0]) {
	case "HELLO", "AUTH", "RESET", "QUIT", "SELECT", "CLIENT", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH":
		return resp.Value{}, fmt.Errorf("client: %s changes the connection, which other calls share: connections are set up by Options, and rooms have their own", command[0])
	}
	k := c.calls.get()
	k.scratch = resp.AppendCommand(k.scratch[:0], command...)
	k.body = k.scratch
	k.whole = true
	k, err := c.do(ctx, c.conns[0], k, policy{})
	if err != nil {
		return resp.Value{}, err
	}
	v := k.value
	k.recycle()
	return v, nil
}

// policy is what is set for the calls of an Object.
type policy struct {
	attempts   int
	idempotent bool
}

// do queues k, waits for its answer, and tries again where that is safe. The answer is in the call that is returned, whose owner is
// the caller; with an error there is none.
func (c *Client) do(ctx context.Context, n *conn, k *call, p policy) (*call, error) {
	attempts := p.attempts
	if attempts <= 0 {
		attempts = c.o.Attempts
	}
	wait := minRetry
	for {
		left, err := c.once(ctx, n, k)
		if left {
			return nil, err
		}
		if err == nil {
			return k, nil
		}
		if attempts--; attempts > 0 && ctx.Err() == nil {
			verdict := judge(err, p.idempotent)
			if verdict == again || verdict == tryLate && c.wait(ctx, &wait) {
				continue
			}
		}
		k.recycle()
		return nil, err
	}
}

// wait makes the pause before a call is repeated, and the next one longer. It reports false if ctx ends, or would end, before.
func (c *Client) wait(ctx context.Context, next *time.Duration) bool {
	d := jitter(*next)
	*next = min(2**next, maxRetry)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return false // the failure tells more than that the time is over
	}
	return pause(ctx, d) == nil
}

// once queues k and waits for its answer. left is as with await.
func (c *Client) once(ctx context.Context, n *conn, k *call) (left bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, &ConnError{Op: "call", Address: c.o.Address, Err: err}
	}
	if err := n.queue(ctx, &c.g, k, false); err != nil {
		return false, err
	}
	return await(ctx, k, c.o.Address)
}

// await waits for the answer to k, which is queued, or for the end of ctx. left says that k belongs to its connection: its caller must not
// look at it any more.
func await(ctx context.Context, k *call, address string) (left bool, err error) {
	if ctx.Done() == nil {
		<-k.done
	} else {
		select {
		case <-k.done:
		case <-ctx.Done():
			if k.abandon() {
				return true, &ConnError{Op: "wait for the answer", Address: address, MaybeDone: true, Err: ctx.Err()}
			}
		}
	}
	k.state.Store(waiting)
	return false, k.err
}
