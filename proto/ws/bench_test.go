package ws

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/klauspost/compress/flate"
)

// One masked text of 64 bytes, as a client sends it.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("masked-%d", size), func(b *testing.B) {
			in := AppendMaskedFrame(nil, OpText, likeJSON(size), testMask)
			r := NewReader(Options{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n, ev, err := r.Next(in); err != nil || n != len(in) || len(ev.Data) != size {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run("ping", func(b *testing.B) {
		in := AppendMaskedFrame(nil, OpPing, nil, testMask)
		r := NewReader(Options{})
		b.ReportAllocs()
		for b.Loop() {
			if _, ev, err := r.Next(in); err != nil || ev.Kind != Ping {
				b.Fatal(err)
			}
		}
	})
}

var allocated []byte

// What a message of 64 bytes costs to allocate, whoever reads it: to be taken off BenchmarkRead.
func BenchmarkAllocate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		allocated = make([]byte, 64)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		data := likeJSON(size)
		buf := make([]byte, 0, size+MaxHeaderBytes)
		b.Run(fmt.Sprintf("plain-%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendFrame(buf[:0], OpText, data)
			}
		})
		b.Run(fmt.Sprintf("masked-%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendMaskedFrame(buf[:0], OpText, data, testMask)
			}
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			in := FullWindow.AppendMaskedMessage(nil, true, likeJSON(size), testMask)
			if in[0]&bitRSV1 == 0 {
				b.Skip("not compressed")
			}
			r := NewReader(Options{Deflate: true})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, ev, err := r.Next(in); err != nil || len(ev.Data) != size {
					b.Fatal(err)
				}
			}
		})
	}
}

// Ways to compress one message without a context: the one that is used, and writers of flate from a pool. bytes/op is what is
// sent; B/op does not show what a pooled writer keeps, which is 0.3 to 1.2 MB.
func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{64, 128, 256, 1 << 10, 16 << 10, 256 << 10} {
		data := likeJSON(size)
		for d := Deflate(9); d <= FullWindow; d += 3 {
			b.Run(fmt.Sprintf("stateless-%d/window-%d", size, d), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var sent int
				buf := make([]byte, 0, size+MaxHeaderBytes)
				for b.Loop() {
					buf = d.AppendMessage(buf[:0], true, data)
					sent = len(buf)
				}
				b.ReportMetric(float64(sent), "bytes/op")
			})
		}
		for _, level := range []int{1, 5} {
			b.Run(fmt.Sprintf("writer-%d/level-%d", size, level), func(b *testing.B) {
				var out bytes.Buffer
				w, err := flate.NewWriter(&out, level)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					out.Reset()
					w.Reset(&out)
					_, _ = w.Write(data)
					_ = w.Flush()
				}
				b.ReportMetric(float64(out.Len()), "bytes/op")
			})
		}
	}
}
