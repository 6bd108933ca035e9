package js_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/engine/js/project"
)

// edited is a project that a test changes while it is served.
type edited struct {
	*served
	dir string
}

func edit(t *testing.T, s setup, files ...string) *edited {
	t.Helper()
	e := &edited{dir: t.TempDir()}
	e.write(t, files...)
	var err error
	if e.served, err = tryServe(t, e.dir, s); err != nil {
		t.Fatal(err)
	}
	return e
}

// write writes files, given as name and text in turn.
func (e *edited) write(t *testing.T, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(e.dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// save changes files and puts the new program in the place of the old one.
func (e *edited) save(files ...string) error {
	e.t.Helper()
	e.write(e.t.(*testing.T), files...)
	p, err := project.Load(e.dir, project.Options{})
	if err != nil {
		return err
	}
	b, err := p.Bundle()
	if err != nil {
		return err
	}
	next, err := e.app.Update(p, b)
	if err == nil {
		e.app = next
	}
	return err
}

// start sends a request and does not wait.
func (e *edited) start(path string) <-chan string {
	done := make(chan string, 1)
	entry := e.app.Entrypoint()
	e.eng.Post(0, func() {
		e.ports[0].Enter(entry, &engine.Request{Method: "GET", URL: "http://example.com" + path},
			engine.ReplyFunc(func(r engine.Reply) { done <- text(r.Response, r.Err) }))
	})
	return done
}

func (e *edited) waitLog(want string) {
	e.t.Helper()
	e.until("a log line with "+want, func() bool { return strings.Contains(e.logs.String(), want) })
}

func (e *edited) until(what string, cond func() bool) {
	e.t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			e.t.Fatalf("waited in vain for %s\n%s", what, e.logs)
		}
	}
}

const editedConfig = `{"name": "p", "main": "index.ts", "durable_objects": {"bindings": [{"name": "C", "class_name": "C"}, {"name": "D", "class_name": "D"}]},
	"migrations": [{"tag": "v1", "new_sqlite_classes": ["C", "D"]}], "services": [{"binding": "SELF", "service": "p"}]}`

// editedProgram is a program of some version. /wait waits in the Worker, /object/wait in the object: until another object, which
// has nothing else to do, is of another version; or for an hour.
func editedProgram(version string) string {
	return strings.ReplaceAll(`
import { DurableObject } from "cloudflare:workers";
async function wait(env, long) {
	if (long) await scheduler.wait(3_600_000);
	while (await env.D.getByName("d").which() === "D VERSION") await scheduler.wait(2);
}
export class C extends DurableObject {
	async count() { const n = (await this.ctx.storage.get("n") ?? 0) + 1; await this.ctx.storage.put("n", n); return n + " VERSION"; }
	async wait(long) { console.log("object waits VERSION"); await wait(this.env, long); return "object VERSION"; }
	async useOther(stub) { return stub.which(); }
}
export class D extends DurableObject { which() { return "D VERSION"; } }
export default {
	async fetch(request, env, ctx) {
		const { pathname, searchParams } = new URL(request.url);
		const object = env.C.getByName("x");
		switch (pathname) {
		case "/count": return new Response(await object.count());
		case "/wait": console.log("worker waits VERSION"); await wait(env, searchParams.has("long")); return new Response("worker VERSION, " + await object.count());
		case "/object/wait": return new Response(await object.wait(searchParams.has("long")));
		case "/wait/swapped": console.log("worker waits VERSION"); await wait(env, searchParams.has("long")); return new Response(await object.useOther(env.D.getByName("d")));
		case "/fail": throw new TypeError("on purpose", { cause: new Error("the reason") });
		case "/log": console.log(new Error("logged")); return new Response("ok");
		case "/self": return new Response(await (await env.SELF.fetch("http://x/version")).text());
		}
		return new Response("VERSION");
	},
};`, "VERSION", version)
}

