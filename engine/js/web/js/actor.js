// Namespaces, ids, stubs, and what an object sees: its state and its storage.
//
// Each of them holds a handle of the host (an object that only the host can read). A host call passes it along:
// the host never asks "which object is running?", because a promise that one object resolves can run the
// continuation of another.

function settle(value) {
  // A promise for a value that may be a promise, without asking the global Promise anything.
  return new PromiseCtor((resolve) => resolve(value));
}

let idHex;
let openStub; // (id, namespace handle) a stub for it
let newID;
let isID;

class DurableObjectId {
  #ns;
  #hex; // null until asked for: an id from a name is worked out in the host
  #name;
  constructor(key, ns, hex, name) {
    if (key !== internal) throw illegalConstructor();
    this.#ns = ns;
    this.#hex = hex;
    this.#name = name;
  }
  toString() {
    return this.#hex === null ? idHex(this) : this.#hex;
  }
  equals(other) {
    if (!isID(other)) throw new TypeErrorCtor(`DurableObjectId.equals needs a DurableObjectId, not ${typeName(other)}`);
    return idHex(this) === idHex(other);
  }
  get name() {
    return this.#name;
  }
  static {
    newID = (ns, hex, name) => new DurableObjectId(internal, ns, hex, name);
    isID = (v) => typeof v === "object" && v !== null && #hex in v;
    idHex = (id) => {
      if (id.#hex === null) id.#hex = host.idFromName(id.#ns, id.#name);
      return id.#hex;
    };
    openStub = (id, ns) => {
      let of;
      try {
        of = id.#ns; // throws for anything else, and costs less than asking first
      } catch {
        throw new TypeErrorCtor(`DurableObjectNamespace.get needs a DurableObjectId, not ${typeName(id)}`);
      }
      // The same class may be bound twice: then the handles differ and the host decides.
      if (of !== ns && typeof host.idFromString(ns, idHex(id)) !== "string") throw new TypeErrorCtor(wrongNamespace);
      const name = id.#name;
      // The host defines id and name: an assignment would look for setters up to the proxy at the end of the chain.
      return name === undefined ? host.stubByID(ns, id.#hex, id) : host.stubByName(ns, name, id);
    };
  }
}
webClass(DurableObjectId, "DurableObjectId");

const wrongNamespace = "Durable Object ID is not valid for this namespace.";

function noJurisdiction(j) {
  if (j !== undefined && j !== null) throw new ErrorCtor("Jurisdiction restrictions are not implemented in workerd.");
}

let namespaceFrom;

class DurableObjectNamespace {
  #ns;
  constructor(key, ns) {
    if (key !== internal) throw illegalConstructor();
    this.#ns = ns;
  }
  idFromName(name) {
    return new DurableObjectId(internal, this.#ns, null, typeof name === "string" ? name : `${name}`);
  }
  idFromString(id) {
    id = `${id}`;
    // 0: it is not an id at all; 1: it is an id of another class.
    const hex = host.idFromString(this.#ns, id);
    if (hex === 0) throw new TypeErrorCtor("Invalid Durable Object ID: must be 64 hex digits");
    if (hex === 1) throw new TypeErrorCtor(wrongNamespace);
    return newID(this.#ns, hex, undefined);
  }
  newUniqueId(options = undefined) {
    if (options !== undefined && options !== null) noJurisdiction(options.jurisdiction);
    return newID(this.#ns, host.newUniqueId(this.#ns), undefined);
  }
  get(id, options = undefined) {
    return openStub(id, this.#ns);
  }
  getByName(name, options = undefined) {
    const ns = this.#ns;
    if (typeof name !== "string") name = `${name}`;
    return openStub(new DurableObjectId(internal, ns, null, name), ns);
  }
  jurisdiction(jurisdiction = undefined) {
    noJurisdiction(jurisdiction);
    return new DurableObjectNamespace(internal, this.#ns);
  }
  static {
    namespaceFrom = (ns) => new DurableObjectNamespace(internal, ns);
  }
}
webClass(DurableObjectNamespace, "DurableObjectNamespace");

// fetchThrough sends a request to a stub, of an object or an entry point.
function fetchThrough(stub, input, init) {
  if (init === undefined || init === null) {
    // A request of the host that was only looked at: in one step.
    const reply = host.stubForward(stub, input);
    if (reply !== null) return reply;
    if (typeof input === "string") return host.stubFetch(stub, "GET", requestURL(input), null, null, 0);
    if (isRequest(input)) return sendRequest(stub, input);
  }
  return sendRequest(stub, new Request(input, init));
}

// A stub is the host's handle of it itself, an object of the host with this class's prototype. id and name are properties
// of its own.
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

// storageKeys takes an array of keys (any iterable), each made a string. One more than there may be is enough: the host refuses
// them then.
function storageKeys(keys) {
  const out = [];
  for (const k of keys) if (push(out, `${k}`) > 128) break;
  return out;
}

function isKeyList(v) {
  return typeof v === "object" && v !== null && typeof v[iteratorSymbol] === "function";
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
  if (isKeyList(key)) return resolved(mapFrom(host.storageGetMany(h, storageKeys(key))));
  return host.storageGet(h, `${key}`);
}

function storagePut(h, key, value, options) {
  if (typeof key === "object" && key !== null) {
    // put(entries, options): fields that are undefined are left out.
    const flat = [];
    const names = objectKeys(key);
    for (let i = 0; i < names.length; i++) {
      const v = key[names[i]];
      if (v !== undefined) push(flat, names[i], v);
    }
    return host.storagePutMany(h, flat, writeFlags(value));
  }
  key = `${key}`;
  if (value === undefined) throw new TypeErrorCtor("put() called with undefined value.");
  return host.storagePut(h, key, value, writeFlags(options));
}

function storageDelete(h, key, options) {
  if (isKeyList(key)) return host.storageDeleteMany(h, storageKeys(key), writeFlags(options));
  return host.storageDelete(h, `${key}`, writeFlags(options));
}

function listBound(v) {
  return v === undefined || v === null ? null : `${v}`;
}

// storageList returns a flat array of keys and values.
function storageList(h, options) {
  if (options === undefined || options === null) return host.storageList(h, null, null, null, null, false, 0);
  const start = listBound(options.start);
  const after = listBound(options.startAfter);
  const end = listBound(options.end);
  const prefix = listBound(options.prefix);
  const reverse = !!options.reverse;
  let limit = 0; // no limit
  if (options.limit !== undefined && options.limit !== null) {
    limit = trunc(+options.limit);
    if (!(limit > 0)) throw new TypeErrorCtor("List limit must be positive.");
    if (limit > 2147483647) limit = 2147483647;
  }
  if (start !== null && after !== null) throw new TypeErrorCtor("list() cannot be called with both start and startAfter values.");
  return host.storageList(h, start, after, end, prefix, reverse, limit);
}

// SyncKV is storage.kv: the same entries, at once.
class SyncKV {
  #h;
  constructor(key, h) {
    if (key !== internal) throw illegalConstructor();
    this.#h = h;
  }
  get(key) {
    return host.kvGet(this.#h, `${key}`);
  }
  put(key, value) {
    key = `${key}`;
    if (value === undefined) throw new TypeErrorCtor("put() called with undefined value.");
    host.kvPut(this.#h, key, value);
  }
  delete(key) {
    return host.kvDelete(this.#h, `${key}`);
  }
  list(options = undefined) {
    return pairs(storageList(this.#h, options));
  }
}
webClass(SyncKV, "SyncKvStorage");

function* pairs(flat) {
  for (let i = 0; i < flat.length; i += 2) yield [flat[i], flat[i + 1]];
}

// What an object has on Cloudflare and not here yet says so when it is used, not when it is looked at: programs probe.
const absent = (feature) => new ErrorCtor(`${feature}: this version of everloop does not have it.`);
const noAlarms = () => rejected(absent("Alarms"));
const noRecovery = () => rejected(new ErrorCtor("This Durable Object's storage back-end does not implement point-in-time recovery."));
const noSockets = () => {
  throw absent("WebSockets of a Durable Object");
};

let transactionFrom;

// inSection enters a critical section of the object behind h and runs first in its first turn, with the section and the
// functions that settle the promise which inSection returns. (A promise returned by first instead would be asked for
// its then, which the program may have replaced.)
function inSection(h, first) {
  return new PromiseCtor((resolve, reject) => {
    promiseThen(host.blockEnter(h), (section) => {
      try {
        first(section, resolve, reject);
      } catch (e) {
        reject(e);
      }
    }, reject);
  });
}

function runTransaction(h, section, callback, resolve, reject) {
  let handle, txn, running;
  try {
    handle = host.txnBegin(h, false);
    txn = transactionFrom.make(handle);
    running = settle(callback(txn));
  } catch (e) {
    if (txn !== undefined && transactionFrom.end(txn)) host.txnRollback(handle);
    host.blockLeave(h, section, true);
    throw e;
  }
  const over = (end, settled) => (v) => {
    try {
      if (transactionFrom.end(txn)) end(handle);
    } catch (e) {
      settled = reject;
      v = e;
    }
    host.blockLeave(h, section, true);
    settled(v);
  };
  promiseThen(running, over(host.txnCommit, resolve), over(host.txnRollback, reject));
}

function runSection(h, section, callback, resolve, reject) {
  let running;
  try {
    running = settle(callback());
  } catch (e) {
    host.blockLeave(h, section, false, e);
    throw e;
  }
  promiseThen(
    running,
    (v) => {
      host.blockLeave(h, section, true);
      resolve(v);
    },
    (e) => {
      host.blockLeave(h, section, false, e);
      reject(e);
    },
  );
}

class DurableObjectStorage {
  #h;
  #kv = null;
  constructor(key, h) {
    if (key !== internal) throw illegalConstructor();
    this.#h = h;
  }
  get(key, options = undefined) {
    try {
      return typeof key === "string" ? host.storageGet(this.#h, key) : storageGet(this.#h, key, options);
    } catch (e) {
      return rejected(e);
    }
  }
  put(key, value, options = undefined) {
    try {
      if (typeof key === "string" && value !== undefined && options === undefined) return host.storagePut(this.#h, key, value, 0);
      return storagePut(this.#h, key, value, options);
    } catch (e) {
      return rejected(e);
    }
  }
  delete(key, options = undefined) {
    try {
      return storageDelete(this.#h, key, options);
    } catch (e) {
      return rejected(e);
    }
  }
  list(options = undefined) {
    try {
      return resolved(mapFrom(storageList(this.#h, options)));
    } catch (e) {
      return rejected(e);
    }
  }
  get kv() {
    let kv = this.#kv;
    if (kv === null) {
      kv = new SyncKV(internal, this.#h);
      this.#kv = kv;
    }
    return kv;
  }
  get sql() {
    throw absent("storage.sql");
  }
  getAlarm() {
    return noAlarms();
  }
  setAlarm() {
    return noAlarms();
  }
  deleteAlarm() {
    return noAlarms();
  }
  getCurrentBookmark() {
    return noRecovery();
  }
  getBookmarkForTime() {
    return noRecovery();
  }
  onNextSessionRestoreBookmark() {
    return noRecovery();
  }
  deleteAll(options = undefined) {
    try {
      return host.storageDeleteAll(this.#h, writeFlags(options));
    } catch (e) {
      return rejected(e);
    }
  }
  sync() {
    try {
      return host.storageSync(this.#h);
    } catch (e) {
      return rejected(e);
    }
  }
  // transaction runs in a critical section of the object, like blockConcurrencyWhile; a callback that throws
  // undoes its writes and resets nothing.
  transaction(callback) {
    return attempt(() => {
      const h = this.#h;
      if (typeof callback !== "function") throw new TypeErrorCtor(`transaction() needs a function, not ${typeName(callback)}`);
      return inSection(h, (section, resolve, reject) => runTransaction(h, section, callback, resolve, reject));
    });
  }
  transactionSync(callback) {
    const h = this.#h;
    if (typeof callback !== "function") throw new TypeErrorCtor(`transactionSync() needs a function, not ${typeName(callback)}`);
    const handle = host.txnBegin(h, true);
    let v;
    try {
      v = callback();
    } catch (e) {
      host.txnRollback(handle);
      throw e;
    }
    host.txnCommit(handle);
    return v;
  }
}
webClass(DurableObjectStorage, "DurableObjectStorage");

class DurableObjectTransaction {
  #h;
  #over = 0; // 1 rolled back by the program, 2 committed or ended
  constructor(key, h) {
    if (key !== internal) throw illegalConstructor();
    this.#h = h;
  }
  static #open(t) {
    if (t.#over === 1) throw new ErrorCtor("Cannot perform operation on a rolled back transaction.");
    if (t.#over === 2) throw new ErrorCtor("Cannot perform operation on a transaction that has already committed.");
    return t.#h;
  }
  get(key, options = undefined) {
    return attempt(() => storageGet(DurableObjectTransaction.#open(this), key, options));
  }
  put(key, value, options = undefined) {
    return attempt(() => storagePut(DurableObjectTransaction.#open(this), key, value, options));
  }
  delete(key, options = undefined) {
    return attempt(() => storageDelete(DurableObjectTransaction.#open(this), key, options));
  }
  list(options = undefined) {
    return attempt(() => resolved(mapFrom(storageList(DurableObjectTransaction.#open(this), options))));
  }
  deleteAll() {
    return attempt(() => {
      DurableObjectTransaction.#open(this);
      throw new ErrorCtor("Cannot call deleteAll() within a transaction");
    });
  }
  rollback() {
    if (this.#over === 1) return;
    host.txnRollback(DurableObjectTransaction.#open(this));
    this.#over = 1;
  }
  static {
    transactionFrom = {
      __proto__: null,
      make: (h) => new DurableObjectTransaction(internal, h),
      // end closes a transaction and says whether it was still open.
      end(t) {
        const open = t.#over === 0;
        if (open) t.#over = 2;
        return open;
      },
    };
  }
}
webClass(DurableObjectTransaction, "DurableObjectTransaction");

// holdFor tells the host of a promise that must be waited for; h is an object's or an event's handle.
function holdFor(h, promise) {
  const n = host.waitBegin(h);
  promiseThen(
    settle(promise),
    () => host.waitEnd(h, n),
    (e) => host.waitEnd(h, n, e),
  );
}

let stateFrom;

class DurableObjectState {
  #h;
  #id = null;
  #storage = null;
  constructor(key, h) {
    if (key !== internal) throw illegalConstructor();
    this.#h = h;
  }
  get id() {
    if (this.#id === null) {
      this.#id = newID(null, host.actorID(this.#h), host.actorName(this.#h));
    }
    return this.#id;
  }
  get storage() {
    let s = this.#storage;
    if (s === null) {
      s = new DurableObjectStorage(internal, this.#h);
      this.#storage = s;
    }
    return s;
  }
  get props() {
    void this.#h;
    return propsOf(this);
  }
  get exports() {
    void this.#h;
    return programExports;
  }
  // The callback runs in a later turn, as on Cloudflare: the first of its critical section.
  blockConcurrencyWhile(callback) {
    return attempt(() => {
      const h = this.#h;
      if (typeof callback !== "function") throw new TypeErrorCtor(`blockConcurrencyWhile() needs a function, not ${typeName(callback)}`);
      return inSection(h, (section, resolve, reject) => runSection(h, section, callback, resolve, reject));
    });
  }
  waitUntil(promise) {
    holdFor(this.#h, promise);
  }
  acceptWebSocket() {
    noSockets();
  }
  getWebSockets() {
    return []; // none has been accepted
  }
  getTags() {
    noSockets();
  }
  setWebSocketAutoResponse() {
    noSockets();
  }
  getWebSocketAutoResponse() {
    return null;
  }
  getWebSocketAutoResponseTimestamp() {
    noSockets();
  }
  setHibernatableWebSocketEventTimeout() {
    noSockets();
  }
  getHibernatableWebSocketEventTimeout() {
    return null;
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
    host.abort(this.#h, reason === undefined ? undefined : reason instanceof ErrorCtor ? reason : new ErrorCtor(`${reason}`), retryAlarm);
  }
  static {
    stateFrom = (h) => new DurableObjectState(internal, h);
  }
}
webClass(DurableObjectState, "DurableObjectState");

class WebSocketPair {
  constructor() {
    throw absent("WebSocketPair");
  }
}
webClass(WebSocketPair, "WebSocketPair");

class WebSocket {
  constructor() {
    throw absent("WebSocket");
  }
}
webClass(WebSocket, "WebSocket");
