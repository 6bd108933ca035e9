package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"everloop/wal"
)

var (
	// ErrDiverged is matched by the error for a data directory that is not the one, or not any more the one, that a backup was taken of.
	ErrDiverged = errors.New("the data directory is not the one that this backup was taken of, or has gone another way since")

	// errVanished: retention has removed a generation while it was read. Not an error for anybody else.
	errVanished = errors.New("the generation was removed meanwhile")
)

// reading reads a data directory from outside. It knows the manifest as it was when it began.
type reading struct {
	dir string
	man wal.Manifest
}

func openReading(dir string) (*reading, error) {
	man, err := wal.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	return &reading{dir: dir, man: man}, nil
}

// stretch is what a segment has of a generation.
type stretch struct {
	segment uint64
	data    []byte // whole batches, from the segment's start; valid until the function that gets it returns, and owned by it
	whole   Run    // all of them
	fresh   Run    // those that were not known before; Batches is 0 if there are none
	full    bool   // the segment will not become longer
	claimed bool   // something says that all of them are on disk
}

// missing says what it means that something of a generation is not there: it was removed by retention, or it is damage.
func (r *reading) missing(generation uint64, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if now, merr := wal.ReadManifest(r.dir); merr == nil && now.Kept > generation {
		return errVanished
	}
	return fmt.Errorf("the data directory is damaged: %w", err)
}

// snapshot opens the snapshot in front of a generation. The file is nil when there is none.
func (r *reading) snapshot(generation uint64) (*os.File, error) {
	f, err := os.Open(filepath.Join(r.dir, wal.SnapshotPath(generation)))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err = r.missing(generation, err); errors.Is(err, errVanished) || generation == r.man.Oldest && r.man.HasSnapshot() {
		return nil, err
	}
	return nil, nil //nolint:nilnil // there is none, as docs/format/wal.md allows
}

// generation reads what g, which is known up to its last batch, has more in the data directory, and calls each for every segment that it goes through, from the one in which g
// ends. The first batch of all that are unknown must follow g.
func (r *reading) generation(ctx context.Context, g *Generation, each func(s *stretch) error) error {
	newest := g.Generation == r.man.Newest
	segments, err := wal.Segments(r.dir, g.Generation)
	if err != nil {
		return r.missing(g.Generation, err)
	}
	from := 0
	for from+1 < len(segments) && segments[from+1] <= g.Batches {
		from++
	}
	if len(segments) == 0 || g.Batches == 0 && segments[0] != 1 || segments[from] > g.Batches+1 {
		return r.missing(g.Generation, &fs.PathError{Op: "read", Path: filepath.Join(r.dir, wal.SegmentPath(g.Generation, 1)), Err: fs.ErrNotExist})
	}
	chain := wal.NewChain(r.man.LogID, r.man.Epoch, g.Base, g.BaseCRC)
	if segments[from] > 1 {
		chain = wal.ResumeChain(r.man.LogID, r.man.Epoch)
	}
	known := g.Batches
	for i, first := range segments[from:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		followed := from+i < len(segments)-1
		last := newest && !followed
		s, err := r.stretch(g, chain, first, known, last)
		if err != nil {
			return err
		}
		if s.whole.Batches == 0 {
			if followed {
				return r.damage(wal.SegmentPath(g.Generation, first), 0, errors.New("it holds no batch, and another segment follows"))
			}
			continue // a generation may end, or begin, without one
		}
		if err := each(s); err != nil {
			return err
		}
	}
	return nil
}

