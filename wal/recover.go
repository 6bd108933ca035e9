package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Recovery is what Replay found.
type Recovery struct {
	Epoch    uint64 // of this start
	Last     LSN    // number of the last record
	Records  uint64 // of the log, replayed
	Batches  uint64 // complete ones, with or without records
	Segments int    //
	Bytes    int64  // of complete batches
	Snapshot LSN    // barrier of the snapshot that was read; 0 without one

	SnapshotRecords uint64
	SnapshotBytes   int64 // of the file
	Generations     int   // of the log

	Torn     int64         // bytes cut off the end: a write that did not finish
	TornFile string        // where, relative to the data directory
	TornAt   int64         // the offset that the file was cut to
	TornErr  error         // why they were no batch; nil when nothing was cut
	Duration time.Duration // of the whole Replay
}

// prepareDir makes what is missing of a data directory and reads its manifest. The caller holds the lock.
func prepareDir(d Disk, dir string) (Manifest, error) {
	p0 := filepath.Join(dir, partitionName)
	if err := makeDir(d, p0); err != nil && !errors.Is(err, fs.ErrExist) {
		return Manifest{}, fmt.Errorf("wal: data directory %s cannot be written: %w", dir, err)
	}
	m, err := readManifest(dir)
	if err == nil {
		return m, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer) {
			return m, err
		}
		return m, fmt.Errorf("wal: read manifest: %w", err)
	}

	// A new directory, or one whose making was interrupted. Without a manifest nothing was ever written.
	m = Manifest{LogID: randomID(), Kept: 1, Oldest: 1, Newest: 1, MadeUnixMs: uint64(time.Now().UnixMilli())}
	if err := emptyGenerations(dir, p0); err != nil {
		return m, err
	}
	err = syncDir(d, dir)
	if err == nil {
		err = makeGeneration(d, p0, 1)
	}
	if err == nil {
		_, err = replaceFile(d, filepath.Join(p0, manifestName), m.encode())
	}
	if err != nil {
		return m, fmt.Errorf("wal: make data directory %s: %w", dir, err)
	}
	return m, nil
}

// makeGeneration makes the directory of a generation and its first segment, empty, both durable.
func makeGeneration(d Disk, p0 string, number uint64) error {
	gen := filepath.Join(p0, generationName(number))
	if err := makeDir(d, gen); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	segment := filepath.Join(gen, segmentName(1))
	if err := createFile(d, segment); err != nil {
		return err
	}
	if err := syncFile(d, segment); err != nil {
		return err
	}
	if err := syncDir(d, gen); err != nil {
		return err
	}
	return syncDir(d, p0)
}

// emptyGenerations refuses a directory that holds records but no manifest.
func emptyGenerations(dir, p0 string) error {
	files, err := filepath.Glob(filepath.Join(p0, "gen-*", "*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			return fmt.Errorf("wal: %w", err)
		}
		if st.Size() > 0 {
			return &CorruptionError{
				Dir: dir, File: filepath.Join(partitionName, manifestName),
				Err: fmt.Errorf("manifest is missing, although %s holds records", f),
			}
		}
	}
	return nil
}

func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return binary.LittleEndian.Uint64(b[:])
}

// Replay reads the snapshot that the manifest names and the log behind it, and passes them to fn chunk by chunk: first those
// of the snapshot, then those of the log in the order of their numbers. What comes next is read and checked ahead by other goroutines; fn
// is called on the calling one. After the last chunk it calls end, if that is not nil, and waits for it: whoever has handed
// chunks to other goroutines waits for them there. Then it cuts a torn tail and makes the log ready for Append.
//
// It must be called exactly once. fn may be nil, for whoever wants everything checked and nothing told. An error of fn or end ends it, and is returned as it is; then, and when damage is found
// (a *CorruptionError), nothing on disk has been changed.
func (l *Log) Replay(fn func(c *Chunk) error, end func() error) (Recovery, error) {
	if !l.state.CompareAndSwap(stateOpen, stateReplaying) {
		return Recovery{}, ErrNotReplayed
	}
	start := time.Now()
	if fn == nil {
		fn = func(*Chunk) error { return nil }
	}
	s := scan{dir: l.dir, man: l.man, from: l.man.Oldest, to: l.man.Newest, chunk: fn}
	err := s.run()
	defer s.release()
	if err == nil && end != nil {
		err = end()
	}
	if err != nil {
		return Recovery{}, err
	}
	rec := Recovery{
		Epoch: l.epoch, Last: s.chain.last, Records: s.records, Batches: s.batches, Segments: s.segments, Bytes: s.bytes,
		Generations: s.generations,
	}
	if s.snapshot != nil {
		rec.Snapshot, rec.SnapshotRecords, rec.SnapshotBytes = s.snapshot.barrier, s.snapshot.records, s.snapshotBytes
	}
	if s.torn != nil {
		rec.Torn, rec.TornFile, rec.TornAt, rec.TornErr = int64(len(s.data)-s.end), s.file, int64(s.end), s.torn
	}
	if err := l.settle(&s); err != nil {
		return rec, fmt.Errorf("wal: prepare %s for appending: %w", l.dir, err)
	}
	rec.Duration = time.Since(start)
	l.start(&s)
	return rec, nil
}

// settle makes what was read the durable truth: torn bytes gone, everything else on disk, the new epoch and the
// floor in the manifest. Then it opens the log for appending.
func (l *Log) settle(s *scan) error {
	d, path := l.opts.Disk, filepath.Join(l.dir, s.file)
	dir := filepath.Dir(path)
	if s.end < len(s.data) {
		if err := truncate(d, path, int64(s.end)); err != nil {
			return err
		}
	}
	// What is above every claim was read from the page cache, perhaps after an fsync that failed and left it
	// marked clean. Only bytes that are written again are certain to be taken by the next fsync.
	if from := s.unclaimed(); from < s.end {
		if err := writeAt(d, path, int64(from), s.data[from:s.end]); err != nil {
			return err
		}
	}
	if err := syncFile(d, path); err != nil {
		return err
	}
	end := int64(s.end)
	if end >= l.opts.segmentSize {
		path, end = filepath.Join(dir, segmentName(s.chain.seq+1)), 0
		if err := createFile(d, path); err != nil {
			return err
		}
	}
	if err := syncDir(d, dir); err != nil {
		return err
	}
	l.man.Epoch, l.man.FloorSeq, l.man.Floor = l.epoch, s.chain.seq, s.chain.last
	if _, err := l.writeManifest(&l.man); err != nil {
		return err
	}
	if err := l.removeStrays(); err != nil {
		return err
	}
	if err := l.takeStock(); err != nil {
		return err
	}
	sink, err := openDirSink(d, dir, s.chain.seq, path, end, l.opts.segmentSize, l.opts.Sync == SyncAlways)
	if err != nil {
		return err
	}
	l.sink = sink
	return nil
}

// writeManifest makes m, which is l.man or is to become it, durable. replaced: it has, or may have, taken the place of the one before. The caller holds snapMu, or
// is the only one to know the log.
func (l *Log) writeManifest(m *Manifest) (replaced bool, err error) {
	path := filepath.Join(l.dir, partitionName, manifestName)
	replaced, err = replaceFile(l.opts.Disk, path, m.encode())
	if err != nil {
		err = fmt.Errorf("write %s: %w", path, err)
	}
	return replaced, err
}
