package js

import (
	"bytes"
	"errors"
	"runtime"

	"everloop/engine"
	"everloop/engine/js/internal/vm"
	"everloop/engine/js/web"
)

// Bodies that are streams cross between JavaScript and the engine a piece at a time. A body that comes in is pulled: a piece
// enters JavaScript when it reads, and is acknowledged then, so that its producer is at most engine.StreamWindow ahead. A
// body that goes out is pumped while the engine has room. A body that is only handed on does neither: it goes from
// producer to consumer, and JavaScript in between never sees it.

// maxCollected bounds a streamed body that is read in one go (text, json, bytes and their like).
const maxCollected = 100 << 20

// bodyReader is who reads the body of a message: whoever it came to, as long as that lives.
func (rl *realm) bodyReader(m web.Message) (actor, error) {
	if a, ok := m.(*arrived); ok {
		if !a.by.alive() {
			return nil, vm.PlainError("Cannot perform I/O on behalf of a different request. A stream ends with the event or the instance that it was sent to.")
		}
		return a.by, nil
	}
	by := rl.current
	if of, ok := m.(interface{ reader() actor }); ok {
		if a := of.reader(); a != nil && a.alive() {
			by = a
		}
	}
	if by == nil {
		return nil, vm.PlainError(globalScope)
	}
	return by, nil
}

// ReadBody is part of [web.BodyHost].
func (rl *realm) ReadBody(m web.Message, value func([]byte) (vm.Value, error)) (vm.Value, error) {
	by, err := rl.bodyReader(m)
	if err != nil {
		return vm.Undefined, err
	}
	p, err := rl.r.PendingPromise()
	if err != nil {
		return vm.Undefined, err
	}
	held := rl.r.Dup(p)
	by.startRead(m.Body(), maxCollected, func(data []byte, err error) {
		if rl.r.Err() != nil {
			return
		}
		if !by.alive() {
			rl.r.Free(held)
			return
		}
		rl.begin(by)
		v := vm.Undefined
		if err == nil {
			v, err = value(data)
		} else {
			err = bodyError(err)
		}
		if err != nil {
			err = rl.reject(held, err)
		} else {
			err = rl.r.Resolve(held, v)
		}
		rl.r.Free(held)
		rl.end(err)
	})
	return p, nil
}

// bodyError is why a body could not be read, as the program sees it.
func bodyError(err error) error {
	switch {
	case errors.Is(err, engine.ErrStreamUsed):
		return vm.TypeError("Body has already been used. It can only be used once. Use tee() first if you need to read it twice.")
	case errors.Is(err, engine.ErrStreamLost):
		return vm.PlainError("The Durable Object that produced the body was reset, or is gone.")
	}
	return err
}

// inbound is a streamed body that JavaScript reads. It is the sink of its stream. Owned by its loop.
type inbound struct {
	rl      *realm
	by      actor
	stream  *engine.Stream
	queue   [][]byte // pieces that have come and were not asked for; at most engine.StreamWindow bytes
	ended   bool
	err     error
	promise vm.Value // of the read that waits, owned; else Undefined
}

// StreamOpen is part of [web.BodyHost].
func (rl *realm) StreamOpen(m web.Message) (uint64, error) {
	by, err := rl.bodyReader(m)
	if err != nil {
		return 0, err
	}
	rl.lastStream++
	in := &inbound{rl: rl, by: by, promise: vm.Undefined}
	if e, ok := by.(*event); ok {
		e.reads = true
	}
	rl.inbound[rl.lastStream] = in
	in.stream = by.startStream(m.Body(), in)
	return rl.lastStream, nil
}

// StreamRead is part of [web.BodyHost].
func (rl *realm) StreamRead(n uint64) (vm.Value, error) {
	in := rl.inbound[n]
	switch {
	case in == nil:
		return rl.r.ResolvedPromise(vm.Undefined)
	case len(in.queue) > 0:
		v, err := in.take()
		if err != nil {
			return vm.Undefined, err
		}
		return rl.r.ResolvedPromise(v)
	case !in.ended:
		p, err := rl.r.PendingPromise()
		if err == nil {
			in.promise = rl.r.Dup(p)
		}
		return p, err
	}
	delete(rl.inbound, n)
	if in.err == nil {
		return rl.r.ResolvedPromise(vm.Undefined)
	}
	v, err := rl.errorValue(bodyError(in.err))
	if err != nil {
		return vm.Undefined, err
	}
	return rl.r.RejectedPromise(v)
}

