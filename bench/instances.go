package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"everloop/bench/load"
)

// rooms is the daemon with everything on one loop, so that whatever stalls it is seen by every object.
var rooms = kind{name: "everloop, one loop", ready: workTS.ready, admin: true, args: func(b *bench, port, admin int, data string) []string {
	return append(workTS.args(b, port, admin, data), "--loops", "1")
}}

var room = workload{path: "/room", answer: "here\n"}

const (
	// spreadOut is how many instances are made before memory is read first: enough for every JavaScript runtime to exist.
	spreadOut = 500
	// makers is the number of connections that instances are made through: few, so that what another request waits for is a
	// stall, and not its turn.
	makers = 4
	// probePause is the time between two requests of the probe.
	probePause = time.Millisecond
	// rested is how long instances are left alone before they are evicted.
	rested = 4 * time.Second
)

// instanceReport is what live instances cost.
type instanceReport struct {
	n      int
	bytes  float64 // of resident memory, each
	phases []phase
	again  func(*bench) error // makes them once more, for a profile
}

// phase is the longest that the probe waited in one part of the scenario.
type phase struct {
	name    string
	longest time.Duration
	target  bool
}

// measureInstances makes many live instances, leaves them alone, and waits until they are evicted. All the while a probe asks
// another object of the same loop, and what it waits at most is the longest stall of the loop.
func (b *bench) measureInstances(ctx context.Context, r *results) (err error) {
	s, err := b.start(ctx, rooms)
	if err != nil {
		return err
	}
	defer s.abandon()
	first, rest := make([]string, spreadOut), make([]string, b.instances)
	for i := range first {
		first[i] = fmt.Sprintf("%s?id=first-%d", room.path, i)
	}
	for i := range rest {
		rest[i] = fmt.Sprintf("%s?id=room-%d", room.path, i)
	}
	if _, err := b.touch(ctx, s, first); err != nil {
		return err
	}
	before, err := s.Memory()
	if err != nil {
		return err
	}
	report := instanceReport{n: b.instances, again: func(b *bench) error { return b.measureInstances(ctx, new(results)) }}
	p := startProbe(ctx, "http://"+s.addr+inMemory.path+"?id=probe")
	defer func() {
		if perr := p.stop(); err == nil {
			err = perr
		}
	}()
	note := func(name string, target bool) {
		report.phases = append(report.phases, phase{name, p.longest(), target})
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	note("before there are any", false)
	var took time.Duration
	if err := b.profile.during(s.Process, func() (err error) {
		took, err = b.touch(ctx, s, rest)
		return err
	}); err != nil {
		return err
	}
	note("while instances are made", true)
	after, err := s.Memory()
	if err != nil {
		return err
	}
	live, err := s.live(ctx)
	if err != nil {
		return err
	}
	if live < b.instances {
		return fmt.Errorf("%d instances were made in %v, and %d are live: this machine is too slow to have them all at once; ask for fewer with -instances", b.instances, took, live)
	}
	report.bytes = float64(after.Resident-before.Resident) / float64(b.instances)
	if err := sleep(ctx, rested); err != nil {
		return err
	}
	note("while they are left alone", true)
	for live > spreadOut {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
		if live, err = s.live(ctx); err != nil {
			return err
		}
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	note("while they are evicted", true)
	b.say("%d live instances: %.0f bytes each, made in %v; longest waits %v", b.instances, report.bytes, took, report.phases)
	r.instances = append(r.instances, report)
	return nil
}

// touch gives each room a request.
func (b *bench) touch(ctx context.Context, s *server, paths []string) (time.Duration, error) {
	g, err := load.Dial(load.Options{Addr: s.addr, Conns: makers, Paths: paths, Check: load.Always(room.answer)})
	if err != nil {
		return 0, err
	}
	defer g.Close()
	done, err := g.Run(ctx, load.Until{Each: true})
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, s.Output())
	}
	return done.Elapsed, nil
}

// live is the number of instances.
func (s *server) live(ctx context.Context) (int, error) {
	text, err := get(ctx, "http://"+s.admin+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "everloop_engine_live_objects "); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("metrics: the number of live objects is missing")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// probe asks one object again and again, on a connection of its own, and keeps the longest wait.
type probe struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	most time.Duration
	err  error
}

func startProbe(ctx context.Context, url string) *probe {
	p := &probe{}
	ctx, p.cancel = context.WithCancel(ctx)
	p.done.Go(func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		// The first answer is that of a new connection and object.
		for n := 0; ; n++ {
			began := time.Now()
			err := ask(ctx, client, url)
			took := time.Since(began)
			if ctx.Err() != nil {
				return
			}
			p.mu.Lock()
			if n > 0 {
				p.most = max(p.most, took)
			}
			p.err = err
			p.mu.Unlock()
			if err != nil || sleep(ctx, probePause) != nil {
				return
			}
		}
	})
	return p
}

func ask(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return err
}

// longest is the longest wait since it was asked last.
func (p *probe) longest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.most
	p.most = 0
	return most
}

// stop ends the probe and says what went wrong with it.
func (p *probe) stop() error {
	p.cancel()
	p.done.Wait()
	if p.err != nil {
		return fmt.Errorf("probe: %w", p.err)
	}
	return nil
}

func (r *results) writeInstances(p func(string, ...any)) {
	for _, i := range r.instances {
		p("")
		p("## Live instances: %d of a TypeScript class, each with a Map and a wrapper of its state, on one loop", i.n)
		p("")
		p("| | | target |")
		p("| --- | --- | --- |")
		memory, wait := goal("instances-memory"), goal("instances-wait")
		p("| memory an instance | %.0f bytes | %s: %s |", i.bytes, memory, verdict(memory.met(i.bytes)))
		for _, ph := range i.phases {
			want := "-"
			if ph.target {
				want = wait.String() + ": " + verdict(wait.met(ph.longest.Seconds()*1e3))
			}
			p("| longest wait of another object, %s | %.2f ms | %s |", ph.name, ph.longest.Seconds()*1e3, want)
		}
		p("")
		p("Memory is what the process has in all, beside the storage: the engine's part, the JavaScript heaps, and what Go's collector")
		p("keeps for later. The waits have the probe's own share, which the first line shows.")
	}
}
