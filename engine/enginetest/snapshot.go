package enginetest

import (
	"bytes"
	"errors"
	"strings"

	"everloop/engine"
	"everloop/engine/redo"
	"everloop/wal"
)

// Spoil is something that the engine must not do with snapshots. It is done to what the engine writes, to show that the simulator
// notices.
type Spoil string

// The ways to spoil snapshots. Each leaves something out, or has something wrong.
const (
	SpoilAlarms  Spoil = "alarms that are set"
	SpoilRetries Spoil = "retries of alarms"
	SpoilFailed  Spoil = "alarms that were given up"
	SpoilRunning Spoil = "alarms whose handler runs" // for its instance it is not set
	SpoilNames   Spoil = "names"
	SpoilClasses Spoil = "classes"
	SpoilTags    Spoil = "tags" // one too high
	SpoilSkipped Spoil = "objects that existed before"
	SpoilStaged  Spoil = "what objects are to be restored to"
	// SpoilTwice has a start apply records of an object that its snapshot is up to already.
	SpoilTwice Spoil = "records that are applied twice"
	// SpoilNew leaves out what objects have that had nothing when the new generation began. That is no mistake: all their records are in
	// it.
	SpoilNew Spoil = "objects that are new"
	// SpoilLater writes the keys of objects as they are when the frame is written, with the tag of the slice. That is no mistake, either:
	// the records in between are before the barrier, and what they put and delete is there already.
	SpoilLater Spoil = "content as it was when its slice was taken"
)

// found is what records say, of all objects.
type found struct {
	objects map[[32]byte]remains
	classes map[string]bool // by unique key
}

func newFound() *found { return &found{map[[32]byte]remains{}, map[string]bool{}} }

// remains is what a log has left of one object.
type remains struct {
	content content
	last    wal.LSN // of its records
	named   bool
	written bool // has a record at all
}

// take applies a record of a snapshot, with its tag, or one of the log, with its number.
func (f *found) take(snapshot bool, n wal.LSN, record []byte) {
	rec, err := redo.Parse(record)
	if err == nil && rec.Kind == redo.KindDefineClass {
		f.classes[string(rec.UniqueKey)] = true
	}
	if err != nil || rec.Kind != redo.KindObject {
		return
	}
	r := f.objects[*rec.ID]
	switch {
	case r.written && (n < r.last || n == r.last && !snapshot):
		return // it is there already
	case snapshot && n > r.last:
		r.content, r.named = nil, false // the object has come into being once more, in another place
	}
	if r.content == nil {
		r.content = content{}
	}
	r.last, r.written = n, true
	r.named = r.named || rec.HasName
	f.objects[*rec.ID] = r
	for ops := rec.Ops(); ops.Next(); {
		switch ops.Op {
		case redo.OpPut:
			r.content[string(ops.Key)] = decode(ops.Value)
		case redo.OpDelete:
			delete(r.content, string(ops.Key))
		case redo.OpDeleteAll:
			for k := range r.content.stored() {
				delete(r.content, k)
			}
			r.content.forgetPast()
		default:
			if ofPast(ops.Op) {
				r.content.replayPast(n, &ops)
			} else {
				r.content.replayAlarm(&ops)
			}
		}
	}
}

// takeAll applies the records of a chunk.
func (f *found) takeAll(c *wal.Chunk) error {
	return c.Records(func(n wal.LSN, record []byte) error {
		f.take(c.Snapshot(), n, record)
		return nil
	})
}

// StartSnapshot is how the engine begins a snapshot.
func (j *journal) StartSnapshot() (wal.SnapshotWriter, error) {
	s, err := j.Log.StartSnapshot()
	j.w.note("a snapshot begins behind record %d: %v", j.Last(), j.w.anywhere(err))
	if err != nil {
		return nil, err
	}
	p := &picture{SnapshotWriter: s, j: j, shows: newFound(), before: map[*object]bool{}}
	for _, o := range j.w.objects {
		p.before[o] = len(o.at(j.Last()).content) > 0
	}
	p.began = j.Last()
	return p, nil
}

// picture stands between the engine and its snapshot, and sees every record of it.
type picture struct {
	wal.SnapshotWriter
	j      *journal
	began  wal.LSN // the last record that is not in the new generation is this one, or an earlier one
	before map[*object]bool
	shows  *found
}

