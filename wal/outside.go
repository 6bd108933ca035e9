package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// This file is for those who copy data directories: they read files, hold them to the rules of docs/format/wal.md, and put directories
// together from what they have copied. Nothing here takes the directory's lock.

// ReadManifest reads the manifest of a data directory, while a process has it open or not. It returns an error that is fs.ErrNotExist when dir
// is no data directory, and a *CorruptionError for a manifest that is damaged.
func ReadManifest(dir string) (Manifest, error) {
	m, err := readManifest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("wal: %s is no data directory: %w", dir, err)
	}
	return m, err
}

// SegmentPath is the file of the segment whose first batch is first, relative to a data directory.
func SegmentPath(generation, first uint64) string {
	return filepath.Join(partitionName, generationName(generation), segmentName(first))
}

// Segments returns the first batches of the segments of a generation, ascending. The error is fs.ErrNotExist when the generation is gone.
func Segments(dir string, generation uint64) ([]uint64, error) {
	segments, stray, err := listSegments(filepath.Join(dir, partitionName, generationName(generation)))
	if err == nil && stray != "" {
		err = &CorruptionError{Dir: dir, File: filepath.Join(partitionName, generationName(generation), stray), Err: errors.New("this log never makes such a file")}
	}
	return segments, err
}

// SnapshotPath is the file of the snapshot in front of a generation, relative to a data directory.
func SnapshotPath(generation uint64) string {
	return filepath.Join(partitionName, snapshotName(generation))
}

// Place is where a snapshot stands: in front of a generation of a log, behind a record.
type Place struct {
	LogID      uint64
	Epoch      uint64 // the highest that it may be of
	Generation uint64
	Base       LSN    // the last record before the generation
	BaseCRC    uint32 // header CRC of the last batch before it
}

// CheckSnapshot reads a whole snapshot from r, which has size bytes, and holds it to everything that docs/format/snapshot.md says of one in this place. Name is what
// an error, a *CorruptionError, calls the file. It holds one frame in memory.
func CheckSnapshot(r io.Reader, size int64, name string, where Place) (SnapshotInfo, error) {
	c := snapshotCheck{r: r, name: name}
	err := c.run(size, &where)
	return SnapshotInfo{
		Generation: where.Generation, Barrier: c.foot.barrier, Records: c.foot.records, Bytes: size, RawBytes: int64(c.foot.rawBytes),
		Time: time.UnixMilli(int64(c.foot.timeMs)), Took: time.Duration(c.foot.timeMs-c.head.timeMs) * time.Millisecond,
	}, err
}

// snapshotCheck is a snapshot that is read from front to back.
type snapshotCheck struct {
	r    io.Reader
	name string
	at   int64
	head snapshotHead
	foot snapshotFoot
}

func (c *snapshotCheck) run(size int64, where *Place) error {
	if size < snapshotHeadSize+snapshotFootSize {
		return c.damage(0, errSnapshotShort)
	}
	var b [snapshotHeadSize]byte
	err := c.read(b[:])
	if err != nil {
		return err
	}
	if c.head, err = decodeSnapshotHead(b[:]); err != nil {
		return c.damage(0, err)
	}
	switch h := &c.head; {
	case h.logID != where.LogID || h.generation != where.Generation:
		return c.damage(0, fmt.Errorf("it is the snapshot in front of generation %d of log %016x", h.generation, h.logID))
	case h.base != where.Base || h.baseCRC != where.BaseCRC:
		return c.damage(0, fmt.Errorf("it stands behind record %d, and its generation behind record %d, or another batch", h.base, where.Base))
	case h.epoch > where.Epoch:
		return c.damage(0, fmt.Errorf("it is of epoch %d, later than %d", h.epoch, where.Epoch))
	}
	found := snapshotFoot{lastCRC: c.head.crc}
	var highest LSN
	var raw, stored []byte
	for footer := size - snapshotFootSize; c.at < footer; {
		at := c.at
		if footer-at < frameHeadSize {
			return c.damage(at, errFooter)
		}
		if err := c.read(b[:frameHeadSize]); err != nil {
			return err
		}
		h, err := decodeFrameHead(b[:frameHeadSize])
		switch {
		case err != nil:
		case h.seq != found.frames+1 || h.prevCRC != found.lastCRC:
			err = errors.New("it does not follow what is before it")
		case int64(h.size) > footer-c.at:
			err = errors.New("it reaches behind the footer")
		}
		if err == nil {
			raw, stored = sized(raw, int(h.rawLen)), sized(stored, int(h.size))
			if h.codec == codecRaw {
				stored = raw
			}
			if err := c.read(stored); err != nil {
				return err
			}
			err = decodeFrame(&h, stored, raw, ^LSN(0))
			if h.codec == codecRaw {
				stored = nil
			}
		}
		if err != nil {
			return c.damage(at, fmt.Errorf("frame %d: %w", found.frames+1, err))
		}
		highest = max(highest, h.maxTag)
		found.frames++
		found.records += uint64(h.count)
		found.rawBytes += uint64(h.rawLen)
		found.lastCRC = h.crc
	}
	at := c.at
	if err := c.read(b[:snapshotFootSize]); err != nil {
		return err
	}
	c.foot, err = decodeSnapshotFoot(b[:snapshotFootSize])
	switch t := &c.foot; {
	case err != nil:
	case t.offset != at || t.generation != where.Generation || t.logID != where.LogID || t.barrier < c.head.base || t.barrier < highest ||
		t.frames != found.frames || t.records != found.records || t.rawBytes != found.rawBytes || t.lastCRC != found.lastCRC:
		err = errFooter
	}
	if err != nil {
		return c.damage(at, err)
	}
	return nil
}

