package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// LSN is the number of a record in the log. Numbers start at 1 and are contiguous; 0 means none.
type LSN uint64

const (
	headerSize  = 96
	maxPayload  = 1 << 30
	batchFormat = 1
)

var (
	batchMagic = [4]byte{'E', 'V', 'L', 'B'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// header is the head of a batch, as docs/format/wal.md draws it.
type header struct {
	logID      uint64
	epoch      uint64
	seq        uint64
	first      LSN
	count      uint32
	payloadLen uint32
	claimSeq   uint64
	claimLSN   LSN
	timeMs     uint64
	prevCRC    uint32
	payloadCRC uint32
	crc        uint32 // of the header itself
}

// last is the number of the last record up to the end of this batch.
func (h *header) last() LSN { return h.first + LSN(h.count) - 1 }

// encode writes the header to b[:headerSize] and sets h.crc.
func (h *header) encode(b []byte) {
	_ = b[headerSize-1]
	copy(b, batchMagic[:])
	b[4], b[5] = batchFormat, 0
	le := binary.LittleEndian
	le.PutUint16(b[6:], headerSize)
	le.PutUint64(b[8:], h.logID)
	le.PutUint64(b[16:], h.epoch)
	le.PutUint64(b[24:], h.seq)
	le.PutUint64(b[32:], uint64(h.first))
	le.PutUint32(b[40:], h.count)
	le.PutUint32(b[44:], h.payloadLen)
	le.PutUint64(b[48:], h.claimSeq)
	le.PutUint64(b[56:], uint64(h.claimLSN))
	le.PutUint64(b[64:], h.timeMs)
	le.PutUint32(b[72:], h.prevCRC)
	le.PutUint32(b[76:], h.payloadCRC)
	clear(b[80:92])
	h.crc = crc32.Checksum(b[:92], castagnoli)
	le.PutUint32(b[92:], h.crc)
}

// What can be wrong with the bytes of a batch.
var (
	errIncomplete = errors.New("batch is incomplete: the file ends inside it")
	errZeros      = errors.New("zeros where a batch should start")
	errLength     = errors.New("length of the entry is not that of a batch")
	errMagic      = errors.New("no batch starts here: magic is missing")
	errHeaderCRC  = errors.New("checksum of the batch header does not match")
	errFormat     = errors.New("batch format is not version 1")
	errHeader     = errors.New("batch header contradicts itself")
	errPayloadCRC = errors.New("checksum of the batch payload does not match")
	errRecords    = errors.New("records do not fill the batch payload")
)

// decodeHeader reads and checks the header at the start of b.
func decodeHeader(b []byte) (h header, err error) {
	if len(b) < headerSize {
		return h, errIncomplete
	}
	if [4]byte(b) != batchMagic {
		return h, errMagic
	}
	le := binary.LittleEndian
	h.crc = le.Uint32(b[92:])
	if crc32.Checksum(b[:92], castagnoli) != h.crc {
		return h, errHeaderCRC
	}
	if b[4] != batchFormat || b[5] != 0 || le.Uint16(b[6:]) != headerSize {
		return h, errFormat
	}
	for _, r := range b[80:92] {
		if r != 0 {
			return h, errFormat
		}
	}
	h.logID = le.Uint64(b[8:])
	h.epoch = le.Uint64(b[16:])
	h.seq = le.Uint64(b[24:])
	h.first = LSN(le.Uint64(b[32:]))
	h.count = le.Uint32(b[40:])
	h.payloadLen = le.Uint32(b[44:])
	h.claimSeq = le.Uint64(b[48:])
	h.claimLSN = LSN(le.Uint64(b[56:]))
	h.timeMs = le.Uint64(b[64:])
	h.prevCRC = le.Uint32(b[72:])
	h.payloadCRC = le.Uint32(b[76:])
	if h.seq == 0 || h.first == 0 || h.payloadLen > maxPayload || h.count > h.payloadLen ||
		h.claimSeq >= h.seq || h.claimLSN >= h.first || h.first+LSN(h.count) < h.first {
		return h, errHeader
	}
	return h, nil
}

// decodeEntry reads the entry at the start of b: its length, a batch header and the payload, which is a slice
// of b. n is the length of the whole entry.
func decodeEntry(b []byte) (h header, payload []byte, n int, err error) {
	size, k := binary.Uvarint(b)
	switch {
	case k == 0:
		return h, nil, 0, errIncomplete
	case k < 0 || size > headerSize+maxPayload || uvarintLen(size) != k:
		return h, nil, 0, errLength
	case size == 0:
		return h, nil, 0, errZeros
	case size < headerSize:
		return h, nil, 0, errLength
	case uint64(len(b)-k) < size:
		return h, nil, 0, errIncomplete
	}
	n = k + int(size)
	h, err = decodeHeader(b[k:n])
	if err != nil {
		return h, nil, 0, err
	}
	payload = b[k+headerSize : n]
	if int(h.payloadLen) != len(payload) {
		return h, nil, 0, errLength
	}
	if crc32.Checksum(payload, castagnoli) != h.payloadCRC {
		return h, nil, 0, errPayloadCRC
	}
	if !validRecords(payload, h.count) {
		return h, nil, 0, errRecords
	}
	return h, payload, n, nil
}

// nextRecord splits the first record off a payload.
func nextRecord(payload []byte) (record, rest []byte, ok bool) {
	size, k := binary.Uvarint(payload)
	if k <= 0 || size > uint64(len(payload)-k) || uvarintLen(size) != k {
		return nil, nil, false
	}
	end := k + int(size)
	return payload[k:end:end], payload[end:], true
}

func validRecords(payload []byte, count uint32) bool {
	for ; count > 0; count-- {
		var ok bool
		if _, payload, ok = nextRecord(payload); !ok {
			return false
		}
	}
	return len(payload) == 0
}

func uvarintLen(x uint64) int {
	n := 1
	for x >= 0x80 {
		x >>= 7
		n++
	}
	return n
}

// chain is what the batches read so far say of the next one.
type chain struct {
	logID    uint64
	maxEpoch uint64 // the manifest's: no batch has a later one
	epoch    uint64
	seq      uint64 // of the last batch; 0 = none in this generation
	last     LSN    // number of the last record
	crc      uint32 // header CRC of the last batch
	claimSeq uint64
	claimLSN LSN
}

// follow checks that a readable batch is the next one, and takes it up. A violation is never a torn write.
func (c *chain) follow(h *header) error {
	switch {
	case h.logID != c.logID:
		return fmt.Errorf("batch belongs to another log (%016x, this is %016x)", h.logID, c.logID)
	case h.seq != c.seq+1:
		return fmt.Errorf("batch %d stands where batch %d should", h.seq, c.seq+1)
	case h.first != c.last+1:
		return fmt.Errorf("batch %d starts at record %d instead of %d", h.seq, h.first, c.last+1)
	case h.epoch < c.epoch:
		return fmt.Errorf("epoch falls from %d to %d in batch %d", c.epoch, h.epoch, h.seq)
	case h.epoch > c.maxEpoch:
		return fmt.Errorf("batch %d is of epoch %d, but the manifest knows only %d: the manifest is older than the log",
			h.seq, h.epoch, c.maxEpoch)
	case h.prevCRC != c.crc:
		return fmt.Errorf("batch %d does not follow the batch before it: its copy of the checksum differs", h.seq)
	case h.claimSeq < c.claimSeq || h.claimLSN < c.claimLSN:
		return fmt.Errorf("claim falls in batch %d", h.seq)
	}
	c.epoch, c.seq, c.last, c.crc = h.epoch, h.seq, h.last(), h.crc
	c.claimSeq, c.claimLSN = h.claimSeq, h.claimLSN
	return nil
}

// claimPast looks behind damage for a readable header of the same log, of a batch after seq, whose claim is seq
// or above. It returns its offset in b, or -1, and how many readable headers it saw on the way.
func (c *chain) claimPast(b []byte, seq uint64) (at, seen int) {
	for from := 0; ; {
		i := bytes.Index(b[from:], batchMagic[:])
		if i < 0 {
			return -1, seen
		}
		from += i
		if h, err := decodeHeader(b[from:]); err == nil && h.logID == c.logID && h.seq > seq {
			if h.claimSeq >= seq {
				return from, seen
			}
			seen++
		}
		from++
	}
}
