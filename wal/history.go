package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Position is a moment of a log: behind record LSN. Epoch is that of the batch that the record is in, Time when that batch was committed
// (the wall clock's, which may have jumped). Before the first record LSN and Epoch are 0, and Time is when the directory was made, or
// that of the first batch, if the directory was restored or repaired later.
type Position struct {
	Epoch uint64
	LSN   LSN
	Time  time.Time
}

// ErrNoHistory is wrapped by the errors of a History that is asked for what it does not reach: what was before its start and is kept no longer,
// records that were cut as a torn tail, what is not durable yet. The text says since when there is history.
var ErrNoHistory = errors.New("wal: not in the history that is kept")

// History reads what a log's directory keeps of the past: snapshots, and the log behind them. It is safe for concurrent use. What it promises
// to read is fixed when it is opened: Start to End.
type History interface {
	// Start is the earliest position that Read reaches: the barrier of the oldest kept snapshot, or the beginning.
	Start() Position
	// End is the last durable position when the History was opened.
	End() Position
	// At is the position behind the last batch that was committed at or before t. Where the clock was set back, it is the latest such batch
	// in the last segment that began at or before t. Before Start: ErrNoHistory. Behind End: End.
	At(t time.Time) (Position, error)
	// Find is the position of record n, if it is the one that an observer in this epoch knew by that number. A later epoch gives a number again when the record
	// was lost with a torn tail; then, and outside Start and End, it is ErrNoHistory.
	Find(epoch uint64, n LSN) (Position, error)
	// Read calls fn for the newest snapshot whose barrier is not above `to`, in chunks, and then for the log behind what the snapshot stands in front of, up to and including record
	// `to`. Whoever applies it skips what a snapshot's record has already: see Chunk. An error of fn ends it and is returned as it is; damage is a *CorruptionError.
	Read(to LSN, fn func(*Chunk) error) error
	// Close lets go of what the History keeps from being removed. Nothing may be called afterwards, or be running.
	Close() error
}

// ReadOptions of OpenHistory.
type ReadOptions struct {
	// Torn is for the directory of a stopped process: the history then ends with the last complete batch, as a start would have it. Otherwise, with a process that may be
	// writing, it ends with the last record that is known to be on disk.
	Torn bool
}

// History opens the history of a log that is open. It is to be closed: until then nothing that it reads is removed. Any goroutine but a loop's.
func (l *Log) History() (History, error) {
	man, end, unpin, err := l.pin()
	if err != nil {
		return nil, err
	}
	h := &history{dir: l.dir, man: man, unpin: unpin}
	if err = h.index(); err == nil {
		err = h.endAt(end)
	}
	if err != nil {
		unpin()
		return nil, err
	}
	return h, nil
}

// historyTries is how often OpenHistory starts again with a newer manifest. Each time, a generation has been removed, which takes a whole snapshot in between.
const historyTries = 10

// OpenHistory opens the history of a data directory from outside, without its lock: it may be open for writing in another process. Nothing keeps that process from removing
// old generations. Read notices before it calls its function for the first time, and reports ErrNoHistory; from then on it has all files open, and no removal
// can disturb it. Whoever wants the end of the history then opens it anew.
func OpenHistory(dir string, o ReadOptions) (History, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("wal: data directory %s: %w", dir, err)
	}
	for try := 1; ; try++ {
		// The manifest first: what it says is on disk is there for whoever reads afterwards.
		man, err := readManifest(abs)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, noDirectory(abs)
		case err != nil:
			return nil, err
		}
		h := &history{dir: abs, man: man, outside: true}
		if err = h.index(); err == nil {
			err = h.findEnd(o.Torn)
		}
		if err == nil {
			return h, nil
		}
		// Was it removed, or made, while we looked?
		if now, merr := readManifest(abs); merr != nil || now == man || try == historyTries {
			return nil, err
		}
	}
}

// history is a History of files. Only reread's result changes after it was opened, so it is safe for concurrent use.
type history struct {
	dir     string
	man     Manifest
	outside bool   // another process may be writing
	unpin   func() // nil from outside
	closed  sync.Once

	bases    []historyBase
	segments []historySegment // from the first one that can be read, in order
	newest   uint64           // name of the last segment that there was, with or without a batch
	damaged  error            // why the history does not begin earlier, if that is the reason
	start    Position
	end      Position
}

// historyBase is where reading can begin: a snapshot, or the beginning of the log (generation 1 and nothing else).
type historyBase struct {
	gen     uint64
	barrier LSN
	base    LSN    // last record before the generation
	epoch   uint64 // in which the snapshot was made
	time    time.Time
}

