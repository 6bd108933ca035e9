// What the engine lacks and JavaScript can give: explicit resource management,
// Array.fromAsync, the call sites of Error.prepareStackTrace. Run once in every
// runtime, as bytecode, before any code of a program. What it uses of the
// language is taken here, because a program may replace it. Its value is the
// function that makes call sites.
(() => {
  'use strict';
  const {apply, construct, defineProperty} = Reflect;
  const {create, getPrototypeOf, setPrototypeOf} = Object;
  const {asyncIterator, iterator, toStringTag} = Symbol;
  const ErrorCtor = Error, TypeErrorCtor = TypeError, ReferenceErrorCtor = ReferenceError;
  const {trunc, min, max} = Math;
  const hide = (o, k, value) => defineProperty(o, k, {__proto__: null, value, writable: true, configurable: true});
  const tag = (cls, text) => defineProperty(cls.prototype, toStringTag, {__proto__: null, value: text, configurable: true});
  const text = (v) => {
    try {
      return `${v}`;
    } catch {
      return typeof v;
    }
  };
  const needsFunction = (f, what) => {
    if (typeof f !== 'function') throw new TypeErrorCtor(`${what}: ${text(f)} is not a function`);
    return f;
  };
  // methodOf is GetMethod: undefined if there is none.
  const methodOf = (o, k, what) => {
    const f = o[k];
    return f === undefined || f === null ? undefined : needsFunction(f, what);
  };

  for (const k of ['dispose', 'asyncDispose']) {
    if (!(k in Symbol)) defineProperty(Symbol, k, {__proto__: null, value: Symbol('Symbol.' + k)});
  }
  const {dispose, asyncDispose} = Symbol;

  hide(getPrototypeOf(getPrototypeOf([][iterator]())), dispose, {
    [dispose]() {
      const f = methodOf(this, 'return', 'Iterator');
      if (f !== undefined) apply(f, this, []);
    },
  }[dispose]);
  hide(getPrototypeOf(getPrototypeOf((async function* () {}).prototype)), asyncDispose, {
    async [asyncDispose]() {
      const f = methodOf(this, 'return', 'AsyncIterator');
      if (f !== undefined) await apply(f, this, [undefined]);
    },
  }[asyncDispose]);

  function SuppressedError(error, suppressed, message) {
    const e = construct(ErrorCtor, message === undefined ? [] : [message], new.target === undefined ? SuppressedError : new.target);
    hide(e, 'error', error);
    hide(e, 'suppressed', suppressed);
    return e;
  }
  setPrototypeOf(SuppressedError, ErrorCtor);
  defineProperty(SuppressedError, 'prototype', {__proto__: null, value: create(ErrorCtor.prototype), writable: false});
  hide(SuppressedError.prototype, 'constructor', SuppressedError);
  hide(SuppressedError.prototype, 'name', 'SuppressedError');
  hide(SuppressedError.prototype, 'message', '');
  hide(globalThis, 'SuppressedError', SuppressedError);

  // failures collects what disposers throw: a later error suppresses the earlier.
  const failures = () => {
    let failed = false, error;
    return {
      __proto__: null,
      add(e) {
        error = failed ? new SuppressedError(e, error, 'An error was suppressed during disposal.') : e;
        failed = true;
      },
      done() {
        if (failed) throw error;
      },
    };
  };
  // Resources are what a stack disposes of: a chain of {run, next}, newest first.
  class Resources {
    constructor(of) {
      this.of = of; // the class of the stack
      this.top = null;
      this.disposed = false;
    }
    open() {
      if (this.disposed) throw new ReferenceErrorCtor('This stack has been disposed of already.');
      return this;
    }
    push(run) {
      this.top = {__proto__: null, run, next: this.top};
    }
    adopt(value, onDispose) {
      needsFunction(onDispose, `${this.of}.adopt`);
      this.push(() => apply(onDispose, undefined, [value]));
      return value;
    }
    defer(onDispose) {
      needsFunction(onDispose, `${this.of}.defer`);
      this.push(() => apply(onDispose, undefined, []));
    }
    // take empties and closes the stack, and returns the chain.
    take() {
      const top = this.top;
      this.top = null;
      this.disposed = true;
      return top;
    }
  }
  setPrototypeOf(Resources.prototype, null);

  class DisposableStack {
    #held = new Resources('DisposableStack');
    get disposed() {
      return this.#held.disposed;
    }
    use(value) {
      const held = this.#held.open();
      if (value === null || value === undefined) return value;
      const f = methodOf(value, dispose, 'DisposableStack.use');
      if (f === undefined) throw new TypeErrorCtor('DisposableStack.use: the value has no Symbol.dispose method');
      held.push(() => apply(f, value, []));
      return value;
    }
    adopt(value, onDispose) {
      return this.#held.open().adopt(value, onDispose);
    }
    defer(onDispose) {
      this.#held.open().defer(onDispose);
    }
    move() {
      const top = this.#held.open().take();
      const s = new DisposableStack();
      s.#held.top = top;
      return s;
    }
    dispose() {
      if (this.#held.disposed) return;
      const failed = failures();
      for (let r = this.#held.take(); r !== null; r = r.next) {
        try {
          r.run();
        } catch (e) {
          failed.add(e);
        }
      }
      failed.done();
    }
  }
  hide(DisposableStack.prototype, dispose, DisposableStack.prototype.dispose);
  tag(DisposableStack, 'DisposableStack');
  hide(globalThis, 'DisposableStack', DisposableStack);

  class AsyncDisposableStack {
    #held = new Resources('AsyncDisposableStack');
    get disposed() {
      return this.#held.disposed;
    }
    use(value) {
      const held = this.#held.open();
      if (value === null || value === undefined) {
        held.push(() => undefined);
        return value;
      }
      let f = methodOf(value, asyncDispose, 'AsyncDisposableStack.use');
      if (f !== undefined) {
        held.push(() => apply(f, value, []));
        return value;
      }
      f = methodOf(value, dispose, 'AsyncDisposableStack.use');
      if (f === undefined) throw new TypeErrorCtor('AsyncDisposableStack.use: the value has neither a Symbol.asyncDispose nor a Symbol.dispose method');
      held.push(() => {
        apply(f, value, []); // what a synchronous disposer returns is not waited for
      });
      return value;
    }
    adopt(value, onDispose) {
      return this.#held.open().adopt(value, onDispose);
    }
    defer(onDispose) {
      this.#held.open().defer(onDispose);
    }
    move() {
      const top = this.#held.open().take();
      const s = new AsyncDisposableStack();
      s.#held.top = top;
      return s;
    }
    async disposeAsync() {
      if (this.#held.disposed) return;
      const failed = failures();
      for (let r = this.#held.take(); r !== null; r = r.next) {
        try {
          await r.run();
        } catch (e) {
          failed.add(e);
        }
      }
      failed.done();
    }
  }
  hide(AsyncDisposableStack.prototype, asyncDispose, AsyncDisposableStack.prototype.disposeAsync);
  tag(AsyncDisposableStack, 'AsyncDisposableStack');
  hide(globalThis, 'AsyncDisposableStack', AsyncDisposableStack);

  if (!Array.fromAsync) {
    const ArrayCtor = Array;
    const isConstructor = (f) => {
      try {
        construct(Object, [], f);
        return true;
      } catch {
        return false;
      }
    };
    const put = (out, i, value) => {
      if (!defineProperty(out, i, {__proto__: null, value, writable: true, enumerable: true, configurable: true})) throw new TypeErrorCtor(`Array.fromAsync: cannot define element ${i}`);
    };
    hide(ArrayCtor, 'fromAsync', {
      async fromAsync(items, mapper = undefined, thisArg = undefined) {
        if (mapper !== undefined) needsFunction(mapper, 'Array.fromAsync');
        const make = isConstructor(this) ? this : ArrayCtor;
        let through;
        const async = methodOf(items, asyncIterator, 'Array.fromAsync');
        if (async !== undefined) through = {__proto__: null, [asyncIterator]: () => apply(async, items, [])};
        else {
          const sync = methodOf(items, iterator, 'Array.fromAsync');
          if (sync !== undefined) through = {__proto__: null, [iterator]: () => apply(sync, items, [])};
        }
        let i = 0;
        let out;
        if (through !== undefined) {
          out = new make();
          for await (const item of through) {
            put(out, i, mapper === undefined ? item : await apply(mapper, thisArg, [item, i]));
            i++;
          }
        } else {
          const n = min(max(trunc(+items.length) || 0, 0), 2 ** 53 - 1);
          out = new make(n);
          for (; i < n; i++) {
            const item = await items[i];
            put(out, i, mapper === undefined ? item : await apply(mapper, thisArg, [item, i]));
          }
        }
        out.length = i;
        return out;
      },
    }.fromAsync);
  }

  // A CallSite is a frame as Error.prepareStackTrace sees it.
  class CallSite {
    #func;
    #file;
    #line;
    #column;
    constructor(func, file, line, column) {
      this.#func = func;
      this.#file = file;
      this.#line = line;
      this.#column = column;
    }
    getThis() {}
    getTypeName() {
      return null;
    }
    getFunction() {}
    getFunctionName() {
      return this.#func;
    }
    getMethodName() {
      return null;
    }
    getFileName() {
      return this.#file;
    }
    getLineNumber() {
      return this.#line;
    }
    getColumnNumber() {
      return this.#column;
    }
    getEvalOrigin() {}
    getScriptNameOrSourceURL() {
      return this.#file;
    }
    getScriptHash() {
      return '';
    }
    getEnclosingLineNumber() {
      return this.#line;
    }
    getEnclosingColumnNumber() {
      return this.#column;
    }
    getPosition() {
      return 0;
    }
    getPromiseIndex() {
      return null;
    }
    isToplevel() {
      return true;
    }
    isEval() {
      return false;
    }
    isNative() {
      return this.#file === null;
    }
    isConstructor() {
      return false;
    }
    isAsync() {
      return false;
    }
    isPromiseAll() {
      return false;
    }
    toString() {
      const place = this.#file === null ? 'native' : `${this.#file}:${this.#line}:${this.#column}`;
      return this.#func === null ? place : `${this.#func} (${place})`;
    }
  }
  return (func, file, line, column) => new CallSite(func, file, line, column);
})();
