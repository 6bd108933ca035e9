// Namespaces, ids, stubs, and what an object sees: its state and its storage.
//
// Each of them holds a handle of the host (an object that only the host can read). A host call passes it along:
// the host never asks "which object is running?", because a promise that one object resolves can run the
// continuation of another.

// promiseOf is a promise for what a callback of the program returned, without asking the global Promise anything.
function promiseOf(value) {
  if (host.isPromise(value)) return value;
  const p = pending();
  host.settle(p, value);
  return p;
}

// wrongType refuses an argument in Cloudflare's words.
function wrongType(method, of, n, type) {
  return new TypeErrorCtor(`Failed to execute '${method}' on '${of}': parameter ${n} is not of type '${type}'.`);
}

// noOptions reports what can hold no options.
function noOptions(options) {
  return options !== undefined && options !== null && typeof options !== "object" && typeof options !== "function";
}

// An id is the host's handle of it itself, as is a namespace, a stub, a state, a storage and a transaction: an object of the host
// with the prototype of its class. What is done on every request is the host's as well.
class DurableObjectId {
  constructor() {
    throw illegalConstructor();
  }
  toString() {
    return host.idHex(this);
  }
  equals(other) {
    if (!host.isID(other)) throw wrongType("equals", "DurableObjectId", 1, "DurableObjectId");
    return host.idHex(this) === host.idHex(other);
  }
  // name and jurisdiction are properties of its own on Cloudflare: to define them would cost every request.
  get name() {
    return host.idName(this);
  }
  get jurisdiction() {
    host.idName(this);
    return undefined;
  }
}
webClass(DurableObjectId, "DurableObjectId");

// routing looks at the options of get: a hint where an object should live has nothing to choose here.
function routing(options) {
  const mode = options.routingMode;
  if (mode !== undefined && mode !== "primary-only") throw new RangeErrorCtor(`unknown routingMode: ${mode}`);
}

function noJurisdiction(j) {
  if (j !== undefined && j !== null) throw new ErrorCtor("Jurisdiction restrictions are not implemented in workerd.");
}

class DurableObjectNamespace {
  constructor() {
    throw illegalConstructor();
  }
  idFromString(id) {
    if (arguments.length === 0) throw wrongType("idFromString", "DurableObjectNamespace", 1, "string");
    // 0: it is not an id at all; 1: it is an id of another class.
    const made = host.idFromString(this, `${id}`);
    if (made === 0) throw new TypeErrorCtor("Invalid Durable Object ID: must be 64 hex digits");
    if (made === 1) throw new TypeErrorCtor("Durable Object ID is not valid for this namespace.");
    return made;
  }
  newUniqueId(options = undefined) {
    if (options !== undefined && options !== null) noJurisdiction(options.jurisdiction);
    return host.newUniqueId(this);
  }
  jurisdiction(jurisdiction = undefined) {
    noJurisdiction(jurisdiction);
    return host.sameNamespace(this);
  }
}
natives(DurableObjectNamespace, { idFromName: host.namespaceIDFromName, get: host.namespaceGet, getByName: host.namespaceGetByName });
webClass(DurableObjectNamespace, "DurableObjectNamespace");

// relativeURLs: a stub takes a URL without scheme and host, as it did before 2021-11-10.
let relativeURLs = false;

// fetchThrough sends a request to a stub, of an object or an entry point.
function fetchThrough(stub, input, init) {
  if (relativeURLs && !isRequest(input)) input = new URL(`${input}`, "https://fake-host/").href;
  if (init === undefined || init === null) {
    // A request of the host that was only looked at: in one step.
    const reply = host.stubForward(stub, input);
    if (reply !== null) return reply;
    if (typeof input === "string") return host.stubFetch(stub, "GET", requestURL(input), null, null, 0, 0);
    if (isRequest(input)) return sendRequest(stub, input);
  }
  return sendRequest(stub, new Request(input, init));
}

// id and name are properties of the stub's own.
class DurableObjectStub {
  constructor() {
    throw illegalConstructor();
  }
  fetch(input, init = undefined) {
    try {
      return fetchThrough(this, input, init);
    } catch (e) {
      return rejected(e);
    }
  }
}
webClass(DurableObjectStub, "DurableObject");
defineProperty(DurableObjectStub, "name", { __proto__: null, value: "DurableObject", configurable: true });

// storageKeys takes an array of keys, each made a string. One more than there may be is enough: the host refuses
// them then.
function storageKeys(keys) {
  const out = [];
  for (const k of keys) if (push(out, `${k}`) > 128) break;
  return out;
}

function mapFrom(flat) {
  const map = new MapCtor();
  for (let i = 0; i < flat.length; i += 2) mapSet(map, flat[i], flat[i + 1]);
  return map;
}

