package wal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// RepairOptions of Repair.
type RepairOptions struct {
	// DropAfter is the number of the last record that is to be kept. Everything behind it is given up.
	DropAfter LSN
	// DryRun says what would be done, and changes nothing. It takes the lock all the same.
	DryRun bool
	// Disk sees, and may fail, every operation. Default: none, straight to the file system.
	Disk Disk
}

// RepairReport says what a repair has done, or would do.
type RepairReport struct {
	Dir string

	Keep     LSN       // the last record that is kept
	KeepTime time.Time // when it was committed, about
	// Generation is the first that a start reads from then on, Barrier up to where the snapshot in front of it is complete: 0, if it begins with the first record of all.
	Generation uint64
	Barrier    LSN

	Lost     uint64    // records behind Keep of which there is any trace
	LostTime time.Time // when the last of them was committed, if that can be told

	Cause error // what is wrong behind Keep, or with what a start would read; nil if nothing is

	Changes bool     // false: the directory is whole already, and ends there
	Dropped string   // where the files have gone: a folder in Dir
	Files   []string // what was moved or copied there, relative to Dir
	Cut     string   // the segment that was cut short, relative to Dir; empty if none was
	CutAt   int64    // to this length
}

// Repair makes a data directory whole again that is damaged, or that is to go back to an earlier record, by dropping everything behind record o.DropAfter. It keeps what
// stands before: from the newest snapshot whose barrier is not above that record and behind which the log is whole up to it. So a snapshot that is damaged is replaced by an older one
// that is kept, with the log behind it, and then nothing is lost. Nothing is deleted: what a start is not to read any more goes to a folder dropped-TIME of the directory, a copy of the segment that is cut short included.
// The manifest comes last: a repair that was interrupted leaves a directory that is refused, and can be repaired in the same way.
//
// It fails with a *LockedError while a process has the directory, with a *NewerError for one of a later version, and says what can be kept when that record cannot.
func Repair(dir string, o RepairOptions) (RepairReport, error) {
	if o.Disk == nil {
		o.Disk = osDisk{}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return RepairReport{}, fmt.Errorf("wal: data directory %s: %w", dir, err)
	}
	if _, err := os.Stat(filepath.Join(abs, partitionName)); err != nil {
		return RepairReport{}, noDirectory(abs)
	}
	lock, err := lockDir(abs)
	if err != nil {
		return RepairReport{}, err
	}
	defer lock.Close()
	p, err := plan(abs, o.DropAfter, false)
	if err != nil || o.DryRun || !p.report.Changes {
		return p.report, err
	}
	if err := p.carryOut(o.Disk); err != nil {
		return p.report, fmt.Errorf("wal: repair %s: %w; nothing was deleted: repair it again", abs, err)
	}
	if _, err := Verify(abs); err != nil {
		return p.report, fmt.Errorf("wal: %s was repaired and is still not whole: %w", abs, err)
	}
	return p.report, nil
}

// repairPlan is what a repair does.
type repairPlan struct {
	dir    string
	man    Manifest // the new one
	old    []byte   // the manifest's file as it is; nil if there is none
	report RepairReport

	cut     place  // in generation man.Newest
	rewrite []byte // what takes the place of the batch there; nil: nothing
	copied  string // the segment that is copied before it is cut; empty: none is
	moved   []string
}

// plan finds out what a repair does that keeps record n, or, if most is set, the most that can be kept.
func plan(dir string, n LSN, most bool) (*repairPlan, error) {
	p := &repairPlan{dir: dir, report: RepairReport{Dir: dir}}
	s := survey{dir: dir}
	man, whole, err := p.manifest()
	if err != nil {
		return p, err
	}
	s.man = man
	if err := s.take(); err != nil {
		return p, err
	}
	for i := range s.gens {
		if err := s.gens[i].snapErr; errors.Is(err, ErrNewer) {
			return p, err
		}
	}
	all := s.keeps()
	if len(all) == 0 {
		return p, fmt.Errorf("wal: nothing in %s can be kept: there is no snapshot that can be read, with the log up to its barrier, and no log that begins with record 1; "+
			"restore the directory from a backup", dir)
	}
	low, high := all[0], all[0]
	for _, k := range all {
		if k.barrier < low.barrier {
			low = k
		}
		if k.last >= high.last {
			high = k
		}
	}
	if most {
		n = high.last
	}
	k, ok := best(all, n)
	switch {
	case n > high.last && high.end != nil:
		return p, fmt.Errorf("wal: record %d of %s cannot be kept, nor anything behind record %d: %w; --drop-after %d keeps the most", n, dir, high.last, high.end, high.last)
	case n > high.last:
		return p, fmt.Errorf("wal: %s has no record %d: its log ends with record %d", dir, n, high.last)
	case n < low.barrier:
		return p, fmt.Errorf("wal: %s does not reach back to record %d: the oldest snapshot that can be read is complete up to record %d", dir, n, low.barrier)
	case !ok:
		return p, fmt.Errorf("wal: record %d of %s cannot be kept as the last one: the log is not whole before it, and no snapshot ends there; --drop-after %d keeps the most", n, dir, high.last)
	}

	r := &p.report
	last, lastMs, err := s.known()
	if err != nil {
		return p, err
	}
	r.Keep, r.Generation, r.Barrier, r.Cause = n, s.gens[k.from].gen, k.barrier, k.end
	if last > n {
		r.Lost = uint64(last - n)
		if lastMs != 0 {
			r.LostTime = time.UnixMilli(int64(lastMs))
		}
	}
	if man.Oldest > s.gens[k.from].gen {
		for i := range s.gens {
			if g := &s.gens[i]; g.gen == man.Oldest && g.snapErr != nil && r.Cause == nil {
				r.Cause = g.snapErr
			}
		}
	}
	if err := p.lay(&s, &k, n); err != nil {
		return p, err
	}
	if whole {
		_, err := inspect(dir, &Visitor{})
		p.report.Changes = err != nil || len(p.moved) > 0 || p.copied != ""
	} else {
		p.report.Changes = true
	}
	return p, nil
}

