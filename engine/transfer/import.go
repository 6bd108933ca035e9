package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"everloop/engine"
	"everloop/engine/redo"
)

// ImportOptions say how a source is imported. The zero value takes everything under the names that the source has or suggests, and refuses what cannot be taken.
type ImportOptions struct {
	// Classes has the names of classes by their unique keys, where they are to be others than the source says. An empty name leaves the class out.
	Classes map[string]string
	// Only, if not nil, says which unique keys that Classes does not have are imported. The others are left out.
	Only func(uniqueKey string) bool
	// Migrations are the tags of those that a new data directory counts as applied, where the source does not know.
	Migrations []string
	// Replace lets objects that are there already with other content be replaced. Default: they are a problem.
	Replace bool
	// SkipSQL goes on without the tables of objects that have some, SkipFacets without facets. Default: they are problems.
	SkipSQL, SkipFacets bool
	// Progress is told how many objects have been written, of how many; while the source is checked, how many were read, of -1.
	Progress func(done, total int64)
	// Logger is that of the log. Default: slog.Default().
	Logger *slog.Logger
}

// Imported is what an import has done.
type Imported struct {
	Classes   []Class  // that have been imported, by name
	Objects   int      // written, among them those Replaced
	Keys      int      // of those
	Alarms    int      // of those, set or given up
	Replaced  int      // that had other content
	Unchanged int      // that were there already, with the same content
	Empty     int      // in the source with nothing in them
	LeftOut   []string // unique keys, sorted
	// Skipped is what the options said to go on without, at most 1,000 of it; SkippedMore counts the rest.
	Skipped     []Problem
	SkippedMore int
}

// maxProblems bounds the problems that are kept.
const maxProblems = 1000

// ProblemsError is returned when a source, or what it has, cannot be imported. Nothing was written.
type ProblemsError struct {
	// Problems are the first 1,000; More counts the rest.
	Problems []Problem
	More     int
}

func (e *ProblemsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "transfer: nothing was imported, because of %s:", plural(len(e.Problems)+e.More, "problem"))
	for i, p := range e.Problems {
		if i == 20 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Problems)+e.More-i)
			break
		}
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// has reports whether one of the problems could be skipped by the user.
func (e *ProblemsError) has(what string) bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return p.Skippable == what })
}

// SQL reports whether there are problems that SkipSQL passes over.
func (e *ProblemsError) SQL() bool { return e.has("sql") }

// Facets reports whether there are problems that SkipFacets passes over.
func (e *ProblemsError) Facets() bool { return e.has("facets") }

// ErrExists is wrapped by a problem with an object that the data directory has with other content, or that is to get another one: a restore or fork waits
// for its next start.
var ErrExists = errors.New("the data directory has this object with other content")

// Import writes the objects of a source into a data directory that no engine is running on: it takes the directory's lock. The source is read twice, the first time to see that
// all of it can be imported; if anything cannot, a *ProblemsError tells all of it, and nothing has been written.
//
// Into a directory that does not exist, or is empty, an import is atomic: it is made beside it and renamed. In one that has objects, every object is written whole (unless it has more than
// 255 MiB), and an import that was interrupted can be repeated: what is there already is left as it is. It is durable when Import returns.
func Import(src Source, dir string, o ImportOptions) (done Imported, err error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return done, fmt.Errorf("transfer: %w", err)
	}
	fresh, err := isFresh(dir)
	if err != nil {
		return done, fmt.Errorf("transfer: %w", err)
	}
	im := &importer{src: src, opts: o}
	if !fresh {
		if im.log, err = openLog(dir, o.Logger); err != nil {
			return done, err
		}
		if err = im.into(dir); err != nil {
			return im.done, errors.Join(err, im.log.close())
		}
		return im.done, im.log.close()
	}
	if err := im.check(); err != nil {
		return im.done, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return im.done, fmt.Errorf("transfer: %w", err)
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".import-*")
	if err != nil {
		return im.done, fmt.Errorf("transfer: %w", err)
	}
	defer func() { _ = os.RemoveAll(made) }() // it has another name by then, unless something failed
	if im.log, err = openLog(made, o.Logger); err != nil {
		return im.done, err
	}
	if err := errors.Join(im.write(), im.log.close()); err != nil {
		return im.done, err
	}
	return im.done, rename(made, dir)
}

