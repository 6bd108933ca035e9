package wal_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// table is a state that is kept in a log: a record "key=value" sets a key. It is applied as the engine applies objects.
type table map[string]cell

type cell struct {
	n     wal.LSN
	value string
}

// apply takes up a chunk.
func (tab table) apply(c *wal.Chunk) error {
	return c.Records(func(n wal.LSN, record []byte) error {
		key, value, ok := strings.Cut(string(record), "=")
		if !ok {
			return fmt.Errorf("record %d is %.40q", n, record)
		}
		if old, there := tab[key]; there && old.n >= n {
			return nil // a snapshot's record has this already
		}
		tab[key] = cell{n, value}
		return nil
	})
}

// world is a log, and what it must hold.
type world struct {
	dir     string
	l       *wal.Log
	r       *rand.Rand
	records []string // record n is records[n-1]
	now     table    // after the last of them
	marks   []mark
}

// mark is what a batch was.
type mark struct {
	epoch uint64
	last  wal.LSN
	at    time.Time
}

func newWorld(seed uint64, dir string) *world {
	return &world{dir: dir, r: rand.New(rand.NewPCG(seed, 77)), now: table{}}
}

// at is the state after record n.
func (w *world) at(n wal.LSN) table {
	tab := table{}
	for i, r := range w.records[:n] {
		key, value, _ := strings.Cut(r, "=")
		tab[key] = cell{wal.LSN(i + 1), value}
	}
	return tab
}

// open starts the log, and checks what it holds.
func (w *world) open(t testing.TB, o wal.Options) {
	t.Helper()
	o.Logger = quiet
	l, err := wal.Open(w.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	got := table{}
	if _, err := l.Replay(got.apply, nil); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, w.now) {
		t.Fatalf("a start finds %d keys, want %d", len(got), len(w.now))
	}
	w.l = l
}

// write commits a batch of a few records.
func (w *world) write(t testing.TB) {
	t.Helper()
	var batch []string
	for range 1 + w.r.IntN(4) {
		key := fmt.Sprintf("k%d", w.r.IntN(20))
		record := fmt.Sprintf("%s=%d%s", key, len(w.records), strings.Repeat("x", w.r.IntN(60)))
		batch = append(batch, record)
		w.records = append(w.records, record)
		_, value, _ := strings.Cut(record, "=")
		w.now[key] = cell{wal.LSN(len(w.records)), value}
	}
	put(t, w.l, batch...)
	w.marks = append(w.marks, mark{w.l.Epoch(), w.l.Last(), time.UnixMilli(time.Now().UnixMilli())})
}

// snapshot makes one, with writes in between, and installs it or gives it up.
func (w *world) snapshot(t testing.TB, install bool) {
	t.Helper()
	s, err := w.l.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	f := wal.NewFrame()
	for i := range 20 {
		if c, ok := w.now[fmt.Sprintf("k%d", i)]; ok {
			f.Add(c.n, fmt.Appendf(nil, "k%d=%s", i, c.value))
		}
		if i%5 == 4 {
			if err := s.Write(f); err != nil {
				t.Fatal(err)
			}
			f.Reset()
			w.write(t)
		}
	}
	if !install {
		if err := s.Abort(); err != nil {
			t.Fatal(err)
		}
		return
	}
	barrier := w.l.Last()
	w.write(t)
	if _, err := s.Install(barrier); err != nil {
		t.Fatal(err)
	}
}

// read is the state that a history has of a moment.
func read(h wal.History, to wal.LSN) (table, error) {
	tab := table{}
	err := h.Read(to, func(c *wal.Chunk) error { return tab.apply(c) })
	return tab, err
}

