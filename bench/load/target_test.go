package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"everloop/bench/drive"
	"everloop/bench/drive/links"
)

// drives makes a plan's load of GET /r/KEY and POST /w/KEY with the value.
func drives(t *testing.T, addr string, p drive.Plan, change func(read, write *Request)) *drive.Result {
	t.Helper()
	to, err := links.Resolve(t.Context(), addr, false)
	if err != nil {
		t.Fatal(err)
	}
	read := Request{Path: drive.ParseTemplate("/r/{key}"), Expect: drive.ParseTemplate("read {key}"), HasExpect: true}
	write := Request{Method: "POST", Path: drive.ParseTemplate("/w/{key}"), Body: drive.ParseTemplate("{value}")}
	if change != nil {
		change(&read, &write)
	}
	r, err := drive.Run(t.Context(), Target(to, "test", read, write), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fails says how often operations failed in which way.
func fails(r *drive.Result) string {
	var s []string
	for _, f := range r.Failed {
		s = append(s, fmt.Sprintf("%d %s", f.Count, f.Kind))
	}
	return strings.Join(s, ", ")
}

func TestTarget(t *testing.T) {
	var reads, writes, bytes atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch b, _ := io.ReadAll(r.Body); {
		case r.Method == "GET" && strings.HasPrefix(r.URL.Path, "/r/") && r.Host == "test":
			reads.Add(1)
			fmt.Fprintf(w, "read %s\n", r.URL.Path[3:])
		case r.Method == "POST" && strings.HasPrefix(r.URL.Path, "/w/"):
			writes.Add(1)
			bytes.Add(int64(len(b)))
			w.WriteHeader(204)
		default:
			w.WriteHeader(400)
		}
	}))
	defer srv.Close()
	for _, depth := range []int{1, 8} {
		reads.Store(0)
		writes.Store(0)
		bytes.Store(0)
		r := drives(t, srv.Listener.Addr().String(), drive.Plan{
			Conns: 3, Workers: 2, Depth: depth, Count: 1000, Writes: 0.3, Keys: drive.Keys{Count: 10}, Sizes: drive.Sizes{Low: 10, High: 20},
		}, nil)
		if r.Counts.OK != 1000 || r.Counts.Failed != 0 {
			t.Errorf("depth %d: %d of 1000 are right: %v", depth, r.Counts.OK, r.Failed)
		}
		if n := r.Times.Reads.Count(); n != reads.Load() || r.Times.Writes.Count() != writes.Load() || n+writes.Load() != 1000 || n < 600 || n > 800 {
			t.Errorf("depth %d: %d reads and %d writes, the server has had %d and %d", depth, n, r.Times.Writes.Count(), reads.Load(), writes.Load())
		}
		if each := float64(bytes.Load()) / float64(writes.Load()); each < 10 || each > 20 {
			t.Errorf("depth %d: values of %.1f bytes, want 10 to 20", depth, each)
		}
		if r.Counts.In == 0 || r.Counts.Out == 0 {
			t.Error("no bytes were counted")
		}
	}
}

