// Modules of Node's and Cloudflare's names. Each is a file of its own, in node/ and cloudflare/, which is compiled when the
// first program of the process imports it and run in each runtime whose program does. What a file returns is what require()
// would give; its properties are the module's named exports.

const requireCache = new MapCtor(); // by name, such as "node:util/types"

// requireModule is what a module gives, or null where there is none of that name.
function requireModule(name) {
  let exports = mapGet(requireCache, name);
  if (exports !== undefined) return exports;
  const make = host.moduleCode(name);
  exports = make !== null ? make(moduleKit(), (n) => requireModule(`node:${n}`)) : slice(name, 0, 5) === "node:" ? absentModule(name) : null;
  if (exports !== null) mapSet(requireCache, name, exports);
  return exports;
}

function absentModule(name) {
  return requireModule("node:everloop/absent")(slice(name, 5));
}

// moduleNames are the names that a module exports besides "default".
const hiddenFunctionKeys = ["length", "name", "prototype", "caller", "arguments"];
function moduleExports(name) {
  const exports = slice(name, 0, 14) === "node:everloop/" ? null : requireModule(name);
  if (exports === null) return null;
  const all = { __proto__: null };
  const keys = ownKeys(exports);
  for (let i = 0; i < keys.length; i++) {
    if (typeof keys[i] === "symbol" || (typeof exports === "function" && arrIndexOf(hiddenFunctionKeys, keys[i]) >= 0)) continue;
    all[keys[i]] = exports[keys[i]];
  }
  all.default = exports;
  return all;
}

// nodeError is an error with one of Node's codes, which its name shows nowhere and its stack does.
function nodeError(Ctor, code, message) {
  const e = new Ctor(message);
  hide(e, "code", code);
  return e;
}

// received ends the text of an ERR_INVALID_ARG_TYPE as Node does.
function received(v) {
  if (v === null || v === undefined) return ` Received ${v}`;
  if (typeof v === "function") return ` Received function ${v.name}`;
  if (typeof v === "object") {
    const name = v.constructor?.name;
    if (name) return ` Received an instance of ${name}`;
    return ` Received ${inspect(v, inspection())}`;
  }
  let text = inspect(v, inspection());
  if (text.length > 28) text = `${slice(text, 0, 25)}...`;
  return ` Received type ${typeof v} (${text})`;
}

function invalidArg(name, expected, v) {
  const kind = strIndexOf(name, " argument") > 0 ? `The ${name}` : `The "${name}" ${strIndexOf(name, ".") >= 0 ? "property" : "argument"}`;
  return nodeError(TypeErrorCtor, "ERR_INVALID_ARG_TYPE", `${kind} must be ${expected}.${received(v)}`);
}

function outOfRange(name, range, v) {
  let text = typeof v === "bigint" ? `${v}n` : inspect(v, inspection());
  if (typeof v === "number" && isSafeInteger(v) && (v > 4294967296 || v < -4294967296)) text = grouped(`${v}`);
  else if (typeof v === "bigint" && (v > 4294967296n || v < -4294967296n)) text = `${grouped(`${v}`)}n`;
  return nodeError(RangeErrorCtor, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${text}`);
}

function grouped(digits) {
  let out = "";
  let i = digits.length;
  const least = digits[0] === "-" ? 4 : 3;
  for (; i >= least + 1; i -= 3) out = `_${slice(digits, i - 3, i)}${out}`;
  return slice(digits, 0, i) + out;
}

function needFunction(v, name) {
  if (typeof v !== "function") throw invalidArg(name, "of type function", v);
  return v;
}

function needString(v, name) {
  if (typeof v !== "string") throw invalidArg(name, "of type string", v);
  return v;
}

function needWhole(v, name, least = -9007199254740991, most = 9007199254740991) {
  if (typeof v !== "number") throw invalidArg(name, "of type number", v);
  if (floor(v) !== v) throw outOfRange(name, "an integer", v);
  if (v < least || v > most) throw outOfRange(name, `>= ${least} && <= ${most}`, v);
  return v;
}

const arrSlice = uncurry(Array.prototype.slice);
const splice = uncurry(Array.prototype.splice);

// moduleKit is what the files of modules get of the prelude.
let theKit;
function moduleKit() {
  if (theKit === undefined) {
    theKit = {
      __proto__: null,
      host, requireModule,
      apply, ownKeys, getOwnPropertyDescriptor, defineProperty, getPrototypeOf, assign, freeze, setPrototypeOf, objectKeys, isArray,
      uncurry, slice, charCode, strIndexOf, toUpper, strRepeat, padStart, padEnd, strSplit, toWellFormed, regexExec, push, arrSlice, splice, join,
      arrIndexOf, mapGet, mapSet, mapHas, mapDelete, mapForEach, setForEach, weakMapGet, weakMapSet, promiseThen, dateToISO, regexToString,
      symbolToString, mapSize, setSize, PromiseCtor, MapCtor, WeakMapCtor, ErrorCtor, TypeErrorCtor, RangeErrorCtor, U8, floor, trunc, jsonStringify,
      StringOf, NumberOf, isSafeInteger, isView, TypedArrayPrototype, typedTag, typedBuffer, typedByteOffset, typedByteLength, viewBuffer, viewByteOffset,
      viewByteLength, bufferByteLengthOf, iteratorSymbol, asyncIteratorSymbol, speciesSymbol, internal, illegalConstructor, isBuffer, bytesOf, typeName,
      hide, resolved, rejected, inspect, inspection, format, functionHead, numberToString, isErrorObject, errorText, functionToString, objectTag, isMap, isSet, quote,
      nodeError, received, invalidArg, outOfRange, needFunction, needString, needWhole,
      useContexts, contextValue, contextHas, enterContext, contextualNow,
      isBufferSource, bytesIn, isAbortSignal, onAbort, consoleObject: console, theCrypto, reportError, isCryptoKey: (v) => keyFields(v) !== null, isBlob, isHeaders, isRequest, isResponse,
      setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask, startTimer, structuredClone,
      defineIndex, targetListeners, TextEncoder, TextDecoder, URL, URLSearchParams, EventTarget, Event, AbortController, AbortSignal, DOMException, Blob, File,
      ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableStreamBYOBRequest, ReadableByteStreamController,
      ReadableStreamDefaultController, TransformStream, TransformStreamDefaultController, WritableStream, WritableStreamDefaultController,
      WritableStreamDefaultWriter, ByteLengthQueuingStrategy, CountQueuingStrategy, TextEncoderStream, TextDecoderStream, CompressionStream,
      DecompressionStream, Performance, atob, btoa,
    };
  }
  return theKit;
}

// nodeGlobals gives a program with the flag nodejs_compat Node's globals. What they are is found out when they are first used.
function nodeGlobals() {
  lazyGlobal("Buffer", () => requireModule("node:buffer").Buffer);
  lazyGlobal("process", () => requireModule("node:process"));
  lazyGlobal("setImmediate", () => requireModule("node:timers").setImmediate);
  lazyGlobal("clearImmediate", () => requireModule("node:timers").clearImmediate);
  hide(globalThis, "global", globalThis);
}

function lazyGlobal(name, make) {
  const set = (value) => {
    defineProperty(globalThis, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
    return value;
  };
  defineProperty(globalThis, name, { __proto__: null, get: () => set(make()), set, enumerable: false, configurable: true });
}
