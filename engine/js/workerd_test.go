package js_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine/js"
	"everloop/engine/js/project"
)

// TestConformanceOfWorkerd runs the conformance suite on workerd, Cloudflare's own runtime: what a case expects must be what
// workerd does, and a case that is marked as differing or absent must differ. It is for whoever writes cases, and
// needs EVERLOOP_WORKERD to name the program, which the npm package workerd has. With -short, files with virtual time are left
// out: workerd takes real time for them.
func TestConformanceOfWorkerd(t *testing.T) {
	program := os.Getenv("EVERLOOP_WORKERD")
	if program == "" {
		t.Skip("EVERLOOP_WORKERD does not name a workerd to compare with")
	}
	for _, path := range conformancePaths(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			f := readConformance(t, path)
			if f.virtual && testing.Short() {
				t.Skip("takes long")
			}
			if f.ours {
				t.Skip("workerd refuses it")
			}
			t.Parallel()
			w := serveWorkerd(t, program, f)
			defer w.close()
			for i := range f.cases {
				c := &f.cases[i]
				if c.restart {
					w.restart()
				}
				got, want := w.ask(i), strings.TrimRight(c.want, "\n")
				switch {
				case c.state == "" && got != want:
					t.Errorf("%s:%d: %s: %s\nworkerd %s\n   want %s\n%s", path, c.line, c.section, c.sentence, got, want, w.log())
				case c.state != "" && got == want:
					t.Errorf("%s:%d: %s: %s\nis marked %q, and workerd does just that: %s", path, c.line, c.section, c.sentence, c.state, got)
				}
			}
		})
	}
}

// workerd is a process of workerd that serves a conformance file.
type workerd struct {
	t            *testing.T
	program, dir string
	command      *exec.Cmd
	url          string
	logs         *logBuffer
}

func serveWorkerd(t *testing.T, program string, f *conformanceFile) *workerd {
	w := &workerd{t: t, program: program, dir: t.TempDir(), logs: new(logBuffer)}
	p, err := project.Load(f.write(t, w.dir), project.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"bundle.js": string(b.Code), "config.capnp": workerdConfig(t, p, serveConformance(t, f).app.Bindings())} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(w.dir, "objects"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

// workerdConfig is the configuration of a project in workerd's form.
func workerdConfig(t *testing.T, p *project.Project, bound []js.Binding) string {
	t.Helper()
	var bindings, namespaces []string
	for _, b := range bound {
		bindings = append(bindings, fmt.Sprintf("(name = %q, durableObjectNamespace = %q)", b.Name, b.Class))
		namespaces = append(namespaces, fmt.Sprintf("(className = %q, uniqueKey = %q, enableSql = true)", b.Class, p.Name+"-"+b.Class))
	}
	for _, b := range p.Services {
		switch {
		case b.Service != p.Name:
		default:
			to := []string{`name = "main"`}
			if b.Entrypoint != "" {
				to = append(to, fmt.Sprintf("entrypoint = %q", b.Entrypoint))
			}
			if b.Props != nil {
				to = append(to, fmt.Sprintf("props = (json = %q)", b.Props))
			}
			bindings = append(bindings, fmt.Sprintf("(name = %q, service = (%s))", b.Name, strings.Join(to, ", ")))
		}
	}
	for name, v := range p.Vars {
		bindings = append(bindings, fmt.Sprintf("(name = %q, json = %q)", name, v))
	}
	slices.Sort(namespaces)
	flags, err := json.Marshal(append([]string{}, p.CompatibilityFlags...))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "objects", disk = (path = "objects", writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])), # by default it does not reach this machine
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "bundle.js", esModule = embed "bundle.js")],
  compatibilityDate = %q,
  compatibilityFlags = %s,
  bindings = [%s],
  durableObjectNamespaces = [%s],
  durableObjectStorage = (localDisk = "objects"),
);
`, cmp.Or(p.CompatibilityDate, "2026-11-01"), flags, strings.Join(bindings, ", "), strings.Join(slices.Compact(namespaces), ", "))
}

func (w *workerd) start() {
	ready, child, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = ready.Close() }()
	w.command = exec.Command(w.program, "serve", "config.capnp", "--control-fd=3", "--experimental")
	w.command.Dir, w.command.Stdout, w.command.Stderr, w.command.ExtraFiles = w.dir, w.logs, w.logs, []*os.File{child}
	if err := w.command.Start(); err != nil {
		w.t.Fatal(err)
	}
	_ = child.Close()
	lines := bufio.NewScanner(ready)
	for lines.Scan() {
		var said struct {
			Event, Socket string
			Port          int
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err == nil && said.Event == "listen" {
			w.url = fmt.Sprintf("http://127.0.0.1:%d", said.Port)
			return
		}
	}
	w.close()
	w.t.Fatalf("workerd does not start:\n%s", w.logs)
}

func (w *workerd) ask(i int) string {
	client := &http.Client{Timeout: 3 * time.Minute}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, fmt.Sprintf("%s/%d", w.url, i), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return "error: " + err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "error: " + err.Error()
	}
	text := strings.TrimSuffix(string(body), "\n")
	if answer.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s", answer.StatusCode, text)
	}
	return text
}

func (w *workerd) log() string { return w.logs.String() }

func (w *workerd) restart() {
	w.close()
	w.start()
}

func (w *workerd) close() {
	_ = w.command.Process.Kill()
	_ = w.command.Wait() // killed: that is no failure
}
