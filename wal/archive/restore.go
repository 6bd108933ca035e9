package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"everloop/wal"
)

// ErrNoMoment is matched by the error for a moment that cannot be restored.
var ErrNoMoment = errors.New("this moment cannot be restored")

// Source is what can be restored: a backup, or a data directory. Of one goroutine.
type Source struct {
	name string
	load func(ctx context.Context) (*Index, []*Generation, error)
	open func(ctx context.Context, o *Object) (io.ReadCloser, error)
	runs func(ctx context.Context, chapter *Object) ([]*Run, error)
	// online: what was found may vanish before it is read
	online bool
}

// FromBackup is the backup in a store.
func FromBackup(store Store) *Source {
	return &Source{
		name: store.String(),
		load: func(ctx context.Context) (*Index, []*Generation, error) {
			data, tag, err := store.Index(ctx)
			if err != nil {
				return nil, nil, fmt.Errorf("read the index of %s: %w", store, err)
			}
			if tag == "" {
				return nil, nil, fmt.Errorf("%s is no backup: it has no index", store)
			}
			index, err := decodeIndex(data)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", store, err)
			}
			closed, err := readClosed(ctx, store, index)
			return index, closed, err
		},
		open: func(ctx context.Context, o *Object) (io.ReadCloser, error) { return openObject(ctx, store, o) },
		runs: func(ctx context.Context, chapter *Object) ([]*Run, error) { return readRuns(ctx, store, chapter) },
	}
}

// FromDirectory is a data directory, which a process may have open. It holds what the directory keeps of the past.
func FromDirectory(dir string) *Source {
	return &Source{
		name: dir,
		load: func(ctx context.Context) (*Index, []*Generation, error) { return indexDirectory(ctx, dir) },
		open: func(_ context.Context, o *Object) (io.ReadCloser, error) {
			f, err := os.Open(filepath.Join(dir, o.Name))
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%w: %w", errVanished, err)
			}
			if err != nil {
				return nil, err
			}
			return &section{Reader: io.LimitReader(f, o.Size), Closer: f}, nil
		},
		online: true,
	}
}

