package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// TestStaticAssets serves a project that has a page beside its program.
func TestStaticAssets(t *testing.T) {
	t.Parallel()
	p := serve(t, program(t, map[string]string{
		"wrangler.jsonc":    `{"name": "a", "main": "index.js", "assets": {"directory": "public", "run_worker_first": ["/api/*"]}}`,
		"index.js":          `export default { fetch(request) { return new Response("program " + new URL(request.url).pathname); } };`,
		"public/index.html": "<h1>home</h1>", "public/api/x": "file",
	}))
	for path, want := range map[string]string{"/": "<h1>home</h1>", "/index.html": "<h1>home</h1>", "/nothing": "program /nothing", "/api/x": "program /api/x"} {
		resp, err := p.client.Get("http://everloop" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || string(body) != want {
			t.Errorf("%s: %d %q %v", path, resp.StatusCode, body, err)
		}
	}
	p.stop()

	broken := launch(t, setup{}, program(t, map[string]string{
		"wrangler.jsonc": `{"name": "a", "main": "index.js", "assets": {"directory": "nowhere"}}`,
		"index.js":       `export default {};`,
	}))
	if code := broken.exit(); code != exitFailed || !strings.Contains(broken.log.String(), "nowhere") {
		t.Errorf("a folder that is not there: exit code %d\n%s", code, &broken.log)
	}
}

// TestAssetsBinding holds that a program reaches the project's files, from its Worker and from an object.
func TestAssetsBinding(t *testing.T) {
	t.Parallel()
	p := serve(t, program(t, map[string]string{
		"wrangler.jsonc": `{"name": "a", "main": "index.ts", "assets": {"directory": "public", "binding": "ASSETS", "run_worker_first": true, "not_found_handling": "404-page"},
			"durable_objects": {"bindings": [{"name": "C", "class_name": "C"}]}}`,
		"index.ts": `import { DurableObject } from "cloudflare:workers";
export class C extends DurableObject { async page(path: string) { return (await this.env.ASSETS.fetch("http://any" + path)).text(); } }
const attempt = async (f: () => unknown) => { try { return await f(); } catch (e) { return (e as Error).message; } };
export default { async fetch(request: Request, env: any) {
	const { pathname } = new URL(request.url);
	switch (pathname) {
	case "/object": return new Response("object " + await env.C.getByName("x").page("/page"));
	case "/methods": return new Response([
		(await env.ASSETS.fetch("http://x/page", { method: "POST" })).status, (await env.ASSETS.fetch("http://x/page", { method: "HEAD" })).status,
		(await env.ASSETS.fetch(new Request("http://x/page.html", { redirect: "manual" }))).status, await attempt(() => env.ASSETS.nope()),
	].join());
	}
	return env.ASSETS.fetch(request);
} };`,
		"public/page.html": "the page", "public/404.html": "nothing here", "public/_headers": "/page\n  X-From: headers\n", "public/_redirects": "/old /page 301\n",
	}))
	p.want("/object", 200, "object the page")
	p.want("/methods", 200, `405,200,307,The RPC receiver does not implement the method "nope".`)
	for _, tt := range []struct{ path, want string }{
		{"/page", "200 the page headers"}, {"/page.html", "200 the page headers"}, {"/old", "200 the page headers"}, {"/none", "404 nothing here "},
	} {
		resp, err := p.client.Get("http://everloop" + tt.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", string(body), " ", resp.Header.Get("X-From")); err != nil || got != tt.want {
			t.Errorf("%s: %s, want %s (%v)", tt.path, got, tt.want, err)
		}
	}
}
