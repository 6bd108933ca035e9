// Serialises a table of values with V8, and says what each is in the notation of docs/format/export.md, by code of its own. One line a value: name, bytes in hex, JSON.
const v8 = require("node:v8");

const cycle = { list: [] };
cycle.list.push(cycle, cycle.list);
const twice = { n: 1 };
const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
const resizable = new ArrayBuffer(4, { maxByteLength: 16 });
const sparse = [];
sparse[3] = "three";
sparse[100000] = "far";
const named = [1, 2];
named.name = "x";
const holes = [1, , 3, , undefined];
const error = new TypeError("no", { cause: { why: [1] } });
const selfMap = new Map([["a", 1]]);
selfMap.set(selfMap, selfMap);
const deep = [];
for (let at = deep, i = 0; i < 300; i++) at.push((at = []));

const values = {
  undefined: undefined, null: null, true: true, false: false,
  zero: 0, minusZero: -0, one: 1, minusOne: -1, int31: 2 ** 30, int32: 2 ** 31, uint32: 2 ** 32 - 1, safe: Number.MAX_SAFE_INTEGER, unsafe: 2 ** 53,
  half: 0.5, third: 1 / 3, tiny: 5e-324, huge: 1.7976931348623157e308, nan: NaN, infinity: Infinity, minusInfinity: -Infinity,
  bigZero: 0n, bigOne: 1n, bigMinus: -1n, big64: 2n ** 64n, bigMinus64: -(2n ** 64n), bigLong: 3n ** 400n,
  empty: "", ascii: "hello", latin: "grüß", quotes: '"\\\n\t\r\u0001', two: "日本語", astral: "😀", lone: "\ud800", lonePair: "a\udc00\ud800b", odd: ["x", "日本", "y", "😀z"],
  date: new Date(1795500000123), dateOld: new Date(-1), dateFar: new Date(8.64e15), dateBad: new Date(NaN), dateYear0: new Date(-62167219200000),
  object: { a: 1, b: { c: null }, "1": "one", "0": "zero", "4294967295": "index that is none", "日": 1 }, dollar: { $a: 1, b: 2 }, proto: JSON.parse('{"__proto__":1}'), emptyObject: {},
  array: [1, "two", [3]], emptyArray: [], holes, sparse, named, noneButHoles: new Array(5), huge_: new Array(4294967295),
  map: new Map([[1, "one"], [{ k: 1 }, new Set([1])], ["m", new Map()]]), set: new Set(["a", 1, undefined]), selfMap,
  regexp: /a+b/gi, regexpAll: /x/dgimsuy, regexpSets: /[\p{L}--[a-z]]/v, regexpText: /ü日/,
  boxed: [new Number(3), new Number(NaN), new Boolean(true), new Boolean(false), new String("s"), new String("日"), Object(12n)],
  error, errors: [new Error("e"), new EvalError("e"), new RangeError("e"), new ReferenceError("e"), new SyntaxError("e"), new URIError("e")], noMessage: new Error(),
  twice: [twice, twice], cycle, deep, wrapped: ((b) => [b, b])(new Number(1)), dates: ((d) => [d, { d }])(new Date(0)), sharedErrors: ((e) => [e, e])(new Error("s")),
  buffer: new Uint8Array([1, 2, 3]).buffer, emptyBuffer: new ArrayBuffer(0), resizable,
  u8: new Uint8Array([1, 2, 3]), views: [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array].map((c) => new c([1, 2, 100])),
  big: [new BigInt64Array([-1n]), new BigUint64Array([2n ** 63n])], dataView: new DataView(new Uint8Array([9, 8, 7]).buffer, 1, 2), part: new Uint8Array(buffer, 2, 3),
  sameBuffer: [new Uint8Array(buffer), new Uint16Array(buffer, 2, 2), buffer], bufferFirst: [buffer, new Uint8Array(buffer)], sameView: ((v) => [v, v])(new Uint8Array([7])),
  tracking: new Uint8Array(resizable), trackingPart: [new Uint16Array(resizable, 2), new Uint8Array(resizable, 1, 2)], viewThenText: [new Uint8Array(buffer, 1), "V", buffer, "Vb"],
  getter: { get a() { return 1; } }, instance: new (class A { x = 1; })(),
};

