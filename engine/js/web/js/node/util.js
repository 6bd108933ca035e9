// node:util

const {
  apply, defineProperty, getOwnPropertyDescriptor, ownKeys, setPrototypeOf, getPrototypeOf, objectKeys, isArray, invalidArg, nodeError, needFunction, needString, ErrorCtor, TypeErrorCtor, RangeErrorCtor,
  PromiseCtor, promiseThen, queueMicrotask, reportError, isErrorObject, toWellFormed, slice, strIndexOf, strSplit, push, charCode, TextEncoder, TextDecoder, isAbortSignal, onAbort,
  hide, weakMapGet, weakMapSet, join, assign, regexExec, toUpper,
} = kit;
const { inspect, format, formatWithOptions, colors } = need("everloop/inspect");
const types = need("util/types");

const promisifyCustom = Symbol.for("nodejs.util.promisify.custom");

function promisify(original) {
  needFunction(original, "original");
  if (original[promisifyCustom]) {
    const f = needFunction(original[promisifyCustom], "util.promisify.custom");
    return defineProperty(f, promisifyCustom, { __proto__: null, value: f, enumerable: false, writable: false, configurable: true }) && f;
  }
  function f(...args) {
    return new PromiseCtor((resolve, reject) => {
      apply(original, this, [...args, (e, ...values) => (e ? reject(e) : resolve(values[0]))]);
    });
  }
  setPrototypeOf(f, getPrototypeOf(original));
  defineProperty(f, promisifyCustom, { __proto__: null, value: f, enumerable: false, writable: false, configurable: true });
  const keys = ownKeys(original);
  for (let i = 0; i < keys.length; i++) {
    const d = getOwnPropertyDescriptor(original, keys[i]);
    if (getOwnPropertyDescriptor(f, keys[i])?.configurable !== false) defineProperty(f, keys[i], d);
  }
  return f;
}
promisify.custom = promisifyCustom;

function callbackify(original) {
  needFunction(original, "original");
  function f(...args) {
    const callback = args.pop();
    needFunction(callback, "last argument");
    const { nextTick } = need("process");
    promiseThen(
      PromiseCtor.resolve(apply(original, this, args)),
      (v) => nextTick(() => apply(callback, this, [null, v])),
      (e) => {
        if (!e) {
          const was = e;
          e = nodeError(ErrorCtor, "ERR_FALSY_VALUE_REJECTION", "Promise was rejected with falsy value");
          e.reason = was;
        }
        nextTick(() => apply(callback, this, [e]));
      },
    );
  }
  const keys = ownKeys(original);
  for (let i = 0; i < keys.length; i++) {
    const d = getOwnPropertyDescriptor(original, keys[i]);
    if (keys[i] === "length" && typeof d.value === "number") d.value++;
    if (keys[i] === "name" && typeof d.value === "string") d.value += "Callbackified";
    if (getOwnPropertyDescriptor(f, keys[i])?.configurable !== false) defineProperty(f, keys[i], d);
  }
  return f;
}

function inherits(ctor, parent) {
  if (typeof ctor !== "function") throw invalidArg("ctor", "of type function", ctor);
  if (parent === undefined || parent === null) throw invalidArg("superCtor", "of type function", parent);
  if (parent.prototype === undefined) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_TYPE", `The "superCtor.prototype" property must be of type object. Received undefined`);
  defineProperty(ctor, "super_", { __proto__: null, value: parent, writable: true, configurable: true });
  setPrototypeOf(ctor.prototype, parent.prototype);
}

const warnedCodes = new Set();

function deprecate(f, message, code) {
  needFunction(f, "fn");
  if (code !== undefined) needString(code, "code");
  let warned = false;
  function deprecated(...args) {
    if (!warned) {
      warned = true;
      if (code === undefined || !warnedCodes.has(code)) {
        if (code !== undefined) warnedCodes.add(code);
        need("process").emitWarning(message, "DeprecationWarning", code, deprecated);
      }
    }
    return new.target ? Reflect.construct(f, args, new.target) : apply(f, this, args);
  }
  setPrototypeOf(deprecated, f);
  if (f.prototype) deprecated.prototype = f.prototype;
  defineProperty(deprecated, "length", { __proto__: null, value: f.length, configurable: true });
  return deprecated;
}

