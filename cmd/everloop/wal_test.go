package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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
	if code != exitFailed || strings.Contains(stdout, "no damage") || !strings.Contains(stderr, filepath.Base(segment)) || !regexp.MustCompile(`everloop wal repair \S+ --drop-after \d+\nThat gives up \d+ records, \d+ to 5`).MatchString(stderr) {
		t.Errorf("damaged: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	for _, command := range []string{"dump", "verify", "repair --drop-after 1"} {
		_, stderr, code = everloop(t, nil, append([]string{"wal"}, append(strings.Fields(command), filepath.Join(dir, "none"))...)...)
		if code != exitFailed || !strings.Contains(stderr, "none") {
			t.Errorf("%s of nothing: exit code %d, stderr %q", command, code, stderr)
		}
	}
}

// writeSnapshots is writeLog with two snapshots, each followed by one more record. The older one is kept.
func writeSnapshots(t *testing.T) (dir string) {
	t.Helper()
	dir = writeLog(t, 2)
	log, err := wal.Open(dir, wal.Options{Retain: wal.Retain{Age: time.Hour, Bytes: 1 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Replay(nil, nil); err != nil {
		t.Fatal(err)
	}
	id := [redo.IDSize]byte{0xab}
	put := func(value byte) []byte {
		return redo.AppendPut(redo.AppendNamedObject(nil, 1, &id, "a"), "count", []byte{value})
	}
	for i := range byte(2) {
		s, err := log.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		f := wal.NewFrame()
		f.Add(1, redo.AppendDefineClass(nil, 1, "app-Counter", "Counter"))
		f.Add(log.Last(), put(10+i))
		if err := s.Write(f); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Install(log.Last()); err != nil {
			t.Fatal(err)
		}
		n, err := log.Append(0, put(20+i))
		if err != nil {
			t.Fatal(err)
		}
		log.Demand(n)
		log.EndRound(0)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWALOfSnapshots(t *testing.T) {
	dir := writeSnapshots(t)
	stdout, stderr, code := everloop(t, nil, "wal", "dump", dir)
	order := regexp.MustCompile(`(?s)^p0/gen-0000000001.*\n  4: .*p0/snap-0000000002: snapshot in front of generation 2, complete up to record 4, .*; 2 records, ` +
		`.*\n  1: .*app-Counter.*\n  4: .*put "count".* 10\np0/gen-0000000002/.*\n  5: .*put "count".* 20\n.*` +
		`p0/snap-0000000003.*complete up to record 5.*put "count".* 11\n.*p0/gen-0000000003/.*\n  6: .*put "count".* 21\n`)
	if code != exitOK || stderr != "" || !order.MatchString(stdout) {
		t.Fatalf("dump: exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	stdout, _, code = everloop(t, nil, "wal", "dump", "--snapshot", dir)
	if code != exitOK || strings.Contains(stdout, "gen-") || strings.Count(stdout, "snap-") != 2 {
		t.Fatalf("dump --snapshot: exit code %d\n%s", code, stdout)
	}
	stdout, _, code = everloop(t, nil, "wal", "verify", dir)
	if code != exitOK || !regexp.MustCompile(`p0/snap-0000000002: kept for time travel: complete up to record 4, (?s).*p0/snap-0000000003: what a start reads: complete up to record 5, `+
		`.*\nkept for time travel: 5 records in 2 generations\n.*\nno damage\n$`).MatchString(stdout) {
		t.Fatalf("verify: exit code %d\n%s", code, stdout)
	}

	flip := func(name string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody but time travel needs the older one.
	flip("p0/snap-0000000002")
	stdout, _, code = everloop(t, nil, "wal", "verify", dir)
	if code != exitOK || !strings.Contains(stdout, "damage that no start minds") || !strings.HasSuffix(stdout, "no damage to what a start reads\n") {
		t.Fatalf("verify of a damaged older snapshot: exit code %d\n%s", code, stdout)
	}
	flip("p0/snap-0000000002")
	// The one that a start reads: the older one and the log have all of it.
	flip("p0/snap-0000000003")
	_, stderr, code = everloop(t, nil, "wal", "verify", dir)
	if code != exitFailed || !strings.Contains(stderr, "snap-0000000003 is damaged at offset") || !strings.Contains(stderr, "--drop-after 6\nNo record of which there is a trace is lost by that; a start then begins with the snapshot in front of generation 2") {
		t.Fatalf("verify of a damaged snapshot: exit code %d\n%s", code, stderr)
	}
	stdout, _, code = everloop(t, nil, "wal", "repair", dir, "--drop-after", "6", "--dry-run")
	if code != exitOK || !strings.Contains(stdout, "would be moved or copied: p0/snap-0000000003\n") || !strings.Contains(stdout, "nothing was changed") {
		t.Fatalf("a dry run: exit code %d\n%s", code, stdout)
	}
	_, stderr, code = everloop(t, nil, "wal", "repair", dir, "--drop-after", "7")
	if code != exitFailed || !strings.Contains(stderr, "has no record 7") {
		t.Fatalf("a repair of too much: exit code %d\n%s", code, stderr)
	}
	stdout, stderr, code = everloop(t, nil, "wal", "repair", dir, "--drop-after", "6")
	if code != exitOK || !regexp.MustCompile(`(?s)what is wrong: .*snap-0000000003.*kept: everything up to record 6 .*moved or copied to \S+/dropped-\S+: p0/snap-0000000003\n.*is whole\. Nothing was deleted`).MatchString(stdout) {
		t.Fatalf("repair: exit code %d, stderr %q\n%s", code, stderr, stdout)
	}
	if stdout, _, code = everloop(t, nil, "wal", "verify", dir); code != exitOK || !strings.HasSuffix(stdout, "no damage\n") {
		t.Fatalf("verify after it: exit code %d\n%s", code, stdout)
	}
	if stdout, _, code = everloop(t, nil, "wal", "repair", dir, "--drop-after", "6"); code != exitOK || !strings.Contains(stdout, "nothing to do") {
		t.Fatalf("a second repair: exit code %d\n%s", code, stdout)
	}
	if _, _, code = everloop(t, nil, "wal", "repair", dir); code != exitUsage {
		t.Fatalf("a repair that is not told what to keep: exit code %d", code)
	}
}

func TestQuoted(t *testing.T) {
	for path, want := range map[string]string{"/var/lib/everloop": "/var/lib/everloop", "my data": "'my data'", "it's": `'it'\''s'`, "": "''"} {
		if got := quoted(path); got != want {
			t.Errorf("%q is %s, want %s", path, got, want)
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
