package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"everloop/cmd/testenv"
	"everloop/proto/resp"
)

// built is the program under test, built once.
var built string

func TestMain(m *testing.M) { os.Exit(testenv.MainWith(m, &built)) }

// start runs the program on a port that the system chooses, and returns when it serves.
func start(t *testing.T, args ...string) *testenv.Serving {
	t.Helper()
	return testenv.Serve(t, built, append([]string{"--resp", "127.0.0.1:0"}, args...)...)
}

// client is a connection that reads whole replies, as the bytes that they are.
type client struct {
	t      *testing.T
	conn   net.Conn
	reader resp.ReplyReader
	in     []byte
}

func dial(t *testing.T, network, addr string) *client {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t: t, conn: conn}
}

// say sends bytes and returns the next reply; "closed" if there is none.
func (c *client) say(b []byte) string {
	c.t.Helper()
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
	return c.next()
}

func (c *client) next() string {
	c.t.Helper()
	var l resp.ReplyLimits
	l.EnsureDefaults()
	var v resp.Value
	var buf [4096]byte
	for {
		n, err := c.reader.Read(c.in, &v, &l)
		if err != nil {
			c.t.Fatal(err)
		}
		if n > 0 {
			reply := string(c.in[:n])
			c.in = c.in[n:]
			return reply
		}
		n, err = c.conn.Read(buf[:])
		if n == 0 {
			if os.IsTimeout(err) {
				c.t.Fatal("no answer within a minute")
			}
			return "closed"
		}
		c.in = append(c.in, buf[:n]...)
	}
}

// do sends a command, given as words.
func (c *client) do(words ...string) string {
	c.t.Helper()
	return c.say(resp.AppendCommand(nil, words...))
}

func (c *client) want(want string, words ...string) {
	c.t.Helper()
	if got := c.do(words...); got != want {
		c.t.Errorf("%q: %q; want %q", words, got, want)
	}
}

// redisServer runs the real one, and returns the path of its socket.
func redisServer(t *testing.T) string {
	t.Helper()
	path := testenv.Program(t, "redis-server")
	dir, err := os.MkdirTemp("", "redis") //nolint:usetesting // a short path, as those of sockets must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(time.Minute); ; {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return socket
		}
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not serve within a minute")
		}
		time.Sleep(10 * time.Millisecond) // until it listens
	}
}

// script is what both servers are asked, one command a line. A line is split at its blanks as redis-cli does it, by sending it inline first;
// those that begin with "inline " are sent as they are.
const script = `
PING
ping hello
PING a b
ECHO hello
ECHO
GET missing
SET a 1
GET a
get a
GET
GET a b
NOSUCH
NOSUCH one two three
nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b
INCR a
INCR n
INCRBY n 10
INCRBY n -20
INCRBY n x
INCRBY n 1.5
INCRBY n
DECR n
DECRBY n 5
DECRBY n -9223372036854775808
DECRBY n 9223372036854775807
DECRBY n 9223372036854775807
GET n
SET max 9223372036854775807
INCR max
INCRBY max 9223372036854775808
GET max
SET min -9223372036854775808
DECR min
SET s text
INCR s
SET zeros 007
INCR zeros
SET plus +7
INCR plus
SET negzero -0
INCR negzero
SET empty ""
GET empty
STRLEN empty
INCR empty
STRLEN s
STRLEN missing
APPEND s more
GET s
APPEND fresh x
GET fresh
TYPE s
TYPE missing
SET k v NX
SET k w NX
SET k w XX
SET missing v XX
GET missing
SET k x GET
SET k2 x GET
SET k z NX GET
SET k z XX GET
GET k
SET k v NX XX
SET k v FOO
SET k v EX
SET k v EX x
SET k v EX 0
SET k v PX -1
SET k v EX 10 PX 10
SET k v EX 9223372036854775807
SET k v KEEPTTL EX 10
SET
SET k
GET k
SETNX k v
SETNX k3 v
GET k3
SETEX k 100 v
TTL k
SETEX k 0 v
SETEX k x v
PSETEX k 100000 v
TTL k
PSETEX k 0 v
SET k v EX 200
TTL k
SET k v KEEPTTL
TTL k
APPEND k w
TTL k
SET k v
TTL k
PTTL k
TTL missing
PTTL missing
EXPIRE k 300
TTL k
EXPIRE missing 300
EXPIRE k x
EXPIRE k 9223372036854775807
EXPIRE k -9223372036854775807
PEXPIRE k 400000
TTL k
PERSIST k
PERSIST k
PERSIST missing
TTL k
EXPIRE k 0
GET k
EXISTS k
SET k v
EXPIRE k -1
GET k
TTL k
SET k 5
EXPIRE k 100
INCR k
TTL k
DEL k
TTL k
SET k v
TTL k
EXPIREAT k 1
EXISTS k
SET k v
EXPIREAT k 4000000000
PEXPIREAT k 1
GET k
EXISTS a
EXISTS a a missing n
EXISTS
DEL a n missing a
DEL a
UNLINK s s2
DEL
SELECT 0
SELECT 99
SELECT x
SET bin "\x00\r\n\xff"
GET bin
STRLEN bin
CONFIG GET save
inline GET bin
inline SET q "a b" EX 100
inline get 'q'
inline   
inline PING
inline SET q "open
`

