// node:async_hooks: AsyncLocalStorage and AsyncResource on the async context (modules.js). There are no hooks to watch the
// engine with: createHook gives one that is never called, as on Cloudflare.

const { host, apply, defineProperty, useContexts, contextValue, contextHas, enterContext, needFunction, needString, inspect, nodeError, TypeErrorCtor, RangeErrorCtor, hide } = kit;

useContexts();

class AsyncLocalStorage {
  #enabled = true;
  #initial;
  #name;
  constructor(options = undefined) {
    this.#initial = options?.defaultValue;
    this.#name = options?.name === undefined ? "" : needString(options.name, "options.name");
  }
  get name() {
    return this.#name;
  }
  static bind(fn) {
    needFunction(fn, "fn");
    return AsyncResource.bind(fn);
  }
  static snapshot() {
    const within = host.contextual(callIt);
    return (fn, ...args) => within(needFunction(fn, "fn"), undefined, args);
  }
  run(store, callback, ...args) {
    this.#enabled = true;
    const was = enterContext(this, store);
    try {
      return apply(needFunction(callback, "callback"), null, args);
    } finally {
      host.setContext(was);
    }
  }
  exit(callback, ...args) {
    const was = enterContext(this, undefined);
    try {
      return apply(needFunction(callback, "callback"), null, args);
    } finally {
      host.setContext(was);
    }
  }
  enterWith(store) {
    this.#enabled = true;
    enterContext(this, store);
  }
  disable() {
    this.#enabled = false;
    if (contextHas(this)) enterContext(this, undefined);
  }
  getStore() {
    if (!this.#enabled) return undefined;
    return contextHas(this) ? contextValue(this) : this.#initial;
  }
}

const callIt = (fn, self, args) => apply(fn, self, args);

let lastAsyncId = 1;

class AsyncResource {
  #within;
  #id = ++lastAsyncId;
  #trigger;
  constructor(type, options = undefined) {
    needString(type, "type");
    const trigger = typeof options === "number" ? options : options?.triggerAsyncId;
    if (trigger !== undefined && !(Number.isSafeInteger(trigger) && trigger >= -1)) {
      throw nodeError(RangeErrorCtor, "ERR_INVALID_ASYNC_ID", `Invalid triggerAsyncId value: ${inspect(trigger, kit.inspection())}`);
    }
    this.#trigger = trigger ?? 1;
    this.#within = host.contextual(callIt);
  }
  asyncId() {
    return this.#id;
  }
  triggerAsyncId() {
    return this.#trigger;
  }
  emitDestroy() {
    return this;
  }
  runInAsyncScope(fn, thisArg = undefined, ...args) {
    return this.#within(needFunction(fn, "fn"), thisArg, args);
  }
  bind(fn, thisArg = undefined) {
    needFunction(fn, "fn");
    const resource = this;
    const bound = thisArg === undefined
      ? function (...args) { return resource.#within(fn, this, args); }
      : function (...args) { return resource.#within(fn, thisArg, args); };
    defineProperty(bound, "length", { __proto__: null, value: fn.length, writable: false, enumerable: false, configurable: true });
    return bound;
  }
  static bind(fn, type = undefined, thisArg = undefined) {
    needFunction(fn, "fn");
    return new AsyncResource(type || fn.name || "bound-anonymous-fn").bind(fn, thisArg);
  }
}

const hook = { enable: () => hook, disable: () => hook };

return {
  AsyncLocalStorage, AsyncResource,
  asyncWrapProviders: Object.freeze({ __proto__: null }),
  createHook: () => hook,
  executionAsyncId: () => 1,
  executionAsyncResource: () => ({}),
  triggerAsyncId: () => 0,
};
