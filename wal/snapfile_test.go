package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tagged is a record of a snapshot.
type tagged struct {
	tag    LSN
	record string
}

var testManifest = Manifest{LogID: 0x1122334455667788, Epoch: 3, Oldest: 7, Newest: 7, Snapshot: 900, Base: 500}

// snapshotBytes are the bytes of the snapshot that testManifest names, with these frames.
func snapshotBytes(t testing.TB, frames ...[]tagged) []byte {
	t.Helper()
	e := newSnapshotEncoder(snapshotHead{logID: testManifest.LogID, generation: 7, epoch: 3, base: 500, timeMs: 1})
	b := bytes.Clone(e.head())
	f := NewFrame()
	for i, records := range frames {
		f.Reset()
		for k, r := range records {
			if (i+k)%2 == 0 {
				f.Add(r.tag, []byte(r.record))
			} else {
				f.End(append(f.Begin(r.tag), r.record...))
			}
		}
		piece, err := e.frame(f)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, piece...)
	}
	end, _, err := e.foot(900, 2)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, end...)
}

// readSnapshot reads the snapshot in front of generation 7 of a data directory.
func readSnapshot(dir string, man *Manifest) (got []tagged, err error) {
	s, err := openSnapshot(dir, man, 7)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var done int64
	err = s.read(newReader(s.size), func(c *Chunk) error {
		was := done
		if done, _ = c.Progress(); done <= was || !c.Snapshot() {
			return fmt.Errorf("progress goes from %d to %d; of a snapshot: %v", was, done, c.Snapshot())
		}
		return c.Records(func(tag LSN, record []byte) error {
			got = append(got, tagged{tag, string(record)})
			return nil
		})
	})
	return got, err
}

// snapshotDir is a data directory with these bytes as its snapshot, and a function that puts others there.
func snapshotDir(t testing.TB) (dir string, put func(b []byte)) {
	t.Helper()
	dir = t.TempDir()
	if ram, err := os.MkdirTemp("/dev/shm", "everloop-wal-"); err == nil { //nolint:usetesting // t.TempDir is on the disk, and many thousand files are written
		dir = ram
		t.Cleanup(func() { os.RemoveAll(ram) })
	}
	if err := os.Mkdir(filepath.Join(dir, partitionName), 0o750); err != nil {
		t.Fatal(err)
	}
	return dir, func(b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, partitionName, "snap-0000000007"), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
}

func sameTagged(t testing.TB, got, want []tagged) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("record %d is %d %.60q, want %d %.60q", i, got[i].tag, got[i].record, want[i].tag, want[i].record)
		}
	}
}

