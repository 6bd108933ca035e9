package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	manifestName   = "MANIFEST"
	manifestSize   = 128
	manifestFormat = 2 // version 1 is read, never written

	maxGeneration = 9_999_999_999 // so that names have ten digits, and sort

	// ShardBits is the number of leading bits of an object's ID that name its shard.
	ShardBits = 10
	// Shards is the number of shards of a partition.
	Shards = 1 << ShardBits
)

var manifestMagic = [8]byte{'E', 'V', 'L', 'M', 'A', 'N', 'I', '\n'}

// Manifest is what a partition knows of itself, as docs/format/wal.md draws it.
type Manifest struct {
	LogID      uint64 // random, in every batch and every snapshot
	Epoch      uint64 // of the last start
	Kept       uint64 // oldest generation that is kept for time travel; <= Oldest
	Oldest     uint64 // generations that recovery needs
	Newest     uint64
	FloorSeq   uint64 // batch of the newest generation that is known to be on disk
	Floor      LSN    // record that is known to be on disk
	Snapshot   LSN    // barrier of the snapshot in front of Oldest, if HasSnapshot
	Base       LSN    // last record before the newest generation
	BaseCRC    uint32 // header CRC of the last batch before it
	MadeUnixMs uint64
}

// HasSnapshot reports whether recovery needs a snapshot: every generation but the first one of all has one in front
// of it when it is the oldest.
func (m *Manifest) HasSnapshot() bool { return m.Oldest > 1 }

func (m *Manifest) encode() []byte {
	b := make([]byte, manifestSize)
	copy(b, manifestMagic[:])
	le := binary.LittleEndian
	le.PutUint16(b[8:], manifestFormat)
	le.PutUint16(b[10:], ShardBits)
	le.PutUint32(b[12:], manifestSize)
	le.PutUint64(b[16:], m.LogID)
	le.PutUint64(b[24:], m.Epoch)
	le.PutUint64(b[32:], m.Oldest)
	le.PutUint64(b[40:], m.Newest)
	le.PutUint64(b[48:], m.FloorSeq)
	le.PutUint64(b[56:], uint64(m.Floor))
	le.PutUint64(b[64:], uint64(m.Snapshot))
	le.PutUint64(b[72:], uint64(m.Base))
	le.PutUint64(b[80:], m.MadeUnixMs)
	le.PutUint32(b[92:], m.BaseCRC)
	le.PutUint64(b[96:], m.Kept)
	le.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	return b
}

// newerError says that a file is of a later format version.
type newerError struct {
	what           string
	version, known uint16
}

func (e newerError) Error() string {
	return fmt.Sprintf("%s has format version %d, this program knows versions up to %d", e.what, e.version, e.known)
}

func decodeManifest(b []byte) (m Manifest, err error) {
	le := binary.LittleEndian
	if len(b) < 16 || [8]byte(b) != manifestMagic {
		return m, errors.New("this is no manifest: magic is missing")
	}
	version := le.Uint16(b[8:])
	switch {
	case version > manifestFormat:
		// Before length and checksum: a later version may have others. Unless those are right for a version that is
		// known, for then it is the version that has changed.
		if len(b) == manifestSize && versionDamaged(b, 8, 124, manifestFormat) {
			return m, errors.New("checksum of the manifest does not match: its version is damaged")
		}
		return m, newerError{"manifest", version, manifestFormat}
	case version == 0:
		return m, errors.New("manifest has format version 0, which there never was")
	case len(b) != manifestSize || le.Uint32(b[12:]) != manifestSize:
		return m, fmt.Errorf("manifest is %d bytes long instead of %d", len(b), manifestSize)
	case crc32.Checksum(b[:124], castagnoli) != le.Uint32(b[124:]):
		return m, errors.New("checksum of the manifest does not match")
	case le.Uint16(b[10:]) != ShardBits || le.Uint16(b[88:]) != 0:
		return m, errors.New("manifest maps shards in a way that this program does not know")
	}
	reserved := b[90:124]
	if version > 1 {
		reserved = append([]byte{b[90], b[91]}, b[104:124]...)
	}
	for _, r := range reserved {
		if r != 0 {
			return m, errors.New("manifest uses reserved bytes")
		}
	}
	m = Manifest{
		LogID:      le.Uint64(b[16:]),
		Epoch:      le.Uint64(b[24:]),
		Oldest:     le.Uint64(b[32:]),
		Newest:     le.Uint64(b[40:]),
		FloorSeq:   le.Uint64(b[48:]),
		Floor:      LSN(le.Uint64(b[56:])),
		Snapshot:   LSN(le.Uint64(b[64:])),
		Base:       LSN(le.Uint64(b[72:])),
		MadeUnixMs: le.Uint64(b[80:]),
		BaseCRC:    le.Uint32(b[92:]),
		Kept:       le.Uint64(b[96:]),
	}
	if version == 1 {
		m.Kept = 1
	}
	switch {
	case version == 1 && (m.Oldest != 1 || m.Newest != 1 || m.Snapshot != 0 || m.Base != 0):
		return m, errors.New("manifest of version 1 names a snapshot or a later generation, of which that version has none")
	case m.Kept == 0 || m.Kept > m.Oldest || m.Oldest > m.Newest:
		return m, fmt.Errorf("manifest names generations %d, %d and %d out of order", m.Kept, m.Oldest, m.Newest)
	case m.Newest > maxGeneration:
		return m, fmt.Errorf("manifest names generation %d, which is past the last one", m.Newest)
	case m.Base > m.Floor:
		return m, fmt.Errorf("manifest has its floor at record %d, before its base %d", m.Floor, m.Base)
	case m.Newest == 1 && (m.Base != 0 || m.BaseCRC != 0):
		return m, errors.New("manifest names records before the first generation")
	case m.Oldest == 1 && m.Snapshot != 0:
		return m, errors.New("manifest names a snapshot in front of the first generation")
	case m.Snapshot > m.Floor:
		return m, fmt.Errorf("manifest has its floor at record %d, before the barrier of its snapshot, %d", m.Floor, m.Snapshot)
	}
	return m, nil
}

// versionDamaged reports whether the checksum, which stands at sum and covers what is before it, holds for a version up to known, in a header that says another at
// offset at.
func versionDamaged(b []byte, at, sum int, known uint16) bool {
	le := binary.LittleEndian
	c := append([]byte(nil), b...)
	for v := uint16(1); v <= known; v++ {
		le.PutUint16(c[at:], v)
		if crc32.Checksum(c[:sum], castagnoli) == le.Uint32(c[sum:]) {
			return true
		}
	}
	return false
}
