package js_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitUntilEnds gives promises to waitUntil that settle late or never: they must keep neither an event of the Worker nor anything
// of an object that is gone.
func TestWaitUntilEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &conformanceFile{
			program: `
import { DurableObject } from "cloudflare:workers";
export class Thing extends DurableObject {
	never() { this.ctx.waitUntil(new Promise((resolve) => (this.resolve = resolve))); }
	end() { this.ctx.abort("enough"); }
}
`,
			cases: []conformanceCase{
				{code: "ctx.waitUntil(scheduler.wait(50_000)); return 1;"},
				{code: "ctx.waitUntil(scheduler.wait(100_000)); return 2;"},
				{code: `await env.Thing.getByName("x").never(); return 3;`},
				{code: `return attempt(() => env.Thing.getByName("x").end());`},
			},
		}
		v := serveVirtual(t, f, dir)
		defer v.close()
		expect := func(when string, events, promises int) {
			t.Helper()
			if e, p := v.app.Waiting(); e != events || p != promises {
				t.Errorf("%s: %d events and %d promises wait, want %d and %d\n%s", when, e, p, events, promises, v.logs)
			}
		}
		v.ask(0)
		v.ask(1)
		expect("at once", 2, 2)
		v.pass(29 * time.Second)
		expect("after 29 s", 2, 2)
		v.pass(2 * time.Second)
		expect("after 31 s", 0, 0)

		v.ask(2)
		expect("an object", 0, 1)
		if got := v.ask(3); got != "Error: enough" {
			t.Errorf("abort: %s", got)
		}
		expect("which is reset", 0, 0)
	})
}