// take gives the first piece to JavaScript, and its producer leave to go on.
func (in *inbound) take() (vm.Value, error) {
	b := in.queue[0]
	in.queue[0] = nil
	in.queue = in.queue[1:]
	in.stream.Ack(len(b))
	return in.rl.r.Uint8Array(b)
}

// Chunk is part of [engine.Sink].
func (in *inbound) Chunk(b []byte) {
	in.queue = append(in.queue, b)
	in.answer()
}

// End is part of [engine.Sink].
func (in *inbound) End(err error) {
	in.ended, in.err = true, err
	in.answer()
}

// answer settles the read that waits.
func (in *inbound) answer() {
	rl, p := in.rl, in.promise
	if p.IsUndefined() || rl.r.Err() != nil {
		return
	}
	in.promise = vm.Undefined
	if !in.by.alive() {
		rl.r.Free(p)
		in.stream.Cancel()
		return
	}
	rl.begin(in.by)
	v, err := vm.Undefined, error(nil)
	switch {
	case len(in.queue) > 0:
		v, err = in.take()
	case in.err != nil:
		err = bodyError(in.err)
	}
	if err != nil {
		err = rl.reject(p, err)
	} else {
		err = rl.r.Fulfill(p, v)
	}
	rl.r.Free(p)
	rl.end(err)
}

// StreamClosed is part of [web.BodyHost]. It may come in the middle of a collection, so what it does waits.
func (rl *realm) StreamClosed(n uint64) {
	if rl.inbound[n] == nil {
		return
	}
	rl.app.eng.Post(rl.host.loop, func() {
		if in := rl.inbound[n]; in != nil {
			delete(rl.inbound, n)
			in.drop()
		}
	})
}

func (in *inbound) drop() {
	if in.stream != nil {
		in.stream.Cancel()
	}
	if in.rl.r.Err() == nil {
		in.rl.r.Free(in.promise)
	}
	in.promise = vm.Undefined
}

// outbound is a body that a ReadableStream of the program produces. Owned by its loop.
type outbound struct {
	rl     *realm
	n      uint64
	by     actor
	stream vm.Value // the ReadableStream, owned, until it is started
	pump   vm.Value // what pumps it, owned, from then on
	w      *engine.BodyWriter
}

// source is an outbound body as the engine holds it. The realm knows the outbound by its number only, so that a body which
// nobody ever asks for is noticed: by the collection of its source.
type source struct{ o *outbound }

// unread is what is left of a source.
type unread struct {
	rl *realm
	n  uint64
}

// produce makes a Body of a locked ReadableStream, which it consumes. Whoever produces it lives until it is over.
func (rl *realm) produce(by actor, stream vm.Value) engine.Body {
	rl.lastStream++
	o := &outbound{rl: rl, n: rl.lastStream, by: by, stream: stream, pump: vm.Undefined}
	rl.outbound[o.n] = o
	by.bodyBegins()
	src := &source{o}
	runtime.AddCleanup(src, func(u unread) {
		u.rl.app.eng.Post(u.rl.host.loop, func() {
			o := u.rl.outbound[u.n]
			switch {
			case o == nil:
			case o.by.alive():
				o.by.after(0, o.cancel) // in a turn: that it is not held any more may be all that keeps it
			default:
				o.cancel()
			}
		})
	}, unread{rl, o.n})
	return by.streamFrom(src)
}

// Start is part of [engine.Source].
func (s *source) Start(w *engine.BodyWriter) {
	o := s.o
	rl := o.rl
	o.w = w
	if rl.outbound[o.n] != o || rl.r.Err() != nil || !o.by.alive() {
		o.finish()
		w.Close(engine.ErrStreamLost)
		return
	}
	rl.begin(o.by)
	pump, err := rl.in.StreamStart(o.stream, o.n)
	if err == nil {
		rl.later = append(rl.later, o.stream)
		o.stream = vm.Undefined
		if rl.outbound[o.n] == o {
			o.pump = pump
		} else {
			rl.later = append(rl.later, pump) // it has ended already
		}
	} else {
		o.end(rl.engineError(err, nil))
	}
	rl.end(err)
}

// Room is part of [engine.Source].
func (s *source) Room() {
	o := s.o
	if o.rl.outbound[o.n] != o || o.rl.r.Err() != nil {
		return
	}
	o.rl.begin(o.by)
	o.rl.end(o.rl.in.StreamRoom(o.pump))
}

