package waltest_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"everloop/wal"
	"everloop/wal/waltest"
)

// read lists what a log or a history holds: of a snapshot "tag:record", of the log "number=record".
func read(t *testing.T, into func(fn func(*wal.Chunk) error) error) (all []string) {
	t.Helper()
	err := into(func(c *wal.Chunk) error {
		sign := "="
		if c.Snapshot() {
			sign = ":"
		}
		return c.Records(func(n wal.LSN, r []byte) error {
			all = append(all, fmt.Sprintf("%d%s%s", n, sign, r))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func start(t *testing.T, m *waltest.MemLog) []string {
	t.Helper()
	return read(t, func(fn func(*wal.Chunk) error) error { _, err := m.Replay(fn, nil); return err })
}

// snapshot makes one of records "tag:text"; said is appended before the barrier is taken.
func snapshot(t *testing.T, m *waltest.MemLog, said string, tags ...wal.LSN) error {
	t.Helper()
	w, err := m.StartSnapshot()
	if err != nil {
		return err
	}
	f := wal.NewFrame()
	for _, tag := range tags {
		f.Add(tag, fmt.Appendf(nil, "s%d", tag))
	}
	if err := w.Write(f); err != nil {
		return err
	}
	appendAll(t, m, said)
	_, err = w.Install(m.Last())
	return err
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestMemLogSnapshot(t *testing.T) {
	m := waltest.NewMemLog(waltest.MemOptions{})
	start(t, m)
	appendAll(t, m, "ab")
	if err := snapshot(t, m, "cd", 2, 1); err != nil {
		t.Fatal(err)
	}
	if m.Durable() != 4 {
		t.Fatalf("durable up to %d: the install rule wants it up to the barrier", m.Durable())
	}
	appendAll(t, m, "e")
	m.Commit()
	appendAll(t, m, "f")
	if w, err := m.StartSnapshot(); err != nil {
		t.Fatal(err)
	} else if _, err := m.StartSnapshot(); !errors.Is(err, wal.ErrSnapshotRunning) {
		t.Fatal(err)
	} else if next := m.Crash(false, waltest.MemOptions{}); true {
		if err := w.Write(wal.NewFrame()); !errors.Is(err, wal.ErrSnapshotOver) {
			t.Fatalf("Write after the crash: %v", err)
		}
		m = next
	}
	var rec wal.Recovery
	same(t, read(t, func(fn func(*wal.Chunk) error) (err error) { rec, err = m.Replay(fn, nil); return err }),
		"2:s2", "1:s1", "3=c", "4=d", "5=e", "6=f")
	if rec.Snapshot != 4 || rec.SnapshotRecords != 2 || rec.Records != 4 || rec.Generations != 2 || rec.Last != 6 || rec.Batches != 3 {
		t.Fatalf("%+v", rec)
	}
	if size := m.Size(); size.Snapshot == 0 || size.Log != 4 || size.Kept != 0 {
		t.Fatalf("%+v", size)
	}
}

// A snapshot whose records are lost with the power: with the rule there is none such; without it, what comes after the
// crash gets numbers that the snapshot has already.
func TestMemLogInstallRule(t *testing.T) {
	for _, broken := range []bool{false, true} {
		o := waltest.MemOptions{BreakInstallRule: broken}
		m := waltest.NewMemLog(o)
		start(t, m)
		appendAll(t, m, "a")
		w, err := m.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		appendAll(t, m, "b")
		f := wal.NewFrame()
		f.Add(2, []byte("ab"))
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Install(2); err != nil {
			t.Fatal(err)
		}
		next := m.Crash(false, o)
		got := start(t, next)
		if broken {
			same(t, got, "2:ab")
			if n, _ := next.Append(0, []byte("lost by whoever skips up to the tag")); n != 2 {
				t.Fatalf("the next number is %d", n)
			}
			continue
		}
		same(t, got, "2:ab", "2=b")
	}
}

func TestMemLogRefusesALogBelowTheBarrier(t *testing.T) {
	m := waltest.NewMemLog(waltest.MemOptions{BreakInstallRule: true})
	start(t, m)
	appendAll(t, m, "a")
	if err := snapshot(t, m, "b", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Crash(false, waltest.MemOptions{}).Replay(nil, nil); !errors.Is(err, wal.ErrCorrupt) {
		t.Fatal(err)
	}
}

func TestMemLogSnapshotFails(t *testing.T) {
	m := waltest.NewMemLog(waltest.MemOptions{Auto: true})
	start(t, m)
	appendAll(t, m, "a")
	w, err := m.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	f := wal.NewFrame()
	f.Add(1, nil)
	m.FailSnapshot(io.ErrShortWrite)
	if err := w.Write(f); !errors.Is(err, io.ErrShortWrite) {
		t.Fatal(err)
	}
	if _, err := w.Install(1); !errors.Is(err, wal.ErrSnapshotOver) {
		t.Fatal(err)
	}
	m.SetNoSpace(true)
	if _, err := m.StartSnapshot(); !errors.Is(err, wal.ErrNoSpace) {
		t.Fatal(err)
	}
	m.SetNoSpace(false)
	for _, barrier := range []wal.LSN{0, 2} { // below a tag, above the log
		w, err := m.StartSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Install(barrier); err == nil {
			t.Fatalf("barrier %d is taken", barrier)
		}
	}
	// The log's own failure in the middle: the snapshot is not installed.
	w, err = m.StartSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, m, "b")
	m.FailSync(io.ErrShortWrite)
	if _, err := w.Install(2); !errors.Is(err, wal.ErrFailed) {
		t.Fatal(err)
	}
	same(t, start(t, m.Crash(false, waltest.MemOptions{})), "1=a")
}

func TestMemLogHistory(t *testing.T) {
	clock := time.UnixMilli(1000)
	o := waltest.MemOptions{Keep: 1, Now: func() time.Time { clock = clock.Add(time.Second); return clock }}
	m := waltest.NewMemLog(o)
	start(t, m)
	if _, err := waltest.NewMemLog(o).History(); !errors.Is(err, wal.ErrNotReplayed) {
		t.Fatal(err)
	}
	appendAll(t, m, "ab")
	m.Commit() // at 2 s
	open := func() wal.History {
		t.Helper()
		h, err := m.History()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if h := open(); h.Start() != (wal.Position{}) || h.End() != (wal.Position{Epoch: 1, LSN: 2, Time: time.UnixMilli(2000)}) {
		t.Fatalf("%+v to %+v", h.Start(), h.End())
	}
	for range 3 {
		if err := snapshot(t, m, "x", m.Last()); err != nil { // commits 3, 4 and 5 in the install
			t.Fatal(err)
		}
	}
	appendAll(t, m, "z")
	h := open() // before the commit
	m.Commit()
	s, e := h.Start(), h.End()
	if s.LSN != 4 || e.LSN != 5 || s.Epoch != 1 {
		t.Fatalf("%+v to %+v", s, e)
	}
	same(t, read(t, func(fn func(*wal.Chunk) error) error { return h.Read(4, fn) }), "3:s3", "4=x")
	same(t, read(t, func(fn func(*wal.Chunk) error) error { return h.Read(5, fn) }), "4:s4", "5=x")
	for _, to := range []wal.LSN{3, 6} {
		if err := h.Read(to, nil); !errors.Is(err, wal.ErrNoHistory) {
			t.Fatalf("Read(%d): %v", to, err)
		}
	}
	if p, err := h.At(e.Time); err != nil || p != e {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err := h.At(e.Time.Add(-1)); err != nil || p.LSN != 4 {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := h.At(s.Time.Add(-1)); !errors.Is(err, wal.ErrNoHistory) {
		t.Fatal(err)
	}
	if p, err := h.Find(1, 5); err != nil || p != e {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, c := range []struct {
		epoch uint64
		n     wal.LSN
	}{{0, 5}, {1, 6}, {1, 3}} {
		if _, err := h.Find(c.epoch, c.n); !errors.Is(err, wal.ErrNoHistory) {
			t.Fatalf("Find(%d, %d): %v", c.epoch, c.n, err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}
