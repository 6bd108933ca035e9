package js_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"everloop/engine"
	"everloop/engine/js"
	"everloop/wal"
	"everloop/wal/waltest"
)

// writing is a program that writes in every way, and looks at what becomes of it in every way.
const writing = `
import { DurableObject } from "cloudflare:workers";
const writes = {
	put: (s) => s.put("n", 1),
	"put-options": (s) => s.put("n", 1, { allowConcurrency: true }),
	unconfirmed: (s) => s.put("n", 1, { allowUnconfirmed: true }),
	"put-many": (s) => s.put({ a: 1, b: 2 }),
	delete: (s) => s.delete("n"),
	"delete-many": (s) => s.delete(["a", "b"]),
	"delete-all": (s) => s.deleteAll(),
	"set-alarm": (s) => s.setAlarm(Date.now() + 1e9),
	"delete-alarm": (s) => s.deleteAlarm(),
	transaction: (s) => s.transaction(async (t) => { await t.put("n", 1); }),
	"transaction-alarm": (s) => s.transaction(async (t) => { await t.setAlarm(Date.now() + 1e9); }),
	"transaction-sync": async (s) => s.transactionSync(() => s.kv.put("n", 1)),
	"kv-put": async (s) => s.kv.put("n", 1),
	"kv-delete": async (s) => s.kv.delete("n"),
};
const uncaught = {
	loose(w) { w(); },
	then(w) { w().then(() => {}); },
	finally(w) { w().finally(() => {}); },
	async awaited(w) { await w(); },
	returned(w) { return w(); },
	all(w) { Promise.all([w(), 1]); },
	helper(w) { (async () => { await w(); })(); },
	wait(w, o) { o.ctx.waitUntil(w()); },
	rethrown(w) { w().catch((e) => { throw e; }); },
	// Somebody looks, but not before the turn has ended.
	async late(w, o) { const p = w(); await o.turn(); await p.catch(() => {}); },
};
const caught = {
	async try(w) { try { await w(); } catch {} },
	catch(w) { w().catch(() => {}); },
	rejected(w) { w().then(() => {}, () => {}); },
	async settled(w) { await Promise.allSettled([w()]); },
	// In the same turn, if not at once.
	async soon(w) { const p = w(); await null; await p.catch(() => {}); },
};
export class Thing extends DurableObject {
	served = 0;
	turn() { return new Promise((f) => setTimeout(f, 0)); }
	alarm() {}
	async fetch(request) {
		const [, name, what, how] = new URL(request.url).pathname.split("/");
		if (what === "served") return new Response(String(this.served));
		if (what === "put" && !how) { await this.ctx.storage.put("n", 1); return new Response("put"); }
		if (what === "heard") return new Response(String(this.served));
		if (what === "hear") { this.served++; return new Response("heard"); }
		this.served++;
		const s = this.ctx.storage;
		if (how === "timer") {
			setTimeout(() => { s.kv.put("n", 1); }, 0);
			return new Response("answered");
		}
		if (how === "micro") {
			queueMicrotask(() => { s.kv.put("n", 1); });
			return new Response("answered");
		}
		if (how === "caught-kv") {
			try { s.kv.put("n", 1); } catch (e) { return new Response("caught " + e.message); }
			return new Response("no exception");
		}
		const tell = () => this.env.Thing.getByName("other").fetch("http://x/other/hear").catch(() => {});
		if (how.startsWith("told-")) { tell(); how.slice(5) in uncaught ? uncaught[how.slice(5)](() => writes[what](s), this) : 0; tell(); return new Response("answered"); }
		await (uncaught[how] ?? caught[how])(() => writes[what](s), this);
		return new Response("answered");
	}
}
export class Room extends DurableObject {
	async fetch(request) {
		if (request.url.endsWith("/sockets")) return new Response(String(this.ctx.getWebSockets().length));
		const [client, server] = Object.values(new WebSocketPair());
		this.ctx.acceptWebSocket(server);
		return new Response(null, { status: 101, webSocket: client });
	}
	async webSocketMessage(ws, how) {
		ws.send("it is stored");
		await (uncaught[how] ?? caught[how])(() => this.ctx.storage.put("n", 1), { ctx: this.ctx, turn: Thing.prototype.turn });
		ws.send("it was stored");
	}
}
export class Dead extends DurableObject {
	constructor(ctx, env) { super(ctx, env); ctx.storage.put("born", 1); }
	fetch() { return new Response("answered"); }
}
export default {
	async fetch(request, env) {
		const name = new URL(request.url).pathname.split("/")[1];
		if (name === "asks") {
			// An entry point that does not look at what became of a call has written nothing.
			env.Thing.getByName("asked").fetch("http://x/asked/put/loose");
			return new Response("answered");
		}
		if (name === "room") return env.Room.getByName(new URL(request.url).pathname).fetch(request);
		return (name === "dead" ? env.Dead : env.Thing).getByName(name).fetch(request);
	},
};
`

