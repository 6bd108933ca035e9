package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"everloop/cmd/testenv"
)

// TestImportOfCloudflare has the program of testdata/import fill its objects under workerd, once as wrangler dev runs it and once from a configuration of workerd's own, and kills that.
// What everloop serves of the imported folder must be what workerd served, and it must live through an export and its import.
func TestImportOfCloudflare(t *testing.T) {
	installed := testenv.Packages(t, "testdata/import/package.json")
	node := testenv.Program(t, "node")
	testdata, err := filepath.Abs("testdata/import")
	if err != nil {
		t.Fatal(err)
	}
	for _, maker := range []struct {
		name    string
		start   func(t *testing.T, dir string) *exec.Cmd
		address string // a pattern of what it prints
		source  string // what is imported
		beside  string // what the import says that it leaves behind
	}{
		{"miniflare", func(t *testing.T, dir string) *exec.Cmd {
			return exec.Command(node, filepath.Join(testdata, "miniflare.mjs"), installed, filepath.Join(dir, ".wrangler", "state"))
		}, `(http://127\.0\.0\.1:\d+)`, ".", "not taken  kv"},
		{"workerd", func(t *testing.T, dir string) *exec.Cmd { return workerdCommand(t, installed, testdata, dir) }, `"port":(\d+)`, "objects", ""},
	} {
		t.Run(maker.name, func(t *testing.T) {
			dir := t.TempDir()
			before := askMaker(t, maker.start(t, dir), maker.address)

			data := filepath.Join(dir, "data")
			out := done(t, "import", filepath.Join(dir, maker.source), testdata, "--data", data)
			if !strings.Contains(out, maker.beside) || !strings.Contains(out, "Counter (my-shop-Counter), Shelf (my-shop-Shelf)") {
				t.Errorf("the import says\n%s", out)
			}
			t.Logf("%s", out)
			exported := done(t, "export", data)
			if out := done(t, "import", filepath.Join(dir, maker.source), testdata, "--data", data); !strings.Contains(out, "objects    0 with") || !strings.Contains(out, "were there already") {
				t.Errorf("the second import says\n%s", out)
			}

			compareAnswers(t, data, testdata, before)

			// Through an export: what was asked for above has changed nothing but the epoch.
			lines, again := filepath.Join(dir, "export.jsonl"), filepath.Join(dir, "again")
			if err := os.WriteFile(lines, []byte(exported), 0o600); err != nil {
				t.Fatal(err)
			}
			done(t, "import", lines, "--data", again)
			if twice := done(t, "export", again); twice != exported {
				t.Errorf("the export of what was imported from an export differs from it:\n%.2000s\nis not\n%.2000s", twice, exported)
			}
			compareAnswers(t, again, testdata, before)
		})
	}
}

// workerdCommand serves the program with a configuration of its own.
func workerdCommand(t *testing.T, installed, testdata, dir string) *exec.Cmd {
	found, err := filepath.Glob(filepath.Join(installed, "node_modules/@cloudflare/workerd-*/bin/workerd"))
	if err != nil || len(found) == 0 {
		t.Skip("npm has brought no workerd for this machine")
	}
	program, err := os.ReadFile(filepath.Join(testdata, "src/index.js"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"index.js": string(program), "config.capnp": `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "objects", disk = (path = "objects", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  compatibilityDate = "2026-04-01",
  compatibilityFlags = ["enhanced_error_serialization"],
  bindings = [(name = "SHELF", durableObjectNamespace = "Shelf"), (name = "COUNTER", durableObjectNamespace = "Counter")],
  durableObjectNamespaces = [
    (className = "Shelf", uniqueKey = "my-shop-Shelf", enableSql = true),
    (className = "Counter", uniqueKey = "my-shop-Counter", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "objects"),
);
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(found[0], "serve", "config.capnp", "--control-fd=1")
	cmd.Dir = dir
	return cmd
}

// An answer is what was answered to a path.
type answer struct{ path, text string }

// shelfKeys reads the keys of a shelf from what it says of them.
var shelfKeys = regexp.MustCompile(`: ("(?:[^"\\]|\\.)*")`)

// askMaker runs a maker, has its objects filled, asks what there is, and kills it, so that its databases are left with their logs.
func askMaker(t *testing.T, cmd *exec.Cmd, address string) (answers []answer) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has children
	var log output
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()                                      // killed: that is no failure
		if t.Failed() {
			t.Logf("its log:\n%s", tail(log.String(), 8<<10))
		}
	}()
	url := ""
	for lines := bufio.NewScanner(stdout); url == "" && lines.Scan(); {
		if found := regexp.MustCompile(address).FindStringSubmatch(lines.Text()); found != nil {
			url = found[1]
		}
	}
	switch {
	case url == "":
		t.Fatalf("it does not start:\n%s", &log)
	case !strings.HasPrefix(url, "http"):
		url = "http://127.0.0.1:" + url
	}
	host, _ := strings.CutPrefix(strings.TrimSuffix(url, "/"), "http://")
	client := (&process{t: t, listen: host}).newClient(1)
	get := func(path string) string {
		status, body, err := ask(client, path)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s: %d %s %v", path, status, body, err)
		}
		return body
	}
	get("/shelf/store")
	get("/count/40")
	get("/rare/4000000000000")
	unique, _, _ := strings.Cut(get("/unique"), " ")
	keys := shelfKeys.FindAllStringSubmatch(get("/shelf/list"), -1)
	paths := []string{"/shelf/list", "/shelf/alarm", "/sums/41", "/unique/" + unique + "/0"}
	for _, k := range keys {
		paths = append(paths, "/shelf/read/"+urlEscape(strings.Trim(k[1], `"`)))
	}
	for _, path := range paths {
		answers = append(answers, answer{path, get(path)})
	}
	if len(answers) < 50 {
		t.Errorf("only %d answers: %q", len(answers), answers)
	}
	return answers
}

func urlEscape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// compareAnswers serves a data directory and asks again.
func compareAnswers(t *testing.T, data, project string, answers []answer) {
	t.Helper()
	p := serve(t, project, "--data", data)
	for _, a := range answers {
		status, body := p.get(a.path)
		if status != http.StatusOK || body != a.text {
			t.Errorf("%s: everloop answers %d\n%.500s\nworkerd\n%.500s", a.path, status, body, a.text)
		}
	}
	t.Logf("%d answers compared", len(answers))
	p.stop()
}

// done runs the program to its end, which must be a good one, and returns what it has printed.
func done(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := everloop(t, nil, args...)
	if code != exitOK {
		t.Fatalf("everloop %q: exit code %d\n%s%s", args, code, tail(out, 4<<10), tail(errs, 4<<10))
	}
	return out
}
