package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const faults = "testdata/faults"

// TestProgramErrors holds that a client is told nothing, and the log everything.
func TestProgramErrors(t *testing.T) {
	t.Parallel()
	p := serve(t, faults, "--data", t.TempDir())
	for _, tt := range []struct {
		path  string
		class string // of what failed: Subject, or default for the Worker
		log   []string
	}{
		{"/a/worker-throw", "default", []string{`"error":"TypeError: the worker is broken: secret-7"`, `faults/src/index.ts:13:`}},
		{"/a/throw", "Subject", []string{`"error":"RangeError: the object is broken: secret-8"`, `faults/src/wrong.ts:4:`, `faults/src/index.ts:`}},
		{"/a/reject", "Subject", []string{`"error":"Error: rejected later: secret-10"`, `faults/src/wrong.ts:11:`}},
		{"/a/throw-string", "", []string{`a bare string: secret-9`}},
		{"/a/recursion", "Subject", []string{`"error":"RangeError: stack overflow"`, `at deeper (`}},
		{"/a/recursion-json", "Subject", []string{`"error":"RangeError: JSON.stringify: the value is nested too deeply`}},
		{"/a/recursion-clone", "Subject", []string{`"error":"DataCloneError: The object is nested too deeply`}},
	} {
		p.want(tt.path, 500, "Internal Server Error")
		line := p.logged(append(tt.log, `"level":"ERROR"`, `"path":"`+tt.path+`"`, `"method":"fetch"`)...)
		if tt.class != "" && !strings.Contains(line, `"class":"`+tt.class+`"`) || tt.class == "Subject" && !strings.Contains(line, `"object":"`+p.idOf("a")+`"`) {
			t.Errorf("%s: the wrong place in\n%s", tt.path, line)
		}
	}
	// None of them has done any harm.
	p.want("/a/count", 200, "1")
}

// idOf is the ID of an object by name.
func (p *process) idOf(name string) string {
	p.t.Helper()
	status, id := p.get("/" + name + "/id")
	if status != 200 || len(id) != 64 {
		p.t.Fatalf("the ID of %s: %d %q", name, status, id)
	}
	return id
}

// TestLimits holds what programs see of the limits, to the letter.
func TestLimits(t *testing.T) {
	t.Parallel()
	p := serve(t, faults, "--data", t.TempDir())
	const (
		large = "RangeError: Keys and values together cannot be larger than 2097152 bytes."
		key   = "RangeError: Keys cannot be larger than 2048 bytes."
		keys  = "RangeError: Maximum number of keys is 128."
		id    = "TypeError: Invalid Durable Object ID: must be 64 hex digits"
		alien = "TypeError: Durable Object ID is not valid for this namespace."
	)
	for _, tt := range []struct{ what, want string }{
		{"bad-hex", id},
		{"short-hex", id},
		{"foreign-id", alien},
		{"foreign-get", alien},
		{"relative-url", "TypeError: Invalid URL"},
		{"no-fetch", "Error: Handler does not export a fetch() function. | remote"},
		{"unknown-binding", "TypeError: cannot read property 'idFromName' of undefined"},
		{"large-value", large},
		{"large-bytes", large},
		{"large-key", key},
		{"large-key-utf8", key},
		{"large-key-get", key},
		{"large-key-delete", key},
		{"many-puts", "RangeError: Maximum number of pairs is 128."},
		{"many-gets", keys},
		{"many-deletes", keys},
		{"put-undefined", "TypeError: put() called with undefined value."},
		{"put-function", "DataCloneError: () => 1 could not be cloned."},
		{"put-symbol", "DataCloneError: Symbol(s) could not be cloned."},
		{"list-limit", "TypeError: List limit must be positive."},
		{"list-bounds", "TypeError: list() cannot be called with both start and startAfter values."},
		{"keys", "0"}, // nothing of all that is there
		{"largest-key", "undefined"},
		{"most-puts", "undefined"},
		{"keys", "129"},
	} {
		p.want("/a/"+tt.what+"?caught", 200, tt.want)
	}
	p.want("/a/nothing", 404, "no such thing")
}

// TestRunaway holds what becomes of code that does not end: the object is reset, with what it had stored, and everybody
// who waited is served.
func TestRunaway(t *testing.T) {
	t.Parallel()
	p := serve(t, faults, "--data", t.TempDir(), "--cpu-limit", "1s")
	count := 0
	for _, what := range []string{"spin", "spin-caught", "spin-promises", "spin-chain", "spin-regexp", "put-spin"} {
		count++
		p.want("/a/count", 200, fmt.Sprint(count))
		other := make(chan string, 1)
		go func() {
			status, body, err := ask(p.client, "/b/count")
			other <- fmt.Sprint(status, " ", body, " ", err)
		}()
		p.want("/a/"+what, 503, "Service Unavailable")
		if got, want := <-other, fmt.Sprintf("200 %d <nil>", count); got != want {
			t.Errorf("%s: another object answered %s, want %s", what, got, want)
		}
	}
	p.want("/a/count", 200, fmt.Sprint(count+1))
	line := p.logged(`"level":"WARN"`, "interrupted", `"class":"Subject"`, `"object":"`+p.idOf("a")+`"`, "wrong.ts:")
	if !strings.Contains(line, "at spin (") {
		t.Errorf("no stack in %s", line)
	}
	p.want("/a/spin?caller", 200, "Error: Durable Object exceeded its CPU time limit and was reset. | overloaded | durableObjectReset")
	p.want("/a/worker-spin", 503, "Service Unavailable")
	p.want("/a/count", 200, fmt.Sprint(count+2))
	p.stop()
}

