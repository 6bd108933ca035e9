package wal_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

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
		told := rec.Bytes + rec.Torn
		if rest := b[min(told, int64(len(b))):]; len(bytes.TrimLeft(rest, "\x00")) == 0 {
			told += int64(len(rest)) // room
		}
		if told != int64(len(b)) || uint64(len(got)) != rec.Records {
			t.Fatalf("%d bytes: recovery %+v", len(b), rec)
		}
	})
}

// FuzzRecoveryOfSnapshot changes one file of a directory with three generations and a snapshot: the manifest, the snapshot, a segment that a start reads or one that only
// time travel does. Whatever happens, a start finds what was written, or that without the last batch, which nothing vouches for, or it refuses; Verify says the same, and what is
// accepted once is accepted again.
func FuzzRecoveryOfSnapshot(f *testing.F) {
	img := readImage(f, golden2)
	names := slices.Sorted(maps.Keys(img))
	for i, name := range names {
		size := uint16(len(img[name]))
		f.Add(uint8(i), uint16(0), size, []byte{1}, []byte{})
		f.Add(uint8(i), size/2, size, []byte{0, 0, 0, 0}, []byte{})
		f.Add(uint8(i), size, size/2, []byte{}, []byte("EVLSEND\n"))
		f.Add(uint8(i), size, size, []byte{}, bytes.Clone(img[names[(i+1)%len(names)]]))
	}
	whole := map[string]string{"kept": "1", "changed": "3", "last": "1"}
	cut := map[string]string{"kept": "1", "changed": "3"}
	o := wal.Options{Logger: quiet, Retain: wal.Retain{Age: 1000000 * time.Hour, Bytes: 1 << 20}}
	f.Fuzz(func(t *testing.T, file uint8, pos, end uint16, over, tail []byte) {
		name := names[int(file)%len(names)]
		b := bytes.Clone(img[name])
		copy(b[min(int(pos), len(b)):], over)
		b = append(b[:min(int(end), len(b))], tail...)
		dir := ramDir(t)
		img.with(name, b).write(t, dir)
		rep, verr := wal.Verify(dir)
		k, rec, err := openKeeper(dir, o)
		if err != nil {
			if verr == nil || errors.Is(err, wal.ErrCorrupt) != errors.Is(verr, wal.ErrCorrupt) || !errors.Is(err, wal.ErrCorrupt) && !errors.Is(err, wal.ErrNewer) {
				t.Fatalf("%s: Open: %v\nVerify: %v", name, err, verr)
			}
			return
		}
		defer k.l.Close()
		if verr != nil || rep.Last != rec.Last || rec.SnapshotRecords != 3 {
			t.Fatalf("%s: Open finds %+v, Verify %+v, %v", name, rec, rep, verr)
		}
		if !maps.Equal(k.state, whole) && (!maps.Equal(k.state, cut) || rec.Torn == 0 && len(b) >= len(img[name])) {
			t.Fatalf("%s: %v, %+v", name, k.state, rec)
		}
		must(t, k.say("next=1"))
		must(t, k.commit())
		must(t, k.l.Close())
		again, _, err := openKeeper(dir, o)
		must(t, err)
		defer again.l.Close()
		if !maps.Equal(again.state, k.state) {
			t.Fatalf("%s: %v, and then %v", name, k.state, again.state)
		}
	})
}
