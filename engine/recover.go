package engine

import "time"

// recover fills the owners' tables with what the log and the snapshot before it say. The loops run already, but nothing else has reached
// them: they see the tables through the first task that is posted to them.
func (e *Engine) recover() error {
	began := time.Now()
	l := beginLoading(&e.catalog, e.owners, nil, e.opts.Progress)
	ended := false
	end := func() error {
		ended = true
		return l.finish()
	}
	found, err := e.log.Replay(l.take, end)
	if !ended {
		if cause := end(); cause != nil {
			err = cause // the reader knows only that there was one
		}
	}
	if err != nil {
		return err
	}
	e.snapshots.recovered(found)
	e.report = Recovery{Recovery: found, Classes: len(e.defined), Objects: int(e.metrics.objects.Load()), Took: time.Since(began)}
	return nil
}