// say describes a value in two walks: the first to find what occurs again.
function say(root) {
  const met = new Map(), numbers = new Map();
  const own = (v) => ArrayBuffer.isView(v) && !(v instanceof DataView) && !v.buffer.resizable && v.byteOffset === 0 && v.byteLength === v.buffer.byteLength && met.get(v.buffer) === 1;
  const count = (v) => {
    if (typeof v !== "object" || v === null) return;
    met.set(v, (met.get(v) ?? 0) + 1);
    if (met.get(v) > 1) return;
    if (ArrayBuffer.isView(v)) count(v.buffer);
    else if (v instanceof Map) for (const [k, x] of v) count(k), count(x);
    else if (v instanceof Set) for (const x of v) count(x);
    else if (v instanceof Error) count(v.cause);
    else if (!(v instanceof ArrayBuffer || v instanceof Date || v instanceof RegExp || v instanceof Number || v instanceof Boolean || v instanceof String || v instanceof BigInt))
      for (const k of Object.keys(v)) count(v[k]);
  };
  count(root);
  const base64 = (b) => JSON.stringify(Buffer.from(b).toString("base64"));
  const text = (s) => (s.isWellFormed() ? quote(s) : `{"$wtf8":${base64(wtf8(s))}}`);
  const quote = (s) => '"' + s.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r").replace(/\t/g, "\\t")
    .replace(/[\0-\x1f]/g, (c) => "\\u00" + c.charCodeAt(0).toString(16).padStart(2, "0")) + '"';
  const wtf8 = (s) => {
    const out = [];
    for (const c of s) {
      const n = c.codePointAt(0);
      if (n >= 0xd800 && n < 0xe000) out.push(0xe0 | n >> 12, 0x80 | n >> 6 & 63, 0x80 | n & 63);
      else out.push(...Buffer.from(c));
    }
    return out;
  };
  const number = (n) => {
    if (Number.isNaN(n) || Math.abs(n) === Infinity) return `{"$number":"${n}"}`;
    if (Number.isSafeInteger(n) && !Object.is(n, -0)) return String(n);
    return { float: n };
  };
  const pairs = (list) => "[" + list.map(([k, x]) => `[${k},${x}]`).join(",") + "]";
  const walk = (v) => {
    if (v === undefined) return '{"$undefined":true}';
    if (v === null || typeof v === "boolean") return String(v);
    if (typeof v === "number") { const n = number(v); return typeof n === "string" ? n : `{"$float":${Object.is(v, -0) ? "-0" : v}}`; }
    if (typeof v === "bigint") return `{"$bigint":"${v}"}`;
    if (typeof v === "string") return text(v);
    if (numbers.has(v)) return `{"$ref":${numbers.get(v)}}`;
    if (met.get(v) > 1) { numbers.set(v, numbers.size); return `{"$shared":${bare(v)}}`; }
    return bare(v);
  };
  const bare = (v) => {
    if (v instanceof Number || v instanceof String || v instanceof Boolean || v instanceof BigInt) return `{"$boxed":${walk(v.valueOf())}}`;
    if (v instanceof Date) {
      const ms = v.getTime();
      return `{"$date":${Number.isNaN(ms) ? null : v.getUTCFullYear() >= 0 && v.getUTCFullYear() <= 9999 ? quote(v.toISOString()) : ms}}`;
    }
    if (v instanceof RegExp) return `{"$regexp":[${text(v.source)},${quote(v.flags)}]}`;
    if (v instanceof Map) return `{"$map":${pairs([...v].map(([k, x]) => { const a = walk(k); return [a, walk(x)]; }))}}`;
    if (v instanceof Set) return `{"$set":[${[...v].map(walk).join(",")}]}`;
    if (v instanceof Error) {
      const p = [];
      if (Object.hasOwn(v, "message")) p.push(`"message":${text(v.message)}`);
      if (Object.hasOwn(v, "cause")) p.push(`"cause":${walk(v.cause)}`);
      if (v.stack !== undefined) p.push(`"stack":${text(v.stack)}`);
      return `{"$error":[${quote(v.constructor.name)},{${p.join(",")}}]}`;
    }
    if (v instanceof ArrayBuffer) return v.resizable ? `{"$buffer":[${base64(v)},${v.maxByteLength}]}` : `{"$buffer":${base64(v)}}`;
    if (ArrayBuffer.isView(v)) {
      if (v instanceof Uint8Array && own(v)) return `{"$bytes":${base64(v)}}`;
      if (own(v)) return `{"$typed":["${v.constructor.name}",${base64(v.buffer)}]}`;
      const follows = v.buffer.resizable && tracks(v);
      return `{"$view":["${v.constructor.name}",${walk(v.buffer)},${v.byteOffset},${follows ? null : v.byteLength}]}`;
    }
    if (Array.isArray(v)) {
      const keys = Object.keys(v);
      if (keys.length === v.length && keys.every((k, i) => k === String(i))) return `[${v.map(walk).join(",")}]`;
      return `{"$holes":[${v.length},${pairs(keys.map((k, i) => [String(k >>> 0) === k ? k : text(k), walk(v[k])]))}]}`;
    }
    const keys = Object.keys(v);
    if (keys.some((k) => k.startsWith("$"))) return `{"$object":${pairs(keys.map((k) => [text(k), walk(v[k])]))}}`;
    return `{${keys.map((k) => `${quote(k)}:${walk(v[k])}`).join(",")}}`;
  };
  return walk(root);
}

// tracks tells whether the length of a view follows its buffer: by growing that.
function tracks(v) {
  const before = v.byteLength, size = v.buffer.byteLength;
  v.buffer.resize(size + 8);
  const follows = v.byteLength !== before;
  v.buffer.resize(size);
  return follows;
}

for (const [name, v] of Object.entries(values)) {
  const s = new v8.Serializer();
  s.writeHeader();
  s.writeValue(v);
  console.log(`${name}\t${s.releaseBuffer().toString("hex")}\t${say(v)}`);
}