// indexDirectory describes a data directory as if it were a backup. Its objects are the directory's own files, up to a length, and have no SHA-256.
func indexDirectory(ctx context.Context, dir string) (*Index, []*Generation, error) {
	r, err := openReading(dir)
	if err != nil {
		return nil, nil, err
	}
	x := &Index{Log: logName(r.man.LogID), Made: r.man.MadeUnixMs}
	for number := r.man.Kept; number <= r.man.Newest; number++ {
		g := &Generation{Generation: number, Complete: number < r.man.Newest}
		if g.Base, g.BaseCRC, err = r.base(number); err != nil {
			return nil, nil, err
		}
		if number <= r.man.Oldest {
			if err := indexSnapshot(ctx, r, g); err != nil {
				return nil, nil, err
			}
		}
		err := r.generation(ctx, g, func(s *stretch) error {
			whole := s.whole
			whole.Object = &Object{Name: wal.SegmentPath(number, s.segment), Size: whole.Bytes, Codec: codecPlain}
			g.Runs = append(g.Runs, &whole)
			g.take(&whole)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		x.Generations = append(x.Generations, g)
	}
	x.Epoch = r.man.Epoch // read last: a start may have raised it
	return x, nil, nil
}

func indexSnapshot(ctx context.Context, r *reading, g *Generation) error {
	f, err := r.snapshot(g.Generation)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	info, err := wal.CheckSnapshot(withContext(ctx, f), st.Size(), f.Name(), g.place(r.man.LogID, r.man.Epoch))
	if err != nil {
		return err
	}
	g.Snapshot = &Snapshot{
		Barrier: info.Barrier, Records: info.Records, Time: info.Time.UnixMilli(),
		Object: &Object{Name: wal.SnapshotPath(g.Generation), Size: st.Size(), Codec: codecPlain},
	}
	return nil
}

// RestoreOptions say what is restored. The zero value is the latest state.
type RestoreOptions struct {
	// At is the moment: everything that was committed up to then is restored, and nothing later. Zero: everything.
	At time.Time
	// Progress is called with the bytes that are done and those that are to be done. Default: nobody is told.
	Progress func(done, total int64)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Restored tells what was restored.
type Restored struct {
	Last     wal.LSN   // number of the last record
	Time     time.Time // of the last batch; of the snapshot, if there is no batch behind it
	Snapshot bool      // it begins with a snapshot
	Records  uint64    // of the snapshot and of the log behind it
	Bytes    int64     // of the new data directory
}

// Restore makes dir, which must be empty or missing, a data directory with what the source has, as a crash at that moment would have left it. Everything is checked while it is
// copied. When it fails, dir is left empty.
//
// The error matches ErrNoMoment when the source does not reach back to that moment, and ErrDamaged or wal.ErrCorrupt when it is not whole.
func Restore(ctx context.Context, from *Source, dir string, o RestoreOptions) (Restored, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Restored{}, err
	}
	entries, err := os.ReadDir(abs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Restored{}, err
	}
	if len(entries) > 0 {
		return Restored{}, fmt.Errorf("%s is not empty: name a new directory, or empty this one", dir)
	}
	for try := 0; ; try++ {
		done, err := restore(ctx, from, abs, o)
		if err == nil {
			return done, nil
		}
		if rerr := os.RemoveAll(filepath.Join(abs, partition)); rerr != nil {
			err = errors.Join(err, rerr)
		}
		if !from.online || try == 10 || !errors.Is(err, errVanished) {
			return done, err
		}
	}
}

const partition = "p0"

func restore(ctx context.Context, from *Source, dir string, o RestoreOptions) (done Restored, err error) {
	index, closed, err := from.load(ctx)
	if err != nil {
		return done, err
	}
	all := slices.Concat(closed, index.Generations)
	plan, err := planRestore(ctx, from, index, all, o.At)
	if err != nil {
		return done, err
	}
	if err := makeDirs(filepath.Join(dir, partition)); err != nil {
		return done, err
	}
	copying := &copying{from: from, index: index, meter: meter{tell: o.Progress}}
	copying.meter.add(plan.bytes())
	first := plan.generations[0]
	if first.Snapshot != nil {
		done.Snapshot, done.Records, done.Time = true, first.Snapshot.Records, unixMilli(first.Snapshot.Time)
		if err := copying.snapshot(ctx, first, dir); err != nil {
			return done, err
		}
	}
	chain := wal.NewChain(index.logID(), index.Epoch, first.Base, first.BaseCRC)
	var end wal.Link
	for i, g := range plan.generations {
		if err := makeDirs(filepath.Join(dir, filepath.Dir(wal.SegmentPath(g.Generation, 1)))); err != nil {
			return done, err
		}
		cut := g.Batches
		if i == len(plan.generations)-1 {
			cut = plan.cut
		}
		out := &segments{dir: dir, generation: g.Generation}
		link, records, err := copying.generation(ctx, g, chain, cut, out)
		if cerr := out.close(); err == nil {
			err = cerr
		}
		if err != nil {
			return done, err
		}
		done.Records += records
		if link.Seq > 0 {
			end = link
		}
		chain.NextGeneration()
	}
	last := plan.generations[len(plan.generations)-1]
	m := wal.Manifest{
		LogID: index.logID(), Epoch: index.Epoch + 1 + rand.Uint64N(1<<16),
		Kept: first.Generation, Oldest: first.Generation, Newest: last.Generation, Base: last.Base, BaseCRC: last.BaseCRC,
		FloorSeq: plan.cut, Floor: plan.last, MadeUnixMs: uint64(o.Now().UnixMilli()),
	}
	if first.Snapshot != nil {
		m.Snapshot = first.Snapshot.Barrier
	}
	if err := wal.Assemble(dir, m); err != nil {
		return done, err
	}
	if end.Seq > 0 {
		done.Time = end.Time
	}
	done.Last, done.Bytes = plan.last, copying.meter.soFar
	return done, nil
}

// restorePlan is what has to be copied.
type restorePlan struct {
	generations []*Generation // from the one with the snapshot to the one of the last batch
	cut         uint64        // the last batch of the last generation; 0 = none of its batches
	last        wal.LSN       // the last record
}

func (p *restorePlan) bytes() (n int64) {
	if s := p.generations[0].Snapshot; s != nil {
		n = s.Object.Size
	}
	for _, g := range p.generations {
		n += g.Bytes
	}
	return n
}

// planRestore finds the last batch up to a moment, and what it takes to get there.
func planRestore(ctx context.Context, from *Source, index *Index, all []*Generation, at time.Time) (*restorePlan, error) {
	if len(all) == 0 {
		return nil, damaged("%s: it holds no generation", from.name)
	}
	end := len(all) - 1
	plan := &restorePlan{cut: all[end].Batches, last: all[end].end()}
	if !at.IsZero() {
		where, err := locate(ctx, all, at.UnixMilli(), from.runs)
		if err != nil {
			return nil, err
		}
		if end = where.index; where.run != nil {
			var committed time.Time
			if plan.cut, plan.last, committed, err = lastUntil(ctx, from, index, where.run, at); err != nil {
				return nil, err
			}
			if plan.cut == all[end].Batches && end+1 < len(all) && !follows(all[end], all[end+1]) && at.UnixMilli() > committed.UnixMilli() {
				where.run = nil // what was committed in between is missing
			}
		}
		if where.run == nil { // perhaps the snapshot behind what is missing was made by then, and nothing was committed after it
			if end++; end == len(all) || all[end].Snapshot == nil || all[end].Snapshot.Time > at.UnixMilli() || all[end].Snapshot.Barrier > all[end].Base {
				return nil, noMoment(from, all)
			}
			plan.cut, plan.last = 0, all[end].Base
		}
	}
	first, err := start(all, end, plan.last)
	if err != nil {
		return nil, noMoment(from, all)
	}
	plan.generations = all[first : end+1]
	return plan, nil
}

func noMoment(from *Source, all []*Generation) error {
	spans := spansOf(all)
	text := "nothing in it can be restored"
	if len(spans) > 0 {
		var moments []string
		for _, s := range spans {
			moments = append(moments, "from "+upward(s.From)+" to "+upward(s.To))
		}
		text = "it can be restored to any moment " + strings.Join(moments, ", and ")
	}
	return fmt.Errorf("%w: %s: %s", ErrNoMoment, from.name, text)
}

// timeFormat is what `everloop restore --at` takes back.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// upward writes a moment rounded up to a millisecond, so that it has all that was committed then.
func upward(t time.Time) string {
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond).Local().Format(timeFormat)
}

// Span is a time that can be restored: every moment of it.
type Span struct{ From, To time.Time }

// spansOf tells which moments can be restored. (Where the clock was set back, it is only right on the whole.)
func spansOf(all []*Generation) (spans []Span) {
	for i, g := range all {
		if _, err := start(all, i, g.end()); err != nil {
			continue
		}
		from := g.From
		if s := g.Snapshot; s != nil && (i == 0 || !follows(all[i-1], g)) {
			from = s.Time // its barrier is not later
		}
		if g.Batches == 0 {
			continue
		}
		if len(spans) > 0 && i > 0 && follows(all[i-1], g) {
			spans[len(spans)-1].To = unixMilli(g.To)
			continue
		}
		spans = append(spans, Span{unixMilli(min(from, g.To)), unixMilli(g.To)})
	}
	return spans
}

// follows reports that nothing is missing between two generations.
func follows(a, b *Generation) bool {
	return a.Complete && a.Generation+1 == b.Generation && a.end() == b.Base && a.endCRC() == b.BaseCRC
}

// endCRC is the header CRC of the last batch up to the generation's end.
func (g *Generation) endCRC() uint32 {
	if g.Batches == 0 {
		return g.BaseCRC
	}
	return g.CRC
}

// start finds the newest generation from which on record last, of the generation all[end], can be reached.
func start(all []*Generation, end int, last wal.LSN) (int, error) {
	for i := end; i >= 0; i-- {
		g := all[i]
		if i < end && !follows(g, all[i+1]) {
			break
		}
		if s := g.Snapshot; s != nil && s.Barrier <= last || s == nil && g.Generation == 1 {
			return i, nil
		}
	}
	return 0, ErrNoMoment
}

// location is a run in which the last batch up to a moment is.
type location struct {
	index  int // of its generation
	run    *Run
	before wal.LSN // the last record before the run
}

// locate finds the last run that has a batch of the moment or before it. run is nil when there is none.
func locate(ctx context.Context, all []*Generation, moment int64, chapter func(context.Context, *Object) ([]*Run, error)) (l location, err error) {
	for l.index = len(all) - 1; l.index >= 0; l.index-- {
		g := all[l.index]
		if g.Batches == 0 || g.From > moment {
			continue
		}
		runs, err := allRuns(ctx, g, chapter)
		if err != nil {
			return l, err
		}
		for i := len(runs) - 1; i >= 0; i-- {
			if runs[i].From > moment {
				continue
			}
			l.run, l.before = runs[i], g.Base
			if i > 0 {
				l.before = runs[i-1].Last
			}
			return l, nil
		}
	}
	return l, nil
}

// allRuns are the runs of a generation, chapters and all.
func allRuns(ctx context.Context, g *Generation, chapter func(context.Context, *Object) ([]*Run, error)) (runs []*Run, err error) {
	for _, c := range g.Chapters {
		more, err := chapter(ctx, c)
		if err != nil {
			return nil, err
		}
		runs = append(runs, more...)
	}
	runs = append(runs, g.Runs...)
	if len(g.Chapters) > 0 {
		if err := g.checkRuns(runs); err != nil {
			return nil, damaged("generation %d: %w", g.Generation, err)
		}
	}
	return runs, nil
}

// lastUntil finds the last batch of a run up to a moment.
func lastUntil(ctx context.Context, from *Source, index *Index, run *Run, at time.Time) (batch uint64, last wal.LSN, committed time.Time, err error) {
	data, err := readRun(ctx, from, run)
	if err != nil {
		return 0, 0, committed, err
	}
	chain := wal.ResumeChain(index.logID(), index.Epoch)
	for len(data) > 0 {
		link, n, err := chain.Next(data)
		if err != nil {
			return 0, 0, committed, damaged("%s in %s: %w", run.Object.Name, from.name, err)
		}
		if link.Time.UnixMilli() <= at.UnixMilli() {
			batch, last, committed = link.Seq, link.Last, link.Time
		}
		data = data[n:]
	}
	if batch == 0 {
		return 0, 0, committed, damaged("%s in %s has no batch of the time that the index says", run.Object.Name, from.name)
	}
	return batch, last, committed, nil
}

// copying copies and checks what a plan names.
type copying struct {
	from  *Source
	index *Index
	meter meter
}

// snapshot copies one, and holds it to its own sums while it passes through. dir is "" where it is only looked at.
func (c *copying) snapshot(ctx context.Context, g *Generation, dir string) (err error) {
	s := g.Snapshot
	r, err := c.from.open(ctx, s.Object)
	if err != nil {
		return err
	}
	defer r.Close()
	in := c.meter.count(r)
	if dir != "" {
		f, err := os.OpenFile(filepath.Join(dir, wal.SnapshotPath(g.Generation)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
		if err != nil {
			return err
		}
		defer func() {
			if cerr := f.Close(); err == nil {
				err = cerr
			}
		}()
		in = io.TeeReader(in, f)
	}
	info, err := wal.CheckSnapshot(in, s.Object.Size, filepath.Join(c.from.name, s.Object.Name), g.place(c.index.logID(), c.index.Epoch))
	if err != nil {
		if errors.Is(err, wal.ErrCorrupt) {
			return damaged("%s in %s: %w", s.Object.Name, c.from.name, err)
		}
		return err
	}
	if n, err := io.Copy(io.Discard, in); err != nil || n > 0 {
		return errors.Join(err, damaged("%s in %s is longer than the index says", s.Object.Name, c.from.name))
	}
	if info.Barrier != s.Barrier {
		return damaged("%s in %s has the barrier %d, and %d in the index", s.Object.Name, c.from.name, info.Barrier, s.Barrier)
	}
	return nil
}

// fetches is the number of runs that are read ahead.
const fetches = 4

// fetched is a run that was read, or is being read.
type fetched struct {
	run  *Run
	data chan []byte
	err  error // valid once data is closed or has delivered
}

// generation copies a generation's batches up to cut to out, and holds them to the chain and to the index. It returns the last batch.
func (c *copying) generation(ctx context.Context, g *Generation, chain *wal.Chain, cut uint64, out *segments) (last wal.Link, records uint64, err error) {
	runs, err := allRuns(ctx, g, c.from.runs)
	if err != nil {
		return last, 0, err
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r *Run) bool { return r.First > cut })
	if err := out.begin(1); err != nil { // there is one, if only an empty one
		return last, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for f := range c.fetch(ctx, runs) {
		data, ok := <-f.data
		if !ok {
			return last, records, f.err
		}
		keep, err := c.run(f.run, chain, cut, data, &last, &records)
		if err != nil {
			return last, records, damaged("%s in %s: %w", f.run.Object.Name, c.from.name, err)
		}
		if err := out.write(f.run.Segment, data[:keep]); err != nil {
			return last, records, err
		}
		c.meter.done(int64(len(data)))
	}
	return last, records, ctx.Err()
}

// fetch reads runs ahead, in order.
func (c *copying) fetch(ctx context.Context, runs []*Run) <-chan *fetched {
	queue := make(chan *fetched, fetches-1)
	go func() {
		defer close(queue)
		for _, r := range runs {
			f := &fetched{run: r, data: make(chan []byte, 1)}
			select {
			case queue <- f:
			case <-ctx.Done():
				return
			}
			go func() {
				defer close(f.data)
				data, err := readRun(ctx, c.from, r)
				if f.err = err; err == nil {
					f.data <- data
				}
			}()
		}
	}()
	return queue
}

// run holds the batches of a run to the chain and to the index. It returns how much of data is up to cut.
func (c *copying) run(r *Run, chain *wal.Chain, cut uint64, data []byte, last *wal.Link, records *uint64) (keep int, err error) {
	at, batches := 0, uint64(0)
	for at < len(data) {
		link, n, err := chain.Next(data[at:])
		if err != nil {
			return 0, fmt.Errorf("at offset %d: %w", at, err)
		}
		if at == 0 && link.Seq != r.First {
			return 0, fmt.Errorf("it begins with batch %d, the index says %d", link.Seq, r.First)
		}
		at += n
		batches++
		if link.Seq <= cut {
			keep = at
			*records += uint64(link.Last + 1 - link.First)
			*last = link
		}
		if at == len(data) && (batches != r.Batches || link.Last != r.Last || link.CRC != r.CRC) {
			return 0, fmt.Errorf("it ends with batch %d and record %d, the index says %d and %d", link.Seq, link.Last, r.end(), r.Last)
		}
	}
	if batches == 0 {
		return 0, errors.New("it is empty")
	}
	return keep, nil
}

// segments writes the segments of a generation.
type segments struct {
	dir        string
	generation uint64
	segment    uint64
	file       *os.File
}

func (s *segments) begin(segment uint64) (err error) {
	if s.segment == segment {
		return nil
	}
	if err := s.close(); err != nil {
		return err
	}
	s.segment = segment
	s.file, err = os.OpenFile(filepath.Join(s.dir, wal.SegmentPath(s.generation, segment)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	return err
}

func (s *segments) write(segment uint64, data []byte) error {
	if err := s.begin(segment); err != nil {
		return err
	}
	_, err := s.file.Write(data)
	return err
}

func (s *segments) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// readRun reads a run, whole and decompressed.
func readRun(ctx context.Context, from *Source, r *Run) ([]byte, error) {
	return readWhole(ctx, from.name, from.open, r.Object, r.Bytes)
}

// readWhole reads an object and decompresses it. size is what it must then have, or -1.
func readWhole(ctx context.Context, name string, open func(context.Context, *Object) (io.ReadCloser, error), o *Object, size int64) ([]byte, error) {
	limit := size
	if size < 0 {
		limit = maxIndex
	}
	if o.Size > limit { // what is stored is never larger than what it holds
		return nil, damaged("%s in %s has %d bytes, more than the %d that it may hold", o.Name, name, o.Size, limit)
	}
	r, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var text bytes.Buffer
	text.Grow(int(min(o.Size, 8<<20)) + bytes.MinRead)
	if _, err := io.Copy(&text, withContext(ctx, r)); err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", o.Name, name, err)
	}
	data := text.Bytes()
	if o.Codec == codecZstd {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max(limit, 1<<20))))
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		if data, err = decoder.DecodeAll(data, make([]byte, 0, min(limit, 16<<20))); err != nil {
			return nil, damaged("%s in %s cannot be decompressed: %w", o.Name, name, err)
		}
	}
	if size >= 0 && int64(len(data)) != size {
		return nil, damaged("%s in %s holds %d bytes, the index says %d", o.Name, name, len(data), size)
	}
	return data, nil
}

// openObject opens an object, whose content is held to its size and its SHA-256 while it is read.
func openObject(ctx context.Context, store Store, o *Object) (io.ReadCloser, error) {
	r, err := store.Get(ctx, o.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, damaged("%s does not have %s any more", store, o.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", o.Name, store, err)
	}
	return &section{Reader: &checkedReader{r: r, o: o, store: store.String(), hash: sha256.New()}, Closer: r}, nil
}

// checkedReader fails at its end when it was not what the index says.
type checkedReader struct {
	r     io.Reader
	o     *Object
	store string
	n     int64
	hash  hash.Hash
}

func (c *checkedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	_, _ = c.hash.Write(b[:n]) // never fails
	switch {
	case c.n > c.o.Size, errors.Is(err, io.EOF) && c.n < c.o.Size:
		return n, damaged("%s in %s does not have the %d bytes that the index says", c.o.Name, c.store, c.o.Size)
	case errors.Is(err, io.EOF) && hex.EncodeToString(c.hash.Sum(nil)) != c.o.SHA256:
		return n, damaged("%s in %s is not what was written: its SHA-256 differs", c.o.Name, c.store)
	}
	return n, err
}

// readList reads a list of the index.
func readList(ctx context.Context, store Store, o *Object, list any) error {
	text, err := readWhole(ctx, store.String(), func(ctx context.Context, o *Object) (io.ReadCloser, error) { return openObject(ctx, store, o) }, o, -1)
	if err != nil {
		return err
	}
	if err := decodeJSON(text, list); err != nil {
		return damaged("%s in %s cannot be read: %w", o.Name, store, err)
	}
	return nil
}

// readClosed reads the older generations of an index.
func readClosed(ctx context.Context, store Store, index *Index) (closed []*Generation, err error) {
	if index.Closed == nil {
		return nil, nil
	}
	if err := readList(ctx, store, index.Closed, &closed); err != nil {
		return nil, err
	}
	if err := checkGenerations(slices.Concat(closed, index.Generations)); err != nil {
		return nil, damaged("%s in %s: %w", index.Closed.Name, store, err)
	}
	return closed, nil
}

// readRuns reads a chapter.
func readRuns(ctx context.Context, store Store, o *Object) (runs []*Run, err error) {
	if err := readList(ctx, store, o, &runs); err != nil {
		return nil, err
	}
	if err := checkRuns(runs); err != nil {
		return nil, damaged("%s in %s: %w", o.Name, store, err)
	}
	return runs, nil
}