// stretch reads one segment. last: it may end with a batch that is not complete.
func (r *reading) stretch(g *Generation, chain *wal.Chain, first, known uint64, last bool) (*stretch, error) {
	path := wal.SegmentPath(g.Generation, first)
	data, err := os.ReadFile(filepath.Join(r.dir, path))
	if err != nil {
		return nil, r.missing(g.Generation, err)
	}
	s := &stretch{segment: first, full: !last}
	var claim, lastSeq uint64
	at := 0
	for at < len(data) {
		link, n, err := chain.Next(data[at:])
		if err != nil && !errors.Is(err, wal.ErrUnreadable) {
			// A start may have come since the manifest was read.
			if now, merr := wal.ReadManifest(r.dir); merr == nil && now.Epoch > r.man.Epoch {
				r.man.Epoch = now.Epoch
				chain.Raise(now.Epoch)
				link, n, err = chain.Next(data[at:])
			}
		}
		if err != nil {
			if last && errors.Is(err, wal.ErrUnreadable) {
				err = chain.Torn(data[at:], r.floor(g))
				if err == nil {
					break
				}
			}
			return nil, r.damage(path, at, err)
		}
		if link.Seq == known && link.CRC != g.CRC {
			return nil, fmt.Errorf("%w: batch %d of generation %d differs", ErrDiverged, known, g.Generation)
		}
		if at == 0 && link.Seq != first {
			return nil, r.damage(path, 0, fmt.Errorf("it begins with batch %d", link.Seq))
		}
		s.whole.add(&link, n, first)
		if link.Seq > known {
			s.fresh.add(&link, n, first)
		}
		claim, lastSeq = link.Claim, link.Seq
		at += n
	}
	if known >= first && lastSeq < known {
		if !last {
			return nil, r.damage(path, at, fmt.Errorf("it ends with batch %d", lastSeq))
		}
		return nil, fmt.Errorf("%w: generation %d ends with batch %d in the directory, and with batch %d in the backup", ErrDiverged, g.Generation, lastSeq, known)
	}
	s.data, s.claimed = data[:at], s.full || max(claim, r.floor(g)) >= lastSeq
	return s, nil
}

// floor is the batch of a generation that the manifest knows to be on disk.
func (r *reading) floor(g *Generation) uint64 {
	if g.Generation == r.man.Newest {
		return r.man.FloorSeq
	}
	return 0
}

func (r *reading) damage(path string, offset int, err error) error {
	return &wal.CorruptionError{Dir: r.dir, File: path, Offset: int64(offset), Err: err}
}

// add takes a batch, which follows those that are in the run, into it.
func (r *Run) add(link *wal.Link, size int, segment uint64) {
	ms := link.Time.UnixMilli()
	if r.Batches == 0 {
		r.Segment, r.First, r.From, r.To = segment, link.Seq, ms, ms
	}
	r.Batches++
	r.Last, r.CRC, r.epoch = link.Last, link.CRC, link.Epoch
	r.From, r.To = min(r.From, ms), max(r.To, ms)
	r.Bytes += int64(size)
}

// take takes the batches of runs, which follow it, into the generation's own account.
func (g *Generation) take(r *Run) {
	if g.Batches == 0 {
		g.From, g.To = r.From, r.To
	}
	g.Batches, g.Last, g.CRC, g.Epoch = r.end(), r.Last, r.CRC, r.epoch
	g.From, g.To = min(g.From, r.From), max(g.To, r.To)
	g.Bytes += r.Bytes
}

// section is a file's part, to be read once.
type section struct {
	io.Reader
	io.Closer
}

// base is the last record before a generation, and the header CRC of the last batch before it.
func (r *reading) base(generation uint64) (wal.LSN, uint32, error) {
	for ; generation < r.man.Newest; generation++ {
		f, err := os.Open(filepath.Join(r.dir, wal.SegmentPath(generation, 1)))
		if err != nil {
			return 0, 0, r.missing(generation, err)
		}
		head := make([]byte, wal.MaxEntryHead)
		n, err := io.ReadFull(f, head)
		f.Close()
		if n == 0 {
			continue // nothing was written in it: the next one has the same base
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, 0, err
		}
		before, crc, err := wal.Before(head[:n])
		if err != nil {
			return 0, 0, r.damage(wal.SegmentPath(generation, 1), 0, err)
		}
		return before, crc, nil
	}
	return r.man.Base, r.man.BaseCRC, nil
}
