// Calls by name: stubs of objects, entry points and of what programs give each other, and how such calls arrive.
//
// What can be called is a node. A node that stands for something there (a stub) has the host's handle; the promise of
// a call and a property of a node have a path from another node. All of them but the stubs of objects and entry points
// are functions, because what they stand for may be one. A name that a node does not have is found at the end of its
// prototype chain, by a proxy: names that it has, such as fetch, are found as in any object.

const disposeSymbol = Symbol.dispose;
const ObjectPrototype = Object.prototype;
const FunctionPrototype = Function.prototype;
const isPrototypeOf = uncurry(Object.prototype.isPrototypeOf);
const hasOwn = uncurry(Object.prototype.hasOwnProperty);
const promiseFinally = uncurry(Promise.prototype.finally);
const reflectGet = Reflect.get;

// A wildcard stands at the end of a prototype chain, before Object.prototype, whose members it lets through. A node is
// never thenable through it.
const ProxyCtor = Proxy;
const wildcard = new ProxyCtor(
  {},
  {
    __proto__: null,
    get(_, name, receiver) {
      if (typeof name === "symbol" || name === "then") return undefined;
      if (name in ObjectPrototype) return reflectGet(ObjectPrototype, name, receiver);
      return isNode(receiver) ? newProperty(receiver, null, [name]) : isStub(receiver) ? newProperty(null, receiver, [name]) : undefined;
    },
    getPrototypeOf: () => ObjectPrototype,
  },
);

// maxPathDepth bounds how deep a property of a property of a node is.
const maxPathDepth = 64;

class Returned {
  constructor(v) {
    return v;
  }
}

let isNode; // (v)
let newProperty; // (node or null, stub or null, path)
let newCall; // (promise) the promise of a call under way
let newStub; // (handle) the stub of a host's handle
let nodeHandle; // (node) the handle of a stub that is a node, undefined for another node
let disposeNode;
let readNode; // (node) a promise of what it stands for
let sendFrom; // (node, path, args)

// A Node stamps its state on a function, which then is one. The function does not refer to itself: that would be a
// cycle, which only a collection frees. The state of a stub is { handle }, of the promise of a call { promise }, and of a
// property { from, stub, path, depth }: the node or the stub of an object or entry point that path leads from, and how many
// properties are on the way.
class Node extends Returned {
  #state;
  constructor(fn, proto, state) {
    super(fn);
    this.#state = state;
    delete fn.name; // an own property would hide the one of what the node stands for
    delete fn.length;
    setPrototypeOf(fn, proto);
  }

  // send calls what path leads to from a node (args null: reads it) and returns a promise of the result.
  static #send(node, path, args) {
    const s = node.#state;
    if (s.path !== undefined) return Node.#follow(s.from, s.stub, longer(s.path, path), args);
    if (s.promise !== undefined) return pipelined(s.promise, path, args);
    return host.rpcSend(s.handle, path, args);
  }
  static #follow(from, stub, path, args) {
    return from === null ? host.rpcSend(stub, path, args) : Node.#send(from, path, args);
  }
  static {
    isNode = (v) => typeof v === "function" && #state in v;
    newProperty = (from, stub, path) => {
      let depth = 0;
      if (from !== null && from.#state.path !== undefined) depth = from.#state.depth + 1;
      if (depth > maxPathDepth) throw new TypeErrorCtor(`RPC pipelined property path is too deep (max ${maxPathDepth}).`);
      const fn = (...args) => {
        let p;
        try {
          p = Node.#follow(from, stub, path, args);
        } catch (e) {
          p = rejected(e);
        }
        return newCall(p);
      };
      return new Node(fn, RpcProperty.prototype, { __proto__: null, from, stub, path, depth });
    };
    newCall = (promise) => new Node((...args) => newCall(attempt(() => pipelined(promise, [], args))), RpcPromise.prototype, { __proto__: null, promise });
    newStub = (handle) => new Node((...args) => newCall(attempt(() => host.rpcSend(handle, [], args))), RpcStub.prototype, { __proto__: null, handle });
    nodeHandle = (node) => node.#state.handle;
    sendFrom = (node, path, args) => Node.#send(node, path, args);
    readNode = (node) => node.#state.promise ?? attempt(() => Node.#send(node, [], null));
    disposeNode = (node) => {
      const { promise } = node.#state;
      if (promise !== undefined) promiseThen(promise, disposeResult, () => {});
    };
  }
}

function nodeOf(v) {
  if (!isNode(v)) throw new TypeErrorCtor("Illegal invocation");
  return v;
}

