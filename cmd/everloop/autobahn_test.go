package main

import (
	"flag"
	"net"
	"testing"

	"everloop/proto/ws/wstest"
)

var autobahn = flag.Bool("autobahn", false, "exchange as many messages as Autobahn does: 11 GB, some minutes")

// TestAutobahn asks Autobahn's questions of an object in TypeScript that echoes and keeps no instance for its sockets, in the binary that people
// run. The verdicts are those on the server with an object in Go, all 517: 504 OK, 10 NON-STRICT, 3 INFORMATIONAL.
func TestAutobahn(t *testing.T) {
	t.Parallel()
	p := serve(t, sockets, "--data", t.TempDir(), "--loops", "2")
	s := wstest.Suite{
		Dial: func() (net.Conn, error) { return net.Dial("tcp", p.listen) },
		Host: "echo", Target: "/echo/autobahn", Full: *autobahn, Elsewhere: true, Golden: "../../proto/server/testdata/autobahn/verdicts.txt",
	}
	s.Run(t)
	p.stop()
}
