package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
	"everloop/wal/archive"
)

// A first generation without a batch, and a second one without a snapshot, are a directory that a start can read: restored, it begins with the first one.
func TestRestoreOfAnEmptyFirstGeneration(t *testing.T) {
	l := newLive(t, wal.Options{})
	w, err := l.log.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	l.some(2)
	store := newDirectory(t)
	l.backup(t, store, archive.Options{})
	l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	l.sameAs(t, restore(t, archive.FromDirectory(l.dir), archive.RestoreOptions{}), len(l.records))
}

// A snapshot whose barrier is above the moment knows of what came later: the restore begins before it.
func TestRestoreIntoTheTimeOfASnapshot(t *testing.T) {
	l := newLive(t, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 40}})
	store := newDirectory(t)
	pause := func() { time.Sleep(3 * time.Millisecond) } // batches carry milliseconds
	l.some(2)
	pause()
	w, err := l.log.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	l.some(1) // record 5 and 6, behind the base, and below the barrier
	pause()
	inside, n := time.Now(), len(l.records)
	pause()
	l.some(1)
	f := wal.NewFrame()
	for i, r := range l.records {
		f.Add(wal.LSN(i+1), []byte(r))
	}
	if err := w.Write(f); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Install(l.log.Last()); err != nil {
		t.Fatal(err)
	}
	pause()
	l.some(1)
	l.backup(t, store, archive.Options{})
	for _, from := range []*archive.Source{archive.FromBackup(store), archive.FromDirectory(l.dir)} {
		l.sameAs(t, restore(t, from, archive.RestoreOptions{At: inside}), n)
		l.sameAs(t, restore(t, from, archive.RestoreOptions{}), len(l.records))
	}
}

// A repaired directory that has gone another way, and has not the generation any more in which it parted, is told by when it was made.
func TestBackupRefusesARepairedDirectory(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.some(3)
	store := newDirectory(t)
	l.backup(t, store, archive.Options{})
	if err := l.log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := wal.Repair(l.dir, wal.RepairOptions{DropAfter: 2}); err != nil {
		t.Fatal(err)
	}
	l.open()
	l.records = l.records[:2]
	for range 2 {
		l.some(8)
		l.snapshot()
	}
	if _, err := tryBackup(store, l.dir, archive.Options{}); !errors.Is(err, archive.ErrDiverged) {
		t.Errorf("a repaired directory without the generation where it parted: %v", err)
	}
}

// swapped is a store that gives the content of one object for another.
type swapped struct {
	archive.Store
	name    string
	content []byte
}

func (s *swapped) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == s.name {
		return io.NopCloser(strings.NewReader(string(s.content))), nil
	}
	return s.Store.Get(ctx, name)
}

// What an object holds may be right in itself, and not what was stored: its SHA-256 tells.
func TestRestoreHoldsObjectsToTheirSum(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.fill(1)
	store := newDirectory(t)
	l.backup(t, store, archive.Options{})
	for _, name := range objects(t, store) {
		r, err := store.Get(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(content) < 5 || content[0] != 0x28 {
			continue // not of zstd
		}
		// The lowest bits of a frame's header say nothing that decompressing depends on: the unused bit of the descriptor.
		content[4] ^= 1 << 4
		bad := &swapped{Store: store, name: name, content: content}
		_, err = archive.Restore(context.Background(), archive.FromBackup(bad), filepath.Join(ramDir(t), "x"), archive.RestoreOptions{})
		if !errors.Is(err, archive.ErrDamaged) || !strings.Contains(err.Error(), "SHA-256") {
			t.Errorf("%s with a bit that decompressing does not look at: %v", name, err)
		}
		if _, err := archive.Verify(context.Background(), bad, nil); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("verify: %v", err)
		}
	}
}

// The index is replaced only where it is what was read, in a directory too, whose lock not every file system keeps.
func TestIndexIsReplacedOnlyWhereItIsTheSame(t *testing.T) {
	eachStore(t, func(t *testing.T, fresh func() archive.Store) {
		ctx := context.Background()
		store := fresh()
		unlock, err := store.Lock() // makes the directory
		if err != nil {
			t.Fatal(err)
		}
		defer unlock()
		first, err := store.Replace(ctx, []byte("one"), "")
		if err != nil {
			t.Fatal(err)
		}
		for name, tag := range map[string]string{"none": "", "another": "0123456789abcdef0123456789abcdef"} {
			if _, err := store.Replace(ctx, []byte("two"), tag); !errors.Is(err, archive.ErrConflict) {
				t.Errorf("for one who has seen %s: %v", name, err)
			}
		}
		if _, err := store.Replace(ctx, []byte("three"), first); err != nil {
			t.Error(err)
		}
		if data, _, err := store.Index(ctx); err != nil || string(data) != "three" {
			t.Errorf("%q, %v", data, err)
		}
	})
}

// A generation vanishes while it is sent, and the network fails as well: nothing that was not sent is taken for sent by the next try.
func TestBackupWhenAGenerationVanishesAndTheNetworkFails(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.fill(6)
	store := newDirectory(t)
	removed := make(chan struct{})
	var mu sync.Mutex
	puts := 0
	failing := putStore{Store: store, put: func(name string) error {
		if !strings.HasPrefix(name, "log/0000000001-") {
			return nil // of another try: the network is there again
		}
		mu.Lock()
		puts++
		n := puts
		mu.Unlock()
		switch n {
		case 1: // while the others wait
			w, err := l.log.StartSnapshot()
			if err != nil {
				return err
			}
			f := wal.NewFrame()
			f.Add(1, []byte("all"))
			if err = w.Write(f); err == nil {
				_, err = w.Install(l.log.Last())
			}
			close(removed)
			return err
		default:
			<-removed
			time.Sleep(20 * time.Millisecond) // until the next segment was looked for: if it was not, there is nothing to see
			return errBroken
		}
	}}
	switch _, err := tryBackup(&failing, l.dir, archive.Options{}); {
	case errors.Is(err, errBroken):
	case err == nil:
		// It saw the removal before the failure, and began again, with the network there: what it says is in the backup must be.
		verify(t, store)
	default:
		t.Errorf("the network is down: %v", err)
	}
	l.backup(t, store, archive.Options{})
	verify(t, store)
}

