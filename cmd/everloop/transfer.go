package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"everloop/engine"
	"everloop/engine/js/project"
	"everloop/engine/transfer"
	"everloop/wal"
)

// importCmd is `everloop import`.
type importCmd struct {
	Source  string `arg:"" help:"A project with a .wrangler folder, wrangler's state, workerd's storage folder, or a file that \"everloop export\" wrote."`
	Project string `arg:"" optional:"" help:"The project that the objects are for: only its classes are imported, and its migrations count as applied in a new data directory."`

	Data       string            `env:"EVERLOOP_DATA" placeholder:"DIR" help:"The data directory, new or not. No daemon may be running on it. Default .everloop in the project's folder."`
	Env        string            `env:"EVERLOOP_ENV" placeholder:"NAME" help:"The environment of the project's wrangler configuration."`
	Class      map[string]string `placeholder:"KEY=NAME" mapsep:"none" help:"What the class with a unique key (the name of its folder) is called. An empty name leaves it out. Repeatable."`
	Replace    bool              `help:"Replace objects that the data directory has with other content. Default: import nothing."`
	SkipSQL    bool              `name:"skip-sql" help:"Go on without tables that objects have made with SQL. Default: import nothing."`
	SkipFacets bool              `name:"skip-facets" help:"Go on without facets of objects. Default: import nothing."`
}

// Help is printed below the flags.
func (*importCmd) Help() string {
	return "Stop wrangler or workerd first. Nothing is written unless everything can be imported."
}

// Validate is called by kong. What it finds is a usage error.
func (c *importCmd) Validate() error {
	if c.Project == "" && c.Data == "" {
		return errors.New("give the project that the objects are for, or a data directory with --data")
	}
	return nil
}

// dataDir is where the objects go.
func (c *importCmd) dataDir() string {
	return (&serveCmd{Project: c.Project, Data: c.Data}).dataDir()
}

// projectClass is what follows the script's name in the unique key of one of its classes.
var projectClass = regexp.MustCompile(`^[\p{L}_$][\p{L}\p{N}_$]*$`)

