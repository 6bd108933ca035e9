package main

import (
	"context"
	"path/filepath"

	"everloop/bench/peers"
)

// peer looks for workerd, once, and notes in the results what it is, or why it is not there.
func (b *bench) peer(ctx context.Context, r *results) {
	if b.looked {
		return
	}
	b.looked = true
	p, err := peers.Workerd(ctx, filepath.Join(b.work, "workerd"), b.install, b.say)
	b.workerd = b.found(r, "workerd", p, err)
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
		// A request that writes gains from the shared fsync; what is left of one that does not is the engine alone, where workerd's
		// computes faster.
		rate, cpu := goal("ts-rate"), goal("ts-cpu")
		if cs[i].load.writes {
			rate, cpu = goal("ts-write-rate"), goal("ts-write-cpu")
		}
		again := func(b *bench) error {
			_, err := b.measure(ctx, cs[i], 0)
			return err
		}
		t.ratio(what+": rate, of workerd's", ours, theirs, byRate, rate).profiled(what, again)
		t.ratio(what+": requests for the same CPU, of workerd's", ours, theirs, byCPU, cpu).profiled(what, again)
		t.ratio(what+": p99, of workerd's", ours, theirs, byP99, goal("ts-p99")).profiled(what, again)
	}
	r.tables = append(r.tables, t)
	return nil
}
