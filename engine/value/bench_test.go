package value

import (
	"strings"
	"testing"
)

// object1K is a plain object of about 1 KB, as a program would keep it: names, numbers, strings, a list.
func object1K() Object {
	o := Object{
		{"id", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"},
		{"count", int64(42)},
		{"score", 17.25},
		{"active", true},
		{"parent", nil},
		{"name", "Ada Lovelace"},
		{"text", strings.Repeat("lorem ipsum ", 40)},
	}
	var members []any
	for i := range 12 {
		members = append(members, map[string]any{"n": int64(i), "who": "member"})
	}
	return append(o, Property{"members", members}, Property{"tags", []any{"a", "b", "c"}}, Property{"at", "2026-11-24T06:00:00Z"})
}

func BenchmarkAppendInt(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		buf = AppendInt(buf[:0], n&1023)
		n++
	}
}

func BenchmarkAppendNumber(b *testing.B) {
	for name, f := range map[string]float64{"int": 1234, "half": 1.5, "double": 0.1} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendNumber(buf[:0], f)
			}
		})
	}
}

func BenchmarkAppendString(b *testing.B) {
	buf := make([]byte, 0, 64)
	latin1, utf16 := []byte("short string"), []uint16{'s', 'h', 'o', 'r', 't', 0x20ac, 's', 't', 'r', 'i', 'n', 'g'}
	b.Run("utf8", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = AppendString(buf[:0], "short string")
		}
	})
	b.Run("latin1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = AppendLatin1(buf[:0], latin1)
		}
	})
	b.Run("utf16", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = AppendUTF16(buf[:0], utf16)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	object, err := Marshal(object1K())
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name string
		data []byte
	}{{"int", AppendInt(nil, 42)}, {"string", AppendString(nil, "short string")}, {"object1K", object}} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.data)))
			b.ReportAllocs()
			for b.Loop() {
				r := NewReader(bb.data)
				for r.Next().Kind != KindEnd {
				}
				if err := r.Finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type benchArgs struct {
	ID    string `cbor:"id"`
	Count int    `cbor:"count"`
	By    int    `cbor:"by"`
}

func BenchmarkMarshal(b *testing.B) {
	for _, bb := range []struct {
		name string
		v    any
	}{{"int", 42}, {"string", "short string"}, {"struct", benchArgs{"abc", 1, 2}}, {"object1K", object1K()}} {
		b.Run(bb.name, func(b *testing.B) {
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, err = Append(buf[:0], bb.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	must := func(v any) []byte {
		data, err := Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		return data
	}
	run := func(name string, data []byte, into any) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := Unmarshal(data, into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("int", must(42), new(int))
	run("string", must("short string"), new(string))
	run("struct", must(benchArgs{"abc", 1, 2}), new(benchArgs))
	run("object1K", must(object1K()), new(any))
}

func BenchmarkFormat(b *testing.B) {
	data, err := Marshal(object1K())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	buf := make([]byte, 0, 8192)
	for b.Loop() {
		buf = AppendFormat(buf[:0], data, MaxFormat)
	}
}