func randomString(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// smallFrames has what frames can have: lengths around the ends of their varint, compressible and not, empty, many records in one.
func smallFrames() [][]tagged {
	r := rand.New(rand.NewPCG(1, 2))
	many := []tagged{}
	for i := range 40 {
		many = append(many, tagged{LSN(i * 20), strings.Repeat(string(rune('a'+i%26)), i%5)})
	}
	return [][]tagged{
		{{1, "one"}, {900, strings.Repeat("two", 50)}, {0, ""}},
		{{128, randomString(r, 127)}, {127, randomString(r, 128)}},
		{},
		many,
		{{300, ""}},
	}
}

func flatTagged(frames [][]tagged) (all []tagged) {
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}

func TestSnapshotFile(t *testing.T) {
	dir, put := snapshotDir(t)
	r := rand.New(rand.NewPCG(3, 4))
	var large []tagged
	for _, n := range []int{16383, 16384, 200_000, FrameSize - 300_000} {
		large = append(large, tagged{LSN(n % 900), strings.Repeat(randomString(r, n/10+1), 10)[:n]})
	}
	var lots [][]tagged
	for range 100 {
		lots = append(lots, []tagged{{LSN(r.IntN(900)), strings.Repeat(randomString(r, 50), 1000)}})
	}
	for name, frames := range map[string][][]tagged{
		"empty":        {},
		"small":        smallFrames(),
		"large":        {large},
		"giant":        {{{1, "a"}, {7, strings.Repeat("giant", 3<<20)}}, {{8, "z"}}, {{7, randomString(r, 9<<20)}}},
		"many frames":  lots,
		"nearly equal": {{{1, randomString(r, 3)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := snapshotBytes(t, frames...)
			put(b)
			got, err := readSnapshot(dir, &testManifest)
			if err != nil {
				t.Fatal(err)
			}
			sameTagged(t, got, flatTagged(frames))
		})
	}
}

// An error of whoever reads ends the reading, and nothing is left behind.
func TestSnapshotReadEnds(t *testing.T) {
	dir, put := snapshotDir(t)
	frames := make([][]tagged, 200)
	for i := range frames {
		frames[i] = []tagged{{1, strings.Repeat("x", 900_000)}}
	}
	put(snapshotBytes(t, frames...))
	s, err := openSnapshot(dir, &testManifest, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	stop, n := errors.New("stop"), 0
	r := newReader(s.size)
	if err := s.read(r, func(*Chunk) error {
		if n++; n == 50 {
			return stop
		}
		return nil
	}); err != stop || n != 50 {
		t.Fatalf("%v after %d chunks", err, n)
	}
}

// What makes a frame that could not be read is refused when it is written.
func TestFrameIsFilledWrongly(t *testing.T) {
	e := newSnapshotEncoder(snapshotHead{generation: 7, base: 500})
	f := NewFrame()
	f.Add(1, make([]byte, FrameSize))
	if !f.Full() {
		t.Fatal("a frame with a MiB is not full")
	}
	f.End(f.Begin(1))
	if _, err := e.frame(f); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("a record behind the first MiB: %v", err)
	}
	f.Reset()
	f.Add(1, make([]byte, MaxRecord+1))
	if _, err := e.frame(f); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a record that is too large: %v", err)
	}
	f.Reset()
	if cap(f.raw) != 0 || f.Len() != 0 || f.Records() != 0 {
		t.Fatalf("after Reset: %d bytes of memory, %d bytes, %d records", cap(f.raw), f.Len(), f.Records())
	}
	f.Add(700, []byte("x"))
	if _, err := e.frame(f); err != nil {
		t.Fatal(err)
	}
	for _, barrier := range []LSN{499, 600, 699} {
		if _, _, err := e.foot(barrier, 1); err == nil || !strings.Contains(err.Error(), "barrier") {
			t.Fatalf("barrier %d below tag 700: %v", barrier, err)
		}
	}
	if _, _, err := e.foot(700, 1); err != nil {
		t.Fatal(err)
	}
}

// frameOffsets are where frames begin in a snapshot's bytes, and where the footer does.
func frameOffsets(b []byte) (at []int) {
	for pos := snapshotHeadSize; pos < len(b)-snapshotFootSize; {
		at = append(at, pos)
		pos += frameHeadSize + int(binary.LittleEndian.Uint32(b[pos+24:]))
	}
	return append(at, len(b)-snapshotFootSize)
}

// unitAt is where the unit (header, frame, footer) begins that holds byte pos.
func unitAt(at []int, pos int) int64 {
	unit := 0
	for _, a := range at {
		if a <= pos {
			unit = a
		}
	}
	return int64(unit)
}

// damagedSnapshot wants a snapshot to be refused as damaged at an offset; -1 stands for any.
func damagedSnapshot(t testing.TB, dir string, man *Manifest, offset int64, what string) error {
	t.Helper()
	got, err := readSnapshot(dir, man)
	var c *CorruptionError
	if !errors.As(err, &c) {
		t.Fatalf("%s: %d records and %v", what, len(got), err)
	}
	if c.File != "p0/snap-0000000007" || c.Dir != dir || offset >= 0 && c.Offset != offset {
		t.Fatalf("%s: %v; want offset %d", what, err, offset)
	}
	return err
}

// Each bit of a snapshot is watched over, and the unit that it is in is named.
func TestEveryBitFlipInASnapshotIsTold(t *testing.T) {
	dir, put := snapshotDir(t)
	whole := snapshotBytes(t, smallFrames()...)
	at, flips := frameOffsets(whole), 0
	b := bytes.Clone(whole)
	for pos := range whole {
		for bit := range 8 {
			b[pos] ^= 1 << bit
			put(b)
			damagedSnapshot(t, dir, &testManifest, unitAt(at, pos), fmt.Sprintf("bit %d of byte %d", bit, pos))
			b[pos] ^= 1 << bit
			flips++
		}
	}
	t.Logf("%d flips in %d bytes with %d frames, all told and located", flips, len(whole), len(at)-1)
}

// So is everything that a file system or a hand does to whole pieces of a file.
func TestDamagedSnapshots(t *testing.T) {
	dir, put := snapshotDir(t)
	r := rand.New(rand.NewPCG(5, 6))
	var frames [][]tagged
	for i := range 5 {
		frames = append(frames, []tagged{{LSN(i), randomString(r, 500)}})
	}
	whole := snapshotBytes(t, frames...)
	at := frameOffsets(whole)
	piece := func(i int) []byte { return whole[at[i]:at[i+1]] }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	head, foot := whole[:at[0]], whole[at[5]:]
	// The same frames, but for what the first one holds: from the second on they have the same numbers and another past.
	frames[0] = []tagged{{0, randomString(r, 500)}}
	other := snapshotBytes(t, frames...)

	t.Run("cut", func(t *testing.T) {
		for size := range whole {
			put(whole[:size])
			damagedSnapshot(t, dir, &testManifest, -1, fmt.Sprintf("cut to %d bytes", size))
		}
		t.Logf("%d lengths", len(whole))
	})
	t.Run("zeroed and longer", func(t *testing.T) {
		for pos := 0; pos < len(whole); pos += 16 {
			b := bytes.Clone(whole)
			clear(b[pos:min(pos+64, len(b))])
			put(b)
			damagedSnapshot(t, dir, &testManifest, -1, fmt.Sprintf("64 zeros at %d", pos))
		}
		put(append(bytes.Clone(whole), 0))
		damagedSnapshot(t, dir, &testManifest, -1, "a zero behind")
	})
	footAt := func(n int) int64 { return int64(len(head) + n*len(piece(0))) }
	for what, c := range map[string]struct {
		b      []byte
		offset int64
	}{
		"frame missing":   {join(head, piece(0), piece(2), piece(3), piece(4), foot), footAt(4)},
		"frame twice":     {join(head, piece(0), piece(1), piece(1), piece(2), piece(3), piece(4), foot), footAt(6)},
		"frame replaced":  {join(head, piece(0), piece(1), piece(1), piece(3), piece(4), foot), int64(at[2])},
		"frames swapped":  {join(head, piece(0), piece(2), piece(1), piece(3), piece(4), foot), int64(at[1])},
		"of another past": {join(head, piece(0), piece(1), other[at[2]:at[3]], piece(3), piece(4), foot), int64(at[2])},
		"last is missing": {join(head, piece(0), piece(1), piece(2), piece(3), foot), footAt(4)},
	} {
		t.Run(what, func(t *testing.T) {
			put(c.b)
			damagedSnapshot(t, dir, &testManifest, c.offset, what)
		})
	}

	// Files that are right in themselves, in a place that is not theirs.
	put(whole)
	for what, c := range map[string]struct {
		change func(m *Manifest)
		offset int64
		says   string
	}{
		"another log":     {func(m *Manifest) { m.LogID++ }, 0, "another log"},
		"older manifest":  {func(m *Manifest) { m.Epoch = 2 }, 0, "manifest is older"},
		"another barrier": {func(m *Manifest) { m.Snapshot++ }, int64(at[5]), "the manifest names 901"},
	} {
		t.Run(what, func(t *testing.T) {
			man := testManifest
			c.change(&man)
			if err := damagedSnapshot(t, dir, &man, c.offset, what); !strings.Contains(err.Error(), c.says) {
				t.Fatal(err)
			}
		})
	}
	t.Run("another generation", func(t *testing.T) {
		if err := os.Rename(filepath.Join(dir, "p0/snap-0000000007"), filepath.Join(dir, "p0/snap-0000000008")); err != nil {
			t.Fatal(err)
		}
		man := testManifest
		man.Oldest, man.Newest = 8, 8
		if _, err := openSnapshot(dir, &man, 8); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "its name says 8") {
			t.Fatal(err)
		}
		if _, err := openSnapshot(dir, &man, 7); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a snapshot that is not there: %v", err)
		}
	})
}

