package engine

import (
	"errors"
	"fmt"
	"slices"

	"everloop/engine/redo"
	"everloop/engine/value"
)

// Migration is one step in the history of the classes of a data directory: classes that are new, that are called
// otherwise from now on, and that are given up with all their objects. A step has a tag, and is applied once. It is one
// record in the log, so it is applied whole or not at all.
type Migration struct {
	Tag    string
	New    []NewClass
	Rename []RenameClass
	Delete []string // names
}

// NewClass is a class that a migration makes known. The unique key is what its IDs are derived from, for ever.
type NewClass struct{ Name, UniqueKey string }

// RenameClass gives a class another name. Its unique key stays, and so do the IDs and names of its objects.
type RenameClass struct{ From, To string }

// What refuses a migration.
var (
	// ErrMigrationApplied: a step with this tag has been applied.
	ErrMigrationApplied = errors.New("engine: a migration with this tag was applied before")
	// ErrMigration: the step does not fit the classes that there are.
	ErrMigration = errors.New("engine: impossible migration")
)

// migrationDetails is the stored form of what a migration changed; docs/format/redo.md has it.
type migrationDetails struct {
	Rename []renamed `cbor:"rename,omitempty"`
	Delete []uint32  `cbor:"delete,omitempty"`
}

type renamed struct {
	Class uint32 `cbor:"class"`
	Name  string `cbor:"name"`
}

// Migrations returns the tags of the migrations that were applied, in order.
func (e *Engine) Migrations() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.migrations)
}

// ClassKey returns the unique key of the class that the log knows under a name.
func (e *Engine) ClassKey(name string) (uniqueKey string, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keyOf(name)
}

func (e *Engine) keyOf(name string) (string, bool) {
	for key, def := range e.defined {
		if def.name == name {
			return key, true
		}
	}
	return "", false
}

// Migrate applies a migration and returns when it is durable. The classes that it renames or deletes must not be
// registered yet. It is called from a goroutine of the embedding program. It fails with ErrMigrationApplied, or
// with an error that wraps ErrMigration and names the class; then nothing has changed.
func (e *Engine) Migrate(m Migration) error {
	if insideTurn() {
		return ErrInsideTurn
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.Contains(e.migrations, m.Tag) {
		return fmt.Errorf("%w: %q", ErrMigrationApplied, m.Tag)
	}
	details, err := e.check(m)
	if err != nil {
		return err
	}
	for _, c := range m.New {
		if _, known := e.keyOf(c.Name); known {
			continue // it was used before it had a migration, or a crash came in between
		}
		if err := e.defineNew(c.Name, c.UniqueKey); err != nil {
			return fmt.Errorf("engine: migration %q: %w", m.Tag, err)
		}
	}
	encoded, err := value.Marshal(details)
	if err != nil {
		return err
	}
	if err := e.appendDurably(redo.AppendMigration(nil, m.Tag, encoded)); err != nil {
		return fmt.Errorf("engine: migration %q: %w", m.Tag, err)
	}
	e.applied(m.Tag, details)
	dropped := make(chan struct{}, len(e.owners))
	for i, o := range e.owners {
		if !e.Post(i, func() { o.dropClasses(details.Delete); dropped <- struct{}{} }) {
			return ErrClosed
		}
	}
	for range e.owners {
		<-dropped
	}
	return nil
}

// check says what a migration changes, by class number.
func (e *Engine) check(m Migration) (d migrationDetails, err error) {
	refuse := func(format string, args ...any) (migrationDetails, error) {
		return d, fmt.Errorf("%w %q: %s", ErrMigration, m.Tag, fmt.Sprintf(format, args...))
	}
	names := map[string]uint32{} // as the steps leave them
	for _, def := range e.defined {
		names[def.name] = def.number
	}
	registered := *e.byName.Load()
	for _, c := range m.New {
		if def, taken := e.defined[c.UniqueKey]; taken && def.name != c.Name {
			return refuse("the class %s would have the unique key %q, which %s has", c.Name, c.UniqueKey, def.name)
		}
	}
	for _, r := range m.Rename {
		n, known := names[r.From]
		_, taken := names[r.To]
		switch {
		case !known:
			return refuse("there is no class %s to be renamed to %s", r.From, r.To)
		case taken:
			return refuse("the class %s cannot be renamed to %s: there is a class of that name", r.From, r.To)
		case registered[r.From] != nil:
			return refuse("the class %s is in use", r.From)
		}
		delete(names, r.From)
		names[r.To] = n
		d.Rename = append(d.Rename, renamed{n, r.To})
	}
	for _, name := range m.Delete {
		n, known := names[name]
		switch {
		case !known:
			return refuse("there is no class %s to be deleted", name)
		case registered[name] != nil:
			return refuse("the class %s is in use", name)
		}
		delete(names, name)
		d.Delete = append(d.Delete, n)
	}
	return d, nil
}

// applied changes the known classes as a migration says.
func (c *catalog) applied(tag string, d migrationDetails) {
	if !slices.Contains(c.migrations, tag) { // a snapshot may know of it, and then comes the log
		c.migrations = append(c.migrations, tag)
	}
	for key, def := range c.defined {
		if slices.Contains(d.Delete, def.number) {
			delete(c.defined, key)
			continue
		}
		for _, r := range d.Rename {
			if r.Class == def.number {
				c.defined[key] = classDef{def.number, r.Name}
			}
		}
	}
}

// appendDurably appends a record and waits until it is durable.
func (e *Engine) appendDurably(record []byte) error {
	done := make(chan error, 1)
	o := e.owners[0]
	if !e.Post(0, func() {
		n, err := e.log.Append(o.index, record)
		if err != nil {
			done <- err
			return
		}
		o.hold(n, func(err error) { done <- err })
	}) {
		return ErrClosed
	}
	return <-done
}
