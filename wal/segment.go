package wal

import (
	"bytes"
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

// generationOf is the number of the generation whose directory is called name; 0 if none is.
func generationOf(name string) uint64 { return numbered(name, "gen-") }

// newerGeneration looks for generations above newest. gen is one that holds records, if there is one.
func newerGeneration(dir string, newest uint64) (gen uint64, holds bool, err error) {
	p0 := filepath.Join(dir, partitionName)
	entries, err := os.ReadDir(p0)
	if err != nil {
		return 0, false, fmt.Errorf("wal: list %s: %w", p0, err)
	}
	for _, e := range entries {
		gen := generationOf(e.Name())
		if gen <= newest || !e.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(p0, e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue // another process has made it and removed it while we looked
		}
		if err != nil {
			return 0, false, fmt.Errorf("wal: list %s: %w", filepath.Join(p0, e.Name()), err)
		}
		for _, f := range files {
			if st, err := f.Info(); err == nil && st.Size() > 0 {
				return gen, true, nil
			}
		}
	}
	return 0, false, nil
}

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

// scan reads generations of the log from front to back, with the snapshot in front of the first of them. It changes
// nothing. Recovery, Inspect, Verify and History share it.
type scan struct {
	dir string // data directory
	man Manifest
	// from and to are the generations to read; from is 1, or one with a snapshot in front of it.
	from, to uint64
	// chunk, if set, gets the frames of the snapshot and then each segment, complete as far as it is.
	chunk func(*Chunk) error
	// visit, if set, is called for each batch, in order; payload is valid during the call. An error ends the scan.
	visit func(file string, offset int64, size int, h *header, payload []byte) error
	// upTo, if not 0, is the last record that is wanted: the scan ends with the segment that holds it, and judges
	// nothing behind it.
	upTo LSN
	// given, if set, are the segments to read, open, instead of those that the directories list; front, if set, is the snapshot. So
	// a History reads what there was when it looked, although it may be removed meanwhile. Both are closed by the caller.
	given []segmentFile
	front *snapshotFile
	// reread is set when another process may be writing: a start that came after man was read has a later
	// epoch in its batches, and in the manifest.
	reread func() (Manifest, error)

	snapshot      *snapshotFoot // what was read of it; nil if there is none in front of from
	snapshotBytes int64

	chain       chain
	generations int
	segments    int
	batches     uint64
	records     uint64
	bytes       int64 // of complete batches
	torn        error // why the bytes from end on are no batch; nil when there are none, or when all are zeros
	beyond      int   // readable headers among the torn bytes

	// Of the segment read last:
	gen     uint64
	file    string // relative to dir
	end     int    // where its complete batches end
	starts  []int  // where each of them starts
	firstIn uint64 // sequence number of its first batch
	data    []byte // its bytes; after run, if it is the last one of generation to, until release
	tail    *Chunk // held until release
}

// segmentFile is one segment as it was found in its directory.
type segmentFile struct {
	gen   uint64
	first uint64   // sequence number in its name
	file  string   // relative to the data directory
	size  int64    // when it was listed
	last  bool     // of its generation
	open  *os.File // of those that were given
	err   error    // instead: what is wrong with the generation's directory
}

// segmentRead is a segment as it was read: everything that can be told of it without those before it.
type segmentRead struct {
	segmentFile
	c   *Chunk
	end int
	bad error // why there is no batch at end; nil at the end of the file
	err error
}

// entryHead is a batch in a segment.
type entryHead struct {
	header
	at, size int // of the entry
}

// plan lists the segments of all generations.
func (s *scan) plan() (files []segmentFile, total int64, err error) {
	for gen := s.from; gen <= s.to; gen++ {
		dir := filepath.Join(partitionName, generationName(gen))
		segments, stray, err := listSegments(filepath.Join(s.dir, dir))
		missing := errors.Is(err, os.ErrNotExist)
		if err != nil && !missing {
			return nil, 0, fmt.Errorf("wal: list %s: %w", filepath.Join(s.dir, dir), err)
		}
		var bad error
		switch {
		case missing:
			bad = s.damage(dir, 0, errors.New("directory of a generation that the manifest names is missing"))
		case stray != "":
			bad = s.damage(filepath.Join(dir, stray), 0, errors.New("this log never makes such a file"))
		case len(segments) == 0:
			bad = s.damage(filepath.Join(dir, segmentName(1)), 0, errors.New("segment is missing"))
		}
		if bad != nil {
			files = append(files, segmentFile{gen: gen, err: bad}) // told when all before it has been read
			break
		}
		for i, first := range segments {
			f := segmentFile{gen: gen, first: first, file: filepath.Join(dir, segmentName(first)), last: i == len(segments)-1}
			st, err := os.Stat(filepath.Join(s.dir, f.file))
			if err != nil {
				return nil, 0, fmt.Errorf("wal: %w", err)
			}
			f.size = st.Size()
			total += f.size
			files = append(files, f)
		}
	}
	return files, total, nil
}

// run reads everything. The error is a *CorruptionError for damage, what chunk or visit returned, or trouble
// with reading. A torn tail is no error. release must follow.
func (s *scan) run() error {
	if err := s.newer(); err != nil {
		return err
	}
	files, total := s.given, int64(0)
	if s.given == nil {
		var err error
		if files, total, err = s.plan(); err != nil {
			return err
		}
	}
	for _, f := range s.given {
		total += f.size
	}
	s.chain = chain{logID: s.man.LogID, maxEpoch: s.man.Epoch}
	r := newReader(total)
	if s.from > 1 {
		if err := s.runSnapshot(r); err != nil {
			return err
		}
	}
	err := ahead(r, func() func() segmentRead {
		if len(files) == 0 {
			return nil
		}
		f := files[0]
		files = files[1:]
		return s.reading(r, f)
	}, s.segment)
	switch {
	case errors.Is(err, errEnough):
		return nil
	case err != nil:
		return err
	}
	if s.upTo != 0 && s.chain.last < s.upTo {
		return s.damage(s.file, int64(s.end), fmt.Errorf("the log ends with record %d, but record %d was on disk", s.chain.last, s.upTo))
	}
	if s.upTo != 0 || s.to < s.man.Newest {
		return nil
	}
	// The floor is at or past the snapshot's barrier: a log that ends before that is refused here too.
	if s.chain.seq < s.man.FloorSeq || s.chain.last < s.man.Floor {
		return s.damage(s.file, int64(s.end), fmt.Errorf("the log ends with batch %d and record %d, "+
			"but the manifest knows that batch %d and record %d were on disk",
			s.chain.seq, s.chain.last, s.man.FloorSeq, s.man.Floor))
	}
	return nil
}

// errEnough ends a scan that has reached upTo.
var errEnough = errors.New("wal: read far enough")

// release lets go of the last segment.
func (s *scan) release() {
	if s.tail != nil {
		s.tail.Release()
		s.tail, s.data = nil, nil
	}
}

// newer looks for generations behind the newest one. A rotation that was cut short has left an empty one.
func (s *scan) newer() error {
	gen, holds, err := newerGeneration(s.dir, s.man.Newest)
	if err != nil || !holds {
		return err
	}
	if s.reread != nil {
		if man, err := s.reread(); err == nil && man.Newest >= gen {
			return nil // made meanwhile
		}
	}
	return s.damage(filepath.Join(partitionName, generationName(gen)), 0,
		fmt.Errorf("generation holds records, but the manifest ends with generation %d: the manifest is older than the log", s.man.Newest))
}

// runSnapshot reads the snapshot in front of the first generation, and takes from it what comes before that.
func (s *scan) runSnapshot(r *reader) error {
	f := s.front
	if f == nil {
		var err error
		if f, err = openSnapshot(s.dir, &s.man, s.from); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return s.damage(filepath.Join(partitionName, snapshotName(s.from)), 0, errSnapshotMissing)
			}
			return err
		}
		defer func() { _ = f.close() }() // only read
	}
	r.total += f.size
	s.chain.last, s.chain.crc = f.head.base, f.head.baseCRC
	s.snapshot, s.snapshotBytes = &f.foot, f.size
	s.file = f.name
	if s.chunk == nil {
		return nil
	}
	return f.read(r, s.chunk)
}

