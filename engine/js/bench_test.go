package js_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
)

// loadDriver keeps a number of requests in flight on one loop.
type loadDriver struct {
	port  *engine.Port
	entry engine.Entrypoint
	urls  []string
	left  int
	next  int
	wg    sync.WaitGroup
	err   error
}

func (d *loadDriver) send() {
	d.next++
	d.port.Enter(d.entry, &engine.Request{Method: "GET", URL: d.urls[d.next%len(d.urls)], Header: engine.Header{{Name: "host", Value: "example.com"}}}, d)
}

func (d *loadDriver) Reply(r engine.Reply) {
	if r.Err != nil {
		d.err = r.Err
	}
	if d.left--; d.left >= 0 {
		d.send()
		return
	}
	d.wg.Done()
}

func benchmarkProject(b *testing.B, path string, urls []string) {
	v, err := tryServe(b, path, setup{opts: js.Options{}})
	if err != nil {
		b.Fatal(err)
	}
	d := &loadDriver{port: v.ports[0], entry: v.app.Entrypoint(), urls: urls, left: b.N}
	const inFlight = 64
	b.ReportAllocs()
	b.ResetTimer()
	d.wg.Add(inFlight)
	v.eng.Post(0, func() {
		for range inFlight {
			d.send()
		}
	})
	d.wg.Wait()
	if d.err != nil {
		b.Fatal(d.err)
	}
}

// BenchmarkCounter is a durable request from the Worker's fetch to the answer, without HTTP: the Worker's turns, the
// object's, and a share of an fsync.
func BenchmarkCounter(b *testing.B) {
	urls := make([]string, 1000)
	for i := range urls {
		urls[i] = fmt.Sprintf("http://example.com/?id=%d", i)
	}
	b.Run("1 object", func(b *testing.B) { benchmarkProject(b, "../../docs/examples/counter", urls[:1]) })
	b.Run("1000 objects", func(b *testing.B) { benchmarkProject(b, "../../docs/examples/counter", urls) })
}

const callProgram = `
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
	n = 0;
	increment() { return ++this.n; }
	fetch() { return new Response(String(++this.n)); }
	target() { return { inc: () => ++this.n }; }
}
export default { async fetch(request, env) {
	const stub = env.COUNTER.getByName("x");
	switch (new URL(request.url).pathname) {
	case "/fetch": return stub.fetch("http://x/");
	case "/call": return new Response(String(await stub.increment()));
	case "/pipeline": return new Response(String(await stub.target().inc()));
	}
} };
`

// BenchmarkCall compares a call by name with a fetch of the same object, in memory, and with two calls in one trip.
func BenchmarkCall(b *testing.B) {
	file := filepath.Join(b.TempDir(), "program.ts")
	if err := os.WriteFile(file, []byte(callProgram), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"fetch", "call", "pipeline"} {
		b.Run(path, func(b *testing.B) { benchmarkProject(b, file, []string{"http://example.com/" + path}) })
	}
}

const roomProgram = `
import { DurableObject } from "cloudflare:workers";
class State { constructor(storage) { this.storage = storage; this.topic = null; this.changed = false; } }
export class Room extends DurableObject {
	constructor(ctx, env) { super(ctx, env); this.members = new Map(); this.state = new State(ctx.storage); }
	fetch() { return new Response("here"); }
}
export default { fetch(request, env) { return env.ROOM.getByName(request.url).fetch(request); } };
`

// BenchmarkInstance is what a live instance costs: bytes in the JavaScript heaps and in Go's, and the longest collection of
// cycles, with 20,000 of them on one loop.
func BenchmarkInstance(b *testing.B) {
	file := filepath.Join(b.TempDir(), "program.js")
	if err := os.WriteFile(file, []byte(roomProgram), 0o600); err != nil {
		b.Fatal(err)
	}
	const first, n = 500, 20_000 // the first ones bring all runtimes into being
	for b.Loop() {
		v, err := tryServe(b, file, setup{opts: js.Options{}})
		if err != nil {
			b.Fatal(err)
		}
		touch := func(from, to int) (jsBytes, goBytes int64, longest time.Duration) {
			urls := make([]string, 0, to-from)
			for i := from; i < to; i++ {
				urls = append(urls, fmt.Sprintf("http://example.com/%d", i))
			}
			d := &loadDriver{port: v.ports[0], entry: v.app.Entrypoint(), urls: urls, left: len(urls)}
			d.wg.Add(1)
			v.eng.Post(0, d.send)
			d.wg.Wait()
			if d.err != nil {
				b.Fatal(d.err)
			}
			d.urls = nil
			jsBytes, longest, err = v.app.Heaps()
			if err != nil {
				b.Fatal(err)
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return jsBytes, int64(m.HeapAlloc), longest
		}
		js0, go0, _ := touch(0, first)
		js1, go1, longest := touch(first, first+n)
		b.ReportMetric(float64(js1-js0)/n, "js-B/instance")
		b.ReportMetric(float64(go1-go0)/n, "go-B/instance")
		b.ReportMetric(float64(longest.Microseconds()), "us/longest-collection")
		v.close()
	}
}
