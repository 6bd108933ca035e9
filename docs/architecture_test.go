// Package docs_test holds the code to what the pages of this folder say.
package docs_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "everloop"

// TestImports checks this tree against the rules in architecture.md. It reads the files itself: what a test
// learns from a program that it runs, such as `go list`, is not part of the key under which Go caches the
// test's result, so a broken rule could hide behind a cached pass.
func TestImports(t *testing.T) {
	root := os.DirFS("..")
	rules := readRules(t, root)
	found, err := rules.check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// TestImportsCatches proves that each rule can fail, on small trees that break one rule each.
func TestImportsCatches(t *testing.T) {
	const block = `
folder engine
folder loop
folder cmd
loop/wheel           ->
loop                 -> loop/wheel
engine/internal/...  ->
engine               -> loop, engine/internal/...
proto                -> engine
loop/looptest        -> loop
cmd/...              -> *
cmd/testenv          ->
test helper loop/looptest
test helper cmd/testenv for all
only loop imports example.org/net/...
clock loop/clock.go
timer loop
timer engine/slow/...
`
	ok := map[string]string{
		"go.mod":                  "module everloop\n",
		"loop/wheel/wheel.go":     "package wheel\n",
		"loop/loop.go":            "package loop\nimport _ \"everloop/loop/wheel\"\nimport _ \"example.org/net/v2\"\n",
		"loop/clock.go":           "package loop\nimport \"time\"\nvar now = time.Now\n",
		"loop/wake.go":            "package loop\nimport clock \"time\"\nvar wake = clock.AfterFunc\n",
		"loop/looptest/pool.go":   "package looptest\nimport _ \"everloop/loop\"\n",
		"engine/engine.go":        "package engine\nimport _ \"everloop/loop\"\nimport \"time\"\nconst s = time.Second\n",
		"engine/e_test.go":        "package engine_test\nimport (\n_ \"everloop/engine\"\n_ \"everloop/loop/looptest\"\n_ \"everloop/loop/wheel\"\n_ \"everloop/cmd/testenv\"\n\"time\"\n)\nvar _ = time.Now\n",
		"engine/internal/kv/k.go": "package kv\n",
		"cmd/everloop/main.go":    "package main\nimport _ \"everloop/engine\"\n",
		"cmd/testenv/env.go":      "package testenv\n",
		".tools/x/main.go":        "package main\nimport _ \"everloop/engine/secret\"\n",
		"engine/testdata/bad.go":  "package not Go at all",
	}
	tests := []struct {
		name, file, text string
		want             string // a part of the one finding; "" for none
	}{
		{"clean", "loop/doc.go", "package loop\n", ""},
		{"upwards", "loop/up.go", "package loop\nimport _ \"everloop/engine\"\n", "loop/up.go:2: loop may not import everloop/engine"},
		{"upwards, behind a build tag", "loop/up.go", "//go:build never\n\npackage loop\nimport _ \"everloop/engine\"\n", "loop/up.go:4: "},
		{"two floors down", "engine/d.go", "package engine\nimport _ \"everloop/loop/wheel\"\n", "engine/d.go:2: engine may not import everloop/loop/wheel"},
		{"a leaf importing", "loop/wheel/w.go", "package wheel\nimport _ \"everloop/loop\"\n", "may not import everloop/loop"},
		{"the module's root", "engine/r.go", "package engine\nimport _ \"everloop\"\n", "may not import everloop"},
		{"another leaf below internal", "engine/internal/kv/l.go", "package kv\nimport _ \"everloop/engine/internal/b\"\n", "may not import everloop/engine/internal/b"},
		{"a package without a line", "engine/extra/x.go", "package extra\n", "engine/extra has no line"},
		{"a test helper outside tests", "engine/h.go", "package engine\nimport _ \"everloop/loop/looptest\"\n", "may not import everloop/loop/looptest"},
		{"a test helper in a program", "cmd/everloop/h.go", "package main\nimport _ \"everloop/loop/looptest\"\n", "only test files may import"},
		{"a test reaching upwards", "loop/l_test.go", "package loop_test\nimport _ \"everloop/engine\"\n", "tests of loop may not import everloop/engine"},
		{"a test helper out of reach", "loop/wheel/w_test.go", "package wheel\nimport _ \"everloop/loop/looptest\"\n", "tests of loop/wheel may not import everloop/loop/looptest"},
		{"the owner's package elsewhere", "engine/n.go", "package engine\nimport _ \"example.org/net\"\n", "only loop may import example.org/net"},
		{"the owner's package in a test elsewhere", "engine/n_test.go", "package engine\nimport _ \"example.org/net/x\"\n", "only loop may import example.org/net/x"},
		{"the clock", "engine/c.go", "package engine\nimport \"time\"\nvar t = time.Since\n", "engine/c.go:3: time.Since reads the clock"},
		{"the clock in loop, another file", "loop/c.go", "package loop\nimport \"time\"\nvar t = time.Now\n", "loop/c.go:3: time.Now reads the clock"},
		{"the clock under another name", "engine/c.go", "package engine\nimport clock \"time\"\nvar t = clock.Now()\n", "time.Now reads the clock"},
		{"the clock through a dot", "engine/c.go", "package engine\nimport . \"time\"\nvar t = Now()\n", "import time by name"},
		{"a timer", "engine/c.go", "package engine\nimport \"time\"\nfunc f() { time.Sleep(1) }\n", "time.Sleep waits for the clock"},
		{"another top-level folder", "util/u.txt", "", "util: no rule names this top-level folder"},
		{"a file that is not Go", "engine/b.go", "package ???", "engine/b.go:1:9: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{tt.file: {Data: []byte(tt.text)}}
			for name, text := range ok {
				tree[name] = &fstest.MapFile{Data: []byte(text)}
			}
			rules, err := parseRules(block)
			if err != nil {
				t.Fatal(err)
			}
			found, err := rules.check(tree)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.want == "" && len(found) == 0:
			case tt.want != "" && len(found) == 1 && strings.Contains(found[0], tt.want):
			default:
				t.Errorf("found %q, want one with %q", found, tt.want)
			}
		})
	}
}

