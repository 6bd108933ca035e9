package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Batch is one group commit as it stands on disk, for those who look at a log from outside.
type Batch struct {
	File   string // segment, relative to the data directory
	Offset int64  // of the entry in it
	Size   int    // of the entry

	Epoch    uint64
	Seq      uint64
	First    LSN // number of the first record; of the next one, if the batch is empty
	Count    int
	ClaimSeq uint64 // what was on disk before this batch was written
	Claim    LSN
	Time     time.Time

	payload []byte
}

// Records calls fn for each record of the batch. record is valid during the call only.
func (b *Batch) Records(fn func(n LSN, record []byte) error) error {
	payload := b.payload
	for n := b.First; len(payload) > 0; n++ {
		var record []byte
		record, payload, _ = nextRecord(payload)
		if err := fn(n, record); err != nil {
			return err
		}
	}
	return nil
}

// Report is what Verify found.
type Report struct {
	Dir      string
	Manifest Manifest

	// What a start reads: the newest snapshot that is installed, and the log behind it.
	Segments int
	Batches  uint64
	Records  uint64
	Bytes    int64 // of complete batches
	Last     LSN   // number of the last record
	LastSeq  uint64
	Claim    LSN   // records up to this one are protected: damage to them cannot pass for a torn write
	Torn     int64 // bytes at the end that are no complete batch: the next start cuts them, unless someone is just writing them
	TornFile string
	TornAt   int64
	TornErr  error

	// What is kept for time travel, before that.
	OlderGenerations int
	OlderRecords     uint64
	// Older is damage to it: moments that need it are lost, and nothing else. A start does not read it.
	Older []error

	// Snapshots are all that are kept, the oldest first; the last one is what a start reads.
	Snapshots []SnapshotReport

	// Repair is what a repair would do that keeps the most. It is set when the error is damage, unless nothing can be kept, of which RepairErr tells.
	Repair    *RepairReport
	RepairErr error
}

// SnapshotReport tells of a snapshot's file.
type SnapshotReport struct {
	Generation uint64 // in front of which it stands
	File       string // relative to the data directory
	Needed     bool   // a start reads it
	Begun      time.Time
	Ended      time.Time
	Barrier    LSN
	Records    uint64
	Bytes      int64 // of the file
	RawBytes   int64 // of its records, decompressed
	Err        error // what is wrong with it; then only what is above, and perhaps not all of it, is known
}

func (s *snapshotFile) report(needed bool) SnapshotReport {
	return SnapshotReport{
		Generation: s.head.generation, File: s.name, Needed: needed,
		Begun: time.UnixMilli(int64(s.head.timeMs)), Ended: time.UnixMilli(int64(s.foot.timeMs)),
		Barrier: s.foot.barrier, Records: s.foot.records, Bytes: s.size, RawBytes: int64(s.foot.rawBytes),
	}
}

// Visitor looks at a data directory from the oldest thing in it to the newest. A function that is nil is not called; an error of one ends it. What they are given is valid during the call only.
type Visitor struct {
	// Snapshot is called for each snapshot, before Tagged for each of its records, and before Batch for each batch of the generation behind it.
	Snapshot func(s *SnapshotReport) error
	Tagged   func(tag LSN, record []byte) error
	Batch    func(b *Batch) error
	// Older is called for damage to what only time travel reads. The rest of that snapshot, or of that generation, is left out.
	Older func(err error) error
}

// visits reports whether there is anything to do but to check.
func (v *Visitor) visits() bool {
	return v.Snapshot != nil || v.Tagged != nil || v.Batch != nil || v.Older != nil
}

// Inspect reads all that is in a data directory from front to back: snapshots and generations that are kept for time travel, and those that a start reads. It
// changes nothing and takes no lock, so it may be used while another process writes, and on a
// damaged directory, where it returns a *CorruptionError after the last batch that can be read. A torn tail is no
// error: see Verify. When something is removed while it reads, it says so, and can be called again.
func Inspect(dir string, v Visitor) error {
	_, err := inspect(dir, &v)
	return err
}

// Verify checks everything that a start would check, and what is kept for time travel, and changes nothing. The error is what a start
// would fail with. The report tells how far the log could be read, and what a repair could keep, also when the error is a *CorruptionError.
func Verify(dir string) (Report, error) {
	r, err := inspect(dir, &Visitor{})
	if errors.Is(err, ErrCorrupt) {
		p, perr := plan(r.Dir, 0, true)
		if r.RepairErr = perr; perr == nil {
			r.Repair = &p.report
		}
	}
	return r, err
}

func inspect(dir string, v *Visitor) (Report, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Report{}, fmt.Errorf("wal: data directory %s: %w", dir, err)
	}
	for try := 1; ; try++ {
		// The manifest first: its floor only rises, so it is never above a log that is read after it.
		man, err := readManifest(abs)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !hasPartition(abs):
			return Report{}, noDirectory(abs)
		case errors.Is(err, fs.ErrNotExist):
			if err := emptyGenerations(abs, filepath.Join(abs, partitionName)); err != nil {
				return Report{Dir: abs}, err
			}
			return Report{}, noDirectory(abs)
		case err != nil:
			return Report{Dir: abs}, err
		}
		i := inspection{Visitor: v, r: Report{Dir: abs, Manifest: man}}
		err = i.older()
		if err == nil {
			err = i.needed()
		}
		if err == nil && len(i.r.Older) == 0 {
			return i.r, nil
		}
		// Was it removed while we looked?
		now, merr := readManifest(abs)
		if merr != nil || now.Kept == man.Kept && now.Oldest == man.Oldest && now.Newest == man.Newest || try == historyTries {
			return i.r, err
		}
		if v.visits() && err != nil {
			return i.r, fmt.Errorf("wal: %s was changed by the process that has it open, while it was read: do it again (%w)", abs, err)
		}
		if v.visits() {
			return i.r, nil
		}
	}
}