// everyMoment checks all that a history promises, against what was written.
func (w *world) everyMoment(t testing.TB, h wal.History) (moments int) {
	t.Helper()
	start, end := h.Start(), h.End()
	for n := start.LSN; n <= end.LSN; n++ {
		got, err := read(h, n)
		if err != nil {
			t.Fatalf("record %d of %d to %d: %v", n, start.LSN, end.LSN, err)
		}
		if want := w.at(n); !maps.Equal(got, want) {
			t.Fatalf("after record %d: %v\nwant %v", n, got, want)
		}
		moments++
	}
	for _, n := range []wal.LSN{start.LSN - 1, end.LSN + 1} {
		if n+1 == 0 {
			continue // there is nothing before the beginning
		}
		if _, err := read(h, n); !errors.Is(err, wal.ErrNoHistory) {
			t.Fatalf("record %d, outside %d to %d: %v", n, start.LSN, end.LSN, err)
		}
		if _, err := h.Find(99, n); !errors.Is(err, wal.ErrNoHistory) {
			t.Fatalf("Find record %d, outside %d to %d: %v", n, start.LSN, end.LSN, err)
		}
	}
	return moments
}

var keepAll = wal.Retain{Age: 1000 * time.Hour, Bytes: 1 << 40}

// history is a random life of three starts with snapshots, made in a bubble of virtual time so that each batch has a moment of its own.
func (w *world) live(t testing.TB, o wal.Options) {
	for start := range 3 {
		w.open(t, o)
		for range 3 {
			for range w.r.IntN(8) {
				w.write(t)
				time.Sleep(time.Duration(w.r.IntN(300)) * time.Millisecond) // of the bubble's clock: some batches are followed by an idle one
			}
			w.snapshot(t, w.r.IntN(3) > 0)
			time.Sleep(50 * time.Millisecond)
		}
		if start < 2 {
			if err := w.l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a history says of any moment is what was written up to then: while the log is open, from outside, and when it is closed.
func TestHistoryOfEveryMoment(t *testing.T) {
	moments, kept := 0, 0
	first, last := seeds(12)
	for seed := first; seed <= last; seed++ {
		dir := ramDir(t)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(seed, dir)
			o := wal.SmallSegments(wal.Options{Retain: keepAll}, 400)
			defer func() { w.l.Close() }() // so that a failure is all that is told
			w.live(t, o)
			inside, err := w.l.History()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if inside.Start().LSN != 0 || inside.End().LSN != w.l.Last() {
				t.Fatalf("seed %d: history goes from %d to %d of %d", seed, inside.Start().LSN, inside.End().LSN, w.l.Last())
			}
			moments += w.everyMoment(t, inside)
			outside, err := wal.OpenHistory(dir, wal.ReadOptions{})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if end := outside.End().LSN; end > w.l.Last() || len(w.marks) > 1 && end < w.marks[len(w.marks)-2].last {
				t.Fatalf("seed %d: from outside history ends with record %d of %d", seed, end, w.l.Last())
			}
			moments += w.everyMoment(t, outside)
			w.moments(t, inside)
			w.moments(t, outside)
			inside.Close()
			outside.Close()
			if err := w.l.Close(); err != nil {
				t.Fatal(err)
			}
			for _, torn := range []bool{false, true} {
				after, err := wal.OpenHistory(dir, wal.ReadOptions{Torn: torn})
				if err != nil || after.End().LSN != wal.LSN(len(w.records)) {
					t.Fatalf("seed %d, closed: %v", seed, err)
				}
				moments += w.everyMoment(t, after)
				after.Close()
			}
			snaps, _ := filepath.Glob(filepath.Join(dir, "p0", "snap-*"))
			kept += len(snaps)
		})
	}
	t.Logf("%d moments of %d lives with %d snapshots", moments, last-first+1, kept)
}

// moments checks At and Find against the marks.
func (w *world) moments(t testing.TB, h wal.History) {
	t.Helper()
	start, end := h.Start(), h.End()
	if p, err := h.At(start.Time); err != nil || p.LSN < start.LSN {
		t.Fatalf("at the start, %v: %+v, %v", start, p, err)
	}
	if _, err := h.At(start.Time.Add(-time.Millisecond)); !errors.Is(err, wal.ErrNoHistory) || !strings.Contains(err.Error(), "since") {
		t.Fatalf("before the start: %v", err)
	}
	for i, m := range w.marks {
		if m.last > end.LSN {
			break
		}
		if p, err := h.At(m.at); m.last >= start.LSN && (err != nil || p.LSN < m.last) {
			t.Fatalf("at %v: %+v, %v; want record %d", m.at, p, err, m.last)
		}
		// Batches of the same millisecond cannot be told apart by time.
		if i+1 < len(w.marks) && w.marks[i+1].at.After(m.at) && m.last >= start.LSN {
			for _, later := range []time.Duration{0, w.marks[i+1].at.Sub(m.at) - time.Millisecond} {
				p, err := h.At(m.at.Add(later))
				if err != nil || p.LSN != m.last || !p.Time.Equal(m.at) || p.Epoch != m.epoch {
					t.Fatalf("%v after %v: %+v, %v; want record %d of epoch %d", later, m.at, p, err, m.last, m.epoch)
				}
			}
		}
		if m.last <= start.LSN {
			continue
		}
		for epoch := uint64(1); epoch <= 4; epoch++ {
			p, err := h.Find(epoch, m.last)
			if epoch < m.epoch && !errors.Is(err, wal.ErrNoHistory) || epoch >= m.epoch && (err != nil || p.LSN != m.last || p.Epoch != m.epoch || !p.Time.Equal(m.at)) {
				t.Fatalf("record %d, as epoch %d knew it: %+v, %v; it is of epoch %d", m.last, epoch, p, err, m.epoch)
			}
		}
	}
	if p, err := h.At(end.Time.Add(time.Hour)); err != nil || p != end {
		t.Fatalf("behind the end: %+v, %v; want %+v", p, err, end)
	}
}

// Records that a crash has cut are not in the history of those that have their numbers now.
func TestHistoryAfterATornTail(t *testing.T) {
	dir := ramDir(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, dir)
		w.open(t, wal.Options{Idle: time.Hour})
		for range 5 {
			w.write(t)
			time.Sleep(2 * time.Millisecond) // of the bubble's clock: each batch has a millisecond of its own
		}
		img := readImage(t, dir)
		w.l.Close()
		segment := img[segment1]
		img.with(segment1, segment[:len(segment)-1]).write(t, dir)
		lost := w.marks[4]
		w.records = w.records[:w.marks[3].last]
		w.now = w.at(w.marks[3].last)

		// As it stands there, the last batch is torn.
		h, err := wal.OpenHistory(dir, wal.ReadOptions{Torn: true})
		if err != nil || h.End().LSN != w.marks[3].last {
			t.Fatalf("of a stopped one: %v", err)
		}
		w.everyMoment(t, h)
		for i, m := range w.marks[:4] {
			want := m
			for _, later := range w.marks[i:4] { // of the same millisecond
				if later.at.Equal(m.at) {
					want = later
				}
			}
			if p, err := h.At(m.at); err != nil || p.LSN != want.last {
				t.Fatalf("at the moment of batch %d, in the segment that is torn: %+v, %v; want record %d", i+1, p, err, want.last)
			}
		}
		h.Close()
		if h, err = wal.OpenHistory(dir, wal.ReadOptions{}); err != nil || h.End().LSN != w.marks[2].last {
			t.Fatalf("of one that may be running: %v", err)
		}
		w.everyMoment(t, h)
		h.Close()

		w.marks = w.marks[:4]
		w.open(t, wal.Options{})
		for len(w.records) < int(lost.last)+5 {
			w.write(t)
			time.Sleep(2 * time.Millisecond) // of the bubble's clock: each batch has a millisecond of its own
		}
		if h, err = w.l.History(); err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		w.moments(t, h)
		if p, err := h.Find(1, lost.last); !errors.Is(err, wal.ErrNoHistory) || !strings.Contains(err.Error(), "lost in a crash") {
			t.Fatalf("a record that was cut: %+v, %v", p, err)
		}
		w.l.Close()
	})
}

