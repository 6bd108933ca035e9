package wal

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

var (
	// ErrClosed is returned once Close has been called.
	ErrClosed = errors.New("wal: closed")

	// ErrNotReplayed is returned by Append before Replay has returned, and by a second Replay.
	ErrNotReplayed = errors.New("wal: Replay must be called exactly once, before the first Append")

	// ErrFailed ends a log until restart: a write or an fsync has failed, and nobody knows what of it is on
	// disk. What was reported durable is. Errors that wrap it say what failed and carry the cause.
	ErrFailed = errors.New("wal: the log has failed and takes no more writes until restart")

	// ErrNoSpace is reported by Writable while the disk has less than Options.Reserve bytes free. It is
	// temporary: the log has taken no harm, and takes writes again when there is room.
	ErrNoSpace = errors.New("wal: disk is nearly full: writes are refused until space is freed")

	// ErrBacklog is reported by Writable while more than Options.Backlog bytes wait to be committed, and
	// returned by Append when a record would pass the hard bound behind it. It is temporary.
	ErrBacklog = errors.New("wal: too much is waiting to be committed: the disk does not keep up")

	// ErrTooLarge is returned by Append for a record above MaxRecord.
	ErrTooLarge = fmt.Errorf("wal: record is larger than %d MiB", MaxRecord>>20)

	// ErrFenced may be returned by a place that batches are written to: a later epoch owns it. It is final,
	// and arrives wrapped in ErrFailed. A local directory never fences; it is locked instead.
	ErrFenced = errors.New("wal: fenced by a later epoch")

	// ErrLocked is matched by the error of Open while another process has the directory open.
	ErrLocked = errors.New("wal: directory is in use")

	// ErrNewer is matched by every NewerError.
	ErrNewer = errors.New("wal: made by a newer everloop")

	// ErrCorrupt is matched by every CorruptionError.
	ErrCorrupt = errors.New("wal: damaged")
)

// noSpace makes an error that says that the disk is full match ErrNoSpace.
func noSpace(err error) error {
	if errors.Is(err, ErrNoSpace) || !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoSpace, err)
}

// CorruptionError is damage that cannot be a torn write: something that was on disk has changed or is gone. The
// log is refused and nothing in it is changed.
type CorruptionError struct {
	Dir    string // the data directory
	File   string // the damaged file, relative to Dir
	Offset int64  // where in File the damaged unit starts
	Err    error  // what is wrong there
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: %s; nothing was changed. "+
		"`everloop wal verify %s` shows what can be read, and the command that repairs it by giving up the least; or restore a backup into another directory",
		e.Damage(), e.Dir)
}

// Damage says what is wrong where, and not what to do.
func (e *CorruptionError) Damage() string {
	return fmt.Sprintf("%s is damaged at offset %d: %v", filepath.Join(e.Dir, e.File), e.Offset, e.Err)
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// Is reports that every CorruptionError is an ErrCorrupt.
func (e *CorruptionError) Is(target error) bool { return target == ErrCorrupt }

// NewerError says that a data directory was written by a later version of this program. Nothing in it is damaged, and
// nothing was changed.
type NewerError struct {
	Dir  string // the data directory
	File string // that says so, relative to Dir
	Err  error  // which version it has
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("wal: data directory %s was made by a newer everloop: %s: %v; nothing was changed. "+
		"Use that version or a later one, or restore a backup from before the upgrade into another directory", e.Dir, e.File, e.Err)
}

func (e *NewerError) Unwrap() error { return e.Err }

// Is reports that every NewerError is an ErrNewer.
func (e *NewerError) Is(target error) bool { return target == ErrNewer }

// LockedError says who has the directory. It matches ErrLocked.
type LockedError struct {
	Dir string
	PID int // of the process that has it open; 0 = unknown
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("wal: data directory %s is in use by %s: stop it, or choose another directory", e.Dir, who)
}

// Is reports that every LockedError is an ErrLocked.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }
