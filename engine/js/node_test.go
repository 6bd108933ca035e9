package js_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"everloop/cmd/testenv"
	"everloop/engine"
)

// Node's modules against Node itself: testdata/node/*.mjs are scripts that export a function of print. What they print here must
// be what is in the .out file beside them, and, where there is a Node to ask, what they print there.

var rewriteNode = flag.Bool("rewrite-node", false, "write what Node prints to testdata/node/*.out")

// nodeMain runs a script in a Worker.
const nodeMain = `import script from "./script.mjs";
export default { async fetch() {
	const out = [];
	await script((...args) => out.push(args.map(String).join(" ")));
	return new Response(out.join("\n") + "\n");
} };
`

// nodeRunner runs one in Node.
const nodeRunner = `const { default: script } = await import(process.argv[2]);
const out = [];
await script((...args) => out.push(args.map(String).join(" ")));
process.stdout.write(out.join("\n") + "\n");
`

// leastNode is the first major version of Node whose answers are compared: older ones print some things otherwise.
const leastNode = 20

func TestNodeModules(t *testing.T) {
	scripts, err := filepath.Glob("testdata/node/*.mjs")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".mjs"), func(t *testing.T) {
			source, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(script, ".mjs") + ".out"
			if *rewriteNode {
				if err := os.WriteFile(golden, runNode(t, script), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for name, content := range map[string]string{
				"wrangler.jsonc": `{ "name": "script", "main": "main.mjs", "compatibility_flags": ["nodejs_compat"], "vars": { "GREETING": "hello", "OBJECT": { "a": 1 } } }`,
				"main.mjs":       nodeMain,
				"script.mjs":     string(source),
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			v, err := tryServe(t, dir, setup{})
			if err != nil {
				t.Fatal(err)
			}
			got := text(v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/"}))
			compareLines(t, "here", got, strings.TrimRight(string(want), "\n"))
		})
		t.Run(strings.TrimSuffix(filepath.Base(script), ".mjs")+" in Node", func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(script, ".mjs") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, "in Node", string(runNode(t, script)), string(want))
		})
	}
}

// compareLines shows where two texts differ.
func compareLines(t *testing.T, where, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	if dir := os.Getenv("EVERLOOP_NODE_GOT"); dir != "" && got != want {
		_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_")), []byte(got), 0o600)
	}
	shown := 0
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d %s\n got %s\nwant %s", i+1, where, a, b)
			if shown++; shown == 20 {
				return
			}
		}
	}
}

func runNode(t *testing.T, script string) []byte {
	t.Helper()
	node := testenv.Program(t, "node")
	version, err := exec.Command(node, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(string(version), "v"), ".")
	if n, _ := strconv.Atoi(major); n < leastNode {
		t.Skipf("Node is %s: its answers are compared from version %d", strings.TrimSpace(string(version)), leastNode)
	}
	runner := filepath.Join(t.TempDir(), "run.mjs")
	if err := os.WriteFile(runner, []byte(nodeRunner), 0o600); err != nil {
		t.Fatal(err)
	}
	abs, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "--no-warnings", runner, abs)
	cmd.Env = append(os.Environ(), "NODE_OPTIONS=", "NODE_DEBUG=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	return out
}