func TestRulesRefused(t *testing.T) {
	for _, block := range []string{
		"loop imports wheel",
		"loop -> loop/wheel loop/x",
		"-> loop",
		"only loop imports",
		"only imports example.org/net",
		"test helper",
		"loop ->\nloop -> wal",
		"clock",
		"test helper looptest",
	} {
		if _, err := parseRules(block); err == nil {
			t.Errorf("parseRules(%q) took it", block)
		}
	}
}

// A ruleset is the parsed block of architecture.md. The order of its lists is that of the block.
type ruleset struct {
	folders []string
	edges   map[string][]string // pattern of packages -> patterns that they may import
	helpers map[string]bool     // packages for tests only; true: for all tests
	only    []ownership
	clock   []string
	timer   []string
}

// An ownership says that only owners may import what matches pattern.
type ownership struct {
	owners  []string
	pattern string
}

func readRules(t *testing.T, root fs.FS) *ruleset {
	t.Helper()
	page, err := fs.ReadFile(root, "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(page, []byte("\n```imports\n"))
	block, _, closed := bytes.Cut(rest, []byte("\n```"))
	if !found || !closed {
		t.Fatal("docs/architecture.md has no ```imports block")
	}
	rules, err := parseRules(string(block))
	if err != nil {
		t.Fatalf("docs/architecture.md: %v", err)
	}
	return rules
}

func parseRules(block string) (*ruleset, error) {
	r := &ruleset{edges: map[string][]string{}, helpers: map[string]bool{}}
	lines := bufio.NewScanner(strings.NewReader(block))
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if err := r.parseLine(line); err != nil {
			return nil, fmt.Errorf("rule %q: %w", line, err)
		}
	}
	return r, lines.Err()
}

func (r *ruleset) parseLine(line string) error {
	if left, right, ok := strings.Cut(line, "->"); ok {
		left = strings.TrimSpace(left)
		names, err := splitNames(right)
		if err != nil {
			return err
		}
		if left == "" || strings.Contains(left, " ") {
			return errors.New("one package or folder stands before the arrow")
		}
		if _, twice := r.edges[left]; twice {
			return errors.New("a second line for the same packages")
		}
		r.edges[left] = names
		return nil
	}
	if rest, ok := strings.CutPrefix(line, "only "); ok {
		left, pattern, ok := strings.Cut(rest, " imports ")
		owners, err := splitNames(left)
		if !ok || err != nil || len(owners) == 0 || strings.Contains(pattern, " ") {
			return errors.New("want: only A, B imports P")
		}
		r.only = append(r.only, ownership{owners, pattern})
		return nil
	}
	words := strings.Fields(line)
	switch {
	case len(words) == 2 && words[0] == "folder":
		r.folders = append(r.folders, words[1])
	case len(words) == 2 && words[0] == "clock":
		r.clock = append(r.clock, words[1])
	case len(words) == 2 && words[0] == "timer":
		r.timer = append(r.timer, words[1])
	case strings.HasPrefix(line, "test helper ") && len(words) == 3:
		if path.Dir(words[2]) == "." {
			return errors.New("a test helper stands below the package that it is for")
		}
		r.helpers[words[2]] = false
	case strings.HasPrefix(line, "test helper ") && len(words) == 5 && words[3] == "for" && words[4] == "all":
		r.helpers[words[2]] = true
	default:
		return errors.New("not a rule")
	}
	return nil
}

// splitNames splits "a, b" into its names.
func splitNames(list string) ([]string, error) {
	list = strings.TrimSpace(list)
	if list == "" {
		return nil, nil
	}
	names := strings.Split(list, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
		if names[i] == "" || strings.Contains(names[i], " ") {
			return nil, errors.New("names are separated by commas")
		}
	}
	return names, nil
}

