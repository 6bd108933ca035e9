package archive

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// grace is how long a pass that is under way, or the last one, may take when a backup that follows is told to end.
	grace = 20 * time.Second
	// longestPause bounds the time between two attempts when passes fail.
	longestPause = time.Minute
)

// Follow takes a pass every interval until ctx is done, then a last one, and returns. What fails for the moment (a network, a store, a data directory that is not there yet) is
// tried again, after pauses that double from the interval or a second up to a minute; one line of the log says that it begins, one for each pause that was longer than those before
// follows, and one says that it is over.
//
// It returns nil when the last pass has succeeded. ErrConflict, ErrDiverged, ErrDamaged and ErrNewer end it at once.
func (b *Backup) Follow(ctx context.Context, interval time.Duration) error {
	if interval <= 0 {
		return fmt.Errorf("the interval is %v: it must be above 0", interval)
	}
	failing := time.Duration(0) // the pause that the last failure was followed by
	for {
		started := time.Now()
		result, err := b.graceful(ctx)
		switch {
		case err == nil:
			if failing > 0 {
				b.o.Logger.Info("the backup goes on", "dir", b.dir, "dest", b.store.String(), "last_record", result.Last)
				failing = 0
			}
			b.o.Logger.Debug("backed up", "dest", b.store.String(), "objects", result.Objects, "bytes", result.Bytes, "last_record", result.Last)
		case fatal(err), ctx.Err() != nil:
			return err
		default:
			longer := min(max(2*failing, interval, time.Second), longestPause)
			if longer > failing {
				b.o.Logger.Warn("the backup falls behind: it is tried again", "dir", b.dir, "dest", b.store.String(), "in", longer, "err", err)
			}
			failing = longer
		}
		pause := interval - time.Since(started)
		if failing > 0 {
			pause = failing
		}
		timer := time.NewTimer(max(pause, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			last, err := b.graceful(ctx)
			if err == nil {
				b.o.Logger.Info("the backup has ended, and holds everything", "dir", b.dir, "dest", b.store.String(), "last_record", last.Last)
			}
			return err
		case <-timer.C:
		}
	}
}

// graceful is a pass that is given some time still when ctx ends.
func (b *Backup) graceful(ctx context.Context) (Result, error) {
	pass, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, func() {
			cancel(fmt.Errorf("it was told to end, and was not done %v later", grace))
		})
		context.AfterFunc(pass, func() { timer.Stop() })
	})
	defer stop()
	result, err := b.Pass(pass)
	if err != nil && pass.Err() != nil {
		err = fmt.Errorf("the backup does not hold everything: %w", context.Cause(pass))
	}
	return result, err
}

func fatal(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrDiverged) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer)
}