// reading returns the function that reads one segment, on whichever goroutine; or nil when the scan has ended.
func (s *scan) reading(r *reader, f segmentFile) func() segmentRead {
	got := segmentRead{segmentFile: f, err: f.err}
	if got.err != nil {
		return func() segmentRead { return got }
	}
	// It is opened only by the function that is returned: that may never be called.
	path := filepath.Join(s.dir, f.file)
	st, err := os.Stat(path)
	if f.open != nil {
		st, err = f.open.Stat()
	}
	if err != nil {
		got.err = fmt.Errorf("wal: read segment: %w", err)
		return func() segmentRead { return got }
	}
	if got.c = r.take(int(st.Size()), st.Size()); got.c == nil {
		return nil
	}
	return func() segmentRead {
		file := f.open
		if file == nil {
			var err error
			if file, err = os.Open(path); err != nil {
				got.err = fmt.Errorf("wal: read segment: %w", err)
				return got
			}
			defer file.Close()
		}
		got.err = got.c.load(file)
		got.parse()
		return got
	}
}

// load reads a file into the chunk.
func (c *Chunk) load(f *os.File) error {
	n, err := f.ReadAt(c.data, 0)
	c.data = c.data[:n]
	if err != nil && !errors.Is(err, io.EOF) { // at its end: it became shorter meanwhile, as the owner of a live directory cut a torn tail
		return fmt.Errorf("wal: read segment: %w", err)
	}
	return nil
}

