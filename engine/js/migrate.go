package js

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"everloop/engine"
	"everloop/engine/js/project"
)

// migrate applies the project's migrations that the data directory has not had. The list only ever grows at its end, so
// the last one that was applied tells where to go on.
//
// running says that the engine serves the classes as they are: then those that are new can be made known, and nothing that
// there is can be renamed or deleted.
func (a *App) migrate(running bool) error {
	p := a.project
	config := relative(p, p.ConfigFile)
	if p.Exports != nil {
		return a.reconcile(config, running)
	}
	applied := slices.DeleteFunc(a.eng.Migrations(), func(tag string) bool { return strings.HasPrefix(tag, reconciledTag) })
	next := 0
	if len(applied) > 0 {
		last := applied[len(applied)-1]
		for next < len(p.Migrations) && p.Migrations[next].Tag != last {
			next++
		}
		if next == len(p.Migrations) {
			return fmt.Errorf("%s: the data directory has had the migration %q, which is not in \"migrations\": put it back, or serve the project with another data directory", config, last)
		}
		next++
	}
	pending := p.Migrations[min(next, len(p.Migrations)):]
	for _, m := range pending {
		if running && len(m.RenamedClasses)+len(m.DeletedClasses) > 0 {
			return fmt.Errorf("%s: migration %q renames or deletes classes: %w", config, m.Tag, ErrRestart)
		}
	}
	for _, m := range pending {
		if len(m.TransferredClasses) > 0 {
			return fmt.Errorf("%s: migration %q transfers a class from the script %q: each script has a data directory of its own here, so there is nothing to take over; leave \"transferred_classes\" out",
				config, m.Tag, m.TransferredClasses[0].FromScript)
		}
		step := engine.Migration{Tag: m.Tag, Delete: m.DeletedClasses}
		for _, name := range slices.Concat(m.NewClasses, m.NewSQLiteClasses) {
			step.New = append(step.New, engine.NewClass{Name: name, UniqueKey: a.defaultKey(name)})
		}
		for _, r := range m.RenamedClasses {
			step.Rename = append(step.Rename, engine.RenameClass(r))
		}
		if err := a.eng.Migrate(step); err != nil {
			return fmt.Errorf("%s: migration %q: %w", config, m.Tag, err)
		}
		level := slog.LevelDebug
		if len(step.Rename)+len(step.Delete) > 0 {
			level = slog.LevelInfo // what there was has changed
		}
		a.opts.Logger.Log(context.Background(), level, "migration applied", "tag", m.Tag, "new", len(step.New), "renamed", len(step.Rename), "deleted", len(step.Delete))
	}
	return nil
}

// reconciledTag begins the tags of what was done to make the classes those that "exports" declares. They are numbered: the
// same change can come again.
const reconciledTag = "exports-"

// reconcile makes the classes of the data directory those that the project declares. Classes that are new need nothing.
func (a *App) reconcile(config string, running bool) error {
	step := engine.Migration{Tag: reconciledTag + strconv.Itoa(len(a.eng.Migrations())+1)}
	for _, name := range slices.Sorted(maps.Keys(a.project.Exports)) {
		e := a.project.Exports[name]
		if _, known := a.eng.ClassKey(name); !known || e.Live() {
			continue // it was never there, or that was done before
		}
		if e.State == project.ExportRenamed {
			step.Rename = append(step.Rename, engine.RenameClass{From: name, To: e.RenamedTo})
		} else {
			step.Delete = append(step.Delete, name)
		}
	}
	if len(step.Rename)+len(step.Delete) == 0 {
		return nil
	}
	if running {
		return fmt.Errorf("%s: \"exports\" renames or deletes classes: %w", config, ErrRestart)
	}
	if err := a.eng.Migrate(step); err != nil {
		return fmt.Errorf("%s: \"exports\": %w", config, err)
	}
	a.opts.Logger.Info("the classes are what \"exports\" declares", "renamed", len(step.Rename), "deleted", len(step.Delete))
	return nil
}

// defaultKey is the unique key of a class that is new: the one that Cloudflare's local tools use, so that names give the
// same IDs.
func (a *App) defaultKey(class string) string { return a.project.Name + "-" + class }

// uniqueKey is the unique key of a class: that which it has had from its beginning, whatever it is called today.
func (a *App) uniqueKey(class string) string {
	if key, ok := a.eng.ClassKey(class); ok {
		return key
	}
	return a.defaultKey(class)
}
