package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"everloop/wal"
)

// someIndex is the index of a backup with everything in it.
func someIndex(t testing.TB) []byte {
	t.Helper()
	o := func(name string) *Object {
		sum := strings.Repeat("0123456789abcdef", 4)
		return &Object{Name: name + sum[:32], Size: 7, SHA256: sum, Codec: codecZstd}
	}
	x := &Index{
		Log: logName(0xfeed), Made: 1, Epoch: 3, Writer: "w", Serial: 4, Updated: 5, Closed: o("list/"),
		Generations: []*Generation{
			{
				Generation: 7, Base: 10, BaseCRC: 1, Complete: true, Snapshot: &Snapshot{Barrier: 12, Records: 3, Object: o("snap/0000000007-")},
				Batches: 2, Last: 15, CRC: 9, Epoch: 2, From: 1, To: 2, Bytes: 300, Chapters: []*Object{o("list/")},
			},
			{Generation: 8, Base: 15, BaseCRC: 9, Batches: 5, Last: 20, CRC: 3, Epoch: 3, From: 3, To: 9, Bytes: 500, Runs: []*Run{
				{Segment: 1, First: 1, Batches: 3, Last: 18, CRC: 2, From: 3, To: 5, Bytes: 300, Object: o("log/0000000008-00000000000000000001-")},
				{Segment: 4, First: 4, Batches: 2, Last: 20, CRC: 3, From: 4, To: 9, Bytes: 200, Level: 1, Object: o("log/0000000008-00000000000000000004-")},
			}},
		},
	}
	data, err := x.encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// withSum gives changed JSON the first line that belongs to it.
func withSum(t testing.TB, text []byte) []byte {
	t.Helper()
	return fmt.Appendf(nil, "everloop backup 1 %s %d\n%s", tagOf(text), len(text), text)
}

func TestIndexIsRefused(t *testing.T) {
	good := someIndex(t)
	if _, err := decodeIndex(good); err != nil {
		t.Fatal(err)
	}
	_, text, _ := bytes.Cut(good, []byte("\n"))
	change := func(old, replacement string) []byte {
		changed := bytes.Replace(text, []byte(old), []byte(replacement), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("the index has no %s", old)
		}
		return withSum(t, changed)
	}
	for name, data := range map[string][]byte{
		"empty":                    {},
		"no first line":            text,
		"another word":             bytes.Replace(good, []byte("backup"), []byte("bucket"), 1),
		"cut short":                good[:len(good)-1],
		"longer":                   append(bytes.Clone(good), '\n'),
		"another hash":             bytes.Replace(good, []byte(" 1 "), []byte(" 1 0"), 1),
		"unknown field":            change(`"log"`, `"surprise":1,"log"`),
		"two values":               withSum(t, append(bytes.Clone(text), "{}"...)),
		"no generation":            withSum(t, []byte(`{"log":"000000000000feed"}`)),
		"null generation":          change(`[{"generation":7`, `[null,{"generation":7`),
		"log ID":                   change("000000000000feed", "feed"),
		"order":                    change(`"generation":8`, `"generation":7`),
		"overlap":                  change(`"base":15`, `"base":14`),
		"barrier before base":      change(`"barrier":12`, `"barrier":9`),
		"runs with a gap":          change(`"first":4`, `"first":5`),
		"runs do not add up":       change(`"bytes":500`, `"bytes":501`),
		"object elsewhere":         change("snap/0000000007-", "snap/../0000007-"),
		"name of another hash":     change("snap/0000000007-0", "snap/0000000007-1"),
		"unknown codec":            change(`"codec":"zstd"`, `"codec":"gzip"`),
		"negative size":            change(`"size":7`, `"size":-7`),
		"level of a whole segment": change(`"level":1`, `"level":-1`),
	} {
		if x, err := decodeIndex(data); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %+v, %v, want it to be refused as damaged", name, x, err)
		}
	}
	newer := bytes.Replace(good, []byte(" 1 "), []byte(" 2 "), 1)
	if _, err := decodeIndex(newer); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a later version: %v", err)
	}
}

// A decoder that is given anything neither panics nor takes what it would not write.
func FuzzIndex(f *testing.F) {
	good := someIndex(f)
	_, text, _ := bytes.Cut(good, []byte("\n"))
	f.Add(text)
	f.Add([]byte(`{"log":"000000000000feed","generations":[{"generation":1}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = decodeIndex(text) // without its first line
		x, err := decodeIndex(withSum(t, text))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("%v is not ErrDamaged", err)
			}
			return
		}
		again, err := x.encode()
		if err != nil {
			t.Fatal(err)
		}
		y, err := decodeIndex(again)
		if err != nil {
			t.Fatalf("what was taken once is refused: %v", err)
		}
		twice, err := y.encode()
		if err != nil || !bytes.Equal(again, twice) {
			t.Errorf("it changes each time it is written")
		}
		all := x.Generations
		for i := range all {
			_, _ = start(all, i, all[i].end())
		}
		spansOf(all)
		_, _ = locate(context.Background(), all, 4, func(context.Context, *Object) ([]*Run, error) { return nil, errBadChapter })
	})
}

var errBadChapter = errors.New("no chapters here")

// Retention removes generations while they are read; the pass goes on from the newer manifest.
func TestVanishingGeneration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	log, err := wal.Open(dir, wal.Options{Retain: wal.Retain{Age: 1 << 60, Bytes: 1 << 40}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	write := func() {
		n, err := log.Append(0, []byte("record"))
		if err != nil {
			t.Fatal(err)
		}
		log.Demand(n)
		log.EndRound(0)
	}
	snapshot := func() {
		w, err := log.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Install(log.Last()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		write()
		snapshot()
	}
	write()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	old, err := openReading(dir)
	if err != nil {
		t.Fatal(err)
	}
	// As a start without retention would do it.
	if log, err = wal.Open(dir, wal.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if now, err := wal.ReadManifest(dir); err != nil || now.Kept <= old.man.Kept {
		t.Fatalf("nothing was removed: %+v, %v", now, err)
	}
	g := &Generation{Generation: old.man.Kept}
	if err := old.generation(t.Context(), g, nil); !errors.Is(err, errVanished) {
		t.Errorf("its batches: %v", err)
	}
	if _, _, err := old.base(old.man.Kept); !errors.Is(err, errVanished) {
		t.Errorf("what stands before it: %v", err)
	}
	// One that should be there is damage.
	if err := os.RemoveAll(filepath.Join(dir, filepath.Dir(wal.SegmentPath(old.man.Newest, 1)))); err != nil {
		t.Fatal(err)
	}
	g = &Generation{Generation: old.man.Newest}
	if err := old.generation(t.Context(), g, nil); err == nil || errors.Is(err, errVanished) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("the newest generation is missing: %v", err)
	}
}
