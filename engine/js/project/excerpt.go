package project

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of an excerpt: lines around the one that is meant, and characters of one line.
const (
	excerptBefore = 2
	excerptAfter  = 1
	excerptWidth  = 160
)

// excerpt shows line of text with its neighbours and a caret below column. Both count from 1, column in
// characters; column 0 draws no caret. It returns "" if text has no such line.
//
//	  10 |   async fetch(request) {
//	> 11 |     const n = await this.get("n"
//	     |                                 ^
//	  12 |   }
func excerpt(text string, line, column int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	first, last := max(line-excerptBefore, 1), min(line+excerptAfter, len(lines))
	for last > line && strings.TrimSpace(lines[last-1]) == "" {
		last--
	}
	for first < line && strings.TrimSpace(lines[first-1]) == "" {
		first++
	}
	digits := len(strconv.Itoa(last))

	// A line of a minified file can be a megabyte long. All lines are cut to the same window, so that they
	// stay aligned.
	from := 0
	if column > excerptWidth*3/4 {
		from = column - excerptWidth/2
	}

	var b strings.Builder
	for n := first; n <= last; n++ {
		mark := ' '
		if n == line {
			mark = '>'
		}
		shown, cutLeft := window(strings.TrimSuffix(lines[n-1], "\r"), from)
		fmt.Fprintf(&b, "%c %*d |", mark, digits, n)
		if shown != "" {
			b.WriteByte(' ')
			b.WriteString(shown)
		}
		b.WriteByte('\n')
		if n != line || column < 1 {
			continue
		}
		fmt.Fprintf(&b, "  %*s | ", digits, "")
		left := column - 1 - from
		if cutLeft {
			left++ // the ellipsis
		}
		for _, r := range shown {
			if left <= 0 {
				break
			}
			left--
			if r == '\t' {
				b.WriteByte('\t') // as wide as the one above, whatever a tab is there
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteString("^\n")
	}
	return b.String()
}

// window cuts line to excerptWidth characters, beginning with character from, and takes out what would move
// a terminal's cursor.
func window(line string, from int) (shown string, cutLeft bool) {
	var b strings.Builder
	n := 0
	for _, r := range line {
		if n >= from+excerptWidth {
			b.WriteString("…")
			break
		}
		if n >= from {
			if n == from && from > 0 {
				b.WriteString("…")
				cutLeft = true
			}
			if r != '\t' && (r < ' ' || r == 0x7f) {
				r = utf8.RuneError
			}
			b.WriteRune(r)
		}
		n++
	}
	return b.String(), cutLeft
}

// position turns a byte offset of text into line and column, both from 1, column in characters. An offset
// beyond the text is its end.
func position(text []byte, offset int) (line, column int) {
	offset = min(max(offset, 0), len(text))
	before := string(text[:offset])
	line = 1 + strings.Count(before, "\n")
	return line, 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}
