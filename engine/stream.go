package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"everloop/loop"
	"everloop/wal"
)

// A streamed body is produced while it is consumed. The producer is an object or an event of an entry point, the
// consumer whoever reads the message: a protocol that sends it on, or another object. They may live on different
// loops. Nothing is produced before the consumer starts, and no more than StreamWindow bytes are produced ahead of it.
//
// Each piece passes the gates like everything else that the producer sends: it carries the producer's dependency, and
// leaves the process only when that is durable.

// StreamWindow is how many bytes a producer may be ahead of its consumer.
const StreamWindow = 256 << 10

// ErrStreamCanceled is what a producer gets when its consumer has left.
var ErrStreamCanceled = errors.New("engine: nobody reads the body any more")

// ErrStreamLost is what a consumer gets when the producer's object was evicted or reset before it was done.
var ErrStreamLost = errors.New("engine: the object that produced the body is gone")

// ErrStreamUsed refuses to read a streamed body twice.
var ErrStreamUsed = errors.New("engine: the body has been read already")

// Source produces a body. It is the seam for code that works by callbacks; Go code uses State.Stream. Its methods are
// called in turns of the producer.
type Source interface {
	// Start begins. The source writes to w now or in later turns.
	Start(w *BodyWriter)
	// Room is called when w has room again after Write reported that it has none.
	Room()
	// Cancel says that the consumer has left, or, without a Start, that none will come. Nothing is called afterwards.
	Cancel()
}

// Acker is an optional interface of a [Source]: Acked is called when the consumer has taken n further bytes.
type Acker interface{ Acked(n int) }

// Sink takes a body. Its methods are called on the consumer's loop: for an object in turns of it; for a Port when the
// pieces may leave.
type Sink interface {
	// Chunk takes a piece, which must not be changed. The producer may go on by so many bytes once the sink
	// has called Stream.Ack.
	Chunk(b []byte)
	// End is called once, after the last piece. err is nil if the body is complete.
	End(err error)
}

// Stream is one streamed body under way. Its two sides belong to the producer's and the consumer's loop.
type Stream struct {
	source Source
	by     *origin // the producer
	sec    *section
	answer *Event // that the body is of the answer of, if somebody watches who reads it

	// The producer's side.
	size     int64 // that the whole body will have; 0: not known
	started  bool
	ended    bool
	canceled bool
	full     bool // Write has reported that there is no room
	ahead    int  // bytes written and not acknowledged

	// The consumer's side.
	to    *owner
	in    *origin // the consuming object or event; nil: the body leaves the process
	toSec *section
	sink  Sink
	queue []*chunk // pieces that have arrived and may not leave yet
	done  bool
}

// chunk is a piece on its way. The last one has end set.
type chunk struct {
	data []byte
	dep  wal.LSN
	end  bool
	err  error
}

// BodyWriter is the producer's end.
type BodyWriter struct{ s *Stream }

// Write sends a piece, which must not be changed afterwards, and reports whether there is room for more. Without
// room it is taken all the same; the source should wait for Room. It is called in a turn of the producer.
func (w *BodyWriter) Write(b []byte) (room bool) {
	s := w.s
	if s.ended || s.canceled || len(b) == 0 {
		return !s.canceled
	}
	s.ahead += len(b)
	s.by.own.stage(effect{kind: effectChunk, by: s.by, stream: s, chunk: &chunk{data: b}})
	if s.ahead >= StreamWindow {
		s.full = true
	}
	return !s.full
}

// Close ends the body: complete if err is nil. Only the first call counts.
func (w *BodyWriter) Close(err error) {
	s := w.s
	if s.ended {
		return
	}
	s.stop()
	if !s.canceled {
		s.by.own.stage(effect{kind: effectChunk, by: s.by, stream: s, chunk: &chunk{end: true, err: err}})
	}
}

// StreamFrom makes a Body that source produces, for a response of the object.
func (s *State) StreamFrom(source Source) Body { return s.a.origin.stream(source) }

// StreamFrom makes a Body that source produces, for the response of an entry point.
func (ev *Event) StreamFrom(source Source) Body { return ev.self.stream(source) }

