import { DurableObject } from "cloudflare:workers";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

// The Worker: stateless code that every request enters through. It chooses a counter by name, from `?id=` or
// from the path, and hands the request on.
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const name = url.searchParams.get("id") ?? url.pathname;

    // Same name → same object, wherever the request comes in.
    const id = env.COUNTER.idFromName(name);
    return env.COUNTER.get(id).fetch(request);
  },
};

// One counter. Nothing else runs inside this object between `get` and `put`, so no count is lost; and the
// response leaves only when the new count is on disk.
export class Counter extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return new Response(`${count}\n`);
  }

  // Called by name: by Workers and other objects, and by clients of Redis (`everloop serve --resp`).
  async add(n: number): Promise<number> {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + n;
    await this.ctx.storage.put("count", count);
    return count;
  }
}
