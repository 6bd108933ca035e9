package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"everloop/cmd/testenv"
	"everloop/engine"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testenv.MainWith(m, &binary)) }

// program is one run of the program.
type program struct {
	*testenv.Serving
	t *testing.T
}

// start runs the program on a port that the system chooses, and returns when it serves.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return &program{testenv.Serve(t, binary, append([]string{"--listen", "127.0.0.1:0"}, args...)...), t}
}

func (p *program) get(path, want string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.Addr + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || string(body) != want {
		p.t.Fatalf("GET %s: %d %q, %v; want 200 %q", path, resp.StatusCode, body, err, want)
	}
}

// TestSurvivesKill counts over HTTP, kills the program, and goes on counting where it was.
func TestSurvivesKill(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", data)
	for n := 1; n <= 3; n++ {
		p.get("/?id=a", fmt.Sprintf("%d\n", n))
	}
	p.get("/b", "1\n") // another object
	p.Kill()

	p = start(t, "--data", data)
	p.get("/?id=a", "4\n")
	p.get("/b?x=1", "2\n")
	p.get("/?id=", "1\n") // the empty name is a name, and not that of the path
	p.get("/", "1\n")
}

// TestDrain ends the program by SIGTERM: it exits with 0, has called its own object at each start, and keeps the count.
func TestDrain(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for n := 1; n <= 2; n++ {
		p := start(t, "--data", data, "--sync", "none")
		p.get("/?id=a", fmt.Sprintf("%d\n", n))
		if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.Done
		if err := p.Cmd.Wait(); err != nil {
			t.Fatalf("after SIGTERM: %v\n%s", err, p.Log.String())
		}
		for _, want := range []string{fmt.Sprintf("starts=%d", n), "ended records="} {
			if !strings.Contains(p.Log.String(), want) {
				t.Errorf("start %d: no %q in the log:\n%s", n, want, p.Log.String())
			}
		}
	}
}

func TestNameIn(t *testing.T) {
	for url, want := range map[string]string{
		"http://h/":            "/",
		"http://h/a/b?x=1":     "/a/b",
		"http://h/a?id=b":      "b",
		"http://h/a?id=":       "",
		"http://h/?id=b%20c":   "b c",
		"http://h/%zz":         "none",
		"http://h/?id=a&id=b":  "a",
		"http://h/?x=1&id=%31": "1",
	} {
		name, ok := nameIn(&engine.Request{URL: url})
		if !ok {
			name = "none"
		}
		if name != want {
			t.Errorf("nameIn(%q) = %q, want %q", url, name, want)
		}
	}
}

func TestRefusesSyncMode(t *testing.T) {
	out, err := exec.Command(binary, "--sync", "sometimes", "--data", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `"sometimes"`) {
		t.Fatalf("--sync sometimes: %v, %s", err, out)
	}
}

// TestMethods calls the object's methods by name, as another part of an embedding program would.
func TestMethods(t *testing.T) {
	eng, err := engine.Open(engine.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close(context.Background())
	counters, err := eng.Register("Counter", engine.ClassOf(NewCounter))
	if err != nil {
		t.Fatal(err)
	}
	stub := counters.GetByName("a")
	for _, step := range []struct {
		method string
		args   []any
		want   int
	}{{"value", nil, 0}, {"add", []any{5}, 5}, {"Add", []any{-2}, 3}, {"Value", nil, 3}} {
		var got int
		if err := stub.Call(t.Context(), step.method, &got, step.args...); err != nil || got != step.want {
			t.Fatalf("%s%v = %d, %v; want %d", step.method, step.args, got, err, step.want)
		}
	}
}
