package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen. It is long: it ends a test that would never end, and
// measures nothing.
const patience = time.Minute

// output collects what a process writes. Safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a running `everloop serve`, started the way a person does.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    output // the start's report
	log    output
	ended  chan struct{}
	listen string // from the report
	admin  string
	client *http.Client
	seen   int // of out, by printed
}

// setup changes how a process is started.
type setup struct {
	env     []string
	before  []string // a command that starts the program, such as prlimit
	command string   // default serve
}

// serve starts the program on free ports, and returns once it has reported that it serves.
func serve(t *testing.T, args ...string) *process {
	t.Helper()
	return serveAs(t, setup{}, args...)
}

func serveAs(t *testing.T, s setup, args ...string) *process {
	t.Helper()
	p := launch(t, s, args...)
	if !p.started() {
		t.Fatalf("serve %v ended with %d:\n%s%s", args, p.cmd.ProcessState.ExitCode(), &p.out, &p.log)
	}
	p.admin = p.reported(`admin on +(\S+)`)
	return p
}

// started waits until the process has reported that it serves. It reports false when the process has ended instead.
func (p *process) started() bool {
	p.t.Helper()
	ended := false
	waitFor(p.t, "the report of the start", func() bool {
		select {
		case <-p.ended:
			ended = true
		default:
		}
		return ended || strings.Contains(p.out.String(), "  recovered ") // it is written at once
	})
	if ended {
		return false
	}
	p.listen = p.reported(`listening on +(\S+)`)
	p.client = p.newClient(100)
	return true
}

// launch starts the program and does not wait for anything. What is left of it is killed when the test ends.
func launch(t *testing.T, s setup, args ...string) *process {
	t.Helper()
	command := "serve"
	if s.command != "" {
		command = s.command
	}
	line := append(append([]string{}, s.before...), binary, command)
	line = append(line, args...)
	for _, flag := range []string{"--listen", "--admin"} {
		if !strings.Contains(strings.Join(args, " "), flag) {
			line = append(line, flag, "127.0.0.1:0")
		}
	}
	return launchLine(t, s.env, line...)
}

// launchLine is launch of any program.
func launchLine(t *testing.T, env []string, line ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(line[0], line[1:]...), ended: make(chan struct{})}
	p.cmd.Env = append(environment(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the log of %v:\n%s\n%s", line[1:], tail(p.out.String(), 8<<10), tail(p.log.String(), 8<<10))
		}
	})
	return p
}

// environment is this process's without EVERLOOP_* variables.
func environment() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EVERLOOP_") {
			env = append(env, v)
		}
	}
	return env
}

func tail(text string, n int) string {
	if len(text) > n {
		return "..." + text[len(text)-n:]
	}
	return text
}

// reported is what the report of the start has for a pattern's group.
func (p *process) reported(pattern string) string {
	p.t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(p.out.String())
	if found == nil {
		p.t.Fatalf("no %s in the report:\n%s", pattern, &p.out)
	}
	return found[1]
}

// kill ends the process at once, as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) { // it may end by itself, just now: see exit
		p.t.Fatal(err)
	}
}

// exit waits until the process has ended and returns its exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the process does not end; its log:\n%s", &p.log)
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop ends the process in an orderly way.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != exitOK {
		p.t.Fatalf("SIGTERM: exit code %d; the log:\n%s", code, &p.log)
	}
}

// newClient makes a client with at most conns connections to the process.
func (p *process) newClient(conns int) *http.Client {
	network := "tcp"
	if strings.HasPrefix(p.listen, "/") {
		network = "unix"
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.listen)
		},
		MaxConnsPerHost: conns, MaxIdleConnsPerHost: conns,
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// get asks for a path and returns the status and the body.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	status, body, err := ask(p.client, path)
	if err != nil {
		p.t.Fatalf("%s: %v", path, err)
	}
	return status, body
}

// want asks for a path and holds the answer.
func (p *process) want(path string, status int, body string) {
	p.t.Helper()
	if gotStatus, got := p.get(path); gotStatus != status || strings.TrimSuffix(got, "\n") != body {
		p.t.Errorf("%s: %d %q, want %d %q", path, gotStatus, got, status, body)
	}
}

// ask asks with POST: a client must not ask twice when a connection breaks.
func ask(client *http.Client, path string) (status int, body string, err error) {
	resp, err := client.Post("http://everloop"+path, "", nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// logged waits for a line of the log that holds all of these, and returns it.
func (p *process) logged(parts ...string) string {
	p.t.Helper()
	var line string
	waitFor(p.t, fmt.Sprintf("a line with %q in the log", parts), func() bool {
	lines:
		for line = range strings.SplitSeq(p.log.String(), "\n") {
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue lines
				}
			}
			return true
		}
		return false
	})
	return line
}

// waitFor polls until cond holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// counter is the example's folder.
const counter = "../../docs/examples/counter"

// program writes a project of these files ("name\ntext") and returns its folder.
func program(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
