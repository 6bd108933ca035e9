// What the prelude itself uses of the language, taken before a user's code can replace it.
//
// Every file here is a piece of one function, `function (host) { ... }`, in the order that prelude.go
// lists them; some of them run when they are first needed, and may then use nothing of the language by its global name. Code in it follows three rules. State lives in private fields, which no user's code can reach
// or forge. A built-in method is called through the constants below or not at all; array patterns and
// for-of are for values that come from the user, because they look up Symbol.iterator. And nothing is
// computed before someone asks for it. (What a program can still break is itself: a setter for an index on Array.prototype is
// called by every array that grows, ours too.)

const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty, getPrototypeOf } = Reflect;
const { assign, freeze, setPrototypeOf, keys: objectKeys } = Object;
const { isArray } = Array;
const callOf = Function.prototype.call;
const uncurry = callOf.bind.bind(callOf);

const slice = uncurry(String.prototype.slice);
const charCode = uncurry(String.prototype.charCodeAt);
const strIndexOf = uncurry(String.prototype.indexOf);
const toUpper = uncurry(String.prototype.toUpperCase);
const strRepeat = uncurry(String.prototype.repeat);
const padStart = uncurry(String.prototype.padStart);
const padEnd = uncurry(String.prototype.padEnd);
const strSplit = uncurry(String.prototype.split);
const toWellFormed = uncurry(String.prototype.toWellFormed);
const regexExec = uncurry(RegExp.prototype.exec);
const push = uncurry(Array.prototype.push);
const join = uncurry(Array.prototype.join);
const arrIndexOf = uncurry(Array.prototype.indexOf);
const mapGet = uncurry(Map.prototype.get);
const mapSet = uncurry(Map.prototype.set);
const mapHas = uncurry(Map.prototype.has);
const mapDelete = uncurry(Map.prototype.delete);
const mapForEach = uncurry(Map.prototype.forEach);
const setForEach = uncurry(Set.prototype.forEach);
const weakMapGet = uncurry(WeakMap.prototype.get);
const weakMapSet = uncurry(WeakMap.prototype.set);
const weakSetHas = uncurry(WeakSet.prototype.has);
const weakSetAdd = uncurry(WeakSet.prototype.add);
const dateToISO = uncurry(Date.prototype.toISOString);
const regexToString = uncurry(RegExp.prototype.toString);
const symbolToString = uncurry(Symbol.prototype.toString);
const mapSize = uncurry(getOwnPropertyDescriptor(Map.prototype, "size").get);
const setSize = uncurry(getOwnPropertyDescriptor(Set.prototype, "size").get);
const globalObject = globalThis;
const PromiseCtor = Promise;
const DateCtor = Date;
const MapCtor = Map;
const WeakMapCtor = WeakMap;
const ErrorCtor = Error;
const TypeErrorCtor = TypeError;
const RangeErrorCtor = RangeError;
const U8 = Uint8Array;
const { floor, trunc } = Math;
const { stringify: jsonStringify } = JSON;
const StringOf = String;
const NumberOf = Number;
const { isSafeInteger } = Number;
const { isView } = ArrayBuffer;
const IteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
const TypedArrayPrototype = getPrototypeOf(Uint8Array.prototype);
const typedTag = uncurry(getOwnPropertyDescriptor(TypedArrayPrototype, Symbol.toStringTag).get);
const typedBuffer = uncurry(getOwnPropertyDescriptor(TypedArrayPrototype, "buffer").get);
const typedByteOffset = uncurry(getOwnPropertyDescriptor(TypedArrayPrototype, "byteOffset").get);
const typedByteLength = uncurry(getOwnPropertyDescriptor(TypedArrayPrototype, "byteLength").get);
const viewBuffer = uncurry(getOwnPropertyDescriptor(DataView.prototype, "buffer").get);
const viewByteOffset = uncurry(getOwnPropertyDescriptor(DataView.prototype, "byteOffset").get);
const viewByteLength = uncurry(getOwnPropertyDescriptor(DataView.prototype, "byteLength").get);
const bufferByteLengthOf = uncurry(getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get);
const iteratorSymbol = Symbol.iterator;
const asyncIteratorSymbol = Symbol.asyncIterator;
const speciesSymbol = Symbol.species;
const toStringTagSymbol = Symbol.toStringTag;

