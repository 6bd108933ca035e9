package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// must runs a command that succeeds, and returns what it prints.
func must(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := everloop(t, nil, args...)
	if code != exitOK {
		t.Fatalf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// A daemon under load is backed up by a process that follows it, over snapshots and kills. Restored elsewhere, the objects are the same to the byte, and are served.
func TestBackupUnderLoad(t *testing.T) {
	const conns, counters = 16, 60
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	data, dest := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	k := &killing{t: t, tallies: make([]tally, counters), snapshots: true}
	for i := range k.tallies {
		k.tallies[i].counts = map[int]bool{}
	}
	var follower *process
	rounds, snapshots := 3, 0
	for round := range rounds {
		p := serve(t, counter, "--data", data)
		if follower == nil {
			follower = launchLine(t, nil, binary, "backup", dest, "--data", data, "--follow", "--interval", "50ms", "--keep", "forever")
		}
		k.ended.Store(false)
		k.acks.Store(0)
		var clients sync.WaitGroup
		for i := range conns {
			clients.Go(func() { k.increment(p, rand.New(rand.NewPCG(seed, uint64(round*conns+i)))) })
		}
		for enough := int64(200); enough <= 1000; enough += 400 {
			waitFor(t, "acknowledged increments", func() bool { return k.acks.Load() >= enough || t.Failed() })
			must(t, "snapshot", "--admin", p.admin)
			snapshots++
			if round == 1 { // a second backup, of another place, beside it
				must(t, "backup", dest+"-2", "--data", data)
			}
		}
		k.ended.Store(true)
		p.kill()
		clients.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	follower.stop()
	if !strings.Contains(follower.log.String(), "holds everything") {
		t.Errorf("the end of the backup that follows:\n%s", &follower.log)
	}

	verified := must(t, "verify", dest)
	if !regexp.MustCompile(fmt.Sprintf(`(?s)%d snapshots .*can be restored to any moment from .*no damage\n$`, snapshots)).MatchString(verified) {
		t.Errorf("verify says:\n%s\nwant %d snapshots", verified, snapshots)
	}
	original := must(t, "export", data)
	for i, from := range [][]string{{dest}, {data, "--whole"}} {
		restored := filepath.Join(t.TempDir(), "restored")
		must(t, append([]string{"restore", from[0], restored}, from[1:]...)...)
		if got := must(t, "export", restored); got != original {
			t.Errorf("the export of what was restored from %v has %d bytes, that of the original %d, or others", from, len(got), len(original))
		}
		if i == 0 { // it increments: of two copies, each would give the same numbers
			p := serve(t, counter, "--data", restored)
			k.verify(p)
			p.stop()
		}
	}
	if second := must(t, "verify", dest+"-2"); !strings.Contains(second, "no damage") {
		t.Errorf("the second backup:\n%s", second)
	}
	t.Logf("%d lives, %d snapshots, %d bytes of export, the same to the byte\n%s", rounds, snapshots, len(original), verified)
}

// With the machine, at most what was written in the last interval is lost: the daemon and the backup are killed at once, and the data directory is gone.
func TestLossOfTheMachine(t *testing.T) {
	data, dest := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	p := serve(t, counter, "--data", data)
	follower := launchLine(t, nil, binary, "backup", dest, "--data", data, "--follow", "--interval", "20ms")
	var count atomic.Int64
	stop := make(chan struct{})
	var client sync.WaitGroup
	client.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			status, body, err := ask(p.client, "/?id=x")
			n, aerr := strconv.ParseInt(strings.TrimSpace(body), 10, 64)
			if err != nil || aerr != nil || status != 200 {
				t.Errorf("%d %q %v", status, body, err)
				return
			}
			count.Store(n)
		}
	})
	// The index is replaced again and again: what was acknowledged before one pass began is there when the next one has ended.
	index := func() string {
		text, _ := os.ReadFile(filepath.Join(dest, "index")) // not there at first
		return string(text)
	}
	var known int64
	for range 10 {
		known = count.Load()
		for range 2 {
			before := index()
			waitFor(t, "the next pass of the backup", func() bool { return index() != before || t.Failed() })
		}
	}
	follower.kill()
	close(stop)
	client.Wait()
	p.kill()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	must(t, "restore", dest, restored)
	p = serve(t, counter, "--data", restored)
	_, body := p.get("/?id=x")
	next, err := strconv.ParseInt(strings.TrimSpace(body), 10, 64)
	if err != nil || next <= known {
		t.Errorf("the restored counter goes on with %q, and %d had been acknowledged two passes before the end", body, known)
	}
	p.stop()
	t.Logf("%d of %d increments are in the backup, of which %d had to be", next-1, count.Load(), known)
}

