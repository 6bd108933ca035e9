package main

import (
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
