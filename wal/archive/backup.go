package archive

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"everloop/wal"
)

// senders is the number of objects that are compressed and sent at once.
const senders = 4

// Options of a backup. The zero value works.
type Options struct {
	// Keep is how long history stays in the backup: what is only needed to restore to a moment longer ago is removed. 0: for ever.
	Keep time.Duration
	// Logger gets a line for what goes on in a backup that goes on. Default slog.Default().
	Logger *slog.Logger
	// Progress is called while objects are sent, with the bytes of the data directory that are done and those that are known to be to do. Calls may come from
	// several goroutines, and never overlap. Default: nobody is told.
	Progress func(done, total int64)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Backup takes backups of one data directory in one place. Of one goroutine.
type Backup struct {
	store  Store
	dir    string
	o      Options
	writer string
	unlock func()

	index  *Index           // what the place holds; nil before the first look, empty before the first backup
	tag    string           // of it
	closed []*Generation    // index.Closed, read
	mu     sync.Mutex       // guards there, and the counters of a pass
	there  map[string]int64 // objects in the store, with their sizes; nil until it was listed
	gone   []string         // objects that are not in the index any more and could not be removed yet
	swept  bool             // leftovers of earlier runs were removed

	encoder *zstd.Encoder
	meter   meter
}

// Result tells what a pass has done.
type Result struct {
	Changed  bool    // the index was replaced
	Objects  int     // sent
	Bytes    int64   // of them, as they are stored
	Removed  int     // objects
	Last     wal.LSN // the last record that is in the backup
	Time     time.Time
	Batch    uint64 // the last batch, and its generation
	Newest   uint64
	Gap      bool // history before the newest generations is missing: they were removed before they could be read
	Restarts int  // generations vanished so many times meanwhile
}

// NewBackup begins a backup of a data directory in a store, and locks the store where that is possible. The directory is first read by Pass. Close must follow.
func NewBackup(store Store, dir string, o Options) (*Backup, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(senders), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	unlock, err := store.Lock()
	if err != nil {
		return nil, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the program instead
	return &Backup{
		store: store, dir: abs, o: o, writer: hex.EncodeToString(id[:]), unlock: unlock,
		encoder: encoder, meter: meter{tell: o.Progress},
	}, nil
}

// Close lets go of the store.
func (b *Backup) Close() error {
	b.unlock()
	return b.encoder.Close()
}

// Pass brings the backup to what is in the data directory now. When it fails, what the store held before is whole, and another Pass may follow: what was
// sent need not be sent again.
//
// The error matches ErrConflict when another backup has written to the store meanwhile, ErrDiverged when the data directory is not the one that the store
// has a backup of, wal.ErrCorrupt when the directory is damaged, and ErrDamaged when the backup is.
func (b *Backup) Pass(ctx context.Context) (Result, error) {
	if b.index == nil {
		if err := b.load(ctx); err != nil {
			return Result{}, err
		}
	}
	p := &pass{Backup: b, next: b.index.clone(), closed: slices.Clone(b.closed), dropped: map[string]bool{}}
	for {
		err := p.run(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errVanished) {
			return p.result, err
		}
		p.result.Restarts++
	}
	if err := p.finish(ctx); err != nil {
		return p.result, err
	}
	return p.result, nil
}

// load reads what the store holds.
func (b *Backup) load(ctx context.Context) error {
	data, tag, err := b.store.Index(ctx)
	if err != nil {
		return fmt.Errorf("read the index of %s: %w", b.store, err)
	}
	if tag == "" {
		b.index, b.tag, b.closed = &Index{}, "", nil
		return nil
	}
	index, err := decodeIndex(data)
	if err != nil {
		return fmt.Errorf("%s: %w", b.store, err)
	}
	closed, err := readClosed(ctx, b.store, index)
	if err != nil {
		return err
	}
	b.index, b.tag, b.closed = index, tag, closed
	return nil
}

// pass is one run of Pass, on a copy of the index.
type pass struct {
	*Backup
	next    *Index
	closed  []*Generation
	changed bool            // next is not what the store holds any more
	dropped map[string]bool // objects that next does not name any more
	result  Result
}

// run reads the data directory and sends what is new.
func (p *pass) run(ctx context.Context) error {
	r, err := openReading(p.dir)
	if err != nil {
		return err
	}
	if err := p.recognise(r); err != nil {
		return err
	}
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	err = p.read(sending, r, group)
	if werr := group.Wait(); werr != nil && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errVanished)) {
		err = werr // it has ended the others, or has left a run unsent that another try would take for sent
	}
	if err != nil {
		return err
	}
	return p.fold(ctx)
}

