package js_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// passing is a program whose objects fail, or ask one that fails.
const passing = `
export class Deep {
	constructor(ctx, env) { this.ctx = ctx; this.env = env; }
	async fetch(request) {
		const { pathname } = new URL(request.url);
		switch (pathname) {
		case "/throw": throw new RangeError("deep down");
		case "/clone": await this.ctx.storage.put("a", () => 1);
		case "/recurse": { const deeper = () => deeper() + 1; return new Response(deeper()); }
		case "/abort": this.ctx.abort(new Error("aborted"));
		case "/put": await this.ctx.storage.put("a", 1); return new Response("put");
		case "/delete-all": await this.ctx.storage.deleteAll(); return new Response("deleted");
		}
		const rest = pathname.slice(4); // behind /ask
		return this.env.Deep.getByName("other").fetch("http://o" + rest);
	}
}
let kept;
export default {
	async fetch(request, env) {
		const { pathname, searchParams } = new URL(request.url);
		const answer = env.Deep.getByName("one").fetch(request);
		switch (searchParams.get("how")) {
		case "caught": try { await answer; } catch { throw new Error("the worker's own"); }
		case "changed": try { await answer; } catch (e) { e.message = "changed"; throw e; }
		case "kept": try { await answer; } catch (e) { kept = e; } return new Response("kept");
		case "late": throw kept;
		case "told": try { await answer; } catch (e) { return new Response([e instanceof DOMException, e.name, e.code, e.message, e.remote].join(" ")); }
		}
		return answer;
	},
};`

// fail asks for a path and returns the error.
func (v *served) fail(path string) *engine.Error {
	v.t.Helper()
	r, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com" + path})
	var e *engine.Error
	if !errors.As(err, &e) {
		v.t.Fatalf("%s: got %s, want an error", path, text(r, err))
	}
	return e
}

// TestRecall holds that a failure which the program lets pass is still told as the failure of the object that failed.
func TestRecall(t *testing.T) {
	v := serve(t, passing, setup{})
	one, other := v.eng.Namespace("Deep").IDFromName("one").String(), v.eng.Namespace("Deep").IDFromName("other").String()
	for _, tt := range []struct {
		path, class, object, message string
		reset                        bool
	}{
		{"/throw", "Deep", one, "deep down", false},
		{"/ask/throw", "Deep", other, "deep down", false},
		{"/throw?how=changed", "Deep", one, "changed", false},
		{"/throw?how=caught", "default", "", "the worker's own", false},
		{"/abort", "Deep", one, "aborted", true},
		// It is the other one that was reset.
		{"/ask/abort", "Deep", other, "aborted", false},
	} {
		e := v.fail(tt.path)
		if e.Class != tt.class || e.Object != tt.object || e.Message != tt.message || e.Reset != tt.reset || !e.Remote {
			t.Errorf("%s: %s: %s, reset %v, remote %v", tt.path, e.Where(), e.Message, e.Reset, e.Remote)
		}
		if tt.message == "deep down" && !strings.Contains(e.Stack, "program.ts:7:") {
			t.Errorf("%s: the stack is %s", tt.path, e.Stack)
		}
	}
	if got := v.get("/throw?how=kept"); got != "kept" {
		t.Fatal(got)
	}
	for range 500 {
		v.fail("/ask/throw")
	}
	if e := v.fail("/ask/clone"); e.Name != "DataCloneError" || e.Message != "() => 1 could not be cloned." {
		t.Errorf("a DOMException is %s: %s", e.Name, e.Message)
	}
	if got := v.get("/ask/clone?how=told"); got != "true DataCloneError 25 () => 1 could not be cloned. true" {
		t.Errorf("a DOMException is %s", got)
	}
	if e := v.fail("/recurse"); strings.Count(e.Stack, "at deeper") != 64 || !strings.HasSuffix(e.Stack, "\n    ...") {
		t.Errorf("the stack of a recursion is %s", e.Stack)
	}
	if e := v.fail("/throw?how=late"); e.Object != one {
		t.Errorf("an Error that was kept comes from %s", e.Where())
	}
}

// TestRecallForgets holds that the memory of failures is bounded.
func TestRecallForgets(t *testing.T) {
	v := serve(t, passing, setup{})
	for range 3000 {
		v.fail("/throw")
	}
	app := v.app
	v.close()
	if n := app.Remembered(); n == 0 || n > 1024 {
		t.Errorf("%d failures are remembered after 3000 that nobody kept", n)
	}
}

// TestRefusedWrites holds what a full disk and a log that has failed look like from outside.
func TestRefusedWrites(t *testing.T) {
	v, log := onMemory(t, passing)
	if got := v.get("/put"); got != "put" {
		t.Fatal(got)
	}
	log.SetNoSpace(true)
	for _, path := range []string{"/put", "/ask/put", "/delete-all"} {
		if e := v.fail(path); !errors.Is(e, engine.ErrNoSpace) || e.Class != "Deep" {
			t.Errorf("%s on a full disk: %s: %v", path, e.Where(), e)
		}
	}
	log.SetNoSpace(false)
	if got := v.get("/put"); got != "put" {
		t.Error(got)
	}
}

// TestEndlessStart holds that a program that never ends its top level is an error with its place.
func TestEndlessStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program.ts")
	if err := os.WriteFile(file, []byte("let n = 0;\nfor (;;) n++;\nexport default {};\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := tryServe(t, file, setup{opts: js.Options{CPULimit: 50 * time.Millisecond}})
	if err == nil || !strings.Contains(err.Error(), "ran longer than 50ms") || !strings.Contains(err.Error(), "program.ts") {
		t.Errorf("got %v", err)
	}
}
