package archive_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/archive"
)

func TestBackupAndRestore(t *testing.T) {
	eachStore(t, func(t *testing.T, fresh func() archive.Store) {
		l := newLive(t, wal.Options{})
		l.some(3)
		l.fill(2)
		store := fresh()
		first := l.backup(t, store, archive.Options{})
		if !first.Changed || first.Objects != 3 || first.Last != l.log.Last() {
			t.Errorf("the first backup: %+v, want 3 objects up to record %d", first, l.log.Last())
		}
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))

		again := l.backup(t, store, archive.Options{})
		if again.Objects != 0 || again.Last != first.Last {
			t.Errorf("nothing was written, and a second backup sends %+v", again)
		}
		l.some(2)
		more := l.backup(t, store, archive.Options{})
		if more.Objects != 1 || more.Bytes > 1000 {
			t.Errorf("two small batches were written, and a backup sends %+v", more)
		}
		l.fill(1) // the last segment is full now, and a new one is begun
		full := l.backup(t, store, archive.Options{})
		if full.Objects != 2 || full.Removed != 2 {
			t.Errorf("a segment was filled, and a backup sends %+v, want 2 objects, and both parts of the segment removed", full)
		}
		report := verify(t, store)
		if report.Records != uint64(len(l.records)) || report.Leftover != 0 || report.Generations != 1 {
			t.Errorf("verify says %+v, want %d records in one generation", report, len(l.records))
		}
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	})
}

func TestBackupOverSnapshots(t *testing.T) {
	eachStore(t, func(t *testing.T, fresh func() archive.Store) {
		l := newLive(t, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 40}})
		store := fresh()
		for round := range 6 {
			l.some(2)
			if round%2 == 0 {
				l.backup(t, store, archive.Options{})
			}
			l.snapshot()
			l.some(1)
			if round == 3 {
				l.reopen()
			}
			l.backup(t, store, archive.Options{})
			l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
		}
		report := verify(t, store)
		if report.Generations != 7 || report.Snapshots != 6 || len(report.Spans) != 1 || report.Leftover != 0 {
			t.Errorf("verify says %+v, want 7 generations, 6 snapshots, one span of time", report)
		}
		if sent := l.backup(t, store, archive.Options{}); sent.Objects != 0 {
			t.Errorf("nothing was written, and %d objects are sent", sent.Objects)
		}
	})
}

// What retention has removed before it could be backed up is a gap, and what is behind it is backed up all the same.
func TestBackupWithGap(t *testing.T) {
	l := newLive(t, wal.Options{}) // keeps nothing
	store := newDirectory(t)
	l.some(3)
	before := len(l.records)
	l.backup(t, store, archive.Options{})
	time.Sleep(3 * time.Millisecond) // batches carry milliseconds
	l.some(3)
	missing := time.Now()
	time.Sleep(3 * time.Millisecond)
	for range 2 {
		l.snapshot()
		l.some(2)
	}
	result := l.backup(t, store, archive.Options{})
	if !result.Gap {
		t.Errorf("generations are missing, and the result says nothing: %+v", result)
	}
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	report := verify(t, store)
	if len(report.Spans) != 2 {
		t.Fatalf("spans that can be restored: %v, want 2", report.Spans)
	}
	at := func(moment time.Time) (string, error) {
		dir := filepath.Join(ramDir(t), "restored")
		_, err := archive.Restore(context.Background(), archive.FromBackup(store), dir, archive.RestoreOptions{At: moment})
		return dir, err
	}
	for moment, want := range map[time.Time]int{report.Spans[0].To: before, report.Spans[1].To: len(l.records)} {
		dir, err := at(moment)
		if err != nil {
			t.Fatal(err)
		}
		l.sameAs(t, dir, want)
	}
	if _, err := at(missing); !errors.Is(err, archive.ErrNoMoment) {
		t.Errorf("a moment in the gap, between what was backed up and the snapshot behind it: %v", err)
	}
}