// recognise holds the directory to be the one that the backup is of.
func (p *pass) recognise(r *reading) error {
	x := p.next
	if x.Log == "" {
		x.Log, x.Made = logName(r.man.LogID), r.man.MadeUnixMs
		p.changed = true
	}
	newest := x.newest()
	switch {
	case x.Log != logName(r.man.LogID):
		return fmt.Errorf("%w: %s has log %016x, and %s is a backup of log %s: name another place for the backup", ErrDiverged, p.dir, r.man.LogID, p.store, x.Log)
	case newest == nil:
	case newest.Generation > r.man.Newest:
		return p.diverged(fmt.Sprintf("the backup reaches to generation %d, the directory to %d", newest.Generation, r.man.Newest))
	case newest.Generation >= r.man.Kept:
		// The chain of its batches decides.
	case x.Made != r.man.MadeUnixMs || x.Epoch > r.man.Epoch || newest.end() > r.man.Base:
		return p.diverged("it was restored or repaired, and nothing is left in it of what the backup ends with")
	}
	if x.Epoch != r.man.Epoch || x.Made != r.man.MadeUnixMs {
		x.Epoch, x.Made = max(x.Epoch, r.man.Epoch), r.man.MadeUnixMs
		p.changed = true
	}
	return nil
}

func (p *pass) diverged(why string) error {
	return fmt.Errorf("%w: %s: name another place for the backup of %s, and keep what is in %s as long as it may be needed", ErrDiverged, why, p.dir, p.store)
}

// read goes through the generations of the directory.
func (p *pass) read(ctx context.Context, r *reading, group *errgroup.Group) error {
	for number := r.man.Kept; number <= r.man.Newest; number++ {
		g := p.generation(number)
		if g != nil && g.Complete {
			continue
		}
		if g == nil && number < p.lastNumber() {
			continue // older than what is here: a backup goes forward
		}
		if g == nil {
			base, crc, err := r.base(number)
			if err != nil {
				return err
			}
			before := p.next.newest()
			switch {
			case before == nil:
			case before.Complete && before.Generation == number-1 && before.end() == base && before.endCRC() == crc:
			case before.end() > base || before.Complete && before.Generation == number-1:
				return p.diverged(fmt.Sprintf("generation %d does not follow what is in the backup", number))
			default:
				p.result.Gap = true
				p.o.Logger.Warn("generations of the log were removed before they could be backed up: the backup cannot restore to moments between",
					"dir", p.dir, "from", unixMilli(before.To), "after_record", before.end(), "until_record", base)
			}
			g = &Generation{Generation: number, Base: base, BaseCRC: crc}
			p.next.Generations = append(p.next.Generations, g)
			p.changed = true
		}
		if err := p.takeSnapshot(ctx, r, g); err != nil {
			return err
		}
		sent := map[*Run]bool{}
		err := r.generation(ctx, g, func(s *stretch) error { return p.takeStretch(ctx, r, g, s, sent, group) })
		if err != nil {
			if errors.Is(err, ErrDiverged) {
				return p.diverged(strings.TrimPrefix(err.Error(), ErrDiverged.Error()+": "))
			}
			return err
		}
		if number < r.man.Newest {
			g.Complete, p.changed = true, true
		}
	}
	return nil
}

// generation finds one that is here.
func (p *pass) generation(number uint64) *Generation {
	for _, list := range [][]*Generation{p.next.Generations, p.closed} {
		if i := slices.IndexFunc(list, func(g *Generation) bool { return g.Generation == number }); i >= 0 {
			return list[i]
		}
	}
	return nil
}

func (p *pass) lastNumber() uint64 {
	if g := p.next.newest(); g != nil {
		return g.Generation
	}
	return 0
}

// takeSnapshot sends the snapshot in front of g, unless it is here or is not installed yet.
func (p *pass) takeSnapshot(ctx context.Context, r *reading, g *Generation) error {
	if g.Snapshot != nil || g.Generation > r.man.Oldest {
		return nil
	}
	f, err := r.snapshot(g.Generation)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	p.meter.add(st.Size())
	hash := sha256.New()
	info, err := wal.CheckSnapshot(withContext(ctx, io.TeeReader(f, hash)), st.Size(), f.Name(), g.place(r.man.LogID, r.man.Epoch))
	if err != nil {
		return err
	}
	o := &Object{Size: st.Size(), Codec: codecPlain}
	var sum [sha256.Size]byte
	hash.Sum(sum[:0])
	o.SHA256, o.Name = hex.EncodeToString(sum[:]), snapObject(g.Generation, sum)
	err = p.send(ctx, o, func() (io.ReadCloser, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return io.NopCloser(p.meter.count(f)), nil
	})
	if err != nil {
		return err
	}
	g.Snapshot = &Snapshot{Barrier: info.Barrier, Records: info.Records, Time: info.Time.UnixMilli(), Object: o}
	p.changed = true
	return nil
}