// historySegment is a segment that begins with a batch.
type historySegment struct {
	gen  uint64
	file string // relative to dir
	head header // of its first batch
}

func (s *historySegment) time() time.Time { return time.UnixMilli(int64(s.head.timeMs)) }

// index looks at what is kept: the snapshots' ends, and the head of each segment. What is damaged among them makes the history begin later, unless a start needs it.
func (h *history) index() error {
	for gen := h.man.Kept; gen <= h.man.Newest; gen++ {
		if err := h.indexGeneration(gen); err != nil {
			if gen >= h.man.Oldest {
				return err
			}
			h.damaged, h.bases, h.segments = err, nil, nil
		}
	}
	if len(h.bases) == 0 {
		return h.damaged
	}
	b := h.bases[0]
	for len(h.segments) > 0 && h.segments[0].gen < b.gen {
		h.segments = h.segments[1:]
	}
	h.start = Position{Epoch: b.epoch, LSN: b.barrier, Time: b.time}
	if b.barrier > b.base {
		p, err := h.position(b.barrier)
		if err != nil {
			return err
		}
		h.start = p
	}
	return nil
}

func (h *history) indexGeneration(gen uint64) error {
	base := historyBase{gen: gen, time: time.UnixMilli(int64(h.man.MadeUnixMs))}
	switch {
	case gen > h.man.Oldest:
		base.gen = 0 // a snapshot in front of it was not installed
	case gen > 1:
		s, err := openSnapshot(h.dir, &h.man, gen)
		switch {
		case err == nil:
			base.barrier, base.base, base.epoch = s.foot.barrier, s.head.base, s.head.epoch
			base.time = time.UnixMilli(int64(s.foot.timeMs))
			if err := s.close(); err != nil {
				return fmt.Errorf("wal: %w", err)
			}
		default:
			// It was given up: the generation goes on where the one before ends. If it is damaged or missing, that is as good a way.
			base.gen = 0
			if !errors.Is(err, fs.ErrNotExist) {
				h.damaged = err
			} else if gen == h.man.Oldest {
				h.damaged = &CorruptionError{Dir: h.dir, File: filepath.Join(partitionName, snapshotName(gen)), Err: errSnapshotMissing}
			}
		}
	}
	dir := filepath.Join(partitionName, generationName(gen))
	names, stray, err := listSegments(filepath.Join(h.dir, dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &CorruptionError{Dir: h.dir, File: dir, Err: errors.New("directory of a generation that the manifest names is missing")}
	case err != nil:
		return fmt.Errorf("wal: list %s: %w", dir, err)
	case stray != "":
		return &CorruptionError{Dir: h.dir, File: filepath.Join(dir, stray), Err: errors.New("this log never makes such a file")}
	}
	if len(names) > 0 {
		h.newest = names[len(names)-1]
	}
	for i, seq := range names {
		s := historySegment{gen: gen, file: filepath.Join(dir, segmentName(seq))}
		last := gen == h.man.Newest && i == len(names)-1
		found, err := s.read(h.dir, h.man.LogID)
		if err == nil && found && s.head.seq != seq {
			err = fmt.Errorf("segment starts with batch %d", s.head.seq)
		}
		if err == nil && !found && i < len(names)-1 {
			err = errors.New("segment is empty, although it is not the last one")
		}
		switch {
		case err != nil && last:
			continue // being written, or torn, or damaged: whoever reads it will tell
		case errors.Is(err, fs.ErrNotExist):
			return &CorruptionError{Dir: h.dir, File: s.file, Err: errors.New("segment is missing")}
		case err != nil:
			return &CorruptionError{Dir: h.dir, File: s.file, Err: err}
		case found:
			h.segments = append(h.segments, s)
		}
	}
	if k := len(h.segments); gen == 1 && k > 0 && h.segments[0].time().Before(base.time) {
		base.time = h.segments[0].time() // the directory was restored or repaired since
	}
	if base.gen != 0 {
		h.bases = append(h.bases, base)
	}
	return nil
}

// read reads the head of a segment's first batch. found is false for an empty file.
func (s *historySegment) read(dir string, logID uint64) (found bool, err error) {
	_, err = heads(filepath.Join(dir, s.file), func(head *header) error {
		s.head, found = *head, true
		return io.EOF
	})
	if err == io.EOF {
		err = nil
	}
	if err == nil && found && s.head.logID != logID {
		err = fmt.Errorf("batch belongs to another log (%016x, this is %016x)", s.head.logID, logID)
	}
	return found, err
}

// headWindow is how many bytes of a segment are read at once by who looks for heads.
const headWindow = 64 << 10

// heads calls fn for the head of each batch in a segment, without looking at what is in the batches. An error of fn ends it and is returned as it
// is. Another error says why no batch starts at offset at.
func heads(path string, fn func(h *header) error) (at int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	window, from := make([]byte, 0, headWindow), int64(0)
	for size := st.Size(); at < size; {
		if need := min(size-at, headerSize+binary.MaxVarintLen64); at < from || at+need > from+int64(len(window)) {
			n, err := f.ReadAt(window[:headWindow], at)
			if err != nil && err != io.EOF {
				return at, err
			}
			window, from = window[:n], at
		}
		b := window[at-from:]
		length, k := binary.Uvarint(b)
		switch {
		case k <= 0 || length < headerSize || length > headerSize+maxPayload:
			return at, errLength
		case length > uint64(size-at)-uint64(k):
			return at, errIncomplete
		}
		h, err := decodeHeader(b[k:])
		if err != nil {
			return at, err
		}
		if err := fn(&h); err != nil {
			return at, err
		}
		at += int64(k) + int64(length)
	}
	return at, nil
}

// endAt makes n the end.
func (h *history) endAt(n LSN) error {
	if n <= h.start.LSN {
		h.end = h.start
		return nil
	}
	p, err := h.position(n)
	h.end = p
	return err
}

// findEnd looks for the end from outside.
func (h *history) findEnd(torn bool) error {
	if torn {
		// What a start would find. It has no more to read than whoever reads the history.
		s := scan{dir: h.dir, man: h.man, from: h.man.Oldest, to: h.man.Newest}
		err := s.run()
		s.release()
		if err != nil {
			return err
		}
		return h.endAt(s.chain.last)
	}
	// All that stands before the newest segment is on disk, and so is what the manifest and each batch claim.
	end := max(h.man.Floor, h.man.Base, h.start.LSN)
	// More may have come than index has seen: what it has seen is what can be read.
	if len(h.segments) > 0 {
		s := &h.segments[len(h.segments)-1]
		complete := s.gen < h.man.Newest || s.head.seq != h.newest
		_, err := heads(filepath.Join(h.dir, s.file), func(head *header) error {
			if head.logID != h.man.LogID {
				return errHeader
			}
			if end = max(end, head.claimLSN); complete {
				end = max(end, head.last())
			}
			return nil
		})
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("wal: %w", err)
		}
		// Another error is a batch that is being written. If it is more, whoever reads what is claimed finds that out.
	}
	return h.endAt(end)
}

