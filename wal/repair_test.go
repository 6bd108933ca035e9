package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// wholeWorld is a log of several generations, of which the needed snapshot is not the only one, killed after its last batch; and what it held. Its
// keys and lengths come from the seed, so that sizes are about the same.
func wholeWorld(t testing.TB, seed uint64, retain wal.Retain, segment int64) (*world, image) {
	t.Helper()
	w := newWorld(seed, ramDir(t))
	w.open(t, wal.SmallSegments(wal.Options{Retain: retain, MaxDelay: time.Hour, Idle: time.Hour}, segment))
	for range 3 {
		w.write(t)
	}
	w.snapshot(t, true) // generation 2
	w.snapshot(t, false)
	w.write(t)
	w.snapshot(t, true) // generation 4: what a start reads
	for range 3 {
		w.write(t)
	}
	w.snapshot(t, false)
	for range 3 {
		w.write(t)
	}
	img := readImage(t, w.dir)
	w.l.Close()
	return w, img
}

// start opens a directory, and says what state it has.
func start(dir string) (table, wal.Recovery, error) {
	l, err := wal.Open(dir, wal.Options{Logger: quiet})
	if err != nil {
		return nil, wal.Recovery{}, err
	}
	defer l.Close()
	tab := table{}
	rec, err := l.Replay(tab.apply, nil)
	return tab, rec, err
}

// stays wants every byte of img to be in dir still: in its place, or in a folder of what was dropped.
func stays(t testing.TB, dir string, img image) {
	t.Helper()
	now := readImage(t, dir)
	for name, b := range img {
		found := false
		for place, have := range now {
			if place == name || strings.HasPrefix(place, "dropped-") && strings.HasSuffix(place, "/"+name) {
				found = found || bytes.HasPrefix(have, b)
			}
		}
		if !found {
			t.Fatalf("%s is gone, or not what it was", name)
		}
	}
}

// A directory can be taken back to every record that a snapshot reaches, and goes on from there; whatever is dropped is still there.
func TestRepairToEveryRecord(t *testing.T) {
	w, img := wholeWorld(t, 1, keepAll, 300)
	dir, repairs := ramDir(t), 0
	last := wal.LSN(len(w.records))
	for n := wal.LSN(0); n <= last; n++ {
		img.write(t, dir)
		dry, err := wal.Repair(dir, wal.RepairOptions{DropAfter: n, DryRun: true})
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if got := readImage(t, dir); !maps.EqualFunc(got, img, bytes.Equal) {
			t.Fatalf("record %d: a dry run has changed something", n)
		}
		r, err := wal.Repair(dir, wal.RepairOptions{DropAfter: n})
		if err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
		if r.Keep != n || r.Lost != uint64(last-n) || r.Cause != nil || r.Changes != (n < last) || dry.Changes != r.Changes || !slices.Equal(dry.Files, r.Files) || dry.Cut != r.Cut {
			t.Fatalf("record %d of %d: %+v\ndry: %+v", n, last, r, dry)
		}
		if !r.Changes {
			continue
		}
		stays(t, dir, img)
		rep, err := wal.Verify(dir)
		if err != nil || rep.Last != n || len(rep.Older) > 0 || rep.Torn > 0 {
			t.Fatalf("record %d: verify: %+v, %v", n, rep, err)
		}
		// What is kept for time travel, before and after, is what it was.
		h, err := wal.OpenHistory(dir, wal.ReadOptions{})
		if err != nil || h.Start().LSN != 0 || h.End().LSN != n {
			t.Fatalf("record %d: history: %v", n, err)
		}
		for _, m := range []wal.LSN{n / 2, n} {
			if got, err := read(h, m); err != nil || !maps.Equal(got, w.at(m)) {
				t.Fatalf("record %d: history at %d: %v", n, m, err)
			}
		}
		h.Close()
		again := newWorld(uint64(n), dir)
		again.records, again.now = slices.Clone(w.records[:n]), w.at(n)
		again.open(t, wal.SmallSegments(wal.Options{Retain: keepAll}, 300))
		if e := again.l.Epoch(); e != rep.Manifest.Epoch+1 || e < 3 {
			t.Fatalf("record %d: epoch %d", n, e)
		}
		again.write(t)
		again.snapshot(t, true)
		if err := again.l.Close(); err != nil {
			t.Fatal(err)
		}
		stays(t, dir, img) // a start removes what it does not know, so that had to be out of its way
		if got, _, err := start(dir); err != nil || !maps.Equal(got, again.now) {
			t.Fatalf("record %d: the second start: %v", n, err)
		}
		repairs++
	}
	t.Logf("%d repairs, to each of %d records", repairs, last)
}

