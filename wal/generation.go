package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// generation is what an open log knows of one of its generations, and of the snapshot in front of it.
type generation struct {
	number   uint64
	bytes    int64     // of its segments. Of the newest one: what was there at the start; Log.written counts on
	snapshot int64     // bytes of the snapshot in front of it, if there is one
	time     time.Time // when that was finished; of generation 1, when history begins, if the directory was restored or repaired later
	whole    bool      // there is an installed snapshot in front of it
}

// takeStock looks at what is there, once the strays are gone.
func (l *Log) takeStock() error {
	p0 := filepath.Join(l.dir, partitionName)
	for n := l.man.Kept; n <= l.man.Newest; n++ {
		g := generation{number: n}
		entries, err := os.ReadDir(filepath.Join(p0, generationName(n)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries { // none, where an operator has thrown away what only time travel needs
			if st, err := e.Info(); err == nil {
				g.bytes += st.Size()
			}
		}
		if f, err := openSnapshot(l.dir, &l.man, n); err == nil {
			g.whole, g.snapshot, g.time = true, f.size, time.UnixMilli(int64(f.foot.timeMs))
			_ = f.close() // only read
		} else if n > 1 && n <= l.man.Oldest && !errors.Is(err, fs.ErrNotExist) {
			l.opts.Logger.Warn("an older snapshot cannot be read: moments that need it are lost", "dir", l.dir, "generation", n, "err", err)
		}
		if first := (historySegment{file: filepath.Join(partitionName, generationName(n), segmentName(1))}); n == 1 {
			if found, err := first.read(l.dir, l.man.LogID); err == nil && found && first.head.timeMs < l.man.MadeUnixMs {
				g.time = first.time()
			}
		}
		l.gens = append(l.gens, g)
	}
	return nil
}

// removeStrays removes what a crash has left. Everything that recovery needs has been read.
func (l *Log) removeStrays() error {
	p0 := filepath.Join(l.dir, partitionName)
	entries, err := os.ReadDir(p0)
	if err != nil {
		return err
	}
	removed := false
	for _, e := range entries {
		name := e.Name()
		gen, snap := generationOf(name), snapshotOf(name)
		switch {
		case name == manifestName+".tmp", snapshotOf(strings.TrimSuffix(name, ".tmp")) > 0 && strings.HasSuffix(name, ".tmp"),
			snap > 0 && (snap < l.man.Kept || snap > l.man.Oldest):
			err = removeFile(l.opts.Disk, filepath.Join(p0, name))
		case gen > 0 && (gen < l.man.Kept || gen > l.man.Newest):
			err = l.removeGeneration(gen)
		default:
			continue
		}
		if err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return syncDir(l.opts.Disk, p0)
}

// removeGeneration removes the directory of a generation, from the first segment to the last. It is not durable before a
// syncDir of p0.
func (l *Log) removeGeneration(number uint64) error {
	dir := filepath.Join(l.dir, partitionName, generationName(number))
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := removeFile(l.opts.Disk, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return removeFile(l.opts.Disk, dir)
}

// rotate begins a new generation. The caller holds snapMu. An error that is not the log's own (see Log.Err) has left
// everything as it was.
func (l *Log) rotate() (snapshotHead, error) {
	number := l.man.Newest + 1
	if number > maxGeneration {
		return snapshotHead{}, fmt.Errorf("wal: generation %d was the last one that there is", l.man.Newest)
	}
	d, p0 := l.opts.Disk, filepath.Join(l.dir, partitionName)
	dir := filepath.Join(p0, generationName(number))
	next, err := l.prepare(p0, dir, number)
	if err != nil {
		return snapshotHead{}, err
	}

	l.commitMu.Lock()
	c := &l.committer
	err = l.ready()
	if err == nil {
		l.commit(commitBackground)
		l.trimAndSync()
		err = l.Err()
	}
	old, man := l.sink, l.man
	if err == nil {
		man.Newest, man.Base, man.BaseCRC, man.FloorSeq, man.Floor = number, c.cut, c.crc, 0, c.cut
		var replaced bool
		if replaced, err = l.writeManifest(&man); err != nil && replaced {
			// Perhaps the directory says already that the generation before is complete: it must not grow.
			l.fail(err)
			err = l.Err()
		}
	}
	if err == nil {
		l.sink = next
		c.seq, c.synced, c.claimed, c.lastData = 0, 0, 0, 0
		l.genMu.Lock()
		l.man = man
		l.gens[len(l.gens)-1].bytes += l.written.Swap(0)
		l.gens = append(l.gens, generation{number: number})
		l.genMu.Unlock()
	}
	head := snapshotHead{
		logID: l.man.LogID, generation: number, epoch: l.epoch, base: c.cut, baseCRC: c.crc, timeMs: uint64(time.Now().UnixMilli()),
	}
	l.commitMu.Unlock()

	if err != nil {
		_ = next.Close() // nothing was written to it
		if l.Err() == nil {
			l.abandon(func() error { return l.removeGeneration(number) }, func() error { return syncDir(d, p0) })
		}
		return snapshotHead{}, err
	}
	l.statsMu.Lock()
	l.stats.Rotations++
	l.statsMu.Unlock()
	if err := old.Close(); err != nil {
		// All of it was fsynced before.
		l.opts.Logger.Warn("the generation of the log before cannot be closed", "dir", l.dir, "err", err)
	}
	return head, nil
}

// prepare makes a generation and opens it for appending.
func (l *Log) prepare(p0, dir string, number uint64) (*dirSink, error) {
	d := l.opts.Disk
	err := makeGeneration(d, p0, number)
	var s *dirSink
	if err == nil {
		s, err = openDirSink(d, dir, 0, filepath.Join(dir, segmentName(1)), 0, l.opts.segmentSize, l.opts.Sync == SyncAlways)
	}
	if err != nil {
		l.abandon(func() error { return l.removeGeneration(number) }, func() error { return syncDir(d, p0) })
		return nil, fmt.Errorf("wal: make generation %d of %s: %w", number, l.dir, err)
	}
	return s, nil
}

// abandon removes what something has left that did not succeed. If that does not succeed either, the next start does it.
func (l *Log) abandon(steps ...func() error) {
	for _, step := range steps {
		if err := step(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.opts.Logger.Warn("what is left of a snapshot cannot be removed; the next start does", "dir", l.dir, "err", err)
			return
		}
	}
}

// ready reports whether the log takes records.
func (l *Log) ready() error {
	if l.state.Load() != stateReady {
		return l.notReady()
	}
	return nil
}

// generationAt returns what is known of a generation. The caller holds genMu.
func (l *Log) generationAt(number uint64) *generation {
	if i := slices.IndexFunc(l.gens, func(g generation) bool { return g.number == number }); i >= 0 {
		return &l.gens[i]
	}
	return nil
}
