// util.inspect and util.format: the text that Node shows for a value.

const {
  host, apply, ownKeys, getOwnPropertyDescriptor, getPrototypeOf, objectKeys, isArray, arrIndexOf, arrSlice, push, join, slice, charCode, strIndexOf, strRepeat, padStart, padEnd, strSplit,
  symbolToString, regexToString, dateToISO, mapSize, setSize, mapForEach, setForEach, isMap, isSet, isView, isBuffer, typedTag, isErrorObject, PromiseCtor, functionToString,
  numberToString, uncurry, U8, StringOf, NumberOf, regexExec, objectTag, isHeaders, isRequest, isResponse, URL, URLSearchParams, invalidArg, jsonStringify, mapGet, mapSet, MapCtor,
  defineProperty, TypeErrorCtor, TypedArrayPrototype, isCryptoKey, floor, trunc,
} = kit;

const custom = Symbol.for("nodejs.util.inspect.custom");
const { min, max, sqrt, round } = Math;
const regexTest = (r, s) => regexExec(r, s) !== null;
const sort = uncurry(Array.prototype.sort);
const typedLength = uncurry(getOwnPropertyDescriptor(TypedArrayPrototype, "length").get);
const weakMapHas = uncurry(WeakMap.prototype.has);
const weakSetHas = uncurry(WeakSet.prototype.has);
const weakRefDeref = uncurry(WeakRef.prototype.deref);
const numberOf = uncurry(Number.prototype.valueOf), stringOf = uncurry(String.prototype.valueOf), booleanOf = uncurry(Boolean.prototype.valueOf);
const bigintOf = uncurry(BigInt.prototype.valueOf), symbolOf = uncurry(Symbol.prototype.valueOf);
const regexFlags = uncurry(getOwnPropertyDescriptor(RegExp.prototype, "flags").get);
const dateTime = uncurry(Date.prototype.getTime);

const is = (f, ...rest) => (v) => {
  if (typeof v !== "object" || v === null) return false;
  try {
    apply(f, undefined, [v, ...rest]);
    return true;
  } catch {
    return false;
  }
};
const isDate = is(dateTime);
const isRegExp = (v) => objectTag(v) === "[object RegExp]" && is(regexFlags)(v) && v !== RegExp.prototype;
const isWeakMap = is(weakMapHas, {}), isWeakSet = is(weakSetHas, {}), isWeakRef = is(weakRefDeref);
const isPromise = (v) => typeof v === "object" && v !== null && host.promiseState(v) !== null;
const isTyped = (v) => isView(v) && typedTag(v) !== undefined;
const isBoxed = { Number: is(numberOf), String: is(stringOf), Boolean: is(booleanOf), BigInt: is(bigintOf), Symbol: is(symbolOf) };

const identifier = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
const indexName = /^(?:0|[1-9]\d*)$/;
const meta = ["\\x00", "\\x01", "\\x02", "\\x03", "\\x04", "\\x05", "\\x06", "\\x07", "\\b", "\\t", "\\n", "\\x0B", "\\f", "\\r", "\\x0E", "\\x0F", "\\x10", "\\x11", "\\x12", "\\x13", "\\x14", "\\x15", "\\x16", "\\x17", "\\x18", "\\x19", "\\x1A", "\\x1B", "\\x1C", "\\x1D", "\\x1E", "\\x1F"];

const defaults = {
  showHidden: false, depth: 2, colors: false, customInspect: true, showProxy: false, maxArrayLength: 100, maxStringLength: 10000, breakLength: 128, compact: 3,
  sorted: false, getters: false, numericSeparator: false,
};

const colors = {
  __proto__: null,
  reset: [0, 0], bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], blink: [5, 25], inverse: [7, 27], hidden: [8, 28], strikethrough: [9, 29], doubleunderline: [21, 24],
  black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39],
  bgBlack: [40, 49], bgRed: [41, 49], bgGreen: [42, 49], bgYellow: [43, 49], bgBlue: [44, 49], bgMagenta: [45, 49], bgCyan: [46, 49], bgWhite: [47, 49],
  framed: [51, 54], overlined: [53, 55], gray: [90, 39], grey: [90, 39], redBright: [91, 39], greenBright: [92, 39], yellowBright: [93, 39], blueBright: [94, 39],
  magentaBright: [95, 39], cyanBright: [96, 39], whiteBright: [97, 39], bgGray: [100, 49], bgRedBright: [101, 49], bgGreenBright: [102, 49], bgYellowBright: [103, 49],
  bgBlueBright: [104, 49], bgMagentaBright: [105, 49], bgCyanBright: [106, 49], bgWhiteBright: [107, 49],
};
const styles = { __proto__: null, special: "cyan", number: "yellow", bigint: "yellow", boolean: "yellow", undefined: "grey", null: "bold", string: "green", symbol: "green", date: "magenta", regexp: "red", module: "underline" };

