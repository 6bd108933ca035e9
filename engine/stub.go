package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"everloop/engine/value"
	"everloop/loop"
)

// Stub is a caller's handle on one object. Calls on one stub arrive in the order in which they were made. Once
// the object was reset under a call, the stub keeps failing with that error; a new stub works. A stub may be
// used wherever its Namespace may.
type Stub struct {
	ns     Namespace
	id     ID
	entry  Entrypoint // stubs of entry points
	live   *Live      // stubs of a live instance
	broken atomic.Pointer[Error]
}

// ID returns the object's ID; of a live instance without the name. It is zero for an entry point, and an event of one.
func (s *Stub) ID() ID { return s.id }

// note remembers that the object was reset. An error of another object that this one has only passed on does not
// count.
func (s *Stub) note(err error) {
	if e, ok := err.(*Error); ok && e.Reset && e.Object == s.id.String() {
		s.broken.CompareAndSwap(nil, e)
	}
}

// Fetch sends a request and waits for the response, or for ctx. Inside a turn the wait gives the loop back.
func (s *Stub) Fetch(ctx context.Context, r *Request) (*Response, error) {
	reply := s.wait(ctx, &Event{Kind: EventFetch, Request: r})
	return reply.Response, reply.Err
}

// Call calls a method with args, and stores its result in what result points to, unless result is nil. Values
// cross in the encoding of package value. The rules of waiting are those of Fetch.
func (s *Stub) Call(ctx context.Context, method string, result any, args ...any) error {
	encoded, err := encodeArgs(args)
	if err != nil {
		return err
	}
	raw, err := s.CallRaw(ctx, method, encoded)
	if err != nil || result == nil {
		return err
	}
	return value.Unmarshal(raw, result)
}

// CallRaw calls a method without encoding anything: the object gets args as they are, and what it returns
// comes back as it is. Neither may be changed afterwards.
func (s *Stub) CallRaw(ctx context.Context, method string, args []byte) ([]byte, error) {
	reply := s.wait(ctx, &Event{Kind: EventCall, Method: method, Args: args, plain: true})
	return reply.Value, reply.Err
}

// StartFetch sends a request and returns; r is told the end. On a stub of a State, an Event or a Port it must
// be called on the loop, and r is called there: in a turn of the caller, or, for a Port, when the answer may
// leave the process. On a stub of the Engine it may be called from any goroutine, and r is called on a loop
// when the answer may leave. The event is for Gone, if the caller's own client leaves before that.
func (s *Stub) StartFetch(req *Request, r Replier) *Event {
	ev := &Event{Kind: EventFetch, Request: req}
	s.start(ev, r)
	return ev
}

// StartCall is to CallRaw what StartFetch is to Fetch.
func (s *Stub) StartCall(method string, args []byte, r Replier) *Event {
	ev := &Event{Kind: EventCall, Method: method, Args: args, plain: true}
	s.start(ev, r)
	return ev
}

// StartEvent is StartCall for an event with more than a method and arguments. ev is a new one, of which Kind and
// the other exported fields are set.
func (s *Stub) StartEvent(ev *Event, r Replier) *Event {
	s.start(ev, r)
	return ev
}

func (s *Stub) start(ev *Event, r Replier) {
	ev.class, ev.id, ev.stub, ev.replier = s.ns.class, s.id, s, r
	if s.ns.class == nil {
		ev.entry, ev.live, ev.stub = s.entry, s.live, nil
	}
	if err := s.refused(); err != nil {
		s.refuse(ev, err)
		return
	}
	switch {
	case s.ns.from != nil:
		o := s.ns.from
		if !o.live() {
			drop(ev.Caps)
			return // the caller was reset, and with it whoever waits
		}
		ev.from, ev.home, ev.section = o, o.own, o.section()
		o.pin()
		o.own.stage(effect{kind: effectCall, ev: ev, by: o})
	case s.ns.port != nil:
		o := s.ns.port.own
		ev.home = o
		o.route(ev)
		o.drain()
	default:
		ev.home = s.ns.class.eng.ownerOf(&s.id)
		if !ev.home.loop.Post(ev) {
			r.Reply(Reply{Err: ErrClosed})
		}
	}
}

// refused returns why a call cannot even be sent.
func (s *Stub) refused() error {
	if e := s.broken.Load(); e != nil {
		return e
	}
	if s.ns.class == nil { // an entry point, or a live instance
		return nil
	}
	if !s.ns.class.key.owns(&s.id) {
		return ErrForeignID
	}
	if s.ns.from == nil && s.ns.class.eng.closing.Load() {
		return ErrClosed
	}
	return nil
}

// refuse answers a call that was not sent. For a caller in a turn the answer is a turn of its own, as always.
func (s *Stub) refuse(ev *Event, err error) {
	drop(ev.Caps)
	if o := s.ns.from; o != nil {
		o.pin()
		ev.from, ev.home, ev.section = o, o.own, o.section()
		ev.phase, ev.reply = phaseReply, Reply{Err: err}
		o.own.acceptReply(ev)
		return
	}
	ev.replier.Reply(Reply{Err: err})
}

// wait starts a call and waits for its end: in a turn by yielding, elsewhere by blocking.
func (s *Stub) wait(ctx context.Context, ev *Event) Reply {
	if s.ns.from != nil {
		return s.ns.from.await(ctx, func(w waiter) { s.start(ev, w.c.once(w.ticket)) })
	}
	if insideTurn() {
		return Reply{Err: ErrInsideTurn}
	}
	if err := ctx.Err(); err != nil {
		return Reply{Err: err}
	}
	w := blockers.Get().(*blocker)
	s.start(ev, w)
	select {
	case r := <-w.ch:
		blockers.Put(w)
		return r
	case <-ctx.Done():
		// The answer will still come, into a channel that nobody reads any more: w is not used again.
		err := ctx.Err()
		ev.ctx.finish(&err)
		ev.Leaving()
		return Reply{Err: err}
	}
}

// blocker is a goroutine that waits for one answer.
type blocker struct{ ch chan Reply }

func (b *blocker) Reply(r Reply) { b.ch <- r } // the channel has room for the one answer

var blockers = sync.Pool{New: func() any { return &blocker{make(chan Reply, 1)} }}

// await starts something in the running coroutine of o and waits for its end, or for ctx.
func (o *origin) await(ctx context.Context, start func(waiter)) Reply {
	c := o.own.coros.current
	if o.actor != nil && o.actor.direct != nil {
		return Reply{Err: ErrDirect}
	}
	if c == nil || c.caller != o {
		return Reply{Err: ErrOutsideTurn}
	}
	if !o.live() { // it was reset in this very turn: nobody would end the wait
		return Reply{Err: ErrReset}
	}
	if err := ctx.Err(); err != nil {
		return Reply{Err: err}
	}
	ticket := c.begin()
	start(waiter{c, ticket})
	// An event's own context ends with its answer, which nobody gives while its handler waits here, or
	// with its caller, who is rarely gone: it is looked at when the wait is over. Others are watched.
	if _, own := ctx.(*Event); !own && ctx.Done() != nil {
		sec := o.section()
		stop := context.AfterFunc(ctx, func() {
			o.own.loop.Post(loop.Func(func() {
				o.inject(sec, func() { c.end(ticket, Reply{Err: ctx.Err()}) })
				o.own.drain()
			}))
		})
		defer stop()
	}
	return c.park()
}

func encodeArgs(args []any) ([]byte, error) {
	if len(args) == 0 {
		return emptyArgs, nil
	}
	return value.Marshal(args)
}

var emptyArgs = []byte{0x80} // an empty array
