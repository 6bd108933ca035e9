package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"everloop/cmd/testenv"
)

// TestExampleTypes holds that the examples type-check with Cloudflare's own types, as an editor does it. It installs them, and so
// needs the network.
func TestExampleTypes(t *testing.T) {
	testenv.Full(t)
	npm := testenv.Program(t, "npm")
	t.Parallel()
	configs, err := filepath.Glob("../../docs/examples/*/tsconfig.json")
	if err != nil || len(configs) < 2 {
		t.Fatalf("the examples are %v (%v)", configs, err)
	}
	dir := t.TempDir()
	run := func(line ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", line, err, out)
		}
	}
	// All of them name the same types, so one install above them is enough.
	if err := os.CopyFS(dir, os.DirFS(counter)); err != nil {
		t.Fatal(err)
	}
	run(npm, "install", "--no-audit", "--no-fund", "--save-dev", "typescript")
	for _, config := range configs {
		folder := filepath.Dir(config)
		name := filepath.Base(folder)
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS(folder)); err != nil {
			t.Fatal(err)
		}
		run(filepath.Join(dir, "node_modules/.bin/tsc"), "--noEmit", "-p", name)
	}
}
