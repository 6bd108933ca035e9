package wal_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// open opens and replays a log, and returns the records it found.
func open(t testing.TB, dir string, o wal.Options) (*wal.Log, []string, wal.Recovery) {
	t.Helper()
	l, got, rec, err := tryOpen(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, got, rec
}

// tryOpen is open for logs that may be refused. Record n must come as number n.
func tryOpen(dir string, o wal.Options) (*wal.Log, []string, wal.Recovery, error) {
	if o.Logger == nil {
		o.Logger = quiet
	}
	l, err := wal.Open(dir, o)
	if err != nil {
		return nil, nil, wal.Recovery{}, err
	}
	var got []string
	rec, err := l.Replay(each(func(n wal.LSN, r []byte) error {
		got = append(got, string(r))
		if n != wal.LSN(len(got)) {
			return fmt.Errorf("record %d came as number %d", len(got), n)
		}
		return nil
	}), nil)
	if err != nil {
		l.Close()
		return nil, nil, rec, err
	}
	return l, got, rec, nil
}

// each has fn called for each record of the chunks of a log.
func each(fn func(n wal.LSN, record []byte) error) func(*wal.Chunk) error {
	return func(c *wal.Chunk) error { return c.Records(fn) }
}

// put appends records and commits them as one batch, through buffer 0, and waits until that is done: where the
// disk is slow the committer does it.
func put(t testing.TB, l *wal.Log, records ...string) {
	t.Helper()
	for _, r := range records {
		n, err := l.Append(0, []byte(r))
		if err != nil {
			t.Fatal(err)
		}
		l.Demand(n)
	}
	l.EndRound(0)
	for last := l.Last(); l.Durable() < last && l.Err() == nil; {
		runtime.Gosched()
	}
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("record %d is %.40q, want %.40q", i+1, got[i], want[i])
		}
	}
}

func TestRecordsComeBackInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	var want []string
	for start := range 3 {
		l, got, rec := open(t, dir, wal.Options{})
		equal(t, got, want)
		if rec.Epoch != uint64(start+1) || l.Epoch() != rec.Epoch || rec.Last != wal.LSN(len(want)) || rec.Torn != 0 {
			t.Fatalf("start %d: recovery %+v", start, rec)
		}
		for i := range 50 {
			r := fmt.Sprintf("record %d of start %d", i, start)
			want = append(want, r, "")
			put(t, l, r, "")
			if l.Durable() != wal.LSN(len(want)) || l.Last() != l.Durable() {
				t.Fatalf("durable %d, last %d, want %d", l.Durable(), l.Last(), len(want))
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(0, nil); !errors.Is(err, wal.ErrClosed) {
			t.Fatalf("Append after Close: %v", err)
		}
		if err := l.Close(); !errors.Is(err, wal.ErrClosed) {
			t.Fatalf("second Close: %v", err)
		}
	}
}

func TestCloseCommitsWhatIsThere(t *testing.T) {
	for _, mode := range []wal.SyncMode{wal.SyncAlways, wal.SyncInterval, wal.SyncNone} {
		t.Run(mode.String(), func(t *testing.T) {
			dir := t.TempDir()
			var durable wal.LSN
			l, _, _ := open(t, dir, wal.Options{Sync: mode, OnDurable: func(n wal.LSN, err error) { durable = n }})
			for range 3 {
				if _, err := l.Append(0, []byte("x")); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if durable != 3 {
				t.Fatalf("told of %d, want 3", durable)
			}
			rep, err := wal.Verify(dir)
			if err != nil || rep.Records != 3 || rep.Claim != 3 || rep.Torn != 0 || rep.Manifest.Floor != 3 {
				t.Fatalf("report %+v, %v", rep, err)
			}
		})
	}
}

func TestAppendBeforeReplayIsRefused(t *testing.T) {
	l, err := wal.Open(t.TempDir(), wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Append(0, nil); !errors.Is(err, wal.ErrNotReplayed) {
		t.Fatalf("Append: %v", err)
	}
	if err := l.Writable(); !errors.Is(err, wal.ErrNotReplayed) {
		t.Fatalf("Writable: %v", err)
	}
	if _, err := l.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Replay(nil, nil); !errors.Is(err, wal.ErrNotReplayed) {
		t.Fatalf("second Replay: %v", err)
	}
}

func TestSecondOpenerIsToldWho(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, dir, wal.Options{})
	_, err := wal.Open(dir, wal.Options{})
	var locked *wal.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, wal.ErrLocked) || locked.PID != os.Getpid() || !strings.Contains(err.Error(), dir) {
		t.Fatalf("second Open: %v", err)
	}
	l.Close()
	open(t, dir, wal.Options{})
}

func TestUnwritableDirectoryIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root may write anywhere, so stand a file in the way instead.
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{file, filepath.Join(file, "below")} {
			if _, err := wal.Open(dir, wal.Options{}); err == nil || !strings.Contains(err.Error(), dir) {
				t.Fatalf("Open(%s): %v", dir, err)
			}
		}
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Open(dir, wal.Options{}); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("Open: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]wal.Options{
		"buffers":  {Buffers: -1},
		"sync":     {Sync: 7},
		"delay":    {MaxDelay: time.Microsecond},
		"interval": {Interval: -1},
		"backlog":  {Backlog: 1 << 40},
	} {
		if _, err := wal.Open(t.TempDir(), o); err == nil || !strings.Contains(strings.ToLower(err.Error()), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, m := range []wal.SyncMode{wal.SyncAlways, wal.SyncInterval, wal.SyncNone} {
		if got, err := wal.ParseSyncMode(m.String()); got != m || err != nil {
			t.Errorf("ParseSyncMode(%s) = %v, %v", m, got, err)
		}
	}
	if _, err := wal.ParseSyncMode("sometimes"); err == nil {
		t.Error("ParseSyncMode takes anything")
	}
}

// Many loops append at once; each record tells its loop, its place there, and the highest number that its loop
// had seen before. Numbers must be contiguous, each loop's records in its order, and no cause behind its effect.
func TestManyBuffers(t *testing.T) {
	const loops, each = 8, 2000
	dir := t.TempDir()
	var told wal.LSN
	l, _, _ := open(t, dir, wal.Options{Buffers: loops, OnDurable: func(n wal.LSN, err error) {
		if err != nil || n < told {
			t.Errorf("told of %d after %d, %v", n, told, err)
		}
		told = n
	}})
	var wg sync.WaitGroup
	for loop := range loops {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range each {
				seen := l.Last()
				n, err := l.Append(loop, fmt.Appendf(nil, "%d %d %d", loop, i, seen))
				if err != nil || n <= seen {
					t.Errorf("Append gave %d after %d, %v", n, seen, err)
					return
				}
				if i%7 == 0 {
					l.Demand(n)
				}
				if i%10 == 0 {
					l.EndRound(loop)
				}
			}
		}()
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, got, _ := open(t, dir, wal.Options{})
	if len(got) != loops*each {
		t.Fatalf("%d records, want %d", len(got), loops*each)
	}
	var next [loops]int
	for i, r := range got {
		var loop, k, seen int
		if _, err := fmt.Sscan(r, &loop, &k, &seen); err != nil {
			t.Fatal(err)
		}
		if k != next[loop] || seen > i {
			t.Fatalf("number %d is record %d of loop %d (want %d), which had seen %d", i+1, k, loop, next[loop], seen)
		}
		next[loop]++
	}
	if told != loops*each {
		t.Fatalf("told of %d, want %d", told, loops*each)
	}
	if s := l.Stats(); s.Records != loops*each || s.Commits == 0 || s.Commits > loops*each || s.Waiting != 0 ||
		s.BatchRecords.Sum != loops*each || s.SyncTime.Count < s.Commits {
		t.Fatalf("stats %+v", s)
	}
}

func TestUndemandedRecordsAreCommittedWithinMaxDelay(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(dir, wal.Options{MaxDelay: 20 * time.Millisecond, Idle: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i := range 5 {
			if _, err := l.Append(0, []byte("x")); err != nil {
				t.Fatal(err)
			}
			l.EndRound(0)
			if l.Durable() != wal.LSN(i) {
				t.Fatal("committed although nothing waits")
			}
			time.Sleep(20*time.Millisecond + 1)
			synctest.Wait()
			if l.Durable() != wal.LSN(i+1) {
				t.Fatalf("record %d waits for longer than MaxDelay", i+1)
			}
			time.Sleep(time.Duration(i) * 30 * time.Millisecond) // from busy to idle
		}
		if s := l.Stats(); s.Empty == 0 {
			t.Fatal("an idle log does not append an empty batch")
		}
		rep, err := wal.Verify(dir)
		if err != nil || rep.Claim != 5 {
			t.Fatalf("an idle log claims %d of 5, %v", rep.Claim, err)
		}
		before := l.Stats()
		time.Sleep(time.Hour) // of the bubble
		synctest.Wait()
		if after := l.Stats(); after != before {
			t.Fatalf("an idle log writes on and on: %+v", after)
		}
	})
}

func openIn(dir string, o wal.Options) (*wal.Log, []string, error) {
	l, got, _, err := tryOpen(dir, o)
	return l, got, err
}

func TestFlushWakesTheCommitter(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(dir, wal.Options{MaxDelay: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		n, err := l.Append(0, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		l.Flush()
		synctest.Wait()
		if l.Durable() != n {
			t.Fatalf("durable %d, want %d", l.Durable(), n)
		}
	})
}

func TestSeveralBuffersCommitOnTheCommitter(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(dir, wal.Options{Buffers: 2, MaxDelay: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := l.Append(0, []byte("a")); err != nil {
			t.Fatal(err)
		}
		n, err := l.Append(1, []byte("b"))
		if err != nil {
			t.Fatal(err)
		}
		l.Demand(n + 100) // counts as the last one given
		l.EndRound(1)
		synctest.Wait()
		if s := l.Stats(); l.Durable() != 2 || s.Commits != 1 || s.Inline != 0 {
			t.Fatalf("durable %d, stats %+v", l.Durable(), s)
		}
	})
}

func TestIntervalSyncsLater(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(dir, wal.Options{Sync: wal.SyncInterval, Interval: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		put(t, l, "x")
		if s := l.Stats(); l.Durable() != 1 || s.Syncs != 0 {
			t.Fatalf("durable %d with %d syncs", l.Durable(), s.Syncs)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if s := l.Stats(); s.Syncs == 0 {
			t.Fatal("no sync after the interval")
		}
	})
}

func TestTooLargeAndBacklog(t *testing.T) {
	l, _, _ := open(t, t.TempDir(), wal.Options{Backlog: 1000, MaxDelay: time.Hour})
	if _, err := l.Append(0, make([]byte, wal.MaxRecord+1)); !errors.Is(err, wal.ErrTooLarge) {
		t.Fatalf("Append of a giant: %v", err)
	}
	for range 10 {
		if err := l.Writable(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(0, make([]byte, 110)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Writable(); !errors.Is(err, wal.ErrBacklog) {
		t.Fatalf("Writable with %d bytes waiting: %v", l.Stats().Waiting, err)
	}
	put(t, l, "still taken")
	if err := l.Writable(); err != nil || l.Stats().Waiting != 0 {
		t.Fatalf("Writable after the commit: %v, %d waiting", err, l.Stats().Waiting)
	}
}

// An idle log notices that space has run out or come back.
func TestSpaceIsWatchedWhileIdle(t *testing.T) {
	disk := newDisk(t)
	disk.SetFree(64 << 20)
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(disk.Root(), wal.Options{Disk: disk})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for range 2 {
			disk.SetFree(64<<20 - 1)
			time.Sleep(1001 * time.Millisecond)
			synctest.Wait()
			if err := l.Writable(); !errors.Is(err, wal.ErrNoSpace) {
				t.Fatalf("nearly full: %v", err)
			}
			disk.SetFree(64 << 20)
			time.Sleep(1001 * time.Millisecond)
			synctest.Wait()
			if err := l.Writable(); err != nil {
				t.Fatalf("with room: %v", err)
			}
		}
	})
}

// looks counts how often a log looks at the free space.
type looks struct {
	*waltest.PowerDisk
	n atomic.Int64
}

func (l *looks) Free(dir string) (int64, error) {
	l.n.Add(1)
	return l.PowerDisk.Free(dir)
}

// An idle log looks at the free space as often as others may have filled the disk: hardly ever where there is much of it.
func TestSpaceIsLookedAtInTime(t *testing.T) {
	const reserve = 64 << 20
	for _, x := range []struct {
		free   int64
		within int // looks in the second hour
	}{{1 << 40, 60}, {reserve + 60<<30, 60}, {reserve + 10<<30, 360}, {reserve + 1<<30, 3600}, {reserve, 3600}, {reserve - 1, 3600}} {
		disk := &looks{PowerDisk: newDisk(t)}
		disk.SetFree(x.free)
		synctest.Test(t, func(t *testing.T) {
			l, _, err := openIn(disk.Root(), wal.Options{Disk: disk})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			put(t, l, "x")
			time.Sleep(time.Hour) // of the bubble
			before := disk.n.Load()
			time.Sleep(time.Hour) // of the bubble
			synctest.Wait()
			if n := int(disk.n.Load() - before); n < x.within-1 || n > x.within+1 {
				t.Errorf("%d bytes free: %d looks in an hour, want %d", x.free, n, x.within)
			}
		})
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	l, _, _ := open(t, ramDir(t), wal.Options{MaxDelay: time.Hour, Idle: time.Hour})
	record := make([]byte, 100)
	round := func() {
		for range 10 {
			n, err := l.Append(0, record)
			if err != nil {
				t.Fatal(err)
			}
			l.Demand(n)
		}
		l.EndRound(0)
	}
	for range 100 {
		round()
	}
	// tidwall/wal grows its copy of the segment now and then: far less than once a commit.
	if n := testing.AllocsPerRun(2000, round); n != 0 {
		t.Fatalf("%v allocations for 10 records and a commit", n)
	}
}

// A log is read from outside while it is written, through many segments, and restarted.
func TestVerifyOfALiveLog(t *testing.T) {
	dir := ramDir(t)
	o := wal.SmallSegments(wal.Options{}, 2000)
	l, _, _ := open(t, dir, o)
	l.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			l, _, _, err := tryOpen(dir, o)
			if err != nil {
				t.Error(err)
				return
			}
			for range 200 {
				n, err := l.Append(0, []byte(strings.Repeat("x", i%300)))
				if err != nil {
					t.Error(err)
				}
				l.Demand(n)
				l.EndRound(0)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	var last wal.LSN
	for i := 0; i < 100 || last == 0; i++ { // on a busy machine the writer may begin late
		select {
		case <-done:
			t.Fatal("the writer gave up")
		default:
		}
		rep, err := wal.Verify(dir)
		if err != nil || rep.Last < last {
			t.Fatalf("%+v after %d, %v", rep, last, err)
		}
		last = rep.Last
	}
	close(stop)
	<-done
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, dir, wal.Options{Idle: time.Hour})
	put(t, l, "a", "b")
	put(t, l, "c")
	var got []string
	look := func() { // on the live directory
		got = nil
		err := wal.Inspect(dir, wal.Visitor{Batch: func(b *wal.Batch) error {
			got = append(got, fmt.Sprintf("%s@%d e%d s%d n%d+%d claim %d", filepath.Base(b.File), b.Offset, b.Epoch, b.Seq, b.First, b.Count, b.Claim))
			return b.Records(func(n wal.LSN, r []byte) error {
				got = append(got, fmt.Sprintf("%d=%s", n, r))
				return nil
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	look()
	equal(t, got, []string{
		"00000000000000000001@0 e1 s1 n1+2 claim 0", "1=a", "2=b",
		"00000000000000000001@101 e1 s2 n3+1 claim 2", "3=c",
	})
	l.Close()
	look()
	if n := len(got); n != 6 || got[5] != "00000000000000000001@200 e1 s3 n4+0 claim 3" {
		t.Fatalf("after Close: %q", got)
	}
	if _, err := wal.Verify(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no data directory") {
		t.Fatalf("Verify of an empty directory: %v", err)
	}
}
