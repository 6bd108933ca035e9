// performance, navigator, queueMicrotask, structuredClone, reportError.

class Performance extends EventTarget {
  #self;
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
    super();
  }
  get timeOrigin() {
    void this.#self;
    return host.timeOrigin();
  }
  now() {
    void this.#self;
    return host.now();
  }
  toJSON() {
    void this.#self;
    return { timeOrigin: host.timeOrigin() };
  }
}
webClass(Performance, "Performance");

class Navigator {
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
  }
  get userAgent() {
    return "Cloudflare-Workers";
  }
  get hardwareConcurrency() {
    return 1;
  }
  get language() {
    return "en";
  }
  get languages() {
    return freeze(["en"]);
  }
  get platform() {
    return "Linux x86_64";
  }
}
webClass(Navigator, "Navigator");

function queueMicrotask(callback) {
  if (typeof callback !== "function") throw new TypeErrorCtor(`queueMicrotask: the argument must be a function, not ${typeName(callback)}`);
  // A callback that throws must not pass for a rejected promise.
  promiseThen(resolved(undefined), () => {
    try {
      callback();
    } catch (e) {
      host.reportError(e);
    }
  });
}

function structuredClone(value, options = undefined) {
  if (arguments.length === 0) throw new TypeErrorCtor("structuredClone needs a value");
  const given = options == null ? undefined : options.transfer;
  if (given === undefined) return host.structuredClone(value, null);
  const transfer = [];
  for (const t of given) {
    if (!isBuffer(t)) throw new DOMException(`structuredClone: ${typeName(t)} cannot be transferred`, "DataCloneError");
    if (arrIndexOf(transfer, t) >= 0) throw new DOMException("structuredClone: an ArrayBuffer is in the transfer list twice", "DataCloneError");
    push(transfer, t);
  }
  return host.structuredClone(value, transfer);
}

// The global scope's own events. Nothing of this engine fires one, but programs register for them when they start.
const globalEvents = new EventTarget();

function addEventListener(type, callback, options = undefined) {
  globalEvents.addEventListener(type, callback, options);
}

function removeEventListener(type, callback, options = undefined) {
  globalEvents.removeEventListener(type, callback, options);
}

function dispatchEvent(event) {
  return globalEvents.dispatchEvent(event);
}

function reportError(error) {
  if (arguments.length === 0) throw new TypeErrorCtor("reportError needs a value");
  host.reportError(error);
}
