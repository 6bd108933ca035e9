package wal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// keeper keeps keys with values in a log, as an engine keeps objects: a record is "key=value", or "key" when the
// key has vanished. Its snapshots are fuzzy.
type keeper struct {
	l     *wal.Log
	state map[string]string
	tags  map[string]wal.LSN // number of the last record of each key
	said  []string           // all records, in order
	must  wal.LSN            // what no power cut may lose
	// low takes the highest tag for the barrier, which is what looks sufficient.
	low bool
}

func (k *keeper) apply(n wal.LSN, record string) {
	key, value, ok := strings.Cut(record, "=")
	if n <= k.tags[key] {
		return // the snapshot has it
	}
	k.tags[key] = n
	if ok {
		k.state[key] = value
	} else {
		delete(k.state, key)
	}
}

func newKeeper() *keeper {
	return &keeper{state: map[string]string{}, tags: map[string]wal.LSN{}}
}

// openKeeper starts from what a directory holds.
func openKeeper(dir string, o wal.Options) (*keeper, wal.Recovery, error) {
	o.Logger = quiet
	l, err := wal.Open(dir, o)
	if err != nil {
		return nil, wal.Recovery{}, err
	}
	k := newKeeper()
	k.l = l
	rec, err := l.Replay(func(c *wal.Chunk) error {
		return c.Records(func(n wal.LSN, record []byte) error {
			k.apply(n, string(record))
			return nil
		})
	}, nil)
	if err != nil {
		l.Close()
		return nil, rec, err
	}
	return k, rec, nil
}

// after is what the first n records make.
func after(said []string, n wal.LSN) map[string]string {
	k := newKeeper()
	for i, r := range said[:n] {
		k.apply(wal.LSN(i+1), r)
	}
	return k.state
}

// say appends records without committing them.
func (k *keeper) say(records ...string) error {
	for _, r := range records {
		n, err := k.l.Append(0, []byte(r))
		if err != nil {
			return err
		}
		k.said = append(k.said, r)
		k.apply(n, r)
	}
	return nil
}

// commit commits, and waits for it where the committer is the one to do it.
func (k *keeper) commit() error {
	last := k.l.Last()
	k.l.Demand(last)
	k.l.EndRound(0)
	for k.l.Durable() < last && k.l.Err() == nil {
		runtime.Gosched()
	}
	return k.l.Err()
}

// snapshot makes one, of which between is called in the middle, when half of the keys have been encoded. What it
// says is not committed before the install.
func (k *keeper) snapshot(between func() error) (wal.SnapshotInfo, error) {
	base := k.l.Last()
	w, err := k.l.StartSnapshot()
	if err != nil {
		return wal.SnapshotInfo{}, err
	}
	k.must = max(k.must, base)
	defer w.Abort()
	f := wal.NewFrame()
	var highest wal.LSN
	keys := slices.Sorted(maps.Keys(k.state))
	for i, key := range keys {
		if i == len(keys)/2 {
			if err := w.Write(f); err != nil {
				return wal.SnapshotInfo{}, err
			}
			f.Reset()
			if err := between(); err != nil {
				return wal.SnapshotInfo{}, err
			}
		}
		if value, ok := k.state[key]; ok {
			f.Add(k.tags[key], []byte(key+"="+value))
			highest = max(highest, k.tags[key])
		}
	}
	barrier := k.l.Last()
	if k.low {
		barrier = max(base, highest)
	}
	if err := w.Write(f); err != nil {
		return wal.SnapshotInfo{}, err
	}
	info, err := w.Install(barrier)
	if err == nil {
		k.must = max(k.must, barrier)
	}
	return info, err
}

// years is a life with everything that snapshots bring: writes, three snapshots with writes in them, one that is given up,
// removal, and a close. It stops at the first error.
func (k *keeper) years() error {
	fill := strings.Repeat("x", 60)
	write := func(round int) error {
		for i := range 4 {
			if err := k.say(fmt.Sprintf("key %d=%d %s", i, round, fill), fmt.Sprintf("other %d=%d", round*4+i, i)); err != nil {
				return err
			}
			if err := k.commit(); err != nil {
				return err
			}
		}
		return k.say(fmt.Sprintf("late=%d", round))
	}
	for round := range 3 {
		if err := write(round); err != nil {
			return err
		}
		_, err := k.snapshot(func() error {
			// A key that was encoded, one that was not, a new one, and one that vanishes before it is reached.
			return k.say(fmt.Sprintf("key 0=in the middle of %d", round), fmt.Sprintf("key 3=in the middle of %d", round),
				fmt.Sprintf("made %d=", round), fmt.Sprintf("other %d", round*4+2))
		})
		if err != nil {
			return err
		}
		if round == 1 {
			w, err := k.l.StartSnapshot()
			if err != nil {
				return err
			}
			if err := w.Abort(); err != nil {
				return err
			}
			if err := k.say("after one that was given up=1"); err != nil {
				return err
			}
		}
	}
	if err := write(3); err != nil {
		return err
	}
	if err := k.commit(); err != nil {
		return err
	}
	err := k.l.Close()
	if err == nil {
		k.must = k.l.Last()
	}
	return err
}

