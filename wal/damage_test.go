package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"everloop/wal"
)

// image is a data directory in memory, without room: where its batches end is what the tests go by.
type image map[string][]byte

func readImage(t testing.TB, dir string) image {
	t.Helper()
	img := image{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "LOCK" {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		if strings.Contains(rel, "/gen-") {
			b = b[:roomAt(b)]
		}
		img[rel] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// roomAt is where the room of a segment begins, or its length.
func roomAt(b []byte) int {
	for pos := 0; pos < len(b); {
		size, k := binary.Uvarint(b[pos:])
		if size == 0 && len(bytes.TrimLeft(b[pos:], "\x00")) == 0 {
			return pos
		}
		if k <= 0 || size == 0 || size > uint64(len(b)-pos) {
			break
		}
		pos += k + int(size)
	}
	return len(b)
}

// write puts the image in the place of dir.
func (img image) write(t testing.TB, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, b := range img {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

// with is a copy in which one file is another.
func (img image) with(name string, b []byte) image {
	out := image{}
	for n, old := range img {
		out[n] = old
	}
	if out[name] = b; b == nil {
		delete(out, name)
	}
	return out
}

// logImage is a log that was killed after its last batch: records, in batches of batches[i], all of them
// reported durable. File names one of its segments.
func logImage(t testing.TB, o wal.Options, batches ...[]string) image {
	t.Helper()
	dir := ramDir(t)
	o.MaxDelay, o.Idle = time.Hour, time.Hour
	l, _, _ := open(t, dir, o)
	for _, b := range batches {
		put(t, l, b...)
	}
	img := readImage(t, dir)
	l.Close()
	return img
}

const (
	segment1 = "p0/gen-0000000001/00000000000000000001"
	manifest = "p0/MANIFEST"
)

// entries are the offsets at which batches start in a segment, and its length.
func entries(b []byte) []int {
	var at []int
	for pos := 0; pos < len(b); {
		at = append(at, pos)
		size, k := binary.Uvarint(b[pos:])
		pos += k + int(size)
	}
	return append(at, len(b))
}

func flat(batches [][]string) []string {
	var out []string
	for _, b := range batches {
		out = append(out, b...)
	}
	return out
}

var threeBatches = [][]string{{"one", "two"}, {"three", "", "five"}, {"six", strings.Repeat("seven", 30)}, {"eight"}}

// golden is a data directory of version 1 that was written once and must be readable for ever. This program cannot write
// such a one any more.
const golden = "testdata/v1"

func TestGoldenDirectory(t *testing.T) {
	img, dir := readImage(t, golden), ramDir(t)
	rep, err := wal.Verify(golden)
	if err != nil || rep.Batches != 4 || rep.Records != 8 || rep.Claim != 7 || rep.Manifest.Epoch != 1 || rep.Torn != 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	img.write(t, dir)
	l, got, _ := open(t, dir, wal.Options{})
	equal(t, got, flat(threeBatches))
	put(t, l, "more")
}

// A log that is cut at any byte of its last two batches comes back with the records of the complete ones, and
// goes on.
func TestTornTailAtEveryByte(t *testing.T) {
	img := logImage(t, wal.Options{}, threeBatches...)
	whole := img[segment1]
	at := entries(whole)
	n := len(threeBatches)
	dir := ramDir(t)
	for cut := at[n-2]; cut <= len(whole); cut++ {
		for _, tail := range []struct {
			name  string
			bytes []byte
		}{
			{"cut", nil},
			{"zeros", make([]byte, len(whole)-cut)},
			{"more zeros", make([]byte, 5000)},
			{"rubbish", bytes.Repeat([]byte{0xff}, 40)},
		} {
			complete, end := n-2, at[n-2]
			if cut >= at[n-1] {
				complete, end = n-1, at[n-1]
			}
			if cut == at[n] {
				complete, end = n, at[n]
			}
			size := cut + len(tail.bytes)
			if b := append(whole[end:cut:cut], tail.bytes...); len(bytes.TrimLeft(b, "\x00")) == 0 {
				size = end // room, of which nobody is told
			}
			img.with(segment1, append(whole[:cut:cut], tail.bytes...)).write(t, dir)
			name := fmt.Sprintf("%s at %d", tail.name, cut)

			if rep, err := wal.Verify(dir); err != nil || rep.Torn != int64(size-end) {
				t.Fatalf("%s: Verify: %+v, %v", name, rep, err)
			}
			l, got, rec, err := tryOpen(dir, wal.Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := flat(threeBatches[:complete])
			equal(t, got, want)
			if rec.Torn != int64(size-end) || rec.Torn > 0 && (rec.TornFile != segment1 || rec.TornAt != int64(end) || rec.TornErr == nil) {
				t.Fatalf("%s: recovery %+v, want %d bytes cut", name, rec, size-end)
			}
			put(t, l, "next")
			l.Close()
			l, got, rec, err = tryOpen(dir, wal.Options{})
			if err != nil || rec.Torn != 0 || rec.Epoch != 3 {
				t.Fatalf("%s: second start: %+v, %v", name, rec, err)
			}
			equal(t, got, append(want, "next"))
			l.Close()
		}
	}
}

// refused opens a damaged directory, and requires that it is refused with the place, and not changed.
func refused(t *testing.T, dir, file string, offset int64) error {
	t.Helper()
	before := readImage(t, dir)
	_, _, rec, err := tryOpen(dir, wal.Options{})
	var c *wal.CorruptionError
	if !errors.As(err, &c) || !errors.Is(err, wal.ErrCorrupt) {
		t.Fatalf("start of a damaged log: %v, recovery %+v", err, rec)
	}
	if c.Dir != dir || c.File != file || c.Offset != offset || !strings.Contains(err.Error(), filepath.Join(dir, file)) {
		t.Fatalf("%v\nwant %s at %d", err, file, offset)
	}
	_, verr := wal.Verify(dir)
	if verr == nil || verr.Error() != err.Error() {
		t.Fatalf("Verify: %v\nOpen: %v", verr, err)
	}
	after := readImage(t, dir)
	for name := range before {
		if !bytes.Equal(before[name], after[name]) {
			t.Fatalf("%s was changed", name)
		}
	}
	return err
}

// Every bit at or below a claim is watched over: by the claim of the next batch, or by the manifest's floor after
// an orderly close.
func TestEveryBitFlipBelowTheClaimIsRefused(t *testing.T) {
	img := logImage(t, wal.Options{}, threeBatches...)
	whole := img[segment1]
	at := entries(whole)
	dir := ramDir(t)
	last := at[len(at)-2]
	for pos := range whole {
		start := 0
		for _, a := range at {
			if a <= pos {
				start = a
			}
		}
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[pos] ^= 1 << bit
			img.with(segment1, b).write(t, dir)
			if pos < last {
				refused(t, dir, segment1, int64(start))
				continue
			}
			// The last batch: nothing tells it from a torn write, so it is cut, or refused; never believed.
			l, got, _, err := tryOpen(dir, wal.Options{})
			if err == nil {
				equal(t, got, flat(threeBatches[:len(threeBatches)-1]))
				l.Close()
			} else if !errors.Is(err, wal.ErrCorrupt) {
				t.Fatal(err)
			}
		}
	}
}

func TestAfterCloseEveryBitIsWatched(t *testing.T) {
	dir := ramDir(t)
	l, _, _ := open(t, dir, wal.Options{})
	put(t, l, "a", "b")
	l.Close()
	img := readImage(t, dir)
	for _, file := range []string{segment1, manifest} {
		for pos := range img[file] {
			b := bytes.Clone(img[file])
			b[pos] ^= 1 << (pos % 8)
			img.with(file, b).write(t, dir)
			if _, _, _, err := tryOpen(dir, wal.Options{}); !errors.Is(err, wal.ErrCorrupt) {
				t.Fatalf("byte %d of %s: %v", pos, file, err)
			}
		}
		for cut := range img[file] {
			img.with(file, img[file][:cut]).write(t, dir)
			if _, _, _, err := tryOpen(dir, wal.Options{}); !errors.Is(err, wal.ErrCorrupt) {
				t.Fatalf("%s cut to %d: %v", file, cut, err)
			}
		}
	}
}

// The idle batch alone protects the last records, without a close.
func TestIdleBatchProtectsTheLastRecords(t *testing.T) {
	live, dir := ramDir(t), ramDir(t)
	var img image
	synctest.Test(t, func(t *testing.T) {
		l, _, err := openIn(live, wal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		put(t, l, "a")
		time.Sleep(time.Second)
		synctest.Wait()
		img = readImage(t, live)
		l.Close()
	})
	b := bytes.Clone(img[segment1])
	b[97] ^= 1
	img.with(segment1, b).write(t, dir)
	err := refused(t, dir, segment1, 0)
	if !strings.Contains(err.Error(), "a later batch at offset") {
		t.Fatal(err)
	}
}

func TestDamagedSegments(t *testing.T) {
	o := wal.SmallSegments(wal.Options{}, 300)
	var batches [][]string
	for i := range 9 {
		batches = append(batches, []string{strings.Repeat(string(rune('a'+i)), 100)})
	}
	img := logImage(t, o, batches...)
	name := func(seq int) string { return fmt.Sprintf("p0/gen-0000000001/%020d", seq) }
	// Two batches of 198 bytes a segment: 1, 3, 5, 7, 9.
	for _, seq := range []int{1, 3, 5, 7, 9} {
		if img[name(seq)] == nil {
			t.Fatalf("segment %d is missing; there are %d files", seq, len(img))
		}
	}
	dir := ramDir(t)
	middle := img[name(3)]
	second := int64(entries(middle)[1])
	for what, c := range map[string]struct {
		img    image
		file   string
		offset int64
	}{
		"missing":         {img.with(name(3), nil), name(3), 0},
		"first missing":   {img.with(name(1), nil), name(1), 0},
		"short by a byte": {img.with(name(3), middle[:len(middle)-1]), name(3), second},
		"short by a batch": {
			img.with(name(3), middle[:second]), name(4), 0,
		},
		"empty":         {img.with(name(3), []byte{}), name(3), 0},
		"zeros behind":  {img.with(name(3), append(bytes.Clone(middle), 0, 0)), name(3), int64(len(middle))},
		"swapped":       {img.with(name(3), img[name(5)]), name(3), 0},
		"last swapped":  {img.with(name(9), img[name(7)][:second]), name(9), 0},
		"tidwall start": {img.with(name(3)+".START", []byte{}), name(3) + ".START", 0},
		"overlap":       {img.with(name(2), img[name(3)]), name(2), 0},
		"no manifest":   {img.with(manifest, nil), manifest, 0},
	} {
		t.Run(what, func(t *testing.T) {
			c.img.write(t, dir)
			if what == "no manifest" {
				if _, _, _, err := tryOpen(dir, o); !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), "manifest is missing") {
					t.Fatal(err)
				}
				return
			}
			refused(t, dir, c.file, c.offset)
		})
	}
	t.Run("last missing", func(t *testing.T) {
		// The last segment was made durable before anything in it was; its absence alone is like a crash before
		// that, unless the manifest knows better.
		img.with(name(9), nil).write(t, dir)
		l, got, _, err := tryOpen(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, flat(batches[:8]))
		put(t, l, "on")
		l.Close()
		l, got, _, err = tryOpen(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		equal(t, got, append(flat(batches[:8]), "on"))
		if err := os.Remove(filepath.Join(dir, name(9))); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, dir, name(7), int64(len(img[name(7)]))); !strings.Contains(err.Error(), "the manifest knows") {
			t.Fatal(err)
		}
	})
	t.Run("other log", func(t *testing.T) {
		other := logImage(t, o, batches...)
		img.with(name(1), other[name(1)]).write(t, dir)
		if err := refused(t, dir, name(1), 0); !strings.Contains(err.Error(), "another log") {
			t.Fatal(err)
		}
	})
	t.Run("older manifest", func(t *testing.T) {
		dir := ramDir(t)
		img.write(t, dir)
		l, _, _ := open(t, dir, o)
		put(t, l, "of the second epoch")
		later := readImage(t, dir)
		l.Close()
		later.with(manifest, img[manifest]).write(t, dir)
		if _, err := wal.Verify(dir); !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), "manifest is older") {
			t.Fatal(err)
		}
	})
}

// In a log that does not sync, claims stand still, so damage in the middle is a torn tail: everything behind it
// is cut, although it can be read.
func TestUnclaimedDamageIsCut(t *testing.T) {
	img := logImage(t, wal.Options{Sync: wal.SyncNone}, threeBatches...)
	b := bytes.Clone(img[segment1])
	at := entries(b)
	b[at[1]+20] ^= 1
	dir := ramDir(t)
	img.with(segment1, b).write(t, dir)
	l, got, rec := open(t, dir, wal.Options{})
	equal(t, got, threeBatches[0])
	if rec.Torn != int64(len(b)-at[1]) {
		t.Fatalf("%+v", rec)
	}
	l.Close()
}

// A record may hold the bytes of a log, even of this one: no header in it is taken for a later batch.
func TestRecordsThatLookLikeBatches(t *testing.T) {
	img := logImage(t, wal.Options{}, threeBatches...)
	dir := ramDir(t)
	img.write(t, dir)
	l, _, _ := open(t, dir, wal.Options{MaxDelay: time.Hour})
	// The other log's later headers claim more than this one has.
	other := logImage(t, wal.Options{}, append(threeBatches, threeBatches...)...)
	put(t, l, string(img[segment1])+string(other[segment1]))
	img = readImage(t, dir)
	l.Close()
	whole := img[segment1]
	for _, cut := range []int{1, 10, 100} {
		img.with(segment1, whole[:len(whole)-cut]).write(t, dir)
		_, got, _ := open(t, dir, wal.Options{})
		equal(t, got, flat(threeBatches))
		dir = ramDir(t)
	}
}

// An error of the caller's stops a replay and leaves everything as it was, torn tail included.
func TestReplayErrorChangesNothing(t *testing.T) {
	img := logImage(t, wal.Options{}, threeBatches...)
	img = img.with(segment1, append(bytes.Clone(img[segment1]), 1, 2, 3))
	dir := ramDir(t)
	img.write(t, dir)
	l, err := wal.Open(dir, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if _, err := l.Replay(each(func(n wal.LSN, _ []byte) error {
		if n == 3 {
			return stop
		}
		return nil
	}), nil); err != stop {
		t.Fatalf("Replay: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, b := range readImage(t, dir) {
		if !bytes.Equal(b, img[name]) {
			t.Fatalf("%s was changed", name)
		}
	}
}