// isFresh reports whether dir is not there or empty.
func isFresh(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

// rename gives a directory that was made its name, durably.
func rename(made, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("transfer: %w", err)
	}
	if err := os.Rename(made, dir); err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	if err := os.Chmod(dir, 0o750); err != nil { // a temporary one is for its owner alone
		return fmt.Errorf("transfer: %w", err)
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	defer func() { _ = parent.Close() }()
	if err := parent.Sync(); err != nil {
		return fmt.Errorf("transfer: %w", err)
	}
	return nil
}

// importer is one import.
type importer struct {
	src  Source
	opts ImportOptions
	done Imported
	bad  ProblemsError

	classes map[string]*target // by unique key: those that are imported
	view    *engine.View       // of the directory; nil if it is new
	checked int64              // objects that were read before anything is written
	log     *log
}

// target is a class to be written.
type target struct {
	Class
	number uint32 // 0: it has none yet
}

// into imports into a directory that may have objects, under its lock.
func (im *importer) into(dir string) (err error) {
	if im.log.exists {
		if im.view, err = engine.OpenView(dir, engine.ViewOptions{Torn: true}); err != nil {
			return err
		}
	}
	if err := im.check(); err != nil {
		return err
	}
	return im.write()
}

// wrong notes a problem, or that it is skipped.
func (im *importer) wrong(p Problem) error {
	if p.Skippable == "sql" && im.opts.SkipSQL || p.Skippable == "facets" && im.opts.SkipFacets {
		if len(im.done.Skipped) < maxProblems {
			im.done.Skipped = append(im.done.Skipped, p)
		} else {
			im.done.SkippedMore++
		}
		return nil
	}
	if len(im.bad.Problems) < maxProblems {
		im.bad.Problems = append(im.bad.Problems, p)
	} else {
		im.bad.More++
	}
	return nil
}

// check reads the source, and returns a *ProblemsError if not all of it can be imported.
func (im *importer) check() error {
	if err := im.match(); err != nil {
		return err
	}
	nameless := map[string]bool{} // classes that a problem was noted for
	err := im.src.Objects(im.wanted, func(o *Object) error {
		t := im.classes[o.Class.UniqueKey]
		im.checked++
		im.progress(im.checked, -1)
		if nameless[o.Class.UniqueKey] {
			return nil
		}
		if o.empty() {
			im.done.Empty++
			return nil
		}
		if t.Name == "" {
			nameless[t.UniqueKey] = true
			return im.wrong(Problem{Place: o.Place, Err: fmt.Errorf("what the class with the unique key %q is called cannot be told: give it a name with --class %s=NAME, or leave it out with --class %s=", t.UniqueKey, t.UniqueKey, t.UniqueKey)})
		}
		if was := im.existing(t, o); was != nil && !same(was, o) && !im.opts.Replace {
			return im.wrong(Problem{Place: o.Place, Err: ErrExists})
		}
		return nil
	}, im.wrong)
	if err != nil {
		return err
	}
	if len(im.bad.Problems) > 0 {
		return &im.bad
	}
	return nil
}

func (im *importer) progress(done, total int64) {
	if im.opts.Progress != nil {
		im.opts.Progress(done, total)
	}
}

// wanted reports whether a class is imported.
func (im *importer) wanted(uniqueKey string) bool { return im.classes[uniqueKey] != nil }

// match finds out which classes are imported and what they are called.
func (im *importer) match() error {
	im.classes = map[string]*target{}
	asked := map[string]bool{}
	for _, c := range im.src.Classes() {
		name, given := im.opts.Classes[c.UniqueKey]
		asked[c.UniqueKey] = given
		if given {
			c.Name = name
		}
		if given && name == "" || !given && im.opts.Only != nil && !im.opts.Only(c.UniqueKey) {
			im.done.LeftOut = append(im.done.LeftOut, c.UniqueKey)
			continue
		}
		im.classes[c.UniqueKey] = &target{Class: c}
	}
	for key := range im.opts.Classes {
		if !asked[key] {
			return fmt.Errorf("transfer: the source has no class with the unique key %q; it has %s", key, im.keys())
		}
	}
	if len(im.classes) == 0 {
		return fmt.Errorf("transfer: none of the unique keys of the source is to be imported; it has %s", im.keys())
	}
	if im.view != nil {
		for _, have := range im.view.Classes() {
			for key, t := range im.classes {
				switch _, given := im.opts.Classes[key]; {
				case key == have.UniqueKey && given && t.Name != have.Name:
					return fmt.Errorf("transfer: the data directory calls the class with the unique key %q %s, not %s", key, have.Name, t.Name)
				case key == have.UniqueKey:
					t.Name, t.number = have.Name, have.Number // it may have been renamed
				case t.Name == have.Name:
					return fmt.Errorf("transfer: the class %s has the unique key %q in the data directory and %q in the source: their IDs cannot be told apart by name, so give it another name with --class %s=NAME", t.Name, have.UniqueKey, key, key)
				}
			}
		}
	}
	names := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(im.classes)) {
		t := im.classes[key]
		if other, taken := names[t.Name]; taken && t.Name != "" {
			return fmt.Errorf("transfer: the unique keys %q and %q would both be the class %s: give one another name with --class KEY=NAME, or leave it out with --class KEY=", other, key, t.Name)
		}
		names[t.Name] = key
	}
	return nil
}