// matches reports whether pattern ("*", "a/b" or "a/b/...") covers name.
func matches(pattern, name string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return pattern == "*" || pattern == name
}

func anyMatches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// line returns the patterns that pkg may import: those of the most exact line for it.
func (r *ruleset) line(pkg string) (may []string, ok bool) {
	if may, ok = r.edges[pkg]; ok {
		return may, true
	}
	longest := -1
	for pattern, names := range r.edges {
		if matches(pattern, pkg) && len(pattern) > longest {
			may, ok, longest = names, true, len(pattern)
		}
	}
	return may, ok
}

// reaches reports whether pkg may import target, be it through others.
func (r *ruleset) reaches(pkg, target string, seen map[string]bool) bool {
	may, _ := r.line(pkg)
	for _, pattern := range may {
		if matches(pattern, target) {
			return true
		}
		next := strings.TrimSuffix(pattern, "/...")
		if seen[next] {
			continue
		}
		seen[next] = true
		if r.reaches(next, target, seen) {
			return true
		}
	}
	return false
}

// mayImport decides one import of this module's target by pkg; why completes "pkg/test may not import target".
func (r *ruleset) mayImport(pkg, target string, inTest bool) (ok bool, why string) {
	forAll, helper := r.helpers[target]
	if helper && inTest {
		return forAll || pkg == path.Dir(target) || r.reaches(pkg, path.Dir(target), map[string]bool{}), ""
	}
	if _, importerIsHelper := r.helpers[pkg]; helper && !importerIsHelper {
		return false, ": only test files may import a test helper"
	}
	if inTest && (pkg == target || r.reaches(pkg, target, map[string]bool{})) {
		return true, ""
	}
	may, _ := r.line(pkg)
	return anyMatches(may, target), ""
}

// check walks the tree and returns what breaks a rule, each with file and line.
func (r *ruleset) check(root fs.FS) (found []string, err error) {
	ignored, err := ignoredFolders(root)
	if err != nil {
		return nil, err
	}
	withoutLine := map[string]bool{}
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			switch {
			case name == ".":
				return nil
			case base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules" || slices.Contains(ignored, name):
				return fs.SkipDir
			case !strings.Contains(name, "/") && !slices.Contains(r.folders, name):
				found = append(found, name+": no rule names this top-level folder (docs/architecture.md lists them)")
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		pkg := path.Dir(name)
		if _, ok := r.line(pkg); !ok && !withoutLine[pkg] {
			withoutLine[pkg] = true
			found = append(found, pkg+" has no line in docs/architecture.md: say what it may import")
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found = append(found, r.checkFile(name, text)...)
		return nil
	})
	return found, err
}

// checkFile returns what breaks a rule in one file.
func (r *ruleset) checkFile(name string, text []byte) (found []string) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	report := func(n ast.Node, format string, args ...any) {
		at := files.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d: ", name, at.Line)+fmt.Sprintf(format, args...))
	}
	pkg, inTest := path.Dir(name), strings.HasSuffix(name, "_test.go")
	importer := pkg
	if inTest {
		importer = "tests of " + pkg
	}
	timeName := ""
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			report(spec, "%v", err)
			continue
		}
		if rest, ours := strings.CutPrefix(target, module); ours && (rest == "" || rest[0] == '/') {
			if ok, why := r.mayImport(pkg, strings.TrimPrefix(rest, "/"), inTest); !ok {
				report(spec, "%s may not import %s%s", importer, target, why)
			}
		}
		for _, o := range r.only {
			if matches(o.pattern, target) && !anyMatches(o.owners, pkg) {
				report(spec, "only %s may import %s", strings.Join(o.owners, ", "), target)
			}
		}
		if target == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
		}
	}
	if timeName == "" || inTest {
		return found
	}
	if timeName == "." {
		report(file, "import time by name, so that its uses can be seen")
		return found
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); !ok || x.Name != timeName {
			return true
		}
		switch sel.Sel.Name {
		case "Now", "Since", "Until":
			if !covers(r.clock, name) {
				report(sel, "time.%s reads the clock: take the time from the loop", sel.Sel.Name)
			}
		case "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer":
			if !covers(r.timer, name) {
				report(sel, "time.%s waits for the clock: use a timer of the loop", sel.Sel.Name)
			}
		}
		return true
	})
	return found
}

// covers reports whether a list of files, folders and folder/... holds the file name.
func covers(list []string, name string) bool {
	return anyMatches(list, name) || anyMatches(list, path.Dir(name))
}

// ignoredFolders returns the folders at the root that .gitignore names as "/name/": what builds leave there
// is not the project's.
func ignoredFolders(root fs.FS) ([]string, error) {
	text, err := fs.ReadFile(root, ".gitignore")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "/") && strings.HasSuffix(line, "/") {
			names = append(names, strings.Trim(line, "/"))
		}
	}
	return names, err
}
