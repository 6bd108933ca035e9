// A program whose objects hold a value of every kind, and that says what they hold: the same under workerd, before, and under everloop, after.
import { DurableObject } from "cloudflare:workers";

function values() {
  const twice = { n: 1 }, cycle = { list: [] }, buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
  cycle.list.push(cycle, cycle.list);
  const sparse = [];
  sparse[3] = "three";
  sparse[100] = "far";
  const named = Object.assign([1, 2], { name: "x" });
  const error = Object.assign(new TypeError("no", { cause: { why: [1] } }), { code: 7 });
  return {
    undefined: { x: undefined }, null: null, true: true, false: false, zero: 0, minusZero: -0, one: 1, minus: -12345, half: 0.5, third: 1 / 3, nan: NaN, infinity: -Infinity,
    safe: Number.MAX_SAFE_INTEGER, unsafe: 2 ** 60, uint32: 2 ** 32 - 1, big: 3n ** 100n, bigMinus: -(2n ** 64n), bigZero: 0n,
    text: "hello", latin: "grüß dich", two: "日本語", astral: "😀", lone: "a\ud800", long: "é".repeat(50000), longer: "日".repeat(50000), empty: "",
    date: new Date(1795500000123), dateOld: new Date(-1), dateBad: new Date(NaN),
    object: { b: 1, a: { c: null }, 7: "seven", "日": 1, $set: [1] }, proto: JSON.parse('{"__proto__":1}'), array: [1, "two", [3, undefined]], holes: [1, , 3], sparse, named,
    map: new Map([[1, "one"], [{ k: 1 }, new Set([1])], ["m", new Map()]]), set: new Set(["a", 1, undefined, NaN]), regexp: /a+[ü日]/giu,
    boxed: [new Number(3), new Boolean(false), new String("s"), Object(12n)], error, errors: [new RangeError("r"), new Error(""), new SyntaxError("s")],
    twice: [twice, twice], cycle, buffer: new Uint8Array([1, 2, 3]).buffer, u8: new Uint8Array([1, 2, 3]),
    views: [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array].map((c) => new c([1, 2, 100])),
    bigs: [new BigInt64Array([-1n]), new BigUint64Array([2n ** 63n])], sameBuffer: [new Uint8Array(buffer, 1, 3), new Uint16Array(buffer, 2, 2), new DataView(buffer, 4), buffer],
    deep: Array.from({ length: 100 }).reduce((x) => [x], "bottom"), instance: new (class Point { x = 1; y = 2; })(), many: Array.from({ length: 3000 }, (_, i) => ({ i, s: "item " + i })),
    headers: new Headers([["Content-Type", "text/plain"], ["X-Own", "a"], ["X-Own", "b"]]),
  };
}

// say describes a value, with what is shared and where its cycles are.
function say(v, met = new Map()) {
  if (typeof v === "bigint") return v + "n";
  if (typeof v === "string") return v.length > 1000 ? `text of ${v.length} that begins with ${v.slice(0, 10)}` : JSON.stringify(v);
  if (Object.is(v, -0)) return "-0";
  if (typeof v !== "object" || v === null) return String(v);
  if (met.has(v)) return `#${met.get(v)}`;
  met.set(v, met.size);
  // workerd makes the cause of an error that it reads enumerable, which it was not.
  const own = (names = Object.keys(v)) => names.map((k) => `${JSON.stringify(k)}: ${say(v[k], met)}`).join(", ");
  if (v instanceof Date) return `Date ${v.getTime()}`;
  if (v instanceof RegExp) return `RegExp ${v.source} ${v.flags} ${v.lastIndex}`;
  if (v instanceof Map) return `Map {${[...v].map(([k, x]) => `${say(k, met)} => ${say(x, met)}`).join(", ")}}`;
  if (v instanceof Set) return `Set {${[...v].map((x) => say(x, met)).join(", ")}}`;
  if (v instanceof Headers) return `Headers ${JSON.stringify([...v])}`;
  if (v instanceof Error) return `${Object.getPrototypeOf(v).constructor.name} ${v.name} ${JSON.stringify(v.message)} ${Object.hasOwn(v, "cause") ? say(v.cause, met) : "-"} {${own(Object.keys(v).filter((k) => k !== "cause"))}}`;
  if (v instanceof ArrayBuffer) return `ArrayBuffer ${[...new Uint8Array(v)]}`;
  if (v instanceof DataView) return `DataView at ${v.byteOffset} of ${v.byteLength}, ${say(v.buffer, met)}`;
  if (ArrayBuffer.isView(v)) return `${v.constructor.name} ${[...v]} at ${v.byteOffset}, ${say(v.buffer, met)}`;
  for (const c of [Number, Boolean, String, BigInt]) if (v instanceof c) return `new ${c.name} ${say(v.valueOf(), met)}`;
  if (Array.isArray(v)) return `Array ${v.length} [${own()}]`;
  return `${v.constructor?.name ?? "null"} {${own()}}`;
}

export class Shelf extends DurableObject {
  async fetch(request) {
    const { storage } = this.ctx;
    const path = new URL(request.url).pathname.split("/");
    switch (path[2]) {
      case "store":
        for (const [k, v] of Object.entries(values())) {
          try {
            await storage.put(k, v);
          } catch (err) {
            return new Response(`${k}: ${err}`, { status: 500 });
          }
        }
        await storage.put("keys", Object.keys(values()));
        await storage.setAlarm(4000000000123);
        await storage.put("ключ 日", 1);
        await storage.delete("gone");
        return new Response("stored");
      case "read":
        return new Response(say(await storage.get(decodeURIComponent(path[3]))));
      case "list":
        return new Response(say([...(await storage.list()).keys()]));
      case "alarm":
        return new Response(say(await storage.getAlarm()));
    }
  }
  alarm() {}
}

export class Counter extends DurableObject {
  async add(n) {
    const sum = ((await this.ctx.storage.get("n")) ?? 0) + n;
    await this.ctx.storage.put("n", sum);
    return sum;
  }
  async ring(at) {
    await this.ctx.storage.setAlarm(at);
    return this.ctx.id.name;
  }
  alarm() {}
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url), [, first, second, third] = url.pathname.split("/");
    if (first === "shelf") return env.SHELF.get(env.SHELF.idFromName("the shelf")).fetch(request);
    if (first === "rare") return env.COUNTER.get(env.COUNTER.idFromName("rare")).ring(Number(second)).then((x) => new Response(String(x)));
    if (first === "unique") {
      const id = second ? env.COUNTER.idFromString(second) : env.COUNTER.newUniqueId();
      await env.COUNTER.get(id).add(Number(third ?? 5));
      return new Response(id.toString() + " " + (await env.COUNTER.get(id).add(0)));
    }
    const sums = [];
    for (let i = 0; i < Number(second); i++) sums.push(await env.COUNTER.get(env.COUNTER.idFromName(`counter ${i}`)).add(first === "count" ? i : 0));
    return new Response(sums.join(" "));
  },
};
