package js_test

import (
	"sync"
	"testing"

	"everloop/engine"
)

// client is a transport of the test's: it holds one end of a WebSocket on its port's loop, and counts and keeps what it is told. Owned by
// that loop.
type client struct {
	ws     *engine.WebSocket
	keep   bool
	got    []string
	n      int
	told   func(*client) // after each message
	closed bool
	code   int
	reason string
	clean  bool
	failed error
}

func (c *client) Message(m *engine.Message) {
	c.n++
	if c.keep {
		c.got = append(c.got, string(m.Data))
	}
	if c.told != nil {
		c.told(c)
	}
}

func (c *client) Closed(code int, reason string, clean bool) {
	c.closed, c.code, c.reason, c.clean = true, code, reason, clean
}
func (c *client) Failed(err error) { c.failed = err }

func upgrade(url string) *engine.Request {
	return &engine.Request{Method: "GET", URL: url, Header: engine.Header{{Name: "upgrade", Value: "websocket"}}}
}

// connect opens a WebSocket through the Worker, on a loop.
func (v *served) connect(loop int, url string, c *client) *client {
	v.t.Helper()
	if c == nil {
		c = &client{keep: true}
	}
	done := make(chan error, 1)
	port := v.ports[loop]
	v.eng.Post(loop, func() {
		port.Enter(v.app.Entrypoint(), upgrade(url), engine.ReplyFunc(func(r engine.Reply) {
			if r.Err == nil && r.Response.WebSocket != nil {
				c.ws = r.Response.WebSocket
				r.Err = port.HoldWebSocket(c.ws, c)
			}
			done <- r.Err
		}))
	})
	if err := <-done; err != nil {
		v.t.Fatal(err)
	}
	if c.ws == nil {
		v.t.Fatalf("%s: no WebSocket in the response", url)
	}
	return c
}

// on runs f on a loop and waits for it.
func (v *served) on(loop int, f func()) {
	done := make(chan struct{})
	v.eng.Post(loop, func() { defer close(done); f() })
	<-done
}

const socketProgram = `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
	fetch(request) {
		const [client, server] = Object.values(new WebSocketPair());
		this.ctx.acceptWebSocket(server);
		return new Response(null, { status: 101, webSocket: client });
	}
	webSocketMessage(ws, message) {
		switch (message) {
		case "loop": for (const w of this.ctx.getWebSockets()) w.send(message); break;
		case "json": for (const w of this.ctx.getWebSockets()) w.send(JSON.stringify({ type: message, text: "hello, everybody" })); break;
		case "list": this.ctx.getWebSockets(); ws.send(message); break;
		case "broadcast": this.ctx.broadcast(message); break;
		default: ws.send(message);
		}
	}
	call() { return 1; }
}
export class Later extends Room { async webSocketMessage(ws, message) { ws.send(message); } }
export default { async fetch(request, env) { const url = new URL(request.url); const s = env[url.pathname.slice(1)].getByName("x"); return url.search === "?call" ? new Response(String(await s.call())) : s.fetch(request); } };
`

// BenchmarkWebSocket is what messages cost without a protocol: "echo" from a client to the object's handler and back, with a handler
// that is async as well; and "loop", "json" and "broadcast" to 1,000 clients, a message each. "list" is getWebSockets with as many.
func BenchmarkWebSocket(b *testing.B) {
	bench := func(b *testing.B, class, say string, sockets, saying, each int) {
		v := serve(b, socketProgram, setup{})
		var left, wg = 0, sync.WaitGroup{}
		m := engine.TextMessage(say)
		clients := make([]*client, sockets)
		for i := range clients {
			clients[i] = v.connect(0, "http://example.com/"+class, &client{told: func(c *client) {
				left--
				switch {
				case left < 0:
				case left == 0:
					wg.Done()
				case each == 1 || left%each == 0:
					_ = c.ws.Send(m)
				}
			}})
		}
		b.ReportAllocs()
		b.ResetTimer()
		wg.Add(1)
		v.on(0, func() {
			left = max(b.N, each*saying) / each * each
			for _, c := range clients[:saying] {
				_ = c.ws.Send(m)
			}
		})
		wg.Wait()
	}
	b.Run("echo", func(b *testing.B) { bench(b, "Room", "echo", 64, 64, 1) })
	b.Run("echo async", func(b *testing.B) { bench(b, "Later", "echo", 64, 64, 1) })
	b.Run("loop", func(b *testing.B) { bench(b, "Room", "loop", 1000, 1, 1000) })
	b.Run("json", func(b *testing.B) { bench(b, "Room", "json", 1000, 1, 1000) })
	b.Run("broadcast", func(b *testing.B) { bench(b, "Room", "broadcast", 1000, 1, 1000) })
	b.Run("list", func(b *testing.B) { bench(b, "Room", "list", 1000, 1, 1) })
}
