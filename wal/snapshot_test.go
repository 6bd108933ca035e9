package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
)

func mustKeeper(t testing.TB, dir string, o wal.Options) (*keeper, wal.Recovery) {
	t.Helper()
	k, rec, err := openKeeper(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.l.Close() })
	return k, rec
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nothing() error { return nil }

func TestSnapshotIsReadInsteadOfTheLog(t *testing.T) {
	dir := ramDir(t)
	k, _ := mustKeeper(t, dir, wal.Options{})
	for i := range 100 {
		must(t, k.say(fmt.Sprintf("counter=%d", i), fmt.Sprintf("key %d=%s", i%10, strings.Repeat("v", 100))))
		must(t, k.commit())
	}
	before := k.l.Size()
	if before.Snapshot != 0 || before.Kept != 0 || before.Log < 100*100 || !before.SnapshotTime.IsZero() {
		t.Fatalf("before: %+v", before)
	}
	info, err := k.snapshot(func() error { return k.say("counter=in the middle") })
	must(t, err)
	size := k.l.Size()
	st, err := os.Stat(filepath.Join(dir, "p0", "snap-0000000002"))
	must(t, err)
	if info.Generation != 2 || info.Barrier != 201 || info.Records != 11 || info.Bytes != st.Size() || info.RawBytes < 1000 || info.Took <= 0 ||
		time.Since(info.Time) > time.Minute {
		t.Fatalf("%+v, the file has %d bytes", info, st.Size())
	}
	if size.Snapshot != info.Bytes || !size.SnapshotTime.Equal(info.Time) || size.Kept != 0 || size.Log >= before.Log/10 || !size.KeptSince.Equal(info.Time) {
		t.Fatalf("%+v", size)
	}
	if s := k.l.Stats(); s.Snapshots != 1 || s.Rotations != 1 || s.Removed != 1 || s.SnapshotsGivenUp != 0 || s.SnapshotBytes != uint64(info.Bytes) || s.SnapshotTime.Count != 1 {
		t.Fatalf("%+v", s)
	}
	must(t, k.say("after=1"))
	must(t, k.l.Close())

	again, rec := mustKeeper(t, dir, wal.Options{})
	if rec.Snapshot != 201 || rec.SnapshotRecords != 11 || rec.SnapshotBytes != info.Bytes || rec.Generations != 1 || rec.Records != 2 || rec.Last != 202 {
		t.Fatalf("%+v", rec)
	}
	if !maps.Equal(again.state, k.state) || !maps.Equal(again.state, after(k.said, 202)) {
		t.Fatalf("%v, want %v", again.state, k.state)
	}
	if now := again.l.Size(); now.Snapshot != size.Snapshot || now.Log < size.Log || !now.SnapshotTime.Equal(info.Time) {
		t.Fatalf("%+v, was %+v", now, size)
	}
	must(t, tidy(dir))
}

