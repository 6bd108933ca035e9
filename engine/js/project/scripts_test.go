package project

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests got into testdata; read the diff afterwards")

// A script is a file in testdata: a comment, then files below lines of the form "-- name --". The file "serve" holds what
// is served, relative to the other files, with an environment in a second line if there is one; the file "want" holds the golden answer.
type script struct {
	path, comment string
	names         []string
	files         map[string]string
}

func readScript(t *testing.T, path string) *script {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{path: path, files: map[string]string{}}
	name := ""
	for line := range strings.Lines(string(text)) {
		if mark := strings.TrimSpace(line); strings.HasPrefix(mark, "-- ") && strings.HasSuffix(mark, " --") {
			name = strings.TrimSpace(mark[3 : len(mark)-3])
			s.names = append(s.names, name)
			s.files[name] = ""
			continue
		}
		if name == "" {
			s.comment += line
		} else {
			s.files[name] += line
		}
	}
	return s
}

// load lays the script's files out in a folder, makes that the working directory, and loads what it serves.
func (s *script) load(t *testing.T) (*Project, error) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range s.files {
		if name == "serve" || name == "want" {
			continue
		}
		file := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	lines := append(strings.Split(strings.TrimSpace(s.files["serve"]), "\n"), "", "") // path, environment, today
	return Load(lines[0], Options{Environment: lines[1], Today: lines[2]})
}

// check compares got with the golden answer, or makes it the golden answer.
func (s *script) check(t *testing.T, got string) {
	t.Helper()
	if !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	if *rewrite {
		if _, ok := s.files["want"]; !ok {
			s.names = append(s.names, "want")
		}
		s.files["want"] = got
		text := s.comment
		for _, name := range s.names {
			text += "-- " + name + " --\n" + s.files[name]
		}
		if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := s.files["want"]; got != want {
		t.Errorf("%s got:\n%s\nwant:\n%s", s.comment, got, want)
	}
}

func eachScript(t *testing.T, pattern string, f func(*testing.T, *script)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts at %s: %v", pattern, err)
	}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { f(t, readScript(t, abs)) })
	}
}

// TestErrors holds what a person is told about each mistake.
func TestErrors(t *testing.T) {
	eachScript(t, "testdata/errors/*.txt", func(t *testing.T, s *script) {
		p, err := s.load(t)
		if err == nil {
			_, err = p.Bundle()
		}
		if err == nil {
			t.Fatal("no error")
		}
		s.check(t, err.Error())
	})
}

// TestProjects holds what is read from a configuration.
func TestProjects(t *testing.T) {
	eachScript(t, "testdata/projects/*.txt", func(t *testing.T, s *script) {
		p, err := s.load(t)
		if err != nil {
			t.Fatal(err)
		}
		s.check(t, describeProject(p))
	})
}

// TestBundles holds what becomes of code.
func TestBundles(t *testing.T) {
	eachScript(t, "testdata/bundles/*.txt", func(t *testing.T, s *script) {
		p, err := s.load(t)
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		var d strings.Builder
		fmt.Fprintf(&d, "exports %s\nexternals %s\n", b.Exports, b.Externals)
		for _, in := range b.Inputs {
			fmt.Fprintf(&d, "input %s\n", p.show(in))
		}
		for _, w := range b.Warnings {
			fmt.Fprintf(&d, "warning %v\n", w)
		}
		fmt.Fprintf(&d, "\n%s", b.Code)
		s.check(t, d.String())
	})
}

// describeProject writes a project as lines, one a fact, without the folder it happens to be in.
func describeProject(p *Project) string {
	var d strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&d, format+"\n", args...) }
	line("name %s", p.Name)
	line("main %s", p.show(p.Main))
	if !p.SingleFile() {
		line("config %s", p.show(p.ConfigFile))
	}
	if p.Environment != "" {
		line("environment %s", p.Environment)
	}
	line("compatibility %q %q", p.CompatibilityDate, p.CompatibilityFlags)
	for _, b := range p.Objects {
		line("object %+v", b)
	}
	for _, m := range p.Migrations {
		line("migration %+v", m)
	}
	for _, name := range sortedKeys(p.Exports) {
		line("export %s %+v", name, p.Exports[name])
	}
	for _, s := range p.Services {
		line("service %s: %s of %s, props %s", s.Name, s.Entrypoint, s.Service, s.Props)
	}
	for _, name := range sortedKeys(p.Vars) {
		line("var %s %s", name, p.Vars[name])
	}
	if p.Assets != nil {
		a := *p.Assets
		a.Directory = p.show(a.Directory)
		line("assets %+v", a)
	}
	for _, u := range p.Unsupported {
		line("unsupported %+v", u)
	}
	for _, r := range p.rules {
		line("rule %s %s", r.Type, r.match)
	}
	for _, name := range sortedKeys(p.alias) {
		line("alias %s %s", name, p.alias[name])
	}
	for _, name := range sortedKeys(p.define) {
		line("define %s %s", name, p.define[name])
	}
	for _, w := range p.Warnings {
		line("warning %s", w)
	}
	return d.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
