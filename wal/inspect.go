package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// Batch is one group commit as it stands on disk, for those who look at a log from outside.
type Batch struct {
	File   string // segment, relative to the data directory
	Offset int64  // of the entry in it
	Size   int    // of the entry

	Epoch    uint64
	Seq      uint64
	First    LSN // number of the first record; of the next one, if the batch is empty
	Count    int
	ClaimSeq uint64 // what was on disk before this batch was written
	Claim    LSN
	Time     time.Time

	payload []byte
}

// Records calls fn for each record of the batch. record is valid during the call only.
func (b *Batch) Records(fn func(n LSN, record []byte) error) error {
	payload := b.payload
	for n := b.First; len(payload) > 0; n++ {
		var record []byte
		record, payload, _ = nextRecord(payload)
		if err := fn(n, record); err != nil {
			return err
		}
	}
	return nil
}

// Report is what Verify found.
type Report struct {
	Dir      string
	Manifest Manifest
	Segments int
	Batches  uint64
	Records  uint64
	Bytes    int64 // of complete batches
	Last     LSN   // number of the last record
	LastSeq  uint64
	Claim    LSN   // records up to this one are protected: damage to them cannot pass for a torn write
	Torn     int64 // bytes at the end that are no complete batch: the next start cuts them, unless someone is just writing them
	TornFile string
	TornAt   int64
	TornErr  error
}

// Inspect reads the log in a data directory from front to back and calls fn for each batch; b is valid during
// the call only. It changes nothing and takes no lock, so it may be used while another process writes, and on a
// damaged directory, where it returns a *CorruptionError after the last batch that can be read. A torn tail is no
// error: see Verify.
func Inspect(dir string, fn func(b *Batch) error) error {
	_, err := inspect(dir, fn)
	return err
}

// Verify checks everything that a start would check, and changes nothing. The report tells how far the log could
// be read also when the error is a *CorruptionError.
func Verify(dir string) (Report, error) {
	return inspect(dir, nil)
}

func inspect(dir string, fn func(b *Batch) error) (Report, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Report{}, fmt.Errorf("wal: data directory %s: %w", dir, err)
	}
	// The manifest first: its floor only rises, so it is never above a log that is read after it.
	man, err := readManifest(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Report{}, fmt.Errorf("wal: %s is no data directory: it has no %s", abs, filepath.Join(partitionName, manifestName))
	case err != nil:
		return Report{Dir: abs}, err
	}
	s := scan{dir: abs, man: man, from: man.Oldest, to: man.Newest}
	defer s.release()
	s.reread = func() (Manifest, error) { return readManifest(abs) }
	if fn != nil {
		var b Batch // one for all
		s.visit = func(file string, offset int64, size int, h *header, payload []byte) error {
			b = Batch{
				File: file, Offset: offset, Size: size, Epoch: h.epoch, Seq: h.seq, First: h.first, Count: int(h.count),
				ClaimSeq: h.claimSeq, Claim: h.claimLSN, Time: time.UnixMilli(int64(h.timeMs)), payload: payload,
			}
			return fn(&b)
		}
	}
	err = s.run()
	r := Report{
		Dir: abs, Manifest: man, Segments: s.segments, Batches: s.batches, Records: s.records, Bytes: s.bytes,
		Last: s.chain.last, LastSeq: s.chain.seq, Claim: max(s.chain.claimLSN, man.Floor),
	}
	if s.torn != nil {
		r.Torn, r.TornFile, r.TornAt, r.TornErr = int64(len(s.data)-s.end), s.file, int64(s.end), s.torn
	}
	return r, err
}
