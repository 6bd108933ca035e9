package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"everloop/bench/crowd"
)

const (
	// socketsEach is how many sockets one object holds, far below the limit of 32,768.
	socketsEach = 1000
	// spare is how many descriptors a server and this process keep for other things than sockets.
	spare = 256
	// hibernates is the time after which objects that nobody calls are evicted, and a little.
	hibernates = 13 * time.Second
)

// socketReport is what idle sockets cost one server.
type socketReport struct {
	name      string
	n, rooms  int
	joined    footprint // of each socket, when it had joined and said one thing
	asleep    footprint // and when its object was evicted
	evicted   bool      // the server has said so
	goroutine string    // how many goroutines there were in all, if the server says so
	target    bool
}

// footprint is what a server needs for one socket.
type footprint struct{ bytes, descriptors float64 }

// measureSockets opens many sockets, leaves them alone until their objects are evicted, and wakes each of them.
func (b *bench) measureSockets(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	n := b.sockets
	if most := b.descriptors - spare; n > most {
		note := fmt.Sprintf("sockets: %d rather than %d, as a process may have %d descriptors here, and each socket needs one on either side", most, n, b.descriptors)
		b.say("%s", note)
		r.notes = append(r.notes, note)
		n = most
	}
	report, err := b.idle(ctx, workTS, n)
	if err != nil {
		return err
	}
	report.target = true
	b.say("%v", report)
	r.sockets = append(r.sockets, report)
	for n := n; b.workerd != "" && n >= 100; n /= 2 {
		report, err := b.idle(ctx, workerd, n)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			note := fmt.Sprintf("%d idle sockets of %s", n, oneLine(err.Error()))
			b.say("%s", note)
			r.notes = append(r.notes, note)
			continue
		}
		b.say("%v", report)
		r.sockets = append(r.sockets, report)
		break
	}
	return nil
}

func (s socketReport) String() string {
	return fmt.Sprintf("%s: %d idle sockets of %d objects: %.0f bytes each, %.0f asleep, %.2f descriptors", s.name, s.n, s.rooms, s.joined.bytes, s.asleep.bytes, s.asleep.descriptors)
}

func (b *bench) idle(ctx context.Context, k kind, n int) (report socketReport, err error) {
	report = socketReport{name: k.name, n: n, rooms: (n + socketsEach - 1) / socketsEach}
	s, err := b.start(ctx, k)
	if err != nil {
		return report, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", k.name, s.explain(err))
		}
		s.abandon()
	}()
	// Everything that a server makes once is made by the first socket.
	first, err := crowd.Gather(ctx, crowd.Options{Addr: s.addr, Rooms: []string{"/echo?id=first"}})
	if err != nil {
		return report, err
	}
	defer first.Close()
	if _, err := first.Echo(ctx, crowd.Until{Messages: 1}); err != nil {
		return report, err
	}
	before, err := s.footprint()
	if err != nil {
		return report, err
	}
	rooms := make([]string, report.rooms)
	for i := range rooms {
		rooms[i] = fmt.Sprintf("/echo?id=room-%d", i)
	}
	c, err := crowd.Gather(ctx, crowd.Options{Addr: s.addr, Rooms: rooms, Members: n})
	if err != nil {
		return report, err
	}
	defer c.Close()
	// Each says something once, or a buffer that is made then and kept would not be seen.
	if _, err := c.Echo(ctx, crowd.Until{Messages: n}); err != nil {
		return report, err
	}
	if report.joined, err = s.footprintEach(before, n); err != nil {
		return report, err
	}
	if err := sleep(ctx, hibernates); err != nil {
		return report, err
	}
	if k.admin {
		live, err := s.live(ctx)
		if err != nil {
			return report, err
		}
		if live > 0 {
			return report, fmt.Errorf("%d objects are live, %v after the last message", live, hibernates)
		}
		report.evicted = true
		if report.goroutine, err = s.goroutines(ctx); err != nil {
			return report, err
		}
	}
	if report.asleep, err = s.footprintEach(before, n); err != nil {
		return report, err
	}
	// They all are still there, and wake their objects.
	if _, err := c.Echo(ctx, crowd.Until{Messages: n}); err != nil {
		return report, fmt.Errorf("waking the objects: %w", err)
	}
	return report, nil
}

// footprint is what the server has now.
func (s *server) footprint() (f footprint, err error) {
	memory, err := s.Memory()
	if err != nil {
		return f, err
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		return f, fmt.Errorf("descriptors of %s: %w", s.kind.name, err)
	}
	return footprint{float64(memory.Resident), float64(len(open))}, nil
}

// footprintEach is what each of n sockets has added.
func (s *server) footprintEach(before footprint, n int) (footprint, error) {
	now, err := s.footprint()
	return footprint{(now.bytes - before.bytes) / float64(n), (now.descriptors - before.descriptors) / float64(n)}, err
}

// goroutines is how many the daemon has.
func (s *server) goroutines(ctx context.Context) (string, error) {
	text, err := get(ctx, "http://"+s.admin+"/metrics")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			_, err := strconv.Atoi(strings.TrimSpace(value))
			return strings.TrimSpace(value), err
		}
	}
	return "", fmt.Errorf("metrics: the number of goroutines is missing")
}

func (r *results) writeSockets(p func(string, ...any)) {
	if len(r.sockets) == 0 {
		return
	}
	p("")
	p("## Idle sockets: what the server needs for each")
	p("")
	p("| server | sockets | objects | memory, objects awake | memory, hibernated | descriptors | goroutines in all | target |")
	p("| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, s := range r.sockets {
		want, goroutines := "-", "-"
		if s.target {
			memory := goal("sockets-memory")
			met := memory.met(s.asleep.bytes) && goal("sockets-descriptors").met(s.asleep.descriptors)
			want = fmt.Sprintf("%s and 1 descriptor, hibernated: %s", memory, verdict(met))
		}
		if s.goroutine != "" {
			goroutines = s.goroutine
		}
		asleep := fmt.Sprintf("%.0f bytes", s.asleep.bytes)
		if !s.evicted {
			asleep += fmt.Sprintf(", after %v; whether it does is not known", hibernates)
		}
		p("| %s | %d | %d | %.0f bytes | %s | %.2f | %s | %s |", s.name, s.n, s.rooms, s.joined.bytes, asleep, s.asleep.descriptors, goroutines, want)
	}
	p("")
	p("Memory is resident memory of the process; the kernel's buffers are not in it. Each socket has said one thing and heard it, and does so")
	p("again at the end, when its object wakes.")
}
