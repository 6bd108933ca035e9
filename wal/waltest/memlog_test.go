package waltest_test

import (
	"errors"
	"io"
	"testing"

	"everloop/wal"
	"everloop/wal/waltest"
)

// log is what both logs can do; an engine under test is written against something like it.
type log interface {
	Replay(func(*wal.Chunk) error, func() error) (wal.Recovery, error)
	Append(int, []byte) (wal.LSN, error)
	Demand(wal.LSN)
	Flush()
	EndRound(int)
	Durable() wal.LSN
	Last() wal.LSN
	Epoch() uint64
	StartSnapshot() (wal.SnapshotWriter, error)
	History() (wal.History, error)
	Size() wal.Size
	Writable() error
	Err() error
	Stats() wal.Stats
	Close() error
}

var _, _ log = (*wal.Log)(nil), (*waltest.MemLog)(nil)

func replay(t *testing.T, m *waltest.MemLog) string {
	t.Helper()
	var all string
	if _, err := m.Replay(func(c *wal.Chunk) error {
		return c.Records(func(n wal.LSN, r []byte) error {
			all += string(r)
			if n != wal.LSN(len(all)) {
				t.Errorf("%q came as number %d", r, n)
			}
			return nil
		})
	}, nil); err != nil {
		t.Fatal(err)
	}
	return all
}

// appendAll appends one record for each letter.
func appendAll(t *testing.T, m *waltest.MemLog, letters string) {
	t.Helper()
	for i := range letters {
		if _, err := m.Append(0, []byte{letters[i]}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemLogCrash(t *testing.T) {
	for _, keep := range []bool{false, true} {
		m := waltest.NewMemLog(waltest.MemOptions{})
		if _, err := m.Append(0, nil); !errors.Is(err, wal.ErrNotReplayed) {
			t.Fatalf("Append before Replay: %v", err)
		}
		replay(t, m)
		appendAll(t, m, "ab")
		m.Commit()
		appendAll(t, m, "cd")
		if !m.Begin() || m.Begin() {
			t.Fatal("one batch is in flight at a time")
		}
		appendAll(t, m, "ef")
		if m.Durable() != 2 || m.Last() != 6 || m.InFlight() != 2 {
			t.Fatalf("durable %d, last %d, in flight %d", m.Durable(), m.Last(), m.InFlight())
		}
		next := m.Crash(keep, waltest.MemOptions{})
		if _, err := m.Append(0, nil); !errors.Is(err, wal.ErrClosed) {
			t.Fatalf("Append after the crash: %v", err)
		}
		m.Finish()
		want := "ab"
		if keep {
			want = "abcd"
		}
		if got := replay(t, next); got != want {
			t.Fatalf("after the crash %q, want %q", got, want)
		}
		appendAll(t, next, "z")
		next.Close()
		again := next.Crash(false, waltest.MemOptions{})
		if got := replay(t, again); got != want+"z" || again.Epoch() != 3 {
			t.Fatalf("after Close %q, want %q; epoch %d", got, want+"z", again.Epoch())
		}
	}
}

func TestMemLogFails(t *testing.T) {
	for _, onSync := range []bool{false, true} {
		var told []wal.LSN
		var last error
		m := waltest.NewMemLog(waltest.MemOptions{Auto: true, OnDurable: func(n wal.LSN, err error) { told, last = append(told, n), err }})
		replay(t, m)
		appendAll(t, m, "a")
		m.EndRound(0)
		if m.Durable() != 0 {
			t.Fatal("committed although nothing waits")
		}
		m.Demand(1)
		m.EndRound(0)
		appendAll(t, m, "b")
		m.SetNoSpace(true)
		if err := m.Writable(); !errors.Is(err, wal.ErrNoSpace) {
			t.Fatalf("Writable: %v", err)
		}
		m.SetNoSpace(false)
		if err := m.Writable(); err != nil {
			t.Fatal(err)
		}
		if onSync {
			m.FailSync(io.ErrShortWrite)
		} else {
			m.FailWrite(io.ErrShortWrite)
		}
		m.Flush()
		if len(told) != 2 || told[1] != 1 || !errors.Is(last, wal.ErrFailed) || !errors.Is(m.Err(), io.ErrShortWrite) {
			t.Fatalf("told %d, %v; Err %v", told, last, m.Err())
		}
		if _, err := m.Append(0, nil); !errors.Is(err, wal.ErrFailed) {
			t.Fatalf("Append: %v", err)
		}
		want := "a"
		if onSync {
			want = "ab"
		}
		if got := replay(t, m.Crash(true, waltest.MemOptions{})); got != want {
			t.Fatalf("restarted with %q, want %q", got, want)
		}
	}
}
