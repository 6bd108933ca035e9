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
      reportException(e);
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

// The global scope's own events. Programs register for several when they start; "error" is the one that is fired.
const globalEvents = new EventTarget();
let reporting = false;

// reportException gives what nobody caught to the program's listeners for "error", and to the host unless one of them prevents that.
function reportException(error) {
  if (!reporting && hasListeners(globalEvents, "error")) {
    // What a listener throws is not given to the listeners again.
    reporting = true;
    try {
      let message = "Uncaught exception";
      try {
        if (isErrorObject(error)) message = `Uncaught ${error}`;
      } catch {
        // Its toString throws.
      }
      if (!dispatchTrusted(globalEvents, new ErrorEvent("error", { __proto__: null, message, error, cancelable: true }))) return;
    } finally {
      reporting = false;
    }
  }
  host.reportError(error);
}

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
  reportException(error);
}
