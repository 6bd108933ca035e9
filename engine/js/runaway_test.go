package js_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

const runaway = `
export class OBJECT {
	constructor(state) { this.state = state; this.n = 0; }
	async fetch(request) {
		const q = new URL(request.url).searchParams.get("case");
		const n = ((await this.state.storage.get("n")) ?? 0) + 1;
		await this.state.storage.put("n", n);
		switch (q) {
		case "loop": while (true) {}
		case "microtasks": { const again = () => { Promise.resolve().then(again); }; again(); await new Promise(() => {}); }
		case "regex": return new Response(String(/^(a+)+$/.test("a".repeat(40) + "b")));
		case "push": { const a = []; while (true) a.push({ a: 1 }); }
		case "string": { let s = "x"; while (true) s += s; }
		case "buffers": { const a = []; while (true) a.push(new Uint8Array(1 << 20)); }
		case "map": { const m = new Map(); for (let i = 0; ; i++) m.set(i, "v" + i); }
		case "closures": { let f = () => 0; while (true) { const g = f; f = () => g; } }
		case "catch": while (true) { try { const a = []; while (true) a.push("x".repeat(1000) + a.length); } catch {} }
		}
		return new Response(String(n));
	}
}`

func TestRunawayCodeIsInterrupted(t *testing.T) {
	// The chain of microtasks grows until it is cut off: on a fast machine beyond the usual memory limit, which is not
	// what is tested here.
	v := serve(t, program(runaway), setup{opts: js.Options{CPULimit: 500 * time.Millisecond, MemoryLimit: 512 << 20}})
	for _, name := range []string{"loop", "microtasks", "regex"} {
		// Others wait on the same loop, and are served afterwards.
		others := make(chan string, 4)
		go func() {
			for range cap(others) {
				others <- v.get("/other" + name)
			}
		}()
		_, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/" + name + "?case=" + name})
		var e *engine.Error
		if !errors.As(err, &e) || !e.Overloaded || !e.Reset || !strings.Contains(e.Message, "CPU time limit") {
			t.Errorf("%s: %v", name, err)
		}
		for want := range cap(others) {
			if got := <-others; got != string(rune('1'+want)) {
				t.Errorf("%s: another object answered %s", name, got)
			}
		}
		// What the cut-off turn wrote is gone; the object is built again.
		if got := v.get("/" + name); got != "1" {
			t.Errorf("%s: the object goes on with %s", name, got)
		}
	}
}

func TestAllocationBomb(t *testing.T) {
	v := serve(t, program(runaway), setup{opts: js.Options{MemoryLimit: 24 << 20, Runtimes: 2}})
	for _, name := range []string{"push", "string", "buffers", "map", "closures", "catch"} {
		if got := v.get("/" + name); got != "1" {
			t.Fatalf("%s: before: %s\n%s", name, got, v.logs)
		}
		_, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/" + name + "?case=" + name})
		if err == nil {
			t.Errorf("%s: the bomb was answered", name)
		}
		want := "2" // what the lost turn wrote is gone
		if name == "string" {
			want = "3" // a string beyond the engine's longest is an exception like any other
		}
		if got := v.get("/" + name); got != want {
			t.Errorf("%s: after: %s; the error was %v", name, got, err)
		}
	}
}

func TestWorkerRunaway(t *testing.T) {
	v := serve(t, `export default { async fetch(request) {
		if (request.url.endsWith("loop")) while (true) {}
		if (request.url.endsWith("bomb")) { const a = []; while (true) a.push({}); }
		return new Response("ok");
	} }`, setup{opts: js.Options{CPULimit: time.Second, MemoryLimit: 24 << 20}})
	for range 3 {
		if got := v.get("/loop"); !strings.Contains(got, "exceeded CPU time limit") {
			t.Errorf("loop: %s", got)
		}
		// On a busy machine its time may be over first.
		if got := v.get("/bomb"); !strings.Contains(got, "memory limit") && !strings.Contains(got, "CPU time limit") {
			t.Errorf("bomb: %s", got)
		}
		if got := v.get("/"); got != "ok" {
			t.Errorf("afterwards: %s", got)
		}
	}
}