// Stream makes a Body that run produces, in a coroutine of the object, once somebody reads it. run gets a context that is
// done when the reader has left, and a function that sends a piece and waits for room; the piece must not be changed
// afterwards. The body is complete if run returns nil.
func (s *State) Stream(run func(ctx context.Context, write func([]byte) error) error) Body {
	return s.a.origin.streamFunc(run)
}

// Stream is State.Stream for the response of an entry point.
func (ev *Event) Stream(run func(ctx context.Context, write func([]byte) error) error) Body {
	return ev.self.streamFunc(run)
}

func (o *origin) stream(source Source) Body {
	return Body{stream: &Stream{source: source, by: o, sec: o.section()}}
}

// Streamed reports whether the body is produced while it is read: then Bytes has nothing, and Start reads it.
func (b Body) Streamed() bool { return b.stream != nil }

// Discard says that nobody will read a streamed body: its producer is told, as by [Stream.Cancel]. It is called instead of a
// start, by whoever has the body, on any loop or goroutine. It does nothing to a body that is read already, and to bytes.
func (b Body) Discard() {
	s := b.stream
	if s == nil || s.sink != nil {
		return
	}
	s.by.own.loop.Post(loop.Func(func() {
		if s.started || s.ended || s.canceled || !s.by.live() {
			return
		}
		s.canceled = true
		s.by.inject(s.sec, s.source.Cancel)
		s.by.own.drain()
	}))
}

// Size is the number of bytes of the body, -1 if that is not known before it ends.
func (b Body) Size() int64 {
	switch {
	case b.stream == nil:
		return int64(len(b.data))
	case b.stream.size > 0:
		return b.stream.size
	}
	return -1
}

// Start reads a streamed body for a protocol, on the loop of its port.
func (p *Port) Start(b Body, sink Sink) *Stream { return b.stream.start(p.own, nil, sink) }

// StartStream reads a streamed body in turns of the object, a piece at a time, as far as the sink acknowledges. Call it once a body.
func (s *State) StartStream(b Body, sink Sink) *Stream { return s.a.origin.read(b, sink) }

// StartStream is State.StartStream for the event of an entry point.
func (ev *Event) StartStream(b Body, sink Sink) *Stream { return ev.self.read(b, sink) }

func (o *origin) read(b Body, sink Sink) *Stream { return b.stream.start(o.own, o, sink) }

// start connects the consumer and lets the producer begin. The consumer of a body that is read already hears ErrStreamUsed,
// and gets a stream of its own that is over: the one that it asked for is another's to cancel.
func (s *Stream) start(to *owner, in *origin, sink Sink) *Stream {
	if s.sink != nil {
		if in != nil { // not inside the turn that asks
			in.inject(in.section(), func() { sink.End(ErrStreamUsed) })
		} else {
			sink.End(ErrStreamUsed)
		}
		return &Stream{done: true}
	}
	s.to, s.in, s.sink = to, in, sink
	if in != nil {
		s.toSec = in.section()
		in.pin()
		if b := in.bodiesOf(); b != nil {
			b.reading = append(b.reading, s)
		}
	}
	s.tell(func() {
		if s.canceled {
			return
		}
		s.started = true
		s.by.pin()
		if b := s.by.bodiesOf(); b != nil {
			b.writing = append(b.writing, s)
		}
		s.source.Start(&BodyWriter{s})
	})
	return s
}

// Ack lets the producer go on by n bytes. Called on the consumer's loop.
func (s *Stream) Ack(n int) {
	if s.done {
		return
	}
	s.tell(func() {
		s.ahead -= n
		if a, ok := s.source.(Acker); ok {
			a.Acked(n)
		}
		if s.full && s.ahead < StreamWindow/2 && !s.ended && !s.canceled {
			s.full = false
			s.source.Room()
		}
	})
}

// Cancel tells the producer that nobody reads any more. Called on the consumer's loop; the sink hears nothing further.
func (s *Stream) Cancel() {
	if s.done {
		return
	}
	s.finish()
	if s.answer != nil {
		s.answer.leaveFrom(s.to) // before the producer hears of it, and perhaps is over
	}
	s.tell(func() {
		if s.ended || s.canceled {
			return
		}
		s.canceled = true
		if s.started {
			s.source.Cancel()
			s.stop()
		}
	})
}

