// Calls by name: stubs of objects, entry points and of what programs give each other, and how such calls arrive.
//
// What can be called is a node, the host's function (nodes.go), or the stub of an object or entry point, the host's object. A
// name that neither has is found at the end of its prototype chain, where the host makes it a property; names that it has, such
// as fetch, are found as in any object.

const disposeSymbol = Symbol.dispose;
const ObjectPrototype = Object.prototype;
const isPrototypeOf = uncurry(Object.prototype.isPrototypeOf);
const hasOwn = uncurry(Object.prototype.hasOwnProperty);
const promiseFinally = uncurry(Promise.prototype.finally);
const ProxyCtor = Proxy;
const isNode = host.isNode;
const isStub = host.isStub;
const nodeHandle = host.nodeHandle; // (node) of a stub that is one, undefined for anything else
const newStub = host.nodeStub; // (handle)
const readNode = host.nodeRead; // (node) a promise of what it stands for
const forward = host.nodeSend; // (node or stub, path, args)

class Returned {
  constructor(v) {
    return v;
  }
}

// disposeResult disposes of what a call returned.
function disposeResult(v) {
  if ((typeof v !== "object" && typeof v !== "function") || v === null) return;
  const f = v[disposeSymbol];
  if (typeof f === "function") apply(f, v, []);
}

class RpcPromise {
  constructor() {
    throw illegalConstructor();
  }
  then(ok = undefined, failed = undefined) {
    return promiseThen(readNode(this), ok, failed);
  }
  catch(failed = undefined) {
    return promiseThen(readNode(this), undefined, failed);
  }
  finally(f = undefined) {
    return promiseFinally(readNode(this), f);
  }
}
webClass(RpcPromise, "JsRpcPromise");
hide(RpcPromise.prototype, disposeSymbol, function () {
  const promise = host.nodePromise(this);
  if (promise !== undefined) promiseThen(promise, disposeResult, () => {});
});

class RpcProperty {
  constructor() {
    throw illegalConstructor();
  }
  then(ok = undefined, failed = undefined) {
    return promiseThen(readNode(this), ok, failed);
  }
  catch(failed = undefined) {
    return promiseThen(readNode(this), undefined, failed);
  }
  finally(f = undefined) {
    return promiseFinally(readNode(this), f);
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
  const h = nodeHandle(v);
  if (h === undefined) throw new TypeErrorCtor("Illegal invocation");
  return h;
}

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
host.linkNodes(RpcPromise.prototype, RpcProperty.prototype, RpcStub.prototype, Fetcher.prototype, DurableObjectStub.prototype);

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

// pipelinedHere makes a call on the result of another as soon as that is there.
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
