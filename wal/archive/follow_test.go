package archive_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
	"everloop/wal/archive"
)

// flaky is a store whose network is down at times.
type flaky struct {
	archive.Store
	mu   sync.Mutex
	down bool
}

func (f *flaky) set(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *flaky) Replace(ctx context.Context, data []byte, tag string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return "", errBroken
	}
	return f.Store.Replace(ctx, data, tag)
}

// lockedBuffer is written by a logger.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// A backup that follows is never more than its interval behind, over writes, snapshots, retention, restarts and failures of the network, and holds everything when it
// is told to end.
func TestFollow(t *testing.T) {
	for mode := wal.SyncAlways; mode <= wal.SyncNone; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { follow(t, mode) })
		})
	}
}

var followSeed = flag.Uint64("seed", 0, "seed of TestFollow; 0: another one each time")

func follow(t *testing.T, mode wal.SyncMode) {
	const interval = time.Second
	seed := *followSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	random := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	l := newLive(t, wal.Options{Sync: mode, Idle: 100 * time.Millisecond, Retain: wal.Retain{Age: time.Hour, Bytes: 20 << 10}})
	store := &flaky{Store: newDirectory(t)}
	var log lockedBuffer
	b, err := archive.NewBackup(store, l.dir, archive.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Follow(ctx, interval) }()

	checks, snapshots, outages := 0, 0, 0
	for step := range 120 {
		for range random.IntN(3) {
			l.some(random.IntN(3))
		}
		written := len(l.records)
		switch random.IntN(12) {
		case 0:
			l.snapshot()
			snapshots++
		case 1:
			l.reopen()
		case 2:
			store.set(true)
			outages++
			time.Sleep(time.Duration(random.IntN(200)) * time.Second)
			store.set(false)
			time.Sleep(time.Minute) // the longest pause between attempts
		}
		time.Sleep(interval) // of the bubble's clock
		synctest.Wait()
		if step%10 == 0 {
			checks++
			if got := len(contents(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}))); got < written {
				cancel()
				<-ended
				t.Fatalf("step %d: %d records can be restored a second after %d were written; the log:\n%s", step, got, written, &log)
			}
		}
	}
	l.some(1)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	report := verify(t, store)
	text := log.String()
	if outages > 0 && (!strings.Contains(text, "falls behind") || !strings.Contains(text, "goes on")) || !strings.Contains(text, "holds everything") {
		t.Errorf("the log says nothing of failures, or of the end:\n%s", text)
	}
	t.Logf("%d records, %d snapshots, %d outages, %d looks; %d generations and %d objects in the end", len(l.records), snapshots, outages, checks, report.Generations, report.Objects)
}

// What cannot become better by waiting ends it.
func TestFollowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, other := newLive(t, wal.Options{}), newLive(t, wal.Options{})
		l.some(1)
		store := newDirectory(t)
		l.backup(t, store, archive.Options{})
		b, err := archive.NewBackup(store, other.dir, archive.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if err := b.Follow(t.Context(), time.Second); !errors.Is(err, archive.ErrDiverged) {
			t.Errorf("a backup of another directory: %v", err)
		}
	})
}

// A backup that is told to end while the network is down says that it does not hold everything.
func TestFollowEndsWithoutNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t, wal.Options{})
		l.some(1)
		store := &flaky{Store: newDirectory(t)}
		b, err := archive.NewBackup(store, l.dir, archive.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Follow(ctx, time.Second) }()
		time.Sleep(10 * time.Second)
		store.set(true)
		l.some(1)
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-ended; !errors.Is(err, errBroken) {
			t.Errorf("it ends with %v", err)
		}
	})
}