func (p *picture) Write(f *wal.Frame) error {
	out := f
	if p.j.w.config.Spoil != "" {
		out = wal.NewFrame()
	}
	err := f.Each(func(tag wal.LSN, record []byte) error {
		p.shows.take(true, tag, record)
		if out != f {
			p.spoil(out, tag, record)
		}
		return nil
	})
	p.j.w.count.Frames++
	p.j.w.note("%d bytes of the snapshot are written", f.Len())
	return errors.Join(err, p.SnapshotWriter.Write(out))
}

// Install checks the snapshot, and has it installed.
func (p *picture) Install(barrier wal.LSN) (wal.SnapshotInfo, error) {
	w := p.j.w
	for _, o := range w.objects {
		r := p.shows.objects[o.id]
		switch v := o.at(r.last); {
		case w.over:
		case r.last > barrier || barrier > p.j.Last():
			w.fail(Snapshots, "the barrier is %d, and %s is shown as of record %d (the log has %d)", barrier, o.name, r.last, p.j.Last())
		case !r.written && !o.wasEmpty(p.began, barrier):
			w.fail(Snapshots, "%s is left out, and had something in its storage from record %d to %d; its last versions are %s",
				o.name, p.began, barrier, o.history())
		case r.written && !v.content.is(r.content):
			w.fail(Snapshots, "%s is shown as %v up to record %d, which it held after none of its turns; its last versions are %s",
				o.name, r.content, r.last, o.history())
		case r.written && v.lsn != 0 && v.lsn != r.last:
			w.fail(Snapshots, "%s is shown up to record %d, and its own record is %d", o.name, r.last, v.lsn)
		case r.written && len(r.content) > 0 && !r.named:
			w.fail(Snapshots, "%s is shown without its name", o.name)
		}
	}
	info, err := p.SnapshotWriter.Install(barrier)
	w.note("the snapshot with barrier %d is installed: %v; durable up to %d", barrier, w.anywhere(err), p.j.Durable())
	if err == nil {
		w.count.Snapshots++
	}
	return info, err
}

func (p *picture) Abort() error {
	p.j.w.note("the snapshot is given up")
	return p.SnapshotWriter.Abort()
}

// wasEmpty reports whether the object had nothing at some moment from one record to another.
func (o *object) wasEmpty(from, to wal.LSN) bool {
	if len(o.at(from).content) == 0 {
		return true
	}
	for _, v := range o.versions {
		if v.lsn > from && v.lsn <= to && len(v.content) == 0 {
			return true
		}
	}
	return false
}

// spoil puts a record into a frame as a broken engine would.
func (p *picture) spoil(f *wal.Frame, tag wal.LSN, record []byte) {
	w := p.j.w
	rec, err := redo.Parse(record)
	if err != nil || rec.Kind != redo.KindObject {
		if err != nil || rec.Kind != redo.KindDefineClass || w.config.Spoil != SpoilClasses {
			f.Add(tag, record)
		}
		return
	}
	var o *object
	for _, m := range w.objects {
		if m.id == *rec.ID {
			o = m
		}
	}
	c := o.at(tag).content
	_, set := c[alarmKey]
	_, retried := c[retriesKey]
	_, failed := c[failedKey]
	leave := false
	switch w.config.Spoil {
	case SpoilAlarms:
		leave = set
	case SpoilRetries:
		leave = retried
	case SpoilFailed:
		leave = failed
	case SpoilRunning:
		leave = set && o.ringing() != nil
	case SpoilTags:
		if tag > 0 && tag < p.j.Last() {
			tag++
		}
	case SpoilSkipped:
		if p.before[o] && o.index == len(w.objects)-1 {
			return
		}
	case SpoilNew:
		if !p.before[o] {
			w.count.LeftOut++
			f.Add(0, redo.AppendNamedObject(nil, rec.Class, rec.ID, string(rec.Name))) // it may have been live, and its name be logged
			return
		}
	}
	out := redo.AppendObject(nil, rec.Class, rec.ID)
	if rec.HasName && w.config.Spoil != SpoilNames {
		out = redo.AppendNamedObject(nil, rec.Class, rec.ID, string(rec.Name))
	}
	if w.config.Spoil == SpoilLater {
		if last := o.versions[len(o.versions)-1]; last.lsn > tag {
			w.count.LeftOut++
		}
		for k, v := range o.content.stored() {
			out = redo.AppendPut(out, k, encode(v))
		}
	}
	for ops := rec.Ops(); ops.Next(); {
		switch ops.Op {
		case redo.OpPut:
			if w.config.Spoil != SpoilLater {
				out = redo.AppendPut(out, string(ops.Key), ops.Value)
			}
		case redo.OpStageBegin:
			if w.config.Spoil != SpoilStaged {
				out = redo.AppendStageBegin(out, ops.Epoch, ops.LSN)
			}
		case redo.OpStagePut:
			if w.config.Spoil != SpoilStaged {
				out = redo.AppendStagePut(out, string(ops.Key), ops.Value)
			}
		case redo.OpStageReady:
			if w.config.Spoil != SpoilStaged {
				out = redo.AppendStageReady(out)
			}
		case redo.OpRestored:
			out = redo.AppendRestored(out, ops.LSN)
		case redo.OpSetAlarm:
			if !leave {
				out = redo.AppendSetAlarm(out, ops.TimeMs)
			}
		case redo.OpRetryAlarm:
			switch {
			case !leave:
				out = redo.AppendRetryAlarm(out, ops.TimeMs, ops.Runs, ops.NextMs)
			case w.config.Spoil == SpoilRetries:
				out = redo.AppendSetAlarm(out, ops.TimeMs)
			}
		case redo.OpFailAlarm:
			if !leave {
				out = redo.AppendFailAlarm(out, ops.TimeMs, ops.Runs, ops.NextMs, string(ops.Error))
			}
		}
	}
	f.Add(tag, out)
}