// What is under way, and what is over.
func TestSnapshotOneAtATime(t *testing.T) {
	dir := ramDir(t)
	l, err := wal.Open(dir, wal.Options{Logger: quiet})
	must(t, err)
	if _, err := l.StartSnapshot(); !errors.Is(err, wal.ErrNotReplayed) {
		t.Fatalf("before Replay: %v", err)
	}
	must(t, l.Close())
	k, _ := mustKeeper(t, dir, wal.Options{})
	must(t, k.say("a=1"))
	w, err := k.l.StartSnapshot()
	must(t, err)
	if _, err := k.l.StartSnapshot(); !errors.Is(err, wal.ErrSnapshotRunning) {
		t.Fatalf("second: %v", err)
	}
	must(t, w.Abort())
	must(t, w.Abort())
	if err := w.Write(wal.NewFrame()); !errors.Is(err, wal.ErrSnapshotOver) {
		t.Fatalf("Write after Abort: %v", err)
	}
	if w, err = k.l.StartSnapshot(); err != nil {
		t.Fatal(err)
	}
	f := wal.NewFrame()
	f.Add(1, []byte("a=1"))
	must(t, w.Write(f))
	if _, err := w.Install(2); err == nil || errors.Is(err, wal.ErrFailed) || k.l.Err() != nil {
		t.Fatalf("a barrier that the log has not reached: %v", err)
	}
	if w, err = k.l.StartSnapshot(); err != nil {
		t.Fatal(err)
	}
	must(t, w.Write(f))
	if _, err := w.Install(0); err == nil || k.l.Err() != nil {
		t.Fatalf("a barrier below a tag: %v", err)
	}
	if w, err = k.l.StartSnapshot(); err != nil {
		t.Fatal(err)
	}
	must(t, k.l.Close())
	if err := w.Write(f); !errors.Is(err, wal.ErrClosed) {
		t.Fatalf("Write after Close: %v", err)
	}
	if _, err := w.Install(1); !errors.Is(err, wal.ErrClosed) {
		t.Fatalf("Install after Close: %v", err)
	}
	must(t, w.Abort())
	if _, err := k.l.StartSnapshot(); !errors.Is(err, wal.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
	again, rec := mustKeeper(t, dir, wal.Options{})
	if rec.Snapshot != 0 || rec.Generations != 5 || again.state["a"] != "1" {
		t.Fatalf("%+v, %v", rec, again.state)
	}
	must(t, tidy(dir))
	_, err = again.snapshot(nothing)
	must(t, err)
	must(t, tidy(dir))
}

// An empty log can be snapshotted too; the barrier is 0 then.
func TestSnapshotOfNothing(t *testing.T) {
	dir := ramDir(t)
	k, _ := mustKeeper(t, dir, wal.Options{})
	for range 2 {
		_, err := k.snapshot(nothing)
		must(t, err)
	}
	must(t, k.say("a=1"))
	must(t, k.l.Close())
	again, rec := mustKeeper(t, dir, wal.Options{})
	if rec.Snapshot != 0 || rec.Records != 1 || again.state["a"] != "1" {
		t.Fatalf("%+v, %v", rec, again.state)
	}
}

// A disk that fails, or is full, while a snapshot is made. Each operation of a snapshot fails in its turn: the snapshot is
// given up, or it is the log's own write or fsync, or the manifest in the middle of its change: that ends the log. Whatever was
// reported durable is there after a restart.
func TestEveryOperationOfASnapshotFails(t *testing.T) {
	kinds := []wal.OpKind{wal.OpMkdir, wal.OpCreate, wal.OpWrite, wal.OpSync, wal.OpSyncDir, wal.OpRename, wal.OpRemove}
	gaveUp, failed, none := 0, 0, 0
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for i := range 2 * len(kinds) {
			kind, again := kinds[i/2], i%2 == 0
			for nth := 1; ; nth++ {
				disk := newDisk(t)
				var told atomic.Pointer[error] // by the committer, which may be another goroutine
				k, _, err := openKeeper(disk.Root(), wal.Options{Disk: disk, MaxDelay: time.Hour, OnDurable: func(_ wal.LSN, err error) {
					if err != nil {
						told.Store(&err)
					}
				}})
				must(t, err)
				must(t, k.say("a=1", "b=2"))
				must(t, k.commit())
				counted := disk.Count(kind)
				disk.Fail(kind, nth, cause)
				_, err = k.snapshot(func() error { return k.say("c=3") })
				hit := disk.Count(kind)-counted >= nth
				name := fmt.Sprintf("%v %d fails with %v", kind, nth, cause)
				switch {
				case !hit:
					must(t, err) // there are not so many
				case k.l.Err() != nil:
					failed++
					if !errors.Is(err, wal.ErrFailed) || !errors.Is(err, cause) || told.Load() == nil {
						t.Fatalf("%s: %v; told %v", name, err, told.Load())
					}
				case err != nil:
					gaveUp++
					if !errors.Is(err, cause) || told.Load() != nil || errors.Is(err, wal.ErrNoSpace) != (cause == syscall.ENOSPC) {
						t.Fatalf("%s: %v; told %v", name, err, told.Load())
					}
					// The log goes on, and so does the next snapshot.
					must(t, k.say("d=4"))
					must(t, k.commit())
					if !again {
						break
					}
					if _, err := k.snapshot(nothing); err != nil {
						t.Fatalf("%s: the next one: %v", name, err)
					}
				default:
					none++ // a removal that is made up for later
				}
				durable := k.l.Durable()
				k.l.Close()
				if !hit {
					break
				}
				after, rec := mustKeeper(t, disk.Root(), wal.Options{Disk: disk, MaxDelay: time.Hour})
				if rec.Last < durable || !maps.Equal(after.state, k.state) && k.l.Err() == nil {
					t.Fatalf("%s: after a restart %v up to %d, want %v up to %d", name, after.state, rec.Last, k.state, durable)
				}
				must(t, tidy(disk.Root()))
				after.l.Close()
				if err := disk.Check(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
	t.Logf("%d snapshots given up, %d logs failed, %d failures without a consequence", gaveUp, failed, none)
	if gaveUp < 15 || failed < 5 || none < 2 {
		t.Fatal("too few")
	}
}

func TestSnapshotKeepsTheReserve(t *testing.T) {
	disk := newDisk(t)
	k, _ := mustKeeper(t, disk.Root(), wal.Options{Disk: disk, Reserve: 1000})
	must(t, k.say("a=1"))
	must(t, k.commit())
	disk.SetFree(999)
	if _, err := k.snapshot(nothing); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatal(err)
	}
	disk.SetFree(1000)
	info, err := k.snapshot(nothing)
	must(t, err)
	// The next one is expected to be as large as the last.
	disk.SetFree(1000 + info.Bytes - 1)
	if _, err := k.snapshot(nothing); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatal(err)
	}
	disk.SetFree(1000 + info.Bytes)
	_, err = k.snapshot(func() error { disk.SetFree(999); return nil })
	if !errors.Is(err, wal.ErrNoSpace) || k.l.Err() != nil {
		t.Fatalf("the reserve is touched in the middle: %v, log %v", err, k.l.Err())
	}
	entries, err := filepath.Glob(filepath.Join(disk.Root(), "p0", "snap-*.tmp"))
	if err != nil || len(entries) > 0 {
		t.Fatalf("left: %v, %v", entries, err)
	}
	disk.SetFree(1 << 30)
	_, err = k.snapshot(nothing)
	must(t, err)
	must(t, tidy(disk.Root()))
}

// What a snapshot that is given up says in the log for people.
func TestSnapshotGivenUpIsLogged(t *testing.T) {
	disk := newDisk(t)
	var logged bytes.Buffer
	l, err := wal.Open(disk.Root(), wal.Options{Disk: disk, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	must(t, err)
	defer l.Close()
	_, err = l.Replay(nil, nil)
	must(t, err)
	w, err := l.StartSnapshot()
	must(t, err)
	disk.Fail(wal.OpWrite, 1, syscall.ENOSPC)
	f := wal.NewFrame()
	f.Add(0, []byte("a"))
	if err := w.Write(f); !errors.Is(err, wal.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "snap-0000000002.tmp") {
		t.Fatal(err)
	}
	if s := logged.String(); !strings.Contains(s, "snapshot was given up; the log goes on") || !strings.Contains(s, "generation=2") {
		t.Fatal(s)
	}
}

func TestRetention(t *testing.T) {
	dir := ramDir(t)
	kept := func(k *keeper) (gens, snaps int) {
		t.Helper()
		must(t, tidy(dir))
		g, _ := filepath.Glob(filepath.Join(dir, "p0", "gen-*"))
		s, _ := filepath.Glob(filepath.Join(dir, "p0", "snap-*"))
		return len(g), len(s)
	}
	k, _ := mustKeeper(t, dir, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 30}})
	var sizes []wal.Size
	for i := range 4 {
		must(t, k.say(fmt.Sprintf("a=%d%s", i, strings.Repeat("x", 1000))))
		_, err := k.snapshot(nothing)
		must(t, err)
		sizes = append(sizes, k.l.Size())
	}
	if g, s := kept(k); g != 5 || s != 4 {
		t.Fatalf("%d generations, %d snapshots", g, s)
	}
	for i := 1; i < 4; i++ {
		if sizes[i].Kept <= sizes[i-1].Kept || !sizes[i].KeptSince.Equal(sizes[0].KeptSince) {
			t.Fatalf("%+v behind %+v", sizes[i], sizes[i-1])
		}
	}
	// One that is given up has no snapshot of its own: it goes with those before it.
	w, err := k.l.StartSnapshot()
	must(t, err)
	must(t, w.Abort())
	must(t, k.l.Close())

	// A start with less room removes the oldest, as few as are enough.
	k, _ = mustKeeper(t, dir, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: sizes[3].Kept - 1}})
	if g, s := kept(k); g != 5 || s != 4 {
		t.Fatalf("%d generations, %d snapshots", g, s)
	}
	if size := k.l.Size(); size.Kept >= sizes[3].Kept || size.KeptSince.Before(sizes[0].KeptSince) {
		t.Fatalf("%+v, was %+v", size, sizes[3])
	}
	must(t, k.l.Close())
	// By age: everything is older than this.
	k, _ = mustKeeper(t, dir, wal.Options{Retain: wal.Retain{Age: time.Nanosecond, Bytes: 1 << 30}})
	if g, s := kept(k); g != 2 || s != 1 || k.l.Size().Kept != 0 {
		t.Fatalf("%d generations, %d snapshots", g, s)
	}
	_, err = k.snapshot(nothing)
	must(t, err)
	if g, s := kept(k); g != 1 || s != 1 {
		t.Fatalf("%d generations, %d snapshots", g, s)
	}
	if k.state["a"][0] != '3' {
		t.Fatal(k.state)
	}
}

