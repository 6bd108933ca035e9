// The program that bench measures, on everloop (wrangler.jsonc) and on workerd (config.capnp): the same file. The path names
// the workload and ?id= the object; what counts is answered with the new count, so that lost and doubled ones are seen.
import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/hello") return new Response("hello\n");
    const stub = env.WORK.get(env.WORK.idFromName(url.searchParams.get("id")));
    if (url.pathname === "/room") return env.ROOM.get(env.ROOM.idFromName(url.searchParams.get("id"))).fetch(request);
    if (url.pathname === "/rpc") return new Response(`${await stub.increment()}\n`);
    return stub.fetch(request);
  },
};

export class Work extends DurableObject {
  count = 0;

  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/durable":
        return new Response(`${await this.increment()}\n`);
      case "/transaction":
        return new Response(`${await this.transaction()}\n`);
      case "/batch":
        return new Response(`${await this.batch()}\n`);
      case "/memory":
        return new Response(`${++this.count}\n`);
    }
    return new Response("no such workload\n", { status: 404 });
  }

  async increment() {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }

  transaction() {
    return this.ctx.storage.transaction(async (txn) => {
      const count = ((await txn.get("count")) ?? 0) + 1;
      await txn.put("count", count);
      return count;
    });
  }

  // Three keys are read at once and written at once. All have the same count, or one of them was lost.
  async batch() {
    const all = await this.ctx.storage.get(["a", "b", "c"]);
    const count = (all.get("a") ?? 0) + 1;
    if (all.size > 0 && (all.get("b") !== count - 1 || all.get("c") !== count - 1)) throw new Error("a batch was torn");
    await this.ctx.storage.put({ a: count, b: count, c: count });
    return count;
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
