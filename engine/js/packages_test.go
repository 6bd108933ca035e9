package js_test

import (
	"bytes"
	"flag"
	"os"
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

func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("with the race detector it takes minutes; what it would show of races, others do")
	}
	scripts, err := filepath.Glob("testdata/packages/*.mjs")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	installed := testenv.Packages(t, "testdata/packages/package.json")
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
