package wal

import (
	"math/bits"
	"time"
)

// Stats are counters since Open.
type Stats struct {
	Commits      uint64 // batches with records
	Empty        uint64 // batches without, written to carry a claim
	Inline       uint64 // commits that ran inside EndRound
	Syncs        uint64 // fsyncs of segments, by commits, intervals and full segments
	Records      uint64
	Bytes        uint64        // of batches, with their headers
	Segments     uint64        // made since Open
	Waiting      int64         // bytes handed over and not committed
	SyncAverage  time.Duration // moving average that decides between inline and committer
	SyncTime     Histogram     // microseconds of each commit's fsync
	BatchRecords Histogram     // records in each commit
	BatchBytes   Histogram     // bytes of each commit

	Rotations        uint64    // generations begun
	Removed          uint64    // generations removed
	Snapshots        uint64    // installed
	SnapshotsGivenUp uint64    // not finished because of an error
	SnapshotBytes    uint64    // of those installed
	SnapshotTime     Histogram // milliseconds from the start of each to the end of its install
}

// Histogram counts values by powers of two: Buckets[i] is the number of values v with v < 2^i and not in an
// earlier bucket; the last bucket takes all the rest.
type Histogram struct {
	Count   uint64
	Sum     uint64
	Max     uint64
	Buckets [32]uint64
}

func (h *Histogram) add(v uint64) {
	h.Count++
	h.Sum += v
	h.Max = max(h.Max, v)
	h.Buckets[min(bits.Len64(v), len(h.Buckets)-1)]++
}

// Stats returns the counters. Safe for concurrent use; it does not wait for the disk.
func (l *Log) Stats() Stats {
	l.statsMu.Lock()
	s := l.stats
	l.statsMu.Unlock()
	s.Waiting = l.waiting.Load()
	s.SyncAverage = time.Duration(l.syncAverage.Load())
	return s
}
