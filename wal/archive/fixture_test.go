package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"everloop/cmd/testenv"
	"everloop/wal"
	"everloop/wal/archive"
)

var quiet = slog.New(slog.DiscardHandler)

// ramDir is a directory in memory, where an fsync costs nothing: what a disk does with it is the log's own tests' affair.
func ramDir(t testing.TB) string {
	t.Helper()
	const shm = "/dev/shm"
	if st, err := os.Stat(shm); err != nil || !st.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shm, "everloop-archive-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// live is a data directory with a log that is open, and what was written to it.
type live struct {
	t       testing.TB
	dir     string
	o       wal.Options
	log     *wal.Log
	records []string // record n is records[n-1]
}

// newLive makes one. Unless o says otherwise, nothing is written when it is idle, so that a test knows what is there.
func newLive(t testing.TB, o wal.Options) *live {
	t.Helper()
	if o.Idle == 0 {
		o.Idle = time.Hour
	}
	l := &live{t: t, dir: filepath.Join(ramDir(t), "data"), o: o}
	l.open()
	t.Cleanup(func() { l.log.Close() })
	return l
}

func (l *live) open() {
	l.t.Helper()
	if l.o.Logger == nil {
		l.o.Logger = quiet
	}
	log, err := wal.Open(l.dir, l.o)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := log.Replay(nil, nil); err != nil {
		l.t.Fatal(err)
	}
	l.log = log
}

func (l *live) reopen() {
	l.t.Helper()
	if err := l.log.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.open()
}

// put writes records as one batch.
func (l *live) put(records ...string) {
	l.t.Helper()
	for _, r := range records {
		n, err := l.log.Append(0, []byte(r))
		if err != nil {
			l.t.Fatal(err)
		}
		l.log.Demand(n)
		l.records = append(l.records, r)
	}
	l.log.EndRound(0)
	for last := l.log.Last(); l.log.Durable() < last; {
		if err := l.log.Err(); err != nil {
			l.t.Fatal(err)
		}
		runtime.Gosched()
	}
}

// fill writes enough to fill n segments and a bit, in batches of a MiB that compress well. Each record says its number.
func (l *live) fill(n int) {
	l.t.Helper()
	for range 4*n + 1 {
		l.put(fmt.Sprintf("record %d %s", len(l.records)+1, strings.Repeat("all work and no play ", 50_000)))
	}
}

// some writes n batches of small records.
func (l *live) some(n int) {
	l.t.Helper()
	for range n {
		l.put(fmt.Sprintf("record %d", len(l.records)+1), fmt.Sprintf("and %d", len(l.records)+2))
	}
}

// snapshot makes a snapshot that holds every record under its own number, and installs it.
func (l *live) snapshot() {
	l.t.Helper()
	w, err := l.log.StartSnapshot()
	if err != nil {
		l.t.Fatal(err)
	}
	f := wal.NewFrame()
	for i, r := range l.records {
		f.Add(wal.LSN(i+1), []byte(r))
		if f.Full() {
			if err := w.Write(f); err != nil {
				l.t.Fatal(err)
			}
			f.Reset()
		}
	}
	if f.Len() > 0 {
		if err := w.Write(f); err != nil {
			l.t.Fatal(err)
		}
	}
	if _, err := w.Install(l.log.Last()); err != nil {
		l.t.Fatal(err)
	}
}

// contents opens a data directory and returns its records by number.
func contents(t testing.TB, dir string) map[wal.LSN]string {
	t.Helper()
	log, err := wal.Open(dir, wal.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	got := map[wal.LSN]string{}
	_, err = log.Replay(func(c *wal.Chunk) error {
		return c.Records(func(n wal.LSN, record []byte) error {
			got[n] = string(record)
			return nil
		})
	}, nil)
	if err != nil {
		t.Fatalf("open what was restored: %v", err)
	}
	return got
}

// sameAs holds what was restored to be the first n records.
func (l *live) sameAs(t testing.TB, dir string, n int) {
	t.Helper()
	got := contents(t, dir)
	if len(got) != n {
		t.Fatalf("%d records were restored, want %d", len(got), n)
	}
	for i, want := range l.records[:n] {
		if got[wal.LSN(i+1)] != want {
			t.Fatalf("record %d is %.40q, want %.40q", i+1, got[wal.LSN(i+1)], want)
		}
	}
}

// backup takes one, as a new process would.
func (l *live) backup(t testing.TB, store archive.Store, o archive.Options) archive.Result {
	t.Helper()
	result, err := tryBackup(store, l.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func tryBackup(store archive.Store, dir string, o archive.Options) (archive.Result, error) {
	if o.Logger == nil {
		o.Logger = quiet
	}
	b, err := archive.NewBackup(store, dir, o)
	if err != nil {
		return archive.Result{}, err
	}
	defer b.Close()
	return b.Pass(context.Background())
}

func restore(t testing.TB, from *archive.Source, o archive.RestoreOptions) string {
	t.Helper()
	dir := filepath.Join(ramDir(t), "restored")
	if _, err := archive.Restore(context.Background(), from, dir, o); err != nil {
		t.Fatal(err)
	}
	return dir
}

func verify(t testing.TB, store archive.Store) archive.Report {
	t.Helper()
	report, err := archive.Verify(context.Background(), store, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(report.Problems, "\n"))
	}
	return report
}

// eachStore runs a test for a directory and for a bucket. New places are made by fresh.
func eachStore(t *testing.T, test func(t *testing.T, fresh func() archive.Store)) {
	t.Helper()
	t.Run("directory", func(t *testing.T) {
		test(t, func() archive.Store { return newDirectory(t) })
	})
	t.Run("bucket", func(t *testing.T) {
		endpoint := gateway(t)
		test(t, func() archive.Store { return openBucket(t, endpoint, fmt.Sprintf("tests/%d", prefixes.Add(1))) })
	})
}

var prefixes atomic.Int64 // in the bucket

func newDirectory(t testing.TB) archive.Store {
	t.Helper()
	store, err := archive.OpenDirectory(filepath.Join(ramDir(t), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

const bucketName = "backups"

func openBucket(t testing.TB, endpoint, prefix string) archive.Store {
	t.Helper()
	store, err := archive.OpenBucket("s3://"+bucketName+"/"+prefix, archive.BucketOptions{Endpoint: endpoint, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// A gateway is a server of the S3 protocol that keeps buckets in a directory. One serves all tests.
var theGateway struct {
	once     sync.Once
	endpoint string
	why      string
}

// TestMain ends what tests have started.
func TestMain(m *testing.M) {
	code := m.Run()
	if gatewayProcess != nil {
		_ = gatewayProcess.Kill()
		_, _ = gatewayProcess.Wait()
		os.RemoveAll(gatewayDir)
	}
	os.Exit(code)
}

var (
	gatewayProcess *os.Process
	gatewayDir     string
)

// gateway starts the server, and sets the keys for it.
func gateway(t *testing.T) (endpoint string) {
	t.Helper()
	program := testenv.GoProgram(t, "github.com/versity/versitygw/cmd/versitygw@v1.8.0")
	t.Setenv("AWS_ACCESS_KEY_ID", "tester")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
	g := &theGateway
	g.once.Do(func() { g.endpoint, g.why = startGateway(program) })
	if g.why != "" {
		t.Fatal(g.why)
	}
	return g.endpoint
}

func startGateway(program string) (endpoint, why string) {
	dir, err := os.MkdirTemp("", "everloop-gateway-")
	if err != nil {
		return "", err.Error()
	}
	gatewayDir = dir
	if err := os.Mkdir(filepath.Join(dir, bucketName), 0o750); err != nil {
		return "", err.Error()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err.Error()
	}
	address := listener.Addr().String()
	listener.Close()
	cmd := exec.Command(program, "--port", address, "--access", "tester", "--secret", "not-a-secret", "--quiet", "posix", dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err.Error()
	}
	gatewayProcess = cmd.Process
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // until it listens
		resp, err := http.Get("http://" + address)
		if err == nil {
			resp.Body.Close()
			return "http://" + address, ""
		}
		if time.Now().After(end) {
			return "", "the gateway does not serve: " + err.Error()
		}
	}
}

// broken is a store that fails at its nth operation and ever after, as a process does that is killed there. done: the operation itself is still carried out.
type broken struct {
	archive.Store
	mu   sync.Mutex
	n    int // the operation that fails; 0 = none
	done bool
	seen int // operations
	puts []string
}

var errBroken = errors.New("the network is down")

func (b *broken) step() (fail, carryOut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen++
	fail = b.n > 0 && b.seen >= b.n
	return fail, !fail || b.done && b.seen == b.n
}

func (b *broken) Index(ctx context.Context) ([]byte, string, error) {
	if fail, _ := b.step(); fail {
		return nil, "", errBroken
	}
	return b.Store.Index(ctx)
}

func (b *broken) Replace(ctx context.Context, data []byte, tag string) (newTag string, err error) {
	fail, do := b.step()
	if do {
		newTag, err = b.Store.Replace(ctx, data, tag)
	}
	if fail {
		return "", errBroken
	}
	return newTag, err
}

func (b *broken) Put(ctx context.Context, name string, size int64, open func() (io.ReadCloser, error)) (err error) {
	fail, do := b.step()
	if do {
		if err = b.Store.Put(ctx, name, size, open); err == nil {
			b.mu.Lock()
			b.puts = append(b.puts, name)
			b.mu.Unlock()
		}
	}
	if fail {
		return errBroken
	}
	return err
}

func (b *broken) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if fail, _ := b.step(); fail {
		return nil, errBroken
	}
	return b.Store.Get(ctx, name)
}

func (b *broken) List(ctx context.Context, fn func(string, int64) error) error {
	if fail, _ := b.step(); fail {
		return errBroken
	}
	return b.Store.List(ctx, fn)
}

func (b *broken) Remove(ctx context.Context, names []string) (err error) {
	fail, do := b.step()
	if do {
		err = b.Store.Remove(ctx, names)
	} else if len(names) > 1 {
		_ = b.Store.Remove(ctx, names[:len(names)/2]) // it may be killed in the middle
	}
	if fail {
		return errBroken
	}
	return err
}

// objects lists what a store has.
func objects(t testing.TB, store archive.Store) []string {
	t.Helper()
	found := map[string]bool{}
	err := store.List(context.Background(), func(name string, _ int64) error {
		found[name] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}