function debuglog(section, callback = undefined) {
  section = toUpper(`${section}`);
  let enabled;
  const isOn = () => {
    if (enabled === undefined) {
      const list = strSplit(`${need("process").env.NODE_DEBUG ?? ""}`, ",");
      enabled = false;
      for (let i = 0; i < list.length; i++) {
        const pattern = toUpper(list[i].trim());
        if (pattern !== "" && regexExec(new RegExp(`^${join(strSplit(pattern.replace(/[|\\{}()[\]^$+?.]/g, "\\$&"), "*"), ".*")}$`), section) !== null) enabled = true;
      }
    }
    return enabled;
  };
  const log = (...args) => {
    if (typeof callback === "function") {
      callback(log);
      callback = undefined;
    }
    if (isOn()) kit.consoleObject.error(`${section}: ${format(...args)}`);
  };
  defineProperty(log, "enabled", { __proto__: null, get: isOn, configurable: true, enumerable: true });
  return log;
}

function stripVTControlCharacters(text) {
  needString(text, "str");
  return text.replace(/[\u001B\u009B][[\]()#;?]*(?:(?:(?:(?:;[-a-zA-Z\d/\\#&.:=?%@~_]+)*|[a-zA-Z\d]+(?:;[-a-zA-Z\d/\\#&.:=?%@~_]*)*)?(?:\u0007|\u001B\u005C|\u009C))|(?:(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]))/g, "");
}

function styleText(style, text, options = undefined) {
  needString(text, "text");
  const list = isArray(style) ? style : [style];
  let left = "";
  let right = "";
  for (let i = 0; i < list.length; i++) {
    if (list[i] === "none") continue;
    const c = typeof list[i] === "string" ? colors[list[i]] : undefined;
    if (c === undefined) throw nodeError(TypeErrorCtor, "ERR_INVALID_ARG_VALUE", `The argument 'format' must be one of: ${join(objectKeys(colors).map((k) => `'${k}'`), ", ")}. Received ${inspect(list[i])}`);
    left += `\u001b[${c[0]}m`;
    right = `\u001b[${c[1]}m${right}`;
  }
  return left + text + right;
}

function getSystemErrorName(n) {
  const names = { "-1": "EPERM", "-2": "ENOENT", "-13": "EACCES", "-17": "EEXIST", "-22": "EINVAL", "-32": "EPIPE", "-98": "EADDRINUSE", "-104": "ECONNRESET", "-110": "ETIMEDOUT", "-111": "ECONNREFUSED" };
  return names[n];
}

function aborted(signal, resource) {
  if (signal === undefined || !isAbortSignal(signal)) throw invalidArg("signal", "an instance of AbortSignal", signal);
  if (resource === null || (typeof resource !== "object" && typeof resource !== "function")) throw invalidArg("resource", "of type object", resource);
  if (signal.aborted) return PromiseCtor.resolve();
  return new PromiseCtor((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

function toUSVString(text) {
  return toWellFormed(`${text}`);
}

class MIMEParams {
  #list = new Map();
  delete(name) { this.#list.delete(`${name}`); }
  get(name) { return this.#list.get(`${name}`) ?? null; }
  has(name) { return this.#list.has(`${name}`); }
  set(name, value) {
    name = `${name}`;
    value = `${value}`;
    if (name === "" || !/^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/.test(name)) throw nodeError(TypeErrorCtor, "ERR_INVALID_MIME_SYNTAX", `The MIME syntax for a parameter name in ${name} is invalid`);
    this.#list.set(name, value);
  }
  *entries() { yield* this.#list.entries(); }
  *keys() { yield* this.#list.keys(); }
  *values() { yield* this.#list.values(); }
  [Symbol.iterator]() { return this.entries(); }
  toString() {
    let out = "";
    for (const [k, v] of this.#list) {
      if (out !== "") out += ";";
      out += `${k}=${/^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/.test(v) ? v : `"${v.replace(/["\\]/g, "\\$&")}"`}`;
    }
    return out;
  }
}

class MIMEType {
  #type;
  #subtype;
  #params = new MIMEParams();
  constructor(text) {
    text = `${text}`.trim();
    const m = /^([!#$%&'*+\-.^_`|~A-Za-z0-9]+)\/([!#$%&'*+\-.^_`|~A-Za-z0-9]+)\s*(;.*)?$/s.exec(text);
    if (m === null) throw nodeError(TypeErrorCtor, "ERR_INVALID_MIME_SYNTAX", `The MIME syntax for a type in "${text}" is invalid`);
    this.#type = m[1].toLowerCase();
    this.#subtype = m[2].toLowerCase();
    const rest = m[3] ?? "";
    for (const p of rest.matchAll(/;\s*([^=;]+)=(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g)) {
      const name = p[1].toLowerCase();
      const value = p[2] !== undefined ? p[2].replace(/\\(.)/g, "$1") : p[3].trim();
      if (value !== "" && !this.#params.has(name)) this.#params.set(name, value);
    }
  }
  get type() { return this.#type; }
  set type(v) { this.#type = `${v}`.toLowerCase(); }
  get subtype() { return this.#subtype; }
  set subtype(v) { this.#subtype = `${v}`.toLowerCase(); }
  get essence() { return `${this.#type}/${this.#subtype}`; }
  get params() { return this.#params; }
  toString() {
    const p = this.#params.toString();
    return `${this.#type}/${this.#subtype}${p === "" ? "" : `;${p}`}`;
  }
  toJSON() { return this.toString(); }
}

// parseArgs reads options out of an array of words.
function parseArgs(config = {}) {
  const args = config.args ?? need("process").argv.slice(2);
  const options = config.options ?? {};
  const strict = config.strict ?? true;
  const allowPositionals = config.allowPositionals ?? !strict;
  const allowNegative = config.allowNegative ?? false;
  const values = { __proto__: null };
  const positionals = [];
  const tokens = [];
  const bad = (code, text) => nodeError(TypeErrorCtor, code, text);
  for (const [name, o] of Object.entries(options)) {
    if (o.type !== "string" && o.type !== "boolean") throw bad("ERR_INVALID_ARG_TYPE", `The "options.${name}.type" property must be one of type string or boolean.${kit.received(o.type)}`);
    if (o.short !== undefined && (typeof o.short !== "string" || o.short.length !== 1)) throw bad("ERR_INVALID_ARG_VALUE", `The property 'options.${name}.short' must be a single character. Received ${inspect(o.short)}`);
  }
  const longOf = (short) => Object.keys(options).find((k) => options[k].short === short) ?? short;
  const store = (name, value, raw) => {
    if (name === "__proto__") return;
    const o = Object.hasOwn(options, name) ? options[name] : undefined;
    if (o?.multiple) (values[name] ??= []).push(value);
    else values[name] = value;
  };
  const check = (name, value, raw) => {
    if (!strict) return;
    const o = Object.hasOwn(options, name) ? options[name] : undefined;
    if (o === undefined) {
      throw bad("ERR_PARSE_ARGS_UNKNOWN_OPTION", `Unknown option '${raw}'${allowPositionals ? `. To specify a positional argument starting with a '-', place it at the end of the command after '--', as in '-- "${raw}"` : ""}`);
    }
    const shown = `${o.short ? `-${o.short}, ` : ""}--${name}`;
    if (o.type === "string" && typeof value !== "string") throw bad("ERR_PARSE_ARGS_INVALID_OPTION_VALUE", `Option '${shown} <value>' argument missing`);
    if (o.type === "boolean" && value != null) throw bad("ERR_PARSE_ARGS_INVALID_OPTION_VALUE", `Option '${shown}' does not take an argument`);
  };
  const option = (name, value, raw, index, inline) => {
    const negated = allowNegative && value === undefined && slice(name, 0, 3) === "no-" && Object.hasOwn(options, slice(name, 3)) && options[slice(name, 3)].type === "boolean";
    const key = negated ? slice(name, 3) : name;
    tokens.push({ kind: "option", name: key, rawName: raw, index, value, inlineValue: inline });
    check(key, value, raw);
    store(key, value ?? !negated, raw);
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const takes = (name) => Object.hasOwn(options, name) && options[name].type === "string";
    if (arg === "--") {
      tokens.push({ kind: "option-terminator", index: i });
      for (let k = i + 1; k < args.length; k++) {
        tokens.push({ kind: "positional", index: k, value: args[k] });
        positionals.push(args[k]);
      }
      if (strict && !allowPositionals && i + 1 < args.length) throw bad("ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL", `Unexpected argument '${args[i + 1]}'. This command does not take positional arguments`);
      break;
    }
    if (slice(arg, 0, 2) === "--" && arg.length > 2) {
      const at = strIndexOf(arg, "=");
      const name = at < 0 ? slice(arg, 2) : slice(arg, 2, at);
      if (at > 0) option(name, slice(arg, at + 1), `--${name}`, i, true);
      else if (takes(name) && i + 1 < args.length && (args[i + 1][0] !== "-" || args[i + 1] === "-")) {
        option(name, args[i + 1], `--${name}`, i, false);
        i++;
      } else option(name, undefined, `--${name}`, i, undefined);
    } else if (arg[0] === "-" && arg.length > 1) {
      for (let k = 1; k < arg.length; k++) {
        const name = longOf(arg[k]);
        if (takes(name)) {
          if (k + 1 < arg.length) option(name, slice(arg, k + 1), `-${arg[k]}`, i, true);
          else if (i + 1 < args.length && (args[i + 1][0] !== "-" || args[i + 1] === "-")) {
            option(name, args[i + 1], `-${arg[k]}`, i, false);
            i++;
          } else option(name, undefined, `-${arg[k]}`, i, undefined);
          break;
        }
        option(name, undefined, `-${arg[k]}`, i, undefined);
      }
    } else {
      tokens.push({ kind: "positional", index: i, value: arg });
      if (!allowPositionals) throw bad("ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL", `Unexpected argument '${arg}'. This command does not take positional arguments`);
      positionals.push(arg);
    }
  }
  for (const [name, o] of Object.entries(options)) if (o.default !== undefined && values[name] === undefined) values[name] = o.default;
  const out = { values, positionals };
  if (config.tokens) out.tokens = tokens;
  return out;
}

function _extend(target, source) {
  if (source === null || typeof source !== "object") return target;
  return assign(target, source);
}

const { isDeepEqual, isDeepStrictEqual } = need("everloop/equal");

return {
  _extend, aborted, callbackify, debug: debuglog, debuglog, deprecate, format, formatWithOptions, getSystemErrorName,
  inherits, inspect, isArray: (v) => isArray(v), isDeepStrictEqual: (a, b) => isDeepStrictEqual(a, b), parseArgs, promisify, stripVTControlCharacters, styleText, toUSVString,
  TextDecoder, TextEncoder, types, MIMEType, MIMEParams,
  isBoolean: (v) => typeof v === "boolean", isBuffer: (v) => need("buffer").Buffer.isBuffer(v), isDate: types.isDate, isError: (v) => types.isNativeError(v) || v instanceof ErrorCtor,
  isFunction: (v) => typeof v === "function", isNull: (v) => v === null, isNullOrUndefined: (v) => v === null || v === undefined, isNumber: (v) => typeof v === "number",
  isObject: (v) => v !== null && typeof v === "object", isPrimitive: (v) => v === null || (typeof v !== "object" && typeof v !== "function"), isRegExp: types.isRegExp,
  isString: (v) => typeof v === "string", isSymbol: (v) => typeof v === "symbol", isUndefined: (v) => v === undefined,
  log: (...args) => kit.consoleObject.log(format(...args)),
};
