package web

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestHostFunctions: what the prelude calls is there, and what is there is called. A wrong name would show only when the line
// runs.
func TestHostFunctions(t *testing.T) {
	read := func(pattern, expression string) map[string]bool {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		names := map[string]bool{}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(string(text), -1) {
				names[m[1]] = true
			}
		}
		return names
	}
	called := read("js/*.js", `host\.(\w+)`)
	maps.Copy(called, read("js/node/*.js", `host\.(\w+)`))
	for _, name := range []string{"resolved", "rejected", "pending", "fulfill", "refuse", "handled", "react"} {
		called[name] = true // taken apart in prim.js and queuing.js
	}
	registered := read("*.go", `= \w*(?:register|Func|method)\w*\("(\w+)"`)
	for name := range called {
		if !registered[name] {
			t.Errorf("the prelude calls host.%s, which is not registered", name)
		}
	}
	for name := range registered {
		if !called[name] {
			t.Errorf("host.%s is registered and never called", name)
		}
	}
	if len(registered) != len(hostFunctions) {
		t.Errorf("found %d names of %d functions", len(registered), len(hostFunctions))
	}
}

// TestOrder: every file of js/ is part of the prelude, once.
func TestOrder(t *testing.T) {
	files, err := sources.ReadDir("js")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, name := range order {
		listed[name+".js"]++
	}
	for _, f := range files {
		if f.IsDir() { // of modules.go
			continue
		}
		if listed[f.Name()] != 1 {
			t.Errorf("%s is listed %d times", f.Name(), listed[f.Name()])
		}
	}
	if len(files) != len(order) {
		t.Errorf("%d files, %d names", len(files), len(order))
	}
}