// TestAnswersOfRedis asks a real redis-server and this program the same, and wants the same answers, byte for byte.
func TestAnswersOfRedis(t *testing.T) {
	socket := redisServer(t)
	for _, loops := range []string{"1", "3"} {
		t.Run(loops+" loops", func(t *testing.T) {
			ours := start(t, "--data", t.TempDir(), "--sync", "none", "--loops", loops)
			theirs := dial(t, "unix", socket)
			theirs.want("+OK\r\n", "FLUSHALL")
			us := dial(t, "tcp", ours.Addr)
			lines := 0
			for line := range strings.Lines(strings.TrimSpace(script)) {
				line = strings.TrimSuffix(line, "\n")
				lines++
				request := []byte(strings.TrimPrefix(line, "inline ") + "\r\n")
				if strings.TrimSpace(string(request)) == "" {
					request = append(request, "PING\r\n"...) // nothing is answered to an empty line
				}
				if !strings.HasPrefix(line, "inline ") {
					var r resp.CommandReader
					var l resp.Limits
					l.EnsureDefaults()
					args, _, err := r.Read(request, nil, &l)
					if err != nil {
						t.Fatal(line, err)
					}
					request = resp.AppendCommand(nil, args...)
				}
				if want, got := theirs.say(request), us.say(request); got != want {
					t.Errorf("%s: %q; redis-server answers %q", line, got, want)
				}
			}
			if got, want := us.next(), theirs.next(); got != "closed" || want != "closed" {
				t.Errorf("after a protocol error: %q; redis-server: %q", got, want)
			}
			if lines < 140 {
				t.Errorf("only %d commands", lines)
			}
		})
	}
	for _, request := range []string{"*1\r\n$x\r\n", "*x\r\n", "*1\r\n:1\r\n", "*1\r\n$-5\r\n", "*1\r\n$99999999999\r\n"} {
		ours := start(t, "--data", t.TempDir(), "--sync", "none")
		want, got := dial(t, "unix", socket).say([]byte(request)), dial(t, "tcp", ours.Addr).say([]byte(request))
		if !strings.HasPrefix(got, strings.TrimSuffix(want, "\r\n")) {
			t.Errorf("%q: %q; redis-server answers %q", request, got, want)
		}
	}
}

// TestExpiry lets keys expire, by themselves and while the program is down.
func TestExpiry(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", data)
	c := dial(t, "tcp", p.Addr)
	c.want("+OK\r\n", "SET", "soon", "v", "PX", "50")
	c.want("+OK\r\n", "SET", "down", "v", "PX", "500")
	c.want("+OK\r\n", "SET", "late", "v", "EX", "1000")
	c.want("+OK\r\n", "SET", "stays", "v", "EX", "1")
	c.want(":1\r\n", "PERSIST", "stays")
	c.want("+OK\r\n", "SET", "longer", "v", "PX", "50")
	c.want(":1\r\n", "EXPIRE", "longer", "1000")
	gone := func(c *client, key string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); c.do("EXISTS", key) != ":0\r\n"; {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not expire within a minute", key)
			}
			time.Sleep(10 * time.Millisecond) // until it expires by the clock of another process
		}
	}
	gone(c, "soon")
	c.want("$-1\r\n", "GET", "soon")
	c.want(":1\r\n", "INCR", "soon") // begins anew, and without the old expiry
	c.want(":-1\r\n", "TTL", "soon")
	p.Kill()

	p = start(t, "--data", data)
	c = dial(t, "tcp", p.Addr)
	gone(c, "down")
	for _, key := range []string{"late", "longer"} {
		c.want("$1\r\nv\r\n", "GET", key)
		var ttl int // it is rounded: 1000 for half a second
		got := c.do("TTL", key)
		if _, err := fmt.Sscanf(got, ":%d", &ttl); err != nil || ttl < 100 || ttl > 1000 {
			t.Errorf("TTL %s after a restart: %q; want nearly 1000", key, got)
		}
	}
	c.want("$1\r\nv\r\n", "GET", "stays")
	c.want(":-1\r\n", "TTL", "stays")
	c.want("$1\r\n1\r\n", "GET", "soon")
}

