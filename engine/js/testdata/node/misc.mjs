import process, { env, nextTick, platform } from "node:process";
import os, { EOL } from "node:os";
import { channel, subscribe, unsubscribe, hasSubscribers, tracingChannel } from "node:diagnostics_channel";
import timers, { setImmediate as immediate, clearImmediate } from "node:timers";
import timersPromises, { setTimeout as wait, setInterval as every, scheduler as sched } from "node:timers/promises";
import { performance as perf } from "node:perf_hooks";
import { createRequire, builtinModules, isBuiltin } from "node:module";
import { AsyncLocalStorage } from "node:async_hooks";
import { text, json, buffer, arrayBuffer, blob } from "node:stream/consumers";
import { ReadableStream as RS } from "node:stream/web";
import { Readable } from "node:stream";
import con from "node:console";

export default async function (print) {
  const coded = (f) => { try { return f(); } catch (e) { return `${e.name} [${e.code}]: ${e.message}`; } };
  print(typeof process.pid, platform, process === globalThis.process, typeof process.version, typeof process.versions.node, typeof process.uptime(), process.argv.length > 0, typeof process.cwd(), Array.isArray(process.hrtime()), typeof process.hrtime.bigint(), process.hrtime([0, 0])[0] >= 0, typeof process.memoryUsage().heapUsed, typeof process.memoryUsage.rss(), Object.prototype.toString.call(process), process.emitWarning.name);
  env.NEW = 5; env.UNDEF = undefined; print(env.NEW === "5", env.UNDEF === "undefined", "NEW" in env, delete env.NEW, env.NEW, process.env === env, coded(() => { env.S = Symbol("x"); }));
  const order = []; nextTick((a, b) => order.push(`tick ${a} ${b}`), 1, 2); setTimeout(() => order.push("timeout"), 0); immediate((x) => order.push(`immediate ${x}`), "i"); const dead = immediate(() => order.push("never")); clearImmediate(dead); order.push("sync"); await wait(5); print(order.filter((x) => x !== "immediate i").join(), order.includes("immediate i")); print(coded(() => nextTick(1)), coded(() => immediate(1)));
  const warned = new Promise((f) => process.once("warning", f)); process.emitWarning("careful", { type: "Custom", code: "C1", detail: "d" }); const w = await warned; print(w.name, w.message, w.code, w.detail, w instanceof Error, coded(() => process.emitWarning(5)));
  print(JSON.stringify(EOL), os.endianness(), typeof os.cpus().length, os.devNull, os.constants.signals.SIGTERM, typeof os.tmpdir(), typeof os.hostname(), typeof os.platform());
  const c = channel("a"); const got = []; const f = (m, name) => got.push(`${JSON.stringify(m)} ${String(name)}`); c.publish(1); subscribe("a", f); print(hasSubscribers("a"), c.hasSubscribers); c.publish({ x: 1 }); print(unsubscribe("a", f), unsubscribe("a", f), hasSubscribers("a"), channel("a") === c, got.join(), coded(() => channel(5)), coded(() => c.subscribe(1)));
  const als = new AsyncLocalStorage(); const sc = channel("store"); sc.bindStore(als, (d) => `bound ${d}`); print(sc.runStores("m", function (a) { return `${als.getStore()} ${this.t} ${a}`; }, { t: 1 }, 2), als.getStore()); sc.unbindStore(als); print(sc.runStores("m", () => als.getStore()));
  const tc = tracingChannel("op"); const trace = []; tc.subscribe({ start: () => trace.push("start"), end: () => trace.push("end"), asyncStart: () => trace.push("asyncStart"), asyncEnd: () => trace.push("asyncEnd"), error: (m) => trace.push(`error ${m.error.message}`) });
  print(tc.traceSync((a) => a + 1, {}, null, 1), trace.splice(0).join()); try { tc.traceSync(() => { throw new Error("x"); }); } catch {} print(trace.splice(0).join()); print(await tc.tracePromise(async () => 5), trace.splice(0).join()); await tc.tracePromise(async () => { throw new Error("y"); }).catch(() => {}); print(trace.splice(0).join()); await new Promise((r) => tc.traceCallback((cb) => setTimeout(cb, 1, null, 7), 0, {}, null, (e, v) => { print(e, v); r(); })); print(trace.join());
  print(await wait(1, "v"), await timersPromises.setImmediate("im"), await wait(50, 0, { signal: AbortSignal.abort() }).catch((e) => `${e.name} ${e.code}`), await wait("x").catch((e) => e.code)); const ac = new AbortController(); const late = wait(1000, 0, { signal: ac.signal }).catch((e) => e.name); ac.abort(); print(await late); let n = 0; for await (const v of every(1, "tick")) { if (++n === 3) { print(v, n); break; } } await sched.wait(1); await sched.yield(); print(timers.setTimeout === setTimeout, timers.promises === timersPromises);
  print(typeof perf.now(), typeof perf.timeOrigin, perf === performance, builtinModules.includes("fs"), isBuiltin("node:fs"), isBuiltin("nope")); const require = createRequire("/x/y.js"); print(require("node:path") === require("path"), coded(() => require("no-such-package-here")).slice(0, 52), coded(() => createRequire(5)).slice(0, 60));
  const r = () => Readable.from(["a", Buffer.from("b\u00e9")]); print(await text(r()), await json(Readable.from(['{"a":', "1}"])).then((x) => x.a), (await buffer(r())).toString("hex"), (await arrayBuffer(r())).byteLength, (await blob(r())).size, await text(new RS({ start(c) { c.enqueue("w"); c.close(); } })), RS === ReadableStream, typeof con.log, con.default === undefined);
}
