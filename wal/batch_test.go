package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
)

// entry builds an entry as the log writes it.
func entry(h header, records ...string) []byte {
	var f fill
	for i, r := range records {
		f.add(h.first+LSN(i), []byte(r))
	}
	h.count, h.payloadLen = uint32(len(records)), uint32(len(f.data))
	h.payloadCRC = crc32.Checksum(f.data, castagnoli)
	b := make([]byte, headerSize, headerSize+len(f.data))
	h.encode(b)
	b = append(b, f.data...)
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

func TestHeaderRoundTrip(t *testing.T) {
	want := header{
		logID: 1 << 63, epoch: 2, seq: 3, first: 9, claimSeq: 2, claimLSN: 8, timeMs: 1 << 41, prevCRC: 77,
	}
	b := entry(want, "a", "", "ccc")
	got, payload, n, err := decodeEntry(append(b, 1, 2, 3))
	if err != nil || n != len(b) || !bytes.Equal(payload, []byte("\x01a\x00\x03ccc")) {
		t.Fatalf("payload %q, %d bytes of %d, %v", payload, n, len(b), err)
	}
	want.count, want.payloadLen, want.payloadCRC, want.crc = got.count, got.payloadLen, got.payloadCRC, got.crc
	if got != want || got.count != 3 || got.last() != 11 {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func TestEntriesThatAreNone(t *testing.T) {
	good := entry(header{logID: 1, epoch: 1, seq: 1, first: 1}, "a")
	long := slices.Concat([]byte{good[0] | 0x80, 0}, good[1:]) // the same length, in two bytes
	reseal := func(change func(b []byte)) []byte {
		b := slices.Clone(good)
		change(b[1:])
		sum := crc32.Checksum(b[1:93], castagnoli)
		b[93], b[94], b[95], b[96] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":        {nil, errIncomplete},
		"zeros":          {make([]byte, 200), errZeros},
		"length only":    {good[:1], errIncomplete},
		"half":           {good[:50], errIncomplete},
		"tiny":           {[]byte{5, 1, 2, 3, 4, 5}, errLength},
		"huge":           {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}, errLength},
		"long length":    {long, errLength},
		"version":        {reseal(func(b []byte) { b[4] = 2 }), errFormat},
		"reserved":       {reseal(func(b []byte) { b[85] = 1 }), errFormat},
		"header length":  {reseal(func(b []byte) { b[6] = 95 }), errFormat},
		"no sequence":    {reseal(func(b []byte) { b[24] = 0 }), errHeader},
		"no number":      {reseal(func(b []byte) { b[32] = 0 }), errHeader},
		"claims itself":  {reseal(func(b []byte) { b[48] = 1 }), errHeader},
		"claims record":  {reseal(func(b []byte) { b[56] = 1 }), errHeader},
		"payload length": {reseal(func(b []byte) { b[44] = 3 }), errLength},
		"count":          {reseal(func(b []byte) { b[40] = 2 }), errRecords},
		"fewer":          {reseal(func(b []byte) { b[40] = 0 }), errRecords},
		"header bit":     {append(slices.Clone(good[:20]), append([]byte{good[20] ^ 1}, good[21:]...)...), errHeaderCRC},
		"payload bit":    {append(slices.Clone(good[:98]), good[98]^1), errPayloadCRC},
		"magic":          {append([]byte{good[0], 'X'}, good[2:]...), errMagic},
	} {
		if _, _, _, err := decodeEntry(c.b); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, _, _, err := decodeEntry(good); err != nil {
		t.Fatal(err)
	}
}

// Append takes one record of the largest size beyond the backlog, and no byte more.
func TestHardBoundOfTheBacklog(t *testing.T) {
	l := &Log{opts: Options{Backlog: 1000}, buffers: make([]buffer, 1), wake: make(chan struct{}, 1)}
	l.state.Store(stateReady)
	l.waiting.Store(1000)
	if err := l.Writable(); err != nil {
		t.Fatal(err)
	}
	l.waiting.Store(1000 + maxEncoded - 10)
	if n, err := l.Append(0, make([]byte, 10)); !errors.Is(err, ErrBacklog) || n != 0 || l.Last() != 0 {
		t.Fatalf("one byte too many: number %d, %v", n, err)
	}
	if _, err := l.Append(0, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	if int64(maxBacklog+maxEncoded) > maxPayload {
		t.Fatal("a full backlog does not fit a batch")
	}
}

// A cut is atomic: whatever loops do meanwhile, it takes a stretch of numbers without a gap.
func TestCutsHaveNoGap(t *testing.T) {
	l := &Log{opts: Options{Backlog: maxBacklog}, buffers: make([]buffer, 4), wake: make(chan struct{}, 1)}
	l.state.Store(stateReady)
	l.committer.fills, l.committer.cursors = make([]fill, 4), make([]cursor, 4)
	const each = 100_000
	var wg sync.WaitGroup
	for i := range l.buffers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range each {
				if _, err := l.Append(i, nil); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	c := &l.committer
	for c.cut < LSN(each*len(l.buffers)) && !t.Failed() {
		c.takeCut(l.buffers)
		clear(c.cursors)
		total := 0
		for i := range c.fills {
			total += len(c.fills[i].data)
		}
		merged, next := merge(nil, c.fills, c.cursors, c.cut+1)
		if len(merged) != total || next != c.cut+1+LSN(total) {
			t.Fatalf("cut of %d records from %d on has a gap: %d of them are in order", total, c.cut+1, len(merged))
		}
		c.cut = next - 1
		for i := range c.fills {
			c.fills[i].reset()
		}
	}
	wg.Wait()
}

// The layout in docs/format/wal.md, byte by byte.
func TestHeaderLayout(t *testing.T) {
	b := make([]byte, headerSize)
	h := header{
		logID: 0x0807060504030201, epoch: 0x11, seq: 0x22, first: 0x33, count: 0x44, payloadLen: 0x55, claimSeq: 0x21,
		claimLSN: 0x32, timeMs: 0x66, prevCRC: 0x77, payloadCRC: 0x88,
	}
	h.encode(b)
	want := make([]byte, headerSize)
	copy(want, "EVLB\x01\x00\x60\x00\x01\x02\x03\x04\x05\x06\x07\x08")
	for at, v := range map[int]byte{16: 0x11, 24: 0x22, 32: 0x33, 40: 0x44, 44: 0x55, 48: 0x21, 56: 0x32, 64: 0x66, 72: 0x77, 76: 0x88} {
		want[at] = v
	}
	if !bytes.Equal(b[:92], want[:92]) {
		t.Fatalf("got  %x\nwant %x", b[:92], want[:92])
	}
}

func TestMergePutsRunsInOrder(t *testing.T) {
	fills := make([]fill, 3)
	order := []int{0, 0, 2, 1, 1, 1, 0, 2, 2, 0}
	var want []byte
	for i, b := range order {
		fills[b].add(LSN(5+i), []byte{byte('a' + i)})
		want = append(want, 1, byte('a'+i))
	}
	got, next := merge(nil, fills, make([]cursor, 3), 5)
	if !bytes.Equal(got, want) || next != 15 {
		t.Fatalf("got %q up to %d, want %q", got, next, want)
	}
	if len(fills[1].runs) != 1 || len(fills[0].runs) != 3 {
		t.Fatalf("runs %v", fills)
	}
}

func TestChainRefusesWhatDoesNotFollow(t *testing.T) {
	c := chain{logID: 1, maxEpoch: 9, epoch: 5, seq: 10, last: 100, crc: 7, claimSeq: 8, claimLSN: 90}
	good := header{logID: 1, epoch: 6, seq: 11, first: 101, count: 3, prevCRC: 7, claimSeq: 10, claimLSN: 100, crc: 44}
	for name, change := range map[string]func(*header){
		"log":       func(h *header) { h.logID = 2 },
		"seq":       func(h *header) { h.seq = 12 },
		"first":     func(h *header) { h.first = 102 },
		"epoch":     func(h *header) { h.epoch = 4 },
		"too new":   func(h *header) { h.epoch = 10 },
		"crc":       func(h *header) { h.prevCRC = 8 },
		"claim seq": func(h *header) { h.claimSeq = 7 },
		"claim lsn": func(h *header) { h.claimLSN = 89 },
	} {
		h, d := good, c
		change(&h)
		if err := d.follow(&h); err == nil || d != c {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.follow(&good); err != nil || c.last != 103 || c.seq != 11 || c.crc != 44 || c.epoch != 6 || c.claimSeq != 10 {
		t.Errorf("%+v, %v", c, err)
	}
}

// fullManifest has every field set.
var fullManifest = Manifest{
	LogID: 1, Epoch: 2, Kept: 3, Oldest: 4, Newest: 7, FloorSeq: 5, Floor: 60, Snapshot: 50, Base: 55, BaseCRC: 8, MadeUnixMs: 9,
}

func TestManifestRoundTrip(t *testing.T) {
	b := fullManifest.encode()
	if got, err := decodeManifest(b); err != nil || got != fullManifest {
		t.Fatalf("%+v, %v", got, err)
	}
	for pos := range b {
		for bit := range 8 {
			c := slices.Clone(b)
			c[pos] ^= 1 << bit
			_, err := decodeManifest(c)
			if err == nil {
				t.Fatalf("a flip at %d is not seen", pos)
			}
			if errors.As(err, new(newerError)) {
				t.Fatalf("a flip at %d passes for a newer version: %v", pos, err)
			}
		}
	}
	reseal := func(change func(b []byte)) error {
		c := slices.Clone(b)
		change(c)
		sum := crc32.Checksum(c[:124], castagnoli)
		c[124], c[125], c[126], c[127] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		_, err := decodeManifest(c)
		return err
	}
	for name, change := range map[string]func(b []byte){
		"version 0":               func(b []byte) { b[8] = 0 },
		"version 1":               func(b []byte) { b[8] = 1 },
		"shards":                  func(b []byte) { b[10] = 11 },
		"length":                  func(b []byte) { b[12] = 129 },
		"map":                     func(b []byte) { b[88] = 1 },
		"reserved":                func(b []byte) { b[90] = 1 },
		"reserved behind":         func(b []byte) { b[123] = 1 },
		"kept 0":                  func(b []byte) { b[96] = 0 },
		"kept above oldest":       func(b []byte) { b[96] = 5 },
		"oldest above newest":     func(b []byte) { b[32] = 8 },
		"newest past the last":    func(b []byte) { b[47] = 1 },
		"floor below base":        func(b []byte) { b[56] = 54 },
		"floor below snapshot":    func(b []byte) { b[64] = 61 },
		"snapshot before first":   func(b []byte) { b[32], b[96] = 1, 1 },
		"base before the first":   func(b []byte) { b[32], b[96], b[40], b[64] = 1, 1, 1, 0 },
		"base CRC before the 1st": func(b []byte) { b[32], b[96], b[40], b[64], b[72] = 1, 1, 1, 0, 0 },
	} {
		if err := reseal(change); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	// What a later version writes is for that version to judge, checksum and all.
	for name, change := range map[string]func(b []byte) []byte{
		"same length": func(b []byte) []byte { b[8] = 3; return b },
		"longer":      func(b []byte) []byte { b[8] = 3; return append(b, 1, 2, 3) },
		"far later":   func(b []byte) []byte { b[9] = 1; return b[:60] },
	} {
		c := change(slices.Clone(b))
		if len(c) == manifestSize {
			sum := crc32.Checksum(c[:124], castagnoli)
			c[124], c[125], c[126], c[127] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		}
		_, err := decodeManifest(c)
		if !errors.As(err, new(newerError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// v1 is a manifest of version 1 as it was written then.
func v1(m Manifest) []byte {
	m.Kept, m.BaseCRC = 0, 0
	b := m.encode()
	b[8] = 1
	sum := crc32.Checksum(b[:124], castagnoli)
	b[124], b[125], b[126], b[127] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	return b
}

func TestManifestOfVersion1(t *testing.T) {
	want := Manifest{LogID: 1, Epoch: 2, Kept: 1, Oldest: 1, Newest: 1, FloorSeq: 5, Floor: 6, MadeUnixMs: 9}
	b := v1(want)
	if got, err := decodeManifest(b); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, m := range map[string]Manifest{
		"generation": {Oldest: 1, Newest: 2},
		"oldest":     {Oldest: 2, Newest: 2},
		"snapshot":   {Oldest: 1, Newest: 1, Snapshot: 1, Floor: 1},
		"base":       {Oldest: 1, Newest: 1, Base: 1, Floor: 1},
	} {
		if _, err := decodeManifest(v1(m)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A place that batches go to may say that a later epoch owns it: that ends the log like any failure, and can be
// told from others.
func TestFencedIsFinal(t *testing.T) {
	dir := t.TempDir()
	var told []error
	l, err := Open(dir, Options{OnDurable: func(_ LSN, err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	files := l.sink
	defer files.Close()
	f := &fence{}
	l.sink = f
	for range 3 {
		if n, err := l.Append(0, []byte("x")); err == nil {
			l.Demand(n)
		}
		l.EndRound(0)
	}
	if len(told) != 1 || !errors.Is(told[0], ErrFenced) || !errors.Is(told[0], ErrFailed) || l.Durable() != 0 || f.calls != 1 {
		t.Fatalf("told %v, durable %d, %d calls", told, l.Durable(), f.calls)
	}
	if f.epoch != 1 {
		t.Fatalf("epoch %d", f.epoch)
	}
}

type fence struct {
	calls int
	epoch uint64
}

func (f *fence) Append(epoch uint64, _ []byte) (bool, error) {
	f.calls++
	f.epoch = epoch
	return false, ErrFenced
}
func (f *fence) Sync() error         { return nil }
func (f *fence) Trim() (bool, error) { return false, nil }
func (f *fence) Close() error        { return nil }

func FuzzDecodeEntry(f *testing.F) {
	h := header{logID: 1, epoch: 1, seq: 1, first: 1}
	f.Add(entry(h, "a", "b"))
	f.Add(entry(h))
	f.Add(entry(header{logID: 1, epoch: 3, seq: 7, first: 20, claimSeq: 6, claimLSN: 19}, string(make([]byte, 300))))
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, n, err := decodeEntry(b)
		if err != nil {
			return
		}
		var records []string
		for rest := payload; len(rest) > 0; {
			var r []byte
			var ok bool
			if r, rest, ok = nextRecord(rest); !ok {
				t.Fatal("records of a valid batch cannot be split")
			}
			records = append(records, string(r))
		}
		if len(records) != int(h.count) {
			t.Fatalf("%d records, header says %d", len(records), h.count)
		}
		// There is one way to write a batch.
		if again := entry(h, records...); !bytes.Equal(again, b[:n]) {
			t.Fatalf("got  %x\nagain %x", b[:n], again)
		}
	})
}

func FuzzManifest(f *testing.F) {
	same := func(m Manifest, b []byte) bool { // encode is of the newest version
		return bytes.Equal(m.encode(), b) || m.Kept == 1 && m.BaseCRC == 0 && bytes.Equal(v1(m), b)
	}
	f.Add(fullManifest.encode())
	f.Add(fullManifest.encode()[:100])
	f.Add(v1(Manifest{LogID: 1, Epoch: 2, Oldest: 1, Newest: 1, FloorSeq: 5, Floor: 6, MadeUnixMs: 9}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := decodeManifest(b); err == nil && !same(m, b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, m, m.encode())
		}
		// Behind the checksum.
		if len(b) == manifestSize {
			c := slices.Clone(b)
			sum := crc32.Checksum(c[:124], castagnoli)
			c[124], c[125], c[126], c[127] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
			if m, err := decodeManifest(c); err == nil && !same(m, c) {
				t.Fatalf("%x decodes to %+v, which encodes to %x", c, m, m.encode())
			}
		}
	})
}