// stop ends the producer's side.
func (s *Stream) stop() {
	if !s.ended {
		s.ended = true
		if b := s.by.bodies; b != nil {
			b.writing = without(b.writing, s)
		}
		s.by.unpin()
		if s.by.actor != nil {
			s.by.actor.checkRetired()
		}
	}
}

// finish ends the consumer's side.
func (s *Stream) finish() {
	s.done = true
	s.queue = nil
	if s.in != nil {
		if b := s.in.bodies; b != nil {
			b.reading = without(b.reading, s)
		}
		s.in.unpin()
	}
}

// bodies are the bodies under way that an object produces and reads.
type bodies struct{ writing, reading []*Stream }

// bodiesOf is where the bodies of an object are kept, for its reset; nil for all others, which have none.
func (o *origin) bodiesOf() *bodies {
	if o.actor != nil && o.bodies == nil {
		o.bodies = new(bodies)
	}
	return o.bodies
}

func without(list []*Stream, s *Stream) []*Stream {
	if i := slices.Index(list, s); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// dropStreams ends the streams of an object that was reset: its readers get an error, its producers are told to stop.
func (o *origin) dropStreams() {
	b := o.bodies
	if b == nil {
		return
	}
	for _, s := range slices.Clone(b.writing) {
		s.lose()
	}
	for _, s := range slices.Clone(b.reading) {
		s.Cancel()
	}
	o.bodies = nil
}

// tell runs fn in a turn of the producer. If the producer is gone, so is the stream.
func (s *Stream) tell(fn func()) {
	run := func() {
		if !s.by.live() {
			s.lose()
			return
		}
		s.by.inject(s.sec, fn)
		s.by.own.drain()
	}
	if s.by.own == s.to {
		// On the producer's own loop already; inject never runs fn inside this call's turn.
		run()
		return
	}
	s.by.own.loop.Post(loop.Func(run))
}

// lose ends the consumer's side because the producer's object is gone. On the producer's loop.
func (s *Stream) lose() {
	s.ended = true
	s.send(&chunk{end: true, err: ErrStreamLost})
}

// send brings a piece to the consumer. On the producer's loop, after the turn's records were handed over.
func (s *Stream) send(c *chunk) {
	if s.to == s.by.own {
		s.receive(c)
		return
	}
	s.to.loop.Post(loop.Func(func() { s.receive(c); s.to.drain() }))
}

// receive takes a piece on the consumer's loop.
func (s *Stream) receive(c *chunk) {
	if s.done {
		return
	}
	if s.in != nil {
		s.in.inject(s.toSec, func() {
			s.in.learn(c.dep)
			s.deliver(c)
		})
		return
	}
	s.queue = append(s.queue, c)
	s.to.hold(c.dep, func(err error) {
		// Whichever piece's turn it is at the gate, the first in the queue leaves: it knows no more than
		// those behind it.
		if s.done || len(s.queue) == 0 {
			return
		}
		next := s.queue[0]
		s.queue = s.queue[1:]
		if err != nil {
			next = &chunk{end: true, err: err}
		}
		s.deliver(next)
	})
}

func (s *Stream) deliver(c *chunk) {
	if s.done {
		return
	}
	if c.end {
		s.finish()
		s.answer.completed()
		s.sink.End(c.err)
		return
	}
	s.sink.Chunk(c.data)
}

// StartRead reads the whole of a body, streamed or not, up to max bytes, and calls done in a turn of the object. For code
// that works by callbacks; Go code uses ReadBody.
func (s *State) StartRead(b Body, max int, done func([]byte, error)) {
	s.a.origin.startRead(b, max, done)
}

// StartRead is State.StartRead for the event of an entry point.
func (ev *Event) StartRead(b Body, max int, done func([]byte, error)) {
	ev.self.startRead(b, max, done)
}

// ReadBody reads the whole of a body, streamed or not, up to max bytes.
func (s *State) ReadBody(ctx context.Context, b Body, max int) ([]byte, error) {
	return s.a.origin.readBody(ctx, b, max)
}

// ReadBody is State.ReadBody for the event of an entry point.
func (ev *Event) ReadBody(ctx context.Context, b Body, max int) ([]byte, error) {
	return ev.self.readBody(ctx, b, max)
}

// ReadBody reads the whole of a body that an answer to a call of the embedding program has, up to max bytes. It is called
// from a goroutine of that program, and waits.
func (e *Engine) ReadBody(ctx context.Context, b Body, max int) ([]byte, error) {
	if !b.Streamed() {
		return b.data, nil
	}
	if insideTurn() {
		return nil, ErrInsideTurn
	}
	type result struct {
		data []byte
		err  error
	}
	got := make(chan result, 1)
	own := b.stream.by.own
	c := &collector{stream: b.stream, max: max, done: func(data []byte, err error) { got <- result{data, err} }}
	if !own.loop.Post(loop.Func(func() { c.stream = b.stream.start(own, nil, c) })) {
		return nil, ErrClosed
	}
	select {
	case r := <-got:
		return r.data, r.err
	case <-ctx.Done():
		own.loop.Post(loop.Func(func() { c.stream.Cancel() }))
		return nil, ctx.Err()
	}
}

// startRead returns the stream of a streamed body, to be cancelled.
func (o *origin) startRead(b Body, max int, done func([]byte, error)) *Stream {
	if !b.Streamed() {
		o.inject(o.section(), func() { done(b.data, nil) })
		return nil
	}
	c := &collector{stream: b.stream, max: max, done: done}
	c.stream = b.stream.start(o.own, o, c)
	return c.stream
}

func (o *origin) readBody(ctx context.Context, b Body, max int) (data []byte, err error) {
	if !b.Streamed() {
		return b.data, nil
	}
	var s *Stream
	r := o.await(ctx, func(rep waiter) {
		s = o.startRead(b, max, func(got []byte, err error) { rep.Reply(Reply{Value: got, Err: err}) })
	})
	if r.Err != nil && ctx.Err() != nil {
		if s != nil {
			s.Cancel()
		} else {
			b.Discard() // it has not come to a start
		}
	}
	return r.Value, r.Err
}

// collector is a Sink that keeps everything.
type collector struct {
	stream *Stream // the one that was asked for, from which pieces may come before start has returned, then the one that it gave
	max    int
	data   []byte
	done   func([]byte, error)
}

func (c *collector) Chunk(b []byte) {
	if len(c.data)+len(b) > c.max {
		c.stream.Cancel()
		c.done(nil, fmt.Errorf("engine: the body has more than %d bytes", c.max))
		return
	}
	c.data = append(c.data, b...)
	c.stream.Ack(len(b))
}

func (c *collector) End(err error) {
	if err != nil {
		c.data = nil
	}
	c.done(c.data, err)
}

// streamFunc is a Source made of a function that runs in a coroutine.
func (o *origin) streamFunc(run func(ctx context.Context, write func([]byte) error) error) Body {
	return o.stream(&funcSource{by: o, produce: run})
}

type funcSource struct {
	by      *origin
	produce func(ctx context.Context, write func([]byte) error) error
	w       *BodyWriter
	ctx     context.Context
	cancel  context.CancelFunc
	wait    *waiter // of write, for room
}

func (f *funcSource) Start(w *BodyWriter) {
	f.w = w
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.by.own.spawn(f.by, (*funcJob)(f))
}

func (f *funcSource) Room() { f.wake(Reply{}) }

func (f *funcSource) Cancel() {
	if f.w == nil {
		return // it was never started
	}
	f.cancel()
	f.wake(Reply{Err: ErrStreamCanceled})
}

func (f *funcSource) wake(r Reply) {
	if w := f.wait; w != nil {
		f.wait = nil
		w.Reply(r)
	}
}

func (f *funcSource) write(b []byte) error {
	if f.w.s.canceled {
		return ErrStreamCanceled
	}
	if f.w.Write(b) {
		return nil
	}
	r := f.by.await(context.Background(), func(w waiter) { f.wait = &w })
	return r.Err
}

// funcJob is the function as a job.
type funcJob funcSource

func (j *funcJob) run() {
	f := (*funcSource)(j)
	defer f.cancel()
	f.w.Close(f.produce(f.ctx, f.write))
}

func (j *funcJob) fail(x failure) {
	(*funcSource)(j).w.Close(x.error("", "", "stream"))
}
