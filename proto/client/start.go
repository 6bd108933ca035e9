package client

import (
	"context"
	"sync"
)

// Receiver takes the outcome of a call that was started, and is called exactly once for it.
type Receiver interface {
	// Done gets what the method returned, or the error. It runs on the goroutine that reads the connection, in the order
	// of the calls: it must be short and not wait, but it may start further calls. value is valid until it returns.
	Done(value []byte, err error)
}

// ReceiverFunc is a function as a Receiver.
type ReceiverFunc func(value []byte, err error)

// Done calls f.
func (f ReceiverFunc) Done(value []byte, err error) { f(value, err) }

// Start calls a method and does not wait: r gets the result, one value in the format of docs/format/value.md. args is one array in
// that format, or nil for no arguments, and is the caller's again when Start returns. With an error, which is [ErrQueueFull] or
// [ErrClosed], the call was not taken and r will not be called.
//
// A call that was started is never repeated by the client: r sees the first failure. Nothing is allocated for it if r is a pointer that
// the caller uses again.
func (o Object) Start(method string, args []byte, r Receiver) error {
	return o.start(o.rawCall(method, args), r)
}

// StartBytes is Start with arguments that are bytes, as with [Object.CallBytes]. r gets the bytes of a result that is bytes or text, and
// nil for every other one.
func (o Object) StartBytes(method string, r Receiver, args ...[]byte) error {
	k, err := o.bytesCall(method, args)
	if err != nil {
		return err
	}
	return o.start(k, r)
}

func (o *Object) start(k *call, r Receiver) error {
	k.receiver = r
	if err := o.conn.queue(nil, &o.c.g, k, false); err != nil { //nolint:staticcheck // without a context it does not wait
		k.recycle()
		return err
	}
	return nil
}

// Go calls a method and does not wait, as net/rpc's Go does: the result is put into *result by [Pending.Wait]. Arguments are encoded before Go
// returns. What is wrong with them, and a full queue, is told by Wait too.
func (o Object) Go(method string, result any, args ...any) *Pending {
	p := &Pending{o: o, method: method, result: result, done: make(chan struct{})}
	k, err := o.newCall(method, args)
	if err == nil {
		err = o.start(k, (*pendingReceiver)(p))
	}
	if err != nil {
		p.err = err
		close(p.done)
	}
	return p
}

// Pending is a call that [Object.Go] has started.
type Pending struct {
	o      Object
	method string
	result any
	done   chan struct{}
	value  []byte // before done is closed of the goroutine that reads, then of decode
	err    error
	decode sync.Once
}

// pendingReceiver is the side of a Pending that the connection sees.
type pendingReceiver Pending

// Done is part of [Receiver].
func (p *pendingReceiver) Done(value []byte, err error) {
	if p.err = err; err == nil && p.result != nil {
		p.value = append([]byte(nil), value...)
	}
	close(p.done)
}

// Done is closed when the answer is there, and Wait will not wait.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait waits for the answer, and puts it where [Object.Go] was told to, or returns the error. When ctx ends first, the call goes on, and Wait may be
// called again.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	default:
		select {
		case <-p.done:
		case <-ctx.Done():
			return &ConnError{Op: "wait for the answer", Address: p.o.c.o.Address, MaybeDone: true, Err: ctx.Err()}
		}
	}
	p.decode.Do(func() {
		if p.err == nil && p.result != nil {
			p.err = p.o.result(p.method, p.value, p.result)
			p.value = nil
		}
	})
	return p.err
}