// writeFlags packs the options of a write: 1 allowConcurrency, 2 allowUnconfirmed, 4 noCache.
function writeFlags(options) {
  if (options === undefined || options === null) return 0;
  return (options.allowConcurrency ? 1 : 0) | (options.allowUnconfirmed ? 2 : 0) | (options.noCache ? 4 : 0);
}

// The operations below take the handle of a storage or of a transaction: what they do in either is the same. They
// throw, or return a promise.

function storageGet(h, key, options) {
  if (noOptions(options)) throw wrongType("get", host.storeName(h), 2, "GetOptions");
  if (isArray(key)) return host.storageGetMany(h, storageKeys(key));
  return host.storageGet(h, `${key}`);
}

function storagePut(h, key, value, options) {
  if (noOptions(options)) throw wrongType("put", host.storeName(h), 3, "PutOptions");
  if (typeof key === "function" || (typeof key === "object" && key !== null && !isArray(key))) {
    if (noOptions(value)) {
      throw new TypeErrorCtor("put() may only be called with a single key-value pair and optional options as put(key, value, options) or with multiple key-value pairs and optional options as put(entries, options)");
    }
    // put(entries, options)
    return host.storagePutMany(h, key, writeFlags(value));
  }
  key = `${key}`;
  if (value === undefined) throw new TypeErrorCtor("put() called with undefined value.");
  return host.storagePut(h, key, value, writeFlags(options));
}

function storageDelete(h, key, options) {
  if (noOptions(options)) throw wrongType("delete", host.storeName(h), 2, "PutOptions");
  if (isArray(key)) return host.storageDeleteMany(h, storageKeys(key), writeFlags(options));
  return host.storageDelete(h, `${key}`, writeFlags(options));
}

function listBound(v) {
  return v === undefined ? null : `${v}`;
}

// listLimit makes an integer of a limit as Web IDL does, which has 32 bits; nothing is no limit.
function listLimit(v) {
  if (v === undefined) return 0;
  v = +v;
  v = v - v === 0 ? trunc(v) : 0; // NaN and the infinities are 0
  if (v < -2147483648 || v > 2147483647) throw new TypeErrorCtor("Value out of range. Must be between -2147483648 and 2147483647 (inclusive).");
  if (v <= 0) throw new TypeErrorCtor("List limit must be positive.");
  return v;
}

// storageList returns a flat array of keys and values. of is the class whose list it is.
function storageList(h, options, of) {
  if (noOptions(options)) throw wrongType("list", of, 1, "ListOptions");
  if (options === undefined || options === null) return host.storageList(h, null, null, null, null, false, 0);
  const start = listBound(options.start);
  const after = listBound(options.startAfter);
  const end = listBound(options.end);
  const prefix = listBound(options.prefix);
  const reverse = !!options.reverse;
  const limit = listLimit(options.limit);
  if (start !== null && after !== null) throw new TypeErrorCtor("list() cannot be called with both start and startAfter values.");
  return host.storageList(h, start, after, end, prefix, reverse, limit);
}

