package js_test

import (
	"errors"
	"strings"
	"testing"

	"everloop/engine"
	"everloop/engine/js"
)

// The newer "exports" says what is to be; what has to be done for it is done once.
func TestExports(t *testing.T) {
	data := t.TempDir()
	config := func(bound, exports string) string {
		return `{"name": "p", "main": "index.js", "durable_objects": {"bindings": [{"name": "C", "class_name": "` + bound + `"}]}, "exports": {` + exports + `}}`
	}
	program := func(classes ...string) string {
		var b strings.Builder
		b.WriteString(`
import { DurableObject } from "cloudflare:workers";
class Counter extends DurableObject { async fetch() { const n = (await this.ctx.storage.get("n") ?? 0) + 1; await this.ctx.storage.put("n", n); return new Response(String(n)); } }
`)
		for _, c := range classes {
			b.WriteString("export class " + c + " extends Counter {}\n")
		}
		b.WriteString(`export default { async fetch(request, env, ctx) {
	const { pathname } = new URL(request.url);
	if (pathname === "/exports") return new Response(Object.keys(ctx.exports).sort().join());
	return (pathname === "/" ? env.C : ctx.exports[pathname.slice(1)]).getByName("x").fetch("http://x/");
} };`)
		return b.String()
	}
	const live = `{"type": "durable-object", "storage": "sqlite"}`
	const renamed = `{"type": "durable-object", "state": "renamed", "renamed_to": "New"}`
	const deleted = `{"type": "durable-object", "state": "deleted"}`
	var e *edited
	for i, c := range []struct {
		bound, exports string
		classes        []string
		want           map[string]string
	}{
		{"Old", `"Old": ` + live + `, "Other": ` + live, []string{"Old", "Other"}, map[string]string{"/": "1", "/Other": "1", "/exports": "Old,Other,default"}},
		{"New", `"Old": ` + renamed + `, "New": ` + live + `, "Other": ` + live, []string{"New", "Other"}, map[string]string{"/": "2", "/Other": "2"}},
		{"New", `"Old": ` + renamed + `, "New": ` + live + `, "Other": ` + deleted, []string{"New"}, map[string]string{"/": "3", "/exports": "New,default"}},
		{"New", `"Old": ` + renamed + `, "New": ` + live + `, "Other": ` + deleted, []string{"New"}, map[string]string{"/": "4"}},
		{"New", `"New": ` + live + `, "Other": ` + live, []string{"New", "Other"}, map[string]string{"/": "5", "/Other": "1"}},
		{"Other", `"New": ` + deleted + `, "Other": ` + live, []string{"Other"}, map[string]string{"/": "2"}},
		{"New", `"New": ` + live + `, "Other": ` + deleted, []string{"New"}, map[string]string{"/": "1"}},
	} {
		if e != nil {
			e.close()
		}
		e = edit(t, setup{dir: data}, "wrangler.jsonc", config(c.bound, c.exports), "index.js", program(c.classes...))
		for path, want := range c.want {
			if got := e.get(path); got != want {
				t.Errorf("step %d: %s: %q, want %q", i, path, got, want)
			}
		}
	}
	err := e.save("wrangler.jsonc", config("Other", `"New": `+deleted+`, "Other": `+live), "index.js", program("Other"))
	if !errors.Is(err, js.ErrRestart) {
		t.Errorf("while it is served: %v", err)
	}
	if got := e.get("/"); got != "2" {
		t.Errorf("after a refused change: %q", got)
	}
	if err := e.save("wrangler.jsonc", config("New", `"New": `+live+`, "Other": `+live), "index.js", program("New")); err == nil || !strings.Contains(err.Error(), `"exports" has the class Other, which index.js does not export`) {
		t.Errorf("a class that is not exported: %v", err)
	}
	// What the project has come to in either form, it goes on from in the other.
	e.close()
	e = edit(t, setup{dir: data}, "wrangler.jsonc", `{"name": "p", "main": "index.js", "durable_objects": {"bindings": [{"name": "C", "class_name": "New"}]}, "migrations": [{"tag": "v1", "new_sqlite_classes": ["New"]}]}`, "index.js", program("New"))
	if got := e.get("/"); got != "3" {
		t.Errorf("with migrations: %q", got)
	}
	if err := e.save("wrangler.jsonc", config("New", `"New": `+live)); err != nil {
		t.Fatal(err)
	}
	if got := e.get("/"); got != "4" {
		t.Errorf("with exports again: %q", got)
	}
}

