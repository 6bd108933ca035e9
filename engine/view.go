package engine

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"everloop/engine/internal/kv"
	"everloop/wal"
)

// View is what a data directory held at a moment: its classes and objects, in memory, read-only. Safe for concurrent use.
type View struct {
	at         wal.Position
	classes    []ViewClass
	byNumber   map[uint32]ViewClass
	migrations []string
	owners     []*owner // without loops: their tables, and what is beside them
	metrics    metrics
}

// ViewOptions of OpenView. The zero value is everything that is durable.
type ViewOptions struct {
	// To is the number of the last record that the view has. 0: the last one that is durable. wal.ErrNoHistory if it is not kept.
	To wal.LSN
	// At is a moment, instead of To: the view has what had been committed by then. wal.ErrNoHistory if it is not kept.
	At time.Time
	// Torn reads a directory that no process has open up to its last complete batch, as a start would. Otherwise what a process
	// may be writing just now is left out.
	Torn bool
	// Progress is told how many bytes were read, of how many, now and then, on the calling goroutine.
	Progress func(done, total int64)
	// Only, if not nil, says which objects the view has; the others take neither memory nor much time. It is called on several goroutines, very
	// often. class is what the log calls the class: its name may not be known yet.
	Only func(class uint32, id *[32]byte) bool
}

// ViewClass is a class of a view. Its number is what the log calls it.
type ViewClass struct {
	Number    uint32
	Name      string
	UniqueKey string
}

// ViewObject is an object of a view: everything of it that is durable.
type ViewObject struct {
	Class ViewClass
	ID    [32]byte
	Name  string // that the ID was made from, if Named
	Named bool
	LSN   wal.LSN // of its last write
	rec   *record
	// Staged: its next start restores it to what it was before, or makes it the fork that it is to be. The keys are what they are until then.
	Staged bool
	// Alarm is what is set, Failed what was given up; at most one of them is there.
	Alarm  *ViewAlarm
	Failed *ViewFailure
}

// ViewAlarm is an alarm: what it was set for, how many of its runs have failed and count, and when the next is due. Times are
// milliseconds since 1970 (UTC).
type ViewAlarm struct {
	Time    int64
	Retries int
	Next    int64
}

// ViewFailure is an alarm that was given up: what it was set for, how often it ran, when it was given up, and the last error. Times
// are milliseconds since 1970 (UTC).
type ViewFailure struct {
	Time int64
	Runs int
	At   int64
	Err  string
}

// OpenView reads the objects of a data directory, at the moment that o says, without its lock: another process may be running on
// it. The memory that it takes is that of the objects.
func OpenView(dir string, o ViewOptions) (*View, error) {
	return openView(func() (wal.History, error) { return wal.OpenHistory(dir, wal.ReadOptions{Torn: o.Torn}) }, o)
}

// openView is OpenView of the history that open opens. A process that runs on the directory may remove a generation between the opening and the
// reading, as nothing pins it there: then the history is opened anew, and begins later. It ends, since each time takes the other process a snapshot.
func openView(open func() (wal.History, error), o ViewOptions) (*View, error) {
	var before wal.LSN
	for again := false; ; again = true {
		h, err := open()
		if err != nil {
			return nil, err
		}
		start := h.Start().LSN
		var v *View
		to, err := o.moment(h)
		if err == nil {
			v, err = viewOf(h, to, o)
		}
		_ = h.Close() // it was only read
		if err == nil || !errors.Is(err, wal.ErrNoHistory) || again && start == before {
			return v, err
		}
		before = start
	}
}

// moment is the number of the last record that the view has.
func (o *ViewOptions) moment(h wal.History) (wal.LSN, error) {
	if o.To != 0 {
		return o.To, nil
	}
	if o.At.IsZero() {
		return h.End().LSN, nil
	}
	p, err := h.At(o.At)
	return p.LSN, err
}

// viewLoaders bounds the goroutines that put a view together.
const viewLoaders = 4

// viewOf is OpenView of a history that is open, up to record to.
func viewOf(h wal.History, to wal.LSN, o ViewOptions) (*View, error) {
	v := &View{at: wal.Position{LSN: to}, byNumber: make(map[uint32]ViewClass)}
	for _, p := range []wal.Position{h.Start(), h.End()} {
		if p.LSN == to {
			v.at = p
		}
	}
	for i := range min(runtime.GOMAXPROCS(0), viewLoaders) {
		own := &owner{index: i, table: newTable(&v.metrics.objects), pasts: make(map[uint32]*pasts)}
		own.initAlarms(&v.metrics, 0)
		v.owners = append(v.owners, own)
	}
	c := newCatalog()
	l := beginLoading(&c, v.owners, o.Only, o.Progress)
	err := h.Read(to, l.take)
	if cause := l.finish(); cause != nil {
		err = cause // the reader knows only that there was one
	}
	if err != nil {
		return nil, err
	}
	v.know(&c)
	return v, nil
}

