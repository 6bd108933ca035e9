package wal_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

var powerSeed = flag.Uint64("power.seed", 0, "run only this seed of the power-cut tests")

// life is one start of a log on a disk that will lose power, and what it left.
type life struct {
	appended []string // all records that recovery may find, in order
	durable  int      // how many it must find
}

// live opens the log, checks what it finds against the life before, and writes until the power goes or n rounds
// are over.
func live(r *rand.Rand, disk *waltest.PowerDisk, o wal.Options, before life, n int) (life, error) {
	o.Disk = disk
	l, got, _, err := tryOpen(disk.Root(), o)
	if err != nil {
		return before, err
	}
	if err := before.check(got); err != nil {
		l.Close()
		return before, err
	}
	// What a start has read it has shown: it must never go again.
	now := life{appended: got, durable: len(got)}
	for range n {
		for range 1 + r.IntN(4) {
			rec := fmt.Sprintf("%d %d %s", len(now.appended)+1, l.Epoch(), strings.Repeat("x", size(r)))
			if _, err := l.Append(0, []byte(rec)); err != nil {
				break
			}
			now.appended = append(now.appended, rec)
		}
		var demanded wal.LSN
		if r.IntN(4) > 0 {
			demanded = l.Last()
			l.Demand(demanded)
		}
		l.EndRound(0)
		// Where the machine is so slow that the committer took over, wait for it: Kill must not come in the
		// middle of a rotation, of which tidwall/wal has done more than it could announce.
		for l.Durable() < demanded && l.Err() == nil {
			runtime.Gosched()
		}
		if disk.Off() {
			break
		}
	}
	closed := r.IntN(2) == 0
	if closed {
		l.Close()
	}
	now.durable = int(l.Durable())
	disk.Kill() // so that Close leaves everything as it is
	defer disk.Revive()
	if closed && !disk.Off() {
		err = disk.Check()
	}
	l.Close()
	return now, err
}

func size(r *rand.Rand) int {
	switch r.IntN(10) {
	case 0:
		return r.IntN(20000)
	case 1:
		return r.IntN(4000)
	default:
		return r.IntN(100)
	}
}

// check reports whether got is what a crash of this life may leave: a prefix of what was appended, with
// everything in it that was durable.
func (b life) check(got []string) error {
	if len(got) < b.durable {
		return fmt.Errorf("%d records were reported durable, %d are there", b.durable, len(got))
	}
	if len(got) > len(b.appended) {
		return fmt.Errorf("%d records were appended, %d are there", len(b.appended), len(got))
	}
	for i := range got {
		if got[i] != b.appended[i] {
			return fmt.Errorf("record %d is %.30q, was %.30q", i+1, got[i], b.appended[i])
		}
	}
	return nil
}

// powerCuts runs one log through several power cuts, and returns the first thing that is wrong.
func powerCuts(t *testing.T, seed uint64, o wal.Options) error {
	r := rand.New(rand.NewPCG(seed, 1))
	o = wal.SmallSegments(o, int64(2000+r.IntN(30000)))
	o.MaxDelay, o.Idle, o.Logger = time.Hour, time.Hour, quiet
	base := ramDir(t)
	dir := filepath.Join(base, "0")
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	var before life
	for cut := range 6 {
		disk, err := waltest.NewPowerDisk(dir)
		if err != nil {
			return err
		}
		disk.CutAt(1 + r.IntN(150))
		now, err := live(r, disk, o, before, 1+r.IntN(60))
		for err == nil && !disk.Off() { // the process alone has died: the page cache is still there
			now, err = live(r, disk, o, now, r.IntN(60))
		}
		if err != nil && !errors.Is(err, waltest.ErrPowerOff) {
			return fmt.Errorf("life %d: %w", cut, err)
		}
		// Look at several crashes of this moment, and go on from the last.
		for k := range 4 {
			dir = filepath.Join(base, fmt.Sprintf("%d-%d", cut+1, k))
			if err := disk.Crash(r.Uint64(), dir); err != nil {
				return err
			}
			if k == 3 {
				break
			}
			disk, err := waltest.NewPowerDisk(dir)
			if err != nil {
				return err
			}
			if _, err := live(r, disk, o, now, 0); err != nil {
				return fmt.Errorf("after cut %d: %w", cut+1, err)
			}
		}
		before = now
	}
	return nil
}

func seeds(n int) (first, last uint64) {
	if *powerSeed != 0 {
		return *powerSeed, *powerSeed
	}
	return 1, uint64(n)
}