// A log that has lost its end since its history was opened is damaged, also where it ends with a whole batch.
func TestHistoryWhoseEndIsLost(t *testing.T) {
	dir := ramDir(t)
	w := newWorld(3, dir)
	w.open(t, wal.Options{})
	for range 5 {
		w.write(t)
	}
	w.l.Close()
	h, err := wal.OpenHistory(dir, wal.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	at := entries(readImage(t, dir)[segment1])
	if err := os.Truncate(filepath.Join(dir, segment1), int64(at[3])); err != nil {
		t.Fatal(err)
	}
	if _, err := read(h, w.marks[2].last); err != nil {
		t.Fatalf("what is still there: %v", err)
	}
	if _, err := read(h, w.marks[3].last); !errors.Is(err, wal.ErrCorrupt) {
		t.Fatalf("what is gone: %v", err)
	}
	if _, err := h.Find(1, w.marks[3].last); !errors.Is(err, wal.ErrCorrupt) {
		t.Fatalf("the position of what is gone: %v", err)
	}
}

// What a History of this process reads is not removed before it is closed; one from outside notices at once.
func TestHistoryWhileGenerationsAreRemoved(t *testing.T) {
	dir := ramDir(t)
	w := newWorld(2, dir)
	w.open(t, wal.SmallSegments(wal.Options{}, 400)) // keeps nothing
	for range 20 {
		w.write(t)
	}
	inside, err := w.l.History()
	if err != nil {
		t.Fatal(err)
	}
	outside, err := wal.OpenHistory(dir, wal.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	end := inside.End().LSN
	w.snapshot(t, true)
	w.snapshot(t, true)
	w.everyMoment(t, inside)
	w.everyMoment(t, outside)

	// In the middle of a Read everything goes.
	got, gone := table{}, false
	if err := outside.Read(outside.End().LSN, func(c *wal.Chunk) error {
		if !gone {
			gone = true
			inside.Close()
			if _, err := os.Stat(filepath.Join(dir, "p0", "gen-0000000001")); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("generation 1 is still there: %v", err)
			}
		}
		return got.apply(c)
	}); err != nil || !gone || !maps.Equal(got, w.at(outside.End().LSN)) {
		t.Fatalf("a read during which its files were removed: %v", err)
	}
	if _, err := read(outside, outside.End().LSN); !errors.Is(err, wal.ErrNoHistory) || !strings.Contains(err.Error(), "removed") {
		t.Fatalf("a read of what was removed: %v", err)
	}
	outside.Close()
	again, err := wal.OpenHistory(dir, wal.ReadOptions{})
	if err != nil || again.Start().LSN <= end {
		t.Fatalf("opened anew: %v", err)
	}
	w.everyMoment(t, again)
	again.Close()
	w.l.Close()
}

// A log under load: loops write, snapshots follow one another, generations are removed, and histories are opened and read from inside and outside all the time.
func TestHistoryUnderLoad(t *testing.T) {
	dir := ramDir(t)
	const loops, rounds, each = 2, 60, 200
	l, _, _ := open(t, dir, wal.SmallSegments(wal.Options{Buffers: loops, Retain: wal.Retain{Age: time.Hour, Bytes: 20_000}}, 2000))
	// Each record says all: "key=number of writes of the key before it". So a state can be judged by itself: every key has had a contiguous run.
	var mu sync.Mutex // stands for the loop that owns a key
	now := table{}
	write := func(loop int) {
		mu.Lock()
		key := fmt.Sprintf("k%d", len(now)%50)
		if len(now) >= 50 {
			key = fmt.Sprintf("k%d", rand.IntN(50))
		}
		c := now[key]
		var count int
		_, _ = fmt.Sscan(c.value, &count)
		value := fmt.Sprint(count+1, " ", strings.Repeat("y", 50))
		n, err := l.Append(loop, []byte(key+"="+value))
		if err != nil {
			t.Error(err)
		}
		now[key] = cell{n, value}
		mu.Unlock()
		l.Demand(n)
		l.EndRound(loop)
	}
	var stop atomic.Bool
	var writers, readers sync.WaitGroup
	for loop := range loops {
		writers.Go(func() {
			for !stop.Load() {
				write(loop)
			}
		})
	}
	var reads, refusals atomic.Int64
	judge := func(h wal.History, err error) {
		if err != nil {
			t.Errorf("a history cannot be opened: %v", err)
			return
		}
		defer h.Close()
		// The whole log is not at hand to compare with, so compare two ways of reading: up to a moment at once, and what a read to the end passes on the way to it.
		to := h.Start().LSN + (h.End().LSN-h.Start().LSN)/2
		for _, n := range []wal.LSN{to, h.End().LSN} {
			counts, snapshot := map[string]int{}, map[string]wal.LSN{}
			var last wal.LSN
			err := h.Read(n, func(c *wal.Chunk) error {
				return c.Records(func(k wal.LSN, record []byte) error {
					key, value, _ := strings.Cut(string(record), "=")
					var count int
					_, _ = fmt.Sscan(value, &count)
					if c.Snapshot() {
						snapshot[key], counts[key] = k, count
						return nil
					}
					if last != 0 && k != last+1 || k > n {
						return fmt.Errorf("record %d follows record %d, read up to %d", k, last, n)
					}
					if last = k; k <= snapshot[key] {
						return nil
					}
					if count != counts[key]+1 {
						return fmt.Errorf("record %d is write %d of %s, which has had %d", k, count, key, counts[key])
					}
					counts[key] = count
					return nil
				})
			})
			if errors.Is(err, wal.ErrNoHistory) {
				refusals.Add(1) // from outside only: it was just removed
				return
			}
			if err != nil {
				t.Errorf("up to record %d of %d: %v", n, h.End().LSN, err)
				return
			}
			reads.Add(1)
		}
	}
	readers.Go(func() {
		for !stop.Load() {
			before := refusals.Load()
			judge(l.History())
			if refusals.Load() != before {
				t.Error("a history of the process itself was removed")
			}
		}
	})
	var outside atomic.Int64
	readers.Go(func() {
		for !stop.Load() {
			// Refusals of this one are counted apart.
			h, err := wal.OpenHistory(dir, wal.ReadOptions{})
			if err != nil {
				t.Errorf("from outside: %v", err)
				continue
			}
			for range 2 {
				if tab, err := read(h, h.End().LSN); err == nil && len(tab) > 0 {
					outside.Add(1)
				} else if err != nil && !errors.Is(err, wal.ErrNoHistory) {
					t.Errorf("from outside: %v", err)
				}
			}
			h.Close()
		}
	})
	for range rounds {
		s, err := l.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		f := wal.NewFrame()
		for i := range 50 {
			mu.Lock()
			c, ok := now[fmt.Sprintf("k%d", i)]
			mu.Unlock()
			if ok {
				f.Add(c.n, fmt.Appendf(nil, "k%d=%s", i, c.value))
			}
			if i%10 == 9 {
				if err := s.Write(f); err != nil {
					t.Fatal(err)
				}
				f.Reset()
			}
		}
		if _, err := s.Install(l.Last()); err != nil {
			t.Fatal(err)
		}
		for range each {
			write(0)
		}
	}
	stop.Store(true)
	writers.Wait()
	readers.Wait()
	if reads.Load() == 0 || outside.Load() == 0 {
		t.Fatalf("%d reads inside, %d outside", reads.Load(), outside.Load())
	}
	t.Logf("%d snapshots over %d records; %d reads inside, %d outside", rounds, l.Last(), reads.Load(), outside.Load())
}

// A directory that says that it was made after its first record, as one does that was restored or repaired, has a history from its first record on.
func TestHistoryBeforeTheDirectoryWasMade(t *testing.T) {
	dir := ramDir(t)
	w := newWorld(5, dir)
	w.open(t, wal.Options{})
	for range 3 {
		w.write(t)
		time.Sleep(3 * time.Millisecond) // batches carry milliseconds
	}
	must(t, w.l.Close())
	before, err := wal.ReadManifest(dir)
	must(t, err)
	rep, err := wal.Repair(dir, wal.RepairOptions{DropAfter: w.marks[1].last})
	must(t, err)
	after, err := wal.ReadManifest(dir)
	must(t, err)
	if after.MadeUnixMs <= before.MadeUnixMs || !rep.Changes {
		t.Fatalf("the repaired directory cannot be told from the one before: made %d and then %d", before.MadeUnixMs, after.MadeUnixMs)
	}
	w.records = w.records[:w.marks[1].last]
	w.now = w.at(w.marks[1].last)
	w.open(t, wal.Options{Retain: keepAll})
	defer w.l.Close()
	if since := w.l.Size().KeptSince; !since.Equal(w.marks[0].at) && since.After(w.marks[0].at) {
		t.Errorf("history is kept since %v, the first record is of %v", since, w.marks[0].at)
	}
	h, err := w.l.History()
	must(t, err)
	defer h.Close()
	if p, err := h.At(w.marks[0].at); err != nil || p.LSN != w.marks[0].last {
		t.Errorf("at the moment of the first batch: %+v, %v; want record %d", p, err, w.marks[0].last)
	}
}

// A history that is opened while a snapshot is installed does not build on it before it is certain that it stays.
func TestHistoryOfASnapshotThatIsGivenUp(t *testing.T) {
	disk := &hookedDisk{Disk: newDisk(t)}
	k, _ := mustKeeper(t, disk.Disk.(*waltest.PowerDisk).Root(), wal.Options{Disk: disk})
	must(t, k.say("a=1", "b=2"))
	must(t, k.commit())
	var opened []wal.History
	manifests := 0
	disk.before = func(op wal.Op) error {
		if op.Kind != wal.OpWrite || filepath.Base(op.Path) != "MANIFEST.tmp" {
			return nil
		}
		h, err := k.l.History()
		must(t, err)
		opened = append(opened, h)
		if manifests++; manifests == 2 { // that of the rotation was the first
			return syscall.ENOSPC
		}
		return nil
	}
	if _, err := k.snapshot(nothing); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatalf("a snapshot whose manifest finds no room: %v", err)
	}
	disk.before = nil
	if len(opened) != 2 {
		t.Fatalf("%d histories were opened", len(opened))
	}
	for i, h := range opened {
		if got, err := read(h, h.End().LSN); err != nil || len(got) != 2 {
			t.Errorf("the history that was opened at manifest %d: %v, %v", i+1, got, err)
		}
		must(t, h.Close())
	}
}

