// A program that does everything wrong, on request: GET /OBJECT/WHAT. What it is asked for is a method of `wrong`
// (inside the object OBJECT), or of `worker` (before any object is reached).
import { DurableObject } from "cloudflare:workers";
import { wrong } from "./wrong";

interface Env {
  SUBJECT: DurableObjectNamespace;
  OTHER: DurableObjectNamespace;
}

const worker: Record<string, (env: Env, name: string) => unknown> = {
  "worker-throw": () => {
    throw new TypeError("the worker is broken: secret-7");
  },
  "worker-spin": () => {
    for (;;);
  },
  "bad-hex": (env) => env.SUBJECT.idFromString("xyz"),
  "short-hex": (env) => env.SUBJECT.idFromString("ab".repeat(31)),
  "foreign-id": (env) => env.SUBJECT.idFromString(env.OTHER.idFromName("a").toString()),
  "foreign-get": (env) => env.SUBJECT.get(env.OTHER.idFromName("a")),
  "unknown-binding": (env) => (env as any).NOTHING.idFromName("a"),
  "relative-url": (env) => env.SUBJECT.getByName("a").fetch("/x"),
  "no-fetch": (env) => env.OTHER.getByName("a").fetch("http://o/"),
  id: (env, name) => env.SUBJECT.idFromName(name).toString(),
};

// Who asks with ?caught sees the error as the program does.
async function shown(caught: boolean, what: () => unknown): Promise<Response> {
  if (!caught) return new Response(String(await what()));
  try {
    return new Response(String(await what()));
  } catch (e: any) {
    const flags = ["remote", "retryable", "overloaded", "durableObjectReset"].filter((name) => e[name]);
    return new Response([`${e.name}: ${e.message}`, ...flags].join(" | "));
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> | Response {
    const url = new URL(request.url);
    const [, name, what] = url.pathname.split("/");
    const caught = url.searchParams.has("caught");
    if (worker[what]) return shown(caught, () => worker[what](env, name));
    const stub = env.SUBJECT.getByName(name);
    if (url.searchParams.has("caller")) return shown(true, async () => (await stub.fetch(request)).text());
    return stub.fetch(request);
  },
};

export class Subject extends DurableObject {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const what = url.pathname.split("/")[2];
    const storage = this.ctx.storage;
    if (what === "read") return new Response(`${(await storage.get<number>("count")) ?? 0}`);
    if (what === "count") {
      const count = ((await storage.get<number>("count")) ?? 0) + 1;
      await storage.put("count", count);
      return new Response(`${count}`);
    }
    if (what === "fill") {
      // A value of its own, so that the log grows by as much.
      await storage.put(`fill-${(await storage.list({ prefix: "fill-" })).size}`, "x".repeat(1 << 20));
      return new Response("filled");
    }
    if (wrong[what] === undefined) return new Response("no such thing", { status: 404 });
    return shown(url.searchParams.has("caught"), () => wrong[what](storage));
  }

  alarm(): void {}
}

// No fetch handler.
export class Other extends DurableObject {}