// Loops append and commit while snapshots come and go: no record is lost, and none comes twice.
func TestSnapshotsUnderLoad(t *testing.T) {
	const loops, snapshots = 3, 12
	dir := ramDir(t)
	o := wal.SmallSegments(wal.Options{Buffers: loops, Logger: quiet}, 20000)
	l, err := wal.Open(dir, o)
	must(t, err)
	_, err = l.Replay(nil, nil)
	must(t, err)
	var mu sync.Mutex // of everything that is a map below
	last := map[string]wal.LSN{}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for loop := range loops {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d/%d", loop, i%50)
				mu.Lock() // the object's turn
				n, err := l.Append(loop, []byte(key))
				if err == nil {
					last[key] = n
				}
				mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				l.Demand(n)
				l.EndRound(loop)
			}
		})
	}
	more := func() { // so that there is something in every part of a snapshot
		for at := l.Last(); l.Last() < at+100 && !t.Failed(); {
			runtime.Gosched()
		}
	}
	for range snapshots {
		more()
		w, err := l.StartSnapshot()
		must(t, err)
		f := wal.NewFrame()
		for loop := range loops {
			for i := range 50 {
				key := fmt.Sprintf("%d/%d", loop, i)
				mu.Lock()
				if n, ok := last[key]; ok {
					f.Add(n, []byte(key))
				}
				mu.Unlock()
			}
			more()
			must(t, w.Write(f))
			f.Reset()
		}
		_, err = w.Install(l.Last())
		must(t, err)
	}
	more()
	close(stop)
	all.Wait()
	must(t, l.Close())
	if t.Failed() {
		return
	}
	l, err = wal.Open(dir, o)
	must(t, err)
	defer l.Close()
	found := map[string]wal.LSN{}
	rec, err := l.Replay(each(func(n wal.LSN, record []byte) error {
		found[string(record)] = max(found[string(record)], n)
		return nil
	}), nil)
	must(t, err)
	if !maps.Equal(found, last) || rec.Records < 400 {
		t.Fatalf("found %v, want %v", found, last)
	}
	t.Logf("%d snapshots; the last start read %d of %d records", snapshots, rec.Records+rec.SnapshotRecords, rec.Last)
}