// internal opens constructors that a user's code cannot call ("Illegal constructor") to the prelude.
const internal = Symbol("internal");

function illegalConstructor() {
  return new TypeErrorCtor("Illegal constructor");
}

// copyList is a copy of an array from an index on. Array.prototype.slice would ask for the constructor's species.
function copyList(list, from = 0) {
  const out = [];
  for (let i = from; i < list.length; i++) push(out, list[i]);
  return out;
}

// removeAt takes n elements out of an array.
function removeAt(list, at, n) {
  const left = list.length - n;
  for (let i = at; i < left; i++) list[i] = list[i + n];
  list.length = left;
}

// isBuffer tells an ArrayBuffer by its internal slot; instanceof could be fooled.
function isBuffer(v) {
  if (typeof v !== "object" || v === null) return false;
  try {
    bufferByteLengthOf(v);
    return true;
  } catch {
    return false;
  }
}

// bytesOf returns a Uint8Array over the memory of an ArrayBuffer or view (not a copy), or null when v is neither.
function bytesOf(v) {
  if (isView(v)) {
    if (typedTag(v) !== undefined) return new U8(typedBuffer(v), typedByteOffset(v), typedByteLength(v));
    return new U8(viewBuffer(v), viewByteOffset(v), viewByteLength(v));
  }
  if (isBuffer(v)) return new U8(v);
  return null;
}

// boxedString is the text of a String object, which stands for it where an API takes strings and objects; null for anything else.
const stringValue = uncurry(String.prototype.valueOf);
function boxedString(v) {
  try {
    return stringValue(v);
  } catch {
    return null;
  }
}

// typeName says what a value is, for error texts.
function typeName(v) {
  if (v === null) return "null";
  if (typeof v === "function") return "function";
  if (typeof v !== "object") return typeof v;
  try {
    const p = getPrototypeOf(v);
    const c = p === null ? undefined : p.constructor;
    if (typeof c === "function" && typeof c.name === "string" && c.name !== "") return c.name;
  } catch {
    // A proxy or a getter that throws has no name.
  }
  return "Object";
}

// hide sets a data property that does not show up in enumerations.
function hide(target, name, value) {
  defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
}

