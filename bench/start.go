package main

import (
	"context"
	"time"
)

// startCount is how often each server is started.
const startCount = 15

// startTimes are the times from a server's start, on an empty directory, to its first answer.
type startTimes struct {
	name   string
	millis []float64
	target bool
}

// compareStart starts servers and waits for their first answer, which an object gives whose write is durable.
func (b *bench) compareStart(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	kinds := []kind{counterTS}
	if b.workerd != "" {
		kinds = append(kinds, workerd)
	}
	times := make([][]float64, len(kinds))
	for range startCount {
		for i, k := range kinds {
			began := time.Now()
			s, err := b.start(ctx, k)
			if err != nil {
				return err
			}
			times[i] = append(times[i], time.Since(began).Seconds()*1e3)
			if err := s.end(); err != nil {
				return err
			}
		}
	}
	for i, k := range kinds {
		t := startTimes{k.name, times[i], k.name == counterTS.name}
		b.say("%-52s first answer after %.0f ms", k.name, spreadOf(t.millis).median)
		r.starts = append(r.starts, t)
	}
	return nil
}

func (r *results) writeStarts(p func(string, ...any)) {
	if len(r.starts) == 0 {
		return
	}
	p("")
	p("## Start: from nothing to the first answer, of an object that has written")
	p("")
	p("| server | first answer | target |")
	p("| --- | --- | --- |")
	for _, s := range r.starts {
		want, v, goal := "-", spreadOf(s.millis), goal("start")
		if s.target {
			want = goal.String() + ": " + verdict(goal.met(v.median))
		}
		p("| %s | %.0f ms (%.0f-%.0f) | %s |", s.name, v.median, v.low, v.high, want)
	}
}
