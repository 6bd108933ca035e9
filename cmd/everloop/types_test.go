package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"everloop/cmd/testenv"
)

// TestExampleTypes holds that the example type-checks with Cloudflare's own types, as an editor does it. It installs them, and so
// needs the network.
func TestExampleTypes(t *testing.T) {
	testenv.Full(t)
	npm := testenv.Program(t, "npm")
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(counter)); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{npm, "install", "--no-audit", "--no-fund", "--save-dev", "typescript"}, {filepath.Join(dir, "node_modules/.bin/tsc"), "--noEmit"}} {
		cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", line, err, out)
		}
	}
}
