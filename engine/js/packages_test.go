package js_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"everloop/cmd/testenv"
	"everloop/engine"
)

// Packages of npm that Workers commonly use, as they come: testdata/packages/NAME.mjs uses one in earnest, inside an object, and
// what it prints must be what it prints in Node, which is in the .out file.

var rewritePackages = flag.Bool("rewrite-packages", false, "write what Node prints to testdata/packages/*.out")

const packageMain = `import script from "./script.mjs";
import { DurableObject } from "cloudflare:workers";
export class Runner extends DurableObject {
	async fetch() {
		const out = [];
		try { await script((...args) => out.push(args.map(String).join(" "))); } catch (e) { out.push("failed: " + e.stack); }
		return new Response(out.join("\n") + "\n");
	}
}
export default { fetch: (request, env) => env.RUNNER.getByName("r").fetch(request) };
`

// installPackages has npm install what testdata/packages/package.json lists, once for each state of that file, and returns the
// folder, which has a node_modules.
func installPackages(t *testing.T) string {
	t.Helper()
	npm := testenv.Program(t, "npm")
	list, err := os.ReadFile("testdata/packages/package.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "everloop", fmt.Sprintf("packages-%x", sha256.Sum256(list))[:24])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		t.Fatal(err)
	}
	// Beside its place, so that it can be renamed.
	fresh := fmt.Sprintf("%s.%d", dir, os.Getpid())
	if err := os.Mkdir(fresh, 0o750); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	if err := os.WriteFile(filepath.Join(fresh, "package.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
	cmd.Dir = fresh
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install: %v\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(dir); there != nil { // another run may have been first
			t.Fatal(err)
		}
	}
	return dir
}

func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("with the race detector it takes minutes; what it would show of races, others do")
	}
	scripts, err := filepath.Glob("testdata/packages/*.mjs")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	installed := installPackages(t)
	for _, script := range scripts {
		name := strings.TrimSuffix(filepath.Base(script), ".mjs")
		t.Run(name, func(t *testing.T) {
			source, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
				t.Fatal(err)
			}
			for name, content := range map[string]string{
				"wrangler.jsonc": `{ "name": "script", "main": "main.mjs", "compatibility_flags": ["nodejs_compat"], "durable_objects": { "bindings": [{ "name": "RUNNER", "class_name": "Runner" }] } }`,
				"main.mjs":       packageMain,
				"script.mjs":     string(source),
				"package.json":   `{ "type": "module" }`,
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			golden := strings.TrimSuffix(script, ".mjs") + ".out"
			if *rewritePackages {
				if err := os.WriteFile(golden, runNode(t, filepath.Join(dir, "script.mjs")), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			v, err := tryServe(t, dir, setup{})
			if err != nil {
				t.Fatal(err)
			}
			got := text(v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/"}))
			compareLines(t, "here", got, string(bytes.TrimRight(want, "\n")))
		})
	}
}
