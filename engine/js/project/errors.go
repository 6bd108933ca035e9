package project

import (
	"strconv"
	"strings"
)

// An Error is something wrong with a project, told to the person who wrote it.
type Error struct {
	File    string // as that person would name it: relative to where the project was named from
	Line    int    // from 1; 0 if no line is known
	Column  int    // from 1, in characters; 0 if no column is known
	Message string // what is wrong, without the place
	Excerpt string // some lines of the source with a caret, ending in a newline; or ""
	Remedy  string // what to do; or ""
}

// Error gives place and message in the first line, then the excerpt and the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(place(e.File, e.Line, e.Column))
		b.WriteString(": ")
	}
	b.WriteString(e.Message)
	if e.Excerpt != "" {
		b.WriteString("\n\n")
		b.WriteString(strings.TrimSuffix(e.Excerpt, "\n"))
		if e.Remedy != "" {
			b.WriteString("\n")
		}
	}
	if e.Remedy != "" {
		b.WriteString("\n")
		b.WriteString(e.Remedy)
	}
	return b.String()
}

// Errors are several things wrong at once, in the order of the source. It has at least one.
type Errors []*Error

// Error gives every error, with an empty line between two.
func (es Errors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap gives the errors to [errors.As].
func (es Errors) Unwrap() []error {
	all := make([]error, len(es))
	for i, e := range es {
		all[i] = e
	}
	return all
}

// place is file, file:line or file:line:column.
func place(file string, line, column int) string {
	if line > 0 {
		file += ":" + strconv.Itoa(line)
		if column > 0 {
			file += ":" + strconv.Itoa(column)
		}
	}
	return file
}
