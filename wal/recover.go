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
	Epoch    uint64        // of this start
	Last     LSN           // number of the last record
	Records  uint64        // replayed
	Batches  uint64        // complete ones, with or without records
	Segments int           //
	Bytes    int64         // of complete batches
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
		tmp := filepath.Join(p0, manifestName+".tmp")
		if err := removeFile(d, tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return m, fmt.Errorf("wal: %w", err)
		}
		return m, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if errors.Is(err, ErrCorrupt) {
			return m, err
		}
		return m, fmt.Errorf("wal: read manifest: %w", err)
	}

	// A new directory, or one whose making was interrupted. Without a manifest nothing was ever written.
	m = Manifest{LogID: randomID(), Oldest: 1, Newest: 1, MadeUnixMs: uint64(time.Now().UnixMilli())}
	gen := filepath.Join(p0, generationName(1))
	if err := emptyGenerations(dir, p0); err != nil {
		return m, err
	}
	if err := makeGeneration(d, dir, p0, gen, &m); err != nil {
		return m, fmt.Errorf("wal: make data directory %s: %w", dir, err)
	}
	return m, nil
}

func makeGeneration(d Disk, dir, p0, gen string, m *Manifest) error {
	if err := syncDir(d, dir); err != nil {
		return err
	}
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
	if err := syncDir(d, p0); err != nil {
		return err
	}
	return replaceFile(d, filepath.Join(p0, manifestName), m.encode())
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

// Replay calls fn for every record in the order of their numbers, cuts a torn tail, and makes the log ready for
// Append. It must be called exactly once. record is valid during the call only. An error of fn ends it, and is
// returned as it is; then, and when damage is found (a *CorruptionError), nothing on disk has been changed.
func (l *Log) Replay(fn func(n LSN, record []byte) error) (Recovery, error) {
	if !l.state.CompareAndSwap(stateOpen, stateReplaying) {
		return Recovery{}, ErrNotReplayed
	}
	start := time.Now()
	s := scan{dir: l.dir, gen: filepath.Join(partitionName, generationName(l.man.Newest)), man: l.man}
	s.visit = func(_ string, _ int64, _ int, h *header, payload []byte) error {
		for n := h.first; len(payload) > 0; n++ {
			var record []byte
			record, payload, _ = nextRecord(payload) // decodeEntry has checked them
			if err := fn(n, record); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.run(); err != nil {
		return Recovery{}, err
	}
	rec := Recovery{Epoch: l.epoch, Last: s.chain.last, Records: s.records, Batches: s.batches, Segments: s.segments, Bytes: s.bytes}
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
	if s.torn != nil {
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
	if err := l.writeManifest(); err != nil {
		return err
	}
	sink, err := openDirSink(d, dir, s.chain.seq, path, end, l.opts.segmentSize)
	if err != nil {
		return err
	}
	l.sink = sink
	return nil
}

func (l *Log) writeManifest() error {
	return replaceFile(l.opts.Disk, filepath.Join(l.dir, partitionName, manifestName), l.man.encode())
}
