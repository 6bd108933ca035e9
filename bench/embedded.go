package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"everloop/bench/proc"
)

// embedReport is what bench/embed prints.
type embedReport struct {
	Calls, Syncs   uint64
	Seconds, CPU   float64
	P50, P99       float64 // microseconds
	Bytes, Mallocs float64 // a call
}

// embedded are the ways to call, each with its target.
var embedded = []struct{ how, goal, title string }{
	{"memory", "embedded-memory", "calls without a write/s"},
	{"durable", "embedded-durable", "durable writes/s"},
	{"blocking", "embedded-blocking", "durable writes/s, each waited for"},
}

// measureEmbedded calls objects from goroutines of the program that has them, without a network.
func (b *bench) measureEmbedded(ctx context.Context, r *results) error {
	n := b.memoryObjects
	y := &years{title: fmt.Sprintf("Embedded: 2 goroutines call %d objects of a Go class, no network", n)}
	for _, e := range embedded {
		rate := y.figure(e.title, "%.0f", goal(e.goal))
		var cpu, p50, p99, syncs, bytes *figure
		cpu = y.figure(e.title+": CPU a call, us", "%.2f", target{})
		p50, p99 = y.figure(e.title+": p50, us", "%.0f", target{}), y.figure(e.title+": p99, us", "%.0f", target{})
		if e.how != "memory" {
			syncs = y.figure(e.title+": calls an fsync", "%.1f", target{})
		}
		bytes = y.figure(e.title+": garbage a call, bytes", "%.0f", target{})
		for range b.rounds {
			m, err := b.embed(ctx, e.how, n)
			if err != nil {
				return err
			}
			calls := float64(m.Calls)
			b.note(rate, calls/m.Seconds)
			b.note(cpu, m.CPU/calls*1e6)
			b.note(p50, m.P50)
			b.note(p99, m.P99)
			if syncs != nil {
				b.note(syncs, calls/max(1, float64(m.Syncs)))
			}
			b.note(bytes, m.Bytes)
		}
		rate.load, rate.again = "bench/embed "+e.how, func(b *bench) error {
			_, err := b.embed(ctx, e.how, n)
			return err
		}
	}
	y.remarks = []string{"A write adds 1 to the count of a random object, of which all exist before, and is answered with it when that is durable; a call without a write is answered with the count. The class is one of engine.DirectOf, on one loop. 1,024 calls are under way in each goroutine, by an engine.Pipe; or each goroutine waits for its own, by Stub.CallRaw. Every answer is checked, and the counts add up to the calls that were answered."}
	r.years = append(r.years, y)
	return nil
}

// embed runs bench/embed once, with a directory of its own.
func (b *bench) embed(ctx context.Context, how string, objects int) (m embedReport, err error) {
	dir, err := b.dataDir()
	if err != nil {
		return m, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{how, dir, strconv.Itoa(objects), b.elapsed.String()}
	b.configure("embed, "+how, append([]string{filepath.Join(b.bin, "embed")}, args...), 0, 0, dir)
	p, err := proc.Start("embed", nil, filepath.Join(b.bin, "embed"), args...)
	if err != nil {
		return m, err
	}
	defer p.Kill()
	if b.profile != nil {
		// Of the calls that are measured, and not of what comes before and after them.
		says := func(word string) error {
			return p.Ready(ctx, func() error {
				if !strings.Contains(p.Output(), word) {
					return errNotReady
				}
				return nil
			})
		}
		if err := says("measuring\n"); err != nil {
			return m, err
		}
		if err := b.profile.during(p, func() error { return says("measured\n") }); err != nil {
			return m, err
		}
	}
	if err := p.Wait(ctx); err != nil {
		return m, err
	}
	lines := strings.Split(strings.TrimSpace(p.Output()), "\n") // log lines, if any, come before the report
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		return m, fmt.Errorf("embed %s printed %q: %w", how, p.Output(), err)
	}
	if m.Calls == 0 || m.Seconds <= 0 {
		return m, fmt.Errorf("embed %s printed %q", how, p.Output())
	}
	return m, nil
}
