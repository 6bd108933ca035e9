package client

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"

	"everloop/proto/resp"
)

// echoServer answers every call with 1, in one write for whatever has come in one read. It allocates nothing for a call.
func echoServer(b *testing.B) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				var (
					r      resp.CommandReader
					limits resp.Limits
					buf    = make([]byte, 256<<10)
					args   = make([][]byte, 0, 16)
					end    int
					out    = bufio.NewWriterSize(nc, 64<<10)
				)
				limits.EnsureDefaults()
				for {
					start := 0
					for {
						a, n, err := r.Read(buf[start:end], args[:0], &limits)
						if err != nil {
							return
						}
						if n == 0 {
							break
						}
						start += n
						switch string(a[0]) {
						case "HELLO":
							out.WriteString("%0\r\n")
						case "CLIENT":
							out.WriteString("+OK\r\n")
						default:
							out.WriteString("$1\r\n\x01\r\n")
						}
					}
					end = copy(buf, buf[start:end])
					if out.Flush() != nil {
						return
					}
					k, err := nc.Read(buf[end:])
					if err != nil {
						return
					}
					end += k
				}
			})
		}
	})
	b.Cleanup(func() { lis.Close(); wg.Wait() })
	return lis.Addr().String()
}

func benchClient(b *testing.B, o Options) Object {
	o.Address = echoServer(b)
	c, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	obj := c.Class("Counter").Get("a")
	if _, err := obj.CallRaw(context.Background(), nil, "add", nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	return obj
}

// One goroutine, one call at a time.
func BenchmarkCall(b *testing.B) {
	o := benchClient(b, Options{Conns: 1})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for b.Loop() {
		var n int
		if err := o.Call(ctx, "add", &n, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// 64 goroutines share a connection.
func BenchmarkCallParallel(b *testing.B) {
	o := benchClient(b, Options{Conns: 1})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		var buf []byte
		for pb.Next() {
			var err error
			if buf, err = o.CallRaw(ctx, buf[:0], "add", addOne); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// restart starts the next call where the last one has ended.
type restart struct {
	o    Object
	left int
	end  *sync.WaitGroup
}

var addOne = []byte{0x81, 1}

func (r *restart) Done(_ []byte, err error) {
	if r.left--; r.left <= 0 || err != nil {
		r.end.Done()
		return
	}
	if r.o.Start("add", addOne, r) != nil {
		r.end.Done()
	}
}

// 64 calls are always under way, without goroutines.
func BenchmarkStart(b *testing.B) {
	o := benchClient(b, Options{Conns: 1})
	var end sync.WaitGroup
	end.Add(64)
	for range 64 {
		if err := o.Start("add", addOne, &restart{o, max(b.N/64, 1), &end}); err != nil {
			b.Fatal(err)
		}
	}
	end.Wait()
}