// know takes what there is to know of classes.
func (v *View) know(c *catalog) {
	for key, def := range c.defined {
		k := ViewClass{Number: def.number, Name: def.name, UniqueKey: key}
		v.byNumber[k.Number] = k
		v.classes = append(v.classes, k)
	}
	slices.SortFunc(v.classes, func(a, b ViewClass) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number)) })
	v.migrations = c.migrations
}

// Position is the moment that the view shows. Its epoch and time are known if it is the end of what is durable, or the beginning of
// what is kept.
func (v *View) Position() wal.Position { return v.at }

// Classes are the classes, by name.
func (v *View) Classes() []ViewClass { return v.classes }

// Migrations are the tags of the migrations that were applied, in order.
func (v *View) Migrations() []string { return v.migrations }

// Len is the number of objects that have something durable.
func (v *View) Len() int { return int(v.metrics.objects.Load()) }

// Objects calls fn with the objects that have something durable, by the name of their class, then by ID. The object is valid until fn
// returns. An error of fn ends it and is returned.
func (v *View) Objects(fn func(*ViewObject) error) error {
	type place struct {
		class int // in the order of names
		own   *owner
		slot  uint32
	}
	order := make(map[uint32]int, len(v.classes))
	for i, k := range v.classes {
		order[k.Number] = i
	}
	places := make([]place, 0, v.Len())
	for _, o := range v.owners {
		for slot := range uint32(len(o.table.slabs)) * slabSize {
			r := o.table.at(slot)
			if !r.used || !v.tells(o, slot) {
				continue
			}
			class, known := order[r.class]
			if !known {
				return fmt.Errorf("engine: the object %x is of class %d, which nothing defines", r.id, r.class)
			}
			places = append(places, place{class, o, slot})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.class != b.class {
			return cmp.Compare(a.class, b.class)
		}
		return bytes.Compare(a.own.table.at(a.slot).id[:], b.own.table.at(b.slot).id[:])
	})
	for i := range places {
		if err := fn(v.object(places[i].own, places[i].slot)); err != nil {
			return err
		}
	}
	return nil
}

// tells reports whether there is anything to tell of an object. One that was restored and is empty keeps its place, for the sake of an undo.
func (v *View) tells(o *owner, slot uint32) bool {
	r, p := o.table.at(slot), o.pasts[slot]
	return r.store.Len() > 0 || r.alarm != 0 || o.alarms.failed[slot] != nil || p != nil && p.ready != nil
}

// Object returns an object of the view, or nil. Valid as long as the view.
func (v *View) Object(class uint32, id *[32]byte) *ViewObject {
	x := ID{bytes: *id}
	for _, o := range v.owners {
		if r, slot := o.table.find(class, &x); r != nil {
			return v.object(o, slot)
		}
	}
	return nil
}

func (v *View) object(o *owner, slot uint32) *ViewObject {
	r := o.table.at(slot)
	x := &ViewObject{Class: v.byNumber[r.class], ID: r.id, LSN: r.lsn, rec: r}
	if p := o.pasts[slot]; p != nil {
		x.Staged = p.ready != nil
	}
	if r.name.known() {
		x.Name, x.Named = r.name.String(), true
	}
	if al := o.alarms.of(r); al != nil {
		x.Alarm = &ViewAlarm{Time: al.at, Retries: int(al.retries), Next: al.next}
	}
	if f := o.alarms.failed[slot]; f != nil {
		x.Failed = &ViewFailure{Time: f.at, Runs: int(f.runs), At: f.when, Err: f.err}
	}
	return x
}

// Scan calls fn with the keys in the order of their bytes, and their values as they are stored (docs/format/value.md), until it returns
// false. encoded is valid as long as the view and must not be changed.
func (o *ViewObject) Scan(fn func(key string, encoded []byte) bool) {
	o.rec.store.Scan(kv.Range{}, func(key, value []byte) bool { return fn(string(key), value) })
}

// Get returns the value of a key as it is stored, valid as long as the view.
func (o *ViewObject) Get(key string) (encoded []byte, ok bool) { return o.rec.store.Get(key) }

// Len is the number of keys.
func (o *ViewObject) Len() int { return o.rec.store.Len() }
