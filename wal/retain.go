package wal

import (
	"os"
	"path/filepath"
	"time"
)

// Retain says how much history is kept for time travel: generations of the log before the newest snapshot, with the
// snapshots in front of them. A snapshot with the generations up to the next one is removed as a whole, the oldest
// first, as soon as one of the bounds wants it. That is looked at after each snapshot, at each start, and when the last
// History is closed: what one reads stays until then. The zero value keeps nothing.
type Retain struct {
	// Age: removed when the snapshot after it is older than this. Zero or less: nothing is kept.
	Age time.Duration
	// Bytes: removed when everything kept before the newest snapshot is larger than this. Zero or less: nothing is kept.
	Bytes int64
}

// trim removes generations and snapshots that Retain does not want, unless somebody reads them. The caller holds snapMu,
// or is the only one to know the log. What goes wrong is logged: the next time, or the next start, tries again.
func (l *Log) trim(now time.Time) {
	l.genMu.Lock()
	gone := l.unwanted(now)
	if len(gone) == 0 {
		l.genMu.Unlock()
		return
	}
	before := l.man.Kept
	l.man.Kept = gone[len(gone)-1].number + 1
	l.gens = l.gens[len(gone):] // whoever pins from here on does not see them
	l.genMu.Unlock()

	warn := func(err error) {
		l.opts.Logger.Warn("older generations of the log cannot be removed; the next start tries again", "dir", l.dir, "err", err)
	}
	if _, err := l.writeManifest(&l.man); err != nil {
		// The manifest on the disk names them or not; they are there, so both is true.
		l.genMu.Lock()
		l.man.Kept = before
		l.gens = append(gone, l.gens...)
		l.genMu.Unlock()
		warn(err)
		return
	}
	d, p0 := l.opts.Disk, filepath.Join(l.dir, partitionName)
	for _, g := range gone {
		// One that is damaged goes with its generation, too.
		snapshot := filepath.Join(p0, snapshotName(g.number))
		if _, err := os.Lstat(snapshot); g.whole || err == nil {
			if err := removeFile(d, snapshot); err != nil {
				warn(err)
				return
			}
		}
		if err := l.removeGeneration(g.number); err != nil {
			warn(err)
			return
		}
	}
	if err := syncDir(d, p0); err != nil {
		warn(err)
		return
	}
	l.statsMu.Lock()
	l.stats.Removed += uint64(len(gone))
	l.statsMu.Unlock()
}

// unwanted returns the generations to remove, from the oldest on. The caller holds genMu.
func (l *Log) unwanted(now time.Time) []generation {
	if l.pins > 0 {
		return nil
	}
	var kept int64
	for _, g := range l.gens {
		if g.number < l.man.Oldest {
			kept += g.bytes + g.snapshot
		}
	}
	n := 0
	var passed int64
	for i, g := range l.gens {
		if g.number > l.man.Oldest {
			break
		}
		// Up to here a moment can be had without what is before this snapshot.
		if i > 0 && g.whole {
			r := l.opts.Retain
			if r.Age > 0 && now.Sub(g.time) <= r.Age && r.Bytes > 0 && kept <= r.Bytes {
				break
			}
			kept -= passed
			passed, n = 0, i
		}
		passed += g.bytes + g.snapshot
	}
	return append([]generation(nil), l.gens[:n]...)
}

// pin keeps every generation and snapshot that is there now until unpin is called, for those who read them. man is the
// manifest at this moment, end what may be read: records up to it were reported durable. unpin may be called once, by
// any goroutine but a loop's.
func (l *Log) pin() (man Manifest, end LSN, unpin func(), err error) {
	if err := l.ready(); err != nil && l.Err() == nil {
		return Manifest{}, 0, nil, err // a log that has failed can still be read
	}
	l.genMu.Lock()
	defer l.genMu.Unlock()
	l.pins++
	return l.man, l.Durable(), l.unpin, nil
}

func (l *Log) unpin() {
	l.genMu.Lock()
	l.pins--
	l.genMu.Unlock()
	l.snapMu.Lock()
	defer l.snapMu.Unlock()
	if l.ready() == nil {
		l.trim(time.Now())
	}
}
