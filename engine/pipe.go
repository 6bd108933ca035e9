package engine

import (
	"bytes"
	"errors"
	"sync"
	"unsafe"

	"everloop/wal"
)

// Pipe keeps many calls under way from one goroutine of the embedding program, at a small part of what as many goroutines with
// [Stub.Call] cost: calls go to each loop a batch at a time, and their answers come back so. It is for one goroutine, and not for turns:
// what calls objects from inside has stubs for that.
//
// Calls of one Pipe to one object arrive in the order in which they were made. Answers come in any order: a call is known by its tag.
// An answer is told when everything that it reveals is durable.
type Pipe struct {
	class  *class
	answer func(tag uint64, r Reply)
	window int
	batch  int // how many calls make a batch that is sent by itself

	under int             // calls that are not answered
	sent  int             // those of them that have been sent, and not come back
	next  []*pipeBatch    // of each loop: what is to be sent
	back  chan *pipeBatch // whatever comes back; as many as there can be have room, so that a loop never waits
}

// maxPipeWindow bounds what a Pipe keeps under way.
const maxPipeWindow = 1 << 16

// Pipe returns a Pipe with room for so many calls under way: at least 1, at most 65,536. answer is told the end of each call, by its tag, on the
// goroutine that uses the Pipe, inside its methods; it may call Call. [Reply.Value] is valid until answer returns. The namespace is
// one of [Engine.Namespace].
func (ns *Namespace) Pipe(window int, answer func(tag uint64, r Reply)) *Pipe {
	window = min(max(window, 1), maxPipeWindow)
	e := ns.class.eng
	return &Pipe{
		class: ns.class, answer: answer, window: window, batch: max(1, window/len(e.owners)),
		next: make([]*pipeBatch, len(e.owners)), back: make(chan *pipeBatch, window),
	}
}

// Call starts a call, as [Stub.StartCall] does. It copies args; the call may wait in the Pipe until there are more for the same loop, or
// Flush or Wait is called. When the window is full it takes answers first. It returns ErrForeignID, ErrInsideTurn, or nil: all
// else comes as the answer.
func (p *Pipe) Call(tag uint64, id *ID, method string, args []byte) error {
	if !p.class.key.owns(id) {
		return ErrForeignID
	}
	for p.under >= p.window {
		// With several loops, sending what there is at each occasion would end in batches of a few calls. It waits until it is a batch, as long as
		// as much is under way already.
		if 2*p.sent < p.window {
			p.Flush()
		}
		if err := p.take(); err != nil {
			return err
		}
	}
	o := p.class.eng.ownerOf(id)
	b := p.next[o.index]
	if b == nil {
		b = p.fresh(o)
		p.next[o.index] = b
	}
	from := len(b.args)
	b.args = append(b.args, args...)
	b.calls = append(b.calls, pipeCall{tag: tag, id: *id, method: method, from: uint32(from), to: uint32(len(b.args))})
	p.under++
	if len(b.calls) >= p.batch || len(b.args) >= maxPipeBytes {
		p.send(o.index)
	}
	return nil
}

// maxPipeBytes is how many bytes of arguments send a batch.
const maxPipeBytes = 256 << 10

// CallByName is Call of the object with a name. It makes the ID each time, which takes longer than the rest of the call: keep the ID where you can.
func (p *Pipe) CallByName(tag uint64, name, method string, args []byte) error {
	id := p.class.key.fromName(name)
	return p.Call(tag, &id, method, args)
}

// UnderWay is the number of calls that are not answered.
func (p *Pipe) UnderWay() int { return p.under }

// Flush sends what has not been sent.
func (p *Pipe) Flush() {
	for i, b := range p.next {
		if b != nil {
			p.send(i)
		}
	}
}

// Poll takes the answers that are there, without waiting.
func (p *Pipe) Poll() {
	for {
		select {
		case b := <-p.back:
			p.tell(b)
		default:
			return
		}
	}
}

// Wait returns when everything is answered. It returns ErrInsideTurn, or nil.
func (p *Pipe) Wait() error {
	for p.under > 0 {
		p.Flush()
		if err := p.take(); err != nil {
			return err
		}
	}
	return nil
}

// take waits for some answers. Something has been sent.
func (p *Pipe) take() error {
	select {
	case b := <-p.back:
		p.tell(b)
		return nil
	default:
	}
	if insideTurn() {
		return ErrInsideTurn
	}
	p.tell(<-p.back)
	return nil
}

func (p *Pipe) send(i int) {
	b := p.next[i]
	p.next[i] = nil
	p.sent += len(b.calls)
	if b.own.eng.closing.Load() || !b.own.loop.Post(b) {
		for j := range b.calls {
			b.answers = append(b.answers, pipeAnswer{tag: b.calls[j].tag, err: ErrClosed})
		}
		p.back <- b // has room: there are as many batches as calls, at most
	}
}

// tell passes the answers of a batch on.
func (p *Pipe) tell(b *pipeBatch) {
	p.sent -= len(b.answers)
	for i := range b.answers {
		a := &b.answers[i]
		p.under--
		r := Reply{Value: b.out[a.from:a.to:a.to], Err: a.err, Borrowed: true}
		if a.own != nil {
			r.Value, r.Borrowed = a.own, false
		}
		p.answer(a.tag, r)
	}
	b.free()
}

func (p *Pipe) fresh(o *owner) *pipeBatch {
	b := pipeBatches.Get().(*pipeBatch)
	b.pipe, b.own = p, o
	return b
}