function inspect(value, options, ...legacy) {
  const ctx = { __proto__: null, budget: [], indentationLvl: 0, seen: [], currentDepth: 0, circular: undefined, stylize: plain, left: 20000 };
  const names = objectKeys(defaults);
  for (let i = 0; i < names.length; i++) ctx[names[i]] = defaults[names[i]];
  ctx.breakLength = 80;
  if (typeof options === "object" && options !== null) {
    const given = objectKeys(options);
    for (let i = 0; i < given.length; i++) {
      if (given[i] in defaults || given[i] === "stylize") ctx[given[i]] = options[given[i]];
      else if (ctx.userOptions === undefined) ctx.userOptions = options;
    }
  } else if (options !== undefined) {
    // inspect(value, showHidden, depth, colors), as it once was.
    if (typeof options === "boolean") ctx.showHidden = options;
    if (legacy.length > 0 && legacy[0] !== undefined) ctx.depth = legacy[0];
    if (legacy.length > 1 && legacy[1] !== undefined) ctx.colors = legacy[1];
  }
  if (ctx.colors) ctx.stylize = colored;
  if (ctx.maxArrayLength === null) ctx.maxArrayLength = Infinity;
  if (ctx.maxStringLength === null) ctx.maxStringLength = Infinity;
  return formatValue(ctx, value, 0);
}
const plain = (text) => text;
function colored(text, style) {
  const color = colors[styles[style]];
  return color === undefined ? text : `\u001b[${color[0]}m${text}\u001b[${color[1]}m`;
}

function quoted(text) {
  let q = "'";
  if (strIndexOf(text, "'") >= 0) {
    if (strIndexOf(text, '"') < 0) q = '"';
    else if (strIndexOf(text, "`") < 0 && strIndexOf(text, "${") < 0) q = "`";
  }
  let out = q;
  for (let i = 0; i < text.length; i++) {
    const c = charCode(text, i);
    if (c === 92) out += "\\\\";
    else if (c < 32) out += meta[c];
    else if (c >= 127 && c <= 159) out += `\\x${kit.toUpper(numberToString(c, 16))}`;
    else if (text[i] === q) out += `\\${q}`;
    else if (c >= 0xd800 && c <= 0xdfff) {
      const next = i + 1 < text.length ? charCode(text, i + 1) : 0;
      if (c <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) out += text[i] + text[++i];
      else out += `\\u${kit.toUpper(numberToString(c, 16))}`;
    } else out += text[i];
  }
  return out + q;
}

function numberText(ctx, v) {
  if (v === 0 && 1 / v < 0) return "-0";
  return ctx.numericSeparator ? separated(`${v}`) : `${v}`;
}
function separated(text) {
  if (!regexTest(/^-?\d+(\.\d+)?$/, text)) return text;
  const [whole, fraction] = strSplit(text, ".");
  let out = "";
  const digits = whole[0] === "-" ? slice(whole, 1) : whole;
  for (let i = digits.length; i > 0; i -= 3) out = slice(digits, max(0, i - 3), i) + (out === "" ? "" : `_${out}`);
  if (whole[0] === "-") out = `-${out}`;
  if (fraction === undefined) return out;
  let tail = "";
  for (let i = 0; i < fraction.length; i += 3) tail += (i === 0 ? "" : "_") + slice(fraction, i, i + 3);
  return `${out}.${tail}`;
}

function primitiveText(ctx, v) {
  switch (typeof v) {
    case "string": {
      let tail = "";
      if (v.length > ctx.maxStringLength) {
        const left = v.length - ctx.maxStringLength;
        v = slice(v, 0, ctx.maxStringLength);
        tail = `... ${left} more character${left > 1 ? "s" : ""}`;
      }
      if (ctx.compact !== true && v.length > 16 && v.length > ctx.breakLength - ctx.indentationLvl - 4) {
        const lines = strSplit(v, "\n");
        if (lines.length > 1) {
          const parts = [];
          for (let i = 0; i < lines.length; i++) {
            if (i === lines.length - 1 && lines[i] === "") break;
            push(parts, ctx.stylize(quoted(lines[i] + (i < lines.length - 1 ? "\n" : "")), "string"));
          }
          return join(parts, ` +\n${strRepeat(" ", ctx.indentationLvl + 2)}`) + tail;
        }
      }
      return ctx.stylize(quoted(v), "string") + tail;
    }
    case "number":
      return ctx.stylize(numberText(ctx, v), "number");
    case "bigint":
      return ctx.stylize(`${ctx.numericSeparator ? separated(`${v}`) : v}n`, "bigint");
    case "boolean":
      return ctx.stylize(`${v}`, "boolean");
    case "undefined":
      return ctx.stylize("undefined", "undefined");
    default:
      return ctx.stylize(symbolToString(v), "symbol");
  }
}

