package waltest_test

import (
	"os"
	"path/filepath"
	"testing"

	"everloop/wal"
	"everloop/wal/waltest"
)

// A directory that is removed and made anew under its name is another one: a power cut leaves the old one, the new one,
// or none, and never what was in one in the other.
func TestPowerDiskDirectoriesMadeAnew(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "d")
	old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := waltest.NewPowerDisk(root)
	if err != nil {
		t.Fatal(err)
	}
	do := func(op wal.Op, perform func() error) {
		t.Helper()
		if err := disk.Do(op, perform); err != nil {
			t.Fatal(err)
		}
	}
	do(wal.Op{Kind: wal.OpRemove, Path: old}, func() error { return os.Remove(old) })
	do(wal.Op{Kind: wal.OpRemove, Path: dir}, func() error { return os.Remove(dir) })
	do(wal.Op{Kind: wal.OpMkdir, Path: dir}, func() error { return os.Mkdir(dir, 0o750) })
	do(wal.Op{Kind: wal.OpCreate, Path: fresh}, func() error { return os.WriteFile(fresh, nil, 0o600) })
	do(wal.Op{Kind: wal.OpSyncDir, Path: dir}, nil)
	crash := func(seed uint64) string {
		t.Helper()
		dst := filepath.Join(t.TempDir(), "after")
		if err := disk.Crash(seed, dst); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Join(dst, "d"))
		if err != nil {
			return "none"
		}
		all := ""
		for _, e := range entries {
			all += e.Name()
		}
		return all
	}
	seen := map[string]int{}
	for seed := range uint64(100) {
		seen[crash(seed)]++
	}
	// The new one has its file: it was fsynced. The old one has it or not.
	for _, want := range []string{"", "old", "new", "none"} {
		if seen[want] == 0 {
			t.Errorf("%q was never left", want)
		}
	}
	if len(seen) != 4 {
		t.Errorf("left: %v", seen)
	}
	do(wal.Op{Kind: wal.OpSyncDir, Path: root}, nil)
	for seed := range uint64(20) {
		if got := crash(seed); got != "new" {
			t.Fatalf("after the fsync %q is left", got)
		}
	}
	if err := disk.Check(); err != nil {
		t.Fatal(err)
	}
}
