package js_test

import (
	"strings"
	"testing"
	"time"
)

func TestWorkerThatHangs(t *testing.T) {
	v := serve(t, `
let release = [], pending = [];
const never = () => new Promise(() => {});
export class OBJECT { fetch() { return new Response("object"); } }
export default { async fetch(request, env, ctx) {
	const path = new URL(request.url).pathname;
	switch (path) {
	case "/never": return never();
	case "/after-a-timer": await scheduler.wait(1); return never();
	case "/after-a-call": await env.OBJECT.getByName("x").fetch(request); return never();
	case "/after-a-cleared-timer": clearTimeout(setTimeout(() => 0, 1e6)); return never();
	case "/with-waitUntil": ctx.waitUntil(never()); return never();
	case "/slow": await scheduler.wait(20); release.forEach((f) => f(new Response("released"))); return new Response("slow");
	case "/shared": return new Promise((f) => release.push(f));
	case "/waitUntil": ctx.waitUntil(never()); return new Response("answered");
	}
	return new Response("ok");
} };`, setup{})
	const hung = "error: Error: The Workers runtime canceled this request because it detected that your Worker's code had hung and would never generate a response. Refer to: https://developers.cloudflare.com/workers/observability/errors/"
	for _, path := range []string{"/never", "/after-a-timer", "/after-a-call", "/after-a-cleared-timer", "/with-waitUntil"} {
		if got := v.get(path); got != hung {
			t.Errorf("%s: %s", path, got)
		}
		if got := v.get("/"); got != "ok" {
			t.Errorf("after %s: %s", path, got)
		}
	}
	// A promise of the module, which another request will settle.
	slow := make(chan string)
	go func() { slow <- v.get("/slow") }()
	if got := v.get("/shared"); got != "released" && got != hung { // it may have come first, and was alone
		t.Errorf("a shared promise: %s", got)
	}
	if got := <-slow; got != "slow" {
		t.Error(got)
	}
	if got := v.get("/waitUntil"); got != "answered" {
		t.Error(got)
	}
	for !strings.Contains(v.logs.String(), "a promise given to waitUntil will never settle") {
		time.Sleep(time.Millisecond) // until the next turn of the loop
	}
}
