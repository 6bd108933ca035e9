package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"everloop/bench/load"
	"everloop/bench/proc"
)

// syncCount is how many requests shared how many fsyncs.
type syncCount struct {
	name     string
	requests int
	log      logCounts
	traced   int // fsyncs that the kernel has seen; -1: nobody counted
}

// most is the larger of the two counts.
func (s syncCount) most() float64 { return max(s.log.syncs, float64(s.traced)) }

// countedRequests is the number of requests of the fsync scenario. Under strace each system call of the server takes a
// multiple of its time, so it is small, and no rate is taken from it.
const countedRequests = 20_000

// countSyncs counts fsyncs of a fixed number of requests by the log's own counter and, where there is a strace, by what
// the kernel has seen: the counter must not be trusted alone.
func (b *bench) countSyncs(ctx context.Context, r *results) error {
	strace, err := exec.LookPath("strace")
	if err != nil {
		b.say("without strace, as it is missing: fsyncs are counted by the log alone")
		r.missing = append(r.missing, "strace: fsyncs are counted by the log alone")
		strace = ""
	}
	for _, objects := range []int{1, b.objects} {
		c, err := b.countOn(ctx, contestant{counterTS, counting, objects}, strace, r)
		if err != nil {
			return err
		}
		b.say("%-38s %d requests, %.0f commits, %.0f fsyncs", c.name, c.requests, c.log.commits, c.log.syncs)
		r.syncs = append(r.syncs, c)
	}
	return nil
}

func (b *bench) countOn(ctx context.Context, c contestant, strace string, r *results) (n syncCount, err error) {
	n = syncCount{name: c.String(), requests: countedRequests, traced: -1}
	s, err := b.start(ctx, c.kind)
	if err != nil {
		return n, err
	}
	defer s.abandon()
	paths := c.paths()
	counters := load.NewCounters(len(paths))
	g, err := load.Dial(load.Options{Addr: s.addr, Conns: b.conns, Paths: paths, Check: counters.Check})
	if err != nil {
		return n, err
	}
	defer g.Close()
	time.Sleep(200 * time.Millisecond) // the batch that an idle log appends is over
	var tracer *trace
	if strace != "" {
		if tracer, err = startTrace(ctx, strace, s.PID(), filepath.Join(b.work, "strace")); err != nil {
			b.say("without strace: %v", err)
			r.missing = append(r.missing, "strace: "+firstLine(err.Error()))
		}
	}
	before, err := s.metrics(ctx)
	if err != nil {
		return n, err
	}
	if _, err := g.Run(ctx, load.Until{Requests: countedRequests}); err != nil {
		return n, fmt.Errorf("%w\n%s", err, s.Output())
	}
	time.Sleep(200 * time.Millisecond) // so is the one that follows
	after, err := s.metrics(ctx)
	if err != nil {
		return n, err
	}
	n.log = after.minus(before)
	if tracer != nil {
		if n.traced, err = tracer.stop(); err != nil {
			return n, err
		}
	}
	if err := counters.Complete(); err != nil {
		return n, err
	}
	if int(n.log.records) < countedRequests {
		return n, fmt.Errorf("%v: %d requests were answered, and the log has %.0f records of them", c, countedRequests, n.log.records)
	}
	return n, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// trace is a strace on a process.
type trace struct {
	p    *proc.Process
	file string
}

// startTrace attaches strace and returns when it is attached.
func startTrace(ctx context.Context, strace string, pid int, file string) (*trace, error) {
	_ = os.Remove(file)
	p, err := proc.Start("strace", nil, strace, "-f", "-c", "-o", file, "-e", "trace=fsync,fdatasync,sync_file_range,syncfs,sync", "-p", strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = p.Ready(ctx, func() error {
		if !strings.Contains(p.Output(), "attached") {
			return fmt.Errorf("not attached to process %d", pid)
		}
		return nil
	})
	if err != nil {
		p.Kill()
		return nil, err
	}
	return &trace{p, file}, nil
}

// stop detaches and returns the number of calls that make writes durable.
func (t *trace) stop() (int, error) {
	// strace detaches and prints at an interrupt, and then ends by it.
	if err := syscall.Kill(t.p.PID(), syscall.SIGINT); err != nil {
		return 0, fmt.Errorf("strace: %w", err)
	}
	select {
	case <-t.p.Done():
	case <-time.After(10 * time.Second):
		t.p.Kill()
		return 0, fmt.Errorf("strace does not end: %s", t.p.Output())
	}
	b, err := os.ReadFile(t.file)
	if err != nil {
		return 0, fmt.Errorf("strace: %w", err)
	}
	_ = os.Remove(t.file)
	return parseStrace(string(b))
}

// parseStrace adds up the calls of a summary: % time, seconds, usecs/call, calls, errors if any, name.
func parseStrace(summary string) (calls int, err error) {
	for line := range strings.Lines(summary) {
		f := strings.Fields(line)
		if len(f) < 5 || !strings.Contains(f[len(f)-1], "sync") {
			continue
		}
		n, err := strconv.Atoi(f[3])
		if err != nil {
			return 0, fmt.Errorf("strace: %q has no number of calls", strings.TrimSpace(line))
		}
		calls += n
	}
	return calls, nil
}