// Saving swaps the code and keeps the storage. What is served meanwhile is one version or the other.
func TestUpdateKeepsStorage(t *testing.T) {
	e := edit(t, setup{loops: 2}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	if got := e.get("/count"); got != "1 v1" {
		t.Fatal(got)
	}
	for i, version := range []string{"v2", "v3", "v4"} {
		if err := e.save("index.ts", editedProgram(version)); err != nil {
			t.Fatal(err)
		}
		if got, want := e.get("/count"), string(rune('2'+i))+" "+version; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := e.get("/self"); got != version {
			t.Errorf("a service binding: %q, want %q", got, version)
		}
	}
}

// A request that is under way is finished by the code that it began with; one that begins gets the new one. Then the old
// runtimes are closed.
func TestUpdateFinishesRequests(t *testing.T) {
	before := js.Runtimes()
	e := edit(t, setup{opts: js.Options{Grace: time.Minute}}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	e.get("/count")
	worker, object := e.start("/wait"), e.start("/object/wait")
	e.waitLog("worker waits v1")
	e.waitLog("object waits v1")
	if err := e.save("index.ts", editedProgram("v2")); err != nil {
		t.Fatal(err)
	}
	if got := e.get("/"); got != "v2" {
		t.Errorf("a new request: %q", got)
	}
	if got := <-object; got != "object v1" {
		t.Errorf("the object's call: %q", got)
	}
	// It goes on with the old code, and calls objects of the new one.
	if got := <-worker; got != "worker v1, 2 v2" {
		t.Errorf("the Worker's request: %q", got)
	}
	// One for the Worker, and one for each of the two objects, are the new program's.
	e.until("the old runtimes to be closed", func() bool { return e.app.Retiring() == 0 && js.Runtimes()-before <= 3 })
}

// Ten saves leave no more runtimes than one start, also when the program does not get through its top level.
func TestUpdateLeavesNoRuntimes(t *testing.T) {
	before := js.Runtimes()
	e := edit(t, setup{loops: 2}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v0"))
	for i := range 10 {
		e.get("/count")
		if err := e.save("index.ts", editedProgram("v"+string(rune('0'+i)))); err != nil {
			t.Fatal(err)
		}
		if err := e.save("index.ts", "throw new Error('not this one');"); err == nil || !strings.Contains(err.Error(), "not this one") {
			t.Fatal(err)
		}
	}
	e.until("the old runtimes to be closed", func() bool { return js.Runtimes()-before <= 2 })
}

// An object that does not finish in time is reset, and its caller is told why.
func TestUpdateResetsWhatTakesTooLong(t *testing.T) {
	e := edit(t, setup{opts: js.Options{Grace: 20 * time.Millisecond}}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	object := e.start("/object/wait?long")
	e.waitLog("object waits v1")
	if err := e.save("index.ts", editedProgram("v2")); err != nil {
		t.Fatal(err)
	}
	if got := e.get("/count"); got != "1 v2" {
		t.Errorf("the new code: %q", got)
	}
	if got := <-object; got != "error: Error: Durable Object reset because its code was updated." {
		t.Errorf("the old call: %q", got)
	}
}

// A request of the Worker that does not end keeps its runtime until Drain has passed, and fails then.
func TestUpdateEndsRequestsInTheEnd(t *testing.T) {
	before := js.Runtimes()
	e := edit(t, setup{opts: js.Options{Drain: 20 * time.Millisecond}}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	worker := e.start("/wait?long")
	e.waitLog("worker waits v1")
	if err := e.save("index.ts", editedProgram("v2")); err != nil {
		t.Fatal(err)
	}
	if got := <-worker; got != "error: Error: The Worker's code was updated before it had answered." {
		t.Errorf("%q", got)
	}
	e.until("the old runtime to be closed", func() bool { return js.Runtimes()-before <= 1 })
}

// Numbers of namespaces differ between versions; a stub that an old program sends to a new one is still of its class.
func TestUpdateKeepsTheClassOfStubs(t *testing.T) {
	e := edit(t, setup{}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	worker := e.start("/wait/swapped")
	e.waitLog("worker waits v1")
	swapped := strings.Replace(editedConfig, `{"name": "C", "class_name": "C"}, {"name": "D", "class_name": "D"}`, `{"name": "D", "class_name": "D"}, {"name": "C", "class_name": "C"}`, 1)
	if err := e.save("wrangler.jsonc", swapped, "index.ts", editedProgram("v2")); err != nil {
		t.Fatal(err)
	}
	if got := <-worker; got != "D v2" {
		t.Errorf("%q", got)
	}
}

// What of the configuration can change while it is served, and what cannot.
func TestUpdateOfConfiguration(t *testing.T) {
	e := edit(t, setup{}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	e.get("/count")
	config := func(bindings, migrations string) string {
		return `{"name": "p", "main": "index.ts", "durable_objects": {"bindings": [` + bindings + `]}, "migrations": [{"tag": "v1", "new_sqlite_classes": ["C", "D"]}` + migrations + `]}`
	}
	const c = `{"name": "C", "class_name": "C"}`
	more := editedProgram("v2") + "\nexport class E extends C {}"
	if err := e.save("wrangler.jsonc", config(c+`, {"name": "E", "class_name": "E"}`, `, {"tag": "v2", "new_sqlite_classes": ["E"]}`), "index.ts", more); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.eng.Migrations(), " "); got != "v1 v2" {
		t.Errorf("migrations applied: %s", got)
	}
	for _, refused := range []string{
		`, {"tag": "v2", "new_sqlite_classes": ["E"]}, {"tag": "v3", "deleted_classes": ["D"]}`,
		`, {"tag": "v2", "new_sqlite_classes": ["E"]}, {"tag": "v3", "renamed_classes": [{"from": "D", "to": "F"}]}`,
	} {
		err := e.save("wrangler.jsonc", config(c, refused))
		if !errors.Is(err, js.ErrRestart) || !strings.Contains(err.Error(), `migration "v3"`) {
			t.Errorf("%s: %v", refused, err)
		}
	}
	if got := e.get("/count"); got != "2 v2" {
		t.Errorf("after a refused change: %q", got)
	}
	// A binding that is gone, and one that comes back.
	if err := e.save("wrangler.jsonc", config(`{"name": "E", "class_name": "E"}`, `, {"tag": "v2", "new_sqlite_classes": ["E"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := e.get("/count"); !strings.HasPrefix(got, "error: TypeError") {
		t.Errorf("without its binding: %q", got)
	}
	if err := e.save("wrangler.jsonc", config(c, `, {"tag": "v2", "new_sqlite_classes": ["E"]}`)); err != nil {
		t.Fatal(err)
	}
	if got := e.get("/count"); got != "3 v2" {
		t.Errorf("with its binding again: %q", got)
	}
}

// For development, a failure has the lines of its source and what caused it, and a logged Error is in terms of the source.
func TestCodeFrames(t *testing.T) {
	e := edit(t, setup{opts: js.Options{CodeFrames: true}}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v1"))
	_, err := e.do(0, &engine.Request{Method: "GET", URL: "http://example.com/fail"})
	var failure *engine.Error
	if !errors.As(err, &failure) {
		t.Fatal(err)
	}
	if !strings.Contains(failure.Excerpt, "> 22 | \t\tcase \"/fail\": throw new TypeError(") || !strings.Contains(failure.Excerpt, "^") {
		t.Errorf("the excerpt:\n%s", failure.Excerpt)
	}
	if !strings.Contains(failure.Stack, "index.ts:22:") || !strings.Contains(failure.Stack, "\nCaused by: Error: the reason\n    at ") {
		t.Errorf("the stack:\n%s", failure.Stack)
	}
	e.get("/log")
	e.waitLog("index.ts:23:")
}

// Code that is swapped under load loses no request and no write, and breaks nothing.
func TestUpdateUnderLoad(t *testing.T) {
	e := edit(t, setup{loops: 2}, "wrangler.jsonc", editedConfig, "index.ts", editedProgram("v0"))
	entry := e.app.Entrypoint()
	stop := make(chan struct{})
	var mu sync.Mutex
	seen := map[string]string{}
	versions := map[string]bool{}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				done := make(chan string, 1)
				e.eng.Post(i%2, func() {
					e.ports[i%2].Enter(entry, &engine.Request{Method: "GET", URL: "http://example.com/count"},
						engine.ReplyFunc(func(r engine.Reply) { done <- text(r.Response, r.Err) }))
				})
				got := <-done
				n, version, ok := strings.Cut(got, " ")
				mu.Lock()
				if _, twice := seen[n]; !ok || len(version) != 2 || twice {
					t.Errorf("answered %q (twice: %v)", got, twice)
				}
				seen[n] = version
				versions[version] = true
				mu.Unlock()
			}
		})
	}
	for i := range 8 {
		if err := e.save("index.ts", editedProgram("v"+string(rune('1'+i)))); err != nil {
			t.Fatal(err)
		}
		version := "v" + string(rune('1'+i))
		e.until("an answer of "+version, func() bool { mu.Lock(); defer mu.Unlock(); return versions[version] })
	}
	close(stop)
	clients.Wait()
	if n := e.eng.Metrics().Failures; n != 0 {
		t.Errorf("%d events failed", n)
	}
	if _, ok := seen[strconv.Itoa(len(seen))]; !ok {
		t.Errorf("%d answers, and the counter is elsewhere", len(seen))
	}
}