var (
	writesOf   = strings.Fields("put put-options unconfirmed put-many delete delete-many delete-all set-alarm delete-alarm transaction transaction-alarm transaction-sync kv-put kv-delete")
	uncaughtBy = strings.Fields("loose then finally awaited returned all helper wait rethrown late")
	caughtBy   = strings.Fields("try catch rejected settled soon")
)

// behind reports whether a write comes behind the answer: the callback of storage.transaction() runs in a later turn, and nobody
// waits for it. It is then as with a timer: the answer has told of nothing.
func behind(what, by string) bool {
	return (what == "transaction" || what == "transaction-alarm") && !slices.Contains([]string{"awaited", "returned", "late"}, by)
}

// onMemory runs a program on a log in memory.
func onMemory(t *testing.T, source string) (*served, *waltest.MemLog) {
	t.Helper()
	var log *waltest.MemLog
	p, b := bundled(t, source)
	var err error
	v := &served{t: t, logs: new(logBuffer)}
	logger := slog.New(slog.NewTextHandler(v.logs, nil))
	v.eng, err = engine.Open(engine.Options{Logger: logger, IdleTimeout: time.Hour, OpenLog: func(_ int, durable func(wal.LSN, error)) (engine.Log, error) {
		log = waltest.NewMemLog(waltest.MemOptions{Auto: true, OnDurable: durable})
		return log, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := v.eng.Close(ctx); err != nil && !errors.Is(err, wal.ErrFailed) {
			t.Errorf("close: %v", err)
		}
		v.app.Close()
	})
	if v.app, err = js.Load(v.eng, p, b, js.Options{Logger: logger, CPULimit: 10 * time.Minute}); err != nil {
		t.Fatal(err)
	}
	v.ports = append(v.ports, v.eng.Port(v.eng.Pool().Loop(0)))
	return v, log
}

// refusals are the ways in which a log refuses, and what a client is told of each.
var refusals = []struct {
	name    string
	cause   error
	refuse  func(*served, *waltest.MemLog)
	passing bool
}{
	{"no space", engine.ErrNoSpace, func(_ *served, log *waltest.MemLog) { log.SetNoSpace(true) }, true},
	{"failed", engine.ErrUnavailable, func(v *served, log *waltest.MemLog) {
		log.FailWrite(errors.New("the disk is broken"))
		if _, err := v.do(0, &engine.Request{Method: "GET", URL: "http://example.com/breaks/put"}); !errors.Is(err, engine.ErrUnavailable) {
			v.t.Fatalf("the log has not failed: %v", err)
		}
	}, false},
}

// TestRefusedWritesThatNobodyCatches holds that no way of not looking at a refused write makes a client believe that something was
// stored, and that whoever looks may answer what he likes.
func TestRefusedWritesThatNobodyCatches(t *testing.T) {
	for _, how := range refusals {
		t.Run(how.name, func(t *testing.T) {
			v, log := onMemory(t, writing)
			for _, what := range writesOf {
				for _, by := range slices.Concat(uncaughtBy, caughtBy) {
					if got := v.get("/" + what + "-" + by + "/" + what + "/" + by); got != "answered" {
						t.Fatalf("%s %s on a log that is well: %s", what, by, got)
					}
				}
			}
			rooms := make(map[string]*client)
			for _, by := range slices.Concat(uncaughtBy, caughtBy) {
				rooms[by] = v.connect(0, "http://example.com/room/"+by, nil)
			}
			how.refuse(v, log)
			resets := v.eng.Metrics().Resets
			for _, what := range writesOf {
				for _, by := range uncaughtBy {
					name := "/new-" + what + "-" + by
					if behind(what, by) {
						if got := v.get(name + "/" + what + "/" + by); got != "answered" {
							t.Errorf("%s %s: %s", what, by, got)
						}
						v.eventually("the reset of "+name, func() bool { return v.get(name+"/served") == "0" })
						continue
					}
					e := v.fail(name + "/" + what + "/" + by)
					if !errors.Is(e, how.cause) || !e.Reset || e.Retryable || e.Class != "Thing" || len(e.Object) != 64 {
						t.Errorf("%s %s: %s: %v, reset %v, retryable %v", what, by, e.Where(), e, e.Reset, e.Retryable)
					}
					if got := v.get(name + "/served"); got != "0" {
						t.Errorf("%s %s: the instance that wrote is still there, and has served %s", what, by, got)
					}
				}
				for _, by := range caughtBy {
					name := "/new-" + what + "-" + by
					if got := v.get(name + "/" + what + "/" + by); got != "answered" {
						t.Errorf("%s %s: %s", what, by, got)
					}
					if got := v.get(name + "/served"); got != "1" {
						t.Errorf("%s %s: the instance was reset, and has served %s", what, by, got)
					}
				}
			}
			if got, want := v.eng.Metrics().Resets-resets, int64(len(writesOf)*len(uncaughtBy)); got != want {
				t.Errorf("%d resets, want %d", got, want)
			}
			t.Logf("%d ways that are not caught, %d that are", len(writesOf)*len(uncaughtBy), len(writesOf)*len(caughtBy))

			if got := v.get("/kv/x/caught-kv"); !strings.HasPrefix(got, "caught engine: ") {
				t.Error(got)
			}
			if e := v.fail("/micro/x/micro"); !errors.Is(e, how.cause) || !e.Reset {
				t.Errorf("a microtask: %v, reset %v", e, e.Reset)
			}
			// What has left before is not to be called back. The instance goes all the same.
			if got := v.get("/timer/x/timer"); got != "answered" {
				t.Error(got)
			}
			v.eventually("the reset", func() bool { return v.get("/timer/served") == "0" })
			if e := v.fail("/dead"); !errors.Is(e, how.cause) || !e.Reset {
				t.Errorf("a constructor: %v, reset %v", e, e.Reset)
			}
			if got := v.get("/asks"); got != "answered" {
				t.Errorf("a Worker that has written nothing: %s", got)
			}
			// Frames, before the write and behind it. The client sees its connection break.
			for _, by := range uncaughtBy {
				room := rooms[by]
				if got := v.say(0, room, by, 1); len(got) > 0 {
					t.Errorf("%s: the client was sent %q", by, got)
				}
				if got := v.get("/room/" + by + "/sockets"); got != "0" {
					t.Errorf("%s: the object has %s sockets", by, got)
				}
			}
			for _, by := range caughtBy {
				if got := v.say(0, rooms[by], by, 2); len(got) != 2 {
					t.Errorf("%s: the client was sent %q", by, got)
				}
			}
			// What the turn has sent to others, before the write and behind it.
			v.fail("/tells/put/told-loose")
			if got := v.get("/other/heard"); got != "0" {
				t.Errorf("another object has heard %s times of a write that was refused", got)
			}
			if how.passing {
				log.SetNoSpace(false)
				if got := v.get("/tells/put/told-loose"); got != "answered" {
					t.Error(got)
				}
				if got := v.get("/other/heard"); got != "2" {
					t.Errorf("another object has heard %s times of a write that was taken", got)
				}
			}
		})
	}
}