function formatValue(ctx, v, depth, typedArray) {
  if (typeof v !== "object" && typeof v !== "function") return primitiveText(ctx, v);
  if (v === null) return ctx.stylize("null", "null");
  if (--ctx.left < 0) return "...";
  if (ctx.customInspect) {
    const f = v[custom];
    if (typeof f === "function" && f !== inspect && !(v.constructor && v.constructor.prototype === v)) {
      const left = ctx.depth === null ? null : ctx.depth - depth;
      const options = { ...optionsOf(ctx), depth: left, stylize: ctx.stylize };
      const out = apply(f, v, [left, options, inspect]);
      if (out !== v) {
        if (typeof out !== "object" && typeof out !== "function") return join(strSplit(`${StringOf(out)}`, "\n"), `\n${strRepeat(" ", ctx.indentationLvl)}`);
        if (out === null) return ctx.stylize("null", "null");
        return formatValue(ctx, out, depth);
      }
    }
  }
  if (arrIndexOf(ctx.seen, v) >= 0) {
    let n = 1;
    if (ctx.circular === undefined) {
      ctx.circular = new MapCtor();
      mapSet(ctx.circular, v, n);
    } else {
      n = mapGet(ctx.circular, v);
      if (n === undefined) {
        n = mapSize(ctx.circular) + 1;
        mapSet(ctx.circular, v, n);
      }
    }
    return ctx.stylize(`[Circular *${n}]`, "special");
  }
  return formatRaw(ctx, v, depth, typedArray);
}

function optionsOf(ctx) {
  const out = { ...ctx.userOptions };
  const names = objectKeys(defaults);
  for (let i = 0; i < names.length; i++) out[names[i]] = ctx[names[i]];
  return out;
}

// constructorName finds the class in the prototype chain; null for none.
function constructorName(v) {
  let o = v;
  for (let n = 0; o !== null && n < 100; n++) {
    const d = getOwnPropertyDescriptor(o, "constructor");
    if (d !== undefined && typeof d.value === "function" && d.value.name !== "" && (o !== v || v.constructor !== undefined) && isInstance(v, d.value)) return `${d.value.name}`;
    o = getPrototypeOf(o);
  }
  return null;
}
function isInstance(v, f) {
  try {
    return v instanceof f;
  } catch {
    return false;
  }
}

function prefixOf(name, tag, fallback, size = "") {
  if (name === null) {
    if (tag !== "" && fallback !== tag) return `[${fallback}${size}: null prototype] [${tag}] `;
    return `[${fallback}${size}: null prototype] `;
  }
  if (tag !== "" && name !== tag) return `${name}${size} [${tag}] `;
  return `${name}${size} `;
}

function keysOf(ctx, v) {
  const all = ownKeys(v);
  const out = [];
  for (let i = 0; i < all.length; i++) {
    const d = getOwnPropertyDescriptor(v, all[i]);
    if (d === undefined) continue;
    if (d.enumerable || (ctx.showHidden)) push(out, all[i]);
  }
  return out;
}

function withoutIndexes(keys) {
  const out = [];
  for (let i = 0; i < keys.length; i++) if (typeof keys[i] === "symbol" || !regexTest(indexName, keys[i])) push(out, keys[i]);
  return out;
}
function without(keys, name) {
  const out = [];
  for (let i = 0; i < keys.length; i++) if (keys[i] !== name) push(out, keys[i]);
  return out;
}

