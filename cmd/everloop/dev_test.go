package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// develop starts `everloop dev` on a project of these files.
func develop(t *testing.T, files map[string]string, args ...string) (p *process, dir string) {
	t.Helper()
	dir = program(t, files)
	return serveAs(t, setup{command: "dev"}, append([]string{dir}, args...)...), dir
}

// save writes a file the way editors do: a new one beside it, which is renamed over it.
func save(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".tmp~", []byte(text), 0o600), os.Rename(path+".tmp~", path),
	); err != nil {
		t.Fatal(err)
	}
}

// printed waits for a part of what the process has printed, behind what was waited for before.
func (p *process) printed(want string) {
	p.t.Helper()
	waitFor(p.t, fmt.Sprintf("%q in the output", want), func() bool {
		i := strings.Index(p.out.String()[p.seen:], want)
		if i >= 0 {
			p.seen += i + len(want)
		}
		return i >= 0
	})
}

// browse asks as a browser does for a page.
func (p *process) browse(path, host string) (status int, page string) {
	p.t.Helper()
	req, err := http.NewRequest("GET", "http://"+p.listen+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
	if host != "" {
		req.Host = host
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

const devConfig = `{ "name": "d", "main": "src/index.ts", "durable_objects": { "bindings": [{ "name": "C", "class_name": "C" }] },
	"migrations": [{ "tag": "v1", "new_sqlite_classes": ["C"] }], "vars": { "WORD": "configured" } }`

func devProgram(version string) string {
	return `import { DurableObject } from "cloudflare:workers";
import { text } from "./text";
export class C extends DurableObject {
	async count(): Promise<number> { const n = (await this.ctx.storage.get<number>("n") ?? 0) + 1; await this.ctx.storage.put("n", n); return n; }
	fail(): never { throw new RangeError("object <b>fails</b>"); }
}
export default {
	async fetch(request: Request, env: any): Promise<Response> {
		const { pathname } = new URL(request.url);
		if (pathname === "/fail") await env.C.getByName("x").fail();
		if (pathname === "/log") console.log("hello", { a: 1 });
		if (pathname === "/secret") return new Response(env.WORD);
		return new Response("` + version + ` " + text + " " + await env.C.getByName("x").count());
	},
};
`
}

// TestDev is an hour of writing a program.
func TestDev(t *testing.T) {
	t.Parallel()
	p, dir := develop(t, map[string]string{
		"wrangler.jsonc": devConfig, "src/index.ts": devProgram("one"), "src/text.ts": `export const text = "a";`,
	})
	p.want("/", 200, "one a 1")
	p.printed("POST / 200 ")

	// Every file that the program is made of, and storage stays.
	save(t, dir, "src/index.ts", devProgram("two"))
	p.printed("updated in ")
	p.printed("(src/index.ts)")
	p.want("/", 200, "two a 2")
	save(t, dir, "src/text.ts", `export const text = "b";`)
	p.printed("(src/text.ts)")
	p.want("/", 200, "two b 3")

	// Variables, which were in no file at the start.
	p.want("/secret", 200, "configured")
	save(t, dir, ".dev.vars", "WORD=secret\n")
	p.printed("(.dev.vars)")
	p.want("/secret", 200, "secret")

	// A program that cannot be built: the one before is served, and a browser here is shown why.
	save(t, dir, "src/index.ts", devProgram("three")+"\nconst a = ;\n")
	p.printed("error " + dir + "/src/index.ts:17:11: Unexpected \";\"")
	p.printed("> 17 | const a = ;")
	p.printed("goes on being served")
	p.want("/", 200, "two b 4")
	status, page := p.browse("/", "")
	if status != 500 || !strings.Contains(page, "index.ts:17:11: Unexpected &#34;;&#34;") || !strings.Contains(page, "&gt; 17 | const a = ;") {
		t.Errorf("the page: %d\n%s", status, page)
	}
	if _, page := p.browse("/", "example.com"); page != "two b 5" {
		t.Errorf("a browser of elsewhere gets %q", page)
	}

	// One that is built and does not start.
	save(t, dir, "src/index.ts", "import './text';\nthrow new Error('at the top');\n")
	p.printed("Error: at the top")
	p.printed("index.ts:2:")
	p.want("/", 200, "two b 6")

	// An import that is not there yet, in a folder that is not there yet.
	save(t, dir, "src/index.ts", devProgram("four")+"\nimport './more/new';\n")
	p.printed(`Could not resolve "./more/new"`)
	save(t, dir, "src/more/new.ts", `export {};`)
	p.printed("updated in ")
	p.want("/", 200, "four b 7")
	if status, page := p.browse("/", ""); status != 200 || page != "four b 8" {
		t.Errorf("mended: %d %s", status, page)
	}

	// A change that needs a restart is told, and the program before it is served, without a page.
	save(t, dir, "wrangler.jsonc", strings.Replace(devConfig, `"new_sqlite_classes": ["C"] }`, `"new_sqlite_classes": ["C"] }, { "tag": "v2", "deleted_classes": ["C"] }`, 1))
	p.printed("the class \"C\" is bound, but a migration has deleted or renamed it")
	save(t, dir, "wrangler.jsonc", strings.Replace(devConfig, `"migrations": [`, `"migrations": [{ "tag": "v0", "new_sqlite_classes": ["D"] }, { "tag": "v0b", "deleted_classes": ["D"] }, `, 1))
	p.printed("updated in ") // v1 is applied: what stands before it is history
	save(t, dir, "wrangler.jsonc", strings.Replace(devConfig, `["C"] }`, `["C", "D"] }, { "tag": "v2", "deleted_classes": ["D"] }`, 1))
	p.printed(`migration "v2" renames or deletes classes: that cannot be done while the program is served`)
	if status, page := p.browse("/", ""); status != 200 || page != "four b 9" {
		t.Errorf("after a refused change: %d %s", status, page)
	}
	p.stop()
	if log := p.log.String(); log != "" {
		t.Errorf("on standard error:\n%s", log)
	}
}

// TestDevShowsErrors holds what the terminal and the browser say of a request that fails.
func TestDevShowsErrors(t *testing.T) {
	t.Parallel()
	p, _ := develop(t, map[string]string{"wrangler.jsonc": devConfig, "src/index.ts": devProgram("one"), "src/text.ts": `export const text = "a";`})
	status, page := p.browse("/fail", "")
	for _, want := range []string{"<h1 id=\"message\">RangeError: object &lt;b&gt;fails&lt;/b&gt;</h1>", "in C.fail (object ", "&gt; 5 | \tfail(): never { throw new RangeError(", "src/index.ts:5:"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page:\n%s", want, page)
		}
	}
	if status != 500 || strings.Contains(page, "<b>fails") {
		t.Errorf("%d %s", status, page)
	}
	p.printed("error request failed: RangeError: object <b>fails</b>  [C.fail ")
	p.printed("  > 5 | \tfail(): never { throw new RangeError(")
	p.printed("^\n")
	p.printed("src/index.ts:5:")
	p.printed("GET /fail 500 ")
	p.get("/log")
	p.printed("hello { a: 1 }\n")
	p.printed("POST /log 200 ")
	if out := p.out.String(); strings.Contains(out, "\x1b") || strings.Contains(out, "level=") {
		t.Errorf("not as text:\n%s", out)
	}
	if _, page := p.browse("/fail", "example.com"); page != "Internal Server Error\n" {
		t.Errorf("a browser of elsewhere is told %q", page)
	}
}

// TestDevFiles holds that static files are replaced without touching the program, and that the program reaches them.
func TestDevFiles(t *testing.T) {
	t.Parallel()
	p, dir := develop(t, map[string]string{
		"wrangler.jsonc": `{ "name": "d", "main": "index.ts", "assets": { "directory": "public", "binding": "ASSETS" } }`,
		"index.ts": `let n = 0;
export default { async fetch(request: Request, env: any) {
	return new Response(++n + " " + await (await env.ASSETS.fetch("http://x/page")).text());
} };`,
		"public/page.html": "one",
	})
	p.want("/x", 200, "1 one")
	save(t, dir, "public/page.html", "two")
	p.printed("files replaced in ")
	p.want("/x", 200, "2 two") // what the program remembers is still there
	save(t, dir, "public/new/page.html", "new")
	p.printed("files replaced in ")
	if status, page := p.browse("/new/page", ""); status != 200 || page != "new" {
		t.Errorf("%d %q", status, page)
	}
}

// TestDevWaitsForABrokenStart starts on a program that cannot be built.
func TestDevWaitsForABrokenStart(t *testing.T) {
	t.Parallel()
	dir := program(t, map[string]string{"wrangler.jsonc": `{ "name": "d", "main": "index.ts" }`, "index.ts": "export default { fetch() {"})
	p := launch(t, setup{command: "dev"}, dir)
	p.printed("index.ts:1:27: ")
	p.printed("waiting for a change")
	save(t, dir, "index.ts", `export default { fetch() { return new Response("ok"); } };`)
	p.printed("  recovered ")
	p.listen = p.reported(`listening on +(\S+)`)
	p.client = p.newClient(1)
	p.want("/", 200, "ok")
	p.stop()

	// Nothing to wait for.
	if code, log := refused(t, setup{command: "dev"}, t.TempDir()); code != exitFailed || !strings.Contains(log, "wrangler.jsonc") {
		t.Errorf("%d %s", code, log)
	}
	// And while it waits, it can be ended.
	q := launch(t, setup{command: "dev"}, program(t, map[string]string{"wrangler.jsonc": `{ "name": "d", "main": "index.ts" }`, "index.ts": "export default { fetch() {"}))
	q.printed("waiting for a change")
	q.signal(os.Interrupt)
	if code := q.exit(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
