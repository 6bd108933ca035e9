package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// survey is what there is in a data directory, each file looked at for itself: what a repair has to choose from. It changes nothing.
type survey struct {
	dir  string
	man  Manifest
	gens []surveyed // from the oldest that there is to the newest, gaps included

	newest uint64 // the generation whose last segment may have room

	// visit, if set, is called for each batch of a generation that can be read. An error ends it.
	visit func(file string, offset int64, size int, h *header, payload []byte) error
}

// surveyed is one generation, with the snapshot in front of it.
type surveyed struct {
	gen      uint64
	segments []uint64 // that there are, by name

	// The log, up to the first thing in it that is wrong. batches is 0 if there is nothing; then base and the rest mean nothing.
	batches  uint64
	base     LSN    // last record before it, as its first batch has it
	baseCRC  uint32 //
	last     LSN
	lastCRC  uint32
	lastSeq  uint64
	lastMs   uint64 // when the last batch was committed
	epoch    uint64 // of the last batch
	end      place  // behind the last batch
	err      error  // what is wrong there: damage, or a torn tail in the newest generation; nil if it is whole
	snapshot *snapshotHead
	foot     snapshotFoot
	snapErr  error // why the snapshot in front of it cannot be used; fs.ErrNotExist: there is none
	snapSize int64
}

// place is an offset in a segment.
type place struct {
	segment uint64
	offset  int64
}

// take surveys everything. The error is trouble with reading, never damage.
func (s *survey) take() error {
	p0 := filepath.Join(s.dir, partitionName)
	entries, err := os.ReadDir(p0)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", p0, err)
	}
	var all []uint64
	for _, e := range entries {
		if gen := generationOf(e.Name()); gen != 0 && e.IsDir() {
			all = append(all, gen)
		}
		if gen := snapshotOf(e.Name()); gen != 0 {
			all = append(all, gen)
		}
	}
	slices.Sort(all)
	if s.newest = s.man.Newest; s.newest == 0 && len(all) > 0 {
		s.newest = all[len(all)-1]
	}
	for _, gen := range slices.Compact(all) {
		g := surveyed{gen: gen}
		if err := s.snapshot(&g); err != nil {
			return err
		}
		if err := s.generation(&g); err != nil {
			return err
		}
		s.gens = append(s.gens, g)
	}
	return nil
}

// onlyDamage turns damage into a finding.
func onlyDamage(found *error, err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer) || errors.Is(err, fs.ErrNotExist) {
		*found, err = err, nil
	}
	return err
}

// snapshot reads the snapshot in front of a generation, all of it.
func (s *survey) snapshot(g *surveyed) error {
	man := s.man
	man.Oldest = 0 // that the manifest names another barrier is for others to say
	f, err := openSnapshot(s.dir, &man, g.gen)
	if err != nil {
		return onlyDamage(&g.snapErr, err)
	}
	defer func() { _ = f.close() }()
	g.snapSize = f.size
	err = f.read(newReader(f.size), func(*Chunk) error { return nil })
	if err == nil {
		g.snapshot, g.foot = &f.head, f.foot
	}
	return onlyDamage(&g.snapErr, err)
}