// position is where record n is: above the first base's, and in what was indexed.
func (h *history) position(n LSN) (Position, error) {
	i := len(h.segments) - 1
	for i >= 0 && h.segments[i].head.first > n {
		i--
	}
	if i < 0 {
		return Position{}, h.gone(fmt.Sprintf("record %d", n))
	}
	s := &h.segments[i]
	var found Position
	at, err := heads(filepath.Join(h.dir, s.file), func(head *header) error {
		if head.count == 0 || n > head.last() {
			return nil
		}
		found = batchPosition(head, n)
		return io.EOF
	})
	switch {
	case err == io.EOF:
		return found, nil
	case errors.Is(err, fs.ErrNotExist):
		return found, h.vanished(fmt.Sprintf("record %d", n), err)
	case err == nil:
		err = fmt.Errorf("record %d is missing: the segment ends before it", n)
	}
	return found, &CorruptionError{Dir: h.dir, File: s.file, Offset: at, Err: err}
}

func batchPosition(h *header, n LSN) Position {
	return Position{Epoch: h.epoch, LSN: n, Time: time.UnixMilli(int64(h.timeMs))}
}

// gone is ErrNoHistory for something that was, or may have been, before the start.
func (h *history) gone(what string) error {
	since := "is kept"
	if !h.start.Time.IsZero() {
		since = fmt.Sprintf("is kept since %s, from record %d on", h.start.Time.UTC().Format(time.RFC3339), h.start.LSN)
	}
	if h.damaged != nil && len(h.bases) > 0 && h.bases[0].gen > h.man.Kept {
		return fmt.Errorf("%w: %s: history %s; it would begin earlier, but %w", ErrNoHistory, what, since, h.damaged)
	}
	return fmt.Errorf("%w: %s: history %s", ErrNoHistory, what, since)
}

func (h *history) Start() Position { return h.start }
func (h *history) End() Position   { return h.end }

