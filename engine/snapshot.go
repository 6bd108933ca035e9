package engine

import (
	"context"
	"errors"

	"everloop/wal"
)

// SnapshotInfo tells of a snapshot that was installed.
type SnapshotInfo = wal.SnapshotInfo

// ErrSnapshotAborted ends a snapshot that was given up because the engine closes. The log has everything.
var ErrSnapshotAborted = errors.New("engine: the snapshot was given up, as the engine closes")

// Snapshot writes all objects into a snapshot, which the next start reads instead of the log up to here, and returns when it is
// installed. Objects go on meanwhile: no loop waits, each writes a slice of its objects between turns. If one is being made
// already, Snapshot joins it. If ctx ends earlier, it returns the error of ctx and the snapshot goes on. It is called from
// a goroutine of the embedding program.
func (e *Engine) Snapshot(ctx context.Context) (SnapshotInfo, error) {
	return SnapshotInfo{}, errors.ErrUnsupported
}

// BeginSnapshot is Snapshot for those who do not wait: done is called when the snapshot is installed or was given up, on any
// goroutine, and must not block. It may be called on a loop.
func (e *Engine) BeginSnapshot(done func(SnapshotInfo, error)) {
	done(SnapshotInfo{}, errors.ErrUnsupported)
}