// In the segment that grows, parts are put together: few objects, and no batch is sent often.
func TestBackupPutsPartsTogether(t *testing.T) {
	l := newLive(t, wal.Options{})
	store := &broken{Store: newDirectory(t)}
	b, err := archive.NewBackup(store, l.dir, archive.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	const passes = 700
	most := 0
	for range passes {
		l.some(1)
		if _, err := b.Pass(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := len(objects(t, store)); n > most {
			most = n
		}
	}
	if puts := len(store.puts); puts > passes*5/4 || most > 4*7+1 {
		t.Errorf("%d passes sent %d objects, and there were up to %d at once", passes, puts, most)
	}
	t.Logf("%d passes: %d objects sent, at most %d at once, %d in the end", passes, len(store.puts), most, len(objects(t, store)))
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	verify(t, store)
}

// Every batch's moment can be restored, from a backup and from a data directory, and gives what had been committed by then.
func TestRestoreAtEveryMoment(t *testing.T) {
	l := newLive(t, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 40}})
	store := newDirectory(t)
	type moment struct {
		at time.Time
		n  int
	}
	var moments []moment
	pause := func() { time.Sleep(3 * time.Millisecond) } // batches carry milliseconds; the moments between them are asked for
	pause()
	for round := range 12 {
		l.some(1)
		pause()
		moments = append(moments, moment{time.Now(), len(l.records)})
		pause()
		if round%4 == 3 {
			l.snapshot()
		}
		if round%3 == 0 {
			l.backup(t, store, archive.Options{})
		}
	}
	l.backup(t, store, archive.Options{})
	for _, m := range moments {
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{At: m.at}), m.n)
		l.sameAs(t, restore(t, archive.FromDirectory(l.dir), archive.RestoreOptions{At: m.at}), m.n)
	}
	l.sameAs(t, restore(t, archive.FromDirectory(l.dir), archive.RestoreOptions{}), len(l.records))
	t.Logf("%d moments, from a backup and from the directory", len(moments))
	for _, from := range []*archive.Source{archive.FromBackup(store), archive.FromDirectory(l.dir)} {
		_, err := archive.Restore(context.Background(), from, filepath.Join(t.TempDir(), "x"), archive.RestoreOptions{At: time.Now().Add(-time.Hour)})
		if !errors.Is(err, archive.ErrNoMoment) || !strings.Contains(err.Error(), time.Now().Format("2006-01-02")) {
			t.Errorf("a moment before the beginning: %v", err)
		}
	}
}

// A restored directory never gives a number in an epoch that the lost one may have given it in.
func TestRestoreRaisesTheEpoch(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.some(3)
	store := newDirectory(t)
	l.backup(t, store, archive.Options{})
	dir := restore(t, archive.FromBackup(store), archive.RestoreOptions{})
	m, err := wal.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Epoch <= l.log.Epoch() || m.Floor != l.log.Last() || m.MadeUnixMs == 0 {
		t.Errorf("manifest of the restored directory: %+v; the backup is of epoch %d and ends with record %d", m, l.log.Epoch(), l.log.Last())
	}
}

func TestRestoreRefuses(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.some(1)
	store := newDirectory(t)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := archive.Restore(context.Background(), archive.FromBackup(store), filepath.Join(t.TempDir(), "x"), archive.RestoreOptions{})
	if err == nil || !strings.Contains(err.Error(), "no backup") {
		t.Errorf("restore of nothing: %v", err)
	}
	l.backup(t, store, archive.Options{})
	_, err = archive.Restore(context.Background(), archive.FromBackup(store), full, archive.RestoreOptions{})
	if err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restore into a directory that is not empty: %v", err)
	}
}

// A data directory that is not what the backup ends with is refused, and the backup stays what it is.
func TestBackupRefusesAnotherHistory(t *testing.T) {
	l := newLive(t, wal.Options{})
	store := newDirectory(t)
	l.some(3)
	early := newDirectory(t)
	l.backup(t, early, archive.Options{})
	l.some(3)
	l.backup(t, store, archive.Options{})

	var other *live
	from := func(source archive.Store) *live {
		o := &live{t: t, dir: restore(t, archive.FromBackup(source), archive.RestoreOptions{})}
		for n := range wal.LSN(len(contents(t, o.dir))) {
			o.records = append(o.records, l.records[n])
		}
		o.open()
		t.Cleanup(func() { o.log.Close() })
		return o
	}
	refused := func(name, dir string) {
		t.Helper()
		_, err := tryBackup(store, dir, archive.Options{})
		if !errors.Is(err, archive.ErrDiverged) || !strings.Contains(err.Error(), "name another place") {
			t.Errorf("%s: %v, want it to be refused", name, err)
		}
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	}
	stranger := newLive(t, wal.Options{})
	stranger.some(9)
	refused("another log", stranger.dir)

	other = from(early)
	refused("restored to an earlier moment", other.dir)
	other.some(8)
	refused("restored to an earlier moment, and gone on", other.dir)
	for range 2 {
		other.snapshot()
		other.some(1)
	}
	refused("restored to an earlier moment, gone on, and without the generation where it parted", other.dir)

	// One that was restored to exactly the end goes on.
	other = from(store)
	other.some(2)
	if _, err := tryBackup(store, other.dir, archive.Options{}); err != nil {
		t.Errorf("restored to the end, and gone on: %v", err)
	}
	other.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(other.records))
	// Then the first one has gone another way.
	l.some(1)
	_, err := tryBackup(store, l.dir, archive.Options{})
	if !errors.Is(err, archive.ErrDiverged) {
		t.Errorf("the first one, which has gone another way: %v", err)
	}
}