func (h *history) At(t time.Time) (Position, error) {
	if t.Before(h.start.Time) {
		return Position{}, h.gone(t.UTC().Format(time.RFC3339))
	}
	for i := len(h.segments) - 1; i >= 0; i-- {
		s := &h.segments[i]
		if s.head.first > h.end.LSN || s.time().After(t) {
			continue
		}
		found := h.start
		at, err := heads(filepath.Join(h.dir, s.file), func(head *header) error {
			if head.first > h.end.LSN {
				return io.EOF
			}
			if n := min(head.last(), h.end.LSN); head.count > 0 && n > h.start.LSN && !time.UnixMilli(int64(head.timeMs)).After(t) {
				found = batchPosition(head, n)
			}
			if head.last() >= h.end.LSN {
				return io.EOF // more is not promised: it may be being written, or torn
			}
			return nil
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return Position{}, h.vanished(t.UTC().Format(time.RFC3339), err)
		case err != nil && err != io.EOF:
			return Position{}, &CorruptionError{Dir: h.dir, File: s.file, Offset: at, Err: err}
		case found.LSN == h.start.LSN && s.head.first-1 > h.start.LSN:
			return h.position(s.head.first - 1) // it begins with empty batches
		}
		return found, nil
	}
	return h.start, nil
}

func (h *history) Find(epoch uint64, n LSN) (Position, error) {
	what := fmt.Sprintf("record %d of epoch %d", n, epoch)
	switch {
	case n < h.start.LSN:
		return Position{}, h.gone(what)
	case n > h.end.LSN:
		return Position{}, fmt.Errorf("%w: %s: history ends with record %d", ErrNoHistory, what, h.end.LSN)
	}
	p := h.start
	if n > h.start.LSN {
		var err error
		if p, err = h.position(n); err != nil {
			return p, err
		}
	}
	if p.Epoch > epoch {
		return Position{}, fmt.Errorf("%w: %s was lost in a crash before it was durable: epoch %d has given its number again", ErrNoHistory, what, p.Epoch)
	}
	return p, nil
}

func (h *history) Read(to LSN, fn func(*Chunk) error) error {
	what := fmt.Sprintf("record %d", to)
	switch {
	case to < h.start.LSN:
		return h.gone(what)
	case to > h.end.LSN:
		return fmt.Errorf("%w: %s: history ends with record %d", ErrNoHistory, what, h.end.LSN)
	case to == 0:
		return nil
	}
	b := len(h.bases) - 1
	for h.bases[b].barrier > to {
		b--
	}
	s := scan{
		dir: h.dir, man: h.man, from: h.bases[b].gen, upTo: to, chunk: fn, given: []segmentFile{},
		reread: func() (Manifest, error) { return readManifest(h.dir) },
	}
	// Everything is opened before fn is called for the first time, so that a removal is noticed now or never.
	defer func() {
		for _, f := range s.given {
			f.open.Close()
		}
		if s.front != nil {
			_ = s.front.close()
		}
	}()
	var err error
	if s.from > 1 {
		if s.front, err = openSnapshot(h.dir, &h.man, s.from); err != nil {
			return h.vanished(what, err)
		}
	}
	for i := range h.segments {
		seg := &h.segments[i]
		if seg.gen < s.from || seg.head.first > to {
			continue
		}
		f := segmentFile{gen: seg.gen, first: seg.head.seq, file: seg.file, last: i == len(h.segments)-1 || h.segments[i+1].gen != seg.gen}
		if f.open, err = os.Open(filepath.Join(h.dir, seg.file)); err != nil {
			return h.vanished(what, err)
		}
		s.given = append(s.given, f)
		st, err := f.open.Stat()
		if err != nil {
			return fmt.Errorf("wal: %w", err)
		}
		s.given[len(s.given)-1].size = st.Size()
		s.to = seg.gen
	}
	err = s.run()
	s.release()
	return err
}

// vanished is the error for a file that cannot be opened any more.
func (h *history) vanished(what string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && h.outside {
		if now, merr := readManifest(h.dir); merr == nil && now.Kept != h.man.Kept {
			return fmt.Errorf("%w: %s: it has just been removed: open the history anew", ErrNoHistory, what)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptionError{Dir: h.dir, File: partitionName, Err: err}
	}
	return err
}

func (h *history) Close() error {
	h.closed.Do(func() {
		if h.unpin != nil {
			h.unpin()
		}
	})
	return nil
}

// noDirectory says that dir is not what it was taken for.
func noDirectory(dir string) error {
	return fmt.Errorf("wal: %s is no data directory: it has no %s", dir, filepath.Join(partitionName, manifestName))
}