// A server that lies is found out, each lie by its kind, and the others are still counted.
func TestLies(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(n int64, w http.ResponseWriter, r *http.Request)
		want   string
	}{
		"status": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			if n%10 == 0 {
				w.WriteHeader(500 + int(n/10%2))
			}
			io.WriteString(w, "read 0")
		}, "5 status 500, 5 status 501"},
		"body": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "read "+strings.Repeat("0", 1+int(n%2)))
		}, "50 wrong answer"},
		"closes": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			if n%4 == 3 {
				c, _, _ := w.(http.Hijacker).Hijack()
				c.Close()
				return
			}
			io.WriteString(w, "read 0")
		}, "25 closed"},
		"says that it closes": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			io.WriteString(w, "read 0")
		}, ""},
		"malformed": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			if n%4 == 3 {
				c, _, _ := w.(http.Hijacker).Hijack()
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")
				c.Close()
				return
			}
			io.WriteString(w, "read 0")
		}, "25 malformed"},
		"two answers": {func(n int64, w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			const one = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nread 0"
			io.WriteString(c, one+one)
			c.Close()
		}, "1 unasked answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { test.answer(n.Add(1)-1, w, r) }))
			defer srv.Close()
			count := uint64(100)
			if name == "two answers" {
				count = 1 // the second comes with the first, before the next request could leave
			}
			r := drives(t, srv.Listener.Addr().String(), drive.Plan{Conns: 1, Count: count}, nil)
			if got := fails(r); got != test.want || r.Counts.OK+r.Counts.Failed != count {
				t.Errorf("%d are right, %d failed: %s, want %d in all, and %s", r.Counts.OK, r.Counts.Failed, got, count, test.want)
			}
			for _, f := range r.Failed {
				if f.Text == "" {
					t.Errorf("nothing is told of %s", f.Kind)
				}
			}
		})
	}
}

// A server that does not answer in time loses its connection, and the next operation gets a new one.
func TestSilence(t *testing.T) {
	var n atomic.Int64
	over := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 3 {
			<-over
		}
		io.WriteString(w, "read 0")
	}))
	defer srv.Close()
	defer close(over)
	// The duration ends the run if nothing else does.
	r := drives(t, srv.Listener.Addr().String(), drive.Plan{Conns: 1, Count: 10, Duration: 20 * time.Second, Timeout: 300 * time.Millisecond}, nil)
	if got := fails(r); got != "1 timeout" || r.Counts.OK != 9 || r.Counts.Reconnects != 1 {
		t.Errorf("%d are right, %s, %d connections made again: want 9, one time-out, one connection", r.Counts.OK, got, r.Counts.Reconnects)
	}
}

// A server that is gone is asked again after pauses, not as fast as it refuses.
func TestGone(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		c, err := lis.Accept()
		lis.Close()
		if err == nil {
			c.Close()
		}
	}()
	r := drives(t, lis.Addr().String(), drive.Plan{Conns: 1, Duration: 500 * time.Millisecond}, nil)
	if r.Counts.OK != 0 || r.Counts.Failed == 0 || r.Counts.Failed > 10 {
		t.Errorf("%d failed, want a few, with pauses between them: %v", r.Counts.Failed, r.Failed)
	}
}

func TestTargetOnUnixSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "read 0") })}
	go srv.Serve(lis)
	defer srv.Close()
	if r := drives(t, "unix:"+path, drive.Plan{Conns: 2, Count: 10}, nil); r.Counts.OK != 10 {
		t.Errorf("%d of 10 are right: %v", r.Counts.OK, r.Failed)
	}
}

func TestResolveRefusesOthers(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80"} {
		if a, err := links.Resolve(context.Background(), addr, false); err == nil {
			t.Errorf("%s is taken: %v", addr, a)
		}
		if _, err := links.Resolve(context.Background(), addr, true); err != nil {
			t.Errorf("%s is refused although it may be remote: %v", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:80", "[::1]:80", "127.3.2.1:80", "localhost:80", "unix:/tmp/x", "[::ffff:127.0.0.1]:80", ":80"} {
		if _, err := links.Resolve(context.Background(), addr, false); err != nil {
			t.Errorf("%s is refused: %v", addr, err)
		}
	}
}

func TestRequestIsChecked(t *testing.T) {
	for _, r := range []Request{
		{Path: drive.ParseTemplate("x")},
		{Path: drive.ParseTemplate("/a b")},
		{Method: "HEAD", Path: drive.ParseTemplate("/")},
		{Method: "GET /", Path: drive.ParseTemplate("/")},
		{Path: drive.ParseTemplate("/"), Fields: []string{"x"}},
		{Path: drive.ParseTemplate("/"), Fields: []string{"X: a\r\nY: b"}},
		{Path: drive.ParseTemplate("/"), Fields: []string{"content-length: 3"}},
	} {
		if err := r.Validate(); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}
