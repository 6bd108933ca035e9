package wal

// Frame collects records of a snapshot. It belongs to one goroutine at a time and is used again and again.
type Frame struct{}

// NewFrame returns an empty frame.
func NewFrame() *Frame { return &Frame{} }

// Add appends a copy of a record. tag is the number of the log's record that it is up to.
func (f *Frame) Add(tag LSN, record []byte) { panic("not yet") }

// Len is the number of bytes in the frame.
func (f *Frame) Len() int { panic("not yet") }

// Reset empties the frame and keeps its memory.
func (f *Frame) Reset() { panic("not yet") }

// snapshotHead is what stands in front of a snapshot file.
type snapshotHead struct {
	logID      uint64
	generation uint64
	epoch      uint64
	base       LSN // last record before the generation
	timeMs     uint64
}

// snapshotFoot is what stands at its end.
type snapshotFoot struct {
	barrier  LSN
	records  uint64
	rawBytes int64
	timeMs   uint64 // when the barrier was taken
}

// snapshotEncoder makes the bytes of a snapshot file. It writes nothing itself.
type snapshotEncoder struct{}

func newSnapshotEncoder(h snapshotHead) *snapshotEncoder { panic("not yet") }

// head is the start of the file.
func (e *snapshotEncoder) head() []byte { panic("not yet") }

// frame is the next piece; valid until the next call.
func (e *snapshotEncoder) frame(f *Frame) []byte { panic("not yet") }

// foot is the end of the file. It sets f.records and f.rawBytes.
func (e *snapshotEncoder) foot(barrier LSN, timeMs uint64) ([]byte, snapshotFoot) { panic("not yet") }

// snapshotFile is a snapshot open for reading.
type snapshotFile struct {
	name string // relative to the data directory
	head snapshotHead
	foot snapshotFoot
	size int64
}

// openSnapshot opens p0/snap-<generation> of a data directory and checks its head, its foot and its size, not what is
// between. The error is a *CorruptionError for damage; os.ErrNotExist is returned as it is.
func openSnapshot(dir string, logID, generation uint64) (*snapshotFile, error) { panic("not yet") }

func (s *snapshotFile) close() error { panic("not yet") }

// read hands all frames to deliver, as chunks in the order of the file, checked and decompressed ahead by r. Each
// chunk is taken with r.take(bytes of raw data, bytes of the file) on the goroutine that finds frames, so that memory
// is bounded; after deliver has returned it is released.
func (s *snapshotFile) read(r *reader, deliver func(*Chunk) error) error { panic("not yet") }

func (c *Chunk) snapshotRecords(fn func(n LSN, record []byte) error) error { panic("not yet") }
