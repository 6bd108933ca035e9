package project

import (
	"fmt"
	"regexp"
	"strings"
)

// A Rule says how files that match one of its globs are imported.
type Rule struct {
	Type        string   `json:"type"` // Text, Data, CompiledWasm, ESModule or CommonJS
	Globs       []string `json:"globs"`
	Fallthrough bool     `json:"fallthrough"`

	match *regexp.Regexp // of the path from the project's folder, with slashes
}

// defaultRules hold beside a project's own. A rule of the project's replaces the default of its type, unless it says
// "fallthrough": true.
var defaultRules = []Rule{
	compiled(Rule{Type: "Text", Globs: []string{"**/*.txt", "**/*.html", "**/*.sql"}}),
	compiled(Rule{Type: "Data", Globs: []string{"**/*.bin"}}),
	compiled(Rule{Type: "CompiledWasm", Globs: []string{"**/*.wasm", "**/*.wasm?module"}}),
}

// rules checks a project's rules and adds the default ones that still hold.
func (c *config) rules(own []Rule) ([]Rule, *Error) {
	var all []Rule
	closed := map[string]bool{} // types whose later rules no longer count
	for i, r := range own {
		switch r.Type {
		case "Text", "Data", "CompiledWasm":
		case "ESModule", "CommonJS":
			continue // the bundler sees for itself what a module is
		case "":
			return nil, c.failAt("the rule has no \"type\"", "Choose Text or Data.", "rules", i)
		default:
			return nil, c.failAt(fmt.Sprintf("there is no type %q", r.Type), "Choose Text or Data.", "rules", i, "type")
		}
		if len(r.Globs) == 0 {
			return nil, c.failAt("the rule has no \"globs\"", "List what it is for, such as \"**/*.md\".", "rules", i)
		}
		if closed[r.Type] {
			continue
		}
		closed[r.Type] = !r.Fallthrough
		all = append(all, compiled(r))
	}
	for _, r := range defaultRules {
		if !closed[r.Type] {
			all = append(all, r)
		}
	}
	return all, nil
}

func compiled(r Rule) Rule {
	parts := make([]string, len(r.Globs))
	for i, glob := range r.Globs {
		parts[i] = globExpression(glob)
	}
	r.match = regexp.MustCompile("^(?:" + strings.Join(parts, "|") + ")$")
	return r
}

// globExpression turns a glob into a regular expression that always compiles. `**/` is any number of folders, `*` and `?`
// stay inside one name, {a,b} is a choice; everything else means itself.
func globExpression(glob string) string {
	glob = strings.TrimPrefix(glob, "./")
	choice := strings.Count(glob, "{") == 1 && strings.Count(glob, "}") == 1 && strings.Index(glob, "{") < strings.Index(glob, "}")
	inside := false
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case strings.HasPrefix(glob[i:], "**/"):
			b.WriteString("(?:.*/)?")
			i += 2
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(".*")
			i++
		case c == '*':
			b.WriteString("[^/]*")
		case c == '?':
			b.WriteString("[^/]")
		case c == '{' && choice:
			b.WriteString("(?:")
			inside = true
		case c == '}' && choice:
			b.WriteString(")")
			inside = false
		case c == ',' && inside:
			b.WriteString("|")
		default:
			if c < 0x80 {
				b.WriteString(regexp.QuoteMeta(string(rune(c))))
			} else {
				b.WriteByte(c) // a part of a character; none of these means anything in an expression
			}
		}
	}
	return b.String()
}