type putStore struct {
	archive.Store
	put func(name string) error
}

func (s *putStore) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) error {
	if err := s.put(name); err != nil {
		return err
	}
	return s.Store.Put(ctx, name, size, open)
}

// An index that is far too large is not read into memory.
func TestIndexIsBounded(t *testing.T) {
	root := filepath.Join(ramDir(t), "backup")
	if err := os.MkdirAll(root, 0o750); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(root, "index"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 40); err != nil {
		t.Skip(err) // a file system without holes
	}
	f.Close()
	store, err := archive.OpenDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Verify(context.Background(), store, nil); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("an index of a TiB: %v", err)
	}
}

// meanwhile carries requests, and has somebody else replace the index after it was looked at and before it is replaced.
type meanwhile struct {
	http.RoundTripper
	once sync.Once
	do   func()
}

func (m *meanwhile) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/index") {
		m.once.Do(m.do)
	}
	return m.RoundTripper.RoundTrip(r)
}

// Between the look at a bucket's index and its replacement only the condition of the request protects.
func TestBucketReplacesOnCondition(t *testing.T) {
	endpoint, ctx := gateway(t), context.Background()
	for _, first := range []bool{true, false} {
		prefix := fmt.Sprintf("tests/%d", prefixes.Add(1))
		other := openBucket(t, endpoint, prefix)
		tag := ""
		var err error
		if !first {
			if tag, err = other.Replace(ctx, []byte("zero"), ""); err != nil {
				t.Fatal(err)
			}
		}
		transport := &meanwhile{RoundTripper: http.DefaultTransport}
		transport.do = func() {
			if _, err := other.Replace(ctx, []byte("theirs"), tag); err != nil {
				t.Error(err)
			}
		}
		store, err := archive.OpenBucket("s3://"+bucketName+"/"+prefix, archive.BucketOptions{Endpoint: endpoint, Region: "us-east-1", Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Replace(ctx, []byte("ours"), tag); !errors.Is(err, archive.ErrConflict) {
			t.Errorf("another has replaced the index between look and replacement (first: %v): %v", first, err)
		}
		if data, _, err := other.Index(ctx); err != nil || string(data) != "theirs" {
			t.Errorf("the index is %q, %v", data, err)
		}
	}
}

// While attempts fail, the pauses between them double up to a minute; and one that is told to end takes a last pass.
func TestFollowBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLive(t, wal.Options{})
		l.some(1)
		store := newDirectory(t)
		var mu sync.Mutex // guards what follows
		var tries []time.Time
		down := true
		b, err := archive.NewBackup(&putStore{Store: store, put: func(string) error {
			mu.Lock()
			defer mu.Unlock()
			if tries = append(tries, time.Now()); down {
				return errBroken
			}
			return nil
		}}, l.dir, archive.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Follow(ctx, 10*time.Second) }()
		time.Sleep(5 * time.Minute) // of the bubble's clock
		synctest.Wait()
		mu.Lock()
		var pauses []time.Duration
		for i := range tries[1:] {
			pauses = append(pauses, tries[i+1].Sub(tries[i]).Round(time.Second))
		}
		if want := []time.Duration{10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute}; len(pauses) < len(want) || !slices.Equal(pauses[:len(want)], want) {
			t.Errorf("the pauses are %v, want %v", pauses, want)
		}
		down = false
		mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		l.some(1)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		l.sameAs(t, restore(t, archive.FromBackup(store), archive.RestoreOptions{}), len(l.records))
	})
}

// A server that knows no conditions says so, and is asked without: then the look at the index before protects.
func TestBucketWithoutConditions(t *testing.T) {
	endpoint, ctx := gateway(t), context.Background()
	refused := 0
	transport := transportFunc(func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && (r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "") {
			refused++
			return &http.Response{StatusCode: 501, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	prefix := fmt.Sprintf("tests/%d", prefixes.Add(1))
	store, err := archive.OpenBucket("s3://"+bucketName+"/"+prefix, archive.BucketOptions{Endpoint: endpoint, Region: "us-east-1", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	first, err := store.Replace(ctx, []byte("one"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Replace(ctx, []byte("two"), first); err != nil {
		t.Fatal(err)
	}
	for name, tag := range map[string]string{"none": "", "the first": first} {
		if _, err := store.Replace(ctx, []byte("three"), tag); !errors.Is(err, archive.ErrConflict) {
			t.Errorf("for one who has seen %s: %v", name, err)
		}
	}
	if data, _, err := store.Index(ctx); err != nil || string(data) != "two" || refused == 0 {
		t.Errorf("%q, %v; %d requests with a condition", data, err, refused)
	}
}

type transportFunc func(r *http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A snapshot of nothing has the barrier 0, and is as needed as any other.
func TestBackupMissesASnapshotOfNothing(t *testing.T) {
	l := newLive(t, wal.Options{})
	l.snapshot()
	l.some(1)
	if err := os.Remove(filepath.Join(l.dir, wal.SnapshotPath(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := tryBackup(newDirectory(t), l.dir, archive.Options{}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("the snapshot that a start reads is missing: %v", err)
	}
}
