// What the streams share: queues, promises, callbacks of the program, queuing strategies.
//
// A stream, a controller, a reader and a writer are each a record (an object without a prototype), which its public
// object has in a private field; the steps of the standard are functions over records. Their names are those of the
// Streams standard, shortened.

const { pending, fulfill, refuse, handled, react } = host;
const promiseResolve = PromiseCtor.resolve;

// The states of a readable stream.
const isReadable = 0;
const isClosed = 1;
const isErrored = 2;

const lockedText = "This ReadableStream is currently locked to a reader.";

// settled is a fulfilled promise for the prelude's own use: no program ever gets it.
const settled = resolved(undefined);

// promised is the standard's "a promise resolved with": for what a callback of the program returned.
function promised(v) {
  return v === undefined ? settled : apply(promiseResolve, PromiseCtor, [v]);
}

// refused is a rejected promise that is never reported.
const refused = rejected;

// microtask runs f in a job of its own.
function microtask(f) {
  react(settled, f);
}

function noop() {}

// follow settles a promise like another one, of the prelude's own.
function follow(promise, other) {
  react(other, (v) => fulfill(promise, v), (e) => refuse(promise, e));
}

// chained is a promise of what f or g makes of a promise's end, which is a promise of the prelude's own or
// undefined. (The result of promiseThen
// would ask it for its then.)
function chained(promise, f, g) {
  const p = pending();
  const go = (f) => (v) => {
    let next;
    try {
      next = f(v);
    } catch (e) {
      refuse(p, e);
      return;
    }
    if (next === undefined) fulfill(p, undefined);
    else follow(p, next);
  };
  react(promise, go(f), g === undefined ? (e) => refuse(p, e) : go(g));
  return p;
}

function isObject(v) {
  return (typeof v === "object" && v !== null) || typeof v === "function";
}

// A queue is a list with both ends known: an array would have to move what is behind its head.
function newQueue() {
  return { __proto__: null, first: null, last: null, length: 0 };
}

function queueAdd(q, value) {
  const node = { __proto__: null, value, next: null };
  if (q.last === null) q.first = node;
  else q.last.next = node;
  q.last = node;
  q.length++;
}

function queueShift(q) {
  const node = q.first;
  q.first = node.next;
  if (node.next === null) q.last = null;
  q.length--;
  return node.value;
}

// A queue of chunks with sizes: what it has is in queue, total is the sum of the sizes.
function addSized(c, value, size) {
  size = +size;
  if (!(size >= 0) || size === Infinity) throw new RangeErrorCtor("The size of a chunk must be a number from 0 up, and not infinite");
  queueAdd(c.queue, { __proto__: null, value, size });
  c.total += size;
}

function takeSized(c) {
  const entry = queueShift(c.queue);
  c.total -= entry.size;
  if (c.total < 0) c.total = 0; // floating point
  return entry.value;
}

function resetSized(c) {
  c.queue = newQueue();
  c.total = 0;
}

// method reads a callback of a source, sink or transformer: null if there is none.
function method(of, name, what) {
  const f = of[name];
  if (f === undefined) return null;
  if (typeof f !== "function") throw new TypeErrorCtor(`${what}: ${name} must be a function, not ${typeName(f)}`);
  return f;
}

// callback makes steps that return a promise out of a method of the program's, which gets the first n arguments.
function callback(f, of, n) {
  if (f === null) return () => settled;
  return (a, b) => {
    try {
      return promised(apply(f, of, n === 0 ? [] : n === 1 ? [a] : [a, b]));
    } catch (e) {
      return refused(e);
    }
  };
}

// dictionary checks the kind of an options argument; what has members is read by the caller.
function dictionary(v, what) {
  if (v === undefined || v === null) return emptyDictionary;
  if (!isObject(v)) throw new TypeErrorCtor(`${what} must be an object, not ${typeName(v)}`);
  return v;
}
const emptyDictionary = freeze({ __proto__: null });

// strategyFrom converts a queuing strategy: its size is null if there is none.
function strategyFrom(v) {
  const d = dictionary(v, "A queuing strategy");
  let highWaterMark = d.highWaterMark;
  if (highWaterMark !== undefined) highWaterMark = +highWaterMark;
  return { __proto__: null, highWaterMark, size: method(d, "size", "A queuing strategy") };
}

function highWaterMarkOf(strategy, usual) {
  const h = strategy.highWaterMark;
  if (h === undefined) return usual;
  if (!(h >= 0)) throw new RangeErrorCtor("highWaterMark must be a number from 0 up");
  return h;
}

function sizeOf(strategy) {
  const f = strategy.size;
  return f === null ? one : (chunk) => apply(f, undefined, [chunk]);
}

function one() {
  return 1;
}

// A strategy's size is one function for all, as the standard has it.
const byteLengthSize = { size: (chunk) => chunk.byteLength }.size;
const countSize = { size: () => 1 }.size;
defineProperty(byteLengthSize, "name", { __proto__: null, value: "size", configurable: true });
defineProperty(countSize, "name", { __proto__: null, value: "size", configurable: true });

function strategyInit(init, name) {
  if (!isObject(init)) throw new TypeErrorCtor(`${name} needs an object with a highWaterMark`);
  const h = init.highWaterMark;
  if (h === undefined) throw new TypeErrorCtor(`${name} needs a highWaterMark`);
  return +h;
}

class ByteLengthQueuingStrategy {
  #highWaterMark;
  constructor(init) {
    this.#highWaterMark = strategyInit(init, "ByteLengthQueuingStrategy");
  }
  get highWaterMark() {
    return this.#highWaterMark;
  }
  get size() {
    void this.#highWaterMark;
    return byteLengthSize;
  }
}
webClass(ByteLengthQueuingStrategy, "ByteLengthQueuingStrategy");

class CountQueuingStrategy {
  #highWaterMark;
  constructor(init) {
    this.#highWaterMark = strategyInit(init, "CountQueuingStrategy");
  }
  get highWaterMark() {
    return this.#highWaterMark;
  }
  get size() {
    void this.#highWaterMark;
    return countSize;
  }
}
webClass(CountQueuingStrategy, "CountQueuingStrategy");
