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
