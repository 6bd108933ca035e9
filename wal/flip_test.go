package wal_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/wal"
)

var everyBit = flag.Bool("every-bit", false, "flip each bit of the directories, not one of each byte")

// flips changes a data directory in one place and looks at what is made of it.
type flips struct {
	t    *testing.T
	w    *world
	img  image
	dir  string
	last wal.LSN
	// open is set for a log that was killed right after its last batch: what is at or behind offset tailAt of tail is that batch.
	tail   string
	tailAt int

	refused, older, cut, unseen int
	written                     bool // img is in dir
}

// try puts the changed file there. from and to are where the change is; -1: anywhere.
func (f *flips) try(what, name string, b []byte, from, to int) {
	t := f.t
	t.Helper()
	if !f.written {
		f.img.write(t, f.dir)
		f.written = true
	}
	path := filepath.Join(f.dir, name)
	replace := func(b []byte) {
		if err := os.WriteFile(path, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	replace(b)
	rep, err := wal.Verify(f.dir)
	if err != nil {
		f.refusal(what, name, err, from, to)
		f.refused++
		if f.refused%8 == 0 {
			if _, _, serr := start(f.dir); serr == nil || serr.Error() != err.Error() {
				t.Fatalf("%s: a start: %v\nverify: %v", what, serr, err)
			}
		}
		replace(f.img[name])
		return
	}
	if len(rep.Older) > 0 {
		// Only time travel reads it. It is located all the same, and no moment of the past is told wrongly.
		for _, err := range rep.Older {
			f.refusal(what, name, err, from, to)
		}
		if f.older++; f.older%8 != 0 {
			replace(f.img[name])
			return
		}
		f.past(what)
	}
	f.written = false // a start changes it
	got, rec, err := start(f.dir)
	if err != nil {
		t.Fatalf("%s: verify finds nothing, a start fails: %v", what, err)
	}
	if !maps.Equal(got, f.w.at(rec.Last)) {
		t.Fatalf("%s: a start has a wrong state of record %d", what, rec.Last)
	}
	switch {
	case len(rep.Older) > 0:
		if rec.Last != f.last {
			t.Fatalf("%s: a start goes on with record %d of %d", what, rec.Last, f.last)
		}
	case rec.Last == f.last && rec.Torn == 0:
		f.unseen++ // it is nothing that anybody reads, or not a change
		t.Logf("%s: not seen", what)
	case f.tail == name && (from < 0 || to > f.tailAt):
		// Only the last batch of a log that was not closed: nothing tells that from a write that was not finished.
		if want := f.w.marks[len(f.w.marks)-2].last; rec.Last != want {
			t.Fatalf("%s: a start ends with record %d, want %d", what, rec.Last, want)
		}
		f.cut++
	default:
		t.Fatalf("%s: a start goes on with record %d of %d", what, rec.Last, f.last)
	}
}

// refusal wants an error to be damage in a file, in the unit that holds the change.
func (f *flips) refusal(what, name string, err error, from, to int) {
	f.t.Helper()
	var c *wal.CorruptionError
	var newer *wal.NewerError
	switch {
	case errors.As(err, &newer) && name == manifest:
		return // the version's own bytes, with the checksum changed, too
	case !errors.As(err, &c):
		f.t.Fatalf("%s: %v", what, err)
	case from < 0 && region(c.File) == region(name):
		return // where batches are missing at the end, or others stand, it is the next segment that does not fit
	case c.File != name:
		f.t.Fatalf("%s: told as damage of %s: %v", what, c.File, err)
	case from >= 0 && c.Offset >= int64(to):
		f.t.Fatalf("%s: told as damage at offset %d, behind it: %v", what, c.Offset, err)
	}
	if from < 0 || name == manifest {
		return
	}
	// No whole unit lies between the place that is told and the change.
	at := []int{0, 1 << 30}
	if strings.Contains(name, "gen-") {
		at = append(entries(f.img[name]), 1<<30)
	} else if strings.Contains(name, "snap-") {
		at = append(frameStarts(f.img[name]), 1<<30)
	}
	i, _ := slices.BinarySearch(at, int(c.Offset))
	if at[i] != int(c.Offset) || i+1 < len(at) && at[i+1] <= from {
		f.t.Fatalf("%s: told as damage at offset %d; units start at %v: %v", what, c.Offset, at, err)
	}
}

// past reads some moments of what is kept.
func (f *flips) past(what string) {
	t := f.t
	h, err := wal.OpenHistory(f.dir, wal.ReadOptions{Torn: true})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer h.Close()
	step := max(1, f.last/8)
	for n := wal.LSN(0); n <= f.last; n += step {
		got, err := read(h, n)
		if err == nil && !maps.Equal(got, f.w.at(n)) {
			t.Fatalf("%s: a wrong state of record %d", what, n)
		}
		if err != nil && !errors.Is(err, wal.ErrCorrupt) && !errors.Is(err, wal.ErrNoHistory) {
			t.Fatalf("%s: record %d: %v", what, n, err)
		}
	}
}

// frameStarts are the offsets of a snapshot's header, frames and footer.
func frameStarts(b []byte) []int {
	at := []int{0}
	for pos := 96; pos < len(b)-96; {
		at = append(at, pos)
		pos += 48 + int(b[pos+24]) | int(b[pos+25])<<8 | int(b[pos+26])<<16
	}
	return append(at, len(b)-96)
}

// closed is wholeWorld after an orderly close: everything in it is known to be on disk.
func closed(t testing.TB, seed uint64, segment int64) (*world, image) {
	t.Helper()
	w, _ := wholeWorld(t, seed, keepAll, segment)
	return w, readImage(t, w.dir)
}

// Each byte of a small directory is watched over: of the manifest, of each segment, of each snapshot, of those that a start reads and those that only time travel does.
func TestEveryFlipIsToldAndLocated(t *testing.T) {
	for name, built := range map[string]func() *flips{
		"closed": func() *flips {
			w, img := closed(t, 21, 500)
			return &flips{w: w, img: img}
		},
		"killed": func() *flips {
			for seed := uint64(22); ; seed++ {
				w, img := wholeWorld(t, seed, keepAll, 500)
				f := &flips{w: w, img: img}
				if f.lastBatch() {
					return f
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := built()
			f.t, f.dir, f.last = t, ramDir(t), wal.LSN(len(f.w.records))
			n, bytesOf := 0, map[string]int{}
			for _, name := range slices.Sorted(maps.Keys(f.img)) {
				b := bytes.Clone(f.img[name])
				bytesOf[region(name)] += len(b)
				for pos := range b {
					if testing.Short() && pos%5 != len(name)%5 {
						continue
					}
					bits := []int{pos % 8}
					if *everyBit {
						bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
					}
					for _, bit := range bits {
						b[pos] ^= 1 << bit
						f.try(fmt.Sprintf("%s: bit %d of byte %d", name, bit, pos), name, b, pos, pos+1)
						b[pos] ^= 1 << bit
						n++
					}
				}
			}
			if f.unseen > 0 || f.older == 0 || (f.cut > 0) != (f.tail != "") {
				t.Errorf("%d flips were not seen", f.unseen)
			}
			t.Logf("%d flips in %v bytes: %d refused, %d told of what only time travel reads, %d in the last batch cut, %d not seen", n, bytesOf, f.refused, f.older, f.cut, f.unseen)
		})
	}
}

func region(name string) string {
	switch {
	case strings.Contains(name, "gen-"):
		return "log"
	case strings.Contains(name, "snap-"):
		return "snapshot"
	}
	return filepath.Base(name)
}

// lastBatch finds the batch that nothing vouches for yet. There is none if it has filled its segment.
func (f *flips) lastBatch() bool {
	f.tail = ""
	for _, name := range slices.Sorted(maps.Keys(f.img)) {
		if !strings.Contains(name, "gen-") {
			continue
		}
		if f.tail = ""; len(f.img[name]) > 0 {
			at := entries(f.img[name])
			f.tail, f.tailAt = name, at[len(at)-2]
		}
	}
	return f.tail != ""
}

// What file systems and people do to whole pieces of files: cut them, zero them, swap them, exchange files, put old ones back.
func TestPiecesThatAreLostOrSwapped(t *testing.T) {
	w, img := closed(t, 23, 500)
	f := &flips{t: t, w: w, img: img, dir: ramDir(t), last: wal.LSN(len(w.records))}
	n := 0
	names := slices.Sorted(maps.Keys(img))
	for _, name := range names {
		b := img[name]
		step := 3
		if testing.Short() {
			step = 29
		}
		for size := 0; size < len(b); size += step {
			f.try(fmt.Sprintf("%s: cut to %d", name, size), name, b[:size:size], -1, 0)
			n++
		}
		for _, page := range []int{16, 64, 512} {
			for pos := 0; pos < len(b); pos += page {
				end := min(pos+page, len(b))
				z := bytes.Clone(b)
				clear(z[pos:end])
				if !bytes.Equal(z, b) {
					f.try(fmt.Sprintf("%s: zeros from %d to %d", name, pos, end), name, z, pos, end)
					n++
				}
				if other := pos + 2*page; other+page <= len(b) {
					s := bytes.Clone(b)
					copy(s[pos:], b[other:other+page])
					copy(s[other:], b[pos:end])
					if !bytes.Equal(s, b) {
						f.try(fmt.Sprintf("%s: pages of %d at %d and %d swapped", name, page, pos, other), name, s, pos, other+page)
						n++
					}
				}
			}
		}
		for _, other := range names {
			if other != name && len(b) > 0 && region(other) == region(name) {
				f.try(fmt.Sprintf("%s: in its place is %s", name, other), name, img[other], -1, 0)
				n++
			}
		}
	}
	if f.unseen > 0 || f.cut > 0 {
		t.Errorf("%d changes were not seen, %d taken for torn writes", f.unseen, f.cut)
	}
	t.Logf("%d changes: %d refused, %d told of what only time travel reads", n, f.refused, f.older)
}

// Larger directories, with full segments and frames of many records, and changes of any size in them.
func TestRandomDamage(t *testing.T) {
	first, last := seeds(6)
	n, refused, older := 0, 0, 0
	for seed := first; seed <= last; seed++ {
		w := newWorld(seed, ramDir(t))
		w.open(t, wal.SmallSegments(wal.Options{Retain: keepAll, MaxDelay: time.Hour, Idle: time.Hour}, 20_000))
		for range 4 {
			for range 150 {
				w.write(t)
			}
			w.snapshot(t, true)
		}
		w.write(t)
		if err := w.l.Close(); err != nil {
			t.Fatal(err)
		}
		f := &flips{t: t, w: w, img: readImage(t, w.dir), dir: ramDir(t), last: wal.LSN(len(w.records))}
		r := rand.New(rand.NewPCG(seed, 5))
		names := slices.Sorted(maps.Keys(f.img))
		for range 60 {
			name := names[r.IntN(len(names))]
			b := bytes.Clone(f.img[name])
			if len(b) == 0 {
				continue
			}
			pos := r.IntN(len(b))
			end := min(len(b), pos+1+r.IntN(1<<r.IntN(13)))
			for i := pos; i < end; i++ {
				b[i] = byte(r.Uint32())
			}
			if bytes.Equal(b, f.img[name]) {
				continue
			}
			f.try(fmt.Sprintf("seed %d: %s from %d to %d", seed, name, pos, end), name, b, pos, end)
			n++
		}
		if f.unseen > 0 || f.cut > 0 {
			t.Errorf("seed %d: %d changes were not seen, %d taken for torn writes", seed, f.unseen, f.cut)
		}
		refused, older = refused+f.refused, older+f.older
	}
	t.Logf("%d changes: %d refused, %d told of what only time travel reads", n, refused, older)
}
