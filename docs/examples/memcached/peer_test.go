package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"everloop/cmd/testenv"
)

// TestAsMemcached asks memcached itself and this program the same, and wants the same answers to the byte. What differs on purpose is not
// asked: a number that became shorter (memcached pads it with blanks), and the data of a set whose flags are none (memcached reads them as
// the next command).
func TestAsMemcached(t *testing.T) {
	program := testenv.Program(t, "memcached")
	dir := t.TempDir()
	theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	cmd := exec.Command(program, "-s", theirs, "-u", "root") // it takes no root without being told so
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	stop := serve(t, settings{listen: "unix:" + ours, data: t.TempDir(), sync: "none", loops: 2})
	defer stop()
	us, them := dial(t, ours), dial(t, theirs)
	for _, in := range []string{
		"get a", "set a 7 0 3\r\nabc", "get a", "get b a c a", "add a 0 0 1\r\nx", "add b 0 0 1\r\nx", "replace b 1 0 2\r\nyz", "replace none 0 0 1\r\nx",
		"append a 99 0 1\r\n!", "prepend a 99 0 1\r\n?", "get a b", "append none 0 0 1\r\nx", "prepend none 0 0 1\r\nx", "gets a b", "cas a 1 0 1 1\r\nx", "cas none 1 0 1 1\r\nx",
		"set a 4294967295 0 0\r\n", "get a", "set k 0 0", "set k 0", "cas k 0 0 1",
		"delete b", "delete b", "delete a 0", "delete a x", "delete", "incr n 1", "set n 0 0 2\r\n10", "incr n 5", "decr n 100", "incr n 18446744073709551615", "incr n 2",
		"incr n x", "incr n -1", "incr n 18446744073709551616", "set w 0 0 3\r\nabc", "incr w 1", "decr none 1", "decr w x", "set e 0 0 0\r\n", "incr e 1", "append e 0 0 2\r\n12", "incr e 1", "get e",
		"set n 0 0 1\r\n1", "touch n 100", "touch none 100", "touch n x", "touch n", "gat 100 n none", "gats 100 none", "gat x n",
		"set g 0 -1 1\r\nx", "get g", "add g 3 0 1\r\ny", "get g", "touch g -1", "get g", "gat 0 g",
		"set q 0 0 1 noreply\r\nq", "get q", "incr q 1 noreply", "delete n noreply", "get q n", "touch q 0 noreply", "add q 0 0 1 noreply\r\nz", "get q",
		"", "nonsense", "get", "gets", "set", "incr", "touch", "verbosity 1", "verbosity 1 noreply", "GET a", "get  n   w", " get w",
		"set " + strings.Repeat("k", 250) + " 0 0 1\r\nx", "get " + strings.Repeat("k", 250), "get " + strings.Repeat("k", 251), "delete " + strings.Repeat("k", 251),
	} {
		if a, b := ask(t, us, in), ask(t, them, in); a != b {
			t.Errorf("%.80q: %q; memcached says %q", in, a, b)
		}
	}
}

var casNumber = regexp.MustCompile(`(?m)^(VALUE \S+ \d+ \d+) \d+\r$`)

// ask sends a command and returns what is answered, up to the answer of the next one. Numbers of cas are left out: each has its own.
func ask(t *testing.T, c *client, in string) string {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, in+"\r\nversion\r\n"); err != nil {
		t.Fatalf("%.80q: %v", in, err)
	}
	var all strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%.80q: %v after %q", in, err, all.String())
		}
		if strings.HasPrefix(line, "VERSION ") {
			return casNumber.ReplaceAllString(all.String(), "$1 CAS\r")
		}
		all.WriteString(line)
	}
}

type client struct {
	net.Conn
	in *bufio.Reader
}

// dial connects as soon as somebody listens.
func dial(t *testing.T, path string) *client {
	t.Helper()
	for began := time.Now(); ; {
		conn, err := net.Dial("unix", path)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return &client{conn, bufio.NewReader(conn)}
		}
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // between two attempts
	}
}

// serve runs the program until stop is called, which returns how it ended.
func serve(t *testing.T, o settings) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o) }()
	return func() error { cancel(); return <-ended }
}

// TestRestart: what is stored, and its expiry, is there when the program has ended and serves again.
func TestRestart(t *testing.T) {
	o := settings{listen: "unix:" + filepath.Join(t.TempDir(), "s"), data: t.TempDir(), sync: "always", loops: 1}
	stop := serve(t, o)
	c := dial(t, strings.TrimPrefix(o.listen, "unix:"))
	ask(t, c, "set k 5 1000 3\r\nabc")
	before := ask(t, c, "set counter 0 0 1\r\n9\r\nincr counter 1\r\nget k counter")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.in.ReadByte(); err == nil {
		t.Error("the connection is open after the end")
	}
	stop = serve(t, o)
	c = dial(t, strings.TrimPrefix(o.listen, "unix:"))
	if got, want := ask(t, c, "get k counter"), strings.TrimPrefix(before, "STORED\r\n10\r\n"); got != want || !strings.Contains(got, "abc") {
		t.Errorf("after the restart: %q; want %q", got, want)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestRefusesFlags: what cannot be is said before anything is opened.
func TestRefusesFlags(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context()) // what is not refused ends at once, without an error
	cancel()
	for want, o := range map[string]settings{
		`"sometimes"`: {listen: "127.0.0.1:0", data: t.TempDir(), sync: "sometimes", loops: 1},
		"nowhere":     {listen: "nowhere", data: t.TempDir(), sync: "none", loops: 1},
		"-1 loops":    {listen: "127.0.0.1:0", data: t.TempDir(), sync: "none", loops: -1},
	} {
		if err := run(ended, o); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%+v: %v; want %s", o, err, want)
		}
	}
}
