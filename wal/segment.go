package wal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

const partitionName = "p0"

func generationName(gen uint64) string { return fmt.Sprintf("gen-%010d", gen) }

// segmentName is the file name of the segment whose first batch is seq; tidwall/wal builds the same.
func segmentName(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// listSegments returns the first sequence numbers of the segments in a generation's directory, ascending. stray
// is the name of a file that tidwall/wal would act upon although this log never makes one, or empty.
func listSegments(dir string) (segments []uint64, stray string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || len(name) < 20 {
			continue
		}
		seq, err := strconv.ParseUint(name[:20], 10, 64)
		if err != nil || seq == 0 {
			continue
		}
		switch {
		case len(name) == 20:
			segments = append(segments, seq)
		case strings.HasSuffix(name, ".START"), strings.HasSuffix(name, ".END"):
			stray = name
		}
	}
	sort.Slice(segments, func(i, j int) bool { return segments[i] < segments[j] })
	return segments, stray, nil
}

// scan reads one generation from front to back. It changes nothing. Recovery, Inspect and Verify share it.
type scan struct {
	dir string // data directory
	gen string // generation's directory relative to dir
	man Manifest

	// visit is called for each batch, in order; payload is valid during the call. An error ends the scan.
	visit func(file string, offset int64, size int, h *header, payload []byte) error
	// reread is set when another process may be writing: a start that came after man was read has a later
	// epoch in its batches, and in the manifest.
	reread func() (Manifest, error)

	chain    chain
	segments int
	batches  uint64
	records  uint64
	bytes    int64 // of complete batches

	// Of the last segment:
	file    string // relative to dir
	data    []byte // its bytes
	end     int    // where its complete batches end
	starts  []int  // where each of them starts
	torn    error  // why the bytes from end on are no batch; nil when there are none
	beyond  int    // readable headers among the torn bytes
	firstIn uint64 // sequence number of its first batch
}

// run reads the whole generation. The error is a *CorruptionError for damage, what visit returned, or trouble
// with reading. A torn tail is no error.
func (s *scan) run() error {
	s.chain = chain{logID: s.man.LogID, maxEpoch: s.man.Epoch, last: s.man.Base}
	dir := filepath.Join(s.dir, s.gen)
	segments, stray, err := listSegments(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s.damage(s.gen, 0, errors.New("directory of the generation that the manifest names is missing"))
	case err != nil:
		return fmt.Errorf("wal: list %s: %w", dir, err)
	case stray != "":
		return s.damage(filepath.Join(s.gen, stray), 0, errors.New("this log never makes such a file"))
	case len(segments) == 0:
		return s.damage(filepath.Join(s.gen, segmentName(1)), 0, errors.New("segment is missing"))
	}
	for i, first := range segments {
		if first != s.chain.seq+1 {
			missing := filepath.Join(s.gen, segmentName(s.chain.seq+1))
			if first <= s.chain.seq {
				return s.damage(filepath.Join(s.gen, segmentName(first)), 0,
					fmt.Errorf("segment overlaps the one before it, which ends with batch %d", s.chain.seq))
			}
			return s.damage(missing, 0, fmt.Errorf("segment is missing, or the one before it is short: batch %d is followed by segment %d",
				s.chain.seq, first))
		}
		s.file, s.firstIn = filepath.Join(s.gen, segmentName(first)), first
		if err := s.load(filepath.Join(s.dir, s.file)); err != nil {
			return fmt.Errorf("wal: read segment: %w", err)
		}
		s.segments++
		if err := s.segment(i == len(segments)-1); err != nil {
			return err
		}
	}
	if s.chain.seq < s.man.FloorSeq || s.chain.last < s.man.Floor {
		return s.damage(s.file, int64(s.end), fmt.Errorf("the log ends with batch %d and record %d, "+
			"but the manifest knows that batch %d and record %d were on disk",
			s.chain.seq, s.chain.last, s.man.FloorSeq, s.man.Floor))
	}
	return nil
}

// segment goes through s.data.
func (s *scan) segment(last bool) error {
	s.end, s.starts, s.torn, s.beyond = 0, s.starts[:0], nil, 0
	for s.end < len(s.data) {
		h, payload, n, err := decodeEntry(s.data[s.end:])
		if err != nil {
			return s.judge(err, last)
		}
		if h.epoch > s.chain.maxEpoch && s.reread != nil {
			if man, err := s.reread(); err == nil {
				s.chain.maxEpoch = man.Epoch
			}
		}
		if err := s.chain.follow(&h); err != nil {
			return s.damage(s.file, int64(s.end), err)
		}
		if s.visit != nil {
			if err := s.visit(s.file, int64(s.end), n, &h, payload); err != nil {
				return err
			}
		}
		s.batches++
		s.records += uint64(h.count)
		s.bytes += int64(n)
		s.starts = append(s.starts, s.end)
		s.end += n
	}
	return nil
}

// judge decides what a batch that cannot be read is: damage, or a torn tail.
func (s *scan) judge(err error, last bool) error {
	seq := s.chain.seq + 1
	switch {
	case !last:
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; the segment was complete on disk before the next one was made", seq, err))
	case seq <= s.man.FloorSeq:
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; the manifest knows that it was on disk", seq, err))
	}
	at, beyond := s.chain.claimPast(s.data[s.end:], seq)
	if at >= 0 {
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; a later batch at offset %d says that it was on disk", seq, err, s.end+at))
	}
	s.torn, s.beyond = err, beyond
	return nil
}

// unclaimed is the offset in the last segment from where on nothing says that the bytes are on disk.
func (s *scan) unclaimed() int {
	claim := max(s.chain.claimSeq, s.man.FloorSeq)
	if claim+1 < s.firstIn {
		return 0
	}
	if i := claim + 1 - s.firstIn; i < uint64(len(s.starts)) {
		return s.starts[i]
	}
	return s.end
}

func (s *scan) damage(file string, offset int64, err error) error {
	return &CorruptionError{Dir: s.dir, File: file, Offset: offset, Err: err}
}

// load reads a file into s.data, reusing its memory.
func (s *scan) load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if size := int(st.Size()); cap(s.data) < size {
		s.data = make([]byte, size)
	} else {
		s.data = s.data[:size]
	}
	n, err := io.ReadFull(f, s.data)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil // it became shorter meanwhile: a live directory whose owner cut a torn tail
	}
	s.data = s.data[:n]
	return err
}

// readManifest reads the manifest of a data directory. It returns os.ErrNotExist as it is.
func readManifest(dir string) (Manifest, error) {
	file := filepath.Join(partitionName, manifestName)
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return Manifest{}, err
	}
	m, err := decodeManifest(b)
	if err != nil {
		return m, &CorruptionError{Dir: dir, File: file, Offset: 0, Err: err}
	}
	return m, nil
}
