import * as v from "valibot";

export default async function (print) {
  const S = v.object({ name: v.pipe(v.string(), v.minLength(2), v.toUpperCase()), n: v.optional(v.pipe(v.number(), v.integer()), 7), email: v.pipe(v.string(), v.email()), list: v.array(v.variant("t", [v.object({ t: v.literal("a"), x: v.number() }), v.object({ t: v.literal("b"), y: v.string() })])) });
  print(JSON.stringify(v.parse(S, { name: "bob", email: "a@b.co", list: [{ t: "a", x: 1 }, { t: "b", y: "z" }] })));
  const r = v.safeParse(S, { name: "b", n: 1.5, email: "x", list: [{ t: "c" }, { t: "a", x: "1" }] }); print(r.success, JSON.stringify(r.issues.map((i) => [v.getDotPath(i), i.type, i.message])), JSON.stringify(v.flatten(r.issues)));
  print(await v.parseAsync(v.pipeAsync(v.string(), v.checkAsync(async (s) => s.length > 1), v.transformAsync(async (s) => s + "!")), "ok"), v.is(v.picklist(["a"]), "b"), JSON.stringify(v.parse(v.tupleWithRest([v.string()], v.number()), ["a", 1, 2])), v.parse(v.nullable(v.date()), null), JSON.stringify(v.parse(v.record(v.string(), v.number()), { a: 1 })), v.parse(v.map(v.string(), v.number()), new Map([["a", 1]])).size, v.fallback(v.string(), "fb") && v.parse(v.fallback(v.string(), "fb"), 5), JSON.stringify(v.parse(v.partial(S), {})));
  try { v.parse(v.strictObject({ a: v.string() }), { a: "x", b: 1 }); } catch (e) { print(e.name, e.message, e instanceof v.ValiError); }
  const T = v.object({ v: v.number(), kids: v.array(v.lazy(() => T)) }); print(JSON.stringify(v.parse(T, { v: 1, kids: [{ v: 2, kids: [] }] })), v.safeParse(v.pipe(v.object({ a: v.string(), b: v.string() }), v.forward(v.partialCheck([["a"], ["b"]], (i) => i.a === i.b, "differ"), ["b"])), { a: "1", b: "2" }).issues[0].message);
}