// Cancel is part of [engine.Source].
func (s *source) Cancel() {
	if o := s.o; o.rl.outbound[o.n] == o {
		o.cancel()
	}
}

// cancel tells the program that nobody reads its stream.
func (o *outbound) cancel() {
	rl := o.rl
	if rl.outbound[o.n] != o {
		return
	}
	pump := o.pump
	if o.w == nil {
		pump = o.stream
	}
	if rl.r.Err() != nil || !o.by.alive() || !pump.IsObject() {
		o.finish()
		return
	}
	rl.begin(o.by)
	err := rl.in.StreamCancel(pump)
	o.finish()
	rl.end(err)
}

// finish forgets the body.
func (o *outbound) finish() {
	rl := o.rl
	if rl.outbound[o.n] != o {
		return
	}
	delete(rl.outbound, o.n)
	if rl.r.Err() == nil {
		rl.later = append(rl.later, o.stream, o.pump)
	}
	o.stream, o.pump = vm.Undefined, vm.Undefined
	o.by.bodyEnds()
}

// end ends the body for its consumer.
func (o *outbound) end(err error) {
	o.finish()
	o.w.Close(err)
}

// StreamWrite is part of [web.BodyHost].
func (rl *realm) StreamWrite(n uint64, b []byte) (room bool) {
	o := rl.outbound[n]
	// The copy is the piece that travels: the program may write to its chunk again.
	return o != nil && o.w.Write(bytes.Clone(b))
}

// StreamEnd is part of [web.BodyHost].
func (rl *realm) StreamEnd(n uint64, failed bool, reason vm.Value) {
	o := rl.outbound[n]
	if o == nil {
		return
	}
	if failed {
		o.end(rl.engineError(rl.r.Describe(rl.r.Dup(reason)), nil))
		return
	}
	o.end(nil)
}

// arrived is the body of a ReadableStream that came with a call, until it is read or goes on. Owned by the loop of by.
type arrived struct {
	web.Message // what a body without a request or response has of one: nothing
	by          actor
	body        engine.Body
	gone        bool // it is somebody else's, or dropped
}

// Body is part of [web.Message].
func (a *arrived) Body() engine.Body { return a.body }

// BodyMoved and Dropped are [web.Moved].
func (a *arrived) BodyMoved() { a.leave() }

func (a *arrived) Dropped() {
	if !a.gone {
		a.leave()
		a.body.Discard()
	}
}

func (a *arrived) leave() {
	a.gone = true
	if p := a.by.possessions(); p != nil {
		delete(p.arrived, a)
	}
}

// maxCopied is how long a body is that is copied into the runtime of its receiver, whether or not that reads it. A longer one was in
// the engine's memory before: the request of a client.
const maxCopied = 64 << 10

// arrive makes a ReadableStream of a body that came to by with a call.
func (rl *realm) arrive(by actor, body engine.Body) (vm.Value, error) {
	if !body.Streamed() && body.Len() <= maxCopied {
		// It counts as the program's memory.
		return rl.in.StreamOf(body.Bytes())
	}
	a := &arrived{by: by, body: body}
	if body.Streamed() {
		p := possessionsOf(by)
		if p.arrived == nil {
			p.arrived = make(map[*arrived]struct{})
		}
		p.arrived[a] = struct{}{}
	}
	return rl.in.StreamOver(a)
}

// forgetStreams drops the bodies of an object or an event that has gone. The engine has told the other ends.
func (rl *realm) forgetStreams(by actor) {
	for _, out := range rl.outbound {
		if out.by == by {
			out.finish()
		}
	}
	for n, in := range rl.inbound {
		if in.by == by {
			delete(rl.inbound, n)
			in.drop()
		}
	}
}

// failStreams ends the bodies that an event produces: the turn that was to go on with one of them was interrupted.
func (rl *realm) failStreams(e *event, cause error) {
	for _, out := range rl.outbound {
		if out.by == actor(e) && out.w != nil {
			out.end(cause)
		}
	}
}

// loseStreams ends all bodies, because the runtime is lost.
func (rl *realm) loseStreams(cause error) {
	for _, out := range rl.outbound {
		if delete(rl.outbound, out.n); out.w != nil {
			out.w.Close(cause)
		}
	}
	for n, in := range rl.inbound {
		delete(rl.inbound, n)
		in.drop()
	}
}
