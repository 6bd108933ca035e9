// Event, EventTarget, AbortController and AbortSignal.

let eventStart; // (event, target)
let eventStopped;
let eventEnd;
let trustedProperty;

class Event {
  #type;
  #flags; // 1 bubbles, 2 cancelable, 4 composed, 8 canceled, 16 stop, 32 stop at once, 64 being dispatched, 128 passive
  #target = null;
  #current = null;
  #time = 0;
  #trusted = false;
  constructor(type, init = undefined) {
    if (arguments.length === 0) throw new TypeErrorCtor("Event needs a type");
    this.#type = `${type}`;
    this.#flags = init == null ? 0 : (init.bubbles ? 1 : 0) | (init.cancelable ? 2 : 0) | (init.composed ? 4 : 0);
    this.#time = host.now();
    defineProperty(this, "isTrusted", trustedProperty);
  }
  get type() {
    return this.#type;
  }
  get target() {
    return this.#target;
  }
  get srcElement() {
    return this.#target;
  }
  get currentTarget() {
    return this.#current;
  }
  get eventPhase() {
    return this.#flags & 64 ? 2 : 0;
  }
  get bubbles() {
    return (this.#flags & 1) !== 0;
  }
  get cancelable() {
    return (this.#flags & 2) !== 0;
  }
  get composed() {
    return (this.#flags & 4) !== 0;
  }
  get defaultPrevented() {
    return (this.#flags & 8) !== 0;
  }
  get returnValue() {
    return (this.#flags & 8) === 0;
  }
  set returnValue(v) {
    if (!v) this.preventDefault();
  }
  get cancelBubble() {
    return (this.#flags & 16) !== 0;
  }
  set cancelBubble(v) {
    if (v) this.#flags |= 16;
  }
  get timeStamp() {
    return this.#time;
  }
  composedPath() {
    return this.#current === null ? [] : [this.#current];
  }
  stopPropagation() {
    this.#flags |= 16;
  }
  stopImmediatePropagation() {
    this.#flags |= 48;
  }
  preventDefault() {
    if (this.#flags & 2 && !(this.#flags & 128)) this.#flags |= 8;
  }
  initEvent(type, bubbles = false, cancelable = false) {
    if (arguments.length === 0) throw new TypeErrorCtor("Event.initEvent needs a type");
    type = `${type}`;
    if (this.#flags & 64) return;
    this.#type = type;
    this.#flags = (bubbles ? 1 : 0) | (cancelable ? 2 : 0);
    this.#target = null;
    this.#trusted = false;
  }
  static {
    // The standard has this one on each event, so that nobody can replace it.
    trustedProperty = getOwnPropertyDescriptor(
      {
        get isTrusted() {
          return this.#trusted;
        },
      },
      "isTrusted",
    );
    trustedProperty.configurable = false;
    setPrototypeOf(trustedProperty, null);
    eventStart = (e, target, trusted) => {
      if (e.#flags & 64) throw new DOMException("The event is already being dispatched.", "InvalidStateError");
      e.#flags |= 64;
      e.#target = target;
      e.#current = target;
      e.#trusted = trusted;
    };
    eventStopped = (e, passive) => {
      if (passive) e.#flags |= 128;
      else e.#flags &= ~128;
      return (e.#flags & 32) !== 0;
    };
    eventEnd = (e) => {
      e.#flags &= ~(64 | 16 | 32 | 128);
      e.#current = null;
      return (e.#flags & 8) === 0;
    };
  }
}
constants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
webClass(Event, "Event");

class CustomEvent extends Event {
  #detail;
  constructor(type, init = undefined) {
    super(type, init);
    this.#detail = init == null || init.detail === undefined ? null : init.detail;
  }
  get detail() {
    return this.#detail;
  }
}
webClass(CustomEvent, "CustomEvent");

class ErrorEvent extends Event {
  #init;
  constructor(type, init = undefined) {
    super(type, init);
    const { message = "", filename = "", lineno = 0, colno = 0, error } = init ?? {};
    this.#init = { __proto__: null, message: `${message}`, filename: `${filename}`, lineno: lineno >>> 0, colno: colno >>> 0, error };
  }
  get message() {
    return this.#init.message;
  }
  get filename() {
    return this.#init.filename;
  }
  get lineno() {
    return this.#init.lineno;
  }
  get colno() {
    return this.#init.colno;
  }
  get error() {
    return this.#init.error;
  }
}
webClass(ErrorEvent, "ErrorEvent");

let dispatchTrusted; // (target, event) as the runtime itself does it
let dispatchOn; // the same for a target of the host; returns a list of what listeners threw, or null
let hasListeners; // (target, type)
let targetListeners; // (target, type) their callbacks

class EventTarget {
  // [{type, callback, capture, once, passive, removed, handler}], replaced and never changed while it is walked.
  #listeners = null;
  addEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw new TypeErrorCtor("EventTarget.addEventListener needs a type and a listener");
    type = `${type}`;
    let capture = false, once = false, passive = false, signal;
    if (typeof options === "object" && options !== null) {
      capture = !!options.capture;
      once = !!options.once;
      passive = !!options.passive;
      signal = options.signal;
      if (signal !== undefined) {
        if (!isAbortSignal(signal)) throw new TypeErrorCtor(`EventTarget.addEventListener: signal must be an AbortSignal, not ${typeName(signal)}`);
        if (signal.aborted) return;
      }
    } else {
      capture = !!options;
    }
    if (callback === null || callback === undefined) return;
    if (typeof callback !== "function" && typeof callback !== "object") {
      throw new TypeErrorCtor(`EventTarget.addEventListener: the listener must be a function or an object with handleEvent, not ${typeName(callback)}`);
    }
    const of = EventTarget.#of(this);
    const list = of.#listeners;
    if (list !== null) {
      for (let i = 0; i < list.length; i++) {
        const l = list[i];
        if (l.type === type && l.callback === callback && l.capture === capture) return;
      }
    }
    const entry = { __proto__: null, type, callback, capture, once, passive, removed: false };
    const next = list === null ? [] : copyList(list);
    push(next, entry);
    of.#listeners = next;
    if (signal !== undefined) onAbort(signal, () => EventTarget.#remove(of, entry));
  }
  removeEventListener(type, callback, options = undefined) {
    if (arguments.length < 2) throw new TypeErrorCtor("EventTarget.removeEventListener needs a type and a listener");
    type = `${type}`;
    const capture = typeof options === "object" && options !== null ? !!options.capture : !!options;
    const of = EventTarget.#of(this);
    const list = of.#listeners;
    if (list === null) return;
    for (let i = 0; i < list.length; i++) {
      const l = list[i];
      if (l.type === type && l.callback === callback && l.capture === capture) {
        EventTarget.#remove(of, l);
        return;
      }
    }
  }
  dispatchEvent(event) {
    if (!(event instanceof Event)) throw new TypeErrorCtor(`EventTarget.dispatchEvent needs an Event, not ${typeName(event)}`);
    return EventTarget.#dispatch(this, event, false, null);
  }
  // #of is what has the listeners of a target: itself, but for an object of the host, which has none of our private fields.
  static #of(target) {
    return #listeners in target ? target : hostedTarget(target);
  }
  static #remove(target, entry) {
    entry.removed = true;
    const list = target.#listeners;
    const i = arrIndexOf(list, entry);
    if (i < 0) return;
    const next = copyList(list);
    removeAt(next, i, 1);
    target.#listeners = next;
  }
  // #dispatch reports what listeners throw, or adds it to thrown.
  static #dispatch(target, event, trusted, thrown) {
    const of = EventTarget.#of(target);
    const list = of.#listeners;
    eventStart(event, target, trusted);
    const type = event.type;
    if (of !== target && !eventStopped(event, false)) {
      // As on Cloudflare, onTYPE of such a target is a property like any other, and called first.
      try {
        const handler = target[`on${type}`];
        if (typeof handler === "function") apply(handler, target, [event]);
      } catch (e) {
        if (thrown === null) reportException(e);
        else push(thrown, e);
      }
    }
    if (list !== null) {
      for (let i = 0; i < list.length; i++) {
        const l = list[i];
        if (l.removed || l.type !== type) continue;
        if (l.once) EventTarget.#remove(of, l);
        if (eventStopped(event, l.passive)) break;
        try {
          if (typeof l.callback === "function") {
            apply(l.callback, target, [event]);
          } else {
            const handle = l.callback.handleEvent;
            if (typeof handle !== "function") throw new TypeErrorCtor(`EventTarget: handleEvent of a listener must be a function, not ${typeName(handle)}`);
            apply(handle, l.callback, [event]);
          }
        } catch (e) {
          // A listener that throws stops neither the other listeners nor the program.
          if (thrown === null) reportException(e);
          else push(thrown, e);
        }
      }
    }
    return eventEnd(event);
  }
  static {
    dispatchTrusted = (target, event) => EventTarget.#dispatch(target, event, true, null);
    dispatchOn = (target, event) => {
      const thrown = [];
      EventTarget.#dispatch(target, event, true, thrown);
      return thrown.length === 0 ? null : thrown;
    };
    targetListeners = (target, type) => {
      const out = [];
      const list = EventTarget.#of(target).#listeners;
      if (list !== null) for (let i = 0; i < list.length; i++) if (list[i].type === type) push(out, list[i].callback);
      return out;
    };
    hasListeners = (target, type) => {
      const list = target.#listeners;
      if (list === null) return false;
      for (let i = 0; i < list.length; i++) if (list[i].type === type) return true;
      return false;
    };
  }
}
webClass(EventTarget, "EventTarget");

// hostedTarget is what has the listeners of an object of the host that is an event target, which is a WebSocket.
function hostedTarget(object) {
  if (!host.isWebSocket(object)) throw new TypeErrorCtor("Illegal invocation");
  let target = givenTarget(object);
  if (target === undefined) {
    target = new EventTarget();
    giveTarget(object, target);
  }
  return target;
}
const { get: givenTarget, set: giveTarget } = givenField();

// handlerProperty defines `onNAME` on a class: a listener that keeps its place when it is replaced.
function handlerProperty(cls, type) {
  const handlers = givenField();
  defineProperty(cls.prototype, `on${type}`, {
    __proto__: null,
    enumerable: true,
    configurable: true,
    get() {
      return handlers.get(this)?.fn ?? null;
    },
    set(fn) {
      if (typeof fn !== "function" && (typeof fn !== "object" || fn === null)) fn = null;
      let slot = handlers.get(this);
      if (slot === undefined) {
        if (fn === null) return;
        slot = { __proto__: null, fn: null };
        handlers.set(this, slot);
        slot.call = (event) => {
          if (typeof slot.fn !== "function") return;
          if (apply(slot.fn, this, [event]) === false) event.preventDefault();
        };
        apply(addListener, this, [type, slot.call]);
      }
      slot.fn = fn;
    },
  });
}
const addListener = EventTarget.prototype.addEventListener;

let isAbortSignal;
let newAbortSignal;
let abortSignal; // (signal, reason)
let onAbort; // (signal, steps) runs steps when it aborts; returns a function that forgets them
let followSignal; // (signal) a new signal that aborts with it

class AbortSignal extends EventTarget {
  #reason = undefined; // undefined: not aborted
  #steps = null;
  #sources = null; // of one that follows others: these, none of which follows others itself
  #dependents = null; // those that follow this one
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
    super();
  }
  get aborted() {
    return this.#reason !== undefined;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#reason !== undefined) throw this.#reason;
  }
  static abort(reason = undefined) {
    const s = new AbortSignal(internal);
    s.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
    return s;
  }
  static timeout(ms) {
    if (arguments.length === 0) throw new TypeErrorCtor("AbortSignal.timeout needs a number of milliseconds");
    ms = +ms;
    if (!(ms >= 0 && ms <= 9007199254740991)) throw new TypeErrorCtor("AbortSignal.timeout: the time must be from 0 to 2^53-1 milliseconds");
    const s = new AbortSignal(internal);
    startTimer(() => abortSignal(s, new DOMException("The operation was aborted due to timeout", "TimeoutError")), ms, false, []);
    return s;
  }
  static any(signals) {
    if (arguments.length === 0) throw new TypeErrorCtor("AbortSignal.any needs a list of signals");
    const s = new AbortSignal(internal);
    const list = [];
    for (const of of signals) {
      if (!isAbortSignal(of)) throw new TypeErrorCtor(`AbortSignal.any: each entry must be an AbortSignal, not ${typeName(of)}`);
      push(list, of);
    }
    for (let i = 0; i < list.length; i++) {
      if (list[i].#reason !== undefined) {
        s.#reason = list[i].#reason;
        return s;
      }
    }
    AbortSignal.#follow(s, list);
    return s;
  }
  // #follow makes s one that aborts with any of a list: with what they follow, where they follow others.
  static #follow(s, list) {
    const sources = [];
    s.#sources = sources;
    for (let i = 0; i < list.length; i++) {
      const roots = list[i].#sources === null ? [list[i]] : list[i].#sources;
      for (let j = 0; j < roots.length; j++) {
        const root = roots[j];
        if (arrIndexOf(sources, root) >= 0) continue;
        push(sources, root);
        if (root.#dependents === null) root.#dependents = [];
        push(root.#dependents, s);
      }
    }
  }
  static #ended(s) {
    const steps = s.#steps;
    s.#steps = null;
    s.#sources = null;
    if (steps !== null) for (let i = 0; i < steps.length; i++) steps[i]();
    dispatchTrusted(s, new Event("abort"));
  }
  static {
    isAbortSignal = (v) => typeof v === "object" && v !== null && #steps in v;
    newAbortSignal = () => new AbortSignal(internal);
    onAbort = (s, steps) => {
      if (s.#steps === null) s.#steps = [];
      push(s.#steps, steps);
      return () => {
        const i = s.#steps === null ? -1 : arrIndexOf(s.#steps, steps);
        if (i >= 0) removeAt(s.#steps, i, 1);
      };
    };
    abortSignal = (s, reason) => {
      if (s.#reason !== undefined) return;
      s.#reason = reason === undefined ? new DOMException("The operation was aborted", "AbortError") : reason;
      // All that follow it have aborted before anything runs that could look at them.
      const dependents = s.#dependents;
      const others = [];
      if (dependents !== null) {
        s.#dependents = null;
        for (let i = 0; i < dependents.length; i++) {
          const d = dependents[i];
          if (d.#reason !== undefined) continue;
          d.#reason = s.#reason;
          push(others, d);
        }
      }
      AbortSignal.#ended(s);
      for (let i = 0; i < others.length; i++) AbortSignal.#ended(others[i]);
    };
    followSignal = (from) => {
      const s = new AbortSignal(internal);
      if (from.#reason !== undefined) s.#reason = from.#reason;
      else AbortSignal.#follow(s, [from]);
      return s;
    };
  }
}
webClass(AbortSignal, "AbortSignal");
handlerProperty(AbortSignal, "abort");

class AbortController {
  #signal = null;
  get signal() {
    if (this.#signal === null) this.#signal = newAbortSignal();
    return this.#signal;
  }
  abort(reason = undefined) {
    abortSignal(this.signal, reason);
  }
}
webClass(AbortController, "AbortController");

// abortable gives up waiting for a promise when a signal aborts.
function abortable(promise, signal) {
  if (signal.aborted) return rejected(signal.reason);
  return new PromiseCtor((resolve, reject) => {
    const forget = onAbort(signal, () => reject(signal.reason));
    promiseThen(
      promise,
      (v) => {
        forget();
        resolve(v);
      },
      (e) => {
        forget();
        reject(e);
      },
    );
  });
}
