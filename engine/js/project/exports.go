package project

import (
	"fmt"
	"maps"
	"slices"
)

// An Export declares what a class of the program is, or has become: what is to be, rather than steps that lead there.
type Export struct {
	Type          string `json:"type"`
	State         string `json:"state"`
	Storage       string `json:"storage"`
	RenamedTo     string `json:"renamed_to"`
	TransferredTo string `json:"transferred_to"`
}

// States of an Export.
const (
	ExportCreated = "created" // as is one that states none
	ExportDeleted = "deleted" // with all its objects
	ExportRenamed = "renamed" // to RenamedTo, which has its objects
)

// Live reports whether the class is there.
func (e Export) Live() bool { return e.State == "" || e.State == ExportCreated }

// Classes are the classes that the project says it has, bound or not, sorted.
func (p *Project) Classes() []string {
	live := map[string]bool{}
	for name, e := range p.Exports {
		live[name] = e.Live()
	}
	for _, m := range p.Migrations {
		for _, name := range slices.Concat(m.NewClasses, m.NewSQLiteClasses) {
			live[name] = true
		}
		for _, r := range m.RenamedClasses {
			live[r.From], live[r.To] = false, true
		}
		for _, name := range m.DeletedClasses {
			live[name] = false
		}
	}
	maps.DeleteFunc(live, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(live))
}

// exports checks the declared classes. path leads to them.
func (c *config) exports(s *section, p *Project, path []any) *Error {
	if s.Exports == nil {
		return nil
	}
	at := func(more ...any) []any { return append(slices.Clone(path), more...) }
	if len(p.Migrations) > 0 {
		return c.failAt("a project has either \"exports\" or \"migrations\"", "Take \"migrations\" out: what they have done is remembered.", path...)
	}
	p.Exports = map[string]Export{}
	for _, name := range slices.Sorted(maps.Keys(s.Exports)) {
		e := s.Exports[name]
		switch {
		case name == "":
			return c.failAt("the name of a class is empty", "", path...)
		case e.Type == "":
			return c.failAt("the class has no \"type\"", "Write \"type\": \"durable-object\".", at(name)...)
		case e.Type != "durable-object":
			p.warnAt(c, fmt.Sprintf("an export of type %q has no effect here", e.Type), at(name, "type")...)
			continue
		case e.Storage != "" && e.Storage != "sqlite" && e.Storage != "legacy-kv":
			return c.failAt(fmt.Sprintf("there is no storage %q", e.Storage), "Choose sqlite. (All storage is the same here.)", at(name, "storage")...)
		}
		switch e.State {
		case "", ExportCreated, ExportDeleted:
		case ExportRenamed:
			to, ok := s.Exports[e.RenamedTo]
			switch {
			case e.RenamedTo == "":
				return c.failAt("a renamed class needs \"renamed_to\"", "Name the class that has its objects now.", at(name)...)
			case !ok || !to.Live() || to.Type != "durable-object":
				return c.failAt(fmt.Sprintf("the class is renamed to %q, which \"exports\" does not have as a class", e.RenamedTo), "Add that class.", at(name, "renamed_to")...)
			}
		case "transferred", "expecting-transfer":
			return c.failAt("classes are not transferred between scripts", "Each script has a data directory of its own here, so there is nothing to take over.", at(name, "state")...)
		default:
			return c.failAt(fmt.Sprintf("there is no state %q", e.State), "Choose created, deleted or renamed.", at(name, "state")...)
		}
		p.Exports[name] = e
	}
	for i, b := range p.Objects {
		if e, listed := p.Exports[b.ClassName]; b.ScriptName == "" && listed && !e.Live() {
			return c.failAt(fmt.Sprintf("the class %q is bound, but \"exports\" says that it was %s", b.ClassName, e.State), "Bind the class that is there now, or take the binding out.", "durable_objects", "bindings", i, "class_name")
		}
	}
	return nil
}
