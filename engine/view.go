package engine

import (
	"errors"

	"everloop/wal"
)

// View is what a data directory held at a moment: its classes and objects, in memory, read-only. Safe for concurrent use.
type View struct {
	at         wal.Position
	classes    []ViewClass
	migrations []string
}

// ViewOptions of OpenView. The zero value is everything that is durable.
type ViewOptions struct {
	// To is the number of the last record that the view has. 0: the last one that is durable. wal.ErrNoHistory if it is not kept.
	To wal.LSN
	// Torn reads a directory that no process has open up to its last complete batch, as a start would. Otherwise what a process
	// may be writing just now is left out.
	Torn bool
	// Progress is told how many bytes were read, of how many, now and then, on the calling goroutine.
	Progress func(done, total int64)
	// Only, if not nil, says which objects the view has; the others take no memory. It is called on several goroutines, very often.
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
func OpenView(dir string, o ViewOptions) (*View, error) { return nil, errors.ErrUnsupported }

// viewOf is OpenView of a history that is open. to is not below h.Start and not above h.End.
func viewOf(h wal.History, to wal.LSN, o ViewOptions) (*View, error) {
	return nil, errors.ErrUnsupported
}

// Position is the moment that the view shows.
func (v *View) Position() wal.Position { return v.at }

// Classes are the classes, by name.
func (v *View) Classes() []ViewClass { return v.classes }

// Migrations are the tags of the migrations that were applied, in order.
func (v *View) Migrations() []string { return v.migrations }

// Objects calls fn with the objects that have something durable, by the name of their class, then by ID. The object is valid until fn
// returns. An error of fn ends it and is returned.
func (v *View) Objects(fn func(*ViewObject) error) error { return nil }

// Object returns an object of the view, or nil. Valid as long as the view.
func (v *View) Object(class uint32, id *[32]byte) *ViewObject { return nil }

// Scan calls fn with the keys in the order of their bytes, and their values as they are stored (docs/format/value.md), until it returns
// false. encoded is valid as long as the view and must not be changed.
func (o *ViewObject) Scan(fn func(key string, encoded []byte) bool) {}

// Len is the number of keys.
func (o *ViewObject) Len() int { return 0 }