// setOwn sets a data property that shows up in them.
function setOwn(target, name, value) {
  defineProperty(target, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}

// Given gives a class that extends it no object of its own, but fields in another.
class Given {
  constructor(object) {
    return object;
  }
}

// givenField makes a private field that any object can be given, and the functions that read it (undefined where it was not set) and set it. It does what a
// WeakMap does, and the engine's collector sees what it holds: an entry of a WeakMap whose value refers to its key is never collected.
function givenField() {
  class Field extends Given {
    #value = undefined;
    static get(object) {
      return #value in object ? object.#value : undefined;
    }
    static set(object, value) {
      if (!(#value in object)) new Field(object);
      object.#value = value;
    }
  }
  return { __proto__: null, get: Field.get, set: Field.set };
}

// natives gives a class methods that the host has.
function natives(cls, methods) {
  const names = objectKeys(methods);
  for (let i = 0; i < names.length; i++) hide(cls.prototype, names[i], methods[names[i]]);
}
// webPrototypes has the prototype of every class of the Web APIs.
const webPrototypes = new WeakSet();

// webClass gives a class what WebIDL asks for: enumerable members, static ones too, and a toStringTag.
function webClass(cls, tag) {
  const proto = cls.prototype;
  weakSetAdd(webPrototypes, proto);
  const names = ownKeys(proto);
  for (let i = 0; i < names.length; i++) {
    if (names[i] === "constructor" || typeof names[i] === "symbol") continue;
    defineProperty(proto, names[i], { __proto__: null, enumerable: true });
  }
  const statics = ownKeys(cls);
  for (let i = 0; i < statics.length; i++) {
    const name = statics[i];
    if (name !== "length" && name !== "name" && name !== "prototype") defineProperty(cls, name, { __proto__: null, enumerable: true });
  }
  defineProperty(proto, toStringTagSymbol, { __proto__: null, value: tag, configurable: true });
}

// constants defines read-only numbers on a class and its prototype, as WebIDL constants are.
function constants(cls, table) {
  const names = objectKeys(table);
  for (let i = 0; i < names.length; i++) {
    const d = { __proto__: null, value: table[names[i]], enumerable: true };
    defineProperty(cls, names[i], d);
    defineProperty(cls.prototype, names[i], d);
  }
}

// resolved and rejected return promises that are settled already, made by the host in one step. The value given
// to resolved is never a thenable.
const { resolved, rejected } = host;

// promiseThen(promise, fulfilled, rejected) is promise.then without its questions to the program, which could replace
// the constructor of a promise or its species.
const promiseThen = host.then;

// attempt runs f and turns an exception into a rejected promise, as operations that return promises must.
function attempt(f) {
  try {
    return f();
  } catch (e) {
    return rejected(e);
  }
}

// pairIterator makes the iterator of a class that lists pairs. pairsOf(object) returns the current pairs, flat:
// name, value, name, value.
function pairIterator(tag, pairsOf) {
  class PairIterator {
    #of;
    #kind;
    #at = 0;
    constructor(of, kind) {
      this.#of = of;
      this.#kind = kind;
    }
    next() {
      const pairs = pairsOf(this.#of);
      const i = this.#at;
      if (i >= pairs.length) return { value: undefined, done: true };
      this.#at = i + 2;
      const kind = this.#kind;
      return { value: kind === 0 ? [pairs[i], pairs[i + 1]] : kind === 1 ? pairs[i] : pairs[i + 1], done: false };
    }
  }
  webClass(PairIterator, tag);
  delete PairIterator.prototype.constructor;
  setPrototypeOf(PairIterator.prototype, IteratorPrototype);
  return PairIterator;
}

// pairsFrom reads the initial pairs of Headers and URLSearchParams out of an iterable of pairs.
function pairsFrom(init, method, what) {
  const flat = [];
  for (const pair of { __proto__: null, [iteratorSymbol]: () => apply(method, init, []) }) {
    if ((typeof pair !== "object" && typeof pair !== "function") || pair === null || typeof pair[iteratorSymbol] !== "function") {
      throw new TypeErrorCtor(`${what}: each entry must be a pair of a name and a value`);
    }
    let n = 0;
    for (const part of pair) {
      if (++n > 2) break;
      push(flat, part);
    }
    if (n !== 2) throw new TypeErrorCtor(`${what}: each entry must be a pair of a name and a value`);
  }
  return flat;
}

// recordFrom reads them out of a plain object: own enumerable string keys in their order. convert checks or
// converts a string: a name before its value is read, and a value before the next one is.
function recordFrom(init, what, convert) {
  // By the book (WebIDL, record<K, V>): a property that a getter or a proxy takes away meanwhile does not count.
  const flat = [];
  const keys = ownKeys(init);
  for (let i = 0; i < keys.length; i++) {
    const d = getOwnPropertyDescriptor(init, keys[i]);
    if (d === undefined || !d.enumerable) continue;
    if (typeof keys[i] === "symbol") throw new TypeErrorCtor(`${what}: a symbol cannot be a name`);
    const name = convert(keys[i]);
    push(flat, name, convert(`${init[keys[i]]}`, name));
  }
  return flat;
}
