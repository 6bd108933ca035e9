package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestServe is the first thing that a person does: start, three requests, kill, start again.
func TestServe(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "made", "by the start")
	p := serve(t, counter, "--data", data)
	for _, want := range []string{
		`everloop serves counter \(\.\./\.\./docs/examples/counter\)\n`, `listening on +127\.0\.0\.1:\d+\n`, `admin on +127\.0\.0\.1:\d+\n`,
		`data in .*by the start, sync always, 1 loop\n`, `classes +Counter as env\.COUNTER\n`, `recovered +0 objects from 0 records in [0-9.]+[mµ]?s\n$`,
	} {
		p.reported(`(` + want + `)`)
	}
	for _, count := range []string{"1", "2", "3"} {
		p.want("/", 200, count)
	}
	p.want("/?id=other", 200, "1")

	// The log can be looked into meanwhile.
	if out, errs, code := everloop(t, nil, "wal", "dump", data); code != exitOK || !strings.Contains(out, `put "count" = 3`) {
		t.Errorf("wal dump: %d\n%s%s", code, out, errs)
	}
	if out, errs, code := everloop(t, nil, "wal", "verify", data); code != exitOK || !strings.HasSuffix(out, "no damage\n") {
		t.Errorf("wal verify: %d\n%s%s", code, out, errs)
	}

	p.kill()
	p = serve(t, counter, "--data", data)
	p.reported(`(recovered +2 objects from 6 records in )`)
	p.want("/", 200, "4")
	admin := (&process{t: t, listen: p.admin}).newClient(1)
	if resp, err := admin.Get("http://" + p.admin + "/healthz"); err != nil || resp.StatusCode != 200 {
		t.Errorf("healthz: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	p.stop()
}

// waiting answers /wait after half a second, and /for-ever after an hour. Each says when it has begun.
var waiting = map[string]string{"waiting.ts": `
export default { async fetch(request) {
	const { pathname } = new URL(request.url);
	if (pathname === "/") return new Response("here");
	console.log("begun " + pathname);
	await new Promise((done) => setTimeout(done, pathname === "/wait" ? 500 : 3_600_000));
	return new Response("finished");
} };`}

// TestDrain holds that SIGTERM lets a request end, while connections that have none close.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := serve(t, filepath.Join(program(t, waiting), "waiting.ts"), "--data", t.TempDir())
	// Some connections that were used, one that never was, and one in the middle of a head.
	for range 8 {
		conn := dial(t, p)
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	dial(t, p)
	fmt.Fprint(dial(t, p), "GET / HTTP/1.1\r\nHos")
	answered := make(chan string, 1)
	go func() {
		status, body, err := ask(p.client, "/wait")
		answered <- fmt.Sprint(status, " ", body, " ", err)
	}()
	p.logged("begun /wait")
	p.signal(syscall.SIGTERM)
	if got := <-answered; got != "200 finished <nil>" {
		t.Errorf("the request under way was answered %s", got)
	}
	if code := p.exit(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, &p.log)
	}
	p.logged("draining")
	p.logged("ended")
}

// TestSecondSignal holds that a person can insist.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := serve(t, filepath.Join(program(t, waiting), "waiting.ts"), "--data", t.TempDir())
	go func() { _, _, _ = ask(p.newClient(1), "/for-ever") }()
	p.logged("begun /for-ever")
	p.signal(os.Interrupt)
	p.logged("draining")
	if conn, err := net.Dial("tcp", p.listen); err == nil {
		// The address is given up at once. (The draining was logged just before.)
		waitFor(t, "the address to be free", func() bool {
			conn.Close()
			conn, err = net.Dial("tcp", p.listen)
			return err != nil
		})
	}
	p.signal(os.Interrupt)
	if code := p.exit(); code != exitFailed || !strings.Contains(p.log.String(), "second signal: ended at once") {
		t.Errorf("exit code %d\n%s", code, &p.log)
	}
}

