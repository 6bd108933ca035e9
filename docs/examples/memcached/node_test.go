package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"everloop/cmd/testenv"
	"everloop/engine"
	"everloop/loop"
	"everloop/proto"
)

// TestClientInNode has a client library of another language talk to it, over a socket.
func TestClientInNode(t *testing.T) {
	node := testenv.Program(t, "node")
	installed := testenv.Packages(t, "testdata/client/package.json")
	pool, err := loop.New(loop.Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close(context.Background())
	eng, err := engine.Open(engine.Options{Dir: t.TempDir(), Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close(context.Background())
	if _, err := eng.Register("Item", engine.DirectOf(handle)); err != nil {
		t.Fatal(err)
	}
	lis, err := proto.Serve(pool, eng, "127.0.0.1:0", memcached{}, options())
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/client/client.js")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, script, lis.Addr().String())
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(installed, "node_modules"))
	out, err := cmd.CombinedOutput()
	const want = `set true
get one
add Item is not stored
replace true
append true
incr 42 decr 40
getMulti {"a":"ü!","n":40}
cas true false
long 100000
touch true del true undefined
`
	if err != nil || string(out) != want {
		t.Errorf("the client: %v\n%s\nwant\n%s", err, out, want)
	}
}
