package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting is a server with a counter for each path.
type counting struct {
	mu     sync.Mutex
	counts map[string]int
	total  atomic.Int64
	// change, if not nil, may answer instead. n counts all requests from 1.
	change func(n int64, w http.ResponseWriter) bool
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := c.total.Add(1)
	if c.change != nil && c.change(n, w) {
		return
	}
	c.mu.Lock()
	c.counts[r.URL.Path]++
	k := c.counts[r.URL.Path]
	c.mu.Unlock()
	fmt.Fprintf(w, "%d\n", k)
}

// snapshot returns the counts of now.
func (c *counting) snapshot() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

func newCounting(t *testing.T, change func(int64, http.ResponseWriter) bool) (*counting, string) {
	t.Helper()
	c := &counting{counts: map[string]int{}, change: change}
	srv := httptest.NewServer(c)
	t.Cleanup(srv.Close)
	return c, srv.Listener.Addr().String()
}

func paths(n int) (p []string) {
	for i := range n {
		p = append(p, fmt.Sprintf("/%d", i))
	}
	return p
}

func mustDial(t *testing.T, o Options) *Generator {
	t.Helper()
	g, err := Dial(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// TestRun makes load by number and by time, on the same connections, and finds the same counts as the server.
func TestRun(t *testing.T) {
	srv, addr := newCounting(t, nil)
	counters := NewCounters(7)
	g := mustDial(t, Options{Addr: addr, Paths: paths(7), Conns: 16, Check: counters.Check, Seed: 1})
	r, err := g.Run(t.Context(), Until{Requests: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 1000 || srv.total.Load() != 1000 {
		t.Fatalf("%d requests counted, %d served, want 1000", r.Requests, srv.total.Load())
	}
	total := r.Requests
	if r, err = g.Run(t.Context(), Until{Elapsed: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	total += r.Requests
	if r.Elapsed < 50*time.Millisecond || r.Requests < 16 {
		t.Errorf("%d requests in %v, want at least one of each connection and 50ms", r.Requests, r.Elapsed)
	}
	if n := srv.total.Load(); n != int64(total) || counters.Answers() != total {
		t.Errorf("%d requests served, %d counted by the runs, %d by the counters", n, total, counters.Answers())
	}
	if err := counters.Complete(); err != nil {
		t.Error(err)
	}
	for p, n := range srv.snapshot() {
		if n == 0 || n > total/2 {
			t.Errorf("path %s was asked %d times of %d: paths are not chosen at random", p, n, total)
		}
	}
	h := r.Latency
	if h.TotalCount() != int64(r.Requests) || h.Min() < 1 || h.Min() > h.Max() || time.Duration(h.Max())*time.Microsecond > r.Elapsed+time.Millisecond {
		t.Errorf("histogram of %d requests in %v: %d values from %d to %d us", r.Requests, r.Elapsed, h.TotalCount(), h.Min(), h.Max())
	}
	if r.Quantile(50) > r.Quantile(99) || r.Rate() <= 0 {
		t.Errorf("p50 %v, p99 %v, rate %f", r.Quantile(50), r.Quantile(99), r.Rate())
	}
}

// TestLatency finds the time that a server takes, and only there.
func TestLatency(t *testing.T) {
	const slow = 40 * time.Millisecond
	_, addr := newCounting(t, func(n int64, _ http.ResponseWriter) bool {
		if n%10 == 0 {
			time.Sleep(slow) // the server whose slowness is to be found
		}
		return false
	})
	g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: 1})
	r, err := g.Run(t.Context(), Until{Requests: 50})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Latency.ValueAtQuantile(95); got < slow.Microseconds()*99/100 {
		t.Errorf("p95 is %d us, though one in ten answers took %v", got, slow)
	}
	if r.Elapsed < 5*slow {
		t.Errorf("50 requests in %v, though five of them took %v", r.Elapsed, slow)
	}
}

// TestRate asks as often as it is told to, and counts a stall from when requests were due, not from when they could be sent.
func TestRate(t *testing.T) {
	const slow = 200 * time.Millisecond
	srv, addr := newCounting(t, func(n int64, _ http.ResponseWriter) bool {
		if n == 40 {
			time.Sleep(slow) // a server that stalls, for a client that measures real time: what is tested is that the stall is found
		}
		return false
	})
	observed := 0
	var longest time.Duration
	g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: 2, Rate: 200, Observe: func(due time.Time, took time.Duration) {
		observed++
		longest = max(longest, took)
		if due.After(time.Now()) {
			t.Errorf("an answer came before its request was due")
		}
	}})
	r, err := g.Run(t.Context(), Until{Requests: 100})
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 100 || srv.total.Load() != 100 || observed != 100 {
		t.Fatalf("%d requests, %d served, %d observed", r.Requests, srv.total.Load(), observed)
	}
	// The last is due 495 ms after the first.
	if r.Elapsed < 400*time.Millisecond {
		t.Errorf("100 requests in %v, at 200 a second", r.Elapsed)
	}
	if longest < slow {
		t.Errorf("the longest took %v, though one answer took %v", longest, slow)
	}
	// One connection has a turn each 10 ms; those of the stall waited 190 ms, 180 ms, and so on.
	if late := r.Latency.ValueAtQuantile(90); late < slow.Microseconds()/4 {
		t.Errorf("p90 is %d us: the turns that came in a stall of %v are not counted from when they were due", late, slow)
	}
	if _, err := g.Run(t.Context(), Until{Elapsed: 30 * time.Millisecond}); err != nil {
		t.Error(err)
	}
	if n := srv.total.Load() - 100; n > 8 {
		t.Errorf("%d requests in 30 ms at 200 a second", n)
	}
}

// TestConcurrency has as many requests under way as there are connections: the server answers none before all are there.
func TestConcurrency(t *testing.T) {
	const conns = 32
	var arrived sync.WaitGroup
	arrived.Add(conns)
	_, addr := newCounting(t, func(n int64, _ http.ResponseWriter) bool {
		if n > conns {
			t.Errorf("request %d came, though %d are all there may be", n, conns)
			return false
		}
		arrived.Done()
		arrived.Wait()
		return false
	})
	g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: conns})
	if _, err := g.Run(t.Context(), Until{Requests: conns}); err != nil {
		t.Fatal(err)
	}
}

