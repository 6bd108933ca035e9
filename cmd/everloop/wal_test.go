package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"everloop/engine/redo"
	"everloop/wal"
)

// writeLog makes a data directory with one class, and an object that stores n values of CBOR, each in a batch of
// its own.
func writeLog(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	log, err := wal.Open(dir, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	id := [redo.IDSize]byte{0xab}
	records := [][]byte{redo.AppendDefineClass(nil, 1, "app-Counter", "Counter")}
	for i := range n {
		records = append(records, redo.AppendPut(redo.AppendNamedObject(nil, 1, &id, "a"), "count", []byte{byte(i)}))
	}
	records = append(records, redo.AppendPut(redo.AppendObject(nil, 1, &id), "text\n", []byte("\x82\x65hello\xf5")))
	for _, record := range records {
		lsn, err := log.Append(0, record)
		if err != nil {
			t.Fatal(err)
		}
		log.Demand(lsn)
		log.EndRound(0)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWALDump(t *testing.T) {
	dir := writeLog(t, 2)
	stdout, stderr, code := everloop(t, nil, "wal", "dump", dir)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	for _, want := range []string{
		`:\d+: batch \d+ of epoch 1, records \d+ to \d+, 20\d\d-\S+Z; on disk before: \d+\n`,
		`  1: .*"app-Counter"`,
		`(?s)  3: .*Counter.* ab0{62} .*"a".*\n    .*put "count".* 1\n`,
		`put "text\\n".* \["hello", true\]\n`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("no %s in\n%s", want, stdout)
		}
	}
}

func TestWALVerify(t *testing.T) {
	dir := writeLog(t, 3)
	stdout, stderr, code := everloop(t, nil, "wal", "verify", dir)
	if code != exitOK || stderr != "" || !regexp.MustCompile(`: 5 records in \d+ batches, .*\nlast record 5, .*\nno damage\n$`).MatchString(stdout) {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}

	segment := largestFile(t, dir)
	text, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	// A write that was not finished.
	if err := os.WriteFile(segment, append(bytes.Clone(text), "unfinished"...), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code = everloop(t, nil, "wal", "verify", dir)
	if code != exitOK || !strings.Contains(stdout, "10 bytes of a write that was not finished") {
		t.Errorf("torn: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	// Damage to what was on disk.
	damaged := bytes.Clone(text)
	damaged[len(damaged)/3] ^= 1
	if err := os.WriteFile(segment, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code = everloop(t, nil, "wal", "verify", dir)
	if code != exitFailed || strings.Contains(stdout, "no damage") || !strings.Contains(stderr, filepath.Base(segment)) || !strings.Contains(stderr, "Restore a copy") {
		t.Errorf("damaged: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	for _, command := range []string{"dump", "verify"} {
		_, stderr, code = everloop(t, nil, "wal", command, filepath.Join(dir, "none"))
		if code != exitFailed || !strings.Contains(stderr, "none") {
			t.Errorf("%s of nothing: exit code %d, stderr %q", command, code, stderr)
		}
	}
}

// largestFile is the log's segment, as long as there is one.
func largestFile(t *testing.T, dir string) (path string) {
	t.Helper()
	largest := int64(-1)
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > largest {
			path, largest = name, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAppendValue(t *testing.T) {
	for value, want := range map[string]string{"\x01": "1", "\xff": "h'ff'", "": "h''"} {
		if got := string(appendValue([]byte("v "), []byte(value))); got != "v "+want {
			t.Errorf("%x is %q, want %q", value, got, want)
		}
	}
	long := appendValue(nil, make([]byte, shownValue+1))
	if !strings.HasSuffix(string(long), "00'... (4097 bytes)") || len(long) > 2*shownValue+40 {
		t.Errorf("a long value takes %d bytes and ends in %q", len(long), long[len(long)-30:])
	}
}