// forgetful is a disk that leaves out what forget wants.
type forgetful struct {
	*waltest.PowerDisk
	forget func(op wal.Op) bool
	last   wal.OpKind // the one in which the power went
}

func (d *forgetful) Do(op wal.Op, perform func() error) error {
	if d.forget != nil && d.forget(op) {
		return nil
	}
	if !d.Off() {
		d.last = op.Kind
	}
	return d.PowerDisk.Do(op, perform)
}

// cuts is what one run over all cuts has seen.
type cuts struct {
	ops, crashes int
	removed      uint64 // generations, in the run without a cut
}

// cutEverywhere cuts the power in every operation of years, looks at several crashes of each, and returns the first
// thing that is wrong.
func cutEverywhere(t *testing.T, o wal.Options, seeds uint64, low bool, forget func() func(wal.Op) bool) (cuts, error) {
	var seen cuts
	for n := 1; ; n++ {
		disk := newDisk(t)
		d := &forgetful{PowerDisk: disk}
		if forget != nil {
			d.forget = forget()
		}
		o.Disk = d
		disk.CutAt(n)
		k, _, err := openKeeper(disk.Root(), o)
		if err == nil {
			k.low = low
			err = k.years()
			if o.Sync == wal.SyncAlways {
				k.must = max(k.must, k.l.Durable())
			}
			k.l.Close()
		} else {
			k = newKeeper()
		}
		off := disk.Off()
		if off != (err != nil) {
			return seen, fmt.Errorf("operation %d: power off: %t, but %w", n, off, err)
		}
		if !off && forget == nil {
			if err := disk.Check(); err != nil {
				return seen, err
			}
			seen.removed = k.l.Stats().Removed
		}
		more := seeds
		if d.last == wal.OpRename || d.last == wal.OpSyncDir {
			more *= 5 // here several changes of names are there or not, each by itself
		}
		for seed := range more {
			seen.crashes++
			if err := k.survives(disk, seed, o); err != nil {
				return seen, fmt.Errorf("sync mode %v, operation %d, seed %d: %w", o.Sync, n, seed, err)
			}
		}
		if err := os.RemoveAll(disk.Root()); err != nil {
			return seen, err
		}
		if !off {
			return seen, nil
		}
		seen.ops++
	}
}

// survives restarts what a power cut may have left and looks at it.
func (k *keeper) survives(disk *waltest.PowerDisk, seed uint64, o wal.Options) error {
	dir := disk.Root() + "-after"
	defer os.RemoveAll(dir)
	if err := disk.Crash(seed, dir); err != nil {
		return err
	}
	o.Disk = nil
	now, rec, err := openKeeper(dir, o)
	if err != nil {
		return err
	}
	defer now.l.Close()
	if rec.Last < k.must {
		return fmt.Errorf("record %d was on disk, the log ends with %d", k.must, rec.Last)
	}
	want := after(k.said, rec.Last)
	if !maps.Equal(now.state, want) {
		return fmt.Errorf("after record %d there are %v, want %v", rec.Last, now.state, want)
	}
	if err := tidy(dir); err != nil {
		return err
	}
	// It goes on, and a second start finds the same.
	if err := now.say("next=1"); err != nil {
		return err
	}
	if seed%2 == 0 {
		if _, err := now.snapshot(func() error { return now.say("more=1") }); err != nil {
			return err
		}
	}
	if err := now.commit(); err != nil {
		return err
	}
	if err := now.l.Close(); err != nil {
		return err
	}
	again, _, err := openKeeper(dir, o)
	if err != nil {
		return err
	}
	defer again.l.Close()
	if !maps.Equal(again.state, now.state) {
		return fmt.Errorf("a second start finds %v, want %v", again.state, now.state)
	}
	return tidy(dir)
}

