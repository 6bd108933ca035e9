package wal_test

import (
	"bytes"
	"errors"
	"testing"

	"everloop/wal"
)

// headSize is a short entry's length and its header.
const headSize = 1 + 96

// FuzzRecovery overwrites part of a log with arbitrary bytes, cuts it and adds to it. Whatever happens, recovery
// finds a prefix of what was written or says that the log is damaged; where a claim covers the change it must
// say so; and what it accepts once it accepts again.
func FuzzRecovery(f *testing.F) {
	img := readImage(f, golden) // not a new one: its log ID is random
	whole := img[segment1]
	at := entries(whole)
	want := flat(threeBatches)
	claimed := at[len(at)-2] // everything before the last batch

	f.Add(uint16(0), uint16(len(whole)), []byte{1}, []byte{})
	f.Add(uint16(at[1]), uint16(len(whole)), []byte{0, 0, 0, 0}, []byte{})
	f.Add(uint16(at[2]+5), uint16(at[3]), []byte("EVLB"), []byte("EVLB"))
	f.Add(uint16(at[3]), uint16(at[3]), []byte{}, bytes.Clone(whole[at[2]:at[3]]))
	f.Add(uint16(at[3]), uint16(at[3]+20), []byte{}, bytes.Clone(whole[at[3]+20:]))
	f.Fuzz(func(t *testing.T, pos, cut uint16, over, tail []byte) {
		b := bytes.Clone(whole)
		copy(b[min(int(pos), len(b)):], over)
		b = append(b[:min(int(cut), len(b))], tail...)

		dir := ramDir(t)
		img.with(segment1, b).write(t, dir)
		rep, verr := wal.Verify(dir)
		l, got, _, err := tryOpen(dir, wal.Options{})
		if err != nil {
			if !errors.Is(err, wal.ErrCorrupt) || verr == nil || verr.Error() != err.Error() {
				t.Fatalf("Open: %v\nVerify: %v", err, verr)
			}
			return
		}
		defer l.Close()
		if verr != nil || int(rep.Records) != len(got) {
			t.Fatalf("Open finds %d records, Verify %d, %v", len(got), rep.Records, verr)
		}
		if len(got) > len(want) {
			t.Fatalf("%d records out of %d", len(got), len(want))
		}
		equal(t, got, want[:len(got)])
		// The last header still stands, and claims all before it: then none of that may be missing.
		if len(b) >= claimed+headSize && bytes.Equal(b[claimed:claimed+headSize], whole[claimed:claimed+headSize]) && len(got) < len(want)-1 {
			t.Fatalf("%d of %d records, although the rest was claimed", len(got), len(want))
		}
		put(t, l, "next")
		l.Close()
		l, again, _, err := tryOpen(dir, wal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		equal(t, again, append(got, "next"))
	})
}

// FuzzSegment has recovery read a segment of arbitrary bytes.
func FuzzSegment(f *testing.F) {
	img := readImage(f, golden) // not a new one: its log ID is random
	f.Add(bytes.Clone(img[segment1]))
	f.Add([]byte{})
	f.Add(make([]byte, 5000))
	f.Add(bytes.Repeat([]byte("EVLB"), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := ramDir(t)
		img.with(segment1, b).write(t, dir)
		l, got, rec, err := tryOpen(dir, wal.Options{})
		if err != nil {
			if !errors.Is(err, wal.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		l.Close()
		if rec.Bytes+rec.Torn != int64(len(b)) || uint64(len(got)) != rec.Records {
			t.Fatalf("%d bytes: recovery %+v", len(b), rec)
		}
	})
}