// Several generations behind a snapshot, and what may be wrong with them.
func TestDamagedGenerations(t *testing.T) {
	live := ramDir(t)
	o := wal.Options{MaxDelay: time.Hour, Idle: time.Hour}
	k, _ := mustKeeper(t, live, o)
	for round := range 4 {
		for i := range 3 {
			must(t, k.say(fmt.Sprintf("key %d=%d", i, round)))
			must(t, k.commit())
		}
		if round == 0 {
			_, err := k.snapshot(nothing)
			must(t, err)
		} else if round < 3 {
			w, err := k.l.StartSnapshot()
			must(t, err)
			must(t, w.Abort())
		}
	}
	img := readImage(t, live)
	must(t, k.l.Close())
	gen := func(n int) string { return fmt.Sprintf("p0/gen-%010d/%020d", n, 1) }
	const snap = "p0/snap-0000000002"
	for _, name := range []string{gen(2), gen(3), gen(4), snap} {
		if len(img[name]) == 0 {
			t.Fatalf("%s is missing", name)
		}
	}
	second := img[gen(2)]
	at := entries(second)
	dir := ramDir(t)
	flip := func(b []byte, pos int) []byte {
		c := bytes.Clone(b)
		c[pos] ^= 1
		return c
	}
	older := img[manifest]
	for what, c := range map[string]struct {
		img    image
		file   string
		offset int64
		says   string
	}{
		"snapshot missing":                {img.with(snap, nil), snap, 0, "snapshot that the manifest names is missing"},
		"snapshot of another generation":  {img.with(snap, reseal(flip(img[snap], 24), 92)), snap, 0, "generation"},
		"generation missing":              {img.with(gen(3), nil), "p0/gen-0000000003", 0, "directory of a generation"},
		"newest missing":                  {img.with(gen(4), nil), "p0/gen-0000000004", 0, "directory of a generation"},
		"oldest short by a batch":         {img.with(gen(2), second[:at[2]]), gen(3), 0, "starts at record"},
		"oldest torn":                     {img.with(gen(2), second[:len(second)-1]), gen(2), int64(at[2]), "the generation was complete"},
		"last batch of the oldest":        {img.with(gen(2), flip(second, len(second)-1)), gen(2), int64(at[2]), "the generation was complete"},
		"before the newest short":         {img.with(gen(3), img[gen(3)][:at[2]]), gen(3), int64(at[2]), "the manifest knows that record 9"},
		"generations swapped":             {img.with(gen(2), img[gen(3)]), gen(2), 0, "starts at record"},
		"newest of before":                {img.with(gen(4), img[gen(3)]), gen(4), 0, "starts at record"},
		"records behind the last one":     {img.with(gen(5), img[gen(3)]), "p0/gen-0000000005", 0, "the manifest is older than the log"},
		"snapshot complete up to another": {img.with(manifest, sealManifest(older, func(b []byte) { b[64]-- })), snap, int64(len(img[snap]) - 96), "the manifest names"},
		"base of another":                 {img.with(manifest, sealManifest(older, func(b []byte) { b[92]++ })), gen(3), int64(len(img[gen(3)])), "in another batch"},
	} {
		t.Run(what, func(t *testing.T) {
			c.img.write(t, dir)
			err := refused(t, dir, c.file, c.offset)
			if !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want %q", err, c.says)
			}
		})
	}

	// Left by a crash: removed. An empty generation, half a snapshot, one that was not installed, and those that are not kept.
	strays := img.with(gen(5), []byte{}).with("p0/snap-0000000004", img[snap]).with("p0/snap-0000000005.tmp", []byte("half")).
		with("p0/MANIFEST.tmp", []byte("half")).with(gen(1), second).with("p0/snap-0000000001", img[snap])
	strays.write(t, dir)
	again, rec := mustKeeper(t, dir, o)
	if rec.Generations != 3 || rec.Segments != 3 || !maps.Equal(again.state, k.state) {
		t.Fatalf("%+v, %v", rec, again.state)
	}
	must(t, tidy(dir))
}