// tidy checks that a directory that has just been opened holds what its manifest names and nothing else.
func tidy(dir string) error {
	rep, err := wal.Verify(dir)
	if err != nil {
		return err
	}
	m := rep.Manifest
	entries, err := os.ReadDir(filepath.Join(dir, "p0"))
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
	}
	for gen := m.Kept; gen <= m.Newest; gen++ {
		name := fmt.Sprintf("gen-%010d", gen)
		if !there[name] {
			return fmt.Errorf("%s is missing: the manifest keeps %d to %d", name, m.Kept, m.Newest)
		}
		delete(there, name)
		snapshot := fmt.Sprintf("snap-%010d", gen)
		if gen > 1 && (gen == m.Kept || gen == m.Oldest) && !there[snapshot] {
			return fmt.Errorf("%s is missing: the manifest keeps %d, and needs %d, to %d", snapshot, m.Kept, m.Oldest, m.Newest)
		}
		if gen <= m.Oldest {
			delete(there, snapshot)
		}
	}
	delete(there, "MANIFEST")
	if len(there) > 0 {
		return fmt.Errorf("left behind: %v; the manifest keeps %d, needs %d to %d", slices.Collect(maps.Keys(there)), m.Kept, m.Oldest, m.Newest)
	}
	return nil
}

var manyCuts = wal.SmallSegments(wal.Options{MaxDelay: time.Hour, Idle: time.Hour, Interval: time.Hour}, 400)

// Whatever the moment at which the power goes while a snapshot is started, written and installed, and what it makes
// superfluous is removed.
func TestPowerCutAtEveryOperationOfSnapshots(t *testing.T) {
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for _, mode := range []wal.SyncMode{wal.SyncAlways, wal.SyncInterval, wal.SyncNone} {
		for _, keep := range []wal.Retain{{}, {Age: time.Hour, Bytes: 2500}} {
			o := manyCuts
			o.Sync, o.Retain = mode, keep
			seen, err := cutEverywhere(t, o, seeds, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			if seen.ops < 150 || seen.removed < 1 {
				t.Fatalf("only %d operations, %d generations removed", seen.ops, seen.removed)
			}
			t.Logf("sync mode %v, kept %d bytes: the power was cut in each of %d operations, %d crashes; %d generations removed",
				mode, keep.Bytes, seen.ops, seen.crashes, seen.removed)
		}
	}
}

var (
	segmentFile  = regexp.MustCompile(`p0/gen-\d+/\d+$`)
	snapshotFile = regexp.MustCompile(`p0/snap-\d+$`)
	snapshotTmp  = regexp.MustCompile(`p0/snap-\d+\.tmp$`)
)

// The same test must find each protection missing: otherwise it would not notice if one were forgotten.
func TestSnapshotPowerCutsFindWhatIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		mode   wal.SyncMode
		keep   wal.Retain
		forget func() func(op wal.Op) bool
		says   string
	}{
		"log not fsynced past the barrier": {wal.SyncNone, wal.Retain{}, func() func(wal.Op) bool {
			making := false
			return func(op wal.Op) bool {
				if snapshotTmp.MatchString(op.Path) {
					making = op.Kind != wal.OpRename
				}
				return making && op.Kind == wal.OpSync && segmentFile.MatchString(op.Path)
			}
		}, "the manifest knows"},
		"snapshot not fsynced": {wal.SyncAlways, wal.Retain{}, func() func(wal.Op) bool {
			return func(op wal.Op) bool { return op.Kind == wal.OpSync && snapshotTmp.MatchString(op.Path) }
		}, "snap-"},
		"directory not fsynced after the rename": {wal.SyncAlways, wal.Retain{}, func() func(wal.Op) bool {
			renamed := false
			return func(op wal.Op) bool {
				if op.Kind == wal.OpRename {
					renamed = snapshotFile.MatchString(op.To)
					return false
				}
				forget := renamed && op.Kind == wal.OpSyncDir
				renamed = renamed && !forget
				return forget
			}
		}, "snapshot that the manifest names is missing"},
		"generation not complete before the next": {wal.SyncNone, wal.Retain{}, func() func(wal.Op) bool {
			made := false
			return func(op wal.Op) bool {
				switch {
				case op.Kind == wal.OpMkdir:
					made = !strings.HasSuffix(op.Path, "gen-0000000001")
				case op.Kind == wal.OpRename:
					made = false
				}
				return made && op.Kind == wal.OpSync && segmentFile.MatchString(op.Path)
			}
		}, "before"},
		"new generation not in its directory": {wal.SyncAlways, wal.Retain{}, func() func(wal.Op) bool {
			made := false
			return func(op wal.Op) bool {
				made = made || op.Kind == wal.OpMkdir && strings.HasSuffix(op.Path, "gen-0000000002")
				forget := made && op.Kind == wal.OpSyncDir && strings.HasSuffix(op.Path, "/p0")
				made = made && !forget
				return forget
			}
		}, "directory of a generation that the manifest names is missing"},
		"removal without the manifest": {wal.SyncAlways, wal.Retain{Age: time.Hour, Bytes: 3000}, func() func(wal.Op) bool {
			installed, manifests := false, 0
			return func(op wal.Op) bool {
				if op.Kind == wal.OpRename && snapshotFile.MatchString(op.To) {
					installed, manifests = true, 0
				}
				if op.Kind == wal.OpMkdir || segmentFile.MatchString(op.Path) && op.Kind != wal.OpRemove {
					installed = false // the manifest that comes then is not the removal's
				}
				if !strings.HasSuffix(op.Path, "MANIFEST.tmp") {
					return installed && manifests == 2 && op.Kind == wal.OpSyncDir
				}
				if op.Kind == wal.OpCreate {
					manifests++ // the first is the install's
				}
				if manifests == 2 && op.Kind == wal.OpRename {
					defer func() { installed = false }()
				}
				return installed && manifests == 2
			}
		}, "is missing: the manifest keeps"},
	} {
		t.Run(name, func(t *testing.T) {
			o := manyCuts
			o.Sync, o.Retain = c.mode, c.keep
			seen, err := cutEverywhere(t, o, 5, false, c.forget)
			if err == nil {
				t.Fatalf("%d operations, %d crashes, and nothing found", seen.ops, seen.crashes)
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Fatalf("something else was found: %v", err)
			}
			t.Logf("found in operation %d, after %d crashes: %v", seen.ops+1, seen.crashes, errors.Unwrap(err))
		})
	}
}