func dial(t *testing.T, p *process) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.listen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestUnix serves on a socket file, which a process that was killed leaves behind.
func TestUnix(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(t.TempDir(), "socket")
	p := serve(t, counter, "--data", data, "--listen", "unix:"+path)
	p.want("/", 200, "1")
	if code, log := refused(t, setup{}, counter, "--data", t.TempDir(), "--listen", "unix:"+path); code != exitFailed || !strings.Contains(log, "another process listens there") {
		t.Errorf("a second one: %d\n%s", code, log)
	}
	p.kill()
	p = serve(t, counter, "--data", data, "--listen", "unix:"+path)
	p.want("/", 200, "2")
	p.stop()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file was left behind: %v", err)
	}
}

// refused starts the program where it cannot start.
func refused(t *testing.T, s setup, args ...string) (code int, log string) {
	t.Helper()
	p := launch(t, s, args...)
	code = p.exit()
	if out := p.out.String(); out != "" {
		t.Errorf("it reports a start:\n%s", out)
	}
	return code, p.log.String()
}

// TestRefusedStart holds what a start that cannot be says: what is wrong, where, and what to do.
func TestRefusedStart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, counter, "--data", data)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const worker = `export default { fetch() { return new Response("ok"); } };`
	named := func(more string) string { return `{ "name": "a", "main": "index.ts"` + more + ` }` }
	bound := named(`, "durable_objects": { "bindings": [{ "name": "C", "class_name": "Cuonter" }] }`)
	for _, tt := range []struct {
		name  string
		files map[string]string // of the project; nil: the counter
		args  []string
		code  int
		want  []string // in this order
	}{
		{"listen in use", nil, []string{"--data", t.TempDir(), "--listen", p.listen}, exitFailed, []string{"cannot listen on " + p.listen, "address already in use", "--listen"}},
		{"admin in use", nil, []string{"--data", t.TempDir(), "--admin", p.listen}, exitFailed, []string{p.listen, "address already in use", "--admin"}},
		{"no such address", nil, []string{"--data", t.TempDir(), "--listen", "192.0.2.1:0"}, exitFailed, []string{"192.0.2.1:0", "This machine has no such address"}},
		{"data in use", nil, []string{"--data", data}, exitFailed, []string{data, fmt.Sprintf("in use by process %d", p.cmd.Process.Pid), "--data"}},
		{"data is a file", nil, []string{"--data", file}, exitFailed, []string{file, "cannot be made", "--data"}},
		{"data below a file", nil, []string{"--data", file + "/data"}, exitFailed, []string{file + "/data", "not a directory", "--data"}},
		{"a wrong flag", nil, []string{"--loops", "none"}, exitUsage, []string{"--loops", "none", "everloop serve --help"}},
		{"no main", map[string]string{"wrangler.jsonc": `{ "name": "a" }`}, nil, exitFailed, []string{"wrangler.jsonc", `no "main"`, `"main": "src/index.ts"`}},
		{"main is not there", map[string]string{"wrangler.jsonc": named("")}, nil, exitFailed, []string{"wrangler.jsonc:1:", "there is no file", "index.ts", "^", "Correct the path"}},
		{"broken configuration", map[string]string{"wrangler.jsonc": "{\n  \"main\": }"}, nil, exitFailed, []string{"wrangler.jsonc:2:11", "not valid JSON", "> 2 |", "^"}},
		{"a class that is not exported", map[string]string{"wrangler.jsonc": bound, "index.ts": worker + " export class Counter {}"}, nil, exitFailed, []string{"wrangler.jsonc", "binding C", "class Cuonter", "index.ts does not export", "it exports Counter", "correct class_name"}},
		{"a syntax error", map[string]string{"wrangler.jsonc": named(""), "index.ts": "const a = 1;\nexport default { fetch() { return new Response( } }\n"}, nil, exitFailed, []string{"index.ts:2:49", `Unexpected "}"`, "> 2 |", "^"}},
		{"a top level that throws", map[string]string{"wrangler.jsonc": named(""), "index.ts": "const a: number = 1;\nthrow new RangeError(`no ${a}`);\n" + worker}, nil, exitFailed, []string{"index.ts", "RangeError: no 1", "index.ts:2:", "> 2 |"}},
		{"a top level without end", map[string]string{"wrangler.jsonc": named(""), "index.ts": "for (;;);\n" + worker}, []string{"--cpu-limit", "50ms"}, exitFailed, []string{"index.ts", "top level", "50ms"}},
		{"no program at all", map[string]string{}, nil, exitFailed, []string{"wrangler"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			project, where := counter, "a project"
			if tt.files != nil {
				project = program(t, tt.files)
				where = project
			}
			code, log := refused(t, setup{}, append([]string{project}, tt.args...)...)
			rest := log
			for _, want := range tt.want {
				before, behind, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("%s: no %q (in order) in:\n%s", where, want, log)
				}
				_, rest = before, behind
			}
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.HasPrefix(log, "everloop: ") || strings.Contains(log, "goroutine ") {
				t.Errorf("not for people:\n%s", log)
			}
		})
	}
}

