// MessageEvent, MessageChannel and MessagePort; PromiseRejectionEvent and who fires it.

class MessageEvent extends Event {
  #init;
  constructor(type, init = undefined) {
    super(type, init);
    const d = dictionary(init, "MessageEvent: the options");
    const { data = null, lastEventId = "", origin = "", ports, source = null } = d;
    this.#init = {
      __proto__: null, data, lastEventId: toWellFormed(`${lastEventId}`), origin: toWellFormed(`${origin}`), source,
      ports: freeze(ports === undefined ? [] : [...ports]),
    };
  }
  get data() {
    return this.#init.data;
  }
  get origin() {
    return this.#init.origin;
  }
  get lastEventId() {
    return this.#init.lastEventId;
  }
  get source() {
    return this.#init.source;
  }
  get ports() {
    return this.#init.ports;
  }
}
webClass(MessageEvent, "MessageEvent");

let joinPorts; // (port, port)

// What is sent to a port is cloned at once and delivered in a later turn, like a timer of 0 milliseconds, which is what it is
// here: so it belongs to whoever sent it. Until the port is started, messages wait in it.
class MessagePort extends EventTarget {
  #other = null; // null: closed
  #started = false;
  #waiting = newQueue();
  constructor(key = undefined) {
    if (key !== internal) throw illegalConstructor();
    super();
  }
  postMessage(message, options = undefined) {
    const to = this.#other;
    if (arguments.length === 0) throw new TypeErrorCtor("MessagePort.postMessage needs a message");
    const transfer = isObject(options) && typeof options[iteratorSymbol] === "function" ? options : dictionary(options, "MessagePort.postMessage: the options").transfer;
    const data = transfer === undefined ? structuredClone(message) : structuredClone(message, { __proto__: null, transfer });
    if (to === null) return;
    if (to.#started) MessagePort.#send(to, data);
    else queueAdd(to.#waiting, data);
  }
  start() {
    if (this.#started) return;
    this.#started = true;
    const q = this.#waiting;
    while (q.length > 0) MessagePort.#send(this, queueShift(q));
  }
  close() {
    const other = this.#other;
    if (other === null) return;
    other.#other = null;
    this.#other = null;
    dispatchTrusted(other, new Event("close"));
  }
  static #send(to, data) {
    startTimer(() => dispatchTrusted(to, new MessageEvent("message", { __proto__: null, data })), 0, false, []);
  }
  static {
    joinPorts = (a, b) => {
      a.#other = b;
      b.#other = a;
    };
  }
}
webClass(MessagePort, "MessagePort");
handlerProperty(MessagePort, "message");
handlerProperty(MessagePort, "messageerror");
handlerProperty(MessagePort, "close");
{
  // To set onmessage is to start the port.
  const d = getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
  const { set } = d;
  const { start } = MessagePort.prototype;
  d.set = function (fn) {
    apply(set, this, [fn]);
    apply(start, this, []);
  };
  setPrototypeOf(d, null);
  defineProperty(MessagePort.prototype, "onmessage", d);
}

class MessageChannel {
  #port1 = new MessagePort(internal);
  #port2 = new MessagePort(internal);
  constructor() {
    joinPorts(this.#port1, this.#port2);
  }
  get port1() {
    return this.#port1;
  }
  get port2() {
    return this.#port2;
  }
}
webClass(MessageChannel, "MessageChannel");

class PromiseRejectionEvent extends Event {
  #promise;
  #reason;
  constructor(type, init) {
    if (arguments.length < 2) throw new TypeErrorCtor("PromiseRejectionEvent needs a type and an object with a promise");
    super(type, init);
    const d = dictionary(init, "PromiseRejectionEvent: the options");
    const { promise, reason } = d;
    if (!isObject(promise)) throw new TypeErrorCtor("PromiseRejectionEvent needs a promise");
    this.#promise = promise;
    this.#reason = reason;
  }
  get promise() {
    return this.#promise;
  }
  get reason() {
    return this.#reason;
  }
}
webClass(PromiseRejectionEvent, "PromiseRejectionEvent");

// unhandledRejection is called by the host. It returns whether a listener prevented that the rejection is logged.
function unhandledRejection(promise, reason) {
  if (!hasListeners(globalEvents, "unhandledrejection")) return false;
  return !dispatchTrusted(globalEvents, new PromiseRejectionEvent("unhandledrejection", { __proto__: null, promise, reason, cancelable: true }));
}
