package js_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
)

// served is a project that runs in an engine of its own.
type served struct {
	t     testing.TB
	eng   *engine.Engine
	app   *js.App
	ports []*engine.Port
	logs  *logBuffer
}

// logBuffer collects log lines from any goroutine.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type setup struct {
	dir   string
	loops int
	opts  js.Options
}

// serve runs a single-file program.
func serve(t testing.TB, source string, s setup) *served {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program.ts")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := tryServe(t, file, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tryServe(t testing.TB, path string, s setup) (*served, error) {
	t.Helper()
	p, err := project.Load(path, project.Options{})
	if err != nil {
		return nil, err
	}
	b, err := p.Bundle()
	if err != nil {
		return nil, err
	}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	v := &served{t: t, logs: new(logBuffer)}
	logger := slog.New(slog.NewTextHandler(v.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	// No instance is evicted, and no turn interrupted, because a machine is slow: tests of eviction run on virtual time, and those
	// of the limit set their own.
	if s.opts.CPULimit == 0 {
		s.opts.CPULimit = 10 * time.Minute
	}
	v.eng, err = engine.Open(engine.Options{Dir: s.dir, Loops: max(1, s.loops), IdleTimeout: time.Hour, Logger: logger, WebSockets: plainSockets{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	s.opts.Logger = logger
	v.app, err = js.Load(v.eng, p, b, s.opts)
	if err != nil {
		return nil, err
	}
	for i := range v.eng.Loops() {
		v.ports = append(v.ports, v.eng.Port(v.eng.Pool().Loop(i)))
	}
	return v, nil
}

func (v *served) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := v.eng.Close(ctx); err != nil && !errors.Is(err, engine.ErrClosed) {
		v.t.Errorf("close: %v", err)
	}
	if v.app != nil {
		v.app.Close()
		v.app = nil
	}
}

// do sends a request to the Worker, on loop on, and waits.
func (v *served) do(on int, req *engine.Request) (*engine.Response, error) {
	v.t.Helper()
	done := make(chan engine.Reply, 1)
	v.eng.Post(on, func() {
		v.ports[on].Enter(v.app.Entrypoint(), req, engine.ReplyFunc(func(r engine.Reply) { done <- r }))
	})
	select {
	case r := <-done:
		return r.Response, r.Err
	case <-time.After(60 * time.Second):
		v.t.Fatalf("%s %s: no answer within a minute\n%s", req.Method, req.URL, v.logs)
		return nil, nil
	}
}

// get returns the body of a GET, or "status body" where the status is not 200, or "error: …".
func (v *served) get(path string) string {
	v.t.Helper()
	r, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com" + path})
	return text(r, err)
}

func text(r *engine.Response, err error) string {
	if err != nil {
		var e *engine.Error
		if errors.As(err, &e) {
			return fmt.Sprintf("error: %s: %s", e.Name, e.Message)
		}
		return "error: " + err.Error()
	}
	body := strings.TrimSuffix(string(r.Body.Bytes()), "\n")
	if r.Status != 200 {
		return fmt.Sprintf("%d %s", r.Status, body)
	}
	return body
}

func TestCounterExample(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		v, err := tryServe(t, "../../docs/examples/counter", setup{dir: dir, loops: 1 + round})
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= 3; i++ {
			if got, want := v.get("/"), fmt.Sprint(round*3+i); got != want {
				t.Errorf("round %d, request %d: %s, want %s\n%s", round, i, got, want, v.logs)
			}
		}
		if got := v.get("/?id=other"); got != fmt.Sprint(round+1) {
			t.Errorf("another counter: %s", got)
		}
		v.close()
	}
}

// TestMigrations serves one project as it changes over time, on one data directory.
func TestMigrations(t *testing.T) {
	data, folder := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	project := func(bound, classes, migrations string) {
		write("wrangler.jsonc", `{"name": "p", "main": "index.js", "durable_objects": {"bindings": [{"name": "C", "class_name": "`+bound+`"}]}, "migrations": [`+migrations+`]}`)
		write("index.js", `
class Counter {
	constructor(state) { this.storage = state.storage; }
	async fetch() { const n = (await this.storage.get("n") ?? 0) + 1; await this.storage.put("n", n); return new Response(String(n)); }
}
`+classes+`
export default { fetch(request, env) { return env.C.getByName("x").fetch(request); } };`)
	}
	const v1 = `{"tag": "v1", "new_classes": ["Old", "Other"]}`
	const v2 = v1 + `, {"tag": "v2", "renamed_classes": [{"from": "Old", "to": "New"}]}`
	const v3 = v2 + `, {"tag": "v3", "deleted_classes": ["New"], "new_classes": ["Newer"]}`
	for i, c := range []struct{ bound, classes, migrations, want string }{
		{"Old", "export class Old extends Counter {}", v1, "1"},
		{"Old", "export class Old extends Counter {}", v1, "2"},
		{"New", "export class New extends Counter {}", v2, "3"},
		{"New", "export class New extends Counter {}", v2, "4"},
		{"Newer", "export class Newer extends Counter {}", v3, "1"},
		{"Newer", "export class Newer extends Counter {}", v3, "2"},
		{"New", "export class New extends Counter {}", v1, `has had the migration "v3", which is not in "migrations"`},
	} {
		project(c.bound, c.classes, c.migrations)
		v, err := tryServe(t, folder, setup{dir: data})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Fatalf("step %d: %v", i, err)
			}
			continue
		}
		if got := v.get("/"); got != c.want {
			t.Errorf("step %d: %s, want %s", i, got, c.want)
		}
		v.close()
	}
}