// Whatever operation of the store fails, done or not, what was whole before can be restored, and the next backup succeeds and cleans up.
func TestBackupFailsAtEveryOperation(t *testing.T) {
	eachStore(t, func(t *testing.T, fresh func() archive.Store) {
		prepare := func() (*live, *broken, int) {
			l := newLive(t, wal.Options{})
			store := &broken{Store: fresh()}
			l.some(2)
			l.backup(t, store, archive.Options{})
			l.some(2)
			l.backup(t, store, archive.Options{})
			before := len(l.records)
			for range 4 { // a list of closed generations comes into being, a segment is filled, a snapshot is sent
				l.snapshot()
				l.some(1)
				l.backup(t, store, archive.Options{})
				before = len(l.records)
			}
			l.fill(1)
			l.snapshot()
			l.some(1)
			store.seen, store.puts = 0, nil
			return l, store, before
		}
		l, store, _ := prepare()
		l.backup(t, store, archive.Options{Keep: time.Nanosecond})
		operations := store.seen
		t.Logf("a backup is %d operations", operations)
		kept := 0
		for n := 1; n <= operations; n++ {
			for _, done := range []bool{false, true} {
				l, store, before := prepare()
				store.n, store.done = n, done
				_, err := tryBackup(store, l.dir, archive.Options{Keep: time.Nanosecond})
				if err != nil && !errors.Is(err, errBroken) {
					t.Fatalf("operation %d fails: %v", n, err)
				}
				store.n = 0
				restored := restore(t, archive.FromBackup(store), archive.RestoreOptions{})
				if got := len(contents(t, restored)); got == before {
					kept++
				} else if got != len(l.records) {
					t.Fatalf("operation %d fails (done: %v): %d records can be restored, want %d or %d", n, done, got, before, len(l.records))
				}
				verify(t, store)
				l.some(1)
				l.backup(t, store, archive.Options{Keep: time.Nanosecond})
				if report := verify(t, store); report.Leftover != 0 {
					t.Errorf("operation %d fails (done: %v): %d objects are left over by the next backup", n, done, report.Leftover)
				}
				l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
			}
		}
		if kept == 0 {
			t.Error("no failure has left the backup before in place: nothing was tested")
		}
	})
}

// Of two backups at once, one fails, and neither harms what is there.
func TestTwoBackupsAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, fresh func() archive.Store) {
		l := newLive(t, wal.Options{})
		l.some(3)
		store := fresh()
		a, err := archive.NewBackup(store, l.dir, archive.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		b, err := archive.NewBackup(store, l.dir, archive.Options{Logger: quiet})
		if errors.Is(err, archive.ErrConflict) {
			return // a directory is locked
		}
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		pass := func(x *archive.Backup, fails bool) {
			t.Helper()
			l.some(1)
			if _, err := x.Pass(context.Background()); errors.Is(err, archive.ErrConflict) != fails || !fails && err != nil {
				t.Fatalf("conflict: %v, want %v", err, fails)
			}
		}
		pass(a, false)
		pass(b, false) // its first look sees what a has written
		pass(a, true)
		pass(b, false)
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
		verify(t, store)
	})
}

// Every mode of syncing is backed up to its last batch, also where nothing says yet that it is on disk.
func TestBackupInEverySyncMode(t *testing.T) {
	for mode := wal.SyncAlways; mode <= wal.SyncNone; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLive(t, wal.Options{Sync: mode, Idle: time.Hour})
			store := newDirectory(t)
			for range 3 {
				l.some(2)
				if got := l.backup(t, store, archive.Options{}); got.Last != l.log.Last() {
					t.Errorf("the backup reaches to record %d, want %d", got.Last, l.log.Last())
				}
			}
			l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
		})
	}
}