// takeStretch places the batches of a segment, and has them sent.
func (p *pass) takeStretch(ctx context.Context, r *reading, g *Generation, s *stretch, sent map[*Run]bool, group *errgroup.Group) error {
	at := len(g.Runs) // of the segment's first run here
	for at > 0 && g.Runs[at-1].Segment == s.segment {
		at--
	}
	parts := g.Runs[at:]
	switch {
	case s.fresh.Batches == 0 && !(s.full && len(parts) > 0 && parts[0].Level > 0):
		return nil
	case !s.claimed:
		if err := wal.SyncSegment(r.dir, g.Generation, s.segment); err != nil {
			return r.missing(g.Generation, err)
		}
	}
	if s.fresh.Batches > 0 {
		g.take(&s.fresh)
	}
	p.changed = true
	var placed []*Run
	if s.full {
		whole := s.whole
		placed = []*Run{&whole}
	} else {
		fresh := s.fresh
		fresh.Level = 1
		placed = merge(append(slices.Clone(parts), &fresh))
	}
	for _, old := range parts {
		if !slices.Contains(placed, old) {
			p.drop(old.Object)
		}
	}
	g.Runs = append(g.Runs[:at:at], placed...)
	var offset int64
	for _, run := range placed {
		content := s.data[offset : offset+run.Bytes]
		offset += run.Bytes
		if run.Object != nil || sent[run] {
			continue
		}
		sent[run] = true
		run.Object = &Object{} // filled in by the one who sends it
		p.meter.add(run.Bytes)
		group.Go(func() error {
			return p.sendBytes(ctx, run.Object, content, func(sum [sha256.Size]byte) string { return logObject(g.Generation, run.First, sum) })
		})
	}
	return nil
}

// merge puts parts of one level at the end together.
func merge(parts []*Run) []*Run {
	for len(parts) >= maxParts {
		tail := parts[len(parts)-maxParts:]
		if slices.ContainsFunc(tail, func(r *Run) bool { return r.Level != tail[0].Level }) || tail[0].Level == maxLevel {
			break
		}
		sum := *tail[0]
		sum.Level++
		sum.Object = nil
		for _, r := range tail[1:] {
			sum.Batches += r.Batches
			sum.Last, sum.CRC, sum.epoch = r.Last, r.CRC, r.epoch
			sum.From, sum.To = min(sum.From, r.From), max(sum.To, r.To)
			sum.Bytes += r.Bytes
		}
		parts = append(parts[:len(parts)-maxParts], &sum)
	}
	return parts
}

func (p *pass) drop(o *Object) {
	if o != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.dropped[o.Name] = true
	}
}

// wanted takes back that an object was dropped: a part that is the whole segment in the end has the same name.
func (p *pass) wanted(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.dropped, name)
	p.gone = slices.DeleteFunc(p.gone, func(gone string) bool { return gone == name })
}

// sendBytes compresses, names and sends a content.
func (p *pass) sendBytes(ctx context.Context, o *Object, content []byte, name func(sum [sha256.Size]byte) string) error {
	stored := content
	o.Codec = codecPlain
	if packed := p.encoder.EncodeAll(content, make([]byte, 0, len(content)/2+512)); len(packed) < len(content) {
		stored, o.Codec = packed, codecZstd
	}
	sum := sha256.Sum256(stored)
	o.Size, o.SHA256, o.Name = int64(len(stored)), hex.EncodeToString(sum[:]), name(sum)
	err := p.send(ctx, o, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(stored)), nil })
	p.meter.done(int64(len(content)))
	return err
}

// send puts an object into the store, unless it is there.
func (p *pass) send(ctx context.Context, o *Object, open func() (io.ReadCloser, error)) error {
	p.wanted(o.Name)
	there, err := p.has(ctx, o)
	if there || err != nil {
		return err
	}
	err = p.store.Put(ctx, o.Name, o.Size, func() (io.ReadCloser, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		return &section{Reader: &sumReader{r: r, o: o, left: o.Size, hash: sha256.New()}, Closer: r}, nil
	})
	if err != nil {
		return fmt.Errorf("send %s to %s: %w", o.Name, p.store, err)
	}
	p.sent(o)
	return nil
}

