// node:events. Listeners are called at once and in order, in the async context of emit.

const {
  apply, defineProperty, getPrototypeOf, setPrototypeOf, ownKeys, isArray, arrSlice, inspect, inspection, nodeError, invalidArg, outOfRange, ErrorCtor, RangeErrorCtor,
  TypeErrorCtor, isErrorObject, reportError, needFunction, PromiseCtor, promiseThen, asyncIteratorSymbol, EventTarget, isAbortSignal, hide, queueMicrotask, resolved, rejected,
  defineIndex,
} = kit;

const captureRejectionSymbol = Symbol.for("nodejs.rejection");
const errorMonitor = Symbol("events.errorMonitor");
const kCapture = Symbol("kCapture");
let defaultMaxListeners = 10;
let captureByDefault = false;

function EventEmitter(options) {
  apply(EventEmitter.init, this, [options]);
}

const proto = EventEmitter.prototype;
for (const [name, value] of [["_events", undefined], ["_eventsCount", 0], ["_maxListeners", undefined]]) {
  defineProperty(proto, name, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
}
defineProperty(proto, kCapture, { __proto__: null, value: false, writable: true, enumerable: false, configurable: true });

EventEmitter.init = function (options) {
  if (this._events === undefined || this._events === getPrototypeOf(this)._events) {
    this._events = { __proto__: null };
    this._eventsCount = 0;
  }
  this._maxListeners = this._maxListeners || undefined;
  if (options?.captureRejections) {
    if (typeof options.captureRejections !== "boolean") throw invalidArg("options.captureRejections", "of type boolean", options.captureRejections);
    this[kCapture] = true;
  } else {
    hide(this, kCapture, captureByDefault);
  }
};

function needCount(n, name) {
  if (typeof n !== "number") throw invalidArg(name, "of type number", n);
  if (n < 0 || n !== n) throw outOfRange(name, ">= 0", n);
  return n;
}

function needListener(f) {
  if (typeof f !== "function") throw invalidArg("listener", "of type function", f);
}

function maxOf(emitter) {
  return emitter._maxListeners === undefined ? defaultMaxListeners : emitter._maxListeners;
}

function method(name, f) {
  hide(f, "name", name);
  defineProperty(proto, name, { __proto__: null, value: f, writable: true, enumerable: true, configurable: true });
}

method("setMaxListeners", function (n) {
  this._maxListeners = needCount(n, "setMaxListeners");
  return this;
});
method("getMaxListeners", function () {
  return maxOf(this);
});

function copyOf(list) {
  return arrSlice(list);
}

function unhandled(emitter, args) {
  const e = args.length > 0 ? args[0] : undefined;
  if (isErrorObject(e)) throw e;
  let text;
  try {
    text = inspect(e, inspection());
  } catch {
    text = e;
  }
  const error = nodeError(ErrorCtor, "ERR_UNHANDLED_ERROR", `Unhandled error. (${typeof e === "string" ? `'${e}'` : text})`);
  error.context = e;
  throw error;
}

function watchRejection(emitter, result, type, args) {
  if (result === undefined || result === null || emitter[kCapture] !== true) return;
  try {
    const { then } = result;
    if (typeof then !== "function") return;
    apply(then, result, [undefined, (e) => queueMicrotask(() => emitRejection(emitter, e, type, args))]);
  } catch (e) {
    emitter.emit("error", e);
  }
}

function emitRejection(emitter, e, type, args) {
  if (typeof emitter[captureRejectionSymbol] === "function") {
    apply(emitter[captureRejectionSymbol], emitter, [e, type, ...args]);
    return;
  }
  const was = emitter[kCapture];
  try {
    emitter[kCapture] = false;
    emitter.emit("error", e);
  } finally {
    emitter[kCapture] = was;
  }
}

method("emit", function (type, ...args) {
  const events = this._events;
  if (type === "error") {
    if (events !== undefined && events[errorMonitor] !== undefined) this.emit(errorMonitor, ...args);
    if (events === undefined || events.error === undefined) unhandled(this, args);
  }
  if (events === undefined) return false;
  const handler = events[type];
  if (handler === undefined) return false;
  if (typeof handler === "function") {
    watchRejection(this, apply(handler, this, args), type, args);
  } else {
    const list = copyOf(handler);
    for (let i = 0; i < list.length; i++) watchRejection(this, apply(list[i], this, args), type, args);
  }
  return true;
});

function add(emitter, type, listener, prepend) {
  needListener(listener);
  let events = emitter._events;
  if (events === undefined) {
    events = emitter._events = { __proto__: null };
    emitter._eventsCount = 0;
  } else if (events.newListener !== undefined) {
    emitter.emit("newListener", type, listener.listener ?? listener);
    events = emitter._events;
  }
  let have = events[type];
  if (have === undefined) {
    events[type] = listener;
    ++emitter._eventsCount;
    return emitter;
  }
  if (typeof have === "function") have = events[type] = prepend ? [listener, have] : [have, listener];
  else if (prepend) kit.splice(have, 0, 0, listener);
  else defineIndex(have, have.length, listener);
  const most = maxOf(emitter);
  if (most > 0 && have.length > most && !have.warned) {
    hide(have, "warned", true);
    need("process").emitWarning(
      `Possible EventEmitter memory leak detected. ${have.length} ${String(type)} listeners added to ${inspect(emitter, { ...inspection(), left: 1 })}. MaxListeners is ${most}. Use emitter.setMaxListeners() to increase limit`,
      "MaxListenersExceededWarning",
    );
  }
  return emitter;
}

method("addListener", function (type, listener) {
  return add(this, type, listener, false);
});
proto.on = proto.addListener;
method("prependListener", function (type, listener) {
  return add(this, type, listener, true);
});

function onceWrap(emitter, type, listener) {
  const state = { fired: false };
  const wrapped = function (...args) {
    if (state.fired) return undefined;
    emitter.removeListener(type, wrapped);
    state.fired = true;
    return apply(listener, emitter, args);
  };
  hide(wrapped, "name", "bound onceWrapper");
  wrapped.listener = listener;
  return wrapped;
}

method("once", function (type, listener) {
  needListener(listener);
  return this.on(type, onceWrap(this, type, listener));
});
method("prependOnceListener", function (type, listener) {
  needListener(listener);
  return this.prependListener(type, onceWrap(this, type, listener));
});

method("removeListener", function (type, listener) {
  needListener(listener);
  const events = this._events;
  if (events === undefined) return this;
  const list = events[type];
  if (list === undefined) return this;
  if (list === listener || list.listener === listener) {
    this._eventsCount -= 1;
    if (this._eventsCount === 0 && events.removeListener === undefined) this._events = { __proto__: null };
    else {
      delete events[type];
      if (events.removeListener) this.emit("removeListener", type, list.listener || listener);
    }
  } else if (typeof list !== "function") {
    let i = list.length - 1;
    while (i >= 0 && list[i] !== listener && list[i].listener !== listener) i--;
    if (i < 0) return this;
    if (list.length === 1) {
      delete events[type];
      this._eventsCount -= 1;
    } else {
      kit.splice(list, i, 1);
      if (list.length === 1) events[type] = list[0];
    }
    if (events.removeListener !== undefined) this.emit("removeListener", type, listener);
  }
  return this;
});
proto.off = proto.removeListener;

method("removeAllListeners", function (type) {
  const events = this._events;
  if (events === undefined) return this;
  if (events.removeListener === undefined) {
    if (arguments.length === 0) {
      this._events = { __proto__: null };
      this._eventsCount = 0;
    } else if (events[type] !== undefined) {
      if (--this._eventsCount === 0) this._events = { __proto__: null };
      else delete events[type];
    }
    return this;
  }
  if (arguments.length === 0) {
    const keys = ownKeys(events);
    for (let i = 0; i < keys.length; i++) if (keys[i] !== "removeListener") this.removeAllListeners(keys[i]);
    this.removeAllListeners("removeListener");
    this._events = { __proto__: null };
    this._eventsCount = 0;
    return this;
  }
  const listeners = events[type];
  if (typeof listeners === "function") this.removeListener(type, listeners);
  else if (listeners !== undefined) for (let i = listeners.length - 1; i >= 0; i--) this.removeListener(type, listeners[i]);
  return this;
});

function listenersOf(emitter, type, unwrap) {
  const events = emitter._events;
  const list = events === undefined ? undefined : events[type];
  if (list === undefined) return [];
  const all = typeof list === "function" ? [list] : copyOf(list);
  if (unwrap) for (let i = 0; i < all.length; i++) all[i] = all[i].listener || all[i];
  return all;
}
method("listeners", function (type) {
  return listenersOf(this, type, true);
});
method("rawListeners", function (type) {
  return listenersOf(this, type, false);
});
method("listenerCount", function (type, listener) {
  const list = this._events?.[type];
  if (list === undefined) return 0;
  if (listener != null) {
    let n = 0;
    const all = listenersOf(this, type, false);
    for (let i = 0; i < all.length; i++) if (all[i] === listener || all[i].listener === listener) n++;
    return n;
  }
  return typeof list === "function" ? 1 : list.length;
});
method("eventNames", function () {
  return this._eventsCount > 0 ? ownKeys(this._events) : [];
});

// --- Functions over emitters and event targets

const isEmitter = (v) => typeof v?.on === "function";
const isTarget = (v) => typeof v?.addEventListener === "function";

function abortError(signal) {
  const e = new ErrorCtor("The operation was aborted", signal === undefined ? undefined : { cause: signal.reason });
  e.name = "AbortError";
  e.code = "ABORT_ERR";
  return e;
}

function needSignal(signal, name) {
  if (signal !== undefined && (signal === null || typeof signal !== "object" || !("aborted" in signal))) throw invalidArg(name, "an instance of AbortSignal", signal);
}

function listen(emitter, type, listener, once) {
  if (isEmitter(emitter)) {
    if (once) emitter.once(type, listener);
    else emitter.on(type, listener);
  } else if (isTarget(emitter)) emitter.addEventListener(type, listener, { once });
  else throw invalidArg("emitter", "an instance of EventEmitter", emitter);
}

function unlisten(emitter, type, listener) {
  if (typeof emitter.removeListener === "function") emitter.removeListener(type, listener);
  else emitter.removeEventListener(type, listener);
}

async function once(emitter, type, options = {}) {
  if (options === null || typeof options !== "object") throw invalidArg("options", "of type object", options);
  const { signal } = options;
  needSignal(signal, "options.signal");
  if (signal?.aborted) throw abortError(signal);
  return new PromiseCtor((resolve, reject) => {
    const failed = (e) => {
      unlisten(emitter, type, arrived);
      if (signal !== undefined) unlisten(signal, "abort", aborted);
      reject(e);
    };
    const arrived = (...args) => {
      if (isEmitter(emitter)) emitter.removeListener("error", failed);
      if (signal !== undefined) unlisten(signal, "abort", aborted);
      resolve(args);
    };
    const aborted = () => {
      unlisten(emitter, type, arrived);
      if (isEmitter(emitter)) unlisten(emitter, "error", failed);
      reject(abortError(signal));
    };
    listen(emitter, type, arrived, true);
    if (type !== "error" && isEmitter(emitter)) emitter.once("error", failed);
    if (signal !== undefined) signal.addEventListener("abort", aborted, { once: true });
  });
}

function on(emitter, type, options = {}) {
  if (options === null || typeof options !== "object") throw invalidArg("options", "of type object", options);
  const { signal } = options;
  needSignal(signal, "options.signal");
  if (signal?.aborted) throw abortError(signal);
  const values = [];
  const waiting = [];
  let error = null;
  let finished = false;
  const closing = options.close ?? [];
  const arrived = (...args) => {
    if (waiting.length > 0) kit.splice(waiting, 0, 1)[0].resolve({ value: args, done: false });
    else kit.push(values, args);
  };
  const failed = (e) => {
    if (waiting.length > 0) kit.splice(waiting, 0, 1)[0].reject(e);
    else error = e;
    end();
  };
  const aborted = () => failed(abortError(signal));
  const end = () => {
    finished = true;
    unlisten(emitter, type, arrived);
    if (type !== "error" && isEmitter(emitter)) unlisten(emitter, "error", failed);
    for (let i = 0; i < closing.length; i++) unlisten(emitter, closing[i], end);
    if (signal !== undefined) unlisten(signal, "abort", aborted);
    while (waiting.length > 0) kit.splice(waiting, 0, 1)[0].resolve({ value: undefined, done: true });
    return resolved({ value: undefined, done: true });
  };
  listen(emitter, type, arrived, false);
  if (type !== "error" && isEmitter(emitter)) emitter.on("error", failed);
  for (let i = 0; i < closing.length; i++) listen(emitter, closing[i], end, false);
  if (signal !== undefined) signal.addEventListener("abort", aborted, { once: true });
  return setPrototypeOf({
    next() {
      if (values.length > 0) return resolved({ value: kit.splice(values, 0, 1)[0], done: false });
      if (error !== null) {
        const e = error;
        error = null;
        return rejected(e);
      }
      if (finished) return resolved({ value: undefined, done: true });
      return new PromiseCtor((resolve, reject) => kit.push(waiting, { resolve, reject }));
    },
    return: end,
    throw(e) {
      if (!isErrorObject(e)) throw invalidArg("EventEmitter.AsyncIterator", "an instance of Error", e);
      error = e;
      unlisten(emitter, type, arrived);
      if (type !== "error" && isEmitter(emitter)) unlisten(emitter, "error", failed);
      return resolved({ value: undefined, done: true });
    },
    [asyncIteratorSymbol]() {
      return this;
    },
  }, AsyncIteratorPrototype);
}
const AsyncIteratorPrototype = getPrototypeOf(getPrototypeOf(async function* () {}.prototype));

function getEventListeners(emitter, type) {
  if (typeof emitter?.listeners === "function") return emitter.listeners(type);
  if (emitter instanceof EventTarget) return kit.targetListeners(emitter, `${type}`);
  throw invalidArg("emitter", "an instance of EventEmitter or EventTarget", emitter);
}

const targetMax = new WeakMap();

function setMaxListeners(n = defaultMaxListeners, ...targets) {
  needCount(n, "setMaxListeners");
  if (targets.length === 0) defaultMaxListeners = n;
  for (let i = 0; i < targets.length; i++) {
    if (targets[i] instanceof EventTarget) kit.weakMapSet(targetMax, targets[i], n);
    else if (typeof targets[i]?.setMaxListeners === "function") targets[i].setMaxListeners(n);
    else throw invalidArg("eventTargets", "an instance of EventEmitter or EventTarget", targets[i]);
  }
}

function getMaxListeners(target) {
  if (typeof target?.getMaxListeners === "function") return maxOf(target);
  if (target instanceof EventTarget) return kit.weakMapGet(targetMax, target) ?? defaultMaxListeners;
  throw invalidArg("emitter", "an instance of EventEmitter or EventTarget", target);
}

function addAbortListener(signal, listener) {
  if (signal === undefined) throw invalidArg("signal", "an instance of AbortSignal", signal);
  needSignal(signal, "signal");
  needFunction(listener, "listener");
  let remove;
  if (signal.aborted) queueMicrotask(() => listener());
  else {
    signal.addEventListener("abort", listener, { once: true });
    remove = () => signal.removeEventListener("abort", listener);
  }
  return { __proto__: null, [Symbol.dispose]() { remove?.(); } };
}

function listenerCount(emitter, type) {
  if (typeof emitter.listenerCount === "function") return emitter.listenerCount(type);
  if (emitter instanceof EventTarget) return kit.targetListeners(emitter, `${type}`).length;
  return apply(proto.listenerCount, emitter, [type]);
}

class EventEmitterAsyncResource extends EventEmitter {
  #resource;
  constructor(options = undefined) {
    let name;
    if (typeof options === "string") {
      name = options;
      options = undefined;
    } else {
      name = options?.name || new.target.name;
    }
    super(options);
    const { AsyncResource } = need("async_hooks");
    this.#resource = new AsyncResource(name, options);
  }
  emit(type, ...args) {
    return this.#resource.runInAsyncScope(super.emit, this, type, ...args);
  }
  emitDestroy() {
    this.#resource.emitDestroy();
  }
  get asyncId() {
    return this.#resource.asyncId();
  }
  get triggerAsyncId() {
    return this.#resource.triggerAsyncId();
  }
  get asyncResource() {
    return this.#resource;
  }
}

const exports = {
  once, on, getEventListeners, getMaxListeners, setMaxListeners, addAbortListener, listenerCount, EventEmitter, EventEmitterAsyncResource,
  usingDomains: false, captureRejectionSymbol, errorMonitor,
};
for (const name of kit.objectKeys(exports)) EventEmitter[name] = exports[name];
defineProperty(EventEmitter, "defaultMaxListeners", {
  __proto__: null, enumerable: true,
  get: () => defaultMaxListeners,
  set(n) {
    defaultMaxListeners = needCount(n, "defaultMaxListeners");
  },
});
defineProperty(EventEmitter, "captureRejections", {
  __proto__: null, enumerable: true,
  get: () => captureByDefault,
  set(v) {
    if (typeof v !== "boolean") throw invalidArg("EventEmitter.captureRejections", "of type boolean", v);
    captureByDefault = v;
  },
});
return EventEmitter;
