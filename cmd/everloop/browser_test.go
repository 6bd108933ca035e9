package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"everloop/cmd/testenv"
)

// TestErrorPageInBrowser holds that a real browser shows a failure as text, whatever is in it.
func TestErrorPageInBrowser(t *testing.T) {
	t.Parallel()
	chromium := testenv.Program(t, "chromium", "chromium-browser", "google-chrome")
	p, dir := develop(t, map[string]string{
		"wrangler.jsonc": `{ "name": "d", "main": "index.ts" }`,
		"index.ts": `export default { fetch() {
	throw new TypeError("</h1><script>document.title = 'hacked'</script>", { cause: new Error("<img src=x onerror=document.title='hacked'>") });
} };`,
	})
	show := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		out, err := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+t.TempDir(),
			"--dump-dom", "http://"+p.listen+"/").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	dom := show()
	for _, want := range []string{
		"<title>The program failed</title>", `<h1 id="message">TypeError: &lt;/h1&gt;&lt;script&gt;`, "&gt; 2 | ", "index.ts:2:", "Caused by: Error: &lt;img src=x",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("no %q in\n%s", want, dom)
		}
	}
	if strings.Contains(dom, "<img") || strings.Contains(dom, "<script") {
		t.Errorf("not all of it is text:\n%s", dom)
	}
	save(t, dir, "index.ts", "export default {")
	p.printed("goes on being served")
	if dom := show(); !strings.Contains(dom, "The program cannot be built") || !strings.Contains(dom, "index.ts:1:17") {
		t.Errorf("a program that cannot be built:\n%s", dom)
	}
}
