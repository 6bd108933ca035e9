package main

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"sync"
	"testing"
	"time"

	"everloop/engine/value"
	"everloop/proto/client"
)

// things is a program whose objects a client in Go calls.
const things = `import { DurableObject } from "cloudflare:workers";
export class Things extends DurableObject {
  echo(...args: any[]) { return args; }
  kinds() {
    return { map: new Map<any, any>([[1, "one"]]), set: new Set(["a"]), date: new Date(1000), big: 2n ** 70n, bytes: new Uint8Array([1, 2]), none: undefined, re: /x/g };
  }
  sum(a: Uint8Array) { return a.reduce((x, y) => x + y, 0); }
  fail(text: string) { throw new RangeError(text); }
  async add(n: number) {
    const sum = ((await this.ctx.storage.get<number>("n")) ?? 0) + n;
    await this.ctx.storage.put("n", sum);
    return sum;
  }
  fetch() {
    const { 0: theirs, 1: ours } = new WebSocketPair();
    this.ctx.acceptWebSocket(ours);
    return new Response(null, { status: 101, webSocket: theirs });
  }
  webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    for (const member of this.ctx.getWebSockets()) member.send(message);
  }
  webSocketClose(ws: WebSocket, code: number, reason: string) { ws.close(code, reason); }
}
export default { fetch(request: Request, env: any) { return env.THINGS.getByName(new URL(request.url).pathname.slice(1)).fetch(request); } };`

// TestGoClient calls objects in TypeScript from Go: values of every kind keep what they are, failures their class, and rooms take members of both
// protocols.
func TestGoClient(t *testing.T) {
	t.Parallel()
	const password = "a-password-of-24-characters"
	dir := program(t, map[string]string{"things.ts": things})
	p := serveAs(t, setup{env: []string{"EVERLOOP_RESP_PASSWORD=" + password}}, dir+"/things.ts", "--resp", "127.0.0.1:0")
	c, err := client.New(client.Options{Address: p.reported(`resp on +(\S+)`), Password: password, HTTP: "http://" + p.listen})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer func() {
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	o := c.Class("Things").Get("a")

	at := time.UnixMilli(1764000000123).UTC()
	args := []any{int64(1), 1.5, "text", nil, []byte{0, 255}, at, value.Set{"x"}, map[string]any{"a": []any{true}}}
	if got, err := client.Call[any](ctx, o, "echo", args...); err != nil || !reflect.DeepEqual(got, any(args)) {
		t.Errorf("echo: %v, %v", got, err)
	}
	kinds, err := client.Call[any](ctx, o, "kinds")
	want := map[string]any{
		"map": value.Map{{Key: int64(1), Value: "one"}}, "set": value.Set{"a"}, "date": time.Unix(1, 0).UTC(),
		"big": new(big.Int).Lsh(big.NewInt(1), 70), "bytes": []byte{1, 2}, "none": value.Undefined{}, "re": value.RegExp{Source: "x", Flags: "g"},
	}
	if err != nil || !reflect.DeepEqual(kinds, any(want)) {
		t.Errorf("kinds: %v, %v", kinds, err)
	}
	if b, err := o.CallBytes(ctx, "sum", []byte{1, 2, 3}); err != nil || string(b) != "6" {
		t.Errorf("sum: %q, %v", b, err)
	}
	e, ok := errors.AsType[*client.Error](o.Call(ctx, "fail", nil, "too far"))
	if !ok || e.Code != "THROWN" || e.Name != "RangeError" || e.Message != "too far" || !e.Remote {
		t.Errorf("fail: %+v", e)
	}
	if err := o.Call(ctx, "webSocketMessage", nil); !errors.Is(err, client.ErrUnknownMethod) {
		t.Error("a handler was called:", err)
	}

	room, err := o.Join(ctx)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := c.WebSocket(ctx, "/a", client.SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []client.Room{room, socket} {
		if err := r.Send(ctx, client.Text("hello")); err != nil {
			t.Fatal(err)
		}
		for _, member := range []client.Room{room, socket} {
			if m, err := member.Receive(ctx); err != nil || !m.Text || string(m.Data) != "hello" {
				t.Errorf("%q, %v", m.Data, err)
			}
		}
	}
	if err := errors.Join(socket.Close(4001, "enough"), room.Close(1000, "")); err != nil {
		t.Error(err)
	}
}

// TestGoClientAndKill kills the daemon while many add: what was answered is there when it has come back, what was perhaps run may be, and the client
// goes on by itself.
func TestGoClientAndKill(t *testing.T) {
	t.Parallel()
	dir := program(t, map[string]string{"things.ts": things})
	path := t.TempDir() + "/resp"
	start := func() *process { return serve(t, dir+"/things.ts", "--resp", "unix:"+path) }
	p := start()
	c, err := client.New(client.Options{Address: "unix:" + path, Attempts: 1000}) // it waits until the daemon is back
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var done, perhaps, before int
	killed := false
	for g := range 8 {
		o := c.Class("Things").Get(fmt.Sprint(g % 3))
		wg.Go(func() {
			for after := 0; after < 20; {
				err := o.Call(ctx, "add", nil, 1)
				mu.Lock()
				switch {
				case err == nil:
					done++
				case errors.Is(err, client.ErrMaybeDone):
					perhaps++
				default:
					t.Error(err)
				}
				if killed {
					after++
				} else {
					before = done
				}
				mu.Unlock()
				if ctx.Err() != nil {
					return
				}
			}
		})
	}
	waitFor(t, "calls", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return before > 100
	})
	p.kill()
	mu.Lock()
	killed = true
	mu.Unlock()
	start()
	wg.Wait()
	sum := 0
	for g := range 3 {
		n, err := client.Call[int](ctx, c.Class("Things").Get(fmt.Sprint(g)), "add", 0)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum < done || sum > done+perhaps {
		t.Errorf("%d were answered, %d were perhaps run, and %d are there", done, perhaps, sum)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}
