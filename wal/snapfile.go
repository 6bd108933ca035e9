package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"
)

// A snapshot's file: docs/format/snapshot.md specifies every byte. The encoder and what decodes are pure; whoever
// writes the file puts the encoder's bytes behind each other through its Disk.

const (
	// FrameSize is the raw size at which a Frame is full, in bytes.
	FrameSize = 1 << 20

	snapshotFormat   = 1
	snapshotHeadSize = 96
	snapshotFootSize = 96
	frameHeadSize    = 48

	maxTagged   = MaxRecord + 2*binary.MaxVarintLen64 // a record with its tag and length
	maxFrameRaw = FrameSize + maxTagged

	codecRaw = 0
	codecS2  = 1
)

var (
	snapshotMagic = [8]byte{'E', 'V', 'L', 'S', 'N', 'A', 'P', '\n'}
	footerMagic   = [8]byte{'E', 'V', 'L', 'S', 'E', 'N', 'D', '\n'}
	frameMagic    = [4]byte{'E', 'V', 'L', 'F'}
)

const snapshotPrefix = "snap-"

func snapshotName(gen uint64) string { return fmt.Sprintf("%s%010d", snapshotPrefix, gen) }

// snapshotOf is the generation that a snapshot of this name stands in front of; 0 if it is no snapshot's name.
func snapshotOf(name string) uint64 { return numbered(name, snapshotPrefix) }