// A file that says of itself what is not so, with all checksums right, as a bug or an enemy could make it.
func TestSnapshotsThatLie(t *testing.T) {
	dir, put := snapshotDir(t)
	e := newSnapshotEncoder(snapshotHead{logID: testManifest.LogID, generation: 7, epoch: 3, base: 500})
	head := bytes.Clone(e.head())
	f := NewFrame()
	f.Add(5, []byte("hello hello hello hello hello hello hello hello"))
	good, err := e.frame(f)
	if err != nil {
		t.Fatal(err)
	}
	good = bytes.Clone(good)
	h, err := decodeFrameHead(good)
	if err != nil {
		t.Fatal(err)
	}
	build := func(h frameHead, payload []byte, change func(*snapshotFoot)) []byte {
		b := make([]byte, frameHeadSize)
		h.encode(b)
		foot := snapshotFoot{
			generation: 7, logID: testManifest.LogID, frames: 1, records: uint64(h.count), rawBytes: uint64(h.rawLen),
			offset: int64(len(head) + len(b) + len(payload)), barrier: 900, lastCRC: h.crc,
		}
		if change != nil {
			change(&foot)
		}
		end := make([]byte, snapshotFootSize)
		foot.encode(end)
		return bytes.Join([][]byte{head, b, payload, end}, nil)
	}
	payload := good[frameHeadSize:]
	put(build(h, payload, nil))
	if _, err := readSnapshot(dir, &testManifest); err != nil {
		t.Fatalf("the truth: %v", err)
	}
	frameAt, footAt := int64(len(head)), int64(len(head)+len(good))
	raw := func(b []byte) func(*frameHead) []byte {
		return func(h *frameHead) []byte {
			h.codec, h.rawLen, h.size, h.payload = codecRaw, uint32(len(b)), uint32(len(b)), crc32Of(b)
			return b
		}
	}
	keep := func(change func(h *frameHead)) func(*frameHead) []byte {
		return func(h *frameHead) []byte { change(h); return payload }
	}
	for what, c := range map[string]struct {
		frame  func(*frameHead) []byte
		foot   func(*snapshotFoot)
		offset int64
	}{
		"sequence":          {keep(func(h *frameHead) { h.seq = 2 }), nil, frameAt},
		"codec":             {keep(func(h *frameHead) { h.codec = 2 }), nil, frameAt},
		"raw length":        {keep(func(h *frameHead) { h.rawLen++ }), nil, frameAt},
		"giant raw length":  {keep(func(h *frameHead) { h.rawLen = maxFrameRaw + 1 }), nil, frameAt},
		"stored length":     {keep(func(h *frameHead) { h.size++ }), nil, frameAt},
		"highest tag":       {keep(func(h *frameHead) { h.maxTag = 6 }), nil, frameAt},
		"count":             {keep(func(h *frameHead) { h.count = 2 }), nil, frameAt},
		"no records":        {keep(func(h *frameHead) { h.count = 0 }), nil, frameAt},
		"tag above barrier": {func(h *frameHead) []byte { h.maxTag = 901; return raw([]byte{0x85, 0x07, 0})(h) }, nil, frameAt},
		"long varint":       {raw([]byte{0x85, 0, 0}), nil, frameAt},
		"long length":       {raw([]byte{5, 0x80, 0}), nil, frameAt},
		"record is cut":     {raw([]byte{5, 3, 'a', 'b'}), nil, frameAt},
		"more than records": {raw([]byte{5, 1, 'a', 'b'}), nil, frameAt},
		"not s2": {func(h *frameHead) []byte {
			b := raw([]byte{45, 0xff, 0xff})(h)
			h.codec, h.rawLen = codecS2, 45
			return b
		}, nil, frameAt},
		"s2 of other length": {func(h *frameHead) []byte { h.rawLen--; return payload }, nil, frameAt},
		"frames":             {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.frames++ }, footAt},
		"records":            {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.records++ }, footAt},
		"raw bytes":          {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.rawBytes++ }, footAt},
		"last CRC":           {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.lastCRC++ }, footAt},
		"offset":             {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.offset-- }, footAt},
		"below base":         {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.barrier = 499 }, footAt},
		"generation":         {keep(func(*frameHead) {}), func(f *snapshotFoot) { f.generation = 8 }, footAt},
	} {
		t.Run(what, func(t *testing.T) {
			h := h
			b := c.frame(&h)
			put(build(h, b, c.foot))
			offset := c.offset
			if offset == footAt {
				offset = frameAt + frameHeadSize + int64(len(b))
			}
			damagedSnapshot(t, dir, &testManifest, offset, what)
		})
	}
	t.Run("record behind the first MiB", func(t *testing.T) {
		b := binary.AppendUvarint([]byte{5}, FrameSize)
		b = append(append(b, make([]byte, FrameSize)...), 5, 0)
		h := h
		h.count = 2
		put(build(h, raw(b)(&h), nil))
		damagedSnapshot(t, dir, &testManifest, frameAt, "")
	})
	t.Run("newer", func(t *testing.T) {
		b := build(h, payload, nil)
		b[8] = 2
		put(b)
		damagedSnapshot(t, dir, &testManifest, 0, "a flipped bit, which passes for no newer version")
		binary.LittleEndian.PutUint32(b[92:], crc32.Checksum(b[:92], castagnoli))
		put(b)
		_, err := readSnapshot(dir, &testManifest)
		if !errors.Is(err, ErrNewer) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "snap-0000000007: snapshot has format version 2") {
			t.Fatal(err)
		}
		where := Place{LogID: testManifest.LogID, Epoch: testManifest.Epoch, Generation: 7}
		if _, err := CheckSnapshot(bytes.NewReader(b), int64(len(b)), "x", where); !errors.Is(err, ErrNewer) {
			t.Fatalf("who reads it from front to back: %v", err)
		}
	})
}

