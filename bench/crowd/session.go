package crowd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"everloop/bench/drive"
)

// Rooms is a target of package drive whose operations are broadcasts: a speaker says something to its room, and the operation is done
// when every member of the room has heard it, the speaker too. Each speaker is a connection of the driver's; its depth is how many
// messages of one speaker may be under way.
//
// Members of a room hear what one speaker says in its order; what several speakers say they may hear in any. A message that
// is lost, doubled, changed, or late ends the run.
type Rooms struct {
	// Options are those of the crowd. Members is their number in all rooms together, the same in each; Size is that of a message.
	Options
	// Speakers is how many members of each room speak. Default 1.
	Speakers int
}

// Validate reports what is wrong.
func (r *Rooms) Validate() error {
	r.EnsureDefaults()
	if r.Speakers == 0 {
		r.Speakers = 1
	}
	if err := r.Options.Validate(); err != nil {
		return err
	}
	if rooms := len(r.Rooms); r.Members%rooms != 0 || r.Speakers < 1 || r.Speakers > r.Members/rooms {
		return fmt.Errorf("crowd: %d members in %d rooms with %d speakers in each: want as many members in each room, and no more speakers",
			r.Members, rooms, r.Speakers)
	}
	return nil
}

// Lines is the number of connections that the driver sees: the speakers.
func (r *Rooms) Lines() int { return len(r.Rooms) * max(r.Speakers, 1) }

// Open is part of drive.Target. There must be one worker.
func (r *Rooms) Open(ctx context.Context, w *drive.Worker) (drive.Session, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if w.Workers != 1 {
		return nil, fmt.Errorf("crowd: %d workers: a crowd has one goroutine", w.Workers)
	}
	c, err := Gather(ctx, r.Options)
	if err != nil {
		return nil, err
	}
	s := &rooms{
		c: c, w: w, rooms: len(r.Rooms), speakers: r.Speakers, size: r.Members / len(r.Rooms), lines: make([]line, r.Lines()),
		heard: make([]int32, r.Members*r.Speakers),
	}
	s.run = &run{c: c, talk: s}
	s.run.result.Latency = nil // the driver records
	return s, nil
}

// rooms is the session of Rooms. The member i is in room i % rooms, where its seat is i / rooms; the seats 0 to speakers-1 speak,
// counted from the middle, so that a server which serves its sockets in an order serves none of them first.
type rooms struct {
	c               *Crowd
	w               *drive.Worker
	run             *run
	rooms, speakers int
	size            int // members of a room
	lines           []line
	heard           []int32 // messages, of each member by each speaker of its room
	dirty           []int   // members with something to write
	looked          time.Duration
}

// line is one speaker.
type line struct {
	flying []spoken // that not all have heard, in order
	first  int32    // the number of the first of them
	said   int32
	spare  [][]byte
}

type spoken struct {
	text []byte
	op   drive.Op
	at   time.Duration
	left int
}

func (s *rooms) Conns() int { return len(s.lines) }
func (s *rooms) Depth() int { return s.w.Depth }

func (s *rooms) Close() error {
	s.c.Close()
	return nil
}

// member is the one that speaks on a line.
func (s *rooms) member(line int) int {
	room, speaker := line%s.rooms, line/s.rooms
	seat := (s.size/2 + speaker) % s.size
	return seat*s.rooms + room
}

// lineOf is the line of a member, and whether it has one.
func (s *rooms) lineOf(member int) (line int, ok bool) {
	room, seat := member%s.rooms, member/s.rooms
	speaker := (seat - s.size/2 + s.size) % s.size
	return speaker*s.rooms + room, speaker < s.speakers
}

func (s *rooms) Start(conn int, op *drive.Op) {
	l := &s.lines[conn]
	i := s.member(conn)
	var text []byte
	if n := len(l.spare); n > 0 {
		text, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	text = appendMessage(text[:0], s.c.opts.Size, 'b', i, int(l.said))
	l.said++
	l.flying = append(l.flying, spoken{text, *op, s.w.Now(), s.size})
	m := s.c.members[i]
	if len(m.out) == 0 {
		s.dirty = append(s.dirty, i)
	}
	m.out = s.c.tongue.say(m.out, m.room, text)
}

func (s *rooms) Wait(d time.Duration) error {
	if err := s.flush(); err != nil {
		return err
	}
	if _, err := s.run.poll(d); err != nil {
		s.w.Fail(&drive.Failure{Kind: drive.FailedAnswer, Text: err.Error()})
		return fmt.Errorf("crowd: %s: %w", s.c.opts.Addr, err)
	}
	if now := s.w.Now(); now-s.looked > tick {
		s.looked = now
		for k := range s.lines {
			if l := &s.lines[k]; len(l.flying) > 0 && now-l.flying[0].at > s.w.Timeout {
				err := fmt.Errorf("not all of a room of %d have heard %q within %v", s.size, clip(l.flying[0].text), s.w.Timeout)
				s.w.Fail(&drive.Failure{Kind: drive.FailedTimeout, Text: err.Error()})
				return fmt.Errorf("crowd: %s: %w", s.c.opts.Addr, err)
			}
		}
	}
	return s.flush()
}

func (s *rooms) flush() error {
	for _, i := range s.dirty {
		had := len(s.c.members[i].out)
		if err := s.run.flush(i); err != nil {
			return err
		}
		s.w.Bytes(0, had-len(s.c.members[i].out))
	}
	s.dirty = s.dirty[:0]
	return nil
}

// hear is part of talk.
func (s *rooms) hear(i int, _ *member, payload []byte) error {
	from, err := speakerOf(payload)
	if err != nil {
		return err
	}
	k, ok := s.lineOf(from)
	if !ok || from >= len(s.c.members) || from%s.rooms != i%s.rooms {
		return fmt.Errorf("heard %q, which nobody in the room has said", clip(payload))
	}
	l := &s.lines[k]
	heard := &s.heard[i*s.speakers+k/s.rooms]
	at := int(*heard - l.first)
	if at >= len(l.flying) {
		return fmt.Errorf("%w: %q", errTooMany, clip(payload))
	}
	f := &l.flying[at]
	if !bytes.Equal(payload, f.text) {
		return fmt.Errorf("heard %q, want %q", clip(payload), clip(f.text))
	}
	*heard++
	s.w.Deliver(1)
	s.w.Bytes(len(payload), 0)
	if f.left--; f.left > 0 {
		return nil
	}
	// It is the first of those that fly, as everybody has heard the earlier ones.
	op := f.op
	l.spare = append(l.spare, f.text)
	l.flying = l.flying[1:]
	l.first++
	s.w.Stamp()
	s.w.Done(k, &op, nil)
	return nil
}

var errNoMessage = errors.New("a message that none of the crowd has said")

// speakerOf reads the member from a message.
func speakerOf(payload []byte) (n int, err error) {
	if len(payload) < minSize || payload[0] != 'b' {
		return 0, fmt.Errorf("%w: %q", errNoMessage, clip(payload))
	}
	for _, c := range payload[1:9] {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: %q", errNoMessage, clip(payload))
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

// The rest of talk, which a run of the crowd's own would use.

func (s *rooms) begin() error            { return nil }
func (s *rooms) next(int, *member) error { return nil }
func (s *rooms) underWay() int           { return 0 }
func (s *rooms) missing() string         { return "" }
