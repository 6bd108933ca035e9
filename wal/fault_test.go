package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// tracedDisk notes the operations on another disk.
type tracedDisk struct {
	wal.Disk
	ops  []wal.Op // Data is left out
	room []bool   // those that make room behind the last batch, without which a full disk may do
}

func (d *tracedDisk) Do(op wal.Op, perform func() error) error {
	d.ops = append(d.ops, wal.Op{Kind: op.Kind, Path: op.Path, To: op.To})
	d.room = append(d.room, op.Kind == wal.OpWrite && len(op.Data) > 0 && len(bytes.TrimLeft(op.Data, "\x00")) == 0)
	return d.Disk.Do(op, perform)
}

// faultRun is a log that does everything that logs do (a first start, segments that fill up, snapshots, removals, an orderly
// close, a second start), and what it has said of it.
type faultRun struct {
	disk      *waltest.PowerDisk
	opts      wal.Options
	log       *wal.Log
	records   []string // all that were handed over
	durable   int      // how many of them were reported durable
	failed    error    // why the log has failed, or the start
	snapshots []error  // what became of each
	running   [2]int   // the operations between the first start and Close
	lines     strings.Builder
}

func newFaultRun(t *testing.T, wrap func(wal.Disk) wal.Disk, mode wal.SyncMode) *faultRun {
	r := &faultRun{disk: newDisk(t)}
	r.opts = wal.SmallSegments(wal.Options{
		Disk: wrap(r.disk), Sync: mode, MaxDelay: time.Hour, Idle: time.Hour, Interval: time.Hour, Reserve: -1,
		Logger: slog.New(slog.NewTextHandler(&r.lines, nil)),
	}, 3000)
	return r
}

// run does all of it, as far as it gets.
func (r *faultRun) run() {
	if !r.start() {
		return
	}
	r.running[0] = r.disk.Ops()
	for _, size := range []int{10, 4500, 10} {
		r.put(size)
	}
	for range 3 {
		r.snapshots = append(r.snapshots, r.snapshot())
		for _, size := range []int{2000, 2000, 10} {
			r.put(size)
		}
	}
	r.running[1] = r.disk.Ops()
	if !r.close() || !r.start() {
		return
	}
	r.put(10)
	r.close()
}

func (r *faultRun) start() bool {
	log, found, err := recovered(r.disk.Root(), r.opts)
	if err == nil && len(found) < len(r.records) {
		err = fmt.Errorf("the second start has found %d of %d records", len(found), len(r.records))
	}
	r.log, r.failed = log, err
	return err == nil
}

func (r *faultRun) close() bool {
	err := r.log.Close()
	r.durable, r.failed = int(r.log.Durable()), err
	return err == nil
}

// put hands a record over and waits for what becomes of it.
func (r *faultRun) put(size int) {
	text := fmt.Sprintf("%d %s", len(r.records)+1, strings.Repeat("x", size))
	n, err := r.log.Append(0, []byte(text))
	if err != nil {
		return
	}
	r.records = append(r.records, text)
	r.log.Demand(n)
	r.log.EndRound(0)
	for r.log.Durable() < n && r.log.Err() == nil {
		time.Sleep(10 * time.Microsecond) // a look now and then, where the committer has taken over
	}
	r.durable, r.failed = int(r.log.Durable()), r.log.Err()
}

// snapshot makes one in which each record stands under its own number, so that a forgotten one is seen.
func (r *faultRun) snapshot() error {
	w, err := r.log.StartSnapshot()
	if err != nil {
		return err
	}
	r.put(700)
	f := wal.NewFrame()
	for half := range 2 {
		f.Reset()
		for i, text := range r.records {
			if i%2 == half {
				f.Add(wal.LSN(i+1), []byte(text))
			}
		}
		if err := w.Write(f); err != nil {
			return err
		}
	}
	_, err = w.Install(r.log.Last())
	return err
}

