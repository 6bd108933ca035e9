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
	manifestFormat = 1

	// ShardBits is the number of leading bits of an object's ID that name its shard.
	ShardBits = 10
	// Shards is the number of shards of a partition.
	Shards = 1 << ShardBits
)

var manifestMagic = [8]byte{'E', 'V', 'L', 'M', 'A', 'N', 'I', '\n'}

// Manifest is what a partition knows of itself, as docs/format/wal.md draws it.
type Manifest struct {
	LogID      uint64 // random, in every batch
	Epoch      uint64 // of the last start
	Oldest     uint64 // generations that recovery needs
	Newest     uint64
	FloorSeq   uint64 // batch of the newest generation that is known to be on disk
	Floor      LSN    // record that is known to be on disk
	Snapshot   LSN    // 0: there is no snapshot
	Base       LSN    // last record before the newest generation
	MadeUnixMs uint64
}

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
	le.PutUint32(b[124:], crc32.Checksum(b[:124], castagnoli))
	return b
}

func decodeManifest(b []byte) (m Manifest, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) < 16 || [8]byte(b) != manifestMagic:
		return m, errors.New("this is no manifest: magic is missing")
	case le.Uint16(b[8:]) != manifestFormat:
		// Before the checksum: a later version may keep it elsewhere.
		return m, fmt.Errorf("manifest has format version %d, this program knows version %d", le.Uint16(b[8:]), manifestFormat)
	case len(b) != manifestSize || le.Uint32(b[12:]) != manifestSize:
		return m, fmt.Errorf("manifest is %d bytes long instead of %d", len(b), manifestSize)
	case crc32.Checksum(b[:124], castagnoli) != le.Uint32(b[124:]):
		return m, errors.New("checksum of the manifest does not match")
	case le.Uint16(b[10:]) != ShardBits || le.Uint16(b[88:]) != 0:
		return m, errors.New("manifest maps shards in a way that this program does not know")
	}
	for _, r := range b[90:124] {
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
	}
	if m.Oldest != 1 || m.Newest != 1 || m.Snapshot != 0 || m.Base != 0 {
		// Lifted when snapshots come; until then nothing writes such a manifest.
		return m, errors.New("manifest names a snapshot or a later generation, which this program does not know")
	}
	return m, nil
}