func TestPowerCuts(t *testing.T) {
	n := 120
	if testing.Short() {
		n = 50
	}
	first, last := seeds(n)
	for seed := first; seed <= last; seed++ {
		if err := powerCuts(t, seed, wal.Options{}); err != nil {
			t.Fatalf("-power.seed=%d: %v", seed, err)
		}
	}
	t.Logf("%d seeds, 6 power cuts each, and 4 crashes of each", last-first+1)
}

// The same test on a log that does not sync must find records that were called durable and are gone. If it does
// not, it would not notice a forgotten fsync either.
func TestPowerCutsFindMissingSyncs(t *testing.T) {
	for _, mode := range []wal.SyncMode{wal.SyncNone, wal.SyncInterval} {
		first, last := seeds(50)
		found := 0
		for seed := first; seed <= last; seed++ {
			if err := powerCuts(t, seed, wal.Options{Sync: mode}); err != nil {
				if !strings.Contains(err.Error(), "were reported durable") {
					t.Fatalf("sync mode %v, -power.seed=%d: something else is wrong: %v", mode, seed, err)
				}
				found++
			}
		}
		if found == 0 {
			t.Fatalf("sync mode %v: %d seeds and nothing lost", mode, last-first+1)
		}
	}
}

// The making of a directory and the first start may be interrupted anywhere.
func TestPowerCutInTheFirstStart(t *testing.T) {
	for n := 1; ; n++ {
		disk := newDisk(t)
		disk.CutAt(n)
		l, _, _, err := tryOpen(disk.Root(), wal.Options{Disk: disk})
		if err == nil {
			l.Close()
			if n < 15 {
				t.Fatalf("a first start has only %d operations", n-1)
			}
			return
		}
		if !errors.Is(err, waltest.ErrPowerOff) {
			t.Fatalf("operation %d: %v", n, err)
		}
		for seed := range uint64(50) {
			if got := crash(t, disk, seed); len(got) != 0 {
				t.Fatalf("operation %d, seed %d: %d records", n, seed, len(got))
			}
		}
	}
}

func TestLyingSyncLosesRecords(t *testing.T) {
	lost := 0
	for seed := range uint64(30) {
		disk := newDisk(t)
		l, _, _ := open(t, disk.Root(), wal.Options{Disk: disk})
		put(t, l, "a")
		disk.LieAt(1)
		put(t, l, "b")
		if got := crash(t, disk, seed); len(got) < 2 {
			lost++
		}
		l.Close()
	}
	if lost == 0 || lost == 30 {
		t.Fatalf("lost %d times of 30", lost)
	}
}