// FuzzSnapshot changes a snapshot in the middle, cuts it and adds to it. Whatever happens, what is read without an error is what was
// written; and no bytes at all make the reader panic, hang, or take memory that the file does not pay for.
func FuzzSnapshot(f *testing.F) {
	whole := snapshotBytes(f, smallFrames()...)
	want := flatTagged(smallFrames())
	at := frameOffsets(whole)
	f.Add(uint16(0), uint16(len(whole)), []byte{}, []byte{})
	f.Add(uint16(at[1]), uint16(len(whole)), []byte("EVLF"), []byte{1})
	f.Add(uint16(at[0]+20), uint16(at[2]), []byte{0, 0, 0}, bytes.Clone(whole[at[3]:]))
	f.Add(uint16(at[2]), uint16(at[3]), bytes.Clone(whole[at[1]:at[2]]), []byte{})
	f.Fuzz(func(t *testing.T, pos, cut uint16, over, tail []byte) {
		b := bytes.Clone(whole)
		copy(b[min(int(pos), len(b)):], over)
		b = append(b[:min(int(cut), len(b))], tail...)
		dir, put := snapshotDir(t)
		put(b)
		got, err := readSnapshot(dir, &testManifest)
		if err == nil && !bytes.Equal(b, whole) {
			t.Fatal("a changed snapshot was read without an error")
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewer) {
			t.Fatal(err)
		}
		if len(got) > len(want) {
			t.Fatalf("%d records out of %d", len(got), len(want))
		}
		sameTagged(t, got, want[:len(got)])
	})
}

