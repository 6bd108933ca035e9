// node:diagnostics_channel

const { apply, arrIndexOf, arrSlice, splice, push, mapGet, mapSet, MapCtor, invalidArg, needFunction, queueMicrotask, reportError, promiseThen, PromiseCtor, objectKeys } = kit;

const channels = new MapCtor(); // by name; programs have few

class Channel {
  #subscribers = [];
  #stores = new MapCtor();
  constructor(name) {
    this.name = name;
  }
  get hasSubscribers() {
    return this.#subscribers.length > 0 || kit.mapSize(this.#stores) > 0;
  }
  subscribe(f) {
    needFunction(f, "subscription");
    this.#subscribers = arrSlice(this.#subscribers);
    push(this.#subscribers, f);
  }
  unsubscribe(f) {
    const i = arrIndexOf(this.#subscribers, f);
    if (i < 0) return false;
    this.#subscribers = arrSlice(this.#subscribers);
    splice(this.#subscribers, i, 1);
    return true;
  }
  bindStore(store, transform = undefined) {
    mapSet(this.#stores, store, transform);
  }
  unbindStore(store) {
    return kit.mapDelete(this.#stores, store);
  }
  publish(message) {
    const list = this.#subscribers;
    for (let i = 0; i < list.length; i++) {
      try {
        list[i](message, this.name);
      } catch (e) {
        queueMicrotask(() => reportError(e));
      }
    }
  }
  runStores(message, fn, thisArg = undefined, ...args) {
    let run = () => {
      this.publish(message);
      return apply(fn, thisArg, args);
    };
    kit.mapForEach(this.#stores, (transform, store) => {
      const inner = run;
      run = () => {
        let value = message;
        if (transform) {
          try {
            value = transform(message);
          } catch (e) {
            queueMicrotask(() => reportError(e));
            return inner();
          }
        }
        return store.run(value, inner);
      };
    });
    return run();
  }
}

function channel(name) {
  if (typeof name !== "string" && typeof name !== "symbol") throw invalidArg("channel", "one of type string or symbol", name);
  let c = mapGet(channels, name);
  if (c === undefined) {
    c = new Channel(name);
    mapSet(channels, name, c);
  }
  return c;
}

const events = ["start", "end", "asyncStart", "asyncEnd", "error"];

class TracingChannel {
  constructor(nameOrChannels) {
    for (let i = 0; i < events.length; i++) {
      const e = events[i];
      if (typeof nameOrChannels === "string") this[e] = channel(`tracing:${nameOrChannels}:${e}`);
      else if (nameOrChannels?.[e] instanceof Channel) this[e] = nameOrChannels[e];
      else throw invalidArg(`nameOrChannels.${e}`, "an instance of Channel", nameOrChannels?.[e]);
    }
  }
  get hasSubscribers() {
    for (let i = 0; i < events.length; i++) if (this[events[i]].hasSubscribers) return true;
    return false;
  }
  subscribe(handlers) {
    for (let i = 0; i < events.length; i++) if (handlers[events[i]]) this[events[i]].subscribe(handlers[events[i]]);
  }
  unsubscribe(handlers) {
    let done = true;
    for (let i = 0; i < events.length; i++) if (handlers[events[i]] && !this[events[i]].unsubscribe(handlers[events[i]])) done = false;
    return done;
  }
  traceSync(fn, context = {}, thisArg = undefined, ...args) {
    return this.start.runStores(context, () => {
      try {
        const result = apply(fn, thisArg, args);
        context.result = result;
        return result;
      } catch (e) {
        context.error = e;
        this.error.publish(context);
        throw e;
      } finally {
        this.end.publish(context);
      }
    });
  }
  tracePromise(fn, context = {}, thisArg = undefined, ...args) {
    const settle = (f, name) => (v) => {
      context[name] = v;
      if (name === "error") this.error.publish(context);
      this.asyncStart.publish(context);
      this.asyncEnd.publish(context);
      return f(v);
    };
    return this.start.runStores(context, () => {
      try {
        let promise = apply(fn, thisArg, args);
        if (!(promise instanceof PromiseCtor)) promise = PromiseCtor.resolve(promise);
        return promiseThen(promise, settle((v) => v, "result"), settle((e) => PromiseCtor.reject(e), "error"));
      } catch (e) {
        context.error = e;
        this.error.publish(context);
        throw e;
      } finally {
        this.end.publish(context);
      }
    });
  }
  traceCallback(fn, position = -1, context = {}, thisArg = undefined, ...args) {
    const at = position < 0 ? args.length + position : position;
    const callback = needFunction(args[at], "callback");
    const channel = this;
    args[at] = function (error, result) {
      if (error) {
        context.error = error;
        channel.error.publish(context);
      } else {
        context.result = result;
      }
      return channel.asyncStart.runStores(context, () => {
        try {
          return apply(callback, this, arguments);
        } finally {
          channel.asyncEnd.publish(context);
        }
      });
    };
    return this.start.runStores(context, () => {
      try {
        return apply(fn, thisArg, args);
      } catch (e) {
        context.error = e;
        this.error.publish(context);
        throw e;
      } finally {
        this.end.publish(context);
      }
    });
  }
}

return {
  Channel, channel,
  hasSubscribers: (name) => mapGet(channels, name)?.hasSubscribers ?? false,
  subscribe: (name, f) => channel(name).subscribe(f),
  unsubscribe: (name, f) => channel(name).unsubscribe(f),
  tracingChannel: (nameOrChannels) => new TracingChannel(nameOrChannels),
};
