package resp

import (
	"bytes"
	"testing"
)

// naive takes a command apart in the simplest way there is: it looks for each line's end, and checks nothing.
func naive(in []byte, args [][]byte) ([][]byte, int) {
	p := 0
	number := func() int {
		i := bytes.IndexByte(in[p:], '\r')
		n := 0
		for _, c := range in[p+1 : p+i] {
			n = 10*n + int(c-'0')
		}
		p += i + 2
		return n
	}
	for range number() {
		n := number()
		args = append(args, in[p:p+n])
		p += n + 2
	}
	return args, p
}

func BenchmarkReadCommand(b *testing.B) {
	in := AppendCommand(nil, "INCR", "key:000000000042")
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		var r CommandReader
		var scratch [8][]byte
		l := defaults()
		for b.Loop() {
			if _, n, err := r.Read(in, scratch[:0], l); n == 0 || err != nil {
				b.Fatal(n, err)
			}
		}
	})
	b.Run("naive", func(b *testing.B) {
		b.ReportAllocs()
		var scratch [8][]byte
		for b.Loop() {
			if _, n := naive(in, scratch[:0]); n == 0 {
				b.Fatal(n)
			}
		}
	})
}

func BenchmarkReadCommandInPieces(b *testing.B) {
	in := AppendCommand(nil, "SET", "key:000000000042", string(make([]byte, 1<<20)))
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	var scratch [8][]byte
	l := defaults()
	for b.Loop() {
		var r CommandReader
		for end := 0; ; end = min(end+4096, len(in)) {
			_, n, err := r.Read(in[:end], scratch[:0], l)
			if err != nil {
				b.Fatal(err)
			}
			if n > 0 {
				break
			}
		}
	}
}

func BenchmarkReadReply(b *testing.B) {
	l := replyDefaults()
	for _, c := range []struct {
		name string
		in   []byte
	}{
		{"integer", AppendInt(nil, 123456)},
		{"bulk", AppendBulkString(nil, "0123456789abcdef")},
		{"array", AppendCommand(nil, "message", "room", "0123456789abcdef")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var r ReplyReader
			var v Value
			for b.Loop() {
				if n, err := r.Read(c.in, &v, l); n == 0 || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	var dst []byte
	key := []byte("key:000000000042")
	for b.Loop() {
		dst = AppendBulk(AppendInt(dst[:0], 123456), key)
	}
}
