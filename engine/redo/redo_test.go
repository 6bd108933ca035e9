package redo

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew; read the diff afterwards")

func testID() *[IDSize]byte {
	var id [IDSize]byte
	for i := range id {
		id[i] = byte(i)
	}
	return &id
}

func samples() []struct {
	name   string
	record []byte
} {
	id := testID()
	return []struct {
		name   string
		record []byte
	}{
		{"object without operations", AppendObject(nil, 1, id)},
		{"object, empty name", AppendNamedObject(nil, 1, id, "")},
		{"the example of the format page", AppendSetAlarm(AppendPut(AppendNamedObject(nil, 1, id, "room"), "n", []byte{3}), 1000)},
		{"largest class number", AppendDelete(AppendObject(nil, 1<<32-1, id), "gone")},
		{"every operation", AppendDeleteAlarm(AppendSetAlarm(AppendDelete(AppendPut(AppendDeleteAll(
			AppendObject(nil, 300, id)), "", nil), "\xff\x00"), -1))},
		{"long key and value", AppendPut(AppendObject(nil, 2, id), strings.Repeat("k", 200), bytes.Repeat([]byte{7}, 300))},
		{"alarm between two runs", AppendRetryAlarm(AppendObject(nil, 2, id), 1000, 3, 1<<40)},
		{"alarm that was given up", AppendDeleteAlarm(AppendFailAlarm(AppendObject(nil, 2, id), -1000, 1<<32-1, 2000, "no \xff luck"))},
		{"alarm at the end of time", AppendSetAlarm(AppendObject(nil, 2, id), 8_640_000_000_000_000)},
		{"define class", AppendDefineClass(nil, 7, "worker-Counter", "Counter")},
		{"migration", AppendMigration(nil, "v1", []byte{0xf6})},
		{"migration without details", AppendMigration(nil, "v2", nil)},
		{"class counter", AppendClassCounter(nil, 300)},
	}
}

// TestGolden holds the encodings still: what is in a log today must be readable tomorrow.
func TestGolden(t *testing.T) {
	printer := &Printer{ClassName: func(c uint32) string {
		if c == 1 {
			return "Room"
		}
		return ""
	}}
	var got strings.Builder
	for _, s := range samples() {
		r, err := Parse(s.record)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		fmt.Fprintf(&got, "# %s\n%s\n%s\n\n", s.name, hex.EncodeToString(s.record), printer.Append(nil, &r))
	}
	path := filepath.Join("testdata", "records.golden")
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the encoding or its text has changed:\n%s\nwant\n%s", got.String(), want)
	}
}

// appendRecord writes a parsed record anew.
func appendRecord(dst []byte, r *Record) []byte {
	switch r.Kind {
	case KindObject:
		if r.HasName {
			dst = AppendNamedObject(dst, r.Class, r.ID, string(r.Name))
		} else {
			dst = AppendObject(dst, r.Class, r.ID)
		}
		for ops := r.Ops(); ops.Next(); {
			switch ops.Op {
			case OpPut:
				dst = AppendPut(dst, string(ops.Key), ops.Value)
			case OpDelete:
				dst = AppendDelete(dst, string(ops.Key))
			case OpDeleteAll:
				dst = AppendDeleteAll(dst)
			case OpSetAlarm:
				dst = AppendSetAlarm(dst, ops.TimeMs)
			case OpDeleteAlarm:
				dst = AppendDeleteAlarm(dst)
			case OpRetryAlarm:
				dst = AppendRetryAlarm(dst, ops.TimeMs, ops.Runs, ops.NextMs)
			case OpFailAlarm:
				dst = AppendFailAlarm(dst, ops.TimeMs, ops.Runs, ops.NextMs, string(ops.Error))
			}
		}
	case KindDefineClass:
		dst = AppendDefineClass(dst, r.Class, string(r.UniqueKey), string(r.ClassName))
	case KindMigration:
		dst = AppendMigration(dst, string(r.Tag), r.Details)
	case KindClassCounter:
		dst = AppendClassCounter(dst, r.Class)
	}
	return dst
}

