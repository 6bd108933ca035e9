package main

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"everloop/cmd/testenv"
)

// node is the folder of testdata/clients with the packages that it needs, and the command that runs a script of it.
func node(t *testing.T) (dir string, command func(script string, args ...string) *exec.Cmd) {
	t.Helper()
	program := testenv.Program(t, "node")
	installed := testenv.Packages(t, "testdata/clients/package.json")
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/clients")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir, func(script string, args ...string) *exec.Cmd {
		// Before Node 22 its own WebSocket had to be asked for.
		cmd := exec.CommandContext(t.Context(), program, append([]string{"--experimental-websocket", "--no-warnings", script}, args...)...)
		cmd.Dir = dir
		return cmd
	}
}

// TestClientsInNode has Node's own WebSocket and the package ws talk to an object.
func TestClientsInNode(t *testing.T) {
	t.Parallel()
	_, command := node(t)
	p := serve(t, sockets, "--data", t.TempDir(), "--loops", "2")
	t.Cleanup(p.stop)
	const (
		sent  = "echoed 9 texts and 9 binaries\nnoise of 8 MiB true\n"
		more  = "pong are you there?\nfragments came back as fragments\n"
		ended = `closed by us: 4321 enough ü true
closed by the object with a code: 3000 done true, protocol none
closed by the object without: 1005  true, protocol none
closed by us without a code: 1005 true
refused
closed 4321 enough ü true
closed 3000 REASON true
closed 1005  true
closed 1005  true
`
	)
	for _, tt := range []struct{ client, reason, want string }{
		{"native", "", "protocol talk.v2, compressed true\n" + sent + ended}, // it answers a Close without its reason
		{"ws", "done", "protocol talk.v2, compressed false\n" + sent + more + ended},
		{"ws-deflate", "done", "protocol talk.v2, compressed true\n" + sent + more + ended},
	} {
		t.Run(tt.client, func(t *testing.T) {
			t.Parallel()
			cmd := command("client.mjs", "ws://"+p.listen, tt.client)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			want := strings.Replace(tt.want, "REASON", tt.reason, 1)
			if out, err := cmd.Output(); err != nil || string(out) != want {
				t.Errorf("it printed\n%s\nwant\n%s\n(%v)\n%s", out, want, err, &errs)
			}
		})
	}
}

// TestServerInNode has a program dial a server of the package ws, from a Worker in every way that there is, and from an object.
func TestServerInNode(t *testing.T) {
	t.Parallel()
	_, command := node(t)
	p := serve(t, sockets, "--data", t.TempDir(), "--loops", "2")
	t.Cleanup(p.stop)
	for kind, extensions := range map[string]string{"plain": "none", "deflate": "permessage-deflate; server_no_context_takeover; client_no_context_takeover"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var out output
			cmd := command("server.mjs", kind)
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				if t.Failed() {
					t.Logf("the server printed\n%s", &out)
				}
			})
			waitFor(t, "the server", func() bool { return strings.Contains(out.String(), "\n") })
			address, _, _ := strings.Cut(out.String(), "\n")
			const talk = `
text héllo
bytes 3/1026
text of 2097152
bytes 1048577/1858600960
of 1048577/1858600960
text pinged
text pong there?
closed 4001 that is all true
`
			want := "new WebSocket\nprotocol talk.v2, extensions " + extensions + talk + "fetch 101 talk.v2\nprotocol none, extensions none" + talk + `refused 403 null forbidden
refused: closed 1006 false
closed by us 4002 enough true`
			status, got := p.get("/dial?url=" + url.QueryEscape(address))
			if status != 200 || got != want {
				t.Errorf("the Worker says %d\n%s\nwant\n%s", status, got, want)
			}

			s, err := p.open("/dialler/a?url=" + url.QueryEscape(address))
			if err != nil {
				t.Fatal(err)
			}
			s.say("through an object")
			s.hears("through an object")
			s.say("close 4003 and back")
			if _, text, err := s.conn.Read(s.ctx); err == nil || !strings.Contains(err.Error(), `StatusCode(4003) and reason = "and back"`) {
				t.Errorf("the end came as %q %v", text, err)
			}
			waitFor(t, "the server's ends", func() bool { return strings.Count(out.String(), "closed ") == 4 })
			agreed := "opened plain\n"
			if kind == "deflate" {
				agreed = "opened permessage-deflate\n"
			}
			if n := strings.Count(out.String(), agreed); n != 4 {
				t.Errorf("%d of 4 connections were %s", n, agreed)
			}
			for _, line := range []string{"closed 4001 that is all", "closed 4002 enough", "closed 4003 and back"} {
				if !strings.Contains(out.String(), line) {
					t.Errorf("the server did not see %s", line)
				}
			}
		})
	}
}
