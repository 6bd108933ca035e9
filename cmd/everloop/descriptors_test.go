package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"everloop/cmd/testenv"
)

// TestDescriptors holds that connections which do not fit wait, and are served when others have closed.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	sh := testenv.Program(t, "sh") // which sets a limit
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

// TestDescriptorsAreRaised holds that the soft limit of open files is raised to the hard one, and that clients beyond that are told so.
func TestDescriptorsAreRaised(t *testing.T) {
	t.Parallel()
	sh := testenv.Program(t, "sh") // which sets a limit
	p := serveAs(t, setup{before: []string{sh, "-c", `ulimit -Sn 40 && ulimit -Hn 192 && exec "$@"`, "sh"}}, counter, "--data", t.TempDir())
	// 192 less a quarter of it fit, and not 40.
	const fit, further = 144, 3
	for i := range fit {
		c := dial(t, p)
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("connection %d: %q %v", i, line, err)
		}
	}
	for range further {
		c := dial(t, p)
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); line != "HTTP/1.1 503 Service Unavailable\r\n" {
			t.Fatalf("a connection that does not fit: %q %v", line, err)
		}
	}
	waitFor(t, "the line in the log", func() bool { return strings.Contains(p.log.String(), "further clients are refused") })
	waitFor(t, "the figure", func() bool {
		resp, err := http.Get("http://" + p.admin + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(body), fmt.Sprintf("everloop_http_connections_refused_total %d\n", further))
	})
}