// keys are the source's unique keys, for people.
func (im *importer) keys() string {
	var keys []string
	for _, c := range im.src.Classes() {
		keys = append(keys, fmt.Sprintf("%q", c.UniqueKey))
	}
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}

// existing is what the directory has under the object's ID, or nil.
func (im *importer) existing(t *target, o *Object) *engine.ViewObject {
	if im.view == nil || t.number == 0 {
		return nil
	}
	return im.view.Object(t.number, &o.ID)
}

// same reports whether an object of the directory has just what o has, and will have it at its next start. The name does not count: it says nothing that
// the ID does not.
func same(was *engine.ViewObject, o *Object) bool {
	is := fromView(was)
	if was.Staged || was.Len() != len(o.Keys) || (is.Alarm == nil) != (o.Alarm == nil) || (is.Failed == nil) != (o.Failed == nil) ||
		is.Failed != nil && *is.Failed != *o.Failed || is.Alarm != nil && !is.Alarm.same(o.Alarm) {
		return false
	}
	i, equal := 0, true
	was.Scan(func(key string, encoded []byte) bool {
		equal = key == o.Keys[i].Key && bytes.Equal(encoded, o.Keys[i].Value)
		i++
		return equal
	})
	return equal
}

func (a *Alarm) next() int64 {
	if a.Next == nil {
		return a.Time
	}
	return *a.Next
}

func (a *Alarm) same(b *Alarm) bool {
	return a.Time == b.Time && a.Retries == b.Retries && a.next() == b.next()
}

// write reads the source again, and hands all of it to the log.
func (im *importer) write() error {
	if err := im.log.start(); err != nil {
		return err
	}
	wasNew := im.view == nil
	for _, key := range slices.Sorted(maps.Keys(im.classes)) {
		t := im.classes[key]
		if t.number == 0 && t.Name != "" {
			t.number = im.log.next
			im.log.next++
			if err := im.log.append(redo.AppendDefineClass(nil, t.number, t.UniqueKey, t.Name)); err != nil {
				return err
			}
		}
		if t.Name != "" {
			im.done.Classes = append(im.done.Classes, t.Class)
		}
	}
	slices.SortFunc(im.done.Classes, func(a, b Class) int { return strings.Compare(a.Name, b.Name) })
	if wasNew {
		tags := im.src.Migrations()
		if len(tags) == 0 {
			tags = im.opts.Migrations
		}
		for _, tag := range tags {
			if err := im.log.append(redo.AppendMigration(nil, tag, nil)); err != nil {
				return err
			}
		}
	}
	im.bad, im.done.Skipped, im.done.SkippedMore = ProblemsError{}, nil, 0
	err := im.src.Objects(im.wanted, func(o *Object) error {
		t := im.classes[o.Class.UniqueKey]
		if o.empty() {
			return nil
		}
		defer func() { im.progress(int64(im.done.Objects+im.done.Unchanged), im.checked-int64(im.done.Empty)) }()
		was := im.existing(t, o)
		switch {
		case was != nil && same(was, o):
			im.done.Unchanged++
			return nil
		case was != nil && !im.opts.Replace:
			return fmt.Errorf("transfer: %s has changed since it was checked", o.Place)
		case was != nil:
			im.done.Replaced++
		}
		im.done.Objects++
		im.done.Keys += len(o.Keys)
		if o.Alarm != nil || o.Failed != nil {
			im.done.Alarms++
		}
		return im.log.object(t.number, o, was != nil)
	}, im.wrong)
	if err == nil && len(im.bad.Problems) > 0 {
		err = fmt.Errorf("transfer: the source has changed since it was checked: %v", im.bad.Problems[0])
	}
	return err
}
