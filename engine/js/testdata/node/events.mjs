import EventEmitter, { once, on, getEventListeners, setMaxListeners, getMaxListeners, errorMonitor, listenerCount, captureRejectionSymbol, addAbortListener, EventEmitterAsyncResource } from "node:events";
import * as all from "node:events";

export default async function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  const e = new EventEmitter();
  const log = [];
  e.on("newListener", (name, f) => log.push(`new ${String(name)} ${f.name}`));
  e.on("removeListener", (name, f) => log.push(`removed ${String(name)} ${f.name}`));
  function a(...args) { log.push(`a ${args.join()} ${this === e}`); }
  function b() { log.push("b"); e.off("x", b); e.on("x", function late() { log.push("late"); }); }
  e.on("x", a).on("x", b).prependListener("x", function first() { log.push("first"); });
  e.once("x", function single() { log.push("single"); });
  e.prependOnceListener("x", function pre() { log.push("pre"); });
  print(e.emit("x", 1, 2, 3), e.emit("x"), e.emit("nothing"), e.listenerCount("x"), e.eventNames().map(String).join(), listenerCount(e, "x"), e.listenerCount("x", a));
  print(log.join("; "));
  print(e.listeners("x").map((f) => f.name).join(), e.rawListeners("x").length);
  e.removeAllListeners("x"); print(e.listenerCount("x"), log.slice(-3).join("; "));
  e.removeAllListeners(); print(e.eventNames().length);
  const o = new EventEmitter(); const f = () => {}; o.once("y", f); print(o.listeners("y")[0] === f, o.rawListeners("y")[0] === f, o.rawListeners("y")[0].listener === f); o.removeListener("y", f); print(o.listenerCount("y"));
  print(coded(() => new EventEmitter().emit("error", new TypeError("boom"))), coded(() => new EventEmitter().emit("error", "text")), coded(() => new EventEmitter().emit("error", { a: 1 })), coded(() => new EventEmitter().emit("error")));
  const m = new EventEmitter(); const seen = []; m.on(errorMonitor, (x) => seen.push(`monitor ${x.message}`)); print(coded(() => m.emit("error", new Error("seen"))), seen.join()); m.on("error", (x) => seen.push(x.message)); m.emit("error", new Error("two")); print(seen.join());
  for (const g of [() => e.on("x"), () => e.on("x", {}), () => e.setMaxListeners(-1), () => e.setMaxListeners("1"), () => { EventEmitter.defaultMaxListeners = -5; }, () => e.off("x", null)]) print(coded(g));
  print(e.getMaxListeners(), e.setMaxListeners(3) === e, e.getMaxListeners(), EventEmitter.defaultMaxListeners, getMaxListeners(e), new EventEmitter().setMaxListeners(0).getMaxListeners());
  class Sub extends EventEmitter { constructor() { super(); this.own = 1; } }
  const s = new Sub(); s.on("z", () => print("sub")); s.emit("z"); print(s instanceof EventEmitter, Object.keys(s).join());
  function Old() { EventEmitter.call(this); } Object.setPrototypeOf(Old.prototype, EventEmitter.prototype); const old = new Old(); old.on("q", () => print("old")); old.emit("q");
  const plain = Object.create(EventEmitter.prototype); plain.on("w", () => print("plain")); plain.emit("w");
  const p = once(e, "later"); queueMicrotask(() => e.emit("later", 1, 2)); print((await p).join());
  const q = once(e, "never"); queueMicrotask(() => e.emit("error", new Error("instead"))); print(await q.catch((x) => x.message), e.listenerCount("never"));
  const t = new EventTarget(); const r = once(t, "ev"); t.dispatchEvent(new Event("ev")); print((await r)[0].type);
  const ac = new AbortController(); const ab = once(e, "never", { signal: ac.signal }); ac.abort(); print(await ab.catch((x) => `${x.name} ${x.code} ${x.message}`), e.listenerCount("never"));
  print(await once(e, "x", { signal: AbortSignal.abort() }).catch((x) => x.name), await once({}, "x").catch((x) => x.code));
  const it = on(e, "n"); e.emit("n", 1); e.emit("n", 2, 3); queueMicrotask(() => e.emit("n", 4)); const got = []; for await (const v of it) { got.push(v.join("+")); if (got.length === 3) break; } print(got.join(), e.listenerCount("n"));
  const it2 = on(e, "n"); setTimeout(() => e.emit("error", new Error("end")), 1); try { for await (const v of it2) print(v); } catch (x) { print(x.message); }
  const ac3 = new AbortController(); const it3 = on(e, "n", { signal: ac3.signal }); setTimeout(() => ac3.abort(), 1); try { for await (const v of it3) print(v); } catch (x) { print(x.name); }
  print(getEventListeners(e, "x").length); const et = new EventTarget(); const h = () => {}; et.addEventListener("k", h); print(getEventListeners(et, "k")[0] === h, coded(() => getEventListeners({}, "x")));
  setMaxListeners(5, et, e); print(getMaxListeners(et), e.getMaxListeners());
  const cap = new EventEmitter({ captureRejections: true }); cap.on("go", async () => { throw new Error("async"); }); const caught = once(cap, "error"); cap.emit("go"); print((await caught.then((x) => x[0].message, (x) => x.message)));
  const cap2 = new EventEmitter({ captureRejections: true }); cap2[captureRejectionSymbol] = (x, type, ...args) => print("own", x.message, type, args.join()); cap2.on("go", async () => { throw new Error("r"); }); cap2.emit("go", 7, 8); await new Promise((f) => setTimeout(f, 1));
  print(coded(() => new EventEmitter({ captureRejections: 1 })));
  print(all.default === EventEmitter, all.EventEmitter === EventEmitter, EventEmitter.EventEmitter === EventEmitter, EventEmitter.once === once, EventEmitter.usingDomains, typeof EventEmitter.init, Object.keys(EventEmitter.prototype).join());
  const ctl = new AbortController(); const d = addAbortListener(ctl.signal, () => print("aborted")); ctl.abort(); print(typeof d[Symbol.dispose ?? "x"]);
  const r9 = new EventEmitterAsyncResource({ name: "Q" }); r9.on("x", (v) => print("res", v)); r9.emit("x", 5); print(typeof r9.asyncId, typeof r9.asyncResource);
  const sym = Symbol("s"); e.on(sym, () => {}); print(e.eventNames().map(String).join()); print(String(Object.getPrototypeOf(e.constructor.prototype) === Object.prototype), "_events" in e, "_eventsCount" in e);
}
