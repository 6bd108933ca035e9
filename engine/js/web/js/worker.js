// What a Worker's event and the module cloudflare:workers are made of, and the doors through which the host comes in.

class ExecutionContext {
  #event;
  #props = undefined;
  constructor(key, event) {
    if (key !== internal) throw illegalConstructor();
    this.#event = event;
  }
  waitUntil(promise) {
    holdFor(this.#event, promise);
  }
  passThroughOnException() {}
  get props() {
    if (this.#props === undefined) this.#props = {};
    return this.#props;
  }
}
webClass(ExecutionContext, "ExecutionContext");

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

class RpcTarget {}

function waitUntil(promise) {
  holdFor(null, promise);
}

const noFetch = "Handler does not export a fetch() function.";

// workerFetch delivers a request to a module's default export (or a named entry point): an object with fetch, or a
// class that is made anew for each event.
function workerFetch(handler, src, env, event) {
  const ctx = new ExecutionContext(internal, event);
  if (typeof handler === "function") {
    const instance = new handler(ctx, env);
    if (typeof instance.fetch !== "function") throw new ErrorCtor(noFetch);
    return instance.fetch(requestFrom(src));
  }
  if (typeof handler.fetch !== "function") throw new ErrorCtor(noFetch);
  return handler.fetch(requestFrom(src), env, ctx);
}

// newObject runs an object's constructor.
function newObject(cls, actor, env) {
  return new cls(stateFrom(actor), env);
}

// objectFetch delivers a request to an object.
function objectFetch(object, src) {
  if (typeof object.fetch !== "function") throw new ErrorCtor(noFetch);
  return object.fetch(requestFrom(src));
}

// reply gives the host the Response that a handler returned; see replyWith.
function reply(value) {
  if (!replyWith(value)) {
    throw new TypeErrorCtor(`Incorrect type for Promise: the Promise did not resolve to 'Response' (it resolved to ${typeName(value)})`);
  }
}