// manifest reads the manifest, or puts one together from what the files say. whole is false in that case.
func (p *repairPlan) manifest() (man Manifest, whole bool, err error) {
	p.old, err = os.ReadFile(filepath.Join(p.dir, partitionName, manifestName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return man, false, fmt.Errorf("wal: read manifest: %w", err)
	}
	man, err = readManifest(p.dir)
	if err == nil {
		return man, true, nil
	}
	if errors.Is(err, ErrNewer) {
		return man, false, err
	}
	cause := err
	// Without its manifest a directory still says which log it is, and which epochs there were. Up to where the log was on disk is lost.
	entries, err := os.ReadDir(filepath.Join(p.dir, partitionName))
	if err != nil {
		return man, false, fmt.Errorf("wal: %w", err)
	}
	man = Manifest{}
	for _, e := range entries {
		gen := generationOf(e.Name())
		if gen == 0 || !e.IsDir() {
			continue
		}
		dir := filepath.Join(partitionName, e.Name())
		segments, _, err := listSegments(filepath.Join(p.dir, dir))
		if err != nil {
			return man, false, fmt.Errorf("wal: list %s: %w", dir, err)
		}
		for _, first := range segments {
			_, err := heads(filepath.Join(p.dir, dir, segmentName(first)), func(h *header) error {
				if man.LogID == 0 {
					man.LogID, man.MadeUnixMs = h.logID, h.timeMs
				}
				if h.logID == man.LogID {
					man.Epoch = max(man.Epoch, h.epoch)
				}
				return nil
			})
			var path *fs.PathError
			if errors.As(err, &path) {
				return man, false, fmt.Errorf("wal: read segment: %w", err)
			}
		}
	}
	if man.LogID == 0 {
		return man, false, fmt.Errorf("%w (and no batch of the log can be read, so it cannot be made anew)", cause)
	}
	return man, false, nil
}

// lay decides what becomes of each file.
func (p *repairPlan) lay(s *survey, k *keep, n LSN) error {
	// The generation that is to be the newest: the one that holds record n, or the last one, if nothing is dropped.
	to := k.from
	for j := k.from; j <= k.to; j++ {
		if g := &s.gens[j]; g.batches > 0 && g.base < n || n == k.last && g.err == nil {
			to = j
		}
	}
	g := &s.gens[to]
	base, baseCRC := LSN(0), uint32(0)
	if h := s.gens[k.from].snapshot; h != nil {
		base, baseCRC = h.base, h.baseCRC
	}
	for j := k.from; j < to; j++ {
		if b := &s.gens[j]; b.batches > 0 {
			base, baseCRC = b.last, b.lastCRC
		}
	}
	p.man = Manifest{
		LogID: s.man.LogID, Epoch: s.man.Epoch + 1,
		// Anew, so that whoever has copies of it, such as a backup, knows that it may have gone another way since.
		MadeUnixMs: max(uint64(time.Now().UnixMilli()), s.man.MadeUnixMs+1),
		Oldest:     s.gens[k.from].gen, Newest: g.gen, Snapshot: k.barrier, Base: base, BaseCRC: baseCRC, Floor: n,
	}
	if p.man.Kept = s.man.Kept; p.man.Kept == 0 || p.man.Kept > p.man.Oldest {
		p.man.Kept = p.man.Oldest
	}

	dir := filepath.Join(partitionName, generationName(g.gen))
	p.report.KeepTime = time.UnixMilli(int64(k.lastMs))
	switch {
	case n == g.last && g.batches > 0:
		p.cut, p.man.FloorSeq = g.end, g.lastSeq
		p.report.KeepTime = time.UnixMilli(int64(g.lastMs))
	case n == base:
		p.cut = place{segment: 1}
	default:
		if err := p.cutInside(g, n); err != nil {
			return err
		}
	}
	for _, first := range g.segments {
		file := filepath.Join(dir, segmentName(first))
		switch {
		case first > p.cut.segment:
			p.moved = append(p.moved, file)
		case first == p.cut.segment:
			b, err := os.ReadFile(filepath.Join(p.dir, file))
			if err != nil {
				return fmt.Errorf("wal: read segment: %w", err)
			}
			if int64(len(b)) > p.cut.offset && !onlyZeros(b[p.cut.offset:]) {
				p.copied, p.report.Cut, p.report.CutAt = file, file, p.cut.offset+int64(len(p.rewrite))
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(p.dir, dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wal: list %s: %w", dir, err)
	}
	for _, e := range entries {
		if name := e.Name(); len(name) != len(segmentName(1)) { // this log does not make it, or a repair that was interrupted has
			p.moved = append(p.moved, filepath.Join(dir, name))
		}
	}
	for i := range s.gens {
		o := &s.gens[i]
		if o.gen > p.man.Oldest && !errors.Is(o.snapErr, fs.ErrNotExist) {
			// One that is whole and was installed would do for a start, but then it has a higher barrier than n, or the log in front of it is damaged.
			p.moved = append(p.moved, filepath.Join(partitionName, snapshotName(o.gen)))
		}
		if o.gen > g.gen {
			old := filepath.Join(partitionName, generationName(o.gen))
			entries, err := os.ReadDir(filepath.Join(p.dir, old))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("wal: list %s: %w", old, err)
			}
			for _, e := range entries {
				p.moved = append(p.moved, filepath.Join(old, e.Name()))
			}
		}
	}
	p.report.Files = append([]string(nil), p.moved...)
	if p.copied != "" {
		p.report.Files = append(p.report.Files, p.copied)
	}
	if p.old != nil {
		p.report.Files = append(p.report.Files, filepath.Join(partitionName, manifestName))
	}
	return nil
}

// cutInside finds the place in a generation behind record n, which is in it and not its last. If it is inside a batch, the batch is written anew without the records behind it.
func (p *repairPlan) cutInside(g *surveyed, n LSN) error {
	dir := filepath.Join(p.dir, partitionName, generationName(g.gen))
	for _, first := range g.segments {
		b, err := os.ReadFile(filepath.Join(dir, segmentName(first)))
		if err != nil {
			return fmt.Errorf("wal: read segment: %w", err)
		}
		for at := 0; at < len(b); {
			h, payload, size, err := decodeEntry(b[at:])
			if err != nil {
				return fmt.Errorf("wal: %s changes while it is being repaired: %w", dir, err)
			}
			if h.count == 0 || h.last() < n {
				at += size
				continue
			}
			p.cut = place{segment: first, offset: int64(at + size)}
			p.man.FloorSeq, p.report.KeepTime = h.seq, time.UnixMilli(int64(h.timeMs))
			if h.last() > n {
				p.cut.offset = int64(at)
				p.rewrite = shorten(h, payload, n)
			}
			return nil
		}
	}
	return fmt.Errorf("wal: %s changes while it is being repaired: record %d is gone", dir, n)
}

// shorten is the entry of a batch without its records behind n.
func shorten(h header, payload []byte, n LSN) []byte {
	rest := payload
	for r := h.first; r <= n; r++ {
		_, rest, _ = nextRecord(rest)
	}
	payload = payload[:len(payload)-len(rest)]
	h.count, h.payloadLen = uint32(n-h.first+1), uint32(len(payload))
	h.payloadCRC = crc32.Checksum(payload, castagnoli)
	size := uint64(headerSize + len(payload))
	k := uvarintLen(size)
	b := make([]byte, k+headerSize, k+int(size))
	putUvarint(b, size)
	h.encode(b[k:])
	return append(b, payload...)
}

// carryOut does it: first everything that goes is in the folder, on disk; then the rest is cut; then it counts. Wherever that ends, what is kept is all in its place.
func (p *repairPlan) carryOut(d Disk) error {
	dropped, err := p.folder(d)
	if err != nil {
		return err
	}
	p.report.Dropped = filepath.Base(dropped)
	p0 := filepath.Join(p.dir, partitionName)
	// The folders that the files go to have names on disk before anything is in them.
	targets := []string{filepath.Join(dropped, partitionName)}
	for _, file := range p.report.Files {
		if dir := filepath.Dir(filepath.Join(dropped, file)); !slices.Contains(targets, dir) {
			targets = append(targets, dir)
		}
	}
	for _, dir := range targets {
		if err := makeDir(d, dir); err != nil {
			return err
		}
	}
	for _, dir := range append([]string{p.dir, dropped}, targets...) {
		if err := syncDir(d, dir); err != nil {
			return err
		}
	}
	for _, file := range []string{p.copied, filepath.Join(partitionName, manifestName)} {
		b, err := os.ReadFile(filepath.Join(p.dir, file))
		if file == "" || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dropped, file)
		if err := createFile(d, to); err != nil {
			return err
		}
		if err := writeAt(d, to, 0, b); err != nil {
			return err
		}
		if err := syncFile(d, to); err != nil {
			return err
		}
	}
	sources := []string{p0}
	for _, file := range p.moved {
		from, to := filepath.Join(p.dir, file), filepath.Join(dropped, file)
		if dir := filepath.Dir(from); !slices.Contains(sources, dir) {
			sources = append(sources, dir)
		}
		if err := d.Do(Op{Kind: OpRename, Path: from, To: to}, func() error { return os.Rename(from, to) }); err != nil {
			return err
		}
	}
	for _, dir := range append(targets, sources...) {
		if err := syncDir(d, dir); err != nil {
			return err
		}
	}
	if err := p.cutSegment(d); err != nil {
		return err
	}
	for _, dir := range sources {
		if gen := generationOf(filepath.Base(dir)); gen > p.man.Newest {
			if err := removeFile(d, dir); err != nil {
				return err
			}
		}
	}
	if err := syncDir(d, p0); err != nil {
		return err
	}
	_, err = replaceFile(d, filepath.Join(p0, manifestName), p.man.encode())
	return err
}

// cutSegment makes the newest generation end where it is to. The segment is replaced in one step: what is kept of it is there at every moment.
func (p *repairPlan) cutSegment(d Disk) error {
	dir := filepath.Join(p.dir, partitionName, generationName(p.man.Newest))
	if err := makeDir(d, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	path := filepath.Join(dir, segmentName(p.cut.segment))
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := createFile(d, path); err != nil {
			return err
		}
	case err != nil:
		return err
	case p.copied != "":
		_, err := replaceFile(d, path, append(b[:p.cut.offset:p.cut.offset], p.rewrite...))
		return err
	}
	if err := syncFile(d, path); err != nil {
		return err
	}
	return syncDir(d, dir)
}

// folder makes the folder that everything goes to. Two repairs in one second get two.
func (p *repairPlan) folder(d Disk) (string, error) {
	name := "dropped-" + time.Now().UTC().Format("20060102T150405Z")
	for try := 1; ; try++ {
		dir := filepath.Join(p.dir, name)
		if try > 1 {
			dir = fmt.Sprintf("%s-%d", dir, try)
		}
		err := makeDir(d, dir)
		if !errors.Is(err, fs.ErrExist) || try == 1000 {
			return dir, err
		}
	}
}
