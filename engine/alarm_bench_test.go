package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"everloop/engine"
	"everloop/wal"
)

// clockwork is an object whose alarm counts.
type clockwork struct {
	st   *engine.State
	at   *atomic.Int64 // when it is to ring
	rung *atomic.Int64
}

func (c *clockwork) CallRaw(context.Context, string, []byte) ([]byte, error) {
	return nil, c.st.Storage().SetAlarmMillis(c.at.Load(), engine.WriteOptions{})
}

func (c *clockwork) Alarm(context.Context, engine.AlarmInfo) error {
	c.rung.Add(1)
	return nil
}

// BenchmarkAlarms runs alarms that are due at one moment, on the real log: each wakes its object and is deleted durably. What
// counts is rung/s, from that moment until all of them are durable, and the processor time that the machine has for one: ns/op is
// mostly waiting.
func BenchmarkAlarms(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var at, rung atomic.Int64
			e := open(b, engine.Options{IdleTimeout: 100 * time.Millisecond})
			ns := register(b, e, "Clockwork", engine.ClassOf(func(st *engine.State) (*clockwork, error) {
				return &clockwork{st, &at, &rung}, nil
			}))
			log := e.Log().(*wal.Log)
			answers := make(chan error, n)
			took := time.Duration(0)
			for b.Loop() {
				rung.Store(0)
				moment := time.Now().Add(time.Second + time.Duration(n)*20*time.Microsecond)
				at.Store(moment.UnixMilli())
				for i := range n {
					ns.GetByName(fmt.Sprint(i)).StartCall("set", nil, engine.ReplyFunc(func(r engine.Reply) { answers <- r.Err }))
				}
				for range n {
					if err := <-answers; err != nil {
						b.Fatal(err)
					}
				}
				for e.Metrics().Live > 0 {
					time.Sleep(time.Millisecond) // instances go, which has no other sign: an alarm has to wake its object. Real time is what is measured
				}
				if rung.Load() > 0 {
					b.Fatalf("%d alarms have rung before all were set", rung.Load())
				}
				time.Sleep(time.Until(moment) - time.Millisecond) // a benchmark of real alarms: they are due when the wall clock says so
				for rung.Load() < int64(n) || e.Metrics().Alarms > 0 || log.Durable() < log.Last() {
					time.Sleep(100 * time.Microsecond) // the end has no other sign
				}
				took += time.Since(moment)
			}
			b.ReportMetric(float64(b.N*n)/took.Seconds(), "rung/s")
		})
	}
}