// list reads once which objects the store has.
func (b *Backup) list(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.there != nil {
		return nil
	}
	there := map[string]int64{}
	err := b.store.List(ctx, func(name string, size int64) error {
		if _, ok := parseName(name); ok {
			there[name] = size
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", b.store, err)
	}
	b.there = there
	return nil
}

func (b *Backup) has(ctx context.Context, o *Object) (bool, error) {
	if err := b.list(ctx); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	size, ok := b.there[o.Name]
	return ok && size == o.Size, nil
}

func (p *pass) sent(o *Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there[o.Name] = o.Size
	p.result.Objects++
	p.result.Bytes += o.Size
}

// sumReader holds what is sent to the sum that stands in the index.
type sumReader struct {
	r    io.Reader
	o    *Object
	left int64
	hash interface {
		io.Writer
		Sum(b []byte) []byte
	}
}

func (s *sumReader) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	_, _ = s.hash.Write(b[:n]) // never fails
	s.left -= int64(n)
	if s.left <= 0 && (s.left < 0 || hex.EncodeToString(s.hash.Sum(nil)) != s.o.SHA256) {
		return 0, fmt.Errorf("%s has changed while it was sent: the disk does not return what it was read from before", s.o.Name)
	}
	return n, err
}

// fold moves what does not change any more out of the index.
func (p *pass) fold(ctx context.Context) error {
	for _, g := range p.next.Generations {
		full := 0
		for full < len(g.Runs) && g.Runs[full].Level == 0 {
			full++
		}
		if g.Complete {
			full = len(g.Runs)
		}
		if full == 0 || full <= maxFull && !g.Complete {
			continue
		}
		o, err := p.sendList(ctx, g.Runs[:full])
		if err != nil {
			return err
		}
		g.Chapters, g.Runs = append(g.Chapters, o), slices.Clone(g.Runs[full:])
		p.changed = true
	}
	moved := false
	for len(p.next.Generations) > maxOpen {
		p.closed, moved = append(p.closed, p.next.Generations[0]), true
		p.next.Generations = p.next.Generations[1:]
	}
	return p.storeClosed(ctx, moved)
}

// storeClosed writes the list of older generations anew.
func (p *pass) storeClosed(ctx context.Context, changed bool) (err error) {
	if !changed {
		return nil
	}
	p.changed = true
	p.drop(p.next.Closed)
	if p.next.Closed = nil; len(p.closed) > 0 {
		p.next.Closed, err = p.sendList(ctx, p.closed)
	}
	return err
}

func (p *pass) sendList(ctx context.Context, list any) (*Object, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("write a list: %w", err)
	}
	if len(text) > maxIndex {
		return nil, fmt.Errorf("a list of the index would have %d bytes, more than %d: take a new backup in another place, or keep less (--keep)", len(text), maxIndex)
	}
	o := &Object{}
	p.meter.add(int64(len(text)))
	return o, p.sendBytes(ctx, o, text, listObject)
}

// finish prunes, replaces the index, and removes what it does not name any more.
func (p *pass) finish(ctx context.Context) error {
	if err := p.prune(ctx); err != nil {
		return err
	}
	if g := p.next.newest(); g != nil {
		p.result.Last, p.result.Batch, p.result.Newest, p.result.Time = g.end(), g.Batches, g.Generation, unixMilli(g.To)
	}
	if p.changed {
		if err := p.checkThere(ctx); err != nil {
			return err
		}
		if err := p.replace(ctx); err != nil {
			return err
		}
		p.result.Changed = true
		for name := range p.dropped {
			p.gone = append(p.gone, name)
		}
	}
	if err := p.sweep(ctx); err != nil {
		return err
	}
	removed := len(p.gone)
	if removed == 0 {
		return nil
	}
	if err := p.store.Remove(ctx, p.gone); err != nil {
		return fmt.Errorf("remove objects that are not needed any more from %s: %w", p.store, err)
	}
	p.mu.Lock()
	for _, name := range p.gone {
		delete(p.there, name)
	}
	p.mu.Unlock()
	p.gone, p.result.Removed = nil, removed
	return nil
}

// checkThere holds what the next index names in itself to be in the store.
func (p *pass) checkThere(ctx context.Context) error {
	if err := p.list(ctx); err != nil {
		return err
	}
	for _, o := range p.next.objects(p.closed) {
		if size, ok := p.there[o.Name]; !ok || size != o.Size {
			return damaged("%s does not have %s, of %d bytes: `everloop verify` tells what is whole; take a new backup in another place", p.store, o.Name, o.Size)
		}
	}
	return nil
}