func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func (c *snapshotCheck) read(b []byte) error {
	n, err := io.ReadFull(c.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return c.damage(c.at, errSnapshotShort)
	}
	c.at += int64(n)
	return err
}

func (c *snapshotCheck) damage(offset int64, err error) error {
	return snapshotDamage(filepath.Dir(c.name), filepath.Base(c.name), offset, err)
}

// SyncSegment makes durable what a segment holds, and its name: what was read of it before the call is on disk afterwards, whatever the sync
// mode of the process that writes it.
func SyncSegment(dir string, generation, first uint64) error {
	path := filepath.Join(dir, SegmentPath(generation, first))
	if err := syncPath(path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// Link is a batch as a link of the chain that its generation is.
type Link struct {
	Epoch uint64
	Seq   uint64 // number of the batch in its generation
	First LSN    // of its first record; of the next one, if it is empty
	Last  LSN    // of the last record up to its end
	Claim uint64 // the batch up to which everything was on disk before it was written
	CRC   uint32 // of its header, which the next batch repeats
	Prev  uint32 // of the header before it, perhaps in the generation before; 0 in the first batch of all
	Time  time.Time
}

// Chain holds the batches of one generation, read one after the other, to the rules that they keep among each other. Owned by its caller.
type Chain struct {
	chain chain
	loose bool // the first batch is taken as it comes
}

// NewChain begins at a generation's first batch. epoch is the highest that may be met; base is the last record before the generation, and baseCRC the
// header CRC of the last batch before it, as the manifest has them for the newest one.
func NewChain(logID, epoch uint64, base LSN, baseCRC uint32) *Chain {
	return &Chain{chain: chain{logID: logID, maxEpoch: epoch, last: base, crc: baseCRC}}
}

// ResumeChain begins at any batch of a generation, which is only held to be of that log and not of a later epoch.
func ResumeChain(logID, epoch uint64) *Chain {
	return &Chain{chain: chain{logID: logID, maxEpoch: epoch}, loose: true}
}

// Raise allows a later epoch: a start has come since.
func (c *Chain) Raise(epoch uint64) { c.chain.maxEpoch = max(c.chain.maxEpoch, epoch) }

// ErrUnreadable is matched by the error of [Chain.Next] where no readable batch starts: a torn write, if it is the end of a log.
var ErrUnreadable = errors.New("no readable batch")

// Next reads the batch at the start of data. size is the length of its entry there. An error that is not ErrUnreadable is a batch that
// breaks a rule, which no torn write explains.
func (c *Chain) Next(data []byte) (link Link, size int, err error) {
	h, _, size, err := decodeEntry(data)
	if err != nil {
		return Link{}, 0, fmt.Errorf("batch %d: %w: %w", c.chain.seq+1, ErrUnreadable, err)
	}
	if c.loose {
		c.chain.seq, c.chain.last, c.chain.crc, c.chain.epoch = h.seq-1, h.first-1, h.prevCRC, h.epoch
	}
	if err := c.chain.follow(&h); err != nil {
		return Link{}, 0, err
	}
	c.loose = false
	return Link{
		Epoch: h.epoch, Seq: h.seq, First: h.first, Last: h.last(), Claim: h.claimSeq, CRC: h.crc, Prev: h.prevCRC, Time: time.UnixMilli(int64(h.timeMs)),
	}, size, nil
}

// Torn decides what an unreadable batch at the end of the last segment is, of which rest holds everything from there on: nil for a torn write, or
// one under way; otherwise why it is damage. floor is the manifest's.
func (c *Chain) Torn(rest []byte, floor uint64) error {
	seq := c.chain.seq + 1
	if seq <= floor {
		return fmt.Errorf("batch %d cannot be read, and the manifest knows that it was on disk", seq)
	}
	if at, _ := c.chain.claimPast(rest, seq); at >= 0 {
		return fmt.Errorf("batch %d cannot be read, and a later one says that it was on disk", seq)
	}
	return nil
}

// Assemble makes a data directory of files that have been copied into it: it makes all of it durable, and writes m as its manifest last. Until then
// nothing takes the directory for one. The caller has checked what it copied.
func Assemble(dir string, m Manifest) error {
	p0 := filepath.Join(dir, partitionName)
	entries, err := os.ReadDir(p0)
	if err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(p0, e.Name())
		if !e.IsDir() {
			if err := syncPath(path); err != nil {
				return fmt.Errorf("wal: %w", err)
			}
			continue
		}
		files, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("wal: %w", err)
		}
		for _, f := range files {
			if err := syncPath(filepath.Join(path, f.Name())); err != nil {
				return fmt.Errorf("wal: %w", err)
			}
		}
		if err := syncPath(path); err != nil {
			return fmt.Errorf("wal: %w", err)
		}
	}
	for _, d := range []string{p0, dir, filepath.Dir(dir)} {
		if err := syncPath(d); err != nil {
			return fmt.Errorf("wal: %w", err)
		}
	}
	if _, err := replaceFile(osDisk{}, filepath.Join(p0, manifestName), m.encode()); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	return nil
}

// MaxEntryHead is how much of a segment tells what stands before it, in bytes.
const MaxEntryHead = headerSize + 5

// Before reads the header at the start of a segment: the number of the last record before it, and the header CRC of the batch before.
func Before(data []byte) (last LSN, crc uint32, err error) {
	_, k := binary.Uvarint(data)
	if k <= 0 {
		return 0, 0, errLength
	}
	h, err := decodeHeader(data[k:])
	return h.first - 1, h.prevCRC, err
}

// NextGeneration goes on with the first batch of the next generation.
func (c *Chain) NextGeneration() { c.chain.seq, c.chain.claimSeq = 0, 0 }