var pipeBatches = sync.Pool{New: func() any {
	b := new(pipeBatch)
	b.leave = b.left
	return b
}}

// pipeBatch is some calls on their way to a loop, and their answers on the way back. Owned by the Pipe's goroutine, then by the loop, then by
// the goroutine again.
type pipeBatch struct {
	pipe    *Pipe
	own     *owner
	calls   []pipeCall
	args    []byte
	answers []pipeAnswer
	out     []byte // their values, end to end
	leave   func(error)
}

type pipeCall struct {
	tag      uint64
	id       ID
	method   string
	from, to uint32 // in args
}

type pipeAnswer struct {
	tag      uint64
	dep      wal.LSN
	from, to uint32 // in out
	own      []byte // a value that lies elsewhere
	err      error
}

// maxPipeKept is how many bytes of values a batch keeps room for.
const maxPipeKept = 1 << 20

// free has a batch used again.
func (b *pipeBatch) free() {
	b.pipe, b.own = nil, nil
	clear(b.calls)
	clear(b.answers)
	b.calls, b.args, b.answers, b.out = b.calls[:0], b.args[:0], b.answers[:0], b.out[:0]
	if cap(b.out) > maxPipeKept {
		b.out = nil
	}
	if cap(b.args) > maxPipeKept {
		b.args = nil
	}
	pipeBatches.Put(b)
}

// Run takes the batch in on its loop.
func (b *pipeBatch) Run() {
	b.own.ready.push(b)
	b.own.drain()
}

// turn runs the calls, each in a turn of its own: those of Direct objects now, others when their objects take them.
func (b *pipeBatch) turn() {
	o, k := b.own, b.pipe.class
	d := o.directOf(k)
	var dep wal.LSN
	closed := o.eng.closing.Load()
	for i := range b.calls {
		if d != nil && i%warmCalls == 0 {
			o.table.warmCalls(&o.warming, b.calls[i:min(i+warmCalls, len(b.calls))])
		}
		c := &b.calls[i]
		args := b.args[c.from:c.to:c.to]
		switch {
		case closed:
			b.answers = append(b.answers, pipeAnswer{tag: c.tag, err: ErrClosed})
		case d == nil || !b.direct(d, c, o.warming.slots[i%warmCalls], args):
			ev := &pipeEvent{pipe: b.pipe, tag: c.tag}
			ev.Kind, ev.Method, ev.Args, ev.plain = EventCall, c.method, bytes.Clone(args), true
			ev.class, ev.id, ev.home, ev.replier = k, c.id, o, ev
			o.accept(&ev.Event)
		default:
			dep = max(dep, b.answers[len(b.answers)-1].dep)
		}
	}
	if len(b.answers) == 0 {
		b.free()
		return
	}
	o.hold(dep, b.leave)
}

// direct runs a call of a Direct object, unless it has to wait for something.
// The object is probably in slot.
func (b *pipeBatch) direct(d *direct, c *pipeCall, slot uint32, args []byte) bool {
	o := b.own
	rec, slot := o.table.expected(slot, d.class.number, &c.id)
	switch {
	case rec == nil:
		rec, slot = o.table.add(d.class.number, &c.id)
	case rec.live != nil || len(o.pasts) > 0 && o.pasts[slot] != nil || len(d.waits) > 0 && d.waits[c.id.hash()].events > 0:
		return false
	}
	d.bind(rec, slot)
	if !rec.name.known() && c.id.named {
		d.a.id = c.id
		d.a.id.rename(c.id.name, true)
		d.unread = false
	}
	from := len(b.out)
	result, err := d.turn(c.method, args, b.out[from:])
	a := pipeAnswer{tag: c.tag, dep: d.a.dep, err: err, from: uint32(from), to: uint32(from)}
	if err == nil && len(result) > 0 {
		if len(result) > maxBorrowed {
			a.own = bytes.Clone(result)
		} else {
			if rest := b.out[from:cap(b.out)]; len(result) <= len(rest) && unsafe.SliceData(rest) == unsafe.SliceData(result) {
				b.out = b.out[:from+len(result)]
			} else {
				b.out = append(b.out, result...)
			}
			a.to = uint32(len(b.out))
		}
	}
	b.answers = append(b.answers, a)
	o.vacate(rec, slot)
	return true
}

// left sends the answers back, when what they reveal is durable, or never will be.
func (b *pipeBatch) left(failed error) {
	if failed != nil {
		durable := b.own.eng.log.Durable()
		for i := range b.answers {
			if a := &b.answers[i]; a.dep > durable || errors.Is(failed, ErrClosed) {
				*a = pipeAnswer{tag: a.tag, err: failed}
			}
		}
	}
	b.pipe.back <- b // has room
}

// pipeEvent is a call whose answer comes by itself.
type pipeEvent struct {
	Event
	pipe *Pipe
	tag  uint64
}

// Reply is part of [Replier].
func (ev *pipeEvent) Reply(r Reply) {
	o := ev.home
	b := o.pipes[ev.pipe]
	if b == nil {
		b = ev.pipe.fresh(o)
		o.pipes[ev.pipe] = b
	}
	value := r.Value
	if value == nil && r.Err == nil {
		value = []byte{}
	}
	b.answers = append(b.answers, pipeAnswer{tag: ev.tag, own: value, err: r.Err})
	r.drop()
}

// sendPipes sends the answers back that have come one by one in the round.
func (o *owner) sendPipes() {
	for p, b := range o.pipes {
		delete(o.pipes, p)
		p.back <- b // has room: each batch has an answer, at least
	}
}
