package loop_test

import (
	"testing"
	"testing/synctest"
	"time"

	"everloop/loop"
)

// What is due after a while is due at the first whole millisecond that is not a fraction too early.
func TestClockDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const us = time.Microsecond
		c := loop.NewClock()
		time.Sleep(5900 * us)
		for _, x := range []struct {
			d    time.Duration
			want int64
		}{
			{-time.Second, 5},
			{0, 5},
			{1, 6},
			{100 * us, 6},
			{101 * us, 7},
			{time.Millisecond, 7},
			{15 * time.Millisecond, 21},
			{15100 * us, 21},
			{15101 * us, 22},
			{1<<63 - 1, 5 + (1<<63-1)/1_000_000 + 2},
		} {
			if got := c.Due(x.d); got != x.want {
				t.Errorf("%v from 5.9 ms: due at %d, want %d", x.d, got, x.want)
			}
		}
	})
}

// What waits for the wall clock is due at the first whole millisecond at which that reads the deadline, and not later than
// the longest wait.
func TestClockDueWall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const us = time.Microsecond
		c := loop.NewClock() // at a whole second of the wall clock
		start := time.Now().UnixMilli()
		time.Sleep(700 * us)
		c = loop.NewClock() // whose milliseconds begin 0.7 after those of the wall clock
		time.Sleep(5900 * us)
		now, wall := c.Read()
		if now != 5 || wall != start+6 {
			t.Fatalf("the clocks read %d and %d, want 5 and %d", now, wall, start+6)
		}
		for _, x := range []struct{ deadline, want int64 }{
			{-1 << 62, 5},
			{wall, 5},
			{wall + 1, 7}, // in 0.4 ms: the clock reads 6.3 then
			{wall + 10, 16},
			{wall + 993, 999},
			{wall + 1000, 1006},
			{wall + 1001, 1006}, // the longest wait
			{1<<63 - 1, 1006},
		} {
			if got := c.DueWall(x.deadline, time.Second); got != x.want {
				t.Errorf("%d ms ahead: due at %d, want %d", x.deadline-wall, got, x.want)
			}
		}
	})
}
