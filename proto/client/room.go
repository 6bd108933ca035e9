package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"everloop/proto/ws"
)

// Room is a membership of an object that takes WebSockets, over RESP ([Object.Join]) or HTTP ([Client.WebSocket]). Its methods may be
// called by any goroutine. A Room does not come back when its connection is lost: what the object knows of the member is gone with it, so to
// join again is the caller's to decide.
type Room interface {
	// Send says m to the object, and returns when m has been handed to the operating system: that the object gets it, nobody confirms. The
	// data are the caller's again then. If ctx ends while a part of m is out, the room is lost.
	Send(ctx context.Context, m Message) error
	// Receive waits for the next message. When the room has ended it returns why, every time: a *[CloseError] if the object or Close has closed
	// it, a *[ConnError] if the connection failed, an *[Error] if the server has refused something that was sent.
	Receive(ctx context.Context) (Message, error)
	// Messages is Receive in a loop. The last thing that it yields is the error, unless that is a Close with 1000.
	Messages(ctx context.Context) iter.Seq2[Message, error]
	// Close leaves the room, with a code of 1000 to 4999 and a reason of at most 123 bytes, and waits until the other side has said the
	// same, or for 5 seconds. Messages that nobody has received are dropped. Over RESP the object always sees 1000 and no reason. It
	// returns nil, also if the room has ended before.
	Close(code int, reason string) error
}

// Message is what goes through a room, at most 32 MiB.
type Message struct {
	// Text says that Data is text, in UTF-8, and not bytes. Over RESP both look the same: at either end it is text if it can be.
	Text bool
	Data []byte
}

// Text makes a message of text.
func Text(s string) Message { return Message{Text: true, Data: []byte(s)} }

// CloseError says that a room was closed, and not lost.
type CloseError struct {
	// Code is one of RFC 6455, 7.4, or of the program's (3000 to 4999); 1005 stands for none.
	Code   int
	Reason string
}

// Error returns the code and the reason.
func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("client: the room was closed (%d)", e.Code)
	}
	return fmt.Sprintf("client: the room was closed (%d: %s)", e.Code, e.Reason)
}

// closeWait bounds how long Close waits for the other side.
const closeWait = 5 * time.Second

// wire is the protocol of a room.
type wire interface {
	// appendMessage, appendClose and appendPing write what a member says. They are called by one goroutine at a time.
	appendMessage(dst []byte, m Message) ([]byte, error)
	appendClose(dst []byte, code int, reason string) []byte
	appendPing(dst []byte) []byte
	// next reads on; it is the reading goroutine's. n bytes of in are used up. With happened nothing, more must come first.
	next(in []byte) (n int, e event, err error)
	// appendGoodbye writes what is sent before the connection is closed for err.
	appendGoodbye(dst []byte, err error) []byte
}

// event is what a wire has read.
type event struct {
	what    happened
	message Message // the receiver's
	answer  []byte  // what is to be written for it
}

type happened uint8

const (
	nothing happened = iota
	heard            // something that is none of the room's
	said             // a message
)

// room is a Room over one connection. A goroutine reads, and ends when the room does.
type room struct {
	c       *Client
	nc      net.Conn
	address string
	w       wire

	writing chan struct{} // has room for whoever writes
	out     []byte        // memory of whoever writes
	closing bool          // Close was sent: nothing may follow. Of whoever writes

	messages chan Message  // closed by the reading goroutine behind the last
	leave    chan struct{} // closed by Close: nobody receives any more
	left     sync.Once
	over     chan struct{} // closed when the reading goroutine has ended; err is set then
	err      error

	reads atomic.Uint64 // how often something came, for keep
	stuck atomic.Bool   // the reading goroutine waits for somebody to receive
	mute  atomic.Bool   // keep has found that nothing comes any more
}

// newRoom starts a room on a connection, of which in has been read. It closes the connection if the client is closed.
func (c *Client) newRoom(nc net.Conn, address string, w wire, in []byte, ping time.Duration) (*room, error) {
	r := &room{
		c: c, nc: nc, address: address, w: w,
		writing:  make(chan struct{}, 1),
		messages: make(chan Message, roomQueue), leave: make(chan struct{}), over: make(chan struct{}),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		nc.Close()
		return nil, ErrClosed
	}
	c.rooms[r] = struct{}{}
	c.g.goes(func() { r.read(in) })
	if ping > 0 {
		c.g.goes(func() { r.keep(ping) })
	}
	return r, nil
}

// read reads until the room has ended.
func (r *room) read(in []byte) {
	cut := context.AfterFunc(r.c.ended, func() { r.nc.Close() })
	err := r.readAll(in)
	r.nc.Close()
	cut()
	switch err.(type) {
	case *CloseError, *Error:
		r.err = err
	default:
		if r.mute.Load() {
			err = errMute
		} else if r.c.ended.Err() != nil {
			err = ErrClosed
		}
		r.err = &ConnError{Op: "read", Address: r.address, MaybeDone: true, Err: err}
	}
	r.c.mu.Lock()
	delete(r.c.rooms, r)
	r.c.mu.Unlock()
	close(r.over)
	close(r.messages)
}

var errMute = errors.New("nothing has come for two pings: the connection is lost")