// FuzzFrame has bytes that pass for a frame's payload with all checksums right.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{5, 1, 'a'}, uint32(1), uint32(3), byte(codecRaw))
	f.Add([]byte{3, 8, 5, 1, 'a'}, uint32(1), uint32(3), byte(codecS2))
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x08, 1}, uint32(1), uint32(1<<28), byte(codecS2))
	f.Fuzz(func(t *testing.T, stored []byte, count, rawLen uint32, codec byte) {
		h := frameHead{codec: codec & 1, seq: 1, count: count, rawLen: rawLen % (1 << 20), size: uint32(len(stored)), payload: crc32Of(stored), maxTag: 5}
		raw := stored
		if h.codec == codecS2 {
			raw = make([]byte, h.rawLen)
		} else {
			h.rawLen = uint32(len(stored))
		}
		if decodeFrame(&h, stored, raw, 900) != nil {
			return
		}
		n := uint32(0)
		c := Chunk{snapshot: true, data: raw}
		if err := c.Records(func(tag LSN, record []byte) error {
			n++
			if tag > 5 {
				return fmt.Errorf("tag %d is above the highest", tag)
			}
			return nil
		}); err != nil || n != count {
			t.Fatalf("%d records of %d, %v", n, count, err)
		}
	})
}

// BenchmarkSnapshot is what a million small records cost, on their way into a file's bytes and back.
func BenchmarkSnapshot(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	record := func(i int) []byte {
		id := fmt.Appendf(nil, "\x01\x00\x00\x00%032d", r.Uint64())
		return append(id, fmt.Sprintf("\x05count\x10{\"name\":\"user %d\",\"visits\":%d,\"seen\":true}", i, r.IntN(1000))...)
	}
	records := make([][]byte, 1<<14)
	for i := range records {
		records[i] = record(i)
	}
	b.Run("encode", func(b *testing.B) {
		e := newSnapshotEncoder(snapshotHead{generation: 7, base: 500})
		f := NewFrame()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			f.End(append(f.Begin(LSN(i)), records[i%len(records)]...))
			if f.Full() {
				if _, err := e.frame(f); err != nil {
					b.Fatal(err)
				}
				f.Reset()
			}
		}
		if e.f.rawBytes > 0 {
			b.ReportMetric(float64(e.f.offset)/float64(e.f.rawBytes), "stored/raw")
		}
	})
	b.Run("read", func(b *testing.B) {
		dir, put := snapshotDir(b)
		e := newSnapshotEncoder(snapshotHead{logID: testManifest.LogID, generation: 7, epoch: 3, base: 500})
		file := bytes.Clone(e.head())
		f := NewFrame()
		for i := range 1_000_000 {
			if f.Add(LSN(i%900), records[i%len(records)]); f.Full() || i == 999_999 {
				piece, err := e.frame(f)
				if err != nil {
					b.Fatal(err)
				}
				file = append(file, piece...)
				f.Reset()
			}
		}
		end, _, _ := e.foot(900, 1)
		put(append(file, end...))
		b.ReportAllocs()
		for b.Loop() {
			s, err := openSnapshot(dir, &testManifest, 7)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			if err := s.read(newReader(s.size), func(c *Chunk) error {
				return c.Records(func(LSN, []byte) error { n++; return nil })
			}); err != nil || n != 1_000_000 {
				b.Fatal(n, err)
			}
			s.close()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/record")
	})
}

func crc32Of(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
