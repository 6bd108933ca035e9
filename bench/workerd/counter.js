// docs/examples/counter/src/index.ts without its types: workerd takes JavaScript.
import { DurableObject } from "cloudflare:workers";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = url.searchParams.get("id") ?? url.pathname;
    const id = env.COUNTER.idFromName(name);
    return env.COUNTER.get(id).fetch(request);
  },
};

export class Counter extends DurableObject {
  async fetch(request) {
    const count = ((await this.ctx.storage.get("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return new Response(`${count}\n`);
  }
}
