import superjson, { SuperJSON } from "superjson";

export default async function (print) {
  const shared = { s: 1 }; const v = { d: new Date(0), m: new Map([["a", new Set([1, 2n])]]), u: undefined, n: NaN, i: -Infinity, z: -0, r: /x/gi, e: new TypeError("bad"), b: 10n, url: new URL("http://a.b/c"), arr: [undefined, new Date(1)], s1: shared, s2: shared, t: new Uint8Array([1, 2]), nested: { "a.b": new Date(2) } };
  const text = superjson.stringify(v); print(text); const back = superjson.parse(text); print(back.d instanceof Date, back.m.get("a").has(2n), "u" in back, back.n, back.i, Object.is(back.z, -0), back.r.flags, back.e instanceof Error, back.e.message, back.b, back.url.href, back.arr[1].getTime(), back.s1 === back.s2, back.t[1], back.nested["a.b"].getTime());
  class P { constructor(x, y) { this.x = x; this.y = y; } get sum() { return this.x + this.y; } } const s = new SuperJSON(); s.registerClass(P); s.registerSymbol(Symbol.for("q"), "q"); s.registerCustom({ isApplicable: (q) => q instanceof RegExp && q.source === "c", serialize: (q) => q.source, deserialize: (q) => new RegExp(q) }, "re"); print(s.parse(s.stringify(new P(1, 2))).sum, s.parse(s.stringify({ k: Symbol.for("q") })).k === Symbol.for("q"), JSON.stringify(s.serialize(/c/)));
  const cyc = { a: 1 }; cyc.self = cyc; const c2 = superjson.deserialize(superjson.serialize(cyc)); print(c2.self === c2);
}
