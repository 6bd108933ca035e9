package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/proto/admin"
)

// TestSnapshotCommand makes snapshots of a directory, with a daemon on it and without.
func TestSnapshotCommand(t *testing.T) {
	dir := t.TempDir()
	e, err := engine.Open(engine.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := e.Register("Note", engine.ClassOf(func(st *engine.State) (*note, error) { return &note{st}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := ns.GetByName(name).Call(context.Background(), "Write", nil); err != nil {
			t.Fatal(err)
		}
	}
	side, err := admin.Listen(admin.Options{Addr: "127.0.0.1:0", Engine: e})
	if err != nil {
		t.Fatal(err)
	}
	try := func(want string, code int, args ...string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if got := run(append([]string{"snapshot"}, args...), &stdout, &stderr); got != code || !strings.Contains(stdout.String()+stderr.String(), want) {
			t.Errorf("everloop snapshot %q exits with %d and says %q, want %d and %q", args, got, stdout.String()+stderr.String(), code, want)
		}
	}
	try("snapshot 2: 3 objects in ", exitOK, "--admin", side.Addr().String())
	try("leave DIR out to ask the daemon", exitFailed, dir)
	try("is no data directory", exitFailed, dir+"/none")
	folder := t.TempDir() // somebody's, with nothing in it
	try("is no data directory", exitFailed, folder)
	var said bytes.Buffer
	if code := run([]string{"restore", "--data", folder, "--object", "Note", "a", "--at", "1m"}, io.Discard, &said); code != exitFailed || !strings.Contains(said.String(), "is no data directory") {
		t.Errorf("a restore in a folder that is no data directory exits with %d and says %q", code, said.String())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v was made in it, %v", left, err)
	}
	try("--retain-size", exitUsage, "--retain-size", "12 parsecs", dir)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := side.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
	try("snapshot 3: 3 objects in ", exitOK, dir)
	try("no daemon listens", exitFailed, "--admin", side.Addr().String())
}

type note struct{ st *engine.State }

func (n *note) Write() error {
	return n.st.Storage().PutRaw("text", []byte{0x61, 'x'}, engine.WriteOptions{})
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]byteSize{
		"0": 0, "17": 17, "3B": 3, "64MiB": 64 << 20, "1GiB": 1 << 30, "2TiB": 2 << 40, "5KiB": 5 << 10,
		"": -1, "MiB": -1, "-1": -1, "1MB": -1, "1.5GiB": -1, "9999999999TiB": -1,
	} {
		var b byteSize
		if err := b.UnmarshalText([]byte(text)); err != nil {
			b = -1
		}
		if b != want {
			t.Errorf("%q is %d, want %d", text, b, want)
		}
	}
}