// hookedDisk asks before each operation.
type hookedDisk struct {
	wal.Disk
	before func(op wal.Op) error
}

func (d *hookedDisk) Do(op wal.Op, perform func() error) error {
	if d.before != nil {
		if err := d.before(op); err != nil {
			return err
		}
	}
	return d.Disk.Do(op, perform)
}

// A generation above the manifest's that another process makes and removes while a history is opened is none of its business.
func TestHistoryBesideAGenerationThatGoes(t *testing.T) {
	dir := ramDir(t)
	k, _ := mustKeeper(t, dir, wal.Options{})
	must(t, k.say("a=1"))
	must(t, k.commit())
	must(t, k.l.Close())
	stop, ended := make(chan struct{}), make(chan struct{})
	gone := 0
	go func() {
		defer close(ended)
		above := filepath.Join(dir, "p0", "gen-0000000009")
		for ; ; gone++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := errors.Join(os.Mkdir(above, 0o700), os.Remove(above)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	opened := 0
	for ; opened < 3000; opened++ {
		h, err := wal.OpenHistory(dir, wal.ReadOptions{})
		if err != nil {
			t.Errorf("after %d: %v", opened, err)
			break
		}
		if err := h.Read(h.End().LSN, func(*wal.Chunk) error { return nil }); err != nil {
			t.Errorf("after %d, while it was read: %v", opened, err)
			break
		}
		must(t, h.Close())
	}
	close(stop)
	<-ended
	t.Logf("%d histories were opened beside %d generations that went", opened, gone)
}