// generation reads the log of a generation.
func (s *survey) generation(g *surveyed) error {
	dir := filepath.Join(partitionName, generationName(g.gen))
	damage := func(file string, offset int64, err error) {
		g.err = &CorruptionError{Dir: s.dir, File: file, Offset: offset, Err: err}
	}
	segments, stray, err := listSegments(filepath.Join(s.dir, dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		damage(dir, 0, errors.New("directory of the generation is missing"))
		return nil
	case err != nil:
		return fmt.Errorf("wal: list %s: %w", dir, err)
	}
	g.segments = segments
	if stray != "" {
		damage(filepath.Join(dir, stray), 0, errors.New("this log never makes such a file"))
	}
	c := chain{logID: s.man.LogID, maxEpoch: s.man.Epoch}
	g.end.segment = 1
	for i, first := range segments {
		file := filepath.Join(dir, segmentName(first))
		if first != c.seq+1 {
			damage(filepath.Join(dir, segmentName(c.seq+1)), 0, fmt.Errorf("segment is missing, or the one before it is short: batch %d is followed by segment %d", c.seq, first))
			return nil
		}
		b, err := os.ReadFile(filepath.Join(s.dir, file))
		if err != nil {
			return fmt.Errorf("wal: read segment: %w", err)
		}
		g.end = place{segment: first}
		for int(g.end.offset) < len(b) {
			h, payload, n, err := decodeEntry(b[g.end.offset:])
			if err == nil && c.seq == 0 {
				c.last, c.crc = h.first-1, h.prevCRC
				g.base, g.baseCRC = c.last, c.crc
			}
			if err == nil {
				err = c.follow(&h)
			}
			if err != nil && g.gen == s.newest && i == len(segments)-1 && onlyZeros(b[g.end.offset:]) {
				break // room
			}
			if err != nil {
				damage(file, g.end.offset, fmt.Errorf("batch %d: %w", c.seq+1, err))
				return nil
			}
			if s.visit != nil {
				if err := s.visit(file, g.end.offset, n, &h, payload); err != nil {
					return err
				}
			}
			g.batches++
			g.last, g.lastCRC, g.lastSeq, g.lastMs, g.epoch = c.last, c.crc, c.seq, h.timeMs, c.epoch
			g.end.offset += int64(n)
		}
		if len(b) == 0 && i < len(segments)-1 {
			damage(file, 0, errors.New("segment is empty, although it is not the last one"))
			return nil
		}
	}
	if len(segments) == 0 {
		damage(filepath.Join(dir, segmentName(1)), 0, errors.New("segment is missing"))
	}
	return nil
}

// keep is what a repair can keep: the snapshot in front of generation gens[from] (or nothing, before generation 1), and from there on the log up to record last.
type keep struct {
	from, to int // in survey.gens; record last is in to, or before it when to has none
	barrier  LSN
	last     LSN
	lastMs   uint64
	end      error // why not more; nil at the end of the log
}

// keeps finds what can be kept from each place where a start could begin, the oldest first.
func (s *survey) keeps() (all []keep) {
	for i := range s.gens {
		g := &s.gens[i]
		k := keep{from: i, to: i}
		var crc uint32
		switch {
		case g.snapshot != nil:
			k.barrier, k.last, crc, k.lastMs = g.foot.barrier, g.snapshot.base, g.snapshot.baseCRC, g.snapshot.timeMs
		case g.gen == 1:
			k.lastMs = s.man.MadeUnixMs
		default:
			continue
		}
		for j := i; ; j++ {
			n := &s.gens[j]
			if n.batches > 0 && (n.base != k.last || n.baseCRC != crc) {
				k.end = &CorruptionError{Dir: s.dir, File: firstSegment(n.gen), Err: doesNotFollow(n, k.last)}
				break
			}
			k.to = j
			if n.batches > 0 {
				k.last, crc, k.lastMs = n.last, n.lastCRC, n.lastMs
			}
			if k.end = n.err; k.end != nil || j == len(s.gens)-1 {
				break
			}
			if s.gens[j+1].gen != n.gen+1 {
				k.end = &CorruptionError{Dir: s.dir, File: filepath.Join(partitionName, generationName(n.gen+1)), Err: errors.New("generation is missing")}
				break
			}
		}
		if k.last >= k.barrier {
			all = append(all, k)
		}
	}
	return all
}

// best is the one of keeps that keeps record n, with the newest snapshot; ok is false if none does.
func best(all []keep, n LSN) (k keep, ok bool) {
	for _, c := range all {
		if c.barrier <= n && n <= c.last {
			k, ok = c, true
		}
	}
	return k, ok
}

// known is the last record of which there is any trace, and when it was committed, in files that cannot be read as a log any more, too.
func (s *survey) known() (last LSN, lastMs uint64, err error) {
	last = s.man.Floor
	for i := range s.gens {
		g := &s.gens[i]
		if g.last >= last {
			last, lastMs = g.last, max(lastMs, g.lastMs)
		}
		if g.err == nil {
			continue
		}
		for _, segment := range g.segments {
			if segment < g.end.segment {
				continue
			}
			file := filepath.Join(s.dir, partitionName, generationName(g.gen), segmentName(segment))
			b, err := os.ReadFile(file)
			if err != nil {
				return 0, 0, fmt.Errorf("wal: read segment: %w", err)
			}
			c := chain{logID: s.man.LogID}
			c.each(b, func(h *header) bool {
				if h.last() >= last {
					last = h.last()
				}
				last, lastMs = max(last, h.claimLSN), max(lastMs, h.timeMs)
				return true
			})
		}
	}
	return last, lastMs, nil
}

// each calls fn for each readable header of this log that is anywhere in b, until it returns false.
func (c *chain) each(b []byte, fn func(h *header) bool) {
	for from := 0; ; from++ {
		i := bytes.Index(b[from:], batchMagic[:])
		if i < 0 {
			return
		}
		from += i
		if h, err := decodeHeader(b[from:]); err == nil && h.logID == c.logID && !fn(&h) {
			return
		}
	}
}
