package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"everloop/engine"
	"everloop/loop"
)

const benchRequest = "GET /counter/42?x=1 HTTP/1.1\r\nHost: localhost:8787\r\nUser-Agent: bench/1\r\nAccept: */*\r\n\r\n"

var helloResponse = engine.TextResponse(200, "Hello, world")

// helloEntry is an entry point without coroutine: what it costs is the server's and the engine's.
var helloEntry = serveFunc(func(ev *engine.Event) { ev.Respond(helloResponse) })

// BenchmarkHelloStepped is one request there and back on a stepped loop: no system call.
func BenchmarkHelloStepped(b *testing.B) {
	for _, pipeline := range []int{1, 16} {
		b.Run(fmt.Sprintf("pipeline=%d", pipeline), func(b *testing.B) {
			start := time.Now()
			s := newStepped(b, 1, 1, helloEntry, Options{Logger: discard, Nanos: func() int64 { return int64(time.Since(start)) }})
			p := s.dial()
			in := []byte(strings.Repeat(benchRequest, pipeline))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Write(in)
				s.pool.Run()
				p.Read()
			}
			perRequest(b, pipeline)
		})
	}
}

func perRequest(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/request")
}

// load keeps conns connections busy with pipelined requests until b has had its fill.
func load(b *testing.B, addr string, conns, pipeline int, request string) {
	b.Helper()
	b.ReportAllocs()
	in := []byte(strings.Repeat(request, pipeline))
	work := make(chan struct{})
	ended := make(chan error, conns)
	for range conns {
		go func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				ended <- err
				return
			}
			defer c.Close()
			r := bufio.NewReaderSize(c, 64<<10)
			for range work {
				if _, err := c.Write(in); err != nil {
					ended <- err
					return
				}
				for range pipeline {
					if err := skipResponse(r); err != nil {
						ended <- err
						return
					}
				}
			}
			ended <- nil
		}()
	}
	cpu := cpuTime(b)
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	for range conns {
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
	perRequest(b, pipeline)
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N*pipeline), "cpu-ns/request")
}

// cpuTime is what this process has used, its clients included: the steadier figure where others share the machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// skipResponse reads one response whose body has a length, as cheaply as it can.
func skipResponse(r *bufio.Reader) error {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		if len(line) > 16 && (line[0] == 'c' || line[0] == 'C') && (line[8] == 'l' || line[8] == 'L') {
			for _, d := range line[16 : len(line)-2] {
				length = length*10 + int(d-'0')
			}
		}
	}
	_, err := r.Discard(length)
	return err
}

// BenchmarkLoopback is the same over sockets, beside fasthttp and net/http.
func BenchmarkLoopback(b *testing.B) {
	const conns = 64
	for _, pipeline := range []int{1, 16} {
		b.Run(fmt.Sprintf("hello/pipeline=%d", pipeline), func(b *testing.B) {
			load(b, newReal(b, 1, helloEntry, Options{}).addr, conns, pipeline, benchRequest)
		})
		b.Run(fmt.Sprintf("coroutine/pipeline=%d", pipeline), func(b *testing.B) {
			entry := engine.EntrypointFunc(func(context.Context, *engine.Event, *engine.Request) (*engine.Response, error) {
				return helloResponse, nil
			})
			load(b, newReal(b, 1, entry, Options{}).addr, conns, pipeline, benchRequest)
		})
		b.Run(fmt.Sprintf("fasthttp/pipeline=%d", pipeline), func(b *testing.B) {
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			body := []byte("Hello, world")
			srv := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
				ctx.SetContentType("text/plain;charset=UTF-8")
				ctx.SetBody(body)
			}}
			go srv.Serve(lis)
			defer srv.Shutdown()
			load(b, lis.Addr().String(), conns, pipeline, benchRequest)
		})
	}
	b.Run("nethttp/pipeline=1", func(b *testing.B) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Hello, world") })}
		go srv.Serve(lis)
		defer srv.Close()
		load(b, lis.Addr().String(), conns, 1, benchRequest)
	})
}

// BenchmarkDurableCounter is the counter of the documentation, on disk, with an fsync before each answer. One
// hundred thousand objects would measure the map as well; 1,000 is what the target speaks of.
func BenchmarkDurableCounter(b *testing.B) {
	for _, objects := range []int{1, 1000} {
		for _, pipeline := range []int{1, 16} {
			b.Run(fmt.Sprintf("objects=%d/pipeline=%d", objects, pipeline), func(b *testing.B) {
				pool, err := loop.New(loop.Options{Loops: 1, Logger: discard})
				if err != nil {
					b.Fatal(err)
				}
				e, err := engine.Open(engine.Options{Pool: pool, Dir: b.TempDir(), Logger: discard})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := e.Register("Counter", counterClass); err != nil {
					b.Fatal(err)
				}
				names := make([]string, objects)
				for i := range names {
					names[i] = fmt.Sprintf("c%d", i)
				}
				next := 0
				entry := engine.EntrypointFunc(func(ctx context.Context, ev *engine.Event, r *engine.Request) (*engine.Response, error) {
					next++
					return ev.Namespace("Counter").GetByName(names[next%objects]).Fetch(ctx, r)
				})
				s, err := New(e, entry, Options{Logger: discard})
				if err != nil {
					b.Fatal(err)
				}
				lis, err := s.Listen(pool, "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				load(b, lis.Addr().String(), 64, pipeline, benchRequest)
				b.StopTimer()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				if err := e.Close(ctx); err != nil {
					b.Error(err)
				}
				_ = pool.Close(ctx) // aborts nothing: the clients have gone
			})
		}
	}
}
