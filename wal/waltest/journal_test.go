package waltest_test

import (
	"path/filepath"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// TestJournal: a model that follows a journal has the files that the process left, and a power cut leaves what was durable.
func TestJournal(t *testing.T) {
	base := t.TempDir()
	dir, file := filepath.Join(base, "data"), filepath.Join(base, "journal")
	for life := range 3 {
		if life == 0 {
			l := openOn(t, dir, nil)
			l.Close() // so that there is a directory
		}
		model, err := waltest.NewPowerDisk(dir)
		if err != nil {
			t.Fatal(err)
		}
		j, err := waltest.NewJournal(dir, file, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := openOn(t, dir, j)
		n, err := l.Append(0, []byte("record"))
		if err != nil {
			t.Fatal(err)
		}
		l.Flush()
		for l.Durable() < n && l.Err() == nil {
			time.Sleep(time.Millisecond) // between two looks
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if op, err := model.Follow(file); err != nil || op != nil {
			t.Fatalf("under way: %v, %v", op, err)
		}
		if err := model.Check(); err != nil {
			t.Error(err)
		}
		after := filepath.Join(base, "after", string(rune('a'+life)))
		if err := model.Crash(uint64(life), after); err != nil {
			t.Fatal(err)
		}
		crashed := openOn(t, after, nil)
		if crashed.Last() < n {
			t.Errorf("after a power cut the log ends at %d, %d was durable", crashed.Last(), n)
		}
		crashed.Close()
		j.Close()
	}
}

func openOn(t *testing.T, dir string, disk wal.Disk) *wal.Log {
	t.Helper()
	l, err := wal.Open(dir, wal.Options{Disk: disk})
	if err == nil {
		_, err = l.Replay(func(*wal.Chunk) error { return nil }, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}