// TestDamage holds what a start makes of a log that has changed.
func TestDamage(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, counter, "--data", data)
	for range 8 {
		p.get("/")
	}
	p.stop()
	segment := largestFile(t, data)
	text, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		if err := os.WriteFile(segment, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// An end that was not finished, as a process that is killed may leave it.
	write(append(bytes.Clone(text), "an unfinished write"...))
	p = serve(t, counter, "--data", data)
	p.reported(fmt.Sprintf(`(cut off +19 bytes of a write that was not finished \(\S+ at %d\))`, len(text)))
	p.want("/", 200, "9")
	p.kill()

	// A bit that was on disk and is another now.
	damaged := bytes.Clone(text)
	damaged[len(text)/2] ^= 4
	write(damaged)
	code, log := refused(t, setup{}, counter, "--data", data)
	place := regexp.MustCompile(regexp.QuoteMeta(filepath.Base(segment)) + ` is damaged at offset \d+`).FindString(log)
	if code != exitFailed || place == "" || !strings.Contains(log, "or restore a backup into another directory") || !strings.Contains(log, "everloop wal verify "+data) {
		t.Errorf("exit code %d, %s", code, log)
	}
	if after, err := os.ReadFile(segment); err != nil || !bytes.Equal(after, damaged) {
		t.Errorf("the refused log was changed (%v)", err)
	}
	out, errs, code := everloop(t, nil, "wal", "verify", data)
	if code != exitFailed || !strings.Contains(errs, place) || strings.Contains(out, "no damage") {
		t.Errorf("wal verify: %d\n%s%s", code, out, errs)
	}
	out, errs, code = everloop(t, nil, "wal", "dump", data)
	if code != exitFailed || !strings.Contains(errs, place) || !strings.Contains(out, `put "count" = 1`) {
		t.Errorf("wal dump: %d\n%s%s", code, out, errs)
	}

	write(text)
	p = serve(t, counter, "--data", data)
	p.want("/", 200, "9")
}

// TestSingleFile serves one file without a configuration.
func TestSingleFile(t *testing.T) {
	t.Parallel()
	dir := program(t, map[string]string{"chat.ts": `
export class ChatRoom { fetch(): Response { return new Response("in the room"); } }
export default { fetch(request: Request, env: any) { return env.CHAT_ROOM.getByName("a").fetch(request); } };`})
	p := serve(t, filepath.Join(dir, "chat.ts"))
	p.reported(`(classes +ChatRoom as env\.ChatRoom, ChatRoom as env\.CHAT_ROOM\n)`)
	p.want("/", 200, "in the room")
	p.stop()
	if _, err := os.Stat(filepath.Join(dir, ".everloop", "p0")); err != nil {
		t.Errorf("the data directory is not beside the file: %v", err)
	}
}

// TestPrecedence holds that flags win over variables, and variables over the file.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	dir := program(t, map[string]string{
		"wrangler.jsonc": `{ "name": "plain", "main": "index.ts", "vars": { "WHERE": "top" }, "env": { "staging": { "vars": { "WHERE": "staging" } } } }`,
		"index.ts":       `export default { fetch(request: Request, env: any) { return new Response(env.WHERE); } };`,
		"everloop.toml":  "sync = \"none\"\nloops = 2\ndata = \"from-the-file\"\nenv = \"staging\"\n",
	})
	p := serveAs(t, setup{env: []string{"EVERLOOP_SYNC=interval", "EVERLOOP_LOOPS=3"}}, dir, "--loops", "1")
	p.reported(`(data in +\S*/from-the-file, sync interval, 1 loop\n)`)
	p.want("/", 200, "staging")
}
