package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// docs/performance.md quotes tables of results and has no other figures of its own. A quotation stands between two comments:
//
//	<!-- figures: bench/results/FILE.md "Title" -->
//	...
//	<!-- end of figures -->
//
// It is the tables of all sections of that file whose title begins so. A test compares them.

// performanceDoc is the file, from the root of the repository.
const performanceDoc = "docs/performance.md"

var quotation = regexp.MustCompile(`(?s)<!-- figures: (\S+) "([^"\n]+)" -->\n(.*?)<!-- end of figures -->`)

// tablesOf are the tables of the sections of a file with results whose title begins with that text, with their titles where there are
// several sections.
func tablesOf(results, title string) (string, error) {
	var sections []string
	for _, section := range strings.Split("\n"+results, "\n## ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		if !strings.HasPrefix(head, title) {
			continue
		}
		body, _, _ = strings.Cut(body, "\n### ")
		var lines []string
		for line := range strings.Lines(body) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "|"):
				lines = append(lines, line)
			case len(lines) > 0 && lines[len(lines)-1] != "":
				lines = append(lines, "") // between two tables
			}
		}
		text := strings.TrimRight(strings.Join(lines, "\n"), "\n")
		if text == "" {
			return "", fmt.Errorf("section %q has no table", head)
		}
		sections = append(sections, head+":\n\n"+text)
	}
	switch len(sections) {
	case 0:
		return "", fmt.Errorf("there is no section %q", title)
	case 1:
		_, text, _ := strings.Cut(sections[0], ":\n\n")
		return "\n" + text + "\n\n", nil
	}
	return "\n" + strings.Join(sections, "\n\n") + "\n\n", nil
}

// quote renews the quotations of a document: from another file with results if one is named and has the section. read reads a file, by its
// path from the root of the repository.
func quote(doc []byte, from string, read func(string) ([]byte, error)) ([]byte, error) {
	var failed error
	found := false
	renewed := quotation.ReplaceAllFunc(doc, func(block []byte) []byte {
		found = true
		m := quotation.FindSubmatch(block)
		file, title := string(m[1]), string(m[2])
		if from != "" {
			text, err := read(from)
			if err == nil {
				if _, err := tablesOf(string(text), title); err == nil {
					file = from
				}
			} else if failed == nil {
				failed = err
			}
		}
		text, err := read(file)
		var tables string
		if err == nil {
			tables, err = tablesOf(string(text), title)
		}
		if err != nil {
			if failed == nil {
				failed = fmt.Errorf("%s: %w", file, err)
			}
			return block
		}
		return fmt.Appendf(nil, "<!-- figures: %s %q -->\n%s<!-- end of figures -->", file, title, tables)
	})
	if failed == nil && (!found || bytes.Count(doc, []byte("<!-- figures:")) != len(quotation.FindAll(doc, -1))) {
		failed = fmt.Errorf("a quotation has no end, or there is none: it stands between <!-- figures: FILE \"Title\" --> and <!-- end of figures -->")
	}
	return renewed, failed
}

// updateDocs renews the quotations of docs/performance.md.
func updateDocs(root, results string) error {
	path := filepath.Join(root, performanceDoc)
	doc, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if filepath.IsAbs(results) {
		if results, err = filepath.Rel(root, results); err != nil {
			return err
		}
	}
	renewed, err := quote(doc, filepath.ToSlash(filepath.Clean(results)), func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(root, file)) })
	if err != nil {
		return fmt.Errorf("%s: %w", performanceDoc, err)
	}
	return os.WriteFile(path, renewed, 0o644)
}