// Whatever is damaged, `verify` says what can be kept, the repair keeps it, and it is right. What the log behind a damaged snapshot still has is not lost.
func TestRepairOfDamage(t *testing.T) {
	w, img := wholeWorld(t, 2, keepAll, 300)
	last := wal.LSN(len(w.records))
	dir := ramDir(t)
	r := rand.New(rand.NewPCG(9, 9))
	repairs, lossless, hopeless, harmless := 0, 0, 0, 0
	names := slices.Sorted(maps.Keys(img))
	damage := func(what string, bad image) {
		bad.write(t, dir)
		rep, verr := wal.Verify(dir)
		if verr == nil {
			got, _, err := start(dir)
			if err != nil || len(rep.Older) == 0 && rep.Torn == 0 && rep.Last != last && !strings.Contains(what, "missing") && !strings.Contains(what, "cut") {
				t.Fatalf("%s: verify finds nothing; a start: %v", what, err)
			}
			if !maps.Equal(got, w.at(rep.Last)) {
				t.Fatalf("%s: a start goes on with a wrong state", what)
			}
			harmless++
			return
		}
		if rep.Repair == nil {
			if rep.RepairErr == nil {
				t.Fatalf("%s: no repair and no reason: %v", what, verr)
			}
			hopeless++
			return
		}
		fixed, err := wal.Repair(dir, wal.RepairOptions{DropAfter: rep.Repair.Keep})
		if err != nil {
			t.Fatalf("%s: %v\nverify: %v", what, err, verr)
		}
		if fixed.Keep+wal.LSN(fixed.Lost) > last {
			t.Fatalf("%s: keeps %d and loses %d of %d", what, fixed.Keep, fixed.Lost, last)
		}
		stays(t, dir, bad)
		got, rec, err := start(dir)
		if err != nil || rec.Last != fixed.Keep || !maps.Equal(got, w.at(fixed.Keep)) {
			t.Fatalf("%s: repaired to record %d: %+v, %v\n%v", what, fixed.Keep, rec, err, verr)
		}
		repairs++
		if fixed.Keep == last {
			lossless++
		}
	}
	for _, name := range names {
		b := img[name]
		for range 15 {
			if len(b) == 0 {
				break
			}
			pos := r.IntN(len(b))
			flipped := bytes.Clone(b)
			flipped[pos] ^= 1 << r.IntN(8)
			damage(fmt.Sprintf("%s: bit flip at %d", name, pos), img.with(name, flipped))
		}
		if len(b) > 0 {
			damage(name+": cut", img.with(name, b[:r.IntN(len(b))]))
		}
		damage(name+": missing", img.with(name, nil))
	}
	t.Logf("%d repairs, %d of them without a loss; %d harmless, %d without remedy", repairs, lossless, harmless, hopeless)
	if lossless < 15 || hopeless > 0 {
		t.Errorf("all but a lost log can be repaired here")
	}

	t.Run("needed snapshot", func(t *testing.T) {
		name := "p0/snap-0000000004"
		flipped := bytes.Clone(img[name])
		flipped[200] ^= 4
		img.with(name, flipped).write(t, dir)
		rep, err := wal.Verify(dir)
		var c *wal.CorruptionError
		if !errors.As(err, &c) || c.File != name || rep.Repair == nil || rep.Repair.Lost != 0 || rep.Repair.Generation != 2 {
			t.Fatalf("%+v, %v", rep.Repair, err)
		}
	})
	t.Run("kept snapshot", func(t *testing.T) {
		name := "p0/snap-0000000002"
		flipped := bytes.Clone(img[name])
		flipped[200] ^= 4
		img.with(name, flipped).write(t, dir)
		rep, err := wal.Verify(dir)
		if err != nil || len(rep.Older) != 1 || !strings.Contains(rep.Older[0].Error(), name) || rep.Repair != nil {
			t.Fatalf("%v, %v", rep.Older, err)
		}
	})
	t.Run("nothing older is kept", func(t *testing.T) {
		w, img := wholeWorld(t, 3, wal.Retain{}, 300)
		flipped := bytes.Clone(img["p0/snap-0000000004"])
		flipped[200] ^= 4
		img.with("p0/snap-0000000004", flipped).write(t, dir)
		rep, err := wal.Verify(dir)
		if !errors.Is(err, wal.ErrCorrupt) || rep.Repair != nil || rep.RepairErr == nil || !strings.Contains(rep.RepairErr.Error(), "backup") {
			t.Fatalf("%+v, %v", rep, err)
		}
		if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: wal.LSN(len(w.records))}); err == nil {
			t.Fatal("repaired what cannot be")
		}
		if got := readImage(t, dir); len(got) != len(img) {
			t.Fatal("a repair that was refused has changed something")
		}
	})
}