// A key that vanishes before it is reached leaves no tag. If the barrier were the highest tag, the log could end before the
// record that says so, and the key would be gone although it was never deleted.
func TestBarrierIsMoreThanTheHighestTag(t *testing.T) {
	o := manyCuts
	o.Sync = wal.SyncNone
	seen, err := cutEverywhere(t, o, 5, true, nil)
	if err == nil || !strings.Contains(err.Error(), "there are") {
		t.Fatalf("%d operations, %d crashes: %v", seen.ops, seen.crashes, err)
	}
	t.Logf("found in operation %d, after %d crashes", seen.ops+1, seen.crashes)
}

// beside is a life in which a loop appends and commits while snapshots are made on another goroutine, so that commits of
// every kind come between the steps of a snapshot. It ends when the power goes.
func (k *keeper) beside(r *rand.Rand, disk *waltest.PowerDisk) {
	var mu sync.Mutex // of k; held for an object's turn, and while one is encoded
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !disk.Off() {
			w, err := k.l.StartSnapshot()
			if err != nil {
				return
			}
			f := wal.NewFrame()
			mu.Lock()
			keys := slices.Sorted(maps.Keys(k.state))
			mu.Unlock()
			for _, key := range keys {
				mu.Lock()
				if value, ok := k.state[key]; ok {
					f.Add(k.tags[key], []byte(key+"="+value))
				}
				mu.Unlock()
				runtime.Gosched()
			}
			barrier := k.l.Last()
			if w.Write(f) != nil {
				return
			}
			if _, err := w.Install(barrier); err != nil {
				return
			}
			mu.Lock()
			k.must = max(k.must, barrier)
			mu.Unlock()
		}
	}()
	for i := 0; !disk.Off() && k.l.Err() == nil; i++ {
		record := fmt.Sprintf("key %d=%d %s", r.IntN(20), i, strings.Repeat("x", r.IntN(200)))
		if r.IntN(4) == 0 {
			record, _, _ = strings.Cut(record, "=")
		}
		mu.Lock()
		err := k.say(record)
		mu.Unlock()
		if err != nil {
			break
		}
		if r.IntN(3) == 0 {
			k.l.Demand(k.l.Last())
			k.l.EndRound(0)
		}
		runtime.Gosched()
	}
	<-done
}

func TestPowerCutsBesideSnapshots(t *testing.T) {
	n := 150
	if testing.Short() {
		n = 30
	}
	first, last := seeds(n)
	crashes := 0
	for seed := first; seed <= last; seed++ {
		r := rand.New(rand.NewPCG(seed, 2))
		o := wal.SmallSegments(wal.Options{Logger: quiet}, int64(300+r.IntN(3000)))
		o.Sync = wal.SyncMode(r.IntN(3))
		if r.IntN(2) == 0 {
			o.Retain = wal.Retain{Age: time.Hour, Bytes: int64(r.IntN(5000))}
		}
		disk := newDisk(t)
		o.Disk = disk
		k, _, err := openKeeper(disk.Root(), o)
		if err != nil {
			t.Fatal(err)
		}
		disk.CutAt(1 + r.IntN(400))
		k.beside(r, disk)
		if o.Sync == wal.SyncAlways {
			k.must = max(k.must, k.l.Durable())
		}
		k.l.Close()
		for range 4 {
			crashes++
			if err := k.survives(disk, r.Uint64(), o); err != nil {
				t.Fatalf("-power.seed=%d (not every run of a seed is the same): sync mode %v: %v", seed, o.Sync, err)
			}
		}
	}
	t.Logf("%d power cuts, %d crashes", last-first+1, crashes)
}
