package testenv

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// MainWith runs the tests of a package main with that program built, once: *path is where it is. It is for TestMain, and returns its exit code.
func MainWith(m *testing.M, path *string) int {
	folder, err := os.MkdirTemp("", "testenv")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	*path = filepath.Join(folder, "program")
	if out, err := exec.Command("go", "build", "-o", *path, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	return m.Run()
}

// Serving is one run of a program that writes " serving address=ADDR" to its standard error when it serves.
type Serving struct {
	Cmd  *exec.Cmd
	Addr string
	Log  bytes.Buffer // complete once Done is closed
	Done chan struct{}
}

var serving = regexp.MustCompile(` serving address=(\S+)`)

// Serve runs a program, and returns when it serves. It is killed when the test ends.
func Serve(t testing.TB, path string, args ...string) *Serving {
	t.Helper()
	p := &Serving{Cmd: exec.Command(path, args...), Done: make(chan struct{})}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Cmd.Stderr = write
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	address := make(chan string, 1)
	go func() {
		defer close(p.Done)
		defer func() { _ = read.Close() }()
		for lines := bufio.NewScanner(read); lines.Scan(); {
			fmt.Fprintln(&p.Log, lines.Text())
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(p.Kill)
	select {
	case p.Addr = <-address:
	case <-p.Done:
		t.Fatalf("the program ended: %s", p.Log.String())
	case <-time.After(time.Minute):
		t.Fatal("the program does not serve within a minute")
	}
	return p
}

// Kill ends the program at once, and returns when it has ended.
func (p *Serving) Kill() {
	_ = p.Cmd.Process.Kill()
	_ = p.Cmd.Wait()
	<-p.Done
}
