package loop

import "time"

// Clock reads the time. It is the only place of the program that does, so that a pool under test can be
// given another one. Safe for concurrent use.
type Clock struct{ start time.Time }

// NewClock returns a clock whose monotonic time begins with 0, now.
func NewClock() *Clock { return &Clock{start: time.Now()} }

// Read returns whole milliseconds, rounded down: monotonic since the clock was made, and wall since 1970.
func (c *Clock) Read() (now, wall int64) {
	t := time.Now()
	return t.Sub(c.start).Milliseconds(), t.UnixMilli()
}

// Due is the first whole millisecond of the monotonic time at which d has passed from now: not a fraction too early.
// A d that is not positive is due at once.
func (c *Clock) Due(d time.Duration) int64 { return dueAfter(time.Since(c.start), d) }

func dueAfter(elapsed, d time.Duration) int64 {
	if d <= 0 {
		return elapsed.Milliseconds()
	}
	whole := int64(elapsed/time.Millisecond) + int64(d/time.Millisecond) // apart, as their sum may be no Duration
	return whole + int64((elapsed%time.Millisecond+d%time.Millisecond+time.Millisecond-1)/time.Millisecond)
}

// DueWall is the first whole millisecond of the monotonic time at which the wall clock reads deadline or more, unless it is
// set meanwhile. What has passed is due at once; what is more than most away is due when that has passed.
func (c *Clock) DueWall(deadline int64, most time.Duration) int64 {
	t := time.Now()
	wait := most
	if ahead := deadline - t.UnixMilli(); ahead <= int64(most/time.Millisecond) {
		wait = min(most, time.Duration(ahead)*time.Millisecond-time.Duration(t.Nanosecond())%time.Millisecond)
	}
	return dueAfter(t.Sub(c.start), wait)
}

// Until is how long it takes until the monotonic time reads deadline: never less, so that a timer set for it
// does not fire a fraction of a millisecond early.
func (c *Clock) Until(deadline int64) time.Duration {
	elapsed := time.Since(c.start)
	if deadline >= maxMillis {
		deadline = maxMillis
	}
	return max(0, time.Duration(deadline)*time.Millisecond-elapsed)
}

// maxMillis is the longest time.Duration, in milliseconds: 292 years.
const maxMillis = int64(1<<63-1) / int64(time.Millisecond)