// What the commands say when they are used wrongly, or find what they cannot use.
func TestBackupMessages(t *testing.T) {
	data := writeLog(t, 3)
	dest := filepath.Join(t.TempDir(), "backup")
	stdout := must(t, "backup", dest, "--data", data)
	if !regexp.MustCompile(`is backed up to .*: 1 object sent, \d+ B\nIt holds everything up to record 5, of 20`).MatchString(stdout) {
		t.Errorf("the first backup says %q", stdout)
	}
	if stdout = must(t, "backup", dest, "--data", data); !strings.Contains(stdout, "nothing new") {
		t.Errorf("the second backup says %q", stdout)
	}
	held, err := os.OpenFile(filepath.Join(dest, "LOCK"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	other := writeLog(t, 1)
	for _, tt := range []struct {
		args  []string
		code  int
		wants []string
	}{
		{[]string{"backup", dest, "--data", filepath.Join(data, "none")}, exitFailed, []string{"none is no data directory", "--data"}},
		{[]string{"backup", dest, "--data", other}, exitFailed, []string{"not the one", "name another place"}},
		{[]string{"backup", "ftp://host/x", "--data", data}, exitFailed, []string{"s3://BUCKET/PREFIX"}},
		{[]string{"backup", "s3:///x", "--data", data}, exitFailed, []string{"s3://BUCKET/PREFIX"}},
		{[]string{"backup", "s3://b/x", "--data", data, "--s3-endpoint", "ftp://host"}, exitFailed, []string{"the endpoint", "https://HOST:PORT"}},
		{[]string{"backup", dest, "--data", data, "--keep", "soon"}, exitUsage, []string{"--keep", "30d"}},
		{[]string{"backup", dest, "--follow", "--interval", "1ns"}, exitUsage, []string{"--interval"}},
		{[]string{"backup"}, exitUsage, []string{"backup --help"}},
		{[]string{"verify", data}, exitFailed, []string{"is no backup"}},
		{[]string{"restore", data, filepath.Join(t.TempDir(), "x")}, exitFailed, []string{"--whole"}},
		{[]string{"restore", dest, filepath.Join(t.TempDir(), "x"), "--whole"}, exitFailed, []string{"no data directory"}},
		{[]string{"restore", dest, data}, exitFailed, []string{"is not empty"}},
		{[]string{"restore", dest, filepath.Join(t.TempDir(), "x"), "--at", "3d"}, exitFailed, []string{"cannot be restored", "it can be restored to any moment from 20"}},
		{[]string{"restore", dest, filepath.Join(t.TempDir(), "x"), "--at", "yesterday"}, exitUsage, []string{"is no time", "10m"}},
	} {
		_, stderr, code := everloop(t, nil, tt.args...)
		for _, want := range tt.wants {
			if code != tt.code || !strings.Contains(stderr, want) {
				t.Errorf("%v: exit code %d, %q; want %d and %q", tt.args, code, stderr, tt.code, want)
			}
		}
	}
	// Another backup is writing.
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := everloop(t, nil, "backup", dest, "--data", data); code != exitFailed || !strings.Contains(stderr, "Only one backup at a time") {
		t.Errorf("beside another backup: exit code %d, %q", code, stderr)
	}
	// Damage.
	segment := largestFile(t, filepath.Join(dest, "log"))
	if err := os.WriteFile(segment, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := everloop(t, nil, "verify", dest)
	if code != exitFailed || !strings.Contains(stdout, filepath.Base(segment)) || strings.Contains(stdout, "no damage") || !strings.Contains(stderr, "1 objects are not whole") {
		t.Errorf("verify of a damaged backup: exit code %d, %q, %q", code, stdout, stderr)
	}
	restored := filepath.Join(t.TempDir(), "x")
	_, stderr, code = everloop(t, nil, "restore", dest, restored)
	if code != exitFailed || !strings.Contains(stderr, "everloop verify "+dest) || isDataDirectory(restored) {
		t.Errorf("restore of a damaged backup: exit code %d, %q", code, stderr)
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)
	local := func(h, m, s int) time.Time { return time.Date(2026, 11, 24, h, m, s, 0, time.Local) }
	for text, want := range map[string]time.Time{
		"10m":                       now.Add(-10 * time.Minute),
		"2h30m ago":                 now.Add(-150 * time.Minute),
		"3d":                        now.Add(-72 * time.Hour),
		"1d12h":                     now.Add(-36 * time.Hour),
		"2026-11-24T06:07:08Z":      time.Date(2026, 11, 24, 6, 7, 8, 0, time.UTC),
		"2026-11-24T06:07:08+01:00": time.Date(2026, 11, 24, 5, 7, 8, 0, time.UTC),
		"2026-11-24 06:07":          local(6, 7, 0),
		"2026-11-24 06:07:08":       local(6, 7, 8),
		"2026-11-24T06:07":          local(6, 7, 0),
	} {
		if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "-3d", "-10m", "0s", "2026-11-24", "yesterday", "99999999d", "10", "3dd", "06:07"} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// What is printed for people is taken back by --at, and has what was committed then.
func TestMomentsForPeople(t *testing.T) {
	for _, nanos := range []int{0, 1, 999_999, 1_000_000, 999_999_999} {
		at := time.Date(2026, 11, 24, 15, 4, 5, nanos, time.UTC)
		got, err := parseMoment(people(at), time.Time{})
		if err != nil || got.Before(at) || got.Sub(at) >= time.Millisecond {
			t.Errorf("%v is printed as %s, which is %v, %v", at, people(at), got, err)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "12h": 12 * time.Hour, "1d1m": 24*time.Hour + time.Minute, "forever": 0} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%q is %v, %v, want %v", text, time.Duration(s), err, want)
		}
	}
}
