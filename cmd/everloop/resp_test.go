package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"everloop/cmd/testenv"
)

const respPassword = "a password of the tests"

// respServer serves testdata/resp to clients of Redis, with a password, and returns its address.
func respServer(t *testing.T) (host, port string) {
	t.Helper()
	p := serveAs(t, setup{env: []string{"EVERLOOP_RESP_PASSWORD=" + respPassword}},
		"testdata/resp", "--data", t.TempDir(), "--resp", "127.0.0.1:0")
	t.Cleanup(p.stop)
	m := regexp.MustCompile(`resp on +(\S+)`).FindStringSubmatch(p.out.String())
	if m == nil {
		t.Fatalf("the report does not say where clients of Redis are served:\n%s", p.out.String())
	}
	host, port, err := net.SplitHostPort(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// TestRedisCLI has redis-cli call objects, in both versions, and redis-benchmark count.
func TestRedisCLI(t *testing.T) {
	t.Parallel()
	cli, benchmark := testenv.Program(t, "redis-cli"), testenv.Program(t, "redis-benchmark")
	_, port := respServer(t)
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-p", port}, args...)...)
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+respPassword)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %q: %v\n%s", filepath.Base(program), args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, tt := range []struct {
		args string
		want string
	}{
		{"PING", "PONG"},
		{"CALL Counter cli add", "1"},
		{"CALL Counter cli add 4", "5"},
		{"-3 CALL Counter cli add 4", "9"},
		{`CALL Counter cli echo {"a":[1,2]}`, `{"a":[1,2]}`},
		{`-3 CALL Counter cli echo {"a":[1,2]}`, "a 1\n2"},
		{"CALL Counter cli echo {a}", "BADARG argument 1, offset 1: a name is wanted"},
		{"CALL Counter cli nope", `NOMETHOD The RPC receiver does not implement the method "nope".`},
		{"CALL Counter cli fail", "THROWN TypeError: no such thing"},
		{"CALL Nope cli fail", "NOCLASS there is no class 'Nope'"},
		{"CALLB Counter cli echo bytes", "bytes"},
		{"PUBLISH Chat lobby hello", "1"},
		{"CONFIG GET appendonly", "appendonly\nyes"},
	} {
		if got := run(cli, strings.Fields(tt.args)...); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.args, got, tt.want)
		}
	}
	if got := run(cli, "OBJECTS", "Counter", "MATCH", "c*", "COUNT", "100"); !strings.HasPrefix(got, "0\n") || !strings.HasSuffix(got, "\ncli") {
		t.Errorf("the objects are %q", got)
	}
	if got := run(cli, "INFO", "stats"); !strings.Contains(got, "total_calls:") {
		t.Errorf("INFO says %q", got)
	}
	run(benchmark, "-a", respPassword, "-n", "2000", "-c", "8", "-P", "16", "-q", "CALL", "Counter", "bench", "add")
	if got := run(cli, "CALL", "Counter", "bench", "add", "0"); got != "2000" {
		t.Errorf("redis-benchmark has counted to %s, want 2000", got)
	}
}