function formatRaw(ctx, v, depth, typedArray) {
  const name = constructorName(v);
  let tag = "";
  try {
    tag = v[Symbol.toStringTag];
  } catch {
    // A getter that throws has none to show.
  }
  if (typeof tag !== "string" || (tag !== "" && (ctx.showHidden ? getOwnPropertyDescriptor(v, Symbol.toStringTag) !== undefined : getOwnPropertyDescriptor(v, Symbol.toStringTag)?.enumerable))) tag = "";
  let base = "";
  let formatter = () => [];
  let braces = ["{", "}"];
  let extras = true; // values are shown as properties
  let keys = keysOf(ctx, v);

  if (isArray(v)) {
    keys = withoutIndexes(keys);
    const prefix = name !== "Array" || tag !== "" ? prefixOf(name, tag, "Array", `(${v.length})`) : "";
    braces = [`${prefix}[`, "]"];
    if (v.length === 0 && keys.length === 0) return `${braces[0]}]`;
    extras = false;
    formatter = formatArray;
  } else if (isSet(v)) {
    const size = setSize(v);
    const prefix = prefixOf(name, tag, "Set", `(${size})`);
    formatter = formatSet;
    if (size === 0 && keys.length === 0) return `${prefix}{}`;
    braces = [`${prefix}{`, "}"];
  } else if (isMap(v)) {
    const size = mapSize(v);
    const prefix = prefixOf(name, tag, "Map", `(${size})`);
    formatter = formatMap;
    if (size === 0 && keys.length === 0) return `${prefix}{}`;
    braces = [`${prefix}{`, "}"];
  } else if (isTyped(v)) {
    keys = withoutIndexes(keys);
    const size = typedLength(v);
    const prefix = prefixOf(name, tag, typedTag(v), `(${size})`);
    braces = [`${prefix}[`, "]"];
    if (size === 0 && keys.length === 0 && !ctx.showHidden) return `${braces[0]}]`;
    formatter = formatTyped;
    extras = false;
  } else if (objectTag(v) === "[object Map Iterator]" || objectTag(v) === "[object Set Iterator]") {
    braces = [`[${tag}] {`, "}"];
    formatter = () => [];
  } else {
    if (objectTag(v) === "[object Arguments]" && typeof v === "object") {
      braces[0] = "[Arguments] {";
      if (keys.length === 0) return "[Arguments] {}";
    } else if (typeof v === "function") {
      base = functionBase(v, name, tag);
      if (keys.length === 0) return ctx.stylize(base, "special");
    } else if (isRegExp(v)) {
      base = regexToString(v);
      const prefix = prefixOf(name, tag, "RegExp");
      if (prefix !== "RegExp ") base = `${prefix}${base}`;
      if (keys.length === 0) return ctx.stylize(base, "regexp");
    } else if (isDate(v)) {
      base = dateTime(v) !== dateTime(v) ? "Invalid Date" : dateToISO(v);
      const prefix = prefixOf(name, tag, "Date");
      if (prefix !== "Date ") base = `${prefix}${base}`;
      if (keys.length === 0) return ctx.stylize(base, "date");
    } else if (isErrorObject(v)) {
      base = errorBase(ctx, v, name, tag, keys);
      keys = without(without(keys, "stack"), "message");
      if ("cause" in v && arrIndexOf(keys, "cause") < 0) push(keys, "cause");
      if (isArray(v.errors) && arrIndexOf(keys, "errors") < 0) push(keys, "errors");
      if (arrIndexOf(keys, "name") >= 0 && strIndexOf(base, `${v.name}`) >= 0) keys = without(keys, "name");
      if (keys.length === 0) return base;
    } else if (isBuffer(v)) {
      const prefix = prefixOf(name, tag, "ArrayBuffer");
      formatter = formatBuffer;
      braces[0] = `${prefix}{`;
    } else if (isView(v)) {
      braces[0] = `${prefixOf(name, tag, "DataView")}{`;
      formatter = (c, view, d) => {
        const out = [];
        for (const k of ["byteLength", "byteOffset", "buffer"]) push(out, `${k}: ${nested(c, view[k], d)}`);
        return out;
      };
    } else if (isPromise(v)) {
      braces[0] = `${prefixOf(name, tag, "Promise")}{`;
      formatter = formatPromise;
    } else if (isWeakSet(v) || isWeakMap(v)) {
      braces[0] = `${prefixOf(name, tag, isWeakSet(v) ? "WeakSet" : "WeakMap")}{`;
      formatter = (c) => [c.stylize("<items unknown>", "special")];
    } else if (isWeakRef(v)) {
      braces[0] = `${prefixOf(name, tag, "WeakRef")}{`;
      formatter = (c, r, d) => [nested(c, weakRefDeref(r), d)];
    } else if (v instanceof URLSearchParams || (typeof Headers === "function" && isHeaders(v))) {
      const pairs = [];
      apply(v.forEach, v, [(value, key) => push(pairs, [key, value])]);
      braces[0] = `${name} {`;
      if (pairs.length === 0 && keys.length === 0) return `${braces[0]}}`;
      formatter = (c) => {
        const out = [];
        for (let i = 0; i < pairs.length; i++) push(out, `${primitiveText(c, pairs[i][0])} => ${primitiveText(c, pairs[i][1])}`);
        return out;
      };
    } else if (v instanceof URL) {
      return urlText(ctx, v, depth, name);
    } else if (isRequest(v) || isResponse(v)) {
      braces[0] = `${name} {`;
      formatter = (c, r, d) => {
        const out = [];
        for (const k of isRequest(r) ? ["method", "url", "headers", "bodyUsed"] : ["status", "statusText", "headers", "bodyUsed", "ok"]) push(out, `${k}: ${nested(c, r[k], d)}`);
        return out;
      };
    } else {
      const boxed = boxedBase(ctx, v, name, tag);
      if (boxed !== null) {
        base = boxed.text;
        if (boxed.string) keys = withoutIndexes(without(keys, "length"));
        if (keys.length === 0) return boxed.styled;
      } else {
        if (keys.length === 0) return `${objectPrefix(v, name, tag)}{}`;
        braces[0] = `${objectPrefix(v, name, tag)}{`;
      }
    }
  }
  if (ctx.depth !== null && depth > ctx.depth) {
    const shown = slice(prefixOf(name, tag, isArray(v) ? "Array" : "Object"), 0, -1);
    return ctx.stylize(`[${name !== null ? shown : shown}]`, "special");
  }
  depth += 1;
  push(ctx.seen, v);
  ctx.currentDepth = depth;
  let output;
  const indentation = ctx.indentationLvl;
  try {
    output = formatter(ctx, v, depth);
    for (let i = 0; i < keys.length; i++) push(output, property(ctx, v, depth, keys[i], extras ? 0 : 1));
  } finally {
    ctx.seen.length--;
    ctx.indentationLvl = indentation;
  }
  if (ctx.circular !== undefined) {
    const n = mapGet(ctx.circular, v);
    if (n !== undefined) {
      const mark = ctx.stylize(`<ref *${n}>`, "special");
      if (ctx.compact !== true) base = base === "" ? mark : `${mark} ${base}`;
      else braces[0] = `${mark} ${braces[0]}`;
    }
  }
  if (ctx.sorted) {
    const by = ctx.sorted === true ? undefined : ctx.sorted;
    if (extras) sort(output, by);
    else if (keys.length > 1) {
      const tail = arrSlice(output, output.length - keys.length);
      sort(tail, by);
      for (let i = 0; i < tail.length; i++) output[output.length - keys.length + i] = tail[i];
    }
  }
  return reduceToSingle(ctx, output, base, braces, extras, depth, v);
}

