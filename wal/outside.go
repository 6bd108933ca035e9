package wal

import (
	"errors"
	"fmt"
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
	Prev  uint32 // of the header before it; 0 in the first batch of a generation
	Time  time.Time
}

// Chain holds the batches of one generation, read one after the other, to the rules that they keep among each other. Owned by its caller.
type Chain struct {
	chain chain
	loose bool // the first batch is taken as it comes
}

// NewChain begins at a generation's first batch. epoch is the highest that may be met, base the last record before the generation.
func NewChain(logID, epoch uint64, base LSN) *Chain {
	return &Chain{chain: chain{logID: logID, maxEpoch: epoch, last: base}}
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
	if err := replaceFile(osDisk{}, filepath.Join(p0, manifestName), m.encode()); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	return nil
}
