package project

import (
	"fmt"
	"regexp"
	"strings"
)

// A bundler changes the names of some functions and classes, and a program can see that: in error.name, in
// constructor.name, in logs. esbuild does it in three cases:
//
//   - Two modules have a top-level function or class of one name: one of them gets a digit, Counter2.
//   - A class uses its own name inside: it becomes `var Counter = class _Counter {`, and its name "_Counter".
//   - A default export has no name: it should be "default", and gets that of a variable.
//
// esbuild's own remedy, KeepNames, puts a call around every function expression, also around those that run in a
// loop, and an interpreter pays a microsecond for each. But only top-level names ever change. So restoreNames gives classes
// a static block that puts the name right, and functions a line at the end of the module. Both stand where no place
// in the code moves: behind the last character of a line, and behind the last line.

var (
	// classPattern finds the line that begins a class which esbuild has bound to a variable. Groups: the variable,
	// and the class's own name.
	classPattern = regexp.MustCompile(`(?m)^[ \t]*(?:(?:var|let|const) )?(` + identifier + `) = class(?: (` + identifier + `))?(?: extends [^\n]*)? \{$`)
	// functionPattern finds top-level functions, which begin in the first column, whose names end in a digit.
	functionPattern = regexp.MustCompile(`(?m)^(?:async )?function\*? (` + identifier + `[0-9])\(`)
	// wordPattern is an identifier at the beginning of a text.
	wordPattern = regexp.MustCompile(`^` + identifier)
)

const identifier = `[\p{L}_$][\p{L}\p{N}_$]*`

// restoreNames changes the bundle's code so that functions and classes have the names that the source gives them.
func (b *Bundle) restoreNames() {
	code := string(b.Code)
	var out strings.Builder
	line, last := 1, 0
	for _, at := range classPattern.FindAllStringSubmatchIndex(code, -1) {
		line += strings.Count(code[last:at[0]], "\n")
		out.WriteString(code[last:at[1]])
		now := code[at[2]:at[3]]
		last = at[1]
		if at[4] >= 0 && code[at[4]:at[5]] != "extends" {
			now = code[at[4]:at[5]]
		} else if !changed(now) {
			continue
		}
		start := at[0] + strings.LastIndexByte(code[at[0]:at[2]], '\n') + 1
		if name := b.sourceName(line, at[2]-start+1); name != "" && name != now {
			fmt.Fprintf(&out, " static { %s }", setName("this", now, name))
		}
	}
	out.WriteString(code[last:])

	line, last = 1, 0
	for _, at := range functionPattern.FindAllStringSubmatchIndex(code, -1) {
		line += strings.Count(code[last:at[0]], "\n")
		last = at[0]
		now := code[at[2]:at[3]]
		if name := b.sourceName(line, at[2]-at[0]+1); name != "" && name != now {
			fmt.Fprintf(&out, "%s\n", setName(now, now, name))
		}
	}
	if out.Len() > len(code) {
		b.Code = []byte(out.String())
	}
}

// changed reports whether a variable's name may not be the source's: whether it ends as esbuild ends those that it
// makes. Most names do not, and then the source map need not be read.
func changed(name string) bool {
	c := name[len(name)-1]
	return c >= '0' && c <= '9' || strings.HasSuffix(name, "_default")
}

// sourceName is the identifier in the source that a place in the code comes from, or "" if there is none there: then what
// looks like code is inside a text.
func (b *Bundle) sourceName(line, column int) string {
	file, sourceLine, sourceColumn, _, ok := b.Map(line, column)
	if !ok {
		return ""
	}
	name := wordPattern.FindString(b.sourceText(file, sourceLine, sourceColumn))
	if name == "class" || name == "export" || name == "default" {
		return "default"
	}
	return name
}

// setName is a statement that gives a function or class its name, unless it has a static member `name` of its own.
func setName(of, now, name string) string {
	return fmt.Sprintf(`if (Object.getOwnPropertyDescriptor(%s, "name")?.value === %q) Object.defineProperty(%[1]s, "name", { value: %[3]q, configurable: true });`, of, now, name)
}
