// The program that bench measures, on everloop (wrangler.jsonc) and on workerd (config.capnp): the same file. The path names
// the workload and ?id= the object; what counts is answered with the new count, so that lost and doubled ones are seen.
import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/hello") return new Response("hello\n");
    const name = url.searchParams.get("id");
    switch (url.pathname) {
      case "/durable":
        return env.COUNTER.get(env.COUNTER.idFromName(name)).fetch(request);
      case "/rpc":
        return new Response(`${await env.COUNTER.get(env.COUNTER.idFromName(name)).increment()}\n`);
      case "/transaction":
        return env.ACCOUNT.get(env.ACCOUNT.idFromName(name)).fetch(request);
      case "/batch":
        return env.RECORD.get(env.RECORD.idFromName(name)).fetch(request);
      case "/memory":
        return env.VISITS.get(env.VISITS.idFromName(name)).fetch(request);
      case "/room":
        return env.ROOM.get(env.ROOM.idFromName(name)).fetch(request);
      case "/loop":
        return env.LOOP.get(env.LOOP.idFromName(name)).fetch(request);
      case "/broadcast":
        return env.BROADCAST.get(env.BROADCAST.idFromName(name)).fetch(request);
      case "/echo":
        return env.ECHO.get(env.ECHO.idFromName(name)).fetch(request);
      case "/arm":
      case "/rung":
        return env.BELL.get(env.BELL.idFromName(name)).fetch(request);
    }
    return new Response("no such workload\n", { status: 404 });
  },
};

export class Counter extends DurableObject {
  async fetch(request) {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return new Response(`${count}\n`);
  }

  async increment() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }
}

export class Account extends DurableObject {
  async fetch(request) {
    const count = await this.ctx.storage.transaction(async (txn) => {
      const count = ((await txn.get("count")) ?? 0) + 1;
      await txn.put("count", count);
      return count;
    });
    return new Response(`${count}\n`);
  }
}

// Three keys are read at once and written at once. All have the same count, or one of them was lost.
export class Record extends DurableObject {
  async fetch(request) {
    const all = await this.ctx.storage.get(["a", "b", "c"]);
    const count = (all.get("a") ?? 0) + 1;
    if (all.size > 0 && (all.get("b") !== count - 1 || all.get("c") !== count - 1)) throw new Error("a batch was torn");
    await this.ctx.storage.put({ a: count, b: count, c: count });
    return new Response(`${count}\n`);
  }
}

export class Visits extends DurableObject {
  count = 0;

  async fetch(request) {
    return new Response(`${++this.count}\n`);
  }
}

// A room as programs have it: a Map of who is in it, and a wrapper around what is kept of it. It shows what a live instance
// costs.
class RoomState {
  constructor(storage) {
    this.storage = storage;
    this.topic = null;
    this.changed = false;
  }
}

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.members = new Map();
    this.state = new RoomState(ctx.storage);
  }

  async fetch() {
    this.members.set("visitor", 1);
    return new Response("here\n");
  }
}

// Sockets takes every WebSocket, hibernatably.
class Sockets extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
}

// What one socket says is sent to all, as every program does it.
export class Loop extends Sockets {
  webSocketMessage(ws, message) {
    for (const socket of this.ctx.getWebSockets()) socket.send(message);
  }
}

// The same by the host, which only everloop has.
export class Broadcast extends Sockets {
  webSocketMessage(ws, message) {
    this.ctx.broadcast(message);
  }
}

export class Echo extends Sockets {
  webSocketMessage(ws, message) {
    ws.send(message);
  }
}

// A bell rings at ?at=, and says in JSON when it was due and when it has rung, in milliseconds since 1970. An object that was woken by its
// alarm may be put to sleep at once, so what is to be asked later is kept beside the objects.
const rung = new Map();

export class Bell extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/rung") return Response.json(this.rung());
    await this.arm(Number(url.searchParams.get("at")));
    return new Response("armed\n");
  }

  async arm(at) {
    await this.ctx.storage.setAlarm(at);
  }

  rung() {
    return rung.get(this.ctx.id.toString()) ?? { scheduled: null, ran: [] };
  }

  alarm({ scheduledTime }) {
    const { ran } = this.rung();
    rung.set(this.ctx.id.toString(), { scheduled: Number(scheduledTime), ran: [...ran, Date.now()] });
  }
}
