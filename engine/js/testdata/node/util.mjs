import util, { inspect, format, promisify, callbackify, inherits, deprecate, types, isDeepStrictEqual, styleText, parseArgs, stripVTControlCharacters, TextEncoder as TE } from "node:util";
import utilTypes from "node:util/types";

export default async function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  class Foo { constructor() { this.a = 1; } get g() { return 1; } }
  class Bar extends Foo {}
  const circ = { name: "c", list: [] }; circ.self = circ; circ.list.push(circ, { circ });
  const nul = Object.create(null); nul.x = 1;
  const sparse = [1, , , 4]; sparse.extra = "e";
  const f1 = function named() {}; f1.prop = 1;
  const values = [
    0, -0, 1.5, NaN, 10n, "str", "it's", 'q"q\'', "new\nline\t\u0001\u007f", "`${x}'\"", true, null, undefined, Symbol("s"), Symbol.iterator, Symbol(""),
    [], [1, 2, 3], [[[[1]]]], sparse, [undefined, null], new Array(3), [1, , 3], Array.from({ length: 120 }, (_, i) => i), Array.from({ length: 27 }, (_, i) => "item" + i), Array.from({ length: 7 }, () => "x".repeat(20)),
    {}, { a: 1, "b-c": 2, [Symbol("k")]: 3, 5: 6, "": 7 }, { a: { b: { c: { d: 1 } } } }, { a: { b: { c: {} } } }, nul, Object.create(null), circ, new Foo(), new Bar(), Foo, Bar, class {}, class extends Foo {}, Object.create({ inherited: 1 }),
    f1, () => {}, async () => {}, function* gen() {}, async function* ag() {}, Math.max, (0, function () {}),
    new Map([["a", 1], [{ k: 1 }, [2]]]), new Map(), new Set([1, "b", { c: 2 }]), new Set(), new WeakMap(), new WeakSet(), new Map([[1, new Map([[2, new Map([[3, new Map([[4, 5]])]])]])]]),
    new Date(0), new Date(NaN), /re/gi, Object.assign(/x/, { p: 1 }), new Uint8Array([1, 2]), new Float64Array(2), new BigInt64Array([5n]), new Uint8Array(0), new ArrayBuffer(4), new DataView(new ArrayBuffer(2)), Buffer.from("abc"), Buffer.alloc(0), Buffer.alloc(60, 1),
    Promise.resolve(1), Promise.resolve({ a: 1 }), new Promise(() => {}), Object(1), Object("boxed"), Object(true), Object(5n), Object(Symbol("x")), Object.assign(Object("ab"), { z: 1 }),
    { get a() { return 1; }, set a(v) {}, get b() { return 2; }, set c(v) {} }, { f() {}, g: () => {}, h: class Q {} }, new URLSearchParams("a=1&b=2"), (function () { return arguments; })(1, 2), globalThis.undefinedThing, { undefined: undefined, null: null },
    { [Symbol.toStringTag]: "Tagged", x: 1 }, new (class extends Map {})([[1, 2]]), new (class Named extends Array {})(3), new (class E2 extends Set {})(), Object.assign([1, 2], { "-1": 3 }), Object.assign(() => {}, { a: { b: {} } }),
    { longPropertyNameNumberOne: "a long string value", longPropertyNameNumberTwo: "another long string value", third: [1, 2, 3] }, [{ a: 1, b: 2 }, { a: 3, b: 4 }], { a: [{ b: { c: [1, { d: 1 }] } }] }, "x".repeat(200), ["x".repeat(80)], { s: "a\nb" },
    [["a", 1], ["b", 2]], { x: -0, y: [-0] }, [1.5, 22.25, 333.125, 4, 5, 6, 7, 8], [1n, 22n, 333n, 4n, 5n, 6n, 7n], [true, false, true, false, true, false, true, false], new Set(Array.from({ length: 10 }, (_, i) => i)), { __proto__: { constructor: undefined }, a: 1 }, { ["__proto__"]: 1 },
  ];
  for (const v of values) print(inspect(v));
  for (const o of [{ depth: 0 }, { depth: null }, { compact: false }, { compact: true }, { compact: 1 }, { breakLength: 20 }, { breakLength: Infinity }, { sorted: true }, { colors: true }, { maxArrayLength: 2 }, { maxStringLength: 3 }, { getters: true }, { numericSeparator: true }, { showHidden: true }]) {
    print(JSON.stringify(o), inspect({ z: 1, a: { b: { c: { d: { e: 1 } } } }, list: [1, 2, 3, 4], text: "abcdefgh", get g() { return 5; }, n: 1234567.891, m: new Map([[1, { x: 1 }]]), s: Symbol("q"), d: new Date(0), r: /x/, u: undefined, nul: null, f() {} }, o));
  }
  print(inspect({ [inspect.custom](depth, options, i) { return `custom ${depth} ${typeof options.stylize} ${i === inspect}`; } }), inspect({ a: { [inspect.custom]: () => ({ inner: 1 }) } }), inspect({ [inspect.custom]: () => "x" }, { customInspect: false }), inspect("a", true), inspect({ a: { b: { c: 1 } } }, false, 0));
  print(format("%s %d %i %f %j %o %O %c %%", "a", 1.5, 2.9, "3.1x", { a: 1 }, [1], { b: 2 }, "css"), format("%s", null, undefined, 5n, Symbol("x")), format("a", "b", { c: 1 }), format(1, 2), format("%d", "x"), format("%s"), format("%z %s", 1), format("100%", 1), format("%s", { a: { b: 1 } }), format("%s", () => 5), format("%s", new (class X { toString() { return "tx"; } })()), format("%s", new Date(0)), format("%i", "0x10"), format("%d", 5n), format("%s", -0), format("%d", -0), format("%j", circ), format("%s", [1, "a"]), format(), format("%%s", 1), format("%s %s", "only"));
  const p = promisify((a, cb) => (a < 0 ? cb(new Error("neg")) : cb(null, a * 2))); print(await p(4), await p(-1).catch((e) => e.message)); const custom = () => 1; custom[promisify.custom] = () => "own"; print(promisify(custom)(), coded(() => promisify(1)), typeof promisify(setTimeout));
  await new Promise((done) => callbackify(async (a) => a + 1)(1, (e, v) => { print("callbackify", e, v); done(); })); await new Promise((done) => callbackify(async () => { throw null; })((e) => { print(e.code, e.reason, e.message); done(); })); print(coded(() => callbackify(async () => 1)()), callbackify(async function x(a) {}).name, callbackify(async (a) => 1).length);
  function A() {} function B() {} B.prototype.m = () => "inherited"; inherits(A, B); print(new A().m(), A.super_ === B, coded(() => inherits(A, null)), coded(() => inherits(A, {})));
  print(deprecate((a) => a + 1, "old", "DEP_X")(1), util.isArray([]), stripVTControlCharacters("\u001b[31mred\u001b[0m x"), JSON.stringify(styleText(["bold", "underline"], "y")), new TE().encode("a").length, util.toUSVString("a\ud800b"));
  const eq = [[1, 1], [1, "1"], [NaN, NaN], [0, -0], [[1, [2]], [1, [2]]], [{ a: 1, b: 2 }, { b: 2, a: 1 }], [{ a: undefined }, {}], [new Set([1, { a: 1 }]), new Set([1, { a: 1 }])], [new Set([1]), new Set(["1"])], [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]])], [new Map([[1, 2]]), new Map([[1, 3]])], [new Date(0), new Date(0)], [new Date(0), new Date(1)], [/a/g, /a/i], [new Error("a"), new Error("a")], [new Error("a"), new Error("b")], [Object(1), Object(1)], [Object(1), Object(2)], [[1, , 3], [1, undefined, 3]], [new Foo(), new Foo()], [new Foo(), { a: 1 }], [new Uint8Array([1]), new Uint8Array([1])], [new Uint8Array([1]), Buffer.from([1])], [circ, circ], [null, undefined], [[], {}], [Symbol.iterator, Symbol.iterator], [{ [Symbol.for("x")]: 1 }, { [Symbol.for("x")]: 2 }], [new Float32Array([0]), new Float32Array([-0])], [() => 1, () => 1], [Object.create(null), {}], ["a", Object("a")], [new ArrayBuffer(2), new ArrayBuffer(2)]];
  print(eq.map(([a, b]) => isDeepStrictEqual(a, b)).join());
  const c1 = { x: null }, c2 = { x: null }; c1.x = c1; c2.x = c2; print(isDeepStrictEqual(c1, c2));
  const kinds = [new Date(), /x/, new Map(), new Set(), new WeakMap(), new WeakSet(), Promise.resolve(), new Error(), Object(1), Object("s"), Object(1n), new Uint8Array(), new DataView(new ArrayBuffer(1)), new ArrayBuffer(1), (function* () {})(), async () => {}, function* () {}, new Map().keys(), new Set().values(), new Proxy({}, {}), (function () { return arguments; })(), {}, null, 1, Buffer.alloc(1), new SharedArrayBuffer(1)];
  for (const name of Object.keys(types).sort()) if (name !== "isEventTarget") print(name, kinds.map((k, i) => (types[name](k) ? i : "")).filter((x) => x !== "").join());
  print(types === utilTypes, JSON.stringify(parseArgs({ args: ["-f", "--bar", "b", "pos", "--no-color", "-xvalue", "--", "-z"], options: { foo: { type: "boolean", short: "f" }, bar: { type: "string" }, x: { type: "string", short: "x", multiple: true }, "no-color": { type: "boolean" }, d: { type: "string", default: "dd" } }, allowPositionals: true })), coded(() => parseArgs({ args: ["--nope"] })), coded(() => parseArgs({ args: ["pos"] })), coded(() => parseArgs({ args: ["--b"], options: { b: { type: "string" } } })));
  const mime = new util.MIMEType("text/HTML; charset=\"utf-8\";q=1"); print(mime.essence, `${mime}`, mime.params.get("charset"), coded(() => new util.MIMEType("nope")));
  const ac = new AbortController(); const ab = util.aborted(ac.signal, {}); ac.abort(); print(await ab);
}