// disposeResult disposes of what a call returned.
function disposeResult(v) {
  if ((typeof v !== "object" && typeof v !== "function") || v === null) return;
  const f = v[disposeSymbol];
  if (typeof f === "function") apply(f, v, []);
}

function longer(path, by) {
  const all = copyList(path);
  for (let i = 0; i < by.length; i++) push(all, by[i]);
  return all;
}

class RpcPromise {
  constructor() {
    throw illegalConstructor();
  }
  then(ok = undefined, failed = undefined) {
    return promiseThen(readNode(nodeOf(this)), ok, failed);
  }
  catch(failed = undefined) {
    return promiseThen(readNode(nodeOf(this)), undefined, failed);
  }
  finally(f = undefined) {
    return promiseFinally(readNode(nodeOf(this)), f);
  }
}
webClass(RpcPromise, "JsRpcPromise");
hide(RpcPromise.prototype, disposeSymbol, function () {
  disposeNode(nodeOf(this));
});

class RpcProperty {
  constructor() {
    throw illegalConstructor();
  }
  then(ok = undefined, failed = undefined) {
    return promiseThen(readNode(nodeOf(this)), ok, failed);
  }
  catch(failed = undefined) {
    return promiseThen(readNode(nodeOf(this)), undefined, failed);
  }
  finally(f = undefined) {
    return promiseFinally(readNode(nodeOf(this)), f);
  }
}
webClass(RpcProperty, "JsRpcProperty");

// An RpcStub is a stub of something that a program gave away. The constructor makes one of a program's own value.
class RpcStub {
  constructor(target) {
    const own = exportKind(target);
    if (own === 0) throw new TypeErrorCtor("RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives.");
    return newStub(host.rpcExport(target, own === 2));
  }
  dup() {
    return newStub(host.rpcDup(stubOf(this)));
  }
}
webClass(RpcStub, "JsRpcStub");
hide(RpcStub.prototype, disposeSymbol, function () {
  host.rpcDispose(stubOf(this));
});

function stubOf(v) {
  const h = isNode(v) ? nodeHandle(v) : undefined;
  if (h === undefined) throw new TypeErrorCtor("Illegal invocation");
  return h;
}

setPrototypeOf(RpcPromise.prototype, wildcard);
setPrototypeOf(RpcProperty.prototype, wildcard);
setPrototypeOf(RpcStub.prototype, wildcard);

// A Fetcher is a stub of an entry point, or of an object that another program gave away: it has no id.
// Like the stub of an object it is the host's handle itself.
class Fetcher {
  constructor() {
    throw illegalConstructor();
  }
  fetch(input, init = undefined) {
    return attempt(() => fetchThrough(this, input, init));
  }
}
webClass(Fetcher, "Fetcher");
setPrototypeOf(Fetcher.prototype, wildcard);
setPrototypeOf(DurableObjectStub.prototype, wildcard);

function isStub(v) {
  return typeof v === "object" && v !== null && host.isStub(v);
}

// loopbackFrom makes what ctx.exports has for an entry point of its Fetcher: one that is also a function, which takes options.
function loopbackFrom(bound) {
  const fn = (options = undefined) => host.rpcLoopback(bound, options === undefined || options === null ? undefined : options.props);
  delete fn.name;
  delete fn.length;
  return new ProxyCtor(fn, {
    __proto__: null,
    get: (_, name) => (name === "fetch" ? (input, init) => bound.fetch(input, init) : bound[name]),
    getPrototypeOf: () => Fetcher.prototype,
    set: (_, name, value) => {
      bound[name] = value;
      return true;
    },
  });
}

// --- arrival ---

const reserved = { __proto__: null, dup: true, constructor: true };
const entryReserved = { __proto__: null, ...reserved, fetch: true, connect: true, alarm: true, webSocketMessage: true, webSocketClose: true, webSocketError: true };

function noMember(name) {
  return new TypeErrorCtor(`The RPC receiver does not implement the method "${name}".`);
}

// memberOf reads a property for a caller. own: the receiver is a plain object or a function, whose own properties are
// what can be called; otherwise it is an instance, whose class says what can be called.
function memberOf(receiver, name, own, names) {
  if (names[name]) throw new TypeErrorCtor(`'${name}' is a reserved method and cannot be called over RPC.`);
  if (own !== hasOwn(receiver, name)) throw noMember(name);
  const v = receiver[name];
  if (!own && v === ObjectPrototype[name]) throw noMember(name);
  return v;
}

// The state of what a path leads through: 0 nothing, 1 an instance, 2 a plain object or function. 3 is a stub.
function stepKind(v) {
  if (isNode(v)) return nodeHandle(v) !== undefined ? 3 : 0;
  if (isStub(v)) return 3;
  return exportKind(v);
}

