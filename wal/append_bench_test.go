package wal

import "testing"

// discard is a sink that costs nothing.
type discard struct{}

func (discard) Append(uint64, []byte) (bool, error) { return false, nil }
func (discard) Sync() error                         { return nil }
func (discard) Trim() (bool, error)                 { return false, nil }
func (discard) Close() error                        { return nil }

// BenchmarkHandOver is this package's own part of a record's way: Append, and its share of a cut, frame and
// checksums, without what tidwall/wal and the disk add.
func BenchmarkHandOver(b *testing.B) {
	l := &Log{opts: Options{Backlog: maxBacklog, Reserve: -1, OnDurable: func(LSN, error) {}}, buffers: make([]buffer, 1)}
	l.committer = committer{sink: discard{}, fills: make([]fill, 1), cursors: make([]cursor, 1), frame: make([]byte, framePad+headerSize)}
	l.state.Store(stateReady)
	l.active.Store(true)
	record := make([]byte, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n, err := l.Append(0, record)
		if err != nil {
			b.Fatal(err)
		}
		if i%64 == 63 {
			l.Demand(n)
			l.EndRound(0)
		}
	}
}