// TestEndsInOrder ends the program by SIGTERM while a client is connected, and finds all keys again.
func TestEndsInOrder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for n := 1; n <= 2; n++ {
		p := start(t, "--data", data, "--sync", "none", "--pprof", "127.0.0.1:0")
		dial(t, "tcp", p.Addr).want(fmt.Sprintf(":%d\r\n", n), "INCR", "n")
		if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.Done
		if err := p.Cmd.Wait(); err != nil {
			t.Fatalf("after SIGTERM: %v\n%s", err, p.Log.String())
		}
		if want := fmt.Sprintf("keys=%d", n-1); !strings.Contains(p.Log.String(), want) {
			t.Errorf("start %d: no %q in the log:\n%s", n, want, p.Log.String())
		}
	}
}

func TestRefusesFlags(t *testing.T) {
	for _, c := range []struct{ want, flag, value string }{
		{`"sometimes"`, "--sync", "sometimes"}, {"loopback", "--pprof", "0.0.0.0:0"},
	} {
		out, err := exec.Command(built, c.flag, c.value, "--data", t.TempDir()).CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s %s: %v, %s", c.flag, c.value, err, out)
		}
	}
}

// TestRedisCLI has the real client send a script.
func TestRedisCLI(t *testing.T) {
	cli := testenv.Program(t, "redis-cli")
	p := start(t, "--data", t.TempDir(), "--loops", "2")
	host, port, _ := net.SplitHostPort(p.Addr)
	cmd := exec.Command(cli, "-h", host, "-p", port)
	cmd.Stdin = strings.NewReader("SET greeting \"hello world\" EX 100\nGET greeting\nINCR greeting\nTTL greeting\nDEL greeting nothing\nGET greeting\nQUIT\n")
	out, err := cmd.CombinedOutput()
	const want = "OK\nhello world\nERR value is not an integer or out of range\n\n100\n1\n\n"
	if err != nil || string(out) != want {
		t.Errorf("redis-cli: %v, %q; want %q", err, out, want)
	}
}

// TestRedisBenchmark has the real load tool run, with and without pipelining. It counts what it has done by the keys' sum.
func TestRedisBenchmark(t *testing.T) {
	tool, cli := testenv.Program(t, "redis-benchmark"), testenv.Program(t, "redis-cli")
	p := start(t, "--data", t.TempDir(), "--sync", "none", "--loops", "2")
	host, port, _ := net.SplitHostPort(p.Addr)
	for _, pipeline := range []string{"1", "16"} {
		out, err := exec.Command(tool, "-h", host, "-p", port, "-c", "20", "-n", "4000", "-P", pipeline, "-r", "5", "--csv", "INCR", "key:__rand_int__").CombinedOutput()
		if err != nil || strings.Contains(strings.ToLower(string(out)), "error") || strings.Contains(string(out), "WARNING") {
			t.Errorf("redis-benchmark at pipeline %s: %v\n%s", pipeline, err, out)
		}
	}
	out, err := exec.Command(tool, "-h", host, "-p", port, "-c", "5", "-n", "500", "-q", "-t", "ping,set,get,incr").CombinedOutput()
	if err != nil || strings.Contains(strings.ToLower(string(out)), "error") || strings.Count(string(out), "requests per second") != 5 {
		t.Errorf("redis-benchmark's own tests: %v\n%s", err, out)
	}
	sum := 0
	for key := range 5 {
		out, err := exec.Command(cli, "-h", host, "-p", port, "GET", fmt.Sprintf("key:%012d", key)).Output()
		n := 0
		if _, scanErr := fmt.Sscan(string(out), &n); err != nil || scanErr != nil {
			t.Fatal(err, scanErr)
		}
		sum += n
	}
	if sum != 8000 {
		t.Errorf("the keys' sum is %d; want 8000", sum)
	}
}