// TestEach asks for each path once.
func TestEach(t *testing.T) {
	srv, addr := newCounting(t, nil)
	g := mustDial(t, Options{Addr: addr, Paths: paths(100), Conns: 7})
	if r, err := g.Run(t.Context(), Until{Each: true, Elapsed: time.Hour}); err != nil || r.Requests != 100 {
		t.Fatalf("%+v, %v", r, err)
	}
	counts := srv.snapshot()
	for _, p := range paths(100) {
		if n := counts[p]; n != 1 {
			t.Errorf("%s was asked for %d times", p, n)
		}
	}
}

func TestUnixSocket(t *testing.T) {
	lis, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: &counting{counts: map[string]int{}}}
	go srv.Serve(lis)
	defer srv.Close()
	counters := NewCounters(1)
	g := mustDial(t, Options{Addr: "unix:" + lis.Addr().String(), Paths: paths(1), Conns: 2, Check: counters.Check})
	if _, err := g.Run(t.Context(), Until{Requests: 10}); err != nil {
		t.Fatal(err)
	}
	if err := counters.Complete(); err != nil {
		t.Error(err)
	}
}

// TestWrongAnswers ends a run at the first answer that is not right, and names it.
func TestWrongAnswers(t *testing.T) {
	tests := []struct {
		name   string
		change func(n int64, w http.ResponseWriter) bool
		want   string
	}{
		{"a failure", func(n int64, w http.ResponseWriter) bool {
			if n == 50 {
				http.Error(w, "out of order", 500)
			}
			return n == 50
		}, `(/0): status 500, body "out of order\n"`},
		{"no content", func(n int64, w http.ResponseWriter) bool {
			if n == 50 {
				w.WriteHeader(204)
			}
			return n == 50
		}, "status 204, body"},
		{"a count given twice", func(n int64, w http.ResponseWriter) bool {
			if n == 50 {
				io.WriteString(w, "1\n")
			}
			return n == 50
		}, "count 1 was given twice"},
		{"not a count", func(n int64, w http.ResponseWriter) bool {
			if n == 50 {
				io.WriteString(w, "welcome")
			}
			return n == 50
		}, `not "welcome"`},
		{"a close that is announced", func(n int64, w http.ResponseWriter) bool {
			if n == 50 {
				w.Header().Set("Connection", "close")
			}
			return false
		}, "the server closes a connection"},
		{"a close in the middle", func(n int64, _ http.ResponseWriter) bool {
			if n == 50 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, "the server has closed the connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, addr := newCounting(t, tt.change)
			g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: 4, Check: NewCounters(1).Check})
			_, err := g.Run(t.Context(), Until{Requests: 200})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if _, again := g.Run(t.Context(), Until{Requests: 1}); again == nil {
				t.Error("a run after a failed one is not refused")
			}
		})
	}
}