// What a repair refuses, and how.
func TestRepairIsRefused(t *testing.T) {
	w, img := wholeWorld(t, 4, wal.Retain{}, 300)
	last := wal.LSN(len(w.records))
	dir := ramDir(t)
	img.write(t, dir)
	for n, says := range map[wal.LSN]string{last + 1: "ends with record", 1: "does not reach back"} {
		if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: n}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("record %d: %v", n, err)
		}
	}
	l, err := wal.Open(dir, wal.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: last, DryRun: true}); !errors.Is(err, wal.ErrLocked) {
		t.Errorf("of a directory that is open: %v", err)
	}
	l.Close()
	if _, err := wal.Repair(t.TempDir(), wal.RepairOptions{}); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Errorf("of nothing: %v", err)
	}
	newer := bytes.Clone(img[manifest])
	newer[8] = 77
	newer[124]++
	img.with(manifest, newer).write(t, dir)
	if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: last}); !errors.Is(err, wal.ErrNewer) {
		t.Errorf("of a newer version: %v", err)
	}
	// What is behind damage cannot be kept. The last generation has its damage in its first segment.
	for _, name := range slices.Sorted(maps.Keys(img)) {
		if strings.HasPrefix(name, "p0/gen-0000000005/") && len(img[name]) > 0 {
			flipped := bytes.Clone(img[name])
			flipped[len(flipped)-1] ^= 1
			img.with(name, flipped).write(t, dir)
			break
		}
	}
	rep, err := wal.Verify(dir)
	if err == nil || rep.Repair == nil {
		t.Fatalf("verify: %+v, %v", rep, err)
	}
	_, err = wal.Repair(dir, wal.RepairOptions{DropAfter: last})
	if want := fmt.Sprintf("--drop-after %d keeps the most", rep.Repair.Keep); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("more than can be: %v; want %s", err, want)
	}
}

// A repair whose power is cut in any of its operations leaves a directory that is refused, or one that has all that was to be kept; repairing it again does the rest, and nothing is deleted.
func TestRepairSurvivesPowerCuts(t *testing.T) {
	cuts, refusals, before, after := 0, 0, 0, 0
	w, img := wholeWorld(t, 5, keepAll, 300)
	last := wal.LSN(len(w.records))
	root, dir := ramDir(t), ramDir(t)
	for _, n := range []wal.LSN{2, last / 2, last - 1} {
		for op, over := 1, false; !over; op++ {
			img.write(t, root)
			disk, err := waltest.NewPowerDisk(root)
			if err != nil {
				t.Fatal(err)
			}
			disk.CutAt(op)
			if _, err := wal.Repair(root, wal.RepairOptions{DropAfter: n, Disk: disk}); err == nil {
				over = true
				if err := disk.Check(); err != nil {
					t.Fatal(err)
				}
			} else if !errors.Is(err, waltest.ErrPowerOff) {
				t.Fatalf("record %d, power cut in operation %d: %v", n, op, err)
			}
			for seed := range uint64(4) {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if err := disk.Crash(seed, dir); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("record %d, power cut in operation %d, seed %d", n, op, seed)
				rep, err := wal.Verify(dir)
				switch {
				case err != nil && !errors.Is(err, wal.ErrCorrupt):
					t.Fatalf("%s: %v", what, err)
				case err != nil:
					refusals++
				case rep.Last < n || over && rep.Last != n:
					t.Fatalf("%s: ends with record %d", what, rep.Last)
				case rep.Last > n:
					before++
				default:
					after++
				}
				if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: n}); err != nil {
					t.Fatalf("%s, repaired again: %v", what, err)
				}
				stays(t, dir, img)
				if got, _, err := start(dir); err != nil || !maps.Equal(got, w.at(n)) {
					t.Fatalf("%s, repaired again: a start: %v", what, err)
				}
				cuts++
			}
		}
	}
	if refusals == 0 || before == 0 || after == 0 {
		t.Errorf("not every kind of outcome was seen")
	}
	t.Logf("%d power cuts: %d refused until repaired again, %d as before, %d done", cuts, refusals, before, after)
}
