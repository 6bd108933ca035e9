// What a Worker's event and the module cloudflare:workers are made of, and the doors through which the host comes in.

// propsOf is the props of a context: few programs look at them, so a context has no field for them.
const contextProps = new WeakMapCtor();

// programExports is what the program exports, as others see it: entry points as Fetchers, classes as namespaces. The host
// fills it when the program has started.
const programExports = {};

function propsOf(ctx) {
  let props = weakMapGet(contextProps, ctx);
  if (props === undefined) {
    props = {};
    weakMapSet(contextProps, ctx, props);
  }
  return props;
}

// An ExecutionContext is the event's handle itself, an object of the host with this class's prototype.
class ExecutionContext {
  constructor() {
    throw illegalConstructor();
  }
  waitUntil(promise) {
    contextOnly(this);
    if (arguments.length === 0) throw wrongType("waitUntil", "ExecutionContext", 1, "Promise");
    holdFor(this, promise);
  }
  passThroughOnException() {}
  get props() {
    contextOnly(this);
    return propsOf(this);
  }
  get exports() {
    contextOnly(this);
    return programExports;
  }
  get tracing() {
    contextOnly(this);
    return theTracing;
  }
}
webClass(ExecutionContext, "ExecutionContext");

function contextOnly(v) {
  if (!host.isContext(v)) throw new TypeErrorCtor("Illegal invocation");
}

class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

// A program may have workflows beside its objects. Nothing here starts one.
class WorkflowEntrypoint {
  constructor() {
    throw new ErrorCtor("cloudflare:workers: WorkflowEntrypoint is not available: everloop has no Workflows.");
  }
}

class RpcTarget {}

function abortIsolate() {
  throw new ErrorCtor("cloudflare:workers: abortIsolate is not available: many objects share a runtime here. ctx.abort() resets the object that calls it.");
}

// What cloudflare:workers has for the cache in front of the Worker, which is not there.
const theCache = {
  purge() {
    return rejected(new ErrorCtor("cloudflare:workers: cache.purge is not available: everloop has no cache."));
  },
};

// restoreSymbol names the method by which Cloudflare restores what a stub that was kept stands for. No stub can be kept here.
const restoreSymbol = Symbol("cloudflare:workers:restore");

function waitUntil(promise) {
  holdFor(null, promise);
}

// What cloudflare:workers exports as env and exports looks at what withEnv and its kin have put in its place, in this
// async context; else it is what the program was started with.
function contextualObject(key, base) {
  const now = () => {
    const v = contextHas(key) ? contextValue(key) : base;
    if ((typeof v !== "object" && typeof v !== "function") || v === null) throw new TypeErrorCtor(`${key.description} is ${typeName(v)} here, as it was given to withEnv or withExports`);
    return v;
  };
  return new Proxy({}, {
    __proto__: null,
    get: (_, name) => now()[name],
    set: (_, name, value) => reflectSet(now(), name, value),
    has: (_, name) => name in now(),
    deleteProperty: (_, name) => deleteProperty(now(), name),
    ownKeys: () => ownKeys(now()),
    defineProperty: (_, name, d) => defineProperty(now(), name, assign({ __proto__: null }, d, { configurable: true })),
    getOwnPropertyDescriptor(_, name) {
      const d = getOwnPropertyDescriptor(now(), name);
      if (d !== undefined) d.configurable = true; // the target has no such property, so another answer is an error
      return d;
    },
    getPrototypeOf: () => getPrototypeOf(now()),
  });
}
const { set: reflectSet, deleteProperty } = Reflect;
const envSlot = Symbol("env");
const exportsSlot = Symbol("exports");

function inContext(key, value, fn) {
  useContexts();
  const was = enterContext(key, value);
  try {
    return fn();
  } finally {
    host.setContext(was);
  }
}
function withEnv(env, fn) {
  return inContext(envSlot, env, fn);
}
function withExports(exports, fn) {
  return inContext(exportsSlot, exports, fn);
}
function withEnvAndExports(env, exports, fn) {
  return withEnv(env, () => withExports(exports, fn));
}

// workersModule is what cloudflare:workers exports to a program with these bindings.
function workersModule(env) {
  return { __proto__: null, ...workers, env: contextualObject(envSlot, env), exports: contextualObject(exportsSlot, programExports) };
}

const noFetch = "Handler does not export a fetch() function.";

// setProps gives the context of an event its props. Most have none.
function setProps(ctx, props) {
  if (props !== undefined) weakMapSet(contextProps, ctx, props);
}

// workerFetch delivers a request to a module's default export (or a named entry point): an object with fetch, or a
// class that is made anew for each event. The host does it by itself for an object whose context has no props.
function workerFetch(handler, request, env, ctx, props) {
  setProps(ctx, props);
  if (typeof handler === "function") {
    const instance = new handler(ctx, env);
    if (typeof instance.fetch !== "function") throw new ErrorCtor(noFetch);
    return instance.fetch(request);
  }
  if (typeof handler.fetch !== "function") throw new ErrorCtor(noFetch);
  return handler.fetch(request, env, ctx);
}

// programClasses lists the exports of a program that are classes of objects: neither entry points nor workflows. A class is a function whose prototype
// cannot be replaced.
function programClasses(exports) {
  const list = [];
  const names = objectKeys(exports);
  for (let i = 0; i < names.length; i++) {
    const v = exports[names[i]];
    if (names[i] === "default" || typeof v !== "function") continue;
    const p = getOwnPropertyDescriptor(v, "prototype");
    if (p !== undefined && !p.writable && !isEntryClass(p.value) && !isPrototypeOf(WorkflowEntrypoint.prototype, p.value)) push(list, names[i]);
  }
  return list;
}

// programEntries lists its entry points: classes that extend WorkerEntrypoint, objects with handlers, and whatever the default
// export is.
function programEntries(exports) {
  const list = [];
  const names = objectKeys(exports);
  for (let i = 0; i < names.length; i++) {
    const v = exports[names[i]];
    const isDefault = names[i] === "default";
    if (typeof v === "function" ? isDefault || isEntryClass(v.prototype) : typeof v === "object" && v !== null && (isDefault || typeof v.fetch === "function")) push(list, names[i]);
  }
  return list;
}

const isEntryClass = (proto) => isObject(proto) && isPrototypeOf(WorkerEntrypoint.prototype, proto);
