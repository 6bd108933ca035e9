// node:timers. Timers are numbers here, as they are on Cloudflare, and those of setImmediate are objects that run as soon as they can.

const { setTimeout, clearTimeout, setInterval, clearInterval, apply, needFunction, defineProperty } = kit;

class Immediate {
  #id;
  constructor(id) {
    this.#id = id;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return true;
  }
  [Symbol.dispose]() {
    clearImmediate(this);
  }
  static idOf(v) {
    return #id in v ? v.#id : undefined;
  }
}
const idOf = Immediate.idOf;
delete Immediate.idOf;

function setImmediate(callback, ...args) {
  needFunction(callback, "callback");
  return new Immediate(setTimeout(() => apply(callback, undefined, args), 0));
}

function clearImmediate(immediate) {
  if (typeof immediate === "object" && immediate !== null) clearTimeout(idOf(immediate));
}

defineProperty(setImmediate, Symbol.for("nodejs.util.promisify.custom"), { __proto__: null, get: () => need("timers/promises").setImmediate, configurable: true });

const promisedTimeout = Symbol.for("nodejs.util.promisify.custom");
if (!(promisedTimeout in setTimeout)) defineProperty(setTimeout, promisedTimeout, { __proto__: null, get: () => need("timers/promises").setTimeout, configurable: true });

return {
  setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate,
  active() {},
  enroll() {},
  unenroll() {},
  get promises() {
    return need("timers/promises");
  },
};