// parse finds the batches of a segment.
func (g *segmentRead) parse() {
	c := g.c
	c.heads = c.heads[:0]
	for g.end < len(c.data) {
		h, _, n, err := decodeEntry(c.data[g.end:])
		if err != nil {
			g.bad = err
			return
		}
		c.heads = append(c.heads, entryHead{h, g.end, n})
		g.end += n
	}
}

// segment judges the next segment and passes it on.
func (s *scan) segment(g segmentRead) error {
	if g.err != nil {
		return g.err
	}
	if g.gen != s.gen {
		if err := s.enter(g.gen); err != nil {
			return err
		}
	}
	if err := s.place(&g); err != nil {
		return err
	}
	if s.data = g.c.data; g.last && g.gen == s.to {
		s.tail = g.c // recovery looks at it again
	} else {
		defer g.c.Release()
	}
	s.file, s.firstIn = g.file, g.first
	s.starts, s.end = s.starts[:0], 0
	s.segments++
	c := g.c
	for i := range c.heads {
		e := &c.heads[i]
		if e.epoch > s.chain.maxEpoch && s.reread != nil {
			if man, err := s.reread(); err == nil {
				s.chain.maxEpoch = man.Epoch
			}
		}
		if err := s.chain.follow(&e.header); err != nil {
			return s.damage(s.file, int64(e.at), err)
		}
		if s.visit != nil {
			if err := s.visit(s.file, int64(e.at), e.size, &e.header, c.data[e.at+e.size-int(e.payloadLen):e.at+e.size]); err != nil {
				return err
			}
		}
		s.batches++
		s.records += uint64(e.count)
		s.bytes += int64(e.size)
		s.starts = append(s.starts, e.at)
		s.end = e.at + e.size
	}
	enough := s.upTo != 0 && s.chain.last >= s.upTo
	if g.bad != nil && !enough {
		if err := s.judge(g.bad, g.gen, g.last); err != nil {
			return err
		}
	}
	if s.chunk != nil && s.end > 0 {
		c.data, c.upTo = c.data[:s.end], s.upTo
		if err := s.chunk(c); err != nil {
			return err
		}
	}
	if enough {
		return errEnough
	}
	return nil
}

// enter begins a generation.
func (s *scan) enter(gen uint64) error {
	c := &s.chain
	if gen == s.man.Newest && (c.last != s.man.Base || c.crc != s.man.BaseCRC) {
		return s.damage(s.file, int64(s.end), fmt.Errorf("the log ends with record %d before generation %d, "+
			"but the manifest knows that record %d, in another batch, was the last one there", c.last, gen, s.man.Base))
	}
	s.gen = gen
	s.generations++
	c.seq, c.claimSeq = 0, 0
	return nil
}

// place checks that a segment is the next one.
func (s *scan) place(g *segmentRead) error {
	dir := filepath.Dir(g.file)
	switch {
	case g.first == s.chain.seq+1:
		return nil
	case g.first <= s.chain.seq:
		return s.damage(g.file, 0, fmt.Errorf("segment overlaps the one before it, which ends with batch %d", s.chain.seq))
	}
	return s.damage(filepath.Join(dir, segmentName(s.chain.seq+1)), 0,
		fmt.Errorf("segment is missing, or the one before it is short: batch %d is followed by segment %d", s.chain.seq, g.first))
}

// judge decides what a batch that cannot be read is: damage, or a torn tail.
func (s *scan) judge(err error, gen uint64, last bool) error {
	seq := s.chain.seq + 1
	switch {
	case !last:
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; the segment was complete on disk before the next one was made", seq, err))
	case gen != s.man.Newest:
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; the generation was complete on disk before the next one was begun", seq, err))
	case seq <= s.man.FloorSeq:
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; the manifest knows that it was on disk", seq, err))
	}
	if onlyZeros(s.data[s.end:]) {
		return nil // room
	}
	at, beyond := s.chain.claimPast(s.data[s.end:], seq)
	if at >= 0 {
		return s.damage(s.file, int64(s.end),
			fmt.Errorf("batch %d: %w; a later batch at offset %d says that it was on disk", seq, err, s.end+at))
	}
	s.torn, s.beyond = err, beyond
	return nil
}

// onlyZeros reports whether b is what room consists of.
func onlyZeros(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

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

// readManifest reads the manifest of a data directory. It returns os.ErrNotExist as it is.
func readManifest(dir string) (Manifest, error) {
	file := filepath.Join(partitionName, manifestName)
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return Manifest{}, err
	}
	m, err := decodeManifest(b)
	var newer newerError
	if errors.As(err, &newer) {
		return m, &NewerError{Dir: dir, File: file, Err: err}
	}
	if err != nil {
		return m, &CorruptionError{Dir: dir, File: file, Offset: 0, Err: err}
	}
	return m, nil
}
