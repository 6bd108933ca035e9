package crowd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"everloop/bench/drive/links"
)

// Until says when a run ends: when the time has passed, or when so many messages were sent, whichever is first. Zero fields
// do not count; one must be set. What is under way then is still waited for.
type Until struct {
	Elapsed  time.Duration
	Messages int
}

// Result is what one run measured. Every delivery in it was the right one.
type Result struct {
	// Messages were sent, and Deliveries heard: of a broadcast by each member, of an echo by the one that spoke.
	Messages, Deliveries int
	// Elapsed is the time from the first message to the last delivery.
	Elapsed time.Duration
	// Latency has the time from each message's write to the read that completed its last delivery, in microseconds.
	Latency *hdrhistogram.Histogram
	// Behind is the largest number of messages that were sent and not yet heard by all.
	Behind int
	// Own is the processor time of this process.
	Own time.Duration
}

// Rate is in deliveries a second.
func (r *Result) Rate() float64 { return float64(r.Deliveries) / r.Elapsed.Seconds() }

// Quantile returns a latency, for q from 0 to 100.
func (r *Result) Quantile(q float64) time.Duration {
	return time.Duration(r.Latency.ValueAtQuantile(q)) * time.Microsecond
}

const (
	// maxMicros is the largest latency that is told apart from larger ones.
	maxMicros = 10 * 60 * 1e6
	// tick is how often a run looks at its context and at the time while nothing arrives.
	tick = 100 * time.Millisecond
	// quiet is how long a run listens after its last delivery for one that is too many.
	quiet = 20 * time.Millisecond
)

// run is one run while it lasts. What is said, and what must be heard, is its talk's.
type run struct {
	c      *Crowd
	until  Until
	talk   talk
	result Result

	began, now time.Time // now is when the bytes were read that are looked at
	last       time.Time // delivery
}

// talk is a kind of run.
type talk interface {
	// begin says the first messages.
	begin() error
	// hear judges a message that member i has heard.
	hear(i int, m *member, payload []byte) error
	// next says what may follow, when all that member i has read was heard.
	next(i int, m *member) error
	// underWay is the number of messages that not all have heard who must.
	underWay() int
	// missing describes one of them.
	missing() string
}

func (c *Crowd) run(ctx context.Context, u Until, begin func(*run) talk) (*Result, error) {
	if c.failed != nil {
		return nil, fmt.Errorf("crowd: an earlier run failed: %w", c.failed)
	}
	if u.Elapsed <= 0 && u.Messages <= 0 {
		return nil, errors.New("crowd: Until is zero: name a time or a number of messages")
	}
	r := &run{c: c, until: u}
	r.result.Latency = hdrhistogram.New(1, maxMicros, 3)
	r.talk = begin(r)
	own, err := ownTime()
	if err == nil {
		err = r.loop(ctx)
	}
	used, uerr := ownTime()
	if err = errors.Join(err, uerr); err != nil {
		c.failed = err
		return nil, fmt.Errorf("crowd: %s: %w", c.opts.Addr, err)
	}
	r.result.Elapsed, r.result.Own = r.last.Sub(r.began), used-own
	return &r.result, nil
}

// ownTime is the processor time of this process so far.
func ownTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// more reports whether another message may be sent now.
func (r *run) more() bool {
	return (r.until.Messages <= 0 || r.result.Messages < r.until.Messages) &&
		(r.until.Elapsed <= 0 || r.now.Sub(r.began) < r.until.Elapsed)
}

func (r *run) loop(ctx context.Context) error {
	r.began = time.Now()
	r.now, r.last = r.began, r.began
	if err := r.talk.begin(); err != nil {
		return err
	}
	looked := r.began
	for r.talk.underWay() > 0 {
		n, err := r.poll(tick)
		if err != nil {
			return err
		}
		if n > 0 && r.last.Sub(looked) < tick {
			continue
		}
		looked = time.Now()
		if looked.Sub(r.last) > r.c.opts.Timeout {
			return fmt.Errorf("nothing was heard for %v: %s", r.c.opts.Timeout, r.talk.missing())
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	// A message that is said twice may be the last one.
	_, err := r.poll(quiet)
	return err
}

// poll waits once and handles what has arrived.
func (r *run) poll(wait time.Duration) (int, error) {
	c := r.c
	n, err := links.EpollWait(c.epoll, c.events, wait, &c.coarse)
	if err != nil {
		return 0, fmt.Errorf("epoll_wait: %w", err)
	}
	for k := range n {
		ev := &c.events[k]
		i := int(ev.Fd)
		m := c.members[i]
		if ev.Events&^uint32(unix.EPOLLOUT) != 0 {
			r.now = time.Now()
			err := m.read(c.tongue, c.buf, func(payload []byte) error { return r.talk.hear(i, m, payload) })
			if err != nil {
				return n, r.wrong(i, err)
			}
			if err := r.talk.next(i, m); err != nil {
				return n, err
			}
		}
		if err := r.flush(i); err != nil {
			return n, err
		}
	}
	return n, nil
}

// say appends a message to what member i has to write.
func (r *run) say(m *member, payload []byte) {
	m.out = r.c.tongue.say(m.out, m.room, payload)
	r.result.Messages++
}

func (r *run) flush(i int) error {
	if err := r.c.members[i].flush(r.c.epoll, i); err != nil {
		return r.wrong(i, err)
	}
	return nil
}

// delivered counts one delivery.
func (r *run) delivered() {
	r.result.Deliveries++
	r.last = r.now
}

// took records how long a message took that was sent at a time.
func (r *run) took(sent time.Time) error {
	return r.result.Latency.RecordValue(min(max(r.now.Sub(sent).Microseconds(), 1), maxMicros))
}

// wrong names the place of an error.
func (r *run) wrong(i int, err error) error {
	return fmt.Errorf("member %d of %d, delivery %d: %w", i+1, len(r.c.members), r.result.Deliveries+1, err)
}

// minSize is the length of what a message begins with: its kind, whose it is, its number.
const minSize = 24

// appendMessage appends the message with a number of a kind that a member says. No two of a crowd are alike.
func appendMessage(dst []byte, size int, kind byte, member, number int) []byte {
	end := len(dst) + size
	dst = append(dst, kind)
	dst = appendDigits(dst, 8, member)
	dst = append(dst, ' ')
	dst = appendDigits(dst, 12, number)
	dst = append(dst, ' ')
	return append(dst, filler[number%26:][:end-len(dst)]...)
}

// filler is what messages end with, each at another place of the alphabet.
var filler = strings.Repeat("abcdefghijklmnopqrstuvwxyz", maxSize/26+2)

func appendDigits(dst []byte, digits, n int) []byte {
	at := len(dst)
	dst = append(dst, "000000000000"[:digits]...)
	for i := at + digits - 1; n > 0 && i >= at; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	return dst
}
