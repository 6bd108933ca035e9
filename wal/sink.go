package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	tidwall "github.com/tidwall/wal"
	"golang.org/x/sys/unix"
)

// sink is where batches go. The local directory is the one there is; a log that others read along would be
// another. It is used by one goroutine at a time, and after its first error only closed.
type sink interface {
	// Append writes one batch of an epoch. frame[:framePad] is free for the sink to use; the batch follows.
	// synced says that the batch, and all before it, is durable already. An error may be ErrFenced.
	Append(epoch uint64, frame []byte) (synced bool, err error)
	// Sync makes every batch appended so far durable.
	Sync() error
	// Trim takes away what the sink keeps behind the last batch for batches to come, and reports whether there was any; a Sync makes that
	// durable.
	Trim() (trimmed bool, err error)
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

	// file is the same segment once more: tidwall/wal has no fdatasync, and keeps its descriptor to itself. It is opened before anything is
	// written, as only then it is told of every write that fails.
	file    *os.File
	fd      int
	makes   bool  // room is made
	room    int64 // where the zeros behind the last batch end; not above offset: there are none
	resized bool  // it was cut since the last sync: fdatasync promises nothing of that

	doWrite, doSync, doRoom func() error // made once: a func literal in Append would be an allocation a commit
}

const (
	minRoom = 16 << 10
	maxRoom = 512 << 10
)

// zeros are what room is made of.
var zeros [maxRoom]byte

// openDirSink opens a recovered generation for appending after batch seq. The segment that the next batch goes
// to exists and is shorter than segmentSize: this package makes sure of that, so that tidwall/wal never creates
// one at open.
//
// With room, zeros are kept behind the last batch, as docs/format/wal.md says under Room: a batch that overwrites them changes neither the
// length of the file nor the map of its blocks, so a sync has only the batch to write.
func openDirSink(d Disk, dir string, seq uint64, path string, offset, segmentSize int64, room bool) (*dirSink, error) {
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
	s := &dirSink{disk: d, dir: dir, log: log, seq: seq, path: path, offset: offset, limit: segmentSize, makes: room}
	s.doWrite = func() error { return s.log.WriteBatch(&s.batch) }
	s.doSync = s.fsync
	s.doRoom = func() error {
		_, err := s.file.WriteAt(zeros[:s.room-s.offset], s.offset)
		return err
	}
	if err := s.open(); err != nil {
		_ = log.Close() // nothing was written through it
		return nil, fmt.Errorf("wal: open %s for appending: %w", dir, err)
	}
	return s, nil
}

// open opens the segment for itself.
func (s *dirSink) open() error {
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if s.file != nil {
		_ = s.file.Close() // all of it was fsynced
	}
	s.file, s.fd, s.room = f, int(f.Fd()), 0
	return nil
}

// fsync takes the segment's bytes to the disk.
func (s *dirSink) fsync() error {
	if s.resized {
		return s.file.Sync()
	}
	for {
		if err := unix.Fdatasync(s.fd); err != unix.EINTR {
			return err
		}
	}
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
		return false, s.makeRoom()
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
	if err := s.open(); err != nil {
		return false, fmt.Errorf("open %s: %w", s.path, err)
	}
	return true, nil
}

// makeRoom puts zeros behind a batch that has used up what there was.
func (s *dirSink) makeRoom() error {
	if !s.makes || s.offset <= s.room {
		return nil
	}
	s.room = min(s.limit, s.offset+min(max(s.offset, minRoom), maxRoom))
	err := s.disk.Do(Op{Kind: OpWrite, Path: s.path, Offset: s.offset, Data: zeros[:s.room-s.offset]}, s.doRoom)
	if err != nil && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	// A full disk has none to spare, and that need not stop the log: there may be less than this, and batches find out.
	return nil
}

func (s *dirSink) Trim() (trimmed bool, err error) {
	if s.room <= s.offset {
		return false, nil
	}
	if err := truncate(s.disk, s.path, s.offset); err != nil {
		return false, fmt.Errorf("truncate %s: %w", s.path, err)
	}
	s.room, s.dirty, s.resized = 0, true, true
	return true, nil
}

func (s *dirSink) Sync() error {
	if !s.dirty {
		return nil
	}
	if err := s.disk.Do(Op{Kind: OpSync, Path: s.path}, s.doSync); err != nil {
		return fmt.Errorf("fsync %s: %w", s.path, err)
	}
	s.dirty, s.resized = false, false
	return nil
}

func (s *dirSink) Close() error {
	_ = s.file.Close() // it has synced what it had to
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
