package main

import (
	"context"
	"fmt"
)

// Targets of TypeScript on everloop, as ratios to workerd. A request that writes gains from the shared fsync; what is left of one
// that does not is the engine alone, where workerd's computes faster.
var (
	manyTimes = atLeast(10)
	someTimes = atLeast(3)
	waits     = atMost(0.25)
)

// peer looks for workerd, once, and notes in the results what it is, or why it is not there.
func (b *bench) peer(ctx context.Context, r *results) {
	if b.looked {
		return
	}
	b.looked = true
	version, err := b.findWorkerd(ctx)
	if err != nil {
		b.say("without workerd, as it is missing: %v", err)
		r.missing = append(r.missing, fmt.Sprintf("workerd: %v", err))
		return
	}
	b.say("%s", version)
	r.peers = append(r.peers, version)
}

// compareTS compares one program on everloop and on workerd, a workload at a time.
func (b *bench) compareTS(ctx context.Context, r *results) error {
	b.peer(ctx, r)
	var cs []contestant
	for _, w := range []struct {
		load    workload
		objects int
	}{
		{durable, 1},
		{durable, b.objects},
		{transaction, 1},
		{batch, 1},
		{rpc, 1},
		{inMemory, 1},
		{worker, 0},
	} {
		cs = append(cs, contestant{workTS, w.load, w.objects})
		if b.workerd != "" {
			cs = append(cs, contestant{workerd, w.load, w.objects})
		}
	}
	samples, err := b.compare(ctx, cs, r)
	if err != nil {
		return err
	}
	t := newTable("TypeScript: the same program on everloop and workerd", requestColumns(), cs, samples)
	for i := 0; b.workerd != "" && i < len(cs); i += 2 {
		what, ours, theirs := cs[i].String(), samples[i], samples[i+1]
		rate := someTimes
		if cs[i].load.writes {
			rate = manyTimes
		}
		t.ratio(what+": rate, of workerd's", ours, theirs, func(a, b sample) float64 { return a.rate / b.rate }, rate)
		t.ratio(what+": requests for the same CPU, of workerd's", ours, theirs, func(a, b sample) float64 { return float64(b.cpu) / float64(a.cpu) }, rate)
		t.ratio(what+": p99, of workerd's", ours, theirs, func(a, b sample) float64 { return float64(a.p99) / float64(b.p99) }, waits)
	}
	r.tables = append(r.tables, t)
	return nil
}
