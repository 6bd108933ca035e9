import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { Readable, Transform, pipeline } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";

export default async function (print) {
  const als = new AsyncLocalStorage();
  const other = new AsyncLocalStorage();
  const now = (what) => print(what, als.getStore(), other.getStore());
  const tick = () => new Promise((f) => setTimeout(f, 1));
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  now("outside");
  print(als.run(1, (a, b) => `${als.getStore()} ${a} ${b}`, "x", "y"));
  await als.run("a", async () => {
    now("sync"); await null; now("await"); await tick(); now("timer");
    await Promise.reject(1).catch(() => now("catch")); await Promise.resolve().finally(() => now("finally"));
    await Promise.all([1, 2].map(async (n) => { await tick(); now(`all ${n}`); }));
    await other.run("o", async () => { await null; now("nested"); als.exit(() => now("exit")); await als.exit(async () => { await null; now("exit later"); }); now("after exit"); });
    now("back");
    await new Promise((f) => queueMicrotask(() => { now("microtask"); f(); }));
    await new Promise((f) => process.nextTick(() => { now("nextTick"); f(); }));
    await new Promise((f) => setImmediate(() => { now("immediate"); f(); }));
    await new Promise((f) => { let n = 0; const i = setInterval(() => { now("interval"); if (++n === 2) { clearInterval(i); f(); } }, 1); });
    await { then(f) { now("thenable"); f(); } }; now("after thenable");
    for await (const v of (async function* () { now("gen"); yield 1; await tick(); now("gen 2"); yield 2; })()) now(`body ${v}`);
    try { await (async () => { await null; throw new Error("x"); })(); } catch { now("caught"); }
  });
  now("outside again");
  await Promise.all(["p", "q", "r"].map((id) => als.run(id, async () => { for (let i = 0; i < 5; i++) { await tick(); if (als.getStore() !== id) print("mixed up"); } })));
  const e = new EventEmitter(); als.run("registered", () => e.on("x", () => now("listener"))); als.run("dispatched", () => e.emit("x"));
  const t = new EventTarget(); als.run("registered", () => t.addEventListener("x", () => now("target"))); als.run("dispatched", () => t.dispatchEvent(new Event("x")));
  const bound = als.run("bound", () => AsyncLocalStorage.bind((v) => { now(v); return v; })); print(als.run("caller", () => bound("arg")));
  const snap = als.run("snap", () => AsyncLocalStorage.snapshot()); print(als.run("other", () => snap((a) => `${als.getStore()} ${a}`, 5)));
  const res = als.run("res", () => new AsyncResource("R")); res.runInAsyncScope(function (v) { now(`scope ${this.k} ${v}`); }, { k: 1 }, 2); print(typeof res.asyncId(), typeof res.triggerAsyncId(), res.emitDestroy() === res);
  const rb = als.run("rb", () => AsyncResource.bind(function (a, b) { return `${als.getStore()} ${this?.z} ${a}`; })); print(rb.call({ z: 9 }, 1), rb.length);
  await als.run("enter", async () => { als.enterWith("entered"); now("e1"); await null; now("e2"); await tick(); now("e3"); });
  now("after enter");
  await (async () => { await null; als.enterWith("inner"); now("i1"); await tick(); now("i2"); })(); now("after inner");
  print(coded(() => AsyncLocalStorage.bind(1)), coded(() => new AsyncResource()), coded(() => als.run(1, () => { throw new TypeError("inside"); })), als.getStore());
  als.run("d", () => { als.disable(); print(als.getStore()); }); print(als.run("again", () => als.getStore()));
  await als.run("stream", async () => {
    const r = Readable.from((async function* () { yield "a"; await tick(); yield "b"; })());
    const up = new Transform({ objectMode: true, transform(c, _, f) { setTimeout(() => { now(`transform ${c}`); f(null, c.toUpperCase()); }, 1); } });
    await new Promise((f) => pipeline(r, up, async function (source) { for await (const c of source) now(`read ${c}`); }, () => { now("pipeline"); f(); }));
  });
  await als.run("wait", async () => { await wait(1); now("timers/promises"); });
  const p = als.run("made", () => new Promise((f) => setTimeout(f, 1))); await als.run("awaited", async () => { await p; now("who awaits"); });
  let go; const gate = new Promise((f) => (go = f)); const one = als.run("one", () => gate.then(() => now("one"))); const two = als.run("two", () => gate.then(() => now("two"))); als.run("resolver", () => go()); await Promise.all([one, two]);
  const g = (function* () { now("g1"); yield; now("g2"); })(); als.run("first", () => g.next()); als.run("second", () => g.next());
  const web = als.run("web", () => new ReadableStream({ start(c) { now("start"); c.enqueue(1); c.close(); } })); for await (const v of web) print(v);
}
