package main

import (
	"context"
	"fmt"
	"time"

	"everloop/bench/crowd"
	"everloop/bench/peers"
)

// audience is a server and those who listen to it.
type audience struct {
	kind    kind
	how     string // for the report
	dialect crowd.Dialect
	rooms   []string
	members int
	window  int // of messages to all; 0: each member hears its own
}

func (a audience) String() string {
	s := fmt.Sprintf("%s, %s, %d sockets", a.kind.name, a.how, a.members)
	if len(a.rooms) > 1 {
		s += fmt.Sprintf(" of %d objects", len(a.rooms))
	}
	if a.window > 0 {
		s += fmt.Sprintf(", window %d", a.window)
	}
	return s
}

// run makes one run of the audience's kind.
func (a audience) run(ctx context.Context, c *crowd.Crowd, u crowd.Until) (*crowd.Result, error) {
	if a.window == 0 {
		return c.Echo(ctx, u)
	}
	return c.Broadcast(ctx, a.window, u)
}

// hear measures audiences that differ in nothing but the window, one after another on one server with the same members.
func (b *bench) hear(ctx context.Context, as []audience) (samples []sample, err error) {
	s, err := b.start(ctx, as[0].kind)
	if err != nil {
		return nil, err
	}
	ended := false
	defer func() {
		if !ended {
			s.abandon()
		}
		if err != nil {
			err = fmt.Errorf("%v: %w", as[0], err)
		}
	}()
	c, err := crowd.Gather(ctx, crowd.Options{Addr: s.addr, Dialect: as[0].dialect, Rooms: as[0].rooms, Members: as[0].members})
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.Output())
	}
	defer c.Close()
	for _, a := range as {
		m, err := b.hearOn(ctx, s, c, a)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, s.Output())
		}
		samples = append(samples, m)
	}
	c.Close()
	ended = true
	return samples, s.leave()
}

func (b *bench) hearOn(ctx context.Context, s *server, c *crowd.Crowd, a audience) (m sample, err error) {
	if _, err := a.run(ctx, c, crowd.Until{Elapsed: b.warm}); err != nil {
		return m, err
	}
	var r *crowd.Result
	used, resident, err := s.during(func() (err error) {
		r, err = a.run(ctx, c, crowd.Until{Elapsed: b.elapsed})
		return err
	})
	if err != nil {
		return m, err
	}
	return sample{
		rate: r.Rate(), p50: r.Quantile(50), p99: r.Quantile(99), resident: resident,
		cpu: used / time.Duration(r.Deliveries), behind: float64(r.Behind), own: r.Own.Seconds() / r.Elapsed.Seconds(),
	}, nil
}

// hearAll measures every audience once a round. Those that differ in nothing but the window share a server.
func (b *bench) hearAll(ctx context.Context, groups [][]audience) (all []audience, samples [][]sample, err error) {
	for _, g := range groups {
		all = append(all, g...)
	}
	samples = make([][]sample, len(all))
	for round := range b.rounds {
		i := 0
		for _, g := range groups {
			ms, err := b.hear(ctx, g)
			if err != nil {
				return nil, nil, err
			}
			for _, m := range ms {
				b.say("round %d of %d  %-66s %9.0f deliveries/s  p50 %-8v p99 %-8v %v CPU a delivery, %.0f behind, load's own CPU %.0f %%",
					round+1, b.rounds, all[i], m.rate, m.p50, m.p99, m.cpu, m.behind, m.own*100)
				samples[i] = append(samples[i], m)
				i++
			}
		}
	}
	return all, samples, nil
}

// windows are measured, in this order. The targets are for the first.
var windows = []int{8, 1}

// crowds are the numbers of sockets that hear one message.
var crowds = []int{100, 1000}

// Targets of broadcasts: the same TypeScript program, of workerd's rate; and ctx.broadcast, of Redis's PUBLISH.
var (
	loopTarget = goal("broadcast-loop")
	castTarget = goal("broadcast-native")
)