// objects are those that an index names, without those that its chapters name.
func (x *Index) objects(closed []*Generation) (all []*Object) {
	add := func(o *Object) {
		if o != nil {
			all = append(all, o)
		}
	}
	add(x.Closed)
	for _, g := range slices.Concat(closed, x.Generations) {
		for _, c := range g.Chapters {
			add(c)
		}
		for _, r := range g.Runs {
			add(r.Object)
		}
		if g.Snapshot != nil {
			add(g.Snapshot.Object)
		}
	}
	return all
}

// replace makes next what the store holds.
func (p *pass) replace(ctx context.Context) error {
	p.next.Writer, p.next.Serial, p.next.Updated = p.writer, p.next.Serial+1, p.o.Now().UnixMilli()
	data, err := p.next.encode()
	if err != nil {
		return err
	}
	tag, err := p.store.Replace(ctx, data, p.tag)
	if err != nil {
		// It may have arrived, and only the answer was lost.
		now, nowTag, rerr := p.store.Index(ctx)
		if rerr != nil || nowTag == "" || !bytes.Equal(now, data) {
			return fmt.Errorf("replace the index of %s: %w", p.store, err)
		}
		tag = nowTag
	}
	p.Backup.index, p.Backup.tag, p.Backup.closed = p.next, tag, p.closed
	return nil
}

// sweep finds, once in a run that has replaced the index, what an interrupted run has left.
func (p *pass) sweep(ctx context.Context) error {
	if p.swept || !p.result.Changed {
		return nil
	}
	named := map[string]bool{}
	for _, o := range p.next.objects(p.closed) {
		named[o.Name] = true
	}
	for _, g := range p.next.Generations {
		for _, c := range g.Chapters {
			runs, err := readRuns(ctx, p.store, c)
			if err != nil {
				return err
			}
			for _, r := range runs {
				named[r.Object.Name] = true
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.there {
		o, _ := parseName(name)
		ofClosed := o.folder == "log" && slices.ContainsFunc(p.closed, func(g *Generation) bool { return g.Generation == o.generation })
		if !named[name] && !ofClosed && !p.dropped[name] {
			p.gone = append(p.gone, name)
		}
	}
	p.Backup.swept = true
	return nil
}

// prune leaves out of the index what only older moments need than are to be kept.
func (p *pass) prune(ctx context.Context) error {
	if p.o.Keep <= 0 || p.next.newest() == nil {
		return nil
	}
	all := slices.Concat(p.closed, p.next.Generations)
	first, ok, err := p.neededSince(ctx, all, p.o.Now().Add(-p.o.Keep).UnixMilli())
	if err != nil || !ok || all[first].Generation == all[0].Generation {
		return err
	}
	for _, g := range all[:first] {
		for _, c := range g.Chapters {
			runs, err := readRuns(ctx, p.store, c)
			if err != nil {
				return err
			}
			for _, r := range runs {
				p.drop(r.Object)
			}
			p.drop(c)
		}
		for _, r := range g.Runs {
			p.drop(r.Object)
		}
		if g.Snapshot != nil {
			p.drop(g.Snapshot.Object)
		}
	}
	moved := min(first, len(p.closed))
	p.closed = slices.Clone(p.closed[moved:])
	p.next.Generations = slices.Clone(p.next.Generations[first-moved:])
	p.changed = true
	return p.storeClosed(ctx, moved > 0)
}

// neededSince finds the generation that a restore to a moment begins with.
func (p *pass) neededSince(ctx context.Context, all []*Generation, moment int64) (first int, ok bool, err error) {
	end, err := locate(ctx, all, moment, func(ctx context.Context, c *Object) ([]*Run, error) { return readRuns(ctx, p.store, c) })
	if err != nil || end.run == nil {
		return 0, false, err
	}
	// Somewhere in the run is what a restore would end with, and no barrier up to the record before the run is above that.
	first, err = start(all, end.index, end.before)
	return first, err == nil, nil
}

// meter counts what a backup does, for people who wait. Safe for concurrent use.
type meter struct {
	mu          sync.Mutex
	tell        func(done, total int64)
	soFar, goal int64
}

func (m *meter) add(n int64) { m.change(0, n) }

func (m *meter) done(n int64) { m.change(n, 0) }

func (m *meter) change(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.soFar += done
	m.goal += total
	if m.tell != nil {
		m.tell(m.soFar, m.goal)
	}
}

// count counts what is read from r.
func (m *meter) count(r io.Reader) io.Reader { return &counted{r, m} }

type counted struct {
	r io.Reader
	m *meter
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.m.done(int64(n))
	return n, err
}
