package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"everloop/wal"
)

// Report tells what a backup holds.
type Report struct {
	Log         string
	Updated     time.Time
	Generations int
	Snapshots   int
	Records     uint64 // of the log
	Last        wal.LSN
	Objects     int   // that the index names
	Bytes       int64 // of them, as they are stored
	LogBytes    int64 // of the batches, as they are in a data directory
	Leftover    int   // objects that the index does not name: of an interrupted backup, or of one that is running
	Spans       []Span
	Problems    []string // what is damaged; what is still whole is not in it
}

// Verify reads everything in a backup, and checks it as a restore would. progress may be nil. The report says what was found also when the error matches ErrDamaged, which it does if
// anything is not whole.
func Verify(ctx context.Context, store Store, progress func(done, total int64)) (Report, error) {
	from := FromBackup(store)
	index, closed, err := from.load(ctx)
	if err != nil {
		return Report{}, err
	}
	v := &verifying{copying: copying{from: from, index: index, meter: meter{tell: progress}}, named: map[string]bool{}}
	all := slices.Concat(closed, index.Generations)
	r := &v.report
	r.Log, r.Updated, r.Generations, r.Spans = index.Log, unixMilli(index.Updated), len(all), spansOf(all)
	var total int64
	for _, g := range all {
		total += g.Bytes
		if g.Snapshot != nil {
			total += g.Snapshot.Object.Size
		}
	}
	v.meter.add(total)
	v.count(index.Closed)
	for _, g := range all {
		if err := v.generation(ctx, g); err != nil {
			return *r, err
		}
	}
	if len(all) > 0 {
		r.Last = all[len(all)-1].end()
	}
	err = store.List(ctx, func(name string, _ int64) error {
		if _, ok := parseName(name); ok && !v.named[name] {
			r.Leftover++
		}
		return nil
	})
	if err != nil {
		return *r, fmt.Errorf("list %s: %w", store, err)
	}
	if len(r.Problems) > 0 {
		return *r, damaged("%s: %d objects are not whole", store, len(r.Problems))
	}
	return *r, nil
}

type verifying struct {
	copying
	report Report
	named  map[string]bool
}

func (v *verifying) count(o *Object) {
	if o == nil || v.named[o.Name] {
		return
	}
	v.named[o.Name] = true
	v.report.Objects++
	v.report.Bytes += o.Size
}

// problem notes err, unless it is something else than damage.
func (v *verifying) problem(err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	v.report.Problems = append(v.report.Problems, err.Error())
	return nil
}

func (v *verifying) generation(ctx context.Context, g *Generation) error {
	r := &v.report
	r.LogBytes += g.Bytes
	if g.Snapshot != nil {
		r.Snapshots++
		v.count(g.Snapshot.Object)
		if err := v.problem(v.snapshot(ctx, g, "")); err != nil {
			return err
		}
	}
	for _, c := range g.Chapters {
		v.count(c)
	}
	runs, err := allRuns(ctx, g, v.from.runs)
	if err != nil {
		return v.problem(err)
	}
	// Behind a run that is damaged, the chain begins anew.
	chain := wal.NewChain(v.index.logID(), v.index.Epoch, g.Base, g.BaseCRC)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var last wal.Link
	for f := range v.fetch(ctx, runs) {
		v.count(f.run.Object)
		data, ok := <-f.data
		err := f.err
		if ok {
			_, err = v.run(f.run, chain, f.run.end(), data, &last, &r.Records)
			if err != nil {
				err = damaged("%s in %s: %w", f.run.Object.Name, v.from.name, err)
			}
		}
		if err != nil {
			chain = wal.ResumeChain(v.index.logID(), v.index.Epoch)
		}
		if err := v.problem(err); err != nil {
			return err
		}
		v.meter.done(f.run.Bytes)
	}
	return ctx.Err()
}
