package crowd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Broadcast lets one member speak to the room, which is the only one, with a window of messages, and counts what every member
// hears. The speaker is the one that has joined in the middle: a server that serves its sockets in the order in which they came, or
// the other way round, serves it neither first nor last. See the package's comment for what the window is.
func (c *Crowd) Broadcast(ctx context.Context, window int, u Until) (*Result, error) {
	if len(c.opts.Rooms) != 1 {
		return nil, fmt.Errorf("crowd: a broadcast to one of %d rooms, which not all would hear", len(c.opts.Rooms))
	}
	if window < 1 || window > maxBehind {
		return nil, fmt.Errorf("crowd: the window is %d: want a number from 1 to %d", window, maxBehind)
	}
	return c.run(ctx, u, func(r *run) talk {
		return &broadcast{run: r, window: window, speaker: len(c.members) / 2, first: c.sent}
	})
}

// maxBehind bounds how many messages may be under way: a server that has served the speaker first so many times more than
// others gets no more messages until those have caught up.
const maxBehind = 1024

// broadcast is one member that speaks to all.
type broadcast struct {
	*run
	window  int
	speaker int
	away    int // messages that have not come back to the speaker
	// flying are the messages that not all have heard, in order: all members hear them in the same one. The first
	// has the number `first`.
	flying []message
	first  int
	spare  [][]byte // of messages that all have heard
}

type message struct {
	text   []byte
	sentAt time.Time
	left   int // members that have not heard it
}

func (b *broadcast) begin() error { return b.speak() }

// speak says as much as the window allows.
func (b *broadcast) speak() error {
	c := b.c
	for b.away < b.window && len(b.flying) < maxBehind && b.more() {
		var text []byte
		if n := len(b.spare); n > 0 {
			text, b.spare = b.spare[n-1], b.spare[:n-1]
		}
		text = appendMessage(text[:0], c.opts.Size, 'b', b.speaker, c.sent)
		c.sent++
		b.away++
		b.flying = append(b.flying, message{text, b.now, len(c.members)})
		b.say(c.members[b.speaker], text)
	}
	b.result.Behind = max(b.result.Behind, len(b.flying))
	return b.flush(b.speaker)
}

var errTooMany = errors.New("a message more than were sent")

func (b *broadcast) hear(i int, m *member, payload []byte) error {
	at := m.heard - b.first
	if at >= len(b.flying) {
		return fmt.Errorf("%w: %q", errTooMany, clip(payload))
	}
	f := &b.flying[at]
	if !bytes.Equal(payload, f.text) {
		return fmt.Errorf("heard %q, want %q", clip(payload), clip(f.text))
	}
	m.heard++
	b.delivered()
	if i == b.speaker {
		b.away--
	}
	if f.left--; f.left > 0 {
		return nil
	}
	// It is the first of those that fly, as everybody has heard the earlier ones.
	err := b.took(f.sentAt)
	b.spare = append(b.spare, f.text)
	b.flying = b.flying[1:]
	b.first++
	return err
}

// next lets the speaker go on: when it has heard something, and when others have caught up.
func (b *broadcast) next(int, *member) error {
	if b.away < b.window && b.more() {
		return b.speak()
	}
	return nil
}

func (b *broadcast) underWay() int { return len(b.flying) }

func (b *broadcast) missing() string {
	for i, m := range b.c.members {
		if m.heard == b.first {
			return fmt.Sprintf("member %d of %d has not heard %q", i+1, len(b.c.members), clip(b.flying[0].text))
		}
	}
	return "everything was heard"
}