func TestPrune(t *testing.T) {
	l := newLive(t, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 40}})
	store := newDirectory(t)
	begin := time.Now()
	for range 8 {
		l.some(2)
		l.snapshot()
		l.backup(t, store, archive.Options{})
	}
	all := verify(t, store)
	time.Sleep(3 * time.Millisecond) // so that the moment to keep is behind the last batch but one
	middle := time.Now()
	n := len(l.records)
	time.Sleep(3 * time.Millisecond) // and before this one
	l.some(1)

	kept := l.backup(t, store, archive.Options{Keep: time.Since(begin) + time.Hour})
	if report := verify(t, store); kept.Removed > 2 || report.Generations != all.Generations {
		t.Errorf("everything is younger than what is to be kept, and %d objects of %d generations are removed", kept.Removed, all.Generations)
	}
	l.some(1)
	now := time.Now()
	pruned := l.backup(t, store, archive.Options{Keep: now.Sub(middle), Now: func() time.Time { return now }})
	report := verify(t, store)
	if report.Generations != 2 || report.Snapshots != 2 || pruned.Removed < all.Objects/2 || report.Leftover != 0 {
		t.Errorf("%d objects were removed, and %+v is left of %+v", pruned.Removed, report, all)
	}
	if got := len(objects(t, store)); got != report.Objects {
		t.Errorf("the store has %d objects, %d are needed", got, report.Objects)
	}
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{At: middle}), n)
	_, err := archive.Restore(context.Background(), archive.FromBackup(store), filepath.Join(t.TempDir(), "x"), archive.RestoreOptions{At: begin.Add(-time.Second)})
	if !errors.Is(err, archive.ErrNoMoment) {
		t.Errorf("a moment that was pruned: %v", err)
	}
}

// Damage in the data directory is refused, not backed up.
func TestBackupRefusesDamage(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.some(3)
	l.snapshot()
	l.fill(1)
	l.some(3)
	if err := l.log.Close(); err != nil {
		t.Fatal(err)
	}
	tried := 0
	segments, err := wal.Segments(l.dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{wal.SegmentPath(2, 1), wal.SegmentPath(2, segments[len(segments)-1]), wal.SnapshotPath(2), "p0/MANIFEST"} {
		path := filepath.Join(l.dir, file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(text); at += max(1, len(text)/20) {
			tried++
			text[at] ^= 4
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := tryBackup(newDirectory(t), l.dir, archive.Options{})
			if !errors.Is(err, wal.ErrCorrupt) && (err == nil || !strings.Contains(err.Error(), "newer everloop")) {
				t.Errorf("a flipped bit at %s:%d: %v", file, at, err)
			}
			text[at] ^= 4
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d flips in the data directory", tried)
	if _, err := tryBackup(newDirectory(t), l.dir, archive.Options{}); err != nil {
		t.Errorf("undamaged again: %v", err)
	}
}

var every = flag.Int("every", 11, "flip a bit of every nth byte of a backup; 1: of all, which takes a minute")

// A flipped bit anywhere in a backup is found by verify, and a restore either finds it too or does not need what is damaged.
func TestBitFlipsInBackup(t *testing.T) {
	l := newLive(t, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 40}})
	root := filepath.Join(ramDir(t), "backup")
	store, err := archive.OpenDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		l.some(2)
		l.snapshot()
		l.some(1)
		l.backup(t, store, archive.Options{})
	}
	verify(t, store)
	flips, refused := 0, 0
	files := append(objects(t, store), "index")
	for _, name := range files {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := len(name) % *every; at < len(text); at += *every {
			flips++
			damaged := append([]byte(nil), text...)
			damaged[at] ^= 1 << (at % 8)
			if flips%97 == 0 {
				damaged = damaged[:at] // cut short
			}
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Verify(context.Background(), store, nil); !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrNewer) {
				t.Fatalf("%s, byte %d: verify says %v", name, at, err)
			}
			if flips%4 != 0 {
				continue
			}
			dir := filepath.Join(ramDir(t), "restored")
			_, err := archive.Restore(context.Background(), archive.FromBackup(store), dir, archive.RestoreOptions{})
			switch {
			case err == nil:
				l.sameAs(t, dir, len(l.records))
			case errors.Is(err, archive.ErrDamaged) || errors.Is(err, archive.ErrNewer):
				refused++
			default:
				t.Fatalf("%s, byte %d: restore says %v", name, at, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Verify(context.Background(), store, nil); err == nil {
			t.Errorf("without %s, verify finds nothing", name)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify(t, store)
	if refused == 0 {
		t.Error("no restore was refused")
	}
	t.Logf("%d flips and cuts in %d objects found by verify; %d restores refused", flips, len(files), refused)
}

func TestVerifyNamesAllThatIsDamaged(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.fill(3)
	root := filepath.Join(ramDir(t), "backup")
	store, err := archive.OpenDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	l.backup(t, store, archive.Options{})
	names := objects(t, store)
	for _, name := range []string{names[0], names[2]} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err := archive.Verify(context.Background(), store, nil)
	if !errors.Is(err, archive.ErrDamaged) || len(report.Problems) != 2 || !strings.Contains(fmt.Sprint(report.Problems), names[2]) {
		t.Errorf("two objects are damaged, and verify says %v: %v", err, report.Problems)
	}
}