// reseal puts the CRC of what is before it to at.
func reseal(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[:at], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func sealManifest(b []byte, change func(b []byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return reseal(b, 124)
}

// A directory of version 1 becomes one of version 2 at its first start, and one of a later version is left alone.
func TestVersions(t *testing.T) {
	dir := ramDir(t)
	readImage(t, golden).write(t, dir)
	if v := readImage(t, dir)[manifest][8]; v != 1 {
		t.Fatalf("the fixture has version %d", v)
	}
	l, got, _ := open(t, dir, wal.Options{})
	equal(t, got, flat(threeBatches))
	must(t, l.Close())
	img := readImage(t, dir)
	if v := img[manifest][8]; v != 2 {
		t.Fatalf("a start leaves version %d", v)
	}
	l, got, _ = open(t, dir, wal.Options{})
	equal(t, got, flat(threeBatches))
	must(t, l.Close())

	img = img.with(manifest, sealManifest(img[manifest], func(b []byte) { b[8] = 3 }))
	img.write(t, dir)
	_, _, _, err := tryOpen(dir, wal.Options{})
	var newer *wal.NewerError
	if !errors.As(err, &newer) || !errors.Is(err, wal.ErrNewer) || errors.Is(err, wal.ErrCorrupt) || newer.Dir != dir ||
		!strings.Contains(err.Error(), "made by a newer everloop") || !strings.Contains(err.Error(), "version 3") {
		t.Fatal(err)
	}
	if _, verr := wal.Verify(dir); verr == nil || verr.Error() != err.Error() {
		t.Fatalf("Verify: %v", verr)
	}
	for name, b := range readImage(t, dir) {
		if !bytes.Equal(b, img[name]) {
			t.Fatalf("%s was changed", name)
		}
	}
}

// golden2 is a directory of version 2 with a snapshot, a generation behind it that has none of its own, and one before it
// that is kept.
const golden2 = "testdata/v2"

var rewrite = flag.Bool("rewrite", false, "write testdata/v2 anew: only before a release has written that version")

func TestGoldenDirectoryOfVersion2(t *testing.T) {
	retain := wal.Retain{Age: 1000000 * time.Hour, Bytes: 1 << 20}
	if *rewrite {
		dir := ramDir(t)
		k, _ := mustKeeper(t, dir, wal.Options{MaxDelay: time.Hour, Idle: time.Hour, Retain: retain})
		must(t, k.say("kept=1", "vanished=1", "changed=1"))
		must(t, k.commit())
		_, err := k.snapshot(func() error { return k.say("changed=2") })
		must(t, err)
		must(t, k.say("vanished", "changed=3"))
		must(t, k.commit())
		w, err := k.l.StartSnapshot()
		must(t, err)
		must(t, w.Abort())
		must(t, k.say("last=1"))
		must(t, k.commit())
		img := readImage(t, dir)
		must(t, k.l.Close())
		img.write(t, golden2)
	}
	want := map[string]string{"kept": "1", "changed": "3", "last": "1"}
	rep, err := wal.Verify(golden2)
	must(t, err)
	if m := rep.Manifest; m.Kept != 1 || m.Oldest != 2 || m.Newest != 3 || m.Snapshot != 4 || m.Base != 6 {
		t.Fatalf("%+v", m)
	}
	dir := ramDir(t)
	readImage(t, golden2).write(t, dir)
	k, rec := mustKeeper(t, dir, wal.Options{Retain: retain})
	if rec.Last != 7 || rec.Generations != 2 || rec.Snapshot != 4 || rec.SnapshotRecords != 3 || !maps.Equal(k.state, want) {
		t.Fatalf("%+v, %v", rec, k.state)
	}
	must(t, tidy(dir))
	_, err = k.snapshot(nothing)
	must(t, err)
	must(t, tidy(dir))
}

// Chunks are read from many goroutines at once, some of them late, and the memory that is out stays bounded: reading waits for
// them instead.
func TestReplayWaitsForItsChunks(t *testing.T) {
	dir := ramDir(t)
	k, _ := mustKeeper(t, dir, wal.Options{Sync: wal.SyncNone, MaxDelay: time.Hour})
	value := strings.Repeat("v", 1<<20)
	for i := range 100 { // 25 segments, more than the budget
		must(t, k.say(fmt.Sprintf("key %d=%s", i, value)))
		must(t, k.commit())
	}
	must(t, k.l.Close())
	l, err := wal.Open(dir, wal.Options{Logger: quiet})
	must(t, err)
	defer l.Close()
	late := make(chan *wal.Chunk, 100)
	var mu sync.Mutex
	var records, chunks, most int
	out := 0
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			for c := range late {
				err := c.Records(func(wal.LSN, []byte) error {
					mu.Lock()
					records++
					mu.Unlock()
					return nil
				})
				mu.Lock()
				out--
				mu.Unlock()
				c.Release()
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	ended := false
	var last int64
	_, err = l.Replay(func(c *wal.Chunk) error {
		at, total := c.Progress()
		if at <= last || at > total {
			t.Errorf("progress %d of %d after %d", at, total, last)
		}
		last = at
		c.Hold()
		mu.Lock()
		chunks++
		out++
		most = max(most, out)
		mu.Unlock()
		late <- c
		return nil
	}, func() error {
		ended = true
		close(late)
		done.Wait()
		return nil
	})
	must(t, err)
	if !ended || records != 100 || chunks < 20 || most > 10 {
		t.Fatalf("%d records in %d chunks, at most %d out", records, chunks, most)
	}
	t.Logf("%d chunks, at most %d out at once", chunks, most)
}

// What a reader of history has open stays until it is closed, whatever Retain says.
func TestRemovalWaitsForReaders(t *testing.T) {
	dir := ramDir(t)
	k, _ := mustKeeper(t, dir, wal.Options{})
	must(t, k.say("a=1"))
	must(t, k.commit())
	first, err := k.l.History()
	must(t, err)
	for i := range 3 {
		must(t, k.say(fmt.Sprintf("a=%d", i+2)))
		_, err := k.snapshot(nothing)
		must(t, err)
	}
	second, err := k.l.History()
	must(t, err)
	if removed := k.l.Stats().Removed; removed != 0 {
		t.Fatalf("%d generations were removed under a reader", removed)
	}
	must(t, first.Close())
	must(t, first.Close()) // twice is once
	if removed := k.l.Stats().Removed; removed != 0 {
		t.Fatalf("%d generations were removed under the second reader", removed)
	}
	read := newKeeper()
	must(t, second.Read(1, each(func(n wal.LSN, record []byte) error {
		read.apply(n, string(record))
		return nil
	})))
	if read.state["a"] != "1" {
		t.Fatalf("record 1 made %v", read.state)
	}
	must(t, second.Close())
	if removed := k.l.Stats().Removed; removed != 3 {
		t.Fatalf("%d generations were removed", removed)
	}
	must(t, tidy(dir))
}

// Close while snapshots are started, written and installed: each of them ends in one way, and the next start finds everything.
func TestCloseDuringSnapshots(t *testing.T) {
	const rounds = 40
	installed, refused := 0, 0
	for range rounds {
		k, _ := mustKeeper(t, ramDir(t), wal.Options{MaxDelay: time.Hour})
		must(t, k.say("a=1", "b=2"))
		must(t, k.commit())
		var all sync.WaitGroup
		begun := make(chan struct{})
		all.Go(func() {
			for first := true; ; first = false {
				w, err := k.l.StartSnapshot()
				if first {
					close(begun)
				}
				if err == nil {
					f := wal.NewFrame()
					f.Add(1, []byte("a=1"))
					f.Add(2, []byte("b=2"))
					if err = w.Write(f); err == nil {
						_, err = w.Install(k.l.Last())
					}
					if aerr := w.Abort(); aerr != nil {
						t.Error(aerr)
					}
				}
				if err != nil {
					if !errors.Is(err, wal.ErrClosed) && !errors.Is(err, wal.ErrSnapshotOver) {
						t.Errorf("a snapshot that Close has ended: %v", err)
					}
					refused++
					return
				}
				installed++
			}
		})
		<-begun
		must(t, k.l.Close())
		all.Wait()
		must(t, tidy(k.l.Dir()))
		again, _ := mustKeeper(t, k.l.Dir(), wal.Options{})
		if !maps.Equal(again.state, k.state) {
			t.Fatalf("after a restart %v, want %v", again.state, k.state)
		}
		again.l.Close()
	}
	t.Logf("%d rounds: %d snapshots installed, %d ended by Close", rounds, installed, refused)
}

// Readers that end early leave no file open.
func TestReadersThatEndEarlyCloseTheirFiles(t *testing.T) {
	dir := ramDir(t)
	l, _, _ := open(t, dir, wal.SmallSegments(wal.Options{}, 300))
	for i := range 200 {
		put(t, l, fmt.Sprintf("record %d %s", i, strings.Repeat("x", 300)))
	}
	must(t, l.Close())
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		n := 0
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && strings.HasPrefix(target, dir) {
				n++
			}
		}
		return n
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what was forgotten
	enough := errors.New("enough")
	const rounds = 100
	for round := range rounds {
		l, err := wal.Open(dir, wal.SmallSegments(wal.Options{Logger: quiet}, 300))
		must(t, err)
		n := 0
		_, err = l.Replay(func(*wal.Chunk) error {
			if n++; n > round%20 {
				return enough
			}
			return nil
		}, nil)
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		must(t, l.Close())
	}
	if left := descriptors(); left > 0 {
		t.Errorf("%d files are left open by %d readers", left, rounds)
	}
}

// A snapshot keeps to its pace, and is faster where the log is.
func TestSnapshotPace(t *testing.T) {
	for _, c := range []struct {
		name        string
		logged      int // bytes of the log meanwhile, for each MiB of the snapshot
		least, most time.Duration
	}{
		// 12 MiB, of which the first is free: 11 / 16 s.
		{"quiet", 0, 600 * time.Millisecond, 720 * time.Millisecond},
		{"busy", 4 << 20, 0, 200 * time.Millisecond},
	} {
		dir := ramDir(t)
		synctest.Test(t, func(t *testing.T) {
			l, _, err := openIn(dir, wal.Options{Reserve: -1})
			must(t, err)
			defer l.Close()
			w, err := l.StartSnapshot()
			must(t, err)
			began, f, record := time.Now(), wal.NewFrame(), make([]byte, 1<<20)
			chaos := rand.NewChaCha8([32]byte{1})
			for range 12 {
				if c.logged > 0 {
					_, err := l.Append(0, make([]byte, c.logged))
					must(t, err)
					l.Flush()
					time.Sleep(10 * time.Millisecond) // the log's pace needs time to be one
				}
				_, _ = chaos.Read(record)
				f.Reset()
				f.Add(1, record)
				must(t, w.Write(f))
			}
			if took := time.Since(began); took < c.least || took > c.most {
				t.Errorf("%s: it took %v, want %v to %v", c.name, took, c.least, c.most)
			}
			must(t, w.Abort())
		})
	}
}
