package main

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDescriptors holds that connections which do not fit wait, and are served when others have closed.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh to set a limit with")
	}
	p := serveAs(t, setup{before: []string{sh, "-c", `ulimit -n 64 && exec "$@"`, "sh"}}, counter, "--data", t.TempDir())
	const conns = 150
	all := make([]net.Conn, conns)
	lines := make([]chan string, conns)
	for i := range all {
		all[i] = dial(t, p) // the kernel takes it
		lines[i] = make(chan string, 1)
		fmt.Fprint(all[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		go func() {
			line, err := bufio.NewReader(all[i]).ReadString('\n')
			if err != nil {
				line = err.Error()
			}
			lines[i] <- line
		}()
	}
	// Those that fit are served, in the order in which they came.
	served := 0
	for range conns {
		select {
		case line := <-lines[served]:
			if line != "HTTP/1.1 200 OK\r\n" {
				t.Fatalf("connection %d: %q", served, line)
			}
			served++
			continue
		case <-time.After(time.Second):
			// It does not fit. If it was only slow, it is served below all the same.
		}
		break
	}
	if served == 0 || served >= 64 {
		t.Fatalf("%d connections were served with 64 descriptors", served)
	}
	t.Logf("%d connections fit", served)
	// Each that closes makes room for the next.
	for i := range all {
		if i >= served {
			select {
			case line := <-lines[i]:
				if line != "HTTP/1.1 200 OK\r\n" {
					t.Fatalf("connection %d, which had waited: %q", i, line)
				}
			case <-time.After(patience):
				t.Fatalf("connection %d still waits though %d have closed\n%s", i, i, &p.log)
			}
		}
		all[i].Close()
	}
	// The log's own files are not starved either.
	p.want("/", 200, fmt.Sprint(conns+1))
	p.stop()
	if strings.Contains(p.log.String(), "connection was lost") {
		t.Errorf("a connection was lost\n%s", &p.log)
	}
}
