package wal

import (
	"fmt"
	"path/filepath"

	tidwall "github.com/tidwall/wal"
)

// sink is where batches go. The local directory is the one there is; a log that others read along would be
// another. It is used by one goroutine at a time, and after its first error only closed.
type sink interface {
	// Append writes one batch of an epoch. frame[:framePad] is free for the sink to use; the batch follows.
	// synced says that the batch, and all before it, is durable already. An error may be ErrFenced.
	Append(epoch uint64, frame []byte) (synced bool, err error)
	// Sync makes every batch appended so far durable.
	Sync() error
	// Close releases the sink. It neither writes nor promises anything.
	Close() error
}

// framePad is the room before a batch in its frame: the longest entry length.
const framePad = 10

// dirSink writes batches into one generation's directory, through tidwall/wal, one entry each.
//
// tidwall/wal is told not to sync, and is synced through its Sync instead: so it is known when that happens, and
// tests can stand in between.
type dirSink struct {
	disk   Disk
	dir    string
	log    *tidwall.Log
	batch  tidwall.Batch // ours rather than the one inside Log.Write, so that a giant one can be let go
	seq    uint64        // of the last entry
	path   string        // the segment that the next entry goes to
	offset int64         // its length
	limit  int64         // length at which it is full
	dirty  bool          // something in it is not synced

	doWrite, doSync func() error // made once: a func literal in Append would be an allocation a commit
}

// openDirSink opens a recovered generation for appending after batch seq. The segment that the next batch goes
// to exists and is shorter than segmentSize: this package makes sure of that, so that tidwall/wal never creates
// one at open.
func openDirSink(d Disk, dir string, seq uint64, path string, offset, segmentSize int64) (*dirSink, error) {
	log, err := tidwall.Open(dir, &tidwall.Options{
		NoSync: true, SegmentSize: int(segmentSize), SegmentCacheSize: 1, NoCopy: true, DirPerms: 0o750, FilePerms: 0o640,
	})
	if err != nil {
		return nil, fmt.Errorf("wal: open %s for appending: %w", dir, err)
	}
	last, err := log.LastIndex()
	if err == nil && last != seq {
		err = fmt.Errorf("it ends at entry %d instead of %d", last, seq)
	}
	if err != nil {
		_ = log.Close() // nothing was written through it
		return nil, fmt.Errorf("wal: open %s for appending: %w", dir, err)
	}
	s := &dirSink{disk: d, dir: dir, log: log, seq: seq, path: path, offset: offset, limit: segmentSize}
	s.doWrite = func() error { return s.log.WriteBatch(&s.batch) }
	s.doSync = s.log.Sync
	return s, nil
}

func (s *dirSink) Append(_ uint64, frame []byte) (synced bool, err error) {
	size := uint64(len(frame) - framePad)
	head := framePad - uvarintLen(size)
	putUvarint(frame[head:], size)
	entry := frame[head:]

	s.batch.Write(s.seq+1, frame[framePad:])
	s.dirty = true
	if err := s.disk.Do(Op{Kind: OpWrite, Path: s.path, Offset: s.offset, Data: entry}, s.doWrite); err != nil {
		return false, fmt.Errorf("write %s: %w", s.path, err)
	}
	if len(entry) > keepBytes {
		s.batch = tidwall.Batch{}
	}
	s.seq++
	s.offset += int64(len(entry))
	if s.offset < s.limit {
		return false, nil
	}

	// The write has filled the segment: tidwall/wal has also fsynced it and created the next.
	if err := s.disk.Do(Op{Kind: OpSync, Path: s.path}, nothing); err != nil {
		return false, fmt.Errorf("fsync %s: %w", s.path, err)
	}
	s.path, s.offset = filepath.Join(s.dir, segmentName(s.seq+1)), 0
	if err := s.disk.Do(Op{Kind: OpCreate, Path: s.path}, nothing); err != nil {
		return false, fmt.Errorf("create %s: %w", s.path, err)
	}
	if err := syncDir(s.disk, s.dir); err != nil {
		return false, fmt.Errorf("fsync %s: %w", s.dir, err)
	}
	s.dirty = false
	return true, nil
}

func (s *dirSink) Sync() error {
	if !s.dirty {
		return nil
	}
	if err := s.disk.Do(Op{Kind: OpSync, Path: s.path}, s.doSync); err != nil {
		return fmt.Errorf("fsync %s: %w", s.path, err)
	}
	s.dirty = false
	return nil
}

func (s *dirSink) Close() error {
	if err := s.log.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}

func putUvarint(b []byte, x uint64) {
	i := 0
	for x >= 0x80 {
		b[i] = byte(x) | 0x80
		x >>= 7
		i++
	}
	b[i] = byte(x)
}
