package project

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/go-sourcemap/sourcemap"
)

// A sourceMap leads from places in a bundle to places in the source. It keeps the map as text until it is
// first asked: most programs never throw. Safe for concurrent use.
type sourceMap struct {
	text  []byte // as esbuild wrote it
	shown string // the project's folder as the person named it

	once     sync.Once
	consumer *sourcemap.Consumer // nil if the text is no map
}

func (m *sourceMap) parse() *sourcemap.Consumer {
	m.once.Do(func() {
		m.consumer, _ = sourcemap.Parse("", m.text)
	})
	return m.consumer
}

// show turns a source's name in the map, which is relative to the output's folder, into a person's.
func (m *sourceMap) show(source string) string {
	return filepath.Join(m.shown, filepath.FromSlash(path.Join(BundleName+".d", source)))
}

// Map finds where a place in Code was in the source. Lines and columns count from 1; a column is in UTF-16
// units, as JavaScript engines count. name is the identifier's name there if the bundler had to rename it, or "".
// Where the engine knows no column, column 0 asks for the line's first place.
func (b *Bundle) Map(line, column int) (file string, sourceLine, sourceColumn int, name string, ok bool) {
	consumer := b.sources.parse()
	if consumer == nil || line < 1 || line > 1<<30 || column < 0 || column > 1<<30 {
		return "", 0, 0, "", false
	}
	source, name, sourceLine, sourceColumn, ok := consumer.Source(line, max(column-1, 0))
	if !ok || source == "" || sourceLine < 1 {
		return "", 0, 0, "", false
	}
	return b.sources.show(source), sourceLine, sourceColumn + 1, name, true
}

// MapStack rewrites a stack, or any text with places in the bundle, so that its places are those of the source.
// It knows the forms of V8 and QuickJS ("at f (worker.js:12:34)", "at worker.js:12:34"). Places that come from no
// source, such as the bundler's own helpers, stay.
func (b *Bundle) MapStack(stack string) string {
	if !strings.Contains(stack, BundleName+":") {
		return stack
	}
	return replacePlaces(stack, func(line, column int) (string, bool) {
		file, sourceLine, sourceColumn, _, ok := b.Map(line, column)
		if !ok {
			return "", false
		}
		if column == 0 {
			sourceColumn = 0
		}
		return place(file, sourceLine, sourceColumn), true
	})
}

// placePattern finds places in a bundle, as V8 and QuickJS write them: worker.js:12:34, worker.js:12.
var placePattern = regexp.MustCompile(`(?:file:/*)?` + regexp.QuoteMeta(BundleName) + `:([0-9]{1,9})(?::([0-9]{1,9}))?`)

// partOfName reports whether c before BundleName makes it the end of another file's name.
func partOfName(c byte) bool {
	return c == '-' || c == '.' || c == '_' || c == '/' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// replacePlaces replaces every place in a bundle by what find makes of it.
func replacePlaces(stack string, find func(line, column int) (string, bool)) string {
	var b strings.Builder
	last := 0
	for _, at := range placePattern.FindAllStringSubmatchIndex(stack, -1) {
		if at[0] > 0 && partOfName(stack[at[0]-1]) {
			continue
		}
		line, _ := strconv.Atoi(stack[at[2]:at[3]]) // digits, and few of them
		column := 0
		if at[4] >= 0 {
			column, _ = strconv.Atoi(stack[at[4]:at[5]])
		}
		mapped, ok := find(line, column)
		if !ok {
			continue
		}
		b.WriteString(stack[last:at[0]])
		b.WriteString(mapped)
		last = at[1]
	}
	b.WriteString(stack[last:])
	return b.String()
}

// Excerpt shows a line of the source, with its neighbours and a caret below the column. file is as [Bundle.Map]
// names it, and the text is that which went into the bundle, whatever has become of the file since. It returns "" for
// a place that is not there.
func (b *Bundle) Excerpt(file string, line, column int) string {
	text := b.source(file)
	if text == "" {
		return ""
	}
	return excerpt(text, line, column)
}

// source is the text of a source file, by the name that Map gives it, or "".
func (b *Bundle) source(file string) string {
	consumer := b.sources.parse()
	if consumer == nil {
		return ""
	}
	name, err := filepath.Rel(filepath.Join(b.sources.shown, BundleName+".d"), file)
	if err != nil {
		return ""
	}
	return consumer.SourceContent(filepath.ToSlash(name))
}

// sourceText is the rest of a line of a source file, from a column on, which counts in UTF-16 units from 1.
func (b *Bundle) sourceText(file string, line, column int) string {
	text := b.source(file)
	for ; line > 1; line-- {
		_, rest, more := strings.Cut(text, "\n")
		if !more {
			return ""
		}
		text = rest
	}
	text, _, _ = strings.Cut(text, "\n")
	for i, r := range text {
		if column <= 1 {
			return text[i:]
		}
		column -= utf16.RuneLen(r)
	}
	return ""
}

// excerptOf shows a line of a file on disk; if it cannot be read, only the line that is known already.
func (p *Project) excerptOf(file string, line, column int, lineText string) string {
	if !filepath.IsAbs(file) {
		file = filepath.Join(p.Root, filepath.FromSlash(file))
	}
	if info, err := os.Stat(file); err == nil && info.Size() < 16<<20 {
		if text, err := os.ReadFile(file); err == nil {
			if shown := excerpt(string(text), line, column); shown != "" {
				return shown
			}
		}
	}
	return excerpt(strings.Repeat("\n", max(line-1, 0))+lineText, line, column)
}
