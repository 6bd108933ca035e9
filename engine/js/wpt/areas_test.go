package wpt_test

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// area is a part of the suite, as testdata/areas.txt lists it.
type area struct {
	name     string
	files    []string          // in order
	skipped  map[string]string // files, with the reason
	subtests map[string]string // subtests of files that run, as failureName names them; an asterisk stands for anything
}

// applies reports whether a subtest counts.
func (a *area) applies(failure string) bool {
	if _, ok := a.subtests[failure]; ok {
		return false
	}
	for pattern := range a.subtests {
		prefix, suffix, open := strings.Cut(pattern, "*")
		if open && strings.HasPrefix(failure, prefix) && strings.HasSuffix(failure[len(prefix):], suffix) {
			return false
		}
	}
	return true
}

// readAreas reads the list and finds the files that it means.
func readAreas(list string, suite fs.FS) ([]*area, error) {
	f, err := os.Open(list)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var areas []*area
	var skips [][2]string
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		n++
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if verb == "area" {
			areas = append(areas, &area{name: rest, skipped: map[string]string{}, subtests: map[string]string{}})
			continue
		}
		if len(areas) == 0 {
			return nil, fmt.Errorf("%s:%d: this line belongs to no area", list, n)
		}
		a := areas[len(areas)-1]
		switch verb {
		case "run":
			found, err := testsBelow(suite, rest)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", list, n, err)
			}
			a.files = append(a.files, found...)
		case "page":
			a.files = append(a.files, rest)
		case "skip":
			pattern, reason, ok := strings.Cut(rest, "  ")
			if !ok {
				return nil, fmt.Errorf("%s:%d: a skip says why", list, n)
			}
			if strings.Contains(pattern, separator) {
				a.subtests[pattern] = reason
			} else {
				skips = append(skips, [2]string{pattern, reason})
			}
		default:
			return nil, fmt.Errorf("%s:%d: %q", list, n, verb)
		}
	}
	for _, skip := range skips {
		used := false
		for _, a := range areas {
			a.files = slices.DeleteFunc(a.files, func(file string) bool {
				prefix, open := strings.CutSuffix(skip[0], "*")
				if file != skip[0] && (!open || !strings.HasPrefix(file, prefix)) {
					return false
				}
				a.skipped[file] = skip[1]
				used = true
				return true
			})
		}
		if !used {
			return nil, fmt.Errorf("%s: skip %s: there is no such file in this checkout", list, skip[0])
		}
	}
	return areas, nil
}

// testsBelow is a file, or all scripts below a folder that are for every kind of global scope.
func testsBelow(suite fs.FS, root string) (files []string, err error) {
	folder, isFolder := strings.CutSuffix(root, "/")
	if !isFolder {
		return []string{root}, nil
	}
	err = fs.WalkDir(suite, folder, func(p string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(p, ".any.js") {
			files = append(files, p)
		}
		return err
	})
	return files, err
}

// script is a test file taken apart.
type script struct {
	file     string
	title    string
	scripts  []string // files to evaluate before, from the root of the suite
	variants []string // queries, each of which is a run of its own
	long     bool
	text     string
}

func readScript(suite fs.FS, file string) (*script, error) {
	b, err := fs.ReadFile(suite, file)
	if err != nil {
		return nil, err
	}
	s := &script{file: file, text: string(b)}
	if strings.HasSuffix(file, ".js") {
		s.readMeta(file)
	} else if err := s.readPage(file); err != nil {
		return nil, err
	}
	if len(s.variants) == 0 {
		s.variants = []string{""}
	}
	return s, nil
}

// readMeta reads the comments at the top.
func (s *script) readMeta(file string) {
	for line := range strings.Lines(s.text) {
		meta, ok := strings.CutPrefix(strings.TrimSpace(line), "// META: ")
		if !ok {
			return
		}
		switch key, value, _ := strings.Cut(meta, "="); key {
		case "title":
			s.title = value
		case "script":
			s.scripts = append(s.scripts, resolve(file, value))
		case "variant":
			s.variants = append(s.variants, value)
		case "timeout":
			s.long = value == "long"
		}
	}
}

// readPage takes the scripts out of a page.
func (s *script) readPage(file string) error {
	page := s.text
	s.text = ""
	s.long = strings.Contains(page, `content="long"`) || strings.Contains(page, "content=long")
	for {
		_, rest, ok := strings.Cut(page, "<script")
		if !ok {
			return nil
		}
		attributes, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return fmt.Errorf("%s: a script without an end", file)
		}
		body, rest, ok := strings.Cut(rest, "</script>")
		if !ok {
			return fmt.Errorf("%s: a script without an end", file)
		}
		page = rest
		_, src, ok := strings.Cut(attributes, "src=")
		if !ok {
			s.text += body + "\n"
			continue
		}
		src = strings.Trim(src, `"' `)
		if src != "/resources/testharness.js" && src != "/resources/testharnessreport.js" {
			s.scripts = append(s.scripts, resolve(file, src))
		}
	}
}

func resolve(file, ref string) string {
	if rooted, ok := strings.CutPrefix(ref, "/"); ok {
		return path.Clean(rooted)
	}
	return path.Join(path.Dir(file), ref)
}

// host is the name of the suite's server.
const host = "web-platform.test"

// variables are what the suite's server puts into a file whose name has ".sub." in it.
var variables = strings.NewReplacer(
	"{{host}}", host, "{{domains[www]}}", "www."+host, "{{domains[www1]}}", "www1."+host, "{{domains[www2]}}", "www2."+host, "{{hosts[alt][]}}", "not-"+host,
	"{{ports[http][0]}}", "8000", "{{ports[http][1]}}", "8001", "{{ports[https][0]}}", "8443", "{{ports[https][1]}}", "8444",
)

// source is the whole of what is evaluated for a file, as one script: they share what they declare. A directive at the top of the test is one for all.
func (s *script) source(suite fs.FS) (string, error) {
	var b strings.Builder
	if strict(s.text) {
		b.WriteString("'use strict';\n")
	}
	for _, file := range s.scripts {
		text, err := fs.ReadFile(suite, file)
		if err != nil {
			return "", err
		}
		b.WriteString(substitute(file, string(text)))
		b.WriteString("\n;\n")
	}
	b.WriteString(substitute(s.file, s.text))
	return b.String(), nil
}

func substitute(file, text string) string {
	if !strings.Contains(path.Base(file), ".sub.") {
		return text
	}
	return variables.Replace(text)
}

// strict reports whether the first statement is the directive.
func strict(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		return strings.HasPrefix(line, "'use strict'") || strings.HasPrefix(line, `"use strict"`)
	}
	return false
}
