package js_test

import (
	"strings"
	"testing"
)

func TestUnhandledRejectionEvents(t *testing.T) {
	v := serve(t, `
const seen = [];
addEventListener("unhandledrejection", (e) => {
	seen.push([e.type, e.reason?.message ?? e.reason, e.promise instanceof Promise, e.cancelable].join());
	if (e.reason === "quiet") e.preventDefault();
	if (e.reason === "again") Promise.reject("and again");
	if (e.reason === "throw") throw new Error("in the listener");
});
export default { async fetch(request) {
	const path = new URL(request.url).pathname.slice(1);
	if (path === "seen") return new Response(seen.splice(0).join("; "));
	if (path === "caught-later") { const p = Promise.reject("late"); queueMicrotask(() => p.catch(() => {})); }
	else Promise.reject(path === "error" ? new Error("an error") : path);
	return new Response("ok");
} };`, setup{})
	for _, c := range []struct{ path, seen, logged string }{
		{"error", "unhandledrejection,an error,true,true", "Error: an error"},
		{"quiet", "unhandledrejection,quiet,true,true", ""},
		{"again", "unhandledrejection,again,true,true; unhandledrejection,and again,true,true", "and again"},
		{"throw", "unhandledrejection,throw,true,true", "in the listener"},
		{"caught-later", "", ""},
	} {
		before := len(v.logs.String())
		if got := v.get("/" + c.path); got != "ok" {
			t.Errorf("%s: %s", c.path, got)
		}
		if got := v.get("/seen"); got != c.seen {
			t.Errorf("%s was seen as %q, want %q", c.path, got, c.seen)
		}
		logged := v.logs.String()[before:]
		if c.logged == "" && strings.Contains(logged, "rejected") || !strings.Contains(logged, c.logged) {
			t.Errorf("%s: the log has %q", c.path, logged)
		}
	}
}
