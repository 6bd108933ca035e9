package project

import (
	"bytes"
	"strings"
	"testing"
)

// checkError says what is wrong with an error for a person: it must be one, and its place must exist.
func checkError(t *testing.T, text []byte, e *Error) {
	t.Helper()
	if e.Message == "" || e.File == "" && e.Line == 0 {
		t.Errorf("an error without text or place: %+v", e)
	}
	lines := bytes.Count(text, []byte("\n")) + 1
	if e.Line < 0 || e.Line > lines || e.Column < 0 || e.Line == 0 && e.Column > 0 {
		t.Errorf("a place outside the file's %d lines: %+v", lines, e)
	}
	if e.Excerpt != "" && !strings.Contains(e.Excerpt, ">") {
		t.Errorf("an excerpt without its line: %+v", e)
	}
}

func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		`{ "main": "a.ts", /* c */ "vars": {"A": 1,}, }`, "main = 'a.ts'\n[vars]\nA = 2026-01-01\n", `[1]`, "null", "",
		`{"main":"a","migrations":[{"tag":"v1","new_classes":["A"]},{"tag":"v2","renamed_classes":[{"from":"A","to":"B"}]}]}`,
		`{"main":"a","durable_objects":{"bindings":[{"name":"A","class_name":"B"}]},"env":{"e":{"vars":{"A":"x"}}}}`,
		`{"main":"a","rules":[{"type":"Text","globs":["**/{a,b}*?.md","}{"]}],"assets":{"directory":"p","run_worker_first":["/a"]}}`,
		"\ufeff{\"main\": 5}", "[[durable_objects.bindings]]\nname = 5\n", `{"main":"a","queues":{"producers":[{"binding":"Q"}]},"ai":{"binding":"AI"}}`,
	} {
		f.Add([]byte(seed), true, "")
		f.Add([]byte(seed), false, "e")
	}
	f.Fuzz(func(t *testing.T, text []byte, isTOML bool, environment string) {
		name := "wrangler.jsonc"
		if isTOML {
			name = "wrangler.toml"
		}
		c, bad := readConfig(name, name, text)
		if bad == nil {
			var p *Project
			if p, bad = c.project(Options{Environment: environment}); bad == nil {
				if p.Main == "" || p.Vars == nil {
					t.Errorf("taken without main or variables: %+v", p)
				}
				for _, b := range p.Objects {
					if b.Name == "" || b.ClassName == "" {
						t.Errorf("taken with the binding %+v", b)
					}
				}
				return
			}
		}
		checkError(t, text, bad)
	})
}

func FuzzDevVars(f *testing.F) {
	for _, seed := range []string{"A=1", "export B = 'x' # c\n", "C=\"a\\n\nb\"\nD=`\n`", "E", "F=\"", "\ufeffG=1\r\nH=2\r\n", "=\n", "I='a' b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		vars, bad := parseDevVars(text)
		if bad != nil {
			checkError(t, []byte(text), bad)
			return
		}
		for key := range vars {
			if !isVarName(key) || !strings.Contains(text, key) {
				t.Errorf("the key %q from %q", key, text)
			}
		}
	})
}

func FuzzMapStack(f *testing.F) {
	f.Add("at f (worker.js:1:1)\n  at worker.js:2")
	f.Add("worker.js:999999999:999999999 worker.js:0:0 file:///worker.js:3")
	f.Fuzz(func(t *testing.T, stack string) {
		// What is found is replaced by itself, so that nothing else may have changed.
		same := replacePlaces(stack, func(int, int) (string, bool) { return "", false })
		if same != stack {
			t.Errorf("%q became %q", stack, same)
		}
		replaced := replacePlaces(stack, func(int, int) (string, bool) { return "X", true })
		if len(replaced) > len(stack) {
			t.Errorf("%q became %q", stack, replaced)
		}
	})
}