func (r *room) readAll(in []byte) error {
	for {
		k, e, err := r.w.next(in)
		in = in[k:]
		if len(e.answer) > 0 {
			r.writeNow(func(dst []byte) []byte { return append(dst, e.answer...) })
		}
		if err != nil {
			r.writeNow(func(dst []byte) []byte {
				r.closing = true
				return r.w.appendGoodbye(dst, err)
			})
			return err
		}
		switch e.what {
		case said:
			if !r.deliver(e.message) {
				continue // Close waits for the other side's: read on for it
			}
		case nothing:
			if in, err = r.more(in); err != nil {
				return err
			}
		}
	}
}

// deliver gives m to who receives, and reports false if nobody will.
func (r *room) deliver(m Message) bool {
	select {
	case r.messages <- m:
		return true
	case <-r.leave:
		return false
	default:
	}
	r.stuck.Store(true)
	defer r.stuck.Store(false)
	select {
	case r.messages <- m:
		return true
	case <-r.leave:
		return false
	}
}

// more reads what comes next behind in.
func (r *room) more(in []byte) ([]byte, error) {
	if cap(in)-len(in) < 4096 {
		in = append(make([]byte, 0, max(2*len(in), 16<<10)), in...)
	}
	k, err := r.nc.Read(in[len(in):cap(in)])
	r.reads.Add(1)
	if err != nil && k == 0 {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // a room ends by a Close
		}
		return in, err
	}
	return in[:len(in)+k], nil
}

// keep sends a ping in each period, and gives the connection up when nothing has come for a whole one.
func (r *room) keep(period time.Duration) {
	t := time.NewTicker(period)
	defer t.Stop()
	last := uint64(0)
	for pinged := false; ; {
		select {
		case <-t.C:
		case <-r.over:
			return
		}
		now := r.reads.Load()
		if pinged && now == last && !r.stuck.Load() {
			r.mute.Store(true)
			r.nc.Close()
			return
		}
		last, pinged = now, true
		select {
		case r.writing <- struct{}{}: // otherwise something is being written, which is as good
			if !r.closing {
				r.out = r.w.appendPing(r.out[:0])
				r.write()
			}
			<-r.writing
		default:
		}
	}
}

// writeNow writes for the reading goroutine. What fails is seen by the next read; what cannot be written in closeWait is not.
func (r *room) writeNow(appendTo func(dst []byte) []byte) {
	t := time.NewTimer(closeWait)
	defer t.Stop()
	select {
	case r.writing <- struct{}{}:
	case <-t.C:
		return
	}
	defer func() { <-r.writing }()
	if r.closing {
		return
	}
	r.out = appendTo(r.out[:0])
	r.write()
}

// write writes out, for whoever holds writing, and waits no longer than closeWait for the other side to take it.
func (r *room) write() {
	_ = r.nc.SetWriteDeadline(time.Now().Add(closeWait))
	if _, err := r.nc.Write(r.out); err != nil {
		r.nc.Close()
	}
	_ = r.nc.SetWriteDeadline(time.Time{})
}

func (r *room) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return &ConnError{Op: "send", Address: r.address, Err: err}
	}
	select {
	case r.writing <- struct{}{}:
	case <-ctx.Done():
		return &ConnError{Op: "send", Address: r.address, Err: ctx.Err()}
	case <-r.over:
		return r.err
	}
	defer func() { <-r.writing }()
	select {
	case <-r.over:
		return r.err
	default:
	}
	if r.closing {
		return &ConnError{Op: "send", Address: r.address, Err: ErrClosed}
	}
	var err error
	if r.out, err = r.w.appendMessage(r.out[:0], m); err != nil {
		return err
	}
	k, err := writeUntil(ctx, r.nc, r.out)
	if cap(r.out) > maxKept {
		r.out = nil
	}
	if err != nil {
		if k > 0 {
			r.nc.Close() // a half of a message is out: nothing can follow it
		}
		return &ConnError{Op: "send", Address: r.address, MaybeDone: k > 0, Err: atDeadline(ctx, err)}
	}
	return nil
}

// writeUntil writes b, until ctx ends.
func writeUntil(ctx context.Context, nc net.Conn, b []byte) (int, error) {
	if ctx.Done() == nil {
		return nc.Write(b)
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = nc.SetWriteDeadline(time.Unix(1, 0))
		close(fired)
	})
	k, err := nc.Write(b)
	if !stop() {
		<-fired
		_ = nc.SetWriteDeadline(time.Time{})
	}
	return k, err
}

func (r *room) Receive(ctx context.Context) (Message, error) {
	select {
	case m, ok := <-r.messages:
		if ok {
			return m, nil
		}
		return Message{}, r.err
	default:
	}
	select {
	case m, ok := <-r.messages:
		if ok {
			return m, nil
		}
		return Message{}, r.err
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

func (r *room) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := r.Receive(ctx)
			if err != nil {
				if e, ok := err.(*CloseError); !ok || e.Code != ws.CloseNormal {
					yield(Message{}, err)
				}
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (r *room) Close(code int, reason string) error {
	t := time.NewTimer(closeWait)
	defer t.Stop()
	r.left.Do(func() { close(r.leave) })
	select {
	case r.writing <- struct{}{}:
		if !r.closing {
			r.closing = true
			r.out = r.w.appendClose(r.out[:0], code, reason)
			r.write()
		}
		<-r.writing
	case <-t.C:
	case <-r.over:
	}
	select {
	case <-r.over:
	case <-t.C:
		r.nc.Close()
		<-r.over
	}
	return nil
}