// recovered opens a log and reads it: the snapshot and what is behind it.
func recovered(dir string, o wal.Options) (*wal.Log, []string, error) {
	l, err := wal.Open(dir, o)
	if err != nil {
		return nil, nil, err
	}
	all := map[wal.LSN]string{}
	_, err = l.Replay(func(c *wal.Chunk) error {
		return c.Records(func(n wal.LSN, record []byte) error {
			if old, twice := all[n]; twice && old != string(record) {
				return fmt.Errorf("record %d is %.20q and %.20q", n, old, record)
			}
			all[n] = string(record)
			return nil
		})
	}, nil)
	found := make([]string, len(all))
	for n, text := range all {
		if err == nil && int(n) > len(all) {
			err = fmt.Errorf("%d records, and one of them is number %d", len(all), n)
		}
		if err == nil {
			found[n-1] = text
		}
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, found, nil
}

// survives holds that a start finds what was reported durable, and nothing that was never handed over.
func (r *faultRun) survives(dir string, disk wal.Disk) error {
	o := r.opts
	o.Disk, o.Logger = disk, quiet
	l, found, err := recovered(dir, o)
	if err != nil {
		return fmt.Errorf("the next start: %w", err)
	}
	defer l.Close()
	if err := (life{appended: r.records, durable: r.durable}).check(found); err != nil {
		return err
	}
	last, err := l.Append(0, []byte("more"))
	l.Flush()
	for l.Durable() < last && l.Err() == nil {
		time.Sleep(10 * time.Microsecond) // a look now and then
	}
	return errors.Join(err, l.Err())
}

// harmless reports whether a log must live through a failure of the operation, which comes after another: it belongs to a snapshot, which is given up, or to a
// removal, which is done later.
func harmless(op, before wal.Op, named map[string]bool) bool {
	base := filepath.Base(op.Path)
	dir := filepath.Base(filepath.Dir(op.Path))
	switch {
	case strings.HasPrefix(base, "snap-"), op.Kind == wal.OpRemove, op.Kind == wal.OpMkdir:
		return true
	case base == "MANIFEST.tmp":
		return op.Kind != wal.OpRename
	case base == "p0":
		return filepath.Base(before.To) != "MANIFEST"
	}
	// The new generation, before the manifest names it.
	return strings.HasPrefix(dir, "gen-") && !named[dir] || strings.HasPrefix(base, "gen-") && !named[base]
}

// fatal reports whether a log must fail with the operation: it is what makes records durable.
func fatal(op wal.Op, named map[string]bool) bool {
	base, dir := filepath.Base(op.Path), filepath.Base(filepath.Dir(op.Path))
	return op.Kind != wal.OpRemove && (named[dir] || named[base])
}

// TestEveryOperationFails has each operation of a log's life fail, in each way in which disks fail: nothing is reported durable that
// is not there after a restart or a power cut; a log whose records cannot be written has failed until then and says why; and
// one whose snapshot cannot be written goes on.
func TestEveryOperationFails(t *testing.T) {
	plain := &tracedDisk{}
	clean := newFaultRun(t, func(d wal.Disk) wal.Disk { plain.Disk = d; return plain }, wal.SyncAlways)
	clean.run()
	if err := errors.Join(append(clean.snapshots, clean.failed)...); err != nil || clean.durable != len(clean.records) {
		t.Fatalf("without a fault: %v", err)
	}
	named := make([]map[string]bool, len(plain.ops)+1) // the generations that the manifest names before each operation
	named[0] = map[string]bool{}
	newest := ""
	for i, op := range plain.ops {
		if base := filepath.Base(op.Path); op.Kind == wal.OpMkdir && strings.HasPrefix(base, "gen-") {
			newest = base
		}
		named[i+1] = named[i]
		if op.Kind == wal.OpRename && filepath.Base(op.To) == "MANIFEST" && newest != "" {
			named[i+1] = map[string]bool{newest: true}
			for g := range named[i] {
				named[i+1][g] = true
			}
		}
	}
	kinds := []struct {
		name    string
		err     error
		keep    int
		forever bool
	}{
		{"EIO", syscall.EIO, 0, false},
		{"ENOSPC", syscall.ENOSPC, 0, false},
		{"short write", syscall.ENOSPC, 37, false},
		{"remounted read-only", syscall.EROFS, 0, true},
		{"full for ever", syscall.ENOSPC, 5000, true},
	}
	runs, lived, failed := 0, 0, 0
	for i, op := range plain.ops {
		for _, kind := range kinds {
			if kind.keep > 0 && op.Kind != wal.OpWrite {
				continue
			}
			runs++
			name := fmt.Sprintf("operation %d, %v of %s: %s", i+1, op.Kind, strings.TrimPrefix(op.Path, clean.disk.Root()), kind.name)
			r := newFaultRun(t, func(d wal.Disk) wal.Disk { return d }, wal.SyncAlways)
			r.disk.FailAt(i+1, kind.err, kind.keep, kind.forever)
			r.run()
			inLife := i >= clean.running[0] && i < clean.running[1]
			if r.failed != nil && !errors.Is(r.failed, kind.err) {
				t.Errorf("%s: failed for another reason: %v", name, r.failed)
			}
			switch {
			case inLife && plain.room[i] && errors.Is(kind.err, syscall.ENOSPC) && !kind.forever:
				lived++
				if r.failed != nil || r.durable != len(r.records) {
					t.Errorf("%s: the log has failed (%d of %d): %v\n%s", name, r.durable, len(r.records), r.failed, &r.lines)
				}
			case inLife && fatal(op, named[i]):
				failed++
				if !errors.Is(r.failed, wal.ErrFailed) || !strings.Contains(r.lines.String(), "the log has failed: nothing more is written") {
					t.Errorf("%s: the log goes on: %v\n%s", name, r.failed, &r.lines)
				}
			case inLife && harmless(op, plain.ops[i-1], named[i]) && !kind.forever:
				lived++
				if r.failed != nil || r.durable != len(r.records) {
					t.Errorf("%s: the log has failed (%d of %d): %v\n%s", name, r.durable, len(r.records), r.failed, &r.lines)
				}
				if len(r.snapshots) < 3 || r.snapshots[2] != nil && i < clean.running[1]/2 {
					t.Errorf("%s: no later snapshot succeeds: %v", name, r.snapshots)
				}
				if errors.Join(r.snapshots...) == nil && !strings.Contains(r.lines.String(), "older generations of the log cannot be removed") {
					t.Errorf("%s: nothing is said of it", name)
				}
			case kind.forever && r.failed == nil && i < len(plain.ops)-2:
				t.Errorf("%s: nobody has noticed", name)
			}
			r.disk.Mend()
			if r.log != nil {
				r.log.Close() // again, where it has been closed
			}
			for seed := range uint64(3) {
				dir := filepath.Join(ramDir(t), "after")
				if err := r.disk.Crash(seed, dir); err != nil {
					t.Fatal(err)
				}
				if err := r.survives(dir, nil); err != nil {
					t.Errorf("%s: after a power cut (%d): %v", name, seed, err)
				}
			}
			// Where tidwall/wal has done more than it could announce, the model has another history than the files.
			if r.disk.Check() == nil {
				if err := r.survives(r.disk.Root(), r.disk); err != nil {
					t.Errorf("%s: after a restart: %v", name, err)
				}
			}
			if t.Failed() {
				continue
			}
		}
	}
	t.Logf("%d operations, %d runs; in %d the log failed as it must, in %d it lived through it as it must", len(plain.ops), runs, failed, lived)
	if failed == 0 || lived == 0 {
		t.Error("nothing was tried")
	}
}