func hasPartition(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, partitionName))
	return err == nil
}

// inspection is one look at a directory.
type inspection struct {
	*Visitor
	r Report
}

// older reads what is kept before what a start reads.
func (i *inspection) older() error {
	man := &i.r.Manifest
	s := survey{dir: i.r.Dir, man: *man}
	if i.Batch != nil {
		s.visit = i.batch
	}
	var last LSN
	var crc uint32
	known := man.Kept == 1 // what the next batch has to follow: in front of generation 1 there is nothing
	var file string
	var end int64
	for gen := man.Kept; gen < man.Oldest; gen++ {
		g := surveyed{gen: gen}
		if gen > 1 {
			if err := i.snapshot(gen, false); err != nil {
				return err
			}
		}
		if err := s.generation(&g); err != nil {
			return err
		}
		i.r.OlderGenerations++
		i.r.OlderRecords += uint64(g.last - g.base)
		if g.err == nil && g.batches > 0 && known && (g.base != last || g.baseCRC != crc) {
			g.err = &CorruptionError{Dir: i.r.Dir, File: firstSegment(gen), Err: doesNotFollow(&g, last)}
		}
		if known = g.err == nil && (known || g.batches > 0); known && g.batches > 0 {
			last, crc = g.last, g.lastCRC
			file, end = filepath.Join(partitionName, generationName(gen), segmentName(g.end.segment)), g.end.offset
		}
		if g.err != nil {
			if err := i.damaged(g.err); err != nil {
				return err
			}
		}
	}
	if !known || !man.HasSnapshot() {
		return nil
	}
	// What a start reads begins where this ends. If the snapshot that says so is damaged, that is another matter.
	f, err := openSnapshot(i.r.Dir, man, man.Oldest)
	if err != nil {
		return nil
	}
	defer func() { _ = f.close() }()
	if f.head.base != last || f.head.baseCRC != crc {
		return i.damaged(&CorruptionError{
			Dir: i.r.Dir, File: file, Offset: end,
			Err: fmt.Errorf("the log ends there with record %d, but generation %d follows record %d, or another batch of that number", last, man.Oldest, f.head.base),
		})
	}
	return nil
}

func firstSegment(gen uint64) string {
	return filepath.Join(partitionName, generationName(gen), segmentName(1))
}

// doesNotFollow says that a generation begins elsewhere than where the one before has ended.
func doesNotFollow(g *surveyed, last LSN) error {
	return fmt.Errorf("generation follows record %d, but what is before it ends with record %d, or with another batch of that number", g.base, last)
}

func (i *inspection) damaged(err error) error {
	i.r.Older = append(i.r.Older, err)
	if i.Older != nil {
		return i.Older(err)
	}
	return nil
}

// snapshot reads the snapshot in front of a generation. Damage is an error if it is needed; otherwise it is only reported, and a snapshot that is not there was given up.
func (i *inspection) snapshot(gen uint64, needed bool) error {
	f, err := openSnapshot(i.r.Dir, &i.r.Manifest, gen)
	rep := SnapshotReport{Generation: gen, File: filepath.Join(partitionName, snapshotName(gen)), Needed: needed}
	if err == nil {
		defer func() { _ = f.close() }()
		rep = f.report(needed)
		if i.Snapshot != nil {
			if err := i.Snapshot(&rep); err != nil {
				return err
			}
		}
		var stopped error
		err = f.read(newReader(f.size), func(c *Chunk) error {
			if i.Tagged != nil {
				stopped = c.Records(i.Tagged)
			}
			return stopped
		})
		if stopped != nil {
			return stopped
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if !needed {
			return nil
		}
		err = &CorruptionError{Dir: i.r.Dir, File: rep.File, Err: errSnapshotMissing}
	}
	rep.Err = err
	i.r.Snapshots = append(i.r.Snapshots, rep)
	if err == nil || needed {
		return err
	}
	return i.damaged(err)
}

func (i *inspection) batch(file string, offset int64, size int, h *header, payload []byte) error {
	return i.Batch(&Batch{
		File: file, Offset: offset, Size: size, Epoch: h.epoch, Seq: h.seq, First: h.first, Count: int(h.count),
		ClaimSeq: h.claimSeq, Claim: h.claimLSN, Time: time.UnixMilli(int64(h.timeMs)), payload: payload,
	})
}

// needed reads what a start reads.
func (i *inspection) needed() error {
	man, abs := &i.r.Manifest, i.r.Dir
	s := scan{dir: abs, man: *man, from: man.Oldest, to: man.Newest}
	defer s.release()
	s.reread = func() (Manifest, error) { return readManifest(abs) }
	if i.Batch != nil {
		s.visit = i.batch
	}
	var err error
	if man.HasSnapshot() {
		err = i.snapshot(man.Oldest, true)
	}
	if err == nil {
		err = s.run()
	}
	r := &i.r
	r.Segments, r.Batches, r.Records, r.Bytes = s.segments, s.batches, s.records, s.bytes
	r.Last, r.LastSeq, r.Claim = s.chain.last, s.chain.seq, max(s.chain.claimLSN, man.Floor)
	if s.torn != nil {
		r.Torn, r.TornFile, r.TornAt, r.TornErr = int64(len(s.data)-s.end), s.file, int64(s.end), s.torn
	}
	return err
}
