package crowd

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Echo lets each member speak and wait for its own words before it speaks again: a closed loop, with as many messages under
// way as there are members. Until.Messages lets the first so many of all messages be sent; as many as there are members let
// each speak once.
func (c *Crowd) Echo(ctx context.Context, u Until) (*Result, error) {
	return c.run(ctx, u, func(r *run) talk { return &echo{run: r} })
}

// echo is members that speak for themselves.
type echo struct {
	*run
	waiting int
}

func (e *echo) begin() error {
	for i, m := range e.c.members {
		e.now = time.Now()
		if e.more() {
			e.speak(i, m)
			if err := e.flush(i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *echo) speak(i int, m *member) {
	m.words = appendMessage(m.words[:0], e.c.opts.Size, 'e', i, m.said)
	m.said++
	m.waits, m.sentAt = true, e.now
	e.waiting++
	e.result.Behind = max(e.result.Behind, e.waiting)
	e.say(m, m.words)
}

func (e *echo) hear(_ int, m *member, payload []byte) error {
	if !m.waits {
		return fmt.Errorf("%w: %q", errTooMany, clip(payload))
	}
	if !bytes.Equal(payload, m.words) {
		return fmt.Errorf("heard %q, want %q", clip(payload), clip(m.words))
	}
	m.waits = false
	e.waiting--
	e.delivered()
	return e.took(m.sentAt)
}

func (e *echo) next(i int, m *member) error {
	if !m.waits && e.more() {
		e.speak(i, m)
	}
	return nil
}

func (e *echo) underWay() int { return e.waiting }

func (e *echo) missing() string {
	for i, m := range e.c.members {
		if m.waits {
			return fmt.Sprintf("member %d of %d has not heard %q", i+1, len(e.c.members), clip(m.words))
		}
	}
	return "everything was heard"
}
