package client

import (
	"context"
	"errors"
)

// Pipeline collects calls and sends them together: one write for each connection, one wait for all. It is used by one goroutine, and
// by a second one only when Run has returned.
type Pipeline struct {
	c     *Client
	items []*Queued
}

// Queued is a call in a [Pipeline].
type Queued struct {
	o      Object
	method string
	result any
	k      *call
	err    error
	due    bool // it is to be sent in the next attempt
	sent   bool // its answer is still to come, in this attempt
}

// Err is the call's own error, when [Pipeline.Run] has returned.
func (q *Queued) Err() error { return q.err }

// Pipeline returns an empty pipeline.
func (c *Client) Pipeline() *Pipeline { return &Pipeline{c: c} }

// Call adds a call of a method of o, which is an object of the same client. Arguments are encoded at once, and the result is put into
// *result by Run. Calls to one object reach it in the order that they were added in, if none is repeated.
func (p *Pipeline) Call(o Object, method string, result any, args ...any) *Queued {
	q := &Queued{o: o, method: method, result: result}
	if o.c != p.c {
		q.err = errors.New("client: the object belongs to another client than the pipeline")
	} else {
		q.k, q.err = o.newCall(method, args)
		q.due = q.err == nil
	}
	p.items = append(p.items, q)
	return q
}

// Len is how many calls have been added since the last Run.
func (p *Pipeline) Len() int { return len(p.items) }

// Run sends what has been added and waits for the answers. Every call has a result or an error of its own then; Run returns the first
// error in their order. A call is repeated by the same rules as with [Object.Call]. p is empty afterwards and may be used again.
func (p *Pipeline) Run(ctx context.Context) error {
	wait := minRetry
	for attempt := 1; ; attempt++ {
		p.attempt(ctx)
		more, late := false, false
		for _, q := range p.items {
			q.due = p.repeats(ctx, q, attempt, &late)
			more = more || q.due
		}
		if !more || late && !p.c.wait(ctx, &wait) {
			break
		}
	}
	var first error
	for _, q := range p.items {
		if q.err == nil && q.result != nil {
			q.err = q.o.result(q.method, q.k.reply, q.result)
		}
		if q.k != nil {
			q.k.recycle()
			q.k = nil
		}
		if first == nil {
			first = q.err
		}
	}
	p.items = nil
	return first
}

// repeats reports whether q is tried again, and whether that is after a pause.
func (p *Pipeline) repeats(ctx context.Context, q *Queued, attempt int, late *bool) bool {
	most := q.o.policy.attempts
	if most <= 0 {
		most = p.c.o.Attempts
	}
	if q.err == nil || q.k == nil || attempt >= most || ctx.Err() != nil {
		return false
	}
	switch judge(q.err, q.o.policy.idempotent) {
	case again:
		return true
	case tryLate:
		*late = true
		return true
	}
	return false
}

// attempt sends the calls that are to be sent, and waits for their answers.
func (p *Pipeline) attempt(ctx context.Context) {
	for _, q := range p.items {
		if !q.due {
			continue
		}
		if err := ctx.Err(); err != nil {
			q.err = &ConnError{Op: "call", Address: p.c.o.Address, Err: err}
			continue
		}
		q.err = q.o.conn.queue(ctx, &p.c.g, q.k, true)
		q.sent = q.err == nil
	}
	for _, n := range p.c.conns {
		n.flush()
	}
	for _, q := range p.items {
		if !q.sent {
			continue
		}
		q.sent = false
		var left bool
		if left, q.err = await(ctx, q.k, p.c.o.Address); left {
			q.k = nil
		}
	}
}