function objectPrefix(v, name, tag) {
  if (name === "Object" && tag === "") return "";
  return prefixOf(name, tag, "Object");
}

function functionBase(v, name, tag) {
  const source = (() => {
    try {
      return functionToString(v);
    } catch {
      return "";
    }
  })();
  if (slice(source, 0, 5) === "class" && source[source.length - 1] === "}" && getOwnPropertyDescriptor(v, "prototype")?.writable === false) {
    const own = getOwnPropertyDescriptor(v, "name");
    const label = own !== undefined && typeof own.value === "string" && own.value !== "" ? own.value : "(anonymous)";
    let text = `[class ${label}`;
    if (name !== "Function" && name !== null) text += ` [${name}]`;
    if (tag !== "" && name !== tag) text += ` [${tag}]`;
    if (name !== null) {
      const parent = getPrototypeOf(v)?.name;
      if (parent) text += ` extends ${parent}`;
    } else text += " extends null";
    return `${text}]`;
  }
  const kinds = { __proto__: null, "[object AsyncFunction]": "AsyncFunction", "[object GeneratorFunction]": "GeneratorFunction", "[object AsyncGeneratorFunction]": "AsyncGeneratorFunction" };
  const type = kinds[objectTag(v)] ?? "Function";
  let text = `[${type}`;
  if (name === null) text += " (null prototype)";
  text += typeof v.name !== "string" || v.name === "" ? " (anonymous)" : `: ${v.name}`;
  text += "]";
  if (name !== type && name !== null) text += ` ${name}`;
  if (tag !== "" && name !== tag) text += ` [${tag}]`;
  return text;
}

function errorBase(ctx, v, name, tag, keys) {
  const label = v.name != null ? StringOf(v.name) : "Error";
  const message = v.message === undefined ? "" : StringOf(v.message);
  const head = message === "" ? label : `${label}: ${message}`;
  let stack = typeof v.stack === "string" && v.stack !== "" ? v.stack : "";
  while (stack !== "" && charCode(stack, stack.length - 1) === 10) stack = slice(stack, 0, -1);
  if (stack === "") stack = `[${head}]`;
  else if (strIndexOf(stack, head) !== 0 && strIndexOf(stack, label) < 0) stack = `${head}\n${stack}`;
  const code = v.code;
  if (typeof code === "string" && arrIndexOf(keys, "code") < 0 && slice(code, 0, 4) === "ERR_") stack = `${label} [${code}]${slice(stack, label.length)}`;
  if (ctx.indentationLvl !== 0) stack = join(strSplit(stack, "\n"), `\n${strRepeat(" ", ctx.indentationLvl)}`);
  return stack;
}

function boxedBase(ctx, v, name, tag) {
  for (const type of ["Number", "String", "Boolean", "BigInt", "Symbol"]) {
    if (!isBoxed[type](v)) continue;
    const inner = type === "Number" ? numberOf(v) : type === "String" ? stringOf(v) : type === "Boolean" ? booleanOf(v) : type === "BigInt" ? bigintOf(v) : symbolOf(v);
    let text = `[${type}`;
    if (type !== name) text += name === null ? " (null prototype)" : ` (${name})`;
    text += `: ${primitiveText({ ...ctx, stylize: plain, compact: true }, inner)}]`;
    if (tag !== "" && tag !== name) text += ` [${tag}]`;
    return { text, styled: ctx.stylize(text, kit.strIndexOf(type, "B") === 0 ? "boolean" : type === "Number" ? "number" : "string"), string: type === "String" };
  }
  return null;
}

