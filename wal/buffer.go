package wal

import (
	"encoding/binary"
	"sync"
)

// buffer is where one loop hands its records over. The loop appends; whoever commits swaps its contents out.
// Both hold mu.
type buffer struct {
	mu   sync.Mutex
	fill fill
	_    [64]byte // keep the locks of two loops off one cache line
}

// fill is the contents of a buffer: encoded records, and which numbers they have. Its memory is reused from
// commit to commit.
type fill struct {
	data []byte // records as they stand in a payload: length, bytes
	runs []run  // ascending
}

// run is a stretch of records with consecutive numbers. A loop that hands over alone for a while makes one run
// of it, so a batch has few runs however many records it has, and putting them in order costs next to nothing.
type run struct {
	first LSN
	next  LSN // one past the last
	end   int // where in fill.data the run ends
}

// keepBytes is how much memory a buffer keeps for the next commit. A larger one, left by a burst, is freed.
const keepBytes = 8 << 20

// add appends one record. The caller holds the buffer's lock, and took n from the counter under it.
func (f *fill) add(n LSN, record []byte) {
	f.data = binary.AppendUvarint(f.data, uint64(len(record)))
	f.data = append(f.data, record...)
	if k := len(f.runs); k > 0 && f.runs[k-1].next == n {
		f.runs[k-1].next, f.runs[k-1].end = n+1, len(f.data)
		return
	}
	f.runs = append(f.runs, run{n, n + 1, len(f.data)})
}

func (f *fill) reset() {
	if cap(f.data) > keepBytes {
		f.data = nil
	}
	f.data, f.runs = f.data[:0], f.runs[:0]
}

// cursor walks through one fill while the runs of all are put in order.
type cursor struct {
	run   int // index of the next run
	start int // where in fill.data it starts
}

// merge appends the records of all fills to dst in the order of their numbers, which start at first and have no
// gap. It returns the number after the last. cursors has one zero element for each fill.
func merge(dst []byte, fills []fill, cursors []cursor, first LSN) ([]byte, LSN) {
	next := first
	if len(fills) == 1 {
		f := &fills[0]
		if k := len(f.runs); k > 0 {
			next = f.runs[k-1].next
		}
		return append(dst, f.data...), next
	}
	for found := true; found; {
		found = false
		for i := range fills {
			f, c := &fills[i], &cursors[i]
			for c.run < len(f.runs) && f.runs[c.run].first == next {
				r := f.runs[c.run]
				dst = append(dst, f.data[c.start:r.end]...)
				next, found = r.next, true
				c.run, c.start = c.run+1, r.end
			}
		}
	}
	return dst, next
}