// Run imports, and reports what it has done.
func (c *importCmd) Run(stdout io.Writer) error {
	o := transfer.ImportOptions{Classes: c.Class, Replace: c.Replace, SkipSQL: c.SkipSQL, SkipFacets: c.SkipFacets, Logger: newLogger(os.Stderr)}
	if c.Project != "" {
		p, err := project.Load(c.Project, project.Options{Environment: c.Env, Today: time.Now().UTC().Format(time.DateOnly)})
		if err != nil {
			return err
		}
		for _, m := range p.Migrations {
			o.Migrations = append(o.Migrations, m.Tag)
		}
		o.Only = func(uniqueKey string) bool {
			class, ours := strings.CutPrefix(uniqueKey, p.Name+"-")
			return ours && projectClass.MatchString(class)
		}
	}
	scratch, err := os.MkdirTemp("", "everloop-import-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // copies
	src, err := transfer.OpenSource(c.Source, scratch)
	if err != nil {
		return err
	}
	if _, export := src.(*transfer.Lines); export {
		o.Only = nil // it is a whole data directory, whatever its classes were called at first
	}
	bar := newCount(os.Stderr, "importing objects")
	o.Progress = bar.update
	done, err := transfer.Import(src, c.dataDir(), o)
	bar.end()
	if err != nil {
		return c.explain(err)
	}
	c.report(stdout, src, &done)
	return nil
}

// explain adds to an error what the person can do about it.
func (c *importCmd) explain(err error) error {
	var problems *transfer.ProblemsError
	var remedies []string
	switch {
	case errors.As(err, &problems):
		if problems.SQL() {
			remedies = append(remedies, "--skip-sql imports the objects without their SQL tables.")
		}
		if problems.Facets() {
			remedies = append(remedies, "--skip-facets imports the objects without their facets.")
		}
		for _, p := range problems.Problems {
			if errors.Is(p.Err, transfer.ErrExists) {
				remedies = append(remedies, "--replace replaces objects that are there already.")
				break
			}
		}
	case errors.Is(err, wal.ErrLocked):
		remedies = append(remedies, fmt.Sprintf("Stop the daemon that runs on %s.", c.dataDir()))
	}
	for _, r := range remedies {
		err = fmt.Errorf("%w\n%s", err, r)
	}
	return err
}

func (c *importCmd) report(to io.Writer, src transfer.Source, done *transfer.Imported) {
	var names []string
	for _, class := range done.Classes {
		names = append(names, fmt.Sprintf("%s (%s)", class.Name, class.UniqueKey))
	}
	fmt.Fprintf(to, "imported %s into %s\n", c.Source, c.dataDir())
	fmt.Fprintf(to, "  classes    %s\n", strings.Join(names, ", "))
	fmt.Fprintf(to, "  objects    %d with %d keys and %d alarms\n", done.Objects, done.Keys, done.Alarms)
	for _, line := range []struct {
		n    int
		what string
	}{{done.Replaced, "replaced   %d of them were there with other content\n"}, {done.Unchanged, "unchanged  %d were there already\n"}, {done.Empty, "empty      %d have nothing in them\n"}} {
		if line.n > 0 {
			fmt.Fprintf(to, "  "+line.what, line.n)
		}
	}
	if len(done.LeftOut) > 0 {
		fmt.Fprintf(to, "  left out   %s\n", strings.Join(done.LeftOut, ", "))
	}
	if s, ok := src.(*transfer.State); ok && len(s.Beside()) > 0 {
		fmt.Fprintf(to, "  not taken  %s: there is nothing here that holds it\n", strings.Join(s.Beside(), ", "))
	}
	for _, p := range done.Skipped {
		fmt.Fprintf(to, "  skipped    %s\n", p)
	}
	if done.SkippedMore > 0 {
		fmt.Fprintf(to, "  skipped    %d more\n", done.SkippedMore)
	}
}

// exportCmd is `everloop export`.
type exportCmd struct {
	Dir    string     `arg:"" help:"The data directory, such as .everloop. A daemon may be running on it."`
	Class  string     `placeholder:"NAME" help:"Only the objects of this class."`
	Object string     `placeholder:"NAME" help:"Only this object of --class, by its name or ID."`
	At     momentFlag `placeholder:"TIME" help:"The objects as they were then: 2026-11-24T15:04:05Z, \"2026-11-24 15:04\", or a time ago as 10m."`
}

// Help is printed below the flags.
func (*exportCmd) Help() string {
	return "Beside a running daemon it has what is known to be on disk when it begins. Equal states give equal bytes."
}

// Validate is called by kong. What it finds is a usage error.
func (c *exportCmd) Validate() error {
	if c.Object != "" && c.Class == "" {
		return errors.New("--object wants --class with the name of its class")
	}
	return nil
}

// Run writes every object as a line of JSON.
func (c *exportCmd) Run(stdout io.Writer) error {
	if err := existing(c.Dir); err != nil {
		return err
	}
	v, err := c.view()
	if err != nil {
		return err
	}
	done, err := transfer.Export(stdout, v, transfer.ExportOptions{Class: c.Class, Object: c.Object})
	if err != nil {
		return err
	}
	if c.Object != "" && done.Objects == 0 {
		return fmt.Errorf("the class %s has no object %q with anything in it", c.Class, c.Object)
	}
	return nil
}

// view reads the directory into memory: as a start would if no daemon has it, and otherwise as far as it is known to be on disk.
func (c *exportCmd) view() (*engine.View, error) {
	var o engine.ViewOptions
	switch l, err := wal.Open(c.Dir, wal.Options{}); {
	case err == nil:
		// The lock keeps a daemon from cutting or writing what is being read.
		defer func() { _ = l.Close() }() // it was not replayed, so nothing is written
		o.Torn = true
	case errors.Is(err, wal.ErrLocked):
	default:
		// It is damaged, which is told below, or may not be written to, and then nobody does.
		o.Torn = true
	}
	bar := newProgress(os.Stderr, "reading objects")
	defer bar.end()
	o.At, o.Progress = c.At.Time, bar.update
	v, err := engine.OpenView(c.Dir, o)
	if err == nil && v.Position().LSN == 0 && !c.At.IsZero() {
		return nil, fmt.Errorf("--at: there was nothing at %s yet", people(c.At.Time))
	}
	return v, err
}