// TestRunawayElsewhere holds that objects of another loop, over connections there, are served meanwhile.
func TestRunawayElsewhere(t *testing.T) {
	t.Parallel()
	p := serve(t, faults, "--data", t.TempDir(), "--cpu-limit", "6s", "--loops", "2")
	// The first bits of an ID choose its loop.
	first := func(name string) bool { return p.idOf(name)[0] < '8' }
	there := ""
	for i := 0; there == ""; i++ {
		if name := fmt.Sprintf("there-%d", i); first(name) != first("a") {
			there = name
		}
	}
	// A connection goes to the loop with the fewest, so of these some are there. Which cannot be seen from outside.
	clients := make([]*http.Client, 8)
	for i := range clients {
		clients[i] = p.newClient(1)
		if status, body, err := ask(clients[i], "/"+there+"/count"); status != 200 {
			t.Fatal(status, body, err)
		}
	}
	var answers atomic.Int32
	spun := make(chan int32)
	go func() {
		if status, body, err := ask(p.client, "/a/spin"); status != 503 {
			t.Errorf("spin: %d %q %v", status, body, err)
		}
		spun <- answers.Load()
	}()
	p.logged("spinning")
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			if status, body, err := ask(clients[i], "/"+there+"/count"); status != 200 {
				t.Error(status, body, err)
			}
			answers.Add(1)
		})
	}
	if n := <-spun; n == 0 {
		t.Error("nobody was served meanwhile")
	}
	all.Wait()
	p.want("/"+there+"/count", 200, fmt.Sprint(2*len(clients)+1))
	p.want("/a/count", 200, "1")
	p.stop()
}

// TestStuck holds the last resort: code that cannot be interrupted ends the process, and its object is not run again
// until a person says so.
func TestStuck(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := serve(t, faults, "--data", data, "--cpu-limit", "200ms")
	p.want("/a/count", 200, "1")
	p.want("/b/count", 200, "1")
	id := p.idOf("a")
	if status, body, err := ask(p.newClient(1), "/a/stuck"); err == nil {
		t.Errorf("answered %d %q", status, body)
	}
	if code := p.exit(); code != 70 {
		t.Errorf("exit code %d, want 70", code)
	}
	p.logged(`"level":"ERROR"`, "cannot be interrupted", `"class":"Subject"`, `"object":"`+id+`"`, `"exit":70`)

	p = serve(t, faults, "--data", data, "--cpu-limit", "200ms")
	p.logged(`"level":"WARN"`, "quarantine", `"objects":1`)
	p.want("/a/read", 503, "Service Unavailable")
	p.logged(`"object":"`+id+`"`, "This object is in the quarantine", filepath.Join(data, "quarantine"))
	p.want("/b/count", 200, "2")
	p.stop()

	// Released.
	file := filepath.Join(data, "quarantine")
	text, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(text), "Subject "+id+" ") || strings.Count(string(text), "\n") != 1 {
		t.Fatalf("the quarantine is %q, %v", text, err)
	}
	if err := os.WriteFile(file, []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = serve(t, faults, "--data", data)
	p.want("/a/count", 200, "2")
	p.stop()
}

// TestBombs holds that a program which fills its memory loses the runtime that it is in and nothing else.
func TestBombs(t *testing.T) {
	t.Parallel()
	p := serve(t, faults, "--data", t.TempDir())
	for i, tt := range []struct {
		what    string
		rebuilt bool // otherwise the engine refuses one request that is too large, and goes on
	}{
		{"bomb-array", false},
		{"bomb-string", false},
		{"bomb-map", true},
		{"bomb-buffer", true},
		{"bomb-closures", true},
		{"bomb-caught", true},
	} {
		p.want("/a/count", 200, fmt.Sprint(2*i+1))
		lost := strings.Count(p.log.String(), "a JavaScript runtime was lost")
		p.want("/a/"+tt.what, 500, "Internal Server Error")
		p.logged(`"level":"ERROR"`, `"path":"/a/`+tt.what+`"`, `"class":"Subject"`, `"object":"`+p.idOf("a")+`"`)
		if got := strings.Count(p.log.String(), "a JavaScript runtime was lost") > lost; got != tt.rebuilt {
			t.Errorf("%s: the runtime was rebuilt: %v, want %v", tt.what, got, tt.rebuilt)
		}
		p.want("/a/count", 200, fmt.Sprint(2*i+2))
		p.want("/b/count", 200, fmt.Sprint(i+1))
	}
	p.stop()
}