// exportKind says how a value is given away: 0 not at all, 1 as an instance, 2 with its own properties.
function exportKind(v) {
  if (typeof v === "function") return isNode(v) ? 0 : 2;
  if (typeof v !== "object" || v === null) return 0;
  if (isPrototypeOf(RpcTarget.prototype, v)) return 1;
  return getPrototypeOf(v) === ObjectPrototype ? 2 : 0;
}

// arrive does what a call (args null: a read) asks of a receiver.
function arrive(receiver, path, args, own, names) {
  let inStub = false;
  let value = receiver;
  const last = path.length - 1;
  for (let i = 0; i <= last; i++) {
    const name = path[i];
    if (inStub) {
      // The rest is the business of what the stub stands for.
      return forward(receiver, copyList(path, i), args);
    }
    value = memberOf(receiver, name, own, names);
    if (i === last) break;
    const kind = stepKind(value);
    if (kind === 0) throw noMember(name);
    receiver = value;
    own = kind === 2;
    inStub = kind === 3;
    names = reserved;
  }
  if (args === null) return value;
  if (typeof value !== "function") throw new TypeErrorCtor(`"${path.length === 0 ? "(this)" : join(path, ".")}" is not a function.`);
  return apply(value, path.length === 0 ? undefined : receiver, args);
}

function forward(stub, path, args) {
  if (isNode(stub)) return sendFrom(stub, path, args);
  return host.rpcSend(stub, path, args);
}

const noRPC =
  "The receiving Durable Object does not support RPC, because its class was not declared with `extends DurableObject`. In order to enable RPC, make sure your class extends the special class `DurableObject`, which can be imported from the module \"cloudflare:workers\".";

// objectCall delivers a call to an object.
function objectCall(object, path, args) {
  if (!isPrototypeOf(DurableObject.prototype, object)) throw new TypeErrorCtor(noRPC);
  return arrive(object, path, args, false, entryReserved);
}

// workerCall delivers a call to an entry point: to an instance of its class, or to a function of an exported object, which
// gets env and ctx behind the one argument.
function workerCall(handler, path, args, env, ctx, props) {
  setProps(ctx, props);
  if (typeof handler === "function") return arrive(new handler(ctx, env), path, args, false, entryReserved);
  if (args === null || path.length !== 1) return arrive(handler, path, args, true, entryReserved);
  const name = path[0];
  const f = memberOf(handler, name, true, entryReserved);
  if (typeof f !== "function") throw new TypeErrorCtor(`"${name}" is not a function.`);
  if (f.length > 3) {
    throw new TypeErrorCtor(
      `Cannot call handler function "${name}" over RPC because it has the wrong number of arguments. A simple function handler can only be called over RPC if it has exactly the arguments (arg, env, ctx), where only the first argument comes from the client. To support multi-argument RPC functions, use class-based syntax (extending WorkerEntrypoint) instead.`,
    );
  }
  if (args.length !== 1) {
    throw new TypeErrorCtor(
      `Attempted to call RPC function "${name}" with the wrong number of arguments. When calling a top-level handler function that is not declared as part of a class, you must always send exactly one argument. In order to support variable numbers of arguments, the server must use class-based syntax (extending WorkerEntrypoint) instead.`,
    );
  }
  return apply(f, handler, [args[0], env, ctx]);
}

// exportCall delivers a call to something that the program gave away.
function exportCall(value, path, args, own) {
  return arrive(value, path, args, own, reserved);
}

// pipelined makes a call on the result of another without waiting for it: it follows the other to where it is handled, or
// is made here as soon as the result is there.
function pipelined(promise, path, args) {
  const p = host.rpcPipeline(promise, path, args);
  return p === null ? pipelinedHere(promise, path, args) : p;
}

function pipelinedHere(promise, path, args) {
  return promiseThen(promise, (v) => pipelinedOn(v, path, args));
}

// pipelinedOn makes it on the result itself.
function pipelinedOn(v, path, args) {
  if (isNode(v) || isStub(v)) return forward(v, path, args);
  const kind = exportKind(v);
  if (kind === 0 && path.length > 0) throw noMember(path[0]);
  return arrive(v, path, args, kind !== 1, reserved);
}

// disposable gives a result the means to dispose of the stubs in it.
function disposable(v, handles) {
  hide(v, disposeSymbol, () => {
    for (let i = 0; i < handles.length; i++) host.rpcDispose(handles[i]);
  });
}

function hasDisposer(v) {
  return typeof v[disposeSymbol] === "function";
}

// disposeExport runs the disposer of something that nobody has a stub of any more.
function disposeExport(value) {
  const f = value[disposeSymbol];
  if (typeof f === "function") apply(f, value, []);
}