// ramDir is a directory in memory, where there is one: what these tests take for durable is decided by a model, so
// a real disk only makes them slow.
func ramDir(t testing.TB) string {
	t.Helper()
	const shm = "/dev/shm"
	if st, err := os.Stat(shm); err != nil || !st.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "everloop-wal-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newDisk(t *testing.T) *waltest.PowerDisk {
	t.Helper()
	disk, err := waltest.NewPowerDisk(ramDir(t))
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

// crash returns the records that a power cut leaves.
func crash(t *testing.T, disk *waltest.PowerDisk, seed uint64) []string {
	t.Helper()
	dir := filepath.Join(ramDir(t), "after")
	if err := disk.Crash(seed, dir); err != nil {
		t.Fatal(err)
	}
	l, got, _ := open(t, dir, wal.Options{})
	l.Close()
	return got
}

func TestFailedWriteOrSyncEndsTheLog(t *testing.T) {
	eio := syscall.EIO
	for name, inject := range map[string]func(*waltest.PowerDisk){
		"write":      func(d *waltest.PowerDisk) { d.Fail(wal.OpWrite, 1, eio) },
		"sync":       func(d *waltest.PowerDisk) { d.Fail(wal.OpSync, 1, eio) },
		"short":      func(d *waltest.PowerDisk) { d.ShortWrite(1, 50) },
		"full":       func(d *waltest.PowerDisk) { d.Fail(wal.OpWrite, 1, syscall.ENOSPC) },
		"create":     func(d *waltest.PowerDisk) { d.Fail(wal.OpCreate, 1, eio) },
		"syncdir":    func(d *waltest.PowerDisk) { d.Fail(wal.OpSyncDir, 1, eio) },
		"rotatesync": func(d *waltest.PowerDisk) { d.Fail(wal.OpSync, 1, eio) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := newDisk(t)
			var told []error
			var durable wal.LSN
			o := wal.Options{Disk: disk, OnDurable: func(n wal.LSN, err error) { told, durable = append(told, err), n }}
			l, _, _ := open(t, disk.Root(), wal.SmallSegments(o, 50000))
			put(t, l, "good")
			inject(disk)
			second := strings.Repeat("b", 10000) // other pages than what comes later
			if name == "create" || name == "syncdir" || name == "rotatesync" {
				second = strings.Repeat("b", 60000) // fills the segment
			}
			put(t, l, second)
			err := l.Err()
			if !errors.Is(err, wal.ErrFailed) || !errors.Is(err, eio) && !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), disk.Root()) {
				t.Fatalf("Err: %v", err)
			}
			if len(told) != 2 || told[0] != nil || told[1] != err || durable != 1 || l.Durable() != 1 {
				t.Fatalf("told %v, durable %d", told, durable)
			}
			if _, aerr := l.Append(0, nil); !errors.Is(aerr, wal.ErrFailed) {
				t.Fatalf("Append: %v", aerr)
			}
			if werr := l.Writable(); !errors.Is(werr, wal.ErrFailed) {
				t.Fatalf("Writable: %v", werr)
			}
			l.Flush()
			l.EndRound(0)
			ops := disk.Ops()
			if cerr := l.Close(); !errors.Is(cerr, wal.ErrFailed) {
				t.Fatalf("Close: %v", cerr)
			}
			if disk.Ops() != ops || len(told) != 2 {
				t.Fatal("a failed log goes on writing, or telling")
			}

			// A restart finds what was durable, perhaps more, and goes on. (In the middle of a rotation, what the
			// disk was told and what tidwall/wal had done already differ: restart from the model.)
			o.OnDurable = nil
			if len(second) > 50000 {
				dir := filepath.Join(ramDir(t), "after")
				if err := disk.Crash(1, dir); err != nil {
					t.Fatal(err)
				}
				if disk, err = waltest.NewPowerDisk(dir); err != nil {
					t.Fatal(err)
				}
				o.Disk = disk
			}
			l, got, _ := open(t, disk.Root(), o)
			if len(got) == 0 || got[0] != "good" || len(got) > 2 {
				t.Fatalf("after the restart: %.20q", got)
			}
			put(t, l, "more")
			want := append(got, "more")
			for seed := range uint64(20) { // what the failed sync left in the page cache is on disk now
				equal(t, crash(t, disk, seed), want)
			}
		})
	}
}

func TestNoSpaceAndBack(t *testing.T) {
	disk := newDisk(t)
	o := wal.Options{Disk: disk, Reserve: 1000}
	l, _, _ := open(t, disk.Root(), o)
	disk.SetFree(999)
	big := strings.Repeat("x", 1<<20) // looks at the disk after so many bytes
	put(t, l, big)
	if err := l.Writable(); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatalf("Writable: %v", err)
	}
	put(t, l, "what was running still gets in")
	if l.Durable() != 2 || l.Err() != nil {
		t.Fatalf("durable %d, %v", l.Durable(), l.Err())
	}
	disk.SetFree(1000)
	put(t, l, big)
	if err := l.Writable(); err != nil {
		t.Fatalf("Writable with room: %v", err)
	}
	l.Close()

	disk.SetFree(10)
	l, got, _ := open(t, disk.Root(), o)
	if err := l.Writable(); !errors.Is(err, wal.ErrNoSpace) || len(got) != 3 {
		t.Fatalf("Writable after a start: %v, %d records", err, len(got))
	}
}

// An epoch is never taken twice, whatever the power does to the manifest.
func TestEpochsAreNeverReused(t *testing.T) {
	dir := ramDir(t)
	seen := map[uint64]bool{}
	for seed := range uint64(60) {
		disk, err := waltest.NewPowerDisk(dir)
		if err != nil {
			t.Fatal(err)
		}
		disk.CutAt(1 + int(seed*7%31))
		if l, _, _, err := tryOpen(dir, wal.Options{Disk: disk}); err == nil {
			l.Append(0, []byte("x"))
			l.Flush()
			l.EndRound(0)
			if l.Durable() > 0 && l.Stats().Commits > 0 {
				if seen[l.Epoch()] {
					t.Fatalf("epoch %d has two lives", l.Epoch())
				}
				seen[l.Epoch()] = true
			}
			l.Close()
		}
		dir = filepath.Join(ramDir(t), "next")
		if err := disk.Crash(seed, dir); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 3 {
		t.Fatalf("only %d epochs wrote anything", len(seen))
	}
}