// SyncKvStorage is storage.kv: the same entries, at once.
class SyncKvStorage {
  #h;
  constructor(key, h) {
    if (key !== internal) throw illegalConstructor();
    this.#h = h;
  }
  get(key) {
    return host.kvGet(this.#h, `${key}`);
  }
  put(key, value) {
    host.kvPut(this.#h, `${key}`, value);
  }
  delete(key) {
    return host.kvDelete(this.#h, `${key}`);
  }
  list(options = undefined) {
    return new ListIterator(internal, storageList(this.#h, options, "SyncKvStorage"));
  }
}
webClass(SyncKvStorage, "SyncKvStorage");

class ListIterator {
  #flat;
  #at = 0;
  constructor(key, flat) {
    if (key !== internal) throw illegalConstructor();
    this.#flat = flat;
  }
  next() {
    const i = this.#at;
    if (i >= this.#flat.length) return { value: undefined, done: true };
    this.#at = i + 2;
    return { value: [this.#flat[i], this.#flat[i + 1]], done: false };
  }
}
webClass(ListIterator, "ListIterator");
setPrototypeOf(ListIterator.prototype, IteratorPrototype);

// What an object has on Cloudflare and not here yet says so when it is used, not when it is looked at: programs probe.
const absent = (feature) => new ErrorCtor(`${feature}: this version of everloop does not have it.`);

// inSection enters a critical section of the object behind h and runs first in its first turn, with the section and the
// promise that inSection returns. (A promise returned by first instead would be asked for its then, which the program may
// have replaced.)
function inSection(h, first) {
  const promise = pending();
  const fail = (e) => refuse(promise, e);
  react(host.blockEnter(h), (section) => {
    try {
      first(section, promise);
    } catch (e) {
      fail(e);
    }
  }, fail);
  return promise;
}

function runSection(h, section, callback, promise) {
  let running;
  try {
    running = promiseOf(callback());
  } catch (e) {
    host.blockLeave(h, section, false, e);
    throw e;
  }
  react(
    running,
    (v) => {
      host.blockLeave(h, section, true);
      fulfill(promise, v);
    },
    (e) => {
      host.blockLeave(h, section, false, e);
      refuse(promise, e);
    },
  );
}

const { get: givenKV, set: giveKV } = givenField(); // of storages

class DurableObjectStorage {
  constructor() {
    throw illegalConstructor();
  }
  delete(key, options = undefined) {
    try {
      if (arguments.length === 0) throw wrongType("delete", "DurableObjectStorage", 1, "string or Array");
      return storageDelete(this, key, options);
    } catch (e) {
      return rejected(e);
    }
  }
  list(options = undefined) {
    try {
      return resolved(mapFrom(storageList(this, options, "DurableObjectStorage")));
    } catch (e) {
      return rejected(e);
    }
  }
  get kv() {
    let kv = givenKV(this);
    if (kv === undefined) {
      stateOnly(this);
      kv = new SyncKvStorage(internal, this);
      giveKV(this, kv);
    }
    return kv;
  }
  get sql() {
    throw absent("storage.sql");
  }
  getCurrentBookmark() {
    return attempt(() => host.storageCurrentBookmark(this));
  }
  getBookmarkForTime(timestamp) {
    return attempt(() => host.storageBookmarkForTime(this, timestamp));
  }
  onNextSessionRestoreBookmark(bookmark) {
    const none = arguments.length === 0;
    return attempt(() => {
      if (none) throw wrongType("onNextSessionRestoreBookmark", "DurableObjectStorage", 1, "string");
      return host.storageRestoreNext(this, `${bookmark}`);
    });
  }
  deleteAll(options = undefined) {
    try {
      if (noOptions(options)) throw wrongType("deleteAll", "DurableObjectStorage", 1, "PutOptions");
      return host.storageDeleteAll(this, writeFlags(options));
    } catch (e) {
      return rejected(e);
    }
  }
  sync() {
    try {
      return host.storageSync(this);
    } catch (e) {
      return rejected(e);
    }
  }
  transactionSync(callback) {
    if (typeof callback !== "function") throw wrongType("transactionSync", "DurableObjectStorage", 1, "function");
    const txn = host.txnBegin(this);
    let v;
    try {
      v = callback();
    } catch (e) {
      host.txnEnd(txn, false);
      throw e;
    }
    host.txnEnd(txn, true);
    return v;
  }
}
natives(DurableObjectStorage, {
  get: host.storageGetMethod, put: host.storagePutMethod, transaction: host.storageTransaction,
  getAlarm: host.storageGetAlarm, setAlarm: host.storageSetAlarm, deleteAlarm: host.storageDeleteAlarm,
});
webClass(DurableObjectStorage, "DurableObjectStorage");

class DurableObjectTransaction {
  constructor() {
    throw illegalConstructor();
  }
  delete(key, options = undefined) {
    const none = arguments.length === 0;
    return attempt(() => {
      if (none) throw wrongType("delete", "DurableObjectTransaction", 1, "string or Array");
      return storageDelete(this, key, options);
    });
  }
  list(options = undefined) {
    return attempt(() => resolved(mapFrom(storageList(this, options, "DurableObjectTransaction"))));
  }
  deleteAll() {
    return rejected(new ErrorCtor("Cannot call deleteAll() within a transaction"));
  }
  rollback() {
    host.txnRollback(this);
  }
}
natives(DurableObjectTransaction, {
  get: host.storageGetMethod, put: host.storagePutMethod, getAlarm: host.storageGetAlarm, setAlarm: host.storageSetAlarm, deleteAlarm: host.storageDeleteAlarm,
});
webClass(DurableObjectTransaction, "DurableObjectTransaction");

// holdFor tells the host of a promise that must be waited for; h is an object's or an event's handle.
function holdFor(h, promise) {
  const n = host.waitBegin(h);
  react(
    promiseOf(promise),
    () => host.waitEnd(h, n),
    (e) => host.waitEnd(h, n, e),
  );
}

function stateOnly(v) {
  if (!host.isObject(v)) throw new TypeErrorCtor("Illegal invocation");
}

const actorIDs = new WeakMapCtor(); // of states

// unsigned makes an integer of 32 bits, as Cloudflare's runtime converts one.
function unsigned(v) {
  v = +v;
  if (v !== v || v - v !== 0) throw new TypeErrorCtor("The value cannot be converted because it is not an integer.");
  v = trunc(v);
  if (v < 0) throw new TypeErrorCtor("The value cannot be converted because it is negative and this API expects a positive number.");
  if (v > 4294967295) throw new TypeErrorCtor("Value out of range. Must be less than or equal to 4294967295.");
  return v;
}

class DurableObjectState {
  constructor() {
    throw illegalConstructor();
  }
  get id() {
    let id = weakMapGet(actorIDs, this);
    if (id === undefined) {
      id = host.actorID(this);
      weakMapSet(actorIDs, this, id);
    }
    return id;
  }
  get props() {
    stateOnly(this);
    return propsOf(this);
  }
  get exports() {
    stateOnly(this);
    return programExports;
  }
  // The callback runs in a later turn, as on Cloudflare: the first of its critical section.
  blockConcurrencyWhile(callback) {
    return attempt(() => {
      const h = this;
      if (typeof callback !== "function") throw wrongType("blockConcurrencyWhile", "DurableObjectState", 1, "function");
      return inSection(h, (section, promise) => runSection(h, section, callback, promise));
    });
  }
  waitUntil(promise) {
    if (arguments.length === 0) throw wrongType("waitUntil", "DurableObjectState", 1, "Promise");
    holdFor(this, promise);
  }
  acceptWebSocket(ws, tags = undefined) {
    if (!host.isWebSocket(ws)) throw wrongType("acceptWebSocket", "DurableObjectState", 1, "WebSocket");
    if (tags !== undefined && !isArray(tags)) throw wrongType("acceptWebSocket", "DurableObjectState", 2, "Array");
    const list = [];
    if (tags !== undefined) for (let i = 0; i < tags.length; i++) push(list, `${tags[i]}`);
    host.socketsAccept(this, ws, list);
  }
  getTags(ws) {
    if (!host.isWebSocket(ws)) throw wrongType("getTags", "DurableObjectState", 1, "WebSocket");
    return host.socketsTags(this, ws);
  }
  setWebSocketAutoResponse(pair = undefined) {
    setAutoResponse(this, pair);
  }
  getWebSocketAutoResponse() {
    return autoResponse(this);
  }
  getWebSocketAutoResponseTimestamp(ws) {
    if (!host.isWebSocket(ws)) throw wrongType("getWebSocketAutoResponseTimestamp", "DurableObjectState", 1, "WebSocket");
    const at = host.socketsAutoTime(this, ws);
    return at === null ? null : new DateCtor(at);
  }
  setHibernatableWebSocketEventTimeout(timeout = undefined) {
    host.socketsSetTimeout(this, timeout === undefined ? 0 : unsigned(timeout));
  }
  getHibernatableWebSocketEventTimeout() {
    return host.socketsTimeout(this);
  }
  // broadcast is everloop's own: it sends a message to every open socket of the object.
  broadcast(message, options = undefined) {
    if (arguments.length === 0) throw wrongType("broadcast", "DurableObjectState", 1, "ArrayBuffer or ArrayBufferView or string");
    if (noOptions(options)) throw wrongType("broadcast", "DurableObjectState", 2, "BroadcastOptions");
    const { tag, except } = options ?? {};
    if (except !== undefined && except !== null && !host.isWebSocket(except)) {
      throw new TypeErrorCtor("Incorrect type for the 'except' field on 'BroadcastOptions': the provided value is not of type 'WebSocket'.");
    }
    return host.socketsBroadcast(this, message, tag === undefined ? null : `${tag}`, except);
  }
  get facets() {
    throw absent("ctx.facets");
  }
  get container() {
    return undefined; // as for a class without one
  }
  // abort does not return: the host stops the program at once, and no catch or finally runs.
  abort(reason = undefined, options = undefined) {
    const retryAlarm = options === undefined || options === null || options.retryAlarm === undefined ? true : !!options.retryAlarm;
    host.abort(this, reason === undefined ? undefined : reason instanceof ErrorCtor ? reason : new ErrorCtor(`${reason}`), retryAlarm);
  }
}
natives(DurableObjectState, { getWebSockets: host.socketsList });
defineProperty(DurableObjectState.prototype, "storage", { __proto__: null, get: host.stateStorage, configurable: true });
webClass(DurableObjectState, "DurableObjectState");
hide(DurableObjectState.prototype, "broadcast", DurableObjectState.prototype.broadcast); // who lists the members of ctx finds Cloudflare's

// socketBytes is what a Blob holds that is sent into a WebSocket.
function socketBytes(v) {
  return isBlob(v) ? blobBytes(v) : null;
}
