package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"everloop/proto/resp"
)

// conn is one place for calls to queue, and the connection that they go out on while there is one. Any goroutine may queue a
// call. A goroutine of the conn's own (run) dials, and writes what has been queued meanwhile in one piece; while
// a connection lasts, a second one (read) takes the answers, which come in the order of the calls.
//
// A call that was handed to the connection when it failed may have been run, and fails with ErrMaybeDone. One that was
// not stays in the queue for the next connection; it fails only if there is none to be had.
type conn struct {
	o    *Options
	ctx  context.Context // ends when the client is done with waiting for answers
	wake chan struct{}   // has room for one: the goroutine of run looks again

	under atomic.Int64 // calls that were queued and have no answer

	mu      sync.Mutex
	out     []byte // commands to be written
	head    *call  // calls whose answers are due and that the reading goroutine has not taken, in the order of their commands
	tail    *call
	epoch   uint64          // how often out was taken. Invariant: a call's command is in out just if their epochs are equal
	parked  bool            // run waits for wake
	started bool            // run is there
	closed  bool            // no more calls are taken
	waiters []chan struct{} // goroutines that wait for room, first come first; each has room for one signal

	// Of the goroutine of run.
	backoff time.Duration // before the next attempt to connect
	spare   []byte        // memory for out
}

func newConn(ctx context.Context, o *Options) *conn {
	return &conn{o: o, ctx: ctx, wake: make(chan struct{}, 1)}
}

// queue takes k's command. With a context it waits for room; without one it fails when there is none. An error means that k was
// not queued. With hold the command may wait until the caller calls flush.
func (n *conn) queue(ctx context.Context, g *group, k *call, hold bool) error {
	if k.size() > MaxCommand || k.words > MaxWords {
		return ErrTooLarge
	}
	n.mu.Lock()
	for first := true; !n.closed && (!n.hasRoom() || first && len(n.waiters) > 0); first = false {
		if ctx == nil {
			n.mu.Unlock()
			return ErrQueueFull
		}
		w := make(chan struct{}, 1)
		n.waiters = append(n.waiters, w)
		n.wakeLocked()
		n.mu.Unlock()
		select {
		case <-w:
		case <-ctx.Done():
			n.leave(w)
			return &ConnError{Op: "wait for room in the queue", Address: n.o.Address, Err: ctx.Err()}
		}
		n.mu.Lock()
	}
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	if !n.started {
		n.started = true
		g.goes(n.run)
	}
	k.epoch = n.epoch
	n.out = k.appendTo(n.out)
	if n.tail == nil {
		n.head = k
	} else {
		n.tail.next = k
	}
	n.tail = k
	n.under.Add(1)
	if !hold {
		n.wakeLocked()
	}
	n.mu.Unlock()
	return nil
}

func (n *conn) hasRoom() bool {
	return n.under.Load() < int64(n.o.MaxCalls) && len(n.out) < n.o.MaxQueued
}

// flush makes what was queued with hold go out.
func (n *conn) flush() {
	n.mu.Lock()
	n.wakeLocked()
	n.mu.Unlock()
}

func (n *conn) wakeLocked() {
	if !n.parked {
		return
	}
	n.parked = false
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// leave takes a goroutine that has stopped waiting out of the queue for room. What it was signalled goes to the next one.
func (n *conn) leave(w chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i := slices.Index(n.waiters, w); i >= 0 {
		n.waiters = slices.Delete(n.waiters, i, i+1)
		return
	}
	n.roomLocked()
}

// roomLocked signals those that wait for room, as many as there is room for.
func (n *conn) roomLocked() {
	if len(n.waiters) == 0 || len(n.out) >= n.o.MaxQueued {
		return
	}
	k := int(min(int64(len(n.waiters)), max(int64(n.o.MaxCalls)-n.under.Load(), 0)))
	if n.closed {
		k = len(n.waiters)
	}
	for _, w := range n.waiters[:k] {
		w <- struct{}{}
	}
	n.waiters = slices.Delete(n.waiters, 0, k)
}

// close lets the calls that are queued go on, and takes no more.
func (n *conn) close() {
	n.mu.Lock()
	n.closed = true
	for _, w := range n.waiters {
		w <- struct{}{}
	}
	n.waiters = nil
	n.wakeLocked()
	n.mu.Unlock()
}

// run keeps a connection as long as there are calls for one. It ends when the conn is closed and every call has its answer.
func (n *conn) run() {
	for n.await(nil) {
		nc, rest, err := n.connect()
		if err != nil {
			if n.ctx.Err() != nil {
				err = &ConnError{Op: "connect", Address: n.o.Address, Err: ErrClosed}
			}
			n.backoff = min(max(2*n.backoff, minBackoff), maxBackoff)
			n.refuse(err)
			continue
		}
		n.serve(nc, rest)
	}
}

// await waits until there is something to write. It reports false when there will not be, or when dead is closed.
func (n *conn) await(dead <-chan struct{}) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		select {
		case <-dead:
			return false
		default:
		}
		if len(n.out) > 0 {
			return true
		}
		if n.closed && n.under.Load() == 0 {
			return false
		}
		n.parked = true
		n.mu.Unlock()
		select {
		case <-n.wake:
		case <-dead:
		}
		n.mu.Lock()
		n.parked = false
	}
}

// connect opens a connection after the pause that is due, and says who we are. rest is what came behind the answers to that.
func (n *conn) connect() (nc net.Conn, rest []byte, err error) {
	if n.backoff > 0 {
		if err := pause(n.ctx, jitter(n.backoff)); err != nil {
			return nil, nil, err
		}
	}
	return n.o.connect(n.ctx, true)
}