func TestEveryCut(t *testing.T) {
	for _, s := range samples() {
		r, err := Parse(s.record)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if again := appendRecord(nil, &r); !bytes.Equal(again, s.record) {
			t.Errorf("%s: %x became %x", s.name, s.record, again)
		}
		for n := range s.record {
			r, err := Parse(s.record[:n])
			if err == nil {
				// Only a cut between two operations gives a record, and then exactly the operations before it.
				if r.Kind != KindObject || !bytes.Equal(appendRecord(nil, &r), s.record[:n]) {
					t.Errorf("%s: cut at %d was accepted", s.name, n)
				}
				continue
			}
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("%s: cut at %d: %v", s.name, n, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	object := AppendObject(nil, 1, testID())
	with := func(tail ...byte) []byte { return append(bytes.Clone(object), tail...) }
	tests := []struct {
		name   string
		record []byte
		err    error
		offset int
		text   string
	}{
		{"nothing", nil, ErrTruncated, 0, "empty record"},
		{"zeros", make([]byte, 8), ErrUnknown, 0, "unknown record kind 0x00"},
		{"reserved kind", []byte{0x05, 1}, ErrUnknown, 0, "unknown record kind 0x05"},
		{"kind above all", []byte{0xff}, ErrUnknown, 0, "0xff"},
		{"zero operation", with(0), ErrUnknown, len(object), "unknown operation 0x00"},
		{"reserved operation", with(byte(OpDeleteAll), 0x08), ErrUnknown, len(object) + 1, "unknown operation 0x08"},
		{"retries above 32 bits", with(byte(OpRetryAlarm), 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0), ErrMalformed, len(object) + 2, "number of retries 4294967296"},
		{"class 0", []byte{1, 0}, ErrMalformed, 1, "class number 0"},
		{"class above 32 bits", []byte{2, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0}, ErrMalformed, 1, "class number 4294967296"},
		{"long form", with(byte(OpDelete), 0x81, 0x00, 'k'), ErrMalformed, len(object) + 1, "shortest form"},
		{"number of 65 bits", with(byte(OpSetAlarm), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02), ErrMalformed, len(object) + 1, "64 bits"},
		{"huge length", with(byte(OpPut), 1, 'k', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), ErrTruncated, len(object) + 13, "value of 18446744073709551615 bytes"},
		{"tail behind a class", append(AppendDefineClass(nil, 1, "k", "n"), 0), ErrMalformed, 6, "1 bytes too many"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.record)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, tt.err) || e.Offset != tt.offset || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %v at %d with %q", tt.name, err, tt.err, tt.offset, tt.text)
		}
	}
}

func TestPutSize(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 16383, 16384} {
		key, value := strings.Repeat("k", n), make([]byte, n+1)
		if got, want := PutSize(key, value), len(AppendPut(nil, key, value)); got != want {
			t.Errorf("%d: %d, want %d", n, got, want)
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	id, value := testID(), make([]byte, 16)
	if n := testing.AllocsPerRun(100, func() {
		b := AppendNamedObject(buf, 1, id, "room")
		b = AppendPut(b, "key", value)
		b = AppendSetAlarm(b, 1)
		r, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		for ops := r.Ops(); ops.Next(); {
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.record)
	}
	printer := &Printer{}
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := Parse(record)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(record) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := appendRecord(nil, &r); !bytes.Equal(again, record) {
			t.Fatalf("%x became %x", record, again)
		}
		printer.Append(nil, &r)
	})
}

func BenchmarkAppend(b *testing.B) {
	buf, id, value := make([]byte, 0, 256), testID(), make([]byte, 16)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendPut(AppendObject(buf[:0], 1, id), "count", value)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParse(b *testing.B) {
	record := AppendPut(AppendObject(nil, 1, testID()), "count", make([]byte, 16))
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Parse(record)
		if err != nil {
			b.Fatal(err)
		}
		for ops := r.Ops(); ops.Next(); {
		}
	}
}
