package project

import (
	"fmt"
	"slices"
)

// A Migration is one step in the history of a project's classes. Steps are applied in the order of the
// list, each once, and are told apart by their tags.
type Migration struct {
	Tag                string          `json:"tag"`
	NewClasses         []string        `json:"new_classes"`
	NewSQLiteClasses   []string        `json:"new_sqlite_classes"`
	RenamedClasses     []RenamedClass  `json:"renamed_classes"`
	DeletedClasses     []string        `json:"deleted_classes"`
	TransferredClasses []TransferClass `json:"transferred_classes"`
}

// RenamedClass gives a class, with all its objects, another name.
type RenamedClass struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// TransferClass takes a class, with all its objects, over from another script.
type TransferClass struct {
	From       string `json:"from"`
	FromScript string `json:"from_script"`
	To         string `json:"to"`
}

// migrations checks that the steps can be applied one after another to nothing. path leads to them.
func (c *config) migrations(p *Project, path []any) *Error {
	const remedy = "Never change a step that was applied; add a new one at the end of the list."
	tags := map[string]bool{}
	born := map[string]string{} // class -> the tag that made it; "" once it is gone
	create := func(class, tag string, at ...any) *Error {
		switch {
		case class == "":
			return c.failAt("the name of a class is empty", "", at...)
		case born[class] != "":
			return c.failAt(fmt.Sprintf("the class %q is there already, since %q", class, born[class]), remedy, at...)
		}
		born[class] = tag
		return nil
	}
	remove := func(class string, at ...any) *Error {
		if class == "" {
			return c.failAt("the name of a class is empty", "", at...)
		}
		if born[class] == "" {
			return c.failAt(fmt.Sprintf("there is no class %q at this step", class), "A step can only rename or delete what an earlier one has made.", at...)
		}
		born[class] = ""
		return nil
	}
	for i, m := range p.Migrations {
		at := func(more ...any) []any { return append(append(slices.Clone(path), i), more...) }
		switch {
		case m.Tag == "":
			return c.failAt("the step has no \"tag\"", "Give every step a tag of its own, such as \"v1\".", at()...)
		case tags[m.Tag]:
			return c.failAt(fmt.Sprintf("the tag %q was used before", m.Tag), "Give every step a tag of its own.", at("tag")...)
		}
		tags[m.Tag] = true
		for j, class := range m.NewClasses {
			if bad := create(class, m.Tag, at("new_classes", j)...); bad != nil {
				return bad
			}
		}
		for j, class := range m.NewSQLiteClasses {
			if bad := create(class, m.Tag, at("new_sqlite_classes", j)...); bad != nil {
				return bad
			}
		}
		for j, r := range m.RenamedClasses {
			if bad := remove(r.From, at("renamed_classes", j, "from")...); bad != nil {
				return bad
			}
			if bad := create(r.To, m.Tag, at("renamed_classes", j, "to")...); bad != nil {
				return bad
			}
		}
		for j, t := range m.TransferredClasses {
			if t.From == "" || t.FromScript == "" {
				return c.failAt("a transfer needs \"from\", \"from_script\" and \"to\"", "", at("transferred_classes", j)...)
			}
			if bad := create(t.To, m.Tag, at("transferred_classes", j, "to")...); bad != nil {
				return bad
			}
		}
		for j, class := range m.DeletedClasses {
			if bad := remove(class, at("deleted_classes", j)...); bad != nil {
				return bad
			}
		}
	}
	for _, b := range p.Objects {
		gone, named := born[b.ClassName]
		if b.ScriptName == "" && named && gone == "" {
			i := slices.Index(p.Objects, b)
			return c.failAt(fmt.Sprintf("the class %q is bound, but a migration has deleted or renamed it", b.ClassName), "Bind the class that is there now, or take the binding out.", "durable_objects", "bindings", i, "class_name")
		}
	}
	return nil
}