// refuse fails every call that is queued: none has been sent.
func (n *conn) refuse(err error) {
	n.mu.Lock()
	list := n.head
	n.head, n.tail = nil, nil
	n.out = n.out[:0]
	n.epoch++
	n.mu.Unlock()
	n.fail(list, err)
}

func (n *conn) fail(list *call, err error) {
	for list != nil {
		k := list
		list = k.next
		k.next = nil
		n.under.Add(-1)
		k.answer(nil, err)
	}
	n.mu.Lock()
	n.roomLocked()
	n.wakeLocked()
	n.mu.Unlock()
}

// serve writes and reads until the connection fails, or is no longer needed.
func (n *conn) serve(nc net.Conn, rest []byte) {
	cut := context.AfterFunc(n.ctx, func() { nc.Close() })
	r := &reading{n: n, nc: nc, in: rest}
	dead := make(chan struct{})
	go func() {
		r.err = r.run()
		nc.Close()
		close(dead)
	}()
	writeErr := n.write(nc, dead)
	nc.Close()
	<-dead
	cut()

	n.mu.Lock()
	list := n.head // what was never sent is at the end, and stays
	var lost, last *call
	if r.due != nil {
		r.last.next = list
		list = r.due
	}
	lost = list
	for list != nil && list.epoch != n.epoch {
		last, list = list, list.next
	}
	if last == nil {
		lost = nil
	} else {
		last.next = nil
	}
	if n.head = list; list == nil {
		n.tail = nil
	} else if n.tail == nil { // the reading goroutine had taken all
		n.tail = r.last
	}
	n.mu.Unlock()

	if r.answered {
		n.backoff = 0
	} else {
		n.backoff = min(max(2*n.backoff, minBackoff), maxBackoff)
	}
	if lost == nil {
		return
	}
	e := &ConnError{Op: "read", Address: n.o.Address, Err: r.err, MaybeDone: true}
	switch {
	case n.ctx.Err() != nil:
		e.Op, e.Err = "wait for the answer", ErrClosed
	case writeErr != nil && errors.Is(r.err, net.ErrClosed):
		e.Op, e.Err = "write", writeErr
	}
	n.fail(lost, e)
}

// write writes what is queued, each time all of it, until the connection is dead or has nothing to do any more.
func (n *conn) write(nc net.Conn, dead <-chan struct{}) error {
	for n.await(dead) {
		if n.under.Load() > 1 {
			runtime.Gosched() // whoever is about to queue a call does so now, and shares the write
		}
		n.mu.Lock()
		batch := n.out
		n.out, n.spare = n.spare[:0], nil
		n.epoch++
		n.roomLocked()
		n.mu.Unlock()
		if _, err := nc.Write(batch); err != nil {
			return err
		}
		if cap(batch) <= maxKept {
			n.spare = batch
		}
	}
	return nil
}

// reading is what takes the answers of one connection. Owned by its goroutine until that has ended.
type reading struct {
	n        *conn
	nc       net.Conn
	in       []byte
	due      *call // taken from the conn's list
	last     *call
	answered bool
	err      error
}

func (r *reading) run() error {
	var (
		replies resp.ReplyReader
		v       resp.Value
		limits  = resp.ReplyLimits{Bytes: r.n.o.MaxReply, Depth: 32}
		buf     = make([]byte, max(64<<10, len(r.in)))
		start   = 0
		end     = copy(buf, r.in)
	)
	limits.EnsureDefaults()
	r.in = nil
	for {
		got := false
		for start < end {
			k, err := replies.Read(buf[start:end], &v, &limits)
			if err != nil {
				return err
			}
			if k == 0 {
				break
			}
			start += k
			if v.Kind == resp.Push {
				continue // nobody here has asked for any
			}
			if err := r.answer(&v); err != nil {
				return err
			}
			got = true
		}
		if got {
			r.answered = true
			r.n.room()
		}
		switch {
		case start == end:
			start, end = 0, 0
			if len(buf) > maxKept {
				buf = make([]byte, 64<<10)
			}
		case end == len(buf) && start > 0:
			end = copy(buf, buf[start:end])
			start = 0
		case end == len(buf):
			bigger := make([]byte, 2*len(buf))
			copy(bigger, buf)
			buf = bigger
		}
		k, err := r.nc.Read(buf[end:])
		end += k
		if err != nil && k == 0 {
			if errors.Is(err, io.EOF) && start < end {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// answer gives v to the call that is due.
func (r *reading) answer(v *resp.Value) error {
	if r.due == nil {
		n := r.n
		n.mu.Lock()
		r.due, r.last = n.head, n.tail
		n.head, n.tail = nil, nil
		n.mu.Unlock()
		if r.due == nil {
			if v.IsError() {
				return fmt.Errorf("the server ended the connection: %s", v.Bytes)
			}
			return errors.New("the server sent an answer to no call")
		}
	}
	k := r.due
	if r.due = k.next; r.due == nil {
		r.last = nil
	}
	k.next = nil
	r.n.under.Add(-1)
	k.answer(v, nil)
	return nil
}

// room tells whoever waits for answers to have come.
func (n *conn) room() {
	n.mu.Lock()
	n.roomLocked()
	if n.closed && n.under.Load() == 0 {
		n.wakeLocked()
	}
	n.mu.Unlock()
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