// untagged is a chunk of a snapshot without its tags.
func untagged(c *wal.Chunk) *wal.Chunk {
	var records [][]byte
	_ = c.Records(func(_ wal.LSN, record []byte) error {
		records = append(records, bytes.Clone(record))
		return nil
	})
	return wal.NewChunk(true, make([]wal.LSN, len(records)), records)
}

// snapshot does one thing with snapshots.
func (w *world) snapshot() {
	switch {
	case w.config.TwoLogs: // what is not in a snapshot of two logs would say nothing
	case w.pick(6) == 5:
		w.recall()
	case w.snapshots == 0:
		w.photograph()
	case w.pick(8) == 7:
		w.photograph() // joins the one under way
	default:
		w.work()
	}
}

// photograph asks for a snapshot.
func (w *world) photograph() {
	w.note("a snapshot is asked for")
	w.snapshots++
	w.engine.BeginSnapshot(func(i engine.SnapshotInfo, err error) {
		if w.over {
			return
		}
		w.snapshots--
		w.note("who asked for the snapshot is told: %v", w.anywhere(err))
		switch {
		case err == nil, w.journal.Err() != nil, w.wasHurt:
		case errors.Is(err, wal.ErrNoSpace) && w.wasFull:
		default:
			w.fail(Snapshots, "a snapshot ended with an error that nothing explains: %v", err)
		}
	})
}

// queueWork queues work of a snapshot that is done off the loops.
func (w *world) queueWork(work func()) {
	if w.over {
		work() // the engine waits for it
		return
	}
	w.works = append(w.works, work)
}

// work does the next piece of the work that snapshots do off the loops.
func (w *world) work() bool {
	if len(w.works) == 0 {
		return false
	}
	next := w.works[0]
	w.works = w.works[1:]
	next()
	w.wait()
	return true
}

// recall reads the history as it was at some record, and compares it with the versions of this life.
func (w *world) recall() {
	if w.config.TwoLogs {
		return // it would show what is lost
	}
	h, err := w.journal.Log.History()
	if err != nil {
		if w.journal.Err() == nil && !w.wasHurt {
			w.fail(Snapshots, "the history cannot be read: %v", err)
		}
		return
	}
	defer func() {
		if err := h.Close(); err != nil {
			w.fail(Snapshots, "the history cannot be closed: %v", err)
		}
	}()
	from, end := max(h.Start().LSN, w.began), h.End().LSN
	if end < from {
		return // nothing of this life yet
	}
	to := from + wal.LSN(w.pick(int(end-from)+1))
	f := newFound()
	if err := h.Read(to, f.takeAll); err != nil {
		w.fail(Snapshots, "the history up to record %d cannot be read: %v", to, err)
		return
	}
	w.note("the history up to record %d is read, of %d to %d", to, h.Start().LSN, end)
	w.count.Recalls++
	for _, o := range w.objects {
		if v := o.at(to); !v.content.is(f.objects[o.id].content) {
			w.fail(Snapshots, "at record %d the history has %v of %s, which held %v", to, f.objects[o.id].content, o.name, v.content)
		}
	}
}

// anywhere is the text of an error without the directory, which is another one each time.
func (w *world) anywhere(err error) string {
	if err == nil {
		return "<nil>"
	}
	if w.config.Dir == "" {
		return err.Error()
	}
	return strings.ReplaceAll(err.Error(), w.config.Dir, "DIR")
}