function urlText(ctx, v, depth, name) {
  if (ctx.depth !== null && depth > ctx.depth) return ctx.stylize(`[${name}]`, "special");
  const o = {};
  for (const k of ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "searchParams", "hash"]) o[k] = v[k];
  return `${name} ${formatRaw(ctx, o, depth)}`;
}

function nested(ctx, v, depth, diff = 2) {
  ctx.indentationLvl += diff;
  const text = formatValue(ctx, v, depth);
  ctx.indentationLvl -= diff;
  return text;
}

function moreItems(n) {
  return `... ${n} more item${n > 1 ? "s" : ""}`;
}

function formatArray(ctx, v, depth) {
  const out = [];
  const length = v.length;
  const most = min(max(0, ctx.maxArrayLength), length);
  let i = 0;
  let shown = 0;
  for (; i < length && shown < most; shown++) {
    if (getOwnPropertyDescriptor(v, i) === undefined) {
      let holes = 0;
      if (length - i > 100000) {
        // Too many to look at one by one: the next one that is there is found among the keys.
        const keys = objectKeys(v);
        let next = length;
        for (let k = 0; k < keys.length; k++) if (regexTest(indexName, keys[k]) && +keys[k] >= i && +keys[k] < next) next = +keys[k];
        holes = next - i;
      } else while (i + holes < length && getOwnPropertyDescriptor(v, i + holes) === undefined) holes++;
      push(out, ctx.stylize(`<${holes} empty item${holes > 1 ? "s" : ""}>`, "undefined"));
      i += holes;
    } else {
      push(out, property(ctx, v, depth, `${i}`, 1));
      i++;
    }
  }
  if (i < length) push(out, moreItems(length - i));
  return out;
}

function formatTyped(ctx, v, depth) {
  const length = typedLength(v);
  const most = min(max(0, ctx.maxArrayLength), length);
  const out = [];
  for (let i = 0; i < most; i++) push(out, primitiveText(ctx, v[i]));
  if (length > most) push(out, moreItems(length - most));
  if (ctx.showHidden) {
    ctx.indentationLvl += 2;
    for (const k of ["BYTES_PER_ELEMENT", "length", "byteLength", "byteOffset", "buffer"]) push(out, `[${k}]: ${formatValue(ctx, v[k], depth)}`);
    ctx.indentationLvl -= 2;
  }
  return out;
}

function formatBuffer(ctx, v) {
  const bytes = new U8(v);
  let hex = "";
  const most = min(max(0, ctx.maxArrayLength), bytes.length);
  for (let i = 0; i < most; i++) hex += (i > 0 ? " " : "") + padStart(numberToString(bytes[i], 16), 2, "0");
  const left = bytes.length - most;
  if (left > 0) hex += ` ... ${left} more byte${left > 1 ? "s" : ""}`;
  return [`${ctx.stylize("[Uint8Contents]", "special")}: <${hex}>`, `byteLength: ${ctx.stylize(`${bytes.length}`, "number")}`];
}

function formatSet(ctx, v, depth) {
  const most = min(max(0, ctx.maxArrayLength), setSize(v));
  const out = [];
  let i = 0;
  ctx.indentationLvl += 2;
  setForEach(v, (item) => {
    if (i++ < most) push(out, formatValue(ctx, item, depth));
  });
  if (i > most) push(out, moreItems(i - most));
  ctx.indentationLvl -= 2;
  return out;
}

function formatMap(ctx, v, depth) {
  const most = min(max(0, ctx.maxArrayLength), mapSize(v));
  const out = [];
  let i = 0;
  ctx.indentationLvl += 2;
  mapForEach(v, (item, key) => {
    if (i++ < most) push(out, `${formatValue(ctx, key, depth)} => ${formatValue(ctx, item, depth)}`);
  });
  if (i > most) push(out, moreItems(i - most));
  ctx.indentationLvl -= 2;
  return out;
}

function formatPromise(ctx, v, depth) {
  const state = host.promiseState(v);
  if (state[0] === 0) return [ctx.stylize("<pending>", "special")];
  const text = state[0] === 1 ? nested(ctx, state[1], depth) : "";
  return [state[0] === 1 ? text : ctx.stylize("<rejected>", "special")];
}

