package wal

import (
	"encoding/binary"
	"sync/atomic"
)

// Chunk is a piece of what recovery or a [History] reads: part of a snapshot, or a segment of the log. Any number of
// goroutines may read its records at once.
//
// A chunk is held once while the function that it is passed to runs. Whoever wants it longer calls Hold, and Release
// afterwards. Its memory is one of few pieces that a reader has (readBudget bytes in all), so whoever holds one delays
// the reader, and a reader none of whose chunks is ever released stands still.
type Chunk struct {
	snapshot    bool
	data        []byte      // of a snapshot: tag, length, record, again and again; of the log: complete entries
	heads       []entryHead // of the log: where the batches are; for who reads, no one else
	upTo        LSN         // of the log: no record after this one is passed on; 0 = all
	done, total int64
	cost        int64 // what it counts against the reader's memory
	held        atomic.Int32
	free        func(*Chunk) // called when nobody holds it any more
}

// Snapshot reports whether the chunk is part of a snapshot. Then its records' numbers are tags, in no order: the
// number of the last record of the log that what the record tells of is the work of. Otherwise it is part of the log,
// and numbers ascend by one, also from one chunk to the next.
func (c *Chunk) Snapshot() bool { return c.snapshot }

// Progress is how many bytes on the disk were read up to the end of this chunk, and how many will be in all.
func (c *Chunk) Progress() (done, total int64) { return c.done, c.total }

// Records calls fn for each record. record is valid as long as the chunk is held, and must not be changed. An error of fn
// ends it and is returned as it is.
func (c *Chunk) Records(fn func(n LSN, record []byte) error) error {
	if c.snapshot {
		return c.snapshotRecords(fn)
	}
	for b := c.data; len(b) > 0; {
		// The reader has checked all of it.
		size, k := binary.Uvarint(b)
		entry := b[k : k+int(size)]
		b = b[k+int(size):]
		n := LSN(binary.LittleEndian.Uint64(entry[32:]))
		for payload := entry[headerSize:]; len(payload) > 0; n++ {
			if c.upTo != 0 && n > c.upTo {
				return nil
			}
			var record []byte
			record, payload, _ = nextRecord(payload)
			if err := fn(n, record); err != nil {
				return err
			}
		}
	}
	return nil
}

// Hold keeps the chunk's memory until a Release more. Only who holds the chunk may call it.
func (c *Chunk) Hold() { c.held.Add(1) }

// Release lets go of what Hold took. Any goroutine; the last one gives the memory back to the reader.
func (c *Chunk) Release() {
	if c.held.Add(-1) == 0 && c.free != nil {
		c.free(c)
	}
}

// NewChunk makes a chunk out of records that are in memory already. It is for logs that are no files, such as
// waltest.MemLog. numbers are those of the records, or their tags in a snapshot; of a log they ascend by one.
func NewChunk(snapshot bool, numbers []LSN, records [][]byte) *Chunk {
	c := &Chunk{snapshot: snapshot}
	if len(records) == 0 {
		return c
	}
	if snapshot {
		for i, r := range records {
			c.data = binary.AppendUvarint(c.data, uint64(numbers[i]))
			c.data = binary.AppendUvarint(c.data, uint64(len(r)))
			c.data = append(c.data, r...)
		}
		return c
	}
	var payload []byte
	for _, r := range records {
		payload = binary.AppendUvarint(payload, uint64(len(r)))
		payload = append(payload, r...)
	}
	h := header{first: numbers[0], count: uint32(len(records)), payloadLen: uint32(len(payload))}
	c.data = binary.AppendUvarint(c.data, uint64(headerSize+len(payload)))
	c.data = append(c.data, make([]byte, headerSize)...)
	h.encode(c.data[len(c.data)-headerSize:])
	c.data = append(c.data, payload...)
	return c
}