// TestGoRedis has go-redis call objects and be in a room, in both versions.
func TestGoRedis(t *testing.T) {
	t.Parallel()
	host, port := respServer(t)
	for _, version := range []int{2, 3} {
		t.Run(fmt.Sprint("RESP", version), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(host, port), Password: respPassword, Protocol: version})
			t.Cleanup(func() { _ = c.Close() })
			object := fmt.Sprint("go", version)
			if err := c.Ping(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			pipe := c.Pipeline()
			for range 1000 {
				pipe.Do(ctx, "CALL", "Counter", object, "add")
			}
			if _, err := pipe.Exec(ctx); err != nil {
				t.Fatal(err)
			}
			n, err := c.Do(ctx, "CALL", "Counter", object, "add", "0").Int()
			if err != nil || n != 1000 {
				t.Errorf("counted to %d (%v), want 1000", n, err)
			}
			kinds, err := c.Do(ctx, "CALL", "Counter", object, "echo", `{"f":1.5,"s":"x"}`).Result()
			if want := map[int]string{2: `{"f":1.5,"s":"x"}`, 3: "map[f:1.5 s:x]"}[version]; err != nil || fmt.Sprint(kinds) != want {
				t.Errorf("the result is %v (%v), want %s", kinds, err, want)
			}
			var refused redis.Error
			if err := c.Do(ctx, "CALL", "Counter", object, "fail").Err(); !errors.As(err, &refused) || err.Error() != "THROWN TypeError: no such thing" {
				t.Errorf("the error is %v", err)
			}

			room := "Chat:" + object
			sub := c.Subscribe(ctx, room)
			defer sub.Close()
			for _, want := range []string{"subscribe: " + room, "Message<" + room + ": null: hello>"} {
				got, err := sub.Receive(ctx)
				if err != nil || fmt.Sprint(got) != want {
					t.Fatalf("the room says %v (%v), want %s", got, err, want)
				}
				if strings.HasPrefix(want, "subscribe") {
					if n, err := c.Publish(ctx, room, "hello").Result(); err != nil || n != 1 {
						t.Errorf("published to %d (%v)", n, err)
					}
				}
			}
			wrong := redis.NewClient(&redis.Options{Addr: net.JoinHostPort(host, port), Password: "another", Protocol: version, MaxRetries: -1})
			defer wrong.Close()
			if err := wrong.Ping(ctx).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") && !strings.Contains(err.Error(), "NOAUTH") {
				t.Errorf("with a wrong password: %v", err)
			}
		})
	}
}

// TestIORedis has ioredis, in Node, do the same.
func TestIORedis(t *testing.T) {
	t.Parallel()
	program := testenv.Program(t, "node")
	installed := testenv.Packages(t, "testdata/resp/package.json")
	_, port := respServer(t)
	script, err := filepath.Abs("testdata/resp/client.cjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, script, port, respPassword)
	cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(installed, "node_modules"))
	out, err := cmd.CombinedOutput()
	const want = `add 2
add 4
add 6
error THROWN TypeError: no such thing
pipelined 500
subscribed 1
published 1
heard Chat:node null: hello
unsubscribed 0
`
	if err != nil || string(out) != want {
		t.Errorf("it printed\n%s\nwant\n%s\n(%v)", out, want, err)
	}
}

const slowRoom = `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch() {
		const [a, b] = Object.values(new WebSocketPair());
		this.ctx.acceptWebSocket(b);
		return new Response(null, { status: 101, webSocket: a });
	}
	webSocketClose(ws: WebSocket, code: number) {
		this.ctx.storage.put("closed", code);
	}
	closed() { return this.ctx.storage.get("closed"); }
	async slow() {
		console.log("begun slow");
		await new Promise((done) => setTimeout(done, 500)); // longer than a signal takes to arrive
		await this.ctx.storage.put("slow", true);
		return "done";
	}
}
export default { fetch() { return new Response("hi"); } };`

// TestRESPDrain ends the server while a client has a room and a call under way: the answer comes, and the object hears that the server goes away.
func TestRESPDrain(t *testing.T) {
	t.Parallel()
	dir, data, path := program(t, map[string]string{"room.ts": slowRoom}), t.TempDir(), filepath.Join(t.TempDir(), "resp")
	start := func() (*process, net.Conn) {
		p := serve(t, dir+"/room.ts", "--data", data, "--resp", "unix:"+path)
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return p, conn
	}
	p, conn := start()
	fmt.Fprint(conn, "HELLO 3\r\nSUBSCRIBE Room:a\r\nCALL Room a slow\r\n")
	p.logged("begun slow")
	p.signal(syscall.SIGTERM)
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.HasSuffix(got, []byte("subscribe\r\n$6\r\nRoom:a\r\n:1\r\n$4\r\ndone\r\n")) || !bytes.Contains(got, []byte("\r\nversion\r\n$11\r\ndevelopment\r\n")) {
		t.Errorf("%q, %v", got, err)
	}
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, &p.log)
	}
	p, conn = start()
	fmt.Fprint(conn, "CALL Room a closed\r\nQUIT\r\n")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "$4\r\n1001\r\n+OK\r\n" {
		t.Errorf("the socket has closed with %q, %v", got, err)
	}
	p.stop()
}
