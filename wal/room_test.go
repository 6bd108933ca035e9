package wal_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"everloop/wal"
	"everloop/wal/waltest"
)

// segmentFileOf reads a segment as it is, with its room, and tells where its batches end.
func segmentFileOf(t *testing.T, dir, segment string) (b []byte, end int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, segment))
	if err != nil {
		t.Fatal(err)
	}
	return b, roomAt(b)
}

// A log that syncs keeps room behind its last batch. Batches overwrite it; nobody takes it for a torn write; and it is gone where a segment
// must end with its last batch.
func TestRoom(t *testing.T) {
	dir := ramDir(t)
	l, _, _ := open(t, dir, wal.Options{})
	put(t, l, "one")
	b, end := segmentFileOf(t, dir, segment1)
	if len(b)-end != 16<<10 {
		t.Fatalf("%d bytes of room behind the first batch, which ends at %d: want 16 KiB", len(b)-end, end)
	}
	put(t, l, "two")
	if after, moved := segmentFileOf(t, dir, segment1); len(after) != len(b) || moved <= end {
		t.Fatalf("the second batch ends at %d of %d bytes; the first one at %d of %d: it has not taken the room", moved, len(after), end, len(b))
	}
	put(t, l, string(bytes.Repeat([]byte("x"), 20<<10)))
	if b, end = segmentFileOf(t, dir, segment1); len(b)-end != end {
		t.Fatalf("%d bytes of room behind %d", len(b)-end, end)
	}

	// As a crash leaves it.
	killed := filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if rep, err := wal.Verify(killed); err != nil || rep.Torn != 0 || rep.Records != 3 {
		t.Fatalf("Verify: %+v, %v", rep, err)
	}
	if r, err := wal.Repair(killed, wal.RepairOptions{DropAfter: 3, DryRun: true}); err != nil || r.Changes || r.Cause != nil {
		t.Fatalf("a repair of what is whole: %+v, %v", r, err)
	}
	again, got, rec := open(t, killed, wal.Options{Sync: wal.SyncNone})
	if rec.Torn != 0 || len(got) != 3 {
		t.Fatalf("a start: %+v, %d records", rec, len(got))
	}
	if b, end := segmentFileOf(t, killed, segment1); len(b) != end {
		t.Fatalf("a log that does not sync has kept %d bytes of room", len(b)-end)
	}
	again.Close()

	// Before the manifest names another generation.
	w, err := l.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if b, end = segmentFileOf(t, dir, segment1); len(b) != end {
		t.Fatalf("a generation was ended with %d bytes of room", len(b)-end)
	}
	w.Abort()
	put(t, l, "four")
	second := "p0/gen-0000000002/00000000000000000001"
	if b, end = segmentFileOf(t, dir, second); len(b) == end {
		t.Fatal("the second generation has no room")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if b, end = segmentFileOf(t, dir, second); len(b) != end {
		t.Fatalf("an orderly close has left %d bytes of room", len(b)-end)
	}
}

// A disk without space for room may still have some for batches: the log goes on.
func TestNoSpaceForRoom(t *testing.T) {
	dir := ramDir(t)
	disk, err := waltest.NewPowerDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, _, _ := open(t, dir, wal.Options{Disk: disk})
	disk.Fail(wal.OpWrite, 2, unix.ENOSPC) // the first one is the batch
	put(t, l, "one")
	put(t, l, "two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if b, end := segmentFileOf(t, dir, segment1); len(b) != end {
		t.Errorf("a log that has closed has kept %d bytes of room", len(b)-end)
	}
	_, got, _ := open(t, dir, wal.Options{})
	equal(t, got, []string{"one", "two"})
}

// Room in a generation that is not the newest is damage: it is cut off before there is a next one.
func TestRoomBelowTheNewestGeneration(t *testing.T) {
	dir := ramDir(t)
	l, _, _ := open(t, dir, wal.Options{})
	put(t, l, "one")
	w, err := l.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	put(t, l, "two")
	img := readImage(t, dir)
	l.Close()
	whole := img[segment1]
	img.with(segment1, append(whole[:len(whole):len(whole)], make([]byte, 100)...)).write(t, dir)
	if _, err := wal.Verify(dir); !errors.Is(err, wal.ErrCorrupt) {
		t.Fatalf("Verify: %v", err)
	}
	if _, err := wal.Repair(dir, wal.RepairOptions{DropAfter: 1}); err != nil {
		t.Fatalf("Repair: %v", err)
	}
	_, got, _ := open(t, dir, wal.Options{})
	equal(t, got, []string{"one"})
}
