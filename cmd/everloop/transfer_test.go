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
	"time"

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
		names   bool   // whether it notes the names of objects without alarms
	}{
		{"miniflare", func(t *testing.T, dir string) *exec.Cmd {
			return exec.Command(node, filepath.Join(testdata, "miniflare.mjs"), installed, filepath.Join(dir, ".wrangler", "state"))
		}, `(http://127\.0\.0\.1:\d+)`, ".", "not taken  kv", false},
		{"wrangler", func(t *testing.T, dir string) *exec.Cmd {
			testenv.Full(t)
			return wranglerCommand(t, testenv.Packages(t, "testdata/import/wrangler/package.json"), node, testdata, dir)
		}, `Ready on (http://127\.0\.0\.1:\d+)`, ".", "", true},
		{"workerd", func(t *testing.T, dir string) *exec.Cmd { return workerdCommand(t, installed, testdata, dir) }, `"port":(\d+)`, "objects", "", false},
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
			if noted := strings.Count(exported, `"name":"counter `); maker.names && noted != 41 {
				t.Errorf("%d of 41 objects have the names that the tool had noted", noted)
			}
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

// wranglerCommand serves a copy of the project as its author would.
func wranglerCommand(t *testing.T, installed, node, testdata, dir string) *exec.Cmd {
	for _, name := range []string{"wrangler.jsonc", "src/index.js"} {
		content, err := os.ReadFile(filepath.Join(testdata, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(node, filepath.Join(installed, "node_modules/wrangler/bin/wrangler.js"), "dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CI=1", "WRANGLER_SEND_METRICS=false", "WRANGLER_LOG_PATH="+filepath.Join(dir, "logs"), "HOME="+dir)
	return cmd
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

// TestExportOfDaemon exports beside a daemon, of a moment, and behind one that was killed, with everything that it had answered.
func TestExportOfDaemon(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serve(t, counter, "--data", data)
	const rounds = 40
	for i := range rounds {
		if _, body := p.get(fmt.Sprintf("/?id=c%02d", i%4)); strings.TrimSpace(body) != fmt.Sprint(i/4+1) {
			t.Fatalf("request %d: %s", i, body)
		}
	}
	// What was answered is known to be on disk a moment later: the log says so with its next batch.
	full := fmt.Sprintf(`"keys":{"count":%d}`, rounds/4)
	waitFor(t, "an export with every count", func() bool { return strings.Count(done(t, "export", data), full) == 4 })
	online := done(t, "export", data)
	one := done(t, "export", data, "--class", "Counter", "--object", "c01")
	if strings.Count(one, "\n") != 2 || !strings.Contains(one, `"name":"c01"`) {
		t.Errorf("one object:\n%s", one)
	}
	if _, stderr, code := everloop(t, nil, "import", "x.jsonl", "--data", data); code != exitFailed || !strings.Contains(stderr, "x.jsonl: no such file") {
		t.Errorf("a source that is not there: %d, %s", code, stderr)
	}
	lines := filepath.Join(t.TempDir(), "export.jsonl")
	if err := os.WriteFile(lines, []byte(online), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := everloop(t, nil, "import", lines, "--data", data); code != exitFailed || !strings.Contains(stderr, "Stop the daemon that runs on "+data) {
		t.Errorf("an import into a directory in use: %d, %s", code, stderr)
	}

	before := time.Now().UTC()
	waitFor(t, "a batch behind the moment", func() bool { return time.Since(before) > 5*time.Millisecond }) // batches have milliseconds
	if _, body := p.get("/?id=c00"); strings.TrimSpace(body) != fmt.Sprint(rounds/4+1) {
		t.Errorf("the last count is %s", body)
	}
	p.kill() // its last batch was not followed by another that says that it is on disk
	after := done(t, "export", data)
	if after == online || !strings.Contains(after, fmt.Sprintf(`"keys":{"count":%d}`, rounds/4+1)) {
		t.Errorf("what was answered last is not in the export:\n%s", after)
	}
	if at := done(t, "export", data, "--at", before.Format(time.RFC3339Nano)); at != online {
		t.Errorf("as of %v:\n%s\nwant\n%s", before, at, online)
	}

	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"export", "none"}, exitFailed, "none is no data directory"},
		{[]string{"export", data, "--object", "x"}, exitUsage, "--object wants --class"},
		{[]string{"export", data, "--class", "X"}, exitFailed, `there is no class "X"`},
		{[]string{"export", data, "--class", "Counter", "--object", "x"}, exitFailed, `has no object "x"`},
		{[]string{"export", data, "--at", "noon"}, exitUsage, `"noon" is no time`},
		{[]string{"export", data, "--at", "2020-01-01T00:00:00Z"}, exitFailed, ""},
		{[]string{"import", lines}, exitUsage, "give the project"},
		{[]string{"import", data, "--data", data}, exitFailed, "is a data directory of everloop"},
		{[]string{"import", t.TempDir(), "--data", data}, exitFailed, "no objects of wrangler"},
		{[]string{"import", lines, "--data", data}, exitFailed, "--replace replaces objects"},
	} {
		if _, stderr, code := everloop(t, nil, tt.args...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("everloop %q: %d, %s, want %d and %q", tt.args, code, stderr, tt.code, tt.want)
		}
	}
	if out := done(t, "import", lines, "--data", data, "--replace"); !strings.Contains(out, "replaced   1 of them") || done(t, "export", data) != online {
		t.Errorf("put back:\n%s", out)
	}
}