// compareBroadcast lets one member of a room speak to all.
func (b *bench) compareBroadcast(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	b.store(ctx, r)
	type pair struct {
		what         string
		ours, theirs audience
		found        bool // the peer
		target       target
	}
	var groups [][]audience
	place := map[string]int{}
	add := func(a audience) {
		var g []audience
		for _, w := range windows {
			a.window = w
			place[a.String()] = len(place)
			g = append(g, a)
		}
		groups = append(groups, g)
	}
	var pairs []pair
	for _, n := range b.crowds() {
		loop := []string{"/loop?id=room"}
		for _, p := range []pair{
			{"a loop over getWebSockets, of workerd's", audience{kind: workTS, how: "loop", rooms: loop, members: n}, audience{kind: workerd, how: "loop", rooms: loop, members: n}, b.workerd != "", loopTarget},
			{"ctx.broadcast, of Redis's PUBLISH", audience{kind: workTS, how: "ctx.broadcast", rooms: []string{"/broadcast?id=room"}, members: n}, audience{kind: redisPubSub, how: "PUBLISH", dialect: crowd.Redis, rooms: []string{"room"}, members: n}, b.redis != "", castTarget},
		} {
			add(p.ours)
			if p.found {
				add(p.theirs)
				pairs = append(pairs, p)
			}
		}
	}
	all, samples, err := b.hearAll(ctx, groups)
	if err != nil {
		return err
	}
	t := newTable("Broadcast: one message to all sockets of a room", deliveryColumns(true), all, samples)
	for _, p := range pairs {
		for i, w := range windows {
			p.ours.window, p.theirs.window = w, w
			ours, theirs := samples[place[p.ours.String()]], samples[place[p.theirs.String()]]
			want := p.target
			if i > 0 {
				want = target{} // for information
			}
			what := fmt.Sprintf("%d sockets, window %d: %s", p.ours.members, w, p.what)
			t.ratio(what+" rate", ours, theirs, byRate, want).profiled(p.ours.String(), func(b *bench) error {
				_, err := b.hear(ctx, []audience{p.ours})
				return err
			})
			t.ratio(what+" deliveries for the same CPU", ours, theirs, byCPU, target{})
		}
	}
	t.remarks = []string{
		"The latency is that of a message until all sockets have it. The window is how many messages the sender has sent and not yet heard",
		"itself; window 1 is for information. \"Behind\" is the largest number of messages that were sent and not yet heard by all.",
	}
	r.tables = append(r.tables, t)
	return nil
}

// crowds are the sizes of a broadcast's room; a run in small has one.
func (b *bench) crowds() []int {
	if b.objects < crowds[0] {
		return []int{b.objects}
	}
	return crowds
}

// compareEcho lets each socket hear its own messages.
func (b *bench) compareEcho(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	each := make([]string, b.objects)
	for i := range each {
		each[i] = fmt.Sprintf("/echo?id=object-%d", i)
	}
	var groups [][]audience
	for _, rooms := range [][]string{{"/echo?id=room"}, each} {
		groups = append(groups, []audience{{kind: workTS, how: "echo", rooms: rooms, members: b.objects}})
		if b.workerd != "" {
			groups = append(groups, []audience{{kind: workerd, how: "echo", rooms: rooms, members: b.objects}})
		}
	}
	all, samples, err := b.hearAll(ctx, groups)
	if err != nil {
		return err
	}
	t := newTable("Echo: each socket hears its own message", deliveryColumns(false), all, samples)
	for i := 0; b.workerd != "" && i < len(all); i += 2 {
		what, ours, theirs := all[i].String(), samples[i], samples[i+1]
		t.ratio(what+": rate, of workerd's", ours, theirs, byRate, target{})
		t.ratio(what+": messages for the same CPU, of workerd's", ours, theirs, byCPU, target{})
		t.ratio(what+": p99, of workerd's", ours, theirs, byP99, target{})
	}
	r.tables = append(r.tables, t)
	return nil
}

// deliveryColumns are those of what sockets hear.
func deliveryColumns(behind bool) []column {
	cs := figures("delivery", "deliveries")
	if behind {
		cs = append(cs, column{"behind", func(s sample) float64 { return s.behind }, spread.whole})
	}
	return append(cs, column{"the load's CPU", func(s sample) float64 { return s.own }, spread.percent})
}

// store looks for Redis, once, and notes in the results what it is, or why it is not there.
func (b *bench) store(ctx context.Context, r *results) {
	if b.sought {
		return
	}
	b.sought = true
	p, err := peers.Redis(ctx)
	b.redis = b.found(r, "Redis", p, err)
}

// found notes a peer or load tool in the results, or that it is missing, and returns its program, which is "" then.
func (b *bench) found(r *results, name string, p peers.Peer, err error) string {
	if err != nil {
		b.say("without %s, as it is missing: %v", name, err)
		r.missing = append(r.missing, fmt.Sprintf("%s: %s", name, oneLine(err.Error())))
		return ""
	}
	b.say("%s", p)
	r.peers = append(r.peers, p.String())
	return p.Program
}