// numbered reads prefix and ten digits.
func numbered(name, prefix string) uint64 {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok || len(digits) != 10 {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Frame collects tagged records for a snapshot, about a MiB of them, in the form in which they are written. Its memory is
// reused: fill it, hand it to the snapshot's Write, Reset it, fill it again. Of one goroutine at a time.
type Frame struct {
	raw    []byte
	count  int
	maxTag LSN
	head   int // where the record that was begun starts in raw: behind one byte for its length
	broken error
}

// NewFrame returns an empty frame.
func NewFrame() *Frame { return &Frame{} }

// Add copies one record into the frame. It must not be full, and the record has at most MaxRecord bytes: otherwise the
// snapshot's Write refuses the frame.
func (f *Frame) Add(tag LSN, record []byte) {
	f.begin(tag)
	f.raw = binary.AppendUvarint(f.raw, uint64(len(record)))
	f.raw = append(f.raw, record...)
	f.check(len(record))
}

// Begin returns the frame's own memory, for a record to be appended to; End takes what has become of it. What is in it already must not
// be touched. Between the two nothing else may be done with the frame. The bounds are those of Add.
func (f *Frame) Begin(tag LSN) []byte {
	f.begin(tag)
	f.raw = append(f.raw, 0) // the length of most records takes one byte
	f.head = len(f.raw)
	return f.raw
}

// End finishes the record that Begin began: b is what Begin returned, with the record appended.
func (f *Frame) End(b []byte) {
	size := len(b) - f.head
	if k := uvarintLen(uint64(size)); k == 1 {
		b[f.head-1] = byte(size)
	} else {
		for range k - 1 {
			b = append(b, 0)
		}
		copy(b[f.head+k-1:], b[f.head:f.head+size])
		putUvarint(b[f.head-1:], uint64(size))
	}
	f.raw = b
	f.check(size)
}

func (f *Frame) begin(tag LSN) {
	if f.Full() && f.broken == nil {
		f.broken = errors.New("wal: a record was added to a frame that was full")
	}
	f.raw = binary.AppendUvarint(f.raw, uint64(tag))
	f.maxTag = max(f.maxTag, tag)
}

func (f *Frame) check(size int) {
	f.count++
	if size > MaxRecord && f.broken == nil {
		f.broken = ErrTooLarge
	}
}

// Len is the raw size of the frame in bytes, Records the number of its records.
func (f *Frame) Len() int     { return len(f.raw) }
func (f *Frame) Records() int { return f.count }

// Full reports that the frame has reached FrameSize, and takes no further record.
func (f *Frame) Full() bool { return len(f.raw) >= FrameSize }

// Each calls fn with the records of the frame, in the order in which they were added. record is valid until the frame is reset, and must
// not be changed. An error of fn ends it and is returned as it is. It is for snapshots that are no files, such as those of waltest.MemLog.
func (f *Frame) Each(fn func(tag LSN, record []byte) error) error {
	for b := f.raw; len(b) > 0; {
		tag, record, rest, ok := nextTagged(b)
		if !ok {
			return errors.New("wal: a record of the frame was begun and not ended")
		}
		if err := fn(tag, record); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// Reset empties the frame. Memory that a giant record has left is freed.
func (f *Frame) Reset() {
	if cap(f.raw) > keepBytes {
		f.raw = nil
	}
	*f = Frame{raw: f.raw[:0]}
}

// nextTagged splits the first record off a frame's raw payload.
func nextTagged(raw []byte) (tag LSN, record, rest []byte, ok bool) {
	t, k := binary.Uvarint(raw)
	if k <= 0 || uvarintLen(t) != k {
		return 0, nil, nil, false
	}
	record, rest, ok = nextRecord(raw[k:])
	return LSN(t), record, rest, ok
}

// snapshotHead is the header of a snapshot's file.
type snapshotHead struct {
	logID      uint64
	generation uint64
	epoch      uint64
	base       LSN
	baseCRC    uint32 // header CRC of the log's last batch before the generation
	timeMs     uint64
	crc        uint32
}

// snapshotFoot is its footer.
type snapshotFoot struct {
	generation uint64
	logID      uint64
	frames     uint64
	records    uint64
	rawBytes   uint64
	offset     int64 // of the footer itself
	barrier    LSN
	timeMs     uint64
	lastCRC    uint32
}

// frameHead is the header of a frame.
type frameHead struct {
	codec   byte
	seq     uint64
	count   uint32
	rawLen  uint32
	size    uint32 // of the payload as it stands in the file
	payload uint32 // its CRC
	maxTag  LSN
	prevCRC uint32
	crc     uint32
}

func (h *snapshotHead) encode(b []byte) {
	_ = b[snapshotHeadSize-1]
	clear(b[:snapshotHeadSize])
	copy(b, snapshotMagic[:])
	le := binary.LittleEndian
	le.PutUint16(b[8:], snapshotFormat)
	le.PutUint32(b[12:], snapshotHeadSize)
	le.PutUint64(b[16:], h.logID)
	le.PutUint64(b[24:], h.generation)
	le.PutUint64(b[32:], h.epoch)
	le.PutUint64(b[40:], uint64(h.base))
	le.PutUint64(b[48:], h.timeMs)
	le.PutUint32(b[56:], h.baseCRC)
	h.crc = crc32.Checksum(b[:92], castagnoli)
	le.PutUint32(b[92:], h.crc)
}

// What can be wrong with the bytes of a snapshot.
var (
	errSnapshotMissing = errors.New("snapshot that the manifest names is missing")
	errSnapshotShort   = errors.New("snapshot is cut short: it has no room for a header and a footer")
	errSnapshotMagic   = errors.New("this is no snapshot: magic is missing")
	errSnapshotHeader  = errors.New("snapshot header contradicts itself")
	errFooterMagic     = errors.New("the file does not end with a snapshot's footer")
	errFooter          = errors.New("snapshot footer contradicts itself")
	errFrameMagic      = errors.New("no frame starts here: magic is missing")
	errFrameHeader     = errors.New("frame header contradicts itself")
	errFrameCRC        = errors.New("checksum of the frame's payload does not match")
	errFrameS2         = errors.New("the frame's payload cannot be decompressed")
	errFrameRecords    = errors.New("records do not fill the frame's payload")
	errFrameGiant      = errors.New("a record of the frame begins behind its first MiB")
	errFrameTags       = errors.New("the frame's highest tag is not the one in its header")
)

// zeroed reports whether reserved bytes are what they must be.
func zeroed(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func decodeSnapshotHead(b []byte) (h snapshotHead, err error) {
	if len(b) < snapshotHeadSize {
		return h, errSnapshotShort
	}
	le := binary.LittleEndian
	if [8]byte(b) != snapshotMagic {
		return h, errSnapshotMagic
	}
	if v := le.Uint16(b[8:]); v > snapshotFormat {
		// Before the checksum: a later version may keep it elsewhere. Unless it is right for this version, for then it is the version that has changed.
		if versionDamaged(b[:snapshotHeadSize], 8, 92, snapshotFormat) {
			return h, errors.New("checksum of the snapshot header does not match: its version is damaged")
		}
		return h, newerError{"snapshot", v, snapshotFormat}
	}
	h.crc = le.Uint32(b[92:])
	if crc32.Checksum(b[:92], castagnoli) != h.crc {
		return h, errors.New("checksum of the snapshot header does not match")
	}
	if le.Uint16(b[8:]) != snapshotFormat || le.Uint32(b[12:]) != snapshotHeadSize || !zeroed(b[10:12]) || !zeroed(b[60:92]) {
		return h, errSnapshotHeader
	}
	h.logID = le.Uint64(b[16:])
	h.generation = le.Uint64(b[24:])
	h.epoch = le.Uint64(b[32:])
	h.base = LSN(le.Uint64(b[40:]))
	h.timeMs = le.Uint64(b[48:])
	h.baseCRC = le.Uint32(b[56:])
	return h, nil
}

func (f *snapshotFoot) encode(b []byte) {
	_ = b[snapshotFootSize-1]
	clear(b[:snapshotFootSize])
	copy(b, footerMagic[:])
	le := binary.LittleEndian
	le.PutUint64(b[8:], f.generation)
	le.PutUint64(b[16:], f.logID)
	le.PutUint64(b[24:], f.frames)
	le.PutUint64(b[32:], f.records)
	le.PutUint64(b[40:], f.rawBytes)
	le.PutUint64(b[48:], uint64(f.offset))
	le.PutUint64(b[56:], uint64(f.barrier))
	le.PutUint64(b[64:], f.timeMs)
	le.PutUint32(b[72:], f.lastCRC)
	le.PutUint32(b[92:], crc32.Checksum(b[:92], castagnoli))
}

func decodeSnapshotFoot(b []byte) (f snapshotFoot, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) != snapshotFootSize || [8]byte(b) != footerMagic:
		return f, errFooterMagic
	case crc32.Checksum(b[:92], castagnoli) != le.Uint32(b[92:]):
		return f, errors.New("checksum of the snapshot footer does not match")
	case !zeroed(b[76:92]):
		return f, errFooter
	}
	f = snapshotFoot{
		generation: le.Uint64(b[8:]),
		logID:      le.Uint64(b[16:]),
		frames:     le.Uint64(b[24:]),
		records:    le.Uint64(b[32:]),
		rawBytes:   le.Uint64(b[40:]),
		offset:     int64(le.Uint64(b[48:])),
		barrier:    LSN(le.Uint64(b[56:])),
		timeMs:     le.Uint64(b[64:]),
		lastCRC:    le.Uint32(b[72:]),
	}
	return f, nil
}

func (h *frameHead) encode(b []byte) {
	_ = b[frameHeadSize-1]
	copy(b, frameMagic[:])
	b[4], b[5], b[6], b[7] = h.codec, 0, 0, 0
	le := binary.LittleEndian
	le.PutUint64(b[8:], h.seq)
	le.PutUint32(b[16:], h.count)
	le.PutUint32(b[20:], h.rawLen)
	le.PutUint32(b[24:], h.size)
	le.PutUint32(b[28:], h.payload)
	le.PutUint64(b[32:], uint64(h.maxTag))
	le.PutUint32(b[40:], h.prevCRC)
	h.crc = crc32.Checksum(b[:44], castagnoli)
	le.PutUint32(b[44:], h.crc)
}

func decodeFrameHead(b []byte) (h frameHead, err error) {
	if len(b) < frameHeadSize || [4]byte(b) != frameMagic {
		return h, errFrameMagic
	}
	le := binary.LittleEndian
	h.crc = le.Uint32(b[44:])
	if crc32.Checksum(b[:44], castagnoli) != h.crc {
		return h, errors.New("checksum of the frame header does not match")
	}
	h.codec = b[4]
	h.seq = le.Uint64(b[8:])
	h.count = le.Uint32(b[16:])
	h.rawLen = le.Uint32(b[20:])
	h.size = le.Uint32(b[24:])
	h.payload = le.Uint32(b[28:])
	h.maxTag = LSN(le.Uint64(b[32:]))
	h.prevCRC = le.Uint32(b[40:])
	if h.codec > codecS2 || !zeroed(b[5:8]) || h.seq == 0 || h.count == 0 || h.rawLen > maxFrameRaw ||
		uint64(h.count)*2 > uint64(h.rawLen) || h.codec == codecRaw && h.size != h.rawLen || h.codec == codecS2 && h.size >= h.rawLen {
		return h, errFrameHeader
	}
	return h, nil
}

// snapshotEncoder makes the bytes of one snapshot's file, front to back: head, frames, foot. It writes nothing itself. What its methods
// return is its own memory and valid until the next call. Of one goroutine at a time.
type snapshotEncoder struct {
	h      snapshotHead
	f      snapshotFoot // of what was encoded so far
	maxTag LSN
	out    []byte
}

func newSnapshotEncoder(h snapshotHead) *snapshotEncoder {
	e := &snapshotEncoder{h: h, out: make([]byte, snapshotHeadSize)}
	e.h.encode(e.out)
	e.f = snapshotFoot{generation: h.generation, logID: h.logID, offset: snapshotHeadSize, lastCRC: e.h.crc}
	return e
}

// head is the start of the file. It comes first.
func (e *snapshotEncoder) head() []byte { return e.out[:snapshotHeadSize] }

// frame is the next piece of the file: nothing, for an empty frame. It fails for a frame that was filled wrongly (see Frame.Add).
func (e *snapshotEncoder) frame(f *Frame) ([]byte, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	if f.count == 0 {
		return nil, nil
	}
	room := frameHeadSize + s2.MaxEncodedLen(len(f.raw))
	if cap(e.out) < room || cap(e.out) > keepBytes && room <= keepBytes {
		e.out = make([]byte, room)
	}
	e.out = e.out[:room]
	h := frameHead{
		codec: codecS2, seq: e.f.frames + 1, count: uint32(f.count), rawLen: uint32(len(f.raw)),
		maxTag: f.maxTag, prevCRC: e.f.lastCRC,
	}
	payload := s2.Encode(e.out[frameHeadSize:], f.raw)
	if len(payload) >= len(f.raw) {
		h.codec = codecRaw
		payload = payload[:copy(e.out[frameHeadSize:], f.raw)]
	}
	h.size, h.payload = uint32(len(payload)), crc32.Checksum(payload, castagnoli)
	h.encode(e.out)
	e.out = e.out[:frameHeadSize+len(payload)]

	e.f.frames++
	e.f.records += uint64(h.count)
	e.f.rawBytes += uint64(h.rawLen)
	e.f.offset += int64(len(e.out))
	e.f.lastCRC = h.crc
	e.maxTag = max(e.maxTag, h.maxTag)
	return e.out, nil
}

// foot is the end of the file.
func (e *snapshotEncoder) foot(barrier LSN, timeMs uint64) ([]byte, snapshotFoot, error) {
	if barrier < e.maxTag || barrier < e.h.base {
		return nil, e.f, fmt.Errorf("wal: broken invariant: barrier %d of a snapshot that holds record %d, in front of a generation that follows record %d",
			barrier, e.maxTag, e.h.base)
	}
	e.f.barrier, e.f.timeMs = barrier, timeMs
	e.out = append(e.out[:0], make([]byte, snapshotFootSize)...)
	e.f.encode(e.out)
	return e.out, e.f, nil
}

// snapshotFile is a snapshot open for reading, of which header and footer have been checked. Of one goroutine.
type snapshotFile struct {
	dir  string // data directory
	name string // of the file, relative to dir
	file *os.File
	head snapshotHead
	foot snapshotFoot
	size int64
}

// openSnapshot opens the snapshot in front of a generation and checks its header, its footer and its size, and what the manifest says of it. A file that is not
// there is os.ErrNotExist as it is: the caller knows whether it was needed. Everything else that is wrong with it is a *CorruptionError.
func openSnapshot(dir string, man *Manifest, gen uint64) (*snapshotFile, error) {
	s := &snapshotFile{dir: dir, name: filepath.Join(partitionName, snapshotName(gen))}
	f, err := os.Open(filepath.Join(dir, s.name))
	if err != nil {
		return nil, err
	}
	s.file = f
	if err := s.check(man, gen); err != nil {
		_ = f.Close() // nothing was written to it
		return nil, err
	}
	return s, nil
}

func (s *snapshotFile) check(man *Manifest, gen uint64) error {
	st, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	s.size = st.Size()
	var b [snapshotHeadSize]byte
	if err := s.readAt(b[:min(s.size, snapshotHeadSize)], 0); err != nil {
		return err
	}
	// The header first: that it was made by a later program is to be said before anything else.
	s.head, err = decodeSnapshotHead(b[:min(s.size, snapshotHeadSize)])
	h := &s.head
	switch {
	case err != nil:
		return s.damage(0, err)
	case s.size < snapshotHeadSize+snapshotFootSize:
		return s.damage(0, errSnapshotShort)
	case h.logID != man.LogID:
		return s.damage(0, fmt.Errorf("snapshot belongs to another log (%016x, this is %016x)", h.logID, man.LogID))
	case h.generation != gen:
		return s.damage(0, fmt.Errorf("snapshot stands in front of generation %d, its name says %d", h.generation, gen))
	case h.epoch > man.Epoch:
		return s.damage(0, fmt.Errorf("snapshot is of epoch %d, but the manifest knows only %d: the manifest is older than the snapshot", h.epoch, man.Epoch))
	}
	var foot [snapshotFootSize]byte
	at := s.size - snapshotFootSize
	if err := s.readAt(foot[:], at); err != nil {
		return err
	}
	s.foot, err = decodeSnapshotFoot(foot[:])
	t := &s.foot
	switch {
	case err != nil:
		return s.damage(at, err)
	case t.offset != at || t.generation != gen || t.logID != h.logID:
		return s.damage(at, errFooter)
	case t.barrier < h.base:
		return s.damage(at, fmt.Errorf("barrier %d is below record %d, which the generation follows", t.barrier, h.base))
	case gen == man.Oldest && t.barrier != man.Snapshot:
		return s.damage(at, fmt.Errorf("snapshot is complete up to record %d, the manifest names %d", t.barrier, man.Snapshot))
	}
	return nil
}

// readAt fills b. That the file has less is damage: it was whole when it got its name.
func (s *snapshotFile) readAt(b []byte, at int64) error {
	_, err := s.file.ReadAt(b, at)
	switch {
	case errors.Is(err, io.EOF):
		return s.damage(at, errors.New("the file has become shorter"))
	case err != nil:
		return fmt.Errorf("wal: read %s: %w", s.name, err)
	}
	return nil
}

func (s *snapshotFile) damage(offset int64, err error) error {
	return snapshotDamage(s.dir, s.name, offset, err)
}

// snapshotDamage is a CorruptionError, or a NewerError where a later version explains what is found.
func snapshotDamage(dir, file string, offset int64, err error) error {
	var newer newerError
	if errors.As(err, &newer) {
		return &NewerError{Dir: dir, File: file, Err: err}
	}
	return &CorruptionError{Dir: dir, File: file, Offset: offset, Err: err}
}

func (s *snapshotFile) close() error { return s.file.Close() }

// frames goes through the headers of a snapshot's frames.
type frames struct {
	s       *snapshotFile
	offset  int64 // of the next frame
	n       uint64
	records uint64
	raw     uint64
	crc     uint32
}

func (s *snapshotFile) frames() frames {
	return frames{s: s, offset: snapshotHeadSize, crc: s.head.crc}
}

// next reads the header of the next frame and checks that it follows the one before. It returns the offset of the frame, and io.EOF when the frames have
// ended as the footer says.
func (f *frames) next() (h frameHead, offset int64, err error) {
	at, t := f.offset, &f.s.foot
	if at == t.offset {
		if f.n != t.frames || f.records != t.records || f.raw != t.rawBytes || f.crc != t.lastCRC {
			return h, at, f.s.damage(at, fmt.Errorf("the footer tells of %d frames with %d records in %d bytes, "+
				"but before it are %d frames with %d records in %d bytes, or another last one", t.frames, t.records, t.rawBytes, f.n, f.records, f.raw))
		}
		return h, at, io.EOF
	}
	var b [frameHeadSize]byte
	if err := f.s.readAt(b[:min(frameHeadSize, t.offset-at)], at); err != nil {
		return h, at, err
	}
	h, err = decodeFrameHead(b[:min(frameHeadSize, t.offset-at)])
	switch {
	case err != nil:
		err = fmt.Errorf("frame %d: %w", f.n+1, err)
	case h.seq != f.n+1:
		err = fmt.Errorf("frame %d stands where frame %d should", h.seq, f.n+1)
	case h.prevCRC != f.crc:
		err = fmt.Errorf("frame %d does not follow what is before it: its copy of the checksum differs", h.seq)
	case int64(h.size) > t.offset-at-frameHeadSize:
		err = fmt.Errorf("frame %d reaches behind the footer", h.seq)
	}
	if err != nil {
		return h, at, f.s.damage(at, err)
	}
	f.offset += frameHeadSize + int64(h.size)
	f.n++
	f.records += uint64(h.count)
	f.raw += uint64(h.rawLen)
	f.crc = h.crc
	return h, at, nil
}

// load reads the payload of a frame, checks it, and puts it into raw, which has its raw length. stored is memory to work with; load returns it, or what has taken its place.
func (s *snapshotFile) load(h *frameHead, offset int64, raw, stored []byte) ([]byte, error) {
	if h.codec == codecRaw {
		stored = raw
	}
	if cap(stored) < int(h.size) {
		stored = make([]byte, h.size)
	}
	stored = stored[:h.size]
	if err := s.readAt(stored, offset+frameHeadSize); err != nil {
		return stored, err
	}
	if err := decodeFrame(h, stored, raw, s.foot.barrier); err != nil {
		return stored, s.damage(offset, fmt.Errorf("frame %d: %w", h.seq, err))
	}
	return stored, nil
}

// read hands all frames to deliver, as chunks in the order of the file, read, checked and decompressed ahead by r. A chunk is held while deliver runs. Beside the
// chunks, each goroutine of r has a frame as it stands in the file in memory.
func (s *snapshotFile) read(r *reader, deliver func(*Chunk) error) error {
	type piece struct {
		chunk *Chunk
		err   error
	}
	var spare sync.Pool // of *[]byte: memory for a payload as it stands in the file
	all, over := s.frames(), false
	return ahead(r, func() func() piece {
		if over {
			return nil
		}
		h, offset, err := all.next()
		if err != nil {
			over = true
			if err == io.EOF {
				return nil
			}
			return func() piece { return piece{err: err} }
		}
		c := r.take(int(h.rawLen), frameHeadSize+int64(h.size))
		if c == nil {
			return nil
		}
		c.snapshot = true
		return func() piece {
			if h.codec == codecRaw {
				_, err := s.load(&h, offset, c.data, nil)
				return piece{c, err}
			}
			buf, _ := spare.Get().(*[]byte)
			if buf == nil {
				buf = new([]byte)
			}
			*buf, err = s.load(&h, offset, c.data, *buf)
			if cap(*buf) <= keepBytes {
				spare.Put(buf)
			}
			return piece{c, err}
		}
	}, func(p piece) error {
		if p.err != nil {
			return p.err
		}
		defer p.chunk.Release()
		return deliver(p.chunk)
	})
}

// snapshotRecords is Chunk.Records for part of a snapshot.
func (c *Chunk) snapshotRecords(fn func(tag LSN, record []byte) error) error {
	for rest := c.data; len(rest) > 0; {
		var tag LSN
		var record []byte
		tag, record, rest, _ = nextTagged(rest) // load has checked them
		if err := fn(tag, record); err != nil {
			return err
		}
	}
	return nil
}

// decodeFrame checks the payload of a frame as it stands in the file, and puts it into raw, which has its raw length and is stored itself if nothing is compressed.
func decodeFrame(h *frameHead, stored, raw []byte, barrier LSN) error {
	if crc32.Checksum(stored, castagnoli) != h.payload {
		return errFrameCRC
	}
	if h.codec == codecS2 {
		// Asked first: s2 would make memory of another length by itself.
		if n, err := s2.DecodedLen(stored); err != nil || n != len(raw) {
			return errFrameS2
		}
		if _, err := s2.Decode(raw, stored); err != nil {
			return errFrameS2
		}
	}
	return checkTagged(raw, h, barrier)
}

// checkTagged checks that the records of a frame are what its header says.
func checkTagged(raw []byte, h *frameHead, barrier LSN) error {
	var highest LSN
	rest := raw
	for range h.count {
		if len(raw)-len(rest) >= FrameSize {
			return errFrameGiant
		}
		tag, record, after, ok := nextTagged(rest)
		if !ok || len(record) > MaxRecord {
			return errFrameRecords
		}
		highest, rest = max(highest, tag), after
	}
	switch {
	case len(rest) > 0:
		return errFrameRecords
	case highest != h.maxTag:
		return errFrameTags
	case highest > barrier:
		return fmt.Errorf("a record is tagged %d, but the snapshot is complete up to %d", highest, barrier)
	}
	return nil
}
