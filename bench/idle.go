package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"everloop/bench/load"
	"everloop/bench/proc"
)

const (
	// idleObjects are recovered, idleConns stay open.
	idleObjects, idleConns = 10_000, 100
	// idleSettles is the time after which objects that were asked for something are evicted (10 s), and what they have left is given back
	// to the system, which is looked for ever more rarely.
	idleSettles = 40 * time.Second
	// idleTime is how long the daemon is looked at: less than connections may be idle.
	idleTime = 30 * time.Second
)

// measureIdle looks at what a daemon does for which there is nothing to do: it has recovered objects and has connections.
func (b *bench) measureIdle(ctx context.Context, r *results) (err error) {
	settles, looks, objects := idleSettles, idleTime, idleObjects
	if b.quick {
		settles, looks, objects = settles/40, looks/15, objects/10
	}
	s, err := b.start(ctx, counterTS)
	if err != nil {
		return err
	}
	dir := s.data
	defer func() { _ = os.RemoveAll(dir) }()
	paths := make([]string, objects)
	for i := range paths {
		paths[i] = fmt.Sprintf("/?id=object-%d", i)
	}
	ask := func(addr string, conns, requests int) (*load.Generator, error) {
		g, err := load.Dial(load.Options{Addr: addr, Conns: conns, Paths: paths})
		if err != nil {
			return nil, err
		}
		until := load.Until{Each: true}
		if requests > 0 {
			until = load.Until{Requests: requests}
		}
		if _, err := g.Run(ctx, until); err != nil {
			g.Close()
			return nil, fmt.Errorf("%w\n%s", err, s.Output())
		}
		return g, nil
	}
	g, err := ask(s.addr, b.conns, 0)
	if err == nil {
		g.Close()
		err = s.Stop(20 * time.Second)
	}
	if err != nil {
		s.Kill()
		return err
	}

	port, admin, err := proc.TwoFreePorts()
	if err != nil {
		return err
	}
	args := counterTS.args(b, port, admin, dir)
	if s.Process, err = proc.Start(counterTS.name, nil, args[0], args[1:]...); err != nil {
		return err
	}
	defer s.Kill()
	s.addr, s.admin = address(port), address(admin)
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Ready(ready, func() error { return s.answers(ready) }); err != nil {
		return err
	}
	// Every connection has had a request, and so have some of the objects.
	if g, err = ask(s.addr, idleConns, 2*idleConns); err != nil {
		return err
	}
	defer g.Close()
	if err := sleep(ctx, settles); err != nil {
		return err
	}
	before, err := activityOf(s.PID())
	if err != nil {
		return err
	}
	cpuBefore, err := s.CPU()
	if err != nil {
		return err
	}
	if err := b.profile.during(s.Process, func() error { return sleep(ctx, looks) }); err != nil {
		return err
	}
	cpu, err := s.CPU()
	if err != nil {
		return err
	}
	after, err := activityOf(s.PID())
	if err != nil {
		return err
	}
	// None of the connections was closed meanwhile.
	if _, err := g.Run(ctx, load.Until{Requests: 2 * idleConns}); err != nil {
		return fmt.Errorf("after %v without a request: %w\n%s", settles+looks, err, s.Output())
	}
	y := &years{title: fmt.Sprintf("Idle: a daemon with %d recovered objects and %d idle connections, looked at for %v", objects, idleConns, looks)}
	ticks := y.figure("processor time, ticks of 10 ms", "%.0f", goal("idle"))
	ticks.load, ticks.again = "everloop, idle", func(b *bench) error { return b.measureIdle(ctx, new(results)) }
	b.note(ticks, float64((cpu-cpuBefore)/(10*time.Millisecond)))
	b.note(y.figure("processor time by the scheduler's own count, ms a second", "%.3f", target{}), (after.ran-before.ran).Seconds()*1e3/looks.Seconds())
	b.note(y.figure("context switches a second", "%.1f", target{}), float64(after.switches-before.switches)/looks.Seconds())
	r.years = append(r.years, y)
	return s.Stop(20 * time.Second)
}

// activity is what the threads of a process have done so far.
type activity struct {
	ran      time.Duration
	switches int
}

// activityOf adds up the threads of a process. What one has done that has ended meanwhile is not in it.
func activityOf(pid int) (a activity, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(threads) == 0 {
		return a, fmt.Errorf("process %d has no threads: %w", pid, os.ErrNotExist)
	}
	for _, t := range threads {
		status, err := os.ReadFile(filepath.Join(t, "status"))
		if err != nil {
			continue // it has ended
		}
		n, err := parseSwitches(status)
		if err != nil {
			return a, err
		}
		a.switches += n
		// Where the kernel keeps no such figures there is no file, and the time stays zero.
		if stat, err := os.ReadFile(filepath.Join(t, "schedstat")); err == nil {
			ran, _, _ := bytes.Cut(stat, []byte(" "))
			ns, err := strconv.ParseInt(string(ran), 10, 64)
			if err != nil {
				return a, fmt.Errorf("schedstat: %w", err)
			}
			a.ran += time.Duration(ns)
		}
	}
	return a, nil
}

// parseSwitches adds up the context switches of a thread, its own and those that it was made to do.
func parseSwitches(status []byte) (n int, err error) {
	found := 0
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if !strings.HasSuffix(name, "voluntary_ctxt_switches") {
			continue
		}
		v, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/task/TID/status: %s: %w", name, err)
		}
		n += v
		found++
	}
	if found != 2 {
		return 0, fmt.Errorf("/proc/PID/task/TID/status tells %d of two counts of context switches", found)
	}
	return n, nil
}