// property shows one of an object's; kind 0 with its name, 1 for an element of an array.
function property(ctx, v, depth, key, kind) {
  let d = getOwnPropertyDescriptor(v, key);
  d ??= { value: v[key], enumerable: true };
  let text;
  let indent = " ";
  if (d.value !== undefined || (d.get === undefined && d.set === undefined)) {
    const diff = ctx.compact !== true || kind !== 0 ? 2 : 3;
    text = nested(ctx, d.value, depth, diff);
    if (diff === 3 && ctx.breakLength < text.length) indent = `\n${strRepeat(" ", ctx.indentationLvl + 3)}`;
  } else if (d.get !== undefined) {
    const label = d.set !== undefined ? "Getter/Setter" : "Getter";
    if (ctx.getters && (ctx.getters === true || (ctx.getters === "get" && d.set === undefined) || (ctx.getters === "set" && d.set !== undefined))) {
      try {
        const value = apply(d.get, v, []);
        ctx.indentationLvl += 2;
        text = value === null ? `${ctx.stylize(`[${label}:`, "special")} null${ctx.stylize("]", "special")}` : typeof value === "object" ? `${ctx.stylize(`[${label}]`, "special")} ${formatValue(ctx, value, depth)}` : `${ctx.stylize(`[${label}:`, "special")} ${primitiveText(ctx, value)}${ctx.stylize("]", "special")}`;
        ctx.indentationLvl -= 2;
      } catch (e) {
        text = ctx.stylize(`[${label}: <Inspection threw (${e?.message})>]`, "special");
      }
    } else {
      text = ctx.stylize(`[${label}]`, "special");
    }
  } else {
    text = ctx.stylize("[Setter]", "special");
  }
  if (kind === 1 && typeof key === "string" && regexTest(indexName, key)) return text;
  let name;
  if (typeof key === "symbol") name = `[${ctx.stylize(symbolToString(key), "symbol")}]`;
  else if (key === "__proto__") name = "['__proto__']";
  else if (d.enumerable === false) name = `[${key}]`;
  else if (regexTest(identifier, key)) name = ctx.stylize(key, "name");
  else name = ctx.stylize(quoted(key), "string");
  return `${name}:${indent}${text}`;
}

function shownLength(text, inColors) {
  if (!inColors) return text.length;
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    if (charCode(text, i) === 27) {
      while (i < text.length && text[i] !== "m") i++;
      continue;
    }
    n++;
  }
  return n;
}

// group puts the short elements of a long array into columns.
function group(ctx, output, v) {
  let total = 0;
  let longest = 0;
  let i = 0;
  let count = output.length;
  if (ctx.maxArrayLength < output.length && v !== undefined && typeof v.length === "number" && v.length > ctx.maxArrayLength) count--; // "... more items"
  const separator = 2;
  const lengths = [];
  for (; i < count; i++) {
    const n = shownLength(output[i], ctx.colors);
    lengths[i] = n;
    total += n + separator;
    if (longest < n) longest = n;
  }
  const width = longest + separator;
  if (width * 3 + ctx.indentationLvl < ctx.breakLength && (total / width > 5 || longest <= 6)) {
    const biased = max(width - 3 - sqrt(width - total / output.length), 1);
    const columns = min(
      round(sqrt(2.5 * biased * count) / biased),
      floor((ctx.breakLength - ctx.indentationLvl) / width),
      ctx.compact * 4,
      15,
    );
    if (columns <= 1) return output;
    const out = [];
    const widths = [];
    for (let c = 0; c < columns; c++) {
      let w = 0;
      for (let k = c; k < count; k += columns) if (lengths[k] > w) w = lengths[k];
      push(widths, w + separator);
    }
    let pad = padStart;
    if (v !== undefined) for (let k = 0; k < count; k++) if (typeof v[k] !== "number" && typeof v[k] !== "bigint") { pad = padEnd; break; }
    for (let r = 0; r < count; r += columns) {
      const end = min(r + columns, count);
      let line = "";
      let k = r;
      for (; k < end - 1; k++) {
        const extra = output[k].length - lengths[k];
        line += pad(`${output[k]}, `, widths[k - r] + extra, " ");
      }
      if (pad === padStart) line += padStart(output[k], widths[k - r] + (output[k].length - lengths[k]) - separator, " ");
      else line += output[k];
      push(out, line);
    }
    if (count < output.length) push(out, output[count]);
    return out;
  }
  return output;
}

function reduceToSingle(ctx, output, base, braces, extras, depth, v) {
  if (ctx.compact !== true) {
    if (typeof ctx.compact === "number" && ctx.compact >= 1) {
      const entries = output.length;
      if (!extras && entries > 6) output = group(ctx, output, v);
      if (ctx.currentDepth - depth < ctx.compact && entries === output.length) {
        const start = output.length + ctx.indentationLvl + braces[0].length + base.length + 10;
        if (fits(ctx, output, start, base)) {
          const joined = join(output, ", ");
          if (strIndexOf(joined, "\n") < 0) return `${base === "" ? "" : `${base} `}${braces[0]} ${joined} ${braces[1]}`;
        }
      }
    }
    const indent = `\n${strRepeat(" ", ctx.indentationLvl)}`;
    return `${base === "" ? "" : `${base} `}${braces[0]}${indent}  ${join(output, `,${indent}  `)}${indent}${braces[1]}`;
  }
  if (fits(ctx, output, 0, base)) return `${braces[0]}${base === "" ? "" : ` ${base}`} ${join(output, ", ")} ${braces[1]}`;
  const indent = `\n${strRepeat(" ", ctx.indentationLvl)}`;
  const lead = base === "" && braces[0].length === 1 ? " " : `${base === "" ? "" : ` ${base}`}\n${indent}  `;
  return `${braces[0]}${lead}${join(output, `,${indent}  `)} ${braces[1]}`;
}

function fits(ctx, output, start, base) {
  let total = output.length + start;
  if (total + output.length > ctx.breakLength) return false;
  for (let i = 0; i < output.length; i++) {
    total += shownLength(output[i], ctx.colors);
    if (total > ctx.breakLength) return false;
  }
  return base === "" || strIndexOf(base, "\n") < 0;
}

// --- format

function formatNumberArg(v) {
  if (typeof v === "bigint") return `${v}n`;
  if (typeof v === "symbol") return "NaN";
  return numberText({ numericSeparator: false }, NumberOf(v));
}

// hasOwnToString tells an object whose text its program or class has made from one of the language's own.
function hasOwnToString(v) {
  for (let o = v, n = 0; o !== null && n < 100; o = getPrototypeOf(o), n++) {
    if (n === 0 && getOwnPropertyDescriptor(o, Symbol.toPrimitive) !== undefined) return true;
    if (getOwnPropertyDescriptor(o, "toString") === undefined) continue;
    const c = getOwnPropertyDescriptor(o, "constructor")?.value;
    return n === 0 || typeof c !== "function" || arrIndexOf(builtins, c) < 0;
  }
  return false;
}
const builtins = [];
for (const k of ownKeys(globalThis)) {
  const v = getOwnPropertyDescriptor(globalThis, k).value;
  if (typeof v === "function" && typeof k === "string" && regexTest(/^[A-Z]/, k)) push(builtins, v);
}

function formatWithOptions(options, ...args) {
  let out = "";
  let at = 0;
  const f = args[0];
  const show = (v, more) => inspect(v, { ...options, ...more });
  if (typeof f === "string") {
    if (args.length === 1) return f;
    at = 1;
    let from = 0;
    for (let i = 0; i < f.length - 1; i++) {
      if (charCode(f, i) !== 37) continue;
      const c = f[++i];
      if (c === "%") {
        out += slice(f, from, i);
        from = i + 1;
        continue;
      }
      if (at === args.length) continue;
      let text;
      const v = args[at];
      if (c === "s") {
        if (typeof v === "number") text = numberText({ numericSeparator: false }, v);
        else if (typeof v === "bigint") text = `${v}n`;
        else if (typeof v !== "object" || v === null || hasOwnToString(v)) text = typeof v === "symbol" ? symbolToString(v) : StringOf(v);
        else text = show(v, { depth: 0, colors: false, compact: 3 });
      } else if (c === "j") {
        try {
          text = `${jsonStringify(v)}`;
        } catch (e) {
          if (!(e instanceof TypeErrorCtor) || strIndexOf(`${e.message}`, "circular") < 0) throw e;
          text = "[Circular]";
        }
      } else if (c === "d") text = typeof v === "object" && v !== null ? formatNumberArg(NumberOf(v)) : formatNumberArg(v);
      else if (c === "O") text = show(v, {});
      else if (c === "o") text = show(v, { showHidden: true, showProxy: true, depth: 4 });
      else if (c === "i") text = typeof v === "bigint" ? `${v}n` : typeof v === "symbol" ? "NaN" : numberText({}, parseIntOf(v));
      else if (c === "f") text = typeof v === "symbol" ? "NaN" : numberText({}, parseFloatOf(v));
      else if (c === "c") text = "";
      else continue;
      out += slice(f, from, i - 1) + text;
      from = i + 1;
      at++;
    }
    out += slice(f, from);
  }
  for (; at < args.length; at++) {
    if (at > 0) out += " ";
    out += typeof args[at] === "string" ? args[at] : show(args[at], { compact: 3, colors: false, depth: options?.depth ?? 2 });
  }
  return out;
}
const parseFloatOf = parseFloat;
const parseIntOf = parseInt;

inspect.custom = custom;
inspect.colors = colors;
inspect.styles = styles;
defineProperty(inspect, "defaultOptions", {
  __proto__: null, enumerable: true,
  get: () => defaults,
  set(options) {
    if (options === null || typeof options !== "object") throw invalidArg("options", "of type object", options);
    for (const k of objectKeys(options)) defaults[k] = options[k];
  },
});

return { inspect, formatWithOptions, format: (...args) => formatWithOptions(undefined, ...args), isTyped, isDate, isRegExp, isWeakMap, isWeakSet, isPromise, isBoxed, colors };