// raw serves one connection with fixed bytes after each request.
func raw(t *testing.T, answer string) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	t.Cleanup(func() { lis.Close(); served.Wait() })
	served.Go(func() {
		c, err := lis.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
	return lis.Addr().String()
}

func TestNoAnswer(t *testing.T) {
	g := mustDial(t, Options{Addr: raw(t, ""), Paths: paths(1), Conns: 1, Timeout: time.Millisecond})
	if _, err := g.Run(t.Context(), Until{Requests: 1}); err == nil || !strings.Contains(err.Error(), "no answer after 1ms") {
		t.Fatalf("error %v", err)
	}
}

func TestMoreThanAnAnswer(t *testing.T) {
	g := mustDial(t, Options{Addr: raw(t, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1HTTP"), Paths: paths(1), Conns: 1})
	if _, err := g.Run(t.Context(), Until{Requests: 1}); err == nil || !strings.Contains(err.Error(), `4 bytes behind the answer: "HTTP"`) {
		t.Fatalf("error %v", err)
	}
}

func TestLongAnswer(t *testing.T) {
	const length = 100_000 // many times what a connection's buffer begins with
	addr := raw(t, fmt.Sprintf("HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s", length, strings.Repeat("x", length)))
	seen := 0
	g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: 1, Check: func(_ int, b []byte) error { seen += len(b); return nil }})
	if _, err := g.Run(t.Context(), Until{Requests: 3}); err != nil || seen != 3*length {
		t.Fatalf("%d bytes, %v; want %d", seen, err, 3*length)
	}
}

// TestCanceled ends a run that would not end by itself.
func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	_, addr := newCounting(t, func(n int64, _ http.ResponseWriter) bool {
		if n == 100 {
			cancel(reason)
		}
		return false
	})
	g := mustDial(t, Options{Addr: addr, Paths: paths(1), Conns: 2})
	if _, err := g.Run(ctx, Until{Elapsed: time.Hour}); !errors.Is(err, reason) {
		t.Fatalf("error %v, want %v", err, reason)
	}
}

func TestRefused(t *testing.T) {
	for _, o := range []Options{
		{},
		{Addr: "127.0.0.1:1"},
		{Addr: "127.0.0.1:1", Paths: []string{"x"}},
		{Addr: "127.0.0.1:1", Paths: []string{"/a b"}},
		{Addr: "127.0.0.1:1", Paths: []string{"/"}, Conns: -1},
		{Addr: "127.0.0.1:1", Paths: []string{"/"}, Timeout: -1},
		{Addr: "127.0.0.1:1", Paths: []string{"/"}, Rate: -1},
		{Addr: "unix:/nowhere", Paths: []string{"/"}},
	} {
		if g, err := Dial(o); err == nil {
			g.Close()
			t.Errorf("Dial(%+v) took it", o)
		}
	}
	_, addr := newCounting(t, nil)
	if _, err := mustDial(t, Options{Addr: addr, Paths: paths(1)}).Run(t.Context(), Until{}); err == nil {
		t.Error("Run took Until{}")
	}
}

// TestParse reads answers whole and byte by byte.
func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		body     string
		close    bool
		err      string // a part of the error; "" for none
	}{
		{name: "content-length", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1\n", body: "1\n"},
		{name: "lower case, no reason", in: "HTTP/1.1 200 \r\ncontent-length:2\r\nx: y\r\n\r\nab", body: "ab"},
		{name: "empty", in: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
		{name: "chunks", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", body: "ab0123456789"},
		{name: "chunks with a trailer", in: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n", body: "a"},
		{name: "close", in: "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n", close: true},
		{name: "an old version", in: "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", err: "not an HTTP/1.1 status line"},
		{name: "no status", in: "HTTP/1.1 xyz OK\r\n\r\n", err: `status "xyz"`},
		{name: "an interim answer", in: "HTTP/1.1 103 Early Hints\r\n\r\n", err: `status "103"`},
		{name: "no length", in: "HTTP/1.1 200 OK\r\n\r\n", err: "neither content-length nor chunks"},
		{name: "both", in: "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", err: "both content-length"},
		{name: "two lengths", in: "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", err: "content-length"},
		{name: "a negative length", in: "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", err: "content-length"},
		{name: "another coding", in: "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", err: "transfer-encoding"},
		{name: "a bare line feed", in: "HTTP/1.1 200 O\n\r\nContent-Length: 2\r\n\r\n\\\\", err: "without a carriage return"},
		{name: "a bad field", in: "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", err: "a field without a name"},
		{name: "a bad chunk size", in: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", err: "chunk size"},
		{name: "a chunk that is too long", in: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", err: "a chunk of 1 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var scratch []byte
			for n := range len(tt.in) {
				if a, err := parse([]byte(tt.in[:n]), &scratch); tt.err == "" && (err != nil || a.length != 0) {
					t.Fatalf("the first %d of %d bytes: %+v, %v", n, len(tt.in), a, err)
				}
			}
			a, err := parse([]byte(tt.in+"HTTP"), &scratch)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil || string(a.body) != tt.body || a.length != len(tt.in) || a.close != tt.close || a.status != 200 {
				t.Fatalf("%+v, body %q, %v; want %d bytes, body %q", a, a.body, err, len(tt.in), tt.body)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var scratch []byte
		a, err := parse(b, &scratch)
		if a.length < 0 || a.length > len(b) || len(a.body) > a.length || err != nil && a.length != 0 {
			t.Fatalf("%+v, %v of %d bytes", a, err, len(b))
		}
		// What Go's client takes for the body is the body.
		if err != nil || a.length == 0 || a.status == 204 || a.status == 304 {
			return
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: "GET"})
		if err != nil {
			return // it is stricter about fields that we do not look at
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && string(body) != string(a.body) {
			t.Fatalf("body %q, net/http has %q", a.body, body)
		}
	})
}

// TestAlways takes one answer and no other.
func TestAlways(t *testing.T) {
	check := Always("hello\n")
	if err := check(0, []byte("hello\n")); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "hello", "hello\n\n"} {
		if err := check(0, []byte(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestCounters finds a lost increment that no count betrays until the end.
func TestCounters(t *testing.T) {
	c := NewCounters(2)
	for _, n := range []string{"1\n", "3\n", "2\n", "5\n"} {
		if err := c.Check(1, []byte(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Complete(); err == nil || err.Error() != "load: counter 1 is at 5 after 4 requests" {
		t.Errorf("a gap: %v", err)
	}
	if err := c.Check(1, []byte("4\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Complete(); err != nil {
		t.Error(err)
	}
	for _, n := range []string{"", "0", "-1", "x", "4", "9999999999999"} {
		if c.Check(1, []byte(n)) == nil {
			t.Errorf("count %q was taken", n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: 2\r\n\r\n1\n")
	var scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		if a, err := parse(in, &scratch); err != nil || a.length != len(in) {
			b.Fatal(a, err)
		}
	}
}

// BenchmarkRun is the generator against Go's server in the same process: an upper bound of its own cost.
func BenchmarkRun(b *testing.B) {
	srv := httptest.NewServer(&counting{counts: map[string]int{}})
	defer srv.Close()
	g, err := Dial(Options{Addr: srv.Listener.Addr().String(), Paths: []string{"/"}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := g.Run(b.Context(), Until{Requests: b.N}); err != nil {
		b.Fatal(err)
	}
}
