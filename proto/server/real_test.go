package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/loop"
	"everloop/wal"
	"everloop/wal/waltest"
)

// These tests run on real sockets.

func onLoop(f func()) loop.Task { return loop.Func(f) }

type realConn struct {
	t testing.TB
	net.Conn
}

func dialReal(t testing.TB, r *onSockets) *realConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &realConn{t, c}
}

func (c *realConn) write(s string) {
	if _, err := io.WriteString(c.Conn, s); err != nil {
		c.t.Error("write:", err)
	}
}

// read waits for n bytes, for a short while.
func (c *realConn) read(n int) ([]byte, error) {
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Time{})
	b := make([]byte, n)
	_, err := io.ReadFull(c.Conn, b)
	return b, err
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func (c *realConn) readAll() string {
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(c.Conn)
	if err != nil {
		c.t.Error("read:", err)
	}
	return string(b)
}

// echo answers with the body of the request and its length.
var echo = text(func(r *engine.Request) *engine.Response {
	return &engine.Response{
		Header: engine.Header{{Name: "x-method", Value: r.Method}, {Name: "content-type", Value: r.Header.Get("content-type")}},
		Body:   r.Body,
	}
})

// TestNetHTTPClient has Go's client talk to the server: keep-alive, many at once, bodies either way, Expect.
func TestNetHTTPClient(t *testing.T) {
	for _, loops := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d loops", loops), func(t *testing.T) {
			r := newReal(t, loops, echo, Options{})
			tr := &http.Transport{MaxIdleConnsPerHost: 16, ExpectContinueTimeout: 10 * time.Second}
			defer tr.CloseIdleConnections()
			client := &http.Client{Transport: tr, Timeout: 30 * time.Second}
			var wg sync.WaitGroup
			for w := range 16 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := range 30 {
						size := []int{0, 1, 100, 5000, 1 << 20}[(w+i)%5]
						body := bytes.Repeat([]byte{byte('a' + w)}, size)
						var in io.Reader = bytes.NewReader(body)
						if i%3 == 0 {
							in = struct{ io.Reader }{in} // in chunks, as the client cannot tell the length
						}
						req, err := http.NewRequest("POST", "http://"+r.addr+"/echo", in)
						if err != nil {
							t.Error(err)
							return
						}
						if i%4 == 0 {
							req.Header.Set("Expect", "100-continue")
						}
						resp, err := client.Do(req)
						if err != nil {
							t.Errorf("worker %d, request %d: %v", w, i, err)
							return
						}
						got, err := io.ReadAll(resp.Body)
						resp.Body.Close()
						if err != nil || !bytes.Equal(got, body) || resp.StatusCode != 200 || resp.Header.Get("X-Method") != "POST" {
							t.Errorf("worker %d, request %d: %d bytes of %d, status %d, %v", w, i, len(got), size, resp.StatusCode, err)
							return
						}
					}
				}()
			}
			wg.Wait()
			if opened := r.srv.Metrics().Opened; opened > 32 {
				t.Errorf("%d connections for 16 workers: they were not kept alive", opened)
			}
		})
	}
}

// TestDescriptorsWait: more clients than there may be connections wait, and are all served.
func TestDescriptorsWait(t *testing.T) {
	var o Options
	o.Conn.MaxConns = 4
	r := newReal(t, 1, hello, o)
	var wg sync.WaitGroup
	for range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			io.WriteString(c, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
			c.SetReadDeadline(time.Now().Add(20 * time.Second))
			b, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200") {
				t.Errorf("%q, %v", b, err)
			}
		}()
	}
	wg.Wait()
}

// TestRefusalIsSeen: a client that is still sending sees why it was refused, and not a reset.
func TestRefusalIsSeen(t *testing.T) {
	r := newReal(t, 1, hello, Options{})
	c := dialReal(t, r)
	c.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		chunk := make([]byte, 64<<10)
		for range 50 {
			if _, err := c.Write(chunk); err != nil {
				return // refused by now: the server reads on for a while only
			}
		}
		c.Conn.(*net.TCPConn).CloseWrite()
	}()
	if got := c.readAll(); !strings.HasPrefix(got, "HTTP/1.1 413 ") || !strings.HasSuffix(got, "the body is too large\n") {
		t.Errorf("the client saw %q", got)
	}
	<-sent
}

// durable is the counter of the documentation.
type durable struct{ st *engine.State }

func (d *durable) Fetch(context.Context, *engine.Request) (*engine.Response, error) {
	var n int
	if _, err := d.st.Storage().Get("n", &n); err != nil {
		return nil, err
	}
	n++
	if err := d.st.Storage().Put("n", n); err != nil {
		return nil, err
	}
	return engine.TextResponse(200, strconv.Itoa(n)), nil
}

// byPath sends a request to the counter that its path names.
var byPath = engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
	return ev.Namespace("Counter").GetByName(pathOf(r.URL)).Fetch(ctx, r)
})

var counterClass = engine.ClassOf(func(st *engine.State) (*durable, error) { return &durable{st}, nil })

// TestDurableCounter is the whole way, on disk: no increment is lost or given twice.
func TestDurableCounter(t *testing.T) {
	pool, err := loop.New(loop.Options{Loops: 2, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Options{Pool: pool, Dir: t.TempDir(), Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register("Counter", counterClass); err != nil {
		t.Fatal(err)
	}
	s, err := New(e, byPath, Options{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen(pool, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const workers, each, counters = 8, 50, 3
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for i := range each {
				path := fmt.Sprintf("/c%d", (w+i)%counters)
				resp, err := client.Get("http://" + lis.Addr().String() + path)
				if err != nil {
					t.Error(err)
					return
				}
				b, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				mu.Lock()
				seen[path+"="+string(b)]++
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	if len(seen) != workers*each {
		t.Errorf("%d different answers to %d increments", len(seen), workers*each)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error("close the engine:", err)
	}
	if err := pool.Close(ctx); err != nil {
		t.Error("close the pool:", err)
	}
}

// TestFailedLog: what can no longer become durable is answered 503, and so is a write that there is no room for;
// what was answered before stays answered, and reads of what is durable go on.
func TestFailedLog(t *testing.T) {
	pool, err := loop.New(loop.Options{Loops: 1, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	var log *waltest.MemLog
	e, err := engine.Open(engine.Options{
		Pool: pool, Logger: discard,
		OpenLog: func(loops int, durable func(wal.LSN, error)) (engine.Log, error) {
			log = waltest.NewMemLog(waltest.MemOptions{Buffers: loops, Auto: true, OnDurable: durable})
			return log, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Register("Counter", counterClass); err != nil {
		t.Fatal(err)
	}
	s, err := New(e, byPath, Options{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	lis, err := s.Listen(pool, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = pool.Close(ended)
	}()
	ask := func(want int, body, retryAfter string) {
		t.Helper()
		resp, err := http.Get("http://" + lis.Addr().String() + "/a")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != want || string(b) != body || resp.Header.Get("Retry-After") != retryAfter {
			t.Errorf("%d %q, retry after %q: want %d %q %q", resp.StatusCode, b, resp.Header.Get("Retry-After"), want, body, retryAfter)
		}
	}
	ask(200, "1", "")
	log.SetNoSpace(true)
	ask(503, "Service Unavailable\n", "30")
	log.SetNoSpace(false)
	ask(200, "2", "")
	log.FailWrite(errors.New("the disk is gone"))
	ask(503, "Service Unavailable\n", "")
	ask(503, "Service Unavailable\n", "")
}