// Migrations that cannot be applied are refused, and leave everything as it was.
func TestImpossibleMigrations(t *testing.T) {
	data := t.TempDir()
	config := func(more string) string {
		return `{"name": "p", "main": "index.js", "migrations": [{"tag": "v1", "new_sqlite_classes": ["A", "B"]}` + more + `]}`
	}
	const program = `export default { fetch() { return new Response("ok"); } };`
	edit(t, setup{dir: data}, "wrangler.jsonc", config(`, {"tag": "v2", "deleted_classes": ["B"]}`), "index.js", program).close()
	for _, c := range []struct{ config, want string }{
		{config(`, {"tag": "v2b", "deleted_classes": ["B"]}`), `the data directory has had the migration "v2", which is not in "migrations": put it back`},
		{config(``), `has had the migration "v2"`},
		{config(`, {"tag": "v2", "deleted_classes": ["B"]}, {"tag": "v3", "transferred_classes": [{"from": "X", "from_script": "s", "to": "Y"}]}`), `migration "v3" transfers a class from the script "s"`},
		// The list was rewritten below what was applied: B is not there to be renamed.
		{`{"name": "p", "main": "index.js", "migrations": [{"tag": "v1", "new_sqlite_classes": ["A", "B"]}, {"tag": "v2"}, {"tag": "v3", "renamed_classes": [{"from": "B", "to": "C"}]}]}`, `there is no class B to be renamed to C`},
		{`{"name": "p", "main": "index.js", "migrations": [{"tag": "v1", "new_sqlite_classes": ["B"]}, {"tag": "v2"}, {"tag": "v3", "renamed_classes": [{"from": "B", "to": "A"}]}]}`, `there is no class B to be renamed to A`},
		{`{"name": "p", "main": "index.js", "migrations": [{"tag": "v1", "new_sqlite_classes": ["B"]}, {"tag": "v2"}, {"tag": "v3", "deleted_classes": ["B"]}]}`, `there is no class B to be deleted`},
	} {
		t.Run(c.want, func(t *testing.T) { // which closes the engine at its end
			e := &edited{dir: t.TempDir()}
			e.write(t, "wrangler.jsonc", c.config, "index.js", program)
			if _, err := tryServe(t, e.dir, setup{dir: data}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s:\n%v", c.config, err)
			}
		})
	}
	e := edit(t, setup{dir: data}, "wrangler.jsonc", config(`, {"tag": "v2", "deleted_classes": ["B"]}, {"tag": "v3", "new_sqlite_classes": ["B"]}`), "index.js", program)
	if got := strings.Join(e.eng.Migrations(), " "); got != "v1 v2 v3" {
		t.Errorf("applied: %s", got)
	}
}

// TestSingleFileEnvAtTopLevel: a program of a single file finds its classes in env while its top level runs, in the first runtime as
// in all others, and nothing else of what it exports once it has started.
func TestSingleFileEnvAtTopLevel(t *testing.T) {
	v := serve(t, `
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint, env } from "cloudflare:workers";
const early = env.COUNTER, missed = env.helper;
const seen = [typeof env.Counter, typeof env.OTHER_ONE, "Nothing" in env].join();
export class Counter extends DurableObject { n = 0; add() { return ++this.n; } kept() { return early.getByName("a").id.toString() === this.ctx.id.toString(); } }
export class OtherOne extends DurableObject { who() { return "other"; } }
export class Entry extends WorkerEntrypoint {}
export class Flow extends WorkflowEntrypoint {}
export const helper = () => 1;
export default { async fetch(request, env, ctx) {
	let late;
	try { if (missed) await missed.getByName("a").add(); late = "no error"; } catch (e) { late = e.name; }
	return new Response([seen, Object.keys(env).sort().join("+"), Object.keys(ctx.exports).sort().join("+"), await early.getByName("a").add(), await env.Counter.getByName("a").kept(), await env.OTHER_ONE.getByName("b").who(), late].join(" "));
} };`, setup{loops: 3})
	for on, want := range []string{"1", "2", "3"} {
		res, err := v.do(on, &engine.Request{Method: "GET", URL: "http://x/"})
		got, _, _ := strings.Cut(text(res, err), " Error")
		got, _, _ = strings.Cut(got, " no error")
		got = strings.TrimSpace(got)
		if want := "object,object,false COUNTER+Counter+OTHER_ONE+OtherOne Counter+Entry+OtherOne+default " + want + " true other"; got != want {
			t.Errorf("loop %d: got  %q\nwant %q", on, got, want)
		}
	}
}
